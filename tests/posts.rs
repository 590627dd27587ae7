//! Posts: what members put up, how others see it, and what becomes of what was typed, edited, moved and deleted.

use neospace_tests::{Browser, Person, Server, markup, pictures};
use serde_json::Value;

/// Puts a post up as a program does; answers what the server says of it.
fn post(person: &Person, fields: &[(&str, &str)]) -> Value {
    let there = format!("/wall/{}/posts", person.name);
    person.post_json(&there, fields).expect(201).json()
}

/// Puts a text up; answers its id.
fn say(person: &Person, text: &str) -> i64 {
    post(person, &[("body", text)])["id"].as_i64().expect("an id")
}

/// The ids of the posts on a page, in their order.
fn ids(page: &str) -> Vec<i64> {
    page.split("<article class=\"post\" id=\"post-")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default().parse().expect("an id"))
        .collect()
}

/// The ids of the posts on somebody's wall, as a guest sees them.
fn on_wall(server: &Server, name: &str) -> Vec<i64> {
    ids(&server.guest().get(&format!("/wall/{name}")).expect(200).text())
}

#[test]
fn what_a_member_writes_stands_on_the_wall_and_at_an_address_of_its_own() {
    let server = Server::start();
    let ana = server.person("ana");
    let there = ana
        .post(
            "/wall/ana/posts",
            &[
                ("title", "How to hold a moth"),
                ("body", "You don't. You hold *still*, says @bob."),
            ],
        )
        .see_other();
    assert!(there.starts_with("/wall/ana#post-"), "{there}");
    let wall = server.guest().get("/wall/ana").expect(200).text();
    assert!(wall.contains("<h2>How to hold a moth</h2>") && wall.contains("hold <em>still</em>"));
    let id = ids(&wall)[0];
    let page = server.guest().get(&format!("/wall/ana/posts/{id}")).expect(200).text();
    assert!(page.contains("hold <em>still</em>") && page.contains("href=\"/wall/bob\""));
    let address = server.url(&format!("/wall/ana/posts/{id}"));
    for meta in [
        format!("<link rel=\"canonical\" href=\"{address}\">"),
        "<meta property=\"og:title\" content=\"How to hold a moth\">".into(),
        "<meta property=\"og:description\" content=\"You don&#39;t. You hold still, says @bob.\">".into(),
        format!("<meta property=\"og:url\" content=\"{address}\">"),
    ] {
        assert!(page.contains(&meta), "{meta} is not in {page}");
    }
    for nowhere in [
        "/wall/ana/posts/999",
        &format!("/wall/bob/posts/{id}"),
        "/wall/ana/posts/x",
    ] {
        server.guest().get(nowhere).expect(404);
    }
    let bob = server.person("bob");
    bob.get(&format!("/wall/bob/posts/{id}")).expect(404);
}

#[test]
fn the_newest_post_comes_first() {
    let server = Server::start();
    let ana = server.person("ana");
    let (first, second) = (say(&ana, "one"), say(&ana, "two"));
    assert_eq!(on_wall(&server, "ana"), [second, first]);
}

#[test]
fn nobody_posts_on_somebody_elses_wall_or_touches_what_stands_there() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let id = say(&ana, "mine");
    server.guest().post("/wall/ana/posts", &[("body", "hello")]).expect(401);
    for (path, fields) in [
        ("posts".to_owned(), &[("body", "yours")][..]),
        (format!("posts/{id}"), &[("body", "yours")]),
        (format!("posts/{id}/move"), &[("to", "top")]),
        (format!("posts/{id}/delete"), &[]),
        (format!("posts/{id}/restore"), &[]),
        ("posts/drafts".into(), &[("body", "yours")]),
    ] {
        bob.post(&format!("/wall/ana/{path}"), fields).expect(403);
    }
    // On bob's own wall ana's post doesn't exist.
    for what in ["", "/move", "/delete", "/restore"] {
        bob.post(
            &format!("/wall/bob/posts/{id}{what}"),
            &[("body", "yours"), ("to", "top")],
        )
        .expect(404);
    }
    for page in ["new".to_owned(), format!("{id}/edit")] {
        bob.get(&format!("/wall/ana/posts/{page}")).expect(403);
    }
    assert!(
        ana.get(&format!("/wall/ana/posts/{id}"))
            .expect(200)
            .text()
            .contains("mine")
    );
}

