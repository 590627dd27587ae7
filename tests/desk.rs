//! Rooms and the desk in Chromium.
//!
//! Pictures go to the target directory's `screenshots/`, to be held beside the drawings of the look.

use neospace_tests::{Browser, Page, Person, Server};
use serde_json::{Value, json};

/// Somebody in the lobby and in these rooms.
fn member(server: &Server, name: &str) -> Person {
    let person = server.person(name);
    person.post("/rooms/lobby/join", &[]).see_other();
    person
}

/// Makes a room that everybody may join.
fn open_room(owner: &Person, name: &str, topic: &str) {
    owner
        .post("/rooms", &[("name", name), ("topic", topic), ("open", "1")])
        .see_other();
}

/// Says something over plain HTTP, and answers its id.
fn said(person: &Person, room: &str, content: &str) -> i64 {
    let path = format!("/rooms/{room}/messages");
    person.post_json(&path, &[("content", content)]).expect(201).json()["id"]
        .as_i64()
        .expect("a message has an id")
}

/// A page that believes to have the focus, as if its window were in front.
fn in_front(page: &Page) -> &Page {
    page.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
    page
}

/// Opens a page and waits until it listens to the room that it shows.
fn open<'a>(page: &'a Page, server: &Server, path: &str) -> &'a Page {
    page.goto(&server.url(path));
    listening(page)
}

fn listening(page: &Page) -> &Page {
    page.wait_until("document.querySelector('neo-room:state(listening)')")
}

/// Types a message and sends it with Enter.
fn talk<'a>(page: &'a Page, text: &str) -> &'a Page {
    page.fill("#say", text).press("Enter")
}

/// A room's log as it stands, without what only marks where this reader was.
fn log(page: &Page) -> String {
    let log = page.eval(
        "(() => {
            const log = document.querySelector('.log').cloneNode(true)
            for (const line of log.querySelectorAll('.since')) line.remove()
            for (const found of log.querySelectorAll('.found')) found.classList.remove('found')
            return log.outerHTML.replaceAll('><', '>\\n<')
        })()",
    );
    log.as_str().expect("a text").to_owned()
}

/// What the messages say, one after the other.
fn words(page: &Page) -> Vec<String> {
    let said = page.eval("[...document.querySelectorAll('.log .message')].map(message => (message.querySelector('.words, .crossed') ?? message).textContent.trim())");
    texts(&said)
}

fn texts(list: &Value) -> Vec<String> {
    let text = |one: &Value| one.as_str().unwrap_or_default().to_owned();
    list.as_array().expect("a list").iter().map(text).collect()
}

