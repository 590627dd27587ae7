//! What members change of their scripts. Each is a closure's worth of SQL; what it changes is named as topics.

use std::sync::Arc;

use rusqlite::params;

use super::{
    ALL_RIGHTS_RESERVED, ASIDES_MOST, GALLERY, KEPT_MS, Mode, PINS_MOST, SCRIPTS_MOST, VERSIONS_MOST, Visibility,
    queries::{self, Aside, Draft, Script},
    topic,
};
use crate::{app::now_ms, crypto, db::Tx, error::Error, session::Member};

/// A script about to be made.
#[derive(Clone, Debug)]
pub struct New {
    pub mode: Mode,
    pub title: String,
    pub licence: String,
    pub source: String,
}

/// Makes a script with a draft and nothing published; answers its id.
///
/// # Errors
/// [`Error::Conflict`] when the member has too many.
pub fn create(tx: &Tx, user_id: i64, new: &New) -> Result<Arc<str>, Error> {
    let now = now_ms();
    tx.run("delete from scripts where deleted_at < ?1", [now - KEPT_MS])?;
    let has: i64 = tx.one("select count(*) from scripts where user_id = ?1", [user_id], |row| {
        row.get(0)
    })?;
    if has >= SCRIPTS_MOST {
        return Err(Error::Conflict(format!(
            "You have {SCRIPTS_MOST} scripts, and that is the most; those that you deleted count for 30 days."
        )));
    }
    let id: Arc<str> = crypto::Bytes(crypto::random::<16>()).to_string().into();
    tx.run(
        "insert into scripts (id, user_id, mode, title, licence, draft, saved_at, shuffle, created_at, changed_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7, ?7)",
        params![
            id,
            user_id,
            new.mode,
            new.title,
            new.licence,
            new.source,
            now,
            i64::from_le_bytes(crypto::random())
        ],
    )?;
    tx.touch(mine_topic(user_id));
    Ok(id)
}

/// How a save ended.
pub enum Save {
    Saved {
        revision: i64,
        saved_at: i64,
    },
    /// The draft had moved on: it stands as it was, and what was sent was put aside under this number.
    Clash {
        draft: Draft,
        aside: i64,
    },
}

/// Saves the draft, if it is still the one that the text was typed on; else puts the text aside.
///
/// # Errors
/// [`Error::NotFound`] for one that isn't theirs.
pub fn save(tx: &Tx, user_id: i64, id: &str, source: &str, revision: i64, window: &str) -> Result<Save, Error> {
    queries::own(tx, id, user_id)?;
    let draft = queries::draft(tx, id)?;
    let now = now_ms();
    if draft.source == source {
        return Ok(Save::Saved {
            revision: draft.revision,
            saved_at: draft.saved_at,
        });
    }
    if draft.revision == revision {
        tx.run(
            "update scripts set draft = ?2, revision = revision + 1, saved_at = ?3, changed_at = ?3 where id = ?1",
            params![id, source, now],
        )?;
        // What this window put aside was typed before: now it has what it wanted.
        tx.run(
            "delete from script_asides where script_id = ?1 and window_name = ?2 and source = ?3",
            params![id, window, source],
        )?;
        tx.touch(topic(id));
        tx.touch(mine_topic(user_id));
        return Ok(Save::Saved {
            revision: revision + 1,
            saved_at: now,
        });
    }
    tx.run(
        "insert into script_asides (script_id, number, window_name, source, revision, at)
         select ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5 from script_asides where script_id = ?1
         on conflict (script_id, window_name) do update
            set source = excluded.source, revision = excluded.revision, at = excluded.at, number = excluded.number",
        params![id, window, source, revision, now],
    )?;
    let aside = tx.one(
        "select number from script_asides where script_id = ?1 and window_name = ?2",
        params![id, window],
        |row| row.get(0),
    )?;
    tx.run(
        "delete from script_asides where script_id = ?1 and number <= ?2",
        params![id, aside - ASIDES_MOST],
    )?;
    tx.touch(topic(id));
    Ok(Save::Clash { draft, aside })
}

