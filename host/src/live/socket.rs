//! One task a socket, one `select!`.
//!
//! What is sent is framed already and shared, so it is written past the WebSocket library, as many frames at once as the
//! system takes; what is read goes through the library. Both happen in this one task, one after the other.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWrite,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    call::{Call, Caller, Handling, Table, code_of, not_understood},
    frame::{Dialect, Envelope, Event, Frame, HTML_DIALECT, JSON_DIALECT, Request},
    hub::{Line, Waiting},
};
use crate::{
    app::App,
    error::Error,
    http::{Connection, Seat, abort},
    session::{Credential, Viewer},
};

/// The largest frame that a client may send, in bytes.
const FRAME_MOST: usize = 64 * 1024;
/// The socket's read buffer, in bytes: ten thousand sockets must fit.
const READ_BUFFER: usize = 1024;
/// The socket's write buffer, in bytes, and what may wait in it: only what the library says for itself (pongs, a close) goes
/// through it, and without a limit a client that pings and doesn't read would have all its pongs kept for it.
const WRITE_BUFFER: usize = 512;
const WRITE_BUFFER_MOST: usize = 2 * 1024;
/// The time in which one client may send so many frames as the configuration says.
const WINDOW: Duration = Duration::from_secs(10);
/// Events of one socket that are handled at once; with more it is read no further.
const IN_FLIGHT_MOST: usize = 32;
/// A client that does not take what is sent for so long is deaf.
const WRITE_LONGEST: Duration = Duration::from_secs(10);
/// How long a client may take to answer a close.
const CLOSE_LONGEST: Duration = Duration::from_secs(1);
/// Frames that one system call takes.
const FRAMES_PER_WRITE: usize = 128;
/// Queues that were longer than this give their memory back.
const QUEUE_KEPT: usize = 64;

/// What a `resync` names what comes to a member unasked by, such as direct messages.
const OWN: &str = "me";

/// Close codes of RFC 6455.
const PROTOCOL: u16 = 1002;
const BAD_DATA: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;

/// A request that wants to become a WebSocket.
pub struct Upgrade {
    accept: HeaderValue,
    protocols: Vec<String>,
    on_upgrade: OnUpgrade,
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let on_upgrade = parts.extensions.remove::<OnUpgrade>();
        Self::of(&parts.headers, on_upgrade)
            .ok_or_else(|| Error::BadRequest("This address speaks WebSocket only.".into()))
    }
}

impl Upgrade {
    fn of(headers: &HeaderMap, on_upgrade: Option<OnUpgrade>) -> Option<Self> {
        let names = |name, word: &str| {
            let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
            values
                .flat_map(|v| v.split(','))
                .any(|part| part.trim().eq_ignore_ascii_case(word))
        };
        let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
        if !names(header::CONNECTION, "upgrade")
            || !names(header::UPGRADE, "websocket")
            || headers.get(header::SEC_WEBSOCKET_VERSION)? != "13"
        {
            return None;
        }
        let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        let offered = offered.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
        Some(Self {
            accept: HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?,
            protocols: offered.map(|p| p.trim().to_owned()).collect(),
            on_upgrade: on_upgrade?,
        })
    }

    /// The dialect that the client offers; ours comes first.
    fn dialect(&self) -> Option<(Dialect, &'static str)> {
        [(Dialect::Html, HTML_DIALECT), (Dialect::Json, JSON_DIALECT)]
            .into_iter()
            .find(|(_, name)| self.protocols.iter().any(|offered| offered == name))
    }
}

/// Who opens a socket, and how long they may keep it.
pub struct Client {
    pub viewer: Viewer,
    /// [`crate::throttle::network`] of their address.
    pub network: Box<str>,
    /// Looked at again every few seconds; guests have none.
    pub credential: Option<Credential>,
    /// The socket counts as a connection.
    pub seat: Seat,
    /// For [`Event::Connected`].
    pub unread: bool,
    /// The same.
    pub cursor: bool,
}

/// Answers `GET /live`. The outer layer has checked the `Origin` already.
///
/// # Errors
/// A client that offers none of our subprotocols.
pub fn serve(upgrade: Upgrade, app: App, client: Client, table: Table) -> Result<Response, Error> {
    let Some((dialect, protocol)) = upgrade.dialect() else {
        return Err(Error::BadRequest(format!(
            "Name a subprotocol: {HTML_DIALECT} for browsers or {JSON_DIALECT} for programs."
        )));
    };
    let on_upgrade = upgrade.on_upgrade;
    tokio::spawn(async move {
        // A client that is gone before it is upgraded is nobody's fault.
        let Ok(upgraded) = on_upgrade.await else { return };
        let parts = upgraded
            .downcast::<TokioIo<Connection>>()
            .expect("http.rs makes all connections, of this one type");
        let connection = parts.io.into_inner();
        Box::pin(Socket::run(app, client, dialect, table, connection, parts.read_buf)).await;
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, upgrade.accept),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol)),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response())
}

