//! A wall's theme: colours by day and by night, lines, letters, pattern and cursor; how a form says them, and the
//! stylesheet that the host writes of them.
//!
//! A member chooses what they like. What could not be read is exchanged while the sheet is written, and said: see
//! [`Theme::checked`].

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value};

use super::colour::{BLACK, Colour, READABLE, VISIBLE};
use crate::error::Invalid;

/// What a theme colours: the wall's token, what the editor calls it, and what it is for.
pub const INKS: [(&str, &str, &str); 12] = [
    ("paper", "Paper", "the wall itself"),
    ("dot", "Pattern", "what is printed on the paper"),
    ("sheet", "Windows", "what text lies on"),
    ("ink", "Text", "what one reads"),
    ("link", "Links", "what one follows"),
    ("accent", "First plate", "buttons, title bars, what one points at"),
    ("second", "Second plate", "banner, shadows, other title bars"),
    ("line", "Lines", "around windows and controls"),
    ("ink-2", "Small print", "times, hints"),
    ("band", "Bands", "every other row of a list"),
    ("well", "Wells", "where one writes"),
    ("hair", "Hairlines", "thin rules inside a window"),
];
const PAPER: usize = 0;
const DOT: usize = 1;
const SHEET: usize = 2;
const INK: usize = 3;
const LINK: usize = 4;
const ACCENT: usize = 5;
const SECOND: usize = 6;
const LINE: usize = 7;
const INK_2: usize = 8;
const BAND: usize = 9;
const WELL: usize = 10;

/// By day, and by night.
pub const SCHEMES: [(&str, &str); 2] = [("day", "By day"), ("night", "By night")];

/// Sliders: the field, its label, from, to. All in pixels.
pub const SLIDERS: [(&str, &str, u8, u8); 3] = [
    ("border", "Lines", 2, 6),
    ("radius", "Corners", 0, 24),
    ("slip", "Out of register", 0, 16),
];

/// Something that is chosen from a list: its value, what it is called, and what stands in the sheet.
pub struct Choice {
    pub value: &'static str,
    pub label: &'static str,
    css: &'static str,
}

const fn choice(value: &'static str, label: &'static str, css: &'static str) -> Choice {
    Choice { value, label, css }
}

