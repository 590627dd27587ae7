//! Plugins in rooms: commands that people call, filters that read what is said before it is posted; the two that ship,
//! and others that mean harm. Whatever a filter does, talk goes on, unless the operator said otherwise.

#[path = "lanes/guest.rs"]
#[allow(dead_code)]
mod guest;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use neospace::plugins::manifest;
use neospace_tests::{Answer, Builder, Person, Server, eventually, plugin, server::neospace, server::sha256};
use serde_json::{Value, json};
use toml_edit::{Array, value};

/// A component with a manifest.
fn pack(id: &str, more: &str, wasm: &[u8]) -> Vec<u8> {
    let text = format!(
        "id = \"{id}\"\nname = \"The {id}\"\nversion = \"1.0.0\"\nsummary = \"For a test.\"\nlicense = \"MIT\"\n{more}"
    );
    manifest::embed(wasm, &text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The manifest's part for one command.
fn command(name: &str) -> String {
    format!("[[commands]]\nname = \"{name}\"\nusage = \"/{name} this\"\nsummary = \"For a test.\"\n")
}

/// A filter that does as the first letter of a text says, and lets everything else through.
fn moody_filter(id: &str) -> Vec<u8> {
    let on = |letter: char, what: &str| {
        format!(
            "(if (i32.eq (i32.load8_u (local.get $text)) (i32.const {})) (then {what}))",
            letter as u32
        )
    };
    let body = [
        on('L', "(loop $l (br $l))"),
        // Little fuel and much time: one root has to wait for the other.
        on(
            'S',
            "(loop $l (f64.store (i32.const 0) (local.tee $root (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt (local.get $root)))))))
                (br $l))",
        ),
        on('T', "unreachable"),
        on(
            'H',
            "(memory.fill (i32.const 65536) (i32.const 120) (i32.const 60000))
             (return (call $verdict (i32.const 1) (i32.const 65536) (i32.const 60000)))",
        ),
        on(
            'M',
            "(return (call $verdict (i32.const 1) (i32.const 0) (i32.const -1)))",
        ),
        on(
            'E',
            "(return (call $verdict (i32.const 1) (i32.const 1024) (i32.const 3)))",
        ),
        on(
            'U',
            "(return (call $verdict (i32.const 1) (i32.const 1040) (i32.const 4)))",
        ),
        on(
            'N',
            "(return (call $verdict (i32.const 7) (i32.const 1024) (i32.const 3)))",
        ),
        on(
            'R',
            "(return (call $verdict (i32.const 1) (local.get $text) (i32.const 3)))",
        ),
        on(
            'Z',
            "(return (call $verdict (i32.const 2) (local.get $text) (local.get $text_len)))",
        ),
        "(call $verdict (i32.const 0) (i32.const 0) (i32.const 0))".to_owned(),
    ];
    let data = r#"(data (i32.const 1024) " \0a\09") (data (i32.const 1040) "\ff\fe\c0\80")"#;
    let body = format!("(local $root f64) (local.set $root (f64.const 2)) {}", body.join("\n"));
    pack(id, "", &guest::filter(&body, data))
}

/// A filter that makes one letter of another where a text begins with it.
fn changes(id: &str, from: char, to: char) -> Vec<u8> {
    let body = format!(
        "(if (i32.eq (i32.load8_u (local.get $text)) (i32.const {}))
            (then (i32.store8 (local.get $text) (i32.const {}))
                (return (call $verdict (i32.const 1) (local.get $text) (local.get $text_len)))))
         (call $verdict (i32.const 0) (i32.const 0) (i32.const 0))",
        from as u32, to as u32
    );
    pack(id, "", &guest::filter(&body, ""))
}

