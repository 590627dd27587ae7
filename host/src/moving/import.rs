//! `/settings/import`: an archive that a member brings from elsewhere. It comes in three steps: the file is taken and looked through, and
//! what is wrong with it is said in a sentence; what of it would come along is shown, with what can't and why; and then, when its
//! member says so, pictures and sounds are made anew by the worker and everything is kept in one transaction, or nothing.
//!
//! Nothing in an archive is believed: each slice reads its own part as it reads a form. What an archive brought once it doesn't bring
//! again beside itself; names in it are words, and lead to nobody here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
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
use http::{StatusCode, header};
use http_body_util::BodyExt;
use minijinja::{Value, context};
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    app::{App, now_ms},
    archive::{self, Archive, FORMAT, Left, MANIFEST, VERSION},
    config::Limits,
    crypto,
    db::{Reader, Tx},
    directory,
    error::{self, Error},
    files, html,
    http::{FRAGMENT, Form, Query, Wants, discard, see_other, unstored},
    looks, media, posts, profiles, rooms, scripts,
    session::{Member, Viewer},
    stickers, walls, words,
};

/// Where archives wait, in the data folder.
const FOLDER: &str = "arrivals";
/// Archives that are looked through at a time, and that are brought: each takes a thread, and what its lists say in memory.
const AT_ONCE: usize = 2;
/// An archive that nobody says anything about is dropped after so long, in milliseconds.
const WAITS_MS: i64 = 24 * 3_600_000;
/// No archive takes so long to be taken and looked through, in milliseconds: a file without a row that is older is nobody's.
const UNREAD_MS: u128 = 2 * 3_600_000;
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// Bytes of a form around its file, and its fields.
const FORM_BYTES_MOST: u64 = 64 * 1024;
const FIELDS_MOST: usize = 8;
/// Characters of what an archive says about where it was made.
const PLACE_MOST: usize = 200;
/// Sentences about what stays behind that are shown.
const LEFT_MOST: usize = 100;
/// Bringings of one member that are remembered.
const BROUGHT_MOST: i64 = 20;

static LOOKING: Semaphore = Semaphore::const_new(AT_ONCE);
static COMING: Semaphore = Semaphore::const_new(AT_ONCE);
/// Who brings something just now.
static UNDER_WAY: LazyLock<Mutex<HashMap<i64, Arc<Bringing>>>> = LazyLock::new(Mutex::default);

/// What of an archive can be chosen to come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Profile,
    Look,
    Sounds,
    Stickers,
    Modules,
    Posts,
    Scripts,
    Rooms,
    Library,
}

impl Part {
    const ALL: [Part; 9] = [
        Self::Profile,
        Self::Look,
        Self::Sounds,
        Self::Stickers,
        Self::Modules,
        Self::Posts,
        Self::Scripts,
        Self::Rooms,
        Self::Library,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Look => "look",
            Self::Sounds => "sounds",
            Self::Stickers => "stickers",
            Self::Modules => "modules",
            Self::Posts => "posts",
            Self::Scripts => "scripts",
            Self::Rooms => "rooms",
            Self::Library => "library",
        }
    }
}

/// The first file of an archive.
#[derive(Deserialize)]
struct Manifest {
    format: String,
    version: u32,
    id: String,
    member: String,
    made_at: i64,
    node: String,
    origin: String,
}

/// What is in an archive, for who decides what of it comes along.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Found {
    /// The archive's own id.
    archive: String,
    /// Whose it was, where and when.
    member: String,
    node: String,
    origin: String,
    made_at: i64,
    /// Each part that it has, as a sentence.
    parts: BTreeMap<Part, String>,
    /// Pictures and sounds that would come, and bytes that their files have in the archive.
    media: usize,
    media_bytes: u64,
    left: Vec<Left>,
}

/// An archive that waits for its member.
struct Arrival {
    file: String,
    name: String,
    bytes: u64,
    found: Found,
    /// Why it didn't come along when that was tried last.
    refused: Option<String>,
    created_at: i64,
}

/// How far somebody's things have come.
#[derive(Default)]
struct Bringing {
    made: AtomicUsize,
    many: AtomicUsize,
}

/// One's turn to bring something; dropping it ends it.
struct Turn {
    user_id: i64,
    bringing: Arc<Bringing>,
}

