//! Stickers on walls: who may put up, move and take off what, with forms, as data and over the socket; and what it looks like to the
//! others.

use neospace_tests::{Live, Person, Server, markup, pictures};
use serde_json::{Value, json};

/// A sticker of somebody's on a wall; answers its id.
fn stick(person: &Person, wall: &str, fields: &[(&str, &str)]) -> i64 {
    let made = person
        .post_json(&format!("/wall/{wall}/stickers"), fields)
        .expect(201)
        .json();
    made["id"].as_i64().expect("a new sticker has an id")
}

/// Everything that lies on a wall, as this person's programs get it.
fn stickers(person: &Person, wall: &str) -> Vec<Value> {
    let all = person
        .request("GET", &format!("/wall/{wall}/stickers"))
        .header("accept", "application/json");
    all.send().expect(200).json()["stickers"]
        .as_array()
        .cloned()
        .expect("a list")
}

fn ids(person: &Person, wall: &str) -> Vec<i64> {
    stickers(person, wall)
        .iter()
        .filter_map(|one| one["id"].as_i64())
        .collect()
}

fn one(person: &Person, wall: &str, id: i64) -> Value {
    let all = stickers(person, wall);
    all.into_iter().find(|one| one["id"] == id).expect("it lies there")
}

/// Lets members leave stickers on one's wall.
fn open(person: &Person, name: &str) {
    person
        .post(&format!("/wall/{name}/stickers/allow"), &[("visitors", "members")])
        .expect(303);
}

#[test]
fn an_owner_decorates_their_wall_with_plain_forms() {
    let server = Server::start();
    let (ana, guest) = (server.person("ana"), server.guest());
    let there = ana.post("/wall/ana/stickers", &[("emoji", "🦋")]).see_other();
    assert!(there.starts_with("/wall/ana?edit=1&tab=stickers&sticker="), "{there}");
    let id = ids(&ana, "ana")[0];
    let tray = ana.get(&there).expect(200).text();
    assert!(
        tray.contains("id=\"sticker-x\"") && tray.contains("value=\"butterfly\""),
        "its numbers and its words are open"
    );
    let at = format!("/wall/ana/stickers/{id}");

    ana.post(
        &at,
        &[
            ("x", "12.5"),
            ("y", "300"),
            ("width", "128"),
            ("rotation", "-15"),
            ("alt", "a moth"),
        ],
    )
    .expect(303);
    let moth = one(&ana, "ana", id);
    assert_eq!(
        (&moth["x"], &moth["y"], &moth["width"], &moth["rotation"]),
        (&json!(12.5), &json!(300), &json!(128), &json!(-15))
    );
    let page = guest.get("/wall/ana").text();
    assert!(
        page.contains("aria-label=\"a moth\"") && page.contains("🦋"),
        "a guest sees it and its words"
    );
    // Where it lies is known before any script, from a sheet that browsers keep.
    let sheet = page
        .split("/wall/ana/stickers/")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a sheet");
    let sheet = guest.get(&format!("/wall/ana/stickers/{sheet}")).expect(200);
    assert!(sheet.header("cache-control").contains("immutable"));
    assert!(sheet.header("content-type").starts_with("text/css"));
    assert!(
        sheet.text().contains(&format!(
            "[data-sticker=\"{id}\"] {{ --x: 12.5%; --y: 18.75rem; --w: 8rem; --r: -15deg;"
        )),
        "{}",
        sheet.text()
    );
    guest.get("/wall/ana/stickers/0123456789abcdef.css").expect(200);

    let copy = ana.post(&format!("{at}/duplicate"), &[]).see_other();
    assert_eq!(ids(&ana, "ana").len(), 2, "{copy}");
    let off = ana.post(&format!("{at}/remove"), &[]).see_other();
    assert!(ana.get(&off).text().contains("Put it back"));
    assert_eq!(ids(&ana, "ana").len(), 1);
    ana.post("/wall/ana/stickers/restore", &[("id", &id.to_string())])
        .expect(303);
    assert_eq!(one(&ana, "ana", id)["alt"], "a moth");
    let plain = guest.get("/wall/ana?plain=1").text();
    assert!(
        plain.contains("sticker-list") && plain.contains("a moth") && !plain.contains("<neo-stickers"),
        "a list of pictures with their words"
    );
}

