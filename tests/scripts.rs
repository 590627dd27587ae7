//! Members' scripts on the server: drafts, versions, forks, who sees what, the gallery, files to keep, and scripts on walls.

use neospace_tests::{Answer, Browser, Person, Server, markup};
use serde_json::{Value, json};

const STARTER_MODES: [&str; 3] = ["p5", "three", "canvas"];

/// Makes a script with this text, and answers its id.
fn begin(person: &Person, mode: &str, title: &str, source: &str) -> String {
    let made = person.post_json("/sandbox", &[("mode", mode), ("title", title), ("source", source)]);
    let made = made.expect(201).json();
    made["id"].as_str().expect("a script has an id").to_owned()
}

/// Makes a script and publishes it, for everybody.
fn publish(person: &Person, mode: &str, title: &str, source: &str) -> String {
    let id = begin(person, mode, title, source);
    person
        .post_json(&format!("/sandbox/{id}/versions"), &[("publish", "on")])
        .expect(200);
    id
}

fn save(person: &Person, id: &str, source: &str, revision: i64, window: &str) -> Answer {
    let revision = revision.to_string();
    person.post_json(
        &format!("/sandbox/{id}/draft"),
        &[("source", source), ("revision", &revision), ("window", window)],
    )
}

fn json(person: &Person, path: &str) -> Value {
    person.get_json(path).expect(200).json()
}

fn status(person: &Person, path: &str) -> u16 {
    person.get_json(path).status
}

fn titles(list: &Value) -> Vec<&str> {
    let scripts = list["scripts"].as_array().expect("a list");
    scripts.iter().filter_map(|script| script["title"].as_str()).collect()
}

#[test]
fn a_script_begins_with_something_that_runs_and_its_author_alone_sees_it() {
    let server = Server::start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    for mode in STARTER_MODES {
        let made = ana.post_json("/sandbox", &[("mode", mode)]).expect(201).json();
        let id = made["id"].as_str().expect("an id");
        assert_eq!(id.len(), 22);
        assert_eq!(made["mode"], mode);
        assert_eq!(made["visibility"], "private");
        assert!(made["draft"]["source"].as_str().expect("a text").contains("neo.param"));
        assert_eq!(made["draft"]["library"].is_null(), mode == "canvas");
        for (who, person) in [("bob", &bob), ("a guest", &guest)] {
            for path in [
                "",
                "/edit",
                "/draft",
                "/versions",
                "/diff",
                "/versions/draft/source.js",
                "/versions/draft/script.html",
            ] {
                let answer = status(person, &format!("/sandbox/{id}{path}"));
                assert!(
                    [404, 401].contains(&answer),
                    "{who} gets {answer} for {path} of what isn't theirs"
                );
            }
            let asked = [("source", "mine now"), ("revision", "1")];
            assert!([404, 401].contains(&person.post_json(&format!("/sandbox/{id}/draft"), &asked).status));
            for action in ["versions", "publish", "fork", "delete", "details"] {
                let answer = person.post_json(&format!("/sandbox/{id}/{action}"), &[("version", "1"), ("title", "x")]);
                assert!([404, 401].contains(&answer.status), "{action}: {}", answer.status);
            }
        }
        assert_eq!(status(&ana, &format!("/sandbox/{id}")), 200);
    }
}

#[test]
fn what_two_windows_type_is_kept_both() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = begin(&ana, "canvas", "two windows", "first");
    // Both windows have revision 1 open. The first one saves.
    let saved = save(&ana, &id, "from the left", 1, "left").expect(200).json();
    assert_eq!(saved["revision"], 2);
    // The second one is told, and what it typed is not lost, though it closes now.
    let clash = save(&ana, &id, "from the right", 1, "right").expect(409).json();
    assert_eq!(clash["code"], "conflict");
    assert_eq!(clash["source"], "from the left");
    assert_eq!(clash["revision"], 2);
    let draft = json(&ana, &format!("/sandbox/{id}/draft"));
    assert_eq!(draft["source"], "from the left");
    assert_eq!(draft["asides"][0]["source"], "from the right");
    assert_eq!(draft["asides"][0]["n"], clash["aside"]);
    // It goes on typing: its aside follows, and is still one.
    save(&ana, &id, "from the right, longer", 1, "right").expect(409);
    let draft = json(&ana, &format!("/sandbox/{id}/draft"));
    assert_eq!(draft["asides"].as_array().map(Vec::len), Some(1));
    assert_eq!(draft["asides"][0]["source"], "from the right, longer");
    // Having seen the other text it saves on top of it: the aside has become the draft, and is gone.
    let saved = save(&ana, &id, "from the right, longer", 2, "right").expect(200).json();
    assert_eq!(saved["revision"], 3);
    let draft = json(&ana, &format!("/sandbox/{id}/draft"));
    assert_eq!(draft["asides"], Value::Array(vec![]));
    // The same text again is no new revision, on whatever it was typed.
    let again = save(&ana, &id, "from the right, longer", 1, "third").expect(200).json();
    assert_eq!(again["revision"], 3);
}