#[test]
fn what_cannot_be_a_post_is_refused_with_a_reason_and_comes_back_as_it_was_typed() {
    let server = Server::start();
    let ana = server.person("ana");
    let (long_title, long_body) = ("t".repeat(121), "ä".repeat(10_001));
    for (fields, field, reason) in [
        (&[("title", "only a title")][..], "body", "Type something first"),
        (&[("body", " \n ")], "body", "Type something first"),
        (&[("title", &long_title), ("body", "x")], "title", "at most 120"),
        (&[("body", &long_body)], "body", "at most 10000"),
        (&[("kind", "poem"), ("body", "x")], "kind", "one of these"),
    ] {
        let problem = ana.post_json("/wall/ana/posts", fields).expect(422).json();
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        assert!(
            problem["errors"][0]["message"]
                .as_str()
                .is_some_and(|why| why.contains(reason)),
            "{problem}"
        );
    }
    let page = ana
        .post(
            "/wall/ana/posts",
            &[("title", &long_title), ("body", "a <b>careful</b> thought")],
        )
        .expect(422);
    assert!(page.text().contains("a &lt;b&gt;careful&lt;/b&gt; thought") && page.text().contains(&long_title));
    assert!(page.text().contains("at most 120"));
    assert!(on_wall(&server, "ana").is_empty());
}

#[test]
fn an_edit_shows_and_anyone_can_read_what_it_said_before() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = say(&ana, "low water at **five**");
    let (page, history) = (format!("/wall/ana/posts/{id}"), format!("/wall/ana/posts/{id}/history"));
    assert!(
        ana.get(&format!("{page}/edit"))
            .expect(200)
            .text()
            .contains("low water at **five**")
    );
    assert!(!server.guest().get(&page).text().contains("edited"));
    assert_eq!(
        ana.post(&page, &[("title", "Tides"), ("body", "low water at **six**")])
            .see_other(),
        page
    );
    // The very same again is no edit.
    ana.post(&page, &[("title", "Tides"), ("body", "low water at **six**")])
        .see_other();
    let shown = server.guest().get(&page).text();
    assert!(shown.contains("<strong>six</strong>") && shown.contains(&format!("href=\"{history}\">edited")));
    assert!(server.guest().get("/wall/ana").text().contains("<strong>six</strong>"));
    let before = server.guest().get(&history).expect(200).text();
    assert!(before.contains("<strong>five</strong>") && !before.contains("<h2>Tides</h2>"));
    let data = server.guest().get_json(&history).expect(200).json();
    assert_eq!(data["edits"].as_array().map(Vec::len), Some(1));
    assert_eq!(data["edits"][0]["body"], "low water at **five**");
    assert_eq!(data["post"]["body"], "low water at **six**");
}

#[test]
fn a_deleted_post_is_seen_by_nobody_and_can_be_put_back_where_it_was() {
    let server = Server::start();
    let ana = server.person("ana");
    let (one, two, three) = (say(&ana, "one"), say(&ana, "two"), say(&ana, "three"));
    let page = format!("/wall/ana/posts/{two}");
    ana.post(&format!("{page}/delete"), &[]).see_other();
    assert_eq!(on_wall(&server, "ana"), [three, one]);
    for who in [&server.guest(), &ana] {
        who.get(&page).expect(404);
        who.get(&format!("{page}/history")).expect(404);
    }
    ana.post(&format!("{page}/delete"), &[]).expect(404);
    ana.post(&page, &[("body", "other")]).expect(404);
    ana.post(&format!("{page}/restore"), &[]).see_other();
    assert_eq!(on_wall(&server, "ana"), [three, two, one]);
    server.guest().get(&page).expect(200);
    // After thirty days it is gone.
    ana.post(&format!("{page}/delete"), &[]).see_other();
    let month = 30 * 24 * 3_600_000_i64 + 1;
    rusqlite::Connection::open(server.data().join("neospace.db"))
        .expect("the database can be opened")
        .execute(
            "update posts set removed_at = removed_at - ?1 where id = ?2",
            [month, two],
        )
        .expect("the database can be written");
    ana.post(&format!("{page}/restore"), &[]).expect(404);
}

#[test]
fn a_post_that_comes_back_shares_no_place_with_one_that_came_meanwhile() {
    let server = Server::start();
    let ana = server.person("ana");
    let (one, two) = (say(&ana, "one"), say(&ana, "two"));
    ana.post(&format!("/wall/ana/posts/{two}/delete"), &[]).see_other();
    let three = say(&ana, "three");
    ana.post(&format!("/wall/ana/posts/{two}/restore"), &[]).see_other();
    let both = on_wall(&server, "ana");
    assert_eq!(both.len(), 3);
    assert_eq!(both[2], one);
    // Whichever is above: it can be moved down, and the other one up.
    ana.post(&format!("/wall/ana/posts/{}/move", both[0]), &[("to", "down")])
        .see_other();
    assert_eq!(on_wall(&server, "ana"), [both[1], both[0], one]);
    assert!(both.contains(&two) && both.contains(&three));
}

