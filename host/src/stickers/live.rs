//! Stickers and cursors over `/live`.
//!
//! What was kept is told by the announcer, in the order of the commits: rendered once, framed once for each dialect, shared by all. What
//! only moves is passed on as it comes, and never kept: whoever missed it, or hears no more of it, has the sticker where it was kept last.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Place, queries, view, wall_topic};
use crate::{
    app::App,
    db::Tx,
    error::Error,
    live::{
        Caller, Dialect, Frame, Sign,
        frame::{Event as Plain, PatchMode},
    },
    profiles,
};

/// Gestures and cursors of one member that are passed on in a minute: 30 a second.
const MOVES_PER_MINUTE: u32 = 1_800;
/// A cursor that doesn't move fades after so long.
const CURSOR_LASTS: Duration = Duration::from_secs(8);
/// A cursor is shown so often at most.
const CURSOR_EVERY: Duration = Duration::from_millis(30);

/// What is said about stickers.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// New, or changed: to programs. (Browsers get a `patch`.)
    Sticker {
        wall: &'a str,
        #[serde(flatten)]
        sticker: view::Data<'a>,
    },
    StickerRemoved {
        wall: &'a str,
        id: i64,
    },
    /// Somebody drags one: nothing is kept.
    Gesture {
        topic: &'a str,
        sticker: i64,
        x: f64,
        y: f64,
        width: f64,
        rotation: f64,
    },
    /// Where a visitor points.
    Cursor {
        topic: &'a str,
        user: &'a str,
        colour: &'a str,
        x: f64,
        y: f64,
    },
    CursorGone {
        topic: &'a str,
        user: &'a str,
    },
}

/// Tells how these stickers of a wall look now; those that aren't there any more, that they are gone.
pub fn tell(app: &App, wall: &str, ids: &[i64]) {
    let topic = wall_topic(wall);
    let dialects = app.hub.dialects(&topic);
    if dialects.is_empty() {
        return;
    }
    for id in ids {
        let read = app.db.read(|db| queries::one(db, wall, *id));
        let frame = |dialect| match (&read, dialect) {
            (Ok((owner, sticker)), Dialect::Html) => {
                let html = view::html(app, &owner.name, sticker)?;
                Ok(Plain::Patch {
                    target: "stickers",
                    mode: PatchMode::Append,
                    html: &html,
                }
                .frame())
            }
            (Ok((owner, sticker)), Dialect::Json) => Ok(Frame::of(&Event::Sticker {
                wall,
                sticker: view::data(app, &owner.name, sticker),
            })),
            (Err(Error::NotFound), Dialect::Html) => Ok(Plain::Patch {
                target: &format!("sticker-{id}"),
                mode: PatchMode::Remove,
                html: "",
            }
            .frame()),
            (Err(Error::NotFound), Dialect::Json) => Ok(Frame::of(&Event::StickerRemoved { wall, id: *id })),
            (Err(error), _) => Err(Error::internal(error.detail())),
        };
        let mut frames = Vec::new();
        for dialect in &dialects {
            match frame(*dialect) {
                Ok(frame) => frames.push((*dialect, frame)),
                Err(error) => tracing::error!(error = %error.detail(), wall, id, "a sticker could not be shown live"),
            }
        }
        app.hub.publish(&topic, |line| {
            let made = frames.iter().find(|(dialect, _)| *dialect == line.dialect);
            made.map(|(_, frame)| frame.clone())
        });
    }
}

/// Shows a sticker anew to everyone who watches its wall, because its picture is about to be deleted or described anew.
pub fn picture_changed(app: &App, tx: &Tx, wall: &str, id: i64) {
    let (app, wall) = (app.clone(), wall.to_owned());
    tx.announce(move || tell(&app, &wall, &[id]));
}

/// `gesture`: a sticker that is dragged, in the units of `GET /wall/{user}/stickers`.
#[derive(Deserialize)]
pub struct Gesture {
    topic: String,
    sticker: i64,
    x: f64,
    y: f64,
    width: f64,
    rotation: f64,
}

