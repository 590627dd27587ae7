//! Rooms over `/live`: what a socket may ask for, and what is told to those who listen. What people do goes through `talk.rs`,
//! as it does over HTTP.
//!
//! What was written is told by the announcer, in the order of the commits: rendered once, framed once for each dialect, and
//! shared by all who get it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    mutations,
    queries::{self, Message, Room, Unread},
    talk::{self, Origin, Post, Said, Speaker},
    topic, view,
};
use crate::{
    app::App,
    db::Tx,
    error::Error,
    live::{Caller, Dialect, Frame, Sign},
    session::Viewer,
    tokens::Scope,
};

/// Messages that one backfill brings at most, and without a limit.
const BACKFILL_MOST: usize = 100;
const BACKFILL: usize = 50;
/// Messages of one batch, and the bytes from which on a batch is full.
const BATCH: usize = 25;
const BATCH_BYTES: usize = 32 * 1024;
/// Somebody types for so long after they said so.
const TYPING_LASTS: Duration = Duration::from_secs(6);
/// Saying so again sooner is told to nobody.
const TYPING_EVERY: Duration = Duration::from_secs(2);
/// How often unread marks are told at most.
const UNREAD_EVERY: Duration = Duration::from_secs(1);

/// What rooms say over `/live`, besides messages themselves.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// One listens to a room now. `last_id`, `last_seq` and `last_change` are the room's: whoever shows less asks for the rest.
    RoomJoined {
        room: &'a str,
        room_id: i64,
        topic: &'a str,
        owner: Option<&'a str>,
        muted: bool,
        last_seq: i64,
        last_id: i64,
        last_change: i64,
        read_seq: i64,
    },
    /// One doesn't any more: `left`, `kicked` or `banned`.
    RoomLeft {
        room: &'a str,
        reason: &'a str,
    },
    /// The room is about something else, somebody else owns it, or one is muted or not any more: look at its page.
    RoomChanged {
        room: &'a str,
        topic: &'a str,
        owner: Option<&'a str>,
    },
    /// `start`, then `batch`es of `messages`, then `end`, which says whether there are more.
    Backfill {
        room: &'a str,
        phase: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        messages: Option<&'a [Box<RawValue>]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        more: Option<bool>,
    },
    Typing {
        room: &'a str,
        user: &'a str,
    },
    StopTyping {
        room: &'a str,
        user: &'a str,
    },
    /// How much of a room one has not read.
    Unread {
        room: &'a str,
        count: i64,
        mentions: i64,
        read_seq: i64,
        last_seq: i64,
    },
    /// What a command answers to who typed it alone, rendered.
    Whisper {
        room: &'a str,
        html: &'a str,
        nonce: Option<&'a str>,
    },
}

/// What befell a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Posted,
    Edited,
    Deleted,
}

/// Only members listen to rooms, and only to those that they may read.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub fn may_watch(app: &App, viewer: &Viewer, name: &str) -> Result<(), Error> {
    talk::room(app, viewer, name)?.readable().map(drop)
}

// ── what a socket asks for ───────────────────────────────────────────────────────────────────────

#[derive(Deserialize)]
pub struct InRoom {
    room: String,
}

/// `join_room`: belongs to the room from now on, and listens to it.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] for who is banned.
pub async fn on_join(app: App, caller: Caller, asked: InRoom) -> Result<(), Error> {
    let turn = caller.turn().await;
    let known = talk::room(&app, caller.viewer(), &asked.room)?.readable()?;
    if !known.you.joined {
        caller.viewer().check(Scope::RoomsWrite)?;
        talk::join(&app, caller.viewer(), &asked.room).await?;
    }
    drop(turn);
    may_listen(&app, &caller, &asked.room)?;
    // Looked at after listening has begun: what was committed before is in these numbers, what comes after in frames.
    let room = talk::room(&app, caller.viewer(), &asked.room).and_then(Room::readable);
    let room = room.inspect_err(|_| app.hub.leave(&caller.line, &topic(&asked.room)))?;
    caller.answer(&Event::RoomJoined {
        room: &room.name,
        room_id: room.id,
        topic: &room.topic,
        owner: room.owner.as_deref(),
        muted: room.you.muted,
        last_seq: room.last_seq,
        last_id: room.last_id,
        last_change: room.last_change,
        read_seq: room.you.read_seq,
    });
    Ok(())
}

fn may_listen(app: &App, caller: &Caller, room: &str) -> Result<(), Error> {
    app.hub.join(&caller.line, &topic(room))
}

