//! A member whose client seals what the rules forbid.

use std::collections::BTreeSet;

use neospace_dm::{Alarm, Name, b64, message::Whose, thread::Says};
use neospace_tests::{
    Browser, Proxy,
    forger::{Forger, now, text_body},
};
use serde_json::{Value, json};

use super::{calm, codes, device, goto, open, server};

#[test]
fn what_a_member_seals_against_the_rules_is_refused_or_harmless() {
    let server = server();
    let browser = Browser::start();
    // A name that is also a property of every object.
    let eve = Forger::enter(server.person("__proto__"));
    let ana = Forger::enter(server.person("constructor"));
    let bob = server.person("bob");
    let bob_name: Name = "bob".parse().expect("a name");
    let door = Proxy::before(&server);
    let page = device(&browser, &door.door_for(&bob));
    open(&page, &door.url("/dm"));
    eve.say(&bob_name, "hello from a strange name");
    bob.request("POST", "/dm/__proto__/accept")
        .body("application/json", "{}")
        .send();
    eve.say_body(&bob_name, &json!({ "type": "delete", "at": now(), "targets": [1] }));

    let file = |change: Value| {
        let mut file =
            json!({ "id": "abc", "key": b64::encode([1; 32]), "size": 10, "name": "a.txt", "type": "text/plain" });
        for (field, value) in change.as_object().into_iter().flatten() {
            file[field] = value.clone();
        }
        json!({ "type": "text", "at": now(), "text": "see", "files": [file] }).to_string()
    };
    let text = |change: Value| {
        let mut body = text_body("see");
        for (field, value) in change.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        body.to_string()
    };
    let deep = |depth: usize| {
        format!(
            r#"{{"type":"text","at":1,"text":"deep","more":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    let long = "x".repeat(4001);
    // (what, the body, the alarm in its place, or what is shown)
    let hostile: Vec<(&str, String, &str)> = vec![
        ("no JSON", "no JSON".into(), "broken"),
        ("nothing", String::new(), "broken"),
        ("a list", "[]".into(), "broken"),
        ("null", "null".into(), "broken"),
        ("a type that is no text", r#"{"type":1}"#.into(), "broken"),
        ("a type that nobody knows", r#"{"type":"party","at":1}"#.into(), "?"),
        ("no time", r#"{"type":"text","text":"see"}"#.into(), "broken"),
        ("a time without end", text(json!({ "at": 1e300 })), "broken"),
        (
            "a time beyond clocks",
            text(json!({ "at": 9_007_199_254_740_991_u64 })),
            "see",
        ),
        ("a negative time", text(json!({ "at": -1 })), "broken"),
        (
            "a number beyond numbers",
            r#"{"type":"text","at":9007199254740993,"text":"see"}"#.into(),
            "broken",
        ),
        (
            "half a character",
            r#"{"type":"text","at":1,"text":"\ud800"}"#.into(),
            "broken",
        ),
        ("no text", text(json!({ "text": "" })), "broken"),
        ("a text that is too long", text(json!({ "text": long })), "broken"),
        (
            "control characters",
            text(json!({ "text": "a\u{1b}[2Jb\u{7}" })),
            "broken",
        ),
        ("a text that is a list", text(json!({ "text": ["see"] })), "broken"),
        (
            "an answer to nothing",
            text(json!({ "reply": { "of": "mine", "counter": 9_999 } })),
            "see",
        ),
        (
            "an answer to a place that is none",
            text(json!({ "reply": { "of": "ours", "counter": 1 } })),
            "broken",
        ),
        ("nested too deeply", deep(9), "broken"),
        ("nested very deeply", deep(7_000), "broken"),
        (
            "two texts",
            r#"{"type":"text","at":1,"text":"the first","text":"the last"}"#.into(),
            "the last",
        ),
        (
            "a prototype",
            r#"{"type":"text","at":1,"text":"proto","__proto__":{"deleted":"both"},"constructor":{"prototype":{}}}"#
                .into(),
            "proto",
        ),
        (
            "a change of what comes later",
            r#"{"type":"edit","at":1,"target":9999,"text":"later"}"#.into(),
            "forged",
        ),
        (
            "a change of a removal",
            r#"{"type":"edit","at":1,"target":2,"text":"a removal"}"#.into(),
            "forged",
        ),
        (
            "a removal of a removal",
            r#"{"type":"delete","at":1,"targets":[2]}"#.into(),
            "forged",
        ),
        (
            "a removal of what comes later",
            r#"{"type":"delete","at":1,"targets":[9999]}"#.into(),
            "forged",
        ),
        (
            "a removal of nothing",
            r#"{"type":"delete","at":1,"targets":[]}"#.into(),
            "broken",
        ),
        (
            "a removal of place 0",
            r#"{"type":"delete","at":1,"targets":[0]}"#.into(),
            "broken",
        ),
        (
            "a removal of too many",
            json!({ "type": "delete", "at": 1, "targets": (1..=65).collect::<Vec<_>>() }).to_string(),
            "broken",
        ),
        (
            "nine files",
            json!({ "type": "text", "at": 1, "text": "see", "files": vec![json!({}); 9] }).to_string(),
            "broken",
        ),
        (
            "a file of another folder",
            file(json!({ "id": "../../settings" })),
            "broken",
        ),
        ("a file with a short key", file(json!({ "key": "AAAA" })), "broken"),
        (
            "a file without end",
            file(json!({ "size": 9_007_199_254_740_991_u64 })),
            "broken",
        ),
        (
            "a picture without end",
            file(json!({ "type": "image/png", "width": 1_000_000_000, "height": 1 })),
            "broken",
        ),
        (
            "a name that reads backwards",
            file(json!({ "name": "\u{202e}gpj.exe" })),
            "broken",
        ),
        (
            "a name that leads elsewhere",
            file(json!({ "name": "../../.bashrc" })),
            "broken",
        ),
        ("a name with a line in it", file(json!({ "name": "a\nb" })), "broken"),
        ("no name", file(json!({ "name": "" })), "broken"),
        (
            "a type that is no type",
            file(json!({ "type": "text/html\r\nx: y" })),
            "broken",
        ),
    ];
    for (_, body, _) in &hostile {
        let sealed = eve.seal(&bob_name, &eve.header(&bob_name), body.as_bytes());
        eve.post(&bob_name, &sealed).expect(201);
    }
    // What isn't even padded rightly, or committed to.
    let franked = |class: usize, length: u32, key: &[u8; 32], body: &[u8]| {
        let mut plain = [&length.to_be_bytes()[..], key, body].concat();
        plain.resize(class, 0);
        plain
    };
    let body = text_body("padded").to_string();
    let plains: Vec<(&str, Vec<u8>)> = vec![
        ("padding that isn't zeros", {
            let mut plain = franked(256, body.len() as u32, &[1; 32], body.as_bytes());
            plain[255] = 1;
            plain
        }),
        (
            "a larger class than it needs",
            franked(1024, body.len() as u32, &[1; 32], body.as_bytes()),
        ),
        ("a length beyond it", franked(256, u32::MAX, &[1; 32], body.as_bytes())),
        (
            "another commitment",
            franked(256, body.len() as u32, &[2; 32], body.as_bytes()),
        ),
        ("no class", franked(300, body.len() as u32, &[1; 32], body.as_bytes())),
    ];
    let mut unpadded = 0;
    for (_, plain) in &plains {
        let mut header = eve.header(&bob_name);
        header.commitment = neospace_dm::message::commitment(&[1; 32], body.as_bytes());
        let recipient = header.recipient_identity;
        let sealed = eve.seal_plain(&eve.roots[0], &bob_name, &header.encode(), &recipient, plain);
        // The server knows the sizes of copies, and takes no others.
        unpadded += u64::from(eve.post(&bob_name, &sealed).status == 201);
    }
    assert_eq!(unpadded, 4, "a copy of no class is refused");

    goto(&page, &door.url("/dm/__proto__"));
    let shown = page.eval(
        "[...document.querySelectorAll('.letters .message')].map(line => [line.dataset.key, line.querySelector('.wrong:not([hidden]) button')?.dataset.code ?? '', line.querySelector('.said').textContent])",
    );
    let mut program = bob.dm();
    let view = program.view("__proto__");
    let first = 3;
    for ((what, _, expected), counter) in hostile.iter().zip(first..) {
        let line = shown
            .as_array()
            .into_iter()
            .flatten()
            .find(|line| line[0] == format!("theirs:{counter}"));
        let item = view
            .items
            .iter()
            .find(|item| item.whose == Whose::Theirs && item.counter == counter);
        let noticed = |code: &str| {
            view.notices
                .iter()
                .any(|notice| notice.alarm.code() == code && notice.place == Some((Whose::Theirs, counter, counter)))
        };
        match *expected {
            // It has no line of its own, and changed nothing.
            "forged" => assert!(
                line.is_none() && item.is_none() && noticed("forged"),
                "{what}: {line:?} {item:?}"
            ),
            "broken" => {
                assert_eq!(line.map(|line| &line[1]), Some(&json!("broken")), "{what}: {line:?}");
                assert!(
                    matches!(item.map(|item| &item.says), Some(Says::Nothing(Alarm::Broken))),
                    "{what}: {item:?}"
                );
            }
            "?" => {
                assert_eq!(line.map(|line| &line[1]), Some(&json!("")), "{what}");
                assert!(
                    matches!(item.map(|item| &item.says), Some(Says::Unknown)),
                    "{what}: {item:?}"
                );
            }
            said => {
                assert_eq!(line.map(|line| &line[2]), Some(&json!(said)), "{what}");
                assert!(
                    matches!(item.map(|item| &item.says), Some(Says::Text { text, .. }) if text == said),
                    "{what}: {item:?}"
                );
            }
        }
    }
    let last = first + hostile.len() as u64;
    for counter in last..last + unpadded {
        let line = shown
            .as_array()
            .into_iter()
            .flatten()
            .find(|line| line[0] == format!("theirs:{counter}"));
        assert_eq!(line.map(|line| &line[1]), Some(&json!("broken")), "padding {counter}");
    }
    let found = codes(&page);
    assert_eq!(found, BTreeSet::from(["broken".to_owned(), "forged".to_owned()]));
    calm(&page, "malicious bodies");

    // The strange name's pin is nobody else's, and is kept.
    page.fill("#say", "to a strange name").press("Enter");
    page.click(".recovery button[name=later]")
        .wait_for(".message.mine:not(.pending) \"to a strange name\"");
    ana.say(&bob_name, "another strange name");
    goto(&page, &door.url("/dm/constructor"));
    page.wait_for(".message \"another strange name\"");
    assert_eq!(codes(&page), BTreeSet::new());
    assert_eq!(
        page.eval("[Object.prototype.pin, ({}).pin, Object.prototype.name].every(value => value === undefined)"),
        true
    );
    goto(&page, &door.url("/dm/__proto__"));
    assert_eq!(codes(&page), found);
    calm(&page, "strange names");
}