#[test]
fn texts_that_were_put_aside_are_kept_to_a_number_and_can_be_thrown_away() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = begin(&ana, "canvas", "many windows", "first");
    save(&ana, &id, "the draft", 1, "a").expect(200);
    for nth in 0..25 {
        save(&ana, &id, &format!("late {nth}"), 1, &format!("window {nth}")).expect(409);
    }
    let asides = json(&ana, &format!("/sandbox/{id}/draft"))["asides"].clone();
    let asides = asides.as_array().expect("a list");
    assert_eq!(asides.len(), 20);
    assert_eq!(asides[0]["source"], "late 24");
    let number = asides[0]["n"].as_i64().expect("a number");
    ana.post_json(&format!("/sandbox/{id}/aside/{number}/delete"), &[])
        .expect(200);
    ana.post_json(&format!("/sandbox/{id}/aside/{number}/delete"), &[])
        .expect(404);
    let left = json(&ana, &format!("/sandbox/{id}/draft"))["asides"].clone();
    assert_eq!(left[0]["source"], "late 23");
}

#[test]
fn a_clash_without_javascript_shows_what_was_typed() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = begin(&ana, "canvas", "plain", "first");
    save(&ana, &id, "from elsewhere", 1, "a").expect(200);
    let typed = "let x = \"</textarea><script>alert(1)</script>\"";
    let page = ana.post(
        &format!("/sandbox/{id}/draft"),
        &[("source", typed), ("revision", "1"), ("window", "form")],
    );
    assert_eq!(page.status, 409);
    let text = page.text();
    assert!(text.contains("Nothing is lost"), "{text}");
    assert!(text.contains("&lt;/textarea&gt;&lt;script&gt;alert(1)"));
    assert!(!text.contains("<script>alert(1)"));
    // The form that came back saves, since it names the revision that there is now.
    let revision = page.field("revision");
    ana.post(
        &format!("/sandbox/{id}/draft"),
        &[("source", typed), ("revision", &revision), ("window", "form")],
    )
    .see_other();
    assert_eq!(json(&ana, &format!("/sandbox/{id}/draft"))["source"], typed);
}

#[test]
fn versions_never_change_and_the_same_text_is_the_same_version() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = begin(&ana, "p5", "versions", "one\n");
    let versions = format!("/sandbox/{id}/versions");
    let first = ana.post_json(&versions, &[("note", "the first")]).expect(200).json();
    assert_eq!((&first["version"], &first["note"]), (&1.into(), &"the first".into()));
    assert_eq!(first["library"]["name"], "p5");
    assert_eq!(ana.post_json(&versions, &[]).expect(200).json()["version"], 1);
    save(&ana, &id, "two\n", 1, "a").expect(200);
    // A version of another draft than the one that is meant isn't made.
    ana.post_json(&versions, &[("revision", "1")]).expect(409);
    assert_eq!(
        ana.post_json(&versions, &[("revision", "2")]).expect(200).json()["version"],
        2
    );
    assert_eq!(json(&ana, &format!("{versions}/1"))["source"], "one\n");
    assert_eq!(json(&ana, &format!("{versions}/2"))["source"], "two\n");
    let listed = json(&ana, &versions);
    let numbers: Vec<_> = listed["versions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| &v["version"])
        .collect();
    assert_eq!(numbers, [2, 1]);
    // Whatever one sends, there is no way to write into one.
    for method in ["PUT", "POST", "DELETE", "PATCH"] {
        let answer = ana
            .request(method, &format!("{versions}/1"))
            .form(&[("source", "changed")])
            .send();
        assert_eq!(answer.status, 405, "{method}");
    }
}

#[test]
fn what_is_published_stays_while_the_draft_goes_on() {
    let server = Server::start();
    let (ana, guest) = (server.person("ana"), server.guest());
    let id = publish(&ana, "canvas", "moth", "shown");
    assert_eq!(json(&guest, &format!("/sandbox/{id}"))["source"], "shown");
    save(&ana, &id, "not yet", 1, "a").expect(200);
    ana.post_json(&format!("/sandbox/{id}/versions"), &[]).expect(200);
    let seen = json(&guest, &format!("/sandbox/{id}"));
    assert_eq!(seen["source"], "shown");
    assert_eq!(seen["published"]["version"], 1);
    assert_eq!(
        seen["versions"].as_array().map(Vec::len),
        Some(1),
        "a version that was never published is seen"
    );
    assert_eq!(status(&guest, &format!("/sandbox/{id}/versions/2")), 404);
    assert_eq!(status(&guest, &format!("/sandbox/{id}/versions/2/source.js")), 404);
    assert_eq!(status(&guest, &format!("/sandbox/{id}/diff?from=1&to=2")), 404);
    ana.post_json(&format!("/sandbox/{id}/publish"), &[("version", "2")])
        .expect(200);
    assert_eq!(json(&guest, &format!("/sandbox/{id}"))["source"], "not yet");
    // And back again: the older one is what others see.
    ana.post_json(&format!("/sandbox/{id}/publish"), &[("version", "1")])
        .expect(200);
    assert_eq!(json(&guest, &format!("/sandbox/{id}"))["source"], "shown");
    ana.post_json(&format!("/sandbox/{id}/publish"), &[("version", "3")])
        .expect(404);
}

