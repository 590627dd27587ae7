//! Lanes are started, waited for until they are ready, and replaced when they died.

use std::collections::HashMap;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Weak, mpsc};
use std::time::{Duration, Instant};

use neospace_runner::frame::{self, HEADER};
use neospace_runner::protocol::ToHost;
use tokio::net::UnixStream;

use super::super::compile::missing_layers;
use super::lane::{Killed, Lane};
use super::{ALLOCATOR, Inner, LaneOptions};

/// How long a lane may take to start and confine itself.
const START_DEADLINE: Duration = Duration::from_secs(5);
/// The pause before a lane that died at once is started again: doubles from the first to the last.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));

/// Starts lanes, waits for them to be ready, replaces those that died.
pub(super) struct Keeper {
    pub(super) options: LaneOptions,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) inner: Weak<Inner>,
    pub(super) dead: mpsc::Receiver<Lane>,
}

impl Keeper {
    pub(super) fn run(self, lanes: usize, first: &mpsc::SyncSender<io::Result<()>>) {
        // All at once, then one after the other: they start side by side.
        let mut starting: Vec<_> = (0..lanes).map(|_| self.spawn()).collect();
        let mut failures = 0;
        for lane in starting.drain(..) {
            match lane.and_then(|lane| self.ready(lane)) {
                Ok(lane) => {
                    let _ = first.try_send(Ok(()));
                    self.give(lane);
                }
                Err(error) => {
                    tracing::error!(%error, "a lane does not start");
                    let _ = first.try_send(Err(error));
                    failures = 1;
                    if !self.replace(&mut failures) {
                        return;
                    }
                }
            }
        }
        while let Ok(lane) = self.dead.recv() {
            failures = if lane.calls == 0 { failures + 1 } else { 0 };
            // Reaps the process.
            drop(lane);
            if !self.replace(&mut failures) {
                return;
            }
        }
    }

    /// Starts a lane, however often it takes; false when nobody wants lanes any more.
    fn replace(&self, failures: &mut u32) -> bool {
        loop {
            if *failures > 0 {
                std::thread::sleep(
                    BACK_OFF
                        .1
                        .min(BACK_OFF.0 * 2u32.saturating_pow((*failures - 1).min(16))),
                );
            }
            let Some(inner) = self.inner.upgrade() else {
                return false;
            };
            inner.restarts.fetch_add(1, Ordering::Relaxed);
            drop(inner);
            match self.spawn().and_then(|lane| self.ready(lane)) {
                Ok(lane) => {
                    self.give(lane);
                    return true;
                }
                // The program ends.
                Err(error) if tokio::runtime::is_rt_shutdown_err(&error) => return false,
                Err(error) => {
                    tracing::error!(%error, "a lane does not start");
                    *failures += 1;
                }
            }
        }
    }

    fn give(&self, lane: Lane) {
        if let Some(inner) = self.inner.upgrade() {
            inner.dispatch().pids.push(lane.pid());
            inner.free(lane);
        }
    }

    fn spawn(&self) -> io::Result<(Killed, std::os::unix::net::UnixStream)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let child = Command::new(&self.options.executable)
            .args(&self.options.arguments)
            .env_clear()
            .envs(ALLOCATOR)
            .current_dir("/")
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        Ok((Killed(child), ours))
    }

    /// Waits for the lane's first frame.
    fn ready(&self, (child, stream): (Killed, std::os::unix::net::UnixStream)) -> io::Result<Lane> {
        const READY_BYTES: usize = 4 * 1024;
        let until = Instant::now() + START_DEADLINE;
        let mut header = [0; HEADER];
        read_exact_until(&stream, &mut header, until)?;
        let odd = || io::Error::other("a lane's first words are not those of a lane");
        let mut body = vec![0; frame::length(header, READY_BYTES).ok_or_else(odd)?];
        read_exact_until(&stream, &mut body, until)?;
        let Ok((ToHost::Ready { layers }, [])) = postcard::take_from_bytes(&body) else {
            return Err(odd());
        };
        let missing = missing_layers(&layers);
        if let Some(inner) = self.inner.upgrade() {
            let mut dispatch = inner.dispatch();
            if !std::mem::replace(&mut dispatch.announced, true) {
                tracing::info!(layers = layers.join(", "), "plugins are confined");
                if !missing.is_empty() {
                    tracing::warn!(missing = missing.join(", "), "plugins are not confined in every way");
                }
            }
            dispatch.missing_layers.clone_from(&missing);
        }
        if self.options.require_confinement && !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(io::Error::other(format!(
                "plugins can't be confined as `require_confinement` asks; missing on this system: {missing}"
            )));
        }
        stream.set_nonblocking(true)?;
        let _runtime = self.runtime.enter();
        Ok(Lane {
            stream: UnixStream::from_std(stream)?,
            child,
            loaded: HashMap::new(),
            buffer: Vec::new(),
            out: Vec::new(),
            calls: 0,
        })
    }
}

fn read_exact_until(
    mut stream: &std::os::unix::net::UnixStream,
    mut buffer: &mut [u8],
    until: Instant,
) -> io::Result<()> {
    while !buffer.is_empty() {
        let left = until
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        match stream.read(buffer) {
            Ok(0) => return Err(io::Error::other("the lane ended at its start")),
            Ok(read) => buffer = &mut buffer[read..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the lane took too long to start",
                ));
            }
            Err(error) => return Err(error),
        }
        if Instant::now() > until {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the lane took too long to start",
            ));
        }
    }
    Ok(())
}
