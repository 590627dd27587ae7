//! `/dm` and `/dm/{user}`: the pages, and the same as data. The pages hold no ciphertext; what is in a conversation the
//! browser fetches and opens by itself.

use axum::{
    Json, extract,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    queries::{self, Listed, State},
    talk,
    view::{Eyes, Shown},
};
use crate::{
    app::App,
    error::Error,
    html,
    http::{Path, Query, Wants, see_other, unstored},
    profiles::is_name,
    session::{Member, Viewer},
};

/// Conversations that one answer lists.
const LISTED: usize = 200;
/// Messages that one answer has at most, and without a limit.
const MESSAGES_MOST: usize = 200;

fn member(viewer: &Viewer) -> Result<&Member, Error> {
    viewer.member.as_ref().ok_or(Error::Unauthorized)
}

/// Where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub struct From {
    /// Conversations that are not newer than this, Unix milliseconds.
    before: Option<i64>,
}

/// `GET /dm`: one's conversations, newest first.
///
/// # Errors
/// The database's.
pub async fn list(
    extract::State(app): extract::State<App>,
    viewer: Viewer,
    wants: Wants,
    Query(from): Query<From>,
) -> Result<Response, Error> {
    match (wants, &viewer.member) {
        (Wants::Json, Some(member)) => {
            let (conversations, more) = listed(&app, member, from.before)?;
            let body = json!({ "conversations": conversations, "more": more });
            Ok(unstored(Json(body).into_response()))
        }
        (Wants::Json | Wants::Fragment, None) => Err(Error::Unauthorized),
        (Wants::Page, None) => Ok(see_other("/login?next=/dm")),
        (Wants::Page | Wants::Fragment, Some(_)) => page(&app, &viewer, None),
    }
}

fn listed(app: &App, member: &Member, before: Option<i64>) -> Result<(Vec<Listed>, bool), Error> {
    let before = before.unwrap_or(i64::MAX);
    let mut found = app
        .db
        .read(|db| queries::conversations(db, member.id, before, LISTED + 1))?;
    let more = found.len() > LISTED;
    found.truncate(LISTED);
    Ok((found, more))
}

/// `GET /dm/{user}`: the conversation with somebody; our script gets its frame alone, a program how the two stand to each
/// other.
///
/// # Errors
/// [`Error::NotFound`] for nobody; [`Error::Invalid`] for oneself.
pub async fn show(
    extract::State(app): extract::State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(with): Path<String>,
) -> Result<Response, Error> {
    let Some(member) = &viewer.member else {
        return match wants {
            Wants::Page if is_name(&with) => Ok(see_other(&format!("/login?next=/dm/{with}"))),
            _ => Err(Error::Unauthorized),
        };
    };
    match wants {
        // The directory offers everybody to everybody, oneself too.
        Wants::Page if *with == *member.name => Ok(see_other("/dm")),
        Wants::Page => page(&app, &viewer, Some(&with)),
        Wants::Fragment => {
            let html = app
                .html
                .render("dms/conversation.html", conversation(&app, &viewer, &with)?)?;
            Ok(html::fragment(html, StatusCode::OK))
        }
        Wants::Json => {
            let pair = talk::pair(&app, member, &with)?;
            let conversation = pair.conversation.as_ref();
            let body = json!({
                "with": pair.peer.name,
                "colour": pair.peer.colour,
                "avatar": pair.peer.avatar,
                "state": pair.state(),
                "last_seq": conversation.map_or(0, |it| it.last_seq),
                "read_seq": conversation.map_or(0, |it| it.mine.read_seq),
                "at": conversation.map(|it| it.at),
                "muted": conversation.is_some_and(|it| it.mine.muted),
                "blocked": conversation.is_some_and(|it| it.mine.blocked),
            });
            Ok(unstored(Json(body).into_response()))
        }
    }
}

fn page(app: &App, viewer: &Viewer, with: Option<&str>) -> Result<Response, Error> {
    let (template, context) = match with {
        Some(with) => ("dms/page.html", conversation(app, viewer, with)?),
        None => (
            "dms/inbox.html",
            context! { with => Value::from(()), you => you(viewer)? },
        ),
    };
    let html = app.html.render(
        template,
        context! {
            conversations => sidebar(app, viewer)?,
            signed_in => true,
            here => "dm",
            ..context
        },
    )?;
    Ok(html::page(html, StatusCode::OK))
}

