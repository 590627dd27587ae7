//! What becomes of stickers when who stuck them goes.

use super::{topic, wall_topic};
use crate::{db::Tx, error::Error};

/// Has every wall made anew that a member's stickers lie on. They go with the member's row, and so do those on their own wall;
/// answers how many that are.
///
/// # Errors
/// The database's.
pub fn leave(tx: &Tx, user_id: i64) -> Result<i64, Error> {
    let walls = tx.all(
        "select u.name, count(*)
           from stickers s
           join users u on u.id = s.wall_id
          where s.user_id = ?1 or s.wall_id = ?1
          group by u.name",
        [user_id],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)),
    )?;
    for (wall, _) in &walls {
        tx.touch(wall_topic(wall));
        tx.touch(topic(wall));
    }
    Ok(walls.iter().map(|(_, many)| many).sum())
}
