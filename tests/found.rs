//! Finding one another: tags, neighbourhoods, a walk by chance, who links to one's own wall; and that nobody is counted on the way.

use std::collections::{BTreeSet, VecDeque};

use neospace_tests::{Browser, Live, Person, Server, markup};
use scraper::{ElementRef, Html, Node};
use serde_json::{Value, json};

/// The names in a list of people, in their order.
fn people(page: &str) -> Vec<String> {
    page.split("<a href=\"/wall/")
        .skip(1)
        .filter_map(|rest| rest.split_once("\"><span class=\"avatar"))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.contains('"'))
        .collect()
}

fn data(person: &Person, path: &str) -> Value {
    person.get_json(path).expect(200).json()
}

/// The database, to make what would take long to type.
fn writable(server: &Server) -> rusqlite::Connection {
    rusqlite::Connection::open(server.data().join("neospace.db")).expect("the database can be opened")
}

/// Members who never logged in, made in the database: `person000` and on.
fn crowd(server: &Server, many: usize) {
    let database = writable(server);
    for n in 0..many {
        database
            .execute(
                "insert into users (name, auth_salt, auth_rounds, auth_hash, shuffle, created_at)
                 values (?1, x'00', 600000, '', ?2, ?3)",
                rusqlite::params![
                    format!("person{n:03}"),
                    (n as i64).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64),
                    n as i64
                ],
            )
            .expect("a name that nobody has");
        database
            .execute("insert into profiles (user_id) values (last_insert_rowid())", [])
            .expect("somebody new");
    }
}

#[test]
fn members_are_found_by_the_tags_that_they_chose() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    assert_eq!(
        ana.post("/wall/ana/tags", &[("tags", "#Moths, radios\nlow-tide moths")])
            .see_other(),
        "/wall/ana?edit=1&tab=found"
    );
    cyd.post_json("/wall/cyd/tags", &[("tags", "moths"), ("tags", "蛾")])
        .expect(200);
    let guest = server.guest();
    assert_eq!(
        people(&guest.get("/directory?tag=moths").expect(200).text()),
        ["ana", "cyd"]
    );
    assert_eq!(
        people(&guest.get("/directory?tag=MOTHS&by=newest").text()),
        ["cyd", "ana"]
    );
    assert_eq!(people(&guest.get("/directory?tag=moths&by=random").text()).len(), 2);
    assert_eq!(people(&guest.get("/directory?tag=moths&q=c").text()), ["cyd"]);
    assert_eq!(people(&guest.get("/directory?tag=%E8%9B%BE").text()), ["cyd"]);
    assert!(people(&guest.get("/directory?tag=snails").expect(200).text()).is_empty());
    guest.get("/directory?tag=two+words").expect(400);
    let tags = data(&guest, "/tags");
    assert_eq!(tags["tags"], serde_json::json!(["low-tide", "moths", "radios", "蛾"]));
    assert!(
        guest
            .get("/tags")
            .expect(200)
            .text()
            .contains("href=\"/directory?tag=low-tide\"")
    );
    let wall = guest.get("/wall/ana").text();
    assert!(wall.contains("href=\"/directory?tag=moths\"") && !guest.get("/wall/bob").text().contains("tag=moths"));
    // Others come instead of the old ones, and a tag that nobody has is gone.
    ana.post("/wall/ana/tags", &[("tags", "snails")]).see_other();
    assert_eq!(people(&guest.get("/directory?tag=moths").text()), ["cyd"]);
    assert_eq!(people(&guest.get("/directory?tag=snails").text()), ["ana"]);
    assert_eq!(
        data(&guest, "/tags")["tags"],
        serde_json::json!(["moths", "snails", "蛾"])
    );
    bob.post("/wall/ana/tags", &[("tags", "mine")]).expect(403);
    guest.post("/wall/ana/tags", &[("tags", "mine")]).expect(401);
    for wrong in [
        "-",
        "<b>bold</b>",
        "aa bb cc dd ee ff gg hh ii",
        "averyveryveryverylongtagthatgoeson",
    ] {
        ana.post_json("/wall/ana/tags", &[("tags", wrong)]).expect(422);
        let page = ana.post("/wall/ana/tags", &[("tags", wrong)]).expect(422);
        assert_eq!(page.field("tags"), wrong);
    }
    assert_eq!(
        data(&guest, "/tags")["tags"],
        serde_json::json!(["moths", "snails", "蛾"])
    );
}

