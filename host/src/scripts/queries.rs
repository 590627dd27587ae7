//! What is read of scripts. Whatever a viewer may not see is not found.

use std::sync::Arc;

use rusqlite::{
    Row, params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};

use super::{Mode, Published, Visibility};
use crate::{db::Reader, error::Error};

/// A script, without its texts.
#[derive(Clone, Debug, Hash)]
pub struct Script {
    pub id: Arc<str>,
    pub user_id: i64,
    pub author: Arc<str>,
    pub mode: Mode,
    pub title: String,
    pub description: String,
    pub licence: String,
    pub visibility: Visibility,
    /// The number of the version that others see.
    pub published: Option<i64>,
    /// When that version was published first. Unix milliseconds.
    pub published_at: Option<i64>,
    pub listed_at: Option<i64>,
    pub shuffle: i64,
    pub parent: Option<Parent>,
    pub created_at: i64,
    pub changed_at: i64,
    pub deleted_at: Option<i64>,
}

/// What a script is a fork of.
#[derive(Clone, Debug, Hash)]
pub struct Parent {
    /// Nothing once it is gone for good.
    pub id: Option<Arc<str>>,
    pub version: i64,
    pub title: String,
    pub author: String,
}

/// The columns that [`Script::of`] reads.
const COLUMNS: &str = "s.id, s.user_id, u.name, s.mode, s.title, s.description, s.licence, s.visibility, s.published, \
     v.published_at, s.listed_at, s.shuffle, s.parent_id, s.parent_version, s.parent_title, s.parent_author, \
     s.created_at, s.changed_at, s.deleted_at";
/// Where they come from.
const FROM: &str = "scripts s \
     join users u on u.id = s.user_id and u.leaving_at is null \
     left join script_versions v on v.script_id = s.id and v.number = s.published";

impl Script {
    /// A row of [`COLUMNS`].
    pub fn of(row: &Row) -> rusqlite::Result<Self> {
        let parent_title: Option<String> = row.get(14)?;
        let parent = match parent_title {
            Some(title) => Some(Parent {
                id: row.get(12)?,
                version: row.get(13)?,
                title,
                author: row.get(15)?,
            }),
            None => None,
        };
        Ok(Self {
            id: row.get(0)?,
            user_id: row.get(1)?,
            author: row.get(2)?,
            mode: row.get(3)?,
            title: row.get(4)?,
            description: row.get(5)?,
            licence: row.get(6)?,
            visibility: row.get(7)?,
            published: row.get(8)?,
            published_at: row.get(9)?,
            listed_at: row.get(10)?,
            shuffle: row.get(11)?,
            parent,
            created_at: row.get(16)?,
            changed_at: row.get(17)?,
            deleted_at: row.get(18)?,
        })
    }

    /// Whether somebody may see it, as far as it is published. Its author sees all of it.
    pub fn is_seen_by(&self, viewer: Option<i64>) -> bool {
        let is_open = self.visibility != Visibility::Private && self.published.is_some();
        self.deleted_at.is_none() && (is_open || viewer == Some(self.user_id))
    }

    /// As others put it up.
    pub fn published(&self) -> Option<Published> {
        Some(Published {
            id: self.id.clone(),
            version: self.published?,
            title: self.title.clone(),
            mode: self.mode,
            author: self.author.clone(),
            licence: self.licence.clone(),
        })
    }
}

/// One version of a script.
#[derive(Clone, Debug)]
pub struct Version {
    pub number: i64,
    pub note: String,
    /// The version of the library that it was made with; empty where it needs none.
    pub library: String,
    pub made_at: i64,
    /// When others could see it first.
    pub published_at: Option<i64>,
    /// Of the source.
    pub bytes: i64,
}

impl Version {
    /// A row of number, note, library, made_at, published_at, octet_length(source).
    fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            note: row.get(1)?,
            library: row.get(2)?,
            made_at: row.get(3)?,
            published_at: row.get(4)?,
            bytes: row.get(5)?,
        })
    }
}

/// The one draft of a script.
pub struct Draft {
    pub source: String,
    pub revision: i64,
    pub saved_at: i64,
}

/// A text that came too late.
pub struct Aside {
    pub number: i64,
    pub source: String,
    pub revision: i64,
    pub at: i64,
}

/// A script, whoever asks; also one that waits to be had back.
///
/// # Errors
/// [`Error::NotFound`].
pub fn any(db: &Reader, id: &str) -> Result<Script, Error> {
    db.one(
        &format!("select {COLUMNS} from {FROM} where s.id = ?1"),
        [id],
        Script::of,
    )
}

