//! How a wall looks, as it goes along and comes back. Everything is read as from the form: a theme of another make is refused, and
//! CSS is kept as it was typed and rebuilt when it is shown.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{custom, mutations, queries, starts, theme::Theme};
use crate::{
    archive::{self, Archive, Left, Writer},
    db::{Db, Reader, Tx},
    error::Error,
    profiles::{Profile, pictures},
};

/// Where it is in an archive.
pub const FILE: &str = "data/look.json";

/// A look, as it stands in an archive.
#[derive(Debug, Deserialize, Serialize)]
pub struct Moved {
    /// The theme's fields, as its form names them.
    pub theme: BTreeMap<String, String>,
    /// The owner's own CSS, as it was typed.
    pub css: String,
    /// Whose wall it was taken from.
    pub remixed_from: Option<String>,
    /// Whether others may take it.
    pub remixable: bool,
}

/// Has the walls that credit a member made anew: they are about to leave, are gone, or stay after all.
///
/// # Errors
/// The database's.
pub fn touch(tx: &Tx, user_id: i64) -> Result<(), Error> {
    let walls = tx.all(
        "select distinct u.name from looks l join users u on u.id = l.user_id where l.remixed_from = ?1",
        [user_id],
        |row| row.get::<_, String>(0),
    )?;
    for wall in walls {
        tx.touch(super::topic(&wall));
        tx.touch(format!("wall:{wall}"));
    }
    Ok(())
}

/// Writes how a member's wall looks; nothing where it looks as the house's do.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, owner: &Profile, out: &mut Writer) -> Result<(), Error> {
    let look = db.read(|db| queries::of(db, owner))?;
    if look.id.is_none() {
        return Ok(());
    }
    out.json(
        FILE,
        &Moved {
            theme: look.theme.fields().into_iter().collect(),
            css: look.css,
            remixed_from: look.remixed_from.map(|(_, name)| name.to_string()),
            remixable: look.remixable,
        },
    )
}

/// A look about to come along; everything in it is checked.
pub struct Incoming {
    theme: Theme,
    css: String,
    remixable: bool,
    remixed_from: Option<String>,
    /// The pictures of the archive that its CSS shows.
    media: HashSet<String>,
}

impl Incoming {
    /// What it is, in words.
    pub fn says(&self) -> &'static str {
        match self.css.trim().is_empty() {
            true => "the theme",
            false => "the theme, and CSS of your own",
        }
    }

    /// The pictures that it needs.
    pub fn media(&self) -> impl Iterator<Item = String> {
        self.media.iter().cloned()
    }

    /// What of it stays behind.
    pub fn left(&self) -> Option<Left> {
        let from = self.remixed_from.as_ref()?;
        Some(Left {
            what: format!("The credit of the look to {}", archive::shown(from)),
            why: "That wall is elsewhere, and the name may be somebody else's here.".into(),
        })
    }
}

/// The look of an archive, if it has one. `media` are the ids of its pictures.
///
/// # Errors
/// [`Error::Invalid`] for what no look of ours is.
pub fn read(archive: &Archive, owner: &Profile, media: &HashSet<String>) -> Result<Option<Incoming>, Error> {
    let Some(moved) = archive.json::<Moved>(FILE)? else {
        return Ok(None);
    };
    if moved.css.len() > custom::SOURCE_MOST {
        return Err(archive::refused(format!(
            "its CSS has {} bytes, and at most {} can be",
            moved.css.len(),
            custom::SOURCE_MOST
        )));
    }
    let house = starts::house(&owner.colour, pictures::pattern(&owner.name));
    let theme = Theme::read(&house, |name| moved.theme.get(name).map(String::as_str)).map_err(|invalid| {
        let first = invalid.errors.first();
        let why = first.map_or_else(String::new, |error| format!("{}: {}", error.field, error.message));
        archive::refused(format!("its theme can't be worn ({})", why.trim_end_matches('.')))
    })?;
    let shows = |id: &&String| moved.css.contains(&format!("/media/{id}/"));
    Ok(Some(Incoming {
        theme,
        media: media.iter().filter(shows).cloned().collect(),
        css: moved.css,
        remixable: moved.remixable,
        remixed_from: moved.remixed_from,
    }))
}

/// Has a wall wear the look; the one before can be gone back to. `media` has the new id of each picture.
///
/// # Errors
/// The database's.
pub fn import(tx: &Tx, owner: &Profile, look: &Incoming, media: &HashMap<String, String>) -> Result<(), Error> {
    let mut css = look.css.clone();
    // A member's own pictures are in `media` as themselves, and there may be thousands that the CSS doesn't show.
    let shown = look.media.iter().filter_map(|old| Some((old, media.get(old)?)));
    for (old, new) in shown.filter(|(old, new)| old != new) {
        css = css.replace(&format!("/media/{old}/"), &format!("/media/{new}/"));
    }
    mutations::keep(tx, owner, &look.theme, &css, None)?;
    mutations::allow(tx, owner, look.remixable)
}

/// Whether a wall wears anything but the house's look.
///
/// # Errors
/// The database's.
pub fn is_dressed(db: &Reader, user_id: i64) -> Result<bool, Error> {
    db.one(
        "select look is not null from profiles where user_id = ?1",
        [user_id],
        |row| row.get(0),
    )
}
