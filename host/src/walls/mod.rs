//! The wall: what a member shows, made of modules that plugins draw; and its owner's way of editing it in place.
//!
//! A wall knows where modules stand and how large they are; what they show, cost and may do is the plugin platform's. It
//! counts nobody, ranks nothing, and never lets one member's chaos out of their wall's frame.

mod card;
mod drawer;
mod edit;
mod live;
pub mod moving;
mod mutations;
mod page;
mod queries;
mod remix;

pub use card::{fault, meter, standing_in_words};
pub use drawer::{Grant, grants};
pub use edit::{act, add, place, preview, profile, remove, restore, settings, size};
pub use live::{everything_changed, follow, may_watch};
pub use mutations::{MODULE, NewModule, add as put_up};
pub use page::{drawing, finished, module, show};
pub use remix::{Take, ask as ask_to_remix, remix, take as take_remix};

use crate::{
    app::{App, now_ms},
    db::Tx,
    error::Error,
    plugins::Installation,
    profiles,
    session::Viewer,
};

/// Modules on one wall.
pub const MODULES_MOST: i64 = 20;

/// What a new member's wall begins with, as far as it is installed: plugin, width, height.
const STARTER: [(&str, u8, u8); 3] = [("guestbook", 2, 4), ("mood", 1, 4), ("clock", 1, 3)];

/// What a new member finds on their wall. Made before the write that registers them, put up inside it.
#[derive(Clone, Debug)]
pub struct Starter(Vec<NewModule>);

/// The starter wall of this server, of what is installed now.
pub fn starter(app: &App) -> Starter {
    let ready = STARTER
        .iter()
        .filter(|(plugin, ..)| app.plugins.standing(plugin).is_ready());
    Starter(
        ready
            .map(|&(plugin, width, height)| NewModule {
                plugin: plugin.into(),
                width,
                height,
                settings: "{}".into(),
                refused: Default::default(),
            })
            .collect(),
    )
}

/// The first module of a plugin on a wall, and a member as its viewer: for programs that use a wall as people do.
///
/// # Errors
/// [`Error::NotFound`] for a name that nobody has.
pub fn as_seen(app: &App, wall: &str, plugin: &str, member: &str) -> Result<Option<(Installation, Viewer)>, Error> {
    app.db.read(|db| {
        let wall = queries::wall(db, wall)?;
        let viewer = Viewer::of(profiles::find(db, member)?.member());
        let module = wall.modules.iter().find(|module| &*module.plugin == plugin);
        let offset = wall.owner.utc_offset_minutes(now_ms());
        Ok(module.map(|module| (module.installation(&wall.owner, offset), viewer)))
    })
}

impl Starter {
    /// Puts the starter wall up.
    ///
    /// # Errors
    /// The database's.
    pub fn put_up(&self, tx: &Tx, user_id: i64, name: &str) -> Result<(), Error> {
        self.0
            .iter()
            .try_for_each(|module| put_up(tx, user_id, name, module).map(drop))
    }
}
