//! Personal access tokens: what programs may, and what stays with people.

use std::time::{Duration, Instant};

use neospace::crypto;
use neospace_tests::{Browser, Live, Person, Server, eventually};
use serde_json::json;
use tokio_tungstenite::tungstenite;

const EVERY_SCOPE: [&str; 6] = [
    "rooms:read",
    "rooms:write",
    "walls:read",
    "walls:write",
    "dm:read",
    "dm:write",
];

/// Some address of each kind, and the scope that it takes; none: any token gets there.
const CLASSES: [(&str, &str, Option<&str>); 22] = [
    ("GET", "/me", None),
    ("GET", "/health", None),
    ("GET", "/plugins", None),
    ("GET", "/rooms/search?q=tea", Some("rooms:read")),
    ("GET", "/rooms/lobby/messages/1", Some("rooms:read")),
    ("POST", "/rooms/lobby/messages", Some("rooms:write")),
    ("POST", "/rooms/lobby/messages/1/delete", Some("rooms:write")),
    ("GET", "/directory", Some("walls:read")),
    ("GET", "/random", Some("walls:read")),
    ("GET", "/wall/ana", Some("walls:read")),
    ("GET", "/wall/ana/modules/1", Some("walls:read")),
    ("POST", "/wall/ana/profile", Some("walls:write")),
    ("POST", "/wall/ana/modules", Some("walls:write")),
    ("POST", "/wall/ana/modules/1/act", Some("walls:write")),
    ("GET", "/keys", None),
    ("GET", "/dm", Some("dm:read")),
    ("GET", "/dm/bob/messages", Some("dm:read")),
    ("PUT", "/dm/notebook", Some("dm:read")),
    ("POST", "/dm/bob/messages", Some("dm:write")),
    ("POST", "/dm/bob/files", Some("dm:write")),
    ("POST", "/dm/bob/block", Some("dm:write")),
    ("POST", "/dm/bob/report", Some("dm:write")),
];

#[test]
fn a_program_reaches_what_its_scopes_say_and_nothing_else() {
    let server = Server::start();
    let ana = server.person("ana");
    for scope in EVERY_SCOPE {
        let program = ana.program(&[scope]);
        for (method, path, needed) in CLASSES {
            let mut ask = program.request(method, path);
            if method == "POST" {
                ask = ask.form(&[("status", "brewing")]);
            }
            let answer = ask.send();
            let refused = answer.status == 403 && answer.text().contains("it needs the scope");
            assert_eq!(
                refused,
                needed.is_some_and(|needed| needed != scope),
                "{method} {path} with {scope}: {} {}",
                answer.status,
                answer.text()
            );
            assert_ne!(answer.status, 401, "{method} {path} with {scope}");
        }
    }
}

#[test]
fn no_token_reaches_settings_accounts_or_what_nobody_thought_of() {
    let server = Server::start();
    let ana = server.person("ana");
    let program = ana.program(&EVERY_SCOPE);
    let before = server
        .database()
        .query_row("select count(*) from sessions", [], |row| row.get::<_, i64>(0));
    for (method, path) in [
        ("GET", "/settings"),
        ("POST", "/settings/tokens"),
        ("POST", "/settings/tokens/1/revoke"),
        ("POST", "/settings/password"),
        ("POST", "/settings/sessions/revoke"),
        ("POST", "/settings/sessions/1/revoke"),
        ("POST", "/settings/notices"),
        ("GET", "/login"),
        ("POST", "/login"),
        ("GET", "/login/parameters?name=ana"),
        ("POST", "/register"),
        ("POST", "/logout"),
        ("GET", "/recover"),
        ("POST", "/recover"),
        ("POST", "/recover/open"),
        ("POST", "/dm/keys"),
        ("POST", "/dm/recovery"),
        ("POST", "/dm/bob"),
        ("GET", "/"),
        ("GET", "/nothing/of/the/kind"),
        ("DELETE", "/rooms/lobby"),
    ] {
        let mut ask = program.request(method, path);
        if method == "POST" {
            ask = ask.form(&[("do", "read")]);
        }
        let problem = ask.send().expect(403).json();
        assert!(
            problem["detail"].as_str().is_some_and(|why| why.contains("No token")),
            "{method} {path}: {problem}"
        );
    }
    let after = server
        .database()
        .query_row("select count(*) from sessions", [], |row| row.get::<_, i64>(0));
    assert_eq!(before, after);
}

