//! What walls wear: themes that are kept, checked and undone, and what of that others see.

use neospace_tests::{Browser, Person, Server};

/// The stylesheet that a page links to as the wall's look.
fn sheet(person: &Person, wall: &str) -> String {
    let page = person.get(&format!("/wall/{wall}")).expect(200);
    let href = page.between("<link id=\"look\" rel=\"stylesheet\" href=\"", "\"");
    let answer = person.get(&href).expect(200);
    assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
    assert!(answer.header("cache-control").contains("immutable"), "{href}");
    answer.text()
}

#[test]
fn a_wall_wears_what_its_owner_kept_and_everyone_sees_it() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let house = sheet(&bob, "ana");
    ana.post(
        "/wall/ana/look",
        &[("day-paper", "#ffee00"), ("radius", "24"), ("pattern", "none")],
    )
    .see_other();
    let kept = sheet(&bob, "ana");
    assert_ne!(house, kept);
    for said in [
        "--wall-paper:light-dark(#ffee00,",
        "--wall-radius:24px",
        "--wall-pattern:none",
    ] {
        assert!(kept.contains(said), "{said} is not in {kept}");
    }
    // Undone it is the house's again; done again, what it was.
    ana.post("/wall/ana/look/undo", &[]).see_other();
    assert_eq!(sheet(&server.guest(), "ana"), house);
    ana.post_json("/wall/ana/look/undo", &[]).expect(409);
    ana.post("/wall/ana/look/redo", &[]).see_other();
    assert_eq!(sheet(&bob, "ana"), kept);
    ana.post_json("/wall/ana/look/redo", &[]).expect(409);
    // An address from before leads to what there is now, and must be asked for again.
    let old = bob.get("/wall/ana/look/0000000000000000.css").expect(200);
    assert_eq!(old.header("cache-control"), "no-cache");
    assert_eq!(old.text(), kept);
}

#[test]
fn a_theme_that_could_not_be_read_is_mended_and_that_is_said() {
    let server = Server::start();
    let ana = server.person("ana");
    let answer = ana
        .post_json(
            "/wall/ana/look",
            &[
                ("night-sheet", "#101010"),
                ("night-ink", "#202020"),
                ("night-link", "#000080"),
            ],
        )
        .expect(200)
        .json();
    let exchanged = answer["exchanged"].as_array().expect("a list");
    let fields: Vec<_> = exchanged
        .iter()
        .map(|one| one["field"].as_str().unwrap_or_default())
        .collect();
    assert!(
        fields.contains(&"night-ink") && fields.contains(&"night-link"),
        "{answer}"
    );
    let css = sheet(&ana, "ana");
    assert!(!css.contains("#202020") && !css.contains("#000080"), "{css}");
    // The editor keeps what was chosen, and says what is shown.
    let editor = ana.get("/wall/ana?edit=1&tab=look").expect(200).text();
    assert!(
        editor.contains("name=\"night-ink\" value=\"#202020\""),
        "what was chosen is lost"
    );
    assert!(editor.contains("stands in"), "nothing is said");
}

#[test]
fn a_theme_that_is_wrong_is_refused_field_by_field() {
    let server = Server::start();
    let ana = server.person("ana");
    let before = sheet(&ana, "ana");
    for (field, value, said) in [
        ("day-paper", "red", "six digits"),
        ("day-paper", "#fff", "six digits"),
        ("night-hair", "#12345g", "six digits"),
        ("day-ink", "#111111;}body{display:none", "six digits"),
        ("border", "9", "From 2 to 6"),
        ("border", "-1", "From 2 to 6"),
        ("radius", "1e9", "From 0 to 24"),
        ("slip", "", "From 0 to 16"),
        ("font", "Comic Sans", "pixel"),
        ("pattern", "url(https://evil.example)", "dots"),
        ("cursor", "../../secret", "moth"),
        ("text", "\"};*{}", "plain"),
    ] {
        let answer = ana.post_json("/wall/ana/look", &[(field, value)]).expect(422);
        assert!(answer.text().contains(said), "{field} {value}: {}", answer.text());
        assert!(answer.text().contains(field), "{field} {value}: {}", answer.text());
        let form = ana.post_live("/wall/ana/look", &[(field, value)]).expect(422).text();
        assert!(
            !form.contains("{display:none") || form.contains("#111111;}body{display:none\""),
            "{form}"
        );
        ana.post_json("/wall/ana/look/preview", &[(field, value)]).expect(422);
    }
    assert_eq!(sheet(&ana, "ana"), before);
    ana.post_json("/wall/ana/look/start", &[("start", "nowhere")])
        .expect(422);
}

