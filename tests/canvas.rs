//! The canvas in real browsers: two people decorate one wall at once, with the mouse, with fingers, with keys; it looks the same to both,
//! and to whoever comes fresh.

use neospace_tests::{Browser, Page, Person, Server, browser::Point, eventually};
use serde_json::{Value, json};

const TRAY: &str = "/wall/ana?edit=1&tab=stickers";

fn stick(person: &Person, wall: &str, fields: &[(&str, &str)]) -> i64 {
    let made = person
        .post_json(&format!("/wall/{wall}/stickers"), fields)
        .expect(201)
        .json();
    made["id"].as_i64().expect("a new sticker has an id")
}

fn one(person: &Person, id: i64) -> Value {
    let at = format!("/wall/ana/stickers/{id}");
    person.get_json(&at).expect(200).json()
}

/// Where every sticker lies on its layer, as the eye has it: whole pixels, the lowest first.
fn seen(page: &Page) -> Value {
    page.eval(
        "(() => {
            const layer = document.querySelector('#stickers')
            const from = layer.getBoundingClientRect()
            return [...layer.querySelectorAll(':scope > .stick')]
                .map((one) => ({ id: one.id, z: Number(getComputedStyle(one).zIndex), box: one.getBoundingClientRect() }))
                .sort((one, other) => one.z - other.z || one.id.localeCompare(other.id))
                .map(({ id, z, box }) => [id, ...[box.x - from.x, box.y - from.y, box.width, box.height].map(Math.round)])
        })()",
    )
}

/// Waits until a page shows what another one shows.
fn agree(page: &Page, with: &Page) {
    eventually("both pages show the same", || (seen(page) == seen(with)).then_some(()));
}

fn said(page: &Page, words: &str) {
    page.wait_until(&format!(
        "document.querySelector('#said')?.textContent.includes({})",
        json!(words)
    ));
}

fn open(page: &Page, server: &Server) {
    page.viewport(1280, 900)
        .goto(&server.url(TRAY))
        .wait_for(".stickers.is-editing");
    page.wait_until("!document.querySelector('#sticker-tools').hidden");
}

#[test]
fn two_people_decorate_one_wall_at_once_and_see_the_same_as_who_comes_fresh() {
    let server = Server::builder().plugin("flower").start();
    let (ana, bob, browser) = (server.person("ana"), server.person("bob"), Browser::start());
    ana.post("/wall/ana/stickers/allow", &[("visitors", "members")])
        .expect(303);
    let hers = stick(&ana, "ana", &[("emoji", "🌙"), ("x", "40"), ("y", "100")]);
    let his = stick(&bob, "ana", &[("emoji", "🐝"), ("x", "60"), ("y", "120")]);
    let (here, there, guest) = (browser.page_of(&ana), browser.page_of(&bob), browser.page());
    open(&here, &server);
    open(&there, &server);
    guest
        .viewport(1280, 900)
        .goto(&server.url("/wall/ana"))
        .wait_for(&format!("#sticker-{his}"));

    here.drag(&format!("#sticker-{hers}"), Point { x: 300.0, y: 300.0 });
    there.drag(&format!("#sticker-{his}"), Point { x: 900.0, y: 200.0 });
    said(&here, "Saved.");
    said(&there, "Saved.");
    assert_ne!(one(&ana, hers)["x"], 40.0);
    agree(&here, &there);
    agree(&here, &guest);

    // Hers isn't his to take; his is hers to move.
    assert_eq!(
        there.eval(&format!(
            "document.querySelector('#sticker-{hers}').matches('.is-mine')"
        )),
        false
    );
    here.drag(&format!("#sticker-{his}"), Point { x: 640.0, y: 380.0 });
    said(&here, "Saved.");
    agree(&there, &here);
    // A new one, from the shelf.
    there.click(".emoji-grid button[value=\"🍋\"]");
    said(&there, "is on the wall. Saved.");
    agree(&here, &there);

    // He leaves, she goes on, he comes back.
    there.goto(&server.url("/directory"));
    here.drag(&format!("#sticker-{hers}"), Point { x: 500.0, y: 260.0 });
    said(&here, "Saved.");
    open(&there, &server);
    agree(&there, &here);
    // Cut off meanwhile, he catches up by himself.
    there
        .offline(true)
        .wait_until("document.documentElement.hasAttribute('data-offline')");
    here.drag(&format!("#sticker-{hers}"), Point { x: 200.0, y: 400.0 });
    said(&here, "Saved.");
    there.offline(false);
    agree(&there, &here);
    guest.goto(&server.url("/wall/ana"));
    agree(&guest, &here);
    there.allow("net::ERR");
    for page in [here, there, guest] {
        page.check();
    }
}

