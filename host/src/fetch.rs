//! Fetches what lies elsewhere on the web, for what members write: previews of links. The only place from which this server
//! calls on others.
//!
//! Who writes an address chooses where the server goes, so it goes to few places: https on its usual port, at addresses that are on
//! the public internet. A name is resolved once, *every* address of the answer is looked at, and the connection goes to one of
//! those, not to the name again; redirects are looked at like the first address. It sends no cookie and no name of anybody,
//! reads little, and waits only briefly. What the operator allows besides is in `[fetch]`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use url::{Host, Url};

use crate::{app::App, config};

/// For a whole fetch, redirects included.
const TOTAL: Duration = Duration::from_secs(6);
/// For one address to take the connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Addresses of one name that are tried.
const ADDRESSES_TRIED: usize = 3;
/// Redirects that are followed.
const REDIRECTS_MOST: usize = 4;
/// The longest address.
const ADDRESS_MOST: usize = 2_000;
/// Headers of an answer, and bytes of its head.
const HEADERS_MOST: usize = 100;
const HEAD_MOST: usize = 32 * 1024;
/// Fetches at the same time, and how long one waits for its turn.
const AT_ONCE: usize = 8;
const TURN: Duration = Duration::from_secs(3);

/// What is shared by all fetches.
pub struct Fetcher {
    turns: Semaphore,
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Default for Fetcher {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_ONCE),
            tls: OnceLock::new(),
        }
    }
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The media types that will do.
    pub kinds: &'static [&'static str],
    /// Bytes that are read.
    pub most: usize,
    /// Whether the beginning of something longer will do.
    pub beginning: bool,
}

/// What came.
#[derive(Debug)]
pub struct Fetched {
    /// Where it was found, after redirects.
    pub url: Url,
    /// The `Content-Type`, as it was sent.
    pub kind: String,
    pub body: Vec<u8>,
}

/// Why nothing came, in words for whoever asked for it. They tell nothing of what lies in networks of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The operator wants nothing fetched.
    Off,
    /// Not an address, or one that isn't gone to.
    Address(&'static str),
    /// The name means nothing, or something that is not on the public internet.
    Nowhere(String),
    /// No answer, or none that can be understood.
    Silent(String),
    /// It has no certificate that we believe.
    Unproven(String),
    /// It answered, but not with what was wanted.
    Status(String, u16),
    Kind(String),
    TooLarge(String),
    TooSlow(String),
    Wandering,
    /// It is a page, but says nothing of itself.
    Untitled(String),
    /// Too many wait already.
    Busy,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("This place does not look at other sites."),
            Self::Address(why) => f.write_str(why),
            Self::Nowhere(host) => write!(f, "There is no public site by the name of {host}."),
            Self::Silent(host) => write!(f, "{host} did not answer."),
            Self::Unproven(host) => write!(f, "{host} could not prove that it is who it says."),
            Self::Status(host, 404 | 410) => write!(f, "{host} says that there is no such page."),
            Self::Status(host, 401 | 403) => write!(f, "{host} shows that page to some people only."),
            Self::Status(host, status) => write!(f, "{host} could not show that page just now ({status})."),
            Self::Kind(host) => write!(f, "What lies there on {host} is not a page."),
            Self::TooLarge(host) => write!(f, "What lies there on {host} is too large."),
            Self::TooSlow(host) => write!(f, "{host} took too long."),
            Self::Wandering => f.write_str("That address leads from one to another without an end."),
            Self::Untitled(host) => write!(f, "That page on {host} has no title."),
            Self::Busy => f.write_str("Many links are being looked at just now."),
        }
    }
}

