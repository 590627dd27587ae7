//! What one said in rooms, as it goes along. It comes back into no room, because it belongs to conversations with others: what is
//! brought from elsewhere is kept for oneself alone. And what goes with an account: one's words everywhere, and one's name beside them. A mark stays where each message stood, so that what
//! others answered still hangs on something.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{
    CONTENT_MOST,
    live::{self, Told},
    mutations, queries,
};
use crate::{
    app::{App, now_ms},
    archive::{self, Archive, Writer},
    db::{Db, Reader, Tx},
    error::Error,
    markdown, media,
};

/// Where it is in an archive.
pub const ROOMS: &str = "data/rooms.jsonl";
pub const MESSAGES: &str = "data/room-messages.jsonl";
/// What was brought from elsewhere.
const ELSEWHERE: &str = "data/rooms-elsewhere.jsonl";
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
#[derive(Clone, Deserialize, Serialize)]
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
    #[serde(default)]
    pub pictures: Vec<String>,
}

/// What a message said before it was edited.
#[derive(Clone, Deserialize, Serialize)]
pub struct Before {
    pub content: String,
    /// When it stopped saying so.
    pub until: i64,
}

/// Something that one said in a room of another place.
#[derive(Clone, Deserialize, Serialize)]
pub struct Elsewhere {
    /// What that place calls itself.
    pub node: String,
    #[serde(flatten)]
    pub said: MovedMessage,
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
    })?;
    out.lines(ELSEWHERE, |lines| {
        let mut after = (i64::MIN, 0);
        loop {
            let found = db.read(|db| {
                db.all(
                    "select at, id, node, said from brought_messages
                      where user_id = ?1 and (at, id) > (?2, ?3) order by at, id limit ?4",
                    params![user_id, after.0, after.1, MESSAGES_AT_ONCE as i64],
                    |row| {
                        Ok((
                            (row.get(0)?, row.get(1)?),
                            row.get::<_, String>(2)?,
                            row.get::<_, String>(3)?,
                        ))
                    },
                )
            })?;
            let Some((last, ..)) = found.last() else { return Ok(()) };
            after = *last;
            for (_, node, said) in found {
                let said = serde_json::from_str(&said).map_err(Error::internal)?;
                lines.push(&Elsewhere { node, said })?;
            }
        }
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

/// Messages of one archive, and bytes of what they say: they come in one transaction.
const MESSAGES_MOST: usize = 50_000;
const BYTES_MOST: usize = 32 << 20;
/// Characters of a room's name, of a command, of what a place calls itself.
const NAME_MOST: usize = 200;
const COMMAND_MOST: usize = 4_000;
/// Pictures of one message.
const PICTURES_MOST: usize = 32;
/// Messages on one page.
const PAGE: i64 = 100;

/// What was said in rooms, in an archive that was made at `node`: there, and what had been brought there.
///
/// # Errors
/// [`Error::Invalid`] for what nobody says in a room of ours.
pub fn read(archive: &Archive, node: &str) -> Result<Vec<Elsewhere>, Error> {
    let (mut all, mut bytes, mut ids) = (Vec::new(), 0, HashSet::new());
    let mut take = |it: Elsewhere| {
        let said = &it.said;
        let wrong = |why: &str| Err(archive::refused(format!("the message {} in a room {why}", said.id)));
        let is_name =
            |name: &str| !name.is_empty() && name.chars().count() <= NAME_MOST && !name.chars().any(char::is_control);
        if !is_name(&said.room) || !(it.node.is_empty() || is_name(&it.node)) {
            return wrong("was said where nobody can say anything");
        }
        let long: usize = said.content.len() + said.before.iter().map(|before| before.content.len()).sum::<usize>();
        let content_fits = |content: &str| content.chars().count() <= CONTENT_MOST;
        let contents_fit = content_fits(&said.content)
            && said.before.len() as i64 <= mutations::EDITS_MOST
            && said.before.iter().all(|before| content_fits(&before.content));
        let words = [(&said.plugin, NAME_MOST), (&said.command, COMMAND_MOST)];
        let fits =
            |(text, most): &(&Option<String>, usize)| text.as_ref().is_none_or(|text| text.chars().count() <= *most);
        let ids_fit = said.pictures.len() <= PICTURES_MOST && said.pictures.iter().all(|id| id.len() <= NAME_MOST);
        if !contents_fit || !words.iter().all(fits) || !ids_fit {
            return wrong("is longer than can be");
        }
        if !matches!(said.deleted.as_deref(), None | Some("author" | "owner")) {
            return wrong("was taken down by nobody who could");
        }
        bytes += long;
        if bytes > BYTES_MOST || all.len() >= MESSAGES_MOST {
            return wrong("is more than one archive may say");
        }
        if !ids.insert((it.node.clone(), said.id)) {
            return wrong("is in it twice");
        }
        all.push(it);
        Ok(())
    };
    archive.lines(MESSAGES, MESSAGES_MOST, |said: MovedMessage| {
        take(Elsewhere {
            node: node.to_owned(),
            said,
        })
    })?;
    archive.lines(ELSEWHERE, MESSAGES_MOST, &mut take)?;
    Ok(all)
}

/// Keeps what was said elsewhere, each message once. `media` has the ids here of pictures there.
///
/// # Errors
/// The database's.
pub fn import(tx: &Tx, user_id: i64, all: &[Elsewhere], media: &HashMap<String, String>) -> Result<(), Error> {
    for it in all {
        let mut said = it.said.clone();
        said.at = said.at.clamp(0, now_ms());
        // One that isn't in the archive, or was taken out of the library since, is nobody's to be shown.
        said.pictures = said.pictures.iter().filter_map(|id| media.get(id).cloned()).collect();
        tx.run(
            "insert into brought_messages (user_id, node, room, message, at, said) values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict do nothing",
            params![
                user_id,
                it.node,
                said.room,
                said.id,
                said.at,
                serde_json::to_string(&said).map_err(Error::internal)?
            ],
        )?;
    }
    let kept: i64 = tx.one(
        "select count(*) from brought_messages where user_id = ?1",
        [user_id],
        |row| row.get(0),
    )?;
    match kept as usize > 2 * MESSAGES_MOST {
        true => Err(Error::Conflict(format!(
            "You would have {kept} messages from elsewhere, and {} is the most.",
            2 * MESSAGES_MOST
        ))),
        false => Ok(()),
    }
}

/// Whether a member brought something that they said elsewhere.
///
/// # Errors
/// The database's.
pub fn has_brought(db: &Reader, user_id: i64) -> Result<bool, Error> {
    let any = "select 1 from brought_messages where user_id = ?1 limit 1";
    Ok(db.maybe(any, [user_id], |_| Ok(()))?.is_some())
}

/// What a member said elsewhere, the newest first, before a place in that list; and the place where older ones begin.
///
/// # Errors
/// The database's.
pub fn brought(db: &Reader, user_id: i64, before: (i64, i64)) -> Result<(Vec<Elsewhere>, Option<(i64, i64)>), Error> {
    let mut found = db.all(
        "select at, id, node, said from brought_messages
          where user_id = ?1 and (at, id) < (?2, ?3) order by at desc, id desc limit ?4",
        params![user_id, before.0, before.1, PAGE + 1],
        |row| {
            let place: (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((place, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
        },
    )?;
    let is_more = found.len() as i64 > PAGE;
    found.truncate(PAGE as usize);
    let older = found.last().map(|(place, ..)| *place).filter(|_| is_more);
    let of = |(_, node, said): ((i64, i64), String, String)| {
        let mut said: MovedMessage = serde_json::from_str(&said).map_err(Error::internal)?;
        said.html = markdown::render(&said.content).html;
        Ok(Elsewhere { node, said })
    };
    Ok((found.into_iter().map(of).collect::<Result<_, Error>>()?, older))
}

/// Takes away at most `most` messages that a member brought from elsewhere; answers how many there were.
///
/// # Errors
/// The database's.
pub fn forget_brought(tx: &Tx, user_id: i64, most: i64) -> Result<i64, Error> {
    let taken = tx.run(
        "delete from brought_messages where id in (select id from brought_messages where user_id = ?1 limit ?2)",
        [user_id, most],
    )?;
    Ok(taken as i64)
}
