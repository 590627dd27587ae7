//! Showing a wall: the page, one module as a fragment, a sticker's picture.
//!
//! # How a slice puts something on walls
//!
//! A page is a *frame*, which is kept as long as nobody writes to the topic `wall:NAME`, and the modules that are spliced into it. The
//! frame holds a [`Piece`] of each slice that has a place in [`PLACES`]. To plug in:
//!
//! 1. Write `on_wall(app, owner, sight) -> Result<Piece, Error>` in your slice: `head` holds the modules that your piece needs and
//!    sheets of this wall alone (your own is a line in `ui/css/walls.css`), `html` one element with your id (`stickers`, `posts`, `scripts`, …), which is there even while it is empty, so
//!    that a patch finds it. Keep it with `app.fragments.piece` under your topic (`stickers:NAME`), and under another `kind` for each
//!    way in which it differs (edit, plain): a wall built anew then costs you a look-up. The piece of one audience is the same for
//!    all in it; what is one viewer's alone comes over `/live`.
//! 2. Add a line to [`PLACES`], and `{{ place.NAME }}` to `templates/walls/wall.html` where it stands. What stands among the modules
//!    (`place.scripts`, `place.posts`) is made of `article`s: with the first one the page has two columns.
//!    A piece that shows pictures of the library has `media` in its stamp, too: that is touched when one is deleted or described anew.
//! 3. Every write of yours touches `wall:NAME`, from which the page is made, and your topic, from which your piece is. What changes
//!    live is published to `wall:NAME` as `patch` frames whose targets are yours.
//! 4. For edit mode, add a line to `drawer::TABS`: the drawer shows your partial `templates/SLICE/drawer.html`, which reads `panel`,
//!    what your `drawer(app, viewer, owner, asked)` answers, and `who.name`. Its root has an id, and what your own addresses answer to our
//!    script is morphed in by it. A plain form that is refused is answered by a page of your own that includes the same partial.
//!
//! The sheet of one wall (`/wall/NAME/stickers/HASH.css`, `/wall/NAME/look/HASH.css`) selects by `[data-wall="NAME"]`.

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use axum::{
    extract::{RawQuery, Request, State},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use memchr::memmem::Finder;
use minijinja::{Value, context};
use neospace_runner::protocol::ViewerClass;
use serde::{Deserialize, Serialize};

use super::{
    card::{self, Parts},
    drawer,
    queries::{self, Module, Wall},
};
use crate::{
    app::{App, now_ms},
    cache::{Audience, Page, Rendered, Stamp},
    crypto, directory,
    error::Error,
    fragments::{self, Key, Piece, Sight},
    html,
    http::{Form, Path, Query, parse_form, see_other},
    looks, media,
    plugins::Shown,
    posts,
    profiles::{self, Profile, pictures},
    scripts,
    session::{self, Viewer},
    stickers, words,
};

/// What a wall's address may ask for.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Asked {
    /// `1`: the owner wants to change things.
    #[serde(default)]
    pub edit: String,
    /// `1`: without plugins.
    #[serde(default)]
    pub safe: String,
    /// `guest`: the owner wants to see what others see.
    #[serde(default, rename = "as")]
    pub as_whom: String,
    /// In edit mode: the module whose settings are open.
    pub module: Option<i64>,
    /// In edit mode: the drawer's tab.
    #[serde(default)]
    pub tab: String,
    /// In edit mode: what is searched for.
    #[serde(default)]
    pub q: String,
    /// In edit mode, `1`: it is a member's first minute.
    #[serde(default)]
    pub first: String,
    /// In edit mode: the module that was just taken off.
    pub removed: Option<i64>,
    /// `1`: without motion, sound, scripts and custom styles; `0`: with them, although the viewer prefers it without.
    #[serde(default)]
    pub plain: String,
    /// The whole query, for the drawer's tabs that belong to other slices.
    #[serde(skip)]
    pub all: Form,
}

/// A slice's piece of a wall, for one way of seeing it.
type OnWall = fn(&App, &Profile, Sight) -> Result<Piece, Error>;

