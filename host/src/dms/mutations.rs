//! What is written about direct messages. Each function is a closure's worth of SQL: it looks at how the two stand to each
//! other anew, because that may have changed since the writer was asked.

use std::sync::Arc;

use http::StatusCode;
use neospace_dm::message;
use rusqlite::params;

use super::queries::{self, Conversation, Message, Pair};
use crate::{
    app::now_ms,
    crypto::Bytes,
    db::{Reader, Tx},
    error::Error,
    session::Member,
};

/// Messages that one may send to somebody who has not answered.
const ASKED_MOST: i64 = 3;

/// A sealed message about to be written: as far as it can be looked at without the database, it is in order.
pub struct NewMessage {
    /// Whom it is to.
    pub with: Arc<str>,
    /// 0: the sender's name comes first, bytewise; 1: the other's.
    pub sender: u8,
    pub counter: i64,
    pub previous: [u8; 32],
    /// The newest message of the other's stream that it names: counter and hash.
    pub seen: (i64, [u8; 32]),
    /// The key log's head that it names: size and hash.
    pub log: (i64, [u8; 32]),
    pub sender_identity: [u8; 32],
    pub recipient_identity: [u8; 32],
    /// The header's bytes.
    pub header: Vec<u8>,
    pub to_recipient: Vec<u8>,
    pub to_sender: Vec<u8>,
    pub recipient_sha256: [u8; 32],
    pub sender_sha256: [u8; 32],
    /// The message's own hash, which the next one names.
    pub hash: [u8; 32],
    /// Ids of sealed files that belong to it.
    pub files: Vec<String>,
}

/// A message that stands.
pub struct Sent {
    pub message: Arc<Message>,
    /// The recipient's id.
    pub to: i64,
    /// Whether the recipient's devices hear of it: not, where they declined to.
    pub heard: bool,
    /// It was sent before: nothing was written now.
    pub repeated: bool,
}

/// Writes a message and gives it its place.
///
/// # Errors
/// [`Error::NotFound`] for nobody; refusals whose codes are in the protocol.
pub fn send(tx: &Tx, member: &Member, new: NewMessage) -> Result<Sent, Error> {
    let pair = queries::pair_and_head(tx, member.id, &new.with, new.log.0)?;
    if let Some(message) = stands(tx, &pair, &new)? {
        return Ok(Sent {
            message: Arc::new(message),
            to: pair.peer.id,
            heard: true,
            repeated: true,
        });
    }
    may_send(&pair, !new.files.is_empty())?;
    fits(tx, &pair, &new)?;
    if let Some(conversation) = &pair.conversation {
        check_files(tx, conversation.id, member.id, &new.files)?;
    }
    // From here on things change, and nothing is refused.
    let now = now_ms();
    let heard = pair.conversation.as_ref().is_none_or(|with| !with.theirs.declined);
    let conversation = match &pair.conversation {
        Some(conversation) => conversation.id,
        None => begin(tx, member, &pair, now)?,
    };
    let seq: i64 = tx.one(
        "update dm_conversations set last_seq = last_seq + 1, at = ?2 where id = ?1 returning last_seq",
        [conversation, now],
        |row| row.get(0),
    )?;
    // Who writes has said yes, and has read what stands above.
    tx.run(
        "update dm_sides
            set counter = ?3, hash = ?4, seen = ?5, log_size = ?6, read_seq = ?7, accepted = 1, declined_at = null
          where user_id = ?1 and peer_id = ?2",
        params![
            member.id,
            pair.peer.id,
            new.counter,
            new.hash,
            new.seen.0,
            new.log.0,
            seq
        ],
    )?;
    tx.run(
        "insert into dm_messages (conversation_id, seq, sender, counter, at, header, to_recipient, to_sender,
                                  recipient_sha256, sender_sha256)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            conversation,
            seq,
            new.sender,
            new.counter,
            now,
            new.header,
            new.to_recipient,
            new.to_sender,
            new.recipient_sha256,
            new.sender_sha256
        ],
    )?;
    let id = tx.last_id();
    for file in &new.files {
        tx.run("update dm_files set message_id = ?2 where id = ?1", params![file, id])?;
    }
    Ok(Sent {
        message: Arc::new(Message {
            id,
            seq,
            at: now,
            sender: new.sender,
            header: new.header,
            to_recipient: Some(new.to_recipient),
            to_sender: Some(new.to_sender),
            recipient_sha256: new.recipient_sha256,
            sender_sha256: new.sender_sha256,
            recipient_tag: None,
            sender_tag: None,
            removed: false,
        }),
        to: pair.peer.id,
        heard,
        repeated: false,
    })
}

