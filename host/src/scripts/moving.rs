//! What becomes of scripts when their author goes.

use super::{GALLERY, mutations, topic};
use crate::{db::Tx, error::Error};

/// Has everything that shows a member's scripts made anew, walls that run them included: they are about to leave, are gone, or
/// stay after all. Answers how many scripts there are.
///
/// # Errors
/// The database's.
pub fn touch(tx: &Tx, user_id: i64, name: &str) -> Result<i64, Error> {
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
    Ok(scripts.len() as i64)
}
