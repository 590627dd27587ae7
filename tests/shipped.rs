//! The plugins that ship: each on a wall of the running server, used by people; and, where the time of day or the years
//! matter, called by `neospace plugin run` with a clock that is set.

use std::{path::PathBuf, process::Command};

use neospace_tests::{Answer, Person, Server, eventually, person::unescape, plugin, root, server::neospace};
use serde_json::Value;

/// A module on a wall.
struct Module {
    at: String,
}

impl Module {
    /// Puts a plugin on its owner's wall, with these settings.
    fn put_up(owner: &Person, wall: &str, plugin: &str, settings: &[(&str, &str)]) -> Self {
        let there = owner
            .post(&format!("/wall/{wall}/modules"), &[("plugin", plugin)])
            .see_other();
        let id = there.split("module=").nth(1).and_then(|rest| rest.split('#').next());
        let module = Self {
            at: format!("/wall/{wall}/modules/{}", id.expect("it leads to the new module")),
        };
        if !settings.is_empty() {
            module.set(owner, settings);
        }
        module
    }

    /// Changes its settings; what it asks for stays granted.
    fn set(&self, owner: &Person, settings: &[(&str, &str)]) {
        let wall = owner.get(&self.at.replace("/modules/", "?edit=1&module="));
        let granted = wall.forms().into_iter().find(|form| form.action.ends_with("/settings"));
        let granted = granted.expect("the drawer has the module's settings");
        let mut fields: Vec<(&str, &str)> = settings.to_vec();
        fields.extend(granted.fields().into_iter().filter(|(name, _)| *name == "grant"));
        owner.post(&format!("{}/settings", self.at), &fields).expect(303);
    }

    /// The module as this person sees it. On a machine that is busy with other tests a render may miss its deadline;
    /// then it is asked for again.
    fn seen_by(&self, person: &Person) -> String {
        eventually("the module shows something", || {
            let seen = person.get(&self.at).expect(200).text();
            (!seen.contains("is-failed") && !seen.contains("is-stale")).then_some(seen)
        })
    }

    /// Presses the button with this label, after filling in the form around it; answers as to a program.
    fn press(&self, person: &Person, label: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token(person, label);
        self.send(person, &token, fields)
    }

    /// The token that pressing this button sends.
    #[track_caller]
    fn token(&self, person: &Person, label: &str) -> String {
        let seen = self.seen_by(person);
        let button = seen.split("<button").position(|part| {
            let end = part.find("</button>").unwrap_or(0);
            part[..end].contains(label)
        });
        let Some(button) = button else {
            panic!("no button “{label}” in\n{seen}")
        };
        // A button's own token stands in its tag, a form's before it.
        let before: Vec<&str> = seen.split("<button").take(button).collect();
        let tag = seen
            .split("<button")
            .nth(button)
            .and_then(|part| part.split('>').next());
        let places = [tag.map(String::from), Some(before.join("<button"))];
        let token = places.iter().flatten().find_map(|place| {
            let (_, rest) = place.rsplit_once("name=\"token\" value=\"")?;
            rest.split('"').next().map(unescape)
        });
        token.unwrap_or_else(|| panic!("the button “{label}” sends no token:\n{seen}"))
    }

    fn send(&self, person: &Person, token: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("token", token)];
        all.extend(fields);
        person.post_json(&format!("{}/act", self.at), &all)
    }
}

/// The sentence that an accepted action answered; empty when it said nothing.
#[track_caller]
fn said(answer: Answer) -> String {
    answer.expect(200).json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Why an action was refused.
#[track_caller]
fn refused(answer: Answer) -> String {
    answer.expect(422).text()
}

/// One call of `neospace plugin run`: the report.
struct Run {
    arguments: Vec<String>,
}

impl Run {
    fn of(name: &str) -> Self {
        let file = plugin(name).display().to_string();
        let arguments = ["plugin", "run", &file, "--json"].map(String::from).to_vec();
        Self { arguments }
    }

    fn with(mut self, option: &str, value: impl Into<String>) -> Self {
        self.arguments.extend([option.into(), value.into()]);
        self
    }

    /// What came of it. A call that missed its deadline on a busy machine left nothing behind and is made again.
    fn report(self) -> Value {
        eventually("the call is in time", || {
            let output = Command::new(neospace())
                .args(&self.arguments)
                .output()
                .expect("the program can be started");
            let text = String::from_utf8_lossy(&output.stdout);
            let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| {
                panic!(
                    "{:?}: {text}{}",
                    self.arguments,
                    String::from_utf8_lossy(&output.stderr)
                )
            });
            (!report.to_string().contains("it took longer than")).then_some(report)
        })
    }

    /// The view, or the drawing.
    #[track_caller]
    fn html(self) -> String {
        let report = self.report();
        let shown = report["html"].as_str().or(report["svg"].as_str());
        shown.unwrap_or_else(|| panic!("nothing is shown: {report}")).to_owned()
    }
}