/// This very message, if it was sent before.
///
/// # Errors
/// `counter_taken` where another message has its counter.
pub fn stands(db: &Reader, pair: &Pair, new: &NewMessage) -> Result<Option<Message>, Error> {
    let Some(conversation) = pair.conversation.as_ref().filter(|it| new.counter <= it.mine.counter) else {
        return Ok(None);
    };
    let found = queries::sent(db, conversation.id, new.sender, new.counter)?;
    let same = |message: &Message| {
        message.header == new.header
            && message.recipient_sha256 == new.recipient_sha256
            && message.sender_sha256 == new.sender_sha256
    };
    found.filter(same).map(Some).ok_or_else(|| {
        conflict(
            "counter_taken",
            format!(
                "Another device of yours has sent message {} already. Fetch what it sent, and seal this one as the next.",
                new.counter
            ),
        )
    })
}

/// Whether one may write to the other at all.
///
/// # Errors
/// `blocked`, `not_taken`, `no_keys`, `request_limit`, `request_files`.
pub fn may_send(pair: &Pair, files: bool) -> Result<(), Error> {
    let name = &pair.peer.name;
    let refuse = |code, message| Err(Error::coded(StatusCode::FORBIDDEN, code, message));
    let conversation = pair.conversation.as_ref();
    if conversation.is_some_and(|it| it.mine.blocked) {
        return refuse(
            "blocked",
            format!("You blocked {name}. Take that back before you write."),
        );
    }
    // Who is blocked learns no more than who writes to somebody without keys.
    if pair.peer_keys.is_none() || conversation.is_some_and(|it| it.theirs.blocked) {
        return refuse("not_taken", format!("{name} takes no messages."));
    }
    if pair.my_keys.is_none() {
        return Err(conflict(
            "no_keys",
            "You have no keys yet. Log in with a browser once: it makes them.",
        ));
    }
    if !conversation.is_some_and(|it| it.theirs.accepted) {
        if files {
            return refuse(
                "request_files",
                format!("Files can be sent once {name} has answered or said yes."),
            );
        }
        if conversation.is_some_and(|it| it.mine.counter >= ASKED_MOST) {
            return refuse(
                "request_limit",
                format!("{name} has not answered. Until then at most {ASKED_MOST} messages can be sent."),
            );
        }
    }
    Ok(())
}

/// Whether a message is the next of its stream, sealed with the keys that are in force, and names what is there: the
/// recipient's client would take it for the server's lie if it weren't.
fn fits(db: &Reader, pair: &Pair, new: &NewMessage) -> Result<(), Error> {
    let name = &pair.peer.name;
    let (Some(mine), Some(theirs)) = (pair.my_keys, pair.peer_keys) else {
        return Err(Error::internal("who has no keys was let through"));
    };
    if mine.identity != new.sender_identity {
        return Err(conflict(
            "sender_key",
            "This was sealed with keys that are not your newest any more. Log in again on this device.",
        ));
    }
    if theirs.identity != new.recipient_identity {
        return Err(conflict(
            "recipient_key",
            format!("{name} has newer keys. Fetch the key log, and seal it to those."),
        ));
    }
    let position = pair.conversation.as_ref().map(|it| &it.mine);
    let (counter, hash) = position.map_or((0, None), |it| (it.counter, it.hash));
    if Some(new.counter) != counter.checked_add(1) {
        return Err(conflict(
            "counter_skipped",
            format!(
                "Your next message here is number {}. Fetch those that you lack.",
                counter + 1
            ),
        ));
    }
    if new.previous != hash.unwrap_or_default() {
        return Err(conflict(
            "previous_hash",
            "This names another message before it than the one that you sent last. Fetch that, and seal this anew.",
        ));
    }
    let (size, head) = &new.log;
    if *size < mine.index.max(theirs.index) || position.is_some_and(|it| *size < it.log_size) {
        return Err(conflict(
            "log_behind",
            "The key log has gone on since this was sealed. Fetch it, and seal this anew.",
        ));
    }
    // Before the first entry there is no head.
    if pair.head.unwrap_or_default() != *head {
        return Err(conflict(
            "log_head",
            "The key log has another head there than this message names.",
        ));
    }
    if !has_seen(db, pair, new)? {
        return Err(conflict(
            "seen",
            format!("This names a message of {name}'s that isn't there, or an older one than your last message did."),
        ));
    }
    Ok(())
}

