//! The checker: a conversation as one member may believe it. It is fed what the server shows, in any pieces, and
//! answers what was said and every [`Alarm`] there is reason for. What it answers depends on what it was fed and on
//! nothing else: not on the order in which pages were loaded, nor on what was asked before.
//!
//! It refuses to show what it couldn't check, and to believe the server's word about anything but its order, which it
//! holds against the counters.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{
    Alarm, Bytes32, Name, b64,
    keys::{Identity, Keyring},
    log::{Holds, Log},
    message::{self, Body, Copy, FileRef, Header, Opened, Position, Reply, Whose},
    notebook::Peer,
    sha256,
};

/// A message as the server shows it: `M` of the protocol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// The server's number for it.
    pub id: u64,
    /// Its place in the server's order.
    pub seq: u64,
    /// When the server stored it, Unix time in milliseconds.
    pub at: u64,
    /// Who sent it, says the server.
    pub from: Name,
    /// [`Header::encode`].
    #[serde(with = "b64")]
    pub header: Vec<u8>,
    /// The copy that is sealed to who asks.
    #[serde(default, with = "b64::option")]
    pub copy: Option<Vec<u8>>,
    /// SHA-256 of the other copy.
    #[serde(with = "b64")]
    pub other: Bytes32,
    /// SHA-256 of `copy`, where that is no longer there.
    #[serde(default, with = "b64::option")]
    pub own: Option<Bytes32>,
    /// The tag by which who asks hid it from themselves: [`Identity::hiding_tag`].
    #[serde(default, with = "b64::option")]
    pub hidden: Option<Bytes32>,
    /// That its sender removed it for both.
    #[serde(default)]
    pub removed: bool,
}

/// A conversation, as far as it was loaded.
pub struct Thread {
    me: Name,
    peer: Name,
    messages: BTreeMap<u64, Message>,
    notices: BTreeSet<Notice>,
    /// That everything from the first message on was loaded.
    pub complete: bool,
}

/// What was found out about a message by itself.
struct Message {
    shown: Shown,
    whose: Whose,
    header: Header,
    hash: Bytes32,
    content: Content,
    /// That the member hid it.
    hidden: bool,
}

enum Content {
    Opened(Opened),
    Bad(Alarm),
    /// There is no copy.
    Gone,
}

/// What the member knows apart from the conversation.
pub struct Trust<'a> {
    /// The member's keys.
    pub keys: &'a Keyring,
    /// The key log.
    pub log: &'a Log,
    /// That the log was read to its end after the newest message came: a message that names more of it is an alarm.
    pub log_is_current: bool,
    /// The notebook's page about the other side.
    pub peer: &'a Peer,
}

/// A conversation as it may be shown.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// What was said, in order.
    pub items: Vec<Item>,
    /// What is wrong with it.
    pub notices: Vec<Notice>,
    /// The newest message of one's own stream: the next one follows it.
    pub mine: Position,
    /// The newest message of theirs.
    pub theirs: Position,
    /// That a message names more of the key log than is known: read it, and look again.
    pub log_behind: bool,
}

impl View {
    /// Adds an alarm that isn't about one message.
    pub fn alarm(&mut self, alarm: Alarm) {
        let notice = Notice { alarm, place: None };
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// The first reason why nothing may be sent, if there is one.
    pub fn stopped(&self) -> Option<Alarm> {
        self.notices
            .iter()
            .map(|notice| notice.alarm)
            .find(|alarm| alarm.stops())
    }
}

/// An alarm, and which messages it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Notice {
    /// What happened.
    pub alarm: Alarm,
    /// Where: whose stream, and the first and last counter. Nothing where it can't be said, or it is about keys.
    pub place: Option<(Whose, u64, u64)>,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.alarm.fmt(f)?;
        let Some((whose, first, last)) = self.place else {
            return Ok(());
        };
        let whose = match whose {
            Whose::Mine => "your",
            Whose::Theirs => "their",
        };
        if first == last {
            write!(f, " ({whose} message {first})")
        } else {
            write!(f, " ({whose} messages {first} to {last})")
        }
    }
}

