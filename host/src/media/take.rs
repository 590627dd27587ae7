//! Taking uploads: in one request, or in as many as a bad line needs.
//!
//! `POST /library` takes a whole file: from a form of a page without our script (`multipart/form-data`), or as the body itself
//! from a program. What must survive a broken line begins with `POST /library/uploads`, which answers an address; `PATCH`
//! there appends at the offset that it names, and `GET` says how far it came, which is the length of a file on disk and nothing
//! else. The request that brings the last byte is answered when the picture or sound is in the library, or why it isn't;
//! asked again, the answer is the same. (After the manner of tus and of the IETF's resumable uploads, without their options.)

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;
use tokio::{fs, sync::Notify, time::timeout};

use super::{
    ALT_MOST, FOLDER, NAME_MOST, UPLOADS, file_of, moving,
    mutations::{self, New, check_quota},
    queries::{self, Upload},
    upload_of, view, worker,
};
use crate::{
    app::{App, now_ms},
    config::Limits,
    crypto::{self, Bytes as Fixed},
    error::Error,
    files,
    http::{Form, Path, Query, Wants, see_other, unstored},
    session::Member,
    words,
};

/// Bytes of a form around its file.
const FORM_BYTES_MOST: u64 = 64 * 1024;
/// Fields of a form with a file.
const FIELDS_MOST: usize = 16;
/// An upload that isn't finished after so long is dropped, in milliseconds.
const UNFINISHED_MS: i64 = 24 * 3_600_000;
/// No worker takes so long, in milliseconds: a file without a row that is older, and isn't brought from elsewhere just now, belongs
/// to something that was deleted.
const UNMADE_MS: i64 = 10 * 60_000;
/// How often it is looked for what may be dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How far an upload came, in answers; where a part belongs, in requests.
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// What the address of a whole upload may say, where the body is nothing but the file.
#[derive(Default, Deserialize)]
pub struct Said {
    #[serde(default)]
    name: String,
    #[serde(default)]
    alt: String,
    #[serde(default)]
    passing: String,
}

/// What was sent with a file.
#[derive(Default)]
struct Sent {
    name: String,
    alt: String,
    passing: bool,
    /// Where a form leads back to.
    next: String,
}

/// `POST /library`: a whole file; 201 with what became of it.
///
/// # Errors
/// [`Error::Invalid`] for what can't be a picture or a sound, or a description that is too long; [`Error::TooLarge`], `quota`,
/// [`Error::TooMany`].
pub async fn take(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Query(said): Query<Said>,
    request: Request,
) -> Result<Response, Error> {
    let id = new_id();
    let limits = app.config().limits.clone();
    let headers = request.headers().clone();
    let mut body = request.into_body();
    let mut sent = Sent {
        name: said.name,
        alt: said.alt,
        passing: said.passing == "1",
        next: String::new(),
    };
    let taken = async {
        check_pace(&app, &member)?;
        let announced = headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let stored = app.db.read(|db| queries::stored_by(db, member.id))?;
        check_quota(stored, announced.unwrap_or(1), quota(&limits))?;
        let boundary = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        match boundary.and_then(|kind| multer::parse_boundary(kind).ok()) {
            Some(boundary) => receive_form(&app, &limits, &mut body, boundary, &id, &mut sent).await?,
            None => receive_whole(&app, &limits, (&mut body).into_data_stream(), &id).await?,
        }
        check_alt(&sent.alt)?;
        keep(&app, &member, &id, &sent, None).await
    };
    let taken = taken.await;
    files::drop_file(&upload_of(&app, &id)).await;
    match (taken, wants) {
        (Ok(kept), Wants::Page) => match local(&sent.next) {
            Some(next) => Ok(see_other(next)),
            None => Ok(see_other(&format!("/library#media-{kept}"))),
        },
        (Ok(kept), _) => {
            let item = app.db.read(|db| view::data_of(db, member.id, &kept))?;
            Ok(unstored((StatusCode::CREATED, Json(item)).into_response()))
        }
        (Err(error), wants) => match wants {
            Wants::Page => super::library::refused(&app, &member, &error, &sent.alt),
            _ => Err(error),
        },
    }
}

