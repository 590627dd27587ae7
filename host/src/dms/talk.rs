//! What people do with direct messages, the same over HTTP and over `/live`: each is prepared (looked at, paced), committed,
//! and announced.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use neospace_dm::{
    Name,
    message::{self, Header, MAX_FILES},
};
use serde::Deserialize;

use super::{
    live,
    mutations::{self, Marked, Measure, NewMessage, Scope, Sent},
    queries::{self, Conversation, Pair},
};
use crate::{
    app::App,
    crypto::{Blob, Bytes, sha256},
    db::{Tx, Undo},
    error::Error,
    live::Caller,
    profiles::is_name,
    session::Member,
    throttle::Pace,
};

/// Messages that one request deletes at most.
const DELETED_MOST: usize = 1_000;
/// How many people one may write to for the first time without a wait.
const STRANGERS: Pace = Pace {
    name: "first messages",
    free: 30,
    first: Duration::from_secs(10),
    longest: Duration::from_secs(600),
    fade: Duration::from_secs(3_600),
};

/// A message as it comes.
#[derive(Deserialize)]
pub struct Sealed {
    pub(super) header: Blob,
    pub(super) recipient: Blob,
    pub(super) sender: Blob,
    #[serde(default)]
    pub(super) files: Vec<Bytes<16>>,
}

impl From<message::Sealed> for Sealed {
    fn from(sealed: message::Sealed) -> Self {
        Self {
            header: Blob(sealed.header),
            recipient: Blob(sealed.recipient),
            sender: Blob(sealed.sender),
            files: Vec::new(),
        }
    }
}

/// Who does something, and from where.
#[derive(Clone, Copy)]
pub struct Hand<'a> {
    pub member: &'a Member,
    /// [`crate::throttle::network`] of the address.
    pub network: &'a str,
    /// The event that it came with, over `/live`.
    pub origin: Option<&'a Caller>,
}

/// How a member stands to another.
///
/// # Errors
/// [`Error::NotFound`] for nobody; [`Error::Invalid`] for oneself.
pub fn pair(app: &App, member: &Member, with: &str) -> Result<Pair, Error> {
    // Nobody has a name that can't be one.
    if !is_name(with) {
        return Err(Error::NotFound);
    }
    app.db.read(|db| queries::pair(db, member.id, with))
}

/// Sends a message. Answers once it is on disk; all devices of both have been told by then, or are about to be.
///
/// # Errors
/// [`Error::NotFound`]; refusals whose codes are in the protocol; [`Error::TooMany`].
pub async fn send(app: &App, hand: Hand<'_>, with: &str, sealed: Sealed) -> Result<Sent, Error> {
    // Over a socket, the order in which it was sent is the order in which it is written.
    let turn = match hand.origin {
        Some(caller) => Some(caller.turn().await),
        None => None,
    };
    let member = hand.member.clone();
    if !is_name(with) {
        return Err(Error::NotFound);
    }
    let new = prepared(&member, with, sealed)?;
    if let Err(refusal) = pace(app, hand, &new) {
        // What stands already is never refused when it is sent again.
        let (pair, stands) = app.db.read(|db| {
            let pair = queries::pair(db, member.id, with)?;
            let stands = mutations::stands(db, &pair, &new)?;
            Ok((pair, stands))
        })?;
        let message = stands.ok_or(refusal)?;
        return Ok(Sent {
            message: Arc::new(message),
            to: pair.peer.id,
            heard: false,
            repeated: true,
        });
    }
    let (teller, origin, peer) = (app.clone(), hand.origin.cloned(), new.with.clone());
    let write = move |tx: &Tx| {
        let sent = mutations::send(tx, &member, new)?;
        if !sent.repeated {
            let told = live::Told::of(&sent, member, peer);
            tx.announce(move || told.tell(&teller, origin.as_ref()));
        }
        Ok(sent)
    };
    let written = app.db.queue(Undo::Commit, write).await?;
    drop(turn);
    let sent = written.committed().await?;
    if !sent.repeated {
        app.meter.note_dm();
    }
    Ok(sent)
}

/// Looks at what can be looked at without the database.
fn prepared(member: &Member, with: &str, sealed: Sealed) -> Result<NewMessage, Error> {
    let (me, peer): (Name, Name) = (
        member.name.parse().map_err(Error::internal)?,
        with.parse().map_err(Error::internal)?,
    );
    let Sealed {
        header: Blob(bytes),
        recipient: Blob(to_recipient),
        sender: Blob(to_sender),
        files,
    } = sealed;
    let header = Header::decode(&bytes).map_err(|_| {
        Error::field(
            "header",
            "This is no header: it has 235 bytes, begins with version 1 and suite 1, and counts from 1.",
        )
    })?;
    if header.conversation != message::conversation_id(&me, &peer) || header.sender != message::side(&me, &peer) {
        return Err(Error::field(
            "header",
            "This header is of another conversation, or the other's.",
        ));
    }
    for (field, copy) in [("recipient", &to_recipient), ("sender", &to_sender)] {
        if !message::is_copy(copy) || copy.len() != to_recipient.len() {
            return Err(Error::field(
                field,
                "A copy has 48 bytes more than a size class: 256, 1,024, 4,096 or 16,384. Both copies have the same.",
            ));
        }
    }
    if files.len() > MAX_FILES {
        return Err(Error::field(
            "files",
            format!("A message has at most {MAX_FILES} files."),
        ));
    }
    let number = |number: u64| i64::try_from(number).map_err(|_| Error::field("header", "No stream is that long."));
    let (recipient_sha256, sender_sha256) = (sha256(&to_recipient), sha256(&to_sender));
    Ok(NewMessage {
        with: with.into(),
        sender: header.sender,
        counter: number(header.counter)?,
        previous: header.previous,
        seen: (number(header.seen.counter)?, header.seen.hash),
        log: (number(header.log.size)?, header.log.hash),
        sender_identity: header.sender_identity,
        recipient_identity: header.recipient_identity,
        hash: message::hash(&bytes, &recipient_sha256, &sender_sha256),
        header: bytes,
        to_recipient,
        to_sender,
        recipient_sha256,
        sender_sha256,
        files: files.iter().map(Bytes::to_string).collect(),
    })
}

