//! The plain view: any wall without what its owner did to it.

use neospace_tests::{Browser, Server};

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
