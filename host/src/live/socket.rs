//! One task a socket, one `select!`.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    response::Response,
};
use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{
    frame::{Dialect, Envelope, Event, HTML_DIALECT, JSON_DIALECT, Request},
    hub::Watcher,
};
use crate::{
    app::App,
    error::Error,
    http::Seat,
    session::{Credential, Viewer},
};

/// The largest frame that a client may send, in bytes.
const FRAME_MOST: usize = 64 * 1024;
/// The socket's read buffer, in bytes: ten thousand sockets must fit.
const READ_BUFFER: usize = 4 * 1024;
/// Topics that one socket may watch.
const TOPICS_MOST: usize = 32;
/// Frames that one client may send in [`WINDOW`].
const FRAMES_PER_WINDOW: u32 = 200;
const WINDOW: Duration = Duration::from_secs(10);
/// How often the session is looked at again: a revoked one's sockets close within 5 seconds.
const LOOK_EVERY: Duration = Duration::from_secs(4);
/// A ping goes out this often, and a client that is silent for two of them is gone.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// A client that does not take what is sent for so long is deaf.
const WRITE_LONGEST: Duration = Duration::from_secs(10);
/// When clients should come back after a restart, in milliseconds.
const COME_BACK_MS: u64 = 1_000;

/// Close codes of RFC 6455 and of ours.
const GOING_AWAY: u16 = 1001;
const BAD_DATA: u16 = 1007;
const POLICY: u16 = 1008;
const SESSION_ENDED: u16 = 4001;

/// Decides whether a viewer may watch a topic: `routes.rs` knows the slices.
pub type Authorise = fn(&App, &Viewer, &str) -> Result<(), Error>;

/// Answers `GET /live`. The outer layer has checked the `Origin` already. The socket counts as a
/// connection, by its `seat`; `unread` is for [`Event::Connected`].
///
/// # Errors
/// A client that offers none of our subprotocols.
pub fn serve(
    upgrade: WebSocketUpgrade,
    app: App,
    viewer: Viewer,
    headers: &HeaderMap,
    seat: Seat,
    unread: bool,
    authorise: Authorise,
) -> Result<Response, Error> {
    let upgrade = upgrade
        .protocols([HTML_DIALECT, JSON_DIALECT])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_frame_size(FRAME_MOST)
        .max_message_size(FRAME_MOST);
    let dialect = match upgrade.selected_protocol().and_then(|p| p.to_str().ok()) {
        Some(HTML_DIALECT) => Dialect::Html,
        Some(JSON_DIALECT) => Dialect::Json,
        _ => {
            return Err(Error::BadRequest(format!(
                "Name a subprotocol: {HTML_DIALECT} for browsers or {JSON_DIALECT} for programs."
            )));
        }
    };
    let credential = Credential::of(&app, headers).filter(|_| viewer.member.is_some());
    Ok(upgrade.on_upgrade(async move |socket| {
        Socket::new(app, viewer, dialect, credential, authorise)
            .run(socket, unread)
            .await;
        drop(seat);
    }))
}

struct Socket {
    app: App,
    watcher: Watcher,
    watching: Vec<Arc<str>>,
    /// The session or the token; guests have none.
    credential: Option<Credential>,
    authorise: Authorise,
    window: (Instant, u32),
}

