//! Uploads, the library, and who may see what is in it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use image::{DynamicImage, GenericImageView, ImageFormat};
use neospace_tests::{Answer, Browser, Live, Page, Person, Server, eventually, markup, pictures, sounds};
use serde_json::Value;

/// What is served at an address, decoded.
#[track_caller]
fn seen(person: &Person, url: &str) -> DynamicImage {
    let file = person.get(url).expect(200);
    image::load_from_memory(&file.body).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn library(person: &Person) -> Value {
    let answer = person.request("GET", "/library").header("accept", "application/json");
    answer.send().expect(200).json()
}

#[test]
fn a_picture_is_kept_in_three_sizes_and_seen_by_its_owner_alone() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let kept = ana.upload("cat.jpg", &pictures::jpeg(2_000, 1_000)).expect(201).json();
    assert_eq!((&kept["kind"], &kept["name"]), (&"image".into(), &"cat.jpg".into()));
    assert_eq!(
        (&kept["picture"]["width"], &kept["picture"]["height"]),
        (&2_000.into(), &1_000.into())
    );
    for (variant, width, height) in [("full", 2_000, 1_000), ("medium", 1_280, 640), ("small", 320, 160)] {
        let url = kept["picture"][variant].as_str().expect("an address");
        let file = ana.get(url).expect(200);
        assert_eq!(file.header("content-type"), "image/jpeg", "{url}");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert_eq!(file.header("content-security-policy"), "sandbox; default-src 'none'");
        assert_eq!(file.header("cache-control"), "private, max-age=31536000, immutable");
        let picture = seen(&ana, url);
        assert_eq!(picture.dimensions(), (width, height), "{url}");
        let corner = picture.get_pixel(4, 4).0;
        assert!(
            corner[0] > 220 && corner[2] < 90,
            "the bright corner is at the top left: {corner:?}"
        );
        bob.get(url).expect(404);
        server.guest().get(url).expect(404);
    }
    assert_eq!(library(&ana)["media"][0]["id"], kept["id"]);
    assert_eq!(library(&bob)["media"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_small_picture_is_one_file_at_all_three_addresses() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = ana.uploaded("dot.png", &pictures::png(40, 30));
    for variant in ["full", "medium", "small"] {
        let url = format!("/media/{id}/{variant}");
        assert_eq!(ana.get(&url).expect(200).header("content-type"), "image/png");
        assert_eq!(
            seen(&ana, &url).into_rgba8(),
            pictures::cutout(40, 30),
            "pixel by pixel"
        );
    }
    let folder = std::fs::read_dir(server.data().join("media")).expect("a folder");
    assert_eq!(folder.count(), 1);
    ana.get(&format!("/media/{id}/large")).expect(404);
    ana.get("/media/nothing/full").expect(404);
}

#[test]
fn what_a_camera_wrote_stays_behind_and_the_picture_stands_upright() {
    let server = Server::start();
    let ana = server.person("ana");
    for orientation in 1..=8 {
        let file = pictures::telephone(900, 600, orientation);
        let kept = ana.upload("beach.jpg", &file).expect(201).json();
        let sideways = orientation >= 5;
        let (width, height) = if sideways { (600, 900) } else { (900, 600) };
        assert_eq!(kept["picture"]["width"], width, "orientation {orientation}");
        for variant in ["full", "medium", "small"] {
            let url = kept["picture"][variant].as_str().expect("an address");
            let bytes = ana.get(url).expect(200).body;
            for trace in [
                b"Exif".as_slice(),
                pictures::CAMERA.as_bytes(),
                pictures::PLACE[0],
                pictures::PLACE[1],
            ] {
                assert!(memchr::memmem::find(&bytes, trace).is_none(), "{url} has {trace:?}");
            }
            let picture = seen(&ana, url);
            assert_eq!(picture.width() > picture.height(), width > height);
            // Where the corner that was at the top left ends up.
            let (right, bottom) = (picture.width() - 5, picture.height() - 5);
            let (x, y) = match orientation {
                1 | 5 => (4, 4),
                2 | 6 => (right, 4),
                3 | 7 => (right, bottom),
                _ => (4, bottom),
            };
            let corner = picture.get_pixel(x, y).0;
            assert!(
                corner[0] > 220 && corner[2] < 90,
                "orientation {orientation} {variant}: {corner:?}"
            );
        }
    }
}

#[test]
fn what_moves_goes_on_moving_and_its_smaller_sizes_are_at_rest() {
    let server = Server::start();
    let ana = server.person("ana");
    let kept = ana.upload("bar.gif", &pictures::gif(400, 100, 12)).expect(201).json();
    assert_eq!(kept["picture"]["animated"], true);
    let full = ana
        .get(kept["picture"]["full"].as_str().expect("an address"))
        .expect(200);
    assert_eq!(full.header("content-type"), "image/gif");
    let frames = |bytes: &[u8]| {
        let mut decoder = gif::DecodeOptions::new().read_info(bytes).expect("a GIF");
        let mut frames = 0;
        while decoder.read_next_frame().expect("whole").is_some() {
            frames += 1;
        }
        assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
        frames
    };
    assert_eq!(frames(&full.body), 12);
    for (variant, width) in [("medium", 400), ("small", 320)] {
        let url = kept["picture"][variant].as_str().expect("an address");
        let format = image::guess_format(&ana.get(url).expect(200).body).expect("a picture");
        assert!(
            matches!(format, ImageFormat::Png | ImageFormat::Jpeg),
            "{variant} is {format:?}"
        );
        assert_eq!(seen(&ana, url).width(), width);
    }
    let kept = ana
        .upload("wave.png", &pictures::moving_png(60, 60, 9))
        .expect(201)
        .json();
    assert_eq!(kept["picture"]["animated"], true);
    let full = ana
        .get(kept["picture"]["full"].as_str().expect("an address"))
        .expect(200);
    let reader = png::Decoder::new(std::io::Cursor::new(&full.body))
        .read_info()
        .expect("a PNG");
    assert_eq!(
        reader.info().animation_control().map(|control| control.num_frames),
        Some(9)
    );
}

#[test]
fn whoever_wants_room_deletes_and_the_bytes_are_gone() {
    let server = Server::builder().config("[limits]\nmedia_mib = 1\n").start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    // Noise doesn't pack.
    let mut bytes = vec![0; 3 * 500 * 500];
    getrandom::fill(&mut bytes).expect("randomness");
    let noise = image::RgbImage::from_raw(500, 500, bytes).expect("pixels");
    let file = pictures::encoded(noise, ImageFormat::Png);
    let id = ana.uploaded("noise.png", &file);
    let refused = ana.upload("noise.png", &file).expect(403).json();
    assert_eq!(refused["code"], "quota");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("of the 1 MiB")),
        "{refused}"
    );
    bob.post(&format!("/library/{id}/delete"), &[]).expect(404);
    assert_eq!(
        ana.post(&format!("/library/{id}/delete"), &[]).see_other(),
        "/library?done=deleted"
    );
    ana.get(&format!("/media/{id}/full")).expect(404);
    for folder in ["media", "uploads"] {
        eventually("the folder is empty", || {
            std::fs::read_dir(server.data().join(folder))
                .ok()?
                .next()
                .is_none()
                .then_some(())
        });
    }
    ana.uploaded("noise.png", &file);
}

