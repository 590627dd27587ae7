//! An owner's own CSS: parsed, and rebuilt from allow-lists, so that it dresses the wall and nothing else.
//!
//! No text of the source is kept, only tokens that were understood; what isn't understood or allowed is left out and said by
//! line, and the rest is worn. What is worn stands in `@scope (.wall)`, so that no selector finds anything outside, and ends
//! at what the host has put into the wall: tools, handles, dialogs. It loads nothing but pictures of its owner's, can't say `fixed`
//! or `!important`, sets no custom property of the house's, moves nothing for those who asked for that, and puts no words
//! into controls. Nothing in it flashes fast (`pace.rs`). A browser without `@scope` leaves all of it out.

mod selectors;

use std::{cell::RefCell, collections::BTreeSet};

use cssparser::{Parser, SourceLocation, ToCss, Token};

use super::pace::Pace;
use crate::plugins::css::{
    CssError, Declared, Fault, Part, Stops, Tokens, condition, fault, in_block, is_function, is_position,
    next_declaration, properties, until_block,
};
use selectors::Selectors;

/// Bytes of source.
pub const SOURCE_MOST: usize = 32 * 1024;
/// Things left out that are told at once.
const TOLD_MOST: usize = 40;
/// Blocks within blocks.
const NESTING_MOST: u8 = 12;
const RULES_MOST: usize = 600;
const KEYFRAMES_MOST: usize = 20;
const STOPS_MOST: usize = 24;
/// Declarations that set something in motion.
const MOTIONS_MOST: usize = 20;
/// The greatest length, in whatever unit.
const LENGTH_MOST: f32 = 10_000.0;
/// The greatest length in a filter, which is drawn pixel by pixel.
const FILTER_MOST: f32 = 60.0;
/// Characters that one `content` may say.
const CONTENT_MOST: usize = 200;

/// What of the wall is the host's: the rules end there.
const HOSTS: &str = "dialog,.tools,.grip,.corner,.cost,[data-host]";
/// What one presses and writes in: no words are put before or after it.
const CONTROLS: &str = "a,button,input,textarea,select,summary,label,option,[role=button],[tabindex]";
/// Names of animations and custom properties of a member's begin so.
const OWN: &str = "my-";

/// What an owner's CSS has become.
pub struct Rebuilt {
    /// For the wall's stylesheet; empty where nothing is left.
    pub css: String,
    /// What is left out, by line.
    pub left_out: Vec<CssError>,
    /// The pictures that it shows, by id.
    pub pictures: BTreeSet<String>,
}

/// Rebuilds an owner's CSS. `is_picture` says whether an id is that of a picture in the owner's library.
pub fn rebuild(source: &str, is_picture: &dyn Fn(&str) -> bool) -> Rebuilt {
    // How fast something may go depends on stops that may be written further down, so it is read twice.
    let seen = read(source, is_picture, &Pace::default()).seen;
    let sheet = read(source, is_picture, &seen);
    let mut css = String::new();
    if !sheet.rules.is_empty() || !sheet.words.is_empty() {
        css = format!(
            "@layer member{{{}@scope (.wall) to ({HOSTS}){{{}}}@scope (.wall) to ({HOSTS},{CONTROLS}){{{}}}",
            sheet.keyframes, sheet.rules, sheet.words
        );
        if sheet.counted.motions > 0 {
            css.push_str("@media (prefers-reduced-motion:reduce){@scope (.wall){:scope *,:scope ::before,:scope ::after{animation:none!important;transition:none!important}}}");
        }
        css.push_str("}\n");
    }
    Rebuilt {
        css,
        left_out: sheet.left_out,
        pictures: sheet.pictures.into_inner(),
    }
}

