//! argon2id on threads of its own.
//!
//! A hash takes 19 MiB and some 25 ms of a core. Done where requests are answered, a flood of log-ins would stop every
//! page; so a thread or two hash, one after another, at a lower priority, each in one block of memory that it keeps
//! while there is work. Who waits in line is limited in number and in time: a flood slows log-ins and nothing else.

use crate::crypto::{self, AuthKey};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Memory of one hash, KiB (OWASP's first choice for argon2id: 19 MiB, two passes, one lane).
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
const PASSES: u32 = 2;
/// How many may wait: at 25 ms each, the last waits about as long as [`PATIENCE`].
const QUEUE: usize = 128;
/// How long one waits before being sent away.
const PATIENCE: Duration = Duration::from_secs(4);
/// What a hash takes, for the estimate in [`Busy`].
const TYPICAL: Duration = Duration::from_millis(30);
/// How long an idle thread keeps its memory.
const KEEP: Duration = Duration::from_secs(5);
/// How much nicer the threads are than those that answer pages (`nice` value; a tenth of a page thread's weight).
const NICENESS: i32 = 10;

/// Too many wait already, or the wait was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// When there should be room again, in whole seconds, at least 1.
    pub retry_after_s: u64,
}

/// The hashing threads. Cheaply cloned; the threads end when the last clone is dropped.
#[derive(Clone)]
pub struct Hasher(Arc<Handle>);

struct Handle(Arc<Line>);

/// Those who wait, and the sign that there will be no more.
struct Line {
    state: Mutex<State>,
    changed: Condvar,
    threads: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    key: AuthKey,
    salt: Vec<u8>,
    params: Params,
    expires: Instant,
    answer: oneshot::Sender<[u8; 32]>,
}

impl Hasher {
    /// Starts as many threads as the machine affords: one, or two where there are four cores or more.
    pub fn start() -> std::io::Result<Hasher> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if cores >= 4 { 2 } else { 1 };
        let line = Arc::new(Line {
            state: Mutex::default(),
            changed: Condvar::new(),
            threads,
        });
        for n in 0..threads {
            let line = line.clone();
            std::thread::Builder::new()
                .name(format!("hasher-{n}"))
                .spawn(move || work(&line))?;
        }
        Ok(Hasher(Arc::new(Handle(line))))
    }

    /// Hashes a key for keeping, with a salt of its own: a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…$…`).
    pub async fn hash(&self, key: &AuthKey) -> Result<String, Busy> {
        let salt = crypto::random::<16>();
        let hash = self.run(key, salt.to_vec(), todays()).await?;
        let encode = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
        Ok(format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${}${}",
            encode(&salt),
            encode(&hash)
        ))
    }

    /// Whether `key` is the one that `stored` was made of. `None`, for an account that doesn't exist, costs the same
    /// and is never true; a stored text that can't be read counts as `None`.
    pub async fn verify(&self, key: &AuthKey, stored: Option<&str>) -> Result<bool, Busy> {
        let read = |text: &str| {
            let phc = PasswordHash::new(text).ok()?;
            let params = Params::try_from(&phc).ok()?;
            Some((phc.salt?.as_ref().to_vec(), params, phc.hash?.as_bytes().to_vec()))
        };
        let (salt, params, expected) = stored
            .and_then(read)
            .unwrap_or_else(|| (vec![0; 16], todays(), Vec::new()));
        let hash = self.run(key, salt, params).await?;
        Ok(crypto::same(&hash, &expected))
    }

    async fn run(&self, key: &AuthKey, salt: Vec<u8>, params: Params) -> Result<[u8; 32], Busy> {
        let line = &*self.0.0;
        let (answer, answered) = oneshot::channel();
        {
            let mut state = line.state.lock().expect("no holder of this lock can panic");
            if state.jobs.len() >= QUEUE {
                return Err(line.busy(state.jobs.len()));
            }
            state.jobs.push_back(Job {
                key: *key,
                salt,
                params,
                expires: Instant::now() + PATIENCE,
                answer,
            });
        }
        line.changed.notify_one();
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(hash)) => Ok(hash),
            _ => Err(line.busy(line.state.lock().expect("no holder of this lock can panic").jobs.len())),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.state.lock().expect("no holder of this lock can panic").closed = true;
        self.0.changed.notify_all();
    }
}

impl Line {
    fn busy(&self, waiting: usize) -> Busy {
        let wait = TYPICAL * (waiting / self.threads) as u32;
        Busy {
            retry_after_s: wait.as_secs() + 1,
        }
    }
}

fn todays() -> Params {
    Params::new(MEMORY_KIB, PASSES, 1, Some(32)).expect("the constants above are in argon2's ranges")
}

fn work(line: &Line) {
    // Zero is this thread, not the process. A system that refuses leaves the priority as it is.
    let _ = rustix::process::setpriority_process(None, NICENESS);
    let mut memory = Memory::default();
    while let Some(job) = next(line, &mut memory) {
        // Who has gone, or will have gone before it is done, needs no hash.
        if job.answer.is_closed() || job.expires <= Instant::now() {
            continue;
        }
        let blocks = memory.take(job.params.block_count());
        let mut hash = [0; 32];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, job.params);
        match argon2.hash_password_into_with_memory(&job.key.0, &job.salt, &mut hash, blocks) {
            Ok(()) => drop(job.answer.send(hash)),
            Err(error) => tracing::error!(%error, "a stored password hash has parameters that argon2 refuses"),
        }
    }
}

/// The next job; waits for one, and gives the memory back when none comes. `None` when the hasher is gone.
fn next(line: &Line, memory: &mut Memory) -> Option<Job> {
    let mut state = line.state.lock().expect("no holder of this lock can panic");
    loop {
        if let Some(job) = state.jobs.pop_front() {
            return Some(job);
        }
        if state.closed {
            return None;
        }
        state = if memory.in_use {
            let (state, waited) = line
                .changed
                .wait_timeout(state, KEEP)
                .expect("no holder of this lock can panic");
            if waited.timed_out() && state.jobs.is_empty() {
                memory.give_back();
            }
            state
        } else {
            line.changed.wait(state).expect("no holder of this lock can panic")
        };
    }
}

/// A thread's blocks. The addresses stay its own; the pages behind them go back to the system while nobody logs in,
/// which dropping the vector would not do: the allocator keeps what it may need again.
#[derive(Default)]
struct Memory {
    blocks: Vec<Block>,
    in_use: bool,
}

impl Memory {
    fn take(&mut self, blocks: usize) -> &mut [Block] {
        self.in_use = true;
        if self.blocks.len() < blocks {
            self.blocks.resize(blocks, Block::new());
        }
        &mut self.blocks[..blocks]
    }

    fn give_back(&mut self) {
        self.in_use = false;
        let page = rustix::param::page_size();
        let bytes = self.blocks.as_mut_ptr_range();
        let from = bytes.start.addr().next_multiple_of(page);
        let length = (bytes.end.addr() / page * page).saturating_sub(from);
        if length > 0 {
            let start = bytes.start.with_addr(from);
            // SAFETY: the pages lie wholly within the vector, which is borrowed mutably and anonymous memory. They read as
            // zeros from now on, and a block of zeros is a block.
            let given = unsafe { rustix::mm::madvise(start.cast(), length, rustix::mm::Advice::LinuxDontNeed) };
            if let Err(error) = given {
                tracing::debug!(%error, "the memory of password hashes was not given back");
            }
        }
    }
}
