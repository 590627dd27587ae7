//! What comes along, and is harmless.

use neospace_tests::{
    markup, pictures,
    zips::{Contents, id_of, post, script, sticker, version},
};
use serde_json::{Value, json};

use super::{refused, server, standing};

#[test]
fn files_that_are_no_pictures_are_found_out_and_nothing_comes() {
    let server = server();
    let ana = server.person("ana");
    let before = standing(&server, &ana);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec();
    let mut cut = pictures::jpeg(200, 200);
    cut.truncate(300);
    for (what, kind, bytes) in [
        ("SVG", "image", svg),
        ("a page", "image", b"<!doctype html><script>alert(1)</script>".to_vec()),
        ("a program", "image", b"\x7fELF\x02\x01\x01".to_vec()),
        ("half a JPEG", "image", cut),
        ("a picture that says that it is a sound", "audio", pictures::png(8, 8)),
        ("nothing", "image", Vec::new()),
        (
            "a GIF of a script",
            "image",
            b"GIF89a/*<svg/onload=alert(1)>*/=1;".to_vec(),
        ),
    ] {
        let contents = Contents::honest(1)
            .media(&id_of(0x55), "image", &pictures::png(40, 40))
            .media(&id_of(0x66), kind, &bytes);
        ana.bring_to(&contents.bytes()).expect(201);
        let now = ana.bring(&[("how", "replace")]);
        assert_eq!(now["state"], "waiting", "{what}: {now:#}");
        let why = now["refused"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("thing.bin"), "{what}: {why}");
        // The page says so, too, and the archive can be thrown away.
        let page = ana
            .request("GET", "/settings/import")
            .header("accept", "text/html")
            .send()
            .expect(200)
            .text();
        assert!(page.contains("nothing was changed"), "{what}");
        ana.post_json("/settings/import/discard", &[]).expect(200);
        assert_eq!(standing(&server, &ana), before, "{what}");
    }
}

#[test]
fn where_a_picture_was_taken_does_not_come_along() {
    let server = server();
    let ana = server.person("ana");
    let contents = Contents::honest(1)
        .media(&id_of(0x55), "image", &pictures::telephone(400, 300, 6))
        .field("data/profile.json", "avatar", json!(id_of(0x55)));
    ana.brings(&contents.bytes(), "replace");
    let mut files = 0;
    for file in std::fs::read_dir(server.data().join("media")).expect("a folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("its bytes");
        for trace in [
            b"Exif".as_slice(),
            pictures::CAMERA.as_bytes(),
            pictures::PLACE[0],
            pictures::PLACE[1],
        ] {
            assert!(memchr::memmem::find(&bytes, trace).is_none());
        }
        files += 1;
    }
    assert!(files > 0);
    // The archive itself is gone.
    assert_eq!(
        std::fs::read_dir(server.data().join("arrivals"))
            .expect("a folder")
            .count(),
        0
    );
}

#[test]
fn every_text_of_an_archive_is_text() {
    let server = server();
    let ana = server.person("ana");
    let vectors = markup::vectors();
    let mut id = 0;
    for chunk in vectors.chunks(12) {
        id += 1;
        let (work, picture) = (id_of(100 + id), id_of(id));
        let short =
            |text: &String, most: usize| -> String { text.chars().filter(|c| !c.is_control()).take(most).collect() };
        let posts: Vec<Value> = chunk
            .iter()
            .enumerate()
            .map(|(nth, vector)| {
                let mut it = post(nth as i64, &vector.replace('\0', " "));
                it["title"] = json!(short(vector, 100));
                it["edited_at"] = json!(5);
                it["before"] = json!([{ "title": short(vector, 100), "body": vector.replace('\0', " "), "url": "", "pictures": [], "until": 5 }]);
                if it["body"].as_str().is_none_or(|body| body.trim().is_empty()) {
                    it["body"] = json!("empty");
                }
                it
            })
            .collect();
        let stickers: Vec<Value> = chunk
            .iter()
            .take(6)
            .map(|vector| {
                let mut it = sticker("🐙");
                it["alt"] = json!(short(vector, 200));
                it
            })
            .collect();
        let said: Vec<Value> = chunk
            .iter()
            .enumerate()
            .map(|(nth, vector)| {
                json!({
                    "room": short(vector, 100) + "x", "id": nth as i64 + 1000 * i64::from(id), "seq": 1, "at": 1, "content": vector.replace('\0', " "),
                    "edited_at": 2, "before": [{ "content": vector.replace('\0', " "), "until": 2 }], "reply_to": null,
                    "plugin": short(vector, 100), "command": short(vector, 100), "deleted": null, "pictures": [],
                })
            })
            .collect();
        let first = &chunk[0];
        let mut sketch = script(&work, &(short(first, 79) + "x"));
        sketch["description"] = json!(short(first, 500));
        let mut contents = Contents::honest(id)
            .field("neospace.json", "node", json!(short(first, 200)))
            .field("data/profile.json", "bio", json!(short(first, 500)))
            .field("data/profile.json", "status", json!(short(first, 80)))
            .field("data/profile.json", "mood", json!(short(first, 60)))
            .list("data/posts.jsonl", &posts)
            .list("data/stickers.jsonl", &stickers)
            .list("data/room-messages.jsonl", &said)
            .list("data/scripts.jsonl", &[sketch])
            .list("data/script-versions.jsonl", &[version(&work, 1, first)])
            .media(&picture, "image", &pictures::png(8, 8));
        let line: Value = {
            let (_, list) = contents
                .0
                .iter()
                .find(|(path, _)| path == "data/media.jsonl")
                .expect("a list");
            serde_json::from_slice(list).expect("a line")
        };
        let mut line = line;
        line["name"] = json!(short(first, 100));
        line["alt"] = json!(short(first, 500));
        contents = contents.list("data/media.jsonl", &[line]);
        ana.bring_to(&contents.bytes()).expect(201);
        let page = |path: &str| {
            ana.request("GET", path)
                .header("accept", "text/html")
                .send()
                .expect(200)
                .text()
        };
        let check = |path: &str| {
            if let Some(fault) = markup::page_fault(&page(path)) {
                panic!("{path} of {chunk:?}: {fault}");
            }
        };
        check("/settings/import");
        let now = ana.bring(&[("how", "replace")]);
        assert_eq!(now["state"], "none", "{now:#}");
        for path in [
            "/settings/import",
            "/settings/import/rooms",
            "/wall/ana",
            "/wall/ana/posts",
            "/library",
            "/sandbox/mine",
        ] {
            check(path);
        }
    }
}