/// A script that the viewer may see.
///
/// # Errors
/// [`Error::NotFound`].
pub fn seen(db: &Reader, id: &str, viewer: Option<i64>) -> Result<Script, Error> {
    let script = any(db, id)?;
    script.is_seen_by(viewer).then_some(script).ok_or(Error::NotFound)
}

/// A script of one's own.
///
/// # Errors
/// [`Error::NotFound`] for everyone else.
pub fn own(db: &Reader, id: &str, user_id: i64) -> Result<Script, Error> {
    let script = seen(db, id, Some(user_id))?;
    (script.user_id == user_id).then_some(script).ok_or(Error::NotFound)
}

/// A member's own scripts, changed last first; those that wait to be had back if `deleted`.
///
/// # Errors
/// The database's.
pub fn mine(db: &Reader, user_id: i64, deleted: bool) -> Result<Vec<Script>, Error> {
    db.all(
        &format!(
            "select {COLUMNS} from {FROM}
              where s.user_id = ?1 and (s.deleted_at is not null) = ?2
              order by s.changed_at desc, s.id"
        ),
        params![user_id, deleted],
        Script::of,
    )
}

/// In which order the gallery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Newest,
    Name,
}

/// What is in the gallery.
const LISTED: &str = "s.visibility = 'public' and s.published is not null and s.deleted_at is null";

/// A page of the gallery after a place in it: a time or a title, and an id.
///
/// # Errors
/// The database's.
pub fn listed(
    db: &Reader,
    order: Order,
    mode: Option<Mode>,
    after: Option<(&str, &str)>,
    limit: i64,
) -> Result<Vec<Script>, Error> {
    let of_mode = if mode.is_some() { "s.mode = ?4" } else { "?4 is null" };
    let (after_key, after_id) = after.unwrap_or_default();
    match order {
        Order::Newest => {
            let before: i64 = after_key.parse().unwrap_or(i64::MAX);
            db.all(
                &format!(
                    "select {COLUMNS} from {FROM}
                      where {LISTED} and {of_mode} and (s.listed_at, s.id) < (?1, ?2)
                      order by s.listed_at desc, s.id desc
                      limit ?3"
                ),
                params![before, after_id, limit, mode],
                Script::of,
            )
        }
        Order::Name => db.all(
            &format!(
                "select {COLUMNS} from {FROM}
                  where {LISTED} and {of_mode} and (s.title collate nocase, s.id) > (?1, ?2)
                  order by s.title collate nocase, s.id
                  limit ?3"
            ),
            params![after_key, after_id, limit, mode],
            Script::of,
        ),
    }
}

/// Some of the gallery, from a random place of its shuffled order on, round the corner.
///
/// # Errors
/// The database's.
pub fn drawn(db: &Reader, mode: Option<Mode>, from: i64, limit: i64) -> Result<Vec<Script>, Error> {
    let of_mode = if mode.is_some() { "s.mode = ?3" } else { "?3 is null" };
    let mut drawn = db.all(
        &format!(
            "select {COLUMNS} from {FROM} where {LISTED} and {of_mode} and s.shuffle >= ?1 order by s.shuffle limit ?2"
        ),
        params![from, limit, mode],
        Script::of,
    )?;
    drawn.extend(db.all(
        &format!(
            "select {COLUMNS} from {FROM} where {LISTED} and {of_mode} and s.shuffle < ?1 order by s.shuffle limit ?2"
        ),
        params![from, limit - drawn.len() as i64, mode],
        Script::of,
    )?);
    Ok(drawn)
}

/// The draft.
///
/// # Errors
/// [`Error::NotFound`].
pub fn draft(db: &Reader, id: &str) -> Result<Draft, Error> {
    db.one(
        "select draft, revision, saved_at from scripts where id = ?1",
        [id],
        |row| {
            Ok(Draft {
                source: row.get(0)?,
                revision: row.get(1)?,
                saved_at: row.get(2)?,
            })
        },
    )
}

/// What was put aside, the newest first.
///
/// # Errors
/// The database's.
pub fn asides(db: &Reader, id: &str) -> Result<Vec<Aside>, Error> {
    db.all(
        "select number, source, revision, at from script_asides where script_id = ?1 order by number desc",
        [id],
        |row| {
            Ok(Aside {
                number: row.get(0)?,
                source: row.get(1)?,
                revision: row.get(2)?,
                at: row.get(3)?,
            })
        },
    )
}

/// The versions, the newest first: all for the author, those that were ever published for others.
///
/// # Errors
/// The database's.
pub fn versions(db: &Reader, script: &Script, viewer: Option<i64>) -> Result<Vec<Version>, Error> {
    db.all(
        "select number, note, library, made_at, published_at, octet_length(source)
           from script_versions
          where script_id = ?1 and (?2 or published_at is not null)
          order by number desc",
        params![script.id, viewer == Some(script.user_id)],
        Version::of,
    )
}