/// Whether the message of the other's stream that a new one names is there, and not older than the one named before.
fn has_seen(db: &Reader, pair: &Pair, new: &NewMessage) -> Result<bool, Error> {
    let (counter, hash) = new.seen;
    let Some(conversation) = &pair.conversation else {
        return Ok(counter == 0);
    };
    if counter < conversation.mine.seen || counter > conversation.theirs.counter {
        return Ok(false);
    }
    if counter == conversation.theirs.counter {
        return Ok(hash == conversation.theirs.hash.unwrap_or_default());
    }
    if counter == 0 {
        return Ok(true);
    }
    let named = queries::sent(db, conversation.id, 1 - new.sender, counter)?;
    Ok(named.is_some_and(|it| message::hash(&it.header, &it.recipient_sha256, &it.sender_sha256) == hash))
}

/// Whether these files are here, this member's, of this conversation, and no other message's.
fn check_files(tx: &Tx, conversation: i64, member: i64, files: &[String]) -> Result<(), Error> {
    for (at, file) in files.iter().enumerate() {
        let found = tx.maybe(
            "select 1 from dm_files where id = ?1 and conversation_id = ?2 and user_id = ?3 and message_id is null",
            params![file, conversation, member],
            |_| Ok(()),
        )?;
        if found.is_none() || files[..at].contains(file) {
            return Err(Error::field(
                "files",
                "A file of this message isn't here: it was never sent, was dropped after a day, or belongs to another message. Send it again.",
            ));
        }
    }
    Ok(())
}

fn conflict(code: &'static str, message: impl Into<String>) -> Error {
    Error::coded(StatusCode::CONFLICT, code, message)
}

/// Makes an empty conversation, with both sides; answers its id.
fn begin(tx: &Tx, member: &Member, pair: &Pair, now: i64) -> Result<i64, Error> {
    let peer = &pair.peer;
    let (lower, higher) = match member.name < peer.name {
        true => (member.id, peer.id),
        false => (peer.id, member.id),
    };
    tx.run(
        "insert into dm_conversations (lower_id, higher_id, at) values (?1, ?2, ?3)",
        [lower, higher, now],
    )?;
    let id = tx.last_id();
    for (user, other) in [(lower, higher), (higher, lower)] {
        tx.run(
            "insert into dm_sides (user_id, peer_id, conversation_id, accepted) values (?1, ?2, ?3, 0)",
            [user, other, id],
        )?;
    }
    Ok(id)
}

/// What one does about a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Accept,
    Decline,
    Block,
    Unblock,
    Mute,
    Unmute,
}

impl Measure {
    const ALL: [Measure; 6] = [
        Self::Accept,
        Self::Decline,
        Self::Block,
        Self::Unblock,
        Self::Mute,
        Self::Unmute,
    ];

