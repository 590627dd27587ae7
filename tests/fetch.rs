//! What the server looks at elsewhere: pages that members link to, and nothing of its own networks, whatever leads there.

use std::time::{Duration, Instant};

use neospace_tests::{
    Builder, Person, Server, markup, pictures,
    site::{Authority, Door, Reply, Site},
};
use serde_json::Value;

/// A server that believes this authority, and may go to this site under the name `moths.test`.
fn server(authority: &Authority, site: &Site) -> Server {
    builder(authority, &format!("allow = [\"{}\"]", site.address())).start()
}

fn builder(authority: &Authority, fetch: &str) -> Builder {
    let builder = Server::builder();
    let trust = authority.write(builder.folder());
    builder.config(&format!(
        "[fetch]\ntrust = {trust:?}\n{fetch}\n[fetch.resolve]\n\"moths.test\" = [\"127.0.0.1\"]\n\
         \"mixed.test\" = [\"93.184.215.14\", \"127.0.0.1\"]\n\"inside.test\" = [\"10.0.0.1\"]\n"
    ))
}

/// What the server says of an address before ana links to it.
fn look(ana: &Person, url: &str) -> Value {
    ana.post_json("/wall/ana/posts/preview", &[("url", url)])
        .expect(200)
        .json()
}

fn why(ana: &Person, url: &str) -> String {
    look(ana, url)["why"].as_str().expect("a sentence").to_owned()
}

const PAGE: &str = "<!doctype html><title>Night Fliers of the Lower Marsh</title>\
    <meta property=og:description content='64 pages and one more'>";

#[test]
fn a_link_shows_what_its_page_says_of_itself_and_the_site_learns_of_nobody() {
    let authority = Authority::default();
    let site = authority.site(&["moths.test"], |_| Reply::page(PAGE));
    let server = server(&authority, &site);
    let ana = server.person("ana");
    let url = site.url("moths.test", "/guide?page=2");
    ana.post(
        "/wall/ana/posts",
        &[("kind", "link"), ("url", &url), ("body", "Every guide should end so.")],
    )
    .see_other();
    let wall = server.guest().get("/wall/ana").expect(200).text();
    for shown in [
        "<strong dir=\"auto\">Night Fliers of the Lower Marsh</strong>",
        "64 pages and one more",
        "<small>moths.test</small>",
        "Every guide should end so.",
        &format!("href=\"{url}\" rel=\"nofollow noopener ugc\" target=\"_blank\""),
    ] {
        assert!(wall.contains(shown), "{shown} is not in {wall}");
    }
    let heads = site.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    let head = heads[0].to_lowercase();
    assert!(head.starts_with("get /guide?page=2 http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: moths.test:{}\r\n", site.address().port())));
    for secret in ["cookie", "referer", "authorization", "ana", "origin", "127.0.0.1"] {
        assert!(!head.contains(secret), "{secret} in {head}");
    }
    // The next one who links there doesn't make the server ask again.
    let bob = server.person("bob");
    bob.post("/wall/bob/posts", &[("kind", "link"), ("url", &url)])
        .see_other();
    assert!(server.guest().get("/wall/bob").text().contains("Night Fliers"));
    assert_eq!(site.heads().len(), 1);
}

#[test]
fn the_picture_of_a_page_is_made_anew_here_or_left_out() {
    let authority = Authority::default();
    let files = [
        ("/jar.jpg", Reply::of("image/jpeg", &pictures::jpeg(2_000, 1_000))),
        ("/page.png", Reply::page("<script>alert(1)</script>")),
        ("/mime.png", Reply::of("image/png", b"<html><script>alert(1)</script>")),
        (
            "/svg.svg",
            Reply::of("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ),
        ("/bomb.png", Reply::of("image/png", &vec![0x89; 5 << 20])),
    ];
    let site = authority.site(&["moths.test"], move |path| {
        let file = files.iter().find(|(name, _)| *name == path);
        file.map(|(_, reply)| reply.clone()).unwrap_or_else(|| {
            let picture = path.split('?').nth(1).unwrap_or_default();
            Reply::page(&format!(
                "<title>Jars</title><meta property='og:image' content='{picture}'>"
            ))
        })
    });
    let server = server(&authority, &site);
    let ana = server.person("ana");
    let of = |picture: &str| look(&ana, &site.url("moths.test", &format!("/?{picture}")))["link"]["picture"].clone();
    let there = of("/jar.jpg");
    let there = there.as_str().expect("an address here");
    assert!(there.starts_with("/previews/"), "{there}");
    let file = server.guest().get(there).expect(200);
    assert_eq!(file.header("content-type"), "image/jpeg");
    assert_eq!(file.header("content-security-policy"), "sandbox; default-src 'none'");
    let picture = image::load_from_memory(&file.body).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (320, 160));
    for left_out in [
        "/page.png",
        "/mime.png",
        "/svg.svg",
        "/bomb.png",
        "https://127.0.0.1/x.png",
        "http://moths.test/jar.jpg",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
    ] {
        assert_eq!(of(left_out), Value::Null, "{left_out}");
    }
    server.guest().get("/previews/nothing").expect(404);
    let url = site.url("moths.test", "/?/jar.jpg");
    ana.post("/wall/ana/posts", &[("kind", "link"), ("url", &url)])
        .see_other();
    let wall = server.guest().get("/wall/ana").text();
    assert!(wall.contains(&format!("<img src=\"{there}\"")) && !wall.contains("src=\"https://"));
    let uploads = std::fs::read_dir(server.data().join("uploads")).expect("a folder");
    let kept = std::fs::read_dir(server.data().join("media")).expect("a folder");
    assert_eq!((uploads.count(), kept.count()), (0, 0), "nothing of it lies about");
}

#[test]
fn no_address_leads_into_networks_of_our_own() {
    let (authority, door) = (Authority::default(), Door::default());
    let server = builder(&authority, "").start();
    let ana = server.person("ana");
    let port = door.port();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fc00::1]",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "moths.test",
        "mixed.test",
        "inside.test",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
    ];
    for host in hosts {
        for place in [format!("{host}:{port}"), host.to_owned()] {
            let begun = Instant::now();
            let said = why(&ana, &format!("https://{place}/"));
            assert!(said.starts_with("There is no public site"), "{place}: {said}");
            assert!(begun.elapsed() < Duration::from_secs(2), "{place} was tried");
        }
    }
    assert_eq!(door.knocks(), 0);
}

