//! A plugin's style sheet, parsed and rebuilt from allow-lists: nothing of the source's text is kept, only tokens that
//! were understood. What isn't understood is an error with its line, not left out in silence.
//!
//! The result styles one shadow root. It can load nothing (`url()`, `@import`, `@font-face` don't exist here), can't
//! leave its box (no `position: fixed`, no `!important`, and for `:host` only colours and type), and stands still for
//! those who asked for reduced motion.

mod allowed;

use std::fmt;

use allowed::{
    CONDITION_WORDS, FUNCTIONS, HOST_PROPERTIES, PROPERTIES, PSEUDO_CLASSES, PSEUDO_ELEMENTS, PSEUDO_FUNCTIONS,
};
pub use allowed::{is_function, properties};
use cssparser::{Delimiter, ParseError, Parser, SourceLocation, ToCss, Token, TokenSerializationType};

/// Bytes of source.
pub const CSS_MAX: usize = 16 * 1024;
/// Errors told at once.
const ERRORS_MAX: usize = 20;
/// Blocks within blocks.
const NESTING_MAX: u8 = 16;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CssError {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    pub message: String,
}

impl fmt::Display for CssError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// The rebuilt sheet, or everything that's wrong with it.
pub fn rebuild(source: &str) -> Result<String, Vec<CssError>> {
    if source.len() > CSS_MAX {
        let message = format!(
            "the sheet has {} bytes; {} KiB are allowed",
            source.len(),
            CSS_MAX / 1024
        );
        return Err(vec![CssError {
            line: 1,
            column: 1,
            message,
        }]);
    }
    let mut parser = Parser::new(source);
    parser.set_nested_block_limit(NESTING_MAX);
    let mut sheet = Sheet {
        out: String::with_capacity(source.len()),
        errors: Vec::new(),
        moves: false,
    };
    sheet.rules(&mut parser, 0);
    if !sheet.errors.is_empty() {
        sheet.errors.truncate(ERRORS_MAX);
        return Err(sheet.errors);
    }
    if sheet.moves {
        sheet.out.push_str(
            "@media (prefers-reduced-motion:reduce){*,::before,::after{animation:none!important;transition:none!important}}\n",
        );
    }
    Ok(sheet.out)
}

struct Sheet {
    out: String,
    errors: Vec<CssError>,
    /// Has an animation or a transition.
    moves: bool,
}

/// What was wrong and where; turned into a [`CssError`] where it is caught.
pub struct Fault(pub SourceLocation, pub String);
/// What a part of a sheet was read as.
pub type Part<T = ()> = Result<T, Fault>;

/// Something is wrong here.
///
/// # Errors
/// Always.
pub fn fault<T>(at: SourceLocation, message: impl Into<String>) -> Part<T> {
    Err(Fault(at, message.into()))
}

/// Runs `f` in the block that was just opened, or up to a delimiter, in our own error type.
fn wrap<T>(at: SourceLocation, run: impl FnOnce(&mut Option<Part<T>>) -> Result<(), ParseError<()>>) -> Part<T> {
    let mut result = None;
    let parsed = run(&mut result);
    match (result, parsed) {
        (Some(Err(fault)), _) => Err(fault),
        (Some(Ok(value)), Ok(())) => Ok(value),
        _ => fault(
            at,
            format!("this can't be read; blocks may be nested {NESTING_MAX} deep"),
        ),
    }
}

/// Runs `f` in the block that was just opened.
///
/// # Errors
/// Those of `f`; a block that can't be read.
pub fn in_block<'i, T>(parser: &mut Parser<'i>, f: impl FnOnce(&mut Parser<'i>) -> Part<T>) -> Part<T> {
    let at = parser.current_source_location();
    wrap(at, |result| {
        parser.parse_nested_block(|inner| {
            *result = Some(f(inner));
            // Whatever wasn't read is skipped; the error is in `result`.
            while inner.next().is_ok() {}
            Ok(())
        })
    })
}