#[derive(Deserialize)]
pub struct Leave {
    room: String,
    /// Also ends belonging to it.
    #[serde(default)]
    for_good: bool,
}

/// `leave_room`: listens no more; with `for_good`, doesn't belong to it any more either.
///
/// # Errors
/// [`Error::NotFound`] for a room that one doesn't belong to, with `for_good`.
pub async fn on_leave(app: App, caller: Caller, asked: Leave) -> Result<(), Error> {
    if asked.for_good {
        caller.viewer().check(Scope::RoomsWrite)?;
        let _turn = caller.turn().await;
        talk::leave(&app, caller.viewer(), &asked.room).await?;
    }
    app.hub.leave(&caller.line, &topic(&asked.room));
    caller.answer(&Event::RoomLeft {
        room: &asked.room,
        reason: "left",
    });
    Ok(())
}

#[derive(Deserialize)]
pub struct Send {
    room: Option<String>,
    #[serde(default)]
    content: String,
    nonce: Option<String>,
    reply_to: Option<i64>,
    #[serde(default)]
    pictures: Vec<String>,
}

/// `send_message`: answered by the `message` itself, with the `nonce`, when it is on disk.
///
/// # Errors
/// As [`talk::post`].
pub async fn on_send(app: App, caller: Caller, sent: Send) -> Result<(), Error> {
    let room = room_meant(&caller, sent.room)?;
    let post = Post {
        room: room.clone(),
        content: sent.content,
        nonce: sent.nonce.clone(),
        reply_to: sent.reply_to,
        pictures: sent.pictures,
    };
    match talk::post(&app, speaker(&caller), post).await? {
        // The announcer has answered, at the message's place in the order.
        Said::Posted(posted) if !posted.repeated => {}
        Said::Posted(posted) => {
            let frame = message_frame(&app, caller.line.dialect, &posted.room, &posted.message, Told::Posted)?;
            let nonce = sent.nonce.as_deref();
            caller.line.push(caller.reply(&frame.with(&Nonce { nonce })));
        }
        Said::Whispered(html) => caller.answer(&Event::Whisper {
            room: &room,
            html: &html,
            nonce: sent.nonce.as_deref(),
        }),
    }
    Ok(())
}

#[derive(Deserialize)]
pub struct Edit {
    id: i64,
    content: String,
}

/// `edit_message`: answered by `message_edited`.
///
/// # Errors
/// As [`talk::edit`].
pub async fn on_edit(app: App, caller: Caller, edit: Edit) -> Result<(), Error> {
    talk::edit(&app, speaker(&caller), edit.id, edit.content)
        .await
        .map(drop)
}

#[derive(Deserialize)]
pub struct Delete {
    id: i64,
}

/// `delete_message`: answered by `message_deleted`.
///
/// # Errors
/// As [`talk::remove`].
pub async fn on_delete(app: App, caller: Caller, delete: Delete) -> Result<(), Error> {
    talk::remove(&app, speaker(&caller), delete.id).await.map(drop)
}

fn speaker(caller: &Caller) -> Speaker<'_> {
    Speaker {
        viewer: caller.viewer(),
        network: &caller.line.network,
        origin: Some(caller),
    }
}

/// The room that is named, or else the one that the socket listens to, if that is one.
fn room_meant(caller: &Caller, named: Option<String>) -> Result<String, Error> {
    if let Some(named) = named {
        return Ok(named);
    }
    let mut listening = caller.line.listening("room:");
    match (listening.pop(), listening.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Error::field(
            "room",
            "Name the room: it may be left out only while you listen to exactly one.",
        )),
    }
}

/// What part of a room is asked for: one of the three.
#[derive(Deserialize)]
pub struct Wanted {
    room: Option<String>,
    after_id: Option<i64>,
    before_id: Option<i64>,
    after_change: Option<i64>,
    limit: Option<usize>,
}