#[test]
fn stickers_lie_on_one_another_as_they_were_put() {
    let server = Server::start();
    let ana = server.person("ana");
    let [one, two, three] = ["1️⃣", "2️⃣", "3️⃣"].map(|emoji| stick(&ana, "ana", &[("emoji", emoji)]));
    let put = |id: i64, fields: &[(&str, &str)]| {
        ana.post_json(&format!("/wall/ana/stickers/{id}/stack"), fields)
            .expect(200);
        ids(&ana, "ana")
    };
    assert_eq!(put(one, &[("to", "front")]), [two, three, one]);
    assert_eq!(put(one, &[("to", "backward")]), [two, one, three]);
    assert_eq!(put(three, &[("to", "back")]), [three, two, one]);
    assert_eq!(put(three, &[("to", "forward")]), [two, three, one]);
    assert_eq!(
        put(one, &[("to", "under"), ("other", &two.to_string())]),
        [one, two, three]
    );
    assert_eq!(
        put(three, &[("to", "under"), ("other", &two.to_string())]),
        [one, three, two]
    );
    assert_eq!(put(two, &[("to", "front")]), [one, three, two], "it was on top already");
    let answered = ana
        .post_live(&format!("/wall/ana/stickers/{three}/stack"), &[("to", "forward")])
        .expect(200)
        .text();
    for (id, moved) in [(one, false), (two, true), (three, true)] {
        assert_eq!(
            answered.contains(&format!("id=\"sticker-{id}\"")),
            moved,
            "whoever moved is in the answer: {answered}"
        );
    }
    let heights: Vec<_> = stickers(&ana, "ana").iter().map(|one| one["z"].as_i64()).collect();
    assert!(
        heights.windows(2).all(|pair| pair[0] < pair[1]),
        "never two alike: {heights:?}"
    );
    ana.post_json(&format!("/wall/ana/stickers/{one}/stack"), &[("to", "sideways")])
        .expect(422);
    ana.post_json(
        &format!("/wall/ana/stickers/{one}/stack"),
        &[("to", "under"), ("other", "999")],
    )
    .expect(409);
}

#[test]
fn what_does_not_fit_is_refused_says_what_would_and_is_not_lost() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = stick(&ana, "ana", &[("emoji", "🐌")]);
    let at = format!("/wall/ana/stickers/{id}");
    let long = "x".repeat(201);
    for (path, field, value, said) in [
        (&*at, "x", "101", "0 to 100 percent"),
        (&at, "x", "NaN", "0 to 100"),
        (&at, "y", "-1", "0 to 32000"),
        (&at, "width", "1", "24 to 640"),
        (&at, "width", "1e9", "24 to 640"),
        (&at, "rotation", "half", "-180 to 180 degrees"),
        (&at, "alt", &long, "At most 200 characters"),
        ("/wall/ana/stickers", "emoji", "<b>", "Unicode lists"),
        ("/wall/ana/stickers", "emoji", "🐌🐌", "One emoji"),
        ("/wall/ana/stickers", "plugin", "no-such-thing", "no such sticker"),
        ("/wall/ana/stickers", "x", "5", "Choose an emoji"),
    ] {
        let refused = ana.post_json(path, &[(field, value)]).expect(422).text();
        assert!(refused.contains(said), "{field}={value}: {refused}");
    }
    let page = ana
        .post(&at, &[("x", "900"), ("alt", "typed with care")])
        .expect(422)
        .text();
    assert!(
        page.contains("value=\"900\"") && page.contains("typed with care") && page.contains("0 to 100 percent"),
        "{page}"
    );
    let page = ana
        .post("/wall/ana/stickers", &[("emoji", "not one")])
        .expect(422)
        .text();
    assert!(page.contains("value=\"not one\"") && page.contains("Unicode lists"));
    assert_eq!(one(&ana, "ana", id)["x"], 56.0, "nothing was changed");
}

