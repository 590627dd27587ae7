//! Archives that strangers made: zips that slip, explode and lie, lists that say what can't be, and files that aren't what they are
//! called. Each is refused with a sentence and changes nothing, or comes along and is harmless; memory and time are bounded.

use std::time::{Duration, Instant};

use neospace_tests::{
    Person, Server, markup, pictures,
    zips::{Contents, File, Zip, deflated, id_of, post, script, sticker, version},
};
use serde_json::{Value, json};

/// One that takes archives as fast as they come.
fn server() -> Server {
    quick().plugins(&["guestbook", "mood", "flower"]).start()
}

fn quick() -> neospace_tests::Builder {
    Server::builder().config("[limits]\nuploads_per_minute = 100000\nactions = 100000")
}

/// Everything that an archive could change of a member, and what lies on disk for it.
fn standing(server: &Server, person: &Person) -> Vec<String> {
    let database = server.database();
    let mut standing: Vec<String> = [
        "posts",
        "post_drafts",
        "stickers",
        "modules",
        "looks",
        "scripts",
        "script_versions",
        "script_pins",
        "media",
        "tags",
        "sounds",
        "brought",
        "brought_things",
        "brought_messages",
        "plugin_storage",
        "media_uses",
        "arrivals",
    ]
    .iter()
    .map(|table| {
        let count = format!("select count(*) from {table}");
        let many: i64 = database.query_row(&count, [], |row| row.get(0)).expect("a number");
        format!("{table} {many}")
    })
    .collect();
    let profile = "select bio || status || mood || colour || time_zone from profiles p join users u on u.id = p.user_id where u.name = ?1";
    standing.push(
        database
            .query_row(profile, [&person.name], |row| row.get(0))
            .expect("a profile"),
    );
    for folder in ["arrivals", "media", "uploads"] {
        let files = std::fs::read_dir(server.data().join(folder)).expect("a folder").count();
        standing.push(format!("{folder} {files}"));
    }
    standing
}

/// A zip in which one file is as it is said here, among honest ones.
fn among(file: File) -> Vec<u8> {
    let mut zip = Contents::honest(1).zip();
    zip.files.push(file);
    zip.bytes()
}

fn named(name: &[u8]) -> Vec<u8> {
    among(File::stored("x", b"slips").both(|head| head.name = name.into()))
}

