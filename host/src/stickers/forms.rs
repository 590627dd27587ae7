//! What is sent about stickers: plain forms, which lead back to the page; our script, which gets what changed; programs, which get
//! JSON. Each goes prepare, commit, announce.

use std::time::Instant;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use minijinja::{Value, context};
use serde_json::json;

use super::{
    CHANGES_PER_MINUTE, LEFT_PER_MINUTE, Place, live,
    mutations::{self, Change, New, Stack, What, Which},
    queries::{self, Picture},
    view::{self, Refused},
};
use crate::{
    app::{App, now_ms},
    db::Tx,
    error::{self, Error, Invalid},
    html,
    http::{Form, Path, Wants, see_other},
    media,
    plugins::settings as schema,
    profiles,
    session::{Member, Viewer},
};

/// Characters of a sticker's description.
pub(super) const ALT_MOST: usize = 200;
/// Where a sticker goes that came without a place: beside the name.
const FIRST: Place = Place {
    x: 5_600,
    y: 260,
    width: Place::WIDTH,
    rotation: 0,
};

/// `GET /wall/{user}/stickers`: everything that lies on a wall. People are led to the wall.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn list(State(app): State<App>, Path(wall): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    if error::wants_page(&headers) {
        return Ok(see_other(&format!("/wall/{wall}")));
    }
    let (owner, stickers, canvas) = app.db.read(|db| {
        let owner = profiles::find(db, &wall)?;
        let stickers = queries::all(db, owner.user_id)?;
        let canvas = queries::canvas(db, owner.user_id)?;
        Ok((owner, stickers, canvas))
    })?;
    let stickers: Vec<_> = stickers.iter().map(|s| view::data(&app, &owner.name, s)).collect();
    Ok(Json(json!({
        "stickers": stickers,
        "visitors": if canvas.visitors { "members" } else { "nobody" },
        "cursors": canvas.cursors,
        "presence": canvas.presence,
    }))
    .into_response())
}

/// `GET /wall/{user}/stickers/{id}`: one sticker, for our script with its settings; or, by the name of a sheet, where everything
/// lies.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn one(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path((wall, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if !profiles::is_name(&wall) {
        return Err(Error::NotFound);
    }
    if let Some(hash) = name.strip_suffix(".css") {
        return view::sheet(&app, &wall, hash, &headers).await;
    }
    let id: i64 = name.parse().map_err(|_| Error::NotFound)?;
    let (owner, sticker) = app.db.read(|db| queries::one(db, &wall, id))?;
    match wants {
        Wants::Page => Ok(see_other(&format!("/wall/{wall}#sticker-{id}"))),
        Wants::Json => Ok(Json(view::data(&app, &wall, &sticker)).into_response()),
        Wants::Fragment => {
            let mut html = view::html(&app, &wall, &sticker)?;
            if [owner.user_id, sticker.user_id].map(Some).contains(&viewer.id()) {
                html.push_str(&view::inspector(&app, &owner, &sticker)?);
            }
            Ok(html::fragment(html, StatusCode::OK))
        }
    }
}

/// `POST /wall/{user}/stickers`: puts one up. Fields: `emoji`, `plugin` with its settings, or `media`; `x` (percent), `y`, `width`, `rotation`,
/// `alt`, each of which may be missing.
///
/// # Errors
/// [`Error::Invalid`], saying what is allowed; [`Error::Forbidden`] for who may not leave one; [`Error::Conflict`] on a full wall.
pub async fn add(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let owner = app.db.read(|db| profiles::find(db, &wall))?;
    let new = match check_new(&app, &member, &form) {
        Ok(new) => new,
        Err(error) => return refuse(&app, member, wants, &wall, &form, None, error),
    };
    pace(&app, &member, owner.user_id != member.id)?;
    let by = member.clone();
    let added = write(&app, &wall, move |tx, wall| {
        let id = mutations::add(tx, wall, &by, &new)?;
        Ok((id, vec![id]))
    });
    let id = match added.await {
        Ok(id) => id,
        Err(error @ (Error::Conflict(_) | Error::Forbidden(_))) => {
            return refuse(&app, member, wants, &wall, &form, None, error);
        }
        Err(error) => return Err(error),
    };
    answer(&app, wants, &wall, id, &[], StatusCode::CREATED)
}

