//! A server that lies about keys, the log, the notebook and the password.

use std::collections::BTreeSet;

use neospace::dm_client::{Trouble, account};
use neospace_dm::{
    Alarm, Name, b64,
    keys::{Identity, Keys, Root},
    log::Entry,
    notebook::Notebook,
};
use neospace_tests::{
    Browser, Page, Proxy,
    canary::Search,
    forger::{
        Forger, chained, entry_hash, head, next_entry, roots, secrets, show_log, show_raw_log, shown_to_recipient,
        text_body,
    },
    person::{PASSWORD, auth_key, wrap_key},
    proxy::Told,
};
use serde_json::{Value, json};

use super::{
    SAID, Stage, bend, calm, codes, device, goto, leaks, messages, open, programs_codes, said, server, state, texts,
    unlock,
};

/// Opens bob's messages on a device that was never here, by a door that lies; answers what the page and a program say.
fn newcomer(stage: &Stage, lie: impl Fn(&Proxy)) -> (BTreeSet<String>, BTreeSet<String>, Proxy, Page) {
    let door = Proxy::before(&stage.server);
    let person = door.door_for(&stage.bob);
    lie(&door);
    let page = device(&stage.browser, &person);
    goto(&page, &door.url("/dm/ana"));
    if page.has("#dm-password") {
        unlock(&page);
        page.wait_until(
            "['ready', 'stopped'].includes(document.querySelector('neo-dm').dataset.state) || document.querySelector('neo-dm-unlock .error:not([hidden])')",
        );
    }
    let mut found = codes(&page);
    let told = page.eval("document.querySelector('neo-dm-unlock .error:not([hidden])')?.textContent ?? ''");
    for (code, sentence) in sentences() {
        if told.as_str().unwrap_or_default().contains(&sentence) {
            found.insert(code);
        }
    }
    let look = || {
        let mut program = person.try_dm()?;
        let ana = stage.ana.name.clone();
        let conversation = program.load_all(&ana)?;
        let view = program.look(&conversation)?;
        let mut alarms: Vec<Alarm> = view.notices.iter().map(|notice| notice.alarm).collect();
        alarms.extend(program.alarm());
        Ok::<_, Trouble>(alarms)
    };
    let alarms = look().unwrap_or_else(|trouble| trouble.alarms()).into_iter();
    (found, alarms.map(|alarm| alarm.code().to_owned()).collect(), door, page)
}

/// What the browser's client says for each alarm.
fn sentences() -> Vec<(String, String)> {
    let file = neospace_tests::root().join("ui/js/dm/alarms.js");
    let text = std::fs::read_to_string(file).expect("the client has its sentences there");
    let lines = text.lines().filter_map(|line| {
        let (code, rest) = line.strip_prefix("  ")?.split_once(": \"")?;
        Some((code.to_owned(), rest.strip_suffix("\",")?.to_owned()))
    });
    let sentences: Vec<_> = lines.collect();
    assert!(sentences.len() >= 12, "{sentences:?}");
    sentences
}

/// Demands that what one writes here now doesn't leave the device.
#[track_caller]
fn cannot_send(page: &Page, door: &Proxy, lie: &str) {
    let mark = door.mark();
    page.eval("(() => { const say = document.querySelector('#say'); if (say) { say.value = 'this must not be sent'; say.form.requestSubmit() } })()");
    page.eval(
        "fetch('/dm', { headers: { accept: 'application/json' } }).then(answer => answer.text()).then(() => true)",
    );
    let sent = door.sent(mark);
    assert!(sent.iter().any(|passed| passed.what == "GET /dm"), "{lie}: {sent:?}");
    let left = sent
        .iter()
        .find(|passed| passed.what.starts_with("POST /dm/") || passed.bytes.windows(7).any(|part| part == b"dm_send"));
    assert!(left.is_none(), "{lie}: {left:?}");
}

