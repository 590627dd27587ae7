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
        Pair {
            server,
            browser,
            ana,
            bob,
        }
    }

    /// The pages of the two, with a word said on each side.
    fn talking(&self) -> (Page, Page) {
        let (at_ana, at_bob) = (device(&self.browser, &self.ana), device(&self.browser, &self.bob));
        open(&at_bob, &self.server, "/dm/ana");
        open(&at_ana, &self.server, "/dm/bob");
        talk(&at_ana, "Did the lamp survive the fog?");
        not_now(&at_ana).wait_for(".message.mine:not(.pending) \"Did the lamp\"");
        at_bob.wait_for(".message:not(.mine) \"Did the lamp\"");
        at_bob
            .click("neo-dm-request button \"Accept\"")
            .wait_gone("neo-dm-request button");
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
    talk(
        &at_ana,
        "I am less sure about the porch: see https://example.org/porch.",
    );
    at_bob
        .wait_for(".message \"less sure about the porch\"")
        .wait_gone("neo-dm-typing.on");
    assert_eq!(
        at_bob.attribute(".letters a", "href").as_deref(),
        Some("https://example.org/porch")
    );

    // He answers it, and she goes to what he answered.
    at_bob
        .focus(".message \"less sure\"")
        .press("r")
        .wait_for(".regarding \"Answering ana: I am less sure\"");
    talk(&at_bob, "The porch is fine.");
    at_ana.wait_for(".message:not(.mine) \"The porch is fine.\"");
    at_ana
        .click(".quote \"you: I am less sure\"")
        .wait_for(".found \"less sure\"");

    // He changes what he said last; what it said before can be read.
    at_bob
        .fill("#say", "")
        .press("ArrowUp")
        .wait_for(".regarding \"Changing\"");
    talk(&at_bob, "The porch is gone.").wait_for(".message.mine \"The porch is gone.\"");
    at_ana.wait_for(".message \"The porch is gone.\"");
    at_ana
        .click(".history:not([hidden]) summary")
        .wait_for(".history li \"The porch is fine.\"");

    // Ana deletes bob's word for herself; bob keeps it.
    at_ana.focus(".message \"It did.\"").press("Delete");
    at_ana.wait_for("dialog#really");
    assert!(
        !at_ana.has("#really [value=both]"),
        "nobody takes back what others wrote"
    );
    at_ana
        .click("#really button \"Delete it\"")
        .wait_for(".message.gone \"You deleted this for yourself\"")
        .wait_gone("dialog#really");
    assert!(at_bob.has(".message \"It did.\""));
    // She takes back her own for both.
    at_ana.focus(".message.mine \"less sure\"").press("Delete");
    at_ana
        .click("#really label \"For both of us\"")
        .click("#really button \"Delete it\"");
    at_ana.wait_for(".message.gone \"You took this back\"");
    at_bob
        .wait_for(".message.gone \"ana took this back\"")
        .wait_gone(".quote \"less sure\"");

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
    list.wait_for("neo-dms a.unread .dot")
        .wait_for(".preview \"Anybody home?\"");
    at_bob.wait_for("neo-dms a.unread[data-with=ana] .dot");
    // Reading it here is reading it there.
    at_bob.click("neo-dms a[data-with=ana]");
    shown(&at_bob).wait_for(".message \"Anybody home?\"").wait_for(".since");
    assert_eq!(at_bob.eval("new URL(location).searchParams.get('dm')"), "ana");
    at_bob.wait_gone("neo-dms a.unread");
    list.wait_gone("neo-dms a.unread");
}

/// The texts of all such elements.
fn texts(page: &Page, selector: &str) -> Vec<String> {
    let found = page.eval(&format!(
        "[...document.querySelectorAll({})].map(one => one.textContent)",
        json!(selector)
    ));
    let text = |one: &Value| one.as_str().unwrap_or_default().to_owned();
    found.as_array().expect("a list").iter().map(text).collect()
}

