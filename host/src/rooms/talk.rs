//! What people do in rooms, the same over HTTP and over `/live`: each is prepared (checked, paced, filtered, rendered),
//! committed, and announced.

use std::time::Instant;

use super::{
    CONTENT_MOST, commands,
    commands::{Asked, Spoken},
    is_name, mutations,
    mutations::{Edit, Measure, NewMessage, Posted, Unread},
    queries::{self, Message, Room},
};
use crate::{
    app::App,
    error::Error,
    markdown,
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
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Said {
    /// It stands in the room.
    Posted(Posted),
    /// A command answered, to who asked alone: Markdown, rendered.
    Whispered(String),
}

/// Who says it, and from where.
#[derive(Clone, Copy)]
pub struct Speaker<'a> {
    pub viewer: &'a Viewer,
    /// [`crate::throttle::network`] of the address.
    pub network: &'a str,
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
    let member = member(speaker.viewer)?.clone();
    let content = checked(post.content)?;
    let nonce = post.nonce.map(checked_nonce).transpose()?;
    let room = room(app, speaker.viewer, &post.room)?.speakable()?;
    // A repeated send costs nothing and is never refused.
    if let Some(nonce) = &nonce
        && let Some((message, room)) = app.db.read(|db| queries::sent(db, member.id, nonce))?
    {
        return Ok(Said::Posted(Posted {
            room,
            message,
            repeated: true,
        }));
    }
    pace(app, &room, member.id, speaker.network)?;
    // Commands too: everyone reads what was asked.
    let content = commands::filtered(app, &room, speaker.viewer, content).await?;
    let (content, asked) = match commands::spoken(&content) {
        Spoken::Text(text) => (text.into_owned(), None),
        Spoken::Command { name, arguments } => {
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
    };
    let written = app.db.queue(move |tx| mutations::post(tx, &member, new)).await?;
    written.committed().await.map(Said::Posted)
}

/// Gives one's own message new words.
///
/// # Errors
/// As [`post`]; [`Error::Conflict`] when it is removed.
pub async fn edit(app: &App, speaker: Speaker<'_>, id: i64, content: String) -> Result<(Room, Message), Error> {
    let member = member(speaker.viewer)?.clone();
    let content = checked(content)?;
    let name = app.db.read(|db| queries::room_of(db, id))?;
    let room = room(app, speaker.viewer, &name)?.speakable()?;
    pace(app, &room, member.id, speaker.network)?;
    let content = commands::filtered(app, &room, speaker.viewer, content).await?;
    let rendered = markdown::render(&content);
    let edit = Edit {
        id,
        content,
        html: rendered.html,
        mentions: rendered.mentions,
    };
    let written = app
        .db
        .queue(move |tx| mutations::edit(tx, &member, &name, edit))
        .await?;
    Ok((room, written.committed().await?))
}

/// Removes a message.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub async fn remove(app: &App, speaker: Speaker<'_>, id: i64) -> Result<(Room, Message), Error> {
    let member = member(speaker.viewer)?.clone();
    let name = app.db.read(|db| queries::room_of(db, id))?;
    let room = room(app, speaker.viewer, &name)?.readable()?;
    let written = app
        .db
        .queue(move |tx| mutations::remove(tx, &member, &name, id))
        .await?;
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
pub async fn read_up_to(app: &App, viewer: &Viewer, name: &str, seq: i64) -> Result<Unread, Error> {
    let member = member(viewer)?.clone();
    let room = room(app, viewer, name)?.readable()?;
    app.db
        .write(move |tx| mutations::read_up_to(tx, &member, &room.name, seq))
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
    app.db
        .write(move |tx| mutations::measure(tx, &member, &room.name, measure, &user))
        .await?;
    Ok(())
}

/// A message's text as it is kept.
fn checked(content: String) -> Result<String, Error> {
    let content = content.replace("\r\n", "\n");
    let content = content.trim_end();
    let length = content.chars().count();
    if content.trim_start().is_empty() {
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
fn pace(app: &App, room: &Room, member: i64, network: &str) -> Result<(), Error> {
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
