//! `cold_start` and `idle_memory`: what an operator sees first, and what the machine gives up for it.

use std::{
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    baseline::Baseline,
    client::Client,
    machine::{self, On},
    report::{Bar, Row, median},
    site::{PLUGINS, Site},
    walls,
};

const STARTS: usize = 7;
/// How long a start may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the server is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(6);
const MIB: f64 = 1024.0 * 1024.0;

/// Measures the time from starting the program to its first page; the compiled plugins are in their cache.
pub fn cold_start(site: &Site) -> Result<Vec<Row>> {
    let page = format!("/wall/{}", site.members[0].name);
    let pages = walls::pages(site)?;
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let address = machine::free_port()?;
        let mut command = site.command()?;
        command.arg("--listen").arg(address.to_string());
        ours.push(first_answer(command, address, &page)?);
        let address = machine::free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["baseline", "--listen", &address.to_string(), "pages"])
            .arg(pages.path());
        baseline.push(first_answer(command, address, &page)?);
    }
    let note = format!(
        "to the first answered wall, {PLUGINS} plugins, compiled code cached; slowest {:.0} ms",
        { ours.iter().copied().fold(0.0, f64::max) }
    );
    Ok(vec![Row::new(
        "cold_start",
        median(ours),
        median(baseline),
        "ms",
        Bar::AtMost(150.0),
        note,
    )])
}

/// Milliseconds from the start of a program to its first answer.
fn first_answer(mut command: Command, address: SocketAddr, path: &str) -> Result<f64> {
    let start = Instant::now();
    let mut child = machine::spawn(&mut command, On::AnyCore)?;
    let answered = loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                drop(stream);
                break Client::connect(address)?
                    .get(path)?
                    .expect(200)
                    .map(|_| start.elapsed());
            }
            Err(_) if start.elapsed() < PATIENCE => thread::sleep(Duration::from_micros(200)),
            Err(error) => break Err(error).context("the program does not listen"),
        }
    };
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    child.wait()?;
    Ok(answered?.as_secs_f64() * 1e3)
}

/// Measures the memory of host and lanes together once everything has been used and nothing happens.
pub fn idle_memory(site: &Site) -> Result<Vec<Row>> {
    let folder = walls::pages(site)?;
    let program = site.start(On::AnyCore)?;
    let bare = Baseline::start(&["pages".as_ref(), folder.path().as_os_str()])?;
    let processes = machine::tree(program.pid()).len();
    let untouched = program.memory()? as f64 / MIB;
    // So many walls in a row show every plugin.
    for program in [&program, &bare] {
        let mut client = Client::connect(program.address)?;
        for member in site.members.iter().take(2 * PLUGINS) {
            client.get(&format!("/wall/{}", member.name))?.expect(200)?;
        }
    }
    thread::sleep(REST);
    let ours = program.memory()? as f64 / MIB;
    let baseline = bare.memory()? as f64 / MIB;
    ensure!(
        processes > 1,
        "the server has no lanes: with {PLUGINS} plugins it should"
    );
    let note = format!(
        "host and {} lanes, {PLUGINS} plugins, after {} walls were seen; {untouched:.1} MiB before",
        processes - 1,
        2 * PLUGINS
    );
    program.stop()?;
    Ok(vec![Row::new(
        "idle_memory",
        ours,
        baseline,
        "MiB",
        Bar::AtMost(48.0),
        note,
    )])
}