fn read<'a>(source: &str, is_picture: &'a dyn Fn(&str) -> bool, pace: &'a Pace) -> Sheet<'a> {
    let mut sheet = Sheet {
        pace,
        seen: Pace::default(),
        is_picture,
        rules: String::new(),
        words: String::new(),
        keyframes: String::new(),
        left_out: Vec::new(),
        pictures: RefCell::default(),
        counted: Counted::default(),
    };
    if source.len() > SOURCE_MOST {
        let message = format!(
            "{} bytes are too many; {} KiB are allowed",
            source.len(),
            SOURCE_MOST / 1024
        );
        sheet.left_out.push(CssError {
            line: 1,
            column: 1,
            message,
        });
    } else {
        let mut parser = Parser::new(source);
        parser.set_nested_block_limit(NESTING_MOST);
        let (rules, words) = sheet.rules(&mut parser, 0);
        (sheet.rules, sheet.words) = (rules, words);
    }
    sheet
}

struct Sheet<'a> {
    is_picture: &'a dyn Fn(&str) -> bool,
    /// What its animations are held to, and what has been seen of them.
    pace: &'a Pace,
    seen: Pace,
    rules: String,
    /// What says `content`, which ends at controls.
    words: String,
    keyframes: String,
    left_out: Vec<CssError>,
    pictures: RefCell<BTreeSet<String>>,
    counted: Counted,
}

#[derive(Default)]
struct Counted {
    rules: usize,
    motions: usize,
    keyframes: usize,
}

/// Declarations of one block.
#[derive(Default)]
struct Declarations {
    plain: String,
    /// Those that say `content`.
    words: String,
}

/// Where declarations stand, which says what may be set there.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Rule,
    /// The wall itself.
    Wall,
    Keyframe,
}

