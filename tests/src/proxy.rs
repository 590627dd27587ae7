//! A malicious server: it stands between clients and the real one, and rewrites what passes.
//!
//! Each [`Proxy`] is a door of its own with an address of its own. Who comes in by it gets what its rules make of the
//! real server's word, so one device may be lied to while another, which comes by another door, is not. Requests, answers
//! and the frames of sockets pass whole, in the clear: rules see and change JSON and bytes alike. All that passed is kept:
//! [`Proxy::sent`] is what a client has let go of, and what a test searches for secrets.
//!
//! ```no_run
//! # use neospace_tests::{Proxy, Server};
//! let server = Server::start();
//! let door = Proxy::before(&server);
//! let ana = door.person("ana");
//! door.rewrite("/rooms/lobby/messages", |_, answer| answer["messages"] = serde_json::json!([]));
//! assert_eq!(ana.get_json("/rooms/lobby/messages").status, 200);
//! ```

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    service::service_fn,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::mpsc,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

use crate::{PATIENCE, Person, Server, eventually};

/// A door to a server that may lie.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What a client asks.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Something that passed, after the rules.
#[derive(Clone, Debug)]
pub struct Passed {
    pub way: Way,
    /// `GET /dm`, or `frame`.
    pub what: String,
    /// A request or an answer with its headers, or a frame's payload.
    pub bytes: Vec<u8>,
}

type OnRequest = Box<dyn FnMut(&mut Asked) -> Option<Told> + Send>;
type OnAnswer = Box<dyn FnMut(&Asked, &mut Told) + Send>;
type OnFrame = Box<dyn FnMut(Way, Message) -> Vec<Message> + Send>;