/// Begins an upload; its address.
fn begin(person: &Person, name: &str, bytes: usize) -> String {
    let begun = person.post_json("/library/uploads", &[("name", name), ("bytes", &bytes.to_string())]);
    begun.expect(201).header("location").to_owned()
}

fn append(person: &Person, at: &str, offset: usize, part: &[u8]) -> Answer {
    let ask = person.request("PATCH", at).header("accept", "application/json");
    ask.header("upload-offset", &offset.to_string())
        .body("application/partial-upload", part)
        .send()
}

fn progress(person: &Person, at: &str) -> Value {
    person.get_json(at).expect(200).json()
}

/// Sends a part, and says that more will come; what is left is the open connection.
fn hang(person: &Person, at: &str, part: &[u8], whole: usize) -> TcpStream {
    let mut line = TcpStream::connect(person.address).expect("it listens");
    let cookies = person.cookie_header().expect("they are logged in");
    write!(
        line,
        "PATCH {at} HTTP/1.1\r\nhost: {}\r\ncookie: {cookies}\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/partial-upload\r\nupload-offset: 0\r\ncontent-length: {whole}\r\n\r\n",
        person.address
    )
    .and_then(|()| line.write_all(part))
    .expect("it takes it");
    line
}

/// Waits until so much of an upload is on disk. To ask its address would take it over from the connection that still sends.
fn wait_for_bytes(server: &Server, at: &str, bytes: usize) {
    let id = at.rsplit('/').next().expect("an address has a last part");
    let file = server.data().join("uploads").join(id);
    eventually("what was sent is on disk", || {
        (std::fs::metadata(&file).ok()?.len() == bytes as u64).then_some(())
    });
}

