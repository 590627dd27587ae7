//! Capabilities `storage`, what this module keeps, and [`shared`], what all modules of the plugin keep together.
//!
//! Reads see what the same call has written. 1,000 keys of at most 256 bytes, 64 KiB a value, 1 MiB in all, unless the
//! operator set other limits.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Refusal,
    bindings::widget::neospace::plugin::{
        shared_storage as shared_imports, storage as imports,
        storage_types::{Entry, StorageError},
    },
};

/// Why storage refused, or what it held that isn't what was expected.
#[derive(Debug)]
pub enum Error {
    /// The owner or the operator has not granted it.
    Denied,
    /// A write while rendering.
    ReadOnly,
    /// The key is empty or longer than 256 bytes.
    BadKey,
    /// The value is over 64 KiB.
    TooLarge,
    /// All keys or all bytes are used up.
    Full,
    /// `add` on a value that is not a number.
    NotANumber,
    /// The host could not read: try again later.
    Unavailable,
    /// The value is not what was asked for: not UTF-8, or not the JSON expected.
    Malformed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "This module may not keep anything: its owner has refused it storage.",
            Self::ReadOnly => "Nothing can be kept while a view is made.",
            Self::BadKey => "A key of storage has 1 to 256 bytes.",
            Self::TooLarge => "That is too large to keep: a value has at most 64 KiB.",
            Self::Full => "This module's storage is full.",
            Self::NotANumber => "What is kept there is not a number.",
            Self::Unavailable => "Storage cannot be read just now. Try again in a moment.",
            Self::Malformed(why) => return write!(f, "What is kept there is not what was expected: {why}."),
        })
    }
}

impl std::error::Error for Error {}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Denied => Self::Denied,
            StorageError::ReadOnly => Self::ReadOnly,
            StorageError::BadKey => Self::BadKey,
            StorageError::TooLarge => Self::TooLarge,
            StorageError::Full => Self::Full,
            StorageError::NotANumber => Self::NotANumber,
            StorageError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::new(error.to_string())
    }
}

/// The functions that both storages have.
macro_rules! functions {
    ($imports:ident) => {
        /// The text under a key.
        pub fn text(key: &str) -> Result<Option<String>, Error> {
            $imports::get(key)?.map(to_text).transpose()
        }

        /// Keeps a text.
        pub fn put_text(key: &str, text: &str) -> Result<(), Error> {
            Ok($imports::put(key, text.as_bytes(), None)?)
        }

        /// What is under a key, from JSON.
        pub fn json<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Error> {
            $imports::get(key)?.map(|bytes| from_json(&bytes)).transpose()
        }

        /// Keeps a value as JSON.
        pub fn put_json<T: Serialize>(key: &str, value: &T) -> Result<(), Error> {
            Ok($imports::put(key, &to_json(value)?, None)?)
        }

        /// Keeps bytes; with `expires`, Unix milliseconds, they are gone from then on.
        pub fn put(key: &str, value: &[u8], expires: Option<u64>) -> Result<(), Error> {
            Ok($imports::put(key, value, expires)?)
        }

        /// The bytes under a key.
        pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
            Ok($imports::get(key)?)
        }

        /// The number under a key, as [`add`] keeps it; 0 when there is none.
        pub fn number(key: &str) -> Result<i64, Error> {
            match text(key)? {
                None => Ok(0),
                Some(text) => text.trim().parse().map_err(|_| Error::NotANumber),
            }
        }

        /// Adds to a number (absent is 0) and answers the sum.
        pub fn add(key: &str, delta: i64) -> Result<i64, Error> {
            Ok($imports::add(key, delta)?)
        }

        /// Removes a value; whether there was one.
        pub fn delete(key: &str) -> Result<bool, Error> {
            Ok($imports::delete(key)?)
        }

        /// The entries whose keys begin with `prefix`, in the order of their bytes, after the key `after`; at most
        /// `limit` (at most 100).
        pub fn scan(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>, Error> {
            Ok($imports::scan(prefix, after, limit)?)
        }
    };
}

functions!(imports);

/// Capability `shared-storage`: one storage for all installations of the plugin on this server. Every module of the
/// plugin reads and writes it: check what you read.
pub mod shared {
    use super::{DeserializeOwned, Entry, Error, Serialize, from_json, shared_imports, to_json, to_text};

    functions!(shared_imports);
}

impl Entry {
    /// The value as text.
    pub fn text(self) -> Result<String, Error> {
        to_text(self.value)
    }

    /// The value from JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        from_json(&self.value)
    }
}

fn to_text(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| Error::Malformed("it is not UTF-8".into()))
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|why| Error::Malformed(why.to_string()))
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|why| Error::Malformed(why.to_string()))
}
