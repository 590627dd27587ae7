//! The developer's commands, run as `cargo xtask …`.
//!
//! They only call other programs (cargo, rustup, apt-get, npm), so that this crate compiles in seconds and a fresh
//! machine gets from a clone to a running platform with one command.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};

mod vendor;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "NeoSpace's commands for developers")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the host and the plugins, and serve them with demo members on 127.0.0.1:5000
    Run {
        /// Build with optimisations (a minute or more the first time)
        #[arg(long)]
        release: bool,
        /// Passed to `neospace serve`: --listen, --data, --config …
        #[arg(last = true)]
        serve: Vec<OsString>,
    },
    /// Set up what the tests need, and run every test
    Test {
        /// Passed to the test runner: a filter such as `signs`, or its options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        runner: Vec<OsString>,
    },
    /// Measure the product beside bare baselines, in release mode: --json, --only METRIC
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Build the plugins that ship into the target directory's `plugins/`
    Plugins,
    /// Compare the vendored browser code with what its authors publish, or take in more of it
    Vendor {
        /// An npm package, with its exact version and the files of it to take; without, everything is compared
        #[arg(requires = "version")]
        package: Option<String>,
        /// Its exact version, e.g. 0.8.0
        #[arg(requires = "files")]
        version: Option<String>,
        /// Files of the package, e.g. dist/idiomorph.esm.js
        files: Vec<String>,
        /// The folder to put them into
        #[arg(long, default_value = "static/vendor")]
        to: PathBuf,
    },
    /// Check licences, bans and sources of all dependencies, and advisories where their database can be reached
    Deny,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    env::set_current_dir(root())?;
    match arguments.task {
        Task::Run { release, serve } => run(release, serve),
        Task::Test { runner } => test(runner),
        Task::Bench { arguments } => bench(arguments),
        Task::Plugins => build_plugins(&build_host(false)?).map(drop),
        Task::Vendor {
            package: Some(package),
            version: Some(version),
            files,
            to,
        } => vendor::take(&package, &version, &files, &to),
        Task::Vendor { .. } => ["static/vendor", "tests/vendor"]
            .iter()
            .try_for_each(|folder| vendor::compare(Path::new(folder))),
        Task::Deny => deny(),
    }
}

/// Builds everything and becomes `neospace serve` with a data directory of its own.
fn run(release: bool, serve: Vec<OsString>) -> Result<()> {
    let neospace = build_host(release)?;
    let plugins = build_plugins(&neospace)?;
    let data = root().join("data");
    let mut command = Command::new(&neospace);
    command.args(["serve", "--demo", "--dev"]);
    if !given(&serve, "--config") {
        if !given(&serve, "--data") {
            command.arg("--data").arg(&data);
        }
        command.arg("--config").arg(dev_config(&data, &plugins)?);
    }
    if !given(&serve, "--listen") {
        command.args(["--listen", "127.0.0.1:5000"]);
    }
    command.args(serve);
    // Replaced rather than run as a child, so that Ctrl-C and signals reach the host itself.
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Err(error).with_context(|| format!("cannot start {}", neospace.display()))
}

/// Runs every test: first the documentation's examples, then all others, whose summary comes last.
fn test(runner: Vec<OsString>) -> Result<()> {
    need_packages(&[("chromium", "chromium"), ("caddy", "caddy"), ("curl", "curl")])?;
    let neospace = build_host(false)?;
    build_plugins(&neospace)?;
    if runner.is_empty() {
        call(cargo().args(["test", "--quiet", "--doc", "--workspace"]))?;
    }
    if succeeds(cargo().args(["nextest", "--version"])) {
        call(
            cargo()
                .args(["nextest", "run", "--workspace", "--no-fail-fast"])
                .args(runner),
        )
    } else {
        // Each test starts a host of its own, and some a browser: more at once than cores only brings timeouts.
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let mut tests = cargo();
        tests.args([
            "test",
            "--workspace",
            "--all-targets",
            "--no-fail-fast",
            "--exclude",
            "neospace-bench",
        ]);
        call(tests.args(runner).env("RUST_TEST_THREADS", cores.to_string()))
    }
}

/// Builds the release with the program that measures it, and lets that one say how fast it is.
fn bench(arguments: Vec<OsString>) -> Result<()> {
    need_targets()?;
    call(
        cargo()
            .args(BUILD)
            .args(["--release", "--bin", "neospace", "--bin", "neospace-bench"]),
    )?;
    let release = target().join("release");
    let neospace = release.join("neospace");
    build_plugins(&neospace)?;
    let mut guests = Command::new(&neospace);
    guests.args(["plugin", "build", "--all", "bench/guests", "--out-dir"]);
    call(guests.arg(target().join("bench-guests")))?;
    call(Command::new(release.join("neospace-bench")).args(arguments))
}

/// Licences, bans and sources must hold; advisories too, unless their database is out of reach, which is said.
fn deny() -> Result<()> {
    let deny = cargo_tool("cargo-deny")?;
    let check = |what: &[&str]| {
        let mut command = Command::new(&deny);
        command
            .args(["--all-features", "check", "--hide-inclusion-graph"])
            .args(what);
        command
    };
    call(&mut check(&["licenses", "bans", "sources"]))?;
    if succeeds(Command::new(&deny).args(["fetch", "db"])) {
        call(&mut check(&["--disable-fetch", "advisories"]))
    } else {
        eprintln!(
            "xtask: NOT CHECKED: advisories. Their database (github.com/rustsec/advisory-db) cannot be reached from here."
        );
        Ok(())
    }
}

