//! Members whose clients keep none of the rules: they seal any bytes under any header, and make keys and key logs as they like.
//!
//! What they say is sealed as `docs/direct-messages.md` has it, by the HPKE library and not by `neospace-dm`, which would
//! refuse most of it.

use hkdf::Hkdf;
use hpke::{
    Deserializable, Kem, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256,
    single_shot_seal,
};
use neospace_dm::{
    Name, b64,
    keys::{self, Identity, Kind, Root},
    log::{self, Entry, Head},
    message::{self, Header, Position, Sealed, commitment, conversation_id, side},
    notebook::Notebook,
    sha256,
    thread::Shown,
};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    Answer, Person, Proxy,
    person::{PASSWORD, auth_key, parameters, wrap_key},
    proxy::Told,
};

/// A member with a client of their own making.
pub struct Forger {
    pub person: Person,
    pub name: Name,
    /// By generation, the oldest first.
    pub roots: Vec<[u8; 32]>,
}

/// How far a conversation has come, as one side knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The newest message of one's own stream.
    pub mine: Position,
    /// The newest message of the other's.
    pub theirs: Position,
}

impl Forger {
    /// Makes this person's first keys. They are logged in and have none.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn enter(person: Person) -> Forger {
        let mut forger = Forger {
            name: person.name.parse().expect("the cast's names are names"),
            person,
            roots: Vec::new(),
        };
        forger.make_keys();
        forger
    }

    /// Somebody with these roots, whatever the server knows of them.
    pub fn with_roots(person: Person, roots: Vec<[u8; 32]>) -> Forger {
        let name = person.name.parse().expect("the cast's names are names");
        Forger { person, name, roots }
    }

    /// Makes keys of the next generation, in order.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn make_keys(&mut self) {
        let mut root = [0; 32];
        getrandom::fill(&mut root).expect("the operating system has a random generator");
        self.roots.push(root);
        let generation = u32::try_from(self.roots.len()).expect("few");
        let (name, new) = (&self.name, self.keys());
        let (auth, wrap) = (
            auth_key(name, PASSWORD, &parameters(name)),
            wrap_key(name, PASSWORD, &parameters(name)),
        );
        let wrapped = keys::wrap(
            &wrap,
            Kind::Password,
            name,
            &self.roots.iter().copied().map(Root::from).collect::<Vec<_>>(),
        )
        .expect("few roots");
        let version = self.data("/dm/keys")["notebook_version"].as_u64().unwrap_or_default() + 1;
        let notebook = Notebook::default().seal(&new, name, version).expect("it is empty");
        let mut body = json!({
            "generation": generation,
            "identity": b64::encode(new.keys.identity),
            "signing": b64::encode(new.keys.signing),
            "signature": b64::encode(new.sign(name, generation, &new.keys)),
            "wrapped": b64::encode(wrapped),
            "notebook": b64::encode(notebook),
            "notebook_version": version,
        });
        if let [.., before, _] = &self.roots[..] {
            let signature = Identity::derive(&Root::from(*before), name).sign(name, generation, &new.keys);
            body["previous_signature"] = json!(b64::encode(signature));
            body["current"] = json!(auth);
        }
        self.post_json("/dm/keys", &body).expect(201);
    }

    /// The newest keys.
    pub fn keys(&self) -> Identity {
        self.keys_of(self.roots.len())
    }

    /// The keys of a generation.
    pub fn keys_of(&self, generation: usize) -> Identity {
        Identity::derive(&Root::from(self.roots[generation - 1]), &self.name)
    }

    /// Something as programs get it.
    ///
    /// # Panics
    /// When it isn't there.
    pub fn data(&self, path: &str) -> Value {
        let ask = self.person.request("GET", path).header("accept", "application/json");
        ask.send().expect(200).json()
    }

    /// Sends JSON.
    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        let ask = self.person.request("POST", path).header("accept", "application/json");
        ask.body("application/json", body.to_string()).send()
    }

    /// The key log as the server shows it.
    pub fn entries(&self) -> Vec<Entry> {
        entries(&self.person)
    }

    /// How far the key log goes.
    pub fn log(&self) -> Head {
        head(&self.entries())
    }

    /// The newest identity key of somebody.
    ///
    /// # Panics
    /// When they have none.
    pub fn identity_of(&self, name: &Name) -> [u8; 32] {
        let entries = self.entries();
        let newest = entries.iter().rev().find(|entry| entry.name == *name);
        newest.unwrap_or_else(|| panic!("{name} has no keys")).keys.identity
    }

    /// A conversation as the server shows it: `M`s, at most 200.
    pub fn messages(&self, with: &Name) -> Vec<Shown> {
        let part = self.data(&format!("/dm/{with}/messages?limit=200"));
        serde_json::from_value(part["messages"].clone()).expect("the server shows messages")
    }

    /// How far a conversation has come.
    pub fn place(&self, with: &Name) -> Place {
        let mut place = Place::default();
        for shown in self.messages(with) {
            let position = position(&shown, shown.from == self.name);
            if shown.from == self.name {
                place.mine = position;
            } else {
                place.theirs = position;
            }
        }
        place
    }

    /// The header that an honest client would write next.
    pub fn header(&self, to: &Name) -> Header {
        self.header_at(to, self.identity_of(to), self.place(to), self.log())
    }

    /// As [`Forger::header`], by what one knows already.
    pub fn header_at(&self, to: &Name, recipient: [u8; 32], place: Place, log: Head) -> Header {
        Header {
            conversation: conversation_id(&self.name, to),
            sender: side(&self.name, to),
            counter: place.mine.counter + 1,
            previous: place.mine.hash,
            seen: place.theirs,
            log,
            sender_identity: self.keys().keys.identity,
            recipient_identity: recipient,
            commitment: [0; 32],
        }
    }

    /// Seals any body under any header, which gets the commitment, by the newest keys.
    pub fn seal(&self, to: &Name, header: &Header, body: &[u8]) -> Sealed {
        self.seal_with(self.roots.last().expect("they have keys"), to, header, body)
    }

    /// As [`Forger::seal`], by keys of one's choice.
    pub fn seal_with(&self, root: &[u8; 32], to: &Name, header: &Header, body: &[u8]) -> Sealed {
        let franking = sha256(&[b"a franking key", body, &header.counter.to_be_bytes()]);
        let mut header = header.clone();
        header.commitment = commitment(&franking, body);
        let plain = message::pad(&franking, body).expect("it fits into a message");
        self.seal_plain(root, to, &header.encode(), &header.recipient_identity, &plain)
    }

    /// Seals any plain text under any bytes.
    ///
    /// # Panics
    /// When the recipient's key is of no use.
    pub fn seal_plain(&self, root: &[u8; 32], to: &Name, header: &[u8], recipient: &[u8; 32], plain: &[u8]) -> Sealed {
        let own = Identity::derive(&Root::from(*root), &self.name).keys.identity;
        let copy = |copy: u8, key: &[u8; 32]| {
            let mut info = b"neospace/1 dm\0".to_vec();
            info.push(copy);
            for name in [&self.name, to] {
                info.push(u8::try_from(name.len()).expect("names are short"));
                info.extend(name.as_bytes());
            }
            seal_copy(&self.name, root, key, &info, header, plain)
        };
        Sealed {
            header: header.to_vec(),
            recipient: copy(1, recipient),
            sender: copy(2, &own),
        }
    }

    /// Sends something sealed.
    pub fn post(&self, to: &Name, sealed: &Sealed) -> Answer {
        self.post_with(to, sealed, &[])
    }

    /// Sends something sealed, and these uploaded files.
    pub fn post_with(&self, to: &Name, sealed: &Sealed, files: &[String]) -> Answer {
        let body = json!({
            "header": b64::encode(&sealed.header),
            "recipient": b64::encode(&sealed.recipient),
            "sender": b64::encode(&sealed.sender),
            "files": files,
        });
        self.post_json(&format!("/dm/{to}/messages"), &body)
    }

    /// Uploads sealed bytes; answers their id.
    pub fn upload(&self, to: &Name, sealed: Vec<u8>) -> String {
        let ask = self.person.request("POST", &format!("/dm/{to}/files"));
        let ask = ask.header("accept", "application/json");
        let answer = ask.body("application/octet-stream", sealed).send().expect(201).json();
        answer["id"].as_str().expect("a file has an id").to_owned()
    }

    /// Says any body, honestly sealed.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn say_body(&self, to: &Name, body: &Value) -> Sealed {
        let sealed = self.seal(to, &self.header(to), body.to_string().as_bytes());
        self.post(to, &sealed).expect(201);
        sealed
    }

    /// Says a text.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn say(&self, to: &Name, text: &str) -> Sealed {
        self.say_body(to, &text_body(text))
    }
}

