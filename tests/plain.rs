//! The plain view: any wall without what its owner did to it.

use neospace_tests::{Browser, Person, Server, person::unescape};

#[test]
fn every_wall_is_a_link_away_from_its_plain_view_and_back() {
    let server = Server::builder().plugins(&["mood"]).start();
    let ana = server.person("ana");
    ana.post("/wall/ana/look/start", &[("start", "starfield")]).see_other();
    let guest = server.guest();
    let made = guest.get("/wall/ana").expect(200).text();
    assert!(made.contains("href=\"?plain=1\"") && made.contains("id=\"look\""));
    let plain = guest.get("/wall/ana?plain=1").expect(200).text();
    assert!(plain.contains("href=\"?plain=0\"") && plain.contains("css/plain.css"));
    assert!(
        !plain.contains("id=\"look\"") && !plain.contains("/look/"),
        "it wears the look"
    );
    assert!(
        !plain.contains("js/wall.js") && !plain.contains("js/module.js"),
        "it is alive"
    );
    assert!(!plain.contains("view.css\"><link"), "a plugin's own sheet");
    // Both are cached, and apart.
    assert_eq!(guest.get("/wall/ana?plain=1").text(), plain);
    assert_eq!(guest.get("/wall/ana").text(), made);
}

#[test]
fn a_member_may_have_every_wall_plain() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let is_plain = |page: String| page.contains("css/plain.css");
    assert!(!is_plain(bob.get("/wall/ana").text()));
    bob.post("/settings/plain", &[("plain", "on")]).see_other();
    assert!(is_plain(bob.get("/wall/ana").text()));
    assert!(is_plain(bob.get("/wall/bob").text()));
    assert!(!is_plain(bob.get("/wall/ana?plain=0").text()), "he may still look");
    assert!(!is_plain(cyd.get("/wall/ana").text()), "others see what they saw");
    assert!(!is_plain(ana.get("/wall/ana").text()));
    assert!(!is_plain(bob.get("/wall/bob?edit=1").text()), "he edits what he made");
    assert!(
        bob.get("/settings")
            .text()
            .contains("name=\"plain\" value=\"on\" checked")
    );
    bob.post("/settings/plain", &[]).see_other();
    assert!(!is_plain(bob.get("/wall/ana").text()));
}

#[test]
fn who_signs_in_the_plain_view_stays_in_it() {
    let server = Server::builder().plugins(&["guestbook", "mood"]).start();
    let ana = server.person("ana");
    ana.post("/wall/ana/modules", &[("plugin", "guestbook")]).see_other();
    let browser = Browser::start();
    for javascript in [true, false] {
        let page = browser.page();
        page.javascript(javascript).goto(&server.url("/wall/ana?plain=1"));
        let words = format!("signed plainly, {javascript}");
        let sign = format!(
            "(() => {{
                const roots = [...document.querySelectorAll('neo-module')].map(one => one.querySelector('.body > div')?.shadowRoot ?? one.querySelector('.body')?.shadowRoot ?? one)
                const field = roots.flatMap(root => [...root.querySelectorAll('form textarea, form input:not([type=hidden])')])[0]
                if (!field) return false
                field.value = {words:?}
                field.form.requestSubmit()
                return true
            }})()"
        );
        neospace_tests::eventually("there is a form to sign", || (page.eval(&sign) == true).then_some(()));
        page.wait_until("location.search === '?plain=1' && location.hash.startsWith('#module-')");
        page.wait_until("document.documentElement.hasAttribute('data-plain')");
        neospace_tests::eventually("it is signed", || {
            server.guest().get("/wall/ana").text().contains(&words).then_some(())
        });
    }
    // Elsewhere a form leads back to the wall as it was made.
    let styled = server.guest().get("/wall/ana").expect(200).text();
    assert!(styled.contains("/act\"") && !styled.contains("/act?plain=1\""));
}

#[test]
fn in_the_plain_view_nothing_moves_and_all_can_be_read() {
    let server = Server::builder().plugins(&["mood", "guestbook", "poll"]).start();
    let ana = server.person("ana");
    ana.post("/wall/ana/look/start", &[("start", "on-air")]).see_other();
    ana.post("/wall/ana/profile", &[("bio", "A long story."), ("mood", "loud")])
        .see_other();
    let browser = Browser::start();
    let page = browser.page();
    for scheme in ["light", "dark"] {
        page.scheme(scheme)
            .goto(&server.url("/wall/ana?plain=1"))
            .wait_for("h1");
        let (ink, paper) = match scheme {
            "light" => ("rgb(0, 0, 0)", "rgb(255, 255, 255)"),
            _ => ("rgb(255, 255, 255)", "rgb(0, 0, 0)"),
        };
        let of = |property: &str| page.eval(&format!("getComputedStyle(document.querySelector('main')).{property}"));
        assert_eq!(of("color"), ink);
        assert_eq!(of("backgroundColor"), paper);
        assert_eq!(of("backgroundImage"), "none");
        let moving = page.eval("document.getAnimations().length");
        assert_eq!(moving, 0);
        page.check_accessibility();
        page.screenshot(&format!("plain-{scheme}"));
    }
    page.viewport(390, 844)
        .goto(&server.url("/wall/ana?plain=1"))
        .wait_for("h1");
    assert!(!page.overflows());
    page.check();
}

/// A page, and all addresses that it links to.
fn read(person: &Person, path: &str) -> (String, Vec<String>) {
    let page = person.get(path).expect(200).text();
    let hrefs = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let hrefs = hrefs.map(unescape).collect();
    (page, hrefs)
}

