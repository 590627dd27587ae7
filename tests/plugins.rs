//! The plugin platform as operators, members and visitors meet it: what is installed, shown, pressed, upgraded, revoked,
//! and what happens when a plugin is broken or hostile.

#[path = "lanes/guest.rs"]
#[allow(dead_code)]
mod guest;

use std::time::Instant;

use neospace::plugins::{
    manifest,
    tokens::{self, Actions, Audience, Signer},
};
use neospace_runner::protocol::ViewerClass;
use neospace_tests::{Person, Server, eventually, server::sha256};
use toml_edit::{Array, value};

/// A component with a manifest.
fn pack(id: &str, version: &str, more: &str, wasm: &[u8]) -> Vec<u8> {
    let text = format!(
        "id = \"{id}\"\nname = \"The {id}\"\nversion = \"{version}\"\nsummary = \"For a test.\"\nlicense = \"MIT\"\n{more}"
    );
    manifest::embed(wasm, &text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A widget that shows a few words.
fn says(words: &str) -> Vec<u8> {
    let render = format!("(call $text (i32.const 1024) (i32.const {}))", words.len());
    guest::widget(&render, &format!("(data (i32.const 1024) \"{words}\")"))
}

/// A widget that says its words and asks for `log`.
fn says_and_logs(words: &str) -> Vec<u8> {
    let render = format!(
        "(call $log (i32.const 1) (i32.const 1024) (i32.const {n})) (call $text (i32.const 1024) (i32.const {n}))",
        n = words.len()
    );
    let data = format!("(data (i32.const 1024) \"{words}\")");
    guest::widget_importing(guest::LOG_WIT, guest::LOG_CORE, &render, &data)
}

/// Puts a plugin on somebody's own wall; the module's address.
fn put_up(person: &Person, plugin: &str) -> String {
    let wall = &person.name;
    let there = person
        .post(&format!("/wall/{wall}/modules"), &[("plugin", plugin)])
        .see_other();
    let id = there
        .split("module=")
        .nth(1)
        .and_then(|rest| rest.split('#').next())
        .expect("it leads to the new module");
    format!("/wall/{wall}/modules/{id}")
}

/// The tokens in a page, in order.
fn buttons(page: &str) -> Vec<String> {
    page.split("name=\"token\" value=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
        .collect()
}

/// Replaces a plugin's file and stanza, as an operator does by hand.
fn upgrade(server: &Server, name: &str, wasm: &[u8], grants: &[&str]) {
    let hash = sha256(wasm);
    let file = format!("plugins/{name}-{}.wasm", &hash[..8]);
    std::fs::write(server.folder().join(&file), wasm).expect("the folder can be written");
    server.edit_config(|config| {
        let stanza = &mut config["plugin"][name];
        stanza["source"] = value(file);
        stanza["sha256"] = value(hash);
        stanza["grants"] = value(grants.iter().copied().collect::<Array>());
    });
}

fn revoke(server: &Server, wasm: &[u8], why: &str) {
    let hash = sha256(wasm);
    server.edit_config(|config| {
        config["plugins"]["revoked"] = value([hash.as_str()].into_iter().collect::<Array>());
        config["plugins"]["revoked_because"][&hash] = value(why);
    });
}

#[test]
fn visitors_see_what_a_plugin_shows() {
    let server = Server::builder()
        .component("hello", &pack("hello", "1.0.0", "", &says("good evening")), &[])
        .start();
    let ana = server.person("ana");
    put_up(&ana, "hello");
    for who in [&ana, &server.guest(), &server.person("bob")] {
        let page = who.get("/wall/ana").expect(200).text();
        assert!(page.contains("good evening"), "{} sees it", who.name);
    }
    assert!(
        server
            .guest()
            .get("/wall/ana?safe=1")
            .expect(200)
            .text()
            .find("good evening")
            .is_none()
    );
}

#[test]
fn a_member_votes_and_nobody_can_vote_in_their_place() {
    let server = Server::builder().plugin("poll").start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let poll = put_up(&ana, "poll");
    ana.post(
        &format!("{poll}/settings"),
        &[
            ("s-question", "Tea or coffee?"),
            ("s-answers-0-answer", "Tea"),
            ("s-answers-1-answer", "Coffee"),
            ("grant", "storage"),
            ("grant", "live"),
        ],
    )
    .expect(303);
    let act = format!("{poll}/act");
    let seen = bob.get(&poll).expect(200).text();
    let bobs = buttons(&seen);
    assert_eq!(bobs.len(), 2, "one button an answer: {seen}");
    assert!(!seen.contains("(yours)"));
    bob.post(&act, &[("token", &bobs[0])]).expect(303);
    assert!(bob.get("/wall/ana").text().contains("(yours)"), "bob sees his own vote");
    assert!(!cyd.get("/wall/ana").text().contains("(yours)"), "and nobody else does");
    assert!(!server.guest().get("/wall/ana").text().contains("(yours)"));

    // Bob's button in other hands, on other modules, and with a bit changed.
    let refused = cyd.post_json(&act, &[("token", &bobs[1])]).expect(422).text();
    assert!(refused.contains("somebody else"), "{refused}");
    server.guest().post_json(&act, &[("token", &bobs[1])]).expect(422);
    let other = put_up(&ana, "poll");
    bob.post_json(&format!("{other}/act"), &[("token", &bobs[1])])
        .expect(403);
    let mut forged = bobs[1].clone();
    forged.replace_range(30..31, if &forged[30..31] == "A" { "B" } else { "A" });
    bob.post_json(&act, &[("token", &forged)]).expect(403);
    bob.post_json(&act, &[("token", "")]).expect(403);
    bob.post_json(&act, &[]).expect(403);
    assert!(bob.get("/wall/ana").text().contains("(yours)"));

    // Only the owner closes it; then it has lengths, and no figures.
    let close = buttons(&ana.get(&poll).text()).pop().expect("the owner's button");
    bob.post_json(&act, &[("token", &close)]).expect(422);
    ana.post(&act, &[("token", &close)]).expect(303);
    assert!(server.guest().get("/wall/ana").text().contains("Closed."));
    assert!(
        bob.post_json(&act, &[("token", &bobs[1])])
            .expect(422)
            .text()
            .contains("closed")
    );
}

#[test]
fn a_revoked_plugin_is_gone_within_a_second_and_what_it_kept_stays() {
    let server = Server::builder().plugin("mood").start();
    let ana = server.person("ana");
    let mood = ana.get("/wall/ana").between("data-name=\"Mood\" data-at=\"", "\"");
    let wasm = std::fs::read(neospace_tests::plugin("mood")).expect("it was built");
    revoke(&server, &wasm, "it told lies");
    let since = Instant::now();
    eventually("the tombstone", || {
        server
            .guest()
            .get("/wall/ana")
            .text()
            .contains("it told lies")
            .then_some(())
    });
    assert!(since.elapsed().as_millis() < 2_000, "{:?}", since.elapsed());
    let token = "x".repeat(60);
    let refused = server
        .guest()
        .post_json(&format!("{mood}/act"), &[("token", &token)])
        .expect(409)
        .text();
    assert!(refused.contains("revoked"), "{refused}");
    // Also under another name, and after a restart.
    let mut server = server;
    server.restart();
    assert!(server.guest().get("/wall/ana").text().contains("it told lies"));
    server.edit_config(|config| {
        config["plugins"]["revoked"] = value(Array::new());
    });
    eventually("the module is back", || {
        (!server.guest().get("/wall/ana").text().contains("it told lies")).then_some(())
    });
}

#[test]
fn an_upgrade_is_seen_at_once_and_one_that_asks_for_more_waits() {
    let server = Server::builder()
        .component("hello", &pack("hello", "1.0.0", "", &says("first")), &[])
        .start();
    let ana = server.person("ana");
    put_up(&ana, "hello");
    let sees = |words: &str| {
        eventually(words, || {
            server.guest().get("/wall/ana").text().contains(words).then_some(())
        })
    };
    sees("first");
    upgrade(&server, "hello", &pack("hello", "1.1.0", "", &says("second")), &[]);
    sees("second");

    let asks = pack(
        "hello",
        "2.0.0",
        "[capabilities]\nlog = \"To chat.\"\n",
        &says_and_logs("third"),
    );
    upgrade(&server, "hello", &asks, &[]);
    server.wait_in_log("an upgrade waits");
    assert!(
        server.guest().get("/wall/ana").text().contains("second"),
        "the old version stays in force"
    );
    // Over a restart too.
    let mut server = server;
    server.restart();
    assert!(server.guest().get("/wall/ana").text().contains("second"));
    upgrade(&server, "hello", &asks, &["log"]);
    eventually("third", || {
        server.guest().get("/wall/ana").text().contains("third").then_some(())
    });
}

#[test]
fn a_broken_reload_changes_nothing_and_says_why() {
    let good = pack("hello", "1.0.0", "", &says("still here"));
    let server = Server::builder()
        .component("hello", &good, &[])
        .expect_in_log("is refused")
        .start();
    let ana = server.person("ana");
    put_up(&ana, "hello");
    let lies = guest::widget_importing(
        guest::LOG_WIT,
        guest::LOG_CORE,
        "(call $text (i32.const 0) (i32.const 0))",
        "",
    );
    let mut truncated = good.clone();
    truncated.truncate(good.len() / 2);
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("without giving a reason", pack("hello", "2.0.0", "", &lies)),
        ("its stanza must be", pack("other", "2.0.0", "", &says("x"))),
        ("no manifest", says("x")),
        (
            "core WebAssembly module",
            wat::parse_str("(module)").expect("it is one"),
        ),
        ("not a WebAssembly component", b"hello".to_vec()),
        ("cut off", truncated),
        (
            "first render",
            pack("hello", "2.0.0", "", &guest::widget("unreachable", "")),
        ),
        (
            "first render",
            pack(
                "hello",
                "2.0.0",
                "",
                &guest::widget("(loop $l (br $l)) (i32.const 0)", ""),
            ),
        ),
        (
            "breaks a rule",
            pack(
                "hello",
                "2.0.0",
                "",
                &guest::widget("(call $text (i32.const 1024) (i32.const 65537))", ""),
            ),
        ),
        (
            "doesn't exist",
            pack("hello", "2.0.0", "", &{
                let more = "package neospace:other@0.1.0;\ninterface files { open: func(); }";
                let core = guest::widget_module(
                    "(import \"neospace:other/files@0.1.0\" \"open\" (func $open))",
                    "(call $open) (call $text (i32.const 0) (i32.const 0))",
                    "",
                );
                guest::component_with(
                    &[more],
                    "import neospace:other/files@0.1.0; export neospace:plugin/widget@0.1.0;",
                    &core,
                )
            }),
        ),
    ];
    for (why, wasm) in broken {
        let before = server.log().lines().len();
        upgrade(&server, "hello", &wasm, &["log"]);
        let said = eventually(why, || {
            let lines = server.log().lines();
            lines[before..].iter().find(|line| line.contains("is refused")).cloned()
        });
        assert!(said.contains(why) || why == "doesn't exist", "{why}: {said}");
        assert!(server.guest().get("/wall/ana").text().contains("still here"), "{why}");
    }
    // A wrong pin.
    let before = server.log().lines().len();
    server.edit_config(|config| config["plugin"]["hello"]["sha256"] = value("0".repeat(64)));
    eventually("the wrong pin", || {
        server.log().lines()[before..]
            .iter()
            .any(|line| line.contains("but its stanza pins"))
            .then_some(())
    });
    assert!(server.guest().get("/wall/ana").text().contains("still here"));
}

#[test]
fn a_server_starts_without_the_plugins_that_cannot_be_loaded() {
    let server = Server::builder()
        .component("hello", &pack("hello", "1.0.0", "", &says("good evening")), &[])
        .component("broken", b"not a component", &[])
        .component(
            "greedy",
            &pack("greedy", "1.0.0", "[capabilities]\nlog = \"x\"\n", &says_and_logs("x")),
            &[],
        )
        .expect_in_log("plugin broken")
        .expect_in_log("plugin greedy")
        .start();
    let said = server.log().lines().join("\n");
    assert!(
        said.contains("not a WebAssembly component") && said.contains("it needs log, not granted"),
        "{said}"
    );
    let ana = server.person("ana");
    put_up(&ana, "hello");
    assert!(server.guest().get("/wall/ana").text().contains("good evening"));
    ana.post("/wall/ana/modules", &[("plugin", "broken")]).expect(422);
}

#[test]
fn outside_of_dev_every_plugin_is_pinned() {
    let wasm = pack("hello", "1.0.0", "", &says("good evening"));
    let server = Server::builder()
        .component("hello", &wasm, &[])
        .expect_in_log("is refused")
        .start();
    server.edit_config(|config| {
        config["plugin"]["hello"]
            .as_table_mut()
            .expect("a stanza")
            .remove("sha256");
    });
    server.wait_in_log("every plugin is pinned");
    assert!(
        server.log().lines().join("\n").contains(&sha256(&wasm)),
        "it says which hash it would be"
    );
}

/// A widget that counts its visits, says how many, and crashes when it is told to: the act adds one, and from the third
/// on the render traps.
fn crashes_from_the_third_on() -> Vec<u8> {
    let render = "
        (call $get (i32.const 1024) (i32.const 6) (i32.const 2048))
        (if (i32.eqz (i32.load (i32.const 2052))) (then (return (call $text (i32.const 1040) (i32.const 10)))))
        (if (i32.ge_u (i32.load8_u (i32.load (i32.const 2056))) (i32.const 51)) (then unreachable))
        (call $text (i32.load (i32.const 2056)) (i32.load (i32.const 2060)))";
    let wit = format!("{} export neospace:plugin/widget@0.1.0;", guest::STORAGE_WIT);
    let module = guest::widget_module(
        guest::STORAGE_CORE,
        render,
        "(data (i32.const 1024) \"visits\") (data (i32.const 1040) \"nobody yet\")",
    );
    pack(
        "count",
        "1.0.0",
        "[capabilities]\nstorage = \"To count.\"\n",
        &guest::component(&wit, &module),
    )
}

#[test]
fn a_view_that_fails_leaves_the_last_good_one_and_after_three_failures_the_plugin_rests() {
    let server = Server::builder()
        .component("count", &crashes_from_the_third_on(), &["storage"])
        .start();
    let ana = server.person("ana");
    let module = put_up(&ana, "count");
    let id: i64 = module.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id");
    let visits = |n: &str| {
        let db = rusqlite::Connection::open(server.data().join("neospace.db")).expect("it opens");
        db.execute(
            "insert into plugin_storage (module_id, key, value) values (?1, 'visits', cast(?2 as blob))
             on conflict (module_id, key) do update set value = excluded.value",
            rusqlite::params![id, n],
        )
        .expect("the table takes it");
        // What the server itself does with its writes: whoever changes the settings touches the module.
        ana.post(&format!("{module}/settings"), &[("grant", "storage")])
            .expect(303);
    };
    assert!(ana.get(&module).text().contains("nobody"));
    visits("2");
    assert!(ana.get(&module).text().contains(">2<"), "{}", ana.get(&module).text());
    visits("3");
    let stale = ana.get(&module).expect(200).text();
    assert!(
        stale.contains(">2<") && stale.contains("crashed"),
        "the last good view, and why: {stale}"
    );
    server.wait_in_log("a plugin failed");
    let faults = || {
        let count = "select count(*) from plugin_faults where plugin = 'count' and kind = 'trap' and export = 'render'";
        server
            .database()
            .query_row(count, [], |row| row.get::<_, i64>(0))
            .expect("the table is there")
    };
    eventually("the fault is noted", || (faults() == 1).then_some(()));
    // Each viewer who has seen nothing yet makes it try again.
    visits("4");
    let failed = server.guest().get(&module).expect(200).text();
    assert!(failed.contains("crashed"), "{failed}");
    visits("5");
    ana.get(&module);
    eventually("three faults", || (faults() == 3).then_some(()));
    visits("6");
    assert!(
        ana.get(&module).text().contains("rests for"),
        "{}",
        ana.get(&module).text()
    );
    assert_eq!(faults(), 3, "it isn't called while it rests");
    // A restart doesn't forget; another version does.
    let mut server = server;
    server.restart();
    let resting = server.guest().get(&module).text();
    assert!(resting.contains("rests for"), "{resting}");
    upgrade(&server, "count", &pack("count", "1.0.1", "", &says("mended")), &[]);
    eventually("the mended version", || {
        server.guest().get("/wall/ana").text().contains("mended").then_some(())
    });
}

/// A button that no view shows, signed with the server's own secret.
fn signed(server: &Server, module: &str, audience: Audience) -> String {
    sealed(server, module, audience, "press", 10)
}

/// A button of this name that can be pressed for so many minutes.
fn sealed(server: &Server, module: &str, audience: Audience, name: &str, minutes: i32) -> String {
    let secret = std::fs::read(server.data().join("secret")).expect("the server made it");
    let signer = Signer::new(&secret.try_into().expect("it has 32 bytes"));
    let actions = Actions {
        url: "",
        signer: &signer,
        installation: module.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id"),
        audience,
        expires: tokens::minutes(neospace::app::now_ms()).wrapping_add_signed(minutes),
    };
    let mut token = String::new();
    signer.sign_into(&actions, name, "", &mut Vec::new(), &mut token);
    token
}

#[test]
fn what_an_action_writes_is_kept_whole_or_not_at_all() {
    let grants = ["storage"];
    let manifest = "[capabilities]\nstorage = \"To count.\"\n";
    let put = "(call $put (i32.const 1024) (i32.const 6) (i32.const 1024) (i32.const 3) (i32.const 0) (i64.const 0) (i32.const 2048))";
    // `ok` without a message lies at 3072, where there is nothing but zeros.
    let plugin = |id: &str, end: &str| {
        let act = format!("{put} {end}");
        pack(
            id,
            "1.0.0",
            manifest,
            &guest::interactive(guest::STORAGE_WIT, guest::STORAGE_CORE, &act),
        )
    };
    let server = Server::builder()
        .component("keeps", &plugin("keeps", "(i32.const 3072)"), &grants)
        .component("crashes", &plugin("crashes", "unreachable"), &grants)
        .component("loops", &plugin("loops", "(loop $l (br $l)) (i32.const 3072)"), &grants)
        .component(
            "refuses",
            &plugin("refuses", "(i32.store (i32.const 3072) (i32.const 1)) (i32.store (i32.const 3076) (i32.const 1024)) (i32.store (i32.const 3080) (i32.const 6)) (i32.const 3072)"),
            &grants,
        )
        .start();
    let ana = server.person("ana");
    let kept = || {
        let count = "select count(*) from plugin_storage";
        server
            .database()
            .query_row(count, [], |row| row.get::<_, i64>(0))
            .expect("the table is there")
    };
    let guests = Audience::Class(ViewerClass::Guest);
    for (plugin, says) in [
        ("crashes", "crashed"),
        ("loops", "ran out of fuel"),
        ("refuses", "visits"),
    ] {
        let module = put_up(&ana, plugin);
        let token = signed(&server, &module, guests);
        let refused = server
            .guest()
            .post(&format!("{module}/act"), &[("token", &token), ("f-line", "typed")])
            .expect(422);
        assert!(refused.text().contains(says), "{plugin}: {}", refused.text());
        assert_eq!(kept(), 0, "{plugin}");
    }
    let module = put_up(&ana, "keeps");
    let token = signed(&server, &module, guests);
    server
        .guest()
        .post(&format!("{module}/act"), &[("token", &token)])
        .expect(303);
    assert_eq!(kept(), 1);
    // Of a wall's owner who took the module off, nothing more is asked.
    ana.post(&format!("{module}/remove"), &[]).expect(303);
    server
        .guest()
        .post(&format!("{module}/act"), &[("token", &token)])
        .expect(404);
    assert_eq!(kept(), 1);
}

#[test]
fn the_command_line_installs_upgrades_holds_and_rolls_back() {
    let server = Server::builder().start();
    let run = |arguments: &[&str]| {
        let output = server.operator(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    let file = |name: &str, wasm: &[u8]| {
        let path = server.folder().join(name);
        std::fs::write(&path, wasm).expect("the folder can be written");
        path.display().to_string()
    };
    let first = file("a.wasm", &pack("hello", "1.0.0", "", &says("first")));
    run(&["plugin", "install", &first]);
    server.wait_in_log("hello 1.0.0 is in force");
    let ana = server.person("ana");
    put_up(&ana, "hello");
    let sees = |words: &str| {
        eventually(words, || {
            server.guest().get("/wall/ana").text().contains(words).then_some(())
        })
    };
    sees("first");
    let second = file(
        "b.wasm",
        &pack(
            "hello",
            "2.0.0",
            "[capabilities]\nlog = \"To chat.\"\n",
            &says_and_logs("second"),
        ),
    );
    assert!(run(&["plugin", "upgrade", "hello", &second]).contains("stays in force"));
    server.wait_in_log("an upgrade waits");
    sees("first");
    run(&["plugin", "upgrade", "hello", &second, "--grant", "log"]);
    sees("second");
    run(&["plugin", "rollback", "hello"]);
    sees("first");
    run(&["plugin", "disable", "hello"]);
    sees("switched this plugin off");
    run(&["plugin", "enable", "hello"]);
    sees("first");
    run(&["plugin", "revoke", "hello", "--why", "It was rude."]);
    sees("It was rude");
}

#[test]
fn the_command_line_lists_explains_and_purges_nothing_that_is_on() {
    let server = Server::builder().plugin("poll").plugin("mood").start();
    let run = |arguments: &[&str]| {
        let output = server.operator(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    };
    let done = |arguments: &[&str]| {
        let (success, said) = run(arguments);
        assert!(success, "{arguments:?}: {said}");
        said
    };
    let ana = server.person("ana");
    let poll = put_up(&ana, "poll");
    ana.post(
        &format!("{poll}/settings"),
        &[
            ("s-question", "Tea?"),
            ("s-answers-0-answer", "Yes"),
            ("s-answers-1-answer", "No"),
            ("grant", "storage"),
            ("grant", "live"),
        ],
    )
    .expect(303);
    let vote = buttons(&ana.get(&poll).text()).swap_remove(0);
    ana.post(&format!("{poll}/act"), &[("token", &vote)]).expect(303);

    let listed = done(&["plugin", "list"]);
    assert!(listed.contains("poll") && listed.contains("mood"), "{listed}");
    assert!(listed.contains("grants: ") && listed.contains("storage"), "{listed}");
    server.edit_config(|config| {
        config["plugin"]["poll"]["limits"]["storage_kib"] = value(64);
        config["plugin"]["mood"]["grants"]
            .as_array_mut()
            .expect("grants are a list")
            .push("rumours");
    });
    let (success, said) = run(&["plugin", "explain", "poll"]);
    assert!(
        !success && said.contains("rumours"),
        "a grant that there is not: {said}"
    );
    server.edit_config(|config| {
        let grants = config["plugin"]["mood"]["grants"].as_array_mut().expect("a list");
        grants.remove(grants.len() - 1);
    });
    let explained = done(&["plugin", "explain", "poll"]);
    for part in [
        "granted, by plugin.poll.grants",
        "64, by plugin.poll.limits",
        "(default 1024)",
        ", the default",
        "says plugin.toml",
    ] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let (success, said) = run(&["plugin", "explain", "pol"]);
    assert!(
        !success && said.contains("poll"),
        "it names those that there are: {said}"
    );

    let kept = || {
        let count = "select count(*) from plugin_storage";
        let count = server.database().query_row(count, [], |row| row.get::<_, i64>(0));
        count.expect("the table is there")
    };
    assert!(kept() > 0, "the vote is stored");
    let (success, said) = run(&["plugin", "purge", "poll"]);
    assert!(!success && said.contains("plugin disable poll"), "{said}");
    assert!(kept() > 0);
    done(&["plugin", "disable", "poll"]);
    let said = done(&["plugin", "purge", "poll"]);
    assert!(said.contains("Purged poll: "), "{said}");
    assert_eq!(kept(), 0);
    done(&["plugin", "enable", "poll"]);
    eventually("a poll without votes", || {
        let page = ana.get(&poll).text();
        (page.contains("Tea?") && !page.contains("(yours)")).then_some(())
    });
}

#[test]
fn what_was_typed_is_still_there_after_a_refusal() {
    let server = Server::builder().plugin("guestbook").start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let book = put_up(&ana, "guestbook");
    let act = format!("{book}/act");
    let sign = |who: &Person, token: &str, text: &str| who.post(&act, &[("token", token), ("f-text", text)]);
    let token = buttons(&bob.get(&book).text()).first().expect("a form to sign").clone();
    sign(&bob, &token, "I was <here>.").expect(303);
    assert!(ana.get("/wall/ana").text().contains("I was &lt;here&gt;."));
    let notice = "bob signed your guestbook: I was &lt;here&gt;.";
    assert!(
        ana.get("/settings").text().contains(notice),
        "ana is told, and nobody else"
    );
    assert!(!bob.get("/settings").text().contains(notice));

    // Refused by the plugin: the page comes back with the line in its field, and says why.
    let again = sign(&bob, &token, "I was <here>.").expect(422).text();
    assert!(again.contains("in the book already"), "{again}");
    assert!(
        again.contains("value=\"I was &lt;here&gt;.\"") || again.contains(">I was &lt;here&gt;.</textarea>"),
        "{again}"
    );
    assert!(again.contains("aria-invalid=\"true\""), "{again}");
    assert!(
        !bob.get("/wall/ana").text().contains("in the book already"),
        "nobody sees that again"
    );

    // Too old, or of somebody who has logged in since: the same.
    let id: i64 = server
        .database()
        .query_row("select id from users where name = 'bob'", [], |row| row.get(0))
        .expect("bob is there");
    for (audience, lives, why) in [
        (Audience::Member(id), -1, "for more than a day"),
        (Audience::Class(ViewerClass::Guest), 10, "somebody else"),
    ] {
        let token = sealed(&server, &book, audience, "sign", lives);
        let refused = sign(&bob, &token, "Second line.").expect(422).text();
        assert!(
            refused.contains(why) && refused.contains("Second line."),
            "{why}: {refused}"
        );
    }
    assert!(!ana.get("/wall/ana").text().contains("Second line."));

    // Far too long, too many, and no form at all.
    sign(&bob, &token, &"x".repeat(70_000)).expect(413);
    let names: Vec<String> = (0..101).map(|n| format!("f-{n}")).collect();
    let mut many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    many.push(("token", &token));
    bob.post(&act, &many).expect(400);
    let long = sign(&bob, &token, &"x".repeat(300)).expect(422).text();
    assert!(
        long.contains(&"x".repeat(300)),
        "what was typed is there, although it is too long"
    );
}

/// Adds 1 to "visits", and says nothing.
const COUNT: &str = "
    (call $add (i32.const 1024) (i32.const 6) (i64.const 1) (i32.const 2048))
    (if (i32.load8_u (i32.const 2048)) (then unreachable))
    (i32.const 3072)";

fn counter() -> Vec<u8> {
    let act = guest::interactive(guest::STORAGE_WIT, guest::STORAGE_CORE, COUNT);
    pack("counter", "1.0.0", "[capabilities]\nstorage = \"To count.\"\n", &act)
}

fn counted(server: &Server) -> i64 {
    let value = "select cast(cast(value as text) as integer) from plugin_storage where key = 'visits'";
    server.database().query_row(value, [], |row| row.get(0)).unwrap_or(0)
}

#[test]
fn an_owner_is_not_buried_under_notices() {
    let server = Server::builder().plugin("guestbook").start();
    let ana = server.person("ana");
    let book = put_up(&ana, "guestbook");
    let guest = server.guest();
    let token = buttons(&guest.get(&book).text())
        .first()
        .expect("a form to sign")
        .clone();
    for n in 0..24 {
        let line = format!("line {n}");
        guest
            .post(&format!("{book}/act"), &[("token", &token), ("f-text", &line)])
            .expect(303);
    }
    let count = |table: &str| -> i64 {
        let sql = format!("select count(*) from {table}");
        server
            .database()
            .query_row(&sql, [], |row| row.get(0))
            .expect("the table is there")
    };
    assert_eq!(count("notices"), 20, "more wait until some were read");
    assert_eq!(
        count("plugin_storage where key like 'line:%'"),
        24,
        "and no line is lost for it"
    );
}

#[test]
fn everyone_who_presses_at_once_counts_once() {
    let server = Server::builder().component("counter", &counter(), &["storage"]).start();
    let ana = server.person("ana");
    let module = put_up(&ana, "counter");
    let token = signed(&server, &module, Audience::Class(ViewerClass::Guest));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let guest = server.guest();
                for _ in 0..10 {
                    guest.post(&format!("{module}/act"), &[("token", &token)]).expect(303);
                }
            });
        }
    });
    assert_eq!(counted(&server), 80);
}

