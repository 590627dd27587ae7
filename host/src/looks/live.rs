//! What a wall says of its look over `/live`.

use crate::{
    app::App,
    live::{
        Dialect,
        frame::{Event, PatchMode},
    },
    profiles,
};

/// Dresses the wall of everyone who watches it. Runs where a commit is announced.
pub fn changed(app: &App, wall: &str) {
    let Ok(link) = app.db.read(|db| {
        let owner = profiles::find(db, wall)?;
        super::page::wear(app, db, &owner)
    }) else {
        return;
    };
    let html = link.link();
    let frame = Event::Patch {
        target: "look",
        mode: PatchMode::Morph,
        html: &html,
    }
    .frame();
    app.hub.publish(&format!("wall:{wall}"), |watcher| {
        (watcher.dialect == Dialect::Html).then(|| frame.clone())
    });
}
