//! `full_wall_cached` and `full_wall_fresh`: walls that hold all that a wall may.

use std::{fs, net::SocketAddr, path::Path as File, time::Duration};

use anyhow::{Context, Result, ensure};
use neospace_tests::pictures;
use serde_json::{Value, json};

use crate::{
    baseline::Baseline,
    client::{Answer as Whole, Client},
    fresh,
    load::{self, Answer, Load, Rate, Traffic},
    machine::{self, On, Program},
    report::{Bar, Row, median},
    rooms::NO_LIMITS,
    site::{self, Member, Plugin, Site},
};

pub const STICKERS: usize = 100;
const MODULES: usize = 20;
const SCRIPTS: [&str; 3] = ["p5", "three", "canvas"];
const POSTS: usize = 50;
/// Pictures in an owner's library, which stickers and posts show.
const PICTURES: usize = 8;
/// Walls that are asked for in turn.
const WALLS: usize = 8;

/// What a browser asks for, on the encrypted line that it has in life.
pub const ENCODINGS: &str = "gzip, deflate, br, zstd";

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

/// Between two tries to put up a sticker.
const PAUSE: Duration = Duration::from_millis(250);

/// Times that each wall is built anew.
const BUILT: usize = 40;
/// Until nothing is left to do of what was asked for before.
const SETTLED: Duration = Duration::from_millis(20);

/// A place with so many walls that hold all that a wall may, and nobody else.
pub fn site(walls: usize) -> Result<Site> {
    let mut plugins = site::shipped()?;
    plugins.retain(Plugin::draws);
    let mut site = Site::empty(&plugins)?;
    site.limit(NO_LIMITS)?;
    // Links are to nowhere.
    let config = site.folder().join("neospace.toml");
    fs::write(&config, fs::read_to_string(&config)? + "\n[fetch]\nenabled = false\n")?;
    let program = site.start(On::AnyCore)?;
    site.members = (0..walls).map(|n| site::register(&program, n)).collect::<Result<_>>()?;
    // All at once, because each of them waits.
    std::thread::scope(|scope| {
        let (program, plugins) = (&program, &plugins);
        let all: Vec<_> = site
            .members
            .iter()
            .map(|owner| scope.spawn(move || fill(program, plugins, owner)))
            .collect();
        all.into_iter()
            .try_for_each(|one| one.join().expect("nobody here panics"))
    })?;
    program.stop()?;
    Ok(site)
}