#[test]
fn nobody_else_dresses_a_wall() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let before = sheet(&ana, "ana");
    for address in ["", "/preview", "/start", "/undo", "/redo", "/remixing"] {
        let address = format!("/wall/ana/look{address}");
        bob.post_json(&address, &[("start", "ferry")]).expect(403);
        server.guest().post_json(&address, &[("start", "ferry")]).expect(401);
    }
    let program = ana.program(&["walls:read"]);
    program.post_json("/wall/ana/look", &[("radius", "3")]).expect(403);
    ana.program(&["walls:write"])
        .post_json("/wall/ana/look", &[("radius", "3")])
        .expect(200);
    assert_ne!(sheet(&ana, "ana"), before);
}

#[test]
fn an_open_wall_changes_its_clothes_while_somebody_looks() {
    let server = Server::start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let (owner, guest) = (browser.page_of(&ana), browser.page());
    guest.goto(&server.url("/wall/ana")).eval("window.notReloaded = true");
    guest.wait_until("document.documentElement.hasAttribute('data-offline') === false");
    let paper = "getComputedStyle(document.querySelector('main')).getPropertyValue('--wall-radius').trim()";
    guest.wait_until(&format!("{paper} === '0px'"));

    // While ana slides, she sees it alone; nothing is kept.
    owner
        .goto(&server.url("/wall/ana?edit=1&tab=look"))
        .wait_for("#look-radius");
    owner.eval("const range = document.getElementById('look-radius'); range.value = 17; range.dispatchEvent(new Event('input', { bubbles: true }))");
    owner.wait_until(&format!("{paper} === '17px'"));
    assert_eq!(guest.eval(paper), "0px", "nothing was kept yet");
    // Kept, everyone sees it.
    owner.click("#look-form button \"Keep\"").wait_for("#said \"Saved\"");
    guest.wait_until(&format!("{paper} === '17px'"));
    owner.wait_until(&format!("{paper} === '17px'"));
    // One of the twelve, and back.
    owner.click("button[aria-label^='Balcony']").wait_for("#said \"Saved\"");
    guest.wait_until(&format!("{paper} === '20px'"));
    owner.click("button[data-undo]");
    guest.wait_until(&format!("{paper} === '17px'"));
    assert_eq!(guest.eval("window.notReloaded"), true);
    owner.check();
    guest.check();
}

#[test]
fn a_look_is_chosen_without_javascript() {
    let server = Server::start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.javascript(false).goto(&server.url("/wall/ana?edit=1&tab=look"));
    page.click("button[aria-label^='Ferry timetable']")
        .wait_for("button[data-undo]:not([disabled])");
    assert!(sheet(&ana, "ana").contains("--wall-border:4px"));
    page.choose("#look-pattern", "stars");
    page.click("#look-form button \"Keep\"");
    page.wait_until("document.querySelector('#look-pattern').value === 'stars' && document.querySelector('#look-pattern option[selected]').value === 'stars'");
    assert!(sheet(&ana, "ana").contains("160px 160px"));
    page.click("button[data-undo]")
        .wait_for("button[data-redo]:not([disabled])");
    assert!(!sheet(&ana, "ana").contains("160px 160px"));
}

