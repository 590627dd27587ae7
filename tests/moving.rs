//! Taking everything along: what is in the archive, and what isn't.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use neospace::archive::{Archive, Limits};
use neospace_tests::{Browser, Person, Server, markup, pictures, sounds};
use serde_json::{Value, json};

const LIMITS: Limits = Limits {
    total: 1 << 30,
    media: 1 << 28,
    list: 1 << 28,
    other: 1 << 24,
};

/// What somebody takes along, opened by the same rules as one that a stranger brings.
fn taken(server: &Server, person: &Person) -> Archive {
    let answer = person.get("/settings/export").expect(200);
    assert_eq!(answer.header("content-type"), "application/zip");
    assert!(
        answer
            .header("content-disposition")
            .contains(&format!("neospace-{}-", person.name))
    );
    let path = server.folder().join(format!("{}.zip", person.name));
    std::fs::write(&path, &answer.body).expect("the folder can be written");
    open(&path)
}

fn open(path: &Path) -> Archive {
    Archive::open(File::open(path).expect("it is there"), LIMITS).expect("it is whole")
}

fn json_of(archive: &Archive, path: &str) -> Value {
    archive
        .json(path)
        .expect("it is JSON")
        .unwrap_or_else(|| panic!("{path} is missing"))
}

fn lines_of(archive: &Archive, path: &str) -> Vec<Value> {
    let mut lines = Vec::new();
    archive
        .lines(path, 100_000, |line| {
            lines.push(line);
            Ok(())
        })
        .expect("it is a list");
    lines
}

/// Everything in an archive, unpacked.
fn everything(archive: &Archive) -> Vec<u8> {
    let mut all = Vec::new();
    for path in archive.paths() {
        archive
            .file(path)
            .expect("it is there")
            .read_to_end(&mut all)
            .expect("it can be read");
    }
    all
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    memchr::memmem::find(haystack, needle.as_bytes()).is_some()
}

#[test]
fn what_one_takes_along_is_ones_own_and_all_of_it() {
    let server = Server::builder().plugins(&["guestbook", "mood", "clock"]).start();
    let [ana, bob] = ["ana", "bob"].map(|name| server.person(name));
    ana.post_json(
        "/wall/ana/profile",
        &[
            ("bio", "I live\non a boat"),
            ("status", "afloat"),
            ("time_zone", "Europe/Lisbon"),
        ],
    )
    .expect(200);
    bob.sign("ana", "bob was here");
    for person in [&ana, &bob] {
        person.post_json("/rooms/lobby/join", &[]).expect(200);
    }
    let say = |person: &Person, content: &str| {
        let said = person
            .post_json("/rooms/lobby/messages", &[("content", content)])
            .expect(201)
            .json();
        said["id"].as_i64().expect("a number")
    };
    let first = say(&ana, "first words");
    say(&bob, "bob's own words");
    ana.post_json(
        &format!("/rooms/lobby/messages/{first}"),
        &[("content", "better words")],
    )
    .expect(200);
    let gone = say(&ana, "words taken back");
    ana.post_json(&format!("/rooms/lobby/messages/{gone}/delete"), &[])
        .expect(200);
    let (mut anas, mut bobs) = (ana.dm(), bob.dm());
    let (a, b) = (anas.name().clone(), bobs.name().clone());
    anas.say(&b, "sealed by ana").expect("it is stored");
    bobs.say(&a, "sealed by bob").expect("it is stored");
    let program = ana.program(&["rooms:read"]);

    let archive = taken(&server, &ana);
    let manifest = json_of(&archive, "neospace.json");
    assert_eq!(
        (&manifest["format"], &manifest["version"]),
        (&json!("neospace-export"), &json!(1))
    );
    assert_eq!(manifest["member"], "ana");
    let profile = json_of(&archive, "data/profile.json");
    assert_eq!(
        (&profile["bio"], &profile["status"], &profile["time_zone"]),
        (&json!("I live\non a boat"), &json!("afloat"), &json!("Europe/Lisbon"))
    );
    let modules = lines_of(&archive, "data/modules.jsonl");
    let plugins: Vec<_> = modules
        .iter()
        .map(|module| module["plugin"].as_str().expect("a name"))
        .collect();
    assert_eq!(plugins, ["guestbook", "mood", "clock"]);
    let storage = lines_of(&archive, "data/module-storage.jsonl");
    assert!(
        storage
            .iter()
            .any(|entry| entry["module"] == modules[0]["module"] && entry["value"].to_string().contains("bob was here"))
    );
    let said = lines_of(&archive, "data/room-messages.jsonl");
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(
        (&said[0]["content"], &said[0]["before"][0]["content"]),
        (&json!("better words"), &json!("first words"))
    );
    assert_eq!(
        (&said[1]["content"], &said[1]["deleted"]),
        (&json!(""), &json!("author"))
    );
    assert_eq!(lines_of(&archive, "data/rooms.jsonl")[0]["room"], "lobby");
    let account = json_of(&archive, "data/account.json");
    assert_eq!(account["tokens"][0]["name"], "a program");
    assert_eq!(lines_of(&archive, "data/key-log.jsonl").len(), 1);
    let messages = lines_of(&archive, "data/dm/messages.jsonl");
    assert_eq!(messages.len(), 2);
    assert!(
        messages
            .iter()
            .all(|message| message["with"] == "bob" && message["copy"].is_string())
    );
    assert!(json_of(&archive, "data/dm/keys.json")["wrapped"].is_string());

    // Nobody else's, nothing that opens anything, and nothing that was sealed.
    let all = everything(&archive);
    for never in [
        "bob's own words",
        "sealed by ana",
        "sealed by bob",
        "words taken back",
        "argon2",
    ] {
        assert!(!holds(&all, never), "{never} is in it");
    }
    let session = ana.cookies().into_values().next().expect("she is logged in");
    assert!(!holds(&all, &session) && !holds(&all, &program.token.expect("it has one")));

    server.guest().get_json("/settings/export").expect(401);
    ana.program(&["walls:read"]).get("/settings/export").expect(403);
}