impl Sheet {
    fn note(&mut self, Fault(at, message): Fault) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(CssError {
                line: at.line + 1,
                column: at.column,
                message,
            });
        }
    }

    /// The rules at the top (`depth` 0) or in an `@media` or `@container`.
    fn rules(&mut self, parser: &mut Parser<'_>, depth: u8) {
        loop {
            parser.skip_whitespace();
            let start = parser.state();
            let at = parser.current_source_location();
            let result = match parser.next().cloned() {
                Err(_) => return,
                Ok(Token::AtKeyword(name)) => self.at_rule(parser, &name, at, depth),
                Ok(_) => {
                    parser.reset(&start);
                    self.style_rule(parser, at)
                }
            };
            if let Err(fault) = result {
                self.note(fault);
            }
        }
    }

    fn at_rule(&mut self, parser: &mut Parser<'_>, name: &str, at: SourceLocation, depth: u8) -> Part {
        let mut prelude = Tokens::default();
        let lower = name.to_ascii_lowercase();
        let known = matches!(lower.as_str(), "media" | "container" | "keyframes");
        let result = if !known {
            fault(
                at,
                format!("@{lower} isn't allowed; @media, @container and @keyframes are"),
            )
        } else if depth > 1 && lower != "keyframes" {
            fault(at, format!("@{lower} may be nested twice at most"))
        } else {
            until_block(parser, |parser| match lower.as_str() {
                "keyframes" => keyframes_name(parser, &mut prelude),
                _ => condition(parser, &mut prelude),
            })
        };
        // The block, or the semicolon of a rule without one.
        match parser.next().cloned() {
            Ok(Token::CurlyBracketBlock) => {}
            _ => return result.and_then(|()| fault(at, format!("@{lower} needs a block: {{ … }}"))),
        }
        if let Err(fault) = result {
            let _skipped = in_block(parser, |_| Ok(()));
            return Err(fault);
        }
        let before = self.out.len();
        self.out.push_str(&format!("@{lower} {}{{", prelude.text.trim()));
        let inner_from = self.out.len();
        let done = in_block(parser, |parser| {
            if lower == "keyframes" {
                self.keyframes(parser)
            } else {
                self.rules(parser, depth + 1)
            }
            Ok(())
        });
        if self.out.len() == inner_from {
            self.out.truncate(before);
        } else {
            self.out.push_str("}\n");
        }
        done
    }

    fn keyframes(&mut self, parser: &mut Parser<'_>) {
        loop {
            parser.skip_whitespace();
            if parser.is_exhausted() {
                return;
            }
            let at = parser.current_source_location();
            let mut stops = Stops::default();
            let stops_fine = stops.read(parser);
            if !matches!(parser.next(), Ok(Token::CurlyBracketBlock)) {
                return self.note(Fault(at, "a keyframe needs a block: { … }".to_owned()));
            }
            let declarations = in_block(parser, |parser| Ok(self.declarations(parser, false)));
            match stops_fine.and(declarations) {
                Ok(declarations) => self.out.push_str(&format!("{}{{{declarations}}}", stops.text.text)),
                Err(fault) => self.note(fault),
            }
        }
    }

    fn style_rule(&mut self, parser: &mut Parser<'_>, at: SourceLocation) -> Part {
        let mut selectors = Tokens::default();
        let mut host = Host::default();
        let fine = until_block(parser, |parser| selector_list(parser, &mut selectors, &mut host));
        if !matches!(parser.next(), Ok(Token::CurlyBracketBlock)) {
            return fine.and_then(|()| fault(at, "a rule is a selector and a block: .name { … }"));
        }
        if fine.is_ok() && selectors.text.trim().is_empty() {
            let _skipped = in_block(parser, |_| Ok(()));
            return fault(at, "a block needs a selector before it");
        }
        let declarations = in_block(parser, |parser| Ok(self.declarations(parser, host.is_subject())));
        fine?;
        let declarations = declarations?;
        if !declarations.is_empty() {
            self.out
                .push_str(&format!("{}{{{declarations}}}\n", selectors.text.trim()));
        }
        Ok(())
    }

    /// `name: value;` pairs, rebuilt.
    fn declarations(&mut self, parser: &mut Parser<'_>, of_host: bool) -> String {
        let mut out = String::new();
        while let Some(read) = next_declaration(parser, |parser, name, at, value| {
            declaration(parser, name, of_host, at, value)
        }) {
            match read {
                Ok(Declared { name, value }) => {
                    self.moves |= name.starts_with("animation") || name.starts_with("transition");
                    if !out.is_empty() {
                        out.push(';');
                    }
                    out.push_str(&format!("{name}:{value}"));
                }
                Err(fault) => self.note(fault),
            }
        }
        out
    }
}