#[test]
fn what_the_server_does_to_keys_log_and_notebook_is_noticed() {
    let stage = Stage::new();
    let mark = stage.door.mark();
    let log = stage.ana.entries();
    let bobs = stage.bob.get_json("/dm/keys").expect(200).json();
    let anas = stage.ana.data("/dm/keys");
    let eve = Identity::derive(&Root::from([7; 32]), &stage.ana_name);

    // ── on the devices that bob has ──
    let lie = |what: &str, expected: &[&str], tell: &dyn Fn(&Proxy)| {
        tell(&stage.door);
        stage.check(what, expected);
        stage.door.honest();
    };
    lie("a log that ends earlier", &["log_fork"], &|door| {
        show_log(door, &log[..log.len() - 1])
    });
    lie("an empty log", &["log_fork"], &|door| show_log(door, &[]));
    lie("another log of the same length", &["log_fork"], &|door| {
        let mut other = log.clone();
        other[0] = next_entry(&[], &stage.ana_name, 1, &eve, None);
        show_log(door, &chained(other));
    });
    lie("another head", &["log_fork"], &|door| {
        show_raw_log(door, log.iter().map(Entry::encode).collect(), log.len() as u64, [9; 32]);
    });
    lie("a longer log that doesn't continue this one", &["log_fork"], &|door| {
        let mut other = log.clone();
        other[1] = Entry {
            at: other[1].at + 1,
            ..other[1].clone()
        };
        other.push(next_entry(&other, &"eve".parse().expect("a name"), 1, &eve, None));
        show_log(door, &chained(other));
    });
    let malformed = |entry: Vec<u8>| {
        let log = log.clone();
        move |door: &Proxy| {
            let mut entries: Vec<_> = log.iter().map(Entry::encode).collect();
            entries.push(entry.clone());
            show_raw_log(door, entries, log.len() as u64 + 1, entry_hash(&entry));
        }
    };
    let next = next_entry(&log, &"eve".parse().expect("a name"), 1, &eve, None);
    lie(
        "an entry that is none",
        &["log_broken"],
        &malformed(b"no entry".to_vec()),
    );
    lie(
        "an entry with more behind it",
        &["log_broken"],
        &malformed([next.encode(), vec![0]].concat()),
    );
    lie(
        "an entry of another version",
        &["log_broken"],
        &malformed([&[2], &next.encode()[1..]].concat()),
    );
    lie(
        "an entry from before the one before",
        &["log_broken"],
        &malformed(Entry { at: 1, ..next.clone() }.encode()),
    );
    let text = |entries: Value, size: Value, head: Value| {
        move |door: &Proxy| {
            let answer = json!({ "entries": entries, "size": size, "head": head });
            door.requests(move |asked| (asked.place() == "/keys").then(|| Told::json(200, &answer)));
        }
    };
    let zeros = b64::encode([0; 32]);
    for (what, tell) in [
        ("entries that are no list", text(json!("x"), json!(9), json!(zeros))),
        ("a size that is no number", text(json!([]), json!(1e300), json!(zeros))),
        ("a head that is no hash", text(json!([]), json!(9), json!("short"))),
        (
            "entries that aren't text",
            text(json!([1, null, {}]), json!(9), json!(zeros)),
        ),
    ] {
        tell(&stage.door);
        goto(&stage.at_bob, &stage.door.url("/dm/ana"));
        assert_ne!(state(&stage.at_bob), "ready", "{what}");
        calm(&stage.at_bob, what);
        assert!(stage.program.again().is_err(), "{what}");
        stage.door.honest();
    }

    // What the server keeps for bob.
    let keys = |change: Value| {
        move |door: &Proxy| {
            let change = change.clone();
            door.rewrite("/dm/keys", move |asked, told| {
                if asked.method == "GET" {
                    for (field, value) in change.as_object().into_iter().flatten() {
                        told[field] = value.clone();
                    }
                }
            });
        }
    };
    let version = bobs["notebook_version"].as_u64().expect("a version");
    lie("no notebook", &["notebook"], &keys(json!({ "notebook": null })));
    lie(
        "no notebook, version 0",
        &["notebook"],
        &keys(json!({ "notebook": null, "notebook_version": 0 })),
    );
    lie(
        "the notebook under an older version",
        &["notebook"],
        &keys(json!({ "notebook_version": version - 1 })),
    );
    lie(
        "the notebook under a later version",
        &["notebook"],
        &keys(json!({ "notebook_version": version + 1 })),
    );
    lie(
        "a version beyond all",
        &["notebook"],
        &keys(json!({ "notebook_version": 9_007_199_254_740_991_u64 })),
    );
    lie(
        "somebody else's notebook",
        &["notebook"],
        &keys(json!({ "notebook": anas["notebook"], "notebook_version": version + 1 })),
    );
    let mut altered = bobs["notebook"].clone();
    bend(&mut altered, |bytes| bytes[40] ^= 1);
    lie(
        "the same version with other bytes",
        &["notebook"],
        &keys(json!({ "notebook": altered })),
    );
    // A notebook of bob's own that knows less than the one before: only who has his keys can make it; it is a roll-back.
    let own = Identity::derive(&Root::from(roots(&stage.bob)[0]), &stage.bob_name);
    let less = Notebook::default()
        .seal(&own, &stage.bob_name, version + 1)
        .expect("it is empty");
    lie(
        "a later notebook that lacks what was in it",
        &["notebook"],
        &keys(json!({ "notebook": b64::encode(less), "notebook_version": version + 1 })),
    );
    // The program goes on with the keys that it has.
    keys(json!({ "generation": 0 }))(&stage.door);
    goto(&stage.at_bob, &stage.door.url("/dm/ana"));
    assert_eq!(codes(&stage.at_bob), BTreeSet::from(["own_key".to_owned()]));
    assert_eq!(programs_codes(&stage.program), BTreeSet::new());
    stage.door.honest();

    // ── on a device that was never here ──
    let new = |what: &str, expected: &[&str], tell: &dyn Fn(&Proxy)| {
        let (page_says, program_says, door, page) = newcomer(&stage, tell);
        for (who, says) in [("page", &page_says), ("program", &program_says)] {
            assert!(
                expected.iter().any(|code| says.contains(*code)),
                "{what}: the {who} says {says:?}, not {expected:?}"
            );
        }
        calm(&page, what);
        for said in said(&page) {
            assert!(said.is_empty() || SAID.contains(&&*said), "{what}: {said}");
        }
        cannot_send(&page, &door, what);
        let search = Search::new(secrets(&stage.bob).into_iter().chain(texts()));
        let found = leaks(&search, &door.sent(0));
        assert!(found.is_empty(), "{what}: {found:#?}");
    };
    let swapped = |door: &Proxy| {
        let mut other = log.clone();
        other[0] = next_entry(&[], &stage.ana_name, 1, &eve, None);
        show_log(door, &chained(other));
    };
    new(
        "another key for ana, on this device alone",
        &["log_fork", "own_key"],
        &swapped,
    );
    new("another key for ana, and no notebook", &["notebook"], &|door| {
        swapped(door);
        keys(json!({ "notebook": null }))(door);
    });
    let forged = |signed: Option<&Identity>| {
        let mut other = log.clone();
        other.push(next_entry(&log, &stage.ana_name, 2, &eve, signed));
        other
    };
    new(
        "new keys for ana that the old ones didn't sign",
        &["log_broken"],
        &|door| show_log(door, &forged(None)),
    );
    new(
        "new keys for ana, signed by the new ones alone",
        &["log_broken"],
        &|door| show_log(door, &forged(Some(&eve))),
    );
    let again = Entry {
        generation: 1,
        ..forged(None)[log.len()].clone()
    };
    new("first keys for ana a second time", &["log_broken"], &|door| {
        let mut other = log.clone();
        other.push(again.clone());
        show_log(door, &other);
    });
    new(
        "new keys for bob that he didn't make",
        &["log_broken", "own_key"],
        &|door| {
            let mut other = log.clone();
            other.push(next_entry(
                &log,
                &stage.bob_name,
                2,
                &Identity::derive(&Root::from([8; 32]), &stage.bob_name),
                None,
            ));
            show_log(door, &other);
        },
    );
    new(
        "new keys for bob that a thief made with his",
        &["own_key", "wrapped"],
        &|door| {
            let thief = Identity::derive(&Root::from([8; 32]), &stage.bob_name);
            let mut other = log.clone();
            other.push(next_entry(&log, &stage.bob_name, 2, &thief, Some(&own)));
            show_log(door, &other);
        },
    );
    for (what, identity) in [("an all-zero key", [0; 32]), ("a key of low order", LOW_ORDER)] {
        new(&format!("{what} for ana"), &["log_broken", "log_fork"], &|door| {
            let mut other = log.clone();
            let keys = Keys {
                identity,
                ..other[0].keys
            };
            other[0] = Entry {
                keys,
                signature: stage.ana.keys().sign(&stage.ana_name, 1, &keys),
                ..other[0].clone()
            };
            show_log(door, &chained(other));
        });
    }
    new(
        "ana's wrapped keys",
        &["wrapped"],
        &keys(json!({ "wrapped": anas["wrapped"] })),
    );
    for (what, at) in [
        ("version", 0),
        ("kind", 1),
        ("count", 2),
        ("nonce", 3),
        ("roots", 20),
        ("tag", 62),
    ] {
        let mut altered = bobs["wrapped"].clone();
        bend(&mut altered, |bytes| bytes[at] ^= 3);
        new(
            &format!("wrapped keys with another {what}"),
            &["wrapped"],
            &keys(json!({ "wrapped": altered })),
        );
    }
    new("no wrapped keys", &["wrapped"], &keys(json!({ "wrapped": null })));
    new(
        "an account without keys",
        &["own_key"],
        &keys(json!({ "generation": 0 })),
    );
    new(
        "somebody else's notebook",
        &["notebook"],
        &keys(json!({ "notebook": anas["notebook"] })),
    );
    new(
        "an altered notebook",
        &["notebook"],
        &keys(json!({ "notebook": altered })),
    );

    let search = Search::new(secrets(&stage.bob).into_iter().chain(texts()));
    let found = leaks(&search, &stage.door.sent(mark));
    assert!(found.is_empty(), "{found:#?}");
}

