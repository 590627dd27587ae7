//! The plugin platform.
pub mod css;
pub mod grants;
pub mod icon;
pub mod manifest;
pub mod settings;
pub mod tokens;
pub mod view;
pub mod vocabulary;