struct Shared {
    server: SocketAddr,
    rules: Mutex<Rules>,
    passed: Mutex<Vec<Passed>>,
    /// Open sockets: where frames for the client and for the server are put in between.
    sockets: Mutex<Vec<[mpsc::UnboundedSender<Message>; 2]>>,
    opened: AtomicUsize,
    /// A rule that panicked would be overlooked otherwise.
    faults: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Rules {
    requests: Vec<OnRequest>,
    answers: Vec<OnAnswer>,
    frames: Vec<OnFrame>,
}

impl Proxy {
    /// A door to this server. It is honest until it is told otherwise.
    pub fn before(server: &Server) -> Proxy {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime needs a thread and an epoll");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("loopback has free ports");
        let shared = Arc::new(Shared {
            server: server.address(),
            rules: Mutex::default(),
            passed: Mutex::default(),
            sockets: Mutex::default(),
            opened: AtomicUsize::new(0),
            faults: Mutex::default(),
        });
        let address = listener.local_addr().expect("it is bound");
        runtime.spawn(accept(listener, shared.clone()));
        Proxy {
            address,
            shared,
            runtime: Some(runtime),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a page through this door.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Somebody who goes by this name, without an account or not logged in, and comes by this door.
    pub fn guest(&self, name: &str) -> Person {
        Person::new(name, self.address)
    }

    /// Somebody new with an account, who comes by this door.
    pub fn person(&self, name: &str) -> Person {
        let person = self.guest(name);
        person.register();
        person
    }

    /// The same person with the same cookies, by this door.
    pub fn door_for(&self, person: &Person) -> Person {
        let same = Person::new(&person.name, self.address);
        for (name, value) in person.cookies() {
            same.set_cookie(&name, &value);
        }
        same
    }

    // ── lies ───────────────────────────────────────────────────────────────────────────────────

    /// Looks at every request; may change it, or answer it in the server's place. The first rule that answers wins.
    pub fn requests(&self, rule: impl FnMut(&mut Asked) -> Option<Told> + Send + 'static) -> &Self {
        lock(&self.shared.rules).requests.push(Box::new(rule));
        self
    }

    /// Looks at every answer, and may change it. Rules are applied in the order in which they were made.
    pub fn answers(&self, rule: impl FnMut(&Asked, &mut Told) + Send + 'static) -> &Self {
        lock(&self.shared.rules).answers.push(Box::new(rule));
        self
    }

    /// Changes the JSON of good answers (2xx) to paths that begin so; the query counts. Answers that aren't JSON pass.
    pub fn rewrite(&self, path: &str, mut rule: impl FnMut(&Asked, &mut Value) + Send + 'static) -> &Self {
        let path = path.to_owned();
        self.answers(move |asked, told| {
            if !asked.path.starts_with(&path) || told.status / 100 != 2 {
                return;
            }
            if let Ok(mut json) = serde_json::from_slice(&told.body) {
                rule(asked, &mut json);
                told.body = json.to_string().into_bytes();
            }
        })
    }

    /// Puts any number of frames in the place of each that passes. Pings and closings aren't shown.
    pub fn frames(&self, rule: impl FnMut(Way, Message) -> Vec<Message> + Send + 'static) -> &Self {
        lock(&self.shared.rules).frames.push(Box::new(rule));
        self
    }

    /// Puts any number of frames in the place of each event of this name that goes down.
    pub fn events(&self, event: &str, mut rule: impl FnMut(Value) -> Vec<Value> + Send + 'static) -> &Self {
        let event = event.to_owned();
        self.frames(move |way, message| {
            let json = message
                .to_text()
                .ok()
                .and_then(|text| serde_json::from_str::<Value>(text).ok());
            match json {
                Some(json) if way == Way::Down && json["event"] == *event => {
                    let frames = rule(json).into_iter();
                    frames.map(|frame| Message::text(frame.to_string())).collect()
                }
                _ => vec![message],
            }
        })
    }

    /// Says this to every client that has a socket open, as if the server had.
    pub fn say(&self, message: impl Into<Message>) {
        self.put(0, message.into());
    }

    /// Says this to the server on every open socket, as if the client had.
    pub fn say_up(&self, message: impl Into<Message>) {
        self.put(1, message.into());
    }

    fn put(&self, end: usize, message: Message) {
        for socket in &*lock(&self.shared.sockets) {
            let _ = socket[end].send(message.clone());
        }
    }

    /// Ends every open socket, as a broken line does.
    pub fn hang_up(&self) {
        lock(&self.shared.sockets).clear();
    }

    /// From now on passes everything as it is.
    pub fn honest(&self) -> &Self {
        *lock(&self.shared.rules) = Rules::default();
        self
    }

    // ── what passed ────────────────────────────────────────────────────────────────────────────

    /// How much has passed so far: what [`Proxy::passed`] and [`Proxy::sent`] count from.
    pub fn mark(&self) -> usize {
        lock(&self.shared.passed).len()
    }

    /// All that passed since, both ways.
    pub fn passed(&self, since: usize) -> Vec<Passed> {
        lock(&self.shared.passed)[since..].to_vec()
    }

    /// What clients sent since: requests with their headers, and frames.
    pub fn sent(&self, since: usize) -> Vec<Passed> {
        let passed = self.passed(since).into_iter();
        passed.filter(|passed| passed.way == Way::Up).collect()
    }

    /// Waits until something passed since that fits, and says what.
    ///
    /// # Panics
    /// When it doesn't in time.
    pub fn wait_for(&self, what: &str, since: usize, fits: impl Fn(&Passed) -> bool) -> Passed {
        eventually(what, || self.passed(since).into_iter().find(&fits))
    }

    /// How many sockets were opened through this door.
    pub fn sockets(&self) -> usize {
        self.shared.opened.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let faults = lock(&self.shared.faults).clone();
        if !thread::panicking() {
            assert!(faults.is_empty(), "a rule of the malicious server failed: {faults:#?}");
        } else if !faults.is_empty() {
            eprintln!("a rule of the malicious server failed: {faults:#?}");
        }
    }
}

impl Told {
    /// An answer of the proxy's own: JSON.
    pub fn json(status: u16, json: &Value) -> Told {
        Self::bytes(status, "application/json", json.to_string())
    }

    /// An answer of the proxy's own: any bytes.
    pub fn bytes(status: u16, kind: &'static str, body: impl Into<Vec<u8>>) -> Told {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Told {
            status,
            headers,
            body: body.into(),
        }
    }
}

impl Asked {
    /// The path without the query.
    pub fn place(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query, as it stands there.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(pass(&shared, request).await) }
            });
            let server = hyper::server::conn::http1::Builder::new();
            // A client that goes away in the midst of an answer is no fault of anybody's.
            let _ = server
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

/// Passes one request on, and its answer back.
async fn pass(shared: &Arc<Shared>, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let upgrade = request
        .headers()
        .contains_key(header::UPGRADE)
        .then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) => return failed(&format!("the request broke off: {error}")),
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let mut asked = Asked {
        method: parts.method.to_string(),
        path,
        headers: parts.headers,
        body,
    };
    // What the rules read must be whole, and in the clear.
    for name in [
        "accept-encoding",
        "if-none-match",
        "if-modified-since",
        "range",
        "sec-websocket-extensions",
    ] {
        asked.headers.remove(name);
    }
    // As the client sent it: what a rule makes of it is not the client's word.
    shared.note(Way::Up, format!("{} {}", asked.method, asked.path), asked.written());
    let answered = shared.apply("request", None, |rules| {
        rules.requests.iter_mut().find_map(|rule| rule(&mut asked))
    });
    let mut opened = None;
    let mut told = match answered {
        Some(told) => told,
        None => match send(shared.server, &asked, upgrade.is_some()).await {
            Ok((told, upgraded)) => {
                opened = upgraded;
                told
            }
            Err(error) => return failed(&error.to_string()),
        },
    };
    shared.apply("answer", (), |rules| {
        for rule in &mut rules.answers {
            rule(&asked, &mut told);
        }
    });
    shared.note(Way::Down, format!("{} {}", asked.method, asked.path), told.written());
    if let (Some(client), Some(server), 101) = (upgrade, opened, told.status) {
        tokio::spawn(relay(shared.clone(), client, server));
    }
    let mut response = Response::new(Full::new(Bytes::from(told.body)));
    *response.status_mut() = StatusCode::from_u16(told.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = told.headers;
    // The body may have another length now; it goes out whole.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    response
}

/// Asks the real server.
async fn send(server: SocketAddr, asked: &Asked, upgrades: bool) -> anyhow::Result<(Told, Option<OnUpgrade>)> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    let mut request = Request::builder()
        .method(asked.method.as_str())
        .uri(&asked.path)
        .body(Full::new(Bytes::from(asked.body.clone())))?;
    *request.headers_mut() = asked.headers.clone();
    request.headers_mut().remove(header::CONTENT_LENGTH);
    request.headers_mut().remove(header::TRANSFER_ENCODING);
    let mut response = tokio::time::timeout(PATIENCE, sender.send_request(request)).await??;
    let upgraded =
        (upgrades && response.status() == StatusCode::SWITCHING_PROTOCOLS).then(|| hyper::upgrade::on(&mut response));
    let (parts, body) = response.into_parts();
    let body = match upgraded {
        Some(_) => Vec::new(),
        None => body.collect().await?.to_bytes().to_vec(),
    };
    let told = Told {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    };
    Ok((told, upgraded))
}

