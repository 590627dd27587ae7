//! The frames of `/live`: JSON text, `{"event": …, "ref": …}`.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
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

/// What can be asked of `/live` itself; the slices' events are in `routes.rs`.
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
    #[serde(default)]
    pub event: String,
    #[serde(rename = "ref")]
    pub reference: Option<serde_json::Number>,
}

/// From server to client, whatever the slice.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The first frame: who the client is, and the server's version. When that changes, pages should be loaded anew.
    Connected {
        ok: bool,
        username: Option<&'a str>,
        /// The name of the member's colour.
        colour: Option<&'a str>,
        /// The picture that stands for the member: its id in `/media`.
        avatar: Option<&'a str>,
        /// Whether something waits on `/settings` that the member has not read.
        unread: bool,
        /// Whether the member likes their cursor to be shown where it is wanted.
        cursor: bool,
        version: &'a str,
    },
    /// A topic is watched now; what happened before is on the page by GET. A page that carries another `version` of the topic
    /// is older than this.
    Watching {
        topic: &'a str,
        version: &'a str,
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
    /// Who came to a topic and who left it; the empty name stands for guests, however many. `more`: there are others, whom
    /// this frame doesn't name.
    Presence {
        topic: &'a str,
        joined: &'a [Arc<str>],
        left: &'a [Arc<str>],
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        more: bool,
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
    /// A frame that can't be carried out; `message` says what is allowed.
    Error {
        code: &'a str,
        message: &'a str,
        /// For `too_often`: when to try again.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
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

/// A frame as it goes onto the wire, WebSocket's header included (a server's frames are the same for all, because they
/// aren't masked): made once, shared by all who get it.
#[derive(Clone, Debug)]
pub struct Frame(Bytes);

/// WebSocket's header of a final text frame, and of a ping without payload.
const TEXT: u8 = 0x81;
const PING: [u8; 2] = [0x89, 0];
/// The longest header of a frame that a server sends.
const HEADER_MOST: usize = 10;
/// Bytes that each thread keeps to write frames in.
const SCRATCH_KEPT: usize = 64 * 1024;

thread_local! {
    /// Where a frame is written before it is known how long it is.
    static SCRATCH: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Frame {
    /// The frame of an event: anything that serialises to an object with an `event`.
    pub fn of(event: &impl Serialize) -> Self {
        SCRATCH.with_borrow_mut(|bytes| {
            bytes.clear();
            bytes.extend([0; HEADER_MOST]);
            // What we send are plain structs, and memory takes what it is given.
            let _ = serde_json::to_writer(&mut *bytes, event);
            let frame = Self::framed(bytes);
            bytes.shrink_to(SCRATCH_KEPT);
            frame
        })
    }

    /// The same event as an answer: with more fields, such as the `ref` that it answers.
    pub fn with(&self, more: &impl Serialize) -> Self {
        let payload = self.payload();
        let mut bytes = Vec::with_capacity(HEADER_MOST + payload.len() + 64);
        bytes.extend([0; HEADER_MOST]);
        bytes.extend_from_slice(payload);
        let end = bytes.len() - 1;
        let _ = serde_json::to_writer(&mut bytes, more);
        // `{…}{…}` becomes `{…,…}`.
        if bytes.len() > end + 3 {
            bytes[end] = b',';
            bytes.remove(end + 1);
        } else {
            bytes.truncate(end + 1);
        }
        Self::framed(&mut bytes)
    }

    /// WebSocket's own ping.
    pub fn ping() -> Self {
        Self(Bytes::from_static(&PING))
    }

    /// The JSON text.
    pub fn payload(&self) -> &[u8] {
        let header = match self.0[1] {
            127 => 10,
            126 => 4,
            _ => 2,
        };
        &self.0[header..]
    }

    /// Bytes on the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Puts the header before the text, which begins at [`HEADER_MOST`].
    fn framed(bytes: &mut [u8]) -> Self {
        let length = bytes.len() - HEADER_MOST;
        let start = match length {
            0..=125 => {
                bytes[9] = length as u8;
                8
            }
            126..=65_535 => {
                bytes[7] = 126;
                bytes[8..10].copy_from_slice(&(length as u16).to_be_bytes());
                6
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(length as u64).to_be_bytes());
                0
            }
        };
        bytes[start] = TEXT;
        // Exactly as long as the frame: many may wait for a slow client.
        let mut exact = BytesMut::with_capacity(bytes.len() - start);
        exact.extend_from_slice(&bytes[start..]);
        Self(exact.freeze())
    }
}

/// What an answer has besides its event.
#[derive(Serialize)]
pub struct Reference<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a serde_json::Number>,
}

impl Event<'_> {
    /// The frame.
    pub fn frame(&self) -> Frame {
        Frame::of(self)
    }

    /// The same as an answer to the frame with this `ref`.
    pub fn answer(&self, reference: Option<&serde_json::Number>) -> Frame {
        Frame::of(self).with(&Reference { reference })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_carry_their_header_and_take_more_fields() {
        for length in [0, 1, 80, 125, 126, 200, 65_500, 70_000] {
            let name = "x".repeat(length);
            let frame = Event::Unwatched { topic: &name }.frame();
            let length = frame.payload().len();
            let header = frame.bytes().len() - length;
            assert_eq!(
                header,
                if length < 126 {
                    2
                } else if length < 65_536 {
                    4
                } else {
                    10
                }
            );
            assert_eq!(frame.bytes()[0], TEXT);
            let with: serde_json::Value =
                serde_json::from_slice(frame.with(&serde_json::json!({ "ref": 7 })).payload()).unwrap();
            assert_eq!(with["ref"], 7);
            assert_eq!(with["topic"], name.as_str());
            let same = frame.with(&Reference { reference: None });
            assert_eq!(same.payload(), frame.payload());
        }
    }
}
