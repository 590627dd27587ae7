//! Finding what was said: words, rights, pages, and what the index must never do.

use neospace_tests::{Browser, Person, Server, eventually, person::encode};
use serde_json::Value;

/// A server where people may talk as fast as tests do.
fn server() -> Server {
    Server::builder()
        .config(
            "[limits]\nposts_per_minute = 100000\nroom_posts_per_minute = 100000\naddress_posts_per_minute = 100000\n",
        )
        .start()
}

fn say(person: &Person, room: &str, text: &str) -> i64 {
    let said = person.post_json(&format!("/rooms/{room}/messages"), &[("content", text)]);
    let said = said.expect(201).json();
    said["id"].as_i64().unwrap_or_else(|| panic!("{said} has no id"))
}

fn join(person: &Person, room: &str) {
    person.post(&format!("/rooms/{room}/join"), &[]).see_other();
}

fn search(person: &Person, fields: &[(&str, &str)]) -> Value {
    let path = format!("/rooms/search?{}", encode(fields));
    person.get_json(&path).expect(200).json()
}

/// What was found, as ids.
fn ids(found: &Value) -> Vec<i64> {
    let hits = found["hits"]
        .as_array()
        .unwrap_or_else(|| panic!("{found} has no hits"));
    hits.iter().filter_map(|hit| hit["message_id"].as_i64()).collect()
}

fn find(person: &Person, words: &str) -> Vec<i64> {
    ids(&search(person, &[("q", words)]))
}

/// Waits until the index has taken in everything, so that what is asked then is asked of it.
fn indexed(server: &Server) {
    let database = server.database();
    eventually("the index knows every message", || {
        let waiting = database.query_row("select count(*) from search_queue", [], |row| row.get::<_, i64>(0));
        (waiting.expect("a count") == 0).then_some(())
    });
}

#[test]
fn a_member_finds_what_was_said_at_once_and_later_and_jumps_to_it() {
    let server = server();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    join(&ana, "lobby");
    join(&bob, "lobby");
    let tea = say(&ana, "lobby", "Who has the **Crème** brûlée?\nAnd the tea-pot?");
    let cake = say(&bob, "lobby", "I have cake, no creme.");
    for _ in 0..2 {
        assert_eq!(
            find(&bob, "creme"),
            [cake, tea],
            "accents and case make no difference, newest first"
        );
        assert_eq!(find(&bob, "CRÈME brul"), [tea], "the last word may be a beginning");
        assert_eq!(find(&bob, "brul creme"), Vec::<i64>::new(), "the others may not");
        assert_eq!(
            find(&bob, "creme tea pot who"),
            [tea],
            "every word counts, in any order"
        );
        assert_eq!(find(&bob, "cak"), [cake]);
        assert_eq!(find(&bob, "ca"), Vec::<i64>::new());
        let page = bob.get("/rooms/search?q=brulee").expect(200);
        assert!(
            page.text().contains("<mark>brûlée</mark>? And the tea"),
            "{}",
            page.text()
        );
        let link = page.between("<li id=\"hit-", "</li>");
        assert!(
            link.contains(&format!("href=\"/rooms/lobby?around={tea}#message-{tea}\"")),
            "{link}"
        );
        let around = bob.get(&format!("/rooms/lobby?around={tea}")).expect(200).text();
        assert!(around.contains(&format!("id=\"message-{tea}\"")));
        indexed(&server);
    }
    let guest = server.guest();
    assert_eq!(
        guest.get("/rooms/search?q=creme").see_other(),
        "/login?next=/rooms/search"
    );
    guest.get_json("/rooms/search?q=creme").expect(401);
}

