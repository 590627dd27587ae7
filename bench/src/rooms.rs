//! Rooms: how fast what is said reaches everyone, what an idle socket costs, and whether any of it changes when a room
//! has a long history or some who never listen.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    extract::ws::{Message, Utf8Bytes, WebSocketUpgrade},
    response::Response,
    routing::any,
};
use futures_util::{SinkExt, StreamExt};
use memchr::memmem;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

use crate::{
    baseline::Baseline,
    client::Client,
    machine::{self, On, Program},
    pace::Times,
    report::{Bar, Row, median},
    site::{Member, Site},
    swarm::Swarm,
};

const ROOM: &str = "lobby";
/// The browser's dialect: what most sockets speak.
const HTML: &str = "neospace.html.v1";
pub const JSON: &str = "neospace.json.v1";
/// What a socket waits for at most.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// What is said: a line of talk, about. A number stands before it, by which a message is known again.
const TEXT: &str = "and the ferry to Gozo leaves at **eight**, if it leaves at all. Bring the timetable, please.";
/// Limits that are out of the way: what is measured is the machine, not the manners.
pub const NO_LIMITS: &str = "posts_per_minute = 1000000000\nroom_posts_per_minute = 1000000000\n\
    address_posts_per_minute = 1000000000\ndms_per_minute = 1000000000\n\
    dm_conversation_per_minute = 1000000000\nframes_per_window = 1000000000\nconnections = 20000";

/// The word by which message `n` is known in any frame that carries it.
fn mark(n: u64) -> String {
    format!("no{n:09}x")
}

/// The number of the message that a frame carries.
fn marked(frame: &[u8]) -> Option<u64> {
    let at = memmem::find(frame, b"no0")?;
    std::str::from_utf8(frame.get(at + 2..at + 11)?).ok()?.parse().ok()
}

fn say(n: u64) -> String {
    let mark = mark(n);
    format!(
        "{{\"event\":\"send_message\",\"room\":\"{ROOM}\",\"content\":\"{mark} {TEXT}\",\"nonce\":\"{mark}\",\"ref\":{n}}}"
    )
}

/// Opens a socket, and has it take part in the room.
fn enter(swarm: &mut Swarm, server: SocketAddr, member: &Member, dialect: &str, deaf: bool) -> Result<usize> {
    let n = swarm.open(server, Some(member), dialect, deaf)?;
    swarm.send(n, &format!("{{\"event\":\"join_room\",\"room\":\"{ROOM}\"}}"))?;
    if !deaf {
        let joined = memmem::Finder::new("\"room_joined\"");
        swarm.listen_until("a room to be joined", PATIENCE, |from, frame| {
            from == n && joined.find(frame).is_some()
        })?;
    }
    Ok(n)
}

/// So many sockets in the room.
fn crowd(site: &Site, server: SocketAddr, sockets: usize) -> Result<Swarm> {
    let mut swarm = Swarm::new()?;
    for n in 0..sockets {
        enter(&mut swarm, server, &site.members[n % site.members.len()], HTML, false)?;
    }
    Ok(swarm)
}

// ---- fanout

const FANOUT_ROUNDS: usize = 3;
const FANOUT_ROUND: Duration = Duration::from_secs(3);
/// Sockets that talk, and messages of each that are under way.
const TALKERS: usize = 16;
const UNDER_WAY: usize = 8;

/// Measures deliveries a second at saturation.
pub fn fanout(site: &Site) -> Result<Vec<Row>> {
    machine::pin(machine::cores().1)?;
    // Each on a place of its own: a message that is there already is not said again.
    [200, 1_000]
        .into_iter()
        .map(|sockets| fanout_to(&site.copy(NO_LIMITS)?, sockets))
        .collect()
}

