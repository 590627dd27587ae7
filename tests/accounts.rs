//! Accounts: getting one, coming in, leaving, and what must never leave the browser.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use neospace::crypto::{self, Parameters};
use neospace_tests::{
    Answer, Browser, Live, Page, Person, Server, eventually,
    person::{self, PASSWORD},
};
use serde_json::{Value, json};

// ── keys ───────────────────────────────────────────────────────────────────────────────────────

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/derivation.json")).expect("the vectors are JSON")
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field]
        .as_str()
        .unwrap_or_else(|| panic!("{vector} has no {field}"))
}

#[test]
fn programs_derive_the_keys_of_the_vectors_and_refuse_what_the_vectors_refuse() {
    let vectors = vectors();
    for vector in vectors["keys"].as_array().expect("a list") {
        let parameters: Parameters = serde_json::from_value(vector.clone()).expect("salt and rounds");
        let keys = crypto::derive(text(vector, "name"), text(vector, "password"), &parameters)
            .unwrap_or_else(|why| panic!("{}: {why}", vector["why"]));
        assert_eq!(keys.auth.to_string(), text(vector, "auth"), "{}", vector["why"]);
        assert_eq!(
            URL_SAFE_NO_PAD.encode(keys.wrap),
            text(vector, "wrap"),
            "{}",
            vector["why"]
        );
    }
    for vector in vectors["refused"].as_array().expect("a list") {
        let Ok(parameters) = serde_json::from_value::<Parameters>(vector.clone()) else {
            continue;
        };
        let refused = crypto::derive(text(vector, "name"), text(vector, "password"), &parameters);
        assert!(refused.is_err(), "not refused: {}", vector["why"]);
    }
}

#[test]
fn browsers_derive_the_keys_of_the_vectors_and_refuse_what_the_vectors_refuse() {
    let (server, browser) = (Server::start(), Browser::start());
    let page = browser.page();
    page.goto(&server.url("/login"));
    let script = format!(
        r#"(async () => {{
            const address = document.querySelector("script[src*='login-form.js']").src
            const {{ derive, readParameters, Refused }} = await import(new URL("derive.js", address))
            const bytes = text => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), letter => letter.charCodeAt(0))
            const seal = async key => new Uint8Array(await crypto.subtle.encrypt({{ name: "AES-GCM", iv: new Uint8Array(12) }}, key, new Uint8Array(32))).join()
            const {{ keys, refused }} = {}
            const wrong = []
            for (const vector of keys) {{
                const {{ auth, wrap }} = await derive(vector.name, vector.password, readParameters(vector))
                if (auth !== vector.auth) wrong.push(`auth: ${{vector.why}}`)
                const right = await crypto.subtle.importKey("raw", bytes(vector.wrap), "AES-GCM", false, ["encrypt"])
                if (await seal(wrap) !== await seal(right)) wrong.push(`wrap: ${{vector.why}}`)
                if (wrap.extractable) wrong.push(`extractable: ${{vector.why}}`)
            }}
            for (const vector of refused) {{
                try {{
                    await derive(vector.name, vector.password, readParameters(vector))
                    wrong.push(`not refused: ${{vector.why}}`)
                }} catch (error) {{
                    if (!(error instanceof Refused)) wrong.push(`${{error}}: ${{vector.why}}`)
                }}
            }}
            return {{ wrong, derived: keys.length, refused: refused.length }}
        }})()"#,
        vectors()
    );
    assert_eq!(page.eval(&script), json!({ "wrong": [], "derived": 11, "refused": 16 }));
}

/// The text as it might travel: plain, in URLs, in JSON, in hex, in both base64s.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![
        hex.to_uppercase(),
        hex,
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ];
    if let Ok(plain) = std::str::from_utf8(secret) {
        spellings.push(plain.into());
        spellings.push(person::encode(&[("", plain)])[1..].into());
        spellings.push(plain.replace(' ', "%20"));
        spellings.push(json!(plain).to_string().trim_matches('"').into());
    }
    spellings
}

