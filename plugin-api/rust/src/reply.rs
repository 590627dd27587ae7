//! What a command has to say.

use crate::Reply;

impl Reply {
    /// Said in the room in the plugin's name, in the room's small Markdown.
    pub fn says(text: impl Into<String>) -> Self {
        Self::Say(text.into())
    }

    /// Shown to the caller alone, in the room's small Markdown.
    pub fn whispers(text: impl Into<String>) -> Self {
        Self::Whisper(text.into())
    }
}
