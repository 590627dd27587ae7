//! `hostile_p99` and `login_flood`: what people notice of those who mean harm.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::*},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    client::Client,
    load,
    machine::{self, On, Program},
    pace::{self, Times},
    report::{Bar, Row},
    site::{self, Member, Site},
};

/// Page loads a second that are timed.
const PER_SECOND: f64 = 400.0;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(5);
/// Plugins that mean harm, each on a wall of its own.
const HOSTILE: usize = 8;
/// How often a second each of them is shown and pressed: more than it could run, even were it alone.
const PRESSES_PER_SECOND: u32 = 25;
/// How long trouble lasts before anything is timed.
const RAMP: Duration = Duration::from_millis(500);
/// Log-ins that are always waiting.
const LOGINS: usize = 64;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
const MIB: f64 = 1024.0 * 1024.0;

/// What ordinary people ask for: walls as guests and as members, the directory.
fn ordinary(members: &[Member], address: SocketAddr) -> Vec<Vec<u8>> {
    let pages = members.iter().enumerate().map(|(n, wall)| {
        let viewer = &members[(n + 7) % members.len()];
        let cookie = (n % 2 == 1).then_some(viewer.cookie.as_str());
        match n % 10 {
            9 => load::get(address, "/directory", cookie, "gzip"),
            _ => load::get(address, &format!("/wall/{}", wall.name), cookie, "gzip"),
        }
    });
    pages.collect()
}

/// Times page loads in turn: quiet, then with `trouble` going on, which ends when the flag is set.
fn compare(
    program: &Program,
    requests: &[Vec<u8>],
    trouble: impl Fn(&AtomicBool) -> Result<()> + Sync,
) -> Result<(Times, Times)> {
    let (mut quiet, mut troubled) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        quiet.add(pace::visit(program.address, requests, PER_SECOND, ROUND)?);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| -> Result<()> {
            let trouble = scope.spawn(|| trouble(&stop));
            thread::sleep(RAMP);
            let times = pace::visit(program.address, requests, PER_SECOND, ROUND);
            stop.store(true, Relaxed);
            trouble.join().expect("trouble does not panic")?;
            troubled.add(times?);
            Ok(())
        })?;
    }
    Ok((quiet, troubled))
}

fn ms(times: &Times, share: f64) -> f64 {
    times.quantile(share).as_secs_f64() * 1e3
}

/// Page loads of other people while [`HOSTILE`] plugins use up all that they may, all the time.
pub fn hostile_p99(site: &Site) -> Result<Vec<Row>> {
    let burner = site::guest("bench-burner")?;
    let burners = (0..HOSTILE)
        .map(|n| burner.renamed(&format!("burner-{n}")))
        .collect::<Result<Vec<_>>>()?;
    let site = site.copy("")?;
    site.install(&burners)?;
    let program = site.start(On::OneCore)?;
    let (hostile, others) = site.members.split_at(HOSTILE);
    let mut modules = Vec::new();
    for (member, burner) in hostile.iter().zip(&burners) {
        let mut client = Client::connect(program.address)?;
        client.cookie = Some(member.cookie.clone());
        modules.push((member, site::put_up(&mut client, member, &burner.id)?));
    }
    machine::pin(machine::cores().1)?;
    let requests = ordinary(others, program.address);
    let lanes = || -> Duration {
        machine::tree(program.pid())
            .into_iter()
            .skip(1)
            .map(machine::cpu_of)
            .sum()
    };
    let (shown, pressed) = (AtomicU64::new(0), AtomicU64::new(0));
    let burnt = AtomicU64::new(0);
    let trouble = |stop: &AtomicBool| {
        let (before, start) = (lanes(), Instant::now());
        let done = thread::scope(|scope| {
            let all: Vec<_> = modules
                .iter()
                .enumerate()
                .map(|(n, (member, module))| {
                    let viewers = &others[n * 8..n * 8 + 8];
                    let (shown, pressed, program) = (&shown, &pressed, &program);
                    scope.spawn(move || burn(program, &member.name, *module, viewers, stop, shown, pressed))
                })
                .collect();
            all.into_iter()
                .try_for_each(|one| one.join().expect("nobody here panics"))
        });
        let share = (lanes() - before).as_secs_f64() / start.elapsed().as_secs_f64();
        burnt.fetch_add((share * 1000.0) as u64, Relaxed);
        done
    };
    let (quiet, troubled) = compare(&program, &requests, trouble)?;
    ensure!(pressed.load(Relaxed) > 0, "no hostile plugin was ever pressed");
    let note = format!(
        "{HOSTILE} hostile plugins, shown {} times and pressed {} times, had {:.0} % of the core; half of the page loads \
         within {:.2} ms, quiet {:.2} ms",
        shown.load(Relaxed),
        pressed.load(Relaxed),
        burnt.load(Relaxed) as f64 / ROUNDS as f64 / 10.0,
        ms(&troubled, 0.5),
        ms(&quiet, 0.5)
    );
    program.stop()?;
    Ok(vec![Row::new(
        "hostile_p99",
        ms(&troubled, 0.99),
        ms(&quiet, 0.99),
        "ms",
        Bar::RatioAtMost(1.5),
        note,
    )])
}

