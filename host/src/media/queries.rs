//! What the library reads.

use rusqlite::{Row, params};

use super::{Picture, Sound};
use crate::{db::Reader, error::Error};

/// A picture or a sound, as its owner sees it.
pub struct Item {
    pub id: String,
    pub is_picture: bool,
    pub name: String,
    /// Of all its files.
    pub bytes: u64,
    pub width: u32,
    pub height: u32,
    pub animated: bool,
    pub duration_ms: u32,
    pub peaks: Vec<u8>,
    pub alt: String,
    pub transcript: String,
    pub created_at: i64,
}

impl Item {
    fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            is_picture: row.get::<_, String>(1)? == "image",
            name: row.get(2)?,
            bytes: bytes(row, 3)?,
            width: row.get(4)?,
            height: row.get(5)?,
            animated: row.get(6)?,
            duration_ms: row.get(7)?,
            peaks: row.get(8)?,
            alt: row.get(9)?,
            transcript: row.get(10)?,
            created_at: row.get(11)?,
        })
    }
}

fn bytes(row: &Row, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

/// One of a member's own.
///
/// # Errors
/// [`Error::NotFound`].
pub fn item(db: &Reader, owner: i64, id: &str) -> Result<Item, Error> {
    db.one(
        "select id, kind, name, bytes, width, height, animated, duration_ms, peaks, alt, transcript, created_at
           from media
          where id = ?1 and user_id = ?2",
        params![id, owner],
        Item::of,
    )
}

/// Which of a library are asked for.
pub struct Wanted<'a> {
    pub owner: i64,
    /// `image`, `audio`, or both when empty.
    pub kind: &'a str,
    /// Older than this: when it came, and its id.
    pub before: Option<(i64, String)>,
    pub most: usize,
}

/// A member's own, the newest first.
///
/// # Errors
/// The database's.
pub fn items(db: &Reader, wanted: &Wanted) -> Result<Vec<Item>, Error> {
    let (at, id) = wanted.before.clone().unwrap_or((i64::MAX, String::new()));
    db.all(
        "select id, kind, name, bytes, width, height, animated, duration_ms, peaks, alt, transcript, created_at
           from media
          where user_id = ?1 and (?2 = '' or kind = ?2) and (created_at, id) < (?3, ?4)
          order by created_at desc, id desc
          limit ?5",
        params![wanted.owner, wanted.kind, at, id, wanted.most as i64],
        Item::of,
    )
}

/// The newest of a kind: ids, and what each is called for who chooses.
///
/// # Errors
/// The database's.
pub fn choices(db: &Reader, owner: i64, kind: &str, most: i64) -> Result<Vec<(String, String)>, Error> {
    db.all(
        "select id, case when alt = '' then name else alt end
           from media
          where user_id = ?1 and kind = ?2
          order by created_at desc, id desc
          limit ?3",
        params![owner, kind, most],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// What uses something.
pub struct Use {
    pub what: String,
    /// Which one.
    pub thing: i64,
    pub topic: String,
    pub href: String,
}

/// What uses it, in order.
///
/// # Errors
/// The database's.
pub fn uses(db: &Reader, id: &str) -> Result<Vec<Use>, Error> {
    db.all(
        "select what, thing_id, topic, href from media_uses where media_id = ?1 order by id",
        [id],
        |row| {
            Ok(Use {
                what: row.get(0)?,
                thing: row.get(1)?,
                topic: row.get(2)?,
                href: row.get(3)?,
            })
        },
    )
}

/// Whose it is; `None` when it isn't there.
///
/// # Errors
/// The database's.
pub fn owner(db: &Reader, id: &str) -> Result<Option<i64>, Error> {
    db.maybe("select user_id from media where id = ?1", [id], |row| row.get(0))
}

/// A file of something: its variant, type and bytes.
pub struct Kept {
    pub variant: String,
    pub mime: String,
    pub bytes: u64,
}

/// The file for a variant, or the next larger one where the picture is no larger.
///
/// # Errors
/// [`Error::NotFound`].
pub fn kept(db: &Reader, id: &str, variant: &str) -> Result<Kept, Error> {
    let or: &[&str] = match variant {
        "full" => &["full"],
        "medium" => &["medium", "full"],
        "small" => &["small", "medium", "full"],
        "sound" => &["sound"],
        _ => return Err(Error::NotFound),
    };
    for variant in or {
        let found = db.maybe(
            "select variant, mime, bytes from media_files where media_id = ?1 and variant = ?2",
            params![id, variant],
            |row| {
                Ok(Kept {
                    variant: row.get(0)?,
                    mime: row.get(1)?,
                    bytes: bytes(row, 2)?,
                })
            },
        )?;
        if let Some(found) = found {
            return Ok(found);
        }
    }
    Err(Error::NotFound)
}

/// Bytes that a member's pictures and sounds take, and those of what is still being sent.
///
/// # Errors
/// The database's.
pub fn stored_by(db: &Reader, member: i64) -> Result<u64, Error> {
    db.one(
        "select coalesce((select sum(bytes) from media where user_id = ?1), 0)
              + coalesce((select sum(bytes) from uploads where user_id = ?1 and media_id is null and refused is null), 0)",
        [member],
        |row| bytes(row, 0),
    )
}

pub(super) fn picture(db: &Reader, owner: i64, id: &str) -> Result<Option<Picture>, Error> {
    db.maybe(
        "select id, width, height, alt, animated from media where id = ?1 and user_id = ?2 and kind = 'image'",
        params![id, owner],
        picture_of,
    )
}

pub(super) fn pictures_of(db: &Reader, what: &str, thing: i64) -> Result<Vec<Picture>, Error> {
    db.all(
        "select m.id, m.width, m.height, m.alt, m.animated
           from media_uses u
           join media m on m.id = u.media_id
          where u.what = ?1 and u.thing_id = ?2 and m.kind = 'image'
          order by u.id",
        params![what, thing],
        picture_of,
    )
}

fn picture_of(row: &Row) -> rusqlite::Result<Picture> {
    Ok(Picture {
        id: row.get(0)?,
        width: row.get(1)?,
        height: row.get(2)?,
        alt: row.get(3)?,
        animated: row.get(4)?,
    })
}

pub(super) fn sound(db: &Reader, owner: i64, id: &str) -> Result<Option<Sound>, Error> {
    db.maybe(
        "select id, duration_ms, peaks, transcript from media where id = ?1 and user_id = ?2 and kind = 'audio'",
        params![id, owner],
        |row| {
            Ok(Sound {
                id: row.get(0)?,
                duration_ms: row.get(1)?,
                peaks: row.get::<_, Vec<u8>>(2)?.into(),
                transcript: row.get(3)?,
            })
        },
    )
}

/// Something that is being sent.
pub struct Upload {
    pub bytes: u64,
    pub name: String,
    pub alt: String,
    pub passing: bool,
    /// What became of it.
    pub media: Option<String>,
    /// Or why nothing did.
    pub refused: Option<String>,
}

/// One of a member's uploads.
///
/// # Errors
/// [`Error::NotFound`].
pub fn upload(db: &Reader, owner: i64, id: &str) -> Result<Upload, Error> {
    db.one(
        "select bytes, name, alt, passing, media_id, refused from uploads where id = ?1 and user_id = ?2",
        params![id, owner],
        |row| {
            Ok(Upload {
                bytes: bytes(row, 0)?,
                name: row.get(1)?,
                alt: row.get(2)?,
                passing: row.get(3)?,
                media: row.get(4)?,
                refused: row.get(5)?,
            })
        },
    )
}