#[test]
fn lanes_that_are_killed_under_people_s_hands_lose_nothing_that_was_acknowledged() {
    let server = Server::builder()
        .component("counter", &counter(), &["storage"])
        .expect_in_log("a lane does not start")
        .start();
    let ana = server.person("ana");
    let module = put_up(&ana, "counter");
    let token = signed(&server, &module, Audience::Class(ViewerClass::Guest));
    let acknowledged = std::sync::atomic::AtomicI64::new(0);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (acknowledged, done, server, module, token) = (&acknowledged, &done, &server, &module, &token);
        let people: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let guest = server.guest();
                    for _ in 0..40 {
                        let answer = guest.post(&format!("{module}/act"), &[("token", token)]);
                        match answer.status {
                            303 => {
                                acknowledged.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            }
                            422 => assert!(answer.text().contains("Nothing was kept"), "{}", answer.text()),
                            other => panic!("{other}: {}", answer.text()),
                        }
                        assert!(
                            guest.get("/wall/ana").expect(200).text().contains("ready"),
                            "pages keep coming"
                        );
                    }
                })
            })
            .collect();
        scope.spawn(move || {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for lane in server.children() {
                    lane.signal(libc::SIGKILL);
                }
                std::thread::sleep(std::time::Duration::from_millis(40));
            }
        });
        for person in people {
            person.join().expect("nobody met anything else");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let acknowledged = acknowledged.into_inner();
    assert!(acknowledged > 0, "some got through");
    assert_eq!(counted(&server), acknowledged);
}

