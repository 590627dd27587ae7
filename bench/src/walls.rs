//! `wall_cached` and `wall_private`: walls from the page cache, while their owners change them.
//!
//! A writer changes the line under a random wall's name ten times a second, over HTTP like everybody else, and puts a
//! number into it that counts up. Whoever asks for a wall notes the number that was last acknowledged, and what comes
//! must not show an older one.

use std::{
    collections::HashMap,
    fs,
    io::Read,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::*},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use tempfile::TempDir;

use crate::{
    baseline::Baseline,
    client::Client,
    load::{self, Answer, Load, Rate, Traffic},
    machine::{self, On},
    report::{Bar, Row, median},
    site::{Member, Site},
};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_secs(3);
/// The writer's pace.
const COMMITS_PER_SECOND: u32 = 10;
/// Members who look, in `wall_private`.
const VIEWERS: usize = 50;
/// What stands before and after the number under a wall's name.
const MARK: (&str, &str) = ("edition ", " of this wall");

/// Measures as a guest.
pub fn wall_cached(site: &Site) -> Result<Vec<Row>> {
    measure("wall_cached", site, &[None], 0.7)
}

/// Measures as [`VIEWERS`] members.
pub fn wall_private(site: &Site) -> Result<Vec<Row>> {
    let viewers: Vec<_> = site.members.iter().take(VIEWERS).map(Some).collect();
    measure("wall_private", site, &viewers, 0.5)
}

fn measure(metric: &'static str, site: &Site, viewers: &[Option<&Member>], bar: f64) -> Result<Vec<Row>> {
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    let editions = Arc::new(Editions::publish(site, program.address)?);
    let folder = pages_of(site, program.address)?;
    let bare = Baseline::start(&["pages".as_ref(), folder.path().as_os_str()])?;

    let mut visitors = Visitors::new(site, viewers, program.address, Some(editions.clone()));
    let mut bare_visitors = Visitors::new(site, viewers, bare.address, None);
    let mut load = Load::connect(program.address, CONNECTIONS)?;
    let mut bare_load = Load::connect(bare.address, CONNECTIONS)?;
    visitors.all_once(&mut load)?;
    bare_visitors.all_once(&mut bare_load)?;
    let (mut rates, mut bare_rates) = (Vec::new(), Vec::new());
    let (mut cpu, mut bare_cpu) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let before = program.cpu();
        rates.push(
            editions
                .clone()
                .while_written(site, program.address, || load.run(ROUND, &mut visitors))?,
        );
        cpu += program.cpu() - before;
        let before = bare.cpu();
        bare_rates.push(bare_load.run(ROUND, &mut bare_visitors)?);
        bare_cpu += bare.cpu() - before;
    }
    let each = |cpu: Duration, rates: &[Rate]| {
        cpu.as_secs_f64() * 1e6 / rates.iter().map(|rate| rate.requests).sum::<u64>() as f64
    };
    let middle = |rates: &[Rate]| median(rates.iter().map(Rate::per_second).collect());
    let busiest = bare_rates.iter().map(|rate| rate.busy).fold(0.0, f64::max);
    let note = format!(
        "{} walls as {}, {:.0} bytes a page; {} commits, no page older than the last; {:.1} µs CPU a page, the \
         baseline's {:.1}; the load was busy for {:.0} % of the time",
        site.members.len(),
        if viewers.len() > 1 {
            format!("{} members", viewers.len())
        } else {
            "a guest".into()
        },
        visitors.bytes as f64 / visitors.answers as f64,
        editions.commits.load(Relaxed),
        each(cpu, &rates),
        each(bare_cpu, &bare_rates),
        busiest * 100.0,
    );
    program.stop()?;
    Ok(vec![Row::new(
        metric,
        middle(&rates),
        middle(&bare_rates),
        "req/s",
        Bar::RatioAtLeast(bar),
        note,
    )])
}

/// The number under each wall's name that was acknowledged last.
struct Editions {
    acknowledged: Vec<AtomicU64>,
    commits: AtomicU64,
}

impl Editions {
    /// Writes the first edition under every wall's name.
    fn publish(site: &Site, address: SocketAddr) -> Result<Self> {
        let editions = Self {
            acknowledged: site.members.iter().map(|_| AtomicU64::new(0)).collect(),
            commits: AtomicU64::new(0),
        };
        let mut client = Client::connect(address)?;
        (0..site.members.len()).try_for_each(|wall| editions.commit(&mut client, site, wall))?;
        Ok(editions)
    }

    fn commit(&self, client: &mut Client, site: &Site, wall: usize) -> Result<()> {
        let member = &site.members[wall];
        let edition = self.acknowledged[wall].load(Relaxed) + 1;
        client.cookie = Some(member.cookie.clone());
        let status = format!("{}{edition}{}", MARK.0, MARK.1);
        client
            .post(&format!("/wall/{}/profile", member.name), &[("status", &status)])?
            .expect(303)?;
        self.acknowledged[wall].store(edition, Release);
        self.commits.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Runs `measured` while a writer commits at its pace.
    fn while_written<T>(
        self: Arc<Self>,
        site: &Site,
        address: SocketAddr,
        measured: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let writer = scope.spawn(|| -> Result<()> {
                let mut client = Client::connect(address)?;
                let mut due = Instant::now();
                let mut random = Random(0x9e37_79b9_7f4a_7c15);
                while !stop.load(Relaxed) {
                    self.commit(&mut client, site, random.below(site.members.len()))?;
                    due += Duration::from_secs(1) / COMMITS_PER_SECOND;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                Ok(())
            });
            let result = measured();
            stop.store(true, Relaxed);
            writer.join().expect("the writer does not panic")?;
            result
        })
    }
}