#[test]
fn an_upload_goes_on_where_the_line_broke() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let file = pictures::jpeg(1_200, 900);
    let (half, quarter) = (file.len() / 2, file.len() / 4);
    let at = begin(&ana, "slow.jpg", file.len());
    drop(hang(&ana, &at, &file[..quarter], file.len()));
    wait_for_bytes(&server, &at, quarter);
    let here = progress(&ana, &at)["offset"].as_u64().expect("an offset") as usize;
    assert_eq!(here, quarter);
    // Another place is refused, and the right one is said.
    let wrong = append(&ana, &at, here + 1, &file[here + 1..]).expect(409).json();
    assert_eq!(wrong["code"], "offset");
    assert!(
        wrong["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains(&here.to_string())),
        "{wrong}"
    );
    append(&bob, &at, here, &file[here..]).expect(404);
    let part = append(&ana, &at, here, &file[here..half]).expect(200);
    assert_eq!(part.header("upload-offset"), half.to_string());
    // A connection that only the server believes in gives way.
    let at2 = begin(&ana, "stuck.jpg", file.len());
    let mut stuck = hang(&ana, &at2, &file[..quarter], file.len());
    wait_for_bytes(&server, &at2, quarter);
    assert_eq!(progress(&ana, &at2)["offset"], quarter);
    let done = append(&ana, &at2, quarter, &file[quarter..]).expect(200).json();
    assert_eq!(done["media"]["picture"]["width"], 1_200, "{done}");
    let mut answer = String::new();
    let _ = stuck.set_read_timeout(Some(std::time::Duration::from_secs(20)));
    let _ = stuck.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    // The last byte brings the picture, and asked again it is the same one.
    let done = append(&ana, &at, half, &file[half..]).expect(200).json();
    let again = append(&ana, &at, file.len(), b"").expect(200).json();
    assert_eq!(done["media"]["id"], again["media"]["id"]);
    assert_eq!(progress(&ana, &at)["media"]["name"], "slow.jpg");
}

#[test]
fn an_upload_outlives_a_restart_and_a_refusal_stays_one() {
    let mut server = Server::start();
    let ana = server.person("ana");
    let file = pictures::png(300, 200);
    let at = begin(&ana, "cat.png", file.len());
    append(&ana, &at, 0, &file[..100]).expect(200);
    server.kill();
    server.start_again();
    let mut ana = ana;
    ana.address = server.address();
    assert_eq!(progress(&ana, &at)["offset"], 100);
    let done = append(&ana, &at, 100, &file[100..]).expect(200).json();
    assert_eq!(done["media"]["kind"], "image");
    let at = begin(&ana, "page.png", 12);
    append(&ana, &at, 0, b"<html></html>").expect(400);
    let refused = append(&ana, &at, 0, b"<html>hello>").expect(422).json();
    assert_eq!(refused["errors"][0]["field"], "file", "{refused}");
    append(&ana, &at, 12, b"").expect(422);
    assert!(
        progress(&ana, &at)["refused"]
            .as_str()
            .is_some_and(|why| why.contains("markup"))
    );
    let at = begin(&ana, "never.png", 1_000);
    let gone = ana.request("DELETE", &at).send();
    gone.expect(204);
    ana.request("GET", &at).send().expect(404);
    ana.post_json("/library/uploads", &[("bytes", "999999999999")])
        .expect(413);
    ana.post_json("/library/uploads", &[("bytes", "none")]).expect(422);
}

/// A form with a file, as a browser without JavaScript sends it.
fn plain_form(person: &Person, fields: &[(&str, &str)], name: &str, file: &[u8]) -> Answer {
    let mut body = Vec::new();
    for (field, value) in fields {
        body.extend(format!("--x\r\ncontent-disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n").into_bytes());
    }
    let head = format!(
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: image/png\r\n\r\n"
    );
    body.extend(head.into_bytes());
    body.extend(file);
    body.extend(b"\r\n--x--\r\n");
    person
        .request("POST", "/library")
        .body("multipart/form-data; boundary=x", body)
        .send()
}

