//! Lanes: the confined processes that run plugins, as many as there are cores.
//!
//! A call waits for a free lane, talks to it, and gives it back. The conversation happens in the caller's own task: the
//! call goes out, each question of the plugin is answered by the caller's closure, the result comes in. A lane is never
//! believed: every frame is bounded and checked, and a lane that is late, dies or says something odd is killed and
//! replaced, at worst once for each call. Nothing of a lane is reused after that.
//!
//! Fairness: of the calls that wait, filters go first, because somebody's words wait for them; then the one whose plugin
//! has the fewest calls running, the oldest among equals. The queue is bounded, and one plugin's share of it too; a crowd
//! at the walls can't keep filters out of it.

mod keeper;
mod lane;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use neospace_runner::frame;
use neospace_runner::protocol::{
    Answer, Ask, Bytes, Call, CallLimits, Done, Export, FRAME_TO_LANE_MAX, Failure, Grants, Outcome, Refused, ToLane,
    Usage,
};
use tokio::sync::oneshot;

use super::compile::Component;
use keeper::Keeper;
use lane::Lane;

/// Calls that wait for a lane, and as many filters besides; the next one is told that everything is busy.
const QUEUE_CALLS: usize = 256;
/// Of the first, the most of one plugin.
const QUEUE_CALLS_OF_ONE: usize = 64;
/// How long a call waits for a lane.
const QUEUE_WAIT: Duration = Duration::from_secs(2);

/// The environment of lanes, compiling processes and media workers, which they clear when they have read it: the allocator takes
/// memory as it needs it, so that a limit on memory means something, rather than a gibibyte ahead.
pub(crate) const ALLOCATOR: [(&str, &str); 1] = [("MIMALLOC_ARENA_EAGER_COMMIT", "0")];

/// How lanes are started.
#[derive(Debug, Clone)]
pub struct LaneOptions {
    /// How many; 0 for as many as there are cores.
    pub lanes: usize,
    /// Refuse to run plugins when a layer of confinement is missing.
    pub require_confinement: bool,
    /// What is started: `/proc/self/exe`, but for tests.
    pub executable: PathBuf,
    /// Its arguments: `lane`, but for tests.
    pub arguments: Vec<String>,
}

impl Default for LaneOptions {
    fn default() -> Self {
        Self {
            lanes: 0,
            require_confinement: false,
            executable: PathBuf::from("/proc/self/exe"),
            arguments: vec!["lane".to_owned()],
        }
    }
}

/// The lanes; cheap to clone. When the last clone is dropped they are killed.
#[derive(Clone)]
pub struct Lanes(Arc<Inner>);

/// What came of a call that did not fail.
pub struct Finished {
    /// Borrows from `frame`; declared first, so that it is dropped first.
    done: Done<'static>,
    /// Never changed or moved out.
    _frame: Vec<u8>,
    /// Time in the lane by the host's clock.
    pub wall: Duration,
}

impl Finished {
    /// The outcome, of the kind that belongs to the export, never `Outcome::Failed`, and the lane's word on what the
    /// call used. A view's structure is the caller's to check.
    pub fn done(&self) -> &Done<'_> {
        &self.done
    }
}

/// Why a call did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The plugin failed.
    #[error("{:?}: {}", .0.kind, .0.detail)]
    Failed(Failure, Usage),
    /// The host's deadline passed; the lane was killed.
    #[error("the call took longer than its deadline")]
    Deadline,
    /// The deadline passed several times over, and the lane had hardly any of the processor in all that time: a machine
    /// that is far too busy, or a lane that stands still. It was killed; the plugin is not to blame.
    #[error("its lane got no time on the processor")]
    Stalled,
    /// The lane died under the call.
    #[error("the lane died")]
    LaneDied,
    /// Too many calls wait.
    #[error("too many calls wait for a lane")]
    Busy,
    /// The lane broke the protocol, and was killed.
    #[error("the lane broke the protocol: {0}")]
    Protocol(String),
    /// The plugin was revoked under the call.
    #[error("the call was stopped")]
    Cancelled,
    /// The lane can't load the component.
    #[error("the component can't be loaded: {0}")]
    Load(String),
}