/// A text's body, said now.
pub fn text_body(text: &str) -> Value {
    json!({ "type": "text", "at": now(), "text": text })
}

/// Unix time in milliseconds.
pub fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("it is later than 1970");
    u64::try_from(since.as_millis()).expect("it is earlier than the end of the world")
}

fn seal_copy(name: &Name, root: &[u8; 32], to: &[u8; 32], info: &[u8], header: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut secret = [0; 32];
    let purpose = format!("neospace/1 dm identity {name}");
    let split = Hkdf::<Sha256>::new(None, root);
    split
        .expand(purpose.as_bytes(), &mut secret)
        .expect("32 bytes are not too many");
    let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&secret).expect("an X25519 key is any 32 bytes");
    let public = X25519HkdfSha256::sk_to_pk(&secret);
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(to).expect("an X25519 key is any 32 bytes");
    let mode = OpModeS::Auth((secret, public));
    let (enc, sealed) = single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256>(&mode, &to, info, plain, header)
        .expect("the key is of use");
    [&enc.to_bytes()[..], &sealed].concat()
}

/// Where a message stands, as its reader can tell.
pub fn position(shown: &Shown, mine: bool) -> Position {
    let own = match (&shown.copy, shown.own) {
        (Some(copy), _) => sha256(&[copy]),
        (None, own) => own.expect("without its copy there is its hash"),
    };
    let (recipient, sender) = if mine { (shown.other, own) } else { (own, shown.other) };
    Position {
        counter: Header::decode(&shown.header).map_or(0, |header| header.counter),
        hash: message::hash(&shown.header, &recipient, &sender),
    }
}