#[test]
fn who_is_about_to_leave_takes_everything_along_too() {
    let server = Server::builder().plugins(&["guestbook"]).start();
    let ana = server.person("ana");
    let proof = neospace_tests::person::auth_key(
        "ana",
        neospace_tests::person::PASSWORD,
        &neospace_tests::person::parameters("ana"),
    );
    ana.post_json("/settings/delete", &[("current", &proof)]).expect(200);
    ana.log_in();
    let archive = taken(&server, &ana);
    assert_eq!(json_of(&archive, "neospace.json")["member"], "ana");
    assert_eq!(lines_of(&archive, "data/modules.jsonl").len(), 1);
}

/// Everything of an archive in a folder, as a program that unpacks would put it there.
fn unpacked(archive: &Archive, folder: &Path) -> PathBuf {
    for path in archive.paths() {
        let to = folder.join(path);
        std::fs::create_dir_all(to.parent().expect("it is in the folder")).expect("the folder can be written");
        let mut file = File::create(&to).expect("the folder can be written");
        std::io::copy(&mut archive.file(path).expect("it is there"), &mut file).expect("it can be read");
    }
    folder.to_path_buf()
}

fn text_of(archive: &Archive, path: &str) -> String {
    let mut text = String::new();
    let read = archive
        .file(path)
        .unwrap_or_else(|_| panic!("{path} is missing"))
        .read_to_string(&mut text);
    read.expect("it is text");
    text
}

/// Makes a script and publishes it, for everybody.
fn publish(person: &Person, mode: &str, title: &str, source: &str) -> String {
    let made = person.post_json("/sandbox", &[("mode", mode), ("title", title), ("source", source)]);
    let made = made.expect(201).json();
    let id = made["id"].as_str().expect("a script has an id").to_owned();
    person
        .post_json(&format!("/sandbox/{id}/versions"), &[("publish", "on")])
        .expect(200);
    id
}

fn post(person: &Person, fields: &[(&str, &str)]) -> i64 {
    let posted = person
        .post_json(&format!("/wall/{}/posts", person.name), fields)
        .expect(201);
    posted.json()["id"].as_i64().expect("a number")
}

/// A drawing that says when it is done.
const SQUARE: &str = "const square = document.createElement(\"canvas\")\nsquare.id = \"square\"\ndocument.body.append(square)\n\
     square.getContext(\"2d\").fillRect(10, 10, 80, 80)\n";

