//! The blind server: what members say over it is nowhere in it.
//!
//! A thousand messages and some files, each with a random canary, go through the browser and through programs. Then
//! everything that the server has or let go of is searched for every canary, and for every password, wrap key, root,
//! private key and recovery code, in every spelling: see `canary`.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use flate2::{Compression, write::GzEncoder};
use neospace_dm::{
    file,
    keys::{Kind, RecoveryCode, Root},
};
use neospace_tests::{
    Browser, Dm, Proxy, Server,
    canary::Search,
    forger::{Forger, now, secrets, text_body},
    person::{PASSWORD, auth_key, parameters},
};
use serde_json::json;

/// Messages that programs say.
const SAID: usize = 960;
/// Messages that browsers say.
const TYPED: usize = 30;
/// Files.
const FILES: usize = 12;

/// A random text that occurs nowhere else.
fn canary() -> String {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).expect("the operating system has a random generator");
    // Letters and digits alone: what a text is escaped to must not be another one.
    URL_SAFE_NO_PAD.encode(bytes).replace(['-', '_'], "q")
}

/// All memory of a process that can be read, region by region.
fn memory(pid: u32, mut each: impl FnMut(&str, &[u8])) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let Ok(mut memory) = fs::File::open(format!("/proc/{pid}/mem")) else {
        return 0;
    };
    let mut read = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let bounds = range
            .split_once('-')
            .map(|(from, to)| [from, to].map(|bound| u64::from_str_radix(bound, 16).unwrap_or_default()));
        let Some([from, to]) = bounds.filter(|_| rights.starts_with('r') && !line.contains("[v")) else {
            continue;
        };
        // Some regions are reserved and never used: only what is there is read, piece by piece, each with the end of the one before.
        const PIECE: u64 = 4 << 20;
        const OVERLAP: u64 = 4096;
        let mut at = from;
        while at < to {
            let mut bytes = vec![0; usize::try_from((to - at).min(PIECE + OVERLAP)).expect("a piece is small")];
            let got = memory
                .seek(SeekFrom::Start(at))
                .and_then(|_| memory.read(&mut bytes))
                .unwrap_or(0);
            if bytes[..got].iter().any(|byte| *byte != 0) {
                each(&format!("memory of {pid} at {at:x}: {line}"), &bytes[..got]);
            }
            read += got as u64;
            at += PIECE;
        }
    }
    read
}

/// Every file under a folder.
fn files(folder: &Path, each: &mut impl FnMut(&str, &[u8])) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, each);
        } else if let Ok(bytes) = fs::read(&path) {
            each(&path.display().to_string(), &bytes);
        }
    }
}