#[test]
fn a_code_on_paper_brings_everything_back_to_a_new_device() {
    let pair = Pair::new();
    let (at_ana, at_bob) = (device(&pair.browser, &pair.ana), device(&pair.browser, &pair.bob));
    open(&at_bob, &pair.server, "/dm/ana");
    open(&at_ana, &pair.server, "/dm/bob");

    // The first message asks for a code, and waits.
    talk(&at_ana, "Remember this.").wait_for("dialog.recovery");
    assert!(!at_bob.has(".message"));
    at_ana.allow("422");
    at_ana
        .fill("#recovery-password", "not the password at all")
        .press("Enter");
    at_ana.wait_for(".recovery .told \"not your password\"");
    at_ana
        .fill("#recovery-password", PASSWORD)
        .press("Enter")
        .wait_for(".recovery .groups li");
    let code = texts(&at_ana, ".recovery .groups li");
    assert_eq!(code.len(), 7);
    at_ana.check_accessibility();
    // On paper there is the code and what to do with it, and nothing of the page.
    at_ana.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    assert_eq!(texts(&at_ana, ".sheet-of-paper .groups li"), code);
    assert!(at_ana.has(".sheet-of-paper \"/recover\""));
    assert!(!at_ana.has(".bar") && !at_ana.has("dialog.recovery") && !at_ana.has(".title"));
    at_ana.screenshot("dm-recovery-paper");
    at_ana.call("Emulation.setEmulatedMedia", json!({ "media": "" }));
    at_ana.scheme("light");

    // Two groups are typed back, from the paper.
    at_ana.click(".recovery button[name=written]");
    let asked = ["#group-a", "#group-b"].map(|field| {
        let label = at_ana.text(&format!("label[for={}]", &field[1..]));
        label
            .strip_prefix("Group ")
            .and_then(|number| number.parse::<usize>().ok())
            .expect("a number")
    });
    at_ana
        .fill("#group-a", "0000")
        .fill("#group-b", &code[asked[1] - 1])
        .press("Enter");
    at_ana.wait_for(".recovery .told \"not what the code says\"");
    at_ana
        .fill("#group-a", &code[asked[0] - 1].to_lowercase())
        .press("Enter");
    at_ana.click(".recovery button \"Good\"").wait_gone("dialog.recovery");
    at_bob.wait_for(".message \"Remember this.\"");
    assert!(texts(&at_ana, ".groups li").is_empty(), "the code stays on the page");
    talk(&at_ana, "And this.");
    at_bob.wait_for(".message \"And this.\"");
    assert!(!at_ana.has("dialog.recovery"), "it is asked for once");

    // All devices are lost, and the password is forgotten.
    let fresh = pair.browser.page();
    fresh.goto(&pair.server.url("/recover"));
    fresh
        .fill("#recover-name", "ana")
        .fill("#recover-code", &code.join(" ").to_lowercase());
    fresh
        .fill("#recover-password", "a new and even sillier sentence")
        .press("Enter");
    fresh.wait_for_path("/dm");
    shown(&fresh).click("neo-dms a[data-with=bob]");
    shown(&fresh)
        .wait_for(".message.mine \"Remember this.\"")
        .wait_for(".message.mine \"And this.\"");
    talk(&fresh, "I am back.");
    at_bob.wait_for(".message \"I am back.\"");
    assert!(!at_bob.has(".alarm") && !at_bob.has(".stop"), "the keys are the same");
    // The device that was lost can read nothing any more.
    at_ana.allow("401").allow("WebSocket");
    at_ana.goto(&pair.server.url("/dm/bob"));
    at_ana.wait_for_path("/login");
}