#[test]
fn lists_of_many_people_and_tags_go_on_page_by_page() {
    let server = Server::start();
    server.person("ana");
    crowd(&server, 120);
    let database = writable(&server);
    database
        .execute_batch(
            "insert into tags (tag, name, user_id, shuffle) select 'moths', name, id, shuffle from users;
             insert into tags (tag, name, user_id, shuffle)
               select 'tag-' || substr(u.name, 7) || '-' || n.value, u.name, u.id, u.shuffle
                 from users u, (select 1 as value union select 2 union select 3) n where u.name like 'person%';",
        )
        .expect("the database can be written");
    let guest = server.guest();
    for (by, sorted) in [("name", true), ("newest", false)] {
        for tag in ["", "&tag=moths"] {
            let (mut seen, mut next) = (Vec::new(), Some(format!("/directory?by={by}{tag}")));
            while let Some(path) = next {
                let page = guest.get(&path).expect(200).text();
                seen.extend(people(&page));
                next = page
                    .split("<a class=\"btn plate-green\" href=\"")
                    .nth(1)
                    .map(|rest| rest.split('"').next().unwrap_or_default().replace("&amp;", "&"));
            }
            assert_eq!(seen.len(), 121, "{by}{tag}");
            assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 121);
            if sorted {
                assert!(seen.is_sorted());
            } else {
                assert_eq!((&*seen[0], &*seen[120]), ("person119", "ana"));
            }
        }
    }
    let (mut seen, mut next) = (Vec::new(), Some("/tags".to_owned()));
    while let Some(path) = next {
        let page = data(&guest, &path);
        seen.extend(
            page["tags"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|tag| tag.as_str().expect("a tag").to_owned()),
        );
        next = page["next"].as_str().map(|next| format!("/tags?after={next}"));
    }
    assert_eq!(seen.len(), 361);
    assert!(seen.is_sorted());
}

#[test]
fn a_member_founds_a_neighbourhood_and_others_put_their_walls_in() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let there = ana
        .post(
            "/neighbourhoods",
            &[
                ("title", " Ring of  Small Lights"),
                ("about", "Lamps, and those who come to them."),
            ],
        )
        .see_other();
    assert_eq!(there, "/neighbourhoods/ring-of-small-lights");
    bob.post(&format!("{there}/come-in"), &[]).see_other();
    bob.post(&format!("{there}/come-in"), &[]).see_other();
    let guest = server.guest();
    let page = guest.get(&there).expect(200).text();
    assert!(page.contains("Ring of Small Lights") && page.contains("Lamps, and those who come to them."));
    assert_eq!(people(&page), ["ana", "bob"]);
    assert_eq!(people(&guest.get(&format!("{there}?by=newest")).text()), ["bob", "ana"]);
    assert!(guest.get("/neighbourhoods").expect(200).text().contains(&there));
    assert!(guest.get("/wall/bob").text().contains(&format!("href=\"{there}\"")));
    for _ in 0..20 {
        let drawn = guest.get(&format!("{there}/random?from=ana")).see_other();
        assert_eq!(drawn, "/wall/bob", "another wall than the one that one comes from");
    }
    bob.post(&format!("{there}/leave"), &[]).see_other();
    assert_eq!(people(&guest.get(&there).text()), ["ana"]);
    assert!(!guest.get("/wall/bob").text().contains(&there));
    assert_eq!(guest.get(&format!("{there}/random?from=ana")).see_other(), "/wall/ana");
    bob.post(&format!("{there}/leave"), &[]).expect(404);
    guest.post(&format!("{there}/come-in"), &[]).expect(401);
    for nowhere in [
        "/neighbourhoods/nowhere",
        "/neighbourhoods/No!",
        "/neighbourhoods/nowhere/random",
    ] {
        guest.get(nowhere).expect(404);
    }
    cyd.post("/neighbourhoods/nowhere/come-in", &[]).expect(404);
    // The name is taken, whoever asks; what was typed comes back.
    let taken = cyd
        .post(
            "/neighbourhoods",
            &[("title", "ring of small lights!"), ("about", "other <lamps>")],
        )
        .expect(409);
    assert_eq!(
        (taken.field("title"), taken.field("about")),
        ("ring of small lights!".into(), "other <lamps>".into())
    );
    for (title, about) in [
        ("", "x"),
        ("x", "x"),
        ("lamps", ""),
        ("lamps", &"x".repeat(201)),
        (&"x".repeat(41), "x"),
    ] {
        cyd.post_json("/neighbourhoods", &[("title", title), ("about", about)])
            .expect(422);
    }
    // A name in other letters has an address, too.
    let made = cyd
        .post_json("/neighbourhoods", &[("title", "蛾の会"), ("about", "moths")])
        .expect(201)
        .json();
    let slug = made["slug"].as_str().expect("an address");
    assert!(
        guest
            .get(&format!("/neighbourhoods/{slug}"))
            .expect(200)
            .text()
            .contains("蛾の会")
    );
}

