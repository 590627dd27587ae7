//! What is written about pictures and sounds.

use neospace_media::protocol::Facts;
use rusqlite::params;

use super::{queries, worker::Made};
use crate::{app::now_ms, db::Tx, error::Error, session, words};

/// Uploads of one member that may be under way.
const OPEN_MOST: i64 = 16;

/// Notes that a thing uses a picture or a sound: whoever may see `topic` may have its files from now on, and the library
/// leads to `href`. `what` is "sticker", "post", "avatar", "banner", "look", "anthem", "voice" or "message", `thing` which one.
/// The topic is touched when the picture or sound is deleted or described anew, and so is [`super::TOPIC`].
///
/// # Errors
/// The database's; so a media id that isn't there is a fault: ask [`super::picture`] or [`super::sound`] before.
pub fn attach(tx: &Tx, media_id: &str, what: &str, thing: i64, topic: &str, href: &str) -> Result<(), Error> {
    tx.run(
        "insert into media_uses (media_id, what, thing_id, topic, href) values (?1, ?2, ?3, ?4, ?5)
         on conflict (what, thing_id, media_id) do update set topic = excluded.topic, href = excluded.href",
        params![media_id, what, thing, topic, href],
    )?;
    Ok(())
}

/// Notes that a thing uses no picture or sound any more. What was sent for it alone goes; its bytes are swept up later.
///
/// # Errors
/// The database's.
pub fn detach(tx: &Tx, what: &str, thing: i64) -> Result<(), Error> {
    let left = tx.all(
        "delete from media_uses where what = ?1 and thing_id = ?2 returning media_id",
        params![what, thing],
        |row| row.get::<_, String>(0),
    )?;
    for id in left {
        tx.run(
            "delete from media
              where id = ?1 and passing = 1 and not exists (select 1 from media_uses u where u.media_id = media.id)",
            [id],
        )?;
    }
    Ok(())
}

/// What is about to be kept.
pub struct New {
    pub id: String,
    pub owner: i64,
    pub name: String,
    pub alt: String,
    pub passing: bool,
    /// The upload that it came by, if that has a row.
    pub upload: Option<String>,
    /// Bytes that the member may store.
    pub quota: u64,
}

/// Keeps what the worker made.
///
/// # Errors
/// `quota`; the database's.
pub fn keep(tx: &Tx, new: &New, made: &Made) -> Result<(), Error> {
    // What was counted while it was on its way counts no more.
    let reserved = match &new.upload {
        Some(upload) => {
            let upload = queries::upload(tx, new.owner, upload)?;
            if upload.media.is_some() {
                return Err(Error::Conflict("This upload is finished already.".into()));
            }
            upload.bytes
        }
        None => 0,
    };
    let bytes = made.files.iter().map(|(_, bytes)| bytes).sum::<u64>();
    check_quota(
        queries::stored_by(tx, new.owner)?.saturating_sub(reserved),
        bytes,
        new.quota,
    )?;
    let (kind, width, height, animated, duration_ms, peaks) = match &made.facts {
        Facts::Picture {
            width,
            height,
            animated,
        } => ("image", *width, *height, *animated, 0, &[][..]),
        Facts::Sound { duration_ms, peaks } => ("audio", 0, 0, false, *duration_ms, &peaks[..]),
    };
    tx.run(
        "insert into media (id, user_id, kind, name, bytes, width, height, animated, duration_ms, peaks, alt, passing, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            new.id,
            new.owner,
            kind,
            new.name,
            bytes as i64,
            width,
            height,
            animated,
            duration_ms,
            peaks,
            new.alt,
            new.passing,
            now_ms()
        ],
    )?;
    for (file, bytes) in &made.files {
        tx.run(
            "insert into media_files (media_id, variant, mime, bytes, width, height) values (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                new.id,
                file.variant.name(),
                file.format.mime(),
                *bytes as i64,
                file.width,
                file.height
            ],
        )?;
    }
    if let Some(upload) = &new.upload {
        tx.run(
            "update uploads set media_id = ?2 where id = ?1",
            params![upload, new.id],
        )?;
    }
    Ok(())
}