fn check_new(app: &App, member: &Member, form: &Form) -> Result<New, Error> {
    let mut invalid = Invalid::default();
    let (change, alt) = numbers(form, &mut invalid);
    let what = match (form.text("emoji"), form.text("plugin"), form.text("media")) {
        ("", "", "") => {
            invalid.add(
                "emoji",
                "Choose an emoji, a picture of your own, or a plugin that draws stickers.",
            );
            None
        }
        ("", "", media) => {
            let picture = app.db.read(|db| media::picture(db, member.id, media));
            match picture {
                Ok(picture) => Some((What::Image(picture.id), shortened(&picture.alt))),
                Err(Error::Invalid(errors)) => {
                    invalid.errors.extend(errors.errors);
                    None
                }
                Err(error) => return Err(error),
            }
        }
        ("", plugin, _) => drawn(app, plugin, form, &mut invalid),
        (emoji, ..) => match emojis::get(emoji) {
            Some(emoji) => Some((What::Emoji(emoji.as_str().into()), emoji.name().to_owned())),
            None => {
                invalid.add(
                    "emoji",
                    "One emoji, please, of those that Unicode lists: a butterfly, a flag, a snowman.",
                );
                None
            }
        },
    };
    let what = what.map(|(what, called)| New {
        what,
        place: Place {
            x: change.x.unwrap_or(FIRST.x),
            y: change.y.unwrap_or(FIRST.y),
            width: change.width.unwrap_or(FIRST.width),
            rotation: change.rotation.unwrap_or(FIRST.rotation),
        },
        alt: alt.unwrap_or(called),
    });
    invalid.into_result()?;
    what.ok_or_else(|| Error::internal("a sticker of nothing"))
}

fn drawn(app: &App, plugin: &str, form: &Form, invalid: &mut Invalid) -> Option<(What, String)> {
    let standing = app.plugins.standing(plugin);
    let Some(plugin) = standing.ready().filter(|plugin| plugin.roles.sticker) else {
        invalid.add(
            "plugin",
            "There is no such sticker here. The gallery lists those that there are.",
        );
        return None;
    };
    let given = form.0.iter().any(|(name, _)| name.starts_with("s-"));
    let settings = match given.then(|| schema::from_form(&plugin.manifest.settings, &form.0)) {
        None => "{}".into(),
        Some(Ok(value)) => value.to_string().into(),
        Some(Err(errors)) => {
            invalid.errors.extend(Invalid::from(errors).errors);
            return None;
        }
    };
    let plugin = plugin.manifest.id.as_str().into();
    Some((What::Drawn { plugin, settings }, String::new()))
}

/// The words of a picture, as far as a sticker takes them.
fn shortened(alt: &str) -> String {
    alt.replace(['\n', '\r', '\t'], " ").chars().take(ALT_MOST).collect()
}

/// `POST …/{id}`: moves, turns, sizes, describes one: `x`, `y`, `width`, `rotation`, `alt`; what is missing stays.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::NotFound`]; [`Error::Forbidden`] for somebody else's.
pub async fn change(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    let mut invalid = Invalid::default();
    let (mut change, alt) = numbers(&form, &mut invalid);
    change.alt = alt;
    if let Err(error) = invalid.into_result() {
        return refuse(&app, member, wants, &wall, &form, Some(id), error);
    }
    keep(&app, member, wants, &wall, id, change).await
}

/// `POST …/{id}/settings`: draws one with other parameters.
///
/// # Errors
/// As [`change`]; [`Error::Conflict`] while its plugin isn't running.
pub async fn settings(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    match parameters(&app, &wall, id, &form) {
        Ok(settings) => {
            let change = Change {
                settings: Some(settings.into()),
                ..Change::default()
            };
            keep(&app, member, wants, &wall, id, change).await
        }
        Err(error @ Error::Invalid(_)) => refuse(&app, member, wants, &wall, &form, Some(id), error),
        Err(error) => Err(error),
    }
}

