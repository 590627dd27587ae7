//! A whole wall, taken along from one place and brought to another: the data is the same, the wall looks the same, and what is taken
//! along from there is the same again.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    path::Path,
};

use image::{GenericImageView, RgbImage};
use neospace::archive::{Archive, Limits};
use neospace_tests::{Browser, Page, Person, Server, eventually, pictures, sounds};
use serde_json::{Value, json};

const LIMITS: Limits = Limits {
    total: 1 << 30,
    media: 1 << 28,
    list: 1 << 28,
    other: 1 << 26,
};
/// What is the same in each archive of the same wall.
const SAME: [&str; 15] = [
    "data/profile.json",
    "data/tags.json",
    "data/look.json",
    "data/sounds.json",
    "data/canvas.json",
    "data/media.jsonl",
    "data/stickers.jsonl",
    "data/modules.jsonl",
    "data/module-storage.jsonl",
    "data/posts.jsonl",
    "data/post-drafts.jsonl",
    "data/scripts.jsonl",
    "data/script-versions.jsonl",
    "data/script-asides.jsonl",
    "data/script-pins.jsonl",
];

fn place() -> Server {
    Server::builder()
        .plugins(&["guestbook", "mood", "flower", "countdown"])
        .start()
}

/// What somebody takes along.
fn taken(person: &Person) -> Vec<u8> {
    person.get("/settings/export").expect(200).body
}

fn opened(folder: &Path, bytes: &[u8]) -> Archive {
    let path = folder.join("along.zip");
    std::fs::write(&path, bytes).expect("the folder can be written");
    Archive::open(File::open(path).expect("it is there"), LIMITS).expect("it is whole")
}

fn text(archive: &Archive, path: &str) -> String {
    let mut text = String::new();
    let mut file = archive.file(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    file.read_to_string(&mut text).expect("text");
    text
}

fn values(text: &str, path: &str) -> Vec<Value> {
    match path.ends_with(".jsonl") {
        true => text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a value"))
            .collect(),
        false => vec![serde_json::from_str(text).expect("a value")],
    }
}

/// The data of an archive, with each id in the place of which it is the first, second, third.
fn data(archive: &Archive) -> BTreeMap<&'static str, Vec<Value>> {
    let mut names = Vec::new();
    for (path, field) in [("data/media.jsonl", "id"), ("data/scripts.jsonl", "script")] {
        for (nth, value) in values(&text(archive, path), path).iter().enumerate() {
            names.push((
                value[field].as_str().expect("an id").to_owned(),
                format!("{field}-{nth}"),
            ));
        }
    }
    let numbers = |path: &str, field: &str| -> HashMap<i64, usize> {
        let all = values(&text(archive, path), path);
        all.iter()
            .enumerate()
            .map(|(nth, value)| (value[field].as_i64().expect("a number"), nth))
            .collect()
    };
    let (posts, modules) = (
        numbers("data/posts.jsonl", "post"),
        numbers("data/modules.jsonl", "module"),
    );
    SAME.into_iter()
        .map(|path| {
            let mut text = text(archive, path);
            for (id, name) in &names {
                text = text.replace(id, name);
            }
            let mut values = values(&text, path);
            for value in &mut values {
                for (field, numbers) in [("post", &posts), ("module", &modules)] {
                    if let Some(number) = value[field].as_i64() {
                        value[field] = json!(numbers[&number]);
                    }
                }
            }
            (path, values)
        })
        .collect()
}

