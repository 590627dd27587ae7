//! Rooms: people who talk, over plain forms and over the line; what each may do; and that nothing is lost, doubled or out of
//! order.

use neospace_tests::{Answer, Live, Person, Server, eventually};
use serde_json::{Value, json};

/// Says something in a room, as a program does; answers the message.
fn say(person: &Person, room: &str, content: &str) -> Value {
    person
        .post_json(&format!("/rooms/{room}/messages"), &[("content", content)])
        .expect(201)
        .json()
}

/// Makes a room of one's own.
fn make(person: &Person, name: &str, open: bool) {
    let mut fields = vec![("name", name), ("topic", "tea and tin")];
    if open {
        fields.push(("open", "on"));
    }
    person.post_json("/rooms", &fields).expect(201);
}

fn join(person: &Person, room: &str) {
    person.post_json(&format!("/rooms/{room}/join"), &[]).expect(200);
}

/// A page or an address as a program gets it.
fn data(person: &Person, path: &str) -> Answer {
    person.get_json(path)
}

/// What stands in a room, by a plain GET: content, oldest first.
fn contents(person: &Person, room: &str) -> Vec<String> {
    let page = data(person, &format!("/rooms/{room}")).expect(200).json();
    page["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| message["content"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn two_people_talk_with_plain_forms() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    assert!(ana.get("/rooms").expect(200).text().contains("/rooms/lobby"));
    let page = ana.get("/rooms/lobby").expect(200);
    let join = page.forms().into_iter().find(|form| form.action.ends_with("/join"));
    let join = join.expect("who hasn't joined is offered to");
    for person in [&ana, &bob] {
        assert_eq!(person.post(&join.action, &join.fields()).see_other(), "/rooms/lobby");
    }
    let page = ana.get("/rooms/lobby").expect(200);
    let form = page.forms().into_iter().find(|form| form.action.ends_with("/messages"));
    let form = form.expect("who has joined can talk");
    ana.post(&form.action, &[("content", "hello **you**")]).see_other();
    let there = bob
        .post(&form.action, &[("content", "and you, @ana\nwell?")])
        .see_other();
    assert!(there.starts_with("/rooms/lobby#message-"), "{there}");
    let page = ana.get("/rooms/lobby").expect(200).text();
    assert!(
        page.contains("<strong>you</strong>") && page.contains("data-name=\"ana\""),
        "{page}"
    );
    assert_eq!(contents(&bob, "lobby"), ["hello **you**", "and you, @ana\nwell?"]);
    let list = data(&ana, "/rooms").json();
    assert_eq!(
        (&list["rooms"][0]["name"], &list["rooms"][0]["mentions"]),
        (&json!("lobby"), &json!(1))
    );
}

#[test]
fn a_message_has_an_address_with_its_thread_and_history() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    join(&ana, "lobby");
    join(&bob, "lobby");
    let first = say(&ana, "lobby", "who has tea?");
    let at = format!("/rooms/lobby/messages/{}", first["id"]);
    let page = bob.get(&at).expect(200);
    let answer = page
        .forms()
        .into_iter()
        .find(|form| form.action == "/rooms/lobby/messages");
    let mut fields = answer.as_ref().expect("it can be answered").fields();
    fields.retain(|(name, _)| *name != "content");
    fields.push(("content", "I have"));
    bob.post("/rooms/lobby/messages", &fields).see_other();
    ana.post(&at, &[("content", "who has coffee?")]).see_other();
    let page = ana.get(&at).expect(200).text();
    assert!(
        page.contains("I have") && page.contains("who has tea?") && page.contains("who has coffee?"),
        "{page}"
    );
    bob.post(&at, &[("content", "mine")]).expect(403);
    bob.post(&format!("{at}/delete"), &[]).expect(403);
    ana.post(&format!("{at}/delete"), &[]).see_other();
    let page = bob.get(&at).expect(200).text();
    assert!(!page.contains("coffee") && !page.contains("who has tea?"), "{page}");
    assert!(page.contains("I have"), "the answer is gone too: {page}");
    assert_eq!(data(&bob, &at).json()["message"]["deleted"], "author");
}

#[test]
fn an_owner_rules_with_plain_forms_and_the_log_tells() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    ana.post("/rooms", &[("name", "kitchen"), ("topic", ""), ("open", "on")])
        .see_other();
    join(&bob, "kitchen");
    say(&bob, "kitchen", "rude");
    for what in ["mute", "unmute", "kick", "ban", "unban"] {
        ana.post(&format!("/rooms/kitchen/{what}"), &[("user", "bob")])
            .see_other();
    }
    ana.post("/rooms/kitchen/topic", &[("topic", "soup")]).see_other();
    assert!(bob.get("/rooms/kitchen/log").expect(200).text().contains("soup"));
    let log = data(&bob, "/rooms/kitchen/log").json();
    let deeds = log["deeds"].as_array().expect("a list");
    let done: Vec<_> = deeds.iter().filter_map(|deed| deed["action"].as_str()).collect();
    assert_eq!(done, ["topic", "unban", "ban", "kick", "unmute", "mute", "create"]);
    assert!(
        deeds[1..6]
            .iter()
            .all(|deed| deed["actor"] == "ana" && deed["subject"] == "bob"),
        "{log}"
    );
    ana.post("/rooms/kitchen/mute", &[("user", "nobody-here")]).expect(422);
    assert!(
        ana.get("/rooms/kitchen/people")
            .expect(200)
            .text()
            .contains("/rooms/kitchen/invite")
    );
}

