//! The frame that a script runs in, as people use it: it runs, speaks, is changed, rests and ends; and what its headers say.

use neospace_tests::{Browser, Page, Person, Server, eventually};
use serde_json::Value;
use toml_edit::value;

/// Publishes a script, and answers the path of its page.
fn publish(person: &Person, mode: &str, source: &str) -> String {
    let made = person.post_json("/sandbox", &[("mode", mode), ("title", mode), ("source", source)]);
    let made = made.expect(201).json();
    let href = made["href"].as_str().expect("a script has a page").to_owned();
    person
        .post_json(&format!("{href}/versions"), &[("publish", "on")])
        .expect(200);
    href
}

/// Opens a page with frames on it, and writes down what they say.
fn open(page: &Page, server: &Server, path: &str) {
    page.goto(&server.url(path))
        .wait_until("customElements.get('neo-frame')");
    page.eval(
        "window.heard = []; for (const what of ['state', 'console', 'error', 'param', 'beat']) \
         document.addEventListener('frame:' + what, ({ target, detail }) => heard.push({ what, id: target.id, ...detail }))",
    );
}

/// The page of a new script, opened by a guest. Place and browser last as long as they are held.
fn sketch(mode: &str, source: &str) -> (Server, Browser, Page) {
    let server = Server::start();
    let path = publish(&server.person("ana"), mode, source);
    let browser = Browser::start();
    let page = browser.page();
    open(&page, &server, &path);
    (server, browser, page)
}

/// What was heard of one kind, in order.
fn heard(page: &Page, what: &str) -> Vec<Value> {
    let all = page.eval(&format!("heard.filter(one => one.what === '{what}')"));
    all.as_array().expect("a list").clone()
}

/// Waits for a line of the console with this text.
fn wait_for_line(page: &Page, text: &str) -> Value {
    page.wait_until(&format!(
        "heard.some(one => one.what === 'console' && one.text === {text:?})"
    ));
    page.eval(&format!(
        "heard.find(one => one.what === 'console' && one.text === {text:?})"
    ))
}

fn wait_for_state(page: &Page, state: &str) {
    page.wait_until(&format!("document.querySelector('neo-frame').state === '{state}'"));
}

#[test]
fn a_script_of_each_mode_runs_when_it_is_pressed_and_not_before() {
    let server = Server::start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let page = browser.page();
    for (mode, source) in [
        (
            "p5",
            "function setup() { createCanvas(200, 100); console.log('p5 ' + width + ' ' + (typeof draw)) }\nfunction draw() { background(frameCount % 255) }",
        ),
        (
            "three",
            "import * as THREE from \"three\"\nconst scene = new THREE.Scene()\nconsole.log('three ' + scene.isScene)",
        ),
        (
            "canvas",
            "context.fillRect(0, 0, 5, 5)\nconsole.log('canvas ' + (canvas.width > 0))",
        ),
    ] {
        let path = publish(&ana, mode, source);
        open(&page, &server, &path);
        assert!(!page.has("neo-frame iframe"), "it runs before anybody pressed");
        page.click("neo-frame [data-run]");
        let line = match mode {
            "p5" => "p5 200 function",
            "three" => "three true",
            _ => "canvas true",
        };
        wait_for_line(&page, line);
        wait_for_state(&page, "running");
        let frame = page.eval("(() => { const f = document.querySelector('neo-frame iframe'); return [f.getAttribute('sandbox'), f.getAttribute('allow'), f.referrerPolicy] })()");
        assert_eq!(frame, serde_json::json!(["allow-scripts", "", "no-referrer"]));
        page.screenshot(&format!("frame-{mode}"));
        page.click("neo-frame [data-stop]");
        wait_for_state(&page, "stopped");
        assert!(!page.has("neo-frame iframe"));
        assert_eq!(
            page.eval("document.activeElement.matches('[data-run]')"),
            true,
            "the focus is lost"
        );
    }
}

