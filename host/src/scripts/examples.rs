//! The examples that ship: sketches in `examples/`, a folder for each mode, embedded like templates. Each says in its first lines what it
//! is.

use std::sync::LazyLock;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use include_dir::{Dir, include_dir};
use minijinja::context;
use serde::Serialize;
use serde_json::json;

use super::{Mode, New, view::Framed};
use crate::{
    app::App,
    error::Error,
    html,
    http::{Path, Wants},
    session::Viewer,
};

static FILES: Dir = include_dir!("$CARGO_MANIFEST_DIR/../examples");

/// Whoever begins with an example owes nobody anything.
pub const PUBLIC_DOMAIN: &str = "CC0-1.0";

/// A sketch to learn from.
#[derive(Debug, Serialize)]
pub struct Example {
    pub name: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    pub mode: Mode,
    pub source: &'static str,
}

/// All of them, by mode and title.
static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(|| {
    let of_mode = |mode: Mode| {
        FILES
            .get_dir(mode.name())
            .into_iter()
            .flat_map(|folder| folder.files())
            .map(move |file| (mode, file))
    };
    let mut examples: Vec<Example> = Mode::ALL
        .into_iter()
        .flat_map(of_mode)
        .filter_map(|(mode, file)| {
            let name = file.path().file_name()?.to_str()?.strip_suffix(".js")?;
            let source = file.contents_utf8()?;
            Some(Example {
                name,
                title: said(source, "title").unwrap_or(name),
                about: said(source, "about").unwrap_or_default(),
                mode,
                source,
            })
        })
        .collect();
    examples.sort_by_key(|example| (example.mode.name(), example.title));
    examples
});

/// What the first lines of a source say under a word: `// title: Flock`.
fn said(source: &'static str, word: &str) -> Option<&'static str> {
    source
        .lines()
        .map_while(|line| line.strip_prefix("//"))
        .find_map(|line| line.trim().strip_prefix(word)?.strip_prefix(':'))
        .map(str::trim)
}

/// The example of this name.
pub fn named(name: &str) -> Option<&'static Example> {
    EXAMPLES.iter().find(|example| example.name == name)
}

/// A script that begins as the example of this name.
pub fn new(name: &str, title: &str) -> Option<New> {
    let example = named(name)?;
    Some(New {
        mode: example.mode,
        title: title.to_owned(),
        licence: PUBLIC_DOMAIN.to_owned(),
        source: example.source.to_owned(),
    })
}

/// What the example of this name is written for.
pub fn mode_of(name: &str) -> Option<Mode> {
    named(name).map(|example| example.mode)
}

fn frame(app: &App, example: &Example) -> String {
    super::frame::address(app, "example", example.name)
}

/// The example of this name in a frame, for a page that reads `f`; its id there.
pub fn framed(app: &App, name: &str, id: &str) -> Option<minijinja::Value> {
    let example = named(name)?;
    let f = Framed {
        id: id.to_owned(),
        title: example.title.into(),
        mode: example.mode.name(),
        mode_label: example.mode.label(),
        frame: frame(app, example),
        source: format!("/sandbox/examples/{name}/source.js"),
        params: "{}".into(),
        example: Some(example.name),
        ..Framed::default()
    };
    Some(minijinja::Value::from_serialize(&f))
}

/// `GET /sandbox/examples`.
///
/// # Errors
/// The template's.
pub async fn examples(State(app): State<App>, viewer: Viewer, wants: Wants) -> Result<Response, Error> {
    let shown = |example: &Example| {
        context! {
            name => example.name, title => example.title, about => example.about, mode => example.mode.name(),
            mode_label => example.mode.label(), source => example.source, frame => frame(&app, example),
        }
    };
    if wants == Wants::Json {
        let all: Vec<_> = EXAMPLES
            .iter()
            .map(|example| {
                json!({
                    "name": example.name, "title": example.title, "about": example.about, "mode": example.mode,
                    "source": example.source, "frame": frame(&app, example),
                })
            })
            .collect();
        return Ok(Json(json!({ "examples": all })).into_response());
    }
    let context = context! {
        examples => EXAMPLES.iter().map(shown).collect::<Vec<_>>(),
        signed_in => viewer.member.is_some(),
        here => "sandbox",
    };
    let html = app.html.render("scripts/examples.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

/// `GET /sandbox/examples/{name}`.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn example(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    let example = named(&name).ok_or(Error::NotFound)?;
    if wants == Wants::Json {
        let body = json!({
            "name": example.name, "title": example.title, "about": example.about, "mode": example.mode,
            "source": example.source, "frame": frame(&app, example),
        });
        return Ok(Json(body).into_response());
    }
    let context = context! {
        example => context! { name => example.name, title => example.title, about => example.about, mode => example.mode.name(), mode_label => example.mode.label(), source => example.source },
        f => framed(&app, &name, "example"),
        signed_in => viewer.member.is_some(),
        here => "sandbox",
    };
    let html = app.html.render("scripts/example.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

/// `GET /sandbox/examples/{name}/source.js`.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn example_source(Path(name): Path<String>) -> Result<Response, Error> {
    let example = named(&name).ok_or(Error::NotFound)?;
    Ok(super::page::bare(example.source.into()))
}
