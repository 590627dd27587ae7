//! `/live`: the WebSocket that makes pages move. Knows no slice: what may be watched is decided by the function that
//! `routes.rs` hands in, and what is published comes from the slices.
//!
//! The socket accelerates; HTTP stays the truth. A client that lags is told to `resync` and fetches by GET what it
//! missed; one that does not drain at all is closed.

pub mod frame;
mod hub;
mod socket;

pub use hub::{Hub, HubStats, Watcher};
pub use socket::{Authorise, serve};
