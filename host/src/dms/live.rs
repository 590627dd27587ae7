//! Direct messages over `/live`: what a socket may ask for, and what the devices of the two are told. Nobody watches a
//! conversation: what concerns a member comes on every socket of theirs. Programs hear it with the scope `dm:read`.

use std::{sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{
    mutations::{Measure, Scope as DeletedFor, Sent},
    queries::{Conversation, Message, Peer},
    talk::{self, Hand, Sealed},
    view::{Eyes, Shown},
};
use crate::{
    app::App,
    crypto::{Blob, Bytes},
    error::Error,
    live::{Caller, Frame, Line},
    session::Member,
    tokens::Scope,
};

/// Signs of typing that one member may show in a minute; more are told to nobody.
const TYPING_PER_MINUTE: u32 = 60;

/// What is said of direct messages over `/live`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// The other types, or stopped.
    DmTyping {
        with: &'a str,
    },
    DmStopTyping {
        with: &'a str,
    },
    /// How far one has read, on whichever device.
    DmUnread {
        with: &'a str,
        unread: bool,
        read_seq: i64,
        last_seq: i64,
    },
    DmDeleted {
        with: &'a str,
        ids: &'a [i64],
        scope: DeletedFor,
    },
    /// The two stand to each other in another way: look at the list.
    DmChanged {
        with: &'a str,
    },
    /// The key log has grown by something that concerns one.
    KeyLog {
        size: u64,
    },
}

/// A message stands.
#[derive(Serialize)]
struct DmMessage<'a> {
    event: &'static str,
    with: &'a str,
    #[serde(flatten)]
    message: Shown<'a>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a Number>,
}

// ── what a socket asks for ───────────────────────────────────────────────────────────────────────

/// A message to send.
#[derive(Deserialize)]
pub struct Send {
    with: String,
    // Not flattened, for which serde would keep everything twice.
    header: Blob,
    recipient: Blob,
    sender: Blob,
    #[serde(default)]
    files: Vec<Bytes<16>>,
}

/// `dm_send`: answered by the `dm_message` itself when it is on disk.
///
/// # Errors
/// As [`talk::send`].
pub async fn on_send(app: App, caller: Caller, sent: Send) -> Result<(), Error> {
    let member = caller.viewer().member.clone().ok_or(Error::Unauthorized)?;
    let hand = Hand {
        member: &member,
        network: &caller.line.network,
        origin: Some(&caller),
    };
    let sealed = Sealed {
        header: sent.header,
        recipient: sent.recipient,
        sender: sent.sender,
        files: sent.files,
    };
    let stands = talk::send(&app, hand, &sent.with, sealed).await?;
    // Else the announcer has answered, at the message's place in the order.
    if stands.repeated {
        caller.line.push(Frame::of(&DmMessage {
            event: "dm_message",
            with: &sent.with,
            message: Eyes::of(&member.name, &sent.with).show(&stands.message),
            reference: caller.reference.as_ref(),
        }));
    }
    Ok(())
}

/// Whom it is about.
#[derive(Deserialize)]
pub struct With {
    with: String,
}

/// `dm_typing`: the other is told, if the two talk and one lets it be seen.
///
/// # Errors
/// [`Error::NotFound`] for nobody.
pub async fn on_typing(app: App, caller: Caller, typing: With) -> Result<(), Error> {
    sign(&app, &caller, &typing.with, |with| Event::DmTyping { with })
}

/// `dm_stop_typing`.
///
/// # Errors
/// [`Error::NotFound`] for nobody.
pub async fn on_stop_typing(app: App, caller: Caller, typing: With) -> Result<(), Error> {
    sign(&app, &caller, &typing.with, |with| Event::DmStopTyping { with })
}

fn sign(app: &App, caller: &Caller, with: &str, event: fn(&str) -> Event<'_>) -> Result<(), Error> {
    let member = caller.viewer().member.as_ref().ok_or(Error::Unauthorized)?;
    let pair = talk::pair(app, member, with)?;
    let pace = ("signs of typing", TYPING_PER_MINUTE);
    let shown = talk::talk(&pair)
        && !caller.line.is_hidden()
        && app
            .buckets
            .take(Instant::now(), &[(pace, &member.id.to_string())])
            .is_ok();
    if shown {
        let frame = Frame::of(&event(&member.name));
        app.hub.tell(pair.peer.id, |line| hears(line).then(|| frame.clone()));
    }
    Ok(())
}

