//! `first_paint` and `page_weight`: a full wall in a real browser that has never seen it.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use neospace_tests::{Browser, Page, Person};
use serde_json::json;

use crate::{
    baseline::Baseline,
    client::Client,
    full, load,
    machine::{self, On},
    report::{Bar, Row, median},
    site::{Member, Site},
};

/// So many times slower than this machine is the one that shows it.
pub const SLOWER: u32 = 4;
const PAINTED: usize = 9;
/// A page that has asked for nothing in so long has all that it asks for by itself.
const QUIET: Duration = Duration::from_secs(2);
/// How long a page may take to be there, and between two looks whether it is.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(25);

/// A browser that is somebody: a member's page, or a guest's. Of motion it wants what there is.
pub fn page(browser: &Browser, member: Option<&Member>, address: SocketAddr) -> Page {
    let page = match member {
        Some(member) => {
            let person = Person::new(&member.name, address);
            let (name, value) = member.cookie.split_once('=').unwrap_or_default();
            person.set_cookie(name, value);
            browser.page_of(&person)
        }
        None => browser.page(),
    };
    let moving = json!({ "features": [{ "name": "prefers-reduced-motion", "value": "no-preference" }] });
    page.call("Emulation.setEmulatedMedia", moving);
    page
}

/// Makes a page's processor slower, or lets it be as fast as it is. One that is slow takes a whole core, whatever it does: nothing else
/// can be measured meanwhile.
pub fn throttle(page: &Page, slower: u32) {
    page.call("Emulation.setCPUThrottlingRate", json!({ "rate": slower }));
}

/// Work of the browser's own, which no compiler makes faster as it goes on: answers its milliseconds. Long enough for a slowness that
/// comes in pieces, and not even ones where the machine has much else to do.
const WORK: &str = "(() => { const none = new Uint8Array(65536), began = performance.now(); for (let n = 0; n < 500; n++) none.indexOf(1); return performance.now() - began })()";

/// Whatever page comes next works once as soon as it has been painted.
pub fn watch_slowness(page: &Page) {
    let source = format!(
        "if (top === self) new PerformanceObserver((list, watch) => {{ \
         if (list.getEntriesByName('first-contentful-paint').length === 0) return; watch.disconnect(); window.worked = {WORK} \
         }}).observe({{ type: 'paint', buffered: true }})"
    );
    page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }));
}

/// Goes to an address on a slow machine, waits until an expression says that it is there, and is as fast as it can be again. Answers
/// how many times slower it was when it had been painted.
///
/// # Errors
/// When it never is there.
pub fn go_slowly(page: &Page, url: &str, there: &str) -> Result<f64> {
    throttle(page, SLOWER);
    page.goto(url);
    let began = Instant::now();
    while page.eval(there) != true {
        ensure!(began.elapsed() < PATIENCE, "{url} never came");
        std::thread::sleep(LOOK);
    }
    throttle(page, 1);
    let fast: Option<Vec<_>> = (0..5).map(|_| page.eval(WORK).as_f64()).collect();
    let fastest = fast.context("times")?.into_iter().fold(f64::MAX, f64::min);
    Ok(page.eval("window.worked").as_f64().context("it was watched")? / fastest)
}

/// What was measured, if the browser was about as slow as was asked for: one that wasn't has shown nothing.
pub fn if_slow(measured: f64, slower: f64) -> f64 {
    match slower > 0.8 * f64::from(SLOWER) {
        true => measured,
        false => f64::NAN,
    }
}

/// The wall that is shown: with the marks of what its page is made of, so that a bare one can be made of it.
struct Wall {
    site: Site,
    path: String,
}

fn wall() -> Result<Wall> {
    let site = full::site(2)?;
    let path = format!("/wall/{}", site.members[0].name);
    Ok(Wall { site, path })
}

/// Measures from the click to the first picture, on a slow machine with an empty cache; the baseline is the same markup without
/// a sheet or a script.
pub fn first_paint() -> Result<Vec<Row>> {
    let wall = wall()?;
    // A browser and all its processes, and the server: wherever the system puts them, as in everyday use.
    machine::unpin()?;
    let program = wall.site.start(On::AnyCore)?;
    let folder = tempfile::tempdir_in(crate::scratch()?)?;
    let mut client = Client::connect(program.address)?;
    let markup = client.get(&wall.path)?.expect(200)?.text();
    let plain = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\r\n{}",
        bare(&markup)
    );
    fs::write(folder.path().join(&wall.site.members[0].name), plain)?;
    let baseline = Baseline::start_on(On::AnyCore, &["answers".as_ref(), folder.path().as_os_str()])?;
    // The page is finished and compressed, as it is for all but the first who asks.
    client.exchange(&load::get(program.address, &wall.path, None, full::ENCODINGS))?;
    let browser = Browser::start();
    let (mut ours, mut theirs, mut all, mut slow) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..=PAINTED {
        let [first, whole, slower] = painted(&page(&browser, None, program.address), program.address, &wall.path)?;
        let bare = page(&browser, None, baseline.address);
        // The pictures that it shows are elsewhere.
        bare.allow("");
        let [bare, ..] = painted(&bare, baseline.address, &wall.path)?;
        // The browser's own first time is not the page's.
        if round > 0 {
            ours.push(first);
            theirs.push(bare);
            all.push(whole);
            slow.push(slower);
        }
    }
    let slowest = ours.iter().copied().fold(0.0, f64::max);
    let slower = median(slow);
    let note = format!(
        "{:.0} KB of markup, which alone is the baseline; {SLOWER} times throttled (measured: {slower:.1}), nothing in the cache; slowest \
         {slowest:.0} ms; all loaded after {:.0} ms",
        markup.len() as f64 / 1e3,
        median(all)
    );
    program.stop()?;
    Ok(vec![Row::new(
        "first_paint",
        if_slow(median(ours), slower),
        median(theirs),
        "ms",
        Bar::AtMost(1_000.0),
        note,
    )])
}

