//! What a wall wears, as it is kept.

use std::sync::Arc;

use rusqlite::Row;

use super::{starts, theme::Theme};
use crate::{
    db::Reader,
    error::Error,
    profiles::{Profile, pictures},
};

/// A wall's look.
#[derive(Clone, Debug, Hash)]
pub struct Look {
    /// Nothing for the house's, which nobody kept.
    pub id: Option<i64>,
    pub theme: Theme,
    /// The owner's own CSS, as it was typed.
    pub css: String,
    /// Whose wall it was taken from: id and name.
    pub remixed_from: Option<(i64, Arc<str>)>,
    /// Whether others may take it.
    pub remixable: bool,
}

/// What somebody's wall wears.
///
/// # Errors
/// The database's.
pub fn of(db: &Reader, owner: &Profile) -> Result<Look, Error> {
    let house = || starts::house(&owner.colour, pictures::pattern(&owner.name));
    let look = |row: &Row| {
        let source: Option<i64> = row.get(3)?;
        Ok(Look {
            id: row.get(0)?,
            theme: match row.get_ref(1)?.as_str_or_null()? {
                Some(json) => Theme::of_json(json, &house()),
                None => house(),
            },
            css: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            remixed_from: source
                .map(|id| Ok::<_, rusqlite::Error>((id, row.get(4)?)))
                .transpose()?,
            remixable: row.get(5)?,
        })
    };
    db.one(
        "select l.id, l.theme, l.css, source.id, source.name, p.remixable
           from profiles p
           left join looks l on l.id = p.look
           left join users source on source.id = l.remixed_from and source.leaving_at is null
          where p.user_id = ?1",
        [owner.user_id],
        look,
    )
}

/// Whether there is a look to go back to, and one to go forth to.
///
/// # Errors
/// The database's.
pub fn ways(db: &Reader, user_id: i64, look: Option<i64>) -> Result<(bool, bool), Error> {
    let forth = db.one(
        "select exists (select 1 from looks where user_id = ?1 and id > ?2)",
        [user_id, look.unwrap_or(0)],
        |row| row.get(0),
    )?;
    // Behind the first one lies the house's.
    Ok((look.is_some(), forth))
}
