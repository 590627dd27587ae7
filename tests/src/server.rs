//! The real program on a temporary data directory.

use std::{
    fs,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::{
    PATIENCE, Person, eventually,
    faults::Faults,
    process::{Log, Process},
};

/// How long an orderly shutdown may take.
const SHUTDOWN: Duration = Duration::from_secs(15);

/// The file with the commands for its faults, in its folder.
const FAULTS: &str = "faults";

/// A running `neospace serve`. Dropping it ends it with SIGTERM and demands an orderly end.
pub struct Server {
    program: Option<Child>,
    address: SocketAddr,
    log: Log,
    folder: TempDir,
    how: How,
    expected: Mutex<Vec<String>>,
}

/// How the program is called.
#[derive(Default)]
struct How {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// The size of a disk of its own that the data directory lies on, in MiB.
    disk_mib: Option<u32>,
}

/// What a server is started with.
pub struct Builder {
    folder: TempDir,
    config: DocumentMut,
    how: How,
    expected: Vec<String>,
}

impl Server {
    /// Starts a server with the default configuration, open registration and no plugins.
    pub fn start() -> Server {
        Self::builder().start()
    }

    /// A server to be configured first.
    pub fn builder() -> Builder {
        let folder = TempDir::with_prefix("neospace-test-").expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("plugins")).expect("a new folder is empty");
        // Tests press faster than people do; what holds those back has a test of its own.
        let config = "registration = \"open\"\n[limits]\nactions = 100000\nposts_per_minute = 1000000\n\
            room_posts_per_minute = 1000000\naddress_posts_per_minute = 1000000\n"
            .parse()
            .expect("this is TOML");
        Builder {
            folder,
            config,
            how: How::default(),
            expected: Vec::new(),
        }
    }

    /// Somebody without an account.
    pub fn guest(&self) -> Person {
        Person::new("guest", self.address)
    }

    /// Somebody who goes by this name, without an account or not logged in.
    pub fn guest_called(&self, name: &str) -> Person {
        Person::new(name, self.address)
    }

    /// Somebody new with an account, logged in.
    pub fn person(&self, name: &str) -> Person {
        let person = self.guest_called(name);
        person.register();
        person
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a page, such as `/wall/ana`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The temporary folder with `neospace.toml`, `data/` and `plugins/`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The data directory as the server itself sees it: also where it lies on a disk of its own.
    pub fn data_inside(&self) -> PathBuf {
        let data = self.data();
        Path::new(&format!("/proc/{}/root", self.pid())).join(data.strip_prefix("/").expect("it is absolute"))
    }

    /// What lets its disk and its clock fail, for one that was started with [`Builder::faulty`].
    pub fn faults(&self) -> Faults {
        Faults::of(&self.folder.path().join(FAULTS))
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("neospace.toml")
    }

    /// The host's process.
    pub fn pid(&self) -> u32 {
        self.program.as_ref().expect("the server runs").id()
    }

    /// The processes that the host has started: lanes, and compilations under way.
    pub fn children(&self) -> Vec<Process> {
        Process::descendants(self.pid())
    }

    /// What it wrote to its standard output and error.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Waits for a line with these words in the log.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn wait_in_log(&self, words: &str) {
        let found = self.log.wait_for(0, |line| line.contains(words).then_some(()));
        assert!(
            found.is_some(),
            "no line says {words:?}:\n{}",
            self.log.lines().join("\n")
        );
    }

    /// Permits lines with this text in the log, although they tell of an error or a panic.
    pub fn expect_in_log(&self, text: &str) {
        self.expected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text.into());
    }

    /// The database, to be looked at from outside.
    pub fn database(&self) -> rusqlite::Connection {
        let file = self.data().join("neospace.db");
        rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
            .expect("the database can be read")
    }

    /// A copy of the database as it lies on the disk at this moment, for one that can't be opened where it is:
    /// [`Builder::disk_mib`].
    pub fn database_copy(&self) -> rusqlite::Connection {
        let (from, to) = (self.data_inside(), self.folder.path().join("copy"));
        fs::create_dir(&to).expect("one copy is made");
        // SAFETY: kill touches no memory of this process, and the server is our child.
        let signal = |signal| unsafe { libc::kill(self.pid() as i32, signal) };
        // Held still meanwhile: what is half written then is what a power cut would leave.
        signal(libc::SIGSTOP);
        let copied = ["neospace.db", "neospace.db-wal"].map(|name| fs::copy(from.join(name), to.join(name)));
        signal(libc::SIGCONT);
        for copied in copied {
            copied.expect("both are there");
        }
        rusqlite::Connection::open(to.join("neospace.db")).expect("it can be read")
    }

    /// Changes the configuration file in one step, as an editor does. The server notices by itself.
    pub fn edit_config(&self, change: impl FnOnce(&mut DocumentMut)) {
        let mut config: DocumentMut = fs::read_to_string(self.config_file())
            .expect("the file exists")
            .parse()
            .expect("it is TOML");
        change(&mut config);
        self.write_config(&config.to_string());
    }

    /// Replaces the configuration file in one step with this text, valid or not.
    pub fn write_config(&self, text: &str) {
        let new = self.folder.path().join("neospace.toml.new");
        fs::write(&new, text).expect("the folder can be written");
        fs::rename(new, self.config_file()).expect("the file can be replaced");
    }

    /// Runs `neospace ARGUMENTS --config …` as the operator, in the server's folder.
    pub fn operator(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(neospace());
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config_file())
            .current_dir(self.folder.path());
        command.output().expect("the program can be started")
    }

    /// Ends the server with SIGTERM and starts it again on the same data, at the same address.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Starts it again after [`Server::stop`] or [`Server::kill`], on the same data, at the same address.
    pub fn start_again(&mut self) {
        assert!(self.program.is_none(), "the server still runs");
        let (seen, address) = (self.log.lines().len(), self.address.to_string());
        (self.program, self.address) = launch(self.folder.path(), &address, &self.how, &self.log, seen);
    }

    /// Kills the host as a power cut would: SIGKILL, and its lanes must notice by themselves.
    pub fn kill(&mut self) {
        let children = self.children();
        let mut program = self.program.take().expect("the server runs");
        program.kill().expect("it can be killed");
        program.wait().expect("it is our child");
        none_left(&children);
        self.log.wait_for_end();
    }

    /// Waits until the server ends by itself, and says how. What it has logged until then is as a test wants it.
    ///
    /// # Panics
    /// When it goes on.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let children = self.children();
        let mut program = self.program.take().expect("the server runs");
        let status = wait(&mut program, PATIENCE);
        let _ = program.kill();
        let _ = program.wait();
        none_left(&children);
        self.log.wait_for_end();
        status.expect("the server goes on")
    }

    /// The memory that the host itself takes: its resident set, in bytes.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .map(str::parse::<u64>);
        kib.expect("the kernel says it").expect("it is a number") * 1024
    }

    /// Ends the server with SIGTERM, and demands an orderly end.
    ///
    /// # Panics
    /// When it doesn't end in time or with another code than 0, leaves processes behind, or has logged a panic or an
    /// error that the test didn't expect.
    pub fn stop(&mut self) {
        let Some(mut program) = self.program.take() else { return };
        let children = Process::descendants(program.id());
        // SAFETY: kill touches no memory of this process; the child was not waited for, so the number is still its own.
        unsafe { libc::kill(program.id() as i32, libc::SIGTERM) };
        let status = wait(&mut program, SHUTDOWN);
        if status.is_none() {
            program.kill().expect("it can be killed");
            program.wait().expect("it is our child");
        }
        none_left(&children);
        self.log.wait_for_end();
        let status = status.unwrap_or_else(|| {
            panic!(
                "the server didn't end within {SHUTDOWN:?} of SIGTERM; its log:\n{}",
                self.log.lines().join("\n")
            )
        });
        assert!(
            status.success(),
            "the server ended with {status}; its log:\n{}",
            self.log.lines().join("\n")
        );
        self.check_log();
    }

    fn check_log(&self) {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bad = |line: &&String| {
            line.contains("panicked") || line.contains(" ERROR ") || line.contains("\"level\":\"ERROR\"")
        };
        let lines = self.log.lines();
        let faults: Vec<_> = lines
            .iter()
            .filter(bad)
            .filter(|line| !expected.iter().any(|text| line.contains(text)))
            .collect();
        assert!(
            faults.is_empty(),
            "the server logged what no test expected: {faults:#?}"
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            if let Some(mut program) = self.program.take() {
                let _ = program.kill();
                let _ = program.wait();
            }
            let lines = self.log.lines();
            eprintln!(
                "--- the server's log\n{}\n---",
                lines[lines.len().saturating_sub(80)..].join("\n")
            );
        } else {
            self.stop();
        }
    }
}