#[test]
fn a_wall_is_full_at_a_hundred() {
    let server = Server::start();
    let ana = server.person("ana");
    let first = stick(&ana, "ana", &[("emoji", "⭐")]);
    // As if she had put them up one by one, which takes as long as it takes.
    rusqlite::Connection::open(server.data().join("neospace.db"))
        .expect("the database opens")
        .execute(
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < 99)
             insert into stickers (wall_id, user_id, kind, emoji, x, y, width, rotation, z, alt, rev, created_at)
             select wall_id, user_id, kind, emoji, x, y, width, rotation, z + i, alt, rev, created_at from stickers, n",
            [],
        )
        .expect("a hundred stickers");
    let full = ana
        .post_json("/wall/ana/stickers", &[("emoji", "⭐")])
        .expect(409)
        .text();
    assert!(full.contains("at most 100"), "{full}");
    ana.post_json(&format!("/wall/ana/stickers/{first}/duplicate"), &[])
        .expect(409);
    ana.post_json(&format!("/wall/ana/stickers/{first}/remove"), &[])
        .expect(200);
    stick(&ana, "ana", &[("emoji", "⭐")]);
    let full = ana
        .post_json("/wall/ana/stickers/restore", &[("id", &first.to_string())])
        .expect(409)
        .text();
    assert!(full.contains("at most 100"), "{full}");
}

#[test]
fn a_sticker_is_drawn_by_its_plugin_with_its_parameters() {
    let server = Server::builder().plugin("flower").start();
    let (ana, guest) = (server.person("ana"), server.guest());
    let id = stick(&ana, "ana", &[("plugin", "flower"), ("alt", "a daisy")]);
    let flower = one(&ana, "ana", id);
    assert_eq!(flower["kind"], "drawn");
    let address = flower["picture"].as_str().expect("it has a picture").to_owned();
    let drawing = guest.get(&address).expect(200);
    assert_eq!(drawing.header("content-type"), "image/svg+xml");
    assert!(drawing.header("content-security-policy").contains("sandbox"));
    let tag = drawing.header("etag").to_owned();
    guest
        .request("GET", &address)
        .header("if-none-match", &tag)
        .send()
        .expect(304);

    let choices = ana.get(&format!("/wall/ana?edit=1&tab=stickers&sticker={id}")).text();
    let field = choices
        .split("name=\"s-")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("it has parameters")
        .to_owned();
    let value = choices
        .split("<option value=\"")
        .skip(1)
        .filter(|rest| !rest.split('>').next().is_some_and(|tag| tag.contains("selected")))
        .find_map(|rest| rest.split('"').next())
        .expect("another choice")
        .to_owned();
    let fields = [(format!("s-{field}"), value)];
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let preview = ana
        .post_live(&format!("/wall/ana/stickers/{id}/preview"), &fields)
        .expect(200)
        .text();
    assert!(preview.contains("data:image/svg+xml;base64,"), "{preview}");
    assert_eq!(
        one(&ana, "ana", id)["picture"],
        address.as_str(),
        "a preview keeps nothing"
    );
    ana.post_json(&format!("/wall/ana/stickers/{id}/settings"), &fields)
        .expect(200);
    let other = one(&ana, "ana", id);
    assert_ne!(
        other["picture"],
        address.as_str(),
        "another picture has another address"
    );
    assert_ne!(
        guest
            .get(other["picture"].as_str().expect("an address"))
            .expect(200)
            .text(),
        drawing.text()
    );
    ana.post_json(
        &format!("/wall/ana/stickers/{id}/settings"),
        &[(fields[0].0, "no-such-choice")],
    )
    .expect(422);
}

