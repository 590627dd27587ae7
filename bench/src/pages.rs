//! `dm_open` and `dm_send`: direct messages as people have them, in a real browser that opens and seals them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use neospace_tests::{Browser, Page, Person, Server, forger::Forger, person::PASSWORD};
use serde_json::json;

use crate::{
    machine,
    pace::Times,
    report::{Bar, Row, median},
    rooms::NO_LIMITS,
    screen,
};

/// Messages in the conversation that is opened.
const MESSAGES: usize = 1_000;
const OPENED: usize = 9;
const SENT: usize = 200;
/// Between two messages: faster than anybody types.
const PAUSE: Duration = Duration::from_millis(250);

/// Notes when the newest message can be read, counted from when the page was asked for.
const WATCH: &str = "new MutationObserver((_, observer) => {
    if (!document.querySelector('.letters')?.textContent.includes('the last of them')) return
    observer.disconnect()
    requestAnimationFrame(() => setTimeout(() => { window.readableAfter = performance.now() }))
}).observe(document, { subtree: true, childList: true, characterData: true })";

/// Notes when each message is sent off by Enter, and when one comes that can be read, by the wall clock.
const CLOCK: &str = "window.at = {}
addEventListener('keydown', event => {
    if (event.key === 'Enter') window.at[document.querySelector('#say').value] ??= performance.timeOrigin + performance.now()
}, true)
window.came = {}
new MutationObserver(() => {
    for (const said of [...document.querySelectorAll('.letters .said')].slice(-20)) window.came[said.textContent] ??= performance.timeOrigin + performance.now()
}).observe(document.querySelector('.letters'), { subtree: true, childList: true, characterData: true })";

/// Two members with keys, who have said yes to each other.
struct Pair {
    server: Server,
    browsers: [Browser; 2],
    people: [Person; 2],
}

impl Pair {
    fn new() -> Result<Self> {
        // A browser and all its processes, and the server: wherever the system puts them, as in everyday use.
        machine::unpin()?;
        let server = Server::builder().config(&format!("[limits]\n{NO_LIMITS}")).start();
        let people = ["ana", "bob"].map(|name| server.person(name));
        Ok(Self {
            server,
            browsers: [Browser::start(), Browser::start()],
            people,
        })
    }

    /// The page of one of them with the other, which can be read.
    fn page(&self, whose: usize) -> Page {
        let page = self.browsers[whose].page_of(&self.people[whose]);
        page.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        page.goto(&self.address(whose));
        page.wait_for("#dm-password")
            .fill("#dm-password", PASSWORD)
            .press("Enter");
        page.wait_until("document.querySelector('neo-dm')?.dataset.state === 'ready'");
        page
    }

    fn address(&self, whose: usize) -> String {
        self.server.url(&format!("/dm/{}", self.people[1 - whose].name))
    }
}

/// Measures from the click to the newest screen of a long conversation, on a slow machine.
pub fn dm_open() -> Result<Vec<Row>> {
    let pair = Pair::new()?;
    let [ana, bob] = &pair.people;
    let reader = bob.dm();
    let writer = Forger::enter(ana.clone());
    for n in 0..MESSAGES {
        let text = match n + 1 {
            MESSAGES => "and this is the last of them".to_owned(),
            _ => format!("{n}: the ferry to Gozo leaves at eight, if it leaves at all. Bring the timetable, please."),
        };
        writer.say(reader.name(), &text);
        if n == 0 {
            bob.request("POST", "/dm/ana/accept")
                .header("accept", "application/json")
                .body("application/json", "{}")
                .send()
                .expect(200);
        }
    }
    let page = pair.page(1);
    page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }));
    screen::watch_slowness(&page);
    let (mut opened, mut slow) = (Vec::new(), Vec::new());
    for _ in 0..OPENED {
        page.eval("window.readableAfter = 0");
        slow.push(screen::go_slowly(&page, &pair.address(1), "window.readableAfter > 0")?);
        let after = page.eval("window.readableAfter");
        opened.push(after.as_f64().context("a time")?);
    }
    let slower = median(slow);
    ensure!(!page.has(".alarm"), "an honest server gave an alarm");
    let slowest = opened.iter().copied().fold(0.0, f64::max);
    let note = format!(
        "{MESSAGES} messages, of which the newest are shown; {} times throttled (measured: {slower:.1}, within what was measured); slowest {slowest:.0} ms",
        screen::SLOWER
    );
    Ok(vec![Row::new(
        "dm_open",
        screen::if_slow(median(opened), slower),
        f64::NAN,
        "ms",
        Bar::AtMost(1_500.0),
        note,
    )])
}

/// Measures from Enter to the other's screen.
pub fn dm_send() -> Result<Vec<Row>> {
    let pair = Pair::new()?;
    let [mut ana, mut bob] = pair.people.each_ref().map(Person::dm);
    let names = [ana.name().clone(), bob.name().clone()];
    ana.say(&names[1], "Shall we?")
        .map_err(|trouble| anyhow::anyhow!("{trouble}"))?;
    bob.say(&names[0], "We shall.")
        .map_err(|trouble| anyhow::anyhow!("{trouble}"))?;
    let [at_ana, at_bob] = [0, 1].map(|whose| pair.page(whose));
    // The question for a recovery code comes with the first message.
    at_ana.fill("#say", "Now.").press("Enter");
    at_ana
        .click(".recovery button[name=later]")
        .wait_gone("dialog.recovery");
    at_bob.wait_for(".message \"Now.\"");
    for page in [&at_ana, &at_bob] {
        page.eval(CLOCK);
    }
    let texts: Vec<String> = (0..SENT).map(|n| format!("line {n:03} of what is said")).collect();
    for text in &texts {
        at_ana.fill("#say", text).press("Enter");
        std::thread::sleep(PAUSE);
    }
    at_bob.wait_for(&format!(".message {:?}", texts[SENT - 1]));
    let (sent, came) = (at_ana.eval("window.at"), at_bob.eval("window.came"));
    let mut times = Times::default();
    for text in &texts {
        let at = |clock: &serde_json::Value| clock[text].as_f64().with_context(|| format!("{text:?} was not seen"));
        times.push(Duration::from_secs_f64((at(&came)? - at(&sent)?).max(0.0) / 1e3));
    }
    let ms = |share| times.quantile(share).as_secs_f64() * 1e3;
    let note = format!(
        "{SENT} messages between two browsers on one machine; half within {:.0} ms",
        ms(0.5)
    );
    Ok(vec![Row::new(
        "dm_send",
        ms(0.99),
        f64::NAN,
        "ms p99",
        Bar::AtMost(150.0),
        note,
    )])
}
