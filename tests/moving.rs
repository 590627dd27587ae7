//! Taking everything along: what is in the archive, and what isn't.

use std::{fs::File, io::Read, path::Path};

use neospace::archive::{Archive, Limits};
use neospace_tests::{Person, Server};
use serde_json::{Value, json};

const LIMITS: Limits = Limits {
    total: 1 << 30,
    media: 1 << 28,
    list: 1 << 28,
    other: 1 << 24,
};

/// What somebody takes along, opened by the same rules as one that a stranger brings.
fn taken(server: &Server, person: &Person) -> Archive {
    let answer = person.get("/settings/export").expect(200);
    assert_eq!(answer.header("content-type"), "application/zip");
    assert!(
        answer
            .header("content-disposition")
            .contains(&format!("neospace-{}-", person.name))
    );
    let path = server.folder().join(format!("{}.zip", person.name));
    std::fs::write(&path, &answer.body).expect("the folder can be written");
    open(&path)
}

fn open(path: &Path) -> Archive {
    Archive::open(File::open(path).expect("it is there"), LIMITS).expect("it is whole")
}

fn json_of(archive: &Archive, path: &str) -> Value {
    archive
        .json(path)
        .expect("it is JSON")
        .unwrap_or_else(|| panic!("{path} is missing"))
}

fn lines_of(archive: &Archive, path: &str) -> Vec<Value> {
    let mut lines = Vec::new();
    archive
        .lines(path, 100_000, |line| {
            lines.push(line);
            Ok(())
        })
        .expect("it is a list");
    lines
}

/// Everything in an archive, unpacked.
fn everything(archive: &Archive) -> Vec<u8> {
    let mut all = Vec::new();
    for path in archive.paths() {
        archive
            .file(path)
            .expect("it is there")
            .read_to_end(&mut all)
            .expect("it can be read");
    }
    all
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    memchr::memmem::find(haystack, needle.as_bytes()).is_some()
}

fn sign(person: &Person, wall: &str, text: &str) {
    let forms = person.get(&format!("/wall/{wall}")).expect(200).forms();
    let form = forms
        .iter()
        .find(|form| form.fields.iter().any(|field| field.name == "f-text"));
    let form = form.expect("there is a guestbook");
    let token = form
        .fields
        .iter()
        .find(|field| field.name == "token")
        .expect("it is signed");
    person
        .post_json(&form.action, &[("token", &token.value), ("f-text", text)])
        .expect(200);
}

#[test]
fn what_one_takes_along_is_ones_own_and_all_of_it() {
    let server = Server::builder().plugins(&["guestbook", "mood", "clock"]).start();
    let [ana, bob] = ["ana", "bob"].map(|name| server.person(name));
    ana.post_json(
        "/wall/ana/profile",
        &[
            ("bio", "I live\non a boat"),
            ("status", "afloat"),
            ("time_zone", "Europe/Lisbon"),
        ],
    )
    .expect(200);
    sign(&bob, "ana", "bob was here");
    for person in [&ana, &bob] {
        person.post_json("/rooms/lobby/join", &[]).expect(200);
    }
    let say = |person: &Person, content: &str| {
        let said = person
            .post_json("/rooms/lobby/messages", &[("content", content)])
            .expect(201)
            .json();
        said["id"].as_i64().expect("a number")
    };
    let first = say(&ana, "first words");
    say(&bob, "bob's own words");
    ana.post_json(
        &format!("/rooms/lobby/messages/{first}"),
        &[("content", "better words")],
    )
    .expect(200);
    let gone = say(&ana, "words taken back");
    ana.post_json(&format!("/rooms/lobby/messages/{gone}/delete"), &[])
        .expect(200);
    let (mut anas, mut bobs) = (ana.dm(), bob.dm());
    let (a, b) = (anas.name().clone(), bobs.name().clone());
    anas.say(&b, "sealed by ana").expect("it is stored");
    bobs.say(&a, "sealed by bob").expect("it is stored");
    let program = ana.program(&["rooms:read"]);

    let archive = taken(&server, &ana);
    let manifest = json_of(&archive, "neospace.json");
    assert_eq!(
        (&manifest["format"], &manifest["version"]),
        (&json!("neospace-export"), &json!(1))
    );
    assert_eq!(manifest["member"], "ana");
    let profile = json_of(&archive, "data/profile.json");
    assert_eq!(
        (&profile["bio"], &profile["status"], &profile["time_zone"]),
        (&json!("I live\non a boat"), &json!("afloat"), &json!("Europe/Lisbon"))
    );
    let modules = lines_of(&archive, "data/modules.jsonl");
    let plugins: Vec<_> = modules
        .iter()
        .map(|module| module["plugin"].as_str().expect("a name"))
        .collect();
    assert_eq!(plugins, ["guestbook", "mood", "clock"]);
    let storage = lines_of(&archive, "data/module-storage.jsonl");
    assert!(
        storage
            .iter()
            .any(|entry| entry["module"] == modules[0]["module"] && entry["value"].to_string().contains("bob was here"))
    );
    let said = lines_of(&archive, "data/room-messages.jsonl");
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(
        (&said[0]["content"], &said[0]["before"][0]["content"]),
        (&json!("better words"), &json!("first words"))
    );
    assert_eq!(
        (&said[1]["content"], &said[1]["deleted"]),
        (&json!(""), &json!("author"))
    );
    assert_eq!(lines_of(&archive, "data/rooms.jsonl")[0]["room"], "lobby");
    let account = json_of(&archive, "data/account.json");
    assert_eq!(account["tokens"][0]["name"], "a program");
    assert_eq!(lines_of(&archive, "data/key-log.jsonl").len(), 1);
    let messages = lines_of(&archive, "data/dm/messages.jsonl");
    assert_eq!(messages.len(), 2);
    assert!(
        messages
            .iter()
            .all(|message| message["with"] == "bob" && message["copy"].is_string())
    );
    assert!(json_of(&archive, "data/dm/keys.json")["wrapped"].is_string());

    // Nobody else's, nothing that opens anything, and nothing that was sealed.
    let all = everything(&archive);
    for never in [
        "bob's own words",
        "sealed by ana",
        "sealed by bob",
        "words taken back",
        "argon2",
    ] {
        assert!(!holds(&all, never), "{never} is in it");
    }
    let session = ana.cookies().into_values().next().expect("she is logged in");
    assert!(!holds(&all, &session) && !holds(&all, &program.token.expect("it has one")));

    server
        .guest()
        .request("GET", "/settings/export")
        .header("accept", "application/json")
        .send()
        .expect(401);
    ana.program(&["walls:read"]).get("/settings/export").expect(403);
}

#[test]
fn who_is_about_to_leave_takes_everything_along_too() {
    let server = Server::builder().plugins(&["guestbook"]).start();
    let ana = server.person("ana");
    let proof = neospace_tests::person::auth_key(
        "ana",
        neospace_tests::person::PASSWORD,
        &neospace_tests::person::parameters("ana"),
    );
    ana.post_json("/settings/delete", &[("current", &proof)]).expect(200);
    ana.log_in();
    let archive = taken(&server, &ana);
    assert_eq!(json_of(&archive, "neospace.json")["member"], "ana");
    assert_eq!(lines_of(&archive, "data/modules.jsonl").len(), 1);
}
