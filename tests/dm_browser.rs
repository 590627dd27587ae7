//! Direct messages in Chromium: two people, each with a browser of their own.
//!
//! Pictures go to the target directory's `screenshots/`, to be held beside the drawings of the look.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use neospace_tests::{Browser, Page, Person, Server, person::PASSWORD};
use serde_json::{Value, json};

/// A page of somebody that believes to have the focus, as if its window were in front.
fn device(browser: &Browser, person: &Person) -> Page {
    let page = browser.page_of(person);
    page.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
    page
}

/// Opens a conversation on a device, typing the password where it is asked for, and waits until it can be read.
#[track_caller]
fn open<'a>(page: &'a Page, server: &Server, path: &str) -> &'a Page {
    page.goto(&server.url(path));
    page.wait_until("!['', 'opening'].includes(document.querySelector('neo-dm, neo-dm-inbox')?.dataset.state ?? '')");
    if page.has("#dm-password") {
        page.fill("#dm-password", PASSWORD).press("Enter");
    }
    shown(page)
}

#[track_caller]
fn shown(page: &Page) -> &Page {
    page.wait_until("document.querySelector('neo-dm, neo-dm-inbox')?.dataset.state === 'ready'")
}

/// Types a message and sends it with Enter.
#[track_caller]
fn talk<'a>(page: &'a Page, text: &str) -> &'a Page {
    page.fill("#say", text).press("Enter")
}

/// Answers the question for a recovery code with "not now".
#[track_caller]
fn not_now(page: &Page) -> &Page {
    page.click(".recovery button[name=later]").wait_gone("dialog.recovery")
}

/// What was said, one after the other, as it stands.
fn said(page: &Page) -> Vec<String> {
    let said = page.eval("[...document.querySelectorAll('.letters .said')].map(said => said.textContent)");
    let text = |one: &Value| one.as_str().unwrap_or_default().to_owned();
    said.as_array().expect("a list").iter().map(text).collect()
}

/// Ana and bob, each with keys on a device of their own, looking at their conversation, which bob has accepted.
struct Pair {
    server: Server,
    browser: Browser,
    ana: Person,
    bob: Person,
}

impl Pair {
    fn new() -> Pair {
        Pair::on(Server::start())
    }

    fn on(server: Server) -> Pair {
        let (ana, bob) = (server.person("ana"), server.person("bob"));
        let browser = Browser::start();
        Pair { server, browser, ana, bob }
    }

    /// The pages of the two, with a word said on each side.
    fn talking(&self) -> (Page, Page) {
        let (at_ana, at_bob) = (device(&self.browser, &self.ana), device(&self.browser, &self.bob));
        open(&at_bob, &self.server, "/dm/ana");
        open(&at_ana, &self.server, "/dm/bob");
        talk(&at_ana, "Did the lamp survive the fog?");
        not_now(&at_ana).wait_for(".message.mine:not(.pending) \"Did the lamp\"");
        at_bob.wait_for(".message:not(.mine) \"Did the lamp\"");
        at_bob.click("neo-dm-request button \"Accept\"").wait_gone("neo-dm-request button");
        talk(&at_bob, "It did.");
        not_now(&at_bob).wait_for(".message.mine:not(.pending) \"It did.\"");
        at_ana.wait_for(".message:not(.mine) \"It did.\"");
        (at_ana, at_bob)
    }
}

/// Puts a file into the composer, as if it had been dropped on the page.
fn attach(page: &Page, name: &str, kind: &str, bytes: &[u8]) {
    page.eval(&format!(
        "(() => {{
            const carried = new DataTransfer()
            carried.items.add(new File([Uint8Array.from(atob({}), (letter) => letter.charCodeAt(0))], {}, {{ type: {} }}))
            document.querySelector('.rolls').dispatchEvent(new DragEvent('drop', {{ bubbles: true, cancelable: true, dataTransfer: carried }}))
        }})()",
        json!(STANDARD.encode(bytes)),
        json!(name),
        json!(kind)
    ));
}

