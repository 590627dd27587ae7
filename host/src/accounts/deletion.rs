//! The deletion itself, once its day has come. It takes as many short writes as it needs, so that nobody waits for it, and each
//! leaves the rest for the next: whatever ends the program, the next start goes on. First the words in rooms and the copies of
//! direct messages go, posts, scripts and what plugins keep, a batch at a time; then everything that hangs on the account in one write, which leaves the bare name; then
//! the files, whose names that write has put down; and at last the receipt is written.

use std::{io, time::Duration};

use jiff::Timestamp;
use rusqlite::params;
use serde_json::{Map, Value, json};
use tokio::fs;

use crate::{
    app::{App, now_ms},
    crypto,
    db::Tx,
    directory, dms,
    error::Error,
    looks, media, neighbourhoods,
    plugins::hex,
    posts, rooms, scripts, session, stickers, walls,
};

/// How often it is looked whose day has come.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Messages of rooms that one write takes back: each is told to who listens.
const ERASED_AT_ONCE: i64 = 100;
/// Messages of a conversation whose copies one write drops.
const DROPPED_AT_ONCE: i64 = 500;
/// What else one write after the other takes away before the rest goes: what the receipt calls it, how many one write takes, and how
/// it takes them, which answers how many they were.
const FORGETTING: [(&str, i64, fn(&Tx, i64, i64) -> Result<i64, Error>); 4] = [
    ("posts", 100, posts::moving::forget),
    ("scripts", 5, scripts::moving::forget),
    ("entries that their plugins kept", 500, walls::moving::forget),
    ("messages from elsewhere", 500, rooms::moving::forget_brought),
];
/// Files that are removed before their names are crossed out.
const REMOVED_AT_ONCE: i64 = 100;
/// How long a receipt that was shown can be had again, in milliseconds.
pub(super) const SHOWN_MS: i64 = 3_600_000;
/// How long a receipt waits for whom it is for, in milliseconds: 90 days.
const WAITS_MS: i64 = 90 * 24 * 3_600_000;

/// What stays, as the page says before and the receipt afterwards.
pub(super) const STAYS: [&str; 6] = [
    "The name, so that nobody else gets it and is taken for you.",
    "Your entries in the public list of keys: the list only grows, or nobody could rely on it.",
    "Copies of direct messages that you sent to others: they are theirs. Yours are deleted.",
    "What you wrote in other people's modules, their guestbooks say: it belongs to their walls. They can take it down.",
    "Other people's words, where they name you or quote you, and scripts that others made from yours, with the credit in them.",
    "Reports of direct messages that the operator got, by you or about you.",
];