#[test]
fn every_plugin_that_ships_is_fine_by_our_own_check() {
    for folder in std::fs::read_dir(root().join("plugins")).expect("the plugins are here") {
        let folder = folder.expect("it can be read").path();
        if !folder.join("plugin.toml").exists() {
            continue;
        }
        let name = folder
            .file_name()
            .expect("a folder has a name")
            .to_string_lossy()
            .into_owned();
        let manifest = std::fs::read_to_string(folder.join("plugin.toml")).expect("it can be read");
        let manifest: toml_edit::DocumentMut = manifest.parse().expect("it is TOML");
        let command = manifest
            .get("commands")
            .and_then(|commands| commands.get(0)?.get("usage")?.as_str());
        let run = match command {
            Some(usage) => Run::of(&name).with("--command", usage),
            None if name == "word-filter" => Run::of(&name).with("--text", "Good evening."),
            None => Run::of(&name),
        };
        let report = run.report();
        let limit = report["fuel"]["limit"].as_u64().expect("a limit");
        let used = report["fuel"]["used"].as_u64().expect("what was used");
        assert!(used * 4 < limit, "{name} burns {used} of {limit} to show nothing yet");
        assert!(
            matches!(report["outcome"].as_str(), Some("view" | "drawing" | "reply" | "pass")),
            "{name}: {report}"
        );
        let size = plugin(&name).metadata().expect("it was built").len();
        assert!(size < 192 * 1024, "{name} has {size} bytes");
    }
}

#[test]
fn a_visitor_signs_and_the_owner_wipes() {
    let server = Server::builder().plugin("guestbook").start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    let book = Module::put_up(&ana, "ana", "guestbook", &[]);
    assert!(book.seen_by(&guest).contains("first line in ana’s book is still free"));

    said(book.press(&bob, "Sign", &[("f-text", "low water at 05:12,  bring boots")]));
    said(book.press(&guest, "Sign", &[("f-text", "<b>I have a moth now.</b>")]));
    let seen = book.seen_by(&guest);
    assert!(
        seen.contains(">bob</a></strong> low water at 05:12, bring boots "),
        "{seen}"
    );
    assert!(
        seen.contains("a passer-by</strong> &lt;b&gt;I have a moth now.&lt;/b&gt; "),
        "{seen}"
    );
    assert!(seen.find("moth") < seen.find("boots"), "the newest first");
    let notices = ana.get("/settings").text();
    assert!(notices.contains("bob signed your guestbook: low water"), "{notices}");

    // Nobody but ana has the eraser, not even with her token.
    assert!(!book.seen_by(&bob).contains("Wipe"));
    let wipe = book.token(&ana, "×");
    assert_ne!(book.send(&bob, &wipe, &[]).status, 200);
    assert!(book.seen_by(&bob).contains("moth"));
    said(book.send(&ana, &wipe, &[]));
    assert!(!book.seen_by(&bob).contains("moth") && book.seen_by(&bob).contains("boots"));
    said(book.press(&ana, "Wipe every line", &[]));
    assert!(book.seen_by(&bob).contains("still free"));
}

