//! `/live`: the WebSocket that makes pages move. Knows no slice: what may be watched and what handles an event stands in
//! the table that `routes.rs` hands in, and what is published comes from the slices. `docs/live.md` is the protocol.
//!
//! The socket accelerates; HTTP stays the truth. A client that lags is told to `resync` and fetches what it missed; one
//! that does not drain at all is closed.

mod call;
pub mod frame;
mod hub;
mod socket;

pub use call::{Call, Caller, Handling, Table};
pub use frame::{Dialect, Frame};
pub use hub::{Hub, HubStats, Line, Sign, Watcher, beat};
pub use socket::{Client, Upgrade, serve};