#[test]
fn a_wall_is_remixed_with_credit_and_without_what_it_holds() {
    let server = Server::builder()
        .plugins(&["guestbook", "mood", "clock", "countdown"])
        .start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    ana.post("/wall/ana/look/start", &[("start", "balcony")]).see_other();
    ana.post_json("/wall/ana/look/css", &[("css", "h1 { rotate: 3deg }")])
        .expect(200);
    let id = ana
        .post_json("/wall/ana/modules", &[("plugin", "countdown")])
        .expect(201)
        .json()["id"]
        .to_string();
    let secret = [
        ("s-event", "ana's own day"),
        ("s-date", "2031-05-01T10:00"),
        ("s-after", ""),
    ];
    ana.post(&format!("/wall/ana/modules/{id}/settings"), &secret)
        .see_other();
    ana.post(
        &format!("/wall/ana/modules/{id}/size"),
        &[("width", "3"), ("height", "5")],
    )
    .see_other();
    let standing = |wall: &str| -> Vec<String> {
        let page = server.guest().get(&format!("/wall/{wall}")).text();
        let modules = page.split("<neo-module ").skip(1);
        modules
            .map(|rest| {
                let of = |what: &str| {
                    rest.split(&format!("{what}=\""))
                        .nth(1)
                        .and_then(|rest| rest.split('"').next())
                };
                format!("{:?} {:?}×{:?}", of("data-name"), of("data-w"), of("data-h"))
            })
            .collect()
    };
    assert_ne!(standing("ana"), standing("bob"));

    // Bob is asked first, and told what he would take.
    assert!(bob.get("/wall/ana").text().contains("href=\"/wall/ana/remix\""));
    let asked = bob.get("/wall/ana/remix").expect(200).text();
    assert!(asked.contains("Countdown") && asked.contains("and the CSS"), "{asked}");
    bob.post("/wall/ana/remix", &[("modules", "on")]).see_other();
    assert_eq!(standing("ana"), standing("bob"));
    let (of_ana, of_bob) = (sheet(&ana, "ana"), sheet(&bob, "bob"));
    assert_eq!(of_ana, of_bob);
    let page = server.guest().get("/wall/bob").text();
    assert!(page.contains("Remixed from <a href=\"/wall/ana\">ana</a>"));
    assert!(!page.contains("own day"), "what ana wrote went along");
    // It can be undone, and the credit goes with it.
    bob.post("/wall/bob/look/undo", &[]).see_other();
    assert!(!server.guest().get("/wall/bob").text().contains("Remixed from"));

    // Guests have nothing to remix onto, and one's own wall is one's own already.
    assert!(!server.guest().get("/wall/ana").text().contains("/wall/ana/remix"));
    ana.post_json("/wall/ana/remix", &[]).expect(409);
    server.guest().post_json("/wall/ana/remix", &[]).expect(401);
    // Ana would rather not any more.
    ana.post("/wall/ana/look/remixing", &[]).see_other();
    assert!(!bob.get("/wall/ana").text().contains("/wall/ana/remix"));
    bob.get("/wall/ana/remix").expect(403);
    bob.post_json("/wall/ana/remix", &[]).expect(403);
    assert!(!server.guest().get("/wall/bob").text().contains("Remixed from"));
}

#[test]
fn words_are_changed_where_they_stand() {
    let server = Server::start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let (owner, guest) = (browser.page_of(&ana), browser.page());
    guest.goto(&server.url("/wall/ana")).wait_for("h1");
    owner.goto(&server.url("/wall/ana?edit=1")).click("neo-ident summary");
    owner
        .fill("#ident-status", "<b>Loud.</b>")
        .fill("#ident-bio", "\"><img src=x onerror=alert(1)>\nsecond line")
        .fill("#ident-mood", "{{ 7 * 7 }}")
        .click("neo-ident button \"Keep\"");
    owner
        .wait_for(".ident .bio strong \"<b>Loud.</b>\"")
        .wait_gone("#ident-bio");
    guest
        .wait_for(".ident .bio strong \"<b>Loud.</b>\"")
        .wait_for(".mood \"{{ 7 * 7 }}\"");
    assert_eq!(guest.eval("document.querySelectorAll('.ident :is(b, img)').length"), 0);
    // What is too long is refused, and stays.
    owner.click("neo-ident summary");
    owner.eval("document.querySelector('#ident-mood').removeAttribute('maxlength')");
    owner
        .fill("#ident-mood", &"m".repeat(61))
        .click("neo-ident button \"Keep\"");
    owner.allow("422");
    owner.wait_for("neo-ident .error \"At most 60\"");
    assert_eq!(owner.value("#ident-mood"), "m".repeat(61));
    owner.check();
    guest.check();
}

