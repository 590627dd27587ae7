//! The protocol of direct messages in Rust, held to vectors: our own, which a third implementation wrote
//! (`vectors/dm.py`), and those that others hold theirs to. `tests/dm_vectors.rs` runs the same files in a browser.

use neospace_dm::{
    Alarm, Name, b64, file,
    keys::{self, Identity, Keyring, Keys, Kind, RecoveryCode, Root},
    log::{self, Entry, Head, Log},
    message::{self, Body, Copy, Header},
    notebook::Notebook,
    safety, sha256,
};
use serde_json::Value;

/// Our vectors.
fn ours() -> Value {
    serde_json::from_str(include_str!("vectors/dm.json")).expect("the vectors are JSON")
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    let list = of[name].as_array().map_or(&[][..], Vec::as_slice);
    assert!(!list.is_empty(), "there are vectors for {name}");
    list
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("{name} is text in {of}"))
}

fn number(of: &Value, name: &str) -> u64 {
    of[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} is a number in {of}"))
}

fn bytes<T: TryFrom<Vec<u8>>>(of: &Value, name: &str) -> T {
    b64::decode(text(of, name)).unwrap_or_else(|| panic!("{name} is as many bytes as it must be in {of}"))
}

fn name(of: &Value, field: &str) -> Name {
    text(of, field).parse().expect("a name")
}

fn root(of: &Value, field: &str) -> Root {
    Root::from(bytes::<[u8; 32]>(of, field))
}

fn public(of: &Value) -> Keys {
    Keys {
        identity: bytes(of, "identity"),
        signing: bytes(of, "signing"),
    }
}

fn alarm(of: &Value) -> Alarm {
    serde_json::from_value(of["alarm"].clone()).expect("an alarm")
}

#[test]
fn a_root_gives_everybody_the_same_keys() {
    for vector in list(&ours(), "keys") {
        let keys = Identity::derive(&root(vector, "root"), &name(vector, "name"));
        assert_eq!(keys.keys, public(vector), "{vector}");
        // Private keys stay inside; what they do is seen below, and what hides by its tag.
        let hash = [7; 32];
        let tag = message::commitment(&[0; 32], b"");
        assert!(!keys.hides(&hash, &tag) && keys.hides(&hash, &keys.hiding_tag(&hash)));
    }
}

#[test]
fn a_recovery_code_is_read_however_it_is_typed_and_no_other_is() {
    let ours = ours();
    for vector in list(&ours, "recovery_codes") {
        let code = RecoveryCode::from(bytes::<[u8; 16]>(vector, "bytes"));
        assert_eq!(code.to_string(), text(vector, "text"));
        let keys = code.keys(&name(vector, "name"));
        assert_eq!(*keys.wrap, bytes::<[u8; 32]>(vector, "wrap"));
        assert_eq!(*keys.auth, bytes::<[u8; 32]>(vector, "auth"));
    }
    for vector in list(&ours, "recovery_typed") {
        let typed = text(vector, "typed");
        let code = RecoveryCode::parse(typed).unwrap_or_else(|error| panic!("{typed}: {error}"));
        let same = RecoveryCode::from(bytes::<[u8; 16]>(vector, "bytes"));
        assert_eq!(code.to_string(), same.to_string(), "{typed}");
    }
    for typed in list(&ours, "recovery_bad") {
        let typed = typed.as_str().expect("text");
        assert!(RecoveryCode::parse(typed).is_err(), "{typed:?} is no recovery code");
    }
    for _ in 0..1000 {
        let code = RecoveryCode::fresh().to_string();
        assert_eq!(RecoveryCode::parse(&code).expect("our own").to_string(), code);
    }
}