#[test]
fn a_founder_keeps_the_neighbourhood_and_nobody_else_does() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let there = ana
        .post("/neighbourhoods", &[("title", "Low Tide"), ("about", "Boots.")])
        .see_other();
    for person in [&bob, &cyd] {
        person.post(&format!("{there}/come-in"), &[]).see_other();
    }
    for (what, fields) in [
        ("", &[("about", "Mine.")][..]),
        ("/put-out", &[("name", "cyd")]),
        ("/let-in", &[("name", "cyd")]),
        ("/close", &[]),
    ] {
        bob.post(&format!("{there}{what}"), fields).expect(403);
    }
    ana.post(&there, &[("about", "Boots, and a watch.")]).see_other();
    assert!(
        server
            .guest()
            .get("/neighbourhoods")
            .text()
            .contains("Boots, and a watch.")
    );
    assert_eq!(
        ana.post(&there, &[("about", &"x".repeat(201))])
            .expect(422)
            .field("about"),
        "x".repeat(201)
    );
    ana.post(&format!("{there}/put-out"), &[("name", "@Cyd")]).see_other();
    assert_eq!(people(&server.guest().get(&there).text()), ["ana", "bob"]);
    cyd.post(&format!("{there}/come-in"), &[]).expect(403);
    assert!(cyd.get(&there).text().contains("took your wall out"));
    assert!(
        ana.get(&there).text().contains("Let cyd come in again") && !bob.get(&there).text().contains("cyd come in")
    );
    ana.post(&format!("{there}/let-in"), &[("name", "cyd")]).see_other();
    cyd.post(&format!("{there}/come-in"), &[]).see_other();
    assert_eq!(people(&server.guest().get(&there).text()), ["ana", "bob", "cyd"]);
    for (what, name) in [("put-out", "ana"), ("put-out", "nobody"), ("let-in", "bob")] {
        let answer = ana.post(&format!("{there}/{what}"), &[("name", name)]);
        assert!(matches!(answer.status, 404 | 422), "{what} {name}: {}", answer.status);
    }
    ana.post(&format!("{there}/close"), &[]).see_other();
    server.guest().get(&there).expect(404);
    assert!(!server.guest().get("/wall/bob").text().contains(&there));
}

#[test]
fn nobody_founds_or_lives_in_too_many() {
    let server = Server::start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let found = |person: &Person, n: usize| {
        person.post_json(
            "/neighbourhoods",
            &[("title", &format!("{} {n}", person.name)), ("about", "x")],
        )
    };
    for n in 0..5 {
        found(&ana, n).expect(201);
        found(&bob, n).expect(201);
        found(&cyd, n).expect(201);
    }
    assert!(found(&ana, 5).expect(409).text().contains("5 neighbourhoods"));
    for n in 0..5 {
        ana.post_json(&format!("/neighbourhoods/bob-{n}/come-in"), &[])
            .expect(200);
    }
    for n in 0..2 {
        ana.post_json(&format!("/neighbourhoods/cyd-{n}/come-in"), &[])
            .expect(200);
    }
    assert!(
        ana.post_json("/neighbourhoods/cyd-2/come-in", &[])
            .expect(409)
            .text()
            .contains("12 neighbourhoods")
    );
}

