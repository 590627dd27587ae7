//! `/settings/export`: the archive, made while it is sent. One at a time for each member, a few in all; nothing of it is held
//! but the piece that is on its way.

use std::{
    collections::HashSet,
    io::{self, Write},
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use minijinja::{Value, context};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use crate::{
    accounts,
    app::{App, now_ms},
    archive::{FORMAT, MANIFEST, VERSION, Writer},
    crypto, dms,
    error::Error,
    http::{Inside, unstored},
    profiles, rooms,
    session::{self, Member, Viewer},
    walls, words,
};

use super::site::Site;

/// Archives that are made at a time: each takes a thread.
const AT_ONCE: usize = 4;
/// Archives that one member may begin in a minute: the first ones at once.
const PER_MINUTE: u32 = 12;
/// Bytes of one piece on its way, and how many may wait for who takes them.
const PIECE: usize = 64 * 1024;
const WAITING: usize = 4;
/// Messages on one page.
const MESSAGES_A_PAGE: usize = 200;
/// How long one may take: longer, and somebody sips.
const LONGEST: Duration = Duration::from_secs(3_600);

static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);
static UNDER_WAY: LazyLock<Mutex<HashSet<i64>>> = LazyLock::new(Mutex::default);

/// One's turn to be written down; dropping it ends it.
struct Turn {
    user_id: i64,
    _place: SemaphorePermit<'static>,
}

impl Turn {
    fn take(app: &App, user_id: i64) -> Result<Self, Error> {
        let of = [(("exports of a member", PER_MINUTE), &*user_id.to_string())];
        app.buckets
            .take(Instant::now(), &of)
            .map_err(|(retry_after, _)| Error::TooMany {
                retry_after,
                message: "Your archive was made several times just now.".into(),
            })?;
        let _place = PLACES.try_acquire().map_err(|_| Error::TooMany {
            retry_after: 30,
            message: "Others take their things along just now, and a few at a time can.".into(),
        })?;
        match UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).insert(user_id) {
            true => Ok(Self { user_id, _place }),
            false => Err(Error::Conflict(
                "Your archive is on its way already. Wait until it is there, or cancel that download.".into(),
            )),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.user_id);
    }
}

/// `GET /settings/export`: everything of one's own, as a zip. Who is about to leave gets it, too.
///
/// # Errors
/// [`Error::Unauthorized`]; [`Error::TooMany`], [`Error::Conflict`] while one is on its way.
pub async fn export(
    State(app): State<App>,
    viewer: Viewer,
    Inside(router): Inside,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let member = match viewer.member {
        Some(member) => member,
        None => session::leaver(&app, &headers)?.ok_or(Error::Unauthorized)?.member,
    };
    let turn = Turn::take(&app, member.id)?;
    let (pieces, taken) = mpsc::channel(WAITING);
    let name = file_name(&member.name);
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let pipe = Pipe {
            pieces: pieces.clone(),
            piece: Vec::with_capacity(PIECE),
            end: Instant::now() + LONGEST,
        };
        if let Err(error) = write(&app, &member, router, Writer::new(Box::new(pipe))) {
            // Who has gone isn't told, and isn't a fault.
            if !pieces.is_closed() {
                tracing::error!(%error, "an archive could not be made");
            }
            // Or what came so far would look like all of it.
            let _ = pieces.blocking_send(Err(io::Error::other("the archive could not be made")));
        }
    });
    let body = Body::from_stream(stream::unfold(taken, |mut taken| async {
        taken.recv().await.map(|piece| (piece, taken))
    }));
    let mut response = unstored(body.into_response());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn file_name(member: &str) -> String {
    let today = Timestamp::now().strftime("%Y-%m-%d");
    format!("neospace-{member}-{today}.zip")
}

/// Everything of a member's, one part after the other. Each part is as it was when it was written.
fn write(app: &App, member: &Member, router: Router, mut out: Writer) -> Result<(), Error> {
    let config = app.config();
    out.json(
        MANIFEST,
        &json!({
            "format": FORMAT,
            "version": VERSION,
            "id": crypto::Bytes(crypto::random::<16>()),
            "member": member.name,
            "made_at": now_ms(),
            "node": config.name,
            "origin": config.origin,
            "neospace": env!("CARGO_PKG_VERSION"),
        }),
    )?;
    accounts::moving::export(&app.db, member.id, &member.name, &mut out)?;
    profiles::moving::export(&app.db, member.id, &mut out)?;
    walls::moving::export(&app.db, member.id, &mut out)?;
    rooms::moving::export(&app.db, member.id, &mut out)?;
    dms::moving::export(&app.db, &config.data, member.id, &member.name, &mut out)?;
    pages(app, member, router, &mut out)?;
    out.finish()
}

/// The pages for people: what there is, the wall as others see it, what one said in rooms.
fn pages(app: &App, member: &Member, router: Router, out: &mut Writer) -> Result<(), Error> {
    let menu = vec![
        ("index.html", "Everything"),
        ("wall.html", "Wall"),
        ("rooms.html", "Rooms"),
    ];
    let wall = format!("/wall/{}", member.name);
    let site = Site::new(app, member, router, menu);
    site.lies_at(&wall, "wall.html");
    let has_wall = site.copy("wall.html", &format!("{wall}?as=guest"), out)?;
    let rooms = rooms::moving::spoken(&app.db, member.id)?;
    for (room, ids) in &rooms {
        for (nth, some) in ids.chunks(MESSAGES_A_PAGE).enumerate() {
            let messages = rooms::moving::said(&app.db, member.id, some)?;
            let messages: Vec<_> = messages
                .iter()
                .map(|it| context! { at => words::time(it.at), html => it.html, ..Value::from_serialize(it) })
                .collect();
            let pages = ids.len().div_ceil(MESSAGES_A_PAGE);
            let it = context! {
                room,
                messages,
                earlier => nth.checked_sub(1).map(|nth| room_page(room, nth)),
                later => (nth + 1 < pages).then(|| room_page(room, nth + 1)),
            };
            site.page(&room_page(room, nth), "moving/room.html", it, out)?;
        }
    }
    let rooms: Vec<_> = rooms
        .keys()
        .map(|name| context! { name, at => room_page(name, 0) })
        .collect();
    site.page("rooms.html", "moving/rooms.html", context! { rooms }, out)?;
    let it = context! {
        made => words::day(now_ms()),
        has_wall,
        sealed => !app.db.read(|db| dms::moving::conversations(db, member.id))?.is_empty(),
    };
    site.page("index.html", "moving/index.html", it, out)
}

/// Where a page of a room lies.
fn room_page(room: &str, nth: usize) -> String {
    format!("rooms/{room}-{}.html", nth + 1)
}

/// Hands the archive over, piece by piece, as fast as it is taken.
struct Pipe {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
    end: Instant,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..fits]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        if Instant::now() > self.end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it was taken too slowly"));
        }
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes it any more");
        self.pieces.blocking_send(Ok(piece.into())).map_err(gone)
    }
}