fn you(viewer: &Viewer) -> Result<Value, Error> {
    let me = member(viewer)?;
    Ok(context! { name => me.name, colour => me.colour })
}

/// One's conversations for the side of a page: `dms/list.html` reads them as `conversations` (name, colour, avatar, unread, state,
/// muted, blocked).
///
/// # Errors
/// The database's.
pub fn sidebar(app: &App, viewer: &Viewer) -> Result<Value, Error> {
    let (conversations, _) = listed(app, member(viewer)?, None)?;
    Ok(conversations
        .into_iter()
        .map(|it| {
            context! {
                name => it.with,
                colour => it.colour,
                avatar => it.avatar,
                unread => it.last_seq > it.read_seq && !it.muted && !it.blocked,
                state => it.state,
                muted => it.muted,
                blocked => it.blocked,
            }
        })
        .collect())
}

/// The conversation with somebody, as `dms/conversation.html` reads it: `with` (name, colour, avatar, state, muted, blocked) and `you`
/// (name, colour).
///
/// # Errors
/// [`Error::NotFound`] for nobody; [`Error::Invalid`] for oneself.
pub fn conversation(app: &App, viewer: &Viewer, with: &str) -> Result<Value, Error> {
    let pair = talk::pair(app, member(viewer)?, with)?;
    let side = pair.conversation.as_ref().map(|it| &it.mine);
    Ok(context! {
        with => context! {
            name => pair.peer.name,
            colour => pair.peer.colour,
            avatar => pair.peer.avatar,
            state => pair.state(),
            muted => side.is_some_and(|it| it.muted),
            blocked => side.is_some_and(|it| it.blocked),
        },
        you => you(viewer)?,
    })
}

/// Which part of a conversation is asked for; the newest, if none is.
#[derive(Debug, Default, Deserialize)]
pub struct Part {
    before: Option<i64>,
    after: Option<i64>,
    limit: Option<usize>,
}

/// A part of a conversation.
#[derive(Serialize)]
struct Messages<'m> {
    messages: Vec<Shown<'m>>,
    more: bool,
    read_seq: i64,
    last_seq: i64,
    state: State,
}

/// `GET /dm/{user}/messages`: messages as they were sealed, oldest first.
///
/// # Errors
/// [`Error::NotFound`] for nobody; [`Error::Invalid`] for a limit beyond what is allowed.
pub async fn messages(
    extract::State(app): extract::State<App>,
    member: Member,
    Path(with): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, Error> {
    let limit = part.limit.unwrap_or(MESSAGES_MOST);
    if !(1..=MESSAGES_MOST).contains(&limit) {
        return Err(Error::field(
            "limit",
            format!("One answer has 1 to {MESSAGES_MOST} messages."),
        ));
    }
    if part.before.is_some() && part.after.is_some() {
        return Err(Error::field(
            "after",
            "Ask for what is before a message or after it, not both.",
        ));
    }
    let pair = talk::pair(&app, &member, &with)?;
    let Some(conversation) = &pair.conversation else {
        let nothing = Messages {
            messages: Vec::new(),
            more: false,
            read_seq: 0,
            last_seq: 0,
            state: pair.state(),
        };
        return Ok(unstored(Json(nothing).into_response()));
    };
    // One more says whether there are more.
    let mut found = app.db.read(|db| match part.after {
        Some(seq) => queries::after(db, conversation.id, seq, limit + 1),
        None => queries::before(db, conversation.id, part.before.unwrap_or(i64::MAX), limit + 1),
    })?;
    let more = found.len() > limit;
    match part.after {
        Some(_) => found.truncate(limit),
        None if more => drop(found.remove(0)),
        None => {}
    }
    let eyes = Eyes::of(&member.name, &pair.peer.name);
    // What came between looking at the conversation and at its messages is in both.
    let last_seq = found.last().map_or(0, |last| last.seq).max(conversation.last_seq);
    let answer = Messages {
        messages: found.iter().map(|message| eyes.show(message)).collect(),
        more,
        read_seq: conversation.mine.read_seq,
        last_seq,
        state: pair.state(),
    };
    Ok(unstored(Json(answer).into_response()))
}