/// A wall with something of everything.
fn decorate(ana: &Person, bob: &Person) {
    let id = |answer: neospace_tests::Answer| answer.expect(201).json()["id"].clone();
    let photograph = ana.uploaded("beach.jpg", &pictures::jpeg(900, 600));
    let drawing = ana.uploaded("drawing.png", &pictures::png(120, 90));
    let moving = ana.uploaded("bar.gif", &pictures::gif(80, 40, 6));
    let tone = ana.uploaded("tone.wav", &sounds::wav(22_050, 1, 2_000));
    let voice = ana.uploaded("hello.wav", &sounds::wav(16_000, 1, 1_000));
    ana.post_json(
        "/wall/ana/profile",
        &[
            ("bio", "I live\non a **boat** with @bob"),
            ("status", "afloat"),
            ("mood", "🌊 calm"),
            ("colour", "blue"),
            ("time_zone", "Europe/Lisbon"),
            ("avatar", &drawing),
            ("banner", &photograph),
        ],
    )
    .expect(200);
    ana.post("/wall/ana/tags", &[("tags", "boats, radios")]).expect(303);
    ana.post_json(
        "/wall/ana/sound",
        &[
            ("anthem", &tone),
            ("anthem_title", "Low tide"),
            ("voice", &voice),
            ("transcript", "hello there"),
        ],
    )
    .expect(200);
    ana.post("/wall/ana/look/start", &[("start", "kitchen")]).expect(303);
    ana.post_json(
        "/wall/ana/look/css",
        &[(
            "css",
            &format!(".ident {{ background: url(/media/{drawing}/full) }}\nh1 {{ letter-spacing: 2px }}"),
        )],
    )
    .expect(200);
    ana.post(
        "/wall/ana/stickers/allow",
        &[("visitors", "members"), ("cursors", "on")],
    )
    .expect(303);
    for (nth, fields) in [
        vec![("emoji", "🐙"), ("alt", "an octopus")],
        vec![("media", &*moving), ("alt", "a bar that moves")],
        vec![("media", &*drawing)],
        vec![("plugin", "flower"), ("alt", "a daisy")],
        vec![("emoji", "⚓")],
    ]
    .into_iter()
    .enumerate()
    {
        let sticker = id(ana.post_json("/wall/ana/stickers", &fields));
        let (x, y) = ((10 + 15 * nth).to_string(), (150 + 90 * nth).to_string());
        ana.post_json(
            &format!("/wall/ana/stickers/{sticker}"),
            &[("x", &x), ("y", &y), ("width", "120"), ("rotation", "-14")],
        )
        .expect(200);
    }
    for plugin in ["guestbook", "mood", "countdown"] {
        ana.post("/wall/ana/modules", &[("plugin", plugin)]).expect(303);
    }
    let forms = bob.get("/wall/ana").expect(200).forms();
    let form = forms
        .iter()
        .find(|form| form.fields.iter().any(|field| field.name == "f-text"))
        .expect("there is a guestbook");
    let token = form
        .fields
        .iter()
        .find(|field| field.name == "token")
        .expect("it is signed");
    bob.post_json(&form.action, &[("token", &token.value), ("f-text", "bob was here")])
        .expect(200);

    let sketch = |title: &str, source: &str| {
        let made = ana
            .post_json(
                "/sandbox",
                &[
                    ("mode", "canvas"),
                    ("title", title),
                    ("source", source),
                    ("licence", "CC-BY-4.0"),
                ],
            )
            .expect(201)
            .json();
        made["id"].as_str().expect("an id").to_owned()
    };
    let waves = sketch("waves", "// one");
    let publish = |id: &str, version: i64| {
        ana.post_json(
            &format!("/sandbox/{id}/publish"),
            &[("version", &version.to_string()), ("visibility", "public")],
        )
        .expect(200);
    };
    ana.post_json(&format!("/sandbox/{waves}/versions"), &[("note", "the first")])
        .expect(200);
    publish(&waves, 1);
    ana.post_json(
        &format!("/sandbox/{waves}/draft"),
        &[("source", "// two"), ("revision", "1"), ("window", "a")],
    )
    .expect(200);
    ana.post_json(&format!("/sandbox/{waves}/versions"), &[("note", "the second")])
        .expect(200);
    publish(&waves, 2);
    ana.post_json(
        &format!("/sandbox/{waves}/draft"),
        &[("source", "// three, not yet"), ("revision", "2"), ("window", "a")],
    )
    .expect(200);
    ana.post_json(&format!("/sandbox/{waves}/fork"), &[]).expect(201);
    sketch("kept to myself", "// mine");
    ana.post_json(
        "/wall/ana/scripts",
        &[("script", &waves), ("seed", "7"), ("params", "{\"speed\": 3}")],
    )
    .expect(200);

    let post = |fields: &[(&str, &str)]| id(ana.post_json("/wall/ana/posts", fields));
    let first = post(&[
        ("title", "A first"),
        ("body", "With *words* and `code`.\n\n> quoted\n\n- one\n- two"),
    ]);
    post(&[
        ("kind", "image"),
        ("media-1", &photograph),
        ("alt-1", "a beach"),
        ("media-2", &drawing),
        ("alt-2", "a drawing"),
        ("body", "Two pictures"),
    ]);
    post(&[
        ("kind", "link"),
        ("url", "http://127.0.0.1:9/nowhere"),
        ("title", "A link"),
        ("body", "to nowhere"),
    ]);
    post(&[("kind", "script"), ("script", &waves), ("body", "It moves")]);
    let last = post(&[("body", "The last")]);
    ana.post_json(
        &format!("/wall/ana/posts/{first}"),
        &[("title", "A first"), ("body", "With better words.")],
    )
    .expect(200);
    ana.post_json(&format!("/wall/ana/posts/{last}/move"), &[("to", "bottom")])
        .expect(200);
    ana.post_json(
        "/wall/ana/posts/drafts",
        &[("kind", "text"), ("title", "half a thought"), ("body", "and")],
    )
    .expect(200);

    for person in [ana, bob] {
        person.post_json("/rooms/lobby/join", &[]).expect(200);
    }
    for content in ["hello **everybody**", "and good night"] {
        ana.post_json("/rooms/lobby/messages", &[("content", content)])
            .expect(201);
    }
    bob.post_json("/rooms/lobby/messages", &[("content", "bob's own words")])
        .expect(201);
}

