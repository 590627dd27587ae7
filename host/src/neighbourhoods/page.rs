//! Showing neighbourhoods: all of them, one with its walls, and a wall in it by chance.

use std::time::Instant;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use minijinja::{Value, context};
use serde::Deserialize;
use serde_json::json;

use super::{
    ABOUT_MOST, ALL, TITLE_MOST, is_slug,
    queries::{self, Neighbour, Standing},
};
use crate::{
    app::App,
    cache::Rendered,
    crypto,
    error::Error,
    html,
    http::{Form, Path, Query, Wants, see_other, unstored},
    session::Viewer,
    words::{day, lasted},
};

/// Neighbourhoods, and walls of one, on a page.
const PAGE: usize = 50;
/// Walls that a founder took out, as far as they are listed.
const PUT_OUT_SHOWN: usize = 50;

/// What a list may be asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// Of walls: `name` (the default) or `newest`.
    #[serde(default)]
    by: String,
    /// Where it goes on: what the page before said.
    #[serde(default)]
    after: String,
}

/// `GET /neighbourhoods`: all of them, by name.
///
/// # Errors
/// The database's.
pub async fn list(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let after: String = asked.after.chars().take(TITLE_MOST).collect();
    if wants == Wants::Json {
        let (all, next) = all(&app, &after)?;
        return Ok(unstored(
            Json(json!({ "neighbourhoods": all, "next": next })).into_response(),
        ));
    }
    if !after.is_empty() {
        return list_page(&app, &viewer, &after, None);
    }
    let audience = viewer.audience(None);
    let render = async || {
        let stamp = app.topics.stamp([ALL]);
        Ok(Rendered {
            html: list_html(&app, &viewer, "", None)?,
            stamp,
            max_age: None,
            personal: false,
        })
    };
    let page = app
        .cache
        .get_or_render(&"/neighbourhoods".into(), audience, None, render)
        .await?;
    Ok(page.respond(&headers))
}

fn all(app: &App, after: &str) -> Result<(Vec<queries::Neighbourhood>, Option<String>), Error> {
    let mut all = app.db.read(|db| queries::all(db, after, PAGE))?;
    let next = (all.len() > PAGE).then(|| all[PAGE - 1].slug.clone());
    all.truncate(PAGE);
    Ok((all, next))
}

/// The list as a page of its own; with a form that was refused.
///
/// # Errors
/// The database's.
pub fn list_page(app: &App, viewer: &Viewer, after: &str, form: Option<(&Form, &Error)>) -> Result<Response, Error> {
    let status = form.map_or(StatusCode::OK, |(_, error)| error.status());
    Ok(html::page(list_html(app, viewer, after, form)?, status))
}

fn list_html(app: &App, viewer: &Viewer, after: &str, form: Option<(&Form, &Error)>) -> Result<String, Error> {
    let started = Instant::now();
    let (all, next) = all(app, after)?;
    let typed = |name: &str| form.map_or("", |(form, _)| form.get(name).unwrap_or("")).to_owned();
    let context = context! {
        all,
        next,
        after,
        f => context! { title => typed("title"), about => typed("about") },
        errors => form.map(|(_, error)| error.by_field()).unwrap_or_else(|| context! {}),
        title_most => TITLE_MOST,
        about_most => ABOUT_MOST,
        signed_in => viewer.member.is_some(),
        here => "people",
        made => format!("one query, {}", lasted(started)),
    };
    app.html.render("neighbourhoods/list.html", context)
}

/// `GET /neighbourhoods/{slug}`: one, with its walls.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(slug): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    if !is_slug(&slug) {
        return Err(Error::NotFound);
    }
    if wants == Wants::Json {
        let it = app.db.read(|db| queries::one(db, &slug))?;
        let (walls, next) = walls(&app, it.id, &asked)?;
        return Ok(unstored(
            Json(json!({ "neighbourhood": it, "walls": walls, "next": next })).into_response(),
        ));
    }
    Ok(html::page(
        one_html(&app, &viewer, &slug, &asked, None)?,
        StatusCode::OK,
    ))
}

/// The page of one, after its founder's form was refused.
///
/// # Errors
/// [`Error::NotFound`].
pub fn refused(app: &App, viewer: &Viewer, slug: &str, about: &str, error: &Error) -> Result<Response, Error> {
    let html = one_html(app, viewer, slug, &Asked::default(), Some((about, error)))?;
    Ok(html::page(html, error.status()))
}