#[test]
fn a_plugin_that_burns_too_much_rests_and_comes_back() {
    let burns = "(local $n i32) (loop $l (local.set $n (i32.add (local.get $n) (i32.const 1))) \
                 (br_if $l (i32.lt_u (local.get $n) (i32.const 1000000)))) (i32.const 3072)";
    let plugin = pack("burner", "1.0.0", "", &guest::interactive("", "", burns));
    let server = Server::builder()
        .component("burner", &plugin, &[])
        .config("[plugin.burner.limits]\nfuel_per_second = 1_000_000\n")
        .start();
    let ana = server.person("ana");
    let module = put_up(&ana, "burner");
    let token = signed(&server, &module, Audience::Class(ViewerClass::Guest));
    let press = || server.guest().post(&format!("{module}/act"), &[("token", &token)]);
    let refused = eventually("its fuel is spent", || {
        Some(press()).filter(|answer| answer.status == 422)
    });
    let words = refused.text();
    assert!(
        words.contains("fuel for now") && words.contains("Nothing was kept"),
        "{words}"
    );
    eventually("it has fuel again", || (press().status == 303).then_some(()));
    let faults: i64 = server
        .database()
        .query_row("select count(*) from plugin_faults", [], |row| row.get(0))
        .expect("a table");
    assert_eq!(faults, 0, "being thrifty is no fault");
}