type Stream = WebSocketStream<Connection>;

struct Socket {
    app: App,
    line: Arc<Line>,
    table: Table,
    /// Events that are being handled.
    in_flight: FuturesUnordered<Handling>,
    window: (Instant, u32),
}

/// Why a socket ends, when there is somebody to tell.
type End = Option<(u16, &'static str)>;

impl Socket {
    /// `read` is what came behind the request already.
    async fn run(app: App, client: Client, dialect: Dialect, table: Table, connection: Connection, read: Bytes) {
        let mut config = WebSocketConfig::default();
        config.read_buffer_size = READ_BUFFER;
        config.write_buffer_size = WRITE_BUFFER;
        config.max_write_buffer_size = WRITE_BUFFER_MOST;
        config.max_frame_size = Some(FRAME_MOST);
        config.max_message_size = Some(FRAME_MOST);
        let mut stream = Stream::from_partially_read(connection, read.into(), Role::Server, Some(config)).await;
        let line = app
            .hub
            .connect(client.viewer, dialect, client.network, client.credential);
        let mut socket = Self {
            app,
            line,
            table,
            in_flight: FuturesUnordered::new(),
            window: (Instant::now(), 0),
        };
        socket.greet(client.unread, client.cursor);
        let end = socket.converse(&mut stream).await;
        // Gone for the others from here on, however long the goodbye takes.
        drop(socket);
        let _ = timeout(CLOSE_LONGEST, say_goodbye(&mut stream, end)).await;
        drop(client.seat);
    }

    /// Reads, writes and handles until one side has enough.
    async fn converse(&mut self, stream: &mut Stream) -> End {
        let mut frames = VecDeque::new();
        loop {
            tokio::select! {
                () = self.line.filled.notified() => {
                    let waiting = self.line.take(&mut frames);
                    self.resync(&waiting);
                    let written = timeout(WRITE_LONGEST, write(stream, &mut frames)).await;
                    self.line.sent();
                    if !matches!(written, Ok(Ok(()))) {
                        // Else the system would go on trying to get rid of what waits, and the client not hear of its end.
                        abort(stream.get_ref());
                        return None;
                    }
                    if frames.capacity() > QUEUE_KEPT {
                        frames = VecDeque::new();
                    }
                    if waiting.end.is_some() {
                        return waiting.end;
                    }
                }
                message = stream.next(), if self.in_flight.len() < IN_FLIGHT_MOST => {
                    self.app.hub.heard(&self.line);
                    if !self.may_send() {
                        return Some((POLICY, "Too many frames in 10 seconds."));
                    }
                    match message {
                        Some(Ok(Message::Text(text))) => self.hear(text.into()),
                        Some(Ok(Message::Binary(_))) => self.refuse(None, "not_text", "Frames are JSON text."),
                        Some(Ok(Message::Close(_))) | None => return None,
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return end_of(&error),
                    }
                }
                Some(()) = self.in_flight.next() => {}
            }
        }
    }

    fn greet(&self, unread: bool, cursor: bool) {
        let member = self.line.viewer.member.as_ref();
        self.line.push(
            Event::Connected {
                ok: true,
                username: member.map(|m| &*m.name),
                colour: member.map(|m| &*m.colour),
                avatar: member.and_then(|m| m.avatar.as_deref()),
                unread,
                cursor,
                version: env!("CARGO_PKG_VERSION"),
            }
            .frame(),
        );
    }

    /// After a lag, says of every topic that frames are missing; to a member also of what comes to them unasked.
    fn resync(&self, waiting: &Waiting) {
        if !waiting.lagged {
            return;
        }
        for topic in self.line.watching() {
            self.line.push(Event::Resync { topic: &topic }.frame());
        }
        if self.line.viewer.member.is_some() {
            self.line.push(Event::Resync { topic: OWN }.frame());
        }
    }

    /// Counts a frame, also one that is no text; whether the client may send that many.
    fn may_send(&mut self) -> bool {
        if self.window.0.elapsed() > WINDOW {
            self.window = (Instant::now(), 0);
        }
        self.window.1 += 1;
        self.window.1 <= self.app.config().limits.frames_per_window
    }

    fn hear(&mut self, text: Bytes) {
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&text) else {
            self.refuse(
                None,
                "not_json",
                "A frame is a JSON object with an \"event\", and perhaps a \"ref\" that is a number.",
            );
            return;
        };
        let reference = envelope.reference.as_ref();
        match &*envelope.event {
            "watch" | "unwatch" | "ping" => match serde_json::from_slice::<Request>(&text) {
                Ok(Request::Watch { topic }) => self.watch(reference, &topic),
                Ok(Request::Unwatch { topic }) => {
                    self.app.hub.leave(&self.line, &topic);
                    self.line.push(Event::Unwatched { topic: &topic }.answer(reference));
                }
                Ok(Request::Ping {}) => self.line.push(Event::Pong {}.answer(reference)),
                Err(error) => {
                    self.refuse(reference, "bad_event", &not_understood("frame", &error));
                }
            },
            _ => self.handle(envelope, text),
        }
    }

    fn watch(&self, reference: Option<&serde_json::Number>, topic: &str) {
        let watched = (self.table.authorise)(&self.app, &self.line.viewer, topic)
            // From here on nothing is missed; what came before has another version.
            .and_then(|()| self.app.hub.join(&self.line, topic));
        let version = self.app.topics.version_of(topic);
        let answer = match watched {
            Ok(()) => Event::Watching {
                topic,
                version: &version,
            }
            .answer(reference),
            Err(error) => {
                let (code, message, retry_after_ms) = code_of(&error);
                let message = &message;
                Event::Error {
                    code,
                    message,
                    retry_after_ms,
                }
                .answer(reference)
            }
        };
        self.line.push(answer);
    }

    fn handle(&mut self, envelope: Envelope, text: Bytes) {
        let Envelope { event, reference } = envelope;
        let caller = Caller {
            line: self.line.clone(),
            reference: reference.clone(),
        };
        let call = Call {
            app: self.app.clone(),
            caller,
            event,
            text,
        };
        match (self.table.handle)(call) {
            Ok(handling) => self.in_flight.push(handling),
            Err(unknown) => self.refuse(reference.as_ref(), "unknown_event", &unknown),
        }
    }

    fn refuse(&self, reference: Option<&serde_json::Number>, code: &str, message: &str) {
        let error = Event::Error {
            code,
            message,
            retry_after_ms: None,
        };
        self.line.push(error.answer(reference));
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.app.hub.disconnect(&self.line);
    }
}