#[test]
fn roots_come_out_of_their_wrapping_for_whom_they_were_put_in() {
    let ours = ours();
    let open = |vector: &Value| {
        let kind = if number(vector, "kind") == 1 {
            Kind::Password
        } else {
            Kind::Recovery
        };
        let key = bytes::<[u8; 32]>(vector, "key");
        let wrapped: Vec<u8> = bytes(vector, "wrapped");
        keys::unwrap(&key, kind, &name(vector, "name"), &public(vector), &wrapped)
    };
    for vector in list(&ours, "wrapped") {
        let roots = open(vector).unwrap_or_else(|alarm| panic!("{}: {alarm}", vector["what"]));
        assert_eq!(roots.len(), list(vector, "roots").len());
        let name = name(vector, "name");
        for (root, expected) in roots.iter().zip(list(vector, "roots")) {
            let expected = b64::decode::<[u8; 32]>(expected.as_str().expect("text")).expect("32 bytes");
            let expected = Identity::derive(&Root::from(expected), &name);
            assert_eq!(Identity::derive(root, &name).keys, expected.keys);
        }
        // What we wrap, we unwrap.
        let key = [9; 32];
        let wrapped = keys::wrap(&key, Kind::Recovery, &name, &roots).expect("1 to 16 roots");
        assert_eq!(wrapped.len(), 15 + 32 * roots.len() + 16);
        let again = keys::unwrap(&key, Kind::Recovery, &name, &public(vector), &wrapped).expect("ours");
        assert_eq!(again.len(), roots.len());
    }
    for vector in list(&ours, "wrapped_bad") {
        assert_eq!(open(vector).err(), Some(Alarm::Wrapped), "{}", vector["what"]);
    }
    let name: Name = "ana".parse().expect("a name");
    let many: Vec<Root> = std::iter::repeat_with(Root::fresh).take(17).collect();
    assert!(keys::wrap(&[0; 32], Kind::Password, &name, &many).is_none());
    assert!(keys::wrap(&[0; 32], Kind::Password, &name, &[]).is_none());
    assert!(Keyring::derive(&name, &many[..16]).is_some());
}

#[test]
fn the_key_log_is_read_as_it_was_written_and_no_other_way() {
    let ours = ours();
    let mut log = Log::default();
    let mut heads = vec![log.head()];
    for vector in list(&ours["log"], "entries") {
        let encoded: Vec<u8> = bytes(vector, "entry");
        let entry = Entry::decode(&encoded).expect("an entry");
        let expected = Entry {
            index: number(vector, "index"),
            at: number(vector, "at"),
            previous: log.head().hash,
            name: name(vector, "name"),
            generation: number(vector, "generation") as u32,
            keys: public(vector),
            signature: bytes(vector, "signature"),
            previous_signature: bytes(vector, "previous_signature"),
        };
        assert_eq!(entry, expected);
        assert_eq!(entry.encode(), encoded);
        let statement = keys::statement(&entry.name, entry.generation, &entry.keys);
        assert_eq!(statement, bytes::<Vec<u8>>(vector, "statement"));
        assert!(keys::verify(
            &entry.name,
            entry.generation,
            &entry.keys,
            &entry.signature
        ));
        log.append(&encoded).expect("the next entry");
        assert_eq!(log.head().hash, bytes::<[u8; 32]>(vector, "hash"));
        heads.push(log.head());
    }
    let head: Head = serde_json::from_value(ours["log"].clone()).expect("size and head");
    assert_eq!(log.head(), head);
    for head in &heads {
        assert_eq!(log.holds(head), log::Holds::Yes);
        let mut other = *head;
        other.hash[3] ^= 1;
        assert_eq!(log.holds(&other), log::Holds::No);
    }
    let later = Head {
        size: head.size + 1,
        ..head
    };
    assert_eq!(log.holds(&later), log::Holds::NotYet);
    for name in log.names() {
        assert!(!log.member(name).expect("sound").is_empty());
    }
    for vector in list(&ours, "log_bad") {
        let mut log = Log::default();
        let appended = list(vector, "entries").iter().try_for_each(|entry| {
            let entry: Vec<u8> = b64::decode(entry.as_str().expect("text")).expect("base64url");
            log.append(&entry)
        });
        let names: Vec<Name> = log.names().cloned().collect();
        let read = appended.and_then(|()| names.iter().try_for_each(|name| log.member(name).map(|_| ())));
        assert_eq!(read, Err(alarm(vector)), "{}", vector["what"]);
    }
}