impl Turn {
    fn take(user_id: i64) -> Result<Self, Error> {
        let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.contains_key(&user_id) {
            return Err(Error::Conflict(
                "What you brought is coming along already: wait until it is here.".into(),
            ));
        }
        let bringing = Arc::new(Bringing::default());
        under_way.insert(user_id, bringing.clone());
        Ok(Self { user_id, bringing })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.user_id);
    }
}

fn under_way(user_id: i64) -> Option<Arc<Bringing>> {
    let under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    under_way.get(&user_id).cloned()
}

/// Makes the folder, for this user alone.
///
/// # Errors
/// I/O.
pub fn prepare(data: &Path) -> io::Result<()> {
    files::prepare(&data.join(FOLDER))
}

fn file_of(app: &App, file: &str) -> PathBuf {
    app.config().data.join(FOLDER).join(file)
}

/// Bytes that an archive may have: what a member may store here, and pages.
fn most(limits: &Limits) -> u64 {
    (u64::from(limits.media_mib) + u64::from(limits.dm_files_mib) + 256) << 20
}

fn limits_of(limits: &Limits) -> archive::Limits {
    archive::Limits {
        // What compresses well is still no more than that.
        total: most(limits) + (256 << 20),
        media: 128 << 20,
        list: 64 << 20,
        other: 32 << 20,
    }
}

/// `GET /settings/import`: what waits, how far it has come, what came before; or a form.
///
/// # Errors
/// [`Error::Unauthorized`] for programs without a session.
pub async fn show(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    headers: http::HeaderMap,
) -> Result<Response, Error> {
    let Some(member) = &viewer.member else {
        return match error::wants_page(&headers) {
            true => Ok(see_other("/login?next=/settings/import")),
            false => Err(Error::Unauthorized),
        };
    };
    match wants {
        Wants::Json => Ok(unstored(Json(state(&app, member)?).into_response())),
        Wants::Fragment => {
            let html = app.html.render("moving/arrival.html", page(&app, member, None)?)?;
            Ok(unstored(([(header::CONTENT_TYPE, FRAGMENT)], html).into_response()))
        }
        Wants::Page => shown(&app, member, StatusCode::OK, None),
    }
}

fn shown(app: &App, member: &Member, status: StatusCode, refused: Option<&str>) -> Result<Response, Error> {
    let html = app.html.render("moving/import.html", page(app, member, refused)?)?;
    Ok(html::page(html, status))
}

/// What programs get.
fn state(app: &App, member: &Member) -> Result<serde_json::Value, Error> {
    let (arrival, brought) = app
        .db
        .read(|db| Ok((arrival(db, member.id)?, brought(db, member.id)?)))?;
    let bringing = under_way(member.id);
    let state = match (&bringing, &arrival) {
        (Some(_), _) => "bringing",
        (None, Some(_)) => "waiting",
        (None, None) => "none",
    };
    Ok(json!({
        "state": state,
        "made": bringing.as_ref().map(|it| it.made.load(Relaxed)),
        "many": bringing.as_ref().map(|it| it.many.load(Relaxed)),
        "name": arrival.as_ref().map(|it| &it.name),
        "bytes": arrival.as_ref().map(|it| it.bytes),
        "found": arrival.as_ref().map(|it| &it.found),
        "refused": arrival.as_ref().and_then(|it| it.refused.as_ref()),
        "brought": brought,
    }))
}