/// Sends a message over the line; answers the `message` that stands.
#[test]
fn the_lobby_belongs_to_whom_the_operator_names() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    for person in [&ana, &bob] {
        join(person, "lobby");
    }
    say(&bob, "lobby", "rude");
    ana.post("/rooms/lobby/mute", &[("user", "bob")]).expect(403);

    server.write_config("lobby_owner = \"ana\"");
    let owner = |name: Option<&str>| {
        eventually("the lobby to change hands", || {
            (data(&bob, "/rooms/lobby").json()["room"]["owner"].as_str() == name).then_some(())
        });
    };
    owner(Some("ana"));
    ana.post("/rooms/lobby/mute", &[("user", "bob")]).see_other();
    bob.post("/rooms/lobby/messages", &[("content", "and again")])
        .expect(403);
    assert_eq!(
        data(&bob, "/rooms/lobby/log").json()["deeds"][1]["action"],
        "owner",
        "the room's log says who owns it"
    );

    server.write_config("lobby_owner = \"cyd\"");
    server.expect_in_log("nobody is called");
    owner(Some("ana"));
    server.write_config("");
    owner(None);
}

fn send(live: &Live, room: &str, content: &str) -> Value {
    let answer = live.ask(json!({ "event": "send_message", "room": room, "content": content }));
    assert_eq!(answer["event"], "message", "{answer}");
    answer
}

/// The messages of a backfill, and whether there are more.
fn backfill(live: &Live, mut asked: Value) -> (Vec<Value>, bool) {
    asked["event"] = "request_backfill".into();
    let start = live.ask(asked);
    assert_eq!(
        (&start["event"], &start["phase"]),
        (&json!("backfill"), &json!("start")),
        "{start}"
    );
    let reference = &start["ref"];
    let end = live.wait("backfill", |frame| {
        frame["ref"] == *reference && frame["phase"] == "end"
    });
    let batches = live.frames();
    let messages = batches
        .iter()
        .filter(|frame| frame["ref"] == *reference && frame["phase"] == "batch")
        .flat_map(|frame| frame["messages"].as_array().expect("a list").clone())
        .collect();
    (messages, end["more"] == true)
}

#[test]
fn two_people_talk_over_the_line() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (hers, his) = (ana.live(), Live::open_json(&bob));
    let joined = hers.join("lobby");
    assert_eq!((&joined["last_seq"], &joined["last_id"]), (&json!(0), &json!(0)));
    assert!(joined["room_id"].is_i64() && joined["topic"].is_string(), "{joined}");
    his.join("lobby");
    let asked = json!({ "event": "send_message", "room": "lobby", "content": "**hello** @bob", "nonce": "n-1" });
    let answer = hers.ask(asked);
    assert_eq!(answer["event"], "message");
    assert_eq!((&answer["seq"], &answer["nonce"]), (&json!(1), &json!("n-1")));
    assert!(
        answer["html"]
            .as_str()
            .is_some_and(|html| html.contains("<strong>hello</strong>")),
        "{answer}"
    );
    let heard = his.wait("message", |_| true);
    for (field, value) in [
        ("user", json!("ana")),
        ("content", json!("**hello** @bob")),
        ("room", json!("lobby")),
    ] {
        assert_eq!(heard[field], value, "{heard}");
    }
    assert_eq!(heard["mentions"], json!(["bob"]));
    assert!(heard.get("nonce").is_none() && heard.get("ref").is_none(), "{heard}");
    // The room may be left out where there is one only.
    let answer = his.ask(json!({ "event": "send_message", "content": "and you", "reply_to": heard["id"] }));
    assert_eq!(answer["reply_to"]["user"], "ana");
    let heard = hers.wait("message", |frame| frame["seq"] == 2);
    assert!(
        heard["html"]
            .as_str()
            .is_some_and(|html| html.contains("id=\"message-")),
        "{heard}"
    );
    assert_eq!(
        hers.frames().iter().filter(|frame| frame["seq"] == 1).count(),
        1,
        "the sender heard it twice"
    );
    assert_eq!(contents(&ana, "lobby"), ["**hello** @bob", "and you"]);
}

#[test]
fn what_is_said_by_form_is_heard_on_the_line() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    join(&ana, "lobby");
    let his = Live::open_json(&bob);
    his.join("lobby");
    let said = say(&ana, "lobby", "typed without script");
    assert_eq!(his.wait("message", |_| true)["id"], said["id"]);
    let at = format!("/rooms/lobby/messages/{}", said["id"]);
    ana.post(&at, &[("content", "said better")]).see_other();
    let edited = his.wait("message_edited", |_| true);
    assert_eq!(
        (&edited["content"], &edited["change"]),
        (&json!("said better"), &json!(1))
    );
    ana.post(&format!("{at}/delete"), &[]).see_other();
    let deleted = his.wait("message_deleted", |_| true);
    assert_eq!(
        (&deleted["deleted"], &deleted["content"]),
        (&json!("author"), &json!(""))
    );
}

