//! What an owner allows on their wall, and whose cursors it shows.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    forms::{done, owns},
    mutations,
    queries::{self, Canvas},
    wall_topic,
};
use crate::{
    app::App,
    dms,
    error::Error,
    http::{Form, Path, Wants},
    live::{Frame, frame::Event},
    profiles,
    session::{Member, Viewer},
};

/// `POST /wall/{user}/stickers/allow`: `visitors` (`members` or `nobody`), `cursors` (`on` or absent), and `presence`
/// (`on` or `off`; absent: as it is), whether it is said who is there.
///
/// # Errors
/// [`Error::Forbidden`] for anyone but the owner; [`Error::Invalid`].
pub async fn allow(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    // The page's form sends `off` behind a box that may say `on`: the first counts.
    let presence = match form.text("presence") {
        "" => None,
        "on" | "1" | "true" | "yes" => Some(true),
        "off" | "0" | "false" | "no" => Some(false),
        _ => return Err(Error::field("presence", "Say on or off.")),
    };
    let asked = Canvas {
        visitors: match form.text("visitors") {
            "members" => true,
            "nobody" | "" => false,
            _ => return Err(Error::field("visitors", "Say members or nobody.")),
        },
        cursors: matches!(form.text("cursors"), "on" | "1" | "true" | "yes"),
        ..Canvas::default()
    };
    let canvas = {
        let (wall, teller) = (wall.clone(), app.clone());
        app.db
            .write(move |tx| {
                let presence = match presence {
                    Some(presence) => presence,
                    None => queries::canvas(tx, member.id)?.presence,
                };
                let canvas = Canvas { presence, ..asked };
                mutations::allow(tx, &teller, &member, canvas)?;
                // What pages offer is another thing now: they fetch themselves again.
                tx.announce(move || {
                    let topic = wall_topic(&wall);
                    let frame: Frame = Event::Resync { topic: &topic }.frame();
                    teller.hub.publish(&topic, |_| Some(frame.clone()));
                });
                Ok(canvas)
            })
            .await?
    };
    match wants {
        Wants::Json => Ok(Json(json!({
            "visitors": if canvas.visitors { "members" } else { "nobody" },
            "cursors": canvas.cursors,
            "presence": canvas.presence,
        }))
        .into_response()),
        _ => done(wants, &wall, None),
    }
}

/// Whether a viewer likes their cursor to be shown, where a wall's owner likes it too: `connected` on `/live` says so.
///
/// # Errors
/// The database's.
pub fn shows_cursor(app: &App, viewer: &Viewer) -> Result<bool, Error> {
    let Some(id) = viewer.id().filter(|_| !viewer.hidden) else {
        return Ok(false);
    };
    app.db.read(|db| queries::likes_cursor(db, id))
}

/// Whether somebody who doesn't own a wall has anything to do with its stickers: they may leave some, or have left some.
///
/// # Errors
/// The database's.
pub fn may_decorate(app: &App, viewer: &Viewer, wall: &str) -> Result<bool, Error> {
    let Some(id) = viewer.id() else { return Ok(false) };
    app.db.read(|db| {
        let owner = profiles::find(db, wall)?;
        if dms::blocked(db, owner.user_id)?.contains(&id) {
            return Ok(false);
        }
        let stickers = queries::all(db, owner.user_id)?;
        Ok(queries::canvas(db, owner.user_id)?.visitors || stickers.iter().any(|sticker| sticker.user_id == id))
    })
}
