//! What a wall is read from: one query for its owner, one for its modules.

use std::sync::Arc;

use neospace_runner::protocol::Grants;
use rusqlite::Row;

use crate::{
    db::Reader,
    error::Error,
    plugins::Installation,
    profiles::{self, Profile},
};

/// A wall: whose it is, and what stands on it, in order.
pub struct Wall {
    pub owner: Profile,
    pub modules: Vec<Module>,
}

/// One module, as it is kept.
#[derive(Clone, Debug, Hash)]
pub struct Module {
    pub id: i64,
    pub plugin: Arc<str>,
    pub width: u8,
    pub height: u8,
    pub settings: Arc<str>,
    pub refused: Grants,
    pub seed: u64,
}

impl Module {
    fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            plugin: row.get(1)?,
            width: row.get(2)?,
            height: row.get(3)?,
            settings: row.get(4)?,
            refused: Grants(row.get(5)?),
            // Kept as SQLite's signed integer, bit for bit.
            seed: row.get::<_, i64>(6)? as u64,
        })
    }

    /// As the plugin platform takes it; with [`Profile::utc_offset_minutes`], which a whole wall shares.
    pub fn installation(&self, owner: &Profile, utc_offset_minutes: i16) -> Installation {
        Installation {
            id: self.id,
            plugin: self.plugin.clone(),
            wall: owner.name.clone(),
            owner_id: owner.user_id,
            settings: self.settings.clone(),
            seed: self.seed,
            width: self.width,
            height: self.height,
            refused: self.refused,
            utc_offset_minutes,
            locale: owner.locale.clone(),
        }
    }
}

/// A wall with everything on it.
///
/// # Errors
/// [`Error::NotFound`].
pub fn wall(db: &Reader, name: &str) -> Result<Wall, Error> {
    let owner = profiles::find(db, name)?;
    let modules = db.all(
        "select id, plugin, width, height, settings, refused, seed
           from modules
          where user_id = ?1 and removed_at is null
          order by position, id",
        [owner.user_id],
        Module::of,
    )?;
    Ok(Wall { owner, modules })
}

/// One module of a wall.
///
/// # Errors
/// [`Error::NotFound`], also for a module of another wall.
pub fn module(db: &Reader, wall: &str, id: i64) -> Result<(Profile, Module), Error> {
    let owner = profiles::find(db, wall)?;
    let module = db.one(
        "select id, plugin, width, height, settings, refused, seed
           from modules
          where id = ?1 and user_id = ?2 and removed_at is null",
        [id, owner.user_id],
        Module::of,
    )?;
    Ok((owner, module))
}

/// The modules of these plugins on the walls of these members.
///
/// # Errors
/// The database's.
pub fn modules_of(db: &Reader, wall: &str, plugins: &[Arc<str>]) -> Result<Vec<i64>, Error> {
    let all = db.all(
        "select m.id, m.plugin
           from modules m
           join users u on u.id = m.user_id
          where u.name = ?1 and m.removed_at is null",
        [wall],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Arc<str>>(1)?)),
    )?;
    Ok(all
        .into_iter()
        .filter(|(_, plugin)| plugins.contains(plugin))
        .map(|(id, _)| id)
        .collect())
}
