//! Devices of people who talk over a server that does as it should: everything gets through, and there is no alarm. What a
//! server does that shouldn't is in `dm_hostile.rs`.

use neospace::dm_client::{Trouble, account};
use neospace_dm::{
    Alarm, Name,
    keys::RecoveryCode,
    message::{Body, Reply, Whose},
    thread::Says,
};
use neospace_tests::{
    Dm, Server,
    person::{PASSWORD, auth_key, parameters, wrap_key},
};

fn name(name: &str) -> Name {
    name.parse().expect("a name")
}

fn says(device: &mut Dm, peer: &str) -> Vec<Says> {
    let view = device.view(peer);
    assert_eq!(view.notices, [], "{} has no alarm", device.person.name);
    view.items.into_iter().map(|item| item.says).collect()
}

#[test]
fn ana_and_bob_talk_on_three_devices() {
    let server = Server::builder().start();
    let (mut ana, mut bob) = (server.person("ana").dm(), server.person("bob").dm());
    let (to_ana, to_bob) = (name("ana"), name("bob"));
    ana.say(&to_bob, "Hello, Bob").expect("stored");
    bob.measure(&to_ana, "accept").expect("accepted");
    assert_eq!(bob.texts("ana"), ["Hello, Bob"]);
    // A second device of ana's, which knows nothing but the password.
    let mut phone = ana.person.dm();
    assert_eq!(phone.texts("bob"), ["Hello, Bob"]);
    phone.say(&to_bob, "from the phone").expect("stored");
    // The first one is behind by a message now.
    ana.say(&to_bob, "from the desk").expect("stored");
    let reply = Body::Text {
        at: 1,
        text: "which one?".into(),
        reply: Some(Reply {
            of: Whose::Theirs,
            counter: 2,
        }),
        files: Vec::new(),
    };
    bob.send(&to_ana, &reply).expect("stored");
    let all = ["Hello, Bob", "from the phone", "from the desk", "which one?"];
    for device in [&mut ana, &mut phone] {
        assert_eq!(device.texts("bob"), all);
        assert_eq!(device.alarms("bob"), []);
    }
    assert_eq!(bob.texts("ana"), all);
    assert_eq!(bob.alarms("ana"), []);
    for device in [&mut ana, &mut phone, &mut bob] {
        device.store_notebook().expect("stored");
    }
    // All of it is still there for a device that was off, and for a new one.
    for mut device in [ana.again().expect("it comes back"), ana.person.dm()] {
        assert_eq!(device.texts("bob"), all);
        assert_eq!(device.alarms("bob"), []);
    }
}

#[test]
fn what_was_said_is_edited_removed_and_hidden() {
    let server = Server::builder().start();
    let (mut ana, mut bob) = (server.person("ana").dm(), server.person("bob").dm());
    let (to_ana, to_bob) = (name("ana"), name("bob"));
    for text in ["one", "two", "three"] {
        ana.say(&to_bob, text).expect("stored");
        bob.texts("ana");
        if text == "one" {
            bob.say(&to_ana, "go on").expect("stored");
        }
    }
    let one = ana.item("bob", "one");
    ana.edit(&to_bob, one.counter, "one and a half").expect("stored");
    ana.edit(&to_bob, one.counter, "one and more").expect("stored");
    let item = bob.item("ana", "one and more");
    let Says::Text { history, .. } = &item.says else {
        panic!("{item:?}")
    };
    let before: Vec<&str> = history.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!((before, item.edits.len()), (vec!["one", "one and a half"], 2));
    // Bob hides it from himself; ana sees it still.
    bob.hide(&to_ana, &item).expect("hidden");
    assert!(matches!(says(&mut bob, "ana")[0], Says::Hidden));
    assert!(matches!(&says(&mut ana, "bob")[0], Says::Text { text, .. } if text == "one and more"));
    // Ana removes an edited message for both, and leaves one mark in its place.
    let mine = ana.item("bob", "one and more");
    ana.remove(&to_bob, &mine).expect("removed");
    let two = ana.item("bob", "two");
    ana.remove(&to_bob, &two).expect("removed");
    for (device, peer) in [(&mut ana, "bob"), (&mut bob, "ana")] {
        let says = says(device, peer);
        assert!(
            matches!(
                &says[..],
                [Says::Removed, Says::Text { .. }, Says::Removed, Says::Text { .. }]
            ),
            "{says:#?}"
        );
    }
}

