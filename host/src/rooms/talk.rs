//! What people do in rooms, the same over HTTP and over `/live`: each is prepared (checked, paced, filtered, rendered),
//! committed, and announced.

use std::{collections::HashSet, sync::Arc, time::Instant};

use tokio::sync::MutexGuard;

use super::{
    CONTENT_MOST, PICTURES_MOST, commands,
    commands::{Asked, Spoken},
    is_name,
    live::{self, Told},
    mutations,
    mutations::{Edit, Measure, NewMessage, Posted},
    queries::{self, Message, Room, Unread},
};
use crate::{
    app::App,
    db::{Tx, Undo},
    error::Error,
    live::Caller,
    markdown, media,
    plugins::rooms::RoomFacts,
    session::{Member, Viewer},
};

/// The longest nonce, in characters.
const NONCE_MOST: usize = 64;

/// Something to say.
#[derive(Clone, Debug)]
pub struct Post {
    pub room: String,
    pub content: String,
    pub nonce: Option<String>,
    pub reply_to: Option<i64>,
    /// The ids of pictures in the member's library, [`PICTURES_MOST`] at most. With any, the words may be left out.
    pub pictures: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Said {
    /// It stands in the room.
    Posted(Box<Posted>),
    /// A command answered, to who asked alone: Markdown, rendered.
    Whispered(String),
}

/// Who says it, and from where.
#[derive(Clone, Copy)]
pub struct Speaker<'a> {
    pub viewer: &'a Viewer,
    /// [`crate::throttle::network`] of the address.
    pub network: &'a str,
    /// The event that it came with, over `/live`.
    pub origin: Option<&'a Caller>,
}

/// Whose frame is told of as its answer.
pub struct Origin {
    pub caller: Caller,
    pub nonce: Option<String>,
}

impl Speaker<'_> {
    fn origin(&self, nonce: Option<&String>) -> Option<Origin> {
        self.origin.map(|caller| Origin {
            caller: caller.clone(),
            nonce: nonce.cloned(),
        })
    }

    /// Waits for who sent something earlier over the same socket.
    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.origin {
            Some(caller) => Some(caller.turn().await),
            None => None,
        }
    }
}

/// The member behind a viewer.
///
/// # Errors
/// [`Error::Unauthorized`].
pub fn member(viewer: &Viewer) -> Result<&Member, Error> {
    viewer.member.as_ref().ok_or(Error::Unauthorized)
}

/// A room through its viewer's rights, which may be gone when the write comes: it looks again.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unauthorized`].
pub fn room(app: &App, viewer: &Viewer, name: &str) -> Result<Room, Error> {
    let member = member(viewer)?;
    if !is_name(name) {
        return Err(Error::NotFound);
    }
    app.db.read(|db| queries::room(db, member.id, name))
}

/// Says something. Answers once it is on disk; everyone who listens has been told by then, or is about to be.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Forbidden`], [`Error::NotFound`]; [`Error::TooMany`] with the seconds to wait.
pub async fn post(app: &App, speaker: Speaker<'_>, post: Post) -> Result<Said, Error> {
    let turn = speaker.turn().await;
    let member = member(speaker.viewer)?.clone();
    let pictures = checked_pictures(app, &member, post.pictures)?;
    let content = checked(post.content, pictures.is_empty())?;
    let nonce = post.nonce.map(checked_nonce).transpose()?;
    // What stands already is never refused when it is sent again; whether it does is looked at only where that matters.
    let stands = || match &nonce {
        Some(nonce) => app.db.read(|db| queries::sent(db, member.id, nonce)),
        None => Ok(None),
    };
    let room = match speaking_in(app, &member, &post.room).and_then(|room| {
        pace(app, &room, member.id, speaker.network)?;
        Ok(room)
    }) {
        Ok(room) => room,
        Err(refusal) => return stands()?.map(repeated).ok_or(refusal),
    };
    // Commands too: everyone reads what was asked.
    let content = match commands::filtered(app, &room, speaker.viewer, content).await {
        Ok(content) => content,
        Err(refusal) => return stands()?.map(repeated).ok_or(refusal),
    };
    let (content, asked) = match commands::spoken(&content) {
        Spoken::Text(text) => (text.into_owned(), None),
        Spoken::Command { .. } if !pictures.is_empty() => {
            return Err(Error::field(
                "picture",
                "A command takes no pictures. Send them with a message of your own.",
            ));
        }
        Spoken::Command { name, arguments } => {
            // What it did, it did once.
            if let Some(stands) = stands()? {
                return Ok(repeated(stands));
            }
            let outcome = commands::run(app, &room, speaker.viewer, name, arguments).await?;
            let Some(say) = outcome.say else {
                let whisper = outcome.whisper.unwrap_or_default();
                return Ok(Said::Whispered(markdown::render(&whisper).html));
            };
            let plugin = outcome.plugin;
            (
                say,
                Some(Asked {
                    plugin,
                    command: content,
                }),
            )
        }
    };
    let rendered = markdown::render(&content);
    let new = NewMessage {
        room: room.name,
        content,
        html: rendered.html,
        mentions: rendered.mentions,
        nonce,
        reply_to: post.reply_to,
        asked,
        pictures,
    };
    let (teller, origin) = (app.clone(), speaker.origin(new.nonce.as_ref()));
    let write = move |tx: &Tx| {
        let posted = mutations::post(tx, &member, new)?;
        if !posted.repeated {
            let Posted { room, message, .. } = posted.clone();
            tx.announce(move || live::tell(&teller, &room, &message, Told::Posted, origin.as_ref()));
        }
        Ok(posted)
    };
    let written = app.db.queue(Undo::Commit, write).await?;
    drop(turn);
    Ok(Said::Posted(Box::new(written.committed().await?)))
}