#[test]
fn the_password_and_the_wrap_key_never_leave_the_browser() {
    const FIRST: &str = "Zwölf Boxkämpfer & ein Ärger";
    const SECOND: &str = "ganz anders, +1/2 = ?";
    let (server, browser) = (Server::start(), Browser::start());
    let page = browser.page();
    page.goto(&server.url("/register"));
    page.fill("#register-name", "ana").fill("#register-password", FIRST);
    page.click("button \"Get my wall\"");
    page.wait_for_path("/welcome");
    page.goto(&server.url("/settings"));
    page.fill("#password-current", FIRST).fill("#password-new", SECOND);
    page.click("button \"Change it\"")
        .wait_for(".notice \"Your password is changed\"");
    page.click("button \"Log out\"").wait_for_path("/");
    page.goto(&server.url("/login"));
    page.fill("#login-name", "ana")
        .fill("#login-password", SECOND)
        .click("neo-login button");
    page.wait_for_path("/wall/ana");
    page.allow("/wall/ana").allow("/welcome").allow("favicon");

    let sent = page.sent();
    let salts: Vec<_> = sent
        .iter()
        .filter_map(|sent| Some(sent.split_once("salt=")?.1.get(..22)?.to_owned()))
        .collect();
    assert_eq!(
        salts.len(),
        2,
        "registration and change of password send a salt each: {sent:#?}"
    );
    let derive = |password: &str, salt: &str| {
        let parameters = Parameters {
            salt: crypto::Bytes::parse(salt).expect("a salt"),
            rounds: crypto::MIN_ROUNDS,
        };
        crypto::derive("ana", password, &parameters).expect("parameters of the client's own")
    };
    let (first, second) = (derive(FIRST, &salts[0]), derive(SECOND, &salts[1]));
    let carries = |text: &str| sent.iter().filter(|sent| sent.contains(text)).count();
    assert_eq!(
        carries(&first.auth.to_string()),
        3,
        "the first key registers, is proved, and proves the change"
    );
    assert_eq!(
        carries(&second.auth.to_string()),
        2,
        "the second key is set, and logs in"
    );
    let mut on_disk = Vec::new();
    for file in fs::read_dir(server.data()).expect("the data folder").flatten() {
        on_disk.extend(fs::read(file.path()).unwrap_or_default());
    }
    let log = server.log().lines().join("\n");
    for secret in [FIRST.as_bytes(), SECOND.as_bytes(), &first.wrap, &second.wrap] {
        for spelling in spellings(secret) {
            assert_eq!(carries(&spelling), 0, "{spelling:?} left the browser");
            assert!(!log.contains(&spelling), "{spelling:?} is in the log");
            assert!(
                !contains(&on_disk, spelling.as_bytes()),
                "{spelling:?} is in the data folder"
            );
        }
        assert!(!contains(&on_disk, secret), "a secret is in the data folder");
    }
    for key in [first.auth, second.auth] {
        assert!(
            !contains(&on_disk, &key.0),
            "an auth key is in the data folder as it was sent"
        );
        assert!(!log.contains(&key.to_string()), "an auth key is in the log");
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_server_that_weakens_the_derivation_gets_no_key() {
    let (server, browser) = (Server::start(), Browser::start());
    server.person("ana");
    let page = browser.page();
    page.goto(&server.url("/login"));
    // The answer of a server that has turned bad.
    page.call(
        "Fetch.enable",
        json!({ "patterns": [{ "urlPattern": "*/login/parameters*" }] }),
    );
    page.eval("window.fetch = (real => (address, options) => String(address).startsWith('/login/parameters') ? Promise.resolve(new Response('{\"salt\":\"AAECAwQFBgcICQoLDA0ODw\",\"rounds\":1000}')) : real(address, options))(window.fetch); true");
    page.fill("#login-name", "ana")
        .fill("#login-password", PASSWORD)
        .click("neo-login button");
    page.wait_for(".keying.bad \"1000 rounds\"");
    assert!(!page.sent().iter().any(|sent| sent.contains("auth=")), "a key was sent");
}

// ── the way in ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn ana_registers_leaves_and_comes_back_in_a_browser() {
    let (server, browser) = (Server::start(), Browser::start());
    let page = browser.page();
    page.allow("/wall/").allow("422").allow("favicon");
    page.goto(&server.url("/register"));
    page.fill("#register-name", "Moth Keeper!")
        .fill("#register-password", "too short");
    page.click("button \"Get my wall\"")
        .wait_for(".error \"9 characters: at least 10\"");
    assert_eq!(
        page.requests().iter().filter(|url| url.ends_with("/register")).count(),
        1,
        "only the page was asked for"
    );
    page.fill("#register-password", "a silly sentence")
        .click("button \"Get my wall\"");
    page.wait_for(".error \"How about moth-keeper?\"");
    assert_eq!(page.value("#register-name"), "Moth Keeper!");
    assert_eq!(page.value("#register-password"), "a silly sentence");
    assert_eq!(page.eval("document.activeElement.id"), "register-name");
    page.fill("#register-name", "moth-keeper");
    assert!(!page.has(".field.bad"), "typing takes the mark away");
    page.press("Enter").wait_for_path("/welcome");

    page.goto(&server.url("/settings"))
        .click("button \"Log out\"")
        .wait_for_path("/");
    page.goto(&server.url("/settings")).wait_for_path("/login");
    page.fill("#login-name", "Moth-Keeper")
        .fill("#login-password", "a silly sentense")
        .press("Enter");
    page.wait_for(".error \"Name and password don't go together\"");
    assert_eq!(page.value("#login-name"), "Moth-Keeper");
    page.fill("#login-password", "a silly sentence")
        .press("Enter")
        .wait_for_path("/settings");
    page.wait_for(".devices \"this device\"");
}

#[test]
fn the_forms_say_why_they_need_javascript() {
    let (server, browser) = (Server::start(), Browser::start());
    let page = browser.page();
    page.javascript(false).goto(&server.url("/login"));
    page.wait_for("noscript \"This form needs JavaScript\"");
    assert_eq!(
        page.eval("[...document.querySelectorAll('main button')].every(button => button.disabled)"),
        true
    );
    assert_eq!(
        page.eval("[...document.querySelectorAll('input[type=password]')].some(input => input.name)"),
        false
    );
}

#[test]
fn over_plain_http_from_elsewhere_the_forms_ask_for_a_secure_connection() {
    let server = Server::start();
    let browser = Browser::start_with(&["--host-resolver-rules=MAP kiosk.test 127.0.0.1"]);
    let page = browser.page();
    page.allow("Cross-Origin-Opener-Policy header has been ignored");
    page.goto(&format!("http://kiosk.test:{}/login", server.address().port()));
    page.wait_for("neo-login [data-insecure] \"not secure\"")
        .wait_for("neo-register [data-insecure] \"https\"");
    assert_eq!(page.eval("document.querySelector('#login-password').disabled"), true);
}

#[test]
fn a_closed_node_takes_nobody_and_lets_its_members_in() {
    let server = Server::builder().config("registration = \"open\"").start();
    server.person("ana");
    server.edit_config(|config| config["registration"] = "closed".into());
    let bo = Person::new("bob", server.address());
    let closed = eventually("registration to be closed", || {
        let page = bo.get("/register").expect(200).text();
        page.contains("takes nobody new").then_some(page)
    });
    assert!(!closed.contains("neo-register"), "there is a form all the same");
    let refused = bo
        .post("/register", &bo.registration(&[]).as_fields())
        .expect(403)
        .text();
    assert!(refused.contains("takes nobody new"), "{refused}");
    bo.post_json("/register", &bo.registration(&[]).as_fields()).expect(403);
    Person::new("ana", server.address()).log_in();
}

#[test]
fn with_an_invite_code_one_gets_in_and_without_one_not() {
    let server = Server::builder()
        .config("registration = \"invite\"\ninvite_codes = [\"PORCH-4417\", \"ATTIC-0001\"]")
        .start();
    let bo = server.guest_called("bob");
    assert!(bo.get("/register").expect(200).text().contains("register-invite"));
    let missing = bo.post_json("/register", &bo.registration(&[]).as_fields()).expect(422);
    assert_eq!(refused_fields(&missing), ["invite"]);
    for wrong in ["PORCH-4418", "porch-4417", "PORCH-441", "PORCH-4417 ATTIC-0001"] {
        let refused = bo
            .post("/register", &bo.registration(&[("invite", wrong)]).as_fields())
            .expect(422);
        assert!(refused.text().contains("That code opens nothing here"));
        assert_eq!(refused.field("invite"), wrong, "the code is kept to be mended");
    }
    bo.post("/register", &bo.registration(&[("invite", " ATTIC-0001 ")]).as_fields())
        .see_other();
    assert_eq!(bo.get("/settings").status, 200);

    // Who guesses is slowed down.
    let cy = server.guest_called("cyd");
    let refused = (0..8).map(|n| {
        cy.post_json(
            "/register",
            &cy.registration(&[("invite", &format!("G-{n}"))]).as_fields(),
        )
    });
    let slowed = refused
        .into_iter()
        .find(|answer| answer.status == 429)
        .expect("guessing goes on unhindered");
    assert!(slowed.header("retry-after").parse::<u64>().expect("seconds") >= 1);
}

fn refused_fields(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    let errors = problem["errors"].as_array().expect("the fields that are wrong").iter();
    errors.map(|error| text(error, "field").to_owned()).collect()
}

#[test]
fn every_wrong_value_is_refused_with_what_is_allowed_and_what_was_typed_is_kept() {
    let server = Server::start();
    let ana = server.person("ana");
    let bo = server.guest_called("bob");
    let (long, key) = ("a".repeat(25), bo.registration(&[]).as_fields()[1].1.to_owned());
    let (padded, cut) = (format!("{key}="), key[..42].to_owned());
    let cases: &[(&str, &str)] = &[
        ("name", ""),
        ("name", "ab"),
        ("name", &long),
        ("name", "a b c"),
        ("name", "änne"),
        ("name", "<b>bo</b>"),
        ("name", "\u{212a}elvin"),
        ("name", "admin"),
        ("name", "Settings"),
        ("name", "ana"),
        ("name", "ANA"),
        ("auth", ""),
        ("auth", &padded),
        ("auth", &cut),
        ("auth", "three inks out of register"),
        ("salt", ""),
        ("salt", "AAAA"),
        ("salt", "AAECAwQFBgcICQoLDA0ODx"),
        ("rounds", ""),
        ("rounds", "599999"),
        ("rounds", "5000001"),
        ("rounds", "-1"),
        ("rounds", "6e5"),
        ("rounds", "99999999999999999999"),
        ("ink", "yellow"),
    ];
    for (field, value) in cases {
        let fields = bo.registration(&[(field, value)]);
        let refused = bo.post_json("/register", &fields.as_fields()).expect(422);
        assert_eq!(refused_fields(&refused), [*field], "{field} = {value:?}");
        let page = bo.post("/register", &fields.as_fields()).expect(422);
        assert_eq!(page.header("cache-control"), "no-store");
        if *field == "name" && !value.is_empty() {
            assert_eq!(page.field("name"), *value, "what was typed is gone");
        }
    }
    let all = bo.post_json("/register", &[]).expect(422);
    assert_eq!(refused_fields(&all), ["name", "auth", "salt", "rounds"]);
    assert_eq!(
        refused_fields(&bo.post_json("/login", &[]).expect(422)),
        ["name", "auth"]
    );
    assert_eq!(
        refused_fields(&bo.post_json("/login", &[("name", "ana"), ("auth", &cut)]).expect(422)),
        ["auth"]
    );
    let change = ana
        .post_json(
            "/settings/password",
            &[("current", "x"), ("auth", &key), ("rounds", "1")],
        )
        .expect(422);
    assert_eq!(refused_fields(&change), ["current", "salt", "rounds"]);
    let large = "x".repeat(300 * 1024);
    bo.post("/register", &bo.registration(&[("name", &large)]).as_fields())
        .expect(413);
    let broken = bo
        .request("POST", "/register")
        .body("application/x-www-form-urlencoded", "name=%ff%fe")
        .send();
    assert_eq!(broken.status, 400);
    assert_eq!(
        bo.request("POST", "/login")
            .body("text/plain", "name=ana")
            .send()
            .status,
        415
    );
    ana.post("/settings/notices/1", &[("do", "shred")]).expect(422);
    ana.post("/settings/notices/one", &[("do", "read")]).expect(404);
    ana.post("/settings/sessions/99999999999999999999/revoke", &[])
        .expect(404);
    ana.post("/settings/sessions/0/revoke", &[]).expect(404);
    ana.get("/settings?before=x").expect(400);

    let taken = bo
        .post_json("/register", &bo.registration(&[("name", "ana")]).as_fields())
        .json();
    assert_eq!(
        taken["errors"][0]["message"],
        "Somebody else has that name. How about ana-2?"
    );
    bo.post("/register", &bo.registration(&[]).as_fields()).see_other();
    let count: i64 = server
        .database()
        .query_row("select count(*) from users", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(count, 2, "a refused registration left something behind");
}

#[test]
fn a_name_is_the_same_however_it_is_typed() {
    let server = Server::start();
    let bo = server.guest_called("Moth-Keeper_7");
    bo.register();
    assert_eq!(bo.get("/login").see_other(), "/wall/moth-keeper_7");
    let elsewhere = server.guest_called("  MOTH-keeper_7 ");
    elsewhere.log_in();
}

#[test]
fn nobody_learns_from_the_door_who_exists() {
    let server = Server::builder().config("trusted_proxies = [\"127.0.0.1\"]").start();
    server.person("ana");
    let cy = server.guest();
    let asked = |name: &str| cy.get(&format!("/login/parameters?name={name}")).expect(200);
    let (known, unknown) = (asked("ana"), asked("nobody-here"));
    assert_eq!(
        known.json().as_object().map(serde_json::Map::len),
        unknown.json().as_object().map(serde_json::Map::len)
    );
    assert_eq!(unknown.json()["rounds"], known.json()["rounds"]);
    assert_eq!(text(&unknown.json(), "salt").len(), 22);
    assert_eq!(
        unknown.body,
        asked("nobody-here").body,
        "the salt of a name that nobody has must not change"
    );
    assert_eq!(unknown.body, asked("Nobody-Here").body, "nor with the way it is typed");
    assert_ne!(unknown.json()["salt"], asked("nobody-else").json()["salt"]);
    assert_eq!(headers(&known), headers(&unknown));

    let key = person::auth_key("ana", "some other sentence", &person::parameters("ana"));
    let mut fastest = [Duration::MAX; 2];
    for round in 0..8 {
        let answers = ["ana", "nob"].map(|name| {
            let ask = cy
                .request("POST", "/login")
                .header("x-forwarded-for", &format!("192.0.2.{round}"));
            let ask = ask.form(&[("name", name), ("auth", &key)]);
            let start = Instant::now();
            (ask.send().expect(422), start.elapsed())
        });
        for (fastest, (_, took)) in fastest.iter_mut().zip(&answers) {
            *fastest = (*took).min(*fastest);
        }
        let [(known, _), (unknown, _)] = answers;
        assert_eq!(headers(&known), headers(&unknown));
        assert_eq!(known.text().replace("ana", "nob"), unknown.text());
    }
    let [known, unknown] = fastest;
    assert!(
        unknown > known / 2,
        "a name that nobody has is refused in {unknown:?}, ana's in {known:?}"
    );
}

/// The headers, but for the date.
fn headers(answer: &Answer) -> Vec<(String, String)> {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into()))
        .collect()
}