#[test]
fn the_library_works_without_javascript() {
    let server = Server::start();
    let ana = server.person("ana");
    let there = plain_form(
        &ana,
        &[("alt", "A cat asleep")],
        "C:\\cats\\tom.png",
        &pictures::png(64, 48),
    )
    .see_other();
    assert!(there.starts_with("/library#media-"), "{there}");
    let page = ana.get("/library").expect(200).text();
    assert!(
        page.contains(">tom.png</h3>") && page.contains("alt=\"A cat asleep\""),
        "{page}"
    );
    let refused = plain_form(&ana, &[], "tom.png", b"<svg onload=alert(1)>")
        .expect(422)
        .text();
    assert!(refused.contains("Markup can carry scripts"), "{refused}");
    plain_form(&ana, &[("next", "//evil.example/")], "a.png", &pictures::png(9, 9)).see_other();
    assert_eq!(
        plain_form(
            &ana,
            &[("next", "/wall/ana?edit=1&tab=sound")],
            "a.png",
            &pictures::png(9, 9)
        )
        .see_other(),
        "/wall/ana?edit=1&tab=sound"
    );
    let long = "a".repeat(1_001);
    plain_form(&ana, &[("alt", &long)], "a.png", &pictures::png(9, 9)).expect(422);
    assert_eq!(server.guest().get("/library").see_other(), "/login?next=/library");
    server.guest().upload("a.png", &pictures::png(9, 9)).expect(401);
}

#[test]
fn names_and_descriptions_are_text_wherever_they_stand() {
    let server = Server::builder()
        .config("[limits]\nuploads_per_minute = 60000\n")
        .start();
    let ana = server.person("ana");
    let texts: Vec<String> = markup::vectors().into_iter().step_by(9).collect();
    assert!(texts.len() > 20, "there are {}", texts.len());
    for text in &texts {
        let id = ana.uploaded("dot.png", &pictures::png(4, 4));
        ana.post(&format!("/library/{id}"), &[("alt", text)]).see_other();
    }
    let voice = ana.uploaded("tone.mp3", sounds::MP3);
    for text in texts.iter().take(30) {
        ana.post(
            "/wall/ana/sound",
            &[
                ("voice", &voice),
                ("anthem_title", &text.chars().take(80).collect::<String>()),
                ("transcript", text),
            ],
        );
    }
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    for path in [
        "/library",
        "/wall/ana",
        "/wall/ana/sound",
        "/wall/ana?edit=1&tab=sound",
        "/rooms/lobby",
    ] {
        page.goto(&server.url(path));
        page.wait_for("main");
        let strange = page.eval(
            "[...document.querySelectorAll('.media-list *, .sounds *, .drawer *, .transcript *, .log *')].filter((element) =>
                /^(script|iframe|object|embed|base|link|meta|style|math|video|marquee)$/i.test(element.localName)
                || [...element.attributes].some(({ name, value }) => /^on|^srcdoc$/i.test(name) || /^\\s*javascript:/i.test(value)))
                .map((element) => element.outerHTML)",
        );
        assert_eq!(strange.as_array().map(Vec::len), Some(0), "{path}: {strange}");
        assert!(page.dialogs().is_empty(), "{path}");
        page.check();
    }
}

/// Names of files that would be markup where somebody forgot that they are text. What they would run is `alert(1)`.
const HOSTILE_NAMES: [&str; 14] = [
    "\"><img src=x onerror=alert(1)>.png",
    "'><img src=x onerror=alert(1)>.png",
    "\" autofocus onfocus=alert(1) x=\".png",
    "' onmouseover='alert(1)",
    "</title><script>alert(1)</script>.png",
    "</textarea></select></option><svg onload=alert(1)>.png",
    "<svg onload=alert(1)>.png",
    "<!--><img src=x onerror=alert(1)>-->.png",
    "<template shadowrootmode=open><img src=x onerror=alert(1)><template>",
    "\u{202e}gnp.>)1(trela=rorreno x=crs gmi<",
    "line\r\n<img src=x onerror=alert(1)>\u{2028}\u{2029}\0.png",
    "javascript:alert(1)",
    "{{ 7 * 7 }}${alert(1)}`-alert(1)-`.png",
    "%22%3E%3Cimg src=x onerror=alert(1)%3E&quot;><img src=x onerror=alert(1)>&lt;img&gt;",
];