#[test]
fn only_https_is_looked_at_and_only_web_addresses_are_links() {
    let (authority, door) = (Authority::default(), Door::default());
    let server = builder(&authority, "").start();
    let ana = server.person("ana");
    let port = door.port();
    assert!(why(&ana, &format!("http://127.0.0.1:{port}/")).contains("https"));
    for wrong in [
        String::new(),
        "moths".into(),
        "//moths.test/".into(),
        "javascript:alert(1)".into(),
        "data:text/html,<script>alert(1)</script>".into(),
        "file:///etc/passwd".into(),
        format!("gopher://127.0.0.1:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        "https://ana:secret@moths.test/".into(),
        format!("https://moths.test/{}", "a".repeat(2_000)),
    ] {
        ana.post_json("/wall/ana/posts/preview", &[("url", &wrong)]).expect(422);
        ana.post_json("/wall/ana/posts", &[("kind", "link"), ("url", &wrong)])
            .expect(422);
    }
    assert_eq!(door.knocks(), 0);
    server
        .guest()
        .post_json("/wall/ana/posts/preview", &[("url", "https://moths.test/")])
        .expect(401);
    server
        .person("bob")
        .post_json("/wall/ana/posts/preview", &[("url", "https://moths.test/")])
        .expect(403);
}

#[test]
fn redirects_are_looked_at_like_any_other_address() {
    let (authority, door) = (Authority::default(), Door::default());
    let port = door.port();
    let site = authority.site(&["moths.test"], move |path| match path {
        "/page" => Reply::page(PAGE),
        "/moved" => Reply::redirect("/page"),
        "/round" => Reply::redirect("/round"),
        "/inside" => Reply::redirect("https://inside.test/"),
        "/door" => Reply::redirect(&format!("https://127.0.0.1:{port}/")),
        "/plain" => Reply::redirect(&format!("http://127.0.0.1:{port}/")),
        "/relative" => Reply::redirect(&format!("//[::1]:{port}/")),
        "/file" => Reply::redirect("file:///etc/passwd"),
        "/data" => Reply::redirect("data:text/html,<title>no</title>"),
        "/secret" => Reply::redirect("https://ana:secret@moths.test/page"),
        _ => Reply::redirect("::"),
    });
    let server = server(&authority, &site);
    let ana = server.person("ana");
    let there = |path: &str| site.url("moths.test", path);
    assert_eq!(
        look(&ana, &there("/moved"))["link"]["title"],
        "Night Fliers of the Lower Marsh"
    );
    let before = site.heads().len();
    assert!(why(&ana, &there("/round")).contains("from one to another"));
    assert!(site.heads().len() - before <= 6, "{:?}", site.heads());
    for (path, said) in [
        ("/inside", "There is no public site by the name of inside.test"),
        ("/door", "There is no public site"),
        ("/relative", "There is no public site"),
        ("/plain", "begin with https"),
        ("/file", "begin with https"),
        ("/data", "begin with https"),
        ("/secret", "a name or a password"),
    ] {
        let why = why(&ana, &there(path));
        assert!(why.contains(said), "{path}: {why}");
    }
    assert_eq!(door.knocks(), 0);
}

#[test]
fn a_site_that_is_slow_large_or_no_page_holds_nobody_up() {
    let authority = Authority::default();
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n".to_vec();
    let site = authority.site(&["moths.test"], move |path| match path {
        "/silence" => Reply::Silence,
        "/drip" => Reply::Drip(head.clone(), b"<p>".to_vec()),
        "/flood" => Reply::Flood([&head[..], PAGE.as_bytes()].concat(), vec![b'x'; 16 * 1024]),
        "/headers" => Reply::Flood(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x-more: and more\r\n".to_vec()),
        "/zipped" => Reply::Whole(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b".to_vec(),
        ),
        "/picture" => Reply::of("image/png", b"\x89PNG"),
        "/json" => Reply::of("application/json", b"{}"),
        "/nameless" => Reply::page("<p>hello"),
        "/gone" => Reply::status(404),
        "/locked" => Reply::status(403),
        "/broken" => Reply::status(500),
        "/garbage" => Reply::Whole(b"220 mail.example ESMTP\r\n".to_vec()),
        _ => Reply::Whole(Vec::new()),
    });
    let server = server(&authority, &site);
    let ana = server.person("ana");
    for (path, said) in [
        ("/silence", "took too long"),
        ("/drip", "took too long"),
        ("/headers", "did not answer"),
        ("/zipped", "is not a page"),
        ("/picture", "is not a page"),
        ("/json", "is not a page"),
        ("/nameless", "has no title"),
        ("/gone", "no such page"),
        ("/locked", "to some people only"),
        ("/broken", "could not show that page just now (500)"),
        ("/garbage", "did not answer"),
        ("/nothing", "did not answer"),
    ] {
        let begun = Instant::now();
        let why = why(&ana, &site.url("moths.test", path));
        assert!(why.contains(said), "{path}: {why}");
        assert!(
            begun.elapsed() < Duration::from_secs(12),
            "{path} took {:?}",
            begun.elapsed()
        );
    }
    let before = server.memory();
    assert_eq!(
        look(&ana, &site.url("moths.test", "/flood"))["link"]["title"],
        "Night Fliers of the Lower Marsh"
    );
    assert!(server.memory() < before + (32 << 20));
    // What can't be looked at can be linked to all the same.
    let gone = site.url("moths.test", "/gone");
    ana.post("/wall/ana/posts", &[("kind", "link"), ("url", &gone)])
        .see_other();
    let wall = server.guest().get("/wall/ana").text();
    assert!(wall.contains(&format!("href=\"{gone}\"")) && wall.contains("<strong>moths.test"));
}

#[test]
fn a_site_proves_that_it_is_who_it_says() {
    let (authority, stranger) = (Authority::default(), Authority::default());
    let other = authority.site(&["other.test"], |_| Reply::page(PAGE));
    let unknown = stranger.site(&["moths.test"], |_| Reply::page(PAGE));
    let server = builder(
        &authority,
        &format!("allow = [\"{}\", \"{}\"]", other.address(), unknown.address()),
    )
    .start();
    let ana = server.person("ana");
    for site in [&other, &unknown] {
        let said = why(&ana, &site.url("moths.test", "/"));
        assert!(said.contains("could not prove"), "{said}");
        assert!(site.heads().is_empty());
    }
}

#[test]
fn nothing_is_looked_at_where_the_operator_wants_that() {
    let authority = Authority::default();
    let site = authority.site(&["moths.test"], |_| Reply::page(PAGE));
    let server = builder(
        &authority,
        &format!("enabled = false\nallow = [\"{}\"]", site.address()),
    )
    .start();
    let ana = server.person("ana");
    let url = site.url("moths.test", "/");
    assert!(why(&ana, &url).contains("does not look at other sites"));
    ana.post("/wall/ana/posts", &[("kind", "link"), ("url", &url)])
        .see_other();
    assert!(server.guest().get("/wall/ana").text().contains(&url));
    assert!(site.heads().is_empty());
}

#[test]
fn nothing_that_a_page_says_becomes_markup_here() {
    let authority = Authority::default();
    let vectors = markup::vectors();
    let pages = vectors.clone();
    let site = authority.site(&["moths.test"], move |path| {
        let vector = &pages[path.trim_start_matches('/').parse::<usize>().expect("a number")];
        let quoted = vector.replace('&', "&amp;").replace('"', "&quot;");
        let meta = format!(
            "<meta property=\"og:title\" content=\"{quoted}\"><meta name=\"description\" content=\"{quoted}\">"
        );
        Reply::page(&format!("{meta}<title>{vector}</title>"))
    });
    let server = server(&authority, &site);
    let ana = server.person("ana");
    for (n, vector) in vectors.iter().enumerate() {
        let url = site.url("moths.test", &format!("/{n}"));
        let answer = ana.post_live("/wall/ana/posts/preview", &[("url", &url)]).expect(200);
        assert_eq!(markup::page_fault(&answer.text()), None, "{vector}");
        if n % 4 == 0 {
            ana.post("/wall/ana/posts", &[("kind", "link"), ("url", &url)])
                .see_other();
        }
    }
    for page in ["/wall/ana", "/public-feed"] {
        assert_eq!(markup::page_fault(&server.guest().get(page).expect(200).text()), None);
    }
}