/// Refuses what goes beyond a member's quota, in bytes.
///
/// # Errors
/// `quota`.
pub fn check_quota(stored: u64, more: u64, quota: u64) -> Result<(), Error> {
    if stored.saturating_add(more) <= quota {
        return Ok(());
    }
    Err(Error::coded(
        http::StatusCode::FORBIDDEN,
        "quota",
        format!(
            "Your library takes {} of the {} that one member may have here, and this would take {} more. Delete something from it, and there is room.",
            words::size(stored),
            words::size(quota),
            words::size(more)
        ),
    ))
}

/// Begins an upload.
///
/// # Errors
/// `quota`; [`Error::Conflict`] for one too many at once.
pub fn begin(tx: &Tx, id: &str, owner: i64, upload: &queries::Upload, quota: u64) -> Result<(), Error> {
    let open = "select count(*) from uploads where user_id = ?1 and media_id is null and refused is null";
    if tx.one(open, [owner], |row| row.get::<_, i64>(0))? >= OPEN_MOST {
        return Err(Error::Conflict(format!(
            "You have {OPEN_MOST} uploads under way, and that is the most. Finish or cancel one."
        )));
    }
    check_quota(queries::stored_by(tx, owner)?, upload.bytes, quota)?;
    tx.run(
        "insert into uploads (id, user_id, bytes, name, alt, passing, created_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            id,
            owner,
            upload.bytes as i64,
            upload.name,
            upload.alt,
            upload.passing,
            now_ms()
        ],
    )?;
    Ok(())
}

/// Notes why nothing became of an upload.
///
/// # Errors
/// The database's.
pub fn refuse(tx: &Tx, id: &str, why: &str) -> Result<(), Error> {
    tx.run("update uploads set refused = ?2 where id = ?1", params![id, why])?;
    Ok(())
}

/// Cancels an upload.
///
/// # Errors
/// [`Error::NotFound`].
pub fn cancel(tx: &Tx, owner: i64, id: &str) -> Result<(), Error> {
    match tx.run("delete from uploads where id = ?1 and user_id = ?2", params![id, owner])? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Describes something of a member's anew.
///
/// # Errors
/// [`Error::NotFound`].
pub fn describe(tx: &Tx, owner: i64, id: &str, alt: &str, transcript: &str) -> Result<(), Error> {
    let changed = tx.run(
        "update media set alt = ?3, transcript = ?4 where id = ?1 and user_id = ?2",
        params![id, owner, alt, transcript],
    )?;
    if changed == 0 {
        return Err(Error::NotFound);
    }
    touch_uses(tx, owner, id)
}

/// Deletes something of a member's that was sent for one thing and that nothing uses; whether it was that.
///
/// # Errors
/// The database's.
pub fn discard(tx: &Tx, owner: i64, id: &str) -> Result<bool, Error> {
    let gone = tx.run(
        "delete from media
          where id = ?1 and user_id = ?2 and passing = 1
            and not exists (select 1 from media_uses u where u.media_id = media.id)",
        params![id, owner],
    )?;
    Ok(gone > 0)
}

/// Deletes something of a member's; whatever used it is without it.
///
/// # Errors
/// [`Error::NotFound`].
pub fn delete(tx: &Tx, owner: i64, id: &str) -> Result<(), Error> {
    touch_uses(tx, owner, id)?;
    match tx.run("delete from media where id = ?1 and user_id = ?2", params![id, owner])? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Writes down what a sound of a member's says.
///
/// # Errors
/// The database's.
pub fn transcribe(tx: &Tx, owner: i64, id: &str, transcript: &str) -> Result<(), Error> {
    tx.run(
        "update media set transcript = ?3 where id = ?1 and user_id = ?2",
        params![id, owner, transcript],
    )?;
    Ok(())
}

/// Makes stale what shows something of a member's: pages by their own topics, pieces of them by `media`, and what knows who
/// somebody is where it is their own picture.
pub(super) fn touch_uses(tx: &Tx, owner: i64, id: &str) -> Result<(), Error> {
    tx.touch(super::TOPIC);
    for used in queries::uses(tx, id)? {
        if used.what == "avatar" {
            tx.touch("people");
            tx.touch(session::topic(owner));
        }
        tx.touch(used.topic);
    }
    Ok(())
}
