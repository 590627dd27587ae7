//! How a wall looks: its theme and its owner's own CSS, twelve themes to start from, remixing, and the plain view, which leaves
//! all of that out.
//!
//! A theme is colours by day and by night, lines, letters, a pattern and a cursor, set through the documented tokens of
//! the wall (`docs/members.md`). The host writes them as one stylesheet, in which everything can be read: it refuses to show
//! text without contrast, and says what it exchanged. Nothing here reaches the frame around the wall, loads anything from
//! elsewhere, or counts who looks.

mod colour;
mod custom;
mod edit;
mod live;
pub mod moving;
mod mutations;
mod pace;
mod page;
mod queries;
mod starts;
mod theme;

pub use edit::{allow, choose, keep, keep_css, preview, redo, undo};
pub use mutations::{wear_start, wear_that_of};
pub use page::{address_of, all_starts, css_drawer, drawer, on_wall, sheet, sheet_of, starts_address, topic};
pub use queries::{Look, of};
pub use starts::STARTS;
pub use theme::Theme;

use crate::{crypto, session::Viewer};

/// Whether a page is to be shown plainly: as its address asks (`?plain=1`, `?plain=0`), else as the viewer prefers. It is part
/// of a page's cache key.
pub fn is_plain(viewer: &Viewer, asked: &str) -> bool {
    match asked {
        "1" => true,
        "0" => false,
        _ => viewer.plain,
    }
}

/// What links to other pages with walls or posts say, so that these are shown as the page is that leads there: nothing where the
/// viewer prefers that anyway. It is part of a page's cache key.
pub fn carried(viewer: &Viewer, plain: bool) -> &'static str {
    match (plain, viewer.plain) {
        (true, false) => "plain=1",
        (false, true) => "plain=0",
        _ => "",
    }
}

/// Names a stylesheet by what it says.
fn hash(css: &str) -> String {
    crypto::sha256(css.as_bytes())[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
