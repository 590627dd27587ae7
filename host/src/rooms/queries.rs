//! What rooms are read from. A room, and everything in it, is fetched through its viewer's rights: what one may not see
//! is not found. Pages follow one another by key; nothing is skipped over and nothing is counted.

use std::sync::Arc;

use rusqlite::{Row, params};
use serde::Serialize;

use crate::{
    db::Reader,
    error::Error,
    media::{self, Picture},
};

/// Mentions that are counted; more are "more".
pub const COUNTED_MOST: i64 = 100;
/// Characters of the message that one answers to.
const EXCERPT: usize = 90;
/// Rooms that one page lists.
const ROOMS: i64 = 200;

/// A room as one member stands to it.
#[derive(Clone, Debug)]
pub struct Room {
    pub id: i64,
    pub name: Arc<str>,
    pub topic: String,
    /// Whether every member may join; else by invitation.
    pub open: bool,
    pub owner: Option<Arc<str>>,
    pub last_seq: i64,
    pub last_change: i64,
    /// The newest message's; 0 in an empty room.
    pub last_id: i64,
    pub you: Standing,
}

/// How a member stands to a room.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Standing {
    pub joined: bool,
    pub invited: bool,
    pub owner: bool,
    pub muted: bool,
    pub banned: bool,
    pub read_seq: i64,
}

impl Room {
    /// # Errors
    /// [`Error::Forbidden`] for who is banned.
    pub fn readable(self) -> Result<Self, Error> {
        if self.you.banned {
            return Err(Error::Forbidden(format!(
                "You are banned from {}. Only its owner can take that back.",
                self.name
            )));
        }
        Ok(self)
    }

    /// # Errors
    /// [`Error::Forbidden`] for who doesn't belong to the room, is muted or banned.
    pub fn speakable(self) -> Result<Self, Error> {
        let room = self.readable()?;
        if !room.you.joined {
            return Err(Error::Forbidden(format!(
                "Only those who have joined {} talk in it. Join it first.",
                room.name
            )));
        }
        if room.you.muted {
            return Err(Error::Forbidden(format!(
                "You are muted in {}: you can read, and talk again once its owner unmutes you.",
                room.name
            )));
        }
        Ok(room)
    }

    /// # Errors
    /// [`Error::Forbidden`] for everyone but the owner.
    pub fn owned(self) -> Result<Self, Error> {
        let room = self.readable()?;
        if room.you.owner {
            return Ok(room);
        }
        Err(Error::Forbidden(match &room.owner {
            Some(owner) => format!("Only {owner}, who owns {}, does that.", room.name),
            None => format!("Nobody owns {}, so nobody does that.", room.name),
        }))
    }
}

/// A room, if this member may know of it: it is open, or they belong to it or are invited.
///
/// # Errors
/// [`Error::NotFound`].
pub fn room(db: &Reader, viewer: i64, name: &str) -> Result<Room, Error> {
    db.one(
        "select r.id, r.name, r.topic, r.open, o.name, r.last_seq, r.last_change,
                m.user_id is not null, i.user_id is not null, r.owner_id is ?1, m.muted_at is not null,
                b.user_id is not null, coalesce(m.read_seq, 0),
                coalesce((select id from messages where room_id = r.id order by seq desc limit 1), 0)
           from rooms r
           left join users o on o.id = r.owner_id
           left join room_members m on m.room_id = r.id and m.user_id = ?1
           left join room_invitations i on i.room_id = r.id and i.user_id = ?1
           left join room_bans b on b.room_id = r.id and b.user_id = ?1
          where r.name = ?2 and (r.open = 1 or m.user_id is not null or i.user_id is not null)",
        params![viewer, name],
        |row| {
            Ok(Room {
                id: row.get(0)?,
                name: row.get(1)?,
                topic: row.get(2)?,
                open: row.get(3)?,
                owner: row.get(4)?,
                last_seq: row.get(5)?,
                last_change: row.get(6)?,
                last_id: row.get(13)?,
                you: Standing {
                    joined: row.get(7)?,
                    invited: row.get(8)?,
                    owner: row.get(9)?,
                    muted: row.get(10)?,
                    banned: row.get(11)?,
                    read_seq: row.get(12)?,
                },
            })
        },
    )
}

