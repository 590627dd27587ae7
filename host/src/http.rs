//! The edge of the program: the accept loop with its timeouts and caps, what holds for every request, and extractors
//! whose refusals are [`Error`]s.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, RwLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use http_body_util::BodyExt;
use hyper::{
    body::{Body as _, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::de::DeserializeOwned;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::watch,
    time::timeout,
};
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt;

use crate::{app::App, config::Config, error, error::Error, html::Html, throttle, tokens};

/// Headers that one request may have.
const HEADERS_MOST: usize = 64;
/// Bytes of a request's head.
const HEAD_MOST: usize = 32 * 1024;
/// Fields that one form may have.
const FIELDS_MOST: usize = 1_000;
/// Bytes of a body beyond its limit that are still read, so that the refusal can be.
const DISCARD_MOST: usize = 4 * 1024 * 1024;
const DISCARD_LASTS: Duration = Duration::from_secs(10);
/// A member's notebook has up to 1 MiB, in base64; it takes more room than a form.
const NOTEBOOK: &str = "/dm/notebook";
const NOTEBOOK_BODY_MOST: usize = 1_500 * 1024;
/// A script has up to 128 KiB, and a form takes up to three letters for each of its bytes.
const SCRIPTS: &str = "/sandbox";
const SCRIPT_BODY_MOST: usize = 512 * 1024;
/// How long open requests may take once the server shuts down.
const SHUTDOWN_LONGEST: Duration = Duration::from_secs(5);
/// Bytes of an answer that the system holds for a client beyond what is on its way.
const UNSENT_MOST: u32 = 128 * 1024;
/// How long the loop waits when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

macro_rules! content_security_policy {
    ($ancestors:literal) => {
        concat!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
             media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors ",
            $ancestors,
            "; manifest-src 'self'; require-trusted-types-for 'script'; trusted-types neospace"
        )
    };
}

/// What pages may load and do. Pages that need other sources set the header themselves.
pub const CONTENT_SECURITY_POLICY: &str = content_security_policy!("'none'");

/// What pages may load and do on which members talk in private (`/dm`, and the desk): the modules there need the import map, and
/// pictures that were opened in the browser have addresses of their own.
pub fn private_policy(html: &Html) -> String {
    let scripts = format!("script-src 'self' '{}'", html.private_import_map_hash());
    CONTENT_SECURITY_POLICY
        .replace("script-src 'self'", &scripts)
        .replace("img-src 'self' data:", "img-src 'self' data: blob:")
}

/// What the studio may load and do: its editor's modules need the import map, and the sketch runs in a frame from `frames`, an
/// origin or `'self'`.
pub fn studio_policy(html: &Html, frames: &str) -> String {
    let scripts = format!(
        "frame-src {frames}; script-src 'self' '{}'",
        html.studio_import_map_hash()
    );
    CONTENT_SECURITY_POLICY.replace("script-src 'self'", &scripts)
}

/// Where the pages are that the desk shows in its tool pane: our own pages may frame them, and nobody else's. All others are
/// framed by nobody.
const FRAMED: [&str; 10] = [
    "/wall/",
    "/directory",
    "/tags",
    "/neighbourhoods",
    "/plugins",
    "/public-feed",
    "/random",
    "/sandbox",
    "/system",
    "/rooms",
];
/// Where the pages are on which members' scripts run, in frames of their own.
const WITH_SCRIPTS: [&str; 4] = ["/wall/", "/public-feed", "/sandbox", "/welcome/"];
/// Where those frames are: what they load lies there too.
const FRAMES: &str = "/frame/";
const FRAMED_POLICY: &str = content_security_policy!("'self'");

/// What every answer says, as long as it says nothing else itself.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    // Room for what comes to it.
    let mut headers = HeaderMap::with_capacity(2 * DEFAULT_HEADERS.len());
    headers.extend(DEFAULT_HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers
});