#[test]
fn a_repeated_send_is_one_message() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (hers, his) = (Live::open_json(&ana), Live::open_json(&bob));
    hers.join("lobby");
    his.join("lobby");
    let frame = json!({ "event": "send_message", "room": "lobby", "content": "once", "nonce": "same" });
    // Both are in flight at once.
    for reference in [1, 2] {
        let mut frame = frame.clone();
        frame["ref"] = reference.into();
        hers.send(frame);
    }
    let answers = || [1, 2].map(|reference| hers.frames().into_iter().find(|answer| answer["ref"] == reference));
    let [first, second] = eventually("both answers", || match answers() {
        [Some(first), Some(second)] => Some([first, second]),
        _ => None,
    });
    assert_eq!(
        (&first["id"], &first["seq"], &second["nonce"]),
        (&second["id"], &second["seq"], &json!("same"))
    );
    // From another device, over HTTP, and for another room it is that message still.
    let again = ana
        .post_json("/rooms/lobby/messages", &[("content", "once"), ("nonce", "same")])
        .expect(200);
    assert_eq!(again.json()["id"], first["id"]);
    // Bob's nonces are his own.
    let his_own = his.ask(json!({ "event": "send_message", "room": "lobby", "content": "twice", "nonce": "same" }));
    assert_ne!(his_own["id"], first["id"]);
    assert_eq!(contents(&ana, "lobby"), ["once", "twice"]);
    assert_eq!(
        his.frames().iter().filter(|frame| frame["content"] == "once").count(),
        1
    );
}

#[test]
fn one_clients_messages_keep_their_order_while_many_are_under_way() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (hers, his) = (Live::open_json(&ana), Live::open_json(&bob));
    hers.join("lobby");
    his.join("lobby");
    for number in 0..100 {
        hers.send(json!({ "event": "send_message", "room": "lobby", "content": number.to_string(), "ref": number }));
        his.send(json!({ "event": "send_message", "room": "lobby", "content": format!("b{number}"), "ref": number }));
    }
    for live in [&hers, &his] {
        live.wait("message", |frame| frame["seq"] == 200);
        let frames = live.frames();
        let heard: Vec<_> = frames.iter().filter(|frame| frame["event"] == "message").collect();
        let seqs: Vec<_> = heard
            .iter()
            .map(|frame| frame["seq"].as_i64().unwrap_or_default())
            .collect();
        assert_eq!(
            seqs,
            (1..=200).collect::<Vec<_>>(),
            "frames came out of order, twice or not at all"
        );
        for (name, prefix) in [("ana", ""), ("bob", "b")] {
            let said: Vec<_> = heard
                .iter()
                .filter(|frame| frame["user"] == name)
                .map(|frame| frame["content"].clone())
                .collect();
            let sent: Vec<_> = (0..100).map(|number| json!(format!("{prefix}{number}"))).collect();
            assert_eq!(said, sent, "{name}'s messages changed places");
        }
    }
}

#[test]
fn history_is_fetched_both_ways_without_gaps_or_repeats() {
    let server = Server::start();
    let ana = server.person("ana");
    let live = Live::open_json(&ana);
    live.join("lobby");
    for number in 1..=130 {
        live.send(json!({ "event": "send_message", "room": "lobby", "content": number.to_string() }));
    }
    live.wait("message", |frame| frame["seq"] == 130);
    let seqs = |messages: &[Value]| {
        messages
            .iter()
            .map(|m| m["seq"].as_i64().unwrap_or_default())
            .collect::<Vec<_>>()
    };
    for limit in [7, 50, 100] {
        let (mut forwards, mut after) = (Vec::new(), json!(0));
        loop {
            let (messages, more) = backfill(&live, json!({ "room": "lobby", "after_id": after, "limit": limit }));
            assert!(messages.len() <= limit);
            after = messages.last().map_or(after, |last| last["id"].clone());
            forwards.extend(seqs(&messages));
            if !more {
                break;
            }
        }
        assert_eq!(forwards, (1..=130).collect::<Vec<_>>());
    }
    let newest = live.frames().into_iter().find(|frame| frame["seq"] == 130);
    let (mut backwards, mut before) = (vec![130], newest.expect("it was heard")["id"].clone());
    loop {
        let (messages, more) = backfill(&live, json!({ "room": "lobby", "before_id": before, "limit": 33 }));
        before = messages.first().map_or(before, |first| first["id"].clone());
        backwards.splice(0..0, seqs(&messages));
        if !more {
            break;
        }
    }
    assert_eq!(backwards, (1..=130).collect::<Vec<_>>());
    for (asked, said) in [
        (json!({ "room": "lobby", "after_id": 0, "limit": 101 }), "1 to 100"),
        (json!({ "room": "lobby", "after_id": 0, "limit": 0 }), "1 to 100"),
        (json!({ "room": "lobby" }), "after_id, before_id and after_change"),
        (json!({ "room": "lobby", "after_id": 0, "before_id": 9 }), "one of"),
        (
            json!({ "room": "lobby", "after_id": 99_999 }),
            "no message with this id",
        ),
    ] {
        let mut asked = asked;
        asked["event"] = "request_backfill".into();
        let answer = live.ask(asked);
        assert_eq!(
            (&answer["event"], &answer["code"]),
            (&json!("error"), &json!("invalid")),
            "{answer}"
        );
        assert!(
            answer["message"].as_str().is_some_and(|message| message.contains(said)),
            "{answer}"
        );
    }
}

