//! `durable_writes`: 64 callers through the product's writer, against bare rusqlite in batches of the same size.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use neospace::{
    cache::Topics,
    db::{Db, Sizes, Tx},
};
use neospace_dm::message::{CLASSES, HEADER_BYTES, SEAL_BYTES};
use rusqlite::{Connection, params};

use crate::{
    machine,
    report::{Bar, Row, median},
};

const CALLERS: usize = 64;
const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(700);
const TABLE: &str = "create table lines (id integer primary key, wall integer not null, text text not null) strict;
    create index lines_by_wall on lines (wall, id)";
const INSERT: &str = "insert into lines (wall, text) values (?1, ?2)";
/// What is written: a line of a guestbook, about.
const TEXT: &str = "Was here on a rainy Saturday, liked the pet, fed it twice. It burped. Will come back with cake.";

/// Measures.
pub fn durable_writes() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(crate::scratch()?)?;
    let ours = folder.path().join("ours.db");
    let sizes = Sizes {
        cache_kib: 8 * 1024,
        mmap_mib: 256,
        readers: 1,
    };
    let (server, load) = machine::cores();
    // A thread begins on the core of the one that starts it: the writer on the server's, the callers on the load's.
    machine::pin(server)?;
    let db = Db::open(&ours, sizes, Topics::default())?;
    machine::pin(load)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(db.write(|tx| {
        TABLE
            .split(';')
            .try_for_each(|statement| tx.run(statement, []).map(drop))
    }))?;
    let bare = Bare::open(&folder.path().join("bare.db"))?;

    let (mut rates, mut baselines, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = db.writer_stats();
        rates.push(runtime.block_on(callers(&db))?);
        let after = db.writer_stats();
        let batch = (after.writes - before.writes) as f64 / (after.commits - before.commits).max(1) as f64;
        sizes.push(batch);
        machine::pin(server)?;
        baselines.push(bare.run((batch.round() as usize).max(1))?);
        machine::pin(load)?;
    }
    runtime.block_on(db.close());
    check_rows(&ours)?;
    let note = format!(
        "{CALLERS} callers, {:.1} writes a commit in the middle, synchronous=full",
        median(sizes)
    );
    Ok(vec![Row::new(
        "durable_writes",
        median(rates),
        median(baselines),
        "writes/s",
        Bar::RatioAtLeast(0.8),
        note,
    )])
}

static ACKNOWLEDGED: AtomicU64 = AtomicU64::new(0);

/// Acknowledged writes a second.
async fn callers(db: &Db) -> Result<f64> {
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let (start, before) = (Instant::now(), ACKNOWLEDGED.load(Relaxed));
    let callers: Vec<_> = (0..CALLERS as i64)
        .map(|wall| {
            let (db, stop) = (db.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    db.write(move |tx| tx.run(INSERT, params![wall, TEXT])).await?;
                    ACKNOWLEDGED.fetch_add(1, Relaxed);
                }
                Ok::<_, neospace::error::Error>(())
            })
        })
        .collect();
    tokio::time::sleep(ROUND).await;
    let rate = (ACKNOWLEDGED.load(Relaxed) - before) as f64 / start.elapsed().as_secs_f64();
    stop.store(true, Relaxed);
    for caller in callers {
        caller.await??;
    }
    Ok(rate)
}

/// Everything that was acknowledged is there.
fn check_rows(file: &Path) -> Result<()> {
    let kept: i64 = Connection::open(file)?.query_row("select count(*) from lines", [], |row| row.get(0))?;
    let acknowledged = ACKNOWLEDGED.load(Relaxed) as i64;
    ensure!(
        kept == acknowledged,
        "{acknowledged} writes were acknowledged, but {kept} are there"
    );
    Ok(())
}

/// rusqlite and nothing else, with the same pragmas.
struct Bare(Connection);

impl Bare {
    fn open(file: &Path) -> Result<Self> {
        let conn = Connection::open(file)?;
        conn.pragma_update(None, "page_size", 8192)?;
        conn.pragma_update(None, "journal_mode", "wal")?;
        conn.pragma_update(None, "synchronous", "full")?;
        conn.pragma_update(None, "cache_size", -8 * 1024)?;
        conn.pragma_update(None, "mmap_size", 256 << 20)?;
        conn.pragma_update(None, "temp_store", "memory")?;
        conn.execute_batch(TABLE)?;
        Ok(Self(conn))
    }

    /// Writes a second, in commits of so many.
    fn run(&self, batch: usize) -> Result<f64> {
        let (start, mut rows) = (Instant::now(), 0);
        let mut insert = self.0.prepare(INSERT)?;
        while start.elapsed() < ROUND {
            self.0.execute_batch("begin immediate")?;
            for wall in 0..batch as i64 {
                insert.execute(params![wall, TEXT])?;
            }
            self.0.execute_batch("commit")?;
            rows += batch;
        }
        Ok(rows as f64 / start.elapsed().as_secs_f64())
    }
}

/// The product's writer with nothing around it: callers that hand it the rows of a message, on a copy of its file.
pub struct Raw {
    db: Db,
    runtime: tokio::runtime::Runtime,
    /// Where each caller says everything.
    callers: Vec<[i64; 3]>,
    write: fn(&Tx, [i64; 3]) -> Result<(), neospace::error::Error>,
}

impl Raw {
    /// Messages in rooms: a caller for each room that somebody owns, who is its owner. All of it runs on the core that this
    /// thread is kept on.
    pub fn posts(database: &Path, folder: &Path) -> Result<Self> {
        let places = "select id, owner_id, 0 from rooms where owner_id is not null";
        Self::open(database, folder, places, write_post)
    }

