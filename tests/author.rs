//! The plugin author's tools, as an author meets them: a folder to begin in, a file to hand over, words when something is
//! wrong, and a bench that follows what is saved.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use neospace_tests::{Browser, Server, process::Log, root, server::neospace};
use serde_json::Value;
use tempfile::TempDir;

/// How long a build may take: the crates of the SDK are compiled once for all tests, on a machine that does other things too.
const BUILD: Duration = Duration::from_secs(600);

/// An author with an empty folder, and no line to the world.
struct Author {
    folder: TempDir,
}

/// What a command said and how it ended.
struct Said {
    ok: bool,
    out: String,
    errors: String,
}

impl Author {
    fn new() -> Author {
        Author {
            folder: TempDir::with_prefix("neospace-author-").expect("a temporary folder can be made"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `neospace plugin …` in a folder of theirs, with this.
    fn command(&self, dir: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(neospace());
        // What all authors here build shares one folder for crates; that no registry can be asked is the point.
        let target = neospace_tests::build_folder().with_file_name("author-tests");
        command.arg("plugin").args(arguments).current_dir(self.path(dir));
        command
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("RUSTFLAGS");
        command
    }

    fn says(&self, dir: &str, arguments: &[&str]) -> Said {
        let output = self.command(dir, arguments).output().expect("neospace can be started");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            ok: output.status.success(),
            out: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }

    /// What a command prints that must succeed.
    fn does(&self, dir: &str, arguments: &[&str]) -> String {
        let said = self.says(dir, arguments);
        assert!(said.ok, "{arguments:?} failed:\n{}{}", said.out, said.errors);
        said.out
    }

    /// What a command complains of that must fail.
    fn fails(&self, dir: &str, arguments: &[&str]) -> String {
        let said = self.says(dir, arguments);
        assert!(!said.ok, "{arguments:?} succeeded:\n{}", said.out);
        said.out + &said.errors
    }

    /// A report of `run`.
    fn report(&self, dir: &str, arguments: &[&str]) -> Value {
        let out = self.does(dir, &[&["run", "--json"], arguments].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Changes a file of theirs; what is to be replaced must be there.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(from), "{file} has no “{from}”:\n{text}");
        fs::write(&path, text.replacen(from, to, 1)).expect("it is theirs");
    }

    fn append(&self, file: &str, more: &str) {
        let path = self.path(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, text + more).expect("it is theirs");
    }
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "it does not say “{word}”:\n{text}");
    }
}

#[test]
fn an_author_makes_a_module_and_an_operator_puts_it_on_a_wall() {
    let author = Author::new();
    assert_says(
        &author.does("", &["new", "doorbell"]),
        &["Doorbell", "cd doorbell", "neospace plugin dev"],
    );
    assert_says(&author.does("doorbell", &["check"]), &["Doorbell 0.1.0 is fine"]);

    let rung = [
        "--storage",
        "state.json",
        "--viewer",
        "member:bob",
        "--now",
        "2026-11-21T18:00:00Z",
    ];
    let ring = author.report(
        "doorbell",
        &[&rung[..], &["--action", "ring", "--field", "words=<b>Hello</b>  there"]].concat(),
    );
    assert_eq!(
        (&ring["outcome"], &ring["message"]),
        (&"done".into(), &"Ding, dong.".into())
    );
    assert_eq!(ring["refreshed"], true);
    assert_eq!(ring["writes"][0]["key"], "last");
    assert!(ring["fuel"]["used"].as_u64() > Some(1_000) && ring["fuel"]["limit"] == 25_000_000);
    let view = author.report(
        "doorbell",
        &["--storage", "state.json", "--now", "2026-11-21T18:00:30Z"],
    );
    assert_says(
        view["html"].as_str().expect("HTML"),
        &["A bell, ringing", "“&lt;b&gt;Hello&lt;/b&gt; there” — bob"],
    );
    assert_eq!(view["max_age_seconds"], 30);
    let empty = author.report("doorbell", &["--action", "ring", "--field", "words= "]);
    assert_eq!(
        (&empty["outcome"], &empty["field"]),
        (&"refused".into(), &"words".into())
    );
    let quiet = author.report(
        "doorbell",
        &[
            "--refuse",
            "viewer-name",
            "--viewer",
            "member:bob",
            "--action",
            "ring",
            "--field",
            "words=Hi",
        ],
    );
    assert_says(quiet["writes"][0]["value"].as_str().expect("a value"), &["somebody"]);

    let packed = author.does("doorbell", &["pack"]);
    let file = author.path("doorbell/doorbell.wasm");
    let hash = neospace_tests::server::sha256(&fs::read(&file).expect("pack wrote it"));
    assert_says(
        &packed,
        &[
            "[plugin.doorbell]",
            &hash,
            "grants = [\"storage\", \"viewer-name\", \"live\"]",
            "To write down who rang",
        ],
    );

    let server = Server::start();
    let installed = server.operator(&["plugin", "install", file.to_str().expect("a plain path")]);
    assert!(
        installed.status.success(),
        "{}",
        String::from_utf8_lossy(&installed.stderr)
    );
    let ana = server.person("ana");
    neospace_tests::eventually("the gallery to have it", || {
        ana.get("/plugins")
            .text()
            .contains("A doorbell for your wall")
            .then_some(())
    });
    ana.post("/wall/ana/modules", &[("plugin", "doorbell")]).see_other();
    assert_says(
        &server.guest().get("/wall/ana").expect(200).text(),
        &["Please ring twice", "Nobody has rung yet."],
    );
}

#[test]
fn every_kind_of_new_plugin_is_fine_from_the_start() {
    let author = Author::new();
    author.does("", &["new", "cookie", "--role", "widget"]);
    assert_says(&author.does("cookie", &["check"]), &["is fine"]);
    let view = author.report("cookie", &["--settings", r#"{"fortunes": "Only this."}"#]);
    assert_says(
        view["html"].as_str().expect("HTML"),
        &["Only this.", "A broken fortune cookie"],
    );

    author.does(
        "",
        &["new", "bright-star", "--role", "sticker", "--dir", "elsewhere/star"],
    );
    assert_says(
        &author.does("elsewhere/star", &["check"]),
        &["Bright star 0.1.0 is fine"],
    );
    let drawing = author.report("elsewhere/star", &["--settings", r#"{"ink": "red", "points": 7}"#]);
    assert_says(
        drawing["svg"].as_str().expect("SVG"),
        &["A red star", "viewBox=\"0 0 96 96\""],
    );
    let other = author.report("elsewhere/star", &["--seed", "2"]);
    assert_ne!(drawing["svg"], other["svg"], "another seed, another star");

    author.does("", &["new", "calm-voice", "--role", "filter"]);
    assert_says(&author.does("calm-voice", &["check"]), &["Calm voice 0.1.0 is fine"]);
    let calm = author.report("calm-voice", &["--text", "WHO TOOK THE KETTLE"]);
    assert_eq!(
        (&calm["outcome"], &calm["text"]),
        (&"rewrite".into(), &"who took the kettle".into())
    );
    let loud = author.report(
        "calm-voice",
        &["--text", "WHO TOOK THE KETTLE", "--settings", r#"{"refuse": true}"#],
    );
    assert_says(loud["message"].as_str().expect("a sentence"), &["small letters"]);
    assert_eq!(author.report("calm-voice", &["--text", "OK"])["outcome"], "pass");
    assert_says(&author.fails("calm-voice", &["run"]), &["--text"]);
}

#[test]
fn the_guide_for_rooms_works_as_it_is_written() {
    let guide = fs::read_to_string(root().join("docs/plugins/rooms.md")).expect("the guide is there");
    let fenced = |kind: &str| {
        let begin = format!("```{kind}\n");
        let piece = guide.split(&begin).nth(1).and_then(|rest| rest.split("```").next());
        piece.unwrap_or_else(|| panic!("there is a piece in {kind}")).to_owned()
    };
    let author = Author::new();
    author.does("", &["new", "oracle", "--role", "commands"]);
    // Another command, which the manifest doesn't name yet.
    assert_says(
        &author.fails("oracle", &["run", "--command", "/omen"]),
        &["/ask Will it rain?"],
    );
    author.append("oracle/plugin.toml", &format!("\n{}", fenced("toml")));
    author.edit("oracle/src/lib.rs", "_name: &str", "name: &str");
    author.edit(
        "oracle/src/lib.rs",
        "        if question.is_empty() {",
        &format!("{}        if question.is_empty() {{", fenced("rust")),
    );
    assert_says(&author.does("oracle", &["check"]), &["is fine"]);
    let omen = author.report("oracle", &["--command", "/omen"]);
    assert_says(omen["whisper"].as_str().expect("it whispers"), &["gull"]);
    let run = guide
        .lines()
        .find(|line| line.starts_with("neospace plugin run --command"))
        .expect("a call");
    let seed = run
        .split("--seed ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("a seed");
    let ask = [
        "--command",
        "/ask Will it rain?",
        "--seed",
        seed,
        "--viewer",
        "member:bob",
    ];
    let said = author.report("oracle", &ask);
    assert_says(said["say"].as_str().expect("it says"), &["bob asks: Will it rain?"]);
    assert_eq!(
        author.report("oracle", &ask)["say"],
        said["say"],
        "the same seed, the same answer"
    );
    assert_says(
        author.report("oracle", &["--command", "/ask"])["message"]
            .as_str()
            .expect("a sentence"),
        &["Ask something"],
    );
}

#[test]
fn the_bench_has_a_room_to_talk_in() {
    let author = Author::new();
    author.does("", &["new", "oracle", "--role", "commands"]);
    author.does("oracle", &["build"]);
    let bench = Bench::open(&author, "oracle");
    bench.waits_for(0, "is on the bench");
    let browser = Browser::start();
    let page = browser.page();
    page.goto(&bench.address);
    page.click("label \"bo\"")
        .wait_until("document.querySelector('input[value=\"member:bo\"]').checked");
    page.fill("#say", "/ask Will it rain?").click("button \"Send\"");
    page.wait_for(".spoken .words \"bo asks: Will it rain?\"");
    page.wait_until("document.querySelector('#say').value === ''");
    page.fill("#say", "/ask")
        .click("button \"Send\"")
        .wait_for(".spoken .error .words \"Ask something\"");
    page.fill("#say", "/aks")
        .click("button \"Send\"")
        .wait_for(".spoken .words \"no such command\"");
    page.fill("#say", "Just so")
        .click("button \"Send\"")
        .wait_for(".spoken .words \"Just so\"");
    page.check();
}

#[test]
fn the_same_sources_give_the_same_file_wherever_they_lie() {
    let author = Author::new();
    author.does("", &["new", "doorbell", "--dir", "one"]);
    author.does("", &["new", "doorbell", "--dir", "two/deep/down"]);
    author.does("one", &["pack", "--out", "../one.wasm"]);
    author.does("two/deep/down", &["pack", "--out", "../../../two.wasm"]);
    let (one, two) = (fs::read(author.path("one.wasm")), fs::read(author.path("two.wasm")));
    let (one, two) = (one.expect("pack wrote it"), two.expect("pack wrote it"));
    assert!(one == two, "{} and {} bytes differ", one.len(), two.len());
    let here = author.folder.path().to_str().expect("a plain path").as_bytes();
    assert!(
        !one.windows(here.len()).any(|bytes| bytes == here),
        "it tells where it was built"
    );
}

#[test]
fn a_bad_name_or_a_folder_in_use_is_refused_with_words() {
    let author = Author::new();
    for (name, words) in [
        ("Doorbell", "2 to 32 characters"),
        ("d", "2 to 32 characters"),
        ("../door", "can't be a plugin's name"),
        ("1bell", "the first of them a letter"),
        ("loop", "try “my-loop”"),
        ("serde", "try “my-serde”"),
        ("neospace-plugin", "crate that plugins are built from"),
    ] {
        assert_says(&author.fails("", &["new", name]), &["error: ", words]);
        assert_eq!(
            fs::read_dir(author.folder.path()).expect("it is theirs").count(),
            0,
            "{name} left something behind"
        );
    }
    fs::create_dir(author.path("mine")).expect("it is theirs");
    fs::write(author.path("mine/diary.txt"), "dear diary").expect("it is theirs");
    assert_says(&author.fails("", &["new", "mine"]), &["not empty", "--dir"]);
    assert_says(
        &author.fails("", &["new", "bell", "--lang", "cobol"]),
        &["cobol", "rust"],
    );
    assert_says(
        &author.fails("mine", &["build"]),
        &["there is no plugin.toml in", "neospace plugin new NAME"],
    );
    assert_says(&author.fails("", &["check", "nowhere"]), &["nowhere"]);
}

#[test]
fn check_says_everything_that_is_wrong_at_once() {
    let author = Author::new();
    author.does("", &["new", "doorbell"]);
    author.edit("doorbell/plugin.toml", "width = 1, height", "width = 9, height");
    author.edit("doorbell/plugin.toml", "kind = \"text\"", "kind = \"password\"");
    author.edit("doorbell/icon.svg", "<circle", "<script/>\n  <circle");
    author.append(
        "doorbell/style.css",
        ".x { position: fixed; background: url(http://evil.example); }\n.y { colr: red; }\n",
    );
    author.append("doorbell/src/lib.rs", "\nfn broken( {\n");
    let said = author.fails("doorbell", &["check"]);
    assert_says(
        &said,
        &[
            "plugin.toml:13: `size` is 1 to 4 cells wide and 1 to 12 high",
            "there is no kind `password`; kinds are: text, long-text",
            "icon.svg:4: ",
            "style.css:6: `position`",
            "style.css:6: url()",
            "style.css:7: ",
            "src/lib.rs",
            "unclosed delimiter",
            "can't be installed: 7 errors",
        ],
    );
    let out = author.says("doorbell", &["check", "--json"]).out;
    let found: Vec<Value> = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!(found.len(), 7);
    assert!(
        found
            .iter()
            .any(|one| one["file"] == "style.css" && one["line"] == 7 && one["level"] == "error")
    );
    assert_says(
        &author.fails("doorbell", &["build"]),
        &["the manifest needs mending", "plugin.toml line 13"],
    );
}

#[test]
fn what_is_used_without_a_reason_and_declared_without_use_is_found() {
    let author = Author::new();
    author.does("", &["new", "doorbell"]);
    author.edit("doorbell/plugin.toml", "live = {", "notify-owner = {");
    author.append("doorbell/style.css", "p { color: #ff0000; }\n");
    let said = author.fails("doorbell", &["check"]);
    assert_says(
        &said,
        &[
            "it uses live without giving a reason under [capabilities]",
            "`notify-owner` is declared, but nothing in the code calls it",
            "hint: style.css:6: a fixed colour",
            "1 error, 2 hints",
        ],
    );
    assert_says(
        &author.fails("doorbell", &["pack"]),
        &["it uses live without giving a reason"],
    );
    assert_says(
        &author.fails("doorbell", &["run"]),
        &["it uses live without giving a reason"],
    );
}

#[test]
fn what_is_no_plugin_is_refused_with_words() {
    let author = Author::new();
    author.does("", &["new", "doorbell"]);
    fs::write(author.path("doorbell/noise.wasm"), "GIF89a").expect("it is theirs");
    fs::write(author.path("doorbell/core.wasm"), b"\0asm\x01\0\0\0").expect("it is theirs");
    fs::write(author.path("doorbell/empty.wasm"), b"\0asm\x0d\0\x01\0").expect("it is theirs");
    assert_says(
        &author.fails("doorbell", &["build", "--wasm", "noise.wasm"]),
        &["this is not WebAssembly"],
    );
    assert_says(
        &author.fails("doorbell", &["build", "--wasm", "core.wasm"]),
        &["was not built against the contract", "wit-bindgen"],
    );
    assert_says(
        &author.fails("doorbell", &["check", "--wasm", "empty.wasm"]),
        &["exports none of the interfaces", "there is nothing to show"],
    );
    assert_says(
        &author.fails("doorbell", &["check", "empty.wasm"]),
        &["this component has no manifest"],
    );
    assert_says(
        &author.fails("doorbell", &["run", "core.wasm"]),
        &["core WebAssembly module"],
    );

    author.edit("doorbell/Cargo.toml", "crate-type = [\"cdylib\"]", "");
    assert_says(&author.fails("doorbell", &["build"]), &["crate-type = [\"cdylib\"]"]);
    fs::remove_file(author.path("doorbell/Cargo.toml")).expect("it is theirs");
    assert_says(
        &author.fails("doorbell", &["build"]),
        &["there is no Cargo.toml in", "--wasm FILE"],
    );
    author.edit("doorbell/plugin.toml", "icon.svg", "../../etc/passwd");
    assert_says(
        &author.fails("doorbell", &["build"]),
        &["is the name of a file beside plugin.toml"],
    );
}

#[test]
fn a_call_that_makes_no_sense_or_goes_wrong_says_why() {
    let author = Author::new();
    author.does("", &["new", "doorbell"]);
    author.does("doorbell", &["pack"]);
    let run = |arguments: &[&str]| author.fails("doorbell", &[&["run", "doorbell.wasm"], arguments].concat());
    assert_says(&run(&["--export", "draw"]), &["has no `draw` to call"]);
    assert_says(&run(&["--export", "act"]), &["--action NAME"]);
    assert_says(&run(&["--viewer", "bob"]), &["`guest`, `owner` or `member:NAME`"]);
    assert_says(&run(&["--size", "9x9"]), &["1 to 4 wide"]);
    assert_says(&run(&["--now", "yesterday"]), &["2026-11-21T18:00:00Z"]);
    assert_says(&run(&["--settings", "[]"]), &["--settings is a JSON object"]);
    assert_says(
        &run(&["--settings", r#"{"colour": 1}"#]),
        &["no setting `colour`; it has: plate"],
    );
    assert_says(&run(&["--refuse", "root"]), &["there is no capability `root`"]);
    fs::write(author.path("doorbell/state.json"), "[1]").expect("it is theirs");
    assert_says(&run(&["--storage", "state.json"]), &["state.json: it holds"]);

    author.edit("doorbell/src/lib.rs", "let words = action.line", "let mut n = 0u64;\n        while ctx.now > 0 { n = std::hint::black_box(n + 1); }\n        let words = action.line");
    let said = author.fails("doorbell", &["run", "--action", "ring", "--field", "words=Hi"]);
    assert_says(&said, &["FAILED (fuel)", "25.00 M of 25.00 M"]);
    author.edit(
        "doorbell/src/lib.rs",
        "while ctx.now > 0 { n = std::hint::black_box(n + 1); }",
        "storage::put_text(\"half\", \"done\")?; assert!(n > 0, \"no way\");",
    );
    let said = author.fails(
        "doorbell",
        &[
            "run",
            "--action",
            "ring",
            "--field",
            "words=Hi",
            "--storage",
            "none.json",
        ],
    );
    assert_says(
        &said,
        &[
            "FAILED (trap)",
            "would have written, and nothing was kept",
            "storage half = done",
        ],
    );
    assert!(!author.path("doorbell/none.json").exists(), "nothing of a trap is kept");
    author.edit(
        "doorbell/src/lib.rs",
        "p().class(\"plate\")",
        "neospace_plugin::element(if ctx.is_owner() { \"marquee\" } else { \"p\" }).class(\"plate\")",
    );
    let said = author.fails("doorbell", &["run", "--viewer", "owner"]);
    assert_says(&said, &["FAILED (view)", "<marquee>", "no such element"]);
    assert_says(
        &author.fails("doorbell", &["check"]),
        &["render for owner failed (view)", "1 error"],
    );
}

#[test]
fn the_guide_works_as_it_is_written() {
    let guide = fs::read_to_string(root().join("docs/plugins/first-module.md")).expect("the guide is there");
    // The fenced pieces of its third part, in order.
    let part = guide
        .split("\n## ")
        .find(|part| part.starts_with("3. Change it"))
        .expect("part 3");
    let pieces: Vec<&str> = part
        .split("```")
        .skip(1)
        .step_by(2)
        .map(|piece| piece.split_once('\n').map_or("", |(_, text)| text))
        .collect();
    let [setting, field, call, bell, rule, note, reason] = pieces[..] else {
        panic!("part 3 has {} pieces", pieces.len())
    };

    let author = Author::new();
    author.does("", &["new", "doorbell"]);
    author.append("doorbell/plugin.toml", &format!("\n{setting}"));
    author.edit(
        "doorbell/src/lib.rs",
        "    plate: String,\n",
        &format!("    plate: String,\n{field}"),
    );
    author.edit(
        "doorbell/src/lib.rs",
        "            .child(bell(swings_for > 0))\n",
        call,
    );
    let source = fs::read_to_string(author.path("doorbell/src/lib.rs")).expect("it is theirs");
    let old = source.split_once("fn bell(").expect("the function bell").1;
    let old = format!("fn bell({}", old.split_inclusive('\n').take(3).collect::<String>());
    author.edit("doorbell/src/lib.rs", &old, bell);
    author.edit(
        "doorbell/src/lib.rs",
        "        let words = action.line",
        &format!("{rule}        let words = action.line"),
    );
    author.edit(
        "doorbell/src/lib.rs",
        "        live::refresh();",
        &format!("{note}        live::refresh();"),
    );
    author.edit(
        "doorbell/src/lib.rs",
        "    live, register, storage,",
        "    live, notify_owner, register, storage,",
    );
    assert_says(
        &author.fails("doorbell", &["check"]),
        &["it uses notify-owner without giving a reason"],
    );
    author.edit(
        "doorbell/plugin.toml",
        "[capabilities]\n",
        &format!("[capabilities]\n{reason}"),
    );
    assert_says(&author.does("doorbell", &["check"]), &["is fine"]);

    let home = author.report(
        "doorbell",
        &["--viewer", "owner", "--action", "ring", "--field", "words=Me"],
    );
    assert_eq!(home["message"], "You are at home already.");
    let rung = author.report("doorbell", &["--action", "ring", "--field", "words=Hi"]);
    assert_eq!(rung["notes"][0], "Somebody was at your door.");
    assert_says(
        author.report("doorbell", &["--settings", r#"{"ink": "m"}"#])["html"]
            .as_str()
            .expect("HTML"),
        &["class=\"m ol\""],
    );
}

#[test]
fn the_guides_tables_are_the_hosts_own() {
    let path = root().join("docs/plugins/reference.md");
    let text = fs::read_to_string(&path).expect("the reference is there");
    let filled = neospace::author::reference::fill(&text).expect("its tables are known");
    assert!(text == filled, "run `neospace plugin reference {}`", path.display());
    assert_says(
        &filled,
        &["| `button` |", "| `viewBox` |", "| `notify-owner` |", "`text-wrap`"],
    );
}

/// A bench that is open.
struct Bench {
    program: Child,
    log: Log,
    address: String,
}

impl Bench {
    fn open(author: &Author, dir: &str) -> Bench {
        let mut command = author.command(dir, &["dev"]);
        let mut program = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("neospace can be started");
        let log = Log::default();
        log.follow(program.stdout.take().expect("it is piped"));
        log.follow(program.stderr.take().expect("it is piped"));
        let found = log.wait_for(0, |line| {
            Some(line.split_once("http://")?.1.split_once(' ')?.0.to_owned())
        });
        let address = format!(
            "http://{}",
            found.unwrap_or_else(|| panic!("no address: {:?}", log.lines()))
        );
        Bench { program, log, address }
    }

    /// Waits for a line, for as long as a build may take.
    fn waits_for(&self, from: usize, words: &str) -> usize {
        let start = Instant::now();
        loop {
            if let Some(at) = self
                .log
                .wait_for(from, |line| line.contains(words).then_some(()))
                .and(Some(self.log.lines().len()))
            {
                return at;
            }
            assert!(
                start.elapsed() < BUILD,
                "waited in vain for “{words}”: {:#?}",
                self.log.lines()
            );
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // As Ctrl-C does: it must end in order.
        unsafe { libc::kill(self.program.id().cast_signed(), libc::SIGINT) };
        let status = self.program.wait().expect("it is ours");
        if !std::thread::panicking() {
            assert!(
                status.success(),
                "the bench ended with {status}: {:#?}",
                self.log.lines()
            );
        }
    }
}

#[test]
fn the_bench_follows_what_is_saved() {
    let author = Author::new();
    author.does("", &["new", "doorbell"]);
    author.does("doorbell", &["build"]);
    let bench = Bench::open(&author, "doorbell");
    let seen = bench.waits_for(0, "is on the wall");
    let browser = Browser::start();
    let page = browser.page();
    page.goto(&bench.address);
    page.wait_for(".plate \"Please ring twice\"");

    // Somebody rings; what it did stands beside it.
    page.fill("input[name=f-words]", "Anybody?").click("button \"Ring\"");
    page.wait_for(".said \"Ding, dong.\"").wait_for(".kept th \"last\"");
    page.wait_for(".said \"somebody\"");
    // As a member, with the owner's leave.
    page.click("label \"bo\"")
        .wait_until("document.querySelector('input[value=\"member:bo\"]').checked");
    page.fill("input[name=f-words]", "It is me").click("button \"Ring\"");
    page.wait_for(".said \"“It is me” — bo\"");
    // What is refused says so, and stays typed.
    page.eval("document.querySelector('neo-module .body').shadowRoot.querySelector('input[name=f-words]').removeAttribute('required')");
    page.fill("input[name=f-words]", " ").click("button \"Ring\"");
    page.allow("422").wait_for("neo-module .said.bad");
    // Settings and switches need no button.
    page.fill("#s-plate", "Knock").press("Tab").wait_for(".plate \"Knock\"");
    page.fill("#height", "3")
        .press("Tab")
        .wait_for("neo-module[data-h=\"3\"]");

    // Saved: built anew, and there.
    author.edit("doorbell/src/lib.rs", "button(\"Ring\")", "button(\"Pull\")");
    let seen = bench.waits_for(seen, "is on the wall");
    page.wait_for("button \"Pull\"");
    // Broken: the page says what, and the last good one stays.
    author.edit("doorbell/src/lib.rs", "button(\"Pull\")", "button(\"Pull\"");
    page.wait_for(".trouble pre");
    assert!(page.text(".trouble pre").contains("src/lib.rs") && page.has("button \"Pull\""));
    author.edit("doorbell/src/lib.rs", "button(\"Pull\"", "button(\"Push\")");
    bench.waits_for(seen, "is on the wall");
    page.wait_for("button \"Push\"").wait_gone(".trouble");
    page.check();
}

#[test]
fn the_bench_works_without_scripts_too() {
    let author = Author::new();
    author.does("", &["new", "doorbell"]);
    author.does("doorbell", &["build"]);
    let bench = Bench::open(&author, "doorbell");
    bench.waits_for(0, "is on the wall");
    let browser = Browser::start();
    let page = browser.page();
    page.javascript(false);
    page.goto(&bench.address);
    page.fill("input[name=f-words]", "No script").click("button \"Ring\"");
    page.wait_for(".said \"“No script” — somebody\"");
    page.click("label \"owner\"")
        .click("noscript button, form[action=\"/dev/scene\"] button");
    page.wait_until("document.querySelector('input[value=owner]').checked");
    assert!(
        !Path::new(&author.path("doorbell/neospace.toml")).exists(),
        "the bench leaves nothing in the project"
    );
}