#[test]
fn a_picture_of_ones_own_is_seen_as_long_as_it_lies_there() {
    let server = Server::start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    let media = ana.uploaded("cat.png", &pictures::png(640, 480));
    bob.post_json("/wall/bob/stickers", &[("media", &media)]).expect(422);
    let shelf = ana.get("/wall/ana?edit=1&tab=stickers").text();
    assert!(
        shelf.contains(&format!("<option value=\"{media}\"")),
        "it can be chosen without a script"
    );
    let id = stick(&ana, "ana", &[("media", &media), ("alt", "my cat")]);
    let cat = one(&ana, "ana", id);
    assert_eq!((&cat["kind"], &cat["media"]), (&json!("image"), &json!(media)));
    let address = cat["picture"].as_str().expect("an address").to_owned();
    assert!(guest.get("/wall/ana").text().contains("aria-label=\"my cat\""));
    guest.get(&address).expect(200);
    let library = ana.get("/library").text();
    assert!(
        library.contains(&format!("/wall/ana#sticker-{id}")),
        "the library says where it is used"
    );

    let copy = ana
        .post_json(&format!("/wall/ana/stickers/{id}/duplicate"), &[])
        .expect(201)
        .json()["id"]
        .clone();
    ana.post_json(&format!("/wall/ana/stickers/{id}/remove"), &[])
        .expect(200);
    guest.get(&address).expect(200);
    ana.post_json(&format!("/wall/ana/stickers/{copy}/remove"), &[])
        .expect(200);
    guest.get(&address).expect(404);
    ana.post_json("/wall/ana/stickers/restore", &[("id", &id.to_string())])
        .expect(200);
    guest.get(&address).expect(200);
    ana.post(&format!("/library/{media}/delete"), &[]).expect(303);
    assert!(ids(&ana, "ana").is_empty(), "what shows it goes with it");
    assert!(!guest.get("/wall/ana").text().contains("my cat"));
}

#[test]
fn a_picture_that_moves_does_so_on_the_wall_and_in_plain_view_never() {
    let server = Server::start();
    let (ana, guest) = (server.person("ana"), server.guest());
    let (bar, dot) = (
        ana.uploaded("bar.gif", &pictures::gif(400, 100, 6)),
        ana.uploaded("dot.png", &pictures::png(60, 60)),
    );
    let small = stick(&ana, "ana", &[("media", &bar), ("width", "200"), ("alt", "a bar")]);
    let large = stick(&ana, "ana", &[("media", &bar), ("width", "400"), ("alt", "a bar")]);
    let still = stick(&ana, "ana", &[("media", &dot), ("alt", "a dot")]);
    let (full, medium) = (format!("/media/{bar}/full"), format!("/media/{bar}/medium"));
    let shown = |rest: &str| {
        format!(
            "<picture><source media=\"(prefers-reduced-motion: reduce)\" srcset=\"{rest}\"><img src=\"{full}\" alt=\"\" draggable=\"false\" loading=\"lazy\" decoding=\"async\"></picture>"
        )
    };
    let wall = guest.get("/wall/ana").text();
    assert!(wall.contains(&shown(&format!("/media/{bar}/small"))), "{wall}");
    assert!(wall.contains(&shown(&medium)), "{wall}");
    assert!(wall.contains(&format!("\"><img src=\"/media/{dot}/small\"")), "{wall}");
    assert_eq!(wall.matches("<picture>").count(), 2);
    let plain = guest.get("/wall/ana?plain=1").text();
    assert!(
        plain.contains(&format!("<img src=\"{medium}\"")) && !plain.contains(&full),
        "{plain}"
    );
    // Programs get both.
    for (id, moving) in [(small, json!(full)), (large, json!(full)), (still, Value::Null)] {
        assert_eq!(one(&ana, "ana", id)["moving"], moving);
    }
    assert_eq!(one(&ana, "ana", large)["picture"], json!(medium));
    guest.get(&full).expect(200);
}