/// What ana's wall is made of in these tests.
struct Wall {
    picture: String,
    sound: String,
    script: String,
    post: i64,
}

/// One of everything on ana's wall.
fn furnish(ana: &Person, bob: &Person) -> Wall {
    ana.post_json(
        "/wall/ana/profile",
        &[("bio", "I live\non a boat"), ("status", "afloat"), ("mood", "salty")],
    )
    .expect(200);
    ana.post_json("/wall/ana/tags", &[("tags", "boats, tides")]).expect(200);
    ana.post_json(
        "/neighbourhoods",
        &[("title", "Low Water"), ("about", "Walls by the sea")],
    );
    ana.post("/wall/ana/look", &[("day-paper", "#ffee00"), ("pattern", "none")])
        .see_other();
    ana.post("/wall/ana/look/css", &[("css", ".post { border-style: dashed }")])
        .see_other();
    let picture = ana.uploaded("jar.jpg", &pictures::jpeg(1_600, 900));
    let dot = ana.uploaded("dot.png", &pictures::png(60, 60));
    let sound = ana.uploaded("tone.mp3", sounds::MP3);
    ana.post_json(&format!("/library/{picture}"), &[("alt", "a jar of moths")])
        .expect(200);
    ana.post_json(&format!("/library/{sound}"), &[("transcript", "la la la")])
        .expect(200);
    ana.post("/wall/ana/profile", &[("avatar", &dot), ("banner", &picture)])
        .see_other();
    ana.post_json("/wall/ana/sound", &[("anthem", &sound), ("anthem_title", "Tone")])
        .expect(200);
    for fields in [
        &[("emoji", "🦋"), ("x", "10"), ("y", "200"), ("rotation", "20")][..],
        &[("media", &dot), ("alt", "my dot"), ("x", "70"), ("y", "300")],
    ] {
        ana.post_json("/wall/ana/stickers", fields).expect(201);
    }
    bob.sign("ana", "bob was here");
    let script = publish(ana, "canvas", "Square", SQUARE);
    ana.post_json(
        &format!("/sandbox/{script}/draft"),
        &[("source", "// better\n"), ("revision", "1"), ("window", "w")],
    )
    .expect(200);
    let of_bob = publish(bob, "p5", "Bob's moths", "function draw() {}\n");
    let forked = ana
        .post_json(&format!("/sandbox/{of_bob}/fork"), &[])
        .expect(201)
        .json();
    assert!(forked["id"].is_string(), "{forked}");
    for id in [&script, &of_bob] {
        ana.post_json(
            "/wall/ana/scripts",
            &[("script", id), ("seed", "7"), ("params", "{\"speed\": 3}")],
        )
        .expect(200);
    }
    post(ana, &[("kind", "text"), ("body", "low water at **six**")]);
    post(ana, &[("kind", "link"), ("url", "https://fieldguide.invalid/moths")]);
    post(ana, &[("kind", "script"), ("script", &script)]);
    post(
        ana,
        &[
            ("kind", "image"),
            ("media", &picture),
            ("alt", "A jar"),
            ("media", &dot),
            ("alt", "A dot"),
        ],
    );
    let post = post(ana, &[("kind", "text"), ("title", "Tides"), ("body", "first thoughts")]);
    ana.post_json(
        &format!("/wall/ana/posts/{post}"),
        &[("kind", "text"), ("title", "Tides"), ("body", "second thoughts")],
    )
    .expect(200);
    ana.post_json(
        "/wall/ana/posts/drafts",
        &[("kind", "text"), ("body", "half a thought")],
    )
    .expect(200);
    ana.post_json("/rooms/lobby/join", &[]).expect(200);
    ana.post_json(
        "/rooms/lobby/messages",
        &[("content", "look, @bob, at *this*"), ("picture", &dot)],
    )
    .expect(201);
    Wall {
        picture,
        sound,
        script,
        post,
    }
}

