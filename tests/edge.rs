//! The host behind the Caddy of the distribution, by the repository's own Caddyfile.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use image::{ImageFormat, Rgb, RgbImage};
use neospace_tests::{Browser, PATIENCE, Person, Server, eventually, person::PASSWORD, pictures, process::Log, root};
use tempfile::TempDir;

/// Caddy in front of a host, both on loopback. Certificates are its own authority's; nothing is asked of a network.
struct Edge {
    caddy: Child,
    log: Log,
    https: u16,
    http: u16,
    folder: TempDir,
    host: Server,
}

impl Edge {
    fn start(config: &str) -> Edge {
        let folder = TempDir::with_prefix("neospace-edge-").expect("a temporary folder can be made");
        let (https, http) = (free_port(), free_port());
        let host = Server::builder()
            .config(&format!(
                "origin = \"https://localhost:{https}\"\ntrusted_proxies = [\"127.0.0.1\"]"
            ))
            .config(config)
            .start();
        let mut caddy = Command::new("caddy");
        caddy
            .arg("run")
            .arg("--adapter")
            .arg("caddyfile")
            .arg("--config")
            .arg(root().join("Caddyfile"));
        caddy
            .env("EDGE_UPSTREAM", host.address().to_string())
            .env("EDGE_FILES", root());
        caddy
            .env("EDGE_HTTPS_PORT", https.to_string())
            .env("EDGE_HTTP_PORT", http.to_string());
        caddy.env("EDGE_ADMIN", "off").env("EDGE_SITE", "localhost");
        // Its authority, and nothing of this machine's user.
        caddy
            .env("XDG_DATA_HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .env("HOME", folder.path());
        caddy.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut caddy = caddy
            .spawn()
            .unwrap_or_else(|error| panic!("Caddy can't be started ({error}): `cargo xtask test` installs it"));
        let log = Log::default();
        log.follow(caddy.stdout.take().expect("it was piped"));
        log.follow(caddy.stderr.take().expect("it was piped"));
        let edge = Edge {
            caddy,
            log,
            https,
            http,
            folder,
            host,
        };
        eventually("Caddy to answer", || {
            (edge.curl(&["-o", "/dev/null"], "/health").status == "200").then_some(())
        });
        edge
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("caddy/pki/authorities/local/root.crt")
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.https)
    }

    /// Asks with curl, which must trust the certificate.
    fn curl(&self, options: &[&str], path: &str) -> Curled {
        let (head, body) = (self.folder.path().join("head"), self.folder.path().join("body"));
        let _ = (fs::remove_file(&head), fs::remove_file(&body));
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "30", "--path-as-is", "--cacert"])
            .arg(self.authority());
        curl.arg("--dump-header")
            .arg(&head)
            .arg("--output")
            .arg(&body)
            .args(options)
            .arg(self.url(path));
        curl.env_remove("https_proxy")
            .env_remove("HTTPS_PROXY")
            .args(["--noproxy", "*"]);
        curl.status().expect("`cargo xtask test` installs curl");
        let head = fs::read_to_string(head).unwrap_or_default();
        let status = head.split(' ').nth(1).unwrap_or_default().trim().to_owned();
        Curled {
            status,
            head,
            body: fs::read(body).unwrap_or_default(),
        }
    }

    /// A sheet's address under the hash that pages have.
    fn sheet(&self, name: &str) -> String {
        let page = self.host.guest().get("/login").expect(200);
        format!("/ui/{}/css/{name}.css", page.between("href=\"/ui/", "/"))
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.caddy.kill();
        let _ = self.caddy.wait();
        if std::thread::panicking() {
            eprintln!("--- Caddy's log\n{}\n---", self.log.lines().join("\n"));
        }
    }
}

struct Curled {
    status: String,
    head: String,
    body: Vec<u8>,
}

impl Curled {
    fn header(&self, name: &str) -> &str {
        let line = self
            .head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim())
            .unwrap_or_default()
    }

    fn expect(self, status: &str) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}\n{}",
            self.head,
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}

/// A port that is free now. (Caddy can't be asked to choose one and say which.)
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