/// Walls of one, and where they go on.
fn walls(app: &App, id: i64, asked: &Asked) -> Result<(Vec<Neighbour>, Option<String>), Error> {
    let newest = match asked.by.as_str() {
        "" | "name" => false,
        "newest" => true,
        _ => return Err(Error::BadRequest("Walls can be in the order of name or newest.".into())),
    };
    let before = match asked.after.split_once('.') {
        Some((at, id)) if newest => at.parse().ok().zip(id.parse().ok()).ok_or(Error::NotFound)?,
        _ => (i64::MAX, i64::MAX),
    };
    let mut walls = app.db.read(|db| match newest {
        true => queries::newest(db, id, before, PAGE),
        false => queries::by_name(db, id, &asked.after, PAGE),
    })?;
    let more = walls.len() > PAGE;
    walls.truncate(PAGE);
    let next = walls.last().filter(|_| more).map(|last| match newest {
        true => format!("{}.{}", last.came_at, last.user_id),
        false => last.name.clone(),
    });
    Ok((walls, next))
}

fn one_html(
    app: &App,
    viewer: &Viewer,
    slug: &str,
    asked: &Asked,
    refused: Option<(&str, &Error)>,
) -> Result<String, Error> {
    let started = Instant::now();
    let it = app.db.read(|db| queries::one(db, slug))?;
    let (walls, next) = walls(app, it.id, asked)?;
    let member = viewer.member.as_ref();
    let own = member.is_some_and(|member| it.founder.as_deref() == Some(&*member.name));
    let (standing, put_out) = app.db.read(|db| {
        let standing = member
            .map(|member| queries::standing(db, it.id, member.id))
            .transpose()?;
        let put_out = if own {
            queries::put_out(db, it.id, PUT_OUT_SHOWN)?
        } else {
            Vec::new()
        };
        Ok((standing.unwrap_or(Standing::Out), put_out))
    })?;
    let walls: Vec<_> = walls
        .iter()
        .map(|wall| context! { name => wall.name, colour => wall.colour, avatar => wall.avatar, status => wall.status, since => day(wall.came_at) })
        .collect();
    let context = context! {
        it,
        since => day(it.created_at),
        walls,
        next,
        by => if asked.by == "newest" { "newest" } else { "name" },
        after => asked.after,
        own,
        you => member.map(|member| &*member.name),
        standing => match standing {
            Standing::Out => "out",
            Standing::In => "in",
            Standing::PutOut => "put-out",
        },
        put_out,
        about => refused.map_or(it.about.as_str(), |(about, _)| about),
        errors => refused.map(|(_, error)| error.by_field()).unwrap_or_else(|| context! {}),
        about_most => ABOUT_MOST,
        signed_in => member.is_some(),
        here => "people",
        made => format!("three queries, {}", lasted(started)),
    };
    app.html.render("neighbourhoods/one.html", context)
}

/// What a walk is told.
#[derive(Debug, Default, Deserialize)]
pub struct Walk {
    /// The wall that one comes from: another one is drawn if there is one.
    #[serde(default)]
    from: String,
}

/// `GET /neighbourhoods/{slug}/random`: a wall in it, drawn from the hat.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn random(
    State(app): State<App>,
    Path(slug): Path<String>,
    Query(walk): Query<Walk>,
) -> Result<Response, Error> {
    if !is_slug(&slug) {
        return Err(Error::NotFound);
    }
    let drawn = app.db.read(|db| {
        let it = queries::one(db, &slug)?;
        queries::drawn(db, it.id, i64::from_le_bytes(crypto::random()), &walk.from)
    })?;
    let to = drawn.map_or_else(|| format!("/neighbourhoods/{slug}"), |name| format!("/wall/{name}"));
    Ok(([(header::CACHE_CONTROL, "no-store")], see_other(&to)).into_response())
}

/// Those that a member's wall stands in, as templates read them: slug and title.
///
/// # Errors
/// The database's.
pub fn of(app: &App, user_id: i64) -> Result<Vec<Value>, Error> {
    let all = app.db.read(|db| queries::of(db, user_id))?;
    Ok(all
        .iter()
        .map(|it| context! { slug => it.slug, title => it.title })
        .collect())
}
