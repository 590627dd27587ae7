//! What comes over the socket, and answers that are none.

use std::collections::BTreeSet;

use neospace_dm::{b64, sha256};
use neospace_tests::{
    eventually,
    forger::{now, shown_to_recipient, text_body},
    proxy::Told,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{SAID, Stage, bend, calm, codes, goto, said, talk};

#[test]
fn frames_that_the_server_makes_up_break_nothing_and_change_no_word() {
    let stage = Stage::new();
    let deep = format!(
        r#"{{"event":"dm_message","with":"ana","copy":{}{}}}"#,
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    let mut frames: Vec<String> = [
        "",
        "not JSON",
        "null",
        "1",
        "\"text\"",
        "[]",
        "[[[[",
        "{}",
        r#"{"event":null}"#,
        r#"{"event":{}}"#,
        r#"{"event":"__proto__"}"#,
        r#"{"event":"dm_message"}"#,
        r#"{"event":"dm_message","with":"ana"}"#,
        r#"{"event":"dm_message","with":{"ana":1},"seq":1}"#,
        r#"{"event":"dm_message","with":"__proto__","seq":1}"#,
        r#"{"event":"dm_message","with":"ana","id":-1,"seq":1e300,"header":[],"copy":{}}"#,
        r#"{"event":"dm_deleted","with":"ana"}"#,
        r#"{"event":"dm_deleted","with":"ana","ids":null}"#,
        r#"{"event":"dm_deleted","with":"ana","ids":[null,"x",{},-1,1e300]}"#,
        r#"{"event":"dm_deleted","with":"ana","ids":[1,2,3,4,5,6,7,8,9],"scope":"both"}"#,
        r#"{"event":"dm_unread","with":"ana"}"#,
        r#"{"event":"dm_unread","with":"ana","unread":{},"read_seq":"x","last_seq":[]}"#,
        r#"{"event":"dm_unread","with":"ana","unread":true,"read_seq":1e300,"last_seq":-1}"#,
        r#"{"event":"dm_unread","with":"nobody-here","unread":true,"read_seq":0,"last_seq":1}"#,
        r#"{"event":"dm_typing"}"#,
        r#"{"event":"dm_typing","with":["ana"]}"#,
        r#"{"event":"dm_stop_typing","with":null}"#,
        r#"{"event":"dm_changed"}"#,
        r#"{"event":"dm_changed","with":"ana"}"#,
        r#"{"event":"key_log"}"#,
        r#"{"event":"key_log","size":-1}"#,
        r#"{"event":"key_log","size":1e300}"#,
        r#"{"event":"key_log","size":"9"}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    frames.push(deep);
    frames.push(format!(
        r#"{{"event":"dm_message","with":"ana","copy":"{}"}}"#,
        "A".repeat(3 << 20)
    ));
    for frame in &frames {
        stage.door.say(Message::text(frame.clone()));
    }
    stage.door.say(Message::binary(vec![0xff; 1000]));
    // What was said already, again; and what ana says next comes all the same.
    let known = stage.ana.messages(&stage.bob_name);
    assert_eq!(known.len(), 7);
    for shown in &known {
        let mut again = serde_json::to_value(shown).expect("it is JSON");
        (again["event"], again["with"]) = (json!("dm_message"), json!("ana"));
        stage.door.say(Message::text(again.to_string()));
    }
    stage.ana.say(&stage.bob_name, "bob once more");
    stage.at_bob.wait_for(".message:not(.mine) \"bob once more\"");
    let mut expected: Vec<&str> = SAID.to_vec();
    expected.push("bob once more");
    assert_eq!(said(&stage.at_bob), expected);
    calm(&stage.at_bob, "made-up frames");
    // Nothing that is wrong is left once the truth is told.
    stage.check("the truth again", &[]);

    // A message that ana didn't seal, live: it is noticed, and says nothing.
    let sealed = stage.ana.seal(
        &stage.bob_name,
        &stage.ana.header(&stage.bob_name),
        text_body("made up").to_string().as_bytes(),
    );
    let mut forged = shown_to_recipient(&sealed, &stage.ana_name, 99, 9);
    bend(&mut forged["copy"], |copy| copy[100] ^= 1);
    (forged["event"], forged["with"]) = (json!("dm_message"), json!("ana"));
    stage.door.say(Message::text(forged.to_string()));
    stage
        .at_bob
        .wait_until("document.querySelector('neo-dm-alarms li[data-code=broken]')");
    assert_eq!(
        said(&stage.at_bob).iter().filter(|text| !text.is_empty()).count(),
        expected.len()
    );
    calm(&stage.at_bob, "a forged frame");
}

#[test]
fn answers_that_are_none_leave_nothing_typed_lost_and_make_nobody_say_a_thing_twice() {
    let stage = Stage::new();
    // Whole answers of any shape, in the place of the conversation.
    let shapes: [(&str, u16, String); 10] = [
        ("a text", 200, "\"text\"".into()),
        ("a number", 200, "1".into()),
        ("null", 200, "null".into()),
        ("a list", 200, "[]".into()),
        (
            "messages that are no list",
            200,
            json!({ "messages": {}, "more": 1 }).to_string(),
        ),
        ("half an answer", 200, "{\"messages\":[{".into()),
        (
            "deep nesting",
            200,
            format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)),
        ),
        ("a page", 200, "<!doctype html><script>alert(1)</script>".into()),
        ("a fault", 500, "{\"detail\":{}}".into()),
        ("17 MiB", 200, format!("\"{}\"", "x".repeat(17 << 20))),
    ];
    for (what, status, body) in shapes {
        stage.door.requests(move |asked| {
            (asked.place() == "/dm/ana/messages" && asked.method == "GET")
                .then(|| Told::bytes(status, "application/json", body.clone()))
        });
        let state = goto(&stage.at_bob, &stage.door.url("/dm/ana"));
        assert_eq!(state, "offline", "{what}");
        assert_eq!(said(&stage.at_bob), Vec::<String>::new(), "{what}");
        calm(&stage.at_bob, what);
        stage.door.honest();
    }
    // The list of conversations.
    for (what, body) in [
        ("no list", json!([])),
        (
            "rows that are none",
            json!({ "conversations": [null, 1, "x", [], {}, { "with": "../x" }, { "with": "ana", "last_seq": -1 }], "more": 7 }),
        ),
        (
            "a row without end",
            json!({ "conversations": [{ "with": "ana", "colour": "red plate-x", "last_seq": 9, "read_seq": 0, "at": 9_007_199_254_740_991_u64, "state": "party", "muted": 1, "blocked": "x" }], "more": false }),
        ),
    ] {
        stage.door.requests(move |asked| {
            (asked.place() == "/dm"
                && asked
                    .headers
                    .get("accept")
                    .is_some_and(|accept| accept == "application/json"))
            .then(|| Told::json(200, &body))
        });
        for path in ["/dm", "/dm/ana"] {
            goto(&stage.at_bob, &stage.door.url(path));
            calm(&stage.at_bob, what);
        }
        stage.door.honest();
    }

    // "Somebody was quicker", though nobody was: the same bytes are tried again, and no others are made.
    goto(&stage.at_bob, &stage.door.url("/dm/ana"));
    let mark = stage.door.mark();
    let mut refusals = 2;
    stage.door.requests(move |asked| {
        let refuse = asked.method == "POST" && asked.place() == "/dm/ana/messages" && refusals > 0;
        refusals -= i32::from(refuse);
        refuse.then(|| {
            Told::json(
                409,
                &json!({ "title": "Somebody was quicker", "status": 409, "code": "counter_taken", "detail": "x" }),
            )
        })
    });
    talk(&stage.at_bob, "said once");
    let tries: BTreeSet<_> = stage
        .door
        .sent(mark)
        .into_iter()
        .filter(|passed| passed.what == "POST /dm/ana/messages")
        .map(|passed| passed.bytes)
        .collect();
    assert_eq!(tries.len(), 1, "the same bytes each time");
    stage.door.honest();
    let heard = |text: &str| {
        let position = stage.ana.messages(&stage.bob_name);
        let open = |shown: &neospace_dm::thread::Shown| {
            let names = (&stage.bob_name, &stage.ana_name);
            neospace_dm::message::open(
                &shown.header,
                neospace_dm::message::Copy::Recipient,
                names,
                &stage.ana.keys(),
                shown.copy.as_ref()?,
            )
            .ok()
        };
        let opened = position
            .iter()
            .filter(|shown| shown.from == stage.bob_name)
            .filter_map(open);
        opened
            .filter(|opened| String::from_utf8_lossy(&opened.json).contains(text))
            .count()
    };
    assert_eq!(heard("said once"), 1);
    // "Stored", though it wasn't: the next look tells.
    stage.door.requests(|asked| {
        if asked.method != "POST" || asked.place() != "/dm/ana/messages" {
            return None;
        }
        let sent: Value = serde_json::from_slice(&asked.body).ok()?;
        let recipient: Vec<u8> = b64::decode(sent["recipient"].as_str()?)?;
        Some(Told::json(
            201,
            &json!({
                "id": 99, "seq": 9, "at": now(), "from": "bob", "header": sent["header"], "copy": sent["sender"],
                "other": b64::encode(sha256(&[&recipient])), "own": null, "hidden": null, "removed": false,
            }),
        ))
    });
    talk(&stage.at_bob, "never stored");
    stage.door.honest();
    goto(&stage.at_bob, &stage.door.url("/dm/ana"));
    let told = codes(&stage.at_bob);
    if told.is_empty() {
        // The page was gone before it had noted that it believed it: then it still had the message, and sends it.
        eventually("what wasn't stored to be sent", || {
            (heard("never stored") == 1).then_some(())
        });
    } else {
        assert_eq!(told, BTreeSet::from(["missing".to_owned()]));
        assert_eq!(heard("never stored"), 0);
    }
    calm(&stage.at_bob, "never stored");
}
