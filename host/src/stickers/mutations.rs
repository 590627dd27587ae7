//! What is changed about stickers. Each is a closure's worth of SQL that answers which stickers look different now, so that they can
//! be told.

use std::sync::Arc;

use rusqlite::params;

use super::{
    EACH_VISITOR_MOST, Place, STICKERS_MOST, VISITORS_MOST,
    queries::{self, Sticker},
    topic, wall_topic,
};
use crate::{
    app::{App, now_ms},
    crypto,
    db::Tx,
    dms,
    error::Error,
    media,
    profiles::{self, Profile},
    session::Member,
};

/// A sticker that was taken off is kept so long, and can be put back: 30 days, in milliseconds.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// Stickers that wait to be put back, on one wall.
const KEPT_MOST: i64 = 200;

/// A sticker to put up.
#[derive(Clone, Debug)]
pub struct New {
    pub what: What,
    pub place: Place,
    pub alt: String,
}

/// What a new sticker shows; checked.
#[derive(Clone, Debug)]
pub enum What {
    Emoji(Arc<str>),
    Image(Arc<str>),
    Drawn { plugin: Arc<str>, settings: Arc<str> },
}

/// What is changed about one; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub x: Option<i32>,
    pub y: Option<i32>,
    pub width: Option<i32>,
    pub rotation: Option<i32>,
    pub alt: Option<String>,
    /// Of a drawn one.
    pub settings: Option<Arc<str>>,
}

/// Where to in the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    Front,
    Back,
    Forward,
    Backward,
    /// Right below this one.
    Under(i64),
}

/// Stickers to take off together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All that visitors left.
    Visitors,
    /// All that this one left.
    Of(String),
}

/// Puts a sticker up on top of the others; answers its id.
///
/// # Errors
/// [`Error::Forbidden`] for who may not leave one here; [`Error::Conflict`] when there is no room.
pub fn add(tx: &Tx, wall: &str, by: &Member, new: &New) -> Result<i64, Error> {
    let owner = profiles::find(tx, wall)?;
    may_leave(tx, &owner, by)?;
    room(tx, &owner, by.id)?;
    put_up(tx, owner.user_id, wall, by.id, new)
}

/// Puts a sticker up, whoever may.
///
/// # Errors
/// The database's.
pub fn put_up(tx: &Tx, wall_id: i64, wall: &str, user_id: i64, new: &New) -> Result<i64, Error> {
    let (kind, emoji, media, plugin, settings) = match &new.what {
        What::Emoji(emoji) => ("emoji", Some(emoji), None, None, None),
        What::Image(media) => ("image", None, Some(media), None, None),
        What::Drawn { plugin, settings } => ("drawn", None, None, Some(plugin), Some(settings)),
    };
    let seed = (kind == "drawn").then(|| i64::from_le_bytes(crypto::random()));
    tx.run(
        "insert into stickers (wall_id, user_id, kind, emoji, media_id, plugin, settings, seed,
                               x, y, width, rotation, z, alt, rev, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                 (select coalesce(max(z), 0) + 1 from stickers where wall_id = ?1), ?13, 1, ?14)",
        params![
            wall_id,
            user_id,
            kind,
            emoji,
            media,
            plugin,
            settings,
            seed,
            new.place.x,
            new.place.y,
            new.place.width,
            new.place.rotation,
            new.alt,
            now_ms()
        ],
    )?;
    let id = tx.last_id();
    use_picture(tx, wall, id)?;
    touch(tx, wall);
    Ok(id)
}

/// Lays what the owner of one wall put on it onto another one, where it lies: emoji and what plugins draw. Pictures are
/// somebody's own and stay, and so does what visitors left.
///
/// # Errors
/// The database's.
pub fn copy(tx: &Tx, from: &Profile, to: &Profile) -> Result<(), Error> {
    tx.run(
        "insert into stickers (wall_id, user_id, kind, emoji, plugin, settings, seed, x, y, width, rotation, z, alt, rev, created_at)
         select ?2, ?2, kind, emoji, plugin, settings, seed, x, y, width, rotation,
                (select coalesce(max(z), 0) from stickers where wall_id = ?2) + row_number() over (order by z), alt, 1, ?3
           from stickers
          where wall_id = ?1 and user_id = ?1 and removed_at is null and kind <> 'image'
          order by z
          limit max(0, ?4 - (select count(*) from stickers where wall_id = ?2 and removed_at is null))",
        params![from.user_id, to.user_id, now_ms(), STICKERS_MOST],
    )?;
    touch(tx, &to.name);
    Ok(())
}