/// An answer to a plugin's question. It must fit the question: `Done` to `Log`, `Put`, `Refresh` and `Notify`, `Name` to
/// `Pseudonym` and `ViewerName`, `Value` to `Get`, `Existed` to `Delete`, `Sum` to `Add`, `Entries` to `Scan`; `Refused`
/// to any but `Pseudonym` and `Log`, with an error that the function has. Another ends the call as a fault of ours, and
/// so does one of more bytes than the call may still pass; one of over 512 KiB becomes `Refused(TooLarge)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedAnswer {
    /// It is done.
    Done,
    /// The viewer's name; `None` for a guest.
    Name(Option<String>),
    /// The value; `None` when there is none.
    Value(Option<Vec<u8>>),
    /// Whether there was one.
    Existed(bool),
    /// The number now.
    Sum(i64),
    /// Keys and values, in order.
    Entries(Vec<(String, Vec<u8>)>),
    /// No, and why.
    Refused(Refused),
}

/// What the lanes have done, for `/system` and for tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatistics {
    /// The processes that are up.
    pub pids: Vec<u32>,
    /// Those that wait for work.
    pub idle: usize,
    /// Calls that wait for a lane.
    pub waiting: usize,
    /// Calls that came to an end, well or not.
    pub calls: u64,
    /// Lanes started after the first ones.
    pub restarts: u64,
    /// Layers of confinement that this system can't provide. Empty also before the first lane is up.
    pub missing_layers: Vec<&'static str>,
}

impl Lanes {
    /// Starts the lanes. Call it in a tokio runtime. It does not wait for them to be up, unless confinement is required.
    ///
    /// # Errors
    /// When confinement is required and a layer is missing, or no lane can be started then.
    pub fn start(options: LaneOptions) -> io::Result<Self> {
        let lanes = match options.lanes {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            lanes => lanes,
        };
        let (dead, keeper) = mpsc::channel();
        let inner = Arc::new(Inner {
            dispatch: Mutex::default(),
            dead,
            calls: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
        });
        let (first, up) = mpsc::sync_channel(1);
        let keeper = Keeper {
            options: options.clone(),
            runtime: tokio::runtime::Handle::current(),
            inner: Arc::downgrade(&inner),
            dead: keeper,
        };
        // A thread that lives as long as the lanes: when the thread that started a process ends, the kernel takes that
        // for the death of its parent.
        std::thread::Builder::new()
            .name("lanes".to_owned())
            .spawn(move || keeper.run(lanes, &first))?;
        if options.require_confinement {
            up.recv().map_err(|_| io::Error::other("the lanes ended at once"))??;
        }
        Ok(Self(inner))
    }