/// A point of order 8 on Curve25519 (<https://cr.yp.to/ecdh.html#validate>).
const LOW_ORDER: [u8; 32] = [
    0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d,
    0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
];

#[test]
fn a_password_is_not_turned_into_weaker_keys_because_the_server_says_so() {
    let server = server();
    let browser = Browser::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (ana, _) = (Forger::enter(ana), Forger::enter(bob.clone()));
    let door = Proxy::before(&server);
    let page = device(&browser, &door.door_for(&bob));
    let parameters =
        |rounds: Value, salt: Value| move |_: &_, told: &mut Value| *told = json!({ "salt": salt, "rounds": rounds });
    let good = neospace_tests::person::parameters("bob");
    let of_ana = neospace_tests::person::parameters("ana");
    let lies = [
        ("one round", json!(1), json!(good.salt)),
        ("a round too few", json!(599_999), json!(good.salt)),
        ("rounds without end", json!(4_000_000_000_u64), json!(good.salt)),
        ("rounds as text", json!("600000"), json!(good.salt)),
        ("rounds that are no number", json!(1e300), json!(good.salt)),
        ("half a salt", json!(600_000), json!("AAAAAAAAAAA")),
        ("no salt", json!(600_000), Value::Null),
    ];
    for (lie, rounds, salt) in lies {
        door.rewrite("/login/parameters", parameters(rounds, salt));
        let mark = door.mark();
        goto(&page, &door.url("/dm"));
        unlock(&page);
        page.wait_for("neo-dm-unlock .error \"our password was not used\"");
        let told = page.text("neo-dm-unlock .error");
        assert!(
            sentences()
                .iter()
                .any(|(code, sentence)| code == "kdf" && told.contains(sentence)),
            "{lie}: {told}"
        );
        let sent: Vec<_> = door
            .sent(mark)
            .into_iter()
            .filter(|passed| passed.what.starts_with("POST"))
            .collect();
        assert!(sent.is_empty(), "{lie}: {sent:?}");
        calm(&page, lie);

        let log_in = account::log_in(&door.guest("bob").ask(), &"bob".parse().expect("a name"), PASSWORD);
        assert!(matches!(log_in, Err(Trouble::Alarm(Alarm::Kdf))), "{lie}");
        door.honest();
    }
    // Somebody else's salt, as if it were bob's: it gives keys that are nobody's, since the name goes into them.
    door.rewrite(
        "/login/parameters",
        parameters(json!(of_ana.rounds), json!(of_ana.salt)),
    );
    let mark = door.mark();
    goto(&page, &door.url("/dm"));
    unlock(&page);
    page.wait_for("neo-dm-unlock .error \"not your password\"");
    let (wrap, auth) = (wrap_key("ana", PASSWORD, &of_ana), auth_key("ana", PASSWORD, &of_ana));
    let named = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    let search = Search::new([
        named("ana's wrap key", &wrap),
        named("ana's auth key", auth.as_bytes()),
        named("the password", PASSWORD.as_bytes()),
    ]);
    let found = leaks(&search, &door.sent(mark));
    assert!(found.is_empty(), "{found:#?}");
    calm(&page, "a foreign salt");
    drop(ana);
}