/// Whatever is built is chosen out of the whole workspace, as the tests are: Cargo gives a dependency the features that all chosen
/// packages want, so that for fewer packages it would be built once more (wasmtime among others, for minutes).
const BUILD: [&str; 2] = ["build", "--workspace"];

/// Builds `neospace` and says where it is.
fn build_host(release: bool) -> Result<PathBuf> {
    need_targets()?;
    let mut build = cargo();
    build.args(BUILD).args(["--bin", "neospace"]);
    if release {
        build.arg("--release");
    }
    call(&mut build)?;
    Ok(target()
        .join(if release { "release" } else { "debug" })
        .join("neospace"))
}

/// Builds each folder of `plugins/` into the target directory's `plugins/NAME.wasm`; says their names. Cargo leaves out
/// what is unchanged.
fn build_plugins(neospace: &Path) -> Result<Vec<String>> {
    let mut build = Command::new(neospace);
    call(
        build
            .args(["plugin", "build", "--all", "plugins", "--out-dir"])
            .arg(target().join("plugins")),
    )?;
    let folders = fs::read_dir("plugins")?
        .filter_map(Result::ok)
        .filter(|folder| folder.path().join("plugin.toml").exists());
    let mut names: Vec<_> = folders
        .filter_map(|folder| folder.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// Puts the plugins into the data directory, and a configuration that loads them all beside them if there is none yet.
fn dev_config(data: &Path, plugins: &[String]) -> Result<PathBuf> {
    fs::create_dir_all(data.join("plugins"))?;
    let mut stanzas = String::from(
        "# Written by `cargo xtask run`, yours to change. Every key is described in docs/operators.\n\
         # Plugins need no checksum here because the host is started with --dev.\n\
         name = \"NeoSpace\"\n\
         registration = \"open\"\n",
    );
    for name in plugins {
        let wasm = target().join(format!("plugins/{name}.wasm"));
        let copy = data.join("plugins").join(format!("{name}.wasm"));
        if fs::read(&copy).ok() != Some(fs::read(&wasm)?) {
            fs::copy(&wasm, &copy)?;
        }
        let manifest = fs::read_to_string(format!("plugins/{name}/plugin.toml"))?;
        let grants = capabilities(&manifest);
        stanzas += &format!("\n[plugin.{name}]\nsource = \"plugins/{name}.wasm\"\ngrants = {grants:?}\n");
    }
    let config = data.join("neospace.toml");
    if !config.exists() {
        fs::write(&config, stanzas)?;
    }
    Ok(config)
}

/// What a manifest asks for: the keys of its table `[capabilities]`.
fn capabilities(manifest: &str) -> Vec<&str> {
    let lines = manifest
        .lines()
        .skip_while(|line| line.trim() != "[capabilities]")
        .skip(1);
    let table = lines.take_while(|line| !line.starts_with('['));
    table
        .filter_map(|line| line.split_once('='))
        .map(|(key, _)| key.trim())
        .filter(|key| !key.starts_with('#'))
        .collect()
}

/// Adds the WebAssembly targets where they are missing.
fn need_targets() -> Result<()> {
    let sysroot = read(Command::new("rustc").args(["--print", "sysroot"]))?;
    for target in ["wasm32-unknown-unknown", "wasm32-wasip2"] {
        if Path::new(sysroot.trim())
            .join("lib/rustlib")
            .join(target)
            .join("lib")
            .exists()
        {
            continue;
        }
        call(Command::new("rustup").args(["target", "add", target]))
            .with_context(|| format!("the target {target} is missing, and rustup could not add it: install it with your distribution's Rust packages"))?;
    }
    Ok(())
}

/// Installs the distribution's packages for the programs that are missing, or says which to install.
fn need_packages(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<_> = programs
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = read(Command::new("id").arg("-u"))?.trim() == "0";
    let install = format!("apt-get install {}", missing.join(" "));
    ensure!(
        root && find("apt-get").is_some(),
        "the tests need {}, which is not installed, and this user may not install packages here. As root: {install}",
        missing.join(" and ")
    );
    let apt = |arguments: &[&str]| {
        call(
            Command::new("apt-get")
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    apt(&["update", "--quiet"]).context(install.clone())?;
    let arguments = [
        &["install", "--yes", "--quiet", "--no-install-recommends"],
        missing.as_slice(),
    ]
    .concat();
    apt(&arguments).context(install)
}

/// A cargo subcommand's program, installed into the user's cache when there is none.
fn cargo_tool(name: &str) -> Result<PathBuf> {
    if let Some(path) = find(name) {
        return Ok(path);
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    let tools = cache.join("neospace/tools");
    let path = tools.join("bin").join(name);
    if !path.exists() {
        eprintln!(
            "xtask: installing {name} into {} (once; takes some minutes)",
            tools.display()
        );
        call(cargo().args(["install", "--locked", "--root"]).arg(&tools).arg(name))?;
    }
    Ok(path)
}

/// The workspace's root folder, as Cargo says when it runs this: a build that clones share may have been made in another.
fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&here).parent();
        root.expect("xtask/ lies in the workspace").to_owned()
    });
    &ROOT
}

/// The workspace's target directory.
fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Whether `flag` stands among `arguments`, as `--flag value` or `--flag=value`.
fn given(arguments: &[OsString], flag: &str) -> bool {
    arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .any(|argument| argument == flag || argument.starts_with(&format!("{flag}=")))
}

/// Where `PATH` has a program.
fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Runs a command and demands that it succeeds.
fn call(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// Runs a command for its output.
fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} wrote something that is not UTF-8"))
}

/// Runs a command quietly, only to see whether it succeeds.
fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
