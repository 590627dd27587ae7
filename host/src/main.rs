use std::process::ExitCode;

use clap::Parser;

/// NeoSpace
#[derive(Parser)]
enum Neospace {
    /// Plugins
    #[command(subcommand)]
    Plugin(neospace::author::Command),
}

fn main() -> ExitCode {
    let Neospace::Plugin(command) = Neospace::parse();
    neospace::author::main(command)
}
