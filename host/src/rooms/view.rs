//! How messages look: the partial that pages, frames and refreshes share, and the same as data.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use minijinja::{Value, context};
use serde::Serialize;
use serde_json::json;

use super::queries::{Listed, Message, Reply, Room};
use crate::{app::App, cache::Audience, error::Error, fragments::Key, media::Picture, words};

/// A message as `templates/rooms/message.html` shows it: the same for everybody in the room.
///
/// # Errors
/// The template's.
pub fn message(app: &App, room: &str, message: &Message) -> Result<Arc<str>, Error> {
    let mut made_from = DefaultHasher::new();
    (room, message).hash(&mut made_from);
    let key = Key {
        kind: "message",
        id: message.id,
        audience: Audience::Members,
    };
    app.fragments.get_or_render(key, made_from.finish(), None, || {
        app.html
            .render("rooms/message.html", context! { m => shown(room, message) })
    })
}

/// Some messages, one after the other.
///
/// # Errors
/// The template's.
pub fn messages(app: &App, room: &str, messages: &[Message]) -> Result<String, Error> {
    let mut html = String::with_capacity(messages.len() * 600);
    for one in messages {
        html.push_str(&message(app, room, one)?);
    }
    Ok(html)
}

/// What the templates read as `m`.
pub fn shown(room: &str, m: &Message) -> Value {
    context! {
        id => m.id,
        seq => m.seq,
        room,
        user => m.author,
        colour => m.colour,
        avatar => m.avatar,
        plugin => m.plugin,
        by => m.by,
        command => m.command,
        at => words::moment(m.created_at),
        html => Value::from_safe_string(m.html.clone()),
        content => m.content,
        mentions => m.mentions,
        edited => m.edited_at.is_some(),
        deleted => m.deleted,
        reply => m.reply,
        thread_id => m.thread_id,
        pictures => m.pictures.iter().map(picture).collect::<Vec<_>>(),
        pictures_gone => m.deleted.is_none() && m.content.is_empty() && m.pictures.is_empty(),
    }
}

fn picture(picture: &Picture) -> Value {
    context! {
        full => picture.url("full"),
        medium => picture.url("medium"),
        small => picture.url("small"),
        width => picture.width,
        height => picture.height,
        alt => picture.alt,
        animated => picture.animated,
    }
}

/// A message as data, for programs. Times are Unix milliseconds.
#[derive(Serialize)]
pub struct Data<'a> {
    id: i64,
    seq: i64,
    room: &'a str,
    user: &'a str,
    plugin: Option<&'a str>,
    /// Who asked the plugin, and what.
    by: Option<&'a str>,
    command: Option<&'a str>,
    content: &'a str,
    html: &'a str,
    mentions: Vec<&'a str>,
    reply_to: Option<&'a Reply>,
    thread_id: Option<i64>,
    created_at: i64,
    edited_at: Option<i64>,
    deleted: Option<&'a str>,
    change: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pictures: Vec<PictureData<'a>>,
}

/// A picture as data: where it is in its three sizes, and the pixels of the largest.
#[derive(Serialize)]
struct PictureData<'a> {
    id: &'a str,
    full: String,
    medium: String,
    small: String,
    width: u32,
    height: u32,
    alt: &'a str,
    animated: bool,
}

fn picture_data(picture: &Picture) -> PictureData<'_> {
    PictureData {
        id: &picture.id,
        full: picture.url("full"),
        medium: picture.url("medium"),
        small: picture.url("small"),
        width: picture.width,
        height: picture.height,
        alt: &picture.alt,
        animated: picture.animated,
    }
}

pub fn data<'a>(room: &'a str, m: &'a Message) -> Data<'a> {
    Data {
        id: m.id,
        seq: m.seq,
        room,
        user: &m.author,
        plugin: m.plugin.as_deref(),
        by: m.by.as_deref(),
        command: m.command.as_deref(),
        content: &m.content,
        html: &m.html,
        mentions: m.mentions.split_whitespace().collect(),
        reply_to: m.reply.as_ref(),
        thread_id: m.thread_id,
        created_at: m.created_at,
        edited_at: m.edited_at,
        deleted: m.deleted.as_deref(),
        change: m.change,
        pictures: m.pictures.iter().map(picture_data).collect(),
    }
}

/// A message for the browser's dialect: the partial, and what tells where it belongs.
#[derive(Serialize)]
pub struct Fragment<'a> {
    id: i64,
    seq: i64,
    room: &'a str,
    user: &'a str,
    deleted: Option<&'a str>,
    change: Option<i64>,
    html: Arc<str>,
}

/// # Errors
/// The template's.
pub fn fragment<'a>(app: &App, room: &'a str, m: &'a Message) -> Result<Fragment<'a>, Error> {
    Ok(Fragment {
        id: m.id,
        seq: m.seq,
        room,
        user: &m.author,
        deleted: m.deleted.as_deref(),
        change: m.change,
        html: message(app, room, m)?,
    })
}

/// What the templates read as `room`.
pub fn room(room: &Room) -> Value {
    context! {
        name => room.name,
        topic => room.topic,
        open => room.open,
        owner => room.owner,
        last_seq => room.last_seq,
        last_change => room.last_change,
        last_id => room.last_id,
    }
}

/// A room as data.
pub fn room_data(room: &Room) -> serde_json::Value {
    json!({
        "id": room.id,
        "name": room.name,
        "topic": room.topic,
        "open": room.open,
        "owner": room.owner,
        "last_seq": room.last_seq,
        "last_change": room.last_change,
        "last_id": room.last_id,
        "you": room.you,
    })
}

/// A room in the list at the side.
pub fn listed(room: &Listed, current: &str) -> Value {
    context! {
        name => room.name,
        topic => room.topic,
        open => room.open,
        unread => room.unread,
        mentions => room.mentions,
        current => *room.name == *current,
    }
}
