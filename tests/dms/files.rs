//! Sealed files, which go with a message.

use std::{fs, time::Duration};

use neospace_dm::file;
use neospace_tests::{Server, eventually};
use serde_json::json;

use super::{Member, START, edited, is, talking, upload, wire};

fn files_on_disk(server: &Server) -> Vec<String> {
    let files = fs::read_dir(server.data().join("files")).expect("a folder");
    let mut names: Vec<String> = files
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_sealed_file_goes_with_its_message_and_to_nobody_else() {
    let server = Server::builder()
        .config("[limits]\ndm_file_bytes = 100000\ndm_files_mib = 1")
        .start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (mine, theirs) = talking(&ana, &bob);
    let sealed = file::seal(&[7; 32], vec![b'x'; 90_000]);
    let id = upload(&ana, &bob, &sealed).expect(201).json()["id"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert_eq!(files_on_disk(&server), std::slice::from_ref(&id));
    let path = |with: &str| format!("/dm/{with}/files/{id}");
    // Until a message names it, it is hers alone.
    assert_eq!(ana.get(&path("bob")).expect(200).body, sealed);
    is(&bob.get(&path("ana")), 404, "not_found");

    let letter = ana.seal(&bob, "a picture", mine, theirs);
    let mut body = wire(&letter);
    for wrong in [json!(["AAAAAAAAAAAAAAAAAAAAAA"]), json!([id, id])] {
        body["files"] = wrong;
        is(&ana.post("/dm/bob/messages", &body), 422, "invalid");
    }
    body["files"] = json!(vec!["AAAAAAAAAAAAAAAAAAAAAA"; 9]);
    is(&ana.post("/dm/bob/messages", &body), 422, "invalid");
    body["files"] = json!(["../neospace.db"]);
    is(&ana.post("/dm/bob/messages", &body), 400, "invalid");
    body["files"] = json!([id]);
    let stands = ana.post("/dm/bob/messages", &body).expect(201).json();
    let got = bob.get(&path("ana")).expect(200);
    assert_eq!(got.body, sealed);
    assert_eq!(
        (got.header("content-type"), got.header("content-disposition")),
        ("application/octet-stream", "attachment")
    );
    assert!(got.header("content-security-policy").contains("sandbox"));
    // It is named once.
    let again = ana.seal(&bob, "again", letter.position(), theirs);
    let mut second = wire(&again);
    second["files"] = json!([id]);
    is(&ana.post("/dm/bob/messages", &second), 422, "invalid");
    // Nobody else finds it, by whichever conversation they ask, and no other file either.
    cyd.say(&ana, "hi", START, START);
    for with in ["ana", "bob"] {
        is(&cyd.get(&path(with)), 404, "not_found");
    }
    for wrong in [
        "neospace.db",
        "..%2Fneospace.db",
        "..%2f..%2fneospace.toml",
        "%2e%2e",
        ".",
        "AAAAAAAAAAAAAAAAAAAAAA",
    ] {
        assert_eq!(ana.get(&format!("/dm/bob/files/{wrong}")).status, 404, "{wrong}");
    }
    assert_eq!(server.guest().request("GET", &path("ana")).send().status, 401);

    // Sizes and shares.
    is(&upload(&ana, &bob, &[0; 200_000]), 413, "too_large");
    is(&upload(&ana, &bob, &[]), 400, "invalid");
    let form = ana
        .person
        .request("POST", "/dm/bob/files")
        .header("accept", "application/json");
    assert_eq!(form.body("multipart/form-data; boundary=x", "--x--").send().status, 415);
    let full = (0..12)
        .map(|_| upload(&ana, &bob, &sealed))
        .find(|answer| answer.status != 201);
    is(&full.expect("a MiB is full"), 403, "quota");
    // The refused ones left nothing behind.
    let rows: i64 = server
        .database()
        .query_row("select count(*) from dm_files", [], |row| row.get(0))
        .expect("it counts");
    assert_eq!(files_on_disk(&server).len() as i64, rows);

    // It goes when its message does.
    ana.post(
        "/dm/bob/messages/delete",
        &json!({ "messages": [{ "id": stands["id"] }], "scope": "both" }),
    )
    .expect(200);
    is(&bob.get(&path("ana")), 404, "not_found");
    assert!(!files_on_disk(&server).contains(&id));
}

#[test]
fn a_file_that_the_disk_has_no_room_for_is_refused_and_leaves_nothing() {
    let server = Server::builder().disk_mib(12).expect_in_log("disk").start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    talking(&ana, &bob);
    let filler = server.data_inside().join("filler");
    let room = |mib: usize| fs::write(&filler, vec![1; mib << 20]);
    // Some two MiB are left.
    let filled = (1..12)
        .rev()
        .find(|mib| room(*mib).is_ok())
        .expect("it is smaller than its disk");
    room(filled - 2).expect("it fits");
    let large = vec![7; 5 << 20];
    let refused = upload(&ana, &bob, &large);
    is(&refused, 503, "unavailable");
    assert!(refused.text().contains("disk is full"), "{}", refused.text());
    let left = fs::read_dir(server.data_inside().join("files"))
        .expect("a folder")
        .count();
    assert_eq!(left, 0);
    // A smaller one fits, and after the operator has made room the large one too.
    upload(&ana, &bob, &[7; 1 << 10]).expect(201);
    fs::remove_file(&filler).expect("it is there");
    let id = upload(&ana, &bob, &large).expect(201).json()["id"].clone();
    let got = ana
        .get(&format!("/dm/bob/files/{}", id.as_str().expect("a text")))
        .expect(200);
    assert_eq!(got.body, large);
}

#[test]
fn files_that_no_message_names_are_dropped_after_a_day() {
    let mut server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mine, theirs) = talking(&ana, &bob);
    let send = |bytes: &[u8]| {
        upload(&ana, &bob, bytes).expect(201).json()["id"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let (named, old, young) = (send(&[1; 400]), send(&[2; 400]), send(&[3; 400]));
    let mut body = wire(&ana.seal(&bob, "with a file", mine, theirs));
    body["files"] = json!([named]);
    ana.post("/dm/bob/messages", &body).expect(201);
    server.stop();
    let day_ago = "unixepoch() * 1000 - 25 * 3600 * 1000";
    edited(&server)
        .execute(
            &format!("update dm_files set created_at = {day_ago} where id in (?1, ?2)"),
            [&named, &old],
        )
        .expect("two rows");
    // What a power cut left between the bytes and their row.
    let orphan = server.data().join("files").join("BBBBBBBBBBBBBBBBBBBBBB");
    let file = fs::File::create(&orphan).expect("the folder can be written");
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(25 * 3_600))
        .expect("a time");
    server.start_again();
    let mut left = vec![named.clone(), young.clone()];
    left.sort();
    eventually("the old ones are dropped", || {
        (files_on_disk(&server) == left).then_some(())
    });
    assert_eq!(bob.get(&format!("/dm/ana/files/{named}")).expect(200).body, [1; 400]);
    is(&ana.get(&format!("/dm/bob/files/{old}")), 404, "not_found");
    assert_eq!(ana.get(&format!("/dm/bob/files/{young}")).expect(200).body, [3; 400]);
}