#[test]
fn private_is_for_one_unlisted_for_who_knows_it_and_public_for_all() {
    let server = Server::start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    let id = publish(&ana, "canvas", "lamp", "on");
    let details = format!("/sandbox/{id}/details");
    for (visibility, listed, found) in [("public", true, 200), ("unlisted", false, 200), ("private", false, 404)] {
        ana.post_json(&details, &[("visibility", visibility)]).expect(200);
        for person in [&bob, &guest] {
            let gallery = json(person, "/sandbox");
            assert_eq!(titles(&gallery).contains(&"lamp"), listed, "{visibility}");
            let page = person.get("/sandbox").text();
            assert_eq!(page.contains("lamp"), listed, "the page of the gallery, {visibility}");
            for path in [
                "",
                "/versions",
                "/versions/1",
                "/versions/1/source.js",
                "/versions/1/script.html",
                "/diff?from=1&to=1",
            ] {
                assert_eq!(
                    status(person, &format!("/sandbox/{id}{path}")),
                    found,
                    "{visibility} {path}"
                );
            }
            assert_eq!(
                person.get(&format!("/sandbox/{id}")).status,
                found,
                "the page, {visibility}"
            );
        }
        assert_eq!(status(&ana, &format!("/sandbox/{id}")), 200);
    }
    let refused = ana.post_json(&details, &[("visibility", "secret")]).expect(422);
    assert!(refused.text().contains("private, unlisted or public"));
}

