//! Conversations: loading and checking them, and what a member does in one.

use neospace_dm::{
    Alarm, Bytes32, Name, b64,
    message::{self, Body, Position, Sealed, Whose},
    thread::{Item, Shown, Thread, Trust, View},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Device, Outgoing, Trouble, accepted, ask, get, json as answer_json, post};
use crate::app::now_ms;

/// How often a message is sealed anew because another device of the member was quicker.
const TRIES: usize = 8;

/// A conversation, as far as it was loaded.
pub struct Conversation {
    /// With whom.
    pub with: Name,
    /// What was loaded of it.
    pub thread: Thread,
    /// How far the member has read, and how far it goes, in the server's order.
    pub read_seq: u64,
    pub last_seq: u64,
    /// How the two stand, in the protocol's words.
    pub state: String,
}

/// A conversation in the list, as the server says.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    pub with: Name,
    pub last_seq: u64,
    pub read_seq: u64,
    /// When it was written to last, Unix time in milliseconds.
    pub at: u64,
    /// `open`, `request` (they ask), `asked` (the member does) or `new`.
    pub state: String,
    pub muted: bool,
    pub blocked: bool,
}

/// What `GET /dm/{user}/messages` answers.
#[derive(Deserialize)]
struct Part {
    messages: Vec<Value>,
    more: bool,
    read_seq: u64,
    last_seq: u64,
    state: String,
}

impl Conversation {
    /// Takes a message as it came, live.
    pub fn hear(&mut self, device: &Device, message: Value) {
        match serde_json::from_value::<Shown>(message) {
            Ok(shown) => self.thread.add(&device.keys, [shown]),
            Err(_) => self.thread.add_unreadable(),
        }
    }

    fn take(&mut self, device: &Device, part: Part) {
        let mut page = Vec::with_capacity(part.messages.len());
        for message in part.messages {
            match serde_json::from_value(message) {
                Ok(shown) => page.push(shown),
                Err(_) => self.thread.add_unreadable(),
            }
        }
        self.thread.add(&device.keys, page);
        (self.read_seq, self.last_seq, self.state) = (part.read_seq, part.last_seq, part.state);
    }
}