/// Zips that are wrong as zips: what they are, their bytes, and a word of the sentence that refuses them.
fn zips() -> Vec<(String, Vec<u8>, &'static str)> {
    let mut all: Vec<(String, Vec<u8>, &'static str)> = Vec::new();
    let mut add = |what: &str, bytes: Vec<u8>, why: &'static str| all.push((what.to_owned(), bytes, why));
    let honest = || Contents::honest(1).zip();
    let plain = || File::stored("data/more.txt", b"some bytes that are as they are");

    // Names that lead elsewhere.
    for name in [
        "../evil",
        "data/../../evil",
        "..",
        "data/..",
        "../../../../../../etc/cron.d/evil",
        "a/b/../../../evil",
        "./../evil",
    ] {
        add(
            &format!("the name {name}"),
            named(name.as_bytes()),
            "leads out of its folder",
        );
    }
    for name in ["/etc/passwd", "//server/share", "/"] {
        add(
            &format!("the name {name}"),
            named(name.as_bytes()),
            "begins at the root",
        );
    }
    for name in [
        "..\\evil",
        "data\\..\\..\\evil",
        "\\evil",
        "C:\\evil",
        "\\\\server\\share\\x",
    ] {
        add(&format!("the name {name}"), named(name.as_bytes()), "backslash");
    }
    for name in ["C:evil", "data/x:stream", "file:///etc/passwd"] {
        add(&format!("the name {name}"), named(name.as_bytes()), "colon");
    }
    for name in ["data//x", "./x", "data/./x", "data/x.", "data/.../x"] {
        add(&format!("the name {name}"), named(name.as_bytes()), "isn't a name");
    }
    for name in [
        "%2e%2e/evil",
        "data/x y",
        "~/x",
        "data/$HOME",
        "<script>.js",
        "data/x\u{202e}gpj.exe",
        "data/\u{ff0e}\u{ff0e}/x",
        "NUL\u{7f}",
    ] {
        add(
            &format!("the name {name}"),
            named(name.as_bytes()),
            "characters that no name",
        );
    }
    add("a name with a NUL", named(b"data/x\0.jsonl"), "NUL");
    add("a name without letters", named(b""), "no name");
    add("a name that is no UTF-8", named(b"data/\xff\xfe"), "isn't UTF-8");
    add(
        "an overlong spelling of ..",
        named(b"data/\xc0\xae\xc0\xae/x"),
        "isn't UTF-8",
    );
    add("a name of 300 letters", named(&[b'a'; 300]), "more than 200 bytes");

    // Names that are two files, or a file and a folder.
    add(
        "a file that is in it twice",
        Zip::of([honest().files, vec![plain(), plain()]].concat()).bytes(),
        "in it twice",
    );
    add(
        "two manifests",
        Zip::of([honest().files, vec![File::stored("neospace.json", b"{}")]].concat()).bytes(),
        "in it twice",
    );
    add(
        "names that differ in their case",
        among(File::stored("DATA/Posts.jsonl", b"")),
        "differ in small and capital",
    );
    add(
        "a file that is a folder, too",
        Zip::of([honest().files, vec![File::stored("a", b"x"), File::stored("a/b", b"x")]].concat()).bytes(),
        "a file and a folder",
    );

    // Things that are no files.
    let mut link = File::stored("data/link", b"/etc/passwd");
    link.attributes = 0o120_777 << 16;
    add("a symbolic link", among(link), "a link");
    for (what, mode) in [
        ("a device", 0o020_666_u32),
        ("a pipe", 0o010_666),
        ("a socket", 0o140_666),
    ] {
        let mut odd = File::stored("data/odd", b"");
        odd.attributes = mode << 16;
        add(what, among(odd), "neither a file nor a folder");
    }
    add(
        "a folder with bytes",
        among(File::stored("data/folder/", b"bytes")),
        "folder",
    );

    // Packed in ways that nobody reads.
    for (what, flags) in [
        ("encrypted", 1_u16),
        ("strongly encrypted", 0x41),
        ("with a masked directory", 0x2000),
    ] {
        add(what, among(plain().both(|head| head.flags |= flags)), "encrypted");
    }
    for method in [1_u16, 6, 9, 12, 14, 93, 95, 99, 0xffff] {
        add(
            &format!("packed by method {method}"),
            among(plain().both(|head| head.method = method)),
            "packed in a way",
        );
    }
    for name in ["inner.zip", "media/x.ZIP", "x.tar", "x.gz", "x.7z", "data/x.jsonl.gz"] {
        add(
            &format!("an archive in it: {name}"),
            among(File::stored(name, &Contents::honest(2).bytes())),
            "archive in the archive",
        );
    }

    // Sizes, sums and places that lie.
    add(
        "another name before the bytes",
        among(plain().locally(|head| head.name = b"data/less.txt".to_vec())),
        "another name",
    );
    add(
        "another method before the bytes",
        among(plain().locally(|head| head.method = 8)),
        "another way of packing",
    );
    add(
        "another sum before the bytes",
        among(plain().locally(|head| head.crc ^= 1)),
        "another size or sum",
    );
    add(
        "another size before the bytes",
        among(plain().locally(|head| head.size += 1)),
        "another size or sum",
    );
    add(
        "other flags before the bytes",
        among(plain().locally(|head| head.flags = 0x0802)),
        "another kind",
    );
    add(
        "a sum that is wrong in both heads",
        among(plain().both(|head| head.crc ^= 1)),
        "sum",
    );
    add(
        "a size that is too large",
        among(File::packed("data/x.txt", b"short").both(|head| head.size = 500)),
        "",
    );
    add(
        "a size that is too small",
        among(File::packed("data/x.txt", &[b'a'; 500]).both(|head| head.size = 5)),
        "",
    );
    add(
        "a packed size that is too small",
        among(File::packed("data/x.txt", &[7; 50]).both(|head| head.packed -= 2)),
        "",
    );
    add(
        "a packed size that is too large",
        among(plain().both(|head| head.packed += 9)),
        "",
    );
    add(
        "a packed size of 4 GiB",
        among(plain().both(|head| head.packed = 0xffff_fff0)),
        "",
    );
    add(
        "a size of 4 GiB",
        among(File::packed("data/x.txt", b"x").both(|head| head.size = 0xffff_fff0)),
        "at most",
    );
    add(
        "a descriptor with another sum",
        among(plain().described(|head| head.crc ^= 1)),
        "another size or sum",
    );
    add(
        "a descriptor with another size",
        among(plain().described(|head| head.size += 7)),
        "another size or sum",
    );
    let mut bare = plain().both(|head| head.flags |= 8);
    bare.behind = Vec::new();
    add("a descriptor that isn't there", among(bare), "");
    let mut behind = plain();
    behind.behind = b"bytes of nobody's".to_vec();
    add("bytes between files", among(behind), "belong to no file");
    let mut broken = File::packed("data/x.txt", b"these bytes are packed well enough to be read");
    broken.body[2] ^= 0xff;
    add("packed bytes that are broken", among(broken), "");
    let mut more = File::packed("data/x.txt", b"hello hello hello");
    more.body.extend(b"hidden behind the end of the stream");
    let packed = more.body.len() as u32;
    add(
        "bytes behind the end of what is packed",
        among(more.both(|head| head.packed = packed)),
        "",
    );
    let mut hidden = plain();
    hidden.central = None;
    add(
        "a file that the directory doesn't name",
        Zip::of([vec![hidden], honest().files].concat()).bytes(),
        "belong to no file",
    );
    let mut over = plain();
    over.offset = Some(0);
    add("two files at one place", among(over), "");
    let mut beyond = plain();
    beyond.offset = Some(0x7fff_ffff);
    add("a file beyond the end", among(beyond), "");
    add(
        "zip64 in a file's extra field",
        among(plain().both(|head| {
            (head.size, head.packed) = (0xffff_ffff, 0xffff_ffff);
            head.extra = [
                &1_u16.to_le_bytes()[..],
                &16_u16.to_le_bytes(),
                &u64::MAX.to_le_bytes(),
                &u64::MAX.to_le_bytes(),
            ]
            .concat();
        })),
        "",
    );
    add(
        "zip64 sizes that aren't there",
        among(plain().both(|head| (head.size, head.packed) = (0xffff_ffff, 0xffff_ffff))),
        "",
    );

    // The end of the archive.
    add(
        "a comment",
        Zip {
            comment: b"hello".to_vec(),
            ..honest()
        }
        .bytes(),
        "comment",
    );
    let fake = Contents::honest(9)
        .field("data/profile.json", "bio", json!("another"))
        .bytes();
    add(
        "a comment that is an archive of its own",
        Zip {
            comment: fake.clone(),
            ..honest()
        }
        .bytes(),
        "",
    );
    add(
        "bytes behind the end",
        Zip {
            after: b"tail".to_vec(),
            ..honest()
        }
        .bytes(),
        "behind the archive's end",
    );
    add(
        "an archive behind the archive",
        Zip {
            after: fake,
            ..honest()
        }
        .bytes(),
        "",
    );
    add(
        "bytes before the first file",
        Zip {
            before: b"#!/bin/sh\necho hi\n".to_vec(),
            ..honest()
        }
        .bytes(),
        "",
    );
    add(
        "bytes before the directory",
        Zip {
            between: vec![0; 99],
            ..honest()
        }
        .bytes(),
        "",
    );
    add(
        "a picture before the archive",
        Zip {
            before: pictures::png(8, 8),
            ..honest()
        }
        .bytes(),
        "",
    );
    for entries in [0_u16, 1, 7, 60_000, 0xffff] {
        add(
            &format!("an end that counts {entries} files"),
            Zip {
                entries: Some(entries),
                ..honest()
            }
            .bytes(),
            "",
        );
    }
    add(
        "a directory of 4 GiB",
        Zip {
            directory: Some(0xffff_fff0),
            ..honest()
        }
        .bytes(),
        "",
    );
    add(
        "a directory of no bytes",
        Zip {
            directory: Some(0),
            ..honest()
        }
        .bytes(),
        "",
    );
    add(
        "a directory that is elsewhere",
        Zip {
            offset: Some(3),
            ..honest()
        }
        .bytes(),
        "",
    );
    add(
        "a directory beyond the end",
        Zip {
            offset: Some(0xffff_fff0),
            ..honest()
        }
        .bytes(),
        "",
    );
    let mut end64 = b"PK\x06\x06".to_vec();
    end64.extend(44_u64.to_le_bytes());
    end64.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [u64::MAX, u64::MAX, u64::MAX, 0] {
        end64.extend(value.to_le_bytes());
    }
    let at = honest().bytes().len() as u64;
    end64.extend(b"PK\x06\x07\0\0\0\0");
    end64.extend((at - 22).to_le_bytes());
    end64.extend([1, 0, 0, 0]);
    add(
        "a zip64 end with 2⁶⁴ files",
        Zip {
            zip64: end64,
            entries: Some(0xffff),
            directory: Some(0xffff_ffff),
            offset: Some(0xffff_ffff),
            ..honest()
        }
        .bytes(),
        "",
    );

    // Too much of it.
    add(
        "60,000 files",
        {
            let files = (0..60_000).map(|n| File::stored(&format!("data/{n}"), b""));
            Zip::of(files).bytes()
        },
        "files",
    );
    let zeros = vec![0_u8; 200 << 20];
    let packed = deflated(&zeros);
    let bomb = |name: &str| {
        let mut file = File::stored(name, b"");
        file.body.clone_from(&packed);
        file.both(|head| {
            head.method = 8;
            head.packed = packed.len() as u32;
            head.size = 200 << 20;
            head.crc = 0;
        })
    };
    add(
        "a picture of 200 MiB from 200 KiB",
        among(bomb("media/x.bin")),
        "at most",
    );
    add("a page of 200 MiB from 200 KiB", among(bomb("index.html")), "at most");
    let small = |name: &str| {
        let packed = deflated(&zeros[..30 << 20]);
        let mut file = File::stored(name, b"");
        file.body.clone_from(&packed);
        file.both(|head| {
            (head.method, head.packed, head.size) = (8, packed.len() as u32, 30 << 20);
        })
    };
    add(
        "a page that is made to explode",
        among(small("site/x.css")),
        "made to explode",
    );
    add(
        "a bomb that says that it is small",
        among(bomb("data/x.txt").both(|head| head.size = 10)),
        "",
    );
    add(
        "lists that take more than all may",
        {
            let file = |n: usize| {
                let mut file = bomb(&format!("data/{n}.jsonl"));
                file = file.both(|head| head.size = 60 << 20);
                file
            };
            Zip::of(honest().files.into_iter().chain((0..60).map(file))).bytes()
        },
        "",
    );
    add(
        "files that share one bomb",
        {
            let first = bomb("media/0.bin").both(|head| head.size = 100 << 20);
            let others = (1..200).map(|n| {
                let mut file = first.clone().both(|head| head.name = format!("media/{n}.bin").into());
                (file.body, file.offset) = (Vec::new(), Some(0));
                file
            });
            Zip::of(std::iter::once(first.clone()).chain(others)).bytes()
        },
        "",
    );

    // What is no zip at all.
    add("nothing but an end", Zip::default().bytes(), "neospace.json");
    for (what, bytes) in [
        ("a picture", pictures::jpeg(64, 64)),
        ("a page", b"<!doctype html><script>alert(1)</script>".to_vec()),
        ("one byte", vec![b'P']),
        ("a gzip file", b"\x1f\x8b\x08\0\0\0\0\0".to_vec()),
        ("a RAR file", b"Rar!\x1a\x07\x01\0".to_vec()),
        ("a megabyte of nothing", vec![0; 1 << 20]),
        ("a megabyte of ends", b"PK\x05\x06".repeat(1 << 18)),
    ] {
        add(what, bytes, "");
    }
    all
}

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

/// The refusal of what was sent: a client's error with a sentence.
#[track_caller]
fn refused(what: &str, answer: &neospace_tests::Answer, why: &str) {
    assert!(
        matches!(answer.status, 400 | 413 | 422),
        "{what}: {} {}",
        answer.status,
        answer.text()
    );
    let detail = answer.json()["detail"].as_str().expect("a sentence").to_owned();
    assert!(detail.contains(why), "{what}: {detail}");
    assert!(detail.len() < 600, "{what}: {detail}");
    assert!(!detail.contains('\0') && !detail.contains("thread"), "{what}: {detail}");
}

#[test]
fn zips_that_slip_explode_and_lie_are_refused_and_change_nothing() {
    let server = server();
    let ana = server.person("ana");
    let before = standing(&server, &ana);
    let all = zips();
    assert!(all.len() >= 60, "{}", all.len());
    // What an honest one takes, to begin with.
    ana.bring_to(&Contents::honest(1).bytes()).expect(201);
    ana.post_json("/settings/import/discard", &[]).expect(200);
    let calm = server.memory();
    for (what, zip, why) in all {
        let begun = Instant::now();
        refused(&what, &ana.bring_to(&zip), why);
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{what}: {:?}",
            begun.elapsed()
        );
        let grown = server.memory().saturating_sub(calm) >> 20;
        assert!(grown < 192, "{what}: {grown} MiB more");
    }
    assert_eq!(standing(&server, &ana), before);
    assert_eq!(ana.arrival()["state"], "none");
}

