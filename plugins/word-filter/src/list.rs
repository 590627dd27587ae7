//! The operator's list as it is read for each message: one text and where its entries end, rather than a thousand texts.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, SeqAccess, Visitor},
};

/// The entries, none of them empty.
#[derive(Default)]
pub struct List {
    text: String,
    ends: Vec<usize>,
}

impl List {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The entry of this number.
    pub fn entry(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[number]]
    }

    fn push(&mut self, entry: &str) {
        if !entry.is_empty() {
            self.text.push_str(entry);
            self.ends.push(self.text.len());
        }
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<List, A::Error> {
        let mut list = List::default();
        while entries.next_element_seed(Entry(&mut list))?.is_some() {}
        Ok(list)
    }
}

struct Entry<'l>(&'l mut List);

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Entry<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, entry: &str) -> Result<(), E> {
        self.0.push(entry);
        Ok(())
    }
}
