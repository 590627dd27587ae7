//! The plugin author's tools: `neospace plugin new`, `build`, `pack`, `check`, `run` and `dev`.
//!
//! A *project* is a folder with a `plugin.toml`; in Rust it also has a `Cargo.toml`. Building compiles it to a core
//! module, turns that into a component by the contract in `plugin-api/wit`, and packs the manifest with icon and CSS
//! into it: one `.wasm` file that an operator can install. None of this needs a running server; what runs a plugin here
//! is the server's own code.

mod build;
mod check;
mod dev;
mod new;
mod pack;
mod project;
pub mod reference;
mod run;
mod stage;

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
    /// Make one call and report what it did and what it cost
    Run(Box<Run>),
    /// A wall or a room that reloads when you save, with switches, meters, storage and log beside it
    Dev(Dev),
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
    /// What people call in rooms: an oracle
    Commands,
    /// Who reads what is said in rooms before it is posted: a calm voice
    Filter,
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

/// What `neospace plugin run` takes.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// A project's folder (it is built first), or a plugin's .wasm file
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub plugin: PathBuf,
    /// What to call [default: what --action, --command or --text is for, else draw for a sticker and render for a widget]
    #[arg(long, value_enum)]
    pub export: Option<Export>,
    /// The owner's settings (in rooms, the operator's), as a JSON object; what is absent has its default
    #[arg(long, value_name = "JSON")]
    pub settings: Option<String>,
    /// Who looks or acts: guest, owner or member:NAME
    #[arg(long, default_value = "guest")]
    pub viewer: stage::Who,
    /// Of act: the action's name
    #[arg(long, value_name = "NAME")]
    pub action: Option<String>,
    /// Of act: the action's payload
    #[arg(long, default_value = "", requires = "action")]
    pub payload: String,
    /// Of act: a field of the form; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = run::field, requires = "action")]
    pub field: Vec<(String, String)>,
    /// Of on-command: the command as it is typed in a room, such as "/roll 2d6+1"
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["action", "text"])]
    pub command: Option<String>,
    /// Of filter-text: the message that somebody is about to post
    #[arg(long, value_name = "TEXT", conflicts_with = "action")]
    pub text: Option<String>,
    /// Of on-command and filter-text: the room's name
    #[arg(long, default_value = stage::ROOM, value_name = "NAME")]
    pub room: String,
    /// What the plugin keeps, as JSON: read before the call, written after an act or a command that succeeded
    #[arg(long, value_name = "FILE")]
    pub storage: Option<PathBuf>,
    /// A capability that the owner refused; may be given several times
    #[arg(long, value_name = "CAPABILITY")]
    pub refuse: Vec<String>,
    /// The time of the call, Unix milliseconds or like 2026-11-21T18:00:00Z [default: now]
    #[arg(long, value_name = "MOMENT", value_parser = run::moment)]
    pub now: Option<i64>,
    /// The module's seed, or the one drawn for a command: a number, or 0x and hexadecimal digits
    #[arg(long, default_value = "1", value_parser = run::seed)]
    pub seed: u64,
    /// The module's size in cells [default: the manifest's]
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = run::size)]
    pub size: Option<(u8, u8)>,
    /// The page's language
    #[arg(long, default_value = "en")]
    pub locale: String,
    /// The owner's local time minus UTC, in minutes
    #[arg(long, default_value_t = 0, value_name = "MINUTES", allow_negative_numbers = true)]
    pub utc_offset: i16,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `neospace plugin dev` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Dev {
    /// A project's folder, or a plugin's .wasm file
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub plugin: PathBuf,
    /// In place of what cargo builds: this component (or core module that names its WIT world)
    #[arg(long, value_name = "FILE")]
    pub wasm: Option<PathBuf>,
    /// Where to listen; port 0 is any free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: std::net::SocketAddr,
}

/// A function of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Export {
    /// Of a widget
    Render,
    /// Of an interactive widget
    Act,
    /// Of a sticker
    Draw,
    /// Of a plugin that answers commands in rooms
    OnCommand,
    /// Of a filter of what is said in rooms
    FilterText,
}

impl Export {
    /// As the contract calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::Act => "act",
            Self::Draw => "draw",
            Self::OnCommand => "on-command",
            Self::FilterText => "filter-text",
        }
    }
}

/// Carries one of the author's commands out, and says on standard error what went wrong.
pub fn main(command: Command) -> ExitCode {
    let done = match command {
        Command::New(options) => new::main(&options).map(|()| ExitCode::SUCCESS),
        Command::Build(options) => build::main(&options).map(|()| ExitCode::SUCCESS),
        Command::Pack(options) => pack::main(&options).map(|()| ExitCode::SUCCESS),
        Command::Check(options) => check::main(&options),
        Command::Run(options) => run::main(&options),
        Command::Dev(options) => dev::main(&options),
        Command::Reference { file } => reference::main(&file).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
