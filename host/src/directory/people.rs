//! The directory: every member or those with a tag, alphabetical, newest first, or a handful drawn from the hat; search by the
//! beginning of the name, which is alphabetical. Nobody is ranked and nobody is counted. Pages follow one another by key.

use std::{sync::Arc, time::Instant};

use axum::{extract::State, response::Response};
use http::HeaderMap;
use minijinja::context;
use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::tags::{self, TAG_MOST};
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
    /// Only those who chose this tag.
    #[serde(default)]
    tag: String,
    /// Where the page begins: what the page before said.
    #[serde(default)]
    after: String,
}

/// Somebody in the list.
#[derive(Serialize)]
struct Person {
    name: String,
    colour: String,
    avatar: Option<String>,
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
    // What is searched for comes in the order of names: any other would have to look at everybody.
    let by = if q.is_empty() { by } else { "name" };
    let tag: String = asked.tag.trim().trim_start_matches('#').to_lowercase();
    let tag: String = tag.chars().take(TAG_MOST).collect();
    if !tag.is_empty() && !tags::is_tag(&tag) {
        return Err(Error::BadRequest("That can't be a tag: a tag is one word.".into()));
    }
    let after: String = asked.after.chars().take(SEARCH_MOST + 20).collect();
    let audience = if viewer.member.is_some() {
        Audience::Members
    } else {
        Audience::Guests
    };
    let render = async || {
        let started = Instant::now();
        let stamp = app.topics.stamp(["people"]);
        let mut people = app.db.read(|db| match (by, tag.as_str()) {
            ("random", "") => drawn(db),
            ("random", tag) => drawn_tagged(db, tag),
            (by, "") => list(db, by, &q, &after),
            (by, tag) => tagged(db, tag, by, &q, &after),
        })?;
        let next = (people.len() > PAGE).then(|| people[PAGE - 1].key.clone());
        people.truncate(PAGE);
        let context = context! {
            people, next, by, q, tag, after,
            signed_in => audience == Audience::Members,
            here => "people",
            made => format!("one query, {}", lasted(started)),
        };
        let html = app.html.render("directory/people.html", context)?;
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
    let page: Arc<str> = format!("/directory?{by}&{q:?}&{tag}&{after:?}").into();
    Ok(app
        .cache
        .get_or_render(&page, audience, None, render)
        .await?
        .respond(&headers))
}

/// A row of name, colour, status, created_at, avatar, and what the page after it begins with.
fn person(row: &rusqlite::Row, key: impl ToString) -> rusqlite::Result<Person> {
    Ok(Person {
        name: row.get(0)?,
        colour: row.get(1)?,
        status: row.get(2)?,
        since: day(row.get(3)?),
        avatar: row.get(4)?,
        key: key.to_string(),
    })
}

/// One page and one person more, who says whether there is a next page.
fn list(db: &Reader, by: &str, q: &str, after: &str) -> Result<Vec<Person>, Error> {
    let limit = PAGE as i64 + 1;
    match by {
        "newest" => db.all(
            "select u.name, p.colour, p.status, u.created_at, p.avatar, u.id
               from users u
               join faces p on p.user_id = u.id
              where u.leaving_at is null and u.id < ?1
              order by u.id desc
              limit ?2",
            [after.parse().unwrap_or(i64::MAX), limit],
            |row| person(row, row.get::<_, i64>(5)?),
        ),
        _ => db.all(
            "select u.name, p.colour, p.status, u.created_at, p.avatar
               from users u
               join faces p on p.user_id = u.id
              where u.leaving_at is null and u.name > ?1 and u.name >= ?2 and u.name < ?3
              order by u.name
              limit ?4",
            params![after, q, end_of(q), limit],
            |row| person(row, row.get::<_, String>(0)?),
        ),
    }
}

/// The same among those who chose a tag.
fn tagged(db: &Reader, tag: &str, by: &str, q: &str, after: &str) -> Result<Vec<Person>, Error> {
    let limit = PAGE as i64 + 1;
    match by {
        "newest" => db.all(
            "select u.name, p.colour, p.status, u.created_at, p.avatar, u.id
               from tags t
               join users u on u.id = t.user_id
               join faces p on p.user_id = u.id
              where u.leaving_at is null and t.tag = ?1 and t.user_id < ?2
              order by t.user_id desc
              limit ?3",
            params![tag, after.parse().unwrap_or(i64::MAX), limit],
            |row| person(row, row.get::<_, i64>(5)?),
        ),
        _ => db.all(
            "select u.name, p.colour, p.status, u.created_at, p.avatar
               from tags t
               join users u on u.id = t.user_id
               join faces p on p.user_id = u.id
              where u.leaving_at is null and t.tag = ?1 and t.name > ?2 and t.name >= ?3 and t.name < ?4
              order by t.name
              limit ?5",
            params![tag, after, q, end_of(q), limit],
            |row| person(row, row.get::<_, String>(0)?),
        ),
    }
}

/// People from a random place of the shuffled order on, round the corner, shaken once more.
fn drawn(db: &Reader) -> Result<Vec<Person>, Error> {
    let from = i64::from_le_bytes(crypto::random());
    let mut people = db.all(
        "select u.name, p.colour, p.status, u.created_at, p.avatar
           from users u
           join faces p on p.user_id = u.id
          where u.leaving_at is null and u.shuffle >= ?1
          order by u.shuffle
          limit ?2",
        [from, DRAWN],
        |row| person(row, ""),
    )?;
    people.extend(db.all(
        "select u.name, p.colour, p.status, u.created_at, p.avatar
           from users u
           join faces p on p.user_id = u.id
          where u.leaving_at is null and u.shuffle < ?1
          order by u.shuffle
          limit ?2",
        [from, DRAWN - people.len() as i64],
        |row| person(row, ""),
    )?);
    people.sort_by_cached_key(|_| crypto::random::<8>());
    Ok(people)
}

/// The same among those who chose a tag.
fn drawn_tagged(db: &Reader, tag: &str) -> Result<Vec<Person>, Error> {
    let from = i64::from_le_bytes(crypto::random());
    let mut people = db.all(
        "select u.name, p.colour, p.status, u.created_at, p.avatar
           from tags t
           join users u on u.id = t.user_id
           join faces p on p.user_id = u.id
          where u.leaving_at is null and t.tag = ?1 and t.shuffle >= ?2
          order by t.shuffle
          limit ?3",
        params![tag, from, DRAWN],
        |row| person(row, ""),
    )?;
    people.extend(db.all(
        "select u.name, p.colour, p.status, u.created_at, p.avatar
           from tags t
           join users u on u.id = t.user_id
           join faces p on p.user_id = u.id
          where u.leaving_at is null and t.tag = ?1 and t.shuffle < ?2
          order by t.shuffle
          limit ?3",
        params![tag, from, DRAWN - people.len() as i64],
        |row| person(row, ""),
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
