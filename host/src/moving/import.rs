//! `/settings/import`: an archive that a member brings from elsewhere. It comes in three steps: the file is taken and looked through, and
//! what is wrong with it is said in a sentence; what of it would come along is shown, with what can't and why; and then, when its
//! member says so, pictures and sounds are made anew by the worker and everything is kept in one transaction, or nothing.
//!
//! Nothing in an archive is believed: each slice reads its own part as it reads a form. What an archive brought once it doesn't bring
//! again beside itself; names in it are words, and lead to nobody here.

mod bring;
mod contents;
mod take;

pub use bring::bring;
pub use take::take;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    app::{App, now_ms},
    archive::Left,
    config::Limits,
    db::Reader,
    error::{self, Error},
    files, html,
    http::{FRAGMENT, Query, Wants, see_other, unstored},
    looks, media, posts, rooms, scripts,
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

/// The refusal, on the page that one came from.
fn refused(app: &App, member: &Member, wants: Wants, error: Error) -> Result<Response, Error> {
    match (wants, &error) {
        (Wants::Json, _) | (_, Error::Internal(_) | Error::Unauthorized) => Err(error),
        _ => shown(app, member, error.status(), Some(&error.detail())),
    }
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
