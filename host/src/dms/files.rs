//! Sealed files: streamed to disk and from there, nameless but for 128 random bits. A file's bytes are synced before its row
//! is committed, and go after it: what a row speaks of is there. What no message names within a day is dropped.

use std::{
    collections::HashSet,
    io,
    path::{Path as FsPath, PathBuf},
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use http_body_util::BodyExt;
use neospace_dm::file::sealed_length;
use rusqlite::params;
use serde_json::json;
use tokio::fs;

use super::{queries, talk, view::Eyes};
use crate::{
    app::{App, now_ms},
    crypto::{self, Bytes as Fixed},
    error::Error,
    files,
    http::{Path, unstored},
    session::Member,
    words,
};

/// Where the bytes are, in the data folder.
pub(super) const FOLDER: &str = "files";
/// A file that no message names is dropped after so long, in milliseconds.
const UNNAMED_MS: i64 = 24 * 3_600_000;
/// How often it is looked for those.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// Files that one member may send in a minute.
const FILES_PER_MINUTE: u32 = 60;

fn folder(app: &App) -> PathBuf {
    app.config().data.join(FOLDER)
}

/// `POST /dm/{user}/files`: takes the sealed bytes; 201 `{id}`.
///
/// # Errors
/// [`Error::NotFound`]; as [`talk::may_send_files`]; [`Error::TooLarge`], `quota`, [`Error::TooMany`].
pub async fn upload(
    State(app): State<App>,
    member: Member,
    Path(with): Path<String>,
    request: Request,
) -> Result<Response, Error> {
    let is_sealed = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/octet-stream");
    let said = request.headers().get(header::CONTENT_LENGTH);
    let said = said.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let mut body = request.into_body();
    let taken = async {
        if !is_sealed {
            return Err(Error::UnsupportedMediaType("application/octet-stream"));
        }
        let pair = talk::pair(&app, &member, &with)?;
        let conversation = talk::may_send_files(&pair)?;
        let limits = app.config().limits.clone();
        let most = sealed_length(limits.dm_file_bytes.into()).unwrap_or(0);
        if said.is_some_and(|said| said > most) {
            return Err(too_large(most));
        }
        let quota = u64::from(limits.dm_files_mib) << 20;
        let stored = app.db.read(|db| queries::stored_by(db, member.id))?;
        check_quota(stored, said.unwrap_or(1), quota)?;
        app.buckets
            .take(
                Instant::now(),
                &[(("files of a member", FILES_PER_MINUTE), &member.id.to_string())],
            )
            .map_err(|(retry_after, _)| Error::TooMany {
                retry_after,
                message: "Those were many files.".into(),
            })?;
        let id = Fixed(crypto::random::<16>()).to_string();
        let file = folder(&app).join(&id);
        let patience = Duration::from_secs(limits.body_seconds.into());
        let written = async {
            let mut open = files::create(&file).await?;
            let size = files::receive((&mut body).into_data_stream(), &mut open, most, patience, || {
                too_large(most)
            })
            .await?;
            if size == 0 {
                return Err(Error::BadRequest(
                    "There is nothing in this file: not even what sealing adds.".into(),
                ));
            }
            files::sync(&open, &file).await?;
            let (id, member) = (id.clone(), member.clone());
            app.db
                .write(move |tx| {
                    // Others may have come in between.
                    check_quota(queries::stored_by(tx, member.id)?, size, quota)?;
                    talk::may_send_files(&queries::pair(tx, member.id, &pair.peer.name)?)?;
                    tx.run(
                        "insert into dm_files (id, conversation_id, user_id, size, created_at) values (?1, ?2, ?3, ?4, ?5)",
                        params![id, conversation, member.id, size as i64, now_ms()],
                    )
                })
                .await
        };
        if let Err(error) = written.await {
            let _ = fs::remove_file(&file).await;
            return Err(error);
        }
        Ok(id)
    };
    let id = taken.await?;
    app.meter.note_dm_file();
    Ok(unstored(
        (StatusCode::CREATED, Json(json!({ "id": id }))).into_response(),
    ))
}

fn too_large(most: u64) -> Error {
    Error::coded(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("A sealed file has at most {} here.", words::size(most)),
    )
}

fn check_quota(stored: u64, more: u64, quota: u64) -> Result<(), Error> {
    if stored.saturating_add(more) <= quota {
        return Ok(());
    }
    Err(Error::coded(
        StatusCode::FORBIDDEN,
        "quota",
        format!(
            "Your files take {} of the {} that one member may have here. Delete messages with files for both, and there is room.",
            words::size(stored),
            words::size(quota)
        ),
    ))
}

/// `GET /dm/{user}/files/{id}`: the sealed bytes.
///
/// # Errors
/// [`Error::NotFound`] for a file that isn't between the two.
pub async fn download(
    State(app): State<App>,
    member: Member,
    Path((with, id)): Path<(String, String)>,
) -> Result<Response, Error> {
    let pair = talk::pair(&app, &member, &with)?;
    // What isn't the spelling of 128 bits is no file's name.
    let id = Fixed::<16>::parse(&id).ok_or(Error::NotFound)?.to_string();
    let conversation = pair.conversation()?.id;
    let side = Eyes::of(&member.name, &pair.peer.name).side();
    let size = app
        .db
        .read(|db| queries::file(db, conversation, member.id, side, &id))?;
    let file = files::open(&folder(&app).join(&id)).await?.ok_or(Error::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'".to_owned(),
        ),
    ];
    let bytes = files::stream(file, 0..size).await?;
    Ok(unstored((headers, bytes).into_response()))
}

/// Drops the bytes of files whose rows are gone. Those that it can't drop, [`sweep`] finds.
pub(super) async fn drop_bytes(app: &App, ids: &[String]) {
    for id in ids {
        files::drop_file(&folder(app).join(id)).await;
    }
}

/// Drops files that no message has named for a day, and bytes that have no row: at the start, and every hour as long as the
/// program runs.
///
/// # Errors
/// A folder that can't be made.
pub async fn sweep(app: App) {
    loop {
        if let Err(error) = sweep_once(&app).await {
            tracing::error!(%error, "files that nobody can ask for could not be dropped");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

async fn sweep_once(app: &App) -> Result<(), Error> {
    let dropped = app
        .db
        .write(|tx| {
            tx.all(
                "delete from dm_files where message_id is null and created_at < ?1 returning id",
                [now_ms() - UNNAMED_MS],
                |row| row.get::<_, String>(0),
            )
        })
        .await?;
    drop_bytes(app, &dropped).await;
    let known: HashSet<String> = app
        .db
        .read(|db| db.all("select id from dm_files", [], |row| row.get(0)))?
        .into_iter()
        .collect();
    let mut files = fs::read_dir(folder(app)).await?;
    while let Some(file) = files.next_entry().await? {
        let is_known = file.file_name().to_str().is_none_or(|name| known.contains(name));
        // Who is just being received has no row yet.
        let age = file.metadata().await?.modified()?.elapsed().unwrap_or_default();
        if !is_known && age.as_millis() > UNNAMED_MS.unsigned_abs().into() {
            fs::remove_file(file.path()).await?;
        }
    }
    Ok(())
}

/// Makes the folder for files, for this user alone.
///
/// # Errors
/// I/O.
pub fn prepare(data: &FsPath) -> io::Result<()> {
    files::prepare(&data.join(FOLDER))
}