#[test]
fn our_own_keys_enter_a_log() {
    let ana: Name = "ana".parse().expect("a name");
    let roots = [Root::fresh(), Root::fresh()];
    let [first, second] = [&roots[0], &roots[1]].map(|root| Identity::derive(root, &ana));
    let mut log = Log::default();
    let entry = Entry {
        index: 1,
        at: 5,
        previous: [0; 32],
        name: ana.clone(),
        generation: 1,
        keys: first.keys,
        signature: first.sign(&ana, 1, &first.keys),
        previous_signature: [0; 64],
    };
    log.append(&entry.encode()).expect("the first entry");
    let ring = |count: usize| Keyring::derive(&ana, &roots[..count]).expect("one or two roots");
    assert_eq!(ring(1).check(log.member(&ana).expect("sound")), Ok(()));
    assert_eq!(ring(2).check(log.member(&ana).expect("sound")), Err(Alarm::LogFork));
    let entry = Entry {
        index: 2,
        previous: entry.hash(),
        generation: 2,
        keys: second.keys,
        signature: second.sign(&ana, 2, &second.keys),
        previous_signature: first.sign(&ana, 2, &second.keys),
        ..entry
    };
    log.append(&entry.encode()).expect("the second entry");
    assert_eq!(ring(2).check(log.member(&ana).expect("sound")), Ok(()));
    assert_eq!(ring(1).check(log.member(&ana).expect("sound")), Err(Alarm::OwnKey));
}

#[test]
fn conversations_and_headers_are_what_they_are_for_everybody() {
    let ours = ours();
    for vector in list(&ours, "conversations") {
        let (a, b) = (name(vector, "a"), name(vector, "b"));
        assert_eq!(message::conversation_id(&a, &b), bytes::<[u8; 16]>(vector, "id"));
        assert_eq!(u64::from(message::side(&a, &b)), number(vector, "side_of_a"));
    }
    for vector in list(&ours, "messages") {
        let encoded: Vec<u8> = bytes(vector, "header");
        let header = Header::decode(&encoded).expect("a header");
        assert_eq!(header.encode(), encoded);
        let fields = &vector["fields"];
        let expected = Header {
            conversation: bytes(fields, "conversation"),
            sender: number(fields, "sender") as u8,
            counter: number(fields, "counter"),
            previous: bytes(fields, "previous"),
            seen: serde_json::from_value(fields["seen"].clone()).expect("a position"),
            log: serde_json::from_value(fields["log"].clone()).expect("a head"),
            sender_identity: bytes(fields, "sender_identity"),
            recipient_identity: bytes(fields, "recipient_identity"),
            commitment: bytes(fields, "commitment"),
        };
        assert_eq!(header, expected);
    }
    for vector in list(&ours, "headers_bad") {
        let encoded: Vec<u8> = bytes(vector, "header");
        assert_eq!(Header::decode(&encoded), Err(alarm(vector)), "{}", vector["what"]);
    }
}

#[test]
fn messages_open_on_both_sides_and_altered_ones_on_none() {
    let ours = ours();
    for vector in list(&ours, "messages") {
        let (from, to) = (name(vector, "from"), name(vector, "to"));
        let sender = Identity::derive(&root(vector, "sender_root"), &from);
        let recipient = Identity::derive(&root(vector, "recipient_root"), &to);
        let header: Vec<u8> = bytes(vector, "header");
        let copies: [Vec<u8>; 2] = [bytes(vector, "recipient"), bytes(vector, "sender")];
        let hash = message::hash(&header, &sha256(&[&copies[0]]), &sha256(&[&copies[1]]));
        assert_eq!(hash, bytes::<[u8; 32]>(vector, "hash"));
        for (copy, keys, sealed) in [
            (Copy::Recipient, &recipient, &copies[0]),
            (Copy::Sender, &sender, &copies[1]),
        ] {
            let opened = message::open(&header, copy, (&from, &to), keys, sealed)
                .unwrap_or_else(|alarm| panic!("{}: {alarm}", vector["what"]));
            assert_eq!(opened.json, text(vector, "body").as_bytes());
            assert_eq!(opened.franking, bytes::<[u8; 32]>(vector, "franking_key"));
            let header = Header::decode(&header).expect("a header");
            assert!(message::check_report(&header, &opened.json, &opened.franking));
            assert!(!message::check_report(&header, b"{}", &opened.franking));
        }
        for (whose, keys) in [("sender", &sender), ("recipient", &recipient)] {
            let tag: [u8; 32] = bytes(&vector["hiding_tags"], whose);
            assert_eq!(keys.hiding_tag(&hash), tag);
        }
    }
    for vector in list(&ours, "messages_bad") {
        let (from, to) = (name(vector, "from"), name(vector, "to"));
        let keys = Identity::derive(&root(vector, "recipient_root"), &to);
        let (header, sealed): (Vec<u8>, Vec<u8>) = (bytes(vector, "header"), bytes(vector, "recipient"));
        let opened = message::open(&header, Copy::Recipient, (&from, &to), &keys, &sealed);
        assert_eq!(opened.err(), Some(alarm(vector)), "{}", vector["what"]);
    }
}

