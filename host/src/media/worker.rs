//! The host's end of the media worker: a confined process for each upload, few at a time.
//!
//! It is believed as little as the upload: what it writes is counted, each of its files must be one that it may write, and
//! what it says of them is served under a type that can't be executed. Whatever it does, it does for so long only.

use std::{
    fs,
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::{fs::OpenOptionsExt, process::ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use neospace_media::{
    CPU_SECONDS, DATA_BYTES, PEAKS,
    protocol::{self, Answer, Facts, File, Got, Variant},
};
use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::sync::Semaphore;

use super::{FOLDER, upload_of};
use crate::{
    app::App,
    error::Error,
    plugins::{compile::missing_layers, lanes},
    words,
};

/// Workers at a time. Each takes up to a core and 128 MiB: more would be felt by everybody else.
const WORKERS: usize = 2;
/// Uploads that may wait for one.
const WAITING: usize = 32;
/// How long a worker may take by the clock. It has [`CPU_SECONDS`] of the processor and runs when nobody else wants to.
const DEADLINE: Duration = Duration::from_secs(25);
/// Bytes of all files that one upload may become. A picture that was packed well can grow when it must be kept exactly.
const BYTES_MOST: u64 = 128 << 20;

static PLACES: Semaphore = Semaphore::const_new(WORKERS + WAITING);
static FREE: Semaphore = Semaphore::const_new(WORKERS);

/// What became of an upload.
pub struct Made {
    pub facts: Facts,
    /// Each with its bytes, on disk as `{id}.{variant}`.
    pub files: Vec<(File, u64)>,
}

/// Has an upload made anew, as the files of `id`. What it leaves behind when it fails is nothing.
///
/// # Errors
/// [`Error::Invalid`] about the field `file`, with what is wrong with it; [`Error::Unavailable`] when too many wait, when the
/// machine is too busy, or when the disk is full.
pub async fn make(app: &App, upload: &str, id: &str) -> Result<Made, Error> {
    let _place = PLACES
        .try_acquire()
        .map_err(|_| Error::Unavailable("Many uploads are waiting to be looked at. Try again in a minute.".into()))?;
    let _free = FREE.acquire().await.map_err(Error::internal)?;
    let config = app.config();
    let (upload, folder, id) = (upload_of(app, upload), config.data.join(FOLDER), id.to_owned());
    let confine = config.plugins.require_confinement;
    // The thread that starts it waits for it: when the one ends, the kernel ends the other.
    tokio::task::spawn_blocking(move || {
        let mut files = Files {
            folder,
            id,
            all: vec![],
        };
        let made = run(&upload, &mut files, confine);
        if made.is_err() {
            files.drop_all();
        }
        made
    })
    .await
    .map_err(Error::internal)?
}

fn run(upload: &Path, files: &mut Files, confine: bool) -> Result<Made, Error> {
    let until = Instant::now() + DEADLINE;
    let mut worker = Killed(
        Command::new("/proc/self/exe")
            .arg("media")
            .env_clear()
            .envs(lanes::ALLOCATOR)
            .current_dir("/")
            .stdin(Stdio::from(fs::File::open(upload)?))
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let stdout = worker.0.stdout.take().expect("stdout is piped");
    let mut answers = io::BufReader::with_capacity(protocol::MESSAGE_MOST, Until { stdout, until });
    let mut buffer = Vec::new();
    loop {
        match protocol::receive(&mut answers, &mut buffer) {
            Ok(Some(Got::Message(Answer::Confined(layers)))) => {
                let missing = missing_layers(&layers);
                if confine && !missing.is_empty() {
                    return Err(Error::internal(format!(
                        "media workers can't be confined as `require_confinement` asks; missing: {}",
                        missing.join(", ")
                    )));
                }
            }
            Ok(Some(Got::Message(Answer::File(file)))) => files.begin(file)?,
            Ok(Some(Got::Part(bytes))) => files.write(bytes)?,
            Ok(Some(Got::Message(Answer::Refused(sentence)))) => return Err(Error::field("file", sentence)),
            Ok(Some(Got::Message(Answer::Done(facts)))) => {
                return Ok(Made {
                    facts: files.check(facts)?,
                    files: files.finish()?,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(Error::Unavailable(
                    "The machine is too busy to look at this upload. Try again in a few minutes.".into(),
                ));
            }
            Ok(None) | Err(_) => return Err(died(worker.0.wait()?)),
        }
    }
}

/// Why a worker ended without an answer.
fn died(status: ExitStatus) -> Error {
    let sentence = match status.signal() {
        Some(libc::SIGXCPU | libc::SIGKILL) => {
            format!("This file takes longer than {CPU_SECONDS} seconds to open. Make it smaller or shorter.")
        }
        // Memory that isn't given ends a program so.
        Some(libc::SIGABRT) => format!(
            "This file takes more than {} of memory to open. Make it smaller, or save a picture as plain JPEG or PNG.",
            words::size(DATA_BYTES)
        ),
        Some(libc::SIGSYS) => {
            tracing::error!(%status, "a media worker made a system call that it may not make");
            "This file can't be opened here. Save it in another format.".into()
        }
        _ => {
            tracing::warn!(%status, "a media worker ended without an answer");
            "This file is damaged in a way that can't be read. Save it again and send that.".into()
        }
    };
    Error::field("file", sentence)
}

/// The files that a worker writes.
struct Files {
    folder: PathBuf,
    id: String,
    all: Vec<(File, u64, fs::File)>,
}

impl Files {
    fn path(&self, variant: Variant) -> PathBuf {
        self.folder.join(format!("{}.{}", self.id, variant.name()))
    }

    fn begin(&mut self, file: File) -> Result<(), Error> {
        if self.all.iter().any(|(other, ..)| other.variant == file.variant) {
            return Err(Error::internal("a media worker wrote a file twice"));
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let open = options.open(self.path(file.variant)).map_err(crate::files::disk)?;
        self.all.push((file, 0, open));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let sum: u64 = self.all.iter().map(|(_, bytes, _)| bytes).sum();
        if sum + bytes.len() as u64 > BYTES_MOST {
            return Err(Error::field(
                "file",
                format!(
                    "This file would take {} here. Make it smaller.",
                    words::size(sum + bytes.len() as u64)
                ),
            ));
        }
        let Some((_, length, open)) = self.all.last_mut() else {
            return Err(Error::internal("a media worker wrote bytes of no file"));
        };
        *length += bytes.len() as u64;
        open.write_all(bytes).map_err(crate::files::disk)
    }

    /// Whether the facts can be true.
    fn check(&self, mut facts: Facts) -> Result<Facts, Error> {
        let has = |variant: Variant| self.all.iter().any(|(file, ..)| file.variant == variant);
        let fits = match &mut facts {
            Facts::Picture { width, height, .. } => {
                *width > 0 && *height > 0 && has(Variant::Full) && !has(Variant::Sound)
            }
            Facts::Sound { peaks, .. } => peaks.len() == PEAKS && has(Variant::Sound) && self.all.len() == 1,
        };
        match fits {
            true => Ok(facts),
            false => Err(Error::internal("a media worker contradicted itself")),
        }
    }

    /// Waits until all files and their names are on disk.
    fn finish(&mut self) -> Result<Vec<(File, u64)>, Error> {
        for (_, _, open) in &self.all {
            open.sync_all().map_err(crate::files::disk)?;
        }
        fs::File::open(&self.folder)?.sync_all().map_err(crate::files::disk)?;
        Ok(self.all.iter().map(|(file, bytes, _)| (*file, *bytes)).collect())
    }

    fn drop_all(&mut self) {
        for (file, ..) in std::mem::take(&mut self.all) {
            // What stays is swept up.
            let _ = fs::remove_file(self.path(file.variant));
        }
    }
}

/// A child that does not outlive this value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pipe that is read until a moment.
struct Until {
    stdout: ChildStdout,
    until: Instant,
}

impl Read for Until {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let left = Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut poll = [PollFd::from_borrowed_fd(self.stdout.as_fd(), PollFlags::IN)];
            match rustix::event::poll(&mut poll, Some(&left)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => return self.stdout.read(buffer),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
