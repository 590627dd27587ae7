//! The key log, the notebook, and the two ways to one's roots: the password and the recovery code.

use neospace::crypto::Parameters;
use neospace_dm::{
    b64,
    keys::{self, Kind, RecoveryCode, Root},
    log::Head,
};
use neospace_tests::{
    Answer, Live, Server,
    person::{PASSWORD, auth_key, wrap_key},
};
use serde_json::{Value, json};

use super::{Member, QUIET, bytes, code, head, is, log_of, talking};

#[test]
fn anyone_reads_the_key_log_and_each_entry_continues_the_one_before() {
    let server = Server::start();
    let guest = server.guest();
    assert_eq!(head(&guest), Head::default());
    let (ana, bob) = (Member::new(&server, "ana"), Member::new(&server, "bob"));
    let log = log_of(&guest);
    assert_eq!(log.head().size, 2);
    for member in [&ana, &bob] {
        let entries = log.member(&member.name).expect("signed");
        member.keyring().check(entries).expect("these very keys");
    }
    // A page of one, from anywhere.
    let page = guest.get_json("/keys?after=1&limit=1").expect(200).json();
    assert_eq!(
        (page["entries"].as_array().map(Vec::len), &page["size"]),
        (Some(1), &json!(2))
    );
    for wrong in ["/keys?limit=0", "/keys?limit=1001"] {
        is(&guest.get_json(wrong), 422, "invalid");
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let html = guest.get("/keys").expect(200).text();
    for member in [&ana, &bob] {
        assert!(html.contains(&hex(&member.keyring().newest().keys.identity)));
    }
    let html = guest.get("/keys?name=bob").expect(200).text();
    assert!(html.contains(&hex(&bob.keyring().newest().keys.identity)));
    assert!(!html.contains(&hex(&ana.keyring().newest().keys.identity)));
}

#[test]
fn keys_that_are_not_well_made_never_come_into_the_log() {
    let server = Server::start();
    let ana = Member::without_keys(server.person("ana"));
    assert_eq!(
        ana.get("/dm/keys").expect(200).json(),
        json!({ "name": "ana", "generation": 0 })
    );
    let good = ana.new_keys(1);
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let other = Member::without_keys(server.person("bob"));
    let cut = |field: &str| {
        let mut bytes = bytes(&good[field]);
        bytes.pop();
        json!(b64::encode(bytes))
    };
    for (wrong, answer) in [
        (with("signature", json!(b64::encode([7; 64]))), (422, "invalid")),
        (
            with("signature", other.new_keys(1)["signature"].clone()),
            (422, "invalid"),
        ),
        (with("identity", json!(b64::encode([0; 32]))), (422, "invalid")),
        (with("signing", json!(b64::encode([0; 32]))), (422, "invalid")),
        (with("generation", json!(2)), (422, "invalid")),
        (with("generation", json!(0)), (422, "invalid")),
        (
            with("previous_signature", json!(b64::encode([1; 64]))),
            (422, "invalid"),
        ),
        (with("wrapped", cut("wrapped")), (422, "invalid")),
        (with("wrapped", json!("")), (422, "invalid")),
        (with("notebook", json!("")), (422, "invalid")),
        (with("notebook_version", json!(2)), (409, "notebook")),
        (with("identity", cut("identity")), (400, "invalid")),
        (with("identity", json!("not base64url!")), (400, "invalid")),
        (with("identity", json!(7)), (400, "invalid")),
        (json!({}), (400, "invalid")),
        (json!([]), (400, "invalid")),
    ] {
        is(&ana.post_keys(&wrong), answer.0, answer.1);
    }
    assert_eq!(head(&ana.person), Head::default());
    // A guest has none to make, and a form makes none.
    assert_eq!(server.guest().post_json("/dm/keys", &[("generation", "1")]).status, 401);
    assert_eq!(ana.person.post_json("/dm/keys", &[("generation", "1")]).status, 415);

    ana.post_keys(&good).expect(201);
    // The answer was lost: the same again is the same entry.
    let again = ana.post_keys(&good).expect(201).json();
    assert_eq!(again, json!({ "generation": 1, "index": 1 }));
    // Another device that was slower learns that it was.
    let slower = Member::without_keys(ana.person.clone());
    is(&slower.post_keys(&slower.new_keys(1)), 409, "generation");
    assert_eq!(head(&ana.person).size, 1);
    let kept = ana.get("/dm/keys").expect(200).json();
    assert_eq!(kept["wrapped"], good["wrapped"]);
    assert_eq!(
        (&kept["generation"], &kept["recovery"], &kept["notebook_version"]),
        (&json!(1), &json!(false), &json!(1))
    );
}

#[test]
fn new_keys_need_the_password_and_the_keys_before_and_are_told_to_who_talks_with_one() {
    let server = Server::start();
    let (mut ana, bob, cyd) = (
        Member::new(&server, "ana"),
        Member::new(&server, "bob"),
        Member::new(&server, "cyd"),
    );
    let (mine, theirs) = talking(&ana, &bob);
    let (bobs, cyds) = (bob.person.live(), cyd.person.live());
    ana.set_code(&RecoveryCode::fresh());
    ana.roots.push(Root::fresh());
    let good = ana.new_keys(2);
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    is(&ana.post_keys(&with("current", Value::Null)), 422, "invalid");
    is(
        &ana.post_keys(&with("current", json!(b64::encode([3; 32])))),
        422,
        "invalid",
    );
    is(&ana.post_keys(&with("previous_signature", Value::Null)), 422, "invalid");
    is(
        &ana.post_keys(&with("previous_signature", good["signature"].clone())),
        422,
        "invalid",
    );
    is(&ana.post_keys(&with("notebook_version", json!(1))), 409, "notebook");
    assert_eq!(head(&ana.person).size, 3);

    ana.post_keys(&good).expect(201);
    let told = bobs.wait("key_log", |_| true);
    assert_eq!(told["size"], 4);
    assert!(
        cyds.try_wait("key_log", QUIET, |_| true).is_none(),
        "cyd has nothing to do with ana"
    );
    let entries = log_of(&bob.person);
    assert_eq!(
        entries.member(&ana.name).expect("each signed by the one before").len(),
        2
    );
    // The code opened the old roots alone.
    assert_eq!(ana.get("/dm/keys").expect(200).json()["recovery"], false);

    // What is sealed to the old key, or by it, isn't taken; nor what was sealed before the log had the new one.
    let mut old = Member::without_keys(ana.person.clone());
    old.roots = vec![ana.roots[0].clone()];
    is(
        &bob.deliver(&old, &bob.seal(&old, "hello?", theirs, mine)),
        409,
        "recipient_key",
    );
    is(
        &old.deliver(&bob, &old.seal(&bob, "hello?", mine, theirs)),
        409,
        "sender_key",
    );
    bob.say(&ana, "hello!", theirs, mine);
}

#[test]
fn a_notebook_follows_the_one_before_it() {
    let server = Server::start();
    let ana = Member::new(&server, "ana");
    let put = |version: i64, notebook: &str| {
        ana.send(
            "PUT",
            "/dm/notebook",
            &json!({ "version": version, "notebook": b64::encode(notebook) }),
        )
    };
    put(2, "the second").expect(200);
    put(2, "the second").expect(200);
    for (version, notebook) in [
        (2, "another second"),
        (1, "the first"),
        (4, "the fourth"),
        (i64::MAX, "x"),
        (i64::MIN, "x"),
    ] {
        let newer = put(version, notebook).expect(409).json();
        assert_eq!((&newer["code"], &newer["version"]), (&json!("notebook"), &json!(2)));
        assert_eq!(bytes(&newer["notebook"]), b"the second");
    }
    let large = "x".repeat(1 << 20);
    put(3, &large).expect(200);
    assert_eq!(
        bytes(&ana.get("/dm/keys").expect(200).json()["notebook"]),
        large.as_bytes()
    );
    is(&put(4, &format!("{large}{}", "y".repeat(100))), 422, "invalid");
    assert_eq!(put(4, &"x".repeat(2 << 20)).status, 413);
    let bob = Member::without_keys(server.person("bob"));
    is(
        &bob.send("PUT", "/dm/notebook", &json!({ "version": 1, "notebook": "eA" })),
        409,
        "no_keys",
    );
}

#[test]
fn a_changed_password_wraps_the_keys_anew_and_logs_everybody_else_out() {
    let server = Server::start();
    let ana = Member::new(&server, "ana");
    let elsewhere = ana.person.elsewhere();
    elsewhere.log_in();
    let live = Live::open_json(&elsewhere);
    let (new, chosen) = ("paper dogs bark at noon", Parameters::fresh());
    let wrap = wrap_key("ana", new, &chosen);
    let wrapped = b64::encode(keys::wrap(&wrap, Kind::Password, &ana.name, &ana.roots).expect("it fits"));
    let two =
        b64::encode(keys::wrap(&wrap, Kind::Password, &ana.name, &[Root::fresh(), Root::fresh()]).expect("it fits"));
    let fields = |wrapped: Option<&str>| {
        let mut fields = json!({
            "current": auth_key("ana", PASSWORD, &ana.parameters),
            "auth": auth_key("ana", new, &chosen),
            "salt": chosen.salt,
            "rounds": chosen.rounds,
        });
        if let Some(wrapped) = wrapped {
            fields["wrapped"] = json!(wrapped);
        }
        fields
    };
    // Without its keys the account would lose them.
    is(&ana.post("/settings/password", &fields(None)), 422, "invalid");
    is(&ana.post("/settings/password", &fields(Some("eA"))), 422, "invalid");
    is(&ana.post("/settings/password", &fields(Some(&two))), 409, "conflict");
    elsewhere.get("/settings").expect(200);

    ana.post("/settings/password", &fields(Some(&wrapped))).expect(200);
    assert_eq!(ana.get("/dm/keys").expect(200).json()["wrapped"], wrapped);
    assert_eq!(live.wait_for_close(), Some(4001));
    elsewhere.get("/settings").see_other();
    assert_eq!(ana.person.elsewhere().try_log_in(PASSWORD).status, 422);
    ana.person.elsewhere().try_log_in(new).see_other();
}

#[test]
fn a_recovery_code_opens_the_roots_and_sets_a_new_password() {
    let server = Server::start();
    let ana = Member::new(&server, "ana");
    let code = RecoveryCode::fresh();
    // Nobody stores a code with a session alone.
    let half = code.keys(&ana.name);
    let wrapped = keys::wrap(&half.wrap, Kind::Recovery, &ana.name, &ana.roots).expect("it fits");
    let mut body =
        json!({ "wrapped": b64::encode(&wrapped), "auth": b64::encode(*half.auth), "current": b64::encode([1; 32]) });
    is(&ana.post("/dm/recovery", &body), 422, "invalid");
    body["current"] = json!(auth_key("ana", PASSWORD, &ana.parameters));
    body["wrapped"] = ana.get("/dm/keys").expect(200).json()["wrapped"].clone();
    is(&ana.post("/dm/recovery", &body), 422, "invalid");
    let wrapped = ana.set_code(&code);
    assert_eq!(ana.get("/dm/keys").expect(200).json()["recovery"], true);

    // On a new device, with the code alone.
    let device = Member::without_keys(server.guest_called("ana"));
    let open = |auth: &[u8]| {
        device.post(
            "/recover/open",
            &json!({ "name": "ana", "recovery": b64::encode(auth) }),
        )
    };
    is(&open(&[9; 32]), 422, "invalid");
    let opened = open(&*half.auth).expect(200).json();
    assert_eq!(
        (bytes(&opened["wrapped"]), &opened["generation"]),
        (wrapped.clone(), &json!(1))
    );
    let newest = ana.keyring().newest().keys;
    keys::unwrap(&half.wrap, Kind::Recovery, &ana.name, &newest, &wrapped).expect("the roots");

    let live = Live::open_json(&ana.person);
    let (new, chosen) = ("a kettle full of stars", Parameters::fresh());
    let again = keys::wrap(&wrap_key("ana", new, &chosen), Kind::Password, &ana.name, &ana.roots).expect("it fits");
    let mut body = json!({
        "name": "ana", "recovery": b64::encode([9; 32]), "auth": auth_key("ana", new, &chosen),
        "salt": chosen.salt, "rounds": chosen.rounds, "wrapped": b64::encode(&again),
    });
    is(&device.post("/recover", &body), 422, "invalid");
    body["recovery"] = json!(b64::encode(*half.auth));
    body["wrapped"] = json!(b64::encode(&wrapped));
    is(&device.post("/recover", &body), 422, "invalid");
    device.person.get("/settings").see_other();
    body["wrapped"] = json!(b64::encode(&again));
    device.post("/recover", &body).expect(200);
    device.person.get("/settings").expect(200);
    assert_eq!(bytes(&device.get("/dm/keys").expect(200).json()["wrapped"]), again);
    assert_eq!(live.wait_for_close(), Some(4001));
    assert_eq!(device.person.elsewhere().try_log_in(PASSWORD).status, 422);
    device.person.elsewhere().try_log_in(new).see_other();
    // The code goes on working.
    open(&*half.auth).expect(200);
    server.guest().get("/recover").expect(200);
}

#[test]
fn whoever_tries_codes_learns_nothing_and_waits() {
    let server = Server::start();
    let (ana, _bob) = (Member::new(&server, "ana"), server.person("bob"));
    ana.set_code(&RecoveryCode::fresh());
    let guest = server.guest();
    let guess = |name: &str, path: &str| {
        let mut fields = vec![
            ("name", name),
            ("recovery", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ];
        let (auth, salt) = (b64::encode([5; 32]), b64::encode([5; 16]));
        let wrapped = b64::encode([&[1, 1, 1][..], &[0; 60]].concat());
        fields.extend([
            ("auth", &*auth),
            ("salt", &*salt),
            ("rounds", "600000"),
            ("wrapped", &*wrapped),
        ]);
        guest.post_json(path, &fields)
    };
    // ana has a code, bob has none, and nobody is called zoe.
    for path in ["/recover/open", "/recover"] {
        let answers = ["ana", "bob", "zoe"].map(|name| guess(name, path).expect(422));
        assert_eq!(answers[0].body, answers[1].body);
        assert_eq!(answers[0].body, answers[2].body);
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&answers[0]), names(&answers[2]));
    }
    // As at the door: five are free for an account, and the wait is said.
    let held_up = (0..8)
        .map(|_| guess("ana", "/recover/open"))
        .find(|answer| answer.status == 429);
    let held_up = held_up.expect("the eighth try waits");
    assert_eq!(code(&held_up).1, "too_often");
    assert!(
        held_up
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds >= 1)
    );
    assert_eq!(
        guest
            .post_json("/login", &[("name", "ana"), ("auth", &b64::encode([5; 32]))])
            .status,
        429
    );
}