/// What `templates/moving/import.html` and `arrival.html` read.
fn page(app: &App, member: &Member, refused: Option<&str>) -> Result<Value, Error> {
    let limits = app.config().limits.clone();
    let (arrival, before, has, stored) = app.db.read(|db| {
        Ok((
            arrival(db, member.id)?,
            brought(db, member.id)?,
            Has::count(db, member.id)?,
            media::moving::stored(db, member.id)?,
        ))
    })?;
    let quota = u64::from(limits.media_mib) << 20;
    let shown = arrival.as_ref().map(|it| {
        let again = before.iter().find(|brought| brought.archive == it.found.archive);
        context! {
            name => it.name,
            size => words::size(it.bytes),
            until => words::day(it.created_at + WAITS_MS),
            member => it.found.member,
            node => it.found.node,
            origin => it.found.origin,
            made => words::day(it.found.made_at),
            parts => it.found.parts.iter().map(|(part, sentence)| context! { name => part.name(), sentence }).collect::<Vec<_>>(),
            media => it.found.media,
            media_size => words::size(it.found.media_bytes),
            room => words::size(quota.saturating_sub(stored)),
            fits => stored.saturating_add(it.found.media_bytes) <= quota,
            left => it.found.left,
            again => again.map(|brought| words::day(brought.at)),
            refused => it.refused,
        }
    });
    let bringing = under_way(member.id).map(|it| {
        let (made, many) = (it.made.load(Relaxed), it.many.load(Relaxed));
        context! { made, many, percent => (100 * made).checked_div(many).unwrap_or(0) }
    });
    let before: Vec<_> = before
        .iter()
        .map(|it| {
            context! {
                at => words::day(it.at), from => it.report.from, member => it.report.member, how => it.report.how,
                came => it.report.came, left => it.report.left,
            }
        })
        .collect();
    let said = app.db.read(|db| rooms::moving::has_brought(db, member.id))?;
    Ok(context! {
        signed_in => true,
        here => "settings",
        arrival => shown,
        bringing,
        before,
        said,
        has,
        refused,
        most => words::size(most(&limits)),
    })
}

/// What a member has on their wall already.
#[derive(Serialize)]
struct Has {
    posts: i64,
    stickers: i64,
    modules: i64,
    pins: i64,
    look: bool,
}

impl Has {
    fn count(db: &Reader, user_id: i64) -> Result<Self, Error> {
        Ok(Self {
            posts: posts::moving::many_standing(db, user_id)?,
            stickers: stickers::moving::standing(db, user_id)?,
            modules: walls::moving::standing(db, user_id)?,
            pins: scripts::moving::pinned(db, user_id)?,
            look: looks::moving::is_dressed(db, user_id)?,
        })
    }
}

/// What came along at some time.
#[derive(Serialize)]
struct Brought {
    archive: String,
    at: i64,
    report: Report,
}

/// What is remembered of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Report {
    /// Where it came from, and whose it was there.
    from: String,
    member: String,
    /// `add` or `replace`.
    how: String,
    parts: Vec<Part>,
    came: Vec<String>,
    left: Vec<Left>,
}

fn brought(db: &Reader, user_id: i64) -> Result<Vec<Brought>, Error> {
    db.all(
        "select archive, at, report from brought where user_id = ?1 order by id desc",
        [user_id],
        |row| {
            Ok(Brought {
                archive: row.get(0)?,
                at: row.get(1)?,
                report: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
            })
        },
    )
}

fn arrival(db: &Reader, user_id: i64) -> Result<Option<Arrival>, Error> {
    let row = db.maybe(
        "select file, name, bytes, found, refused, created_at from arrivals where user_id = ?1",
        [user_id],
        |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, Option<String>>(4)?,
                row.get::<_, i64>(5)?,
            ))
        },
    )?;
    let Some((file, name, bytes, found, refused, created_at)) = row else {
        return Ok(None);
    };
    // One that an earlier program looked through, and understood otherwise.
    let Ok(found) = serde_json::from_str(&found) else {
        return Ok(None);
    };
    Ok(Some(Arrival {
        file,
        name,
        bytes: bytes.unsigned_abs(),
        found,
        refused,
        created_at,
    }))
}

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
            // A browser that is cut off while it still sends shows its own error instead of ours.
            let _ = timeout(Duration::from_secs(10), discard(body)).await;
            refused(&app, &member, wants, error)
        }
    }
}

/// The refusal, on the page that one came from.
fn refused(app: &App, member: &Member, wants: Wants, error: Error) -> Result<Response, Error> {
    match (wants, &error) {
        (Wants::Json, _) | (_, Error::Internal(_) | Error::Unauthorized) => Err(error),
        _ => shown(app, member, error.status(), Some(&error.detail())),
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

fn open(app: &App, file: &str) -> Result<Archive, Error> {
    let opened = File::open(file_of(app, file)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::Conflict("The archive that you sent isn't here any more: send it again.".into())
        }
        _ => error.into(),
    })?;
    Archive::open(opened, limits_of(&app.config().limits))
}