/// A property and what it is set to, rebuilt.
pub struct Declared {
    /// In lower case, unless it is a custom property.
    pub name: String,
    pub value: String,
}

/// Reads the next `name: value;` of a block with `read`, which gets the name and writes the value; nothing at its end. After a fault
/// the next one can be read.
pub fn next_declaration<'i>(
    parser: &mut Parser<'i>,
    read: impl FnOnce(&mut Parser<'i>, &str, SourceLocation, &mut Tokens) -> Part,
) -> Option<Part<Declared>> {
    let (name, at) = loop {
        parser.skip_whitespace();
        let at = parser.current_source_location();
        match parser.next().cloned().ok()? {
            Token::Semicolon => {}
            Token::Ident(name) => break (name, at),
            _ => {
                while parser.next().is_ok() {}
                return Some(fault(
                    at,
                    "here only `property: value;` may stand; rules can't be nested",
                ));
            }
        }
    };
    let mut name = name.to_string();
    if !name.starts_with("--") {
        name.make_ascii_lowercase();
    }
    let mut value = Tokens::default();
    let mut result = None;
    let _delimited = parser.parse_until_after(Delimiter::Semicolon, |parser| {
        result = Some(read(parser, &name, at, &mut value));
        while parser.next().is_ok() {}
        Ok::<(), ParseError<()>>(())
    });
    let read = result.unwrap_or_else(|| fault(at, "this can't be read"));
    Some(read.map(|()| Declared {
        value: value.text.trim().to_owned(),
        name,
    }))
}

/// Where a keyframe lies in its animation.
#[derive(Default)]
pub struct Stops {
    pub text: Tokens,
    /// In parts of the duration.
    pub at: Vec<f32>,
}

impl Stops {
    /// Reads up to the keyframe's block.
    ///
    /// # Errors
    /// What is neither `from` nor `to` nor a percentage.
    pub fn read(&mut self, parser: &mut Parser<'_>) -> Part {
        let at = parser.current_source_location();
        until_block(parser, |parser| {
            while let Ok(token) = parser.next().cloned() {
                match &token {
                    Token::Comma => {}
                    Token::Percentage { unit_value, .. } => self.at.push(*unit_value),
                    Token::Ident(word) if word.eq_ignore_ascii_case("from") => self.at.push(0.0),
                    Token::Ident(word) if word.eq_ignore_ascii_case("to") => self.at.push(1.0),
                    _ => return fault(at, "a keyframe is `from`, `to` or a percentage"),
                }
                self.text.push(&token);
            }
            Ok(())
        })
    }
}

/// Reads up to the next `{`.
///
/// # Errors
/// Those of `f`.
pub fn until_block<'i>(parser: &mut Parser<'i>, f: impl FnOnce(&mut Parser<'i>) -> Part) -> Part {
    let at = parser.current_source_location();
    wrap(at, |result| {
        parser.parse_until_before(Delimiter::CurlyBracketBlock | Delimiter::Semicolon, |inner| {
            *result = Some(f(inner));
            while inner.next().is_ok() {}
            Ok(())
        })
    })
}

/// Tokens written so that they are read as the same tokens again.
pub struct Tokens {
    pub text: String,
    last: TokenSerializationType,
}

impl Default for Tokens {
    fn default() -> Self {
        Tokens {
            text: String::new(),
            last: TokenSerializationType::Nothing,
        }
    }
}