/// What was sent before, with the same nonce.
fn repeated((message, room): (Message, Arc<str>)) -> Said {
    Said::Posted(Box::new(Posted {
        room,
        message,
        repeated: true,
    }))
}

/// A room that a member talks in.
fn speaking_in(app: &App, member: &Member, name: &str) -> Result<RoomFacts, Error> {
    if !is_name(name) {
        return Err(Error::NotFound);
    }
    let id = app.db.read(|db| queries::speaking_in(db, member.id, name))?;
    let name = name.into();
    Ok(RoomFacts { id, name })
}

/// Gives one's own message new words.
///
/// # Errors
/// As [`post`]; [`Error::Conflict`] when it is removed.
pub async fn edit(app: &App, speaker: Speaker<'_>, id: i64, content: String) -> Result<(Room, Message), Error> {
    let turn = speaker.turn().await;
    let member = member(speaker.viewer)?.clone();
    let name = app.db.read(|db| queries::room_of(db, id))?;
    let has_pictures = app.db.read(|db| queries::has_pictures(db, id))?;
    let content = checked(content, !has_pictures)?;
    let room = room(app, speaker.viewer, &name)?.speakable()?;
    let facts = RoomFacts {
        id: room.id,
        name: room.name.clone(),
    };
    pace(app, &facts, member.id, speaker.network)?;
    let content = commands::filtered(app, &facts, speaker.viewer, content).await?;
    let rendered = markdown::render(&content);
    let edit = Edit {
        id,
        content,
        html: rendered.html,
        mentions: rendered.mentions,
    };
    let (teller, origin) = (app.clone(), speaker.origin(None));
    let write = move |tx: &Tx| {
        let message = mutations::edit(tx, &member, &name, edit)?;
        let told = message.clone();
        tx.announce(move || live::tell(&teller, &name, &told, Told::Edited, origin.as_ref()));
        Ok(message)
    };
    let written = app.db.queue(Undo::Alone, write).await?;
    drop(turn);
    Ok((room, written.committed().await?))
}

/// Removes a message.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub async fn remove(app: &App, speaker: Speaker<'_>, id: i64) -> Result<(Room, Message), Error> {
    let turn = speaker.turn().await;
    let member = member(speaker.viewer)?.clone();
    let name = app.db.read(|db| queries::room_of(db, id))?;
    let room = room(app, speaker.viewer, &name)?.readable()?;
    let (teller, origin) = (app.clone(), speaker.origin(None));
    let write = move |tx: &Tx| {
        let message = mutations::remove(tx, &member, &name, id)?;
        let told = message.clone();
        tx.announce(move || live::tell(&teller, &name, &told, Told::Deleted, origin.as_ref()));
        Ok(message)
    };
    let written = app.db.queue(Undo::Alone, write).await?;
    drop(turn);
    Ok((room, written.committed().await?))
}

/// Comes into a room: belongs to it from now on.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] for who is banned.
pub async fn join(app: &App, viewer: &Viewer, name: &str) -> Result<Room, Error> {
    let member = member(viewer)?.clone();
    let known = room(app, viewer, name)?.readable()?;
    if known.you.joined {
        return Ok(known);
    }
    let joining = name.to_owned();
    app.db.write(move |tx| mutations::join(tx, &member, &joining)).await?;
    room(app, viewer, name)
}

/// Leaves a room for good.
///
/// # Errors
/// [`Error::NotFound`] for a room that one doesn't belong to.
pub async fn leave(app: &App, viewer: &Viewer, name: &str) -> Result<(), Error> {
    let member = member(viewer)?.clone();
    let room = room(app, viewer, name)?;
    app.db
        .write(move |tx| mutations::leave(tx, &member, &room.name))
        .await?;
    Ok(())
}

