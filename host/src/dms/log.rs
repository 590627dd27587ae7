//! The key log: everybody's public keys, in one list that only grows and that anyone may read. Each entry names the hash of
//! the one before, so that who knows its head notices when it is told another story.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use minijinja::context;
use neospace_dm::{
    Name,
    keys::Keys,
    log::{self, Entry, Head},
};
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{live, queries};
use crate::{
    app::{App, now_ms},
    crypto::Spelled,
    db::{Reader, Tx},
    error::Error,
    html,
    http::{Query, Wants, unstored},
    profiles::is_name,
    session::Viewer,
    words,
};

/// Entries that one answer to a program has at most, and without a limit.
const ENTRIES_MOST: u64 = 1_000;
/// Entries on one page.
const PAGE: usize = 50;

/// Keys with their owner's signature, which was checked.
pub struct Signed {
    pub name: Name,
    pub generation: u32,
    pub keys: Keys,
    pub signature: [u8; 64],
    /// By the generation before, over the same; zeros for the first.
    pub previous_signature: [u8; 64],
}

/// How many keys the log has under a name.
///
/// # Errors
/// The database's.
pub(super) fn generation_of(db: &Reader, name: &Name) -> Result<u32, Error> {
    db.one(
        "select coalesce(max(generation), 0) from key_log where name = ?1",
        [&**name],
        |row| row.get(0),
    )
}

/// Whether the generation before has signed these keys.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn check_continued(db: &Reader, signed: &Signed) -> Result<(), Error> {
    let before = match signed.generation.checked_sub(1).filter(|before| *before > 0) {
        None => None,
        Some(before) => db
            .maybe(
                "select entry from key_log where name = ?1 and generation = ?2",
                params![&*signed.name, before],
                |row| row.get::<_, Vec<u8>>(0),
            )?
            .and_then(|entry| Entry::decode(&entry)),
    };
    if entry(signed, 0, 0, [0; 32]).follows(before.as_ref()) {
        return Ok(());
    }
    Err(Error::field(
        "previous_signature",
        "New keys are signed by the ones before them, over the same statement; the first ones by nobody, which is 64 zeros or nothing.",
    ))
}

fn entry(signed: &Signed, index: u64, at: u64, previous: [u8; 32]) -> Entry {
    Entry {
        index,
        at,
        previous,
        name: signed.name.clone(),
        generation: signed.generation,
        keys: signed.keys,
        signature: signed.signature,
        previous_signature: signed.previous_signature,
    }
}

/// How far the log goes.
///
/// # Errors
/// The database's.
pub fn head(db: &Reader) -> Result<Head, Error> {
    let (size, _, hash) = last(db)?;
    Ok(Head { size, hash })
}

/// The size of the log, and its last entry's time and hash.
fn last(db: &Reader) -> Result<(u64, i64, [u8; 32]), Error> {
    let found = db.maybe("select id, at, hash from key_log order by id desc limit 1", [], |row| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?, row.get(2)?))
    })?;
    Ok(found.unwrap_or_default())
}

/// The index of these very keys, if they are the member's newest.
pub(super) fn stands(db: &Reader, user_id: i64, signed: &Signed) -> Result<Option<u64>, Error> {
    let found = db.maybe(
        "select id, entry from key_log where name = ?1 and generation = ?2 and user_id = ?3",
        params![&*signed.name, signed.generation, user_id],
        |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, Vec<u8>>(1)?)),
    )?;
    Ok(found
        .filter(|(_, entry)| Entry::decode(entry).is_some_and(|entry| entry.keys == signed.keys))
        .map(|(index, _)| index))
}

/// Adds an entry; answers its index.
///
/// # Errors
/// The database's.
pub(super) fn append(tx: &Tx, user_id: i64, signed: &Signed) -> Result<u64, Error> {
    let (size, at, previous) = last(tx)?;
    // A clock that was set back doesn't take the log with it.
    let at = at.max(now_ms());
    let entry = entry(signed, size + 1, at.unsigned_abs(), previous);
    let bytes = entry.encode();
    tx.run(
        "insert into key_log (id, user_id, name, generation, at, entry, hash) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            entry.index as i64,
            user_id,
            &*signed.name,
            signed.generation,
            at,
            bytes,
            log::hash(&bytes)
        ],
    )?;
    Ok(entry.index)
}

