//! The writer: one thread that owns every write and every checkpoint, with group commit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI32, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::{mpsc, oneshot};

use super::{Announcement, Tx};
use crate::{cache::Topics, error::Error};

/// Writes that may wait for the writer; more wait for a place in the queue.
const QUEUE: usize = 1024;
/// Writes that share one commit.
const BATCH_MOST: usize = 64;
/// A batch stops growing after this long, however short its writes are.
const BATCH_LONGEST: Duration = Duration::from_millis(4);
/// Batches whose announcements may wait to be told; then the writer waits for the telling.
const UNTOLD_MOST: usize = 256;
/// WAL pages (of 8 KiB) from which on an idle writer checkpoints: 8 MiB.
const CHECKPOINT_IDLE_PAGES: i32 = 1_000;
/// WAL pages at which even a busy writer checkpoints: 128 MiB.
const CHECKPOINT_BUSY_PAGES: i32 = 16_000;

/// Runs inside the transaction, or learns why there is none; says whether to keep what it did, and whom to answer
/// after the commit.
type Run = Box<dyn FnOnce(Result<&Tx, Error>) -> (bool, Reply) + Send>;
struct Job(Run, Undo);
type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// What becomes of a write that fails after it has changed something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// It alone is undone: it has a savepoint, for which SQLite copies every page that it changes.
    Alone,
    /// Its whole commit is, and everyone in it is told to try again. For what looks before it changes anything.
    Commit,
}

/// A write that stands in the queue.
pub struct Queued<T>(oneshot::Receiver<Result<T, Error>>);

impl<T> Queued<T> {
    /// Waits until the commit is on disk.
    ///
    /// # Errors
    /// The write's own, or the commit's.
    pub async fn committed(self) -> Result<T, Error> {
        self.0.await.map_err(|_| closed())?
    }
}

fn closed() -> Error {
    Error::Unavailable("The server is shutting down. Try again in a moment.".into())
}

enum Message {
    Write(Job),
    Close(oneshot::Sender<()>),
}

/// The queue to the writer's thread.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Message>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    writes: AtomicU64,
    commit_us: AtomicU64,
    largest_batch: AtomicU64,
    wal_pages: AtomicI32,
}

/// What the writer has done since the start.
#[derive(Clone, Copy, Debug)]
pub struct WriterStats {
    /// Transactions committed.
    pub commits: u64,
    /// Writes answered.
    pub writes: u64,
    /// Time spent committing, in microseconds.
    pub commit_us: u64,
    /// The most writes that shared a commit.
    pub largest_batch: u64,
    /// Pages in the WAL after the last commit.
    pub wal_pages: i32,
    /// Writes that wait now.
    pub waiting: usize,
}

