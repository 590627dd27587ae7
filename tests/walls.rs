//! Walls: what a visitor sees, what an owner changes, with JavaScript and without, alone and in company.

use neospace_tests::{Browser, Person, Server};

/// A server with what a new wall begins with.
fn server() -> Server {
    Server::builder().plugins(&["mood", "clock", "countdown"]).start()
}

/// The ids of the modules on somebody's wall, in their order.
fn modules(person: &Person, wall: &str) -> Vec<String> {
    let page = person.get(&format!("/wall/{wall}")).expect(200).text();
    page.split("<neo-module id=\"module-")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
        .collect()
}

/// Puts a plugin on somebody's own wall; answers the module's id.
fn put_up(person: &Person, name: &str, plugin: &str) -> String {
    let there = person
        .post(&format!("/wall/{name}/modules"), &[("plugin", plugin)])
        .see_other();
    there
        .split("module=")
        .nth(1)
        .and_then(|rest| rest.split('#').next())
        .expect("it leads to the new module")
        .to_owned()
}

#[test]
fn a_newcomer_lands_on_a_wall_that_has_modules_and_can_be_edited() {
    let server = server();
    let ana = server.person("ana");
    assert_eq!(ana.get("/").see_other(), "/desk");
    assert_eq!(ana.get("/me").see_other(), "/wall/ana");
    assert_eq!(modules(&ana, "ana").len(), 2, "mood and clock are installed here");
    assert!(ana.get("/wall/ana").text().contains("/wall/ana?edit=1"));
    assert!(!server.guest().get("/wall/ana").text().contains("edit=1"));
}

#[test]
fn an_owner_sees_what_a_sticker_would_look_like() {
    let server = Server::builder().plugins(&["flower"]).start();
    let ana = server.person("ana");
    let id = put_up(&ana, "ana", "flower");
    let preview = ana
        .post_live(&format!("/wall/ana/modules/{id}/preview"), &[])
        .expect(200);
    assert!(
        preview.text().contains("src=\"data:image/svg+xml;base64,"),
        "{}",
        preview.text()
    );
}

#[test]
fn an_owner_builds_a_wall_with_plain_forms() {
    let server = server();
    let ana = server.person("ana");
    let first = modules(&ana, "ana");
    let id = put_up(&ana, "ana", "countdown");
    let mut expected = first.clone();
    expected.push(id.clone());
    assert_eq!(modules(&server.guest(), "ana"), expected);

    let at = format!("/wall/ana/modules/{id}");
    ana.post(&format!("{at}/move"), &[("to", "earlier")]).expect(303);
    assert_eq!(modules(&ana, "ana"), [&first[0], &id, &first[1]].map(String::as_str));
    ana.post(&format!("{at}/move"), &[("before", first[0].as_str())])
        .expect(303);
    assert_eq!(modules(&ana, "ana")[0], id);
    ana.post(&format!("{at}/size"), &[("width", "3"), ("height", "5")])
        .expect(303);
    assert!(ana.get(&at).text().contains("data-w=\"3\" data-h=\"5\""));
    ana.post(
        &format!("{at}/settings"),
        &[
            ("s-event", "the fair"),
            ("s-date", "2031-05-01T10:00"),
            ("s-after", "Go."),
        ],
    )
    .expect(303);
    assert!(server.guest().get("/wall/ana").text().contains("the fair"));

    let removed = ana.post(&format!("{at}/remove"), &[]).see_other();
    assert_eq!(modules(&ana, "ana"), first);
    assert!(ana.get(&removed).text().contains(&format!("{at}/restore")));
    ana.post(&format!("{at}/restore"), &[]).expect(303);
    assert_eq!(modules(&ana, "ana")[0], id);
}

#[test]
fn nobody_else_can_change_a_wall() {
    let server = server();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let id = modules(&ana, "ana")[0].clone();
    let at = format!("/wall/ana/modules/{id}");
    for address in ["move", "size", "settings", "preview", "remove", "restore"].map(|what| format!("{at}/{what}")) {
        bob.post(&address, &[("to", "earlier")]).expect(403);
        let asked = server.guest().post(&address, &[]);
        assert!(
            [401, 303].contains(&asked.status),
            "{address} answered {}",
            asked.status
        );
    }
    bob.post("/wall/ana/modules", &[("plugin", "mood")]).expect(403);
    bob.post("/wall/ana/profile", &[("bio", "mine now")]).expect(403);
    // A module of another wall isn't there, whoever asks.
    bob.post(&format!("/wall/bob/modules/{id}/remove"), &[]).expect(404);
    assert_eq!(modules(&ana, "ana")[0], id);
}

