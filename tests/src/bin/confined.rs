//! A program that confines itself as a lane does and then tries what its first argument says. It prints "confined", and
//! then "succeeded" or "failed: …", unless it is killed first.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;

use neospace_runner::confine::{Limits, confine};

type Tried = Result<(), Box<dyn std::error::Error>>;

fn main() {
    let attack = std::env::args().nth(1).expect("an attack");
    let file = std::env::args().nth(2).expect("a file");
    // What a careless host would leave open.
    let inherited = std::fs::File::open("/etc/passwd").expect("every system has one");
    let inherited = std::os::fd::IntoRawFd::into_raw_fd(inherited);
    let parent = std::os::unix::process::parent_id();
    let layers = confine(&Limits {
        data_bytes: 64 << 20,
        file_bytes: 1 << 20,
        descriptors: 16,
        cpu_seconds: None,
        keep: &[1],
    })
    .expect("confined");
    say(&format!("confined {layers:?}\n"));
    match try_it(&attack, &file, inherited, parent) {
        Ok(()) => say("succeeded\n"),
        Err(error) => say(&format!("failed: {error}\n")),
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).expect("somebody listens");
    out.flush().expect("somebody listens");
}

fn try_it(attack: &str, file: &str, inherited: i32, parent: u32) -> Tried {
    match attack {
        // What allocators do now and then: take memory and give it a name, which old kernels don't know.
        "nothing" => {
            let memory = map_at(libc::PROT_READ | libc::PROT_WRITE)?;
            // SAFETY: names this function's own memory.
            unsafe {
                libc::prctl(
                    libc::PR_SET_VMA,
                    libc::PR_SET_VMA_ANON_NAME,
                    memory,
                    1 << 20,
                    c"ours".as_ptr(),
                )
            };
        }
        "read-file" => drop(std::fs::read(file)?),
        "write-file" => std::fs::write(file, "broken")?,
        "create-file" => drop(std::fs::File::create(format!("{file}.new"))?),
        "read-environment" => {
            if let Ok(secret) = std::env::var("NEOSPACE_TEST_SECRET") {
                say(&format!("succeeded: {secret}"));
            }
            drop(std::fs::read("/proc/self/environ")?);
        }
        "read-parent-memory" => {
            let mut byte = [0u8];
            let ours = libc::iovec {
                iov_base: byte.as_mut_ptr().cast(),
                iov_len: 1,
            };
            let theirs = libc::iovec {
                iov_base: main as *mut libc::c_void,
                iov_len: 1,
            };
            // SAFETY: writes one byte into `byte`, if it may.
            checked(unsafe { libc::process_vm_readv(parent.cast_signed(), &ours, 1, &theirs, 1, 0) })?;
        }
        "list-processes" => drop(std::fs::read_dir("/proc")?.count()),
        "connect" => drop(TcpStream::connect("127.0.0.1:80")?),
        "connect-unix" => drop(UnixStream::connect("/run/systemd/private")?),
        "listen" => drop(TcpListener::bind("127.0.0.1:0")?),
        // SAFETY: signal 0 does nothing but ask whether it may.
        "signal-parent" => checked(unsafe { libc::kill(parent.cast_signed(), 0) } as isize)?,
        // SAFETY: the child ends at once.
        "fork" => match unsafe { libc::fork() } {
            0 => std::process::exit(0),
            child => checked(child as isize)?,
        },
        "thread" => std::thread::Builder::new().spawn(|| ())?.join().map_err(|_| "panic")?,
        "exec" => drop(Command::new("/bin/true").status()?),
        // SAFETY: attaching has no effect on this process's memory.
        "trace-parent" => checked(unsafe { libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0) } as isize)?,
        "map-executable" => map(libc::PROT_READ | libc::PROT_EXEC)?,
        "map-writable-executable" => {
            let page = map_at(libc::PROT_READ | libc::PROT_WRITE)?;
            let both = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            // SAFETY: the page is this function's own.
            checked(unsafe { libc::mprotect(page, 4096, both) } as isize)?;
        }
        // SAFETY: plain arguments.
        "mount" => checked(unsafe {
            libc::mount(
                c"none".as_ptr(),
                c"/tmp".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                std::ptr::null(),
            )
        } as isize)?,
        // SAFETY: plain arguments.
        "change-user" => checked(unsafe { libc::setuid(0) } as isize)?,
        "read-inherited" => {
            let mut byte = [0u8];
            // SAFETY: reads one byte into `byte`, if the descriptor is open.
            checked(unsafe { libc::read(inherited, byte.as_mut_ptr().cast(), 1) })?;
        }
        "big-file" => {
            // SAFETY: plain arguments.
            let descriptor = unsafe { libc::memfd_create(c"big".as_ptr(), 0) };
            checked(descriptor as isize)?;
            let part = [0u8; 64 * 1024];
            for _ in 0..64 {
                // SAFETY: writes from `part`.
                checked(unsafe { libc::write(descriptor, part.as_ptr().cast(), part.len()) })?;
            }
        }
        "raise-limits" => {
            let more = libc::rlimit {
                rlim_cur: libc::RLIM_INFINITY,
                rlim_max: libc::RLIM_INFINITY,
            };
            // SAFETY: reads `more`.
            checked(unsafe { libc::setrlimit(libc::RLIMIT_DATA, &more) } as isize)?;
        }
        // SAFETY: a null pointer is an error to this call, not to us.
        "io-uring" => checked(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, 0) } as isize)?,
        "memory" => {
            let mut mib = 0;
            while map(libc::PROT_READ | libc::PROT_WRITE).is_ok() {
                mib += 1;
            }
            say(&format!("took {mib} MiB\n"));
        }
        other => panic!("no attack {other}"),
    }
    Ok(())
}

fn checked(result: isize) -> Tried {
    if result < 0 {
        Err(std::io::Error::last_os_error().into())
    } else {
        Ok(())
    }
}

fn map(protection: i32) -> Tried {
    map_at(protection).map(drop)
}

fn map_at(protection: i32) -> Result<*mut libc::c_void, Box<dyn std::error::Error>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new memory at an address of the kernel's choice.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 1 << 20, protection, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        Err(std::io::Error::last_os_error().into())
    } else {
        Ok(page)
    }
}