#[test]
fn new_keys_stop_a_conversation_until_they_are_accepted_and_old_ones_no_longer_speak() {
    let mut stage = Stage::new();
    let before = *stage.ana.roots.last().expect("ana has keys");
    let (old_log, old_header) = (stage.ana.log(), stage.ana.header(&stage.bob_name));
    stage.ana.make_keys();
    stage.ana.say(&stage.bob_name, "sealed by the new keys");
    goto(&stage.at_bob, &stage.door.url("/dm/ana"));
    stage.at_bob.wait_for("neo-dm-key \"new keys\"");
    assert!(codes(&stage.at_bob).contains("key_changed"));
    assert!(programs_codes(&stage.program).contains("key_changed"));
    assert!(!said(&stage.at_bob).contains(&"sealed by the new keys".to_owned()));
    cannot_send(&stage.at_bob, &stage.door, "new keys");
    // Accepted, once it has been read what that means. What waited goes out then: bob wrote it.
    stage
        .at_bob
        .click("neo-dm-key button \"Accept the new keys\"")
        .click("neo-dm-key dialog button \"Accept them\"");
    stage
        .at_bob
        .wait_for(".message \"sealed by the new keys\"")
        .wait_gone("neo-dm-key button");
    stage
        .at_bob
        .wait_for(".message.mine:not(.pending) \"this must not be sent\"");

    // A thief with ana's old keys, and the server: in her next place, under the log as it was and as it is.
    let place = stage.ana.place(&stage.bob_name);
    for (what, log) in [("under the old log", old_log), ("under the new log", stage.ana.log())] {
        let recipient = stage.ana.identity_of(&stage.bob_name);
        let mut header = stage.ana.header_at(&stage.bob_name, recipient, place, log);
        header.sender_identity = Identity::derive(&Root::from(before), &stage.ana_name).keys.identity;
        let sealed = stage.ana.seal_with(
            &before,
            &stage.bob_name,
            &header,
            text_body("said by a thief").to_string().as_bytes(),
        );
        let forged = shown_to_recipient(&sealed, &stage.ana_name, 990, 990);
        messages(&stage.door, move |list| list.push(forged.clone()));
        goto(&stage.at_bob, &stage.door.url("/dm/ana"));
        assert!(
            codes(&stage.at_bob).contains("key_changed"),
            "{what}: {:?}",
            codes(&stage.at_bob)
        );
        assert!(!said(&stage.at_bob).contains(&"said by a thief".to_owned()), "{what}");
        calm(&stage.at_bob, what);
        stage.door.honest();
        // The server itself doesn't take it either.
        stage.ana.post(&stage.bob_name, &sealed).expect(409);
    }
    assert_eq!(old_header.log, old_log);
    // Keys that the new ones didn't sign are refused for good: there is nothing to accept.
    let log = stage.ana.entries();
    let eve = Identity::derive(&Root::from([7; 32]), &stage.ana_name);
    let mut other = log.clone();
    other.push(next_entry(&log, &stage.ana_name, 3, &eve, Some(&stage.ana.keys_of(1))));
    show_log(&stage.door, &other);
    goto(&stage.at_bob, &stage.door.url("/dm/ana"));
    assert!(
        codes(&stage.at_bob).contains("log_broken"),
        "{:?}",
        codes(&stage.at_bob)
    );
    assert!(!stage.at_bob.has("neo-dm-key button"));
    cannot_send(&stage.at_bob, &stage.door, "a third generation that is forged");
}

