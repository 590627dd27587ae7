//! Random texts for the Markdown writer, random frames for `/live`, random bytes for the formats of direct messages, more than a
//! minute in all. There is no instrumentation: what is random is
//! made of the pieces that these grammars are made of. The seed is printed; `NEOSPACE_FUZZ_SEED` repeats a run,
//! `NEOSPACE_FUZZ_SECONDS` makes it longer.

use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant, SystemTime},
};

use neospace::markdown;
use neospace_dm::{
    Name, b64, file,
    keys::{self, Identity, Keyring, Kind, RecoveryCode, Root},
    log::{Entry, Log},
    message::{self, Body, Header},
    notebook::{Notebook, Peer},
    thread::{Shown, Thread, Trust},
};
use neospace_tests::{Live, Server, markup};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// A small generator (splitmix64): the same numbers from the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn start(what: &str) -> (Dice, Instant) {
        let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let clock = || {
            SystemTime::UNIX_EPOCH
                .elapsed()
                .map_or(0, |since| since.as_nanos() as u64)
        };
        let seed = number("NEOSPACE_FUZZ_SEED").unwrap_or_else(clock);
        let seconds = number("NEOSPACE_FUZZ_SECONDS").unwrap_or(25);
        println!("{what}: NEOSPACE_FUZZ_SEED={seed} for {seconds} s");
        (Dice(seed), Instant::now() + Duration::from_secs(seconds))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.roll() % most.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

const MARKS: [&str; 72] = [
    "*",
    "**",
    "_",
    "__",
    "~~",
    "~",
    "`",
    "``",
    "```",
    "\n```\n",
    "[",
    "]",
    "(",
    ")",
    "](",
    "![",
    "<",
    ">",
    "</",
    "<!--",
    "-->",
    "&",
    "&amp;",
    "&#x3c;",
    ";",
    "\\",
    "\n",
    "\n\n",
    " ",
    "  \n",
    "\t",
    "    ",
    "> ",
    "- ",
    "* ",
    "1. ",
    "99) ",
    "# ",
    "\n---\n",
    "\n===\n",
    "|",
    ":",
    "]:",
    "[a]: ",
    "[a]",
    "\"",
    "'",
    "=",
    "/",
    "@",
    "@ana",
    "@bob_2",
    "http://",
    "https://a.example/",
    "https://a_b.example/*x*",
    "mailto:",
    "javascript:",
    "data:",
    "a",
    "word",
    "é",
    "日本",
    "\u{202e}",
    "\u{0}",
    "\u{1b}",
    "\u{feff}",
    "\u{2028}",
    "<b>",
    "<script>",
    "onclick=alert(1)",
    "<?",
    "<![CDATA[",
];

/// A text of marks, pieces of known attacks, and whatever.
fn text(dice: &mut Dice, vectors: &[String]) -> String {
    let mut text = String::new();
    for _ in 0..=dice.below(60) {
        match dice.below(12) {
            0 => {
                let vector = dice.pick(vectors).clone();
                let at = (0..=vector.len())
                    .filter(|at| vector.is_char_boundary(*at))
                    .collect::<Vec<_>>();
                let (from, to) = (*dice.pick(&at), *dice.pick(&at));
                text.push_str(&vector[from.min(to)..from.max(to)]);
            }
            1 => text.extend(char::from_u32(dice.below(0x11_0000) as u32)),
            2 => text.push_str(&dice.pick(&MARKS).repeat(dice.below(20))),
            _ => text.push_str(dice.pick::<&str>(&MARKS)),
        }
    }
    text
}

#[test]
fn no_random_text_gets_through_the_markdown_writer() {
    let (mut dice, end) = Dice::start("Markdown");
    let vectors = markup::vectors();
    let mut texts = 0;
    while Instant::now() < end {
        let text = text(&mut dice, &vectors);
        let rendered = markdown::render(&text);
        // What else the machine has to do is not the text's fault: a slow one is slow every time.
        let quick = || {
            let started = Instant::now();
            markdown::render(&text);
            started.elapsed() < Duration::from_secs(1)
        };
        assert!((0..3).any(|_| quick()), "too slow: {text:?}");
        assert_eq!(rendered, markdown::render(&text), "{text:?}");
        assert!(
            rendered.html.len() <= 40 * text.len() + 100,
            "{} bytes of {text:?}",
            rendered.html.len()
        );
        if let Some(fault) = markup::fault(&rendered.html) {
            panic!("{text:?}\n{}\n{fault}", rendered.html);
        }
        texts += 1;
    }
    println!("{texts} texts");
    assert!(texts > 100);
}

