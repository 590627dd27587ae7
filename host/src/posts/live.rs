//! What posts say over `/live`, on the topic of their wall and on that of the feed: rendered once for their author, once for everybody
//! else and once for the feed, after the commit and in the order of the commits. On the feed, what is new is offered and never put in:
//! who reads there is not to lose their place.

use super::{
    FEED,
    queries::Place,
    view::{self, Scene},
};
use crate::{
    app::App,
    db::Tx,
    error::Error,
    live::{
        Frame,
        frame::{Dialect, Event, PatchMode},
    },
};

/// What happened to a post.
#[derive(Clone, Copy, Debug)]
pub enum Told {
    /// It is new, and first.
    Published(i64),
    Edited(i64),
    Removed(i64),
    /// Posts stand in another order, or one came back.
    Ordered,
}

/// Shows a change to everyone who watches the wall or the feed.
pub fn tell(app: &App, wall: &str, owner: i64, told: Told) {
    if let Err(error) = try_tell(app, wall, owner, told).and_then(|()| tell_feed(app, wall, owner, told)) {
        tracing::error!(%error, wall, "a change of posts could not be shown live");
    }
}

/// Shows a post anew, because one of its pictures is about to be deleted or described anew.
///
/// # Errors
/// The database's.
pub fn picture_changed(app: &App, tx: &Tx, id: i64) -> Result<(), Error> {
    let post = tx.maybe(
        "select u.name, u.id from posts p join users u on u.id = p.user_id where p.id = ?1 and p.removed_at is null",
        [id],
        |row| Ok((row.get::<_, String>(0)?, row.get(1)?)),
    )?;
    if let Some((wall, owner)) = post {
        let app = app.clone();
        tx.announce(move || tell(&app, &wall, owner, Told::Edited(id)));
    }
    Ok(())
}

/// What the feed's page has for this, once there is something new.
fn tell_feed(app: &App, wall: &str, owner: i64, told: Told) -> Result<(), Error> {
    if !app.hub.dialects(FEED).contains(&Dialect::Html) {
        return Ok(());
    }
    let frame = match told {
        Told::Published(_) => {
            let html = app
                .html
                .render("posts/news.html", minijinja::context! { news => true })?;
            Event::Patch {
                target: "feed-news",
                mode: PatchMode::Morph,
                html: &html,
            }
            .frame()
        }
        Told::Edited(_) | Told::Removed(_) => rendered(app, wall, owner, told, Scene::in_feed(false))?,
        // Nothing of it is seen there.
        Told::Ordered => return Ok(()),
    };
    app.hub.publish(FEED, |watcher| {
        (watcher.dialect == Dialect::Html).then(|| frame.clone())
    });
    Ok(())
}

fn try_tell(app: &App, wall: &str, owner: i64, told: Told) -> Result<(), Error> {
    let topic = format!("wall:{wall}");
    let (mut own, mut others): (Option<Frame>, Option<Frame>) = (None, None);
    for watcher in app.hub.watchers(&topic) {
        let (frame, scene) = match watcher.viewer.id() == Some(owner) {
            true => (&mut own, Scene::on_wall(true, false)),
            false => (&mut others, Scene::on_wall(false, false)),
        };
        if watcher.dialect == Dialect::Html && frame.is_none() {
            *frame = Some(rendered(app, wall, owner, told, scene)?);
        }
    }
    app.hub.publish(&topic, |watcher| {
        let frame = if watcher.viewer.id() == Some(owner) {
            &own
        } else {
            &others
        };
        frame.clone().filter(|_| watcher.dialect == Dialect::Html)
    });
    Ok(())
}

fn rendered(app: &App, wall: &str, owner: i64, told: Told, scene: Scene) -> Result<Frame, Error> {
    let one = |id| {
        let post = app.db.read(|db| super::queries::post(db, wall, id))?;
        view::post(app, &post, scene)
    };
    // Gone again before it could be told: then the frame about that comes next.
    let or_nothing = |html: Result<std::sync::Arc<str>, Error>| match html {
        Err(Error::NotFound) => Ok("".into()),
        other => other,
    };
    let (target, mode, html) = match told {
        Told::Published(id) => ("posts-list".to_owned(), PatchMode::Prepend, or_nothing(one(id))?),
        Told::Edited(id) => (format!("post-{id}"), PatchMode::Morph, or_nothing(one(id))?),
        Told::Removed(id) => (format!("post-{id}"), PatchMode::Remove, "".into()),
        Told::Ordered => {
            let posts = view::listed(app, owner, Place::TOP)?.posts;
            let html = view::posts(app, &posts, scene)?;
            let list = format!("<div class=\"posts-list\" id=\"posts-list\">{html}</div>");
            ("posts-list".to_owned(), PatchMode::Morph, list.into())
        }
    };
    Ok(Event::Patch {
        target: &target,
        mode,
        html: &html,
    }
    .frame())
}
