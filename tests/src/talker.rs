//! Somebody in a room who never gives up: a client of `/live` as docs/live.md describes it, in the programs' dialect.
//!
//! When the line breaks it comes back, asks for what it missed, and sends again what was not acknowledged, each message with
//! its old nonce. It notes everything that breaks the promises of rooms: a gap, a repetition, another order.

use std::{
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, handshake::client::Request},
};

use crate::{Live, PATIENCE, Person, faults::Chance, socket::runtime};

/// What may be sent and not acknowledged at a time.
const UNACKNOWLEDGED_MOST: usize = 64;
/// How long it waits before it tries again to connect.
const AGAIN: Duration = Duration::from_millis(20);

/// A message as it stands in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub id: i64,
    pub seq: i64,
    pub user: String,
    pub content: String,
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub nonce: String,
    pub content: String,
    /// Its id and seq, once the server has said that it stands.
    pub acknowledged: Option<(i64, i64)>,
    /// How many connections it was sent over.
    times: u32,
}

/// What a talker has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The room from its beginning, as this client has it.
    pub room: Vec<Heard>,
    /// What it sent, in order.
    pub sent: Vec<Sent>,
    /// What broke a promise.
    pub faults: Vec<String>,
    /// How often it connected, and came so far as to have the whole room.
    pub connections: u32,
    pub caught_up: u32,
    /// How often its connection was cut.
    pub cuts: u32,
    /// How often something was missing in what came live, and how often the server said that it had dropped something.
    pub gaps: u32,
    pub resyncs: u32,
    /// Whether it has the whole room and hears what comes.
    pub listening: bool,
}

/// How somebody talks.
#[derive(Clone)]
pub struct Manner {
    pub room: String,
    /// Between two messages.
    pub pause: Duration,
    /// How often the connection is cut, and after how many milliseconds at most each time.
    pub cuts: (u32, u64),
    /// When and how it is cut.
    pub chance: Chance,
}

/// A client that talks in the background. Dropping it hangs up.
pub struct Talker {
    pub name: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    speaks: Mutex<bool>,
}