#[test]
fn a_changed_key_stops_until_it_is_accepted() {
    let pair = Pair::new();
    let (at_ana, at_bob) = pair.talking();
    // The two compare their numbers.
    for page in [&at_ana, &at_bob] {
        page.click(".menu-button")
            .click("#dm-menu button \"Compare\"")
            .wait_for(".safety .qr path.k");
    }
    let number = texts(&at_ana, ".digits li");
    assert_eq!(number.len(), 12);
    assert!(
        number
            .iter()
            .all(|group| group.len() == 5 && group.bytes().all(|digit| digit.is_ascii_digit()))
    );
    assert_eq!(number, texts(&at_bob, ".digits li"));
    at_ana.check_accessibility();
    at_ana.click(".safety label").wait_for(".safety [role=status] \"Kept\"");
    at_ana
        .click(".safety button \"Close\"")
        .wait_for(".standing \"sealed, keys compared\"");
    at_bob.press("Escape").wait_gone("dialog.safety");
    assert!(
        !at_bob.has(".standing \"compared\""),
        "she knows what she has compared, he what he has"
    );

    // Bob's telephone is stolen: he makes new keys.
    at_ana.fill("#say", "Half a thought");
    let settings = device(&pair.browser, &pair.bob);
    settings.goto(&pair.server.url("/settings"));
    settings
        .click("#keys summary")
        .fill("#keys-password", PASSWORD)
        .click("#keys button[value=keys]");
    settings.wait_for("#keys output");
    at_ana
        .wait_for(".stop \"bob has new keys\"")
        .wait_for(".standing \"not safe\"");
    assert!(!at_ana.has("#say"), "one could still write");
    at_ana.check_accessibility();
    at_ana.screenshot("dm-key-changed");
    open(&settings, &pair.server, "/dm/ana");
    talk(&settings, "It is me, with new keys.");
    not_now(&settings).wait_for(".message.mine:not(.pending) \"with new keys\"");
    at_ana.wait_for(".message.alarmed \"keys of bob that you have not accepted\"");
    assert!(
        !at_ana.has(".message \"It is me\""),
        "what an unknown key sealed is not shown"
    );
    // It does not go away by loading the page again.
    shown(at_ana.reload()).wait_for(".stop \"bob has new keys\"");

    // She reads what it means, and has another number to compare.
    at_ana.click(".stop button \"Compare\"").wait_for(".safety .new-keys");
    assert_ne!(texts(&at_ana, ".digits li"), number);
    open(&at_bob, &pair.server, "/dm/ana")
        .click(".menu-button")
        .click("#dm-menu button \"Compare\"")
        .wait_for(".digits li");
    assert_eq!(texts(&at_ana, ".digits li"), texts(&at_bob, ".digits li"));
    at_ana
        .press("Escape")
        .click(".stop button \"Accept the new keys\"")
        .click("neo-dm-key dialog button \"Accept them\"");
    at_ana
        .wait_gone(".stop")
        .wait_for(".message \"It is me, with new keys.\"");
    assert!(!at_ana.has(".alarm") && !at_ana.has(".alarmed"));
    assert!(
        !at_ana.has(".standing \"compared\""),
        "the new keys were never compared"
    );
    assert_eq!(at_ana.value("#say"), "Half a thought");
    talk(&at_ana, "Welcome back.");
    settings.wait_for(".message:not(.mine) \"Welcome back.\"");
}

#[test]
fn a_stranger_asks_before_writing_and_can_be_turned_away() {
    let pair = Pair::new();
    let cyd = pair.server.person("cyd");
    let (at_ana, at_bob, at_cyd) = (
        device(&pair.browser, &pair.ana),
        device(&pair.browser, &pair.bob),
        device(&pair.browser, &cyd),
    );
    open(&at_ana, &pair.server, "/dm");
    open(&at_cyd, &pair.server, "/dm/ana");
    assert!(!at_cyd.has(".attach"), "a stranger sends no files");
    talk(&at_cyd, "Hello, you don't know me.");
    not_now(&at_cyd).wait_for("neo-dm-request \"You have asked\"");
    at_ana.wait_for("[data-part=request] a.unread[data-with=cyd] .preview \"you don't know me\"");
    talk(&at_cyd, "It is about the ferry.");
    talk(&at_cyd, "Are you there?");
    at_cyd
        .wait_for(".message:not(.pending) \"Are you there?\"")
        .allow("403");
    // The fourth is too many; it comes back into the box.
    talk(&at_cyd, "Hello?").wait_for(".told");
    assert_eq!(at_cyd.value("#say"), "Hello?");
    assert!(!at_cyd.has(".message \"Hello?\""));
    at_ana.click("a[data-with=cyd]");
    shown(&at_ana).wait_for(".message \"Are you there?\"");
    at_ana.click("neo-dm-request button \"Decline\"").wait_for_path("/dm");
    shown(&at_ana).wait_gone("a[data-with=cyd]");
    // Cyd is not told.
    shown(at_cyd.reload()).wait_for("neo-dm-request \"You have asked\"");

    // Bob asks too, is accepted, muted, and blocked in the end.
    open(&at_bob, &pair.server, "/dm/ana");
    talk(&at_bob, "May I?");
    not_now(&at_bob);
    at_ana
        .wait_for("[data-part=request] a[data-with=bob]")
        .click("a[data-with=bob]");
    shown(&at_ana).click("neo-dm-request button \"Accept\"");
    at_bob.wait_gone("neo-dm-request .waits").wait_for(".attach");
    at_ana
        .click(".menu-button")
        .click("#dm-menu button \"Mute\"")
        .wait_for("neo-dms a[data-with=bob] .tag \"muted\"");
    open(&at_ana, &pair.server, "/dm");
    talk(&at_bob, "Can you hear me?");
    at_ana.wait_for(".preview \"Can you hear me?\"");
    assert!(
        !at_ana.has("a.unread[data-with=bob] .dot"),
        "who is muted makes no mark"
    );
    at_ana.click("a[data-with=bob]");
    shown(&at_ana).click(".menu-button").click("#dm-menu button \"Block\"");
    at_ana
        .click("#block-really button \"Block bob\"")
        .wait_for(".blocked \"You have blocked bob\"");
    assert!(!at_ana.has("#say"));
    at_bob.allow("403");
    talk(&at_bob, "Now I am angry.").wait_for(".told");
    assert_eq!(at_bob.value("#say"), "Now I am angry.");
    assert!(!at_ana.has(".message \"angry\""));
    at_ana.click(".blocked button \"Unblock\"").wait_for("#say");
    at_bob
        .focus("#say")
        .press("Enter")
        .wait_for(".message.mine:not(.pending) \"Now I am angry.\"");
    at_ana.wait_for(".message \"Now I am angry.\"");
}

