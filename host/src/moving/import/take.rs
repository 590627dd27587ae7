//! The first step: an archive is taken, to disk, and looked through.

use std::time::{Duration, Instant};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::Stream;
use http::{StatusCode, header};
use http_body_util::BodyExt;
use rusqlite::params;
use tokio::{sync::Semaphore, time::timeout};

use super::{
    AT_ONCE,
    contents::{Everything, open},
    file_of, most, refused, state, under_way,
};
use crate::{
    app::{App, now_ms},
    config::Limits,
    crypto,
    error::Error,
    files,
    http::{Wants, see_other, unstored},
    session::Member,
    words,
};

/// Bytes of a form around its file, and its fields.
const FORM_BYTES_MOST: u64 = 64 * 1024;
const FIELDS_MOST: usize = 8;

static LOOKING: Semaphore = Semaphore::const_new(AT_ONCE);

/// `POST /settings/import`: the archive, as the field `archive` of a form or as the body itself. 201 with what is in it.
///
/// # Errors
/// [`Error::Invalid`] for what isn't an archive of ours, saying what is wrong; [`Error::TooLarge`], [`Error::TooMany`],
/// [`Error::Conflict`] while one is being brought.
pub async fn take(State(app): State<App>, member: Member, wants: Wants, request: Request) -> Result<Response, Error> {
    let headers = request.headers().clone();
    let mut body = request.into_body();
    let file = crypto::Bytes(crypto::random::<16>()).to_string();
    let taken = try_take(&app, &member, &headers, &mut body, &file).await;
    match taken {
        Ok(()) => Ok(match wants {
            Wants::Json => unstored((StatusCode::CREATED, Json(state(&app, &member)?)).into_response()),
            _ => see_other("/settings/import#waits"),
        }),
        Err(error) => {
            files::drop_file(&file_of(&app, &file)).await;
            refused(&app, &member, wants, error)
        }
    }
}

async fn try_take(
    app: &App,
    member: &Member,
    headers: &http::HeaderMap,
    body: &mut Body,
    file: &str,
) -> Result<(), Error> {
    let limits = app.config().limits.clone();
    let of = [(
        ("archives of a member", limits.uploads_per_minute),
        &*member.id.to_string(),
    )];
    app.buckets
        .take(Instant::now(), &of)
        .map_err(|(retry_after, _)| Error::TooMany {
            retry_after,
            message: "Those were many archives.".into(),
        })?;
    if under_way(member.id).is_some() {
        return Err(Error::Conflict(
            "What you brought is coming along just now: wait until it is here.".into(),
        ));
    }
    let _place = LOOKING.try_acquire().map_err(|_| Error::TooMany {
        retry_after: 30,
        message: "Others bring their things just now, and a few at a time can.".into(),
    })?;
    let boundary = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let (name, bytes) = match boundary.and_then(|kind| multer::parse_boundary(kind).ok()) {
        Some(boundary) => receive_form(app, &limits, body, boundary, file).await?,
        None => (
            "archive.zip".to_owned(),
            receive(app, &limits, body.into_data_stream(), file).await?,
        ),
    };
    if bytes == 0 {
        return Err(Error::field("archive", "Choose the file of an archive first."));
    }
    let (reader, who, path) = (app.clone(), member.clone(), file.to_owned());
    let look = move || {
        let archive = open(&reader, &path)?;
        Ok::<_, Error>(Everything::read(&reader, &who, &archive)?.found)
    };
    let found = tokio::task::spawn_blocking(look).await.map_err(Error::internal)??;
    let found = serde_json::to_string(&found).map_err(Error::internal)?;
    let (user_id, row, most) = (member.id, file.to_owned(), now_ms());
    let old = app
        .db
        .write(move |tx| {
            let old = tx.maybe("select file from arrivals where user_id = ?1", [user_id], |row| {
                row.get::<_, String>(0)
            })?;
            tx.run(
                "insert into arrivals (user_id, file, name, bytes, found, created_at) values (?1, ?2, ?3, ?4, ?5, ?6)
                 on conflict (user_id) do update
                    set file = excluded.file, name = excluded.name, bytes = excluded.bytes, found = excluded.found,
                        refused = null, created_at = excluded.created_at",
                params![user_id, row, name, bytes as i64, found, most],
            )?;
            Ok(old)
        })
        .await?;
    if let Some(old) = old {
        files::drop_file(&file_of(app, &old)).await;
    }
    Ok(())
}

async fn receive<S, E>(app: &App, limits: &Limits, parts: S, file: &str) -> Result<u64, Error>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut to = files::create(&file_of(app, file)).await?;
    let patience = Duration::from_secs(limits.body_seconds.into());
    files::receive(parts, &mut to, most(limits), patience, || too_large(limits)).await
}

/// Takes the fields of a form, the file among them to disk; answers what it was called, and its bytes.
async fn receive_form(
    app: &App,
    limits: &Limits,
    body: &mut Body,
    boundary: String,
    file: &str,
) -> Result<(String, u64), Error> {
    let patience = Duration::from_secs(limits.body_seconds.into());
    let whole = multer::SizeLimit::new().whole_stream(most(limits) + FORM_BYTES_MOST);
    let constraints = multer::Constraints::new().size_limit(whole);
    let mut form = multer::Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let broken = |error: multer::Error| match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => too_large(limits),
        error => Error::BadRequest(format!("The form can't be read: {error}.")),
    };
    for _ in 0..FIELDS_MOST {
        let field = timeout(patience, form.next_field()).await;
        let Some(field) = field.map_err(|_| Error::Timeout)?.map_err(broken)? else {
            break;
        };
        if field.name() == Some("archive") {
            let name = called(field.file_name().unwrap_or(""));
            return Ok((name, receive(app, limits, field, file).await?));
        }
    }
    Err(Error::field("archive", "Choose the file of an archive first."))
}

/// What a file was called, without folders and without what can't be seen.
fn called(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or("");
    let shown: String = last.chars().filter(|c| !c.is_control()).take(120).collect();
    match shown.trim() {
        "" => "archive.zip".into(),
        name => name.to_owned(),
    }
}

fn too_large(limits: &Limits) -> Error {
    Error::coded(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("An archive has at most {} here.", words::size(most(limits))),
    )
}
