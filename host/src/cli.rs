//! The command line.

mod dm;
mod operator;
mod reports;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    app::{LOCK_FILE, Options},
    config::{self, Config, Overrides},
};

/// A self-hosted creative social platform in one binary.
#[derive(Parser)]
#[command(name = "neospace", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the site.
    Serve(Serve),
    /// Looks at a configuration without taking it.
    Check(Place),
    /// Tells the running server to read its configuration again.
    Reload(Place),
    /// Direct messages, sealed on this machine: read and written without a browser
    Dm(dm::Dm),
    /// Direct messages that members reported
    #[command(subcommand)]
    Reports(reports::Command),
    /// Plugins: for those who write them and for those who run them.
    #[command(subcommand)]
    Plugin(Plugin),
}

#[derive(Subcommand)]
enum Plugin {
    #[command(flatten)]
    Author(crate::author::Command),
    #[command(flatten)]
    Operator(operator::Command),
}

/// Where the configuration and the data are.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// The configuration file. It need not exist: every key has a default.
    #[arg(long, value_name = "FILE", default_value = config::FILE)]
    pub config: PathBuf,
    /// The data folder, instead of the configuration's.
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    place: Place,
    /// Where to listen, instead of the configuration's, e.g. 127.0.0.1:5000.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// For developers: templates and ui/ are read from disk at every request, and plugins need no pin.
    #[arg(long)]
    dev: bool,
    /// Adds a dozen demo members with walls worth looking at, once.
    #[arg(long)]
    demo: bool,
}

impl Place {
    /// The configuration at this place.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config, config::ConfigError> {
        Config::load(
            &self.config,
            &Overrides {
                listen: None,
                data: self.data.clone(),
            },
        )
    }
}

/// Reads the arguments and does what they say.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(serve) => {
            let flags = Overrides {
                listen: serve.listen,
                data: serve.place.data,
            };
            let options = Options {
                config_file: serve.place.config,
                flags,
                dev: serve.dev,
            };
            crate::serve(options, serve.demo)
        }
        Command::Check(place) => place
            .load()
            .map_err(Into::into)
            .map(|_| println!("The configuration is fine.")),
        Command::Reload(place) => reload(&place),
        Command::Reports(command) => reports::run(command),
        Command::Dm(dm) => return dm::main(dm),
        Command::Plugin(Plugin::Author(command)) => return crate::author::main(command),
        Command::Plugin(Plugin::Operator(command)) => operator::run(command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("neospace: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Looks at the configuration, then tells the running server.
fn reload(place: &Place) -> anyhow::Result<()> {
    let config = place.load()?;
    let file = config.data.join(LOCK_FILE);
    let not_running = || anyhow::anyhow!("no server runs on the data folder {}", config.data.display());
    let lock = std::fs::File::open(&file).map_err(|_| not_running())?;
    if lock.try_lock_shared().is_ok() {
        return Err(not_running());
    }
    let pid = std::fs::read_to_string(&file)?
        .trim()
        .parse()
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.ok_or_else(not_running)?, rustix::process::Signal::HUP)?;
    println!("The server reads its configuration again; its log says what came of it.");
    Ok(())
}
