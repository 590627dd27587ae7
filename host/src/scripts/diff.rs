//! What differs between two texts of a script, by lines, with a few lines around each place.

use std::time::Duration;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

/// Lines that are shown around what differs.
const AROUND: usize = 3;
/// How long the smallest difference is looked for; then a larger one does.
const LONGEST: Duration = Duration::from_millis(100);

/// A place where two texts differ.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Hunk {
    pub lines: Vec<Line>,
}

/// A line of one of them, or of both.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `=` both, `-` the first alone, `+` the second alone.
    pub kind: char,
    /// Its number in the first, from 1.
    pub from: Option<usize>,
    /// Its number in the second.
    pub to: Option<usize>,
    /// Without its end.
    pub text: String,
}

/// The places where two texts differ; none for the same text.
pub fn between(from: &str, to: &str) -> Vec<Hunk> {
    let diff = TextDiff::configure().timeout(LONGEST).diff_lines(from, to);
    let line = |change: similar::Change<&str>| Line {
        kind: match change.tag() {
            ChangeTag::Equal => '=',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        },
        from: change.old_index().map(|index| index + 1),
        to: change.new_index().map(|index| index + 1),
        text: change.value().trim_end_matches(['\r', '\n']).to_owned(),
    };
    let groups = diff.grouped_ops(AROUND).into_iter();
    groups
        .map(|group| Hunk {
            lines: group.iter().flat_map(|op| diff.iter_changes(op)).map(line).collect(),
        })
        .filter(|hunk| hunk.lines.iter().any(|line| line.kind != '='))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_is_shown_with_its_numbers_in_both() {
        let hunks = between("a\nb\nc\n", "a\nx\ny\nc\n");
        assert_eq!(hunks.len(), 1);
        let shown: Vec<_> = hunks[0]
            .lines
            .iter()
            .map(|line| (line.kind, line.from, line.to, line.text.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ('=', Some(1), Some(1), "a"),
                ('-', Some(2), None, "b"),
                ('+', None, Some(2), "x"),
                ('+', None, Some(3), "y"),
                ('=', Some(3), Some(4), "c"),
            ]
        );
        assert_eq!(between("a\n", "a\n"), []);
    }
}