#[test]
fn old_notices_that_were_read_go_when_a_new_one_comes() {
    let server = Server::builder().plugin("guestbook").start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let book = Module::put_up(&ana, "ana", "guestbook", &[]);
    let database = rusqlite::Connection::open(server.data().join("neospace.db")).expect("the database opens");
    let insert = |days_old: u32, read: bool, count: u32| {
        let sql = "with recursive n (i) as (select 1 union all select i + 1 from n where i < ?3)
                   insert into notices (user_id, plugin, text, created_at, read_at)
                   select u.id, 'guestbook', 'x', (unixepoch() - ?1 * 86400) * 1000, iif(?2, 1, null)
                     from users u, n where u.name = 'ana'";
        database.execute(sql, (days_old, read, count)).expect("rows");
    };
    // The oldest first: three that were never read, three that were and are old, and more than are kept.
    insert(200, false, 3);
    insert(91, true, 3);
    insert(1, true, 250);
    said(book.press(&bob, "Sign", &[("f-text", "high water at 11:20")]));
    let left = |which: &str| -> i64 {
        let sql = format!("select count(*) from notices where {which}");
        server
            .database()
            .query_row(&sql, [], |row| row.get(0))
            .expect("a count")
    };
    assert_eq!(
        left("read_at is not null"),
        199,
        "the newest 200, the new one among them"
    );
    assert_eq!(left("read_at is null"), 4, "what nobody has read stays");
    assert_eq!(
        left("read_at is not null and created_at < (unixepoch() - 90 * 86400) * 1000"),
        0
    );
}

#[test]
fn a_guestbook_says_what_it_takes_and_keeps_what_was_typed() {
    let server = Server::builder().plugin("guestbook").start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let book = Module::put_up(&ana, "ana", "guestbook", &[]);
    assert!(refused(book.press(&bob, "Sign", &[("f-text", " \t ")])).contains("up to 280 characters"));
    let long = "é".repeat(281);
    assert!(refused(book.press(&bob, "Sign", &[("f-text", &long)])).contains("That is 281 characters; up to 280 fit."));
    let token = book.token(&bob, "Sign");
    let page = bob
        .post(&format!("{}/act", book.at), &[("token", &token), ("f-text", &long)])
        .expect(422);
    assert!(page.text().contains(&long), "what was typed is in the form again");
    said(book.press(&bob, "Sign", &[("f-text", &"é".repeat(280))]));
    assert!(refused(book.press(&bob, "Sign", &[("f-text", &"é".repeat(280))])).contains("already"));
}

#[test]
fn nobody_fills_a_guestbook_in_a_second() {
    let server = Server::builder()
        .plugin("guestbook")
        .config("[limits]\nactions = 3")
        .start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let book = Module::put_up(&ana, "ana", "guestbook", &[]);
    let token = book.token(&bob, "Sign");
    for line in ["one", "two", "three"] {
        said(book.send(&bob, &token, &[("f-text", line)]));
    }
    // The fourth is taken, and costs a wait.
    said(book.send(&bob, &token, &[("f-text", "four")]));
    let held_up = book.send(&bob, &token, &[("f-text", "five")]).expect(429);
    assert_eq!(held_up.header("retry-after"), "1");
    assert!(held_up.text().contains("Try again in 1 s"), "{}", held_up.text());
    assert!(!book.seen_by(&ana).contains("five"));
    // It is bob who waits, and nobody else.
    said(book.press(&cyd, "Sign", &[("f-text", "is it always this loud?")]));
}

#[test]
fn a_full_guestbook_waits_for_its_owner_or_lets_the_oldest_go() {
    let server = Server::builder().plugin("guestbook").start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let everyone = [("s-prompt", "…"), ("s-who", "everyone"), ("s-full", "stop")];
    let book = Module::put_up(&ana, "ana", "guestbook", &everyone);
    let token = book.token(&bob, "Sign");
    for line in 0..96 {
        said(book.send(
            &bob,
            &token,
            &[("f-text", &format!("line {line} {}", "blah ".repeat(50)))],
        ));
    }
    assert!(refused(book.send(&bob, &token, &[("f-text", "one too many")])).contains("The book is full"));
    // All 96 are there, with an eraser each, within the limits of a view.
    let seen = book.seen_by(&ana);
    assert_eq!(seen.matches("Wipe the line of bob").count(), 96);
    assert!(seen.contains("line 0 ") && seen.contains("<summary>Older, from"));

    book.set(&ana, &[("s-prompt", "…"), ("s-who", "everyone"), ("s-full", "oldest")]);
    said(book.press(&bob, "Sign", &[("f-text", "there was room")]));
    let seen = book.seen_by(&bob);
    assert!(seen.contains("there was room") && !seen.contains("line 0 ") && seen.contains("line 1 "));
}

