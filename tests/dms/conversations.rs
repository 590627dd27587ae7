//! What two say to each other: how it arrives, in what order, who may write, what is deleted, and what other devices learn.

use std::{fs, net::TcpStream};

use neospace::crypto;
use neospace_dm::{
    keys::Root,
    log::Head,
    message::{self, Header, Sealed},
};
use neospace_tests::{Live, Server};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use super::{Member, QUIET, START, bytes, code, fixed, is, talking, text_of, upload, wire};

#[test]
fn what_ana_seals_reaches_bob_as_it_was_and_nobody_else() {
    let server = Server::start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (anas, bobs, cyds) = (ana.person.live(), Live::open_json(&bob.person), cyd.person.live());
    let sealed = ana.seal(&bob, "Is the ferry going?", START, START);
    let stands = ana.deliver(&bob, &sealed).expect(201).json();
    assert_eq!(
        (&stands["seq"], &stands["from"], &stands["removed"], &stands["hidden"]),
        (&json!(1), &json!("ana"), &json!(false), &Value::Null)
    );
    assert_eq!(bytes(&stands["copy"]), sealed.sender);
    assert_eq!(fixed(&stands["other"]), crypto::sha256(&sealed.recipient));

    let told = bobs.wait("dm_message", |frame| frame["with"] == "ana");
    assert_eq!(bytes(&told["copy"]), sealed.recipient);
    assert_eq!(bytes(&told["header"]), sealed.header);
    assert_eq!(text_of(&bob.open(&told, &ana)), "Is the ferry going?");
    // Her other devices hear of it too, with her own copy.
    let own = anas.wait("dm_message", |frame| frame["with"] == "bob");
    assert_eq!(text_of(&ana.open(&own, &bob)), "Is the ferry going?");

    let fetched = bob.messages("ana");
    assert_eq!(
        (
            &fetched["state"],
            &fetched["last_seq"],
            &fetched["read_seq"],
            &fetched["more"]
        ),
        (&json!("request"), &json!(1), &json!(0), &json!(false))
    );
    assert_eq!(text_of(&bob.open(&fetched["messages"][0], &ana)), "Is the ferry going?");
    assert_eq!(ana.listed("bob").expect("she asked")["state"], "asked");

    // He answers over the socket: that is a yes.
    let answer = bob.seal(&ana, "Not today.", START, sealed.position());
    let mut frame = wire(&answer);
    frame["event"] = json!("dm_send");
    frame["with"] = json!("ana");
    let answered = bobs.ask(frame);
    assert_eq!(
        (&answered["event"], &answered["seq"]),
        (&json!("dm_message"), &json!(2))
    );
    assert_eq!(
        text_of(&ana.open(&anas.wait("dm_message", |it| it["seq"] == 2), &bob)),
        "Not today."
    );
    assert_eq!(
        (
            &ana.listed("bob").expect("both")["state"],
            &bob.listed("ana").expect("both")["state"]
        ),
        (&json!("open"), &json!("open"))
    );
    assert!(cyds.try_wait("dm_message", QUIET, |_| true).is_none());
    assert!(cyd.listed("ana").is_none() && cyd.listed("bob").is_none());
    assert_eq!(cyd.messages("ana")["messages"], json!([]));
    assert_eq!(
        (&cyd.messages("ana")["state"], &cyd.messages("bob")["state"]),
        (&json!("new"), &json!("new"))
    );

    // Nothing that the server keeps has the words in it.
    let mut kept = fs::read(server.data().join("neospace.db")).expect("it can be read");
    kept.extend(fs::read(server.data().join("neospace.db-wal")).unwrap_or_default());
    assert!(
        !kept
            .windows(10)
            .any(|part| part == b"Not today." || part == b"Is the fer")
    );
    assert!(!server.log().lines().iter().any(|line| line.contains("ferry")));
}