impl Writer {
    pub fn start(conn: Connection, file: PathBuf, topics: Topics) -> Result<Self, Error> {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let (untold, to_tell) = sync_channel(UNTOLD_MOST);
        let spawn_failed = |e| Error::internal(format!("no thread for the writer of {}: {e}", file.display()));
        let announcer = std::thread::Builder::new()
            .name("announcer".into())
            .spawn(move || announce(&to_tell))
            .map_err(spawn_failed)?;
        let thread = Thread {
            conn,
            topics,
            counters: counters.clone(),
            untold,
            announcer,
        };
        std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || thread.run(inbox))
            .map_err(spawn_failed)?;
        Ok(Self { queue, counters })
    }

    pub async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.queue(Undo::Alone, write).await?.committed().await
    }

    pub async fn queue<T: Send + 'static>(
        &self,
        undo: Undo,
        write: impl FnOnce(&Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<Queued<T>, Error> {
        let (answer, answered) = oneshot::channel();
        let run: Run = Box::new(move |tx| {
            let result = catch_unwind(AssertUnwindSafe(|| write(tx?)))
                .unwrap_or_else(|_| Err(Error::internal("a write panicked and was rolled back")));
            let keep = result.is_ok();
            let reply = move |committed: Result<(), Error>| {
                // Nobody may wait any more; the write stands all the same.
                let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
            };
            (keep, Box::new(reply))
        });
        let job = Job(run, undo);
        self.queue.send(Message::Write(job)).await.map_err(|_| closed())?;
        Ok(Queued(answered))
    }

    pub fn stats(&self) -> WriterStats {
        let c = &self.counters;
        WriterStats {
            commits: c.commits.load(Relaxed),
            writes: c.writes.load(Relaxed),
            commit_us: c.commit_us.load(Relaxed),
            largest_batch: c.largest_batch.load(Relaxed),
            wal_pages: c.wal_pages.load(Relaxed),
            waiting: QUEUE - self.queue.capacity(),
        }
    }

    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

struct Thread {
    conn: Connection,
    topics: Topics,
    counters: Arc<Counters>,
    untold: SyncSender<Vec<Announcement>>,
    announcer: JoinHandle<()>,
}

impl Thread {
    fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let counters = self.counters.clone();
        let _ = self.conn.wal_hook(Some(wal_pages));
        while let Some(message) = inbox.blocking_recv() {
            match message {
                Message::Write(first) => {
                    if let Some(done) = self.batch(first, &mut inbox) {
                        return self.finish(inbox, done);
                    }
                }
                Message::Close(done) => return self.finish(inbox, done),
            }
            let pages = WAL_PAGES.with(|p| p.get());
            counters.wal_pages.store(pages, Relaxed);
            if pages > CHECKPOINT_BUSY_PAGES || (pages > CHECKPOINT_IDLE_PAGES && inbox.is_empty()) {
                self.checkpoint("passive");
            }
        }
        self.checkpoint("truncate");
    }

    /// Runs the waiting writes in one transaction and answers them after the commit.
    fn batch(&self, first: Job, inbox: &mut mpsc::Receiver<Message>) -> Option<oneshot::Sender<()>> {
        let begun = Instant::now();
        let mut close = None;
        let mut next = Some(first);
        let mut replies: Vec<Reply> = Vec::with_capacity(BATCH_MOST);
        let mut touched: Vec<Arc<str>> = Vec::new();
        let mut announced: Vec<Announcement> = Vec::new();
        let mut failed = self.conn.execute_batch("begin immediate").err();
        while let Some(job) = next.take() {
            replies.push(match &failed {
                None => self.one(job, &mut touched, &mut announced, &mut failed),
                Some(error) => job.0(Err(Error::from_sqlite(error))).1,
            });
            if failed.is_none() && self.conn.is_autocommit() {
                // SQLite gave the whole transaction up (a full disk, say): nothing of this batch stands.
                failed = Some(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None));
            }
            if replies.len() == BATCH_MOST || begun.elapsed() > BATCH_LONGEST {
                break;
            }
            // Whoever is about to write and only lacks a processor gets it now: what shares a commit costs less each.
            let more = inbox.try_recv().or_else(|_| {
                std::thread::yield_now();
                inbox.try_recv()
            });
            match more {
                Ok(Message::Write(job)) => next = Some(job),
                Ok(Message::Close(done)) => close = Some(done),
                Err(_) => {}
            }
        }
        let committing = Instant::now();
        if failed.is_none() {
            failed = self.conn.execute_batch("commit").err();
        }
        match &failed {
            None => {
                self.topics.bump(&touched);
                if !announced.is_empty() {
                    // It ends only after this thread.
                    let _ = self.untold.send(announced);
                }
            }
            Some(error) => {
                die_if_unsynced(error);
                if !self.conn.is_autocommit() {
                    let _ = self.conn.execute_batch("rollback");
                }
            }
        }
        self.counters.commits.fetch_add(1, Relaxed);
        self.counters.writes.fetch_add(replies.len() as u64, Relaxed);
        self.counters
            .commit_us
            .fetch_add(committing.elapsed().as_micros() as u64, Relaxed);
        self.counters.largest_batch.fetch_max(replies.len() as u64, Relaxed);
        for reply in replies {
            reply(failed.as_ref().map_or(Ok(()), |error| Err(Error::from_sqlite(error))));
        }
        close
    }

    /// One write. What it leaves behind when it fails is undone, or the whole batch has `failed`.
    fn one(
        &self,
        Job(run, undo): Job,
        touched: &mut Vec<Arc<str>>,
        announced: &mut Vec<Announcement>,
        failed: &mut Option<rusqlite::Error>,
    ) -> Reply {
        let step = |sql| {
            self.conn
                .prepare_cached(sql)
                .and_then(|mut statement| statement.execute([]))
        };
        let alone = undo == Undo::Alone;
        if alone && let Err(error) = step("savepoint job") {
            return run(Err(Error::from_sqlite(&error))).1;
        }
        let (tx, before) = (Tx::new(&self.conn), self.conn.total_changes());
        let (keep, reply) = run(Ok(&tx));
        if keep {
            touched.append(&mut tx.touched.borrow_mut());
            announced.append(&mut tx.announced.borrow_mut());
        } else if alone {
            let _ = step("rollback to job");
        } else if self.conn.total_changes() != before {
            *failed = Some(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
        }
        if alone {
            // Fails only when SQLite has given the transaction up, which `batch` looks at next.
            let _ = step("release job");
        }
        reply
    }

    fn checkpoint(&self, mode: &str) {
        let done = self
            .conn
            .query_row(&format!("pragma wal_checkpoint({mode})"), [], |row| {
                Ok((row.get::<_, i32>(1)?, row.get::<_, i32>(2)?))
            });
        match done {
            Ok((in_wal, copied)) => WAL_PAGES.with(|p| p.set(in_wal - copied)),
            Err(error) => {
                die_if_unsynced(&error);
                tracing::warn!(%error, "checkpoint failed; it is tried again after the next commit");
            }
        }
    }

    fn finish(self, mut inbox: mpsc::Receiver<Message>, done: oneshot::Sender<()>) {
        inbox.close();
        while let Some(message) = inbox.blocking_recv() {
            if let Message::Write(job) = message {
                self.batch(job, &mut inbox);
            }
        }
        self.checkpoint("truncate");
        drop(self.untold);
        let _ = self.announcer.join();
        let _ = self.conn.close();
        let _ = done.send(());
    }
}

