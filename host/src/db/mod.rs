//! The database: one SQLite file, a few readers, one writer.
//!
//! Names no table and knows no slice. Reads cannot write, by type: [`Db::read`] hands out a [`Reader`], whose
//! connection is opened read-only; [`Db::write`] hands its closure a [`Tx`] on the writer's thread and answers when
//! the commit is on disk.

mod migrate;
mod writer;

use std::{
    cell::RefCell,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row, config::DbConfig};

use crate::{cache::Topics, error::Error};
pub use migrate::MIGRATIONS;
pub use writer::{Queued, Undo, WriterStats};

/// SQLite before 3.51.3 could corrupt a WAL in a race of checkpoint and write.
const OLDEST_SQLITE: i32 = 3_051_003;
/// A read that takes longer is cut off, so that its snapshot can't keep the WAL growing.
const LONGEST_READ: Duration = Duration::from_secs(5);
/// How many SQLite virtual machine steps pass between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// How the database uses memory; from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Page cache of each connection, in KiB.
    pub cache_kib: u32,
    /// Memory map of the file, in MiB.
    pub mmap_mib: u32,
    /// Read connections.
    pub readers: u32,
}

/// The database; cheap to clone.
#[derive(Clone)]
pub struct Db {
    readers: Arc<Readers>,
    writer: writer::Writer,
}

struct Readers {
    idle: Mutex<Vec<ReadConnection>>,
    returned: Condvar,
}

struct ReadConnection {
    conn: Connection,
    /// When the read that runs is cut off, in milliseconds of [`uptime_ms`].
    cut_off: Arc<AtomicU64>,
}

/// A connection that can only read. Query functions of the slices take one; a [`Tx`] is one too.
#[derive(Clone, Copy)]
pub struct Reader<'c>(&'c Connection);

/// A write transaction, on the writer's thread: SQL and nothing else.
pub struct Tx<'c> {
    reader: Reader<'c>,
    touched: RefCell<Vec<Arc<str>>>,
    announced: RefCell<Vec<Announcement>>,
}

/// What is told once a write is committed.
type Announcement = Box<dyn FnOnce() + Send>;

impl Db {
    /// Opens (or creates) the database file, brings its schema up to date and starts the writer. The `topics` that a
    /// write touches are bumped after its commit and before it is answered.
    ///
    /// # Errors
    /// An SQLite that is too old, a file that isn't a database, a schema newer than this program, or I/O.
    pub fn open(file: &Path, sizes: Sizes, topics: Topics) -> Result<Self, Error> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::internal(format!(
                "SQLite {} is too old: versions before 3.51.3 can corrupt a WAL",
                rusqlite::version()
            )));
        }
        let mut conn = Connection::open(file)?;
        conn.pragma_update(None, "page_size", 8192)?;
        conn.pragma_update(None, "journal_mode", "wal")?;
        conn.pragma_update(None, "synchronous", "full")?;
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        tune(&conn, sizes)?;
        migrate::run(&mut conn)?;
        let idle = (0..sizes.readers.max(1))
            .map(|_| open_reader(file, sizes))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            readers: Arc::new(Readers {
                idle: Mutex::new(idle),
                returned: Condvar::new(),
            }),
            writer: writer::Writer::start(conn, PathBuf::from(file), topics)?,
        })
    }

    /// Runs a read here and now, on one of the readers: a few microseconds, so it needs no thread of its own.
    ///
    /// # Errors
    /// Whatever `read` answers, or a query that took longer than five seconds.
    pub fn read<T>(&self, read: impl FnOnce(&Reader) -> Result<T, Error>) -> Result<T, Error> {
        let reader = self.readers.take();
        reader
            .0
            .cut_off
            .store(uptime_ms() + LONGEST_READ.as_millis() as u64, Relaxed);
        read(&Reader(&reader.0.conn))
    }

    /// Queues a write. It runs with others in one transaction, in a savepoint of its own: an error rolls back this
    /// write alone. The answer comes after the commit is on disk.
    ///
    /// # Errors
    /// Whatever `write` answers; [`Error::Unavailable`] when the disk is full or the server shuts down.
    pub async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.writer.write(write).await
    }

    /// Queues a write as [`Db::write`] does, and answers as soon as it stands in the queue: what is queued after it is
    /// committed after it. The answer to wait for comes inside. `undo` says what is undone when it fails.
    ///
    /// # Errors
    /// When the server is shutting down.
    pub async fn queue<T: Send + 'static>(
        &self,
        undo: Undo,
        write: impl FnOnce(&Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<Queued<T>, Error> {
        self.writer.queue(undo, write).await
    }

    /// What the writer has done so far.
    pub fn writer_stats(&self) -> WriterStats {
        self.writer.stats()
    }

    /// Finishes the queued writes, checkpoints and stops the writer. Later writes are refused.
    pub async fn close(&self) {
        self.writer.close().await;
    }
}

