//! Scripts as programs and templates get them: the shapes of `docs/scripts.md`.

use std::sync::Arc;

use serde::Serialize;

use super::{
    LICENCES, Mode, Visibility,
    frame::address,
    library::Library,
    queries::{Aside, Draft, Script, Version},
};
use crate::{app::App, words};

/// A script, as programs and templates read it.
#[derive(Serialize)]
pub struct Shown {
    pub id: Arc<str>,
    pub href: String,
    pub title: String,
    pub description: String,
    pub mode: Mode,
    pub author: Author,
    pub licence: String,
    pub visibility: Visibility,
    pub published: Option<PublishedAs>,
    pub forked_from: Option<ForkedFrom>,
    pub created_at: i64,
    pub changed_at: i64,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Words>,
}

/// What templates say of it.
#[derive(Serialize)]
pub struct Words {
    pub mode: &'static str,
    pub licence: &'static str,
    pub changed: String,
    pub published: String,
    pub may_fork: bool,
}

#[derive(Serialize)]
pub struct Author {
    pub name: Arc<str>,
    pub href: String,
}

#[derive(Serialize)]
pub struct PublishedAs {
    pub version: i64,
    pub at: i64,
}

#[derive(Serialize)]
pub struct ForkedFrom {
    pub id: Option<Arc<str>>,
    pub href: Option<String>,
    pub version: i64,
    pub title: String,
    pub author: String,
}

/// A script for programs.
pub fn script(script: &Script) -> Shown {
    Shown {
        id: script.id.clone(),
        href: format!("/sandbox/{}", script.id),
        title: script.title.clone(),
        description: script.description.clone(),
        mode: script.mode,
        author: Author {
            name: script.author.clone(),
            href: format!("/wall/{}", script.author),
        },
        licence: script.licence.clone(),
        visibility: script.visibility,
        published: script.published.map(|version| PublishedAs {
            version,
            at: script.published_at.unwrap_or_default(),
        }),
        forked_from: script.parent.as_ref().map(|parent| ForkedFrom {
            id: parent.id.clone(),
            href: parent.id.as_ref().map(|id| format!("/sandbox/{id}")),
            version: parent.version,
            title: parent.title.clone(),
            author: parent.author.clone(),
        }),
        created_at: script.created_at,
        changed_at: script.changed_at,
        words: None,
    }
}

/// A script for templates.
pub fn for_people(of: &Script) -> Shown {
    Shown {
        words: Some(Words {
            mode: of.mode.label(),
            licence: licence(&of.licence),
            changed: words::time(of.changed_at),
            published: of.published_at.map(words::day).unwrap_or_default(),
            may_fork: of.licence != super::ALL_RIGHTS_RESERVED,
        }),
        ..script(of)
    }
}

/// What a licence says, in a few words.
pub fn licence(id: &str) -> &'static str {
    LICENCES
        .iter()
        .find(|(known, _)| *known == id)
        .map_or("", |(_, about)| *about)
}

/// A draft.
#[derive(Serialize)]
pub struct ShownDraft {
    pub source: String,
    pub revision: i64,
    pub saved_at: i64,
    pub asides: Vec<ShownAside>,
    pub library: Option<&'static Library>,
}

#[derive(Serialize)]
pub struct ShownAside {
    pub n: i64,
    pub source: String,
    pub revision: i64,
    pub at: i64,
    /// `at`, for people.
    pub when: String,
}

/// A draft for programs and for the studio.
pub fn draft(mode: Mode, draft: Draft, asides: Vec<Aside>) -> ShownDraft {
    ShownDraft {
        source: draft.source,
        revision: draft.revision,
        saved_at: draft.saved_at,
        asides: asides
            .into_iter()
            .map(|aside| ShownAside {
                n: aside.number,
                source: aside.source,
                revision: aside.revision,
                at: aside.at,
                when: words::time(aside.at),
            })
            .collect(),
        library: mode.library(mode.newest()),
    }
}

/// A version.
#[derive(Serialize)]
pub struct ShownVersion {
    pub version: i64,
    pub note: String,
    pub made_at: i64,
    pub published_at: Option<i64>,
    pub published: bool,
    pub bytes: i64,
    pub library: Option<&'static Library>,
    pub href: String,
    pub frame: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `made_at`, for people.
    pub when: String,
}

/// A version for programs and templates.
pub fn version(app: &App, script: &Script, version: Version, source: Option<String>) -> ShownVersion {
    ShownVersion {
        version: version.number,
        made_at: version.made_at,
        published_at: version.published_at,
        published: script.published == Some(version.number),
        bytes: version.bytes,
        library: script.mode.library(&version.library),
        href: format!("/sandbox/{}/versions/{}", script.id, version.number),
        frame: address(app, &script.id, version.number),
        source,
        when: words::time(version.made_at),
        note: version.note,
    }
}

/// What `templates/scripts/frame.html` reads as `f`.
#[derive(Clone, Debug, Default, Hash, Serialize)]
pub struct Framed {
    /// Unique on the page.
    pub id: String,
    pub title: String,
    /// The mode's name, for the picture.
    pub mode: &'static str,
    pub mode_label: &'static str,
    pub author: String,
    /// What it is a fork of: the author's name, or nothing.
    pub after: String,
    pub after_href: String,
    pub frame: String,
    pub source: String,
    pub href: String,
    pub may_fork: bool,
    pub seed: Option<i64>,
    /// A JSON object.
    pub params: String,
    pub bare: bool,
    /// The example that it is, for its picture.
    pub example: Option<&'static str>,
}

/// A published script in a frame.
pub fn framed(app: &App, script: &Script, id: String) -> Framed {
    let version = script.published.unwrap_or_default();
    Framed {
        id,
        title: script.title.clone(),
        mode: script.mode.name(),
        mode_label: script.mode.label(),
        author: script.author.to_string(),
        after: script
            .parent
            .as_ref()
            .map(|parent| parent.author.clone())
            .unwrap_or_default(),
        after_href: script
            .parent
            .as_ref()
            .and_then(|parent| parent.id.as_ref())
            .map(|id| format!("/sandbox/{id}"))
            .unwrap_or_default(),
        frame: address(app, &script.id, version),
        source: format!("/sandbox/{}/versions/{version}/source.js", script.id),
        href: format!("/sandbox/{}", script.id),
        may_fork: script.licence != super::ALL_RIGHTS_RESERVED,
        seed: None,
        params: "{}".into(),
        bare: false,
        example: None,
    }
}
