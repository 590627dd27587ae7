//! Scripts as they go along and come back, with all their versions, drafts, the credit of forks, and what is pinned on the wall; and
//! what becomes of them when their author goes.

use std::collections::{HashMap, HashSet};

use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    ALL_RIGHTS_RESERVED, ASIDES_MOST, DESCRIPTION_MOST, GALLERY, LICENCES, Mode, NOTE_MOST, PINS_MOST, SCRIPTS_MOST,
    SOURCE_MOST, TITLE_MOST, VERSIONS_MOST, Visibility, is_id, mutations, pins, queries, standalone, topic,
};
use crate::{
    app::{App, now_ms},
    archive::{self, Archive, Left, Writer},
    crypto,
    db::{Db, Reader, Tx},
    error::Error,
    profiles,
    session::Member,
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
        "select u.name
           from scripts s
           join script_pins p on p.script_id = s.id
           join users u on u.id = p.user_id
          where s.user_id = ?1
          union
         select u.name
           from scripts s
           join posts p on p.script = s.id and p.removed_at is null
           join users u on u.id = p.user_id
          where s.user_id = ?1",
        [user_id],
        |row| row.get::<_, String>(0),
    )?;
    for wall in walls {
        tx.touch(format!("wall:{wall}"));
        tx.touch(format!("posts:{wall}"));
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

/// Bytes of all sources of one archive: they come in one transaction.
const BYTES_MOST: usize = 64 << 20;

/// A script about to come along; everything in it is checked.
struct Incoming {
    moved: Moved,
    mode: Mode,
    visibility: Visibility,
    versions: Vec<MovedVersion>,
    asides: Vec<(String, i64)>,
}

/// What an archive has of scripts.
#[derive(Default)]
pub struct Workshop {
    /// The oldest first.
    scripts: Vec<Incoming>,
    /// What runs on the wall, in order: id there, seed, parameters.
    pins: Vec<(String, Option<i64>, String)>,
    pub left: Vec<Left>,
}

impl Workshop {
    /// What there is, in words; empty where there is nothing.
    pub fn says(&self) -> String {
        let of = |n: usize, one: &str, more: &str| match n {
            1 => format!("1 {one}"),
            n => format!("{n} {more}"),
        };
        let versions = self.scripts.iter().map(|script| script.versions.len()).sum();
        let mut says = match self.scripts.len() {
            0 => String::new(),
            n => format!(
                "{} with {}",
                of(n, "script", "scripts"),
                of(versions, "version", "versions")
            ),
        };
        if !self.pins.is_empty() {
            let and = if says.is_empty() { "" } else { ", " };
            says += &format!("{and}{} on the wall", self.pins.len());
        }
        says
    }

    /// The ids that its scripts have there.
    pub fn ids(&self) -> HashSet<String> {
        self.scripts.iter().map(|script| script.moved.script.clone()).collect()
    }
}

/// A text that was put aside.
#[derive(Deserialize)]
struct ComingAside {
    script: String,
    source: String,
    at: i64,
}

/// The scripts of an archive, with their versions, and what is pinned.
///
/// # Errors
/// [`Error::Invalid`] for what no script of ours is.
pub fn read(app: &App, archive: &Archive) -> Result<Workshop, Error> {
    let (mut all, mut places, mut bytes) = (Workshop::default(), HashMap::new(), 0);
    archive.lines(SCRIPTS, SCRIPTS_MOST as usize, |script: Moved| {
        let called = archive::shown(&script.title);
        let wrong = |why: &str| Err(archive::refused(format!("the script “{called}” {why}")));
        if !is_id(&script.script) {
            return wrong("has an id that can't be one");
        }
        if !is_line(&script.title, TITLE_MOST) || script.title.is_empty() {
            return wrong(&format!(
                "has a title that isn't one line of 1 to {TITLE_MOST} characters"
            ));
        }
        let (Some(mode), Some(visibility)) = (Mode::named(&script.mode), Visibility::named(&script.visibility)) else {
            return wrong("is of a mode or seen by people that aren't known here");
        };
        if !LICENCES.iter().any(|(id, _)| *id == script.licence) {
            return wrong("is under a licence that isn't known here");
        }
        if script.description.chars().count() > DESCRIPTION_MOST || script.draft.len() > SOURCE_MOST {
            return wrong("is longer than can be");
        }
        if let Some(parent) = &script.parent
            && (!is_line(&parent.title, TITLE_MOST) || !profiles::is_name(&parent.author) || parent.version < 1)
        {
            return wrong("is a fork of what can't be one");
        }
        bytes += script.draft.len();
        if places.insert(script.script.clone(), all.scripts.len()).is_some() {
            return wrong("is in it twice");
        }
        all.scripts.push(Incoming {
            moved: script,
            mode,
            visibility,
            versions: Vec::new(),
            asides: Vec::new(),
        });
        Ok(())
    })?;
    let mut modern = HashSet::new();
    archive.lines(
        VERSIONS,
        (SCRIPTS_MOST * VERSIONS_MOST) as usize,
        |mut version: MovedVersion| {
            let wrong = |why: &str| {
                Err(archive::refused(format!(
                    "version {} of a script {why}",
                    version.number
                )))
            };
            let Some(script) = places.get(&version.script).map(|place| &mut all.scripts[*place]) else {
                return wrong("is of one that isn't in it");
            };
            let last = script.versions.last().map_or(0, |last| last.number);
            if version.number <= last || version.number > VERSIONS_MOST {
                return wrong("stands out of order, or is one more than there can be");
            }
            if version.source.len() > SOURCE_MOST || !is_line(&version.note, NOTE_MOST) {
                return wrong("is longer than can be");
            }
            bytes += version.source.len();
            if bytes > BYTES_MOST {
                return wrong("is more than one archive of scripts may say");
            }
            let is_known = match version.library.is_empty() {
                true => script.mode.libraries().is_empty(),
                false => script.mode.library(&version.library).is_some(),
            };
            if !is_known {
                modern.insert(version.script.clone());
                version.library = script.mode.newest().to_owned();
            }
            script.versions.push(version);
            Ok(())
        },
    )?;
    archive.lines(ASIDES, (SCRIPTS_MOST * ASIDES_MOST) as usize, |aside: ComingAside| {
        let script = places.get(&aside.script).map(|place| &mut all.scripts[*place]);
        bytes += aside.source.len();
        match script {
            Some(script)
                if aside.source.len() <= SOURCE_MOST
                    && bytes <= BYTES_MOST
                    && (script.asides.len() as i64) < ASIDES_MOST =>
            {
                script.asides.push((aside.source, aside.at));
                Ok(())
            }
            _ => Err(archive::refused(
                "a text that was put aside is too long, or of a script that isn't in it",
            )),
        }
    })?;
    for script in &all.scripts {
        let published = script.moved.published;
        let stands = |number: i64| {
            let version = script.versions.iter().find(|version| version.number == number);
            version.is_some_and(|version| version.published_at.is_some())
        };
        if published.is_some_and(|number| !stands(number)) {
            return Err(archive::refused(format!(
                "the script “{}” shows a version that isn't in it, or that was never published",
                archive::shown(&script.moved.title)
            )));
        }
        if modern.contains(&script.moved.script) {
            all.left.push(Left {
                what: format!("The library of “{}”", archive::shown(&script.moved.title)),
                why: "That version of it isn't here: the script runs with the newest that is.".into(),
            });
        }
    }
    archive.lines(PINS, PINS_MOST as usize, |pin: MovedPin| {
        let wrong = |why: &str| Err(archive::refused(format!("a script on the wall {why}")));
        if !is_id(&pin.script) || all.pins.iter().any(|(id, ..)| *id == pin.script) {
            return wrong("has an id that can't be one, or is there twice");
        }
        if pin.seed.is_some_and(|seed| u32::try_from(seed).is_err()) {
            return wrong("starts with a seed that isn't a number of 32 bits");
        }
        let Some(params) = pins::checked_params(pin.params.get()) else {
            return wrong("starts with numbers that it can't start with");
        };
        if !places.contains_key(&pin.script) && app.db.read(|db| super::published(db, &pin.script)).is_err() {
            all.left.push(Left {
                what: format!(
                    "“{}” by {} on the wall",
                    archive::shown(&pin.title),
                    archive::shown(&pin.author)
                ),
                why: "It is theirs and not in the archive.".into(),
            });
            return Ok(());
        }
        all.pins.push((pin.script, pin.seed, params));
        Ok(())
    })?;
    Ok(all)
}

/// Whether somebody else's script here could have been forked as an archive says, by who it says made it.
fn could_fork(db: &Reader, id: &str, said: &MovedParent) -> bool {
    queries::seen(db, id, None).is_ok_and(|script| {
        script.licence != ALL_RIGHTS_RESERVED
            && *script.author == *said.author
            && queries::version(db, &script, said.version, None).is_ok()
    })
}

fn is_line(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

/// Keeps scripts with their versions and drafts, those alone that aren't here yet; answers the id here of each one there.
///
/// # Errors
/// [`Error::Conflict`] for more than one may have.
pub fn import(tx: &Tx, user_id: i64, all: &Workshop) -> Result<HashMap<String, String>, Error> {
    let mut ids = known(tx, user_id)?;
    let now = now_ms();
    let coming = all
        .scripts
        .iter()
        .filter(|it| !ids.contains_key(&it.moved.script))
        .count() as i64;
    let has: i64 = tx.one("select count(*) from scripts where user_id = ?1", [user_id], |row| {
        row.get(0)
    })?;
    if coming > 0 && has + coming > SCRIPTS_MOST {
        return Err(Error::Conflict(format!(
            "{coming} scripts come in, and you have {has}, those included that you deleted in the last 30 days: {SCRIPTS_MOST} is the most."
        )));
    }
    for script in &all.scripts {
        let moved = &script.moved;
        if ids.contains_key(&moved.script) {
            continue;
        }
        // What it is a fork of came before it, or is here already, or is a credit and nothing else: so no script is its own ancestor.
        let parent = moved.parent.as_ref().and_then(|parent| {
            let there = parent.script.as_ref()?;
            let here = ids.get(there).cloned();
            here.or_else(|| could_fork(tx, there, parent).then(|| there.clone()))
        });
        let id = crypto::Bytes(crypto::random::<16>()).to_string();
        let time = |at: i64| at.clamp(0, now);
        let is_listed = script.visibility == Visibility::Public && moved.published.is_some();
        let listed_at = moved.listed_at.map(time).or(is_listed.then_some(now));
        tx.run(
            "insert into scripts (id, user_id, mode, title, description, licence, visibility, published, listed_at, draft, saved_at,
                                  shuffle, parent_id, parent_version, parent_title, parent_author, created_at, changed_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            params![
                id,
                user_id,
                script.mode,
                moved.title,
                moved.description,
                moved.licence,
                script.visibility,
                moved.published,
                listed_at,
                moved.draft,
                time(moved.saved_at),
                i64::from_le_bytes(crypto::random()),
                parent,
                moved.parent.as_ref().map(|parent| parent.version),
                moved.parent.as_ref().map(|parent| &parent.title),
                moved.parent.as_ref().map(|parent| &parent.author),
                time(moved.created_at),
                time(moved.changed_at)
            ],
        )?;
        for version in &script.versions {
            tx.run(
                "insert into script_versions (script_id, number, source, note, library, made_at, published_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    id,
                    version.number,
                    version.source,
                    version.note,
                    version.library,
                    time(version.made_at),
                    version.published_at.map(time)
                ],
            )?;
        }
        for (nth, (source, at)) in script.asides.iter().rev().enumerate() {
            tx.run(
                "insert into script_asides (script_id, number, window_name, source, revision, at) values (?1, ?2, ?3, ?4, 0, ?5)",
                params![id, nth as i64 + 1, format!("brought-{}", nth + 1), source, time(*at)],
            )?;
        }
        tx.run(
            "insert into brought_things (user_id, kind, there, here) values (?1, 'script', ?2, ?3)
             on conflict do update set here = excluded.here",
            params![user_id, moved.script, id],
        )?;
        mutations::changed(tx, user_id, &id)?;
        ids.insert(moved.script.clone(), id);
    }
    Ok(ids)
}

/// The scripts that a member has here, by the ids that they have in archives: those that were brought, and their own.
///
/// # Errors
/// The database's.
pub fn known(db: &Reader, user_id: i64) -> Result<HashMap<String, String>, Error> {
    let known = db.all(
        "select id, id from scripts where user_id = ?1 and deleted_at is null
          union all
         select b.there, b.here
           from brought_things b
           join scripts s on s.id = b.here and s.user_id = b.user_id and s.deleted_at is null
          where b.user_id = ?1 and b.kind = 'script'",
        [user_id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(known.into_iter().collect())
}

/// Puts scripts on the wall behind those that run there, or `instead` of them; answers which found no room.
///
/// # Errors
/// The database's.
pub fn import_pins(
    tx: &Tx,
    member: &Member,
    all: &Workshop,
    ids: &HashMap<String, String>,
    instead: bool,
) -> Result<Vec<Left>, Error> {
    if instead {
        for pin in queries::pins(tx, member.id)? {
            mutations::unpin(tx, member, &pin.script.id)?;
        }
    }
    let mut left = Vec::new();
    for (there, seed, params) in &all.pins {
        let id = ids.get(there).unwrap_or(there);
        match mutations::pin(tx, member, id, *seed, params) {
            Ok(_) => {}
            Err(Error::Conflict(why)) => left.push(Left {
                what: "A script on the wall".into(),
                why,
            }),
            Err(Error::NotFound) => left.push(Left {
                what: "A script on the wall".into(),
                why: "It isn't here any more.".into(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

/// How many scripts run on a wall.
///
/// # Errors
/// The database's.
pub fn pinned(db: &Reader, user_id: i64) -> Result<i64, Error> {
    db.one(
        "select count(*) from script_pins where user_id = ?1",
        [user_id],
        |row| row.get(0),
    )
}
