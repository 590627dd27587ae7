//! Turning a plugin's WebAssembly into machine code, once.
//!
//! The compiler runs in a process of its own (`neospace compile`), confined, with a deadline. What it made is kept in
//! `<data>/compiled/`, one file for each plugin, engine and configuration, sealed with the instance secret: loading
//! machine code means trusting it, so a file that doesn't verify is compiled anew and never loaded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use neospace_runner::compile::{Compiled, HEADER_BYTES, Head};
use neospace_runner::protocol::Inspection;
use rustix::event::{PollFd, PollFlags};
use sha2::{Digest, Sha256};

/// The largest artefact, in bytes: machine code is 2 to 10 times as long as WebAssembly. More is a bomb.
const ARTEFACT_BYTES: usize = 64 * 1024 * 1024;
/// The longest head that the compiling process may send, in bytes: names of imports and exports, or an error.
const HEAD_BYTES: usize = 256 * 1024;
/// The length of the seal at a file's end, in bytes.
const SEAL_BYTES: usize = 32;
/// What the seal is for; a new layout of the file gets a new number.
const SEAL_PURPOSE: &[u8] = b"neospace compiled plugin 1";

/// How a component is compiled.
#[derive(Debug, Clone)]
pub struct CompileOptions {
    /// What is started with the argument `compile`: `/proc/self/exe`, but for tests.
    pub executable: PathBuf,
    /// The largest component, in bytes.
    pub wasm_bytes: usize,
    /// How long compiling may take.
    pub deadline: Duration,
    /// Whether every layer of confinement must be in force.
    pub require_confinement: bool,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            executable: PathBuf::from("/proc/self/exe"),
            wasm_bytes: 4 * 1024 * 1024,
            deadline: Duration::from_secs(10),
            require_confinement: false,
        }
    }
}

/// A compiled plugin, ready to be loaded into lanes.
#[derive(Debug)]
pub struct Component {
    /// SHA-256 of the WebAssembly.
    pub hash: [u8; 32],
    /// What it imports and exports.
    pub inspection: Inspection,
    /// The artefact's length, in bytes, from the start of the file.
    pub(super) code_bytes: u64,
    /// The verified file, open for reading.
    pub(super) file: File,
    /// What lanes call it; no two components of this process share a number.
    pub(super) number: u32,
    /// Whether its calls are over for good (see `Lanes::cancel`).
    pub(super) stopped: AtomicBool,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum CompileFault {
    /// More bytes than allowed.
    #[error("the component has {bytes} bytes; {most} are allowed")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What is allowed.
        most: usize,
    },
    /// The compiler says no: not a component, not valid, or using what is switched off.
    #[error("{0}")]
    Refused(String),
    /// It took too long.
    #[error("compiling took longer than {} s", .0.as_secs_f32())]
    Deadline(Duration),
    /// The compiling process ended without an answer.
    #[error(
        "the compiler ended without an answer ({0}): the component needs more than 512 MiB to compile, or crashes it"
    )]
    Died(String),
    /// The operator insists on layers of confinement that are not there.
    #[error("the compiler can't be confined as `require_confinement` asks; missing: {}", .0.join(", "))]
    Unconfined(Vec<&'static str>),
    /// The file system said no.
    #[error("the compiled plugin can't be kept in {path}: {error}")]
    Cache {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// This machine can't run the engine.
    #[error("the engine does not work on this machine: {0}")]
    Engine(String),
}

/// The compiled component of these bytes, from the cache or from the compiler. Blocks: up to the deadline when it must
/// be compiled.
///
/// # Errors
/// See [`CompileFault`].
pub fn component(
    cache: &Path,
    secret: &[u8; 32],
    wasm: &[u8],
    options: &CompileOptions,
) -> Result<Component, CompileFault> {
    if wasm.len() > options.wasm_bytes {
        return Err(CompileFault::TooLarge {
            bytes: wasm.len(),
            most: options.wasm_bytes,
        });
    }
    let key = Key {
        hash: Sha256::digest(wasm).into(),
        fingerprint: fingerprint()?,
    };
    let path = cache.join(key.file_name());
    if let Some(component) = open(&path, secret, &key) {
        return Ok(component);
    }
    let (inspection, artefact) = compile(wasm, options)?;
    let kept = keep(cache, &path, secret, &key, &inspection, &artefact).map_err(|error| CompileFault::Cache {
        path: cache.to_owned(),
        error,
    })?;
    Ok(Component::new(&key, inspection, artefact.len() as u64, kept))
}

impl Component {
    fn new(key: &Key, inspection: Inspection, code_bytes: u64, file: File) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Self {
            hash: key.hash,
            inspection,
            code_bytes,
            file,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            stopped: AtomicBool::new(false),
        }
    }
}

/// What compiled code depends on.
struct Key {
    hash: [u8; 32],
    fingerprint: u64,
}

impl Key {
    fn file_name(&self) -> String {
        let hash: String = self.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{hash}-{:016x}", self.fingerprint)
    }
}

fn fingerprint() -> Result<u64, CompileFault> {
    static FINGERPRINT: OnceLock<Result<u64, String>> = OnceLock::new();
    FINGERPRINT
        .get_or_init(neospace_runner::fingerprint)
        .clone()
        .map_err(CompileFault::Engine)
}

// A file: the artefact, the inspection (postcard), the inspection's length (little-endian u32), the seal.