/// A JPEG as a telephone makes it: with a note inside it about where it was taken.
fn photograph(page: &Page, note: &str) -> Vec<u8> {
    let jpeg = page.eval("(() => { const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 200 }); canvas.getContext('2d').fillRect(0, 0, 100, 100); return canvas.toDataURL('image/jpeg').split(',')[1] })()");
    let jpeg = STANDARD.decode(jpeg.as_str().expect("a text")).expect("base64");
    let mut exif = b"Exif\0\0".to_vec();
    exif.extend_from_slice(note.as_bytes());
    let length = u16::try_from(exif.len() + 2).expect("a short note").to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            if entry.path().is_dir() {
                files(&entry.path())
            } else {
                vec![fs::read(entry.path()).unwrap_or_default()]
            }
        })
        .collect()
}

#[test]
fn files_are_sealed_here_and_opened_there() {
    let pair = Pair::new();
    let (at_ana, at_bob) = pair.talking();
    let downloads = tempfile::tempdir().expect("a folder");
    at_bob.call(
        "Page.setDownloadBehavior",
        json!({ "behavior": "allow", "downloadPath": downloads.path() }),
    );
    let table = b"low water 05:12, TIDE-CANARY".repeat(3000);
    let picture = photograph(&at_ana, "GPS-CANARY 36.04 14.24");
    assert!(holds(&picture, "GPS-CANARY"));
    attach(&at_ana, "fog.jpg", "image/jpeg", &picture);
    attach(&at_ana, "tide table \u{202e}fdp.exe", "text/html", &table);
    at_ana
        .wait_for(".attached \"fog.jpg\"")
        .wait_for(".attached \"picture, drawn anew\"")
        .wait_for(".metadata \"go as they are\"");
    // What is too much is named, and the rest stays.
    at_ana.eval("(() => { const carried = new DataTransfer(); carried.items.add(new File([new Uint8Array(21 * 1024 * 1024)], 'whale.bin')); document.querySelector('#say').dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: carried })) })()");
    at_ana.wait_for(".told \"whale.bin\"").wait_for(".told \"20 MiB\"");
    assert_eq!(at_ana.count(".attached > li"), 2);
    attach(&at_ana, "empty.txt", "text/plain", b"");
    at_ana.wait_for(".told \"empty.txt is empty\"");
    attach(&at_ana, "mistake.txt", "text/plain", b"oops");
    at_ana.click(".attached button[aria-label=\"Leave mistake.txt out\"]");
    assert_eq!(at_ana.count(".attached > li"), 2);
    talk(&at_ana, "Both at once.").wait_for(".message.mine:not(.pending) \"Both at once.\"");

    // Bob sees the picture; it grows where it is, and gives way again.
    at_bob.wait_for(".message neo-dm-file.is-open img");
    let small = at_bob.place("neo-dm-file .picture").width;
    at_bob.click("neo-dm-file .picture").wait_for("neo-dm-file.is-large");
    assert!(at_bob.place("neo-dm-file .picture").width > small);
    at_bob.click("neo-dm-file .picture").wait_gone("neo-dm-file.is-large");
    // What isn't a picture is saved as it was, under a name that doesn't lie about its ending.
    at_bob.wait_for("neo-dm-file .name \"tide table fdp.exe\"");
    at_bob.click("button[aria-label=\"Save tide table fdp.exe\"]");
    let saved = |ending: &str| {
        neospace_tests::eventually(&format!("a file that ends with {ending}"), || {
            fs::read_dir(downloads.path())
                .ok()?
                .flatten()
                .find(|entry| entry.file_name().to_string_lossy().ends_with(ending))
                .and_then(|entry| fs::read(entry.path()).ok())
        })
    };
    neospace_tests::eventually("all of it", || (saved("fdp.exe") == table).then_some(()));
    at_bob.click("button[aria-label=\"Save fog.jpg\"]");
    let photo = saved(".jpg");
    assert!(!holds(&photo, "GPS-CANARY"), "where it was taken went along");
    // Ana has the same in her own copy.
    shown(at_ana.reload()).wait_for(".mine neo-dm-file.is-open img");
    // The server has none of it.
    for file in files(&pair.server.data()) {
        for canary in ["TIDE-CANARY", "GPS-CANARY", "fog.jpg", "Both at once"] {
            assert!(!holds(&file, canary), "the server has {canary}");
        }
    }
    // A picture's room is kept before it is there: nothing jumps.
    let png = drawn(&at_ana, 40, 30);
    attach(&at_ana, "dot.png", "image/png", &png);
    at_ana.focus("#say").press("Enter");
    at_bob.wait_for(".message neo-dm-file \"dot.png\"");
}

