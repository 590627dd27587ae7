//! Shutting the door behind a process that is about to handle foreign code.
//!
//! WebAssembly is the first wall; this is the second, for the day when the first has a hole. Whoever gets through finds
//! a process without files, network, environment or privileges, that can do little more than compute and talk to its
//! parent. Each layer is tried on its own: what this kernel or this user can't do is left out and reported missing, and
//! the operator may insist on all of [`REQUIRED`] (`require_confinement`).

use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{Gid, Resource, Rlimit, Signal, Uid, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition as Condition,
    SeccompFilter, SeccompRule as Rule,
};

/// No descriptors but those that are needed.
pub const DESCRIPTORS: &str = "closed descriptors";
/// No environment variables.
pub const ENVIRONMENT: &str = "empty environment";
/// Bounded memory, files, descriptors; no processes, no core dumps.
pub const LIMITS: &str = "resource limits";
/// Runs when nobody else wants to.
pub const PRIORITY: &str = "low priority";
/// A user of its own, apart from the host and from other lanes. Only root can give it one.
pub const OWN_USER: &str = "own user";
/// Dies with the host.
pub const PARENT_DEATH: &str = "dies with its parent";
/// Can't gain privileges by executing anything.
pub const NO_NEW_PRIVILEGES: &str = "no new privileges";
/// May open no file, use no TCP port, signal no process (Landlock).
pub const LANDLOCK: &str = "landlock";
/// May make a few dozen system calls; any other kills it.
pub const SECCOMP: &str = "seccomp";

/// What `require_confinement` asks for: all but [`OWN_USER`], which needs a host that runs as root.
pub const REQUIRED: [&str; 8] = [
    DESCRIPTORS,
    ENVIRONMENT,
    LIMITS,
    PRIORITY,
    PARENT_DEATH,
    NO_NEW_PRIVILEGES,
    LANDLOCK,
    SECCOMP,
];

/// What the process may still use.
pub struct Limits<'a> {
    /// Writable memory beyond what it has now, in bytes.
    pub data_bytes: u64,
    /// The largest file it may write (it can open none, but the engine makes nameless ones in memory), in bytes.
    pub file_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Processor time in seconds, after which it is killed; `None` where the parent looks at the clock alone.
    pub cpu_seconds: Option<u64>,
    /// The descriptors that stay open. Standard input, output and error lead to `/dev/null` unless they are among them.
    pub keep: &'a [RawFd],
}

/// Confines this process for good; the layers that are in force. Call it while there is one thread, after everything
/// that needs the system (engines, signal handlers), before the first foreign byte.
///
/// # Errors
/// When descriptors or the environment can't be dropped, which no kernel should refuse.
pub fn confine(limits: &Limits<'_>) -> io::Result<Vec<&'static str>> {
    let data_now = data_bytes_now();
    close_descriptors(limits.keep)?;
    clear_environment();
    let mut layers = vec![DESCRIPTORS, ENVIRONMENT];
    let mut layer = |name, done: bool| {
        if done {
            layers.push(name);
        }
    };
    layer(LIMITS, set_limits(limits, data_now).is_ok());
    layer(PRIORITY, rustix::process::nice(5).is_ok());
    // Changing the user takes back the death signal, so that one comes after.
    layer(OWN_USER, change_user().is_ok());
    layer(PARENT_DEATH, die_with_parent().is_ok());
    layer(NO_NEW_PRIVILEGES, rustix::thread::set_no_new_privs(true).is_ok());
    layer(LANDLOCK, landlock());
    layer(SECCOMP, seccomp().is_ok());
    Ok(layers)
}

fn close_descriptors(keep: &[RawFd]) -> io::Result<()> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for standard in 0..=2 {
        if !keep.contains(&standard) {
            // SAFETY: plain descriptor numbers; nobody in this process owns the standard ones.
            if unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), standard) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    drop(null);
    let mut kept: Vec<_> = keep.iter().map(|descriptor| descriptor.cast_unsigned()).collect();
    kept.extend([0, 1, 2]);
    kept.sort_unstable();
    kept.dedup();
    // Whatever lies between those that are kept, and above the last.
    let mut first = 0;
    for keep in kept.into_iter().chain([u32::MAX]) {
        if keep > first {
            close_range(first, keep - 1)?;
        }
        first = keep.saturating_add(1);
    }
    Ok(())
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: closes descriptors that nothing in this process uses any more.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return Ok(());
    }
    // Before Linux 5.9: one by one.
    let open: Vec<u32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|open| (first..=last).contains(open)) {
        // SAFETY: as above. That of the directory itself is closed already; closing it again does nothing.
        unsafe { libc::close(descriptor.cast_signed()) };
    }
    Ok(())
}

fn clear_environment() {
    // The parent starts us with an empty environment; this is for whoever runs the executable by hand.
    let names: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
    for name in names {
        // SAFETY: there is one thread.
        unsafe { std::env::remove_var(name) };
    }
}