#[test]
fn what_one_may_not_read_one_does_not_find() {
    let server = server();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    ana.post("/rooms", &[("name", "secret"), ("topic", "")]).see_other();
    ana.post("/rooms", &[("name", "garden"), ("topic", ""), ("open", "on")])
        .see_other();
    ana.post("/rooms/secret/invite", &[("user", "bob")]).see_other();
    let hidden = say(&ana, "secret", "the treasure is under the oak");
    let open = say(&ana, "garden", "a treasure of tulips");
    for _ in 0..2 {
        assert_eq!(find(&cyd, "treasure"), [open]);
        assert_eq!(find(&bob, "treasure"), [open], "invited is not yet inside");
        assert_eq!(find(&ana, "treasure"), [open, hidden]);
        let by_name = cyd
            .request("GET", "/rooms/search?q=treasure&room=secret")
            .header("accept", "application/json");
        by_name.send().expect(404);
        cyd.get("/rooms/search?q=treasure&room=no-such-room").expect(404);
        assert_eq!(ids(&search(&ana, &[("q", "treasure"), ("room", "garden")])), [open]);
        assert_eq!(ids(&search(&ana, &[("q", "treasure"), ("room", "secret")])), [hidden]);
        indexed(&server);
    }
    join(&bob, "secret");
    assert_eq!(find(&bob, "treasure"), [open, hidden]);
    ana.post("/rooms/secret/kick", &[("user", "bob")]).see_other();
    assert_eq!(find(&bob, "treasure"), [open]);
    join(&cyd, "garden");
    ana.post("/rooms/garden/ban", &[("user", "cyd")]).see_other();
    assert_eq!(find(&cyd, "treasure"), Vec::<i64>::new());
    cyd.get("/rooms/search?q=treasure&room=garden").expect(403);
}