    /// Runs one export of a component in a fresh instance.
    ///
    /// `answer` answers what the plugin asks, in the order of its questions; what `grants` doesn't hold, and what would
    /// write in a pure call (`render`, `draw`, `filter-text`), is refused before it gets there. A pure call whose lane dies under it is
    /// run once more, and its questions are asked again. What a question holds is the closure's to check, as if it had
    /// come from the network: a key may be of any length that the call's limits leave room for.
    ///
    /// Dropping the future kills the lane, so that nothing of the call goes on.
    ///
    /// # Errors
    /// See [`Fault`]. After any of them nothing more comes from the call.
    pub async fn call(
        &self,
        component: &Arc<Component>,
        grants: Grants,
        limits: CallLimits,
        deadline: Duration,
        export: Export<'_>,
        answer: &mut (dyn FnMut(Ask<'_>) -> OwnedAnswer + Send),
    ) -> Result<Finished, Fault> {
        let kind = Kind::of(&export);
        let mut frame = Vec::new();
        let call = ToLane::Call(Call {
            component: component.number,
            grants,
            limits,
            export,
        });
        frame::encode(&mut frame, &call, FRAME_TO_LANE_MAX)
            .map_err(|_| Fault::Load("the call's settings and fields are longer than 512 KiB".to_owned()))?;
        drop(call);
        let job = Job {
            component,
            grants,
            limits,
            deadline,
            kind,
            frame: &frame,
        };
        let result = match self.attempt(&job, answer).await {
            Err(Fault::LaneDied) if kind.is_pure() => self.attempt(&job, answer).await,
            result => result,
        };
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        result
    }

    async fn attempt(
        &self,
        job: &Job<'_>,
        answer: &mut (dyn FnMut(Ask<'_>) -> OwnedAnswer + Send),
    ) -> Result<Finished, Fault> {
        let mut lease = self.lane(job.component, job.kind.is_urgent()).await?;
        let result = lease.lane().converse(job, answer).await;
        if lease.cancelled.load(Ordering::Relaxed) {
            return Err(Fault::Cancelled);
        }
        // The lane goes on living when the conversation came to its end, whatever the end was.
        lease.sound = matches!(result, Ok(_) | Err(Fault::Failed(..) | Fault::Load(_)));
        result
    }

    /// Stops every call of this component at once, and every one to come: those who still hold it get
    /// [`Fault::Cancelled`]. Lanes that were in one are replaced. A plugin that comes back is a new [`Component`].
    pub fn cancel(&self, component: &Component) {
        let mut dispatch = self.0.dispatch();
        component.stopped.store(true, Ordering::Relaxed);
        for running in dispatch
            .running
            .iter()
            .filter(|running| running.component == component.number)
        {
            running.cancelled.store(true, Ordering::Relaxed);
            kill(running.pid);
        }
        // Dropping their senders wakes them.
        dispatch.waiting.retain(|waiting| waiting.component != component.number);
    }

    /// What the lanes have done so far.
    pub fn statistics(&self) -> LaneStatistics {
        let dispatch = self.0.dispatch();
        LaneStatistics {
            pids: dispatch.pids.clone(),
            idle: dispatch.idle.len(),
            waiting: dispatch.waiting.len(),
            calls: self.0.calls.load(Ordering::Relaxed),
            restarts: self.0.restarts.load(Ordering::Relaxed),
            missing_layers: dispatch.missing_layers.clone(),
        }
    }

    /// A free lane, now or after a wait.
    async fn lane(&self, component: &Component, urgent: bool) -> Result<Lease, Fault> {
        let granted = {
            let mut dispatch = self.0.dispatch();
            if component.stopped.load(Ordering::Relaxed) {
                return Err(Fault::Cancelled);
            }
            let component = component.number;
            while let Some(lane) = dispatch.idle.pop() {
                if lane.waits() {
                    return Ok(self.0.lease(&mut dispatch, lane, component));
                }
                self.0.discard(&mut dispatch, lane);
            }
            let alike = dispatch.waiting.iter().filter(|waiting| waiting.urgent == urgent);
            let (all, of_this) = alike.fold((0, 0), |(all, of_this), waiting| {
                (all + 1, of_this + usize::from(waiting.component == component))
            });
            if all >= QUEUE_CALLS || (of_this >= QUEUE_CALLS_OF_ONE && !urgent) {
                return Err(Fault::Busy);
            }
            let (grant, granted) = oneshot::channel();
            dispatch.waiting.push_back(Waiting {
                component,
                urgent,
                grant,
            });
            granted
        };
        match tokio::time::timeout(QUEUE_WAIT, granted).await {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(_)) => Err(Fault::Cancelled),
            Err(_) => Err(Fault::Busy),
        }
    }
}

/// What a call is, for as long as it lasts.
struct Job<'a> {
    component: &'a Arc<Component>,
    grants: Grants,
    limits: CallLimits,
    deadline: Duration,
    kind: Kind,
    frame: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Draw,
    Render,
    Act,
    Command,
    Filter,
}

impl Kind {
    fn of(export: &Export<'_>) -> Self {
        match export {
            Export::Draw(_) => Self::Draw,
            Export::Render(_) => Self::Render,
            Export::Act(..) => Self::Act,
            Export::Command { .. } => Self::Command,
            Export::Filter { .. } => Self::Filter,
        }
    }

    fn is_pure(self) -> bool {
        !matches!(self, Self::Act | Self::Command)
    }

    /// A filter holds up what somebody says: it waits for a lane before everything else.
    fn is_urgent(self) -> bool {
        self == Self::Filter
    }

    fn yields(self, outcome: &Outcome<'_>) -> bool {
        match self {
            Self::Draw => matches!(outcome, Outcome::Drawing(_)),
            Self::Render => matches!(outcome, Outcome::View(_)),
            Self::Act => matches!(outcome, Outcome::Acted(_)),
            Self::Command => matches!(outcome, Outcome::Commanded(_)),
            Self::Filter => matches!(outcome, Outcome::Filtered(_)),
        }
    }
}

impl OwnedAnswer {
    fn borrow(&self) -> Answer<'_> {
        match self {
            Self::Done => Answer::Done,
            Self::Name(name) => Answer::Name(name.as_deref()),
            Self::Value(value) => Answer::Value(value.as_deref().map(Bytes)),
            Self::Existed(existed) => Answer::Existed(*existed),
            Self::Sum(sum) => Answer::Sum(*sum),
            Self::Entries(entries) => Answer::Entries(
                entries
                    .iter()
                    .map(|(key, value)| (key.as_str(), Bytes(value)))
                    .collect(),
            ),
            Self::Refused(refused) => Answer::Refused(*refused),
        }
    }
}

struct Inner {
    dispatch: Mutex<Dispatch>,
    /// Lanes to be replaced go to the keeper.
    dead: mpsc::Sender<Lane>,
    calls: AtomicU64,
    restarts: AtomicU64,
}

#[derive(Default)]
struct Dispatch {
    idle: Vec<Lane>,
    waiting: VecDeque<Waiting>,
    running: Vec<Running>,
    pids: Vec<u32>,
    missing_layers: Vec<&'static str>,
    /// Whether the log has said how lanes are confined.
    announced: bool,
}

struct Waiting {
    component: u32,
    urgent: bool,
    grant: oneshot::Sender<Lease>,
}

struct Running {
    component: u32,
    pid: u32,
    cancelled: Arc<AtomicBool>,
}

impl Inner {
    fn dispatch(&self) -> MutexGuard<'_, Dispatch> {
        // Nothing that holds the lock can panic half-way through a change.
        self.dispatch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(self: &Arc<Self>, dispatch: &mut Dispatch, lane: Lane, component: u32) -> Lease {
        let cancelled = Arc::new(AtomicBool::new(false));
        dispatch.running.push(Running {
            component,
            pid: lane.pid(),
            cancelled: Arc::clone(&cancelled),
        });
        Lease {
            lane: Some(lane),
            pool: Arc::clone(self),
            cancelled,
            sound: true,
        }
    }