#[test]
fn lines_and_columns_are_those_of_the_source() {
    let source = "for (let i = 0; i < 2; i++) for (const x of [1]) console.log('in ' + i)\n\
                  while (false) ;\n\
                  let n = 0; do n++; while (n < 3); console.warn('after')\n\
                  function fail() { for (;;) { null.x } }\n\
                  setTimeout(() => { fail() }, 50)\n\
                  Promise.reject(new Error('nobody waits'))\n";
    let (_server, _browser, page) = sketch("canvas", source);
    page.click("neo-frame [data-run]");
    let place = |line: &Value| (line["line"].as_i64().unwrap_or(0), line["column"].as_i64().unwrap_or(0));
    let column = |line: usize, text: &str| {
        let (nth, text) = (source.lines().nth(line - 1).expect("there is such a line"), text);
        (line as i64, nth.find(text).expect("it stands there") as i64 + 1)
    };
    // A call is where its last name is.
    assert_eq!(place(&wait_for_line(&page, "in 0")), column(1, "log('in"));
    let after = wait_for_line(&page, "after");
    assert_eq!(place(&after), column(3, "warn('after"));
    assert_eq!(after["level"], "warn");
    page.wait_until("heard.filter(one => one.what === 'error').length === 2");
    let errors = heard(&page, "error");
    let of = |text: &str| {
        errors
            .iter()
            .find(|e| e["message"].as_str().is_some_and(|m| m.contains(text)))
            .expect("it was told")
    };
    assert_eq!(place(of("null")), column(4, "x }"));
    assert_eq!(place(of("nobody waits")), column(6, "new Error"));
}

#[test]
fn what_does_not_parse_is_told_with_its_place_and_does_not_run() {
    let (_server, _browser, page) = sketch("canvas", "console.log('never')\nlet a = = 1\n");
    page.click("neo-frame [data-run]");
    wait_for_state(&page, "ended");
    let errors = heard(&page, "error");
    assert_eq!((&errors[0]["line"], &errors[0]["column"]), (&2.into(), &9.into()));
    assert!(heard(&page, "console").is_empty());
    // That was no bad end: it may be started again at once.
    page.click("neo-frame [data-run]");
    page.wait_until("heard.filter(one => one.what === 'error').length === 2");
}

#[test]
fn a_number_is_changed_in_a_running_sketch() {
    let source = "neo.param('speed', 3, { min: 0, max: 10, step: 1 })\n\
                  neo.on('param', (name, value) => console.log(name + ' is ' + value + ' ' + neo.params.speed + ' ' + neo.param('speed', 3)))";
    let (_server, _browser, page) = sketch("canvas", source);
    page.click("neo-frame [data-run]");
    wait_for_state(&page, "running");
    page.wait_for("neo-frame input[data-param=speed]");
    page.focus("neo-frame input[data-param=speed]").press("ArrowRight");
    wait_for_line(&page, "speed is 4 4 4");
    // A restart keeps it, and so does a start that names it.
    page.eval("document.querySelector('neo-frame').restart()");
    page.wait_until("heard.filter(one => one.what === 'param').length === 2");
    assert_eq!(heard(&page, "param")[1]["value"], 4);
    page.eval("document.querySelector('neo-frame').start({ params: { speed: 9 } })");
    page.wait_until("heard.filter(one => one.what === 'param').length === 3");
    assert_eq!(heard(&page, "param")[2]["value"], 9);
}

#[test]
fn the_same_seed_draws_the_same() {
    let source = "function setup() { console.log([neo.seed, Math.random(), random(), noise(3)].join(' ')) }";
    let (_server, _browser, page) = sketch("p5", source);
    let mut said = Vec::new();
    for seed in [7, 7, 8] {
        page.eval(&format!(
            "heard.length = 0; document.querySelector('neo-frame').start({{ seed: {seed} }})"
        ));
        page.wait_until("heard.some(one => one.what === 'console')");
        said.push(heard(&page, "console")[0]["text"].clone());
    }
    assert_eq!(said[0], said[1]);
    assert_ne!(said[0], said[2]);
}

