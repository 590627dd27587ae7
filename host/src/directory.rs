//! The directory: every member, alphabetical, newest first, or a handful drawn from the hat; search by the beginning of
//! the name. Nobody is ranked and nobody is counted. Pages follow one another by key.

use std::{sync::Arc, time::Instant};

use axum::{extract::State, response::Response};
use http::HeaderMap;
use minijinja::context;
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    cache::{Audience, Page, Rendered},
    crypto,
    db::Reader,
    error::Error,
    http::Query,
    session::Viewer,
    words::{day, lasted},
};

/// People on one page.
const PAGE: usize = 50;
/// People drawn from the hat.
const DRAWN: i64 = 20;
/// Letters of a search.
const SEARCH_MOST: usize = 24;

/// What may be asked for.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// `name` (the default), `newest` or `random`.
    #[serde(default)]
    by: String,
    /// The beginning of a name.
    #[serde(default)]
    q: String,
    /// Where the page begins: what the page before said.
    #[serde(default)]
    after: String,
}

/// Somebody in the list.
#[derive(Serialize)]
struct Person {
    name: String,
    colour: String,
    status: String,
    since: String,
    #[serde(skip)]
    key: String,
}

/// `GET /directory`.
///
/// # Errors
/// An order that there isn't; the database's.
pub async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let by = match asked.by.as_str() {
        "" | "name" => "name",
        "newest" => "newest",
        "random" => "random",
        _ => {
            return Err(Error::BadRequest(
                "The directory can be in the order of name, newest or random.".into(),
            ));
        }
    };
    let q: String = asked.q.trim().to_lowercase().chars().take(SEARCH_MOST).collect();
    let after: String = asked.after.chars().take(SEARCH_MOST + 20).collect();
    let audience = if viewer.member.is_some() {
        Audience::Members
    } else {
        Audience::Guests
    };
    let render = async || {
        let started = Instant::now();
        let stamp = app.topics.stamp(["people"]);
        let mut people = app.db.read(|db| {
            if by == "random" {
                drawn(db, &q)
            } else {
                list(db, by, &q, &after)
            }
        })?;
        let next = (people.len() > PAGE).then(|| people[PAGE - 1].key.clone());
        people.truncate(PAGE);
        let context = context! {
            people, next, by, q, after,
            signed_in => audience == Audience::Members,
            here => "people",
            made => format!("one query, {}", lasted(started)),
        };
        let html = app.html.render("directory.html", context)?;
        Ok(Rendered {
            html,
            stamp,
            max_age: None,
            personal: false,
        })
    };
    if by == "random" {
        return Ok(Page::new(render().await?).respond(&headers));
    }
    let page: Arc<str> = format!("/directory?{by}&{q:?}&{after:?}").into();
    Ok(app
        .cache
        .get_or_render(&page, audience, None, render)
        .await?
        .respond(&headers))
}

/// One page and one person more, who says whether there is a next page.
fn list(db: &Reader, by: &str, q: &str, after: &str) -> Result<Vec<Person>, Error> {
    let limit = PAGE as i64 + 1;
    let person = |row: &rusqlite::Row, key: String| -> rusqlite::Result<Person> {
        Ok(Person {
            name: row.get(1)?,
            colour: row.get(2)?,
            status: row.get(3)?,
            since: day(row.get(4)?),
            key,
        })
    };
    match by {
        "newest" => {
            let before = after.parse().unwrap_or(i64::MAX);
            db.all(
                "select u.id, u.name, p.colour, p.status, u.created_at
                   from users u
                   join profiles p on p.user_id = u.id
                  where u.id < ?1 and u.name >= ?2 and u.name < ?3
                  order by u.id desc
                  limit ?4",
                rusqlite::params![before, q, end_of(q), limit],
                |row| person(row, row.get::<_, i64>(0)?.to_string()),
            )
        }
        _ => db.all(
            "select u.id, u.name, p.colour, p.status, u.created_at
               from users u
               join profiles p on p.user_id = u.id
              where u.name > ?1 and u.name >= ?2 and u.name < ?3
              order by u.name
              limit ?4",
            rusqlite::params![after, q, end_of(q), limit],
            |row| person(row, row.get(1)?),
        ),
    }
}

/// People from a random place of the shuffled order on, round the corner, shaken once more.
fn drawn(db: &Reader, q: &str) -> Result<Vec<Person>, Error> {
    let from = i64::from_le_bytes(crypto::random());
    let person = |row: &rusqlite::Row| {
        let (name, created_at): (String, i64) = (row.get(0)?, row.get(3)?);
        Ok(Person {
            key: name.clone(),
            name,
            colour: row.get(1)?,
            status: row.get(2)?,
            since: day(created_at),
        })
    };
    let mut people = db.all(
        "select u.name, p.colour, p.status, u.created_at
           from users u
           join profiles p on p.user_id = u.id
          where u.shuffle >= ?1 and u.name >= ?2 and u.name < ?3
          order by u.shuffle
          limit ?4",
        rusqlite::params![from, q, end_of(q), DRAWN],
        person,
    )?;
    people.extend(db.all(
        "select u.name, p.colour, p.status, u.created_at
           from users u
           join profiles p on p.user_id = u.id
          where u.shuffle < ?1 and u.name >= ?2 and u.name < ?3
          order by u.shuffle
          limit ?4",
        rusqlite::params![from, q, end_of(q), DRAWN - people.len() as i64],
        person,
    )?);
    people.sort_by_cached_key(|_| crypto::random::<8>());
    Ok(people)
}

/// The first text after all that begin with `prefix`: names hold nothing above `z`.
fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{7f}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_name_that_begins_with_the_prefix_lies_before_its_end() {
        for name in ["ana", "ana-zz", "an", "anz_9"] {
            assert!(name < super::end_of("an").as_str());
        }
        assert!("ao" > super::end_of("an").as_str());
    }
}
