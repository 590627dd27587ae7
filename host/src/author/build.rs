//! `neospace plugin build`: from a project to one `.wasm` file. The same sources give the same bytes wherever they lie:
//! paths are mapped away, and nothing of the time or the machine goes in.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow, bail};
use neospace_runner::protocol::{Grants, Inspection};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Build, project::Project};
use crate::plugins::{grants, manifest::embed};

/// What Rust plugins are compiled for: nothing is there but what the contract gives.
const TARGET: &str = "wasm32-unknown-unknown";
/// The guest's stack in its linear memory, in bytes: what a fresh instance has to touch stays small.
const STACK_BYTES: u32 = 32 * 1024;
/// The profile of a workspace that brings none called `plugin`: small, and no unwinding tables.
const PROFILE: [&str; 6] = [
    "profile.plugin.inherits='release'",
    "profile.plugin.opt-level='s'",
    "profile.plugin.lto=true",
    "profile.plugin.codegen-units=1",
    "profile.plugin.panic='abort'",
    "profile.plugin.strip='debuginfo'",
];

/// A plugin ready to hand over.
pub struct Built {
    /// The plugin's id.
    pub id: String,
    /// Component and manifest.
    pub bytes: Vec<u8>,
    /// Where its file belongs when nothing else was asked for.
    pub default_out: PathBuf,
}

/// Where the messages of cargo and the compiler go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// To standard error, as they come.
    Show,
    /// Into the error, without colours.
    Keep,
}

/// The command: builds, writes, prints what came out.
pub fn main(options: &Build) -> Result<()> {
    if let (Some(all), Some(out_dir)) = (&options.all, &options.out_dir) {
        for built in build(&Project::all(all)?, Messages::Show)? {
            let out = out_dir.join(format!("{}.wasm", built.id));
            write_file(&out, &built.bytes)?;
            println!(
                "{:<18} {:>7}  {}  {}",
                built.id,
                kib(built.bytes.len()),
                hash(&built.bytes),
                out.display()
            );
        }
        return Ok(());
    }
    let project = Project::open(&options.dir)?;
    let built = match &options.wasm {
        Some(file) => pack_file(&project, file)?,
        None => build_one(project, Messages::Show)?,
    };
    let out = options.out.as_ref().unwrap_or(&built.default_out);
    write_file(out, &built.bytes)?;
    println!("{}", summary(&built.bytes, out)?);
    Ok(())
}

/// Builds one project.
pub fn build_one(project: Project, messages: Messages) -> Result<Built> {
    build(&[project], messages)?
        .pop()
        .ok_or_else(|| anyhow!("nothing was built"))
}

/// Builds projects, with one run of cargo for each workspace that they belong to; the answers are in the projects' order.
pub fn build(projects: &[Project], messages: Messages) -> Result<Vec<Built>> {
    let dirs: Vec<&Path> = projects.iter().map(|project| project.dir.as_path()).collect();
    let components = components(&dirs, messages)?;
    let pack = |(project, component): (&Project, Component)| {
        Ok(Built {
            id: project.id.clone(),
            bytes: embed(&component.bytes, &project.manifest)?,
            default_out: component.out_dir.join(format!("{}.wasm", project.id)),
        })
    };
    projects.iter().zip(components).map(pack).collect()
}

/// A component without its manifest.
pub struct Component {
    /// The component.
    pub bytes: Vec<u8>,
    /// The folder for plugins beside cargo's own output.
    out_dir: PathBuf,
}

/// The components of the cargo packages in some folders, in their order.
pub fn components(dirs: &[&Path], messages: Messages) -> Result<Vec<Component>> {
    let packages = dirs.iter().map(|dir| find_package(dir)).collect::<Result<Vec<_>>>()?;
    let mut workspaces: BTreeMap<&Path, Vec<&Package>> = BTreeMap::new();
    for package in &packages {
        workspaces.entry(&package.workspace_root).or_default().push(package);
    }
    let mut modules = BTreeMap::new();
    for (root, members) in workspaces {
        modules.extend(compile(root, &members, messages)?);
    }
    let read = |(dir, package): (&&Path, &Package)| {
        let file = modules
            .get(&package.id)
            .ok_or_else(|| anyhow!("cargo built {}, but no .wasm file came out", dir.display()))?;
        let bytes = componentise(&fs::read(file).with_context(|| file.display().to_string())?)
            .with_context(|| dir.display().to_string())?;
        Ok(Component {
            bytes,
            out_dir: package.target_directory.join("plugins"),
        })
    };
    dirs.iter().zip(&packages).map(read).collect()
}