impl Sheet<'_> {
    fn leave_out(&mut self, Fault(at, message): Fault) {
        if self.left_out.len() < TOLD_MOST {
            self.left_out.push(CssError {
                line: at.line + 1,
                column: at.column,
                message,
            });
        }
    }

    /// The rules at the top or in a condition.
    fn rules(&mut self, parser: &mut Parser<'_>, depth: u8) -> (String, String) {
        let (mut rules, mut words) = (String::new(), String::new());
        loop {
            parser.skip_whitespace();
            let start = parser.state();
            let at = parser.current_source_location();
            let done = match parser.next().cloned() {
                Err(_) => return (rules, words),
                Ok(Token::AtKeyword(name)) => self.at_rule(parser, &name, at, depth, (&mut rules, &mut words)),
                Ok(_) => {
                    parser.reset(&start);
                    self.style_rule(parser, at, (&mut rules, &mut words))
                }
            };
            if let Err(fault) = done {
                self.leave_out(fault);
            }
        }
    }

    fn at_rule(
        &mut self,
        parser: &mut Parser<'_>,
        name: &str,
        at: SourceLocation,
        depth: u8,
        (rules, words): (&mut String, &mut String),
    ) -> Part {
        let name = name.to_ascii_lowercase();
        let mut prelude = Tokens::default();
        let known = match name.as_str() {
            "media" if depth < 3 => until_block(parser, |parser| condition(parser, &mut prelude)),
            "media" => fault(at, "@media may be nested three deep at most"),
            "keyframes" if depth == 0 => until_block(parser, |parser| keyframes_name(parser, &mut prelude)),
            _ => fault(
                at,
                format!("@{name} isn't allowed; @media is, and at the top @keyframes"),
            ),
        };
        // The block, or the end of a rule without one. A rule that isn't known is skipped with all that it holds.
        if known.is_err() {
            let _skipped = until_block(parser, |_| Ok(()));
        }
        match parser.next().cloned() {
            Ok(Token::CurlyBracketBlock) => {}
            _ => return known.and_then(|()| fault(at, format!("@{name} needs a block: {{ … }}"))),
        }
        if let Err(fault) = known {
            let _skipped = in_block(parser, |_| Ok(()));
            return Err(fault);
        }
        let prelude = prelude.text.trim().to_owned();
        if name == "keyframes" {
            self.counted.keyframes += 1;
            let stops = in_block(parser, |parser| Ok(self.keyframes(parser, &prelude)))?;
            if self.counted.keyframes > KEYFRAMES_MOST {
                return fault(at, format!("{KEYFRAMES_MOST} @keyframes are enough for one wall"));
            }
            self.keyframes.push_str(&format!("@keyframes {prelude}{{{stops}}}"));
            return Ok(());
        }
        let (inner, inner_words) = in_block(parser, |parser| Ok(self.rules(parser, depth + 1)))?;
        for (out, inner) in [(rules, inner), (words, inner_words)] {
            if !inner.is_empty() {
                out.push_str(&format!("@media {prelude}{{{inner}}}"));
            }
        }
        Ok(())
    }

    fn keyframes(&mut self, parser: &mut Parser<'_>, name: &str) -> String {
        let mut out = String::new();
        let mut all = Vec::new();
        for nth in 0.. {
            parser.skip_whitespace();
            if parser.is_exhausted() {
                break;
            }
            let at = parser.current_source_location();
            let mut stops = Stops::default();
            let fine = stops.read(parser);
            all.append(&mut stops.at);
            if !matches!(parser.next(), Ok(Token::CurlyBracketBlock)) {
                self.leave_out(Fault(at, "a keyframe needs a block: { … }".into()));
                break;
            }
            let declared = in_block(parser, |parser| Ok(self.declarations(parser, Place::Keyframe)));
            let fine = fine.and(match nth {
                ..STOPS_MOST => Ok(()),
                _ => fault(at, format!("{STOPS_MOST} stops are enough for one animation")),
            });
            match fine.and(declared) {
                Ok(declared) => out.push_str(&format!("{}{{{}}}", stops.text.text, declared.plain)),
                Err(fault) => self.leave_out(fault),
            }
        }
        self.seen.note_stops(name, all);
        out
    }

    fn style_rule(
        &mut self,
        parser: &mut Parser<'_>,
        at: SourceLocation,
        (rules, words): (&mut String, &mut String),
    ) -> Part {
        let mut selectors = Selectors::default();
        let fine = until_block(parser, |parser| selectors.read(parser, 0));
        if !matches!(parser.next(), Ok(Token::CurlyBracketBlock)) {
            return fine.and_then(|()| fault(at, "a rule is a selector and a block: .name { … }"));
        }
        let fine = fine.and_then(|()| selectors.finish(at));
        self.counted.rules += 1;
        let place = match selectors.finds_wall {
            true => Place::Wall,
            false => Place::Rule,
        };
        let declared = match (&fine, self.counted.rules) {
            // What stands in a rule that is left out need not be told as well.
            (Err(_), _) => in_block(parser, |_| Ok(Declarations::default())),
            (_, ..=RULES_MOST) => in_block(parser, |parser| Ok(self.declarations(parser, place))),
            _ => in_block(parser, |_| {
                fault(at, format!("{RULES_MOST} rules are enough for one wall"))
            }),
        };
        fine?;
        let declared = declared?;
        for (out, declared) in [(rules, declared.plain), (words, declared.words)] {
            if !declared.is_empty() {
                out.push_str(&format!("{}{{{declared}}}", selectors.text));
            }
        }
        Ok(())
    }

    /// `name: value;` pairs, rebuilt.
    fn declarations(&mut self, parser: &mut Parser<'_>, place: Place) -> Declarations {
        let mut out = Declarations::default();
        while let Some(read) = next_declaration(parser, |parser, name, at, value| {
            self.declaration(parser, name, place, at, value)
        }) {
            match read {
                Ok(Declared { name, value }) => {
                    let list = match name.as_str() {
                        "content" => &mut out.words,
                        _ => &mut out.plain,
                    };
                    if !list.is_empty() {
                        list.push(';');
                    }
                    list.push_str(&format!("{name}:{value}"));
                }
                Err(fault) => self.leave_out(fault),
            }
        }
        out
    }

    fn declaration(
        &mut self,
        parser: &mut Parser<'_>,
        name: &str,
        place: Place,
        at: SourceLocation,
        out: &mut Tokens,
    ) -> Part {
        if parser.expect_colon().is_err() {
            return fault(
                at,
                format!("`{name}` needs a colon and a value after it; rules can't be nested"),
            );
        }
        may_be_set(name, place, at)?;
        let mut values = Values {
            is_picture: self.is_picture,
            pictures: &self.pictures,
            most: match name {
                "filter" => FILTER_MOST,
                _ => LENGTH_MOST,
            },
            said: 0,
        };
        match name {
            "position" => {
                parser.skip_whitespace();
                let at = parser.current_source_location();
                match parser.next().cloned() {
                    Ok(token @ Token::Ident(_)) if parser.is_exhausted() && is_position(&token) => out.push(&token),
                    _ => return fault(at, "`position` is static, relative, absolute or sticky here"),
                }
            }
            "cursor" => {
                parser.skip_whitespace();
                let at = parser.current_source_location();
                match parser.next().cloned() {
                    Ok(token @ Token::Ident(_)) if parser.is_exhausted() && !is_word(&token, "none") => {
                        out.push(&token)
                    }
                    _ => {
                        return fault(
                            at,
                            "`cursor` is one word here, such as crosshair, and not none; the look has more",
                        );
                    }
                }
            }
            _ => values.read(parser, out)?,
        }
        if values.said > CONTENT_MOST {
            return fault(at, format!("{CONTENT_MOST} characters are enough to say here"));
        }
        self.pace.check(name, &out.text, at)?;
        self.seen.note(name, &out.text);
        if name.starts_with("animation") || name.starts_with("transition") {
            self.counted.motions += 1;
            if self.counted.motions > MOTIONS_MOST {
                return fault(
                    at,
                    format!("{MOTIONS_MOST} animations and transitions are enough for one wall"),
                );
            }
        }
        match out.text.trim().is_empty() && !name.starts_with("--") {
            true => fault(at, format!("`{name}` has no value")),
            false => Ok(()),
        }
    }
}