/// Writes everything in one go, or in as few as the system takes it.
async fn write(stream: &mut Stream, frames: &mut VecDeque<Frame>) -> io::Result<()> {
    // What the library has to say for itself (pongs) goes first and whole.
    futures_util::SinkExt::flush(stream).await.map_err(io::Error::other)?;
    let mut sent = 0;
    while !frames.is_empty() {
        let mut written = poll_fn(|cx| {
            let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE];
            let waiting = frames.iter().map(Frame::bytes).zip(&mut slices);
            let mut count = 0;
            for (nth, (bytes, slice)) in waiting.enumerate() {
                *slice = IoSlice::new(if nth == 0 { &bytes[sent..] } else { bytes });
                count += 1;
            }
            Pin::new(&mut *stream.get_mut()).poll_write_vectored(cx, &slices[..count])
        })
        .await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(front) = frames.front() {
            let left = front.bytes().len() - sent;
            if written < left {
                sent += written;
                break;
            }
            written -= left;
            sent = 0;
            frames.pop_front();
        }
    }
    Ok(())
}

/// Closes as RFC 6455 wants it: says so, and waits until the client has said so too.
async fn say_goodbye(stream: &mut Stream, end: End) {
    let close = end.map(|(code, reason)| CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    });
    if stream.close(close).await.is_ok() {
        while let Some(Ok(_)) = stream.next().await {}
    }
}

/// The close code for a protocol error, where there is somebody to tell.
fn end_of(error: &tungstenite::Error) -> End {
    match error {
        tungstenite::Error::Utf8(_) => Some((BAD_DATA, "Text frames are UTF-8.")),
        tungstenite::Error::Capacity(_) => Some((TOO_BIG, "A frame has at most 64 KiB.")),
        tungstenite::Error::Protocol(_) => Some((PROTOCOL, "That isn't WebSocket.")),
        _ => None,
    }
}
