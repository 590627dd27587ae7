//! What is written in rooms. Each function is a closure's worth of SQL: it looks at the rights anew, because they may have
//! changed since the writer was asked.

use std::sync::Arc;

use rusqlite::params;

use super::{
    commands::Asked,
    queries::{self, Message, Reply, Room, Standing, Unread},
    search, topic,
};
use crate::{app::now_ms, db::Tx, error::Error, media, session::Member};

/// Rooms that one member may own.
const OWNED_MOST: i64 = 20;
/// Invitations to one room that wait for an answer.
const INVITED_MOST: i64 = 500;
/// Edits of one message that are kept; then it can't be edited any more.
pub(super) const EDITS_MOST: i64 = 50;

/// Makes a room; its maker owns it and belongs to it.
///
/// # Errors
/// [`Error::Invalid`] for a name that is taken; [`Error::Conflict`] for who owns too many.
pub fn create(tx: &Tx, owner: &Member, name: &str, topic: &str, open: bool) -> Result<(), Error> {
    let owned: i64 = tx.one("select count(*) from rooms where owner_id = ?1", [owner.id], |row| {
        row.get(0)
    })?;
    if owned >= OWNED_MOST {
        return Err(Error::Conflict(format!(
            "One member owns at most {OWNED_MOST} rooms. Leave one of yours first: it stays, and belongs to nobody then."
        )));
    }
    let now = now_ms();
    let made = tx.run(
        "insert into rooms (name, topic, open, owner_id, created_at)
         values (?1, ?2, ?3, ?4, ?5)
             on conflict (name) do nothing",
        params![name, topic, open, owner.id, now],
    )?;
    if made == 0 {
        return Err(Error::field("name", "There is a room of this name already."));
    }
    let id = tx.last_id();
    tx.run(
        "insert into room_members (room_id, user_id, joined_at) values (?1, ?2, ?3)",
        [id, owner.id, now],
    )?;
    note(
        tx,
        id,
        &owner.name,
        "create",
        "",
        if open { "open" } else { "by invitation" },
    )
}

/// Makes somebody belong to a room, if they don't; whether they didn't.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] for who is banned.
pub fn join(tx: &Tx, member: &Member, name: &str) -> Result<bool, Error> {
    let room = queries::room(tx, member.id, name)?.readable()?;
    // One who comes has not missed what was said before.
    let joined = tx.run(
        "insert into room_members (room_id, user_id, joined_at, read_seq)
         values (?1, ?2, ?3, ?4)
             on conflict do nothing",
        params![room.id, member.id, now_ms(), room.last_seq],
    )?;
    tx.run(
        "delete from room_invitations where room_id = ?1 and user_id = ?2",
        [room.id, member.id],
    )?;
    Ok(joined > 0)
}

/// Ends somebody's belonging to a room. An owner's room stays, and belongs to nobody then.
///
/// # Errors
/// [`Error::NotFound`] for a room that one doesn't belong to.
pub fn leave(tx: &Tx, member: &Member, name: &str) -> Result<Room, Error> {
    let room = queries::room(tx, member.id, name)?;
    put_out(tx, room.id, member.id)?;
    if room.you.owner {
        tx.run("update rooms set owner_id = null where id = ?1", [room.id])?;
        note(
            tx,
            room.id,
            &member.name,
            "leave",
            "",
            "The room stays, and nobody owns it now.",
        )?;
    }
    Ok(room)
}

fn put_out(tx: &Tx, room_id: i64, user_id: i64) -> Result<(), Error> {
    let gone = tx.run(
        "delete from room_members where room_id = ?1 and user_id = ?2",
        [room_id, user_id],
    )?;
    tx.run(
        "delete from mentions where room_id = ?1 and user_id = ?2",
        [room_id, user_id],
    )?;
    if gone == 0 { Err(Error::NotFound) } else { Ok(()) }
}

fn note(tx: &Tx, room_id: i64, actor: &str, action: &str, subject: &str, detail: &str) -> Result<(), Error> {
    tx.run(
        "insert into room_log (room_id, actor, action, subject, detail, at) values (?1, ?2, ?3, ?4, ?5, ?6)",
        params![room_id, actor, action, subject, detail, now_ms()],
    )?;
    Ok(())
}