/// How much writable memory the process has mapped, in bytes; the limit counts from here, because an allocator may have
/// reserved a large range at its start.
fn data_bytes_now() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmData:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(0u64) * 1024
}

fn set_limits(limits: &Limits<'_>, data_now: u64) -> io::Result<()> {
    let cpu = limits.cpu_seconds.map(|seconds| (Resource::Cpu, seconds));
    for (resource, most) in [
        (Resource::Data, data_now + limits.data_bytes),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Nofile, limits.descriptors),
        // No new process or thread, whatever the kernel else thinks of it.
        (Resource::Nproc, 0),
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
    ]
    .into_iter()
    .chain(cpu)
    {
        setrlimit(
            resource,
            Rlimit {
                current: Some(most),
                maximum: Some(most),
            },
        )?;
    }
    Ok(())
}

/// As root, becomes a user that nobody else is: above all ranges that systems hand out, told apart by process id.
fn change_user() -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    const FIRST_USER: u32 = 0x7000_0000;
    // Where a user namespace maps a few users only, `nobody` must do.
    const NOBODY: u32 = 65_534;
    let own = FIRST_USER + rustix::process::getpid().as_raw_nonzero().get().cast_unsigned();
    rustix::thread::set_thread_groups(&[])?;
    become_user(own).or_else(|_| become_user(NOBODY))
}

fn become_user(id: u32) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    Ok(())
}

fn die_with_parent() -> io::Result<()> {
    // A host that died before this is noticed on the socket.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// A ruleset that handles everything and allows nothing.
fn landlock() -> bool {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V5)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(ABI::V6)))
        .and_then(|ruleset| ruleset.create())
        .and_then(|ruleset| ruleset.restrict_self());
    // Older kernels know fewer kinds of access; files are in all of them.
    status.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}

/// Installs the list of allowed system calls. What is not on it kills the process.
fn seccomp() -> Result<(), Box<dyn std::error::Error>> {
    let filter = SeccompFilter::new(
        allowed_calls()?,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

fn allowed_calls() -> Result<BTreeMap<i64, Vec<Rule>>, seccompiler::BackendError> {
    let mut calls = BTreeMap::new();
    for call in [
        // The socket, and the engine's nameless files.
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvmsg,
        libc::SYS_memfd_create,
        libc::SYS_close,
        libc::SYS_fstat,
        // Memory.
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        // Traps are signals that the engine handles.
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigaction,
        libc::SYS_sigaltstack,
        // The runtime's small change.
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_getcpu,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ] {
        calls.insert(call, vec![]);
    }
    // Private memory that is not executable from the start.
    calls.insert(
        libc::SYS_mmap,
        vec![Rule::new(vec![
            none_of(2, libc::PROT_EXEC)?,
            none_of(3, libc::MAP_SHARED)?,
        ])?],
    );
    // Writable or executable, not both.
    calls.insert(
        libc::SYS_mprotect,
        vec![
            Rule::new(vec![none_of(2, libc::PROT_EXEC)?])?,
            Rule::new(vec![none_of(2, libc::PROT_WRITE)?])?,
        ],
    );
    // Memory that isn't given ends a program by a signal, which it sends to itself.
    calls.insert(
        libc::SYS_tgkill,
        vec![Rule::new(vec![Condition::new(
            0,
            Length::Dword,
            Compare::Eq,
            rustix::process::getpid().as_raw_nonzero().get() as u64,
        )?])?],
    );
    // On itself only (`PIDFD_SELF`).
    calls.insert(
        libc::SYS_process_madvise,
        vec![Rule::new(vec![Condition::new(
            0,
            Length::Dword,
            Compare::Eq,
            u64::from((-10_000i32).cast_unsigned()),
        )?])?],
    );
    // Without an address: on a connected socket.
    calls.insert(
        libc::SYS_sendto,
        vec![Rule::new(vec![Condition::new(4, Length::Qword, Compare::Eq, 0)?])?],
    );
    calls.insert(
        libc::SYS_recvfrom,
        vec![Rule::new(vec![Condition::new(4, Length::Qword, Compare::Eq, 0)?])?],
    );
    // The allocator names its memory.
    calls.insert(
        libc::SYS_prctl,
        vec![Rule::new(vec![Condition::new(
            0,
            Length::Dword,
            Compare::Eq,
            libc::PR_SET_VMA as u64,
        )?])?],
    );
    // Sealing nameless files, and looking at descriptors.
    let fcntl = [
        libc::F_ADD_SEALS,
        libc::F_GET_SEALS,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
    ];
    calls.insert(
        libc::SYS_fcntl,
        fcntl
            .into_iter()
            .map(|command| Rule::new(vec![Condition::new(1, Length::Dword, Compare::Eq, command as u64)?]))
            .collect::<Result<_, _>>()?,
    );
    Ok(calls)
}

/// None of `bits` is set in the argument.
fn none_of(argument: u8, bits: i32) -> Result<Condition, seccompiler::BackendError> {
    Condition::new(argument, Length::Qword, Compare::MaskedEq(bits as u64), 0)
}
