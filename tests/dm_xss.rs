//! Texts that have run scripts somewhere, through everything in direct messages that another member can fill: decrypted
//! text, changed text, answers, names and types of files, pictures, reasons of reports. Nothing runs, with the content
//! security policy in force and without it.

use neospace_dm::{b64, file};
use neospace_tests::{
    Browser, Page, Proxy, Server,
    forger::{Forger, now, text_body},
    markup,
    person::PASSWORD,
};
use serde_json::{Value, json};

/// Fails if anything ran, or stands ready to run once somebody presses or points at it.
#[track_caller]
fn nothing_ran(page: &Page, where_: &str) {
    let found = page.eval(
        "(() => {
            const found = [...(window.ran ?? [])]
            for (const part of document.querySelectorAll('.letters, neo-dms ul, .hits, neo-dm-report, neo-dm-alarms, neo-dm-remove, .regarding, .announcer')) {
                for (const element of part.querySelectorAll('*')) {
                    if (/^(script|iframe|object|embed|base|link|meta|style|svg|math|animate|set|video|audio|marquee)$/i.test(element.localName)) found.push(element.outerHTML)
                    for (const { name, value } of element.attributes) {
                        if (/^on/i.test(name) || name === 'srcdoc') found.push(element.outerHTML)
                        if (/^(href|src|action|formaction|xlink:href|data)$/i.test(name) && !/^(https?|blob):$/.test(new URL(value, location).protocol)) found.push(element.outerHTML)
                    }
                }
            }
            return found
        })()",
    );
    assert_eq!(found, json!([]), "{where_}");
    assert_eq!(page.dialogs(), Vec::<String>::new(), "{where_}");
}

/// A server on which nobody writes too often.
fn server() -> Server {
    Server::builder().config("[limits]\ndms_per_minute = 1000000\ndm_conversation_per_minute = 1000000\naddress_posts_per_minute = 1000000").start()
}