#[test]
fn a_sticker_is_seen_to_move_while_it_is_dragged() {
    let server = Server::start();
    let (ana, browser) = (server.person("ana"), Browser::start());
    let id = stick(&ana, "ana", &[("emoji", "🐌"), ("x", "40"), ("y", "100")]);
    let (here, guest) = (browser.page_of(&ana), browser.page());
    open(&here, &server);
    guest
        .viewport(1280, 900)
        .goto(&server.url("/wall/ana"))
        .wait_for(&format!("#sticker-{id}"));
    guest.wait_until("document.querySelector('.here-now').textContent.includes('ana')");
    for page in [&here, &guest] {
        page.moving();
    }
    let before = seen(&guest);
    let from = here.reach(&format!("#sticker-{id}"));
    let mouse = |kind: &str, x: f64, y: f64| {
        here.call(
            "Input.dispatchMouseEvent",
            json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 }),
        );
    };
    mouse("mousePressed", from.x, from.y);
    for step in 1..=20 {
        mouse(
            "mouseMoved",
            from.x + f64::from(step) * 10.0,
            from.y + f64::from(step) * 5.0,
        );
    }
    guest.wait_until(&format!(
        "document.querySelector('#sticker-{id}').style.translate !== ''"
    ));
    assert_ne!(seen(&guest), before, "it moves");
    assert_eq!(one(&ana, id)["x"], 40.0, "and nothing is kept yet");
    // Escape takes it back, for everyone.
    here.press("Escape");
    mouse("mouseReleased", from.x, from.y);
    eventually("it lies where it lay", || (seen(&guest) == before).then_some(()));
    assert_eq!(one(&ana, id)["rev"], 1);

    // Who wants no motion sees what was let go, and nothing before.
    guest.scheme("light").eval(&format!(
        "window.moved = false; new MutationObserver(([{{ target }}]) => {{ window.moved ||= target.style.translate !== '' }})
            .observe(document.querySelector('#sticker-{id}'), {{ attributes: true, attributeFilter: ['style'] }})"
    ));
    here.drag(&format!("#sticker-{id}"), Point { x: 700.0, y: 300.0 });
    said(&here, "Saved.");
    agree(&guest, &here);
    assert_eq!(guest.eval("window.moved"), false);
}

#[test]
fn a_sticker_is_carried_on_before_the_server_has_answered() {
    let server = Server::start();
    let (ana, browser) = (server.person("ana"), Browser::start());
    let id = stick(&ana, "ana", &[("emoji", "🐌"), ("x", "40"), ("y", "100")]);
    let page = browser.page_of(&ana);
    open(&page, &server);
    page.eval(
        "(() => {
            const soon = window.fetch
            window.fetch = async (...asked) => {
                await new Promise((go) => setTimeout(go, 1_500))
                return soon(...asked)
            }
        })()",
    );
    let it = format!("#sticker-{id}");
    let lies = |x: f64, y: f64| {
        page.wait_until(&format!(
            "(() => {{
                const {{ left, right, top, bottom }} = document.querySelector('{it}').getBoundingClientRect()
                return Math.hypot((left + right) / 2 - {x}, (top + bottom) / 2 - {y}) < 4
            }})()"
        ));
    };
    page.drag(&it, Point { x: 500.0, y: 300.0 });
    page.drag(&it, Point { x: 700.0, y: 420.0 });
    lies(700.0, 420.0);
    eventually("both are kept", || (one(&ana, id)["rev"] == 3).then_some(()));
    said(&page, "Saved.");
    lies(700.0, 420.0);
    page.focus(&it).press("Control+z");
    lies(500.0, 300.0);
}

