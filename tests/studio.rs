//! The studio in Chromium: where members write sketches, run them and publish them; and the examples that ship.
//!
//! Pictures go to the target directory's `screenshots/`.

use neospace_tests::{Browser, Page, Person, Server, eventually};
use serde_json::Value;

/// Software rendering for WebGL too: there is no graphics chip where tests run.
const DRAWS: [&str; 2] = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"];

const FRAME_SAYS: [&str; 3] = [
    "Permissions-Policy",
    "Permissions policy violation",
    "directive 'webrtc'",
];

/// A script of this source; its id.
fn script(person: &Person, mode: &str, source: &str) -> String {
    let fields = [("mode", mode), ("title", "a sketch"), ("source", source)];
    let made = person.post_json("/sandbox", &fields).expect(201).json();
    made["id"].as_str().expect("it has an id").to_owned()
}

/// A page on which a sketch may run: what Chromium says about the headers of its frame, and about p5 asking for sensors there, is no
/// fault of ours.
fn page_of(browser: &Browser, person: &Person) -> Page {
    let page = browser.page_of(person);
    for said in FRAME_SAYS {
        page.allow(said);
    }
    page
}

/// Opens the studio, and waits until one can type.
fn open<'a>(page: &'a Page, server: &Server, id: &str) -> &'a Page {
    page.goto(&server.url(&format!("/sandbox/{id}/edit")));
    page.wait_for(".studio.alive")
}

/// What stands in the editor.
fn code(page: &Page) -> String {
    let text = page.eval("document.querySelector('neo-code').text");
    text.as_str().expect("a text").to_owned()
}

/// Types at the end of the text.
fn write_at_end<'a>(page: &'a Page, text: &str) -> &'a Page {
    page.focus(".cm-content").press("Control+End").type_text(text)
}

