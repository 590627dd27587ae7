//! A person's `/live` socket.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    self, Message, client::IntoClientRequest, handshake::client::Request, http::HeaderValue,
};

use crate::{PATIENCE, Person, socket::Socket};

/// An open `/live` socket that remembers every frame it got.
pub struct Live {
    socket: Socket,
    inbox: Arc<(Mutex<Inbox>, Condvar)>,
    /// How many frames [`Live::wait`] has passed over.
    seen: Mutex<usize>,
}

#[derive(Default)]
struct Inbox {
    frames: Vec<Value>,
    closed: Option<Option<u16>>,
}

impl Live {
    /// Opens `person`'s socket in the browser's dialect.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn open(person: &Person) -> Live {
        Self::try_open(Self::request(person, "neospace.html.v1"))
            .unwrap_or_else(|error| panic!("/live refused {}: {error}", person.name))
    }

    /// Opens `person`'s socket in the programs' dialect.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn open_json(person: &Person) -> Live {
        Self::try_open(Self::request(person, "neospace.json.v1"))
            .unwrap_or_else(|error| panic!("/live refused {}: {error}", person.name))
    }

    /// Listens to a room, and belongs to it; answers `room_joined`.
    pub fn join(&self, room: &str) -> Value {
        self.send(json!({ "event": "join_room", "room": room }));
        self.wait("room_joined", |frame| frame["room"] == room)
    }

    /// Sends an event with a `ref`, and waits for the next frame that answers it, whatever it is.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn ask(&self, mut frame: Value) -> Value {
        let reference = json!(self.frames().len() + 1_000_000);
        frame["ref"] = reference.clone();
        self.send(frame.clone());
        let answered = |inbox: &Inbox| inbox.frames.iter().find(|answer| answer["ref"] == reference).cloned();
        let start = Instant::now();
        let mut inbox = self.inbox.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(answer) = answered(&inbox) {
                return answer;
            }
            let left = PATIENCE.checked_sub(start.elapsed());
            let Some(left) = left.filter(|_| inbox.closed.is_none()) else {
                panic!("nothing answered {frame}; these came: {:#?}", inbox.frames);
            };
            inbox = self
                .inbox
                .1
                .wait_timeout(inbox, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The request that opens `person`'s socket, for tests that change it.
    pub fn request(person: &Person, dialect: &str) -> Request {
        let mut request = format!("ws://{}/live", person.address)
            .into_client_request()
            .expect("an address and a path make a URL");
        let headers = request.headers_mut();
        let value = |text: String| HeaderValue::from_str(&text).expect("ASCII");
        match &person.token {
            Some(token) => headers.insert("authorization", value(format!("Bearer {token}"))),
            None => headers.insert("origin", value(person.origin())),
        };
        headers.insert("sec-websocket-protocol", value(dialect.into()));
        if let Some(cookies) = person.cookie_header() {
            headers.insert("cookie", value(cookies));
        }
        request
    }

    /// Opens a socket with this very request.
    ///
    /// # Errors
    /// When the server refuses; with its answer where it gave one.
    pub fn try_open(request: Request) -> Result<Live, tungstenite::Error> {
        let inbox = Arc::new((Mutex::new(Inbox::default()), Condvar::new()));
        let filled = inbox.clone();
        let socket = Socket::open(request, move |message| {
            let mut inbox = filled.0.lock().unwrap_or_else(PoisonError::into_inner);
            match message {
                Some(Message::Text(text)) => {
                    inbox.frames.push(
                        serde_json::from_str(&text)
                            .unwrap_or_else(|_| json!({ "event": "not JSON", "text": text.as_str() })),
                    );
                }
                Some(Message::Close(frame)) => inbox.closed = Some(frame.map(|frame| frame.code.into())),
                None if inbox.closed.is_none() => inbox.closed = Some(None),
                _ => {}
            }
            filled.1.notify_all();
        })?;
        Ok(Live {
            socket,
            inbox,
            seen: Mutex::new(0),
        })
    }

    /// A header of the server's answer to the opening.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.socket.headers.get(name)?.to_str().ok()
    }

    /// Sends a frame.
    pub fn send(&self, frame: Value) {
        self.socket.send(frame.to_string());
    }

    /// Sends a message as it is, for what is not a frame.
    pub fn send_raw(&self, message: Message) {
        self.socket.send(message);
    }

    /// Watches a topic, and waits until the server says so.
    pub fn watch(&self, topic: &str) {
        self.send(json!({ "event": "watch", "topic": topic }));
        self.wait("watching", |frame| frame["topic"] == topic);
    }

    /// Waits for the next frame of this event that `fits`, passing over others.
    ///
    /// # Panics
    /// When it doesn't come in time; shows what came instead.
    pub fn wait(&self, event: &str, fits: impl FnMut(&Value) -> bool) -> Value {
        self.try_wait(event, PATIENCE, fits)
            .unwrap_or_else(|| panic!("no frame {event:?} came; these did: {:#?}", self.frames()))
    }

    /// As [`Live::wait`]; nothing when it doesn't come within `patience`, or the socket closes before.
    pub fn try_wait(&self, event: &str, patience: Duration, mut fits: impl FnMut(&Value) -> bool) -> Option<Value> {
        self.find(patience, |frame| frame["event"] == event && fits(frame))
    }

    /// Waits for the frame that answers the one with this `ref`, whatever it says.
    ///
    /// # Panics
    /// When it doesn't come in time; shows what came instead.
    pub fn wait_for_answer(&self, reference: &Value) -> Value {
        self.find(PATIENCE, |frame| frame["ref"] == *reference)
            .unwrap_or_else(|| panic!("{reference} was not answered; these came: {:#?}", self.frames()))
    }

    /// Sends a frame with a `ref`, and waits for what answers it.
    ///
    /// # Panics
    /// When nothing does in time.
    pub fn wait_for_answer_to(&self, frame: Value) -> Value {
        let reference = frame["ref"].clone();
        self.send(frame);
        self.wait_for_answer(&reference)
    }

    fn find(&self, patience: Duration, mut fits: impl FnMut(&Value) -> bool) -> Option<Value> {
        let start = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inbox = self.inbox.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while let Some(frame) = inbox.frames.get(*seen) {
                *seen += 1;
                if fits(frame) {
                    return Some(frame.clone());
                }
            }
            if inbox.closed.is_some() {
                return None;
            }
            let left = patience.checked_sub(start.elapsed())?;
            inbox = self
                .inbox
                .1
                .wait_timeout(inbox, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until the server closes the socket, and says with which code, if it gave one.
    ///
    /// # Panics
    /// When it doesn't.
    pub fn wait_for_close(&self) -> Option<u16> {
        let start = Instant::now();
        let mut inbox = self.inbox.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(code) = inbox.closed {
                return code;
            }
            let left = PATIENCE
                .checked_sub(start.elapsed())
                .expect("the server didn't close the socket");
            inbox = self
                .inbox
                .1
                .wait_timeout(inbox, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The code with which the server has closed the socket, if it has, and if it gave one.
    pub fn closed(&self) -> Option<Option<u16>> {
        self.inbox.0.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// All frames so far.
    pub fn frames(&self) -> Vec<Value> {
        self.inbox
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .frames
            .clone()
    }
}