/// An address that somebody typed, if it is one that could be fetched: https, without a password in it.
///
/// # Errors
/// [`Refusal::Address`], saying what is allowed.
pub fn address(text: &str) -> Result<Url, Refusal> {
    if text.len() > ADDRESS_MOST {
        return Err(Refusal::Address("That address is too long: 2,000 characters at most."));
    }
    let url = Url::parse(text.trim())
        .map_err(|_| Refusal::Address("That is not a web address. Write it in full, like https://example.org/page."))?;
    if url.scheme() != "https" {
        return Err(Refusal::Address(
            "Only addresses that begin with https:// are looked at.",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::Address(
            "An address with a name or a password in it is not looked at.",
        ));
    }
    if url.host().is_none() {
        return Err(Refusal::Address("That address names no site."));
    }
    Ok(url)
}

/// Fetches what lies at an address.
///
/// # Errors
/// Why nothing came.
pub async fn get(app: &App, url: &Url, wanted: Wanted) -> Result<Fetched, Refusal> {
    let config = app.config();
    if !config.fetch.enabled {
        return Err(Refusal::Off);
    }
    let turn = timeout(TURN, app.fetcher.turns.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(Refusal::Busy);
    };
    let tls = app.fetcher.tls(&config.fetch)?;
    timeout(TOTAL, follow(&config.fetch, &tls, url.clone(), wanted))
        .await
        .unwrap_or_else(|_| Err(Refusal::TooSlow(host_of(url))))
}

async fn follow(
    config: &config::Fetch,
    tls: &Arc<ClientConfig>,
    mut url: Url,
    wanted: Wanted,
) -> Result<Fetched, Refusal> {
    for _ in 0..=REDIRECTS_MOST {
        match once(config, tls, &url, wanted).await? {
            Step::Found(kind, body) => return Ok(Fetched { url, kind, body }),
            // As if somebody had typed it.
            Step::Elsewhere(next) => {
                let next = url.join(&next).map_err(|_| Refusal::Silent(host_of(&url)))?;
                url = address(next.as_str())?;
            }
        }
    }
    Err(Refusal::Wandering)
}

enum Step {
    Found(String, Vec<u8>),
    Elsewhere(String),
}

async fn once(config: &config::Fetch, tls: &Arc<ClientConfig>, url: &Url, wanted: Wanted) -> Result<Step, Refusal> {
    let host = host_of(url);
    let silent = || Refusal::Silent(host.clone());
    let stream = connect(&addresses(config, url).await?).await.ok_or_else(silent)?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| silent())?;
    let stream = TlsConnector::from(tls.clone())
        .connect(name, stream)
        .await
        .map_err(|_| Refusal::Unproven(host.clone()))?;
    let mut line = Line::open(stream).await.ok_or_else(silent)?;
    let request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(header::HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
        .header(
            header::USER_AGENT,
            concat!("NeoSpace/", env!("CARGO_PKG_VERSION"), " (link preview)"),
        )
        .header(header::ACCEPT, wanted.kinds.join(", "))
        .header(header::ACCEPT_ENCODING, "identity")
        .body(Empty::<Bytes>::new())
        .map_err(|_| silent())?;
    let (head, body) = line
        .requests
        .send_request(request)
        .await
        .map_err(|_| silent())?
        .into_parts();
    let text = |name| {
        head.headers
            .get(name)
            .and_then(|value: &http::HeaderValue| value.to_str().ok())
    };
    if let StatusCode::MOVED_PERMANENTLY
    | StatusCode::FOUND
    | StatusCode::SEE_OTHER
    | StatusCode::TEMPORARY_REDIRECT
    | StatusCode::PERMANENT_REDIRECT = head.status
    {
        return text(header::LOCATION)
            .map(|next| Step::Elsewhere(next.to_owned()))
            .ok_or_else(silent);
    }
    if head.status != StatusCode::OK {
        return Err(Refusal::Status(host, head.status.as_u16()));
    }
    let kind = text(header::CONTENT_TYPE).unwrap_or_default().to_owned();
    let plain = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !wanted.kinds.contains(&plain.as_str()) || is_encoded(&head.headers) {
        return Err(Refusal::Kind(host));
    }
    let body = read(body, wanted, &host).await?;
    Ok(Step::Found(kind, body))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|encoding| encoding != "identity")
}

async fn read(mut body: Incoming, wanted: Wanted, host: &str) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Silent(host.to_owned()))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if bytes.len() > wanted.most {
            if !wanted.beginning {
                return Err(Refusal::TooLarge(host.to_owned()));
            }
            bytes.truncate(wanted.most);
            break;
        }
    }
    Ok(bytes)
}

/// A connection that is driven as long as this lives.
struct Line {
    requests: http1::SendRequest<Empty<Bytes>>,
    _driver: JoinSet<()>,
}

impl Line {
    async fn open(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Option<Self> {
        let (requests, connection) = http1::Builder::new()
            .max_headers(HEADERS_MOST)
            .max_buf_size(HEAD_MOST)
            .handshake(TokioIo::new(stream))
            .await
            .ok()?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What went wrong, the request hears too.
            let _ = connection.await;
        });
        Some(Self {
            requests,
            _driver: driver,
        })
    }
}