#[test]
fn who_was_away_learns_what_was_said_edited_and_removed() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let hers = Live::open_json(&ana);
    hers.join("lobby");
    let kept: Vec<_> = (1..=4)
        .map(|number| send(&hers, "lobby", &format!("first {number}")))
        .collect();
    let away = Live::open_json(&bob);
    let joined = away.join("lobby");
    drop(away);
    hers.ask(json!({ "event": "edit_message", "id": kept[0]["id"], "content": "other words" }));
    hers.ask(json!({ "event": "delete_message", "id": kept[1]["id"] }));
    hers.ask(json!({ "event": "edit_message", "id": kept[0]["id"], "content": "third words" }));
    send(&hers, "lobby", "meanwhile");
    let back = Live::open_json(&bob);
    let now = back.join("lobby");
    assert_eq!(now["last_change"], json!(3));
    let (new, more) = backfill(&back, json!({ "room": "lobby", "after_id": joined["last_id"] }));
    assert_eq!((new.len(), more, &new[0]["content"]), (1, false, &json!("meanwhile")));
    let (changed, more) = backfill(&back, json!({ "room": "lobby", "after_change": joined["last_change"] }));
    let found: Vec<_> = changed
        .iter()
        .map(|m| (m["id"].clone(), m["content"].clone()))
        .collect();
    assert_eq!(
        (found, more),
        (
            vec![
                (kept[1]["id"].clone(), json!("")),
                (kept[0]["id"].clone(), json!("third words"))
            ],
            false
        )
    );
}

#[test]
fn a_long_backfill_waits_for_a_slow_reader_instead_of_flooding_it() {
    let server = Server::start();
    let ana = server.person("ana");
    join(&ana, "lobby");
    let long = "<".repeat(4_000);
    for _ in 0..100 {
        say(&ana, "lobby", &long);
    }
    let live = Live::open_json(&ana);
    let (messages, more) = backfill(&live, json!({ "room": "lobby", "after_id": 0, "limit": 100 }));
    assert_eq!((messages.len(), more), (100, false));
    assert!(live.frames().iter().all(|frame| frame["event"] != "resync"));
}

#[test]
fn a_message_is_edited_and_removed_by_its_author_alone_and_the_room_sees_what_it_said() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    make(&ana, "kitchen", true);
    let (hers, his) = (Live::open_json(&ana), Live::open_json(&bob));
    hers.join("kitchen");
    his.join("kitchen");
    let said = send(&his, "kitchen", "tea @ana");
    let id = &said["id"];
    let refused = hers.ask(json!({ "event": "edit_message", "id": id, "content": "coffee" }));
    assert_eq!(
        (&refused["event"], &refused["code"]),
        (&json!("error"), &json!("forbidden")),
        "{refused}"
    );
    let edited = his.ask(json!({ "event": "edit_message", "id": id, "content": "coffee" }));
    assert_eq!(
        (&edited["event"], &edited["content"]),
        (&json!("message_edited"), &json!("coffee"))
    );
    hers.wait("message_edited", |frame| {
        frame["id"] == *id && frame["edited_at"].is_i64()
    });
    let at = format!("/rooms/kitchen/messages/{id}");
    assert_eq!(data(&ana, &at).expect(200).json()["edits"][0]["content"], "tea @ana");
    let answer = send(&hers, "kitchen", "which?");
    let reply =
        his.ask(json!({ "event": "send_message", "room": "kitchen", "content": "this", "reply_to": answer["id"] }));
    assert_eq!(reply["thread_id"], answer["id"]);
    // The owner removes anything; nothing of the words is left anywhere.
    let removed = hers.ask(json!({ "event": "delete_message", "id": id }));
    assert_eq!(
        (&removed["event"], &removed["deleted"]),
        (&json!("message_deleted"), &json!("owner"))
    );
    let whole = data(&bob, &at).expect(200).text() + &data(&bob, "/rooms/kitchen").text();
    assert!(!whole.contains("coffee") && !whole.contains("tea @ana"), "{whole}");
    let deed = data(&bob, "/rooms/kitchen/log").json()["deeds"][0].clone();
    assert_eq!((&deed["action"], &deed["subject"]), (&json!("remove"), &json!("bob")));
    let late = his.ask(json!({ "event": "edit_message", "id": id, "content": "back again" }));
    assert_eq!(late["code"], "conflict", "{late}");
    let orphan = his.ask(json!({ "event": "send_message", "room": "kitchen", "content": "to that", "reply_to": id }));
    assert_eq!(orphan["code"], "invalid", "{orphan}");
    // What stands in another room can't be answered here.
    hers.join("lobby");
    let elsewhere = send(&hers, "lobby", "elsewhere");
    let stray =
        hers.ask(json!({ "event": "send_message", "room": "kitchen", "content": "x", "reply_to": elsewhere["id"] }));
    assert_eq!(stray["code"], "invalid", "{stray}");
    ana.post(&format!("/rooms/lobby/messages/{id}"), &[("content", "x")])
        .expect(404);
}

