//! Scripts as they go along and come back, with all their versions, drafts, the credit of forks, and what is pinned on the wall; and
//! what becomes of them when their author goes.

use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{GALLERY, Mode, mutations, queries, standalone, topic};
use crate::{
    app::App,
    archive::Writer,
    db::{Db, Reader, Tx},
    error::Error,
};

/// Where scripts are in an archive, their versions, what was put aside, and what is pinned.
pub const SCRIPTS: &str = "data/scripts.jsonl";
pub const VERSIONS: &str = "data/script-versions.jsonl";
const ASIDES: &str = "data/script-asides.jsonl";
pub const PINS: &str = "data/script-pins.jsonl";

/// A script, as it stands in an archive, the oldest first. Times are Unix milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Moved {
    /// Its id there.
    pub script: String,
    /// `p5`, `three` or `canvas`.
    pub mode: String,
    pub title: String,
    pub description: String,
    /// One of [`super::LICENCES`].
    pub licence: String,
    /// `private`, `unlisted` or `public`.
    pub visibility: String,
    /// The number of the version that others see.
    pub published: Option<i64>,
    pub published_at: Option<i64>,
    pub listed_at: Option<i64>,
    /// What it is a fork of.
    pub parent: Option<MovedParent>,
    pub draft: String,
    pub saved_at: i64,
    pub created_at: i64,
    pub changed_at: i64,
}

/// What a script is a fork of: the credit outlives what it names.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MovedParent {
    pub script: Option<String>,
    pub version: i64,
    pub title: String,
    pub author: String,
}

/// A version, by script and number.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MovedVersion {
    pub script: String,
    pub number: i64,
    pub source: String,
    pub note: String,
    /// The version of the library that it was made with; empty where it needs none.
    pub library: String,
    pub made_at: i64,
    pub published_at: Option<i64>,
}

/// A text that came too late to become the draft.
#[derive(Serialize)]
struct MovedAside<'s> {
    script: &'s str,
    source: String,
    at: i64,
}

/// A script that runs on the wall, in its order; it may be anybody's.
#[derive(Debug, Deserialize, Serialize)]
pub struct MovedPin {
    pub script: String,
    pub title: String,
    pub author: String,
    pub seed: Option<i64>,
    /// A JSON object: numbers by name.
    pub params: Box<RawValue>,
}

/// Writes a member's scripts, and what is pinned on their wall.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    let ids = ids(db, user_id)?;
    out.lines(SCRIPTS, |lines| {
        ids.iter().try_for_each(|id| match db.read(|db| one(db, user_id, id))? {
            Some(script) => lines.push(&script),
            // Deleted since.
            None => Ok(()),
        })
    })?;
    out.lines(VERSIONS, |lines| {
        for id in &ids {
            let mut number = 0;
            // One at a time: each has up to 128 KiB.
            while let Some(version) = db.read(|db| next_version(db, id, number))? {
                number = version.number;
                lines.push(&version)?;
            }
        }
        Ok(())
    })?;
    out.lines(ASIDES, |lines| {
        for id in &ids {
            for aside in db.read(|db| queries::asides(db, id))? {
                lines.push(&MovedAside {
                    script: id,
                    source: aside.source,
                    at: aside.at,
                })?;
            }
        }
        Ok(())
    })?;
    let pins = db.read(|db| {
        db.all(
            "select s.id, s.title, u.name, p.seed, p.params
               from script_pins p
               join scripts s on s.id = p.script_id
               join users u on u.id = s.user_id
              where p.user_id = ?1 and s.deleted_at is null
              order by p.position",
            [user_id],
            |row| {
                Ok(MovedPin {
                    script: row.get(0)?,
                    title: row.get(1)?,
                    author: row.get(2)?,
                    seed: row.get(3)?,
                    params: RawValue::from_string(row.get(4)?).unwrap_or_default(),
                })
            },
        )
    })?;
    out.lines(PINS, |lines| pins.iter().try_for_each(|pin| lines.push(pin)))
}

/// A member's scripts, the oldest first.
fn ids(db: &Db, user_id: i64) -> Result<Vec<String>, Error> {
    db.read(|db| {
        db.all(
            "select id from scripts where user_id = ?1 and deleted_at is null order by created_at, id",
            [user_id],
            |row| row.get(0),
        )
    })
}

fn one(db: &Reader, user_id: i64, id: &str) -> Result<Option<Moved>, Error> {
    db.maybe(
        "select s.id, s.mode, s.title, s.description, s.licence, s.visibility, s.published, v.published_at, s.listed_at,
                s.parent_id, s.parent_version, s.parent_title, s.parent_author, s.draft, s.saved_at, s.created_at, s.changed_at
           from scripts s
           left join script_versions v on v.script_id = s.id and v.number = s.published
          where s.id = ?1 and s.user_id = ?2 and s.deleted_at is null",
        params![id, user_id],
        |row| {
            let parent = match row.get::<_, Option<String>>(11)? {
                Some(title) => Some(MovedParent {
                    script: row.get(9)?,
                    version: row.get(10)?,
                    title,
                    author: row.get(12)?,
                }),
                None => None,
            };
            Ok(Moved {
                script: row.get(0)?,
                mode: row.get(1)?,
                title: row.get(2)?,
                description: row.get(3)?,
                licence: row.get(4)?,
                visibility: row.get(5)?,
                published: row.get(6)?,
                published_at: row.get(7)?,
                listed_at: row.get(8)?,
                parent,
                draft: row.get(13)?,
                saved_at: row.get(14)?,
                created_at: row.get(15)?,
                changed_at: row.get(16)?,
            })
        },
    )
}

