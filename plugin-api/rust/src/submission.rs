//! What a visitor sent, and what becomes of it.

use serde::de::DeserializeOwned;

use crate::{Outcome, Refusal, Submission};

impl Submission {
    /// What was sent in a field, trimmed; empty when it wasn't sent. Of several with the same name, the first.
    pub fn field(&self, name: &str) -> &str {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map_or("", |(_, value)| value.trim())
    }

    /// Whether a checkbox was on.
    pub fn is_checked(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// A field's text, trimmed and its runs of white space made one space; refused when it is empty or longer than
    /// `max` characters.
    pub fn line(&self, name: &str, max: usize) -> Result<String, Refusal> {
        let line = self
            .fields
            .iter()
            .find(|(field, _)| field == name)
            .map_or("", |(_, value)| value);
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let length = line.chars().count();
        if length == 0 {
            return Err(Refusal::of_field(
                name,
                format!("Write something first: up to {max} characters."),
            ));
        }
        if length > max {
            return Err(Refusal::of_field(
                name,
                format!("That is {length} characters; up to {max} fit."),
            ));
        }
        Ok(line)
    }

    /// The payload as JSON.
    pub fn payload_json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_str(&self.payload).map_err(|_| self.unknown())
    }

    /// The refusal of an action that the plugin doesn't know: an older version offered it, say.
    pub fn unknown(&self) -> Refusal {
        Refusal::new("This button is from an older version of the module. Load the page again and try once more.")
    }
}

impl Outcome {
    /// Done; what there is to see shows it.
    pub fn quiet() -> Self {
        Self { message: None }
    }

    /// Done, with a sentence for the one who acted: at most 500 bytes.
    pub fn says(message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
        }
    }
}

impl Refusal {
    /// Refused. Say what was wrong and what is allowed, in at most 500 bytes.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            field: None,
        }
    }

    /// Refused because of what one field says.
    pub fn of_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            field: Some(field.into()),
        }
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}
