//! What holds for every request: where it may come from, what may be in it, how long it may take, how refusals look.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use neospace_tests::{Live, PATIENCE, Server, person::encode};

/// Sends bytes as they are, and reads until the server closes.
fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    // What is refused early is refused while we still write.
    let _ = stream.write_all(request);
    read_to_end(stream)
}

fn read_to_end(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    // A reset after the answer is an end, too.
    while let Ok(bytes) = stream.read(&mut buffer) {
        if bytes == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..bytes]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("no answer")
}

#[test]
fn every_answer_carries_the_headers_that_keep_a_page_to_itself() {
    let server = Server::start();
    let guest = server.guest();
    for path in [
        "/login",
        "/health",
        "/nothing/here",
        "/ui/0000000000000000/css/none.css",
    ] {
        let answer = guest.get(path);
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {part} is missing in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
        assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
    }
}

#[test]
fn the_session_cookie_is_for_this_site_and_out_of_scripts_reach() {
    let server = Server::start();
    let ana = server.guest_called("ana");
    let answer = ana.post("/register", &ana.registration(&[]).as_fields()).expect(303);
    let cookie = answer.header("set-cookie");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let https = Server::builder().config("origin = \"https://kiosk.example\"").start();
    let bob = https.guest_called("bob");
    let answer = bob.post("/register", &bob.registration(&[]).as_fields()).expect(303);
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-neospace=") && cookie.contains("Secure"),
        "{cookie}"
    );
}

#[test]
fn another_site_cannot_act_for_me() {
    let server = Server::start();
    let ana = server.person("ana");
    let change = || ana.request("POST", "/logout");
    for site in ["cross-site", "same-site", "none", "SAME-ORIGIN", ""] {
        change().header("sec-fetch-site", site).send().expect(403);
    }
    // Where the browser doesn't say, its Origin must be exactly ours.
    let unsaid = || change().without("sec-fetch-site");
    let near = [
        "null",
        "http://127.0.0.1",
        "http://evil.example",
        &format!("https://{}", ana.address),
        &format!("http://{}.evil.example", ana.address),
        &format!("http://{}/", ana.address),
    ]
    .map(String::from);
    for origin in near {
        unsaid().header("origin", &origin).send().expect(403);
    }
    unsaid().without("origin").send().expect(403);
    assert!(!ana.cookies().is_empty(), "ana was logged out by somebody else");
    unsaid().send().expect(303);
    assert!(ana.cookies().is_empty());
}