fn next_version(db: &Reader, id: &str, after: i64) -> Result<Option<MovedVersion>, Error> {
    db.maybe(
        "select script_id, number, source, note, library, made_at, published_at
           from script_versions
          where script_id = ?1 and number > ?2
          order by number
          limit 1",
        params![id, after],
        |row| {
            Ok(MovedVersion {
                script: row.get(0)?,
                number: row.get(1)?,
                source: row.get(2)?,
                note: row.get(3)?,
                library: row.get(4)?,
                made_at: row.get(5)?,
                published_at: row.get(6)?,
            })
        },
    )
}

/// A script to be looked at without a server.
pub struct Alone {
    pub script: Moved,
    pub mode: &'static str,
    /// The versions that there are, the newest first: number, what is said about it, when it was made.
    pub versions: Vec<(i64, String, i64)>,
    /// What it is called as a file, without an ending.
    pub name: String,
    /// What it does: the version that others see, else the latest, else the draft.
    pub source: String,
    /// The same as one HTML file that runs.
    pub page: String,
}

/// Hands over a member's scripts one after the other, the oldest first, each as a file that runs by itself.
///
/// # Errors
/// The database's; what `take` says.
pub fn each_alone(app: &App, user_id: i64, mut take: impl FnMut(Alone) -> Result<(), Error>) -> Result<(), Error> {
    for id in ids(&app.db, user_id)? {
        let found = app.db.read(|db| {
            let Some(script) = one(db, user_id, &id)? else {
                return Ok(None);
            };
            let versions = db.all(
                "select number, note, made_at from script_versions where script_id = ?1 order by number desc",
                [&id],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            let shown = script.published.or(versions.first().map(|(number, ..)| *number));
            let shown = match shown {
                Some(number) => next_version(db, &id, number - 1)?,
                None => None,
            };
            Ok(Some((script, versions, shown)))
        })?;
        // Deleted since.
        let Some((script, versions, shown)) = found else {
            continue;
        };
        let Some(mode) = Mode::named(&script.mode) else {
            continue;
        };
        let (source, made_with) = match shown {
            Some(version) => (version.source, version.library),
            None => (script.draft.clone(), mode.newest().to_owned()),
        };
        let author = app.db.read(|db| {
            db.one("select name from users where id = ?1", [user_id], |row| {
                row.get::<_, String>(0)
            })
        })?;
        let about = standalone::About {
            title: &script.title,
            author: &author,
            licence: &script.licence,
            mode,
        };
        take(Alone {
            page: standalone::page(app, &about, &source, &made_with)?,
            name: standalone::name(&script.title),
            mode: mode.label(),
            versions,
            source,
            script,
        })?;
    }
    Ok(())
}

/// Has everything that shows a member's scripts made anew, walls that run them included: they are about to leave, are gone, or
/// stay after all.
///
/// # Errors
/// The database's.
pub fn touch(tx: &Tx, user_id: i64, name: &str) -> Result<(), Error> {
    let scripts = tx.all("select id from scripts where user_id = ?1", [user_id], |row| {
        row.get::<_, String>(0)
    })?;
    scripts.iter().for_each(|id| tx.touch(topic(id)));
    tx.touch(GALLERY);
    tx.touch(mutations::mine_topic(user_id));
    tx.touch(mutations::pins_topic(name));
    let walls = tx.all(
        "select distinct u.name
           from scripts s
           join script_pins p on p.script_id = s.id
           join users u on u.id = p.user_id
          where s.user_id = ?1",
        [user_id],
        |row| row.get::<_, String>(0),
    )?;
    for wall in walls {
        tx.touch(format!("wall:{wall}"));
        tx.touch(mutations::pins_topic(&wall));
    }
    Ok(())
}

/// Takes at most `most` scripts away of a member who leaves for good, with their versions; answers how many there were. Others found
/// none of them any more, and forks keep the credit.
///
/// # Errors
/// The database's.
pub fn forget(tx: &Tx, user_id: i64, most: i64) -> Result<i64, Error> {
    let gone = tx.all(
        "delete from scripts where id in (select id from scripts where user_id = ?1 limit ?2) returning id",
        [user_id, most],
        |row| row.get::<_, String>(0),
    )?;
    gone.iter().for_each(|id| tx.touch(topic(id)));
    Ok(gone.len() as i64)
}
