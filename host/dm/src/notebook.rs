//! The notebook: what a member's devices tell each other through the server, sealed: whose keys were trusted, and how
//! far everything was seen.

use std::collections::BTreeMap;

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use serde::{Deserialize, Serialize};

use crate::{
    Alarm, Name,
    bytes::{Reader, put_name},
    keys::{Identity, Keys},
    log::{Entry, Head},
    message::Position,
    random,
};

/// The largest notebook, in bytes of padded JSON.
pub const MAX_BYTES: usize = 1 << 20;
const PADDED_TO: usize = 1024;

/// Everything that one device must know of what another one saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notebook {
    /// How far the key log was read.
    pub log: Head,
    /// Whom this member talks to. In JSON a list: a name makes no good key there.
    #[serde(with = "pages")]
    pub peers: BTreeMap<Name, Peer>,
}

mod pages {
    use super::{BTreeMap, Deserialize, Name, Peer, Serialize};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Page<N, P> {
        name: N,
        #[serde(flatten)]
        peer: P,
    }

    pub fn serialize<S: Serializer>(peers: &BTreeMap<Name, Peer>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(peers.iter().map(|(name, peer)| Page { name, peer }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Name, Peer>, D::Error> {
        let pages = Vec::<Page<Name, Peer>>::deserialize(deserializer)?;
        Ok(pages.into_iter().map(|page| (page.name, page.peer)).collect())
    }
}

/// What is known of one other member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The keys that are trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// The newest of one's own messages.
    #[serde(default)]
    pub mine: Position,
    /// The newest of theirs.
    #[serde(default)]
    pub theirs: Position,
}

/// Keys that a member trusts for another: those of first use, or accepted since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Where they stand in the key log.
    pub index: u64,
    /// How many keys the other has had.
    pub generation: u32,
    /// The keys.
    #[serde(flatten)]
    pub keys: Keys,
    /// That the two compared safety numbers.
    pub compared: bool,
    /// The other's counter when these keys were accepted, up to which the keys before them hold; 0 at first use.
    pub after: u64,
}

impl Pin {
    /// A pin on what the log says, not compared, accepted when the other's newest message was `after`.
    pub fn of(entry: &Entry, after: u64) -> Pin {
        Pin {
            after,
            index: entry.index,
            generation: entry.generation,
            keys: entry.keys,
            compared: false,
        }
    }
}

impl Notebook {
    /// What is known of a member; empty for a new one.
    pub fn peer(&mut self, name: &Name) -> &mut Peer {
        self.peers.entry(name.clone()).or_default()
    }

    /// Takes over what another device knows: the higher positions, the longer log, pins of the higher generation. A
    /// peer is compared where either says so of the same keys. Answers in whose conversations the two devices were
    /// shown different messages in one place, which is [`Alarm::Reordered`].
    #[must_use]
    pub fn merge(&mut self, other: Notebook) -> Vec<Name> {
        let mut torn = Vec::new();
        if other.log.size > self.log.size {
            self.log = other.log;
        }
        for (name, theirs) in other.peers {
            let ours = self.peer(&name);
            for (ours, theirs) in [(&mut ours.mine, theirs.mine), (&mut ours.theirs, theirs.theirs)] {
                if theirs.counter > ours.counter {
                    *ours = theirs;
                } else if theirs.counter == ours.counter && theirs.hash != ours.hash && !torn.contains(&name) {
                    torn.push(name.clone());
                }
            }
            ours.pin = merge_pins(ours.pin, theirs.pin);
        }
        torn
    }

    /// Whether it has everything that `before` had: positions, log and pins, as they are or further on. A newer version
    /// that hasn't is [`Alarm::Notebook`].
    pub fn includes(&self, before: &Notebook) -> bool {
        let nothing = Peer::default();
        let generation = |peer: &Peer| peer.pin.map_or(0, |pin| pin.generation);
        self.log.size >= before.log.size
            && before.peers.iter().all(|(name, then)| {
                let now = self.peers.get(name).unwrap_or(&nothing);
                now.mine.counter >= then.mine.counter
                    && now.theirs.counter >= then.theirs.counter
                    && generation(now) >= generation(then)
            })
    }

    /// Seals it as version `version`, for the server to keep; nothing where it is larger than [`MAX_BYTES`].
    pub fn seal(&self, keys: &Identity, name: &Name, version: u64) -> Option<Vec<u8>> {
        let mut json = serde_json::to_vec(self).expect("texts and numbers are JSON");
        json.resize(json.len().next_multiple_of(PADDED_TO), b' ');
        if json.len() > MAX_BYTES {
            return None;
        }
        let nonce: [u8; 12] = random();
        let payload = Payload {
            msg: &json,
            aad: &aad(name, version),
        };
        let sealed = Aes256Gcm::new((&*keys.notebook).into())
            .encrypt(&nonce.into(), payload)
            .ok()?;
        Some([&[1][..], &nonce, &sealed].concat())
    }

    /// Opens what the server kept as version `version`.
    ///
    /// # Errors
    /// [`Alarm::Notebook`]: altered, another version's, another account's.
    pub fn open(keys: &Identity, name: &Name, version: u64, sealed: &[u8]) -> Result<Notebook, Alarm> {
        let open = || {
            let mut reader = Reader(sealed);
            if reader.u8()? != 1 {
                return None;
            }
            let nonce: [u8; 12] = reader.array()?;
            if reader.0.len() > MAX_BYTES + 16 || reader.0.len() % PADDED_TO != 16 {
                return None;
            }
            let payload = Payload {
                msg: reader.0,
                aad: &aad(name, version),
            };
            let json = Aes256Gcm::new((&*keys.notebook).into())
                .decrypt(&nonce.into(), payload)
                .ok()?;
            serde_json::from_slice(&json).ok()
        };
        open().ok_or(Alarm::Notebook)
    }
}

fn merge_pins(ours: Option<Pin>, theirs: Option<Pin>) -> Option<Pin> {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return ours.or(theirs);
    };
    let newer = if theirs.generation > ours.generation {
        theirs
    } else {
        ours
    };
    let compared = if ours.keys == theirs.keys {
        ours.compared || theirs.compared
    } else {
        ours.generation != theirs.generation && newer.compared
    };
    Some(Pin { compared, ..newer })
}

fn aad(name: &Name, version: u64) -> Vec<u8> {
    let mut aad = b"neospace/1 dm notebook\0".to_vec();
    put_name(&mut aad, name);
    aad.extend(version.to_be_bytes());
    aad
}