#[test]
fn archives_that_break_off_anywhere_are_refused() {
    let server = server();
    let ana = server.person("ana");
    let before = standing(&server, &ana);
    let whole = Contents::honest(1).bytes();
    let steps = (1..whole.len()).step_by(whole.len() / 60);
    for length in steps.chain([
        whole.len() - 1,
        whole.len() - 2,
        whole.len() - 21,
        whole.len() - 22,
        whole.len() - 23,
    ]) {
        refused(
            &format!("the first {length} bytes"),
            &ana.bring_to(&whole[..length]),
            "",
        );
    }
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0xff;
        let answer = ana.bring_to(&flipped);
        // A few bytes mean nothing: versions, dates, attributes. Whatever is taken then is what was in it.
        if answer.status == 201 {
            assert_eq!(answer.json()["found"]["parts"]["posts"], "1 post", "byte {at}");
            ana.post_json("/settings/import/discard", &[]).expect(200);
        } else {
            refused(&format!("another byte {at}"), &answer, "");
        }
    }
    assert_eq!(standing(&server, &ana), before);
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

#[test]
fn files_that_are_no_pictures_are_found_out_and_nothing_comes() {
    let server = server();
    let ana = server.person("ana");
    let before = standing(&server, &ana);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec();
    let mut cut = pictures::jpeg(200, 200);
    cut.truncate(300);
    for (what, kind, bytes) in [
        ("SVG", "image", svg),
        ("a page", "image", b"<!doctype html><script>alert(1)</script>".to_vec()),
        ("a program", "image", b"\x7fELF\x02\x01\x01".to_vec()),
        ("half a JPEG", "image", cut),
        ("a picture that says that it is a sound", "audio", pictures::png(8, 8)),
        ("nothing", "image", Vec::new()),
        (
            "a GIF of a script",
            "image",
            b"GIF89a/*<svg/onload=alert(1)>*/=1;".to_vec(),
        ),
    ] {
        let contents = Contents::honest(1)
            .media(&id_of(0x55), "image", &pictures::png(40, 40))
            .media(&id_of(0x66), kind, &bytes);
        ana.bring_to(&contents.bytes()).expect(201);
        let now = ana.bring(&[("how", "replace")]);
        assert_eq!(now["state"], "waiting", "{what}: {now:#}");
        let why = now["refused"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("thing.bin"), "{what}: {why}");
        // The page says so, too, and the archive can be thrown away.
        let page = ana
            .request("GET", "/settings/import")
            .header("accept", "text/html")
            .send()
            .expect(200)
            .text();
        assert!(page.contains("nothing was changed"), "{what}");
        ana.post_json("/settings/import/discard", &[]).expect(200);
        assert_eq!(standing(&server, &ana), before, "{what}");
    }
}

