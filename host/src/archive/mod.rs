//! Archives that members take along and bring: zip files, in which lists are JSON Lines, one value a line. They are written as a
//! stream and never held whole; those that come are strangers' (`read.rs`), and every byte of them is looked at before anything in
//! them is believed. `docs/export.md` says what is in one. Knows no slice, and names no table.

mod read;

use std::io::{self, Read, Write};

use flate2::{Compression, write::DeflateEncoder};
use rawzip::{CompressionMethod, ZipArchiveWriter, time::UtcDateTime};
use serde::{Deserialize, Serialize};

use crate::{app::now_ms, crypto::Blob, error::Error};
pub use read::{Archive, Limits, refused, shown};

/// What is written in `neospace.json`, so that an archive is known for one.
pub const FORMAT: &str = "neospace-export";
/// The version of the format.
pub const VERSION: u32 = 1;
/// The first file of an archive: who, where, when.
pub const MANIFEST: &str = "neospace.json";

/// An archive that is being written.
pub struct Writer {
    zip: ZipArchiveWriter<Box<dyn Write + Send>>,
    made_at: UtcDateTime,
}

/// A file of an archive, a JSON value a line.
pub struct Lines<'w> {
    to: &'w mut dyn Write,
}

impl Lines<'_> {
    /// Writes one value.
    ///
    /// # Errors
    /// Of whoever takes the archive.
    pub fn push(&mut self, value: &impl Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut *self.to, value).map_err(io::Error::from)?;
        self.to.write_all(b"\n")?;
        Ok(())
    }
}

impl Writer {
    /// Begins an archive; `to` gets its bytes.
    pub fn new(to: Box<dyn Write + Send>) -> Self {
        Self {
            zip: ZipArchiveWriter::new(to),
            made_at: UtcDateTime::from_unix(now_ms() / 1000),
        }
    }

    /// Writes a file. Its path is ours, with `/` and without anything else that a system could take for more than a name.
    ///
    /// # Errors
    /// What `write` says; of whoever takes the archive.
    pub fn file(&mut self, path: &str, write: impl FnOnce(&mut dyn Write) -> Result<(), Error>) -> Result<(), Error> {
        let builder = self.zip.new_file(path);
        let (mut entry, config) = builder
            .compression_method(CompressionMethod::DEFLATE)
            .last_modified(self.made_at)
            .unix_permissions(0o644)
            .start()
            .map_err(fault)?;
        let mut to = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
        write(&mut to)?;
        let (encoder, descriptor) = to.finish().map_err(fault)?;
        encoder.finish()?;
        entry.finish(descriptor).map_err(fault)?;
        Ok(())
    }

    /// Writes a file with this text.
    ///
    /// # Errors
    /// Of whoever takes the archive.
    pub fn text(&mut self, path: &str, text: &str) -> Result<(), Error> {
        self.file(path, |to| Ok(to.write_all(text.as_bytes())?))
    }

    /// Writes a file with this one JSON value, indented for people.
    ///
    /// # Errors
    /// Of whoever takes the archive.
    pub fn json(&mut self, path: &str, value: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(value).map_err(Error::internal)?;
        self.text(path, &text)
    }

    /// Writes a file with a JSON value a line.
    ///
    /// # Errors
    /// What `write` says; of whoever takes the archive.
    pub fn lines(&mut self, path: &str, write: impl FnOnce(&mut Lines) -> Result<(), Error>) -> Result<(), Error> {
        self.file(path, |to| write(&mut Lines { to }))
    }

    /// Writes a file with all that can be read.
    ///
    /// # Errors
    /// Of either side.
    pub fn copy(&mut self, path: &str, mut from: impl Read) -> Result<(), Error> {
        self.file(path, |to| {
            io::copy(&mut from, to)?;
            Ok(())
        })
    }

    /// Writes the directory at the end.
    ///
    /// # Errors
    /// Of whoever takes the archive.
    pub fn finish(self) -> Result<(), Error> {
        self.zip.finish().map_err(fault)?.flush()?;
        Ok(())
    }
}

fn fault(error: rawzip::Error) -> Error {
    match error.into_kind() {
        rawzip::ErrorKind::IO(error) => error.into(),
        kind => Error::internal(kind),
    }
}

/// Something of an archive that can't come along: what it is, and why.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Left {
    pub what: String,
    pub why: String,
}

/// Bytes that somebody keeps: as text where they are, else as base64url.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Kept {
    Text { value: String },
    Bytes { value_base64: Blob },
}

impl From<Vec<u8>> for Kept {
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            // No text in an archive holds a NUL.
            Ok(value) if !value.contains('\0') => Self::Text { value },
            Ok(value) => Self::Bytes {
                value_base64: Blob(value.into_bytes()),
            },
            Err(error) => Self::Bytes {
                value_base64: Blob(error.into_bytes()),
            },
        }
    }
}

impl From<Kept> for Vec<u8> {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Text { value } => value.into_bytes(),
            Kept::Bytes { value_base64 } => value_base64.0,
        }
    }
}