#[test]
fn three_people_talk_and_the_one_who_lost_the_line_sees_what_the_others_see() {
    let server = Server::start();
    let [ana, bob, cyd] = ["ana", "bob", "cyd"].map(|name| member(&server, name));
    let browser = Browser::start();
    let [at_ana, at_bob, at_cyd] = [&ana, &bob, &cyd].map(|person| browser.page_of(person));
    for page in [&at_ana, &at_bob, &at_cyd] {
        open(in_front(page), &server, "/desk?room=lobby");
    }
    talk(&at_ana, "Does the *kettle* work?");
    for page in [&at_ana, &at_bob, &at_cyd] {
        page.wait_for(".message em \"kettle\"");
    }
    talk(&at_bob, "It whistles.");
    talk(&at_cyd, "I heard it.");
    for page in [&at_ana, &at_bob, &at_cyd] {
        page.wait_for(".message \"It whistles.\"")
            .wait_for(".message \"I heard it.\"");
    }

    // Cyd's line goes. What is said, changed and taken back meanwhile reaches her when she is back.
    at_cyd.allow("ERR_INTERNET_DISCONNECTED").allow("WebSocket");
    at_cyd.offline(true).wait_for(".offline");
    talk(&at_ana, "@cyd, are you there?");
    at_bob.wait_for(".message \"are you there?\"");
    // Bob answers the first message by keyboard, and changes what he said last.
    at_bob
        .focus(".message")
        .press("r")
        .wait_for(".regarding \"Answering ana\"");
    talk(&at_bob, "The kettle works.").wait_for(".message .reply \"ana: Does the\"");
    at_bob
        .fill("#say", "")
        .press("ArrowUp")
        .wait_for(".regarding \"Changing\"");
    at_bob.wait_until("document.querySelector('#say').value === 'The kettle works.'");
    talk(&at_bob, "The kettle works well.").wait_for(".message .edited");
    // Ana takes back what cyd has seen already, and what bob's answer quotes.
    at_ana.focus(".message").press("Delete");
    at_ana
        .click("#really button \"Delete it\"")
        .wait_for(".message.gone .crossed");
    at_bob.wait_for(".message.gone .crossed");
    for filler in 0..60 {
        said(&ana, "lobby", &format!("Line {filler}"));
    }
    at_ana.wait_for(".message \"Line 59\"");
    at_bob.wait_for(".message \"Line 59\"");
    // And she finds it by searching.
    assert!(!at_cyd.has(".message \"are you there?\""));
    // Ana finds in the tool pane what was said, and goes to where that was.
    at_ana.eval("document.activeElement.blur()");
    at_ana
        .press("/")
        .wait_until(&in_tool("document.activeElement.type === 'search'"));
    at_ana.type_text("whistles").press("Enter");
    at_ana.wait_until(&in_tool("document.querySelector('#hits')?.textContent.includes('bob')"));
    at_ana.eval(&in_tool("document.querySelector('#hits a').click()"));
    at_ana.wait_for(".found \"It whistles.\"");
    assert_eq!(at_ana.eval("location.pathname"), "/desk");
    at_ana.eval("history.back()");
    listening(&at_ana).wait_gone(".found");

    at_cyd
        .offline(false)
        .wait_for(".message \"Line 59\"")
        .wait_for(".message.gone");
    at_cyd.wait_for(".message.calls \"are you there?\"");
    at_cyd.wait_until("document.querySelector('.reply').textContent.includes('taken back')");
    at_bob.wait_until("document.querySelector('.reply').textContent.includes('taken back')");
    assert_eq!(words(&at_cyd), words(&at_bob), "cyd's log differs from bob's");
    // (Ana's begins later: she has been elsewhere and come back.)
    assert!(
        words(&at_cyd).ends_with(&words(&at_ana)),
        "cyd's log differs from ana's"
    );
    // Her page equals a fresh one, once that shows as much.
    let fresh = browser.page_of(&cyd);
    open(&fresh, &server, "/desk?room=lobby");
    while fresh.has(".older a") {
        fresh.eval("document.querySelector('.rolls').scrollTop = 0");
        fresh.wait_until("document.querySelector('.older').hidden");
    }
    assert_eq!(log(&at_cyd), log(&fresh), "her page differs from a fresh one");
}

#[test]
fn what_was_said_without_a_line_survives_the_page_and_arrives_once() {
    let server = Server::start();
    let (ana, bob) = (member(&server, "ana"), member(&server, "bob"));
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.allow("ERR_INTERNET_DISCONNECTED").allow("WebSocket");
    open(&page, &server, "/rooms/lobby");
    page.offline(true).wait_for(".offline");
    talk(&page, "Said into the void.");
    page.wait_for(".outbox li \"Said into the void.\"");
    assert!(!page.has(".message"), "it is no message yet");
    assert_eq!(page.value("#say"), "");
    // The page is gone, and with it all but what the browser keeps.
    page.goto("about:blank").offline(false);
    open(&page, &server, "/rooms/lobby");
    page.wait_for(".message.mine \"Said into the void.\"")
        .wait_gone(".outbox li");
    page.reload();
    listening(&page);
    talk(&page, "And once more.").wait_for(".message \"And once more.\"");
    let messages = bob.get_json("/rooms/lobby").json()["messages"].clone();
    let said: Vec<_> = messages
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["content"])
        .collect();
    assert_eq!(said, ["Said into the void.", "And once more."]);
}