#[test]
fn where_a_picture_was_taken_does_not_come_along() {
    let server = server();
    let ana = server.person("ana");
    let contents = Contents::honest(1)
        .media(&id_of(0x55), "image", &pictures::telephone(400, 300, 6))
        .field("data/profile.json", "avatar", json!(id_of(0x55)));
    ana.brings(&contents.bytes(), "replace");
    let mut files = 0;
    for file in std::fs::read_dir(server.data().join("media")).expect("a folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("its bytes");
        for trace in [
            b"Exif".as_slice(),
            pictures::CAMERA.as_bytes(),
            pictures::PLACE[0],
            pictures::PLACE[1],
        ] {
            assert!(memchr::memmem::find(&bytes, trace).is_none());
        }
        files += 1;
    }
    assert!(files > 0);
    // The archive itself is gone.
    assert_eq!(
        std::fs::read_dir(server.data().join("arrivals"))
            .expect("a folder")
            .count(),
        0
    );
}

#[test]
fn every_text_of_an_archive_is_text() {
    let server = server();
    let ana = server.person("ana");
    let vectors = markup::vectors();
    let mut id = 0;
    for chunk in vectors.chunks(12) {
        id += 1;
        let (work, picture) = (id_of(100 + id), id_of(id));
        let short =
            |text: &String, most: usize| -> String { text.chars().filter(|c| !c.is_control()).take(most).collect() };
        let posts: Vec<Value> = chunk
            .iter()
            .enumerate()
            .map(|(nth, vector)| {
                let mut it = post(nth as i64, &vector.replace('\0', " "));
                it["title"] = json!(short(vector, 100));
                it["edited_at"] = json!(5);
                it["before"] = json!([{ "title": short(vector, 100), "body": vector.replace('\0', " "), "url": "", "pictures": [], "until": 5 }]);
                if it["body"].as_str().is_none_or(|body| body.trim().is_empty()) {
                    it["body"] = json!("empty");
                }
                it
            })
            .collect();
        let stickers: Vec<Value> = chunk
            .iter()
            .take(6)
            .map(|vector| {
                let mut it = sticker("🐙");
                it["alt"] = json!(short(vector, 200));
                it
            })
            .collect();
        let said: Vec<Value> = chunk
            .iter()
            .enumerate()
            .map(|(nth, vector)| {
                json!({
                    "room": short(vector, 100) + "x", "id": nth as i64 + 1000 * i64::from(id), "seq": 1, "at": 1, "content": vector.replace('\0', " "),
                    "edited_at": 2, "before": [{ "content": vector.replace('\0', " "), "until": 2 }], "reply_to": null,
                    "plugin": short(vector, 100), "command": short(vector, 100), "deleted": null, "pictures": [],
                })
            })
            .collect();
        let first = &chunk[0];
        let mut sketch = script(&work, &(short(first, 79) + "x"));
        sketch["description"] = json!(short(first, 500));
        let mut contents = Contents::honest(id)
            .field("neospace.json", "node", json!(short(first, 200)))
            .field("data/profile.json", "bio", json!(short(first, 500)))
            .field("data/profile.json", "status", json!(short(first, 80)))
            .field("data/profile.json", "mood", json!(short(first, 60)))
            .list("data/posts.jsonl", &posts)
            .list("data/stickers.jsonl", &stickers)
            .list("data/room-messages.jsonl", &said)
            .list("data/scripts.jsonl", &[sketch])
            .list("data/script-versions.jsonl", &[version(&work, 1, first)])
            .media(&picture, "image", &pictures::png(8, 8));
        let line: Value = {
            let (_, list) = contents
                .0
                .iter()
                .find(|(path, _)| path == "data/media.jsonl")
                .expect("a list");
            serde_json::from_slice(list).expect("a line")
        };
        let mut line = line;
        line["name"] = json!(short(first, 100));
        line["alt"] = json!(short(first, 500));
        contents = contents.list("data/media.jsonl", &[line]);
        ana.bring_to(&contents.bytes()).expect(201);
        let page = |path: &str| {
            ana.request("GET", path)
                .header("accept", "text/html")
                .send()
                .expect(200)
                .text()
        };
        let check = |path: &str| {
            if let Some(fault) = markup::page_fault(&page(path)) {
                panic!("{path} of {chunk:?}: {fault}");
            }
        };
        check("/settings/import");
        let now = ana.bring(&[("how", "replace")]);
        assert_eq!(now["state"], "none", "{now:#}");
        for path in [
            "/settings/import",
            "/settings/import/rooms",
            "/wall/ana",
            "/wall/ana/posts",
            "/library",
            "/sandbox/mine",
        ] {
            check(path);
        }
    }
}

