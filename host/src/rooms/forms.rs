//! What is sent to rooms over HTTP: plain forms, which lead back to the page; what our script sends, which gets the
//! fragment; and programs, which get JSON. All of it is done by `talk.rs`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use minijinja::context;
use serde_json::json;

use super::{
    TOPIC_MOST, is_name,
    mutations::{self, Posted},
    page::{self, Asked, Thread, address},
    talk::{self, Post, Said, Speaker},
    view,
};
use crate::{
    app::App,
    error::{Error, Invalid},
    html,
    http::{Form, Path, Peer, Wants, see_other, unstored},
    session::{Member, Viewer},
    throttle,
};

/// `POST /rooms`: fields `name`, `topic`, `open` (`on`: everybody may join; absent: by invitation).
///
/// # Errors
/// [`Error::Invalid`], [`Error::Conflict`].
pub async fn create(
    State(app): State<App>,
    viewer: Viewer,
    member: Member,
    wants: Wants,
    form: Form,
) -> Result<Response, Error> {
    let made = try_create(&app, member, &form).await;
    match (made, wants) {
        (Ok(name), Wants::Json) => {
            let room = talk::room(&app, &viewer, &name)?;
            Ok((StatusCode::CREATED, Json(view::room_data(&room))).into_response())
        }
        (Ok(name), _) => Ok(see_other(&format!("/rooms/{name}"))),
        (Err(error @ (Error::Invalid(_) | Error::Conflict(_))), Wants::Page) => {
            let more = context! {
                form => context! {
                    name => form.text("name"),
                    topic => form.text("topic"),
                    open => is_open(&form),
                },
                errors => error.by_field(),
            };
            Ok(html::page(page::list_page(&app, &viewer, "", more)?, error.status()))
        }
        (Err(error), _) => Err(error),
    }
}

async fn try_create(app: &App, member: Member, form: &Form) -> Result<String, Error> {
    let (name, topic) = (
        form.text("name").trim_start_matches('#').to_lowercase(),
        form.text("topic").to_owned(),
    );
    let mut wrong = Invalid::default();
    if !is_name(&name) {
        wrong.add(
            "name",
            "A room's name has 2 to 32 of a-z, 0-9 and -, begins with a letter, and isn't search or new.",
        );
    }
    if let Err(why) = checked_topic(&topic) {
        wrong.add("topic", why);
    }
    wrong.into_result()?;
    let (open, made) = (is_open(form), name.clone());
    app.db
        .write(move |tx| mutations::create(tx, &member, &made, &topic, open))
        .await?;
    Ok(name)
}

fn is_open(form: &Form) -> bool {
    matches!(form.text("open"), "on" | "1" | "true" | "yes")
}

/// Whether this can be a topic; else what can.
pub(super) fn checked_topic(topic: &str) -> Result<(), String> {
    let length = topic.chars().count();
    if length > TOPIC_MOST {
        return Err(format!(
            "That is {length} characters. A topic has at most {TOPIC_MOST}."
        ));
    }
    if topic.chars().any(char::is_control) {
        return Err("A topic is one line, without control characters.".into());
    }
    Ok(())
}

/// `POST /rooms/{room}/join`.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] for who is banned.
pub async fn join(
    State(app): State<App>,
    viewer: Viewer,
    _: Member,
    wants: Wants,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    let room = talk::join(&app, &viewer, &name).await?;
    Ok(match wants {
        Wants::Json => Json(view::room_data(&room)).into_response(),
        _ => see_other(&format!("/rooms/{}", room.name)),
    })
}

/// `POST /rooms/{room}/leave`: for good. An owner's room stays, and belongs to nobody then.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn leave(
    State(app): State<App>,
    viewer: Viewer,
    _: Member,
    wants: Wants,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    talk::leave(&app, &viewer, &name).await?;
    Ok(match wants {
        Wants::Json => Json(json!({ "ok": true })).into_response(),
        _ => see_other("/rooms"),
    })
}

/// `POST /rooms/{room}/messages`: fields `content`, and perhaps `nonce`, `reply_to` and up to four times
/// `picture`. Our script gets the message as a
/// fragment, a program as data; a repeated nonce gets the message that stands already. What is refused is still in the box.
///
/// # Errors
/// As [`talk::post`].
pub async fn send(
    State(app): State<App>,
    viewer: Viewer,
    _: Member,
    Peer(peer): Peer,
    wants: Wants,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let said = try_send(&app, &viewer, &throttle::network(peer), &name, &form).await;
    match said {
        Ok(Said::Posted(posted)) => sent(&app, wants, &form, &posted),
        Ok(Said::Whispered(html)) => whispered(&app, &viewer, wants, &name, html),
        Err(error) if wants == Wants::Page && is_about_the_text(&error) => {
            let more = context! {
                draft => form.get("content").unwrap_or(""),
                error => error.detail(),
                reply_to => form.get("reply_to"),
            };
            let html = page::room_page(&app, &viewer, &name, Asked::default(), more)?;
            Ok(refused(html, &error))
        }
        Err(error) => Err(error),
    }
}

async fn try_send(app: &App, viewer: &Viewer, network: &str, name: &str, form: &Form) -> Result<Said, Error> {
    let reply_to = match form.text("reply_to") {
        "" => None,
        id => Some(
            id.parse()
                .map_err(|_| Error::field("reply_to", "Name the message that you answer to by its id."))?,
        ),
    };
    let post = Post {
        room: name.to_owned(),
        content: form.get("content").unwrap_or("").to_owned(),
        nonce: form.get("nonce").filter(|nonce| !nonce.is_empty()).map(str::to_owned),
        reply_to,
        pictures: form
            .0
            .iter()
            .filter(|(field, _)| field == "picture")
            .map(|(_, id)| id.trim().to_owned())
            .collect(),
    };
    talk::post(
        app,
        Speaker {
            viewer,
            network,
            origin: None,
        },
        post,
    )
    .await
}

