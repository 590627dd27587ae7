//! Processes: where they are, what they leave behind, and what they log.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Instant,
};

use crate::PATIENCE;

/// What a program wrote to its standard output and error, line by line, as it comes.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    /// Streams that are still open.
    open: usize,
}

impl Log {
    /// Takes in what comes out of `stream`, in the background, until it ends.
    pub fn follow(&self, stream: impl Read + Send + 'static) {
        let log = self.clone();
        log.with(|lines| lines.open += 1);
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                log.with(|lines| lines.lines.push(text));
                line.clear();
            }
            log.with(|lines| lines.open -= 1);
        });
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.with(|lines| lines.lines.clone())
    }

    /// Waits for the first line from number `from` on in which `look` finds something. Nothing, when the program closed its output
    /// before, or after [`PATIENCE`].
    pub fn wait_for<T>(&self, from: usize, mut look: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let (lines, changed) = &*self.0;
        let start = Instant::now();
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = from;
        loop {
            while let Some(line) = lines.lines.get(seen) {
                if let Some(found) = look(line) {
                    return Some(found);
                }
                seen += 1;
            }
            let left = PATIENCE.checked_sub(start.elapsed())?;
            if lines.open == 0 {
                return None;
            }
            lines = changed
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until the program has closed its output, so that no line is missing.
    pub fn wait_for_end(&self) {
        self.wait_for(usize::MAX, |_| None::<()>);
    }

    fn with<T>(&self, change: impl FnOnce(&mut Lines) -> T) -> T {
        let (lines, changed) = &*self.0;
        let result = change(&mut lines.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
        result
    }
}

/// A process that cannot be confused with a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// Clock ticks after boot.
    started: u64,
}

impl Process {
    /// All that descend from the process `ancestor`, itself left out.
    pub fn descendants(ancestor: u32) -> Vec<Process> {
        let all: Vec<_> = fs::read_dir("/proc")
            .expect("/proc is mounted")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| {
                stat(pid).map(|stat| {
                    (
                        Process {
                            pid,
                            started: stat.started,
                        },
                        stat.parent,
                    )
                })
            })
            .collect();
        let mut found: Vec<Process> = Vec::new();
        let mut parents = vec![ancestor];
        while let Some(parent) = parents.pop() {
            for (process, _) in all.iter().filter(|(_, its_parent)| *its_parent == parent) {
                found.push(*process);
                parents.push(process.pid);
            }
        }
        found
    }

    /// Whether it still runs (what is dead and waits for its parent to notice does not).
    pub fn runs(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started == self.started && stat.state != 'Z' && stat.state != 'X')
    }

    /// The name the kernel knows it by, at most 15 bytes.
    pub fn name(self) -> String {
        fs::read_to_string(format!("/proc/{}/comm", self.pid))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// Sends a signal; nothing happens when the process is gone.
    pub fn signal(self, signal: i32) {
        if self.runs() {
            // SAFETY: kill touches no memory of this process.
            unsafe { libc::kill(self.pid as i32, signal) };
        }
    }
}

struct Stat {
    state: char,
    parent: u32,
    started: u64,
}

/// `/proc/PID/stat`, as proc(5) describes it.
fn stat(pid: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may itself contain spaces and parentheses.
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}
