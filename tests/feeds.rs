//! Feeds: what everybody posts and what one member posts, for people and for readers, by the letter of Atom and of JSON Feed.

use std::collections::BTreeSet;

use neospace_tests::{Browser, Person, Server, markup};
use roxmltree::{Document, Node};
use serde_json::Value;

const ATOM: &str = "http://www.w3.org/2005/Atom";

fn post(person: &Person, fields: &[(&str, &str)]) -> i64 {
    let there = format!("/wall/{}/posts", person.name);
    person.post_json(&there, fields).expect(201).json()["id"]
        .as_i64()
        .expect("an id")
}

/// An entry as both formats tell it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    id: String,
    title: String,
    author: String,
    html: String,
}

/// A feed that keeps the rules of its format, and where it goes on.
struct Feed {
    title: String,
    entries: Vec<Entry>,
    next: Option<String>,
}

fn children<'a>(node: Node<'a, 'a>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |child| child.tag_name().name() == name)
}

/// The text of the one child of this name.
fn one(node: Node<'_, '_>, name: &str) -> String {
    let found: Vec<_> = node
        .children()
        .filter(|child| child.tag_name().name() == name)
        .collect();
    assert_eq!(found.len(), 1, "one <{name}> in {:?}", node.tag_name());
    assert!(
        found[0].children().all(|child| child.is_text()),
        "<{name}> is plain text"
    );
    found[0].text().unwrap_or_default().to_owned()
}

/// RFC 3339, as RFC 4287 wants it.
fn check_moment(text: &str) {
    let bytes = text.as_bytes();
    let pattern = b"0000-00-00T00:00:00";
    assert!(text.len() >= 20 && text.ends_with('Z'), "{text} is no moment in UTC");
    for (at, expected) in pattern.iter().enumerate() {
        let fits = match expected {
            b'0' => bytes[at].is_ascii_digit(),
            other => bytes[at] == *other,
        };
        assert!(fits, "{text} is no moment");
    }
    let fraction = &text[19..text.len() - 1];
    let digits = fraction.strip_prefix('.').unwrap_or("0");
    assert!(
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
        "{text} is no moment"
    );
}

fn check_address(text: &str) {
    assert!(
        text.starts_with("http://") || text.starts_with("https://"),
        "{text} is not a whole address"
    );
    assert!(
        !text.contains(|c: char| c.is_whitespace() || "<>\"{}|\\^`".contains(c)),
        "{text} is no address"
    );
}

/// What an entry shows must stand alone, and be harmless, wherever it is shown.
fn check_content(html: &str) {
    assert_eq!(markup::page_fault(html), None, "{html}");
    assert!(
        !html.contains("href=\"/") && !html.contains("src=\"/"),
        "{html} has addresses that mean nothing elsewhere"
    );
}

fn atom(text: &str) -> Feed {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    let root = document.root_element();
    assert_eq!(
        (root.tag_name().namespace(), root.tag_name().name()),
        (Some(ATOM), "feed")
    );
    for node in root.descendants().filter(Node::is_element) {
        assert_eq!(node.tag_name().namespace(), Some(ATOM), "{:?}", node.tag_name());
    }
    let known = ["id", "title", "updated", "generator", "link", "author", "entry"];
    for child in root.children().filter(Node::is_element) {
        assert!(known.contains(&child.tag_name().name()), "{:?}", child.tag_name());
    }
    check_address(&one(root, "id"));
    check_moment(&one(root, "updated"));
    let link = |node: Node<'_, '_>, rel: &str| -> Vec<String> {
        let links = node.children().filter(|child| child.tag_name().name() == "link");
        let fitting = links.filter(|link| link.attribute("rel").unwrap_or("alternate") == rel);
        let hrefs: Vec<_> = fitting
            .map(|link| link.attribute("href").expect("a link leads somewhere").to_owned())
            .collect();
        hrefs.iter().for_each(|href| check_address(href));
        hrefs
    };
    assert_eq!(link(root, "self").len(), 1);
    assert_eq!(link(root, "alternate").len(), 1);
    let next = link(root, "next");
    assert!(next.len() <= 1);
    let mut ids = BTreeSet::new();
    let mut last_published = String::from("9999");
    let entries: Vec<_> = children(root, "entry")
        .map(|entry| {
            let id = one(entry, "id");
            check_address(&id);
            assert!(ids.insert(id.clone()), "{id} comes twice");
            let (published, updated) = (one(entry, "published"), one(entry, "updated"));
            check_moment(&published);
            check_moment(&updated);
            assert!(updated >= published, "{updated} is before {published}");
            assert!(published <= last_published, "the newest come first");
            last_published = published;
            assert_eq!(link(entry, "alternate"), std::slice::from_ref(&id));
            let authors: Vec<_> = children(entry, "author").collect();
            assert_eq!(authors.len(), 1);
            check_address(&one(authors[0], "uri"));
            let content: Vec<_> = children(entry, "content").collect();
            assert_eq!(content.len(), 1);
            assert_eq!(content[0].attribute("type"), Some("html"));
            let html = one(entry, "content");
            check_content(&html);
            let title = one(entry, "title");
            assert!(!title.trim().is_empty(), "{id} has a title");
            Entry {
                id,
                title,
                author: one(authors[0], "name"),
                html,
            }
        })
        .collect();
    Feed {
        title: one(root, "title"),
        entries,
        next: next.into_iter().next(),
    }
}

