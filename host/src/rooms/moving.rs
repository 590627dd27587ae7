//! What one said in rooms, as it goes along: it comes back nowhere, because it belongs to conversations with others. And what goes
//! with an account: one's words everywhere, and one's name beside them. A mark stays where each message stood, so that what
//! others answered still hangs on something.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::Serialize;

use super::{
    live::{self, Told},
    mutations, queries,
};
use crate::{
    app::App,
    archive::Writer,
    db::{Db, Tx},
    error::Error,
    media,
};

/// Where it is in an archive.
pub const ROOMS: &str = "data/rooms.jsonl";
pub const MESSAGES: &str = "data/room-messages.jsonl";
/// Messages that are read at once.
const MESSAGES_AT_ONCE: usize = 200;

/// A room that one belongs to.
#[derive(Serialize)]
struct MovedRoom {
    room: String,
    topic: String,
    /// Whether every member may join; else by invitation.
    open: bool,
    /// Whether it is one's own.
    owner: bool,
    joined_at: i64,
}

/// Something that one said. Times are Unix milliseconds.
#[derive(Clone, Serialize)]
pub struct MovedMessage {
    pub room: String,
    pub id: i64,
    pub seq: i64,
    pub at: i64,
    /// As it was typed; empty once it was removed.
    pub content: String,
    /// The same, rendered.
    #[serde(skip)]
    pub html: String,
    pub edited_at: Option<i64>,
    /// What it said before, the oldest first.
    pub before: Vec<Before>,
    /// The message that it answers.
    pub reply_to: Option<i64>,
    /// In whose voice, when a command answered, and what one asked it.
    pub plugin: Option<String>,
    pub command: Option<String>,
    /// Who removed it: `author` or `owner`.
    pub deleted: Option<String>,
    /// Ids of `data/media.jsonl`.
    pub pictures: Vec<String>,
}

/// What a message said before it was edited.
#[derive(Clone, Serialize)]
pub struct Before {
    pub content: String,
    /// When it stopped saying so.
    pub until: i64,
}

/// Writes the rooms that a member belongs to, and what they said in any.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    let rooms = db.read(|db| {
        db.all(
            "select r.name, r.topic, r.open, r.owner_id is ?1, m.joined_at
               from room_members m
               join rooms r on r.id = m.room_id
              where m.user_id = ?1
              order by r.name",
            [user_id],
            |row| {
                Ok(MovedRoom {
                    room: row.get(0)?,
                    topic: row.get(1)?,
                    open: row.get(2)?,
                    owner: row.get(3)?,
                    joined_at: row.get(4)?,
                })
            },
        )
    })?;
    out.lines(ROOMS, |lines| rooms.iter().try_for_each(|room| lines.push(room)))?;
    let mut ids: Vec<i64> = spoken(db, user_id)?.into_values().flatten().collect();
    ids.sort_unstable();
    out.lines(MESSAGES, |lines| {
        for some in ids.chunks(MESSAGES_AT_ONCE) {
            let messages = said(db, user_id, some)?;
            messages.iter().try_for_each(|message| lines.push(message))?;
        }
        Ok(())
    })
}

/// The rooms in which a member said something, by name, and which messages that were, in order: their numbers fit into memory,
/// whatever somebody said.
///
/// # Errors
/// The database's.
pub fn spoken(db: &Db, user_id: i64) -> Result<BTreeMap<Arc<str>, Vec<i64>>, Error> {
    db.read(|db| {
        let names: HashMap<i64, Arc<str>> = db
            .all("select id, name from rooms", [], |row| Ok((row.get(0)?, row.get(1)?)))?
            .into_iter()
            .collect();
        let found = db.all(
            "select id, room_id from messages where user_id = ?1",
            [user_id],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        )?;
        let mut rooms: BTreeMap<Arc<str>, Vec<i64>> = BTreeMap::new();
        for (id, room) in found {
            if let Some(name) = names.get(&room) {
                rooms.entry(name.clone()).or_default().push(id);
            }
        }
        rooms.values_mut().for_each(|ids| ids.sort_unstable());
        Ok(rooms)
    })
}

/// These messages of a member's; those that aren't theirs any more are left out.
///
/// # Errors
/// The database's.
pub fn said(db: &Db, user_id: i64, ids: &[i64]) -> Result<Vec<MovedMessage>, Error> {
    db.read(|db| {
        let mut messages = Vec::with_capacity(ids.len());
        for id in ids {
            let found = db.maybe(
                "select r.name, m.id, m.seq, m.created_at, m.content, m.html, m.edited_at, m.reply_to, m.plugin, m.command,
                        m.deleted_by, m.pictures > 0
                   from messages m
                   join rooms r on r.id = m.room_id
                  where m.id = ?1 and m.user_id = ?2",
                [*id, user_id],
                |row| {
                    let moved = MovedMessage {
                        room: row.get(0)?,
                        id: row.get(1)?,
                        seq: row.get(2)?,
                        at: row.get(3)?,
                        content: row.get(4)?,
                        html: row.get(5)?,
                        edited_at: row.get(6)?,
                        before: Vec::new(),
                        reply_to: row.get(7)?,
                        plugin: row.get(8)?,
                        command: row.get(9)?,
                        deleted: row.get(10)?,
                        pictures: Vec::new(),
                    };
                    Ok((moved, row.get(11)?))
                },
            )?;
            let Some((mut message, shows_pictures)) = found else { continue };
            if shows_pictures {
                let pictures = media::pictures_of(db, "message", *id)?;
                message.pictures = pictures.iter().map(|picture| picture.id.to_string()).collect();
            }
            if message.edited_at.is_some() {
                message.before = db.all(
                    "select content, at from message_edits where message_id = ?1 order by id",
                    [*id],
                    |row| {
                        Ok(Before {
                            content: row.get(0)?,
                            until: row.get(1)?,
                        })
                    },
                )?;
            }
            messages.push(message);
        }
        Ok(messages)
    })
}

/// Takes back at most `most` messages of a member who leaves for good, those that a plugin wrote for them too, and says so to
/// whoever listens; answers how many there were. None are left when it answers 0.
///
/// # Errors
/// The database's.
pub fn forget(tx: &Tx, app: &App, user_id: i64, most: i64) -> Result<i64, Error> {
    let found = tx.all(
        "select m.id, m.room_id, r.name
           from messages m
           join rooms r on r.id = m.room_id
          where m.user_id = ?1
          limit ?2",
        [user_id, most],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)),
    )?;
    for (id, room_id, room) in &found {
        mutations::erase(tx, *room_id, *id)?;
        let (teller, room, message) = (app.clone(), room.clone(), queries::message(tx, *room_id, *id)?);
        tx.announce(move || live::tell(&teller, &room, &message, Told::Deleted, None));
    }
    Ok(found.len() as i64)
}

/// Takes a member's name out of what was done in rooms, and has their own rooms say that they belong to nobody now. Answers in
/// how many rooms they were.
///
/// # Errors
/// The database's.
pub fn leave_all(tx: &Tx, app: &App, user_id: i64, name: &str) -> Result<i64, Error> {
    tx.run("update room_log set actor = '' where actor = ?1", [name])?;
    tx.run("update room_log set subject = '' where subject = ?1", [name])?;
    let owned = tx.all(
        "update rooms set owner_id = null where owner_id = ?1 returning name, topic",
        [user_id],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    for (room, topic) in owned {
        let teller = app.clone();
        tx.announce(move || live::tell_changed(&teller, &room, &topic, None));
    }
    Ok(tx.run("delete from room_members where user_id = ?1", [user_id])? as i64)
}