/// What slices put on walls, by the name that `walls/wall.html` has for the place.
const PLACES: [(&str, OnWall); 6] = [
    ("look", looks::on_wall),
    ("sound", media::on_wall),
    ("stickers", stickers::on_wall),
    ("scripts", scripts::on_wall),
    ("posts", posts::on_wall),
    ("found", directory::on_wall),
];

/// A sentence to show on one module, and what the plugin's form looked like when it was refused.
pub struct Word<'a> {
    pub module: i64,
    pub text: &'a str,
    pub refused: bool,
    pub shown: Option<&'a Shown>,
}

/// `GET /wall/{user}`.
///
/// # Errors
/// [`Error::NotFound`] for a name that nobody has.
pub async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(mut asked): Query<Asked>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Error> {
    // Most ask for what is finished: the room for whatever else may have to be done is taken when it is.
    asked.all = Form(parse_form(query.unwrap_or_default().as_bytes())?);
    let could_be_a_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) && name.bytes().all(could_be_a_name) {
        let mut response = see_other(&format!("/wall/{}", name.to_ascii_lowercase()));
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        return Ok(response);
    }
    if !profiles::is_name(&name) {
        return Err(Error::NotFound);
    }
    let own = is_own(&viewer, &name);
    let (safe, plain_view) = (asked.safe == "1", looks::is_plain(&viewer, &asked.plain));
    if asked.edit == "1" {
        let leaves = !own && asked.tab == "stickers" && stickers::may_decorate(&app, &viewer, &name)?;
        return match own || leaves {
            true => {
                let html = Box::pin(edit_page(&app, &viewer, &name, &asked, None, None)).await?;
                let mut response = html::page(html, StatusCode::OK);
                // Here one records one's voice.
                response.headers_mut().insert("permissions-policy", media::MICROPHONE);
                Ok(response)
            }
            false => Ok(see_other(&format!("/wall/{name}"))),
        };
    }
    if own && asked.as_whom == "guest" {
        let scene = Scene {
            safe,
            plain: plain_view,
            as_guest: true,
            ..Scene::default()
        };
        let rendered = Box::pin(render(&app, &Viewer::default(), &name, &scene, true)).await?;
        return Ok(html::page(rendered.html, StatusCode::OK));
    }
    if let Some((module, text)) = said_once(&headers) {
        let scene = Scene {
            safe,
            plain: plain_view,
            word: Some(Word {
                module,
                text: &text,
                refused: false,
                shown: None,
            }),
            ..Scene::default()
        };
        let rendered = Box::pin(render(&app, &viewer, &name, &scene, viewer.member.is_some())).await?;
        let mut response = html::page(rendered.html, StatusCode::OK);
        say_once(response.headers_mut(), &name, 0, "");
        return Ok(response);
    }
    // Without any of these it is the address itself, as `finished` asks for it.
    let differs = [(safe, " safe"), (plain_view, " plain")].map(|(differs, how)| if differs { how } else { "" });
    let carried = looks::carried(&viewer, plain_view);
    let page: Arc<str> = format!("/wall/{name}{}{carried}", differs.concat()).into();
    let scene = Scene {
        safe,
        plain: plain_view,
        ..Scene::default()
    };
    let page = app
        .cache
        .get_or_render(&page, audience(&viewer, &name), viewer.id(), || {
            Box::pin(render(&app, &viewer, &name, &scene, viewer.member.is_some()))
        })
        .await?;
    Ok(page.respond(&headers))
}

/// `GET /wall/{user}` without anything that [`Asked`] may say, if the page is finished: nearly every visit is one.
pub fn finished(app: &App, request: &Request) -> Option<Response> {
    let (path, headers) = (request.uri().path(), request.headers());
    let name = path.strip_prefix("/wall/").filter(|name| profiles::is_name(name))?;
    if request.method() != Method::GET || request.uri().query().is_some() || said_once(headers).is_some() {
        return None;
    }
    let viewer = Viewer::asking(app, headers, request.extensions()).ok()?;
    if viewer.plain {
        return None;
    }
    let page = app.cache.get(path, audience(&viewer, name), viewer.id())?;
    Some(page.respond(headers))
}

