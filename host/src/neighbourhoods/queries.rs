//! What neighbourhoods are read from. Keys page, offsets don't.

use rusqlite::params;
use serde::Serialize;

use crate::{db::Reader, error::Error};

/// A neighbourhood.
#[derive(Clone, Debug, Serialize)]
pub struct Neighbourhood {
    #[serde(skip)]
    pub id: i64,
    pub slug: String,
    pub title: String,
    pub about: String,
    /// Whoever founded it, as long as they are here.
    pub founder: Option<String>,
    /// Unix milliseconds.
    pub created_at: i64,
}

fn row(row: &rusqlite::Row) -> rusqlite::Result<Neighbourhood> {
    Ok(Neighbourhood {
        id: row.get(0)?,
        slug: row.get(1)?,
        title: row.get(2)?,
        about: row.get(3)?,
        founder: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// One of them.
///
/// # Errors
/// [`Error::NotFound`].
pub fn one(db: &Reader, slug: &str) -> Result<Neighbourhood, Error> {
    db.one(
        "select n.id, n.slug, n.title, n.about, u.name, n.created_at
           from neighbourhoods n
           left join users u on u.id = n.founder_id and u.leaving_at is null
          where n.slug = ?1",
        [slug],
        row,
    )
}

/// All of them in the order of their addresses, after one; one more than `many` says that there are further ones.
///
/// # Errors
/// The database's.
pub fn all(db: &Reader, after: &str, many: usize) -> Result<Vec<Neighbourhood>, Error> {
    db.all(
        "select n.id, n.slug, n.title, n.about, u.name, n.created_at
           from neighbourhoods n
           left join users u on u.id = n.founder_id and u.leaving_at is null
          where n.slug > ?1
          order by n.slug
          limit ?2",
        params![after, many as i64 + 1],
        row,
    )
}

/// Those that a member's wall stands in.
///
/// # Errors
/// The database's.
pub fn of(db: &Reader, user_id: i64) -> Result<Vec<Neighbourhood>, Error> {
    db.all(
        "select n.id, n.slug, n.title, n.about, u.name, n.created_at
           from neighbours b
           join neighbourhoods n on n.id = b.neighbourhood_id
           left join users u on u.id = n.founder_id and u.leaving_at is null
          where b.user_id = ?1 and b.put_out = 0
          order by n.slug",
        [user_id],
        row,
    )
}

/// A wall in a neighbourhood.
#[derive(Clone, Debug, Serialize)]
pub struct Neighbour {
    pub name: String,
    pub colour: String,
    pub avatar: Option<String>,
    pub status: String,
    /// Unix milliseconds.
    pub came_at: i64,
    #[serde(skip)]
    pub user_id: i64,
}

fn neighbour(row: &rusqlite::Row) -> rusqlite::Result<Neighbour> {
    Ok(Neighbour {
        name: row.get(0)?,
        colour: row.get(1)?,
        avatar: row.get(5)?,
        status: row.get(2)?,
        came_at: row.get(3)?,
        user_id: row.get(4)?,
    })
}

/// Walls by name, after one.
///
/// # Errors
/// The database's.
pub fn by_name(db: &Reader, id: i64, after: &str, many: usize) -> Result<Vec<Neighbour>, Error> {
    db.all(
        "select b.name, p.colour, p.status, b.came_at, b.user_id, p.avatar
           from neighbours b
           join faces p on p.user_id = b.user_id
          where b.neighbourhood_id = ?1 and b.name > ?2 and b.put_out = 0
            and b.user_id not in (select id from users where leaving_at is not null)
          order by b.name
          limit ?3",
        params![id, after, many as i64 + 1],
        neighbour,
    )
}

/// Walls by the day they came, the latest first, before a time and a member's id.
///
/// # Errors
/// The database's.
pub fn newest(db: &Reader, id: i64, before: (i64, i64), many: usize) -> Result<Vec<Neighbour>, Error> {
    db.all(
        "select b.name, p.colour, p.status, b.came_at, b.user_id, p.avatar
           from neighbours b
           join faces p on p.user_id = b.user_id
          where b.neighbourhood_id = ?1 and b.put_out = 0 and (b.came_at, b.user_id) < (?2, ?3)
            and b.user_id not in (select id from users where leaving_at is not null)
          order by b.came_at desc, b.user_id desc
          limit ?4",
        params![id, before.0, before.1, many as i64 + 1],
        neighbour,
    )
}

/// The wall that comes next in a shuffled order, from a place in it on, round the corner; another than `but` if there is one.
///
/// # Errors
/// The database's.
pub fn drawn(db: &Reader, id: i64, from: i64, but: &str) -> Result<Option<String>, Error> {
    let after = db.maybe(
        "select name from neighbours
          where neighbourhood_id = ?1 and put_out = 0 and shuffle >= ?2 and name <> ?3
            and user_id not in (select id from users where leaving_at is not null)
          order by shuffle
          limit 1",
        params![id, from, but],
        |row| row.get(0),
    )?;
    if after.is_some() {
        return Ok(after);
    }
    let first = db.maybe(
        "select name from neighbours
          where neighbourhood_id = ?1 and put_out = 0 and name <> ?2
            and user_id not in (select id from users where leaving_at is not null)
          order by shuffle
          limit 1",
        params![id, but],
        |row| row.get(0),
    )?;
    match first {
        Some(first) => Ok(Some(first)),
        // Alone in it: then there.
        None => db.maybe(
            "select name from neighbours
              where neighbourhood_id = ?1 and put_out = 0
                and user_id not in (select id from users where leaving_at is not null)
              limit 1",
            [id],
            |row| row.get(0),
        ),
    }
}

/// How a wall stands to a neighbourhood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Out,
    In,
    /// Its founder took it out.
    PutOut,
}

/// How a member's wall stands to one.
///
/// # Errors
/// The database's.
pub fn standing(db: &Reader, id: i64, user_id: i64) -> Result<Standing, Error> {
    let put_out = db.maybe(
        "select put_out from neighbours where user_id = ?2 and neighbourhood_id = ?1",
        [id, user_id],
        |row| row.get::<_, i64>(0),
    )?;
    Ok(match put_out {
        None => Standing::Out,
        Some(0) => Standing::In,
        Some(_) => Standing::PutOut,
    })
}

/// Walls that were taken out, for the founder alone.
///
/// # Errors
/// The database's.
pub fn put_out(db: &Reader, id: i64, many: usize) -> Result<Vec<String>, Error> {
    db.all(
        "select b.name from neighbours b where b.neighbourhood_id = ?1 and b.put_out = 1 order by b.came_at desc limit ?2",
        params![id, many as i64],
        |row| row.get(0),
    )
}