#[test]
fn people_get_a_page_and_programs_a_problem_document() {
    let server = Server::start();
    let guest = server.guest();
    let page = guest.get("/nothing/here").expect(404);
    assert!(
        page.header("content-type").starts_with("text/html"),
        "{}",
        page.header("content-type")
    );
    assert!(page.text().contains("<h1"), "{}", page.text());
    let problem = guest.get_json("/nothing/here").expect(404);
    assert_eq!(problem.header("content-type"), "application/problem+json");
    let problem = problem.json();
    assert_eq!(problem["status"], 404);
    for key in ["type", "title", "detail"] {
        assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
    let wrong = guest.post_json("/register", &[("name", "a b")]).expect(422).json();
    let fields: Vec<_> = wrong["errors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|error| error["field"].clone())
        .collect();
    assert!(
        fields.contains(&"name".into()) && fields.contains(&"auth".into()),
        "{wrong}"
    );
}

#[test]
fn a_wrong_method_is_said_to_be_one() {
    let server = Server::start();
    let ana = server.person("ana");
    for (method, path) in [
        ("DELETE", "/login"),
        ("PUT", "/register"),
        ("POST", "/health"),
        ("PATCH", "/settings"),
    ] {
        ana.request(method, path).send().expect(405);
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_what_is_allowed() {
    let server = Server::start();
    let guest = server.guest();
    let send = |kind: &str, body: &[u8]| guest.request("POST", "/login").body(kind, body).send();
    let form = "application/x-www-form-urlencoded";

    let answer = send(form, b"name=%ff%fe&auth=x").expect(400);
    assert!(answer.text().contains("UTF-8"), "{}", answer.text());
    send(form, b"name=\xc3\x28&auth=x").expect(400);
    assert!(send(form, b"name=a%00b&auth=x").expect(400).text().contains("NUL"));
    let many = encode(&[("f", "x"); 1_001]);
    assert!(send(form, many.as_bytes()).expect(400).text().contains("1000"));
    for body in ["[1]", "{", "\"name\"", "", "{\"name\": \"ana\""] {
        send("application/json", body.as_bytes()).expect(400);
    }
    send("application/json", b"{\"name\": {\"x\": 1}}").expect(422);
    for kind in ["text/plain", "multipart/form-data; boundary=x", "application/xml", "x"] {
        let answer = send(kind, b"name=ana").expect(415);
        assert!(
            answer.text().contains("application/x-www-form-urlencoded"),
            "{}",
            answer.text()
        );
    }
    let long = vec![b'a'; 300 * 1024];
    let answer = send(form, &long).expect(413);
    assert!(answer.text().contains("256 KiB"), "{}", answer.text());
}

#[test]
fn percent_signs_and_pluses_are_taken_as_forms_mean_them() {
    let server = Server::start();
    let guest = server.guest();
    let form = "application/x-www-form-urlencoded";
    let body = b"name=%3Cxss%3E+%26+100%25%zz%4&auth=".as_slice();
    let page = guest.request("POST", "/login").body(form, body).send().expect(422);
    assert_eq!(page.field("name"), "<xss> & 100%%zz%4");
    assert!(!page.text().contains("<xss>"), "what was typed came back as markup");
}

#[test]
fn what_was_typed_is_still_there_after_a_refusal() {
    let server = Server::start();
    server.person("ana");
    let bob = server.guest_called("ana");
    let taken = bob.post("/register", &bob.registration(&[]).as_fields()).expect(422);
    assert_eq!(taken.field("name"), "ana");
    let wrong = bob
        .post("/register", &bob.registration(&[("name", "Ana & Söhne")]).as_fields())
        .expect(422);
    assert_eq!(wrong.field("name"), "Ana & Söhne");
    assert!(
        wrong.text().contains("3 to 24"),
        "it doesn't say what is allowed:\n{}",
        wrong.text()
    );
    assert!(
        wrong.text().contains("aria-invalid=\"true\""),
        "the field isn't marked:\n{}",
        wrong.text()
    );
    let wrong = bob.try_log_in("not the password").expect(422);
    assert_eq!(wrong.field("name"), "ana");
}

#[test]
fn a_head_that_is_no_http_gets_no_page() {
    let server = Server::start();
    let address = server.address();
    for (request, expected) in [
        (b"hello\r\n\r\n".to_vec(), "400"),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_vec(), "400"),
        (b"GET /%% HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec(), "404"),
        (b"GET /wall/%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec(), "404"),
        (b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n".to_vec(), "4"),
        (b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_vec(), "400"),
        (b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec(), "400"),
    ] {
        let answer = raw(address, &request);
        assert!(status(&answer).starts_with(expected), "{}: {answer}", String::from_utf8_lossy(&request));
    }
    let many: String = (0..200).map(|number| format!("X-{number}: x\r\n")).collect();
    let answer = raw(address, format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes());
    assert_eq!(status(&answer), "431", "{answer}");
    let long = "x".repeat(100 * 1024);
    let answer = raw(
        address,
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n").as_bytes(),
    );
    assert_eq!(status(&answer), "431", "{answer}");
    let answer = raw(address, format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    assert!(["414", "431"].contains(&status(&answer)), "{answer}");
    // And it is still there for others.
    server.guest().get("/login").expect(200);
}

#[test]
fn one_who_sends_a_head_letter_by_letter_is_shown_out() {
    let server = Server::builder().config("[limits]\nheader_seconds = 1").start();
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream
        .write_all(b"GET /login HTTP/1.1\r\nHost: x\r\nX: ")
        .expect("it reads");
    let dripping = stream.try_clone().expect("a descriptor is free");
    let drip = thread::spawn(move || {
        // A letter now and then doesn't buy more time. Writing fails once the server has closed.
        let mut stream = dripping;
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let start = Instant::now();
    let answer = read_to_end(stream);
    assert!(answer.is_empty() || status(&answer) == "408", "{answer}");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        start.elapsed()
    );
    drip.join().expect("it only writes");
}

#[test]
fn one_who_never_sends_the_body_is_told_so() {
    let server = Server::builder().config("[limits]\nbody_seconds = 1").start();
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\nConnection: close\r\n\r\nname=";
    stream.write_all(head.as_bytes()).expect("it reads");
    let answer = read_to_end(stream);
    assert_eq!(status(&answer), "408", "{answer}");
}

#[test]
fn one_address_cannot_take_all_connections() {
    let server = Server::builder()
        .config("[limits]\nconnections_per_address = 4")
        .start();
    let ask = |stream: &mut TcpStream| {
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            .expect("it reads");
        let mut answer = [0; 12];
        stream
            .read_exact(&mut answer)
            .is_ok_and(|()| &answer == b"HTTP/1.1 200")
    };
    let mut held: Vec<_> = (0..4)
        .map(|_| TcpStream::connect(server.address()).expect("it listens"))
        .collect();
    assert!(held.iter_mut().all(ask));
    let fifth = TcpStream::connect(server.address()).expect("it listens");
    assert_eq!(read_to_end(fifth), "", "a fifth connection was taken");
    held.clear();
    neospace_tests::eventually("a place to be free again", || {
        let mut stream = TcpStream::connect(server.address()).ok()?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .ok()?;
        (status(&read_to_end(stream)) == "200").then_some(())
    });
}

#[test]
fn one_who_never_takes_the_answer_is_shown_out() {
    let server = Server::builder()
        .config("[limits]\nconnections_per_address = 1\nanswer_seconds = 1")
        .start();
    let mut deaf = TcpStream::connect(server.address()).expect("it listens");
    let page = "GET /login HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
    deaf.set_write_timeout(Some(Duration::from_millis(100)))
        .expect("a second is a time");
    // Asks for more than the system holds for it, until nothing more is read from it.
    while deaf.write_all(page.as_bytes()).is_ok() {}
    neospace_tests::eventually("the one place to be free again", || {
        let mut stream = TcpStream::connect(server.address()).ok()?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .ok()?;
        (status(&read_to_end(stream)) == "200").then_some(())
    });
    drop(deaf);
}

#[test]
fn open_sockets_take_a_place_among_their_addresss_connections() {
    let server = Server::builder()
        .config("[limits]\nconnections_per_address = 4")
        .start();
    let guest = server.guest();
    let mut sockets: Vec<_> = (0..4).map(|_| Live::open(&guest)).collect();
    for socket in &sockets {
        socket.wait("connected", |_| true);
    }
    assert!(
        Live::try_open(Live::request(&guest, "neospace.html.v1")).is_err(),
        "a fifth socket was opened"
    );
    sockets.clear();
    neospace_tests::eventually("a place to be free again", || {
        Live::try_open(Live::request(&guest, "neospace.html.v1")).ok()
    });
}

#[test]
fn names_that_nobody_can_have_leave_nothing_behind() {
    let server = Server::start();
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .expect("Linux says so")
    };
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let mut ask = |n: usize| {
        let name = format!("{n}-{}", "x".repeat(30_000));
        let request = format!("GET /wall/{name} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !answer.ends_with(b"}") {
            let bytes = stream.read(&mut buffer).expect("an answer");
            assert_ne!(bytes, 0, "it hung up");
            answer.extend_from_slice(&buffer[..bytes]);
        }
        assert_eq!(status(&String::from_utf8_lossy(&answer)), "404");
    };
    (0..100).for_each(&mut ask);
    let before = memory();
    (100..2_100).for_each(&mut ask);
    let grown = memory().saturating_sub(before);
    assert!(grown < 20_000, "it remembers {grown} KiB of what isn't there");
}

#[test]
fn assets_are_immutable_under_their_hash_and_absent_elsewhere() {
    let server = Server::start();
    let guest = server.guest();
    let page = guest.get("/login").expect(200);
    let sheet = format!("/ui/{}", page.between("href=\"/ui/", "\""));
    let answer = guest.get(&sheet).expect(200);
    assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
    assert!(
        answer.header("cache-control").contains("immutable"),
        "{}",
        answer.header("cache-control")
    );
    let (_, name) = sheet
        .trim_start_matches("/ui/")
        .split_once('/')
        .expect("a hash, then a name");
    let old = guest.get(&format!("/ui/0123456789abcdef/{name}"));
    assert!(
        old.status == 404 || !old.header("cache-control").contains("immutable"),
        "an old hash was answered for ever"
    );
    for path in [
        "/ui/0123456789abcdef/../../Cargo.toml",
        "/ui/0123456789abcdef/%2e%2e/%2e%2e/Cargo.toml",
        "/ui/0123456789abcdef//etc/passwd",
        "/static/0123456789abcdef/..%2f..%2fCargo.toml",
    ] {
        let answer = raw(
            server.address(),
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        );
        assert_eq!(status(&answer), "404", "{path}: {answer}");
    }
}

#[test]
fn assets_come_ready_compressed() {
    let server = Server::start();
    let guest = server.guest();
    let sheet = format!("/ui/{}", guest.get("/login").expect(200).between("href=\"/ui/", "\""));
    let plain = guest.get(&sheet).expect(200);
    let packed = guest
        .request("GET", &sheet)
        .header("accept-encoding", "gzip")
        .send()
        .expect(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.header("vary").to_lowercase().contains("accept-encoding"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_end(&mut unpacked)
        .expect("it is gzip");
    assert_eq!(unpacked, plain.body);
}

#[test]
fn a_panic_or_an_error_is_never_shown_in_detail() {
    let server = Server::start();
    let guest = server.guest();
    for path in [
        "/nothing",
        "/login/parameters",
        "/login/parameters?name=",
        "/ui/x/y",
        "/static/x/y",
    ] {
        let text = guest.get(path).text();
        for leak in [
            "panicked",
            "src/",
            "rusqlite",
            "SQLite",
            "RUST_BACKTRACE",
            "deserialize",
        ] {
            assert!(!text.contains(leak), "{path} tells of {leak}: {text}");
        }
    }
}
