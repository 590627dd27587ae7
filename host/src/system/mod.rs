//! `/system`: what the machine does, for everyone to see; and `/metrics`, the same for Prometheus.
//!
//! It counts the machine and nobody on it: no names, no secrets, nothing by which people could be compared. Figures are
//! taken while somebody looks, once a second, and never otherwise. A plain GET shows what they are now; who watches gets
//! them morphed in.

mod metrics;
mod plot;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::{HeaderValue, header};
use minijinja::{Value, context};
use serde_json::json;

use crate::{
    app::{App, now_ms},
    db,
    error::Error,
    http::Wants,
    live::frame::{Dialect, Event, Frame, PatchMode},
    meter::{self, Sample},
    plugins::Standing,
    session::Viewer,
    words,
};

pub use metrics::metrics;

/// The topic on `/live`.
pub const TOPIC: &str = "system";

/// Anyone may look. Whoever does, wakes [`follow`].
pub fn watched(app: &App) {
    app.meter.looked.notify_one();
}

/// Sends figures to those who watch, as long as there are any; waits for some as long as the program runs.
pub async fn follow(app: App) {
    loop {
        app.meter.looked.notified().await;
        // Who is about to watch does so within the first pause.
        loop {
            tokio::time::sleep(meter::EVERY).await;
            let dialects = app.hub.dialects(TOPIC);
            if dialects.is_empty() {
                break;
            }
            let minute = app.meter.minute(&app).await;
            let html = dialects.contains(&Dialect::Html).then(|| figures(&app, &minute));
            let html = match html.transpose() {
                Ok(html) => html,
                Err(error) => {
                    tracing::error!(%error, "the figures of the system could not be drawn");
                    break;
                }
            };
            let patch = html.map(|html| {
                Event::Patch {
                    target: "figures",
                    mode: PatchMode::Morph,
                    html: &html,
                }
                .frame()
            });
            let data = dialects
                .contains(&Dialect::Json)
                .then(|| Frame::of(&json!({ "event": "system", "figures": data(&app, &minute) })));
            app.hub.publish(TOPIC, |watcher| match watcher.dialect {
                Dialect::Html => patch.clone(),
                Dialect::Json => data.clone(),
            });
        }
    }
}

