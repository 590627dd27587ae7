//! The keys of an account: its public ones, which go into the key log, and its roots and notebook, wrapped and sealed so
//! that only the member's own devices open them.

use std::time::Instant;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use neospace_dm::keys::{Kind, MAX_GENERATIONS};
use rusqlite::params;
use serde::Deserialize;
use serde_json::json;

use super::log;
use crate::{
    app::App,
    crypto::{Blob, Spelled},
    db::{Reader, Tx},
    error::Error,
    http::{Object, unstored},
    session::Member,
};

/// The largest notebook, in bytes, with what sealing adds to 1 MiB of it.
const NOTEBOOK_MOST: usize = (1 << 20) + 64;
/// Notebooks that one member's devices may store in a minute.
const NOTEBOOKS_PER_MINUTE: u32 = 240;

/// What an account's roots are kept under.
struct Kept {
    generation: u32,
    wrapped: Vec<u8>,
    recovery: bool,
}

fn kept(db: &Reader, user_id: i64) -> Result<Option<Kept>, Error> {
    db.maybe(
        "select generation, wrapped, recovery_wrapped is not null from dm_keys where user_id = ?1",
        [user_id],
        |row| {
            Ok(Kept {
                generation: row.get(0)?,
                wrapped: row.get(1)?,
                recovery: row.get(2)?,
            })
        },
    )
}

fn stored_notebook(db: &Reader, user_id: i64) -> Result<(i64, Option<Vec<u8>>), Error> {
    let found = db.maybe(
        "select version, notebook from dm_notebooks where user_id = ?1",
        [user_id],
        |row| Ok((row.get(0)?, Some(row.get(1)?))),
    )?;
    Ok(found.unwrap_or((0, None)))
}

/// `GET /dm/keys`: what a device needs to come in, all of it sealed.
///
/// # Errors
/// The database's.
pub async fn own(State(app): State<App>, member: Member) -> Result<Response, Error> {
    let (kept, (version, notebook)) = app
        .db
        .read(|db| Ok((kept(db, member.id)?, stored_notebook(db, member.id)?)))?;
    let body = match &kept {
        None => json!({ "name": member.name, "generation": 0 }),
        Some(kept) => json!({
            "name": member.name,
            "generation": kept.generation,
            "wrapped": Spelled(&kept.wrapped),
            "recovery": kept.recovery,
            "notebook": notebook.as_deref().map(Spelled),
            "notebook_version": version,
        }),
    };
    Ok(unstored(Json(body).into_response()))
}

/// Keys that a device made, about to be put into the log.
pub struct NewKeys {
    pub signed: log::Signed,
    /// The roots under the password's wrap key.
    pub wrapped: Vec<u8>,
    /// Sealed by the new notebook key, and its version.
    pub notebook: Vec<u8>,
    pub notebook_version: i64,
}

/// How many keys a member has had.
///
/// # Errors
/// The database's.
pub fn generation(db: &Reader, user_id: i64) -> Result<u32, Error> {
    kept(db, user_id).map(|kept| kept.map_or(0, |kept| kept.generation))
}

/// Puts new keys of a member into the log, and makes them the ones in force; answers their index. The recovery wrap goes: it
/// doesn't hold the new root. The same keys again are answered the same.
///
/// # Errors
/// `generation` where they are not the next, `notebook` where the notebook isn't.
pub fn append(tx: &Tx, app: &App, user_id: i64, new: &NewKeys) -> Result<u64, Error> {
    if let Some(index) = log::stands(tx, user_id, &new.signed)? {
        return Ok(index);
    }
    let generation = generation(tx, user_id)?;
    let roots = new.wrapped.get(2).copied().map_or(0, u32::from);
    let conflict = |code, message| Err(Error::coded(StatusCode::CONFLICT, code, message));
    if generation as usize >= MAX_GENERATIONS {
        return conflict(
            "generations",
            format!("An account has keys of {MAX_GENERATIONS} generations at most, and this one has."),
        );
    }
    if new.signed.generation != generation + 1 || roots != new.signed.generation {
        return conflict(
            "generation",
            format!(
                "This account's next keys are generation {}, with the roots of all before them.",
                generation + 1
            ),
        );
    }
    if log::generation_of(tx, &new.signed.name)? != generation {
        return conflict(
            "generation",
            "This name had keys before, of an account that is gone. Only those could sign new ones.".into(),
        );
    }
    log::check_continued(tx, &new.signed)?;
    if put_notebook(tx, user_id, new.notebook_version, &new.notebook)?.is_some() {
        return conflict(
            "notebook",
            "Another device has stored a newer notebook. Fetch it, and try again.".into(),
        );
    }
    let index = log::append(tx, user_id, &new.signed)?;
    tx.run(
        "insert into dm_keys (user_id, generation, log_index, identity, wrapped)
         values (?1, ?2, ?3, ?4, ?5)
             on conflict (user_id) do update
            set generation = ?2, log_index = ?3, identity = ?4, wrapped = ?5, recovery_wrapped = null, recovery_hash = null",
        params![
            user_id,
            new.signed.generation,
            index as i64,
            new.signed.keys.identity,
            new.wrapped
        ],
    )?;
    log::announce(tx, app, user_id, index)?;
    Ok(index)
}

/// Whether a notebook has a length that one may have.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_notebook(notebook: &[u8]) -> Result<(), Error> {
    if notebook.is_empty() || notebook.len() > NOTEBOOK_MOST {
        return Err(Error::field(
            "notebook",
            "A notebook has at most 1 MiB before it is sealed.",
        ));
    }
    Ok(())
}