#[test]
fn the_server_has_nothing_of_what_a_thousand_messages_say() {
    let server = Server::builder().variable("RUST_LOG", "trace").config("[limits]\ndms_per_minute = 1000000\ndm_conversation_per_minute = 1000000\naddress_posts_per_minute = 1000000").start();
    let mut canaries: Vec<(String, String)> = Vec::new();
    let mut fresh = |what: &str| {
        let canary = canary();
        canaries.push((format!("{what} {}", canaries.len()), canary.clone()));
        canary
    };
    // Ana and cyd have programs, bob a browser; bob and ana come by doors that keep all that passes.
    let door = Proxy::before(&server);
    let ana = Forger::enter(door.door_for(&server.person("ana")));
    let cyd = Forger::enter(door.door_for(&server.person("cyd")));
    let bob = door.door_for(&server.person("bob"));
    let browser = Browser::start();
    let page = browser.page_of(&bob);
    page.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
    page.goto(&door.url("/dm"));
    page.fill("#dm-password", PASSWORD).press("Enter");
    page.wait_until("document.querySelector('neo-dm-inbox')?.dataset.state === 'ready'");
    let bob_name = bob.name.parse().expect("a name");

    // Programs: texts, changes, answers, removals.
    for to in [&bob_name, &cyd.name] {
        ana.say(to, &fresh("said"));
    }
    bob.request("POST", "/dm/ana/accept")
        .body("application/json", "{}")
        .send();
    cyd.say(&ana.name, &fresh("said"));
    let (mut place, log, recipient) = (ana.place(&cyd.name), ana.log(), ana.identity_of(&cyd.name));
    for nth in 0..SAID {
        let mut body = text_body(&format!("{} and more", fresh("said")));
        match nth % 5 {
            1 => {
                body = json!({ "type": "edit", "at": now(), "target": place.mine.counter - u64::from(nth % 10 == 6), "text": fresh("changed") })
            }
            2 => body["reply"] = json!({ "of": "theirs", "counter": 1 }),
            _ => {}
        }
        let sealed = ana.seal(
            &cyd.name,
            &ana.header_at(&cyd.name, recipient, place, log),
            body.to_string().as_bytes(),
        );
        ana.post(&cyd.name, &sealed).expect(201);
        place.mine = sealed.position();
    }
    // Files, of which names are secret too.
    for _ in 0..FILES {
        let (name, content) = (fresh("a file's name"), fresh("a file"));
        let key = file::fresh_key();
        let plain = content.repeat(400).into_bytes();
        let id = ana.upload(&cyd.name, file::seal(&key, plain.clone()));
        let described = json!({ "id": id, "key": URL_SAFE_NO_PAD.encode(*key), "size": plain.len(), "name": format!("{name}.txt"), "type": "text/plain" });
        let body = json!({ "type": "text", "at": now(), "text": "", "files": [described] });
        let sealed = ana.seal(
            &cyd.name,
            &ana.header_at(&cyd.name, recipient, place, log),
            body.to_string().as_bytes(),
        );
        ana.post_with(&cyd.name, &sealed, &[id]).expect(201);
        place.mine = sealed.position();
    }
    // The browser: typed, attached, drafted, searched for.
    page.goto(&door.url("/dm/ana"));
    page.wait_until("document.querySelector('neo-dm')?.dataset.state === 'ready'");
    for nth in 0..TYPED {
        let said = fresh("typed");
        page.fill("#say", &said).press("Enter");
        if nth == 0 {
            page.click(".recovery button[name=later]").wait_gone("dialog.recovery");
        }
        page.wait_for(&format!(".message.mine:not(.pending) \"{said}\""));
    }
    let (name, content) = (fresh("a file's name"), fresh("a file"));
    page.eval(&format!(
        "(() => {{
            const carried = new DataTransfer()
            carried.items.add(new File(['{content}'.repeat(50)], '{name}.txt', {{ type: 'text/plain' }}))
            document.querySelector('.rolls').dispatchEvent(new DragEvent('drop', {{ bubbles: true, cancelable: true, dataTransfer: carried }}))
        }})()"
    ));
    page.wait_for(".composer .attached li")
        .click(".composer button \"Send\"");
    page.wait_for(&format!(".message.mine:not(.pending) .name \"{name}\""));
    page.fill("#say", &fresh("a draft"));
    page.eval("new Promise(done => setTimeout(done, 500))");
    page.eval("document.querySelector('[data-key=search]').click()");
    page.fill("#dm-q", &fresh("searched for")).press("Enter");

    // What was said arrives: the other side reads all of it.
    let mut read = 0;
    let mut program: Dm = cyd.person.dm();
    for text in program.texts("ana") {
        read += usize::from(canaries.iter().any(|(_, canary)| text.contains(canary)));
    }
    assert!(read >= SAID * 3 / 5, "cyd reads {read} of ana's messages");
    assert_eq!(program.alarms("ana"), []);
    // A recovery code, and a report: that one message is revealed, and no other.
    let auth = auth_key("cyd", PASSWORD, &parameters("cyd"));
    let code = RecoveryCode::fresh();
    let roots: Vec<Root> = cyd.roots.iter().copied().map(Root::from).collect();
    let of_code = code.keys(&cyd.name);
    let wrapped = neospace_dm::keys::wrap(&of_code.wrap, Kind::Recovery, &cyd.name, &roots).expect("few roots");
    cyd.post_json(
        "/dm/recovery",
        &json!({ "wrapped": URL_SAFE_NO_PAD.encode(wrapped), "auth": URL_SAFE_NO_PAD.encode(*of_code.auth), "current": auth }),
    )
    .expect(200);

    // ── the search ──
    let mut all: Vec<(String, Vec<u8>)> = canaries
        .iter()
        .map(|(name, text)| (name.clone(), text.clone().into_bytes()))
        .collect();
    for person in [&ana.person, &cyd.person, &bob] {
        all.extend(secrets(person));
    }
    let written = code.to_string();
    all.push(("cyd's recovery code".into(), written.clone().into_bytes()));
    all.push((
        "cyd's recovery code, without hyphens".into(),
        written.replace('-', "").into_bytes(),
    ));
    all.push(("cyd's recovery key".into(), of_code.wrap.to_vec()));
    assert!(canaries.len() > 1_000, "{}", canaries.len());
    all.sort();
    all.dedup_by(|a, b| a.1 == b.1);
    let search = Search::new(all);
    let mut found = Vec::new();
    let mut searched = 0;
    let mut look = |place: &str, bytes: &[u8]| {
        searched += bytes.len();
        found.extend(search.search(place, bytes).into_iter().map(|found| found.to_string()));
    };
    // The living process and its helpers.
    let mut read = memory(server.pid(), &mut look);
    for child in server.children() {
        memory(child.pid, &mut look);
        read += 1;
    }
    assert!(read > 20_000_000, "the server's memory was read: {read} bytes");
    // Database, write-ahead log, uploads: as they lie there.
    files(&server.data(), &mut look);
    // A backup, made as docs/operators.md says: while the server runs, by SQLite.
    let backup = server.folder().join("backup.db");
    server
        .database()
        .execute("VACUUM INTO ?1", [backup.display().to_string()])
        .expect("the database can be read");
    look("the backup", &fs::read(&backup).expect("it was made"));
    // The log, at its most talkative, and the operator's view of it all.
    let log = server.log().lines();
    assert!(log.iter().any(|line| line.contains("TRACE")), "the log traces");
    look("the log", log.join("\n").as_bytes());
    // All that went over the line, both ways.
    let passed = door.passed(0);
    assert!(passed.len() > 2 * SAID, "{}", passed.len());
    for passed in &passed {
        look(&passed.what, &passed.bytes);
    }
    // What others are told: frames, pages, lists.
    let guest = server.guest();
    for path in ["/keys", "/directory", "/wall/ana"] {
        look(path, &guest.get(path).body);
    }
    assert!(
        found.is_empty(),
        "{} finds in {searched} bytes: {:#?}",
        found.len(),
        &found[..found.len().min(20)]
    );
    page.allow("Failed to load resource");
}

