//! Two people at once in Chromium, and what the operator does meanwhile.
//!
//! Pictures go to the target directory's `screenshots/`, to be held beside the drawings of the look.

use std::time::{Duration, Instant};

use neospace_tests::{Browser, Page, Person, Server, person::PASSWORD, plugin, server::sha256};
use toml_edit::{Array, value};

/// How soon a revocation must show on open walls.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);

/// Registers by the form, as a newcomer does: the password is turned into keys by the page.
fn register(page: &Page, server: &Server, name: &str) {
    page.goto(&server.url("/register"))
        .fill("#register-name", name)
        .fill("#register-password", PASSWORD);
    page.click("neo-register button[type=submit]").wait_for_path("/welcome");
    page.goto(&server.url(&format!("/wall/{name}")));
}

/// The id of the first module of this name on the page.
fn module(page: &Page, name: &str) -> String {
    page.attribute(&format!("neo-module[data-name=\"{name}\"]"), "id")
        .expect("a module has an id")
}

/// The modules' names in their order, as a page shows them.
fn order(page: &Page) -> Vec<String> {
    let names = page.eval("[...document.querySelectorAll('neo-module')].map(module => module.dataset.name)");
    names
        .as_array()
        .expect("a list")
        .iter()
        .map(|name| name.as_str().unwrap_or_default().to_owned())
        .collect()
}

fn revoke(server: &Server, name: &str) {
    let hash = sha256(&std::fs::read(plugin(name)).expect("it was built"));
    server.edit_config(|config| {
        config["plugins"]["revoked"] = value([hash].into_iter().collect::<Array>());
    });
}

#[test]
fn two_people_share_a_wall_and_the_operator_takes_the_guestbook_away() {
    let server = Server::builder()
        .plugins(&["guestbook", "mood"])
        .config("[plugins]")
        .start();
    let browser = Browser::start();
    let (ana, bob) = (browser.page(), browser.page());

    // Ana gets a wall, and puts up a guestbook and drags it to where it pleases her.
    register(&ana, &server, "ana");
    ana.goto(&server.url("/wall/ana?edit=1"))
        .wait_for("button[aria-label=\"Add Guestbook\"]");
    // A new wall may have one already.
    while ana.has("neo-module[data-name=Guestbook]") {
        let one = module(&ana, "Guestbook");
        ana.click(&format!("#{one} .tools form button"))
            .wait_gone(&format!("#{one}"));
    }
    ana.click("button[aria-label=\"Add Guestbook\"]");
    ana.wait_for("neo-module[data-name=Guestbook]")
        .wait_for("#set h2 \"Guestbook\"");
    let first = order(&ana)[0].clone();
    assert_ne!(first, "Guestbook", "there must be something to drag it past");
    let (guestbook, target) = (module(&ana, "Guestbook"), module(&ana, &first));
    ana.drag_onto(&format!("#{guestbook} .grip"), &format!("#{target}"), (0.25, 0.25))
        .wait_for("#said \"Saved\"");
    assert_eq!(order(&ana)[0], "Guestbook");

    // Bob comes by and signs; ana, who has not reloaded, sees it.
    bob.goto(&server.url("/wall/ana"));
    assert_eq!(order(&bob)[0], "Guestbook", "what bob sees is not what ana did");
    ana.goto(&server.url("/wall/ana")).eval("window.notReloaded = true");
    ana.wait_for("button \"Sign\"");
    sign(&bob, "Your fish blinked at me.");
    bob.wait_for("li \"Your fish blinked at me.\"");
    ana.wait_for("li \"Your fish blinked at me.\"");
    assert_eq!(ana.eval("window.notReloaded"), true, "ana's page was loaded again");
    assert_eq!(bob.eval("location.pathname"), "/wall/ana");

    // The operator revokes it: both see a tombstone at once.
    bob.eval("window.notReloaded = true");
    let start = Instant::now();
    revoke(&server, "guestbook");
    for page in [&ana, &bob] {
        page.wait_for("neo-module.is-tomb .stamp").wait_gone("button \"Sign\"");
    }
    let took = start.elapsed();
    assert!(took < REVOKED_WITHIN, "the tombstones took {took:?}");
    for page in [&ana, &bob] {
        assert_eq!(page.eval("window.notReloaded"), true, "a page was loaded again");
    }
    // And one who comes later sees the same.
    bob.reload().wait_for("neo-module.is-tomb .stamp");
    assert!(!bob.has("button \"Sign\""));
}

