//! Word filter: the operator's list of words that aren't said in rooms.
//!
//! The text is cut into words once; each entry of the list is folded as they are and looked up among them, so that a
//! long list costs little more than being read. Every step is linear in the text, whatever somebody makes of it: a
//! message that used up the fuel would get around the list.

mod fold;
mod list;

use std::{cmp::Reverse, ops::Range};

use fold::{Fold, Words};
use list::List;
use neospace_plugin::{Filter, RoomContext, Verdict, register};
use serde::Deserialize;

/// In place of a letter. Not `*`, which the room's Markdown has a meaning for.
const STAR: char = '∗';

#[derive(Deserialize)]
struct Settings {
    words: List,
    action: Action,
    sentence: String,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Rewrite,
    Refuse,
}

/// A place in the text, and the number of the entry that is there.
struct Found {
    at: Range<usize>,
    entry: usize,
    /// It is an entry without letters, such as an emoji.
    signs: bool,
}

struct WordFilter;

impl Filter for WordFilter {
    type Settings = Settings;

    fn filter_text(ctx: &RoomContext<Settings>, text: &str) -> Verdict {
        let Settings {
            words: list,
            action,
            sentence,
        } = &ctx.settings;
        let found = find(text, list);
        match action {
            Action::Refuse => match found.first() {
                None => Verdict::Pass,
                Some(first) => Verdict::Refuse(sentence.replace("{word}", list.entry(first.entry))),
            },
            Action::Rewrite if found.is_empty() => Verdict::Pass,
            // The host takes the same text for a pass.
            Action::Rewrite => Verdict::Rewrite(starred(text, &found)),
        }
    }
}

/// What of the list the text has, from its beginning to its end; of those that begin together, the longest.
fn find(text: &str, list: &List) -> Vec<Found> {
    let mut fold = Fold::default();
    let said = Words::of(text, &mut fold);
    let mut found = Vec::new();
    for entry in 0..list.len() {
        let words = fold.words(list.entry(entry));
        let Some((&first, rest)) = words.split_first() else {
            // Signs alone, such as an emoji: as they are.
            let signs = list.entry(entry);
            found.extend(text.match_indices(signs).map(|(at, _)| Found {
                at: at..at + signs.len(),
                entry,
                signs: true,
            }));
            continue;
        };
        for &start in said.all(first) {
            let (start, last) = (start as usize, start as usize + rest.len());
            let Some(end) = said.ranges.get(last) else { continue };
            let at = said.ranges[start].start..end.end;
            let follows = said.hashes[start + 1..=last] == *rest;
            if follows && (rest.is_empty() || !text[at.clone()].contains('\n')) {
                found.push(Found {
                    at,
                    entry,
                    signs: false,
                });
            }
        }
    }
    found.sort_unstable_by_key(|found| (found.at.start, Reverse(found.at.end)));
    found
}

/// Addresses, which are left whole: bare ones, and what a link of Markdown leads to.
struct Addresses<'t> {
    text: &'t str,
    from: usize,
}

impl Iterator for Addresses<'_> {
    type Item = Range<usize>;

    /// The first that begins behind the one before.
    fn next(&mut self) -> Option<Range<usize>> {
        const STARTS: [&str; 4] = ["http://", "https://", "mailto:", "]("];
        let bytes = self.text.as_bytes();
        let begins = |at: usize| {
            let start = STARTS.iter().find(|start| {
                let here = bytes.get(at..at + start.len());
                here.is_some_and(|here| here.eq_ignore_ascii_case(start.as_bytes()))
            });
            Some((at, at + start?.len()))
        };
        let maybe = |at: &usize| matches!(bytes[*at], b'h' | b'H' | b'm' | b'M' | b']');
        let (start, from) = (self.from..bytes.len()).filter(maybe).find_map(begins)?;
        let mut open = 0;
        let end = self.text[from..].find(|c: char| {
            match c {
                '(' => open += 1,
                ')' if open == 0 => return true,
                ')' => open -= 1,
                _ => {}
            }
            c.is_whitespace() || matches!(c, '<' | '>' | '"')
        });
        self.from = end.map_or(bytes.len(), |end| from + end);
        Some(start..self.from)
    }
}

/// The text with stars for letters in these places; what stands between the words of a phrase stays, and so does an
/// address.
fn starred(text: &str, found: &[Found]) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut addresses = Addresses { text, from: 0 };
    let mut address = addresses.next();
    let mut done = 0;
    for Found { at, signs, .. } in found {
        while address.as_ref().is_some_and(|address| address.end <= at.start) {
            address = addresses.next();
        }
        let from = at.start.max(done);
        if at.end <= from || address.as_ref().is_some_and(|address| address.start < at.end) {
            continue;
        }
        out.push_str(&text[done..from]);
        for c in text[from..at.end].chars() {
            if *signs || c.is_alphanumeric() {
                out.push(STAR);
            } else if !fold::is_ignored(c) {
                out.push(c);
            }
        }
        done = at.end;
    }
    out.push_str(&text[done..]);
    out
}

register!(filter WordFilter);