#[test]
fn an_owner_puts_posts_in_another_order() {
    let server = Server::start();
    let ana = server.person("ana");
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|text| say(&ana, text));
    let moved = |id: i64, field: &str, value: &str| {
        ana.post(&format!("/wall/ana/posts/{id}/move"), &[(field, value)])
            .see_other();
        on_wall(&server, "ana")
    };
    assert_eq!(on_wall(&server, "ana"), [d, c, b, a]);
    assert_eq!(moved(a, "to", "up"), [d, c, a, b]);
    assert_eq!(moved(d, "to", "down"), [c, d, a, b]);
    assert_eq!(moved(b, "to", "top"), [b, c, d, a]);
    assert_eq!(moved(b, "to", "up"), [b, c, d, a], "it is first already");
    assert_eq!(moved(b, "to", "bottom"), [c, d, a, b]);
    assert_eq!(moved(b, "to", "down"), [c, d, a, b], "it is last already");
    assert_eq!(moved(b, "above", &d.to_string()), [c, b, d, a]);
    assert_eq!(moved(b, "above", ""), [c, d, a, b]);
    assert_eq!(moved(b, "below", &c.to_string()), [c, b, d, a]);
    assert_eq!(moved(b, "below", &a.to_string()), [c, d, a, b]);
    assert_eq!(moved(b, "below", &a.to_string()), [c, d, a, b]);
    // As often between the same two as anybody likes.
    for _ in 0..80 {
        moved(a, "above", &d.to_string());
        moved(b, "above", &a.to_string());
        assert_eq!(moved(a, "above", &b.to_string()), [c, a, b, d]);
    }
    let e = say(&ana, "e");
    assert_eq!(on_wall(&server, "ana"), [e, c, a, b, d]);
    for wrong in [("to", "sideways"), ("above", "x")] {
        ana.post(&format!("/wall/ana/posts/{a}/move"), &[wrong]).expect(422);
    }
    ana.post(&format!("/wall/ana/posts/{a}/move"), &[("above", "999")])
        .expect(404);
}

#[test]
fn a_long_wall_is_read_page_by_page_without_gaps_or_repeats() {
    let server = Server::start();
    let ana = server.person("ana");
    let mut expected: Vec<i64> = (0..120).map(|n| say(&ana, &format!("post number {n}"))).collect();
    expected.reverse();
    let wall = server.guest().get("/wall/ana").expect(200);
    let mut seen = ids(&wall.text());
    assert_eq!(seen.len(), 50);
    let mut next = Some(wall.between("href=\"/wall/ana/posts?before=", "\""));
    while let Some(before) = next {
        let page = server
            .guest()
            .get(&format!("/wall/ana/posts?before={before}"))
            .expect(200)
            .text();
        seen.extend(ids(&page));
        next = page
            .split_once("href=\"/wall/ana/posts?before=")
            .map(|(_, rest)| rest.split('"').next().unwrap_or_default().to_owned());
    }
    assert_eq!(seen, expected);
    let program = server.guest().get_json("/wall/ana/posts");
    let first = program.expect(200).json();
    assert_eq!(first["posts"].as_array().map(Vec::len), Some(50));
    assert!(
        first["next"]
            .as_str()
            .is_some_and(|next| next.starts_with("/wall/ana/posts?before="))
    );
    for wrong in ["x", "1", "1.x", "%00"] {
        let answer = server.guest().get(&format!("/wall/ana/posts?before={wrong}"));
        assert!(
            matches!(answer.status, 400 | 404),
            "{wrong} was answered by {}",
            answer.status
        );
    }
}

#[test]
fn a_draft_keeps_whatever_was_typed_until_it_is_published_or_thrown_away() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let there = ana
        .post(
            "/wall/ana/posts/drafts",
            &[("title", "half a th"), ("body", "and \"so\" on <i>\n")],
        )
        .see_other();
    let id = there
        .strip_prefix("/wall/ana/posts/new?draft=")
        .expect("the way on")
        .to_owned();
    let page = ana.get(&there).expect(200);
    assert_eq!(page.field("title"), "half a th");
    assert!(page.text().contains("and &quot;so&quot; on &lt;i&gt;"));
    bob.get(&format!("/wall/bob/posts/new?draft={id}")).expect(404);
    bob.post(&format!("/wall/bob/posts/drafts/{id}/delete"), &[])
        .expect(404);
    assert!(!server.guest().get("/wall/ana").text().contains("half a th"));
    assert!(
        ana.get("/wall/ana?edit=1&tab=posts")
            .expect(200)
            .text()
            .contains(&there)
    );
    // Saved again, it stays one.
    let saved = ana
        .post_json("/wall/ana/posts/drafts", &[("draft", &id), ("title", "half a thought")])
        .expect(200)
        .json();
    assert_eq!(saved["draft"].to_string(), id);
    ana.post(
        "/wall/ana/posts",
        &[("draft", &id), ("title", "A thought"), ("body", "whole")],
    )
    .see_other();
    ana.get(&there).expect(404);
    // A window that still has it open loses nothing.
    let again = ana
        .post_json("/wall/ana/posts/drafts", &[("draft", &id), ("body", "and another")])
        .expect(200)
        .json();
    assert_ne!(again["draft"].to_string(), id);
    ana.post(&format!("/wall/ana/posts/drafts/{}/delete", again["draft"]), &[])
        .see_other();
    // Nothing typed is no draft.
    let nothing = ana
        .post_json("/wall/ana/posts/drafts", &[("kind", "text"), ("body", " ")])
        .expect(200)
        .json();
    assert_eq!(nothing["draft"], Value::Null);
    for n in 0..50 {
        ana.post_json("/wall/ana/posts/drafts", &[("body", &format!("draft {n}"))])
            .expect(200);
    }
    let full = ana
        .post_json("/wall/ana/posts/drafts", &[("body", "one too many")])
        .expect(409)
        .json();
    assert!(
        full["detail"].as_str().is_some_and(|why| why.contains("50 drafts")),
        "{full}"
    );
}

