//! Feeds: what everybody posts and what one member posts, newest first, as a page, as Atom (RFC 4287, paged as RFC 5005 says) and as JSON
//! Feed 1.1. Nobody is ranked in them, and no page says how many there are.

use std::time::Instant;

use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use minijinja::{Value, context};
use serde::Deserialize;
use serde_json::json;

use super::{
    FEED, page,
    queries::{self, Post},
    view::{self, MEDIA, Scene},
};
use crate::{
    app::App,
    cache::{Audience, Page, Rendered},
    error::Error,
    http::{Path, Query},
    looks, markdown,
    profiles::Profile,
    session::Viewer,
    words,
    words::lasted,
};

/// Posts on one page of a feed.
const PAGE: usize = 30;

const ATOM: &str = "application/atom+xml; charset=utf-8";
const JSON: &str = "application/feed+json; charset=utf-8";

/// Where a page of a feed begins.
#[derive(Debug, Default, Deserialize)]
pub struct From {
    /// The post after which it goes on.
    before: Option<i64>,
    /// `1`: without scripts.
    #[serde(default)]
    plain: String,
}

/// `GET /public-feed`: what everybody posts.
///
/// # Errors
/// The database's.
pub async fn everybody(
    State(app): State<App>,
    viewer: Viewer,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let audience = viewer.audience(None);
    let plain = looks::is_plain(&viewer, &from.plain);
    let carried = looks::carried(&viewer, plain);
    let render = async || {
        let started = Instant::now();
        // Whose posts they are is shown by name, colour and picture.
        let stamp = app.topics.stamp([FEED, MEDIA, "people"]);
        let (posts, next) = posts(&app, None, &from)?;
        let context = context! {
            head => Value::from_safe_string(view::head(&app, &posts, None, plain)?),
            posts => Value::from_safe_string(view::posts(&app, &posts, Scene::in_feed(plain).carrying(carried))?),
            plain,
            also => view::also(from.before.map(|before| before.to_string()).as_deref()),
            query => view::query(carried),
            next => next.map(|next| view::further("/public-feed", &next.to_string(), carried)),
            first => from.before.is_none(),
            topic_version => stamp.version(),
            signed_in => audience != Audience::Guests,
            here => "feed",
            made => format!("one query, {}", lasted(started)),
        };
        Ok(Rendered {
            html: app.html.render("posts/feed.html", context)?,
            stamp,
            max_age: None,
            personal: false,
        })
    };
    // Further pages are read once, by few: they aren't kept.
    if from.before.is_some() {
        return Ok(Page::new(render().await?).respond(&headers));
    }
    let page = format!("/public-feed{}{carried}", if plain { " plain" } else { "" }).into();
    let page = app.cache.get_or_render(&page, audience, None, render).await?;
    Ok(page.respond(&headers))
}

/// `GET /public-feed.atom`.
///
/// # Errors
/// The database's.
pub async fn everybody_atom(
    State(app): State<App>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    serve(&app, None, Format::Atom, &from, &headers).await
}

/// `GET /public-feed.json`.
///
/// # Errors
/// The database's.
pub async fn everybody_json(
    State(app): State<App>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    serve(&app, None, Format::Json, &from, &headers).await
}

/// `GET /wall/{user}/feed.atom`.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn wall_atom(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let owner = page::owner(&app, &name)?;
    serve(&app, Some(&owner), Format::Atom, &from, &headers).await
}

/// `GET /wall/{user}/feed.json`.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn wall_json(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let owner = page::owner(&app, &name)?;
    serve(&app, Some(&owner), Format::Json, &from, &headers).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Atom,
    Json,
}

/// The posts of a page, and where the next one begins.
fn posts(app: &App, owner: Option<&Profile>, from: &From) -> Result<(Vec<Post>, Option<i64>), Error> {
    let before = from.before.unwrap_or(i64::MAX);
    let mut posts = app
        .db
        .read(|db| queries::newest(db, owner.map(|owner| owner.user_id), before, PAGE))?;
    let more = posts.len() > PAGE;
    posts.truncate(PAGE);
    let next = posts.last().filter(|_| more).map(|last| last.id);
    Ok((posts, next))
}