/// Changes what a room is about.
///
/// # Errors
/// [`Error::Forbidden`] for everyone but the owner.
pub fn set_topic(tx: &Tx, owner: &Member, name: &str, topic: &str) -> Result<(), Error> {
    let room = queries::room(tx, owner.id, name)?.owned()?;
    tx.run("update rooms set topic = ?2 where id = ?1", params![room.id, topic])?;
    note(tx, room.id, &owner.name, "topic", "", topic)
}

/// Gives the lobby to a member, or to nobody; its topic, if that changed anything.
///
/// # Errors
/// [`Error::NotFound`] for a name that nobody has.
pub fn give_lobby(tx: &Tx, owner: Option<&str>) -> Result<Option<String>, Error> {
    let id = match owner {
        Some(name) => Some(tx.one(
            "select id from users where name = ?1 and left_at is null",
            [name],
            |row| row.get::<_, i64>(0),
        )?),
        None => None,
    };
    let given = tx.maybe(
        "update rooms set owner_id = ?1 where name = 'lobby' and owner_id is not ?1 returning id, topic",
        [id],
        |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)),
    )?;
    let Some((room_id, topic)) = given else { return Ok(None) };
    if let (Some(id), Some(owner)) = (id, owner) {
        tx.run(
            "insert into room_members (room_id, user_id, joined_at) values (?1, ?2, ?3) on conflict do nothing",
            [room_id, id, now_ms()],
        )?;
        note(tx, room_id, owner, "owner", "", "")?;
    }
    Ok(Some(topic))
}

/// What an owner does to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Invite,
    Mute,
    Unmute,
    /// Out, and may come back.
    Kick,
    /// Out, and may not.
    Ban,
    Unban,
}

impl Measure {
    /// Its name in the log, in addresses and on buttons.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Kick => "kick",
            Self::Ban => "ban",
            Self::Unban => "unban",
        }
    }
}

/// Does something to somebody; answers their id.
///
/// # Errors
/// [`Error::Forbidden`] for everyone but the owner; [`Error::Invalid`] for a name that it can't be done to.
pub fn measure(tx: &Tx, owner: &Member, name: &str, measure: Measure, user: &str) -> Result<i64, Error> {
    let room = queries::room(tx, owner.id, name)?.owned()?;
    let subject: i64 = tx
        .maybe(
            "select id from users where name = ?1 and left_at is null",
            [user],
            |row| row.get(0),
        )?
        .ok_or_else(|| Error::field("user", "Nobody here has that name."))?;
    if subject == owner.id {
        return Err(Error::field("user", "That is you. Name somebody else."));
    }
    let (at, now) = ([room.id, subject], now_ms());
    let done = match measure {
        Measure::Invite => {
            invitable(tx, &room, subject)?;
            tx.run(
                "insert into room_invitations (room_id, user_id, by_id, at) values (?1, ?2, ?3, ?4) on conflict do nothing",
                params![room.id, subject, owner.id, now],
            )?
        }
        Measure::Mute => tx.run(
            "update room_members set muted_at = ?3 where room_id = ?1 and user_id = ?2 and muted_at is null",
            params![room.id, subject, now],
        )?,
        Measure::Unmute => tx.run(
            "update room_members set muted_at = null where room_id = ?1 and user_id = ?2 and muted_at is not null",
            at,
        )?,
        Measure::Kick => usize::from(put_out(tx, room.id, subject).is_ok()),
        Measure::Ban => {
            let _ = put_out(tx, room.id, subject);
            tx.run("delete from room_invitations where room_id = ?1 and user_id = ?2", at)?;
            tx.run(
                "insert into room_bans (room_id, user_id, by_id, at) values (?1, ?2, ?3, ?4) on conflict do nothing",
                params![room.id, subject, owner.id, now],
            )?
        }
        Measure::Unban => tx.run("delete from room_bans where room_id = ?1 and user_id = ?2", at)?,
    };
    if done == 0 {
        return Err(Error::field("user", nothing_to_do(measure, user)));
    }
    note(tx, room.id, &owner.name, measure.name(), user, "")?;
    Ok(subject)
}