/// xorshift: the same walls in each run, in no order that a cache could like.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Those who ask for walls, and look at what comes.
struct Visitors {
    /// For each pair of viewer and wall, the request.
    requests: Vec<Vec<u8>>,
    walls: usize,
    editions: Option<Arc<Editions>>,
    /// The bytes that came last for each request, and the edition in them.
    known: Vec<(Vec<u8>, u64)>,
    random: Random,
    /// The requests that were not asked yet, when each shall be once.
    rest: Option<usize>,
    answers: u64,
    bytes: u64,
}

impl Visitors {
    fn new(site: &Site, viewers: &[Option<&Member>], address: SocketAddr, editions: Option<Arc<Editions>>) -> Self {
        let request = |viewer: &Option<&Member>, wall: &Member| {
            let cookie = viewer.map(|viewer| viewer.cookie.as_str());
            load::get(address, &format!("/wall/{}", wall.name), cookie, "gzip")
        };
        let requests: Vec<_> = viewers
            .iter()
            .flat_map(|viewer| site.members.iter().map(move |wall| request(viewer, wall)))
            .collect();
        Self {
            known: vec![Default::default(); requests.len()],
            requests,
            walls: site.members.len(),
            editions,
            random: Random(0x2545_f491_4f6c_dd1d),
            rest: None,
            answers: 0,
            bytes: 0,
        }
    }

    /// Asks for everything once, so that nothing that is measured is the first of its kind.
    fn all_once(&mut self, load: &mut Load) -> Result<()> {
        self.rest = Some(self.requests.len());
        while self.rest.is_some_and(|rest| rest > 0) {
            load.run(Duration::from_millis(100), self)?;
        }
        self.rest = None;
        (self.answers, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Traffic for Visitors {
    fn next(&mut self) -> (&[u8], u64) {
        let chosen = match &mut self.rest {
            Some(rest) => {
                *rest = rest.saturating_sub(1);
                *rest
            }
            None => self.random.below(self.requests.len()),
        };
        let acknowledged = |editions: &Arc<Editions>| editions.acknowledged[chosen % self.walls].load(Acquire);
        let edition = self.editions.as_ref().map_or(0, acknowledged);
        (&self.requests[chosen], edition << 32 | chosen as u64)
    }

    fn check(&mut self, word: u64, answer: &Answer) -> Result<()> {
        let (chosen, acknowledged) = ((word & 0xffff_ffff) as usize, word >> 32);
        ensure!(answer.status == 200, "a wall was answered by {}", answer.status);
        self.answers += 1;
        self.bytes += answer.body.len() as u64;
        let known = &mut self.known[chosen];
        // Every byte is compared; only what is new has to be unpacked.
        if known.0 != answer.body {
            ensure!(
                answer.header("content-encoding") == "gzip",
                "a wall came without compression"
            );
            let mut page = String::new();
            GzDecoder::new(answer.body).read_to_string(&mut page)?;
            *known = (answer.body.to_vec(), edition(&page)?);
        }
        if known.1 < acknowledged {
            bail!("a page shows edition {} after {acknowledged} was acknowledged", known.1);
        }
        Ok(())
    }
}

fn edition(page: &str) -> Result<u64> {
    let found = page.split_once(MARK.0).and_then(|(_, rest)| rest.split_once(MARK.1));
    found
        .and_then(|(edition, _)| edition.parse().ok())
        .context("a wall shows no edition")
}

/// Every wall as a guest gets it, compressed, each in a file of its own: what the bare baseline answers.
fn pages_of(site: &Site, address: SocketAddr) -> Result<TempDir> {
    let folder = tempfile::tempdir_in(crate::scratch()?)?;
    let mut client = Client::connect(address)?;
    for member in &site.members {
        let request = load::get(address, &format!("/wall/{}", member.name), None, "gzip");
        let page = client.exchange(&request)?.expect(200)?;
        ensure!(
            page.header("content-encoding") == "gzip",
            "a wall came without compression"
        );
        fs::write(folder.path().join(&member.name), page.body)?;
    }
    Ok(folder)
}

/// [`pages_of`] a site that doesn't run.
pub fn pages(site: &Site) -> Result<Arc<TempDir>> {
    static KNOWN: Mutex<Option<HashMap<std::path::PathBuf, Arc<TempDir>>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(|error| error.into_inner());
    let known = known.get_or_insert_default();
    if let Some(folder) = known.get(site.folder()) {
        return Ok(folder.clone());
    }
    let program = site.start(On::AnyCore)?;
    let folder = Arc::new(pages_of(site, program.address)?);
    program.stop()?;
    known.insert(site.folder().to_owned(), folder.clone());
    Ok(folder)
}
