//! …
pub mod crypto;
pub mod hasher;

pub mod author;
