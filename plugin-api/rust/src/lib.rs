//! Write NeoSpace plugins in Rust.
//!
//! A plugin is a type that implements [`Widget`], with [`Actions`] when visitors can use it, or [`Sticker`]; or, for rooms,
//! [`Commands`] or [`Filter`]. One line of [`register!`] makes it a component. This is a whole one:
//!
//! ```
//! use neospace_plugin::{Context, View, Widget, html::p, register};
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     greeting: String,
//! }
//!
//! struct Hello;
//!
//! impl Widget for Hello {
//!     type Settings = Settings;
//!
//!     fn render(ctx: &Context<Settings>) -> View {
//!         p().text(&ctx.settings.greeting).into()
//!     }
//! }
//!
//! register!(widget Hello);
//! ```
//!
//! Every call gets a fresh instance: nothing in a `static` survives it. What should last goes into [`storage`]; what
//! is asked of the host ([`storage`], [`shared_storage`], [`viewer`], [`log`], [`live`], [`notify_owner`]) becomes an
//! import of the component as soon as it is called somewhere, and needs an entry under `[capabilities]` in `plugin.toml`.

#[doc(hidden)]
pub mod bindings;
mod context;
pub mod html;
pub mod live;
pub mod log;
pub mod notify_owner;
mod random;
mod register;
mod reply;
pub mod storage;
mod submission;
pub mod svg;
pub mod time;
mod tree;
pub mod viewer;

pub use bindings::{
    commands::exports::neospace::plugin::commands::Reply,
    filter::exports::neospace::plugin::filter::Verdict,
    widget::neospace::plugin::types::{Outcome, Refusal, Submission, ViewerClass},
};
pub use context::{Context, NoSettings, Params, RoomContext};
pub use random::{Random, hash};
pub use register::{Actions, Commands, Filter, Sticker, Widget};
pub use storage::shared as shared_storage;
pub use tree::{Child, Element, IntoText, View, element};
