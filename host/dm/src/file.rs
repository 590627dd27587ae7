//! Files: each sealed under a key of its own, which travels in the message that brings it.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

use crate::{Alarm, random};

/// The largest file.
pub const MAX_FILE_BYTES: u64 = 20 << 20;
/// The plain bytes of a chunk, but for the last one.
pub const CHUNK_BYTES: usize = 65_536;
/// The least a file is padded to.
const MIN_BYTES: u64 = 256;
const TAG_BYTES: usize = 16;
const AAD: &[u8] = b"neospace/1 dm file\0";

/// The length that a file of `size` bytes is padded to (Padmé; PURBs, section 4): at most an eighth more, and so that
/// a length betrays only its first few binary digits.
pub fn padme(size: u64) -> u64 {
    if size <= MIN_BYTES {
        return MIN_BYTES;
    }
    let exponent = size.ilog2();
    let last = (1 << (exponent - exponent.ilog2() - 1)) - 1;
    size.saturating_add(last) & !last
}

/// How long a file of `size` bytes is when it is sealed; nothing where that is more than a machine counts to.
pub fn sealed_length(size: u64) -> Option<u64> {
    let padded = padme(size);
    let tags = padded.div_ceil(CHUNK_BYTES as u64) * TAG_BYTES as u64;
    padded.checked_add(tags + 1)
}

/// A key for one file.
pub fn fresh_key() -> Zeroizing<[u8; 32]> {
    Zeroizing::new(random())
}

/// Seals a file under a key that seals no other.
pub fn seal(key: &[u8; 32], mut plain: Vec<u8>) -> Vec<u8> {
    let size = plain.len() as u64;
    plain.resize(usize::try_from(padme(size)).unwrap_or(usize::MAX), 0);
    let cipher = Aes256Gcm::new(key.into());
    let chunks = plain.len().div_ceil(CHUNK_BYTES);
    let mut sealed = Vec::with_capacity(1 + plain.len() + chunks * TAG_BYTES);
    sealed.push(1);
    for (index, chunk) in plain.chunks(CHUNK_BYTES).enumerate() {
        let nonce = nonce(index, index + 1 == chunks);
        let chunk = cipher.encrypt(&nonce.into(), Payload { msg: chunk, aad: AAD });
        sealed.extend(chunk.expect("a chunk is shorter than AES-GCM's 64 GiB"));
    }
    sealed
}

/// Opens a file of which a message says that it has `size` bytes.
///
/// # Errors
/// [`Alarm::Broken`] where it isn't whole, unaltered, of this size, and padded with zeros.
pub fn open(key: &[u8; 32], size: u64, sealed: &[u8]) -> Result<Vec<u8>, Alarm> {
    open_chunks(key, size, sealed).ok_or(Alarm::Broken)
}

fn open_chunks(key: &[u8; 32], size: u64, sealed: &[u8]) -> Option<Vec<u8>> {
    let [1, chunks @ ..] = sealed else {
        return None;
    };
    if sealed_length(size)? != sealed.len() as u64 {
        return None;
    }
    let size = usize::try_from(size).ok()?;
    let cipher = Aes256Gcm::new(key.into());
    let mut plain = Vec::with_capacity(chunks.len());
    let count = chunks.len().div_ceil(CHUNK_BYTES + TAG_BYTES);
    for (index, chunk) in chunks.chunks(CHUNK_BYTES + TAG_BYTES).enumerate() {
        let nonce = nonce(index, index + 1 == count);
        plain.extend(cipher.decrypt(&nonce.into(), Payload { msg: chunk, aad: AAD }).ok()?);
    }
    let padding = plain.get(size..)?;
    if padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    plain.truncate(size);
    Some(plain)
}

fn nonce(index: usize, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[7] = last.into();
    nonce[8..].copy_from_slice(
        &u32::try_from(index)
            .expect("a file has fewer than 2³² chunks")
            .to_be_bytes(),
    );
    nonce
}
