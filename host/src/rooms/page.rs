//! What is read in rooms: the list, a room's conversation, a message in its thread. Everything that comes over `/live` can
//! be had here too, from the same partials.

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
    commands,
    queries::{self, Message, Room},
    talk, topic, view,
};
use crate::{
    app::App,
    error::Error,
    html,
    http::{Path, Query, Wants, see_other, unstored},
    media,
    session::Viewer,
    words,
};

/// Messages on one page.
const PAGE: usize = 50;
/// Answers of a thread on one page.
const THREAD: usize = 100;
/// Names of who is here, on a page; more come over `/live`.
const HERE: usize = 100;

/// Which part of a conversation is asked for, by messages' ids; the newest, if none is.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Asked {
    pub around: Option<i64>,
    pub before: Option<i64>,
    pub after: Option<i64>,
}

/// Guests are shown the way in, and come back.
pub(super) fn door(wants: Wants, next: &str) -> Result<Response, Error> {
    match wants {
        Wants::Page => Ok(see_other(&format!("/login?next={next}"))),
        Wants::Fragment | Wants::Json => Err(Error::Unauthorized),
    }
}

/// A place in a room, if that can be one's name; else the list.
pub(super) fn address(room: &str, place: &str) -> String {
    if super::is_name(room) {
        format!("/rooms/{room}{place}")
    } else {
        "/rooms".into()
    }
}

/// Where the list begins.
#[derive(Debug, Deserialize)]
pub struct From {
    #[serde(default)]
    after: String,
}

/// `GET /rooms`: one's own rooms, and those that one could join.
///
/// # Errors
/// The database's.
pub async fn list(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Query(from): Query<From>,
) -> Result<Response, Error> {
    if viewer.member.is_none() {
        return door(wants, "/rooms");
    }
    if wants == Wants::Json {
        let (own, others) = lists(&app, &viewer, &from.after)?;
        return Ok(unstored(
            Json(json!({ "rooms": own, "others": others })).into_response(),
        ));
    }
    let html = list_page(&app, &viewer, &from.after, context! {})?;
    Ok(html::page(html, StatusCode::OK))
}

fn lists(app: &App, viewer: &Viewer, after: &str) -> Result<(Vec<queries::Listed>, Vec<queries::Listed>), Error> {
    let member = talk::member(viewer)?;
    app.db.read(|db| {
        Ok((
            queries::own_rooms(db, member.id)?,
            queries::other_rooms(db, member.id, after)?,
        ))
    })
}

/// The list as a page; `more` holds a form that was refused.
pub(super) fn list_page(app: &App, viewer: &Viewer, after: &str, more: Value) -> Result<String, Error> {
    let (own, others) = lists(app, viewer, after)?;
    let next = others.last().map(|last| last.name.clone());
    app.html.render(
        "rooms/list.html",
        merge_maps([
            context! {
                rooms => own.iter().map(|room| view::listed(room, "")).collect::<Vec<_>>(),
                others,
                next,
                form => context! { name => "", topic => "", open => true },
                errors => context! {},
                signed_in => true,
                here => "rooms",
            },
            more,
        ]),
    )
}

/// One's own rooms for the side of a page: `rooms/sidebar.html` reads them as `rooms`.
///
/// # Errors
/// The database's.
pub fn sidebar(app: &App, viewer: &Viewer, current: &str) -> Result<Value, Error> {
    let member = talk::member(viewer)?;
    let rooms = app.db.read(|db| queries::own_rooms(db, member.id))?;
    Ok(rooms.iter().map(|room| view::listed(room, current)).collect())
}