/// A frame: nearly right, or of the right shape, or of none.
fn frame(dice: &mut Dice, reference: u64) -> Value {
    const EVENTS: [&str; 18] = [
        "watch",
        "unwatch",
        "ping",
        "join_room",
        "leave_room",
        "send_message",
        "edit_message",
        "delete_message",
        "request_backfill",
        "typing",
        "stop_typing",
        "read_up_to",
        "gesture",
        "",
        "connected",
        "Watch",
        "error",
        "patch",
    ];
    const FIELDS: [&str; 18] = [
        "topic",
        "room",
        "content",
        "nonce",
        "reply_to",
        "id",
        "after_id",
        "before_id",
        "after_change",
        "limit",
        "seq",
        "for_good",
        "event",
        "ref",
        "user",
        "",
        "__proto__",
        "topic\u{0}",
    ];
    let mut frame = json!({ "event": *dice.pick(&EVENTS), "ref": reference });
    for _ in 0..dice.below(5) {
        let name = *dice.pick(&FIELDS);
        // What it is and what it answers to are looked at below.
        if name != "ref" && (name != "event" || dice.below(8) == 0) {
            frame[name] = value(dice, 0);
        }
    }
    frame
}

fn value(dice: &mut Dice, depth: usize) -> Value {
    const TEXTS: [&str; 14] = [
        "lobby",
        "room:lobby",
        "wall:ana",
        "system",
        "ana",
        "",
        " ",
        "../..",
        "no-such-room",
        "\u{0}",
        "é",
        "{\"a\":1}",
        "-1",
        "9223372036854775808",
    ];
    match dice.below(if depth < 4 { 12 } else { 9 }) {
        0 => Value::Null,
        1 => json!(dice.below(2) == 0),
        2 => json!(dice.roll() as i64),
        3 => json!(dice.roll()),
        4 => json!(dice.roll() as f64 / 3.0),
        5 => json!(dice.below(5)),
        6 => json!("x".repeat(dice.below(6_000))),
        7 | 8 => json!(*dice.pick(&TEXTS)),
        9 => (0..dice.below(4)).map(|_| value(dice, depth + 1)).collect(),
        10 => json!({ *dice.pick(&TEXTS): value(dice, depth + 1) }),
        _ => json!(*dice.pick(&TEXTS)),
    }
}

#[test]
fn no_random_frame_upsets_the_line() {
    let (mut dice, end) = Dice::start("frames");
    let server = Server::builder()
        .config("[limits]\nposts_per_minute = 1000000\nroom_posts_per_minute = 1000000\naddress_posts_per_minute = 1000000\n")
        .start();
    let ana = server.person("ana");
    ana.post("/rooms/lobby/join", &[]).see_other();
    let mut reference = 0;
    while Instant::now() < end {
        let dialect = *dice.pick(&["neospace.html.v1", "neospace.json.v1"]);
        let socket = Live::try_open(Live::request(&ana, dialect)).expect("a socket");
        socket.wait("connected", |_| true);
        // Fewer than one client may send in ten seconds.
        let mut sent = Vec::new();
        for _ in 0..100 {
            reference += 1;
            let frame = frame(&mut dice, reference);
            // Broken ones between: they are answered by an error without a number, and hold up nothing.
            if dice.below(6) == 0 {
                let mut text = frame.to_string();
                let cut = (0..text.len())
                    .filter(|at| text.is_char_boundary(*at))
                    .collect::<Vec<_>>();
                text.truncate(*dice.pick(&cut));
                socket.send_raw(Message::text(text));
            }
            socket.send(frame.clone());
            // Without an event it is no frame, and the number in it nobody's.
            if frame["event"].is_string() {
                sent.push(frame);
            }
        }
        reference += 1;
        socket.send(json!({ "event": "ping", "ref": reference }));
        socket.wait("pong", |pong| pong["ref"] == reference);
        // The last one is answered, so the line lives; what says nothing back is what never does.
        let answered = |frame: &Value| socket.frames().iter().any(|answer| answer["ref"] == frame["ref"]);
        let quiet = ["typing", "stop_typing"];
        let unanswered = || {
            sent.iter()
                .find(|frame| !answered(frame) && !quiet.iter().any(|event| frame["event"] == *event))
        };
        neospace_tests::eventually(&format!("every frame is answered, such as {:?}", unanswered()), || {
            unanswered().is_none().then_some(())
        });
        server.guest().get("/health").expect(200);
    }
    println!("{reference} frames");
}