#[test]
fn who_guesses_waits_longer_and_longer_and_ana_does_not() {
    let server = Server::builder().config("trusted_proxies = [\"127.0.0.1\"]").start();
    let ana = server.person("ana");
    let wrong = person::auth_key("ana", "some other sentence", &person::parameters("ana"));
    let right = person::auth_key("ana", PASSWORD, &person::parameters("ana"));
    let cy = server.guest();
    let from = |address: &str, key: &str| {
        let ask = cy
            .request("POST", "/login")
            .header("x-forwarded-for", address)
            .header("accept", "application/json");
        ask.form(&[("name", "ana"), ("auth", key)]).send()
    };
    let mut refused = 0;
    let waits: Vec<u64> = (0..400)
        .map(|_| from("203.0.113.9", &wrong))
        .filter_map(|answer| match answer.status {
            422 => {
                refused += 1;
                None
            }
            429 => {
                assert!(
                    text(&answer.json(), "detail").contains("Try again in "),
                    "{}",
                    answer.text()
                );
                Some(answer.header("retry-after").parse().expect("whole seconds"))
            }
            other => panic!("{other}: {}", answer.text()),
        })
        .collect();
    assert!(refused >= 5, "a typing error must not cost a wait");
    assert!(refused < 20, "guessing goes on: {refused} tries were answered");
    assert!(waits.iter().all(|wait| (1..=60).contains(wait)), "{waits:?}");
    assert_eq!(
        from("203.0.113.9", &right).status,
        429,
        "the wait is for right keys too"
    );
    // Many addresses together are slowed down as well, and still ana gets in at once from where she is.
    for n in 0..40 {
        let address = format!("198.51.100.{n}");
        assert_eq!(from(&address, &wrong).status, 422);
        from(&address, &wrong);
    }
    assert_eq!(
        from("198.51.100.1", &wrong).status,
        429,
        "all addresses together guess on"
    );
    assert_eq!(
        from("192.0.2.200", &right).status,
        200,
        "ana is locked out by those who guess"
    );
    assert_eq!(ana.get("/settings").status, 200);
}