fn json(text: &str) -> Feed {
    let feed: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(feed["version"], "https://jsonfeed.org/version/1.1");
    let known = [
        "version",
        "title",
        "home_page_url",
        "feed_url",
        "next_url",
        "authors",
        "items",
    ];
    for name in feed.as_object().expect("an object").keys() {
        assert!(known.contains(&name.as_str()), "{name} is not in JSON Feed");
    }
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} is text")).to_owned();
    check_address(&text(&feed["home_page_url"]));
    check_address(&text(&feed["feed_url"]));
    let items = feed["items"].as_array().expect("a list");
    let known = [
        "id",
        "url",
        "external_url",
        "title",
        "content_html",
        "date_published",
        "date_modified",
        "authors",
        "image",
        "attachments",
    ];
    let entries = items.iter().map(|item| {
        for name in item.as_object().expect("an object").keys() {
            assert!(known.contains(&name.as_str()), "{name} is not in JSON Feed");
        }
        check_address(&text(&item["url"]));
        check_moment(&text(&item["date_published"]));
        if !item["date_modified"].is_null() {
            check_moment(&text(&item["date_modified"]));
        }
        check_content(&text(&item["content_html"]));
        Entry {
            id: text(&item["id"]),
            title: text(&item["title"]),
            author: text(&item["authors"][0]["name"]),
            html: text(&item["content_html"]),
        }
    });
    Feed {
        title: text(&feed["title"]),
        entries: entries.collect(),
        next: feed["next_url"].as_str().map(str::to_owned),
    }
}

/// A feed in both formats, which tell the same.
fn feed(server: &Server, path: &str) -> Feed {
    let (as_atom, as_json) = (
        server.guest().get(&format!("{path}.atom")).expect(200),
        server.guest().get(&format!("{path}.json")).expect(200),
    );
    assert_eq!(as_atom.header("content-type"), "application/atom+xml; charset=utf-8");
    assert_eq!(as_json.header("content-type"), "application/feed+json; charset=utf-8");
    let (atom, json) = (atom(&as_atom.text()), json(&as_json.text()));
    assert_eq!(atom.entries, json.entries);
    assert_eq!(atom.title, json.title);
    assert_eq!(atom.next.is_some(), json.next.is_some());
    atom
}

#[test]
fn a_wall_has_feeds_of_its_own_and_everybody_has_one_together() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    assert!(feed(&server, "/public-feed").entries.is_empty());
    assert!(feed(&server, "/wall/ana/feed").entries.is_empty());
    let first = post(&ana, &[("title", "Moths"), ("body", "ask @bob, he *knows*")]);
    let second = post(&bob, &[("body", "# Tides\n\nlow water at **five**")]);
    let wall = feed(&server, "/wall/ana/feed");
    assert_eq!(wall.entries.len(), 1);
    assert_eq!(wall.entries[0].id, server.url(&format!("/wall/ana/posts/{first}")));
    assert_eq!((&*wall.entries[0].title, &*wall.entries[0].author), ("Moths", "ana"));
    let mention = format!("ask <a class=\"mention\" href=\"{}\"", server.url("/wall/bob"));
    assert!(wall.entries[0].html.contains(&mention), "{}", wall.entries[0].html);
    let all = feed(&server, "/public-feed");
    let ids: Vec<_> = all.entries.iter().map(|entry| entry.id.clone()).collect();
    assert_eq!(
        ids,
        [
            server.url(&format!("/wall/bob/posts/{second}")),
            server.url(&format!("/wall/ana/posts/{first}"))
        ]
    );
    assert_eq!(all.entries[0].title, "Tides low water at five");
    let page = server.guest().get("/public-feed").expect(200).text();
    assert!(page.find("low water").expect("bob's") < page.find("Moths").expect("ana's"));
    assert!(page.contains("class=\"by\" href=\"/wall/ana\""));
    // Readers find them from the pages.
    for (page, path) in [("/wall/ana", "/wall/ana/feed"), ("/public-feed", "/public-feed")] {
        let html = server.guest().get(page).expect(200).text();
        for (kind, ending) in [("application/atom+xml", "atom"), ("application/feed+json", "json")] {
            assert!(
                html.contains(&format!("rel=\"alternate\" type=\"{kind}\""))
                    && html.contains(&format!("href=\"{path}.{ending}\""))
            );
        }
    }
    server.guest().get("/wall/nobody/feed.atom").expect(404);
    server.guest().get("/wall/nobody/feed.json").expect(404);
}