/// A command that does as its arguments say: the first letter of them, or else it says “fine”.
fn moody_command(id: &str) -> Vec<u8> {
    let on = |letter: char, what: &str| {
        format!(
            "(if (i32.and (i32.ne (local.get $arguments_len) (i32.const 0))
                    (i32.eq (i32.load8_u (local.get $arguments)) (i32.const {})))
                (then {what}))",
            letter as u32
        )
    };
    let body = [
        on('L', "(loop $l (br $l))"),
        on('T', "unreachable"),
        on(
            'H',
            "(memory.fill (i32.const 65536) (i32.const 120) (i32.const 60000))
             (return (call $reply (i32.const 0) (i32.const 65536) (i32.const 60000)))",
        ),
        on(
            'E',
            "(return (call $reply (i32.const 0) (i32.const 1028) (i32.const 3)))",
        ),
        on('N', "(return (call $reply (i32.const 2) (i32.const 0) (i32.const 0)))"),
        on(
            'W',
            "(return (call $reply (i32.const 1) (i32.const 1024) (i32.const 4)))",
        ),
        on('R', "(return (call $refusal (i32.const 1024) (i32.const 4)))"),
        on(
            'S',
            "(return (call $reply (i32.const 0) (local.get $arguments) (local.get $arguments_len)))",
        ),
        // Nearly all that one call may burn.
        on(
            'B',
            "(local.set $now (i64.const 3500000))
             (loop $l (br_if $l (i64.ne (i64.const 0) (local.tee $now (i64.sub (local.get $now) (i64.const 1))))))",
        ),
        "(call $reply (i32.const 0) (i32.const 1024) (i32.const 4))".to_owned(),
    ];
    let data = r#"(data (i32.const 1024) "fine  \0a")"#;
    pack(id, &command("moody"), &guest::commands("", "", &body.join("\n"), data))
}

/// A command that counts its calls, and says how many there were; `r` refuses after counting, `t` traps after counting.
fn counter() -> Vec<u8> {
    let core = r#"(import "neospace:plugin/shared-storage@0.1.0" "add" (func $add (param i32 i32 i64 i32)))"#;
    let body = "
        (call $add (i32.const 1024) (i32.const 5) (i64.const 1) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048)) (then unreachable))
        (if (local.get $arguments_len) (then
            (if (i32.eq (i32.load8_u (local.get $arguments)) (i32.const 114))
                (then (return (call $refusal (i32.const 1024) (i32.const 5)))))
            unreachable))
        (i32.store8 (i32.const 1040) (i32.add (i32.const 48) (i32.load8_u (i32.const 2056))))
        (call $reply (i32.const 0) (i32.const 1040) (i32.const 1))";
    let more = format!("[capabilities]\nshared-storage = \"To count.\"\n{}", command("count"));
    let wasm = guest::commands(
        "import neospace:plugin/shared-storage@0.1.0;",
        core,
        body,
        "(data (i32.const 1024) \"calls\")",
    );
    pack("counter", &more, &wasm)
}

/// A server with this plugin, and time enough for its calls on a machine that does other things too.
fn with(builder: Builder, name: &str, wasm: &[u8], grants: &[&str], more: &str) -> Builder {
    let builder = builder.component(name, wasm, grants);
    builder.config(&format!(
        "[plugin.{name}]\n{more}\n[plugin.{name}.limits]\nact_ms = 5000\nfilter_ms = 5000\n"
    ))
}

/// The word filter with this list.
fn word_filter(action: &str, words: &[&str]) -> Builder {
    let settings = format!("[plugin.word-filter.settings]\naction = \"{action}\"\nwords = {words:?}\n");
    Server::builder().plugin("word-filter").config(&settings)
}

/// People who have come into the lobby.
fn people<const N: usize>(server: &Server, names: [&str; N]) -> [Person; N] {
    names.map(|name| {
        let person = server.person(name);
        person.post_json("/rooms/lobby/join", &[]).expect(200);
        person
    })
}

/// Tries to say something in the lobby.
fn try_say(person: &Person, content: &str) -> Answer {
    person.post_json("/rooms/lobby/messages", &[("content", content)])
}

/// Says something in the lobby; the message.
#[track_caller]
fn say(person: &Person, content: &str) -> Value {
    try_say(person, content).expect(201).json()
}

/// Says something in the lobby; what stands there then.
#[track_caller]
fn posted(person: &Person, content: &str) -> String {
    say(person, content)["content"].as_str().expect("a text").to_owned()
}

