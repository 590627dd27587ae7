//! The desk: one's rooms and direct messages, the conversation in one of them, and a tool beside it; the address says what each
//! pane shows. It keeps nothing and decides nothing: rooms say who may read what, what is between two people is opened in the
//! browser, and a tool is a page like any other, shown in a frame.

use std::time::Instant;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use minijinja::{Value, context, value::merge_maps};
use serde::Deserialize;

use crate::{
    app::App,
    dms,
    error::Error,
    http::{Query, private_policy, see_other},
    rooms,
    session::Viewer,
    words::lasted,
};

/// The room that is open when nothing is named.
const FIRST: &str = "lobby";

/// What the panes show.
#[derive(Debug, Deserialize)]
pub struct Asked {
    room: Option<String>,
    /// Whom one writes with, in place of a room.
    dm: Option<String>,
    /// The path of a page of this site; the viewer's own wall, when it is none that the pane shows.
    tool: Option<String>,
    around: Option<i64>,
    before: Option<i64>,
    after: Option<i64>,
}

/// `GET /desk?room=&tool=`, and with `around`, `before` or `after` a part of the conversation, as in `/rooms/{room}`;
/// `GET /desk?dm=&tool=` for direct messages.
///
/// # Errors
/// [`Error::NotFound`] for a room that the viewer may not know of, and for nobody; [`Error::Forbidden`] for who is banned
/// from a room; [`Error::Invalid`] for writing to oneself.
pub async fn show(State(app): State<App>, viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let Some(member) = &viewer.member else {
        return Ok(see_other("/login?next=/desk"));
    };
    let started = Instant::now();
    let part = rooms::Asked {
        around: asked.around,
        before: asked.before,
        after: asked.after,
    };
    let wall = format!("/wall/{}", member.name);
    let tool = asked.tool.filter(|tool| is_tool(tool)).unwrap_or_else(|| wall.clone());
    let tools = [
        ("Wall", wall.as_str()),
        ("People", "/directory"),
        ("Sandbox", "/sandbox"),
        ("Plugins", "/plugins"),
        ("System", "/system"),
    ]
    .map(|(label, path)| context! { label, path, current => path == tool });
    let (room, open) = match &asked.dm {
        Some(name) => {
            let open = dms::conversation(&app, &viewer, name)?;
            ("", context! { room => Value::from(()), ..open })
        }
        None => {
            let room = asked.room.as_deref().unwrap_or(FIRST);
            let open = rooms::conversation(&app, &viewer, room, part)?;
            (room, context! { with => Value::from(()), ..open })
        }
    };
    let context = merge_maps([
        open,
        context! {
            rooms => rooms::sidebar(&app, &viewer, room)?,
            conversations => dms::sidebar(&app, &viewer)?,
            tool, tools,
            signed_in => true,
            here => "desk",
            made => format!("3 panes, {}", lasted(started)),
        },
    ]);
    let html = app.html.render("desk.html", context)?;
    // The tool is in a frame.
    let policy = format!("{}; frame-src 'self'", private_policy(&app.html));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_str(&policy).map_err(Error::internal)?,
        ),
    ];
    Ok((headers, html).into_response())
}

/// Whether a path, which may have a query, is one that the tool pane shows. (desk.js has the same list.)
fn is_tool(path: &str) -> bool {
    let (path, _) = path.split_once(['?', '#']).unwrap_or((path, ""));
    let Some(path) = path.strip_prefix('/') else {
        return false;
    };
    match path.split('/').collect::<Vec<_>>()[..] {
        ["directory" | "plugins" | "random" | "sandbox" | "system" | "rooms"] | ["rooms", "search"] => true,
        ["wall" | "plugins" | "sandbox", name] => is_word(name),
        ["rooms", room, "people" | "log"] => is_word(room),
        ["rooms", room, "messages", id] => is_word(room) && id.parse::<u64>().is_ok(),
        _ => false,
    }
}

/// Whether this can be the name of somebody or something: no other page is reached by writing it cleverly.
fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::is_tool;

    #[test]
    fn the_tool_pane_shows_our_own_tools_and_nothing_else() {
        for path in [
            "/wall/ana",
            "/wall/ana?safe=1",
            "/directory?by=newest",
            "/plugins/dice",
            "/sandbox?by=random",
            "/system",
            "/rooms/search?q=snail&room=lobby",
            "/rooms/lobby/messages/12#history",
        ] {
            assert!(is_tool(path), "{path}");
        }
        for path in [
            "",
            "wall/ana",
            "//evil.example/wall/ana",
            "/\\evil.example",
            "https://evil.example/system",
            "javascript:alert(1)",
            "/wall/..%2flogout",
            "/wall/../logout",
            "/wall/ana/modules/1",
            "/settings",
            "/desk",
            "/logout",
            "/rooms/lobby",
        ] {
            assert!(!is_tool(path), "{path}");
        }
    }
}