#[test]
fn a_feed_is_as_fresh_as_the_last_post_and_not_sent_twice() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = post(&ana, &[("body", "one")]);
    for path in [
        "/public-feed.atom",
        "/public-feed.json",
        "/wall/ana/feed.atom",
        "/wall/ana/feed.json",
        "/public-feed",
    ] {
        let again = |etag: &str| server.guest().request("GET", path).header("if-none-match", etag).send();
        let etag = server.guest().get(path).expect(200).header("etag").to_owned();
        assert!(again(&etag).expect(304).body.is_empty());
        let more = post(&ana, &[("body", "and more")]);
        let fresh = again(&etag).expect(200);
        assert!(fresh.text().contains("and more"));
        let etag = fresh.header("etag").to_owned();
        again(&etag).expect(304);
        ana.post(&format!("/wall/ana/posts/{more}"), &[("body", "and other")])
            .see_other();
        let fresh = again(&etag).expect(200);
        assert!(fresh.text().contains("and other") && !fresh.text().contains("and more"));
        ana.post(&format!("/wall/ana/posts/{more}/delete"), &[]).see_other();
        let text = again(fresh.header("etag")).expect(200).text();
        assert!(!text.contains("and other") && text.contains("one"));
    }
    // The order on the wall is no matter of feeds.
    let last = post(&ana, &[("body", "two")]);
    ana.post(&format!("/wall/ana/posts/{last}/move"), &[("to", "bottom")])
        .see_other();
    let ids: Vec<_> = feed(&server, "/wall/ana/feed")
        .entries
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(ids, [last, id].map(|id| server.url(&format!("/wall/ana/posts/{id}"))));
}

#[test]
fn nothing_that_is_only_being_written_or_was_taken_back_stands_in_a_feed() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let id = post(&ana, &[("title", "Moths"), ("body", "as it stands")]);
    let gone = post(&ana, &[("body", "taken back")]);
    ana.post(&format!("/wall/ana/posts/{gone}/delete"), &[]).see_other();
    // A new one that is being written, one that is being changed, and pictures that wait for theirs.
    ana.post_json(
        "/wall/ana/posts/drafts",
        &[("kind", "text"), ("title", "drafted title"), ("body", "drafted body")],
    )
    .expect(200);
    let post_id = id.to_string();
    let changes = [
        ("post", &*post_id),
        ("title", "changed title"),
        ("body", "changed body"),
    ];
    ana.post_json("/wall/ana/posts/drafts", &changes).expect(200);
    let waiting = ana.uploaded("waiting.png", &neospace_tests::pictures::png(40, 40));
    ana.post_json(
        "/wall/ana/posts/drafts",
        &[
            ("kind", "image"),
            ("media-1", &waiting),
            ("alt-1", "drafted words"),
            ("body", ""),
        ],
    )
    .expect(200);
    let next = format!("?before={}", i64::MAX);
    for reader in [&server.guest(), &bob, &ana] {
        for path in ["/public-feed", "/wall/ana", "/wall/ana/posts", "/sandbox"] {
            let ways: &[&str] = match path {
                "/public-feed" => &["", ".atom", ".json"],
                "/wall/ana" => &["", "/feed.atom", "/feed.json"],
                _ => &[""],
            };
            for way in ways {
                for query in ["", &*next] {
                    if !query.is_empty() && !path.contains("feed") && !way.contains("feed") {
                        continue;
                    }
                    let text = reader.get(&format!("{path}{way}{query}")).expect(200).text();
                    for leaked in ["drafted", "changed", "taken back", &*waiting] {
                        assert!(
                            !text.contains(leaked),
                            "{leaked} in {path}{way}{query} for {}",
                            reader.name
                        );
                    }
                    assert!(
                        path == "/sandbox" || text.contains("as it stands"),
                        "{path}{way}{query}"
                    );
                }
            }
        }
    }
    server.guest().get(&format!("/media/{waiting}/small")).expect(404);
    // Published, it is there at once, for everybody.
    ana.post(
        &format!("/wall/ana/posts/{id}"),
        &[("title", "changed title"), ("body", "changed body")],
    )
    .see_other();
    for path in ["/public-feed.atom", "/wall/ana/feed.json", "/public-feed"] {
        let text = server.guest().get(path).expect(200).text();
        assert!(
            text.contains("changed body") && !text.contains("as it stands"),
            "{path}"
        );
    }
}