#[test]
fn a_server_that_went_away_under_a_sender_gets_it_once() {
    let mut server = Server::start();
    let ana = member(&server, "ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.allow("WebSocket").allow("ERR_CONNECTION");
    open(&page, &server, "/rooms/lobby");
    server.kill();
    talk(&page, "While nobody listened.").wait_for(".outbox li \"While nobody listened.\"");
    server.start_again();
    page.wait_for(".message \"While nobody listened.\"")
        .wait_gone(".outbox li");
    assert_eq!(words(&page), ["While nobody listened."]);
}

#[test]
fn what_is_refused_comes_back_with_the_reason() {
    let server = Server::builder().config("[limits]\nposts_per_minute = 3").start();
    let ana = member(&server, "ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    open(&page, &server, "/rooms/lobby");
    talk(&page, "One.").wait_for(".message \"One.\"");
    talk(&page, "Two, too soon.").wait_for(".told \"Try again in\"");
    assert_eq!(page.value("#say"), "Two, too soon.");
    assert!(!page.has(".outbox li"));
    // It is still there tomorrow.
    page.reload();
    listening(&page);
    assert_eq!(page.value("#say"), "Two, too soon.");
    page.fill("#say", &"a".repeat(4_001))
        .press("Enter")
        .wait_for(".told \"1 too many\"");
    assert_eq!(page.value("#say").len(), 4_001);
}

#[test]
fn a_draft_waits_in_its_room() {
    let server = Server::start();
    let ana = member(&server, "ana");
    open_room(&ana, "late-shift", "");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    open(&page, &server, "/desk?room=lobby").fill("#say", "Half a thought");
    page.click("#rooms a \"late-shift\"")
        .wait_for("#talk h2 \"# late-shift\"");
    listening(&page);
    assert_eq!(page.value("#say"), "");
    page.reload();
    page.click("#rooms a \"lobby\"").wait_for("#talk h2 \"# lobby\"");
    assert_eq!(page.value("#say"), "Half a thought");
}

/// A JavaScript expression about what the tool pane shows.
fn in_tool(expression: &str) -> String {
    format!(
        "(({{ document }}) => {expression})({{ document: window.document.querySelector('iframe').contentDocument }})"
    )
}

/// The path and query of what the tool pane shows.
fn tool(page: &Page) -> String {
    let tool = page.eval("(() => { const { pathname, search } = document.querySelector('iframe').contentWindow.location; return pathname + search })()");
    tool.as_str().expect("a text").to_owned()
}

fn wait_for_tool<'a>(page: &'a Page, path: &str) -> &'a Page {
    page.wait_until(&format!(
        "(() => {{ const frame = document.querySelector('iframe'); return frame.contentWindow.location.pathname === {path} && frame.contentDocument.readyState === 'complete' && new URL(location).searchParams.get('tool') === {path} }})()",
        path = json!(path)
    ))
}

#[test]
fn the_desk_finds_its_panes_again() {
    let server = Server::start();
    let (ana, bob) = (member(&server, "ana"), member(&server, "bob"));
    open_room(&ana, "late-shift", "");
    said(&bob, "lobby", "My wall is new.");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    open(&page, &server, "/desk");
    wait_for_tool(&page, "/wall/ana");
    page.click(".tool .tabs a \"People\"");
    wait_for_tool(&page, "/directory").wait_for(".tool .tabs [aria-current] \"People\"");
    // A name in the conversation opens that wall beside it.
    page.click(".message .who \"bob\"");
    wait_for_tool(&page, "/wall/bob");
    page.eval("window.stayed = true");
    page.click("#rooms a \"late-shift\"")
        .wait_for("#talk h2 \"# late-shift\"");
    assert_eq!(tool(&page), "/wall/bob");
    assert_eq!(page.eval("new URL(location).searchParams.get('room')"), "late-shift");

    page.eval("history.back()");
    page.wait_for("#talk h2 \"# lobby\"");
    assert_eq!(tool(&page), "/wall/bob");
    page.eval("history.back()");
    wait_for_tool(&page, "/directory");
    page.eval("history.back()");
    wait_for_tool(&page, "/wall/ana");
    assert!(page.has("#talk h2 \"# lobby\""));
    page.eval("history.go(3)");
    page.wait_for("#talk h2 \"# late-shift\"");
    wait_for_tool(&page, "/wall/bob");
    assert_eq!(page.eval("window.stayed"), true, "the desk was loaded again");

    page.reload();
    listening(&page);
    wait_for_tool(&page, "/wall/bob").wait_for("#talk h2 \"# late-shift\"");
    // The tool has no bar of its own, and its links to rooms open them at the desk.
    assert_eq!(
        page.eval("getComputedStyle(document.querySelector('iframe').contentDocument.querySelector('.bar')).display"),
        "none"
    );
}

