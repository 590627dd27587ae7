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
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use minijinja::{Value, context};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use crate::{
    accounts,
    app::{App, now_ms},
    archive::{FORMAT, MANIFEST, VERSION, Writer},
    crypto, directory, dms,
    error::Error,
    html,
    http::{Inside, unstored},
    looks, media, neighbourhoods, posts, profiles, rooms, scripts,
    session::{self, Member, Viewer},
    stickers, walls, words,
};

use super::site::Site;

/// Archives that are made at a time: each takes a thread.
const AT_ONCE: usize = 4;
/// Archives that one member may begin in a minute: the first ones at once.
const PER_MINUTE: u32 = 12;
/// Bytes of one piece on its way, and how many may wait for who takes them.
const PIECE: usize = 64 * 1024;
const WAITING: usize = 4;
/// Messages on one page, and pictures and sounds.
const MESSAGES_A_PAGE: usize = 200;
const MEDIA_A_PAGE: usize = 100;
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

/// `GET /settings/along`: what is in the archive, and the way to it.
///
/// # Errors
/// [`Error::Unauthorized`].
pub async fn along(State(app): State<App>, _: Member) -> Result<Response, Error> {
    let context = context! { signed_in => true, here => "settings" };
    let page = app.html.render("settings/along.html", context)?;
    Ok(html::page(page, StatusCode::OK))
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
    let (config, db, id) = (app.config(), &app.db, member.id);
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
    accounts::moving::export(db, id, &member.name, &mut out)?;
    profiles::moving::export(db, id, &mut out)?;
    directory::moving::export(db, id, &mut out)?;
    neighbourhoods::moving::export(db, id, &mut out)?;
    looks::moving::export(db, &db.read(|db| profiles::own(db, id))?, &mut out)?;
    walls::moving::export(db, id, &mut out)?;
    stickers::moving::export(db, id, &mut out)?;
    posts::moving::export(db, id, &mut out)?;
    scripts::moving::export(db, id, &mut out)?;
    rooms::moving::export(db, id, &mut out)?;
    dms::moving::export(db, &config.data, id, &member.name, &mut out)?;
    let (media, placed) = media::moving::export(db, &config.data, id, &mut out)?;
    let site = Site::new(app, member, router, &mut out, placed, MENU.to_vec());
    pages(app, member, &site, &media)?;
    out.finish()
}

/// What the bar of each page leads to.
const MENU: [(&str, &str); 6] = [
    ("index.html", "Wall"),
    ("posts/1.html", "Posts"),
    ("media.html", "Pictures and sounds"),
    ("scripts.html", "Scripts"),
    ("rooms.html", "Rooms"),
    ("about.html", "What is in here"),
];

/// The pages for people: the wall as others see it, all that hangs on it, and what one said in rooms.
fn pages(app: &App, member: &Member, site: &Site, media: &[media::moving::Moved]) -> Result<(), Error> {
    let wall = format!("/wall/{}", member.name);
    site.lies_at(&wall, "index.html");
    site.lies_at(format!("{wall}/sound"), "sound.html");
    let standing = posts::moving::standing(&app.db, member.id)?;
    let listed = posts_at(site, &wall, &standing);
    sketches(app, member, site)?;
    let has_wall = site.copy("index.html", &wall)?;
    site.copy("sound.html", &format!("{wall}/sound"))?;
    for (address, path) in &listed {
        site.copy(path, address)?;
    }
    for post in standing.iter().filter(|post| post.edited) {
        site.copy(&history_page(post.id), &format!("{wall}/posts/{}/history", post.id))?;
    }
    library(site, media)?;
    spoken(app, member, site)?;
    let about = context! {
        made => words::day(now_ms()),
        has_wall,
        sealed => !app.db.read(|db| dms::moving::conversations(db, member.id))?.is_empty(),
    };
    if !has_wall {
        site.page("index.html", "moving/about.html", about.clone())?;
        site.page("posts/1.html", "moving/none.html", context! {})?;
    }
    site.page("about.html", "moving/about.html", about)
}

