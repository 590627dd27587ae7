//! The plugin author's tools: `neospace plugin new`, `build`, `pack`, `check`, `run` and `dev`.
//!
//! A *project* is a folder with a `plugin.toml`; in Rust it also has a `Cargo.toml`. Building compiles it to a core
//! module, turns that into a component by the contract in `plugin-api/wit`, and packs the manifest with icon and CSS
//! into it: one `.wasm` file that an operator can install. None of this needs a running server; what runs a plugin here
//! is the server's own code.

mod build;
mod check;
mod new;
mod pack;
mod project;
pub mod reference;

use std::{path::PathBuf, process::ExitCode};

pub use build::{hash, inspect};

/// `neospace plugin …`, the author's half.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a folder with a plugin in it that works already
    New(New),
    /// Build a plugin into one `.wasm` file: component, manifest, icon and CSS
    Build(Build),
    /// Build a plugin and put the one file to hand over here, with what its operator writes into neospace.toml
    Pack(Pack),
    /// Say everything that an installation would complain about
    Check(Check),
    /// Write the tables of the guide's reference anew
    #[command(hide = true)]
    Reference {
        /// docs/plugins/reference.md
        file: PathBuf,
    },
}

/// What `neospace plugin new` takes.
#[derive(Debug, clap::Args)]
pub struct New {
    /// The plugin's id: a–z, 0–9 and “-”, 2 to 32 characters
    pub name: String,
    /// The language to write it in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub lang: Language,
    /// What the plugin is
    #[arg(long, value_enum, default_value_t = PluginRole::Interactive)]
    pub role: PluginRole,
    /// The folder to make [default: NAME]
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// The languages that there is an SDK for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Language {
    /// Rust, with the SDK in plugin-api/rust
    Rust,
}

/// What a new plugin is.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum PluginRole {
    /// A module that shows something: a fortune cookie
    Widget,
    /// A module that visitors can use: a doorbell
    Interactive,
    /// A picture: a star
    Sticker,
}

/// What `neospace plugin build` takes.
#[derive(Debug, clap::Args)]
pub struct Build {
    /// The project's folder, the one with plugin.toml
    #[arg(default_value = ".", conflicts_with = "all")]
    pub dir: PathBuf,
    /// Where to write the plugin [default: target/plugins/ID.wasm beside cargo's own output]
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub out: Option<PathBuf>,
    /// Pack this component (or core module that names its WIT world) instead of running cargo
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub wasm: Option<PathBuf>,
    /// Build every project in this folder, with one run of cargo for each workspace
    #[arg(long, value_name = "DIR", requires = "out_dir")]
    pub all: Option<PathBuf>,
    /// With --all: the folder to write the plugins to, each as ID.wasm
    #[arg(long, value_name = "DIR", requires = "all")]
    pub out_dir: Option<PathBuf>,
}

/// What `neospace plugin pack` takes.
#[derive(Debug, clap::Args)]
pub struct Pack {
    /// The project's folder, the one with plugin.toml
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Where to write the plugin [default: ID.wasm in the project's folder]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Pack this component (or core module that names its WIT world) instead of running cargo
    #[arg(long, value_name = "FILE")]
    pub wasm: Option<PathBuf>,
}

/// What `neospace plugin check` takes.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// A project's folder, or a plugin's .wasm file
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub plugin: PathBuf,
    /// In place of what cargo builds: this component (or core module that names its WIT world)
    #[arg(long, value_name = "FILE")]
    pub wasm: Option<PathBuf>,
    /// Print the findings as a JSON array
    #[arg(long)]
    pub json: bool,
}

/// Carries one of the author's commands out, and says on standard error what went wrong.
pub fn main(command: Command) -> ExitCode {
    let done = match command {
        Command::New(options) => new::main(&options).map(|()| ExitCode::SUCCESS),
        Command::Build(options) => build::main(&options).map(|()| ExitCode::SUCCESS),
        Command::Pack(options) => pack::main(&options).map(|()| ExitCode::SUCCESS),
        Command::Check(options) => check::main(&options),
        Command::Reference { file } => reference::main(&file).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
