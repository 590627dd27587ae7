//! Measures the product beside bare baselines, both in one run: `cargo xtask bench`.
//!
//! What is measured runs on one core and what loads it on the other, unless a metric says otherwise. Ours and the
//! baseline take turns, so that whatever else the machine does hits both. Each metric has a bar; when one is missed,
//! the program ends with status 1.

mod baseline;
mod canvas;
mod client;
mod dms;
mod fresh;
mod full;
mod growth;
mod load;
mod machine;
mod pace;
mod pages;
mod plugin;
mod quiet;
mod report;
mod rooms;
mod screen;
mod site;
mod socket;
mod start;
mod swarm;
mod walls;
mod writes;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use report::Row;
use site::Site;

/// As in the product, so that no baseline is slower for its allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the product beside bare baselines.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// One JSON object a line instead of the table
    #[arg(long)]
    json: bool,
    /// This metric alone
    #[arg(long, value_name = "METRIC")]
    only: Vec<String>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Makes the place that is measured in a new folder, to look at it with other tools
    Site { folder: PathBuf },
    /// Serves a bare baseline
    #[command(hide = true)]
    Baseline {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        #[command(subcommand)]
        which: baseline::Baseline,
    },
}

/// What a metric is measured on.
enum Measure {
    Alone(fn() -> Result<Vec<Row>>),
    On(fn(&Site) -> Result<Vec<Row>>),
}

/// Every metric.
const METRICS: [(&str, Measure); 25] = [
    ("wall_cached", Measure::On(walls::wall_cached)),
    ("wall_private", Measure::On(walls::wall_private)),
    ("wall_fresh", Measure::On(fresh::wall_fresh)),
    ("plugin_render", Measure::Alone(plugin::plugin_render)),
    ("durable_writes", Measure::Alone(writes::durable_writes)),
    ("cold_start", Measure::On(start::cold_start)),
    ("idle_memory", Measure::On(start::idle_memory)),
    ("hostile_p99", Measure::On(quiet::hostile_p99)),
    ("login_flood", Measure::On(quiet::login_flood)),
    ("no_nagle", Measure::On(socket::no_nagle)),
    ("fanout", Measure::On(rooms::fanout)),
    ("post_latency", Measure::On(rooms::post_latency)),
    ("durable_posts", Measure::On(rooms::durable_posts)),
    ("dm_relay", Measure::On(dms::dm_relay)),
    ("dm_open", Measure::Alone(pages::dm_open)),
    ("dm_send", Measure::Alone(pages::dm_send)),
    ("full_wall_cached", Measure::Alone(full::full_wall_cached)),
    ("full_wall_fresh", Measure::Alone(full::full_wall_fresh)),
    ("first_paint", Measure::Alone(screen::first_paint)),
    ("page_weight", Measure::Alone(screen::page_weight)),
    ("drag_latency", Measure::On(canvas::drag_latency)),
    ("idle_sockets", Measure::On(rooms::idle_sockets)),
    ("history_growth", Measure::On(rooms::history_growth)),
    ("scale_growth", Measure::Alone(growth::scale_growth)),
    ("deaf_sockets", Measure::On(rooms::deaf_sockets)),
];

fn main() -> ExitCode {
    // As the product does: its lanes and its compiler are the same program.
    match std::env::args().nth(1).as_deref() {
        Some("lane") => neospace_runner::lane::main(),
        Some("compile") => neospace_runner::compile::main(),
        _ => {}
    }
    let arguments = Arguments::parse();
    let done = match &arguments.part {
        Some(Part::Baseline { listen, which }) => baseline::run(which, *listen).map(|()| true),
        Some(Part::Site { folder }) => Site::inhabited().and_then(|site| site.keep(folder)).map(|()| true),
        None => measure(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for; whether every bar was met.
fn measure(arguments: &Arguments) -> Result<bool> {
    let names: Vec<_> = METRICS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = arguments.only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("there is no metric {unknown:?}; there are {}", names.join(", "));
    }
    machine::cores();
    let (start, mut site, mut met) = (Instant::now(), None, true);
    if !arguments.json {
        println!("{}", report::head());
    }
    for (name, metric) in METRICS {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        let rows = match metric {
            Measure::Alone(metric) => metric(),
            Measure::On(metric) => {
                if site.is_none() {
                    site = Some(Site::inhabited().context("the place that is measured can't be made")?);
                }
                site.as_ref().map_or_else(|| bail!("no site"), metric)
            }
        };
        for row in rows.context(name)? {
            met &= row.pass;
            if arguments.json {
                println!("{}", serde_json::to_string(&row)?);
            } else {
                println!("{}\n    {}", report::line(&row), row.note);
            }
        }
    }
    if !arguments.json {
        println!("measured in {:.0} s", start.elapsed().as_secs_f64());
    }
    Ok(met)
}

/// A folder on a real disk, beside this program: what is written durably must go somewhere that keeps it.
fn scratch() -> Result<PathBuf> {
    let folder = std::env::current_exe()?.with_file_name("bench-data");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}