fn sent(app: &App, wants: Wants, form: &Form, posted: &Posted) -> Result<Response, Error> {
    let (room, message) = (&posted.room, &posted.message);
    let status = if posted.repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(match wants {
        // An answer that was typed below its thread leads back there.
        Wants::Page if form.text("back") == "thread" => {
            let thread = message.thread_id.unwrap_or(message.id);
            see_other(&format!("/rooms/{room}/messages/{thread}#message-{}", message.id))
        }
        Wants::Page => see_other(&format!("/rooms/{room}#message-{}", message.id)),
        Wants::Fragment => html::fragment(view::message(app, room, message)?.to_string(), status),
        Wants::Json => unstored((status, Json(view::data(room, message))).into_response()),
    })
}

fn whispered(app: &App, viewer: &Viewer, wants: Wants, name: &str, html: String) -> Result<Response, Error> {
    Ok(match wants {
        Wants::Page => {
            let more = context! { whisper => minijinja::Value::from_safe_string(html) };
            html::page(
                page::room_page(app, viewer, name, Asked::default(), more)?,
                StatusCode::OK,
            )
        }
        Wants::Fragment => html::fragment(html, StatusCode::OK),
        Wants::Json => unstored(Json(json!({ "whisper": html })).into_response()),
    })
}

/// Whether the page should be shown again with what was typed.
fn is_about_the_text(error: &Error) -> bool {
    matches!(
        error,
        Error::Invalid(_) | Error::TooMany { .. } | Error::Conflict(_) | Error::Unavailable(_)
    )
}

fn refused(html: String, error: &Error) -> Response {
    let mut response = html::page(html, error.status());
    if let Error::TooMany { retry_after, .. } = error {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(*retry_after));
    }
    response
}

/// `POST /rooms/{room}/messages/{id}`: field `content`.
///
/// # Errors
/// As [`talk::edit`].
pub async fn edit(
    State(app): State<App>,
    viewer: Viewer,
    _: Member,
    Peer(peer): Peer,
    wants: Wants,
    Path((name, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    let content = form.get("content").unwrap_or("").to_owned();
    let network = throttle::network(peer);
    let speaker = Speaker {
        viewer: &viewer,
        network: &network,
        origin: None,
    };
    stands_in(&app, &viewer, &name, id)?;
    match talk::edit(&app, speaker, id, content.clone()).await {
        Ok((room, message)) => Ok(match wants {
            Wants::Page => see_other(&format!("/rooms/{}/messages/{id}", room.name)),
            Wants::Fragment => html::fragment(view::message(&app, &room.name, &message)?.to_string(), StatusCode::OK),
            Wants::Json => unstored(Json(view::data(&room.name, &message)).into_response()),
        }),
        Err(error) if wants == Wants::Page && is_about_the_text(&error) => {
            let more = context! { draft => content, error => error.detail() };
            let html = page::permalink_page(&app, &viewer, &name, id, &Thread::default(), more)?;
            Ok(refused(html, &error))
        }
        Err(error) => Err(error),
    }
}

/// `POST /rooms/{room}/messages/{id}/delete`.
///
/// # Errors
/// As [`talk::remove`].
pub async fn delete(
    State(app): State<App>,
    viewer: Viewer,
    _: Member,
    Peer(peer): Peer,
    wants: Wants,
    Path((name, id)): Path<(String, i64)>,
) -> Result<Response, Error> {
    stands_in(&app, &viewer, &name, id)?;
    let network = throttle::network(peer);
    let speaker = Speaker {
        viewer: &viewer,
        network: &network,
        origin: None,
    };
    let (room, message) = talk::remove(&app, speaker, id).await?;
    Ok(match wants {
        Wants::Page => see_other(&format!("/rooms/{}?around={id}#message-{id}", room.name)),
        Wants::Fragment => html::fragment(view::message(&app, &room.name, &message)?.to_string(), StatusCode::OK),
        Wants::Json => unstored(Json(view::data(&room.name, &message)).into_response()),
    })
}

/// A message is changed at its own address and no other.
fn stands_in(app: &App, viewer: &Viewer, name: &str, id: i64) -> Result<(), Error> {
    let room = talk::room(app, viewer, name)?;
    app.db.read(|db| super::queries::message(db, room.id, id)).map(drop)
}

/// `POST /rooms/{room}/read`: field `seq`; everything up to there was read.
///
/// # Errors
/// [`Error::NotFound`] for a room that one doesn't belong to.
pub async fn read(
    State(app): State<App>,
    viewer: Viewer,
    _: Member,
    wants: Wants,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let seq = form
        .text("seq")
        .parse()
        .map_err(|_| Error::field("seq", "Name the last message that was read by its seq, a whole number."))?;
    let unread = talk::read_up_to(&app, &viewer, None, &name, seq).await?;
    Ok(match wants {
        Wants::Page => see_other(&address(&name, "")),
        Wants::Fragment => html::fragment(String::new(), StatusCode::OK),
        Wants::Json => Json(json!({
            "room": name,
            "count": unread.count,
            "mentions": unread.mentions,
            "read_seq": unread.read_seq,
            "last_seq": unread.last_seq,
        }))
        .into_response(),
    })
}