fn fanout_to(site: &Site, sockets: usize) -> Result<Row> {
    let program = site.start(On::OneCore)?;
    let bare = Baseline::start(&["broadcast".as_ref()])?;
    let mut ours = crowd(site, program.address, sockets)?;
    let mut theirs = Swarm::new()?;
    for _ in 0..sockets {
        theirs.open(bare.address, None, HTML, false)?;
    }
    // The baseline hands on what it is sent: the very frame that the product makes of a message.
    let mut frame = String::new();
    ours.send(0, &say(0))?;
    ours.listen_until("a message", PATIENCE, |n, text| {
        let found = n == 1 && marked(text) == Some(0);
        if found {
            frame = String::from_utf8_lossy(text).into_owned();
        }
        found
    })?;
    let echo = |n: u64| frame.replace(&mark(0), &mark(n));
    let mut next = 1;
    let (mut rates, mut baselines, mut cpu) = (Vec::new(), Vec::new(), [Duration::ZERO; 2]);
    let (mut delivered, mut handed_on) = (0, 0);
    for _ in 0..FANOUT_ROUNDS {
        let before = program.cpu();
        let (rate, count) = saturate(&mut ours, &mut next, &say)?;
        cpu[0] += program.cpu() - before;
        delivered += count;
        rates.push(rate);
        let before = bare.cpu();
        let (rate, count) = saturate(&mut theirs, &mut next, &echo)?;
        cpu[1] += bare.cpu() - before;
        handed_on += count;
        baselines.push(rate);
    }
    let each = |cpu: Duration, count: u64| cpu.as_secs_f64() * 1e6 / count as f64;
    let note = format!(
        "{} bytes a frame; {:.2} µs CPU a delivery, durably posted, the baseline's {:.2}",
        frame.len(),
        each(cpu[0], delivered),
        each(cpu[1], handed_on)
    );
    program.stop()?;
    Ok(Row::new(
        if sockets == 200 { "fanout_200" } else { "fanout_1000" },
        median(rates),
        median(baselines),
        "deliv/s",
        Bar::RatioAtLeast(0.7),
        note,
    ))
}

/// Keeps the talkers talking; deliveries a second, and deliveries.
fn saturate(swarm: &mut Swarm, next: &mut u64, text: &dyn Fn(u64) -> String) -> Result<(f64, u64)> {
    let talkers = TALKERS.min(swarm.len());
    let mut said: HashMap<u64, usize> = HashMap::new();
    for talker in 0..talkers {
        for _ in 0..UNDER_WAY {
            swarm.send(talker, &text(*next))?;
            said.insert(*next, talker);
            *next += 1;
        }
    }
    let (start, mut count) = (Instant::now(), 0u64);
    let (mut heard, mut other) = (Vec::new(), String::new());
    let mut finished = Instant::now();
    while !said.is_empty() {
        ensure!(
            finished.elapsed() < PATIENCE,
            "{} messages were lost on the way; the last other frame was {other}",
            said.len()
        );
        heard.clear();
        swarm.listen(Duration::from_millis(500), |n, frame| {
            if marked(frame).is_none() {
                other = String::from_utf8_lossy(&frame[..frame.len().min(300)]).into_owned();
            }
            if let Some(mark) = marked(frame) {
                count += 1;
                // A talker's own message has come round: time for the next.
                if n < talkers && said.get(&mark) == Some(&n) {
                    said.remove(&mark);
                    heard.push(n);
                }
            }
        })?;
        if !heard.is_empty() {
            finished = Instant::now();
        }
        if start.elapsed() < FANOUT_ROUND {
            for &talker in &heard {
                swarm.send(talker, &text(*next))?;
                said.insert(*next, talker);
                *next += 1;
            }
        }
    }
    let lasted = start.elapsed();
    // What is still under way to the others must not fall into the next round.
    let mut quiet = false;
    while !quiet {
        quiet = true;
        swarm.listen(Duration::from_millis(200), |_, _| quiet = false)?;
    }
    Ok((count as f64 / lasted.as_secs_f64(), count))
}

/// What one socket of the baseline still has to send.
#[derive(Default)]
struct Queue {
    frames: Mutex<Vec<Utf8Bytes>>,
    filled: Notify,
}

/// Bare tungstenite: what one socket says, all get; what waits for one goes out in one write.
pub fn broadcast() -> Router {
    let all: Arc<Mutex<Vec<Arc<Queue>>>> = Arc::default();
    Router::new().route(
        "/live",
        any(async move |upgrade: WebSocketUpgrade| -> Response {
            upgrade
                .protocols([HTML])
                .read_buffer_size(4 * 1024)
                .write_buffer_size(128 * 1024)
                .on_upgrade(async move |socket| {
                    let queue = Arc::new(Queue::default());
                    all.lock().unwrap_or_else(|e| e.into_inner()).push(queue.clone());
                    let (mut sink, mut stream) = socket.split();
                    loop {
                        tokio::select! {
                            () = queue.filled.notified() => {
                                let frames = std::mem::take(&mut *queue.frames.lock().unwrap_or_else(|e| e.into_inner()));
                                for frame in frames {
                                    if sink.feed(Message::Text(frame)).await.is_err() {
                                        return;
                                    }
                                }
                                if sink.flush().await.is_err() {
                                    return;
                                }
                            }
                            message = stream.next() => match message {
                                Some(Ok(Message::Text(text))) => {
                                    for queue in all.lock().unwrap_or_else(|e| e.into_inner()).iter() {
                                        queue.frames.lock().unwrap_or_else(|e| e.into_inner()).push(text.clone());
                                        queue.filled.notify_one();
                                    }
                                }
                                Some(Ok(_)) => {}
                                _ => return,
                            },
                        }
                    }
                })
        }),
    )
}

