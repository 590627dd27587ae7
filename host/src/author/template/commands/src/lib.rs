//! An oracle: `/ask Will it rain?` in any room.

use neospace_plugin::{Commands, Reply, RoomContext, register, viewer};
use serde::Deserialize;

/// Characters of a question.
const QUESTION_MAX: usize = 200;

/// The operator's settings: a field for each `[[settings]]` in plugin.toml.
#[derive(Deserialize)]
struct Settings {
    answers: Vec<String>,
}

struct Plugin;

impl Commands for Plugin {
    type Settings = Settings;

    /// Answers a command of plugin.toml: here there is one. An error is a sentence for the caller alone; what was typed
    /// stays in the box.
    fn on_command(ctx: &RoomContext<Settings>, _name: &str, question: &str) -> Result<Reply, String> {
        if question.is_empty() {
            return Err("Ask something, such as: /ask Will it rain?".into());
        }
        let length = question.chars().count();
        if length > QUESTION_MAX {
            return Err(format!("That is {length} characters; the oracle listens to {QUESTION_MAX}."));
        }
        if ctx.settings.answers.is_empty() {
            return Ok(Reply::whispers("The oracle has nothing to say: the operator gave it no answers."));
        }
        // The host draws the seed for this one call: another question, another answer.
        let answer = ctx.random().pick(&ctx.settings.answers).clone();
        let who = viewer::name().unwrap_or_else(|| "Somebody".into());
        Ok(Reply::says(format!("{who} asks: {question}\n\n> {answer}")))
    }
}

register!(commands Plugin);
