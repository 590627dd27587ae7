//! WebSocket clients that mean harm, or know no better: each is told what is wrong or shown out with the right code, and nobody
//! else notices. In every test two people talk in the lobby all along.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use neospace_tests::{Live, PATIENCE, Person, Server, Talker, eventually, faults::Chance, talker::Manner};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

const PROTOCOL: u16 = 1002;
const BAD_DATA: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;
const SESSION_ENDED: u16 = 4001;

const TEXT: u8 = 1;
const CONTINUATION: u8 = 0;
const PING: u8 = 9;
const FINAL: u8 = 0x80;

/// By how much the host's memory may have grown when an attack is over, whatever it was: 200 connections with all that may
/// wait for each (256 KiB) are 50 MiB.
const MEMORY_MOST: u64 = 64 << 20;

/// Two people who talk, and the memory that the server took before the attack.
struct Peace {
    talkers: [Talker; 2],
    server: Server,
    memory: u64,
    ana: Person,
}

impl Peace {
    /// With `limits`: more of that table in the configuration.
    fn begin(limits: &str) -> Peace {
        let server = Server::builder().config(&format!("[limits]\n{limits}")).start();
        let (ana, bob) = (server.person("ana"), server.person("bob"));
        let talkers = [&ana, &bob].map(|person| {
            let manner = Manner {
                room: "lobby".into(),
                pause: Duration::from_millis(100),
                cuts: (0, 0),
                chance: Chance::of_this_run(),
            };
            Talker::begin(person, &person.name, manner)
        });
        for talker in &talkers {
            talker.wait("to hear both", |seen| seen.room.len() >= 10);
        }
        let memory = server.memory();
        Peace {
            talkers,
            server,
            memory,
            ana,
        }
    }

    /// Demands that both have heard each other since `begin` over their first connections, and still do.
    fn held(&self) {
        for talker in &self.talkers {
            let before = talker.seen().room.len();
            talker.wait("to hear more", |seen| seen.room.len() >= before + 6);
            let seen = talker.seen();
            assert!(seen.faults.is_empty(), "{}: {:#?}", talker.name, seen.faults);
            assert_eq!(seen.connections, 1, "{} was cut off", talker.name);
        }
        let most = self.memory + MEMORY_MOST;
        eventually("its memory to come back", || {
            (self.server.memory() <= most).then_some(())
        });
        for talker in &self.talkers {
            talker.finish();
        }
    }
}

/// A connection to `/live` whose other end is this test's hands.
struct Raw(TcpStream);

impl Raw {
    fn open(person: &Person) -> Raw {
        let mut stream = TcpStream::connect(person.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let cookies = person.cookie_header().unwrap_or_default();
        let (host, origin) = (person.address, person.origin());
        let head = format!(
            "GET /live HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nCookie: {cookies}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Protocol: neospace.json.v1\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("it answers");
            answer.push(byte[0]);
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        Raw(stream)
    }

    /// Writes bytes; whether the server still takes them.
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Reads until the server has closed, and says with which code, if it gave one.
    fn close_code(&mut self) -> Option<u16> {
        let mut got = Vec::new();
        let begun = Instant::now();
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => got.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("the server didn't close the connection: {error}"),
            }
            assert!(begun.elapsed() < PATIENCE, "the server didn't close the connection");
        }
        let mut rest = &got[..];
        while let [first, second, after @ ..] = rest {
            let (length, payload) = match (second, after) {
                (126, [a, b, payload @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), payload),
                (127, [a, b, c, d, e, f, g, h, payload @ ..]) => {
                    (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize, payload)
                }
                (length, payload) => (usize::from(*length), payload),
            };
            if let (0x88, [a, b, ..]) = (first, payload) {
                return Some(u16::from_be_bytes([*a, *b]));
            }
            rest = payload.get(length..)?;
        }
        None
    }
}

/// A frame as a client sends it: masked, with the opcode and flags in `first`.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len());
    frame.extend(payload);
    frame
}

