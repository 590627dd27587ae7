//! A picture or a sound as its owner sees it: for templates, and for programs.

use std::fmt::Write;

use minijinja::{Value, context};
use serde::Serialize;

use super::{
    queries::{self, Item},
    url,
};
use crate::{db::Reader, error::Error, words};

/// What templates and programs get.
#[derive(Serialize)]
pub struct Data {
    pub id: String,
    /// `image` or `audio`.
    pub kind: &'static str,
    pub name: String,
    pub bytes: u64,
    pub alt: String,
    pub transcript: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Of a picture: pixels, and where it is; `url` is the one for pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<SoundData>,
    /// Where it is, as pages show or play it.
    pub url: String,
    pub uses: Vec<UseData>,
}

#[derive(Serialize)]
pub struct PictureData {
    pub width: u32,
    pub height: u32,
    pub animated: bool,
    pub full: String,
    pub medium: String,
    pub small: String,
}

#[derive(Serialize)]
pub struct SoundData {
    pub duration_ms: u32,
    pub peaks: Vec<u8>,
}

#[derive(Serialize)]
pub struct UseData {
    pub what: String,
    /// What to call it: "a sticker on /wall/ana".
    pub words: String,
    pub href: String,
}

/// One of a member's own.
///
/// # Errors
/// [`Error::NotFound`].
pub fn data_of(db: &Reader, owner: i64, id: &str) -> Result<Data, Error> {
    let item = queries::item(db, owner, id)?;
    data(db, item)
}

/// With what uses it.
///
/// # Errors
/// The database's.
pub fn data(db: &Reader, item: Item) -> Result<Data, Error> {
    let uses = queries::uses(db, &item.id)?;
    let picture = item.is_picture.then(|| PictureData {
        width: item.width,
        height: item.height,
        animated: item.animated,
        full: url(&item.id, "full"),
        medium: url(&item.id, "medium"),
        small: url(&item.id, "small"),
    });
    let sound = (!item.is_picture).then_some(SoundData {
        duration_ms: item.duration_ms,
        peaks: item.peaks,
    });
    Ok(Data {
        url: url(&item.id, if item.is_picture { "medium" } else { "sound" }),
        kind: if item.is_picture { "image" } else { "audio" },
        id: item.id,
        name: item.name,
        bytes: item.bytes,
        alt: item.alt,
        transcript: item.transcript,
        created_at: item.created_at,
        picture,
        sound,
        uses: uses
            .into_iter()
            .map(|used| UseData {
                words: used_as(&used.what, &used.topic),
                what: used.what,
                href: used.href,
            })
            .collect(),
    })
}

/// The same for templates: with its size in words, and a player for a sound.
pub fn shown(data: &Data) -> Value {
    let player = data.sound.as_ref().map(|sound| {
        player(
            &format!("sound-{}", data.id),
            &data.url,
            &data.name,
            sound.duration_ms,
            &sound.peaks,
        )
    });
    context! { size => words::size(data.bytes), player, ..Value::from_serialize(data) }
}

/// What `templates/media/player.html` reads. `id` is the element's: another one for another sound.
pub fn player(id: &str, url: &str, what: &str, duration_ms: u32, peaks: &[u8]) -> Value {
    context! {
        id,
        url,
        what,
        duration_ms,
        time => words::clock(duration_ms.into()),
        wave => wave(peaks),
        width => peaks.len() * 3,
    }
}

/// A line for each peak, three units apart and up to 60 long, around a middle at 32: the `d` of an SVG path.
fn wave(peaks: &[u8]) -> String {
    let mut path = String::with_capacity(peaks.len() * 10);
    for (nth, peak) in peaks.iter().enumerate() {
        let half = 1 + u32::from(*peak) * 29 / 255;
        // Writing to a string can't fail.
        let _ = write!(path, "M{} {}v{}", nth * 3 + 1, 32 - half, half * 2);
    }
    path
}

fn used_as(what: &str, topic: &str) -> String {
    let on = match topic.split_once(':') {
        Some(("wall", name)) => format!("{name}'s wall"),
        Some(("room", name)) => format!("#{name}"),
        Some(("kept", name)) => format!("{name}'s wall, deleted and kept for a while"),
        _ => topic.to_owned(),
    };
    match what {
        "sticker" => format!("a sticker on {on}"),
        "post" => format!("a post on {on}"),
        "avatar" => format!("the avatar of {on}"),
        "banner" => format!("the banner of {on}"),
        "anthem" => format!("the anthem of {on}"),
        "voice" => format!("the voice intro of {on}"),
        "message" => format!("a message in {on}"),
        what => format!("{what} on {on}"),
    }
}
