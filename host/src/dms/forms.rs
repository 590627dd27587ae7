//! Direct messages over HTTP: sending, reading marks, deleting, and what one does about a conversation.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    mutations::{Marked, Measure, Scope},
    talk::{self, Hand, Sealed},
    view::Eyes,
};
use crate::{
    app::App,
    error::Error,
    http::{Object, Path, Peer, Wants, see_other, unstored},
    session::Member,
    throttle,
};

/// `POST /dm/{user}/messages`: 201 with the message as it stands; the very same again is answered the same.
///
/// # Errors
/// As [`talk::send`].
pub async fn send(
    State(app): State<App>,
    Peer(address): Peer,
    member: Member,
    Path(with): Path<String>,
    Object(sealed): Object<Sealed>,
) -> Result<Response, Error> {
    let network = throttle::network(address);
    let hand = Hand {
        member: &member,
        network: &network,
        origin: None,
    };
    let sent = talk::send(&app, hand, &with, sealed).await?;
    let shown = Eyes::of(&member.name, &with).show(&sent.message);
    Ok(unstored((StatusCode::CREATED, Json(shown)).into_response()))
}

/// Which messages are deleted, and for whom.
#[derive(Deserialize)]
pub struct Deletion {
    messages: Vec<Marked>,
    scope: Scope,
}

/// `POST /dm/{user}/messages/delete`.
///
/// # Errors
/// As [`talk::delete`].
pub async fn delete(
    State(app): State<App>,
    member: Member,
    Path(with): Path<String>,
    Object(deletion): Object<Deletion>,
) -> Result<Response, Error> {
    let ids: Vec<i64> = deletion.messages.iter().map(|message| message.id).collect();
    talk::delete(&app, &member, &with, deletion.messages, deletion.scope).await?;
    Ok(unstored(
        Json(json!({ "ids": ids, "scope": deletion.scope })).into_response(),
    ))
}

/// How far one has read.
#[derive(Deserialize)]
pub struct Mark {
    seq: i64,
}

/// `POST /dm/{user}/read`.
///
/// # Errors
/// [`Error::NotFound`] where nobody has written.
pub async fn read(
    State(app): State<App>,
    member: Member,
    Path(with): Path<String>,
    Object(mark): Object<Mark>,
) -> Result<Response, Error> {
    let (_, conversation) = talk::read_up_to(&app, &member, None, &with, mark.seq).await?;
    let body = json!({
        "unread": conversation.unread(),
        "read_seq": conversation.mine.read_seq,
        "last_seq": conversation.last_seq,
    });
    Ok(unstored(Json(body).into_response()))
}

/// `POST /dm/{user}/accept`, `decline`, `block`, `unblock`, `mute`, `unmute`.
///
/// # Errors
/// [`Error::NotFound`] for nobody; [`Error::Conflict`] for a request that isn't one.
pub async fn measure(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((with, measure)): Path<(String, String)>,
) -> Result<Response, Error> {
    let measure = Measure::parse(&measure).ok_or(Error::NotFound)?;
    let pair = talk::measure(&app, &member, &with, measure).await?;
    let side = pair.conversation().map(|it| &it.mine)?;
    let body = json!({ "state": pair.state(), "muted": side.muted, "blocked": side.blocked });
    Ok(match wants {
        Wants::Json => unstored(Json(body).into_response()),
        Wants::Page | Wants::Fragment if measure == Measure::Decline => see_other("/dm"),
        Wants::Page | Wants::Fragment => see_other(&format!("/dm/{}", pair.peer.name)),
    })
}
