//! Who a member is on their wall: bio, status, mood, colour, time zone; and the pictures that come with the name.
//!
//! Text is text: nothing in it is markup. A profile is edited on the wall, so its routes are there.

pub mod moving;
pub mod pictures;

use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};
use rusqlite::{Row, params};

use crate::{
    db::{Reader, Tx},
    error::{Error, Invalid},
    http::Form,
    media::{self, Picture},
    session::{self, Member},
};

/// Characters of each text.
const BIO_MOST: usize = 500;
const STATUS_MOST: usize = 80;
const MOOD_MOST: usize = 60;

/// A member, as their wall shows them.
#[derive(Clone, Debug, Hash)]
pub struct Profile {
    pub user_id: i64,
    pub name: Arc<str>,
    /// Unix milliseconds.
    pub created_at: i64,
    pub bio: String,
    pub status: String,
    pub mood: String,
    /// A value of [`pictures::COLOURS`].
    pub colour: Arc<str>,
    /// An IANA name.
    pub time_zone: String,
    pub locale: Arc<str>,
    /// The picture that stands for them, if there is one: its id.
    pub avatar: Option<Arc<str>>,
}

impl Profile {
    /// A row of id, name, created_at, bio, status, mood, colour, time_zone, locale, avatar.
    pub fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            user_id: row.get(0)?,
            name: row.get(1)?,
            created_at: row.get(2)?,
            bio: row.get(3)?,
            status: row.get(4)?,
            mood: row.get(5)?,
            colour: row.get(6)?,
            time_zone: row.get(7)?,
            locale: row.get(8)?,
            avatar: row.get(9)?,
        })
    }

    /// Whom it is of, as a visitor of others.
    pub fn member(self) -> Member {
        Member {
            id: self.user_id,
            name: self.name,
            colour: self.colour,
            avatar: self.avatar,
        }
    }

    /// The owner's local time minus UTC, in minutes, at a time in Unix milliseconds.
    pub fn utc_offset_minutes(&self, now_ms: i64) -> i16 {
        let Ok(now) = Timestamp::from_millisecond(now_ms) else {
            return 0;
        };
        match TimeZone::get(&self.time_zone) {
            // At most 26 hours either way, so minutes fit.
            Ok(zone) => (zone.to_offset(now).seconds() / 60) as i16,
            Err(_) => 0,
        }
    }
}

