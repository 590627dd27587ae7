//! A script as one HTML file that needs nothing else: its library is in it, and the same policy that the frame has, as far as a
//! document can give itself one.

use super::Mode;
use crate::{app::App, error::Error};

/// Characters of a file's name.
const NAME_MOST: usize = 60;

/// What a file says of its script.
pub struct About<'a> {
    pub title: &'a str,
    pub author: &'a str,
    pub licence: &'a str,
    pub mode: Mode,
}

/// The whole file.
///
/// # Errors
/// A library that isn't there any more.
pub fn page(app: &App, script: &About, source: &str, made_with: &str) -> Result<String, Error> {
    let text = |folder: &str, file: &str| {
        app.html
            .text("static", &format!("vendor/{folder}/{file}"))
            .ok_or_else(|| Error::internal(format!("the library {folder}/{file} is gone")))
    };
    let (mut library, mut parts) = (None, Vec::new());
    if let Some(made_with) = script.mode.library(made_with) {
        library = Some(quoted(&text(made_with.folder, made_with.file)?));
        for part in made_with.parts {
            parts.push((*part, quoted(&text(made_with.folder, part)?)));
        }
    }
    let boot = app
        .html
        .text("ui", "js/frame/boot.js")
        .ok_or_else(|| Error::internal("js/frame/boot.js is gone"))?;
    let context = minijinja::context! {
        title => script.title,
        author => script.author,
        licence => script.licence,
        mode => script.mode.name(),
        module => script.mode.is_module(),
        boot => minijinja::Value::from_safe_string(boot),
        source => minijinja::Value::from_safe_string(quoted(source)),
        library => library.map(minijinja::Value::from_safe_string),
        parts => parts.into_iter().map(|(name, text)| (name, minijinja::Value::from_safe_string(text))).collect::<Vec<_>>(),
    };
    app.html.render("scripts/alone.html", context)
}

/// A text as JSON that may stand in a `<script>`: nothing in it ends the element or begins a comment.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A title as a file's name, without its ending: letters, digits and hyphens.
pub fn name(title: &str) -> String {
    let words: Vec<String> = title
        .to_lowercase()
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let name: String = words.join("-").chars().take(NAME_MOST).collect();
    if name.is_empty() { "script".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_cannot_end_the_script_that_it_is_quoted_in() {
        let source = "let end = \"</script><!--\"\n// \u{2028}";
        let quoted = quoted(source);
        assert!(!quoted.contains('<') && !quoted.contains('\u{2028}'));
        assert_eq!(serde_json::from_str::<String>(&quoted).expect("it is JSON"), source);
    }

    #[test]
    fn a_title_becomes_a_file_name_that_any_system_takes() {
        assert_eq!(name("Sixty wings, \"at\" dusk/../"), "sixty-wings-at-dusk");
        assert_eq!(name("→"), "script");
    }
}
