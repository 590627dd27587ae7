//! The line to a server, for a program that isn't in its process: HTTP/1.1 and WebSocket, over TLS unless the server is this
//! very machine. Keeps the session's cookies.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{Answer, Ask, Content, Request};

/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// A socket that says nothing for so long is dead: the server pings every half minute.
const SILENCE: Duration = Duration::from_secs(90);
/// A connection that was idle for so long isn't used again.
const IDLE: Duration = Duration::from_secs(5);
/// The longest answer: the largest sealed file, and room.
const ANSWER_MOST: usize = 32 << 20;

/// Where a server is: `https://example.org`, or `http://127.0.0.1:5000` on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    secure: bool,
    host: String,
    port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(address: &str) -> Result<Address, String> {
        let whole = if address.contains("://") {
            address.to_owned()
        } else {
            format!("https://{address}")
        };
        let uri: Uri = whole
            .parse()
            .map_err(|_| format!("{address:?} is no address: write it like https://example.org."))?;
        let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
        let secure = scheme == "https";
        let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if host.is_empty() || !matches!(scheme, "http" | "https") || !matches!(uri.path(), "" | "/") {
            return Err(format!("{address:?} is no server: write it like https://example.org."));
        }
        if !secure && !here {
            return Err(
                "Only https is safe, but to a server on this machine: anyone on the way could take your session."
                    .into(),
            );
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Address {
            secure,
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(address: String) -> Result<Address, String> {
        address.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl Address {
    /// The host, and the port where it isn't the usual one.
    pub fn host(&self) -> String {
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

/// As an origin.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host())
    }
}

/// A session's cookies, by name.
pub type Cookies = BTreeMap<String, String>;

/// A line to a server, with a session's cookies.
#[derive(Clone)]
pub struct Wire(Arc<Inner>);

struct Inner {
    address: Address,
    cookies: Mutex<Cookies>,
    runtime: Runtime,
    tls: Option<TlsConnector>,
    /// The connection that was used last, and when.
    open: tokio::sync::Mutex<Option<(SendRequest<Full<Bytes>>, Instant)>>,
}

/// What TCP and TLS have in common.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Wire {
    /// A line to a server; nothing is asked yet.
    ///
    /// # Errors
    /// A sentence, where the system has no certificates to know a server by.
    pub fn new(address: Address, cookies: Cookies) -> Result<Wire, String> {
        let tls = address.secure.then(tls).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Wire(Arc::new(Inner {
            address,
            cookies: Mutex::new(cookies),
            runtime,
            tls,
            open: tokio::sync::Mutex::default(),
        })))
    }

    /// How a device reaches the server over this line.
    pub fn ask(&self) -> Ask {
        let wire = self.clone();
        Box::new(move |request| wire.0.runtime.block_on(wire.0.ask(request)))
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// The session's cookies as they are now.
    pub fn cookies(&self) -> Cookies {
        self.0.cookies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens `/live` in the programs' dialect.
    ///
    /// # Errors
    /// Why it can't be opened.
    pub fn live(&self) -> Result<Live, String> {
        let stream = self.0.runtime.block_on(self.0.live())?;
        Ok(Live {
            wire: self.clone(),
            stream,
        })
    }
}

/// An open `/live`.
pub struct Live {
    wire: Wire,
    stream: WebSocketStream<Box<dyn Stream>>,
}

impl Live {
    /// Waits for the next frame; nothing when the line has broken.
    pub fn hear(&mut self) -> Option<Value> {
        self.wire.0.runtime.block_on(async {
            loop {
                match timeout(SILENCE, self.stream.next()).await.ok()??.ok()? {
                    Message::Text(text) => return Some(serde_json::from_str(&text).unwrap_or_default()),
                    Message::Close(_) => return None,
                    _ => {}
                }
            }
        })
    }
}

impl Inner {
    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let Address { host, port, .. } = &self.address;
        let plain = host.trim_matches(['[', ']']);
        let connected = timeout(PATIENCE, TcpStream::connect((plain, *port))).await;
        let stream = connected.map_err(|_| "it does not answer".to_owned())?;
        let stream = stream.map_err(|error| format!("{}: {error}", self.address.host()))?;
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(plain.to_owned()).map_err(|error| error.to_string())?;
        let secured = timeout(PATIENCE, tls.connect(name, stream)).await;
        let secured = secured.map_err(|_| "it does not answer".to_owned())?;
        Ok(Box::new(secured.map_err(|error| error.to_string())?))
    }

    async fn ask(&self, request: Request) -> Result<Answer, String> {
        timeout(PATIENCE, self.try_ask(request))
            .await
            .map_err(|_| "it does not answer".to_owned())?
    }

    async fn try_ask(&self, request: Request) -> Result<Answer, String> {
        let mut open = self.open.lock().await;
        // One that has been idle for longer may be closed by the other side at this moment.
        let fresh = open
            .take()
            .filter(|(line, used)| !line.is_closed() && used.elapsed() < IDLE);
        let mut line = match fresh {
            Some((line, _)) => line,
            None => {
                let connected = handshake(TokioIo::new(self.connect().await?)).await;
                let (line, connection) = connected.map_err(|error| error.to_string())?;
                tokio::spawn(connection);
                line
            }
        };
        let Request { method, path, body } = request;
        let (kind, body) = match body {
            Content::Nothing => ("", Bytes::new()),
            Content::Json(json) => ("application/json", json.to_string().into()),
            Content::Bytes(bytes) => ("application/octet-stream", bytes.into()),
        };
        let mut asked = http::Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.host())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("neospace-dm/", env!("CARGO_PKG_VERSION")));
        if method != "GET" {
            asked = asked.header(header::ORIGIN, self.address.to_string());
        }
        if !kind.is_empty() {
            asked = asked.header(header::CONTENT_TYPE, kind);
        }
        if let Some(cookies) = self.cookie_header() {
            asked = asked.header(header::COOKIE, cookies);
        }
        let asked = asked.body(Full::new(body)).map_err(|error| error.to_string())?;
        let answer = line.send_request(asked).await.map_err(|error| error.to_string())?;
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            self.take_cookie(cookie);
        }
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_MOST).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes().to_vec();
        *open = Some((line, Instant::now()));
        Ok(Answer { status, body })
    }

    async fn live(&self) -> Result<WebSocketStream<Box<dyn Stream>>, String> {
        let stream = self.connect().await?;
        let scheme = if self.address.secure { "wss" } else { "ws" };
        let mut asked = format!("{scheme}://{}/live", self.address.host())
            .into_client_request()
            .map_err(|error| error.to_string())?;
        let mut set = |name, value: &str| {
            let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
            asked.headers_mut().insert(name, value);
            Ok::<_, String>(())
        };
        set(header::ORIGIN, &self.address.to_string())?;
        set(header::SEC_WEBSOCKET_PROTOCOL, "neospace.json.v1")?;
        if let Some(cookies) = self.cookie_header() {
            set(header::COOKIE, &cookies)?;
        }
        let opened = timeout(PATIENCE, client_async(asked, stream)).await;
        let opened = opened.map_err(|_| "it does not answer".to_owned())?;
        Ok(opened.map_err(|error| error.to_string())?.0)
    }

    fn cookie_header(&self) -> Option<String> {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Keeps, replaces or forgets a cookie as the server says. (Paths and domains play no part: there is one server.)
    fn take_cookie(&self, cookie: &HeaderValue) {
        let Some((pair, attributes)) = cookie
            .to_str()
            .ok()
            .map(|text| text.split_once(';').unwrap_or((text, "")))
        else {
            return;
        };
        let Some((name, value)) = pair.split_once('=') else {
            return;
        };
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        if attributes.to_ascii_lowercase().contains("max-age=0") {
            cookies.remove(name.trim());
        } else {
            cookies.insert(name.trim().into(), value.trim().into());
        }
    }
}

/// TLS by the certificates that this system trusts; `SSL_CERT_FILE` names others.
fn tls() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this system has no certificates to know a server by; SSL_CERT_FILE can name a file with some".into(),
        );
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