#[test]
fn a_visitor_leaves_stickers_only_where_the_owner_lets_them() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let refused = bob
        .post_json("/wall/ana/stickers", &[("emoji", "🐝")])
        .expect(403)
        .text();
    assert!(refused.contains("takes no stickers"), "{refused}");
    assert!(!bob.get("/wall/ana").text().contains("Leave a sticker"));
    assert_eq!(bob.get("/wall/ana?edit=1&tab=stickers").see_other(), "/wall/ana");
    server
        .guest()
        .post("/wall/ana/stickers", &[("emoji", "🐝")])
        .expect(401);
    assert!(ids(&ana, "ana").is_empty());

    open(&ana, "ana");
    assert!(bob.get("/wall/ana").text().contains("Leave a sticker"));
    assert!(!server.guest().get("/wall/ana").text().contains("Leave a sticker"));
    let tray = bob.get("/wall/ana?edit=1&tab=stickers").expect(200).text();
    assert!(
        tray.contains("neo-sticker-tray") && !tray.contains("neo-wall-editor") && !tray.contains("Who may leave"),
        "his tray, and nothing that is hers"
    );
    let bee = stick(&bob, "ana", &[("emoji", "🐝")]);
    let hers = stick(&ana, "ana", &[("emoji", "🌙")]);
    assert!(server.guest().get("/wall/ana").text().contains("honeybee, left by bob"));

    // His own is his to move, and hers is not; cyd's is neither.
    let at = format!("/wall/ana/stickers/{bee}");
    bob.post_json(&at, &[("x", "3")]).expect(200);
    cyd.post_json(&at, &[("x", "4")]).expect(403);
    bob.post_json(&format!("/wall/ana/stickers/{hers}"), &[("x", "4")])
        .expect(403);
    bob.post_json(&format!("/wall/bob/stickers/{bee}"), &[("x", "4")])
        .expect(404);
    for what in ["stack", "duplicate", "remove"] {
        cyd.post_json(&format!("{at}/{what}"), &[("to", "front")]).expect(403);
    }
    bob.post_json("/wall/ana/stickers/clear", &[]).expect(403);
    bob.post_json("/wall/ana/stickers/allow", &[("visitors", "nobody")])
        .expect(403);

    // He takes it back, and thinks better of it.
    bob.post_json(&format!("{at}/remove"), &[]).expect(200);
    bob.post_json("/wall/ana/stickers/restore", &[("id", &bee.to_string())])
        .expect(200);
    // What she takes off stays off.
    ana.post_json(&format!("{at}/remove"), &[]).expect(200);
    bob.post_json("/wall/ana/stickers/restore", &[("id", &bee.to_string())])
        .expect(404);
    ana.post_json("/wall/ana/stickers/restore", &[("id", &bee.to_string())])
        .expect(200);

    for _ in 1..5 {
        stick(&bob, "ana", &[("emoji", "🐝")]);
    }
    let many = bob
        .post_json("/wall/ana/stickers", &[("emoji", "🐝")])
        .expect(409)
        .text();
    assert!(many.contains("at most 5"), "{many}");
    stick(&cyd, "ana", &[("emoji", "🍋")]);
    let cleared = ana
        .post_json("/wall/ana/stickers/clear", &[("user", "bob")])
        .expect(200)
        .json();
    assert_eq!(cleared["removed"].as_array().map(Vec::len), Some(5));
    assert_eq!(ids(&ana, "ana").len(), 2, "cyd's and her own");
    ana.post_json("/wall/ana/stickers/clear", &[]).expect(200);
    assert_eq!(ids(&ana, "ana"), [hers]);
}

#[test]
fn between_whom_one_has_blocked_the_other_there_are_no_stickers() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    open(&ana, "ana");
    open(&bob, "bob");
    let bee = stick(&bob, "ana", &[("emoji", "🐝")]);
    ana.post_json("/dm/bob/block", &[]).expect(200);
    assert!(ids(&server.guest(), "ana").is_empty(), "his is not shown");
    assert!(!server.guest().get("/wall/ana").text().contains("🐝"));
    let refused = bob
        .post_json("/wall/ana/stickers", &[("emoji", "🐝")])
        .expect(403)
        .text();
    assert!(
        refused.contains("takes no stickers from visitors just now"),
        "he learns no more than where nobody may: {refused}"
    );
    ana.post_json("/wall/bob/stickers", &[("emoji", "🌙")]).expect(403);
    bob.post_json(&format!("/wall/ana/stickers/{bee}"), &[("x", "1")])
        .expect(404);
    assert_eq!(bob.get("/wall/ana?edit=1&tab=stickers").see_other(), "/wall/ana");
    ana.post_json("/dm/bob/unblock", &[]).expect(200);
    assert_eq!(ids(&server.guest(), "ana"), [bee]);
}