#[test]
fn a_flood_of_log_ins_is_turned_away_politely_while_pages_come() {
    let server = Server::builder().config("trusted_proxies = [\"127.0.0.1\"]").start();
    server.person("ana");
    let key = person::auth_key("ana", "some other sentence", &person::parameters("ana"));
    let answers: Vec<_> = thread::scope(|scope| {
        let flood: Vec<_> = (0..240)
            .map(|n| {
                let (cy, key) = (server.guest(), key.as_str());
                scope.spawn(move || {
                    let ask = cy
                        .request("POST", "/login")
                        .header("x-forwarded-for", &format!("10.{}.{}.1", n / 200, n % 200));
                    ask.form(&[("name", &format!("nobody-{n}")), ("auth", key)]).send()
                })
            })
            .collect();
        let guest = server.guest();
        for _ in 0..20 {
            guest.get("/login").expect(200);
        }
        flood
            .into_iter()
            .map(|one| one.join().expect("it was answered"))
            .collect()
    });
    for answer in &answers {
        assert!(
            [422, 429].contains(&answer.status),
            "{}: {}",
            answer.status,
            answer.text()
        );
        assert_eq!(answer.status == 429, !answer.header("retry-after").is_empty());
    }
    assert!(answers.iter().any(|answer| answer.status == 422), "nobody was heard");
}