fn invitable(tx: &Tx, room: &Room, subject: i64) -> Result<(), Error> {
    let has = |sql| tx.maybe(sql, [room.id, subject], |_| Ok(()));
    if has("select 1 from room_members where room_id = ?1 and user_id = ?2")?.is_some() {
        return Err(Error::field("user", "They are in the room already."));
    }
    if has("select 1 from room_bans where room_id = ?1 and user_id = ?2")?.is_some() {
        return Err(Error::field("user", "They are banned from here. Take that back first."));
    }
    let waiting: i64 = tx.one(
        "select count(*) from room_invitations where room_id = ?1",
        [room.id],
        |row| row.get(0),
    )?;
    if waiting >= INVITED_MOST {
        return Err(Error::Conflict(format!(
            "At most {INVITED_MOST} invitations to one room can wait for an answer."
        )));
    }
    Ok(())
}

fn nothing_to_do(measure: Measure, user: &str) -> String {
    match measure {
        Measure::Invite => format!("{user} is invited already."),
        Measure::Mute => format!("{user} is muted already, or isn't in the room."),
        Measure::Unmute => format!("{user} isn't muted here."),
        Measure::Kick => format!("{user} isn't in the room."),
        Measure::Ban => format!("{user} is banned already."),
        Measure::Unban => format!("{user} isn't banned from here."),
    }
}

/// A message about to be written; everything in it is checked and rendered.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub room: Arc<str>,
    pub content: String,
    pub html: String,
    pub mentions: Vec<String>,
    pub nonce: Option<String>,
    pub reply_to: Option<i64>,
    /// In whose voice, if not in the member's own.
    pub asked: Option<Asked>,
    /// The ids of its pictures, in the member's library.
    pub pictures: Vec<String>,
}

/// A message that stands.
#[derive(Clone, Debug)]
pub struct Posted {
    pub room: Arc<str>,
    pub message: Message,
    /// It was sent before, with the same nonce: nothing was written now.
    pub repeated: bool,
}

/// Writes a message and gives it its number.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] for an answer to what isn't in this room.
pub fn post(tx: &Tx, member: &Member, new: NewMessage) -> Result<Posted, Error> {
    if let Some(nonce) = &new.nonce
        && let Some((message, room)) = queries::sent(tx, member.id, nonce)?
    {
        return Ok(Posted {
            room,
            message,
            repeated: true,
        });
    }
    let room_id = queries::speaking_in(tx, member.id, &new.room)?;
    let (reply, thread_id) = match new.reply_to {
        Some(id) => {
            let to = queries::message(tx, room_id, id)
                .ok()
                .filter(|to| to.deleted.is_none())
                .ok_or_else(|| Error::field("reply_to", "What you answer to isn't in this room any more."))?;
            let root = to.thread_id.unwrap_or(to.id);
            (
                Some(Reply::to(to.id, to.author, &to.content, to.sent_pictures)),
                Some(root),
            )
        }
        None => (None, None),
    };
    let seq: i64 = tx.one(
        "update rooms set last_seq = last_seq + 1 where id = ?1 returning last_seq",
        [room_id],
        |row| row.get(0),
    )?;
    let now = now_ms();
    let mentions = new.mentions.join(" ");
    let plugin: Option<Arc<str>> = new.asked.as_ref().map(|asked| asked.plugin.clone());
    let command = new.asked.map(|asked| asked.command);
    let author = plugin.clone().unwrap_or_else(|| member.name.clone());
    tx.run(
        "insert into messages (room_id, seq, user_id, author, plugin, command, reply_to, thread_id, content, html, mentions,
                               nonce, created_at, pictures)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            room_id,
            seq,
            member.id,
            author,
            plugin,
            command,
            reply.as_ref().map(|to| to.id),
            thread_id,
            new.content,
            new.html,
            mentions,
            new.nonce,
            now,
            new.pictures.len() as i64
        ],
    )?;
    let id = tx.last_id();
    let mut pictures = Vec::with_capacity(new.pictures.len());
    for picture in &new.pictures {
        let picture = media::picture(tx, member.id, picture)?;
        let (topic, href) = (topic(&new.room), format!("/rooms/{}/messages/{id}", new.room));
        media::attach(tx, &picture.id, "message", id, &topic, &href)?;
        pictures.push(picture);
    }
    mention(tx, room_id, seq, id, member.id, &new.mentions)?;
    search::note(tx, id)?;
    // Who talks has read what stands above.
    tx.run(
        "update room_members set read_seq = ?3 where room_id = ?1 and user_id = ?2 and read_seq < ?3",
        [room_id, member.id, seq],
    )?;
    Ok(Posted {
        room: new.room,
        message: Message {
            id,
            seq,
            user_id: Some(member.id),
            author,
            colour: member.colour.clone(),
            avatar: member.avatar.clone().filter(|_| plugin.is_none()),
            by: plugin.is_some().then(|| member.name.clone()),
            plugin,
            command,
            reply,
            thread_id,
            content: new.content,
            html: new.html,
            mentions,
            created_at: now,
            edited_at: None,
            deleted: None,
            change: None,
            sent_pictures: pictures.len() as u32,
            pictures,
        },
        repeated: false,
    })
}