#[test]
fn a_drag_is_seen_by_everyone_and_kept_by_nobody_until_it_is_let_go() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let id = stick(&ana, "ana", &[("emoji", "🐌"), ("x", "10"), ("y", "20")]);
    let (mover, other, guest) = (ana.live(), Live::open_json(&bob), server.guest().live());
    for live in [&mover, &other, &guest] {
        live.watch("wall:ana");
    }
    let gesture = |x: f64| json!({"event": "gesture", "topic": "wall:ana", "sticker": id, "x": x, "y": 40, "width": 96, "rotation": 7});
    mover.send(gesture(33.5));
    for live in [&other, &guest] {
        let seen = live.wait("gesture", |frame| frame["sticker"] == id);
        assert_eq!(
            (&seen["x"], &seen["y"], &seen["rotation"]),
            (&json!(33.5), &json!(40.0), &json!(7.0))
        );
    }
    assert_eq!(one(&ana, "ana", id)["x"], 10.0, "nothing is kept");
    // Beyond the wall it goes no further than its edge.
    mover.send(gesture(1e300));
    guest.wait("gesture", |frame| frame["x"] == 100.0);

    ana.post_json(&format!("/wall/ana/stickers/{id}"), &[("x", "33.5")])
        .expect(200);
    let kept = other.wait("sticker", |frame| frame["id"] == id);
    assert_eq!((&kept["x"], &kept["rev"]), (&json!(33.5), &json!(2)));
    for live in [&mover, &guest] {
        let patch = live.wait("patch", |frame| frame["target"] == "stickers");
        assert!(
            patch["html"]
                .as_str()
                .is_some_and(|html| html.contains("data-x=\"3350\""))
        );
    }
    ana.post_json(&format!("/wall/ana/stickers/{id}/remove"), &[])
        .expect(200);
    other.wait("sticker_removed", |frame| frame["id"] == id);
    guest.wait("patch", |frame| {
        frame["target"] == format!("sticker-{id}") && frame["mode"] == "remove"
    });

    // Not his to move; not there; not watched; nobody.
    let hers = stick(&ana, "ana", &[("emoji", "🌙")]);
    let refusal = |live: &Live, topic: &str, sticker: i64| {
        let frame =
            json!({"event": "gesture", "topic": topic, "sticker": sticker, "x": 1, "y": 1, "width": 96, "rotation": 0});
        live.ask(frame)["code"].clone()
    };
    assert_eq!(refusal(&other, "wall:ana", hers), "forbidden");
    assert_eq!(refusal(&other, "wall:ana", id), "not_found");
    assert_eq!(refusal(&other, "wall:bob", hers), "conflict");
    assert_eq!(refusal(&other, "system", hers), "invalid");
    assert_eq!(refusal(&guest, "wall:ana", hers), "unauthorized");
    assert!(
        mover.frames().iter().all(|frame| frame["event"] != "gesture"),
        "one is not told of one's own"
    );
}

#[test]
fn a_cursor_is_seen_where_both_like_it_and_gone_with_its_visitor() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let at = |live: &Live| live.ask(json!({"event": "cursor", "topic": "wall:ana", "x": 50, "y": 100}));
    let visit = |person: &Person| {
        let live = person.live();
        live.watch("wall:ana");
        live
    };
    let guest = visit(&server.guest());
    let shy = visit(&bob);
    assert_eq!(at(&shy)["code"], "forbidden", "nobody likes it");
    ana.post("/wall/ana/stickers/allow", &[("cursors", "on")]).expect(303);
    assert_eq!(at(&shy)["code"], "forbidden", "the owner alone likes it");
    bob.post("/settings/presence", &[("present", "on"), ("cursor", "on")])
        .expect(303);
    let seen = visit(&bob);
    assert_eq!(seen.frames()[0]["cursor"], true, "the greeting says that he likes it");
    seen.send(json!({"event": "cursor", "topic": "wall:ana", "x": 50, "y": 100}));
    let cursor = guest.wait("cursor", |frame| frame["user"] == "bob");
    assert_eq!(
        (&cursor["x"], &cursor["y"], &cursor["topic"]),
        (&json!(50.0), &json!(100.0), &json!("wall:ana"))
    );
    drop((seen, shy));
    guest.wait("cursor_gone", |frame| frame["user"] == "bob");
    bob.post("/settings/presence", &[("present", "on")]).expect(303);
    assert_eq!(visit(&bob).frames()[0]["cursor"], false);
    assert_eq!(
        server
            .guest()
            .live()
            .ask(json!({"event": "cursor", "topic": "wall:ana", "x": 1, "y": 1}))["code"],
        "unauthorized"
    );
}

