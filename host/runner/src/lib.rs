//! What a lane runs: engine, limits, one call. Knows wasmtime, and no database, axum or tokio.
//!
//! The host starts this code in child processes of its own executable: [`lane::main`] runs plugins, [`compile::main`]
//! turns one plugin's WebAssembly into machine code. Both confine themselves ([`confine`]) before they read the first
//! byte of anything foreign. The host itself uses [`protocol`] and [`frame`] only.
#![cfg(target_os = "linux")]

/// The version of wasmtime that this is built with.
pub const WASMTIME_VERSION: &str = env!("WASMTIME_VERSION");

pub mod compile;
pub mod confine;
mod contract;
mod engine;
pub mod frame;
mod imports;
pub mod lane;
pub mod protocol;
mod view;
mod wasi;

pub use confine::confine;
pub use engine::fingerprint;