impl Talker {
    /// Begins to talk. `mark` tells this client's nonces and messages from others'.
    pub fn begin(person: &Person, mark: &str, manner: Manner) -> Talker {
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            changed: Condvar::new(),
            speaks: Mutex::new(true),
        });
        let life = Life {
            request: Live::request(person, "neospace.json.v1"),
            address: person.address,
            mark: mark.into(),
            manner,
            shared: shared.clone(),
            held: Vec::new(),
            catching_up: false,
            heard: 0,
            awaited: 0,
        };
        Talker {
            name: person.name.clone(),
            shared,
            task: runtime().spawn(life.live()),
        }
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        self.shared.seen().clone()
    }

    /// Sends nothing new from now on. What is not acknowledged it goes on sending.
    pub fn fall_silent(&self) {
        *self.shared.speaks.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// Waits until what it has seen is `so`.
    ///
    /// # Panics
    /// When it isn't in time, or a promise was broken.
    pub fn wait(&self, what: &str, so: impl Fn(&Seen) -> bool) {
        let start = Instant::now();
        let mut seen = self.shared.seen();
        while !so(&seen) {
            assert!(seen.faults.is_empty(), "{}: {:#?}", self.name, seen.faults);
            let Some(left) = (2 * PATIENCE).checked_sub(start.elapsed()) else {
                let unanswered: Vec<_> = seen.sent.iter().filter(|sent| sent.acknowledged.is_none()).collect();
                panic!(
                    "{} waited in vain {what}: {} connections, {} messages, listening: {}, unanswered: {unanswered:#?}",
                    self.name,
                    seen.connections,
                    seen.room.len(),
                    seen.listening,
                );
            };
            let waited = self.shared.changed.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Falls silent, and waits until everything it said is acknowledged.
    ///
    /// # Panics
    /// When that doesn't come.
    pub fn finish(&self) {
        self.fall_silent();
        self.wait("for its messages to stand", |seen| {
            seen.listening && seen.sent.iter().all(|sent| sent.acknowledged.is_some())
        });
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
        self.changed.notify_all();
    }
}

type Stream = WebSocketStream<TcpStream>;

/// One client through all its connections.
struct Life {
    request: Request,
    address: SocketAddr,
    mark: String,
    manner: Manner,
    shared: Arc<Shared>,
    /// What came while what was missed had not come yet.
    held: Vec<Heard>,
    catching_up: bool,
    /// The last seq that came live over this connection.
    heard: i64,
    /// Backfills that are asked for and have not ended.
    awaited: u32,
}

impl Life {
    async fn live(mut self) {
        let mut pace = interval(self.manner.pause);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            if let Some(stream) = self.connect().await {
                self.shared.change(|seen| seen.connections += 1);
                self.converse(stream, &mut pace).await;
                self.shared.change(|seen| seen.listening = false);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn connect(&mut self) -> Option<Stream> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        match timeout(PATIENCE, client_async(self.request.clone(), stream)).await {
            Ok(Ok((stream, _))) => Some(stream),
            // It goes down, or is not quite up.
            Ok(Err(_)) => None,
            Err(_) => {
                self.fault("the server took the connection, and didn't answer".into());
                None
            }
        }
    }

    /// Talks until the line breaks.
    async fn converse(&mut self, mut stream: Stream, pace: &mut Interval) {
        (self.held, self.catching_up, self.heard, self.awaited) = (Vec::new(), true, 0, 0);
        let cut = self.cut_at();
        let join = json!({ "event": "join_room", "room": self.manner.room, "ref": 1 });
        if stream.send(Message::text(join.to_string())).await.is_err() {
            return;
        }
        loop {
            let talks = !self.catching_up && self.may_talk();
            tokio::select! {
                message = stream.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let Ok(frame) = serde_json::from_str(&text) else {
                            return self.fault(format!("not JSON: {text}"));
                        };
                        for answer in self.take(&frame) {
                            if stream.send(Message::text(answer.to_string())).await.is_err() {
                                return;
                            }
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
                _ = pace.tick(), if talks => {
                    let Some(frame) = self.say() else { continue };
                    if stream.send(Message::text(frame.to_string())).await.is_err() {
                        return;
                    }
                }
                () = sleep_until(cut.unwrap_or_else(Instant::now).into()), if cut.is_some() => return self.hang_up(stream),
            }
        }
    }

    fn cut_at(&mut self) -> Option<Instant> {
        let (cuts, within_ms) = self.manner.cuts;
        let again = self.shared.seen().cuts < cuts;
        again.then(|| Instant::now() + Duration::from_millis(self.manner.chance.below(within_ms)))
    }

    /// Resets the connection; every other time in the middle of a frame.
    fn hang_up(&mut self, stream: Stream) {
        let tcp = stream.get_ref();
        if self.manner.chance.below(2) == 0 {
            // The head of a masked text frame of 300 bytes, and what it begins with.
            let _ = tcp.try_write(&[0x81, 0xfe, 1, 44, 1, 2, 3, 4, b'{' ^ 1]);
        }
        // What lies in the buffers of both sides is lost.
        let _ = tcp.set_zero_linger();
        self.shared.change(|seen| seen.cuts += 1);
    }

    fn may_talk(&self) -> bool {
        let seen = self.shared.seen();
        let waiting = seen
            .sent
            .iter()
            .rev()
            .take_while(|sent| sent.acknowledged.is_none())
            .count();
        waiting < UNACKNOWLEDGED_MOST && *self.shared.speaks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message, unless it was told to fall silent just now.
    fn say(&mut self) -> Option<Value> {
        let speaks = self.shared.speaks.lock().unwrap_or_else(PoisonError::into_inner);
        if !*speaks {
            return None;
        }
        let mut seen = self.shared.seen();
        let number = seen.sent.len();
        seen.sent.push(Sent {
            nonce: format!("{}-{number}", self.mark),
            content: format!("{} says {number}", self.mark),
            acknowledged: None,
            times: 0,
        });
        let sent = seen.sent.last_mut().expect("it was just put there");
        Some(frame_of(&self.manner.room, number, sent))
    }

    /// What to answer to a frame.
    fn take(&mut self, frame: &Value) -> Vec<Value> {
        match frame["event"].as_str().unwrap_or_default() {
            "room_joined" => {
                // Everything that is not acknowledged, in its order, before anything new.
                let mut seen = self.shared.seen();
                let again = seen.sent.iter_mut().enumerate();
                let again = again.filter(|(_, sent)| sent.acknowledged.is_none());
                let mut answers: Vec<_> = again
                    .map(|(number, sent)| frame_of(&self.manner.room, number, sent))
                    .collect();
                drop(seen);
                answers.push(self.ask());
                answers
            }
            "message" => self.take_message(frame),
            "backfill" => self.take_backfill(frame),
            "resync" if frame["topic"] == format!("room:{}", self.manner.room) => {
                self.shared.change(|seen| seen.resyncs += 1);
                vec![self.ask()]
            }
            "error" => {
                self.fault(format!("refused: {frame}"));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Asks for what comes after the last message that it has.
    fn ask(&mut self) -> Value {
        self.catching_up = true;
        self.awaited += 1;
        let last = self.shared.seen().room.last().map_or(0, |last| last.id);
        json!({ "event": "request_backfill", "room": self.manner.room, "after_id": last, "limit": 100, "ref": 2 })
    }

    fn take_message(&mut self, frame: &Value) -> Vec<Value> {
        let Some(heard) = heard(frame) else {
            self.fault(format!("not a message: {frame}"));
            return Vec::new();
        };
        // What was sent over an earlier connection too may be answered before its place in the order.
        let mut repeated = false;
        if let Some(nonce) = frame["nonce"].as_str() {
            repeated = self.acknowledge(nonce, &heard);
        }
        if !repeated {
            if heard.seq <= self.heard {
                self.fault(format!("{} came after {} over one line", heard.seq, self.heard));
            }
            self.heard = heard.seq;
        }
        if self.catching_up {
            self.held.push(heard);
            return Vec::new();
        }
        if self.hear(heard) || repeated {
            return Vec::new();
        }
        // The server has dropped frames, and has to say `resync` when this client has taken what waits before.
        self.shared.change(|seen| seen.gaps += 1);
        vec![self.ask()]
    }

    /// Notes that a message stands; whether it had been sent over an earlier connection already.
    fn acknowledge(&mut self, nonce: &str, heard: &Heard) -> bool {
        let mut fault = None;
        let mut repeated = false;
        self.shared.change(|seen| {
            let Some(sent) = seen.sent.iter_mut().rev().find(|sent| sent.nonce == nonce) else {
                fault = Some(format!("{nonce} was never sent"));
                return;
            };
            repeated = sent.times > 1;
            let stands = (heard.id, heard.seq);
            if sent.content != heard.content || sent.acknowledged.is_some_and(|earlier| earlier != stands) {
                fault = Some(format!("{sent:?} was acknowledged as {heard:?}"));
            }
            sent.acknowledged = Some(stands);
        });
        fault.into_iter().for_each(|fault| self.fault(fault));
        repeated
    }

    fn take_backfill(&mut self, frame: &Value) -> Vec<Value> {
        match frame["phase"].as_str() {
            Some("batch") => {
                for message in frame["messages"].as_array().into_iter().flatten() {
                    match heard(message) {
                        Some(message) if self.awaited > 1 => drop(self.hear(message)),
                        Some(message) => {
                            let seq = message.seq;
                            let last = self.shared.seen().room.len() as i64;
                            if !self.hear(message) || seq <= last {
                                self.fault(format!("a backfill after {last} brings {seq}"));
                            }
                        }
                        None => self.fault(format!("not a message: {message}")),
                    }
                }
            }
            Some("end") => {
                self.awaited -= 1;
                if frame["more"] == true {
                    return vec![self.ask()];
                }
                if self.awaited == 0 {
                    return self.catch_up();
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Puts what was held after what was missed.
    fn catch_up(&mut self) -> Vec<Value> {
        self.catching_up = false;
        let mut held = std::mem::take(&mut self.held);
        held.sort_by_key(|heard| heard.seq);
        let whole = held.into_iter().all(|heard| self.hear(heard));
        if !whole {
            // An answer that came before its place: what is between is on its way, or can be asked for.
            return vec![self.ask()];
        }
        self.shared.change(|seen| {
            seen.listening = true;
            seen.caught_up += 1;
        });
        Vec::new()
    }

    /// Puts a message at the end, unless it is there already; whether none is missing before it.
    fn hear(&mut self, heard: Heard) -> bool {
        let mut fault = None;
        let mut fits = true;
        self.shared.change(|seen| {
            let last = seen.room.last();
            if heard.seq > seen.room.len() as i64 + 1 {
                fits = false;
            } else if let Some(there) = seen.room.get((heard.seq - 1) as usize) {
                if *there != heard {
                    fault = Some(format!("{there:?} is now {heard:?}"));
                }
            } else if last.is_some_and(|last| last.id >= heard.id) {
                fault = Some(format!("{heard:?} comes after {last:?}"));
            } else {
                seen.room.push(heard);
            }
        });
        fault.into_iter().for_each(|fault| self.fault(fault));
        fits
    }

    fn fault(&self, fault: String) {
        self.shared.change(|seen| seen.faults.push(fault));
    }
}

fn frame_of(room: &str, number: usize, sent: &mut Sent) -> Value {
    sent.times += 1;
    let (content, nonce) = (&sent.content, &sent.nonce);
    json!({ "event": "send_message", "room": room, "content": content, "nonce": nonce, "ref": number + 10 })
}

fn heard(message: &Value) -> Option<Heard> {
    Some(Heard {
        id: message["id"].as_i64()?,
        seq: message["seq"].as_i64().filter(|seq| *seq > 0)?,
        user: message["user"].as_str()?.into(),
        content: message["content"].as_str()?.into(),
    })
}