#[test]
fn a_room_by_invitation_is_not_there_for_others() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    make(&ana, "attic", false);
    let said = say(&ana, "attic", "a secret");
    let at = format!("/rooms/attic/messages/{}", said["id"]);
    let his = Live::open_json(&bob);
    let no_such = json!({ "event": "join_room", "room": "no-such-room" });
    for (event, fields) in [
        ("join_room", json!({ "room": "attic" })),
        ("request_backfill", json!({ "room": "attic", "after_id": 0 })),
        ("send_message", json!({ "room": "attic", "content": "x" })),
        ("edit_message", json!({ "id": said["id"], "content": "x" })),
        ("delete_message", json!({ "id": said["id"] })),
        ("typing", json!({ "room": "attic" })),
        ("read_up_to", json!({ "room": "attic", "seq": 1 })),
        ("watch", json!({ "topic": "room:attic" })),
    ] {
        let mut frame = fields;
        frame["event"] = event.into();
        let answer = his.ask(frame);
        assert_eq!(answer["code"], "not_found", "{event}: {answer}");
        assert_eq!(
            answer["message"],
            his.ask(no_such.clone())["message"],
            "{event} tells that the room is there"
        );
    }
    for path in ["/rooms/attic", "/rooms/attic/people", "/rooms/attic/log", at.as_str()] {
        bob.get(path).expect(404);
        data(&bob, path).expect(404);
    }
    for what in [
        "join", "leave", "messages", "read", "topic", "invite", "mute", "unmute", "kick", "ban", "unban",
    ] {
        let fields = [("content", "x"), ("seq", "1"), ("topic", "x"), ("user", "ana")];
        bob.post(&format!("/rooms/attic/{what}"), &fields).expect(404);
    }
    bob.post(&at, &[("content", "x")]).expect(404);
    bob.post(&format!("{at}/delete"), &[]).expect(404);
    assert!(!bob.get("/rooms").text().contains("attic"));
    ana.post("/rooms/attic/invite", &[("user", "bob")]).see_other();
    assert!(bob.get("/rooms").text().contains("attic"));
    his.join("attic");
    assert_eq!(send(&his, "attic", "thanks")["seq"], 2);
    bob.post("/rooms/attic/invite", &[("user", "cyd")]).expect(403);
    cyd.get("/rooms/attic").expect(404);
}

#[test]
fn each_may_do_what_their_place_allows() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    make(&ana, "kitchen", true);
    join(&bob, "kitchen");
    let said = say(&bob, "kitchen", "hello");
    let at = format!("/rooms/kitchen/messages/{}", said["id"]);
    let fields = [
        ("content", "x"),
        ("seq", "1"),
        ("topic", "x"),
        ("user", "dan-the-guest"),
    ];
    let owners = ["topic", "invite", "mute", "unmute", "kick", "ban", "unban"];
    // A guest is shown the way in, wherever they knock.
    let guest = server.guest();
    for path in [
        "/rooms",
        "/rooms/kitchen",
        "/rooms/kitchen/people",
        "/rooms/kitchen/log",
        at.as_str(),
    ] {
        assert_eq!(guest.get(path).see_other(), format!("/login?next={path}"));
        data(&guest, path).expect(401);
    }
    for what in ["join", "leave", "messages", "read"].iter().chain(&owners) {
        guest.post(&format!("/rooms/kitchen/{what}"), &fields).expect(401);
    }
    guest.post("/rooms", &[("name", "mine")]).expect(401);
    guest.post(&at, &fields).expect(401);
    guest.post(&format!("{at}/delete"), &[]).expect(401);
    let line = guest.live();
    assert_eq!(
        line.ask(json!({ "event": "join_room", "room": "kitchen" }))["code"],
        "unauthorized"
    );
    assert_eq!(
        line.ask(json!({ "event": "watch", "topic": "room:kitchen" }))["code"],
        "unauthorized"
    );
    // A stranger reads an open room, and talks once they have joined.
    for path in [
        "/rooms/kitchen",
        "/rooms/kitchen/people",
        "/rooms/kitchen/log",
        at.as_str(),
    ] {
        cyd.get(path).expect(200);
    }
    cyd.post("/rooms/kitchen/messages", &fields).expect(403);
    cyd.post("/rooms/kitchen/read", &fields).expect(404);
    cyd.post("/rooms/kitchen/leave", &[]).expect(404);
    // A member talks, and has no tools; neither has anybody in the lobby.
    for what in owners {
        bob.post(&format!("/rooms/kitchen/{what}"), &fields).expect(403);
        ana.post(&format!("/rooms/lobby/{what}"), &fields).expect(403);
    }
    // Who is muted reads, and says nothing, by whichever way.
    ana.post("/rooms/kitchen/mute", &[("user", "bob")]).see_other();
    bob.get("/rooms/kitchen").expect(200);
    bob.post("/rooms/kitchen/messages", &fields).expect(403);
    bob.post(&at, &[("content", "x")]).expect(403);
    let his = Live::open_json(&bob);
    his.join("kitchen");
    for event in [
        json!({ "event": "typing" }),
        json!({ "event": "send_message", "content": "x" }),
    ] {
        let refused = his.ask(event);
        assert_eq!(refused["code"], "forbidden", "{refused}");
        assert!(
            refused["message"].as_str().is_some_and(|m| m.contains("muted")),
            "{refused}"
        );
    }
    // Who is banned reads nothing, and can't come back.
    ana.post("/rooms/kitchen/ban", &[("user", "bob")]).see_other();
    for path in ["/rooms/kitchen", "/rooms/kitchen/log", at.as_str()] {
        bob.get(path).expect(403);
    }
    bob.post("/rooms/kitchen/join", &[]).expect(403);
    assert_eq!(
        his.ask(json!({ "event": "join_room", "room": "kitchen" }))["code"],
        "forbidden"
    );
    ana.post("/rooms/kitchen/unban", &[("user", "bob")]).see_other();
    bob.post("/rooms/kitchen/join", &[]).see_other();
    // An owner can't do things to themselves; when they leave, the room stays and says so.
    ana.post("/rooms/kitchen/kick", &[("user", "ana")]).expect(422);
    ana.post("/rooms/kitchen/leave", &[]).see_other();
    let deed = data(&bob, "/rooms/kitchen/log").json()["deeds"][0].clone();
    assert_eq!((&deed["action"], &deed["actor"]), (&json!("leave"), &json!("ana")));
    ana.post("/rooms/kitchen/topic", &[("topic", "x")]).expect(403);
}