/// `request_backfill`: what was said after or before a message, or what was edited and removed after a change.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] for a place that isn't in the room.
pub async fn on_backfill(app: App, caller: Caller, wanted: Wanted) -> Result<(), Error> {
    let name = room_meant(&caller, wanted.room)?;
    let room = talk::room(&app, caller.viewer(), &name)?.readable()?;
    let limit = wanted.limit.unwrap_or(BACKFILL);
    if !(1..=BACKFILL_MOST).contains(&limit) {
        return Err(Error::field(
            "limit",
            format!("A backfill brings 1 to {BACKFILL_MOST} messages."),
        ));
    }
    let _alone = caller.alone().await;
    // One more says whether there are more.
    let (mut found, backwards) = app.db.read(|db| {
        Ok(match (wanted.after_id, wanted.before_id, wanted.after_change) {
            (Some(id), None, None) => {
                let seq = queries::seq_of(db, room.id, "after_id", id)?;
                (queries::after(db, room.id, seq, limit + 1)?, false)
            }
            (None, Some(id), None) => {
                let seq = queries::seq_of(db, room.id, "before_id", id)?;
                (queries::before(db, room.id, seq, limit + 1)?, true)
            }
            (None, None, Some(change)) => (queries::changed(db, room.id, change, limit + 1)?, false),
            _ => {
                return Err(Error::field(
                    "after_id",
                    "Name one of after_id, before_id and after_change; 0 is the beginning.",
                ));
            }
        })
    })?;
    let more = found.len() > limit;
    if more && backwards {
        found.remove(0);
    }
    found.truncate(limit);
    let answer = |phase: &str, messages: Option<&[Box<RawValue>]>, more: Option<bool>| {
        let room = &name;
        caller.answer(&Event::Backfill {
            room,
            phase,
            messages,
            more,
        });
    };
    answer("start", None, None);
    let mut rest = found.into_iter().peekable();
    while rest.peek().is_some() {
        let (mut batch, mut bytes) = (Vec::with_capacity(BATCH), 0);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Some(message) = rest.next() else { break };
            let item = item(&app, caller.line.dialect, &name, &message)?;
            bytes += item.get().len();
            batch.push(item);
        }
        caller.line.drained().await;
        answer("batch", Some(&batch), None);
    }
    answer("end", None, Some(more));
    Ok(())
}

#[derive(Deserialize)]
pub struct Typing {
    room: Option<String>,
}

/// `typing`: the others are told, until it fades.
///
/// # Errors
/// [`Error::Forbidden`] for who may not talk here.
pub async fn on_typing(app: App, caller: Caller, typing: Typing) -> Result<(), Error> {
    let name = room_meant(&caller, typing.room)?;
    let room = talk::room(&app, caller.viewer(), &name)?.speakable()?;
    let user = &*talk::member(caller.viewer())?.name;
    let room = &*room.name;
    app.hub.sign(
        &caller.line,
        &topic(room),
        Sign {
            shown: Frame::of(&Event::Typing { room, user }),
            over: Frame::of(&Event::StopTyping { room, user }),
            lasts: TYPING_LASTS,
            every: TYPING_EVERY,
        },
    );
    Ok(())
}

/// `stop_typing`.
///
/// # Errors
/// [`Error::Unauthorized`].
pub async fn on_stop_typing(app: App, caller: Caller, typing: Typing) -> Result<(), Error> {
    let name = room_meant(&caller, typing.room)?;
    app.hub.unsign(&topic(&name), &talk::member(caller.viewer())?.name);
    Ok(())
}

#[derive(Deserialize)]
pub struct Read {
    room: Option<String>,
    seq: i64,
}

/// `read_up_to`: answered by `unread`; the member's other sockets hear it too.
///
/// # Errors
/// [`Error::NotFound`] for a room that one doesn't belong to.
pub async fn on_read(app: App, caller: Caller, read: Read) -> Result<(), Error> {
    let name = room_meant(&caller, read.room)?;
    let unread = talk::read_up_to(&app, caller.viewer(), Some(&caller), &name, read.seq).await?;
    caller.answer(&unread_event(&name, unread));
    Ok(())
}

// ── what those who listen are told ───────────────────────────────────────────────────────────────

/// Tells everyone who listens of a message. Runs on the announcer's thread, in the order of the commits.
pub fn tell(app: &App, room: &str, message: &Message, told: Told, origin: Option<&Origin>) {
    let topic = topic(room);
    let made = |dialect| match message_frame(app, dialect, room, message, told) {
        Ok(frame) => Some((dialect, frame)),
        Err(error) => {
            tracing::error!(%error, room, id = message.id, "a message could not be shown live");
            None
        }
    };
    let mut dialects = app.hub.dialects(&topic);
    if let Some(origin) = origin.filter(|origin| !dialects.contains(&origin.caller.line.dialect)) {
        dialects.push(origin.caller.line.dialect);
    }
    let frames: Vec<_> = dialects.into_iter().filter_map(made).collect();
    let of = |dialect| frames.iter().find(|(made, _)| *made == dialect).map(|(_, frame)| frame);
    if told == Told::Posted {
        app.hub.unsign(&topic, &message.author);
    }
    // Whoever sent it gets it at the same place in the order, as the answer.
    let own = origin.and_then(|origin| {
        let frame = of(origin.caller.line.dialect)?.with(&Nonce {
            nonce: origin.nonce.as_deref(),
        });
        Some((&origin.caller.line, origin.caller.reply(&frame)))
    });
    app.hub.publish(&topic, |line| match &own {
        Some((sender, _)) if line.is(sender) => None,
        _ => of(line.dialect).cloned(),
    });
    if let Some((sender, frame)) = own {
        sender.push(frame);
    }
    if told == Told::Posted {
        app.hub.stir(&topic);
    }
}

