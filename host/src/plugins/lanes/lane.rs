//! One lane, and what is said to it: a component is loaded, a call goes out, questions come in, and the result.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::process::Child;
use std::time::{Duration, Instant};

use neospace_runner::frame::{self, HEADER};
use neospace_runner::protocol::{
    Answer, Ask, CallLimits, Done, FRAME_TO_HOST_MAX, FRAME_TO_LANE_MAX, Grants, Outcome, Refused, ToHost, ToLane,
    Usage,
};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use super::super::compile::Component;
use super::{Fault, Finished, Job, OwnedAnswer};

/// How many times over the deadline a call may last while its lane gets less than half of it in processor time.
const DEADLINES_OF_A_STALLED_LANE: u32 = 10;
/// How long a lane may take to load a component.
const LOAD_DEADLINE: Duration = Duration::from_secs(2);
/// Components a lane holds at most; the one unused for longest makes room.
const LOADED_COMPONENTS: usize = 64;
/// Of a failure's message and backtrace, this much is taken, in bytes.
const DETAIL_BYTES: usize = 4 * 1024;

/// A running lane.
pub(super) struct Lane {
    pub(super) stream: UnixStream,
    pub(super) child: Killed,
    /// The components it holds, by number, with the call that used them last.
    pub(super) loaded: HashMap<u32, u64>,
    /// The frame that was read last.
    pub(super) buffer: Vec<u8>,
    /// The buffer for what is sent.
    pub(super) out: Vec<u8>,
    /// Calls that this lane took on.
    pub(super) calls: u64,
}

impl Lane {
    pub(super) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Whether the lane waits for a call: it lives, and has said nothing unasked. Asks the kernel, because the runtime
    /// may not have heard of a death yet.
    pub(super) fn waits(&self) -> bool {
        let look = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(
            rustix::net::recv(&self.stream, &mut [0u8], look),
            Err(rustix::io::Errno::AGAIN)
        )
    }