/// Puts on a wall what it may hold.
fn fill(program: &Program, plugins: &[Plugin], owner: &Member) -> Result<()> {
    let mut client = Client::connect(program.address)?;
    client.cookie = Some(owner.cookie.clone());
    let wall = format!("/wall/{}", owner.name);
    site::describe(&mut client, owner)?;
    let standing = client.get(&wall)?.expect(200)?.text().matches("<neo-module ").count();
    for n in standing..MODULES {
        site::put_up(&mut client, owner, &plugins[n % plugins.len()].id)?;
    }
    let pictures = (0..PICTURES)
        .map(|n| {
            let picture = pictures::jpeg(640 + 40 * n as u32, 480);
            let path = format!("/library?name=harbour-{n}&alt=The%20harbour%20at%20low%20water");
            id(&client.post_bytes(&path, &picture)?.expect(201)?)
        })
        .collect::<Result<Vec<_>>>()?;
    let stickers: Vec<_> = plugins.iter().filter(|plugin| plugin.draws_stickers()).collect();
    ensure!(!stickers.is_empty(), "no plugin draws stickers");
    let post = |client: &mut Client, path: &str, fields: Value| -> Result<Whole> {
        client.post_json(path, &fields.to_string())
    };
    const EMOJI: [&str; 10] = ["⭐", "🌈", "🦋", "🐌", "🍄", "🌵", "🎧", "📼", "🚲", "🏡"];
    for n in 0..STICKERS {
        // All over the wall, as a hand would put them.
        let mut sticker = json!({
            "x": n * 37 % 90, "y": 40 + n * 53 % 1_900, "width": 64 + n % 5 * 16, "rotation": n as i64 * 29 % 60 - 30,
        });
        match n % 10 {
            7 | 8 => sticker["media"] = pictures[n % PICTURES].as_str().into(),
            9 => sticker["plugin"] = stickers[n / 10 % stickers.len()].id.as_str().into(),
            _ => sticker["emoji"] = EMOJI[n % EMOJI.len()].into(),
        }
        let mut answer = post(&mut client, &format!("{wall}/stickers"), sticker.clone())?;
        // Nobody puts up so many at once.
        while answer.status == 429 {
            std::thread::sleep(PAUSE);
            answer = post(&mut client, &format!("{wall}/stickers"), sticker.clone())?;
        }
        answer.expect(201)?;
    }
    for mode in SCRIPTS {
        let script = id(&post(&mut client, "/sandbox", json!({ "mode": mode }))?.expect(201)?)?;
        let publish = json!({ "publish": "on", "note": "as it stands" });
        post(&mut client, &format!("/sandbox/{script}/versions"), publish)?.expect(200)?;
        post(&mut client, &format!("{wall}/scripts"), json!({ "script": script }))?.expect(200)?;
    }
    for n in 0..POSTS {
        let body = "Low water at **five past four**, and the ferry to Gozo lay dry beside the pier.\n\nBring boots, \
                    a lamp, and whoever can read the [timetable](https://example.org/ferry):\n\n- *out* at six\n- *back* \
                    when it floats\n\n> They say it always floats.\n";
        let fields = match n % 10 {
            6 | 7 => {
                json!({ "kind": "image", "title": "What lay there", "media": pictures[n % PICTURES], "body": body })
            }
            8 => {
                json!({ "kind": "link", "url": format!("https://example.org/tides/{n}"), "body": "Its whole year, by the hour." })
            }
            _ => json!({ "kind": "text", "title": format!("What the tide did, part {n}"), "body": body }),
        };
        post(&mut client, &format!("{wall}/posts"), fields)?.expect(201)?;
    }
    let page = client.get(&wall)?.expect(200)?.text();
    for (what, markup, many) in [
        ("stickers", "<div class=\"stick\"", STICKERS),
        ("modules", "<neo-module ", MODULES),
        ("scripts", "<neo-frame ", SCRIPTS.len()),
        ("posts", "<article class=\"post\"", POSTS),
    ] {
        let found = page.matches(markup).count();
        ensure!(found == many, "a full wall has {many} {what}, and this shows {found}");
    }
    Ok(())
}

/// The id of what an answer says was made.
fn id(answer: &Whole) -> Result<String> {
    let made: Value = serde_json::from_str(&answer.text())?;
    made["id"]
        .as_str()
        .map(str::to_owned)
        .context("what was made has an id")
}

fn path(member: &Member) -> String {
    format!("/wall/{}", member.name)
}

/// Walls as a guest gets them, in a file each with the whole answer: what the bare baseline answers.
pub fn answers_of(site: &Site, address: SocketAddr, folder: &File) -> Result<()> {
    let mut client = Client::connect(address)?;
    for member in &site.members {
        let request = load::get(address, &path(member), None, ENCODINGS);
        let answer = client.exchange(&request)?.expect(200)?;
        fs::write(
            folder.join(&member.name),
            [answer.head.as_bytes(), &answer.body].concat(),
        )?;
    }
    Ok(())
}

/// Measures walls from the cache against bare axum that answers the same bytes, heads included.
pub fn full_wall_cached() -> Result<Vec<Row>> {
    let site = site(WALLS)?;
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    let folder = tempfile::tempdir_in(crate::scratch()?)?;
    answers_of(&site, program.address, folder.path())?;
    let bare = Baseline::start(&["answers".as_ref(), folder.path().as_os_str()])?;
    let mut ours = Side::new(&site, &program)?;
    let mut baseline = Side::new(&site, &bare)?;
    for _ in 0..ROUNDS {
        ours.round()?;
        baseline.round()?;
    }
    let note = format!(
        "{WALLS} walls with {STICKERS} stickers, {MODULES} modules, {} scripts and {POSTS} posts; {:.0} bytes each in {}; \
         {:.1} µs CPU a page, the baseline's {:.1}; the load was busy for {:.0} % of the time",
        SCRIPTS.len(),
        ours.visitors.bytes as f64 / ours.visitors.answers as f64,
        ours.visitors.encoding,
        ours.each(),
        baseline.each(),
        ours.busiest().max(baseline.busiest()) * 100.0,
    );
    // A load that is busy all the time has measured itself.
    let ours_is = if ours.busiest() < 0.97 { ours.middle() } else { f64::NAN };
    let row = Row::new(
        "full_wall_cached",
        ours_is,
        baseline.middle(),
        "req/s",
        Bar::RatioAtLeast(0.85),
        note,
    );
    program.stop()?;
    Ok(vec![row])
}

