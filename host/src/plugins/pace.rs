//! How much of the machine plugins get over time: fuel buckets, the breaker, log lines, figures.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use neospace_runner::protocol::Usage;

/// Faults within the breaker's window that make a plugin rest.
pub const BREAKER_FAULTS: usize = 3;
/// An hour, in milliseconds.
pub const BREAKER_MS: i64 = 3_600_000;
/// A minute, in milliseconds.
pub const FILTER_BREAKER_MS: i64 = 60_000;
/// Faults that one breaker remembers.
const BREAKER_KEPT: usize = 48;
/// How many seconds' worth of fuel a bucket holds: what may be spent at once after a quiet time.
const BURST_SECONDS: f64 = 10.0;
/// Bytes of log lines a second.
const LOG_BYTES_PER_SECOND: f64 = 4096.0;
/// Log lines of one plugin that are kept for its author and the operator.
const LOG_LINES: usize = 200;
/// Bytes of one log line.
pub const LOG_LINE_MAX: usize = 1_024;

/// A leaky bucket. What is spent may exceed what is in it; then nothing more goes until it has filled up above nothing.
#[derive(Debug)]
pub struct Bucket {
    per_second: f64,
    capacity: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(per_second: f64, capacity: f64) -> Self {
        Bucket {
            per_second,
            capacity,
            level: capacity,
            at: Instant::now(),
        }
    }

    /// Of fuel: ten seconds' worth.
    pub fn of_fuel(per_second: u64) -> Self {
        Self::new(per_second as f64, per_second as f64 * BURST_SECONDS)
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.capacity);
        self.at = now;
    }

    /// `Err` with the seconds until something is in it again.
    pub fn ready(&mut self, now: Instant) -> Result<(), u64> {
        self.fill(now);
        if self.level > 0.0 {
            Ok(())
        } else {
            Err((-self.level / self.per_second).ceil().max(1.0) as u64)
        }
    }

    /// Takes out what was used.
    pub fn spend(&mut self, amount: f64) {
        self.level -= amount;
    }

    /// Whether it is as good as new.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.level >= self.capacity
    }
}

/// Where a fault came from, if what somebody typed or pressed may have caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The installation; in rooms, the member once more.
    pub place: i64,
    /// The member; 0 for guests, who could all be one.
    pub who: i64,
}

/// The latest faults of one plugin's hash. Three within the window, and it rests until the window is over. A fault with
/// a source rests that place alone: whoever finds an input that breaks a plugin must not take it from everybody else. Only
/// when it fails in three places, for three different people, is it the plugin as such.
#[derive(Debug)]
pub struct Breaker {
    window_ms: i64,
    faults: VecDeque<(i64, Option<Source>)>,
}

impl Breaker {
    pub fn new(window_ms: i64) -> Self {
        Breaker {
            window_ms,
            faults: VecDeque::new(),
        }
    }

    /// A fault, and where it came from; nothing for one that nobody's input is to blame for.
    pub fn note(&mut self, at_ms: i64, source: Option<Source>) {
        let place = source.map(|source| source.place);
        let alike = |fault: &(i64, Option<Source>)| fault.1.map(|source| source.place) == place;
        // The latest three of each place are all that matters.
        if self.faults.iter().filter(|fault| alike(fault)).count() == BREAKER_FAULTS
            && let Some(oldest) = self.faults.iter().position(alike)
        {
            self.faults.remove(oldest);
        }
        if self.faults.len() == BREAKER_KEPT {
            self.faults.pop_front();
        }
        self.faults.push_back((at_ms, source));
    }

    /// Until when it rests there, or, without a place, everywhere, Unix milliseconds; nothing when it works.
    pub fn rests_until(&self, now_ms: i64, place: Option<i64>) -> Option<i64> {
        if self.faults.len() < BREAKER_FAULTS {
            return None;
        }
        let recent = |fault: &&(i64, Option<Source>)| fault.0 + self.window_ms > now_ms;
        let own: Vec<i64> = self
            .faults
            .iter()
            .filter(recent)
            .filter(|(_, source)| place.is_some() && source.map(|source| source.place) == place)
            .map(|(at, _)| *at)
            .collect();
        let here = (own.len() >= BREAKER_FAULTS).then(|| own[own.len() - BREAKER_FAULTS] + self.window_ms);
        // As the faults fall out of the window one by one, the first moment at which too few are left.
        let all: Vec<&(i64, Option<Source>)> = self.faults.iter().filter(recent).collect();
        let last = (0..all.len()).rev().find(|from| is_general(&all[*from..]));
        let everywhere = last.map(|from| all[from].0 + self.window_ms);
        here.max(everywhere)
    }
}