#[test]
fn everything_goes_with_the_keyboard_alone_and_can_be_undone() {
    let server = Server::start();
    let (ana, browser) = (server.person("ana"), Browser::start());
    let id = stick(&ana, "ana", &[("emoji", "🐌"), ("x", "40"), ("y", "100")]);
    let other = stick(&ana, "ana", &[("emoji", "🌙"), ("x", "60"), ("y", "100")]);
    let page = browser.page_of(&ana);
    open(&page, &server);
    let it = format!("#sticker-{id}");
    page.focus(&it).wait_for("#sticker-x");
    page.press("ArrowRight")
        .press("ArrowRight")
        .press("ArrowDown")
        .press("Shift+ArrowDown");
    said(&page, "Saved.");
    let moved = one(&ana, id);
    assert_eq!(moved["y"], 109, "eight and one down");
    assert!(moved["x"].as_f64() > Some(40.5), "{moved}");
    assert_eq!(moved["rev"], 2, "four keys, one write");
    page.press("r").press("r");
    page.wait_until("document.querySelector('#said').textContent.includes('turned 10 degrees')");
    page.press("+");
    page.wait_until("document.querySelector('#said').textContent.includes('104 wide')");
    page.press("PageUp");
    said(&page, "on top. Saved.");
    assert!(one(&ana, id)["z"].as_i64() > one(&ana, other)["z"].as_i64());
    page.press("d");
    said(&page, "there is another one. Saved.");
    page.wait_until("document.querySelectorAll('#stickers > .stick').length === 3");
    page.press("Delete");
    said(&page, "is off the wall");
    page.wait_until("document.querySelectorAll('#stickers > .stick').length === 2");

    // All the way back …
    for count in [3, 2] {
        page.press("Control+z");
        page.wait_until(&format!(
            "document.querySelectorAll('#stickers > .stick').length === {count}"
        ));
    }
    page.focus(&it).press("Control+z");
    page.wait_until(&format!("Number(document.querySelector('{it}').dataset.z) < Number(document.querySelector('#sticker-{other}').dataset.z)"));
    for (name, value) in [("w", 96), ("r", 0), ("y", 100)] {
        page.press("Control+z")
            .wait_until(&format!("document.querySelector('{it}').dataset.{name} === '{value}'"));
    }
    assert_eq!(one(&ana, id)["x"], 40.0);
    page.press("Control+z");
    said(&page, "nothing to undo");
    // … and forth.
    for (name, value) in [("y", 109), ("r", 10), ("w", 104)] {
        page.press("Control+Shift+z")
            .wait_until(&format!("document.querySelector('{it}').dataset.{name} === '{value}'"));
    }

    // What somebody else changed meanwhile stays as they want it.
    ana.post_json(&format!("/wall/ana/stickers/{id}"), &[("width", "200")])
        .expect(200);
    page.wait_until(&format!("document.querySelector('{it}').dataset.w === '200'"));
    page.press("Control+z");
    said(&page, "changed by somebody else");
    assert_eq!(one(&ana, id)["width"], 200);
    // What went before that is undone all the same.
    page.press("Control+z")
        .wait_until(&format!("document.querySelector('{it}').dataset.r === '0'"));

    // Exact numbers, in a plain form.
    page.press("Enter");
    page.fill("#sticker-x", "12.34")
        .fill("#sticker-rotation", "-45")
        .fill("#sticker-alt", "a slow friend");
    page.click("#sticker-set button \"Keep\"");
    page.wait_until(&format!(
        "document.querySelector('{it}').dataset.name === 'a slow friend'"
    ));
    assert_eq!(
        (&one(&ana, id)["x"], &one(&ana, id)["rotation"]),
        (&json!(12.34), &json!(-45))
    );
    page.check();
}

