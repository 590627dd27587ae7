//! Texts that begin with a slash: `/name arguments` asks a plugin, `//` is a slash.

use std::{borrow::Cow, sync::Arc};

use crate::{
    app::{App, now_ms},
    error::Error,
    plugins::rooms::{CommandInfo, CommandOutcome, Filtered, RoomFacts},
    session::Viewer,
};

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

/// The commands of this server, by name.
pub fn known(app: &App) -> Vec<CommandInfo> {
    app.plugins.commands()
}

/// Runs a command.
///
/// # Errors
/// [`Error::Invalid`] for a command that isn't there, with those that are; whatever the plugin answers.
pub async fn run(
    app: &App,
    room: &RoomFacts,
    viewer: &Viewer,
    name: &str,
    arguments: &str,
) -> Result<CommandOutcome, Error> {
    let name = name.to_ascii_lowercase();
    app.plugins.command(room, viewer, &name, arguments, now_ms()).await
}

/// What the filters let through of a text: the text, or what they made of it.
///
/// # Errors
/// [`Error::Invalid`] with the reason of the filter that refuses it.
pub async fn filtered(app: &App, room: &RoomFacts, viewer: &Viewer, text: String) -> Result<String, Error> {
    match app.plugins.filter(room, viewer, &text).await {
        Filtered::Pass => Ok(text),
        Filtered::Rewritten(text) => Ok(text),
        Filtered::Refused { why, .. } => Err(Error::field("content", why)),
    }
}