/// Everything in an archive, read and checked.
struct Everything {
    found: Found,
    media: Vec<media::moving::Moved>,
    profile: Option<profiles::moving::Incoming>,
    tags: Option<Vec<String>>,
    look: Option<looks::moving::Incoming>,
    sounds: Option<media::moving::Sounds>,
    canvas: stickers::moving::Canvasful,
    modules: Vec<walls::moving::Incoming>,
    posts: posts::moving::Written,
    scripts: scripts::moving::Workshop,
    rooms: Vec<rooms::moving::Elsewhere>,
}

impl Everything {
    fn read(app: &App, member: &Member, archive: &Archive) -> Result<Self, Error> {
        let manifest = manifest(archive)?;
        let (owner, known) = app
            .db
            .read(|db| Ok((profiles::find(db, &member.name)?, media::moving::known(db, member.id)?)))?;
        let mut media = media::moving::read(archive)?;
        let ids: HashSet<String> = media.iter().map(|it| it.id.clone()).collect();
        let profile = profiles::moving::read(archive, &owner, &ids)?;
        let tags = directory::moving::read(archive)?;
        let look = looks::moving::read(archive, &owner, &ids)?;
        let sounds = media::moving::read_sounds(archive, &media)?;
        let canvas = stickers::moving::read(app, archive, &ids)?;
        let (seen, modules) = walls::moving::read(app, archive)?;
        let scripts = scripts::moving::read(app, archive)?;
        let posts = posts::moving::read(app, archive, &manifest.origin, &ids, &scripts.ids())?;
        let rooms = rooms::moving::read(archive, &manifest.node)?;

        let mut parts = BTreeMap::new();
        let mut say = |part, sentence: String| {
            if !sentence.is_empty() {
                parts.insert(part, sentence);
            }
        };
        say(
            Part::Profile,
            match (&profile, &tags) {
                (None, None) => String::new(),
                (profile, tags) => {
                    let mut has: Vec<String> = profile.as_ref().map(|it| it.says()).unwrap_or_default();
                    has.extend(
                        tags.iter()
                            .filter(|tags| !tags.is_empty())
                            .map(|tags| many(tags.len(), "tag", "tags")),
                    );
                    listed(has)
                }
            },
        );
        say(
            Part::Look,
            look.as_ref().map_or_else(String::new, |it| it.says().into()),
        );
        say(
            Part::Sounds,
            sounds.as_ref().map_or_else(String::new, |it| it.says().into()),
        );
        say(Part::Stickers, some(canvas.stickers.len(), "sticker", "stickers"));
        say(Part::Modules, {
            let names: Vec<_> = seen
                .iter()
                .filter(|it| it.why.is_none())
                .map(|it| it.name.clone())
                .collect();
            match names.len() {
                0 => String::new(),
                n => format!(
                    "{}: {}",
                    many(
                        n,
                        "module with what its plugin keeps",
                        "modules with what their plugins keep"
                    ),
                    listed(names)
                ),
            }
        });
        say(Part::Posts, posts.says());
        say(Part::Scripts, scripts.says());
        say(
            Part::Rooms,
            some(rooms.len(), "message of yours in rooms", "messages of yours in rooms"),
        );
        media.retain(|it| !known.contains_key(&it.id));
        say(Part::Library, {
            let sounds = media.iter().filter(|it| it.kind == "audio").count();
            let pictures = media.len() - sounds;
            let mut has = Vec::new();
            has.extend((pictures > 0).then(|| many(pictures, "picture", "pictures")));
            has.extend((sounds > 0).then(|| many(sounds, "sound", "sounds")));
            listed(has)
        });

        let mut left: Vec<Left> = seen
            .iter()
            .filter_map(|it| {
                Some(Left {
                    what: format!("The module {}", archive::shown(&it.name)),
                    why: it.why.clone()?,
                })
            })
            .collect();
        left.extend(canvas.left.iter().cloned());
        left.extend(posts.left.iter().cloned());
        left.extend(scripts.left.iter().cloned());
        left.extend(look.iter().flat_map(|it| it.left()));
        if archive.size("data/dm/messages.jsonl").is_some_and(|bytes| bytes > 0) {
            left.push(Left {
                what: "Direct messages".into(),
                why: "They are sealed for the names and the key log of where they were written, and open there alone. The archive keeps them.".into(),
            });
        }
        if left.len() > LEFT_MOST {
            let more = left.len() - LEFT_MOST;
            left.truncate(LEFT_MOST);
            left.push(Left {
                what: format!("{more} more"),
                why: "For reasons like these.".into(),
            });
        }
        let found = Found {
            archive: manifest.id,
            member: manifest.member,
            node: manifest.node,
            origin: manifest.origin,
            made_at: manifest.made_at,
            parts,
            media: media.len(),
            media_bytes: media.iter().filter_map(|it| archive.size(&it.file)).sum(),
            left,
        };
        Ok(Self {
            found,
            media,
            profile,
            tags,
            look,
            sounds,
            canvas,
            modules,
            posts,
            scripts,
            rooms,
        })
    }
}

