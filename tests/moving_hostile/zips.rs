//! Zips that slip, explode, lie about themselves and break off.

use std::time::{Duration, Instant};

use neospace_tests::{
    pictures,
    zips::{Contents, File, Zip, deflated},
};
use serde_json::json;

use super::{refused, server, standing};

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
