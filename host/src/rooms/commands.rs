//! Texts that begin with a slash: `/name arguments` asks a plugin, `//` is a slash.

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;

use super::queries::Room;
use crate::{app::App, error::Error, session::Viewer};

/// What a text is.
pub enum Spoken<'t> {
    Text(Cow<'t, str>),
    Command { name: &'t str, arguments: &'t str },
}

/// What a plugin was asked, and which.
#[derive(Clone, Debug)]
pub struct Asked {
    pub plugin: Arc<str>,
    /// As it was typed: `/roll 2d6`.
    pub command: String,
}

/// What a command leads to.
pub struct Outcome {
    pub plugin: Arc<str>,
    /// Markdown, said in the room in the plugin's name.
    pub say: Option<String>,
    /// Markdown, shown to who asked and nobody else.
    pub whisper: Option<String>,
}

/// Whether a text is said or asks for something. A slash that no name follows is a slash.
pub fn spoken(content: &str) -> Spoken<'_> {
    let Some(rest) = content.strip_prefix('/') else {
        return Spoken::Text(content.into());
    };
    if let Some(rest) = rest.strip_prefix('/') {
        return Spoken::Text(format!("/{rest}").into());
    }
    if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Spoken::Text(content.into());
    }
    let (name, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Spoken::Command {
        name,
        arguments: arguments.trim(),
    }
}

/// A command that somebody can type.
#[derive(Clone, Debug, Serialize)]
pub struct Known {
    pub name: String,
    pub usage: String,
    pub summary: String,
}

/// The commands of this server, by name.
pub fn known(_app: &App) -> Vec<Known> {
    Vec::new()
}

/// Runs a command.
///
/// # Errors
/// [`Error::Invalid`] for a command that isn't there, with those that are; whatever the plugin answers.
pub async fn run(app: &App, _room: &Room, _viewer: &Viewer, name: &str, _arguments: &str) -> Result<Outcome, Error> {
    let known: Vec<_> = known(app)
        .into_iter()
        .map(|command| format!("/{}", command.name))
        .collect();
    let there = if known.is_empty() {
        "No plugin here brings any.".into()
    } else {
        format!("There are {}.", known.join(", "))
    };
    let name: String = name.chars().take(32).collect();
    Err(Error::field(
        "content",
        format!("There is no command /{name} here. {there} To begin a message with a slash, type two."),
    ))
}