#[test]
fn bodies_are_padded_committed_to_and_checked() {
    let ours = ours();
    for vector in list(&ours, "padding") {
        let body = vec![b'x'; number(vector, "body") as usize];
        let plain = message::pad(&[1; 32], &body);
        assert_eq!(plain.as_ref().map(|plain| plain.len() as u64), vector["plain"].as_u64());
        if let Some(plain) = plain {
            assert_eq!(message::unpad(&plain), Some(([1; 32], &body[..])));
        }
    }
    for vector in list(&ours, "padded") {
        let (key, body): ([u8; 32], Vec<u8>) = (bytes(vector, "key"), bytes(vector, "body"));
        let plain = message::pad(&key, &body).expect("it fits");
        assert_eq!(*plain, bytes::<Vec<u8>>(vector, "plain"));
        assert_eq!(
            message::commitment(&key, &body),
            bytes::<[u8; 32]>(vector, "commitment")
        );
    }
    for json in list(&ours, "bodies_good") {
        let json = json.as_str().expect("text");
        let body = Body::decode(json.as_bytes()).unwrap_or_else(|| panic!("this is a body: {json}"));
        if body != Body::Unknown {
            let again = body.encode().expect("what can be read can be sent");
            assert_eq!(Body::decode(&again), Some(body));
        }
    }
    for json in list(&ours, "bodies_bad") {
        let json = json.as_str().expect("text");
        assert_eq!(Body::decode(json.as_bytes()), None, "this is no body: {json}");
    }
}

#[test]
fn a_notebook_opens_for_its_owner_at_its_version() {
    let ours = ours();
    let open = |vector: &Value| {
        let name = name(vector, "name");
        let keys = Identity::derive(&root(vector, "root"), &name);
        let sealed: Vec<u8> = bytes(vector, "notebook");
        Notebook::open(&keys, &name, number(vector, "version"), &sealed)
    };
    for vector in list(&ours, "notebooks") {
        let notebook = open(vector).expect("a notebook");
        let expected: Notebook = serde_json::from_value(vector["json"].clone()).expect("a notebook");
        assert_eq!(notebook, expected);
        assert_eq!(
            notebook.peers.len(),
            vector["json"]["peers"].as_array().map_or(0, Vec::len)
        );
        let name = name(vector, "name");
        let keys = Identity::derive(&root(vector, "root"), &name);
        let sealed = notebook.seal(&keys, &name, 8).expect("it is small");
        assert_eq!(sealed.len() as u64, 13 + number(vector, "padded_length") + 16);
        assert_eq!(Notebook::open(&keys, &name, 8, &sealed), Ok(notebook));
    }
    for vector in list(&ours, "notebooks_bad") {
        assert_eq!(open(vector), Err(Alarm::Notebook), "{}", vector["what"]);
    }
}