#[test]
fn what_is_written_without_a_line_goes_out_once_it_is_back() {
    let pair = Pair::new();
    let (at_ana, at_bob) = pair.talking();
    at_ana
        .allow("ERR_INTERNET_DISCONNECTED")
        .allow("WebSocket")
        .allow("ERR_");
    at_ana.offline(true).wait_for(".offline");
    talk(&at_ana, "Into the void.").wait_for(".message.pending \"not sent yet\"");
    assert_eq!(at_ana.value("#say"), "");
    at_ana.fill("#say", "A draft for later");
    at_ana.wait_until("document.querySelector('neo-dm-composer:state(kept)')");
    // The page is gone, and with it all but what the device keeps, sealed.
    at_ana.goto("about:blank").offline(false);
    at_ana.goto(&pair.server.url("/dm/bob"));
    shown(&at_ana).wait_for(".message.mine:not(.pending) \"Into the void.\"");
    at_bob.wait_for(".message \"Into the void.\"");
    assert_eq!(at_bob.count(".message \"Into the void.\""), 1);
    assert_eq!(at_ana.value("#say"), "A draft for later");
    // What bob says meanwhile comes when she is back.
    at_ana.offline(true).wait_for(".offline");
    talk(&at_bob, "You were away.");
    at_bob.wait_for(".message.mine:not(.pending) \"You were away.\"");
    at_ana.offline(false).wait_for(".message \"You were away.\"");
    assert!(!at_ana.has(".alarm"));
}

/// Everything that a page's origin keeps on the device, as one text.
fn kept(page: &Page) -> String {
    let kept = page.eval(
        "(async () => {
            const seen = { local: { ...localStorage }, session: { ...sessionStorage }, history: history.state, caches: await caches.keys(), databases: {} }
            for (const { name } of await indexedDB.databases()) {
                const db = await new Promise((resolve, reject) => { const opening = indexedDB.open(name); opening.onsuccess = () => resolve(opening.result); opening.onerror = () => reject(opening.error) })
                seen.databases[name] = {}
                for (const store of db.objectStoreNames) {
                    const all = await new Promise((resolve) => { db.transaction(store).objectStore(store).getAll().onsuccess = ({ target }) => resolve(target.result) })
                    const latin = (bytes) => [...bytes].map((byte) => String.fromCharCode(byte)).join('')
                    seen.databases[name][store] = JSON.stringify(all, (_, value) => value instanceof ArrayBuffer ? latin(new Uint8Array(value)) : ArrayBuffer.isView(value) ? latin(new Uint8Array(value.buffer)) : value)
                }
                db.close()
            }
            return JSON.stringify(seen)
        })()",
    );
    kept.as_str().expect("a text").to_owned()
}