/// The wall, as a guest sees it.
fn picture_of(page: &Page, server: &Server, name: &str) -> RgbImage {
    page.viewport(1280, 800).goto(&server.url("/wall/ana"));
    // Who is there is told last, and takes its place.
    page.wait_until("document.querySelector('.here-now').textContent.includes('passer-by')");
    let path = page.screenshot(name);
    image::open(path).expect("a picture").into_rgb8()
}

/// How many of a thousand pixels differ visibly.
fn differ(one: &RgbImage, other: &RgbImage) -> u64 {
    assert_eq!(one.dimensions(), other.dimensions(), "the walls are equally tall");
    let visibly = |(a, b): (&image::Rgb<u8>, &image::Rgb<u8>)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 32);
    let many = one.pixels().zip(other.pixels()).filter(|pair| visibly(*pair)).count() as u64;
    many * 1_000 / u64::from(one.width() * one.height())
}

#[test]
fn a_whole_wall_comes_along_and_looks_the_same_and_goes_on() {
    let (there, here) = (place(), place());
    let (ana, bob) = (there.person("ana"), there.person("bob"));
    decorate(&ana, &bob);
    let first = taken(&ana);
    let before = opened(there.folder(), &first);

    // Another place, where nobody knows her.
    let ana_here = here.person("ana");
    let found = ana_here.bring_to(&first).expect(201).json();
    let parts = &found["found"]["parts"];
    assert_eq!(parts["stickers"], "5 stickers", "{found:#}");
    assert_eq!(parts["posts"], "5 posts with 1 earlier version and 1 draft");
    assert_eq!(parts["rooms"], "2 messages of yours in rooms");
    assert!(
        parts["modules"].as_str().is_some_and(|said| said.contains("Guestbook")),
        "{found:#}"
    );
    assert!(
        parts["library"]
            .as_str()
            .is_some_and(|said| said.contains("3 pictures and 2 sounds")),
        "{found:#}"
    );
    let now = ana_here.bring(&[("how", "replace")]);
    assert_eq!(now["state"], "none", "{now:#}");

    // Everything is the same, but ids.
    let second = taken(&ana_here);
    let after = opened(here.folder(), &second);
    let (data_there, data_here) = (data(&before), data(&after));
    for path in SAME {
        let (one, other) = (&data_there[path], &data_here[path]);
        assert!(
            !one.is_empty() || path == "data/script-asides.jsonl",
            "there is something in {path}"
        );
        assert_eq!(one, other, "{path}");
    }
    let said: Vec<Value> = values(&text(&before, "data/room-messages.jsonl"), ".jsonl");
    let kept: Vec<Value> = values(&text(&after, "data/rooms-elsewhere.jsonl"), ".jsonl")
        .into_iter()
        .map(|mut it| {
            assert!(it["node"].is_string());
            it.as_object_mut().expect("an object").remove("node");
            it
        })
        .collect();
    assert_eq!(said, kept);
    assert!(
        text(&after, "data/room-messages.jsonl").is_empty(),
        "it goes into no room"
    );
    assert!(!here.guest().get("/rooms").text().contains("good night"));
    let mine = ana_here
        .request("GET", "/settings/import/rooms")
        .header("accept", "text/html")
        .send()
        .expect(200)
        .text();
    assert!(mine.contains("hello <strong>everybody</strong>") && !mine.contains("bob's own words"));
    here.person("bob").get("/settings/import/rooms").expect(200);

    // And it looks the same.
    let browser = Browser::start();
    let page = browser.page();
    let (one, other) = (
        picture_of(&page, &there, "round-trip-there"),
        picture_of(&page, &here, "round-trip-here"),
    );
    let differing = differ(&one, &other);
    assert!(differing <= 3, "{differing} of a thousand pixels differ");
    // A wall that isn't decorated does not.
    here.person("cyd");
    let plain = {
        page.goto(&here.url("/wall/cyd"));
        image::open(page.screenshot("round-trip-plain")).expect("a picture")
    };
    let shared = plain.height().min(one.height());
    let cut = |picture: &RgbImage| image::imageops::crop_imm(picture, 0, 0, 1280, shared).to_image();
    assert!(
        differ(&cut(&plain.to_rgb8()), &cut(&one)) > 50,
        "the comparison sees differences"
    );
    assert_eq!(plain.dimensions().0, 1280);

    // Once more, from here to a third place, and back to the first one.
    let third = place();
    let ana_third = third.person("ana");
    ana_third.brings(&second, "replace");
    let again = opened(third.folder(), &taken(&ana_third));
    assert_eq!(data(&again), data_here);
    assert_eq!(
        text(&again, "data/rooms-elsewhere.jsonl").replace("id-", ""),
        text(&after, "data/rooms-elsewhere.jsonl").replace("id-", "")
    );
    ana.brings(&first, "replace");
    assert_eq!(
        data(&opened(there.folder(), &taken(&ana))),
        data_there,
        "brought to where it is from, it is what it was"
    );
}

