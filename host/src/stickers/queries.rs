//! What stickers are read from. Those between whose author and the wall's owner one has blocked the other are not there, nor are those
//! of who is about to leave for good.

use std::{collections::HashSet, sync::Arc};

use rusqlite::{Row, params};

use super::{Place, wall_topic};
use crate::{
    db::Reader,
    dms,
    error::Error,
    plugins::Installation,
    profiles::{self, Profile},
};

/// One sticker, as it is kept.
#[derive(Clone, Debug)]
pub struct Sticker {
    pub id: i64,
    /// Who put it there.
    pub user_id: i64,
    pub author: Arc<str>,
    pub picture: Picture,
    pub place: Place,
    pub z: i64,
    pub alt: String,
    pub rev: i64,
}

/// What a sticker shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    Emoji(Arc<str>),
    Image {
        /// An id of the media library.
        media: Arc<str>,
        /// Whether its largest size moves; the others never do.
        animated: bool,
    },
    Drawn {
        plugin: Arc<str>,
        settings: Arc<str>,
        seed: u64,
    },
}

/// The columns that a [`Sticker`] is made of.
const COLUMNS: &str = "s.id, s.user_id, u.name, s.emoji, s.media_id, s.plugin, s.settings, s.seed, s.x, s.y, s.width, s.rotation, s.z, s.alt, s.rev,
    (select m.animated from media m where m.id = s.media_id)";

impl Sticker {
    fn of(row: &Row) -> rusqlite::Result<Self> {
        let emoji: Option<Arc<str>> = row.get(3)?;
        let media: Option<Arc<str>> = row.get(4)?;
        let picture = match (emoji, media) {
            (Some(emoji), _) => Picture::Emoji(emoji),
            (_, Some(media)) => Picture::Image {
                media,
                animated: row.get::<_, Option<bool>>(15)?.unwrap_or_default(),
            },
            _ => Picture::Drawn {
                plugin: row.get(5)?,
                settings: row.get(6)?,
                // Kept as SQLite's signed integer, bit for bit.
                seed: row.get::<_, i64>(7)? as u64,
            },
        };
        Ok(Self {
            id: row.get(0)?,
            user_id: row.get(1)?,
            author: row.get(2)?,
            picture,
            place: Place {
                x: row.get(8)?,
                y: row.get(9)?,
                width: row.get(10)?,
                rotation: row.get(11)?,
            },
            z: row.get(12)?,
            alt: row.get(13)?,
            rev: row.get(14)?,
        })
    }

    /// As the plugin platform takes a drawn one. What it draws is pure, so it needs no storage of its own: its number
    /// stands below all those of modules.
    pub fn installation(&self, owner: &Profile, utc_offset_minutes: i16) -> Option<Installation> {
        let Picture::Drawn { plugin, settings, seed } = &self.picture else {
            return None;
        };
        Some(Installation {
            id: -self.id,
            plugin: plugin.clone(),
            wall: owner.name.clone(),
            owner_id: owner.user_id,
            settings: settings.clone(),
            seed: *seed,
            width: 1,
            height: 1,
            refused: Default::default(),
            utc_offset_minutes,
            locale: owner.locale.clone(),
        })
    }
}

/// Everything that lies on a wall, the lowest first.
///
/// # Errors
/// The database's.
pub fn all(db: &Reader, wall_id: i64) -> Result<Vec<Sticker>, Error> {
    let sql = format!(
        "select {COLUMNS}
           from stickers s
           join users u on u.id = s.user_id
          where s.wall_id = ?1 and s.removed_at is null and u.leaving_at is null
          order by s.z, s.id"
    );
    let mut stickers = db.all(&sql, [wall_id], Sticker::of)?;
    if stickers.iter().any(|sticker| sticker.user_id != wall_id) {
        let blocked = dms::blocked(db, wall_id)?;
        stickers.retain(|sticker| !blocked.contains(&sticker.user_id));
    }
    Ok(stickers)
}

/// One sticker that lies on a wall, and whose wall that is.
///
/// # Errors
/// [`Error::NotFound`], also for one of another wall.
pub fn one(db: &Reader, wall: &str, id: i64) -> Result<(Profile, Sticker), Error> {
    let owner = profiles::find(db, wall)?;
    let sql = format!(
        "select {COLUMNS}
           from stickers s
           join users u on u.id = s.user_id
          where s.id = ?1 and s.wall_id = ?2 and s.removed_at is null and u.leaving_at is null"
    );
    let sticker = db.one(&sql, [id, owner.user_id], Sticker::of)?;
    if sticker.user_id != owner.user_id && dms::blocked(db, owner.user_id)?.contains(&sticker.user_id) {
        return Err(Error::NotFound);
    }
    Ok((owner, sticker))
}

/// What an owner allows on their wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Members may leave stickers.
    pub visitors: bool,
    /// Cursors are shown.
    pub cursors: bool,
    /// It is said who is there.
    pub presence: bool,
}

impl Default for Canvas {
    fn default() -> Self {
        Self {
            visitors: false,
            cursors: false,
            presence: true,
        }
    }
}

/// What the owner of a wall allows.
///
/// # Errors
/// The database's.
pub fn canvas(db: &Reader, wall_id: i64) -> Result<Canvas, Error> {
    let found = db.maybe(
        "select visitors, cursors, presence from canvases where user_id = ?1",
        [wall_id],
        |row| {
            Ok(Canvas {
                visitors: row.get(0)?,
                cursors: row.get(1)?,
                presence: row.get(2)?,
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}

/// Where on `/live` nobody is told who is there, because the wall's owner doesn't like that.
///
/// # Errors
/// The database's.
pub fn quiet(db: &Reader) -> Result<HashSet<Arc<str>>, Error> {
    let walls = db.all(
        "select u.name from canvases c join users u on u.id = c.user_id where c.presence = 0",
        [],
        |row| row.get::<_, String>(0),
    )?;
    Ok(walls.iter().map(|wall| wall_topic(wall).into()).collect())
}

/// Whether a wall shows the cursor of a member: both like it, the wall says who is on it, and neither has blocked the other.
///
/// # Errors
/// [`Error::NotFound`] for a wall that isn't there.
pub fn shows_cursor(db: &Reader, wall: &str, member: i64) -> Result<bool, Error> {
    let (wall_id, shown) = db.one(
        "select u.id, coalesce(c.cursors, 0) = 1 and coalesce(c.presence, 1) = 1 and p.cursor = 1
           from users u
           left join canvases c on c.user_id = u.id
           join profiles p on p.user_id = ?2
          where u.name = ?1",
        params![wall, member],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)),
    )?;
    Ok(shown && !dms::blocked(db, wall_id)?.contains(&member))
}

/// Who may move a sticker of a wall: its author and the wall's owner.
///
/// # Errors
/// [`Error::NotFound`] for one that doesn't lie there.
pub fn movers(db: &Reader, wall: &str, id: i64) -> Result<[i64; 2], Error> {
    db.one(
        "select s.wall_id, s.user_id
           from stickers s
           join users u on u.id = s.wall_id
          where s.id = ?1 and u.name = ?2 and s.removed_at is null",
        params![id, wall],
        |row| Ok([row.get(0)?, row.get(1)?]),
    )
}

/// Whether a member likes their cursor to be shown.
///
/// # Errors
/// The database's.
pub fn likes_cursor(db: &Reader, member: i64) -> Result<bool, Error> {
    db.one("select cursor from profiles where user_id = ?1", [member], |row| {
        row.get(0)
    })
}
