//! The key log: one list for the whole node of all keys that members ever had, each entry naming the hash of the one
//! before, so that who knows one head knows everything up to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Alarm, Bytes32, Name, b64,
    bytes::{Reader, put_name},
    keys::{self, Keys},
    sha256,
};

/// That a member has these keys from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 1.
    pub index: u64,
    /// When the server took it, Unix time in milliseconds.
    pub at: u64,
    /// The hash of the entry before; zeros for the first.
    pub previous: Bytes32,
    /// Whose keys.
    pub name: Name,
    /// How many keys the member has had, these included.
    pub generation: u32,
    /// The keys.
    pub keys: Keys,
    /// Theirs over [`keys::statement`].
    pub signature: [u8; 64],
    /// That of the generation before over the same; zeros for the first.
    pub previous_signature: [u8; 64],
}

impl Entry {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut entry = vec![1];
        entry.extend(self.index.to_be_bytes());
        entry.extend(self.at.to_be_bytes());
        entry.extend(self.previous);
        put_name(&mut entry, &self.name);
        entry.extend(self.generation.to_be_bytes());
        entry.extend(self.keys.identity);
        entry.extend(self.keys.signing);
        entry.extend(self.signature);
        entry.extend(self.previous_signature);
        entry
    }

    /// The entry that these bytes are, if they are one. Says nothing of its signatures: see [`Entry::follows`].
    pub fn decode(bytes: &[u8]) -> Option<Entry> {
        let mut reader = Reader(bytes);
        if reader.u8()? != 1 {
            return None;
        }
        let entry = Entry {
            index: reader.u64()?,
            at: reader.u64()?,
            previous: reader.array()?,
            name: reader.name()?,
            generation: reader.u32()?,
            keys: Keys {
                identity: reader.array()?,
                signing: reader.array()?,
            },
            signature: reader.array()?,
            previous_signature: reader.array()?,
        };
        reader.end().map(|()| entry)
    }

    /// What the next entry names it by.
    pub fn hash(&self) -> Bytes32 {
        hash(&self.encode())
    }

    /// Whether it comes after `before` in its member's keys: signed by its own keys and by those before, which are
    /// usable ones, and counted on by one. Nothing comes before the first.
    pub fn follows(&self, before: Option<&Entry>) -> bool {
        let Entry {
            name, generation, keys, ..
        } = self;
        let succeeds = match before {
            None => *generation == 1 && self.previous_signature == [0; 64],
            Some(before) => {
                before.name == *name
                    && before.generation.checked_add(1) == Some(*generation)
                    && keys::verify_by(&before.keys.signing, name, *generation, keys, &self.previous_signature)
            }
        };
        succeeds && keys::verify(name, *generation, keys, &self.signature)
    }
}

/// The hash of an entry's bytes.
pub fn hash(entry: &[u8]) -> Bytes32 {
    sha256(&[b"neospace/1 key log\0", entry])
}

/// How far somebody knows the log: everything up to and with the entry that has this hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many entries.
    pub size: u64,
    /// The last one's hash; zeros while there is none.
    #[serde(rename = "head", with = "b64")]
    pub hash: Bytes32,
}

/// Whether a head lies in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// The log has another entry there: [`Alarm::LogFork`].
    No,
    /// The log ends before it: more has to be read.
    NotYet,
}

/// The log as one client knows it.
#[derive(Clone, Default)]
pub struct Log {
    hashes: Vec<Bytes32>,
    at: u64,
    members: BTreeMap<Name, Vec<Entry>>,
}

impl Log {
    /// How far it goes.
    pub fn head(&self) -> Head {
        Head {
            size: self.hashes.len() as u64,
            hash: self.hashes.last().copied().unwrap_or_default(),
        }
    }

    /// Adds the next entry's bytes.
    ///
    /// # Errors
    /// [`Alarm::LogBroken`] where they are none, or its time goes back; [`Alarm::LogFork`] where it doesn't continue
    /// this log.
    pub fn append(&mut self, entry: &[u8]) -> Result<(), Alarm> {
        let head = self.head();
        let decoded = Entry::decode(entry).ok_or(Alarm::LogBroken)?;
        if decoded.index != head.size + 1 || decoded.previous != head.hash {
            return Err(Alarm::LogFork);
        }
        if decoded.at < self.at {
            return Err(Alarm::LogBroken);
        }
        self.hashes.push(hash(entry));
        self.at = decoded.at;
        self.members.entry(decoded.name.clone()).or_default().push(decoded);
        Ok(())
    }

    /// Whether a head that somebody names lies in it.
    pub fn holds(&self, head: &Head) -> Holds {
        let Some(last) = head.size.checked_sub(1) else {
            return if head.hash == Bytes32::default() {
                Holds::Yes
            } else {
                Holds::No
            };
        };
        match usize::try_from(last).ok().and_then(|last| self.hashes.get(last)) {
            None => Holds::NotYet,
            Some(hash) if *hash == head.hash => Holds::Yes,
            Some(_) => Holds::No,
        }
    }

    /// All entries of a member, the oldest first, each of which [follows](Entry::follows) the one before. Empty for who
    /// has none.
    ///
    /// # Errors
    /// [`Alarm::LogBroken`] where they aren't.
    pub fn member(&self, name: &Name) -> Result<&[Entry], Alarm> {
        let entries = self.members.get(name).map_or(&[][..], Vec::as_slice);
        let before = std::iter::once(None).chain(entries.iter().map(Some));
        if entries.iter().zip(before).all(|(entry, before)| entry.follows(before)) {
            Ok(entries)
        } else {
            Err(Alarm::LogBroken)
        }
    }

    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.members.keys()
    }
}