/// Packs a `.wasm` file that another tool built.
pub fn pack_file(project: &Project, file: &Path) -> Result<Built> {
    let default_out = project.dir.join("target/plugins").join(format!("{}.wasm", project.id));
    Ok(Built {
        id: project.id.clone(),
        bytes: embed(&read_component(file)?, &project.manifest)?,
        default_out,
    })
}

/// The component in a file, which may hold a core module that names its world.
pub fn read_component(file: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(file).map_err(|error| anyhow!("{}: {error}", file.display()))?;
    componentise(&bytes).with_context(|| file.display().to_string())
}

/// A cargo package, of what `cargo metadata` tells.
struct Package {
    id: String,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

fn find_package(dir: &Path) -> Result<Package> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Entry>,
        workspace_root: PathBuf,
        target_directory: PathBuf,
    }
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        manifest_path: PathBuf,
        targets: Vec<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        crate_types: Vec<String>,
    }

    let manifest = dir.join("Cargo.toml");
    if !manifest.is_file() {
        bail!(
            "there is no Cargo.toml in {}: for a plugin in another language, build it with that language's tools, then \
             `neospace plugin build {} --wasm FILE`",
            dir.display(),
            dir.display(),
        );
    }
    let output = cargo(dir)
        .args([
            "metadata",
            "--no-deps",
            "--format-version=1",
            "--color=never",
            "--manifest-path",
        ])
        .arg(&manifest)
        .output()
        .map_err(no_cargo)?;
    if !output.status.success() {
        bail!(
            "{}",
            String::from_utf8_lossy(&output.stderr)
                .trim()
                .trim_start_matches("error: ")
        );
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("what `cargo metadata` printed")?;
    let Some(entry) = metadata
        .packages
        .into_iter()
        .find(|entry| entry.manifest_path == manifest)
    else {
        bail!(
            "{}: this is a workspace without a package: name the plugin's own folder",
            manifest.display()
        );
    };
    if !entry
        .targets
        .iter()
        .any(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    {
        bail!(
            "{}: a plugin is a library of the kind `cdylib`: write\n\n    [lib]\n    crate-type = [\"cdylib\"]\n",
            manifest.display()
        );
    }
    Ok(Package {
        id: entry.id,
        workspace_root: metadata.workspace_root,
        target_directory: metadata.target_directory,
    })
}

/// Runs cargo once for some packages of one workspace; answers the core module of each package id.
fn compile(root: &Path, packages: &[&Package], messages: Messages) -> Result<BTreeMap<String, PathBuf>> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        #[serde(default)]
        package_id: String,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }

    require_target(root)?;
    let mut command = cargo(root);
    command
        .args(["build", "--profile=plugin", "--lib", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .args(if messages == Messages::Keep {
            &["--quiet", "--color=never"][..]
        } else {
            &["--color=auto"]
        })
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(root)?)
        // What was compiled piece by piece has other bytes: the same sources give the same file.
        .env("CARGO_INCREMENTAL", "0")
        .stderr(if messages == Messages::Keep {
            Stdio::piped()
        } else {
            Stdio::inherit()
        });
    for package in packages {
        command.args(["--package", &package.id]);
    }
    if !has_profile(root)? {
        for setting in PROFILE {
            command.args(["--config", setting]);
        }
    }
    let output = command.output().map_err(no_cargo)?;
    if !output.status.success() {
        match messages {
            Messages::Show => bail!("cargo could not build this: its messages are above"),
            Messages::Keep => bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
        }
    }
    let mut modules = BTreeMap::new();
    for line in output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let message: Message = serde_json::from_slice(line).context("what `cargo build` printed")?;
        if message.reason != "compiler-artifact" || !packages.iter().any(|package| package.id == message.package_id) {
            continue;
        }
        let module = message
            .filenames
            .into_iter()
            .find(|file| file.extension().is_some_and(|e| e == "wasm"));
        modules.extend(module.map(|file| (message.package_id, file)));
    }
    Ok(modules)
}

/// Cargo in a folder, with the toolchain that the folder asks for.
fn cargo(dir: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(dir).stdin(Stdio::null());
    command
}

fn no_cargo(error: std::io::Error) -> anyhow::Error {
    anyhow!("could not start cargo ({error}): a plugin in Rust needs Rust, from your distribution or https://rustup.rs")
}

