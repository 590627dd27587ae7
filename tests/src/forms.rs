//! The forms of a page, as a browser would find them: enough of HTML for what our templates and views write.

use crate::{Answer, person::unescape};

/// A form that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The path it is sent to.
    pub action: String,
    /// Its fields in order, with the values they came with.
    pub fields: Vec<Field>,
}

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub value: String,
    /// `text`, `hidden`, `number`, `checkbox`, …; `textarea`, `select` and `button` for those elements.
    pub kind: String,
}

impl Answer {
    /// All forms of the page that are sent by POST, those in shadow roots included.
    pub fn forms(&self) -> Vec<Form> {
        let text = self.text();
        let mut forms: Vec<Form> = Vec::new();
        let mut inside = false;
        for piece in text.split('<').skip(1) {
            let (tag, after) = piece.split_once('>').unwrap_or((piece, ""));
            let name = tag
                .split(|character: char| character.is_whitespace() || character == '/')
                .next()
                .unwrap_or_default();
            match name {
                "form" => {
                    inside = attribute(tag, "method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
                    if inside {
                        let action = attribute(tag, "action").unwrap_or_default();
                        forms.push(Form {
                            action,
                            fields: Vec::new(),
                        });
                    }
                }
                "input" | "textarea" | "select" | "button" if inside => {
                    let Some((form, field)) = forms.last_mut().zip(attribute(tag, "name")) else {
                        continue;
                    };
                    let value = match name {
                        // A line end right after the tag is not part of the text.
                        "textarea" => unescape(after.strip_prefix('\n').unwrap_or(after)),
                        _ => attribute(tag, "value").unwrap_or_default(),
                    };
                    let kind = if name == "input" {
                        attribute(tag, "type").unwrap_or_else(|| "text".into())
                    } else {
                        name.into()
                    };
                    form.fields.push(Field {
                        name: field,
                        value,
                        kind,
                    });
                }
                "option" if inside => {
                    let chosen = tag.contains(" selected");
                    let select = forms
                        .last_mut()
                        .and_then(|form| form.fields.last_mut())
                        .filter(|field| field.kind == "select");
                    if let Some(select) = select.filter(|select| chosen || select.value.is_empty()) {
                        select.value = attribute(tag, "value").unwrap_or_else(|| unescape(after));
                    }
                }
                _ if piece.starts_with("/form") => inside = false,
                _ => {}
            }
        }
        forms
    }
}

impl Form {
    /// The fields with their values, as they would be sent: of buttons the first, of checkboxes and radio buttons each
    /// name once.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        let mut sent: Vec<(&str, &str)> = Vec::new();
        for field in &self.fields {
            let once = matches!(field.kind.as_str(), "button" | "radio" | "submit");
            if !(once && sent.iter().any(|(name, _)| *name == field.name)) {
                sent.push((&field.name, &field.value));
            }
        }
        sent
    }
}

/// An attribute of a tag, decoded. An attribute without a value is empty text.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        rest = rest[rest.find(char::is_whitespace)?..].trim_start();
        let end = rest
            .find(|character: char| character == '=' || character.is_whitespace())
            .unwrap_or(rest.len());
        let (found, after) = rest.split_at(end);
        let value = match after.strip_prefix('=') {
            Some(after) => match after.strip_prefix('"') {
                Some(quoted) => {
                    let (value, after) = quoted.split_once('"')?;
                    rest = after;
                    // What follows a quote need not be preceded by a space.
                    if found == name {
                        return Some(unescape(value));
                    }
                    if !rest.starts_with(char::is_whitespace) && !rest.is_empty() {
                        return None;
                    }
                    continue;
                }
                None => after.split(char::is_whitespace).next().unwrap_or_default(),
            },
            None => "",
        };
        if found == name {
            return Some(unescape(value));
        }
        rest = after;
    }
}