/// A sealed message as the server would show it to its recipient.
pub fn shown_to_recipient(sealed: &Sealed, from: &Name, id: u64, seq: u64) -> Value {
    json!({
        "id": id, "seq": seq, "at": now(), "from": &**from, "header": b64::encode(&sealed.header),
        "copy": b64::encode(&sealed.recipient), "other": b64::encode(sha256(&[&sealed.sender])),
        "own": null, "hidden": null, "removed": false,
    })
}

// ── the key log ──────────────────────────────────────────────────────────────────────────────────

/// The key log as the server shows it to somebody.
///
/// # Panics
/// When it isn't one.
pub fn entries(person: &Person) -> Vec<Entry> {
    let ask = person.request("GET", "/keys?after=0&limit=1000");
    let told = ask.header("accept", "application/json").send().expect(200).json();
    let entries = told["entries"].as_array().expect("the log has entries").iter();
    entries
        .map(|entry| {
            let bytes: Vec<u8> = b64::decode(entry.as_str().unwrap_or_default()).expect("an entry is base64url");
            Entry::decode(&bytes).expect("an entry is one")
        })
        .collect()
}

/// How far a log goes.
pub fn head(entries: &[Entry]) -> Head {
    entries.last().map_or(Head::default(), |last| Head {
        size: last.index,
        hash: last.hash(),
    })
}