/// Somebody who looks at a wall and presses its hostile module's button, again and again, now as this member and now as
/// that one.
fn burn(
    program: &Program,
    wall: &str,
    module: u64,
    viewers: &[Member],
    stop: &AtomicBool,
    shown: &AtomicU64,
    pressed: &AtomicU64,
) -> Result<()> {
    let mut client = Client::connect(program.address)?;
    let mut due = Instant::now();
    for viewer in viewers.iter().cycle() {
        if stop.load(Relaxed) {
            break;
        }
        client.cookie = Some(viewer.cookie.clone());
        let page = client.get(&format!("/wall/{wall}"))?.expect(200)?.text();
        shown.fetch_add(1, Relaxed);
        let form = page
            .split_once(&format!("/wall/{wall}/modules/{module}/act\""))
            .map(|(_, form)| form);
        let token = form.and_then(|form| form.split_once("name=\"token\" value=\"")?.1.split('"').next());
        if let Some(token) = token {
            let act = format!("/wall/{wall}/modules/{module}/act");
            // Refused, when it has burnt more than its share already: that is as it should be.
            let answer = client.post(&act, &[("token", token)])?;
            ensure!(
                answer.status < 500 || answer.status == 503,
                "an act was answered by {}",
                answer.status
            );
            pressed.fetch_add(1, Relaxed);
        }
        // Who was held up doesn't catch up.
        due = (due + Duration::from_secs(1) / PRESSES_PER_SECOND).max(Instant::now());
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Page loads while [`LOGINS`] log-ins are always waiting, and the memory that they take.
pub fn login_flood(site: &Site) -> Result<Vec<Row>> {
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    let requests = ordinary(&site.members, program.address);
    let (answered, tried, peak) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let flood = |stop: &AtomicBool| {
        thread::scope(|scope| {
            let callers: Vec<_> = (0..LOGINS)
                .map(|_| scope.spawn(|| caller(site, &program, stop, &tried, &answered)))
                .collect();
            while !stop.load(Relaxed) {
                peak.fetch_max(program.memory()?, Relaxed);
                thread::sleep(LOOK);
            }
            callers
                .into_iter()
                .try_for_each(|caller| caller.join().expect("a caller does not panic"))
        })
    };
    // Once each, so that nothing that is timed is the first of its kind; then the memory before.
    let mut client = Client::connect(program.address)?;
    for request in &requests {
        client.exchange(request)?.expect(200)?;
    }
    let calm = program.memory()?;
    let (quiet, troubled) = compare(&program, &requests, flood)?;
    let seconds = (ROUND + RAMP).as_secs_f64() * ROUNDS as f64;
    let note = format!(
        "{LOGINS} log-ins waiting, {:.0} answered a second; half of the page loads within {:.2} ms, quiet {:.2} ms",
        answered.load(Relaxed) as f64 / seconds,
        ms(&troubled, 0.5),
        ms(&quiet, 0.5)
    );
    let (peak, calm) = (peak.load(Relaxed) as f64 / MIB, calm as f64 / MIB);
    program.stop()?;
    Ok(vec![
        Row::new(
            "login_flood",
            ms(&troubled, 0.99),
            ms(&quiet, 0.99),
            "ms",
            Bar::RatioAtMost(4.0),
            note,
        ),
        Row::new(
            "login_flood_memory",
            peak,
            calm,
            "MiB",
            Bar::MoreAtMost(64.0),
            format!("at most {:.1} MiB more than before", peak - calm),
        ),
    ])
}

/// One who tries a wrong password again and again, from another address each time, so that no throttle sends them away.
fn caller(site: &Site, program: &Program, stop: &AtomicBool, tried: &AtomicU64, answered: &AtomicU64) -> Result<()> {
    let mut client = Client::connect(program.address)?;
    while !stop.load(Relaxed) {
        let n = tried.fetch_add(1, Relaxed) as usize;
        client.forwarded_for = Some(site::address(n + 1_000));
        // Names that nobody has cost as much, and no account's own throttle counts them.
        let name = if n.is_multiple_of(8) {
            site.members[n % site.members.len()].name.clone()
        } else {
            format!("nobody-{n}")
        };
        let answer = client.post("/login", &[("name", &name), ("auth", &site::secret::<32>()?)])?;
        ensure!(
            matches!(answer.status, 422 | 429 | 503),
            "a wrong password was answered by {}:\n{}",
            answer.status,
            answer.text()
        );
        answered.fetch_add(u64::from(answer.status == 422), Relaxed);
    }
    Ok(())
}