#[test]
fn a_phone_shows_one_pane_at_a_time() {
    let server = Server::start();
    let (ana, bob) = (member(&server, "ana"), member(&server, "bob"));
    open_room(&ana, "late-shift", "");
    said(&bob, "lobby", "Good evening.");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.viewport(390, 844);
    open(&page, &server, "/desk");
    let shown = || ["#rooms", "#talk", "#tool"].map(|pane| page.has(pane));
    assert_eq!(shown(), [false, true, false]);
    assert!(!page.overflows());
    page.click(".paneswitch a \"Rooms\"").wait_for("#rooms");
    assert_eq!(shown(), [true, false, false]);
    page.click("#rooms a \"late-shift\"")
        .wait_for("#talk h2 \"# late-shift\"");
    assert_eq!(shown(), [false, true, false]);
    page.wait_for(".paneswitch [aria-current] \"Talk\"");
    page.eval("history.back()");
    page.wait_for("#rooms");
    page.eval("history.back()");
    page.wait_for("#talk h2 \"# lobby\"");
    page.click(".message .who \"bob\"").wait_for("#tool");
    assert_eq!(shown(), [false, false, true]);
    wait_for_tool(&page, "/wall/bob");
}

#[test]
fn the_keyboard_goes_everywhere() {
    let server = Server::start();
    let (ana, bob) = (member(&server, "ana"), member(&server, "bob"));
    open_room(&ana, "attic", "");
    open_room(&ana, "zoo", "");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    open(&page, &server, "/desk?room=attic");
    page.press("?").wait_for("dialog#keys");
    page.check_accessibility();
    page.press("Escape").wait_gone("dialog#keys");
    page.press("Alt+ArrowDown").wait_for("#talk h2 \"# lobby\"");
    listening(&page);
    page.press("Alt+ArrowDown").wait_for("#talk h2 \"# zoo\"");
    page.press("Alt+ArrowUp").wait_for("#talk h2 \"# lobby\"");
    listening(&page);
    said(&bob, "lobby", "Who feeds the snail?");
    page.wait_for(".message \"Who feeds\"");
    // From the log to a message, and an answer to it.
    page.focus(".rolls")
        .press("ArrowUp")
        .press("r")
        .wait_for(".regarding \"Answering bob\"");
    page.wait_until("document.activeElement.id === 'say'");
    page.press("Escape").wait_gone(".regarding");
    talk(&page, "I do.").wait_for(".message.mine \"I do.\"");
    page.press("ArrowUp")
        .wait_until("document.querySelector('#say').value === 'I do.'");
    page.press("Escape");
    assert_eq!(page.value("#say"), "");
    page.eval("document.activeElement.blur()");
    page.press("c").wait_until("document.activeElement.id === 'say'");
    // While one types, letters are letters.
    page.type_text("/?cr")
        .wait_until("document.querySelector('#say').value === '/?cr'");
    assert!(!page.has("dialog#keys"));
}

#[test]
fn what_is_unread_is_a_number_for_oneself() {
    let server = Server::start();
    let (ana, bob) = (member(&server, "ana"), member(&server, "bob"));
    open_room(&bob, "late-shift", "");
    ana.post("/rooms/late-shift/join", &[]).see_other();
    said(&bob, "late-shift", "It is late.");
    ana.post("/rooms/late-shift/read", &[("seq", "1")]).see_other();
    let browser = Browser::start();
    let (page, other) = (browser.page_of(&ana), browser.page_of(&ana));
    open(in_front(&page), &server, "/desk?room=lobby");
    open(&other, &server, "/desk?room=lobby");
    said(&bob, "late-shift", "Anybody?");
    said(&bob, "late-shift", "@ana?");
    page.wait_for("#rooms a.unread[data-room=late-shift] .called \"@1\"");
    page.wait_for("#rooms a[data-room=late-shift] .number \"2\"");
    page.wait_until("document.title.startsWith('(2) ')");
    other.wait_for("#rooms a.unread[data-room=late-shift]");
    // Reading it here is reading it there.
    page.click("#rooms a \"late-shift\"")
        .wait_for("#talk h2 \"# late-shift\"");
    page.wait_for(".since").wait_until("!document.title.startsWith('(')");
    other.wait_gone("#rooms a.unread[data-room=late-shift]");
    assert!(
        !other
            .eval("document.title")
            .as_str()
            .unwrap_or_default()
            .starts_with('(')
    );
}