impl Builder {
    /// Adds this TOML to the configuration. Of a table that is there already, keys are added or replaced.
    pub fn config(mut self, toml: &str) -> Self {
        let more: DocumentMut = toml.parse().unwrap_or_else(|error| panic!("{error}"));
        merge(self.config.as_table_mut(), more.as_table());
        self
    }

    /// Installs plugins that ship, each granted everything it asks for.
    pub fn plugins(self, names: &[&str]) -> Self {
        names.iter().fold(self, |builder, name| builder.plugin(name))
    }

    /// Installs a plugin that ships, granted everything it asks for.
    pub fn plugin(self, name: &str) -> Self {
        let manifest = crate::root().join(format!("plugins/{name}/plugin.toml"));
        let manifest = fs::read_to_string(&manifest).unwrap_or_else(|error| panic!("{}: {error}", manifest.display()));
        let manifest: DocumentMut = manifest.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let asked = manifest.get("capabilities").and_then(Item::as_table_like);
        let grants: Vec<_> = asked
            .map(|asked| asked.iter().map(|(capability, _)| capability).collect())
            .unwrap_or_default();
        self.plugin_granted(name, &grants)
    }

    /// Installs a plugin that ships with these grants. It has seconds for a call: on a machine that compiles, and runs
    /// other tests, its usual milliseconds may pass without a turn.
    pub fn plugin_granted(self, name: &str, grants: &[&str]) -> Self {
        let wasm = fs::read(crate::plugin(name)).expect("it was built");
        let mut builder = self.component(name, &wasm, grants);
        builder.config["plugin"][name]["limits"]["render_ms"] = value(5_000);
        builder.config["plugin"][name]["limits"]["act_ms"] = value(5_000);
        builder.config["plugin"][name]["limits"]["filter_ms"] = value(5_000);
        builder
    }

