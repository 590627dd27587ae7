//! What the place itself does with direct messages: programs' scopes, reports, earlier versions, and a power cut.

use std::{collections::BTreeMap, fs};

use neospace::{crypto, db::MIGRATIONS};
use neospace_dm::b64;
use neospace_tests::{Live, Server, person::parameters};
use serde_json::{Value, json};

use super::{Member, QUIET, START, edited, is, talking, wire};

#[test]
fn a_program_has_what_its_scopes_say_and_never_the_keys() {
    let server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mine, theirs) = talking(&ana, &bob);
    let program = |scopes: &[&str]| Member {
        person: ana.person.program(scopes),
        roots: ana.roots.clone(),
        ..Member::without_keys(ana.person.clone())
    };
    let (reads, writes, rooms) = (
        program(&["dm:read"]),
        program(&["dm:write"]),
        program(&["rooms:read", "rooms:write"]),
    );
    reads.get("/dm").expect(200);
    reads.get("/dm/keys").expect(200);
    reads.get("/dm/bob/messages").expect(200);
    reads.get("/keys?after=0").expect(200);
    for path in [
        "/dm",
        "/dm/keys",
        "/dm/bob",
        "/dm/bob/messages",
        "/dm/bob/files/AAAAAAAAAAAAAAAAAAAAAA",
    ] {
        is(&writes.get(path), 403, "forbidden");
        is(&rooms.get(path), 403, "forbidden");
    }
    let letter = reads.seal(&bob, "from a program", mine, theirs);
    is(&reads.deliver(&bob, &letter), 403, "forbidden");
    is(&rooms.deliver(&bob, &letter), 403, "forbidden");
    for program in [&reads, &writes] {
        is(&program.post("/dm/keys", &ana.new_keys(2)), 403, "forbidden");
        is(&program.post("/dm/recovery", &json!({})), 403, "forbidden");
    }
    let (reading, writing, talking) = (
        Live::open_json(&reads.person),
        Live::open_json(&writes.person),
        Live::open_json(&rooms.person),
    );
    let mut frame = wire(&letter);
    frame["event"] = json!("dm_send");
    frame["with"] = json!("bob");
    assert_eq!(reading.ask(frame.clone())["code"], "forbidden");
    let stands = writing.ask(frame);
    assert_eq!(stands["event"], "dm_message", "who sends gets its answer: {stands}");
    reading.wait("dm_message", |it| it["id"] == stands["id"]);
    bob.say(&ana, "so I see", theirs, letter.position());
    reading.wait("dm_message", |it| it["from"] == "bob");
    assert!(talking.try_wait("dm_message", QUIET, |_| true).is_none());
    assert!(
        writing
            .try_wait("dm_message", QUIET, |it| it["from"] == "bob")
            .is_none()
    );
}