#[test]
fn a_log_out_leaves_nothing_readable_on_the_device() {
    let pair = Pair::new();
    let (at_ana, at_bob) = pair.talking();
    talk(&at_ana, "OWN-CANARY").wait_for(".message.mine:not(.pending) \"OWN-CANARY\"");
    talk(&at_bob, "THEIR-CANARY");
    at_ana.wait_for(".message \"THEIR-CANARY\"");
    attach(&at_ana, "NAME-CANARY.txt", "text/plain", b"FILE-CANARY");
    at_ana
        .focus("#say")
        .press("Enter")
        .wait_for(".message.mine:not(.pending) neo-dm-file \"NAME-CANARY\"");
    at_ana
        .click("[data-key=search]")
        .fill("#dm-q", "their-canary")
        .press("Enter")
        .wait_for(".hits mark \"THEIR-CANARY\"");
    at_ana
        .allow("ERR_INTERNET_DISCONNECTED")
        .allow("WebSocket")
        .allow("ERR_");
    at_ana.offline(true).wait_for(".offline");
    talk(&at_ana, "PENDING-CANARY").wait_for(".message.pending \"PENDING-CANARY\"");
    at_ana
        .fill("#say", "DRAFT-CANARY")
        .wait_until("document.querySelector('neo-dm-composer:state(kept)')");
    // While she is logged in there are keys, which can't be read out, and nothing in the clear.
    let during = kept(&at_ana);
    assert!(during.contains("neospace-dm"), "the device keeps nothing: {during}");
    assert!(!during.contains("-CANARY"), "in the clear: {during}");
    at_ana.offline(false).goto(&pair.server.url("/settings"));
    at_ana
        .click("form[action=\"/logout\"] button")
        .wait_until("location.pathname === '/' || location.pathname === '/login'");
    at_ana.wait_until("indexedDB.databases().then(found => found.length === 0)");
    let after = kept(&at_ana);
    assert!(!after.contains("-CANARY") && !after.contains("neospace-dm"), "{after}");
    // Going back shows nothing either.
    at_ana.eval("history.go(-2)");
    at_ana.wait_until("document.readyState === 'complete' && location.pathname !== '/settings'");
    let shown = at_ana.eval("document.documentElement.outerHTML");
    assert!(!shown.as_str().unwrap_or_default().contains("-CANARY"));
}

/// Takes pictures of a page at both widths, and demands that nobody is shut out from it and that it fits.
#[track_caller]
fn inspect(page: &Page, name: &str) {
    for (width, height) in [(1280, 800), (390, 844)] {
        page.viewport(width, height);
        page.wait_until("document.fonts.status === 'loaded'");
        page.check_accessibility();
        assert!(!page.overflows(), "{name} is wider than {width} pixels");
        page.screenshot(&format!("dm-{name}-{width}"));
    }
    page.scheme("dark").check_accessibility();
    page.screenshot(&format!("dm-{name}-390-dark"));
    page.scheme("light").viewport(1280, 800);
}

