//! The plugin platform.
pub mod compile;
pub mod css;
pub mod grants;
pub mod icon;
pub mod lanes;
pub mod limits;
pub mod manifest;
pub mod settings;
pub mod tokens;
pub mod view;
pub mod vocabulary;

pub use limits::Limits;