#[test]
fn changes_of_a_post_that_are_not_kept_yet_wait_in_its_form() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = say(&ana, "as it stands");
    let (page, edit) = (format!("/wall/ana/posts/{id}"), format!("/wall/ana/posts/{id}/edit"));
    let number = id.to_string();
    for text in ["half", "half a change"] {
        ana.post_json("/wall/ana/posts/drafts", &[("post", &number), ("body", text)])
            .expect(200);
    }
    assert!(ana.get(&edit).text().contains("half a change"));
    assert!(server.guest().get(&page).text().contains("as it stands"));
    ana.post(&page, &[("body", "a whole change")]).see_other();
    let form = ana.get(&edit).text();
    assert!(form.contains("a whole change") && !form.contains("half a change"));
}

#[test]
fn everyone_on_the_wall_sees_posts_come_change_move_and_go() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (own, others) = (ana.live(), bob.live());
    own.watch("wall:ana");
    others.watch("wall:ana");
    let id = say(&ana, "*new* here");
    let first = others.wait("patch", |frame| frame["target"] == "posts-list");
    assert_eq!(first["mode"], "prepend");
    let html = first["html"].as_str().expect("markup");
    assert!(html.contains("<em>new</em>") && !html.contains("post-tools"), "{html}");
    let hers = own.wait("patch", |frame| frame["target"] == "posts-list");
    assert!(hers["html"].as_str().is_some_and(|html| html.contains("post-tools")));
    let target = format!("post-{id}");
    ana.post(&format!("/wall/ana/posts/{id}"), &[("body", "changed")])
        .see_other();
    let edited = others.wait("patch", |frame| frame["target"] == target.as_str());
    assert!(edited["mode"] == "morph" && edited["html"].as_str().is_some_and(|html| html.contains("changed")));
    let second = say(&ana, "second");
    ana.post(&format!("/wall/ana/posts/{second}/move"), &[("to", "down")])
        .see_other();
    let ordered = others.wait("patch", |frame| {
        frame["target"] == "posts-list" && frame["mode"] == "morph"
    });
    assert_eq!(ids(ordered["html"].as_str().expect("markup")), [id, second]);
    ana.post(&format!("/wall/ana/posts/{id}/delete"), &[]).see_other();
    others.wait("patch", |frame| {
        frame["target"] == target.as_str() && frame["mode"] == "remove"
    });
    ana.post(&format!("/wall/ana/posts/{id}/restore"), &[]).see_other();
    let back = others.wait("patch", |frame| {
        frame["target"] == "posts-list" && ids(frame["html"].as_str().unwrap_or_default()).len() == 2
    });
    assert_eq!(ids(back["html"].as_str().expect("markup")), [id, second]);
}

#[test]
fn programs_post_within_their_scopes() {
    let server = Server::start();
    let ana = server.person("ana");
    let (reader, writer) = (ana.program(&["walls:read"]), ana.program(&["walls:write"]));
    reader.post_json("/wall/ana/posts", &[("body", "x")]).expect(403);
    let made = writer
        .post_json("/wall/ana/posts", &[("title", "By machine"), ("body", "*beep*")])
        .expect(201)
        .json();
    let page = made["href"].as_str().expect("an address").to_owned();
    assert_eq!(made["html"], "<p><em>beep</em></p>");
    writer.get(&page).expect(403);
    let read = reader.get(&page).expect(200).json();
    assert_eq!(
        (&read["title"], &read["kind"], &read["wall"]),
        (&"By machine".into(), &"text".into(), &"ana".into())
    );
    let changed = writer.post_json(&page, &[("body", "boop")]).expect(200).json();
    assert!(changed["edited_at"].is_i64(), "{changed}");
    writer.post_json(&format!("{page}/delete"), &[]).expect(200);
    reader.get(&page).expect(404);
    writer.post_json(&format!("{page}/restore"), &[]).expect(200);
    let draft = writer
        .post_json("/wall/ana/posts/drafts", &[("body", "later")])
        .expect(200)
        .json();
    writer
        .post_json(&format!("/wall/ana/posts/drafts/{}/delete", draft["draft"]), &[])
        .expect(200);
}

