//! What was said in rooms is there, once and in order, when the server was killed, the power or the network failed, the disk was full or
//! refused, or the clock jumped.
//!
//! Chance decides when. Each test prints its seed; `FAULT_SEED=… cargo xtask test …` repeats it.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write,
    os::unix::process::ExitStatusExt,
    thread,
    time::{Duration, Instant},
};

use neospace_tests::{
    Live, Person, Server, Talker, eventually,
    faults::{Chance, number},
    talker::{Heard, Manner},
};
use rusqlite::Connection;
use serde_json::{Value, json};

/// The issue's own limit: how soon a server answers after it was killed.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
/// Clients that talk while the server is killed, and how many messages a second they send together.
const TALKERS: u64 = 8;
const MESSAGES_PER_SECOND: u64 = 500;

const NO_LIMITS: &str = "[limits]\nframes_per_window = 1000000";

/// Two clients each of four people, who talk in the lobby.
fn talkers(people: &[Person], chance: &mut Chance) -> Vec<Talker> {
    let talker = |nth| {
        let manner = Manner {
            room: "lobby".into(),
            pause: Duration::from_micros(1_000_000 * TALKERS / MESSAGES_PER_SECOND),
            cuts: (0, 0),
            chance: chance.split(),
        };
        let person: &Person = &people[nth as usize % people.len()];
        Talker::begin(person, &format!("{}-{nth}", person.name), manner)
    };
    (0..TALKERS).map(talker).collect()
}

fn four_people(server: &Server) -> Vec<Person> {
    ["ana", "bob", "cyd", "dan"]
        .iter()
        .map(|name| server.person(name))
        .collect()
}

/// What stands in the lobby, by the database itself, which is healthy.
fn lobby(database: &Connection) -> Vec<(Heard, String)> {
    let healthy: String = database
        .query_row("pragma integrity_check", [], |row| row.get(0))
        .expect("it can be read");
    assert_eq!(healthy, "ok");
    let mut query = database
        .prepare(
            "select m.id, m.seq, u.name, m.content, coalesce(m.nonce, '')
               from messages m
               join users u on u.id = m.user_id
               join rooms r on r.id = m.room_id
              where r.name = 'lobby'
              order by m.seq",
        )
        .expect("the tables are there");
    let rows = query.query_map([], |row| {
        let (id, seq, user, content) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((Heard { id, seq, user, content }, row.get(4)?))
    });
    rows.and_then(Iterator::collect).expect("it can be read")
}

/// Demands that everything these clients were told is so: what was acknowledged stands once and where it was said to, what
/// they heard stands, and each one's messages stand in the order in which they were sent. Answers how many stand.
fn nothing_is_lost(server: &Server, talkers: &[Talker]) -> usize {
    // Before the database: what is acknowledged later must not be in it yet.
    let seen: Vec<_> = talkers.iter().map(Talker::seen).collect();
    let stands = lobby(&server.database());
    let mut by_nonce = HashMap::new();
    let mut last_id = 0;
    for (nth, (message, nonce)) in stands.iter().enumerate() {
        assert_eq!(message.seq, nth as i64 + 1, "a gap before {message:?}");
        assert!(
            message.id > last_id,
            "{message:?} has a smaller id than the one before it"
        );
        last_id = message.id;
        let earlier = by_nonce.insert(nonce.as_str(), message);
        assert!(earlier.is_none(), "{message:?} stands twice: {earlier:?}");
    }
    for (talker, seen) in talkers.iter().zip(seen) {
        let name = &talker.name;
        assert!(seen.faults.is_empty(), "{name}: {:#?}", seen.faults);
        assert!(
            seen.gaps == 0 || seen.resyncs > 0,
            "{name} missed something and wasn't told"
        );
        let mut last = 0;
        let mut missing = None;
        for sent in &seen.sent {
            let message = by_nonce.get(sent.nonce.as_str());
            let place = message.map(|message| (message.id, message.seq));
            if sent.acknowledged.is_some() {
                assert_eq!(place, sent.acknowledged, "{name} was told that {sent:?} stands");
            }
            let Some(message) = message else {
                missing = Some(sent);
                continue;
            };
            assert!(
                missing.is_none(),
                "{message:?} stands, and what was said before doesn't: {missing:?}"
            );
            assert!(message.seq > last, "{message:?} stands before what was said earlier");
            assert_eq!(
                (&message.content, &message.user),
                (&sent.content, name),
                "not as it was said"
            );
            last = message.seq;
        }
        for (heard, (stands, _)) in seen.room.iter().zip(&stands) {
            assert_eq!(heard, stands, "{name} heard something else than what stands");
        }
        assert!(
            seen.room.len() <= stands.len(),
            "{name} heard what doesn't stand: {:?}",
            seen.room.last()
        );
    }
    stands.len()
}