fn may_be_set(name: &str, place: Place, at: SourceLocation) -> Part {
    if let Some(own) = name.strip_prefix("--") {
        return match own.starts_with(OWN) {
            true => Ok(()),
            false => fault(
                at,
                format!("custom properties of yours begin with --{OWN}; `{name}` is the house's"),
            ),
        };
    }
    if properties().binary_search(&name).is_err() || NOT_HERE.contains(&name) {
        return fault(at, format!("the property `{name}` isn't allowed on a wall"));
    }
    let (list, whose) = match place {
        Place::Rule => return Ok(()),
        Place::Wall => (OF_WALL, "for the wall itself, which is a part of the page"),
        Place::Keyframe => (OF_KEYFRAMES, "in an animation"),
    };
    match list.contains(&name) {
        true => Ok(()),
        false => fault(
            at,
            format!("`{name}` isn't allowed {whose}; these are: {}", list.join(", ")),
        ),
    }
}

fn keyframes_name(parser: &mut Parser<'_>, out: &mut Tokens) -> Part {
    let at = parser.current_source_location();
    match parser.next().cloned() {
        Ok(Token::Ident(name)) if parser.is_exhausted() && name.starts_with(OWN) => {
            out.push(&Token::Ident(name));
            Ok(())
        }
        _ => fault(at, format!("@keyframes needs one name, which begins with {OWN}")),
    }
}

fn is_word(token: &Token<'_>, word: &str) -> bool {
    matches!(token, Token::Ident(it) if it.eq_ignore_ascii_case(word))
}

/// Reads what a declaration sets.
struct Values<'a> {
    is_picture: &'a dyn Fn(&str) -> bool,
    pictures: &'a RefCell<BTreeSet<String>>,
    /// The greatest length.
    most: f32,
    /// Characters of its strings.
    said: usize,
}