/// Throws a text away that was put aside.
///
/// # Errors
/// [`Error::NotFound`].
pub fn drop_aside(tx: &Tx, user_id: i64, id: &str, number: i64) -> Result<Aside, Error> {
    queries::own(tx, id, user_id)?;
    let aside = queries::asides(tx, id)?
        .into_iter()
        .find(|aside| aside.number == number);
    tx.run(
        "delete from script_asides where script_id = ?1 and number = ?2",
        params![id, number],
    )?;
    tx.touch(topic(id));
    aside.ok_or(Error::NotFound)
}

/// Makes a version of the draft, and answers its number. The same text as the newest version is that version.
///
/// # Errors
/// [`Error::Conflict`] when the draft isn't at this revision any more, or when there are too many versions.
pub fn make_version(tx: &Tx, user_id: i64, id: &str, note: &str, revision: Option<i64>) -> Result<i64, Error> {
    let script = queries::own(tx, id, user_id)?;
    let draft = queries::draft(tx, id)?;
    if revision.is_some_and(|revision| revision != draft.revision) {
        return Err(Error::Conflict(
            "The draft was saved somewhere else meanwhile, so no version was made of it. Look at it first.".into(),
        ));
    }
    let newest = tx.maybe(
        "select number, source, library from script_versions where script_id = ?1 order by number desc limit 1",
        [id],
        |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
            ))
        },
    )?;
    let library = script.mode.newest();
    let number = match newest {
        Some((number, source, made_with)) if source == draft.source && made_with == library => return Ok(number),
        Some((number, ..)) if number >= VERSIONS_MOST => {
            return Err(Error::Conflict(format!(
                "This script has {VERSIONS_MOST} versions, and that is the most. A fork of it begins at one again."
            )));
        }
        Some((number, ..)) => number + 1,
        None => 1,
    };
    let now = now_ms();
    tx.run(
        "insert into script_versions (script_id, number, source, note, library, made_at) values (?1, ?2, ?3, ?4, ?5, ?6)",
        params![id, number, draft.source, note, library, now],
    )?;
    tx.run("update scripts set changed_at = ?2 where id = ?1", params![id, now])?;
    tx.touch(topic(id));
    tx.touch(mine_topic(user_id));
    Ok(number)
}

/// Has others see this version from now on.
///
/// # Errors
/// [`Error::NotFound`].
pub fn publish(tx: &Tx, user_id: i64, id: &str, number: i64, visibility: Visibility) -> Result<(), Error> {
    queries::own(tx, id, user_id)?;
    let now = now_ms();
    let known = tx.run(
        "update script_versions set published_at = coalesce(published_at, ?3) where script_id = ?1 and number = ?2",
        params![id, number, now],
    )?;
    if known == 0 {
        return Err(Error::NotFound);
    }
    tx.run(
        "update scripts
            set published = ?2, visibility = ?3, changed_at = ?4,
                listed_at = case when ?3 = 'public' then coalesce(listed_at, ?4) else listed_at end
          where id = ?1",
        params![id, number, visibility, now],
    )?;
    changed(tx, user_id, id)
}

/// What can be changed about a script besides its texts.
#[derive(Clone, Debug)]
pub struct Details {
    pub title: String,
    pub description: String,
    pub licence: String,
    pub visibility: Visibility,
}

/// Keeps them.
///
/// # Errors
/// [`Error::NotFound`] for one that isn't theirs; [`Error::Invalid`] for another licence than the fork's source has.
pub fn details(tx: &Tx, user_id: i64, id: &str, new: &Details) -> Result<(), Error> {
    let old = queries::own(tx, id, user_id)?;
    let of_another = old.parent.as_ref().is_some_and(|parent| *parent.author != *old.author);
    let is_bound = of_another && old.licence != "CC0-1.0";
    if is_bound && new.licence != old.licence {
        return Err(Error::field(
            "licence",
            format!(
                "A fork stays under the licence of what it was made from: {}.",
                old.licence
            ),
        ));
    }
    let now = now_ms();
    tx.run(
        "update scripts
            set title = ?2, description = ?3, licence = ?4, visibility = ?5, changed_at = ?6,
                listed_at = case when ?5 = 'public' and published is not null then coalesce(listed_at, ?6) else listed_at end
          where id = ?1",
        params![id, new.title, new.description, new.licence, new.visibility, now],
    )?;
    changed(tx, user_id, id)
}

