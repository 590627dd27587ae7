//! Who listens to what: one mutex around a map of topics, beneath which nothing awaits and nothing is rendered.
//!
//! A [`Line`] is one socket's end in here: what waits for it, and what it watches. Whoever publishes only pushes ready
//! frames onto queues; the socket's task writes everything that waits in one go. Signs of life, presence and what fades are
//! seen to by one [`beat`] for all, so that ten thousand sockets need no timers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};

use super::frame::{Dialect, Event, Frame};
use crate::{
    app::App,
    error::Error,
    session::{Credential, Viewer},
};

/// Bytes that may wait for one socket; a client that lags further is told to resync.
const QUEUE_BYTES: usize = 256 * 1024;
/// What a frame takes in a queue besides its bytes, which it shares.
const FRAME_OVERHEAD: usize = 32;
/// Who sends much at once waits until no more than this waits to be sent.
const DRAINED_BYTES: usize = 64 * 1024;
/// Topics that one socket may watch.
const TOPICS_MOST: usize = 64;
/// Names in one frame of presence.
const NAMES_MOST: usize = 100;
/// Presence is told at most this often, a topic.
const PRESENCE_EVERY: Duration = Duration::from_secs(1);
/// How often the hub looks round.
const BEAT: Duration = Duration::from_secs(1);
/// In how many beats every session is looked at once: a revoked one's sockets close within 5 seconds.
const LOOK_BEATS: u64 = 4;
/// In how many beats every line is pinged once; a client that is silent for two rounds is gone.
const PING_BEATS: u64 = 30;
const SILENCE_MOST: u64 = 2 * PING_BEATS + 4;

/// Close codes of RFC 6455 and of ours.
pub const GOING_AWAY: u16 = 1001;
pub const SESSION_ENDED: u16 = 4001;
/// When clients should come back after a restart, in milliseconds.
const COME_BACK_MS: u64 = 1_000;

/// The hub; cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    lines: Mutex<IndexMap<u64, Arc<Line>>>,
    next_id: AtomicU64,
    beats: AtomicU64,
    closing: AtomicBool,
    stirred: Mutex<HashSet<Arc<str>>>,
    stir: Notify,
}

#[derive(Default)]
struct State {
    topics: HashMap<Arc<str>, Topic>,
    members: HashMap<i64, Vec<Arc<Line>>>,
    /// Topics with presence to tell or signs that fade.
    restless: HashSet<Arc<str>>,
    /// Topics on which nobody is told who is there, watched or not.
    quiet: HashSet<Arc<str>>,
}

/// Who watches a topic.
#[derive(Default)]
struct Topic {
    lines: IndexMap<u64, Arc<Line>>,
    /// How many of them speak the programs' dialect.
    json: usize,
    /// In how many windows somebody is here. Guests are all one, by the empty name.
    present: BTreeMap<Arc<str>, u32>,
    joined: BTreeSet<Arc<str>>,
    left: BTreeSet<Arc<str>>,
    told: Option<Instant>,
    /// By name.
    signs: HashMap<Arc<str>, Shown>,
}

/// A sign that is shown.
struct Shown {
    until: Instant,
    told: Instant,
    member: Option<i64>,
    over: Frame,
}

/// A sign of somebody that fades by itself, such as that they type.
pub struct Sign {
    pub shown: Frame,
    /// What takes it back.
    pub over: Frame,
    /// How long it lasts without being repeated.
    pub lasts: Duration,
    /// Repeating it sooner shows nothing new.
    pub every: Duration,
}

/// One socket's end in the hub.
pub struct Line {
    pub viewer: Viewer,
    pub dialect: Dialect,
    /// [`crate::throttle::network`] of the address.
    pub network: Box<str>,
    id: u64,
    /// The session or the token; guests have none.
    credential: Option<Credential>,
    /// Whether others may see that the member is here.
    hidden: AtomicBool,
    /// The beat at which the client was heard last.
    heard: AtomicU64,
    queue: Mutex<Queue>,
    pub(super) filled: Notify,
    drained: Notify,
    /// Whoever holds it queues the next write: so one client's writes keep their order.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Whoever holds it keeps much in memory until the client has taken it: one such answer at a time.
    pub(super) alone: tokio::sync::Mutex<()>,
}