#[test]
fn an_owner_alone_sees_who_links_to_their_wall() {
    let server = Server::builder().config("origin = \"http://kiosk.example\"").start();
    let (ana, bob, cyd) = (server.person("ana"), server.person("bob"), server.person("cyd"));
    let post = |person: &Person, body: &str| {
        let made = person
            .post_json(&format!("/wall/{}/posts", person.name), &[("body", body)])
            .expect(201)
            .json();
        made["href"].as_str().expect("an address").to_owned()
    };
    let first = post(&bob, "ask @ana about moths");
    let second = post(&cyd, "see http://kiosk.example/wall/ana/posts/1");
    post(&cyd, "http://elsewhere.example/wall/ana and `@ana`");
    post(&ana, "me, @ana");
    let links = |person: &Person| -> Vec<String> {
        let links = data(person, "/wall/ana/linked");
        let links = links["links"].as_array().expect("a list").iter();
        links
            .map(|link| {
                format!(
                    "/wall/{}/posts/{}",
                    link["from"].as_str().expect("a name"),
                    link["thing_id"]
                )
            })
            .collect()
    };
    assert_eq!(links(&ana), [second.clone(), first.clone()]);
    assert!(
        ana.get("/wall/ana/linked")
            .expect(200)
            .text()
            .contains(&format!("href=\"{first}\""))
    );
    bob.get("/wall/ana/linked").expect(404);
    server.guest().get("/wall/ana/linked").expect(401);
    // What doesn't lead there any more isn't told of.
    bob.post(&first, &[("body", "ask somebody")]).see_other();
    cyd.post(&format!("{second}/delete"), &[]).see_other();
    assert!(links(&ana).is_empty());
    cyd.post(&format!("{second}/restore"), &[]).see_other();
    assert_eq!(links(&ana), [second]);
    bob.post("/wall/bob/profile", &[("bio", "friend of @ana")]).see_other();
    let what = data(&ana, "/wall/ana/linked")["links"][0]["what"].clone();
    assert_eq!(what, "bio");
    bob.post("/wall/bob/profile", &[("bio", "friend of all")]).see_other();
    assert_eq!(links(&ana).len(), 1);
}

#[test]
fn a_shelf_of_friends_leads_to_their_walls_as_long_as_it_stands() {
    let server = Server::builder().plugins(&["top-friends"]).start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    server.person("cyd");
    let made = bob
        .post_json("/wall/bob/modules", &[("plugin", "top-friends")])
        .expect(201)
        .json();
    let at = format!("/wall/bob/modules/{}", made["id"]);
    let linked = || data(&ana, "/wall/ana/linked")["links"].clone();
    assert_eq!(linked(), serde_json::json!([]));
    let friends = [
        ("s-friends-0-who", "cyd"),
        ("s-friends-1-who", "ana"),
        ("s-friends-2-who", "bob"),
    ];
    bob.post_json(&format!("{at}/settings"), &friends).expect(200);
    let links = linked();
    assert_eq!(links.as_array().map(Vec::len), Some(1), "{links}");
    assert_eq!(
        (&links[0]["what"], &links[0]["thing_id"]),
        (&"module".into(), &made["id"])
    );
    let page = ana.get("/wall/ana/linked").expect(200).text();
    let href = format!("href=\"/wall/bob#module-{}\"", made["id"]);
    assert!(
        page.contains(&href) && page.contains("in a module on their wall"),
        "{page}"
    );
    assert!(
        ana.get("/wall/bob")
            .text()
            .contains(&format!("id=\"module-{}\"", made["id"]))
    );
    bob.post(&format!("{at}/remove"), &[]).see_other();
    assert_eq!(linked(), serde_json::json!([]));
    bob.post(&format!("{at}/restore"), &[]).see_other();
    assert_eq!(linked().as_array().map(Vec::len), Some(1));
    bob.post_json(&format!("{at}/settings"), &friends[..1]).expect(200);
    assert_eq!(linked(), serde_json::json!([]));
}

