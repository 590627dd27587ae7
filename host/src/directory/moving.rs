//! Tags as they go along with who chose them.

use serde::{Deserialize, Serialize};

use super::tags;
use crate::{
    archive::{self, Archive, Writer},
    db::{Db, Tx},
    error::Error,
    session::Member,
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

/// The tags of an archive, if it says any.
///
/// # Errors
/// [`Error::Invalid`] for what can't be a tag.
pub fn read(archive: &Archive) -> Result<Option<Vec<String>>, Error> {
    let Some(moved) = archive.json::<Moved>(FILE)? else {
        return Ok(None);
    };
    match moved.tags.iter().find(|tag| !tags::is_tag(tag)) {
        Some(tag) => Err(archive::refused(format!("“{}” can't be a tag", archive::shown(tag)))),
        None => tags::typed(&moved.tags.join(" "))
            .map(Some)
            .map_err(|_| archive::refused("it has more tags than one may have")),
    }
}

/// Gives a member the tags, `instead` of theirs or where they have none; whether they came.
///
/// # Errors
/// The database's.
pub fn import(tx: &Tx, member: &Member, brought: &[String], instead: bool) -> Result<bool, Error> {
    if !instead && !tags::of(tx, member.id)?.is_empty() {
        return Ok(false);
    }
    tags::set(tx, member, brought)?;
    Ok(!brought.is_empty())
}