/// Whether these faults are the plugin's own.
fn is_general(faults: &[&(i64, Option<Source>)]) -> bool {
    let (mut places, mut people, mut blameless) = (Vec::new(), Vec::new(), 0);
    for (_, source) in faults {
        match source {
            None => blameless += 1,
            Some(Source { place, who }) => {
                if !places.contains(place) {
                    places.push(*place);
                }
                if !people.contains(who) {
                    people.push(*who);
                }
            }
        }
    }
    blameless + places.len().min(people.len()) >= BREAKER_FAULTS
}

/// The breakers of one plugin's hash, one for each kind of call: an `act` that traps doesn't silence its commands.
#[derive(Debug)]
pub struct Breakers {
    /// `render`, `draw` and `act`.
    pub walls: Mutex<Breaker>,
    /// `on-command`.
    pub commands: Mutex<Breaker>,
    /// `filter-text`: talk can't wait for an hour, so that it is asked again after a minute.
    pub filter: Mutex<Breaker>,
}

impl Default for Breakers {
    fn default() -> Self {
        Breakers {
            walls: Mutex::new(Breaker::new(BREAKER_MS)),
            commands: Mutex::new(Breaker::new(BREAKER_MS)),
            filter: Mutex::new(Breaker::new(FILTER_BREAKER_MS)),
        }
    }
}

/// One line that a plugin wrote.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LogLine {
    /// Unix milliseconds.
    pub at: i64,
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    pub wall: String,
    pub message: String,
}

/// The latest lines of one plugin.
#[derive(Debug)]
pub struct Log {
    bucket: Bucket,
    lines: VecDeque<LogLine>,
    /// Lines dropped since the last one that was kept.
    dropped: u64,
}

impl Default for Log {
    fn default() -> Self {
        Log {
            bucket: Bucket::new(LOG_BYTES_PER_SECOND, LOG_BYTES_PER_SECOND),
            lines: VecDeque::new(),
            dropped: 0,
        }
    }
}

impl Log {
    /// Keeps a line if the rate allows it; how many were dropped before it.
    pub fn push(&mut self, line: LogLine) -> Option<u64> {
        if self.bucket.ready(Instant::now()).is_err() {
            self.dropped += 1;
            return None;
        }
        self.bucket.spend(line.message.len() as f64 + 32.0);
        if self.lines.len() == LOG_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
        Some(std::mem::take(&mut self.dropped))
    }

    /// Oldest first.
    pub fn lines(&self) -> Vec<LogLine> {
        self.lines.iter().cloned().collect()
    }
}

/// What one plugin's calls have cost since the start.
#[derive(Debug, Default)]
pub struct Stats {
    calls: AtomicU64,
    fuel: AtomicU64,
    fuel_max: AtomicU64,
    /// An average that leans on the latest calls.
    fuel_usual: AtomicU64,
    memory_max: AtomicU64,
    time_us_usual: AtomicU64,
    hits: AtomicU64,
    faults: AtomicU64,
    last_fault: Mutex<Option<Trouble>>,
}

/// The latest fault, as anyone may read it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Trouble {
    /// Unix milliseconds.
    pub at: i64,
    /// In a few words, such as "ran out of fuel".
    pub what: String,
}

/// [`Stats`] at one moment.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Figures {
    pub calls: u64,
    /// Views served without a call.
    pub hits: u64,
    pub fuel: u64,
    pub fuel_max: u64,
    pub fuel_usual: u64,
    pub memory_max: u64,
    pub time_us_usual: u64,
    pub faults: u64,
    pub last_fault: Option<Trouble>,
}

impl Stats {
    pub fn note_call(&self, usage: Usage, wall_us: u64) {
        let first = self.calls.fetch_add(1, Relaxed) == 0;
        self.fuel.fetch_add(usage.fuel, Relaxed);
        self.fuel_max.fetch_max(usage.fuel, Relaxed);
        self.memory_max.fetch_max(usage.memory_bytes, Relaxed);
        lean(&self.fuel_usual, usage.fuel, first);
        lean(&self.time_us_usual, wall_us, first);
    }

    pub fn note_hit(&self) {
        self.hits.fetch_add(1, Relaxed);
    }

    pub fn note_fault(&self, trouble: Trouble) {
        self.faults.fetch_add(1, Relaxed);
        *lock(&self.last_fault) = Some(trouble);
    }

    pub fn last_fault(&self) -> Option<Trouble> {
        lock(&self.last_fault).clone()
    }