#[test]
fn fingers_carry_size_and_turn() {
    let server = Server::start();
    let (ana, browser) = (server.person("ana"), Browser::start());
    let id = stick(
        &ana,
        "ana",
        &[("emoji", "🐌"), ("x", "40"), ("y", "200"), ("width", "120")],
    );
    let page = browser.page_of(&ana);
    open(&page, &server);
    page.call(
        "Emulation.setTouchEmulationEnabled",
        json!({ "enabled": true, "maxTouchPoints": 2 }),
    );
    let it = format!("#sticker-{id}");
    let at = page.reach(&it);
    let touch = |kind: &str, points: &[(f64, f64)]| {
        let fingers: Vec<_> = points.iter().map(|(x, y)| Point { x: *x, y: *y }).collect();
        page.touch(kind, &fingers);
    };
    touch("touchStart", &[(at.x, at.y)]);
    for step in 1..=10 {
        touch(
            "touchMove",
            &[(at.x + f64::from(step) * 12.0, at.y + f64::from(step) * 3.0)],
        );
    }
    touch("touchEnd", &[]);
    said(&page, "Saved.");
    let carried = one(&ana, id);
    assert!(
        carried["x"].as_f64() > Some(48.0) && carried["y"].as_i64() > Some(220),
        "{carried}"
    );

    // Two fingers apart: larger. Round each other: turned.
    let at = page.reach(&it);
    touch("touchStart", &[(at.x - 20.0, at.y)]);
    touch("touchStart", &[(at.x - 20.0, at.y), (at.x + 20.0, at.y)]);
    for step in 1..=10 {
        let (across, down) = (20.0 + f64::from(step) * 2.0, f64::from(step) * 4.0);
        touch(
            "touchMove",
            &[(at.x - across, at.y - down), (at.x + across, at.y + down)],
        );
    }
    touch("touchEnd", &[]);
    page.wait_until(&format!("Number(document.querySelector('{it}').dataset.rev) === 3"));
    let pinched = one(&ana, id);
    assert!(pinched["width"].as_i64() > Some(200), "{pinched}");
    assert!(
        (40..=50).contains(&pinched["rotation"].as_i64().unwrap_or(0)),
        "{pinched}"
    );
    page.check();
}

#[test]
fn what_lies_on_the_shelf_is_carried_onto_the_wall() {
    let server = Server::builder().plugin("flower").start();
    let (ana, browser) = (server.person("ana"), Browser::start());
    let page = browser.page_of(&ana);
    open(&page, &server);
    let mouse = |kind: &str, at: Point| {
        page.call(
            "Input.dispatchMouseEvent",
            json!({ "type": kind, "x": at.x, "y": at.y, "button": "left", "buttons": 1, "clickCount": 1 }),
        );
    };
    // A drawing may be higher than wide; how high is known when it is there.
    let lies_at = |nth: usize, at: Point| {
        page.wait_until(&format!(
            "(stick => {{
               if (!stick) return false
               const box = stick.getBoundingClientRect()
               return Math.hypot(box.x + box.width / 2 - {}, box.y + box.height / 2 - {}) < 40
             }})(document.querySelectorAll('.stickers > .stick')[{nth}])",
            at.x, at.y
        ));
    };
    // Over the wall, and thought better of.
    let (from, over) = (page.reach(".emoji-grid button"), Point { x: 500.0, y: 250.0 });
    mouse("mousePressed", from);
    mouse("mouseMoved", over);
    page.wait_for(".carried .emoji").press("Escape");
    page.wait_until("!document.querySelector('.carried')");
    mouse("mouseReleased", over);
    // Let go where it came from, on another button.
    page.drag(".emoji-grid button:nth-child(3)", from);
    said(&page, "Let go over the wall");
    assert_eq!(page.count(".stickers > .stick"), 0);

    page.drag(".emoji-grid button:nth-child(2)", over);
    said(&page, "is on the wall");
    lies_at(0, over);
    // Its numbers come beside it, and what follows them goes down.
    page.wait_for("#sticker-set h2 \"glowing star\"");
    let beside = Point { x: 300.0, y: 200.0 };
    page.drag(".pick .mini", beside);
    page.wait_until("document.querySelectorAll('.stickers > .stick').length === 2");
    page.wait_until("document.querySelector('.stickers > .stick > img')?.complete");
    lies_at(1, beside);

    // A finger that rests carries, and doesn't scroll.
    page.call(
        "Emulation.setTouchEmulationEnabled",
        json!({ "enabled": true, "maxTouchPoints": 1 }),
    );
    let from = page.reach(".emoji-grid button");
    page.touch("touchStart", &[from]).wait_for(".carried");
    for step in 1..=8 {
        let part = f64::from(step) / 8.0;
        let to = Point {
            x: from.x + (600.0 - from.x) * part,
            y: from.y + (150.0 - from.y) * part,
        };
        page.touch("touchMove", &[to]);
    }
    page.touch("touchEnd", &[]);
    page.wait_until("document.querySelectorAll('.stickers > .stick').length === 3");
    lies_at(2, Point { x: 600.0, y: 150.0 });
    page.check();
}