/// Deletes accounts when their day has come, for as long as the program runs.
pub async fn follow(app: App) {
    loop {
        if let Err(error) = look(&app).await {
            tracing::error!(%error, "an account that should go could not be deleted; the next look tries again");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn look(app: &App) -> Result<(), Error> {
    let due = app.db.read(|db| {
        db.all(
            "select id, name from users where leaving_at <= ?1 order by leaving_at",
            [now_ms()],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
        )
    })?;
    // One that fails stops nobody else's.
    for (user_id, name) in due {
        if let Err(error) = delete(app, user_id, name).await {
            tracing::error!(%error, user_id, "an account that should go could not be deleted; the next look tries again");
        }
    }
    let waiting = app.db.read(|db| {
        db.all(
            "select id from departures where gone_at is not null and receipt is null",
            [],
            |row| row.get::<_, i64>(0),
        )
    })?;
    if !waiting.is_empty() {
        rooms::forget_removed(app).await?;
    }
    for departure in waiting {
        let written = async {
            remove_files(app, departure).await?;
            write_receipt(app, departure).await
        };
        if let Err(error) = written.await {
            tracing::error!(%error, departure, "the receipt of a deletion could not be written; the next look tries again");
        }
    }
    let (shown, done) = (now_ms() - SHOWN_MS, now_ms() - WAITS_MS);
    let old = "select 1 from departures where shown_at < ?1 or (receipt is not null and gone_at < ?2) limit 1";
    if app.db.read(|db| db.maybe(old, [shown, done], |_| Ok(())))?.is_some() {
        app.db
            .write(move |tx| {
                tx.run(
                    "delete from departures where shown_at < ?1 or (receipt is not null and gone_at < ?2)",
                    [shown, done],
                )
            })
            .await?;
    }
    Ok(())
}

async fn delete(app: &App, user_id: i64, name: String) -> Result<(), Error> {
    // From here on there is no way back, wherever the clock may go.
    let begins = app.db.write(move |tx| {
        tx.run(
            "update users set leaving_at = 0 where id = ?1 and leaving_at <= ?2",
            [user_id, now_ms()],
        )
    });
    if begins.await? == 0 {
        return Ok(());
    }
    loop {
        let teller = app.clone();
        let erased = app.db.write(move |tx| {
            let erased = rooms::moving::forget(tx, &teller, user_id, ERASED_AT_ONCE)?;
            count(tx, user_id, &[("messages in rooms", erased)])?;
            Ok(erased)
        });
        if erased.await? == 0 {
            break;
        }
    }
    for (what, most, forget) in FORGETTING {
        let forget_some = move |tx: &Tx| {
            let forgotten = forget(tx, user_id, most)?;
            count(tx, user_id, &[(what, forgotten)])?;
            Ok(forgotten)
        };
        while app.db.write(forget_some).await? > 0 {}
    }
    for conversation in app.db.read(|db| dms::moving::conversations(db, user_id))? {
        let mut next = Some(conversation);
        while let Some(dropping) = next {
            next = app
                .db
                .write(move |tx| {
                    let (next, copies, files) = dms::moving::forget(tx, dropping, DROPPED_AT_ONCE)?;
                    count(tx, user_id, &[("copies of direct messages", copies)])?;
                    put_down(tx, user_id, &files)?;
                    Ok(next)
                })
                .await?;
        }
    }
    let teller = app.clone();
    app.db.write(move |tx| go(tx, &teller, user_id, &name)).await
}

/// Everything that is left of an account goes, but its name.
fn go(tx: &Tx, app: &App, user_id: i64, name: &str) -> Result<(), Error> {
    let in_rooms = rooms::moving::leave_all(tx, app, user_id, name)?;
    let modules = walls::moving::leave(tx, user_id, name)?;
    let stuck = stickers::moving::leave(tx, user_id)?;
    posts::moving::touch(tx, name);
    scripts::moving::touch(tx, user_id, name)?;
    looks::moving::touch(tx, user_id)?;
    let (pictured, files) = media::moving::leave(tx, user_id)?;
    // They hang on the name, which is about to change hands.
    let tagged = directory::moving::leave(tx, user_id, name)?;
    let lived = neighbourhoods::moving::leave(tx, user_id)?;
    put_down(tx, user_id, &files)?;
    // What they sent to be brought, and said nothing about.
    let waiting = tx.all(
        "select 'arrivals/' || file from arrivals where user_id = ?1",
        [user_id],
        |row| row.get::<_, String>(0),
    )?;
    put_down(tx, user_id, &waiting)?;
    count(
        tx,
        user_id,
        &[
            ("profile", 1),
            ("rooms you belonged to", in_rooms),
            ("modules", modules),
            ("stickers", stuck),
            ("pictures and sounds", pictured),
            ("tags", tagged),
            ("neighbourhoods you lived in", lived),
        ],
    )?;
    // The name comes to a row of its own, which has an id that nobody had: what is remembered by id is nobody's.
    tx.run("update users set name = '~' || id where id = ?1", [user_id])?;
    tx.run(
        "insert into users (name, auth_salt, auth_rounds, auth_hash, shuffle, created_at, left_at)
         values (?1, x'', 0, '', 0, ?2, ?2)",
        params![name, now_ms()],
    )?;
    let remains = tx.last_id();
    let files = dms::moving::hand_over(tx, user_id, remains)?;
    put_down(tx, user_id, &files)?;
    tx.run(
        "update departures set user_id = ?2, gone_at = ?3 where user_id = ?1",
        params![user_id, remains, now_ms()],
    )?;
    tx.run("delete from users where id = ?1", [user_id])?;
    tx.touch(session::topic(user_id));
    tx.touch("people");
    Ok(())
}

/// Adds to what was deleted so far.
fn count(tx: &Tx, user_id: i64, more: &[(&str, i64)]) -> Result<(), Error> {
    let found = tx.maybe("select counts from departures where user_id = ?1", [user_id], |row| {
        row.get::<_, String>(0)
    })?;
    let Some(found) = found else { return Ok(()) };
    let mut counts: Map<String, Value> = serde_json::from_str(&found).map_err(Error::internal)?;
    for (what, many) in more {
        let before = counts.get(*what).and_then(Value::as_i64).unwrap_or(0);
        counts.insert((*what).to_owned(), (before + many).into());
    }
    let counts = Value::Object(counts).to_string();
    tx.run(
        "update departures set counts = ?2 where user_id = ?1",
        params![user_id, counts],
    )?;
    Ok(())
}

/// Puts files down that are to be removed once this is committed.
fn put_down(tx: &Tx, user_id: i64, files: &[String]) -> Result<(), Error> {
    for file in files {
        tx.run(
            "insert into leftovers (path, departure_id)
             select ?2, id from departures where user_id = ?1
                 on conflict do nothing",
            params![user_id, file],
        )?;
    }
    count(tx, user_id, &[("files", files.len() as i64)])
}

async fn remove_files(app: &App, departure: i64) -> Result<(), Error> {
    loop {
        let files = app.db.read(|db| {
            db.all(
                "select path from leftovers where departure_id = ?1 limit ?2",
                [departure, REMOVED_AT_ONCE],
                |row| row.get::<_, String>(0),
            )
        })?;
        if files.is_empty() {
            return Ok(());
        }
        for file in &files {
            match fs::remove_file(app.config().data.join(file)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        app.db
            .write(move |tx| {
                for file in &files {
                    tx.run("delete from leftovers where path = ?1", [file])?;
                }
                Ok(())
            })
            .await?;
    }
}

async fn write_receipt(app: &App, departure: i64) -> Result<(), Error> {
    let (name, asked_at, gone_at, counts) = app.db.read(|db| {
        db.one(
            "select u.name, d.asked_at, d.gone_at, d.counts
               from departures d
               join users u on u.id = d.user_id
              where d.id = ?1",
            [departure],
            |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, String>(3)?,
                ))
            },
        )
    })?;
    let deleted: Value = serde_json::from_str(&counts).map_err(Error::internal)?;
    let config = app.config();
    let receipt = json!({
        "receipt": "deletion of an account",
        "version": 1,
        "node": config.name,
        "origin": config.origin,
        "member": name,
        "asked": stamp(asked_at),
        "rows_gone": stamp(gone_at),
        "files_gone": stamp(now_ms()),
        "deleted": deleted,
        "stays": STAYS,
    });
    let receipt = serde_json::to_string_pretty(&receipt).map_err(Error::internal)?;
    // All that the operator gets to see: with it the member can show that their receipt is this one.
    tracing::info!(sha256 = %hash(&receipt), "an account was deleted");
    app.db
        .write(move |tx| {
            tx.run(
                "update departures set receipt = ?2, counts = '{}' where id = ?1",
                params![departure, receipt],
            )
        })
        .await?;
    Ok(())
}

/// What a receipt is known by: SHA-256 of its text, in hex.
pub(super) fn hash(receipt: &str) -> String {
    hex(&crypto::sha256(receipt.as_bytes()))
}

fn stamp(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms).map_or_else(|_| String::new(), |at| at.to_string())
}