/// Why a socket ends.
type End = Option<(u16, &'static str)>;

impl Socket {
    fn new(app: App, viewer: Viewer, dialect: Dialect, credential: Option<Credential>, authorise: Authorise) -> Self {
        let watcher = app.hub.connect(viewer, dialect);
        Self {
            app,
            watcher,
            watching: Vec::new(),
            credential,
            authorise,
            window: (Instant::now(), 0),
        }
    }

    async fn run(mut self, socket: WebSocket, unread: bool) {
        let (mut sink, mut stream) = socket.split();
        let mut closing = self.app.hub.closing();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut pinged) = (Instant::now(), Instant::now());
        let member = self.watcher.viewer.member.clone();
        self.watcher.queue.push(
            Event::Connected {
                ok: true,
                username: member.as_ref().map(|m| &*m.name),
                colour: member.as_ref().map(|m| &*m.colour),
                unread,
                version: env!("CARGO_PKG_VERSION"),
            }
            .text(),
        );
        let queue = self.watcher.queue.clone();
        let end: End = loop {
            tokio::select! {
                () = queue.filled.notified() => {
                    if !send_waiting(&mut sink, self.waiting()).await {
                        break None;
                    }
                }
                message = stream.next() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            if let Err(end) = self.hear(&text) {
                                break Some(end);
                            }
                        }
                        Some(Ok(Message::Binary(_))) => self.say_error(None, "not_text", "Frames are JSON text."),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_))) | None => break None,
                        Some(Err(error)) => break end_of(&error),
                    }
                }
                _ = look.tick() => {
                    if !self.session_lives() {
                        break Some((SESSION_ENDED, "The session has ended."));
                    }
                    if heard.elapsed() > 2 * HEARTBEAT + LOOK_EVERY {
                        break None;
                    }
                    if pinged.elapsed() >= HEARTBEAT {
                        pinged = Instant::now();
                        let ping = timeout(WRITE_LONGEST, sink.send(Message::Ping(Default::default()))).await;
                        if !matches!(ping, Ok(Ok(()))) {
                            break None;
                        }
                    }
                }
                () = async { let _ = closing.wait_for(|closing| *closing).await; } => {
                    let goodbye = Event::Goodbye { after_ms: COME_BACK_MS }.text();
                    let _ = timeout(WRITE_LONGEST, sink.send(Message::Text(goodbye))).await;
                    break Some((GOING_AWAY, "The server restarts."));
                }
            }
        };
        // Gone for the others from here on, however long the goodbye takes.
        drop(self);
        if let Some((code, reason)) = end {
            let close = Message::Close(Some(CloseFrame {
                code,
                reason: reason.into(),
            }));
            let _ = timeout(WRITE_LONGEST, sink.send(close)).await;
        }
    }

    /// What waits for this socket; after a lag, a `resync` for each topic stands before it.
    fn waiting(&self) -> Vec<Utf8Bytes> {
        let (frames, lagged) = self.watcher.queue.take();
        let resyncs = self
            .watching
            .iter()
            .filter(|_| lagged)
            .map(|topic| Event::Resync { topic }.text());
        resyncs.chain(frames).collect()
    }

    fn hear(&mut self, text: &str) -> Result<(), (u16, &'static str)> {
        if self.window.0.elapsed() > WINDOW {
            self.window = (Instant::now(), 0);
        }
        self.window.1 += 1;
        if self.window.1 > FRAMES_PER_WINDOW {
            return Err((POLICY, "Too many frames: at most 200 in 10 seconds."));
        }
        let Ok(envelope) = serde_json::from_str::<Envelope>(text) else {
            self.say_error(
                None,
                "not_json",
                "A frame is a JSON object with an \"event\", and perhaps a \"ref\" that is a number.",
            );
            return Ok(());
        };
        let reference = envelope.reference.as_ref();
        match serde_json::from_str::<Request>(text) {
            Ok(Request::Watch { topic }) => self.watch(reference, &topic),
            Ok(Request::Unwatch { topic }) => {
                if let Some(at) = self.watching.iter().position(|watched| **watched == *topic) {
                    self.app.hub.unwatch(&self.watcher, &self.watching.swap_remove(at));
                }
                self.watcher
                    .queue
                    .push(Event::Unwatched { topic: &topic }.answer(reference));
            }
            Ok(Request::Ping {}) => self.watcher.queue.push(Event::Pong {}.answer(reference)),
            Err(error) => self.say_error(
                reference,
                "bad_event",
                &format!("This frame can't be understood: {error}."),
            ),
        }
        Ok(())
    }

    fn watch(&mut self, reference: Option<&serde_json::Number>, topic: &str) {
        if self.watching.iter().any(|watched| **watched == *topic) {
            return self.watcher.queue.push(Event::Watching { topic }.answer(reference));
        }
        if self.watching.len() == TOPICS_MOST {
            return self.say_error(reference, "too_many", "One connection watches at most 32 topics.");
        }
        match (self.authorise)(&self.app, &self.watcher.viewer, topic) {
            Ok(()) => {
                let topic: Arc<str> = topic.into();
                self.watcher
                    .queue
                    .push(Event::Watching { topic: &topic }.answer(reference));
                self.app.hub.watch(&self.watcher, &topic);
                self.watching.push(topic);
            }
            Err(Error::Internal(error)) => {
                tracing::error!(error = %format!("{error:#}").escape_debug(), "a topic could not be watched");
                self.say_error(reference, "internal", "Something broke here. Try again in a moment.");
            }
            Err(error) => self.say_error(reference, "not_found", &error.detail()),
        }
    }

    fn say_error(&self, reference: Option<&serde_json::Number>, code: &str, message: &str) {
        self.watcher
            .queue
            .push(Event::Error { code, message }.answer(reference));
    }

    fn session_lives(&self) -> bool {
        let Some(credential) = &self.credential else {
            return true;
        };
        // A database that can't be read just now is no reason to throw people out.
        credential.lives(&self.app).unwrap_or(true)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.app.hub.disconnect(&self.watcher, &self.watching);
    }
}

/// Sends everything that waits in one go; whether the client took it in time.
async fn send_waiting(sink: &mut (impl SinkExt<Message> + Unpin), frames: Vec<Utf8Bytes>) -> bool {
    let send = async {
        for frame in frames {
            if sink.feed(Message::Text(frame)).await.is_err() {
                return false;
            }
        }
        sink.flush().await.is_ok()
    };
    timeout(WRITE_LONGEST, send).await.unwrap_or(false)
}

/// The close code for a protocol error, where there is somebody to tell.
fn end_of(error: &axum::Error) -> End {
    let text = error.to_string();
    if text.to_lowercase().contains("utf-8") {
        Some((BAD_DATA, "Text frames are UTF-8."))
    } else if text.contains("too long") || text.contains("too big") || text.contains("size") {
        Some((1009, "A frame has at most 64 KiB."))
    } else {
        None
    }
}
