//! `/metrics`: the same figures for Prometheus, in its text format 0.0.4.

use std::fmt::{Display, Write};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};

use crate::{
    app::{App, now_ms},
    crypto, db,
    error::Error,
    http::Peer,
    meter::{self, Sample},
};

/// `GET /metrics`: for programs on the machine itself, and for those with the operator's token.
///
/// # Errors
/// [`Error::Forbidden`] for everyone else.
pub async fn metrics(State(app): State<App>, Peer(peer): Peer, headers: HeaderMap) -> Result<Response, Error> {
    // A proxy that isn't known as one makes strangers look like the machine itself; it says so all the same.
    let through_proxy = ["x-forwarded-for", "forwarded", "via", "x-real-ip"]
        .iter()
        .any(|name| headers.contains_key(*name));
    let is_local = peer.is_loopback() && !through_proxy;
    if !is_local && !has_token(&app.config().metrics_token, &headers) {
        return Err(Error::Forbidden(
            "Metrics are for the machine itself, or with the operator's metrics_token. The same figures for people are at /system.".into(),
        ));
    }
    let taking = app.clone();
    let sample = tokio::task::spawn_blocking(move || meter::sample(&taking))
        .await
        .map_err(Error::internal)?;
    let kind = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((kind, text(&app, &sample)).into_response())
}

fn has_token(token: &str, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    !token.is_empty() && given.is_some_and(|given| crypto::same(given.as_bytes(), token.as_bytes()))
}

/// Metrics being written: each with its help and its type before its samples.
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into memory cannot fail.
        let _ = writeln!(self.0, "# HELP neospace_{name} {help}\n# TYPE neospace_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "neospace_{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.line(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.line(name, "", value);
    }
}

fn text(app: &App, now: &Sample) -> String {
    let mut page = Page(String::with_capacity(8 * 1024));
    page.head("build_info", "gauge", "Versions, as labels; always 1.");
    let versions = format!(
        "{{version=\"{}\",schema=\"{}\",sqlite=\"{}\",wasmtime=\"{}\"}}",
        env!("CARGO_PKG_VERSION"),
        db::schema_version(),
        rusqlite::version(),
        neospace_runner::WASMTIME_VERSION
    );
    page.line("build_info", &versions, 1);
    let started = (now_ms() as f64 / 1_000.0) - app.started.elapsed().as_secs_f64();
    page.gauge(
        "start_time_seconds",
        "When the program started, Unix seconds.",
        format!("{started:.3}"),
    );

    page.head(
        "http_request_duration_seconds",
        "histogram",
        "Time from a request's head to its answer's.",
    );
    for power in (6..=24).step_by(2) {
        let us = 1_u64 << power;
        let label = format!("{{le=\"{}\"}}", us as f64 / 1e6);
        page.line("http_request_duration_seconds_bucket", &label, now.requests.below(us));
    }
    let count = now.requests.count();
    page.line("http_request_duration_seconds_bucket", "{le=\"+Inf\"}", count);
    page.line(
        "http_request_duration_seconds_sum",
        "",
        now.requests.sum_us as f64 / 1e6,
    );
    page.line("http_request_duration_seconds_count", "", count);

    page.gauge("live_sockets", "Open WebSockets.", now.sockets);
    page.gauge("live_topics", "Topics that somebody watches.", now.topics);

    page.counter("writer_writes_total", "Writes answered.", now.writes);
    page.counter(
        "writer_commits_total",
        "Transactions committed; each holds a batch of writes.",
        now.commits,
    );
    page.counter(
        "writer_commit_seconds_total",
        "Time spent in commits, the disk's sync in it.",
        now.commit_us as f64 / 1e6,
    );
    page.gauge("writer_waiting", "Writes that wait for the writer.", now.waiting);
    page.gauge(
        "writer_largest_batch",
        "The most writes that shared a commit.",
        now.largest_batch,
    );
    page.gauge("database_bytes", "Size of the database file.", now.database_bytes);
    page.gauge(
        "wal_bytes",
        "Size of what is in the write-ahead log and not in the database file.",
        now.wal_bytes,
    );

    page.counter("page_hits_total", "Pages answered from memory.", now.page_hits);
    page.counter("page_renders_total", "Pages rendered.", now.page_renders);

    page.counter("dms_total", "Direct messages stored.", now.dms);
    page.counter("dm_files_total", "Sealed files of direct messages taken.", now.dm_files);
    page.counter(
        "uploads_total",
        "Pictures and sounds that a worker made anew.",
        now.uploads,
    );
    page.counter(
        "uploads_refused_total",
        "Uploads that a worker refused, or that no worker could take.",
        now.uploads_refused,
    );

    let plugins: Vec<_> = app
        .plugins
        .standings()
        .into_iter()
        .filter_map(|(id, standing, _)| Some((id, standing.plugin()?.stats.figures())))
        .collect();
    let each = [
        ("plugin_calls_total", "Calls of a plugin."),
        ("plugin_hits_total", "Views of a plugin shown without a call."),
        (
            "plugin_fuel_total",
            "Fuel that a plugin burned; about one unit an instruction.",
        ),
        ("plugin_faults_total", "Calls of a plugin that failed."),
    ];
    for (at, (name, help)) in each.into_iter().enumerate() {
        page.head(name, "counter", help);
        for (id, figures) in &plugins {
            let value = [figures.calls, figures.hits, figures.fuel, figures.faults][at];
            // A plugin's name is of a-z, 0-9 and -.
            page.line(name, &format!("{{plugin=\"{id}\"}}"), value);
        }
    }

    page.gauge("lanes", "Processes that run plugins and are up.", now.lanes.up);
    page.gauge("lanes_idle", "Those that wait for work.", now.lanes.idle);
    page.gauge("lane_waiting", "Calls that wait for a lane.", now.lanes.waiting);
    page.counter(
        "lane_calls_total",
        "Calls that came to an end, well or not.",
        now.lanes.calls,
    );
    page.counter(
        "lane_restarts_total",
        "Lanes started after the first ones.",
        now.lanes.restarts,
    );

    page.head(
        "memory_bytes",
        "gauge",
        "Proportional set size by process; resident set where the system tells no more.",
    );
    page.line("memory_bytes", "{of=\"host\"}", now.host_bytes);
    page.line("memory_bytes", "{of=\"lanes\"}", now.lanes_bytes);
    page.0
}
