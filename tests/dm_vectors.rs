//! The protocol of direct messages as browsers speak it: `ui/js/dm` held to the vectors of a third implementation and of third parties,
//! in Chromium. (`dm_protocol.rs` holds the Rust to the same.)

use std::fs;

use neospace_tests::{Browser, Page, Server, root};
use serde_json::{Value, json};

fn vectors(file: &str) -> Value {
    let path = root().join("tests/vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("vectors are JSON")
}

/// A page that has the modules' import map.
fn page(server: &Server, browser: &Browser) -> Page {
    let page = browser.page_of(&server.person("ana"));
    page.goto(&server.url("/dm"));
    page
}

#[test]
fn browsers_do_what_every_vector_says() {
    let (server, browser) = (Server::start(), Browser::start());
    let page = page(&server, &browser);
    let vectors = json!({
        "dm": vectors("dm.json"),
        "hpke": vectors("third-party/hpke.json"),
        "x25519": vectors("third-party/x25519.json"),
        "ed25519": vectors("third-party/ed25519.json"),
        "aes_gcm": vectors("third-party/aes_gcm.json"),
        "hkdf": vectors("third-party/hkdf_sha256.json"),
    });
    let script = include_str!("dm_vectors.js");
    let script = &script[script.find("async (vectors)").expect("the script is one function")..];
    let found = page.eval(&format!("({})({vectors})", script.trim_end()));
    assert_eq!(found["failed"], json!([]));
    let checks = found["checks"].as_u64().unwrap_or_default();
    assert!(checks > 1_400, "only {checks} checks were made");
}

#[test]
fn no_two_copies_of_a_thousand_messages_share_a_key_and_a_nonce() {
    let (server, browser) = (Server::start(), Browser::start());
    let page = page(&server, &browser);
    let pairs = page.eval(
        r#"(async () => {
            const base = JSON.parse(document.querySelector("script[type=importmap]").textContent).imports["@hpke/common"].replace("hpke-common.js", "")
            const [message, keys, bytes] = await Promise.all(["message", "keys", "bytes"].map(name => import(`${base}${name}.js`)))
            const { subtle } = crypto
            const encrypt = subtle.encrypt.bind(subtle)
            const used = new Set()
            let sealed = 0
            subtle.encrypt = async (algorithm, key, data) => {
                const raw = new Uint8Array(await subtle.exportKey("raw", key))
                used.add(`${bytes.toBase64url(raw)} ${bytes.toBase64url(new Uint8Array(algorithm.iv))}`)
                sealed++
                return encrypt(algorithm, key, data)
            }
            const ana = { name: "ana", keys: await keys.deriveKeys("ana", keys.makeRoot()) }
            const bob = { name: "bob", identity: (await keys.deriveKeys("bob", keys.makeRoot())).identity }
            const place = { counter: 1, previous: new Uint8Array(32), seen: { counter: 0, hash: new Uint8Array(32) }, log: { size: 0, head: new Uint8Array(32) } }
            const body = message.encodeBody({ type: "text", at: 1, text: "the same each time" })
            for (let nth = 0; nth < 1000; nth++) await message.seal(ana, bob, place, body)
            return { sealed, used: used.size }
        })()"#,
    );
    assert_eq!(pairs, json!({ "sealed": 2000, "used": 2000 }));
}
