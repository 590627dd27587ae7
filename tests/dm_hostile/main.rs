//! A malicious server, and members with malicious clients: what they try with direct messages, and what the other side makes of it.
//!
//! Bob is lied to, in a browser and in a program; ana writes to him. Each lie is either noticed, by the alarm that
//! docs/direct-messages.md has for it, or harmless. None makes a client send what it must not, or fail.

mod files;
mod keys;
mod members;
mod tampering;
mod wire;

use std::collections::BTreeSet;

use neospace::dm_client::Trouble;
use neospace_dm::{Alarm, Name, b64};
use neospace_tests::{
    Browser, Dm, Page, Person, Proxy, Server,
    canary::Search,
    forger::{Forger, now},
    person::PASSWORD,
    proxy::{Passed, Way},
};
use serde_json::{Value, json};

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