#[test]
fn the_search_finds_a_canary_in_every_spelling() {
    let secret = canary();
    let key: Vec<u8> = (0..32)
        .map(|byte: u8| byte.wrapping_mul(37).wrapping_add(201))
        .collect();
    let search = Search::new([
        ("text".to_owned(), secret.clone().into_bytes()),
        ("key".to_owned(), key.clone()),
        ("other".to_owned(), canary().into_bytes()),
    ]);
    let around = |bytes: &[u8]| [b"before \0\xff", bytes, b"\x01 after"].concat();
    let gzip = |bytes: &[u8]| {
        let mut writer = GzEncoder::new(Vec::new(), Compression::best());
        writer.write_all(bytes).expect("memory takes all");
        writer.finish().expect("memory takes all")
    };
    for (name, bytes) in [("text", secret.as_bytes()), ("key", &key)] {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let mut plants: Vec<(String, Vec<u8>)> = vec![
            ("raw".into(), bytes.to_vec()),
            ("hexadecimal".into(), hex.to_uppercase().into_bytes()),
            ("hexadecimal".into(), hex.into_bytes()),
            ("percent-encoding".into(), percent.to_lowercase().into_bytes()),
            ("percent-encoding".into(), percent.into_bytes()),
        ];
        for offset in 0..6 {
            let part_of = [&b"abcdef"[..offset], bytes, b"tail"].concat();
            plants.push((format!("base64 at {offset}"), STANDARD.encode(&part_of).into_bytes()));
            plants.push((
                format!("base64url at {offset}"),
                URL_SAFE_NO_PAD.encode(&part_of).into_bytes(),
            ));
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            plants.push((
                "UTF-16LE".into(),
                text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            ));
            plants.push((
                "UTF-16BE".into(),
                text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            ));
        }
        for (spelling, plant) in plants {
            let found = search.search("here", &around(&plant));
            assert!(
                found.iter().any(|found| found.secret == name),
                "{name} as {spelling}: {found:?}"
            );
            // The same, deep inside something compressed that begins anywhere.
            let found = search.search("there", &around(&gzip(&[vec![b'x'; 100_000], plant.clone()].concat())));
            assert!(
                found
                    .iter()
                    .any(|found| found.secret == name && found.place.contains("gzip")),
                "{name} as {spelling} in gzip: {found:?}"
            );
        }
    }
    assert_eq!(search.search("nowhere", &around(&secret.as_bytes()[1..])), []);
    assert_eq!(search.search("nowhere", &gzip(&around(&key[1..]))), []);
}

#[test]
fn memory_that_is_searched_is_this_memory() {
    let planted = canary();
    let search = Search::new([("planted".to_owned(), planted.clone().into_bytes())]);
    let mut found = 0;
    memory(std::process::id(), |place, bytes| {
        found += search.search(place, bytes).len()
    });
    assert!(found > 0, "{planted} is in this process");
}