/// One version with its source, as far as the viewer may see it.
///
/// # Errors
/// [`Error::NotFound`].
pub fn version(db: &Reader, script: &Script, number: i64, viewer: Option<i64>) -> Result<(Version, String), Error> {
    db.one(
        "select number, note, library, made_at, published_at, octet_length(source), source
           from script_versions
          where script_id = ?1 and number = ?2 and (?3 or published_at is not null)",
        params![script.id, number, viewer == Some(script.user_id)],
        |row| Ok((Version::of(row)?, row.get(6)?)),
    )
}

/// The library's version of one version of a script, and its mode: what its frame is made of, and no more. Of a script that was
/// deleted nothing.
///
/// # Errors
/// [`Error::NotFound`].
pub fn library(db: &Reader, id: &str, number: i64) -> Result<(Mode, String), Error> {
    db.one(
        "select s.mode, v.library
           from scripts s
           join script_versions v on v.script_id = s.id and v.number = ?2
          where s.id = ?1 and s.deleted_at is null",
        params![id, number],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// A node of a tree of forks.
pub struct Branch {
    pub id: Arc<str>,
    pub parent: Option<Arc<str>>,
    pub title: String,
    pub author: Arc<str>,
    /// The viewer may see it.
    pub seen: bool,
}

/// Scripts that a tree of forks shows, and how far up and down one looks for them.
const TREE_MOST: i64 = 200;
const TREE_DEEP: i64 = 30;

/// The tree of forks that a script stands in, the older before the younger: from the oldest ancestor that there still is.
///
/// # Errors
/// The database's.
pub fn tree(db: &Reader, id: &str, viewer: Option<i64>) -> Result<Vec<Branch>, Error> {
    db.all(
        "with recursive
           up (id, parent_id, steps) as (
             select id, parent_id, 0 from scripts where id = ?1
             union all
             select s.id, s.parent_id, up.steps + 1 from scripts s join up on s.id = up.parent_id where up.steps < ?3),
           down (id, steps) as (
             select id, 0 from (select id from up order by steps desc limit 1)
             union all
             select s.id, down.steps + 1 from scripts s join down on s.parent_id = down.id where down.steps < ?3
             limit ?4)
         select s.id, s.parent_id, s.title, u.name,
                s.deleted_at is null and u.leaving_at is null
                  and (s.user_id = ?2 or (s.visibility = 'public' and s.published is not null) or s.id = ?1)
           from down
           join scripts s on s.id = down.id
           join users u on u.id = s.user_id
          order by s.created_at, s.id",
        params![id, viewer.unwrap_or(0), TREE_DEEP, TREE_MOST],
        |row| {
            Ok(Branch {
                id: row.get(0)?,
                parent: row.get(1)?,
                title: row.get(2)?,
                author: row.get(3)?,
                seen: row.get(4)?,
            })
        },
    )
}

/// A script on a wall.
#[derive(Clone, Debug, Hash)]
pub struct Pin {
    pub script: Script,
    pub seed: Option<i64>,
    /// A JSON object: numbers by name.
    pub params: String,
}

impl Pin {
    /// Whether there is something to run for others than the author: what somebody keeps to themselves isn't on a wall either.
    pub fn runs(&self) -> bool {
        self.script.is_seen_by(None)
    }
}

/// What is pinned on a member's wall, in order; also what can't run just now, because it was withdrawn.
///
/// # Errors
/// The database's.
pub fn pins(db: &Reader, user_id: i64) -> Result<Vec<Pin>, Error> {
    db.all(
        &format!(
            "select {COLUMNS}, p.seed, p.params
               from {FROM}
               join script_pins p on p.script_id = s.id
              where p.user_id = ?1
              order by p.position"
        ),
        [user_id],
        |row| {
            Ok(Pin {
                script: Script::of(row)?,
                seed: row.get(19)?,
                params: row.get(20)?,
            })
        },
    )
}

/// The names of the walls that a script is pinned on.
///
/// # Errors
/// The database's.
pub fn walls_with(db: &Reader, id: &str) -> Result<Vec<String>, Error> {
    db.all(
        "select u.name from script_pins p join users u on u.id = p.user_id where p.script_id = ?1
         union
         select u.name
           from posts p
           join users u on u.id = p.user_id
          where p.script = ?1 and p.script <> '' and p.removed_at is null",
        [id],
        |row| row.get(0),
    )
}

impl FromSql for Visibility {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::named(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for Visibility {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}