#[test]
fn one_is_led_back_to_where_one_was_and_never_to_another_site() {
    let server = Server::start();
    server.person("ana");
    let parameters = person::parameters("ana");
    let key = person::auth_key("ana", PASSWORD, &parameters);
    let long = format!("/{}", "x".repeat(600));
    for (next, leads) in [
        ("/wall/bo?safe=1#module-3", "/wall/bo?safe=1#module-3"),
        ("", "/wall/ana"),
        ("//evil.example", "/wall/ana"),
        ("/\\evil.example", "/wall/ana"),
        ("https://evil.example/", "/wall/ana"),
        ("javascript:alert(1)", "/wall/ana"),
        ("/a\r\nSet-Cookie: x=y", "/wall/ana"),
        ("/login?next=/login", "/wall/ana"),
        (&long, "/wall/ana"),
    ] {
        let ana = server.guest_called("ana");
        let fields = [("name", "ana"), ("auth", key.as_str()), ("next", next)];
        assert_eq!(ana.post("/login", &fields).see_other(), leads, "{next:?}");
        assert_eq!(
            ana.elsewhere().post_json("/login", &fields).expect(200).json()["next"],
            leads
        );
        // Somebody who is logged in already is led on.
        assert_eq!(
            ana.get(&format!("/login?{}", person::encode(&[("next", next)])))
                .see_other(),
            leads
        );
    }
    let page = server.guest().get("/login?next=/wall/bo").expect(200);
    assert_eq!(page.field("next"), "/wall/bo");
}

// ── sessions ───────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_cookie_is_for_this_site_alone_and_out_of_scripts_reach() {
    let server = Server::start();
    let ana = server.guest_called("ana");
    let answer = ana.post("/register", &ana.registration(&[]).as_fields()).expect(303);
    let cookie = answer.header("set-cookie");
    let (value, attributes) = cookie
        .strip_prefix("neospace=")
        .and_then(|rest| rest.split_once("; "))
        .expect(cookie);
    assert_eq!(value.len(), 43, "256 random bits");
    assert_eq!(attributes, "Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax");
    let out = ana.post("/logout", &[]).expect(303);
    assert_eq!(
        out.header("set-cookie"),
        "neospace=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    );

    let server = Server::builder().config("origin = \"https://kiosk.example\"").start();
    let ana = server.guest_called("ana");
    let answer = ana.post("/register", &ana.registration(&[]).as_fields()).expect(303);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-neospace="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
}

#[test]
fn a_session_that_somebody_planted_is_not_taken_over() {
    let server = Server::start();
    server.person("ana");
    let cy = server.person("cyd");
    let planted = cy.cookies()["neospace"].clone();
    let victim = server.guest_called("ana");
    victim.set_cookie("neospace", &planted);
    victim.log_in();
    let fresh = victim.cookies()["neospace"].clone();
    assert_ne!(fresh, planted);
    assert!(victim.get("/settings").expect(200).text().contains("/wall/ana"));
    cy.get("/settings").see_other();
    let again = server.guest_called("ana");
    again.log_in();
    assert_ne!(again.cookies()["neospace"], fresh, "a token is new at every log-in");

    let token = URL_SAFE_NO_PAD.decode(&fresh).expect("base64url");
    let find = "select count(*) from sessions where token_hash = ?1";
    let kept = |bytes: &[u8]| {
        server
            .database()
            .query_row(find, [bytes], |row| row.get::<_, i64>(0))
            .expect("a count")
    };
    assert_eq!(
        (kept(&token), kept(&crypto::sha256(&token))),
        (0, 1),
        "the database holds hashes alone"
    );
    for wrong in [
        "",
        "x",
        &fresh[..42],
        &format!("{fresh}A"),
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let stranger = server.guest();
        stranger.set_cookie("neospace", wrong);
        assert_eq!(stranger.get("/settings").see_other(), "/login?next=/settings");
    }
}