async fn receive_whole<S, E>(app: &App, limits: &Limits, parts: S, id: &str) -> Result<(), Error>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let path = upload_of(app, id);
    let mut file = files::create(&path).await?;
    let (most, patience) = (u64::from(limits.media_file_bytes), patience(limits));
    files::receive(parts, &mut file, most, patience, || too_large(limits)).await?;
    Ok(())
}

/// Takes the fields of a form in whatever order they come, the file among them to disk.
async fn receive_form(
    app: &App,
    limits: &Limits,
    body: &mut Body,
    boundary: String,
    id: &str,
    sent: &mut Sent,
) -> Result<(), Error> {
    let most = u64::from(limits.media_file_bytes);
    let whole = multer::SizeLimit::new().whole_stream(most + FORM_BYTES_MOST);
    let constraints = multer::Constraints::new().size_limit(whole);
    let mut form = multer::Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let broken = |error: multer::Error| match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => too_large(limits),
        error => Error::BadRequest(format!("The form can't be read: {error}.")),
    };
    let mut has_file = false;
    for _ in 0..FIELDS_MOST {
        let field = timeout(patience(limits), form.next_field()).await;
        let Some(field) = field.map_err(|_| Error::Timeout)?.map_err(broken)? else {
            break;
        };
        match field.name().unwrap_or("") {
            "file" if !has_file => {
                has_file = true;
                sent.name = field.file_name().unwrap_or("").to_owned();
                receive_whole(app, limits, field, id).await?;
            }
            "alt" => sent.alt = text(field, limits).await?,
            "next" => sent.next = text(field, limits).await?,
            _ => drop(text(field, limits).await?),
        }
    }
    match has_file {
        true => Ok(()),
        false => Err(Error::field("file", "Choose a file first.")),
    }
}

async fn text(field: multer::Field<'_>, limits: &Limits) -> Result<String, Error> {
    let bytes = timeout(patience(limits), field.bytes())
        .await
        .map_err(|_| Error::Timeout)?;
    let bytes = bytes.map_err(|error| Error::BadRequest(format!("The form can't be read: {error}.")))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if bytes.len() as u64 <= FORM_BYTES_MOST && !text.contains('\0') => {
            Ok(text.replace("\r\n", "\n").trim().to_owned())
        }
        _ => Err(Error::BadRequest(
            "The form's text is too long or not valid UTF-8, which is the only encoding accepted.".into(),
        )),
    }
}

/// `POST /library/uploads`: fields `bytes` (how many will come), `name`, `alt`, `passing`; 201 with its address.
///
/// # Errors
/// [`Error::Invalid`], [`Error::TooLarge`], `quota`, [`Error::TooMany`], [`Error::Conflict`].
pub async fn begin(State(app): State<App>, member: Member, form: Form) -> Result<Response, Error> {
    let limits = app.config().limits.clone();
    check_pace(&app, &member)?;
    let bytes = form.text("bytes").parse::<u64>().ok().filter(|bytes| *bytes > 0);
    let bytes = bytes.ok_or_else(|| Error::field("bytes", "Say how many bytes will come: a number above 0."))?;
    if bytes > u64::from(limits.media_file_bytes) {
        return Err(too_large(&limits));
    }
    check_alt(form.text("alt"))?;
    let upload = Upload {
        bytes,
        name: name(form.text("name")),
        alt: form.text("alt").to_owned(),
        passing: matches!(form.text("passing"), "1" | "on"),
        media: None,
        refused: None,
    };
    let id = new_id();
    files::create(&upload_of(&app, &id)).await?;
    let (row, owner, quota) = (id.clone(), member.id, quota(&limits));
    let begun = app
        .db
        .write(move |tx| mutations::begin(tx, &row, owner, &upload, quota))
        .await;
    if let Err(error) = begun {
        files::drop_file(&upload_of(&app, &id)).await;
        return Err(error);
    }
    let at = format!("/library/uploads/{id}");
    let answer = Json(json!({ "id": id, "at": at, "offset": 0, "bytes": bytes }));
    let headers = [(header::LOCATION, at), (OFFSET, "0".to_owned())];
    Ok(unstored((StatusCode::CREATED, headers, answer).into_response()))
}

