//! Stickers as they go along and come back, and what becomes of them when who stuck them goes. Those that visitors left go along, and
//! stay where they are when the rest comes back: they are theirs.

use std::collections::{HashMap, HashSet};

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Place, STICKERS_MOST,
    forms::ALT_MOST,
    live,
    mutations::{self, New, What},
    queries::{self, Canvas},
    topic, wall_topic,
};
use crate::{
    app::{App, now_ms},
    archive::{self, Archive, Left, Writer},
    db::{Db, Reader, Tx},
    error::Error,
    plugins::settings,
    session::Member,
};

/// Where stickers are in an archive, and what their owner lets others do.
pub const LIST: &str = "data/stickers.jsonl";
pub const CANVAS: &str = "data/canvas.json";
/// What one left on others' walls.
const ELSEWHERE: &str = "data/stickers-elsewhere.jsonl";
/// Bytes of what a sticker is drawn with.
const SETTINGS_MOST: usize = 64 * 1024;

/// A sticker, as it stands in an archive, the lowest first.
#[derive(Debug, Deserialize, Serialize)]
pub struct Moved {
    /// `emoji`, `image` or `drawn`.
    pub kind: String,
    pub emoji: Option<String>,
    /// Of an image: its id in `data/media.jsonl`.
    pub media: Option<String>,
    /// Of a drawn one: by which plugin, with what, and what chance draws from, as text.
    pub plugin: Option<String>,
    pub settings: Option<Box<RawValue>>,
    pub seed: Option<String>,
    /// Where it lies: `x` in hundredths of a percent of the wall's width, `y` and `width` in sixteenths of a rem, `rotation` in degrees.
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub rotation: i32,
    pub alt: String,
    /// Which visitor left it, if one did.
    pub by: Option<String>,
    pub created_at: i64,
}

/// A sticker on somebody else's wall.
#[derive(Serialize)]
struct Elsewhere {
    wall: String,
    #[serde(flatten)]
    sticker: Moved,
}

/// What an owner lets others do.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct MovedCanvas {
    pub visitors: bool,
    pub cursors: bool,
    /// Older archives don't say.
    #[serde(default = "yes")]
    pub presence: bool,
}

fn yes() -> bool {
    true
}

/// Writes what lies on a member's wall.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    let stickers = db.read(|db| {
        db.all(
            &format!("{COLUMNS} where s.wall_id = ?1 and s.removed_at is null order by s.z, s.id"),
            [user_id],
            moved,
        )
    })?;
    out.lines(LIST, |lines| {
        stickers.iter().try_for_each(|sticker| lines.push(sticker))
    })?;
    let elsewhere = db.read(|db| {
        db.all(
            &format!(
                "{COLUMNS} where s.user_id = ?1 and s.wall_id <> ?1 and s.removed_at is null order by w.name, s.z, s.id"
            ),
            [user_id],
            |row| {
                Ok(Elsewhere {
                    wall: row.get(13)?,
                    sticker: Moved {
                        by: None,
                        ..moved(row)?
                    },
                })
            },
        )
    })?;
    out.lines(ELSEWHERE, |lines| {
        elsewhere.iter().try_for_each(|sticker| lines.push(sticker))
    })?;
    let canvas = db.read(|db| queries::canvas(db, user_id))?;
    out.json(
        CANVAS,
        &MovedCanvas {
            visitors: canvas.visitors,
            cursors: canvas.cursors,
            presence: canvas.presence,
        },
    )
}

/// What [`moved`] reads, and the wall's name behind it.
const COLUMNS: &str =
    "select s.kind, s.emoji, s.media_id, s.plugin, s.settings, s.seed, s.x, s.y, s.width, s.rotation, s.alt,
        case when s.user_id <> s.wall_id then u.name end, s.created_at, w.name
   from stickers s
   join users u on u.id = s.user_id
   join users w on w.id = s.wall_id";

fn moved(row: &Row) -> rusqlite::Result<Moved> {
    Ok(Moved {
        kind: row.get(0)?,
        emoji: row.get(1)?,
        media: row.get(2)?,
        plugin: row.get(3)?,
        settings: row
            .get::<_, Option<String>>(4)?
            .and_then(|settings| RawValue::from_string(settings).ok()),
        seed: row.get::<_, Option<i64>>(5)?.map(|seed| (seed as u64).to_string()),
        x: row.get(6)?,
        y: row.get(7)?,
        width: row.get(8)?,
        rotation: row.get(9)?,
        alt: row.get(10)?,
        by: row.get(11)?,
        created_at: row.get(12)?,
    })
}