/// Shows a message anew to everyone who listens, because one of its pictures is about to be deleted or described anew.
///
/// # Errors
/// The database's.
pub fn picture_changed(app: &App, tx: &Tx, id: i64) -> Result<(), Error> {
    let Some((room_id, room)) = mutations::picture_changed(tx, id)? else {
        return Ok(());
    };
    let app = app.clone();
    tx.announce(move || match app.db.read(|db| queries::message(db, room_id, id)) {
        Ok(message) => tell(&app, &room, &message, Told::Edited, None),
        Err(error) => tracing::error!(%error, room = &*room, id, "a message could not be shown live"),
    });
    Ok(())
}

#[derive(Serialize)]
struct Nonce<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

fn message_frame(app: &App, dialect: Dialect, room: &str, message: &Message, told: Told) -> Result<Frame, Error> {
    #[derive(Serialize)]
    struct Named<'a> {
        event: &'a str,
    }
    let event = match told {
        Told::Posted => "message",
        Told::Edited => "message_edited",
        Told::Deleted => "message_deleted",
    };
    let frame = Frame::of(&Named { event });
    Ok(match dialect {
        Dialect::Html => frame.with(&view::fragment(app, room, message)?),
        Dialect::Json => frame.with(&view::data(room, message)),
    })
}

fn item(app: &App, dialect: Dialect, room: &str, message: &Message) -> Result<Box<RawValue>, Error> {
    let item = match dialect {
        Dialect::Html => serde_json::value::to_raw_value(&view::fragment(app, room, message)?),
        Dialect::Json => serde_json::value::to_raw_value(&view::data(room, message)),
    };
    item.map_err(Error::internal)
}

fn unread_event(room: &str, unread: Unread) -> Event<'_> {
    Event::Unread {
        room,
        count: unread.count,
        mentions: unread.mentions,
        read_seq: unread.read_seq,
        last_seq: unread.last_seq,
    }
}

/// Tells a member's other sockets how far they have read.
pub fn tell_read(app: &App, member: i64, room: &str, unread: Unread, origin: Option<&Caller>) {
    let frame = Frame::of(&unread_event(room, unread));
    app.hub.tell(member, |line| match origin {
        Some(caller) if line.is(&caller.line) => None,
        _ => Some(frame.clone()),
    });
}

/// Puts somebody out of a room in every window, and says why.
pub fn put_out(app: &App, room: &str, member: i64, reason: &str) {
    app.hub
        .evict(&topic(room), member, &Frame::of(&Event::RoomLeft { room, reason }));
}

/// Tells everyone who listens that a room is another one now.
pub fn tell_changed(app: &App, room: &str, about: &str, owner: Option<&str>) {
    let frame = Frame::of(&Event::RoomChanged {
        room,
        topic: about,
        owner,
    });
    app.hub.publish(&topic(room), |_| Some(frame.clone()));
}

/// Tells members of what they have not read in the rooms that they don't listen to just then: at most once a second a
/// room. Runs as long as the program does.
pub async fn follow(app: App) {
    loop {
        for topic in app.hub.stirred().await {
            let Some(name) = topic.strip_prefix("room:") else {
                continue;
            };
            if let Err(error) = tell_unread(&app, name) {
                tracing::error!(%error, room = name, "unread marks could not be told");
            }
        }
        tokio::time::sleep(UNREAD_EVERY).await;
    }
}

fn tell_unread(app: &App, name: &str) -> Result<(), Error> {
    let topic = topic(name);
    let online = app.hub.online();
    let (last_seq, members) = app
        .db
        .read(|db| queries::unread_of(db, name, |member| online.contains(&member)))?;
    for (member, read_seq, mentions) in members {
        let unread = Unread {
            count: last_seq - read_seq,
            mentions,
            read_seq,
            last_seq,
        };
        if unread.count == 0 {
            continue;
        }
        let frame = Frame::of(&unread_event(name, unread));
        app.hub
            .tell(member, |line| (!line.watches(&topic)).then(|| frame.clone()));
    }
    Ok(())
}