#[test]
fn no_markup_of_a_member_becomes_markup_of_a_page() {
    let server = Server::start();
    let ana = server.person("ana");
    for vector in markup::vectors() {
        let fields = [("title", vector.as_str()), ("body", vector.as_str())];
        let fits = vector.chars().count() <= 120 && !vector.chars().any(char::is_control);
        let answer = ana.post_json("/wall/ana/posts", if fits { &fields } else { &fields[1..] });
        if matches!(answer.status, 400 | 422) {
            continue;
        }
        let id = answer.expect(201).json()["id"].as_i64().expect("an id");
        for page in [format!("/wall/ana/posts/{id}"), format!("/wall/ana/posts/{id}/edit")] {
            let html = ana.get(&page).expect(200).text();
            if let Some(fault) = markup::page_fault(&html) {
                panic!("{page} after {vector:?}: {fault}");
            }
            let shown = html.split_once("<div class=\"text\" dir=\"auto\">");
            if let Some((_, shown)) = shown {
                let text = shown.split_once("</div>").map_or(shown, |(text, _)| text);
                let text = text.split_once("</h2>").map_or(text, |(_, text)| text);
                assert_eq!(markup::fault(text), None, "{page} after {vector:?}");
            }
        }
    }
    for page in ["/wall/ana", "/wall/ana/posts", "/wall/ana?edit=1&tab=posts"] {
        if let Some(fault) = markup::page_fault(&ana.get(page).expect(200).text()) {
            panic!("{page}: {fault}");
        }
    }
}

#[test]
fn what_is_typed_is_kept_as_one_types_and_published_with_the_keyboard() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let browser = Browser::start();
    let (hers, his) = (browser.page_of(&ana), browser.page_of(&bob));
    his.goto(&server.url("/wall/ana")).wait_for("neo-wall");
    hers.goto(&server.url("/wall/ana/posts/new"))
        .wait_for("neo-compose:defined");
    hers.focus("#post-title").type_text("Night fliers");
    hers.press("Tab").type_text("one garden carpet");
    hers.wait_until("document.querySelector('[data-saved]').textContent.includes('Saved')");
    // Another window, or tomorrow: it is all there.
    let draft = hers
        .eval("document.querySelector('[name=draft]').value")
        .as_str()
        .expect("an id")
        .to_owned();
    let page = ana.get(&format!("/wall/ana/posts/new?draft={draft}")).expect(200);
    assert_eq!(page.field("title"), "Night fliers");
    hers.type_text(", one moth");
    hers.press("Tab").press("Enter");
    hers.wait_for_path("/wall/ana");
    his.wait_for(".post");
    assert_eq!(his.text(".post .text p"), "one garden carpet, one moth");
    ana.get(&format!("/wall/ana/posts/new?draft={draft}")).expect(404);
    for page in [&hers, &his] {
        page.check();
    }
}

#[test]
fn what_is_typed_while_the_line_is_down_is_still_there_afterwards() {
    let server = Server::start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/wall/ana/posts/new"))
        .wait_for("neo-compose:defined");
    page.allow("ERR_INTERNET_DISCONNECTED");
    page.offline(true);
    page.fill("#post-body", "the lamp is out");
    page.wait_until("document.querySelector('[data-saved]').textContent.includes('line is down')");
    page.offline(false);
    page.goto(&server.url("/wall/ana/posts/new"))
        .wait_for("neo-compose:defined");
    page.wait_until("document.querySelector('#post-body').value === 'the lamp is out'");
    page.check();
}

#[test]
fn an_owner_moves_and_deletes_posts_in_place_with_the_keyboard() {
    let server = Server::start();
    let ana = server.person("ana");
    let (one, two) = (say(&ana, "one"), say(&ana, "two"));
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/wall/ana?edit=1&tab=posts"))
        .wait_for("neo-posts:defined");
    page.focus(&format!("#post-{two} button[value=down]")).press("Enter");
    page.wait_until(&format!(
        "document.querySelector('#posts-list').lastElementChild.id === 'post-{two}' && document.getElementById('said').textContent === 'Moved.'"
    ));
    assert_eq!(on_wall(&server, "ana"), [one, two]);
    page.focus(&format!("#post-{two} form[action$=delete] button"))
        .press("Enter");
    page.wait_gone(&format!("#post-{two}")).wait_for("#undo");
    assert_eq!(on_wall(&server, "ana"), [one]);
    page.focus("#undo button").press("Enter");
    page.wait_for(&format!("#post-{two}")).wait_gone("#undo");
    assert_eq!(on_wall(&server, "ana"), [one, two]);
    page.check();
}

