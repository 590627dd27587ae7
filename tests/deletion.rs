//! Leaving for good: two weeks to think again, in which nobody finds one; then everything goes that hangs on the account, whatever
//! ends the program meanwhile; and who left has it in writing.

use std::{collections::BTreeMap, fs, thread, time::Duration};

use neospace_dm::message::Body;
use neospace_tests::{
    Browser, Live, Person, Server, eventually,
    person::{PASSWORD, auth_key, parameters},
    pictures, sounds,
};
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

const DAY_MS: i64 = 24 * 3_600_000;

/// What proves somebody's password.
fn proof(person: &Person) -> String {
    auth_key(&person.name, PASSWORD, &parameters(&person.name))
}

/// Asks for the account to be deleted; answers the address of the receipt.
fn ask(person: &Person) -> String {
    let asked = person
        .post_json("/settings/delete", &[("current", &proof(person))])
        .expect(200);
    let next = asked.json()["next"].as_str().expect("an address").to_owned();
    assert!(next.starts_with("/receipt/"), "{next}");
    next
}

/// How far a deletion is: `waiting`, `going` or `done`.
fn state(guest: &Person, receipt: &str) -> String {
    let answer = guest.get_json(receipt).expect(200);
    answer.json()["state"].as_str().expect("a word").to_owned()
}

fn done(guest: &Person, receipt: &str) {
    eventually("the account is gone", || {
        (state(guest, receipt) == "done").then_some(())
    });
}

fn say(person: &Person, room: &str, content: &str) -> i64 {
    let path = format!("/rooms/{room}/messages");
    person.post_json(&path, &[("content", content)]).expect(201).json()["id"]
        .as_i64()
        .expect("a number")
}

/// Every row of every table that holds one of these texts or blobs' bytes, but what is known to stay.
fn rows_with(server: &Server, needle: &str) -> BTreeMap<String, usize> {
    let db = server.database();
    let tables: Vec<String> = db
        .prepare("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' and sql not like '%virtual%'")
        .expect("it is SQL")
        .query_map([], |row| row.get(0))
        .expect("it runs")
        .collect::<Result<_, _>>()
        .expect("texts");
    let mut found = BTreeMap::new();
    for table in tables {
        let mut rows = db.prepare(&format!("select * from \"{table}\"")).expect("a table");
        let columns = rows.column_count();
        let mut rows = rows.query([]).expect("it runs");
        while let Some(row) = rows.next().expect("a row") {
            let holds = (0..columns).any(|column| match row.get_ref(column).expect("a column") {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                    memchr::memmem::find(bytes, needle.as_bytes()).is_some()
                }
                _ => false,
            });
            if holds {
                *found.entry(table.clone()).or_insert(0) += 1;
            }
        }
    }
    found
}

/// Rows that refer to a member by number, by table and column: through whatever foreign key there is.
fn rows_of(server: &Server, user_id: i64) -> BTreeMap<String, i64> {
    let db = server.database();
    let columns: Vec<(String, String)> = db
        .prepare(
            "select t.name, f.\"from\"
               from sqlite_schema t, pragma_foreign_key_list(t.name) f
              where t.type = 'table' and f.\"table\" = 'users'",
        )
        .expect("it is SQL")
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("it runs")
        .collect::<Result<_, _>>()
        .expect("texts");
    assert!(columns.len() > 10, "the schema is looked at: {columns:?}");
    let count = |(table, column): (String, String)| {
        let sql = format!("select count(*) from \"{table}\" where \"{column}\" = ?1");
        let many: i64 = db.query_row(&sql, [user_id], |row| row.get(0)).expect("a number");
        (many > 0).then_some((format!("{table}.{column}"), many))
    };
    columns.into_iter().filter_map(count).collect()
}

fn id_of(server: &Server, name: &str) -> i64 {
    let db = server.database();
    db.query_row("select id from users where name = ?1", [name], |row| row.get(0))
        .expect("somebody has that name")
}