#[test]
fn a_member_has_a_picture_and_a_banner_of_their_own() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let id = ana.uploaded("me.png", &neospace_tests::pictures::png(64, 64));
    let of_bob = bob.uploaded("bob.png", &neospace_tests::pictures::png(32, 32));
    ana.post("/wall/ana/profile", &[("avatar", &id), ("banner", &id)])
        .see_other();
    let page = server.guest().get("/wall/ana").expect(200).text();
    assert!(
        page.contains(&format!("src=\"/media/{id}/small\"")) && page.contains(&format!("src=\"/media/{id}/medium\""))
    );
    server.guest().get(&format!("/media/{id}/small")).expect(200);
    // Only one's own, and what was typed comes back.
    let refused = ana.post_json("/wall/ana/profile", &[("avatar", &of_bob)]).expect(422);
    assert!(refused.text().contains("not in your library"), "{}", refused.text());
    // In CSS too, and only while it is worn.
    let css = format!("h1 {{ background: url(/media/{id}/small) }} p {{ background: url(/media/{of_bob}/small) }}");
    let answer = ana.post_json("/wall/ana/look/css", &[("css", &css)]).expect(200).json();
    assert_eq!(answer["left_out"].as_array().map(Vec::len), Some(1), "{answer}");
    assert!(sheet(&ana, "ana").contains(&format!("url(\"/media/{id}/small\")")));
    ana.post("/wall/ana/profile", &[("avatar", ""), ("banner", "")])
        .see_other();
    // No picture of the library's is named, by this id or another; the page's own scripts lie in js/media/.
    let bare = server.guest().get("/wall/ana").text();
    assert!(!bare.contains(&id) && !bare.contains("\"/media/"), "{bare}");
    server.guest().get(&format!("/media/{id}/small")).expect(200);
    ana.post_json("/wall/ana/look/css", &[("css", "")]).expect(200);
    server.guest().get(&format!("/media/{id}/small")).expect(404);
}

#[test]
fn a_members_picture_stands_wherever_they_are_shown_and_a_plate_where_there_is_none() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let guest = server.guest();
    for person in [&ana, &bob] {
        person.post("/rooms/lobby/join", &[]).see_other();
    }
    ana.post(
        "/neighbourhoods",
        &[("title", "Moths"), ("about", "They come at dusk.")],
    )
    .see_other();
    ana.post("/neighbourhoods/moths/come-in", &[]);
    ana.post_json("/rooms/lobby/messages", &[("content", "before")])
        .expect(201);
    ana.post_json("/wall/ana/posts", &[("body", "a post")]).expect(201);
    let first = ana.uploaded("first.png", &neospace_tests::pictures::png(64, 64));
    let second = ana.uploaded("second.png", &neospace_tests::pictures::png(80, 60));
    let places = |person: &Person| {
        [
            "/directory",
            "/directory?by=newest",
            "/rooms/lobby",
            "/rooms/lobby/people",
            "/public-feed",
            "/neighbourhoods/moths",
            "/settings",
        ]
        .into_iter()
        .filter(|path| person.name == "ana" || *path != "/settings")
        .map(|path| (path, person.get(path).expect(200).text()))
        .collect::<Vec<_>>()
    };
    let check = |face: Option<&str>| {
        for person in [&ana, &bob] {
            for (path, page) in places(person) {
                let picture = |id: &str| page.contains(&format!("<img src=\"/media/{id}/small\" alt=\"\""));
                assert_eq!(picture(&first), face == Some(&first), "the first at {path}");
                assert_eq!(picture(&second), face == Some(&second), "the second at {path}");
                assert!(
                    path == "/rooms/lobby" || page.contains("aria-hidden=\"true\">an"),
                    "no plate beneath at {path}"
                );
            }
        }
    };
    check(None);
    for face in [&first, &second] {
        ana.post("/wall/ana/profile", &[("avatar", face)]).see_other();
        check(Some(face));
        assert!(guest.get("/public-feed").text().contains(&**face));
        let live = ana.live();
        assert_eq!(live.wait("connected", |_| true)["avatar"], face.as_str());
    }
    let browser = Browser::start();
    let (desk, feed) = (browser.page_of(&ana), browser.page_of(&bob));
    for (width, scheme) in [(1280, "light"), (390, "dark")] {
        for (page, path, name) in [
            (&desk, "/rooms/lobby", "room"),
            (&feed, "/public-feed", "feed"),
            (&feed, "/directory", "directory"),
        ] {
            page.viewport(width, 900).scheme(scheme).goto(&server.url(path));
            page.wait_until(
                "[...document.images].filter(one => one.src.includes('/media/')).every(one => one.complete)",
            );
            page.check_accessibility();
            page.screenshot(&format!("faces-{name}-{width}-{scheme}"));
        }
    }
    desk.wait_for(&format!("neo-me img[src='/media/{second}/small']"));
    desk.check();
    feed.check();
    // Out of the library it is out of everything.
    ana.post_json(&format!("/library/{second}/delete"), &[]).expect(204);
    check(None);
}