#[test]
fn nothing_changes_for_a_request_from_another_site() {
    let server = Server::start();
    let ana = server.person("ana");
    let session: i64 = server
        .database()
        .query_row("select id from sessions", [], |row| row.get(0))
        .expect("one session");
    let registration = server.guest_called("bob").registration(&[]);
    let empty = Vec::new();
    for (path, fields) in [
        ("/register", registration.as_fields()),
        ("/login", registration.as_fields()),
        ("/logout", empty.clone()),
        ("/settings/password", registration.as_fields()),
        ("/settings/sessions/revoke", empty.clone()),
        (&format!("/settings/sessions/{session}/revoke"), empty.clone()),
        ("/settings/notices", vec![("do", "read")]),
        ("/settings/notices/1", vec![("do", "dismiss")]),
    ] {
        let post = || ana.request("POST", path).form(&fields);
        for site in ["cross-site", "same-site", "none"] {
            post().header("sec-fetch-site", site).send().expect(403);
        }
        let bare = || post().without("sec-fetch-site");
        bare().header("origin", "http://evil.example").send().expect(403);
        bare().header("origin", "null").send().expect(403);
        bare().without("origin").send().expect(403);
    }
    assert_eq!(ana.get("/settings").status, 200, "the session is as it was");
    assert_eq!(
        ana.get("/logout").expect(200).header("set-cookie"),
        "",
        "looking at the door doesn't log out"
    );
}

#[test]
fn what_changes_on_the_settings_changes_in_place() {
    let server = Server::start();
    let ana = server.person("ana");
    ana.elsewhere().log_in();
    tell(&server, "ana", &["bob signed.".into(), "cyd signed.".into()]);
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/settings"));
    page.eval("document.body.dataset.same = 'page'");
    page.wait_for("neo-me .dot");
    assert_eq!(
        page.attribute("neo-me a", "aria-label").as_deref(),
        Some("ana: settings, something unread")
    );
    page.fill("#password-current", "half a pass");
    page.click(".notices button \"Read\"")
        .wait_gone(".notices li:first-child.is-unread");
    assert_eq!(page.count(".notices li"), 2);
    page.click(".notices li:first-child button[value=dismiss]")
        .wait_gone(".notices \"cyd signed\"");
    page.click("button \"Mark all as read\"")
        .wait_gone(".notices .dot")
        .wait_gone("neo-me .dot");
    page.click(".notices button[value=dismiss]")
        .wait_for("#notices \"Nothing in the box\"");
    page.click("button \"Log out everywhere else\"")
        .wait_for("#sessions \"Nobody is logged in as you anywhere else\"");
    assert_eq!(page.count(".devices li"), 1);
    assert_eq!(
        page.eval("document.body.dataset.same"),
        "page",
        "the page was loaded anew"
    );
    assert_eq!(page.value("#password-current"), "half a pass");
    assert_eq!(
        page.eval("document.activeElement.closest('section').id"),
        "sessions",
        "focus is lost"
    );
    page.click(".devices button").wait_for_path("/");
    page.goto(&server.url("/settings")).wait_for_path("/login");
}

#[test]
fn one_member_has_at_most_fifty_sessions() {
    let server = Server::start();
    let ana = server.person("ana");
    let first = ana.elsewhere();
    first.log_in();
    for _ in 0..49 {
        ana.elsewhere().log_in();
    }
    let count: i64 = server
        .database()
        .query_row("select count(*) from sessions", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(count, 50);
    assert_eq!(ana.get("/settings").status, 303, "the one seen longest ago has ended");
    assert_eq!(first.get("/settings").status, 200);
}

/// The devices on `/settings`, as (session, label, whether it is this one).
fn devices(person: &Person) -> Vec<(String, String, bool)> {
    let page = person.get("/settings").expect(200).text();
    let list = page
        .split("class=\"devices\"")
        .nth(1)
        .and_then(|rest| rest.split("</ul>").next())
        .expect("a list of devices");
    let device = |item: &str| {
        let between = |from, to| {
            item.split(from)
                .nth(1)
                .and_then(|rest| rest.split(to).next())
                .expect("its part")
                .to_owned()
        };
        (
            if item.contains("/logout") {
                String::new()
            } else {
                between("/settings/sessions/", "/")
            },
            between("<strong>", "</strong>"),
            item.contains("this device"),
        )
    };
    list.split("<li ").skip(1).map(device).collect()
}

#[test]
fn ana_sees_her_devices_and_logs_one_out_and_its_socket_closes() {
    let server = Server::start();
    let ana = server.person("ana");
    let telephone = ana.elsewhere();
    let key = person::auth_key("ana", PASSWORD, &person::parameters("ana"));
    let agent = "Mozilla/5.0 (Android 16; Mobile; rv:147.0) Gecko/147.0 Firefox/147.0";
    let ask = telephone.request("POST", "/login").header("user-agent", agent);
    ask.form(&[("name", "ana"), ("auth", &key)]).send().see_other();
    let bo = server.person("bob");

    let listed = devices(&ana);
    let labels: Vec<_> = listed.iter().map(|(_, label, here)| (label.as_str(), *here)).collect();
    assert_eq!(labels, [("Firefox on Android", false), ("A program", true)]);
    let (old, _, _) = &listed[0];
    let revoke = format!("/settings/sessions/{old}/revoke");
    assert_eq!(bo.post(&revoke, &[]).status, 404, "bob logs out ana's telephone");
    assert_eq!(telephone.get("/settings").status, 200);

    let (socket, kept) = (telephone.live(), ana.live());
    socket.wait("connected", |frame| frame["username"] == "ana");
    let start = Instant::now();
    assert_eq!(ana.post(&revoke, &[]).see_other(), "/settings#sessions");
    assert_eq!(
        telephone.get("/settings").see_other(),
        "/login?next=/settings",
        "at once for pages"
    );
    assert_eq!(socket.wait_for_close(), Some(4001));
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "the socket stayed open for {:?}",
        start.elapsed()
    );
    still_open(&kept);
    assert_eq!(devices(&ana).len(), 1);

    // All others at once, and at last this one.
    let elsewhere = [ana.elsewhere(), ana.elsewhere()];
    for one in &elsewhere {
        one.log_in();
    }
    assert_eq!(devices(&ana).len(), 3);
    ana.post("/settings/sessions/revoke", &[]).see_other();
    assert!(elsewhere.iter().all(|one| one.get("/settings").status == 303));
    let find = "select s.id from sessions s join users u on u.id = s.user_id where u.name = 'ana'";
    let own: i64 = server
        .database()
        .query_row(find, [], |row| row.get(0))
        .expect("one session");
    assert_eq!(
        ana.post(&format!("/settings/sessions/{own}/revoke"), &[]).see_other(),
        "/"
    );
    assert!(ana.cookies().is_empty());
    assert_eq!(bo.get("/settings").status, 200);
}

