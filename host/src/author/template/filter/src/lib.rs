//! A calm voice: messages that shout are said in small letters, or refused.

use neospace_plugin::{Filter, RoomContext, Verdict, register};
use serde::Deserialize;

/// Characters of the longest message that counts as a shout. Who writes more means it, and so no message uses up the fuel.
const SHOUT_MAX: usize = 500;

/// The operator's settings: a field for each `[[settings]]` in plugin.toml.
#[derive(Deserialize)]
struct Settings {
    letters: usize,
    refuse: bool,
}

struct Plugin;

impl Filter for Plugin {
    type Settings = Settings;

    /// Reads a message before it is posted, and an edit before it is kept. When this fails, the message is posted as it
    /// was, unless the operator said otherwise: so be quick (5 million fuel, 20 ms), whatever is typed.
    fn filter_text(ctx: &RoomContext<Settings>, text: &str) -> Verdict {
        if text.chars().nth(SHOUT_MAX).is_some() {
            return Verdict::Pass;
        }
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let shouts = letters > ctx.settings.letters && !text.chars().any(char::is_lowercase);
        if !shouts {
            Verdict::Pass
        } else if ctx.settings.refuse {
            Verdict::Refuse("That was loud. Say it in small letters, and it goes through.".into())
        } else {
            Verdict::Rewrite(text.to_lowercase())
        }
    }
}

register!(filter Plugin);