#[test]
fn a_wall_is_brought_with_the_keyboard_alone_and_without_our_scripts() {
    let (there, here) = (place(), place());
    let (ana, bob) = (there.person("ana"), there.person("bob"));
    decorate(&ana, &bob);
    let path = there.folder().join("ana.zip");
    std::fs::write(&path, taken(&ana)).expect("it can be written");
    let ana_here = here.person("ana");
    ana_here
        .post_json("/wall/ana/posts", &[("body", "was here before")])
        .expect(201);
    let browser = Browser::start();
    for javascript in [true, false] {
        let page = browser.page_of(&ana_here);
        page.javascript(javascript)
            .viewport(1280, 800)
            .goto(&here.url("/settings"));
        page.focus("#bring a").press("Enter").wait_for_path("/settings/import");
        if javascript {
            page.check_accessibility();
            page.screenshot("import-1280");
        }
        let root = page.call("DOM.getDocument", json!({ "depth": 0 }));
        let input = page.call(
            "DOM.querySelector",
            json!({ "nodeId": root["root"]["nodeId"], "selector": "#archive" }),
        );
        page.call(
            "DOM.setFileInputFiles",
            json!({ "nodeId": input["nodeId"], "files": [path] }),
        );
        page.focus("[data-archive] .btn:not([data-cancel])").press("Enter");
        page.wait_for("#waits input[name=how]");
        if javascript {
            assert_eq!(
                page.eval("document.activeElement.closest('section').id"),
                "waits",
                "what is in it has the focus"
            );
            page.check_accessibility();
            page.screenshot("import-preview-1280");
            page.scheme("dark");
            page.check_accessibility();
            page.screenshot("import-preview-1280-dark");
            page.scheme("light").viewport(390, 844);
            assert!(!page.overflows());
            page.screenshot("import-preview-390");
            page.viewport(1280, 800);
        }
        // What stands there stays, and this comes beside it; the second time, in its place.
        page.focus("input[name=how]:checked");
        if !javascript {
            page.press("ArrowDown");
        }
        page.focus("#waits form[action$=bring] .btn").press("Enter");
        eventually("it is here", || (ana_here.arrival()["state"] == "none").then_some(()));
        if !javascript {
            // The page looks again by itself in a browser without scripts; in one that has them switched off from outside, it is asked to.
            page.goto(&here.url("/settings/import"));
        }
        page.wait_gone("[data-bringing]").wait_for("#before li");
        if javascript {
            page.check_accessibility();
            page.screenshot("import-done-1280");
            page.viewport(390, 844);
            assert!(!page.overflows());
            page.screenshot("import-done-390");
            page.goto(&here.url("/settings/import/rooms"));
            page.check_accessibility();
            assert!(!page.overflows());
            page.screenshot("import-rooms-390");
        }
        let wall = here.guest().get("/wall/ana").text();
        assert!(wall.contains("With better words."));
        assert_eq!(
            wall.contains("was here before"),
            javascript,
            "added at first, replaced then"
        );
        page.check();
    }
}