#[test]
fn who_asks_to_leave_is_found_by_nobody_and_is_back_with_one_button() {
    let server = Server::builder().plugins(&["guestbook", "mood", "clock"]).start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    let (elsewhere, program) = (ana.elsewhere(), ana.program(&["walls:read"]));
    elsewhere.log_in();
    let socket = Live::open(&elsewhere);
    // What others could meet of her: a wall to begin from, and what she stuck on bob's.
    ana.post("/wall/ana/look/start", &[("start", "starfield")]).see_other();
    bob.post("/wall/bob/stickers/allow", &[("visitors", "members")])
        .see_other();
    let stuck = ana
        .post_json("/wall/bob/stickers", &[("emoji", "🦋")])
        .expect(201)
        .json();
    let at = format!("/wall/bob/stickers/{}", stuck["id"]);
    let (watcher, program_of_bob) = (guest.live(), Live::open_json(&bob));
    watcher.watch("wall:bob");
    program_of_bob.watch("wall:bob");
    let begins_from_hers = || bob.get("/welcome").expect(200).text().contains("value=\"ana\"");
    assert!(begins_from_hers());
    for path in ["/wall/bob", "/wall/bob?plain=1"] {
        assert!(guest.get(path).expect(200).text().contains("left by ana"), "{path}");
    }
    let wall = guest.get("/wall/ana").expect(200).text();

    // Not without the password, and not by a program.
    let wrong = auth_key("ana", "not it at all", &parameters("ana"));
    let refused = ana.post_json("/settings/delete", &[("current", &wrong)]).expect(422);
    assert_eq!(refused.json()["errors"][0]["field"], "current");
    ana.post_json("/settings/delete", &[]).expect(422);
    program
        .post_json("/settings/delete", &[("current", &proof(&ana))])
        .expect(403);
    guest.get("/wall/ana").expect(200);

    let receipt = ask(&ana);
    assert_eq!(state(&guest, &receipt), "waiting");
    let page = guest.get(&receipt).expect(200).text();
    assert!(
        page.contains(&receipt),
        "the address stands on the page, to be written down"
    );

    // Everything she was logged in with is over.
    assert!(socket.wait_for_close().is_some());
    assert_eq!(elsewhere.get("/settings").see_other(), "/login?next=/settings");
    program.get("/wall/bob").expect(401);
    assert!(ana.cookies().is_empty());

    // Nobody finds her.
    for path in ["/wall/ana", "/wall/ana?safe=1"] {
        guest.get(path).expect(404);
        bob.get(path).expect(404);
    }
    assert!(!guest.get("/directory").expect(200).text().contains("/wall/ana"));
    assert!(
        !guest
            .get("/directory?by=newest")
            .expect(200)
            .text()
            .contains("/wall/ana")
    );
    assert!(
        !guest
            .get("/directory?by=random")
            .expect(200)
            .text()
            .contains("/wall/ana")
    );
    assert!(!guest.get("/").expect(200).text().contains("/wall/ana"));
    for _ in 0..8 {
        assert_eq!(guest.get("/random").see_other(), "/wall/bob");
    }
    bob.get("/dm/ana").expect(404);
    assert!(!begins_from_hers());
    for path in ["/wall/bob", "/wall/bob?plain=1"] {
        let page = guest.get(path).expect(200).text();
        assert!(!page.contains("🦋") && !page.contains("left by ana"), "{path}");
    }
    bob.get_json(&at).expect(404);
    // Who has that wall open sees it go.
    let element = format!("sticker-{}", stuck["id"]);
    watcher.wait("patch", |frame| {
        frame["target"] == *element && frame["mode"] == "remove"
    });
    program_of_bob.wait("sticker_removed", |frame| frame["id"] == stuck["id"]);
    // Her name is still hers.
    let taken = guest.post_json("/register", &server.guest_called("ana").registration(&[]).as_fields());
    taken.expect(422);

    // She comes back, and has nothing but the way back and the way out.
    let again = ana.elsewhere();
    assert_eq!(again.try_log_in(PASSWORD).see_other(), "/settings/leaving");
    assert_eq!(again.get("/settings").see_other(), "/settings/leaving");
    assert_eq!(again.get("/login").see_other(), "/settings/leaving");
    again.get("/wall/ana").expect(404);
    let refused = again.post_json("/rooms/lobby/join", &[]);
    assert!(refused.status == 403 || refused.status == 401, "{}", refused.text());
    let refused = again.post_json("/wall/ana/profile", &[("bio", "still me")]).expect(403);
    assert_eq!(refused.json()["code"], "leaving");
    again
        .post_json("/settings/delete", &[("current", &proof(&ana))])
        .expect(403);
    let page = again.get("/settings/leaving").expect(200).text();
    assert!(page.contains("Keep my account"));

    assert_eq!(
        again.post("/settings/leaving/keep", &[]).see_other(),
        "/settings?done=kept"
    );
    assert!(
        again
            .get("/settings?done=kept")
            .expect(200)
            .text()
            .contains("You stay.")
    );
    let same = |html: &str| {
        html.split_once("<main")
            .expect("a page")
            .1
            .split_once("data-version")
            .expect("it has one")
            .0
            .to_owned()
    };
    assert_eq!(same(&guest.get("/wall/ana").expect(200).text()), same(&wall));
    guest.get(&receipt).expect(404);
    assert!(guest.get("/directory").expect(200).text().contains("/wall/ana"));
    assert!(begins_from_hers());
    assert!(guest.get("/wall/bob").expect(200).text().contains("🦋"));
    watcher.wait("patch", |frame| {
        frame["target"] == "stickers" && frame["html"].as_str().is_some_and(|html| html.contains("🦋"))
    });
    program_of_bob.wait("sticker", |frame| frame["id"] == stuck["id"]);
    again.post_json("/wall/ana/profile", &[("bio", "still me")]).expect(200);
    // Once more, and that is another receipt.
    assert_ne!(ask(&again), receipt);
}