/// How far one has read.
#[derive(Deserialize)]
pub struct Read {
    with: String,
    seq: i64,
}

/// `dm_read`: answered by `dm_unread`; one's other sockets hear it too.
///
/// # Errors
/// [`Error::NotFound`] where nobody has written.
pub async fn on_read(app: App, caller: Caller, read: Read) -> Result<(), Error> {
    let member = caller.viewer().member.clone().ok_or(Error::Unauthorized)?;
    let (name, conversation) = talk::read_up_to(&app, &member, Some(&caller), &read.with, read.seq).await?;
    caller.answer(&unread(&name, &conversation));
    Ok(())
}

// ── what the two are told ────────────────────────────────────────────────────────────────────────

/// Whether what is said of direct messages may go to a socket.
fn hears(line: &Line) -> bool {
    line.viewer.check(Scope::DmRead).is_ok()
}

fn unread<'a>(with: &'a str, conversation: &Conversation) -> Event<'a> {
    Event::DmUnread {
        with,
        unread: conversation.unread(),
        read_seq: conversation.mine.read_seq,
        last_seq: conversation.last_seq,
    }
}

/// A message that was written, to be told once it is committed.
pub struct Told {
    message: Arc<Message>,
    from: Member,
    to: i64,
    peer: Arc<str>,
    heard: bool,
}

impl Told {
    pub fn of(sent: &Sent, from: Member, peer: Arc<str>) -> Self {
        Self {
            message: sent.message.clone(),
            from,
            to: sent.to,
            peer,
            heard: sent.heard,
        }
    }

    /// Tells all devices of both. Runs on the announcer's thread, in the order of the commits.
    pub fn tell(&self, app: &App, origin: Option<&Caller>) {
        let frame = |me: &str, with: &str, reference: Option<&Number>| {
            Frame::of(&DmMessage {
                event: "dm_message",
                with,
                message: Eyes::of(me, with).show(&self.message),
                reference,
            })
        };
        // Made when the first socket gets it, and shared by all.
        let tell = |to: i64, me: &str, with: &str| {
            let mut plain = None;
            for line in app.hub.lines_of(to) {
                // Whoever sent it gets it at the same place in the order, as the answer.
                if let Some(caller) = origin.filter(|caller| line.is(&caller.line)) {
                    line.push(frame(me, with, caller.reference.as_ref()));
                } else if hears(&line) {
                    line.push(plain.get_or_insert_with(|| frame(me, with, None)).clone());
                }
            }
        };
        if self.heard {
            tell(self.to, &self.peer, &self.from.name);
        }
        tell(self.from.id, &self.from.name, &self.peer);
    }
}

/// Tells a member's other sockets how far they have read.
pub fn tell_read(app: &App, member: i64, with: &str, conversation: &Conversation, origin: Option<&Caller>) {
    let frame = Frame::of(&unread(with, conversation));
    app.hub.tell(member, |line| match origin {
        Some(caller) if line.is(&caller.line) => None,
        _ => hears(line).then(|| frame.clone()),
    });
}

/// Tells of deleted messages: one's own devices, and the other's where they are deleted for both.
pub fn tell_deleted(app: &App, member: &Member, peer: &Peer, ids: &[i64], scope: DeletedFor) {
    let tell = |to: i64, with: &str| {
        let frame = Frame::of(&Event::DmDeleted { with, ids, scope });
        app.hub.tell(to, |line| hears(line).then(|| frame.clone()));
    };
    tell(member.id, &peer.name);
    if scope == DeletedFor::Both {
        tell(peer.id, &member.name);
    }
}

/// Tells that two stand to each other in another way. Only a yes concerns the other: who is declined, blocked or muted
/// isn't told.
pub fn tell_changed(app: &App, member: &Member, peer: &Peer, measure: Measure) {
    let tell = |to: i64, with: &str| {
        let frame = Frame::of(&Event::DmChanged { with });
        app.hub.tell(to, |line| hears(line).then(|| frame.clone()));
    };
    tell(member.id, &peer.name);
    if measure == Measure::Accept {
        tell(peer.id, &member.name);
    }
}

/// Tells members of newer entries in the key log.
pub fn tell_log(app: &App, members: &[i64], size: u64) {
    let frame = Frame::of(&Event::KeyLog { size });
    for member in members {
        app.hub.tell(*member, |line| hears(line).then(|| frame.clone()));
    }
}