#[test]
fn css_that_reaches_out_comes_along_and_reaches_nothing() {
    let server = server();
    let ana = server.person("ana");
    let css = "@import url(https://evil.example/a.css);\n.wall { background: url(https://evil.example/x.png) }\nbody { display: none }\n\
               @font-face { font-family: x; src: url(//evil.example/x.woff2) }\n.bar { position: fixed; inset: 0 }\n</style><script>alert(1)</script>";
    let theme = json!({});
    let contents = Contents::honest(1).json(
        "data/look.json",
        &json!({ "theme": theme, "css": css, "remixed_from": "bob", "remixable": true }),
    );
    let answer = ana.bring_to(&contents.bytes());
    if answer.status == 422 {
        return refused("CSS", &answer, "CSS");
    }
    ana.bring(&[("how", "replace")]);
    let wall = server.guest().get("/wall/ana").text();
    let sheet = wall
        .split("id=\"look\" rel=\"stylesheet\" href=\"")
        .nth(1)
        .expect("a look");
    let sheet = server
        .guest()
        .get(sheet.split('"').next().unwrap_or_default())
        .expect(200)
        .text();
    assert!(
        !sheet.contains("evil.example") && !sheet.contains("@import") && !sheet.contains("<script"),
        "{sheet}"
    );
    assert!(!wall.contains("evil.example") && markup::page_fault(&wall).is_none());
}