// ---- post_latency

const LATENCY_SOCKETS: usize = 200;
const PER_SECOND: u32 = 200;
const LATENCY_ROUND: Duration = Duration::from_secs(15);

/// Measures from the send to each one's frame.
pub fn post_latency(site: &Site) -> Result<Vec<Row>> {
    let site = site.copy(NO_LIMITS)?;
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    let mut swarm = crowd(&site, program.address, LATENCY_SOCKETS)?;
    let times = steadily(&mut swarm, LATENCY_SOCKETS, PER_SECOND, LATENCY_ROUND, 0)?;
    program.stop()?;
    let ms = |share| times.quantile(share).as_secs_f64() * 1e3;
    let note = format!("{} deliveries, each of a durable post", times.len());
    let row = |metric, share, bar| Row::new(metric, ms(share), f64::NAN, "ms", Bar::AtMost(bar), note.clone());
    Ok(vec![
        row("post_latency_p50", 0.5, 5.0),
        row("post_latency_p99", 0.99, 20.0),
    ])
}

/// Says so much a second for a while, by the first `listeners` sockets in turn; how long until each of them had it. The
/// messages are numbered from `first` on: what was said before under a number is not said again.
fn steadily(swarm: &mut Swarm, listeners: usize, per_second: u32, lasting: Duration, first: u64) -> Result<Times> {
    let every = Duration::from_secs(1) / per_second;
    let start = Instant::now();
    let (mut said, mut times, mut count) = (Vec::new(), Times::default(), 0usize);
    let total = (lasting.as_secs_f64() * f64::from(per_second)) as usize;
    let mut last = Instant::now();
    while count < total * listeners {
        ensure!(
            last.elapsed() < PATIENCE,
            "{count} of {} deliveries came, and then nothing",
            total * listeners
        );
        while said.len() < total && start.elapsed() >= every * said.len() as u32 {
            let n = said.len();
            swarm.send(n % listeners, &say(first + n as u64))?;
            // From when it was due: whoever is late makes the next ones late.
            said.push(start + every * n as u32);
        }
        let due = every * said.len() as u32;
        let wait = if said.len() < total {
            due.saturating_sub(start.elapsed())
        } else {
            PATIENCE
        };
        swarm.listen(wait.min(Duration::from_millis(500)), |_, frame| {
            let number = marked(frame).and_then(|mark| mark.checked_sub(first));
            if let Some(sent) = number.and_then(|number| said.get(number as usize)) {
                times.push(sent.elapsed());
                count += 1;
                last = Instant::now();
            }
        })?;
    }
    Ok(times)
}

// ---- durable_posts

const SENDERS: usize = 64;
const POSTS_ROUNDS: usize = 5;
const POSTS_ROUND: Duration = Duration::from_secs(2);

/// Measures acknowledged posts a second.
pub fn durable_posts(site: &Site) -> Result<Vec<Row>> {
    let site = site.copy(NO_LIMITS)?;
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    // Each sends into a room of its own, so that nothing but its acknowledgement comes back.
    let mut swarm = Swarm::new()?;
    for (n, member) in site.members.iter().take(SENDERS).enumerate() {
        let mut client = Client::connect(program.address)?;
        client.cookie = Some(member.cookie.clone());
        client
            .post(
                "/rooms",
                &[("name", &format!("room-{n}")), ("topic", ""), ("open", "1")],
            )?
            .expect(303)?;
        swarm.open(program.address, Some(member), JSON, false)?;
    }
    let folder = tempfile::tempdir_in(crate::scratch()?)?;
    machine::pin(machine::cores().0)?;
    let raw = crate::writes::Raw::posts(&site.folder().join("data/neospace.db"), folder.path())?;
    machine::pin(machine::cores().1)?;
    let (mut rates, mut baselines, mut sizes, mut next) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..POSTS_ROUNDS {
        let before = written(&program)?;
        rates.push(acknowledged(&mut swarm, &mut next)?);
        let after = written(&program)?;
        let batch = (after.0 - before.0) / (after.1 - before.1).max(1.0);
        sizes.push(batch);
        baselines.push(raw.run(POSTS_ROUND)?);
    }
    program.stop()?;
    let note = format!(
        "{SENDERS} senders, one message of each under way, {:.1} writes a commit; the baseline is the writer alone, with as many callers on the same core",
        median(sizes)
    );
    Ok(vec![Row::new(
        "durable_posts",
        median(rates),
        median(baselines),
        "posts/s",
        Bar::RatioAtLeast(0.6),
        note,
    )])
}