#[test]
fn a_revocation_does_not_wait_for_another_plugin_to_compile() {
    let hello = pack("hello", "1.0.0", "", &says("good evening"));
    let server = Server::builder()
        .component("hello", &hello, &[])
        .expect_in_log("is refused")
        .start();
    let ana = server.person("ana");
    put_up(&ana, "hello");
    // Half a thousand functions of some thousand additions keep the compiler busy for a while.
    let busy: String = (0..500)
        .map(|_| {
            format!(
                "(func (param i32) (result i32) (local.get 0) {})",
                "(local.get 0) i32.add ".repeat(2_000)
            )
        })
        .collect();
    let slow = pack(
        "slow",
        "1.0.0",
        "",
        &guest::widget("(call $text (i32.const 0) (i32.const 0))", &busy),
    );
    let hash = sha256(&slow);
    std::fs::write(server.folder().join("plugins/slow.wasm"), &slow).expect("the folder can be written");
    server.edit_config(|config| {
        let mut stanza = toml_edit::Table::new();
        stanza["source"] = value("plugins/slow.wasm");
        stanza["sha256"] = value(&hash);
        config["plugin"]["slow"] = toml_edit::Item::Table(stanza);
    });
    eventually("the compiler runs", || (server.children().len() > 2).then_some(()));
    let since = Instant::now();
    revoke(&server, &hello, "it was needed no more");
    eventually("the tombstone", || {
        server
            .guest()
            .get("/wall/ana")
            .text()
            .contains("it was needed no more")
            .then_some(())
    });
    assert!(since.elapsed().as_millis() < 2_000, "{:?}", since.elapsed());
}

