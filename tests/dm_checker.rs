//! The checker of direct messages, against everything that a server can do with what it was given: each alarm of the
//! protocol, and that there is none without a reason. Both sides' clients are held to this; here it is Rust's, in memory.

use neospace_dm::{
    Alarm, Name,
    keys::{Identity, Keyring, Root},
    log::{Entry, Log},
    message::{self, Body, Envelope, Position, Sealed, Whose},
    notebook::{Notebook, Peer, Pin},
    sha256,
    thread::{Says, Shown, Thread, Trust, View},
};

/// Ana and bob, with their keys, and a server that they believe nothing.
struct World {
    names: [Name; 2],
    roots: [Vec<Root>; 2],
    log: Log,
    /// Each message with who sent it (0 ana, 1 bob).
    sent: Vec<(usize, Sealed)>,
    positions: [Position; 2],
}

const ANA: usize = 0;
const BOB: usize = 1;

impl World {
    fn new() -> World {
        let mut world = World {
            names: ["ana", "bob"].map(|name| name.parse().expect("a name")),
            roots: [Vec::new(), Vec::new()],
            log: Log::default(),
            sent: Vec::new(),
            positions: [Position::default(); 2],
        };
        world.new_keys(ANA);
        world.new_keys(BOB);
        world
    }

    fn new_keys(&mut self, who: usize) {
        let before = self.roots[who]
            .last()
            .map(|root| Identity::derive(root, &self.names[who]));
        self.roots[who].push(Root::fresh());
        let entry = self.entry(who, before.as_ref());
        self.log.append(&entry.encode()).expect("the next entry");
    }

    /// An entry for somebody's newest keys, signed by those before.
    fn entry(&self, who: usize, before: Option<&Identity>) -> Entry {
        let (name, ring, head) = (&self.names[who], self.ring(who), self.log.head());
        let (keys, generation) = (ring.newest().keys, ring.generation());
        Entry {
            index: head.size + 1,
            at: 1_000 + head.size,
            previous: head.hash,
            name: name.clone(),
            generation,
            keys,
            signature: ring.newest().sign(name, generation, &keys),
            previous_signature: before.map_or([0; 64], |before| before.sign(name, generation, &keys)),
        }
    }

    fn ring(&self, who: usize) -> Keyring {
        Keyring::derive(&self.names[who], &self.roots[who]).expect("there are roots")
    }

    fn send(&mut self, who: usize, body: &Body) {
        let seen = self.positions[1 - who];
        self.send_seen(who, seen, body);
    }

    fn send_seen(&mut self, who: usize, seen: Position, body: &Body) {
        let (ring, to) = (self.ring(who), self.ring(1 - who));
        let sealed = message::seal(
            &Envelope {
                from: &self.names[who],
                to: &self.names[1 - who],
                keys: ring.newest(),
                recipient: to.newest().keys.identity,
                previous: self.positions[who],
                seen,
                log: self.log.head(),
            },
            body,
        )
        .expect("it can be sent");
        self.positions[who] = sealed.position();
        self.sent.push((who, sealed));
    }

    fn say(&mut self, who: usize, text: &str) {
        self.send(who, &said(text));
    }

    /// What an honest server shows to somebody.
    fn shown(&self, to: usize) -> Vec<Shown> {
        let show = |(index, (from, sealed)): (usize, &(usize, Sealed))| {
            let mine = *from == to;
            let (own, other) = if mine {
                (&sealed.sender, &sealed.recipient)
            } else {
                (&sealed.recipient, &sealed.sender)
            };
            Shown {
                id: 100 + index as u64,
                seq: 1 + index as u64,
                at: 5,
                from: self.names[*from].clone(),
                header: sealed.header.clone(),
                copy: Some(own.clone()),
                other: sha256(&[other]),
                own: None,
                hidden: None,
                removed: false,
            }
        };
        self.sent.iter().enumerate().map(show).collect()
    }

    /// What somebody's notebook has about the other, at first use.
    fn page(&self, who: usize) -> Peer {
        let newest = self.log.member(&self.names[1 - who]).expect("sound").last();
        Peer {
            pin: newest.map(|entry| Pin::of(entry, 0)),
            ..Peer::default()
        }
    }

    /// How bob sees this.
    fn bob_sees(&self, shown: Vec<Shown>) -> View {
        self.bob_sees_with(shown, &self.log, &self.page(BOB))
    }