#[test]
fn files_open_whole_or_not_at_all() {
    let ours = ours();
    let pattern = |size: u64| (0..size).map(|i| (7 * i + i / 256 + 3) as u8).collect::<Vec<u8>>();
    for vector in list(&ours, "files") {
        let (key, size) = (bytes::<[u8; 32]>(vector, "key"), number(vector, "size"));
        let sealed = file::seal(&key, pattern(size));
        assert_eq!(sealed.len() as u64, number(vector, "length"));
        assert_eq!(file::sealed_length(size), Some(sealed.len() as u64));
        assert_eq!(sha256(&[&sealed]), bytes::<[u8; 32]>(vector, "sha256"), "{size}");
        assert_eq!(file::open(&key, size, &sealed), Ok(pattern(size)));
        assert_eq!(file::open(&[0; 32], size, &sealed), Err(Alarm::Broken));
        if sealed.len() > 70_000 {
            // Chunks in another order, and without the last.
            let (one, two) = (1..65_553, 65_553..131_105.min(sealed.len()));
            let swapped = [
                &sealed[..1],
                &sealed[two],
                &sealed[one.clone()],
                &sealed[131_105.min(sealed.len())..],
            ]
            .concat();
            assert_eq!(file::open(&key, size, &swapped), Err(Alarm::Broken));
            assert_eq!(file::open(&key, 65_536, &sealed[..one.end]), Err(Alarm::Broken));
        }
    }
    for vector in list(&ours, "files_bad") {
        let (key, sealed): ([u8; 32], Vec<u8>) = (bytes(vector, "key"), bytes(vector, "sealed"));
        let opened = file::open(&key, number(vector, "size"), &sealed);
        assert_eq!(opened, Err(Alarm::Broken), "{}", vector["what"]);
    }
    for pair in list(&ours, "padme") {
        let pair = [0, 1].map(|at| pair[at].as_u64().expect("a number"));
        assert_eq!(file::padme(pair[0]), pair[1], "{}", pair[0]);
    }
    // However large, it doesn't overflow; and what is padded stays.
    for size in [u64::MAX, u64::MAX / 2 + 1, 1 << 60] {
        assert!(file::padme(size) >= size / 2 && file::padme(file::padme(size)) == file::padme(size));
    }
}

#[test]
fn two_people_see_one_safety_number() {
    for vector in list(&ours(), "safety") {
        let (a, b) = (&vector["a"], &vector["b"]);
        let (a, b) = ((&name(a, "name"), &public(a)), (&name(b, "name"), &public(b)));
        let number = text(vector, "number");
        assert_eq!(number.len(), 60);
        assert_eq!(safety::number(a, b), number);
        assert_eq!(safety::number(b, a), number);
        assert_eq!(safety::qr_text(b, a), text(vector, "qr"));
    }
}

// ── what others hold theirs to ───────────────────────────────────────────────────────────────────

/// Vectors of others: each file says whence it is.
macro_rules! third_party {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("vectors/third-party/", $name)))
            .expect("the vectors are JSON")
    };
}