#[test]
fn who_finds_an_input_that_breaks_a_plugin_breaks_it_in_one_place_alone() {
    let wasm = pack("fragile", "1.0.0", "", &guest::interactive("", "", "unreachable"));
    let server = Server::builder().component("fragile", &wasm, &[]).start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (anas, bobs) = (put_up(&ana, "fragile"), put_up(&bob, "fragile"));
    let press = |module: &str| {
        let token = signed(&server, module, Audience::Class(ViewerClass::Guest));
        server
            .guest()
            .post_json(&format!("{module}/act"), &[("token", &token)])
            .expect(422)
            .text()
    };
    for _ in 0..3 {
        assert!(press(&anas).contains("crashed"));
    }
    assert!(press(&anas).contains("rests"), "{}", press(&anas));
    assert!(press(&bobs).contains("crashed"), "on bob's wall it goes on");
    for module in [&anas, &bobs] {
        assert!(
            server.guest().get(module).text().contains("ready"),
            "it is shown everywhere"
        );
    }
}

#[test]
fn what_its_owner_has_taken_away_does_not_come_back_as_the_last_view() {
    // It shows an entry, until an act takes it away, and then it can't show anything.
    let render = "(call $get (i32.const 1024) (i32.const 6) (i32.const 2048))
        (if (i32.load8_u (i32.const 2052)) (then unreachable))
        (call $text (i32.const 1040) (i32.const 5))";
    let act = "(call $put (i32.const 1024) (i32.const 6) (i32.const 1024) (i32.const 3) (i32.const 0) (i64.const 0) (i32.const 2048))
        (i32.const 3072)";
    let wasm = guest::interactive_showing(
        guest::STORAGE_WIT,
        guest::STORAGE_CORE,
        render,
        act,
        "(data (i32.const 1040) \"entry\")",
    );
    let wasm = pack("diary", "1.0.0", "[capabilities]\nstorage = \"To keep.\"\n", &wasm);
    let server = Server::builder().component("diary", &wasm, &["storage"]).start();
    let ana = server.person("ana");
    for (presser, class, stays) in [
        (&server.guest(), ViewerClass::Guest, true),
        (&ana, ViewerClass::Owner, false),
    ] {
        let module = put_up(&ana, "diary");
        assert!(server.guest().get(&module).text().contains("entry"));
        let token = signed(&server, &module, Audience::Class(class));
        presser.post(&format!("{module}/act"), &[("token", &token)]).expect(303);
        let after = server.guest().get(&module).expect(200).text();
        assert_eq!(after.contains("entry"), stays, "{class:?}: {after}");
    }
}