/// The same for the pages that our own may frame.
static FRAMED_HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = HEADERS.clone();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FRAMED_POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    headers
});

const DEFAULT_HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Marks an answer that says all of its headers itself.
#[derive(Clone, Copy)]
pub struct OwnHeaders;

/// The origin that members' scripts get their frames from, for a request to this host: the one that the operator keeps for them, or
/// our own.
pub fn frame_origin(app: &App, headers: &HeaderMap) -> Option<String> {
    let config = app.config();
    match (config.sandbox_origin.as_str(), config.origin.as_str()) {
        ("", "") => Some(format!("http://{}", host(headers)?)),
        ("", origin) | (origin, _) => Some(origin.to_owned()),
    }
}

/// Whether a request came to the origin that the operator keeps for members' scripts.
pub fn is_sandbox(app: &App, headers: &HeaderMap) -> bool {
    let config = app.config();
    let authority = config.sandbox_origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| host(headers).is_some_and(|host| host.eq_ignore_ascii_case(authority)))
}

/// The host that a request names, if it could be one.
pub fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let could_be = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(could_be)).then_some(host)
}

/// Where a policy lets members' scripts have their frames: nowhere but there.
pub fn frame_source(app: &App, headers: &HeaderMap) -> String {
    frame_origin(app, headers).map_or_else(|| "'none'".into(), |origin| format!("{origin}{FRAMES}"))
}

/// What a page may load on which members' scripts run, and frames from where. Nearly all requests name the same host, so the policy
/// that was written last is kept.
fn policy_with_frames(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    static WRITTEN: RwLock<Option<(Arc<Config>, Option<HeaderValue>, HeaderValue)>> = RwLock::new(None);
    let (config, host) = (app.config(), headers.get(header::HOST));
    let written = WRITTEN.read().unwrap_or_else(|e| e.into_inner());
    if let Some((for_config, for_host, policy)) = &*written
        && Arc::ptr_eq(for_config, &config)
        && for_host.as_ref() == host
    {
        return Some(policy.clone());
    }
    drop(written);
    let source = frame_source(app, headers);
    let policy = HeaderValue::from_str(&format!("{FRAMED_POLICY}; frame-src {source}")).ok()?;
    *WRITTEN.write().unwrap_or_else(|e| e.into_inner()) = Some((config, host.cloned(), policy.clone()));
    Some(policy)
}

/// On an origin that is kept for members' scripts there is nothing else, and they are nowhere else.
fn check_place(app: &App, request: &Request) -> Result<(), Error> {
    if app.config().sandbox_origin.is_empty() {
        return Ok(());
    }
    let of_scripts = request.uri().path().starts_with(FRAMES);
    match is_sandbox(app, request.headers()) == of_scripts {
        true => Ok(()),
        false => Err(Error::NotFound),
    }
}

/// The address that a request comes from; behind a trusted proxy, the one that the proxy names.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Who copies pages of this site needs its addresses: nobody else gets them.
const INSIDE_FOR: &str = "/settings/export";

/// The site itself, for who makes copies of its pages: asked with a [`crate::session::Viewer`] among a request's extensions, it
/// answers as it would them.
#[derive(Clone)]
pub struct Inside(pub Router);

impl<S: Send + Sync> FromRequestParts<S> for Inside {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let inside = parts.extensions.get::<Inside>().cloned();
        inside.ok_or_else(|| Error::internal("this address gets no copy of the site"))
    }
}

/// What answers requests.
#[derive(Clone)]
pub struct Site {
    /// Asked first, once it is known that the request may be made: a page that is finished needs no route.
    pub finished: fn(&App, &Request) -> Option<Response>,
    pub router: Router,
}

