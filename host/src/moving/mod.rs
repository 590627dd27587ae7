//! Members take along what is theirs, as one file that they can look at without us, and bring it to another instance.
//!
//! What an archive holds, `docs/export.md` says; each slice writes and reads its own part (`moving.rs` in its folder), and this one
//! puts the parts together. It shows an archive's maker everything that the place knows of them and nothing of anybody else that
//! they couldn't see; of direct messages it has what the server has, which is ciphertext.

mod export;
mod import;
mod site;

pub use export::{along, export};
pub use import::{bring, prepare, said, show as import_page, sweep, take, throw_away};