/// `GET /library/uploads/{id}`: how far it came, and what became of it.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn progress(State(app): State<App>, member: Member, Path(id): Path<String>) -> Result<Response, Error> {
    let id = parsed(&id)?;
    app.db.read(|db| queries::upload(db, member.id, &id))?;
    // Who asks sends nothing any more, whatever the old connection still believes.
    let turn = Turns::take(&id).await?;
    let answer = state_of(&app, &member, &id).await;
    drop(turn);
    answer
}

async fn state_of(app: &App, member: &Member, id: &str) -> Result<Response, Error> {
    let upload = app.db.read(|db| queries::upload(db, member.id, id))?;
    let offset = match upload.media.is_some() || upload.refused.is_some() {
        true => upload.bytes,
        false => came(app, id).await?,
    };
    let media = match &upload.media {
        Some(media) => Some(app.db.read(|db| view::data_of(db, member.id, media))?),
        None => None,
    };
    let answer = json!({
        "id": id, "offset": offset, "bytes": upload.bytes, "media": media, "refused": upload.refused,
    });
    Ok(unstored(([(OFFSET, offset.to_string())], Json(answer)).into_response()))
}

/// `PATCH /library/uploads/{id}`: appends the body at the offset that the header `Upload-Offset` names.
///
/// # Errors
/// [`Error::NotFound`]; `offset` with the right one for another; [`Error::Invalid`] for what can't be a picture or a sound, when
/// all of it is there; `quota`.
pub async fn append(
    State(app): State<App>,
    member: Member,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let mut body = request.into_body();
    try_append(&app, &member, &id, &headers, &mut body).await
}

