//! Posts: what members write, show, link to and run on their walls, newest first until they put them in another order;
//! each with an address of its own, drafts while it is written, and a history that anyone can read.
//!
//! Posts are public. Nobody sees how often one was looked at, because nobody counts; there is nothing to press but links. What
//! was deleted can be put back for thirty days, and is seen by nobody meanwhile.

mod compose;
mod feed;
mod forms;
mod live;
pub mod moving;
mod mutations;
mod page;
mod preview;
mod queries;
mod view;

pub use compose::New;
pub use feed::{everybody, everybody_atom, everybody_json, wall_atom, wall_json};
pub use forms::{delete_draft, edit, look, place, publish, remove, restore, save_draft};
pub use live::picture_changed;
pub use mutations::{Wall, publish as put_up};
pub use page::{edit_page, history, list, new_page, permalink};
pub use preview::picture_file;
pub use view::{drawer, on_wall};

/// The topic of what everybody posts.
pub const FEED: &str = "feed";
/// Characters of a title and of a body.
pub const TITLE_MOST: usize = 120;
pub const BODY_MOST: usize = 10_000;
/// Pictures of one post, and characters that say what one shows.
pub const PICTURES_MOST: usize = 8;
pub const ALT_MOST: usize = 500;
/// Posts that a wall shows; further ones follow on pages of as many.
pub const PAGE: usize = 50;
/// Drafts of new posts that one member may have.
pub const DRAFTS_MOST: usize = 50;
/// A deleted post can be put back for so long, in milliseconds: 30 days.
pub const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// Deleted posts that wait to be put back, on one wall.
pub const KEPT_MOST: i64 = 50;
