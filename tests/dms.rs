//! Direct messages, the server's side: what it keeps, whom it shows it, what it refuses, and that it can read none of it.

use std::{collections::BTreeMap, fs, net::TcpStream, time::Duration};

use neospace::{
    crypto::{self, Parameters},
    db::MIGRATIONS,
};
use neospace_dm::{
    Name, b64, file,
    keys::{self, Identity, Keyring, Kind, RecoveryCode, Root},
    log::{Head, Log},
    message::{self, Body, Copy, Envelope, Header, Opened, Position, Sealed},
    notebook::Notebook,
};
use neospace_tests::{
    Answer, Live, Person, Server, eventually,
    person::{self, PASSWORD, auth_key, parameters},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

/// Longer than anything takes that doesn't come.
const QUIET: Duration = Duration::from_millis(300);

/// Somebody whose device has made keys.
struct Member {
    person: Person,
    name: Name,
    roots: Vec<Root>,
    parameters: Parameters,
}

/// The keys that `Person::register` derived with.
fn wrap_key(name: &str, password: &str, parameters: &Parameters) -> [u8; 32] {
    person::wrap_key(name, password, parameters)
}

impl Member {
    /// Somebody new with an account and first keys.
    fn new(server: &Server, name: &str) -> Member {
        let member = Member::without_keys(server.person(name));
        member.post_keys(&member.new_keys(1)).expect(201);
        member
    }

    fn without_keys(person: Person) -> Member {
        Member {
            name: person.name.parse().expect("a name"),
            roots: vec![Root::fresh()],
            parameters: parameters(&person.name),
            person,
        }
    }

    fn keyring(&self) -> Keyring {
        Keyring::derive(&self.name, &self.roots).expect("there is a root")
    }

    /// What a device sends to put its newest keys into the log.
    fn new_keys(&self, notebook_version: u64) -> Value {
        let ring = self.keyring();
        let (newest, generation) = (ring.newest(), ring.generation());
        let notebook = Notebook::default();
        let wrap = wrap_key(&self.name, PASSWORD, &self.parameters);
        let mut body = json!({
            "generation": generation,
            "identity": b64::encode(newest.keys.identity),
            "signing": b64::encode(newest.keys.signing),
            "signature": b64::encode(newest.sign(&self.name, generation, &newest.keys)),
            "wrapped": b64::encode(keys::wrap(&wrap, Kind::Password, &self.name, &self.roots).expect("it fits")),
            "notebook": b64::encode(notebook.seal(newest, &self.name, notebook_version).expect("it fits")),
            "notebook_version": notebook_version,
        });
        if let [.., before, _] = &self.roots[..] {
            let before = Identity::derive(before, &self.name);
            let signature = before.sign(&self.name, generation, &newest.keys);
            body["previous_signature"] = json!(b64::encode(signature));
            body["current"] = json!(auth_key(&self.name, PASSWORD, &self.parameters));
        }
        body
    }

    fn post_keys(&self, body: &Value) -> Answer {
        self.post("/dm/keys", body)
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.person
            .request(method, path)
            .header("accept", "application/json")
            .body("application/json", body.to_string())
            .send()
    }

    fn get(&self, path: &str) -> Answer {
        self.person
            .request("GET", path)
            .header("accept", "application/json")
            .send()
    }

    /// Seals a text as the next after `previous`.
    fn seal(&self, to: &Member, text: &str, previous: Position, seen: Position) -> Sealed {
        self.seal_body(to, &text_body(text), previous, seen)
    }

    fn seal_body(&self, to: &Member, body: &Body, previous: Position, seen: Position) -> Sealed {
        let ring = self.keyring();
        let envelope = Envelope {
            from: &self.name,
            to: &to.name,
            keys: ring.newest(),
            recipient: to.keyring().newest().keys.identity,
            previous,
            seen,
            log: head(&self.person),
        };
        message::seal(&envelope, body).expect("it can be sealed")
    }

    /// Sends what was sealed.
    fn deliver(&self, to: &Member, sealed: &Sealed) -> Answer {
        self.post(&format!("/dm/{}/messages", to.name), &wire(sealed))
    }

    /// Seals and sends the next of one's stream; answers `M`, and its place.
    fn say(&self, to: &Member, text: &str, previous: Position, seen: Position) -> (Value, Position) {
        let sealed = self.seal(to, text, previous, seen);
        let stands = self.deliver(to, &sealed).expect(201).json();
        (stands, sealed.position())
    }

    /// What is in a conversation.
    fn messages(&self, with: &str) -> Value {
        self.get(&format!("/dm/{with}/messages")).expect(200).json()
    }

    /// The line of one's list about somebody, if there is one.
    fn listed(&self, with: &str) -> Option<Value> {
        let list = self.get("/dm").expect(200).json();
        let mut conversations = list["conversations"].as_array().expect("a list").iter();
        conversations.find(|it| it["with"] == with).cloned()
    }

    /// Opens one's copy of a message.
    fn open(&self, shown: &Value, with: &Member) -> Opened {
        let mine = shown["from"] == *self.name;
        let (copy, names) = match mine {
            true => (Copy::Sender, (&self.name, &with.name)),
            false => (Copy::Recipient, (&with.name, &self.name)),
        };
        let (header, sealed) = (bytes(&shown["header"]), bytes(&shown["copy"]));
        message::open(&header, copy, names, self.keyring().newest(), &sealed).expect("it opens")
    }

    /// Has the server keep the roots under a recovery code; answers how.
    fn set_code(&self, code: &RecoveryCode) -> Vec<u8> {
        let code = code.keys(&self.name);
        let wrapped = keys::wrap(&code.wrap, Kind::Recovery, &self.name, &self.roots).expect("it fits");
        let body = json!({
            "wrapped": b64::encode(&wrapped),
            "auth": b64::encode(*code.auth),
            "current": auth_key(&self.name, PASSWORD, &self.parameters),
        });
        self.post("/dm/recovery", &body).expect(200);
        wrapped
    }

    /// What hides a message from oneself.
    fn hide(&self, shown: &Value) -> Value {
        let header = bytes(&shown["header"]);
        let (own, other) = (crypto::sha256(&bytes(&shown["copy"])), fixed(&shown["other"]));
        let hash = match shown["from"] == *self.name {
            true => message::hash(&header, &other, &own),
            false => message::hash(&header, &own, &other),
        };
        json!({ "id": shown["id"], "tag": b64::encode(self.keyring().newest().hiding_tag(&hash)) })
    }
}

const START: Position = Position {
    counter: 0,
    hash: [0; 32],
};

fn text_body(text: &str) -> Body {
    Body::Text {
        at: 1_760_000_000_000,
        text: text.into(),
        reply: None,
        files: Vec::new(),
    }
}

fn text_of(opened: &Opened) -> String {
    match &opened.body {
        Body::Text { text, .. } => text.clone(),
        other => panic!("not a text: {other:?}"),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    b64::decode(value.as_str().unwrap_or_else(|| panic!("no text: {value}"))).expect("base64url")
}

fn fixed(value: &Value) -> [u8; 32] {
    bytes(value).try_into().expect("32 bytes")
}

fn wire(sealed: &Sealed) -> Value {
    json!({
        "header": b64::encode(&sealed.header),
        "recipient": b64::encode(&sealed.recipient),
        "sender": b64::encode(&sealed.sender),
    })
}

/// The key log, all of it, checked as it is read.
fn log_of(person: &Person) -> Log {
    let mut log = Log::default();
    loop {
        let page = person
            .request("GET", &format!("/keys?after={}", log.head().size))
            .header("accept", "application/json")
            .send()
            .expect(200)
            .json();
        for entry in page["entries"].as_array().expect("a list") {
            log.append(&bytes(entry)).expect("it continues the log");
        }
        if json!(log.head().size) == page["size"] {
            assert_eq!(log.head().hash, fixed(&page["head"]));
            return log;
        }
    }
}

fn head(person: &Person) -> Head {
    log_of(person).head()
}

fn code(answer: &Answer) -> (u16, String) {
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    (answer.status, code)
}

fn is(answer: &Answer, status: u16, expected: &str) {
    assert_eq!(code(answer), (status, expected.into()), "{}", answer.text());
    let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.ends_with('.') && detail.len() > 15, "no sentence: {detail}");
}

/// Two who talk: bob has answered ana. Answers where both streams stand.
fn talking(ana: &Member, bob: &Member) -> (Position, Position) {
    let (_, first) = ana.say(bob, "Is the ferry going?", START, START);
    let (_, answer) = bob.say(ana, "Not today.", START, first);
    (first, answer)
}

#[test]
fn anyone_reads_the_key_log_and_each_entry_continues_the_one_before() {
    let server = Server::start();
    let guest = server.guest();
    assert_eq!(head(&guest), Head::default());
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let log = log_of(&guest);
    assert_eq!(log.head().size, 2);
    for member in [&ana, &bob] {
        let entries = log.member(&member.name).expect("signed");
        member.keyring().check(entries).expect("these very keys");
    }
    // A page of one, from anywhere.
    let page = guest
        .request("GET", "/keys?after=1&limit=1")
        .header("accept", "application/json")
        .send()
        .expect(200)
        .json();
    assert_eq!(
        (page["entries"].as_array().map(Vec::len), &page["size"]),
        (Some(1), &json!(2))
    );
    for wrong in ["/keys?limit=0", "/keys?limit=1001"] {
        is(
            &guest.request("GET", wrong).header("accept", "application/json").send(),
            422,
            "invalid",
        );
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let html = guest.get("/keys").expect(200).text();
    for member in [&ana, &bob] {
        assert!(html.contains(&hex(&member.keyring().newest().keys.identity)));
    }
    let html = guest.get("/keys?name=bob").expect(200).text();
    assert!(html.contains(&hex(&bob.keyring().newest().keys.identity)));
    assert!(!html.contains(&hex(&ana.keyring().newest().keys.identity)));
}

#[test]
fn keys_that_are_not_well_made_never_come_into_the_log() {
    let server = Server::start();
    let ana = Member::without_keys(server.person("ana"));
    assert_eq!(
        ana.get("/dm/keys").expect(200).json(),
        json!({ "name": "ana", "generation": 0 })
    );
    let good = ana.new_keys(1);
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let other = Member::without_keys(server.person("bob"));
    let cut = |field: &str| {
        let mut bytes = bytes(&good[field]);
        bytes.pop();
        json!(b64::encode(bytes))
    };
    for (wrong, answer) in [
        (with("signature", json!(b64::encode([7; 64]))), (422, "invalid")),
        (
            with("signature", other.new_keys(1)["signature"].clone()),
            (422, "invalid"),
        ),
        (with("identity", json!(b64::encode([0; 32]))), (422, "invalid")),
        (with("signing", json!(b64::encode([0; 32]))), (422, "invalid")),
        (with("generation", json!(2)), (422, "invalid")),
        (with("generation", json!(0)), (422, "invalid")),
        (
            with("previous_signature", json!(b64::encode([1; 64]))),
            (422, "invalid"),
        ),
        (with("wrapped", cut("wrapped")), (422, "invalid")),
        (with("wrapped", json!("")), (422, "invalid")),
        (with("notebook", json!("")), (422, "invalid")),
        (with("notebook_version", json!(2)), (409, "notebook")),
        (with("identity", cut("identity")), (400, "invalid")),
        (with("identity", json!("not base64url!")), (400, "invalid")),
        (with("identity", json!(7)), (400, "invalid")),
        (json!({}), (400, "invalid")),
        (json!([]), (400, "invalid")),
    ] {
        is(&ana.post_keys(&wrong), answer.0, answer.1);
    }
    assert_eq!(head(&ana.person), Head::default());
    // A guest has none to make, and a form makes none.
    assert_eq!(server.guest().post_json("/dm/keys", &[("generation", "1")]).status, 401);
    assert_eq!(ana.person.post_json("/dm/keys", &[("generation", "1")]).status, 415);

    ana.post_keys(&good).expect(201);
    // The answer was lost: the same again is the same entry.
    let again = ana.post_keys(&good).expect(201).json();
    assert_eq!(again, json!({ "generation": 1, "index": 1 }));
    // Another device that was slower learns that it was.
    let slower = Member::without_keys(ana.person.clone());
    is(&slower.post_keys(&slower.new_keys(1)), 409, "generation");
    assert_eq!(head(&ana.person).size, 1);
    let kept = ana.get("/dm/keys").expect(200).json();
    assert_eq!(kept["wrapped"], good["wrapped"]);
    assert_eq!(
        (&kept["generation"], &kept["recovery"], &kept["notebook_version"]),
        (&json!(1), &json!(false), &json!(1))
    );
}

#[test]
fn new_keys_need_the_password_and_the_keys_before_and_are_told_to_who_talks_with_one() {
    let server = Server::start();
    let (mut ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (mine, theirs) = talking(&ana, &bob);
    let (bobs, cyds) = (bob.person.live(), cyd.person.live());
    ana.set_code(&RecoveryCode::fresh());
    ana.roots.push(Root::fresh());
    let good = ana.new_keys(2);
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    is(&ana.post_keys(&with("current", Value::Null)), 422, "invalid");
    is(
        &ana.post_keys(&with("current", json!(b64::encode([3; 32])))),
        422,
        "invalid",
    );
    is(&ana.post_keys(&with("previous_signature", Value::Null)), 422, "invalid");
    is(
        &ana.post_keys(&with("previous_signature", good["signature"].clone())),
        422,
        "invalid",
    );
    is(&ana.post_keys(&with("notebook_version", json!(1))), 409, "notebook");
    assert_eq!(head(&ana.person).size, 3);

    ana.post_keys(&good).expect(201);
    let told = bobs.wait("key_log", |_| true);
    assert_eq!(told["size"], 4);
    assert!(
        cyds.try_wait("key_log", QUIET, |_| true).is_none(),
        "cyd has nothing to do with ana"
    );
    let entries = log_of(&bob.person);
    assert_eq!(
        entries.member(&ana.name).expect("each signed by the one before").len(),
        2
    );
    // The code opened the old roots alone.
    assert_eq!(ana.get("/dm/keys").expect(200).json()["recovery"], false);

    // What is sealed to the old key, or by it, isn't taken; nor what was sealed before the log had the new one.
    let mut old = Member::without_keys(ana.person.clone());
    old.roots = vec![ana.roots[0].clone()];
    is(
        &bob.deliver(&old, &bob.seal(&old, "hello?", theirs, mine)),
        409,
        "recipient_key",
    );
    is(
        &old.deliver(&bob, &old.seal(&bob, "hello?", mine, theirs)),
        409,
        "sender_key",
    );
    bob.say(&ana, "hello!", theirs, mine);
}

#[test]
fn a_notebook_follows_the_one_before_it() {
    let server = Server::start();
    let ana = Member::new(&server, "ana");
    let put = |version: i64, notebook: &str| {
        ana.send(
            "PUT",
            "/dm/notebook",
            &json!({ "version": version, "notebook": b64::encode(notebook) }),
        )
    };
    put(2, "the second").expect(200);
    put(2, "the second").expect(200);
    for (version, notebook) in [
        (2, "another second"),
        (1, "the first"),
        (4, "the fourth"),
        (i64::MAX, "x"),
        (i64::MIN, "x"),
    ] {
        let newer = put(version, notebook).expect(409).json();
        assert_eq!((&newer["code"], &newer["version"]), (&json!("notebook"), &json!(2)));
        assert_eq!(bytes(&newer["notebook"]), b"the second");
    }
    let large = "x".repeat(1 << 20);
    put(3, &large).expect(200);
    assert_eq!(
        bytes(&ana.get("/dm/keys").expect(200).json()["notebook"]),
        large.as_bytes()
    );
    is(&put(4, &format!("{large}{}", "y".repeat(100))), 422, "invalid");
    assert_eq!(put(4, &"x".repeat(2 << 20)).status, 413);
    let bob = Member::without_keys(server.person("bob"));
    is(
        &bob.send("PUT", "/dm/notebook", &json!({ "version": 1, "notebook": "eA" })),
        409,
        "no_keys",
    );
}

#[test]
fn a_changed_password_wraps_the_keys_anew_and_logs_everybody_else_out() {
    let server = Server::start();
    let ana = Member::new(&server, "ana");
    let elsewhere = ana.person.elsewhere();
    elsewhere.log_in();
    let live = Live::open_json(&elsewhere);
    let (new, chosen) = ("paper dogs bark at noon", Parameters::fresh());
    let wrap = wrap_key("ana", new, &chosen);
    let wrapped = b64::encode(keys::wrap(&wrap, Kind::Password, &ana.name, &ana.roots).expect("it fits"));
    let two =
        b64::encode(keys::wrap(&wrap, Kind::Password, &ana.name, &[Root::fresh(), Root::fresh()]).expect("it fits"));
    let fields = |wrapped: Option<&str>| {
        let mut fields = json!({
            "current": auth_key("ana", PASSWORD, &ana.parameters),
            "auth": auth_key("ana", new, &chosen),
            "salt": chosen.salt,
            "rounds": chosen.rounds,
        });
        if let Some(wrapped) = wrapped {
            fields["wrapped"] = json!(wrapped);
        }
        fields
    };
    // Without its keys the account would lose them.
    is(&ana.post("/settings/password", &fields(None)), 422, "invalid");
    is(&ana.post("/settings/password", &fields(Some("eA"))), 422, "invalid");
    is(&ana.post("/settings/password", &fields(Some(&two))), 409, "conflict");
    elsewhere.get("/settings").expect(200);

    ana.post("/settings/password", &fields(Some(&wrapped))).expect(200);
    assert_eq!(ana.get("/dm/keys").expect(200).json()["wrapped"], wrapped);
    assert_eq!(live.wait_for_close(), Some(4001));
    elsewhere.get("/settings").see_other();
    assert_eq!(ana.person.elsewhere().try_log_in(PASSWORD).status, 422);
    ana.person.elsewhere().try_log_in(new).see_other();
}

#[test]
fn a_recovery_code_opens_the_roots_and_sets_a_new_password() {
    let server = Server::start();
    let ana = Member::new(&server, "ana");
    let code = RecoveryCode::fresh();
    // Nobody stores a code with a session alone.
    let half = code.keys(&ana.name);
    let wrapped = keys::wrap(&half.wrap, Kind::Recovery, &ana.name, &ana.roots).expect("it fits");
    let mut body =
        json!({ "wrapped": b64::encode(&wrapped), "auth": b64::encode(*half.auth), "current": b64::encode([1; 32]) });
    is(&ana.post("/dm/recovery", &body), 422, "invalid");
    body["current"] = json!(auth_key("ana", PASSWORD, &ana.parameters));
    body["wrapped"] = ana.get("/dm/keys").expect(200).json()["wrapped"].clone();
    is(&ana.post("/dm/recovery", &body), 422, "invalid");
    let wrapped = ana.set_code(&code);
    assert_eq!(ana.get("/dm/keys").expect(200).json()["recovery"], true);

    // On a new device, with the code alone.
    let device = Member::without_keys(server.guest_called("ana"));
    let open = |auth: &[u8]| {
        device.post(
            "/recover/open",
            &json!({ "name": "ana", "recovery": b64::encode(auth) }),
        )
    };
    is(&open(&[9; 32]), 422, "invalid");
    let opened = open(&*half.auth).expect(200).json();
    assert_eq!(
        (bytes(&opened["wrapped"]), &opened["generation"]),
        (wrapped.clone(), &json!(1))
    );
    let newest = ana.keyring().newest().keys;
    keys::unwrap(&half.wrap, Kind::Recovery, &ana.name, &newest, &wrapped).expect("the roots");

    let live = Live::open_json(&ana.person);
    let (new, chosen) = ("a kettle full of stars", Parameters::fresh());
    let again = keys::wrap(&wrap_key("ana", new, &chosen), Kind::Password, &ana.name, &ana.roots).expect("it fits");
    let mut body = json!({
        "name": "ana", "recovery": b64::encode([9; 32]), "auth": auth_key("ana", new, &chosen),
        "salt": chosen.salt, "rounds": chosen.rounds, "wrapped": b64::encode(&again),
    });
    is(&device.post("/recover", &body), 422, "invalid");
    body["recovery"] = json!(b64::encode(*half.auth));
    body["wrapped"] = json!(b64::encode(&wrapped));
    is(&device.post("/recover", &body), 422, "invalid");
    device.person.get("/settings").see_other();
    body["wrapped"] = json!(b64::encode(&again));
    device.post("/recover", &body).expect(200);
    device.person.get("/settings").expect(200);
    assert_eq!(bytes(&device.get("/dm/keys").expect(200).json()["wrapped"]), again);
    assert_eq!(live.wait_for_close(), Some(4001));
    assert_eq!(device.person.elsewhere().try_log_in(PASSWORD).status, 422);
    device.person.elsewhere().try_log_in(new).see_other();
    // The code goes on working.
    open(&*half.auth).expect(200);
    server.guest().get("/recover").expect(200);
}

#[test]
fn whoever_tries_codes_learns_nothing_and_waits() {
    let server = Server::start();
    let (ana, _bob) = (Member::new(&server, "ana"), server.person("bob"));
    ana.set_code(&RecoveryCode::fresh());
    let guest = server.guest();
    let guess = |name: &str, path: &str| {
        let mut fields = vec![
            ("name", name),
            ("recovery", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ];
        let (auth, salt) = (b64::encode([5; 32]), b64::encode([5; 16]));
        let wrapped = b64::encode([&[1, 1, 1][..], &[0; 60]].concat());
        fields.extend([
            ("auth", &*auth),
            ("salt", &*salt),
            ("rounds", "600000"),
            ("wrapped", &*wrapped),
        ]);
        guest.post_json(path, &fields)
    };
    // ana has a code, bob has none, and nobody is called zoe.
    for path in ["/recover/open", "/recover"] {
        let answers = ["ana", "bob", "zoe"].map(|name| guess(name, path).expect(422));
        assert_eq!(answers[0].body, answers[1].body);
        assert_eq!(answers[0].body, answers[2].body);
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&answers[0]), names(&answers[2]));
    }
    // As at the door: five are free for an account, and the wait is said.
    let held_up = (0..8)
        .map(|_| guess("ana", "/recover/open"))
        .find(|answer| answer.status == 429);
    let held_up = held_up.expect("the eighth try waits");
    assert_eq!(code(&held_up).1, "too_often");
    assert!(
        held_up
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds >= 1)
    );
    assert_eq!(
        guest
            .post_json("/login", &[("name", "ana"), ("auth", &b64::encode([5; 32]))])
            .status,
        429
    );
}

#[test]
fn what_ana_seals_reaches_bob_as_it_was_and_nobody_else() {
    let server = Server::start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (anas, bobs, cyds) = (ana.person.live(), Live::open_json(&bob.person), cyd.person.live());
    let sealed = ana.seal(&bob, "Is the ferry going?", START, START);
    let stands = ana.deliver(&bob, &sealed).expect(201).json();
    assert_eq!(
        (&stands["seq"], &stands["from"], &stands["removed"], &stands["hidden"]),
        (&json!(1), &json!("ana"), &json!(false), &Value::Null)
    );
    assert_eq!(bytes(&stands["copy"]), sealed.sender);
    assert_eq!(fixed(&stands["other"]), crypto::sha256(&sealed.recipient));

    let told = bobs.wait("dm_message", |frame| frame["with"] == "ana");
    assert_eq!(bytes(&told["copy"]), sealed.recipient);
    assert_eq!(bytes(&told["header"]), sealed.header);
    assert_eq!(text_of(&bob.open(&told, &ana)), "Is the ferry going?");
    // Her other devices hear of it too, with her own copy.
    let own = anas.wait("dm_message", |frame| frame["with"] == "bob");
    assert_eq!(text_of(&ana.open(&own, &bob)), "Is the ferry going?");

    let fetched = bob.messages("ana");
    assert_eq!(
        (
            &fetched["state"],
            &fetched["last_seq"],
            &fetched["read_seq"],
            &fetched["more"]
        ),
        (&json!("request"), &json!(1), &json!(0), &json!(false))
    );
    assert_eq!(text_of(&bob.open(&fetched["messages"][0], &ana)), "Is the ferry going?");
    assert_eq!(ana.listed("bob").expect("she asked")["state"], "asked");

    // He answers over the socket: that is a yes.
    let answer = bob.seal(&ana, "Not today.", START, sealed.position());
    let mut frame = wire(&answer);
    frame["event"] = json!("dm_send");
    frame["with"] = json!("ana");
    let answered = bobs.ask(frame);
    assert_eq!(
        (&answered["event"], &answered["seq"]),
        (&json!("dm_message"), &json!(2))
    );
    assert_eq!(
        text_of(&ana.open(&anas.wait("dm_message", |it| it["seq"] == 2), &bob)),
        "Not today."
    );
    assert_eq!(
        (
            &ana.listed("bob").expect("both")["state"],
            &bob.listed("ana").expect("both")["state"]
        ),
        (&json!("open"), &json!("open"))
    );
    assert!(cyds.try_wait("dm_message", QUIET, |_| true).is_none());
    assert!(cyd.listed("ana").is_none() && cyd.listed("bob").is_none());
    assert_eq!(cyd.messages("ana")["messages"], json!([]));
    assert_eq!(
        (&cyd.messages("ana")["state"], &cyd.messages("bob")["state"]),
        (&json!("new"), &json!("new"))
    );

    // Nothing that the server keeps has the words in it.
    let mut kept = fs::read(server.data().join("neospace.db")).expect("it can be read");
    kept.extend(fs::read(server.data().join("neospace.db-wal")).unwrap_or_default());
    assert!(
        !kept
            .windows(10)
            .any(|part| part == b"Not today." || part == b"Is the fer")
    );
    assert!(!server.log().lines().iter().any(|line| line.contains("ferry")));
}

#[test]
fn history_comes_in_parts_in_both_directions() {
    let server = Server::builder()
        .config(
            "[limits]\ndms_per_minute = 10000\ndm_conversation_per_minute = 10000\naddress_posts_per_minute = 10000",
        )
        .start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mut mine, theirs) = talking(&ana, &bob);
    for n in 3..=9 {
        (_, mine) = ana.say(&bob, &format!("line {n}"), mine, theirs);
    }
    let seqs = |query: &str| {
        let part = bob.get(&format!("/dm/ana/messages?{query}")).expect(200).json();
        let seqs: Vec<i64> = part["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|it| it["seq"].as_i64())
            .collect();
        (seqs, part["more"] == true)
    };
    assert_eq!(seqs("limit=3"), (vec![7, 8, 9], true));
    assert_eq!(seqs("limit=3&before=7"), (vec![4, 5, 6], true));
    assert_eq!(seqs("before=4"), (vec![1, 2, 3], false));
    assert_eq!(seqs("after=6"), (vec![7, 8, 9], false));
    assert_eq!(seqs("after=0&limit=2"), (vec![1, 2], true));
    assert_eq!(seqs("after=99"), (vec![], false));
    for wrong in ["limit=0", "limit=201", "limit=-1", "before=1&after=2", "before=x"] {
        let answer = bob.get(&format!("/dm/ana/messages?{wrong}"));
        assert!(
            matches!(code(&answer), (400 | 422, ref code) if code == "invalid"),
            "{wrong}: {}",
            answer.text()
        );
    }
}

#[test]
fn a_message_that_is_sent_twice_stands_once_and_is_never_refused_for_it() {
    let server = Server::builder().config("[limits]\ndms_per_minute = 3").start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let bobs = Live::open_json(&bob.person);
    let sealed = ana.seal(&bob, "once", START, START);
    let stands = ana.deliver(&bob, &sealed).expect(201).json();
    let anas = Live::open_json(&ana.person);
    for _ in 0..5 {
        assert_eq!(ana.deliver(&bob, &sealed).expect(201).json(), stands);
        let mut frame = wire(&sealed);
        frame["event"] = json!("dm_send");
        frame["with"] = json!("bob");
        assert_eq!(anas.ask(frame)["id"], stands["id"]);
    }
    assert_eq!(bob.messages("ana")["messages"].as_array().map(Vec::len), Some(1));
    bobs.wait("dm_message", |_| true);
    assert_eq!(
        bobs.frames()
            .iter()
            .filter(|frame| frame["event"] == "dm_message")
            .count(),
        1
    );
    // Another message has to wait.
    let next = ana.seal(&bob, "twice", sealed.position(), START);
    let held_up = ana.deliver(&bob, &next);
    is(&held_up, 429, "too_often");
    assert!(
        held_up
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds >= 1)
    );
    // Another one with its number is another device's, which was slower.
    is(
        &ana.deliver(&bob, &ana.seal(&bob, "other", START, START)),
        409,
        "counter_taken",
    );
}

