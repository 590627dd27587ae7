//! What an owner keeps, undoes and allows.

use rusqlite::params;

use super::{
    page,
    queries::{self, Look},
    starts,
    theme::Theme,
};
use crate::{app::now_ms, db::Tx, error::Error, media, profiles::Profile};

/// Looks that are kept of one wall, to go back to.
const KEPT_MOST: i64 = 30;

/// Keeps a look; those that were undone before are gone with that.
///
/// # Errors
/// The database's.
pub fn keep(tx: &Tx, owner: &Profile, theme: &Theme, css: &str, remixed_from: Option<i64>) -> Result<(), Error> {
    let now: Option<i64> = tx.one("select look from profiles where user_id = ?1", [owner.user_id], |row| {
        row.get(0)
    })?;
    tx.run(
        "insert into looks (user_id, theme, css, remixed_from, created_at) values (?1, ?2, ?3, ?4, ?5)",
        params![owner.user_id, theme.to_json(), css, remixed_from, now_ms()],
    )?;
    let id = tx.last_id();
    tx.run(
        "delete from looks where user_id = ?1 and id > ?2 and id < ?3",
        params![owner.user_id, now.unwrap_or(0), id],
    )?;
    tx.run(
        "delete from looks
          where user_id = ?1
            and id not in (select id from looks where user_id = ?1 order by id desc limit ?2)",
        [owner.user_id, KEPT_MOST],
    )?;
    wear(tx, owner, Some(id))
}

/// Has a wall wear one of the twelve themes.
///
/// # Errors
/// [`Error::NotFound`] for a name that there isn't.
pub fn wear_start(tx: &Tx, owner: &Profile, start: &str) -> Result<(), Error> {
    let start = starts::named(start).ok_or(Error::NotFound)?;
    keep(tx, owner, &start.theme, "", None)
}

/// Has a wall wear the look of another one, and says so on it.
///
/// # Errors
/// The database's.
pub fn wear_that_of(tx: &Tx, owner: &Profile, source: &Profile, look: &Look) -> Result<(), Error> {
    keep(tx, owner, &look.theme, &look.css, Some(source.user_id))
}

/// Goes back to the look before this one; the first comes after the house's.
///
/// # Errors
/// [`Error::Conflict`] when there is none.
pub fn undo(tx: &Tx, owner: &Profile) -> Result<(), Error> {
    let now: Option<i64> = tx.one("select look from profiles where user_id = ?1", [owner.user_id], |row| {
        row.get(0)
    })?;
    let now = now.ok_or_else(|| Error::Conflict("There is nothing left to undo: this is the house's look.".into()))?;
    let before = tx.one(
        "select max(id) from looks where user_id = ?1 and id < ?2",
        [owner.user_id, now],
        |row| row.get(0),
    )?;
    wear(tx, owner, before)
}

/// Goes forth to the look that was undone last.
///
/// # Errors
/// [`Error::Conflict`] when there is none.
pub fn redo(tx: &Tx, owner: &Profile) -> Result<(), Error> {
    let after: Option<i64> = tx.one(
        "select min(id) from looks
          where user_id = ?1
            and id > coalesce((select look from profiles where user_id = ?1), 0)",
        [owner.user_id],
        |row| row.get(0),
    )?;
    match after {
        Some(after) => wear(tx, owner, Some(after)),
        None => Err(Error::Conflict(
            "There is nothing to do again: this is the newest look.".into(),
        )),
    }
}

/// Says whether others may take this wall's look.
///
/// # Errors
/// The database's.
pub fn allow(tx: &Tx, owner: &Profile, remixable: bool) -> Result<(), Error> {
    tx.run(
        "update profiles set remixable = ?2 where user_id = ?1",
        params![owner.user_id, remixable],
    )?;
    touch(tx, owner);
    Ok(())
}

fn wear(tx: &Tx, owner: &Profile, look: Option<i64>) -> Result<(), Error> {
    tx.run(
        "update profiles set look = ?2 where user_id = ?1",
        params![owner.user_id, look],
    )?;
    // What its CSS shows may be seen by whoever sees the wall.
    media::detach(tx, "look", owner.user_id)?;
    let css = queries::of(tx, owner)?.css;
    let wall = format!("wall:{}", owner.name);
    for id in page::rebuilt(tx, owner, &css).pictures {
        media::attach(tx, &id, "look", owner.user_id, &wall, &format!("/wall/{}", owner.name))?;
    }
    touch(tx, owner);
    Ok(())
}

fn touch(tx: &Tx, owner: &Profile) {
    tx.touch(format!("wall:{}", owner.name));
    tx.touch(page::topic(&owner.name));
}