#[test]
fn edited_and_removed_words_are_forgotten() {
    let server = server();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    join(&ana, "lobby");
    for wait in [false, true] {
        let settle = || {
            if wait {
                indexed(&server)
            }
        };
        let id = say(&ana, "lobby", "meet me at noon by the fountain");
        settle();
        ana.post(
            &format!("/rooms/lobby/messages/{id}"),
            &[("content", "meet me at dusk by the fountain")],
        );
        assert_eq!(find(&bob, "noon fountain"), Vec::<i64>::new());
        assert_eq!(find(&bob, "dusk fountain"), [id]);
        settle();
        assert_eq!(find(&bob, "noon"), Vec::<i64>::new());
        assert_eq!(find(&bob, "dusk fountain"), [id]);
        ana.post(&format!("/rooms/lobby/messages/{id}/delete"), &[]);
        assert_eq!(find(&bob, "fountain"), Vec::<i64>::new());
        settle();
        assert_eq!(find(&bob, "fountain"), Vec::<i64>::new());
    }
    indexed(&server);
    // Nothing of them is left in the index itself.
    let left: i64 = server
        .database()
        .query_row("select count(*) from message_words_docsize", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(left, 0);
}

#[test]
fn words_that_the_index_takes_for_operators_are_just_words() {
    let server = server();
    let ana = server.person("ana");
    join(&ana, "lobby");
    let both = say(&ana, "lobby", "salt AND pepper, NOT sugar, OR near it: NEAR(here, 3)");
    let salt = say(&ana, "lobby", "salt alone");
    indexed(&server);
    assert_eq!(find(&ana, "salt AND"), [both]);
    assert_eq!(find(&ana, "salt NOT"), [both]);
    assert_eq!(find(&ana, "salt OR pepper"), [both]);
    assert_eq!(find(&ana, "NEAR(here, 3)"), [both]);
    assert_eq!(find(&ana, "sal"), [salt, both]);
    for odd in [
        "\"salt",
        "salt\"",
        "'salt'",
        "salt*",
        "*salt",
        "^salt",
        "-salt",
        "+salt",
        "(salt",
        "salt)",
        "{salt}",
        "words:salt",
        "words : salt",
        "message_words: salt",
        "salt;",
        "salt\\",
        "salt%",
        "\"\"salt\"\"",
        "rank:salt",
        "{words}:salt",
    ] {
        let found = search(&ana, &[("q", odd)]);
        let expected: &[i64] = if odd.contains("words") || odd.contains("rank") {
            &[]
        } else {
            &[salt, both]
        };
        assert_eq!(ids(&found), expected, "{odd:?}");
    }
    // The room's number in front of each word can't be typed.
    for forged in ["1xsalt", "1ysal", "\"1xsalt\""] {
        assert_eq!(find(&ana, forged), Vec::<i64>::new(), "{forged:?}");
    }
}

#[test]
fn nothing_and_too_much_are_answered_with_a_sentence() {
    let server = server();
    let ana = server.person("ana");
    let fresh = ana.get("/rooms/search").expect(200).text();
    assert!(fresh.contains("role=\"search\"") && !fresh.contains("aria-invalid"));
    let many = "one two three four five six seven eight nine ten eleven";
    for (words, sentence) in [
        (" ", "Type a word"),
        ("!?", "Type a word"),
        (&*"long ".repeat(41), "200 characters"),
        (many, "Those are 11 words"),
    ] {
        let path = format!("/rooms/search?{}", encode(&[("q", words)]));
        let page = ana.get(&path).expect(422).text();
        assert!(
            page.contains(sentence) && page.contains("aria-invalid=\"true\""),
            "{words:?}: {page}"
        );
        assert!(page.contains(words.trim()), "what was typed stays");
        let problem = ana.get_json(&path).expect(422).json();
        assert_eq!(problem["errors"][0]["field"], "q", "{problem}");
    }
    ana.get("/rooms/search?q=x&before=yesterday").expect(400);
}

#[test]
fn pages_follow_one_another_without_gaps_or_repeats() {
    let server = server();
    let ana = server.person("ana");
    for room in ["east", "west"] {
        ana.post("/rooms", &[("name", room), ("topic", ""), ("open", "on")])
            .see_other();
    }
    let mut said: Vec<i64> = (0..45)
        .map(|n| say(&ana, ["east", "west"][n % 2], &format!("lap {n}")))
        .collect();
    indexed(&server);
    said.extend((45..50).map(|n| say(&ana, "east", &format!("lap {n}"))));
    said.reverse();
    let (mut all, mut before) = (Vec::new(), None::<i64>);
    for _ in 0..5 {
        let from = before.map(|id| id.to_string()).unwrap_or_default();
        let mut asked = vec![("q", "lap")];
        if before.is_some() {
            asked.push(("before", &from));
        }
        let found = search(&ana, &asked);
        assert!(ids(&found).len() <= 20);
        all.extend(ids(&found));
        before = found["older"].as_i64();
        if before.is_none() {
            break;
        }
    }
    assert_eq!(all, said);
    let page = ana.get("/rooms/search?q=lap&room=east").expect(200);
    assert!(
        page.text().contains("/rooms/search?q=lap&amp;room=east&amp;before=")
            || page.text().contains("/rooms/search?q=lap&room=east&amp;before=")
    );
}

#[test]
fn what_was_not_indexed_before_an_end_is_indexed_after_it() {
    let mut server = server();
    let ana = server.person("ana");
    join(&ana, "lobby");
    let id = say(&ana, "lobby", "written just before the lights went out");
    server.kill();
    server.start_again();
    let ana = server.guest_called("ana");
    ana.log_in();
    assert_eq!(find(&ana, "lights"), [id]);
    indexed(&server);
    assert_eq!(find(&ana, "lights"), [id]);
}

#[test]
fn a_search_looks_right_on_every_screen() {
    let (server, browser) = (server(), Browser::start());
    let ana = server.person("ana");
    join(&ana, "lobby");
    for n in 0..25 {
        say(
            &ana,
            "lobby",
            &format!(
                "Kettle number {n} is <b>boiling</b>: who wants a cup of the good tea that bob brought from the coast?"
            ),
        );
    }
    let page = browser.page_of(&ana);
    for (width, height) in [(1280, 800), (390, 844)] {
        for scheme in ["light", "dark"] {
            page.viewport(width, height).scheme(scheme);
            page.goto(&server.url("/rooms/search?q=kettle+tea"));
            assert_eq!(page.count(".hits li"), 20);
            assert!(!page.overflows(), "{width} {scheme}");
            page.check_accessibility();
            page.screenshot(&format!("search-{width}-{scheme}"));
        }
    }
    page.viewport(1280, 800).scheme("light");
    page.goto(&server.url("/rooms/search?q=nobody"));
    page.check_accessibility();
    page.screenshot("search-nothing");
    page.fill("#q", "boil").press("Enter");
    page.wait_for(".hits mark");
    page.click(".hits li a").wait_for_path("/rooms/lobby");
}