#[test]
fn a_change_that_does_not_fit_is_refused_and_says_what_would() {
    let server = server();
    let ana = server.person("ana");
    let id = modules(&ana, "ana")[0].clone();
    let at = format!("/wall/ana/modules/{id}");
    for (what, fields, said) in [
        ("size", vec![("width", "9"), ("height", "2")], "cells"),
        ("size", vec![("width", "one"), ("height", "2")], "cells"),
        ("move", vec![("to", "sideways")], "earlier or later"),
        ("move", vec![("before", "x")], "number"),
    ] {
        let answer = ana.post_json(&format!("{at}/{what}"), &fields).expect(422);
        assert!(answer.text().contains(said), "{what} {fields:?}: {}", answer.text());
    }
    ana.post_json("/wall/ana/modules", &[("plugin", "no-such-thing")])
        .expect(422);
    ana.post_json(&format!("{at}/move"), &[("before", "999999")])
        .expect(404);
    for _ in 2..20 {
        put_up(&ana, "ana", "clock");
    }
    let full = ana.post_json("/wall/ana/modules", &[("plugin", "clock")]).expect(409);
    assert!(full.text().contains("at most 20"));
}

#[test]
fn a_profile_is_shown_as_text_and_kept_when_it_is_refused() {
    let server = server();
    let ana = server.person("ana");
    ana.post(
        "/wall/ana/profile",
        &[
            ("status", "<b>loud</b>"),
            ("bio", "two\nlines"),
            ("mood", "singed"),
            ("colour", "mauve"),
            ("time_zone", "Asia/Tokyo"),
        ],
    )
    .expect(303);
    let page = server.guest().get("/wall/ana").text();
    assert!(page.contains("&lt;b&gt;loud&lt;&#x2f;b&gt;") || page.contains("&lt;b&gt;loud&lt;/b&gt;"));
    assert!(page.contains("data-colour=\"mauve\"") && page.contains("singed"));
    let refused = ana
        .post(
            "/wall/ana/profile",
            &[("mood", &"x".repeat(61)), ("time_zone", "Nowhere/Land")],
        )
        .expect(422)
        .text();
    assert!(
        refused.contains(&"x".repeat(61)) && refused.contains("Nowhere"),
        "what was typed is still there"
    );
    assert!(
        refused.contains("At most 60 characters") && refused.contains("Europe/Lisbon")
            || refused.contains("Europe&#x2f;Lisbon")
    );
}

#[test]
fn a_wall_without_plugins_can_be_had() {
    let server = server();
    server.person("ana");
    let safe = server.guest().get("/wall/ana?safe=1").expect(200).text();
    assert!(safe.contains("Plugins are off") && !safe.contains("shadowrootmode"));
}

#[test]
fn a_cached_wall_is_never_older_than_the_last_change() {
    let server = server();
    let (ana, guest) = (server.person("ana"), server.guest());
    for round in 0..20 {
        let mood = format!("round {round}");
        ana.post("/wall/ana/profile", &[("mood", &mood)]).expect(303);
        assert!(guest.get("/wall/ana").text().contains(&mood));
        let tag = guest.get("/wall/ana").header("etag").to_owned();
        guest
            .request("GET", "/wall/ana")
            .header("if-none-match", &tag)
            .send()
            .expect(304);
    }
}

#[test]
fn everyone_who_watches_sees_a_change_as_it_happens() {
    let server = server();
    let ana = server.person("ana");
    let live = server.guest().live();
    live.watch("wall:ana");
    let id = put_up(&ana, "ana", "countdown");
    let added = live.wait("patch", |frame| {
        frame["mode"] == "append" && frame["target"] == "wall-grid"
    });
    assert!(
        added["html"]
            .as_str()
            .is_some_and(|html| html.contains(&format!("module-{id}")) && !html.contains("class=\"grip\""))
    );
    ana.post(
        &format!("/wall/ana/modules/{id}/size"),
        &[("width", "4"), ("height", "4")],
    )
    .expect(303);
    live.wait("patch", |frame| {
        frame["target"] == format!("module-{id}") && frame["mode"] == "morph"
    });
    ana.post(&format!("/wall/ana/modules/{id}/move"), &[("to", "earlier")])
        .expect(303);
    live.wait("patch", |frame| {
        frame["target"] == "wall-grid" && frame["mode"] == "morph"
    });
    ana.post(&format!("/wall/ana/modules/{id}/remove"), &[]).expect(303);
    live.wait("patch", |frame| {
        frame["target"] == format!("module-{id}") && frame["mode"] == "remove"
    });
    ana.post("/wall/ana/profile", &[("mood", "new")]).expect(303);
    live.wait("resync", |frame| frame["topic"] == "wall:ana");
}

#[test]
fn the_directory_finds_everyone_and_counts_nobody() {
    let server = Server::start();
    for name in ["ana", "anders", "bob"] {
        server.person(name);
    }
    let guest = server.guest();
    let found = guest.get("/directory?q=AN").expect(200).text();
    assert!(found.contains("/wall/ana") && found.contains("/wall/anders") && !found.contains("/wall/bob"));
    let newest = guest.get("/directory?by=newest").text();
    assert!(newest.find("/wall/bob") < newest.find("/wall/ana\""));
    assert_eq!(
        guest
            .get("/directory?by=random")
            .text()
            .matches("href=\"/wall/")
            .count(),
        3
    );
    guest.get("/directory?by=popularity").expect(400);
    assert!(guest.get("/random").see_other().starts_with("/wall/"));
    server.person("carol");
    assert!(guest.get("/directory").text().contains("/wall/carol"));
}