#[test]
fn a_theme_is_made_with_the_keyboard_alone() {
    let server = Server::start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/wall/ana?edit=1&tab=look"))
        .wait_for("#look-tab h2");
    let focused = |what: &str| page.eval(&format!("document.activeElement?.matches({what:?}) ?? false")) == true;
    let walk_to = |what: &str| {
        for _ in 0..200 {
            if focused(what) {
                assert!(
                    page.eval("document.activeElement.matches(':focus-visible')") == true,
                    "the focus on {what} isn't seen"
                );
                return;
            }
            page.press("Tab");
        }
        panic!("no Tab leads to {what}");
    };
    let worn = |expression: &str| {
        page.eval(&format!(
            "getComputedStyle(document.querySelector('main.wall')).{expression}"
        ))
    };
    let link = || {
        let page = ana.get("/wall/ana").expect(200);
        page.between("<link id=\"look\" rel=\"stylesheet\" href=\"", "\"")
            .to_owned()
    };
    let (bare, house) = (worn("backgroundColor"), link());
    // The tab itself, a start, a choice, a slider, and Keep.
    page.focus(".drawer > .tabs a");
    walk_to("button.start");
    page.press("Enter");
    page.wait_until(&format!(
        "getComputedStyle(document.querySelector('main.wall')).backgroundColor !== {bare}"
    ));
    neospace_tests::eventually("it is worn", || (link() != house).then_some(()));
    let started = link();
    page.focus(".drawer > .tabs a");
    walk_to("#look-form select");
    let chosen = page.eval("[document.activeElement.id, document.activeElement.value]");
    page.press("ArrowDown");
    page.wait_until(&format!("document.activeElement.value !== {}", chosen[1]));
    walk_to("#look-form input[type=range]");
    let (id, value) = (
        page.eval("document.activeElement.id"),
        page.eval("document.activeElement.value"),
    );
    page.press("ArrowRight");
    page.wait_until(&format!("document.activeElement.value !== {value}"));
    assert_eq!(
        page.eval("document.activeElement.parentElement.querySelector('output').value"),
        format!(
            "{} px",
            page.eval("document.activeElement.value").as_str().unwrap_or_default()
        ),
        "{id} doesn't say what it is"
    );
    walk_to("#look-form button.plate-green");
    page.press("Enter");
    page.wait_for("#said \"Saved.\"");
    neospace_tests::eventually("it is kept", || (link() != started).then_some(()));
    // And back, with the keys that everybody knows.
    page.focus("#look-form select").press("Control+z");
    neospace_tests::eventually("it is undone", || (link() == started).then_some(()));
    page.check();
}

#[test]
fn css_that_flashes_is_left_out_by_line_and_stands_still_for_who_wants_that() {
    let server = Server::start();
    let ana = server.person("ana");
    let css = "@keyframes my-blink { 50% { opacity: 0 } }\nh1 { animation: my-blink 2s infinite }\nh2 { animation: my-blink 0.1s infinite }";
    let answer = ana.post_json("/wall/ana/look/css", &[("css", css)]).expect(200).json();
    let left_out = answer["left_out"].as_array().expect("a list");
    assert_eq!(left_out.len(), 1, "{answer}");
    assert_eq!(left_out[0]["line"], 3, "{answer}");
    assert!(
        left_out[0]["why"]
            .as_str()
            .is_some_and(|why| why.contains("three times a second")),
        "{answer}"
    );
    assert!(sheet(&ana, "ana").contains("animation:my-blink 2s infinite") && !sheet(&ana, "ana").contains("0.1s"));
    // Motion that the wall has is seen by who likes it, and nothing moves on the wall, the feed and in the studio for who doesn't.
    ana.post_json("/wall/ana/posts", &[("body", "still")]).expect(201);
    let made = ana.post_json("/sandbox", &[("mode", "canvas"), ("title", "still"), ("source", "1")]);
    let studio = format!(
        "/sandbox/{}/edit",
        made.expect(201).json()["id"].as_str().expect("an id")
    );
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.moving().goto(&server.url("/wall/ana")).wait_for("h1");
    page.wait_until("document.getAnimations().some(one => one.animationName === 'my-blink')");
    page.scheme("light");
    for (path, there) in [
        ("/wall/ana", "h1"),
        ("/public-feed", ".post"),
        (&*studio, ".studio.alive"),
        ("/wall/ana?edit=1", ".drawer"),
    ] {
        page.goto(&server.url(path)).wait_for(there);
        assert_eq!(
            page.eval("matchMedia('(prefers-reduced-motion: reduce)').matches"),
            true
        );
        // A caret may blink, and a busy bar may tell that it is busy: neither is here.
        assert_eq!(
            page.eval("document.getAnimations().length"),
            0,
            "something moves at {path}"
        );
        for what in ["a", "button", "summary"] {
            let moves = page.eval(&format!(
                "[...document.querySelectorAll({what:?})].filter(one => parseFloat(getComputedStyle(one).transitionDuration) > 0.01).length"
            ));
            assert_eq!(moves, 0, "{what} at {path}");
        }
    }
    page.check();
}

