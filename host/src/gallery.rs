//! The gallery of plugins, and one plugin's page: what it does, what it may touch in plain words, its hash, source, fuel
//! and faults. Anyone may read all of it; a member can put the plugin on their wall from here.

use std::{sync::Arc, time::Instant};

use axum::{extract::State, response::Response};
use http::HeaderMap;
use minijinja::{Value, context};
use serde::Serialize;

use crate::{
    app::App,
    cache::{Audience, Page, Rendered},
    error::Error,
    http::Path,
    plugins::{Plugin, Standing},
    session::Viewer,
    walls,
    words,
};

/// A plugin in the list.
#[derive(Serialize)]
struct Row {
    id: Arc<str>,
    name: String,
    version: String,
    summary: String,
    /// "for every wall", "a sticker".
    tag: &'static str,
    off: bool,
}

/// `GET /plugins`.
///
/// # Errors
/// The template's.
pub async fn list(State(app): State<App>, viewer: Viewer, headers: HeaderMap) -> Result<Response, Error> {
    let signed_in = viewer.member.is_some();
    let audience = if signed_in { Audience::Members } else { Audience::Guests };
    let page = app
        .cache
        .get_or_render(&"/plugins".into(), audience, None, async || {
            let started = Instant::now();
            let stamp = app.topics.stamp(["plugins"]);
            let rows = rows(&app);
            let context = context! {
                made => format!("{} manifests read, {}", rows.len(), words::lasted(started)),
                rows => Value::from_serialize(&rows),
                here => "plugins",
                signed_in,
            };
            let html = app.html.render("gallery/list.html", context)?;
            Ok(Rendered { html, stamp, max_age: None, personal: false })
        })
        .await?;
    Ok(page.respond(&headers))
}
