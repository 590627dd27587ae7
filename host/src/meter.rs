//! What the machine counts about itself, and the last minute of it: for `/system` and `/metrics`. No member is in here,
//! and nothing that a member did is told apart from what another did.

use std::{
    collections::VecDeque,
    fs,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::app::App;

/// How far back the plots look.
pub const MINUTE: Duration = Duration::from_secs(60);
/// How often figures are taken while somebody looks.
pub const EVERY: Duration = Duration::from_secs(1);
/// Samples that are kept.
const SAMPLES: usize = 61;
/// SQLite's pages, in bytes.
const PAGE_BYTES: u64 = 8192;

/// Buckets of a [`Histogram`]: four an octave, up to a minute.
const BUCKETS: usize = 104;

/// Times, counted by how long they were.
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

/// A [`Histogram`] at one moment.
#[derive(Clone, Copy)]
pub struct Times {
    counts: [u64; BUCKETS],
    pub sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            sum_us: AtomicU64::new(0),
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            sum_us: 0,
        }
    }
}

impl Histogram {
    pub fn note(&self, time: Duration) {
        let us = time.as_micros() as u64;
        self.counts[bucket(us)].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    pub fn times(&self) -> Times {
        Times {
            counts: std::array::from_fn(|at| self.counts[at].load(Relaxed)),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

/// Exact up to 4 µs, then four to each doubling.
fn bucket(us: u64) -> usize {
    if us < 4 {
        return us as usize;
    }
    let octave = us.ilog2() as usize;
    ((octave - 1) * 4 + (us >> (octave - 2)) as usize % 4).min(BUCKETS - 1)
}

/// What a bucket ends before, in microseconds.
fn end_of(bucket: usize) -> u64 {
    match bucket {
        0..4 => bucket as u64 + 1,
        _ => (bucket as u64 % 4 + 5) << (bucket / 4 - 1),
    }
}

impl Times {
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many took less than so many microseconds, which should be a power of two.
    pub fn below(&self, us: u64) -> u64 {
        let buckets = self.counts.iter().enumerate().filter(|(at, _)| end_of(*at) <= us);
        buckets.map(|(_, count)| count).sum()
    }

    /// What came since an earlier moment.
    pub fn since(&self, earlier: &Times) -> Times {
        Times {
            counts: std::array::from_fn(|at| self.counts[at].saturating_sub(earlier.counts[at])),
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
        }
    }

    /// The time that so many of a thousand stayed below, in microseconds, to a quarter of itself; 0 when there was none.
    pub fn per_mille(&self, part: u64) -> u64 {
        let wanted = (self.count() * part).div_ceil(1_000);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted && seen > 0
        });
        found.map_or(0, end_of)
    }
}

/// The counters and the last minute; one an [`App`].
#[derive(Default)]
pub struct Meter {
    /// How long requests took to answer.
    pub requests: Histogram,
    /// Direct messages that were stored, and sealed files that were taken.
    dms: AtomicU64,
    dm_files: AtomicU64,
    uploads: AtomicU64,
    uploads_refused: AtomicU64,
    /// Told when somebody begins to look.
    pub looked: Notify,
    minute: Mutex<VecDeque<Sample>>,
}

/// Everything at one moment. Counters count from the start.
#[derive(Clone)]
pub struct Sample {
    pub at: Instant,
    pub requests: Times,
    pub sockets: u64,
    pub topics: u64,
    pub writes: u64,
    pub commits: u64,
    pub commit_us: u64,
    pub largest_batch: u64,
    /// Writes that wait.
    pub waiting: u64,
    pub wal_bytes: u64,
    pub database_bytes: u64,
    pub page_hits: u64,
    pub page_renders: u64,
    pub plugin_calls: u64,
    /// Views of modules that were shown without a call.
    pub plugin_hits: u64,
    pub plugin_fuel: u64,
    pub plugin_faults: u64,
    pub lanes: Lanes,
    /// Direct messages that were stored, and files that were taken.
    pub dms: u64,
    pub dm_files: u64,
    /// Pictures and sounds that a worker made anew, and those that it refused.
    pub uploads: u64,
    pub uploads_refused: u64,
    /// Proportional set sizes, in bytes; where the system doesn't tell, what is resident.
    pub host_bytes: u64,
    pub lanes_bytes: u64,
}

/// The processes that run plugins.
#[derive(Clone)]
pub struct Lanes {
    pub up: u64,
    pub idle: u64,
    pub waiting: u64,
    pub calls: u64,
    pub restarts: u64,
    /// Layers of confinement that this system can't provide.
    pub missing: Vec<&'static str>,
}

impl Meter {
    /// A direct message was stored.
    pub fn note_dm(&self) {
        self.dms.fetch_add(1, Relaxed);
    }

    /// A sealed file was taken.
    pub fn note_dm_file(&self) {
        self.dm_files.fetch_add(1, Relaxed);
    }

    /// A worker has made an upload anew, or refused it.
    pub fn note_upload(&self, kept: bool) {
        let counter = if kept { &self.uploads } else { &self.uploads_refused };
        counter.fetch_add(1, Relaxed);
    }

    /// The samples of the last minute, the oldest first. The last one is of now; what was taken before it depends on
    /// whether somebody looked.
    pub async fn minute(&self, app: &App) -> Vec<Sample> {
        self.take(app).await;
        self.lock().iter().cloned().collect()
    }

    /// Takes a sample, unless one was taken just now.
    async fn take(&self, app: &App) {
        let now = Instant::now();
        if self.lock().back().is_some_and(|last| now - last.at < EVERY / 2) {
            return;
        }
        let taking = app.clone();
        // It reads files of the kernel that take it a while.
        let Ok(sample) = tokio::task::spawn_blocking(move || sample(&taking)).await else {
            return;
        };
        let mut minute = self.lock();
        while minute.len() >= SAMPLES || minute.front().is_some_and(|first| now - first.at > MINUTE + EVERY) {
            minute.pop_front();
        }
        minute.push_back(sample);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.minute.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Everything at this moment. Takes a millisecond or so: keep it off an async worker.
pub fn sample(app: &App) -> Sample {
    let (hub, writer, lanes) = (app.hub.stats(), app.db.writer_stats(), app.plugins.lanes());
    let (page_hits, page_renders) = app.cache.stats();
    let (mut plugin_calls, mut plugin_hits, mut plugin_fuel, mut plugin_faults) = (0, 0, 0, 0);
    for (_, standing, _) in app.plugins.standings() {
        let Some(plugin) = standing.plugin() else { continue };
        let figures = plugin.stats.figures();
        plugin_calls += figures.calls;
        plugin_hits += figures.hits;
        plugin_fuel += figures.fuel;
        plugin_faults += figures.faults;
    }
    let database = app.config().data.join("neospace.db");
    Sample {
        at: Instant::now(),
        requests: app.meter.requests.times(),
        sockets: hub.sockets as u64,
        topics: hub.topics as u64,
        writes: writer.writes,
        commits: writer.commits,
        commit_us: writer.commit_us,
        largest_batch: writer.largest_batch,
        waiting: writer.waiting as u64,
        wal_bytes: u64::try_from(writer.wal_pages).unwrap_or(0) * PAGE_BYTES,
        database_bytes: fs::metadata(database).map_or(0, |file| file.len()),
        page_hits,
        page_renders,
        plugin_calls,
        plugin_hits,
        plugin_fuel,
        plugin_faults,
        dms: app.meter.dms.load(Relaxed),
        dm_files: app.meter.dm_files.load(Relaxed),
        uploads: app.meter.uploads.load(Relaxed),
        uploads_refused: app.meter.uploads_refused.load(Relaxed),
        host_bytes: memory(std::process::id()),
        lanes_bytes: lanes.pids.iter().map(|pid| memory(*pid)).sum(),
        lanes: Lanes {
            up: lanes.pids.len() as u64,
            idle: lanes.idle as u64,
            waiting: lanes.waiting as u64,
            calls: lanes.calls,
            restarts: lanes.restarts,
            missing: lanes.missing_layers,
        },
    }
}

/// A process's proportional set size in bytes; its resident set where the system tells no more of another user's
/// process, and 0 of one that is gone.
fn memory(pid: u32) -> u64 {
    let kib = |file: &str, key: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(key))?;
        value.trim().trim_end_matches("kB").trim().parse().ok()
    };
    let kib = kib("smaps_rollup", "Pss:").or_else(|| kib("status", "VmRSS:"));
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_bucket_that_is_a_quarter_of_it_wide_at_most() {
        let mut last = 0;
        for us in (0..5_000).chain([1 << 20, (1 << 20) + 1, 67_000_000]) {
            let at = bucket(us);
            assert!(at >= last && us < end_of(at), "{us}");
            assert!(end_of(at) - us <= us / 4 + 1, "{us} in one that ends at {}", end_of(at));
            last = at;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(end_of(BUCKETS - 1), 1 << 27);
    }

    #[test]
    fn percentiles_are_of_what_came_since() {
        let histogram = Histogram::default();
        histogram.note(Duration::from_secs(9));
        let before = histogram.times();
        for _ in 0..98 {
            histogram.note(Duration::from_micros(100));
        }
        histogram.note(Duration::from_millis(5));
        histogram.note(Duration::from_millis(5));
        let since = histogram.times().since(&before);
        assert_eq!((since.count(), since.sum_us), (100, 98 * 100 + 10_000));
        assert_eq!(since.per_mille(500), 112);
        assert_eq!(since.per_mille(990), 5_120);
        assert_eq!(since.below(128), 98);
        assert_eq!(since.below(8192), 100);
        assert_eq!(Times::default().per_mille(500), 0);
    }
}