/// Writes a line into the wall's guestbook.
fn sign(page: &Page, line: &str) {
    page.fill("textarea, input[type=text], input:not([type])", line)
        .click("button \"Sign\"");
}

#[test]
fn a_guestbook_is_signed_with_javascript_off() {
    let server = Server::builder().plugin("guestbook").start();
    let ana = server.person("ana");
    ana.post("/wall/ana/modules", &[("plugin", "guestbook")]).see_other();
    let (browser, bob) = (Browser::start(), server.person("bob"));
    let page = browser.page_of(&bob);
    page.javascript(false).goto(&server.url("/wall/ana"));
    sign(&page, "No script was needed.");
    page.wait_for_path("/wall/ana").wait_for("li \"No script was needed.\"");
    page.wait_for(".said \"Signed. Mind the step.\"");
    page.reload();
    assert!(!page.has(".said"), "what was said once is said twice");
    assert!(ana.get("/wall/ana").text().contains("No script was needed."));
}

#[test]
fn a_wall_is_arranged_by_keyboard_alone() {
    let server = Server::builder().plugins(&["guestbook", "mood", "clock"]).start();
    let ana = server.person("ana");
    for name in ["mood", "guestbook", "clock"] {
        ana.post("/wall/ana/modules", &[("plugin", name)]).see_other();
    }
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/wall/ana?edit=1"));
    let before = order(&page);
    let clock = module(&page, "Clock");
    page.wait_for(&format!("#{clock} .corner"))
        .focus(&format!("#{clock} .grip"));
    page.press("ArrowLeft").wait_for("#said \"Saved\"");
    let after = order(&page);
    let at = |names: &[String]| names.iter().position(|name| name == "Clock");
    assert_eq!(at(&after), at(&before).map(|at| at - 1), "{before:?} became {after:?}");

    let size = || {
        page.eval(&format!("document.getElementById('{clock}').dataset.h"))
            .as_str()
            .map(str::to_owned)
    };
    let tall = size();
    page.press("Shift+ArrowDown").wait_until(&format!(
        "document.getElementById('{clock}').dataset.h !== '{}'",
        tall.clone().unwrap_or_default()
    ));
    page.wait_for("#said \"Saved\"");
    page.reload();
    assert_eq!(order(&page), after, "the order was not kept");
    assert_ne!(size(), tall, "the size was not kept");

    page.focus(&format!("#{clock} .grip"))
        .press("Delete")
        .wait_gone(&format!("#{clock}"))
        .wait_for("#undo");
    page.press("Control+z").wait_for(&format!("#{clock}"));
    assert_eq!(order(&page), after);
}

#[test]
fn settings_are_seen_before_they_are_kept() {
    let server = Server::builder().plugin("guestbook").start();
    let ana = server.person("ana");
    ana.post("/wall/ana/modules", &[("plugin", "guestbook")]).see_other();
    let browser = Browser::start();
    let (page, other) = (browser.page_of(&ana), browser.page());
    page.goto(&server.url("/wall/ana?edit=1"));
    let id = module(&page, "Guestbook");
    page.click(&format!("#{id} a[data-set]")).wait_for("#set");
    other.goto(&server.url("/wall/ana"));
    page.fill("#set input[type=text]", "Leave a splash");
    page.wait_until("document.querySelector('#preview > div').shadowRoot.innerHTML.includes('Leave a splash')");
    assert!(
        !server.guest().get("/wall/ana").text().contains("Leave a splash"),
        "it was kept without being asked to"
    );
    page.click("#set button \"Keep\"").wait_for("#said \"Saved\"");
    other.wait_until(&format!(
        "document.querySelector('#{id} .body').shadowRoot.innerHTML.includes('Leave a splash')"
    ));
}