/// Milliseconds from the beginning of a visit to the first paint with content, and until all is loaded; and how many times slower
/// than it can be the browser was.
/// The page is somebody's new, so nothing is in its cache.
fn painted(page: &Page, address: SocketAddr, path: &str) -> Result<[f64; 3]> {
    // Chromium asks for one where a document names none.
    page.allow("/favicon.ico");
    // The browser knows the server.
    page.goto(&format!("http://{address}/health"));
    watch_slowness(page);
    let done = format!(
        "location.pathname === {} && performance.getEntriesByName('first-contentful-paint').length > 0 \
         && performance.getEntriesByType('navigation')[0].loadEventEnd > 0",
        json!(path)
    );
    let slower = go_slowly(page, &format!("http://{address}{path}"), &done)?;
    let times = page.eval(
        "[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.getEntriesByType('navigation')[0].loadEventEnd]",
    );
    let time = |nth: usize| times[nth].as_f64().context("a time");
    Ok([time(0)?, time(1)?, slower])
}

/// A page without what makes it look and act.
fn bare(markup: &str) -> String {
    let lines = markup.lines().filter(|line| {
        let line = line.trim_start();
        !(line.starts_with("<link rel=\"stylesheet\"") || line.starts_with("<script"))
    });
    let mut bare = String::with_capacity(markup.len());
    for line in lines {
        bare.push_str(line);
        bare.push('\n');
    }
    // Where several stand on a line.
    for (begin, end) in [("<link rel=\"stylesheet\"", ">"), ("<script", "</script>")] {
        while let Some(at) = bare.find(begin) {
            let until = bare[at..]
                .find(end)
                .map_or(bare.len(), |length| at + length + end.len());
            bare.replace_range(at..until, "");
        }
    }
    bare
}

/// Measures what of our own comes over the line for a wall before anybody touches it: the most of a guest's, a member's and its
/// owner's page.
pub fn page_weight() -> Result<Vec<Row>> {
    let wall = wall()?;
    machine::unpin()?;
    let program = wall.site.start(On::AnyCore)?;
    let browser = Browser::start();
    let mut weights = Vec::new();
    for (who, member) in [
        ("a guest", None),
        ("a member", Some(&wall.site.members[1])),
        ("its owner", Some(&wall.site.members[0])),
    ] {
        let page = page(&browser, member, program.address);
        page.goto(&format!("http://{}{}", program.address, wall.path));
        let (mut asked, mut since) = (0, Instant::now());
        while since.elapsed() < QUIET {
            std::thread::sleep(QUIET / 20);
            let now = page.requests().len();
            if now != asked {
                (asked, since) = (now, Instant::now());
            }
        }
        let received = page.received();
        let sum = |kinds: &[&str]| -> (usize, f64) {
            let found = received.iter().filter(|one| kinds.contains(&&*one.kind));
            (
                found.clone().count(),
                found.map(|one| one.bytes as f64).sum::<f64>() / 1e3,
            )
        };
        ensure!(sum(&["Script"]).0 > 5, "a wall loads more scripts than {received:#?}");
        weights.push((
            who,
            sum(&["Script"]),
            sum(&["Stylesheet"]),
            sum(&["Font"]),
            sum(&["Document"]),
        ));
    }
    let (who, scripts, sheets, fonts, document) = weights
        .iter()
        .max_by(|one, other| f64::total_cmp(&(one.1.1 + one.2.1), &(other.1.1 + other.2.1)))
        .context("somebody looked")?;
    let each: Vec<_> = weights
        .iter()
        .map(|(who, scripts, sheets, ..)| format!("{who} {:.1}", scripts.1 + sheets.1))
        .collect();
    let note = format!(
        "heads included, as Chromium asks; of {who} {} scripts with {:.1} KB, {} sheets with {:.1}; besides, {} fonts with {:.0} KB and \
         {:.0} KB of page; {}",
        scripts.0,
        scripts.1,
        sheets.0,
        sheets.1,
        fonts.0,
        fonts.1,
        document.1,
        each.join(", ")
    );
    let row = Row::new(
        "page_weight",
        scripts.1 + sheets.1,
        f64::NAN,
        "KB",
        Bar::AtMost(150.0),
        note,
    );
    program.stop()?;
    Ok(vec![row])
}