    fn bob_sees_with(&self, shown: Vec<Shown>, log: &Log, peer: &Peer) -> View {
        let keys = self.ring(BOB);
        let mut thread = Thread::new(&self.names[BOB], &self.names[ANA]);
        thread.complete = true;
        thread.add(&keys, shown);
        thread.view(&Trust {
            keys: &keys,
            log,
            log_is_current: true,
            peer,
        })
    }
}

fn said(text: &str) -> Body {
    Body::Text {
        at: 7,
        text: text.into(),
        reply: None,
        files: Vec::new(),
    }
}

/// Eight messages to and fro.
fn talk() -> World {
    let mut world = World::new();
    for (who, text) in [
        (ANA, "one"),
        (ANA, "two"),
        (BOB, "uno"),
        (ANA, "three"),
        (BOB, "dos"),
        (BOB, "tres"),
        (ANA, "four"),
        (ANA, "five"),
    ] {
        world.say(who, text);
    }
    world
}

/// Every alarm, each once.
fn alarms(view: &View) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = view.notices.iter().map(|notice| notice.alarm).collect();
    alarms.dedup();
    alarms
}

fn texts(view: &View) -> Vec<&str> {
    let mut texts = Vec::new();
    for item in &view.items {
        if let Says::Text { text, .. } = &item.says {
            texts.push(text.as_str());
        }
    }
    texts
}

const ALL: [&str; 8] = ["one", "two", "uno", "three", "dos", "tres", "four", "five"];

#[test]
fn an_honest_server_gives_no_alarm_however_it_is_asked() {
    let world = talk();
    let view = world.bob_sees(world.shown(BOB));
    assert_eq!((alarms(&view), texts(&view)), (vec![], ALL.to_vec()));
    assert_eq!((view.mine, view.theirs), (world.positions[BOB], world.positions[ANA]));
    // Page by page, from the newest on; and one by one, as it comes live.
    let keys = world.ring(BOB);
    for size in 1..8 {
        let mut thread = Thread::new(&world.names[BOB], &world.names[ANA]);
        let shown = world.shown(BOB);
        for page in shown.rchunks(size) {
            thread.add(&keys, page.to_vec());
            let view = thread.view(&Trust {
                keys: &keys,
                log: &world.log,
                log_is_current: true,
                peer: &world.page(BOB),
            });
            assert_eq!(alarms(&view), [], "pages of {size}");
        }
    }
    // The notebook knows as much as there is.
    let mut page = world.page(BOB);
    (page.mine, page.theirs) = (world.positions[BOB], world.positions[ANA]);
    assert_eq!(alarms(&world.bob_sees_with(world.shown(BOB), &world.log, &page)), []);
}

#[test]
fn what_the_server_drops_is_missing() {
    let world = talk();
    for gone in 0..8 {
        let mut shown = world.shown(BOB);
        let dropped = shown.remove(gone);
        let mut page = world.page(BOB);
        (page.mine, page.theirs) = (world.positions[BOB], world.positions[ANA]);
        let view = world.bob_sees_with(shown, &world.log, &page);
        assert!(alarms(&view).contains(&Alarm::Missing), "{gone}: {view:#?}");
        let whose = if dropped.from == world.names[BOB] {
            Whose::Mine
        } else {
            Whose::Theirs
        };
        let named = view
            .notices
            .iter()
            .any(|notice| notice.alarm == Alarm::Missing && notice.place.is_some_and(|at| at.0 == whose));
        assert!(named, "{gone}: {view:#?}");
    }
    // Without a notebook the last messages of a side can be withheld, until what the other seals names them.
    let mut shown = world.shown(BOB);
    shown.truncate(6);
    assert_eq!(alarms(&world.bob_sees(shown)), []);
    // The history cut off at its beginning.
    assert!(alarms(&world.bob_sees(world.shown(BOB).split_off(3))).contains(&Alarm::Missing));
}