fn manifest(archive: &Archive) -> Result<Manifest, Error> {
    let mut manifest: Manifest = archive
        .json(MANIFEST)?
        .ok_or_else(|| archive::refused(format!("it has no {MANIFEST}, so it is no archive of a NeoSpace")))?;
    if manifest.format != FORMAT {
        return Err(archive::refused(format!(
            "its {MANIFEST} says that it is “{}”, and “{FORMAT}” is taken",
            archive::shown(&manifest.format)
        )));
    }
    if manifest.version != VERSION {
        return Err(archive::refused(format!(
            "its format is version {}, and version {VERSION} is read here",
            manifest.version
        )));
    }
    let line = |text: &str| text.chars().count() <= PLACE_MOST && !text.chars().any(char::is_control);
    if crypto::Bytes::<16>::parse(&manifest.id).is_none()
        || !profiles::is_name(&manifest.member)
        || !line(&manifest.node)
        || !line(&manifest.origin)
    {
        return Err(archive::refused(format!(
            "its {MANIFEST} doesn't say whose it is and where it was made"
        )));
    }
    let linked = manifest.origin.starts_with("https://") || manifest.origin.starts_with("http://");
    if !linked {
        manifest.origin.clear();
    }
    manifest.made_at = manifest.made_at.clamp(0, now_ms());
    Ok(manifest)
}