    /// A lane is of no more use: it is killed, and the keeper starts another.
    fn discard(&self, dispatch: &mut Dispatch, lane: Lane) {
        dispatch.pids.retain(|pid| *pid != lane.pid());
        kill(lane.pid());
        // Without a keeper the lane is dropped here, which is as good.
        let _ = self.dead.send(lane);
    }

    /// A lane is free: it goes to the next who waits, or rests.
    fn free(self: &Arc<Self>, mut lane: Lane) {
        loop {
            let (grant, lease) = {
                let mut dispatch = self.dispatch();
                let Some(waiting) = dispatch.next() else {
                    dispatch.idle.push(lane);
                    return;
                };
                let lease = self.lease(&mut dispatch, lane, waiting.component);
                (waiting.grant, lease)
            };
            // Whoever waited may have given up just now.
            match grant.send(lease) {
                Ok(()) => return,
                Err(mut lease) => {
                    self.dispatch()
                        .running
                        .retain(|running| !Arc::ptr_eq(&running.cancelled, &lease.cancelled));
                    let Some(unused) = lease.lane.take() else { return };
                    lane = unused;
                }
            }
        }
    }
}

impl Dispatch {
    /// The waiting call that is urgent, or whose plugin has the fewest calls running; the oldest among equals.
    fn next(&mut self) -> Option<Waiting> {
        let running = |component| {
            self.running
                .iter()
                .filter(|running| running.component == component)
                .count()
        };
        let first = (0..self.waiting.len()).min_by_key(|&at| {
            let waiting = &self.waiting[at];
            (!waiting.urgent, running(waiting.component))
        })?;
        self.waiting.remove(first)
    }
}

/// A lane in the hands of one call.
struct Lease {
    lane: Option<Lane>,
    pool: Arc<Inner>,
    cancelled: Arc<AtomicBool>,
    /// Whether the lane may serve another call.
    sound: bool,
}

impl Lease {
    fn lane(&mut self) -> &mut Lane {
        // From here on, whoever drops the lease before the conversation's end leaves a lane in the middle of a call.
        self.sound = false;
        self.lane.as_mut().expect("the lane is taken in `drop` only")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        let mut dispatch = self.pool.dispatch();
        dispatch
            .running
            .retain(|running| !Arc::ptr_eq(&running.cancelled, &self.cancelled));
        if self.sound && !self.cancelled.load(Ordering::Relaxed) {
            drop(dispatch);
            self.pool.free(lane);
        } else {
            self.pool.discard(&mut dispatch, lane);
        }
    }
}

/// Kills a lane that has not been reaped: until then its number is nobody else's.
fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