#[test]
fn a_server_between_two_at_first_contact_shows_in_the_number_and_in_the_first_message_that_passes() {
    let server = server();
    let browser = Browser::start();
    let ana = Forger::enter(server.person("ana"));
    let dan = server.person("dan");
    let dan_name: Name = "dan".parse().expect("a name");
    let door = Proxy::before(&server);
    // Dan is shown eve's keys as ana's, from the beginning on, in a log of his own.
    let eve = Forger::with_roots(ana.person.clone(), vec![[7; 32]]);
    let (truth, ana_name, eves) = (server.guest(), ana.name.clone(), eve.keys());
    door.requests(move |asked| {
        if asked.place() != "/keys"
            || asked
                .headers
                .get("accept")
                .is_none_or(|accept| accept != "application/json")
        {
            return None;
        }
        let mut log = neospace_tests::forger::entries(&truth);
        let at = log.iter().position(|entry| entry.name == ana_name)?;
        log[at] = next_entry(&log[..at], &ana_name, 1, &eves, None);
        let log = chained(log);
        let after: usize = asked.parameter("after")?.parse().ok()?;
        let entries: Vec<_> = log
            .iter()
            .skip(after)
            .map(|entry| b64::encode(entry.encode()))
            .collect();
        Some(Told::json(
            200,
            &json!({ "entries": entries, "size": log.len(), "head": b64::encode(head(&log).hash) }),
        ))
    });
    let page = device(&browser, &door.door_for(&dan));
    open(&page, &door.url("/dm/ana"));
    assert_eq!(codes(&page), BTreeSet::new(), "this can't be noticed yet");
    // What the two would read to each other isn't the same.
    page.eval("document.querySelector('[data-do=safety]').click()");
    page.wait_until("document.querySelectorAll('neo-dm-safety .digits li').length === 12");
    let dans = page
        .eval("[...document.querySelectorAll('neo-dm-safety .digits li')].map(group => group.textContent).join('')");
    let keys_of_dan = ana
        .entries()
        .iter()
        .find(|entry| entry.name == dan_name)
        .expect("dan has keys")
        .keys;
    let anas = neospace_dm::safety::number((&ana.name, &ana.keys().keys), (&dan_name, &keys_of_dan));
    let between = neospace_dm::safety::number((&ana.name, &eve.keys().keys), (&dan_name, &keys_of_dan));
    assert_eq!((dans.as_str().map(str::len), anas.len()), (Some(60), 60));
    assert_ne!(dans, json!(anas));
    assert_eq!(dans, json!(between));
    page.eval("document.querySelector('neo-dm-safety dialog').close()");
    // The first message of ana's that passes as it is names a head that isn't in dan's log.
    ana.say(&dan_name, "the first that passes");
    page.wait_until("document.querySelector('neo-dm-alarms li[data-code]')");
    let found = codes(&page);
    assert!(found.contains("log_fork") || found.contains("key_changed"), "{found:?}");
    assert!(!said(&page).contains(&"the first that passes".to_owned()));
    cannot_send(&page, &door, "a forked log");
    calm(&page, "a forked log");
}