#[test]
fn one_sees_who_is_here_and_who_types() {
    let server = Server::start();
    let (ana, bob) = (member(&server, "ana"), member(&server, "bob"));
    let browser = Browser::start();
    let (at_ana, at_bob) = (browser.page_of(&ana), browser.page_of(&bob));
    open(&at_ana, &server, "/desk");
    open(&at_bob, &server, "/desk");
    at_ana
        .wait_for("neo-here a \"bob\"")
        .wait_for("neo-here a \"ana, that is you\"");
    at_bob.fill("#say", "Well");
    at_ana.wait_for(".typing.on \"bob is typing\"");
    at_bob.press("Enter");
    at_ana.wait_for(".message \"Well\"").wait_gone(".typing.on");
    at_bob.goto("about:blank");
    at_ana.wait_gone("neo-here a \"bob\"");
}

#[test]
fn hundreds_of_messages_are_there_by_scrolling() {
    let server = Server::start();
    let ana = member(&server, "ana");
    for number in 0..330 {
        said(&ana, "lobby", &format!("Line {number}"));
    }
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    open(&page, &server, "/rooms/lobby");
    let expected: Vec<_> = (0..330).map(|number| format!("Line {number}")).collect();
    assert_eq!(words(&page), expected[280..]);
    // What one looks at stays where it is while older messages come above it.
    page.eval("document.querySelector('.rolls').scrollTop = 300");
    page.wait_until("document.querySelectorAll('.message').length > 50");
    let top = "document.querySelector('.rolls').getBoundingClientRect().top";
    assert!(page.eval("document.querySelector('.rolls').scrollTop").as_f64() > Some(1_000.0));
    assert_eq!(page.eval(&format!("[...document.querySelectorAll('.message')].findIndex(message => message.getBoundingClientRect().bottom > {top}) > 80")), true);
    while !page
        .eval("document.querySelector('.older').hidden")
        .as_bool()
        .unwrap_or_default()
    {
        let before = words(&page).len();
        page.eval("document.querySelector('.rolls').scrollTop = 0");
        page.wait_until(&format!(
            "document.querySelectorAll('.message').length > {before} || document.querySelector('.older').hidden"
        ));
    }
    assert_eq!(words(&page), expected);

    // A jump into the middle loads both ways, and what is said meanwhile waits until one gets there.
    let middle = page.attribute(".message \"Line 150\"", "data-id").expect("an id");
    open(
        &page,
        &server,
        &format!("/rooms/lobby?around={middle}#message-{middle}"),
    );
    page.wait_for(".found \"Line 150\"");
    said(&ana, "lobby", "Line 330");
    page.wait_for(".below");
    assert!(!page.has(".message \"Line 330\""));
    for end in ["0", "1e9"] {
        let link = if end == "0" { ".older" } else { ".newer" };
        while !page
            .eval(&format!("document.querySelector('{link}').hidden"))
            .as_bool()
            .unwrap_or_default()
        {
            let before = words(&page).len();
            page.eval(&format!("document.querySelector('.rolls').scrollTop = {end}"));
            page.wait_until(&format!(
                "document.querySelectorAll('.message').length > {before} || document.querySelector('{link}').hidden"
            ));
        }
    }
    page.wait_for(".message \"Line 330\"");
    assert_eq!(words(&page), [expected, vec!["Line 330".into()]].concat());
}