#[test]
fn a_picture_with_a_hostile_name_is_a_picture_with_a_strange_name_everywhere() {
    let server = Server::builder()
        .config("[limits]\nuploads_per_minute = 60000\n")
        .start();
    let (ana, guest) = (server.person("ana"), server.guest());
    ana.post("/rooms/lobby/join", &[]).see_other();
    let mut pages: Vec<String> = [
        "/library",
        "/library?kind=image",
        "/wall/ana",
        "/wall/ana?plain=1",
        "/wall/ana?edit=1&tab=stickers",
        "/wall/ana?edit=1&tab=you",
        "/wall/ana/posts",
        "/wall/ana/posts/new?kind=image",
        "/public-feed",
        "/rooms/lobby",
        "/desk?room=lobby",
    ]
    .map(str::to_owned)
    .into();
    let mut titles = Vec::new();
    for (nth, name) in HOSTILE_NAMES.iter().enumerate() {
        // What moves has markup of its own.
        let file = match nth % 2 {
            0 => pictures::png(8, 8),
            _ => pictures::gif(8, 8, 3),
        };
        let sent: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let kept = ana.upload(&sent, &file).expect(201).json();
        let id = kept["id"].as_str().expect("an id").to_owned();
        let called = kept["name"].as_str().expect("a name");
        assert!(
            !called.is_empty() && !called.chars().any(char::is_control),
            "{called:?}"
        );
        let alt = name.replace('\0', "");
        ana.post(&format!("/library/{id}"), &[("alt", &alt)]).see_other();
        let sticker = [("media", &*id), ("alt", &alt)];
        ana.post_json("/wall/ana/stickers", &sticker);
        let post = ana
            .post_json("/wall/ana/posts", &[("kind", "image"), ("media", &id), ("alt", &alt)])
            .expect(201)
            .json();
        let at = format!("/wall/ana/posts/{}", post["id"]);
        // Its description was another one once: that stands in its history.
        ana.post_json(&at, &[("media", &*id), ("alt", "something else")])
            .expect(200);
        ana.post_json(&at, &[("media", &*id), ("alt", &*alt)]).expect(200);
        ana.post_json("/rooms/lobby/messages", &[("content", "look"), ("picture", &id)])
            .expect(201);
        titles.push((at.clone(), alt));
        pages.extend([format!("{at}/edit"), format!("{at}/history"), at]);
    }
    // What a parser makes of each page, whoever looks.
    for path in &pages {
        let html = ana.get(path).expect(200).text();
        assert_eq!(markup::page_fault(&html), None, "{path}");
        let theirs = guest.get(path);
        if theirs.status == 200 {
            assert_eq!(markup::page_fault(&theirs.text()), None, "{path}, for a guest");
        }
    }
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    for path in &pages {
        page.goto(&server.url(path)).wait_for("main");
        let handlers = page.eval(
            "[...document.querySelectorAll('*')].filter((element) => [...element.attributes].some(({ name }) => /^on|^srcdoc$/i.test(name)))
                .map((element) => element.outerHTML)",
        );
        assert_eq!(handlers.as_array().map(Vec::len), Some(0), "{path}: {handlers}");
        assert_eq!(page.dialogs(), Vec::<String>::new(), "{path}");
    }
    // A page elsewhere that links to the post shows its words as words: those that it has, in one line.
    for (at, alt) in &titles {
        page.goto(&server.url(at));
        let said = page.eval("[...document.querySelectorAll('meta[property=\"og:title\"]')].map((tag) => tag.content)");
        let said = said[0].as_str().expect("a title").to_owned();
        let words = |text: &str| text.chars().filter(|c| c.is_ascii_alphabetic()).collect::<String>();
        let start = said.trim_end_matches('…');
        assert!(
            !start.is_empty() && words(alt).starts_with(&words(start)) && !said.chars().any(char::is_control),
            "{said:?} of {alt:?}"
        );
        assert!(
            page.eval("document.title")
                .as_str()
                .is_some_and(|title| title.ends_with("· ana · NeoSpace"))
        );
    }
    // What our scripts write of a name: while it is sent, in the list that one chooses from, below a message.
    page.goto(&server.url("/library"));
    choose_file(&page, "#file", HOSTILE_NAMES[0], &pictures::png(8, 8));
    let lines = HOSTILE_NAMES.len() + 1;
    page.click("[data-upload] > button").wait_until(&format!(
        "document.querySelectorAll('#media-list > li').length === {lines}"
    ));
    page.goto(&server.url("/wall/ana/posts/new?kind=image"));
    page.click("neo-media-field [data-browse]")
        .wait_for("neo-media-field [data-choices] button");
    page.click("neo-media-field [data-choices] button:first-of-type")
        .wait_for("neo-media-field [data-chosen] img");
    page.goto(&server.url("/desk?room=lobby"));
    page.wait_until("customElements.get('neo-attach')");
    choose_file(
        &page,
        "neo-attach input[type=file]",
        HOSTILE_NAMES[1],
        &pictures::png(8, 8),
    );
    page.wait_for("neo-attach [data-list] li img");
    assert_eq!(page.dialogs(), Vec::<String>::new());
    page.check();
}

