//! What direct messages are read from. Everything is fetched through one of the two: what is between others is not found.

use std::{collections::HashSet, sync::Arc};

use rusqlite::{Row, params};

use crate::{db::Reader, error::Error};

/// A member and another, and the conversation between them, if there is one.
#[derive(Clone, Debug)]
pub struct Pair {
    pub peer: Peer,
    pub conversation: Option<Conversation>,
    /// What messages of one's own are sealed by; nothing before the first keys.
    pub my_keys: Option<Newest>,
    /// What messages to the other are sealed to.
    pub peer_keys: Option<Newest>,
    /// The key log's head at the size that was asked for, if it goes as far.
    pub head: Option<[u8; 32]>,
}

/// Somebody's newest keys.
#[derive(Clone, Copy, Debug)]
pub struct Newest {
    pub identity: [u8; 32],
    /// Their index in the key log.
    pub index: i64,
}

/// The other one.
#[derive(Clone, Debug)]
pub struct Peer {
    pub id: i64,
    pub name: Arc<str>,
    pub colour: Arc<str>,
    pub avatar: Option<Arc<str>>,
}

/// A conversation as the two stand to it.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub id: i64,
    pub last_seq: i64,
    /// When the newest message came, Unix milliseconds.
    pub at: i64,
    pub mine: Side,
    pub theirs: Side,
}

/// One's side of a conversation.
#[derive(Clone, Debug)]
pub struct Side {
    /// Of the newest message in one's stream; 0 before the first.
    pub counter: i64,
    pub hash: Option<[u8; 32]>,
    /// What it names: the other's counter, and how far the key log was known.
    pub seen: i64,
    pub log_size: i64,
    pub read_seq: i64,
    pub accepted: bool,
    pub declined: bool,
    pub blocked: bool,
    pub muted: bool,
}

/// How far a conversation has come, as one of the two sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has written yet.
    New,
    /// Both have written, or said yes to who has.
    Open,
    /// The other has written and waits for a yes.
    Request,
    /// One has written and waits for the other's yes.
    Asked,
}

impl State {
    fn of(last_seq: i64, mine: bool, theirs: bool) -> Self {
        match (last_seq, mine, theirs) {
            (0, ..) => Self::New,
            (_, true, true) => Self::Open,
            (_, true, false) => Self::Asked,
            (_, false, _) => Self::Request,
        }
    }
}

impl Conversation {
    pub fn state(&self) -> State {
        State::of(self.last_seq, self.mine.accepted, self.theirs.accepted)
    }

    /// Whether something in it was not read yet.
    pub fn unread(&self) -> bool {
        self.last_seq > self.mine.read_seq
    }
}

impl Pair {
    pub fn state(&self) -> State {
        self.conversation.as_ref().map_or(State::New, Conversation::state)
    }

    /// The conversation, or [`Error::NotFound`].
    ///
    /// # Errors
    /// There is none.
    pub fn conversation(&self) -> Result<&Conversation, Error> {
        self.conversation.as_ref().ok_or(Error::NotFound)
    }
}

/// How a member stands to the one with this name. Who left, or is about to, is found by those alone who wrote with them, and has
/// no keys that anything could be sealed to.
///
/// # Errors
/// [`Error::NotFound`] for a name that nobody has; [`Error::Invalid`] for one's own.
pub fn pair(db: &Reader, member: i64, name: &str) -> Result<Pair, Error> {
    pair_and_head(db, member, name, 0)
}