#[test]
fn when_the_day_comes_everything_goes_and_others_keep_what_is_theirs() {
    let mut server = Server::builder()
        .plugins(&["guestbook", "mood", "clock"])
        .faulty()
        .start();
    let [ana, bob, cyd] = ["ana", "bob", "cyd"].map(|name| server.person(name));
    let guest = server.guest();
    // The words by which everything of hers is known.
    const CANARY: &str = "zanzibar";
    ana.post_json(
        "/wall/ana/profile",
        &[("bio", "zanzibar bio"), ("status", "zanzibar"), ("mood", "zanzibar")],
    )
    .expect(200);
    bob.sign("ana", "zanzibar was here");
    let picture = ana.uploaded("zanzibar.jpg", &pictures::jpeg(1_600, 900));
    ana.uploaded("zanzibar.mp3", sounds::MP3);
    let pictured = [("kind", "image"), ("media", &*picture), ("alt", "zanzibar")];
    ana.post_json("/wall/ana/posts", &pictured).expect(201);
    ana.post_json("/wall/ana/posts/drafts", &[("body", "zanzibar, half a thought")])
        .expect(200);
    bob.post("/wall/bob/stickers/allow", &[("visitors", "members")])
        .see_other();
    for wall in ["ana", "bob"] {
        let stuck = [("media", &*picture), ("alt", "zanzibar")];
        ana.post_json(&format!("/wall/{wall}/stickers"), &stuck).expect(201);
    }
    ana.post("/wall/ana/look/css", &[("css", "/* zanzibar */")]).see_other();
    ana.post_json("/wall/ana/tags", &[("tags", "zanzibar")]).expect(200);
    ana.post_json(
        "/neighbourhoods",
        &[("title", "Low Water"), ("about", "Walls by the sea")],
    );
    bob.post_json("/neighbourhoods/low-water/come-in", &[]);
    let script = ana
        .post_json(
            "/sandbox",
            &[("mode", "canvas"), ("title", "zanzibar"), ("source", "// zanzibar")],
        )
        .expect(201)
        .json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    ana.post_json(&format!("/sandbox/{script}/versions"), &[("publish", "on")])
        .expect(200);
    for person in [&ana, &bob] {
        person
            .post_json(&format!("/wall/{}/scripts", person.name), &[("script", &script)])
            .expect(200);
    }
    assert!(guest.get("/wall/bob").expect(200).text().contains(&picture));
    let pictures_on_disk = || fs::read_dir(server.data().join("media")).expect("a folder").count();
    assert!(pictures_on_disk() > 0);
    ana.post("/rooms", &[("name", "hers"), ("topic", "a room"), ("open", "1")])
        .see_other();
    for person in [&ana, &bob] {
        person.post_json("/rooms/lobby/join", &[]).expect(200);
        person.post_json("/rooms/hers/join", &[]);
    }
    let hers = say(&ana, "lobby", "zanzibar, said in the lobby");
    ana.post_json(
        &format!("/rooms/lobby/messages/{hers}"),
        &[("content", "zanzibar, said again")],
    )
    .expect(200);
    let answer = bob
        .post_json(
            "/rooms/lobby/messages",
            &[("content", "what do you mean?"), ("reply_to", &hers.to_string())],
        )
        .expect(201)
        .json();
    for n in 0..250 {
        // More than one batch.
        let path = "/rooms/hers/messages";
        let sent = ana.post_json(path, &[("content", &format!("zanzibar number {n}"))]);
        if sent.status == 429 {
            break;
        }
    }
    let [mut anas, mut bobs, cyds] = [ana.dm(), bob.dm(), cyd.dm()];
    let (a, b, c) = (anas.name().clone(), bobs.name().clone(), cyds.name().clone());
    anas.say(&b, "to bob").expect("it is stored");
    bobs.say(&a, "to ana").expect("it is stored");
    let file = anas
        .upload(&b, "map.txt", "text/plain", b"the way".to_vec())
        .expect("it is taken");
    let body = Body::Text {
        at: 1,
        text: "the way, with a map".into(),
        reply: None,
        files: vec![file.clone()],
    };
    anas.send(&b, &body).expect("it is stored");
    let lost = anas
        .upload(&b, "lost.txt", "text/plain", b"unsent".to_vec())
        .expect("it is taken");
    anas.say(&c, "to cyd, who never answers").expect("it is stored");
    let on_disk = |name: &str| server.data().join("files").join(name).exists();
    assert!(on_disk(&file.id) && on_disk(&lost.id));
    assert!(!rows_with(&server, CANARY).is_empty());
    let (old_id, watching) = (id_of(&server, "ana"), Live::open(&bob));
    watching.join("lobby");

    let receipt = ask(&ana);
    server.faults().shift_clock(13 * DAY_MS);
    // The others look in, or their sessions would be over by then.
    for person in [&bob, &cyd] {
        person.get("/settings").expect(200);
    }
    assert_eq!(state(&guest, &receipt), "waiting");
    guest.post_json(&receipt, &[]).expect(409);
    server.faults().shift_clock(14 * DAY_MS + 60_000);
    let gone = watching.wait("message_deleted", |frame| frame["id"] == json!(hers));
    assert_eq!(gone["user"], "");
    done(&guest, &receipt);

    // Nothing of hers is left on bob's wall, in the neighbourhood that she founded, in the feed, nor on the disk.
    let wall = guest.get("/wall/bob").expect(200).text();
    assert!(!wall.contains(&picture) && !wall.contains(&script), "{wall}");
    let neighbourhood = guest.get("/neighbourhoods/low-water").expect(200).text();
    assert!(!neighbourhood.contains("/wall/ana") && neighbourhood.contains("/wall/bob"));
    assert!(!guest.get("/public-feed").expect(200).text().contains("zanzibar"));
    guest.get(&format!("/sandbox/{script}")).expect(404);
    guest.get(&format!("/media/{picture}/full")).expect(404);
    assert_eq!(pictures_on_disk(), 0);

    // Her rows and her words.
    assert_eq!(rows_of(&server, old_id), BTreeMap::new());
    assert_eq!(rows_with(&server, CANARY), BTreeMap::new());
    let remains = id_of(&server, "ana");
    assert_ne!(remains, old_id);
    let left = rows_of(&server, remains);
    // With bob, and with cyd who has a copy, too: both sides and the two conversations, and the file that bob has.
    assert!(left.keys().all(|place| place.starts_with("dm_")), "{left:?}");
    assert!(on_disk(&file.id) && !on_disk(&lost.id));
    guest.get("/wall/ana").expect(404);
    assert_eq!(ana.elsewhere().try_log_in(PASSWORD).status, 422);
    let taken = guest.post_json("/register", &server.guest_called("ana").registration(&[]).as_fields());
    assert!(taken.expect(422).text().contains("Somebody else has that name."));

    // What she said: a line where it stood, and no name. Bob's answer hangs on it.
    let page = bob
        .get(&format!("/rooms/lobby/messages/{}", answer["id"]))
        .expect(200)
        .text();
    assert!(page.contains("somebody who left") && page.contains("what do you mean?") && !page.contains("@ana"));
    let found = bob.get_json("/rooms/search?q=zanzibar");
    assert!(!found.expect(200).text().contains("zanzibar,"));
    let log = bob.get("/rooms/hers/log").expect(200).text();
    assert!(log.contains("somebody who left") && !log.contains(">ana<"));

    // Bob has his copies, and can open them; nobody can write to her.
    let mut bobs = bobs.again().expect("he comes back");
    assert_eq!(bobs.texts("ana"), ["to bob", "to ana", "the way, with a map"]);
    assert_eq!(bobs.download(&a, &file).expect("his copy has it"), b"the way");
    assert_eq!(bobs.alarms("ana"), []);
    assert!(bobs.say(&a, "anybody there?").is_err());
    let mut cyds = cyds.again().expect("she comes back");
    assert_eq!(cyds.texts("ana"), ["to cyd, who never answers"]);
    assert!(bob.get("/dm").expect(200).text().contains("/dm/ana"));
    let copies: i64 = server
        .database()
        .query_row(
            "select count(*) from dm_messages m join dm_conversations c on c.id = m.conversation_id
              where (c.lower_id = ?1 and m.sender = 0 and m.to_sender is not null)
                 or (c.lower_id = ?1 and m.sender = 1 and m.to_recipient is not null)",
            [remains],
            |row| row.get(0),
        )
        .expect("a number");
    assert_eq!(copies, 0, "her own copies are gone");

    // The receipt.
    let shown = guest.post(&receipt, &[]).expect(200).text();
    let file = guest.post_json(&receipt, &[("as", "file")]).expect(200);
    assert!(file.header("content-disposition").contains("attachment"));
    let (text, hash) = (file.text(), neospace_tests::server::sha256(&file.body));
    assert!(shown.contains(&hash), "the page says the hash of the very file");
    let receipt_json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(receipt_json["member"], "ana");
    let deleted = &receipt_json["deleted"];
    assert!(deleted["messages in rooms"].as_i64() > Some(1), "{deleted}");
    assert_eq!(deleted["copies of direct messages"], 4);
    assert!(deleted["modules"] == 3 && deleted["entries that their plugins kept"].as_i64() >= Some(1));
    let logged: Vec<String> = server
        .log()
        .lines()
        .into_iter()
        .filter(|line| line.contains("deleted"))
        .collect();
    assert!(logged.iter().any(|line| line.contains(&hash)), "{logged:?}");
    assert!(logged.iter().all(|line| !line.contains("ana")), "{logged:?}");

    // An hour after the first look it is nobody's but hers, also after a restart.
    server.faults().shift_clock(14 * DAY_MS + 2 * 3_600_000);
    guest.get(&receipt).expect(404);
    server.restart();
    guest.post_json(&receipt, &[]).expect(404);
    assert_eq!(bobs.again().expect("he comes back").texts("ana").len(), 3);
}

