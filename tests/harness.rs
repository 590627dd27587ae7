//! The harness itself: a driver that overlooked a fault would make every test after it worthless.

use std::{
    io::{Read, Write},
    net::TcpListener,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use neospace_tests::{
    Browser, Page, Person, Proxy, Server,
    process::Process,
    proxy::{Told, Way},
};
use serde_json::json;

/// Serves this document at every path, and says where.
fn serve(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Security-Policy: script-src 'sha256-xxx'; style-src 'self'; img-src 'self' data:\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

/// A page where a click counts, in a shadow root that came with the document.
const COUNTER: &str = r#"<!doctype html><html lang="en"><title>Counter</title><link rel="icon" href="data:,">
<main><h1>Counter</h1>
<form action="/"><label>Name <input name="name"></label><label>Ink <select name="ink"><option value="red">red</option><option value="blue">blue</option></select></label></form>
<section><template shadowrootmode="open"><p role="status">nobody yet</p><form action="/signed"><button>Sign</button><button>Leave</button></form></template></section>
</main></html>"#;

#[test]
fn a_page_is_read_and_used_through_shadow_roots_with_and_without_javascript() {
    let (browser, url) = (Browser::start(), serve(COUNTER));
    let page = browser.page();
    page.goto(&url).wait_for("p \"nobody yet\"").wait_for("button \"Sign\"");
    assert_eq!(page.count("button"), 2);
    assert!(!page.has("button \"Erase\""));
    page.fill("input[name=name]", "bob")
        .fill("input[name=name]", "ana")
        .choose("select", "blue");
    assert_eq!(
        (page.value("input[name=name]"), page.value("select")),
        ("ana".into(), "blue".into())
    );
    page.click("button \"Sign\"").wait_for_path("/signed");
    page.javascript(false)
        .goto(&url)
        .click("button \"Leave\"")
        .wait_for_path("/signed");
    page.focus("input").type_text("cy").press("Enter");
    page.wait_until("location.search === '?name=cy&ink=red'");
    // axe waits by timers, which only run where scripts may.
    page.javascript(true).goto(&url).check_accessibility();
}

#[test]
fn people_share_no_cookie() {
    let (browser, url) = (Browser::start(), serve(COUNTER));
    let (ana, bo) = (browser.page(), browser.page());
    ana.goto(&url).eval("document.cookie = 'seen=1'");
    bo.goto(&url);
    assert_eq!(
        (ana.eval("document.cookie"), bo.eval("document.cookie")),
        (json!("seen=1"), json!(""))
    );
}

#[test]
fn a_fault_on_the_page_fails_the_test() {
    let browser = Browser::start();
    let faults = |page: &Page| catch_unwind(AssertUnwindSafe(|| page.check())).is_err();
    for (body, fault) in [
        (
            "<!doctype html><link rel=icon href=data:,><script>1</script>",
            "Content Security Policy",
        ),
        (
            "<!doctype html><link rel=icon href=data:,><p style='color: red'>red",
            "Content Security Policy",
        ),
        (
            "<!doctype html><link rel=icon href=data:,><img src=http://127.0.0.1:1/>",
            "Content Security Policy",
        ),
    ] {
        let page = browser.page();
        page.goto(&serve(body));
        assert!(
            page.faults().iter().any(|found| found.contains(fault)),
            "{body}: {:?}",
            page.faults()
        );
        assert!(faults(&page), "{body}");
        page.allow(fault);
        assert!(!faults(&page), "{body}");
    }
    let page = browser.page();
    page.goto(&serve(COUNTER)).eval("setTimeout(() => missing())");
    page.wait_until("true").eval("new Promise(done => setTimeout(done, 1))");
    assert!(
        page.faults()
            .iter()
            .any(|found| found.contains("missing is not defined")),
        "{:?}",
        page.faults()
    );
    page.allow("missing").eval("console.error('no ink')");
    assert!(faults(&page));
    page.allow("no ink");
}

#[test]
fn a_page_that_some_cannot_use_fails_the_test() {
    let browser = Browser::start();
    let page = browser.page();
    page.goto(&serve(
        "<!doctype html><link rel=icon href=data:,><img src=data:,><input>",
    ));
    let faults = page.accessibility_faults().join("\n");
    for rule in ["image-alt", "label"] {
        assert!(faults.contains(rule), "{faults}");
    }
}

#[test]
fn a_browser_leaves_no_process_behind() {
    let browser = Browser::start();
    let helpers = Process::descendants(std::process::id());
    assert!(
        helpers.iter().any(|process| process.name().contains("chrom")),
        "{helpers:?}"
    );
    drop(browser);
    neospace_tests::eventually("Chromium's helpers to end", || {
        helpers.iter().all(|process| !process.runs()).then_some(())
    });
}

#[test]
fn a_malicious_server_lies_to_one_device_and_not_to_another() {
    let server = Server::start();
    let (lying, honest) = (Proxy::before(&server), Proxy::before(&server));
    let ana = lying.person("ana");
    let elsewhere = honest.door_for(&ana);
    ana.post("/rooms/lobby/join", &[]).see_other();

    // Requests, answers, and answers of its own.
    let mark = lying.mark();
    lying.requests(|asked| {
        if asked.place() == "/rooms/lobby/messages" && asked.method == "POST" {
            asked.body = b"content=what+the+server+wants".to_vec();
        }
        (asked.place() == "/nowhere").then(|| Told::json(200, &json!({ "made": "up" })))
    });
    lying.rewrite("/rooms/lobby", |_, page| page["topic"] = json!("lies"));
    ana.post_json("/rooms/lobby/messages", &[("content", "what ana wants")])
        .expect(201);
    let sent = lying.sent(mark);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(String::from_utf8_lossy(&sent[0].bytes).contains("what+ana+wants"));
    let read = |person: &Person| {
        let ask = person
            .request("GET", "/rooms/lobby")
            .header("accept", "application/json");
        ask.send().expect(200).json()
    };
    assert_eq!(ana.get("/nowhere").expect(200).json()["made"], "up");
    elsewhere.get("/nowhere").expect(404);
    let (told, truth) = (read(&ana), read(&elsewhere));
    assert_eq!(told["topic"], "lies");
    assert_ne!(truth["topic"], "lies");
    assert_eq!(truth["messages"][0]["content"], "what the server wants");

    // Frames: changed, doubled, dropped, and said out of nowhere, to a browser too.
    lying.honest();
    lying.events("message", |mut frame| {
        let html = frame["html"].as_str().unwrap_or_default().replace("truth", "lie");
        frame["html"] = json!(html);
        vec![frame]
    });
    let browser = Browser::start();
    let (page, other) = (browser.page_of(&ana), browser.page_of(&elsewhere));
    for (page, door) in [(&page, &lying), (&other, &honest)] {
        page.goto(&door.url("/rooms/lobby"));
        page.wait_until("document.querySelector('neo-room:state(listening)')");
    }
    elsewhere
        .post_json("/rooms/lobby/messages", &[("content", "the truth")])
        .expect(201);
    page.wait_for(".message \"the lie\"");
    other.wait_for(".message \"the truth\"");
    assert_eq!(lying.sockets(), 1);
    lying.honest();
    lying.events("message", |_| Vec::new());
    elsewhere
        .post_json("/rooms/lobby/messages", &[("content", "unheard")])
        .expect(201);
    other.wait_for(".message \"unheard\"");
    lying.wait_for("the socket's frames", 0, |passed| {
        passed.way == Way::Down && passed.what == "frame" && passed.bytes.windows(7).any(|part| part == b"the lie")
    });
    assert!(!page.has(".message \"unheard\""));

    // A rule that fails, fails the test.
    let door = Proxy::before(&server);
    door.answers(|_, _| panic!("no such thing"));
    door.guest("cyd").get("/login").expect(200);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(door))).is_err());
}