/// Its head, with a mask of zeros, which changes nothing.
fn head(first: u8, length: usize) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..=125 => head.push(0x80 | length as u8),
        126..=65_535 => {
            head.push(0x80 | 126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(0x80 | 127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head.extend([0; 4]);
    head
}

#[test]
fn what_is_not_websocket_is_shown_out_with_the_right_code() {
    let peace = Peace::begin("");
    let text = frame(FINAL | TEXT, b"{\"event\":\"ping\"}");
    let unmasked = [&[FINAL | TEXT, 2], &b"{}"[..]].concat();
    let too_long = head(FINAL | TEXT, 64 * 1024 + 1);
    let far_too_long = head(FINAL | TEXT, 1 << 62);
    let in_pieces: Vec<u8> = [frame(TEXT, &[b' '; 30_000]), frame(CONTINUATION, &[b' '; 30_000])]
        .into_iter()
        .chain([frame(CONTINUATION, &[b' '; 30_000])])
        .flatten()
        .collect();
    let attacks: [(&str, Vec<u8>, u16); 12] = [
        (
            "bytes that aren't UTF-8",
            frame(FINAL | TEXT, b"{\"event\":\"\xff\xfe\"}"),
            BAD_DATA,
        ),
        ("half a character", frame(FINAL | TEXT, b"\"\xe2\x82"), BAD_DATA),
        ("a surrogate", frame(FINAL | TEXT, b"\xed\xa0\x80"), BAD_DATA),
        ("a frame of more than 64 KiB", too_long, TOO_BIG),
        ("a frame of exabytes", far_too_long, TOO_BIG),
        ("pieces of more than 64 KiB together", in_pieces, TOO_BIG),
        ("a frame without a mask", unmasked, PROTOCOL),
        ("reserved bits", frame(FINAL | 0x70 | TEXT, b"{}"), PROTOCOL),
        ("an opcode that there isn't", frame(FINAL | 5, b"{}"), PROTOCOL),
        (
            "a continuation of nothing",
            frame(FINAL | CONTINUATION, b"{}"),
            PROTOCOL,
        ),
        ("a ping in pieces", frame(PING, b"x"), PROTOCOL),
        ("a ping of 126 bytes", frame(FINAL | PING, &[b'x'; 126]), PROTOCOL),
    ];
    for (what, bytes, code) in attacks {
        let mut raw = Raw::open(&peace.ana);
        assert!(raw.write(&text));
        raw.write(&bytes);
        assert_eq!(raw.close_code(), Some(code), "{what}");
    }
    peace.held();
}

#[test]
fn half_frames_and_those_who_say_nothing_take_little() {
    let peace = Peace::begin("");
    let hello = frame(FINAL | TEXT, b"{\"event\":\"join_room\",\"room\":\"lobby\",\"ref\":1}");
    let mut raws: Vec<_> = (0..200).map(|_| Raw::open(&peace.ana)).collect();
    for (nth, raw) in raws.iter_mut().enumerate() {
        match nth % 4 {
            // Says nothing at all.
            0 => {}
            1 => assert!(raw.write(&hello[..1])),
            2 => assert!(raw.write(&hello[..hello.len() - 1])),
            // Promises 64 KiB and sends one.
            _ => {
                assert!(raw.write(&head(FINAL | TEXT, 64 * 1024)));
                assert!(raw.write(&[b' '; 1024]));
            }
        }
    }
    peace.server.guest().get("/health").expect(200);
    peace.server.guest_called("ana").log_in();
    peace.held();
    // Half of them go without a word.
    raws.truncate(100);
    for raw in &mut raws {
        let _ = raw.0.shutdown(std::net::Shutdown::Write);
    }
    for raw in &mut raws {
        // The end of the stream in the middle of a frame is the client's own affair: no code is owed.
        raw.close_code();
    }
}

/// Every event, with fields of the right types.
fn events() -> Vec<Value> {
    vec![
        json!({ "event": "watch", "topic": "wall:ana" }),
        json!({ "event": "unwatch", "topic": "wall:ana" }),
        json!({ "event": "ping" }),
        json!({ "event": "join_room", "room": "lobby" }),
        json!({ "event": "leave_room", "room": "den", "for_good": false }),
        json!({ "event": "send_message", "room": "lobby", "content": "hi", "nonce": "n", "reply_to": null }),
        json!({ "event": "edit_message", "id": 1, "content": "hi" }),
        json!({ "event": "delete_message", "id": 1 }),
        json!({ "event": "request_backfill", "room": "lobby", "after_id": 0, "limit": 1 }),
        json!({ "event": "request_backfill", "room": "lobby", "before_id": 1, "limit": 1 }),
        json!({ "event": "request_backfill", "room": "lobby", "after_change": 0, "limit": 1 }),
        json!({ "event": "typing", "room": "lobby" }),
        json!({ "event": "stop_typing", "room": "lobby" }),
        json!({ "event": "read_up_to", "room": "lobby", "seq": 1 }),
    ]
}

/// What is of the wrong type for any field, or of no sense in it.
fn nonsense() -> Vec<Value> {
    vec![
        json!(true),
        json!(-1),
        json!(0.5),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("\0"),
        json!("\u{202e}\u{feff}'; drop table messages; --"),
        json!("x".repeat(5_000)),
        json!([]),
        json!(["lobby"]),
        json!({}),
        json!({ "event": "ping" }),
    ]
}

#[test]
fn nonsense_in_any_field_of_any_event_is_answered_by_name() {
    let peace = Peace::begin("frames_per_window = 100000");
    let cyd = peace.server.person("cyd");
    let live = Live::try_open(Live::request(&cyd, "neospace.json.v1")).expect("it is opened");
    live.wait("connected", |_| true);
    let mut reference = 0;
    // What is carried out without an answer is answered by the frame after it: it was taken.
    let mut ask = |mut frame: Value| {
        reference += 1;
        frame["ref"] = json!(reference);
        live.send(frame.clone());
        if silent(&frame) {
            live.send(json!({ "event": "ping", "ref": reference }));
        }
        (frame, live.wait_for_answer(&json!(reference)))
    };
    for event in events() {
        let fields: Vec<_> = event.as_object().expect("an object").keys().cloned().collect();
        for field in fields.iter().filter(|field| *field != "event") {
            for nonsense in nonsense() {
                let mut wrong = event.clone();
                wrong[field] = nonsense;
                let (wrong, answer) = ask(wrong);
                assert!(
                    answer["event"] != "error" || says_something(&answer),
                    "{wrong}: {answer}"
                );
            }
            let mut without = event.clone();
            without.as_object_mut().expect("an object").remove(field);
            let (without, answer) = ask(without);
            assert!(
                answer["event"] != "error" || says_something(&answer),
                "{without}: {answer}"
            );
        }
    }
    for event in [
        "",
        "Ping",
        "message",
        "connected",
        "\0",
        "drop_table",
        &"x".repeat(10_000),
    ] {
        let (_, answer) = ask(json!({ "event": event }));
        assert!(says_something(&answer) && answer["code"] == "unknown_event", "{answer}");
    }
    // What is no frame has no `ref` to be called by.
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let no_frames = [
        "",
        " ",
        "null",
        "1",
        "[]",
        "\"ping\"",
        "{",
        "{}}",
        "{\"event\":1}",
        "{\"event\":\"ping\",\"ref\":\"x\"}",
        "{\"event\":\"ping\",\"event\":\"ping\"}",
        "{\"event\":\"ping\",\"ref\":1e999}",
        &deep,
    ];
    for text in no_frames {
        live.send_raw(text.into());
        let error = live.wait("error", |error| error.get("ref").is_none());
        assert!(says_something(&error), "{error}");
    }
    live.send_raw(vec![0xff; 100].into());
    live.wait("error", |error| error["code"] == "not_text");
    assert_eq!(ask(json!({ "event": "ping" })).1["event"], "pong");
    peace.held();
}

/// Whether an event may be carried out without an answer.
fn silent(frame: &Value) -> bool {
    frame["event"] == "typing" || frame["event"] == "stop_typing"
}

fn says_something(error: &Value) -> bool {
    let sentence = error["message"].as_str().unwrap_or_default();
    error["event"] == "error"
        && error["code"].as_str().is_some_and(|code| !code.is_empty())
        && sentence.len() > 10
        && sentence.len() < 1_000
}

#[test]
fn a_flood_of_any_event_is_held_up_and_then_shown_out() {
    let peace = Peace::begin("");
    let cyd = peace.server.person("cyd");
    for mut event in events() {
        let mut raw = Raw::open(&cyd);
        for nth in 0..600 {
            event["ref"] = json!(nth);
            if !raw.write(&frame(FINAL | TEXT, event.to_string().as_bytes())) {
                break;
            }
        }
        assert_eq!(raw.close_code(), Some(POLICY), "{event}");
    }
    peace.held();
}

#[test]
fn a_flood_of_pings_is_shown_out_and_one_of_pieces_takes_little() {
    let peace = Peace::begin("");
    // Neither takes what it is answered.
    let pings = frame(FINAL | PING, &[b'x'; 125]).repeat(500);
    let nothing = frame(CONTINUATION, b"").repeat(5_000);
    for (flood, first) in [(&pings, Vec::new()), (&nothing, frame(TEXT, b"{"))] {
        let mut raws: Vec<_> = (0..4).map(|_| Raw::open(&peace.ana)).collect();
        for raw in &mut raws {
            raw.0
                .set_write_timeout(Some(Duration::from_millis(500)))
                .expect("not zero");
            assert!(raw.write(&first));
        }
        let begun = Instant::now();
        let mut most = 0;
        // Until they are shown out, or for so long that 500 MB could have come.
        while begun.elapsed() < Duration::from_secs(6) && !raws.is_empty() {
            raws.retain_mut(|raw| raw.write(flood));
            most = most.max(peace.server.memory());
        }
        println!(
            "{} MiB grew to {} MiB, {} were not shown out",
            peace.memory >> 20,
            most >> 20,
            raws.len()
        );
        assert!(
            most < peace.memory + MEMORY_MOST,
            "{} MiB grew to {} MiB",
            peace.memory >> 20,
            most >> 20
        );
    }
    let mut raw = Raw::open(&peace.ana);
    raw.write(&pings);
    assert_eq!(raw.close_code(), Some(POLICY), "a flood of pings");
    peace.held();
}

#[test]
fn whoever_comes_from_elsewhere_or_speaks_another_dialect_does_not_get_in() {
    let peace = Peace::begin("");
    let refused = |change: &dyn Fn(&mut tokio_tungstenite::tungstenite::handshake::client::Request)| {
        let mut request = Live::request(&peace.ana, "neospace.html.v1");
        change(&mut request);
        match Live::try_open(request) {
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(error) => panic!("{error}"),
            Ok(_) => 101,
        }
    };
    for origin in [
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1",
        "https://127.0.0.1:443",
    ] {
        let status = refused(&|request| {
            request.headers_mut().insert("origin", origin.parse().expect("ASCII"));
        });
        assert_eq!(status, 403, "{origin:?}");
    }
    let status = refused(&|request| drop(request.headers_mut().remove("origin")));
    assert_eq!(status, 403, "no origin");
    let status = refused(&|request| {
        let with_port = format!("{}.evil.example", peace.ana.origin());
        request
            .headers_mut()
            .insert("origin", with_port.parse().expect("ASCII"));
    });
    assert_eq!(status, 403, "an origin that begins like ours");
    let status = refused(&|request| {
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "chat".parse().expect("ASCII"));
    });
    assert_eq!(status, 400);
    // A guest may listen to walls, and has no business in rooms.
    let guest = peace.server.guest().live();
    for (nth, mut event) in events().into_iter().enumerate() {
        if ["watch", "unwatch", "ping", "leave_room"]
            .iter()
            .any(|own| event["event"] == *own)
        {
            continue;
        }
        event["ref"] = json!(nth);
        guest.send(event.clone());
        let answer = guest.wait_for_answer(&json!(nth));
        assert_eq!(
            (&answer["event"], &answer["code"]),
            (&json!("error"), &json!("unauthorized")),
            "{event}"
        );
    }
    let forged = peace.ana.with_token("ns_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let refusal = Live::try_open(Live::request(&forged, "neospace.json.v1")).err();
    assert!(
        matches!(&refusal, Some(Error::Http(answer)) if answer.status() == 401),
        "{refusal:?}"
    );
    peace.held();
}

/// Talks until the server closes the line; the code, and how long it could still talk.
fn talk_until_closed(live: &Live) -> (Option<u16>, Duration) {
    let begun = Instant::now();
    let mut nth = 0;
    while live.closed().is_none() {
        assert!(begun.elapsed() < PATIENCE, "it can still talk");
        nth += 1;
        live.send(json!({ "event": "send_message", "room": "lobby", "content": "still here", "ref": nth }));
        live.try_wait("message", Duration::from_millis(200), |frame| frame["ref"] == nth);
    }
    (live.wait_for_close(), begun.elapsed())
}

#[test]
fn whoever_is_logged_out_in_the_middle_of_a_word_is_shown_out() {
    let peace = Peace::begin("frames_per_window = 100000");
    let cyd = peace.server.person("cyd");
    let program = cyd.program(&["rooms:read", "rooms:write"]);
    let open = |person: &Person| {
        let live = Live::try_open(Live::request(person, "neospace.json.v1")).expect("it is opened");
        live.send(json!({ "event": "join_room", "room": "lobby", "ref": 0 }));
        live.wait("room_joined", |_| true);
        live
    };
    let (by_cookie, by_token) = (open(&cyd), open(&program));
    let settings = cyd.get("/settings").expect(200);
    let revoke = settings.text();
    let revoke = revoke
        .split('"')
        .find(|part| part.starts_with("/settings/tokens/") && part.ends_with("/revoke"))
        .unwrap_or_else(|| panic!("no token can be revoked on {}", settings.text()))
        .to_owned();
    cyd.post(&revoke, &[]).see_other();
    let (code, after) = talk_until_closed(&by_token);
    assert_eq!(code, Some(SESSION_ENDED));
    assert!(after < Duration::from_secs(10), "a revoked token talked for {after:?}");
    cyd.post("/logout", &[]).see_other();
    let (code, after) = talk_until_closed(&by_cookie);
    assert_eq!(code, Some(SESSION_ENDED));
    assert!(
        after < Duration::from_secs(10),
        "a session that had ended talked for {after:?}"
    );
    peace.held();
}

#[test]
fn those_who_ask_for_all_of_history_and_read_none_of_it_take_little() {
    let peace = Peace::begin("frames_per_window = 100000");
    let cyd = peace.server.person("cyd");
    let loud = Live::try_open(Live::request(&cyd, "neospace.json.v1")).expect("it is opened");
    loud.send(json!({ "event": "join_room", "room": "lobby", "ref": 0 }));
    loud.wait("room_joined", |_| true);
    let long = "all work and no play. ".repeat(180);
    for nth in 1..=150 {
        loud.send(json!({ "event": "send_message", "room": "lobby", "content": format!("{nth} {long}"), "ref": nth }));
    }
    loud.wait("message", |frame| frame["ref"] == 150);
    let last = loud.wait_for_answer_to(json!({ "event": "join_room", "room": "lobby", "ref": 200 }))["last_id"].clone();
    let ask = json!({ "event": "request_backfill", "room": "lobby", "before_id": last, "limit": 100, "ref": 1 });
    let asks = frame(FINAL | TEXT, ask.to_string().as_bytes()).repeat(100);
    let memory = peace.server.memory();
    let mut deaf: Vec<_> = (0..50).map(|_| Raw::open(&cyd)).collect();
    let mut most = 0;
    for raw in &mut deaf {
        socket2::SockRef::from(&raw.0)
            .set_recv_buffer_size(4096)
            .expect("it is open");
        raw.0.set_write_timeout(Some(Duration::from_secs(1))).expect("not zero");
        raw.write(&asks);
        most = most.max(peace.server.memory());
    }
    // Whatever came of it came before what is asked for later is answered.
    for nth in 0..50 {
        loud.wait_for_answer_to(
            json!({ "event": "request_backfill", "room": "lobby", "after_id": 0, "limit": 1, "ref": 300 + nth }),
        );
        most = most.max(peace.server.memory());
    }
    println!("{} MiB grew to {} MiB", memory >> 20, most >> 20);
    assert!(
        most < memory + 2 * MEMORY_MOST,
        "{} MiB grew to {} MiB",
        memory >> 20,
        most >> 20
    );
    drop(deaf);
    peace.held();
}

#[test]
fn those_who_never_read_hold_up_nobody_and_are_shown_out() {
    let peace = Peace::begin("frames_per_window = 100000");
    let cyd = peace.server.person("cyd");
    let hello = frame(FINAL | TEXT, b"{\"event\":\"join_room\",\"room\":\"lobby\",\"ref\":1}");
    let mut deaf: Vec<_> = (0..50).map(|_| Raw::open(&cyd)).collect();
    for raw in &mut deaf {
        // The kernel is to hold little for it.
        socket2::SockRef::from(&raw.0)
            .set_recv_buffer_size(4096)
            .expect("it is open");
        assert!(raw.write(&hello));
    }
    let loud = Live::try_open(Live::request(&cyd, "neospace.json.v1")).expect("it is opened");
    loud.send(json!({ "event": "join_room", "room": "lobby", "ref": 0 }));
    loud.wait("room_joined", |_| true);
    // Until what the kernel holds for each of them and what may wait in the host is full, and their time is up.
    let long = "all work and no play. ".repeat(150);
    let begun = Instant::now();
    let sockets = || -> u64 {
        let open = std::fs::read_dir(format!("/proc/{}/fd", peace.server.pid())).expect("it runs");
        open.count() as u64
    };
    let before = sockets();
    let mut nth = 0;
    let mut most = 0;
    while sockets() > before - 50 {
        assert!(
            begun.elapsed() < 2 * PATIENCE,
            "the deaf are still there: {} of {before}",
            sockets()
        );
        nth += 1;
        loud.send(json!({ "event": "send_message", "room": "lobby", "content": format!("{nth} {long}"), "ref": nth }));
        loud.wait("message", |frame| frame["ref"] == nth);
        most = most.max(peace.server.memory());
    }
    // Their systems have heard of it, too: what they didn't take isn't kept for them.
    for raw in &mut deaf {
        let end = std::io::copy(&mut raw.0, &mut std::io::sink()).expect_err("it didn't end well");
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    }
    assert!(
        most < peace.memory + MEMORY_MOST,
        "{} MiB grew to {} MiB",
        peace.memory >> 20,
        most >> 20
    );
    peace.held();
}