/// Gives a script another title.
///
/// # Errors
/// [`Error::NotFound`].
pub fn rename(tx: &Tx, user_id: i64, id: &str, title: &str) -> Result<(), Error> {
    let old = queries::own(tx, id, user_id)?;
    let new = Details {
        title: title.to_owned(),
        description: old.description,
        licence: old.licence,
        visibility: old.visibility,
    };
    details(tx, user_id, id, &new)
}

/// Makes a script of one's own that begins with a version of another one; answers its id.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] for one whose author reserves all rights; [`Error::Conflict`] for too many.
pub fn fork(tx: &Tx, member: &Member, id: &str, number: Option<i64>) -> Result<Arc<str>, Error> {
    let script = queries::seen(tx, id, Some(member.id))?;
    if script.licence == ALL_RIGHTS_RESERVED && script.user_id != member.id {
        return Err(Error::Forbidden(format!(
            "{} reserves all rights in this script: it can be read and run, and not forked.",
            script.author
        )));
    }
    let number = number.or(script.published).ok_or(Error::NotFound)?;
    let (_, source) = queries::version(tx, &script, number, Some(member.id))?;
    let new = New {
        mode: script.mode,
        title: script.title.clone(),
        licence: script.licence.clone(),
        source,
    };
    let fork = create(tx, member.id, &new)?;
    tx.run(
        "update scripts set parent_id = ?2, parent_version = ?3, parent_title = ?4, parent_author = ?5 where id = ?1",
        params![fork, script.id, number, script.title, &*script.author],
    )?;
    tx.touch(topic(id));
    Ok(fork)
}

/// Takes a script away, from everywhere; it can be had back for a while.
///
/// # Errors
/// [`Error::NotFound`].
pub fn delete(tx: &Tx, user_id: i64, id: &str) -> Result<(), Error> {
    queries::own(tx, id, user_id)?;
    let now = now_ms();
    tx.run(
        "update scripts set deleted_at = ?2, changed_at = ?2 where id = ?1",
        params![id, now],
    )?;
    changed(tx, user_id, id)
}

/// Brings a script back that was deleted.
///
/// # Errors
/// [`Error::NotFound`] for one that isn't theirs, wasn't deleted, or is gone for good.
pub fn restore(tx: &Tx, user_id: i64, id: &str) -> Result<(), Error> {
    let script = queries::any(tx, id)?;
    let since = now_ms() - KEPT_MS;
    if script.user_id != user_id || script.deleted_at.is_none_or(|at| at < since) {
        return Err(Error::NotFound);
    }
    tx.run(
        "update scripts set deleted_at = null, changed_at = ?2 where id = ?1",
        params![id, now_ms()],
    )?;
    changed(tx, user_id, id)
}

/// Puts a script on the member's wall, last.
///
/// # Errors
/// [`Error::NotFound`] for one that they may not see or that isn't published; [`Error::Conflict`] when the wall has three, or
/// this one already.
pub fn pin(tx: &Tx, member: &Member, id: &str, seed: Option<i64>, params: &str) -> Result<Script, Error> {
    let script = queries::seen(tx, id, Some(member.id))?;
    if script.published.is_none() {
        return Err(Error::Conflict(
            "Only what is published runs on a wall: publish a version of it first.".into(),
        ));
    }
    let pins = order(tx, member.id)?;
    if pins.iter().any(|pin| **pin == *id) {
        return Err(Error::Conflict("That script is on your wall already.".into()));
    }
    if pins.len() as i64 >= PINS_MOST {
        return Err(Error::Conflict(format!(
            "A wall has room for {PINS_MOST} scripts. Take one off first."
        )));
    }
    tx.run(
        "insert into script_pins (user_id, script_id, position, seed, params, pinned_at) values (?1, ?2, ?3, ?4, ?5, ?6)",
        params![member.id, id, pins.len() as i64 + 1, seed, params, now_ms()],
    )?;
    touch_wall(tx, &member.name);
    Ok(script)
}