/// Notes whom a message names: of those in the room, and not oneself.
fn mention(tx: &Tx, room_id: i64, seq: i64, id: i64, author: i64, names: &[String]) -> Result<(), Error> {
    for name in names {
        tx.run(
            "insert into mentions (user_id, room_id, seq, message_id)
             select u.id, ?2, ?3, ?4
               from users u
               join room_members m on m.user_id = u.id and m.room_id = ?2
              where u.name = ?1 and u.id <> ?5
                 on conflict do nothing",
            params![name, room_id, seq, id, author],
        )?;
    }
    Ok(())
}

/// New words for a message.
#[derive(Clone, Debug)]
pub struct Edit {
    pub id: i64,
    pub content: String,
    pub html: String,
    pub mentions: Vec<String>,
}

/// Gives one's own message new words; the old ones are kept for the room to see.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] for another's; [`Error::Conflict`] when it is removed or was edited too often.
pub fn edit(tx: &Tx, member: &Member, room: &str, edit: Edit) -> Result<Message, Error> {
    let room = queries::room(tx, member.id, room)?.speakable()?;
    let old = queries::message(tx, room.id, edit.id)?;
    if old.user_id != Some(member.id) || old.plugin.is_some() {
        return Err(Error::Forbidden(format!(
            "Only {} edits that. You edit what you said yourself.",
            if old.plugin.is_some() { "nobody" } else { &old.author }
        )));
    }
    if old.deleted.is_some() {
        return Err(Error::Conflict("It was removed, so it can't be edited.".into()));
    }
    if old.content == edit.content {
        return Ok(old);
    }
    let edits: i64 = tx.one(
        "select count(*) from message_edits where message_id = ?1",
        [old.id],
        |row| row.get(0),
    )?;
    if edits >= EDITS_MOST {
        return Err(Error::Conflict(format!(
            "A message is edited at most {EDITS_MOST} times. Remove it, or say it anew."
        )));
    }
    let (now, change) = (now_ms(), next_change(tx, room.id)?);
    tx.run(
        "insert into message_edits (message_id, content, at) values (?1, ?2, ?3)",
        params![old.id, old.content, now],
    )?;
    let mentions = edit.mentions.join(" ");
    tx.run(
        "update messages set content = ?2, html = ?3, mentions = ?4, edited_at = ?5, change = ?6 where id = ?1",
        params![old.id, edit.content, edit.html, mentions, now, change],
    )?;
    search::note(tx, old.id)?;
    tx.run("delete from mentions where message_id = ?1", [old.id])?;
    mention(tx, room.id, old.seq, old.id, member.id, &edit.mentions)?;
    Ok(Message {
        content: edit.content,
        html: edit.html,
        mentions,
        edited_at: Some(now),
        change: Some(change),
        ..old
    })
}