fn is_own(viewer: &Viewer, name: &str) -> bool {
    viewer.member.as_ref().is_some_and(|member| *member.name == *name)
}

/// With whom somebody shares the page of a wall. Names are unique and a wall is named like its owner, so no query is needed to
/// know whose it is.
fn audience(viewer: &Viewer, name: &str) -> Audience {
    match &viewer.member {
        None => Audience::Guests,
        Some(member) if is_own(viewer, name) => Audience::Member(member.id),
        Some(_) => Audience::Members,
    }
}

/// Holds what a plugin answered until the page that a browser without our script is sent to.
const SAID: &str = "neospace-said";

/// Has the next page of this wall show a sentence on one of its modules; without a sentence, takes that back.
pub fn say_once(headers: &mut HeaderMap, wall: &str, module: i64, text: &str) {
    let (value, seconds) = match text {
        "" => (String::new(), 0),
        text => (format!("{module}.{}", URL_SAFE_NO_PAD.encode(text)), 60),
    };
    let cookie = format!("{SAID}={value}; Path=/wall/{wall}; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

fn said_once(headers: &HeaderMap) -> Option<(i64, String)> {
    let (module, text) = session::cookie_of(headers, SAID)?.split_once('.')?;
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    Some((module.parse().ok()?, text))
}

/// What is different about one rendering of a wall.
#[derive(Default)]
pub struct Scene<'a> {
    pub safe: bool,
    pub plain: bool,
    pub as_guest: bool,
    pub word: Option<Word<'a>>,
    /// Edit mode: what of the drawer is open, and a form of it that was refused.
    pub edit: Option<(&'a Asked, Option<drawer::Refused<'a>>)>,
}

/// The whole page.
///
/// # Errors
/// [`Error::NotFound`] for a name that nobody has.
pub async fn render(
    app: &App,
    viewer: &Viewer,
    name: &str,
    scene: &Scene<'_>,
    signed_in: bool,
) -> Result<Rendered, Error> {
    let started = Instant::now();
    let stamp = app.topics.stamp([format!("wall:{name}")]);
    let wall = app.db.read(|db| queries::wall(db, name))?;
    let modules = modules(app, viewer, &wall, scene).await?;
    let frame = frame(app, viewer, &wall, scene, &stamp, signed_in).await?;
    let made = made(wall.modules.len(), scene, started);
    Ok(Rendered {
        html: splice(&frame, &modules.html, &made),
        stamp: stamp.and(&modules.stamp),
        max_age: modules
            .until
            .map(|until| std::time::Duration::from_millis((until - now_ms()).max(0) as u64)),
        personal: modules.personal,
    })
}

/// The page without its modules, and without how it was made: what changes with the wall's own topic alone. It is kept, unless
/// somebody edits.
async fn frame(
    app: &App,
    viewer: &Viewer,
    wall: &Wall,
    scene: &Scene<'_>,
    stamp: &Stamp,
    signed_in: bool,
) -> Result<Arc<str>, Error> {
    let own = viewer.class(wall.owner.user_id) == ViewerClass::Owner;
    let drawer = match &scene.edit {
        Some((asked, refused)) => Some(drawer::context(app, viewer, wall, asked, refused.as_ref()).await?),
        None => None,
    };
    let editing = drawer.is_some();
    let sight = Sight {
        viewer,
        own,
        edit: editing,
        plain: scene.plain,
    };
    let removed = scene.edit.as_ref().and_then(|(asked, _)| asked.removed);
    let gap = |what: char| Value::from_safe_string(format!("{}{what}", *GAP_TEXT));
    let render = || {
        let pictures = app.db.read(|db| profiles::pictures_of(db, wall.owner.user_id))?;
        let mut heads = String::new();
        let mut place = Vec::with_capacity(PLACES.len());
        for (name, on_wall) in PLACES {
            let piece = on_wall(app, &wall.owner, sight)?;
            heads += &piece.head;
            place.push((name, Value::from_safe_string(piece.html.to_string())));
        }
        let context = context! {
            who => Who::of(app, &wall.owner, &pictures)?,
            topic_version => stamp.version(),
            heads => Value::from_safe_string(heads),
            place => place.into_iter().collect::<Value>(),
            modules => if wall.modules.is_empty() { Value::from("") } else { gap(MODULES) },
            plain => scene.plain,
            also => [(scene.safe, "safe=1&"), (scene.as_guest, "as=guest&")]
                .map(|(asked, what)| if asked { what } else { "" })
                .concat(),
            own,
            edit => editing,
            safe => scene.safe,
            as_guest => scene.as_guest,
            said => if removed.is_some() { "Taken off. It is kept for 30 days." } else { "" },
            removed,
            first => scene.edit.as_ref().is_some_and(|(asked, _)| asked.first == "1"),
            drawer,
            signed_in,
            here => if own { "me" } else { "" },
            made => gap(MADE),
        };
        app.html.render("walls/wall.html", context)
    };
    if editing || scene.as_guest {
        return Ok(render()?.into());
    }
    let key = Key {
        kind: match (scene.safe, scene.plain, sight.carried().is_empty()) {
            (false, false, true) => "frame",
            (true, false, true) => "safe frame",
            (false, true, true) => "plain frame",
            (true, true, true) => "plain safe frame",
            (false, false, false) => "frame, asked for",
            (true, false, false) => "safe frame, asked for",
            (false, true, false) => "plain frame, asked for",
            (true, true, false) => "plain safe frame, asked for",
        },
        id: wall.owner.user_id,
        audience: viewer.audience(Some(wall.owner.user_id)),
    };
    app.fragments.get_or_render(key, fragments::hash(stamp), None, render)
}

/// Stands in a frame for what is spliced in, before a character that says what. Random, so that no text of anybody's is
/// taken for it.
static GAP_TEXT: LazyLock<String> = LazyLock::new(|| crypto::Bytes(crypto::random::<16>()).to_string());
static GAP: LazyLock<Finder> = LazyLock::new(|| Finder::new(GAP_TEXT.as_bytes()));
const MODULES: char = 'm';
const MADE: char = 't';

/// A whole page: a frame with its modules, and with how it was made.
fn splice(frame: &str, modules: &[Arc<str>], made: &str) -> String {
    let size = frame.len() + modules.iter().map(|module| module.len()).sum::<usize>();
    let mut page = String::with_capacity(size);
    let mut rest = frame;
    while let Some(at) = GAP.find(rest.as_bytes()) {
        page.push_str(&rest[..at]);
        rest = &rest[at + GAP_TEXT.len()..];
        match rest.strip_prefix(MODULES) {
            Some(after) => {
                modules.iter().for_each(|module| page.push_str(module));
                rest = after;
            }
            None => {
                page.push_str(made);
                rest = rest.strip_prefix(MADE).unwrap_or(rest);
            }
        }
    }
    page.push_str(rest);
    page
}

fn made(modules: usize, scene: &Scene, started: Instant) -> String {
    let lasted = words::lasted(started);
    match (modules, scene.safe) {
        (_, true) => format!("without plugins, in {lasted}"),
        (0, _) => format!("built anew in {lasted}"),
        (1, _) => format!("one view spliced, in {lasted}"),
        (many, _) => format!("{many} views spliced, in {lasted}"),
    }
}

/// The page in edit mode; with a form's errors, if it was refused.
///
/// # Errors
/// [`Error::NotFound`] for a module that isn't there.
pub async fn edit_page(
    app: &App,
    viewer: &Viewer,
    name: &str,
    asked: &Asked,
    form: Option<drawer::Refused<'_>>,
    word: Option<Word<'_>>,
) -> Result<String, Error> {
    let scene = Scene {
        safe: asked.safe == "1",
        word,
        edit: Some((asked, form)),
        ..Scene::default()
    };
    Ok(render(app, viewer, name, &scene, true).await?.html)
}

/// The modules of a wall, rendered, and what they were made from.
pub struct Modules {
    /// One after the other.
    pub html: Vec<Arc<str>>,
    pub stamp: Stamp,
    /// The earliest moment at which one of them should be asked again, Unix milliseconds.
    pub until: Option<i64>,
    pub personal: bool,
}

/// Every module as this viewer sees it, one after the other.
///
/// # Errors
/// The template's.
pub async fn modules(app: &App, viewer: &Viewer, wall: &Wall, scene: &Scene<'_>) -> Result<Modules, Error> {
    let now = now_ms();
    let class = viewer.class(wall.owner.user_id);
    let topics = wall.modules.iter().flat_map(|module| topics(module.id, &module.plugin));
    let mut out = Modules {
        html: Vec::with_capacity(wall.modules.len()),
        stamp: app.topics.stamp(topics),
        until: None,
        personal: false,
    };
    let offset = wall.owner.utc_offset_minutes(now);
    let asked = if scene.safe { &[][..] } else { &wall.modules };
    let installations: Vec<_> = asked
        .iter()
        .map(|module| module.installation(&wall.owner, offset))
        .collect();
    let views = join_all(installations.iter().map(|i| app.plugins.view(i, viewer, now))).await;
    for (nth, module) in wall.modules.iter().enumerate() {
        let shown = views.get(nth);
        let word = scene.word.as_ref().filter(|word| word.module == module.id);
        if let Some(shown) = shown {
            out.personal |= shown.personal;
            out.until = [out.until, shown.expires].into_iter().flatten().min();
        }
        out.html.push(card::render(
            app,
            &Parts {
                owner: &wall.owner,
                module,
                class,
                standing: &app.plugins.standing(&module.plugin),
                name: app.plugins.name_of(&module.plugin).as_deref(),
                shown: word.and_then(|word| word.shown).or(shown),
                said: word.map(|word| (word.text, word.refused)),
                plain: scene.plain,
            },
            viewer,
        )?);
    }
    Ok(out)
}

/// What a module's view is made from.
fn topics(id: i64, plugin: &str) -> [String; 3] {
    [
        format!("module:{id}"),
        format!("plugin:{plugin}"),
        format!("shared:{plugin}"),
    ]
}

/// One module as this viewer sees it, and whether that is theirs alone.
///
/// # Errors
/// The template's.
pub async fn one(
    app: &App,
    viewer: &Viewer,
    owner: &Profile,
    module: &Module,
    word: Option<Word<'_>>,
) -> Result<(String, bool), Error> {
    let now = now_ms();
    let installation = module.installation(owner, owner.utc_offset_minutes(now));
    let seen = app.plugins.view(&installation, viewer, now).await;
    let name = app.plugins.name_of(&module.plugin);
    let parts = Parts {
        owner,
        module,
        class: viewer.class(owner.user_id),
        standing: &app.plugins.standing(&module.plugin),
        name: name.as_deref(),
        shown: Some(word.as_ref().and_then(|word| word.shown).unwrap_or(&seen)),
        said: word.as_ref().map(|word| (word.text, word.refused)),
        plain: false,
    };
    Ok((card::render(app, &parts, viewer)?.to_string(), seen.personal))
}

/// The grid with every module as this viewer sees it, and whether that is theirs alone.
///
/// # Errors
/// The template's.
pub async fn grid(app: &App, viewer: &Viewer, wall: &Wall) -> Result<(String, bool), Error> {
    let modules = modules(app, viewer, wall, &Scene::default()).await?;
    let context = context! {
        who => Who::of(app, &wall.owner, &profiles::Pictures::default())?,
        modules => Value::from_safe_string(modules.html.concat()),
        own => viewer.class(wall.owner.user_id) == ViewerClass::Owner,
    };
    Ok((app.html.render("walls/grid.html", context)?, modules.personal))
}

/// Who a wall belongs to, as a fragment for its owner, who edits.
///
/// # Errors
/// [`Error::NotFound`].
pub fn ident(app: &App, wall: &str) -> Result<String, Error> {
    let (owner, pictures) = app.db.read(|db| {
        let owner = profiles::find(db, wall)?;
        let pictures = profiles::pictures_of(db, owner.user_id)?;
        Ok((owner, pictures))
    })?;
    let who = Who::of(app, &owner, &pictures)?;
    app.html.render("walls/ident.html", context! { who, edit => true })
}

/// `GET /wall/{user}/modules/{id}`: one module, as the page shows it. The truth after a reconnect.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn module(
    State(app): State<App>,
    viewer: Viewer,
    Path((name, id)): Path<(String, i64)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (owner, module) = app.db.read(|db| queries::module(db, &name, id))?;
    let (html, _) = one(&app, &viewer, &owner, &module, None).await?;
    let page = Page::new(Rendered {
        html,
        stamp: Stamp::default(),
        max_age: None,
        personal: true,
    });
    Ok(page.respond(&headers))
}