#[test]
fn what_comes_twice_or_in_another_order_is_said() {
    let world = talk();
    for again in 0..8 {
        let mut shown = world.shown(BOB);
        let mut second = shown[again].clone();
        (second.seq, second.id) = (9, 900);
        shown.push(second);
        let view = world.bob_sees(shown);
        assert_eq!((alarms(&view), texts(&view)), (vec![Alarm::Repeated], ALL.to_vec()));
    }
    for at in 0..7 {
        let mut shown = world.shown(BOB);
        shown.swap(at, at + 1);
        for (seq, shown) in (1..).zip(&mut shown) {
            shown.seq = seq;
        }
        let view = world.bob_sees(shown.clone());
        let same = shown[at].from == shown[at + 1].from;
        // Between the two sides, only what one had seen fixes the order.
        assert!(alarms(&view).contains(&Alarm::Reordered) || !same, "{at}: {view:#?}");
        if same {
            assert_eq!(texts(&view), ALL, "it is shown by counter");
        }
    }
    // Numbers that don't go up within one answer.
    let mut shown = world.shown(BOB);
    shown.reverse();
    assert_eq!(alarms(&world.bob_sees(shown)), [Alarm::Reordered]);
    // Another message in the place of one that was seen.
    let mut page = world.page(BOB);
    (page.theirs, page.theirs.hash[0]) = (world.positions[ANA], world.positions[ANA].hash[0] ^ 1);
    assert_eq!(
        alarms(&world.bob_sees_with(world.shown(BOB), &world.log, &page)),
        [Alarm::Reordered]
    );
}

#[test]
fn a_flipped_bit_anywhere_is_an_alarm_and_shows_nothing() {
    let world = talk();
    let header = world.shown(BOB)[3].header.len();
    for at in (0..header).chain([header + 1, header + 40, header + 300]) {
        let mut shown = world.shown(BOB);
        let altered = &mut shown[3];
        match at.checked_sub(header) {
            None => altered.header[at] ^= 1,
            Some(at) => altered.copy.as_mut().expect("there is one")[at - 1] ^= 1,
        }
        let view = world.bob_sees(shown);
        // The last byte of the counter makes a 2 of the 3: there is one already, and this one doesn't open.
        let expected = match at {
            0 | 1 => Alarm::Version,
            _ => Alarm::Broken,
        };
        assert!(alarms(&view).contains(&expected), "byte {at}: {view:#?}");
        assert!(!texts(&view).contains(&"three"), "byte {at}");
        assert_eq!(texts(&view).len(), 7, "byte {at}");
    }
    // A hash that the server tells breaks the chain.
    let mut shown = world.shown(BOB);
    shown[3].other[0] ^= 1;
    assert!(alarms(&world.bob_sees(shown)).contains(&Alarm::Reordered));
    // Somebody else's name over it; a copy cut short, and one of nothing.
    for spoil in [
        |shown: &mut Shown| shown.from = "cyd".parse().expect("a name"),
        |shown: &mut Shown| shown.from = "bob".parse().expect("a name"),
        |shown: &mut Shown| shown.copy.as_mut().expect("there is one").truncate(100),
        |shown: &mut Shown| shown.copy = Some(Vec::new()),
        |shown: &mut Shown| shown.header.truncate(234),
        |shown: &mut Shown| shown.header.clear(),
    ] {
        let mut shown = world.shown(BOB);
        spoil(&mut shown[3]);
        let view = world.bob_sees(shown);
        assert!(alarms(&view).contains(&Alarm::Broken), "{view:#?}");
    }
}

#[test]
fn a_message_of_another_conversation_is_broken() {
    let world = talk();
    let mut other = World::new();
    other.names[ANA] = "anna".parse().expect("a name");
    other.roots = [world.roots[0].clone(), world.roots[1].clone()];
    other.log = world.log.clone();
    other.say(ANA, "for somebody else's eyes");
    let mut shown = world.shown(BOB);
    let mut spliced = other.shown(BOB).remove(0);
    (spliced.from, spliced.seq) = (world.names[ANA].clone(), 9);
    shown.push(spliced);
    let view = world.bob_sees(shown);
    assert_eq!((alarms(&view), texts(&view)), (vec![Alarm::Broken], ALL.to_vec()));
}