#[test]
fn a_loop_without_an_end_is_ended_where_it_stands() {
    let source = "console.log('begun')\nlet n = 0\n\n  while (true) n++\nconsole.log('never')";
    let (_server, _browser, page) = sketch("canvas", source);
    page.click("neo-frame [data-run]");
    page.wait_until("heard.some(one => one.what === 'error' && one.message.includes('without a breath'))");
    let error = heard(&page, "error")[0].clone();
    assert_eq!((&error["line"], &error["column"]), (&4.into(), &3.into()));
    wait_for_line(&page, "begun");
    assert!(!heard(&page, "console").iter().any(|line| line["text"] == "never"));
    // The frame lives on and was not taken away: its heart beats.
    page.eval("heard.length = 0");
    page.wait_until("heard.filter(one => one.what === 'beat').length >= 4");
}

#[test]
fn two_are_alive_and_a_third_stops_the_first() {
    let (_server, _browser, page) = sketch("canvas", "console.log('here')");
    page.eval(
        "for (const id of ['second', 'third']) { const copy = document.querySelector('neo-frame').cloneNode(true); copy.id = id; document.querySelector('neo-frame').after(copy) }",
    );
    for id in ["script", "second", "third"] {
        page.eval(&format!(
            "document.getElementById('{id}').hold = true; document.getElementById('{id}').start()"
        ));
        page.wait_until(&format!("document.getElementById('{id}').state === 'running'"));
    }
    let states = page.eval("['script', 'second', 'third'].map(id => document.getElementById(id).state)");
    assert_eq!(states, serde_json::json!(["stopped", "running", "running"]));
    assert_eq!(page.count("neo-frame iframe"), 2);
}

#[test]
fn a_frame_rests_while_nobody_can_see_it() {
    let source = "let frames = 0\nfunction draw() { frames++; requestAnimationFrame(draw) }\ndraw()\nsetInterval(() => console.log('tick'), 100)";
    let (_server, _browser, page) = sketch("canvas", source);
    page.click("neo-frame [data-run]");
    wait_for_state(&page, "running");
    page.wait_until("heard.some(one => one.what === 'beat' && one.frames > 5)");
    // By a key: a page that moves while nobody does anything was moved by the frame, and goes back.
    page.eval("document.querySelector('main').style.paddingBlockEnd = '4000px'");
    page.press("End");
    wait_for_state(&page, "paused");
    // What was on its way comes in; then it draws nothing and says nothing, and its heart goes on.
    page.wait_until("heard.at(-1).what === 'beat' && heard.at(-1).frames === 0");
    page.eval("heard.length = 0");
    page.wait_until("heard.filter(one => one.what === 'beat').length >= 4");
    assert!(heard(&page, "beat").iter().all(|beat| beat["frames"] == 0));
    assert!(heard(&page, "console").is_empty());
    page.press("Home");
    wait_for_state(&page, "running");
    page.wait_until(
        "heard.some(one => one.what === 'beat' && one.frames > 5) && heard.some(one => one.what === 'console')",
    );
}

#[test]
fn what_ended_badly_wants_to_be_asked_twice() {
    let server = Server::start();
    let ana = server.person("ana");
    let path = publish(&ana, "canvas", "console.log('begun')");
    let browser = Browser::start();
    let page = browser.page();
    open(&page, &server, &path);
    page.click("neo-frame [data-run]");
    wait_for_line(&page, "begun");
    // A page that is left in order leaves nothing behind.
    open(&page, &server, &path);
    assert_eq!(page.eval("localStorage.getItem('neo-frames') ?? '{}'"), "{}");
    page.click("neo-frame [data-run]");
    wait_for_line(&page, "begun");
    // One that went down does: what it wrote down is there when it comes back.
    let noted = page.eval("localStorage.getItem('neo-frames')");
    open(&page, &server, &path);
    page.eval(&format!("localStorage.setItem('neo-frames', {noted})"));
    page.click("neo-frame [data-run]");
    page.wait_for("neo-frame [data-why] \"did not end well\"");
    assert!(!page.has("neo-frame iframe"));
    page.click("neo-frame [data-run]");
    wait_for_line(&page, "begun");
    page.click("neo-frame [data-stop]");
    page.click("neo-frame [data-run]");
    wait_for_state(&page, "running");
}