/// The component in a cached file, when the file is whole and ours.
fn open(path: &Path, secret: &[u8; 32], key: &Key) -> Option<Component> {
    let mut file = File::open(path).ok()?;
    let mut bytes = Vec::with_capacity(file.metadata().ok()?.len() as usize + 1);
    file.read_to_end(&mut bytes).ok()?;
    let (content, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL_BYTES)?)?;
    sealed(secret, key, content).verify_slice(seal).ok()?;
    let (content, length) = content.split_last_chunk::<4>()?;
    let code_bytes = content.len().checked_sub(u32::from_le_bytes(*length) as usize)?;
    let inspection = postcard::from_bytes(&content[code_bytes..]).ok()?;
    Some(Component::new(key, inspection, code_bytes as u64, file))
}

/// Writes the file beside its place, then moves it there: a reader finds a whole one or none.
fn keep(
    cache: &Path,
    path: &Path,
    secret: &[u8; 32],
    key: &Key,
    inspection: &Inspection,
    artefact: &[u8],
) -> io::Result<File> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(cache)?;
    let mut content = artefact.to_vec();
    let inspection = postcard::to_stdvec(inspection).map_err(io::Error::other)?;
    content.extend_from_slice(&inspection);
    content.extend_from_slice(&(inspection.len() as u32).to_le_bytes());
    let seal = sealed(secret, key, &content).finalize().into_bytes();
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    // Left behind by a process of this number that died in here.
    let _ = fs::remove_file(&temporary);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&content)?;
        file.write_all(&seal)?;
        // The seal catches a file torn by a power cut, so there is nothing to wait for.
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    forget_others(cache, path, key);
    // Opened for reading alone: this descriptor goes to the lanes.
    File::open(path)
}

/// Removes what other engines or configurations made of the same component.
fn forget_others(cache: &Path, path: &Path, key: &Key) {
    let name = key.file_name();
    let of_this = name.split('-').next().unwrap_or(&name);
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.path() != path && entry.file_name().to_string_lossy().starts_with(of_this) {
            // What can't be removed is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn sealed(secret: &[u8; 32], key: &Key, content: &[u8]) -> Hmac<Sha256> {
    let mut seal = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    seal.update(SEAL_PURPOSE);
    seal.update(&key.hash);
    seal.update(&key.fingerprint.to_le_bytes());
    seal.update(content);
    seal
}

/// Runs the compiling process.
fn compile(wasm: &[u8], options: &CompileOptions) -> Result<(Inspection, Vec<u8>), CompileFault> {
    let until = Instant::now() + options.deadline;
    let failed = |error: io::Error| CompileFault::Died(error.to_string());
    let mut child = Killed(start(wasm, &options.executable).map_err(failed)?);
    let stdout = child.0.stdout.take().expect("stdout is piped");
    let answer = read_until(stdout, until, HEADER_BYTES + HEAD_BYTES + ARTEFACT_BYTES).map_err(|error| {
        if error.kind() == io::ErrorKind::TimedOut {
            CompileFault::Deadline(options.deadline)
        } else {
            failed(error)
        }
    })?;
    let Some((head, artefact)) = split(&answer) else {
        // It has closed its end, so it is ending; `Killed` sees to it that it does.
        let status = child.0.wait().map_err(failed)?;
        return Err(CompileFault::Died(status.to_string()));
    };
    let Compiled { inspection, layers } = head.map_err(CompileFault::Refused)?;
    let missing = missing_layers(&layers);
    if options.require_confinement && !missing.is_empty() {
        return Err(CompileFault::Unconfined(missing));
    }
    Ok((inspection, artefact.to_vec()))
}

fn start(wasm: &[u8], executable: &Path) -> io::Result<Child> {
    // A nameless file rather than a pipe: whoever reads it can't make us wait.
    let mut input = File::from(rustix::fs::memfd_create("component", rustix::fs::MemfdFlags::CLOEXEC)?);
    input.write_all(wasm)?;
    input.rewind()?;
    Command::new(executable)
        .arg("compile")
        .env_clear()
        .envs(super::lanes::ALLOCATOR)
        .current_dir("/")
        .stdin(Stdio::from(input))
        .stdout(Stdio::piped())
        .spawn()
}

/// A child that does not outlive this value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_until(mut stdout: ChildStdout, until: Instant, most: usize) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut part = vec![0; 256 * 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = rustix::event::Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut poll = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::IN)];
        match rustix::event::poll(&mut poll, Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match stdout.read(&mut part)? {
            0 => return Ok(answer),
            read => answer.extend_from_slice(&part[..read]),
        }
        if answer.len() > most {
            return Err(io::Error::other("its answer is over 64 MiB"));
        }
    }
}

fn split(answer: &[u8]) -> Option<(Head, &[u8])> {
    let (length, rest) = answer.split_first_chunk::<HEADER_BYTES>()?;
    let (head, artefact) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((postcard::from_bytes(head).ok()?, artefact))
}

/// The layers of [`neospace_runner::confine::REQUIRED`] that are not among those in force.
pub(crate) fn missing_layers(layers: &[String]) -> Vec<&'static str> {
    let missing = neospace_runner::confine::REQUIRED
        .into_iter()
        .filter(|required| !layers.iter().any(|layer| layer == required));
    missing.collect()
}