/// Whether somebody could have this name: 3 to 24 of `a-z0-9_-`. What can't be a name need not be looked for, nor
/// remembered.
pub fn is_name(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// The profile of a user name.
///
/// # Errors
/// [`Error::NotFound`], also for somebody who is about to leave for good: others don't find them any more.
pub fn find(db: &Reader, name: &str) -> Result<Profile, Error> {
    db.one(
        "select u.id, u.name, u.created_at, p.bio, p.status, p.mood, p.colour, p.time_zone, p.locale, p.avatar
           from users u
           join faces p on p.user_id = u.id
          where u.name = ?1 and u.leaving_at is null",
        [name],
        Profile::of,
    )
}

/// Only its owner changes a wall.
///
/// # Errors
/// [`Error::Forbidden`] for everyone else.
pub fn owns(member: &Member, wall: &str) -> Result<(), Error> {
    if *member.name == *wall {
        return Ok(());
    }
    Err(Error::Forbidden(format!(
        "This is {wall}'s wall: only {wall} can change it."
    )))
}

/// The profile of a member, also of one who is about to leave.
///
/// # Errors
/// [`Error::NotFound`] for one who has left.
pub fn own(db: &Reader, user_id: i64) -> Result<Profile, Error> {
    db.one(
        "select u.id, u.name, u.created_at, p.bio, p.status, p.mood, p.colour, p.time_zone, p.locale, p.avatar
           from users u
           join faces p on p.user_id = u.id
          where u.id = ?1",
        [user_id],
        Profile::of,
    )
}

/// What a member wants to be changed; checked.
#[derive(Clone, Debug)]
pub struct Changes {
    bio: String,
    status: String,
    mood: String,
    colour: String,
    time_zone: String,
    /// Pictures: an id, nothing for none; unchanged where the form doesn't name them.
    avatar: Option<String>,
    banner: Option<String>,
}

/// Pictures of a member's own that stand for them.
#[derive(Clone, Debug, Default, Hash)]
pub struct Pictures {
    pub avatar: Option<Picture>,
    pub banner: Option<Picture>,
}

/// The pictures of a member's own.
///
/// # Errors
/// The database's.
pub fn pictures_of(db: &Reader, user_id: i64) -> Result<Pictures, Error> {
    let one = |what| Ok::<_, Error>(media::pictures_of(db, what, user_id)?.into_iter().next());
    Ok(Pictures {
        avatar: one("avatar")?,
        banner: one("banner")?,
    })
}

impl Changes {
    /// Reads a form; fields that it lacks stay as they are.
    ///
    /// # Errors
    /// [`Error::Invalid`], saying what is allowed.
    pub fn check(form: &Form, old: &Profile) -> Result<Self, Error> {
        let mut invalid = Invalid::default();
        let mut text = |field: &str, old: &str, most: usize| {
            let Some(value) = form.get(field) else {
                return old.to_owned();
            };
            let value = value.trim();
            if value.chars().count() > most {
                invalid.add(
                    field,
                    format!(
                        "At most {most} characters, please: these are {}.",
                        value.chars().count()
                    ),
                );
            }
            value.to_owned()
        };
        let changes = Self {
            bio: text("bio", &old.bio, BIO_MOST),
            status: text("status", &old.status, STATUS_MOST).replace('\n', " "),
            mood: text("mood", &old.mood, MOOD_MOST).replace('\n', " "),
            colour: text("colour", &old.colour, 20),
            time_zone: text("time_zone", &old.time_zone, 60),
            avatar: form.get("avatar").map(|id| id.trim().to_owned()),
            banner: form.get("banner").map(|id| id.trim().to_owned()),
        };
        if !pictures::COLOURS.iter().any(|(colour, _)| *colour == changes.colour) {
            invalid.add("colour", "Choose one of the five inks: red, green, blue, mauve or ink.");
        }
        if TimeZone::get(&changes.time_zone).is_err() {
            invalid.add(
                "time_zone",
                "This zone isn't known. Zones have names such as Europe/Lisbon or UTC.",
            );
        }
        invalid.into_result()?;
        Ok(changes)
    }

    /// What they will say of themselves.
    pub fn bio(&self) -> &str {
        &self.bio
    }
}

/// Lets a picture of a member's own stand for them: `what` is "avatar" or "banner", `id` nothing for none.
fn wear(tx: &Tx, user_id: i64, name: &str, what: &str, id: &str) -> Result<(), Error> {
    media::detach(tx, what, user_id)?;
    if id.is_empty() {
        return Ok(());
    }
    let picture = media::picture(tx, user_id, id).map_err(|_| {
        Error::field(
            what,
            "This picture is not in your library. Choose another, or upload it.",
        )
    })?;
    let wall = format!("wall:{name}");
    media::attach(tx, &picture.id, what, user_id, &wall, &format!("/wall/{name}"))
}

/// Gives a member a picture of their library for a face, and names everything that shows it.
///
/// # Errors
/// [`Error::Invalid`] for one that isn't theirs.
pub fn wear_face(tx: &Tx, user_id: i64, name: &str, id: &str) -> Result<(), Error> {
    wear(tx, user_id, name, "avatar", id)?;
    tx.touch(format!("wall:{name}"));
    tx.touch(session::topic(user_id));
    tx.touch("people");
    Ok(())
}

/// Keeps changes of a profile, and names everything that shows it.
///
/// # Errors
/// The database's.
pub fn save(tx: &Tx, profile: &Profile, changes: &Changes) -> Result<(), Error> {
    for (what, chosen) in [("avatar", &changes.avatar), ("banner", &changes.banner)] {
        if let Some(id) = chosen {
            wear(tx, profile.user_id, &profile.name, what, id)?;
        }
    }
    tx.run(
        "update profiles
            set bio = ?2, status = ?3, mood = ?4, colour = ?5, time_zone = ?6
          where user_id = ?1",
        params![
            profile.user_id,
            changes.bio,
            changes.status,
            changes.mood,
            changes.colour,
            changes.time_zone
        ],
    )?;
    tx.touch(format!("wall:{}", profile.name));
    // The house's look is printed in the member's ink.
    tx.touch(format!("look:{}", profile.name));
    tx.touch(session::topic(profile.user_id));
    tx.touch("people");
    if changes.time_zone != profile.time_zone {
        let modules = tx.all(
            "select id from modules where user_id = ?1 and removed_at is null",
            [profile.user_id],
            |row| row.get::<_, i64>(0),
        )?;
        modules.into_iter().for_each(|id| tx.touch(format!("module:{id}")));
    }
    Ok(())
}

/// The names of all time zones, for the form to suggest.
pub fn time_zones() -> Vec<String> {
    let mut names: Vec<String> = jiff::tz::db()
        .available()
        .map(|name| name.as_str().to_owned())
        .collect();
    names.retain(|name| name == "UTC" || name.contains('/') && !name.starts_with("Etc/"));
    names
}