#[test]
fn the_desk_is_used_with_javascript_off() {
    let server = Server::start();
    let ana = server.person("ana");
    ana.post("/rooms/lobby/join", &[]).see_other();
    ana.post(
        "/rooms",
        &[("name", "late-shift"), ("topic", "Whoever is up"), ("open", "1")],
    )
    .see_other();
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.javascript(false).viewport(390, 844).goto(&server.url("/"));
    page.wait_for_path("/desk").wait_for("#talk h2 \"# lobby\"");
    assert!(
        !page.has("#rooms") && !page.has("#tool"),
        "a phone shows one pane at a time"
    );

    page.click(".paneswitch a \"Rooms\"").wait_for("#rooms");
    assert!(!page.has("#talk"));
    page.click("#rooms a \"late-shift\"")
        .wait_for("#talk .topic \"Whoever is up\"");
    page.fill("#say", "Said without a script.")
        .click(".composer button \"Send\"");
    page.wait_for(".message \"Said without a script.\"");

    page.goto(&server.url("/desk?room=late-shift&tool=/directory#tool"))
        .wait_for("#tool iframe");
    assert_eq!(page.attribute("#tool iframe", "src").as_deref(), Some("/directory"));
    assert_eq!(
        page.attribute("#tool [aria-current]", "data-tool").as_deref(),
        Some("/directory")
    );
    page.goto(&server.url("/desk?tool=https://evil.example/"));
    assert_eq!(page.attribute("#tool iframe", "src").as_deref(), Some("/wall/ana"));
    assert!(!page.overflows());
}

/// A lobby with one of everything in it, as ana finds it.
fn furnished(server: &Server) -> Person {
    let [ana, bob, cyd] = ["ana", "bob", "cyd"].map(|name| member(server, name));
    for room in ["field-notes", "late-shift", "radio-repair"] {
        open_room(&bob, room, "Things found at low water");
        ana.post(&format!("/rooms/{room}/join"), &[]).see_other();
    }
    open_room(&ana, "terrible-poems", "Worse is better");
    said(&ana, "lobby", "what rhymes with *ladle*");
    said(&bob, "lobby", "cradle. fable, if you are tired");
    said(
        &bob,
        "lobby",
        "or [a table](https://example.org/), with a list on it:\n\n- one\n- two",
    );
    let asked = said(
        &cyd,
        "lobby",
        "fine.\ncan somebody look at this? it draws, but upside down: `translate(0, -height)`",
    );
    said(
        &ana,
        "lobby",
        "> worth watching\n\n```\nfunction draw() {\n  translate(0, height) // and a line that is far too long for any phone, however it is held\n}\n```",
    );
    let answer = [
        (
            "content",
            "@ana **positive** height. the canvas hangs from the ceiling, like everything worth watching",
        ),
        ("reply_to", &asked.to_string()),
    ];
    bob.post("/rooms/lobby/messages", &answer).see_other();
    let first = said(&ana, "lobby", "the snail told me");
    ana.post(
        &format!("/rooms/lobby/messages/{first}"),
        &[("content", "the *snail* told me")],
    )
    .see_other();
    ana.post("/rooms/lobby/read", &[("seq", "7")]).see_other();
    let gone = said(&cyd, "lobby", "oops");
    cyd.post(&format!("/rooms/lobby/messages/{gone}/delete"), &[])
        .see_other();
    said(&cyd, "lobby", "the snail is not cleared for that");
    said(&bob, "radio-repair", "@ana the fuse is in the drawer");
    said(&bob, "field-notes", "hm");
    ana.post("/rooms/terrible-poems/invite", &[("user", "cyd")]).see_other();
    ana
}

/// Every page about rooms: name of the picture, path, and what to do before it is taken.
const PAGES: [(&str, &str, &str); 11] = [
    ("desk", "/desk", ""),
    ("desk-rooms", "/desk#rooms", ""),
    ("desk-tool", "/desk?tool=/directory#tool", ""),
    (
        "desk-keys",
        "/desk",
        "document.querySelector('[data-key=help]').click()",
    ),
    (
        "desk-menu",
        "/desk?room=terrible-poems",
        "document.querySelector('.menu-button').click()",
    ),
    (
        "desk-tools",
        "/desk",
        "document.querySelector('.message.mine:not(.gone)').focus()",
    ),
    ("room", "/rooms/lobby", ""),
    ("rooms", "/rooms", ""),
    ("message", "/rooms/lobby/messages/7", ""),
    ("room-people", "/rooms/terrible-poems/people", ""),
    ("room-log", "/rooms/terrible-poems/log", ""),
];