/// Letters of titles.
pub const FONTS: [Choice; 10] = [
    choice("pixel", "Jersey 10, pixels", "var(--font-pixel)"),
    choice("plain", "Atkinson, plain", "var(--font-plain)"),
    choice("mono", "Martian Mono, terminal", "var(--font-mono)"),
    choice("sign", "Bungee, shop sign", r#""Bungee",var(--font-pixel)"#),
    choice("serif", "DM Serif, newspaper", r#""DM Serif Display",Georgia,serif"#),
    choice(
        "typewriter",
        "Courier Prime, typewriter",
        r#""Courier Prime Title",var(--font-mono)"#,
    ),
    choice("round", "Fredoka, round", r#""Fredoka",var(--font-plain)"#),
    choice("hand", "Gochi Hand, felt pen", r#""Gochi Hand",cursive"#),
    choice("comic", "Comic Neue, comic", r#""Comic Neue Title",cursive"#),
    choice("black", "Pirata One, black letter", r#""Pirata One",var(--font-pixel)"#),
];

/// Letters of running text.
pub const TEXTS: [Choice; 4] = [
    choice("plain", "Atkinson, plain", "var(--font-plain)"),
    choice("mono", "Martian Mono, terminal", "var(--font-mono)"),
    choice(
        "typewriter",
        "Courier Prime, typewriter",
        r#""Courier Prime",var(--font-mono)"#,
    ),
    choice("comic", "Comic Neue, comic", r#""Comic Neue",var(--font-plain)"#),
];

/// Families that only themes use: family, file, weight.
const FACES: [(&str, &str, u16); 11] = [
    ("Bungee", "bungee-latin-400-normal", 400),
    ("DM Serif Display", "dm-serif-display-latin-400-normal", 400),
    ("Courier Prime Title", "courier-prime-latin-700-normal", 400),
    ("Courier Prime", "courier-prime-latin-400-normal", 400),
    ("Courier Prime", "courier-prime-latin-700-normal", 700),
    ("Fredoka", "fredoka-latin-600-normal", 400),
    ("Gochi Hand", "gochi-hand-latin-400-normal", 400),
    ("Pirata One", "pirata-one-latin-400-normal", 400),
    ("Comic Neue Title", "comic-neue-latin-700-normal", 400),
    ("Comic Neue", "comic-neue-latin-400-normal", 400),
    ("Comic Neue", "comic-neue-latin-700-normal", 700),
];

/// What is printed on the paper, in the colour `--wall-dot`.
pub const PATTERNS: [Choice; 13] = [
    choice("none", "Nothing", "none"),
    choice(
        "dots",
        "Dots",
        "radial-gradient(circle,var(--wall-dot) 2px,transparent 2.5px) 0 0/16px 16px",
    ),
    choice(
        "lines",
        "Lines",
        "repeating-linear-gradient(var(--wall-dot) 0 2px,transparent 2px 14px)",
    ),
    choice(
        "grid",
        "Squared paper",
        "linear-gradient(var(--wall-dot) 1px,transparent 1px) 0 0/24px 24px,linear-gradient(90deg,var(--wall-dot) 1px,transparent 1px) 0 0/24px 24px",
    ),
    choice(
        "graph",
        "Drawing office",
        "linear-gradient(var(--wall-dot) 2px,transparent 2px) 0 0/80px 80px,linear-gradient(90deg,var(--wall-dot) 2px,transparent 2px) 0 0/80px 80px,linear-gradient(var(--wall-dot) 1px,transparent 1px) 0 0/16px 16px,linear-gradient(90deg,var(--wall-dot) 1px,transparent 1px) 0 0/16px 16px",
    ),
    choice(
        "slant",
        "Slant",
        "repeating-linear-gradient(-45deg,var(--wall-dot) 0 2px,transparent 2px 12px)",
    ),
    choice(
        "hazard",
        "Hazard stripes",
        "repeating-linear-gradient(-45deg,var(--wall-dot) 0 24px,transparent 24px 48px)",
    ),
    choice(
        "checks",
        "Checks",
        "conic-gradient(var(--wall-dot) 25%,transparent 0 50%,var(--wall-dot) 0 75%,transparent 0) 0 0/12px 12px",
    ),
    choice(
        "gingham",
        "Tablecloth",
        "repeating-linear-gradient(color-mix(in oklab,var(--wall-dot) 55%,transparent) 0 20px,transparent 20px 40px),repeating-linear-gradient(90deg,color-mix(in oklab,var(--wall-dot) 55%,transparent) 0 20px,transparent 20px 40px)",
    ),
    choice(
        "crumbs",
        "Crumbs",
        "radial-gradient(circle,var(--wall-dot) 3px,transparent 3.5px) 0 0/40px 32px,radial-gradient(circle,var(--wall-dot) 2px,transparent 2.5px) 20px 16px/40px 32px",
    ),
    choice(
        "waves",
        "Waves",
        "radial-gradient(circle at 50% 100%,transparent 9px,var(--wall-dot) 9.5px 11.5px,transparent 12px) 0 0/24px 14px,radial-gradient(circle at 50% 100%,transparent 9px,var(--wall-dot) 9.5px 11.5px,transparent 12px) 12px 7px/24px 14px",
    ),
    choice(
        "rays",
        "Rays",
        "repeating-conic-gradient(from 0deg at 50% 14rem,var(--wall-dot) 0 7.5deg,transparent 0 15deg)",
    ),
    choice(
        "stars",
        "Stars",
        "radial-gradient(circle at 12px 18px,var(--wall-dot) 2.5px,transparent 3px) 0 0/160px 160px,radial-gradient(circle at 96px 60px,var(--wall-dot) 1.5px,transparent 2px) 0 0/160px 160px,radial-gradient(circle at 50px 118px,var(--wall-dot) 2px,transparent 2.5px) 0 0/160px 160px,radial-gradient(circle at 30px 70px,var(--wall-dot) 1px,transparent 1.5px) 0 0/96px 96px,radial-gradient(circle at 74px 20px,var(--wall-dot) 1px,transparent 1.5px) 0 0/96px 96px",
    ),
];

/// What the mouse looks like over a wall: where its point is, in pixels.
pub const CURSORS: [Choice; 8] = [
    choice("arrow", "The system's own", ""),
    choice("block", "Block arrow", "3 2"),
    choice("hand", "Pointing hand", "11 2"),
    choice("cross", "Cross hairs", "16 16"),
    choice("star", "Star", "16 16"),
    choice("moth", "Moth", "16 16"),
    choice("spoon", "Spoon", "6 5"),
    choice("snail", "Snail", "28 8"),
];

/// How a wall looks, as its owner chose it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Theme {
    /// By day, by night; in the order of [`INKS`].
    inks: [[Colour; 12]; 2],
    /// In the order of [`SLIDERS`].
    sizes: [u8; 3],
    font: &'static str,
    text: &'static str,
    pattern: &'static str,
    cursor: &'static str,
}

/// A colour that was exchanged, because something could not have been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchanged {
    /// The field of the form, such as `night-link`.
    pub field: String,
    pub was: String,
    pub became: String,
    /// A sentence.
    pub why: String,
}

impl Theme {
    /// A theme of twelve colours by day and by night, in the order of [`INKS`]; the sizes of [`SLIDERS`]; and values of
    /// [`FONTS`], [`TEXTS`], [`PATTERNS`], [`CURSORS`].
    pub const fn new(
        day: [u32; 12],
        night: [u32; 12],
        sizes: [u8; 3],
        [font, text, pattern, cursor]: [&'static str; 4],
    ) -> Self {
        let mut inks = [[BLACK; 12]; 2];
        let mut nth = 0;
        while nth < 12 {
            inks[0][nth] = Colour::of(day[nth]);
            inks[1][nth] = Colour::of(night[nth]);
            nth += 1;
        }
        Self {
            inks,
            sizes,
            font,
            text,
            pattern,
            cursor,
        }
    }

    /// With another pattern.
    pub fn with_pattern(mut self, pattern: &str) -> Self {
        self.pattern = named(&PATTERNS, pattern).map_or(self.pattern, |choice| choice.value);
        self
    }

    /// The fields of a form that hold this theme.
    pub fn fields(&self) -> Vec<(String, String)> {
        let inks = SCHEMES.iter().zip(&self.inks).flat_map(|((scheme, _), inks)| {
            let of_scheme = INKS.iter().zip(inks);
            of_scheme.map(move |((ink, ..), colour)| (format!("{scheme}-{ink}"), colour.to_string()))
        });
        let sizes = SLIDERS.iter().zip(self.sizes);
        let sizes = sizes.map(|((field, ..), size)| ((*field).to_owned(), size.to_string()));
        let choices = [
            ("font", self.font),
            ("text", self.text),
            ("pattern", self.pattern),
            ("cursor", self.cursor),
        ];
        let choices = choices.map(|(field, value)| (field.to_owned(), value.to_owned()));
        inks.chain(sizes).chain(choices).collect()
    }

    /// The theme in a form's fields; what is not among them stays as it is in `old`.
    ///
    /// # Errors
    /// Each field that can't be taken, and what can be.
    pub fn read<'f>(old: &Self, field: impl Fn(&str) -> Option<&'f str>) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let mut new = old.clone();
        for ((scheme, _), inks) in SCHEMES.iter().zip(&mut new.inks) {
            for ((ink, ..), colour) in INKS.iter().zip(inks) {
                let name = format!("{scheme}-{ink}");
                let Some(typed) = field(&name) else { continue };
                match typed.trim().parse() {
                    Ok(typed) => *colour = typed,
                    Err(()) => invalid.add(name, "A colour is # and six digits from 0 to f, such as #1f38cc."),
                }
            }
        }
        for ((name, _, least, most), size) in SLIDERS.iter().zip(&mut new.sizes) {
            let Some(typed) = field(name) else { continue };
            match typed.trim().parse() {
                Ok(typed) if (*least..=*most).contains(&typed) => *size = typed,
                _ => invalid.add(*name, format!("From {least} to {most} pixels, please.")),
            }
        }
        let mut choose = |name: &str, choices: &'static [Choice], chosen: &mut &'static str| {
            let Some(typed) = field(name) else { return };
            match named(choices, typed.trim()) {
                Some(choice) => *chosen = choice.value,
                None => {
                    let known: Vec<_> = choices.iter().map(|choice| choice.value).collect();
                    invalid.add(name, format!("There are these: {}.", known.join(", ")));
                }
            }
        };
        choose("font", &FONTS, &mut new.font);
        choose("text", &TEXTS, &mut new.text);
        choose("pattern", &PATTERNS, &mut new.pattern);
        choose("cursor", &CURSORS, &mut new.cursor);
        match invalid.errors.is_empty() {
            true => Ok(new),
            false => Err(invalid),
        }
    }

    /// As it is kept: its fields as a JSON object.
    pub fn to_json(&self) -> String {
        let fields = self.fields().into_iter();
        Value::Object(
            fields
                .map(|(name, value)| (name, Value::String(value)))
                .collect::<Map<_, _>>(),
        )
        .to_string()
    }

    /// The theme that was kept. What can't be read any more is as in `house`.
    pub fn of_json(json: &str, house: &Self) -> Self {
        let kept: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
        let field = |name: &str| kept.get(name).and_then(Value::as_str);
        Self::read(house, field).unwrap_or_else(|invalid| {
            let fine = |name: &str| field(name).filter(|_| invalid.of(name).is_none());
            Self::read(house, fine).unwrap_or_else(|_| house.clone())
        })
    }

    /// The theme that is shown, in which everything can be read, and what was exchanged for that.
    ///
    /// Text must have a contrast of 4.5 with each of the papers that it can lie on (paper, its pattern, windows, bands,
    /// wells), lines one of 3. Papers that no one ink could be read on are drawn towards the windows' colour; then text
    /// and lines towards black or white, until they can be read.
    pub fn checked(&self) -> (Self, Vec<Exchanged>) {
        let mut shown = self.clone();
        let mut exchanged = Vec::new();
        for ((scheme, when), inks) in SCHEMES.iter().zip(&mut shown.inks) {
            let sheet = inks[SHEET];
            let pole = sheet.opposite();
            let mut exchange = |at: usize, inks: &mut [Colour; 12], new: Colour, why: &str| {
                let was = std::mem::replace(&mut inks[at], new);
                if was != new {
                    let (ink, label, _) = INKS[at];
                    exchanged.push(Exchanged {
                        field: format!("{scheme}-{ink}"),
                        was: was.to_string(),
                        became: new.to_string(),
                        why: format!("{when}, {} {was} {why}, so {new} stands in.", label.to_lowercase()),
                    });
                }
            };
            for at in [PAPER, DOT, BAND, WELL] {
                let new = inks[at].towards(sheet, |paper| paper.against(pole) >= READABLE);
                exchange(at, inks, new, "would need other letters than the windows");
            }
            let papers = [PAPER, DOT, SHEET, BAND, WELL].map(|at| inks[at]);
            for at in [INK, INK_2, LINK] {
                let new = inks[at].towards(pole, |ink| ink.against_all(&papers) >= READABLE);
                exchange(at, inks, new, "can't be read on every paper of yours");
            }
            let new = inks[LINE].towards(pole, |line| line.against_all(&papers) >= VISIBLE);
            exchange(LINE, inks, new, "can't be seen on every paper of yours");
        }
        (shown, exchanged)
    }

    /// Its tokens, for elements that `selector` finds: the wall, or a wall in small. The theme must be [`Theme::checked`].
    pub fn rule(&self, selector: &str) -> String {
        let mut out = String::with_capacity(2048);
        out.push_str(selector);
        out.push('{');
        let [day, night] = &self.inks;
        let mut pair = |token: &str, day: Colour, night: Colour| {
            // Writing into a string cannot fail.
            let _ = match day == night {
                true => write!(out, "--wall-{token}:{day};"),
                false => write!(out, "--wall-{token}:light-dark({day},{night});"),
            };
        };
        for (nth, (ink, ..)) in INKS.iter().enumerate() {
            pair(ink, day[nth], night[nth]);
        }
        for (token, at) in [("on-accent", ACCENT), ("on-second", SECOND)] {
            pair(token, on(day[at]), on(night[at]));
        }
        for (token, [by_day, by_night]) in [("danger-text", DANGER), ("ok-text", OK)] {
            pair(token, legible(by_day, day), legible(by_night, night));
        }
        let _ = write!(
            out,
            "--wall-border:{}px;--wall-radius:{}px;--wall-slip:{}px;--wall-font:{};--wall-text:{};--wall-pattern:{}",
            self.sizes[0],
            self.sizes[1],
            self.sizes[2],
            css(&FONTS, self.font),
            css(&TEXTS, self.text),
            css(&PATTERNS, self.pattern),
        );
        out.push('}');
        let point = css(&CURSORS, self.cursor);
        if !point.is_empty() {
            let cursor = self.cursor;
            let _ = write!(
                out,
                "{selector}{{cursor:url(\"/static/v/cursors/1/{cursor}.svg\") {point},auto}}\
                 {selector} :is(a,button,summary,label,select):not(:disabled){{cursor:url(\"/static/v/cursors/1/{cursor}.svg\") {point},pointer}}"
            );
        }
        out
    }

    /// The faces that its letters are cut in, beyond those that every page has.
    pub fn faces(&self) -> String {
        let families = [css(&FONTS, self.font), css(&TEXTS, self.text)];
        faces(|family| families.iter().any(|list| list.contains(&format!("\"{family}\""))))
    }
}

/// The faces of all themes.
pub fn all_faces() -> String {
    faces(|_| true)
}

fn faces(wanted: impl Fn(&str) -> bool) -> String {
    let mut out = String::new();
    for (family, file, weight) in FACES.iter().filter(|face| wanted(face.0)) {
        let _ = write!(
            out,
            "@font-face{{font-family:\"{family}\";src:url(\"/static/v/fonts/5.3.0/{file}.woff2\") format(\"woff2\");font-weight:{weight};font-display:swap}}"
        );
    }
    out
}

/// The house's words for trouble and for success, by day and by night.
const DANGER: [Colour; 2] = [Colour::of(0xb5190b), Colour::of(0xff9072)];
const OK: [Colour; 2] = [Colour::of(0x005e2f), Colour::of(0x61f38b)];
/// The press inks.
const PRESS_BLACK: Colour = Colour::of(0x151525);
const PRESS_WHITE: Colour = Colour::of(0xfbfaf6);

/// What can be read on a plate: the press's black or white, where they serve.
fn on(plate: Colour) -> Colour {
    let press = match plate.opposite() {
        BLACK => PRESS_BLACK,
        _ => PRESS_WHITE,
    };
    match plate.against(press) >= READABLE {
        true => press,
        false => plate.opposite(),
    }
}

/// A colour of the house, drawn to where it can be read on all papers of a theme.
fn legible(colour: Colour, inks: &[Colour; 12]) -> Colour {
    let papers = [PAPER, DOT, SHEET, BAND, WELL].map(|at| inks[at]);
    colour.towards(inks[SHEET].opposite(), |colour| colour.against_all(&papers) >= READABLE)
}

fn named(choices: &'static [Choice], value: &str) -> Option<&'static Choice> {
    choices.iter().find(|choice| choice.value == value)
}

fn css(choices: &'static [Choice], value: &str) -> &'static str {
    // Values come from the same list.
    named(choices, value).map_or("", |choice| choice.css)
}