#[test]
fn on_a_phone_a_finger_carries_a_sticker_and_scrolls_everywhere_else() {
    let server = Server::start();
    let (ana, browser) = (server.person("ana"), Browser::start());
    ana.post("/wall/ana/posts", &[("body", &"A long story.\n\n".repeat(40))])
        .see_other();
    let id = stick(
        &ana,
        "ana",
        &[("emoji", "🐌"), ("x", "20"), ("y", "300"), ("width", "160")],
    );
    let watcher = browser.page();
    watcher.viewport(1280, 900).goto(&server.url("/wall/ana"));
    watcher.wait_until("document.querySelector('.here-now').textContent.includes('passer-by')");
    let page = browser.page_of(&ana);
    page.viewport(390, 844)
        .goto(&server.url(TRAY))
        .wait_for(".stickers.is-editing");
    page.wait_until("!document.querySelector('#sticker-tools').hidden");
    let it = format!("#sticker-{id}");
    let glide = |from: Point, across: f64, down: f64| {
        page.touch("touchStart", &[from]);
        for step in 1..=10 {
            let part = f64::from(step) / 10.0;
            let to = Point {
                x: from.x + across * part,
                y: from.y + down * part,
            };
            page.touch("touchMove", &[to]);
        }
        page.touch("touchEnd", &[]);
    };
    let scrolled = || page.eval("scrollY").as_f64().expect("a number");
    let (at, before) = (page.reach(&it), scrolled());
    // Sideways and down: on a sticker that is no scrolling.
    glide(at, 90.0, 60.0);
    said(&page, "Saved.");
    assert!((scrolled() - before).abs() < 1.0, "the page moved under the finger");
    let carried = one(&ana, id);
    // 90 of 390 pixels, and 60 in half of the size that it has on a desk.
    let (x, y) = (carried["x"].as_f64().expect("x"), carried["y"].as_i64().expect("y"));
    assert!((42.0..=44.5).contains(&x) && (416..=424).contains(&y), "{carried}");
    let dropped = page.place(&it).centre();
    assert!(
        (dropped.x - at.x - 90.0).abs() < 3.0 && (dropped.y - at.y - 60.0).abs() < 3.0,
        "it was let go at {at:?} and lies at {dropped:?}"
    );
    watcher.wait_until(&format!("document.querySelector('{it}').dataset.rev === '2'"));
    page.screenshot("stickers-phone-carried-390");
    // Beside it the same finger scrolls.
    let beside = Point { x: 350.0, y: dropped.y };
    glide(beside, 0.0, -180.0);
    page.wait_until(&format!("scrollY > {}", before + 100.0));
    assert_eq!(one(&ana, id), carried);
    // Handles size it, once the page has come to rest: a finger's momentum carries it on, and what is under a finger is looked up where
    // the last frame had it.
    let rest = || {
        page.eval(
            "new Promise((still) => {
               let [at, frames] = [scrollY, 0]
               const look = () => {
                 frames = scrollY === at ? frames + 1 : 0
                 at = scrollY
                 frames > 20 ? still(true) : requestAnimationFrame(look)
               }
               look()
             })",
        )
    };
    rest();
    // Clear of the drawer, which lies over the lower half.
    page.eval("scrollTo(0, 200)");
    rest();
    page.wait_for(".handles b[data-grip=se]");
    let corner = page.place(".handles b[data-grip=se]").centre();
    glide(corner, 25.0, 25.0);
    page.wait_until(&format!("document.querySelector('{it}').dataset.rev === '3'"));
    let sized = one(&ana, id);
    assert!(
        sized["width"].as_i64() > Some(200),
        "{sized} by {corner:?}, {:?}",
        page.place(&it)
    );
    assert!(!page.overflows());
    page.check_accessibility();
    page.check();
}

#[test]
fn handles_size_and_turn_with_the_mouse() {
    let server = Server::start();
    let (ana, browser) = (server.person("ana"), Browser::start());
    let id = stick(
        &ana,
        "ana",
        &[("emoji", "🐌"), ("x", "40"), ("y", "240"), ("width", "120")],
    );
    let page = browser.page_of(&ana);
    open(&page, &server);
    let it = format!("#sticker-{id}");
    page.click(&it).wait_for(".handles b[data-grip=se]");
    let middle = page.place(&it).centre();
    page.drag(
        ".handles b[data-grip=se]",
        Point {
            x: middle.x + 120.0,
            y: middle.y + 120.0,
        },
    );
    said(&page, "Saved.");
    assert!(one(&ana, id)["width"].as_i64() > Some(200));
    let middle = page.place(&it).centre();
    page.drag(
        ".handles b[data-grip=turn]",
        Point {
            x: middle.x + 200.0,
            y: middle.y,
        },
    );
    page.wait_until(&format!("document.querySelector('{it}').dataset.rev === '3'"));
    assert!(
        (88..=92).contains(&one(&ana, id)["rotation"].as_i64().unwrap_or(0)),
        "a quarter"
    );
    page.check();
}

