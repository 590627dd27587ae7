//! Who watches what: a mutex around a map of topics, beneath which nothing awaits.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{Notify, watch};

use super::frame::{Dialect, Event};
use crate::session::Viewer;

/// Bytes that may wait for one socket; a client that lags further is told to resync.
const QUEUE_BYTES: usize = 256 * 1024;

/// The hub; cheap to clone.
#[derive(Clone)]
pub struct Hub {
    topics: Arc<Mutex<HashMap<Arc<str>, Vec<Watcher>>>>,
    next_id: Arc<AtomicU64>,
    sockets: Arc<AtomicU64>,
    closing: watch::Sender<bool>,
}

/// One socket that watches a topic.
#[derive(Clone)]
pub struct Watcher {
    pub viewer: Viewer,
    pub dialect: Dialect,
    pub(super) id: u64,
    pub(super) queue: Arc<Queue>,
}

/// What waits to be sent to one socket, bounded in bytes.
#[derive(Default)]
pub struct Queue {
    state: Mutex<Waiting>,
    pub(super) filled: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    lagged: bool,
}

/// Figures for `/system` and `/metrics`.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct HubStats {
    pub sockets: u64,
    pub topics: usize,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            topics: Arc::default(),
            next_id: Arc::default(),
            sockets: Arc::default(),
            closing: watch::Sender::new(false),
        }
    }
}

impl Hub {
    /// Those who watch a topic now.
    pub fn watchers(&self, topic: &str) -> Vec<Watcher> {
        self.lock().get(topic).cloned().unwrap_or_default()
    }

    /// The topics that begin with `prefix` and are watched now.
    pub fn watched(&self, prefix: &str) -> Vec<Arc<str>> {
        self.lock()
            .keys()
            .filter(|topic| topic.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// The names of those who watch a topic, at most so many.
    pub fn present(&self, topic: &str, most: usize) -> Vec<String> {
        let topics = self.lock();
        let mut names: Vec<String> = topics.get(topic).into_iter().flatten().map(present_as).collect();
        drop(topics);
        names.sort();
        names.dedup();
        names.retain(|name| !name.is_empty());
        names.truncate(most);
        names
    }

    /// Sends each watcher of a topic the frame that `choose` picks for it. Frames are made before: nothing is rendered
    /// in here.
    pub fn publish(&self, topic: &str, choose: impl Fn(&Watcher) -> Option<Utf8Bytes>) {
        for watcher in self.lock().get(topic).into_iter().flatten() {
            if let Some(frame) = choose(watcher) {
                watcher.queue.push(frame);
            }
        }
    }

    /// Tells every socket to come back, and closes them.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    pub fn stats(&self) -> HubStats {
        HubStats {
            sockets: self.sockets.load(Relaxed),
            topics: self.lock().len(),
        }
    }

    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    pub(super) fn connect(&self, viewer: Viewer, dialect: Dialect) -> Watcher {
        self.sockets.fetch_add(1, Relaxed);
        Watcher {
            viewer,
            dialect,
            id: self.next_id.fetch_add(1, Relaxed),
            queue: Arc::default(),
        }
    }

    pub(super) fn disconnect(&self, watcher: &Watcher, watching: &[Arc<str>]) {
        for topic in watching {
            self.unwatch(watcher, topic);
        }
        self.sockets.fetch_sub(1, Relaxed);
    }

    /// Adds a watcher, tells it who is there, and tells the others when somebody new came.
    pub(super) fn watch(&self, watcher: &Watcher, topic: &Arc<str>) {
        let mut topics = self.lock();
        let watchers = topics.entry(topic.clone()).or_default();
        let name = present_as(watcher);
        let mut here: Vec<String> = watchers.iter().map(present_as).collect();
        here.sort();
        here.dedup();
        if !here.contains(&name) {
            let came = Event::Presence {
                topic,
                joined: std::slice::from_ref(&name),
                left: &[],
            }
            .text();
            watchers.iter().for_each(|other| other.queue.push(came.clone()));
            here.push(name);
        }
        watchers.push(watcher.clone());
        watcher.queue.push(
            Event::Presence {
                topic,
                joined: &here,
                left: &[],
            }
            .text(),
        );
    }

    /// Removes a watcher, and tells the others when the last socket of somebody left.
    pub(super) fn unwatch(&self, watcher: &Watcher, topic: &Arc<str>) {
        let mut topics = self.lock();
        let Some(watchers) = topics.get_mut(topic) else { return };
        watchers.retain(|other| other.id != watcher.id);
        let name = present_as(watcher);
        if !watchers.iter().any(|other| present_as(other) == name) {
            let left = Event::Presence {
                topic,
                joined: &[],
                left: &[name],
            }
            .text();
            watchers.iter().for_each(|other| other.queue.push(left.clone()));
        }
        if watchers.is_empty() {
            topics.remove(topic);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Watcher>>> {
        self.topics.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A member is present by name, however many windows they have open; guests all as one.
fn present_as(watcher: &Watcher) -> String {
    watcher
        .viewer
        .member
        .as_ref()
        .map_or_else(String::new, |member| member.name.to_string())
}

impl Queue {
    pub(super) fn push(&self, frame: Utf8Bytes) {
        let mut waiting = self.state.lock().unwrap_or_else(|e| e.into_inner());
        if waiting.lagged {
            return;
        }
        waiting.bytes += frame.len();
        if waiting.bytes > QUEUE_BYTES {
            waiting.frames.clear();
            waiting.bytes = 0;
            waiting.lagged = true;
        } else {
            waiting.frames.push_back(frame);
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Everything that waits, and whether frames were dropped before it.
    pub(super) fn take(&self) -> (VecDeque<Utf8Bytes>, bool) {
        let mut waiting = self.state.lock().unwrap_or_else(|e| e.into_inner());
        waiting.bytes = 0;
        (std::mem::take(&mut waiting.frames), std::mem::take(&mut waiting.lagged))
    }
}
