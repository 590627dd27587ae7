//! The search for what must not be somewhere: secrets, in every spelling in which a program might keep or send them.
//!
//! Each secret is searched raw, in hexadecimal, in base64 (both alphabets, at all three offsets in what it may be a part
//! of), percent-encoded, and, where it is text, in UTF-16 of both byte orders; and all of that again inside whatever gzip
//! there is in the place.

use std::{fmt, io::Read};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use flate2::read::MultiGzDecoder;

/// A secret that is shorter is found by chance.
const SHORTEST: usize = 12;
/// How much a gzip member is inflated to.
const INFLATED_MOST: u64 = 64 * 1024 * 1024;

/// What is searched for.
pub struct Search {
    automaton: AhoCorasick,
    /// For each pattern: which secret, and in which spelling.
    patterns: Vec<(usize, &'static str)>,
    names: Vec<String>,
}

/// A secret that was where it must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub secret: String,
    /// In which spelling.
    pub spelling: &'static str,
    /// Where.
    pub place: String,
    /// How far from its beginning.
    pub offset: usize,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} as {} in {} at {}",
            self.secret, self.spelling, self.place, self.offset
        )
    }
}

impl Search {
    /// A search for these secrets, each with a name to be told by.
    ///
    /// # Panics
    /// When one is too short to be searched for.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = (String, S)>) -> Search {
        let (mut patterns, mut spelt, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (name, secret) in secrets {
            let secret = secret.as_ref();
            assert!(secret.len() >= SHORTEST, "{name} is too short to be searched for");
            for (spelling, pattern) in spellings(secret) {
                patterns.push((names.len(), spelling));
                spelt.push(pattern);
            }
            names.push(name);
        }
        let mut builder = AhoCorasick::builder();
        let automaton = builder.kind(Some(AhoCorasickKind::ContiguousNFA)).build(spelt);
        Search {
            automaton: automaton.expect("the secrets are few and short"),
            patterns,
            names,
        }
    }

    /// Every secret that is in these bytes, or in gzip inside them; each once in each spelling.
    pub fn search(&self, place: &str, bytes: &[u8]) -> Vec<Found> {
        let mut found = self.search_plain(place, bytes);
        for start in memchr::memmem::find_iter(bytes, b"\x1f\x8b\x08") {
            let mut inflated = Vec::new();
            // A member that ends badly, or isn't one, has still said what came before.
            let _ = MultiGzDecoder::new(&bytes[start..])
                .take(INFLATED_MOST)
                .read_to_end(&mut inflated);
            found.extend(self.search_plain(&format!("gzip at {start} of {place}"), &inflated));
        }
        found
    }

    fn search_plain(&self, place: &str, bytes: &[u8]) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for hit in self.automaton.find_overlapping_iter(bytes) {
            let (secret, spelling) = self.patterns[hit.pattern().as_usize()];
            let secret = self.names[secret].clone();
            if !found
                .iter()
                .any(|known| known.secret == secret && known.spelling == spelling)
            {
                found.push(Found {
                    secret,
                    spelling,
                    place: place.into(),
                    offset: hit.start(),
                });
            }
        }
        found
    }
}

/// Every spelling of a secret, with its name.
pub fn spellings(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |upper: bool| -> String {
        let digit = |byte: &u8| {
            if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            }
        };
        secret.iter().map(digit).collect()
    };
    let percent = |upper: bool| -> Vec<u8> {
        let digits = hex(upper).into_bytes();
        digits.chunks(2).flat_map(|pair| [b"%", pair].concat()).collect()
    };
    let mut all = vec![
        ("raw", secret.to_vec()),
        ("hexadecimal", hex(false).into_bytes()),
        ("HEXADECIMAL", hex(true).into_bytes()),
        ("percent-encoding", percent(false)),
        ("PERCENT-ENCODING", percent(true)),
    ];
    const OFFSETS: [[&str; 2]; 3] = [
        ["base64", "base64url"],
        ["base64 one byte on", "base64url one byte on"],
        ["base64 two bytes on", "base64url two bytes on"],
    ];
    for (offset, names) in OFFSETS.into_iter().enumerate() {
        let moved = [&vec![0; offset], secret].concat();
        let (first, last) = ((offset * 8).div_ceil(6), moved.len() * 8 / 6);
        // The letters at its ends hold bits of what is beside it.
        for (name, text) in names
            .into_iter()
            .zip([STANDARD_NO_PAD.encode(&moved), URL_SAFE_NO_PAD.encode(&moved)])
        {
            all.push((name, text.as_bytes()[first..last].to_vec()));
        }
    }
    if let Ok(text) = std::str::from_utf8(secret) {
        all.push((
            "UTF-16, little end first",
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ));
        all.push((
            "UTF-16, big end first",
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ));
        // What a form makes of a text: letters and digits stand for themselves.
        let form = crate::person::encode(&[("", text)]);
        all.push(("a form's field", form.trim_start_matches('=').as_bytes().to_vec()));
    }
    all.sort();
    all.dedup_by(|a, b| a.1 == b.1);
    all
}