/// What stands in the lobby, oldest first.
fn contents(person: &Person) -> Vec<String> {
    let page = person.get_json("/rooms/lobby");
    let page = page.expect(200).json();
    let messages = page["messages"].as_array().expect("a list");
    messages
        .iter()
        .map(|message| message["content"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// `neospace plugin run … --json`: the report.
fn run(file: &std::path::Path, arguments: &[&str]) -> Value {
    eventually("the call is in time", || {
        let output = Command::new(neospace())
            .args(["plugin", "run", &file.display().to_string(), "--json"])
            .args(arguments)
            .output()
            .expect("the program can be started");
        let text = String::from_utf8_lossy(&output.stdout);
        let report: Value = serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        (!report.to_string().contains("it took longer than")).then_some(report)
    })
}

// ---- dice ----

#[test]
fn bob_rolls_dice_for_everyone_to_see_and_ana_rolls_them_again() {
    let server = Server::builder().plugin("dice").start();
    let [ana, bob] = people(&server, ["ana", "bob"]);
    let rolled = say(&bob, "/roll 2d6+1");
    assert_eq!(rolled["plugin"], "dice", "{rolled}");
    assert_eq!(rolled["by"], "bob", "{rolled}");
    let content = rolled["content"].as_str().expect("a text");
    assert!(content.starts_with("**bob** rolled `2d6+1`: **"), "{content}");
    assert_eq!(contents(&ana), [content], "ana sees it as bob does");

    // What anyone can do who has the plugin's file: the same seed, the same dice.
    let seed = content.rsplit('`').nth(1).expect("the seed stands last");
    let again = run(
        &plugin("dice"),
        &["--command", "/roll 2d6+1", "--seed", seed, "--viewer", "member:bob"],
    );
    assert_eq!(again["say"], content, "{again}");

    // Another roll, another seed.
    let other = posted(&bob, "/roll 2d6+1");
    assert!(!other.contains(seed), "{other} has the seed of {content}");
}

#[test]
fn dice_fall_as_the_seed_says() {
    let dice = plugin("dice");
    let roll = |formula: &str| {
        let command = format!("/roll {formula}");
        run(&dice, &["--command", &command, "--seed", "7", "--viewer", "guest"])
    };
    let said = |formula: &str| roll(formula)["say"].as_str().unwrap_or_default().to_owned();
    // SplitMix64 from 7: computed here once more, as the plugin's description says.
    let mut state = 7_u64;
    let mut next = |sides: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % sides + 1
    };
    let fallen: Vec<u64> = (0..4).map(|_| next(6)).collect();
    let sum: u64 = fallen.iter().sum();
    let all = fallen.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    assert_eq!(
        said("4d6"),
        format!("Rolled `4d6`: **{sum}** = `[{all}]`. Seed `0x0000000000000007`")
    );
    let least = fallen.iter().min().expect("there are four");
    assert!(
        said("4d6kh3").contains(&format!("**{}**", sum - least)),
        "{}",
        said("4d6kh3")
    );
    assert!(said("4d6kh3").contains(&format!("({least})")));
    assert!(said("4d6 - 2").contains(&format!("`4d6-2`: **{}** = `[{all}] - 2`", sum as i64 - 2)));
    assert!(said("D20 adv").contains("`2d20kh1`") && said("d20+3 dis").contains("`2d20kl1+3`"));
    assert!(said("d%").contains("`d100`") && said("").contains("`d6`"));

    for (formula, why) in [
        ("2d6 1", "can't be rolled"),
        ("0d6", "1 to 100 dice"),
        ("d1", "2 to 1000 sides"),
        ("d1001", "2 to 1000 sides"),
        ("60d6+60d6", "up to 100"),
        ("2d6kh3", "1 to 2 can be kept"),
        ("5", "no die"),
        ("2d6+", "can't be rolled"),
        ("2d6 adv", "one single die"),
        ("d6+9999999", "too large"),
        ("d99999999999999999999", "2 to 1000 sides"),
        ("(((", "can't be rolled"),
        ("`**@ana**`", "can't be rolled"),
        (&"d6+".repeat(40), "can't be rolled"),
        (&vec!["1"; 30].join("+"), "30 terms"),
    ] {
        let refused = roll(formula);
        let said = refused["message"].as_str().unwrap_or_default();
        assert!(said.contains(why), "{formula}: {refused}");
    }
}

#[test]
fn a_command_that_cannot_be_done_says_why_and_stays_in_the_box() {
    let server = Server::builder().plugin("dice").start();
    let [ana] = people(&server, ["ana"]);
    let refused = try_say(&ana, "/roll 200d6").expect(422).text();
    assert!(refused.contains("1 to 100 dice"), "{refused}");
    let unknown = try_say(&ana, "/rol 2d6").expect(422).text();
    assert!(unknown.contains("no command /rol; there are: /roll"), "{unknown}");
    let page = ana
        .post("/rooms/lobby/messages", &[("content", "/roll 200d6")])
        .expect(422)
        .text();
    assert!(
        page.contains("1 to 100 dice") && page.contains("/roll 200d6</textarea>"),
        "{page}"
    );
    assert!(contents(&ana).is_empty());
    // A slash that is meant as one.
    assert_eq!(posted(&ana, "//roll 2d6"), "/roll 2d6");
    assert_eq!(posted(&ana, "/ roll"), "/ roll");
    assert!(posted(&ana, "/Roll D6").contains("**ana** rolled"));
}

#[test]
fn commands_and_filters_work_over_the_line_too() {
    let builder = word_filter("refuse", &["kelp"]).plugin("dice");
    let server = with(builder, "moody", &moody_command("moody"), &[], "").start();
    let [ana, bob] = people(&server, ["ana", "bob"]);
    let (anas, bobs) = (ana.live(), bob.live());
    for line in [&anas, &bobs] {
        line.send(json!({ "event": "join_room", "room": "lobby" }));
        line.wait("room_joined", |_| true);
    }
    bobs.send(json!({ "event": "send_message", "content": "/roll 2d6", "nonce": "a", "ref": 1 }));
    let rolled = |frame: &Value| frame.to_string().contains("rolled");
    let (mine, theirs) = (bobs.wait("message", rolled), anas.wait("message", rolled));
    assert_eq!((&mine["ref"], &mine["nonce"]), (&json!(1), &json!("a")), "{mine}");
    assert_eq!(mine["id"], theirs["id"]);
    // Sent again because the answer was lost: the same roll, not another.
    bobs.send(json!({ "event": "send_message", "content": "/roll 2d6", "nonce": "a", "ref": 2 }));
    assert_eq!(bobs.wait("message", |frame| frame["ref"] == 2)["id"], mine["id"]);
    assert_eq!(contents(&ana).len(), 1);
    for (content, why) in [
        ("/roll 0d6", "1 to 100 dice"),
        ("/rol", "there are: /moody, /roll"),
        ("much kelp", "isn’t said here"),
        ("/moody Trap", "crashed"),
    ] {
        bobs.send(json!({ "event": "send_message", "content": content, "ref": 3 }));
        let error = bobs.wait("error", |frame| frame.to_string().contains(why));
        assert_eq!(error["ref"], 3, "{error}");
    }
    bobs.send(json!({ "event": "send_message", "content": "/moody Whisper", "ref": 4 }));
    let whisper = bobs.wait("whisper", |_| true);
    assert!(
        whisper["html"].as_str().is_some_and(|html| html.contains("fine")),
        "{whisper}"
    );
    bobs.send(json!({ "event": "send_message", "content": "so", "ref": 5 }));
    anas.wait("message", |frame| frame.to_string().contains("so"));
    assert!(
        !anas.frames().iter().any(|frame| frame["event"] == "whisper"),
        "nobody else hears a whisper"
    );
    assert_eq!(contents(&ana).len(), 2);
}

// ---- word filter ----

#[test]
fn words_on_the_list_are_starred() {
    let server = word_filter("rewrite", &["kelp", "naïve", "Straße", "sea slug", "🍆"]).start();
    let [ana] = people(&server, ["ana"]);
    for (typed, stands) in [
        ("nothing here, kelpies", "nothing here, kelpies"),
        ("KELP, kelp!", "∗∗∗∗, ∗∗∗∗!"),
        ("k\u{200b}e\u{2060}l\u{ad}p", "∗∗∗∗"),
        ("k\u{336}e\u{336}l\u{336}p ｋｅｌｐ", "∗∗∗∗ ∗∗∗∗"),
        ("nai\u{308}ve, NAÏVE, naive", "∗∗∗∗∗, ∗∗∗∗∗, naive"),
        ("strasse STRAẞE", "∗∗∗∗∗∗∗ ∗∗∗∗∗∗"),
        ("a sea  slug; a sea\nslug; slug", "a ∗∗∗  ∗∗∗∗; a sea\nslug; slug"),
        ("an 🍆", "an ∗"),
        ("**kelp** _kelp_ `kelp` ~kelp~", "**∗∗∗∗** _∗∗∗∗_ `∗∗∗∗` ~∗∗∗∗~"),
        (
            "[kelp](https://kelp.example/kelp) https://a.example/x_(kelp)?kelp=1 kelp",
            "[∗∗∗∗](https://kelp.example/kelp) https://a.example/x_(kelp)?kelp=1 ∗∗∗∗",
        ),
    ] {
        assert_eq!(posted(&ana, typed), stands, "{typed:?}");
    }
    // An edit is something said too.
    let message = say(&ana, "weed");
    let at = format!("/rooms/lobby/messages/{}", message["id"]);
    ana.post_json(&at, &[("content", "kelp, weed")]).expect(200);
    assert_eq!(contents(&ana).pop().as_deref(), Some("∗∗∗∗, weed"));
}

#[test]
fn a_word_on_the_list_is_refused_with_a_sentence_and_the_text_stays_in_the_box() {
    let server = word_filter("refuse", &["kelp"]).start();
    let [ana] = people(&server, ["ana"]);
    let refused = try_say(&ana, "much Kelp today").expect(422).text();
    assert!(refused.contains("“kelp” isn’t said here"), "{refused}");
    let page = ana
        .post("/rooms/lobby/messages", &[("content", "see https://kelp.example")])
        .expect(422)
        .text();
    assert!(
        page.contains("isn’t said here") && page.contains("see https://kelp.example</textarea>"),
        "{page}"
    );
    let message = say(&ana, "weed");
    let at = format!("/rooms/lobby/messages/{}", message["id"]);
    ana.post_json(&at, &[("content", "kelp")]).expect(422);
    assert_eq!(contents(&ana), ["weed"]);
}

#[test]
fn a_list_of_a_thousand_words_is_quick_whatever_is_typed() {
    let mut words: Vec<String> = (0..1_000).map(|n| format!("word{n:03}ish")).collect();
    words.extend(["bad", "foo bar", "ß"].map(String::from));
    let settings = json!({ "words": words, "action": "rewrite" }).to_string();
    let long = |piece: &str| piece.repeat(4_000 / piece.chars().count()).trim().to_owned();
    for text in [
        "Good evening.".to_owned(),
        long("lorem ipsum dolor "),
        long("bad "),
        long("a "),
        long("]("),
        long("http://"),
        long("foo bar "),
        long("ß"),
        long("b\u{301}"),
        long("("),
        long("漢字仮名"),
    ] {
        let report = run(&plugin("word-filter"), &["--text", &text, "--settings", &settings]);
        let used = report["fuel"]["used"].as_u64().expect("a number");
        assert!(
            used < 3_500_000,
            "{used} of 5,000,000 for {:?}: {report}",
            text.chars().take(10).collect::<String>()
        );
        assert!(
            matches!(report["outcome"].as_str(), Some("pass" | "rewrite")),
            "{report}"
        );
    }
}

#[test]
fn the_operators_settings_are_held_against_the_manifest_with_file_and_line() {
    let server = word_filter("rewrite", &["kelp"]).expect_in_log("is refused").start();
    let [ana] = people(&server, ["ana"]);
    let before = std::fs::read_to_string(server.folder().join("neospace.toml")).expect("it can be read");
    for (from, to, why) in [
        (
            "\"kelp\"",
            "7",
            "settings.words: Words that aren’t said here is a list of texts",
        ),
        ("\"rewrite\"", "\"shout\"", "settings.action: What happens is one of"),
        (
            "\"kelp\"]",
            "\"kelp\"]\nword = \"x\"",
            "settings.word: there is no setting `word`; there are: words, action",
        ),
    ] {
        let seen = server.log().lines().len();
        server.write_config(&before.replace(from, to));
        let said = eventually(why, || {
            let lines = server.log().lines();
            lines[seen..].iter().find(|line| line.contains("is refused")).cloned()
        });
        assert!(said.contains(why), "{why}: {said}");
        let line = 1 + before
            .replace(from, to)
            .lines()
            .position(|line| {
                let key = why.split("settings.").nth(1).and_then(|rest| rest.split(':').next());
                line.starts_with(&format!("{} =", key.expect("a key")))
            })
            .expect("it stands there");
        assert!(said.contains(&format!("neospace.toml:{line}: ")), "line {line}: {said}");
        assert_eq!(posted(&ana, "kelp"), "∗∗∗∗", "the old list holds");
    }
    server.write_config(&before.replace("\"kelp\"", "\"kelp\", \"weed\""));
    eventually("the new list", || (posted(&ana, "weed") == "∗∗∗∗").then_some(()));
}

#[test]
fn on_failure_and_settings_belong_to_plugins_of_rooms() {
    let server = Server::builder()
        .plugin("dice")
        .plugin("flower")
        .expect_in_log("is refused")
        .start();
    for (plugin, key, item, why) in [
        ("dice", "on_failure", value("closed"), "it filters nothing"),
        (
            "flower",
            "settings",
            value(toml_edit::InlineTable::from_iter([("pot", false)])),
            "members set them there",
        ),
    ] {
        let seen = server.log().lines().len();
        server.edit_config(|config| config["plugin"][plugin][key] = item.clone());
        eventually(why, || {
            let lines = server.log().lines();
            lines[seen..]
                .iter()
                .any(|line| line.contains("is refused") && line.contains(why))
                .then_some(())
        });
        server.edit_config(|config| {
            config["plugin"][plugin].as_table_mut().expect("a stanza").remove(key);
        });
    }
}

#[test]
fn filters_read_one_after_another_in_the_order_of_the_file() {
    // By name they would stand the other way around.
    let builder = with(Server::builder(), "zebra", &changes("zebra", 'a', 'b'), &[], "");
    let server = with(builder, "ape", &changes("ape", 'b', 'c'), &[], "").start();
    let [ana] = people(&server, ["ana"]);
    assert_eq!(posted(&ana, "a tin"), "c tin");
    let text = std::fs::read_to_string(server.folder().join("neospace.toml")).expect("it can be read");
    let mut stanzas: Vec<&str> = text.split("\n[plugin.").collect();
    let (head, rest) = stanzas.split_at_mut(1);
    // Each plugin has its stanza and its limits.
    rest.rotate_left(2);
    server.write_config(&[head[0], &rest.join("\n[plugin.")].join("\n[plugin."));
    eventually("the other order", || (posted(&ana, "a tin") == "b tin").then_some(()));
}

// ---- failures ----

/// What the filter does to texts that begin so.
const MOODS: [&str; 7] = ["Loops", "Traps", "Huge", "Monstrous", "Empty", "Unreadable", "Nonsense"];

#[test]
fn a_filter_that_fails_lets_talk_go_on() {
    for mood in MOODS {
        let server = with(Server::builder(), "moody", &moody_filter("moody"), &[], "").start();
        let [ana, bob] = people(&server, ["ana", "bob"]);
        // More often than the breaker bears: afterwards it isn't asked for ana any more.
        for turn in 0..5 {
            let text = format!("{mood} {turn}");
            assert_eq!(posted(&ana, &text), text);
        }
        // Nobody else has to do without it.
        assert_eq!(posted(&bob, "Rewritten"), "Rew", "{mood}: bob's words are read as ever");
        let refused = try_say(&bob, "Zap").expect(422).text();
        assert!(refused.contains("Zap"), "{refused}");
        let faults = server
            .log()
            .lines()
            .iter()
            .filter(|line| line.contains("a plugin failed"))
            .count();
        assert_eq!(faults, 3, "{mood} is told of three times, then the filter rests");
    }
}

#[test]
fn a_filter_that_fails_closed_stops_what_it_could_not_read() {
    let closed = "on_failure = \"closed\"";
    let server = with(Server::builder(), "moody", &moody_filter("moody"), &[], closed).start();
    let [ana, bob] = people(&server, ["ana", "bob"]);
    for mood in MOODS {
        let refused = try_say(&ana, mood).expect(422).text();
        assert!(refused.contains("before The moody has read it"), "{mood}: {refused}");
    }
    let page = bob
        .post("/rooms/lobby/messages", &[("content", "Traps")])
        .expect(422)
        .text();
    assert!(
        page.contains("Traps</textarea>"),
        "what was typed is still there: {page}"
    );
    assert_eq!(posted(&bob, "words"), "words");
    assert_eq!(contents(&bob), ["words"]);
    // The operator thinks again.
    server.edit_config(|config| config["plugin"]["moody"]["on_failure"] = value("open"));
    eventually("talk goes on", || (try_say(&ana, "Traps").status == 201).then_some(()));
}

#[test]
fn a_filter_that_cannot_be_loaded_and_must_not_be_missing_stops_talk_at_the_start() {
    let broken = |more: &str| {
        Server::builder()
            .component("broken", b"not a component", &[])
            .config(&format!("[plugin.broken]\n{more}\n"))
            .expect_in_log("plugin broken")
            .start()
    };
    let server = broken("on_failure = \"closed\"");
    let [ana] = people(&server, ["ana"]);
    try_say(&ana, "words").expect(422);
    let server = broken("on_failure = \"open\"");
    let [ana] = people(&server, ["ana"]);
    assert_eq!(posted(&ana, "words"), "words");
}

#[test]
fn a_filter_that_takes_its_time_holds_talk_up_for_a_moment_only() {
    // The usual 20 ms, and fuel for many seconds.
    let builder = Server::builder().component("moody", &moody_filter("moody"), &[]);
    let server = builder
        .config("[plugin.moody.limits]\nfilter_fuel = 1000000000\n")
        .start();
    let [ana, bob] = people(&server, ["ana", "bob"]);
    for turn in 0..3 {
        let since = Instant::now();
        let text = format!("Slow {turn}");
        assert_eq!(posted(&ana, &text), text);
        // What the machine itself takes is no matter of the filter's.
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    }
    assert_eq!(posted(&bob, "words"), "words");
}

#[test]
fn a_filter_is_revoked_in_the_middle_of_a_message_and_talk_goes_on() {
    let wasm = moody_filter("moody");
    let builder = with(Server::builder(), "moody", &wasm, &[], "on_failure = \"closed\"");
    let server = builder
        .config("[plugin.moody.limits]\nfilter_fuel = 1000000000\n")
        .start();
    let [ana] = people(&server, ["ana"]);
    std::thread::scope(|scope| {
        let said = scope.spawn(|| {
            let since = Instant::now();
            (try_say(&ana, "Slowly").status, since.elapsed())
        });
        let hash = sha256(&wasm);
        server.edit_config(|config| {
            config["plugins"]["revoked"] = value([hash.as_str()].into_iter().collect::<Array>());
        });
        let (status, took) = said.join().expect("it answered");
        assert_eq!(status, 201, "a filter that isn't there any more stops nobody");
        assert!(took < Duration::from_secs(4), "it had five seconds: {took:?}");
    });
    assert_eq!(posted(&ana, "Traps"), "Traps");
    let page = server.guest().get("/plugins/moody").expect(200).text();
    assert!(page.contains("revoked"), "{page}");
}

// ---- commands that mean harm ----

#[test]
fn a_command_that_fails_says_so_to_its_caller_and_rests_for_them_alone() {
    let server = with(Server::builder(), "moody", &moody_command("moody"), &[], "").start();
    let [ana, bob, cyd, dora] = people(&server, ["ana", "bob", "cyd", "dora"]);
    assert_eq!(posted(&ana, "/moody"), "fine");
    for (arguments, why) in [
        ("Loop", "ran out of fuel"),
        ("Trap", "crashed"),
        ("Huge", "breaks a rule"),
    ] {
        let failed = try_say(&ana, &format!("/moody {arguments}")).expect(503).text();
        assert!(
            failed.contains(why) && failed.contains("Nothing was said."),
            "{arguments}: {failed}"
        );
    }
    let rests = try_say(&ana, "/moody").expect(503).text();
    assert!(rests.contains("rests"), "{rests}");
    assert_eq!(posted(&bob, "/moody"), "fine", "it rests for ana alone");
    try_say(&bob, "/moody Empty").expect(503);
    assert_eq!(posted(&bob, "/moody"), "fine");
    // It fails for three people: then it is the plugin.
    try_say(&cyd, "/moody Trap").expect(503);
    let rests = try_say(&dora, "/moody").expect(503).text();
    assert!(rests.contains("rests"), "{rests}");
    assert_eq!(contents(&ana), ["fine", "fine", "fine"]);
}

#[test]
fn a_command_may_refuse_whisper_or_say_nothing() {
    let server = with(Server::builder(), "moody", &moody_command("moody"), &[], "").start();
    let [ana, bob] = people(&server, ["ana", "bob"]);
    assert!(try_say(&ana, "/moody Refuse").expect(422).text().contains("fine"));
    let whispered = try_say(&ana, "/moody Whisper").expect(200).json();
    assert!(
        whispered["whisper"].as_str().is_some_and(|said| said.contains("fine")),
        "{whispered}"
    );
    try_say(&ana, "/moody Nothing").expect(200);
    assert!(contents(&bob).is_empty(), "nobody else has seen any of it");
}

#[test]
fn what_a_command_says_is_filtered_too() {
    let builder = word_filter("rewrite", &["kelp"]);
    let server = with(builder, "moody", &moody_command("moody"), &[], "").start();
    let [ana] = people(&server, ["ana"]);
    let said = say(&ana, "/moody Say kelp");
    assert_eq!(said["content"], "Say ∗∗∗∗");
    assert!(
        !said.to_string().contains("kelp"),
        "nor does it stand in the call: {said}"
    );
}

#[test]
fn one_command_that_burns_all_it_may_cannot_take_the_others_fuel() {
    let builder = Server::builder().plugin("dice");
    let builder = with(builder, "moody", &moody_command("moody"), &[], "");
    let server = builder
        .config("[plugin.moody.limits]\nfuel_per_second = 20000000\n")
        .start();
    let [ana, bob] = people(&server, ["ana", "bob"]);
    // Ten seconds' worth of fuel at once, then no more than flows in.
    let spent = eventually("the fuel is spent", || {
        let answer = try_say(&ana, "/moody Burn");
        (answer.status != 201).then_some(answer)
    });
    let spent = spent.expect(429);
    assert!(!spent.header("retry-after").is_empty());
    assert!(spent.text().contains("used up the fuel"), "{}", spent.text());
    assert!(posted(&bob, "/roll d6").contains("bob"), "dice have fuel of their own");
}

#[test]
fn what_a_command_writes_is_kept_when_it_ends_well_and_not_otherwise() {
    let server = with(Server::builder(), "counter", &counter(), &["shared-storage"], "").start();
    let [ana, bob] = people(&server, ["ana", "bob"]);
    assert_eq!(posted(&ana, "/count"), "1");
    try_say(&ana, "/count refuse").expect(422);
    try_say(&ana, "/count trap").expect(503);
    assert_eq!(
        posted(&bob, "/count"),
        "2",
        "the server over, and without those that failed"
    );
    // Those who call at the same time take turns.
    let said: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = [&ana, &bob, &ana, &bob]
            .into_iter()
            .map(|person| scope.spawn(|| posted(person, "/count")))
            .collect();
        calls
            .into_iter()
            .map(|call| call.join().expect("it answered"))
            .collect()
    });
    let mut said = said;
    said.sort();
    assert_eq!(said, ["3", "4", "5", "6"]);
}

