//! How fast an owner's animations may go: no element of a wall may flash more than three times a second (WCAG 2.3.1). Several that lie on
//! each other are not added up.
//!
//! What an animation shows is not looked at. Each stop may be the opposite of the one before it, and so may be the leap from its
//! end to its beginning; two such changes are a flash. So there is a least time between two stops and for all of them together, and it is
//! longer where one element has several animations at once. What isn't said in plain numbers can't be held to that, and is refused.

use std::collections::HashMap;

use cssparser::{Parser, SourceLocation, Token};

use crate::plugins::css::{Part, fault, in_block};

/// From one stop to the next, in seconds: two of them are a flash, of which a second has room for three.
const STEP: f32 = 1.0 / 6.0;

/// What the animations of one sheet are held to.
#[derive(Default)]
pub struct Pace {
    /// The least duration of each `@keyframes`, in seconds.
    least: HashMap<String, f32>,
    /// Animations that one element may have at once.
    abreast: usize,
    /// Names are given apart from durations: any of them may have any.
    by_name: bool,
}

impl Pace {
    /// Notes the stops of an animation, in parts of its duration.
    pub fn note_stops(&mut self, name: &str, mut stops: Vec<f32>) {
        stops.extend([0.0, 1.0]);
        stops.retain(|stop| (0.0..=1.0).contains(stop));
        stops.sort_by(f32::total_cmp);
        stops.dedup();
        let narrowest = stops.windows(2).map(|pair| pair[1] - pair[0]).fold(1.0, f32::min);
        let least = (STEP / narrowest).max(STEP * stops.len() as f32);
        let known = self.least.entry(name.to_owned()).or_default();
        *known = known.max(least);
    }

    /// Notes what an allowed declaration says of animations.
    pub fn note(&mut self, property: &str, value: &str) {
        if matches!(property, "animation" | "animation-name") {
            self.by_name |= property == "animation-name";
            self.abreast = self.abreast.max(listed(value));
        }
    }

    /// Looks at a declaration as it was rebuilt.
    ///
    /// # Errors
    /// What is too fast, and what can't be told how fast it is.
    pub fn check(&self, property: &str, value: &str, at: SourceLocation) -> Part {
        if !matches!(
            property,
            "animation" | "animation-name" | "animation-duration" | "animation-timing-function"
        ) {
            return Ok(());
        }
        let mut parser = Parser::new(value);
        let mut lasting: Vec<(Option<f32>, Option<String>)> = vec![(None, None)];
        while let Ok(token) = parser.next().cloned() {
            let (duration, name) = lasting.last_mut().expect("it begins with one");
            match token {
                Token::Comma => lasting.push((None, None)),
                Token::Dimension { value, unit, .. } => {
                    // The first time is the duration, a second one the delay.
                    duration.get_or_insert(if unit.eq_ignore_ascii_case("ms") {
                        value / 1_000.0
                    } else {
                        value
                    });
                }
                Token::Ident(word) if self.least.contains_key(&*word) => *name = Some(word.to_string()),
                Token::Function(curve) if curve.eq_ignore_ascii_case("steps") => in_block(&mut parser, |_| Ok(()))?,
                Token::Function(curve) if curve.eq_ignore_ascii_case("cubic-bezier") => {
                    in_block(&mut parser, |parser| one_way(parser, at))?;
                }
                Token::Function(other) => {
                    return fault(
                        at,
                        format!(
                            "{other}() isn't allowed in `{property}`: how fast it goes must stand there in plain numbers"
                        ),
                    );
                }
                _ => {}
            }
        }
        let slowest = self.least.values().copied().fold(0.0, f32::max);
        let apart = self.by_name || property == "animation-duration";
        let abreast = if apart { self.abreast.max(1) } else { lasting.len() };
        for (duration, name) in lasting {
            let least = match name.as_ref().and_then(|name| self.least.get(name)) {
                Some(least) if !apart => *least,
                _ => slowest,
            } * abreast as f32;
            if let Some(duration) = duration.filter(|duration| *duration > 0.0 && *duration < least - 0.001) {
                return fault(
                    at,
                    format!(
                        "{duration}s is too fast for these stops: {:.2}s is the least, so that nothing flashes more than three times a second",
                        (least * 100.0).ceil() / 100.0
                    ),
                );
            }
        }
        Ok(())
    }
}

/// Values in a list with commas between.
fn listed(value: &str) -> usize {
    let mut parser = Parser::new(value);
    let mut values = 1;
    // What stands in brackets is skipped.
    while let Ok(token) = parser.next() {
        values += usize::from(*token == Token::Comma);
    }
    values
}

/// A curve that goes from a stop to the next without turning back.
fn one_way(parser: &mut Parser<'_>, at: SourceLocation) -> Part {
    let mut nth = 0;
    while let Ok(token) = parser.next().cloned() {
        match token {
            Token::Comma => nth += 1,
            Token::Number { value, .. } if nth % 2 == 0 || (0.0..=1.0).contains(&value) => {}
            _ => {
                return fault(
                    at,
                    "cubic-bezier() takes four numbers here, the second and the fourth from 0 to 1",
                );
            }
        }
    }
    Ok(())
}