    /// Its name in addresses and on buttons.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

/// Does something about a conversation, which begins with it if need be; answers how the two stand to each other then.
///
/// # Errors
/// [`Error::NotFound`] for nobody; [`Error::Conflict`] for a request that isn't one.
pub fn measure(tx: &Tx, member: &Member, with: &str, measure: Measure) -> Result<Pair, Error> {
    let pair = queries::pair(tx, member.id, with)?;
    let written = pair.conversation.as_ref().is_some_and(|it| it.last_seq > 0);
    match measure {
        Measure::Accept | Measure::Decline if !written => {
            return Err(Error::Conflict(format!("{} has not written to you.", pair.peer.name)));
        }
        Measure::Decline if pair.conversation()?.mine.accepted => {
            return Err(Error::Conflict(format!(
                "You talk with {} already. You can mute or block them.",
                pair.peer.name
            )));
        }
        _ => {}
    }
    let now = now_ms();
    if pair.conversation.is_none() {
        begin(tx, member, &pair, now)?;
    }
    let (both, timed) = ([member.id, pair.peer.id], [member.id, pair.peer.id, now]);
    match measure {
        Measure::Accept => tx.run(
            "update dm_sides set accepted = 1, declined_at = null where user_id = ?1 and peer_id = ?2",
            both,
        ),
        Measure::Decline => tx.run(
            "update dm_sides set declined_at = ?3 where user_id = ?1 and peer_id = ?2",
            timed,
        ),
        Measure::Block => tx.run(
            "update dm_sides set blocked_at = ?3 where user_id = ?1 and peer_id = ?2 and blocked_at is null",
            timed,
        ),
        Measure::Unblock => tx.run(
            "update dm_sides set blocked_at = null where user_id = ?1 and peer_id = ?2",
            both,
        ),
        Measure::Mute => tx.run(
            "update dm_sides set muted_at = ?3 where user_id = ?1 and peer_id = ?2 and muted_at is null",
            timed,
        ),
        Measure::Unmute => tx.run(
            "update dm_sides set muted_at = null where user_id = ?1 and peer_id = ?2",
            both,
        ),
    }?;
    if matches!(measure, Measure::Block | Measure::Unblock) {
        // What the two have left on each other's wall is not shown meanwhile.
        for name in [&*member.name, &*pair.peer.name] {
            tx.touch(format!("wall:{name}"));
            tx.touch(format!("stickers:{name}"));
        }
    }
    queries::pair(tx, member.id, with)
}

/// Notes that one has read up to a message. It never goes back, and never beyond the newest.
///
/// # Errors
/// [`Error::NotFound`] where nobody has written.
pub fn read_up_to(tx: &Tx, member: &Member, with: &str, seq: i64) -> Result<Conversation, Error> {
    let pair = queries::pair(tx, member.id, with)?;
    let mut conversation = pair.conversation.ok_or(Error::NotFound)?;
    let read_seq = seq.min(conversation.last_seq).max(conversation.mine.read_seq);
    if read_seq > conversation.mine.read_seq {
        tx.run(
            "update dm_sides set read_seq = ?3 where user_id = ?1 and peer_id = ?2",
            [member.id, pair.peer.id, read_seq],
        )?;
        conversation.mine.read_seq = read_seq;
    }
    Ok(conversation)
}

/// For whom a message is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Me,
    Both,
}

/// A message that is to be deleted; with a tag, for oneself, by which one's devices know that it was oneself.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Marked {
    pub id: i64,
    pub tag: Option<Bytes<32>>,
}

/// Drops one's own copies of messages, or both copies of messages that one sent. Those that are gone already are fine.
/// Answers the files whose bytes nobody can ask for any more.
///
/// # Errors
/// [`Error::NotFound`] for a message that isn't in this conversation; [`Error::Forbidden`] for another's, for both;
/// [`Error::Invalid`] for one without a tag, for oneself.
pub fn delete(tx: &Tx, member: &Member, with: &str, messages: &[Marked], scope: Scope) -> Result<Vec<String>, Error> {
    let pair = queries::pair(tx, member.id, with)?;
    let conversation = pair.conversation()?.id;
    let side = u8::from(member.name > pair.peer.name);
    let mut files = Vec::new();
    for Marked { id, tag } in messages {
        let message = queries::message(tx, conversation, *id)?;
        let mine = message.sender == side;
        match scope {
            Scope::Both if !mine => {
                return Err(Error::Forbidden(
                    "You delete what you sent for both, and what you got for yourself alone.".into(),
                ));
            }
            Scope::Both => tx.run(
                "update dm_messages
                    set to_recipient = null, to_sender = null, removed_at = coalesce(removed_at, ?2)
                  where id = ?1",
                [*id, now_ms()],
            )?,
            Scope::Me => {
                let tag = tag.ok_or_else(|| {
                    Error::field(
                        "messages",
                        "What you delete for yourself has a tag, so that your devices know who did it.",
                    )
                })?;
                let hide = match mine {
                    true => {
                        "update dm_messages set to_sender = null, sender_tag = ?2 where id = ?1 and sender_tag is null"
                    }
                    false => {
                        "update dm_messages set to_recipient = null, recipient_tag = ?2 where id = ?1 and recipient_tag is null"
                    }
                };
                tx.run(hide, params![id, tag.0])?
            }
        };
        // Once neither has it, its files are nobody's.
        files.extend(tx.all(
            "delete from dm_files
              where message_id in (select id from dm_messages where id = ?1 and to_recipient is null and to_sender is null)
              returning id",
            [*id],
            |row| row.get::<_, String>(0),
        )?);
    }
    Ok(files)
}
