//! A malicious server, and members with malicious clients: what they try with direct messages, and what the other side makes of it.
//!
//! Bob is lied to, in a browser and in a program; ana writes to him. Each lie is either noticed, by the alarm that
//! docs/direct-messages.md has for it, or harmless. None makes a client send what it must not, or fail.

use std::collections::BTreeSet;

use neospace::crypto;
use neospace_dm::{
    Alarm, Name, b64,
    keys::{Identity, Root},
    log::Entry,
    message::{Header, Position, Sealed},
    sha256,
};
use neospace_tests::{
    Browser, Dm, Page, Person, Proxy, Server,
    canary::Search,
    eventually,
    forger::{Forger, chained, head, next_entry, now, secrets, show_log, show_raw_log, shown_to_recipient, text_body},
    person::PASSWORD,
    proxy::{Passed, Told, Way},
};
use serde_json::{Value, json};

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
    server: Server,
    browser: Browser,
    door: Proxy,
    ana: Forger,
    bob: Person,
    at_bob: Page,
    /// The same bob, in a program, by the same door.
    program: Dm,
    ana_name: Name,
    bob_name: Name,
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
        let server = Server::start();
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
        talk(&at_bob, CANARIES[3]);
        at_bob
            .click(".recovery button[name=later]")
            .wait_gone("dialog.recovery");
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

/// The alarms after which nothing is sent any more.
const STOPS: [&str; 7] = [
    "key_changed",
    "own_key",
    "log_fork",
    "log_broken",
    "wrapped",
    "notebook",
    "kdf",
];

/// The alarms that a program has about the conversation with ana, opened as it was left; "trouble" where it can't be.
fn programs_codes(program: &Dm) -> BTreeSet<String> {
    let look = || {
        let mut again = program.again()?;
        let ana: Name = "ana".parse().expect("a name");
        let conversation = again.load_all(&ana)?;
        let view = again.look(&conversation)?;
        let mut alarms: Vec<Alarm> = view.notices.iter().map(|notice| notice.alarm).collect();
        alarms.extend(again.alarm());
        Ok::<_, neospace::dm_client::Trouble>(alarms)
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
        text_body("never sent").to_string().as_bytes(),
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
    let roots = neospace_tests::forger::roots(&stage.bob);
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