async fn try_append(
    app: &App,
    member: &Member,
    id: &str,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Response, Error> {
    let id = parsed(id)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !matches!(
        kind,
        Some("application/partial-upload" | "application/offset+octet-stream")
    ) {
        return Err(Error::UnsupportedMediaType("application/partial-upload"));
    }
    let offset = headers
        .get(OFFSET)
        .and_then(|offset| offset.to_str().ok()?.parse::<u64>().ok());
    let offset =
        offset.ok_or_else(|| Error::BadRequest("The header Upload-Offset says where the bytes belong.".into()))?;
    app.db.read(|db| queries::upload(db, member.id, &id))?;
    let turn = Turns::take(&id).await?;
    // Somebody else may have finished it meanwhile.
    let upload = app.db.read(|db| queries::upload(db, member.id, &id))?;
    if upload.media.is_some() || upload.refused.is_some() {
        return finished(app, member, &id).await;
    }
    let path = upload_of(app, &id);
    let here = came(app, &id).await?;
    if here != offset {
        return Err(Error::coded(
            StatusCode::CONFLICT,
            "offset",
            format!("{here} bytes of this upload are here: go on from there."),
        ));
    }
    let limits = app.config().limits.clone();
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .await
        .map_err(files::disk)?;
    let left = upload.bytes - here;
    let received = tokio::select! {
        received = files::receive(body.into_data_stream(), &mut file, left, patience(&limits), || {
            Error::BadRequest(format!("This upload was to have {} bytes, and more came.", upload.bytes))
        }) => received,
        () = turn.wanted() => Err(Error::Conflict("This upload goes on over another connection.".into())),
    };
    // Whatever was handed over is written before anybody looks at the length.
    tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(files::disk)?;
    let received = received?;
    if here + received < upload.bytes {
        return state_of(app, member, &id).await;
    }
    let sent = Sent {
        name: upload.name,
        alt: upload.alt,
        passing: upload.passing,
        next: String::new(),
    };
    let kept = keep(app, member, &id, &sent, Some(id.clone())).await;
    if let Err(Error::Invalid(why)) = &kept {
        let (row, why) = (id.clone(), Error::Invalid(why.clone()).detail());
        app.db.write(move |tx| mutations::refuse(tx, &row, &why)).await?;
    }
    if matches!(&kept, Ok(_) | Err(Error::Invalid(_))) {
        files::drop_file(&path).await;
    }
    kept?;
    finished(app, member, &id).await
}

/// The answer to whoever brought the last byte, as often as it is asked for.
async fn finished(app: &App, member: &Member, id: &str) -> Result<Response, Error> {
    let upload = app.db.read(|db| queries::upload(db, member.id, id))?;
    match upload.refused {
        Some(why) => Err(Error::field("file", why)),
        None => state_of(app, member, id).await,
    }
}

/// `DELETE /library/uploads/{id}`: it will not go on.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn cancel(State(app): State<App>, member: Member, Path(id): Path<String>) -> Result<Response, Error> {
    let id = parsed(&id)?;
    app.db.read(|db| queries::upload(db, member.id, &id))?;
    let turn = Turns::take(&id).await?;
    let row = id.clone();
    app.db.write(move |tx| mutations::cancel(tx, member.id, &row)).await?;
    files::drop_file(&upload_of(&app, &id)).await;
    drop(turn);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Puts what our own code has made into a member's library, as an upload comes there; answers its id.
///
/// # Errors
/// As [`take`].
pub async fn give(app: &App, member: &Member, name: &str, alt: &str, bytes: &[u8]) -> Result<String, Error> {
    let upload = new_id();
    let path = upload_of(app, &upload);
    let sent = Sent {
        name: name.into(),
        alt: alt.into(),
        passing: false,
        next: String::new(),
    };
    fs::write(&path, bytes).await.map_err(files::disk)?;
    let kept = keep(app, member, &upload, &sent, None).await;
    files::drop_file(&path).await;
    kept
}

/// Makes an upload anew and puts it into the library; answers its id there.
async fn keep(app: &App, member: &Member, upload: &str, sent: &Sent, row: Option<String>) -> Result<String, Error> {
    let id = new_id();
    let made = worker::make(app, upload, &id).await;
    app.meter.note_upload(made.is_ok());
    let made = made?;
    let files: Vec<_> = made
        .files
        .iter()
        .map(|(file, _)| file_of(app, &id, file.variant.name()))
        .collect();
    let new = New {
        id: id.clone(),
        owner: member.id,
        name: name(&sent.name),
        alt: sent.alt.clone(),
        passing: sent.passing,
        upload: row,
        quota: quota(&app.config().limits),
    };
    let kept = app.db.write(move |tx| mutations::keep(tx, &new, &made)).await;
    if let Err(error) = kept {
        for file in files {
            files::drop_file(&file).await;
        }
        return Err(error);
    }
    Ok(id)
}

/// Whose turn it is to append to an upload: a connection that nobody holds any more gives way to the next.
struct Turns;

/// One's turn; dropping it ends it.
struct Turn {
    id: String,
    upload: Arc<Shared>,
    _held: tokio::sync::OwnedMutexGuard<()>,
}

#[derive(Default)]
struct Shared {
    held: Arc<tokio::sync::Mutex<()>>,
    wanted: Notify,
}

static TURNS: LazyLock<Mutex<HashMap<String, Arc<Shared>>>> = LazyLock::new(Mutex::default);

impl Turns {
    async fn take(id: &str) -> Result<Turn, Error> {
        let upload = {
            let mut all = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(id.to_owned()).or_default().clone()
        };
        let held = loop {
            if let Ok(held) = upload.held.clone().try_lock_owned() {
                break held;
            }
            upload.wanted.notify_waiters();
            // Whoever began to receive after that is told again. One that waits for the worker is waited for.
            if let Ok(held) = timeout(Duration::from_millis(200), upload.held.clone().lock_owned()).await {
                break held;
            }
        };
        Ok(Turn {
            id: id.to_owned(),
            upload,
            _held: held,
        })
    }
}

impl Turn {
    /// Waits until somebody else wants it.
    async fn wanted(&self) {
        self.upload.wanted.notified().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut all = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        // This one's and the map's.
        if Arc::strong_count(&self.upload) <= 2 {
            all.remove(&self.id);
        }
    }
}

/// Bytes of an upload that are here.
async fn came(app: &App, id: &str) -> Result<u64, Error> {
    match fs::metadata(upload_of(app, id)).await {
        Ok(metadata) => Ok(metadata.len()),
        // It was refused or finished just now, or the data folder was restored without it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::NotFound),
        Err(error) => Err(error.into()),
    }
}

fn new_id() -> String {
    Fixed(crypto::random::<16>()).to_string()
}

/// An id in its one spelling.
fn parsed(id: &str) -> Result<String, Error> {
    Ok(Fixed::<16>::parse(id).ok_or(Error::NotFound)?.to_string())
}

fn quota(limits: &Limits) -> u64 {
    u64::from(limits.media_mib) << 20
}

fn patience(limits: &Limits) -> Duration {
    Duration::from_secs(limits.body_seconds.into())
}

fn too_large(limits: &Limits) -> Error {
    Error::coded(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!(
            "A picture or sound has at most {} here. Make it smaller or shorter.",
            words::size(limits.media_file_bytes.into())
        ),
    )
}

fn check_pace(app: &App, member: &Member) -> Result<(), Error> {
    let of = [(
        ("uploads of a member", app.config().limits.uploads_per_minute),
        &*member.id.to_string(),
    )];
    app.buckets
        .take(Instant::now(), &of)
        .map_err(|(retry_after, _)| Error::TooMany {
            retry_after,
            message: "Those were many uploads.".into(),
        })
}

/// Whether this can describe a picture.
pub(super) fn check_alt(alt: &str) -> Result<(), Error> {
    let length = alt.chars().count();
    match length <= ALT_MOST {
        true => Ok(()),
        false => Err(Error::field(
            "alt",
            format!("That is {length} characters. A description has at most {ALT_MOST}."),
        )),
    }
}

/// What a file was called, without folders and without what can't be seen.
fn name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or("");
    let shown: String = last.chars().filter(|c| !c.is_control()).take(NAME_MOST).collect();
    match shown.trim() {
        "" => "untitled".into(),
        name => name.to_owned(),
    }
}

