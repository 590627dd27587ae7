//! What a command has to say.

use crate::Reply;

impl Reply {
    /// Said in the room in the plugin's name, in the room's small Markdown.
    pub fn says(text: impl Into<String>) -> Self {
        Self {
            say: Some(text.into()),
            whisper: None,
        }
    }

    /// Shown to the caller alone.
    pub fn whispers(text: impl Into<String>) -> Self {
        Self {
            say: None,
            whisper: Some(text.into()),
        }
    }

    /// Done, and nothing to say.
    pub fn quiet() -> Self {
        Self {
            say: None,
            whisper: None,
        }
    }
}