/// Counts a message for its sender, its conversation and the address that it comes from, or says how long to wait.
fn pace(app: &App, hand: Hand<'_>, new: &NewMessage) -> Result<(), Error> {
    let limits = &app.config().limits;
    let (me, peer) = (&*hand.member.name, &*new.with);
    let (member, conversation) = (hand.member.id.to_string(), format!("{} {}", me.min(peer), me.max(peer)));
    let now = Instant::now();
    app.buckets
        .take(
            now,
            &[
                (("direct messages of a member", limits.dms_per_minute), &member),
                (
                    ("direct messages in a conversation", limits.dm_conversation_per_minute),
                    &conversation,
                ),
                (("posts from an address", limits.address_posts_per_minute), hand.network),
            ],
        )
        .map_err(|(retry_after, which)| Error::TooMany {
            retry_after,
            message: match which {
                "posts from an address" => "Many messages come from where you are.".into(),
                "direct messages in a conversation" => format!("You and {peer} are very quick."),
                _ => "That was a lot at once.".into(),
            },
        })?;
    // The first of a stream may be to a stranger.
    let is_first = || {
        let pair = app.db.read(|db| queries::pair(db, hand.member.id, peer))?;
        Ok::<_, Error>(pair.conversation.is_none_or(|it| it.last_seq == 0))
    };
    if new.counter == 1 && is_first()? {
        app.throttle
            .attempt(now, &[(&STRANGERS, &member)])
            .map_err(|retry_after| Error::TooMany {
                retry_after,
                message: "You wrote to many people for the first time.".into(),
            })?;
    }
    Ok(())
}

/// Does something about a conversation.
///
/// # Errors
/// [`Error::NotFound`] for nobody; [`Error::Conflict`] for a request that isn't one.
pub async fn measure(app: &App, member: &Member, with: &str, measure: Measure) -> Result<Pair, Error> {
    let known = pair(app, member, with)?;
    let (teller, member) = (app.clone(), member.clone());
    app.db
        .write(move |tx| {
            let pair = mutations::measure(tx, &member, &known.peer.name, measure)?;
            let told = pair.peer.clone();
            tx.announce(move || live::tell_changed(&teller, &member, &told, measure));
            Ok(pair)
        })
        .await
}

/// Notes how far one has read.
///
/// # Errors
/// [`Error::NotFound`] where nobody has written.
pub async fn read_up_to(
    app: &App,
    member: &Member,
    origin: Option<&Caller>,
    with: &str,
    seq: i64,
) -> Result<(Arc<str>, Conversation), Error> {
    let Pair { peer, conversation, .. } = pair(app, member, with)?;
    let conversation = conversation.ok_or(Error::NotFound)?;
    if seq.min(conversation.last_seq) <= conversation.mine.read_seq {
        // It was read already, perhaps on another device: nothing to write.
        return Ok((peer.name, conversation));
    }
    let (teller, origin, member, name) = (app.clone(), origin.cloned(), member.clone(), peer.name.clone());
    let conversation = app
        .db
        .write(move |tx| {
            let conversation = mutations::read_up_to(tx, &member, &name, seq)?;
            let told = conversation.clone();
            tx.announce(move || live::tell_read(&teller, member.id, &name, &told, origin.as_ref()));
            Ok(conversation)
        })
        .await?;
    Ok((peer.name, conversation))
}

/// Deletes messages for oneself or for both; files that nobody can ask for any more go with them.
///
/// # Errors
/// As [`mutations::delete`].
pub async fn delete(app: &App, member: &Member, with: &str, messages: Vec<Marked>, scope: Scope) -> Result<(), Error> {
    if messages.is_empty() || messages.len() > DELETED_MOST {
        return Err(Error::field(
            "messages",
            format!("One request deletes 1 to {DELETED_MOST} messages."),
        ));
    }
    let known = pair(app, member, with)?;
    let (teller, member) = (app.clone(), member.clone());
    let files = app
        .db
        .write(move |tx| {
            let files = mutations::delete(tx, &member, &known.peer.name, &messages, scope)?;
            let ids: Vec<i64> = messages.iter().map(|message| message.id).collect();
            tx.announce(move || live::tell_deleted(&teller, &member, &known.peer, &ids, scope));
            Ok(files)
        })
        .await?;
    super::files::drop_bytes(app, &files).await;
    Ok(())
}

/// Whether the two talk, so that signs such as typing pass between them.
pub fn talk(pair: &Pair) -> bool {
    pair.conversation
        .as_ref()
        .is_some_and(|it| it.mine.accepted && it.theirs.accepted && !it.mine.blocked && !it.theirs.blocked)
}

/// Somebody's word for why nothing is sent to them, as [`mutations::may_send`] has it; files need an open conversation.
///
/// # Errors
/// As [`mutations::may_send`].
pub fn may_send_files(pair: &Pair) -> Result<i64, Error> {
    mutations::may_send(pair, true)?;
    let conversation = pair.conversation.as_ref().map(|it| it.id);
    conversation.ok_or_else(|| Error::coded(StatusCode::FORBIDDEN, "request_files", "Files need a conversation."))
}