#[test]
fn the_gallery_is_in_fair_orders_and_pages_without_gaps_or_repeats() {
    let server = Server::start();
    let ana = server.person("ana");
    let mut expected: Vec<String> = (0..30).map(|nth| format!("sketch {:02}", (nth * 7) % 30)).collect();
    for (nth, title) in expected.iter().enumerate() {
        publish(&ana, STARTER_MODES[nth % 3], title, "1");
    }
    let walk = |query: &str| {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = json(&ana, &format!("/sandbox?{query}{after}"));
            seen.extend(titles(&page).into_iter().map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", next.replace(' ', "%20")),
                None => return seen,
            }
        }
    };
    let mut newest = expected.clone();
    newest.reverse();
    assert_eq!(walk("by=newest"), newest);
    let of_mode: Vec<_> = newest
        .iter()
        .enumerate()
        .filter(|(nth, _)| (29 - nth) % 3 == 0)
        .map(|(_, t)| t.clone())
        .collect();
    assert_eq!(walk("by=newest&mode=p5"), of_mode);
    expected.sort();
    assert_eq!(walk("by=name"), expected);
    let drawn = |query: &str| {
        let page = json(&ana, &format!("/sandbox?by=random{query}"));
        titles(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, other) = (drawn(""), drawn(""));
    assert_eq!(one.len(), 24);
    assert_ne!(one, other, "the hat always gives the same");
    assert_eq!(drawn("&mode=three").len(), 10);
    ana.get("/sandbox?by=popular").expect(400);
    ana.get("/sandbox?mode=flash").expect(400);
    // A new version does not bring one to the front again.
    let id = json(&ana, "/sandbox?by=name")["scripts"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    ana.post_json(&format!("/sandbox/{id}/draft"), &[("source", "2"), ("revision", "1")])
        .expect(200);
    ana.post_json(&format!("/sandbox/{id}/versions"), &[("publish", "on")])
        .expect(200);
    assert_eq!(walk("by=newest"), newest);
}

#[test]
fn a_fork_credits_its_source_keeps_its_licence_and_shows_in_the_tree() {
    let server = Server::start();
    let (ana, bob, cyd, guest) = (
        server.person("ana"),
        server.person("bob"),
        server.person("cyd"),
        server.guest(),
    );
    let id = publish(&ana, "p5", "wings", "sixty");
    ana.post_json(&format!("/sandbox/{id}/details"), &[("licence", "CC-BY-SA-4.0")])
        .expect(200);
    let fork = bob.post_json(&format!("/sandbox/{id}/fork"), &[]).expect(201).json();
    let fork_id = fork["id"].as_str().expect("an id");
    assert_eq!(fork["draft"]["source"], "sixty");
    assert_eq!(fork["licence"], "CC-BY-SA-4.0");
    assert_eq!(fork["forked_from"]["author"], "ana");
    assert_eq!(fork["forked_from"]["version"], 1);
    let other = bob
        .post_json(&format!("/sandbox/{fork_id}/details"), &[("licence", "MIT")])
        .expect(422);
    assert!(other.text().contains("stays under the licence"));
    // Not published yet: it is in nobody's tree but bob's.
    let tree = |person: &Person, id: &str| json(person, &format!("/sandbox/{id}"))["tree"].clone();
    assert_eq!(tree(&guest, &id).as_array().map(Vec::len), Some(1));
    bob.post_json(&format!("/sandbox/{fork_id}/versions"), &[("publish", "on")])
        .expect(200);
    let second = cyd
        .post_json(&format!("/sandbox/{fork_id}/fork"), &[])
        .expect(201)
        .json();
    let second = second["id"].as_str().expect("an id");
    cyd.post_json(&format!("/sandbox/{second}/versions"), &[("publish", "on")])
        .expect(200);
    let shown = tree(&guest, &id);
    let steps: Vec<_> = shown
        .as_array()
        .expect("a list")
        .iter()
        .map(|node| {
            (
                node["author"].as_str().unwrap_or_default(),
                node["depth"].as_i64().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(steps, [("ana", 0), ("bob", 1), ("cyd", 2)]);
    assert_eq!(tree(&guest, second), shown, "the tree is another one from below");
    // The one in the middle is withdrawn: what was made of it hangs on the next one above, and its credit stays.
    bob.post_json(&format!("/sandbox/{fork_id}/delete"), &[]).expect(200);
    let shown = tree(&guest, &id);
    assert_eq!(shown[1]["author"], "cyd");
    assert_eq!(shown[1]["depth"], 1);
    assert_eq!(
        json(&guest, &format!("/sandbox/{second}"))["forked_from"]["author"],
        "bob"
    );
    // All rights reserved: read, not forked, but by its author.
    ana.post_json(&format!("/sandbox/{id}/details"), &[("licence", "all-rights-reserved")])
        .expect(200);
    let refused = cyd.post_json(&format!("/sandbox/{id}/fork"), &[]).expect(403);
    assert!(refused.text().contains("reserves all rights"));
    assert!(
        !guest
            .get(&format!("/sandbox/{id}"))
            .text()
            .contains("Log in to fork it")
    );
    ana.post_json(&format!("/sandbox/{id}/fork"), &[]).expect(201);
}

#[test]
fn any_two_texts_can_be_held_beside_one_another() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = publish(&ana, "canvas", "diff", "one\ntwo\nthree\n");
    save(&ana, &id, "one\n2\nthree\n<b>four</b>\n", 1, "a").expect(200);
    let diff = json(&ana, &format!("/sandbox/{id}/diff?from=1&to=draft"));
    let lines: Vec<_> = diff["hunks"][0]["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| {
            (
                line["kind"].as_str().unwrap_or_default(),
                line["text"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            ("=", "one"),
            ("-", "two"),
            ("+", "2"),
            ("=", "three"),
            ("+", "<b>four</b>")
        ]
    );
    assert_eq!(json(&ana, &format!("/sandbox/{id}/diff?from=1&to=1"))["same"], true);
    let page = ana.get(&format!("/sandbox/{id}/diff")).expect(200).text();
    assert!(page.contains("&lt;b&gt;four&lt;/b&gt;") && !page.contains("<b>four"));
    ana.get(&format!("/sandbox/{id}/diff?from=1&to=9")).expect(404);
}

#[test]
fn a_script_that_was_thrown_away_is_gone_everywhere_and_can_be_had_back() {
    let server = Server::start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    let id = publish(&ana, "canvas", "moth", "1");
    ana.post_json("/wall/ana/scripts", &[("script", &id)]).expect(200);
    assert_eq!(json(&guest, "/wall/ana/scripts")["pins"][0]["script"]["title"], "moth");
    ana.post_json(&format!("/sandbox/{id}/delete"), &[]).expect(200);
    assert_eq!(status(&guest, &format!("/sandbox/{id}")), 404);
    assert_eq!(status(&ana, &format!("/sandbox/{id}")), 404);
    assert_eq!(status(&guest, &format!("/frame/{id}/1")), 404);
    assert!(titles(&json(&guest, "/sandbox")).is_empty());
    assert_eq!(json(&guest, "/wall/ana/scripts")["pins"], Value::Array(vec![]));
    assert_eq!(json(&ana, "/sandbox/mine")["deleted"][0]["title"], "moth");
    bob.post_json(&format!("/sandbox/{id}/restore"), &[]).expect(404);
    ana.post_json(&format!("/sandbox/{id}/restore"), &[]).expect(200);
    assert_eq!(titles(&json(&guest, "/sandbox")), ["moth"]);
    assert_eq!(json(&guest, "/wall/ana/scripts")["pins"][0]["script"]["title"], "moth");
    ana.post_json(&format!("/sandbox/{id}/restore"), &[]).expect(404);
}

#[test]
fn one_file_holds_all_that_a_script_needs() {
    let server = Server::start();
    let (ana, guest) = (server.person("ana"), server.guest());
    for (mode, holds) in [("p5", "p5.js v1"), ("three", "REVISION"), ("canvas", "neoAlone")] {
        let id = publish(
            &ana,
            mode,
            "a/b \"c\" </title>",
            "// </script><script>alert(1)</script>\nlet x = 1",
        );
        let file = guest.get(&format!("/sandbox/{id}/versions/1/script.html")).expect(200);
        assert_eq!(
            file.header("content-disposition"),
            "attachment; filename=\"a-b-c-title.html\""
        );
        assert!(file.header("content-security-policy").contains("sandbox"));
        let text = file.text();
        assert!(
            text.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'"),
            "no policy in the file"
        );
        assert!(text.contains(holds), "{mode}: its library isn't in the file");
        assert!(!text.contains("<script>alert(1)"), "the source ended its script");
        for outside in ["src=\"http", "src=\"/", "href=\"", "@import"] {
            let head = &text[..text.find("window.neoAlone").expect("it is there")];
            assert!(
                !head.contains(outside),
                "{mode}: the file asks for something from elsewhere"
            );
        }
    }
}

#[test]
fn a_kept_file_runs_offline() {
    let server = Server::start();
    let ana = server.person("ana");
    let folder = tempfile::tempdir().expect("a folder");
    let browser = Browser::start();
    let page = browser.page();
    for (mode, source) in [
        (
            "p5",
            "function setup() { createCanvas(40, 40); document.title = 'ran ' + width + ' ' + neo.param('n', 3) }",
        ),
        (
            "three",
            "import * as THREE from \"three\"\ndocument.title = 'ran ' + THREE.MathUtils.clamp(99, 0, 40) + ' ' + neo.param('n', 3)",
        ),
        (
            "canvas",
            "context.fillRect(0, 0, 1, 1); document.title = 'ran 40 ' + neo.param('n', 3)",
        ),
    ] {
        let id = publish(&ana, mode, mode, source);
        let file = ana.get(&format!("/sandbox/{id}/versions/1/script.html")).expect(200);
        let path = folder.path().join(format!("{mode}.html"));
        std::fs::write(&path, file.text()).expect("it can be written");
        page.goto(&format!("file://{}", path.display()))
            .wait_until("document.title === 'ran 40 3'");
        let outside: Vec<_> = page
            .requests()
            .into_iter()
            .filter(|url| url.starts_with("http"))
            .collect();
        assert_eq!(outside, Vec::<String>::new());
    }
}

#[test]
fn a_wall_has_room_for_three_scripts_in_their_owners_order() {
    let server = Server::start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    let ids: Vec<_> = ["one", "two", "three", "four"]
        .map(|title| publish(&ana, "canvas", title, title))
        .to_vec();
    let of_bob = publish(&bob, "canvas", "of bob", "1");
    let draft = begin(&ana, "canvas", "never published", "1");
    let pins = |person: &Person| -> Vec<String> {
        let pins = json(person, "/wall/ana/scripts");
        let pins = pins["pins"].as_array().expect("a list");
        pins.iter()
            .map(|pin| pin["script"]["title"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    ana.post_json("/wall/ana/scripts", &[("script", &draft)]).expect(409);
    for id in &ids[..2] {
        ana.post_json("/wall/ana/scripts", &[("script", id)]).expect(200);
    }
    // Somebody else's, by the address of its page; with a seed and a number.
    let address = server.url(&format!("/sandbox/{of_bob}"));
    let pinned = ana.post_json(
        "/wall/ana/scripts",
        &[("script", &address), ("seed", "7"), ("params", "{\"speed\": 3}")],
    );
    let pinned = pinned.expect(200).json();
    assert_eq!(pinned["pins"][2]["seed"], 7);
    assert_eq!(pinned["pins"][2]["params"]["speed"], 3);
    let full = ana.post_json("/wall/ana/scripts", &[("script", &ids[2])]).expect(409);
    assert!(full.text().contains("room for 3"));
    assert_eq!(pins(&guest), ["one", "two", "of bob"]);
    // Order.
    ana.post_json(&format!("/wall/ana/scripts/{of_bob}/move"), &[("before", &ids[0])])
        .expect(200);
    assert_eq!(pins(&guest), ["of bob", "one", "two"]);
    ana.post_json(&format!("/wall/ana/scripts/{of_bob}/move"), &[("step", "later")])
        .expect(200);
    assert_eq!(pins(&guest), ["one", "of bob", "two"]);
    ana.post_json(&format!("/wall/ana/scripts/{}/move", ids[0]), &[])
        .expect(200);
    assert_eq!(pins(&guest), ["of bob", "two", "one"]);
    // Only its owner changes a wall.
    bob.post_json("/wall/ana/scripts", &[("script", &of_bob)]).expect(403);
    bob.post_json(&format!("/wall/ana/scripts/{of_bob}/remove"), &[])
        .expect(403);
    // What bob withdraws is not shown, and keeps its place.
    bob.post_json(&format!("/sandbox/{of_bob}/details"), &[("visibility", "private")])
        .expect(200);
    assert_eq!(pins(&guest), ["two", "one"]);
    bob.post_json(&format!("/sandbox/{of_bob}/details"), &[("visibility", "unlisted")])
        .expect(200);
    assert_eq!(pins(&guest), ["of bob", "two", "one"]);
    ana.post_json(
        &format!("/wall/ana/scripts/{of_bob}/params"),
        &[("params", "{\"speed\": \"fast\"}")],
    )
    .expect(422);
    ana.post_json(&format!("/wall/ana/scripts/{of_bob}/params"), &[("seed", "-1")])
        .expect(422);
    ana.post_json(&format!("/wall/ana/scripts/{of_bob}/remove"), &[])
        .expect(200);
    ana.post_json(&format!("/wall/ana/scripts/{of_bob}/remove"), &[])
        .expect(404);
    assert_eq!(pins(&guest), ["two", "one"]);
}

/// Names two numbers, says what they are, and goes on.
const TURNED: &str = "neo.param('speed', 2, { min: 0, max: 10, step: 0.5 })
const dots = neo.param('dots <b>', 40)
neo.on('param', (name, value) => console.log(name + ' is now ' + value))
console.log('seed ' + neo.seed + ', speed ' + neo.params.speed + ', dots ' + dots)
setInterval(() => {}, 50)";

#[test]
fn an_owner_says_on_their_wall_with_what_a_script_starts() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let id = publish(&bob, "canvas", "turned", TURNED);
    ana.post_json(
        "/wall/ana/scripts",
        &[("script", &id), ("params", "{\"forgotten\": 5}")],
    )
    .expect(200);
    let at = format!("/wall/ana/scripts/{id}/params");
    let starts = || {
        let pin = json(&ana, "/wall/ana/scripts")["pins"][0].clone();
        (pin["seed"].clone(), pin["params"].clone())
    };
    // A plain form: what the script names, with its bounds, and what it was given under a name that it hasn't any more.
    let drawer = ana.get("/wall/ana?edit=1&tab=scripts").expect(200);
    assert_eq!(drawer.field("n-forgotten"), "5");
    let text = drawer.text();
    for field in [
        "name=\"n-speed\" type=\"number\" value=\"\" min=\"0\" max=\"10\" step=\"0.5\" placeholder=\"2\"",
        "name=\"n-dots &lt;b&gt;\" type=\"number\" value=\"\" step=\"any\" placeholder=\"40\"",
        "name=\"seed\" type=\"number\" value=\"\"",
    ] {
        assert!(text.contains(field), "{field} is not in {text}");
    }
    let typed = [
        ("n-speed", "3.5"),
        ("n-dots <b>", ""),
        ("n-forgotten", ""),
        ("seed", "7"),
    ];
    assert_eq!(ana.post(&at, &typed).see_other(), "/wall/ana?edit=1&tab=scripts");
    assert_eq!(starts(), (json!(7), json!({ "speed": 3.5 })));
    // What can't be comes back as it was typed, with what could.
    let wrong = [("n-speed", "11"), ("n-dots <b>", "many"), ("seed", "-4")];
    let refused = ana.post(&at, &wrong).expect(422);
    assert_eq!(
        (refused.field("n-speed"), refused.field("seed")),
        ("11".into(), "-4".into())
    );
    let text = refused.text();
    for said in [
        "A number from 0 to 10, or nothing for the script's own.",
        "A number, or nothing for the script's own.",
        "A whole number from 0 to 4294967295",
        "value=\"many\"",
        "<details open>",
    ] {
        assert!(
            text.contains(said) || text.contains(&said.replace('\'', "&#39;")),
            "{said} is not in {text}"
        );
    }
    assert_eq!(starts(), (json!(7), json!({ "speed": 3.5 })));
    // What has no field stays, seed apart; a program says all of it at once.
    ana.post_json(&at, &[("n-dots <b>", "3")]).expect(200);
    assert_eq!(starts(), (Value::Null, json!({ "speed": 3.5, "dots <b>": 3 })));
    ana.post_json(&at, &[("params", "{\"speed\": 4}"), ("seed", "8")])
        .expect(200);
    assert_eq!(starts(), (json!(8), json!({ "speed": 4 })));
    bob.post_json(&at, &[("n-speed", "1")]).expect(403);
    let elsewhere = publish(&ana, "canvas", "not on the wall", "1");
    ana.post_json(&format!("/wall/ana/scripts/{elsewhere}/params"), &[("n-speed", "1")])
        .expect(404);
}

#[test]
fn a_number_that_is_changed_on_the_wall_is_what_the_script_runs_with() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = publish(&ana, "canvas", "turned", TURNED);
    ana.post_json("/wall/ana/scripts", &[("script", &id)]).expect(200);
    let browser = Browser::start();
    let (hers, guest) = (browser.page_of(&ana), browser.page());
    for page in [&hers, &guest] {
        for said in [
            "Permissions-Policy",
            "Permissions policy violation",
            "directive 'webrtc'",
        ] {
            page.allow(said);
        }
    }
    hers.goto(&server.url("/wall/ana?edit=1&tab=scripts"));
    guest.goto(&server.url("/wall/ana"));
    for page in [&hers, &guest] {
        page.wait_until("customElements.get('neo-frame')");
        page.eval(
            "window.lines = []; document.addEventListener('frame:console', ({ detail }) => lines.push(detail.text))",
        );
    }
    guest.wait_until("document.querySelector('.here-now').textContent.includes('ana')");
    let (speed, seed) = (format!("#starts-{id}-1"), format!("#starts-{id}-seed"));
    let save = format!("#starts-{id} > button");
    hers.click("#scripts-drawer details > summary");
    hers.check_accessibility();
    hers.screenshot("pin-starts");
    hers.fill(&speed, "7.5").fill(&seed, "12").click(&save);
    guest.wait_until("document.querySelector('#scripts neo-frame').dataset.seed === '12'");
    guest.click("#scripts neo-frame [data-run]");
    guest.wait_until("lines.includes('seed 12, speed 7.5, dots 40')");
    // While it runs, it follows.
    hers.wait_until(&format!("document.querySelector('{speed}').defaultValue === '7.5'"));
    hers.fill(&speed, "1").click(&save);
    guest.wait_until("lines.includes('speed is now 1')");
    assert_eq!(
        guest.eval(
            "[...document.querySelectorAll('#scripts [data-param]')].map(one => one.dataset.param + one.value).join()"
        ),
        "speed1,dots <b>40"
    );
    guest.click("#scripts neo-frame [data-again]");
    guest.wait_until("lines.includes('seed 12, speed 1, dots 40')");
    // What doesn't fit is said by the server, field by field, and stays as it was typed.
    hers.wait_until(&format!("document.querySelector('{speed}').defaultValue === '1'"));
    hers.allow("422");
    hers.fill(&speed, "11").click(&save);
    hers.wait_for(&format!("{speed}[aria-invalid=true]"));
    assert_eq!(hers.value(&speed), "11");
    assert!(hers.text("#scripts-drawer").contains("A number from 0 to 10"));
    hers.viewport(390, 844);
    assert!(!hers.overflows());
    for page in [&hers, &guest] {
        page.check();
    }
}

#[test]
fn what_is_pinned_comes_moves_and_goes_on_a_wall_that_others_have_open() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let ids =
        ["one", "two"].map(|title| publish(&ana, "canvas", title, "console.log('here'); setInterval(() => {}, 50)"));
    let browser = Browser::start();
    let (his, guest) = (browser.page_of(&bob), browser.page());
    for page in [&his, &guest] {
        for said in [
            "Permissions-Policy",
            "Permissions policy violation",
            "directive 'webrtc'",
        ] {
            page.allow(said);
        }
        page.goto(&server.url("/wall/ana"));
    }
    his.wait_until("document.querySelector('.here-now').textContent.includes('bob')");
    guest.wait_until("document.querySelector('.here-now').textContent.includes('bob')");
    let pinned = "[...document.querySelectorAll('#scripts neo-frame')].map(one => one.dataset.title).join()";
    let shows = |titles: &str| {
        for page in [&his, &guest] {
            page.wait_until(&format!("{pinned} === {titles:?}"));
        }
    };
    ana.post_json("/wall/ana/scripts", &[("script", &ids[0])]).expect(200);
    shows("one");
    // It runs for him while the others change around it.
    his.wait_until("customElements.get('neo-frame')");
    his.click("#scripts neo-frame [data-run]");
    his.wait_until("document.querySelector('#scripts neo-frame').state === 'running'");
    ana.post_json("/wall/ana/scripts", &[("script", &ids[1])]).expect(200);
    shows("one,two");
    ana.post_json(&format!("/wall/ana/scripts/{}/move", ids[1]), &[("before", &ids[0])])
        .expect(200);
    shows("two,one");
    assert!(
        his.has("#scripts neo-frame[data-title=one] iframe"),
        "what ran was stopped"
    );
    ana.post_json(&format!("/wall/ana/scripts/{}/remove", ids[1]), &[])
        .expect(200);
    shows("one");
    ana.post_json(&format!("/wall/ana/scripts/{}/remove", ids[0]), &[])
        .expect(200);
    shows("");
    assert!(!his.has("#scripts iframe"));
    his.check();
    guest.check();
}

#[test]
fn what_is_refused_says_what_is_allowed() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = begin(&ana, "canvas", "strict", "1");
    let long = "x".repeat(128 * 1024 + 1);
    for (path, fields, says) in [
        (
            "/sandbox".to_owned(),
            vec![("mode", "flash")],
            "Choose p5, three or canvas",
        ),
        ("/sandbox".to_owned(), vec![("example", "nothing")], "no such example"),
        (
            "/sandbox".to_owned(),
            vec![("mode", "p5"), ("title", "a\nb")],
            "one line of 1 to 80",
        ),
        (
            "/sandbox".to_owned(),
            vec![("mode", "p5"), ("licence", "WTFPL")],
            "Choose one of CC0-1.0",
        ),
        (
            format!("/sandbox/{id}/draft"),
            vec![("source", long.as_str()), ("revision", "1")],
            "at most 128 KiB",
        ),
        (
            format!("/sandbox/{id}/draft"),
            vec![("source", "x"), ("revision", "last")],
            "a number",
        ),
        (
            format!("/sandbox/{id}/draft"),
            vec![("revision", "1")],
            "The text is missing",
        ),
        (
            format!("/sandbox/{id}/details"),
            vec![("title", "")],
            "one line of 1 to 80",
        ),
        (format!("/sandbox/{id}/publish"), vec![("version", "x")], "its number"),
    ] {
        let refused = ana.post_json(&path, &fields).expect(422);
        assert!(refused.text().contains(says), "{path}: {}", refused.text());
    }
    // The largest there may be is taken, also as a form whose letters take three each.
    let largest = "é".repeat(64 * 1024);
    ana.post(
        &format!("/sandbox/{id}/draft"),
        &[("source", &largest), ("revision", "1")],
    )
    .see_other();
    assert_eq!(json(&ana, &format!("/sandbox/{id}/draft"))["source"], largest.as_str());
    for path in [
        "/sandbox/nothing",
        "/sandbox/AAAAAAAAAAAAAAAAAAAAAA",
        "/sandbox/..%2fx",
        "/sandbox/x/versions/1",
    ] {
        assert_eq!(status(&ana, path), 404, "{path}");
    }
}

#[test]
fn titles_descriptions_notes_and_sources_are_text() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    ana.post_json("/wall/ana/profile", &[("status", "here")]).expect(200);
    for (nth, vector) in markup::vectors().into_iter().enumerate() {
        // No text holds a NUL; without it the rest is as hostile as before.
        if vector.contains('\0') {
            let fields = [("mode", "canvas"), ("title", "x"), ("source", vector.as_str())];
            ana.post_json("/sandbox", &fields).expect(400);
        }
        let vector = vector.replace('\0', "");
        let line: String = vector.chars().filter(|c| !c.is_control()).take(80).collect();
        let note: String = vector.chars().filter(|c| !c.is_control()).take(200).collect();
        let title = if line.trim().is_empty() { "x" } else { line.trim() };
        let id = begin(&ana, STARTER_MODES[nth % 3], title, &vector);
        ana.post_json(
            &format!("/sandbox/{id}/versions"),
            &[("publish", "on"), ("note", &note)],
        )
        .expect(200);
        let description: String = vector.chars().take(2000).collect();
        ana.post_json(&format!("/sandbox/{id}/details"), &[("description", &description)])
            .expect(200);
        let fork = bob.post_json(&format!("/sandbox/{id}/fork"), &[]).expect(201).json();
        let fork = fork["id"].as_str().expect("an id");
        let pages = [
            (&bob, format!("/sandbox/{id}")),
            (&bob, format!("/sandbox/{id}/versions")),
            (&bob, format!("/sandbox/{id}/versions/1")),
            (&ana, format!("/sandbox/{id}/diff?from=1&to=1")),
            (&ana, format!("/sandbox/{id}/edit")),
            (&bob, format!("/sandbox/{fork}/edit")),
        ];
        for (person, path) in pages {
            let page = person.get(&path).expect(200).text();
            assert_eq!(foreign(&page), None, "{path} with {vector:?}");
        }
        ana.post_json(&format!("/sandbox/{id}/delete"), &[]).expect(200);
    }
}

/// What in a page's main part is not ours: an element that runs or loads something, a handler, an address that is a script.
fn foreign(page: &str) -> Option<String> {
    let page = scraper::Html::parse_document(page);
    let everything = scraper::Selector::parse("main *").expect("it is a selector");
    page.select(&everything).find_map(|element| {
        let name = element.value().name();
        let runs = [
            "script", "iframe", "object", "embed", "style", "link", "meta", "base", "img", "video", "audio", "marquee",
            "math",
        ];
        let bad = element.value().attrs().find(|(name, value)| {
            let scheme = value.trim_start().to_lowercase();
            name.starts_with("on")
                || (["href", "src", "action", "formaction"].contains(name)
                    && !scheme.starts_with('/')
                    && !scheme.starts_with('#'))
        });
        (runs.contains(&name) || bad.is_some()).then(|| element.html().chars().take(200).collect())
    })
}

#[test]
fn programs_reach_scripts_with_their_scopes() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = begin(&ana, "canvas", "mine", "1");
    let (reads, writes) = (ana.program(&["scripts:read"]), ana.program(&["scripts:write"]));
    assert_eq!(json(&reads, &format!("/sandbox/{id}/draft"))["source"], "1");
    reads
        .post_json(&format!("/sandbox/{id}/draft"), &[("source", "2"), ("revision", "1")])
        .expect(403);
    writes
        .post_json(&format!("/sandbox/{id}/draft"), &[("source", "2"), ("revision", "1")])
        .expect(200);
    assert_eq!(status(&writes, &format!("/sandbox/{id}/draft")), 403);
    assert_eq!(
        json(&reads, "/sandbox/examples")["examples"]
            .as_array()
            .map(|all| all.len() >= 30),
        Some(true)
    );
}

#[test]
fn every_page_of_the_sandbox_is_fit_for_everyone_and_for_a_phone() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = publish(
        &ana,
        "p5",
        "sixty wings",
        "function setup() {\n  createCanvas(400, 400)\n}\n",
    );
    ana.post_json(
        &format!("/sandbox/{id}/details"),
        &[("description", "Sixty wings around a lamp.\nTurn them.")],
    )
    .expect(200);
    save(&ana, &id, "function setup() {\n  createCanvas(200, 200)\n}\n", 1, "a").expect(200);
    save(&ana, &id, "too late", 1, "b").expect(409);
    publish(&ana, "three", "a box that turns", "1");
    publish(&ana, "canvas", "rings", "1");
    ana.post_json("/wall/ana/scripts", &[("script", &id)]).expect(200);
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    let pages = [
        ("scripts-gallery", "/sandbox".to_owned()),
        ("scripts-empty", "/sandbox?after=zz%200".to_owned()),
        ("scripts-mine", "/sandbox/mine".to_owned()),
        ("scripts-script", format!("/sandbox/{id}")),
        ("scripts-version", format!("/sandbox/{id}/versions/1")),
        ("scripts-versions", format!("/sandbox/{id}/versions")),
        ("scripts-diff", format!("/sandbox/{id}/diff")),
        ("scripts-examples", "/sandbox/examples".to_owned()),
        ("scripts-example", "/sandbox/examples/flock".to_owned()),
    ];
    for (name, path) in pages {
        for (width, height) in [(1280, 900), (390, 800)] {
            page.viewport(width, height).goto(&server.url(&path)).wait_for("main");
            assert!(!page.overflows(), "{path} is wider than {width}");
            page.check_accessibility();
            page.screenshot(&format!("{name}-{width}"));
        }
    }
}