/// Notes that a sticker shows a picture, if it does: whoever sees the wall may have it.
fn use_picture(tx: &Tx, wall: &str, id: i64) -> Result<(), Error> {
    let media = tx.one("select media_id from stickers where id = ?1", [id], |row| {
        row.get::<_, Option<String>>(0)
    })?;
    let Some(media) = media else { return Ok(()) };
    let href = format!("/wall/{wall}#sticker-{id}");
    media::attach(tx, &media, "sticker", id, &wall_topic(wall), &href)
}

/// Another one like it, a little aside and on top.
///
/// # Errors
/// As [`add`]; [`Error::NotFound`].
pub fn duplicate(tx: &Tx, wall: &str, by: &Member, id: i64) -> Result<i64, Error> {
    const ASIDE: i32 = 24;
    let (owner, sticker) = mine(tx, wall, by, id)?;
    may_leave(tx, &owner, by)?;
    room(tx, &owner, by.id)?;
    let aside = |at: i32, most: i32| if at + ASIDE <= most { at + ASIDE } else { at - ASIDE };
    tx.run(
        "insert into stickers (wall_id, user_id, kind, emoji, media_id, plugin, settings, seed,
                               x, y, width, rotation, z, alt, rev, created_at)
         select wall_id, ?2, kind, emoji, media_id, plugin, settings, seed, ?3, ?4, width, rotation,
                (select max(z) + 1 from stickers where wall_id = s.wall_id), alt, 1, ?5
           from stickers s
          where id = ?1",
        params![
            id,
            by.id,
            // In this direction a step is a share of the width: about as much on a wide screen.
            aside(sticker.place.x, Place::X_MOST - 8 * ASIDE).clamp(0, Place::X_MOST),
            aside(sticker.place.y, Place::Y_MOST),
            now_ms()
        ],
    )?;
    let copy = tx.last_id();
    use_picture(tx, wall, copy)?;
    touch(tx, wall);
    Ok(copy)
}

/// Moves, turns or sizes one, says it in other words, or draws it with other parameters.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] for somebody else's.
pub fn change(tx: &Tx, wall: &str, by: &Member, id: i64, change: &Change) -> Result<(), Error> {
    mine(tx, wall, by, id)?;
    tx.run(
        "update stickers
            set x = coalesce(?2, x), y = coalesce(?3, y), width = coalesce(?4, width), rotation = coalesce(?5, rotation),
                alt = coalesce(?6, alt), settings = coalesce(?7, settings), rev = rev + 1
          where id = ?1",
        params![
            id,
            change.x,
            change.y,
            change.width,
            change.rotation,
            change.alt,
            change.settings
        ],
    )?;
    touch(tx, wall);
    Ok(())
}

/// Puts one on top, at the bottom, or one step that way. Answers every sticker that looks different now.
///
/// # Errors
/// As [`change`].
pub fn stack(tx: &Tx, wall: &str, by: &Member, id: i64, to: Stack) -> Result<Vec<i64>, Error> {
    let (owner, _) = mine(tx, wall, by, id)?;
    let mut order = order(tx, owner.user_id)?;
    let at = order
        .iter()
        .position(|(other, _)| *other == id)
        .ok_or(Error::NotFound)?;
    let last = order.len() - 1;
    let changed = match to {
        Stack::Front if at < last => {
            // Beyond the last one: nobody else moves.
            raise(tx, id, order[last].1 + 1)?;
            vec![id]
        }
        Stack::Back if at > 0 => {
            raise(tx, id, order[0].1 - 1)?;
            vec![id]
        }
        Stack::Forward if at < last => exchange(tx, order[at], order[at + 1])?,
        Stack::Backward if at > 0 => exchange(tx, order[at], order[at - 1])?,
        Stack::Under(other) => {
            let me = order.remove(at);
            let there = order
                .iter()
                .position(|(id, _)| *id == other)
                .ok_or_else(|| Error::Conflict("The sticker that it should lie under isn't there any more.".into()))?;
            let below = there.checked_sub(1).map_or(i64::MIN, |below| order[below].1);
            // Right below the other one, where there is room; else those above make some.
            let z = (order[there].1 - 1).max(below.saturating_add(1));
            order.insert(there, (me.0, z));
            raise(tx, id, z)?;
            let mut changed = vec![id];
            changed.extend(renumber(tx, &order)?);
            changed
        }
        _ => Vec::new(),
    };
    touch(tx, wall);
    Ok(changed)
}