/// A sticker about to come along; everything in it is checked.
pub struct Incoming {
    new: New,
    seed: Option<i64>,
    created_at: i64,
}

/// What an archive has for a wall's canvas.
#[derive(Default)]
pub struct Canvasful {
    pub stickers: Vec<Incoming>,
    pub canvas: Option<MovedCanvas>,
    /// What stays behind, and why.
    pub left: Vec<Left>,
    /// The pictures that they need.
    pub media: HashSet<String>,
}

/// The stickers of an archive that can come along. `media` are the ids of its pictures.
///
/// # Errors
/// [`Error::Invalid`] for what no sticker of ours is.
pub fn read(app: &App, archive: &Archive, media: &HashSet<String>) -> Result<Canvasful, Error> {
    let mut all = Canvasful {
        canvas: archive.json(CANVAS)?,
        ..Canvasful::default()
    };
    let (mut nth, mut visitors) = (0, 0);
    archive.lines(LIST, 10 * STICKERS_MOST as usize, |sticker: Moved| {
        nth += 1;
        let wrong = |why: &str| archive::refused(format!("sticker {nth} {why}"));
        let fits = (0..=Place::X_MOST).contains(&sticker.x)
            && (0..=Place::Y_MOST).contains(&sticker.y)
            && (Place::WIDTH_LEAST..=Place::WIDTH_MOST).contains(&sticker.width)
            && (-Place::ROTATION_MOST..=Place::ROTATION_MOST).contains(&sticker.rotation);
        if !fits {
            return Err(wrong("lies beyond the wall, or is larger than can be"));
        }
        if sticker.alt.chars().count() > ALT_MOST || sticker.alt.chars().any(char::is_control) {
            return Err(wrong("is described in more words than can be"));
        }
        let seed = match sticker.seed.as_deref().map(str::parse::<u64>) {
            Some(Err(_)) => return Err(wrong("has a seed that isn't a number of 64 bits")),
            Some(Ok(seed)) => Some(seed as i64),
            None => None,
        };
        if sticker.by.is_some() {
            visitors += 1;
            return Ok(());
        }
        let what = match (&*sticker.kind, &sticker.emoji, &sticker.media, &sticker.plugin) {
            ("emoji", Some(emoji), None, None) => match emojis::get(emoji) {
                Some(emoji) => What::Emoji(emoji.as_str().into()),
                None => return Err(wrong("is an emoji that Unicode doesn't list")),
            },
            ("image", None, Some(id), None) => {
                if !media.contains(id) {
                    return Err(wrong("shows a picture that isn't in it"));
                }
                all.media.insert(id.clone());
                What::Image(id.as_str().into())
            }
            ("drawn", None, None, Some(id)) => {
                let drawn_with = sticker.settings.as_ref().map_or("{}", |settings| settings.get());
                if drawn_with.len() > SETTINGS_MOST || !drawn_with.starts_with('{') || id.len() > 64 {
                    return Err(wrong("is drawn with something that can't be"));
                }
                let standing = app.plugins.standing(id);
                let Some(plugin) = standing.ready().filter(|plugin| plugin.roles.sticker) else {
                    all.left.push(Left {
                        what: format!("A sticker drawn by {}", archive::shown(id)),
                        why: "That plugin isn't installed here.".into(),
                    });
                    return Ok(());
                };
                What::Drawn {
                    plugin: plugin.manifest.id.as_str().into(),
                    settings: settings::fitting(&plugin.manifest.settings, drawn_with).into(),
                }
            }
            _ => return Err(wrong("is neither an emoji nor a picture nor drawn")),
        };
        all.stickers.push(Incoming {
            new: New {
                what,
                place: Place {
                    x: sticker.x,
                    y: sticker.y,
                    width: sticker.width,
                    rotation: sticker.rotation,
                },
                alt: sticker.alt,
            },
            seed,
            created_at: sticker.created_at.clamp(0, now_ms()),
        });
        Ok(())
    })?;
    if visitors > 0 {
        all.left.push(Left {
            what: format!("{visitors} stickers that visitors left"),
            why: "They are theirs.".into(),
        });
    }
    Ok(all)
}