#[test]
fn what_comes_while_one_reads_the_feed_is_offered_and_moves_nothing() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let first = post(&ana, &[("body", "first")]);
    let second = post(&ana, &[("body", "second")]);
    let browser = Browser::start();
    let (member, guest) = (browser.page_of(&bob), browser.page());
    for page in [&member, &guest] {
        page.goto(&server.url("/public-feed"));
        page.wait_until("customElements.get('neo-feed') && !document.documentElement.hasAttribute('data-offline')");
    }
    let seen = |page: &neospace_tests::Page| page.eval("[...document.querySelectorAll('.post')].map(post => post.id)");
    let before = seen(&member);
    assert!(!member.has("#feed-news a"));
    // Both watch: an edit is seen where the post stands.
    neospace_tests::eventually("an edit reaches both", || {
        ana.post(
            &format!("/wall/ana/posts/{second}"),
            &[("body", &format!("second, {}", rand()))],
        )
        .see_other();
        let changed = |page: &neospace_tests::Page| page.text(&format!("#post-{second}")).contains("second, ");
        (changed(&member) && changed(&guest)).then_some(())
    });
    let third = post(&ana, &[("body", "third")]);
    for page in [&member, &guest] {
        page.wait_for("#feed-news a \"New posts\"");
        assert_eq!(seen(page), before, "it was put in by itself");
    }
    member.check_accessibility();
    member.screenshot("feed-news-1280");
    ana.post(&format!("/wall/ana/posts/{first}/delete"), &[]).see_other();
    for page in [&member, &guest] {
        page.wait_gone(&format!("#post-{first}"));
    }
    member.focus("#feed-news a").press("Enter");
    member.wait_for(&format!("#post-{third}")).wait_gone("#feed-news a");
    member.check();
    guest.check();
}

/// Something else each time.
fn rand() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is later than 1970")
        .as_nanos()
}

#[test]
fn long_feeds_go_on_page_by_page_without_gaps_or_repeats() {
    let server = Server::start();
    let people = ["ana", "bob"].map(|name| server.person(name));
    let mut expected: Vec<String> = (0..75)
        .map(|n| {
            let who = &people[n % 3 % 2];
            server.url(&format!(
                "/wall/{}/posts/{}",
                who.name,
                post(who, &[("body", &format!("number {n}"))])
            ))
        })
        .collect();
    expected.reverse();
    for (parse, ending) in [(atom as fn(&str) -> Feed, "atom"), (json, "json")] {
        for (path, expected) in [
            ("/public-feed", expected.clone()),
            (
                "/wall/ana/feed",
                expected.iter().filter(|id| id.contains("/ana/")).cloned().collect(),
            ),
        ] {
            let (mut seen, mut next, mut pages) = (Vec::new(), Some(format!("{path}.{ending}")), 0);
            while let Some(path) = next {
                let feed = parse(&server.guest().get(&path).expect(200).text());
                seen.extend(feed.entries.into_iter().map(|entry| entry.id));
                next = feed.next.map(|next| next.replace(&server.url(""), ""));
                pages += 1;
            }
            assert_eq!(seen, expected);
            assert!(pages > 1);
        }
    }
    // And the page for people.
    let (mut seen, mut next) = (Vec::new(), Some("/public-feed".to_owned()));
    while let Some(path) = next {
        let page = server.guest().get(&path).expect(200).text();
        let links = page.split("class=\"to\" href=\"").skip(1);
        seen.extend(links.map(|rest| server.url(rest.split('"').next().unwrap_or_default())));
        next = page
            .split_once("href=\"/public-feed?before=")
            .map(|(_, rest)| format!("/public-feed?before={}", rest.split('"').next().unwrap_or_default()));
    }
    assert_eq!(seen, expected);
    for wrong in [
        "/public-feed?before=x",
        "/public-feed.atom?before=x",
        "/wall/ana/feed.json?before=1.5",
    ] {
        server.guest().get(wrong).expect(400);
    }
    assert!(feed(&server, "/public-feed").next.is_some());
}