/// `GET /wall/{user}/modules/{id}/drawing.svg`: a sticker's picture, in a document that can do nothing.
///
/// # Errors
/// [`Error::NotFound`] for a module that isn't a sticker; [`Error::Unavailable`] when it can't be drawn now.
pub async fn drawing(
    State(app): State<App>,
    Path((name, id)): Path<(String, i64)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (owner, module) = app.db.read(|db| queries::module(db, &name, id))?;
    let drawn = match app
        .plugins
        .draw(&module.installation(&owner, owner.utc_offset_minutes(now_ms())))
        .await
    {
        Ok(drawn) => drawn,
        // A page gets a picture that says so; a program the error.
        Err(Error::Unavailable(_)) if wants_picture(&headers) => return Ok(picture(ASLEEP.into(), "no-store")),
        Err(error) => return Err(error),
    };
    let etag = format!("\"{}\"", drawn.etag);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let mut response = picture(drawn.svg.into(), "public, no-cache");
    if known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = axum::body::Body::empty();
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

fn wants_picture(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    accept.is_some_and(|accept| accept.contains("image/"))
}

fn picture(svg: axum::body::Body, lifetime: &'static str) -> Response {
    let mut response = Response::new(svg);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    );
    response
}

/// In place of a sticker that can't be drawn just now: a moon behind a dashed line.
const ASLEEP: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" role="img" aria-label="Asleep"><path fill="#fbf9f2" stroke="#161427" stroke-width="3" stroke-dasharray="7 5" d="M4 4h88v88H4z"/><g transform="translate(18 18) scale(.62)"><path fill="#50f08c" stroke="#161427" stroke-width="4" stroke-linejoin="round" d="M66 8a42 42 0 1 0 22 56A36 36 0 0 1 66 8z"/><path fill="#161427" d="M30 44h10v4H30zM48 54h10v4H48zM32 66h14v4H32z"/></g></svg>"##;