impl Tokens {
    pub fn push(&mut self, token: &Token<'_>) {
        let kind = token.serialization_type();
        match token {
            Token::WhiteSpace(_) => {
                if !self.text.ends_with(' ') {
                    self.text.push(' ');
                }
            }
            Token::Comment(_) => return,
            _ => {
                if self.last.needs_separator_when_before(kind) {
                    self.text.push(' ');
                }
                let from = self.text.len();
                token.to_css(&mut self.text).expect("a String takes every write");
                // `</style` must not stand in a string: the sheet may be written into a document.
                if matches!(token, Token::QuotedString(_) | Token::Ident(_)) && self.text[from..].contains('<') {
                    let safe = self.text[from..].replace("\\<", "<").replace('<', "\\3c ");
                    self.text.replace_range(from.., &safe);
                }
            }
        }
        self.last = kind;
    }

    /// Ends a block whose beginning was pushed.
    pub fn close(&mut self, bracket: char) {
        self.text.push(bracket);
        self.last = TokenSerializationType::Nothing;
    }
}

/// Whether `:host` is what a rule applies to, in any selector of its list.
#[derive(Default)]
struct Host {
    in_compound: bool,
    in_list: bool,
}

impl Host {
    fn is_subject(&self) -> bool {
        self.in_compound || self.in_list
    }
}

fn selector_list(parser: &mut Parser<'_>, out: &mut Tokens, host: &mut Host) -> Part {
    loop {
        let at = parser.current_source_location();
        let Ok(token) = parser.next_including_whitespace().cloned() else {
            return Ok(());
        };
        match &token {
            Token::WhiteSpace(_) => {
                let state = parser.state();
                // White space before a combinator, a comma or the end separates nothing.
                let combinator = match parser.next() {
                    Err(_) | Ok(Token::Comma | Token::Delim('>' | '+' | '~')) => false,
                    Ok(_) => true,
                };
                parser.reset(&state);
                if combinator && !out.text.is_empty() {
                    host.in_compound = false;
                }
                out.push(&token);
            }
            Token::Comma => {
                host.in_list |= host.in_compound;
                host.in_compound = false;
                out.push(&token);
            }
            Token::Delim('>' | '+' | '~') => {
                host.in_compound = false;
                out.push(&token);
            }
            Token::Delim('*') | Token::Ident(_) => out.push(&token),
            // `:nth-child(2n + 1)`
            Token::Number { .. } | Token::Dimension { .. } => out.push(&token),
            Token::Delim('.') => match parser.next_including_whitespace().cloned() {
                Ok(class @ Token::Ident(_)) => {
                    out.push(&token);
                    out.push(&class);
                }
                _ => return fault(at, "a `.` needs a class name after it"),
            },
            Token::Delim('-') => out.push(&token),
            Token::Colon => pseudo(parser, out, host, at)?,
            Token::SquareBracketBlock => {
                out.push(&token);
                in_block(parser, |parser| attribute_selector(parser, out, at))?;
                out.close(']');
            }
            Token::Hash(_) | Token::IDHash(_) => {
                return fault(at, "a view has no ids; select by class: .name");
            }
            Token::Delim('&') => return fault(at, "rules can't be nested"),
            other => return fault(at, format!("`{}` isn't allowed in a selector", other.to_css_string())),
        }
    }
}

fn pseudo(parser: &mut Parser<'_>, out: &mut Tokens, host: &mut Host, at: SourceLocation) -> Part {
    let mut element = false;
    let mut token = parser.next_including_whitespace().cloned();
    if let Ok(Token::Colon) = token {
        element = true;
        token = parser.next_including_whitespace().cloned();
    }
    let Ok(token) = token else {
        return fault(at, "a `:` needs a name after it");
    };
    let (name, function) = match &token {
        Token::Ident(name) => (name.to_ascii_lowercase(), false),
        Token::Function(name) => (name.to_ascii_lowercase(), true),
        _ => return fault(at, "a `:` needs a name after it"),
    };
    let known = match (element, function) {
        (true, false) => PSEUDO_ELEMENTS.contains(&name.as_str()),
        (true, true) => false,
        (false, false) => PSEUDO_CLASSES.contains(&name.as_str()),
        (false, true) => PSEUDO_FUNCTIONS.contains(&name.as_str()),
    };
    if !known {
        let allowed = match (element, function) {
            (true, _) => PSEUDO_ELEMENTS,
            (false, false) => PSEUDO_CLASSES,
            (false, true) => PSEUDO_FUNCTIONS,
        };
        let colons = if element { "::" } else { ":" };
        let call = if function { "()" } else { "" };
        return fault(
            at,
            format!("{colons}{name}{call} isn't allowed; these are: {}", allowed.join(", ")),
        );
    }
    if !element && name == "host" {
        host.in_compound = true;
    }
    out.push(&Token::Colon);
    if element {
        out.push(&Token::Colon);
    }
    out.push(&token);
    if function {
        let mut inside = Host::default();
        in_block(parser, |parser| selector_list(parser, out, &mut inside))?;
        host.in_compound |= inside.is_subject();
        out.close(')');
    }
    Ok(())
}