#[test]
fn history_comes_in_parts_in_both_directions() {
    let server = Server::builder()
        .config(
            "[limits]\ndms_per_minute = 10000\ndm_conversation_per_minute = 10000\naddress_posts_per_minute = 10000",
        )
        .start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mut mine, theirs) = talking(&ana, &bob);
    for n in 3..=9 {
        (_, mine) = ana.say(&bob, &format!("line {n}"), mine, theirs);
    }
    let seqs = |query: &str| {
        let part = bob.get(&format!("/dm/ana/messages?{query}")).expect(200).json();
        let seqs: Vec<i64> = part["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|it| it["seq"].as_i64())
            .collect();
        (seqs, part["more"] == true)
    };
    assert_eq!(seqs("limit=3"), (vec![7, 8, 9], true));
    assert_eq!(seqs("limit=3&before=7"), (vec![4, 5, 6], true));
    assert_eq!(seqs("before=4"), (vec![1, 2, 3], false));
    assert_eq!(seqs("after=6"), (vec![7, 8, 9], false));
    assert_eq!(seqs("after=0&limit=2"), (vec![1, 2], true));
    assert_eq!(seqs("after=99"), (vec![], false));
    for wrong in ["limit=0", "limit=201", "limit=-1", "before=1&after=2", "before=x"] {
        let answer = bob.get(&format!("/dm/ana/messages?{wrong}"));
        assert!(
            matches!(code(&answer), (400 | 422, ref code) if code == "invalid"),
            "{wrong}: {}",
            answer.text()
        );
    }
}

#[test]
fn a_message_that_is_sent_twice_stands_once_and_is_never_refused_for_it() {
    let server = Server::builder().config("[limits]\ndms_per_minute = 3").start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let bobs = Live::open_json(&bob.person);
    let sealed = ana.seal(&bob, "once", START, START);
    let stands = ana.deliver(&bob, &sealed).expect(201).json();
    let anas = Live::open_json(&ana.person);
    for _ in 0..5 {
        assert_eq!(ana.deliver(&bob, &sealed).expect(201).json(), stands);
        let mut frame = wire(&sealed);
        frame["event"] = json!("dm_send");
        frame["with"] = json!("bob");
        assert_eq!(anas.ask(frame)["id"], stands["id"]);
    }
    assert_eq!(bob.messages("ana")["messages"].as_array().map(Vec::len), Some(1));
    bobs.wait("dm_message", |_| true);
    assert_eq!(
        bobs.frames()
            .iter()
            .filter(|frame| frame["event"] == "dm_message")
            .count(),
        1
    );
    // Another message has to wait.
    let next = ana.seal(&bob, "twice", sealed.position(), START);
    let held_up = ana.deliver(&bob, &next);
    is(&held_up, 429, "too_often");
    assert!(
        held_up
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds >= 1)
    );
    // Another one with its number is another device's, which was slower.
    is(
        &ana.deliver(&bob, &ana.seal(&bob, "other", START, START)),
        409,
        "counter_taken",
    );
}