impl Values<'_> {
    fn read(&mut self, parser: &mut Parser<'_>, out: &mut Tokens) -> Part {
        loop {
            let at = parser.current_source_location();
            let Ok(token) = parser.next_including_whitespace().cloned() else {
                return Ok(());
            };
            match &token {
                Token::QuotedString(text) => {
                    self.said += text.chars().count();
                    out.push(&token);
                }
                Token::Dimension { value, .. } | Token::Number { value, .. } if value.abs() > self.most => {
                    return fault(at, format!("{value} is too much; {} is the most here", self.most));
                }
                Token::Percentage { unit_value, .. } if unit_value.abs() > 100.0 => {
                    return fault(at, "that is too much; 10000% is the most");
                }
                Token::Ident(_)
                | Token::Hash(_)
                | Token::IDHash(_)
                | Token::Number { .. }
                | Token::Percentage { .. }
                | Token::Dimension { .. }
                | Token::WhiteSpace(_)
                | Token::Comma
                | Token::Delim('/' | '+' | '-' | '*') => out.push(&token),
                Token::UnquotedUrl(address) => self.picture(address, at, out)?,
                Token::Function(name) if name.eq_ignore_ascii_case("url") => {
                    let address = in_block(parser, |parser| match parser.next().cloned() {
                        Ok(Token::QuotedString(address)) if parser.is_exhausted() => Ok(address.to_string()),
                        _ => fault(at, "url() takes the address of one picture"),
                    })?;
                    self.picture(&address, at, out)?;
                }
                Token::Function(name) => {
                    let name = name.to_ascii_lowercase();
                    if !is_function(&name) || name == "attr" {
                        return fault(at, format!("{name}() isn't allowed"));
                    }
                    out.push(&token);
                    let most = self.most;
                    if matches!(name.as_str(), "blur" | "drop-shadow") {
                        self.most = FILTER_MOST;
                    }
                    let read = in_block(parser, |parser| self.read(parser, out));
                    self.most = most;
                    read?;
                    out.close(')');
                }
                Token::ParenthesisBlock => {
                    out.push(&token);
                    in_block(parser, |parser| self.read(parser, out))?;
                    out.close(')');
                }
                Token::SquareBracketBlock => {
                    out.push(&token);
                    in_block(parser, |parser| self.read(parser, out))?;
                    out.close(']');
                }
                Token::Delim('!') => return fault(at, "!important isn't allowed"),
                other => return fault(at, format!("`{}` isn't allowed in a value", other.to_css_string())),
            }
        }
    }

    /// A picture of the owner's own library; nothing else is ever loaded.
    fn picture(&self, address: &str, at: SourceLocation, out: &mut Tokens) -> Part {
        let parts = address.strip_prefix("/media/").and_then(|rest| rest.split_once('/'));
        let own = parts.filter(|(id, variant)| {
            matches!(*variant, "full" | "medium" | "small")
                && !id.is_empty()
                && id.len() <= 64
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
                && (self.is_picture)(id)
        });
        let Some((id, variant)) = own else {
            return fault(
                at,
                "url() names a picture of your own library, such as url(\"/media/…/medium\"); nothing else is loaded",
            );
        };
        self.pictures.borrow_mut().insert(id.to_owned());
        out.push(&Token::Function("url".into()));
        out.push(&Token::QuotedString(format!("/media/{id}/{variant}").into()));
        out.close(')');
        Ok(())
    }
}

