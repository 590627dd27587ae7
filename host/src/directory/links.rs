//! Which walls link where: noted when somebody writes a post or about themselves, or names members in a module's settings; shown to the owner of the wall that is linked to, and to
//! nobody else.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use minijinja::context;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    app::{App, now_ms},
    db::{Reader, Tx},
    error::Error,
    html,
    http::{Path, Query, Wants, unstored},
    markdown, profiles,
    session::Member,
    words,
};

/// Links on one page.
const PAGE: usize = 50;
/// Walls that one text can lead to; further ones are not noted.
const LINKS_MOST: usize = 50;

/// What was deleted may come back for so long, in milliseconds: 30 days, and one to spare.
const KEPT_MS: i64 = 31 * 24 * 3_600_000;

/// Something that leads to a wall.
#[derive(Debug, Serialize)]
pub struct Link {
    /// Whose wall it stands on.
    pub from: String,
    /// `post`, `bio` or `module`.
    pub what: String,
    pub thing_id: i64,
    /// Unix milliseconds.
    pub at: i64,
}

impl Link {
    /// Where it stands.
    pub fn address(&self) -> String {
        match self.what.as_str() {
            "post" => format!("/wall/{}/posts/{}", self.from, self.thing_id),
            "module" => format!("/wall/{}#module-{}", self.from, self.thing_id),
            _ => format!("/wall/{}", self.from),
        }
    }
}

/// The walls that a text leads to: names after an `@`, and addresses of walls here. `origin` is this place's, if it has one.
pub fn leads_to(text: &str, origin: &str) -> Vec<String> {
    let rendered = markdown::render(text);
    let mut names = rendered.mentions;
    if !origin.is_empty() {
        let mark = format!("href=\"{}/wall/", markdown::escaped(origin));
        for rest in rendered.html.split(&mark).skip(1) {
            let name = rest.split(['"', '/', '?', '#', '&']).next().unwrap_or_default();
            if profiles::is_name(name) && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names.truncate(LINKS_MOST);
    names
}

/// Notes where a thing of a member's leads to now, by id and name: `what` is `post`, `bio` or `module`.
///
/// # Errors
/// The database's.
pub fn note(tx: &Tx, from: (i64, &str), what: &str, thing_id: i64, names: &[String]) -> Result<(), Error> {
    tx.run(
        "delete from wall_links where what = ?1 and thing_id = ?2",
        params![what, thing_id],
    )?;
    for name in names.iter().filter(|name| **name != *from.1) {
        tx.run(
            "insert into wall_links (to_name, what, thing_id, from_user_id, at) values (?1, ?2, ?3, ?4, ?5)
             on conflict (to_name, what, thing_id) do nothing",
            params![name, what, thing_id, from.0, now_ms()],
        )?;
    }
    Ok(())
}

/// Says nothing more of where a thing leads to, because it was deleted; or says it again.
///
/// # Errors
/// The database's.
pub fn hide(tx: &Tx, what: &str, thing_id: i64, hidden: bool) -> Result<(), Error> {
    let now = now_ms();
    tx.run(
        "update wall_links set gone_at = ?3 where what = ?1 and thing_id = ?2",
        params![what, thing_id, hidden.then_some(now)],
    )?;
    tx.run("delete from wall_links where gone_at < ?1", [now - KEPT_MS])?;
    Ok(())
}

fn list(db: &Reader, name: &str, before: (i64, i64)) -> Result<Vec<Link>, Error> {
    db.all(
        "select u.name, l.what, l.thing_id, l.at
           from wall_links l
           join users u on u.id = l.from_user_id
          where l.to_name = ?1 and l.gone_at is null and u.leaving_at is null and (l.at, l.thing_id) < (?2, ?3)
          order by l.at desc, l.thing_id desc
          limit ?4",
        params![name, before.0, before.1, PAGE as i64 + 1],
        |row| {
            Ok(Link {
                from: row.get(0)?,
                what: row.get(1)?,
                thing_id: row.get(2)?,
                at: row.get(3)?,
            })
        },
    )
}

/// Where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub struct From {
    #[serde(default)]
    before: String,
}

/// `GET /wall/{user}/linked`: what leads to one's own wall, the latest first.
///
/// # Errors
/// [`Error::NotFound`] for everybody else.
pub async fn linked(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    Query(from): Query<From>,
) -> Result<Response, Error> {
    if *member.name != *wall {
        return Err(Error::NotFound);
    }
    let before = match from.before.split_once('.') {
        Some((at, id)) => at.parse().ok().zip(id.parse().ok()).ok_or(Error::NotFound)?,
        None => (i64::MAX, i64::MAX),
    };
    let mut links = app.db.read(|db| list(db, &wall, before))?;
    let more = links.len() > PAGE;
    links.truncate(PAGE);
    let next = links
        .last()
        .filter(|_| more)
        .map(|last| format!("/wall/{wall}/linked?before={}.{}", last.at, last.thing_id));
    if wants == Wants::Json {
        return Ok(unstored(Json(json!({ "links": links, "next": next })).into_response()));
    }
    let links: Vec<_> = links
        .iter()
        .map(|link| context! { from => link.from, what => link.what, href => link.address(), at => words::moment(link.at) })
        .collect();
    let context = context! { wall, links, next, signed_in => true, here => "me" };
    let html = app.html.render("directory/linked.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_walls_here_lead_to_them() {
        let here = "https://kiosk.example";
        for (text, names) in [
            ("ask @bob or @Cyd", &["bob", "cyd"][..]),
            ("see https://kiosk.example/wall/bob", &["bob"]),
            ("[x](https://kiosk.example/wall/bob/posts/3) and @bob", &["bob"]),
            ("https://kiosk.example/wall/bob?plain=1#post-3", &["bob"]),
            ("https://other.example/wall/bob", &[]),
            ("https://kiosk.example.evil/wall/bob", &[]),
            ("https://kiosk.example/wall/No!", &[]),
            ("`@bob`", &[]),
        ] {
            assert_eq!(leads_to(text, here), names, "{text}");
        }
        assert!(leads_to("https://kiosk.example/wall/bob", "").is_empty());
    }
}