fn try_vectors(policy: bool) {
    let mut vectors = markup::vectors();
    assert!(vectors.len() >= 300, "only {} vectors", vectors.len());
    if policy {
        // What doesn't run without the policy doesn't run with it: here a part is enough.
        vectors = vectors.into_iter().step_by(4).collect();
    }
    let server = server();
    let ana = Forger::enter(server.person("ana"));
    let bob = server.person("bob");
    let bob_name = bob.name.parse().expect("a name");
    let door = Proxy::before(&server);
    let browser = Browser::start();
    let page = browser.page_of(&door.door_for(&bob));
    page.call("Page.setBypassCSP", json!({ "enabled": !policy }));
    let spy = "window.ran = []; for (const name of ['alert', 'confirm', 'prompt', 'print', 'open', 'xss']) window[name] = (...told) => { window.ran.push(name + ' ' + told) }";
    page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": spy }));
    page.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
    page.goto(&door.url("/dm"));
    page.fill("#dm-password", PASSWORD).press("Enter");
    page.wait_until("document.querySelector('neo-dm-inbox')?.dataset.state === 'ready'");
    ana.say(&bob_name, "hello");
    bob.request("POST", "/dm/ana/accept")
        .body("application/json", "{}")
        .send();

    // What the protocol lets through; the rest is another test's.
    let plain = |text: &str| -> String {
        text.chars()
            .filter(|c| !c.is_control() || matches!(c, '\t' | '\n'))
            .collect()
    };
    let file_name = |text: &str| -> String {
        let named: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '/' | '\\' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')).take(200).collect();
        if named.is_empty() { "file".into() } else { named }
    };
    let file_type = |text: &str| -> String {
        let kind: String = text.chars().filter(|c| matches!(c, ' '..='~')).take(100).collect();
        if kind.is_empty() { "text/html".into() } else { kind }
    };
    // A page that calls itself a picture.
    let page_as_picture =
        b"<!doctype html><script>alert(1)</script><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec();
    let key = file::fresh_key();
    let (recipient, log) = (ana.identity_of(&bob_name), ana.log());
    let mut place = ana.place(&bob_name);
    let mut say = |body: Value, files: &[String]| {
        let sealed = ana.seal(
            &bob_name,
            &ana.header_at(&bob_name, recipient, place, log),
            body.to_string().as_bytes(),
        );
        ana.post_with(&bob_name, &sealed, files).expect(201);
        place.mine = sealed.position();
        place.mine.counter
    };
    page.goto(&door.url("/dm/ana"));
    page.wait_until("document.querySelector('neo-dm')?.dataset.state === 'ready'");
    let ids: Vec<String> = (0..4)
        .map(|_| ana.upload(&bob_name, file::seal(&key, page_as_picture.clone())))
        .collect();
    let mut bring = ids.clone();
    let mut last = 1;
    for some in vectors.chunks(8) {
        for vector in some {
            let text = plain(vector);
            if text.is_empty() {
                continue;
            }
            // Heard as it comes, and as an answer to the one before.
            let mut body = text_body(&text);
            body["reply"] = json!({ "of": "mine", "counter": last });
            last = say(body, &[]);
        }
        // Eight at a time as names and types of files that a message has; pictures are opened by themselves.
        let files: Vec<Value> = some.iter().enumerate().map(|(nth, vector)| {
            let id = &ids[nth % ids.len()];
            let kind = match nth % 4 {
                0 => "image/png".into(),
                1 => "image/svg+xml".into(),
                2 => "text/html".into(),
                _ => file_type(vector),
            };
            json!({ "id": id, "key": b64::encode(*key), "size": page_as_picture.len(), "name": file_name(vector), "type": kind, "width": 10, "height": 10 })
        }).collect();
        // The server doesn't know which files a body names: all name the first message's.
        say(
            json!({ "type": "text", "at": now(), "text": "", "files": files }),
            std::mem::take(&mut bring).as_slice(),
        );
        say(
            json!({ "type": "edit", "at": now(), "target": last, "text": plain(&some[0]) }),
            &[],
        );
    }
    let end = say(text_body("the end"), &[]);
    page.wait_for(".message \"the end\"");
    nothing_ran(&page, "as they came");
    assert!(end as usize > vectors.len(), "{end}");
    // Again as a page, all the way up, pictures and files with it.
    page.goto("about:blank").goto(&door.url("/dm/ana"));
    page.wait_for(".message \"the end\"");
    for _ in 0..20 {
        if page.eval("document.querySelector('[data-key=\"theirs:1\"]') !== null") == true {
            break;
        }
        // Older ones push what is in sight down: up again until there are more.
        let lines = page.eval("document.querySelectorAll('.letters .message').length");
        page.wait_until(&format!(
            "(document.querySelector('.rolls').scrollTop = 0, document.querySelectorAll('.letters .message').length > {lines} || document.querySelector('.older').hidden)"
        ));
    }
    nothing_ran(&page, "as history");
    // Answered, reported, about to be deleted, looked for.
    for (what, selector) in [
        ("reply", "[data-do=reply]"),
        ("report", "[data-do=report]"),
        ("delete", "[data-do=delete]"),
    ] {
        page.eval(&format!(
            "(() => {{ for (const message of [...document.querySelectorAll('.letters .message')].slice(0, 150)) {{ message.querySelector('{selector}')?.click(); for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close() }} }})()"
        ));
        nothing_ran(&page, what);
    }
    for history in [
        "document.querySelectorAll('.history').forEach(one => { one.open = true })",
        "document.querySelectorAll('.letters .picture').forEach(one => one.click())",
    ] {
        page.eval(history);
        nothing_ran(&page, history);
    }
    page.eval("document.querySelector('[data-key=search]').click()");
    for word in ["script", "alert", "onerror", "javascript"] {
        page.fill("#dm-q", word).press("Enter").wait_for(".hits li");
        nothing_ran(&page, &format!("what is found of {word}"));
    }
    // The list with what was said last, and a picture that is a page, opened by its own address.
    for vector in vectors.iter().step_by(vectors.len() / 4) {
        if plain(vector).is_empty() {
            continue;
        }
        say(text_body(&plain(vector)), &[]);
        page.goto("about:blank").goto(&door.url("/dm"));
        page.wait_until("document.querySelector('neo-dms a[data-with=ana] .preview')?.textContent");
        nothing_ran(&page, &format!("{vector:?} in the list"));
    }
    // The trap itself snaps, once there is nothing in between.
    if !policy {
        page.allow("404").eval("(() => { const image = new Image(); image.setAttribute('onerror', 'alert(1)'); image.src = '/nothing/here.png'; document.querySelector('main').append(image) })()");
        page.wait_until("window.ran.includes('alert 1')");
    }
}

#[test]
fn what_was_sealed_is_text_with_the_policy_in_force() {
    try_vectors(true);
}

#[test]
fn what_was_sealed_is_text_without_the_policy() {
    try_vectors(false);
}