/// Accepts connections until `shutdown`, then lets open requests finish.
pub async fn serve(app: App, site: Site, listener: TcpListener, mut shutdown: watch::Receiver<bool>) {
    let counts = Arc::new(Connections::default());
    let mut builder = http1::Builder::new();
    let limits = app.config().limits.clone();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_seconds.into()))
        .max_headers(HEADERS_MOST)
        .max_buf_size(HEAD_MOST);
    let (open, mut all_closed) = tokio::sync::mpsc::channel::<Infallible>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|stop| *stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let address = address.ip().to_canonical();
        let config = app.config();
        let most = if config.trusted_proxies.contains(&address) {
            config.limits.connections
        } else {
            config.limits.connections_per_address
        };
        let Some(place) = counts.clone().take(address, most, config.limits.connections) else {
            tracing::debug!(%address, "too many connections: one was closed");
            continue;
        };
        let patience = Duration::from_secs(config.limits.answer_seconds.into());
        // A small answer must not wait for the next one.
        let _ = stream.set_nodelay(true);
        // Or the system would take megabytes for each client that doesn't read.
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MOST);
        let (builder, app, site, shutdown, open) = (
            builder.clone(),
            app.clone(),
            site.clone(),
            shutdown.clone(),
            open.clone(),
        );
        tokio::spawn(async move {
            connection(&builder, app, site, stream, patience, (address, place), shutdown).await;
            drop(open);
        });
    }
    drop((listener, open));
    let _ = timeout(SHUTDOWN_LONGEST, all_closed.recv()).await;
}

/// A client's connection, which ends when nothing of an answer is taken for too long.
pub type Connection = Pin<Box<TimeoutWriter<TcpStream>>>;

/// Has a connection end at once when it is dropped: what the client didn't take is thrown away.
pub fn abort(connection: &Connection) {
    // Where the system doesn't allow it, it ends a few minutes later.
    let _ = SockRef::from(connection.get_ref()).set_linger(Some(Duration::ZERO));
}

async fn connection(
    builder: &http1::Builder,
    app: App,
    site: Site,
    stream: TcpStream,
    patience: Duration,
    (address, place): (IpAddr, Place),
    mut shutdown: watch::Receiver<bool>,
) {
    let place = Arc::new(place);
    let service = service_fn(move |request: Request<Incoming>| {
        let (app, site, from) = (app.clone(), site.clone(), (address, place.clone()));
        async move { Ok::<_, Infallible>(answer(app, site, request.map(Body::new), from).await) }
    });
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(patience));
    let connection = builder
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // Errors here are the client's: a timeout, a reset, a head that isn't HTTP. hyper has answered what can be.
        _ = connection.as_mut() => return,
        _ = shutdown.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// What holds for every request: a token reaches what it may, a state change comes from our own pages, the body arrives whole and in time, a panic