#[test]
fn a_frame_is_run_and_stopped_by_keyboard() {
    let (_server, _browser, page) = sketch(
        "canvas",
        "addEventListener('keydown', ({ key }) => console.log('key ' + key))",
    );
    page.focus("neo-frame [data-run]").press("Enter");
    wait_for_state(&page, "running");
    page.wait_until("document.activeElement.matches('[data-stop]')");
    // The tab key leads into the frame, and that is no grab.
    page.eval("document.querySelector('neo-frame').hold = true");
    page.press("Tab").wait_until("document.activeElement.matches('iframe')");
    page.press("k");
    wait_for_line(&page, "key k");
    page.check_accessibility();
    page.press("Shift+Tab")
        .wait_until("document.activeElement.matches('[data-stop]')");
    page.press("Enter");
    wait_for_state(&page, "stopped");
}

#[test]
fn the_console_of_a_script_that_never_stops_talking_is_bundled_and_not_ended() {
    let source = "let n = 0\nfunction draw() { for (let i = 0; i < 50; i++) console.log('line ' + n++); console.error({ a: [1, new Map([['b', 2]])] }); requestAnimationFrame(draw) }\ndraw()";
    let (_server, _browser, page) = sketch("canvas", source);
    page.click("neo-frame [data-run]");
    page.wait_until("heard.filter(one => one.what === 'beat').length >= 8");
    assert_eq!(page.eval("document.querySelector('neo-frame').state"), "running");
    let lines = heard(&page, "console");
    assert!(
        lines
            .iter()
            .any(|line| line["text"].as_str().is_some_and(|text| text.contains("left out")))
    );
    assert!(lines.len() < 1000, "{} lines came through", lines.len());
}

#[test]
fn the_documents_headers_hold_it_wherever_it_is_opened() {
    let server = Server::start();
    let (ana, guest) = (server.person("ana"), server.guest());
    let href = publish(&ana, "p5", "1");
    let id = href.rsplit('/').next().expect("an id");
    let answer = guest.get(&format!("/frame/{id}/1")).expect(200);
    let policy = answer.header("content-security-policy").to_owned();
    let host = server.address();
    for directive in [
        "sandbox allow-scripts",
        "default-src 'none'",
        "connect-src 'none'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-src 'none'",
        "worker-src 'none'",
        "webrtc 'block'",
        "img-src data: blob:",
        "style-src 'unsafe-inline'",
        &format!("frame-ancestors http://{host}"),
    ] {
        assert!(
            policy.split(';').any(|part| part.trim() == directive),
            "{directive} is not in {policy}"
        );
    }
    let scripts = policy
        .split(';')
        .find(|part| part.trim().starts_with("script-src"))
        .expect("it has scripts");
    let sources: Vec<_> = scripts.split_whitespace().skip(1).collect();
    assert_eq!(sources.len(), 3, "{scripts}");
    assert!(sources[0].ends_with("/boot.js") && sources[1].ends_with("/frame/lib/p5-1.11.13/p5.min.js"));
    assert_eq!(sources[2], "'unsafe-inline'");
    assert!(!policy.contains("allow-same-origin") && !policy.contains("unsafe-eval") && !policy.contains('*'));
    assert_eq!(answer.header("connection-allowlist"), "(response-origin)");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("set-cookie"), "");
    assert!(answer.header("permissions-policy").contains("camera=()"));
    // It holds nothing of anybody's.
    assert!(!answer.text().contains("ana"));
    for (path, status) in [
        (format!("/frame/{id}/2"), 404),
        (format!("/frame/{id}/draft"), 200),
        ("/frame/AAAAAAAAAAAAAAAAAAAAAA/1".to_owned(), 404),
        ("/frame/example/flock".to_owned(), 200),
        ("/frame/example/nothing".to_owned(), 404),
        ("/frame/lib/p5-1.11.13/p5.min.js".to_owned(), 200),
        ("/frame/lib/p5-1.11.13/license.txt".to_owned(), 404),
        ("/frame/lib/acorn-8.19.0/acorn.mjs".to_owned(), 404),
        ("/frame/lib/..%2f..%2fconfig/boot.js".to_owned(), 200),
    ] {
        assert_eq!(guest.get(&path).status, status, "{path}");
    }
    // What pages may frame, and which of them.
    let of_page = |path: &str| guest.get(path).header("content-security-policy").to_owned();
    let allowed = format!("frame-src http://{host}/frame/");
    for path in ["/sandbox", "/wall/ana", &href] {
        assert!(of_page(path).contains(&allowed), "{path}: {}", of_page(path));
    }
    for path in ["/", "/login", "/directory", "/system", "/dm"] {
        assert!(!of_page(path).contains("frame-src"), "{path}");
    }
}

