//! What a lane runs: engine, limits, one call. Knows wasmtime, and no database, axum or tokio.

pub mod protocol;