fn still_open(socket: &Live) {
    socket.send(json!({ "event": "ping", "ref": 1 }));
    socket.wait("pong", |frame| frame["ref"] == 1);
}

#[test]
fn a_log_out_closes_the_sockets_of_that_device() {
    let server = Server::start();
    let ana = server.person("ana");
    let elsewhere = ana.elsewhere();
    elsewhere.log_in();
    let (here, there) = (ana.live(), elsewhere.live());
    let cookie = ana.cookies()["neospace"].clone();
    ana.post("/logout", &[]).see_other();
    assert!(ana.cookies().is_empty());
    ana.set_cookie("neospace", &cookie);
    assert_eq!(
        ana.get("/settings").see_other(),
        "/login?next=/settings",
        "a cookie that was kept opens nothing"
    );
    assert_eq!(here.wait_for_close(), Some(4001));
    still_open(&there);
    ana.elsewhere().post("/logout", &[]).see_other();
}

#[test]
fn a_new_password_ends_every_other_session_and_the_old_one_opens_nothing() {
    const NEW: &str = "a much sillier sentence";
    let server = Server::start();
    let ana = server.person("ana");
    let elsewhere = ana.elsewhere();
    elsewhere.log_in();
    let socket = elsewhere.live();
    let before = ana.cookies()["neospace"].clone();

    let current = person::auth_key("ana", PASSWORD, &person::parameters("ana"));
    let fresh = Parameters {
        salt: crypto::Bytes([7; 16]),
        rounds: crypto::MIN_ROUNDS,
    };
    let (auth, salt) = (person::auth_key("ana", NEW, &fresh), fresh.salt.to_string());
    let change = |current: &str| {
        let fields = [
            ("current", current),
            ("auth", auth.as_str()),
            ("salt", salt.as_str()),
            ("rounds", "600000"),
        ];
        ana.post_json("/settings/password", &fields)
    };
    assert_eq!(refused_fields(&change(&auth).expect(422)), ["current"]);
    assert_eq!(elsewhere.get("/settings").status, 200, "a refused change ends nothing");
    server
        .guest()
        .post_json("/settings/password", &[("current", &current)])
        .expect(401);

    assert_eq!(change(&current).expect(200).json()["next"], "/settings?done=password");
    assert_ne!(ana.cookies()["neospace"], before, "the session's token is renewed");
    assert!(
        ana.get("/settings?done=password")
            .expect(200)
            .text()
            .contains("Your password is changed")
    );
    assert_eq!(elsewhere.get("/settings").status, 303);
    assert_eq!(socket.wait_for_close(), Some(4001));
    let old = server.guest();
    old.set_cookie("neospace", &before);
    assert_eq!(old.get("/settings").status, 303, "the token from before is dead");

    let told = ana.get("/login/parameters?name=ana").json();
    assert_eq!(told["salt"], salt.as_str());
    ana.elsewhere().try_log_in(PASSWORD).expect(422);
    ana.elsewhere().try_log_in(NEW).see_other();
}

#[test]
fn sessions_end_after_two_quiet_weeks_and_after_ninety_days_in_any_case() {
    let mut server = Server::start();
    let (ana, bo, cy) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let day = 86_400_000_i64;
    let age = |name: &str, begun: i64, seen: i64| {
        let sql = "update sessions set created_at = created_at - ?2, last_seen_at = last_seen_at - ?3
                    where user_id = (select id from users where name = ?1)";
        let file = server.data().join("neospace.db");
        let changed = rusqlite::Connection::open(file).and_then(|db| db.execute(sql, (name, begun, seen)));
        assert_eq!(changed, Ok(1));
    };
    age("ana", 15 * day, 15 * day);
    age("bob", 91 * day, 0);
    age("cyd", 89 * day, 13 * day);
    // What was read before stays in memory until a restart.
    server.restart();
    let status = |person: &Person| {
        let moved = Person::new(&person.name, server.address());
        moved.set_cookie("neospace", &person.cookies()["neospace"]);
        moved.get("/settings").status
    };
    assert_eq!([&ana, &bo, &cy].map(status), [303, 303, 200]);
}

