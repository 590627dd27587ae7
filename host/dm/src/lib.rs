//! The protocol of direct messages, as `docs/direct-messages.md` writes it down: what two members' clients do so that
//! the server between them cannot read along, and notice when it tries something.
//!
//! Everything here is a function of its arguments and the system's random generator: no file, no socket, no clock. The
//! server uses [`log`], [`keys::verify`] and [`message::check_report`]; the command line and the tests use all of it.
//! The browser does the same in `ui/js/dm/`; both are held to `tests/vectors/dm.json`.
//!
//! It refuses to panic on any input, to show a secret in `Debug`, and to choose an algorithm: there is one suite.

#![forbid(unsafe_code)]

mod alarm;
mod bytes;
pub mod file;
pub mod keys;
pub mod log;
pub mod message;
mod name;
pub mod notebook;
pub mod safety;
pub mod thread;

pub use alarm::Alarm;
pub use bytes::b64;
pub use name::{BadName, Name};

use sha2::{Digest, Sha256};

/// A SHA-256, or a public key: 32 bytes that are no secret.
pub type Bytes32 = [u8; 32];

/// SHA-256.
pub fn sha256(parts: &[&[u8]]) -> Bytes32 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Bytes from the system's generator, without which nothing here can be done safely: the program ends.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random generator");
    bytes
}
