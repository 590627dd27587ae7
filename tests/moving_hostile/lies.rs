//! Honest zips that say what cannot be.

use std::time::{Duration, Instant};

use neospace_tests::{
    pictures,
    zips::{Contents, id_of, post, script, sticker, version},
};
use serde_json::{Value, json};

use super::{refused, server, standing};

/// Honest zips that say what can't be: what that is, the archive, and a word of the sentence that refuses it.
fn lies() -> Vec<(String, Contents, &'static str)> {
    let mut all: Vec<(String, Contents, &'static str)> = Vec::new();
    let mut add = |what: &str, contents: Contents, why: &'static str| all.push((what.to_owned(), contents, why));
    let honest = || Contents::honest(1);
    let (one, two, script_id) = (id_of(0x11), id_of(0x22), id_of(0x33));
    let posts = |value: Value| honest().list("data/posts.jsonl", &[value]);
    let stickers = |value: Value| honest().list("data/stickers.jsonl", &[value]);
    let with = |mut value: Value, field: &str, other: Value| {
        value[field] = other;
        value
    };

    // The manifest.
    add(
        "no manifest",
        Contents(honest().0.into_iter().skip(1).collect()),
        "has no neospace.json",
    );
    for (field, value, why) in [
        ("format", json!("another-export"), "neospace-export"),
        ("format", json!(7), "not what it should be"),
        ("version", json!(2), "version 2"),
        ("version", json!(0), "version 0"),
        ("version", json!(-1), "not what it should be"),
        ("version", json!("1"), "not what it should be"),
        ("id", json!("x"), "doesn't say whose"),
        ("id", json!("../../../../etc/passwd"), "doesn't say whose"),
        ("member", json!("<b>ana</b>"), "doesn't say whose"),
        ("member", json!(""), "doesn't say whose"),
        ("node", json!("x".repeat(5_000)), "doesn't say whose"),
        ("node", json!("line\nline"), "doesn't say whose"),
        ("made_at", json!("yesterday"), "not what it should be"),
        ("made_at", json!(1e300), "not what it should be"),
    ] {
        add(
            &format!("a manifest whose {field} is {:.40}", value.to_string()),
            honest().field("neospace.json", field, value),
            why,
        );
    }

    // JSON that isn't.
    for (what, text) in [
        ("a list instead of an object", "[]".to_owned()),
        ("nothing", String::new()),
        ("an object that breaks off", "{\"bio\": \"x".into()),
        ("brackets without an end", "[".repeat(1 << 20)),
        (
            "an object of objects of objects",
            "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000),
        ),
        ("a NUL", "{\"bio\": \"a\\u0000b\"}".into()),
        ("half of a pair", "{\"bio\": \"\\ud800\"}".into()),
        ("a field twice", "{\"bio\": \"x\", \"bio\": \"y\"}".into()),
    ] {
        add(
            &format!("a profile that is {what}"),
            honest().with("data/profile.json", text),
            "",
        );
    }
    let numbers: String = (0..200_000).map(|n| format!("{n}, ")).collect();
    for path in [
        "neospace.json",
        "data/profile.json",
        "data/tags.json",
        "data/look.json",
        "data/sounds.json",
        "data/canvas.json",
    ] {
        add(
            &format!("more than a megabyte in {path}"),
            honest().with(path, format!("[{numbers}0]")),
            "at most 1 MiB",
        );
    }
    add(
        "a profile that is no UTF-8",
        honest().with("data/profile.json", b"{\"bio\": \"\xff\xfe\"}".to_vec()),
        "",
    );
    add(
        "a list with a line of 2 MiB",
        honest().with("data/posts.jsonl", "x".repeat(2 << 20)),
        "longer than",
    );
    add(
        "a list that is no UTF-8",
        honest().with("data/posts.jsonl", b"\xff\xfe\n".to_vec()),
        "isn't UTF-8",
    );
    add(
        "a list with an empty line",
        honest().with("data/posts.jsonl", "\n\n\n"),
        "not what it should be",
    );
    add("a list with a NUL", posts(post(1, "a\0b")), "NUL");

    // Who one is.
    for (field, value) in [
        ("bio", json!("x".repeat(501))),
        ("bio", json!(5)),
        ("status", json!("x".repeat(81))),
        ("mood", json!("x".repeat(61))),
        ("colour", json!("url(https://evil.example)")),
        ("time_zone", json!("../../etc/localtime")),
        ("present", json!("yes")),
        ("avatar", json!(one)),
        ("banner", json!("../../../secret")),
    ] {
        add(
            &format!("a profile whose {field} is {:.40}", value.to_string()),
            honest().field("data/profile.json", field, value),
            "",
        );
    }
    add(
        "a tag that is markup",
        honest().json("data/tags.json", &json!({ "tags": ["<script>"] })),
        "can't be a tag",
    );
    add(
        "a hundred tags",
        honest().json(
            "data/tags.json",
            &json!({ "tags": (0..100).map(|n| format!("t{n}")).collect::<Vec<_>>() }),
        ),
        "more tags",
    );

    // Posts.
    for (field, value) in [
        ("kind", json!("advert")),
        ("kind", json!("")),
        ("body", json!("x".repeat(10_001))),
        ("body", json!("")),
        ("title", json!("x".repeat(121))),
        ("title", json!("two\nlines")),
        ("post", json!("1")),
        ("post", json!(1.5)),
        ("created_at", json!(1e40)),
        (
            "pictures",
            json!([{ "media": one, "alt": "", "width": 1, "height": 1 }]),
        ),
        (
            "before",
            json!([{ "title": "", "body": "x".repeat(10_001), "url": "", "pictures": [], "until": 1 }]),
        ),
        (
            "before",
            json!([{ "title": "", "body": "x", "url": "javascript:alert(1)", "pictures": [], "until": 1 }]),
        ),
        (
            "before",
            json!(vec![
                json!({ "title": "", "body": "x", "url": "", "pictures": [], "until": 1 });
                501
            ]),
        ),
    ] {
        add(
            &format!("a post whose {field} is {:.40}", value.to_string()),
            posts(with(post(1, "x"), field, value)),
            "",
        );
    }
    for url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://me:secret@evil.example/",
        "",
        "//evil.example",
        "vbscript:x",
    ] {
        let link = with(with(post(1, "x"), "kind", json!("link")), "url", json!(url));
        add(&format!("a link to {url}"), posts(link), "can't be posted");
    }
    add(
        "a post that is in it twice",
        honest().list("data/posts.jsonl", &[post(1, "x"), post(1, "y")]),
        "in it twice",
    );
    add(
        "20,001 posts",
        honest().list("data/posts.jsonl", &vec![post(1, "x"); 20_001]),
        "",
    );
    let edited = |number: i64| {
        let before = json!({ "title": "", "body": "x", "url": "", "pictures": [], "until": 1 });
        with(post(number, "x"), "before", json!(vec![before; 500]))
    };
    add(
        "50,500 edits of 101 posts",
        honest().list("data/posts.jsonl", &(0..101).map(edited).collect::<Vec<_>>()),
        "changed more often",
    );
    add(
        "posts that become 50 MiB of a page",
        honest().list(
            "data/posts.jsonl",
            &(0..1_000).map(|n| post(n, &"&".repeat(10_000))).collect::<Vec<_>>(),
        ),
        "more than one archive of posts may say",
    );
    add(
        "a picture that isn't in it",
        posts(with(
            with(post(1, "x"), "kind", json!("image")),
            "pictures",
            json!([{ "media": one, "alt": "", "width": 1, "height": 1 }]),
        )),
        "isn't in it",
    );
    add(
        "an image without pictures",
        posts(with(post(1, "x"), "kind", json!("image"))),
        "",
    );
    add(
        "a script's post without a script",
        posts(with(post(1, "x"), "kind", json!("script"))),
        "",
    );
    add(
        "a script's post of a path",
        posts(with(
            with(post(1, "x"), "kind", json!("script")),
            "script",
            json!("../../settings"),
        )),
        "",
    );
    add(
        "a draft of a megabyte",
        honest().list(
            "data/post-drafts.jsonl",
            &[json!({ "post": null, "fields": [["body", "x".repeat(900_000)]], "updated_at": 1 })],
        ),
        "draft",
    );
    add(
        "two drafts of one post",
        honest().list(
            "data/post-drafts.jsonl",
            &["one", "another"].map(|body| json!({ "post": 1, "fields": [["body", body]], "updated_at": 1 })),
        ),
        "two drafts change the same post",
    );
    add(
        "a draft with 65 fields",
        honest().list(
            "data/post-drafts.jsonl",
            &[json!({ "post": null, "fields": vec![["body", "x"]; 65], "updated_at": 1 })],
        ),
        "more than 64 fields",
    );
    add(
        "5,000 drafts",
        honest().list(
            "data/post-drafts.jsonl",
            &vec![json!({ "post": null, "fields": [["body", "x"]], "updated_at": 1 }); 5_000],
        ),
        "lines",
    );

    // Stickers.
    for (field, value) in [
        ("x", json!(1_000_000_000)),
        ("x", json!(-1)),
        ("x", json!(1e308)),
        ("x", json!(null)),
        ("y", json!(9_223_372_036_854_775_807_i64)),
        ("width", json!(0)),
        ("width", json!(100_000)),
        ("rotation", json!(720)),
        ("rotation", json!("12")),
        ("emoji", json!("<img src=x onerror=alert(1)>")),
        ("emoji", json!("🐙🐙🐙")),
        ("kind", json!("frame")),
        ("alt", json!("x".repeat(201))),
        ("media", json!(one)),
        ("seed", json!("many")),
    ] {
        add(
            &format!("a sticker whose {field} is {:.40}", value.to_string()),
            stickers(with(sticker("🐙"), field, value)),
            "",
        );
    }
    let nan = sticker("🐙").to_string().replace("1000", "NaN");
    add(
        "a sticker at NaN",
        honest().with("data/stickers.jsonl", nan),
        "not what it should be",
    );
    let endless = sticker("🐙").to_string().replace("1000", "1e999");
    add(
        "a sticker at infinity",
        honest().with("data/stickers.jsonl", endless),
        "not what it should be",
    );
    add(
        "10,000 stickers",
        honest().list("data/stickers.jsonl", &vec![sticker("🐙"); 10_000]),
        "more than",
    );
    let picture = |id: &str| {
        with(
            with(with(sticker(""), "kind", json!("image")), "emoji", json!(null)),
            "media",
            json!(id),
        )
    };
    add(
        "a sticker of a picture that isn't in it",
        stickers(picture(&two)),
        "isn't in it",
    );
    let drawn = |settings: Value| {
        let drawn = with(with(sticker(""), "kind", json!("drawn")), "emoji", json!(null));
        with(with(drawn, "plugin", json!("flower")), "settings", settings)
    };
    add(
        "a sticker drawn with a list",
        stickers(drawn(json!([]))),
        "drawn with something",
    );
    add(
        "a sticker drawn with 100 KiB",
        stickers(drawn(json!({ "x": "y".repeat(100_000) }))),
        "drawn with something",
    );

    // Modules and what plugins keep.
    let module = |number: i64, plugin: &str| {
        json!({
            "module": number, "plugin": plugin, "width": 2, "height": 2, "settings": {}, "refused": [], "seed": "1", "created_at": 1,
        })
    };
    let modules = |value: Value| honest().list("data/modules.jsonl", &[value]);
    for (field, value) in [
        ("plugin", json!("../../guestbook")),
        ("plugin", json!("<script>")),
        ("plugin", json!("")),
        ("width", json!(200)),
        ("width", json!(-1)),
        ("height", json!(0)),
        ("settings", json!("{}")),
        ("settings", json!([1])),
        ("seed", json!("1e9")),
        ("seed", json!(1)),
        ("refused", json!(vec!["log"; 33])),
    ] {
        add(
            &format!("a module whose {field} is {:.40}", value.to_string()),
            modules(with(module(1, "guestbook"), field, value)),
            "",
        );
    }
    add(
        "a module that is in it twice",
        honest().list("data/modules.jsonl", &[module(1, "mood"), module(1, "mood")]),
        "in it twice",
    );
    add(
        "1,000 modules",
        honest().list(
            "data/modules.jsonl",
            &(0..1_000).map(|n| module(n, "mood")).collect::<Vec<_>>(),
        ),
        "more than",
    );
    let kept = |number: i64, key: &str| json!({ "module": number, "key": key, "value": "x", "expires_at": null });
    let storage = |values: &[Value]| modules(module(1, "guestbook")).list("data/module-storage.jsonl", values);
    add("what another's module keeps", storage(&[kept(77, "x")]), "module 77");
    add(
        "a key that is kept twice",
        storage(&[kept(1, "x"), kept(1, "x")]),
        "in it twice",
    );
    add(
        "a key of 300 bytes",
        storage(&[kept(1, &"k".repeat(300))]),
        "longer than",
    );
    add(
        "a value of 100 KiB",
        storage(&[with(kept(1, "x"), "value", json!("v".repeat(100_000)))]),
        "longer than",
    );
    add(
        "a value that is no text",
        storage(&[with(kept(1, "x"), "value", json!({ "a": 1 }))]),
        "",
    );

    // Scripts.
    let scripts = |value: Value| {
        honest()
            .list("data/scripts.jsonl", &[value])
            .list("data/script-versions.jsonl", &[version(&script_id, 1, "// x")])
    };
    for (field, value) in [
        ("script", json!("../../etc/passwd")),
        ("mode", json!("wasm")),
        ("title", json!("")),
        ("title", json!("two\nlines")),
        ("licence", json!("WTFPL<script>")),
        ("visibility", json!("everybody")),
        ("published", json!(2)),
        ("published", json!(-1)),
        ("draft", json!("x".repeat(200_000))),
        ("description", json!("x".repeat(3_000))),
        (
            "parent",
            json!({ "script": null, "version": 1, "title": "x", "author": "<b>bob</b>" }),
        ),
    ] {
        add(
            &format!("a script whose {field} is {:.40}", value.to_string()),
            scripts(with(script(&script_id, "waves"), field, value)),
            "",
        );
    }
    let mine = || honest().list("data/scripts.jsonl", &[script(&script_id, "waves")]);
    add(
        "a script that is in it twice",
        honest().list(
            "data/scripts.jsonl",
            &[script(&script_id, "a"), script(&script_id, "b")],
        ),
        "in it twice",
    );
    add(
        "a version of somebody else's script",
        mine().list("data/script-versions.jsonl", &[version(&two, 1, "x")]),
        "isn't in it",
    );
    add(
        "versions out of order",
        mine().list(
            "data/script-versions.jsonl",
            &[version(&script_id, 2, "x"), version(&script_id, 1, "x")],
        ),
        "out of order",
    );
    add(
        "version 1,000,000",
        mine().list("data/script-versions.jsonl", &[version(&script_id, 1_000_000, "x")]),
        "out of order",
    );
    add(
        "a version of 200 KiB",
        mine().list(
            "data/script-versions.jsonl",
            &[version(&script_id, 1, &"x".repeat(200_000))],
        ),
        "longer than",
    );
    let pins = |value: Value| scripts(script(&script_id, "waves")).list("data/script-pins.jsonl", &[value]);
    let pin = || json!({ "script": script_id, "title": "waves", "author": "ana", "seed": 1, "params": {} });
    for (field, value) in [
        ("seed", json!(-1)),
        ("seed", json!(1_u64 << 40)),
        ("params", json!({ "x": "alert(1)" })),
        ("params", json!([])),
        ("script", json!("x")),
    ] {
        add(
            &format!("a pin whose {field} is {:.40}", value.to_string()),
            pins(with(pin(), field, value)),
            "",
        );
    }
    add(
        "four pins",
        pins(pin()).list("data/script-pins.jsonl", &[pin(), pin(), pin(), pin()]),
        "",
    );

    // The look.
    let look = |theme: Value, css: &str| {
        honest().json(
            "data/look.json",
            &json!({ "theme": theme, "css": css, "remixed_from": null, "remixable": true }),
        )
    };
    add(
        "CSS of a megabyte",
        look(json!({}), &(0..60_000).map(|n| format!("a{n}{{}}")).collect::<String>()),
        "its CSS",
    );
    add(
        "a theme that leads elsewhere",
        look(json!({ "pattern": "url(https://evil.example)" }), ""),
        "theme",
    );
    add(
        "a theme whose cursor lies elsewhere",
        look(json!({ "cursor": "../../secret" }), ""),
        "theme",
    );
    add("a theme that is a list", look(json!([]), ""), "");

    // Pictures and sounds.
    let picture = pictures::png(16, 16);
    let listed = |field: &str, value: Value| {
        let contents = honest().media(&one, "image", &picture);
        let (_, list) = contents
            .0
            .iter()
            .find(|(path, _)| path == "data/media.jsonl")
            .expect("it is there");
        let line: Value = serde_json::from_slice(list).expect("one line");
        contents.clone().list("data/media.jsonl", &[with(line, field, value)])
    };
    for (field, value) in [
        ("id", json!("x")),
        ("id", json!("../../../neospace.db")),
        ("kind", json!("program")),
        ("file", json!("data/posts.jsonl")),
        ("file", json!("media/../neospace.json")),
        ("file", json!("media/nothing.png")),
        ("file", json!("/etc/passwd")),
        ("name", json!("x".repeat(500))),
        ("name", json!("a\u{202e}b\u{7}")),
        ("alt", json!("x".repeat(5_000))),
        ("transcript", json!("x".repeat(50_000))),
    ] {
        add(
            &format!("a picture whose {field} is {:.40}", value.to_string()),
            listed(field, value),
            "",
        );
    }
    add(
        "a picture that is in it twice",
        honest().media(&one, "image", &picture).media(&one, "image", &picture),
        "",
    );
    let shared = honest().media(&one, "image", &picture).media(&two, "image", &picture);
    let (_, list) = shared
        .0
        .iter()
        .find(|(path, _)| path == "data/media.jsonl")
        .expect("it is there");
    let list = String::from_utf8(list.clone()).expect("text");
    let same = list.replace(&format!("media/{two}-full.bin"), &format!("media/{one}-full.bin"));
    add(
        "two pictures of one file",
        shared.with("data/media.jsonl", same),
        "shares its file with another",
    );
    add(
        "an anthem that isn't in it",
        honest().json(
            "data/sounds.json",
            &json!({ "anthem": two, "anthem_title": "", "voice": null }),
        ),
        "isn't in it",
    );
    add(
        "an anthem that is a picture",
        honest().media(&one, "image", &picture).json(
            "data/sounds.json",
            &json!({ "anthem": one, "anthem_title": "", "voice": null }),
        ),
        "isn't in it",
    );

    // Rooms.
    let said = || {
        json!({
            "room": "lobby", "id": 1, "seq": 1, "at": 1, "content": "hello", "edited_at": null, "before": [], "reply_to": null, "plugin": null,
            "command": null, "deleted": null, "pictures": [],
        })
    };
    for (field, value) in [
        ("room", json!("")),
        ("room", json!("x".repeat(300))),
        ("content", json!("x".repeat(4_001))),
        ("before", json!([{ "content": "x".repeat(4_001), "until": 1 }])),
        ("before", json!(vec![json!({ "content": "x", "until": 1 }); 51])),
        ("deleted", json!("bob")),
        ("plugin", json!("x".repeat(300))),
        ("id", json!("one")),
    ] {
        add(
            &format!("a message whose {field} is {:.40}", value.to_string()),
            honest().list("data/room-messages.jsonl", &[with(said(), field, value)]),
            "",
        );
    }
    add(
        "a message that is in it twice",
        honest().list("data/room-messages.jsonl", &[said(), said()]),
        "in it twice",
    );
    all
}

#[test]
fn archives_that_say_what_cannot_be_are_refused_and_change_nothing() {
    let server = server();
    let ana = server.person("ana");
    let before = standing(&server, &ana);
    let all = lies();
    assert!(all.len() >= 60, "{}", all.len());
    for (what, contents, why) in all {
        let begun = Instant::now();
        refused(&what, &ana.bring_to(&contents.bytes()), why);
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{what}: {:?}",
            begun.elapsed()
        );
    }
    assert_eq!(standing(&server, &ana), before);
}
