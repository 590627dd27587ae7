//! The front door: what this is, three walls drawn from a hat, the way in. Members are sent to their desk.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use minijinja::context;
use serde::Serialize;

use crate::{
    app::App,
    cache::{Page, Rendered},
    crypto,
    db::Reader,
    error::Error,
    http::see_other,
    profiles::pictures,
    session::{Member, Viewer},
    words,
};

/// How many walls are drawn from the hat.
const DRAWN: usize = 3;

/// A wall in small.
#[derive(Serialize)]
struct Thumb {
    name: String,
    colour: String,
    avatar: Option<String>,
    status: String,
    picture: String,
}

/// `GET /`. Never cached: the hat is drawn from at every visit.
///
/// # Errors
/// The database's.
pub async fn show(State(app): State<App>, viewer: Viewer, headers: HeaderMap) -> Result<Response, Error> {
    if viewer.member.is_some() {
        return Ok(see_other("/desk"));
    }
    let started = std::time::Instant::now();
    let thumbs = app.db.read(|db| drawn(db, random(), DRAWN))?;
    let context = context! {
        thumbs,
        signed_in => false,
        open => app.config().registration != crate::config::Registration::Closed,
        made => format!("drawn from a hat in {}", words::lasted(started)),
    };
    let html = app.html.render("home.html", context)?;
    let page = Page::new(Rendered {
        html,
        stamp: Default::default(),
        max_age: None,
        personal: false,
    });
    let mut response = page.respond(&headers);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /me`: one's own wall.
pub async fn me(member: Member) -> Response {
    see_other(&format!("/wall/{}", member.name))
}

/// `GET /random`: a wall drawn from the hat.
///
/// # Errors
/// The database's.
pub async fn random_wall(State(app): State<App>) -> Result<Response, Error> {
    let name = app.db.read(|db| Ok(drawn_names(db, random(), 1)?.pop()))?;
    let to = name.map_or_else(|| "/directory".into(), |(name, ..)| format!("/wall/{name}"));
    Ok(([(header::CACHE_CONTROL, "no-store")], see_other(&to)).into_response())
}

fn random() -> i64 {
    i64::from_le_bytes(crypto::random())
}

fn drawn(db: &Reader, from: i64, many: usize) -> Result<Vec<Thumb>, Error> {
    let names = drawn_names(db, from, many)?;
    let thumb = |row: Drawn| Thumb {
        picture: pictures::thumbnail(&row.0, &row.1),
        name: row.0,
        colour: row.1,
        status: row.2,
        avatar: row.3,
    };
    Ok(names.into_iter().map(thumb).collect())
}

/// Somebody's name, colour, status and picture.
type Drawn = (String, String, String, Option<String>);

/// Name, colour, status and picture of the members after a random place in the shuffled order, round the corner.
fn drawn_names(db: &Reader, from: i64, many: usize) -> Result<Vec<Drawn>, Error> {
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let mut names = db.all(
        "select u.name, p.colour, p.status, p.avatar
           from users u
           join faces p on p.user_id = u.id
          where u.shuffle >= ?1 and u.leaving_at is null
          order by u.shuffle
          limit ?2",
        [from, many as i64],
        row,
    )?;
    if names.len() < many {
        names.extend(db.all(
            "select u.name, p.colour, p.status, p.avatar
               from users u
               join faces p on p.user_id = u.id
              where u.shuffle < ?1 and u.leaving_at is null
              order by u.shuffle
              limit ?2",
            [from, (many - names.len()) as i64],
            row,
        )?);
    }
    Ok(names)
}