#[test]
fn who_is_on_a_wall_is_told_where_its_owner_likes_it() {
    let mut server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let visit = |person: &Person| {
        let live = person.live();
        live.watch("wall:ana");
        live
    };
    let presences = |live: &Live| {
        let all = live.frames().into_iter().filter(|frame| frame["event"] == "presence");
        all.map(|frame| (frame["joined"].clone(), frame["left"].clone()))
            .collect::<Vec<_>>()
    };
    let allow = |fields: &[(&str, &str)]| ana.post_json("/wall/ana/stickers/allow", fields);
    let his = visit(&bob);
    assert_eq!(presences(&his)[0], (json!(["bob"]), json!([])));
    let hers = visit(&cyd);
    his.wait("presence", |frame| frame["joined"] == json!(["cyd"]));
    // What isn't said about it stays as it is: shown, unless the owner minds.
    assert_eq!(allow(&[("visitors", "members")]).expect(200).json()["presence"], true);
    let tray = "/wall/ana?edit=1&tab=stickers";
    assert!(ana.get(tray).text().contains("name=\"presence\" value=\"on\" checked"));
    let refused = allow(&[("presence", "maybe")]).expect(422).text();
    assert!(refused.contains("Say on or off."), "{refused}");

    assert_eq!(allow(&[("presence", "off")]).expect(200).json()["presence"], false);
    for live in [&his, &hers] {
        live.wait("presence", |frame| {
            frame["left"] == json!(["bob", "cyd"]) && frame["joined"] == json!([])
        });
    }
    assert!(ana.get(tray).text().contains("name=\"presence\" value=\"on\">"));
    // Who comes now is told of nobody, and nobody of them; nor of who goes.
    let told = presences(&his).len();
    let guest = visit(&server.guest());
    assert_eq!(presences(&guest), [(json!([]), json!([]))]);
    drop(hers);
    let owner = visit(&ana);
    assert_eq!(presences(&owner), [(json!([]), json!([]))], "its owner neither");
    // As the form sends it: the box, and behind it what counts without the box.
    ana.post(
        "/wall/ana/stickers/allow",
        &[("visitors", "nobody"), ("presence", "on"), ("presence", "off")],
    )
    .expect(303);
    let back = his.wait("presence", |_| true);
    assert!(
        back["joined"]
            .as_array()
            .is_some_and(|all| all.contains(&json!("ana")) && all.contains(&json!("bob")))
    );
    assert_eq!(presences(&his).len(), told + 1, "nothing was told in between");

    // It is remembered, and of this wall alone.
    allow(&[("presence", "off")]).expect(200);
    drop((his, guest, owner));
    server.stop();
    server.start_again();
    let bob = server.guest_called("bob");
    bob.log_in();
    let his = visit(&bob);
    assert_eq!(presences(&his), [(json!([]), json!([]))]);
    his.watch("wall:bob");
    assert_eq!(presences(&his)[1], (json!(["bob"]), json!([])));
}

#[test]
fn two_windows_that_move_the_same_sticker_end_alike() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = stick(&ana, "ana", &[("emoji", "🐌")]);
    let (here, there) = (Live::open_json(&ana), Live::open_json(&ana));
    here.watch("wall:ana");
    there.watch("wall:ana");
    std::thread::scope(|scope| {
        for window in 0..2 {
            let ana = &ana;
            scope.spawn(move || {
                for turn in 0..10 {
                    let x = (window * 50 + turn).to_string();
                    ana.post_json(&format!("/wall/ana/stickers/{id}"), &[("x", &x)])
                        .expect(200);
                }
            });
        }
    });
    let kept = one(&ana, "ana", id);
    assert_eq!(kept["rev"], 21);
    for live in [here, there] {
        let last = live.wait("sticker", |frame| frame["rev"] == 21);
        assert_eq!(last["x"], kept["x"]);
        let revs: Vec<_> = live.frames().iter().filter_map(|frame| frame["rev"].as_i64()).collect();
        assert!(revs.is_sorted(), "in the order in which they were kept: {revs:?}");
    }
}