/// Says where each post lies; answers which pages of them there are here, and where they lie.
fn posts_at(site: &Site, wall: &str, standing: &[posts::moving::Standing]) -> Vec<(String, String)> {
    let mut pages = vec![(format!("{wall}/posts"), "posts/1.html".to_owned())];
    for (nth, some) in standing.chunks(posts::PAGE).enumerate() {
        let path = format!("posts/{}.html", nth + 1);
        for post in some {
            let address = format!("{wall}/posts/{}", post.id);
            if post.edited {
                site.lies_at(format!("{address}/history"), history_page(post.id));
            }
            site.lies_at(address, format!("{path}#post-{}", post.id));
        }
        let last = &some[some.len() - 1];
        let before = format!("{wall}/posts?before={}.{}", last.position, last.id);
        if standing.len() > (nth + 1) * posts::PAGE {
            pages.push((before, format!("posts/{}.html", nth + 2)));
        }
    }
    for (address, path) in &pages {
        site.lies_at(address, path);
    }
    pages
}

fn history_page(post: i64) -> String {
    format!("posts/{post}-before.html")
}

/// Each script as one file that runs, its source, and the list of all.
fn sketches(app: &App, member: &Member, site: &Site) -> Result<(), Error> {
    let (mut list, mut nth) = (Vec::new(), 0);
    scripts::moving::each_alone(app, member.id, |alone| {
        nth += 1;
        let (page, source) = (
            format!("scripts/{nth}-{}.html", alone.name),
            format!("scripts/{nth}-{}.js", alone.name),
        );
        site.file(&page, &alone.page)?;
        site.file(&source, &alone.source)?;
        site.runs_at(&alone.script.script, &page);
        site.lies_at(
            format!("/sandbox/{}", alone.script.script),
            format!("scripts.html#script-{nth}"),
        );
        let versions: Vec<_> = alone
            .versions
            .into_iter()
            .map(|(number, note, at)| context! { number, note, at => words::day(at) })
            .collect();
        let script = alone.script;
        list.push(context! {
            nth, page, source, versions,
            title => script.title, description => script.description, mode => alone.mode, licence => script.licence,
            visibility => script.visibility, published => script.published,
            parent => script.parent.map(|parent| context! { title => parent.title, author => parent.author }),
            changed => words::day(script.changed_at),
        });
        Ok(())
    })?;
    site.page("scripts.html", "moving/scripts.html", context! { scripts => list })
}

/// Pictures and sounds, the newest first.
fn library(site: &Site, media: &[media::moving::Moved]) -> Result<(), Error> {
    let page = |nth: usize| match nth {
        0 => "media.html".to_owned(),
        nth => format!("media-{}.html", nth + 1),
    };
    let newest: Vec<_> = media.iter().rev().collect();
    let pages = newest.len().div_ceil(MEDIA_A_PAGE).max(1);
    for nth in 0..pages {
        let some = newest.chunks(MEDIA_A_PAGE).nth(nth).unwrap_or_default();
        let items: Vec<_> = some
            .iter()
            .map(|it| {
                context! {
                    sound => it.kind == "audio",
                    small => media::url(&it.id, "small"), full => media::url(&it.id, "full"), heard => media::url(&it.id, "sound"),
                    name => it.name, alt => it.alt, transcript => it.transcript, came => words::day(it.created_at),
                }
            })
            .collect();
        let it = context! {
            items,
            earlier => nth.checked_sub(1).map(page),
            later => (nth + 1 < pages).then(|| page(nth + 1)),
        };
        site.page(&page(nth), "moving/media.html", it)?;
    }
    Ok(())
}

/// What one said in rooms, and the list of them.
fn spoken(app: &App, member: &Member, site: &Site) -> Result<(), Error> {
    let rooms = rooms::moving::spoken(&app.db, member.id)?;
    for (room, ids) in &rooms {
        for (nth, some) in ids.chunks(MESSAGES_A_PAGE).enumerate() {
            let messages = rooms::moving::said(&app.db, member.id, some)?;
            let messages: Vec<_> = messages
                .iter()
                .map(|it| {
                    let pictures: Vec<_> = it
                        .pictures
                        .iter()
                        .map(|id| context! { full => media::url(id, "full"), small => media::url(id, "small") })
                        .collect();
                    context! { at => words::time(it.at), html => it.html, pictures, ..Value::from_serialize(it) }
                })
                .collect();
            let pages = ids.len().div_ceil(MESSAGES_A_PAGE);
            let it = context! {
                room,
                messages,
                earlier => nth.checked_sub(1).map(|nth| room_page(room, nth)),
                later => (nth + 1 < pages).then(|| room_page(room, nth + 1)),
            };
            site.page(&room_page(room, nth), "moving/room.html", it)?;
        }
    }
    let rooms: Vec<_> = rooms
        .keys()
        .map(|name| context! { name, at => room_page(name, 0) })
        .collect();
    site.page("rooms.html", "moving/rooms.html", context! { rooms })
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