#[test]
fn only_the_sender_removes_and_edits() {
    let mut world = talk();
    // The server drops a copy, by itself or in somebody's name.
    for (removed, alarm) in [(false, Alarm::Removed), (true, Alarm::Forged)] {
        let mut shown = world.shown(BOB);
        let own = shown[3].copy.take().map(|copy| sha256(&[&copy]));
        (shown[3].own, shown[3].removed) = (own, removed);
        let view = world.bob_sees(shown);
        assert_eq!(alarms(&view), [alarm]);
        assert_eq!(texts(&view).len(), 7);
    }
    // It hides one by its word, or by another's tag.
    let hash = world.bob_sees(world.shown(BOB)).items[3].hash;
    let ring = world.ring(BOB);
    let anas_tag = world.ring(ANA).newest().hiding_tag(&hash);
    for (tag, alarm) in [
        (Some([0; 32]), vec![Alarm::Removed]),
        (Some(anas_tag), vec![Alarm::Removed]),
        (Some(ring.newest().hiding_tag(&hash)), vec![]),
    ] {
        let mut shown = world.shown(BOB);
        shown[3].own = shown[3].copy.take().map(|copy| sha256(&[&copy]));
        shown[3].hidden = tag;
        assert_eq!(alarms(&world.bob_sees(shown)), alarm);
    }
    // Edits and removals of what isn't there to be changed.
    world.send(
        ANA,
        &Body::Edit {
            at: 8,
            target: 1,
            text: "one, mended".into(),
        },
    );
    assert_eq!(alarms(&world.bob_sees(world.shown(BOB))), []);
    assert_eq!(texts(&world.bob_sees(world.shown(BOB)))[0], "one, mended");
    for forged in [
        Body::Edit {
            at: 8,
            target: 6,
            text: "an edit of an edit".into(),
        },
        Body::Edit {
            at: 8,
            target: 7,
            text: "of itself".into(),
        },
        Body::Edit {
            at: 8,
            target: 99,
            text: "of what comes".into(),
        },
        Body::Delete {
            at: 8,
            targets: vec![7],
        },
        Body::Delete {
            at: 8,
            targets: vec![1, 99],
        },
    ] {
        let (sent, positions) = (world.sent.len(), world.positions);
        world.send(ANA, &forged);
        let view = world.bob_sees(world.shown(BOB));
        assert_eq!(alarms(&view), [Alarm::Forged], "{forged:?}");
        assert_eq!(texts(&view)[0], "one, mended", "{forged:?}");
        world.sent.truncate(sent);
        world.positions = positions;
    }
    // What its sender removes is removed, whether the server has dropped it yet or not.
    world.send(
        ANA,
        &Body::Delete {
            at: 8,
            targets: vec![1, 6],
        },
    );
    let view = world.bob_sees(world.shown(BOB));
    assert_eq!(alarms(&view), []);
    assert_eq!(
        view.items
            .iter()
            .filter(|item| matches!(item.says, Says::Removed))
            .count(),
        1
    );
    let mut shown = world.shown(BOB);
    for gone in [0, 8] {
        shown[gone].own = shown[gone].copy.take().map(|copy| sha256(&[&copy]));
        shown[gone].removed = true;
    }
    let view = world.bob_sees(shown);
    assert_eq!(alarms(&view), []);
    assert_eq!(
        view.items
            .iter()
            .filter(|item| matches!(item.says, Says::Removed))
            .count(),
        1
    );
    // A removal can't be removed.
    world.send(
        ANA,
        &Body::Delete {
            at: 8,
            targets: vec![7],
        },
    );
    assert_eq!(alarms(&world.bob_sees(world.shown(BOB))), [Alarm::Forged]);
}

#[test]
fn what_was_seen_must_have_been_there() {
    let mut world = talk();
    let nothing = Position {
        counter: 9,
        hash: [9; 32],
    };
    world.send_seen(ANA, nothing, &said("I saw your ninth"));
    assert_eq!(alarms(&world.bob_sees(world.shown(BOB))), [Alarm::Missing]);
    let mut world = talk();
    let other = Position {
        hash: [9; 32],
        ..world.positions[BOB]
    };
    world.send_seen(ANA, other, &said("I saw another third"));
    assert_eq!(alarms(&world.bob_sees(world.shown(BOB))), [Alarm::Missing]);
    let mut world = talk();
    world.send_seen(ANA, Position::default(), &said("I have seen nothing of it"));
    assert_eq!(alarms(&world.bob_sees(world.shown(BOB))), [Alarm::Reordered]);
}