#[test]
fn the_door_says_what_is_wrong_and_lets_one_in() {
    let server = Server::start();
    let browser = Browser::start();
    let page = browser.page();
    register(&page, &server, "ana");
    // Nothing that could be turned back into the password has left the browser.
    page.goto(&server.url("/logout"))
        .click("main button[type=submit], main form button")
        .wait_for_path("/");
    page.allow("422").goto(&server.url("/login"));
    page.fill("#login-name", "ana")
        .fill("#login-password", "not my password")
        .click("neo-login button[type=submit]");
    page.wait_for(".error, .notice.bad");
    assert_eq!(page.value("#login-name"), "ana");
    page.fill("#login-password", PASSWORD)
        .click("neo-login button[type=submit]")
        .wait_for_path("/wall/ana");
}

/// Somebody whose wall has one of each module on it, and who has company.
fn furnished(server: &Server) -> Person {
    let ana = server.person("ana");
    let wall = ana.get("/wall/ana").expect(200).text();
    // The starter wall has some already.
    for name in SHOWN
        .iter()
        .filter(|name| !wall.contains(&format!("href=\"/plugins/{name}\"")))
    {
        ana.post("/wall/ana/modules", &[("plugin", name)]).see_other();
    }
    let fields = [
        ("status", "Tuning the antenna."),
        ("mood", "rainwater"),
        ("bio", "Keeps a fish, a radio and a window that faces the harbour."),
        ("colour", "blue"),
        ("time_zone", "Europe/Lisbon"),
    ];
    ana.post("/wall/ana/profile", &fields).see_other();
    for name in ["bob", "cyd", "dan"] {
        server.person(name);
    }
    ana
}

/// What is put up on the wall that is looked at: all that ships.
const SHOWN: [&str; 10] = [
    "guestbook",
    "mood",
    "clock",
    "poll",
    "countdown",
    "flower",
    "glitter-name-tag",
    "pixel-pet",
    "top-friends",
    "webring",
];

/// Every page that there is: name of the picture, path, and whether ana looks or a guest.
const PAGES: [(&str, &str, bool); 13] = [
    ("home", "/", false),
    ("wall", "/wall/ana", false),
    ("wall-own", "/wall/ana", true),
    ("wall-edit", "/wall/ana?edit=1", true),
    ("wall-edit-you", "/wall/ana?edit=1&tab=you", true),
    ("wall-safe", "/wall/ana?safe=1", false),
    ("gallery", "/plugins", false),
    ("plugin", "/plugins/guestbook", false),
    ("directory", "/directory", false),
    ("login", "/login", false),
    ("register", "/register", false),
    ("settings", "/settings", true),
    ("nothing", "/nothing/here", false),
];

#[test]
fn every_page_stands_in_both_schemes_and_sizes_and_can_be_used_by_all() {
    let server = Server::builder().plugins(&SHOWN).start();
    let ana = furnished(&server);
    let browser = Browser::start();
    let (own, guest) = (browser.page_of(&ana), browser.page());
    guest.allow("/nothing/here");
    let set = format!("/wall/ana?edit=1&module={}", {
        own.goto(&server.url("/wall/ana?edit=1"));
        module(&own, "Guestbook").replace("module-", "")
    });
    let mut faults = Vec::new();
    for (width, height) in [(1280, 800), (390, 844)] {
        for scheme in ["light", "dark"] {
            for (name, path, is_own) in PAGES.iter().copied().chain([("settings-form", set.as_str(), true)]) {
                let page = if is_own { &own } else { &guest };
                page.viewport(width, height).scheme(scheme).goto(&server.url(path));
                let picture = page.screenshot(&format!("{name}-{width}-{scheme}"));
                if page.overflows() {
                    faults.push(format!(
                        "{name} at {width} px is wider than its window: {}",
                        picture.display()
                    ));
                }
                // Rules look the same at both sizes, but colours don't in both schemes.
                faults.extend(
                    page.accessibility_faults()
                        .into_iter()
                        .map(|fault| format!("{name}, {width} px, {scheme}: {fault}")),
                );
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
