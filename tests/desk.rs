//! Rooms and the desk in Chromium.

use neospace_tests::{Browser, Server};

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