/// Shows a sticker where it is dragged to, to everyone else who watches the wall. Nothing is answered and nothing is kept.
///
/// # Errors
/// [`Error::NotFound`] for no such sticker; [`Error::Forbidden`] for somebody else's; [`Error::TooMany`].
pub async fn on_gesture(app: App, caller: Caller, gesture: Gesture) -> Result<(), Error> {
    let member = caller.viewer().member.as_ref().ok_or(Error::Unauthorized)?;
    let wall = watched(&caller, &gesture.topic)?;
    let movers = app.db.read(|db| queries::movers(db, wall, gesture.sticker))?;
    if !movers.contains(&member.id) {
        return Err(Error::Forbidden("This sticker is somebody else's to move.".into()));
    }
    pace(&app, member.id)?;
    let within = |value: f64, least: i32, most: i32| {
        if value.is_finite() {
            value.clamp(least.into(), most.into())
        } else {
            least.into()
        }
    };
    let frame = Frame::of(&Event::Gesture {
        topic: &gesture.topic,
        sticker: gesture.sticker,
        x: within(gesture.x, 0, Place::X_MOST / 100),
        y: within(gesture.y, 0, Place::Y_MOST),
        width: within(gesture.width, Place::WIDTH_LEAST, Place::WIDTH_MOST),
        rotation: within(gesture.rotation, -Place::ROTATION_MOST, Place::ROTATION_MOST),
    });
    app.hub
        .publish(&gesture.topic, |line| (!line.is(&caller.line)).then(|| frame.clone()));
    Ok(())
}

/// `cursor`: where on a wall a visitor points; without a place, nowhere any more.
#[derive(Deserialize)]
pub struct Cursor {
    topic: String,
    x: Option<f64>,
    y: Option<f64>,
}

/// Shows a member's cursor to the others on a wall, where both like it, until it fades or they leave. Nothing is kept.
///
/// # Errors
/// [`Error::Forbidden`] where it isn't wanted.
pub async fn on_cursor(app: App, caller: Caller, cursor: Cursor) -> Result<(), Error> {
    let member = caller.viewer().member.as_ref().ok_or(Error::Unauthorized)?;
    let wall = watched(&caller, &cursor.topic)?;
    let (Some(x), Some(y)) = (cursor.x, cursor.y) else {
        app.hub.unsign(&cursor.topic, &member.name);
        return Ok(());
    };
    if !app.db.read(|db| queries::shows_cursor(db, wall, member.id))? {
        return Err(Error::Forbidden(
            "Cursors are shown where the wall's owner and the visitor both like it: on the wall, and in your settings."
                .into(),
        ));
    }
    pace(&app, member.id)?;
    let (topic, user, colour) = (&*cursor.topic, &*member.name, &*member.colour);
    app.hub.sign(
        &caller.line,
        topic,
        Sign {
            shown: Frame::of(&Event::Cursor {
                topic,
                user,
                colour,
                x: x.clamp(0.0, 100.0),
                y: y.clamp(0.0, Place::Y_MOST.into()),
            }),
            over: Frame::of(&Event::CursorGone { topic, user }),
            lasts: CURSOR_LASTS,
            every: CURSOR_EVERY,
        },
    );
    Ok(())
}

/// The wall that a topic is about, which the caller watches.
fn watched<'t>(caller: &Caller, topic: &'t str) -> Result<&'t str, Error> {
    let wall = topic.strip_prefix("wall:").filter(|name| profiles::is_name(name));
    let wall = wall.ok_or_else(|| Error::field("topic", "Name a wall's topic, such as wall:ana."))?;
    if caller.line.watches(topic) {
        Ok(wall)
    } else {
        Err(Error::Conflict(format!("Watch {topic} first.")))
    }
}

fn pace(app: &App, member: i64) -> Result<(), Error> {
    app.buckets
        .take(
            Instant::now(),
            &[(("moves of a member", MOVES_PER_MINUTE), &member.to_string())],
        )
        .map_err(|(retry_after, _)| Error::TooMany {
            retry_after,
            message: "That moves faster than anybody could follow.".into(),
        })
}