#[test]
fn times_that_have_not_come_yet_are_now() {
    let server = server();
    let ana = server.person("ana");
    let mut late = post(1, "from the year 200,000");
    late["created_at"] = json!(6_000_000_000_000_000_i64);
    let mut early = post(2, "from long before");
    early["created_at"] = json!(i64::MIN);
    ana.brings(
        &Contents::honest(1).list("data/posts.jsonl", &[late, early]).bytes(),
        "add",
    );
    let mut times = server
        .database()
        .prepare("select created_at from posts order by created_at")
        .expect("SQL")
        .query_map([], |row| row.get::<_, i64>(0))
        .expect("rows")
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_millis() as i64;
    assert!(times.pop().is_some_and(|last| (now - 60_000..=now).contains(&last)));
    assert_eq!(times, [0]);
    // Nothing of it is news for everybody.
    assert!(!server.guest().get("/public-feed").text().contains("from the year"));
    assert!(server.guest().get("/wall/ana").text().contains("from the year"));
    assert_eq!(server.guest().get("/public-feed.atom").status, 200);
}

#[test]
fn what_plugins_kept_comes_only_where_the_plugin_is_and_as_much_as_it_may_keep() {
    let server = server();
    let ana = server.person("ana");
    let module = |number: i64, plugin: &str| {
        json!({
            "module": number, "plugin": plugin, "width": 2, "height": 2, "settings": { "nonsense": true }, "refused": ["nonsense"], "seed": "18446744073709551615", "created_at": 1,
        })
    };
    let kept = |number: i64, nth: usize| json!({ "module": number, "key": format!("k{nth}"), "value": "v".repeat(60_000), "expires_at": null });
    let mut storage: Vec<Value> = (0..400).map(|nth| kept(1, nth)).collect();
    storage.push(kept(2, 0));
    let contents = Contents::honest(1)
        .list(
            "data/modules.jsonl",
            &[
                module(1, "guestbook"),
                module(2, "not-installed"),
                module(3, "mood"),
                module(4, "flower"),
            ],
        )
        .list("data/module-storage.jsonl", &storage);
    let found = ana.bring_to(&contents.bytes()).expect(201).json();
    let left = found["found"]["left"].to_string();
    assert!(
        left.contains("may keep") && left.contains("not-installed") && left.contains("isn't installed here"),
        "{left}"
    );
    assert!(
        found["found"]["parts"]["modules"]
            .as_str()
            .is_some_and(|said| said.starts_with("2 modules")),
        "{found:#}"
    );
    ana.bring(&[("how", "replace")]);
    let (modules, entries): (i64, i64) = server
        .database()
        .query_row(
            "select (select count(*) from modules where removed_at is null), (select count(*) from plugin_storage)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("numbers");
    assert_eq!((modules, entries), (2, 0));
}

#[test]
fn more_than_a_wall_holds_does_not_come_halfway() {
    let server = server();
    let ana = server.person("ana");
    ana.brings(
        &Contents::honest(1)
            .list("data/stickers.jsonl", &vec![sticker("🐙"); 60])
            .bytes(),
        "add",
    );
    let before = standing(&server, &ana);
    // Posts come before stickers in it, and don't stay either.
    let more = Contents::honest(2).list("data/stickers.jsonl", &vec![sticker("🦀"); 60]);
    ana.bring_to(&more.bytes()).expect(201);
    let now = ana.bring(&[("how", "add")]);
    assert!(
        now["refused"]
            .as_str()
            .is_some_and(|why| why.contains("60 lie on your wall")),
        "{now:#}"
    );
    ana.post_json("/settings/import/discard", &[]).expect(200);
    assert_eq!(standing(&server, &ana), before);
    // In their place, they fit.
    let live = server.guest().live();
    live.watch("wall:ana");
    ana.brings(&more.bytes(), "replace");
    live.wait("resync", |frame| frame["topic"] == "wall:ana");
    assert!(server.guest().get("/wall/ana").text().contains("🦀"));
}

#[test]
fn scripts_that_descend_from_each_other_descend_from_nobody() {
    let server = server();
    let ana = server.person("ana");
    let (one, two) = (id_of(1), id_of(2));
    let fork = |id: &str, of: &str| {
        let mut it = script(id, "round and round");
        it["parent"] = json!({ "script": of, "version": 1, "title": "round and round", "author": "bob" });
        it
    };
    let contents = Contents::honest(1)
        .list("data/scripts.jsonl", &[fork(&one, &two), fork(&two, &one)])
        .list(
            "data/script-versions.jsonl",
            &[version(&one, 1, "// 1"), version(&two, 1, "// 2")],
        );
    ana.brings(&contents.bytes(), "add");
    let roots: i64 = server
        .database()
        .query_row("select count(*) from scripts where parent_id is null", [], |row| {
            row.get(0)
        })
        .expect("a number");
    assert_eq!(roots, 1);
    let ids: Vec<String> = server
        .database()
        .prepare("select id from scripts")
        .expect("SQL")
        .query_map([], |row| row.get(0))
        .expect("rows")
        .map(Result::unwrap)
        .collect();
    for id in ids {
        assert!(![&one, &two].contains(&&id), "it has an id of its own");
        ana.get(&format!("/sandbox/{id}")).expect(200);
    }
}

#[test]
fn the_credit_of_a_fork_that_could_not_be_made_is_words_and_leads_nowhere() {
    let server = server();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let publish = |title: &str, licence: &str| {
        let fields = [("mode", "canvas"), ("title", title), ("source", "// bob's")];
        let id = bob.post_json("/sandbox", &fields).expect(201).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        bob.post_json(&format!("/sandbox/{id}/versions"), &[("publish", "on")])
            .expect(200);
        bob.post_json(&format!("/sandbox/{id}/details"), &[("licence", licence)])
            .expect(200);
        id
    };
    let (open, reserved) = (publish("open", "MIT"), publish("reserved", "all-rights-reserved"));
    let claims = [
        ("a fork of what may be forked", &open, 1, "bob", true),
        ("a fork of what is reserved", &reserved, 1, "bob", false),
        ("a fork of somebody else's", &open, 1, "cyd", false),
        ("a fork of a version that never was", &open, 2, "bob", false),
    ];
    let mut contents = Contents::honest(1);
    let (mut scripts, mut versions) = (Vec::new(), Vec::new());
    for (nth, (what, of, number, author, _)) in claims.iter().enumerate() {
        let id = id_of(0x40 + nth as u8);
        let mut it = script(&id, what);
        it["parent"] = json!({ "script": of, "version": number, "title": "a title", "author": author });
        scripts.push(it);
        versions.push(version(&id, 1, "// ana's"));
    }
    contents = contents
        .list("data/scripts.jsonl", &scripts)
        .list("data/script-versions.jsonl", &versions);
    ana.brings(&contents.bytes(), "add");
    for (what, of, _, author, leads) in claims {
        let (parent, credited): (Option<String>, Option<String>) = server
            .database()
            .query_row(
                "select parent_id, parent_author from scripts where title = ?1",
                [what],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .expect("a script");
        assert_eq!(parent.as_deref(), leads.then_some(of.as_str()), "{what}");
        assert_eq!(credited.as_deref(), Some(author), "{what}");
    }
}

#[test]
fn an_archive_of_somebody_else_changes_nothing_of_theirs() {
    let server = server();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    bob.post_json("/wall/bob/posts", &[("body", "bob wrote this")])
        .expect(201);
    let theirs = bob.uploaded("bob.png", &pictures::png(30, 30));
    let his = standing(&server, &bob);
    // It says that it is bob's, names bob's picture, and a script of his.
    let mut image = post(1, "");
    image["kind"] = json!("image");
    image["pictures"] = json!([{ "media": theirs, "alt": "stolen", "width": 30, "height": 30 }]);
    let contents = Contents::honest(1)
        .field("neospace.json", "member", json!("bob"))
        .list("data/posts.jsonl", &[image]);
    refused("bob's picture", &ana.bring_to(&contents.bytes()), "isn't in it");
    assert_eq!(standing(&server, &bob), his);
    // One that brings bytes of its own under that id gets a picture of its own.
    ana.brings(&contents.media(&theirs, "image", &pictures::png(9, 9)).bytes(), "add");
    let owners: Vec<(String, String)> = server
        .database()
        .prepare("select m.id, u.name from media m join users u on u.id = m.user_id order by u.name")
        .expect("SQL")
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("rows")
        .map(Result::unwrap)
        .collect();
    assert_eq!(owners.len(), 2);
    assert_eq!(owners[1], (theirs.clone(), "bob".to_owned()));
    server.guest().get(&format!("/media/{theirs}/full")).expect(404);
    assert!(server.guest().get("/wall/bob").text().contains("bob wrote this"));
}

#[test]
fn messages_bring_their_pictures_and_no_id_that_is_not_in_the_archive() {
    let server = server();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let theirs = bob.uploaded("bob.png", &pictures::png(30, 30));
    let said = json!({
        "room": "lobby", "id": 1, "seq": 1, "at": 1, "content": "look", "edited_at": null, "before": [], "reply_to": null, "plugin": null,
        "command": null, "deleted": null, "pictures": [id_of(0x55), id_of(0x66), theirs],
    });
    let contents = Contents::honest(1)
        .media(&id_of(0x55), "image", &pictures::png(20, 20))
        .list("data/room-messages.jsonl", &[said]);
    ana.bring_to(&contents.bytes()).expect(201);
    let now = ana.bring(&[("how", "add"), ("part", "rooms")]);
    assert_eq!(now["state"], "none", "{now:#}");
    let kept = ana
        .request("GET", "/settings/import/rooms")
        .header("accept", "application/json")
        .send()
        .expect(200)
        .json();
    let shown = kept["messages"][0]["pictures"].as_array().expect("a list");
    let [picture] = shown.as_slice() else {
        panic!("one picture came along: {kept:#}");
    };
    let picture = picture.as_str().expect("an id");
    assert!(picture != theirs && picture != id_of(0x55), "{picture}");
    ana.get(&format!("/media/{picture}/full")).expect(200);
}

#[test]
fn only_members_bring_and_only_to_their_own_walls() {
    let server = server();
    let ana = server.person("ana");
    let honest = Contents::honest(1).bytes();
    server.guest().bring_to(&honest).expect(401);
    assert_eq!(
        server
            .guest()
            .request("GET", "/settings/import")
            .header("accept", "text/html")
            .send()
            .see_other(),
        "/login?next=/settings/import"
    );
    for path in ["/settings/import/bring", "/settings/import/discard"] {
        server.guest().post_json(path, &[("how", "add")]).expect(401);
    }
    server.guest().get("/settings/import/rooms").expect(401);
    // No token reaches it, and no other site.
    let program = ana.program(&["walls:read", "walls:write"]);
    assert!(matches!(program.bring_to(&honest).status, 401 | 403));
    ana.request("POST", "/settings/import")
        .header("sec-fetch-site", "cross-site")
        .body("application/zip", honest.clone())
        .send()
        .expect(403);
    // Nothing waits, so nothing comes.
    ana.post_json("/settings/import/bring", &[("how", "add")]).expect(404);
    ana.bring_to(&honest).expect(201);
    ana.post_json("/settings/import/bring", &[]).expect(422);
    ana.post_json("/settings/import/bring", &[("how", "burn")]).expect(422);
    ana.post_json("/settings/import/bring", &[("how", "add"), ("part", "password")])
        .expect(422);
    ana.post_json("/settings/import/bring", &[("how", "add"), ("parts", "1")])
        .expect(422);
    assert!(!server.guest().get("/wall/ana").text().contains("A first post"));
}

#[test]
fn the_same_archive_does_not_come_twice() {
    let server = server();
    let ana = server.person("ana");
    let work = id_of(0x33);
    let contents = Contents::honest(1)
        .media(&id_of(0x55), "image", &pictures::png(20, 20))
        .list("data/scripts.jsonl", &[script(&work, "waves")])
        .list("data/script-versions.jsonl", &[version(&work, 1, "// x")])
        .list(
            "data/post-drafts.jsonl",
            &[json!({ "post": null, "fields": [["body", "half a thought"]], "updated_at": 1 })],
        );
    ana.brings(&contents.bytes(), "add");
    let once = standing(&server, &ana);
    ana.bring_to(&contents.bytes()).expect(201);
    let page = ana
        .request("GET", "/settings/import")
        .header("accept", "text/html")
        .send()
        .expect(200)
        .text();
    assert!(page.contains("You brought this on"), "the page says so before");
    let refusal = ana
        .post_json("/settings/import/bring", &[("how", "add")])
        .expect(409)
        .json();
    assert!(
        refusal["detail"]
            .as_str()
            .is_some_and(|why| why.contains("doesn't come twice")),
        "{refusal}"
    );
    // In place of what is there, there is as much as before.
    let shown = |server: &Server| {
        let count = |table: &str, standing: &str| -> i64 {
            server
                .database()
                .query_row(&format!("select count(*) from {table} {standing}"), [], |row| {
                    row.get(0)
                })
                .expect("a number")
        };
        let standing = "where removed_at is null";
        [
            count("posts", standing),
            count("stickers", standing),
            count("scripts", ""),
            count("media", ""),
            count("post_drafts", ""),
        ]
    };
    let before = shown(&server);
    assert_eq!(before, [1, 1, 1, 1, 1], "{once:?}");
    assert_eq!(ana.bring(&[("how", "replace")])["state"], "none");
    assert_eq!(shown(&server), before);
}

#[test]
fn a_few_are_looked_through_at_a_time_and_others_are_asked_to_wait() {
    let server = server();
    let people: Vec<Person> = (0..6).map(|n| server.person(&format!("person{n}"))).collect();
    let heavy = Contents::honest(1)
        .list(
            "data/posts.jsonl",
            &(0..3_000).map(|n| post(n, &"word ".repeat(300))).collect::<Vec<_>>(),
        )
        .bytes();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = people
            .iter()
            .map(|person| scope.spawn(|| person.bring_to(&heavy).status))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("an answer"))
            .collect()
    });
    assert!(answers.iter().all(|status| matches!(status, 201 | 429)), "{answers:?}");
    assert!(answers.contains(&201), "{answers:?}");
    // Pages come meanwhile and after.
    server.guest().get("/").expect(200);
}