    /// Installs any component under this name, pinned, with these grants.
    pub fn component(mut self, name: &str, wasm: &[u8], grants: &[&str]) -> Self {
        let (source, stanza) = stanza(self.folder.path(), name, wasm, grants);
        fs::write(source, wasm).expect("the folder can be written");
        let plugins = self.config.entry("plugin").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        plugins[name] = Item::Table(stanza);
        self
    }

    /// Adds an argument for `neospace serve`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.how.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.how.variables.push((name.into(), value.into()));
        self
    }

    /// Puts the data directory on a disk of its own of so many MiB, which can be filled: [`Server::data_inside`].
    /// Needs `unshare` and the right to make a user namespace.
    pub fn disk_mib(mut self, mib: u32) -> Self {
        fs::create_dir(self.folder.path().join("data")).expect("a new folder is empty");
        self.how.disk_mib = Some(mib);
        self
    }

    /// Lets its disk and its clock fail on command: [`Server::faults`].
    pub fn faulty(mut self) -> Self {
        let variables = Faults::prepare(&self.folder.path().join(FAULTS));
        self.how.variables.extend(variables);
        self
    }

    /// Permits lines with this text in the log, although they tell of an error or a panic.
    pub fn expect_in_log(mut self, text: &str) -> Self {
        self.expected.push(text.into());
        self
    }

    /// The folder that it will run in, to put files there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// When it doesn't; shows its log.
    pub fn start(self) -> Server {
        fs::write(self.folder.path().join("neospace.toml"), self.config.to_string())
            .expect("the folder can be written");
        let log = Log::default();
        let (program, address) = launch(self.folder.path(), "127.0.0.1:0", &self.how, &log, 0);
        let Builder {
            folder, how, expected, ..
        } = self;
        Server {
            program,
            address,
            log,
            folder,
            how,
            expected: Mutex::new(expected),
        }
    }

    /// Starts it, and waits until it has refused to: what it wrote and with which status it ended.
    ///
    /// # Panics
    /// When it runs instead.
    pub fn refuse(self) -> (ExitStatus, String) {
        fs::write(self.folder.path().join("neospace.toml"), self.config.to_string())
            .expect("the folder can be written");
        refuse(self.folder.path(), &self.how)
    }

    /// As [`Builder::refuse`], with this text as its whole configuration.
    pub fn refuse_config(self, text: &str) -> (ExitStatus, String) {
        fs::write(self.folder.path().join("neospace.toml"), text).expect("the folder can be written");
        refuse(self.folder.path(), &self.how)
    }
}

