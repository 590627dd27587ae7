//! A server that changes, forges, repeats, reorders and withholds messages.

use neospace_dm::{
    b64,
    keys::{Identity, Root},
    sha256,
};
use neospace_tests::{
    canary::Search,
    forger::{Forger, roots, secrets, shown_to_recipient, text_body},
};
use serde_json::{Value, json};

use super::{Stage, bend, leaks, messages, of_ana, texts};

#[test]
fn what_the_server_does_to_messages_is_noticed() {
    let stage = Stage::new();
    let mark = stage.door.mark();
    // Something of another conversation of bob's, to be spliced in.
    let cyd = Forger::enter(stage.server.person("cyd"));
    let other = cyd.say(&stage.bob_name, "cyd-said-Pk5sYw2nDe7v");
    let spliced = shown_to_recipient(&other, &cyd.name, 901, 8);
    // Something that ana sealed long ago, for another place.
    let sealed = stage.ana.seal(
        &stage.bob_name,
        &stage.ana.header(&stage.bob_name),
        text_body("the last of ana's").to_string().as_bytes(),
    );

    let lie = |what: &str, expected: &[&str], change: Box<dyn Fn(&mut Vec<Value>) + Send>| {
        messages(&stage.door, change);
        stage.check(what, expected);
        stage.door.honest();
    };

    // ── order, gaps, repetitions ──
    lie(
        "a replay at the end",
        &["repeated"],
        Box::new(|list| {
            let mut again = list[0].clone();
            (again["seq"], again["id"]) = (json!(99), json!(99));
            list.push(again);
        }),
    );
    lie(
        "the same row twice",
        &["repeated"],
        Box::new(|list| list.push(list[list.len() - 1].clone())),
    );
    lie(
        "another message under a number that is taken",
        &["repeated"],
        Box::new(|list| {
            let mut other = list[0].clone();
            other["seq"] = list[list.len() - 1]["seq"].clone();
            list.push(other);
        }),
    );
    lie(
        "two swapped in the list",
        &["reordered"],
        Box::new(|list| list.swap(0, 2)),
    );
    lie(
        "two swapped with their numbers",
        &["reordered"],
        Box::new(|list| {
            let (a, b) = (list[0]["seq"].clone(), list[2]["seq"].clone());
            (list[0]["seq"], list[2]["seq"]) = (b, a);
            list.swap(0, 2);
        }),
    );
    lie(
        "an answer moved above its question",
        &["reordered"],
        Box::new(|list| {
            // Bob's second, which had seen ana's fourth, before that.
            let (a, b) = (list[4]["seq"].clone(), list[5]["seq"].clone());
            (list[4]["seq"], list[5]["seq"]) = (b, a);
            list.swap(4, 5);
        }),
    );
    lie(
        "one dropped from the middle",
        &["missing"],
        Box::new(|list| drop(list.remove(2))),
    );
    lie("the newest dropped", &["missing"], Box::new(|list| drop(list.pop())));
    lie(
        "my own newest dropped",
        &["missing"],
        Box::new(|list| drop(list.remove(5))),
    );
    lie("the first dropped", &["missing"], Box::new(|list| drop(list.remove(0))));
    lie("everything dropped", &["missing"], Box::new(Vec::clear));
    lie(
        "more that never comes",
        &["missing"],
        Box::new(|list| drop(list.remove(0))),
    );

    // ── what is in them ──
    let bound: [(&str, usize, &[&str]); 13] = [
        ("version", 0, &["version"]),
        ("suite", 1, &["version"]),
        ("conversation", 2, &["broken"]),
        ("sender", 18, &["broken"]),
        ("counter", 26, &["broken"]),
        ("previous hash", 27, &["broken"]),
        ("seen counter", 66, &["broken"]),
        ("seen hash", 67, &["broken"]),
        ("log size", 106, &["broken"]),
        ("log head", 107, &["broken"]),
        ("sender's identity", 150, &["broken"]),
        ("recipient's identity", 180, &["broken"]),
        ("commitment", 234, &["broken"]),
    ];
    for (field, at, expected) in bound {
        lie(
            &format!("a flipped bit of the {field}"),
            expected,
            Box::new(move |list| {
                if let Some(message) = of_ana(list, 4) {
                    bend(&mut message["header"], |header| header[at] ^= 1);
                }
            }),
        );
    }
    for (part, at) in [("encapsulated key", 0), ("ciphertext", 40), ("tag", usize::MAX)] {
        lie(
            &format!("a flipped bit of the {part}"),
            &["broken"],
            Box::new(move |list| {
                if let Some(message) = of_ana(list, 4) {
                    bend(&mut message["copy"], |copy| {
                        let at = at.min(copy.len() - 1);
                        copy[at] ^= 0x10;
                    });
                }
            }),
        );
    }
    lie(
        "the hash of the other copy",
        &["reordered"],
        Box::new(|list| {
            if let Some(message) = of_ana(list, 2) {
                bend(&mut message["other"], |hash| hash[0] ^= 1);
            }
        }),
    );
    lie(
        "a later version",
        &["version"],
        Box::new(|list| {
            if let Some(message) = of_ana(list, 4) {
                bend(&mut message["header"], |header| (header[0], header[1]) = (255, 255));
            }
        }),
    );
    lie(
        "copies of two messages swapped",
        &["broken"],
        Box::new(|list| {
            let (a, b) = (list[0]["copy"].clone(), list[4]["copy"].clone());
            (list[0]["copy"], list[4]["copy"]) = (b, a);
        }),
    );
    let senders = b64::encode(&sealed.sender);
    lie(
        "the sender's copy in the place of mine",
        &["broken"],
        Box::new(move |list| {
            list[4]["copy"] = json!(senders);
        }),
    );
    lie(
        "a message of another conversation",
        &["broken"],
        Box::new(move |list| {
            let mut spliced = spliced.clone();
            list.push(spliced.clone());
            // And as if ana had sent it.
            (spliced["from"], spliced["seq"], spliced["id"]) = (json!("ana"), json!(9), json!(902));
            list.push(spliced);
        }),
    );
    lie(
        "ana's words as bob's",
        &["broken"],
        Box::new(|list| list[4]["from"] = json!("bob")),
    );
    lie(
        "somebody else's name on it",
        &["broken"],
        Box::new(|list| list[4]["from"] = json!("cyd")),
    );
    lie(
        "a message that ana sealed and never sent",
        &["missing"],
        Box::new({
            // It is in order and well sealed; the true one in its place is what is dropped, and her next tells.
            let withheld = shown_to_recipient(&sealed, &stage.ana_name, 903, 8);
            move |list| {
                list.pop();
                list.push(withheld.clone());
            }
        }),
    );
    for (size, bytes) in [
        ("empty", 0),
        ("short", 20),
        ("cut", 303),
        ("of no class", 1000),
        ("oversized", 1 << 20),
    ] {
        lie(
            &format!("a copy that is {size}"),
            &["broken"],
            Box::new(move |list| {
                bend(&mut list[4]["copy"], |copy| copy.resize(bytes, 7));
            }),
        );
        lie(
            &format!("a header that is {size}"),
            &["broken"],
            Box::new(move |list| {
                bend(&mut list[4]["header"], |header| {
                    header.resize(if bytes == 303 { 234 } else { bytes }, 7)
                });
                bend(&mut list[4]["header"], |header| {
                    header.iter_mut().take(2).for_each(|byte| *byte = 1)
                });
            }),
        );
    }

    // ── removed, hidden, changed by the server's word ──
    let gone = |removed: bool, hidden: Value| -> Box<dyn Fn(&mut Vec<Value>) + Send> {
        Box::new(move |list| {
            let copy: Vec<u8> = list[4]["copy"].as_str().and_then(b64::decode).unwrap_or_default();
            list[4]["own"] = json!(b64::encode(sha256(&[&copy])));
            (list[4]["copy"], list[4]["removed"], list[4]["hidden"]) = (Value::Null, json!(removed), hidden.clone());
        })
    };
    lie("a copy that is gone", &["removed"], gone(false, Value::Null));
    lie("removed by the server's word", &["forged"], gone(true, Value::Null));
    lie(
        "hidden without a tag of mine",
        &["removed"],
        gone(false, json!(b64::encode([7; 32]))),
    );
    let roots = roots(&stage.bob);
    let tag = Identity::derive(&Root::from(roots[0]), &stage.bob_name).hiding_tag(&[9; 32]);
    lie(
        "hidden with the tag of another message",
        &["removed"],
        gone(false, json!(b64::encode(tag))),
    );
    let foreign = stage.ana.keys().hiding_tag(&[9; 32]);
    lie(
        "hidden with somebody else's tag",
        &["removed"],
        gone(false, json!(b64::encode(foreign))),
    );

    // ── shapes ──
    lie(
        "what is no message",
        &["broken"],
        Box::new(|list| {
            let deep = serde_json::from_str::<Value>(&format!("{}{}", "[".repeat(100), "]".repeat(100))).expect("JSON");
            let good = list[4].clone();
            let with = |field: &str, value: Value| {
                let mut message = good.clone();
                (message["seq"], message["id"]) = (json!(50), json!(50));
                message[field] = value;
                message
            };
            list.extend([Value::Null, json!(1), json!("text"), json!([]), json!({}), deep.clone()]);
            for value in [
                Value::Null,
                json!(-1),
                json!(1.5),
                json!(1e300),
                json!(u64::MAX),
                json!("7"),
                json!([]),
                json!({}),
                json!(true),
                deep,
            ] {
                for field in [
                    "id", "seq", "at", "from", "header", "copy", "other", "own", "hidden", "removed",
                ] {
                    // These are what an honest server says too.
                    if !matches!(
                        (field, &value),
                        ("at" | "id" | "seq", Value::Number(_))
                            | ("copy" | "own" | "hidden", Value::Null)
                            | ("removed", _)
                    ) {
                        list.push(with(field, value.clone()));
                    }
                }
            }
            list.push(with("__proto__", json!({ "removed": true })));
            list.push(with("at", json!(8_640_000_000_000_001_u64)));
        }),
    );

    // Nothing of it made bob's devices say anything that they must not.
    let search = Search::new(secrets(&stage.bob).into_iter().chain(texts()));
    let found = leaks(&search, &stage.door.sent(mark));
    assert!(found.is_empty(), "{found:#?}");
}
