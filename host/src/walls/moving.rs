//! A wall's modules, with what their plugins keep for them, as they go along and come back; and what goes with an account.

use std::collections::{BTreeMap, HashMap};

use neospace_runner::protocol::Grants;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    edit::{HEIGHT_MOST, WIDTH_MOST},
    mutations::{self, NewModule},
};
use crate::{
    app::{App, now_ms},
    archive::{self, Archive, Kept, Writer},
    db::{Db, Reader, Tx},
    error::Error,
    plugins::{Plugin, grants, settings},
    words,
};

/// Where modules are in an archive, and what their plugins keep.
pub const MODULES: &str = "data/modules.jsonl";
pub const STORAGE: &str = "data/module-storage.jsonl";
/// Entries of a plugin's storage that are read at once: each has up to 64 KiB.
const ENTRIES_AT_ONCE: i64 = 64;
/// Bytes of a key and of a value, as plugins are held to.
const KEY_MAX: usize = 256;
const VALUE_MAX: usize = 64 * 1024;

/// A module, as it stands in an archive, in the order of the wall.
#[derive(Deserialize, Serialize)]
pub struct Moved {
    /// Its number, by which its storage names it.
    pub module: i64,
    pub plugin: String,
    /// Cells.
    pub width: u8,
    pub height: u8,
    /// A JSON object by the plugin's schema.
    pub settings: Box<RawValue>,
    /// Capabilities that the owner refused, by name.
    pub refused: Vec<String>,
    /// What chance the module draws from, as text: JSON's numbers don't hold 64 bits everywhere.
    pub seed: String,
    pub created_at: i64,
}

/// An entry of a module's storage.
#[derive(Deserialize, Serialize)]
pub struct Entry {
    pub module: i64,
    pub key: String,
    #[serde(flatten)]
    pub value: Kept,
    /// Unix milliseconds.
    pub expires_at: Option<i64>,
}

/// Writes what stands on a member's wall, and what is kept for it.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    let modules = db.read(|db| {
        db.all(
            "select id, plugin, width, height, settings, refused, seed, created_at
               from modules
              where user_id = ?1 and removed_at is null
              order by position, id",
            [user_id],
            |row| {
                let settings: String = row.get(4)?;
                Ok(Moved {
                    module: row.get(0)?,
                    plugin: row.get(1)?,
                    width: row.get(2)?,
                    height: row.get(3)?,
                    settings: RawValue::from_string(settings).unwrap_or_default(),
                    refused: grants::names(Grants(row.get(5)?))
                        .into_iter()
                        .map(str::to_owned)
                        .collect(),
                    seed: (row.get::<_, i64>(6)? as u64).to_string(),
                    created_at: row.get(7)?,
                })
            },
        )
    })?;
    out.lines(MODULES, |lines| {
        modules.iter().try_for_each(|module| lines.push(module))
    })?;
    out.lines(STORAGE, |lines| {
        for module in &modules {
            let mut after = String::new();
            loop {
                let entries = db.read(|db| {
                    db.all(
                        "select key, value, expires_at from plugin_storage
                          where module_id = ?1 and key > ?2 order by key limit ?3",
                        params![module.module, after, ENTRIES_AT_ONCE],
                        |row| {
                            Ok(Entry {
                                module: module.module,
                                key: row.get(0)?,
                                value: Kept::from(row.get::<_, Vec<u8>>(1)?),
                                expires_at: row.get(2)?,
                            })
                        },
                    )
                })?;
                let Some(last) = entries.last() else { break };
                after.clone_from(&last.key);
                entries.iter().try_for_each(|entry| lines.push(entry))?;
            }
        }
        Ok(())
    })
}

/// Modules of one archive: more than a wall holds, in case somebody wants to choose.
const MODULES_MOST: usize = 200;
/// Entries of all their storages together.
const ENTRIES_MOST: usize = 200_000;
/// Capabilities that a module's owner refused: more than there are.
const REFUSED_MOST: usize = 32;
/// Bytes of a module's settings.
const SETTINGS_MOST: usize = 64 * 1024;