/// Gives a file field this file, as if somebody had chosen it.
fn choose_file(page: &Page, field: &str, name: &str, bytes: &[u8]) {
    let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
    page.eval(&format!(
        "(() => {{
            const files = new DataTransfer()
            files.items.add(new File([new Uint8Array([{}])], {name:?}, {{ type: 'image/png' }}))
            const field = document.querySelector({field:?})
            field.files = files.files
            field.dispatchEvent(new Event('change', {{ bubbles: true }}))
            return true
        }})()",
        bytes.join(",")
    ));
}

#[test]
fn ana_fills_her_library_in_a_browser() {
    let server = Server::start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/library"));
    page.wait_for("#media-none");
    page.check_accessibility();
    choose_file(&page, "#file", "cat.png", &pictures::png(640, 480));
    page.fill("#alt", "A chequered cat");
    page.click("[data-upload] > button");
    page.wait_for("#media-list img[alt='A chequered cat']");
    ana.uploaded("photo.jpg", &pictures::jpeg(1_600, 1_000));
    ana.uploaded("tone.mp3", sounds::MP3);
    ana.uploaded("bar.gif", &pictures::gif(300, 100, 5));
    // What is wrong with a file is said where it was chosen, and what was typed is still there. The browser notes the refusal.
    page.allow("422 (Unprocessable Entity)");
    choose_file(&page, "#file", "page.png", b"<html>");
    page.fill("#alt", "Still here");
    page.click("[data-upload] > button");
    page.wait_for("[data-upload] > .notice.bad");
    assert!(
        page.text("[data-upload] > .notice")
            .contains("Markup can carry scripts")
    );
    assert_eq!(page.value("#alt"), "Still here");
    page.reload();
    page.wait_for("#media-list li:nth-child(4)");
    page.wait_for("neo-player [role=slider]");
    page.check_accessibility();
    for (width, name) in [(1_280, "library"), (390, "library-390")] {
        page.viewport(width, 900).screenshot(name);
        assert!(!page.overflows(), "{name}");
    }
    // Words are kept in place; deleting says what loses it, and takes it away in place.
    page.viewport(1_280, 900);
    page.fill("#media-list li:first-child textarea", "A bar that wanders");
    page.click("#media-list li:first-child [data-keep-item] button");
    page.wait_until("document.querySelector('#media-list li:first-child [data-said]').textContent === 'Kept.'");
    page.click("#media-list li:first-child summary");
    page.click("#media-list li:first-child [data-delete] button");
    page.wait_until("document.querySelectorAll('#media-list > li').length === 3");
    assert_eq!(library(&ana)["media"].as_array().map(Vec::len), Some(3));
    page.check();
}

#[test]
fn a_program_reaches_the_library_within_its_scopes() {
    let server = Server::start();
    let ana = server.person("ana");
    let (writes, reads) = (ana.program(&["library:write"]), ana.program(&["library:read"]));
    let id = writes.uploaded("dot.png", &pictures::png(9, 9));
    reads.upload("dot.png", &pictures::png(9, 9)).expect(403);
    writes.get("/library").expect(403);
    assert_eq!(library(&reads)["media"][0]["id"], id);
    reads.get(&format!("/media/{id}/full")).expect(200);
    ana.program(&["rooms:read"])
        .get(&format!("/media/{id}/full"))
        .expect(404);
    let described = writes
        .post_json(&format!("/library/{id}"), &[("alt", "A dot")])
        .expect(200)
        .json();
    assert_eq!(described["alt"], "A dot");
    writes.post_json(&format!("/library/{id}/delete"), &[]).expect(204);
}

