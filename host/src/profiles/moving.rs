//! Who a member is, as it goes along and comes back.

use serde::{Deserialize, Serialize};

use crate::{archive::Writer, db::Db, error::Error};

/// Where it is in an archive.
pub const FILE: &str = "data/profile.json";

/// What stands in an archive.
#[derive(Deserialize, Serialize)]
pub struct Moved {
    bio: String,
    status: String,
    mood: String,
    colour: String,
    time_zone: String,
    /// Whether others see that one is here.
    present: bool,
}

/// Writes a member's profile.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    let moved = db.read(|db| {
        db.one(
            "select bio, status, mood, colour, time_zone, present from profiles where user_id = ?1",
            [user_id],
            |row| {
                Ok(Moved {
                    bio: row.get(0)?,
                    status: row.get(1)?,
                    mood: row.get(2)?,
                    colour: row.get(3)?,
                    time_zone: row.get(4)?,
                    present: row.get(5)?,
                })
            },
        )
    })?;
    out.json(FILE, &moved)
}
