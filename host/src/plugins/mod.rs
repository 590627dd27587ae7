//! The plugin platform.
pub mod tokens;
pub mod view;
pub mod vocabulary;
