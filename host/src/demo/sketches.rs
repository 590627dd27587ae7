//! What the demo's members have made in the sandbox: examples that they took along and gave names of their own, some forked from one
//! another, some on walls.

use super::member;
use crate::{
    app::App,
    error::Error,
    scripts::{self, Visibility},
};

/// Who made it, its name, the example that it began as, and whether it is on their wall.
const SKETCHES: [(&str, &str, &str, bool); 8] = [
    ("ana", "sixty wings", "flock", true),
    ("tidewatch", "low water", "wind", true),
    ("paperdog", "rain on a listing", "listing", false),
    ("bodo", "the snail's map", "maze", true),
    ("cyan", "two dull rings", "rings", true),
    ("ohm", "hum, removed", "pendulums", true),
    ("wren", "swifts over the station", "galaxy", false),
    ("gull", "the bakery's oven", "fire", true),
];

/// Who forked whose, and what they call it.
const FORKS: [(&str, &str, &str); 2] = [
    ("tidewatch", "sixty wings", "sixty gulls"),
    ("cyan", "sixty gulls", "one gull, sixty times"),
];

/// Fills the sandbox. Who isn't there made nothing.
///
/// # Errors
/// The database's.
pub async fn make(app: &App) -> Result<(), Error> {
    for (name, title, example, on_wall) in SKETCHES {
        let Ok(member) = member(app, name) else { continue };
        let Some(new) = scripts::from_example(example, title) else {
            continue;
        };
        app.db
            .write(move |tx| {
                let id = scripts::begin(tx, member.id, &new)?;
                let version = scripts::keep_version(tx, member.id, &id, "", None)?;
                scripts::make_public(tx, member.id, &id, version, Visibility::Public)?;
                match on_wall {
                    true => scripts::pin_up(tx, &member, &id, None, "{}").map(drop),
                    false => Ok(()),
                }
            })
            .await?;
    }
    for (name, of, title) in FORKS {
        let Ok(member) = member(app, name) else { continue };
        app.db
            .write(move |tx| {
                let source = tx.maybe("select id from scripts where title = ?1", [of], |row| {
                    row.get::<_, String>(0)
                })?;
                let Some(source) = source else { return Ok(()) };
                let id = scripts::fork_from(tx, &member, &source, None)?;
                scripts::rename(tx, member.id, &id, title)?;
                let version = scripts::keep_version(tx, member.id, &id, "", None)?;
                scripts::make_public(tx, member.id, &id, version, Visibility::Public)
            })
            .await?;
    }
    Ok(())
}