/// The id of a room that a member talks in: a look at two rows, because it precedes every message. Who may not is told why.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub fn speaking_in(db: &Reader, viewer: i64, name: &str) -> Result<i64, Error> {
    // Who is banned doesn't belong to it.
    let found = db.maybe(
        "select r.id
           from rooms r
           join room_members m on m.room_id = r.id and m.user_id = ?1
          where r.name = ?2 and m.muted_at is null",
        params![viewer, name],
        |row| row.get(0),
    )?;
    match found {
        Some(id) => Ok(id),
        None => Ok(room(db, viewer, name)?.speakable()?.id),
    }
}

/// The name of the room that a message stands in; its rights are still to be asked for.
///
/// # Errors
/// [`Error::NotFound`].
pub fn room_of(db: &Reader, message_id: i64) -> Result<Arc<str>, Error> {
    db.one(
        "select r.name from messages m join rooms r on r.id = m.room_id where m.id = ?1",
        [message_id],
        |row| row.get(0),
    )
}

/// A room in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub name: Arc<str>,
    pub topic: String,
    pub open: bool,
    /// Messages that this member has not read.
    pub unread: i64,
    /// Those among them that name the member, [`COUNTED_MOST`] at most.
    pub mentions: i64,
}

/// The rooms that a member belongs to, by name.
///
/// # Errors
/// The database's.
pub fn own_rooms(db: &Reader, viewer: i64) -> Result<Vec<Listed>, Error> {
    db.all(
        "select r.name, r.topic, r.open, r.last_seq - m.read_seq,
                (select count(*)
                   from (select 1
                           from mentions
                          where user_id = ?1 and room_id = r.id and seq > m.read_seq
                          limit ?2))
           from room_members m
           join rooms r on r.id = m.room_id
          where m.user_id = ?1
          order by r.name",
        [viewer, COUNTED_MOST],
        listed,
    )
}

/// The rooms that a member could join: open ones by name, from after `after` on, and invitations.
///
/// # Errors
/// The database's.
pub fn other_rooms(db: &Reader, viewer: i64, after: &str) -> Result<Vec<Listed>, Error> {
    db.all(
        "select r.name, r.topic, r.open, 0, 0
           from rooms r
          where r.name > ?2
            and (r.open = 1 or exists (select 1 from room_invitations i where i.room_id = r.id and i.user_id = ?1))
            and not exists (select 1 from room_members m where m.room_id = r.id and m.user_id = ?1)
          order by r.name
          limit ?3",
        params![viewer, after, ROOMS],
        listed,
    )
}

fn listed(row: &Row) -> rusqlite::Result<Listed> {
    Ok(Listed {
        name: row.get(0)?,
        topic: row.get(1)?,
        open: row.get(2)?,
        unread: row.get(3)?,
        mentions: row.get(4)?,
    })
}

/// The ids of the rooms that a member may read: their own, and the open ones that they aren't banned from.
///
/// # Errors
/// The database's.
pub fn readable_rooms(db: &Reader, viewer: i64) -> Result<Vec<i64>, Error> {
    db.all(
        "select r.id
           from rooms r
          where (r.open = 1 or exists (select 1 from room_members m where m.room_id = r.id and m.user_id = ?1))
            and not exists (select 1 from room_bans b where b.room_id = r.id and b.user_id = ?1)
          order by r.id",
        [viewer],
        |row| row.get(0),
    )
}