impl Device {
    /// All conversations, newest first.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn conversations(&self) -> Result<Vec<Listed>, Trouble> {
        #[derive(Deserialize)]
        struct List {
            conversations: Vec<Listed>,
            more: bool,
        }
        let mut all: Vec<Listed> = Vec::new();
        loop {
            let before = all.last().map_or(String::new(), |last| format!("?before={}", last.at));
            let list: List = answer_json(&self.ask, get(&format!("/dm{before}")))?;
            let known = all.len();
            for listed in list.conversations {
                if !all.iter().any(|other| other.with == listed.with) {
                    all.push(listed);
                }
            }
            if !list.more || all.len() == known {
                return Ok(all);
            }
        }
    }

    /// The newest part of a conversation.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn load(&self, peer: &Name) -> Result<Conversation, Trouble> {
        let part: Part = answer_json(&self.ask, get(&format!("/dm/{peer}/messages?limit=200")))?;
        let mut conversation = Conversation {
            with: peer.clone(),
            thread: Thread::new(self.name(), peer),
            read_seq: 0,
            last_seq: 0,
            state: String::new(),
        };
        conversation.thread.complete = !part.more;
        conversation.take(self, part);
        Ok(conversation)
    }

    /// Loads what is before what was loaded; answers whether there was anything.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn load_older(&self, conversation: &mut Conversation) -> Result<bool, Trouble> {
        let Some((first, _)) = conversation.thread.loaded().filter(|_| !conversation.thread.complete) else {
            return Ok(false);
        };
        let path = format!("/dm/{}/messages?before={first}&limit=200", conversation.with);
        let part: Part = answer_json(&self.ask, get(&path))?;
        conversation.thread.complete = !part.more;
        conversation.take(self, part);
        // A server that says there is more and shows none has no more to show.
        if conversation.thread.loaded().is_none_or(|(now, _)| now >= first) {
            conversation.thread.complete = true;
        }
        Ok(true)
    }

    /// Loads what came after what was loaded.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn load_newer(&self, conversation: &mut Conversation) -> Result<(), Trouble> {
        loop {
            let last = conversation.thread.loaded().map_or(0, |(_, last)| last);
            let path = format!("/dm/{}/messages?after={last}&limit=200", conversation.with);
            let part: Part = answer_json(&self.ask, get(&path))?;
            let more = part.more;
            conversation.take(self, part);
            if !more || conversation.thread.loaded().is_none_or(|(_, now)| now <= last) {
                return Ok(());
            }
        }
    }

    /// Loads a whole conversation.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn load_all(&self, peer: &Name) -> Result<Conversation, Trouble> {
        let mut conversation = self.load(peer)?;
        while self.load_older(&mut conversation)? {}
        Ok(conversation)
    }

    /// A conversation as it may be shown, with every alarm. Reads more of the key log where a message names more, pins
    /// the other's keys at first use, and notes how far everything was seen; [`Device::store_notebook`] tells the member's
    /// other devices.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn look(&mut self, conversation: &Conversation) -> Result<View, Trouble> {
        let peer = &conversation.with;
        if conversation.thread.has_opened() && self.kept.notebook.peer(peer).pin.is_none() {
            if self.log.member(peer).is_ok_and(<[_]>::is_empty) {
                self.sync()?;
            }
            // Where there is nothing to pin, the view says so. What an earlier key sealed before this holds.
            if self.pin(peer).is_ok_and(|pin| pin.generation > 1) {
                let after = self.see(conversation, false).theirs.counter;
                if let Some(pin) = &mut self.kept.notebook.peer(peer).pin {
                    pin.after = after;
                }
            }
        }
        let mut view = self.see(conversation, false);
        if view.log_behind {
            self.sync()?;
            view = self.see(conversation, true);
        }
        if let Some(alarm) = self.alarm() {
            view.alarm(alarm);
        }
        if self.torn.contains(peer) {
            view.alarm(Alarm::Reordered);
        }
        let page = self.kept.notebook.peer(peer);
        for (known, seen) in [(&mut page.mine, view.mine), (&mut page.theirs, view.theirs)] {
            if seen.counter > known.counter {
                *known = seen;
            }
        }
        Ok(view)
    }

    fn see(&mut self, conversation: &Conversation, log_is_current: bool) -> View {
        let peer = self.kept.notebook.peer(&conversation.with).clone();
        conversation.thread.view(&Trust {
            keys: &self.keys,
            log: &self.log,
            log_is_current,
            peer: &peer,
        })
    }

    /// Loads a conversation's newest part, and looks at it.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn read(&mut self, peer: &Name) -> Result<(Conversation, View), Trouble> {
        let conversation = self.load(peer)?;
        let view = self.look(&conversation)?;
        Ok((conversation, view))
    }

    /// Says something to somebody: a text, an answer, files that were [uploaded](Device::upload).
    ///
    /// # Errors
    /// [`Trouble::Stopped`] by alarms about keys; what can't be sent; what the server refuses. Where the server couldn't be
    /// reached, the message waits, and goes before the next.
    pub fn send(&mut self, peer: &Name, body: &Body) -> Result<Position, Trouble> {
        // What can't be sent isn't, whatever the server says.
        body.encode()?;
        self.sync()?;
        let (mut conversation, mut view) = self.read(peer)?;
        if self.kept.outbox.contains_key(peer) {
            self.deliver(peer, &mut conversation)?;
            view = self.look(&conversation)?;
        }
        for _ in 0..TRIES {
            if view.stopped().is_some() {
                view.notices.retain(|notice| notice.alarm.stops());
                return Err(Trouble::Stopped(view.notices));
            }
            let pin = self.pin(peer)?;
            let envelope = message::Envelope {
                from: self.name(),
                to: peer,
                keys: self.keys.newest(),
                recipient: pin.keys.identity,
                previous: view.mine,
                seen: view.theirs,
                log: self.log.head(),
            };
            let sealed = message::seal(&envelope, body)?;
            let files = match body {
                Body::Text { files, .. } => files.iter().map(|file| file.id.clone()).collect(),
                _ => Vec::new(),
            };
            let outgoing = Outgoing {
                header: sealed.header,
                recipient: sealed.recipient,
                sender: sealed.sender,
                files,
            };
            self.kept.outbox.insert(peer.clone(), outgoing);
            // It may be stored and the answer lost: what it was must be known then.
            (self.keep)(&self.kept).map_err(Trouble::Wrong)?;
            if let Some(position) = self.deliver(peer, &mut conversation)? {
                self.store_notebook()?;
                return Ok(position);
            }
            view = self.look(&conversation)?;
        }
        Err(Trouble::Wrong(
            "Another of your devices writes to them all the time. Try again in a moment.".into(),
        ))
    }

    /// Whether something that was sealed for somebody waits to be stored.
    pub fn waits(&self, peer: &Name) -> bool {
        self.kept.outbox.contains_key(peer)
    }

    /// Sends what waits for somebody, the same bytes each time. Answers where it stands, or nothing where another device's
    /// message took its place, so that it has to be sealed anew.
    ///
    /// # Errors
    /// What the server refuses, after which it waits no longer; that it can't be reached.
    fn deliver(&mut self, peer: &Name, conversation: &mut Conversation) -> Result<Option<Position>, Trouble> {
        let Some(outgoing) = self.kept.outbox.get(peer).cloned() else {
            return Ok(None);
        };
        let sealed = Sealed {
            header: outgoing.header,
            recipient: outgoing.recipient,
            sender: outgoing.sender,
        };
        let position = sealed.position();
        let body = json!({
            "header": b64::encode(&sealed.header),
            "recipient": b64::encode(&sealed.recipient),
            "sender": b64::encode(&sealed.sender),
            "files": outgoing.files,
        });
        let answer = ask(&self.ask, post(&format!("/dm/{peer}/messages"), body))?;
        match accepted(&answer) {
            Ok(shown) => {
                // Its place in the order is the server's word; what it is, is ours.
                if let Ok(shown) = serde_json::from_slice::<Shown>(shown)
                    && shown.header == sealed.header
                {
                    conversation.thread.add(&self.keys, [shown]);
                }
            }
            Err(Trouble::Refused { status, code, .. }) if status == 409 && code == "counter_taken" => {
                *conversation = self.load(peer)?;
                match conversation.thread.own_header(position.counter) {
                    Some(header) if *header == *sealed.header => {}
                    Some(_) => {
                        self.kept.outbox.remove(peer);
                        return Ok(None);
                    }
                    None => return Err(Alarm::Missing.into()),
                }
            }
            Err(trouble) => {
                if matches!(trouble, Trouble::Refused { status: 400..500, .. }) {
                    self.kept.outbox.remove(peer);
                }
                return Err(trouble);
            }
        }
        self.kept.outbox.remove(peer);
        self.kept.notebook.peer(peer).mine = position;
        Ok(Some(position))
    }

    /// Says a text.
    ///
    /// # Errors
    /// As [`Device::send`].
    pub fn say(&mut self, peer: &Name, text: &str) -> Result<Position, Trouble> {
        let body = Body::Text {
            at: now(),
            text: text.into(),
            reply: None,
            files: Vec::new(),
        };
        self.send(peer, &body)
    }

    /// Lets one's own message say something else.
    ///
    /// # Errors
    /// As [`Device::send`].
    pub fn edit(&mut self, peer: &Name, counter: u64, text: &str) -> Result<Position, Trouble> {
        let body = Body::Edit {
            at: now(),
            target: counter,
            text: text.into(),
        };
        self.send(peer, &body)
    }

    /// Removes one's own message and all its edits for both: says so to the other, and has the server drop the copies.
    ///
    /// # Errors
    /// As [`Device::send`].
    pub fn remove(&mut self, peer: &Name, item: &Item) -> Result<(), Trouble> {
        // What one removal can't name goes into the next: the message itself is in each of them.
        let mut edits = item.edits.chunks(message::MAX_TARGETS - 1);
        let first = edits.next().unwrap_or_default();
        for edits in std::iter::once(first).chain(edits) {
            let mut targets = vec![item.counter];
            targets.extend(edits.iter().map(|(counter, _)| counter));
            self.send(peer, &Body::Delete { at: now(), targets })?;
        }
        let ids = std::iter::once(item.id).chain(item.edits.iter().map(|(_, id)| *id));
        let messages: Vec<Value> = ids.map(|id| json!({ "id": id })).collect();
        let body = json!({ "messages": messages, "scope": "both" });
        accepted(&ask(&self.ask, post(&format!("/dm/{peer}/messages/delete"), body))?).map(|_| ())
    }

    /// Hides messages from oneself, on all devices.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn hide(&self, peer: &Name, item: &Item) -> Result<(), Trouble> {
        let tag: Bytes32 = self.keys.newest().hiding_tag(&item.hash);
        let body = json!({ "messages": [{ "id": item.id, "tag": b64::encode(tag) }], "scope": "me" });
        accepted(&ask(&self.ask, post(&format!("/dm/{peer}/messages/delete"), body))?).map(|_| ())
    }

    /// Reveals one of their messages to the operator.
    ///
    /// # Errors
    /// That there is no such message, or it couldn't be opened; what the server refuses.
    pub fn report(&self, conversation: &Conversation, item: &Item, reason: &str) -> Result<(), Trouble> {
        let proof = conversation
            .thread
            .proof(item.counter)
            .filter(|_| item.whose == Whose::Theirs);
        let (body, key) =
            proof.ok_or_else(|| Trouble::Wrong("Only their messages, and those that open, can be reported.".into()))?;
        let body = json!({ "id": item.id, "body": b64::encode(body), "key": b64::encode(key), "reason": reason });
        accepted(&ask(
            &self.ask,
            post(&format!("/dm/{}/report", conversation.with), body),
        )?)
        .map(|_| ())
    }

    /// Marks a conversation as read up to a place in the server's order.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn mark_read(&self, peer: &Name, seq: u64) -> Result<(), Trouble> {
        accepted(&ask(
            &self.ask,
            post(&format!("/dm/{peer}/read"), json!({ "seq": seq })),
        )?)
        .map(|_| ())
    }

    /// `accept`, `decline`, `block`, `unblock`, `mute`, `unmute`.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn measure(&self, peer: &Name, measure: &str) -> Result<(), Trouble> {
        accepted(&ask(&self.ask, post(&format!("/dm/{peer}/{measure}"), json!({})))?).map(|_| ())
    }
}

/// Unix time in milliseconds.
pub fn now() -> u64 {
    now_ms().unsigned_abs()
}