#[test]
fn pictures_are_shown_with_what_they_show_and_their_files_are_as_public_as_the_post() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (jar, trap) = (
        ana.uploaded("jar.jpg", &pictures::jpeg(2_000, 1_000)),
        ana.uploaded("trap.png", &pictures::png(40, 30)),
    );
    let file = format!("/media/{jar}/medium");
    server.guest().get(&file).expect(404);
    let there = ana
        .post(
            "/wall/ana/posts",
            &[
                ("kind", "image"),
                ("media-1", &jar),
                ("alt-1", "A jar with a \"lamp\" in it"),
                ("media-2", ""),
                ("media-3", &trap),
                ("alt-3", "The trap"),
                ("body", "Copied *twice*."),
            ],
        )
        .see_other();
    let id: i64 = there.rsplit('-').next().expect("an id").parse().expect("a number");
    let wall = server.guest().get("/wall/ana").expect(200).text();
    let shown =
        format!("<img src=\"{file}\" alt=\"A jar with a &quot;lamp&quot; in it\" width=\"1280\" height=\"640\"");
    assert!(wall.contains(&shown), "{shown} is not in {wall}");
    assert!(wall.find("A jar with") < wall.find("alt=\"The trap\"") && wall.contains("Copied <em>twice</em>."));
    server.guest().get(&file).expect(200);
    let page = server.guest().get(&format!("/wall/ana/posts/{id}")).text();
    assert!(page.contains(&format!(
        "<meta property=\"og:image\" content=\"{}\">",
        server.url(&file)
    )));
    let data = ana
        .program(&["walls:read"])
        .get(&format!("/wall/ana/posts/{id}"))
        .json();
    assert_eq!(data["pictures"][1]["alt"], "The trap");
    // In the form they stand as they are; a program names them in order.
    let form = ana.get(&format!("/wall/ana/posts/{id}/edit")).expect(200);
    assert_eq!(form.field("alt-2"), "The trap");
    let edited = [
        ("media", &*trap),
        ("alt", "The trap, upside down"),
        ("body", "Copied thrice."),
    ];
    ana.post_json(&format!("/wall/ana/posts/{id}"), &edited).expect(200);
    server.guest().get(&file).expect(404);
    let history = server.guest().get(&format!("/wall/ana/posts/{id}/history")).text();
    assert!(history.contains("A jar with a &quot;lamp&quot; in it"));
    // A deleted post shows nothing; put back, it shows everything.
    let trap_file = format!("/media/{trap}/full");
    server.guest().get(&trap_file).expect(200);
    ana.post(&format!("/wall/ana/posts/{id}/delete"), &[]).see_other();
    server.guest().get(&trap_file).expect(404);
    ana.get(&trap_file).expect(200);
    ana.post(&format!("/wall/ana/posts/{id}/restore"), &[]).see_other();
    server.guest().get(&trap_file).expect(200);
    // Somebody else's pictures are not to be had, nor what isn't there.
    for (who, fields) in [
        (&bob, &[("kind", "image"), ("media", &*jar)][..]),
        (&bob, &[("kind", "image"), ("media", "nothing")]),
        (&bob, &[("kind", "image"), ("body", "none")]),
        (&ana, &[("kind", "image"), ("media", &jar), ("media", &jar)]),
        (&ana, &[("kind", "image"), ("media", &jar), ("alt", &"x".repeat(501))]),
    ] {
        let problem = who
            .post_json(&format!("/wall/{}/posts", who.name), fields)
            .expect(422)
            .json();
        assert_eq!(problem["errors"][0]["field"], "media", "{problem}");
    }
    // Taken out of the library, it leaves its words.
    ana.post(&format!("/library/{trap}/delete"), &[]).see_other();
    let wall = server.guest().get("/wall/ana").text();
    assert!(wall.contains("A picture hung here: The trap, upside down.") && !wall.contains(&trap));
}

