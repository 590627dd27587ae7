//! Nothing that was acknowledged is lost, and an end in order leaves nothing half done.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use neospace_tests::{PATIENCE, Person, Server, eventually, person::encode};

/// Each writer makes what is numbered, and notes the last number that the server acknowledged.
struct Writer {
    person: Person,
    acknowledged: Arc<AtomicU32>,
    thread: thread::JoinHandle<()>,
}

/// Changes `person`'s status to 1, 2, 3 …, until the server no longer answers.
fn keep_writing(person: Person) -> Writer {
    let acknowledged = Arc::new(AtomicU32::new(0));
    let (noted, writing) = (acknowledged.clone(), person.clone());
    let thread = thread::spawn(move || {
        for number in 1.. {
            let form = [
                ("status", number.to_string()),
                ("bio", format!("the {number}th")),
                ("mood", String::new()),
            ];
            let mut fields: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            fields.extend([("colour", "blue"), ("time_zone", "Europe/Lisbon")]);
            let path = format!("/wall/{}/profile", writing.name);
            match writing.request("POST", &path).form(&fields).try_send() {
                Ok(answer) => drop(answer.expect(303)),
                Err(_) => break,
            }
            noted.store(number, SeqCst);
        }
    });
    Writer {
        person,
        acknowledged,
        thread,
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let mut server = Server::start();
    let people: Vec<_> = ["ana", "bob", "cyd", "dan"]
        .iter()
        .map(|name| server.person(name))
        .collect();
    for round in 0..3 {
        let writers: Vec<_> = people.iter().cloned().map(keep_writing).collect();
        // In the middle of it, at another moment each time.
        let enough = 10 + 7 * round;
        eventually("some writes to be acknowledged", || {
            writers
                .iter()
                .all(|writer| writer.acknowledged.load(SeqCst) > enough)
                .then_some(())
        });
        server.kill();
        let mut last = BTreeMap::new();
        for writer in writers {
            writer.thread.join().expect("a writer only stops when the server does");
            last.insert(writer.person.name.clone(), writer.acknowledged.load(SeqCst));
        }
        server.start_again();
        let database = server.database();
        let healthy: String = database
            .query_row("pragma integrity_check", [], |row| row.get(0))
            .expect("it can be read");
        assert_eq!(healthy, "ok");
        let mut query = database
            .prepare("select u.name, p.status, p.bio from profiles p join users u on u.id = p.user_id")
            .expect("the tables are there");
        let rows = query
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .expect("it can be read");
        for row in rows {
            let (name, status, bio): (String, String, String) = row.expect("it can be read");
            let status: u32 = status.parse().expect("a number");
            // One more may have been on its way back.
            let acknowledged = last[&name];
            assert!(
                (acknowledged..=acknowledged + 1).contains(&status),
                "{name} was told {acknowledged}, and {status} is there"
            );
            assert_eq!(bio, format!("the {status}th"), "{name}'s last change was half done");
        }
        for person in &people {
            person.get("/settings").expect(200);
        }
    }
}

#[test]
fn at_the_end_sockets_are_told_to_come_back_and_the_log_is_folded_in() {
    let mut server = Server::start();
    let ana = server.person("ana");
    let live = ana.live();
    live.wait("connected", |frame| frame["username"] == "ana");
    server.stop();
    live.wait("goodbye", |frame| frame["after_ms"].as_u64().is_some());
    assert_eq!(live.wait_for_close(), Some(1001));
    let wal = server.data().join("neospace.db-wal");
    assert!(
        fs::metadata(&wal).map_or(0, |metadata| metadata.len()) == 0,
        "the write-ahead log was left behind"
    );
    assert!(TcpStream::connect(server.address()).is_err(), "somebody still listens");

    server.start_again();
    ana.get("/settings").expect(200);
    ana.live().wait("connected", |frame| frame["username"] == "ana");
}

#[test]
fn a_request_that_was_under_way_is_answered_before_the_end() {
    let mut server = Server::start();
    let address = server.address();
    let body = encode(&[("name", "nobody-here"), ("auth", &"A".repeat(43))]);
    let (first, second) = body.split_at(10);
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let length = body.len();
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: {address}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{first}"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    // The server has begun with it once it has answered a request that came later.
    server.guest().get("/health").expect(200);
    let stopping = thread::spawn(move || {
        server.stop();
        server
    });
    eventually("the server to stop listening", || {
        TcpStream::connect(address).is_err().then_some(())
    });
    stream.write_all(second.as_bytes()).expect("it still reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    stopping.join().expect("it stops in order");
}

#[test]
fn those_who_hold_their_connection_do_not_hold_up_the_end() {
    let mut server = Server::start();
    let mut idle: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(server.address()).expect("it listens"))
        .collect();
    for stream in &mut idle[..10] {
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n")
            .expect("it reads");
    }
    let start = Instant::now();
    server.stop();
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        start.elapsed()
    );
}

#[test]
fn a_full_disk_refuses_what_is_written_and_serves_what_is_read() {
    let server = Server::builder().disk_mib(8).expect_in_log("disk").start();
    let ana = server.person("ana");
    let filler = server.data_inside().join("filler");
    let mut file = fs::File::create(&filler).expect("there is room yet");
    while file.write_all(&[1; 4096]).is_ok() {}

    // The write-ahead log has some room of its own; then nothing is taken any more, and it is said why.
    let mut last = None;
    let refusal = (0..5_000).find_map(|number| {
        let status = format!("line {number}");
        let fields = [
            ("status", status.as_str()),
            ("bio", ""),
            ("mood", ""),
            ("colour", "blue"),
            ("time_zone", "Europe/Lisbon"),
        ];
        let answer = ana.post("/wall/ana/profile", &fields);
        if answer.status != 303 {
            return Some(answer);
        }
        last = Some(status);
        None
    });
    let refusal = refusal.expect("a full disk took 5,000 writes").expect(503);
    assert!(refusal.text().contains("disk is full"), "{}", refusal.text());
    // What was acknowledged before is there, and can be read.
    let wall = ana.get("/wall/ana").expect(200).text();
    assert!(
        last.iter().all(|last| wall.contains(last)),
        "{last:?} was acknowledged, and is lost"
    );
    server.guest().get("/health").expect(200);

    // With room, it goes on by itself.
    drop(file);
    fs::remove_file(filler).expect("it is ours");
    eventually("writing to go on", || {
        let fields = [
            ("status", "room again"),
            ("bio", ""),
            ("mood", ""),
            ("colour", "blue"),
            ("time_zone", "Europe/Lisbon"),
        ];
        (ana.post("/wall/ana/profile", &fields).status == 303).then_some(())
    });
    assert!(ana.get("/wall/ana").expect(200).text().contains("room again"));
}

#[test]
fn a_second_program_does_not_touch_the_data_of_the_first() {
    let server = Server::start();
    server.person("ana");
    let (status, log) = Server::builder()
        .argument("--data")
        .argument(server.data().to_str().expect("ASCII"))
        .refuse();
    assert!(!status.success(), "{log}");
    server.guest().get("/health").expect(200);
    server.guest_called("ana").log_in();
}