#[test]
fn who_is_put_out_hears_no_more_at_once() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    make(&ana, "kitchen", true);
    let (hers, his, his_other) = (Live::open_json(&ana), Live::open_json(&bob), bob.live());
    for live in [&hers, &his, &his_other] {
        live.join("kitchen");
    }
    hers.wait("presence", |frame| frame["joined"] == json!(["bob"]));
    for (what, reason) in [("kick", "kicked"), ("ban", "banned")] {
        ana.post(&format!("/rooms/kitchen/{what}"), &[("user", "bob")])
            .see_other();
        for live in [&his, &his_other] {
            assert_eq!(live.wait("room_left", |_| true)["reason"], reason);
        }
        let unheard = send(&hers, "kitchen", "is he gone?");
        assert_eq!(his.ask(json!({ "event": "ping" }))["event"], "pong");
        assert!(!his.frames().iter().any(|frame| frame["id"] == unheard["id"]));
        if reason == "kicked" {
            his.join("kitchen");
            his_other.join("kitchen");
        }
    }
    assert_eq!(
        his.ask(json!({ "event": "send_message", "room": "kitchen", "content": "x" }))["code"],
        "forbidden"
    );
    hers.wait("presence", |frame| {
        frame["topic"] == "room:kitchen" && frame["left"] == json!(["bob"])
    });
}

#[test]
fn what_is_unread_follows_one_from_device_to_device() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    join(&bob, "lobby");
    let hers = Live::open_json(&ana);
    hers.join("lobby");
    // Bob's two devices look at other things.
    let (desk, phone) = (Live::open_json(&bob), bob.live());
    for live in [&desk, &phone] {
        live.wait("connected", |_| true);
    }
    send(&hers, "lobby", "one");
    send(&hers, "lobby", "two, @bob");
    for live in [&desk, &phone] {
        let unread = live.wait("unread", |frame| frame["count"] == 2);
        assert_eq!((&unread["room"], &unread["mentions"]), (&json!("lobby"), &json!(1)));
    }
    let list = data(&bob, "/rooms").json();
    assert_eq!(
        (&list["rooms"][0]["unread"], &list["rooms"][0]["mentions"]),
        (&json!(2), &json!(1))
    );
    let answer = desk.ask(json!({ "event": "read_up_to", "room": "lobby", "seq": 2 }));
    assert_eq!((&answer["event"], &answer["count"]), (&json!("unread"), &json!(0)));
    phone.wait("unread", |frame| frame["count"] == 0 && frame["read_seq"] == 2);
    assert_eq!(data(&bob, "/rooms").json()["rooms"][0]["unread"], 0);
    // It never goes back, nor beyond what there is.
    assert_eq!(
        desk.ask(json!({ "event": "read_up_to", "room": "lobby", "seq": 1 }))["read_seq"],
        2
    );
    assert_eq!(
        desk.ask(json!({ "event": "read_up_to", "room": "lobby", "seq": 99 }))["read_seq"],
        2
    );
    // Who talks has read what stands above.
    send(&hers, "lobby", "three");
    say(&bob, "lobby", "four");
    assert_eq!(data(&bob, "/rooms").json()["rooms"][0]["unread"], 0);
    // However much is said, a room is told of once a second at most.
    let before = phone.frames().len();
    let start = std::time::Instant::now();
    for number in 0..60 {
        send(&hers, "lobby", &number.to_string());
    }
    phone.wait("unread", |frame| frame["count"] == 60);
    let told = phone.frames()[before..]
        .iter()
        .filter(|frame| frame["event"] == "unread")
        .count();
    assert!(
        told as u64 <= start.elapsed().as_secs() + 3,
        "{told} frames in {:?}",
        start.elapsed()
    );
}

#[test]
fn typing_shows_and_fades() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (hers, her_phone, his) = (Live::open_json(&ana), ana.live(), Live::open_json(&bob));
    for live in [&hers, &her_phone, &his] {
        live.join("lobby");
    }
    for _ in 0..20 {
        hers.send(json!({ "event": "typing" }));
    }
    let typing = his.wait("typing", |_| true);
    assert_eq!((&typing["room"], &typing["user"]), (&json!("lobby"), &json!("ana")));
    let start = std::time::Instant::now();
    his.wait("stop_typing", |frame| frame["user"] == "ana");
    let lasted = start.elapsed().as_secs();
    assert!((4..=9).contains(&lasted), "it faded after {lasted} s");
    let told = his.frames().iter().filter(|frame| frame["event"] == "typing").count();
    assert_eq!(told, 1, "twenty keystrokes at once are one sign");
    hers.send(json!({ "event": "typing" }));
    his.wait("typing", |_| true);
    hers.send(json!({ "event": "stop_typing" }));
    his.wait("stop_typing", |_| true);
    hers.send(json!({ "event": "typing" }));
    his.wait("typing", |_| true);
    send(&hers, "lobby", "there");
    his.wait("stop_typing", |_| true);
    assert!(
        her_phone.frames().iter().all(|frame| frame["event"] != "typing"),
        "one is told of oneself"
    );
}

