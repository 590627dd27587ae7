//! Direct messages, the server's side: what it keeps, whom it shows it, what it refuses, and that it can read none of it.

mod conversations;
mod files;
mod key_log;
mod place;

use std::time::Duration;

use neospace::crypto::{self, Parameters};
use neospace_dm::{
    Name, b64,
    keys::{self, Identity, Keyring, Kind, RecoveryCode, Root},
    log::{Head, Log},
    message::{self, Body, Copy, Envelope, Opened, Position, Sealed},
    notebook::Notebook,
};
use neospace_tests::{
    Answer, Person, Server,
    person::{PASSWORD, auth_key, parameters, wrap_key},
};
use serde_json::{Value, json};

/// Longer than anything takes that doesn't come.
const QUIET: Duration = Duration::from_millis(300);

/// Somebody whose device has made keys.
struct Member {
    person: Person,
    name: Name,
    roots: Vec<Root>,
    parameters: Parameters,
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
        self.person.get_json(path)
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
            .get_json(&format!("/keys?after={}", log.head().size))
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