/// Has those told who have to do with a member that there are newer entries: their own devices, and whom they talk with.
///
/// # Errors
/// The database's.
pub(super) fn announce(tx: &Tx, app: &App, user_id: i64, size: u64) -> Result<(), Error> {
    let mut concerned = queries::peers(tx, user_id)?;
    concerned.push(user_id);
    let teller = app.clone();
    tx.announce(move || live::tell_log(&teller, &concerned, size));
    Ok(())
}

/// Which part of the log is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// Programs: entries after this one.
    after: Option<u64>,
    limit: Option<u64>,
    /// People: entries before this one.
    before: Option<u64>,
    /// People: entries of this member alone.
    #[serde(default)]
    name: String,
}

/// `GET /keys`: a page for people, newest first; for programs `{entries, size, head}` after an index, oldest first.
///
/// # Errors
/// [`Error::Invalid`] for a limit beyond what is allowed.
pub async fn page(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    match wants {
        Wants::Json => entries(&app, &asked),
        Wants::Page | Wants::Fragment => html(&app, &viewer, &asked),
    }
}

fn entries(app: &App, asked: &Asked) -> Result<Response, Error> {
    let limit = asked.limit.unwrap_or(ENTRIES_MOST);
    if !(1..=ENTRIES_MOST).contains(&limit) {
        return Err(Error::field(
            "limit",
            format!("One answer has 1 to {ENTRIES_MOST} entries."),
        ));
    }
    let after = asked.after.unwrap_or(0).min(i64::MAX as u64);
    let (size, head, entries) = app.db.read(|db| {
        // No entry comes after the head that is told with it.
        let Head { size, hash } = head(db)?;
        let entries = db.all(
            "select entry from key_log where id > ?1 and id <= ?2 order by id limit ?3",
            params![after as i64, size as i64, limit as i64],
            |row| row.get::<_, Vec<u8>>(0),
        )?;
        Ok((size, hash, entries))
    })?;
    let entries: Vec<_> = entries.iter().map(|entry| Spelled(entry)).collect();
    let body = json!({ "entries": entries, "size": size, "head": Spelled(&head) });
    Ok(unstored(Json(body).into_response()))
}

/// An entry, for people.
#[derive(Serialize)]
struct Line {
    index: u64,
    name: String,
    generation: u32,
    /// Unix milliseconds.
    at: i64,
    when: String,
    identity: String,
    signing: String,
    hash: String,
}

impl Line {
    fn of(entry: &[u8]) -> Option<Self> {
        let hash = hex(&log::hash(entry));
        let entry = Entry::decode(entry)?;
        let at = entry.at as i64;
        Some(Self {
            index: entry.index,
            name: entry.name.to_string(),
            generation: entry.generation,
            at,
            when: words::time(at),
            identity: hex(&entry.keys.identity),
            signing: hex(&entry.keys.signing),
            hash,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn html(app: &App, viewer: &Viewer, asked: &Asked) -> Result<Response, Error> {
    let before = asked.before.unwrap_or(u64::MAX).min(i64::MAX as u64) as i64;
    let name = Some(asked.name.trim()).filter(|name| is_name(name));
    let (Head { size, hash: head }, mut entries) = app.db.read(|db| {
        let entries = db.all(
            "select id, entry from key_log where id < ?1 and (?2 is null or name = ?2) order by id desc limit ?3",
            params![before, name, PAGE as i64 + 1],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )?;
        Ok((head(db)?, entries))
    })?;
    let more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let html = app.html.render(
        "keys.html",
        context! {
            entries => entries.iter().filter_map(|(_, entry)| Line::of(entry)).collect::<Vec<_>>(),
            name => asked.name.trim(),
            older => entries.last().filter(|_| more).map(|(id, _)| *id),
            size,
            head => hex(&head),
            signed_in => viewer.member.is_some(),
            here => "keys",
        },
    )?;
    Ok(html::page(html, StatusCode::OK))
}