#[test]
fn pages_come_over_https_and_plain_http_leads_there() {
    let edge = Edge::start("");
    for version in ["--http1.1", "--http2"] {
        let page = edge.curl(&[version], "/login").expect("200");
        assert!(String::from_utf8_lossy(&page.body).contains("<form"));
        assert!(
            page.header("strict-transport-security").contains("max-age"),
            "{}",
            page.head
        );
        assert!(
            page.header("content-security-policy").contains("default-src 'none'"),
            "{}",
            page.head
        );
        assert_eq!(page.header("server"), "", "{}", page.head);
    }
    let mut plain = TcpStream::connect(("127.0.0.1", edge.http)).expect("it listens");
    plain
        .write_all(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).expect("it is text");
    assert!(
        answer.starts_with("HTTP/1.1 308") && answer.contains(&format!("Location: {}", edge.url("/login"))),
        "{answer}"
    );
}

#[test]
fn what_the_host_compressed_passes_untouched_and_the_rest_is_compressed_once() {
    let edge = Edge::start("");
    // A name under a hash of long ago is the host's to answer, ready compressed.
    let old = "/ui/old/css/shell.css";
    for encoding in ["gzip", "zstd"] {
        let direct = edge
            .host
            .guest()
            .request("GET", old)
            .header("accept-encoding", encoding)
            .send()
            .expect(200);
        assert_eq!(direct.header("content-encoding"), encoding);
        let through = edge
            .curl(&["-H", &format!("Accept-Encoding: {encoding}")], old)
            .expect("200");
        assert_eq!(through.header("content-encoding"), encoding, "{}", through.head);
        assert!(through.body == direct.body, "Caddy changed the host's {encoding}");
    }
    // The door's page is made for each visitor anew, so the host doesn't compress it.
    let plain = edge.curl(&["-H", "Accept-Encoding: identity"], "/login").expect("200");
    assert_eq!(plain.header("content-encoding"), "");
    let packed = edge.curl(&["-H", "Accept-Encoding: gzip"], "/login").expect("200");
    assert_eq!(packed.header("content-encoding"), "gzip", "{}", packed.head);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_end(&mut unpacked)
        .expect("it is gzip");
    assert!(unpacked == plain.body, "compressed and plain pages differ");
}

#[test]
fn assets_come_from_the_disk_under_any_hash_and_nothing_else_does() {
    let mut edge = Edge::start("");
    let sheet = edge.sheet("plain");
    let on_disk = fs::read(root().join("ui/css/plain.css")).expect("the sheet lies there");
    // The host is gone: what comes now comes from the disk.
    edge.host.stop();
    let asset = edge.curl(&[], &sheet).expect("200");
    assert!(asset.body == on_disk, "the sheet isn't the one on the disk");
    assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(asset.header("x-content-type-options"), "nosniff");
    assert!(asset.header("content-type").starts_with("text/css"), "{}", asset.head);
    let vendored = first_file(&root().join("static"));
    let path = format!(
        "/static/0123456789abcdef/{}",
        vendored
            .strip_prefix(root().join("static"))
            .expect("it lies there")
            .display()
    );
    let fixed = edge.curl(&[], &path).expect("200");
    assert!(fixed.body == fs::read(vendored).expect("it can be read"), "{path}");
    edge.host.start_again();
    for path in [
        "/ui/0123456789abcdef/../Cargo.toml",
        "/ui/0123456789abcdef/../../Cargo.toml",
        "/ui/0123456789abcdef/%2e%2e/%2e%2e/Cargo.toml",
        "/static/0123456789abcdef/..%2f..%2fCargo.toml",
        "/Cargo.toml",
        "/ui/Cargo.toml",
        "/ui/0123456789abcdef/",
        "/ui/0123456789abcdef/css/",
        "/templates/error.html",
    ] {
        let answer = edge.curl(&[], path);
        assert_eq!(answer.status, "404", "{path}: {}", answer.head);
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("[workspace]"),
            "{path} reads the disk"
        );
    }
}