#[test]
fn no_markup_in_tags_or_neighbourhoods_becomes_markup_of_a_page() {
    let server = Server::start();
    let ana = server.person("ana");
    for (n, vector) in markup::vectors().iter().enumerate() {
        if ana.post_json("/wall/ana/tags", &[("tags", vector)]).status == 200 {
            assert_eq!(markup::page_fault(&ana.get("/tags").text()), None, "{vector}");
        }
        let short: String = vector.chars().take(38).collect();
        let about: String = vector.chars().take(200).collect();
        let page = ana.post("/neighbourhoods", &[("title", &short), ("about", &about)]);
        assert_eq!(markup::page_fault(&page.text()), None, "{vector}");
        if page.status == 303 {
            let there = page.see_other();
            assert_eq!(markup::page_fault(&ana.get(&there).text()), None, "{vector}");
            if n % 8 != 0 {
                ana.post(&format!("{there}/close"), &[]).see_other();
            }
        }
    }
    for page in ["/neighbourhoods", "/wall/ana", "/wall/ana?edit=1&tab=found"] {
        assert_eq!(markup::page_fault(&ana.get(page).expect(200).text()), None);
    }
}

// ---- nobody is counted ---------------------------------------------------------------------------------------

/// How many there are of each: numbers that stand nowhere else.
const MEMBERS: usize = 167;
const POSTS: usize = 139;
const MESSAGES: usize = 151;
const NEIGHBOURS: usize = 103;

/// Words for what could be counted.
const COUNTED: [&str; 38] = [
    "view",
    "views",
    "visit",
    "visits",
    "visitor",
    "visitors",
    "like",
    "likes",
    "follower",
    "followers",
    "member",
    "members",
    "people",
    "person",
    "persons",
    "user",
    "users",
    "wall",
    "walls",
    "post",
    "posts",
    "reply",
    "replies",
    "answers",
    "comment",
    "comments",
    "message",
    "messages",
    "neighbour",
    "neighbours",
    "neighbourhoods",
    "fans",
    "subscribers",
    "readers",
    "shares",
    "edits",
    "online",
    "times",
];

/// What may stand before a number that is a rule and no count.
const RULES: [&str; 7] = ["most", "to", "least", "holds", "than", "of", "after"];

/// What a page shows and says to screen readers, without what plugins and members say.
fn visible(html: &str) -> String {
    fn walk(element: ElementRef<'_>, text: &mut String) {
        let name = element.value().name();
        // Plugins speak for themselves (a poll shows lengths), and so does source code; the status line tells how the
        // page was made.
        let spoken_by_others = element.value().attr("shadowrootmode").is_some()
            || element
                .value()
                .classes()
                .any(|class| ["statusline", "words", "text", "code"].contains(&class));
        if matches!(name, "script" | "style" | "svg") || spoken_by_others {
            return;
        }
        // How wide a page is drawn is no figure of anybody's.
        if name == "meta" && element.value().attr("name") == Some("viewport") {
            return;
        }
        for attribute in ["aria-label", "title", "alt", "placeholder", "content", "data-count"] {
            // An address is no sentence.
            if let Some(value) = element.value().attr(attribute)
                && !value.starts_with("http")
            {
                text.push_str(&format!(" {value}\n"));
            }
        }
        if name == "time" {
            return;
        }
        for child in element.children() {
            match child.value() {
                Node::Text(words) => text.push_str(words),
                Node::Element(_) => {
                    text.push(' ');
                    walk(ElementRef::wrap(child).expect("an element"), text);
                    text.push(' ');
                }
                _ => {}
            }
        }
    }
    let page = Html::parse_document(html);
    let mut text = String::new();
    walk(page.root_element(), &mut text);
    text
}

/// A count in what a page shows, if there is one: a number beside a word for what is counted, or one of ours.
fn count_in(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| !(c.is_alphanumeric() || c == '.' || c == ','))
        .map(|word| word.trim_matches(['.', ',']).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    // A version has two points and counts nothing.
    let is_number = |word: &str| {
        word.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',') && word.matches('.').count() < 2
    };
    for (n, word) in words.iter().enumerate() {
        let after = words.get(n + 1).map_or("", String::as_str);
        // How large a file is says nothing about people.
        if !is_number(word) || ["kib", "mib"].contains(&after) {
            continue;
        }
        let around = || words[n.saturating_sub(6)..(n + 5).min(words.len())].join(" ");
        if let Ok(number) = word.parse::<usize>()
            && [MEMBERS, POSTS, MESSAGES, NEIGHBOURS]
                .iter()
                .any(|of| number.abs_diff(*of) <= 1)
        {
            return Some(around());
        }
        let before = n.checked_sub(1).map_or("", |at| &words[at]);
        let is_rule = RULES.contains(&before) || ["of", "characters", "letters"].contains(&after);
        if !is_rule && (COUNTED.contains(&after) || COUNTED.contains(&before)) {
            return Some(around());
        }
    }
    None
}

