//! The frames of `/live`: JSON text, `{"event": …, "ref": …}`.

use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};

/// The browser's dialect: fragments of HTML.
pub const HTML_DIALECT: &str = "neospace.html.v1";
/// The programs' dialect: data.
pub const JSON_DIALECT: &str = "neospace.json.v1";

/// How a client wants to be spoken to; its subprotocol says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    Html,
    Json,
}

/// From client to server.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Request {
    /// Wants to see what happens on a topic, e.g. `wall:ana`.
    Watch { topic: String },
    /// No longer.
    Unwatch { topic: String },
    /// Answered by `pong`: for clients that can't see the protocol's own pings.
    Ping {},
}

/// A request's envelope: any answer or error repeats its `ref`.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    #[serde(rename = "ref")]
    pub reference: Option<serde_json::Number>,
}

/// From server to client.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The first frame: who the client is, and the server's version. When that changes, pages should be loaded anew.
    Connected {
        ok: bool,
        username: Option<&'a str>,
        /// The name of the member's colour.
        colour: Option<&'a str>,
        /// Whether something waits on `/settings` that the member has not read.
        unread: bool,
        version: &'a str,
    },
    /// A topic is watched now; what happened before is on the page by GET.
    Watching {
        topic: &'a str,
    },
    /// No longer.
    Unwatched {
        topic: &'a str,
    },
    /// Changes the element with the id `target`: `morph` it into `html`, `append` or `prepend` `html` to its children,
    /// `remove` it.
    Patch {
        target: &'a str,
        mode: PatchMode,
        html: &'a str,
    },
    /// Who came to a topic and who left it; the empty name stands for guests, however many.
    Presence {
        topic: &'a str,
        joined: &'a [String],
        left: &'a [String],
    },
    /// Frames were dropped: fetch the topic's page again.
    Resync {
        topic: &'a str,
    },
    /// The server goes away for a moment: come back after so many milliseconds.
    Goodbye {
        after_ms: u64,
    },
    Pong {},
    /// A frame that can't be carried out.
    Error {
        code: &'a str,
        message: &'a str,
    },
}

/// How a fragment goes into the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchMode {
    Morph,
    Append,
    Prepend,
    Remove,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    event: &'a Event<'a>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a serde_json::Number>,
}

impl Event<'_> {
    /// The frame's text: made once, shared by all who get it.
    pub fn text(&self) -> Utf8Bytes {
        self.answer(None)
    }

    /// The same as an answer to the frame with this `ref`.
    pub fn answer(&self, reference: Option<&serde_json::Number>) -> Utf8Bytes {
        serde_json::to_string(&Answer { event: self, reference })
            .unwrap_or_default()
            .into()
    }
}
