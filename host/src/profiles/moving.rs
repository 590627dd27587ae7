//! Who a member is, as it goes along and comes back.

use serde::{Deserialize, Serialize};

use super::Pictures;
use crate::{archive::Writer, db::Db, error::Error};

/// Where it is in an archive.
pub const FILE: &str = "data/profile.json";

/// What stands in an archive.
#[derive(Deserialize, Serialize)]
pub struct Moved {
    pub bio: String,
    pub status: String,
    pub mood: String,
    pub colour: String,
    pub time_zone: String,
    /// Whether others see that one is here, and one's cursor.
    pub present: bool,
    #[serde(default)]
    pub cursor: bool,
    /// Whether one sees walls plainly.
    #[serde(default)]
    pub plain: bool,
    /// Pictures, by their ids in `data/media.jsonl`.
    #[serde(default)]
    pub avatar: Option<String>,
    #[serde(default)]
    pub banner: Option<String>,
}

/// Writes a member's profile.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    let moved = db.read(|db| {
        let Pictures { avatar, banner } = super::pictures_of(db, user_id)?;
        db.one(
            "select bio, status, mood, colour, time_zone, present, cursor, plain from profiles where user_id = ?1",
            [user_id],
            |row| {
                Ok(Moved {
                    bio: row.get(0)?,
                    status: row.get(1)?,
                    mood: row.get(2)?,
                    colour: row.get(3)?,
                    time_zone: row.get(4)?,
                    present: row.get(5)?,
                    cursor: row.get(6)?,
                    plain: row.get(7)?,
                    avatar: avatar.as_ref().map(|picture| picture.id.to_string()),
                    banner: banner.as_ref().map(|picture| picture.id.to_string()),
                })
            },
        )
    })?;
    out.json(FILE, &moved)
}