    pub fn figures(&self) -> Figures {
        Figures {
            calls: self.calls.load(Relaxed),
            hits: self.hits.load(Relaxed),
            fuel: self.fuel.load(Relaxed),
            fuel_max: self.fuel_max.load(Relaxed),
            fuel_usual: self.fuel_usual.load(Relaxed),
            memory_max: self.memory_max.load(Relaxed),
            time_us_usual: self.time_us_usual.load(Relaxed),
            faults: self.faults.load(Relaxed),
            last_fault: self.last_fault(),
        }
    }
}

/// An eighth of the way towards the newest value. Two calls at once may lose one of them, which an average can bear.
fn lean(average: &AtomicU64, value: u64, first: bool) {
    let old = average.load(Relaxed);
    let new = if first { value } else { old - old / 8 + value / 8 };
    average.store(new, Relaxed);
}

/// Locks what no panic can leave half-changed.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn three_faults_in_an_hour_and_it_rests_until_the_hour_is_over() {
        let mut breaker = Breaker::new(BREAKER_MS);
        for at in [0, 1_000] {
            breaker.note(at, None);
            assert_eq!(breaker.rests_until(at, Some(7)), None);
        }
        breaker.note(2_000, None);
        assert_eq!(breaker.rests_until(2_000, Some(7)), Some(BREAKER_MS));
        assert_eq!(breaker.rests_until(BREAKER_MS - 1, None), Some(BREAKER_MS));
        assert_eq!(breaker.rests_until(BREAKER_MS, None), None);
        let later = BREAKER_MS + 1_000;
        breaker.note(later, None);
        assert_eq!(breaker.rests_until(later, None), None, "the second was an hour ago");
    }

    #[test]
    fn one_who_breaks_it_breaks_it_for_themselves() {
        let mut breaker = Breaker::new(BREAKER_MS);
        let fault = |place, who| Some(Source { place, who });
        for at in 0..10 {
            breaker.note(at, fault(1, 5));
        }
        assert_eq!(
            breaker.rests_until(10, Some(1)),
            Some(BREAKER_MS + 7),
            "three after the seventh"
        );
        assert_eq!(breaker.rests_until(10, Some(2)), None);
        assert_eq!(breaker.rests_until(10, None), None);
        // The same person on other walls.
        breaker.note(11, fault(2, 5));
        breaker.note(12, fault(3, 5));
        breaker.note(13, fault(4, 5));
        assert_eq!(breaker.rests_until(13, Some(9)), None);
        // Many people on one wall.
        let mut breaker = Breaker::new(BREAKER_MS);
        for who in 0..10 {
            breaker.note(who, fault(1, who));
        }
        assert!(breaker.rests_until(10, Some(1)).is_some());
        assert_eq!(breaker.rests_until(10, Some(2)), None);
    }

    #[test]
    fn what_fails_in_three_places_for_three_people_rests_everywhere() {
        let mut breaker = Breaker::new(BREAKER_MS);
        for (at, place) in [(0, 1), (10, 2), (20, 3)] {
            assert_eq!(breaker.rests_until(at, None), None);
            breaker.note(
                at,
                Some(Source {
                    place,
                    who: place + 100,
                }),
            );
        }
        assert_eq!(breaker.rests_until(20, Some(9)), Some(BREAKER_MS));
        assert_eq!(breaker.rests_until(BREAKER_MS, Some(9)), None);
        // Renders count whoever looks.
        let mut breaker = Breaker::new(BREAKER_MS);
        breaker.note(0, None);
        breaker.note(1, None);
        breaker.note(2, Some(Source { place: 1, who: 1 }));
        assert_eq!(breaker.rests_until(2, None), Some(BREAKER_MS));
    }

    #[test]
    fn a_bucket_gives_what_flows_into_it() {
        let start = Instant::now();
        let mut bucket = Bucket::of_fuel(100);
        bucket.spend(1_300.0);
        assert_eq!(bucket.ready(start), Err(3));
        assert_eq!(bucket.ready(start + Duration::from_millis(2_900)), Err(1));
        assert!(bucket.ready(start + Duration::from_millis(3_100)).is_ok());
        assert!(!bucket.is_full(start + Duration::from_secs(9)));
        assert!(bucket.is_full(start + Duration::from_secs(60)));
    }

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let mut log = Log::default();
        let line = || LogLine {
            at: 0,
            level: "info",
            wall: "ana".into(),
            message: "x".repeat(968),
        };
        let kept = (0..100).filter(|_| log.push(line()).is_some()).count();
        assert!((4..=6).contains(&kept), "{kept}");
        assert_eq!(log.lines().len(), kept);
    }
}