#[test]
fn a_program_needs_its_scope() {
    let server = Server::start();
    let ana = server.person("ana");
    let (reader, writer) = (
        ana.program(&["walls:read"]),
        ana.program(&["walls:read", "walls:write"]),
    );
    let id = stick(&writer, "ana", &[("emoji", "🤖")]);
    assert_eq!(ids(&reader, "ana"), [id]);
    reader.post_json("/wall/ana/stickers", &[("emoji", "🤖")]).expect(403);
    reader
        .post_json(&format!("/wall/ana/stickers/{id}/remove"), &[])
        .expect(403);
    writer
        .post_json(&format!("/wall/ana/stickers/{id}/remove"), &[])
        .expect(200);
}

/// What on a page would run.
fn dangers(page: &str) -> Vec<String> {
    let page = scraper::Html::parse_document(page);
    let elements = page.root_element().descendent_elements().map(|element| element.value());
    let runs = |element: &&scraper::node::Element| {
        element.attrs().any(|(name, value)| {
            name.starts_with("on")
                || name == "autofocus"
                || value.trim().to_ascii_lowercase().starts_with("javascript:") && name == "href"
        }) || element.name() == "script" && element.attr("src").is_none_or(|from| !from.starts_with("/ui/"))
    };
    elements.filter(runs).map(|element| format!("{element:?}")).collect()
}

#[test]
fn nothing_that_is_typed_becomes_markup() {
    let server = Server::start();
    let ana = server.person("ana");
    let live = server.guest().live();
    live.watch("wall:ana");
    let known = markup::vectors();
    let known = known
        .iter()
        .map(|text| text.replace(['\n', '\r', '\t'], " "))
        .filter(|text| (1..=200).contains(&text.trim().chars().count()) && !text.contains('\0'));
    let more = [
        "\"><script>alert(1)</script>",
        "' onmouseover='alert(1)",
        "\" onfocus=\"alert(1)\" autofocus=\"",
        "<img src=x onerror=alert(1)>",
        "</neo-stickers><svg onload=alert(1)>",
        "{{ 7*7 }}",
        "&quot;&gt;&lt;script&gt;",
        "javascript:alert(1)",
        "\u{202e}drawkcab",
    ];
    for vector in more.map(str::to_owned).into_iter().chain(known.take(60)) {
        let id = stick(&ana, "ana", &[("emoji", "🐝"), ("alt", &vector)]);
        let patch = live.wait("patch", |frame| {
            frame["html"]
                .as_str()
                .is_some_and(|html| html.contains(&format!("sticker-{id}\"")))
        });
        let pages = [
            patch["html"].as_str().unwrap_or_default().to_owned(),
            server.guest().get("/wall/ana").text(),
            server.guest().get("/wall/ana?plain=1").text(),
            ana.get(&format!("/wall/ana?edit=1&tab=stickers&sticker={id}")).text(),
        ];
        for page in pages {
            let faults = dangers(&page);
            assert!(faults.is_empty(), "{vector}: {faults:?}");
        }
        assert_eq!(one(&ana, "ana", id)["alt"], vector.trim());
        ana.post_json(&format!("/wall/ana/stickers/{id}/remove"), &[])
            .expect(200);
    }
    let page = ana
        .post("/wall/ana/stickers", &[("emoji", "\"><script>alert(1)</script>")])
        .expect(422)
        .text();
    assert!(!page.contains("<script>alert"), "{page}");
    let page = ana
        .get("/wall/ana?edit=1&tab=stickers&find=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        .expect(200)
        .text();
    assert!(!page.contains("<script>alert"));
}