/// One message as it is shown.
#[derive(Clone, Debug)]
pub struct Item {
    /// Whose it is.
    pub whose: Whose,
    /// Its place in that stream; 0 where its header can't be read.
    pub counter: u64,
    /// The server's number for it.
    pub id: u64,
    /// Its place in the server's order.
    pub seq: u64,
    /// When the server stored it, Unix time in milliseconds.
    pub at: u64,
    /// [`message::hash`] of it: what hides it is a tag over this.
    pub hash: Bytes32,
    /// The edits of it that still stand, by counter and the server's number: who removes it removes them too.
    pub edits: Vec<(u64, u64)>,
    /// What it says.
    pub says: Says,
}

/// What a message says.
#[derive(Clone, Debug)]
pub enum Says {
    /// Words, files.
    Text {
        /// The text as it is now.
        text: String,
        /// The texts before it, the oldest first, each with the time from which it held.
        history: Vec<(u64, String)>,
        /// When the sender says that this text is from, Unix time in milliseconds.
        at: u64,
        /// What it answers.
        reply: Option<Reply>,
        /// What it brings.
        files: Vec<FileRef>,
    },
    /// Its sender removed it for both.
    Removed,
    /// The member who looks deleted it for themselves.
    Hidden,
    /// Something that came after this program.
    Unknown,
    /// Nothing that may be shown.
    Nothing(Alarm),
}

impl Thread {
    /// What `me` and `peer` say to each other; nothing of it is loaded.
    pub fn new(me: &Name, peer: &Name) -> Thread {
        Thread {
            me: me.clone(),
            peer: peer.clone(),
            messages: BTreeMap::new(),
            notices: BTreeSet::new(),
            complete: false,
        }
    }

    /// Takes messages as the server shows them: a page of them, in the order in which they came, or one that comes
    /// live. A message that was taken before may come again as what it is now: without its copy, when it was deleted.
    pub fn add(&mut self, keys: &Keyring, page: impl IntoIterator<Item = Shown>) {
        let mut last = None;
        for shown in page {
            let alarm = match last.map(|last| shown.seq.cmp(&last)) {
                Some(Ordering::Less) => Some(Alarm::Reordered),
                Some(Ordering::Equal) => Some(Alarm::Repeated),
                Some(Ordering::Greater) | None => None,
            };
            self.notices.extend(alarm.map(|alarm| Notice { alarm, place: None }));
            last = Some(shown.seq);
            self.take(keys, shown);
        }
    }

    /// Takes note of something that isn't even a message.
    pub fn add_unreadable(&mut self) {
        self.notices.insert(Notice {
            alarm: Alarm::Broken,
            place: None,
        });
    }

    fn take(&mut self, keys: &Keyring, shown: Shown) {
        let known = self.messages.get(&shown.seq);
        if known.is_some_and(|known| known.shown.id != shown.id || known.shown.header != shown.header) {
            self.notices.insert(Notice {
                alarm: Alarm::Repeated,
                place: None,
            });
            return;
        }
        match self.read(keys, &shown) {
            Ok(message) => {
                self.messages.insert(shown.seq, message);
            }
            Err(alarm) => {
                let whose = if shown.from == self.me {
                    Whose::Mine
                } else {
                    Whose::Theirs
                };
                let bad = Message {
                    whose,
                    header: NO_HEADER,
                    hash: Bytes32::default(),
                    content: Content::Bad(alarm),
                    hidden: false,
                    shown,
                };
                self.messages.insert(bad.shown.seq, bad);
            }
        }
    }

