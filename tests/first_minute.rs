//! A newcomer's first minute: a wall to begin from, and their own.

use neospace_tests::{Browser, Server, browser::Point, person::PASSWORD};

#[test]
fn a_newcomer_begins_from_one_of_twelve_walls() {
    let server = Server::builder()
        .plugins(&["guestbook", "mood", "clock", "countdown"])
        .start();
    let bob = server.person("bob");
    bob.post("/wall/bob/look/start", &[("start", "kitchen")]).see_other();
    bob.post("/wall/bob/modules", &[("plugin", "countdown")]).see_other();
    // One who would rather not be remixed isn't shown, nor is one who wears nothing.
    let cyd = server.person("cyd");
    cyd.post("/wall/cyd/look/start", &[("start", "ferry")]).see_other();
    cyd.post("/wall/cyd/look/remixing", &[]).see_other();
    server.person("dora");

    let browser = Browser::start();
    let page = browser.page();
    page.goto(&server.url("/register"))
        .fill("#register-name", "ana")
        .fill("#register-password", PASSWORD);
    page.click("neo-register button[type=submit]").wait_for_path("/welcome");
    assert_eq!(page.count(".beginning"), 12);
    assert!(
        page.has(".beginning h2 \"bob\"") && !page.has(".beginning h2 \"cyd\"") && !page.has(".beginning h2 \"dora\"")
    );
    assert!(page.has(".beginning h2 \"Ferry timetable\""));
    assert!(!page.text("main").to_lowercase().contains("mail"), "nothing is asked");
    let radius = page.eval("getComputedStyle(document.querySelector('[data-small=bob]')).borderTopLeftRadius");
    assert_eq!(radius, "12px", "bob's wall in small wears his theme");
    page.check_accessibility();
    page.screenshot("welcome-1280");
    page.scheme("dark");
    page.check_accessibility();
    page.screenshot("welcome-1280-dark");
    page.viewport(390, 844);
    assert!(!page.overflows());
    page.screenshot("welcome-390");
    page.viewport(1280, 800);

    // With the keyboard alone: the button, Enter, and there is her wall.
    page.focus("button[value=bob]")
        .press("Enter")
        .wait_for_path("/wall/ana");
    page.wait_for(".credit a \"bob\"")
        .wait_for("neo-module[data-name=Countdown]");
    let guest = server.guest().get("/wall/ana").text();
    assert!(guest.contains("Remixed from <a href=\"/wall/bob\">bob</a>"));
    page.check();
}

#[test]
fn each_step_may_be_left_out_and_works_without_javascript() {
    let server = Server::builder().plugins(&["mood"]).start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.javascript(false).goto(&server.url("/welcome"));
    page.click("a \"Skip this\"").wait_for_path("/wall/ana");
    page.click(".next-step a \"Next\"").wait_for_path("/welcome/number");
    page.click("a \"Skip this\"").wait_for_path("/wall/ana");
    assert!(!server.guest().get("/wall/ana").text().contains("Remixed"));
    page.goto(&server.url("/welcome"));
    page.click("button[value=harbour]").wait_for_path("/wall/ana");
    let wall = server.guest().get("/wall/ana").text();
    let sheet = wall
        .split("id=\"look\" rel=\"stylesheet\" href=\"")
        .nth(1)
        .expect("a look");
    let sheet = server.guest().get(sheet.split('"').next().unwrap_or_default()).text();
    assert!(sheet.contains("--wall-border:5px"), "{sheet}");

    // What there isn't is refused; a guest is asked to come in first.
    ana.post_json("/welcome", &[("start", "nowhere")]).expect(422);
    ana.post_json("/welcome", &[]).expect(422);
    ana.post_json("/welcome", &[("wall", "nobody")]).expect(404);
    ana.post_json("/welcome", &[("wall", "ana")]).expect(409);
    assert_eq!(server.guest().get("/welcome").see_other(), "/login?next=/welcome");
    server.guest().post_json("/welcome", &[("start", "ferry")]).expect(401);
    server.guest().get("/looks/of/ana,nobody,%22%5D%7B.css").expect(200);
}

#[test]
fn after_the_wall_comes_a_sticker_then_a_number_then_ones_own_wall() {
    let server = Server::builder().plugins(&["mood"]).start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/welcome"));
    page.click("button[value=starfield]").wait_for_path("/wall/ana");
    page.wait_for(".next-step strong \"Now drag a sticker\"");
    assert!(page.url().contains("tab=stickers"), "{}", page.url());
    // What the house lays on a wall that begins from this: hers to move, and laid there once.
    assert_eq!(page.count(".stickers > .stick"), 4);
    ana.post("/welcome", &[("start", "starfield")]).see_other();
    page.goto(&page.url()).wait_for(".stickers.is-editing");
    assert_eq!(page.count(".stickers > .stick.is-mine"), 4);
    page.check_accessibility();
    page.screenshot("first-minute-sticker");
    page.drag(".emoji-grid button", Point { x: 420.0, y: 300.0 });
    page.wait_for("#said \"is on the wall\"");
    let lies = page.eval(
        "(box => [box.x + box.width / 2, box.y + box.height / 2])([...document.querySelectorAll('.stickers > .stick')].at(-1).getBoundingClientRect())",
    );
    let off = |nth: usize, at: f64| (lies[nth].as_f64().expect("a place") - at).abs();
    assert!(
        off(0, 420.0) < 3.0 && off(1, 300.0) < 3.0,
        "it was let go elsewhere: {lies}"
    );

    page.click(".next-step a \"Next\"").wait_for_path("/welcome/number");
    page.check_accessibility();
    page.click("neo-frame [data-run]")
        .wait_until("document.querySelector('neo-frame').params.size > 0");
    page.fill("#number", "750");
    page.wait_until("document.querySelector('neo-frame').params.get('stars').value === 750");
    page.screenshot("first-minute-number");
    page.viewport(390, 844);
    assert!(!page.overflows());
    page.viewport(1280, 800);
    page.click("button \"Put it on my wall\"").wait_for_path("/wall/ana");
    page.wait_for("neo-frame[data-title='My first sky']");
    let wall = server.guest().get("/wall/ana").text();
    assert!(
        wall.contains("{&quot;stars&quot;:750}"),
        "her number is not on her wall"
    );
    page.check();

    // Without JavaScript, and wrongly.
    let refused = ana.post("/welcome/number", &[("number", "9000")]).expect(422).text();
    assert!(
        refused.contains("From 50 to 1200") || refused.contains("from 50 to 1200"),
        "{refused}"
    );
    assert!(refused.contains("value=\"9000\""), "what was typed is lost");
    ana.post_json("/welcome/number", &[("number", "-1")]).expect(422);
    ana.post("/welcome/number", &[("number", "100")]).see_other();
    server
        .guest()
        .post_json("/welcome/number", &[("number", "100")])
        .expect(401);
}