/// The schema's version that this program writes.
pub fn schema_version() -> usize {
    MIGRATIONS.len()
}

fn tune(conn: &Connection, sizes: Sizes) -> Result<(), Error> {
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cache_size", -i64::from(sizes.cache_kib))?;
    conn.pragma_update(None, "mmap_size", i64::from(sizes.mmap_mib) << 20)?;
    // Without this promise SQLite prepares a kept statement again whenever another value is bound to it, in case
    // another plan were better: half of the time that a short read takes.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn open_reader(file: &Path, sizes: Sizes) -> Result<ReadConnection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let mut conn = Connection::open_with_flags(file, flags)?;
    tune(&conn, sizes)?;
    conn.pragma_update(None, "query_only", true)?;
    let cut_off = Arc::new(AtomicU64::new(u64::MAX));
    let deadline = cut_off.clone();
    conn.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || uptime_ms() > deadline.load(Relaxed)))?;
    Ok(ReadConnection { conn, cut_off })
}

/// Milliseconds since the first call.
fn uptime_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_millis() as u64
}

/// A reader on loan; dropping it gives it back, also when the read panicked.
struct Loan<'r>(std::mem::ManuallyDrop<ReadConnection>, &'r Readers);

impl Readers {
    fn take(&self) -> Loan<'_> {
        let mut idle = self.idle.lock().unwrap_or_else(|e| e.into_inner());
        loop {
            match idle.pop() {
                Some(conn) => return Loan(std::mem::ManuallyDrop::new(conn), self),
                None => idle = self.returned.wait(idle).unwrap_or_else(|e| e.into_inner()),
            }
        }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        // SAFETY: the connection is taken out once, here, and the loan is gone afterwards.
        let conn = unsafe { std::mem::ManuallyDrop::take(&mut self.0) };
        self.1.idle.lock().unwrap_or_else(|e| e.into_inner()).push(conn);
        self.1.returned.notify_one();
    }
}

impl Reader<'_> {
    /// The one row, or [`Error::NotFound`].
    ///
    /// # Errors
    /// No row, or SQLite's.
    pub fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnOnce(&Row) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.maybe(sql, params, row)?.ok_or(Error::NotFound)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// SQLite's.
    pub fn maybe<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnOnce(&Row) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        Ok(self.0.prepare_cached(sql)?.query_row(params, row).optional()?)
    }

    /// All rows.
    ///
    /// # Errors
    /// SQLite's.
    pub fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        Ok(self
            .0
            .prepare_cached(sql)?
            .query_map(params, row)?
            .collect::<Result<_, _>>()?)
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Reader<'c>;
    fn deref(&self) -> &Self::Target {
        &self.reader
    }
}

impl<'c> Tx<'c> {
    fn new(conn: &'c Connection) -> Self {
        Self {
            reader: Reader(conn),
            touched: RefCell::default(),
            announced: RefCell::default(),
        }
    }

    /// Runs an `insert`, `update` or `delete`; how many rows it changed.
    ///
    /// # Errors
    /// SQLite's; see [`Error::violates`] for constraints.
    pub fn run(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        Ok(self.reader.0.prepare_cached(sql)?.execute(params)?)
    }

    /// The id of the row inserted last.
    pub fn last_id(&self) -> i64 {
        self.reader.0.last_insert_rowid()
    }

    /// Names a topic that this write changes: pages and views made from it are stale once the write is committed.
    pub fn touch(&self, topic: impl Into<Arc<str>>) {
        self.touched.borrow_mut().push(topic.into());
    }

    /// Says what to tell others once this write is committed. One thread tells, in the order of the commits, so what one
    /// write announces never overtakes what another announced before it. It may read and render; it must not wait.
    pub fn announce(&self, tell: impl FnOnce() + Send + 'static) {
        self.announced.borrow_mut().push(Box::new(tell));
    }
}