/// The stanza that installs a component under `folder`, and the file that it names.
pub fn stanza(folder: &Path, name: &str, wasm: &[u8], grants: &[&str]) -> (PathBuf, Table) {
    let mut stanza = Table::new();
    stanza["source"] = value(format!("plugins/{name}.wasm"));
    stanza["sha256"] = value(sha256(wasm));
    stanza["grants"] = value(grants.iter().copied().collect::<Array>());
    (folder.join(format!("plugins/{name}.wasm")), stanza)
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The `neospace` of this build.
///
/// # Panics
/// When there is none, or it is older than what it is made from: a test would be about another program.
pub fn neospace() -> PathBuf {
    let program = crate::build_folder().join("neospace");
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let built = modified(&program)
        .unwrap_or_else(|| panic!("{} is missing: run `cargo build -p neospace` first", program.display()));
    // Cargo lists there, in the syntax of make, what the program was built from.
    let sources = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    for source in sources
        .split_once(": ")
        .map(|(_, sources)| sources)
        .unwrap_or_default()
        .split_whitespace()
    {
        assert!(
            modified(Path::new(source)) <= Some(built),
            "{} is older than {source}: run `cargo build -p neospace` first",
            program.display()
        );
    }
    program
}

fn serve(folder: &Path, listen: &str, how: &How) -> Command {
    let How {
        arguments,
        variables,
        disk_mib,
    } = how;
    let mut command = match disk_mib {
        None => Command::new(neospace()),
        Some(mib) => {
            // Mounted where only this process and its children see it, by a user who is root only there.
            let mut command = Command::new("unshare");
            let mount = format!("mount -t tmpfs -o size={mib}m,mode=700 neospace-test data && exec \"$@\"");
            command
                .args(["--map-root-user", "--mount", "sh", "-c", &mount, "sh"])
                .arg(neospace());
            command
        }
    };
    command.arg("serve").arg("--config").arg(folder.join("neospace.toml"));
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if !given("--listen") {
        command.args(["--listen", listen]);
    }
    if !given("--data") {
        command.arg("--data").arg(folder.join("data"));
    }
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NEOSPACE_")) {
        command.env_remove(name);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    // A group of its own, so that Ctrl-C at the tests doesn't reach it: the harness ends it.
    command.process_group(0);
    command
}

fn launch(folder: &Path, listen: &str, how: &How, log: &Log, from: usize) -> (Option<Child>, SocketAddr) {
    let mut program = serve(folder, listen, how).spawn().expect("the program can be started");
    log.follow(program.stdout.take().expect("it was piped"));
    log.follow(program.stderr.take().expect("it was piped"));
    let Some(address) = log.wait_for(from, listening) else {
        let _ = program.kill();
        let _ = program.wait();
        panic!("the server doesn't listen; its log:\n{}", log.lines().join("\n"));
    };
    (Some(program), address)
}

fn refuse(folder: &Path, how: &How) -> (ExitStatus, String) {
    let log = Log::default();
    let mut program = serve(folder, "127.0.0.1:0", how)
        .spawn()
        .expect("the program can be started");
    log.follow(program.stdout.take().expect("it was piped"));
    log.follow(program.stderr.take().expect("it was piped"));
    let status = wait(&mut program, PATIENCE);
    let _ = program.kill();
    let _ = program.wait();
    log.wait_for_end();
    let text = log.lines().join("\n");
    (
        status.unwrap_or_else(|| panic!("the server started instead of refusing to:\n{text}")),
        text,
    )
}

/// The address in the log's line about listening.
fn listening(line: &str) -> Option<SocketAddr> {
    if !line.to_ascii_lowercase().contains("listening") {
        return None;
    }
    let words = line.split(|character: char| !(character.is_ascii_digit() || character == '.' || character == ':'));
    words
        .filter_map(|word| word.trim_end_matches(['.', ':']).parse().ok())
        .next()
}

fn wait(program: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < patience {
        if let Some(status) = program.try_wait().expect("it is our child") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Demands that none of these processes is left, granting them a moment.
fn none_left(processes: &[Process]) {
    for process in processes {
        eventually(
            &format!(
                "the end of {} {}, which the server left behind",
                process.name(),
                process.pid
            ),
            || (!process.runs()).then_some(()),
        );
    }
}

/// Puts what is in `from` into `into`, table by table.
fn merge(into: &mut Table, from: &Table) {
    for (key, item) in from {
        match (into.get_mut(key).and_then(Item::as_table_mut), item.as_table()) {
            (Some(into), Some(from)) => merge(into, from),
            _ => {
                into.insert(key, item.clone());
            }
        }
    }
}