/// What plugins may set in their own root, and a member may not set among what is the host's: the focus ring, what blocks
/// scrolling, what names something page-wide.
const NOT_HERE: &[&str] = &[
    "outline",
    "outline-color",
    "outline-offset",
    "outline-style",
    "outline-width",
    "touch-action",
    "color-scheme",
    "container",
    "container-name",
    "container-type",
    "scroll-snap-align",
    "scroll-snap-stop",
    "scroll-snap-type",
    "zoom",
];
const OF_WALL: &[&str] = &[
    "color",
    "background",
    "background-attachment",
    "background-blend-mode",
    "background-color",
    "background-image",
    "background-origin",
    "background-position",
    "background-repeat",
    "background-size",
    "font",
    "font-family",
    "font-size",
    "font-stretch",
    "font-style",
    "font-weight",
    "letter-spacing",
    "line-height",
    "text-align",
    "text-shadow",
    "text-transform",
    "word-spacing",
    "accent-color",
    "caret-color",
    "cursor",
];
const OF_KEYFRAMES: &[&str] = &[
    "background-color",
    "background-position",
    "border-color",
    "box-shadow",
    "clip-path",
    "color",
    "filter",
    "letter-spacing",
    "opacity",
    "rotate",
    "scale",
    "stroke-dashoffset",
    "text-shadow",
    "transform",
    "translate",
    "visibility",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn css(source: &str) -> String {
        let rebuilt = rebuild(source, &|id| id == "mine");
        assert!(rebuilt.left_out.is_empty(), "{source}: {}", rebuilt.left_out[0]);
        rebuilt.css
    }

    #[test]
    fn each_selector_begins_at_the_wall() {
        for (typed, worn) in [
            ("h1{color:red}", ":scope h1{color:red}"),
            ("*{color:red}", ":scope *{color:red}"),
            (".wall{color:red}", ":scope{color:red}"),
            (".wall h1 , a:hover{color:red}", ":scope h1,:scope a:hover{color:red}"),
            (".wall > .canvas{margin:0}", ":scope > .canvas{margin:0}"),
            (".wall>.canvas{margin:0}", ":scope>.canvas{margin:0}"),
            (".wall:hover h1{margin:0}", ":scope:hover h1{margin:0}"),
            (".wall[open] h1{margin:0}", ":scope[open] h1{margin:0}"),
            (".wall::before{inset:0}", ":scope::before{inset:0}"),
            (".a .wall b{color:red}", ":scope .a .wall b{color:red}"),
            (":is(.a, .b) + p{color:red}", ":scope :is(.a, .b) + p{color:red}"),
            ("#module-7 > .title{color:red}", ":scope #module-7 > .title{color:red}"),
        ] {
            let css = css(typed);
            assert!(css.contains(&format!("{{{worn}}}")), "{typed} became {css}");
        }
    }

    #[test]
    fn the_wall_itself_takes_colours_and_type_and_stays_where_it_is() {
        // What is in the wall may be anything that it could be in there.
        for (typed, worn) in [
            (".wall :not(x){float:left}", ":scope :not(x){float:left}"),
            (".wall :nth-child(n){margin:0}", ":scope :nth-child(n){margin:0}"),
            (".wall *{width:9px}", ":scope *{width:9px}"),
            ("h1,.wall :hover{margin:0}", ":scope h1,:scope :hover{margin:0}"),
        ] {
            let css = css(typed);
            assert!(css.contains(&format!("{{{worn}}}")), "{typed} became {css}");
        }
        for wall in [
            ".wall",
            ".wall:not(x)",
            ".wall[class]",
            ".wall.wall",
            "h1,.wall:hover",
            ".wall/**/:hover",
        ] {
            for moved in [
                "float:left",
                "position:relative",
                "margin:0",
                "width:9px",
                "height:9px",
                "translate:9px",
                "display:grid",
            ] {
                let rebuilt = rebuild(&format!("{wall}{{{moved}}}"), &|_| false);
                assert!(rebuilt.css.is_empty(), "{wall} {moved}: {}", rebuilt.css);
            }
        }
    }

    #[test]
    fn what_is_left_out_is_said_and_the_rest_is_worn() {
        let rebuilt = rebuild(
            "h1 { color: red;\n position: fixed;\n rotate: 2deg }\n@import \"x\";\nbody { color: red }\np { color: blue }",
            &|_| false,
        );
        assert!(
            rebuilt
                .css
                .contains("{:scope h1{color:red;rotate:2deg}:scope p{color:blue}}"),
            "{}",
            rebuilt.css
        );
        let lines: Vec<_> = rebuilt.left_out.iter().map(|one| one.line).collect();
        assert_eq!(lines, [2, 4, 5], "{:?}", rebuilt.left_out);
    }

    #[test]
    fn nothing_may_flash_more_than_three_times_a_second() {
        const BLINK: &str = "@keyframes my-blink{50%{opacity:0}}";
        const STORM: &str = "@keyframes my-storm{0%,2%,4%,6%{opacity:0}1%,3%,5%,7%{opacity:1}}";
        for fine in [
            "p{animation:my-blink 0.5s infinite}",
            "p{animation:my-blink 500ms -100ms infinite cubic-bezier(.1,0,.2,1)}",
            "p{animation-name:my-blink;animation-duration:1s}",
            "p{animation:my-blink 1s infinite,my-blink 1s infinite}",
            "p{animation:my-blink 0s}",
            "p{transition:color 90ms}",
        ] {
            let rebuilt = rebuild(&format!("{fine}{BLINK}"), &|_| false);
            assert!(rebuilt.left_out.is_empty(), "{fine}: {}", rebuilt.left_out[0]);
        }
        for fast in [
            "p{animation:my-blink .4s infinite}",
            "p{animation:infinite 400ms my-blink}",
            "p{animation-name:my-blink}b{animation-duration:.4s}",
            "p{animation:my-blink .5s infinite,my-blink .5s infinite}",
            "p{animation:my-blink 1s,my-blink 1s}b{animation-duration:.9s}",
            "p{--my-fast:1ms;animation:my-blink var(--my-fast)}",
            "p{animation:my-blink calc(1s/100)}",
            "p{animation:my-blink 1s linear(0,1,0,1,0)}",
            "p{animation-timing-function:cubic-bezier(0,90,0,-90)}",
        ] {
            let rebuilt = rebuild(&format!("{BLINK}\n{fast}"), &|_| false);
            assert_eq!(rebuilt.left_out.len(), 1, "{fast}: {}", rebuilt.css);
            assert_eq!(rebuilt.left_out[0].line, 2, "{fast}: {}", rebuilt.left_out[0]);
        }
        // However long it lasts, its eight stops lie within a moment.
        assert_eq!(
            rebuild(&format!("{STORM}p{{animation:my-storm 16s}}"), &|_| false)
                .left_out
                .len(),
            1
        );
        assert_eq!(
            rebuild(&format!("{STORM}p{{animation:my-storm 17s}}"), &|_| false)
                .left_out
                .len(),
            0
        );
    }

    #[test]
    fn words_are_put_nowhere_near_controls() {
        let css = css(".x::before{content:\"Press\";color:red}");
        let (rules, words) = css
            .split_once("@scope (.wall) to (dialog,.tools,.grip,.corner,.cost,[data-host],a,")
            .expect("two scopes");
        assert!(rules.contains(":scope .x::before{color:red}") && !rules.contains("content"));
        assert!(words.contains(":scope .x::before{content:\"Press\"}"));
    }

    #[test]
    fn pictures_are_those_of_the_owner() {
        assert_eq!(
            rebuild("p{background:url(/media/mine/full)}", &|id| id == "mine")
                .pictures
                .len(),
            1
        );
        for fine in ["url(/media/mine/full)", "url(\"/media/mine/small\")"] {
            assert!(css(&format!("p{{background:{fine}}}")).contains("url(\"/media/mine/"));
        }
        for wrong in [
            "/media/other/full",
            "/media/mine/../../x",
            "/media/mine/sound",
            "//evil.example/media/mine/full",
            "https://evil.example/",
            "data:image/png;base64,AAAA",
        ] {
            let rebuilt = rebuild(&format!("p{{background:url(\"{wrong}\")}}"), &|id| id == "mine");
            assert!(
                rebuilt.css.is_empty() && rebuilt.left_out.len() == 1,
                "{wrong}: {}",
                rebuilt.css
            );
        }
    }
}