#[test]
fn a_count_is_recognised_as_one() {
    for count in [
        "12 likes",
        "Followers: 3",
        "posts (7)",
        "there are 167 of them",
        "1,204 views",
        "3 people online",
    ] {
        assert!(count_in(count).is_some(), "{count}");
    }
    for rule in [
        "At most 20 posts",
        "Up to 8 words",
        "3 to 24 letters",
        "three walls",
        "22:40",
        "version 0.1.0 members",
        "kept for 30 days",
    ] {
        assert_eq!(count_in(rule), None, "{rule}");
    }
}

/// Names of figures that programs could be told.
fn count_in_data(data: &Value, at: &str) -> Option<String> {
    match data {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let counts = [
                "count",
                "total",
                "views",
                "likes",
                "followers",
                "members",
                "size",
                "replies",
            ];
            let is_count = counts
                .iter()
                .any(|word| name == word || name.ends_with(&format!("_{word}")));
            let counted = is_count && value.is_number();
            counted
                .then(|| format!("{at}.{name}"))
                .or_else(|| count_in_data(value, &format!("{at}.{name}")))
        }),
        Value::Array(list) => list.iter().find_map(|value| count_in_data(value, at)),
        _ => None,
    }
}

#[test]
fn nobody_is_counted_anywhere() {
    let server = Server::builder()
        .plugins(&["guestbook", "mood", "clock", "poll", "top-friends", "webring"])
        .start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    crowd(&server, MEMBERS - 2);
    for n in 0..POSTS {
        let posts = if n % 2 == 0 { "moths" } else { "lamps, says @bob" };
        ana.post_json("/wall/ana/posts", &[("title", "A night"), ("body", posts)])
            .expect(201);
    }
    let edited = "/wall/ana/posts/1";
    for text in ["one way", "or another"] {
        ana.post_json(edited, &[("body", text)]).expect(200);
    }
    bob.post_json("/wall/bob/posts", &[("body", "tides, asks @ana")])
        .expect(201);
    for person in [&ana, &bob] {
        person.post("/rooms/lobby/join", &[]).see_other();
    }
    for _ in 0..MESSAGES {
        ana.post_json("/rooms/lobby/messages", &[("content", "a moth")])
            .expect(201);
    }
    // What is unread is a number for oneself alone; Bob has read it all.
    Live::open_json(&bob).ask(json!({ "event": "read_up_to", "room": "lobby", "seq": MESSAGES }));
    let there = ana
        .post("/neighbourhoods", &[("title", "Low Tide"), ("about", "Boots.")])
        .see_other();
    writable(&server)
        .execute(
            "insert into neighbours (neighbourhood_id, name, user_id, shuffle, came_at)
             select 1, name, id, shuffle, id from users where name like 'person%' order by id limit ?1",
            [NEIGHBOURS as i64 - 1],
        )
        .expect("the database can be written");
    ana.post("/wall/ana/tags", &[("tags", "moths, radios")]).see_other();
    let start = [
        "/",
        "/directory",
        "/tags",
        "/neighbourhoods",
        &there,
        "/public-feed",
        "/wall/ana",
        "/wall/bob",
        "/wall/ana/posts",
        edited,
        "/wall/ana/posts/1/history",
        "/wall/ana?edit=1",
        "/wall/ana?edit=1&tab=posts",
        "/wall/ana?edit=1&tab=found",
        "/wall/ana/linked",
        "/desk",
        "/rooms",
        "/rooms/lobby",
        "/rooms/lobby/people",
        "/rooms/search?q=moth",
        "/dm",
        "/settings",
        "/plugins",
        "/plugins/poll",
        "/keys",
        "/login",
        "/register",
        "/wall/ana/feed.json",
        "/public-feed.json",
    ];
    // Ana owns the wall, bob is a member, and somebody passes by.
    for (who, person) in [("the owner", &ana), ("a member", &bob), ("a guest", &server.guest())] {
        let mut queue: VecDeque<String> = start.iter().map(|path| (*path).to_owned()).collect();
        let mut seen: BTreeSet<String> = queue.iter().cloned().collect();
        let mut of_a_kind: std::collections::BTreeMap<String, usize> = Default::default();
        let mut looked_at = 0;
        let mut counts = Vec::new();
        while let Some(path) = queue.pop_front() {
            let answer = person.get(&path);
            if answer.status == 200 && answer.header("content-type").contains("json") {
                looked_at += 1;
                if let Some(count) = count_in_data(&answer.json(), "") {
                    counts.push(format!("{who} is told a count by {path}: {count}"));
                }
            }
            if answer.status != 200 || !answer.header("content-type").starts_with("text/html") {
                continue;
            }
            looked_at += 1;
            let html = answer.text();
            if let Some(count) = count_in(&visible(&html)) {
                counts.push(format!("{who} sees a count on {path}: … {count} …"));
            }
            let told = person.get_json(&path);
            // The log of keys is a tree, and whoever checks a proof needs the tree's size.
            if told.status == 200
                && !path.starts_with("/keys")
                && told.header("content-type").contains("json")
                && let Some(count) = count_in_data(&told.json(), "")
            {
                counts.push(format!("{who} is told a count on {path}: {count}"));
            }
            for rest in html.split("href=\"/").skip(1) {
                let link = format!("/{}", rest.split('"').next().unwrap_or_default().replace("&amp;", "&"));
                let link = link.split('#').next().unwrap_or_default().to_owned();
                // What the machine does is counted openly, and assets are no pages.
                let is_page = !["/ui/", "/static/", "/system", "/logout", "/metrics", "/random"]
                    .iter()
                    .any(|place| link.starts_with(place));
                // A few of each kind of page stand for all.
                let kind: String = link.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                let many = of_a_kind.entry(kind).or_default();
                if is_page && *many < 3 && seen.insert(link.clone()) {
                    *many += 1;
                    queue.push_back(link);
                }
            }
        }
        assert!(counts.is_empty(), "{}", counts.join("\n"));
        assert!(looked_at > 30, "{who} found {looked_at} pages only");
    }
}