/// A server that is asked for walls.
struct Side<'a> {
    program: &'a Program,
    load: Load,
    visitors: Visitors,
    rates: Vec<Rate>,
    cpu: Duration,
}

impl<'a> Side<'a> {
    fn new(site: &Site, program: &'a Program) -> Result<Self> {
        let request = |wall| load::get(program.address, &path(wall), None, ENCODINGS);
        let mut side = Self {
            program,
            load: Load::connect(program.address, CONNECTIONS)?,
            visitors: Visitors {
                requests: site.members.iter().map(request).collect(),
                known: vec![Vec::new(); site.members.len()],
                next: 0,
                encoding: String::new(),
                bytes: 0,
                answers: 0,
            },
            rates: Vec::new(),
            cpu: Duration::ZERO,
        };
        side.load.run(ROUND / 6, &mut side.visitors)?;
        (side.visitors.bytes, side.visitors.answers) = (0, 0);
        Ok(side)
    }

    fn round(&mut self) -> Result<()> {
        let before = self.program.cpu();
        self.rates.push(self.load.run(ROUND, &mut self.visitors)?);
        self.cpu += self.program.cpu() - before;
        Ok(())
    }

    /// Microseconds of processor time for a page.
    fn each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.rates.iter().map(|rate| rate.requests).sum::<u64>() as f64
    }

    fn middle(&self) -> f64 {
        median(self.rates.iter().map(Rate::per_second).collect())
    }

    fn busiest(&self) -> f64 {
        self.rates.iter().map(|rate| rate.busy).fold(0.0, f64::max)
    }
}

/// Every wall in turn; every byte is compared with what came before.
struct Visitors {
    requests: Vec<Vec<u8>>,
    known: Vec<Vec<u8>>,
    next: usize,
    encoding: String,
    bytes: usize,
    answers: usize,
}

impl Traffic for Visitors {
    fn next(&mut self) -> (&[u8], u64) {
        self.next = (self.next + 1) % self.requests.len();
        (&self.requests[self.next], self.next as u64)
    }

    fn check(&mut self, word: u64, answer: &Answer) -> Result<()> {
        ensure!(answer.status == 200, "a wall was answered by {}", answer.status);
        let known = &mut self.known[word as usize];
        // It differs when a clock on it went on.
        if known != answer.body {
            self.encoding = answer.header("content-encoding").to_owned();
            ensure!(!self.encoding.is_empty(), "a wall came without compression");
            *known = answer.body.to_vec();
        }
        self.bytes += answer.body.len();
        self.answers += 1;
        Ok(())
    }
}

