//! Archives that strangers made: zips that slip, explode and lie, lists that say what can't be, and files that aren't what they are
//! called. Each is refused with a sentence and changes nothing, or comes along and is harmless; memory and time are bounded.

mod harmless;
mod lies;
mod turns;
mod zips;

use neospace_tests::{Person, Server};

/// One that takes archives as fast as they come.
fn server() -> Server {
    quick().plugins(&["guestbook", "mood", "flower"]).start()
}

fn quick() -> neospace_tests::Builder {
    Server::builder().config("[limits]\nuploads_per_minute = 100000\nactions = 100000")
}

/// Everything that an archive could change of a member, and what lies on disk for it.
fn standing(server: &Server, person: &Person) -> Vec<String> {
    let database = server.database();
    let mut standing: Vec<String> = [
        "posts",
        "post_drafts",
        "stickers",
        "modules",
        "looks",
        "scripts",
        "script_versions",
        "script_pins",
        "media",
        "tags",
        "sounds",
        "brought",
        "brought_things",
        "brought_messages",
        "plugin_storage",
        "media_uses",
        "arrivals",
    ]
    .iter()
    .map(|table| {
        let count = format!("select count(*) from {table}");
        let many: i64 = database.query_row(&count, [], |row| row.get(0)).expect("a number");
        format!("{table} {many}")
    })
    .collect();
    let profile = "select bio || status || mood || colour || time_zone from profiles p join users u on u.id = p.user_id where u.name = ?1";
    standing.push(
        database
            .query_row(profile, [&person.name], |row| row.get(0))
            .expect("a profile"),
    );
    for folder in ["arrivals", "media", "uploads"] {
        let files = std::fs::read_dir(server.data().join(folder)).expect("a folder").count();
        standing.push(format!("{folder} {files}"));
    }
    standing
}

/// The refusal of what was sent: a client's error with a sentence.
#[track_caller]
fn refused(what: &str, answer: &neospace_tests::Answer, why: &str) {
    assert!(
        matches!(answer.status, 400 | 413 | 422),
        "{what}: {} {}",
        answer.status,
        answer.text()
    );
    let detail = answer.json()["detail"].as_str().expect("a sentence").to_owned();
    assert!(detail.contains(why), "{what}: {detail}");
    assert!(detail.len() < 600, "{what}: {detail}");
    assert!(!detail.contains('\0') && !detail.contains("thread"), "{what}: {detail}");
}