/// Moves a pin to this place among the others, from 0.
///
/// # Errors
/// [`Error::NotFound`] for a script that isn't on the wall.
pub fn place(
    tx: &Tx,
    member: &Member,
    id: &str,
    to: impl FnOnce(usize, &[String]) -> Option<usize>,
) -> Result<(), Error> {
    let mut pins = order(tx, member.id)?;
    let from = pins.iter().position(|pin| **pin == *id).ok_or(Error::NotFound)?;
    let to = to(from, &pins).ok_or(Error::NotFound)?;
    let moved = pins.remove(from);
    pins.insert(to.min(pins.len()), moved);
    number(tx, member.id, &pins)?;
    touch_wall(tx, &member.name);
    Ok(())
}

/// With what a script starts on the member's wall.
///
/// # Errors
/// [`Error::NotFound`].
pub fn set(tx: &Tx, member: &Member, id: &str, seed: Option<i64>, params: &str) -> Result<(), Error> {
    let known = tx.run(
        "update script_pins set seed = ?3, params = ?4 where user_id = ?1 and script_id = ?2",
        params![member.id, id, seed, params],
    )?;
    touch_wall(tx, &member.name);
    if known == 0 { Err(Error::NotFound) } else { Ok(()) }
}

/// Takes a script off the member's wall.
///
/// # Errors
/// [`Error::NotFound`].
pub fn unpin(tx: &Tx, member: &Member, id: &str) -> Result<(), Error> {
    let known = tx.run(
        "delete from script_pins where user_id = ?1 and script_id = ?2",
        params![member.id, id],
    )?;
    number(tx, member.id, &order(tx, member.id)?)?;
    touch_wall(tx, &member.name);
    if known == 0 { Err(Error::NotFound) } else { Ok(()) }
}

/// The ids of what is pinned, in order.
fn order(tx: &Tx, user_id: i64) -> Result<Vec<String>, Error> {
    tx.all(
        "select script_id from script_pins where user_id = ?1 order by position, script_id",
        [user_id],
        |row| row.get(0),
    )
}

fn number(tx: &Tx, user_id: i64, pins: &[String]) -> Result<(), Error> {
    for (nth, id) in pins.iter().enumerate() {
        tx.run(
            "update script_pins set position = ?3 where user_id = ?1 and script_id = ?2",
            params![user_id, id, nth as i64 + 1],
        )?;
    }
    Ok(())
}

/// What changes for its author alone: the list of what they have.
pub fn mine_topic(user_id: i64) -> String {
    format!("scripts-of:{user_id}")
}

/// Names what shows the scripts on a wall.
fn touch_wall(tx: &Tx, wall: &str) {
    tx.touch(format!("wall:{wall}"));
    tx.touch(pins_topic(wall));
}

/// What changes when the scripts on a wall do.
pub fn pins_topic(wall: &str) -> String {
    format!("scripts:{wall}")
}

/// Names everything that shows a script: its page, the gallery, its author's list, and the walls that it is pinned on or posted to.
///
/// # Errors
/// The database's.
pub(super) fn changed(tx: &Tx, user_id: i64, id: &str) -> Result<(), Error> {
    tx.touch(topic(id));
    tx.touch(GALLERY);
    tx.touch(mine_topic(user_id));
    for wall in queries::walls_with(tx, id)? {
        touch_wall(tx, &wall);
        tx.touch(format!("posts:{wall}"));
        tx.touch("feed");
    }
    Ok(())
}