/// A PNG that this browser draws: so wide and high, of one colour.
fn drawn(page: &Page, width: u32, height: u32) -> Vec<u8> {
    let png = page.eval(&format!(
        "(() => {{ const canvas = Object.assign(document.createElement('canvas'), {{ width: {width}, height: {height} }}); const pen = canvas.getContext('2d'); pen.fillStyle = '#2238d8'; pen.fillRect(0, 0, {width}, {height}); return canvas.toDataURL('image/png').split(',')[1] }})()"
    ));
    STANDARD.decode(png.as_str().expect("a text")).expect("base64")
}

#[test]
fn two_people_talk_and_change_what_they_said() {
    let pair = Pair::new();
    let (at_ana, at_bob) = pair.talking();

    // Bob sees that ana types, and no longer once she has said it.
    at_ana.fill("#say", "I am less sure");
    at_bob.wait_for("neo-dm-typing.on \"ana is typing\"");
    talk(&at_ana, "I am less sure about the porch: see https://example.org/porch.");
    at_bob.wait_for(".message \"less sure about the porch\"").wait_gone("neo-dm-typing.on");
    assert_eq!(at_bob.attribute(".letters a", "href").as_deref(), Some("https://example.org/porch"));

    // He answers it, and she goes to what he answered.
    at_bob.focus(".message \"less sure\"").press("r").wait_for(".regarding \"Answering ana: I am less sure\"");
    talk(&at_bob, "The porch is fine.");
    at_ana.wait_for(".message:not(.mine) \"The porch is fine.\"");
    at_ana.click(".quote \"you: I am less sure\"").wait_for(".found \"less sure\"");

    // He changes what he said last; what it said before can be read.
    at_bob.fill("#say", "").press("ArrowUp").wait_for(".regarding \"Changing\"");
    talk(&at_bob, "The porch is gone.").wait_for(".message.mine \"The porch is gone.\"");
    at_ana.wait_for(".message \"The porch is gone.\"");
    at_ana.click(".history:not([hidden]) summary").wait_for(".history li \"The porch is fine.\"");

    // Ana deletes bob's word for herself; bob keeps it.
    at_ana.focus(".message \"It did.\"").press("Delete");
    at_ana.wait_for("dialog#really");
    assert!(!at_ana.has("#really [value=both]"), "nobody takes back what others wrote");
    at_ana.click("#really button \"Delete it\"").wait_for(".message.gone \"You deleted this for yourself\"");
    assert!(at_bob.has(".message \"It did.\""));
    // She takes back her own for both.
    at_ana.focus(".message.mine \"less sure\"").press("Delete");
    at_ana.click("#really label \"For both of us\"").click("#really button \"Delete it\"");
    at_ana.wait_for(".message.gone \"You took this back\"");
    at_bob.wait_for(".message.gone \"ana took this back\"").wait_gone(".quote \"less sure\"");

    // All of that is there again after loading the page, and the same on another device of hers.
    let before = said(&at_ana);
    shown(at_ana.reload());
    assert_eq!(said(&at_ana), before);
    let elsewhere = device(&pair.browser, &pair.ana);
    open(&elsewhere, &pair.server, "/dm/bob");
    assert_eq!(said(&elsewhere), before);
    assert!(!elsewhere.has(".alarm"), "nothing is wrong");
}

#[test]
fn what_is_unread_is_a_dot_that_goes_everywhere_at_once() {
    let pair = Pair::new();
    let (at_ana, at_bob) = pair.talking();
    let list = device(&pair.browser, &pair.bob);
    open(&list, &pair.server, "/dm");
    list.wait_for("neo-dms a[data-with=ana] .preview \"you: It did.\"");
    assert!(!list.has("neo-dms a.unread"));
    at_bob.goto(&pair.server.url("/desk?room=lobby"));
    at_bob.wait_for("neo-dms a[data-with=ana]");
    talk(&at_ana, "Anybody home?");
    list.wait_for("neo-dms a.unread .dot").wait_for(".preview \"Anybody home?\"");
    at_bob.wait_for("neo-dms a.unread[data-with=ana] .dot");
    // Reading it here is reading it there.
    at_bob.click("neo-dms a[data-with=ana]");
    shown(&at_bob).wait_for(".message \"Anybody home?\"").wait_for(".since");
    assert_eq!(at_bob.eval("new URL(location).searchParams.get('dm')"), "ana");
    at_bob.wait_gone("neo-dms a.unread");
    list.wait_gone("neo-dms a.unread");
}