#[test]
fn everything_that_stands_on_a_wall_is_in_it_as_data() {
    let server = Server::builder().plugins(&["guestbook"]).start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let made = furnish(&ana, &bob);
    let archive = taken(&server, &ana);

    let media = lines_of(&archive, "data/media.jsonl");
    let names: Vec<_> = media.iter().map(|it| it["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["jar.jpg", "dot.png", "tone.mp3"]);
    assert_eq!(
        (&media[0]["id"], &media[0]["alt"]),
        (&json!(made.picture), &json!("a jar of moths"))
    );
    assert_eq!(
        (&media[2]["id"], &media[2]["transcript"]),
        (&json!(made.sound), &json!("la la la"))
    );
    for (it, variant) in media.iter().zip(["full", "full", "sound"]) {
        let id = it["id"].as_str().expect("an id");
        let kept = ana.get(&format!("/media/{id}/{variant}")).expect(200).body;
        let mut file = Vec::new();
        let path = it["file"].as_str().expect("a path");
        archive
            .file(path)
            .expect("it is there")
            .read_to_end(&mut file)
            .expect("it can be read");
        assert!(file == kept, "{path} is the very file that is kept");
    }
    let profile = json_of(&archive, "data/profile.json");
    assert_eq!(
        (&profile["mood"], &profile["avatar"], &profile["banner"]),
        (&json!("salty"), &media[1]["id"], &media[0]["id"])
    );
    assert_eq!(
        json_of(&archive, "data/tags.json"),
        json!({ "tags": ["boats", "tides"] })
    );
    assert_eq!(
        json_of(&archive, "data/sounds.json"),
        json!({ "anthem": made.sound, "anthem_title": "Tone", "voice": null })
    );
    let look = json_of(&archive, "data/look.json");
    assert_eq!(
        (&look["theme"]["day-paper"], &look["css"]),
        (&json!("#ffee00"), &json!(".post { border-style: dashed }"))
    );
    let stickers = lines_of(&archive, "data/stickers.jsonl");
    assert_eq!(
        (
            &stickers[0]["emoji"],
            &stickers[0]["rotation"],
            &stickers[1]["media"],
            &stickers[1]["alt"]
        ),
        (&json!("🦋"), &json!(20), &media[1]["id"], &json!("my dot"))
    );
    let posts = lines_of(&archive, "data/posts.jsonl");
    let kinds: Vec<_> = posts
        .iter()
        .map(|post| post["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(
        kinds,
        ["text", "image", "script", "link", "text"],
        "the first at the top"
    );
    assert_eq!(
        (&posts[0]["post"], &posts[0]["body"], &posts[0]["before"][0]["body"]),
        (&json!(made.post), &json!("second thoughts"), &json!("first thoughts"))
    );
    assert_eq!(
        posts[1]["pictures"],
        json!([
            { "media": made.picture, "alt": "A jar", "width": 1600, "height": 900 },
            { "media": media[1]["id"], "alt": "A dot", "width": 60, "height": 60 },
        ])
    );
    assert_eq!(
        (&posts[2]["script"], &posts[3]["script"]),
        (&json!(made.script), &Value::Null)
    );
    let drafts = lines_of(&archive, "data/post-drafts.jsonl");
    assert!(
        drafts.len() == 1 && drafts[0].to_string().contains("half a thought"),
        "{drafts:?}"
    );
    let scripts = lines_of(&archive, "data/scripts.jsonl");
    assert_eq!(
        (
            &scripts[0]["script"],
            &scripts[0]["draft"],
            &scripts[0]["published"],
            &scripts[0]["visibility"]
        ),
        (&json!(made.script), &json!("// better\n"), &json!(1), &json!("public"))
    );
    assert_eq!(
        (&scripts[1]["parent"]["author"], &scripts[1]["parent"]["title"]),
        (&json!("bob"), &json!("Bob's moths"))
    );
    let versions = lines_of(&archive, "data/script-versions.jsonl");
    assert_eq!(
        (&versions[0]["script"], &versions[0]["number"], &versions[0]["source"]),
        (&json!(made.script), &json!(1), &json!(SQUARE))
    );
    let pins = lines_of(&archive, "data/script-pins.jsonl");
    assert_eq!(
        (
            &pins[0]["script"],
            &pins[0]["seed"],
            &pins[0]["params"],
            &pins[1]["author"]
        ),
        (&json!(made.script), &json!(7), &json!({ "speed": 3 }), &json!("bob"))
    );
    let said = lines_of(&archive, "data/room-messages.jsonl");
    assert_eq!(said[0]["pictures"], json!([media[1]["id"]]));
}

#[test]
fn the_pages_open_from_the_disk_and_ask_nobody_for_anything() {
    let server = Server::builder().plugins(&["guestbook", "mood", "clock"]).start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let made = furnish(&ana, &bob);
    let folder = unpacked(&taken(&server, &ana), &server.folder().join("out"));
    let at = |path: &str| format!("file://{}", folder.join(path).display());
    let browser = Browser::start();
    let live = browser.page();
    live.goto(&server.url("/wall/ana"))
        .wait_for(".post \"second thoughts\"");
    let page = browser.page();

    let html = std::fs::read_to_string(folder.join("index.html")).expect("it is there");
    // The wall looks as it does here.
    page.goto(&at("index.html")).wait_for(".post \"second thoughts\"");
    assert!(page.has("#ident") && page.count("[data-sticker]") == 2);
    for (selector, property) in [
        (".wall", "background-color"),
        (".wall", "font-family"),
        (".post", "border-top-style"),
        (".ident h1", "font-size"),
        ("[data-sticker]", "rotate"),
        ("[data-sticker]", "left"),
    ] {
        let worn = format!(
            "getComputedStyle(document.querySelector({})).getPropertyValue('{property}')",
            json!(selector)
        );
        assert_eq!(page.eval(&worn), live.eval(&worn), "{selector} {property}");
    }
    assert_eq!(
        page.eval("getComputedStyle(document.querySelector('.post')).borderTopStyle"),
        json!("dashed")
    );
    for it in [".banner img", ".avatar img", ".post-pictures img", "[data-sticker] img"] {
        page.eval(&format!("document.querySelector('{it}').loading = 'eager'"));
        page.wait_until(&format!("document.querySelector('{it}').naturalWidth > 0"));
    }
    assert!(page.eval(
            "[...document.querySelectorAll('neo-module .body')].some(one => one.shadowRoot?.textContent.includes('bob was here'))"
        ) == json!(true), "a module shows what it showed");
    assert_eq!(
        page.eval("[...document.fonts].filter(font => font.status === 'error').length"),
        json!(0)
    );
    assert!(
        page.eval("[...document.fonts].some(font => font.status === 'loaded')") == json!(true),
        "its fonts lie beside it"
    );
    assert_eq!(
        page.eval("document.querySelectorAll('script, iframe').length"),
        json!(0)
    );
    assert!(!html.contains("name=\"token\"") && !html.contains("type=\"hidden\""));
    assert_eq!(
        page.eval("document.querySelectorAll('form:not([inert])').length"),
        json!(0)
    );
    page.eval("document.querySelector('audio').load()");
    page.wait_until("document.querySelector('audio').readyState > 0");

    // A press leads from page to page.
    page.click(".menu a \"Posts\"")
        .wait_for(&format!("#post-{}", made.post));
    page.click(&format!("#post-{} a \"edited\"", made.post))
        .wait_for(".history \"first thoughts\"");
    page.click(".menu a \"Rooms\"").wait_for("main a \"# lobby\"");
    page.click("main a \"# lobby\"").wait_for(".said em \"this\"");
    page.click(".menu a \"Scripts\"").wait_for("h2 \"Square\"");

    for (name, path) in [
        ("wall", "index.html"),
        ("posts", "posts/1.html"),
        ("history", &format!("posts/{}-before.html", made.post)),
        ("media", "media.html"),
        ("scripts", "scripts.html"),
        ("rooms", "rooms.html"),
        ("room", "rooms/lobby-1.html"),
        ("sound", "sound.html"),
        ("about", "about.html"),
    ] {
        page.viewport(1280, 900).goto(&at(path));
        page.check_accessibility();
        page.screenshot(&format!("archive-{name}-1280"));
        page.viewport(390, 844);
        page.screenshot(&format!("archive-{name}-390"));
        assert!(!page.overflows(), "{path} is wider than a telephone");
    }
    // A sketch runs from its file, and from where it stood.
    page.viewport(1280, 900).goto(&at("index.html"));
    page.click("#scripts .pin a.btn \"Run\"").wait_for("#square");
    page.check();
    let elsewhere: Vec<_> = page
        .requests()
        .into_iter()
        .filter(|url| !url.starts_with("file://") && !url.starts_with("data:") && !url.starts_with("blob:"))
        .collect();
    assert_eq!(elsewhere, Vec::<String>::new());
}

#[test]
fn pictures_that_move_do_so_from_the_disk_unless_one_asks_for_less() {
    let server = Server::start();
    let ana = server.person("ana");
    let bar = ana.uploaded("bar.gif", &pictures::gif(400, 100, 6));
    ana.post_json(
        "/wall/ana/posts",
        &[("kind", "image"), ("media", &bar), ("alt", "A bar")],
    )
    .expect(201);
    ana.post_json("/wall/ana/stickers", &[("media", &bar), ("width", "400")])
        .expect(201);
    let folder = unpacked(&taken(&server, &ana), &server.folder().join("out"));
    let browser = Browser::start();
    let page = browser.page();
    for (moves, file) in [(false, "-medium.png"), (true, "-full.gif")] {
        if moves {
            page.moving();
        }
        page.goto(&format!("file://{}", folder.join("index.html").display()));
        for picture in [".post-pictures img", "[data-sticker] img"] {
            page.wait_until(&format!(
                "(() => {{ const it = document.querySelector('{picture}'); it.scrollIntoView(); return it.naturalWidth === 400 && it.currentSrc.endsWith('{file}') }})()"
            ));
        }
    }
    page.check();
    assert!(
        page.requests()
            .iter()
            .all(|url| url.starts_with("file://") || url.starts_with("data:"))
    );
}

#[test]
fn what_members_wrote_runs_nowhere_in_the_pages() {
    let server = Server::builder().plugins(&["guestbook"]).start();
    let ana = server.person("ana");
    ana.post_json("/rooms/lobby/join", &[]).expect(200);
    let cut = |text: &str, most: usize| text.chars().filter(|c| !c.is_control()).take(most).collect::<String>();
    let picture = ana.uploaded("dot.png", &pictures::png(60, 60));
    let sound = ana.uploaded("tone.mp3", sounds::MP3);
    let vectors = markup::vectors();
    for (nth, vector) in vectors.iter().enumerate().step_by(vectors.len().div_ceil(40)) {
        let (title, words) = (cut(vector, 80), cut(vector, 900));
        // What is refused here can't be there; what is taken is.
        ana.post_json("/sandbox", &[("mode", "canvas"), ("title", &title), ("source", vector)]);
        let id = publish(&ana, "canvas", &format!("{nth}"), vector);
        ana.post_json(
            &format!("/sandbox/{id}/details"),
            &[("title", &title), ("description", &words)],
        );
        ana.post_json(&format!("/sandbox/{id}/versions"), &[("note", &title)]);
        ana.post_json(
            "/wall/ana/posts",
            &[("kind", "text"), ("title", &title), ("body", vector)],
        );
        ana.post_json("/wall/ana/posts", &[("kind", "link"), ("url", vector)]);
        ana.post_json("/rooms/lobby/messages", &[("content", vector)]);
        ana.post_json(&format!("/library/{picture}"), &[("alt", &words)]);
        ana.post_json(&format!("/library/{sound}"), &[("transcript", &words)]);
        ana.post_json(
            "/wall/ana/profile",
            &[
                ("bio", &cut(vector, 400)),
                ("status", &cut(vector, 70)),
                ("mood", &cut(vector, 50)),
            ],
        );
    }
    ana.upload("%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E.png", &pictures::png(20, 20))
        .expect(201);
    let archive = taken(&server, &ana);
    let pages: Vec<_> = archive
        .paths()
        .filter(|path| path.ends_with(".html"))
        .map(str::to_owned)
        .collect();
    let browser = Browser::start();
    let page = browser.page();
    let folder = unpacked(&archive, &server.folder().join("out"));
    let mut looked_at = 0;
    for path in pages.iter().filter(|path| !path.starts_with("scripts/")) {
        let html = text_of(&archive, path);
        assert!(html.contains("default-src 'none'"), "{path} has no policy");
        let document = scraper::Html::parse_document(&html);
        for element in document.tree.nodes().filter_map(|node| node.value().as_element()) {
            let fine = !matches!(
                element.name(),
                "script" | "iframe" | "object" | "embed" | "base" | "style"
            );
            assert!(fine, "{path} has <{}>", element.name());
            for (name, value) in element.attrs() {
                let value = value.trim().to_ascii_lowercase();
                let runs = name.starts_with("on") || name == "style" || name == "srcdoc" || name == "action";
                let leads = ["href", "src", "xlink:href"].contains(&name);
                let scheme = value.split_once(':').map_or("", |(scheme, _)| scheme);
                let known = ["", "http", "https", "mailto"].contains(&scheme)
                    || value.starts_with('#')
                    || value.starts_with("data:image/");
                assert!(!runs && (!leads || known), "{path}: {name}={value}");
                let loads = ["src", "srcset", "poster"].contains(&name) || name == "href" && element.name() == "link";
                assert!(
                    !loads || scheme.is_empty() || value.starts_with("data:image/"),
                    "{path} loads {value}"
                );
            }
        }
        page.goto(&format!("file://{}", folder.join(path).display()));
        looked_at += 1;
    }
    assert!(looked_at >= 8, "{pages:?}");
    assert_eq!(page.dialogs(), Vec::<String>::new());
    page.check();
    // Each name is a name on any system.
    for path in archive.paths() {
        assert!(path.len() < 120 && !path.contains(".."), "{path}");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        assert!(path.bytes().all(plain), "{path}");
    }
}

/// What a server has taken of memory for itself, in bytes: files that it has mapped aren't in it.
fn own_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .expect("the kernel says it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn a_great_deal_is_handed_over_piece_by_piece() {
    const POSTS: usize = 9_000;
    let mut server = Server::start();
    let ana = server.person("ana");
    post(&ana, &[("kind", "text"), ("body", "the first of many")]);
    server.stop();
    {
        let db = rusqlite::Connection::open(server.data().join("neospace.db")).expect("it can be opened");
        let words = "ebb and flood, ".repeat(650);
        db.execute_batch("begin").expect("it is SQL");
        for nth in 0..POSTS {
            let body = format!("{nth} {words}");
            db.execute(
                "insert into posts (user_id, kind, title, body, html, position, created_at)
                 select user_id, kind, '', ?1, '<p>' || ?1 || '</p>', ?2, created_at from posts limit 1",
                rusqlite::params![body, nth as i64],
            )
            .expect("it fits");
        }
        db.execute_batch("commit").expect("it is SQL");
    }
    server.start_again();
    let ana = ana.elsewhere();
    ana.log_in();
    ana.get("/wall/ana/posts").expect(200);
    let (before, most) = (own_memory(&server), std::sync::atomic::AtomicU64::new(0));
    let done = std::sync::atomic::AtomicBool::new(false);
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                most.fetch_max(own_memory(&server), std::sync::atomic::Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
        let answer = ana.get("/settings/export");
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        answer
    })
    .expect(200);
    let path = server.folder().join("many.zip");
    std::fs::write(&path, &answer.body).expect("the folder can be written");
    let archive = open(&path);
    assert_eq!(lines_of(&archive, "data/posts.jsonl").len(), POSTS + 1);
    let all: u64 = archive.paths().filter_map(|path| archive.size(path)).sum();
    assert!(all > 160 << 20, "it is large: {all} bytes");
    // Rendered pieces of pages are kept, up to 32 MiB of them.
    let grown = most.into_inner().saturating_sub(before);
    assert!(
        grown < 56 << 20,
        "it took {} MiB more for {} MiB",
        grown >> 20,
        all >> 20
    );
}

#[test]
fn one_archive_at_a_time_and_the_page_before_it_says_what_is_in_it() {
    let server = Server::start();
    let ana = server.person("ana");
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    for (width, height) in [(1280, 900), (390, 844)] {
        page.viewport(width, height).goto(&server.url("/settings/along"));
        page.wait_for("button \"Take everything along\"");
        page.check_accessibility();
        assert!(!page.overflows());
        page.screenshot(&format!("along-{width}"));
    }
    page.check();
    assert!(
        ana.get("/settings")
            .expect(200)
            .text()
            .contains("href=\"/settings/along\"")
    );
    server.guest().get_json("/settings/along").expect(401);
    for _ in 0..3 {
        taken(&server, &ana);
    }
    // Too often in a minute is said, and when to come back.
    let refused = (0..30)
        .map(|_| ana.get("/settings/export"))
        .find(|answer| answer.status != 200);
    let refused = refused.expect("there is an end").expect(429);
    assert!(!refused.header("retry-after").is_empty());
}