/// The same, and the key log's head at a size.
///
/// # Errors
/// As [`pair`].
pub fn pair_and_head(db: &Reader, member: i64, name: &str, log_size: i64) -> Result<Pair, Error> {
    let pair = db.one(
        "select u.id, u.name, coalesce(p.colour, 'paper'), mk.identity, mk.log_index, pk.identity, pk.log_index, c.id, c.last_seq, c.at,
                m.counter, m.hash, m.seen, m.log_size, m.read_seq,
                m.accepted, m.declined_at is not null, m.blocked_at is not null, m.muted_at is not null,
                o.counter, o.hash, o.seen, o.log_size, o.read_seq,
                o.accepted, o.declined_at is not null, o.blocked_at is not null, o.muted_at is not null, l.hash, p.avatar
           from users u
           left join faces p on p.user_id = u.id
           left join dm_keys mk on mk.user_id = ?1
           left join dm_keys pk on pk.user_id = u.id and u.leaving_at is null
           left join dm_sides m on m.user_id = ?1 and m.peer_id = u.id
           left join dm_sides o on o.user_id = u.id and o.peer_id = ?1
           left join dm_conversations c on c.id = m.conversation_id
           left join key_log l on l.id = ?3
          where u.name = ?2 and (c.id is not null or (u.left_at is null and u.leaving_at is null))",
        params![member, name, log_size],
        |row| {
            let conversation = match row.get(7)? {
                None => None,
                Some(id) => Some(Conversation {
                    id,
                    last_seq: row.get(8)?,
                    at: row.get(9)?,
                    mine: side(row, 10)?,
                    theirs: side(row, 19)?,
                }),
            };
            Ok(Pair {
                peer: Peer {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    colour: row.get(2)?,
                    avatar: row.get(29)?,
                },
                my_keys: newest(row, 3)?,
                peer_keys: newest(row, 5)?,
                head: row.get(28)?,
                conversation,
            })
        },
    )?;
    if pair.peer.id == member {
        return Err(Error::field("with", "That is you. Nobody writes to themselves here."));
    }
    Ok(pair)
}

/// Those between whom and a member one has blocked the other.
///
/// # Errors
/// The database's.
pub fn blocked(db: &Reader, member: i64) -> Result<HashSet<i64>, Error> {
    let blocked = db.all(
        "select peer_id from dm_sides where user_id = ?1 and blocked_at is not null
         union
         select user_id from dm_sides where peer_id = ?1 and blocked_at is not null",
        [member],
        |row| row.get(0),
    )?;
    Ok(blocked.into_iter().collect())
}

fn newest(row: &Row, at: usize) -> rusqlite::Result<Option<Newest>> {
    Ok(match row.get(at)? {
        None => None,
        Some(identity) => Some(Newest {
            identity,
            index: row.get(at + 1)?,
        }),
    })
}

fn side(row: &Row, at: usize) -> rusqlite::Result<Side> {
    Ok(Side {
        counter: row.get(at)?,
        hash: row.get(at + 1)?,
        seen: row.get(at + 2)?,
        log_size: row.get(at + 3)?,
        read_seq: row.get(at + 4)?,
        accepted: row.get(at + 5)?,
        declined: row.get(at + 6)?,
        blocked: row.get(at + 7)?,
        muted: row.get(at + 8)?,
    })
}

/// A conversation in one's list.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Listed {
    pub with: Arc<str>,
    pub colour: Arc<str>,
    pub avatar: Option<Arc<str>>,
    pub last_seq: i64,
    pub read_seq: i64,
    pub at: i64,
    pub state: State,
    pub muted: bool,
    pub blocked: bool,
}

/// One's conversations that are not newer than `before` (Unix milliseconds), newest first: at most so many. What one
/// declined is not among them.
///
/// # Errors
/// The database's.
pub fn conversations(db: &Reader, member: i64, before: i64, limit: usize) -> Result<Vec<Listed>, Error> {
    db.all(
        "select u.name, coalesce(p.colour, 'paper'), c.last_seq, m.read_seq, c.at, m.accepted, o.accepted, m.muted_at is not null,
                m.blocked_at is not null, p.avatar
           from dm_sides m
           join dm_sides o on o.user_id = m.peer_id and o.peer_id = m.user_id
           join dm_conversations c on c.id = m.conversation_id
           join users u on u.id = m.peer_id
           left join faces p on p.user_id = u.id
          where m.user_id = ?1
            and c.at <= ?2
            and m.declined_at is null
            and (c.last_seq > 0 or m.blocked_at is not null or m.muted_at is not null)
          order by c.at desc, c.id desc
          limit ?3",
        params![member, before, limit as i64],
        |row| {
            let last_seq = row.get(2)?;
            Ok(Listed {
                with: row.get(0)?,
                colour: row.get(1)?,
                avatar: row.get(9)?,
                last_seq,
                read_seq: row.get(3)?,
                at: row.get(4)?,
                state: State::of(last_seq, row.get(5)?, row.get(6)?),
                muted: row.get(7)?,
                blocked: row.get(8)?,
            })
        },
    )
}