#[test]
fn each_of_the_twelve_can_be_read_by_day_and_by_night() {
    let server = Server::builder()
        .plugins(&["guestbook", "mood", "clock", "poll"])
        .start();
    let ana = server.person("ana");
    ana.post(
        "/wall/ana/profile",
        &[
            ("bio", "A long story about a lamp."),
            ("status", "Lit."),
            ("mood", "luminous"),
        ],
    )
    .see_other();
    ana.post("/wall/ana/modules", &[("plugin", "poll")]).see_other();
    ana.post(
        "/wall/ana/posts",
        &[
            ("kind", "text"),
            ("title", "Moths"),
            ("body", "Some *text* with [a link](https://example.org/)."),
        ],
    );
    let browser = Browser::start();
    let page = browser.page();
    for start in neospace::looks::STARTS.iter().map(|start| start.name) {
        ana.post("/wall/ana/look/start", &[("start", start)]).see_other();
        for scheme in ["light", "dark"] {
            page.viewport(1280, 800)
                .scheme(scheme)
                .goto(&server.url("/wall/ana"))
                .wait_for("h1");
            page.wait_until("document.fonts.status === 'loaded'");
            page.check_accessibility();
            page.screenshot(&format!("look-{start}-{scheme}"));
            page.viewport(390, 844);
            assert!(!page.overflows(), "{start} is too wide for a phone");
            page.screenshot(&format!("look-{start}-{scheme}-390"));
        }
    }
    page.check();
}

#[test]
fn every_tab_of_the_drawer_and_what_it_leads_to_is_accessible_and_fits_a_phone() {
    let server = Server::builder().plugins(&["poll", "flower"]).start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    bob.post("/wall/bob/look/start", &[("start", "kitchen")]).see_other();
    ana.post("/wall/ana/modules", &[("plugin", "poll")]).see_other();
    ana.post("/wall/ana/stickers", &[("emoji", "🐌")]).see_other();
    ana.post("/wall/ana/posts", &[("body", "Low water at five.")])
        .see_other();
    ana.post("/welcome/number", &[("number", "100")]).see_other();
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    let tabs = [
        "modules", "stickers", "posts", "scripts", "look", "css", "sound", "found", "you",
    ];
    let tabs = tabs.iter().map(|tab| (*tab, format!("/wall/ana?edit=1&tab={tab}")));
    let others = [
        ("remix", "/wall/bob/remix"),
        ("new-link", "/wall/ana/posts/new?kind=link"),
        ("new-image", "/wall/ana/posts/new?kind=image"),
        ("new-script", "/wall/ana/posts/new?kind=script"),
    ];
    for (name, path) in tabs.chain(others.map(|(name, path)| (name, path.to_owned()))) {
        for scheme in ["light", "dark"] {
            page.viewport(1280, 900)
                .scheme(scheme)
                .goto(&server.url(&path))
                .wait_for("main");
            page.wait_until("document.fonts.status === 'loaded'");
            page.check_accessibility();
        }
        page.screenshot(&format!("drawer-{name}"));
        page.viewport(390, 844);
        assert!(!page.overflows(), "{path} is too wide for a phone");
        page.screenshot(&format!("drawer-{name}-390"));
    }
    page.check();
}
