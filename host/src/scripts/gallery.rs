//! `/sandbox`: public scripts, the newest first, by title, or drawn from the hat; and `/sandbox/mine`, one's own. Nothing is ranked and
//! nothing is counted. Pages follow one another by key.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use minijinja::{Value, context};
use serde::Deserialize;
use serde_json::json;

use super::{
    GALLERY, LICENCE, LICENCES, Mode, TITLE_MOST,
    queries::{self, Order, Script},
    view,
};
use crate::{
    app::App,
    cache::{Audience, Page, Rendered},
    crypto,
    error::Error,
    html,
    http::{Query, Wants, unstored},
    session::{Member, Viewer},
    words::lasted,
};

/// Scripts on one page.
const PAGE: usize = 24;
/// Characters of a place in the gallery: a title and an id.
const AFTER_MOST: usize = 120;

/// What may be asked for.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// `newest` (the default), `name` or `random`.
    #[serde(default)]
    by: String,
    /// One mode alone.
    #[serde(default)]
    mode: String,
    /// Where the page begins: what the page before said.
    #[serde(default)]
    after: String,
}

/// `GET /sandbox`.
///
/// # Errors
/// An order or a mode that there isn't; the database's.
pub async fn list(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let order = match asked.by.as_str() {
        "" | "newest" => Some(Order::Newest),
        "name" => Some(Order::Name),
        "random" => None,
        _ => {
            return Err(Error::BadRequest(
                "The gallery can be in the order of newest, name or random.".into(),
            ));
        }
    };
    let mode = match asked.mode.as_str() {
        "" => None,
        name => Some(
            Mode::named(name).ok_or_else(|| Error::BadRequest("There are the modes p5, three and canvas.".into()))?,
        ),
    };
    let after: String = asked.after.chars().take(AFTER_MOST).collect();
    let read = || page(&app, order, mode, &after);
    if wants == Wants::Json {
        let (scripts, next) = read()?;
        let scripts: Vec<_> = scripts.iter().map(view::script).collect();
        return Ok(unstored(
            Json(json!({ "scripts": scripts, "next": next })).into_response(),
        ));
    }
    let signed_in = viewer.member.is_some();
    let audience = if signed_in { Audience::Members } else { Audience::Guests };
    let by = match order {
        Some(Order::Newest) => "newest",
        Some(Order::Name) => "name",
        None => "random",
    };
    let render = async || {
        let started = Instant::now();
        let stamp = app.topics.stamp([GALLERY]);
        let (scripts, next) = read()?;
        let scripts: Vec<_> = scripts.iter().map(view::for_people).collect();
        let context = context! {
            scripts => Value::from_serialize(&scripts),
            next, by, after => &after,
            mode => mode.map_or("", Mode::name),
            modes => Mode::ALL.map(|mode| (mode.name(), mode.label())),
            licences => LICENCES,
            licence => LICENCE,
            title_most => TITLE_MOST,
            signed_in,
            here => "sandbox",
            made => format!("one query, {}", lasted(started)),
        };
        Ok(Rendered {
            html: app.html.render("scripts/gallery.html", context)?,
            stamp,
            max_age: None,
            personal: false,
        })
    };
    if order.is_none() {
        return Ok(Page::new(render().await?).respond(&headers));
    }
    let page: Arc<str> = format!("/sandbox?{by}&{}&{after:?}", mode.map_or("", Mode::name)).into();
    Ok(app
        .cache
        .get_or_render(&page, audience, None, render)
        .await?
        .respond(&headers))
}

/// One page of the gallery, and where the next one begins.
fn page(
    app: &App,
    order: Option<Order>,
    mode: Option<Mode>,
    after: &str,
) -> Result<(Vec<Script>, Option<String>), Error> {
    let Some(order) = order else {
        let from = i64::from_le_bytes(crypto::random());
        let mut drawn = app.db.read(|db| queries::drawn(db, mode, from, PAGE as i64))?;
        drawn.sort_by_cached_key(|_| crypto::random::<8>());
        return Ok((drawn, None));
    };
    // An id holds no space, a title may.
    let place = after.split_once(' ').map(|(id, key)| (key, id));
    let mut scripts = app
        .db
        .read(|db| queries::listed(db, order, mode, place, PAGE as i64 + 1))?;
    let has_more = scripts.len() > PAGE;
    scripts.truncate(PAGE);
    let next = scripts.last().filter(|_| has_more).map(|last| match order {
        Order::Newest => format!("{} {}", last.id, last.listed_at.unwrap_or_default()),
        Order::Name => format!("{} {}", last.id, last.title),
    });
    Ok((scripts, next))
}

/// `GET /sandbox/mine`: one's own scripts, and those that can be had back.
///
/// # Errors
/// The database's.
pub async fn mine(State(app): State<App>, member: Member, wants: Wants) -> Result<Response, Error> {
    let started = Instant::now();
    let (scripts, deleted) = app.db.read(|db| {
        Ok((
            queries::mine(db, member.id, false)?,
            queries::mine(db, member.id, true)?,
        ))
    })?;
    if wants == Wants::Json {
        let shown = |scripts: &[Script]| scripts.iter().map(view::script).collect::<Vec<_>>();
        let data = json!({ "scripts": shown(&scripts), "deleted": shown(&deleted) });
        return Ok(unstored(Json(data).into_response()));
    }
    let shown = |scripts: &[Script]| Value::from_serialize(scripts.iter().map(view::for_people).collect::<Vec<_>>());
    let context = context! {
        scripts => shown(&scripts),
        deleted => shown(&deleted),
        modes => Mode::ALL.map(|mode| (mode.name(), mode.label())),
        licences => LICENCES,
        licence => LICENCE,
        title_most => TITLE_MOST,
        signed_in => true,
        here => "sandbox",
        made => format!("two queries, {}", lasted(started)),
    };
    let html = app.html.render("scripts/mine.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}