#[test]
fn another_view_of_the_key_log_is_noticed() {
    let mut world = talk();
    // Ana is shown another log than bob: other entries after the two, as many as he has.
    let honest = world.log.clone();
    let dora: Name = "dora".parse().expect("a name");
    let grow = |log: &mut Log, name: &Name| {
        let head = log.head();
        let keys = Identity::derive(&Root::fresh(), name);
        let entry = Entry {
            index: head.size + 1,
            at: 2_000,
            previous: head.hash,
            name: name.clone(),
            generation: 1,
            keys: keys.keys,
            signature: keys.sign(name, 1, &keys.keys),
            previous_signature: [0; 64],
        };
        log.append(&entry.encode()).expect("the next entry");
    };
    let mut bobs = honest.clone();
    grow(&mut world.log, &dora);
    grow(&mut bobs, &dora);
    world.say(ANA, "by another log");
    let page = world.page(BOB);
    assert_eq!(
        alarms(&world.bob_sees_with(world.shown(BOB), &bobs, &page)),
        [Alarm::LogFork]
    );
    // Bob's log ends before what ana names: it has to be read, and where there is nothing more, it is withheld.
    let keys = world.ring(BOB);
    let mut thread = Thread::new(&world.names[BOB], &world.names[ANA]);
    thread.add(&keys, world.shown(BOB));
    for (current, behind) in [(false, true), (true, false)] {
        let view = thread.view(&Trust {
            keys: &keys,
            log: &honest,
            log_is_current: current,
            peer: &page,
        });
        assert_eq!(view.log_behind, behind);
        assert_eq!(alarms(&view).contains(&Alarm::LogFork), !behind);
    }
    // Ana's log is shorter than in what she sent before.
    let longer = world.log.clone();
    world.log = honest;
    world.say(ANA, "with less of the log");
    world.log = longer.clone();
    assert_eq!(
        alarms(&world.bob_sees_with(world.shown(BOB), &longer, &page)),
        [Alarm::LogFork]
    );
}

#[test]
fn new_keys_are_not_believed_until_they_are_accepted() {
    let mut world = talk();
    let mut page = world.page(BOB);
    (page.mine, page.theirs) = (world.positions[BOB], world.positions[ANA]);
    world.new_keys(ANA);
    // The log alone stops it.
    let view = world.bob_sees_with(world.shown(BOB), &world.log, &page);
    assert_eq!(
        (alarms(&view), view.stopped()),
        (vec![Alarm::KeyChanged], Some(Alarm::KeyChanged))
    );
    world.say(ANA, "by new keys");
    world.send(
        ANA,
        &Body::Delete {
            at: 8,
            targets: vec![1],
        },
    );
    let view = world.bob_sees_with(world.shown(BOB), &world.log, &page);
    assert_eq!((alarms(&view), texts(&view)), (vec![Alarm::KeyChanged], ALL.to_vec()));
    assert!(
        view.items
            .iter()
            .any(|item| matches!(item.says, Says::Nothing(Alarm::KeyChanged)))
    );
    // Accepted: what the old keys sealed before holds, and what the new ones did.
    page.pin = world
        .log
        .member(&world.names[ANA])
        .expect("sound")
        .last()
        .map(|entry| Pin::of(entry, 5));
    let view = world.bob_sees_with(world.shown(BOB), &world.log, &page);
    assert_eq!(alarms(&view), []);
    assert_eq!(texts(&view).last(), Some(&"by new keys"));
    // Who has stolen the old ones can't go on with them.
    world.roots[ANA].truncate(1);
    world.say(ANA, "by stolen keys");
    let view = world.bob_sees_with(world.shown(BOB), &world.log, &page);
    assert_eq!(alarms(&view), [Alarm::KeyChanged]);
    assert!(!texts(&view).contains(&"by stolen keys"));
}