#[test]
fn pictures_go_with_a_message_and_leave_with_it() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    ana.post("/rooms/lobby/join", &[]).see_other();
    ana.post("/rooms", &[("name", "attic"), ("topic", ""), ("open", "0")])
        .see_other();
    ana.post("/rooms/attic/invite", &[("user", "bob")]).see_other();
    bob.post("/rooms/attic/join", &[]).see_other();
    let cat = ana
        .request("POST", "/library?name=cat.png&alt=A%20cat&passing=1")
        .header("accept", "application/json");
    let cat = cat
        .body("application/octet-stream", pictures::png(500, 400))
        .send()
        .expect(201)
        .json();
    let (cat, own) = (
        cat["id"].as_str().expect("an id").to_owned(),
        ana.uploaded("dog.png", &pictures::png(50, 40)),
    );
    let live = Live::open_json(&bob);
    live.join("attic");
    // Without a word; by a program's dialect and by a form alike.
    let said = ana
        .post_json(
            "/rooms/attic/messages",
            &[("content", ""), ("picture", &cat), ("picture", &own)],
        )
        .expect(201)
        .json();
    let heard = live.wait("message", |_| true);
    for message in [&said, &heard] {
        let pictures = message["pictures"].as_array().unwrap_or_else(|| panic!("{message}"));
        assert_eq!(pictures.len(), 2, "{message}");
        assert_eq!(
            (&pictures[0]["alt"], &pictures[0]["width"]),
            (&"A cat".into(), &500.into())
        );
    }
    let page = bob.get("/rooms/attic").expect(200).text();
    assert!(
        page.contains(&format!("src=\"/media/{cat}/medium\"")) && page.contains("alt=\"A cat\""),
        "{page}"
    );
    // For the room's readers, and for nobody else.
    let file = bob.get(&format!("/media/{cat}/medium")).expect(200);
    assert_eq!(file.header("cache-control"), "private, max-age=31536000, immutable");
    cyd.get(&format!("/media/{cat}/medium")).expect(404);
    server.guest().get(&format!("/media/{cat}/medium")).expect(404);
    assert_eq!(library(&ana)["media"][0]["uses"][0]["words"], "a message in #attic");
    // The words can go from it, the pictures stay; new words can come.
    let id = said["id"].as_i64().expect("an id");
    ana.post(&format!("/rooms/attic/messages/{id}"), &[("content", "Two of them")])
        .see_other();
    ana.post(&format!("/rooms/attic/messages/{id}/delete"), &[]).see_other();
    assert!(!bob.get("/rooms/attic").expect(200).text().contains(&cat));
    bob.get(&format!("/media/{cat}/medium")).expect(404);
    // What was sent for it alone is gone; what lay in the library stays there.
    ana.get(&format!("/media/{cat}/medium")).expect(404);
    ana.get(&format!("/media/{own}/full")).expect(200);
    for wrong in [vec![("content", "")], vec![("content", "not mine"), ("picture", &*own)]] {
        bob.post_json("/rooms/attic/messages", &wrong).expect(422);
    }
    let many: Vec<String> = (0..5).map(|_| ana.uploaded("dot.png", &pictures::png(4, 4))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|id| ("picture", &**id)).collect();
    ana.post_json("/rooms/attic/messages", &many).expect(422);
    ana.post_json("/rooms/attic/messages", &many[1..]).expect(201);
}