/// Whether these bytes can be wrapped roots: of this kind, and as long as they say. What is in them nobody here can look at.
///
/// # Errors
/// [`Error::Invalid`] about `field`.
pub fn check_wrapped(field: &str, wrapped: &[u8], kind: Kind) -> Result<(), Error> {
    let roots = wrapped.get(2).copied().map_or(0, usize::from);
    let fits = wrapped.starts_with(&[1, kind as u8])
        && (1..=MAX_GENERATIONS).contains(&roots)
        && wrapped.len() == 15 + 32 * roots + 16;
    if fits {
        return Ok(());
    }
    Err(Error::field(
        field,
        "These are no wrapped keys: they have a head of 15 bytes, 32 for each root, and 16 to seal them.",
    ))
}

/// Keeps the roots of an account under a new password, where it has any.
///
/// # Errors
/// [`Error::Invalid`] where they are missing; [`Error::Conflict`] where they are not all of them.
pub fn rewrap(tx: &Tx, user_id: i64, wrapped: Option<&[u8]>) -> Result<(), Error> {
    let Some(kept) = kept(tx, user_id)? else {
        return Ok(());
    };
    let Some(wrapped) = wrapped else {
        return Err(Error::field(
            "wrapped",
            "This account has keys for direct messages: they must be wrapped anew with the new password. Load the page again.",
        ));
    };
    // Byte 2 says how many roots there are.
    if wrapped.get(2) != kept.wrapped.get(2) {
        return Err(Error::Conflict(
            "New keys were made on another device meanwhile. Load the page again.".into(),
        ));
    }
    tx.run(
        "update dm_keys set wrapped = ?2 where user_id = ?1",
        params![user_id, wrapped],
    )?;
    Ok(())
}

/// What a recovery code is checked with, and opens.
pub struct Roots {
    pub user_id: i64,
    pub generation: u32,
    pub wrapped: Vec<u8>,
    /// argon2id of the recovery auth key, a PHC string.
    pub hash: String,
}

/// The roots of the member with a folded name under their recovery code, if there is such a member and a code.
///
/// # Errors
/// The database's.
pub fn recovery(db: &Reader, name: &str) -> Result<Option<Roots>, Error> {
    db.maybe(
        "select k.user_id, k.generation, k.recovery_wrapped, k.recovery_hash
           from users u
           join dm_keys k on k.user_id = u.id
          where u.name = ?1 and u.left_at is null and k.recovery_wrapped is not null and k.recovery_hash is not null",
        [name],
        |row| {
            Ok(Roots {
                user_id: row.get(0)?,
                generation: row.get(1)?,
                wrapped: row.get(2)?,
                hash: row.get(3)?,
            })
        },
    )
}

/// Keeps the roots of an account under a recovery code, in place of an earlier one.
///
/// # Errors
/// [`Error::Conflict`] for an account that has no keys, or others than these.
pub fn set_recovery(tx: &Tx, user_id: i64, wrapped: &[u8], hash: &str) -> Result<(), Error> {
    let roots = kept(tx, user_id)?.and_then(|kept| kept.wrapped.get(2).copied());
    if roots.is_none() || roots != wrapped.get(2).copied() {
        return Err(Error::Conflict(
            "This account has no keys yet, or newer ones from another device. Load the page again.".into(),
        ));
    }
    tx.run(
        "update dm_keys set recovery_wrapped = ?2, recovery_hash = ?3 where user_id = ?1",
        params![user_id, wrapped, hash],
    )?;
    Ok(())
}

/// A notebook, sealed.
#[derive(Deserialize)]
pub struct NewNotebook {
    version: i64,
    notebook: Blob,
}

/// `PUT /dm/notebook`: stores it where it is the next version. Else the answer is 409 with the one that is here.
///
/// # Errors
/// [`Error::Invalid`] for one that is too large; [`Error::TooMany`]; `no_keys`.
pub async fn notebook(
    State(app): State<App>,
    member: Member,
    Object(new): Object<NewNotebook>,
) -> Result<Response, Error> {
    check_notebook(&new.notebook.0)?;
    app.buckets
        .take(
            Instant::now(),
            &[(("notebooks of a member", NOTEBOOKS_PER_MINUTE), &member.id.to_string())],
        )
        .map_err(|(retry_after, _)| Error::TooMany {
            retry_after,
            message: "The notebook was stored very often.".into(),
        })?;
    let version = new.version;
    let newer = app
        .db
        .write(move |tx| {
            if kept(tx, member.id)?.is_none() {
                let message = "You have no keys yet: a notebook comes with them.";
                return Err(Error::coded(StatusCode::CONFLICT, "no_keys", message));
            }
            put_notebook(tx, member.id, new.version, &new.notebook.0)
        })
        .await?;
    let response = match newer {
        None => Json(json!({ "version": version })).into_response(),
        Some((version, notebook)) => {
            let body = json!({ "code": "notebook", "version": version, "notebook": notebook.as_deref().map(Spelled) });
            (StatusCode::CONFLICT, Json(body)).into_response()
        }
    };
    Ok(unstored(response))
}

/// Stores a notebook; answers the one that is here, where that isn't the one before it. The very same again is fine.
fn put_notebook(tx: &Tx, user_id: i64, version: i64, notebook: &[u8]) -> Result<Option<(i64, Option<Vec<u8>>)>, Error> {
    let (current, stored) = stored_notebook(tx, user_id)?;
    if current == version && stored.as_deref() == Some(notebook) {
        return Ok(None);
    }
    if Some(version) != current.checked_add(1) {
        return Ok(Some((current, stored)));
    }
    tx.run(
        "insert into dm_notebooks (user_id, version, notebook)
         values (?1, ?2, ?3)
             on conflict (user_id) do update set version = ?2, notebook = ?3",
        params![user_id, version, notebook],
    )?;
    Ok(None)
}
