//! Frames: a little-endian `u32` length, then that many bytes of postcard.

use serde::Serialize;

/// The length that precedes each frame, in bytes.
pub const HEADER: usize = 4;

/// Writes one message into `buffer` as a frame, replacing what was there.
///
/// # Errors
/// When the message is longer than `most` bytes.
pub fn encode<T: Serialize>(buffer: &mut Vec<u8>, message: &T, most: usize) -> Result<(), TooLong> {
    buffer.clear();
    buffer.extend_from_slice(&[0; HEADER]);
    // The messages are plain data that postcard can always encode, and a vector grows: `extend` can't fail.
    *buffer = postcard::to_extend(message, std::mem::take(buffer)).map_err(|_| TooLong)?;
    seal(buffer, most)
}

/// Fills in the length of a frame whose body stands behind an empty header.
///
/// # Errors
/// When the body is longer than `most` bytes.
pub fn seal(buffer: &mut [u8], most: usize) -> Result<(), TooLong> {
    let body = buffer.len() - HEADER;
    if body > most {
        return Err(TooLong);
    }
    buffer[..HEADER].copy_from_slice(&(body as u32).to_le_bytes());
    Ok(())
}

/// The length of the body that a header announces; `None` when it is over `most` bytes.
pub fn length(header: [u8; HEADER], most: usize) -> Option<usize> {
    let length = u32::from_le_bytes(header) as usize;
    (length <= most).then_some(length)
}

/// A message does not fit in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the message does not fit in a frame")
    }
}

impl std::error::Error for TooLong {}