#[test]
fn a_deletion_that_is_killed_again_and_again_goes_on_and_counts_everything_once() {
    let mut server = Server::builder()
        .faulty()
        .config(
            "[limits]\nposts_per_minute = 100000\nroom_posts_per_minute = 100000\naddress_posts_per_minute = 100000",
        )
        .start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    for person in [&ana, &bob] {
        person.post_json("/rooms/lobby/join", &[]).expect(200);
    }
    let (mut anas, bobs) = (ana.dm(), bob.dm());
    let b = bobs.name().clone();
    for n in 0..3 {
        anas.say(&b, &format!("number {n}")).expect("it is stored");
    }
    let lost = anas.upload(&b, "lost.txt", "text/plain", b"unsent".to_vec());
    assert!(lost.is_err(), "bob has not answered: {lost:?}");
    const SAID: i64 = 700;
    for n in 0..SAID {
        say(&ana, "lobby", &format!("quagga {n}"));
    }
    let receipt = ask(&ana);
    server.faults().shift_clock(15 * DAY_MS);
    // The power fails while it is deleted.
    for round in 0..6 {
        thread::sleep(Duration::from_millis(40 * round));
        server.kill();
        server.start_again();
    }
    done(&guest, &receipt);
    assert_eq!(rows_with(&server, "quagga"), BTreeMap::new());
    let receipt: Value = guest.post_json(&receipt, &[]).expect(200).json();
    assert_eq!(receipt["deleted"]["messages in rooms"], SAID);
    assert_eq!(receipt["deleted"]["copies of direct messages"], 3);
    let db = server.database();
    let left: i64 = db
        .query_row("select count(*) from leftovers", [], |row| row.get(0))
        .expect("a number");
    assert_eq!(left, 0);
    assert!(
        fs::read_dir(server.data().join("files"))
            .expect("a folder")
            .next()
            .is_none()
    );
}