/// A message as it is kept.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: i64,
    pub seq: i64,
    /// Unix milliseconds.
    pub at: i64,
    /// 0: whose name comes first, bytewise; 1: the other.
    pub sender: u8,
    pub header: Vec<u8>,
    pub to_recipient: Option<Vec<u8>>,
    pub to_sender: Option<Vec<u8>>,
    pub recipient_sha256: [u8; 32],
    pub sender_sha256: [u8; 32],
    /// With what who hid their copy from themselves marked it.
    pub recipient_tag: Option<Vec<u8>>,
    pub sender_tag: Option<Vec<u8>>,
    /// The sender deleted it for both.
    pub removed: bool,
}

const COLUMNS: &str =
    "id, seq, at, sender, header, to_recipient, to_sender, recipient_sha256, sender_sha256, recipient_tag,
    sender_tag, removed_at is not null";

impl Message {
    fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            seq: row.get(1)?,
            at: row.get(2)?,
            sender: row.get(3)?,
            header: row.get(4)?,
            to_recipient: row.get(5)?,
            to_sender: row.get(6)?,
            recipient_sha256: row.get(7)?,
            sender_sha256: row.get(8)?,
            recipient_tag: row.get(9)?,
            sender_tag: row.get(10)?,
            removed: row.get(11)?,
        })
    }
}

/// One message of a conversation.
///
/// # Errors
/// [`Error::NotFound`].
pub fn message(db: &Reader, conversation: i64, id: i64) -> Result<Message, Error> {
    db.one(
        &format!("select {COLUMNS} from dm_messages where id = ?1 and conversation_id = ?2"),
        [id, conversation],
        Message::of,
    )
}

/// The message with this counter in a stream, if there is one.
///
/// # Errors
/// The database's.
pub fn sent(db: &Reader, conversation: i64, sender: u8, counter: i64) -> Result<Option<Message>, Error> {
    db.maybe(
        &format!("select {COLUMNS} from dm_messages where conversation_id = ?1 and sender = ?2 and counter = ?3"),
        params![conversation, sender, counter],
        Message::of,
    )
}

/// At most so many messages after the one with this `seq`, oldest first.
///
/// # Errors
/// The database's.
pub fn after(db: &Reader, conversation: i64, seq: i64, limit: usize) -> Result<Vec<Message>, Error> {
    db.all(
        &format!("select {COLUMNS} from dm_messages where conversation_id = ?1 and seq > ?2 order by seq limit ?3"),
        params![conversation, seq, limit as i64],
        Message::of,
    )
}

/// At most so many messages before the one with this `seq`, oldest first.
///
/// # Errors
/// The database's.
pub fn before(db: &Reader, conversation: i64, seq: i64, limit: usize) -> Result<Vec<Message>, Error> {
    let sql =
        format!("select {COLUMNS} from dm_messages where conversation_id = ?1 and seq < ?2 order by seq desc limit ?3");
    let mut found = db.all(&sql, params![conversation, seq, limit as i64], Message::of)?;
    found.reverse();
    Ok(found)
}

/// A sealed file: its size in bytes.
///
/// # Errors
/// [`Error::NotFound`] for one that isn't of this conversation, that the other hasn't sent yet, or whose message one
/// has deleted.
pub fn file(db: &Reader, conversation: i64, member: i64, side: u8, id: &str) -> Result<u64, Error> {
    db.one(
        "select f.size
           from dm_files f
           left join dm_messages m on m.id = f.message_id
          where f.id = ?1 and f.conversation_id = ?2
            and case when m.id is null then f.user_id = ?3
                     when m.sender = ?4 then m.to_sender is not null
                     else m.to_recipient is not null end",
        params![id, conversation, member, side],
        |row| row.get::<_, i64>(0).map(i64::unsigned_abs),
    )
}

/// Bytes that a member's files take.
///
/// # Errors
/// The database's.
pub fn stored_by(db: &Reader, member: i64) -> Result<u64, Error> {
    db.one(
        "select coalesce(sum(size), 0) from dm_files where user_id = ?1",
        [member],
        |row| row.get::<_, i64>(0).map(i64::unsigned_abs),
    )
}

/// With whom a member talks.
///
/// # Errors
/// The database's.
pub fn peers(db: &Reader, member: i64) -> Result<Vec<i64>, Error> {
    db.all("select peer_id from dm_sides where user_id = ?1", [member], |row| {
        row.get(0)
    })
}