#[test]
fn who_is_here_is_seen_unless_they_would_rather_not() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let hers = Live::open_json(&ana);
    hers.join("lobby");
    let his = bob.live();
    his.join("lobby");
    hers.wait("presence", |frame| {
        frame["joined"]
            .as_array()
            .is_some_and(|names| names.contains(&json!("bob")))
    });
    let here = |frame: &Value| frame["joined"] == json!(["ana", "bob"]);
    assert!(his.frames().iter().any(here), "who comes is told who is here");
    assert!(bob.get("/rooms/lobby").text().contains("ana"));
    let page = bob.get("/settings").expect(200);
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action == "/settings/presence");
    assert!(form.is_some(), "the settings offer to be unseen");
    // The box is unticked: nothing is sent for it.
    bob.post("/settings/presence", &[]).see_other();
    hers.wait("presence", |frame| frame["left"] == json!(["bob"]));
    let (second, typed) = (bob.live(), hers.frames().len());
    second.join("lobby");
    second.send(json!({ "event": "typing" }));
    assert_eq!(second.ask(json!({ "event": "ping" }))["event"], "pong");
    assert_eq!(hers.ask(json!({ "event": "ping" }))["event"], "pong");
    let since = hers.frames()[typed..].to_vec();
    assert!(
        !since.iter().any(|frame| frame.to_string().contains("bob")),
        "{since:?}"
    );
    // He sees the others all the same, and talks as ever.
    let sees = |frame: &Value| frame["event"] == "presence" && frame["joined"] == json!(["ana"]);
    assert!(second.frames().iter().any(sees));
    send(&second, "lobby", "boo");
    bob.post("/settings/presence", &[("present", "on")]).see_other();
    hers.wait("presence", |frame| frame["joined"] == json!(["bob"]));
}

