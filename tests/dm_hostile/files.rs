//! Files that were altered, and reports.

use neospace_dm::{b64, file, thread::Says};
use neospace_tests::forger::{Forger, now};
use serde_json::json;

use super::{Stage, calm, goto, server};

#[test]
fn a_file_that_was_altered_cut_or_swapped_does_not_open() {
    let mut stage = Stage::new();
    let whole: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).take(200_000).collect();
    let (key, other_key) = (file::fresh_key(), file::fresh_key());
    let id = stage.ana.upload(&stage.bob_name, file::seal(&key, whole.clone()));
    let other = stage
        .ana
        .upload(&stage.bob_name, file::seal(&other_key, vec![7; 200_000]));
    let named = |id: &str, key: &[u8; 32], name: &str| json!({ "id": id, "key": b64::encode(key), "size": 200_000, "name": name, "type": "application/zip" });
    let body = json!({ "type": "text", "at": now(), "text": "", "files": [named(&id, &key, "first.zip"), named(&other, &other_key, "second.zip")] });
    let sealed = stage.ana.seal(
        &stage.bob_name,
        &stage.ana.header(&stage.bob_name),
        body.to_string().as_bytes(),
    );
    stage
        .ana
        .post_with(&stage.bob_name, &sealed, &[id.clone(), other.clone()])
        .expect(201);
    goto(&stage.at_bob, &stage.door.url("/dm/ana"));
    stage.at_bob.wait_for(".name \"first.zip\"");
    stage.at_bob.eval(
        "window.saved = []; HTMLAnchorElement.prototype.click = function () { window.saved.push(this.download) }",
    );
    let item = stage.program.view("ana").items.pop().expect("the newest is there");
    let Says::Text { files, .. } = item.says else {
        panic!("it has files")
    };

    const CHUNK: usize = 65_536 + 16;
    let lies: Vec<(&str, fn(&mut Vec<u8>))> = vec![
        ("a flipped bit", |bytes| bytes[70_000] ^= 1),
        ("another version", |bytes| bytes[0] = 2),
        ("cut at a chunk's end", |bytes| bytes.truncate(1 + 2 * CHUNK)),
        ("cut in a chunk", |bytes| bytes.truncate(100_000)),
        ("empty", Vec::clear),
        ("two chunks swapped", |bytes| {
            let first: Vec<u8> = bytes[1..=CHUNK].to_vec();
            bytes.copy_within(1 + CHUNK..1 + 2 * CHUNK, 1);
            bytes[1 + CHUNK..1 + 2 * CHUNK].copy_from_slice(&first);
        }),
        ("a chunk twice", |bytes| bytes.copy_within(1..=CHUNK, 1 + CHUNK)),
        ("longer", |bytes| bytes.extend([0; 100])),
        ("without end", |bytes| bytes.resize(30 << 20, 0)),
        ("a page", |bytes| {
            *bytes = b"<!doctype html><script>alert(1)</script>".to_vec()
        }),
    ];
    let try_to_save = |what: &str| {
        stage.at_bob.eval("for (const why of document.querySelectorAll('neo-dm-file .why')) { why.textContent = ''; why.hidden = true }");
        stage.at_bob.eval("document.querySelector('neo-dm-file .save').click()");
        stage
            .at_bob
            .wait_until("window.saved.length > 0 || document.querySelector('neo-dm-file .why').textContent !== ''");
        assert_eq!(stage.at_bob.eval("window.saved"), json!([]), "{what}");
        let opened = stage
            .program
            .again()
            .map(|program| program.download(&stage.ana_name, &files[0]).is_ok());
        assert!(!opened.expect("the rest is honest"), "{what}");
        calm(&stage.at_bob, what);
    };
    for (what, change) in lies {
        stage.door.answers(move |asked, told| {
            if asked.place().starts_with("/dm/ana/files/") {
                change(&mut told.body);
            }
        });
        try_to_save(what);
        stage.door.honest();
    }
    // The other file's bytes, which are as they were sealed.
    let (from, to) = (id.clone(), other.clone());
    stage.door.requests(move |asked| {
        asked.path = asked.path.replace(&from, &to);
        None
    });
    try_to_save("the other file");
    stage.door.honest();
    // And the truth opens.
    stage.at_bob.eval("document.querySelector('neo-dm-file .save').click()");
    stage.at_bob.wait_until("window.saved.length === 1");
    let program = stage.program.again().expect("all is honest");
    assert_eq!(
        program.download(&stage.ana_name, &files[0]).expect("it is whole"),
        whole
    );
}

#[test]
fn a_report_is_believed_only_with_its_proof() {
    let server = server();
    let (ana, bob, cyd) = (
        Forger::enter(server.person("ana")),
        Forger::enter(server.person("bob")),
        Forger::enter(server.person("cyd")),
    );
    ana.say(&bob.name, "what ana wrote");
    bob.say(&ana.name, "what bob wrote");
    ana.say(&cyd.name, "what ana wrote to cyd");
    let open = |reader: &Forger, with: &Forger| {
        let shown = reader
            .messages(&with.name)
            .into_iter()
            .find(|shown| shown.from == with.name)
            .expect("it is there");
        let copy = shown.copy.clone().expect("its copy too");
        let names = (&with.name, &reader.name);
        let opened = neospace_dm::message::open(
            &shown.header,
            neospace_dm::message::Copy::Recipient,
            names,
            &reader.keys(),
            &copy,
        );
        (shown.id, opened.expect("it is theirs"))
    };
    let (id, opened) = open(&bob, &ana);
    let (other_id, other) = open(&cyd, &ana);
    let (own_id, own) = open(&ana, &bob);
    let report = |by: &Forger, with: &Forger, id: u64, body: &[u8], key: &[u8]| {
        let body = json!({ "id": id, "body": b64::encode(body), "key": b64::encode(key), "reason": "look" });
        by.post_json(&format!("/dm/{}/report", with.name), &body).status
    };
    let forged = String::from_utf8_lossy(&opened.json).replace("what ana wrote", "what she didn't");
    let spaced = [&opened.json[..], b" "].concat();
    let mut key = opened.franking;
    key[0] ^= 1;
    let padded = [&opened.franking[..], &[0]].concat();
    for (what, status) in [
        (
            "another text",
            report(&bob, &ana, id, forged.as_bytes(), &opened.franking),
        ),
        ("a blank more", report(&bob, &ana, id, &spaced, &opened.franking)),
        ("another key", report(&bob, &ana, id, &opened.json, &key)),
        (
            "a key with a zero more, which HMAC takes for the same",
            report(&bob, &ana, id, &opened.json, &padded),
        ),
        ("an empty key", report(&bob, &ana, id, &opened.json, &[])),
        (
            "the proof of another message",
            report(&bob, &ana, id, &other.json, &other.franking),
        ),
        (
            "a message of another conversation",
            report(&bob, &ana, other_id, &other.json, &other.franking),
        ),
        (
            "one's own words as the other's",
            report(&bob, &ana, own_id, &own.json, &own.franking),
        ),
        (
            "by somebody who has no part in it",
            report(&cyd, &ana, id, &opened.json, &opened.franking),
        ),
        ("by its sender", report(&ana, &bob, id, &opened.json, &opened.franking)),
    ] {
        assert!((400..500).contains(&status), "{what}: {status}");
    }
    assert_eq!(report(&bob, &ana, id, &opened.json, &opened.franking), 201);
}