#[test]
fn no_random_bytes_on_the_line_upset_the_server() {
    let (mut dice, end) = Dice::start("bytes");
    let end = end.min(Instant::now() + Duration::from_secs(10));
    let server = Server::start();
    let mut lines = 0;
    while Instant::now() < end {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        let hello = format!(
            "GET /live HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: neospace.json.v1\r\n\r\n",
            server.address()
        );
        stream.write_all(hello.as_bytes()).expect("it is sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert!(
            answer.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        for _ in 0..dice.below(8) {
            // A header that is often right, a length that often isn't, a mask or none, and bytes.
            let opcode = *dice.pick(&[0_u8, 1, 1, 1, 2, 8, 9, 10, 3, 11])
                | if dice.below(4) > 0 { 0x80 } else { 0 }
                | (dice.below(8) as u8 & 0x70);
            let payload: Vec<u8> = (0..dice.below(300)).map(|_| dice.roll() as u8).collect();
            let mask = if dice.below(5) > 0 { 0x80 } else { 0 };
            let mut frame = vec![opcode];
            match dice.below(5) {
                0 => frame.extend([mask | 127, 255, 255, 255, 255, 255, 255, 255, 255]),
                1 => frame.extend([mask | 126, dice.roll() as u8, dice.roll() as u8]),
                _ if payload.len() < 126 => frame.push(mask | payload.len() as u8),
                _ => frame.extend([mask | 126, (payload.len() >> 8) as u8, payload.len() as u8]),
            }
            if mask > 0 {
                frame.extend([0, 0, 0, 0]);
            }
            frame.extend(&payload);
            // It may have hung up already.
            if stream.write_all(&frame).is_err() {
                break;
            }
        }
        drop(stream);
        lines += 1;
        if lines % 50 == 0 {
            server.guest().get("/health").expect(200);
        }
    }
    server.guest().get("/health").expect(200);
    println!("{lines} lines");
    assert!(lines > 10);
}

/// Bytes that are nearly one of these, or whatever.
fn spoilt(dice: &mut Dice, whole: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = match dice.below(8) {
        0 => (0..dice.below(500)).map(|_| dice.roll() as u8).collect(),
        _ => dice.pick(whole).clone(),
    };
    for _ in 0..dice.below(4) {
        let at = dice.below(bytes.len());
        match dice.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.extend(vec![0; dice.below(40)]),
            2 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            3 if !bytes.is_empty() => bytes[at] = dice.roll() as u8,
            _ => {
                let piece = dice.pick(whole).clone();
                let from = dice.below(piece.len());
                bytes.splice(at..at, piece[from..].iter().take(40).copied());
            }
        }
    }
    bytes
}