    /// Looks at a message by itself. What fails here has no place in a stream.
    fn read(&self, keys: &Keyring, shown: &Shown) -> Result<Message, Alarm> {
        let header = Header::decode(&shown.header)?;
        let whose = match &shown.from {
            from if *from == self.me => Whose::Mine,
            from if *from == self.peer => Whose::Theirs,
            _ => return Err(Alarm::Broken),
        };
        let (from, to) = match whose {
            Whose::Mine => (&self.me, &self.peer),
            Whose::Theirs => (&self.peer, &self.me),
        };
        let fits =
            header.conversation == message::conversation_id(from, to) && header.sender == message::side(from, to);
        let own = match &shown.copy {
            Some(copy) => Some(sha256(&[copy])),
            None => shown.own,
        };
        let own = own.filter(|_| fits).ok_or(Alarm::Broken)?;
        // The copy that is mine is the sender's where I sent.
        let (hash, key, copy) = match whose {
            Whose::Mine => (
                message::hash(&shown.header, &shown.other, &own),
                &header.sender_identity,
                Copy::Sender,
            ),
            Whose::Theirs => (
                message::hash(&shown.header, &own, &shown.other),
                &header.recipient_identity,
                Copy::Recipient,
            ),
        };
        let open = |key: &Identity, sealed: &[u8]| message::open(&shown.header, copy, (from, to), key, sealed);
        let content = match (&shown.copy, keys.find(key)) {
            (None, _) => Content::Gone,
            (Some(_), None) => Content::Bad(Alarm::Broken),
            (Some(sealed), Some(key)) => open(key, sealed).map_or_else(Content::Bad, Content::Opened),
        };
        Ok(Message {
            hidden: shown.hidden.is_some_and(|tag| keys.hides(&hash, &tag)),
            shown: shown.clone(),
            whose,
            header,
            hash,
            content,
        })
    }

    /// The first and last place in the server's order that was loaded.
    pub fn loaded(&self) -> Option<(u64, u64)> {
        let (first, _) = self.messages.first_key_value()?;
        let (last, _) = self.messages.last_key_value()?;
        Some((*first, *last))
    }

    /// Whether anything in it could be opened: the moment of first use.
    pub fn has_opened(&self) -> bool {
        let mut messages = self.messages.values();
        messages.any(|message| matches!(message.content, Content::Opened(_)))
    }

    /// The header that stands at a counter of one's own stream, which tells whether that is what one sent.
    pub fn own_header(&self, counter: u64) -> Option<&[u8]> {
        let mut messages = self.messages.values();
        let own = messages.find(|message| message.whose == Whose::Mine && message.header.counter == counter)?;
        Some(&own.shown.header)
    }

    /// The proof for a report of their message `counter`: its body and franking key.
    pub fn proof(&self, counter: u64) -> Option<(&[u8], &[u8; 32])> {
        let theirs = |message: &&Message| message.whose == Whose::Theirs && message.header.counter == counter;
        match &self.messages.values().find(theirs)?.content {
            Content::Opened(opened) => Some((&opened.json, &opened.franking)),
            _ => None,
        }
    }

    /// The conversation as it may be shown, given what else is known.
    pub fn view(&self, trust: &Trust<'_>) -> View {
        let mut check = Check {
            thread: self,
            trust,
            streams: [BTreeMap::new(), BTreeMap::new()],
            withheld: BTreeMap::new(),
            notices: self.notices.clone(),
            log_behind: false,
        };
        check.keys();
        check.places();
        for whose in [Whose::Mine, Whose::Theirs] {
            check.stream(whose);
            check.seen(whose);
        }
        let items = check.items();
        View {
            items,
            mine: check.newest(Whose::Mine),
            theirs: check.newest(Whose::Theirs),
            notices: check.notices.into_iter().collect(),
            log_behind: check.log_behind,
        }
    }
}

/// Stands where a header couldn't be read: its counter is no message's.
const NO_HEADER: Header = Header {
    conversation: [0; 16],
    sender: 0,
    counter: 0,
    previous: [0; 32],
    seen: Position {
        counter: 0,
        hash: [0; 32],
    },
    log: crate::log::Head { size: 0, hash: [0; 32] },
    sender_identity: [0; 32],
    recipient_identity: [0; 32],
    commitment: [0; 32],
};

/// One look at a thread.
struct Check<'a> {
    thread: &'a Thread,
    trust: &'a Trust<'a>,
    /// Mine and theirs, by counter.
    streams: [BTreeMap<u64, &'a Message>; 2],
    /// Theirs that opened, but by keys that don't hold: nothing in them counts.
    withheld: BTreeMap<u64, Alarm>,
    notices: BTreeSet<Notice>,
    log_behind: bool,
}