/// Notes how far one has read.
///
/// # Errors
/// [`Error::NotFound`] for a room that one doesn't belong to.
pub async fn read_up_to(
    app: &App,
    viewer: &Viewer,
    origin: Option<&Caller>,
    name: &str,
    seq: i64,
) -> Result<Unread, Error> {
    let member = member(viewer)?.clone();
    let room = room(app, viewer, name)?.readable()?;
    if room.you.joined && seq.min(room.last_seq) <= room.you.read_seq {
        // It was read already, perhaps on another device: nothing to write.
        return app.db.read(|db| queries::unread(db, &room, member.id));
    }
    let (teller, origin) = (app.clone(), origin.cloned());
    app.db
        .write(move |tx| {
            let unread = mutations::read_up_to(tx, &member, &room.name, seq)?;
            tx.announce(move || live::tell_read(&teller, member.id, &room.name, unread, origin.as_ref()));
            Ok(unread)
        })
        .await
}

/// Does something to somebody in one's own room.
///
/// # Errors
/// [`Error::Forbidden`] for everyone but the owner; [`Error::Invalid`] for a name that it can't be done to.
pub async fn measure(app: &App, viewer: &Viewer, name: &str, measure: Measure, user: &str) -> Result<(), Error> {
    let member = member(viewer)?.clone();
    let room = room(app, viewer, name)?.owned()?;
    let user = user.trim_start_matches('@').to_lowercase();
    let teller = app.clone();
    app.db
        .write(move |tx| {
            let subject = mutations::measure(tx, &member, &room.name, measure, &user)?;
            tx.announce(move || match measure {
                Measure::Kick => live::put_out(&teller, &room.name, subject, "kicked"),
                Measure::Ban => live::put_out(&teller, &room.name, subject, "banned"),
                Measure::Mute | Measure::Unmute => {
                    live::tell_changed(&teller, &room.name, &room.topic, room.owner.as_deref());
                }
                Measure::Invite | Measure::Unban => {}
            });
            Ok(())
        })
        .await
}

/// Changes what one's own room is about.
///
/// # Errors
/// [`Error::Forbidden`] for everyone but the owner.
pub async fn set_topic(app: &App, viewer: &Viewer, name: &str, topic: String) -> Result<(), Error> {
    let member = member(viewer)?.clone();
    let room = room(app, viewer, name)?.owned()?;
    let teller = app.clone();
    app.db
        .write(move |tx| {
            mutations::set_topic(tx, &member, &room.name, &topic)?;
            tx.announce(move || live::tell_changed(&teller, &room.name, &topic, room.owner.as_deref()));
            Ok(())
        })
        .await
}

/// A message's pictures, each once and each one's own.
fn checked_pictures(app: &App, member: &Member, mut pictures: Vec<String>) -> Result<Vec<String>, Error> {
    let mut seen = HashSet::new();
    pictures.retain(|id| !id.is_empty() && seen.insert(id.clone()));
    if pictures.len() > PICTURES_MOST {
        return Err(Error::field(
            "picture",
            format!("A message has at most {PICTURES_MOST} pictures."),
        ));
    }
    if !pictures.is_empty() {
        app.db.read(|db| {
            pictures
                .iter()
                .try_for_each(|id| media::picture(db, member.id, id).map(drop))
        })?;
    }
    Ok(pictures)
}

/// A message's text as it is kept. `needed`: there is nothing else in the message.
fn checked(content: String, needed: bool) -> Result<String, Error> {
    let content = content.replace("\r\n", "\n");
    let content = content.trim_end();
    let length = content.chars().count();
    if needed && content.trim_start().is_empty() {
        return Err(Error::field(
            "content",
            "Type something first: a message can't be empty.",
        ));
    }
    if length > CONTENT_MOST {
        return Err(Error::field(
            "content",
            format!("That is {length} characters. A message has at most {CONTENT_MOST}."),
        ));
    }
    if content.contains('\0') {
        return Err(Error::field("content", "NUL characters are not allowed."));
    }
    Ok(content.to_owned())
}

fn checked_nonce(nonce: String) -> Result<String, Error> {
    let fits = (1..=NONCE_MOST).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(nonce);
    }
    Err(Error::field(
        "nonce",
        format!("A nonce has 1 to {NONCE_MOST} visible ASCII characters, other ones for every message."),
    ))
}

/// Counts a message for its author, its room and the address that it comes from, or says how long to wait.
fn pace(app: &App, room: &RoomFacts, member: i64, network: &str) -> Result<(), Error> {
    let limits = &app.config().limits;
    let (member, room_id) = (member.to_string(), room.id.to_string());
    app.buckets
        .take(
            Instant::now(),
            &[
                (("posts of a member", limits.posts_per_minute), &member),
                (("posts in a room", limits.room_posts_per_minute), &room_id),
                (("posts from an address", limits.address_posts_per_minute), network),
            ],
        )
        .map_err(|(retry_after, which)| Error::TooMany {
            retry_after,
            message: match which {
                "posts in a room" => format!("Everybody talks at once in {}.", room.name),
                "posts from an address" => "Many messages come from where you are.".into(),
                _ => "That was a lot at once.".into(),
            },
        })
}
