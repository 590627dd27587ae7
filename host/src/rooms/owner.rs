//! What a room's owner does, and the log of it, which everybody in the room reads.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use minijinja::{Value, context, value::merge_maps};
use serde::Deserialize;
use serde_json::json;

use super::{
    forms::checked_topic,
    live, mutations,
    mutations::Measure,
    page::{address, door, you},
    queries, talk, view,
};
use crate::{
    app::App,
    error::Error,
    html,
    http::{Form, Path, Query, Wants, see_other, unstored},
    session::{Member, Viewer},
    words,
};

/// People and deeds on one page.
const PAGE: usize = 100;
/// Banned and invited people on the page of people.
const OUTSIDERS: i64 = 500;

/// Where a page begins.
#[derive(Debug, Default, Deserialize)]
pub struct From {
    #[serde(default)]
    after: String,
    before: Option<i64>,
}

/// Gives the lobby to whom the configuration names (`lobby_owner`), or to nobody.
///
/// # Errors
/// The database's. A name that nobody has is said in the log, and the lobby stays whose it is.
pub async fn give_lobby(app: &App) -> Result<(), Error> {
    let name = app.config().lobby_owner.clone();
    let owner = name.clone();
    let teller = app.clone();
    let given = app.db.write(move |tx| {
        let owner = (!owner.is_empty()).then_some(owner);
        if let Some(topic) = mutations::give_lobby(tx, owner.as_deref())? {
            tx.announce(move || live::tell_changed(&teller, "lobby", &topic, owner.as_deref()));
        }
        Ok(())
    });
    match given.await {
        Err(Error::NotFound) => tracing::warn!("lobby_owner: nobody is called {name:?}; the lobby stays whose it is"),
        done => return done,
    }
    Ok(())
}

/// `GET /rooms/{room}/people`: who belongs to it, alphabetical; for its owner also who is invited and who is banned.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub async fn people(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(name): Path<String>,
    Query(from): Query<From>,
) -> Result<Response, Error> {
    if viewer.member.is_none() {
        return door(wants, &address(&name, "/people"));
    }
    let shown = people_of(&app, &viewer, &name, &from.after)?;
    if wants == Wants::Json {
        return Ok(unstored(Json(shown).into_response()));
    }
    let html = app.html.render("rooms/people.html", merge_maps([shown, shell()]))?;
    Ok(html::page(html, StatusCode::OK))
}

fn people_of(app: &App, viewer: &Viewer, name: &str, after: &str) -> Result<Value, Error> {
    let room = talk::room(app, viewer, name)?.readable()?;
    let (mut people, (banned, invited)) = app.db.read(|db| {
        Ok((
            queries::people(db, room.id, after, PAGE as i64 + 1)?,
            if room.you.owner {
                queries::outsiders(db, room.id, OUTSIDERS)?
            } else {
                Default::default()
            },
        ))
    })?;
    let next = (people.len() > PAGE).then(|| people[PAGE - 1].name.clone());
    people.truncate(PAGE);
    Ok(context! {
        room => view::room(&room),
        you => you(viewer, &room)?,
        people, next, banned, invited,
        error => "",
    })
}

fn shell() -> Value {
    context! { signed_in => true, here => "rooms" }
}

/// `GET /rooms/{room}/log`: what was done in it, newest first.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub async fn log(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(name): Path<String>,
    Query(from): Query<From>,
) -> Result<Response, Error> {
    if viewer.member.is_none() {
        return door(wants, &address(&name, "/log"));
    }
    let room = talk::room(&app, &viewer, &name)?.readable()?;
    let mut deeds = app
        .db
        .read(|db| queries::log(db, room.id, from.before.unwrap_or(i64::MAX), PAGE + 1))?;
    let older = (deeds.len() > PAGE).then(|| deeds[PAGE - 1].id);
    deeds.truncate(PAGE);
    let deeds: Vec<Value> = deeds
        .into_iter()
        .map(|deed| {
            context! {
                id => deed.id,
                actor => deed.actor,
                action => deed.action,
                subject => deed.subject,
                detail => deed.detail,
                at => words::moment(deed.at),
            }
        })
        .collect();
    let shown = context! { room => view::room(&room), you => you(&viewer, &room)?, deeds, older };
    if wants == Wants::Json {
        return Ok(unstored(Json(shown).into_response()));
    }
    let html = app.html.render("rooms/log.html", merge_maps([shown, shell()]))?;
    Ok(html::page(html, StatusCode::OK))
}

/// `POST /rooms/{room}/topic`: field `topic`.
///
/// # Errors
/// [`Error::Forbidden`] for everyone but the owner; [`Error::Invalid`].
pub async fn set_topic(
    State(app): State<App>,
    viewer: Viewer,
    _: Member,
    wants: Wants,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let topic = form.text("topic").to_owned();
    checked_topic(&topic).map_err(|why| Error::field("topic", why))?;
    talk::set_topic(&app, &viewer, &name, topic.clone()).await?;
    Ok(match wants {
        Wants::Json => Json(json!({ "room": name, "topic": topic })).into_response(),
        _ => see_other(&address(&name, "")),
    })
}

macro_rules! measures {
    ($($(#[$doc:meta])* $name:ident => $measure:ident),* $(,)?) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::Forbidden`] for everyone but the owner; [`Error::Invalid`] for a name that it can't be done to.
        pub async fn $name(
            state: State<App>,
            viewer: Viewer,
            member: Member,
            wants: Wants,
            path: Path<String>,
            form: Form,
        ) -> Result<Response, Error> {
            measure(state, viewer, member, wants, path, form, Measure::$measure).await
        }
    )* };
}

measures! {
    /// `POST /rooms/{room}/invite`: field `user`, who may join then.
    invite => Invite,
    /// `POST /rooms/{room}/mute`: field `user`, who may read and not talk.
    mute => Mute,
    /// `POST /rooms/{room}/unmute`: field `user`.
    unmute => Unmute,
    /// `POST /rooms/{room}/kick`: field `user`, who is put out and may come back.
    kick => Kick,
    /// `POST /rooms/{room}/ban`: field `user`, who is put out and may not.
    ban => Ban,
    /// `POST /rooms/{room}/unban`: field `user`.
    unban => Unban,
}

async fn measure(
    State(app): State<App>,
    viewer: Viewer,
    _: Member,
    wants: Wants,
    Path(name): Path<String>,
    form: Form,
    measure: Measure,
) -> Result<Response, Error> {
    let user = form.text("user");
    match talk::measure(&app, &viewer, &name, measure, user).await {
        Ok(()) if wants == Wants::Json => {
            Ok(Json(json!({ "room": name, "action": measure.name(), "user": user })).into_response())
        }
        Ok(()) => Ok(see_other(&address(&name, "/people"))),
        Err(error @ (Error::Invalid(_) | Error::Conflict(_))) if wants == Wants::Page => {
            let more = context! { error => error.detail(), typed => user };
            let shown = people_of(&app, &viewer, &name, "")?;
            let html = app
                .html
                .render("rooms/people.html", merge_maps([shown, shell(), more]))?;
            Ok(html::page(html, error.status()))
        }
        Err(error) => Err(error),
    }
}