#[test]
fn a_guestbook_for_members_lets_guests_wave() {
    let server = Server::builder().plugin("guestbook").start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    let book = Module::put_up(&ana, "ana", "guestbook", &[]);
    let token = book.token(&guest, "Sign");
    book.set(&ana, &[("s-prompt", "…"), ("s-who", "members"), ("s-full", "stop")]);
    assert!(book.seen_by(&guest).contains("Log in to sign"));
    assert!(refused(book.send(&guest, &token, &[("f-text", "hello")])).contains("Members sign here"));
    said(book.press(&bob, "Sign", &[("f-text", "hello")]));
}

#[test]
fn a_guestbook_without_names_writes_everyone_down_as_a_passer_by() {
    let server = Server::builder().plugin_granted("guestbook", &["storage"]).start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let book = Module::put_up(&ana, "ana", "guestbook", &[]);
    said(book.press(&bob, "Sign", &[("f-text", "who am I?")]));
    assert!(book.seen_by(&ana).contains("a passer-by</strong> who am I? "));
    assert!(!book.seen_by(&ana).contains("/wall/bob"));
}

#[test]
fn an_owner_hangs_out_the_weather_for_everyone_to_see() {
    let server = Server::builder().plugin("mood").start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let mood = Module::put_up(&ana, "ana", "mood", &[]);
    assert!(mood.seen_by(&bob).contains("has not looked out"));
    assert!(!mood.seen_by(&bob).contains("<form"));
    assert!(
        refused(mood.press(&ana, "Hang it out", &[("f-line", "calm"), ("f-sky", "hail")])).contains("one of the skies")
    );
    let live = bob.live();
    live.watch("wall:ana");
    said(mood.press(
        &ana,
        "Hang it out",
        &[("f-line", "luminous, slightly singed"), ("f-sky", "storm")],
    ));
    let patch = live.wait("patch", |frame| {
        frame["target"].as_str().is_some_and(|at| at.starts_with("module-"))
    });
    assert!(
        patch["html"]
            .as_str()
            .is_some_and(|html| html.contains("luminous, slightly singed"))
    );
    let seen = mood.seen_by(&bob);
    assert!(
        seen.contains("aria-label=\"Thunder nearby\"") && seen.contains(">since "),
        "{seen}"
    );
}

#[test]
fn a_mood_grows_vaguer_with_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = folder.path().join("storage.json").display().to_string();
    let at = |now: &str| Run::of("mood").with("--storage", &storage).with("--now", now);
    at("2026-11-15T18:20:00Z")
        .with("--viewer", "owner")
        .with("--action", "set")
        .with("--field", "line=singed")
        .with("--field", "sky=sun")
        .report();
    for (now, says) in [
        ("2026-11-15T21:00:00Z", "since dusk"),
        ("2026-11-16T09:00:00Z", "since yesterday, at dusk"),
        ("2026-11-19T09:00:00Z", "since Sunday, at dusk"),
        ("2026-12-24T09:00:00Z", "since 15 November"),
        ("2028-01-01T09:00:00Z", "since November 2026"),
    ] {
        let html = at(now).html();
        assert!(html.contains(says), "{now}: {html}");
    }
}