#[test]
fn sheets_that_are_made_of_others_come_as_one_through_the_edge_too() {
    let edge = Edge::start("");
    for name in ["shell", "walls"] {
        let raw = fs::read_to_string(root().join(format!("ui/css/{name}.css"))).expect("the sheet lies there");
        assert!(raw.contains("@import"), "{name}.css is made of others");
        let sheet = edge.sheet(name);
        let through = edge.curl(&[], &sheet).expect("200");
        assert!(!String::from_utf8_lossy(&through.body).contains("@import"), "{sheet}");
        assert!(
            through.body == edge.host.guest().get(&sheet).expect(200).body,
            "{sheet}"
        );
        assert_eq!(through.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(
            through.header("content-type").starts_with("text/css"),
            "{}",
            through.head
        );
    }
}

fn first_file(folder: &Path) -> PathBuf {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .expect("it exists")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    entries.sort();
    entries
        .into_iter()
        .map(|path| if path.is_dir() { first_file(&path) } else { path })
        .next()
        .expect("it isn't empty")
}

#[test]
fn the_socket_is_passed_through_and_only_for_our_own_pages() {
    let edge = Edge::start("");
    let upgrade = |origin: &str| {
        let origin = format!("Origin: {origin}");
        let headers = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol: neospace.html.v1",
            &origin,
        ];
        let mut options = vec!["--http1.1", "--max-time", "3"];
        options.extend(headers.iter().flat_map(|header| ["-H", *header]));
        edge.curl(&options, "/live")
    };
    let open = upgrade(&edge.url(""));
    assert_eq!(open.status, "101", "{}", open.head);
    assert_eq!(open.header("sec-websocket-protocol"), "neospace.html.v1");
    assert!(
        String::from_utf8_lossy(&open.body).contains("\"connected\""),
        "no frame came through"
    );
    assert_eq!(upgrade("https://evil.example").status, "403");
    assert_eq!(upgrade(&format!("http://localhost:{}", edge.https)).status, "403");
}

#[test]
fn what_is_too_large_does_not_reach_the_host() {
    let edge = Edge::start("[limits]\nbody_kib = 65536");
    let large = edge.folder.path().join("large");
    fs::write(&large, vec![b'a'; 2 * 1024 * 1024]).expect("the folder can be written");
    let data = format!("@{}", large.display());
    let post = |more: &[&str]| {
        let mut options = vec![
            "-H",
            "Sec-Fetch-Site: same-origin",
            "-H",
            "Content-Type: application/x-www-form-urlencoded",
            "-H",
            "Expect:",
        ];
        options.extend(more);
        edge.curl(&options, "/login")
    };
    for version in ["--http1.1", "--http2"] {
        post(&[version, "--data-binary", &data]).expect("413");
    }
    post(&["--http1.1", "--data-binary", &data, "-H", "Transfer-Encoding: chunked"]).expect("413");
    post(&["--data-binary", "name=ana&auth="]).expect("422");
    let head = "X: ".to_owned() + &"x".repeat(40 * 1024);
    edge.curl(&["--http1.1", "-H", &head], "/login").expect("431");
}

/// A picture of 2.4 MB: noise, in which there is nothing to compress.
fn noise() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let picture = RgbImage::from_fn(900, 900, |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [r, g, b, ..] = state.to_le_bytes();
        Rgb([r, g, b])
    });
    let file = pictures::encoded(picture, ImageFormat::Png);
    assert!(file.len() > 2 * 1024 * 1024, "{}", file.len());
    file
}

/// Uploads a large picture through the edge, with more options for curl.
fn upload(edge: &Edge, ana: &Person, options: &[&str]) -> Curled {
    let token = ana.program(&["library:write"]).token.expect("it has one");
    let token = format!("Authorization: Bearer {token}");
    let picture = edge.folder.path().join("picture");
    fs::write(&picture, noise()).expect("the folder can be written");
    let data = format!("@{}", picture.display());
    let headers = [
        "Accept: application/json",
        "Content-Type: application/octet-stream",
        "Expect:",
        &token,
    ];
    let mut all = vec!["--data-binary", &data];
    all.extend(headers.iter().flat_map(|header| ["-H", *header]));
    all.extend(options);
    edge.curl(&all, "/library?name=noise.png")
}

