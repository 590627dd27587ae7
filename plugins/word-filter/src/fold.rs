//! Words as they are compared: without capitals, without what can't be seen, accents as one letter however they were
//! typed. A word is a run of letters and digits; it is compared by its hash, the one of `neospace_plugin::hash` without
//! the last stir: who finds two words that agree has found a riddle, not a way around the list.

use std::ops::Range;

/// The words of a text.
#[derive(Default)]
pub struct Words {
    /// Where each one stands.
    pub ranges: Vec<Range<usize>>,
    /// What each one is.
    pub hashes: Vec<u64>,
    /// The numbers of all words, in the order of their hashes.
    numbers: Vec<u32>,
    /// By the first bits of a hash, where in `numbers` those with it begin; the last one is the end.
    begins: Vec<u32>,
}

/// How many beginnings of hashes are told apart.
const BEGINNINGS: usize = 1 << 10;

fn beginning(hash: u64) -> usize {
    (hash >> 54) as usize
}

impl Words {
    pub fn of(text: &str, fold: &mut Fold) -> Self {
        let mut words = Self::default();
        fold.each(text, |at, hash| {
            words.ranges.push(at);
            words.hashes.push(hash);
        });
        // A counting sort by the first bits, which leaves a handful each.
        let mut begins = vec![0; BEGINNINGS + 1];
        for &hash in &words.hashes {
            begins[beginning(hash) + 1] += 1;
        }
        for at in 0..BEGINNINGS {
            begins[at + 1] += begins[at];
        }
        let mut next = begins.clone();
        words.numbers = vec![0; words.hashes.len()];
        for (number, &hash) in words.hashes.iter().enumerate() {
            let place = &mut next[beginning(hash)];
            words.numbers[*place as usize] = number as u32;
            *place += 1;
        }
        words.begins = begins;
        words
    }

    /// The numbers of all words that are this one, in their order.
    pub fn all(&self, hash: u64) -> impl Iterator<Item = &u32> {
        let at = beginning(hash);
        let alike = &self.numbers[self.begins[at] as usize..self.begins[at + 1] as usize];
        alike
            .iter()
            .filter(move |number| self.hashes[**number as usize] == hash)
    }
}

/// Folds one text after another, and remembers what the letters were.
pub struct Fold {
    known: [(char, Letter); KNOWN],
    /// The words of the last text.
    words: Vec<u64>,
}

/// Characters remembered, each in the place that the last bits of its number say.
const KNOWN: usize = 256;

/// What a character is in a word.
#[derive(Clone, Copy)]
enum Letter {
    /// It ends the word.
    Not,
    /// It isn't there.
    Ignored,
    One(char),
    Two(char, char),
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            known: ['\0'; KNOWN].map(|nothing| (nothing, Letter::Not)),
            words: Vec::new(),
        }
    }
}

impl Fold {
    /// The hashes of an entry's words.
    pub fn words(&mut self, entry: &str) -> &[u64] {
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        self.each(entry, |_, hash| words.push(hash));
        self.words = words;
        &self.words
    }

    fn letter(&mut self, c: char) -> Letter {
        let place = &mut self.known[c as usize % KNOWN];
        if place.0 != c {
            *place = (c, letter(c));
        }
        place.1
    }

    /// Calls for every word of a text.
    fn each(&mut self, text: &str, mut word: impl FnMut(Range<usize>, u64)) {
        /// FNV-1a.
        const BEGIN: u64 = 0xcbf2_9ce4_8422_2325;
        const TIMES: u64 = 0x0000_0100_0000_01b3;
        let mix = |hash: u64, c: char| (hash ^ u64::from(c)).wrapping_mul(TIMES);
        // The last letter waits in `last`: a mark behind it may make it another.
        let (mut hash, mut last, mut start, mut end) = (BEGIN, None, 0, 0);
        for (index, c) in text.char_indices() {
            let letter = if c.is_ascii() {
                match c.is_ascii_alphanumeric() {
                    true => Letter::One(c.to_ascii_lowercase()),
                    false => Letter::Not,
                }
            } else {
                self.letter(c)
            };
            let (first, second) = match letter {
                Letter::One(only) => (None, only),
                Letter::Two(first, second) => (Some(first), second),
                Letter::Not => {
                    if let Some(letter) = last.take() {
                        word(start..end, mix(hash, letter));
                        hash = BEGIN;
                    }
                    continue;
                }
                // What comes next decides whether it is inside of the word.
                Letter::Ignored => {
                    if let Some(composed) = last.and_then(|letter| composed(letter, c)) {
                        last = Some(composed);
                        end = index + c.len_utf8();
                    }
                    continue;
                }
            };
            match last {
                Some(before) => hash = mix(hash, before),
                None => start = index,
            }
            if let Some(first) = first {
                hash = mix(hash, first);
            }
            last = Some(second);
            end = index + c.len_utf8();
        }
        if let Some(letter) = last {
            word(start..end, mix(hash, letter));
        }
    }
}

/// Whether and how a character that isn't ASCII counts.
fn letter(c: char) -> Letter {
    if is_ignored(c) {
        return Letter::Ignored;
    }
    if !c.is_alphanumeric() {
        return Letter::Not;
    }
    let mut letters = folded(c);
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) => Letter::Two(first, second),
        (Some(first), None) => Letter::One(first),
        (None, _) => Letter::Ignored,
    }
}

/// Whether a character is passed over inside a word: it can't be seen, or only marks the letter before it.
pub fn is_ignored(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}'
        // Combining marks of European scripts, on letters and around them.
        | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// A letter as it is compared: small, not in full width, ß as two.
fn folded(c: char) -> impl Iterator<Item = char> {
    let plain = match c {
        // Full width, and the letters of mathematics that are laid out in rows of 26.
        '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => shifted(c as u32 - 0xfee0),
        '\u{1d400}'..='\u{1d6a3}' => {
            let place = (c as u32 - 0x1d400) % 52;
            shifted(u32::from(b'a') + place % 26)
        }
        'ß' | 'ẞ' => 's',
        'ς' => 'σ',
        'ſ' => 's',
        'ı' => 'i',
        c => c,
    };
    let twice = matches!(c, 'ß' | 'ẞ').then_some('s');
    // İ becomes an i with a mark, which is passed over like any other.
    plain.to_lowercase().filter(|c| !is_ignored(*c)).chain(twice)
}

fn shifted(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The letter that a small letter and a mark make, where there is one: é, however it was typed.
fn composed(letter: char, mark: char) -> Option<char> {
    const MARKS: [(char, &str, &str); 11] = [
        ('\u{300}', "aeioun", "àèìòùǹ"),
        ('\u{301}', "aeiouycnszlr", "áéíóúýćńśźĺŕ"),
        ('\u{302}', "aeiouycghjsw", "âêîôûŷĉĝĥĵŝŵ"),
        ('\u{303}', "anoiu", "ãñõĩũ"),
        ('\u{304}', "aeiou", "āēīōū"),
        ('\u{307}', "cegz", "ċėġż"),
        ('\u{308}', "aeiouy", "äëïöüÿ"),
        ('\u{30a}', "au", "åů"),
        ('\u{30b}', "ou", "őű"),
        ('\u{30c}', "cdenrstz", "čďěňřšťž"),
        ('\u{327}', "cstgklnr", "çşţģķļņŗ"),
    ];
    let (_, letters, made) = MARKS.iter().find(|(known, ..)| *known == mark)?;
    let place = letters.chars().position(|known| known == letter)?;
    made.chars().nth(place)
}