#[test]
fn a_picture_that_is_deleted_leaves_every_page_that_is_open() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    for person in [&ana, &bob] {
        person.post("/rooms/lobby/join", &[]).see_other();
    }
    let id = ana.uploaded("cat.png", &pictures::png(500, 400));
    let said = ana
        .post_json("/rooms/lobby/messages", &[("content", "look"), ("picture", &id)])
        .expect(201)
        .json();
    ana.post_json(
        "/wall/ana/posts",
        &[("kind", "image"), ("media-1", &id), ("alt-1", "A cat")],
    )
    .expect(201);
    ana.post_json("/wall/ana/stickers", &[("media", &id)]).expect(201);
    ana.post("/wall/ana/profile", &[("avatar", &id), ("banner", &id)])
        .see_other();
    let post = data(&ana, "/wall/ana/posts")["posts"][0]["id"].clone();
    let browser = Browser::start();
    let paths = [
        "/rooms/lobby".to_owned(),
        "/wall/ana".into(),
        format!("/wall/ana/posts/{post}"),
        "/public-feed".into(),
    ];
    let open: Vec<_> = paths
        .iter()
        .map(|path| {
            let page = browser.page_of(&bob);
            // What is on its way when it goes is not found any more.
            page.allow("404");
            page.goto(&server.url(path))
                .wait_for(&format!("img[src^='/media/{id}/']"));
            page
        })
        .collect();
    open[0].wait_until("document.querySelector('neo-room').matches(':state(listening)')");
    open[1].wait_until("document.querySelector('.here-now').textContent.includes('bob')");
    open[2].wait_until("document.querySelector('.here-now').textContent.includes('bob')");
    let (html, json) = (bob.live(), Live::open_json(&bob));
    html.watch("feed");
    json.join("lobby");
    // How it is described is told at once, too.
    ana.post_json(&format!("/library/{id}"), &[("alt", "A chequered cat")])
        .expect(200);
    open[0].wait_for(".message .pictures img[alt='A chequered cat']");
    ana.post_json(&format!("/library/{id}/delete"), &[]).expect(204);
    open[0].wait_gone(&format!(".message .pictures img[src^='/media/{id}/']"));
    for page in &open[1..3] {
        page.wait_gone(&format!("main img[src^='/media/{id}/']"));
    }
    for page in &open[2..] {
        page.wait_for(".post .gone \"A picture hung here: A cat.\"");
    }
    assert_eq!(open[1].count("#stickers .stick"), 0);
    let told = json.wait("message_edited", |frame| {
        frame["id"] == said["id"] && frame["pictures"].is_null()
    });
    assert!(told["change"].as_i64() > said["change"].as_i64(), "{told}");
    html.wait("patch", |frame| frame["target"] == format!("post-{post}").as_str());
    // Who was away hears of it when they come back: the change is counted.
    let late = Live::open_json(&bob);
    let joined = late.join("lobby");
    assert_eq!(joined["last_change"], told["change"]);
    for page in &open {
        page.check();
    }
}

/// What a path answers to programs.
fn data(person: &Person, path: &str) -> Value {
    let ask = person.request("GET", path).header("accept", "application/json");
    ask.send().expect(200).json()
}

#[test]
fn ana_sends_a_picture_from_her_composer_and_bob_sees_it_come() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    for person in [&ana, &bob] {
        person.post("/rooms/lobby/join", &[]).see_other();
    }
    let browser = Browser::start();
    let (hers, his) = (browser.page_of(&ana), browser.page_of(&bob));
    for page in [&hers, &his] {
        page.goto(&server.url("/rooms/lobby"));
        page.wait_for("neo-attach [data-add]");
        page.wait_for(".message, .quiet-room");
    }
    choose_file(&hers, "neo-attach [type=file]", "cat.png", &pictures::png(900, 600));
    hers.wait_for("neo-attach li img[src^='/media/']");
    hers.fill("neo-attach [data-alt]", "A chequered cat");
    hers.press("Tab");
    hers.check_accessibility();
    hers.viewport(1_280, 900).screenshot("room-attach");
    hers.viewport(390, 844).screenshot("room-attach-390");
    assert!(!hers.overflows());
    hers.viewport(1_280, 900);
    eventually("the words are kept", || {
        (library(&ana)["media"][0]["alt"] == "A chequered cat").then_some(())
    });
    // It outlives a reload, and goes out without a word.
    hers.reload();
    hers.wait_for("neo-attach li img[src^='/media/']");
    hers.focus("#say").press("Enter");
    his.wait_for(".message .pictures img[alt='A chequered cat']");
    hers.wait_for(".message .pictures img");
    hers.wait_gone("neo-attach li");
    his.viewport(390, 844).screenshot("room-picture-390");
    assert!(!his.overflows());
    for page in [&hers, &his] {
        page.check();
    }
}