#[test]
fn a_header_that_doesnt_fit_is_refused_with_its_reason() {
    let server = Server::start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (mine, theirs) = talking(&ana, &bob);
    let good = ana.seal(&bob, "fits", mine, theirs);
    let header = Header::decode(&good.header).expect("it is one");
    let altered = |change: &dyn Fn(&mut Header)| {
        let mut header = header.clone();
        change(&mut header);
        Sealed {
            header: header.encode(),
            ..good.clone()
        }
    };
    let raw = |at: usize, byte: u8| {
        let mut sealed = good.clone();
        sealed.header[at] = byte;
        sealed
    };
    let cases: Vec<(&str, Sealed, u16, &str)> = vec![
        ("version", raw(0, 2), 422, "invalid"),
        ("suite", raw(1, 2), 422, "invalid"),
        ("conversation", altered(&|it| it.conversation[3] ^= 1), 422, "invalid"),
        (
            "another conversation",
            altered(&|it| it.conversation = message::conversation_id(&ana.name, &cyd.name)),
            422,
            "invalid",
        ),
        ("the other's side", altered(&|it| it.sender ^= 1), 422, "invalid"),
        ("no side", raw(18, 2), 422, "invalid"),
        ("counter 0", altered(&|it| it.counter = 0), 422, "invalid"),
        (
            "counter taken",
            altered(&|it| {
                it.counter = 1;
                it.previous = [0; 32]
            }),
            409,
            "counter_taken",
        ),
        ("counter skipped", altered(&|it| it.counter = 3), 409, "counter_skipped"),
        (
            "counter beyond everything",
            altered(&|it| it.counter = u64::MAX),
            422,
            "invalid",
        ),
        (
            "counter at the end",
            altered(&|it| it.counter = i64::MAX as u64),
            409,
            "counter_skipped",
        ),
        ("previous", altered(&|it| it.previous[0] ^= 1), 409, "previous_hash"),
        ("no previous", altered(&|it| it.previous = [0; 32]), 422, "invalid"),
        ("seen what isn't there", altered(&|it| it.seen.counter = 2), 409, "seen"),
        ("seen another", altered(&|it| it.seen.hash[0] ^= 1), 409, "seen"),
        (
            "a head that never was",
            altered(&|it| it.log.hash[0] ^= 1),
            409,
            "log_head",
        ),
        ("a log to come", altered(&|it| it.log.size += 1), 409, "log_head"),
        (
            "a log beyond everything",
            altered(&|it| it.log.size = u64::MAX),
            422,
            "invalid",
        ),
        ("an old log", altered(&|it| it.log = Head::default()), 409, "log_behind"),
        (
            "sealed by another",
            altered(&|it| it.sender_identity = cyd.keyring().newest().keys.identity),
            409,
            "sender_key",
        ),
        (
            "sealed to another",
            altered(&|it| it.recipient_identity = cyd.keyring().newest().keys.identity),
            409,
            "recipient_key",
        ),
        (
            "too short a header",
            Sealed {
                header: good.header[..234].to_vec(),
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "no header",
            Sealed {
                header: Vec::new(),
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "no copy",
            Sealed {
                recipient: Vec::new(),
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "half a copy",
            Sealed {
                sender: good.sender[1..].to_vec(),
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "a class that isn't",
            Sealed {
                recipient: vec![0; 500 + 48],
                sender: vec![0; 500 + 48],
                ..good.clone()
            },
            422,
            "invalid",
        ),
        (
            "two classes",
            Sealed {
                recipient: vec![0; 1024 + 48],
                ..good.clone()
            },
            422,
            "invalid",
        ),
    ];
    for (what, sealed, status, expected) in cases {
        let answer = ana.deliver(&bob, &sealed);
        assert_eq!(code(&answer), (status, expected.into()), "{what}: {}", answer.text());
    }
    // The same over the socket, and frames that are no message at all.
    let anas = Live::open_json(&ana.person);
    let mut frame = wire(&raw(0, 2));
    frame["event"] = json!("dm_send");
    frame["with"] = json!("bob");
    assert_eq!(anas.ask(frame.clone())["code"], "invalid");
    frame["header"] = json!("?");
    assert_eq!(anas.ask(frame.clone())["code"], "bad_event");
    frame["with"] = json!("__proto__");
    assert_eq!(
        anas.ask(json!({ "event": "dm_send", "with": "bob" }))["code"],
        "bad_event"
    );
    for nonsense in [
        "",
        "{",
        "null",
        "[]",
        "{\"header\":1}",
        "{\"header\":\"AA==\",\"recipient\":\"\",\"sender\":\"\"}",
    ] {
        let answer = ana
            .person
            .request("POST", "/dm/bob/messages")
            .body("application/json", nonsense)
            .send();
        assert_eq!(answer.status, 400, "{nonsense}");
    }
    // Nothing of it was stored, and the good one still is the next.
    assert_eq!(bob.messages("ana")["last_seq"], 2);
    ana.deliver(&bob, &good).expect(201);
    // What was seen doesn't go back.
    let back = ana.seal(&bob, "back", good.position(), START);
    is(&ana.deliver(&bob, &back), 409, "seen");
}

#[test]
fn a_stranger_asks_three_times_and_files_wait_for_a_yes() {
    let server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let anas = Live::open_json(&ana.person);
    let mut at = START;
    is(&upload(&ana, &bob, &[0; 300]), 403, "request_files");
    for n in 0..3 {
        (_, at) = ana.say(&bob, &format!("hello {n}"), at, START);
    }
    let fourth = ana.seal(&bob, "hello?", at, START);
    is(&ana.deliver(&bob, &fourth), 403, "request_limit");
    is(&upload(&ana, &bob, &[0; 300]), 403, "request_files");
    assert_eq!(bob.listed("ana").expect("she asks")["state"], "request");

    // Declined: gone from his list, and she isn't told.
    is(&bob.post("/dm/cyd/decline", &json!({})), 404, "not_found");
    let declined = bob.post("/dm/ana/decline", &json!({})).expect(200).json();
    assert_eq!(declined["state"], "request");
    assert!(bob.listed("ana").is_none());
    assert_eq!(ana.listed("bob").expect("she asked")["state"], "asked");
    is(&ana.deliver(&bob, &fourth), 403, "request_limit");
    assert!(anas.try_wait("dm_changed", QUIET, |_| true).is_none());

    // A yes after all: both hear of it.
    assert_eq!(
        bob.post("/dm/ana/accept", &json!({})).expect(200).json()["state"],
        "open"
    );
    anas.wait("dm_changed", |frame| frame["with"] == "bob");
    assert_eq!(bob.listed("ana").expect("again")["state"], "open");
    ana.deliver(&bob, &fourth).expect(201);
    upload(&ana, &bob, &[0; 300]).expect(201);
    is(&bob.post("/dm/ana/decline", &json!({})), 409, "conflict");
    is(&bob.post("/dm/ana/nonsense", &json!({})), 404, "not_found");
    // Nobody asked cyd, and she asked nobody.
    let cyd = Member::new(&server, "cyd");
    is(&cyd.post("/dm/ana/accept", &json!({})), 409, "conflict");
}

#[test]
fn a_block_holds_both_ways_and_looks_like_somebody_who_takes_no_messages() {
    let server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let silent = server.person("cyd");
    let (mine, theirs) = talking(&ana, &bob);
    let anas = Live::open_json(&ana.person);
    let bobs = Live::open_json(&bob.person);
    let blocked = bob.post("/dm/ana/block", &json!({})).expect(200).json();
    assert_eq!(blocked["blocked"], true);
    bobs.wait("dm_changed", |frame| frame["with"] == "ana");
    assert!(anas.try_wait("dm_changed", QUIET, |_| true).is_none());
    assert_eq!(ana.listed("bob").expect("she sees no difference")["blocked"], false);

    let next = ana.seal(&bob, "are you there?", mine, theirs);
    let refused = ana.deliver(&bob, &next);
    is(&refused, 403, "not_taken");
    // The same words as about somebody who never made keys.
    let mut to_cyd = Member::without_keys(silent);
    to_cyd.roots = vec![Root::fresh()];
    let never = ana.deliver(&to_cyd, &ana.seal(&to_cyd, "are you there?", START, START));
    is(&never, 403, "not_taken");
    assert_eq!(
        refused.text().replace("bob", "NAME"),
        never.text().replace("cyd", "NAME")
    );
    is(&bob.deliver(&ana, &bob.seal(&ana, "no", theirs, mine)), 403, "blocked");
    is(&upload(&ana, &bob, &[0; 300]), 403, "not_taken");
    anas.send(json!({ "event": "dm_typing", "with": "bob" }));
    assert!(bobs.try_wait("dm_typing", QUIET, |_| true).is_none());
    // What was said stays readable.
    assert_eq!(ana.messages("bob")["messages"].as_array().map(Vec::len), Some(2));

    bob.post("/dm/ana/unblock", &json!({})).expect(200);
    ana.deliver(&bob, &next).expect(201);
    assert_eq!(bob.post("/dm/ana/mute", &json!({})).expect(200).json()["muted"], true);
    assert_eq!(bob.listed("ana").expect("muted")["muted"], true);
    assert_eq!(
        bob.post("/dm/ana/unmute", &json!({})).expect(200).json()["muted"],
        false
    );

    // One may block whom one never wrote to; they don't learn it.
    let dan = Member::new(&server, "dan");
    dan.post("/dm/ana/block", &json!({})).expect(200);
    assert!(ana.listed("dan").is_none());
    is(
        &ana.deliver(&dan, &ana.seal(&dan, "hello", START, START)),
        403,
        "not_taken",
    );
}

#[test]
fn nobody_writes_to_themselves_or_to_nobody() {
    let server = Server::start();
    let ana = Member::new(&server, "ana");
    for path in ["/dm/ana", "/dm/ana/messages", "/dm/ana/files/AAAAAAAAAAAAAAAAAAAAAA"] {
        is(&ana.get(path), 422, "invalid");
    }
    for path in [
        "/dm/zoe",
        "/dm/zoe/messages",
        "/dm/__/messages",
        "/dm/../messages",
        "/dm/A%20B/messages",
        "/dm/%00/messages",
    ] {
        assert_eq!(ana.get(path).status, 404, "{path}");
    }
    let sealed = json!({ "header": "", "recipient": "", "sender": "" });
    is(&ana.post("/dm/ana/messages", &sealed), 422, "invalid");
    let zoe = Member::without_keys(server.guest_called("zoe"));
    is(
        &ana.deliver(&zoe, &ana.seal(&zoe, "hello?", START, START)),
        404,
        "not_found",
    );
    is(
        &ana.deliver(&ana, &ana.seal(&ana, "hello?", START, START)),
        422,
        "invalid",
    );
    is(&ana.post("/dm/ana/block", &json!({})), 422, "invalid");
    // The pages, for who is logged in and who isn't.
    assert!(ana.person.get("/dm").expect(200).text().contains("Direct"));
    let bob = Member::new(&server, "bob");
    assert!(ana.person.get("/dm/bob").expect(200).text().contains("bob"));
    assert_eq!(server.guest().get("/dm/bob").see_other(), "/login?next=/dm/bob");
    assert_eq!(server.guest().get("/dm").see_other(), "/login?next=/dm");
    assert_eq!(
        bob.person
            .elsewhere()
            .request("GET", "/dm")
            .header("accept", "application/json")
            .send()
            .status,
        401
    );
}

#[test]
fn what_one_deletes_is_gone_for_oneself_or_for_both() {
    let server = Server::start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    talking(&ana, &bob);
    let (anas, bobs) = (Live::open_json(&ana.person), Live::open_json(&bob.person));
    let at = |who: &Member, with: &str, n: usize| who.messages(with)["messages"][n].clone();
    let delete = |who: &Member, with: &str, messages: Value, scope: &str| {
        who.post(
            &format!("/dm/{with}/messages/delete"),
            &json!({ "messages": messages, "scope": scope }),
        )
    };
    let (question, answer) = (at(&bob, "ana", 0), at(&bob, "ana", 1));

    // For himself: with his tag, and she still has it.
    is(
        &delete(&bob, "ana", json!([{ "id": question["id"] }]), "me"),
        422,
        "invalid",
    );
    let hidden = bob.hide(&question);
    delete(&bob, "ana", json!([hidden]), "me").expect(200);
    let gone = at(&bob, "ana", 0);
    assert_eq!(
        (&gone["copy"], &gone["removed"], &gone["hidden"]),
        (&Value::Null, &json!(false), &hidden["tag"])
    );
    assert_eq!(fixed(&gone["own"]), crypto::sha256(&bytes(&question["copy"])));
    assert_eq!(text_of(&ana.open(&at(&ana, "bob", 0), &bob)), "Is the ferry going?");
    let told = bobs.wait("dm_deleted", |_| true);
    assert_eq!(
        (&told["with"], &told["ids"], &told["scope"]),
        (&json!("ana"), &json!([question["id"]]), &json!("me"))
    );
    assert!(anas.try_wait("dm_deleted", QUIET, |_| true).is_none());

    // For both: one's own alone.
    is(
        &delete(&bob, "ana", json!([{ "id": question["id"] }]), "both"),
        403,
        "forbidden",
    );
    delete(&bob, "ana", json!([{ "id": answer["id"] }]), "both").expect(200);
    delete(&bob, "ana", json!([{ "id": answer["id"] }]), "both").expect(200);
    anas.wait("dm_deleted", |frame| frame["with"] == "bob" && frame["scope"] == "both");
    for (who, with) in [(&ana, "bob"), (&bob, "ana")] {
        let gone = at(who, with, 1);
        assert_eq!((&gone["copy"], &gone["removed"]), (&Value::Null, &json!(true)));
        assert_eq!(gone["header"], answer["header"]);
        assert!(gone["own"].is_string() && gone["other"].is_string());
    }
    let kept: i64 = server
        .database()
        .query_row(
            "select count(*) from dm_messages where seq = 2 and (to_sender is not null or to_recipient is not null)",
            [],
            |row| row.get(0),
        )
        .expect("it counts");
    assert_eq!(kept, 0);

    // Not others', not what isn't there, not nothing, not too many.
    let (_, _) = cyd.say(&ana, "hi", START, START);
    is(
        &delete(&cyd, "ana", json!([cyd.hide(&at(&ana, "bob", 0))]), "me"),
        404,
        "not_found",
    );
    is(
        &delete(&cyd, "bob", json!([{ "id": answer["id"] }]), "both"),
        404,
        "not_found",
    );
    is(
        &delete(&ana, "bob", json!([{ "id": 999_999 }]), "both"),
        404,
        "not_found",
    );
    is(&delete(&ana, "bob", json!([]), "both"), 422, "invalid");
    is(
        &delete(&ana, "bob", json!(vec![json!({ "id": 1 }); 1_001]), "both"),
        422,
        "invalid",
    );
    is(&delete(&ana, "bob", json!([{ "id": 1 }]), "everybody"), 400, "invalid");
}

fn upload(from: &Member, to: &Member, bytes: &[u8]) -> Answer {
    from.person
        .request("POST", &format!("/dm/{}/files", to.name))
        .header("accept", "application/json")
        .body("application/octet-stream", bytes)
        .send()
}

/// The database, to be changed behind the server's back.
fn edited(server: &Server) -> rusqlite::Connection {
    rusqlite::Connection::open(server.data().join("neospace.db")).expect("it is there")
}

fn files_on_disk(server: &Server) -> Vec<String> {
    let files = fs::read_dir(server.data().join("files")).expect("a folder");
    let mut names: Vec<String> = files
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_sealed_file_goes_with_its_message_and_to_nobody_else() {
    let server = Server::builder()
        .config("[limits]\ndm_file_bytes = 100000\ndm_files_mib = 1")
        .start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (mine, theirs) = talking(&ana, &bob);
    let sealed = file::seal(&[7; 32], vec![b'x'; 90_000]);
    let id = upload(&ana, &bob, &sealed).expect(201).json()["id"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert_eq!(files_on_disk(&server), std::slice::from_ref(&id));
    let path = |with: &str| format!("/dm/{with}/files/{id}");
    // Until a message names it, it is hers alone.
    assert_eq!(ana.get(&path("bob")).expect(200).body, sealed);
    is(&bob.get(&path("ana")), 404, "not_found");

    let letter = ana.seal(&bob, "a picture", mine, theirs);
    let mut body = wire(&letter);
    for wrong in [json!(["AAAAAAAAAAAAAAAAAAAAAA"]), json!([id, id])] {
        body["files"] = wrong;
        is(&ana.post("/dm/bob/messages", &body), 422, "invalid");
    }
    body["files"] = json!(vec!["AAAAAAAAAAAAAAAAAAAAAA"; 9]);
    is(&ana.post("/dm/bob/messages", &body), 422, "invalid");
    body["files"] = json!(["../neospace.db"]);
    is(&ana.post("/dm/bob/messages", &body), 400, "invalid");
    body["files"] = json!([id]);
    let stands = ana.post("/dm/bob/messages", &body).expect(201).json();
    let got = bob.get(&path("ana")).expect(200);
    assert_eq!(got.body, sealed);
    assert_eq!(
        (got.header("content-type"), got.header("content-disposition")),
        ("application/octet-stream", "attachment")
    );
    assert!(got.header("content-security-policy").contains("sandbox"));
    // It is named once.
    let again = ana.seal(&bob, "again", letter.position(), theirs);
    let mut second = wire(&again);
    second["files"] = json!([id]);
    is(&ana.post("/dm/bob/messages", &second), 422, "invalid");
    // Nobody else finds it, by whichever conversation they ask, and no other file either.
    cyd.say(&ana, "hi", START, START);
    for with in ["ana", "bob"] {
        is(&cyd.get(&path(with)), 404, "not_found");
    }
    for wrong in [
        "neospace.db",
        "..%2Fneospace.db",
        "..%2f..%2fneospace.toml",
        "%2e%2e",
        ".",
        "AAAAAAAAAAAAAAAAAAAAAA",
    ] {
        assert_eq!(ana.get(&format!("/dm/bob/files/{wrong}")).status, 404, "{wrong}");
    }
    assert_eq!(server.guest().request("GET", &path("ana")).send().status, 401);

    // Sizes and shares.
    is(&upload(&ana, &bob, &[0; 200_000]), 413, "too_large");
    is(&upload(&ana, &bob, &[]), 400, "invalid");
    let form = ana
        .person
        .request("POST", "/dm/bob/files")
        .header("accept", "application/json");
    assert_eq!(form.body("multipart/form-data; boundary=x", "--x--").send().status, 415);
    let full = (0..12)
        .map(|_| upload(&ana, &bob, &sealed))
        .find(|answer| answer.status != 201);
    is(&full.expect("a MiB is full"), 403, "quota");
    // The refused ones left nothing behind.
    let rows: i64 = server
        .database()
        .query_row("select count(*) from dm_files", [], |row| row.get(0))
        .expect("it counts");
    assert_eq!(files_on_disk(&server).len() as i64, rows);

    // It goes when its message does.
    ana.post(
        "/dm/bob/messages/delete",
        &json!({ "messages": [{ "id": stands["id"] }], "scope": "both" }),
    )
    .expect(200);
    is(&bob.get(&path("ana")), 404, "not_found");
    assert!(!files_on_disk(&server).contains(&id));
}

#[test]
fn a_file_that_the_disk_has_no_room_for_is_refused_and_leaves_nothing() {
    let server = Server::builder().disk_mib(12).expect_in_log("disk").start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    talking(&ana, &bob);
    let filler = server.data_inside().join("filler");
    let room = |mib: usize| fs::write(&filler, vec![1; mib << 20]);
    // Some two MiB are left.
    let filled = (1..12)
        .rev()
        .find(|mib| room(*mib).is_ok())
        .expect("it is smaller than its disk");
    room(filled - 2).expect("it fits");
    let large = vec![7; 5 << 20];
    let refused = upload(&ana, &bob, &large);
    is(&refused, 503, "unavailable");
    assert!(refused.text().contains("disk is full"), "{}", refused.text());
    let left = fs::read_dir(server.data_inside().join("files"))
        .expect("a folder")
        .count();
    assert_eq!(left, 0);
    // A smaller one fits, and after the operator has made room the large one too.
    upload(&ana, &bob, &[7; 1 << 10]).expect(201);
    fs::remove_file(&filler).expect("it is there");
    let id = upload(&ana, &bob, &large).expect(201).json()["id"].clone();
    let got = ana
        .get(&format!("/dm/bob/files/{}", id.as_str().expect("a text")))
        .expect(200);
    assert_eq!(got.body, large);
}

#[test]
fn files_that_no_message_names_are_dropped_after_a_day() {
    let mut server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mine, theirs) = talking(&ana, &bob);
    let send = |bytes: &[u8]| {
        upload(&ana, &bob, bytes).expect(201).json()["id"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let (named, old, young) = (send(&[1; 400]), send(&[2; 400]), send(&[3; 400]));
    let mut body = wire(&ana.seal(&bob, "with a file", mine, theirs));
    body["files"] = json!([named]);
    ana.post("/dm/bob/messages", &body).expect(201);
    server.stop();
    let day_ago = "unixepoch() * 1000 - 25 * 3600 * 1000";
    edited(&server)
        .execute(
            &format!("update dm_files set created_at = {day_ago} where id in (?1, ?2)"),
            [&named, &old],
        )
        .expect("two rows");
    // What a power cut left between the bytes and their row.
    let orphan = server.data().join("files").join("BBBBBBBBBBBBBBBBBBBBBB");
    let file = fs::File::create(&orphan).expect("the folder can be written");
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(25 * 3_600))
        .expect("a time");
    server.start_again();
    let mut left = vec![named.clone(), young.clone()];
    left.sort();
    eventually("the old ones are dropped", || {
        (files_on_disk(&server) == left).then_some(())
    });
    assert_eq!(bob.get(&format!("/dm/ana/files/{named}")).expect(200).body, [1; 400]);
    is(&ana.get(&format!("/dm/bob/files/{old}")), 404, "not_found");
    assert_eq!(ana.get(&format!("/dm/bob/files/{young}")).expect(200).body, [3; 400]);
}

#[test]
fn a_device_that_lagged_is_told_to_fetch_and_misses_nothing() {
    let server = Server::builder()
        .config(
            "[limits]\ndms_per_minute = 100000\ndm_conversation_per_minute = 100000\naddress_posts_per_minute = 100000",
        )
        .start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mut mine, theirs) = talking(&ana, &bob);
    // A socket that is not read while much is said.
    let stream = TcpStream::connect(server.address()).expect("it listens");
    let (mut bobs, _) =
        tungstenite::client(Live::request(&bob.person, "neospace.json.v1"), stream).expect("it upgrades");
    let large = "x".repeat(3_900);
    for _ in 0..120 {
        (_, mine) = ana.say(&bob, &large, mine, theirs);
    }
    loop {
        let frame = bobs.read().expect("it is still open");
        let frame: Value = serde_json::from_str(frame.to_text().unwrap_or("{}")).unwrap_or_default();
        if frame["event"] == "resync" && frame["topic"] == "me" {
            break;
        }
    }
    let rest = bob.get("/dm/ana/messages?after=2").expect(200).json();
    assert_eq!(rest["messages"].as_array().map(Vec::len), Some(120));
}

#[test]
fn read_marks_follow_one_across_devices_and_typing_shows_to_who_talks() {
    let server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let bobs = Live::open_json(&bob.person);
    let anas = Live::open_json(&ana.person);
    let (_, asked) = ana.say(&bob, "Is the ferry going?", START, START);
    // A request shows no typing.
    anas.send(json!({ "event": "dm_typing", "with": "bob" }));
    assert!(bobs.try_wait("dm_typing", QUIET, |_| true).is_none());
    let elsewhere = Live::open_json(&bob.person);
    assert_eq!(bob.listed("ana").expect("a request")["read_seq"], 0);
    let read = bobs.ask(json!({ "event": "dm_read", "with": "ana", "seq": 99 }));
    assert_eq!(
        (&read["event"], &read["unread"], &read["read_seq"], &read["last_seq"]),
        (&json!("dm_unread"), &json!(false), &json!(1), &json!(1))
    );
    let heard = elsewhere.wait("dm_unread", |_| true);
    assert_eq!((&heard["with"], &heard["read_seq"]), (&json!("ana"), &json!(1)));
    assert!(
        anas.try_wait("dm_unread", QUIET, |_| true).is_none(),
        "ana learns that bob has read it"
    );
    let (_, answered) = bob.say(&ana, "Not today.", START, asked);
    let back = bob.post("/dm/ana/read", &json!({ "seq": 1 })).expect(200).json();
    assert_eq!(
        back["read_seq"], 2,
        "who writes has read what stands above, and it never goes back"
    );
    assert_eq!(
        ana.post("/dm/bob/read", &json!({ "seq": 2 })).expect(200).json()["unread"],
        false
    );
    ana.say(&bob, "Pity.", asked, answered);
    assert_eq!(
        bob.post("/dm/ana/read", &json!({ "seq": 2 })).expect(200).json()["unread"],
        true
    );

    anas.send(json!({ "event": "dm_typing", "with": "bob" }));
    bobs.wait("dm_typing", |frame| frame["with"] == "ana");
    anas.send(json!({ "event": "dm_stop_typing", "with": "bob" }));
    bobs.wait("dm_stop_typing", |frame| frame["with"] == "ana");
    // Who doesn't want to be seen isn't.
    ana.person.post("/settings/presence", &[]).see_other();
    anas.send(json!({ "event": "dm_typing", "with": "bob" }));
    let seen = bobs.frames().len();
    assert!(
        bobs.try_wait("dm_typing", QUIET, |_| true).is_none(),
        "{:?}",
        &bobs.frames()[seen..]
    );
    for (frame, code) in [
        (json!({ "event": "dm_read", "with": "zoe", "seq": 1 }), "not_found"),
        (json!({ "event": "dm_read", "with": "ana", "seq": 1 }), "invalid"),
        (json!({ "event": "dm_typing", "with": "zoe" }), "not_found"),
        (json!({ "event": "dm_read", "with": "bob" }), "bad_event"),
    ] {
        assert_eq!(anas.ask(frame.clone())["code"], code, "{frame}");
    }
}

#[test]
fn a_program_has_what_its_scopes_say_and_never_the_keys() {
    let server = Server::start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mine, theirs) = talking(&ana, &bob);
    let program = |scopes: &[&str]| Member {
        person: ana.person.program(scopes),
        roots: ana.roots.clone(),
        ..Member::without_keys(ana.person.clone())
    };
    let (reads, writes, rooms) = (
        program(&["dm:read"]),
        program(&["dm:write"]),
        program(&["rooms:read", "rooms:write"]),
    );
    reads.get("/dm").expect(200);
    reads.get("/dm/keys").expect(200);
    reads.get("/dm/bob/messages").expect(200);
    reads.get("/keys?after=0").expect(200);
    for path in [
        "/dm",
        "/dm/keys",
        "/dm/bob",
        "/dm/bob/messages",
        "/dm/bob/files/AAAAAAAAAAAAAAAAAAAAAA",
    ] {
        is(&writes.get(path), 403, "forbidden");
        is(&rooms.get(path), 403, "forbidden");
    }
    let letter = reads.seal(&bob, "from a program", mine, theirs);
    is(&reads.deliver(&bob, &letter), 403, "forbidden");
    is(&rooms.deliver(&bob, &letter), 403, "forbidden");
    for program in [&reads, &writes] {
        is(&program.post("/dm/keys", &ana.new_keys(2)), 403, "forbidden");
        is(&program.post("/dm/recovery", &json!({})), 403, "forbidden");
    }
    let (reading, writing, talking) = (
        Live::open_json(&reads.person),
        Live::open_json(&writes.person),
        Live::open_json(&rooms.person),
    );
    let mut frame = wire(&letter);
    frame["event"] = json!("dm_send");
    frame["with"] = json!("bob");
    assert_eq!(reading.ask(frame.clone())["code"], "forbidden");
    let stands = writing.ask(frame);
    assert_eq!(stands["event"], "dm_message", "who sends gets its answer: {stands}");
    reading.wait("dm_message", |it| it["id"] == stands["id"]);
    bob.say(&ana, "so I see", theirs, letter.position());
    reading.wait("dm_message", |it| it["from"] == "bob");
    assert!(talking.try_wait("dm_message", QUIET, |_| true).is_none());
    assert!(
        writing
            .try_wait("dm_message", QUIET, |it| it["from"] == "bob")
            .is_none()
    );
}

#[test]
fn a_report_is_taken_with_its_proof_alone_and_read_by_the_operator() {
    let server = Server::start();
    let (ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (_, asked) = ana.say(&bob, "You \u{200f}are a kelp.", START, START);
    let shown = bob.messages("ana")["messages"][0].clone();
    let opened = bob.open(&shown, &ana);
    let reveal = |body: &[u8], key: &[u8; 32], id: &Value| json!({ "id": id, "body": b64::encode(body), "key": b64::encode(key), "reason": "He is not a kelp." });
    let good = reveal(&opened.json, &opened.franking, &shown["id"]);
    let mut other = opened.json.clone();
    let last = other.len() - 3;
    other[last] ^= 1;
    is(
        &bob.post("/dm/ana/report", &reveal(&other, &opened.franking, &shown["id"])),
        422,
        "not_proven",
    );
    is(
        &bob.post("/dm/ana/report", &reveal(&opened.json, &[1; 32], &shown["id"])),
        422,
        "not_proven",
    );
    is(
        &bob.post("/dm/ana/report", &reveal(&[0xff, 0xfe], &opened.franking, &shown["id"])),
        422,
        "not_proven",
    );
    // Not what one said oneself, not what others said, not what isn't there.
    is(&ana.post("/dm/bob/report", &good), 422, "invalid");
    is(&cyd.post("/dm/ana/report", &good), 404, "not_found");
    is(
        &bob.post("/dm/ana/report", &reveal(&opened.json, &opened.franking, &json!(77))),
        404,
        "not_found",
    );
    let mut long = good.clone();
    long["reason"] = json!("x".repeat(501));
    is(&bob.post("/dm/ana/report", &long), 422, "invalid");
    let operator = |arguments: &[&str]| {
        let output = server.operator(&[&["reports"], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    assert!(operator(&["list"]).1.contains("No report waits"));

    bob.post("/dm/ana/report", &good).expect(201);
    bob.post("/dm/ana/report", &good).expect(201);
    let (_, list) = operator(&["list"]);
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(list.contains("bob about ana") && list.contains("kelp"), "{list}");
    let (_, one) = operator(&["show", "1"]);
    for part in ["The proof holds", "ana", "bob", "are a kelp.", "He is not a kelp."] {
        assert!(one.contains(part), "{part}: {one}");
    }
    assert!(!one.contains('\u{200f}'), "a terminal would turn the line: {one}");
    // It outlives the message, and a second message is not in it.
    let (_, _) = bob.say(&ana, "No.", START, asked);
    ana.post(
        "/dm/bob/messages/delete",
        &json!({ "messages": [{ "id": shown["id"] }], "scope": "both" }),
    )
    .expect(200);
    assert!(operator(&["show", "1"]).1.contains("The proof holds"));
    // What was changed behind the server's back shows.
    edited(&server)
        .execute("update dm_reports set body = replace(body, 'kelp', 'saint')", [])
        .expect("one row");
    assert!(operator(&["show", "1"]).1.contains("DOES NOT HOLD"));
    assert!(!operator(&["show", "2"]).0);
    assert!(!operator(&["close", "2"]).0);
    assert!(operator(&["close", "1", "--note", "talked to both"]).0);
    assert!(operator(&["list"]).1.contains("No report waits"));
    assert!(operator(&["list", "--all"]).1.contains("closed"));
    assert!(operator(&["show", "1"]).1.contains("talked to both"));
}

#[test]
fn a_place_of_every_earlier_version_takes_direct_messages() {
    for version in 1..MIGRATIONS.len() {
        let builder = Server::builder();
        let data = builder.folder().join("data");
        fs::create_dir_all(&data).expect("the folder can be written");
        let salt = parameters("ana");
        {
            let db = rusqlite::Connection::open(data.join("neospace.db")).expect("a new file");
            for migration in &MIGRATIONS[..version] {
                db.execute_batch(migration).expect("it was released");
            }
            db.pragma_update(None, "user_version", version as i64)
                .expect("it can be set");
            for (id, name) in [(1, "ana"), (2, "bob")] {
                db.execute(
                    "insert into users (id, name, auth_salt, auth_rounds, auth_hash, shuffle, created_at) values (?1, ?2, ?3, 600000, ?4, 0, 0)",
                    rusqlite::params![id, name, salt.salt.0, "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
                )
                .expect("a row");
                db.execute("insert into profiles (user_id) values (?1)", [id])
                    .expect("a row");
                // What a cookie of that time hangs on.
                db.execute(
                    "insert into sessions (token_hash, user_id, device, created_at, last_seen_at)
                     values (?1, ?2, 'Firefox', unixepoch() * 1000, unixepoch() * 1000)",
                    rusqlite::params![crypto::sha256(&[id as u8; 32]), id],
                )
                .expect("a row");
            }
            if version >= 2 {
                db.execute("insert into messages (room_id, seq, user_id, author, content, html, created_at) values (1, 1, 1, 'ana', 'hi', 'hi', 0)", [])
                    .expect("a row");
            }
        }
        let server = builder.start();
        let back = |name: &str, id: u8| {
            let person = server.guest_called(name);
            person.set_cookie("neospace", &b64::encode([id; 32]));
            person.get("/settings").expect(200);
            Member::without_keys(person)
        };
        // They come back with the session that they had, and their devices make keys.
        let (ana, bob) = (back("ana", 1), back("bob", 2));
        for member in [&ana, &bob] {
            assert_eq!(member.get("/dm/keys").expect(200).json()["generation"], 0);
            member.post_keys(&member.new_keys(1)).expect(201);
        }
        let (mine, _) = talking(&ana, &bob);
        assert_eq!(mine.counter, 1);
        let schema: i64 = server
            .database()
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .expect("a number");
        assert_eq!(schema as usize, MIGRATIONS.len());
        let kept: i64 = server
            .database()
            .query_row("select count(*) from users", [], |row| row.get(0))
            .expect("it counts");
        assert_eq!(kept, 2);
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_power_cut() {
    let mut server = Server::builder()
        .config(
            "[limits]\ndms_per_minute = 100000\ndm_conversation_per_minute = 100000\naddress_posts_per_minute = 100000",
        )
        .start();
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let (mut mine, theirs) = talking(&ana, &bob);
    let mut said = BTreeMap::new();
    for n in 0..40 {
        let (stands, position) = ana.say(&bob, &format!("line {n}"), mine, theirs);
        said.insert(stands["seq"].as_i64().expect("a number"), stands["header"].clone());
        mine = position;
    }
    server.kill();
    server.start_again();
    let found = bob.messages("ana");
    for (seq, header) in said {
        let there = found["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|it| it["seq"] == seq);
        assert_eq!(there.expect("it was acknowledged")["header"], header);
    }
    // The stream goes on where it was.
    ana.say(&bob, "still here", mine, theirs);
}