/// Writes and commits so far.
pub fn written(program: &Program) -> Result<(f64, f64)> {
    let metrics = Client::connect(program.address)?.get("/metrics")?.expect(200)?.text();
    let value = |name: &str| {
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .and_then(|value| value.trim().parse().ok())
            .with_context(|| format!("/metrics has no {name}"))
    };
    Ok((
        value("neospace_writer_writes_total")?,
        value("neospace_writer_commits_total")?,
    ))
}

fn acknowledged(swarm: &mut Swarm, next: &mut u64) -> Result<f64> {
    let text = |n: u64, sender: usize| say(n).replace(ROOM, &format!("room-{sender}"));
    let (start, mut count, mut open) = (Instant::now(), 0u64, SENDERS);
    let mut mine = vec![0; SENDERS];
    for (sender, mine) in mine.iter_mut().enumerate() {
        *mine = *next;
        swarm.send(sender, &text(*next, sender))?;
        *next += 1;
    }
    let mut heard = Vec::new();
    while open > 0 {
        ensure!(start.elapsed() < PATIENCE, "posts were not acknowledged");
        heard.clear();
        swarm.listen(Duration::from_millis(500), |n, frame| {
            if marked(frame) == Some(mine[n]) {
                heard.push(n);
            }
        })?;
        count += heard.len() as u64;
        for &sender in &heard {
            if start.elapsed() < POSTS_ROUND {
                mine[sender] = *next;
                swarm.send(sender, &text(*next, sender))?;
                *next += 1;
            } else {
                mine[sender] = u64::MAX;
                open -= 1;
            }
        }
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

// ---- idle_sockets and deaf_sockets

const MANY: usize = 10_000;
const DEAF: usize = 1_000;

/// Measures what each of ten thousand signed-in sockets costs, and whether all of them still answer.
pub fn idle_sockets(site: &Site) -> Result<Vec<Row>> {
    let site = site.copy(NO_LIMITS)?;
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    let before = settled(&program)?;
    let mut swarm = crowd(&site, program.address, MANY)?;
    hush(&mut swarm)?;
    let after = settled(&program)?;
    let each = (after as f64 - before as f64) / MANY as f64 / 1024.0;
    let start = Instant::now();
    for n in 0..MANY {
        swarm.send(n, "{\"event\":\"ping\"}")?;
    }
    let (pong, mut pongs) = (memmem::Finder::new("\"pong\""), 0);
    while pongs < MANY && start.elapsed() < PATIENCE {
        swarm.listen(Duration::from_millis(100), |_, frame| {
            pongs += usize::from(pong.find(frame).is_some());
        })?;
    }
    let answered = start.elapsed();
    ensure!(pongs == MANY, "{pongs} of {MANY} sockets answered");
    program.stop()?;
    let note = format!(
        "{MANY} signed-in sockets in one room; all answered within {:.2} s",
        answered.as_secs_f64()
    );
    Ok(vec![
        Row::new("idle_sockets", each, f64::NAN, "KiB", Bar::AtMost(10.0), note),
        Row::new(
            "idle_answer",
            answered.as_secs_f64(),
            f64::NAN,
            "s",
            Bar::AtMost(2.0),
            "until the last of them had its pong".into(),
        ),
    ])
}

/// The memory of a program once it has stopped moving.
fn settled(program: &Program) -> Result<u64> {
    std::thread::sleep(Duration::from_secs(2));
    program.memory()
}

/// Takes everything that still comes.
fn hush(swarm: &mut Swarm) -> Result<()> {
    let mut last = Instant::now();
    while last.elapsed() < Duration::from_millis(700) {
        swarm.listen(Duration::from_millis(100), |_, _| last = Instant::now())?;
    }
    Ok(())
}

/// Each is nearly ten thousand deliveries. With fewer, the queues of the deaf aren't full in time.
const DEAF_PER_SECOND: u32 = 10;
const DEAF_ROUND: Duration = Duration::from_secs(12);

/// Measures others' wait while a tenth of the room never reads, and what is left of those.
pub fn deaf_sockets(site: &Site) -> Result<Vec<Row>> {
    machine::pin(machine::cores().1)?;
    let run = |deaf: usize| -> Result<(Times, usize, f64)> {
        let site = site.copy(NO_LIMITS)?;
        let program = site.start(On::OneCore)?;
        let listeners = MANY - DEAF;
        let mut swarm = crowd(&site, program.address, listeners)?;
        hush(&mut swarm)?;
        let before = settled(&program)?;
        for n in 0..deaf {
            enter(
                &mut swarm,
                program.address,
                &site.members[n % site.members.len()],
                HTML,
                true,
            )?;
        }
        hush(&mut swarm)?;
        let (mut times, mut said) = (Times::default(), 0);
        let start = Instant::now();
        // Until every deaf one has been closed, or long enough to tell.
        while times.len() == 0 || (swarm.closed() < deaf && start.elapsed() < Duration::from_secs(90)) {
            times.add(steadily(&mut swarm, listeners, DEAF_PER_SECOND, DEAF_ROUND, said)?);
            said += 1_000_000;
        }
        let closed = swarm.closed();
        hush(&mut swarm)?;
        let more = (settled(&program)? as f64 - before as f64) / 1024.0 / 1024.0;
        program.stop()?;
        Ok((times, closed, more))
    };
    let (quiet, _, _) = run(0)?;
    let (times, closed, more) = run(DEAF)?;
    ensure!(closed == DEAF, "{closed} of {DEAF} deaf sockets were closed");
    let ms = |times: &Times| times.quantile(0.99).as_secs_f64() * 1e3;
    let note = format!(
        "{MANY} sockets, {DEAF} of them deaf, {DEAF_PER_SECOND} messages a second; all {closed} were closed, {more:+.1} MiB after"
    );
    Ok(vec![Row::new(
        "deaf_sockets",
        ms(&times),
        ms(&quiet),
        "ms p99",
        Bar::RatioAtMost(1.5),
        note,
    )])
}

// ---- history_growth

const FEW: i64 = 1_000;
const LOTS: i64 = 1_000_000;
const ASKED: usize = 400;

/// Measures a room's page, backfill and search at a long history against a short one.
pub fn history_growth(site: &Site) -> Result<Vec<Row>> {
    machine::pin(machine::cores().1)?;
    let short = history(site, FEW)?;
    let long = history(site, LOTS)?;
    let ms = |times: &Times| times.quantile(0.99).as_secs_f64() * 1e3;
    let rows = ["history_page", "history_backfill", "history_search"];
    Ok(rows
        .into_iter()
        .zip(long.iter().zip(&short))
        .map(|(metric, (long, short))| {
            let note = format!("{LOTS} messages against {FEW}, {ASKED} questions each");
            Row::new(metric, ms(long), ms(short), "ms p99", Bar::RatioAtMost(1.5), note)
        })
        .collect())
}

/// How long the page, a backfill and a search take in a room with so many messages.
fn history(site: &Site, messages: i64) -> Result<[Times; 3]> {
    let site = site.copy(NO_LIMITS)?;
    let ids = crate::writes::fill(&site.folder().join("data/neospace.db"), messages)?;
    let program = site.start(On::OneCore)?;
    let member = &site.members[0];
    let mut swarm = Swarm::new()?;
    let socket = enter(&mut swarm, program.address, member, HTML, false)?;
    let mut client = Client::connect(program.address)?;
    client.cookie = Some(member.cookie.clone());
    let mut times: [Times; 3] = Default::default();
    let end = memmem::Finder::new("\"phase\":\"end\"");
    for n in 0..ASKED + 20 {
        // Anywhere in the room's past.
        let id = ids.start + (n as i64 * 7_919) % (ids.end - ids.start);
        let mut took = [Duration::ZERO; 3];
        let asked = Instant::now();
        client.get(&format!("/rooms/{ROOM}?around={id}"))?.expect(200)?;
        took[0] = asked.elapsed();
        let asked = Instant::now();
        swarm.send(
            socket,
            &format!("{{\"event\":\"request_backfill\",\"room\":\"{ROOM}\",\"before_id\":{id},\"limit\":50}}"),
        )?;
        swarm.listen_until("a backfill", PATIENCE, |_, frame| end.find(frame).is_some())?;
        took[1] = asked.elapsed();
        let asked = Instant::now();
        let word = ["ferry", "timetable", "gozo", "eight"][n % 4];
        client.get(&format!("/rooms/search?q={word}"))?.expect(200)?;
        took[2] = asked.elapsed();
        // The first few warm what is cold after a start.
        if n >= 20 {
            times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
        }
    }
    program.stop().context("the server")?;
    Ok(times)
}