/// The rest of what stands in the brackets of an attribute selector.
///
/// # Errors
/// What is no name, comparison or string.
pub fn attribute_selector(parser: &mut Parser<'_>, out: &mut Tokens, at: SourceLocation) -> Part {
    while let Ok(token) = parser.next().cloned() {
        match token {
            Token::Ident(_)
            | Token::QuotedString(_)
            | Token::Delim('=')
            | Token::IncludeMatch
            | Token::DashMatch
            | Token::PrefixMatch
            | Token::SuffixMatch
            | Token::SubstringMatch => out.push(&token),
            _ => return fault(at, "an attribute selector is [name] or [name=\"value\"]"),
        }
    }
    Ok(())
}

fn keyframes_name(parser: &mut Parser<'_>, out: &mut Tokens) -> Part {
    let at = parser.current_source_location();
    match parser.next().cloned() {
        Ok(name @ Token::Ident(_)) if parser.is_exhausted() => out.push(&name),
        _ => return fault(at, "@keyframes needs one name"),
    }
    Ok(())
}

/// The condition of `@media` or `@container`.
///
/// # Errors
/// Words that aren't known.
pub fn condition(parser: &mut Parser<'_>, out: &mut Tokens) -> Part {
    loop {
        let at = parser.current_source_location();
        let Ok(token) = parser.next_including_whitespace().cloned() else {
            return Ok(());
        };
        match &token {
            Token::WhiteSpace(_) | Token::Comma | Token::Colon => out.push(&token),
            Token::Number { .. } | Token::Dimension { .. } | Token::Delim('<' | '>' | '=' | '/') => out.push(&token),
            Token::Ident(word) if CONDITION_WORDS.contains(&word.to_ascii_lowercase().as_str()) => out.push(&token),
            Token::ParenthesisBlock => {
                out.push(&token);
                in_block(parser, |parser| condition(parser, out))?;
                out.close(')');
            }
            other => {
                let other = other.to_css_string();
                return fault(
                    at,
                    format!(
                        "`{other}` isn't allowed in a condition; these words are: {}",
                        CONDITION_WORDS.join(", ")
                    ),
                );
            }
        }
    }
}

fn declaration(parser: &mut Parser<'_>, name: &str, of_host: bool, at: SourceLocation, out: &mut Tokens) -> Part {
    if parser.expect_colon().is_err() {
        return fault(
            at,
            format!("`{name}` needs a colon and a value after it; rules can't be nested"),
        );
    }
    let custom = name.starts_with("--");
    if !custom && PROPERTIES.binary_search(&name).is_err() {
        return fault(
            at,
            format!("the property `{name}` isn't allowed; the guide lists those that are"),
        );
    }
    if of_host && !custom && !HOST_PROPERTIES.contains(&name) {
        let allowed = HOST_PROPERTIES.join(", ");
        return fault(
            at,
            format!("`{name}` isn't allowed for :host, which is the page's; --names and {allowed} are"),
        );
    }
    if name == "position" {
        parser.skip_whitespace();
        let at = parser.current_source_location();
        return match parser.next().cloned() {
            Ok(token @ Token::Ident(_)) if parser.is_exhausted() && is_position(&token) => {
                out.push(&token);
                Ok(())
            }
            _ => fault(at, "`position` is static, relative, absolute or sticky here"),
        };
    }
    value(parser, out)?;
    if out.text.trim().is_empty() && !custom {
        fault(at, format!("`{name}` has no value"))
    } else {
        Ok(())
    }
}