/// Who a wall belongs to, as `templates/walls/ident.html` reads it.
#[derive(Serialize)]
pub struct Who<'a> {
    name: &'a str,
    colour: &'a str,
    status: &'a str,
    bio: &'a str,
    mood: &'a str,
    banner: Arc<str>,
    mascot: Arc<str>,
    /// Of the member's own, in place of mascot and banner: address and what it shows.
    avatar_picture: Option<(String, &'a str)>,
    banner_picture: Option<(String, &'a str)>,
}

impl<'a> Who<'a> {
    /// The owner of a wall. The pictures are drawn once.
    ///
    /// # Errors
    /// None; pictures always come out.
    pub fn of(app: &App, owner: &'a Profile, own: &'a profiles::Pictures) -> Result<Self, Error> {
        let made_from = fragments::hash((&owner.name, &owner.colour));
        let picture = |kind, draw: &dyn Fn() -> String| {
            let key = Key {
                kind,
                id: owner.user_id,
                audience: Audience::Guests,
            };
            app.fragments.get_or_render(key, made_from, None, || Ok(draw()))
        };
        Ok(Self {
            name: &owner.name,
            colour: &owner.colour,
            status: &owner.status,
            bio: &owner.bio,
            mood: &owner.mood,
            banner: picture("banner", &|| pictures::banner(&owner.name, &owner.colour))?,
            mascot: picture("mascot", &|| pictures::mascot(&owner.name))?,
            // The smaller sizes stand still.
            avatar_picture: own.avatar.as_ref().map(|one| (one.url("small"), one.alt.as_str())),
            banner_picture: own.banner.as_ref().map(|one| (one.url("medium"), one.alt.as_str())),
        })
    }
}