/// A message, as everybody in the room sees it.
#[derive(Clone, Debug, Hash)]
pub struct Message {
    pub id: i64,
    pub seq: i64,
    /// Who may edit it; a plugin's message has who asked for it.
    pub user_id: Option<i64>,
    /// A member's name, or a plugin's.
    pub author: Arc<str>,
    pub colour: Arc<str>,
    /// The picture that stands for the member: its id.
    pub avatar: Option<Arc<str>>,
    pub plugin: Option<Arc<str>>,
    /// Who asked the plugin, and what.
    pub by: Option<Arc<str>>,
    pub command: Option<String>,
    pub reply: Option<Reply>,
    pub thread_id: Option<i64>,
    /// As it was typed; empty once it is removed.
    pub content: String,
    pub html: String,
    /// The names in it, with a space between.
    pub mentions: String,
    pub created_at: i64,
    pub edited_at: Option<i64>,
    /// Who removed it: `author` or `owner`.
    pub deleted: Option<String>,
    /// The room's `last_change` when it was edited or removed last.
    pub change: Option<i64>,
    /// How many pictures were sent with it, and those that are still there.
    pub sent_pictures: u32,
    pub pictures: Vec<Picture>,
}

/// What a message answers to.
#[derive(Clone, Debug, Hash, Serialize)]
pub struct Reply {
    pub id: i64,
    pub user: Arc<str>,
    /// How it begins; empty when it was removed.
    pub excerpt: String,
}

impl Reply {
    /// What a message begins with, on one line; or what it has instead of words.
    pub fn to(id: i64, user: Arc<str>, content: &str, pictures: u32) -> Self {
        let content = match (content, pictures) {
            ("", 1) => "a picture",
            ("", 2..) => "pictures",
            (content, _) => content,
        };
        let line = content.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut excerpt: String = line.chars().take(EXCERPT).collect();
        if excerpt.len() < line.len() {
            excerpt.push('…');
        }
        Self { id, user, excerpt }
    }
}

/// A message's columns, and what follows them.
macro_rules! messages {
    ($rest:literal) => {
        concat!(
            "select m.id, m.seq, m.user_id, m.author, coalesce(p.colour, 'paper'), m.plugin,
                    case when m.plugin is not null then u.name end, m.command,
                    m.thread_id, m.content, m.html, m.mentions, m.created_at, m.edited_at, m.deleted_by, m.change,
                    a.id, a.author, substr(a.content, 1, 200), m.pictures, a.pictures,
                    case when m.plugin is null then p.avatar end
               from messages m
               left join users u on u.id = m.user_id
               left join faces p on p.user_id = m.user_id
               left join messages a on a.id = m.reply_to ",
            $rest
        )
    };
}

fn message_of(row: &Row) -> rusqlite::Result<Message> {
    let reply = match row.get::<_, Option<i64>>(16)? {
        Some(id) => Some(Reply::to(id, row.get(17)?, &row.get::<_, String>(18)?, row.get(20)?)),
        None => None,
    };
    Ok(Message {
        id: row.get(0)?,
        seq: row.get(1)?,
        user_id: row.get(2)?,
        author: row.get(3)?,
        colour: row.get(4)?,
        avatar: row.get(21)?,
        plugin: row.get(5)?,
        by: row.get(6)?,
        command: row.get(7)?,
        thread_id: row.get(8)?,
        content: row.get(9)?,
        html: row.get(10)?,
        mentions: row.get(11)?,
        created_at: row.get(12)?,
        edited_at: row.get(13)?,
        deleted: row.get(14)?,
        change: row.get(15)?,
        sent_pictures: row.get(19)?,
        pictures: Vec::new(),
        reply,
    })
}

/// The messages with their pictures; most have none, and nothing is asked for those.
fn with_pictures(db: &Reader, mut messages: Vec<Message>) -> Result<Vec<Message>, Error> {
    for message in messages.iter_mut().filter(|message| message.sent_pictures > 0) {
        message.pictures = media::pictures_of(db, "message", message.id)?;
    }
    Ok(messages)
}

/// One message of a room.
///
/// # Errors
/// [`Error::NotFound`], also for one of another room.
pub fn message(db: &Reader, room_id: i64, id: i64) -> Result<Message, Error> {
    let message = db.one(
        messages!("where m.id = ?1 and m.room_id = ?2"),
        [id, room_id],
        message_of,
    )?;
    with_pictures(db, vec![message])?.pop().ok_or(Error::NotFound)
}