#[test]
fn keys_that_a_server_made_up_are_noticed() {
    let world = talk();
    let (ana, bob) = (&world.names[ANA], &world.names[BOB]);
    // A successor that the keys before didn't sign: nothing accepts it.
    let mut forged = World::new();
    forged.roots = [world.roots[0].clone(), world.roots[1].clone()];
    forged.roots[ANA].push(Root::fresh());
    forged.log = world.log.clone();
    let entry = forged.entry(ANA, None);
    let mut log = world.log.clone();
    log.append(&entry.encode()).expect("it is well made");
    assert_eq!(log.member(ana), Err(Alarm::LogBroken));
    let view = world.bob_sees_with(world.shown(BOB), &log, &world.page(BOB));
    assert!(alarms(&view).contains(&Alarm::LogBroken) && view.stopped().is_some());
    // An entry in one's own name.
    forged.roots = [world.roots[0].clone(), world.roots[1].clone()];
    let before = Identity::derive(&forged.roots[BOB][0], bob);
    forged.roots[BOB].push(Root::fresh());
    let entry = forged.entry(BOB, Some(&before));
    let mut log = world.log.clone();
    log.append(&entry.encode()).expect("it is well made");
    let view = world.bob_sees_with(world.shown(BOB), &log, &world.page(BOB));
    assert_eq!(
        (alarms(&view), view.stopped()),
        (vec![Alarm::OwnKey], Some(Alarm::OwnKey))
    );
    // A notebook that was withheld, and a peer's keys swapped at what looks like first use: the history is by others.
    let mut swapped = Peer::default();
    let mut evil = World::new();
    evil.names.clone_from(&world.names);
    evil.roots[BOB] = world.roots[BOB].clone();
    evil.log = Log::default();
    for who in [ANA, BOB] {
        let entry = evil.entry(who, None);
        evil.log.append(&entry.encode()).expect("the next entry");
    }
    swapped.pin = evil
        .log
        .member(ana)
        .expect("sound")
        .last()
        .map(|entry| Pin::of(entry, 0));
    let view = world.bob_sees_with(world.shown(BOB), &evil.log, &swapped);
    assert!(alarms(&view).contains(&Alarm::KeyChanged) && alarms(&view).contains(&Alarm::LogFork));
    assert!(
        !texts(&view).contains(&"one"),
        "what isn't by the pinned keys isn't shown"
    );
}

#[test]
fn a_header_that_nobody_sealed_moves_nothing() {
    let world = talk();
    let mut shown = world.shown(BOB);
    let mut wild = shown[7].clone();
    wild.header[19..27].copy_from_slice(&(1_u64 << 60).to_be_bytes());
    wild.seq = 9;
    shown.push(wild);
    let view = world.bob_sees(shown);
    assert_eq!(alarms(&view), [Alarm::Missing, Alarm::Broken]);
    assert_eq!(view.theirs, world.positions[ANA]);
    let notice = view.notices.first().expect("there are two");
    assert_eq!(notice.place, Some((Whose::Theirs, 6, (1 << 60) - 1)));
}

#[test]
fn two_devices_notebooks_become_one() {
    let world = talk();
    let (ana, bob) = (&world.names[ANA], &world.names[BOB]);
    let entry = world
        .log
        .member(ana)
        .expect("sound")
        .last()
        .expect("there is one")
        .clone();
    let pin = Pin::of(&entry, 0);
    let mut one = Notebook::default();
    *one.peer(ana) = Peer {
        pin: Some(Pin { compared: true, ..pin }),
        mine: Position {
            counter: 3,
            hash: [3; 32],
        },
        theirs: Position {
            counter: 5,
            hash: [5; 32],
        },
    };
    let mut two = Notebook {
        log: world.log.head(),
        ..Notebook::default()
    };
    *two.peer(ana) = Peer {
        pin: Some(pin),
        mine: Position {
            counter: 4,
            hash: [4; 32],
        },
        theirs: Position {
            counter: 2,
            hash: [2; 32],
        },
    };
    two.peer(bob).mine.counter = 1;
    let before = one.clone();
    assert_eq!(one.merge(two.clone()), []);
    let merged = &one.peers[ana];
    assert_eq!((merged.mine.counter, merged.theirs.counter), (4, 5));
    assert!(merged.pin.is_some_and(|pin| pin.compared) && one.log == world.log.head());
    assert!(one.includes(&before) && one.includes(&two) && !before.includes(&two) && !two.includes(&before));
    // Newer keys win, and haven't been compared.
    let mut newer = two.clone();
    newer.peer(ana).pin = Some(Pin {
        generation: 2,
        keys: world.ring(BOB).newest().keys,
        after: 5,
        ..pin
    });
    assert_eq!(one.merge(newer), []);
    assert!(
        one.peers[ana]
            .pin
            .is_some_and(|pin| pin.generation == 2 && !pin.compared && pin.after == 5)
    );
    // The devices were shown different messages in one place.
    let mut torn = one.clone();
    torn.peer(ana).theirs.hash = [6; 32];
    assert_eq!(one.merge(torn), std::slice::from_ref(ana));
}