/// The first that leads to a path, whatever its query; or, of what ends within one, that begins so.
#[track_caller]
fn link<'h>(hrefs: &'h [String], to: &str) -> &'h str {
    let begins = to.contains('?') || to.ends_with('/');
    let leads = |href: &&String| href.split('?').next() == Some(to) || begins && href.starts_with(to);
    match hrefs.iter().find(leads) {
        Some(href) => href,
        None => panic!("nothing leads to {to}: {hrefs:?}"),
    }
}

#[test]
fn who_reads_on_from_the_plain_view_stays_in_it() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    bob.post("/settings/plain", &[("plain", "on")]).see_other();
    let post = |words: &str| {
        ana.post_json("/wall/ana/posts", &[("kind", "text"), ("body", words)])
            .expect(201)
    };
    for n in 0..109 {
        post(&format!("number {n}"));
    }
    let last = post("the last").json()["id"].to_string();
    for version in 0..25 {
        ana.post(
            &format!("/wall/ana/posts/{last}"),
            &[("body", &format!("so then: {version}"))],
        )
        .expect(303);
    }
    let guest = server.guest();
    let is_plain = |page: &str| page.contains("css/plain.css");
    // Who asks in the address says so on each link; who likes it better anyway need not, nor who likes the other: whoever
    // of them comes first, as others get what was made for one.
    let visits = [
        (&bob, ""),
        (&guest, "plain=1"),
        (&cyd, "plain=1"),
        (&bob, "plain=0"),
        (&guest, ""),
        (&cyd, ""),
        (&ana, "plain=1"),
        (&ana, ""),
        (&bob, ""),
    ];
    for (person, asked) in visits {
        let plainly = asked == "plain=1" || asked.is_empty() && person.name == "bob";
        let other = if plainly { "plain=0" } else { "plain=1" };
        let with = |path: &str| match asked {
            "" => path.to_owned(),
            _ => format!("{path}?{asked}"),
        };
        let look = |path: &str, leads: &[&str]| {
            let (page, hrefs) = read(person, path);
            let who = format!("{} at {path}", person.name);
            assert_eq!(is_plain(&page), plainly, "{who}");
            for begins in leads {
                let href = link(&hrefs, begins);
                assert_eq!(href.contains("plain="), !asked.is_empty(), "{who}: {href}");
                assert!(href.ends_with(asked), "{who}: {href}");
            }
            // The way to the other view leads to the same place.
            let rest = path.split_once('?').map_or("", |(_, query)| query);
            let rest = rest.trim_end_matches(asked).trim_end_matches('&');
            let and = if rest.is_empty() { "" } else { "&" };
            link(&hrefs, &format!("?{rest}{and}{other}"));
            hrefs
        };
        let permalink = format!("/wall/ana/posts/{last}");
        let wall = look(&with("/wall/ana"), &["/wall/ana/posts?before=", &permalink]);
        let second = look(
            link(&wall, "/wall/ana/posts?before="),
            &[
                "/wall/ana/posts?before=",
                "/wall/ana/posts/",
                "/wall/ana",
                "/wall/ana/posts",
            ],
        );
        let third = look(link(&second, "/wall/ana/posts?before="), &["/wall/ana/posts/"]);
        assert!(!third.iter().any(|href| href.starts_with("/wall/ana/posts?before=")));
        let post = look(link(&wall, &permalink), &[&format!("{permalink}/history")]);
        let history = look(link(&post, &format!("{permalink}/history")), &[&permalink]);
        look(link(&history, &format!("{permalink}/history?before=")), &[&permalink]);
        let feed = look(&with("/public-feed"), &["/public-feed?before=", &permalink]);
        look(
            link(&feed, "/public-feed?before="),
            &["/public-feed?before=", "/wall/ana/posts/"],
        );
    }
    // Programs are told where it goes on, and nothing of how it looks.
    let data = guest.get_json("/wall/ana/posts?plain=1").expect(200).json();
    assert!(!data["next"].as_str().expect("there is more").contains("plain"));
    // The way to the other view keeps whatever else an address asks for.
    link(&read(&guest, "/wall/ana?safe=1").1, "?safe=1&plain=1");
}

#[test]
fn pinned_scripts_are_links_in_the_plain_view() {
    let server = Server::start();
    let (ana, guest) = (server.person("ana"), server.guest());
    assert!(!guest.get("/wall/ana?plain=1").text().contains("Sketches"));
    let sketch = [("mode", "p5"), ("title", "<moth>"), ("source", "// flies")];
    let id = ana.post_json("/sandbox", &sketch).expect(201).json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    ana.post_json(&format!("/sandbox/{id}/versions"), &[("publish", "on")])
        .expect(200);
    ana.post_json("/wall/ana/scripts", &[("script", &id)]).expect(200);
    let made = guest.get("/wall/ana").text();
    assert!(made.contains("<neo-frame") && !made.contains("Sketches"));
    let plain = guest.get("/wall/ana?plain=1").expect(200).text();
    assert!(
        !plain.contains("<neo-frame") && !plain.contains("frame.js"),
        "it would run"
    );
    let list = plain.split_once("Sketches</h2>").expect("they are listed").1;
    let list = list.split_once("</section>").expect("it ends").0;
    assert!(list.contains(&format!("href=\"/sandbox/{id}\"")), "{list}");
    assert!(
        list.contains("&lt;moth&gt;") && list.contains("p5.js, by ana"),
        "{list}"
    );
    guest.get(&format!("/sandbox/{id}")).expect(200);
    // What its author keeps to themselves isn't listed either.
    ana.post_json(&format!("/sandbox/{id}/delete"), &[]).expect(200);
    assert!(!guest.get("/wall/ana?plain=1").text().contains("Sketches"));
}