#[test]
fn somebody_leaves_in_the_browser_by_keyboard_and_comes_back() {
    let server = Server::builder().plugins(&["guestbook", "mood", "clock"]).start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/settings")).check_accessibility();
    page.goto(&server.url("/settings/delete")).wait_for("#delete-password");
    page.check_accessibility();
    for (width, name) in [(1280, "delete-1280"), (390, "delete-390")] {
        page.viewport(width, 900);
        assert!(!page.overflows());
        page.screenshot(name);
    }
    page.allow("422");
    page.fill("#delete-password", "not it at all").press("Enter");
    page.wait_for(".field.bad");
    page.fill("#delete-password", PASSWORD).press("Enter");
    page.wait_for("#receipt-address");
    page.check_accessibility();
    page.screenshot("receipt-waiting-390");
    page.viewport(1280, 900).screenshot("receipt-waiting-1280");

    page.goto(&server.url("/login")).wait_for("#login-name");
    page.fill("#login-name", "ana")
        .fill("#login-password", PASSWORD)
        .press("Enter");
    page.wait_for_path("/settings/leaving");
    page.check_accessibility();
    page.screenshot("leaving-1280");
    page.viewport(390, 900).screenshot("leaving-390");
    page.focus("form[action='/settings/leaving/keep'] button")
        .press("Enter");
    page.wait_for(".notice.ok \"You stay.\"");
    page.screenshot("kept-390");
    page.check();
}