/// Waits until everybody has said what they had to, and has the whole room; demands that they all have the same.
fn all_agree(server: &Server, talkers: &[Talker]) {
    for talker in talkers {
        talker.fall_silent();
    }
    for talker in talkers {
        talker.finish();
    }
    let stands = nothing_is_lost(server, talkers);
    for talker in talkers {
        talker.wait("for the whole room", |seen| seen.room.len() == stands);
    }
    nothing_is_lost(server, talkers);
}

/// Starts a server that has ended, and demands that it answers soon.
fn start_again(server: &mut Server) {
    let begun = Instant::now();
    server.start_again();
    server.guest().get("/health").expect(200);
    let took = begun.elapsed();
    assert!(took <= ANSWERS_WITHIN, "it answered after {took:?}");
}

/// Kills the server again and again while everybody talks. With `power_cut`, what the disk did not confirm is lost each time.
fn keep_killing(rounds: u64, power_cut: bool) {
    let mut chance = Chance::of_this_run();
    let builder = Server::builder().config(NO_LIMITS);
    let mut server = if power_cut { builder.faulty() } else { builder }.start();
    let talkers = talkers(&four_people(&server), &mut chance);
    talkers[0].wait("for the first messages", |seen| seen.room.len() > 100);
    let (begun, mut stand) = (Instant::now(), 0);
    for round in 1..=rounds {
        thread::sleep(Duration::from_millis(chance.below(1_000)));
        server.kill();
        if power_cut {
            server.faults().lose_what_was_not_synced(&server.data());
        }
        start_again(&mut server);
        stand = nothing_is_lost(&server, &talkers);
        println!("killed {round} times in {:?}: {stand} messages stand", begun.elapsed());
    }
    all_agree(&server, &talkers);
    let connections: u32 = talkers.iter().map(|talker| talker.seen().connections).sum();
    assert!(
        u64::from(connections) > rounds,
        "they hardly ever came back: {connections} connections"
    );
    assert!(stand as u64 > 10 * rounds, "they hardly talked: {stand} messages");
}

#[test]
fn fifty_kills_lose_double_and_reorder_nothing() {
    keep_killing(number("FAULT_KILLS").unwrap_or(50), false);
}

#[test]
fn what_was_acknowledged_was_on_the_disk_when_the_power_failed() {
    keep_killing(number("FAULT_POWER_CUTS").unwrap_or(10), true);
}

#[test]
fn a_hundred_clients_that_are_cut_off_twenty_times_miss_and_repeat_nothing() {
    const CLIENTS: usize = 100;
    const CUTS: u32 = 20;
    let mut chance = Chance::of_this_run();
    let server = Server::builder().config(NO_LIMITS).start();
    let people = four_people(&server);
    let talkers: Vec<_> = (0..CLIENTS)
        .map(|nth| {
            let manner = Manner {
                room: "lobby".into(),
                pause: Duration::from_millis(1_500 + chance.below(1_000)),
                cuts: (CUTS, 1_000),
                chance: chance.split(),
            };
            let person = &people[nth % people.len()];
            Talker::begin(person, &format!("{}-{nth}", person.name), manner)
        })
        .collect();
    for talker in &talkers {
        talker.wait("to be cut off for the last time", |seen| seen.cuts == CUTS);
    }
    all_agree(&server, &talkers);
    let caught_up: u32 = talkers.iter().map(|talker| talker.seen().caught_up).sum();
    assert!(
        caught_up > CLIENTS as u32 * CUTS / 4,
        "they were cut off before they had caught up nearly every time: {caught_up}"
    );
}

// ── one at a time ────────────────────────────────────────────────────────────────────────────────

/// Comes into the lobby, as a program does.
fn in_the_lobby(person: &Person) -> Live {
    let live = Live::try_open(Live::request(person, "neospace.json.v1")).expect("it is opened");
    live.send(json!({ "event": "join_room", "room": "lobby", "ref": 1 }));
    live.wait("room_joined", |frame| frame["room"] == "lobby");
    live
}

