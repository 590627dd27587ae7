//! Direct messages: one member to another, sealed where they are written and opened where they are read.
//!
//! The server keeps ciphertext, public keys and wrapped keys, gives what comes its place in the conversation's order, and
//! passes it on. It can't read any of it, and refuses to be of use for more than that: it takes a message only as the next
//! of its sender's stream and sealed to the keys that are in force, hands out nothing to who isn't one of the two, and
//! keeps an append-only log of everybody's public keys that anyone can read, so that it can't show different ones to
//! different people unnoticed. A message becomes readable for the operator when its recipient reports it, and in no other
//! way. `docs/direct-messages.md` is the protocol; what is in here is its server's side.
//!
//! `keys.rs` and `log.rs` are about keys, `talk.rs` has what people do (over HTTP by `forms.rs`, over `/live` by `live.rs`),
//! `files.rs` takes and gives files, `reports.rs` takes reports.

mod files;
mod forms;
mod keys;
mod live;
mod log;
pub mod moving;
mod mutations;
mod page;
mod queries;
mod reports;
mod talk;
mod view;

pub use files::{download, prepare, sweep, upload};
pub use forms::{delete, measure, read, send};
pub use keys::{NewKeys, Roots, append, check_notebook, check_wrapped, notebook, own, recovery, rewrap, set_recovery};
pub use live::{on_read, on_send, on_stop_typing, on_typing};
pub use log::{Signed, head as log_head, page as log};
pub use page::{conversation, list, messages, show, sidebar};
pub use queries::blocked;
pub use reports::{Report, close as close_report, list as list_reports, report, show as show_report};
pub use talk::{Hand, Sealed, send as deliver};
