//! What a form for a post may hold: checked, and made ready to be kept.

use serde::{Serialize, Serializer};

use super::{BODY_MOST, TITLE_MOST, preview};
use crate::{
    directory,
    error::{Error, Invalid},
    http::Form,
    markdown,
};

/// The fields that a draft keeps, and bytes of all of them.
const FIELDS: [&str; 7] = ["kind", "title", "body", "url", "media", "alt", "script"];
const FIELDS_BYTES: usize = 128 * 1024;

/// What a post is, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Text,
    Link,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Self::Text, Self::Link];

    /// As forms, addresses and the database name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Link => "link",
        }
    }

    /// What a form or an address names; without a name, a text.
    ///
    /// # Errors
    /// [`Error::Invalid`], saying what there is.
    pub fn named(name: &str) -> Result<Self, Error> {
        if name.is_empty() {
            return Ok(Self::Text);
        }
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            Error::field("kind", format!("A post is one of these: {}.", names.join(", ")))
        })
    }

    /// What the database named.
    pub fn stored(name: &str) -> Self {
        Self::named(name).unwrap_or(Self::Text)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// A post to be kept.
#[derive(Clone, Debug)]
pub struct New {
    pub kind: Kind,
    pub title: String,
    /// Markdown.
    pub body: String,
    /// The same, rendered.
    pub html: String,
    /// Of a link: where it leads.
    pub url: String,
    /// The walls here that it names or leads to.
    pub leads_to: Vec<String>,
}

impl New {
    /// Reads a form. `origin` is this place's, if it has one.
    ///
    /// # Errors
    /// [`Error::Invalid`], saying for each field what is allowed.
    pub fn check(kind: Kind, form: &Form, origin: &str) -> Result<Self, Error> {
        let mut invalid = Invalid::default();
        let title = form.text("title").to_owned();
        let body = form.get("body").unwrap_or("").replace("\r\n", "\n");
        let body = body.trim_end().trim_start_matches('\n').to_owned();
        let length = title.chars().count();
        if length > TITLE_MOST {
            invalid.add(
                "title",
                format!("That is {length} characters. A title has at most {TITLE_MOST}."),
            );
        }
        if title.chars().any(char::is_control) {
            invalid.add("title", "A title is one line, without control characters.");
        }
        let length = body.chars().count();
        if length > BODY_MOST {
            invalid.add(
                "body",
                format!("That is {length} characters. A post has at most {BODY_MOST}."),
            );
        }
        if body.contains('\0') {
            invalid.add("body", "NUL characters are not allowed.");
        }
        if kind == Kind::Text && body.trim().is_empty() {
            invalid.add("body", "Type something first: a text can't be empty.");
        }
        let mut url = String::new();
        if kind == Kind::Link {
            match preview::target(form.text("url")) {
                Ok(target) => url = target,
                Err(why) => invalid.add("url", why),
            }
        }
        invalid.into_result()?;
        let mut leads_to = directory::leads_to(&body, origin);
        leads_to.extend(directory::leads_to(&url, origin));
        Ok(Self {
            kind,
            url,
            leads_to,
            html: if body.is_empty() {
                String::new()
            } else {
                markdown::render(&body).html
            },
            title,
            body,
        })
    }

    /// One that our own code writes.
    pub fn text(title: &str, body: &str) -> Self {
        Self {
            kind: Kind::Text,
            url: String::new(),
            leads_to: directory::leads_to(body, ""),
            title: title.into(),
            body: body.into(),
            html: markdown::render(body).html,
        }
    }
}

/// A form as a draft keeps it: whatever was typed, as JSON.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn typed(form: &Form) -> Result<String, Error> {
    let kept: Vec<_> = form
        .0
        .iter()
        .filter(|(name, _)| FIELDS.contains(&name.as_str()))
        .collect();
    let bytes: usize = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > FIELDS_BYTES {
        return Err(Error::TooLarge { most: FIELDS_BYTES });
    }
    serde_json::to_string(&kept).map_err(|error| Error::internal(format!("a draft: {error}")))
}

/// Whether there is nothing in a form that one would miss.
pub fn is_blank(form: &Form) -> bool {
    let says = |(name, value): &(String, String)| name != "kind" && !value.trim().is_empty();
    !form
        .0
        .iter()
        .any(|field| FIELDS.contains(&field.0.as_str()) && says(field))
}