/// A module of an archive, for who decides whether it comes along.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Seen {
    pub module: i64,
    /// The plugin's id, and what it is called here.
    pub plugin: String,
    pub name: String,
    /// Entries that the plugin kept for it.
    pub entries: usize,
    /// Why it can't come along.
    pub why: Option<String>,
}

/// A module about to come along; everything in it is checked.
pub struct Incoming {
    new: NewModule,
    seed: i64,
    created_at: i64,
    /// Key, value, when it expires.
    entries: Vec<(String, Vec<u8>, Option<i64>)>,
}

/// What an archive has for a wall, in order; and of those that can come along, what is needed for it.
///
/// # Errors
/// [`Error::Invalid`] for what no module of ours is.
pub fn read(app: &App, archive: &Archive) -> Result<(Vec<Seen>, Vec<Incoming>), Error> {
    let mut modules: Vec<Moved> = Vec::new();
    archive.lines(MODULES, MODULES_MOST, |module: Moved| {
        let wrong = |why: String| Err(archive::refused(format!("module {} {why}", module.module)));
        if modules.iter().any(|other| other.module == module.module) {
            return wrong("is in it twice".into());
        }
        if !is_plugin(&module.plugin) {
            return wrong("is of a plugin whose name can't be one".into());
        }
        if !(1..=WIDTH_MOST).contains(&module.width) || !(1..=HEIGHT_MOST).contains(&module.height) {
            return wrong(format!(
                "takes {} by {} cells, and 1 by 1 to {WIDTH_MOST} by {HEIGHT_MOST} can be",
                module.width, module.height
            ));
        }
        if module.settings.get().len() > SETTINGS_MOST || !module.settings.get().starts_with('{') {
            return wrong("has settings that can't be".into());
        }
        if module.refused.len() > REFUSED_MOST {
            return wrong(format!(
                "was refused more than the {REFUSED_MOST} capabilities that can be"
            ));
        }
        if module.seed.parse::<u64>().is_err() {
            return wrong("has a seed that isn't a number of 64 bits".into());
        }
        modules.push(module);
        Ok(())
    })?;
    let mut kept: HashMap<i64, BTreeMap<String, (Vec<u8>, Option<i64>)>> = HashMap::new();
    archive.lines(STORAGE, ENTRIES_MOST, |entry: Entry| {
        let wrong = |why: &str| Err(archive::refused(format!("an entry that a plugin kept {why}")));
        if !modules.iter().any(|module| module.module == entry.module) {
            return wrong(&format!("is for module {}, which isn't in it", entry.module));
        }
        let value: Vec<u8> = entry.value.into();
        if !(1..=KEY_MAX).contains(&entry.key.len()) || value.len() > VALUE_MAX {
            return wrong("has a key or a value that is longer than can be");
        }
        let entries = kept.entry(entry.module).or_default();
        if entries.insert(entry.key, (value, entry.expires_at)).is_some() {
            return wrong("is in it twice");
        }
        Ok(())
    })?;
    let (mut seen, mut incoming) = (Vec::new(), Vec::new());
    for module in modules {
        let entries = kept.remove(&module.module).unwrap_or_default();
        let standing = app.plugins.standing(&module.plugin);
        let plugin = standing.ready().filter(|plugin| plugin.roles.on_walls());
        let why = match plugin {
            None => Some("The plugin isn't installed here.".to_owned()),
            Some(plugin) => over(plugin, &entries),
        };
        let name = app.plugins.name_of(&module.plugin);
        seen.push(Seen {
            module: module.module,
            name: name.as_deref().unwrap_or(&module.plugin).to_owned(),
            plugin: module.plugin.clone(),
            entries: entries.len(),
            why: why.clone(),
        });
        let Some(plugin) = plugin.filter(|_| why.is_none()) else {
            continue;
        };
        let size = &plugin.manifest.size;
        incoming.push(Incoming {
            new: NewModule {
                plugin: module.plugin.into(),
                width: module.width.max(size.min_width),
                height: module.height.max(size.min_height),
                settings: settings::fitting(&plugin.manifest.settings, module.settings.get()).into(),
                refused: named(&module.refused),
            },
            // Kept as SQLite's signed integer, bit for bit.
            seed: module.seed.parse::<u64>().unwrap_or(0) as i64,
            created_at: module.created_at.clamp(0, now_ms()),
            entries: entries
                .into_iter()
                .map(|(key, (value, expires))| (key, value, expires))
                .collect(),
        });
    }
    Ok((seen, incoming))
}