#[test]
fn every_page_and_state_is_for_everybody_at_both_widths() {
    let pair = Pair::new();
    let cyd = pair.server.person("cyd");
    let (at_ana, at_bob) = (device(&pair.browser, &pair.ana), device(&pair.browser, &pair.bob));
    // Without keys, before the first ones are made.
    at_ana.goto(&pair.server.url("/dm/bob")).wait_for("#dm-password");
    inspect(&at_ana, "none");
    open(&at_ana, &pair.server, "/dm/bob").wait_for(".keyless \"bob has no keys yet\"");
    inspect(&at_ana, "keyless");
    open(&at_bob, &pair.server, "/dm/ana").wait_for(".nothing \"Nothing yet\"");
    talk(&at_bob, "Good evening. https://example.org has the timetable.");
    not_now(&at_bob).wait_for(".message:not(.pending)");
    // A device without keys.
    let elsewhere = device(&pair.browser, &pair.bob);
    elsewhere.goto(&pair.server.url("/dm")).wait_for("#dm-password");
    inspect(&elsewhere, "locked");
    // A request, in the list and in the conversation.
    open(&at_ana, &pair.server, "/dm").wait_for("[data-part=request] .preview \"Good evening\"");
    inspect(&at_ana, "inbox");
    open(&at_ana, &pair.server, "/dm/bob").wait_for("neo-dm-request button");
    inspect(&at_ana, "request");
    at_ana
        .click("neo-dm-request button \"Accept\"")
        .wait_gone("neo-dm-request button");
    // The conversation, with all that a message can have.
    talk(&at_ana, "Ferry at eight.");
    not_now(&at_ana).wait_for(".message.mine:not(.pending)");
    at_ana.fill("#say", "").press("ArrowUp");
    talk(&at_ana, "Ferry at nine.").wait_for(".history:not([hidden])");
    at_ana.focus(".message:not(.mine)").press("r");
    talk(&at_ana, "مرحبا، كيف حالك؟").wait_for(".message:not(.pending) .quote \"bob: Good evening\"");
    let png = drawn(&at_ana, 640, 400);
    at_ana.wait_for(".attach");
    attach(&at_ana, "fog.png", "image/png", &png);
    at_ana.wait_for(".attached li");
    inspect(&at_ana, "attached");
    at_ana.focus("#say").press("Enter").wait_for("neo-dm-file.is-open img");
    inspect(&at_ana, "talk");
    at_ana
        .click("[data-key=search]")
        .fill("#dm-q", "ferry")
        .press("Enter")
        .wait_for(".hits mark \"Ferry\"");
    inspect(&at_ana, "search");
    at_ana.click("neo-dm-search button \"Close\"");
    at_ana.focus(".message.mine").press("Delete").wait_for("dialog#really");
    inspect(&at_ana, "delete");
    at_ana.press("Escape").wait_gone("dialog#really");
    at_ana
        .focus(".message:not(.mine)")
        .click(".message:not(.mine) [data-do=report]")
        .wait_for("dialog .reveals");
    inspect(&at_ana, "report");
    at_ana
        .press("Escape")
        .click(".title .asks-what")
        .wait_for("dialog.sees");
    inspect(&at_ana, "sees");
    at_ana.press("Escape").click(".menu-button").wait_for("#dm-menu");
    at_ana.check_accessibility();
    at_ana
        .click("#dm-menu button \"Block\"")
        .click("#block-really button \"Block bob\"")
        .wait_for(".blocked");
    inspect(&at_ana, "blocked");
    at_ana.goto(&pair.server.url("/desk?dm=bob"));
    shown(&at_ana).wait_for(".message");
    inspect(&at_ana, "desk");
    // Anybody may look at the key log.
    let guest = pair.browser.page();
    guest.goto(&pair.server.url("/keys")).wait_for(".keylog li");
    guest.click(".keylog summary");
    inspect(&guest, "keys");
    guest.fill("#name", "bob").press("Enter").wait_for("h2 \"Keys of bob\"");
    // The ways to it.
    let at_cyd = device(&pair.browser, &cyd);
    at_cyd
        .goto(&pair.server.url("/wall/ana"))
        .click(".write a")
        .wait_for_path("/dm/ana");
    at_cyd
        .goto(&pair.server.url("/directory"))
        .click("a.write[href=\"/dm/bob\"]")
        .wait_for_path("/dm/bob");
    at_cyd.goto(&pair.server.url("/dm/cyd")).wait_for_path("/dm");
    at_cyd.fill("#dm-password", PASSWORD).press("Enter");
    shown(&at_cyd);
    at_cyd.allow("404");
    at_cyd
        .fill("#whom", "nobody-here")
        .press("Enter")
        .wait_for(".error \"Nobody here is called nobody-here\"");
    at_cyd.fill("#whom", "x!").press("Enter").wait_for(".error \"3 to 24\"");
    at_cyd.fill("#whom", "Ana").press("Enter").wait_for_path("/dm/ana");
}

#[test]
fn the_keyboard_is_enough() {
    let pair = Pair::new();
    let (at_ana, at_bob) = pair.talking();
    // Search, and back to where one was.
    at_ana.eval("document.activeElement.blur()");
    at_ana.press("/").wait_until("document.activeElement.id === 'dm-q'");
    at_ana.type_text("lamp").press("Enter").wait_for(".hits mark \"lamp\"");
    at_ana
        .press("Tab")
        .press("Tab")
        .press("Tab")
        .press("Enter")
        .wait_for(".found \"Did the lamp\"");
    at_ana.wait_until("document.activeElement.matches('.message.found')");
    // From message to message; an answer; never mind.
    at_ana
        .press("ArrowDown")
        .wait_until("document.activeElement.textContent.includes('It did.')");
    at_ana.press("r").wait_for(".regarding \"Answering bob: It did.\"");
    at_ana.wait_until("document.activeElement.id === 'say'");
    at_ana.press("Escape").wait_gone(".regarding");
    // While one types, letters are letters.
    at_ana
        .type_text("r/?c")
        .wait_until("document.querySelector('#say').value === 'r/?c'");
    at_ana.fill("#say", "");
    // What one can do with a message is reached with Tab.
    at_ana.focus(".message:not(.mine)").press("Tab");
    at_ana.wait_until("document.activeElement.dataset.do === 'reply'");
    at_ana.press("Escape").eval("document.activeElement.blur()");
    at_ana.press("?").wait_for("dialog#keys");
    at_ana.press("Escape").wait_gone("dialog#keys");
    at_ana.press("c").wait_until("document.activeElement.id === 'say'");
    // The menu and its dialogs.
    at_ana.focus(".menu-button").press("Enter").wait_for("#dm-menu");
    at_ana.press("Tab").press("Enter").wait_for("dialog.safety");
    at_ana.press("Escape").wait_gone("dialog.safety");
    // At the desk the rooms and people are one list, up and down.
    at_bob.goto(&pair.server.url("/desk?room=lobby"));
    at_bob.wait_for("neo-dms a[data-with=ana]");
    at_bob.press("Alt+ArrowUp");
    shown(&at_bob).wait_for(".message \"It did.\"");
    at_bob.eval("history.back()");
    at_bob.wait_for("neo-room");
    at_bob.eval("history.forward()");
    shown(&at_bob).wait_for(".message \"It did.\"");
}