    /// Direct messages: a caller for each stream that has begun.
    pub fn letters(database: &Path, folder: &Path) -> Result<Self> {
        let places = "select conversation_id, user_id, peer_id from dm_sides where counter > 0";
        Self::open(database, folder, places, write_letter)
    }

    fn open(
        database: &Path,
        folder: &Path,
        places: &str,
        write: fn(&Tx, [i64; 3]) -> Result<(), neospace::error::Error>,
    ) -> Result<Self> {
        let file = folder.join("raw.db");
        let source = Connection::open(database)?;
        source.execute("vacuum into ?1", [file.to_str().context("a path in UTF-8")?])?;
        let sizes = Sizes {
            cache_kib: 64 * 1024,
            mmap_mib: 256,
            readers: 1,
        };
        let db = Db::open(&file, sizes, Topics::default())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let mut places = source.prepare(places)?;
        let callers = places
            .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?
            .collect::<Result<_, _>>()?;
        Ok(Self {
            db,
            runtime,
            callers,
            write,
        })
    }

    /// Messages a second.
    pub fn run(&self, round: Duration) -> Result<f64> {
        let (start, before) = (Instant::now(), self.db.writer_stats());
        self.runtime.block_on(async {
            let callers: Vec<_> = self
                .callers
                .iter()
                .map(|&place| {
                    let (db, write) = (self.db.clone(), self.write);
                    tokio::spawn(async move {
                        while start.elapsed() < round {
                            db.write(move |tx| write(tx, place)).await?;
                        }
                        Ok::<_, neospace::error::Error>(())
                    })
                })
                .collect();
            for caller in callers {
                caller.await??;
            }
            Ok::<_, anyhow::Error>(())
        })?;
        let written = self.db.writer_stats().writes - before.writes;
        Ok(written as f64 / start.elapsed().as_secs_f64())
    }
}

fn write_letter(tx: &Tx, [conversation, from, to]: [i64; 3]) -> Result<(), neospace::error::Error> {
    let seq: i64 = tx.one(
        "update dm_conversations set last_seq = last_seq + 1, at = ?2 where id = ?1 returning last_seq",
        [conversation, 1_700_000_000_000],
        |row| row.get(0),
    )?;
    let counter: i64 = tx.one(
        "update dm_sides set counter = counter + 1, hash = ?3, read_seq = ?4 where user_id = ?1 and peer_id = ?2
         returning counter",
        params![from, to, HASH, seq],
        |row| row.get(0),
    )?;
    tx.run(
        "insert into dm_messages (conversation_id, seq, sender, counter, at, header, to_recipient, to_sender,
                                  recipient_sha256, sender_sha256)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?8)",
        params![
            conversation,
            seq,
            i64::from(from > to),
            counter,
            1_700_000_000_000 + seq,
            [4_u8; HEADER_BYTES],
            [5_u8; COPY],
            HASH
        ],
    )?;
    Ok(())
}

/// A sealed line or two, and a hash.
const COPY: usize = CLASSES[0] + SEAL_BYTES;
const HASH: [u8; 32] = [6; 32];

fn write_post(tx: &Tx, [room, member, _]: [i64; 3]) -> Result<(), neospace::error::Error> {
    let seq: i64 = tx.one(TAKE_SEQ, [room], |row| row.get(0))?;
    let at = 1_700_000_000_000 + seq;
    let nonce = format!("raw-{room}-{seq}");
    tx.run(SAY, params![room, seq, member, SAID, SHOWN, nonce, at])?;
    let id = tx.last_id();
    tx.run(READ, [seq, room, member])?;
    tx.run(INDEX, [id])?;
    Ok(())
}

const TAKE_SEQ: &str = "update rooms set last_seq = last_seq + 1 where id = ?1 returning last_seq";
const SAY: &str = "insert into messages (room_id, seq, user_id, author, content, html, nonce, created_at)
     values (?1, ?2, ?3, 'member-000', ?4, ?5, ?6, ?7)";
const READ: &str = "update room_members set read_seq = ?1 where room_id = ?2 and user_id = ?3 and read_seq < ?1";
const INDEX: &str = "insert into search_queue (message_id) values (?1)";
const SAID: &str = "and the ferry to Gozo leaves at **eight**, if it leaves at all. Bring the timetable, please.";
const SHOWN: &str =
    "<p>and the ferry to Gozo leaves at <strong>eight</strong>, if it leaves at all. Bring the timetable, please.</p>";

/// Writes a message of the first member's into the first room; its id.
fn post(conn: &Connection, nonce: &str) -> Result<i64> {
    let seq: i64 = conn.prepare_cached(TAKE_SEQ)?.query_row([1], |row| row.get(0))?;
    let at = 1_700_000_000_000 + seq;
    conn.prepare_cached(SAY)?
        .execute(params![1, seq, 1, SAID, SHOWN, nonce, at])?;
    let id = conn.last_insert_rowid();
    conn.prepare_cached(READ)?.execute([seq, 1, 1])?;
    conn.prepare_cached(INDEX)?.execute([id])?;
    Ok(id)
}

/// Gives the first room so many messages; their ids.
pub fn fill(database: &Path, messages: i64) -> Result<std::ops::Range<i64>> {
    let conn = Connection::open(database)?;
    tune(&conn)?;
    conn.execute_batch("begin immediate")?;
    let first = post(&conn, "fill-0")?;
    let mut last = first;
    for n in 1..messages {
        last = post(&conn, &format!("fill-{n}"))?;
    }
    conn.execute_batch("commit; pragma wal_checkpoint(truncate)")?;
    Ok(first..last + 1)
}

/// As the product tunes its own.
fn tune(conn: &Connection) -> Result<()> {
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cache_size", -64 * 1024)?;
    conn.pragma_update(None, "mmap_size", 256 << 20)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    Ok(())
}