/// A room's conversation, as `rooms/conversation.html` reads it. What it shows may be older than the room is by the time that
/// somebody listens: who comes from here asks for what follows `shown_last_id`.
///
/// # Errors
/// [`Error::NotFound`] for a room that the viewer may not know of; [`Error::Forbidden`] for who is banned.
pub fn conversation(app: &App, viewer: &Viewer, name: &str, asked: Asked) -> Result<Value, Error> {
    let room = talk::room(app, viewer, name)?.readable()?;
    let part = part(app, &room, asked)?;
    Ok(context! {
        room => view::room(&room),
        you => you(viewer, &room)?,
        messages_html => Value::from_safe_string(view::messages(app, &room.name, &part.messages)?),
        empty => part.messages.is_empty(),
        older => part.older,
        newer => part.newer,
        shown_last_id => part.messages.last().map_or(0, |last| last.id),
        shown_last_seq => part.messages.last().map_or(0, |last| last.seq),
        around => asked.around,
        present => app.hub.present(&topic(&room.name), HERE),
        commands => commands::known(app),
        own_pictures => app.db.read(|db| media::choices(db, talk::member(viewer)?.id, "image", None))?,
        draft => "",
        error => "",
        reply_to => Value::from(()),
    })
}

/// What the templates read as `you`.
pub(super) fn you(viewer: &Viewer, room: &Room) -> Result<Value, Error> {
    let me = talk::member(viewer)?;
    Ok(context! { name => me.name, colour => me.colour, ..Value::from_serialize(room.you) })
}

/// A part of a conversation.
struct Part {
    messages: Vec<Message>,
    /// The first message's id, when there are earlier ones; the last one's, when there are later ones.
    older: Option<i64>,
    newer: Option<i64>,
}

fn part(app: &App, room: &Room, asked: Asked) -> Result<Part, Error> {
    app.db.read(|db| {
        let seq = |field, id| queries::seq_of(db, room.id, field, id);
        let messages = match (asked.around, asked.before, asked.after) {
            (Some(id), ..) => {
                let seq = seq("around", id)?;
                let mut messages = queries::before(db, room.id, seq + 1, PAGE / 2)?;
                messages.extend(queries::after(db, room.id, seq, PAGE / 2)?);
                messages
            }
            (_, Some(id), _) => queries::before(db, room.id, seq("before", id)?, PAGE)?,
            (.., Some(id)) => queries::after(db, room.id, seq("after", id)?, PAGE)?,
            _ => queries::before(db, room.id, i64::MAX, PAGE)?,
        };
        let (first, last) = (messages.first(), messages.last());
        Ok(Part {
            older: first.filter(|m| m.seq > 1).map(|m| m.id),
            newer: last.filter(|m| m.seq < room.last_seq).map(|m| m.id),
            messages,
        })
    })
}

/// `GET /rooms/{room}`. Our script gets the conversation alone, or with `before` or `after` the messages alone; a program
/// gets data.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub async fn show(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    if viewer.member.is_none() {
        return door(wants, &address(&name, ""));
    }
    match wants {
        Wants::Page => Ok(html::page(
            room_page(&app, &viewer, &name, asked, context! {})?,
            StatusCode::OK,
        )),
        Wants::Fragment if asked.before.is_some() || asked.after.is_some() => {
            let room = talk::room(&app, &viewer, &name)?.readable()?;
            let part = part(&app, &room, asked)?;
            let context = context! {
                room => view::room(&room),
                messages_html => Value::from_safe_string(view::messages(&app, &room.name, &part.messages)?),
                older => part.older,
                newer => part.newer,
            };
            let html = app.html.render("rooms/messages.html", context)?;
            Ok(html::fragment(html, StatusCode::OK))
        }
        Wants::Fragment => {
            let html = app
                .html
                .render("rooms/conversation.html", conversation(&app, &viewer, &name, asked)?)?;
            Ok(html::fragment(html, StatusCode::OK))
        }
        Wants::Json => {
            let room = talk::room(&app, &viewer, &name)?.readable()?;
            let part = part(&app, &room, asked)?;
            let messages: Vec<_> = part.messages.iter().map(|m| view::data(&room.name, m)).collect();
            let body = json!({
                "room": view::room_data(&room),
                "messages": messages,
                "older": part.older,
                "newer": part.newer,
            });
            Ok(unstored(Json(body).into_response()))
        }
    }
}

