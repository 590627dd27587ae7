//! NeoSpace, the server. `ARCHITECTURE.md` is the map; `routes.rs` the table of contents.

pub mod accounts;
pub mod app;
pub mod archive;
pub mod author;
pub mod cache;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod db;
pub mod demo;
pub mod desk;
pub mod directory;
pub mod dm_client;
pub mod dms;
pub mod error;
pub mod fetch;
pub mod files;
pub mod fragments;
pub mod gallery;
pub mod hasher;
pub mod home;
pub mod html;
pub mod http;
pub mod live;
pub mod looks;
pub mod markdown;
pub mod media;
pub mod meter;
pub mod moving;
pub mod neighbourhoods;
pub mod plugins;
pub mod posts;
pub mod profiles;
pub mod rooms;
pub mod routes;
pub mod scripts;
pub mod session;
pub mod stickers;
pub mod system;
pub mod throttle;
pub mod tokens;
pub mod walls;
pub mod welcome;
pub mod words;

use std::{
    path::Path,
    pin::Pin,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use app::{App, Options};
use config::{Config, Log};

/// How often the configuration file is looked at; a revocation takes effect within a second.
const CONFIG_LOOK_EVERY: Duration = Duration::from_millis(250);

/// Serves until SIGTERM or SIGINT, then shuts down in order: stop accepting, tell sockets to come back, finish open
/// requests, drain the writer, checkpoint.
///
/// # Errors
/// Whatever keeps the server from starting.
pub fn serve(options: Options, demo: bool) -> anyhow::Result<()> {
    // Looked at before it is read: what changes from here on is a change.
    let seen = changed_at(&options.config_file);
    let config = Config::load(&options.config_file, &options.flags)?;
    start_log(config.log);
    allow_descriptors(config.limits.connections);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(run(options, config, seen, demo))
}

/// Descriptors besides those of connections: the database, lanes, compiled code, and room.
const DESCRIPTORS_OF_OUR_OWN: u64 = 512;

/// Lets the process hold as many descriptors as the connections that it may have need: systems begin with 1024, and who
/// takes them all could keep lanes from starting.
fn allow_descriptors(connections: u32) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = u64::from(connections) + DESCRIPTORS_OF_OUR_OWN;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let current = now.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let set = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(current),
            maximum: now.maximum,
        },
    );
    if set.is_err() || current < wanted {
        tracing::warn!(
            wanted,
            allowed = current,
            "the system allows fewer open files than limits.connections needs; raise its limit, or lower ours"
        );
    }
}

/// When a file was changed last, and its length.
type Seen = Option<(SystemTime, u64)>;

async fn run(options: Options, config: Config, mut seen: Seen, demo: bool) -> anyhow::Result<()> {
    // Bound before anything else is opened: a taken address is the most common mistake.
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let app = App::open(options, config).await?;
    tokio::spawn(walls::follow(app.clone()));
    rooms::give_lobby(&app).await?;
    tokio::spawn(rooms::follow(app.clone()));
    tokio::spawn(rooms::follow_search(app.clone()));
    dms::prepare(&app.config().data).context("the folder for files can't be made")?;
    tokio::spawn(dms::sweep(app.clone()));
    media::prepare(&app.config().data).context("the folders for media can't be made")?;
    tokio::spawn(media::sweep(app.clone()));
    moving::prepare(&app.config().data).context("the folder for archives can't be made")?;
    tokio::spawn(moving::sweep(app.clone()));
    tokio::spawn(accounts::follow_deletions(app.clone()));
    tokio::spawn(live::beat(app.clone()));
    tokio::spawn(system::follow(app.clone()));
    if demo && demo::fill(&app).await? {
        println!(
            "Demo members have moved in: log in as {} with the password \"{}\".",
            demo::NAME,
            demo::PASSWORD
        );
    }
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), schema = db::schema_version(), "listening");
    println!("NeoSpace listens on http://{address}");

    let (stop, stopping) = watch::channel(false);
    let server = tokio::spawn(http::serve(
        app.clone(),
        routes::site(routes::router(app.clone())),
        listener,
        stopping,
    ));
    let mut look = tokio::time::interval(CONFIG_LOOK_EVERY);
    let mut reload: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {}
            _ = look.tick() => {
                if changed_at(&app.options.config_file) == seen {
                    continue;
                }
            }
            () = async { reload.as_mut().expect("guarded by is_some").await }, if reload.is_some() => {
                reload = None;
                continue;
            }
        }
        seen = changed_at(&app.options.config_file);
        // A reload that still runs is dropped, and nothing of it holds: an operator who revokes a plugin doesn't wait
        // until another one is compiled.
        let app = app.clone();
        reload = Some(Box::pin(async move {
            if app.reload().await.is_ok()
                && let Err(error) = rooms::give_lobby(&app).await
            {
                tracing::error!(
                    ?error,
                    "the lobby's owner could not be changed; the next reload tries again"
                );
            }
        }));
    }
    tracing::info!("shutting down");
    stop.send_replace(true);
    app.hub.close();
    server.await?;
    app.db.close().await;
    tracing::info!("shut down");
    Ok(())
}

fn changed_at(file: &Path) -> Seen {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Writes the log to standard error; `RUST_LOG` chooses what, by default `info` and up.
fn start_log(log: Log) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match log {
        Log::Text => builder.init(),
        Log::Json => builder.json().init(),
    }
}
