//! `drag_latency`: a sticker that is dragged, at the sockets of those who watch, and on the screen of who drags it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use neospace_tests::{Browser, Page};
use serde_json::{Value, json};

use crate::{
    client::Client,
    full,
    machine::{self, On},
    pace::Times,
    report::{Bar, Row, median},
    rooms::NO_LIMITS,
    screen,
    site::Site,
    swarm::Swarm,
};

const WATCHERS: usize = 50;
/// As often as the browser tells of a drag.
const PER_SECOND: u32 = 25;
const LASTING: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(10);
const DRAGS: usize = 5;
/// How long one lasts; its mouse events come as fast as a screen shows them.
const DRAGGED: Duration = Duration::from_secs(2);
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
    let made: Value = serde_json::from_str(&made.expect(201)?.text())?;
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

/// Frames a second while a sticker of a full wall is dragged, on a slow machine; the baseline is a page with nothing but the same
/// pictures, of which one follows the mouse.
fn at_dragger() -> Result<Row> {
    let site = full::site(1)?;
    // A browser and all its processes, and the server: wherever the system puts them, as in everyday use.
    machine::unpin()?;
    let program = site.start(On::AnyCore)?;
    let owner = &site.members[0];
    let stickers = Client::connect(program.address)?.get_json(&format!("/wall/{}/stickers", owner.name))?;
    let stickers: Value = serde_json::from_str(&stickers.expect(200)?.text())?;
    let all = stickers["stickers"].as_array().context("stickers come as a list")?;
    let topmost = all
        .iter()
        .max_by_key(|sticker| sticker["z"].as_i64())
        .context("there are stickers")?;
    let id = topmost["id"].as_i64().context("a sticker has an id")?;
    let browser = Browser::start();

    let page = screen::page(&browser, Some(owner), program.address);
    page.viewport(1280, 900);
    page.goto(&format!(
        "http://{}/wall/{}?edit=1&tab=stickers",
        program.address, owner.name
    ))
    .wait_for(".stickers.is-editing");
    let bare = screen::page(&browser, None, program.address);
    // Chromium asks for one where a document names none.
    bare.allow("/favicon.ico");
    bare.viewport(1280, 900);
    bare.goto(&format!("http://{}/health", program.address));
    bare.eval(&format!("({BARE})({}, {id})", stickers["stickers"]));
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for round in 0..=DRAGS {
        let one = frames(&page, &format!("#sticker-{id}"))?;
        let other = frames(&bare, &format!("#sticker-{id}"))?;
        // The first time, pictures are still unpacked.
        if round > 0 {
            ours.push(one);
            baseline.push(other);
        }
    }
    let slowest = ours.iter().copied().fold(f64::MAX, f64::min);
    let note = format!(
        "a wall with {} stickers, modules, scripts and posts; {} times throttled; slowest of {DRAGS} drags {slowest:.1}; the baseline is a \
         page with the same pictures alone",
        full::STICKERS,
        screen::SLOWER,
    );
    program.stop()?;
    Ok(Row::new(
        "drag_frames",
        median(ours),
        median(baseline),
        "fps",
        Bar::AtLeast(55.0),
        note,
    ))
}

/// Lays the same pictures on an empty page; the one with this id follows the mouse while a button is held.
const BARE: &str = "async (stickers, moved) => {
    const layer = Object.assign(document.createElement('main'), { className: 'bare' })
    Object.assign(layer.style, { position: 'relative', blockSize: '2200px' })
    document.body.replaceChildren(layer)
    for (const { id, emoji, picture, x, y, width, rotation } of stickers) {
        const one = Object.assign(document.createElement(picture ? 'img' : 'div'), { id: `sticker-${id}`, draggable: false })
        if (picture) one.src = picture
        else one.textContent = emoji
        Object.assign(one.style, { position: 'absolute', left: `${x}%`, top: `${y}px`, width: `${width}px`, rotate: `${rotation}deg`, fontSize: `${width * 0.76}px`, userSelect: 'none' })
        layer.append(one)
    }
    await Promise.all([...document.images].map(image => image.decode().catch(() => {})))
    const follows = document.getElementById(`sticker-${moved}`)
    follows.style.willChange = 'translate'
    let from = null, next = null
    follows.addEventListener('pointerdown', event => {
        event.preventDefault()
        from = [event.pageX, event.pageY]
    })
    addEventListener('pointerup', () => (from = null))
    addEventListener('pointermove', event => {
        if (!from) return
        next ??= requestAnimationFrame(() => {
            next = null
            if (from) follows.style.translate = `${event.pageX - from[0]}px ${event.pageY - from[1]}px`
        })
    })
}";

/// Drags what a selector names around in a circle; answers the frames a second that the page made meanwhile.
fn frames(page: &Page, selector: &str) -> Result<f64> {
    let at = page.reach(selector);
    let mouse = |event: &str, x: f64, y: f64| {
        let (button, buttons) = match event {
            "mouseMoved" => ("none", 1),
            "mouseReleased" => ("left", 0),
            _ => ("left", 1),
        };
        page.call(
            "Input.dispatchMouseEvent",
            json!({ "type": event, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1, "pointerType": "mouse" }),
        );
    };
    screen::throttle(page, screen::SLOWER);
    mouse("mousePressed", at.x, at.y);
    page.eval("window.frames_ = 0; window.began = performance.now(); (function count() { window.frames_++; window.counting = requestAnimationFrame(count) })()");
    let start = Instant::now();
    while start.elapsed() < DRAGGED {
        let moved = Instant::now();
        let angle = start.elapsed().as_secs_f64() * 6.0;
        mouse(
            "mouseMoved",
            at.x + 60.0 * angle.sin(),
            at.y + 40.0 * (1.0 - angle.cos()),
        );
        std::thread::sleep(MOVE_EVERY.saturating_sub(moved.elapsed()));
    }
    let counted = page.eval(
        "cancelAnimationFrame(window.counting); [(window.frames_ - 1) / (performance.now() - window.began) * 1000, document.querySelector('.stickers')?.querySelectorAll('.stick[style*=\"translate:\"]').length ?? 1]",
    );
    mouse("mouseReleased", at.x, at.y);
    screen::throttle(page, 1);
    ensure!(
        counted[1].as_u64().is_some_and(|moving| moving > 0),
        "nothing was dragged"
    );
    counted[0].as_f64().context("a rate")
}