#[test]
fn an_owner_edits_in_place_with_mouse_and_keyboard() {
    let server = server();
    let (ana, browser) = (server.person("ana"), Browser::start());
    let ids = modules(&ana, "ana");
    let (first, second) = (format!("#module-{}", ids[0]), format!("#module-{}", ids[1]));
    let page = browser.page_of(&ana);
    page.goto(&server.url("/wall/ana?edit=1"))
        .wait_for(&format!("{first} .corner"));

    // Keyboard: later, wider, off, and back again.
    page.focus(&format!("{first} .grip")).press("ArrowRight");
    page.wait_until("document.querySelector('#said').textContent.includes('place 2 of 2')");
    assert_eq!(modules(&ana, "ana"), [ids[1].clone(), ids[0].clone()]);
    page.press("Shift+ArrowRight");
    page.wait_until("document.querySelector('#said').textContent.includes('2 wide')");
    page.press("Delete").wait_gone(&first).wait_for("#undo");
    assert_eq!(modules(&ana, "ana"), [ids[1].clone()]);
    page.click("#undo button").wait_for(&first);
    assert_eq!(modules(&ana, "ana").len(), 2);

    // Mouse: before the other one.
    page.drag_onto(&format!("{first} .grip"), &second, (0.25, 0.25));
    page.wait_until("document.querySelector('#said').textContent.includes('place 1 of 2')");
    assert_eq!(modules(&ana, "ana"), ids);

    // From the drawer: added, and its settings open beside it, with a preview.
    page.fill("#find", "until")
        .wait_until("document.querySelectorAll('.pick:not([hidden])').length === 1");
    page.click(".pick:not([hidden]) button").wait_for("#set");
    page.fill("#set [name=s-event]", "the ferry");
    page.wait_for("#preview");
    page.click("#set button \"Keep\"");
    page.wait_until("document.querySelector('#said').textContent === 'Saved.'");
    assert_eq!(modules(&ana, "ana").len(), 3);
    page.check();
}

#[test]
fn every_page_stands_on_a_phone_and_on_a_desk_for_everyone() {
    let server = server();
    let (ana, browser) = (server.person("ana"), Browser::start());
    let page = browser.page_of(&ana);
    for (name, path) in [
        ("wall", "/wall/ana"),
        ("edit", "/wall/ana?edit=1&module=1"),
        ("you", "/wall/ana?edit=1&tab=you"),
        ("people", "/directory"),
        ("plugins", "/plugins"),
        ("plugin", "/plugins/mood"),
        ("missing", "/wall/nobody-at-all"),
    ] {
        // axe measures with styles of its own, which our pages rightly refuse.
        page.allow("404").allow("Applying inline style");
        for (width, scheme) in [(1280, "light"), (390, "dark")] {
            page.viewport(width, 900).scheme(scheme).goto(&server.url(path));
            page.check_accessibility();
            assert!(!page.overflows(), "{path} is wider than {width} px");
            page.screenshot(&format!("{name}-{width}-{scheme}"));
        }
    }
}

#[test]
fn a_line_that_is_refused_comes_back_as_it_was_typed() {
    let server = Server::builder().plugin("guestbook").start();
    server.person("ana");
    let bob = server.person("bob");
    let id = modules(&bob, "ana")[0].clone();
    let (at, long) = (format!("/wall/ana/modules/{id}/act"), "far too much to say ".repeat(20));
    let token = bob.get(&format!("/wall/ana/modules/{id}")).field("token");
    let fields = [("token", token.as_str()), ("f-text", long.as_str())];

    // Without a script: the whole page, with the form as it was.
    let page = bob.post(&at, &fields).expect(422).text();
    assert!(page.contains("<!doctype html>") && page.contains(long.trim()));
    // With one: the module alone.
    let fragment = bob.post_live(&at, &fields).expect(422).text();
    assert!(fragment.starts_with("<neo-module") && fragment.contains(long.trim()) && fragment.contains("said bad"));
    // A program: which field, and what is allowed.
    let problem = bob.post_json(&at, &fields).expect(422).json();
    assert_eq!(problem["errors"][0]["field"], "text");

    let short = [("token", token.as_str()), ("f-text", "I was here")];
    assert_eq!(bob.post(&at, &short).see_other(), format!("/wall/ana#module-{id}"));
    assert!(server.guest().get("/wall/ana").text().contains("I was here"));
    bob.post(&at, &[("token", "forged"), ("f-text", "x")]).expect(403);
}