/// is one request's, errors are written in the form asked for, and the headers are there.
async fn answer(app: App, site: Site, mut request: Request, (address, place): (IpAddr, Arc<Place>)) -> Response {
    let begun = Instant::now();
    let for_people = error::wants_page(request.headers());
    let method = request.method().clone();
    let private =
        matches!(request.uri().path().strip_prefix("/dm"), Some(rest) if rest.is_empty() || rest.starts_with('/'));
    let framed = FRAMED.iter().any(|place| request.uri().path().starts_with(place));
    let frames = WITH_SCRIPTS
        .iter()
        .any(|place| request.uri().path().starts_with(place))
        .then(|| policy_with_frames(&app, request.headers()))
        .flatten();
    let outcome = async {
        check_place(&app, &request)?;
        // Browsers send no token unasked, so there is no page that could misuse it.
        if !tokens::admit(&app, &mut request)? {
            check_origin(&app, &request)?;
        }
        if let Some(page) = (site.finished)(&app, &request) {
            return Ok(page);
        }
        let peer = peer(&app, request.headers(), address);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(place);
        if request.uri().path() == INSIDE_FOR {
            request.extensions_mut().insert(Inside(site.router.clone()));
        }
        let request = receive(&app, request).await?;
        let Ok(response) = site.router.oneshot(request).await;
        Ok(response)
    };
    let outcome = AssertUnwindSafe(outcome).catch_unwind().await;
    let mut response = outcome
        .unwrap_or_else(|_| Err(Error::internal("a handler panicked")))
        .unwrap_or_else(Error::into_response);
    if response.status().is_client_error() || response.status().is_server_error() {
        response = error::finish(&app.html, for_people, response);
        if !method.is_safe() {
            tracing::debug!(%method, status = response.status().as_u16(), "refused");
        }
    }
    if response.extensions_mut().remove::<OwnHeaders>().is_some() {
        app.meter.requests.note(begun.elapsed());
        return response;
    }
    let mut headers = if framed {
        FRAMED_HEADERS.clone()
    } else {
        HEADERS.clone()
    };
    if let Some(policy) = frames {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if private && let Ok(policy) = HeaderValue::from_str(&private_policy(&app.html)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // What an answer says itself is what counts.
    headers.extend(std::mem::take(response.headers_mut()));
    *response.headers_mut() = headers;
    app.meter.requests.note(begun.elapsed());
    response
}

fn peer(app: &App, headers: &HeaderMap, address: IpAddr) -> IpAddr {
    let proxies = &app.config().trusted_proxies;
    if !proxies.contains(&address) {
        return address;
    }
    // The last address that isn't a proxy of ours: what stands before it anyone could have written.
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect::<Vec<_>>()
        .join(",");
    // What doesn't read as an address ends the search: what stands before it isn't a proxy's word either.
    forwarded
        .rsplit(',')
        .map_while(|part| part.trim().parse::<IpAddr>().ok())
        .map(|ip| ip.to_canonical())
        .find(|ip| !proxies.contains(ip))
        .unwrap_or(address)
}

/// Refuses state changes and sockets that don't come from our own pages. Browsers send `Sec-Fetch-Site`; where one
/// doesn't, `Origin` must be exactly ours. So forms need no token, and pages stay the same for all.
fn check_origin(app: &App, request: &Request) -> Result<(), Error> {
    let headers = request.headers();
    let is_socket = headers.contains_key(header::UPGRADE);
    if request.method().is_safe() && !is_socket {
        return Ok(());
    }
    let origin = headers.get(header::ORIGIN).and_then(|v| v.to_str().ok());
    let own = origin.is_some_and(|origin| is_own_origin(app, headers, origin));
    let allowed = match headers.get("sec-fetch-site").filter(|_| !is_socket) {
        Some(site) => site == "same-origin",
        None => own,
    };
    if allowed {
        Ok(())
    } else {
        Err(Error::Forbidden(
            "This must be sent from a page of this site, not from another one.".into(),
        ))
    }
}

fn is_own_origin(app: &App, headers: &HeaderMap, origin: &str) -> bool {
    let config = app.config();
    if !config.origin.is_empty() {
        return origin == config.origin;
    }
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("");
    origin.strip_prefix("http://") == Some(host)
}

/// Reads the body: whole, within its limit and its time. Uploads are streamed by their own route.
async fn receive(app: &App, request: Request) -> Result<Request, Error> {
    let is_without = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_without {
        return Ok(request);
    }
    if is_upload(request.uri().path()) {
        return Ok(request.map(|body| Body::new(Upload(body))));
    }
    let limits = &app.config().limits;
    let most = match request.uri().path() {
        NOTEBOOK => NOTEBOOK_BODY_MOST,
        path if path.starts_with(SCRIPTS) => SCRIPT_BODY_MOST.max(limits.body_kib as usize * 1024),
        _ => limits.body_kib as usize * 1024,
    };
    let (parts, body) = request.into_parts();
    let body = timeout(Duration::from_secs(limits.body_seconds.into()), collect(body, most))
        .await
        .map_err(|_| Error::Timeout)??;
    Ok(Request::from_parts(parts, body.into()))
}

/// Whether an address takes files: `/dm/{user}/files`, `/library`, `/library/uploads/{id}`, `/settings/import`.
fn is_upload(path: &str) -> bool {
    if path == "/library" || path == "/settings/import" || path.starts_with("/library/uploads/") {
        return true;
    }
    let user = path.strip_prefix("/dm/").and_then(|rest| rest.strip_suffix("/files"));
    user.is_some_and(|user| !user.contains('/'))
}

/// The body of an upload. One that is let go of before its end is read on for a while and thrown away: who is cut off while they
/// still send never see why, but an error of their browser's, or of a proxy's.
struct Upload(Body);

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.0.is_end_stream()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(DISCARD_LASTS, discard(std::mem::take(&mut self.0))));
        }
    }
}