/// Measures the processor time of a wall on which everything but its modules has changed since it was made last.
pub fn full_wall_fresh() -> Result<Vec<Row>> {
    let site = site(WALLS)?.copy("page_cache_mib = 0")?;
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    let folder = tempfile::tempdir_in(crate::scratch()?)?;
    fresh::lay_out(&site, &program, folder.path())?;
    fs::write(folder.path().join(fresh::FULL), "")?;
    let bare = Baseline::start(&["fresh".as_ref(), folder.path().as_os_str()])?;
    let mut changes = Changes::new(&site, &program)?;
    let (mut anew, mut kept, mut compressed, mut baseline) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut sizes, mut bare_sizes) = (Vec::new(), Vec::new());
    for round in 0..=BUILT {
        changes.make(round)?;
        let first = each_once(&site, &program, "identity", &mut sizes)?;
        let again = each_once(&site, &program, "identity", &mut sizes)?;
        let small = each_once(&site, &program, ENCODINGS, &mut Vec::new())?;
        let bare = each_once(&site, &bare, "identity", &mut bare_sizes)?;
        // The first time, views are made.
        if round > 0 {
            anew.push(first);
            kept.push(again);
            compressed.push(small);
            baseline.push(bare);
        }
    }
    let note = format!(
        "{:.0} bytes a page, the baseline's {:.0}; views warm, every other piece of the page made anew after a change of it; \
         {:.0} µs when no piece has changed, and {:.0} µs compressed as browsers ask",
        median(sizes),
        median(bare_sizes),
        median(kept),
        median(compressed),
    );
    program.stop()?;
    Ok(vec![Row::new(
        "full_wall_fresh",
        median(anew),
        median(baseline),
        "µs CPU",
        Bar::AtMost(4_000.0),
        note,
    )])
}

/// Asks for each wall once; answers the processor time of one, in microseconds.
fn each_once(site: &Site, program: &Program, encoding: &str, sizes: &mut Vec<f64>) -> Result<f64> {
    let mut client = Client::connect(program.address)?;
    client.get("/health")?;
    std::thread::sleep(SETTLED);
    let before = program.cpu();
    for member in &site.members {
        let request = load::get(program.address, &path(member), None, encoding);
        let answer = client.exchange(&request)?.expect(200)?;
        sizes.push(answer.body.len() as f64);
    }
    // A thread's time is known once it rests.
    std::thread::sleep(SETTLED / 4);
    Ok((program.cpu() - before).as_secs_f64() * 1e6 / site.members.len() as f64)
}

/// What changes every piece of every wall: words under the name, a number of a script, what a picture shows (which stickers
/// and posts say), and a tag.
struct Changes {
    owners: Vec<Owner>,
}

struct Owner {
    client: Client,
    name: String,
    picture: String,
    script: String,
}

impl Changes {
    fn new(site: &Site, program: &Program) -> Result<Self> {
        let owners = site.members.iter().map(|member| {
            let mut client = Client::connect(program.address)?;
            client.cookie = Some(member.cookie.clone());
            let stickers: Value =
                serde_json::from_str(&client.get_json(&format!("/wall/{}/stickers", member.name))?.text())?;
            let stickers = stickers["stickers"].as_array().context("stickers come as a list")?;
            let picture = stickers
                .iter()
                .find_map(|sticker| sticker["media"].as_str())
                .context("one is a picture")?;
            let pins: Value =
                serde_json::from_str(&client.get_json(&format!("/wall/{}/scripts", member.name))?.text())?;
            let script = pins["pins"][0]["script"]["id"].as_str().context("a script is pinned")?;
            Ok(Owner {
                name: member.name.clone(),
                picture: picture.to_owned(),
                script: script.to_owned(),
                client,
            })
        });
        Ok(Self {
            owners: owners.collect::<Result<_>>()?,
        })
    }

    fn make(&mut self, round: usize) -> Result<()> {
        for Owner {
            client,
            name,
            picture,
            script,
        } in &mut self.owners
        {
            let mut change = |path: &str, fields: Value| client.post_json(path, &fields.to_string());
            let words = format!("edition {round} of this wall");
            // Every post stands in its owner's colour.
            let colour = ["green", "blue"][round % 2];
            let profile = change(
                &format!("/wall/{name}/profile"),
                json!({ "status": words, "colour": colour }),
            )?;
            ensure!(profile.status < 400, "{}", profile.text());
            change(&format!("/library/{picture}"), json!({ "alt": words }))?.expect(200)?;
            let params = json!({ "params": json!({ "round": round }).to_string() });
            change(&format!("/wall/{name}/scripts/{script}/params"), params)?.expect(200)?;
            let tags = change(
                &format!("/wall/{name}/tags"),
                json!({ "tags": format!("tide-{round}") }),
            )?;
            ensure!(tags.status < 400, "{}", tags.text());
        }
        Ok(())
    }
}