/// A socket that watches a topic.
pub type Watcher = Arc<Line>;

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// Bytes taken to be sent and not sent yet.
    sending: usize,
    lagged: bool,
    /// Somebody has been told that this isn't empty.
    woken: bool,
    end: Option<(u16, &'static str)>,
    watching: Vec<Arc<str>>,
}

/// What a socket's task has to do.
pub(super) struct Waiting {
    pub lagged: bool,
    pub end: Option<(u16, &'static str)>,
}

/// Figures for `/system` and `/metrics`.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct HubStats {
    pub sockets: usize,
    pub topics: usize,
}

impl Hub {
    /// A hub on which nobody is told who watches these topics.
    pub fn new(quiet: HashSet<Arc<str>>) -> Self {
        let state = State {
            quiet,
            ..State::default()
        };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            ..Inner::default()
        }))
    }

    /// Those who watch a topic now.
    pub fn watchers(&self, topic: &str) -> Vec<Watcher> {
        let state = self.lock();
        let topic = state.topics.get(topic);
        topic
            .map(|topic| topic.lines.values().cloned().collect())
            .unwrap_or_default()
    }

    /// The topics that begin with `prefix` and are watched now.
    pub fn watched(&self, prefix: &str) -> Vec<Arc<str>> {
        let state = self.lock();
        state
            .topics
            .keys()
            .filter(|topic| topic.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Which dialects those who watch a topic speak: what nobody reads need not be made.
    pub fn dialects(&self, topic: &str) -> Vec<Dialect> {
        let state = self.lock();
        let Some(topic) = state.topics.get(topic) else {
            return Vec::new();
        };
        let html = topic.lines.len() - topic.json;
        let spoken = [(Dialect::Html, html), (Dialect::Json, topic.json)];
        spoken
            .into_iter()
            .filter(|(_, lines)| *lines > 0)
            .map(|(dialect, _)| dialect)
            .collect()
    }

    /// Sends each watcher of a topic the frame that `choose` picks for it. Frames are made before: nothing is rendered
    /// in here.
    pub fn publish(&self, topic: &str, choose: impl Fn(&Watcher) -> Option<Frame>) {
        for line in self
            .lock()
            .topics
            .get(topic)
            .iter()
            .flat_map(|topic| topic.lines.values())
        {
            if let Some(frame) = choose(line) {
                line.push(frame);
            }
        }
    }

    /// Sends each socket of a member the frame that `choose` picks for it.
    pub fn tell(&self, member: i64, choose: impl Fn(&Watcher) -> Option<Frame>) {
        for line in self.lock().members.get(&member).into_iter().flatten() {
            if let Some(frame) = choose(line) {
                line.push(frame);
            }
        }
    }

    /// The sockets of a member.
    pub fn lines_of(&self, member: i64) -> Vec<Watcher> {
        self.lock().members.get(&member).cloned().unwrap_or_default()
    }

    /// The members who have a socket open.
    pub fn online(&self) -> HashSet<i64> {
        self.lock().members.keys().copied().collect()
    }

    /// The names of those who watch a topic and let it be seen, at most so many.
    pub fn present(&self, topic: &str, most: usize) -> Vec<Arc<str>> {
        let state = self.lock();
        let names = state
            .topics
            .get(topic)
            .filter(|_| !state.quiet.contains(topic))
            .into_iter()
            .flat_map(|topic| topic.present.keys());
        names.filter(|name| !name.is_empty()).take(most).cloned().collect()
    }

    /// Shows a sign of a line's member to the others who watch a topic, unless they don't want to be seen.
    pub fn sign(&self, line: &Line, topic: &str, sign: Sign) {
        let Some(name) = line.present_as().filter(|name| !name.is_empty()) else {
            return;
        };
        let (mut state, now) = (self.lock(), Instant::now());
        let Some((key, found)) = state.topics.get_key_value(topic) else {
            return;
        };
        if !found.lines.contains_key(&line.id) {
            return;
        }
        let key = key.clone();
        state.restless.insert(key);
        let Some(found) = state.topics.get_mut(topic) else {
            return;
        };
        let told = found.signs.get(&name).map(|shown| shown.told);
        let due = told.is_none_or(|told| now - told >= sign.every);
        if due {
            found.show(line.viewer.id(), &sign.shown);
        }
        found.signs.insert(
            name,
            Shown {
                until: now + sign.lasts,
                told: told.filter(|_| !due).unwrap_or(now),
                member: line.viewer.id(),
                over: sign.over,
            },
        );
    }

    /// Takes a member's sign back, if one is shown.
    pub fn unsign(&self, topic: &str, name: &str) {
        if let Some(topic) = self.lock().topics.get_mut(topic) {
            topic.unsign(name);
        }
    }

    /// Notes that something happened on a topic that concerns those who don't watch it too.
    pub fn stir(&self, topic: &str) {
        let mut stirred = self.0.stirred.lock().unwrap_or_else(|e| e.into_inner());
        if !stirred.contains(topic) {
            stirred.insert(topic.into());
            self.0.stir.notify_one();
        }
    }

    /// Waits until topics were stirred, and answers which.
    pub async fn stirred(&self) -> HashSet<Arc<str>> {
        loop {
            let stirred = std::mem::take(&mut *self.0.stirred.lock().unwrap_or_else(|e| e.into_inner()));
            if !stirred.is_empty() {
                return stirred;
            }
            self.0.stir.notified().await;
        }
    }

    /// Ends a member's watching of a topic, in every window, with a frame that says why.
    pub fn evict(&self, topic: &str, member: i64, why: &Frame) {
        let mut state = self.lock();
        let lines: Vec<_> = state.members.get(&member).cloned().unwrap_or_default();
        for line in lines {
            if state.remove(&line, topic) {
                line.push(why.clone());
            }
        }
        state.tell_presence(topic, Instant::now());
    }

    /// Lets others see a member's presence, or not, from now on.
    pub fn set_hidden(&self, member: i64, hidden: bool) {
        let mut state = self.lock();
        for line in state.members.get(&member).cloned().unwrap_or_default() {
            if line.hidden.load(Relaxed) == hidden {
                continue;
            }
            let watching = line.watching();
            for topic in &watching {
                state.absent(&line, topic);
            }
            line.hidden.store(hidden, Relaxed);
            for topic in &watching {
                state.arrive(&line, topic);
                state.tell_presence(topic, Instant::now());
            }
        }
    }

    /// From now on nobody is told who watches a topic, or everybody is again: to those who watch it, the others go or come.
    pub fn set_quiet(&self, topic: &str, quiet: bool) {
        let mut state = self.lock();
        let changed = match quiet {
            true => state.quiet.insert(topic.into()),
            false => state.quiet.remove(topic),
        };
        let Some(found) = state.topics.get_mut(topic).filter(|_| changed) else {
            return;
        };
        let mut names: Vec<_> = found.present.keys().cloned().collect();
        // Who went and wasn't told of yet is still shown.
        names.extend(std::mem::take(&mut found.left));
        found.joined.clear();
        for names in names.chunks(NAMES_MOST) {
            let (joined, left) = if quiet { (&[][..], names) } else { (names, &[][..]) };
            let frame = Event::Presence {
                topic,
                joined,
                left,
                more: false,
            }
            .frame();
            for line in found.lines.values() {
                line.push(frame.clone());
            }
        }
    }

    /// Tells every socket to come back, and closes them.
    pub fn close(&self) {
        self.0.closing.store(true, Relaxed);
        let goodbye = Event::Goodbye { after_ms: COME_BACK_MS }.frame();
        for line in self.lines() {
            line.push(goodbye.clone());
            line.end(GOING_AWAY, "The server restarts.");
        }
    }

    pub fn stats(&self) -> HubStats {
        HubStats {
            sockets: self.0.lines.lock().unwrap_or_else(|e| e.into_inner()).len(),
            topics: self.lock().topics.len(),
        }
    }

    pub(super) fn connect(
        &self,
        viewer: Viewer,
        dialect: Dialect,
        network: Box<str>,
        credential: Option<Credential>,
    ) -> Arc<Line> {
        let line = Arc::new(Line {
            hidden: AtomicBool::new(viewer.hidden),
            viewer,
            dialect,
            network,
            id: self.0.next_id.fetch_add(1, Relaxed),
            credential,
            heard: AtomicU64::new(self.0.beats.load(Relaxed)),
            queue: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            alone: tokio::sync::Mutex::default(),
        });
        let mut lines = self.0.lines.lock().unwrap_or_else(|e| e.into_inner());
        lines.insert(line.id, line.clone());
        drop(lines);
        if let Some(member) = line.viewer.id() {
            self.lock().members.entry(member).or_default().push(line.clone());
        }
        if self.0.closing.load(Relaxed) {
            line.end(GOING_AWAY, "The server restarts.");
        }
        line
    }

    pub(super) fn disconnect(&self, line: &Arc<Line>) {
        let mut lines = self.0.lines.lock().unwrap_or_else(|e| e.into_inner());
        lines.swap_remove(&line.id);
        drop(lines);
        let mut state = self.lock();
        for topic in line.watching() {
            state.remove(line, &topic);
            state.tell_presence(&topic, Instant::now());
        }
        let Some(member) = line.viewer.id() else { return };
        if let Some(lines) = state.members.get_mut(&member) {
            lines.retain(|other| other.id != line.id);
            if lines.is_empty() {
                state.members.remove(&member);
            }
        }
    }

    /// Lets a line watch a topic, for slices whose own events lead to it.
    ///
    /// # Errors
    /// [`Error::Conflict`] for one that watches too many already.
    pub fn join(&self, line: &Arc<Line>, topic: &str) -> Result<(), Error> {
        if line.watching().len() >= TOPICS_MOST && !line.watches(topic) {
            return Err(Error::Conflict(format!(
                "One connection watches at most {TOPICS_MOST} topics. Leave one first."
            )));
        }
        self.watch(line, topic);
        Ok(())
    }

    /// Adds a watcher, tells it who is there, and tells the others when somebody new came.
    fn watch(&self, line: &Arc<Line>, topic: &str) {
        let mut state = self.lock();
        let key = match state.topics.get_key_value(topic) {
            Some((key, _)) => key.clone(),
            None => topic.into(),
        };
        let found = state.topics.entry(key.clone()).or_default();
        if found.lines.insert(line.id, line.clone()).is_some() {
            return;
        }
        found.json += usize::from(line.dialect == Dialect::Json);
        line.queue().watching.push(key.clone());
        state.arrive(line, topic);
        let Some(found) = state.topics.get(topic).filter(|_| has_presence(topic)) else {
            return;
        };
        let told = if state.quiet.contains(topic) {
            0
        } else {
            found.present.len()
        };
        let here: Vec<Arc<str>> = found.present.keys().take(told.min(NAMES_MOST)).cloned().collect();
        let more = told > here.len();
        let joined = &here[..];
        let frame = Event::Presence {
            topic,
            joined,
            left: &[],
            more,
        }
        .frame();
        line.push(frame);
        state.tell_presence(topic, Instant::now());
    }

    /// Removes a watcher, and tells the others when the last socket of somebody left.
    pub fn leave(&self, line: &Arc<Line>, topic: &str) {
        let mut state = self.lock();
        state.remove(line, topic);
        state.tell_presence(topic, Instant::now());
    }

    pub(super) fn heard(&self, line: &Line) {
        line.heard.store(self.0.beats.load(Relaxed), Relaxed);
    }

    fn lines(&self) -> Vec<Arc<Line>> {
        let lines = self.0.lines.lock().unwrap_or_else(|e| e.into_inner());
        lines.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Looks round as long as the program runs: ends the lines of those who may no longer be here or say nothing, pings the
/// others, tells presence that waited, and takes back what fades.
pub async fn beat(app: App) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let now = app.hub.0.beats.fetch_add(1, Relaxed) + 1;
        for line in app.hub.lines() {
            if now.saturating_sub(line.heard.load(Relaxed)) > SILENCE_MOST {
                line.end(GOING_AWAY, "Nothing was heard for a minute.");
            }
            // A database that can't be read just now is no reason to throw people out.
            let lives = |credential: Credential| credential.lives(&app).unwrap_or(true);
            if (line.id + now).is_multiple_of(LOOK_BEATS) && !line.credential.is_none_or(lives) {
                line.end(SESSION_ENDED, "The session has ended.");
            }
            if (line.id + now).is_multiple_of(PING_BEATS) {
                line.push(Frame::ping());
            }
        }
        let mut state = app.hub.lock();
        let now = Instant::now();
        for topic in std::mem::take(&mut state.restless) {
            if let Some(found) = state.topics.get_mut(&topic) {
                found.fade(now);
            }
            state.tell_presence(&topic, now);
        }
    }
}

/// Whether it is said who watches a topic: places have names after a colon, and nobody is told who looks at the machine.
fn has_presence(topic: &str) -> bool {
    topic.contains(':')
}

impl State {
    /// Ends a line's watching; whether it did watch.
    fn remove(&mut self, line: &Arc<Line>, topic: &str) -> bool {
        let Some(found) = self.topics.get_mut(topic) else {
            return false;
        };
        if found.lines.swap_remove(&line.id).is_none() {
            return false;
        }
        found.json -= usize::from(line.dialect == Dialect::Json);
        line.queue().watching.retain(|watched| **watched != *topic);
        self.absent(line, topic);
        if self.topics.get(topic).is_some_and(|found| found.lines.is_empty()) {
            self.topics.remove(topic);
            self.restless.remove(topic);
        }
        true
    }

    /// Counts a line's member as here.
    fn arrive(&mut self, line: &Line, topic: &str) {
        if !has_presence(topic) {
            return;
        }
        let quiet = self.quiet.contains(topic);
        let (Some(name), Some(found)) = (line.present_as(), self.topics.get_mut(topic)) else {
            return;
        };
        let windows = found.present.entry(name.clone()).or_default();
        *windows += 1;
        if *windows == 1 && !quiet && !found.left.remove(&name) {
            found.joined.insert(name);
        }
    }

    /// Counts it no more.
    fn absent(&mut self, line: &Line, topic: &str) {
        let quiet = self.quiet.contains(topic);
        let (Some(name), Some(found)) = (line.present_as(), self.topics.get_mut(topic)) else {
            return;
        };
        let Some(windows) = found.present.get_mut(&name) else {
            return;
        };
        *windows -= 1;
        if *windows == 0 {
            found.present.remove(&name);
            found.unsign(&name);
            if !quiet && !found.joined.remove(&name) {
                found.left.insert(name);
            }
        }
    }

    /// Tells who came and left, unless that was told just now: then the next beat tells.
    fn tell_presence(&mut self, topic: &str, now: Instant) {
        let Some((key, _)) = self.topics.get_key_value(topic) else {
            return;
        };
        let key = key.clone();
        let Some(found) = self.topics.get_mut(topic) else {
            return;
        };
        if !found.signs.is_empty() {
            self.restless.insert(key.clone());
        }
        if found.joined.is_empty() && found.left.is_empty() {
            return;
        }
        if found.told.is_some_and(|told| now - told < PRESENCE_EVERY) {
            self.restless.insert(key);
            return;
        }
        found.told = Some(now);
        let (joined, left) = (std::mem::take(&mut found.joined), std::mem::take(&mut found.left));
        let names = |all: &BTreeSet<Arc<str>>| all.iter().take(NAMES_MOST).cloned().collect::<Vec<_>>();
        let frame = Event::Presence {
            topic,
            joined: &names(&joined),
            left: &names(&left),
            more: joined.len().max(left.len()) > NAMES_MOST,
        }
        .frame();
        for line in found.lines.values() {
            line.push(frame.clone());
        }
    }
}

impl Topic {
    /// Shows a frame about a member to the others.
    fn show(&self, member: Option<i64>, frame: &Frame) {
        for line in self.lines.values().filter(|line| line.viewer.id() != member) {
            line.push(frame.clone());
        }
    }

    fn unsign(&mut self, name: &str) {
        if let Some(shown) = self.signs.remove(name) {
            self.show(shown.member, &shown.over);
        }
    }

    fn fade(&mut self, now: Instant) {
        let faded: Vec<_> = self
            .signs
            .iter()
            .filter(|(_, shown)| shown.until <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in faded {
            self.unsign(&name);
        }
    }
}

impl Line {
    /// Puts a frame into the queue; when that is full, empties it, and the client will be told to resync.
    pub fn push(&self, frame: Frame) {
        let mut queue = self.queue();
        if queue.lagged || queue.end.is_some() {
            return;
        }
        queue.bytes += frame.bytes().len() + FRAME_OVERHEAD;
        if queue.bytes > QUEUE_BYTES {
            queue.frames = VecDeque::new();
            queue.bytes = 0;
            queue.lagged = true;
        } else {
            queue.frames.push_back(frame);
        }
        let wake = !std::mem::replace(&mut queue.woken, true);
        drop(queue);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Waits until most of what was pushed is sent: for who has much to send.
    pub async fn drained(&self) {
        loop {
            let drained = self.drained.notified();
            if self.unsent() <= DRAINED_BYTES {
                return;
            }
            drained.await;
        }
    }

    fn unsent(&self) -> usize {
        let queue = self.queue();
        queue.bytes + queue.sending
    }

    /// Whether this line watches a topic.
    pub fn watches(&self, topic: &str) -> bool {
        self.queue().watching.iter().any(|watched| **watched == *topic)
    }

    /// What this line watches of what begins with `prefix`, without it.
    pub fn listening(&self, prefix: &str) -> Vec<String> {
        let queue = self.queue();
        let names = queue.watching.iter().filter_map(|topic| topic.strip_prefix(prefix));
        names.map(str::to_owned).collect()
    }

    /// Whether its member doesn't want others to see that they are here.
    pub fn is_hidden(&self) -> bool {
        self.hidden.load(Relaxed)
    }

    /// Whether this is the very same line.
    pub fn is(&self, other: &Line) -> bool {
        self.id == other.id
    }

    pub(super) fn watching(&self) -> Vec<Arc<str>> {
        self.queue().watching.clone()
    }

    /// Swaps what waits into `frames`, which is empty.
    pub(super) fn take(&self, frames: &mut VecDeque<Frame>) -> Waiting {
        let mut queue = self.queue();
        std::mem::swap(&mut queue.frames, frames);
        queue.sending = std::mem::take(&mut queue.bytes);
        queue.woken = false;
        Waiting {
            lagged: std::mem::take(&mut queue.lagged),
            end: queue.end,
        }
    }

    /// What was taken is sent.
    pub(super) fn sent(&self) {
        self.queue().sending = 0;
        self.drained.notify_waiters();
    }

    /// Ends the line once what waits is sent.
    fn end(&self, code: u16, reason: &'static str) {
        self.queue().end.get_or_insert((code, reason));
        self.filled.notify_one();
    }

    /// A member is present by name, however many windows they have open; guests all as one; who doesn't want to be seen isn't.
    fn present_as(&self) -> Option<Arc<str>> {
        if self.hidden.load(Relaxed) {
            return None;
        }
        Some(
            self.viewer
                .member
                .as_ref()
                .map_or_else(|| "".into(), |member| member.name.clone()),
        )
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }
}