/// Whether a plugin kept more than it may here.
fn over(plugin: &Plugin, entries: &BTreeMap<String, (Vec<u8>, Option<i64>)>) -> Option<String> {
    let bytes: usize = entries.iter().map(|(key, (value, _))| key.len() + value.len()).sum();
    let (keys_most, bytes_most) = (
        plugin.limits.storage_keys as usize,
        plugin.limits.storage_kib as usize * 1024,
    );
    (entries.len() > keys_most || bytes > bytes_most).then(|| {
        format!(
            "Its plugin kept {} entries of {} for it, and may keep {keys_most} of {} here.",
            entries.len(),
            words::size(bytes as u64),
            words::size(bytes_most as u64)
        )
    })
}

/// Whether a plugin could be called so: its name becomes part of topics and addresses.
fn is_plugin(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn named(names: &[String]) -> Grants {
    let known = names.iter().filter_map(|name| grants::named(name));
    known.fold(Grants::default(), |all, capability| all.or(capability.bit))
}

/// Puts modules up after those that stand there, or `instead` of them: those are taken off then, and can be put back for a
/// while.
///
/// # Errors
/// [`Error::Conflict`] for more than a wall holds.
pub fn import(tx: &Tx, user_id: i64, name: &str, incoming: &[Incoming], instead: bool) -> Result<(), Error> {
    if instead {
        let standing = tx.all(
            "select id from modules where user_id = ?1 and removed_at is null",
            [user_id],
            |row| row.get::<_, i64>(0),
        )?;
        for id in standing {
            mutations::remove(tx, user_id, name, id)?;
        }
    }
    for module in incoming {
        let id = mutations::add(tx, user_id, name, &module.new)?;
        tx.run(
            "update modules set seed = ?2, created_at = ?3 where id = ?1",
            params![id, module.seed, module.created_at],
        )?;
        for (key, value, expires_at) in &module.entries {
            tx.run(
                "insert into plugin_storage (module_id, key, value, expires_at) values (?1, ?2, ?3, ?4)",
                params![id, key, value, expires_at],
            )?;
        }
    }
    Ok(())
}

/// Takes at most `most` entries away that plugins kept for a member who leaves for good; answers how many there were.
///
/// # Errors
/// The database's.
pub fn forget(tx: &Tx, user_id: i64, most: i64) -> Result<i64, Error> {
    let gone = tx.run(
        "delete from plugin_storage
          where (module_id, key) in (select s.module_id, s.key
                                       from modules m
                                       join plugin_storage s on s.module_id = m.id
                                      where m.user_id = ?1
                                      limit ?2)",
        [user_id, most],
    )?;
    Ok(gone as i64)
}

/// Counts what stands on a member's wall, taken off or not, and has everything that shows it made anew: it goes with their row.
/// Answers how many modules there are.
///
/// # Errors
/// The database's.
pub fn leave(tx: &Tx, user_id: i64, name: &str) -> Result<i64, Error> {
    let modules = tx.all("select id from modules where user_id = ?1", [user_id], |row| {
        row.get::<_, i64>(0)
    })?;
    modules.iter().for_each(|id| tx.touch(format!("module:{id}")));
    tx.touch(format!("wall:{name}"));
    Ok(modules.len() as i64)
}

/// How many modules stand on a wall.
///
/// # Errors
/// The database's.
pub fn standing(db: &Reader, user_id: i64) -> Result<i64, Error> {
    db.one(
        "select count(*) from modules where user_id = ?1 and removed_at is null",
        [user_id],
        |row| row.get(0),
    )
}
