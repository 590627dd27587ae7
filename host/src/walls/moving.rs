//! A wall's modules, with what their plugins keep for them, as they go along and come back; and what goes with an account.

use neospace_runner::protocol::Grants;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    archive::{Kept, Writer},
    db::{Db, Tx},
    error::Error,
    plugins::grants,
};

/// Where modules are in an archive, and what their plugins keep.
pub const MODULES: &str = "data/modules.jsonl";
pub const STORAGE: &str = "data/module-storage.jsonl";
/// Entries of a plugin's storage that are read at once: each has up to 64 KiB.
const ENTRIES_AT_ONCE: i64 = 64;

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

/// Counts what stands on a member's wall, taken off or not, and has everything that shows it made anew: it goes with their row.
/// Answers modules, and entries that their plugins keep.
///
/// # Errors
/// The database's.
pub fn leave(tx: &Tx, user_id: i64, name: &str) -> Result<[i64; 2], Error> {
    let modules = tx.all("select id from modules where user_id = ?1", [user_id], |row| {
        row.get::<_, i64>(0)
    })?;
    let kept = tx.one(
        "select count(*) from plugin_storage s join modules m on m.id = s.module_id where m.user_id = ?1",
        [user_id],
        |row| row.get(0),
    )?;
    modules.iter().for_each(|id| tx.touch(format!("module:{id}")));
    tx.touch(format!("wall:{name}"));
    Ok([modules.len() as i64, kept])
}