#[test]
fn a_picture_of_a_post_that_moves_does_so_unless_one_sees_walls_plainly() {
    let server = Server::start();
    let (ana, guest) = (server.person("ana"), server.guest());
    let bar = ana.uploaded("bar.gif", &pictures::gif(400, 100, 6));
    let id = post(&ana, &[("kind", "image"), ("media", &bar), ("alt", "A bar")])["id"].clone();
    let rest = "alt=\"A bar\" width=\"400\" height=\"100\" loading=\"lazy\" decoding=\"async\">";
    let moves = format!(
        "<picture><source media=\"(prefers-reduced-motion: reduce)\" srcset=\"/media/{bar}/medium\"><img src=\"/media/{bar}/full\" {rest}</picture></a>"
    );
    let still = format!("<img src=\"/media/{bar}/medium\" {rest}</a>");
    for at in [
        "/wall/ana".to_owned(),
        "/public-feed".to_owned(),
        format!("/wall/ana/posts/{id}"),
    ] {
        let page = guest.get(&at).expect(200).text();
        assert!(page.contains(&moves), "{at}: {moves} is not in {page}");
        let plain = guest.get(&format!("{at}?plain=1")).expect(200).text();
        if at != "/public-feed" {
            assert!(plain.contains(&still) && !plain.contains("<picture>"), "{at}: {plain}");
        }
    }
    let data = ana
        .program(&["walls:read"])
        .get(&format!("/wall/ana/posts/{id}"))
        .json();
    assert_eq!(data["pictures"][0]["animated"], true);
    // Where it lies in a feed, or stands for a page elsewhere, it is at rest.
    let feed = guest.get("/wall/ana/feed.json").expect(200).text();
    assert!(feed.contains(&format!("/media/{bar}/medium")), "{feed}");
}

#[test]
fn who_asks_for_less_motion_sees_pictures_that_move_at_rest() {
    let server = Server::start();
    let ana = server.person("ana");
    let bar = ana.uploaded("bar.gif", &pictures::gif(400, 100, 6));
    post(&ana, &[("kind", "image"), ("media", &bar), ("alt", "A bar")]);
    ana.post_json("/wall/ana/stickers", &[("media", &bar), ("width", "400")])
        .expect(201);
    ana.post("/rooms/lobby/join", &[]).see_other();
    ana.post_json("/rooms/lobby/messages", &[("content", "look"), ("picture", &bar)])
        .expect(201);
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    for (at, pictures) in [
        ("/wall/ana", &[".post-pictures img", ".stick img"][..]),
        ("/desk?room=lobby", &[".log .pictures img"]),
    ] {
        for (moves, shown) in [(false, "medium"), (true, "full")] {
            page.scheme("light");
            if moves {
                page.moving();
            }
            page.viewport(1280, 900).goto(&server.url(at));
            for picture in pictures {
                let address = format!("/media/{bar}/{shown}");
                page.wait_for(picture).wait_until(&format!(
                    "(() => {{ const it = document.querySelector('{picture}'); it.scrollIntoView(); return it.complete && it.naturalWidth === 400 && it.currentSrc.endsWith('{address}') }})()"
                ));
                // As wide as it is where nothing moves: what is around it has no box of its own.
                assert_eq!(
                    page.eval(&format!(
                        "(() => {{ const it = document.querySelector('{picture}').getBoundingClientRect(); return Math.round(it.width / it.height) }})()"
                    )),
                    4,
                    "{picture}"
                );
            }
        }
        let asked = page.requests();
        assert!(asked.iter().any(|url| url.ends_with("/medium")) && asked.iter().any(|url| url.ends_with("/full")));
    }
    // On a telephone stickers lie on a sheet, none higher than that.
    page.viewport(390, 844).goto(&server.url("/wall/ana"));
    page.wait_until("document.querySelector('.stick img').getBoundingClientRect().width === 64");
    assert!(!page.overflows());
    page.check();
}

#[test]
fn an_owner_carries_posts_with_the_mouse_and_with_arrow_keys() {
    let server = Server::start();
    let ana = server.person("ana");
    let [one, two, three] = ["one", "two", "three"].map(|text| say(&ana, text));
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.viewport(1280, 1400)
        .goto(&server.url("/wall/ana?edit=1&tab=posts"))
        .wait_for("neo-posts:defined");
    let said = "document.getElementById('said').textContent === 'Moved.'";
    page.drag_onto(
        &format!("#post-{three} .post-grip"),
        &format!("#post-{one}"),
        (0.5, 0.95),
    );
    page.wait_until(said);
    assert_eq!(on_wall(&server, "ana"), [two, one, three]);
    page.eval("document.getElementById('said').textContent = ''");
    page.focus(&format!("#post-{one} .post-grip")).press("ArrowUp");
    page.wait_until(said);
    assert_eq!(on_wall(&server, "ana"), [one, two, three]);
    assert!(page.has(&format!("#post-{one} .post-grip:focus")));
    page.check();
}

