//! What an owner changes on their wall. Each is a closure's worth of SQL; what it changes is named as topics.

use std::sync::Arc;

use neospace_runner::protocol::Grants;
use rusqlite::params;

use super::MODULES_MOST;
use crate::{app::now_ms, crypto, db::Tx, directory, error::Error};

/// Between two modules' positions, so that one can be put between them without moving the others.
const GAP: i64 = 1 << 20;
/// A module that was taken off is kept so long, and can be put back: 30 days, in milliseconds.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// Modules that wait to be put back, on one wall.
const KEPT_MOST: i64 = 50;

/// What modules are called among what leads to walls.
pub const MODULE: &str = "module";

/// A module to put up.
#[derive(Clone, Debug)]
pub struct NewModule {
    pub plugin: Arc<str>,
    pub width: u8,
    pub height: u8,
    pub settings: Arc<str>,
    pub refused: Grants,
}

/// Puts a module up, last on the wall; answers its id.
///
/// # Errors
/// [`Error::Conflict`] when the wall is full.
pub fn add(tx: &Tx, user_id: i64, wall: &str, new: &NewModule) -> Result<i64, Error> {
    make_room(tx, user_id)?;
    let last: Option<i64> = tx.one(
        "select max(position) from modules where user_id = ?1 and removed_at is null",
        [user_id],
        |row| row.get(0),
    )?;
    tx.run(
        "insert into modules (user_id, plugin, position, width, height, settings, refused, seed, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            user_id,
            new.plugin,
            last.map_or(0, |last| last + GAP),
            new.width,
            new.height,
            new.settings,
            new.refused.0,
            i64::from_le_bytes(crypto::random()),
            now_ms()
        ],
    )?;
    let id = tx.last_id();
    touch(tx, wall, id);
    Ok(id)
}

fn make_room(tx: &Tx, user_id: i64) -> Result<(), Error> {
    let up: i64 = tx.one(
        "select count(*) from modules where user_id = ?1 and removed_at is null",
        [user_id],
        |row| row.get(0),
    )?;
    if up >= MODULES_MOST {
        return Err(Error::Conflict(format!(
            "A wall holds at most {MODULES_MOST} modules. Take one off first."
        )));
    }
    Ok(())
}

/// Puts a module before another one of the same wall, or last.
///
/// # Errors
/// [`Error::NotFound`] when either isn't on this wall.
pub fn place(tx: &Tx, user_id: i64, wall: &str, id: i64, before: Option<i64>) -> Result<(), Error> {
    let mut order = order(tx, user_id)?;
    let from = order
        .iter()
        .position(|(other, _)| *other == id)
        .ok_or(Error::NotFound)?;
    let moved = order.remove(from);
    let to = match before {
        Some(before) => order
            .iter()
            .position(|(other, _)| *other == before)
            .ok_or(Error::NotFound)?,
        None => order.len(),
    };
    order.insert(to, moved);
    let left = to.checked_sub(1).map(|at| order[at].1);
    let right = order.get(to + 1).map(|next| next.1);
    let position = match (left, right) {
        (None, None) => 0,
        (Some(left), None) => left + GAP,
        (None, Some(right)) => right - GAP,
        (Some(left), Some(right)) if right - left > 1 => left + (right - left) / 2,
        // No room between the two: give everyone a new number.
        _ => {
            for (nth, (other, _)) in order.iter().enumerate() {
                tx.run(
                    "update modules set position = ?2 where id = ?1",
                    params![other, nth as i64 * GAP],
                )?;
            }
            to as i64 * GAP
        }
    };
    tx.run("update modules set position = ?2 where id = ?1", params![id, position])?;
    tx.touch(format!("wall:{wall}"));
    Ok(())
}

/// Moves a module one place towards the beginning or the end.
///
/// # Errors
/// [`Error::NotFound`] when it isn't on this wall.
pub fn shift(tx: &Tx, user_id: i64, wall: &str, id: i64, earlier: bool) -> Result<(), Error> {
    let order = order(tx, user_id)?;
    let at = order
        .iter()
        .position(|(other, _)| *other == id)
        .ok_or(Error::NotFound)?;
    let before = match (earlier, at) {
        (true, 0) => return Ok(()),
        (true, at) => Some(order[at - 1].0),
        (false, at) if at + 1 == order.len() => return Ok(()),
        (false, at) => order.get(at + 2).map(|next| next.0),
    };
    place(tx, user_id, wall, id, before)
}

fn order(tx: &Tx, user_id: i64) -> Result<Vec<(i64, i64)>, Error> {
    tx.all(
        "select id, position from modules where user_id = ?1 and removed_at is null order by position, id",
        [user_id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Changes how many cells a module takes.
///
/// # Errors
/// [`Error::NotFound`].
pub fn size(tx: &Tx, user_id: i64, wall: &str, id: i64, width: u8, height: u8) -> Result<(), Error> {
    changed(tx.run(
        "update modules set width = ?3, height = ?4 where id = ?1 and user_id = ?2 and removed_at is null",
        params![id, user_id, width, height],
    )?)?;
    touch(tx, wall, id);
    Ok(())
}

/// Keeps a module's settings and what its owner refuses it.
///
/// # Errors
/// [`Error::NotFound`].
pub fn settings(tx: &Tx, user_id: i64, wall: &str, id: i64, settings: &str, refused: Grants) -> Result<(), Error> {
    changed(tx.run(
        "update modules set settings = ?3, refused = ?4 where id = ?1 and user_id = ?2 and removed_at is null",
        params![id, user_id, settings, refused.0],
    )?)?;
    touch(tx, wall, id);
    Ok(())
}

/// Takes a module off. It is kept for a while with what it stored.
///
/// # Errors
/// [`Error::NotFound`].
pub fn remove(tx: &Tx, user_id: i64, wall: &str, id: i64) -> Result<(), Error> {
    let now = now_ms();
    changed(tx.run(
        "update modules set removed_at = ?3 where id = ?1 and user_id = ?2 and removed_at is null",
        params![id, user_id, now],
    )?)?;
    directory::hide_links(tx, MODULE, id, true)?;
    tx.run("delete from modules where removed_at < ?1", [now - KEPT_MS])?;
    tx.run(
        "delete from modules
          where user_id = ?1
            and removed_at is not null
            and id not in (
              select id from modules where user_id = ?1 and removed_at is not null order by removed_at desc limit ?2
            )",
        [user_id, KEPT_MOST],
    )?;
    touch(tx, wall, id);
    Ok(())
}

/// Puts a module back where it was.
///
/// # Errors
/// [`Error::NotFound`] when it isn't kept any more; [`Error::Conflict`] when the wall is full.
pub fn restore(tx: &Tx, user_id: i64, wall: &str, id: i64) -> Result<(), Error> {
    make_room(tx, user_id)?;
    changed(tx.run(
        "update modules set removed_at = null where id = ?1 and user_id = ?2 and removed_at is not null",
        [id, user_id],
    )?)?;
    directory::hide_links(tx, MODULE, id, false)?;
    touch(tx, wall, id);
    Ok(())
}

fn changed(rows: usize) -> Result<(), Error> {
    if rows == 0 { Err(Error::NotFound) } else { Ok(()) }
}

fn touch(tx: &Tx, wall: &str, id: i64) {
    tx.touch(format!("wall:{wall}"));
    tx.touch(format!("module:{id}"));
}