async fn discard(mut body: Body) {
    let mut length = 0;
    while length <= DISCARD_MOST
        && let Some(Ok(frame)) = body.frame().await
    {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// The whole body. What is larger than `most` is read on and thrown away for a while: a browser that is cut off while
/// it still sends shows its own error instead of ours.
async fn collect(mut body: Body, most: usize) -> Result<Bytes, Error> {
    let (mut kept, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::BadRequest("The request's body broke off.".into()))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= most {
            kept.extend_from_slice(&data);
        } else if length > most + DISCARD_MOST {
            break;
        }
    }
    if length > most {
        Err(Error::TooLarge { most })
    } else {
        Ok(kept.freeze())
    }
}

/// How many connections there are, in all and by network: an IPv6 client has a whole /64 to choose from.
#[derive(Default)]
struct Connections(Mutex<(u32, HashMap<String, u32>)>);

/// One connection's place; dropping it frees it.
struct Place(Arc<Connections>, String);

/// Holds on to the place of a request's connection, for those who take the connection over: once it is upgraded, the
/// accept loop has let go of it.
pub struct Seat {
    _place: Option<Arc<Place>>,
}

impl<S: Send + Sync> FromRequestParts<S> for Seat {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            _place: parts.extensions.get::<Arc<Place>>().cloned(),
        })
    }
}

impl Connections {
    fn take(self: Arc<Self>, address: IpAddr, most_of_address: u32, most: u32) -> Option<Place> {
        let network = throttle::network(address);
        let mut counts = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let of_address = counts.1.get(&network).copied().unwrap_or(0);
        if counts.0 >= most || of_address >= most_of_address {
            return None;
        }
        counts.0 += 1;
        counts.1.insert(network.clone(), of_address + 1);
        drop(counts);
        Some(Place(self, network))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(|e| e.into_inner());
        counts.0 -= 1;
        if let Some(of_address) = counts.1.get_mut(&self.1) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.1.remove(&self.1);
            }
        }
    }
}

/// How the answer to a change should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// A browser without our script: redirect to the page.
    Page,
    /// Our script: the changed fragment.
    Fragment,
    /// A program: JSON.
    Json,
}

/// What our script accepts.
pub const FRAGMENT: &str = "text/vnd.neospace.fragment+html";

impl<S: Send + Sync> FromRequestParts<S> for Wants {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let accept = parts
            .headers
            .get(header::ACCEPT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        Ok(if accept.contains(FRAGMENT) {
            Self::Fragment
        } else if accept.contains("text/html") {
            Self::Page
        } else {
            Self::Json
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts
            .extensions
            .get::<Peer>()
            .copied()
            .ok_or_else(|| Error::internal("no peer address"))
    }
}

/// What a form sent: names and values in order. Programs may send a flat JSON object instead.
#[derive(Clone, Debug, Default)]
pub struct Form(pub Vec<(String, String)>);

impl Form {
    /// The first value of a field, without the spaces around it; empty when it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or("").trim()
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Error;
    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
            .to_owned();
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|_| Error::BadRequest("The request's body broke off.".into()))?;
        let fields = match kind.split(';').next().unwrap_or("").trim() {
            "application/x-www-form-urlencoded" => parse_form(&body)?,
            "application/json" => parse_json(&body)?,
            "" if body.is_empty() => Vec::new(),
            _ => {
                return Err(Error::UnsupportedMediaType(
                    "application/x-www-form-urlencoded or application/json",
                ));
            }
        };
        if fields.len() > FIELDS_MOST {
            return Err(Error::BadRequest(format!("A form has at most {FIELDS_MOST} fields.")));
        }
        Ok(Self(fields))
    }
}