fn hex(of: &Value, name: &str) -> Vec<u8> {
    let text = text(of, name);
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Wycheproof's tests with their groups.
fn wycheproof(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = list(file, "testGroups");
    let count: usize = groups.iter().map(|group| list(group, "tests").len()).sum();
    assert_eq!(count as u64, number(file, "numberOfTests"));
    groups
        .iter()
        .flat_map(|group| list(group, "tests").iter().map(move |test| (group, test)))
}

type Suite = hpke::kem::X25519HkdfSha256;

#[test]
fn the_suite_does_as_rfc_9180_says() {
    use hpke::{Deserializable, Kem, OpModeR, Serializable, aead::AesGcm256, kdf::HkdfSha256};
    for vector in list(&third_party!("hpke.json"), "vectors") {
        let (secret, public) = Suite::derive_keypair(&hex(vector, "ikmR"));
        assert_eq!(public.to_bytes()[..], hex(vector, "pkRm"));
        let sender = <Suite as Kem>::PublicKey::from_bytes(&hex(vector, "pkSm")).expect("a key");
        let enc = <Suite as Kem>::EncappedKey::from_bytes(&hex(vector, "enc")).expect("a key");
        let mut context = hpke::setup_receiver::<AesGcm256, HkdfSha256, Suite>(
            &OpModeR::Auth(sender),
            &secret,
            &enc,
            &hex(vector, "info"),
        )
        .expect("they agree");
        for sealed in list(vector, "encryptions") {
            let plain = context.open(&hex(sealed, "ct"), &hex(sealed, "aad")).expect("it opens");
            assert_eq!(plain, hex(sealed, "pt"));
        }
    }
}

#[test]
fn x25519_does_as_wycheproof_says() {
    let (mut zeros, file) = (0, third_party!("x25519.json"));
    for (_, test) in wycheproof(&file) {
        let [public, private, shared] =
            ["public", "private", "shared"].map(|name| hex(test, name).try_into().expect("32 bytes"));
        assert_eq!(x25519_dalek::x25519(private, public), shared, "{test}");
        assert_eq!(keys::usable(&public), shared != [0; 32], "{test}");
        zeros += u32::from(shared == [0; 32]);
    }
    assert!(zeros > 10);
}

#[test]
fn ed25519_does_as_wycheproof_says() {
    let file = third_party!("ed25519.json");
    for (group, test) in wycheproof(&file) {
        let public: [u8; 32] = hex(&group["publicKey"], "pk").try_into().expect("32 bytes");
        let public = ed25519_dalek::VerifyingKey::from_bytes(&public).expect("a key");
        let verified = <[u8; 64]>::try_from(hex(test, "sig"))
            .is_ok_and(|signature| public.verify_strict(&hex(test, "msg"), &signature.into()).is_ok());
        assert_eq!(verified, text(test, "result") == "valid", "{test}");
    }
}

#[test]
fn aes_gcm_does_as_wycheproof_says() {
    use aes_gcm::{
        Aes256Gcm, KeyInit,
        aead::{Aead, Payload},
    };
    let file = third_party!("aes_gcm.json");
    for (_, test) in wycheproof(&file) {
        let [key, nonce, aad, plain] = ["key", "iv", "aad", "msg"].map(|name| hex(test, name));
        let cipher = Aes256Gcm::new_from_slice(&key).expect("32 bytes");
        let nonce = <[u8; 12]>::try_from(nonce).expect("12 bytes").into();
        let sealed = [hex(test, "ct"), hex(test, "tag")].concat();
        let opened = cipher.decrypt(
            &nonce,
            Payload {
                msg: &sealed,
                aad: &aad,
            },
        );
        if text(test, "result") == "valid" {
            assert_eq!(opened.as_ref(), Ok(&plain), "{test}");
            assert_eq!(
                cipher.encrypt(&nonce, Payload { msg: &plain, aad: &aad }),
                Ok(sealed),
                "{test}"
            );
        } else {
            assert!(opened.is_err(), "{test}");
        }
    }
}

#[test]
fn hkdf_does_as_wycheproof_says() {
    let file = third_party!("hkdf_sha256.json");
    for (_, test) in wycheproof(&file) {
        let split = hkdf::Hkdf::<sha2::Sha256>::new(Some(&hex(test, "salt")), &hex(test, "ikm"));
        let mut out = vec![0; number(test, "size") as usize];
        let expanded = split.expand(&hex(test, "info"), &mut out).is_ok();
        assert_eq!(expanded, text(test, "result") == "valid", "{test}");
        assert!(!expanded || out == hex(test, "okm"), "{test}");
    }
}

// ── no key and nonce twice ───────────────────────────────────────────────────────────────────────

/// The key schedule of RFC 9180 as a recipient runs it, spelled out, because libraries keep key and nonce to themselves.
struct Receiver {
    secret: [u8; 32],
    public: [u8; 32],
    sender: [u8; 32],
    /// DH of the two identity keys, the same for each message.
    fixed: [u8; 32],
    context: Vec<u8>,
}

const KEM: &[u8] = b"KEM\x00\x20";
const HPKE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x02";

fn extract(suite: &[u8], salt: &[u8], label: &[u8], secret: &[u8]) -> hkdf::Hkdf<sha2::Sha256> {
    hkdf::Hkdf::new(Some(salt), &[b"HPKE-v1", suite, label, secret].concat())
}

fn extracted(suite: &[u8], label: &[u8], secret: &[u8]) -> [u8; 32] {
    let (extracted, _) = hkdf::Hkdf::<sha2::Sha256>::extract(None, &[b"HPKE-v1", suite, label, secret].concat());
    extracted.into()
}

fn expanded<const N: usize>(from: &hkdf::Hkdf<sha2::Sha256>, suite: &[u8], label: &[u8], info: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let length = (N as u16).to_be_bytes();
    from.expand(&[&length, &b"HPKE-v1"[..], suite, label, info].concat(), &mut out)
        .expect("it is short");
    out
}

impl Receiver {
    fn new(secret: [u8; 32], sender: [u8; 32], info: &[u8]) -> Receiver {
        let context = [
            &[2][..],
            &extracted(HPKE, b"psk_id_hash", b""),
            &extracted(HPKE, b"info_hash", info),
        ]
        .concat();
        Receiver {
            public: x25519_dalek::x25519(secret, x25519_dalek::X25519_BASEPOINT_BYTES),
            fixed: x25519_dalek::x25519(secret, sender),
            secret,
            sender,
            context,
        }
    }

    /// AES key and nonce of what is sealed with this encapsulated key.
    fn key_and_nonce(&self, enc: &[u8; 32]) -> ([u8; 32], [u8; 12]) {
        let dh = [x25519_dalek::x25519(self.secret, *enc), self.fixed].concat();
        let shared = extract(KEM, b"", b"eae_prk", &dh);
        let keys = [enc, &self.public, &self.sender].map(|key| &key[..]).concat();
        let shared: [u8; 32] = expanded(&shared, KEM, b"shared_secret", &keys);
        let secret = extract(HPKE, &shared, b"secret", b"");
        (
            expanded(&secret, HPKE, b"key", &self.context),
            expanded(&secret, HPKE, b"base_nonce", &self.context),
        )
    }
}

#[test]
fn a_million_seals_never_use_a_key_and_nonce_twice() {
    use aes_gcm::{
        Aes256Gcm, KeyInit,
        aead::{Aead, Payload},
    };
    use hpke::{Kem, Serializable};
    const SEALS: usize = 1_000_000;
    let (ana, bob): (Name, Name) = ("ana".parse().expect("a name"), "bob".parse().expect("a name"));
    let roots = [[1; 32], [2; 32]];
    let [anas, bobs] =
        [(&roots[0], &ana), (&roots[1], &bob)].map(|(root, name)| Identity::derive(&Root::from(*root), name));
    // Bob's private key, which the library keeps to itself.
    let mut secret = [0; 32];
    let split = hkdf::Hkdf::<sha2::Sha256>::new(None, &roots[1]);
    split
        .expand(b"neospace/1 dm identity bob", &mut secret)
        .expect("it is short");
    let receiver = Receiver::new(secret, anas.keys.identity, b"neospace/1 dm\0\x01\x03ana\x03bob");
    assert_eq!(receiver.public, bobs.keys.identity);
    // The product's own seals open by what is derived here: so it is what they used.
    let mut seen: Vec<[u8; 44]> = Vec::with_capacity(SEALS);
    let body = Body::Text {
        at: 1,
        text: "the same every time".into(),
        reply: None,
        files: Vec::new(),
    };
    let envelope = message::Envelope {
        from: &ana,
        to: &bob,
        keys: &anas,
        recipient: bobs.keys.identity,
        previous: message::Position::default(),
        seen: message::Position::default(),
        log: Head::default(),
    };
    let pair =
        |(key, nonce): ([u8; 32], [u8; 12])| -> [u8; 44] { [&key[..], &nonce].concat().try_into().expect("32 and 12") };
    for _ in 0..1_000 {
        let sealed = message::seal(&envelope, &body).expect("it can be sent");
        let (enc, copy) = sealed.recipient.split_first_chunk::<32>().expect("it is longer");
        let (key, nonce) = receiver.key_and_nonce(enc);
        let payload = Payload {
            msg: copy,
            aad: &sealed.header,
        };
        Aes256Gcm::new(&key.into())
            .decrypt(&nonce.into(), payload)
            .expect("it opens by this key");
        seen.push(pair((key, nonce)));
    }
    // The others are as far as the key and nonce of a seal go: an ephemeral key as the library makes it, and what follows.
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let each = (SEALS - seen.len()).div_ceil(threads);
    let more = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let seal = |_| {
                        let (_, enc) = Suite::gen_keypair();
                        pair(receiver.key_and_nonce(&enc.to_bytes().into()))
                    };
                    (0..each).map(seal).collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("it doesn't panic"))
            .collect::<Vec<_>>()
    });
    seen.extend(more);
    assert!(seen.len() >= SEALS);
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "a key and nonce was used twice");
}