#[test]
fn what_members_upload_is_let_through_and_bounded_by_the_host() {
    let edge = Edge::start("");
    let ana = edge.host.person("ana");
    for version in ["--http1.1", "--http2"] {
        let kept = upload(&edge, &ana, &[version]).expect("201");
        let kept: serde_json::Value = serde_json::from_slice(&kept.body).expect("it is JSON");
        assert_eq!(kept["picture"]["width"], 900, "{kept}");
    }
    // Who isn't anybody is refused by the host, in its own words.
    let large = edge.folder.path().join("picture");
    let data = format!("@{}", large.display());
    let post = |path: &str| {
        let headers = ["Sec-Fetch-Site: same-origin", "Accept: application/json", "Expect:"];
        let mut options = vec!["--http1.1", "--data-binary", &data];
        options.extend(headers.iter().flat_map(|header| ["-H", *header]));
        edge.curl(&options, path)
    };
    for path in [
        "/settings/import",
        "/dm/bob/files",
        "/library/uploads/AAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let answer = post(path);
        assert_ne!(answer.status, "413", "{path}: {}", answer.head);
        assert!(
            answer.header("content-security-policy").contains("default-src"),
            "{path}: {}",
            answer.head
        );
    }
    // What only looks like those is a form.
    for path in [
        "/library/uploads",
        "/library/x/discard",
        "/settings/import/bring",
        "/dm/bob/messages",
        "/dm/bob/x/files",
    ] {
        let answer = post(path);
        assert_eq!(answer.status, "413", "{path}: {}", answer.head);
        assert!(String::from_utf8_lossy(&answer.body).contains("at most 1 MB"), "{path}");
    }
}

#[test]
fn an_upload_over_a_slow_line_is_waited_for() {
    let edge = Edge::start("");
    // Nothing of it stands still for long, and all of it takes more than half a minute.
    let start = Instant::now();
    upload(
        &edge,
        &edge.host.person("ana"),
        &["--http1.1", "--limit-rate", "70K", "--max-time", "90"],
    )
    .expect("201");
    assert!(
        start.elapsed() > Duration::from_secs(31),
        "it was too fast to tell: {:?}",
        start.elapsed()
    );
}

#[test]
fn one_who_sends_a_head_letter_by_letter_is_shown_out_at_the_edge() {
    let edge = Edge::start("");
    let mut stream = TcpStream::connect(("127.0.0.1", edge.http)).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("not zero");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        .expect("it reads");
    let start = Instant::now();
    let mut buffer = [0; 512];
    // A letter now and then, until it has closed.
    while start.elapsed() < PATIENCE {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(_) => break,
        }
        if stream.write_all(b"x").is_err() {
            break;
        }
    }
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "it was still listened to after {:?}",
        start.elapsed()
    );
}

#[test]
fn the_host_sees_the_visitors_address_and_not_the_proxys() {
    // Wrong tries slow down the one who makes them: that is how the address shows.
    let edge = Edge::start("");
    let try_from = |address: &str| {
        let forged = format!("X-Forwarded-For: {address}");
        let options = [
            "-H",
            "Sec-Fetch-Site: same-origin",
            "-H",
            "Accept: application/json",
            "-H",
            &forged,
            "--data",
            "name=ana&auth=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ];
        edge.curl(&options, "/login").status
    };
    let tries: Vec<_> = (0..12).map(|number| try_from(&format!("203.0.113.{number}"))).collect();
    assert!(
        tries.contains(&"429".into()),
        "a forged header made each try somebody else's: {tries:?}"
    );
}

#[test]
fn a_browser_registers_and_stays_connected_through_the_edge() {
    let edge = Edge::start("");
    let browser = Browser::start_with(&["--ignore-certificate-errors"]);
    let page = browser.page();
    page.goto(&edge.url("/register"));
    page.fill("#register-name", "ana").fill("#register-password", PASSWORD);
    page.click("neo-register button[type=submit]").wait_for_path("/welcome");
    let cookies = page.call("Network.getCookies", serde_json::json!({}));
    let session = &cookies["cookies"][0];
    assert_eq!(
        (&session["name"], &session["secure"], &session["httpOnly"]),
        (&"__Host-neospace".into(), &true.into(), &true.into())
    );
}