#[test]
fn a_long_conversation_is_searched_here_and_read_by_the_command_line() {
    let limits =
        "[limits]\ndms_per_minute = 10000\ndm_conversation_per_minute = 10000\naddress_posts_per_minute = 10000";
    let pair = Pair::on(Server::builder().config(limits).start());
    let mut anas = pair.ana.dm();
    let mut bobs = pair.bob.dm();
    let (ana, bob) = (anas.name().clone(), bobs.name().clone());
    anas.say(&bob, "The snail has a name.").expect("it is stored");
    bobs.say(&ana, "Tell me.").expect("it is stored");
    for line in 0..70 {
        anas.say(&bob, &format!("Line {line}")).expect("it is stored");
    }
    let page = device(&pair.browser, &pair.bob);
    open(&page, &pair.server, "/dm/ana").wait_for(".message \"Line 69\"");
    assert!(
        !page.has(".message \"The snail has a name.\""),
        "only the newest are loaded"
    );
    page.click("[data-key=search]")
        .fill("#dm-q", "SNAIL name")
        .press("Enter");
    page.wait_for(".hits mark \"snail\"").wait_for(".hits mark \"name\"");
    assert_eq!(page.count(".hits li"), 1);
    let sent = page.sent().join("\n");
    assert!(
        !sent.to_lowercase().contains("snail"),
        "the server was told what is looked for"
    );
    page.click(".hits button").wait_for(".found \"The snail has a name.\"");
    page.fill("#dm-q", "whale")
        .press("Enter")
        .wait_for("neo-dm-search \"Nobody said that here\"");
    assert!(!page.has(".alarm"));
    // Both clients of bob's speak with one voice, and each reads the other.
    talk(&page, "Out with it.");
    not_now(&page).wait_for(".message.mine:not(.pending) \"Out with it.\"");
    bobs.say(&ana, "I can wait.").expect("it is stored");
    page.wait_for(".message.mine \"I can wait.\"");
    let texts = anas.texts("bob");
    assert_eq!(texts.last().map(String::as_str), Some("I can wait."));
    assert!(texts.contains(&"Out with it.".into()));
    assert!(anas.alarms("bob").is_empty() && bobs.alarms("ana").is_empty());
}

#[test]
fn without_scripts_or_a_secure_line_the_page_says_what_is_missing() {
    let pair = Pair::new();
    let page = device(&pair.browser, &pair.ana);
    page.javascript(false).goto(&pair.server.url("/dm/bob"));
    page.wait_for(".gate \"This needs JavaScript\"");
    assert!(!page.has("#say"));
    page.javascript(true);
    // Plain http anywhere but on the machine itself: there is no cryptography.
    let far = Browser::start_with(&["--host-resolver-rules=MAP node.example 127.0.0.1"]);
    let page = far.page_of(&pair.ana);
    let origin = pair.ana.origin().replace("127.0.0.1", "node.example");
    for (name, value) in pair.ana.cookies() {
        page.call(
            "Network.setCookie",
            json!({ "name": name, "value": value, "url": origin }),
        );
    }
    page.allow("WebSocket").allow("Cross-Origin-Opener-Policy").allow("403");
    page.goto(&format!("{origin}/dm/bob"));
    page.wait_for(".gate \"Not over this line\"");
    assert!(!page.has("#say"));
}
