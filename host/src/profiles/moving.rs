//! Who a member is, as it goes along and comes back.

use std::collections::{HashMap, HashSet};

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{Changes, Pictures, Profile, pictures_of, save};
use crate::{
    archive::{self, Archive, Writer},
    db::{Db, Tx},
    error::Error,
    http::Form,
};

/// Where it is in an archive.
pub const FILE: &str = "data/profile.json";

/// What stands in an archive.
#[derive(Deserialize, Serialize)]
pub struct Moved {
    pub bio: String,
    pub status: String,
    pub mood: String,
    pub colour: String,
    pub time_zone: String,
    /// Whether others see that one is here, and one's cursor.
    pub present: bool,
    #[serde(default)]
    pub cursor: bool,
    /// Whether one sees walls plainly.
    #[serde(default)]
    pub plain: bool,
    /// Pictures, by their ids in `data/media.jsonl`.
    #[serde(default)]
    pub avatar: Option<String>,
    #[serde(default)]
    pub banner: Option<String>,
}

/// Writes a member's profile.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    let moved = db.read(|db| {
        let Pictures { avatar, banner } = pictures_of(db, user_id)?;
        db.one(
            "select bio, status, mood, colour, time_zone, present, cursor, plain from profiles where user_id = ?1",
            [user_id],
            |row| {
                Ok(Moved {
                    bio: row.get(0)?,
                    status: row.get(1)?,
                    mood: row.get(2)?,
                    colour: row.get(3)?,
                    time_zone: row.get(4)?,
                    present: row.get(5)?,
                    cursor: row.get(6)?,
                    plain: row.get(7)?,
                    avatar: avatar.as_ref().map(|picture| picture.id.to_string()),
                    banner: banner.as_ref().map(|picture| picture.id.to_string()),
                })
            },
        )
    })?;
    out.json(FILE, &moved)
}

/// A profile about to come along; everything in it is checked.
pub struct Incoming(Moved);

impl Incoming {
    /// What it says, in words.
    pub fn says(&self) -> Vec<String> {
        let Self(moved) = self;
        let has = [
            ("a bio", !moved.bio.is_empty()),
            ("a status", !moved.status.is_empty()),
            ("a mood", !moved.mood.is_empty()),
            ("a picture of you", moved.avatar.is_some()),
            ("a banner", moved.banner.is_some()),
        ];
        let mut words: Vec<String> = has
            .into_iter()
            .filter(|(_, has)| *has)
            .map(|(what, _)| what.into())
            .collect();
        words.push("your ink and time zone".into());
        words
    }

    /// The pictures that it needs.
    pub fn media(&self) -> impl Iterator<Item = String> {
        self.0.avatar.iter().chain(&self.0.banner).cloned()
    }

    /// Whether others see that one is here.
    pub fn is_present(&self) -> bool {
        self.0.present
    }

    /// What is said of oneself.
    pub fn bio(&self) -> &str {
        &self.0.bio
    }

    /// As its form is typed.
    fn form(&self) -> Vec<(&'static str, &str)> {
        let Self(moved) = self;
        vec![
            ("bio", &moved.bio),
            ("status", &moved.status),
            ("mood", &moved.mood),
            ("colour", &moved.colour),
            ("time_zone", &moved.time_zone),
        ]
    }
}

fn typed(fields: Vec<(&'static str, &str)>) -> Form {
    Form(
        fields
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
    )
}

/// The profile of an archive, if it has one. `media` are the ids of its pictures.
///
/// # Errors
/// [`Error::Invalid`] for what no form takes.
pub fn read(archive: &Archive, owner: &Profile, media: &HashSet<String>) -> Result<Option<Incoming>, Error> {
    let Some(moved) = archive.json::<Moved>(FILE)? else {
        return Ok(None);
    };
    if moved.avatar.iter().chain(&moved.banner).any(|id| !media.contains(id)) {
        return Err(archive::refused("its profile has a picture that isn't in it"));
    }
    let incoming = Incoming(moved);
    Changes::check(&typed(incoming.form()), owner).map_err(|error| {
        archive::refused(format!(
            "its profile can't be somebody's: {}",
            error.detail().trim_end_matches('.')
        ))
    })?;
    Ok(Some(incoming))
}

/// Gives a member the profile, `instead` of theirs or where they say nothing; whether anything came. `media` has the new id of each picture.
///
/// # Errors
/// The database's.
pub fn import(
    tx: &Tx,
    owner: &Profile,
    incoming: &Incoming,
    media: &HashMap<String, String>,
    instead: bool,
) -> Result<bool, Error> {
    let Incoming(moved) = incoming;
    let mut fields = incoming.form();
    if !instead {
        let said = [("bio", &owner.bio), ("status", &owner.status), ("mood", &owner.mood)];
        fields.retain(|(name, text)| !text.is_empty() && said.iter().any(|(own, is)| own == name && is.is_empty()));
    }
    let has = pictures_of(tx, owner.user_id)?;
    for (name, id, has) in [
        ("avatar", &moved.avatar, has.avatar.is_some()),
        ("banner", &moved.banner, has.banner.is_some()),
    ] {
        let id = id.as_ref().and_then(|id| media.get(id)).map_or("", String::as_str);
        if instead || !has && !id.is_empty() {
            fields.push((name, id));
        }
    }
    let came = !fields.is_empty();
    save(tx, owner, &Changes::check(&typed(fields), owner)?)?;
    if instead {
        tx.run(
            "update profiles set present = ?2, cursor = ?3, plain = ?4 where user_id = ?1",
            params![owner.user_id, moved.present, moved.cursor, moved.plain],
        )?;
    }
    Ok(came)
}