#[test]
fn no_random_bytes_upset_the_formats_of_direct_messages() {
    let (mut dice, end) = Dice::start("direct messages");
    let vectors: Value = serde_json::from_str(include_str!("vectors/dm.json")).expect("the vectors are JSON");
    let all = |list: &Value, field: &str| -> Vec<Vec<u8>> {
        let list = list.as_array().expect("a list");
        list.iter()
            .filter_map(|vector| b64::decode(vector[field].as_str()?))
            .collect()
    };
    let headers = all(&vectors["messages"], "header");
    let copies = all(&vectors["messages"], "recipient");
    let entries = all(&vectors["log"]["entries"], "entry");
    let notebooks = all(&vectors["notebooks"], "notebook");
    let wrapped = all(&vectors["wrapped"], "wrapped");
    let files = all(&vectors["files"], "sealed");
    let texts = |name: &str| -> Vec<Vec<u8>> {
        let list = vectors[name].as_array().expect("a list");
        list.iter()
            .filter_map(|text| Some(text.as_str()?.as_bytes().to_vec()))
            .collect()
    };
    let (bodies, codes) = (texts("bodies_good"), all(&vectors["padded"], "plain"));
    let (ana, bob): (Name, Name) = ("ana".parse().expect("a name"), "bob".parse().expect("a name"));
    let keys = Identity::derive(&Root::from([1; 32]), &bob);
    let ring = Keyring::derive(&bob, &[Root::from([1; 32])]).expect("there is a root");
    let mut rounds = 0;
    while Instant::now() < end {
        // Whatever can be read is what was written.
        let bytes = spoilt(&mut dice, &headers);
        if let Ok(header) = Header::decode(&bytes) {
            assert_eq!(header.encode(), bytes);
        }
        let copy = spoilt(&mut dice, &copies);
        assert!(message::open(&bytes, message::Copy::Recipient, (&ana, &bob), &keys, &copy).is_err());
        let entry = spoilt(&mut dice, &entries);
        if let Some(read) = Entry::decode(&entry) {
            assert_eq!(read.encode(), entry);
            // Whatever its place: nobody signed other keys.
            let signed = |known: &Vec<u8>| Entry::decode(known).is_some_and(|known| known.keys == read.keys);
            assert!(!read.follows(None) || entries.iter().any(signed));
        }
        let body = spoilt(&mut dice, &bodies);
        if let Some(body) = Body::decode(&body)
            && body != Body::Unknown
        {
            let again = body.encode().expect("what can be read can be sent");
            assert_eq!(Body::decode(&again), Some(body));
        }
        let plain = spoilt(&mut dice, &codes);
        if let Some((key, body)) = message::unpad(&plain) {
            assert_eq!(message::pad(&key, body).as_deref(), Some(&plain));
        }
        assert!(Notebook::open(&keys, &bob, 1, &spoilt(&mut dice, &notebooks)).is_err());
        assert!(keys::unwrap(&[7; 32], Kind::Password, &bob, &keys.keys, &spoilt(&mut dice, &wrapped)).is_err());
        let size = dice.roll() >> dice.below(64);
        assert!(file::open(&[7; 32], size, &spoilt(&mut dice, &files)).is_err());
        let typed = String::from_utf8_lossy(&spoilt(&mut dice, &bodies)).into_owned();
        if let Ok(code) = RecoveryCode::parse(&typed) {
            assert!(RecoveryCode::parse(&code.to_string()).is_ok());
        }
        // A whole conversation of such, and a log.
        let mut log = Log::default();
        for _ in 0..3 {
            let _ = log.append(&spoilt(&mut dice, &entries));
        }
        let mut thread = Thread::new(&bob, &ana);
        thread.complete = dice.below(2) == 0;
        for _ in 0..dice.below(8) {
            let shown = Shown {
                id: dice.roll(),
                seq: dice.below(6) as u64,
                at: dice.roll(),
                from: dice.pick(&[ana.clone(), bob.clone()]).clone(),
                header: spoilt(&mut dice, &headers),
                copy: (dice.below(3) > 0).then(|| spoilt(&mut dice, &copies)),
                other: [dice.roll() as u8; 32],
                own: (dice.below(2) == 0).then_some([3; 32]),
                hidden: (dice.below(4) == 0).then_some([5; 32]),
                removed: dice.below(4) == 0,
            };
            thread.add(&ring, [shown]);
        }
        let view = thread.view(&Trust {
            keys: &ring,
            log: &log,
            log_is_current: dice.below(2) == 0,
            peer: &Peer::default(),
        });
        assert_eq!(view.theirs.counter, 0, "nothing of it was sealed by anybody");
        rounds += 1;
    }
    println!("{rounds} rounds");
    assert!(rounds > 100);
}