/// Whether this is where something may stand: not `fixed`, that is.
pub fn is_position(token: &Token<'_>) -> bool {
    let Token::Ident(word) = token else { return false };
    ["static", "relative", "absolute", "sticky"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

fn value(parser: &mut Parser<'_>, out: &mut Tokens) -> Part {
    loop {
        let at = parser.current_source_location();
        let Ok(token) = parser.next_including_whitespace().cloned() else {
            return Ok(());
        };
        match &token {
            Token::Ident(_)
            | Token::Hash(_)
            | Token::IDHash(_)
            | Token::QuotedString(_)
            | Token::Number { .. }
            | Token::Percentage { .. }
            | Token::Dimension { .. }
            | Token::WhiteSpace(_)
            | Token::Comma
            | Token::Delim('/' | '+' | '-' | '*') => out.push(&token),
            Token::Function(name) => {
                let lower = name.to_ascii_lowercase();
                if FUNCTIONS.binary_search(&lower.as_str()).is_err() {
                    let hint = if lower == "url" { "; nothing can be loaded" } else { "" };
                    return fault(at, format!("{lower}() isn't allowed{hint}"));
                }
                out.push(&token);
                in_block(parser, |parser| value(parser, out))?;
                out.close(')');
            }
            Token::ParenthesisBlock => {
                out.push(&token);
                in_block(parser, |parser| value(parser, out))?;
                out.close(')');
            }
            Token::SquareBracketBlock => {
                out.push(&token);
                in_block(parser, |parser| value(parser, out))?;
                out.close(']');
            }
            Token::UnquotedUrl(_) | Token::BadUrl(_) => return fault(at, "url() isn't allowed; nothing can be loaded"),
            Token::Delim('!') => return fault(at, "!important isn't allowed"),
            other => return fault(at, format!("`{}` isn't allowed in a value", other.to_css_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_error(source: &str) -> CssError {
        match rebuild(source) {
            Ok(css) => panic!("{source:?} was accepted as {css:?}"),
            Err(errors) => errors[0].clone(),
        }
    }

    #[test]
    fn a_sheet_is_rebuilt_with_its_meaning() {
        let css = rebuild(
            "/* a guestbook */\n:host { --ink: #123; color: var(--ink) }\n.line > p:nth-child(2n + 1)::before { content: \"“\"; \
             inline-size: calc(100% - 2rem); }\n@media (prefers-color-scheme: dark) and (min-width: 30rem) { .a { color: oklch(0.7 0.1 \
             200 / 50%) } }\n@container (width < 20rem) { .b{display:none} }\n",
        )
        .expect("all of it is allowed");
        assert_eq!(
            css,
            ":host{--ink:#123;color:var(--ink)}\n.line > p:nth-child(2n + 1)::before{content:\"“\";inline-size:calc(100% - 2rem)}\n\
             @media (prefers-color-scheme: dark) and (min-width: 30rem){.a{color:oklch(0.7 0.1 200 / 50%)}\n}\n\
             @container (width < 20rem){.b{display:none}\n}\n"
        );
        assert_eq!(rebuild(&css).as_ref(), Ok(&css), "what was rebuilt stays as it is");
    }

    #[test]
    fn what_moves_stands_still_for_those_who_asked() {
        let css = rebuild("@keyframes blink { 0%, 50% { opacity: 1 } to { opacity: 0 } }\n.b { animation: blink 1s steps(2) infinite }")
            .expect("all of it is allowed");
        assert!(
            css.contains("@keyframes blink{0%,50%{opacity:1}to{opacity:0}}"),
            "{css}"
        );
        assert!(css.contains("prefers-reduced-motion:reduce"), "{css}");
    }

    #[test]
    fn nothing_is_loaded() {
        for source in [
            ".a { background: url(https://evil.example/a.png) }",
            ".a { background: URL(\"//evil.example\") }",
            ".a { background: u\\72l(x) }",
            ".a { background: \\75 rl(\"x\") }",
            ".a { --x: url(x) }",
            ".a { --x: { a: url(x) } }",
            ".a { background: image-set(\"x.png\" 1x) }",
            ".a { background: -webkit-image-set(\"x.png\" 1x) }",
            ".a { background: image(\"x.png\") }",
            ".a { background: cross-fade(\"x\", \"y\") }",
            ".a { cursor: src(\"x\") }",
            ".a { background: element(#x) }",
            "@import \"https://evil.example/x.css\";",
            "@import url(x);",
            "@font-face { font-family: x; src: url(x) }",
            "@namespace svg url(http://www.w3.org/2000/svg);",
            "@charset \"utf-8\"; @import \"x\";",
        ] {
            first_error(source);
        }
    }

    #[test]
    fn nothing_leaves_its_box() {
        for source in [
            ".a { position: fixed }",
            ".a { position: FIXED }",
            ".a { position: f\\69xed }",
            ".a { position: var(--p); --p: fixed }",
            ".a { position: absolute fixed }",
            ".a { color: red !important }",
            ".a { color: red ! important }",
            ":host { position: absolute }",
            ":host { margin: -1000px }",
            ":host(.x), .b { inline-size: 100vw }",
            ".b, :host:hover { transform: scale(9) }",
            ":is(:host) { display: contents }",
            ":host:is(*) { z-index: 9 }",
            ":host-context(body) .a { color: red }",
            ":root { color: red }",
            "::slotted(*) { color: red }",
            "::part(x) { color: red }",
            "::view-transition { color: red }",
            "#id { color: red }",
            ".a { all: unset }",
            ".a { contain: none }",
            ".a { view-transition-name: x }",
            ".a { anchor-name: --x }",
            ".a { behavior: x }",
            ".a { -moz-binding: x }",
            ".a { expression: x }",
            ".a { color: expression(alert(1)) }",
            ".a { color: env(safe-area-inset-top) }",
            "@layer x { .a { color: red } }",
            "@scope (.a) { .b { color: red } }",
            "@property --x { syntax: \"*\"; inherits: true }",
            "@supports (color: red) { .a { color: red } }",
            "@page { margin: 0 }",
            ".a { & .b { color: red } }",
            ".a { .b { color: red } }",
            ".a { b:hover { color: red } }",
            "svg|a { color: red }",
        ] {
            first_error(source);
        }
    }

    #[test]
    fn an_inner_element_of_the_host_is_no_host() {
        for source in [
            ":host > .a { position: absolute }",
            ":host(.wide) .a { margin: 0 }",
            ":host .a, .b { width: 1px }",
        ] {
            rebuild(source).unwrap_or_else(|errors| panic!("{source}: {}", errors[0]));
        }
    }

    #[test]
    fn a_document_cannot_be_left() {
        let css = rebuild(".a::before { content: \"</style><script>\" }").expect("a string is a string");
        assert!(!css.contains('<'), "{css}");
        let css = rebuild(".a\\<b { color: red }").expect("a strange class");
        assert!(!css.contains('<'), "{css}");
        let again = rebuild(&css).expect("it still reads");
        assert_eq!(again, css);
    }

    #[test]
    fn broken_sheets_are_refused_where_they_break() {
        assert_eq!(first_error(".a { color: red }\n.b { colour: red }").line, 2);
        assert!(first_error(".a { colour: red }").message.contains("`colour`"));
        for source in [
            "}",
            ".a",
            ".a {} }",
            ".a { color }",
            ".a { color: }",
            "{ color: red }",
            ".a { color: \"open\n }",
            ".a { (x) }",
            "<!-- .a { color: red } -->",
        ] {
            first_error(source);
        }
        assert!(first_error(&" ".repeat(CSS_MAX + 1)).message.contains("16 KiB"));
        let deep = format!(".a {{ width: {}1px{} }}", "calc(".repeat(500), ")".repeat(500));
        first_error(&deep);
        // Cut off in the middle: blocks end with the sheet, as in a browser.
        assert_eq!(rebuild(".a { color: red").as_deref(), Ok(".a{color:red}\n"));
        let many = ".a { q: 1 }\n".repeat(100);
        assert_eq!(rebuild(&many).unwrap_err().len(), 100.min(ERRORS_MAX));
    }
}