#[test]
fn an_origin_of_their_own_serves_frames_and_nothing_else() {
    let server = Server::start();
    let ana = server.person("ana");
    let href = publish(&ana, "p5", "function setup() { console.log('from ' + location.host) }");
    let id = href.rsplit('/').next().expect("an id").to_owned();
    let port = server.address().port();
    let (origin, sandbox) = (
        format!("http://{}", server.address()),
        format!("sandbox.localhost:{port}"),
    );
    server.edit_config(|config| {
        config["origin"] = value(&origin);
        config["sandbox_origin"] = value(format!("http://{sandbox}"));
    });
    let there = |path: &str| ana.request("GET", path).header("host", &sandbox).send();
    // The frame was at both hosts before.
    eventually("the new configuration", || {
        (ana.get(&format!("/frame/{id}/1")).status == 404).then_some(())
    });
    assert_eq!(there(&format!("/frame/{id}/1")).status, 200);
    for path in [
        "/",
        "/login",
        "/sandbox",
        &href,
        "/wall/ana",
        "/health",
        "/live",
        "/ui/x/js/me.js",
        "/me",
    ] {
        assert_eq!(there(path).status, 404, "{path} is on the frames' origin");
    }
    let posted = ana
        .request("POST", "/sandbox")
        .header("host", &sandbox)
        .form(&[("mode", "p5")])
        .send();
    assert_eq!(posted.status, 404);
    // And frames are nowhere else.
    assert_eq!(ana.get(&format!("/frame/{id}/1")).status, 404);
    assert_eq!(ana.get("/frame/lib/p5-1.11.13/p5.min.js").status, 404);
    let policy = there(&format!("/frame/{id}/1"))
        .header("content-security-policy")
        .to_owned();
    assert!(policy.contains(&format!("frame-ancestors {origin}")), "{policy}");
    assert!(
        policy.contains(&format!("http://{sandbox}/frame/lib/p5-1.11.13/p5.min.js")),
        "{policy}"
    );
    assert!(
        ana.get(&href)
            .header("content-security-policy")
            .contains(&format!("frame-src http://{sandbox}/frame/;"))
            || ana
                .get(&href)
                .header("content-security-policy")
                .ends_with(&format!("frame-src http://{sandbox}/frame/"))
    );
    // A browser runs it there.
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    open(&page, &server, &href);
    page.click("neo-frame [data-run]");
    wait_for_line(&page, &format!("from {sandbox}"));
    let cookies = page
        .sent()
        .into_iter()
        .filter(|sent| sent.contains(&sandbox) && sent.to_lowercase().contains("cookie"));
    assert_eq!(cookies.count(), 0, "a cookie went to the frames' origin");
}

#[test]
fn a_second_origin_that_would_not_hold_is_refused_at_the_start() {
    for (config, says) in [
        ("sandbox_origin = \"https://sandbox.example\"", "needs origin"),
        (
            "origin = \"https://kiosk.example\"\nsandbox_origin = \"https://kiosk.example:8443\"",
            "another host name",
        ),
        (
            "origin = \"https://kiosk.example\"\nsandbox_origin = \"http://sandbox.kiosk.example\"",
            "as origin is",
        ),
        (
            "origin = \"https://kiosk.example\"\nsandbox_origin = \"sandbox.kiosk.example/frames\"",
            "is not an origin",
        ),
    ] {
        let (status, said) = Server::builder().refuse_config(config);
        assert!(!status.success());
        assert!(said.contains("sandbox_origin") && said.contains(says), "{said}");
    }
}