#[test]
fn nothing_that_members_write_breaks_a_feed_or_runs_in_a_reader() {
    let server = Server::start();
    let ana = server.person("ana");
    let mut texts = markup::vectors();
    texts.extend(
        [
            "]]>",
            "<![CDATA[x]]>",
            "<!-- x -->",
            "&bogus;",
            "&#0;",
            "&#xFFFE;",
            "\u{fffe}\u{ffff}",
            "\u{1}\u{8}\u{b}\u{1f}",
            "\u{7f}\u{85}",
            "\u{202e}reversed",
            "<?xml version=\"1.0\"?>",
            "<!DOCTYPE x [<!ENTITY e \"x\">]>&e;",
            "\u{1f98b}\u{200d}",
            "</content></entry></feed>",
            "[x](//evil.example/)",
            "[x](https://evil.example/\"onmouseover=alert(1))",
            "![x](https://evil.example/a.png)",
            "href=\"/x",
            "src=\"/x",
        ]
        .map(str::to_owned),
    );
    for text in texts {
        let fits = text.chars().count() <= 120 && !text.chars().any(char::is_control);
        let both = [("title", text.as_str()), ("body", text.as_str())];
        let answer = ana.post_json("/wall/ana/posts", if fits { &both } else { &both[1..] });
        if !matches!(answer.status, 400 | 422) {
            answer.expect(201);
            // One by one: an error says which text it was.
            let (first, second) = (
                atom(&server.guest().get("/wall/ana/feed.atom").expect(200).text()),
                json(&server.guest().get("/public-feed.json").expect(200).text()),
            );
            assert!(!first.entries.is_empty() && !second.entries.is_empty(), "{text:?}");
        }
    }
    feed(&server, "/public-feed");
    assert_eq!(
        markup::page_fault(&server.guest().get("/public-feed").expect(200).text()),
        None
    );
}

#[test]
fn a_feed_says_where_it_is_by_the_configured_origin_and_not_by_what_a_stranger_says() {
    let server = Server::builder().config("origin = \"https://kiosk.example\"").start();
    let answer = server
        .guest()
        .request("GET", "/public-feed.atom")
        .header("host", "evil.example")
        .send()
        .expect(200);
    assert!(answer.text().contains("https://kiosk.example/public-feed") && !answer.text().contains("evil.example"));
    let anywhere = Server::start();
    for host in ["evil.example\"><script>", "a b", "ana@evil.example"] {
        let answer = anywhere
            .guest()
            .request("GET", "/public-feed.atom")
            .header("host", host)
            .send();
        assert!(matches!(answer.status, 200 | 400), "{host}: {}", answer.status);
        assert!(!answer.text().contains("<script>") && !answer.text().contains("evil.example"));
    }
}

#[test]
fn the_feed_is_accessible_and_fits_a_phone() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let browser = Browser::start();
    let (member, guest) = (browser.page_of(&ana), browser.page());
    for filled in [false, true] {
        if filled {
            for n in 0..31 {
                post(
                    if n % 2 == 0 { &ana } else { &bob },
                    &[
                        ("title", "Low water"),
                        ("body", "at **five**, bring `boots`\n\n> they said"),
                    ],
                );
            }
        }
        for (width, height) in [(1280, 900), (390, 844)] {
            for (who, page) in [("member", &member), ("guest", &guest)] {
                page.viewport(width, height)
                    .goto(&server.url("/public-feed"))
                    .wait_for("main");
                page.check_accessibility();
                assert!(!page.overflows(), "wider than {width} px");
                page.screenshot(&format!("feed-{who}-{}-{width}", if filled { "full" } else { "empty" }));
            }
        }
    }
    member.check();
    guest.check();
}