#[test]
fn a_flood_is_held_up_and_told_when_to_go_on() {
    let server = Server::builder()
        .config("[limits]\nposts_per_minute = 30\nroom_posts_per_minute = 100000\naddress_posts_per_minute = 100000\n")
        .start();
    let ana = server.person("ana");
    let live = Live::open_json(&ana);
    live.join("lobby");
    let mut refused = None;
    for number in 0..12 {
        let nonce = format!("n{number}");
        let frame = json!({ "event": "send_message", "room": "lobby", "content": "x", "nonce": nonce });
        let answer = live.ask(frame);
        if answer["event"] == "error" {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("ten at once are a third of a minute's thirty");
    assert_eq!(refused["code"], "too_often");
    let wait = refused["retry_after_ms"].as_u64().expect("it says when");
    assert!((1..=3_000).contains(&wait), "{wait} ms");
    // What stands already is answered all the same.
    let again = live.ask(json!({ "event": "send_message", "room": "lobby", "content": "x", "nonce": "n0" }));
    assert_eq!(again["event"], "message");
    // Without JavaScript the text is still in the box, and the page says when.
    let page = ana
        .post("/rooms/lobby/messages", &[("content", "all that I typed")])
        .expect(429);
    assert!(page.header("retry-after").parse::<u64>().is_ok());
    assert!(
        page.text().contains("all that I typed") && page.text().contains("Try again in"),
        "{}",
        page.text()
    );
    // Another room is no way round it, another member is not held up.
    make(&ana, "kitchen", true);
    ana.post_json("/rooms/kitchen/messages", &[("content", "x")])
        .expect(429);
    let bob = server.person("bob");
    join(&bob, "lobby");
    say(&bob, "lobby", "and I?");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let server = Server::start();
    let ana = server.person("ana");
    let live = Live::open_json(&ana);
    live.join("lobby");
    for (frame, code, said) in [
        (json!({ "event": "dance" }), "unknown_event", "send_message"),
        (json!({}), "unknown_event", "join_room"),
        (json!({ "event": "send_message", "room": "lobby" }), "invalid", "empty"),
        (
            json!({ "event": "send_message", "room": "lobby", "content": 7 }),
            "bad_event",
            "string",
        ),
        (
            json!({ "event": "send_message", "room": "lobby", "content": " \n " }),
            "invalid",
            "empty",
        ),
        (
            json!({ "event": "send_message", "room": "lobby", "content": "x".repeat(4_001) }),
            "invalid",
            "at most 4000",
        ),
        (
            json!({ "event": "send_message", "room": "lobby", "content": "x", "nonce": "" }),
            "invalid",
            "1 to 64",
        ),
        (
            json!({ "event": "send_message", "room": "lobby", "content": "x", "nonce": "n".repeat(65) }),
            "invalid",
            "1 to 64",
        ),
        (
            json!({ "event": "send_message", "room": "lobby", "content": "/nothing-here 1" }),
            "invalid",
            "/nothing-here",
        ),
        (
            json!({ "event": "send_message", "room": "../etc", "content": "x" }),
            "not_found",
            "nothing",
        ),
        (
            json!({ "event": "join_room", "room": "no-such-room" }),
            "not_found",
            "nothing",
        ),
        (
            json!({ "event": "edit_message", "id": 999, "content": "x" }),
            "not_found",
            "nothing",
        ),
        (json!({ "event": "delete_message", "id": "x" }), "bad_event", "id"),
        (
            json!({ "event": "watch", "topic": "room:../etc" }),
            "not_found",
            "nothing",
        ),
        (json!({ "event": "read_up_to", "room": "lobby" }), "bad_event", "seq"),
    ] {
        let answer = live.ask(frame.clone());
        assert_eq!(
            (&answer["event"], &answer["code"]),
            (&json!("error"), &json!(code)),
            "{frame}: {answer}"
        );
        let told = answer["message"].as_str().unwrap_or_default();
        assert!(told.contains(said), "{frame}: {told}");
    }
    // Exactly 4,000 characters of any script fit, and a slash can be said.
    assert_eq!(send(&live, "lobby", &"ż".repeat(4_000))["seq"], 1);
    assert_eq!(send(&live, "lobby", "//shrug")["content"], "/shrug");
    for (fields, field) in [
        ([("name", "X"), ("topic", "")], "name"),
        ([("name", "search"), ("topic", "")], "name"),
        ([("name", "lobby"), ("topic", "")], "name"),
        ([("name", "fine"), ("topic", &"t".repeat(201))], "topic"),
    ] {
        let answer = ana.post_json("/rooms", &fields).expect(422).json();
        assert_eq!(answer["errors"][0]["field"], field, "{answer}");
        let page = ana.post("/rooms", &fields).expect(422).text();
        assert!(page.contains(&format!("value=\"{}\"", fields[0].1.to_lowercase())) || page.contains(fields[0].1));
    }
    let page = ana
        .post("/rooms/lobby/messages", &[("content", &"long ".repeat(1_000))])
        .expect(422)
        .text();
    assert!(
        page.contains("long long") && page.contains("at most 4000"),
        "what was typed is gone"
    );
}

#[test]
fn whoever_opens_a_page_and_listens_afterwards_misses_nothing() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    join(&ana, "lobby");
    join(&bob, "lobby");
    let seen = say(&ana, "lobby", "on the page");
    let page = bob.get("/rooms/lobby").expect(200).text();
    assert!(page.contains(&format!("data-id=\"{}\"", seen["id"])), "{page}");
    let between = say(&ana, "lobby", "in between");
    let live = Live::open_json(&bob);
    let joined = live.join("lobby");
    assert_eq!(joined["last_id"], between["id"]);
    let (missed, more) = backfill(&live, json!({ "room": "lobby", "after_id": seen["id"] }));
    assert_eq!((missed.len(), more, &missed[0]["id"]), (1, false, &between["id"]));
    // The same for a wall: its page carries the version that watching it is answered with.
    let version = |page: &str| {
        page.split("data-version=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .map(str::to_owned)
    };
    let before = version(&bob.get("/wall/ana").text()).expect("a wall's page has a version");
    let watch = |live: &Live| {
        live.ask(json!({ "event": "watch", "topic": "wall:ana" }))["version"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(watch(&live), Some(before.clone()));
    let fields = [
        ("status", "new"),
        ("bio", ""),
        ("mood", ""),
        ("colour", "blue"),
        ("time_zone", "UTC"),
    ];
    ana.post("/wall/ana/profile", &fields).see_other();
    let now = watch(&live);
    assert_ne!(now, Some(before), "the change is not seen");
    assert_eq!(version(&bob.get("/wall/ana").text()), now);
}

#[path = "../docs/bot.rs"]
mod bot;

#[test]
fn the_bot_of_the_documentation_greets_everybody_once_whatever_happens() {
    let mut server = Server::start();
    let (ana, robot) = (server.person("ana"), server.person("robot"));
    let fields = [
        ("name", "greeter"),
        ("days", "90"),
        ("scope", "rooms:read"),
        ("scope", "rooms:write"),
    ];
    let made = robot.post_json("/settings/tokens", &fields).expect(201).json();
    let token = made["token"].as_str().expect("the token is text").to_owned();
    join(&ana, "lobby");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime can be started");
    let start = |server: &Server, mut seen: i64| {
        let (address, token) = (format!("ws://{}", server.address()), token.clone());
        runtime.spawn(async move {
            let _ = bot::greet(&address, &token, "lobby", &mut seen).await;
        })
    };
    let greeted = |ids: &[Value]| {
        let page = data(&ana, "/rooms/lobby").json();
        let messages = page["messages"].as_array().expect("a list").clone();
        let answers = |id: &Value| {
            messages
                .iter()
                .filter(|m| m["user"] == "robot" && m["reply_to"]["id"] == *id)
                .count()
        };
        ids.iter().map(answers).collect::<Vec<_>>()
    };
    let hello = |n: usize| say(&ana, "lobby", &format!("hello @robot, for the {n}th time"))["id"].clone();
    let first = start(&server, 0);
    let mut ids: Vec<_> = (0..3).map(hello).collect();
    say(&ana, "lobby", "nothing to you, @robot");
    eventually("three greetings", || (greeted(&ids) == [1, 1, 1]).then_some(()));
    // Its line breaks, things are said, the server is restarted, and it begins anew from the very beginning.
    first.abort();
    ids.extend((3..6).map(hello));
    server.restart();
    let again = start(&server, 0);
    ids.push(hello(6));
    eventually("seven greetings", || (greeted(&ids) == [1; 7]).then_some(()));
    again.abort();
}