/// The compiler's answer to one question, such as `--print sysroot`.
fn ask_rustc(dir: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("rustc")
        .current_dir(dir)
        .args(arguments)
        .output()
        .map_err(no_cargo)?;
    if !output.status.success() {
        bail!(
            "rustc {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn require_target(dir: &Path) -> Result<()> {
    let libraries = ask_rustc(dir, &["--print", "target-libdir", "--target", TARGET])?;
    let there = fs::read_dir(&libraries).is_ok_and(|mut entries| entries.next().is_some());
    if !there {
        bail!(
            "Rust's target {TARGET} is not installed: add it with\n\n    rustup target add {TARGET}\n\n\
             (or, where Rust came from the distribution, its package for wasm32, such as libstd-rust-dev-wasm32)"
        );
    }
    Ok(())
}

/// Whether the workspace's own manifest has the profile `plugin`.
fn has_profile(root: &Path) -> Result<bool> {
    let path = root.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let manifest: toml_edit::DocumentMut = text.parse().map_err(|error| anyhow!("{}: {error}", path.display()))?;
    Ok(manifest
        .get("profile")
        .is_some_and(|profiles| profiles.get("plugin").is_some()))
}

/// The compiler's flags, as cargo reads them from `CARGO_ENCODED_RUSTFLAGS`: the small stack, and no path of this
/// machine in what panics say.
fn rust_flags(root: &Path) -> Result<OsString> {
    let sysroot = PathBuf::from(ask_rustc(root, &["--print", "sysroot"])?);
    let version = ask_rustc(root, &["--version", "--verbose"])?;
    // Where the standard library's sources are installed, their paths come back; elsewhere they read like this.
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))
        .unwrap_or("unknown");
    let standard = format!("/rustc/{commit}");
    let mut paths = vec![
        (root.to_owned(), "/plugin"),
        (sysroot.join("lib/rustlib/src/rust"), standard.as_str()),
    ];
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")));
    if let Some(home) = home {
        let sources = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
        paths.extend(sources.map(|entry| (entry.path(), "/crates")));
        paths.push((home.join("git/checkouts"), "/crates"));
    }
    paths.sort();
    let mut flags = OsString::from(format!("-Clink-arg=-zstack-size={STACK_BYTES}"));
    for (path, name) in paths {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(path);
        flags.push(format!("={name}"));
    }
    Ok(flags)
}

/// Turns a core module into a component by the WIT world that its build recorded in it; a component stays as it is.
fn componentise(bytes: &[u8]) -> Result<Vec<u8>> {
    if wasmparser::Parser::is_component(bytes) {
        return Ok(bytes.to_vec());
    }
    if !wasmparser::Parser::is_core_wasm(bytes) {
        bail!("this is not WebAssembly: give a component, or a core module that was built against the contract's WIT");
    }
    let described = wasmparser::Parser::new(0).parse_all(bytes).filter_map(Result::ok).any(|payload| {
        matches!(payload, wasmparser::Payload::CustomSection(section) if section.name().starts_with("component-type"))
    });
    if !described {
        bail!(
            "this core module was not built against the contract (it has no `component-type` section), so it exports \
             nothing that NeoSpace could call: in Rust, use the macro `neospace_plugin::register!`; elsewhere, generate \
             the bindings with wit-bindgen from the files in wit/"
        );
    }
    wit_component::ComponentEncoder::default()
        .module(bytes)
        .and_then(|encoder| encoder.validate(true).encode())
        .context("the module does not fit the contract")
}

/// What the author wants to know of a plugin's file: size, hash, roles, capabilities.
pub fn summary(bytes: &[u8], file: &Path) -> Result<String> {
    let inspection = inspect(bytes)?;
    let roles = grants::roles(&inspection).map_or_else(|why| why, |roles| roles.kinds());
    let capabilities = match grants::imported(&inspection) {
        Ok(grants) if grants == Grants::default() => "none".to_owned(),
        Ok(grants) => grants::names(grants).join(", "),
        Err(why) => why,
    };
    let (file, size, hash) = (file.display(), kib(bytes.len()), hash(bytes));
    Ok(format!(
        "{file}\n  size          {size}\n  sha256        {hash}\n  role          {roles}\n  capabilities  {capabilities}"
    ))
}

/// What a component imports and exports, without compiling it.
pub fn inspect(component: &[u8]) -> Result<Inspection> {
    use wasmparser::Payload;
    let mut inspection = Inspection {
        imports: Vec::new(),
        exports: Vec::new(),
    };
    let mut depth = 0_u32;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.context("the component can't be read")? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    inspection.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    inspection.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(inspection)
}

/// Writes a file in one step, so that whoever watches it never sees half.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let write = || {
        fs::create_dir_all(dir)?;
        let mut file = tempfile::Builder::new().permissions(readable()).tempfile_in(dir)?;
        file.write_all(bytes)?;
        file.persist(path).map_err(|error| error.error)?;
        std::io::Result::Ok(())
    };
    write().map_err(|error| anyhow!("can't write {}: {error}", path.display()))
}

/// What a plugin's file may be for others: read, as any file that is handed around.
fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// The SHA-256 of a plugin's file, in small hexadecimal digits: what operators pin.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A size for people.
pub fn kib(bytes: usize) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}