/// `POST …/{id}/preview`: what these parameters would look like. Nothing is kept.
///
/// # Errors
/// As [`settings`].
pub async fn preview(
    State(app): State<App>,
    member: Member,
    Path((wall, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    let settings = parameters(&app, &wall, id, &form)?;
    let (owner, mut sticker) = app.db.read(|db| queries::one(db, &wall, id))?;
    if ![owner.user_id, sticker.user_id].contains(&member.id) {
        return Err(Error::NotFound);
    }
    let mut it = context! { sticker => true, name => sticker.alt, preview => "", sheet => "", note => "" };
    if let Picture::Drawn { settings: kept, .. } = &mut sticker.picture {
        *kept = settings.into();
    }
    let installation = sticker.installation(&owner, owner.utc_offset_minutes(now_ms()));
    let drawn = app.plugins.draw_for_owner(&installation.ok_or(Error::NotFound)?).await;
    it = match drawn {
        Ok(drawn) => {
            use base64::Engine;
            let preview = base64::engine::general_purpose::STANDARD.encode(&drawn.svg);
            context! { preview, ..it }
        }
        Err(error) => context! { note => error.detail(), ..it },
    };
    let html = app.html.render("walls/preview.html", context! { it })?;
    Ok(html::fragment(html, StatusCode::OK))
}

/// The parameters of a drawn sticker as a form has them.
fn parameters(app: &App, wall: &str, id: i64, form: &Form) -> Result<String, Error> {
    let (_, sticker) = app.db.read(|db| queries::one(db, wall, id))?;
    let Picture::Drawn { plugin, .. } = &sticker.picture else {
        return Err(Error::NotFound);
    };
    let standing = app.plugins.standing(plugin);
    let plugin = standing.ready().ok_or_else(|| {
        Error::Conflict("This plugin is not running here just now, so its stickers can't be changed.".into())
    })?;
    schema::from_form(&plugin.manifest.settings, &form.0)
        .map(|value| value.to_string())
        .map_err(|errors| Error::Invalid(errors.into()))
}

async fn keep(app: &App, member: Member, wants: Wants, wall: &str, id: i64, change: Change) -> Result<Response, Error> {
    pace(app, &member, false)?;
    write(app, wall, move |tx, wall| {
        mutations::change(tx, wall, &member, id, &change)?;
        Ok(((), vec![id]))
    })
    .await?;
    answer(app, wants, wall, id, &[], StatusCode::OK)
}

/// `POST …/{id}/stack`: `to` is `front`, `back`, `forward` or `backward`; or `under`, with the id of the `other` one.
///
/// # Errors
/// As [`change`].
pub async fn stack(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    let to = match form.text("to") {
        "front" => Stack::Front,
        "back" => Stack::Back,
        "forward" => Stack::Forward,
        "backward" => Stack::Backward,
        "under" => match form.text("other").parse() {
            Ok(other) => Stack::Under(other),
            Err(_) => {
                return Err(Error::field(
                    "other",
                    "Name the sticker that it should lie under by its number.",
                ));
            }
        },
        _ => return Err(Error::field("to", "Say front, back, forward, backward or under.")),
    };
    pace(&app, &member, false)?;
    let moved = write(&app, &wall, move |tx, wall| {
        let moved = mutations::stack(tx, wall, &member, id, to)?;
        Ok((moved.clone(), moved))
    })
    .await?;
    answer(&app, wants, &wall, id, &moved, StatusCode::OK)
}

/// `POST …/{id}/duplicate`: another one like it.
///
/// # Errors
/// As [`add`].
pub async fn duplicate(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
) -> Result<Response, Error> {
    pace(&app, &member, *member.name != *wall)?;
    let copy = write(&app, &wall, move |tx, wall| {
        let copy = mutations::duplicate(tx, wall, &member, id)?;
        Ok((copy, vec![copy]))
    })
    .await?;
    answer(&app, wants, &wall, copy, &[], StatusCode::CREATED)
}

/// `POST …/{id}/remove`: takes one off. It is kept for a while.
///
/// # Errors
/// As [`change`].
pub async fn remove(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
) -> Result<Response, Error> {
    write(&app, &wall, move |tx, wall| {
        mutations::remove(tx, wall, &member, id)?;
        Ok(((), vec![id]))
    })
    .await?;
    removed(wants, &wall, &[id])
}

/// `POST /wall/{user}/stickers/clear`: takes off what visitors left; with `user`, what that one left.
///
/// # Errors
/// [`Error::Forbidden`] for anyone but the owner.
pub async fn clear(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    let which = match form.text("user") {
        "" => Which::Visitors,
        name => Which::Of(name.to_owned()),
    };
    let cleared = write(&app, &wall, move |tx, wall| {
        let cleared = mutations::clear(tx, wall, &member, &which)?;
        Ok((cleared.clone(), cleared))
    })
    .await?;
    removed(wants, &wall, &cleared)
}

/// `POST /wall/{user}/stickers/restore`: puts back what was taken off; one `id` or several.
///
/// # Errors
/// [`Error::NotFound`] when none of them is kept any more; [`Error::Conflict`] when there is no room.
pub async fn restore(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let ids: Vec<i64> = form
        .0
        .iter()
        .filter(|(name, _)| name == "id")
        .flat_map(|(_, value)| value.split(','))
        .filter_map(|id| id.trim().parse().ok())
        .take(super::STICKERS_MOST as usize)
        .collect();
    if ids.is_empty() {
        return Err(Error::field("id", "Name the stickers to put back by their numbers."));
    }
    let back = write(&app, &wall, move |tx, wall| {
        let back = mutations::restore(tx, wall, &member, &ids)?;
        Ok((back.clone(), back))
    })
    .await?;
    match wants {
        Wants::Page => done(wants, &wall, back.first().copied()),
        Wants::Json => Ok(Json(json!({ "restored": back })).into_response()),
        Wants::Fragment => {
            let mut html = String::new();
            for id in back {
                let (_, sticker) = app.db.read(|db| queries::one(db, &wall, id))?;
                html.push_str(&view::html(&app, &wall, &sticker)?);
            }
            Ok(html::fragment(html, StatusCode::OK))
        }
    }
}

/// Writes, and has what looks different then told.
async fn write<T: Send + 'static>(
    app: &App,
    wall: &str,
    write: impl FnOnce(&Tx, &str) -> Result<(T, Vec<i64>), Error> + Send + 'static,
) -> Result<T, Error> {
    let (wall, teller) = (wall.to_owned(), app.clone());
    app.db
        .write(move |tx| {
            let (answer, changed) = write(tx, &wall)?;
            tx.announce(move || live::tell(&teller, &wall, &changed));
            Ok(answer)
        })
        .await
}

/// The place and the words that a form asks for; what it lacks is nothing.
fn numbers(form: &Form, invalid: &mut Invalid) -> (Change, Option<String>) {
    let mut number = |field: &str, least: f64, most: f64, unit: &str| {
        let text = form.text(field);
        if text.is_empty() {
            return None;
        }
        let value = text.parse().ok().filter(|value| (least..=most).contains(value));
        if value.is_none() {
            invalid.add(field, format!("A number from {least} to {most}{unit}, please."));
        }
        value
    };
    let whole = |value: f64| value.round() as i32;
    let x = number("x", 0.0, f64::from(Place::X_MOST) / 100.0, " percent");
    let change = Change {
        x: x.map(|x| whole(x * 100.0)),
        y: number("y", 0.0, Place::Y_MOST.into(), "").map(whole),
        width: number("width", Place::WIDTH_LEAST.into(), Place::WIDTH_MOST.into(), "").map(whole),
        rotation: number(
            "rotation",
            (-Place::ROTATION_MOST).into(),
            Place::ROTATION_MOST.into(),
            " degrees",
        )
        .map(whole),
        ..Change::default()
    };
    let alt = form.get("alt").map(|alt| alt.trim().replace(['\n', '\r', '\t'], " "));
    if let Some(alt) = alt.as_deref().filter(|alt| alt.chars().count() > ALT_MOST) {
        invalid.add(
            "alt",
            format!(
                "At most {ALT_MOST} characters, please: these are {}.",
                alt.chars().count()
            ),
        );
    }
    (change, alt)
}

/// Holds up one who changes stickers without pause, or leaves many.
fn pace(app: &App, member: &Member, leaves: bool) -> Result<(), Error> {
    let who = member.id.to_string();
    let all = [
        (("changes of stickers", CHANGES_PER_MINUTE), &*who),
        (("stickers left", LEFT_PER_MINUTE), &*who),
    ];
    app.buckets
        .take(Instant::now(), if leaves { &all } else { &all[..1] })
        .map_err(|(retry_after, _)| Error::TooMany {
            retry_after,
            message: "That were many stickers at once.".into(),
        })
}

/// Only the owner does this.
pub(super) fn owns(member: &Member, wall: &str) -> Result<(), Error> {
    if *member.name == *wall {
        return Ok(());
    }
    Err(Error::Forbidden(format!(
        "This is {wall}'s wall: only {wall} can change that."
    )))
}

/// After a change of one sticker: where to look, or how it looks now, and how those look that moved along with it.
fn answer(app: &App, wants: Wants, wall: &str, id: i64, along: &[i64], status: StatusCode) -> Result<Response, Error> {
    if wants == Wants::Page {
        return done(wants, wall, Some(id));
    }
    let (owner, sticker) = app.db.read(|db| queries::one(db, wall, id))?;
    match wants {
        Wants::Json => Ok((status, Json(view::data(app, wall, &sticker))).into_response()),
        _ => {
            let mut html = view::html(app, wall, &sticker)?;
            for other in along.iter().filter(|other| **other != id) {
                match app.db.read(|db| queries::one(db, wall, *other)) {
                    Ok((_, other)) => html.push_str(&view::html(app, wall, &other)?),
                    // Somebody has taken it off meanwhile.
                    Err(Error::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            html.push_str(&view::inspector(app, &owner, &sticker)?);
            Ok(html::fragment(html, StatusCode::OK))
        }
    }
}

fn removed(wants: Wants, wall: &str, ids: &[i64]) -> Result<Response, Error> {
    let listed: Vec<String> = ids.iter().map(i64::to_string).collect();
    Ok(match wants {
        Wants::Page => see_other(&format!("/wall/{wall}?edit=1&tab=stickers&off={}", listed.join(","))),
        Wants::Fragment => html::fragment(String::new(), StatusCode::OK),
        Wants::Json => Json(json!({ "removed": ids })).into_response(),
    })
}

/// After a change that the page shows by itself.
pub(super) fn done(wants: Wants, wall: &str, id: Option<i64>) -> Result<Response, Error> {
    let chosen = id.map(|id| format!("&sticker={id}")).unwrap_or_default();
    Ok(match wants {
        Wants::Page => see_other(&format!("/wall/{wall}?edit=1&tab=stickers{chosen}")),
        Wants::Fragment => html::fragment(String::new(), StatusCode::OK),
        Wants::Json => Json(json!({ "ok": true })).into_response(),
    })
}

/// A refused form: a browser without our script gets it back as it was typed, on a page of its own; others are told what is wrong.
fn refuse(
    app: &App,
    member: Member,
    wants: Wants,
    wall: &str,
    form: &Form,
    id: Option<i64>,
    error: Error,
) -> Result<Response, Error> {
    if wants != Wants::Page {
        return Err(error);
    }
    let (status, errors) = match error {
        Error::Invalid(invalid) => (StatusCode::UNPROCESSABLE_ENTITY, invalid),
        other => {
            let mut invalid = Invalid::default();
            invalid.add("", other.detail());
            (other.status(), invalid)
        }
    };
    let owner = app.db.read(|db| profiles::find(db, wall))?;
    let asked = Form(
        id.map(|id| ("sticker".to_owned(), id.to_string()))
            .into_iter()
            .collect(),
    );
    let refused = Refused { form, errors: &errors };
    let panel = view::panel(app, &Viewer::of(member), &owner, &asked, Some(&refused))?;
    let html = app.html.render(
        "stickers/page.html",
        context! { panel, who => context! { name => owner.name }, signed_in => true, here => "", made => Value::from("") },
    )?;
    Ok(html::page(html, status))
}