/// An address of this site, as a form may lead back to.
fn local(next: &str) -> Option<&str> {
    let fine = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    fine.then_some(next)
}

/// Drops uploads that were not finished within a day, and files without a row: at the start, and every hour as long as the
/// program runs.
pub async fn sweep(app: App) {
    loop {
        if let Err(error) = sweep_once(&app).await {
            tracing::error!(%error, "files that nobody can ask for could not be dropped");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

async fn sweep_once(app: &App) -> Result<(), Error> {
    let too_old = now_ms() - UNFINISHED_MS;
    app.db
        .write(move |tx| {
            tx.run("delete from uploads where created_at < ?1", [too_old])?;
            // Sent for a message that was never sent.
            tx.run(
                "delete from media
                  where passing = 1 and created_at < ?1
                    and not exists (select 1 from media_uses u where u.media_id = media.id)",
                [too_old],
            )
        })
        .await?;
    let data = app.config().data.clone();
    let of_uploads = (UPLOADS, "select id from uploads", UNFINISHED_MS);
    let of_media = (FOLDER, "select id from media", UNMADE_MS);
    for (folder, ids, longest) in [of_uploads, of_media] {
        let mut files = fs::read_dir(data.join(folder)).await?;
        let mut known = moving::in_the_making();
        known.extend(app.db.read(|db| db.all(ids, [], |row| row.get::<_, String>(0)))?);
        while let Some(file) = files.next_entry().await? {
            let name = file.file_name();
            let id = name.to_str().map(|name| name.split('.').next().unwrap_or(name));
            // Who is just being received or made has no row yet.
            let age = file.metadata().await?.modified()?.elapsed().unwrap_or_default();
            if id.is_some_and(|id| !known.contains(id)) && age.as_millis() > longest.unsigned_abs().into() {
                fs::remove_file(file.path()).await?;
            }
        }
    }
    Ok(())
}