// ── notices ────────────────────────────────────────────────────────────────────────────────────

/// Notices as modules leave them.
fn tell(server: &Server, name: &str, texts: &[String]) {
    let db = rusqlite::Connection::open(server.data().join("neospace.db")).expect("the database opens");
    db.busy_timeout(Duration::from_secs(5)).expect("a pragma");
    for text in texts {
        let sql = "insert into notices (user_id, plugin, text, created_at) select id, 'guestbook', ?2, 1781000000000 from users where name = ?1";
        db.execute(sql, (name, text)).expect("a row");
    }
}

#[test]
fn notices_are_their_owners_alone_newest_first_and_can_be_read_and_thrown_away() {
    let server = Server::start();
    let (ana, bo) = (server.person("ana"), server.person("bob"));
    assert!(ana.get("/settings").text().contains("Nothing in the box"));
    let texts: Vec<_> = (1..=25).map(|n| format!("cyd signed <line> {n:02}.")).collect();
    tell(&server, "ana", &texts);
    assert!(bo.get("/settings").text().contains("Nothing in the box"));
    let page = ana.get("/settings").expect(200).text();
    let order: Vec<_> = page
        .match_indices("cyd signed &lt;line&gt; ")
        .map(|(at, found)| &page[at + found.len()..][..2])
        .collect();
    assert_eq!(order.first(), Some(&"25"));
    assert!(!page.contains("signed &lt;line&gt; 05."), "a page has twenty");
    assert!(page.contains("aria-label=\"something unread\""));
    let older = ana
        .get(&format!(
            "/settings?before={}",
            page.split("/settings?before=")
                .nth(1)
                .and_then(|rest| rest.split('#').next())
                .expect("a way to older ones")
        ))
        .text();
    assert!(older.contains("signed &lt;line&gt; 05.") && !older.contains("signed &lt;line&gt; 06."));

    let newest = page
        .split("/settings/notices/")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a notice's form")
        .to_owned();
    let count = |rest: &str| {
        server
            .database()
            .query_row(&format!("select count(*) from notices {rest}"), [], |row| {
                row.get::<_, i64>(0)
            })
            .expect("a count")
    };
    bo.post(&format!("/settings/notices/{newest}"), &[("do", "dismiss")])
        .see_other();
    bo.post("/settings/notices", &[("do", "read")]).see_other();
    assert_eq!(
        (count(""), count("where read_at is not null")),
        (25, 0),
        "bob touched ana's notices"
    );
    ana.post(&format!("/settings/notices/{newest}"), &[("do", "read")])
        .see_other();
    assert_eq!(count("where read_at is not null"), 1);
    ana.post(&format!("/settings/notices/{newest}"), &[("do", "dismiss")])
        .see_other();
    assert_eq!(count(""), 24);
    ana.post("/settings/notices", &[("do", "read")]).see_other();
    assert_eq!(count("where read_at is null"), 0);
    assert!(!ana.get("/settings").text().contains("something unread"));
}

// ── how it looks ───────────────────────────────────────────────────────────────────────────────

#[test]
fn the_door_and_the_settings_stand_up_at_every_size_and_in_both_schemes() {
    let server = Server::builder()
        .config("registration = \"invite\"\ninvite_codes = [\"PORCH-4417\"]\nname = \"kiosk.example\"")
        .start();
    let ana = server.guest_called("ana");
    ana.post("/register", &ana.registration(&[("invite", "PORCH-4417")]).as_fields())
        .see_other();
    let telephone = ana.elsewhere();
    telephone.log_in();
    tell(
        &server,
        "ana",
        &[
            "bob signed the guestbook.".into(),
            "The poll “Which lamp?” closes in an hour, and two of you have not voted yet.".into(),
        ],
    );
    ana.post("/settings/notices/1", &[("do", "read")]).see_other();
    let browser = Browser::start();
    let look = |page: &Page, name: &str| {
        for width in [1280, 390] {
            page.viewport(width, if width == 1280 { 1000 } else { 844 });
            for scheme in ["light", "dark"] {
                page.scheme(scheme);
                page.screenshot(&format!("{name}-{width}-{scheme}"));
                page.check_accessibility();
                assert!(!page.overflows(), "{name} is wider than {width} px");
            }
        }
        page.viewport(1280, 1000).scheme("light");
    };
    let door = browser.page();
    door.allow("422");
    door.goto(&server.url("/login"));
    look(&door, "login");
    door.goto(&server.url("/register"))
        .fill("#register-name", "Moth Keeper!");
    door.fill("#register-password", "a silly sentence")
        .fill("#register-invite", "PORCH-4417")
        .click("button \"Get my wall\"");
    door.wait_for(".error \"How about moth-keeper?\"");
    look(&door, "register-refused");
    let page = browser.page_of(&ana);
    page.goto(&server.url("/settings"));
    look(&page, "settings");
    page.goto(&server.url("/logout"));
    look(&page, "logout");
}