#[test]
fn a_program_acts_as_its_member_without_an_origin_and_without_the_members_cookies() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let program = ana.program(&["walls:write"]);
    let profile = [("status", "brewing"), ("colour", "red"), ("time_zone", "UTC")];
    program.post("/wall/ana/profile", &profile).expect(200);
    assert!(bob.get("/wall/ana").expect(200).text().contains("brewing"));
    program.post("/wall/bob/profile", &profile).expect(403);

    // Who sends both is who the token says, within what it may: bob's cookie adds nothing.
    let both = bob.request("GET", "/settings").header(
        "authorization",
        &format!("Bearer {}", program.token.as_deref().expect("a program has one")),
    );
    both.send().expect(403);
    let wrong = bob
        .request("GET", "/settings")
        .header("authorization", "Bearer ns_nonsense");
    let refused = wrong.send().expect(401);
    assert!(refused.header("www-authenticate").starts_with("Bearer"));
    // A proxy that asks for a password of its own is none of our business.
    let proxied = bob
        .request("GET", "/settings")
        .header("authorization", "Basic Ym9iOnNlY3JldA==");
    proxied.send().expect(200);
}

#[test]
fn a_token_counts_in_its_header_alone() {
    let server = Server::start();
    let ana = server.person("ana");
    let token = ana.program(&EVERY_SCOPE).token.expect("a program has one");
    let bare = token.trim_start_matches("ns_");
    for query in [
        format!("/me?access_token={token}"),
        format!("/me?token={token}"),
        format!("/me?authorization=Bearer%20{token}"),
    ] {
        assert_eq!(server.guest().get(&query).status, 401, "{query}");
    }
    for value in [token.as_str(), bare] {
        for name in ["neospace", "__Host-neospace", "token", "authorization"] {
            let guest = server.guest();
            guest.set_cookie(name, value);
            assert_eq!(guest.get("/me").status, 401, "{name}={value}");
        }
    }
    // And a session's secret is no token.
    let session = ana.cookies().into_values().next().expect("ana is logged in");
    for text in [
        session.clone(),
        format!("ns_{session}"),
        format!("{token}="),
        format!("{token} "),
        String::new(),
    ] {
        let answer = server.guest().with_token(&text).get("/me");
        let fine = text.trim() == token;
        assert_eq!(answer.status == 401, !fine, "{text:?}: {}", answer.status);
    }
}

#[test]
fn a_revoked_token_is_refused_at_once_and_its_sockets_close_within_five_seconds() {
    let server = Server::start();
    let ana = server.person("ana");
    let (program, other) = (ana.program(&["walls:read"]), ana.program(&["walls:read"]));
    let open = |program: &Person| Live::try_open(Live::request(program, "neospace.json.v1")).expect("a socket");
    let (socket, others) = (open(&program), open(&other));
    assert_eq!(socket.wait("connected", |_| true)["username"], "ana");
    socket.watch("wall:ana");
    program.get("/me").expect(303);

    let first = ana.get("/settings").between("/settings/tokens/", "/revoke");
    ana.post(&format!("/settings/tokens/{first}/revoke"), &[]).see_other();
    // The newest is listed first: that was the other's.
    other.get("/me").expect(401);
    let since = Instant::now();
    assert_eq!(others.wait_for_close(), Some(4001));
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    program.get("/me").expect(303);
    socket.send(json!({ "event": "ping", "ref": 1 }));
    assert_eq!(socket.wait("pong", |_| true)["ref"], 1);
    let refused = Live::try_open(Live::request(&other, "neospace.json.v1"));
    assert!(matches!(refused, Err(tungstenite::Error::Http(answer)) if answer.status() == 401));
}

#[test]
fn a_programs_socket_watches_what_its_scopes_say() {
    let server = Server::start();
    let ana = server.person("ana");
    let program = ana.program(&["rooms:read"]);
    let socket = Live::try_open(Live::request(&program, "neospace.json.v1")).expect("a socket");
    socket.wait("connected", |_| true);
    socket.send(json!({ "event": "watch", "topic": "wall:ana", "ref": 3 }));
    let refused = socket.wait("error", |_| true);
    assert_eq!(refused["ref"], 3);
    assert!(
        refused["message"]
            .as_str()
            .is_some_and(|why| why.contains("walls:read")),
        "{refused}"
    );
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let server = Server::start();
    let ana = server.person("ana");
    let program = ana.program(&["walls:read"]);
    program.get("/me").expect(303);
    let database = rusqlite::Connection::open(server.data().join("neospace.db")).expect("the database can be opened");
    let moved = database.execute("update tokens set expires_at = 1", []);
    assert_eq!(moved.expect("the database can be written"), 1);
    // What a server remembers, a restart forgets; the member's next change would do as well.
    let another = ana.program(&["walls:read"]);
    ana.post("/settings/tokens/2/revoke", &[]).see_other();
    another.get("/me").expect(401);
    program.get("/me").expect(401);
    let page = ana.get("/settings").expect(200).text();
    assert!(page.contains("expired"), "an ended token is listed as such");
}

