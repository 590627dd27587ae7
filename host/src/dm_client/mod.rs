//! A member's device for direct messages: what a program does with `neospace-dm` to talk over the server of this crate.
//! `neospace dm` is one; the tests' people have others.
//!
//! A [`Device`] has the member's keys, the key log as far as it was read, the notebook, and what it sealed and doesn't know to
//! be stored yet. It asks the server through a function that it is given, and believes nothing of the answers but their
//! order. It refuses to send while there is an alarm about keys, and to seal a message a second time before it has seen what
//! stands in its place. `docs/direct-messages.md` is the protocol.

pub mod account;
mod conversation;
pub mod folder;
pub mod wire;

use std::collections::BTreeMap;

use neospace_dm::{
    Alarm, Bytes32, Name, b64, file,
    keys::{self, Identity, Keyring, Kind, RecoveryCode, Root},
    log::{Holds, Log},
    message::{self, FileRef},
    notebook::{Notebook, Pin},
    safety, sha256,
    thread::Notice,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub use conversation::{Conversation, Listed, now};

use crate::crypto::AuthKey;

/// What a device asks the server for.
pub struct Request {
    pub method: &'static str,
    /// With its query.
    pub path: String,
    pub body: Content,
}

/// What goes with a request.
pub enum Content {
    Nothing,
    Json(Value),
    Bytes(Vec<u8>),
}

/// What the server answers.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// How a device reaches the server as this member; an error says why it doesn't.
pub type Ask = Box<dyn Fn(Request) -> Result<Answer, String> + Send>;

/// Why something didn't work. `Display` is a sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Something is not as it must be, and nothing was done.
    #[error("{0}")]
    Alarm(#[from] Alarm),
    /// A conversation's alarms, for whose sake nothing is sent.
    #[error("Nothing was sent. {}", .0.iter().map(Notice::to_string).collect::<Vec<_>>().join(" "))]
    Stopped(Vec<Notice>),
    /// The server said no.
    #[error("{message}")]
    Refused {
        status: u16,
        /// The word of the protocol.
        code: String,
        /// The server's sentence.
        message: String,
    },
    /// There is no server there, or it doesn't answer.
    #[error("The server could not be reached: {0}.")]
    Unreachable(String),
    /// The server's answer isn't one.
    #[error("The server's answer cannot be understood: {0}.")]
    Nonsense(&'static str),
    /// This can't be sent.
    #[error("{0}")]
    Unsendable(#[from] message::Refused),
    /// What was asked for can't be had.
    #[error("{0}")]
    Wrong(String),
}

impl Trouble {
    /// The alarms in it.
    pub fn alarms(&self) -> Vec<Alarm> {
        match self {
            Trouble::Alarm(alarm) => vec![*alarm],
            Trouble::Stopped(notices) => notices.iter().map(|notice| notice.alarm).collect(),
            _ => Vec::new(),
        }
    }
}

/// What a device keeps from one time to the next. It has the member's roots in it: whoever reads it reads everything.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kept {
    /// Whose device it is.
    pub name: Name,
    #[serde(with = "roots")]
    roots: Vec<Root>,
    /// The key log's entries, as they were read.
    #[serde(with = "entries")]
    log: Vec<Vec<u8>>,
    notebook: Notebook,
    /// What the server was given last, and as which version.
    stored: Notebook,
    version: u64,
    #[serde(with = "b64")]
    sealed: Bytes32,
    /// What was sealed and isn't acknowledged.
    outbox: BTreeMap<Name, Outgoing>,
}

/// A message on its way.
#[derive(Clone, Serialize, Deserialize)]
struct Outgoing {
    #[serde(with = "b64")]
    header: Vec<u8>,
    #[serde(with = "b64")]
    recipient: Vec<u8>,
    #[serde(with = "b64")]
    sender: Vec<u8>,
    files: Vec<String>,
}

mod roots {
    use super::{Root, Zeroizing, b64};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(roots: &[Root], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(roots.iter().map(|root| Zeroizing::new(b64::encode(root.reveal()))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Root>, D::Error> {
        let texts = Vec::<Zeroizing<String>>::deserialize(deserializer)?;
        let roots = texts.iter().map(|text| b64::decode::<[u8; 32]>(text).map(Root::from));
        roots
            .collect::<Option<_>>()
            .ok_or_else(|| D::Error::custom("expected roots"))
    }
}

mod entries {
    use super::b64;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(entries: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(entries.iter().map(b64::encode))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let entries = texts.iter().map(|text| b64::decode(text));
        entries
            .collect::<Option<_>>()
            .ok_or_else(|| D::Error::custom("expected entries of the key log"))
    }
}

/// One device of a member.
pub struct Device {
    ask: Ask,
    kept: Kept,
    keys: Keyring,
    log: Log,
    /// What is wrong with the server's key log, as it was read last.
    log_alarm: Option<Alarm>,
    /// Whose conversations were shown differently to two devices.
    torn: Vec<Name>,
    /// Puts what is to be kept where it outlasts this program.
    keep: Keep,
}

/// How what a device keeps is stored; an error says why it isn't.
pub type Keep = Box<dyn Fn(&Kept) -> Result<(), String> + Send>;

/// What `GET /dm/keys` answers.
#[derive(Deserialize)]
struct OwnKeys {
    name: String,
    generation: u32,
    #[serde(default)]
    wrapped: Option<String>,
    #[serde(default)]
    recovery: bool,
    #[serde(default)]
    notebook: Option<String>,
    #[serde(default)]
    notebook_version: u64,
}

/// What `GET /keys` answers.
#[derive(Deserialize)]
struct LogPart {
    entries: Vec<String>,
    size: u64,
    #[serde(with = "b64")]
    head: Bytes32,
}

impl Device {
    /// A device that comes in for the first time, with the wrap key of the account's password. Makes the account's first
    /// keys where it has none.
    ///
    /// # Errors
    /// Alarms about keys, wrapped roots and notebook; what the server refuses.
    pub fn open(ask: Ask, name: &Name, wrap: &[u8; 32]) -> Result<Device, Trouble> {
        let own: OwnKeys = json(&ask, get("/dm/keys"))?;
        if own.name != **name {
            return Err(Trouble::Wrong(format!(
                "You are logged in as {}, not as {name}.",
                own.name
            )));
        }
        let mut entries = Vec::new();
        let mut log = Log::default();
        read_log(&ask, &mut log, &mut entries)?;
        if own.generation == 0 {
            return Device::first(ask, name, wrap, log, entries);
        }
        let newest = log.member(name)?.last().ok_or(Alarm::LogFork)?;
        let wrapped: Vec<u8> = own.wrapped.as_deref().and_then(b64::decode).ok_or(Alarm::Wrapped)?;
        let roots = keys::unwrap(wrap, Kind::Password, name, &newest.keys, &wrapped)?;
        Device::with_roots(ask, name, roots, (log, entries), &own)
    }

    /// A device with roots that were unwrapped.
    fn with_roots(
        ask: Ask,
        name: &Name,
        roots: Vec<Root>,
        (log, entries): (Log, Vec<Vec<u8>>),
        own: &OwnKeys,
    ) -> Result<Device, Trouble> {
        let keys = Keyring::derive(name, &roots).ok_or(Alarm::Wrapped)?;
        keys.check(log.member(name)?)?;
        let kept = Kept {
            name: name.clone(),
            roots,
            log: entries,
            notebook: Notebook::default(),
            stored: Notebook::default(),
            version: 0,
            sealed: Bytes32::default(),
            outbox: BTreeMap::new(),
        };
        let mut device = Device::of(ask, kept, keys, log);
        device.take_notebook(own)?;
        Ok(device)
    }

    /// Makes an account's first keys.
    fn first(ask: Ask, name: &Name, wrap: &[u8; 32], log: Log, entries: Vec<Vec<u8>>) -> Result<Device, Trouble> {
        if !log.member(name)?.is_empty() {
            return Err(Alarm::OwnKey.into());
        }
        let roots = vec![Root::fresh()];
        let keys = Keyring::derive(name, &roots).ok_or(Alarm::Wrapped)?;
        let notebook = Notebook {
            log: log.head(),
            ..Notebook::default()
        };
        let kept = Kept {
            name: name.clone(),
            roots,
            log: entries,
            stored: notebook.clone(),
            notebook,
            version: 0,
            sealed: Bytes32::default(),
            outbox: BTreeMap::new(),
        };
        let mut device = Device::of(ask, kept, keys, log);
        device.post_keys(wrap, None)?;
        Ok(device)
    }

    /// A device that was here before. Reads what is new of the log and the notebook.
    ///
    /// # Errors
    /// Alarms about the notebook; what the server refuses. Alarms about the log stop sending: see [`Device::alarm`].
    pub fn resume(ask: Ask, kept: Kept) -> Result<Device, Trouble> {
        let mut device = Device::offline(ask, kept)?;
        device.sync()?;
        let own: OwnKeys = json(&device.ask, get("/dm/keys"))?;
        if own.name != *device.kept.name {
            return Err(Trouble::Wrong(format!(
                "You are logged in as {}, not as {}.",
                own.name, device.kept.name
            )));
        }
        // Where another device made new keys, the notebook is sealed by those, and the log has said so.
        if own.generation <= device.keys.generation() {
            device.take_notebook(&own)?;
        }
        Ok(device)
    }

    /// A device as it was kept.
    fn offline(ask: Ask, kept: Kept) -> Result<Device, Trouble> {
        let unreadable = || Trouble::Wrong("What this device kept is damaged. Log out, and in again.".into());
        let keys = Keyring::derive(&kept.name, &kept.roots).ok_or_else(unreadable)?;
        let mut log = Log::default();
        for entry in &kept.log {
            log.append(entry).map_err(|_| unreadable())?;
        }
        Ok(Device::of(ask, kept, keys, log))
    }

    fn of(ask: Ask, kept: Kept, keys: Keyring, log: Log) -> Device {
        Device {
            ask,
            kept,
            keys,
            log,
            log_alarm: None,
            torn: Vec::new(),
            keep: Box::new(|_| Ok(())),
        }
    }

    /// Takes over what an earlier device of this member's in the same place hadn't sent yet, and holds what the server says
    /// against what that one knew.
    ///
    /// # Errors
    /// [`Alarm::Notebook`], [`Alarm::LogFork`]: the server has gone back behind it.
    pub fn take_over(&mut self, before: &Kept) -> Result<(), Trouble> {
        if before.name != self.kept.name {
            return Ok(());
        }
        let gone_back = self.kept.version < before.version
            || (self.kept.version == before.version && self.kept.sealed != before.sealed)
            || !self.kept.stored.includes(&before.stored);
        if gone_back {
            return Err(Alarm::Notebook.into());
        }
        if self.kept.log.get(..before.log.len()) != Some(&before.log[..]) {
            return Err(Alarm::LogFork.into());
        }
        self.kept.outbox = before.outbox.clone();
        Ok(())
    }

    /// What is to be kept of it.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Has this called with what is to be kept before anything is sent that must not be forgotten.
    pub fn keep_by(&mut self, keep: Keep) {
        self.keep = keep;
    }

    /// Whose it is.
    pub fn name(&self) -> &Name {
        &self.kept.name
    }

    /// The member's keys.
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The key log, as far as it was read.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What the member knows of others.
    pub fn notebook(&self) -> &Notebook {
        &self.kept.notebook
    }

    /// What stops all sending, if anything does: an alarm about the log, or about the member's own keys.
    pub fn alarm(&self) -> Option<Alarm> {
        let own = || {
            self.log
                .member(self.name())
                .and_then(|entries| self.keys.check(entries))
                .err()
        };
        self.log_alarm.or_else(own)
    }

    /// Reads what is new in the key log. What is wrong with it shows in [`Device::alarm`].
    ///
    /// # Errors
    /// What the server refuses.
    pub fn sync(&mut self) -> Result<(), Trouble> {
        let mut new = Vec::new();
        let read = read_log(&self.ask, &mut self.log, &mut new);
        self.kept.log.extend(new);
        self.log_alarm = match read {
            Ok(()) => None,
            Err(Trouble::Alarm(alarm)) => Some(alarm),
            Err(trouble) => return Err(trouble),
        };
        self.kept.notebook.log = self.log.head();
        Ok(())
    }

    // ── the notebook ─────────────────────────────────────────────────────────────────────────────

    /// Holds the server's notebook against what this device knows of it, and takes over what is new in it.
    fn take_notebook(&mut self, own: &OwnKeys) -> Result<(), Trouble> {
        let sealed: Vec<u8> = own.notebook.as_deref().and_then(b64::decode).ok_or(Alarm::Notebook)?;
        self.take_version(own.notebook_version, &sealed)
    }

    fn take_version(&mut self, version: u64, sealed: &[u8]) -> Result<(), Trouble> {
        let hash = sha256(&[sealed]);
        if version < self.kept.version || (version == self.kept.version && hash != self.kept.sealed) {
            return Err(Alarm::Notebook.into());
        }
        if version == self.kept.version {
            return Ok(());
        }
        let newer = Notebook::open(self.keys.newest(), self.name(), version, sealed)?;
        if !newer.includes(&self.kept.stored) {
            return Err(Alarm::Notebook.into());
        }
        match self.log.holds(&newer.log) {
            Holds::Yes => {}
            // Another device has read further, or else the server shows less than it had.
            Holds::NotYet => {
                self.sync()?;
                if self.log.holds(&newer.log) != Holds::Yes {
                    self.log_alarm = Some(Alarm::LogFork);
                }
            }
            Holds::No => self.log_alarm = Some(Alarm::LogFork),
        }
        self.torn.extend(self.kept.notebook.merge(newer.clone()));
        (self.kept.version, self.kept.sealed, self.kept.stored) = (version, hash, newer);
        Ok(())
    }

    /// Stores the notebook, where there is something new in it.
    ///
    /// # Errors
    /// [`Alarm::Notebook`] where the server has another one than it says; what it refuses.
    pub fn store_notebook(&mut self) -> Result<(), Trouble> {
        #[derive(Deserialize)]
        struct Newer {
            version: u64,
            notebook: Option<String>,
        }
        for _ in 0..8 {
            if self.kept.notebook == self.kept.stored {
                return Ok(());
            }
            let version = self.kept.version + 1;
            let sealed = self.sealed_notebook(version)?;
            let body = json!({ "version": version, "notebook": b64::encode(&sealed) });
            let answer = ask(&self.ask, put("/dm/notebook", body))?;
            if answer.status != 409 {
                accepted(&answer)?;
                self.kept.version = version;
                self.kept.sealed = sha256(&[&sealed]);
                self.kept.stored = self.kept.notebook.clone();
                return Ok(());
            }
            let newer: Newer =
                serde_json::from_slice(&answer.body).map_err(|_| Trouble::Nonsense("it names no newer notebook"))?;
            if newer.version <= self.kept.version {
                return Err(Alarm::Notebook.into());
            }
            let newer_sealed: Vec<u8> = newer.notebook.as_deref().and_then(b64::decode).ok_or(Alarm::Notebook)?;
            self.take_version(newer.version, &newer_sealed)?;
        }
        Err(Trouble::Wrong(
            "Another device stores the notebook all the time. Try again in a moment.".into(),
        ))
    }

    fn sealed_notebook(&self, version: u64) -> Result<Vec<u8>, Trouble> {
        let sealed = self.kept.notebook.seal(self.keys.newest(), self.name(), version);
        sealed.ok_or_else(|| Trouble::Wrong("The notebook is full: it has at most 1 MiB.".into()))
    }

    // ── keys ─────────────────────────────────────────────────────────────────────────────────────

    /// Makes new keys in place of those there are, and keeps the old ones for the history. `wrap` and `current` are the
    /// account's wrap and auth key. Drops the recovery code, which doesn't hold the new root.
    ///
    /// # Errors
    /// Alarms; what the server refuses.
    pub fn make_new_keys(&mut self, wrap: &[u8; 32], current: &AuthKey) -> Result<(), Trouble> {
        self.sync()?;
        self.alarm().map_or(Ok(()), Err)?;
        let old = self.kept.roots.clone();
        let mut roots = old.clone();
        roots.push(Root::fresh());
        let most = "An account has keys of at most 16 generations, and this one has.";
        self.keys = Keyring::derive(self.name(), &roots).ok_or_else(|| Trouble::Wrong(most.into()))?;
        self.kept.roots = roots;
        let posted = self.post_keys(wrap, Some(current));
        if matches!(posted, Err(Trouble::Refused { .. })) {
            self.keys = Keyring::derive(self.name(), &old).ok_or(Alarm::Wrapped)?;
            self.kept.roots = old;
        }
        posted
    }

    /// Puts this device's newest keys into the log, with the notebook that goes with them, and reads the log up to them.
    fn post_keys(&mut self, wrap: &[u8; 32], current: Option<&AuthKey>) -> Result<(), Trouble> {
        let (name, generation) = (self.name(), self.keys.generation());
        let newest = self.keys.newest();
        let wrapped = keys::wrap(wrap, Kind::Password, name, &self.kept.roots).ok_or(Alarm::Wrapped)?;
        let version = self.kept.version + 1;
        let sealed = self.sealed_notebook(version)?;
        let mut body = json!({
            "generation": generation,
            "identity": b64::encode(newest.keys.identity),
            "signing": b64::encode(newest.keys.signing),
            "signature": b64::encode(newest.sign(name, generation, &newest.keys)),
            "wrapped": b64::encode(wrapped),
            "notebook": b64::encode(&sealed),
            "notebook_version": version,
        });
        if let [.., before, _] = &self.kept.roots[..] {
            let signature = Identity::derive(before, name).sign(name, generation, &newest.keys);
            body["previous_signature"] = json!(b64::encode(signature));
        }
        if let Some(current) = current {
            body["current"] = json!(current);
        }
        accepted(&ask(&self.ask, post("/dm/keys", body))?)?;
        (self.kept.version, self.kept.sealed) = (version, sha256(&[&sealed]));
        self.kept.stored = self.kept.notebook.clone();
        self.sync()?;
        self.alarm().map_or(Ok(()), |alarm| Err(alarm.into()))
    }

    /// Stores the roots under a recovery code, in place of an earlier one. `current` is the account's auth key.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn set_recovery(&self, code: &RecoveryCode, current: &AuthKey) -> Result<(), Trouble> {
        let keys = code.keys(self.name());
        let wrapped = keys::wrap(&keys.wrap, Kind::Recovery, self.name(), &self.kept.roots).ok_or(Alarm::Wrapped)?;
        let body =
            json!({ "wrapped": b64::encode(wrapped), "auth": b64::encode(keys.auth.as_slice()), "current": current });
        accepted(&ask(&self.ask, post("/dm/recovery", body))?).map(|_| ())
    }

    /// Whether there is a recovery code.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn has_recovery(&self) -> Result<bool, Trouble> {
        json::<OwnKeys>(&self.ask, get("/dm/keys")).map(|own| own.recovery)
    }

    // ── trust ────────────────────────────────────────────────────────────────────────────────────

    /// The keys that are trusted for somebody: those that are pinned, or, at first use, the newest that the log has, which
    /// are pinned by this.
    ///
    /// # Errors
    /// [`Alarm::LogBroken`]; that they have none.
    pub fn pin(&mut self, peer: &Name) -> Result<Pin, Trouble> {
        if let Some(pin) = self.kept.notebook.peer(peer).pin {
            return Ok(pin);
        }
        let newest = self.log.member(peer)?.last();
        let newest = newest.ok_or_else(|| {
            Trouble::Wrong(format!(
                "{peer} has no keys yet: they make them when they first open direct messages."
            ))
        })?;
        let pin = Pin::of(newest, 0);
        self.kept.notebook.peer(peer).pin = Some(pin);
        Ok(pin)
    }

    /// Trusts somebody's newest keys from now on. What older keys seal after this is not believed.
    ///
    /// # Errors
    /// Alarms about the log; that they have no keys; what the server refuses.
    pub fn accept_key(&mut self, peer: &Name) -> Result<Pin, Trouble> {
        self.sync()?;
        self.alarm().map_or(Ok(()), Err)?;
        let conversation = self.load(peer)?;
        let after = self.look(&conversation)?.theirs.counter;
        let newest = self.log.member(peer)?.last().cloned();
        let newest = newest.ok_or_else(|| Trouble::Wrong(format!("{peer} has no keys.")))?;
        let before = self.kept.notebook.peer(peer).pin;
        let mut pin = Pin::of(&newest, after);
        pin.compared = before.is_some_and(|before| before.compared && before.keys == pin.keys);
        self.kept.notebook.peer(peer).pin = Some(pin);
        self.store_notebook()?;
        Ok(pin)
    }

    /// Notes that this member and another have compared their safety number, or takes that back.
    ///
    /// # Errors
    /// As [`Device::pin`]; what the server refuses.
    pub fn set_compared(&mut self, peer: &Name, compared: bool) -> Result<(), Trouble> {
        let pin = self.pin(peer)?;
        self.kept.notebook.peer(peer).pin = Some(Pin { compared, ..pin });
        self.store_notebook()
    }

    /// The safety number with somebody: sixty digits.
    ///
    /// # Errors
    /// As [`Device::pin`].
    pub fn safety_number(&mut self, peer: &Name) -> Result<String, Trouble> {
        let pin = self.pin(peer)?;
        Ok(safety::number(
            (self.name(), &self.keys.newest().keys),
            (peer, &pin.keys),
        ))
    }

    // ── files ────────────────────────────────────────────────────────────────────────────────────

    /// Seals a file and has the server keep it, for a message to name.
    ///
    /// # Errors
    /// That it is too large; what the server refuses.
    pub fn upload(&self, peer: &Name, name: &str, media_type: &str, bytes: Vec<u8>) -> Result<FileRef, Trouble> {
        #[derive(Deserialize)]
        struct Stored {
            id: String,
        }
        let size = bytes.len() as u64;
        if size > file::MAX_FILE_BYTES {
            return Err(message::Refused::Files.into());
        }
        let key = file::fresh_key();
        let request = Request {
            method: "POST",
            path: format!("/dm/{peer}/files"),
            body: Content::Bytes(file::seal(&key, bytes)),
        };
        let stored: Stored = json(&self.ask, request)?;
        Ok(FileRef {
            id: stored.id,
            key: *key,
            size,
            name: name.into(),
            media_type: media_type.into(),
            width: None,
            height: None,
        })
    }

    /// Fetches a file that a message names, and opens it.
    ///
    /// # Errors
    /// [`Alarm::Broken`]; what the server refuses.
    pub fn download(&self, peer: &Name, file: &FileRef) -> Result<Vec<u8>, Trouble> {
        let answer = ask(&self.ask, get(&format!("/dm/{peer}/files/{}", file.id)))?;
        Ok(file::open(&file.key, file.size, accepted(&answer)?)?)
    }
}

/// Reads the log from where it is known, and holds it against what the server says of it. What could be read is kept even
/// where that ends in an alarm.
fn read_log(asking: &Ask, log: &mut Log, entries: &mut Vec<Vec<u8>>) -> Result<(), Trouble> {
    loop {
        let known = log.head().size;
        let part: LogPart = json(asking, get(&format!("/keys?after={known}&limit=1000")))?;
        for entry in &part.entries {
            let entry: Vec<u8> = b64::decode(entry).ok_or(Alarm::LogBroken)?;
            log.append(&entry)?;
            entries.push(entry);
        }
        let head = log.head();
        if head.size == part.size && head.hash == part.head {
            return Ok(());
        }
        // It goes on as long as there is more; whatever else it is, it isn't the log that was known.
        if part.entries.is_empty() || head.size >= part.size {
            return Err(Alarm::LogFork.into());
        }
    }
}

pub(crate) fn get(path: &str) -> Request {
    Request {
        method: "GET",
        path: path.into(),
        body: Content::Nothing,
    }
}

pub(crate) fn post(path: &str, body: Value) -> Request {
    Request {
        method: "POST",
        path: path.into(),
        body: Content::Json(body),
    }
}

fn put(path: &str, body: Value) -> Request {
    Request {
        method: "PUT",
        ..post(path, body)
    }
}

pub(crate) fn ask(asking: &Ask, request: Request) -> Result<Answer, Trouble> {
    asking(request).map_err(Trouble::Unreachable)
}

/// The answer's body, where the server didn't refuse.
///
/// # Errors
/// [`Trouble::Refused`] with the server's own words.
pub(crate) fn accepted(answer: &Answer) -> Result<&[u8], Trouble> {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        detail: String,
    }
    if (200..300).contains(&answer.status) {
        return Ok(&answer.body);
    }
    let status = answer.status;
    let problem = serde_json::from_slice(&answer.body).unwrap_or_else(|_| Problem {
        code: String::new(),
        detail: format!("The server answered {status}, and not why."),
    });
    Err(Trouble::Refused {
        status,
        code: problem.code,
        message: printable(&problem.detail),
    })
}

/// Asks, and reads the answer's JSON.
pub(crate) fn json<T: for<'de> Deserialize<'de>>(asking: &Ask, request: Request) -> Result<T, Trouble> {
    let answer = ask(asking, request)?;
    serde_json::from_slice(accepted(&answer)?).map_err(|_| Trouble::Nonsense("it has another shape"))
}

/// A text without what a terminal would obey.
pub fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(plain).collect()
}
