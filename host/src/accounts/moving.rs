//! What is known of an account itself, as it goes along: when it was made, where it is logged in, its tokens without what they
//! open with, and what modules told it. None of it comes back: on another instance the account is another one.

use serde::Serialize;
use serde_json::json;

use super::queries;
use crate::{archive::Writer, db::Db, error::Error, tokens};

/// Notices that are read at once.
const NOTICES_AT_ONCE: usize = 500;

/// Something that a module told its owner. Times are Unix milliseconds.
#[derive(Serialize)]
struct MovedNotice {
    plugin: String,
    text: String,
    at: i64,
    read_at: Option<i64>,
}

/// Writes what is known of an account.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, name: &str, out: &mut Writer) -> Result<(), Error> {
    let (created_at, devices, tokens) = db.read(|db| {
        let owner = queries::owner(db, user_id)?;
        Ok((
            owner.created_at,
            queries::devices(db, user_id, 0, 0)?,
            tokens::list(db, user_id)?,
        ))
    })?;
    let devices: Vec<_> = devices
        .iter()
        .map(|it| json!({ "device": it.device, "logged_in_at": it.created_at, "seen_at": it.last_seen_at }))
        .collect();
    let tokens: Vec<_> = tokens
        .iter()
        .map(|it| {
            json!({
                "name": it.name,
                "scopes": it.scopes.names(),
                "made_at": it.created_at,
                "used_at": it.last_used_at,
                "ends_at": it.expires_at,
            })
        })
        .collect();
    out.json(
        "data/account.json",
        &json!({ "name": name, "created_at": created_at, "devices": devices, "tokens": tokens }),
    )?;
    out.lines("data/notices.jsonl", |lines| {
        let mut before = i64::MAX;
        loop {
            let notices = db.read(|db| queries::notices(db, user_id, before, NOTICES_AT_ONCE))?;
            let Some(last) = notices.last() else { return Ok(()) };
            before = last.id;
            for notice in notices {
                lines.push(&MovedNotice {
                    plugin: notice.plugin,
                    text: notice.text,
                    at: notice.created_at,
                    read_at: notice.read_at,
                })?;
            }
        }
    })
}