#[test]
fn files_travel_sealed() {
    let server = Server::builder().start();
    let (mut ana, mut bob) = (server.person("ana").dm(), server.person("bob").dm());
    let (to_ana, to_bob) = (name("ana"), name("bob"));
    ana.say(&to_bob, "may I?").expect("stored");
    bob.texts("ana");
    bob.say(&to_ana, "yes").expect("stored");
    let bytes: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    let file = ana
        .upload(&to_bob, "song.ogg", "audio/ogg", bytes.clone())
        .expect("stored");
    let body = Body::Text {
        at: 1,
        text: String::new(),
        reply: None,
        files: vec![file],
    };
    ana.send(&to_bob, &body).expect("stored");
    let said = says(&mut bob, "ana").pop();
    let Some(Says::Text { files, .. }) = said else {
        panic!("{said:?}")
    };
    assert_eq!((files[0].name.as_str(), files[0].size), ("song.ogg", 200_000));
    assert_eq!(bob.download(&to_ana, &files[0]).expect("it opens"), bytes);
    let mut other = files[0].clone();
    other.key[0] ^= 1;
    let broken = bob.download(&to_ana, &other).expect_err("another key");
    assert_eq!(broken.alarms(), [Alarm::Broken]);
}

#[test]
fn new_keys_stop_the_other_side_until_they_are_accepted() {
    let server = Server::builder().start();
    let (mut ana, mut bob) = (server.person("ana").dm(), server.person("bob").dm());
    let (to_ana, to_bob) = (name("ana"), name("bob"));
    ana.say(&to_bob, "with the old keys").expect("stored");
    bob.texts("ana");
    bob.say(&to_ana, "hello").expect("stored");
    ana.texts("bob");
    let number = bob.safety_number(&to_ana).expect("both have keys");
    assert_eq!(ana.safety_number(&to_bob).expect("both have keys"), number);
    bob.set_compared(&to_ana, true).expect("stored");
    let mut tablet = ana.person.dm();
    tablet.store_notebook().expect("stored");

    let current = auth_key("ana", PASSWORD, &parameters("ana")).parse_auth();
    let wrap = wrap_key("ana", PASSWORD, &parameters("ana"));
    ana.make_new_keys(&wrap, &current).expect("made");
    ana.say(&to_bob, "with the new keys").expect("stored");

    // Bob sees what the old keys sealed, and is told of the rest.
    let view = bob.view("ana");
    assert!(view.notices.iter().any(|notice| notice.alarm == Alarm::KeyChanged));
    assert_eq!(bob.texts("ana"), ["with the old keys", "hello"]);
    let stopped = bob.say(&to_ana, "never sent").expect_err("keys have changed");
    assert!(
        matches!(&stopped, Trouble::Stopped(notices) if notices[0].alarm == Alarm::KeyChanged),
        "{stopped}"
    );
    assert_eq!(bob.again().expect("it comes back").alarms("ana"), [Alarm::KeyChanged]);
    let pin = bob.accept_key(&to_ana).expect("accepted");
    assert_eq!((pin.generation, pin.compared, pin.after), (2, false, 2));
    assert_eq!(bob.texts("ana"), ["with the old keys", "hello", "with the new keys"]);
    assert_eq!(bob.alarms("ana"), []);
    bob.say(&to_ana, "now it is sent").expect("stored");
    assert_ne!(bob.safety_number(&to_ana).expect("both have keys"), number);
    assert_eq!(ana.alarms("bob"), []);
    // Ana's tablet has the old keys: it stops, until it logs in again.
    let mut tablet = tablet.again().expect("it comes back");
    assert_eq!(tablet.alarm(), Some(Alarm::OwnKey));
    assert!(tablet.say(&to_bob, "never sent").is_err());
    let mut tablet = tablet.person.dm();
    assert_eq!(tablet.texts("bob").last().map(String::as_str), Some("now it is sent"));
    assert_eq!(tablet.alarms("bob"), []);
}

