//! Where a wall lives and what its owner founded, as it goes along, and what becomes of it when they go. It comes back nowhere: on
//! another instance there are other neighbourhoods.

use serde::Serialize;

use super::{ALL, topic};
use crate::{
    archive::Writer,
    db::{Db, Tx},
    error::Error,
};

/// Where they are in an archive.
const LIST: &str = "data/neighbourhoods.jsonl";

/// A neighbourhood that one lives in or founded.
#[derive(Serialize)]
struct Moved {
    /// As its address names it.
    neighbourhood: String,
    title: String,
    about: String,
    /// Whether one founded it.
    founder: bool,
    /// When the wall came, Unix milliseconds; nothing where it doesn't live.
    came_at: Option<i64>,
}

/// Writes where a member's wall lives, and what they founded.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    let moved = db.read(|db| {
        db.all(
            "select n.slug, n.title, n.about, n.founder_id is ?1, b.came_at
               from neighbourhoods n
               left join neighbours b on b.neighbourhood_id = n.id and b.user_id = ?1 and b.put_out = 0
              where b.user_id is not null or n.founder_id = ?1
              order by n.slug",
            [user_id],
            |row| {
                Ok(Moved {
                    neighbourhood: row.get(0)?,
                    title: row.get(1)?,
                    about: row.get(2)?,
                    founder: row.get(3)?,
                    came_at: row.get(4)?,
                })
            },
        )
    })?;
    out.lines(LIST, |lines| moved.iter().try_for_each(|it| lines.push(it)))
}

/// Has the pages made anew of every neighbourhood that a member lives in or founded: they are about to leave, are gone, or stay
/// after all.
///
/// # Errors
/// The database's.
pub fn touch(tx: &Tx, user_id: i64) -> Result<(), Error> {
    let slugs = tx.all(
        "select n.slug
           from neighbourhoods n
          where n.founder_id = ?1
          union
         select n.slug
           from neighbours b
           join neighbourhoods n on n.id = b.neighbourhood_id
          where b.user_id = ?1",
        [user_id],
        |row| row.get::<_, String>(0),
    )?;
    slugs.iter().for_each(|slug| tx.touch(topic(slug)));
    tx.touch(ALL);
    Ok(())
}

/// Takes a member's wall out of wherever it stands: their name is about to be nobody's. What they founded stays, without a founder.
///
/// # Errors
/// The database's.
pub fn leave(tx: &Tx, user_id: i64) -> Result<i64, Error> {
    touch(tx, user_id)?;
    Ok(tx.run("delete from neighbours where user_id = ?1", [user_id])? as i64)
}
