//! The keys of an account in Chromium: made at registration, brought to other devices by the password or the recovery code, wrapped anew
//! with another password, replaced after a theft; and gone from a device that nobody is logged in on.

use neospace_tests::{Browser, Page, Person, Server, person::PASSWORD};
use serde_json::{Value, json};

const OTHER: &str = "quite another silly sentence";

/// Registers through the page, as people do.
fn register(server: &Server, browser: &Browser, name: &str) -> Page {
    let page = browser.page();
    page.goto(&server.url("/register"));
    page.fill("#register-name", name).fill("#register-password", PASSWORD);
    page.click("neo-register button[type=submit]").wait_for_path("/welcome");
    page.goto(&server.url(&format!("/wall/{name}")));
    page
}

fn log_in(page: &Page, server: &Server, name: &str, password: &str) {
    page.goto(&server.url("/login"));
    page.fill("#login-name", name).fill("#login-password", password);
    page.click("neo-login button[type=submit]")
        .wait_for_path(&format!("/wall/{name}"));
}

fn log_out(page: &Page, server: &Server) {
    page.goto(&server.url("/settings"));
    page.click("form[action='/logout'] button \"Log out\"")
        .wait_for_path("/");
}

/// Whose keys this device has, as far as other pages can tell, and the databases that there are.
fn kept(page: &Page) -> Value {
    page.eval("indexedDB.databases().then(all => ({ owner: localStorage.getItem('dm:owner'), databases: all.map(({ name }) => name) }))")
}

fn keys_of(name: &str) -> Value {
    json!({ "owner": name, "databases": ["neospace-dm"] })
}

fn nothing() -> Value {
    json!({ "owner": null, "databases": [] })
}

/// Calls something of `ui/js/dm/client.js`, on a page that has the modules' import map.
fn client(page: &Page, call: &str) -> Value {
    let base = r#"JSON.parse(document.querySelector("script[type=importmap]").textContent).imports["@hpke/common"]"#;
    page.eval(&format!(
        r#"import({base}.replace("hpke-common.js", "client.js")).then(async client => {{ {call} }})"#
    ))
}

/// What `openClient` says there.
fn state(page: &Page) -> Value {
    client(page, "const { state } = await client.openClient(); return state")
}

/// How many entries the key log has of somebody.
fn generations(person: &Person, name: &str) -> usize {
    let answer = person.get_json("/keys?after=0");
    let entries = answer.expect(200).json()["entries"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    // The name stands behind its length in each entry.
    let mark = format!(
        "{}{name}",
        char::from(u8::try_from(name.len()).expect("names are short"))
    );
    let mark = mark.as_bytes();
    let holds = |entry: &&Value| {
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            entry.as_str().unwrap_or_default(),
        );
        bytes
            .expect("entries are base64url")
            .windows(mark.len())
            .any(|window| window == mark)
    };
    entries.iter().filter(holds).count()
}

/// Types the password into the settings' part about keys, presses a button, and answers the code that is shown.
fn make_code(page: &Page, server: &Server, password: &str, button: &str) -> String {
    page.goto(&server.url("/settings"));
    page.wait_for("#keys-standing \"You have keys\"");
    if button.contains("new keys") {
        page.click("neo-own-keys summary");
    }
    page.fill("#keys-password", password).click(button);
    page.wait_for("neo-own-keys [data-code]:not([hidden])");
    let code = page.text("neo-own-keys output.groups");
    assert_eq!(code.len(), 34, "{code}");
    code
}

/// Types the two groups back that are asked for.
fn type_back(page: &Page, code: &str) {
    for nth in [1, 2] {
        let label = page.text(&format!("label[for=keys-group-{nth}]"));
        let number: usize = label
            .trim_start_matches("Group ")
            .parse()
            .expect("the label names a group");
        page.fill(
            &format!("#keys-group-{nth}"),
            &code
                .split('-')
                .nth(number - 1)
                .expect("it is one of seven")
                .to_lowercase(),
        );
    }
    page.click("neo-own-keys [data-code] button")
        .wait_for("#keys-standing \"There is a recovery code\"");
}

#[test]
fn keys_come_with_the_account_and_with_the_password_and_go_with_the_log_out() {
    let (server, browser) = (Server::start(), Browser::start());
    let page = register(&server, &browser, "ana");
    assert_eq!(kept(&page), keys_of("ana"));
    assert_eq!(generations(&server.guest(), "ana"), 1);

    log_out(&page, &server);
    page.wait_until("indexedDB.databases().then(all => all.length === 0)");
    assert_eq!(kept(&page), nothing());

    // On another device, the same keys: no others are made.
    let elsewhere = browser.page();
    log_in(&elsewhere, &server, "ana", PASSWORD);
    assert_eq!(kept(&elsewhere), keys_of("ana"));
    assert_eq!(generations(&server.guest(), "ana"), 1);

    // Somebody else at the same device doesn't find them.
    elsewhere.goto(&server.url("/login"));
    elsewhere.call("Network.clearBrowserCookies", json!({}));
    elsewhere
        .goto(&server.url("/"))
        .wait_until("localStorage.getItem('dm:owner') === null");
    elsewhere.wait_until("indexedDB.databases().then(all => all.length === 0)");

    // A page that doesn't know who looks, such as a refusal, leaves them alone.
    log_in(&elsewhere, &server, "ana", PASSWORD);
    elsewhere.allow("404");
    elsewhere.goto(&server.url("/wall/nobody-at-all"));
    assert_eq!(kept(&elsewhere), keys_of("ana"));
}