trait ParseAuth {
    fn parse_auth(&self) -> neospace::crypto::AuthKey;
}

impl ParseAuth for String {
    fn parse_auth(&self) -> neospace::crypto::AuthKey {
        neospace::crypto::Bytes::parse(self).expect("an auth key")
    }
}

#[test]
fn the_recovery_code_brings_everything_back() {
    let server = Server::builder().start();
    let (mut ana, mut bob) = (server.person("ana").dm(), server.person("bob").dm());
    let (to_ana, to_bob) = (name("ana"), name("bob"));
    ana.say(&to_bob, "do not forget").expect("stored");
    bob.texts("ana");
    ana.store_notebook().expect("stored");
    assert!(!ana.has_recovery().expect("the server says"));
    let code = RecoveryCode::fresh();
    let current = auth_key("ana", PASSWORD, &parameters("ana")).parse_auth();
    ana.set_recovery(&code, &current).expect("stored");
    assert!(ana.has_recovery().expect("the server says"));

    // Everything is lost but the code.
    let elsewhere = ana.person.elsewhere();
    let wrong = account::recover(
        elsewhere.ask(),
        &to_ana,
        &RecoveryCode::fresh(),
        "another silly sentence",
    );
    assert!(matches!(wrong.err(), Some(Trouble::Refused { .. })));
    let (mut device, _) = account::recover(elsewhere.ask(), &to_ana, &code, "another silly sentence").expect("back");
    let conversation = device.load_all(&to_bob).expect("loaded");
    let view = device.look(&conversation).expect("looked at");
    assert_eq!((view.items.len(), view.notices.len()), (1, 0));
    device.say(&to_bob, "here I am").expect("stored");
    assert_eq!(bob.texts("ana"), ["do not forget", "here I am"]);
    assert_eq!(bob.alarms("ana"), []);
    // The old sessions have ended, and the old password with them.
    assert!(ana.say(&to_bob, "never sent").is_err());
    assert_eq!(elsewhere.elsewhere().try_log_in(PASSWORD).status, 422);
}

#[test]
fn what_was_cut_off_is_sent_once() {
    let server = Server::builder().start();
    let (mut ana, mut bob) = (server.person("ana").dm(), server.person("bob").dm());
    let (to_ana, to_bob) = (name("ana"), name("bob"));
    ana.say(&to_bob, "one").expect("stored");
    bob.texts("ana");
    // The server takes it, and the answer is lost.
    let (person, lost) = (
        ana.person.clone(),
        std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)),
    );
    let (ask, once) = (person.ask(), lost.clone());
    let cut = move |request: neospace::dm_client::Request| {
        let sends = request.method == "POST" && request.path.ends_with("/messages");
        let answer = ask(request);
        if sends && !once.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return Err("the line broke".into());
        }
        answer
    };
    let mut device = neospace::dm_client::Device::resume(Box::new(cut), ana.kept().clone()).expect("it comes back");
    let broken = device.say(&to_bob, "two").expect_err("the line broke");
    assert!(matches!(broken, Trouble::Unreachable(_)));
    assert!(device.waits(&to_bob));
    device.say(&to_bob, "three").expect("stored");
    assert!(!device.waits(&to_bob));
    assert_eq!(bob.texts("ana"), ["one", "two", "three"]);
    assert_eq!(bob.alarms("ana"), []);
    bob.say(&to_ana, "three of them").expect("stored");
}
