//! What accounts, `/settings` and its notices are read from.

use crate::crypto::{Bytes, Parameters};
use crate::db::Reader;
use crate::error::Error;
use rusqlite::Row;

/// What an account is checked with.
pub struct Credentials {
    pub id: i64,
    pub parameters: Parameters,
    /// argon2id of the auth key, a PHC string.
    pub auth_hash: String,
}

/// The credentials of a folded name.
pub fn credentials(db: &Reader, name: &str) -> Result<Option<Credentials>, Error> {
    let row = |row: &Row| {
        Ok(Credentials {
            id: row.get(0)?,
            parameters: Parameters {
                salt: Bytes(row.get(1)?),
                rounds: row.get(2)?,
            },
            auth_hash: row.get(3)?,
        })
    };
    db.maybe(
        "select id, auth_salt, auth_rounds, auth_hash from users where name = ?1 and left_at is null",
        [name],
        row,
    )
}

/// What the settings say of a member: when the account was made, the time zone they live in, and whether their cursor may be
/// shown on walls.
pub struct Owner {
    pub created_at: i64,
    pub time_zone: String,
    pub cursor: bool,
}

pub fn owner(db: &Reader, user_id: i64) -> Result<Owner, Error> {
    db.one(
        "select u.created_at, p.time_zone, p.cursor from users u join profiles p on p.user_id = u.id where u.id = ?1",
        [user_id],
        |row| {
            Ok(Owner {
                created_at: row.get(0)?,
                time_zone: row.get(1)?,
                cursor: row.get(2)?,
            })
        },
    )
}

/// One session of a member.
pub struct Device {
    pub id: i64,
    pub device: String,
    pub created_at: i64,
    pub last_seen_at: i64,
}

/// A member's sessions that are alive, the one seen last first.
pub fn devices(db: &Reader, user_id: i64, idle_since: i64, begun_since: i64) -> Result<Vec<Device>, Error> {
    db.all(
        "select id, device, created_at, last_seen_at
           from sessions
          where user_id = ?1 and last_seen_at >= ?2 and created_at >= ?3
          order by last_seen_at desc, id desc",
        [user_id, idle_since, begun_since],
        |row| {
            Ok(Device {
                id: row.get(0)?,
                device: row.get(1)?,
                created_at: row.get(2)?,
                last_seen_at: row.get(3)?,
            })
        },
    )
}

/// What a module told its owner.
pub struct Notice {
    pub id: i64,
    pub plugin: String,
    pub text: String,
    pub created_at: i64,
    pub read_at: Option<i64>,
}

/// At most `limit` notices older than the one with the id `before`, newest first.
pub fn notices(db: &Reader, user_id: i64, before: i64, limit: usize) -> Result<Vec<Notice>, Error> {
    db.all(
        "select id, plugin, text, created_at, read_at
           from notices
          where user_id = ?1 and id < ?2
          order by id desc
          limit ?3",
        rusqlite::params![user_id, before, limit as i64],
        |row| {
            Ok(Notice {
                id: row.get(0)?,
                plugin: row.get(1)?,
                text: row.get(2)?,
                created_at: row.get(3)?,
                read_at: row.get(4)?,
            })
        },
    )
}

/// Whether a member has a notice that is unread.
pub fn has_unread(db: &Reader, user_id: i64) -> Result<bool, Error> {
    let found = db.maybe(
        "select 1 from notices where user_id = ?1 and read_at is null limit 1",
        [user_id],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}
