//! `drag_latency`: a sticker that is dragged, at the sockets of those who watch, and on the screen of who drags it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use neospace_tests::{Browser, Server};
use serde_json::json;

use crate::{
    client::Client,
    machine::{self, On},
    pace::Times,
    report::{Bar, Row, median},
    rooms::NO_LIMITS,
    site::Site,
    swarm::Swarm,
};

const WATCHERS: usize = 50;
/// As often as the browser tells of a drag.
const PER_SECOND: u32 = 25;
const LASTING: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(10);
/// Stickers on the wall on which one is dragged.
const STICKERS: usize = 100;
/// So many times slower than this machine is the one on which it is dragged.
const SLOWER: u32 = 4;
const DRAGS: usize = 5;
/// Mouse events of one drag, which come as fast as a screen shows them.
const MOVES: u32 = 120;
const MOVE_EVERY: Duration = Duration::from_millis(16);

/// Measures both.
pub fn drag_latency(site: &Site) -> Result<Vec<Row>> {
    Ok(vec![at_watchers(site)?, at_dragger()?])
}

/// From when a gesture is due until each watcher's socket has it.
fn at_watchers(site: &Site) -> Result<Row> {
    let site = site.copy(NO_LIMITS)?;
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    let owner = &site.members[0];
    let mut client = Client::connect(program.address)?;
    client.cookie = Some(owner.cookie.clone());
    let made = client.post_json(&format!("/wall/{}/stickers", owner.name), r#"{"emoji":"🐌"}"#)?;
    let made: serde_json::Value = serde_json::from_str(&made.expect(201)?.text())?;
    let sticker = made["id"].as_i64().context("a sticker has an id")?;
    let topic = format!("wall:{}", owner.name);
    let watch = json!({ "event": "watch", "topic": topic }).to_string();
    let mut swarm = Swarm::new()?;
    for n in 0..=WATCHERS {
        let member = &site.members[n % site.members.len()];
        let socket = swarm.open(program.address, Some(member), "neospace.html.v1", false)?;
        swarm.send(socket, &watch)?;
        let mut watching = false;
        while !watching {
            swarm.listen(PATIENCE, |heard, frame| {
                watching |= heard == socket && memmem::find(frame, b"\"watching\"").is_some();
            })?;
        }
    }
    let every = Duration::from_secs(1) / PER_SECOND;
    let total = (LASTING.as_secs_f64() * f64::from(PER_SECOND)) as usize;
    let (start, mut said, mut count, mut last) = (Instant::now(), Vec::new(), 0, Instant::now());
    let mut times = Times::default();
    while count < total * WATCHERS {
        ensure!(last.elapsed() < PATIENCE, "{count} gestures came, and then nothing");
        while said.len() < total && start.elapsed() >= every * said.len() as u32 {
            let gesture = json!({ "event": "gesture", "topic": topic, "sticker": sticker, "x": 50, "y": said.len(), "width": 96, "rotation": 0 });
            swarm.send(0, &gesture.to_string())?;
            // From when it was due: whoever is late makes the next ones late.
            said.push(start + every * said.len() as u32);
        }
        let wait = match said.len() < total {
            true => (every * said.len() as u32).saturating_sub(start.elapsed()),
            false => PATIENCE,
        };
        swarm.listen(wait.min(Duration::from_millis(500)), |_, frame| {
            if let Some(sent) = marked(frame).and_then(|n| said.get(n)) {
                times.push(sent.elapsed());
                count += 1;
                last = Instant::now();
            }
        })?;
    }
    program.stop()?;
    let ms = |share| times.quantile(share).as_secs_f64() * 1e3;
    let note = format!(
        "{} gestures at {WATCHERS} sockets; half within {:.2} ms",
        times.len(),
        ms(0.5)
    );
    Ok(Row::new(
        "drag_latency",
        ms(0.99),
        f64::NAN,
        "ms p99",
        Bar::AtMost(50.0),
        note,
    ))
}

/// The number that a gesture carries as its height.
fn marked(frame: &[u8]) -> Option<usize> {
    memmem::find(frame, b"\"gesture\"")?;
    let at = memmem::find(frame, b"\"y\":")? + 4;
    let text = std::str::from_utf8(&frame[at..]).ok()?;
    text.split([',', '}', '.']).next()?.parse().ok()
}

/// Frames a second while a sticker among a hundred is dragged, on a slow machine.
fn at_dragger() -> Result<Row> {
    // A browser and all its processes, and the server: wherever the system puts them, as in everyday use.
    machine::unpin()?;
    let server = Server::builder().config(&format!("[limits]\n{NO_LIMITS}")).start();
    let ana = server.person("ana");
    for n in 0..STICKERS {
        let (x, y) = ((n * 37 % 90).to_string(), (n * 53 % 700).to_string());
        let fields = [("emoji", "🐌"), ("x", x.as_str()), ("y", y.as_str())];
        while ana.post_json("/wall/ana/stickers", &fields).status == 429 {
            std::thread::sleep(Duration::from_millis(250));
        }
    }
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.viewport(1280, 900);
    page.call(
        "Emulation.setEmulatedMedia",
        json!({ "features": [{ "name": "prefers-reduced-motion", "value": "no-preference" }] }),
    );
    page.goto(&server.url("/wall/ana?edit=1&tab=stickers"))
        .wait_for(".stickers.is-editing");
    page.call("Emulation.setCPUThrottlingRate", json!({ "rate": SLOWER }));
    let mut rates = Vec::new();
    for _ in 0..DRAGS {
        let at = page.reach("#stickers > .stick:last-of-type");
        let mouse = |event: &str, x: f64, y: f64| {
            let button = if event == "mouseMoved" { "none" } else { "left" };
            page.call(
                "Input.dispatchMouseEvent",
                json!({ "type": event, "x": x, "y": y, "button": button, "buttons": 1, "clickCount": 1 }),
            );
        };
        mouse("mousePressed", at.x, at.y);
        page.eval("window.frames_ = 0; window.began = performance.now(); (function count() { window.frames_++; window.counting = requestAnimationFrame(count) })()");
        let start = Instant::now();
        for n in 0..MOVES {
            let angle = f64::from(n) / 10.0;
            mouse(
                "mouseMoved",
                at.x + 60.0 * angle.sin(),
                at.y + 40.0 * (1.0 - angle.cos()),
            );
            std::thread::sleep((MOVE_EVERY * (n + 1)).saturating_sub(start.elapsed()));
        }
        let rate = page.eval(
            "cancelAnimationFrame(window.counting); (window.frames_ - 1) / (performance.now() - window.began) * 1000",
        );
        mouse("mouseReleased", at.x, at.y);
        rates.push(rate.as_f64().context("a rate")?);
    }
    let slowest = rates.iter().copied().fold(f64::MAX, f64::min);
    let note = format!("{STICKERS} stickers; {SLOWER} times throttled; slowest of {DRAGS} drags {slowest:.1}");
    Ok(Row::new(
        "drag_frames",
        median(rates),
        f64::NAN,
        "fps",
        Bar::AtLeast(55.0),
        note,
    ))
}