impl<'a> Check<'a> {
    fn say(&mut self, alarm: Alarm, place: Option<(Whose, u64, u64)>) {
        self.notices.insert(Notice { alarm, place });
    }

    /// What the key log says of the two, against their keys and pins.
    fn keys(&mut self) {
        let Trust { keys, log, peer, .. } = *self.trust;
        let own = log.member(&self.thread.me).and_then(|entries| keys.check(entries));
        if let Err(alarm) = own {
            self.say(alarm, None);
        }
        match (log.member(&self.thread.peer), peer.pin) {
            (Err(alarm), _) => self.say(alarm, None),
            (Ok(entries), Some(pin)) => {
                if entries.last().is_none_or(|newest| newest.keys != pin.keys) {
                    self.say(Alarm::KeyChanged, None);
                }
            }
            (Ok(_), None) => {}
        }
    }

    /// Puts every message in its place; of two in one place, the first that the server shows. What opens comes before what
    /// doesn't: a header that nobody sealed takes nobody's place.
    fn places(&mut self) {
        let (opened, others): (Vec<_>, Vec<_>) = self
            .thread
            .messages
            .values()
            .partition(|message| matches!(message.content, Content::Opened(_)));
        for message in opened.into_iter().chain(others) {
            let counter = message.header.counter;
            if counter == 0 {
                let Content::Bad(alarm) = message.content else { continue };
                self.say(alarm, None);
                continue;
            }
            let at = Some((message.whose, counter, counter));
            if self.streams[message.whose as usize].contains_key(&counter) {
                let alarm = match message.content {
                    Content::Bad(alarm) => alarm,
                    Content::Opened(_) | Content::Gone => Alarm::Repeated,
                };
                self.say(alarm, at);
                continue;
            }
            self.streams[message.whose as usize].insert(counter, message);
            match &message.content {
                Content::Bad(alarm) => self.say(*alarm, at),
                Content::Gone => {}
                Content::Opened(_) => {
                    match self.trust.log.holds(&message.header.log) {
                        Holds::Yes => {}
                        Holds::NotYet if !self.trust.log_is_current => self.log_behind = true,
                        Holds::NotYet | Holds::No => self.say(Alarm::LogFork, at),
                    }
                    if let Err(alarm) = self.accept(message) {
                        self.say(alarm, at);
                        if message.whose == Whose::Theirs {
                            self.withheld.insert(counter, alarm);
                        }
                    }
                }
            }
        }
    }

    /// Whether both identity keys of a header are those that hold: each the newest of its name in the log as the sender
    /// knew it, and the other side's the pinned one, or one before it in a message from before it was accepted.
    fn accept(&self, message: &Message) -> Result<(), Alarm> {
        let Header { log, counter, .. } = message.header;
        let (own, other) = match message.whose {
            Whose::Mine => (message.header.sender_identity, message.header.recipient_identity),
            Whose::Theirs => (message.header.recipient_identity, message.header.sender_identity),
        };
        let newest = |name: &Name| {
            let entries = self.trust.log.member(name).unwrap_or_default();
            entries.iter().rev().find(|entry| entry.index <= log.size)
        };
        let (Some(ours), Some(theirs)) = (newest(&self.thread.me), newest(&self.thread.peer)) else {
            return Err(Alarm::KeyChanged);
        };
        let pin = self.trust.peer.pin.ok_or(Alarm::KeyChanged)?;
        let earlier = theirs.generation < pin.generation && (message.whose == Whose::Mine || counter <= pin.after);
        if theirs.keys.identity != other || !(pin.keys == theirs.keys || earlier) {
            return Err(Alarm::KeyChanged);
        }
        if ours.keys.identity != own {
            return Err(Alarm::Broken);
        }
        Ok(())
    }

