//! What a form for a post may hold: checked, and made ready to be kept.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{ALT_MOST, BODY_MOST, PICTURES_MOST, TITLE_MOST, preview, queries::Picture};
use crate::{
    db::Reader,
    directory,
    error::{Error, Invalid},
    http::Form,
    markdown, media, scripts,
};

/// The fields that a draft keeps, `media-1` and `alt-1` and so on besides, and bytes of all of them.
const FIELDS: [&str; 7] = ["kind", "title", "body", "url", "media", "alt", "script"];
const FIELDS_BYTES: usize = 128 * 1024;

/// What a post is, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Text,
    Image,
    Link,
    Script,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Self::Text, Self::Image, Self::Link, Self::Script];

    /// As forms, addresses and the database name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Link => "link",
            Self::Script => "script",
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
    /// Of a script: its id.
    pub script: String,
    /// Of an image: the pictures, in order. The form names them; [`New::find_pictures`] looks them up.
    pub pictures: Vec<Picture>,
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
        let script = scripts::named(form.text("script")).unwrap_or_default().to_owned();
        if kind == Kind::Script && script.is_empty() {
            invalid.add(
                "script",
                "The address of a script's page, or its id: one of yours, or anybody's.",
            );
        }
        let pictures: Vec<Picture> = match kind {
            Kind::Image => chosen(form)
                .into_iter()
                .map(|(id, alt)| Picture {
                    media: Some(id),
                    alt,
                    width: 0,
                    height: 0,
                    animated: false,
                })
                .collect(),
            _ => Vec::new(),
        };
        if kind == Kind::Image && pictures.is_empty() {
            invalid.add("media", "Choose a picture first.");
        }
        if pictures.len() > PICTURES_MOST {
            invalid.add("media", format!("At most {PICTURES_MOST} pictures, please."));
        }
        if pictures.iter().any(|picture| picture.alt.chars().count() > ALT_MOST) {
            invalid.add(
                "media",
                format!("What a picture shows is said in at most {ALT_MOST} characters."),
            );
        }
        let twice =
            |(nth, picture): (usize, &Picture)| pictures[..nth].iter().any(|other| other.media == picture.media);
        if pictures.iter().enumerate().any(twice) {
            invalid.add("media", "Each picture once, please.");
        }
        invalid.into_result()?;
        let mut leads_to = directory::leads_to(&body, origin);
        leads_to.extend(directory::leads_to(&url, origin));
        Ok(Self {
            kind,
            url,
            script: if kind == Kind::Script { script } else { String::new() },
            pictures,
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

    /// Looks its pictures up in their owner's library; what one shows is said there, too, if it isn't said here.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that isn't there.
    pub fn find_pictures(&mut self, db: &Reader, owner: i64) -> Result<(), Error> {
        for picture in &mut self.pictures {
            let found = media::picture(db, owner, picture.media.as_deref().unwrap_or_default())?;
            picture.width = found.width;
            picture.height = found.height;
            picture.animated = found.animated;
            if picture.alt.is_empty() {
                picture.alt = found.alt;
            }
            picture.media = Some(found.id);
        }
        Ok(())
    }

    /// One that our own code writes.
    pub fn text(title: &str, body: &str) -> Self {
        Self {
            kind: Kind::Text,
            url: String::new(),
            script: String::new(),
            pictures: Vec::new(),
            leads_to: directory::leads_to(body, ""),
            title: title.into(),
            body: body.into(),
            html: markdown::render(body).html,
        }
    }

    /// The same with pictures, by their ids; [`New::find_pictures`] looks them up.
    pub fn images(title: &str, body: &str, media: &[String]) -> Self {
        let picture = |id: &String| Picture {
            media: Some(id.as_str().into()),
            alt: String::new(),
            width: 0,
            height: 0,
            animated: false,
        };
        Self {
            kind: Kind::Image,
            pictures: media.iter().map(picture).collect(),
            ..Self::text(title, body)
        }
    }
}

/// The pictures that a form names, with what they show: `media-1` and `alt-1`, or for programs `media` and `alt`, each as often as
/// there are pictures.
pub fn chosen(form: &Form) -> Vec<(Arc<str>, String)> {
    let values = |name: &str| -> Vec<(String, &str)> {
        let of = |(field, _): &(String, String)| {
            let suffix = field.strip_prefix(name)?;
            let fits = suffix.is_empty() || suffix.strip_prefix('-').is_some_and(|n| n.parse::<u8>().is_ok());
            fits.then(|| suffix.to_owned())
        };
        form.0
            .iter()
            .filter_map(|field| Some((of(field)?, field.1.trim())))
            .collect()
    };
    let (media, alts) = (values("media"), values("alt"));
    let mut chosen = Vec::new();
    for (nth, (suffix, id)) in media.iter().enumerate() {
        // Fields of one name belong together in their order, others by their number.
        let alt = match suffix.as_str() {
            "" => alts.iter().filter(|(suffix, _)| suffix.is_empty()).nth(nth),
            suffix => alts.iter().find(|(other, _)| other == suffix),
        };
        if !id.is_empty() {
            let alt = alt.map_or("", |(_, alt)| *alt).replace(char::is_control, " ");
            chosen.push(((*id).into(), alt));
        }
    }
    chosen
}

pub(super) fn is_kept(name: &str) -> bool {
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit());
    FIELDS.contains(&name) || plain != name && matches!(plain, "media-" | "alt-")
}

/// A form as a draft keeps it: whatever was typed, as JSON.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn typed(form: &Form) -> Result<String, Error> {
    let kept: Vec<_> = form.0.iter().filter(|(name, _)| is_kept(name)).collect();
    let bytes: usize = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > FIELDS_BYTES {
        return Err(Error::TooLarge { most: FIELDS_BYTES });
    }
    serde_json::to_string(&kept).map_err(|error| Error::internal(format!("a draft: {error}")))
}

/// Whether there is nothing in a form that one would miss.
pub fn is_blank(form: &Form) -> bool {
    let says = |(name, value): &(String, String)| name != "kind" && !value.trim().is_empty();
    !form.0.iter().any(|field| is_kept(&field.0) && says(field))
}
