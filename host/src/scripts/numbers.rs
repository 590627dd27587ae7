//! The numbers that a script names for others to turn, as far as its text says them plainly: `neo.param("speed", 2, { min: 0, max: 10 })`.
//! Nothing is run for it. What a script names in another way is found out only when it runs, and isn't here.

use super::{PARAM_NAME_MOST, PARAMS_MOST};

/// A number that a script names.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    pub name: String,
    /// The script's own, where that is a plain number.
    pub value: Option<f64>,
    /// The least and the most that it says, and by how much it grows.
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub step: Option<f64>,
}

impl Number {
    /// What a value should be, if it isn't: a number within the bounds that the script says.
    pub fn fault(&self, value: Option<f64>) -> Option<String> {
        let within = |value: f64| {
            value.is_finite()
                && self.min.is_none_or(|least| value >= least)
                && self.max.is_none_or(|most| value <= most)
        };
        if value.is_some_and(within) {
            return None;
        }
        let bounds = match (self.min, self.max) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(" of {least} or more"),
            (None, Some(most)) => format!(" of {most} or less"),
            (None, None) => String::new(),
        };
        Some(format!("A number{bounds}, or nothing for the script's own."))
    }
}

/// The numbers that a script's text names, in its order, each once.
pub fn named(source: &str) -> Vec<Number> {
    let mut found: Vec<Number> = Vec::new();
    let mut text = Text { source, at: 0 };
    while let Some(next) = text.peek() {
        match next {
            '"' | '\'' | '`' => {
                text.string();
            }
            '/' if text.comment() => {}
            _ if is_of_name(next) => {
                let after_dot = source[..text.at].ends_with('.');
                if text.name() == "neo" && !after_dot && found.len() < PARAMS_MOST {
                    found.extend(call(&mut text).filter(|it| found.iter().all(|known| known.name != it.name)));
                }
            }
            _ => text.skip(),
        }
    }
    found
}

/// What comes behind `neo`, if it names a number.
fn call(text: &mut Text) -> Option<Number> {
    text.takes('.')?;
    text.space();
    if text.name() != "param" {
        return None;
    }
    text.takes('(')?;
    text.space();
    let name: String = text.string()?.chars().take(PARAM_NAME_MOST).collect();
    if name.is_empty() {
        return None;
    }
    let mut number = Number {
        name,
        value: None,
        min: None,
        max: None,
        step: None,
    };
    if text.takes(',').is_some() {
        number.value = text.number();
        if number.value.is_some() && text.takes(',').is_some() {
            text.bounds(&mut number);
        }
    }
    if number.min > number.max && number.max.is_some() {
        (number.min, number.max) = (None, None);
    }
    // By nothing at all is by whatever one likes.
    number.step = number.step.filter(|step| *step > 0.0);
    Some(number)
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '$')
}