    /// Counters, hashes and order of one stream, and what the notebook knows of it.
    fn stream(&mut self, whose: Whose) {
        let stream = std::mem::take(&mut self.streams[whose as usize]);
        let mut before: Option<&Message> = None;
        let mut had = (0, 0);
        for (&counter, &message) in &stream {
            let expected = before.map(|before| before.header.counter + 1);
            let expected = expected.or(self.thread.complete.then_some(1)).unwrap_or(counter);
            if expected < counter {
                self.say(Alarm::Missing, Some((whose, expected, counter - 1)));
            }
            if let Some(before) = before {
                let follows = counter > expected || message.header.previous == before.hash;
                if !follows || message.shown.seq < before.shown.seq {
                    self.say(Alarm::Reordered, Some((whose, counter, counter)));
                }
            }
            before = Some(message);
            // What its sender had of the log and of the other stream grows, in whatever opened.
            if let Content::Opened(_) = message.content {
                let Header { log, seen, .. } = message.header;
                if log.size < had.0 {
                    self.say(Alarm::LogFork, Some((whose, counter, counter)));
                }
                if seen.counter < had.1 {
                    self.say(Alarm::Reordered, Some((whose, counter, counter)));
                }
                had = (had.0.max(log.size), had.1.max(seen.counter));
            }
        }
        let known = self.known(whose);
        match stream.get(&known.counter) {
            Some(message) if message.hash != known.hash => {
                self.say(Alarm::Reordered, Some((whose, known.counter, known.counter)));
            }
            _ => {
                let newest = stream.keys().next_back().copied();
                let newest = newest.or(self.thread.complete.then_some(0)).unwrap_or(known.counter);
                if newest < known.counter {
                    self.say(Alarm::Missing, Some((whose, newest + 1, known.counter)));
                }
            }
        }
        self.streams[whose as usize] = stream;
    }

    /// What the notebook knows of a stream.
    fn known(&self, whose: Whose) -> Position {
        match whose {
            Whose::Mine => self.trust.peer.mine,
            Whose::Theirs => self.trust.peer.theirs,
        }
    }

    /// That what each message of a stream says to have seen is there, and came before it.
    fn seen(&mut self, whose: Whose) {
        let (other, others) = match whose {
            Whose::Mine => (Whose::Theirs, &self.streams[1]),
            Whose::Theirs => (Whose::Mine, &self.streams[0]),
        };
        let mut found = Vec::new();
        let newest = others.keys().next_back().copied();
        let newest = newest.or(self.thread.complete.then_some(0));
        for message in self.streams[whose as usize].values() {
            let seen = message.header.seen;
            // Only what opened is its sender's word.
            if !matches!(message.content, Content::Opened(_)) || seen.counter == 0 {
                continue;
            }
            let place = Some((other, seen.counter, seen.counter));
            match others.get(&seen.counter) {
                Some(message) if message.hash != seen.hash => found.push((Alarm::Missing, place)),
                Some(earlier) if earlier.shown.seq > message.shown.seq => found.push((Alarm::Reordered, place)),
                Some(_) => {}
                None if newest.is_some_and(|newest| newest < seen.counter) => found.push((Alarm::Missing, place)),
                None => {}
            }
        }
        for (alarm, place) in found {
            self.say(alarm, place);
        }
    }

    /// The newest message of a stream that its sender sealed, or that the member hid, or that the notebook knows: a header
    /// that nobody vouches for can't move it.
    fn newest(&self, whose: Whose) -> Position {
        let mut stream = self.streams[whose as usize].values().rev();
        let newest = stream.find(|message| message.hidden || matches!(message.content, Content::Opened(_)));
        let newest = newest.map(|message| Position {
            counter: message.header.counter,
            hash: message.hash,
        });
        let known = self.known(whose);
        newest.filter(|newest| newest.counter > known.counter).unwrap_or(known)
    }

    /// What was said, as it stands after edits and removals.
    fn items(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        for whose in [Whose::Mine, Whose::Theirs] {
            let said = self.said(whose);
            // The server's order, in which a stream's own places go by counter.
            let mut places: Vec<u64> = said.iter().map(|item| item.seq).collect();
            places.sort_unstable();
            items.extend(places.into_iter().zip(said));
        }
        for message in self.thread.messages.values() {
            if let (0, Content::Bad(alarm)) = (message.header.counter, &message.content) {
                items.push((message.shown.seq, item(message, Says::Nothing(*alarm))));
            }
        }
        items.sort_by_key(|(place, _)| *place);
        items.into_iter().map(|(_, item)| item).collect()
    }