/// Two change places in the stack.
fn exchange(tx: &Tx, one: (i64, i64), other: (i64, i64)) -> Result<Vec<i64>, Error> {
    raise(tx, one.0, other.1)?;
    raise(tx, other.0, one.1)?;
    Ok(vec![one.0, other.0])
}

/// Takes one off. It is kept for a while.
///
/// # Errors
/// As [`change`].
pub fn remove(tx: &Tx, wall: &str, by: &Member, id: i64) -> Result<(), Error> {
    let (owner, _) = mine(tx, wall, by, id)?;
    tx.run(
        "update stickers set removed_at = ?2, removed_by = ?3, rev = rev + 1 where id = ?1",
        params![id, now_ms(), by.id],
    )?;
    media::detach(tx, "sticker", id)?;
    forget(tx, owner.user_id)?;
    touch(tx, wall);
    Ok(())
}

/// Takes several off that visitors left; answers which.
///
/// # Errors
/// The database's.
pub fn clear(tx: &Tx, wall: &str, owner: &Member, which: &Which) -> Result<Vec<i64>, Error> {
    let of = match which {
        Which::Visitors => None,
        Which::Of(name) => Some(profiles::find(tx, name)?.user_id),
    };
    let cleared = tx.all(
        "update stickers
            set removed_at = ?2, removed_by = ?1, rev = rev + 1
          where wall_id = ?1 and user_id <> ?1 and removed_at is null and (?3 is null or user_id = ?3)
         returning id",
        params![owner.id, now_ms(), of],
        |row| row.get(0),
    )?;
    for id in &cleared {
        media::detach(tx, "sticker", *id)?;
    }
    forget(tx, owner.id)?;
    touch(tx, wall);
    Ok(cleared)
}

/// Puts stickers back where they were; answers which came back. What the owner took off, only the owner puts back.
///
/// # Errors
/// [`Error::NotFound`] when none of them is kept any more; [`Error::Conflict`] when there is no room.
pub fn restore(tx: &Tx, wall: &str, by: &Member, ids: &[i64]) -> Result<Vec<i64>, Error> {
    let owner = profiles::find(tx, wall)?;
    let mut back = Vec::new();
    for id in ids {
        let author = tx.maybe(
            "select user_id from stickers
              where id = ?1 and wall_id = ?2 and removed_at is not null
                and (?3 = wall_id or (user_id = ?3 and removed_by = ?3))",
            [*id, owner.user_id, by.id],
            |row| row.get::<_, i64>(0),
        )?;
        let Some(author) = author else { continue };
        if by.id != owner.user_id {
            may_leave(tx, &owner, by)?;
        }
        room(tx, &owner, author)?;
        tx.run(
            "update stickers set removed_at = null, removed_by = null, rev = rev + 1 where id = ?1",
            [*id],
        )?;
        use_picture(tx, wall, *id)?;
        back.push(*id);
    }
    if back.is_empty() {
        return Err(Error::NotFound);
    }
    let order = order(tx, owner.user_id)?;
    let moved = renumber(tx, &order)?;
    back.extend(moved.into_iter().filter(|id| !ids.contains(id)));
    touch(tx, wall);
    Ok(back)
}