#[test]
fn what_is_left_of_a_plugin_keeps_its_name_over_a_restart() {
    let wasm = pack("hello", "1.0.0", "", &says("good evening"));
    let mut server = Server::builder().component("hello", &wasm, &[]).start();
    let ana = server.person("ana");
    put_up(&ana, "hello");
    revoke(&server, &wasm, "it told lies");
    eventually("the tombstone", || {
        server
            .guest()
            .get("/wall/ana")
            .text()
            .contains("it told lies")
            .then_some(())
    });
    server.restart();
    let wall = server.guest().get("/wall/ana").expect(200).text();
    assert!(wall.contains("The hello") && wall.contains("it told lies"), "{wall}");
    let page = server.guest().get("/plugins/hello").expect(200).text();
    assert!(page.contains("The hello") && page.contains("it told lies"), "{page}");
    // Off, and then not even in the file.
    server.edit_config(|config| {
        config["plugins"]["revoked"] = value(Array::new());
        config["plugin"]["hello"]["enabled"] = value(false);
    });
    server.restart();
    assert!(server.guest().get("/wall/ana").text().contains("The hello"));
    server.edit_config(|config| {
        config.remove("plugin");
    });
    server.restart();
    let wall = server.guest().get("/wall/ana").text();
    assert!(
        wall.contains("The hello") && wall.contains("not installed here any more"),
        "{wall}"
    );
    server.guest().get("/plugins/nothing").expect(404);
}
