//! A disk that refuses to sync and a clock that jumps, on command, for a program into which this is preloaded
//! (`LD_PRELOAD`). The commands stand in a file of [`BYTES`] bytes that [`VARIABLE`] names and both sides map or read:
//! little-endian numbers of eight bytes at the offsets below. Without the variable nothing fails.
//!
//! It stands between the program and its C library, so it allocates nothing and calls the kernel itself.

use std::{
    ffi::{CStr, c_int},
    ptr,
    sync::atomic::{AtomicI64, AtomicPtr, Ordering::SeqCst},
};

use libc::{c_long, clockid_t, timespec};

/// The environment variable that names the file.
pub const VARIABLE: &CStr = c"FAULTY_FILE";
/// The file's length.
pub const BYTES: usize = 24;
/// Where it says by how many milliseconds the wall clock is off.
pub const CLOCK_MS: usize = 0;
/// Where it says (1) that nothing can be synced any more.
pub const SYNCS_FAIL: usize = 8;
/// Where the program's side says how long a write-ahead log was when it was last synced.
pub const SYNCED: usize = 16;

/// How the file of a write-ahead log is named at its end.
const LOG: &[u8] = b"-wal";

static COMMANDS: AtomicPtr<AtomicI64> = AtomicPtr::new(ptr::null_mut());

/// Called by the dynamic linker before the program begins.
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    // SAFETY: nothing else runs yet; the name is a C string, and the mapping is checked before it is used.
    unsafe {
        let path = libc::getenv(VARIABLE.as_ptr());
        if path.is_null() {
            return;
        }
        let file = libc::open(path, libc::O_RDWR | libc::O_CLOEXEC);
        let (access, how) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        let mapped = libc::mmap(ptr::null_mut(), BYTES, access, how, file, 0);
        libc::close(file);
        if mapped != libc::MAP_FAILED {
            COMMANDS.store(mapped.cast(), SeqCst);
        }
    }
}

fn command(offset: usize) -> Option<&'static AtomicI64> {
    let commands = COMMANDS.load(SeqCst);
    // SAFETY: the mapping is as long as the offsets say, is never undone, and pages are aligned.
    (!commands.is_null()).then(|| unsafe { &*commands.add(offset / 8) })
}

/// As clock_gettime(2), with a wall clock that is off.
///
/// # Safety
/// As the original.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the caller's own arguments.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, c_long::from(clock), time) };
    let wall = matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE);
    if let Some(shift) = command(CLOCK_MS).filter(|_| wall && result == 0) {
        let shift = shift.load(SeqCst);
        // SAFETY: the kernel has just written there.
        let time = unsafe { &mut *time };
        let ns = time.tv_nsec + shift.rem_euclid(1_000) * 1_000_000;
        time.tv_sec += shift.div_euclid(1_000) + ns / 1_000_000_000;
        time.tv_nsec = ns % 1_000_000_000;
    }
    result as c_int
}

/// As fsync(2), on a disk that may refuse.
///
/// # Safety
/// As the original.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(file: c_int) -> c_int {
    sync(file, libc::SYS_fsync)
}

/// As fdatasync(2), on a disk that may refuse.
///
/// # Safety
/// As the original.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    sync(file, libc::SYS_fdatasync)
}

fn sync(file: c_int, how: c_long) -> c_int {
    if command(SYNCS_FAIL).is_some_and(|fail| fail.load(SeqCst) != 0) {
        // SAFETY: it points at this thread's own number.
        unsafe { *libc::__errno_location() = libc::EIO };
        return -1;
    }
    // What is written from here on may not be part of it.
    let length = log_length(file);
    // SAFETY: it takes a number and touches no memory.
    let result = unsafe { libc::syscall(how, c_long::from(file)) };
    if let (0, Some(length), Some(synced)) = (result, length, command(SYNCED)) {
        synced.store(length, SeqCst);
    }
    result as c_int
}

/// The length of a file, if it is a write-ahead log.
fn log_length(file: c_int) -> Option<i64> {
    let (mut name, mut digits) = ([0; 4096], [0; 32]);
    // "/proc/self/fd/7", without an allocator.
    let mut at = digits.len() - 1;
    let mut rest = file;
    while at > 14 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let folder = b"/proc/self/fd/";
    at -= folder.len();
    digits[at..at + folder.len()].copy_from_slice(folder);
    // SAFETY: the path ends with a zero, both buffers are as long as is said, and the kernel fills `stat`.
    unsafe {
        let length = libc::readlink(digits[at..].as_ptr().cast(), name.as_mut_ptr().cast(), name.len());
        let name = name.get(..usize::try_from(length).ok()?)?;
        let mut stat: libc::stat = std::mem::zeroed();
        (name.ends_with(LOG) && libc::fstat(file, &mut stat) == 0).then_some(stat.st_size)
    }
}