/// An entry that continues a log: these keys under this name, signed by themselves, and by `before` where there is one.
pub fn next_entry(log: &[Entry], name: &Name, generation: u32, keys: &Identity, before: Option<&Identity>) -> Entry {
    let head = head(log);
    Entry {
        index: head.size + 1,
        at: log.last().map_or(1, |last| last.at),
        previous: head.hash,
        name: name.clone(),
        generation,
        keys: keys.keys,
        signature: keys.sign(name, generation, &keys.keys),
        previous_signature: before.map_or([0; 64], |before| before.sign(name, generation, &keys.keys)),
    }
}

/// The same entries, chained anew: what a log with something else in it would be.
pub fn chained(entries: Vec<Entry>) -> Vec<Entry> {
    let mut log: Vec<Entry> = Vec::new();
    for mut entry in entries {
        let head = head(&log);
        (entry.index, entry.previous) = (head.size + 1, head.hash);
        log.push(entry);
    }
    log
}

/// Lets a door show this log, and no other.
pub fn show_log(door: &Proxy, entries: &[Entry]) {
    let head = head(entries);
    show_raw_log(door, entries.iter().map(Entry::encode).collect(), head.size, head.hash);
}

/// Lets a door show anything as the log.
pub fn show_raw_log(door: &Proxy, entries: Vec<Vec<u8>>, size: u64, hash: [u8; 32]) {
    door.requests(move |asked| {
        let json = asked
            .headers
            .get("accept")
            .is_some_and(|accept| accept == "application/json");
        if asked.place() != "/keys" || !json {
            return None;
        }
        let number = |name| asked.parameter(name).and_then(|number| number.parse::<usize>().ok());
        let page = entries.iter().skip(number("after").unwrap_or(0));
        let page: Vec<_> = page.take(number("limit").unwrap_or(1000)).map(b64::encode).collect();
        let body = json!({ "entries": page, "size": size, "head": b64::encode(hash) });
        Some(Told::json(200, &body))
    });
}

/// The hash by which the log names these bytes.
pub fn entry_hash(entry: &[u8]) -> [u8; 32] {
    log::hash(entry)
}

// ── what must not be anywhere ────────────────────────────────────────────────────────────────────

/// Everything about this person, who has keys and [`PASSWORD`], that no server may ever see: each with a name.
///
/// # Panics
/// When they have no keys.
pub fn secrets(person: &Person) -> Vec<(String, Vec<u8>)> {
    let name: Name = person.name.parse().expect("the cast's names are names");
    let wrap = wrap_key(&name, PASSWORD, &parameters(&name));
    let told = person.get_json("/dm/keys").expect(200).json();
    let wrapped: Vec<u8> = told["wrapped"].as_str().and_then(b64::decode).expect("they have keys");
    let log = entries(person);
    let newest = log
        .iter()
        .rev()
        .find(|entry| entry.name == name)
        .expect("their keys are in the log");
    let roots = keys::unwrap(&wrap, Kind::Password, &name, &newest.keys, &wrapped).expect("the password opens them");
    let mut secrets = vec![
        (format!("{name}'s password"), PASSWORD.as_bytes().to_vec()),
        (format!("{name}'s wrap key"), wrap.to_vec()),
    ];
    for (root, generation) in roots.iter().zip(1..) {
        secrets.push((format!("{name}'s root {generation}"), root.reveal().to_vec()));
        let split = Hkdf::<Sha256>::new(None, root.reveal());
        for purpose in ["dm identity", "dm signing", "dm notebook", "dm hidden"] {
            let mut key = vec![0; 32];
            split
                .expand(format!("neospace/1 {purpose} {name}").as_bytes(), &mut key)
                .expect("32 bytes are not too many");
            secrets.push((format!("{name}'s {purpose} key {generation}"), key));
        }
    }
    secrets
}

/// The roots of this person, who has keys and [`PASSWORD`].
///
/// # Panics
/// When they have no keys.
pub fn roots(person: &Person) -> Vec<[u8; 32]> {
    let of = secrets(person)
        .into_iter()
        .filter(|(name, _)| name.contains("'s root "));
    of.map(|(_, root)| root.try_into().expect("a root is 32 bytes"))
        .collect()
}
