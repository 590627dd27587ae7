//! What can be rolled: terms with + and − between them, each a number or dice such as `4d6kh3`.

use std::fmt;

/// Dice in one roll, all terms together.
const DICE_MAX: u32 = 100;
/// Sides of a die.
const SIDES_MAX: u32 = 1_000;
/// Terms of one roll.
const TERMS_MAX: usize = 20;
/// The largest number that stands by itself.
const NUMBER_MAX: u32 = 1_000_000;

/// The terms, each with whether it is taken off.
pub struct Formula(pub Vec<(bool, Part)>);

/// One term.
pub enum Part {
    Number(i64),
    Dice { count: u32, sides: u32, keep: Keep },
}

/// Which dice of a term count.
#[derive(Clone, Copy)]
pub enum Keep {
    All,
    Highest(u32),
    Lowest(u32),
}

impl Formula {
    /// Reads a formula; an error is a sentence that says what is allowed.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut text: String = text.to_lowercase().replace(['−', '–'], "-");
        // A word at the end means the whole roll's one die: rolled twice, the better or the worse counts.
        let mut twice = None;
        for (word, keep) in [
            ("advantage", Keep::Highest(1)),
            ("adv", Keep::Highest(1)),
            ("disadvantage", Keep::Lowest(1)),
            ("dis", Keep::Lowest(1)),
        ] {
            let rest = text
                .strip_suffix(word)
                .filter(|rest| rest.ends_with(char::is_whitespace));
            if let Some(rest) = rest.map(str::to_owned) {
                (text, twice) = (rest, Some(keep));
                break;
            }
        }
        let text = compact(&text)?;
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() || parts.is_empty() {
            let minus = rest.starts_with('-');
            if minus || rest.starts_with('+') {
                rest = &rest[1..];
            } else if !parts.is_empty() {
                return Err(unknown(rest));
            }
            let end = rest.find(['+', '-']).unwrap_or(rest.len());
            parts.push((minus, Part::read(&rest[..end])?));
            rest = &rest[end..];
        }
        if parts.len() > TERMS_MAX {
            return Err(format!(
                "That has {} terms; up to {TERMS_MAX} are allowed.",
                parts.len()
            ));
        }
        if let Some(better) = twice {
            let mut dice = parts.iter_mut().filter_map(|(_, part)| match part {
                Part::Dice { count, keep, .. } => Some((count, keep)),
                Part::Number(_) => None,
            });
            match (dice.next(), dice.next()) {
                (Some((count @ 1, keep)), None) => (*count, *keep) = (2, better),
                _ => return Err("“adv” and “dis” go with one single die, such as d20+3 adv.".into()),
            }
        }
        let dice = parts.iter().map(|(_, part)| match part {
            Part::Dice { count, .. } => *count,
            Part::Number(_) => 0,
        });
        let dice: u32 = dice.sum();
        if dice == 0 {
            return Err("There is no die in that. Try 2d6+1, d20 or 4d6kh3.".into());
        }
        if dice > DICE_MAX {
            return Err(format!("That is {dice} dice; up to {DICE_MAX} fit into one hand."));
        }
        Ok(Self(parts))
    }
}

impl Part {
    fn read(text: &str) -> Result<Self, String> {
        let Some((count, rest)) = text.split_once('d') else {
            return number(text, NUMBER_MAX)
                .ok_or_else(|| unknown(text))?
                .map(|number| Self::Number(number.into()))
                .map_err(|()| format!("“{}” is too large: numbers go up to {NUMBER_MAX}.", clip(text)));
        };
        let count = match count {
            "" => 1,
            count => match number(count, DICE_MAX).ok_or_else(|| unknown(text))? {
                Ok(count @ 1..) => count,
                _ => return Err(format!("“{}”: 1 to {DICE_MAX} dice can be rolled.", clip(text))),
            },
        };
        let (sides, keep) = match rest.find('k') {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, ""),
        };
        let sides = match sides {
            "%" => 100,
            sides => match number(sides, SIDES_MAX).ok_or_else(|| unknown(text))? {
                Ok(sides @ 2..) => sides,
                _ => return Err(format!("“{}”: a die has 2 to {SIDES_MAX} sides.", clip(text))),
            },
        };
        let kept = |digits: &str| match digits {
            "" => Ok(1),
            digits => match number(digits, count).ok_or_else(|| unknown(text))? {
                Ok(kept @ 1..) => Ok(kept),
                _ => Err(format!("“{}”: of {count} dice, 1 to {count} can be kept.", clip(text))),
            },
        };
        let keep = match (keep.strip_prefix("kh"), keep.strip_prefix("kl"), keep.strip_prefix('k')) {
            (Some(digits), _, _) => Keep::Highest(kept(digits)?),
            (None, Some(digits), _) => Keep::Lowest(kept(digits)?),
            (None, None, Some(digits)) => Keep::Highest(kept(digits)?),
            (None, None, None) => Keep::All,
        };
        Ok(Self::Dice { count, sides, keep })
    }
}

/// The text without its white space, which may stand around + and - alone: `2d6 1` is not 2d61.
fn compact(text: &str) -> Result<String, String> {
    let mut out = String::new();
    for word in text.split_whitespace() {
        let sign = |c: Option<char>| c.is_none_or(|c| c == '+' || c == '-');
        if !sign(out.chars().last()) && !sign(word.chars().next()) {
            return Err(unknown(word));
        }
        out.push_str(word);
    }
    Ok(out)
}

/// A number of digits alone: nothing when it isn't one, `Err` when it is over the most.
fn number(text: &str, most: u32) -> Option<Result<u32, ()>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().ok().filter(|number| *number <= most).ok_or(()))
}

fn unknown(text: &str) -> String {
    format!(
        "“{}” can't be rolled. Write dice as 2d6, d20 or d%, keep some with 4d6kh3 or 2d20kl1, and add with + and -: \
         2d6+d4-1.",
        clip(text)
    )
}

/// As much of what was typed as belongs into a sentence.
fn clip(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(20).collect();
    if text.chars().nth(20).is_some() {
        short.push('…');
    }
    short
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (minus, part)) in self.0.iter().enumerate() {
            f.write_str(match (index, minus) {
                (0, false) => "",
                (_, false) => "+",
                (_, true) => "-",
            })?;
            match part {
                Part::Number(number) => write!(f, "{number}")?,
                Part::Dice { count, sides, keep } => {
                    if *count > 1 {
                        write!(f, "{count}")?;
                    }
                    write!(f, "d{sides}")?;
                    match keep {
                        Keep::All => {}
                        Keep::Highest(kept) => write!(f, "kh{kept}")?,
                        Keep::Lowest(kept) => write!(f, "kl{kept}")?,
                    }
                }
            }
        }
        Ok(())
    }
}
