//! Members' scripts: sketches in JavaScript with one draft that saves itself and immutable versions, one of which others see.
//!
//! The server keeps and shows text; it never runs it. What runs, runs in the browser of who pressed *Run*, in a frame without an
//! origin, a network, a storage or a way out (`frame.rs`, `ui/js/frame/`). A script is told nothing of who looks at it. Nothing that was
//! typed is lost to a second window, nothing published changes, nobody is ranked and nobody is counted. `docs/scripts.md` has the
//! addresses and the protocol.

mod diff;
mod examples;
mod forms;
mod frame;
mod gallery;
mod library;
pub mod moving;
mod mutations;
mod numbers;
mod page;
mod pins;
mod queries;
mod standalone;
mod tree;
mod view;

use std::sync::Arc;

use serde::Serialize;

pub use examples::{example, example_source, examples, framed as framed_example, new as from_example};
pub use forms::{create, delete, details, drop_aside, fork, make_version, publish, restore, save};
pub use frame::{address as frame_address, lib, of_example, show as frame};
pub use gallery::{list, mine};
pub use library::Mode;
pub use mutations::{
    New, create as begin, fork as fork_from, make_version as keep_version, pin as pin_up, publish as make_public,
    rename,
};
pub use page::{diff, draft, edit, show, source, standalone, version, versions};
pub use pins::{
    add as pin, drawer as pins_drawer, list as pins, on_wall, remove as unpin, set as set_pin, step as move_pin,
};
pub use view::Framed;

use crate::{app::App, db::Reader, error::Error};

/// Bytes of a source.
pub const SOURCE_MOST: usize = 128 * 1024;
/// Characters of a title.
pub const TITLE_MOST: usize = 80;
/// Characters of a description.
pub const DESCRIPTION_MOST: usize = 2_000;
/// Characters of what is said about a version.
pub const NOTE_MOST: usize = 200;
/// Scripts of one member, those that wait to be had back included.
pub const SCRIPTS_MOST: i64 = 500;
/// Versions of one script.
pub const VERSIONS_MOST: i64 = 500;
/// Texts that are put aside, of one script.
pub const ASIDES_MOST: i64 = 20;
/// Scripts on one wall.
pub const PINS_MOST: i64 = 3;
/// Numbers that can be changed in a running script.
pub const PARAMS_MOST: usize = 12;
/// Characters of a number's name.
pub const PARAM_NAME_MOST: usize = 40;
/// A script that was deleted can be had back for so long: 30 days, in milliseconds.
pub const KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// The licences that can be chosen: the SPDX id, and what it says in a few words.
pub const LICENCES: [(&str, &str); 7] = [
    ("CC0-1.0", "CC0 1.0: anyone may do anything, without a word"),
    ("MIT", "MIT: anyone may do anything and keeps your name on it"),
    ("Apache-2.0", "Apache 2.0: as MIT, with a word on patents"),
    ("GPL-3.0-or-later", "GPL 3: what is made of it stays as free"),
    ("CC-BY-4.0", "CC BY 4.0: share and change, naming you"),
    ("CC-BY-SA-4.0", "CC BY-SA 4.0: the same, and under the same terms"),
    (ALL_RIGHTS_RESERVED, "All rights reserved: to be read, not to be forked"),
];
const ALL_RIGHTS_RESERVED: &str = "all-rights-reserved";
/// What the forms begin with.
pub const LICENCE: &str = "MIT";

/// Who may see a script that has a published version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Its author alone.
    Private,
    /// Whoever has the address.
    Unlisted,
    /// Everybody; it is in the gallery.
    Public,
}

impl Visibility {
    pub const ALL: [Visibility; 3] = [Self::Private, Self::Unlisted, Self::Public];

    /// As forms and programs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Unlisted => "unlisted",
            Self::Public => "public",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|visibility| visibility.name() == name)
    }
}

/// A script, as others put it up somewhere: the version that is published now.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Published {
    pub id: Arc<str>,
    pub version: i64,
    pub title: String,
    pub mode: Mode,
    /// The author's user name.
    pub author: Arc<str>,
    /// One of [`LICENCES`].
    pub licence: String,
}

/// The published version of a script that everybody may see: a public one, or an unlisted one for who knows its id.
///
/// # Errors
/// [`Error::NotFound`] for one that isn't there, isn't published, or is its author's alone.
pub fn published(db: &Reader, id: &str) -> Result<Published, Error> {
    let script = queries::seen(db, id, None)?;
    script.published().ok_or(Error::NotFound)
}

/// A script that everybody may see, in a frame: what `templates/scripts/frame.html` reads as `f`. `window` is its id on the page,
/// which needs `css/scripts.css` (in `css/walls.css`) and `js/frame/frame.js`.
///
/// # Errors
/// As [`published`].
pub fn in_frame(app: &App, id: &str, window: String) -> Result<Framed, Error> {
    let script = app.db.read(|db| queries::seen(db, id, None))?;
    match script.published() {
        Some(_) => Ok(view::framed(app, &script, window)),
        None => Err(Error::NotFound),
    }
}

/// A member's own scripts that everybody may see, for a form to suggest: id and title.
///
/// # Errors
/// The database's.
pub fn suggested(db: &Reader, user_id: i64) -> Result<Vec<(Arc<str>, String)>, Error> {
    let mine = queries::mine(db, user_id, false)?;
    let shown = mine
        .into_iter()
        .filter_map(|script| script.published().map(|it| (it.id, it.title)));
    Ok(shown.collect())
}

/// The id in what somebody typed: an id, or the address of a script's page.
pub fn named(text: &str) -> Option<&str> {
    text.rsplit('/').find(|part| !part.is_empty()).filter(|id| is_id(id))
}

/// Whether this can be a script's id: 22 letters of base64url.
pub fn is_id(id: &str) -> bool {
    crate::crypto::Bytes::<16>::parse(id).is_some()
}

/// What changes when a script does.
fn topic(id: &str) -> String {
    format!("script:{id}")
}

/// What changes when the gallery does.
const GALLERY: &str = "sandbox";