#[test]
fn css_that_reaches_out_comes_along_and_reaches_nothing() {
    let server = server();
    let ana = server.person("ana");
    let css = "@import url(https://evil.example/a.css);\n.wall { background: url(https://evil.example/x.png) }\nbody { display: none }\n\
               @font-face { font-family: x; src: url(//evil.example/x.woff2) }\n.bar { position: fixed; inset: 0 }\n</style><script>alert(1)</script>";
    let theme = json!({});
    let contents = Contents::honest(1).json(
        "data/look.json",
        &json!({ "theme": theme, "css": css, "remixed_from": "bob", "remixable": true }),
    );
    let answer = ana.bring_to(&contents.bytes());
    if answer.status == 422 {
        return refused("CSS", &answer, "CSS");
    }
    ana.bring(&[("how", "replace")]);
    let wall = server.guest().get("/wall/ana").text();
    let sheet = wall
        .split("id=\"look\" rel=\"stylesheet\" href=\"")
        .nth(1)
        .expect("a look");
    let sheet = server
        .guest()
        .get(sheet.split('"').next().unwrap_or_default())
        .expect(200)
        .text();
    assert!(
        !sheet.contains("evil.example") && !sheet.contains("@import") && !sheet.contains("<script"),
        "{sheet}"
    );
    assert!(!wall.contains("evil.example") && markup::page_fault(&wall).is_none());
}

#[test]
fn times_that_have_not_come_yet_are_now() {
    let server = server();
    let ana = server.person("ana");
    let mut late = post(1, "from the year 200,000");
    late["created_at"] = json!(6_000_000_000_000_000_i64);
    let mut early = post(2, "from long before");
    early["created_at"] = json!(i64::MIN);
    ana.brings(
        &Contents::honest(1).list("data/posts.jsonl", &[late, early]).bytes(),
        "add",
    );
    let mut times = server
        .database()
        .prepare("select created_at from posts order by created_at")
        .expect("SQL")
        .query_map([], |row| row.get::<_, i64>(0))
        .expect("rows")
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_millis() as i64;
    assert!(times.pop().is_some_and(|last| (now - 60_000..=now).contains(&last)));
    assert_eq!(times, [0]);
    // Nothing of it is news for everybody.
    assert!(!server.guest().get("/public-feed").text().contains("from the year"));
    assert!(server.guest().get("/wall/ana").text().contains("from the year"));
    assert_eq!(server.guest().get("/public-feed.atom").status, 200);
}

