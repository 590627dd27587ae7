//! What a wall says over `/live`: each change is rendered once for each kind of viewer that watches, and sent to them.

use std::collections::HashMap;

use neospace_runner::protocol::ViewerClass;

use super::{
    page,
    queries::{self, Module, Wall},
};
use crate::{
    app::App,
    error::Error,
    live::{
        Frame, Watcher,
        frame::{Dialect, Event, PatchMode},
    },
    profiles::Profile,
};

/// Anyone may watch a wall that there is.
///
/// # Errors
/// [`Error::NotFound`].
pub fn may_watch(app: &App, wall: &str) -> Result<(), Error> {
    app.db.read(|db| {
        db.one(
            "select 1 from users where name = ?1 and leaving_at is null and left_at is null",
            [wall],
            |_| Ok(()),
        )
    })
}

/// Shows a changed module to everyone who watches its wall.
pub async fn module_changed(app: &App, wall: &str, id: i64, mode: PatchMode) {
    let target = match mode {
        PatchMode::Morph => format!("module-{id}"),
        _ => "wall-grid".into(),
    };
    let read = app.db.read(|db| queries::module(db, wall, id));
    let Ok((owner, module)) = read else { return };
    tell(app, wall, owner.user_id, &target, mode, What::Module(&owner, &module)).await;
}

/// Shows a changed order, or a module that came back, to everyone who watches.
pub async fn grid_changed(app: &App, name: &str) {
    let Ok(wall) = app.db.read(|db| queries::wall(db, name)) else {
        return;
    };
    tell(
        app,
        name,
        wall.owner.user_id,
        "wall-grid",
        PatchMode::Morph,
        What::Grid(&wall),
    )
    .await;
}

/// Takes a module off everyone's page.
pub fn module_removed(app: &App, wall: &str, id: i64) {
    let frame = Event::Patch {
        target: &format!("module-{id}"),
        mode: PatchMode::Remove,
        html: "",
    }
    .frame();
    app.hub
        .publish(&topic(wall), |watcher| speaks_html(watcher).then(|| frame.clone()));
}

/// Lets everyone fetch the page again.
pub fn everything_changed(app: &App, wall: &str) {
    let topic = topic(wall);
    let frame = Event::Resync { topic: &topic }.frame();
    app.hub.publish(&topic, |_| Some(frame.clone()));
}

/// Shows plugins that were installed, upgraded, revoked or switched on every wall that somebody watches. Runs as long as
/// the program does.
pub async fn follow(app: App) {
    let mut changes = app.plugins.changes();
    loop {
        let plugins = match changes.recv().await {
            Ok(changed) => changed,
            // Too many at once to hear each: look at all of them.
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                app.hub
                    .watched("wall:")
                    .iter()
                    .for_each(|topic| everything_changed(&app, &topic[5..]));
                continue;
            }
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        };
        for topic in app.hub.watched("wall:") {
            let wall = &topic["wall:".len()..];
            let ids = app
                .db
                .read(|db| queries::modules_of(db, wall, &plugins))
                .unwrap_or_default();
            for id in ids {
                module_changed(&app, wall, id, PatchMode::Morph).await;
            }
        }
    }
}

/// What is rendered anew.
#[derive(Clone, Copy)]
enum What<'a> {
    Module(&'a Profile, &'a Module),
    Grid(&'a Wall),
}

/// Renders once for each class of viewer that watches, or, where a view is personal, for each member; and sends it.
async fn tell(app: &App, wall: &str, owner: i64, target: &str, mode: PatchMode, what: What<'_>) {
    let mut of_class: HashMap<ViewerClass, Option<Frame>> = HashMap::new();
    let mut of_member: HashMap<i64, Frame> = HashMap::new();
    for watcher in app.hub.watchers(&topic(wall)) {
        if !speaks_html(&watcher) {
            continue;
        }
        let class = watcher.viewer.class(owner);
        let known = match (of_class.get(&class), watcher.viewer.id()) {
            (Some(Some(_)), _) => true,
            (Some(None), Some(id)) => of_member.contains_key(&id),
            _ => false,
        };
        if known {
            continue;
        }
        let rendered = match what {
            What::Module(owner, module) => page::one(app, &watcher.viewer, owner, module, None).await,
            What::Grid(wall) => page::grid(app, &watcher.viewer, wall).await,
        };
        let (html, personal) = match rendered {
            Ok(rendered) => rendered,
            Err(error) => {
                tracing::error!(%error, wall, target, "a change could not be shown live");
                return;
            }
        };
        let frame = Event::Patch {
            target,
            mode,
            html: &html,
        }
        .frame();
        match watcher.viewer.id() {
            Some(id) if personal => {
                of_class.insert(class, None);
                of_member.insert(id, frame);
            }
            _ => {
                of_class.insert(class, Some(frame));
            }
        }
    }
    app.hub.publish(&topic(wall), |watcher| {
        if !speaks_html(watcher) {
            return None;
        }
        let shared = of_class.get(&watcher.viewer.class(owner))?.clone();
        shared.or_else(|| of_member.get(&watcher.viewer.id()?).cloned())
    });
}

fn topic(wall: &str) -> String {
    format!("wall:{wall}")
}

fn speaks_html(watcher: &Watcher) -> bool {
    watcher.dialect == Dialect::Html
}