/// Takes a message's words away, here and wherever else they are kept, and leaves a mark in its place. Its author may, and
/// the room's owner, whose doing stands in the log.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub fn remove(tx: &Tx, member: &Member, room: &str, id: i64) -> Result<Message, Error> {
    let room = queries::room(tx, member.id, room)?.readable()?;
    let old = queries::message(tx, room.id, id)?;
    let by = match (old.user_id == Some(member.id), room.you.owner) {
        (true, _) => "author",
        (false, true) => "owner",
        (false, false) => {
            return Err(Error::Forbidden(
                "You remove what you said yourself; the room's owner removes anything in it.".into(),
            ));
        }
    };
    if old.deleted.is_some() {
        return Ok(old);
    }
    let change = next_change(tx, room.id)?;
    tx.run(
        "update messages
            set content = '', html = '', mentions = '', command = null, pictures = 0, deleted_at = ?2, deleted_by = ?3, change = ?4
          where id = ?1",
        params![old.id, now_ms(), by, change],
    )?;
    search::note(tx, old.id)?;
    media::detach(tx, "message", old.id)?;
    tx.run("delete from message_edits where message_id = ?1", [old.id])?;
    tx.run("delete from mentions where message_id = ?1", [old.id])?;
    if by == "owner" {
        note(
            tx,
            room.id,
            &member.name,
            "remove",
            &old.author,
            &format!("message {}", old.id),
        )?;
    }
    Ok(Message {
        content: String::new(),
        html: String::new(),
        mentions: String::new(),
        command: None,
        deleted: Some(by.into()),
        change: Some(change),
        sent_pictures: 0,
        pictures: Vec::new(),
        ..old
    })
}

/// Takes a message's words away and its author's name with them, whoever took the words away before: for one whose author is
/// gone for good.
///
/// # Errors
/// The database's.
pub fn erase(tx: &Tx, room_id: i64, id: i64) -> Result<(), Error> {
    let change = next_change(tx, room_id)?;
    tx.run(
        "update messages
            set content = '', html = '', mentions = '', command = null, nonce = null, pictures = 0, user_id = null,
                author = case when plugin is null then '' else author end,
                deleted_at = coalesce(deleted_at, ?2), deleted_by = coalesce(deleted_by, 'author'), change = ?3
          where id = ?1",
        params![id, now_ms(), change],
    )?;
    search::note(tx, id)?;
    media::detach(tx, "message", id)?;
    tx.run("delete from message_edits where message_id = ?1", [id])?;
    tx.run("delete from mentions where message_id = ?1", [id])?;
    Ok(())
}

/// Counts a message as changed because one of its pictures is another one now, or gone: who was away hears of it too. Answers
/// its room's id and name; nothing for a message that was taken back.
///
/// # Errors
/// The database's.
pub fn picture_changed(tx: &Tx, id: i64) -> Result<Option<(i64, Arc<str>)>, Error> {
    let room = tx.maybe(
        "select r.id, r.name from messages m join rooms r on r.id = m.room_id where m.id = ?1 and m.deleted_by is null",
        [id],
        |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)),
    )?;
    if let Some((room_id, _)) = &room {
        let change = next_change(tx, *room_id)?;
        tx.run("update messages set change = ?2 where id = ?1", [id, change])?;
    }
    Ok(room)
}

fn next_change(tx: &Tx, room_id: i64) -> Result<i64, Error> {
    tx.one(
        "update rooms set last_change = last_change + 1 where id = ?1 returning last_change",
        [room_id],
        |row| row.get(0),
    )
}

/// Notes that a member has read up to a message. It never goes back, and never beyond the newest.
///
/// # Errors
/// [`Error::NotFound`] for a room that one doesn't belong to.
pub fn read_up_to(tx: &Tx, member: &Member, name: &str, seq: i64) -> Result<Unread, Error> {
    let room = queries::room(tx, member.id, name)?.readable()?;
    if !room.you.joined {
        return Err(Error::NotFound);
    }
    let read_seq = seq.min(room.last_seq).max(room.you.read_seq);
    if read_seq > room.you.read_seq {
        tx.run(
            "update room_members set read_seq = ?3 where room_id = ?1 and user_id = ?2",
            [room.id, member.id, read_seq],
        )?;
    }
    let you = Standing { read_seq, ..room.you };
    queries::unread(tx, &Room { you, ..room }, member.id)
}