#[test]
fn every_page_about_rooms_stands_in_both_schemes_and_sizes_and_can_be_used_by_all() {
    let server = Server::start();
    let ana = furnished(&server);
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    let mut faults = Vec::new();
    for (width, height) in [(1280, 800), (390, 844)] {
        for scheme in ["light", "dark"] {
            page.viewport(width, height).scheme(scheme);
            for (name, path, before) in PAGES {
                // Most is seen once at each size; what has colours of its own in both schemes.
                if scheme == "dark" && !["desk", "desk-menu", "desk-keys", "rooms", "message"].contains(&name) {
                    continue;
                }
                // Another place on the same page would not be loaded anew.
                page.goto("about:blank").goto(&server.url(path));
                if path.starts_with("/desk") || name == "room" {
                    listening(&page);
                }
                page.eval(before);
                if path.starts_with("/desk") && (width > 600 || path.ends_with("#tool")) {
                    page.wait_until("document.querySelector('iframe').contentDocument?.readyState === 'complete'");
                }
                let picture = page.screenshot(&format!("{name}-{width}-{scheme}"));
                if page.overflows() {
                    faults.push(format!(
                        "{name} at {width} px is wider than its window: {}",
                        picture.display()
                    ));
                }
                let found = page.accessibility_faults();
                faults.extend(
                    found
                        .iter()
                        .map(|fault| format!("{name}, {width} px, {scheme}: {fault}")),
                );
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Texts that would run a script where they are taken for markup: one a line.
fn vectors() -> Vec<String> {
    let file = neospace_tests::root().join("tests/vectors/xss.txt");
    let text = std::fs::read_to_string(file).expect("the vectors lie with the tests");
    // `\n` stands for a line break, and a line that begins with `# ` for a remark.
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    lines.map(|line| line.replace("\\n", "\n")).collect()
}

/// Fails if anything ran, or stands ready to run once somebody presses or points at it.
#[track_caller]
fn nothing_ran(page: &Page, where_: &str) {
    let found = page.eval(
        "(() => {
            const found = [...(window.ran ?? [])]
            const elements = [...document.querySelectorAll('main *, main ~ *')].filter(element => !element.closest('svg[aria-hidden], svg[role=img]'))
            for (const element of elements) {
                if (/^(script|object|embed|base|link|meta|style|animate|set|math|video|audio|marquee)$/i.test(element.localName)) found.push(element.outerHTML)
                for (const { name, value } of element.attributes) {
                    if (/^on/i.test(name) || name === 'srcdoc' || name === 'style') found.push(element.outerHTML)
                    if (/^(href|src|action|formaction|xlink:href|data)$/i.test(name) && !/^(https?|mailto):$/.test(new URL(value, location).protocol)) found.push(element.outerHTML)
                }
            }
            return found
        })()",
    );
    assert_eq!(texts(&found), Vec::<String>::new(), "{where_}");
    assert_eq!(page.dialogs(), Vec::<String>::new(), "{where_}");
}

/// Says, titles, looks up and wears every vector, with the content security policy in force or not.
fn try_vectors(policy: bool) {
    let vectors = vectors();
    assert!(vectors.len() >= 200, "only {} vectors", vectors.len());
    let server = Server::start();
    let (ana, bob) = (member(&server, "ana"), member(&server, "bob"));
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.call("Page.setBypassCSP", json!({ "enabled": !policy }));
    let spy = "window.ran = []; for (const name of ['alert', 'confirm', 'prompt', 'print', 'open', 'xss']) window[name] = (...told) => { window.ran.push(name + ' ' + told) }";
    page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": spy }));

    // Said while ana listens, as frames; then as a page; then scrolled up to, as a backfill.
    open(&page, &server, "/rooms/lobby");
    let mut posted = Vec::new();
    for vector in &vectors {
        let answer = bob.post_json("/rooms/lobby/messages", &[("content", vector)]);
        // A few have characters that no message may have.
        assert!([201, 422].contains(&answer.status), "{vector:?}: {}", answer.status);
        posted.extend((answer.status == 201).then(|| answer.json()["id"].clone()));
    }
    assert!(
        posted.len() >= 200,
        "only {} of the vectors were accepted",
        posted.len()
    );
    page.wait_for(&format!("#message-{}", posted[posted.len() - 1]));
    nothing_ran(&page, "messages as frames");
    let heard = page
        .eval("document.querySelectorAll('.message').length")
        .as_u64()
        .expect("a number");
    assert_eq!(heard as usize, posted.len());
    page.reload();
    listening(&page);
    while !page
        .eval("document.querySelector('.older').hidden")
        .as_bool()
        .unwrap_or_default()
    {
        let before = words(&page).len();
        page.eval("document.querySelector('.rolls').scrollTop = 0");
        page.wait_until(&format!("document.querySelectorAll('.message').length > {before}"));
    }
    nothing_ran(&page, "messages as a page and a backfill");
    // Quoted where one answers, and given back to be changed.
    page.eval(
        "for (const message of document.querySelectorAll('.message')) message.querySelector('[data-do=reply]').click()",
    );
    nothing_ran(&page, "an answer");

    let rooms: Vec<_> = (0..15).map(|number| format!("room-{number}")).collect();
    for room in &rooms {
        open_room(&ana, room, "");
    }
    let people: Vec<_> = (0..rooms.len())
        .map(|number| server.person(&format!("person{number}")))
        .collect();
    for some in vectors.chunks(rooms.len()) {
        for ((room, person), vector) in rooms.iter().zip(&people).zip(some) {
            let line = vector.replace('\n', " ");
            let topic: String = line.chars().take(200).collect();
            let changed = ana.post(&format!("/rooms/{room}/topic"), &[("topic", &topic)]);
            assert!([303, 422].contains(&changed.status), "{vector:?}: {}", changed.status);
            // No such text is the name of a room, or of somebody.
            ana.post("/rooms", &[("name", vector), ("topic", ""), ("open", "1")])
                .expect(422);
            let status: String = line.chars().take(60).collect();
            let worn = person.post(&format!("/wall/{}/profile", person.name), &[("status", &status)]);
            assert!([303, 422].contains(&worn.status), "{vector:?}: {}", worn.status);
        }
        for path in ["/rooms", "/rooms/room-0", "/directory", "/wall/person0"] {
            page.goto(&server.url(path));
            nothing_ran(&page, &format!("{some:?} as topics and statuses on {path}"));
        }
    }
    open(&page, &server, "/desk?room=room-0&tool=/wall/person0");
    nothing_ran(&page, "a topic at the desk");

    // As many as a question may have, one after the other.
    let mut question = String::new();
    for vector in vectors.iter().chain([&"x".repeat(200)]) {
        if question.chars().count() + vector.chars().count() >= 200 {
            let asked = neospace_tests::person::encode(&[("q", &question)]);
            page.allow("422").goto(&server.url(&format!("/rooms/search?{asked}")));
            nothing_ran(&page, &format!("{question:?} in the search box"));
            question.clear();
        }
        question.push_str(vector);
        question.push(' ');
    }
    // And found again.
    for word in ["script", "alert", "onerror", "javascript", "press"] {
        page.goto(&server.url(&format!("/rooms/search?q={word}")))
            .wait_for("#hits");
        nothing_ran(&page, &format!("what is found of {word}"));
    }

    // The trap itself snaps, once there is nothing in between.
    if !policy {
        page.allow("404").eval("(() => { const image = new Image(); image.setAttribute('onerror', 'alert(1)'); image.src = '/nothing/here.png'; document.querySelector('main').append(image) })()");
        page.wait_until("window.ran.includes('alert 1')");
    }
}

#[test]
fn no_text_becomes_a_script_with_the_policy_in_force() {
    try_vectors(true);
}

#[test]
fn no_text_becomes_a_script_without_the_policy() {
    try_vectors(false);
}
