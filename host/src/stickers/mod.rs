//! Stickers: what lies on a wall wherever somebody put it. An emoji, a picture of the member's own, or what a sticker plugin draws
//! with its parameters; each with a place, a width, a rotation, who lies on whom, and words for those who don't see it.
//!
//! The wall's owner puts them up; members may leave some where the owner allows it, and take back or move what is theirs. Between
//! whom one has blocked the other, none is shown and none is taken. While one is dragged, everybody on the wall sees it move
//! (`gesture` over `/live`), and nothing of that is kept: what is kept is one write when it is let go. Cursors of visitors go the
//! same way, where both the owner and the visitor like it.
//!
//! `forms.rs` has what people and programs send, `live.rs` what goes over `/live`, `view.rs` what is shown; `canvas.rs` what an owner
//! allows. Refused: more than [`STICKERS_MOST`] on a wall, emoji that Unicode doesn't list, and places beyond the wall.

mod canvas;
mod forms;
mod live;
pub mod moving;
mod mutations;
mod queries;
mod view;

pub use canvas::may_decorate;
pub use canvas::{allow, shows_cursor};
pub use forms::{add, change, clear, duplicate, list, one, preview, remove, restore, settings, stack};
pub use live::{on_cursor, on_gesture, picture_changed};
pub use mutations::{New, What, copy, put_up};
pub use queries::quiet;
pub use view::{drawer, drawing, on_wall};

/// Stickers on one wall.
pub const STICKERS_MOST: i64 = 100;
/// Stickers on one wall that visitors left, all together: the rest is the owner's.
pub const VISITORS_MOST: i64 = 50;
/// Stickers that one visitor may leave on one wall.
pub const EACH_VISITOR_MOST: i64 = 5;
/// Changes of stickers that one member may make in a minute.
const CHANGES_PER_MINUTE: u32 = 240;
/// Stickers that one visitor may leave in a minute, on whosever walls.
const LEFT_PER_MINUTE: u32 = 30;

/// Where a sticker lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Of its left edge, in hundredths of a percent of the wall's width.
    pub x: i32,
    /// Of its upper edge, in sixteenths of a rem from the top of the wall.
    pub y: i32,
    /// In sixteenths of a rem.
    pub width: i32,
    /// Clockwise, in degrees.
    pub rotation: i32,
}

impl Place {
    pub const X_MOST: i32 = 10_000;
    pub const Y_MOST: i32 = 32_000;
    pub const WIDTH_LEAST: i32 = 24;
    pub const WIDTH_MOST: i32 = 640;
    pub const ROTATION_MOST: i32 = 180;
    /// A new sticker's width.
    pub const WIDTH: i32 = 96;
}

/// A topic that everything is made from which shows a wall's stickers.
fn topic(wall: &str) -> String {
    format!("stickers:{wall}")
}

/// Where on `/live` a wall's changes are told.
fn wall_topic(wall: &str) -> String {
    format!("wall:{wall}")
}
