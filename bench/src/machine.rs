//! Cores, processes and clocks: where things run, and what they cost.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    process::{Pid, Signal},
    thread::CpuSet,
};

/// How long a program may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// The cores that this process might use when it began.
fn allowed() -> &'static CpuSet {
    static ALLOWED: OnceLock<CpuSet> = OnceLock::new();
    ALLOWED.get_or_init(|| rustix::thread::sched_getaffinity(None).unwrap_or_default())
}

/// The core of what is measured, and the core of what loads it: the first and the last that this process may use. To
/// be asked before anything is pinned.
pub fn cores() -> (usize, usize) {
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed().is_set(*core));
    let first = cores.next().unwrap_or(0);
    (first, cores.next_back().unwrap_or(first))
}

/// Keeps this thread, and all that it starts from now on, on one core.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).context("a thread can't be kept on one core")
}

/// Lets this thread, and all that it starts from now on, run on any core again.
pub fn unpin() -> Result<()> {
    rustix::thread::sched_setaffinity(None, allowed()).context("a thread can't be let off its core")
}

/// On which cores a program runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The core of what is measured, with all that it starts.
    OneCore,
    /// Wherever the system puts it, as in everyday use.
    AnyCore,
}

/// A program that listens; ended when dropped.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
}

impl Program {
    /// Starts it, and waits for the line of its standard output that ends in its address.
    pub fn start(mut command: Command, on: On) -> Result<Self> {
        let mut child = spawn(&mut command, on)?;
        let mut output = BufReader::new(child.stdout.take().context("standard output was piped")?);
        let mut line = String::new();
        let address = loop {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                let status = child.wait()?;
                bail!("{command:?} ended before it listened: {status}");
            }
            if let Some(address) = line.trim().rsplit('/').next().and_then(|word| word.parse().ok()) {
                break address;
            }
        };
        // Whatever else it says must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Ok(Self { child, address })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that the program and its children have used so far.
    pub fn cpu(&self) -> Duration {
        tree(self.pid()).into_iter().map(cpu_of).sum()
    }

    /// The proportional set size of the program and its children, in bytes.
    pub fn memory(&self) -> Result<u64> {
        tree(self.pid()).into_iter().map(proportional_set_size).sum()
    }

    /// Ends it in an orderly way.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, Signal::TERM)?;
        let start = Instant::now();
        while self.child.try_wait()?.is_none() {
            if start.elapsed() > PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                bail!("process {pid:?} did not end within a minute");
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{error:#}");
        }
    }
}

/// Starts a program whose end is tied to this one's.
pub fn spawn(command: &mut Command, on: On) -> Result<Child> {
    let mut set = *allowed();
    if on == On::OneCore {
        set.clear();
        set.set(cores().0);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    // SAFETY: between fork and exec, two system calls and nothing that allocates.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
            rustix::thread::sched_setaffinity(None, &set)?;
            Ok(())
        });
    }
    command.spawn().with_context(|| format!("cannot start {command:?}"))
}

/// A process and all that descend from it.
pub fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for task in tasks.filter_map(Result::ok) {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|child| child.parse::<u32>().ok()),
            );
        }
    }
    found
}

/// The processor time of all threads of a process that are alive.
pub fn cpu_of(pid: u32) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let nanoseconds = tasks.filter_map(Result::ok).filter_map(|task| {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The processor time of this process.
pub fn own_cpu() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// The processor time of this thread.
pub fn thread_cpu() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives here; a clock of one's own is always there.
    unsafe { libc::clock_gettime(id, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn proportional_set_size(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context(path)?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// A port of 127.0.0.1 that nothing listened on a moment ago.
pub fn free_port() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Copies a file, or a folder with everything in it.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(
        done.success(),
        "{} could not be copied to {}",
        from.display(),
        to.display()
    );
    Ok(())
}