/// Keeps what an owner allows. Who is on the wall is said or not from then on.
///
/// # Errors
/// The database's.
pub fn allow(tx: &Tx, app: &App, owner: &Member, canvas: queries::Canvas) -> Result<(), Error> {
    tx.run(
        "insert into canvases (user_id, visitors, cursors, presence) values (?1, ?2, ?3, ?4)
         on conflict (user_id) do update
            set visitors = excluded.visitors, cursors = excluded.cursors, presence = excluded.presence",
        params![owner.id, canvas.visitors, canvas.cursors, canvas.presence],
    )?;
    touch(tx, &owner.name);
    let (app, topic) = (app.clone(), wall_topic(&owner.name));
    tx.announce(move || app.hub.set_quiet(&topic, !canvas.presence));
    Ok(())
}

/// A sticker that one may change: the wall's owner any, others their own.
fn mine(tx: &Tx, wall: &str, by: &Member, id: i64) -> Result<(Profile, Sticker), Error> {
    let (owner, sticker) = queries::one(tx, wall, id)?;
    if by.id == owner.user_id || by.id == sticker.user_id {
        return Ok((owner, sticker));
    }
    Err(Error::Forbidden(format!(
        "This sticker is {}'s: only {} and {wall} can change it.",
        sticker.author, sticker.author
    )))
}

fn may_leave(tx: &Tx, owner: &Profile, by: &Member) -> Result<(), Error> {
    if by.id == owner.user_id {
        return Ok(());
    }
    // Who is blocked learns no more than where nobody may.
    if queries::canvas(tx, owner.user_id)?.visitors && !dms::blocked(tx, owner.user_id)?.contains(&by.id) {
        return Ok(());
    }
    Err(Error::Forbidden(format!(
        "{} takes no stickers from visitors just now.",
        owner.name
    )))
}

/// Whether one more sticker of `author` has room on a wall.
fn room(tx: &Tx, owner: &Profile, author: i64) -> Result<(), Error> {
    let (all, left, theirs) = tx.one(
        "select count(*), count(*) filter (where user_id <> ?1), count(*) filter (where user_id = ?2)
           from stickers
          where wall_id = ?1 and removed_at is null",
        [owner.user_id, author],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
    )?;
    let visitor = author != owner.user_id;
    let refusal = if all >= STICKERS_MOST {
        format!("A wall holds at most {STICKERS_MOST} stickers. One has to come off first.")
    } else if visitor && theirs >= EACH_VISITOR_MOST {
        format!("A visitor leaves at most {EACH_VISITOR_MOST} stickers on one wall. Take one back first.")
    } else if visitor && left >= VISITORS_MOST {
        format!("Visitors have left {VISITORS_MOST} stickers here, and that is the most.")
    } else {
        return Ok(());
    };
    Err(Error::Conflict(refusal))
}

/// Ids and heights, the lowest first.
fn order(tx: &Tx, wall_id: i64) -> Result<Vec<(i64, i64)>, Error> {
    tx.all(
        "select id, z from stickers where wall_id = ?1 and removed_at is null order by z, id",
        [wall_id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Gives those another height that would lie at the same as the one below them; answers which.
fn renumber(tx: &Tx, order: &[(i64, i64)]) -> Result<Vec<i64>, Error> {
    let mut moved = Vec::new();
    let mut below = i64::MIN;
    for (id, z) in order {
        let height = (*z).max(below.saturating_add(1));
        if height != *z {
            raise(tx, *id, height)?;
            moved.push(*id);
        }
        below = height;
    }
    Ok(moved)
}

fn raise(tx: &Tx, id: i64, z: i64) -> Result<(), Error> {
    tx.run("update stickers set z = ?2, rev = rev + 1 where id = ?1", [id, z])?;
    Ok(())
}

/// Lets go of what was taken off long ago, or with much after it.
fn forget(tx: &Tx, wall_id: i64) -> Result<(), Error> {
    tx.run(
        "delete from stickers
          where wall_id = ?1
            and removed_at is not null
            and (removed_at < ?2 or id not in (
              select id from stickers where wall_id = ?1 and removed_at is not null order by removed_at desc, id desc limit ?3
            ))",
        [wall_id, now_ms() - KEPT_MS, KEPT_MOST],
    )?;
    Ok(())
}

fn touch(tx: &Tx, wall: &str) {
    tx.touch(wall_topic(wall));
    tx.touch(topic(wall));
}
