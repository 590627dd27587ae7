//! A malicious server, and members with malicious clients: what they try with direct messages, and what the other side makes of it.
//!
//! Bob is lied to, in a browser and in a program; ana writes to him. Each lie is either noticed, by the alarm that
//! docs/direct-messages.md has for it, or harmless. None makes a client send what it must not, or fail.

use std::collections::BTreeSet;

use neospace::dm_client::{Trouble, account};
use neospace_dm::{
    Alarm, Name, b64, file,
    keys::{Identity, Keys, Root},
    log::Entry,
    message::Whose,
    notebook::Notebook,
    sha256,
    thread::Says,
};
use neospace_tests::{
    Browser, Dm, Page, Person, Proxy, Server,
    canary::Search,
    eventually,
    forger::{
        Forger, chained, entry_hash, head, next_entry, now, roots, secrets, show_log, show_raw_log, shown_to_recipient,
        text_body,
    },
    person::{PASSWORD, auth_key, wrap_key},
    proxy::{Passed, Told, Way},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// A server on which nobody writes too often.
fn server() -> Server {
    Server::builder().config("[limits]\ndms_per_minute = 1000000\ndm_conversation_per_minute = 1000000\naddress_posts_per_minute = 1000000").start()
}

/// What ana and bob said that nobody else may read.
const CANARIES: [&str; 4] = [
    "ana-said-Zq3vT8kLmW1x",
    "ana-said-Hn7rYp2cBd5s",
    "ana-changed-Xk9wQe4uJt6a",
    "bob-said-Vf0gMz8iRo3h",
];

/// A page of somebody that believes to have the focus, as if its window were in front.
fn device(browser: &Browser, person: &Person) -> Page {
    let page = browser.page_of(person);
    page.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
    // What a lie answers with is in the console as a failed request; nothing else may be.
    page.allow("Failed to load resource");
    page
}

/// Opens a page of direct messages, and waits until it is in some state; answers which.
#[track_caller]
fn goto(page: &Page, url: &str) -> String {
    page.goto("about:blank").goto(url);
    page.wait_until("!['', 'opening'].includes(document.querySelector('neo-dm, neo-dm-inbox')?.dataset.state ?? '')");
    state(page)
}

fn state(page: &Page) -> String {
    let state = page.eval("document.querySelector('neo-dm, neo-dm-inbox').dataset.state");
    state.as_str().unwrap_or_default().to_owned()
}

/// Types the password where the page asks for it.
#[track_caller]
fn unlock(page: &Page) {
    page.fill("#dm-password", PASSWORD).press("Enter");
}

/// Opens a page of direct messages with the password.
#[track_caller]
fn open(page: &Page, url: &str) {
    goto(page, url);
    if page.has("#dm-password") {
        unlock(page);
    }
    page.wait_until("document.querySelector('neo-dm, neo-dm-inbox')?.dataset.state === 'ready'");
}

/// The codes of the alarms that a page shows: those of its conversation, and the one that stopped everything.
fn codes(page: &Page) -> BTreeSet<String> {
    let codes = page.eval(
        "[...document.querySelectorAll('neo-dm-alarms:not([hidden]) li[data-code]')].map(line => line.dataset.code)
            .concat([document.querySelector('neo-dm[data-state=stopped], neo-dm-inbox[data-state=stopped]')?.dataset.alarm ?? []].flat())
            .concat(document.querySelector('neo-dm-key:not([hidden])') ? ['key_changed'] : [])",
    );
    let codes = codes.as_array().into_iter().flatten();
    codes.map(|code| code.as_str().unwrap_or_default().to_owned()).collect()
}

/// What a conversation shows, one text after the other.
fn said(page: &Page) -> Vec<String> {
    let said = page.eval("[...document.querySelectorAll('.letters .said')].map(said => said.textContent)");
    let said = said.as_array().into_iter().flatten();
    said.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

/// Demands that nothing went wrong on a page that nobody caught.
#[track_caller]
fn calm(page: &Page, lie: &str) {
    let faults: Vec<_> = page
        .faults()
        .into_iter()
        .filter(|fault| !fault.contains("Failed to load resource"))
        .collect();
    assert!(faults.is_empty(), "{lie}: {faults:#?}");
    assert_eq!(page.eval("1 + 1"), 2, "{lie}: the page is gone");
}

/// Ana and bob, who have talked: bob by a door that may lie, in a browser and in a program.
struct Stage {
    at_bob: Page,
    /// The same bob, in a program, by the same door.
    program: Dm,
    ana: Forger,
    bob: Person,
    ana_name: Name,
    bob_name: Name,
    browser: Browser,
    door: Proxy,
    // It ends last, when nobody is connected any more.
    server: Server,
}

/// All that may ever be read in the conversation of the two.
const SAID: [&str; 6] = [
    CANARIES[0],
    CANARIES[3],
    CANARIES[2],
    "the fourth of ana's",
    "bob once more",
    "the last of ana's",
];
/// The second of ana's, as it stood before she changed it.
const BEFORE: &str = CANARIES[1];

impl Stage {
    /// What is said by whom: ana 1, bob 1, ana 2, ana 3 (changes 2), ana 4, bob 2, ana 5; places 1 to 7.
    fn new() -> Stage {
        let server = server();
        let browser = Browser::start();
        let ana = Forger::enter(server.person("ana"));
        let bob = server.person("bob");
        let door = Proxy::before(&server);
        let at_bob = device(&browser, &door.door_for(&bob));
        let (ana_name, bob_name) = (ana.name.clone(), bob.name.parse::<Name>().expect("a name"));
        open(&at_bob, &door.url("/dm"));
        ana.say(&bob_name, CANARIES[0]);
        bob.request("POST", "/dm/ana/accept")
            .body("application/json", "{}")
            .send();
        open(&at_bob, &door.url("/dm/ana"));
        at_bob.fill("#say", CANARIES[3]).press("Enter");
        at_bob
            .click(".recovery button[name=later]")
            .wait_gone("dialog.recovery");
        at_bob.wait_for(&format!(".message.mine:not(.pending) \"{}\"", CANARIES[3]));
        ana.say(&bob_name, BEFORE);
        ana.say_body(
            &bob_name,
            &json!({ "type": "edit", "at": now(), "target": 2, "text": CANARIES[2] }),
        );
        ana.say(&bob_name, "the fourth of ana's");
        at_bob.wait_for(".message \"the fourth of ana's\"");
        let mark = door.mark();
        talk(&at_bob, "bob once more");
        ana.say(&bob_name, "the last of ana's");
        at_bob.wait_for(".message \"the last of ana's\"");
        // What bob has seen is in his notebook, for all his devices.
        door.wait_for("the notebook", mark, |passed| {
            passed.what == "PUT /dm/notebook" && passed.way == Way::Down
        });
        let program = door.door_for(&bob).dm();
        let mut stage = Stage {
            server,
            browser,
            door,
            ana,
            bob,
            at_bob,
            program,
            ana_name,
            bob_name,
        };
        stage.program.view("ana");
        stage.check("the truth", &[]);
        stage
    }

    /// Shows the conversation to bob on both devices, and demands these alarms on both, and no word that nobody said.
    #[track_caller]
    fn check(&self, lie: &str, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|code| (*code).to_owned()).collect();
        goto(&self.at_bob, &self.door.url("/dm/ana"));
        let found = codes(&self.at_bob);
        let fits = if expected.is_empty() {
            found.is_empty()
        } else {
            found.is_superset(&expected)
        };
        assert!(fits, "{lie}: the page says {found:?} instead of {expected:?}");
        for text in said(&self.at_bob) {
            assert!(
                text.is_empty() || SAID.contains(&&*text) || text == BEFORE || text.starts_with("You "),
                "{lie}: {text}"
            );
        }
        calm(&self.at_bob, lie);

        let found = programs_codes(&self.program);
        let fits = if expected.is_empty() {
            found.is_empty()
        } else {
            found.is_superset(&expected)
        };
        assert!(fits, "{lie}: the program says {found:?} instead of {expected:?}");
    }
}

/// The alarms that a program has about the conversation with ana, opened as it was left; "trouble" where it can't be.
fn programs_codes(program: &Dm) -> BTreeSet<String> {
    let look = || {
        let mut again = program.again()?;
        let ana: Name = "ana".parse().expect("a name");
        let conversation = again.load_all(&ana)?;
        let view = again.look(&conversation)?;
        let mut alarms: Vec<Alarm> = view.notices.iter().map(|notice| notice.alarm).collect();
        alarms.extend(again.alarm());
        Ok::<_, Trouble>(alarms)
    };
    let alarms = look().unwrap_or_else(|trouble| trouble.alarms());
    alarms.into_iter().map(|alarm| alarm.code().to_owned()).collect()
}

/// Types a message and sends it with Enter.
#[track_caller]
fn talk(page: &Page, text: &str) {
    page.fill("#say", text).press("Enter");
    page.wait_for(&format!(".message.mine:not(.pending) \"{text}\""));
}

/// Changes the messages of a conversation wherever a door shows them.
fn messages(door: &Proxy, change: impl Fn(&mut Vec<Value>) + Send + 'static) {
    door.rewrite("/dm/ana/messages?", move |_, page| {
        if let Some(messages) = page["messages"].as_array_mut() {
            change(messages);
        }
    });
}

/// Changes the bytes of a field.
fn bend(field: &mut Value, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes: Vec<u8> = field.as_str().and_then(b64::decode).expect("base64url");
    change(&mut bytes);
    *field = json!(b64::encode(bytes));
}

/// A message of ana's by its counter, where the list has it.
fn of_ana(messages: &mut [Value], counter: u64) -> Option<&mut Value> {
    messages.iter_mut().find(|message| {
        let header: Vec<u8> = message["header"].as_str().and_then(b64::decode).unwrap_or_default();
        message["from"] == "ana" && header.get(19..27) == Some(&counter.to_be_bytes()[..])
    })
}

#[test]
fn what_the_server_does_to_messages_is_noticed() {
    let stage = Stage::new();
    let mark = stage.door.mark();
    // Something of another conversation of bob's, to be spliced in.
    let cyd = Forger::enter(stage.server.person("cyd"));
    let other = cyd.say(&stage.bob_name, "cyd-said-Pk5sYw2nDe7v");
    let spliced = shown_to_recipient(&other, &cyd.name, 901, 8);
    // Something that ana sealed long ago, for another place.
    let sealed = stage.ana.seal(
        &stage.bob_name,
        &stage.ana.header(&stage.bob_name),
        text_body("the last of ana's").to_string().as_bytes(),
    );

    let lie = |what: &str, expected: &[&str], change: Box<dyn Fn(&mut Vec<Value>) + Send>| {
        messages(&stage.door, change);
        stage.check(what, expected);
        stage.door.honest();
    };

    // ── order, gaps, repetitions ──
    lie(
        "a replay at the end",
        &["repeated"],
        Box::new(|list| {
            let mut again = list[0].clone();
            (again["seq"], again["id"]) = (json!(99), json!(99));
            list.push(again);
        }),
    );
    lie(
        "the same row twice",
        &["repeated"],
        Box::new(|list| list.push(list[list.len() - 1].clone())),
    );
    lie(
        "another message under a number that is taken",
        &["repeated"],
        Box::new(|list| {
            let mut other = list[0].clone();
            other["seq"] = list[list.len() - 1]["seq"].clone();
            list.push(other);
        }),
    );
    lie(
        "two swapped in the list",
        &["reordered"],
        Box::new(|list| list.swap(0, 2)),
    );
    lie(
        "two swapped with their numbers",
        &["reordered"],
        Box::new(|list| {
            let (a, b) = (list[0]["seq"].clone(), list[2]["seq"].clone());
            (list[0]["seq"], list[2]["seq"]) = (b, a);
            list.swap(0, 2);
        }),
    );
    lie(
        "an answer moved above its question",
        &["reordered"],
        Box::new(|list| {
            // Bob's second, which had seen ana's fourth, before that.
            let (a, b) = (list[4]["seq"].clone(), list[5]["seq"].clone());
            (list[4]["seq"], list[5]["seq"]) = (b, a);
            list.swap(4, 5);
        }),
    );
    lie(
        "one dropped from the middle",
        &["missing"],
        Box::new(|list| drop(list.remove(2))),
    );
    lie("the newest dropped", &["missing"], Box::new(|list| drop(list.pop())));
    lie(
        "my own newest dropped",
        &["missing"],
        Box::new(|list| drop(list.remove(5))),
    );
    lie("the first dropped", &["missing"], Box::new(|list| drop(list.remove(0))));
    lie("everything dropped", &["missing"], Box::new(Vec::clear));
    lie(
        "more that never comes",
        &["missing"],
        Box::new(|list| drop(list.remove(0))),
    );

    // ── what is in them ──
    let bound: [(&str, usize, &[&str]); 13] = [
        ("version", 0, &["version"]),
        ("suite", 1, &["version"]),
        ("conversation", 2, &["broken"]),
        ("sender", 18, &["broken"]),
        ("counter", 26, &["broken"]),
        ("previous hash", 27, &["broken"]),
        ("seen counter", 66, &["broken"]),
        ("seen hash", 67, &["broken"]),
        ("log size", 106, &["broken"]),
        ("log head", 107, &["broken"]),
        ("sender's identity", 150, &["broken"]),
        ("recipient's identity", 180, &["broken"]),
        ("commitment", 234, &["broken"]),
    ];
    for (field, at, expected) in bound {
        lie(
            &format!("a flipped bit of the {field}"),
            expected,
            Box::new(move |list| {
                if let Some(message) = of_ana(list, 4) {
                    bend(&mut message["header"], |header| header[at] ^= 1);
                }
            }),
        );
    }
    for (part, at) in [("encapsulated key", 0), ("ciphertext", 40), ("tag", usize::MAX)] {
        lie(
            &format!("a flipped bit of the {part}"),
            &["broken"],
            Box::new(move |list| {
                if let Some(message) = of_ana(list, 4) {
                    bend(&mut message["copy"], |copy| {
                        let at = at.min(copy.len() - 1);
                        copy[at] ^= 0x10;
                    });
                }
            }),
        );
    }
    lie(
        "the hash of the other copy",
        &["reordered"],
        Box::new(|list| {
            if let Some(message) = of_ana(list, 2) {
                bend(&mut message["other"], |hash| hash[0] ^= 1);
            }
        }),
    );
    lie(
        "a later version",
        &["version"],
        Box::new(|list| {
            if let Some(message) = of_ana(list, 4) {
                bend(&mut message["header"], |header| (header[0], header[1]) = (255, 255));
            }
        }),
    );
    lie(
        "copies of two messages swapped",
        &["broken"],
        Box::new(|list| {
            let (a, b) = (list[0]["copy"].clone(), list[4]["copy"].clone());
            (list[0]["copy"], list[4]["copy"]) = (b, a);
        }),
    );
    let senders = b64::encode(&sealed.sender);
    lie(
        "the sender's copy in the place of mine",
        &["broken"],
        Box::new(move |list| {
            list[4]["copy"] = json!(senders);
        }),
    );
    lie(
        "a message of another conversation",
        &["broken"],
        Box::new(move |list| {
            let mut spliced = spliced.clone();
            list.push(spliced.clone());
            // And as if ana had sent it.
            (spliced["from"], spliced["seq"], spliced["id"]) = (json!("ana"), json!(9), json!(902));
            list.push(spliced);
        }),
    );
    lie(
        "ana's words as bob's",
        &["broken"],
        Box::new(|list| list[4]["from"] = json!("bob")),
    );
    lie(
        "somebody else's name on it",
        &["broken"],
        Box::new(|list| list[4]["from"] = json!("cyd")),
    );
    lie(
        "a message that ana sealed and never sent",
        &["missing"],
        Box::new({
            // It is in order and well sealed; the true one in its place is what is dropped, and her next tells.
            let withheld = shown_to_recipient(&sealed, &stage.ana_name, 903, 8);
            move |list| {
                list.pop();
                list.push(withheld.clone());
            }
        }),
    );
    for (size, bytes) in [
        ("empty", 0),
        ("short", 20),
        ("cut", 303),
        ("of no class", 1000),
        ("oversized", 1 << 20),
    ] {
        lie(
            &format!("a copy that is {size}"),
            &["broken"],
            Box::new(move |list| {
                bend(&mut list[4]["copy"], |copy| copy.resize(bytes, 7));
            }),
        );
        lie(
            &format!("a header that is {size}"),
            &["broken"],
            Box::new(move |list| {
                bend(&mut list[4]["header"], |header| {
                    header.resize(if bytes == 303 { 234 } else { bytes }, 7)
                });
                bend(&mut list[4]["header"], |header| {
                    header.iter_mut().take(2).for_each(|byte| *byte = 1)
                });
            }),
        );
    }

    // ── removed, hidden, changed by the server's word ──
    let gone = |removed: bool, hidden: Value| -> Box<dyn Fn(&mut Vec<Value>) + Send> {
        Box::new(move |list| {
            let copy: Vec<u8> = list[4]["copy"].as_str().and_then(b64::decode).unwrap_or_default();
            list[4]["own"] = json!(b64::encode(sha256(&[&copy])));
            (list[4]["copy"], list[4]["removed"], list[4]["hidden"]) = (Value::Null, json!(removed), hidden.clone());
        })
    };
    lie("a copy that is gone", &["removed"], gone(false, Value::Null));
    lie("removed by the server's word", &["forged"], gone(true, Value::Null));
    lie(
        "hidden without a tag of mine",
        &["removed"],
        gone(false, json!(b64::encode([7; 32]))),
    );
    let roots = roots(&stage.bob);
    let tag = Identity::derive(&Root::from(roots[0]), &stage.bob_name).hiding_tag(&[9; 32]);
    lie(
        "hidden with the tag of another message",
        &["removed"],
        gone(false, json!(b64::encode(tag))),
    );
    let foreign = stage.ana.keys().hiding_tag(&[9; 32]);
    lie(
        "hidden with somebody else's tag",
        &["removed"],
        gone(false, json!(b64::encode(foreign))),
    );

    // ── shapes ──
    lie(
        "what is no message",
        &["broken"],
        Box::new(|list| {
            let deep = serde_json::from_str::<Value>(&format!("{}{}", "[".repeat(100), "]".repeat(100))).expect("JSON");
            let good = list[4].clone();
            let with = |field: &str, value: Value| {
                let mut message = good.clone();
                (message["seq"], message["id"]) = (json!(50), json!(50));
                message[field] = value;
                message
            };
            list.extend([Value::Null, json!(1), json!("text"), json!([]), json!({}), deep.clone()]);
            for value in [
                Value::Null,
                json!(-1),
                json!(1.5),
                json!(1e300),
                json!(u64::MAX),
                json!("7"),
                json!([]),
                json!({}),
                json!(true),
                deep,
            ] {
                for field in [
                    "id", "seq", "at", "from", "header", "copy", "other", "own", "hidden", "removed",
                ] {
                    // These are what an honest server says too.
                    if !matches!(
                        (field, &value),
                        ("at" | "id" | "seq", Value::Number(_))
                            | ("copy" | "own" | "hidden", Value::Null)
                            | ("removed", _)
                    ) {
                        list.push(with(field, value.clone()));
                    }
                }
            }
            list.push(with("__proto__", json!({ "removed": true })));
            list.push(with("at", json!(8_640_000_000_000_001_u64)));
        }),
    );

    // Nothing of it made bob's devices say anything that they must not.
    let search = Search::new(secrets(&stage.bob).into_iter().chain(texts()));
    let found = leaks(&search, &stage.door.sent(mark));
    assert!(found.is_empty(), "{found:#?}");
}

/// The words that nobody but the two may read.
fn texts() -> impl Iterator<Item = (String, Vec<u8>)> {
    CANARIES
        .iter()
        .map(|text| (format!("what was said: {text}"), text.as_bytes().to_vec()))
}

/// What a client let go of that it must not.
fn leaks(search: &Search, sent: &[Passed]) -> Vec<String> {
    let found = sent
        .iter()
        .flat_map(|passed| search.search(&passed.what, &passed.bytes));
    found.map(|found| found.to_string()).collect()
}

// ── keys ─────────────────────────────────────────────────────────────────────────────────────────

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
    let bobs = stage
        .bob
        .request("GET", "/dm/keys")
        .header("accept", "application/json")
        .send()
        .expect(200)
        .json();
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

// ── malicious members ────────────────────────────────────────────────────────────────────────────

#[test]
fn what_a_member_seals_against_the_rules_is_refused_or_harmless() {
    let server = server();
    let browser = Browser::start();
    // A name that is also a property of every object.
    let eve = Forger::enter(server.person("__proto__"));
    let ana = Forger::enter(server.person("constructor"));
    let bob = server.person("bob");
    let bob_name: Name = "bob".parse().expect("a name");
    let door = Proxy::before(&server);
    let page = device(&browser, &door.door_for(&bob));
    open(&page, &door.url("/dm"));
    eve.say(&bob_name, "hello from a strange name");
    bob.request("POST", "/dm/__proto__/accept")
        .body("application/json", "{}")
        .send();
    eve.say_body(&bob_name, &json!({ "type": "delete", "at": now(), "targets": [1] }));

    let file = |change: Value| {
        let mut file =
            json!({ "id": "abc", "key": b64::encode([1; 32]), "size": 10, "name": "a.txt", "type": "text/plain" });
        for (field, value) in change.as_object().into_iter().flatten() {
            file[field] = value.clone();
        }
        json!({ "type": "text", "at": now(), "text": "see", "files": [file] }).to_string()
    };
    let text = |change: Value| {
        let mut body = text_body("see");
        for (field, value) in change.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        body.to_string()
    };
    let deep = |depth: usize| {
        format!(
            r#"{{"type":"text","at":1,"text":"deep","more":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    let long = "x".repeat(4001);
    // (what, the body, the alarm in its place, or what is shown)
    let hostile: Vec<(&str, String, &str)> = vec![
        ("no JSON", "no JSON".into(), "broken"),
        ("nothing", String::new(), "broken"),
        ("a list", "[]".into(), "broken"),
        ("null", "null".into(), "broken"),
        ("a type that is no text", r#"{"type":1}"#.into(), "broken"),
        ("a type that nobody knows", r#"{"type":"party","at":1}"#.into(), "?"),
        ("no time", r#"{"type":"text","text":"see"}"#.into(), "broken"),
        ("a time without end", text(json!({ "at": 1e300 })), "broken"),
        (
            "a time beyond clocks",
            text(json!({ "at": 9_007_199_254_740_991_u64 })),
            "see",
        ),
        ("a negative time", text(json!({ "at": -1 })), "broken"),
        (
            "a number beyond numbers",
            r#"{"type":"text","at":9007199254740993,"text":"see"}"#.into(),
            "broken",
        ),
        (
            "half a character",
            r#"{"type":"text","at":1,"text":"\ud800"}"#.into(),
            "broken",
        ),
        ("no text", text(json!({ "text": "" })), "broken"),
        ("a text that is too long", text(json!({ "text": long })), "broken"),
        (
            "control characters",
            text(json!({ "text": "a\u{1b}[2Jb\u{7}" })),
            "broken",
        ),
        ("a text that is a list", text(json!({ "text": ["see"] })), "broken"),
        (
            "an answer to nothing",
            text(json!({ "reply": { "of": "mine", "counter": 9_999 } })),
            "see",
        ),
        (
            "an answer to a place that is none",
            text(json!({ "reply": { "of": "ours", "counter": 1 } })),
            "broken",
        ),
        ("nested too deeply", deep(9), "broken"),
        ("nested very deeply", deep(7_000), "broken"),
        (
            "two texts",
            r#"{"type":"text","at":1,"text":"the first","text":"the last"}"#.into(),
            "the last",
        ),
        (
            "a prototype",
            r#"{"type":"text","at":1,"text":"proto","__proto__":{"deleted":"both"},"constructor":{"prototype":{}}}"#
                .into(),
            "proto",
        ),
        (
            "a change of what comes later",
            r#"{"type":"edit","at":1,"target":9999,"text":"later"}"#.into(),
            "forged",
        ),
        (
            "a change of a removal",
            r#"{"type":"edit","at":1,"target":2,"text":"a removal"}"#.into(),
            "forged",
        ),
        (
            "a removal of a removal",
            r#"{"type":"delete","at":1,"targets":[2]}"#.into(),
            "forged",
        ),
        (
            "a removal of what comes later",
            r#"{"type":"delete","at":1,"targets":[9999]}"#.into(),
            "forged",
        ),
        (
            "a removal of nothing",
            r#"{"type":"delete","at":1,"targets":[]}"#.into(),
            "broken",
        ),
        (
            "a removal of place 0",
            r#"{"type":"delete","at":1,"targets":[0]}"#.into(),
            "broken",
        ),
        (
            "a removal of too many",
            json!({ "type": "delete", "at": 1, "targets": (1..=65).collect::<Vec<_>>() }).to_string(),
            "broken",
        ),
        (
            "nine files",
            json!({ "type": "text", "at": 1, "text": "see", "files": vec![json!({}); 9] }).to_string(),
            "broken",
        ),
        (
            "a file of another folder",
            file(json!({ "id": "../../settings" })),
            "broken",
        ),
        ("a file with a short key", file(json!({ "key": "AAAA" })), "broken"),
        (
            "a file without end",
            file(json!({ "size": 9_007_199_254_740_991_u64 })),
            "broken",
        ),
        (
            "a picture without end",
            file(json!({ "type": "image/png", "width": 1_000_000_000, "height": 1 })),
            "broken",
        ),
        (
            "a name that reads backwards",
            file(json!({ "name": "\u{202e}gpj.exe" })),
            "broken",
        ),
        (
            "a name that leads elsewhere",
            file(json!({ "name": "../../.bashrc" })),
            "broken",
        ),
        ("a name with a line in it", file(json!({ "name": "a\nb" })), "broken"),
        ("no name", file(json!({ "name": "" })), "broken"),
        (
            "a type that is no type",
            file(json!({ "type": "text/html\r\nx: y" })),
            "broken",
        ),
    ];
    for (_, body, _) in &hostile {
        let sealed = eve.seal(&bob_name, &eve.header(&bob_name), body.as_bytes());
        eve.post(&bob_name, &sealed).expect(201);
    }
    // What isn't even padded rightly, or committed to.
    let franked = |class: usize, length: u32, key: &[u8; 32], body: &[u8]| {
        let mut plain = [&length.to_be_bytes()[..], key, body].concat();
        plain.resize(class, 0);
        plain
    };
    let body = text_body("padded").to_string();
    let plains: Vec<(&str, Vec<u8>)> = vec![
        ("padding that isn't zeros", {
            let mut plain = franked(256, body.len() as u32, &[1; 32], body.as_bytes());
            plain[255] = 1;
            plain
        }),
        (
            "a larger class than it needs",
            franked(1024, body.len() as u32, &[1; 32], body.as_bytes()),
        ),
        ("a length beyond it", franked(256, u32::MAX, &[1; 32], body.as_bytes())),
        (
            "another commitment",
            franked(256, body.len() as u32, &[2; 32], body.as_bytes()),
        ),
        ("no class", franked(300, body.len() as u32, &[1; 32], body.as_bytes())),
    ];
    let mut unpadded = 0;
    for (_, plain) in &plains {
        let mut header = eve.header(&bob_name);
        header.commitment = neospace_dm::message::commitment(&[1; 32], body.as_bytes());
        let recipient = header.recipient_identity;
        let sealed = eve.seal_plain(&eve.roots[0], &bob_name, &header.encode(), &recipient, plain);
        // The server knows the sizes of copies, and takes no others.
        unpadded += u64::from(eve.post(&bob_name, &sealed).status == 201);
    }
    assert_eq!(unpadded, 4, "a copy of no class is refused");

    goto(&page, &door.url("/dm/__proto__"));
    let shown = page.eval(
        "[...document.querySelectorAll('.letters .message')].map(line => [line.dataset.key, line.querySelector('.wrong:not([hidden]) button')?.dataset.code ?? '', line.querySelector('.said').textContent])",
    );
    let mut program = bob.dm();
    let view = program.view("__proto__");
    let first = 3;
    for ((what, _, expected), counter) in hostile.iter().zip(first..) {
        let line = shown
            .as_array()
            .into_iter()
            .flatten()
            .find(|line| line[0] == format!("theirs:{counter}"));
        let item = view
            .items
            .iter()
            .find(|item| item.whose == Whose::Theirs && item.counter == counter);
        let noticed = |code: &str| {
            view.notices
                .iter()
                .any(|notice| notice.alarm.code() == code && notice.place == Some((Whose::Theirs, counter, counter)))
        };
        match *expected {
            // It has no line of its own, and changed nothing.
            "forged" => assert!(
                line.is_none() && item.is_none() && noticed("forged"),
                "{what}: {line:?} {item:?}"
            ),
            "broken" => {
                assert_eq!(line.map(|line| &line[1]), Some(&json!("broken")), "{what}: {line:?}");
                assert!(
                    matches!(item.map(|item| &item.says), Some(Says::Nothing(Alarm::Broken))),
                    "{what}: {item:?}"
                );
            }
            "?" => {
                assert_eq!(line.map(|line| &line[1]), Some(&json!("")), "{what}");
                assert!(
                    matches!(item.map(|item| &item.says), Some(Says::Unknown)),
                    "{what}: {item:?}"
                );
            }
            said => {
                assert_eq!(line.map(|line| &line[2]), Some(&json!(said)), "{what}");
                assert!(
                    matches!(item.map(|item| &item.says), Some(Says::Text { text, .. }) if text == said),
                    "{what}: {item:?}"
                );
            }
        }
    }
    let last = first + hostile.len() as u64;
    for counter in last..last + unpadded {
        let line = shown
            .as_array()
            .into_iter()
            .flatten()
            .find(|line| line[0] == format!("theirs:{counter}"));
        assert_eq!(line.map(|line| &line[1]), Some(&json!("broken")), "padding {counter}");
    }
    let found = codes(&page);
    assert_eq!(found, BTreeSet::from(["broken".to_owned(), "forged".to_owned()]));
    calm(&page, "malicious bodies");

    // The strange name's pin is nobody else's, and is kept.
    page.fill("#say", "to a strange name").press("Enter");
    page.click(".recovery button[name=later]")
        .wait_for(".message.mine:not(.pending) \"to a strange name\"");
    ana.say(&bob_name, "another strange name");
    goto(&page, &door.url("/dm/constructor"));
    page.wait_for(".message \"another strange name\"");
    assert_eq!(codes(&page), BTreeSet::new());
    assert_eq!(
        page.eval("[Object.prototype.pin, ({}).pin, Object.prototype.name].every(value => value === undefined)"),
        true
    );
    goto(&page, &door.url("/dm/__proto__"));
    assert_eq!(codes(&page), found);
    calm(&page, "strange names");
}

// ── what comes over the socket, what is sent, files, reports ─────────────────────────────────────

#[test]
fn frames_that_the_server_makes_up_break_nothing_and_change_no_word() {
    let stage = Stage::new();
    let deep = format!(
        r#"{{"event":"dm_message","with":"ana","copy":{}{}}}"#,
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    let mut frames: Vec<String> = [
        "",
        "not JSON",
        "null",
        "1",
        "\"text\"",
        "[]",
        "[[[[",
        "{}",
        r#"{"event":null}"#,
        r#"{"event":{}}"#,
        r#"{"event":"__proto__"}"#,
        r#"{"event":"dm_message"}"#,
        r#"{"event":"dm_message","with":"ana"}"#,
        r#"{"event":"dm_message","with":{"ana":1},"seq":1}"#,
        r#"{"event":"dm_message","with":"__proto__","seq":1}"#,
        r#"{"event":"dm_message","with":"ana","id":-1,"seq":1e300,"header":[],"copy":{}}"#,
        r#"{"event":"dm_deleted","with":"ana"}"#,
        r#"{"event":"dm_deleted","with":"ana","ids":null}"#,
        r#"{"event":"dm_deleted","with":"ana","ids":[null,"x",{},-1,1e300]}"#,
        r#"{"event":"dm_deleted","with":"ana","ids":[1,2,3,4,5,6,7,8,9],"scope":"both"}"#,
        r#"{"event":"dm_unread","with":"ana"}"#,
        r#"{"event":"dm_unread","with":"ana","unread":{},"read_seq":"x","last_seq":[]}"#,
        r#"{"event":"dm_unread","with":"ana","unread":true,"read_seq":1e300,"last_seq":-1}"#,
        r#"{"event":"dm_unread","with":"nobody-here","unread":true,"read_seq":0,"last_seq":1}"#,
        r#"{"event":"dm_typing"}"#,
        r#"{"event":"dm_typing","with":["ana"]}"#,
        r#"{"event":"dm_stop_typing","with":null}"#,
        r#"{"event":"dm_changed"}"#,
        r#"{"event":"dm_changed","with":"ana"}"#,
        r#"{"event":"key_log"}"#,
        r#"{"event":"key_log","size":-1}"#,
        r#"{"event":"key_log","size":1e300}"#,
        r#"{"event":"key_log","size":"9"}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    frames.push(deep);
    frames.push(format!(
        r#"{{"event":"dm_message","with":"ana","copy":"{}"}}"#,
        "A".repeat(3 << 20)
    ));
    for frame in &frames {
        stage.door.say(Message::text(frame.clone()));
    }
    stage.door.say(Message::binary(vec![0xff; 1000]));
    // What was said already, again; and what ana says next comes all the same.
    let known = stage.ana.messages(&stage.bob_name);
    assert_eq!(known.len(), 7);
    for shown in &known {
        let mut again = serde_json::to_value(shown).expect("it is JSON");
        (again["event"], again["with"]) = (json!("dm_message"), json!("ana"));
        stage.door.say(Message::text(again.to_string()));
    }
    stage.ana.say(&stage.bob_name, "bob once more");
    stage.at_bob.wait_for(".message:not(.mine) \"bob once more\"");
    let mut expected: Vec<&str> = SAID.to_vec();
    expected.push("bob once more");
    assert_eq!(said(&stage.at_bob), expected);
    calm(&stage.at_bob, "made-up frames");
    // Nothing that is wrong is left once the truth is told.
    stage.check("the truth again", &[]);

    // A message that ana didn't seal, live: it is noticed, and says nothing.
    let sealed = stage.ana.seal(
        &stage.bob_name,
        &stage.ana.header(&stage.bob_name),
        text_body("made up").to_string().as_bytes(),
    );
    let mut forged = shown_to_recipient(&sealed, &stage.ana_name, 99, 9);
    bend(&mut forged["copy"], |copy| copy[100] ^= 1);
    (forged["event"], forged["with"]) = (json!("dm_message"), json!("ana"));
    stage.door.say(Message::text(forged.to_string()));
    stage
        .at_bob
        .wait_until("document.querySelector('neo-dm-alarms li[data-code=broken]')");
    assert_eq!(
        said(&stage.at_bob).iter().filter(|text| !text.is_empty()).count(),
        expected.len()
    );
    calm(&stage.at_bob, "a forged frame");
}

#[test]
fn answers_that_are_none_leave_nothing_typed_lost_and_make_nobody_say_a_thing_twice() {
    let stage = Stage::new();
    // Whole answers of any shape, in the place of the conversation.
    let shapes: [(&str, u16, String); 10] = [
        ("a text", 200, "\"text\"".into()),
        ("a number", 200, "1".into()),
        ("null", 200, "null".into()),
        ("a list", 200, "[]".into()),
        (
            "messages that are no list",
            200,
            json!({ "messages": {}, "more": 1 }).to_string(),
        ),
        ("half an answer", 200, "{\"messages\":[{".into()),
        (
            "deep nesting",
            200,
            format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)),
        ),
        ("a page", 200, "<!doctype html><script>alert(1)</script>".into()),
        ("a fault", 500, "{\"detail\":{}}".into()),
        ("17 MiB", 200, format!("\"{}\"", "x".repeat(17 << 20))),
    ];
    for (what, status, body) in shapes {
        stage.door.requests(move |asked| {
            (asked.place() == "/dm/ana/messages" && asked.method == "GET")
                .then(|| Told::bytes(status, "application/json", body.clone()))
        });
        let state = goto(&stage.at_bob, &stage.door.url("/dm/ana"));
        assert_eq!(state, "offline", "{what}");
        assert_eq!(said(&stage.at_bob), Vec::<String>::new(), "{what}");
        calm(&stage.at_bob, what);
        stage.door.honest();
    }
    // The list of conversations.
    for (what, body) in [
        ("no list", json!([])),
        (
            "rows that are none",
            json!({ "conversations": [null, 1, "x", [], {}, { "with": "../x" }, { "with": "ana", "last_seq": -1 }], "more": 7 }),
        ),
        (
            "a row without end",
            json!({ "conversations": [{ "with": "ana", "colour": "red plate-x", "last_seq": 9, "read_seq": 0, "at": 9_007_199_254_740_991_u64, "state": "party", "muted": 1, "blocked": "x" }], "more": false }),
        ),
    ] {
        stage.door.requests(move |asked| {
            (asked.place() == "/dm"
                && asked
                    .headers
                    .get("accept")
                    .is_some_and(|accept| accept == "application/json"))
            .then(|| Told::json(200, &body))
        });
        for path in ["/dm", "/dm/ana"] {
            goto(&stage.at_bob, &stage.door.url(path));
            calm(&stage.at_bob, what);
        }
        stage.door.honest();
    }

    // "Somebody was quicker", though nobody was: the same bytes are tried again, and no others are made.
    goto(&stage.at_bob, &stage.door.url("/dm/ana"));
    let mark = stage.door.mark();
    let mut refusals = 2;
    stage.door.requests(move |asked| {
        let refuse = asked.method == "POST" && asked.place() == "/dm/ana/messages" && refusals > 0;
        refusals -= i32::from(refuse);
        refuse.then(|| {
            Told::json(
                409,
                &json!({ "title": "Somebody was quicker", "status": 409, "code": "counter_taken", "detail": "x" }),
            )
        })
    });
    talk(&stage.at_bob, "said once");
    let tries: BTreeSet<_> = stage
        .door
        .sent(mark)
        .into_iter()
        .filter(|passed| passed.what == "POST /dm/ana/messages")
        .map(|passed| passed.bytes)
        .collect();
    assert_eq!(tries.len(), 1, "the same bytes each time");
    stage.door.honest();
    let heard = |text: &str| {
        let position = stage.ana.messages(&stage.bob_name);
        let open = |shown: &neospace_dm::thread::Shown| {
            let names = (&stage.bob_name, &stage.ana_name);
            neospace_dm::message::open(
                &shown.header,
                neospace_dm::message::Copy::Recipient,
                names,
                &stage.ana.keys(),
                shown.copy.as_ref()?,
            )
            .ok()
        };
        let opened = position
            .iter()
            .filter(|shown| shown.from == stage.bob_name)
            .filter_map(open);
        opened
            .filter(|opened| String::from_utf8_lossy(&opened.json).contains(text))
            .count()
    };
    assert_eq!(heard("said once"), 1);
    // "Stored", though it wasn't: the next look tells.
    stage.door.requests(|asked| {
        if asked.method != "POST" || asked.place() != "/dm/ana/messages" {
            return None;
        }
        let sent: Value = serde_json::from_slice(&asked.body).ok()?;
        let recipient: Vec<u8> = b64::decode(sent["recipient"].as_str()?)?;
        Some(Told::json(
            201,
            &json!({
                "id": 99, "seq": 9, "at": now(), "from": "bob", "header": sent["header"], "copy": sent["sender"],
                "other": b64::encode(sha256(&[&recipient])), "own": null, "hidden": null, "removed": false,
            }),
        ))
    });
    talk(&stage.at_bob, "never stored");
    stage.door.honest();
    goto(&stage.at_bob, &stage.door.url("/dm/ana"));
    let told = codes(&stage.at_bob);
    if told.is_empty() {
        // The page was gone before it had noted that it believed it: then it still had the message, and sends it.
        eventually("what wasn't stored to be sent", || {
            (heard("never stored") == 1).then_some(())
        });
    } else {
        assert_eq!(told, BTreeSet::from(["missing".to_owned()]));
        assert_eq!(heard("never stored"), 0);
    }
    calm(&stage.at_bob, "never stored");
}

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
