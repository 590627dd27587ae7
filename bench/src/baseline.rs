//! The bare baselines that are programs: this one, started again. Each listens, and prints its address as the product does.

use std::{collections::HashMap, fs, net::SocketAddr, path::PathBuf, process::Command, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::{
        Path, State,
        ws::{Message, WebSocketUpgrade},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
    serve::ListenerExt,
};
use bytes::Bytes;
use clap::Subcommand;

use crate::machine::{On, Program};

/// Which baseline.
#[derive(Clone, Debug, Subcommand)]
pub enum Baseline {
    /// Bare axum that answers `/wall/{name}` with the bytes in FOLDER/NAME, compressed already.
    Pages { folder: PathBuf },
    /// Bare axum that answers `/wall/{name}` with FOLDER/NAME, which is a whole answer with its head; anything else with nothing.
    Answers { folder: PathBuf },
    /// Bare axum with SQLite and minijinja that builds `/wall/{name}` anew each time.
    Fresh { folder: PathBuf },
    /// Bare axum whose `/live` answers every frame with a small one.
    Socket,
    /// Bare axum whose `/live` hands on what one socket says to all.
    Broadcast,
}

/// Runs one until it is killed.
pub fn run(baseline: &Baseline, listen: SocketAddr) -> Result<()> {
    let router = match baseline {
        Baseline::Pages { folder } => pages(folder)?,
        Baseline::Answers { folder } => answers(folder)?,
        Baseline::Fresh { folder } => crate::fresh::baseline(folder)?,
        Baseline::Socket => Router::new().route("/live", any(echo)),
        Baseline::Broadcast => crate::rooms::broadcast(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        println!("listening on http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, router).await?;
        Ok(())
    })
}

impl Baseline {
    /// Starts it as a program of its own.
    pub fn start(arguments: &[&std::ffi::OsStr]) -> Result<Program> {
        Self::start_on(On::OneCore, arguments)
    }

    pub fn start_on(on: On, arguments: &[&std::ffi::OsStr]) -> Result<Program> {
        let mut command = Command::new(std::env::current_exe().context("where this program is")?);
        command.arg("baseline").args(arguments);
        Program::start(command, on)
    }
}

type Pages = Arc<HashMap<String, Bytes>>;

fn pages(folder: &std::path::Path) -> Result<Router> {
    let mut pages = HashMap::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .context("a page's file has a name")?;
        pages.insert(name.to_owned(), fs::read(&path)?.into());
    }
    Ok(Router::new()
        .route("/wall/{name}", get(page))
        .with_state(Arc::new(pages)))
}

async fn page(State(pages): State<Pages>, Path(name): Path<String>) -> Response {
    let Some(body) = pages.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_ENCODING, HeaderValue::from_static("gzip")),
    ];
    (headers, body.clone()).into_response()
}

type Answers = Arc<HashMap<String, (HeaderMap, Bytes)>>;

fn answers(folder: &std::path::Path) -> Result<Router> {
    let mut answers = HashMap::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file
            .file_name()
            .into_string()
            .ok()
            .context("an answer's file has a name")?;
        let answer = Bytes::from(fs::read(file.path())?);
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").context("an answer has a head")? + 4;
        let head = std::str::from_utf8(&answer[..end])?;
        let mut headers = HeaderMap::new();
        for (key, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            // These are the server's own.
            if !["content-length", "date", "connection"].contains(&&*key.to_ascii_lowercase()) {
                headers.append(HeaderName::try_from(key)?, HeaderValue::from_str(value)?);
            }
        }
        answers.insert(name, (headers, answer.slice(end..)));
    }
    Ok(Router::new()
        .route("/wall/{name}", get(answer))
        .fallback(async || "")
        .with_state(Arc::new(answers)))
}

async fn answer(State(answers): State<Answers>, Path(name): Path<String>) -> Response {
    let Some((headers, body)) = answers.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = Response::new(body.clone().into());
    *response.headers_mut() = headers.clone();
    response
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(_) = message
                && socket.send(Message::Text("{\"event\":\"pong\"}".into())).await.is_err()
            {
                break;
            }
        }
    })
}