/// `GET /system`.
///
/// # Errors
/// The template's.
pub async fn show(State(app): State<App>, viewer: Viewer, wants: Wants) -> Result<Response, Error> {
    let started = Instant::now();
    let minute = app.meter.minute(&app).await;
    let mut response = if wants == Wants::Json {
        Json(data(&app, &minute)).into_response()
    } else {
        let html = app.html.render(
            "system/system.html",
            context! {
                figures => Value::from_safe_string(figures(&app, &minute)?),
                plate => plate(&app),
                signed_in => viewer.member.is_some(),
                here => "system",
                made => format!("never cached, {}", words::lasted(started)),
            },
        )?;
        Html(html).into_response()
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What moves on the page.
fn figures(app: &App, minute: &[Sample]) -> Result<String, Error> {
    let Some(now) = minute.last() else {
        return Ok(String::new());
    };
    let plugins: Vec<Value> = app
        .plugins
        .standings()
        .into_iter()
        .map(|(id, standing, _)| plugin(&id, &standing))
        .collect();
    app.html.render(
        "system/figures.html",
        context! {
            plots => plot::all(minute),
            plugins,
            facts => facts(app, now),
        },
    )
}

/// A line of the plugins' table.
fn plugin(id: &Arc<str>, standing: &Standing) -> Value {
    let figures = standing.plugin().map(|plugin| plugin.stats.figures());
    let figures = figures.filter(|figures| figures.calls + figures.faults > 0);
    let fault = match standing {
        Standing::Revoked { when, .. } => Some(format!("revoked, {}", words::time(*when))),
        _ => figures.as_ref().and_then(|figures| {
            let fault = figures.last_fault.as_ref()?;
            Some(format!("{}, {}", fault.what, words::time(fault.at)))
        }),
    };
    let rests = standing
        .plugin()
        .is_some_and(|plugin| plugin.rests_until(now_ms()).is_some());
    let (state, off) = match standing {
        Standing::Ready(_) if rests => ("resting", true),
        Standing::Ready(_) => ("ready", false),
        Standing::Disabled(_) => ("off", true),
        Standing::Revoked { .. } => ("revoked", true),
        Standing::Missing(_) => ("gone", true),
        Standing::Broken { .. } => ("broken", true),
    };
    context! {
        id,
        version => standing.plugin().map(|plugin| plugin.manifest.version.clone()),
        fuel => figures.as_ref().map(|figures| words::fuel(figures.fuel_usual)),
        time => figures.as_ref().map(|figures| words::duration(Duration::from_micros(figures.time_us_usual))),
        memory => figures.as_ref().map(|figures| words::size(figures.memory_max)),
        fault,
        state,
        off,
    }
}

/// What moves and has no plot.
fn facts(app: &App, now: &Sample) -> Vec<(&'static str, String)> {
    let share = |part: u64, other: u64| match part + other {
        0 => "none asked for yet".into(),
        all => format!("{:.0} in 100 from memory", part as f64 * 100.0 / all as f64),
    };
    vec![
        ("up for", lasting(app.started.elapsed())),
        (
            "database",
            format!(
                "{}, WAL {}",
                words::size(now.database_bytes),
                words::size(now.wal_bytes)
            ),
        ),
        ("most in a commit", now.largest_batch.to_string()),
        ("pages", share(now.page_hits, now.page_renders)),
        ("views of modules", share(now.plugin_hits, now.plugin_calls)),
        (
            "lanes",
            format!(
                "{} up, {} idle, {} calls waiting, {} restarted",
                now.lanes.up, now.lanes.idle, now.lanes.waiting, now.lanes.restarts
            ),
        ),
        ("faults of plugins", now.plugin_faults.to_string()),
        ("topics watched", now.topics.to_string()),
    ]
}

/// What stays as it is until the next start.
fn plate(app: &App) -> Vec<(&'static str, String)> {
    let missing = app.plugins.lanes().missing_layers;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let started_ms = now_ms() - app.started.elapsed().as_millis() as i64;
    vec![
        ("build", env!("CARGO_PKG_VERSION").into()),
        ("schema", db::schema_version().to_string()),
        ("SQLite", rusqlite::version().into()),
        (
            "engine",
            format!("wasmtime {}, fuel on", neospace_runner::WASMTIME_VERSION),
        ),
        ("machine", format!("{cores} cores, {}", std::env::consts::ARCH)),
        (
            "lanes",
            match missing.as_slice() {
                [] => "confined, every layer".into(),
                missing => format!("confined but for {}", missing.join(", ")),
            },
        ),
        ("up since", words::time(started_ms)),
    ]
}

/// "3 days 4 h", "2 h 5 min", "12 min", "40 s".
fn lasting(time: Duration) -> String {
    let (days, hours, minutes) = (
        time.as_secs() / 86_400,
        time.as_secs() / 3_600 % 24,
        time.as_secs() / 60 % 60,
    );
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", time.as_secs()),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        (1, ..) => format!("1 day {hours} h"),
        _ => format!("{days} days {hours} h"),
    }
}

/// The same as data: what is now, and what happened in each second since the sample before.
fn data(app: &App, minute: &[Sample]) -> serde_json::Value {
    let Some(now) = minute.last() else {
        return json!({});
    };
    let before = minute.len().checked_sub(2).map_or(now, |at| &minute[at]);
    let seconds = (now.at - before.at).as_secs_f64();
    let rate = |now: u64, before: u64| match seconds > 0.0 {
        true => now.saturating_sub(before) as f64 / seconds,
        false => 0.0,
    };
    let times = now.requests.since(&before.requests);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "schema": db::schema_version(),
        "sqlite": rusqlite::version(),
        "wasmtime": neospace_runner::WASMTIME_VERSION,
        "uptime_seconds": app.started.elapsed().as_secs(),
        "requests": { "total": now.requests.count(), "per_second": rate(now.requests.count(), before.requests.count()),
                      "p50_us": times.per_mille(500), "p99_us": times.per_mille(990) },
        "live": { "sockets": now.sockets, "topics": now.topics },
        "writer": { "waiting": now.waiting, "writes": now.writes, "commits": now.commits, "commit_us": now.commit_us,
                    "writes_per_second": rate(now.writes, before.writes), "largest_batch": now.largest_batch },
        "database": { "bytes": now.database_bytes, "wal_bytes": now.wal_bytes },
        "pages": { "hits": now.page_hits, "renders": now.page_renders },
        "plugins": { "calls": now.plugin_calls, "hits": now.plugin_hits, "fuel": now.plugin_fuel, "faults": now.plugin_faults,
                     "fuel_per_second": rate(now.plugin_fuel, before.plugin_fuel) },
        "lanes": { "up": now.lanes.up, "idle": now.lanes.idle, "waiting": now.lanes.waiting, "calls": now.lanes.calls,
                   "restarts": now.lanes.restarts, "missing_layers": now.lanes.missing },
        "memory": { "host_bytes": now.host_bytes, "lanes_bytes": now.lanes_bytes },
    })
}
