//! Keys for the demo's members, and what they wrote to one another: made and sealed by the code of a real client, and taken
//! as anybody's is.

use std::collections::BTreeMap;

use neospace_dm::{
    Name,
    keys::{self, Identity, Keyring, Kind, Root},
    message::{self, Body, Envelope, Position},
    notebook::Notebook,
};

use super::member;
use crate::{
    app::{App, now_ms},
    dms::{self, Hand, NewKeys, Sealed, Signed},
    error::Error,
};

/// Everybody's keys, by name.
pub type Rings = BTreeMap<&'static str, Identity>;

/// Two, and who wrote what, how many minutes ago.
type Letters = ([&'static str; 2], &'static [(&'static str, i64, &'static str)]);

const LETTERS: [Letters; 2] = [
    (
        ["ana", "tidewatch"],
        &[
            (
                "tidewatch",
                412,
                "low water at 05:12 tomorrow. you said you wanted to see the wreck",
            ),
            (
                "ana",
                405,
                "I said I wanted to have seen it. 05:12 is not a time, it's a number",
            ),
            ("tidewatch", 404, "I'll bring the thermos"),
            (
                "ana",
                398,
                "then it is a time. meet you at the stairs, and don't tell bodo, he'd count the steps",
            ),
            (
                "tidewatch",
                396,
                "not a word. nobody but us can read this, I looked at the numbers",
            ),
        ],
    ),
    (
        ["ana", "bodo"],
        &[
            (
                "bodo",
                83,
                "it's 211 steps. I wasn't going to say anything, but I counted them",
            ),
            ("bodo", 82, "also: is there room for one more thermos?"),
        ],
    ),
];

/// Makes the first keys of somebody new, as their browser would at the first log-in.
///
/// # Errors
/// The database's.
pub async fn make_keys(app: &App, user_id: i64, name: &str, wrap: &[u8; 32]) -> Result<Identity, Error> {
    let name: Name = name.parse().map_err(Error::internal)?;
    let root = Root::fresh();
    let made = |what| Error::internal(format!("{what} could not be made"));
    let ring = Keyring::derive(&name, std::slice::from_ref(&root)).ok_or_else(|| made("keys"))?;
    let newest = ring.newest();
    let new = NewKeys {
        signed: Signed {
            generation: 1,
            keys: newest.keys,
            signature: newest.sign(&name, 1, &newest.keys),
            previous_signature: [0; 64],
            name: name.clone(),
        },
        wrapped: keys::wrap(wrap, Kind::Password, &name, std::slice::from_ref(&root))
            .ok_or_else(|| made("wrapped keys"))?,
        notebook: Notebook::default()
            .seal(newest, &name, 1)
            .ok_or_else(|| made("a notebook"))?,
        notebook_version: 1,
    };
    let teller = app.clone();
    app.db.write(move |tx| dms::append(tx, &teller, user_id, &new)).await?;
    Ok(Identity::derive(&root, &name))
}

/// Has them write to one another.
///
/// # Errors
/// The database's.
pub async fn write(app: &App, rings: &Rings) -> Result<(), Error> {
    for ([one, other], lines) in LETTERS {
        // Who was here before has keys that nobody else knows.
        let (Some(_), Some(_)) = (rings.get(one), rings.get(other)) else {
            continue;
        };
        let mut places: BTreeMap<&str, Position> = BTreeMap::new();
        for &(from, minutes, text) in lines {
            let to = if from == one { other } else { one };
            let at = now_ms() - minutes * 60_000;
            let place = |name| places.get(name).copied().unwrap_or_default();
            let envelope = Envelope {
                from: &from.parse().map_err(Error::internal)?,
                to: &to.parse().map_err(Error::internal)?,
                keys: &rings[from],
                recipient: rings[to].keys.identity,
                previous: place(from),
                seen: place(to),
                log: app.db.read(dms::log_head)?,
            };
            let body = Body::Text {
                at: at.unsigned_abs(),
                text: text.into(),
                reply: None,
                files: Vec::new(),
            };
            let sealed = message::seal(&envelope, &body).map_err(Error::internal)?;
            places.insert(from, sealed.position());
            let hand = Hand {
                member: &member(app, from)?,
                network: "demo",
                origin: None,
            };
            let sent = dms::deliver(app, hand, to, Sealed::from(sealed)).await?;
            app.db
                .write(move |tx| {
                    let id = sent.message.id;
                    tx.run("update dm_messages set at = ?2 where id = ?1", [id, at])?;
                    tx.run(
                        "update dm_conversations set at = ?2
                          where id = (select conversation_id from dm_messages where id = ?1)",
                        [id, at],
                    )
                })
                .await?;
        }
    }
    Ok(())
}