#[test]
fn a_report_is_taken_with_its_proof_alone_and_read_by_the_operator() {
    let server = Server::start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (_, asked) = ana.say(&bob, "You \u{200f}are a kelp.", START, START);
    let shown = bob.messages("ana")["messages"][0].clone();
    let opened = bob.open(&shown, &ana);
    let reveal = |body: &[u8], key: &[u8; 32], id: &Value| json!({ "id": id, "body": b64::encode(body), "key": b64::encode(key), "reason": "He is not a kelp." });
    let good = reveal(&opened.json, &opened.franking, &shown["id"]);
    let mut other = opened.json.clone();
    let last = other.len() - 3;
    other[last] ^= 1;
    is(
        &bob.post("/dm/ana/report", &reveal(&other, &opened.franking, &shown["id"])),
        422,
        "not_proven",
    );
    is(
        &bob.post("/dm/ana/report", &reveal(&opened.json, &[1; 32], &shown["id"])),
        422,
        "not_proven",
    );
    is(
        &bob.post("/dm/ana/report", &reveal(&[0xff, 0xfe], &opened.franking, &shown["id"])),
        422,
        "not_proven",
    );
    // Not what one said oneself, not what others said, not what isn't there.
    is(&ana.post("/dm/bob/report", &good), 422, "invalid");
    is(&cyd.post("/dm/ana/report", &good), 404, "not_found");
    is(
        &bob.post("/dm/ana/report", &reveal(&opened.json, &opened.franking, &json!(77))),
        404,
        "not_found",
    );
    let mut long = good.clone();
    long["reason"] = json!("x".repeat(501));
    is(&bob.post("/dm/ana/report", &long), 422, "invalid");
    let operator = |arguments: &[&str]| {
        let output = server.operator(&[&["reports"], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    assert!(operator(&["list"]).1.contains("No report waits"));

    bob.post("/dm/ana/report", &good).expect(201);
    bob.post("/dm/ana/report", &good).expect(201);
    let (_, list) = operator(&["list"]);
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(list.contains("bob about ana") && list.contains("kelp"), "{list}");
    let (_, one) = operator(&["show", "1"]);
    for part in ["The proof holds", "ana", "bob", "are a kelp.", "He is not a kelp."] {
        assert!(one.contains(part), "{part}: {one}");
    }
    assert!(!one.contains('\u{200f}'), "a terminal would turn the line: {one}");
    // It outlives the message, and a second message is not in it.
    let (_, _) = bob.say(&ana, "No.", START, asked);
    ana.post(
        "/dm/bob/messages/delete",
        &json!({ "messages": [{ "id": shown["id"] }], "scope": "both" }),
    )
    .expect(200);
    assert!(operator(&["show", "1"]).1.contains("The proof holds"));
    // What was changed behind the server's back shows.
    edited(&server)
        .execute("update dm_reports set body = replace(body, 'kelp', 'saint')", [])
        .expect("one row");
    assert!(operator(&["show", "1"]).1.contains("DOES NOT HOLD"));
    assert!(!operator(&["show", "2"]).0);
    assert!(!operator(&["close", "2"]).0);
    assert!(operator(&["close", "1", "--note", "talked to both"]).0);
    assert!(operator(&["list"]).1.contains("No report waits"));
    assert!(operator(&["list", "--all"]).1.contains("closed"));
    assert!(operator(&["show", "1"]).1.contains("talked to both"));
}

#[test]
fn a_place_of_every_earlier_version_takes_direct_messages() {
    for version in 1..MIGRATIONS.len() {
        let builder = Server::builder();
        let data = builder.folder().join("data");
        fs::create_dir_all(&data).expect("the folder can be written");
        let salt = parameters("ana");
        {
            let db = rusqlite::Connection::open(data.join("neospace.db")).expect("a new file");
            for migration in &MIGRATIONS[..version] {
                db.execute_batch(migration).expect("it was released");
            }
            db.pragma_update(None, "user_version", version as i64)
                .expect("it can be set");
            for (id, name) in [(1, "ana"), (2, "bob")] {
                db.execute(
                    "insert into users (id, name, auth_salt, auth_rounds, auth_hash, shuffle, created_at) values (?1, ?2, ?3, 600000, ?4, 0, 0)",
                    rusqlite::params![id, name, salt.salt.0, "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
                )
                .expect("a row");
                db.execute("insert into profiles (user_id) values (?1)", [id])
                    .expect("a row");
                // What a cookie of that time hangs on.
                db.execute(
                    "insert into sessions (token_hash, user_id, device, created_at, last_seen_at)
                     values (?1, ?2, 'Firefox', unixepoch() * 1000, unixepoch() * 1000)",
                    rusqlite::params![crypto::sha256(&[id as u8; 32]), id],
                )
                .expect("a row");
            }
            if version >= 2 {
                db.execute("insert into messages (room_id, seq, user_id, author, content, html, created_at) values (1, 1, 1, 'ana', 'hi', 'hi', 0)", [])
                    .expect("a row");
            }
        }
        let server = builder.start();
        let back = |name: &str, id: u8| {
            let person = server.guest_called(name);
            person.set_cookie("neospace", &b64::encode([id; 32]));
            person.get("/settings").expect(200);
            Member::without_keys(person)
        };
        // They come back with the session that they had, and their devices make keys.
        let (ana, bob) = (back("ana", 1), back("bob", 2));
        for member in [&ana, &bob] {
            assert_eq!(member.get("/dm/keys").expect(200).json()["generation"], 0);
            member.post_keys(&member.new_keys(1)).expect(201);
        }
        let (mine, _) = talking(&ana, &bob);
        assert_eq!(mine.counter, 1);
        let schema: i64 = server
            .database()
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .expect("a number");
        assert_eq!(schema as usize, MIGRATIONS.len());
        let kept: i64 = server
            .database()
            .query_row("select count(*) from users", [], |row| row.get(0))
            .expect("it counts");
        assert_eq!(kept, 2);
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_power_cut() {
    let mut server = Server::builder()
        .config(
            "[limits]\ndms_per_minute = 100000\ndm_conversation_per_minute = 100000\naddress_posts_per_minute = 100000",
        )
        .start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mut mine, theirs) = talking(&ana, &bob);
    let mut said = BTreeMap::new();
    for n in 0..40 {
        let (stands, position) = ana.say(&bob, &format!("line {n}"), mine, theirs);
        said.insert(stands["seq"].as_i64().expect("a number"), stands["header"].clone());
        mine = position;
    }
    server.kill();
    server.start_again();
    let found = bob.messages("ana");
    for (seq, header) in said {
        let there = found["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|it| it["seq"] == seq);
        assert_eq!(there.expect("it was acknowledged")["header"], header);
    }
    // The stream goes on where it was.
    ana.say(&bob, "still here", mine, theirs);
}