/// A room as a page; `more` holds a message that was refused.
pub(super) fn room_page(app: &App, viewer: &Viewer, name: &str, asked: Asked, more: Value) -> Result<String, Error> {
    let context = merge_maps([
        context! { rooms => sidebar(app, viewer, name)?, signed_in => true, here => "rooms" },
        conversation(app, viewer, name, asked)?,
        more,
    ]);
    app.html.render("rooms/room.html", context)
}

/// Where a thread goes on.
#[derive(Debug, Default, Deserialize)]
pub struct Thread {
    pub(super) after: Option<i64>,
}

/// `GET /rooms/{room}/messages/{id}`: a message, what it said before, the thread that it stands in, and what one may do with
/// it.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`].
pub async fn permalink(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path((name, id)): Path<(String, i64)>,
    Query(thread): Query<Thread>,
) -> Result<Response, Error> {
    if viewer.member.is_none() {
        return door(wants, &address(&name, &format!("/messages/{id}")));
    }
    if wants == Wants::Json {
        let found = threaded(&app, &viewer, &name, id, &thread)?;
        let data = |m| view::data(&found.room.name, m);
        let edits: Vec<_> = found
            .edits
            .iter()
            .map(|(content, at)| json!({ "content": content, "until": at }))
            .collect();
        let body = json!({
            "message": data(&found.message),
            "edits": edits,
            "root": data(&found.root),
            "answers": found.answers.iter().map(data).collect::<Vec<_>>(),
        });
        return Ok(unstored(Json(body).into_response()));
    }
    let html = permalink_page(&app, &viewer, &name, id, &thread, context! {})?;
    Ok(html::page(html, StatusCode::OK))
}

/// A message with what hangs on it.
struct Threaded {
    room: Room,
    message: Message,
    edits: Vec<(String, i64)>,
    root: Message,
    answers: Vec<Message>,
}

fn threaded(app: &App, viewer: &Viewer, name: &str, id: i64, thread: &Thread) -> Result<Threaded, Error> {
    let room = talk::room(app, viewer, name)?.readable()?;
    app.db.read(|db| {
        let message = queries::message(db, room.id, id)?;
        let root = message.thread_id.unwrap_or(id);
        Ok(Threaded {
            edits: queries::edits(db, id)?,
            root: queries::message(db, room.id, root)?,
            answers: queries::thread(db, room.id, root, thread.after.unwrap_or(0), THREAD)?,
            message,
            room,
        })
    })
}

/// A message as a page; `more` holds a form that was refused.
pub(super) fn permalink_page(
    app: &App,
    viewer: &Viewer,
    name: &str,
    id: i64,
    thread: &Thread,
    more: Value,
) -> Result<String, Error> {
    let Threaded {
        room,
        message,
        edits,
        root,
        answers,
    } = threaded(app, viewer, name, id, thread)?;
    let edits: Vec<_> = edits
        .into_iter()
        .map(|(content, at)| context! { content, at => words::moment(at) })
        .collect();
    let own = message.user_id == viewer.id();
    let context = context! {
        room => view::room(&room),
        you => you(viewer, &room)?,
        m => view::shown(&room.name, &message),
        message_html => Value::from_safe_string(view::message(app, &room.name, &message)?.to_string()),
        root_html => Value::from_safe_string(view::message(app, &room.name, &root)?.to_string()),
        answers_html => Value::from_safe_string(view::messages(app, &room.name, &answers)?),
        in_thread => !answers.is_empty() || message.thread_id.is_some(),
        next => answers.last().filter(|_| answers.len() == THREAD).map(|last| last.id),
        edits,
        can_edit => own && message.plugin.is_none() && message.deleted.is_none() && room.you.joined && !room.you.muted,
        can_delete => (own || room.you.owner) && message.deleted.is_none(),
        can_reply => message.deleted.is_none() && room.you.joined && !room.you.muted,
        draft => "",
        error => "",
        signed_in => true,
        here => "rooms",
    };
    app.html.render("rooms/permalink.html", merge_maps([context, more]))
}