fn many(n: usize, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

fn some(n: usize, one: &str, more: &str) -> String {
    if n == 0 { String::new() } else { many(n, one, more) }
}

/// Words as people list them.
fn listed(words: Vec<String>) -> String {
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// What a member said about an archive.
struct Wish {
    /// In place of what is there, or beside it.
    instead: bool,
    parts: Vec<Part>,
}

impl Wish {
    fn check(form: &Form) -> Result<Self, Error> {
        let instead = match form.text("how") {
            "add" => false,
            "replace" => true,
            _ => {
                return Err(Error::field(
                    "how",
                    "Say whether it comes beside what is on your wall (“add”) or in its place (“replace”).",
                ));
            }
        };
        let named: Vec<&str> = form
            .0
            .iter()
            .filter(|(name, _)| name == "part")
            .map(|(_, part)| part.trim())
            .collect();
        // A page's form says that it has such fields: none of them ticked is none, and a program that names none wants all.
        if named.is_empty() && form.get("parts").is_none() {
            return Ok(Self {
                instead,
                parts: Part::ALL.into(),
            });
        }
        let mut parts = Vec::new();
        for name in named {
            let part = Part::ALL.into_iter().find(|part| part.name() == name);
            let part = part.ok_or_else(|| {
                let names: Vec<_> = Part::ALL.into_iter().map(Part::name).collect();
                Error::field("part", format!("The parts of an archive are {}.", names.join(", ")))
            })?;
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        if parts.is_empty() {
            return Err(Error::field("part", "Choose at least one part that comes along."));
        }
        Ok(Self { instead, parts })
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

/// `POST /settings/import/bring`: fields `how` (`add` or `replace`) and `part` (as often as there are parts to come; none: all). It
/// goes on by itself: `GET /settings/import` says how far it is. 202.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::NotFound`] where nothing waits; [`Error::Conflict`] for what is under way or was brought already;
/// [`Error::TooMany`].
pub async fn bring(State(app): State<App>, member: Member, wants: Wants, form: Form) -> Result<Response, Error> {
    match begin(&app, &member, &form) {
        Ok(()) => Ok(match wants {
            Wants::Json => unstored((StatusCode::ACCEPTED, Json(state(&app, &member)?)).into_response()),
            _ => see_other("/settings/import#waits"),
        }),
        Err(error) => refused(&app, &member, wants, error),
    }
}

fn begin(app: &App, member: &Member, form: &Form) -> Result<(), Error> {
    let mut wish = Wish::check(form)?;
    let (arrival, before) = app
        .db
        .read(|db| Ok((arrival(db, member.id)?, brought(db, member.id)?)))?;
    let arrival = arrival.ok_or(Error::NotFound)?;
    wish.parts.retain(|part| arrival.found.parts.contains_key(part));
    if !wish.instead {
        forget_known(&mut wish, &arrival.found.archive, &before)?;
    }
    let turn = Turn::take(member.id)?;
    // All pictures are made anew each time, and nothing of it stays when it is refused in the end.
    let of = [(
        (
            "bringings of a member",
            app.config().limits.uploads_per_minute.div_ceil(9),
        ),
        &*member.id.to_string(),
    )];
    app.buckets
        .take(Instant::now(), &of)
        .map_err(|(retry_after, _)| Error::TooMany {
            retry_after,
            message: "You tried that several times just now.".into(),
        })?;
    let (app, member) = (app.clone(), member.clone());
    tokio::spawn(async move {
        let brought = bring_along(&app, &member, &arrival, wish, &turn.bringing).await;
        let user_id = member.id;
        let noted = match brought {
            Ok(links) => {
                files::drop_file(&file_of(&app, &arrival.file)).await;
                drop(turn);
                posts::moving::fetch_previews(app, links).await;
                return;
            }
            Err(error) => {
                if let Error::Internal(error) = &error {
                    tracing::error!(error = %format!("{error:#}").escape_debug(), "an archive could not be brought");
                }
                let (why, file) = (error.detail(), arrival.file);
                app.db
                    .write(move |tx| {
                        tx.run(
                            "update arrivals set refused = ?3 where user_id = ?1 and file = ?2",
                            params![user_id, file, why],
                        )
                    })
                    .await
            }
        };
        if let Err(error) = noted {
            tracing::error!(%error, "why an archive could not be brought was not noted");
        }
    });
    Ok(())
}

/// What this archive brought before doesn't come a second time beside itself.
fn forget_known(wish: &mut Wish, archive: &str, before: &[Brought]) -> Result<(), Error> {
    let of_it: Vec<&Brought> = before.iter().filter(|it| it.archive == archive).collect();
    wish.parts
        .retain(|part| !of_it.iter().any(|it| it.report.parts.contains(part)));
    match (wish.parts.is_empty(), of_it.first()) {
        (true, Some(last)) => Err(Error::Conflict(format!(
            "You brought this on {} already, and it doesn't come twice. Choose “in place of what is there” to have everything as it was in the archive.",
            words::day(last.at)
        ))),
        _ => Ok(()),
    }
}

/// Makes the pictures and sounds anew and keeps everything, or nothing. Answers links whose previews are to be fetched.
async fn bring_along(
    app: &App,
    member: &Member,
    arrival: &Arrival,
    wish: Wish,
    bringing: &Arc<Bringing>,
) -> Result<Vec<String>, Error> {
    let _place = COMING.acquire().await.map_err(Error::internal)?;
    let (reader, who, file) = (app.clone(), member.clone(), arrival.file.clone());
    let look = move || {
        let archive = open(&reader, &file)?;
        let all = Everything::read(&reader, &who, &archive)?;
        Ok::<_, Error>((Arc::new(archive), all))
    };
    let (archive, mut all) = tokio::task::spawn_blocking(look).await.map_err(Error::internal)??;
    let needed = needed(&all, &wish);
    let wanted: Vec<_> = std::mem::take(&mut all.media)
        .into_iter()
        .filter(|it| wish.has(Part::Library) || needed.contains(&it.id))
        .collect();
    bringing.many.store(wanted.len(), Relaxed);
    let made = |nth| bringing.made.store(nth, Relaxed);
    let arrived = Arc::new(media::moving::make(app, member.id, &archive, wanted, made).await?);
    drop(archive);
    let links = if wish.has(Part::Posts) {
        all.posts.links()
    } else {
        Vec::new()
    };
    let (teller, who, media, file) = (app.clone(), member.clone(), arrived.clone(), arrival.file.clone());
    let kept = app
        .db
        .write(move |tx| keep(tx, &teller, &who, &all, &wish, &media, &file))
        .await;
    match kept {
        Ok(()) => Ok(links),
        Err(error) => {
            arrived.drop_files(app).await;
            Err(error)
        }
    }
}

/// The pictures and sounds without which the chosen parts can't be.
fn needed(all: &Everything, wish: &Wish) -> HashSet<String> {
    let mut needed = HashSet::new();
    if wish.has(Part::Profile) {
        needed.extend(all.profile.iter().flat_map(|it| it.media()));
    }
    if wish.has(Part::Look) {
        needed.extend(all.look.iter().flat_map(|it| it.media()));
    }
    if wish.has(Part::Sounds) {
        needed.extend(all.sounds.iter().flat_map(|it| it.media()));
    }
    if wish.has(Part::Stickers) {
        needed.extend(all.canvas.media.iter().cloned());
    }
    if wish.has(Part::Posts) {
        needed.extend(all.posts.media.iter().cloned());
    }
    if wish.has(Part::Rooms) {
        needed.extend(all.rooms.iter().flat_map(|it| it.said.pictures.iter().cloned()));
    }
    needed
}

/// Everything, in one transaction.
fn keep(
    tx: &Tx,
    app: &App,
    member: &Member,
    all: &Everything,
    wish: &Wish,
    arrived: &media::moving::Arrived,
    file: &str,
) -> Result<(), Error> {
    let (user_id, name, instead) = (member.id, &*member.name, wish.instead);
    // It may have been thrown away meanwhile.
    let waits = tx.maybe(
        "select 1 from arrivals where user_id = ?1 and file = ?2",
        params![user_id, file],
        |_| Ok(()),
    )?;
    waits.ok_or_else(|| Error::Conflict("The archive was thrown away meanwhile.".into()))?;
    let owner = profiles::find(tx, name)?;
    let media = media::moving::import(tx, user_id, arrived)?;
    let works = match wish.has(Part::Scripts) {
        true => scripts::moving::import(tx, user_id, &all.scripts)?,
        false => scripts::moving::known(tx, user_id)?,
    };
    let (mut came, mut left) = (Vec::new(), all.found.left.clone());
    for part in &wish.parts {
        let comes = match part {
            Part::Profile => {
                let mut comes = false;
                if let Some(profile) = &all.profile {
                    comes |= profiles::moving::import(tx, &owner, profile, &media, instead)?;
                    let bio = profiles::find(tx, name)?.bio;
                    let leads_to = directory::leads_to(&bio, &app.config().origin);
                    directory::note_links(tx, (user_id, name), "bio", user_id, &leads_to)?;
                    if instead {
                        let (teller, hidden) = (app.clone(), !profile.is_present());
                        tx.announce(move || teller.hub.set_hidden(user_id, hidden));
                    }
                }
                if let Some(tags) = &all.tags {
                    comes |= directory::moving::import(tx, member, tags, instead)?;
                }
                comes
            }
            Part::Look => match &all.look {
                Some(look) if instead || !looks::moving::is_dressed(tx, user_id)? => {
                    looks::moving::import(tx, &owner, look, &media)?;
                    true
                }
                _ => false,
            },
            Part::Sounds => match &all.sounds {
                Some(sounds) => media::moving::import_sounds(tx, member, sounds, &media, instead)?,
                None => false,
            },
            Part::Stickers => {
                stickers::moving::import(tx, member, &all.canvas, instead, &media)?;
                true
            }
            Part::Modules => {
                walls::moving::import(tx, user_id, name, &all.modules, instead)?;
                true
            }
            Part::Posts => {
                let wall = posts::Wall { user_id, name };
                left.extend(posts::moving::import(tx, wall, &all.posts, &media, &works, instead)?);
                true
            }
            Part::Scripts => {
                left.extend(scripts::moving::import_pins(tx, member, &all.scripts, &works, instead)?);
                true
            }
            Part::Rooms => {
                rooms::moving::import(tx, user_id, &all.rooms, &media)?;
                true
            }
            Part::Library => true,
        };
        if comes && let Some(sentence) = all.found.parts.get(part) {
            came.push(sentence.clone());
        }
    }
    let report = Report {
        from: all.found.node.clone(),
        member: all.found.member.clone(),
        how: if instead { "replace" } else { "add" }.into(),
        parts: wish.parts.clone(),
        came,
        left,
    };
    tx.run(
        "insert into brought (user_id, archive, report, at) values (?1, ?2, ?3, ?4)",
        params![
            user_id,
            all.found.archive,
            serde_json::to_string(&report).map_err(Error::internal)?,
            now_ms()
        ],
    )?;
    tx.run(
        "delete from brought
          where user_id = ?1 and id not in (select id from brought where user_id = ?1 order by id desc limit ?2)",
        [user_id, BROUGHT_MOST],
    )?;
    tx.run("delete from arrivals where user_id = ?1", [user_id])?;
    tx.touch(format!("wall:{name}"));
    let (teller, wall) = (app.clone(), name.to_owned());
    tx.announce(move || walls::everything_changed(&teller, &wall));
    Ok(())
}

/// `POST /settings/import/discard`: throws away what waits. Nothing there is fine.
///
/// # Errors
/// [`Error::Conflict`] while it is being brought.
pub async fn throw_away(State(app): State<App>, member: Member, wants: Wants) -> Result<Response, Error> {
    let turn = Turn::take(member.id)?;
    let user_id = member.id;
    let file = app
        .db
        .write(move |tx| {
            let file = tx.maybe("select file from arrivals where user_id = ?1", [user_id], |row| {
                row.get::<_, String>(0)
            })?;
            tx.run("delete from arrivals where user_id = ?1", [user_id])?;
            Ok(file)
        })
        .await?;
    if let Some(file) = file {
        files::drop_file(&file_of(&app, &file)).await;
    }
    drop(turn);
    Ok(match wants {
        Wants::Json => unstored(Json(state(&app, &member)?).into_response()),
        _ => see_other("/settings/import"),
    })
}

/// What `/settings/import/rooms` is asked with.
#[derive(Default, Deserialize)]
pub struct Asked {
    /// Messages before this place: `time.number`.
    #[serde(default)]
    before: String,
}

/// `GET /settings/import/rooms`: what one said in rooms elsewhere, newest first; for oneself alone.
///
/// # Errors
/// [`Error::Unauthorized`]; [`Error::NotFound`] for a place that no page has said.
pub async fn said(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let before = match &*asked.before {
        "" => (i64::MAX, i64::MAX),
        place => place
            .split_once('.')
            .and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)))
            .ok_or(Error::NotFound)?,
    };
    let (messages, older) = app.db.read(|db| rooms::moving::brought(db, member.id, before))?;
    let older = older.map(|(at, id)| format!("{at}.{id}"));
    if wants == Wants::Json {
        let data = json!({ "messages": messages, "older": older });
        return Ok(unstored(Json(data).into_response()));
    }
    let messages: Vec<_> = messages
        .iter()
        .map(|it| {
            context! {
                node => it.node, room => it.said.room, at => words::time(it.said.at), html => it.said.html,
                plugin => it.said.plugin, command => it.said.command, deleted => it.said.deleted,
                pictures => it.said.pictures.len(),
                before => it.said.before.iter().map(|before| &before.content).collect::<Vec<_>>(),
            }
        })
        .collect();
    let html = app.html.render(
        "moving/said.html",
        context! { signed_in => true, here => "settings", messages, older, later => !asked.before.is_empty() },
    )?;
    Ok(html::page(html, StatusCode::OK))
}

/// Drops archives that nobody said anything about, and files without a row: at the start, and every hour as long as the program
/// runs.
pub async fn sweep(app: App) {
    loop {
        if let Err(error) = sweep_once(&app).await {
            tracing::error!(%error, "archives that nobody waits for could not be dropped");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

async fn sweep_once(app: &App) -> Result<(), Error> {
    let too_old = now_ms() - WAITS_MS;
    app.db
        .write(move |tx| tx.run("delete from arrivals where created_at < ?1", [too_old]))
        .await?;
    let known: HashSet<String> = app
        .db
        .read(|db| db.all("select file from arrivals", [], |row| row.get(0)))?
        .into_iter()
        .collect();
    let mut found = tokio::fs::read_dir(app.config().data.join(FOLDER)).await?;
    while let Some(file) = found.next_entry().await? {
        let age = file.metadata().await?.modified()?.elapsed().unwrap_or_default();
        let is_known = file.file_name().to_str().is_some_and(|name| known.contains(name));
        if !is_known && age.as_millis() > UNREAD_MS {
            tokio::fs::remove_file(file.path()).await?;
        }
    }
    Ok(())
}
