//! Rooms: where members talk. What is said stands in one order that the writer gives, is on disk before anybody hears of
//! it, and is had by a plain GET as well as over `/live`: both go through the same functions in `talk.rs`.
//!
//! A room counts nobody in public, ranks nothing, and forgets nothing that it acknowledged. What one may not see is not
//! found: a room by invitation is unknown to who isn't invited. Its owner's tools act at once, and each stands in the
//! room's log. The lobby is there from the start and belongs to whom the operator names (`lobby_owner`), or to nobody: then
//! nobody is muted or banned in it.

mod commands;
mod forms;
mod live;
pub mod moving;
mod mutations;
mod owner;
mod page;
mod queries;
mod search;
mod talk;
mod view;

pub use forms::{create, delete, edit, join, leave, read, send};
pub use live::{
    follow, may_watch, on_backfill, on_delete, on_edit, on_join, on_leave, on_read, on_send, on_stop_typing, on_typing,
    picture_changed,
};
pub use mutations::create as make;
pub use owner::{ban, give_lobby, invite, kick, log, mute, people, set_topic, unban, unmute};
pub use page::{Asked, conversation, list, permalink, show, sidebar};
pub use queries::readable_rooms;
pub use search::{follow as follow_search, forget_removed, search};
pub use talk::{Post, Said, Speaker, join as come_in, post as say};

/// What a member may read up to in `content`, in Unicode scalar values.
pub const CONTENT_MOST: usize = 4_000;
/// Pictures of one message.
pub const PICTURES_MOST: usize = 4;
/// Characters of a topic.
const TOPIC_MOST: usize = 200;
/// Names that are addresses below `/rooms/` and so can't be a room's.
const RESERVED: [&str; 2] = ["search", "new"];

/// Whether this can be a room's name: 2 to 32 of `a-z`, `0-9` and `-`, beginning with a letter.
pub fn is_name(name: &str) -> bool {
    (2..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !RESERVED.contains(&name)
}

/// A room's topic on `/live`.
fn topic(room: &str) -> String {
    format!("room:{room}")
}