/// Where a site is: every address of its name, if all of them may be gone to.
async fn addresses(config: &config::Fetch, url: &Url) -> Result<Vec<SocketAddr>, Refusal> {
    let port = url.port_or_known_default().unwrap_or(443);
    let nowhere = || Refusal::Nowhere(host_of(url));
    let found: Vec<IpAddr> = match url.host().ok_or_else(nowhere)? {
        Host::Ipv4(v4) => vec![v4.into()],
        Host::Ipv6(v6) => vec![v6.into()],
        Host::Domain(name) => match config.resolve.get(name.trim_end_matches('.')) {
            Some(fixed) => fixed.clone(),
            None => tokio::net::lookup_host((name, port))
                .await
                .map_err(|_| nowhere())?
                .map(|address| address.ip())
                .collect(),
        },
    };
    let found: Vec<_> = found
        .into_iter()
        .map(|ip| SocketAddr::new(ip.to_canonical(), port))
        .collect();
    let may = |address: &SocketAddr| config.allow.contains(address) || port == 443 && is_public(address.ip());
    if found.is_empty() || !found.iter().all(may) {
        return Err(nowhere());
    }
    Ok(found)
}

async fn connect(addresses: &[SocketAddr]) -> Option<TcpStream> {
    for address in addresses.iter().take(ADDRESSES_TRIED) {
        if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(address)).await {
            return Some(stream);
        }
    }
    None
}

/// The site that an address names, as people write it.
fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// Whether an address is on the public internet: nothing of this machine, its networks, or ranges with a meaning of their own.
/// After IANA's registries of special-purpose addresses.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)          // this network, private, loopback, multicast and reserved
            | (100, 64..=127, _)            // behind a provider's NAT
            | (169, 254, _)                 // link-local, where clouds keep their metadata
            | (172, 16..=31, _)             // private
            | (192, 0, 0 | 2)               // protocol assignments, documentation
            | (192, 88, 99)                 // 6to4 relays
            | (192, 168, _)                 // private
            | (198, 18 | 19, _)             // benchmarks
            | (198, 51, 100)                // documentation
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    // NAT64: it leads to the IPv4 address within.
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        let ([g1, g2], [h1, h2]) = (g.to_be_bytes(), h.to_be_bytes());
        return is_public_v4(Ipv4Addr::new(g1, g2, h1, h2));
    }
    let global = (0x2000..=0x3fff).contains(&a);
    let special = matches!(
        (a, b),
        (0x2001, 0..=0x01ff)                // protocol assignments: Teredo, benchmarks, ORCHID
            | (0x2001, 0x0db8)              // documentation
            | (0x2002, _)                   // 6to4, which leads to an IPv4 address within
            | (0x3fff, 0..=0x0fff) // documentation
    );
    global && !special
}

impl Fetcher {
    /// Whom we believe: the system's authorities, and the operator's own.
    fn tls(&self, config: &config::Fetch) -> Result<Arc<ClientConfig>, Refusal> {
        if let Some(own) = &config.trust {
            return trusting(Some(own));
        }
        if let Some(known) = self.tls.get() {
            return Ok(known.clone());
        }
        let made = trusting(None)?;
        Ok(self.tls.get_or_init(|| made).clone())
    }
}

fn trusting(own: Option<&Path>) -> Result<Arc<ClientConfig>, Refusal> {
    let fault = |error: &dyn fmt::Display| {
        tracing::error!(%error, "the certificates of those whom we believe can't be read");
        Refusal::Off
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = own {
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| fault(&error))? {
            let certificate = certificate.map_err(|error| fault(&error))?;
            roots.add(certificate).map_err(|error| fault(&error))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_gone_to() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2a00:1450:4001::1",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public} is public");
        }
        for ours in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(ours.parse().unwrap()), "{ours} is not public");
        }
    }

    #[test]
    fn an_address_is_https_and_nothing_else() {
        for (typed, becomes) in [
            ("https://example.org", "https://example.org/"),
            (" https://EXAMPLE.org:443/a?b#c ", "https://example.org/a?b#c"),
            ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("https://0x7f.1/", "https://127.0.0.1/"),
            ("https://2130706433/", "https://127.0.0.1/"),
            ("https://①②⑦.0.0.1/", "https://127.0.0.1/"),
        ] {
            assert_eq!(address(typed).unwrap().as_str(), becomes, "{typed}");
        }
        for wrong in [
            "",
            "example.org",
            "//example.org/",
            "http://example.org/",
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
            "data:text/html,x",
            "javascript:alert(1)",
            "https://",
            "https:///x y",
            "https://ana@example.org/",
            "https://ana:pw@example.org/",
            "https://exa mple.org/",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
        assert!(address(&format!("https://example.org/{}", "a".repeat(2_000))).is_err());
    }
}