#[test]
fn every_page_on_the_way_is_accessible_and_fits_a_phone() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    ana.post(
        "/wall/ana/tags",
        &[("tags", "moths, radios, low-tide, averyverylongtagindeed")],
    )
    .see_other();
    let there = ana
        .post(
            "/neighbourhoods",
            &[
                ("title", "Ring of Small Lights"),
                ("about", "Lamps, and those who come to them."),
            ],
        )
        .see_other();
    bob.post(&format!("{there}/come-in"), &[]).see_other();
    bob.post_json("/wall/bob/posts", &[("body", "ask @ana")]).expect(201);
    let browser = Browser::start();
    let (own, guest) = (browser.page_of(&ana), browser.page());
    let pages = [
        ("directory", "/directory"),
        ("tagged", "/directory?tag=moths"),
        ("tags", "/tags"),
        ("neighbourhoods", "/neighbourhoods"),
        ("neighbourhood", &there),
        ("wall-found", "/wall/ana"),
        ("linked", "/wall/ana/linked"),
        ("found-tab", "/wall/ana?edit=1&tab=found"),
    ];
    for (width, height) in [(1280, 900), (390, 844)] {
        for (nth, (name, path)) in pages.iter().enumerate() {
            for (who, page) in [("own", &own), ("guest", &guest)] {
                if who == "guest" && nth > 5 {
                    continue;
                }
                page.viewport(width, height).goto(&server.url(path)).wait_for("main");
                page.check_accessibility();
                assert!(!page.overflows(), "{path} is wider than {width} px");
                page.screenshot(&format!("found-{name}-{who}-{width}"));
            }
        }
    }
    own.check();
    guest.check();
}

#[test]
fn a_member_founds_and_wanders_with_the_keyboard_alone() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let browser = Browser::start();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/neighbourhoods")).wait_for("#hood-title");
    page.focus("#hood-title")
        .type_text("Low Tide")
        .press("Tab")
        .type_text("Boots and a watch.")
        .press("Enter");
    page.wait_for_path("/neighbourhoods/low-tide");
    bob.post("/neighbourhoods/low-tide/come-in", &[]).see_other();
    page.focus("main header .plate-green").press("Enter");
    page.wait_until("location.pathname.startsWith('/wall/')");
    page.check();
}
