//! What a wall is read from: one query, so that owner and modules are of the same moment.

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
    /// The columns id, plugin, width, height, settings, refused, seed from `first` on.
    fn of(row: &Row, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(first)?,
            plugin: row.get(first + 1)?,
            width: row.get(first + 2)?,
            height: row.get(first + 3)?,
            settings: row.get(first + 4)?,
            refused: Grants(row.get(first + 5)?),
            // Kept as SQLite's signed integer, bit for bit.
            seed: row.get::<_, i64>(first + 6)? as u64,
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
    let mut owner = None;
    let modules = db.all(
        "select u.id, u.name, u.created_at, p.bio, p.status, p.mood, p.colour, p.time_zone, p.locale, p.avatar,
                m.id, m.plugin, m.width, m.height, m.settings, m.refused, m.seed
           from users u
           join faces p on p.user_id = u.id
           left join modules m on m.user_id = u.id and m.removed_at is null
          where u.name = ?1 and u.leaving_at is null
          order by m.position, m.id",
        [name],
        |row| {
            if owner.is_none() {
                owner = Some(Profile::of(row)?);
            }
            let stands_there = row.get::<_, Option<i64>>(10)?.is_some();
            stands_there.then(|| Module::of(row, 10)).transpose()
        },
    )?;
    Ok(Wall {
        owner: owner.ok_or(Error::NotFound)?,
        modules: modules.into_iter().flatten().collect(),
    })
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
        |row| Module::of(row, 0),
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