/// The names and values of an encoded form or query string, in order.
///
/// # Errors
/// [`Error::BadRequest`] for text that isn't UTF-8 or holds a NUL.
pub fn parse_form(body: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let decode = |text: &[u8]| {
        let spaced: Vec<u8> = text
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        let decoded = percent_encoding::percent_decode(&spaced).collect::<Vec<u8>>();
        let text = String::from_utf8(decoded).map_err(|_| {
            Error::BadRequest("The form's text isn't valid UTF-8, which is the only encoding accepted.".into())
        })?;
        if text.contains('\0') {
            return Err(Error::BadRequest(
                "The form holds a NUL character, which no text may.".into(),
            ));
        }
        // Browsers send line ends as CR LF; text is kept with LF.
        Ok(text.replace("\r\n", "\n"))
    };
    body.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            Ok((decode(&pair[..at])?, decode(pair.get(at + 1..).unwrap_or_default())?))
        })
        .collect()
}

fn parse_json(body: &[u8]) -> Result<Vec<(String, String)>, Error> {
    use serde_json::Value;
    let object: serde_json::Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| Error::BadRequest(format!("The body isn't a JSON object: {error}.")))?;
    let mut fields = Vec::with_capacity(object.len());
    for (name, value) in object {
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            let text = match value {
                Value::Null => continue,
                Value::String(text) if text.contains('\0') => {
                    return Err(Error::field(name, "NUL characters are not allowed."));
                }
                Value::String(text) => text,
                Value::Bool(true) => "on".into(),
                Value::Bool(false) => continue,
                Value::Number(number) => number.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(Error::field(
                        name,
                        "must be text, a number, true or false, or a list of those",
                    ));
                }
            };
            fields.push((name.clone(), text));
        }
    }
    Ok(fields)
}

/// A JSON object of one shape; fields that aren't known are ignored.
pub struct Object<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Object<T> {
    type Rejection = Error;
    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
        if kind.split(';').next().unwrap_or("").trim() != "application/json" {
            return Err(Error::UnsupportedMediaType("application/json"));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|_| Error::BadRequest("The request's body broke off.".into()))?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| Error::BadRequest(format!("The body can't be understood: {}.", shortened(&error))))
    }
}

/// What is wrong with some JSON. It quotes what came, however long that was: only so much of it is sent back.
pub fn shortened(error: &serde_json::Error) -> String {
    const QUOTED_MOST: usize = 200;
    let error = error.to_string();
    match error.char_indices().nth(QUOTED_MOST) {
        Some((end, _)) => format!("{}…", &error[..end]),
        None => error,
    }
}

/// Path parameters; what doesn't parse isn't found.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let axum::extract::Path(value) = axum::extract::Path::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::NotFound)?;
        Ok(Self(value))
    }
}

/// Query parameters.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let axum::extract::Query(value) =
            axum::extract::Query::from_request_parts(parts, state)
                .await
                .map_err(|error| {
                    let why = error.body_text();
                    let why = why.rsplit_once("query string: ").map_or(why.as_str(), |(_, why)| why);
                    Error::BadRequest(format!("The address is wrong: {why}."))
                })?;
        Ok(Self(value))
    }
}

/// No cache keeps this answer: it is somebody's own.
pub fn unstored(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 303: go and look at this page.
pub fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    (http::StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}