/// The message that a member has sent with this nonce, and the room it stands in.
///
/// # Errors
/// The database's.
pub fn sent(db: &Reader, user_id: i64, nonce: &str) -> Result<Option<(Message, Arc<str>)>, Error> {
    let found = db.maybe(
        messages!("where m.user_id = ?1 and m.nonce = ?2"),
        params![user_id, nonce],
        message_of,
    )?;
    let found = with_pictures(db, found.into_iter().collect())?.pop();
    found
        .map(|message| Ok((room_of(db, message.id)?, message)))
        .transpose()
        .map(|found| found.map(|(room, message)| (message, room)))
}

/// Whether a message has pictures; its rights are still to be asked for.
///
/// # Errors
/// The database's.
pub fn has_pictures(db: &Reader, id: i64) -> Result<bool, Error> {
    let found = db.maybe("select pictures > 0 from messages where id = ?1", [id], |row| {
        row.get(0)
    })?;
    Ok(found.unwrap_or(false))
}

/// Where in a room a message stands; 0 for the beginning.
///
/// # Errors
/// [`Error::Invalid`] for a message that isn't in this room.
pub fn seq_of(db: &Reader, room_id: i64, field: &str, id: i64) -> Result<i64, Error> {
    if id == 0 {
        return Ok(0);
    }
    db.maybe(
        "select seq from messages where id = ?1 and room_id = ?2",
        [id, room_id],
        |row| row.get(0),
    )?
    .ok_or_else(|| Error::field(field, "There is no message with this id in the room."))
}

/// The messages after a place, oldest first.
///
/// # Errors
/// The database's.
pub fn after(db: &Reader, room_id: i64, seq: i64, limit: usize) -> Result<Vec<Message>, Error> {
    let found = db.all(
        messages!("where m.room_id = ?1 and m.seq > ?2 order by m.seq limit ?3"),
        params![room_id, seq, limit as i64],
        message_of,
    )?;
    with_pictures(db, found)
}

/// The messages before a place, oldest first: those nearest to it.
///
/// # Errors
/// The database's.
pub fn before(db: &Reader, room_id: i64, seq: i64, limit: usize) -> Result<Vec<Message>, Error> {
    let mut found = db.all(
        messages!("where m.room_id = ?1 and m.seq < ?2 order by m.seq desc limit ?3"),
        params![room_id, seq, limit as i64],
        message_of,
    )?;
    found.reverse();
    with_pictures(db, found)
}

/// The messages that were edited or removed after a change, in that order.
///
/// # Errors
/// The database's.
pub fn changed(db: &Reader, room_id: i64, change: i64, limit: usize) -> Result<Vec<Message>, Error> {
    let found = db.all(
        messages!("where m.room_id = ?1 and m.change > ?2 order by m.change limit ?3"),
        params![room_id, change, limit as i64],
        message_of,
    )?;
    with_pictures(db, found)
}

/// The answers in a thread, oldest first, from after a message on.
///
/// # Errors
/// The database's.
pub fn thread(db: &Reader, room_id: i64, root: i64, after: i64, limit: usize) -> Result<Vec<Message>, Error> {
    let found = db.all(
        messages!("where m.thread_id = ?1 and m.id > ?2 and m.room_id = ?3 order by m.id limit ?4"),
        params![root, after, room_id, limit as i64],
        message_of,
    )?;
    with_pictures(db, found)
}

