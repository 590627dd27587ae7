//! Finding one another: everybody with a wall, by name, newest first or drawn from a hat; by the tags that members choose for
//! themselves; and for the owner of a wall alone, who links to it.
//!
//! Nobody is ranked, recommended or counted. Pages follow one another by key, each order has an index, and a page costs the same
//! among a hundred members as among a million.

mod links;
pub mod moving;
mod people;
mod tags;

pub use links::{hide as hide_links, leads_to, linked, note as note_links};
pub use people::show;
pub use tags::{all as tags, choose, drawer, on_wall, set as set_tags};