/// A feed for readers: the same for everybody, kept until somebody posts.
async fn serve(
    app: &App,
    owner: Option<&Profile>,
    format: Format,
    from: &From,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let base = page::base(app, headers);
    if base.is_empty() {
        return Err(Error::BadRequest("Say in the Host header whom you are asking.".into()));
    }
    let ending = if format == Format::Atom { "atom" } else { "json" };
    let place = Place {
        address: match owner {
            Some(owner) => format!("{base}/wall/{}/feed.{ending}", owner.name),
            None => format!("{base}/public-feed.{ending}"),
        },
        home: match owner {
            Some(owner) => format!("{base}/wall/{}", owner.name),
            None => format!("{base}/public-feed"),
        },
        title: match owner {
            Some(owner) => format!("{} · {}", owner.name, app.config().name),
            None => format!("Posts · {}", app.config().name),
        },
        base,
    };
    let render = async || {
        let stamp = match owner {
            Some(owner) => app.topics.stamp([&*view::topic(&owner.name), MEDIA]),
            None => app.topics.stamp([FEED, MEDIA]),
        };
        let (posts, next) = posts(app, owner, from)?;
        let next = next.map(|next| format!("{}?before={next}", place.address));
        let text = match format {
            Format::Atom => atom(app, &place, owner, &posts, next.as_deref(), from)?,
            Format::Json => json_feed(&place, owner, &posts, next.as_deref())?,
        };
        Ok(Rendered {
            html: text,
            stamp,
            max_age: None,
            personal: false,
        })
    };
    let page = match from.before {
        Some(_) => std::sync::Arc::new(Page::new(render().await?)),
        None => {
            let key = place.address.as_str().into();
            app.cache.get_or_render(&key, Audience::Guests, None, render).await?
        }
    };
    let mut response = page.respond(headers);
    if response.status() == StatusCode::OK {
        let kind = if format == Format::Atom { ATOM } else { JSON };
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    Ok(response)
}

/// What a feed is called, and where it is, for readers elsewhere.
struct Place {
    base: String,
    address: String,
    home: String,
    title: String,
}

fn atom(
    app: &App,
    place: &Place,
    owner: Option<&Profile>,
    posts: &[Post],
    next: Option<&str>,
    from: &From,
) -> Result<String, Error> {
    let changed = |post: &Post| post.edited_at.unwrap_or(post.created_at);
    let updated = posts
        .iter()
        .map(changed)
        .max()
        .or(owner.map(|owner| owner.created_at))
        .unwrap_or(0);
    let entries: Vec<_> = posts
        .iter()
        .map(|post| {
            context! {
                address => format!("{}{}", place.base, post.address()),
                title => speakable(&view::name(post)),
                published => words::iso(post.created_at),
                updated => words::iso(changed(post)),
                author => &*post.author,
                about => &post.url,
                content => speakable(&content(post, &place.base)),
            }
        })
        .collect();
    let context = context! {
        base => &place.base,
        title => speakable(&place.title),
        home => &place.home,
        address => match from.before {
            Some(before) => format!("{}?before={before}", place.address),
            None => place.address.clone(),
        },
        first => &place.address,
        next,
        updated => words::iso(updated),
        author => owner.map(|owner| &*owner.name),
        entries,
    };
    app.html.render("posts/feed.xml", context)
}

fn json_feed(place: &Place, owner: Option<&Profile>, posts: &[Post], next: Option<&str>) -> Result<String, Error> {
    let author = |name: &str| json!([{ "name": name, "url": format!("{}/wall/{name}", place.base) }]);
    let items: Vec<_> = posts
        .iter()
        .map(|post| {
            let address = format!("{}{}", place.base, post.address());
            let mut item = json!({
                "id": address,
                "url": address,
                "title": speakable(&view::name(post)),
                "content_html": speakable(&content(post, &place.base)),
                "date_published": words::iso(post.created_at),
                "authors": author(&post.author),
            });
            if let Some(edited_at) = post.edited_at {
                item["date_modified"] = words::iso(edited_at).into();
            }
            if !post.url.is_empty() {
                item["external_url"] = post.url.as_str().into();
            }
            if let Some(src) = post.pictures.iter().find_map(|picture| view::figure(picture).src) {
                item["image"] = format!("{}{src}", place.base).into();
            }
            item
        })
        .collect();
    let mut feed = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": speakable(&place.title),
        "home_page_url": place.home,
        "feed_url": place.address,
        "items": items,
    });
    if let Some(next) = next {
        feed["next_url"] = next.into();
    }
    if let Some(owner) = owner {
        feed["authors"] = author(&owner.name);
    }
    serde_json::to_string(&feed).map_err(|error| Error::internal(format!("a feed: {error}")))
}

/// What a post shows, as HTML that stands alone: with whole addresses.
fn content(post: &Post, base: &str) -> String {
    let mut html = String::new();
    if let Some(link) = view::link(post) {
        let name = if link.title.is_empty() { link.url } else { link.title };
        html.push_str(&format!(
            "<p><a href=\"{}\">{}</a></p>",
            markdown::escaped(link.url),
            markdown::escaped(name)
        ));
    }
    for picture in post.pictures.iter().map(view::figure) {
        if let Some(src) = &picture.src {
            html.push_str(&format!(
                "<p><img src=\"{base}{src}\" width=\"{}\" height=\"{}\" alt=\"{}\"></p>",
                picture.width,
                picture.height,
                markdown::escaped(picture.alt)
            ));
        }
    }
    if !post.script.is_empty() {
        html.push_str(&format!(
            "<p><a href=\"{base}/sandbox/{}\">The sketch</a></p>",
            post.script
        ));
    }
    // In our own markup alone: what members write has its quotes escaped.
    html.push_str(&post.html.replace("href=\"/", &format!("href=\"{base}/")));
    html
}

/// A text with nothing in it that XML 1.0 has no room for, escaped or not; the same in both formats.
fn speakable(text: &str) -> String {
    let is_char = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    text.chars()
        .map(|c| if is_char(c) { c } else { char::REPLACEMENT_CHARACTER })
        .collect()
}
