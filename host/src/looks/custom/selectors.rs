//! What an owner's rules may choose: nothing but what lies in the wall, by names that are understood.

use cssparser::{Parser, SourceLocation, ToCss, Token};

use crate::plugins::css::{Part, Tokens, attribute_selector, fault, in_block};

/// Bytes of one rule's selectors.
const SELECTORS_MOST: usize = 400;
/// What stands between the parts of one selector, at most.
const COMBINATORS_MOST: usize = 8;

/// The selectors of one rule, rebuilt: each begins at the wall.
#[derive(Default)]
pub(super) struct Selectors {
    pub(super) text: String,
    /// Whether one of them is the wall itself.
    pub(super) finds_wall: bool,
    one: Tokens,
    /// Of the selector that is being read: whether it begins with `.wall`, and what follows.
    begins_at_wall: bool,
    combinators: usize,
    element: bool,
}

impl Selectors {
    pub(super) fn finish(&mut self, at: SourceLocation) -> Part {
        self.end(at)?;
        match self.text.len() {
            ..=SELECTORS_MOST => Ok(()),
            _ => fault(
                at,
                format!("{SELECTORS_MOST} characters are enough for one rule's selectors"),
            ),
        }
    }

    /// Ends one selector of the list.
    fn end(&mut self, at: SourceLocation) -> Part {
        let typed = std::mem::take(&mut self.one).text;
        let one = typed.trim();
        if one.is_empty() && !self.begins_at_wall {
            return fault(at, "a selector is missing here");
        }
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(":scope");
        // A blank after `.wall` leads into it. Without it `.wall :hover` would be the wall itself, of which far less may be set.
        if !self.begins_at_wall || typed.starts_with(' ') {
            self.text.push(' ');
        }
        self.text.push_str(one);
        self.finds_wall |= self.begins_at_wall && self.combinators == 0 && !self.element;
        (self.begins_at_wall, self.combinators, self.element) = (false, 0, false);
        Ok(())
    }

    /// Reads a list of selectors, or what stands in a function such as `:is()`.
    pub(super) fn read(&mut self, parser: &mut Parser<'_>, depth: u8) -> Part {
        loop {
            let at = parser.current_source_location();
            let Ok(token) = parser.next_including_whitespace().cloned() else {
                return Ok(());
            };
            match &token {
                Token::WhiteSpace(_) => {
                    let state = parser.state();
                    let is_combinator =
                        !matches!(parser.next(), Err(_) | Ok(Token::Comma | Token::Delim('>' | '+' | '~')));
                    parser.reset(&state);
                    if is_combinator && (depth > 0 || self.begins_at_wall || !self.one.text.trim().is_empty()) {
                        self.combine(depth, at)?;
                    }
                    self.one.push(&token);
                }
                Token::Comma if depth == 0 => self.end(at)?,
                Token::Comma => self.one.push(&token),
                Token::Delim('>') => {
                    self.combine(depth, at)?;
                    self.one.push(&token);
                }
                Token::Delim('+' | '~') => {
                    if depth == 0 && self.begins_at_wall && self.combinators == 0 {
                        return fault(at, "what stands beside the wall isn't yours");
                    }
                    self.combine(depth, at)?;
                    self.one.push(&token);
                }
                Token::Delim('*' | '-') | Token::Number { .. } | Token::Dimension { .. } => self.one.push(&token),
                Token::Ident(name) => {
                    if ["html", "body", "main"].iter().any(|it| name.eq_ignore_ascii_case(it)) {
                        return fault(at, format!("`{name}` is the page; the wall is called .wall"));
                    }
                    self.one.push(&token);
                }
                Token::IDHash(_) => self.one.push(&token),
                Token::Delim('.') => match parser.next_including_whitespace().cloned() {
                    Ok(Token::Ident(name))
                        if &*name == "wall"
                            && depth == 0
                            && self.one.text.trim().is_empty()
                            && self.combinators == 0
                            && !self.begins_at_wall =>
                    {
                        self.begins_at_wall = true;
                    }
                    Ok(name @ Token::Ident(_)) => {
                        self.one.push(&token);
                        self.one.push(&name);
                    }
                    _ => return fault(at, "a `.` needs a class name after it"),
                },
                Token::Colon => self.pseudo(parser, depth, at)?,
                Token::SquareBracketBlock => {
                    self.one.push(&token);
                    in_block(parser, |parser| self.attribute(parser, at))?;
                    self.one.close(']');
                }
                Token::Delim('&') => return fault(at, "rules can't be nested"),
                other => return fault(at, format!("`{}` isn't allowed in a selector", other.to_css_string())),
            }
        }
    }