    /// The whole conversation of a call.
    pub(super) async fn converse(
        &mut self,
        job: &Job<'_>,
        answer: &mut (dyn FnMut(Ask<'_>) -> OwnedAnswer + Send),
    ) -> Result<Finished, Fault> {
        self.calls += 1;
        if self.loaded.insert(job.component.number, self.calls).is_none() {
            // What fails here is no fault of the plugin's clock.
            match tokio::time::timeout(LOAD_DEADLINE, self.load(job.component)).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => {
                    self.loaded.remove(&job.component.number);
                    return Err(fault);
                }
                Err(_) => return Err(Fault::LaneDied),
            }
        }
        let started = Instant::now();
        let pid = self.pid();
        let used_before = processor_time(pid);
        let mut exchange = std::pin::pin!(self.exchange(job, answer));
        for _ in 0..DEADLINES_OF_A_STALLED_LANE {
            match tokio::time::timeout(job.deadline, exchange.as_mut()).await {
                Ok(Ok((done, frame))) => {
                    return Ok(Finished {
                        done,
                        _frame: frame,
                        wall: started.elapsed(),
                    });
                }
                Ok(Err(fault)) => return Err(fault),
                // Time in which others had the processor is not the plugin's.
                Err(_) if processor_time(pid).saturating_sub(used_before) >= job.deadline / 2 => {
                    return Err(Fault::Deadline);
                }
                Err(_) => {}
            }
        }
        Err(Fault::Stalled)
    }

    async fn exchange(
        &mut self,
        job: &Job<'_>,
        answer: &mut (dyn FnMut(Ask<'_>) -> OwnedAnswer + Send),
    ) -> Result<(Done<'static>, Vec<u8>), Fault> {
        self.stream.write_all(job.frame).await.map_err(died)?;
        // An honest lane counts the same and never gets here with more.
        let mut asks_left = job.limits.host_calls;
        let mut bytes_left = job.limits.host_call_bytes as usize;
        loop {
            self.read_frame().await?;
            let (message, rest) = postcard::take_from_bytes::<ToHost<'_>>(&self.buffer).map_err(malformed)?;
            if !rest.is_empty() {
                return Err(Fault::Protocol("a frame with something behind its message".to_owned()));
            }
            match message {
                ToHost::Ask(ask) => {
                    let left = (asks_left.checked_sub(1), bytes_left.checked_sub(self.buffer.len()));
                    let (Some(asks), Some(bytes)) = left else {
                        return Err(Fault::Protocol("more questions than the call may ask".to_owned()));
                    };
                    (asks_left, bytes_left) = (asks, bytes);
                    let answer = match forbidden(&ask, job) {
                        Some(refused) => OwnedAnswer::Refused(refused),
                        None => answer(ask),
                    };
                    self.answer(&answer).await?;
                }
                ToHost::Done(Done {
                    result: Outcome::Failed(mut failure),
                    usage,
                }) => {
                    failure
                        .detail
                        .truncate(failure.detail.floor_char_boundary(DETAIL_BYTES));
                    return Err(Fault::Failed(failure, credible(usage, &job.limits)));
                }
                ToHost::Done(mut done) if job.kind.yields(&done.result) => {
                    done.usage = credible(done.usage, &job.limits);
                    // SAFETY: `done` borrows from the bytes of `self.buffer`, which are on the heap and stay where they
                    // are: the vector goes along with it, unchanged, and is dropped after it (see `Finished`).
                    let done = unsafe { std::mem::transmute::<Done<'_>, Done<'static>>(done) };
                    return Ok((done, std::mem::take(&mut self.buffer)));
                }
                ToHost::Done(_) => return Err(Fault::Protocol("a result of another export".to_owned())),
                ToHost::Ready { .. } | ToHost::Loaded { .. } => {
                    return Err(Fault::Protocol("a message that does not belong in a call".to_owned()));
                }
            }
        }
    }

    async fn answer(&mut self, answer: &OwnedAnswer) -> Result<(), Fault> {
        if frame::encode(&mut self.out, &ToLane::Answer(answer.borrow()), FRAME_TO_LANE_MAX).is_err() {
            let refused = ToLane::Answer(Answer::Refused(Refused::TooLarge));
            frame::encode(&mut self.out, &refused, FRAME_TO_LANE_MAX)
                .map_err(|error| Fault::Protocol(error.to_string()))?;
        }
        self.stream.write_all(&self.out).await.map_err(died)
    }

    /// Hands a component to the lane: its file goes along as a descriptor.
    async fn load(&mut self, component: &Component) -> Result<(), Fault> {
        if self.loaded.len() > LOADED_COMPONENTS
            && let Some(oldest) = self
                .loaded
                .iter()
                .min_by_key(|(_, used)| **used)
                .map(|(number, _)| *number)
        {
            self.loaded.remove(&oldest);
            self.send(&ToLane::Unload { component: oldest }).await?;
        }
        let load = ToLane::Load {
            component: component.number,
            code_bytes: component.code_bytes,
        };
        frame::encode(&mut self.out, &load, FRAME_TO_LANE_MAX).map_err(|error| Fault::Protocol(error.to_string()))?;
        let sent = self.stream.async_io(Interest::WRITABLE, || {
            let descriptors = [component.file.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
            Ok(rustix::net::sendmsg(
                &self.stream,
                &[IoSlice::new(&self.out)],
                &mut control,
                SendFlags::NOSIGNAL,
            )?)
        });
        // A few bytes into an empty buffer: they go at once or not at all.
        if sent.await.map_err(died)? != self.out.len() {
            return Err(Fault::LaneDied);
        }
        self.read_frame().await?;
        match postcard::take_from_bytes(&self.buffer).map_err(malformed)? {
            (
                ToHost::Loaded {
                    component: number,
                    error,
                },
                [],
            ) if number == component.number => match error {
                Some(mut error) => {
                    error.truncate(error.floor_char_boundary(DETAIL_BYTES));
                    Err(Fault::Load(error))
                }
                None => Ok(()),
            },
            _ => Err(Fault::Protocol(
                "no word on the component that was to be loaded".to_owned(),
            )),
        }
    }

    async fn send(&mut self, message: &ToLane<'_>) -> Result<(), Fault> {
        frame::encode(&mut self.out, message, FRAME_TO_LANE_MAX).map_err(|error| Fault::Protocol(error.to_string()))?;
        self.stream.write_all(&self.out).await.map_err(died)
    }

    /// Reads one frame's body into `buffer`. The lane speaks in turn, so nothing may come behind it.
    async fn read_frame(&mut self) -> Result<(), Fault> {
        /// Most frames fit; a larger one is read in two.
        const FIRST_READ: usize = 16 * 1024;
        self.buffer.clear();
        self.buffer.reserve(FIRST_READ);
        let mut length = None;
        loop {
            if self.stream.read_buf(&mut self.buffer).await.map_err(died)? == 0 {
                return Err(Fault::LaneDied);
            }
            if length.is_none()
                && let Some(header) = self.buffer.first_chunk::<HEADER>()
            {
                let body = frame::length(*header, FRAME_TO_HOST_MAX)
                    .ok_or_else(|| Fault::Protocol("a frame longer than 512 KiB".to_owned()))?;
                self.buffer.reserve((HEADER + body).saturating_sub(self.buffer.len()));
                length = Some(HEADER + body);
            }
            match length {
                Some(length) if self.buffer.len() > length => {
                    return Err(Fault::Protocol("more than one frame at once".to_owned()));
                }
                Some(length) if self.buffer.len() == length => {
                    self.buffer.drain(..HEADER);
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}

/// A child that does not outlive this value.
pub(super) struct Killed(pub(super) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The processor time that a lane has used since its start; nothing when the kernel doesn't say.
fn processor_time(pid: u32) -> Duration {
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both only write to what they are given, which outlives them.
    let known = unsafe {
        libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0
    };
    match known {
        true => Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32),
        false => Duration::ZERO,
    }
}

/// What the lane says it used, as far as it can be true.
fn credible(usage: Usage, limits: &CallLimits) -> Usage {
    Usage {
        fuel: usage.fuel.min(limits.fuel),
        memory_bytes: usage.memory_bytes.min(limits.memory_bytes),
        time_us: usage.time_us.min(u32::MAX.into()),
    }
}

fn died(_: io::Error) -> Fault {
    Fault::LaneDied
}

fn malformed(error: postcard::Error) -> Fault {
    Fault::Protocol(format!("a frame that can't be read: {error}"))
}

/// What is refused whatever the closure would say. The lane refuses the same, but a lane is not believed.
fn forbidden(ask: &Ask<'_>, job: &Job<'_>) -> Option<Refused> {
    use neospace_runner::protocol::Scope;
    let storage = |scope: Scope| match scope {
        Scope::Installation => Grants::STORAGE,
        Scope::Shared => Grants::SHARED_STORAGE,
    };
    let (needed, writes) = match ask {
        Ask::Pseudonym => (Grants::default(), false),
        Ask::ViewerName => (Grants::VIEWER_NAME, false),
        Ask::Log { .. } => (Grants::LOG, false),
        Ask::Get { scope, .. } | Ask::Scan { scope, .. } => (storage(*scope), false),
        Ask::Put { scope, .. } | Ask::Delete { scope, .. } | Ask::Add { scope, .. } => (storage(*scope), true),
        Ask::Refresh => (Grants::LIVE, true),
        Ask::Notify { .. } => (Grants::NOTIFY_OWNER, true),
    };
    if !job.grants.contains(needed) {
        return Some(Refused::Denied);
    }
    (writes && job.kind.is_pure()).then_some(Refused::ReadOnly)
}