/// Puts stickers on a wall above those that lie there, or `instead` of its owner's own: those are taken off then, and can be put
/// back for a while. `media` has the new id of each picture.
///
/// # Errors
/// [`Error::Conflict`] for more than a wall holds.
pub fn import(
    tx: &Tx,
    app: &App,
    owner: &Member,
    all: &Canvasful,
    instead: bool,
    media: &HashMap<String, String>,
) -> Result<(), Error> {
    let wall = &*owner.name;
    if instead {
        let own = tx.all(
            "select id from stickers where wall_id = ?1 and user_id = ?1 and removed_at is null",
            [owner.id],
            |row| row.get::<_, i64>(0),
        )?;
        for id in own {
            mutations::remove(tx, wall, owner, id)?;
        }
        if let Some(canvas) = all.canvas {
            let canvas = Canvas {
                visitors: canvas.visitors,
                cursors: canvas.cursors,
                presence: canvas.presence,
            };
            mutations::allow(tx, app, owner, canvas)?;
        }
    }
    let lie: i64 = tx.one(
        "select count(*) from stickers where wall_id = ?1 and removed_at is null",
        [owner.id],
        |row| row.get(0),
    )?;
    if lie + all.stickers.len() as i64 > STICKERS_MOST {
        return Err(Error::Conflict(format!(
            "{} stickers come in, and {lie} lie on your wall: it holds {STICKERS_MOST}. Bring them in place of yours, or take some off first.",
            all.stickers.len()
        )));
    }
    for sticker in &all.stickers {
        let mut new = sticker.new.clone();
        if let What::Image(old) = &new.what {
            let id = media
                .get(&**old)
                .ok_or_else(|| Error::internal("a sticker's picture didn't come along"))?;
            new.what = What::Image(id.as_str().into());
        }
        let id = mutations::put_up(tx, owner.id, wall, owner.id, &new)?;
        tx.run(
            "update stickers set seed = coalesce(?2, seed), created_at = ?3 where id = ?1",
            params![id, sticker.seed, sticker.created_at],
        )?;
    }
    Ok(())
}

/// Shows what a member left on others' walls, or takes it off, now that others find them again, or don't any more.
///
/// # Errors
/// The database's.
pub fn touch(tx: &Tx, app: &App, user_id: i64) -> Result<(), Error> {
    let left = tx.all(
        "select u.name, s.id
           from stickers s
           join users u on u.id = s.wall_id
          where s.user_id = ?1 and s.wall_id <> ?1 and s.removed_at is null
          order by u.name, s.z, s.id",
        [user_id],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)),
    )?;
    for on_one in left.chunk_by(|(wall, _), (next, _)| wall == next) {
        let (app, wall) = (app.clone(), on_one[0].0.clone());
        let ids: Vec<i64> = on_one.iter().map(|(_, id)| *id).collect();
        tx.touch(wall_topic(&wall));
        tx.touch(topic(&wall));
        tx.announce(move || live::tell(&app, &wall, &ids));
    }
    Ok(())
}

/// Has every wall made anew that a member's stickers lie on. They go with the member's row, and so do those on their own wall;
/// answers how many that are.
///
/// # Errors
/// The database's.
pub fn leave(tx: &Tx, user_id: i64) -> Result<i64, Error> {
    let walls = tx.all(
        "select u.name, count(*)
           from stickers s
           join users u on u.id = s.wall_id
          where s.user_id = ?1 or s.wall_id = ?1
          group by u.name",
        [user_id],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)),
    )?;
    for (wall, _) in &walls {
        tx.touch(wall_topic(wall));
        tx.touch(topic(wall));
    }
    Ok(walls.iter().map(|(_, many)| many).sum())
}

/// How many stickers of the owner's own lie on a wall.
///
/// # Errors
/// The database's.
pub fn standing(db: &Reader, user_id: i64) -> Result<i64, Error> {
    db.one(
        "select count(*) from stickers where wall_id = ?1 and user_id = ?1 and removed_at is null",
        [user_id],
        |row| row.get(0),
    )
}