    fn combine(&mut self, depth: u8, at: SourceLocation) -> Part {
        if depth == 0 {
            self.combinators += 1;
        }
        if self.element {
            return fault(at, "nothing lies in a pseudo-element");
        }
        match self.combinators {
            ..=COMBINATORS_MOST => Ok(()),
            _ => fault(at, format!("{COMBINATORS_MOST} steps are enough for one selector")),
        }
    }

    fn pseudo(&mut self, parser: &mut Parser<'_>, depth: u8, at: SourceLocation) -> Part {
        let mut element = false;
        let mut token = parser.next_including_whitespace().cloned();
        if let Ok(Token::Colon) = token {
            element = true;
            token = parser.next_including_whitespace().cloned();
        }
        let (name, function) = match &token {
            Ok(Token::Ident(name)) => (name.to_ascii_lowercase(), false),
            Ok(Token::Function(name)) => (name.to_ascii_lowercase(), true),
            _ => return fault(at, "a `:` needs a name after it"),
        };
        let allowed = match (element, function) {
            (true, false) => ELEMENTS,
            (true, true) => &[],
            (false, false) => CLASSES,
            (false, true) => FUNCTIONS,
        };
        if !allowed.contains(&name.as_str()) || (element && depth > 0) || (function && depth > 2) {
            let (colons, call) = (if element { "::" } else { ":" }, if function { "()" } else { "" });
            return fault(
                at,
                format!(
                    "{colons}{name}{call} isn't allowed here; these are: {}",
                    allowed.join(", ")
                ),
            );
        }
        self.element |= element;
        self.one.push(&Token::Colon);
        if element {
            self.one.push(&Token::Colon);
        }
        if let Ok(token) = &token {
            self.one.push(token);
        }
        if function {
            in_block(parser, |parser| self.read(parser, depth + 1))?;
            self.one.close(')');
        }
        Ok(())
    }

    /// Nothing that somebody has typed, and nothing that is secret.
    fn attribute(&mut self, parser: &mut Parser<'_>, at: SourceLocation) -> Part {
        match parser.next().cloned() {
            Ok(Token::Ident(name)) if is_attribute(&name) => self.one.push(&Token::Ident(name)),
            _ => {
                return fault(
                    at,
                    format!("attribute selectors may ask for {} and data-…", ATTRIBUTES.join(", ")),
                );
            }
        }
        attribute_selector(parser, &mut self.one, at)
    }
}

fn is_attribute(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("data-") || ATTRIBUTES.contains(&name.as_str())
}

const ATTRIBUTES: &[&str] = &["class", "lang", "dir", "open", "role"];
const CLASSES: &[&str] = &[
    "hover",
    "focus",
    "focus-visible",
    "focus-within",
    "active",
    "link",
    "any-link",
    "disabled",
    "enabled",
    "first-child",
    "last-child",
    "only-child",
    "first-of-type",
    "last-of-type",
    "only-of-type",
    "empty",
    "open",
];
const FUNCTIONS: &[&str] = &[
    "is",
    "not",
    "where",
    "nth-child",
    "nth-last-child",
    "nth-of-type",
    "nth-last-of-type",
    "dir",
    "lang",
];
const ELEMENTS: &[&str] = &["before", "after", "marker", "selection", "first-line", "first-letter"];