/// What a message said before, oldest first; and until when.
///
/// # Errors
/// The database's.
pub fn edits(db: &Reader, message_id: i64) -> Result<Vec<(String, i64)>, Error> {
    db.all(
        "select content, at from message_edits where message_id = ?1 order by id",
        [message_id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Somebody who belongs to a room.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    pub name: String,
    pub colour: String,
    pub avatar: Option<String>,
    pub muted: bool,
    pub owner: bool,
}

/// Who belongs to a room, by name, from after `after` on.
///
/// # Errors
/// The database's.
pub fn people(db: &Reader, room_id: i64, after: &str, limit: i64) -> Result<Vec<Person>, Error> {
    db.all(
        "select u.name, p.colour, m.muted_at is not null, r.owner_id is u.id, p.avatar
           from room_members m
           join rooms r on r.id = m.room_id
           join users u on u.id = m.user_id
           join faces p on p.user_id = u.id
          where m.room_id = ?1 and u.name > ?2 and u.leaving_at is null
          order by u.name
          limit ?3",
        params![room_id, after, limit],
        |row| {
            Ok(Person {
                name: row.get(0)?,
                colour: row.get(1)?,
                avatar: row.get(4)?,
                muted: row.get(2)?,
                owner: row.get(3)?,
            })
        },
    )
}

/// Who is banned from a room, and who is invited and has not come, by name.
///
/// # Errors
/// The database's.
pub fn outsiders(db: &Reader, room_id: i64, limit: i64) -> Result<(Vec<String>, Vec<String>), Error> {
    let names = |sql| db.all(sql, [room_id, limit], |row| row.get(0));
    Ok((
        names(
            "select u.name from room_bans b join users u on u.id = b.user_id where b.room_id = ?1 order by u.name limit ?2",
        )?,
        names(
            "select u.name from room_invitations i join users u on u.id = i.user_id where i.room_id = ?1 order by u.name limit ?2",
        )?,
    ))
}

/// Something that was done in a room.
#[derive(Clone, Debug)]
pub struct Deed {
    pub id: i64,
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub detail: String,
    pub at: i64,
}

/// What was done in a room, newest first, from before an id on.
///
/// # Errors
/// The database's.
pub fn log(db: &Reader, room_id: i64, before: i64, limit: usize) -> Result<Vec<Deed>, Error> {
    db.all(
        "select id, actor, action, subject, detail, at
           from room_log
          where room_id = ?1 and id < ?2
          order by id desc
          limit ?3",
        params![room_id, before, limit as i64],
        |row| {
            Ok(Deed {
                id: row.get(0)?,
                actor: row.get(1)?,
                action: row.get(2)?,
                subject: row.get(3)?,
                detail: row.get(4)?,
                at: row.get(5)?,
            })
        },
    )
}

/// A room's newest seq, and of those of its members whom `of` picks: who, how far they have read, and how many messages
/// after that name them.
///
/// # Errors
/// [`Error::NotFound`].
pub fn unread_of(db: &Reader, name: &str, of: impl Fn(i64) -> bool) -> Result<(i64, Vec<(i64, i64, i64)>), Error> {
    let (room_id, last_seq): (i64, i64) = db.one("select id, last_seq from rooms where name = ?1", [name], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let mut members = db.all(
        "select user_id, read_seq, 0 from room_members where room_id = ?1 and read_seq < ?2",
        [room_id, last_seq],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    members.retain(|(user, ..)| of(*user));
    for (user, read_seq, mentions) in &mut members {
        *mentions = mentions_after(db, *user, room_id, *read_seq)?;
    }
    Ok((last_seq, members))
}

/// How much of a room a member has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    pub count: i64,
    pub mentions: i64,
    pub read_seq: i64,
    pub last_seq: i64,
}

/// How much of a room its viewer has not read.
///
/// # Errors
/// The database's.
pub fn unread(db: &Reader, room: &Room, viewer: i64) -> Result<Unread, Error> {
    let read_seq = room.you.read_seq;
    Ok(Unread {
        count: room.last_seq - read_seq,
        mentions: mentions_after(db, viewer, room.id, read_seq)?,
        read_seq,
        last_seq: room.last_seq,
    })
}

/// How many messages after a place name a member, [`COUNTED_MOST`] at most.
///
/// # Errors
/// The database's.
pub fn mentions_after(db: &Reader, user_id: i64, room_id: i64, seq: i64) -> Result<i64, Error> {
    db.one(
        "select count(*) from (select 1 from mentions where user_id = ?1 and room_id = ?2 and seq > ?3 limit ?4)",
        [user_id, room_id, seq, COUNTED_MOST],
        |row| row.get(0),
    )
}