/// Carries the frames of a socket both ways until either end closes.
async fn relay(shared: Arc<Shared>, client: OnUpgrade, server: OnUpgrade) {
    let (Ok(client), Ok(server)) = (client.await, server.await) else {
        return;
    };
    // What the rules make may be larger than an honest frame.
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let wrap = |end: Upgraded, role| WebSocketStream::from_raw_socket(TokioIo::new(end), role, Some(config));
    let (client, server) = tokio::join!(wrap(client, Role::Server), wrap(server, Role::Client));
    let (mut to_client, mut from_client) = client.split();
    let (mut to_server, mut from_server) = server.split();
    let (down, mut for_client) = mpsc::unbounded_channel();
    let (up, mut for_server) = mpsc::unbounded_channel();
    lock(&shared.sockets).push([down, up]);
    shared.opened.fetch_add(1, Ordering::Relaxed);
    loop {
        let (way, message) = tokio::select! {
            message = from_client.next() => (Way::Up, message.and_then(Result::ok)),
            message = from_server.next() => (Way::Down, message.and_then(Result::ok)),
            message = for_client.recv() => match message {
                Some(message) => {
                    shared.note(Way::Down, "frame".into(), message.clone().into_data().to_vec());
                    if to_client.send(message).await.is_err() { break }
                    continue;
                }
                None => break,
            },
            message = for_server.recv() => match message {
                Some(message) => {
                    if to_server.send(message).await.is_err() { break }
                    continue;
                }
                None => break,
            },
        };
        let Some(message) = message else { break };
        let closes = message.is_close();
        let mut queue = VecDeque::from([message]);
        if queue[0].is_text() || queue[0].is_binary() {
            if way == Way::Up {
                shared.note(way, "frame".into(), queue[0].clone().into_data().to_vec());
            }
            shared.apply("frame", (), |rules| {
                for rule in &mut rules.frames {
                    queue = queue.drain(..).flat_map(|message| rule(way, message)).collect();
                }
            });
        }
        for message in queue {
            let sent = match way {
                Way::Up => to_server.send(message).await,
                Way::Down => {
                    if message.is_text() || message.is_binary() {
                        shared.note(way, "frame".into(), message.clone().into_data().to_vec());
                    }
                    to_client.send(message).await
                }
            };
            if sent.is_err() {
                break;
            }
        }
        if closes {
            break;
        }
    }
    let _ = to_client.close().await;
    let _ = to_server.close().await;
}

fn failed(why: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(why.to_owned())));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

impl Shared {
    fn note(&self, way: Way, what: String, bytes: Vec<u8>) {
        lock(&self.passed).push(Passed { way, what, bytes });
    }

    /// Applies rules; where one panics, that is kept for the test's end and `otherwise` goes on.
    fn apply<T>(&self, what: &str, otherwise: T, with: impl FnOnce(&mut Rules) -> T) -> T {
        let mut rules = lock(&self.rules);
        match catch_unwind(AssertUnwindSafe(|| with(&mut rules))) {
            Ok(done) => done,
            Err(panic) => {
                let said = panic.downcast_ref::<String>().cloned();
                let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                lock(&self.faults).push(format!("{what}: {}", said.unwrap_or_default()));
                otherwise
            }
        }
    }
}

impl Asked {
    fn written(&self) -> Vec<u8> {
        written(&format!("{} {}", self.method, self.path), &self.headers, &self.body)
    }
}

impl Told {
    fn written(&self) -> Vec<u8> {
        written(&self.status.to_string(), &self.headers, &self.body)
    }
}

fn written(first: &str, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{first}\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}