#[test]
fn what_plugins_kept_comes_only_where_the_plugin_is_and_as_much_as_it_may_keep() {
    let server = server();
    let ana = server.person("ana");
    let module = |number: i64, plugin: &str| {
        json!({
            "module": number, "plugin": plugin, "width": 2, "height": 2, "settings": { "nonsense": true }, "refused": ["nonsense"], "seed": "18446744073709551615", "created_at": 1,
        })
    };
    let kept = |number: i64, nth: usize| json!({ "module": number, "key": format!("k{nth}"), "value": "v".repeat(60_000), "expires_at": null });
    let mut storage: Vec<Value> = (0..400).map(|nth| kept(1, nth)).collect();
    storage.push(kept(2, 0));
    let contents = Contents::honest(1)
        .list(
            "data/modules.jsonl",
            &[
                module(1, "guestbook"),
                module(2, "not-installed"),
                module(3, "mood"),
                module(4, "flower"),
            ],
        )
        .list("data/module-storage.jsonl", &storage);
    let found = ana.bring_to(&contents.bytes()).expect(201).json();
    let left = found["found"]["left"].to_string();
    assert!(
        left.contains("may keep") && left.contains("not-installed") && left.contains("isn't installed here"),
        "{left}"
    );
    assert!(
        found["found"]["parts"]["modules"]
            .as_str()
            .is_some_and(|said| said.starts_with("2 modules")),
        "{found:#}"
    );
    ana.bring(&[("how", "replace")]);
    let (modules, entries): (i64, i64) = server
        .database()
        .query_row(
            "select (select count(*) from modules where removed_at is null), (select count(*) from plugin_storage)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("numbers");
    assert_eq!((modules, entries), (2, 0));
}

#[test]
fn more_than_a_wall_holds_does_not_come_halfway() {
    let server = server();
    let ana = server.person("ana");
    ana.brings(
        &Contents::honest(1)
            .list("data/stickers.jsonl", &vec![sticker("🐙"); 60])
            .bytes(),
        "add",
    );
    let before = standing(&server, &ana);
    // Posts come before stickers in it, and don't stay either.
    let more = Contents::honest(2).list("data/stickers.jsonl", &vec![sticker("🦀"); 60]);
    ana.bring_to(&more.bytes()).expect(201);
    let now = ana.bring(&[("how", "add")]);
    assert!(
        now["refused"]
            .as_str()
            .is_some_and(|why| why.contains("60 lie on your wall")),
        "{now:#}"
    );
    ana.post_json("/settings/import/discard", &[]).expect(200);
    assert_eq!(standing(&server, &ana), before);
    // In their place, they fit.
    let live = server.guest().live();
    live.watch("wall:ana");
    ana.brings(&more.bytes(), "replace");
    live.wait("resync", |frame| frame["topic"] == "wall:ana");
    assert!(server.guest().get("/wall/ana").text().contains("🦀"));
}

#[test]
fn what_an_owner_allows_comes_in_place_of_what_they_allowed() {
    let server = server();
    let ana = server.person("ana");
    let allowed = || {
        let all = server.guest().get_json("/wall/ana/stickers").expect(200).json();
        ["visitors", "cursors", "presence"].map(|what| all[what].clone())
    };
    assert_eq!(allowed(), [json!("nobody"), json!(false), json!(true)]);
    let live = server.guest().live();
    live.watch("wall:ana");
    let canvas = json!({ "visitors": false, "cursors": true, "presence": false });
    ana.brings(
        &Contents::honest(1).json("data/canvas.json", &canvas).bytes(),
        "replace",
    );
    assert_eq!(allowed(), [json!("nobody"), json!(true), json!(false)]);
    live.wait("presence", |frame| frame["left"] == json!([""]));
    // An archive from before there was a choice says nothing of who is there, which was shown then.
    ana.brings(&Contents::honest(2).bytes(), "replace");
    assert_eq!(allowed(), [json!("members"), json!(false), json!(true)]);
    live.wait("presence", |frame| frame["joined"] == json!([""]));
}

#[test]
fn scripts_that_descend_from_each_other_descend_from_nobody() {
    let server = server();
    let ana = server.person("ana");
    let (one, two) = (id_of(1), id_of(2));
    let fork = |id: &str, of: &str| {
        let mut it = script(id, "round and round");
        it["parent"] = json!({ "script": of, "version": 1, "title": "round and round", "author": "bob" });
        it
    };
    let contents = Contents::honest(1)
        .list("data/scripts.jsonl", &[fork(&one, &two), fork(&two, &one)])
        .list(
            "data/script-versions.jsonl",
            &[version(&one, 1, "// 1"), version(&two, 1, "// 2")],
        );
    ana.brings(&contents.bytes(), "add");
    let roots: i64 = server
        .database()
        .query_row("select count(*) from scripts where parent_id is null", [], |row| {
            row.get(0)
        })
        .expect("a number");
    assert_eq!(roots, 1);
    let ids: Vec<String> = server
        .database()
        .prepare("select id from scripts")
        .expect("SQL")
        .query_map([], |row| row.get(0))
        .expect("rows")
        .map(Result::unwrap)
        .collect();
    for id in ids {
        assert!(![&one, &two].contains(&&id), "it has an id of its own");
        ana.get(&format!("/sandbox/{id}")).expect(200);
    }
}

#[test]
fn the_credit_of_a_fork_that_could_not_be_made_is_words_and_leads_nowhere() {
    let server = server();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let publish = |title: &str, licence: &str| {
        let fields = [("mode", "canvas"), ("title", title), ("source", "// bob's")];
        let id = bob.post_json("/sandbox", &fields).expect(201).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        bob.post_json(&format!("/sandbox/{id}/versions"), &[("publish", "on")])
            .expect(200);
        bob.post_json(&format!("/sandbox/{id}/details"), &[("licence", licence)])
            .expect(200);
        id
    };
    let (open, reserved) = (publish("open", "MIT"), publish("reserved", "all-rights-reserved"));
    let claims = [
        ("a fork of what may be forked", &open, 1, "bob", true),
        ("a fork of what is reserved", &reserved, 1, "bob", false),
        ("a fork of somebody else's", &open, 1, "cyd", false),
        ("a fork of a version that never was", &open, 2, "bob", false),
    ];
    let mut contents = Contents::honest(1);
    let (mut scripts, mut versions) = (Vec::new(), Vec::new());
    for (nth, (what, of, number, author, _)) in claims.iter().enumerate() {
        let id = id_of(0x40 + nth as u8);
        let mut it = script(&id, what);
        it["parent"] = json!({ "script": of, "version": number, "title": "a title", "author": author });
        scripts.push(it);
        versions.push(version(&id, 1, "// ana's"));
    }
    contents = contents
        .list("data/scripts.jsonl", &scripts)
        .list("data/script-versions.jsonl", &versions);
    ana.brings(&contents.bytes(), "add");
    for (what, of, _, author, leads) in claims {
        let (parent, credited): (Option<String>, Option<String>) = server
            .database()
            .query_row(
                "select parent_id, parent_author from scripts where title = ?1",
                [what],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .expect("a script");
        assert_eq!(parent.as_deref(), leads.then_some(of.as_str()), "{what}");
        assert_eq!(credited.as_deref(), Some(author), "{what}");
    }
}

#[test]
fn an_archive_of_somebody_else_changes_nothing_of_theirs() {
    let server = server();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    bob.post_json("/wall/bob/posts", &[("body", "bob wrote this")])
        .expect(201);
    let theirs = bob.uploaded("bob.png", &pictures::png(30, 30));
    let his = standing(&server, &bob);
    // It says that it is bob's, names bob's picture, and a script of his.
    let mut image = post(1, "");
    image["kind"] = json!("image");
    image["pictures"] = json!([{ "media": theirs, "alt": "stolen", "width": 30, "height": 30 }]);
    let contents = Contents::honest(1)
        .field("neospace.json", "member", json!("bob"))
        .list("data/posts.jsonl", &[image]);
    refused("bob's picture", &ana.bring_to(&contents.bytes()), "isn't in it");
    assert_eq!(standing(&server, &bob), his);
    // One that brings bytes of its own under that id gets a picture of its own.
    ana.brings(&contents.media(&theirs, "image", &pictures::png(9, 9)).bytes(), "add");
    let owners: Vec<(String, String)> = server
        .database()
        .prepare("select m.id, u.name from media m join users u on u.id = m.user_id order by u.name")
        .expect("SQL")
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("rows")
        .map(Result::unwrap)
        .collect();
    assert_eq!(owners.len(), 2);
    assert_eq!(owners[1], (theirs.clone(), "bob".to_owned()));
    server.guest().get(&format!("/media/{theirs}/full")).expect(404);
    assert!(server.guest().get("/wall/bob").text().contains("bob wrote this"));
}

#[test]
fn messages_bring_their_pictures_and_no_id_that_is_not_in_the_archive() {
    let server = server();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let theirs = bob.uploaded("bob.png", &pictures::png(30, 30));
    let said = json!({
        "room": "lobby", "id": 1, "seq": 1, "at": 1, "content": "look", "edited_at": null, "before": [], "reply_to": null, "plugin": null,
        "command": null, "deleted": null, "pictures": [id_of(0x55), id_of(0x66), theirs],
    });
    let contents = Contents::honest(1)
        .media(&id_of(0x55), "image", &pictures::png(20, 20))
        .list("data/room-messages.jsonl", &[said]);
    ana.bring_to(&contents.bytes()).expect(201);
    let now = ana.bring(&[("how", "add"), ("part", "rooms")]);
    assert_eq!(now["state"], "none", "{now:#}");
    let kept = ana.get_json("/settings/import/rooms").expect(200).json();
    let shown = kept["messages"][0]["pictures"].as_array().expect("a list");
    let [picture] = shown.as_slice() else {
        panic!("one picture came along: {kept:#}");
    };
    let picture = picture.as_str().expect("an id");
    assert!(picture != theirs && picture != id_of(0x55), "{picture}");
    ana.get(&format!("/media/{picture}/full")).expect(200);
}