    /// What a message says, if it counts.
    fn body(&self, message: &'a Message) -> Option<&'a Body> {
        match &message.content {
            Content::Opened(_)
                if message.whose == Whose::Theirs && self.withheld.contains_key(&message.header.counter) =>
            {
                None
            }
            Content::Opened(opened) => Some(&opened.body),
            Content::Bad(_) | Content::Gone => None,
        }
    }

    /// One stream's items by counter.
    fn said(&mut self, whose: Whose) -> Vec<Item> {
        let stream = &self.streams[whose as usize];
        let bodies: BTreeMap<u64, &Body> = stream
            .iter()
            .filter_map(|(counter, message)| Some((*counter, self.body(message)?)))
            .collect();
        let mut alarms = Vec::new();
        // What was removed; and what of it goes without a mark, because the first in the same removal leaves one.
        let (mut removed, mut unmarked) = (BTreeSet::<u64>::new(), BTreeSet::<u64>::new());
        for (&counter, body) in &bodies {
            let Body::Delete { targets, .. } = body else { continue };
            let may = |target: &u64| *target < counter && !matches!(bodies.get(target), Some(Body::Delete { .. }));
            if !targets.iter().all(may) {
                alarms.push((counter, Alarm::Forged));
                continue;
            }
            removed.extend(targets);
            let message = targets.iter().min();
            unmarked.extend(targets.iter().filter(|target| Some(*target) != message));
        }
        let mut items: BTreeMap<u64, Item> = BTreeMap::new();
        for (&counter, &message) in stream {
            let says = match (bodies.get(&counter), &message.content) {
                (Some(Body::Delete { .. }), _) => continue,
                (Some(Body::Edit { .. }), _) if removed.contains(&counter) || message.hidden => continue,
                (None, _) if unmarked.contains(&counter) => continue,
                _ if removed.contains(&counter) => Says::Removed,
                _ if message.hidden => Says::Hidden,
                (Some(Body::Text { at, text, reply, files }), _) => Says::Text {
                    text: text.clone(),
                    history: Vec::new(),
                    at: *at,
                    reply: *reply,
                    files: files.clone(),
                },
                (Some(Body::Edit { at, target, text }), _) => {
                    let of_text = bodies.get(target).is_none_or(|body| matches!(body, Body::Text { .. }));
                    if *target >= counter || !of_text {
                        alarms.push((counter, Alarm::Forged));
                    } else if let Some(item) = items.get_mut(target) {
                        item.edit(*at, text);
                        item.edits.push((counter, message.shown.id));
                    }
                    continue;
                }
                (Some(Body::Unknown), _) => Says::Unknown,
                (None, Content::Bad(alarm)) => Says::Nothing(*alarm),
                (None, Content::Opened(_)) => {
                    Says::Nothing(self.withheld.get(&counter).copied().unwrap_or(Alarm::KeyChanged))
                }
                (None, Content::Gone) => {
                    let alarm = if message.shown.removed {
                        Alarm::Forged
                    } else {
                        Alarm::Removed
                    };
                    alarms.push((counter, alarm));
                    Says::Nothing(alarm)
                }
            };
            items.insert(counter, item(message, says));
        }
        for (counter, alarm) in alarms {
            self.say(alarm, Some((whose, counter, counter)));
        }
        items.into_values().collect()
    }
}

fn item(message: &Message, says: Says) -> Item {
    Item {
        whose: message.whose,
        counter: message.header.counter,
        id: message.shown.id,
        seq: message.shown.seq,
        at: message.shown.at,
        hash: message.hash,
        edits: Vec::new(),
        says,
    }
}

impl Item {
    fn edit(&mut self, when: u64, new: &str) {
        if let Says::Text { text, history, at, .. } = &mut self.says {
            history.push((*at, std::mem::replace(text, new.to_owned())));
            *at = when;
        }
    }
}