#[test]
fn a_header_that_doesnt_fit_is_refused_with_its_reason() {
    let server = Server::start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (mine, theirs) = talking(&ana, &bob);
    let good = ana.seal(&bob, "fits", mine, theirs);
    let header = Header::decode(&good.header).expect("it is one");
    let altered = |change: &dyn Fn(&mut Header)| {
        let mut header = header.clone();
        change(&mut header);
        Sealed {
            header: header.encode(),
            ..good.clone()
        }
    };
    let raw = |at: usize, byte: u8| {
        let mut sealed = good.clone();
        sealed.header[at] = byte;
        sealed
    };
    let cases: Vec<(&str, Sealed, u16, &str)> = vec![
        ("version", raw(0, 2), 422, "invalid"),
        ("suite", raw(1, 2), 422, "invalid"),
        ("conversation", altered(&|it| it.conversation[3] ^= 1), 422, "invalid"),
        (
            "another conversation",
            altered(&|it| it.conversation = message::conversation_id(&ana.name, &cyd.name)),
            422,
            "invalid",
        ),
        ("the other's side", altered(&|it| it.sender ^= 1), 422, "invalid"),
        ("no side", raw(18, 2), 422, "invalid"),
        ("counter 0", altered(&|it| it.counter = 0), 422, "invalid"),
        (
            "counter taken",
            altered(&|it| {
                it.counter = 1;
                it.previous = [0; 32]
            }),
            409,
            "counter_taken",
        ),
        ("counter skipped", altered(&|it| it.counter = 3), 409, "counter_skipped"),
        (
            "counter beyond everything",
            altered(&|it| it.counter = u64::MAX),
            422,
            "invalid",
        ),
        (
            "counter at the end",
            altered(&|it| it.counter = i64::MAX as u64),
            409,
            "counter_skipped",
        ),
        ("previous", altered(&|it| it.previous[0] ^= 1), 409, "previous_hash"),
        ("no previous", altered(&|it| it.previous = [0; 32]), 422, "invalid"),
        ("seen what isn't there", altered(&|it| it.seen.counter = 2), 409, "seen"),
        ("seen another", altered(&|it| it.seen.hash[0] ^= 1), 409, "seen"),
        (
            "a head that never was",
            altered(&|it| it.log.hash[0] ^= 1),
            409,
            "log_head",
        ),
        ("a log to come", altered(&|it| it.log.size += 1), 409, "log_head"),
        (
            "a log beyond everything",
            altered(&|it| it.log.size = u64::MAX),
            422,
            "invalid",
        ),
        ("an old log", altered(&|it| it.log = Head::default()), 409, "log_behind"),
        (
            "sealed by another",
            altered(&|it| it.sender_identity = cyd.keyring().newest().keys.identity),
            409,
            "sender_key",
        ),
        (
            "sealed to another",
            altered(&|it| it.recipient_identity = cyd.keyring().newest().keys.identity),
            409,
            "recipient_key",
        ),
        (
            "too short a header",
            Sealed {
                header: good.header[..234].to_vec(),
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "no header",
            Sealed {
                header: Vec::new(),
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "no copy",
            Sealed {
                recipient: Vec::new(),
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "half a copy",
            Sealed {
                sender: good.sender[1..].to_vec(),
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "a class that isn't",
            Sealed {
                recipient: vec![0; 500 + 48],
                sender: vec![0; 500 + 48],
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "two classes",
            Sealed {
                recipient: vec![0; 1024 + 48],
                ..good.clone()
            },
            422,
            "invalid",
        ),
    ];
    for (what, sealed, status, expected) in cases {
        let answer = ana.deliver(&bob, &sealed);
        assert_eq!(code(&answer), (status, expected.into()), "{what}: {}", answer.text());
    }
    // The same over the socket, and frames that are no message at all.
    let anas = Live::open_json(&ana.person);
    let mut frame = wire(&raw(0, 2));
    frame["event"] = json!("dm_send");
    frame["with"] = json!("bob");
    assert_eq!(anas.ask(frame.clone())["code"], "invalid");
    frame["header"] = json!("?");
    assert_eq!(anas.ask(frame.clone())["code"], "bad_event");
    frame["with"] = json!("__proto__");
    assert_eq!(
        anas.ask(json!({ "event": "dm_send", "with": "bob" }))["code"],
        "bad_event"
    );
    for nonsense in [
        "",
        "{",
        "null",
        "[]",
        "{\"header\":1}",
        "{\"header\":\"AA==\",\"recipient\":\"\",\"sender\":\"\"}",
    ] {
        let answer = ana
            .person
            .request("POST", "/dm/bob/messages")
            .body("application/json", nonsense)
            .send();
        assert_eq!(answer.status, 400, "{nonsense}");
    }
    // Nothing of it was stored, and the good one still is the next.
    assert_eq!(bob.messages("ana")["last_seq"], 2);
    ana.deliver(&bob, &good).expect(201);
    // What was seen doesn't go back.
    let back = ana.seal(&bob, "back", good.position(), START);
    is(&ana.deliver(&bob, &back), 409, "seen");
}

#[test]
fn a_stranger_asks_three_times_and_files_wait_for_a_yes() {
    let server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let anas = Live::open_json(&ana.person);
    let mut at = START;
    is(&upload(&ana, &bob, &[0; 300]), 403, "request_files");
    for n in 0..3 {
        (_, at) = ana.say(&bob, &format!("hello {n}"), at, START);
    }
    let fourth = ana.seal(&bob, "hello?", at, START);
    is(&ana.deliver(&bob, &fourth), 403, "request_limit");
    is(&upload(&ana, &bob, &[0; 300]), 403, "request_files");
    assert_eq!(bob.listed("ana").expect("she asks")["state"], "request");

    // Declined: gone from his list, and she isn't told.
    is(&bob.post("/dm/cyd/decline", &json!({})), 404, "not_found");
    let declined = bob.post("/dm/ana/decline", &json!({})).expect(200).json();
    assert_eq!(declined["state"], "request");
    assert!(bob.listed("ana").is_none());
    assert_eq!(ana.listed("bob").expect("she asked")["state"], "asked");
    is(&ana.deliver(&bob, &fourth), 403, "request_limit");
    assert!(anas.try_wait("dm_changed", QUIET, |_| true).is_none());

    // A yes after all: both hear of it.
    assert_eq!(
        bob.post("/dm/ana/accept", &json!({})).expect(200).json()["state"],
        "open"
    );
    anas.wait("dm_changed", |frame| frame["with"] == "bob");
    assert_eq!(bob.listed("ana").expect("again")["state"], "open");
    ana.deliver(&bob, &fourth).expect(201);
    upload(&ana, &bob, &[0; 300]).expect(201);
    is(&bob.post("/dm/ana/decline", &json!({})), 409, "conflict");
    is(&bob.post("/dm/ana/nonsense", &json!({})), 404, "not_found");
    // Nobody asked cyd, and she asked nobody.
    let cyd = Member::new(&server, "cyd");
    is(&cyd.post("/dm/ana/accept", &json!({})), 409, "conflict");
}

#[test]
fn a_block_holds_both_ways_and_looks_like_somebody_who_takes_no_messages() {
    let server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let silent = server.person("cyd");
    let (mine, theirs) = talking(&ana, &bob);
    let anas = Live::open_json(&ana.person);
    let bobs = Live::open_json(&bob.person);
    let blocked = bob.post("/dm/ana/block", &json!({})).expect(200).json();
    assert_eq!(blocked["blocked"], true);
    bobs.wait("dm_changed", |frame| frame["with"] == "ana");
    assert!(anas.try_wait("dm_changed", QUIET, |_| true).is_none());
    assert_eq!(ana.listed("bob").expect("she sees no difference")["blocked"], false);

    let next = ana.seal(&bob, "are you there?", mine, theirs);
    let refused = ana.deliver(&bob, &next);
    is(&refused, 403, "not_taken");
    // The same words as about somebody who never made keys.
    let mut to_cyd = Member::without_keys(silent);
    to_cyd.roots = vec![Root::fresh()];
    let never = ana.deliver(&to_cyd, &ana.seal(&to_cyd, "are you there?", START, START));
    is(&never, 403, "not_taken");
    assert_eq!(
        refused.text().replace("bob", "NAME"),
        never.text().replace("cyd", "NAME")
    );
    is(&bob.deliver(&ana, &bob.seal(&ana, "no", theirs, mine)), 403, "blocked");
    is(&upload(&ana, &bob, &[0; 300]), 403, "not_taken");
    anas.send(json!({ "event": "dm_typing", "with": "bob" }));
    assert!(bobs.try_wait("dm_typing", QUIET, |_| true).is_none());
    // What was said stays readable.
    assert_eq!(ana.messages("bob")["messages"].as_array().map(Vec::len), Some(2));

    bob.post("/dm/ana/unblock", &json!({})).expect(200);
    ana.deliver(&bob, &next).expect(201);
    assert_eq!(bob.post("/dm/ana/mute", &json!({})).expect(200).json()["muted"], true);
    assert_eq!(bob.listed("ana").expect("muted")["muted"], true);
    assert_eq!(
        bob.post("/dm/ana/unmute", &json!({})).expect(200).json()["muted"],
        false
    );

    // One may block whom one never wrote to; they don't learn it.
    let dan = Member::new(&server, "dan");
    dan.post("/dm/ana/block", &json!({})).expect(200);
    assert!(ana.listed("dan").is_none());
    is(
        &ana.deliver(&dan, &ana.seal(&dan, "hello", START, START)),
        403,
        "not_taken",
    );
}

#[test]
fn nobody_writes_to_themselves_or_to_nobody() {
    let server = Server::start();
    let ana = Member::new(&server, "ana");
    for path in ["/dm/ana", "/dm/ana/messages", "/dm/ana/files/AAAAAAAAAAAAAAAAAAAAAA"] {
        is(&ana.get(path), 422, "invalid");
    }
    for path in [
        "/dm/zoe",
        "/dm/zoe/messages",
        "/dm/__/messages",
        "/dm/../messages",
        "/dm/A%20B/messages",
        "/dm/%00/messages",
    ] {
        assert_eq!(ana.get(path).status, 404, "{path}");
    }
    let sealed = json!({ "header": "", "recipient": "", "sender": "" });
    is(&ana.post("/dm/ana/messages", &sealed), 422, "invalid");
    let zoe = Member::without_keys(server.guest_called("zoe"));
    is(
        &ana.deliver(&zoe, &ana.seal(&zoe, "hello?", START, START)),
        404,
        "not_found",
    );
    is(
        &ana.deliver(&ana, &ana.seal(&ana, "hello?", START, START)),
        422,
        "invalid",
    );
    is(&ana.post("/dm/ana/block", &json!({})), 422, "invalid");
    // The pages, for who is logged in and who isn't.
    assert!(ana.person.get("/dm").expect(200).text().contains("Direct"));
    let bob = Member::new(&server, "bob");
    assert!(ana.person.get("/dm/bob").expect(200).text().contains("bob"));
    assert_eq!(server.guest().get("/dm/bob").see_other(), "/login?next=/dm/bob");
    assert_eq!(server.guest().get("/dm").see_other(), "/login?next=/dm");
    assert_eq!(bob.person.elsewhere().get_json("/dm").status, 401);
}

#[test]
fn what_one_deletes_is_gone_for_oneself_or_for_both() {
    let server = Server::start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    talking(&ana, &bob);
    let (anas, bobs) = (Live::open_json(&ana.person), Live::open_json(&bob.person));
    let at = |who: &Member, with: &str, n: usize| who.messages(with)["messages"][n].clone();
    let delete = |who: &Member, with: &str, messages: Value, scope: &str| {
        who.post(
            &format!("/dm/{with}/messages/delete"),
            &json!({ "messages": messages, "scope": scope }),
        )
    };
    let (question, answer) = (at(&bob, "ana", 0), at(&bob, "ana", 1));

    // For himself: with his tag, and she still has it.
    is(
        &delete(&bob, "ana", json!([{ "id": question["id"] }]), "me"),
        422,
        "invalid",
    );
    let hidden = bob.hide(&question);
    delete(&bob, "ana", json!([hidden]), "me").expect(200);
    let gone = at(&bob, "ana", 0);
    assert_eq!(
        (&gone["copy"], &gone["removed"], &gone["hidden"]),
        (&Value::Null, &json!(false), &hidden["tag"])
    );
    assert_eq!(fixed(&gone["own"]), crypto::sha256(&bytes(&question["copy"])));
    assert_eq!(text_of(&ana.open(&at(&ana, "bob", 0), &bob)), "Is the ferry going?");
    let told = bobs.wait("dm_deleted", |_| true);
    assert_eq!(
        (&told["with"], &told["ids"], &told["scope"]),
        (&json!("ana"), &json!([question["id"]]), &json!("me"))
    );
    assert!(anas.try_wait("dm_deleted", QUIET, |_| true).is_none());

    // For both: one's own alone.
    is(
        &delete(&bob, "ana", json!([{ "id": question["id"] }]), "both"),
        403,
        "forbidden",
    );
    delete(&bob, "ana", json!([{ "id": answer["id"] }]), "both").expect(200);
    delete(&bob, "ana", json!([{ "id": answer["id"] }]), "both").expect(200);
    anas.wait("dm_deleted", |frame| frame["with"] == "bob" && frame["scope"] == "both");
    for (who, with) in [(&ana, "bob"), (&bob, "ana")] {
        let gone = at(who, with, 1);
        assert_eq!((&gone["copy"], &gone["removed"]), (&Value::Null, &json!(true)));
        assert_eq!(gone["header"], answer["header"]);
        assert!(gone["own"].is_string() && gone["other"].is_string());
    }
    let kept: i64 = server
        .database()
        .query_row(
            "select count(*) from dm_messages where seq = 2 and (to_sender is not null or to_recipient is not null)",
            [],
            |row| row.get(0),
        )
        .expect("it counts");
    assert_eq!(kept, 0);

    // Not others', not what isn't there, not nothing, not too many.
    let (_, _) = cyd.say(&ana, "hi", START, START);
    is(
        &delete(&cyd, "ana", json!([cyd.hide(&at(&ana, "bob", 0))]), "me"),
        404,
        "not_found",
    );
    is(
        &delete(&cyd, "bob", json!([{ "id": answer["id"] }]), "both"),
        404,
        "not_found",
    );
    is(
        &delete(&ana, "bob", json!([{ "id": 999_999 }]), "both"),
        404,
        "not_found",
    );
    is(&delete(&ana, "bob", json!([]), "both"), 422, "invalid");
    is(
        &delete(&ana, "bob", json!(vec![json!({ "id": 1 }); 1_001]), "both"),
        422,
        "invalid",
    );
    is(&delete(&ana, "bob", json!([{ "id": 1 }]), "everybody"), 400, "invalid");
}

#[test]
fn a_device_that_lagged_is_told_to_fetch_and_misses_nothing() {
    let server = Server::builder()
        .config(
            "[limits]\ndms_per_minute = 100000\ndm_conversation_per_minute = 100000\naddress_posts_per_minute = 100000",
        )
        .start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mut mine, theirs) = talking(&ana, &bob);
    // A socket that is not read while much is said.
    let stream = TcpStream::connect(server.address()).expect("it listens");
    let (mut bobs, _) =
        tungstenite::client(Live::request(&bob.person, "neospace.json.v1"), stream).expect("it upgrades");
    let large = "x".repeat(3_900);
    for _ in 0..120 {
        (_, mine) = ana.say(&bob, &large, mine, theirs);
    }
    loop {
        let frame = bobs.read().expect("it is still open");
        let frame: Value = serde_json::from_str(frame.to_text().unwrap_or("{}")).unwrap_or_default();
        if frame["event"] == "resync" && frame["topic"] == "me" {
            break;
        }
    }
    let rest = bob.get("/dm/ana/messages?after=2").expect(200).json();
    assert_eq!(rest["messages"].as_array().map(Vec::len), Some(120));
}

#[test]
fn read_marks_follow_one_across_devices_and_typing_shows_to_who_talks() {
    let server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let bobs = Live::open_json(&bob.person);
    let anas = Live::open_json(&ana.person);
    let (_, asked) = ana.say(&bob, "Is the ferry going?", START, START);
    // A request shows no typing.
    anas.send(json!({ "event": "dm_typing", "with": "bob" }));
    assert!(bobs.try_wait("dm_typing", QUIET, |_| true).is_none());
    let elsewhere = Live::open_json(&bob.person);
    assert_eq!(bob.listed("ana").expect("a request")["read_seq"], 0);
    let read = bobs.ask(json!({ "event": "dm_read", "with": "ana", "seq": 99 }));
    assert_eq!(
        (&read["event"], &read["unread"], &read["read_seq"], &read["last_seq"]),
        (&json!("dm_unread"), &json!(false), &json!(1), &json!(1))
    );
    let heard = elsewhere.wait("dm_unread", |_| true);
    assert_eq!((&heard["with"], &heard["read_seq"]), (&json!("ana"), &json!(1)));
    assert!(
        anas.try_wait("dm_unread", QUIET, |_| true).is_none(),
        "ana learns that bob has read it"
    );
    let (_, answered) = bob.say(&ana, "Not today.", START, asked);
    let back = bob.post("/dm/ana/read", &json!({ "seq": 1 })).expect(200).json();
    assert_eq!(
        back["read_seq"], 2,
        "who writes has read what stands above, and it never goes back"
    );
    assert_eq!(
        ana.post("/dm/bob/read", &json!({ "seq": 2 })).expect(200).json()["unread"],
        false
    );
    ana.say(&bob, "Pity.", asked, answered);
    assert_eq!(
        bob.post("/dm/ana/read", &json!({ "seq": 2 })).expect(200).json()["unread"],
        true
    );

    anas.send(json!({ "event": "dm_typing", "with": "bob" }));
    bobs.wait("dm_typing", |frame| frame["with"] == "ana");
    anas.send(json!({ "event": "dm_stop_typing", "with": "bob" }));
    bobs.wait("dm_stop_typing", |frame| frame["with"] == "ana");
    // Who doesn't want to be seen isn't.
    ana.person.post("/settings/presence", &[]).see_other();
    anas.send(json!({ "event": "dm_typing", "with": "bob" }));
    let seen = bobs.frames().len();
    assert!(
        bobs.try_wait("dm_typing", QUIET, |_| true).is_none(),
        "{:?}",
        &bobs.frames()[seen..]
    );
    for (frame, code) in [
        (json!({ "event": "dm_read", "with": "zoe", "seq": 1 }), "not_found"),
        (json!({ "event": "dm_read", "with": "ana", "seq": 1 }), "invalid"),
        (json!({ "event": "dm_typing", "with": "zoe" }), "not_found"),
        (json!({ "event": "dm_read", "with": "bob" }), "bad_event"),
    ] {
        assert_eq!(anas.ask(frame.clone())["code"], code, "{frame}");
    }
}