#[test]
fn a_recovery_code_brings_account_and_keys_back() {
    let (server, browser) = (Server::start(), Browser::start());
    let page = register(&server, &browser, "ana");
    page.goto(&server.url("/settings"));
    page.wait_for("#keys-standing \"There is no recovery code\"");

    // The password is asked for, and proved.
    page.allow("422");
    page.fill("#keys-password", "not my password at all")
        .click("neo-own-keys button \"Make a recovery code\"");
    page.wait_for("neo-own-keys .field.bad \"not your password\"");
    let code = make_code(&page, &server, PASSWORD, "neo-own-keys button \"Make a recovery code\"");
    page.check_accessibility();

    // Two groups that are wrong don't count.
    page.fill("#keys-group-1", "0000")
        .fill("#keys-group-2", "0000")
        .click("neo-own-keys [data-code] button");
    page.wait_for("neo-own-keys [data-code] .bad \"That isn't what stands there\"");
    type_back(&page, &code);
    log_out(&page, &server);

    // On a new device.
    let fresh = browser.page();
    fresh.goto(&server.url("/login")).click(".lost summary");
    fresh.click(".lost a \"come in with that\"").wait_for_path("/recover");
    fresh.check_accessibility();
    fresh.allow("422");
    let (typo, button) = (format!("{}0", &code[..33]), "neo-recover button[type=submit]");
    fresh
        .fill("#recover-name", "Ana")
        .fill("#recover-code", &typo)
        .fill("#recover-password", OTHER);
    fresh
        .click(button)
        .wait_for(".field[data-field=recovery].bad \"That is no recovery code\"");
    fresh
        .fill("#recover-name", "bob")
        .fill("#recover-code", &code.replace('-', " ").to_lowercase());
    fresh
        .click(button)
        .wait_for(".field[data-field=recovery].bad \"don't go together\"");
    fresh.fill("#recover-name", "Ana").click(button).wait_for_path("/dm");
    assert_eq!(kept(&fresh), keys_of("ana"));
    assert_eq!(state(&fresh), "ready");
    assert_eq!(generations(&server.guest(), "ana"), 1);

    // The new password is the account's.
    assert_eq!(Person::new("ana", server.address()).try_log_in(PASSWORD).status, 422);
    let again = browser.page();
    log_in(&again, &server, "ana", OTHER);
    assert_eq!(kept(&again), keys_of("ana"));
}

#[test]
fn another_password_wraps_the_keys_anew() {
    let (server, browser) = (Server::start(), Browser::start());
    let page = register(&server, &browser, "ana");
    page.goto(&server.url("/settings"));
    page.fill("#password-current", PASSWORD).fill("#password-new", OTHER);
    page.click("neo-password button[type=submit]")
        .wait_for(".notice \"Your password is changed\"");

    let elsewhere = browser.page();
    log_in(&elsewhere, &server, "ana", OTHER);
    assert_eq!(kept(&elsewhere), keys_of("ana"));
    elsewhere.goto(&server.url("/dm"));
    assert_eq!(state(&elsewhere), "ready");
    assert_eq!(generations(&server.guest(), "ana"), 1);
}

#[test]
fn new_keys_void_the_old_code_and_lock_the_other_devices() {
    let (server, browser) = (Server::start(), Browser::start());
    let page = register(&server, &browser, "ana");
    let first = make_code(&page, &server, PASSWORD, "neo-own-keys button \"Make a recovery code\"");
    type_back(&page, &first);
    let elsewhere = browser.page();
    log_in(&elsewhere, &server, "ana", PASSWORD);

    let second = make_code(&page, &server, PASSWORD, "neo-own-keys button \"Make new keys\"");
    assert_ne!(first, second);
    type_back(&page, &second);
    page.wait_for("#keys-standing \"You made new ones 1 time.\"");
    assert_eq!(generations(&server.guest(), "ana"), 2);
    page.goto(&server.url("/dm"));
    assert_eq!(state(&page), "ready");

    // The other device needs the password once more.
    elsewhere.goto(&server.url("/dm"));
    assert_eq!(state(&elsewhere), "locked");
    client(&elsewhere, &format!("await client.unlock({})", json!(PASSWORD)));
    assert_eq!(state(&elsewhere), "ready");

    // The code of before opens nothing.
    let fresh = browser.page();
    fresh.allow("422");
    fresh.goto(&server.url("/recover"));
    fresh
        .fill("#recover-name", "ana")
        .fill("#recover-code", &first)
        .fill("#recover-password", OTHER);
    fresh
        .click("neo-recover button[type=submit]")
        .wait_for(".field[data-field=recovery].bad \"don't go together\"");
    fresh
        .fill("#recover-code", &second)
        .click("neo-recover button[type=submit]")
        .wait_for_path("/dm");
    assert_eq!(state(&fresh), "ready");
}