#[test]
fn a_visitor_is_seen_to_point_where_both_like_it() {
    let server = Server::start();
    let (ana, bob, browser) = (server.person("ana"), server.person("bob"), Browser::start());
    ana.post("/wall/ana/stickers/allow", &[("cursors", "on")]).expect(303);
    bob.post("/settings/presence", &[("present", "on"), ("cursor", "on")])
        .expect(303);
    let (his, guest) = (browser.page_of(&bob), browser.page());
    for page in [&his, &guest] {
        page.moving();
        page.viewport(1280, 900).goto(&server.url("/wall/ana"));
    }
    his.wait_until("document.querySelector('.here-now').textContent.includes('bob')");
    guest.wait_until("document.querySelector('.here-now').textContent.includes('bob')");
    his.call(
        "Input.dispatchMouseEvent",
        json!({ "type": "mouseMoved", "x": 400, "y": 400 }),
    );
    guest.wait_for(".cursor");
    assert_eq!(guest.text(".cursor"), "bob");
    his.goto(&server.url("/directory"));
    guest.wait_gone(".cursor");
}

#[test]
fn the_tray_and_the_wall_stand_on_a_phone_and_on_a_desk_for_everyone() {
    let server = Server::builder()
        .plugins(&["flower", "glitter-name-tag", "mood", "clock"])
        .start();
    let (ana, bob, browser) = (server.person("ana"), server.person("bob"), Browser::start());
    ana.post(
        "/wall/ana/stickers/allow",
        &[("visitors", "members"), ("cursors", "on")],
    )
    .expect(303);
    for (what, value, x, y) in [
        ("emoji", "☀", "46", "40"),
        ("emoji", "☎", "70", "90"),
        ("plugin", "flower", "88", "260"),
        ("plugin", "glitter-name-tag", "2", "620"),
    ] {
        stick(
            &ana,
            "ana",
            &[(what, value), ("x", x), ("y", y), ("width", "128"), ("rotation", "-9")].map(|pair| pair),
        );
    }
    let his = stick(&bob, "ana", &[("emoji", "♥"), ("x", "60"), ("y", "300")]);
    let (page, visitor) = (browser.page_of(&ana), browser.page_of(&bob));
    let chosen = format!("{TRAY}&sticker={his}");
    for (name, page, path) in [
        ("stickers-wall", &page, "/wall/ana"),
        ("stickers-tray", &page, TRAY),
        ("stickers-chosen", &page, &*chosen),
        ("stickers-visitor", &visitor, TRAY),
        ("stickers-plain", &visitor, "/wall/ana?plain=1"),
    ] {
        page.allow("Applying inline style");
        for (width, scheme) in [(1280, "light"), (390, "dark")] {
            page.viewport(width, 900).scheme(scheme).goto(&server.url(path));
            page.check_accessibility();
            assert!(!page.overflows(), "{path} is wider than {width} px");
            page.screenshot(&format!("{name}-{width}-{scheme}"));
        }
    }
    // On a phone one is chosen in the sheet, and moved in numbers.
    page.goto(&server.url(TRAY)).wait_for(".stickers.is-editing");
    page.click(&format!("#sticker-{his}")).wait_for("#sticker-x");
    page.fill("#sticker-x", "10").click("#sticker-set button \"Keep\"");
    page.wait_until(&format!(
        "document.querySelector('#sticker-{his}').dataset.x === '1000'"
    ));

    // And without a script.
    let plain = browser.page_of(&ana);
    plain.javascript(false).goto(&server.url(&chosen));
    plain
        .fill("#sticker-y", "444")
        .click("#sticker-set button \"Keep\"")
        // The next page has it as it was kept; this one had it as it stood.
        .wait_for("#sticker-y[value='444']");
    assert_eq!(one(&ana, his)["y"], 444);
    plain.click(".emoji-grid button[value=\"🦋\"]").wait_for(&format!(
        "[data-sticker-change]:not([action='/wall/ana/stickers/{his}'])"
    ));
    plain
        .click("#sticker-set button \"Take it off\"")
        .wait_for("button \"Put it back\"");
}