fn saved(page: &Page) -> &Page {
    page.wait_for(r#"[data-part=saved][data-kind=saved] "saved""#)
}

fn draft(person: &Person, id: &str) -> Value {
    person.get_json(&format!("/sandbox/{id}/draft")).expect(200).json()
}

fn source(person: &Person, id: &str) -> String {
    draft(person, id)["source"].as_str().expect("it has a text").to_owned()
}

/// Waits until the server's draft is this text.
#[track_caller]
fn arrives(person: &Person, id: &str, text: &str) {
    eventually(&format!("the draft is {text:?}"), || {
        (source(person, id) == text).then_some(())
    });
}

fn get_json(person: &Person, path: &str) -> Value {
    person.get_json(path).expect(200).json()
}

/// Runs what stands there, and waits until it does.
fn run(page: &Page) -> &Page {
    page.click(".picture [data-do=run]");
    page.wait_for("neo-studio[data-state=running]")
}

#[test]
fn what_ana_types_is_saved_by_itself_and_still_there_after_a_reload() {
    let server = Server::start();
    let browser = Browser::start();
    let ana = server.person("ana");
    let id = script(&ana, "canvas", "// one\n");

    let page = page_of(&browser, &ana);
    open(&page, &server, &id);
    write_at_end(&page, "// two");
    page.wait_for("[data-part=saved][data-kind=typing]");
    saved(&page);
    arrives(&ana, &id, "// one\n// two");

    page.reload();
    page.wait_for(".studio.alive");
    assert_eq!(code(&page), "// one\n// two");
    // Saved before it runs, however soon that is.
    write_at_end(&page, "3");
    run(&page);
    assert_eq!(source(&ana, &id), "// one\n// two3");
}

#[test]
fn what_ana_types_while_the_line_is_down_arrives_when_it_is_back() {
    let server = Server::start();
    let browser = Browser::start();
    let ana = server.person("ana");
    let id = script(&ana, "canvas", "// one\n");

    let page = page_of(&browser, &ana);
    page.allow("ERR_INTERNET_DISCONNECTED");
    open(&page, &server, &id);
    page.offline(true);
    write_at_end(&page, "// from the train");
    page.wait_for("[data-part=saved][data-kind=kept]")
        .wait_for(r#".trouble "The line is down""#);
    page.offline(false);
    saved(&page);
    arrives(&ana, &id, "// one\n// from the train");
    page.wait_gone(".trouble");

    // What never got out of the window stands there again after a reload, and is saved then.
    page.offline(true);
    write_at_end(&page, ", twice");
    page.wait_for("[data-part=saved][data-kind=kept]");
    page.eval("window.fetch = () => new Promise(() => {})");
    page.offline(false).reload();
    page.wait_for(".studio.alive");
    page.wait_until("document.querySelector('neo-code').text.endsWith('train, twice')");
    arrives(&ana, &id, "// one\n// from the train, twice");
}

#[test]
fn two_windows_of_one_draft_lose_neither_text() {
    let server = Server::start();
    let browser = Browser::start();
    let ana = server.person("ana");
    let id = script(&ana, "canvas", "// one\n");

    let (here, there) = (page_of(&browser, &ana), page_of(&browser, &ana));
    here.allow("409");
    open(&here, &server, &id);
    open(&there, &server, &id);
    write_at_end(&there, "// there");
    saved(&there);
    arrives(&ana, &id, "// one\n// there");

    write_at_end(&here, "// here");
    here.wait_for(r#".clash "saved in another window""#);
    assert_eq!(code(&here), "// one\n// here", "what was typed stays where it stands");
    let now = draft(&ana, &id);
    assert_eq!(now["source"], "// one\n// there", "nothing is overwritten");
    assert_eq!(now["asides"][0]["source"], "// one\n// here", "nothing is lost");

    // Typing goes on; what comes meanwhile is kept, too.
    write_at_end(&here, ", still");
    eventually("the text aside follows", || {
        (draft(&ana, &id)["asides"][0]["source"] == "// one\n// here, still").then_some(())
    });

    here.click(r#".clash button "Go on with mine""#).wait_gone(".clash");
    arrives(&ana, &id, "// one\n// here, still");
    let versions = get_json(&ana, &format!("/sandbox/{id}/versions"));
    let number = versions["versions"][0]["version"].as_i64().expect("there is a version");
    let kept = get_json(&ana, &format!("/sandbox/{id}/versions/{number}"));
    assert_eq!(kept["source"], "// one\n// there", "the other's text can be had back");

    // The other way round: the other window takes what is there.
    there.allow("409");
    write_at_end(&there, "!");
    there.wait_for(".clash").click(r#".clash button "Take the other""#);
    there.wait_gone(".clash");
    assert_eq!(code(&there), "// one\n// here, still");
    assert_eq!(draft(&ana, &id)["asides"][0]["source"], "// one\n// there!");
    there.reload();
    there.wait_for(".studio.alive").click("[data-open=versions]");
    there.click("#versions summary");
    assert_eq!(there.text("#versions pre.aside"), "// one // there!");
}

#[test]
fn a_mistake_is_marked_on_its_line_and_the_console_leads_there() {
    let server = Server::start();
    let browser = Browser::start();
    let ana = server.person("ana");
    let source =
        "let a = 1\nconsole.log(\"hello\", a)\nconsole.warn(\"careful\")\nfor (const x of [1]) {\n  nobody(x)\n}\n";
    let id = script(&ana, "canvas", source);

    let page = page_of(&browser, &ana);
    page.allow("nobody is not defined");
    open(&page, &server, &id);
    page.click(".picture [data-do=run]");
    page.wait_for(r#"neo-console li.error "nobody is not defined""#);
    assert_eq!(page.text("neo-console li.log .said"), "hello 1");
    assert_eq!(page.text("neo-console li.warn .said"), "careful");
    assert!(page.text("neo-console li.log .place").starts_with("line 2"));
    assert!(page.text("neo-console li.warn .place").starts_with("line 3"));
    assert_eq!(page.text("neo-console li.error .place"), "line 5:3");
    assert!(page.text("[data-part=runs]").starts_with("Line 5:"));

    // In the gutter, at the height of line 5.
    let marked = |line: &str| {
        let number = page.place(&format!(".cm-lineNumbers .cm-gutterElement \"{line}\""));
        let mark = page.place(".cm-lint-marker-error");
        mark.y >= number.y - 1.0 && mark.y < number.y + number.height
    };
    assert!(marked("5"));

    // The place leads into the editor.
    page.click("neo-console li.error .place");
    page.wait_until("document.activeElement.localName === 'neo-code'");
    page.type_text("// ");
    page.wait_gone(".cm-lint-marker-error");
    assert!(code(&page).contains("\n  // nobody(x)\n"), "{}", code(&page));

    // What doesn't parse is marked before it runs, and says so when it does.
    page.press("Control+Home").type_text("const = 1\n");
    page.wait_for(".cm-lint-marker-error");
    assert!(marked("1"));
    page.press("Control+Enter");
    page.wait_for(r#"neo-console li.error "SyntaxError""#);
    assert!(
        page.text("neo-console li.error .place").starts_with("line 1"),
        "{}",
        page.text("neo-console")
    );
}

#[test]
fn ana_runs_stops_and_restarts_a_sketch_and_turns_its_numbers() {
    let server = Server::start();
    let browser = Browser::start();
    let ana = server.person("ana");
    let source = "neo.param(\"size\", 20, { min: 5, max: 90, step: 1 })\nconsole.log(Math.random())\nfunction draw() {\n  context.fillRect(0, 0, neo.params.size, 9)\n  requestAnimationFrame(draw)\n}\nneo.on(\"param\", (name, value) => console.info(name, value))\ndraw()\n";
    let id = script(&ana, "canvas", source);

    let page = page_of(&browser, &ana);
    open(&page, &server, &id);
    run(&page);
    let first = page.text("neo-console li.log .said");
    let seed = page.text("[data-part=seed]");
    page.wait_for(r#"[data-part=frames] "frames a second""#);

    page.fill(".params input[type=number]", "44");
    page.wait_for(r#"neo-console li.info "size 44""#);
    page.click(".picture [data-do=again]");
    page.wait_gone(r#"neo-console li.info "size 44""#);
    assert_eq!(
        page.text("neo-console li.log .said"),
        first,
        "the same seed, the same numbers"
    );
    assert_eq!(page.text("[data-part=seed]"), seed);
    page.wait_until("document.querySelector('.params input[type=number]').value === '44'");

    page.click(r#".params button "into the code""#);
    page.wait_for(r#"[data-part=runs] "size is 44 in the code now""#);
    assert!(code(&page).starts_with("neo.param(\"size\", 44, { min: 5"));
    saved(&page);
    eventually("the number is saved", || {
        self::source(&ana, &id)
            .starts_with("neo.param(\"size\", 44,")
            .then_some(())
    });

    page.click(".picture [data-do=stop]")
        .wait_for("neo-studio[data-state=stopped]");
    page.click(".picture [data-do=run]")
        .wait_for("neo-studio[data-state=running]");
    page.wait_for("neo-console li.log");
    assert_ne!(page.text("[data-part=seed]"), seed, "another run, another seed");
}

#[test]
fn ana_publishes_compares_and_brings_back_and_bob_forks_it() {
    let server = Server::start();
    let browser = Browser::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let id = script(&ana, "canvas", "// one\n");

    let page = page_of(&browser, &ana);
    open(&page, &server, &id);
    page.click("[data-open=publish]");
    page.fill("#title", "Small Waves")
        .fill("#description", "They lap.")
        .fill("#note", "the first");
    page.choose("#licence", "CC0-1.0");
    page.click(r#"#publish button "Publish this text""#);
    page.wait_for(r#"#publish .told "Version 1 is published.""#);
    page.press("Escape").wait_gone("#publish");
    page.wait_for(r#"#studio-title "Small Waves""#);
    let shown = get_json(&server.guest(), &format!("/sandbox/{id}"));
    assert_eq!(
        (
            &shown["title"],
            &shown["licence"],
            &shown["visibility"],
            &shown["source"]
        ),
        (
            &"Small Waves".into(),
            &"CC0-1.0".into(),
            &"public".into(),
            &"// one\n".into()
        )
    );

    // What is typed on is the draft's alone.
    write_at_end(&page, "// two");
    saved(&page);
    assert_eq!(
        get_json(&server.guest(), &format!("/sandbox/{id}"))["source"],
        "// one\n"
    );
    page.click("[data-open=versions]");
    page.click("#versions [data-do=compare]");
    page.wait_for(r#".diff tr.come "// two""#);
    assert_eq!(page.count(".diff tr.both"), 1);
    assert!(!page.has(".diff tr.gone td.n"), "only something came");
    page.click(r#"#versions button "Bring back""#).wait_gone("#versions");
    assert_eq!(code(&page), "// one\n");
    page.press("Control+z");
    assert_eq!(code(&page), "// one\n// two", "and that can be undone");

    // A title that nobody could read is refused, and stays to be mended.
    page.allow("422");
    page.click("[data-open=publish]").fill("#title", "\u{a0}");
    page.click(r#"#publish button "Only keep these""#);
    page.wait_for("#publish .told").wait_for("#publish .field.bad #title");
    page.fill("#title", "Small Waves").fill("#note", "more");
    page.click(r#"#publish button "Only make a version""#);
    page.wait_for(r#"#publish .told "Version 2 is made.""#);
    assert_eq!(
        get_json(&server.guest(), &format!("/sandbox/{id}"))["published"]["version"],
        1
    );

    // The whole sketch as one file.
    let file = ana
        .get(&format!("/sandbox/{id}/versions/draft/script.html"))
        .expect(200);
    assert!(file.text().contains("// two"));

    let fork = bob.post(&format!("/sandbox/{id}/fork"), &[]).see_other();
    let theirs = page_of(&browser, &bob);
    theirs.goto(&server.url(&fork)).wait_for(".studio.alive");
    assert_eq!(code(&theirs), "// one\n");
    theirs.click("[data-open=versions]");
    theirs.wait_for(r##"#versions "version 1 of Small Waves by ana""##);
}

#[test]
fn the_keyboard_alone_is_enough() {
    let server = Server::start();
    let browser = Browser::start();
    let ana = server.person("ana");
    let id = script(&ana, "canvas", "");

    let page = page_of(&browser, &ana);
    open(&page, &server, &id);
    let inside = "document.activeElement.localName === 'neo-code'";
    for _ in 0..40 {
        if page.eval(inside) == true {
            break;
        }
        page.press("Tab");
    }
    assert_eq!(page.eval(inside), true, "Tab leads into the editor");
    page.type_text("console.log(6 * 7)").press("Enter");
    // Tab indents here; after Escape it leads out.
    page.press("Tab").type_text("//");
    assert_eq!(code(&page), "console.log(6 * 7)\n  //");
    page.press("Control+Enter").wait_for(r#"neo-console li.log "42""#);
    page.wait_for("neo-studio[data-state=running]");
    page.focus(".cm-content");
    page.press("Control+.").wait_for("neo-studio[data-state=stopped]");
    page.press("Escape").press("Tab");
    assert_eq!(page.eval(inside), false, "Escape and Tab lead out");
    page.press("?").wait_for("#keys").press("Escape").wait_gone("#keys");

    // Search opens by key, finds, and gives the keyboard back.
    page.focus(".cm-content").press("Control+f").wait_for(".cm-search");
    page.press("l").press("o").press("g").press("Enter").press("Escape");
    page.wait_gone(".cm-search").type_text("warn");
    assert!(code(&page).starts_with("console.warn("), "{}", code(&page));
}

#[test]
fn without_javascript_the_studio_is_a_form_that_saves_and_publishes() {
    let server = Server::start();
    let browser = Browser::start();
    let ana = server.person("ana");
    let id = script(&ana, "canvas", "// one\n");

    let page = page_of(&browser, &ana);
    page.javascript(false).goto(&server.url(&format!("/sandbox/{id}/edit")));
    assert_eq!(page.value("#source"), "// one\n");
    page.fill("#source", "// by hand\n").fill("#title", "By Hand");
    page.click(r#"#sheet button "Save""#).wait_for(r#"h2 "By Hand""#);
    assert_eq!(source(&ana, &id), "// by hand\n");

    page.fill("#source", "// by hand, again\n").fill("#note", "ready");
    page.click(r#"button "Save and publish""#)
        .wait_for(r##"#version-list "published""##);
    let shown = get_json(&server.guest(), &format!("/sandbox/{id}"));
    assert_eq!(
        (&shown["source"], &shown["title"]),
        (&"// by hand, again\n".into(), &"By Hand".into())
    );

    // Another window was faster: nothing is overwritten, what was typed stands there still.
    let revision = draft(&ana, &id)["revision"].to_string();
    let path = format!("/sandbox/{id}/draft");
    ana.post_json(
        &path,
        &[("source", "// elsewhere"), ("revision", &revision), ("window", "w")],
    )
    .expect(200);
    page.allow("409");
    page.fill("#source", "// too late").click(r#"#sheet button "Save""#);
    page.wait_for(r#".clash "saved in another window""#);
    assert_eq!(page.value("#source"), "// too late");
    assert_eq!(source(&ana, &id), "// elsewhere");
    page.screenshot("studio-form");
    assert!(!page.overflows());
}

#[test]
fn the_studio_is_whole_by_day_and_night_on_desk_and_phone() {
    let server = Server::start();
    let browser = Browser::start();
    let ana = server.person("ana");
    let example = get_json(&ana, "/sandbox/examples/ridges");
    let id = script(&ana, "canvas", example["source"].as_str().expect("it has a text"));
    ana.post_json(
        &format!("/sandbox/{id}/versions"),
        &[("note", "as it came"), ("publish", "on")],
    )
    .expect(200);

    let page = page_of(&browser, &ana);
    for (scheme, width, height) in [
        ("light", 1280, 800),
        ("dark", 1280, 800),
        ("light", 390, 844),
        ("dark", 390, 844),
    ] {
        page.scheme(scheme).viewport(width, height);
        open(&page, &server, &id);
        let phone = width < 600;
        page.click(if phone { ".run-here" } else { ".picture [data-do=run]" });
        page.wait_for("neo-studio[data-state=running]");
        page.wait_for(r#"[data-part=frames] "frames a second""#);
        let shot = |what: &str| {
            page.check_accessibility();
            assert!(!page.overflows(), "{what} {width} is too wide");
            page.screenshot(&format!("studio-{what}-{width}-{scheme}"));
        };
        shot("picture");
        if phone {
            page.click(r##".paneswitch a[href="#console"]"##)
                .wait_for("neo-console");
            shot("console");
            page.click(r##".paneswitch a[href="#code"]"##).wait_for("neo-code");
            shot("code");
        }
        page.click("[data-open=versions]")
            .click("#versions [data-do=compare]")
            .wait_for("neo-diff .said \"no difference\"");
        shot("versions");
        page.press("Escape")
            .wait_gone("#versions")
            .click("[data-open=publish]")
            .wait_for("#publish");
        shot("publish");
        page.press("Escape");
    }
}

/// Colours in the middle of a picture (a PNG in base64), as the page's own decoder sees them.
fn colours(page: &Page, picture: &str) -> usize {
    let script = format!(
        "(async () => {{
            const image = new Image()
            image.src = 'data:image/png;base64,{picture}'
            await image.decode()
            const canvas = Object.assign(document.createElement('canvas'), {{ width: image.width, height: image.height }})
            const context = canvas.getContext('2d')
            context.drawImage(image, 0, 0)
            return new Set(new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer)).size
        }})()"
    );
    page.eval(&script).as_u64().expect("a number") as usize
}

#[test]
fn each_of_the_thirty_examples_draws_moves_and_fails_at_nothing() {
    let server = Server::start();
    let browser = Browser::start_with(&DRAWS);
    let examples = get_json(&server.guest(), "/sandbox/examples");
    let examples = examples["examples"].as_array().expect("there are examples");
    assert_eq!(examples.len(), 30);
    for mode in ["p5", "three", "canvas"] {
        assert_eq!(
            examples.iter().filter(|example| example["mode"] == mode).count(),
            10,
            "{mode}"
        );
    }

    for example in examples {
        let name = example["name"].as_str().expect("it has a name");
        let source = example["source"].as_str().expect("it has a text");
        assert!(source.lines().count() <= 80, "{name} is too long to be read at once");
        assert!(
            source.starts_with("// title: ") && source.contains("// Change: "),
            "{name} says nothing at its head"
        );

        let page = browser.page();
        for said in FRAME_SAYS {
            page.allow(said);
        }
        page.goto(&server.url(&format!("/sandbox/examples/{name}")));
        page.wait_until("customElements.get('neo-frame')");
        // How it looks is seen before it runs.
        page.wait_until("document.querySelector('img.still').naturalWidth === 640");
        page.eval(
            "window.heard = { faults: [], params: [], frames: [] }
             addEventListener('frame:error', ({ detail }) => heard.faults.push(detail.message))
             addEventListener('frame:console', ({ detail }) => ['warn', 'error'].includes(detail.level) && heard.faults.push(detail.text))
             addEventListener('frame:state', ({ detail }) => detail.why && heard.faults.push(detail.why))
             addEventListener('frame:param', ({ detail }) => heard.params.push(detail.name))
             addEventListener('frame:beat', ({ detail }) => heard.frames.push(detail.frames))
             document.querySelector('neo-frame').start({ seed: 7 })",
        );
        page.wait_until("document.querySelector('neo-frame').state === 'running'");
        page.wait_until("heard.frames.filter((frames) => frames > 0).length >= 3");
        let stage = page.place("neo-frame iframe");
        let picture = || {
            let clip = serde_json::json!({ "x": stage.x + 4.0, "y": stage.y + 4.0, "width": stage.width - 8.0, "height": (stage.height - 8.0).min(500.0), "scale": 1 });
            let shot = page.call(
                "Page.captureScreenshot",
                serde_json::json!({ "format": "png", "clip": clip }),
            );
            shot["data"].as_str().expect("a picture").to_owned()
        };
        let first = picture();
        assert!(colours(&page, &first) >= 2, "{name} draws nothing");
        eventually(&format!("{name} moves"), || (picture() != first).then_some(()));
        assert_eq!(page.eval("heard.faults"), serde_json::json!([]), "{name}");
        let named = page.eval("heard.params.length").as_u64().expect("a number");
        assert!((1..=3).contains(&named), "{name} names {named} numbers");
        // Two cores draw what a graphics chip would, with other tests beside them: still a motion, not a row of pictures.
        let best = page.eval("Math.max(...heard.frames)").as_u64().expect("a number");
        let least = if example["mode"] == "three" { 4 } else { 10 };
        assert!(best >= least, "{name} draws {best} frames a second");
        page.eval("document.querySelector('neo-frame').stop()");
    }
}

#[test]
fn a_wall_loads_neither_editor_nor_libraries() {
    let server = Server::start();
    let browser = Browser::start();
    let ana = server.person("ana");
    let page = page_of(&browser, &ana);
    page.goto(&server.url("/wall/ana"));
    for address in page.requests() {
        for part in [
            "codemirror",
            "lezer",
            "acorn",
            "p5-",
            "three-",
            "/js/studio/",
            "studio.css",
        ] {
            assert!(!address.contains(part), "{address}");
        }
    }
}