/// A script's text, and how far it is read.
struct Text<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Text<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn while_is(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let read = &rest[..rest.find(|letter| !fits(letter)).unwrap_or(rest.len())];
        self.at += read.len();
        read
    }

    fn name(&mut self) -> &'a str {
        self.while_is(is_of_name)
    }

    /// Past a comment; says whether there was one.
    fn comment(&mut self) -> bool {
        let rest = self.rest();
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(said) = rest.strip_prefix("/*") {
            said.find("*/").map_or(rest.len(), |end| end + 4)
        } else {
            0
        };
        self.at += end;
        end > 0
    }

    fn space(&mut self) {
        loop {
            self.while_is(char::is_whitespace);
            if !self.comment() {
                return;
            }
        }
    }

    /// Past this sign and the space before it, if it comes.
    fn takes(&mut self, sign: char) -> Option<()> {
        self.space();
        (self.peek() == Some(sign)).then(|| self.skip())
    }

    /// Past a string. What it says, if that is as it stands there.
    fn string(&mut self) -> Option<&'a str> {
        let quote = self.peek().filter(|sign| matches!(sign, '"' | '\'' | '`'))?;
        self.skip();
        let from = self.at;
        let mut plain = true;
        while let Some(next) = self.peek() {
            if next == quote {
                let said = &self.source[from..self.at];
                self.skip();
                return (plain && !said.chars().any(char::is_control) && !(quote == '`' && said.contains("${")))
                    .then_some(said);
            }
            // One that ends with its line wasn't one.
            if next == '\n' && quote != '`' {
                return None;
            }
            if next == '\\' {
                plain = false;
                self.skip();
            }
            self.skip();
        }
        None
    }

    /// A number, if that is all that stands there.
    fn number(&mut self) -> Option<f64> {
        self.space();
        let sign = match self.peek() {
            Some('-') => {
                self.skip();
                -1.0
            }
            _ => 1.0,
        };
        let from = self.at;
        self.while_is(|letter| letter.is_ascii_digit() || letter == '.');
        if matches!(self.peek(), Some('e' | 'E')) {
            self.skip();
            if matches!(self.peek(), Some('+' | '-')) {
                self.skip();
            }
            self.while_is(|letter| letter.is_ascii_digit());
        }
        let value: f64 = self.source[from..self.at].parse().ok()?;
        self.space();
        (matches!(self.peek(), Some(',' | ')' | '}')) && value.is_finite()).then_some(sign * value)
    }

    /// `{ min: 0, max: 10, step: 1 }`, as far as it is plain.
    fn bounds(&mut self, number: &mut Number) {
        if self.takes('{').is_none() {
            return;
        }
        loop {
            self.space();
            let name = match self.string() {
                Some(name) => name,
                None => self.name(),
            };
            if self.takes(':').is_none() {
                return;
            }
            let Some(value) = self.number() else { return };
            match name {
                "min" => number.min = Some(value),
                "max" => number.max = Some(value),
                "step" => number.step = Some(value),
                _ => {}
            }
            if self.takes(',').is_none() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str, value: Option<f64>, [min, max, step]: [Option<f64>; 3]) -> Number {
        Number {
            name: name.into(),
            value,
            min,
            max,
            step,
        }
    }

    #[test]
    fn numbers_are_read_from_where_a_script_names_them() {
        let none = [None; 3];
        for (source, found) in [
            ("neo.param(\"a\", 2)", vec![number("a", Some(2.0), none)]),
            (
                "let a = neo . param ( 'a b', -1.5e2, { min: -200, 'max': 10, /* by */ step: .5 })",
                vec![number("a b", Some(-150.0), [Some(-200.0), Some(10.0), Some(0.5)])],
            ),
            ("neo.param(`a`, w / 2, { min: 0 })", vec![number("a", None, none)]),
            ("neo.param(\"a\", 2 * w, { min: 0 })", vec![number("a", None, none)]),
            (
                "neo.param(\"a\", 2, { min: 9, max: 1, step: 0 })",
                vec![number("a", Some(2.0), none)],
            ),
            (
                "neo.param(\"a\", 2, { min: 1, max: width })",
                vec![number("a", Some(2.0), [Some(1.0), None, None])],
            ),
            (
                "neo.param('a', 1); neo.param('b', 2); neo.param('a', 3)",
                vec![number("a", Some(1.0), none), number("b", Some(2.0), none)],
            ),
            (
                "// neo.param('a', 1)\n/* neo.param('b', 1) */ 'neo.param(\"c\", 1)'",
                vec![],
            ),
            (
                "neo.param(name, 1); my.neo.param('a', 1); neon.param('a', 1); neo.params",
                vec![],
            ),
            ("neo.param('', 1); neo.param('a\\n', 1); neo.param(`${a}`, 1)", vec![]),
            ("it's /\"/ fine\nneo.param('ü', 1)", vec![number("ü", Some(1.0), none)]),
            ("neo", vec![]),
            ("neo.param('a', ", vec![number("a", None, none)]),
            ("neo.param('a', 1, {", vec![number("a", Some(1.0), none)]),
            ("`neo.param('a', 1)", vec![]),
            ("/* neo.param('a', 1)", vec![]),
        ] {
            assert_eq!(named(source), found, "{source}");
        }
        let many: String = (0..40).map(|nth| format!("neo.param('{nth}', 1);")).collect();
        assert_eq!(named(&many).len(), PARAMS_MOST);
    }
}
