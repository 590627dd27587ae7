//! Tags as they go along with who chose them.

use serde::{Deserialize, Serialize};

use super::tags;
use crate::{
    archive::Writer,
    db::{Db, Tx},
    error::Error,
};

/// Where they are in an archive.
pub const FILE: &str = "data/tags.json";

/// What stands in an archive.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Moved {
    pub tags: Vec<String>,
}

/// Writes the tags that a member chose.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    let tags = db.read(|db| tags::of(db, user_id))?;
    out.json(FILE, &Moved { tags })
}

/// Takes a member's tags away, and has their pages made anew: their name is about to be nobody's.
///
/// # Errors
/// The database's.
pub fn leave(tx: &Tx, user_id: i64, name: &str) -> Result<i64, Error> {
    tx.touch("people");
    tx.touch(format!("found:{name}"));
    Ok(tx.run("delete from tags where user_id = ?1", [user_id])? as i64)
}