#[test]
fn a_new_password_revokes_every_token() {
    let server = Server::start();
    let ana = server.person("ana");
    let program = ana.program(&["walls:read"]);
    program.get("/me").expect(303);
    let mut fields = ana.registration(&[]);
    let current = fields
        .as_fields()
        .iter()
        .find(|(name, _)| *name == "auth")
        .map(|(_, key)| (*key).to_owned());
    fields
        .set("current", &current.expect("a key"))
        .set("auth", &crypto::Bytes::<32>(crypto::random()).to_string());
    ana.post("/settings/password", &fields.without("name").as_fields())
        .see_other();
    program.get("/me").expect(401);
}

#[test]
fn a_token_is_shown_once_and_kept_nowhere() {
    let server = Server::start();
    let ana = server.person("ana");
    let made = ana
        .post(
            "/settings/tokens",
            &[
                ("name", "the tea bot"),
                ("scope", "rooms:read"),
                ("scope", "rooms:write"),
                ("days", "7"),
            ],
        )
        .expect(200);
    assert_eq!(made.header("cache-control"), "no-store");
    let token = made.between("id=\"token-made\">", "<");
    assert!(token.starts_with("ns_") && token.len() == 46, "{token}");
    let page = ana.get("/settings").expect(200).text();
    assert!(!page.contains(&token));
    assert!(page.contains("the tea bot") && page.contains("rooms:read, rooms:write") && page.contains("never used"));
    let program = ana.with_token(&token);
    program.get("/me").expect(303);
    eventually("the last use is noted", || {
        ana.get("/settings").text().contains("used today").then_some(())
    });

    let secret = token.trim_start_matches("ns_");
    for name in ["neospace.db", "neospace.db-wal"] {
        let bytes = std::fs::read(server.data().join(name)).expect("the database's files");
        assert!(
            !bytes.windows(secret.len()).any(|window| window == secret.as_bytes()),
            "{name} holds the token"
        );
    }
    assert!(
        server.log().lines().iter().all(|line| !line.contains(secret)),
        "the log holds the token"
    );
    // Somebody else's is not there.
    let bob = server.person("bob");
    bob.post("/settings/tokens/1/revoke", &[]).expect(404);
    ana.with_token(&token).get("/me").expect(303);
}

#[test]
fn what_is_wrong_with_a_new_token_is_said_and_what_was_typed_stays() {
    let server = Server::start();
    let ana = server.person("ana");
    let send = |fields: &[(&str, &str)]| ana.post("/settings/tokens", fields).expect(422).text();
    let page = send(&[("name", "my <bot>"), ("days", "7")]);
    assert!(page.contains("Tick what it may") && page.contains("value=\"my &lt;bot&gt;\""));
    assert!(page.contains("value=\"7\" selected"));
    let page = send(&[("name", ""), ("scope", "rooms:read"), ("days", "7")]);
    assert!(page.contains("Say what the token is for") && page.contains("value=\"rooms:read\" checked"));
    for (scope, days) in [
        ("everything", "7"),
        ("rooms:read", "8"),
        ("rooms:read", "-1"),
        ("rooms:read", "x"),
    ] {
        let problem = ana
            .post_json("/settings/tokens", &[("name", "bot"), ("scope", scope), ("days", days)])
            .expect(422)
            .json();
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "{problem}");
    }
    for _ in 0..20 {
        ana.program(&["walls:read"]);
    }
    let refused = send(&[("name", "one more"), ("scope", "rooms:read"), ("days", "7")]);
    assert!(refused.contains("You have 20 tokens"));
    server.guest().post("/settings/tokens", &[("name", "x")]).expect(401);
}

#[test]
fn a_member_makes_and_revokes_a_token_in_place() {
    let (server, browser) = (Server::start(), Browser::start());
    let ana = server.person("ana");
    let page = browser.page_of(&ana);
    page.allow("status of 422");
    page.goto(&server.url("/settings"));
    page.fill("#token-name", "the tea bot");
    page.click("#token-make");
    page.wait_for("#token-scope-error");
    assert_eq!(page.value("#token-name"), "the tea bot");
    page.click("input[value='rooms:read']");
    page.click("#token-make");
    let token = page.text("#token-made");
    ana.with_token(&token).get("/me").expect(303);
    assert_eq!(page.value("#token-name"), "");
    page.click("#tokens .devices button");
    page.wait_gone("#tokens .devices");
    ana.with_token(&token).get("/me").expect(401);
    page.check_accessibility();
}
