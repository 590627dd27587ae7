//! The machine shows itself: to people, to programs, to Prometheus; and nobody on it.

use std::collections::{HashMap, HashSet};

use neospace_tests::{Browser, Live, Person, Server, eventually};
use serde_json::{Value, json};

fn figures(person: &Person) -> Value {
    person.get_json("/system").expect(200).json()
}

#[test]
fn figures_move_when_things_happen() {
    let server = Server::builder().plugin("guestbook").start();
    let ana = server.person("ana");
    let before = figures(&ana);
    ana.post("/rooms/lobby/join", &[]).see_other();
    for n in 0..5 {
        ana.post("/rooms/lobby/messages", &[("content", &format!("number {n}"))])
            .see_other();
    }
    ana.get("/wall/ana").expect(200);
    ana.get("/wall/ana").expect(200);
    let socket = ana.live();
    socket.wait("connected", |_| true);
    socket.watch("wall:ana");
    // A sample is at most half a second old.
    let after = eventually("a newer sample", || {
        let now = figures(&ana);
        (now["live"]["sockets"] == 1).then_some(now)
    });
    let grew = |path: &str, least: u64| {
        let (old, new) = (
            before.pointer(path).and_then(Value::as_u64),
            after.pointer(path).and_then(Value::as_u64),
        );
        let grown = new.zip(old).map(|(new, old)| new - old);
        assert!(grown.is_some_and(|grown| grown >= least), "{path}: {old:?} → {new:?}");
    };
    grew("/writer/writes", 6);
    grew("/writer/commits", 1);
    grew("/writer/commit_us", 1);
    grew("/requests/total", 8);
    grew("/pages/renders", 1);
    grew("/pages/hits", 1);
    grew("/plugins/calls", 1);
    grew("/plugins/fuel", 1_000);
    grew("/lanes/calls", 1);
    assert_eq!(after["live"]["topics"], 1);
    assert!(
        after["memory"]["host_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes > 1 << 20),
        "{after}"
    );
    assert!(
        after["memory"]["lanes_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes > 1 << 18),
        "{after}"
    );
    assert!(
        after["database"]["wal_bytes"].as_u64().is_some_and(|bytes| bytes > 0),
        "{after}"
    );
    assert!(
        after["wasmtime"]
            .as_str()
            .is_some_and(|version| version.split('.').count() == 3),
        "{after}"
    );
    assert_eq!(after["schema"].as_u64(), Some(neospace::db::schema_version() as u64));
}

#[test]
fn a_guest_without_javascript_reads_the_figures_and_nobodys_name() {
    let server = Server::builder().plugin("guestbook").start();
    let (ana, bob) = (server.person("ana-lovelace"), server.person("bob-of-the-hill"));
    ana.post("/rooms", &[("name", "secret-garden"), ("topic", "")])
        .see_other();
    let sockets = [ana.live(), bob.live()];
    for (socket, wall) in sockets.iter().zip(["ana-lovelace", "bob-of-the-hill"]) {
        socket.watch(&format!("wall:{wall}"));
        socket.watch("system");
    }
    sockets[0].wait("patch", |patch| patch["target"] == "figures");
    let page = server.guest().get("/system").expect(200);
    assert_eq!(page.header("cache-control"), "no-store");
    let (page, metrics) = (page.text(), server.guest().get("/metrics").expect(200).text());
    for words in [
        "Write queue",
        "Plugin fuel",
        "Memory",
        "Sockets",
        "wasmtime",
        "SQLite",
        "guestbook",
        "over the last minute",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(page.contains("href=\"/system\">look inside"));
    for private in ["ana-lovelace", "bob-of-the-hill", "secret-garden"] {
        assert!(!page.contains(private) && !metrics.contains(private), "{private}");
    }
    // Who looks at the machine is told to nobody.
    for socket in &sockets {
        let told = socket
            .frames()
            .into_iter()
            .any(|frame| frame["event"] == "presence" && frame["topic"] == "system");
        assert!(!told);
    }
}

#[test]
fn who_watches_gets_new_figures_every_second_until_they_look_away() {
    let server = Server::start();
    let (ana, guest) = (server.person("ana"), server.guest());
    let (page, program) = (guest.live(), ana.program(&["rooms:read"]));
    let program = Live::try_open(Live::request(&program, "neospace.json.v1")).expect("a socket");
    page.watch("system");
    let first = page.wait("patch", |patch| patch["target"] == "figures");
    let second = page.wait("patch", |patch| patch["target"] == "figures");
    assert!(
        first["html"]
            .as_str()
            .is_some_and(|html| html.contains("id=\"figures\""))
    );
    assert_ne!(first, second);
    page.send(json!({ "event": "unwatch", "topic": "system" }));
    page.wait("unwatched", |_| true);
    // A program hears the same as data, and its being there sends nothing to who has looked away.
    let seen = page.frames().len();
    program.watch("system");
    let data = program.wait("system", |_| true);
    assert!(
        data["figures"]["live"]["sockets"]
            .as_u64()
            .is_some_and(|sockets| sockets == 2),
        "{data}"
    );
    program.wait("system", |_| true);
    assert_eq!(page.frames().len(), seen, "{:?}", page.frames().last());
}

/// Reads a page of metrics as strictly as the format's description has it: each metric with one HELP and one TYPE before its
/// samples, names and labels of the allowed letters, counters ending in `_total`, no sample twice.
fn parse(text: &str) -> HashMap<String, f64> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let (mut helped, mut types, mut found) = (HashSet::new(), HashMap::new(), HashMap::new());
    let mut current = String::new();
    assert!(text.ends_with('\n') && !text.contains('\r'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a sentence");
            assert!(is_name(name) && !help.is_empty() && !help.contains('\\'), "{line}");
            assert!(helped.insert(name.to_owned()), "twice: {line}");
            current = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert_eq!(name, current, "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            types.insert(name.to_owned(), kind.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let (name, labels) = series
                .split_once('{')
                .map_or((series, ""), |(name, labels)| (name, labels));
            let family = match types.get(&current).map(String::as_str) {
                Some("histogram") => ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end)),
                Some(_) => Some(name),
                None => None,
            };
            assert_eq!(family, Some(&*current), "{line}");
            assert!(is_name(name) && name.starts_with("neospace_"), "{line}");
            if !labels.is_empty() {
                let labels = labels.strip_suffix("\"}").expect("labels end");
                for label in labels.split("\",") {
                    let (name, value) = label.split_once("=\"").expect("a label's name and value");
                    assert!(is_name(name) && !value.contains(['"', '\\', '\n']), "{line}");
                }
            }
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(value >= 0.0 && value.is_finite(), "{line}");
            assert!(found.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    found
}

#[test]
fn prometheus_reads_the_metrics() {
    let server = Server::builder().plugin("guestbook").start();
    let (ana, guest) = (server.person("ana"), server.guest());
    ana.get("/wall/ana").expect(200);
    let answer = guest.get("/metrics").expect(200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let before = parse(&answer.text());
    for name in [
        "neospace_live_sockets",
        "neospace_writer_waiting",
        "neospace_wal_bytes",
        "neospace_plugin_faults_total{plugin=\"guestbook\"}",
        "neospace_memory_bytes{of=\"host\"}",
        "neospace_memory_bytes{of=\"lanes\"}",
    ] {
        assert!(before.contains_key(name), "{name}");
    }
    ana.post("/rooms/lobby/join", &[]).see_other();
    ana.post("/rooms/lobby/messages", &[("content", "tick")]).see_other();
    let after = parse(&guest.get("/metrics").expect(200).text());
    for (name, least) in [
        ("neospace_writer_writes_total", 2.0),
        ("neospace_writer_commits_total", 1.0),
        ("neospace_http_request_duration_seconds_count", 3.0),
    ] {
        assert!(
            after[name] - before[name] >= least,
            "{name}: {} → {}",
            before[name],
            after[name]
        );
    }
    let started = |metrics: &HashMap<String, f64>| metrics["neospace_start_time_seconds"];
    assert!((started(&after) - started(&before)).abs() < 0.5);
    // A histogram's buckets hold all below them.
    fn bucket(series: &str) -> Option<&str> {
        series
            .strip_prefix("neospace_http_request_duration_seconds_bucket{le=\"")?
            .strip_suffix("\"}")
    }
    let mut buckets: Vec<(f64, f64)> = after
        .iter()
        .filter_map(|(name, value)| Some((bucket(name)?.parse().ok()?, *value)))
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(
        buckets.len() > 5 && buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1),
        "{buckets:?}"
    );
    assert_eq!(
        buckets.last().map(|last| last.1),
        Some(after["neospace_http_request_duration_seconds_count"])
    );
}

#[test]
fn metrics_are_for_the_machine_itself_or_with_the_operators_token() {
    let token = "a token for the watchman";
    let server = Server::builder()
        .config(&format!(
            "trusted_proxies = [\"127.0.0.1\"]\nmetrics_token = \"{token}\""
        ))
        .start();
    let guest = server.guest();
    guest.get("/metrics").expect(200);
    let ask = |headers: &[(&str, &str)]| {
        let mut ask = guest.request("GET", "/metrics");
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask.send().status
    };
    let from = ("x-forwarded-for", "203.0.113.9");
    assert_eq!(ask(&[from]), 403);
    assert_eq!(ask(&[("x-forwarded-for", "127.0.0.1")]), 403, "it came through a proxy");
    assert_eq!(ask(&[("forwarded", "for=203.0.113.9")]), 403);
    assert_eq!(ask(&[from, ("authorization", "Bearer a token for the watchmaN")]), 403);
    assert_eq!(ask(&[from, ("authorization", "Bearer ")]), 403);
    assert_eq!(ask(&[from, ("authorization", &format!("Bearer {token}"))]), 200);

    let without = Server::start();
    let stranger = without
        .guest()
        .request("GET", "/metrics")
        .header("x-forwarded-for", "203.0.113.9")
        .header("authorization", "Bearer ")
        .send()
        .status;
    assert_eq!(stranger, 403, "no token is set, so none opens");
    let (_, why) = Server::builder().refuse_config("metrics_token = \"short\"\n");
    assert!(why.contains("metrics_token") && why.contains("16"), "{why}");
}

#[test]
fn the_plots_move_and_hold_still_on_every_screen() {
    let (server, browser) = (
        Server::builder().plugins(&["clock", "guestbook", "mood"]).start(),
        Browser::start(),
    );
    let ana = server.person("ana");
    let page = browser.page_of(&ana);
    for (width, height) in [(1280, 900), (390, 844)] {
        for scheme in ["light", "dark"] {
            page.viewport(width, height).scheme(scheme);
            page.goto(&server.url("/system"));
            page.wait_for("neo-system \"live, every second\"");
            for _ in 0..5 {
                ana.get("/wall/ana").expect(200);
            }
            let drawn = page.attribute("#plot-requests path.a1", "d");
            page.wait_until(&format!(
                "document.querySelector('#plot-requests path.a1').getAttribute('d') !== {}",
                json!(drawn)
            ));
            assert!(!page.overflows(), "{width} {scheme}");
            page.check_accessibility();
            page.screenshot(&format!("system-{width}-{scheme}"));
        }
    }
    page.click("neo-system button").wait_for("neo-system \"held still\"");
    eventually("nobody watches", || {
        (figures(&ana)["live"]["topics"] == 0).then_some(())
    });
    page.click("neo-system button")
        .wait_for("neo-system \"live, every second\"");
    let plain = browser.page_of(&ana);
    plain.javascript(false).goto(&server.url("/system"));
    assert!(plain.has("#figures \"Write queue\"") && plain.has("neo-system \"as it was when you asked\""));
    assert!(!plain.has("neo-system button:not([hidden])"));
}