/// The announcer's thread: tells what was committed, in order, until the writer is gone.
fn announce(to_tell: &Receiver<Vec<Announcement>>) {
    for tell in to_tell.iter().flatten() {
        if catch_unwind(AssertUnwindSafe(tell)).is_err() {
            tracing::error!("an announcement panicked: somebody has to fetch what it would have told");
        }
    }
}

thread_local! {
    /// Pages in the WAL, as the last commit on this thread said.
    static WAL_PAGES: std::cell::Cell<i32> = const { std::cell::Cell::new(0) };
}

fn wal_pages(_: &mut rusqlite::hooks::Wal, pages: i32) -> rusqlite::Result<()> {
    WAL_PAGES.with(|p| p.set(pages));
    Ok(())
}

/// After a failed fsync nobody knows what is on disk, and trying again would only hide it: end here and let the WAL
/// be recovered at the next start.
fn die_if_unsynced(error: &rusqlite::Error) {
    let rusqlite::Error::SqliteFailure(
        ffi::Error {
            code: ErrorCode::SystemIoFailure,
            extended_code,
        },
        _,
    ) = error
    else {
        return;
    };
    if matches!(*extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) {
        tracing::error!(%error, "the disk did not confirm a write: ending, so that nothing unsaved is acknowledged");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::*, Undo};

    #[tokio::test]
    async fn a_write_that_fails_after_a_change_takes_its_commit_with_it_or_itself_alone() {
        let folder = tempfile::tempdir().expect("there is room");
        let sizes = Sizes {
            cache_kib: 1024,
            mmap_mib: 1,
            readers: 1,
        };
        let db = Db::open(&folder.path().join("test.db"), sizes, Topics::default()).expect("a new database");
        let add = |tx: &Tx| {
            tx.run(
                "insert into room_log (room_id, actor, action, at) values (1, 'a', 'b', 0)",
                [],
            )
        };
        let kept = || db.read(|db| db.one("select count(*) from room_log", [], |row| row.get::<_, i64>(0)));
        for undo in [Undo::Alone, Undo::Commit] {
            db.write(|tx| tx.run("delete from room_log", []))
                .await
                .expect("it is a table");
            let (all_queued, wait) = std::sync::mpsc::channel::<()>();
            // Holds the batch open until the others stand in the queue.
            let first = db.queue(Undo::Alone, move |tx| {
                let _ = wait.recv();
                add(tx)
            });
            let first = first.await.expect("there is a place");
            let fails = db.queue(undo, move |tx| {
                add(tx)?;
                Err::<usize, _>(Error::NotFound)
            });
            let fails = fails.await.expect("there is a place");
            let last = db.queue(Undo::Commit, add).await.expect("there is a place");
            drop(all_queued);
            let (first, fails, last) = (first.committed().await, fails.committed().await, last.committed().await);
            assert!(matches!(fails, Err(Error::NotFound)));
            // On a busy machine they may not share a commit; what was acknowledged stands in any case, and nothing else.
            let acknowledged = [&first, &last].into_iter().filter(|written| written.is_ok()).count();
            assert!(acknowledged == 2 || undo == Undo::Commit);
            assert_eq!(kept().expect("it can be read"), acknowledged as i64);
        }
        db.write(add).await.expect("the next one stands");
        assert_eq!(kept().expect("it can be read"), 1);
    }
}