/// Says something; the answer: the `message`, or the `error`.
fn say(live: &Live, content: &str, nonce: &str) -> Result<Value, Value> {
    let reference = nonce
        .bytes()
        .fold(1_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    answer_to(
        live,
        json!({ "event": "send_message", "room": "lobby", "content": content, "nonce": nonce, "ref": reference }),
    )
}

/// Sends a frame; the frame that answers it, as an error where it is one.
fn answer_to(live: &Live, frame: Value) -> Result<Value, Value> {
    let answer = live.wait_for_answer_to(frame);
    if answer["event"] == "error" {
        Err(answer)
    } else {
        Ok(answer)
    }
}

#[test]
fn on_a_full_disk_people_are_told_so_and_what_stands_can_be_read() {
    let server = Server::builder()
        .config(NO_LIMITS)
        .disk_mib(8)
        .expect_in_log("disk")
        .start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (hers, his) = (in_the_lobby(&ana), in_the_lobby(&bob));
    let filler = server.data_inside().join("filler");
    let mut file = File::create(&filler).expect("there is room yet");

    let long = "all work and no play. ".repeat(150);
    let mut stand = Vec::new();
    let refusal = (0..5_000).find_map(|number| {
        // It fills up while people talk.
        if number >= 20 {
            while file.write_all(&[1; 4096]).is_ok() {}
        }
        let content = format!("{number}: {long}");
        match say(&hers, content.trim_end(), &format!("n{number}")) {
            Ok(message) => {
                stand.push((
                    message["id"].clone(),
                    message["seq"].clone(),
                    message["content"].clone(),
                ));
                None
            }
            Err(refusal) => Some((number, refusal)),
        }
    });
    let (number, refusal) = refusal.expect("a full disk took 5,000 messages");
    assert_eq!(refusal["code"], "unavailable", "{refusal}");
    let sentence = refusal["message"].as_str().expect("it says why");
    assert!(sentence.contains("disk is full"), "{sentence}");

    // Nothing else is taken either, over whichever way, and it is said why.
    // (Where it gave something up there may be room for something small.)
    let first = stand.first().expect("there was room at first").0.clone();
    let edit = json!({ "event": "edit_message", "id": first, "content": long.to_uppercase(), "ref": 5 });
    let reply = json!({ "event": "send_message", "room": "lobby", "content": long, "reply_to": first, "ref": 6 });
    for (live, frame) in [(&hers, edit), (&his, reply)] {
        if let Err(refusal) = answer_to(live, frame) {
            assert_eq!(refusal["code"], "unavailable", "{refusal}");
        }
    }
    let over_http = ana.post_json("/rooms/lobby/messages", &[("content", &long), ("nonce", "http")]);
    if over_http.status != 201 {
        let over_http = over_http.expect(503);
        assert!(over_http.text().contains("disk is full"), "{}", over_http.text());
    }

    // What was acknowledged can be read, with nothing but reads.
    let read = backfill(&his);
    assert!(
        stand
            .iter()
            .all(|(id, seq, _)| read.iter().any(|m| m["id"] == *id && m["seq"] == *seq)),
        "something acknowledged is gone"
    );
    server.guest().get("/health").expect(200);
    ana.get("/rooms/lobby").expect(200);

    // With room, it goes on by itself, and what was refused can be sent again.
    drop(file);
    fs::remove_file(filler).expect("it is ours");
    let again = format!("{number}: {long}");
    let message = eventually("talk to go on", || {
        say(&hers, again.trim_end(), &format!("n{number}")).ok()
    });
    let at = message["seq"].as_i64().expect("a number");
    his.wait("message", |frame| frame["seq"] == at);
    let room = backfill(&his);
    let seqs: Vec<_> = room
        .iter()
        .map(|message| message["seq"].as_i64().expect("a number"))
        .collect();
    assert_eq!(seqs, (1..=at).collect::<Vec<_>>(), "order was lost");
    for (id, seq, content) in &stand {
        let there = room
            .iter()
            .find(|message| message["id"] == *id)
            .expect("it was acknowledged");
        assert_eq!(&there["seq"], seq);
        let edited = there["edited_at"].is_number();
        assert!(
            edited || there["content"] == *content,
            "{there} was acknowledged as {content}"
        );
    }
    assert_eq!(lobby(&server.database_copy()).len() as i64, at);
}

/// The whole room, as somebody who has nothing asks for it.
fn backfill(live: &Live) -> Vec<Value> {
    let mut room = Vec::<Value>::new();
    loop {
        let after = room.last().map_or(json!(0), |last| last["id"].clone());
        live.send(json!({ "event": "request_backfill", "room": "lobby", "after_id": after, "limit": 100, "ref": 77 }));
        let end = live.wait("backfill", |frame| {
            room.extend(frame["messages"].as_array().into_iter().flatten().cloned());
            frame["phase"] == "end"
        });
        if end["more"] != true {
            return room;
        }
    }
}

#[test]
fn a_disk_that_confirms_nothing_ends_the_server_and_nothing_acknowledged_is_lost() {
    let mut chance = Chance::of_this_run();
    let mut server = Server::builder().config(NO_LIMITS).faulty().start();
    let talkers = talkers(&four_people(&server), &mut chance);
    for (round, lost) in [true, false, true].into_iter().enumerate() {
        let before = talkers[0].seen().room.len();
        talkers[0].wait("for more messages", |seen| seen.room.len() > before + 150);
        server.faults().fail_syncs(true);
        let status = server.wait_for_end();
        assert_eq!(
            status.signal(),
            Some(libc::SIGABRT),
            "round {round}: it ended with {status}"
        );
        let log = server.log().lines().join("\n");
        assert!(log.contains("the disk did not confirm a write"), "{log}");
        server.expect_in_log("the disk did not confirm a write");
        if lost {
            server.faults().lose_what_was_not_synced(&server.data());
        }
        server.faults().fail_syncs(false);
        start_again(&mut server);
        nothing_is_lost(&server, &talkers);
    }
    all_agree(&server, &talkers);
}

#[test]
fn when_the_clock_steps_back_an_hour_the_order_holds() {
    const HOUR_MS: i64 = 3_600_000;
    let mut chance = Chance::of_this_run();
    let mut server = Server::builder().config(NO_LIMITS).faulty().start();
    let people = four_people(&server);
    let ana = &people[0];
    let hers = in_the_lobby(ana);
    let first = say(&hers, "before", "before").expect("it stands");
    let created = first["created_at"].as_i64().expect("a time");
    let talkers = talkers(&people, &mut chance);
    for (nth, hours) in [-1, 1, 0, -1].into_iter().enumerate() {
        server.faults().shift_clock(hours * HOUR_MS);
        let before = talkers[0].seen().room.len();
        talkers[0].wait("for people to talk on", |seen| seen.room.len() > before + 200);
        let (content, nonce) = (format!("{hours} hours"), format!("hours-{nth}"));
        let message = say(&hers, &content, &nonce).expect("it stands");
        let moved = message["created_at"].as_i64().expect("a time") - created;
        assert!(
            (moved - hours * HOUR_MS).abs() < HOUR_MS / 2,
            "the clock was not off: {moved} ms"
        );
        // A repeated nonce is the same message, an edit an edit, whatever the time.
        let again = say(&hers, &content, &nonce).expect("it stands");
        assert_eq!((&again["id"], &again["seq"]), (&message["id"], &message["seq"]));
        let edit = json!({ "event": "edit_message", "id": message["id"], "content": "edited", "ref": 3 });
        let edited = answer_to(&hers, edit).expect("one's own can be edited");
        assert_eq!(edited["event"], "message_edited");
        let delete = json!({ "event": "delete_message", "id": first["id"], "ref": 4 });
        if nth == 0 {
            let deleted = answer_to(&hers, delete).expect("one's own can be removed");
            assert_eq!(deleted["event"], "message_deleted");
        }
        // Whoever was logged in is, and whoever wasn't can.
        ana.get("/settings").expect(200);
        ana.get("/rooms/lobby").expect(200);
        server.guest_called("bob").log_in().get("/settings").expect(200);
        let program = ana.program(&["rooms:read", "rooms:write"]);
        program
            .post_json("/rooms/lobby/messages", &[("content", "from a program")])
            .expect(201);
    }
    // It starts on the same data although all of it seems to come from the future.
    server.restart();
    ana.get("/settings").expect(200);
    for talker in &talkers {
        talker.finish();
    }
    let room = lobby(&server.database());
    let seqs: Vec<_> = room.iter().map(|(message, _)| message.seq).collect();
    assert_eq!(seqs, (1..=room.len() as i64).collect::<Vec<_>>());
    assert!(room.is_sorted_by_key(|(message, _)| message.id));
    for talker in &talkers {
        let seen = talker.seen();
        assert!(seen.faults.is_empty(), "{}: {:#?}", talker.name, seen.faults);
        for sent in &seen.sent {
            let stands: Vec<_> = room.iter().filter(|(_, nonce)| *nonce == sent.nonce).collect();
            assert_eq!(stands.len(), 1, "{sent:?}");
            assert_eq!(Some((stands[0].0.id, stands[0].0.seq)), sent.acknowledged);
        }
    }
}
