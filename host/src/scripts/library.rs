//! The modes, and the libraries that go with them: files that are served from here, in versions that stay.
//!
//! A version of a script remembers the library that it was made with. A newer library is added in front of the older ones, which
//! are never taken away: what was published goes on to run.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;

/// What a script is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    P5,
    Three,
    Canvas,
}

/// A library of one version.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Library {
    pub name: &'static str,
    pub version: &'static str,
    /// The folder of `static/vendor/`, and of the frame's addresses, that it lies in.
    #[serde(skip)]
    pub folder: &'static str,
    /// The file that a script loads.
    #[serde(skip)]
    pub file: &'static str,
    /// What that file loads.
    #[serde(skip)]
    pub parts: &'static [&'static str],
}

/// p5.js, the newest first.
const P5: &[Library] = &[Library {
    name: "p5",
    version: "1.11.13",
    folder: "p5-1.11.13",
    file: "p5.min.js",
    parts: &[],
}];
/// Three.js, the newest first.
const THREE: &[Library] = &[Library {
    name: "three",
    version: "0.185.1",
    folder: "three-0.185.1",
    file: "three.module.min.js",
    parts: &["three.core.min.js"],
}];

impl Mode {
    pub const ALL: [Mode; 3] = [Self::P5, Self::Three, Self::Canvas];

    /// As addresses and programs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::P5 => "p5",
            Self::Three => "three",
            Self::Canvas => "canvas",
        }
    }

    /// As people read it.
    pub fn label(self) -> &'static str {
        match self {
            Self::P5 => "p5.js",
            Self::Three => "Three.js",
            Self::Canvas => "plain canvas",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Whether its scripts are modules, which import what they need.
    pub fn is_module(self) -> bool {
        self == Self::Three
    }

    /// The library's versions, the newest first; a plain canvas has none.
    pub fn libraries(self) -> &'static [Library] {
        match self {
            Self::P5 => P5,
            Self::Three => THREE,
            Self::Canvas => &[],
        }
    }

    /// What new versions are made with.
    pub fn newest(self) -> &'static str {
        self.libraries().first().map_or("", |library| library.version)
    }

    /// The library of this version, if it has one.
    pub fn library(self, version: &str) -> Option<&'static Library> {
        self.libraries().iter().find(|library| library.version == version)
    }

    /// What a new script begins with.
    pub fn starter(self) -> &'static str {
        match self {
            Self::P5 => include_str!("starters/p5.js"),
            Self::Three => include_str!("starters/three.js"),
            Self::Canvas => include_str!("starters/canvas.js"),
        }
    }
}

/// Whether a file of a folder belongs to a library.
pub fn has_file(folder: &str, file: &str) -> bool {
    let mut libraries = Mode::ALL.into_iter().flat_map(Mode::libraries);
    libraries.any(|library| library.folder == folder && (library.file == file || library.parts.contains(&file)))
}

impl FromSql for Mode {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::named(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for Mode {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}