#[test]
fn a_command_has_one_plugin() {
    let (first, second) = (moody_command("first"), moody_command("second"));
    let builder = with(Server::builder(), "second", &second, &[], "");
    let server = with(builder, "first", &first, &[], "")
        .expect_in_log("plugin first: the command /moody is second's")
        .start();
    server.wait_in_log("plugin first: the command /moody is second's already");
    let [ana] = people(&server, ["ana"]);
    assert_eq!(
        say(&ana, "/moody")["plugin"],
        "second",
        "the one whose stanza comes first"
    );
    server.edit_config(|config| config["plugin"]["second"]["enabled"] = value(false));
    eventually("the other answers", || {
        let answer = try_say(&ana, "/moody");
        (answer.status == 201 && answer.json()["plugin"] == "first").then_some(())
    });
}

// ---- what members can read ----

#[test]
fn everyone_can_read_what_a_plugin_does_in_rooms() {
    let server = word_filter("rewrite", &["kelp"]).plugin("dice").start();
    let ana = server.person("ana");
    let gallery = ana.get("/plugins").expect(200).text();
    assert!(gallery.contains("speaks in rooms: /roll"), "{gallery}");
    assert!(gallery.contains("reads what is said in rooms"), "{gallery}");
    let dice = ana.get("/plugins/dice").expect(200).text();
    assert!(
        dice.contains("/roll 2d6+1") && dice.contains("To say whose roll it is."),
        "{dice}"
    );
    assert!(!dice.contains("Put it on my wall"), "there is nothing of it for walls");
    let filter = ana.get("/plugins/word-filter").expect(200).text();
    assert!(filter.contains("Every message in a room, and every edit"), "{filter}");
    assert!(
        filter.contains("posted as if it were not there") && !filter.contains("kelp"),
        "{filter}"
    );
    let refused = ana
        .post_json("/wall/ana/modules", &[("plugin", "dice")])
        .expect(422)
        .text();
    assert!(refused.contains("works in rooms"), "{refused}");
    assert!(!ana.get("/wall/ana?edit=1").text().contains("Word filter"));
}
