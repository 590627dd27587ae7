//! Members' names, as everything here binds them.

use std::{fmt, ops::Deref, str::FromStr};

use serde::{Deserialize, Serialize};

/// A member's name as it is stored: 3 to 24 of `a-z`, `0-9`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

/// What a name must be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A name has 3 to 24 characters: small letters, digits, _ and -.")]
pub struct BadName;

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(name: String) -> Result<Name, BadName> {
        let letters = name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if letters && (3..=24).contains(&name.len()) {
            Ok(Name(name))
        } else {
            Err(BadName)
        }
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Name, BadName> {
        Name::try_from(name.to_owned())
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