#[test]
fn a_clock_goes_by_its_owners_time_and_knows_day_from_night() {
    let at = |now: &str, offset: &str| {
        Run::of("clock")
            .with("--now", now)
            .with("--utc-offset", offset)
            .with("--settings", r#"{"place": "in the shed"}"#)
            .report()
    };
    let noon = at("2026-11-21T12:00:10Z", "0");
    let html = noon["html"].as_str().expect("a view");
    assert!(
        html.contains("shows 12:00") && html.contains("It is noon ") && html.contains("w ol"),
        "{html}"
    );
    assert_eq!(noon["max_age_seconds"], 50, "until the minute is over");
    let tokyo = at("2026-11-21T12:00:10Z", "540");
    let html = tokyo["html"].as_str().expect("a view");
    assert!(
        html.contains("shows 21:00") && html.contains("It is late ") && html.contains("after-dark"),
        "{html}"
    );
    assert!(html.contains("<strong>in the shed</strong>"));

    // On the wall, the offset is that of the zone in ana's profile.
    let server = Server::builder().plugin("clock").start();
    let (ana, guest) = (server.person("ana"), server.guest());
    let settings = [("s-place", "in the shed"), ("s-face", "figures")];
    let clock = Module::put_up(&ana, "ana", "clock", &settings);
    let hour = |zone: &str| {
        ana.post("/wall/ana/profile", &[("time_zone", zone)]).expect(303);
        let seen = clock.seen_by(&guest);
        let time = seen.split("<time datetime=\"").nth(1).and_then(|rest| rest.get(..2));
        time.and_then(|hour| hour.parse::<i32>().ok()).expect("a time of day")
    };
    let difference = (hour("Asia/Tokyo") - hour("UTC")).rem_euclid(24);
    assert!(
        (8..=9).contains(&difference),
        "Tokyo is nine hours ahead, unless the hour just turned: {difference}"
    );
}

#[test]
fn a_shelf_of_friends_leads_to_their_walls() {
    let server = Server::builder().plugin("top-friends").start();
    let (ana, guest) = (server.person("ana"), server.guest());
    server.person("bob");
    let shelf = Module::put_up(&ana, "ana", "top-friends", &[]);
    assert!(shelf.seen_by(&guest).contains("href=\"/random\""));
    assert!(shelf.seen_by(&ana).contains("Put somebody up"));
    shelf.set(
        &ana,
        &[
            ("s-friends-0-who", "bob"),
            ("s-friends-0-note", "lends <torches>"),
            ("s-friends-1-who", "ana"),
        ],
    );
    let seen = shelf.seen_by(&guest);
    assert!(
        seen.contains("href=\"/wall/bob\"") && seen.contains("lends &lt;torches&gt;"),
        "{seen}"
    );
    assert!(seen.find("/wall/bob") < seen.rfind("href=\"/wall/ana\""));
}

#[test]
fn walls_on_a_ring_lead_to_one_another_in_a_circle() {
    let server = Server::builder().plugin("webring").start();
    let people = ["ana", "bob", "cyd"].map(|name| (name, server.person(name)));
    let guest = server.guest();
    let modules: Vec<Module> = people
        .iter()
        .map(|(name, person)| Module::put_up(person, name, "webring", &[]))
        .collect();
    assert!(modules[0].seen_by(&guest).contains("Some day a bead on the"));
    let join = modules[0].token(&people[0].1, "String it on");
    assert_ne!(
        modules[0].send(&people[1].1, &join, &[]).status,
        200,
        "bob can't string up ana's wall"
    );
    said(modules[0].send(&people[0].1, &join, &[]));
    assert!(modules[0].seen_by(&guest).contains("only one so far"));
    for (module, (_, person)) in modules.iter().zip(&people).skip(1) {
        said(module.press(person, "String it on", &[]));
    }
    let ways = |module: &Module| {
        let seen = module.seen_by(&guest);
        let before = seen
            .contains("The wall before: ")
            .then(|| seen.split("The wall before: ").nth(1));
        let after = seen.split("The wall after: ").nth(1);
        [before.flatten(), after].map(|way| way.and_then(|way| way.split('"').next()).map(String::from))
    };
    let way = |before: &str, after: &str| [Some(before.to_owned()), Some(after.to_owned())];
    assert_eq!(ways(&modules[0]), way("cyd", "bob"));
    assert_eq!(ways(&modules[1]), way("ana", "cyd"));
    assert_eq!(ways(&modules[2]), way("bob", "ana"));
    let any = modules[0].seen_by(&guest);
    assert!(
        ["bob", "cyd"]
            .iter()
            .any(|wall| any.contains(&format!("Any wall of the ring: {wall}")))
    );
    // The ring closes up when one leaves, on every wall at once.
    said(modules[1].press(&people[1].1, "Take it off the ring", &[]));
    assert_eq!(ways(&modules[0]), way("cyd", "cyd"));
    assert!(modules[1].seen_by(&guest).contains("Some day a bead on the"));
    // Rings of another name are other rings; case and spaces are no other name.
    modules[1].set(&people[1].1, &[("s-ring", "  ring OF small   lights ")]);
    assert_eq!(ways(&modules[1]), way("ana", "cyd"));
    modules[1].set(&people[1].1, &[("s-ring", "Ring of Large Lights")]);
    assert_eq!(ways(&modules[1]), [None, None]);
}

const LAMPS: [(&str, &str); 4] = [
    ("s-question", "Which lamp for the porch?"),
    ("s-answers-0-answer", "the green one"),
    ("s-answers-1-answer", "paraffin"),
    ("s-answers-2-answer", "no lamp"),
];

#[test]
fn every_member_has_one_vote_and_nobody_sees_how_it_stands() {
    let server = Server::builder().plugin("poll").start();
    let (ana, bob, cyd, guest) = (
        server.person("ana"),
        server.person("bob"),
        server.person("cyd"),
        server.guest(),
    );
    let poll = Module::put_up(&ana, "ana", "poll", &LAMPS);
    assert!(poll.seen_by(&guest).contains("Log in to vote") && !poll.seen_by(&guest).contains("<button"));
    let before = poll.seen_by(&cyd);

    said(poll.press(&bob, "the green one", &[]));
    assert!(
        poll.seen_by(&bob)
            .contains("the green one<span class=\"mark\"> (yours)")
    );
    // It shows to nobody else, its owner included: the view is the same as before but for the tokens.
    let plain = |html: &str| {
        let view = html.split_once("shadowrootmode").map_or("", |(_, view)| view);
        let parts = view.split("value=\"");
        parts
            .map(|part| part.split_once('"').map_or(part, |(_, rest)| rest))
            .collect::<String>()
    };
    assert!(plain(&before).contains("paraffin"));
    assert_eq!(plain(&poll.seen_by(&cyd)), plain(&before));
    for person in [&ana, &cyd, &guest] {
        assert!(!poll.seen_by(person).contains("class=\"bar\""));
    }
    // Moved, not doubled; and taken back by pressing it again.
    said(poll.press(&bob, "paraffin", &[]));
    let seen = poll.seen_by(&bob);
    assert!(seen.contains("paraffin<span class=\"mark\"> (yours)") && seen.matches("(yours)").count() == 1);
    assert!(said(poll.press(&bob, "paraffin", &[])).contains("yours again"));
    assert!(!poll.seen_by(&bob).contains("(yours)"));

    said(poll.press(&bob, "the green one", &[]));
    said(poll.press(&ana, "the green one", &[]));
    said(poll.press(&cyd, "paraffin", &[]));
    // A guest who got hold of a member's token has no vote either.
    let token = poll.token(&cyd, "no lamp");
    assert_ne!(poll.send(&guest, &token, &[]).status, 200);
    assert!(!poll.seen_by(&bob).contains("Close it"));
    said(poll.press(&ana, "Close it and count", &[]));
    let seen = poll.seen_by(&guest);
    let bars: Vec<i64> = seen
        .split("class=\"bar\"")
        .skip(1)
        .map(|bar| {
            bar.split("width=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next()?.parse().ok())
                .expect("a bar has a width")
        })
        .collect();
    assert_eq!(bars, [666, 333, 0], "two thirds, one third, none");
    assert!(
        seen.contains("the longest bar") && seen.contains("no bar") && !seen.contains("%"),
        "{seen}"
    );
    assert!(refused(poll.send(&cyd, &token, &[])).contains("closed"));
    said(poll.press(&ana, "Open it again", &[]));
    assert!(!poll.seen_by(&guest).contains("class=\"bar\""));
}

#[test]
fn another_question_is_another_poll() {
    let server = Server::builder().plugin("poll").start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let poll = Module::put_up(&ana, "ana", "poll", &[]);
    assert!(poll.seen_by(&ana).contains("Ask something") && poll.seen_by(&bob).contains("still thinking"));
    poll.set(&ana, &LAMPS);
    said(poll.press(&bob, "paraffin", &[]));
    said(poll.press(&ana, "Close it and count", &[]));
    let mut other = LAMPS;
    other[0] = ("s-question", "Which lamp for the stairs?");
    poll.set(&ana, &other);
    let seen = poll.seen_by(&bob);
    assert!(seen.contains("Open.") && !seen.contains("(yours)"), "{seen}");
    said(poll.press(&bob, "no lamp", &[]));
    // Going back doesn't bring the old votes back: they went with their question.
    poll.set(&ana, &LAMPS);
    assert!(!poll.seen_by(&bob).contains("(yours)"));
    poll.set(&ana, &other);
    assert!(poll.seen_by(&bob).contains("no lamp<span class=\"mark\"> (yours)"));
}

#[test]
fn a_pet_hatches_and_remembers_who_fed_it() {
    let server = Server::builder().plugin("pixel-pet").start();
    let (ana, bob, guest) = (server.person("ana"), server.person("bob"), server.guest());
    let pet = Module::put_up(&ana, "ana", "pixel-pet", &[("s-name", "Lint <3")]);
    assert!(pet.seen_by(&guest).contains("An egg in the grass"));
    let warm = pet.token(&bob, "Warm it");
    assert!(said(pet.send(&guest, &pet.token(&guest, "Warm it"), &[])).contains("It hatched!"));
    assert!(refused(pet.send(&bob, &warm, &[])).contains("It has hatched"));
    assert!(pet.seen_by(&guest).contains("<strong>Lint &lt;3</strong>"));
    assert!(said(pet.press(&bob, "Feed", &[])).contains("Lint <3 ate it"));
    assert!(pet.seen_by(&guest).contains("It remembers bob."));
    said(pet.press(&guest, "Feed", &[]));
    assert!(pet.seen_by(&ana).contains("It remembers somebody and bob."));
    assert!(refused(pet.press(&bob, "Feed", &[])).contains("it is full"));
    assert!(
        said(pet.press(&bob, "Pat", &[])).contains("still humming"),
        "hatching was exciting enough"
    );
}

#[test]
fn a_pet_gets_hungry_sleepy_lonely_and_old_while_nobody_looks() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = folder.path().join("storage.json").display().to_string();
    let at = |now: &str| {
        Run::of("pixel-pet")
            .with("--storage", &storage)
            .with("--now", now)
            .with("--settings", r#"{"name": "Lint"}"#)
    };
    at("2026-11-01T10:00:00Z")
        .with("--viewer", "member:bob")
        .with("--action", "warm")
        .report();
    for (now, says) in [
        ("2026-11-01T10:05:00Z", "Lint</strong> hums"),
        ("2026-11-01T10:05:00Z", "hatched today"),
        ("2026-11-01T17:00:00Z", "is hungry. Of its shell nothing is left"),
        ("2026-11-01T21:00:00Z", "is hungry"),
        ("2026-11-03T12:00:00Z", "sulks"),
        ("2026-11-03T12:00:00Z", "2 days old"),
        ("2026-11-04T03:00:00Z", "sulks"),
    ] {
        let html = at(now).html();
        assert!(html.contains(says), "{now}: {html}");
    }
    for minute in ["12:00", "12:01"] {
        let fed = at(&format!("2026-12-03T{minute}:00Z"))
            .with("--viewer", "member:bob")
            .with("--action", "feed")
            .report();
        assert_eq!(fed["outcome"], "done", "{fed}");
    }
    for (now, says) in [
        ("2026-12-03T12:05:00Z", "would like a hand on its head"),
        ("2026-12-03T23:00:00Z", "is asleep"),
        ("2026-12-03T12:05:00Z", "32 days old. It remembers bob."),
    ] {
        let html = at(now).html();
        assert!(html.contains(says), "{now}: {html}");
    }
    // What hatches is luck, and stays what it was.
    let looks = |seed: u64| {
        let html = at("2026-12-03T12:05:00Z").with("--seed", seed.to_string()).html();
        html.split_once("</svg>").map(|(picture, _)| picture.to_owned())
    };
    assert_eq!(looks(7), looks(7));
    assert_ne!(looks(1), looks(2));
}

#[test]
fn a_countdown_tears_off_days_then_hours_and_then_it_is_here() {
    let at = |now: &str| {
        Run::of("countdown").with("--now", now).with("--utc-offset", "60").with(
            "--settings",
            r#"{"event": "the fair", "date": "2026-12-05T18:00", "after": "Go outside."}"#,
        )
    };
    for (now, says) in [
        ("2026-11-21T18:00:00Z", "14 days until the fair"),
        ("2026-11-21T23:30:00Z", "13 days until the fair"),
        ("2026-12-04T17:00:00Z", "<strong>24</strong><small>hours</small>"),
        ("2026-12-05T16:59:30Z", "<strong>1</strong><small>minute</small>"),
        ("2026-12-05T17:00:00Z", "Go outside."),
        ("2026-12-06T18:00:00Z", "1 day since the fair"),
        ("2027-12-05T18:00:00Z", "365 days since the fair"),
    ] {
        let html = at(now).html();
        assert!(html.contains(says), "{now}: {html}");
    }
    let report = at("2026-11-21T22:59:00Z").report();
    assert_eq!(
        report["max_age_seconds"], 60,
        "the next leaf falls at the owner's midnight"
    );
    let empty = Run::of("countdown").with("--viewer", "owner").html();
    assert!(empty.contains("Pick a day"));
}

#[test]
fn a_name_tag_says_the_name_in_pixels_or_in_letters() {
    let drawn = |settings: &str| Run::of("glitter-name-tag").with("--settings", settings).html();
    let plain = drawn(r#"{"name": "Moth", "glitter": "none"}"#);
    assert!(
        plain.contains("aria-label=\"A name tag: hello, I am Moth\"") && !plain.contains("<text"),
        "{plain}"
    );
    assert_ne!(plain, drawn(r#"{"name": "Moth", "glitter": "much"}"#));
    let other = drawn(r#"{"name": "ночь <3"}"#);
    assert!(other.contains(">ночь &lt;3</text>"), "{other}");

    // On a wall: the owner's own name, as an image of its own.
    let server = Server::builder().plugin("glitter-name-tag").start();
    let (ana, guest) = (server.person("ana"), server.guest());
    let tag = Module::put_up(&ana, "ana", "glitter-name-tag", &[]);
    let source = guest.get(&tag.at).expect(200).between("<img src=\"", "\"");
    let image = guest.get(&source).expect(200);
    assert_eq!(image.header("content-type"), "image/svg+xml");
    assert!(image.text().contains("A name tag: hello, I am ana"));
}

#[test]
fn a_flower_grows_from_its_seed_and_no_two_are_alike() {
    let grown = |seed: u64| Run::of("flower").with("--seed", seed.to_string()).html();
    assert_eq!(grown(4), grown(4));
    let flowers: std::collections::BTreeSet<String> = (5..10).map(grown).collect();
    assert_eq!(flowers.len(), 5);
    let red = Run::of("flower")
        .with("--settings", r#"{"ink": "red", "pot": false}"#)
        .html();
    assert!(red.contains("#fb542e"));
}

#[test]
fn a_capability_is_imported_only_when_it_is_called() {
    let imports = |name: &str| -> Vec<String> {
        let bytes = std::fs::read(plugin(name)).expect("it was built");
        let decoded = wit_component::decode(&bytes).expect("it is a component");
        let resolve = decoded.resolve();
        let world = &resolve.worlds[match &decoded {
            wit_component::DecodedWasm::Component(_, world) => *world,
            _ => panic!("{name} is no component"),
        }];
        let names = world.imports.keys().map(|key| resolve.name_world_key(key));
        let capability = |name: &String| !name.ends_with("types@0.1.0");
        names
            .filter(capability)
            .map(|name| name.replace("neospace:plugin/", "").replace("@0.1.0", ""))
            .collect()
    };
    let sorted = |name: &str| {
        let mut imports = imports(name);
        imports.sort();
        imports
    };
    for name in ["clock", "countdown", "top-friends", "flower", "glitter-name-tag"] {
        assert_eq!(sorted(name), Vec::<String>::new(), "{name}");
    }
    assert_eq!(sorted("mood"), ["live", "storage"]);
    assert_eq!(sorted("poll"), ["live", "storage", "viewer"]);
    assert_eq!(sorted("webring"), ["shared-storage"]);
    assert_eq!(sorted("pixel-pet"), ["live", "storage", "viewer-name"]);
    assert_eq!(sorted("guestbook"), ["live", "notify-owner", "storage", "viewer-name"]);
}

/// The folder is one that exists: the SDK is copied from it into new projects.
#[test]
fn the_sdk_stands_alone() {
    let folder: PathBuf = root().join("plugin-api/rust");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("the SDK is here");
    assert!(
        !manifest.contains("workspace = true"),
        "it is copied out of the workspace as it is"
    );
    assert!(
        folder.join("../wit/plugin.wit").exists(),
        "and reads the contract beside it"
    );
}