#[test]
fn a_script_post_runs_where_it_stands_when_somebody_presses_it() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let source = "console.log('it runs'); context.fillRect(0, 0, canvas.width, 40)";
    let made = bob.post_json("/sandbox", &[("mode", "canvas"), ("title", "bars"), ("source", source)]);
    let script = made.expect(201).json()["id"].as_str().expect("an id").to_owned();
    ana.post_json("/wall/ana/posts", &[("kind", "script"), ("script", &script)])
        .expect(422);
    bob.post_json(&format!("/sandbox/{script}/versions"), &[("publish", "on")])
        .expect(200);
    let browser = Browser::start();
    let guest = browser.page();
    // What Chromium says about the headers of the frame is no fault of ours.
    for said in [
        "Permissions-Policy",
        "Permissions policy violation",
        "directive 'webrtc'",
    ] {
        guest.allow(said);
    }
    let watcher = browser.page();
    watcher.goto(&server.url("/wall/ana"));
    watcher.wait_until("document.querySelector('.here-now').textContent.includes('passer-by')");
    let id = post(
        &ana,
        &[
            ("kind", "script"),
            ("script", &script),
            ("body", "look what **bob** made"),
        ],
    )["id"]
        .clone();
    // It comes to a wall that is open, on which nothing ran before.
    watcher.wait_for(&format!("#post-{id} neo-frame"));
    for path in [
        "/wall/ana".to_owned(),
        format!("/wall/ana/posts/{id}"),
        "/public-feed".into(),
    ] {
        guest
            .goto(&server.url(&path))
            .wait_until("customElements.get('neo-frame')");
        let post = format!("#post-{id}");
        guest.wait_for(&format!("{post} .text strong \"bob\""));
        assert!(!guest.has(&format!("{post} iframe")), "it runs by itself at {path}");
        guest.eval(
            "window.lines = []; document.addEventListener('frame:console', ({ detail }) => lines.push(detail.text))",
        );
        guest.click(&format!("{post} [data-run]"));
        guest.wait_until("lines.includes('it runs')");
        guest.wait_until(&format!(
            "document.querySelector('{post} neo-frame').state === 'running'"
        ));
        guest.click(&format!("{post} [data-stop]"));
        guest.wait_gone(&format!("{post} iframe"));
        guest.check_accessibility();
    }
    guest.screenshot("post-script-1280");
    guest.goto(&server.url("/public-feed?plain=1"));
    guest.wait_for(&format!("#post-{id} a \"The sketch of this post\""));
    assert!(!guest.has("neo-frame"));
    guest.check();
    // Its author keeps it to himself again.
    bob.post_json(&format!("/sandbox/{script}/details"), &[("visibility", "private")])
        .expect(200);
    guest
        .goto(&server.url("/public-feed"))
        .wait_for(".post .gone \"A sketch ran here\"");
}

#[test]
fn every_page_of_posts_is_accessible_and_fits_a_phone() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = say(
        &ana,
        "low water at **five**\n\n> bring boots\n\n- a\n- b\n\n```\nlet tide = -2\n```",
    );
    ana.post(
        &format!("/wall/ana/posts/{id}"),
        &[
            ("title", "Tides"),
            ("body", "low water at **six**\n\n> bring boots\n\n`tide` <b>"),
        ],
    )
    .see_other();
    say(
        &ana,
        "averyveryveryveryveryveryveryveryveryveryveryveryveryveryveryverylongword",
    );
    ana.post_json("/wall/ana/posts/drafts", &[("body", "half a thought")])
        .expect(200);
    let jar = ana.uploaded("jar.jpg", &pictures::jpeg(1_200, 800));
    let dot = ana.uploaded("dot.png", &pictures::png(400, 300));
    post(
        &ana,
        &[
            ("kind", "image"),
            ("media", &jar),
            ("alt", "A jar"),
            ("media", &dot),
            ("alt", "A dot"),
            ("body", "The trap, seen from the *moth's* side."),
        ],
    );
    post(
        &ana,
        &[
            ("kind", "link"),
            (
                "url",
                "https://fieldguide.invalid/a/very/long/address/that/goes/on/and/on",
            ),
        ],
    );
    let gone = say(&ana, "gone");
    ana.post(&format!("/wall/ana/posts/{gone}/delete"), &[]).see_other();
    let browser = Browser::start();
    let (own, guest) = (browser.page_of(&ana), browser.page());
    let pages = [
        ("wall", "/wall/ana".to_owned()),
        ("list", "/wall/ana/posts".into()),
        ("permalink", format!("/wall/ana/posts/{id}")),
        ("history", format!("/wall/ana/posts/{id}/history")),
        ("edit-mode", "/wall/ana?edit=1&tab=posts".into()),
        ("new", "/wall/ana/posts/new".into()),
        ("new-image", "/wall/ana/posts/new?kind=image".into()),
        ("new-link", "/wall/ana/posts/new?kind=link".into()),
        ("edit", format!("/wall/ana/posts/{id}/edit")),
    ];
    for (width, height) in [(1280, 900), (390, 844)] {
        for (nth, (name, path)) in pages.iter().enumerate() {
            for (who, page) in [("own", &own), ("guest", &guest)] {
                if who == "guest" && nth > 3 {
                    continue;
                }
                page.viewport(width, height).goto(&server.url(path)).wait_for("main");
                page.check_accessibility();
                assert!(!page.overflows(), "{path} is wider than {width} px");
                page.screenshot(&format!("posts-{name}-{who}-{width}"));
            }
        }
    }
    own.check();
    guest.check();
}
