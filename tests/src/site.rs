//! Somebody else's web site, over TLS, with a certificate of an authority that only the test knows; and a door that nobody may knock at.

use std::{
    net::{SocketAddr, TcpListener as StdListener},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::socket::runtime;

/// Between two pieces of an answer that comes slowly.
const DRIP: Duration = Duration::from_millis(100);

/// An authority that gives sites their certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "The tests' authority");
        let key = KeyPair::generate().expect("keys can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority can be made");
        Self { issuer }
    }
}

impl Authority {
    /// Writes its certificate where a configuration can name it.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let file = folder.join("authority.pem");
        std::fs::write(&file, self.issuer.pem()).expect("the test's folder can be written");
        file
    }

    /// A site that proves these names (or addresses), and answers each path as the test wants.
    pub fn site(&self, names: &[&str], answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Site {
        let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
            .expect("these are names");
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority can sign");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows the usual versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("the certificate fits its key");
        Site::start(TlsAcceptor::from(Arc::new(config)), Arc::new(answer))
    }
}

/// What a site answers.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, head included.
    Whole(Vec<u8>),
    /// The first bytes, then the second ones again and again: slowly, or as fast as they are taken.
    Drip(Vec<u8>, Vec<u8>),
    Flood(Vec<u8>, Vec<u8>),
    /// Nothing, ever.
    Silence,
}

impl Reply {
    /// A page.
    pub fn page(html: &str) -> Reply {
        Self::of("text/html; charset=utf-8", html.as_bytes())
    }

    /// Something of a media type.
    pub fn of(kind: &str, body: &[u8]) -> Reply {
        let mut bytes = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nset-cookie: canary=1\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        Self::Whole(bytes)
    }

    /// Somewhere else.
    pub fn redirect(to: &str) -> Reply {
        Self::Whole(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes())
    }

    /// Nothing but a status.
    pub fn status(status: u16) -> Reply {
        Self::Whole(format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n").into_bytes())
    }
}

/// A site that runs until the test ends.
pub struct Site {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn start(tls: TlsAcceptor, answer: Arc<dyn Fn(&str) -> Reply + Send + Sync>) -> Site {
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = runtime()
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let seen = heads.clone();
        runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer, seen) = (tls.clone(), answer.clone(), seen.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = tls.accept(stream).await else {
                        return;
                    };
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(head);
                    let (first, then, pause) = match answer(&path) {
                        Reply::Whole(bytes) => (bytes, None, Duration::ZERO),
                        Reply::Drip(first, then) => (first, Some(then), DRIP),
                        Reply::Flood(first, then) => (first, Some(then), Duration::ZERO),
                        Reply::Silence => (Vec::new(), Some(Vec::new()), Duration::from_secs(60)),
                    };
                    // Whoever asked may have heard enough.
                    if stream.write_all(&first).await.is_err() {
                        return;
                    }
                    while let Some(then) = &then {
                        tokio::time::sleep(pause).await;
                        if stream.write_all(then).await.is_err() {
                            return;
                        }
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        Site { address, heads }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address of a page under one of its names.
    pub fn url(&self, name: &str, path: &str) -> String {
        format!("https://{name}:{}{path}", self.address.port())
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A door that nobody may knock at.
pub struct Door {
    port: u16,
    knocks: Arc<AtomicUsize>,
}

impl Default for Door {
    fn default() -> Self {
        // Both families: a name or an address may lead to either.
        let listener = StdListener::bind("[::]:0").or_else(|_| StdListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port is free");
        let (port, knocks) = (
            listener.local_addr().expect("it listens").port(),
            Arc::<AtomicUsize>::default(),
        );
        let counted = knocks.clone();
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                counted.fetch_add(1, SeqCst);
            }
        });
        Self { port, knocks }
    }
}

impl Door {
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often somebody came.
    pub fn knocks(&self) -> usize {
        self.knocks.load(SeqCst)
    }
}
