//! Neighbourhoods: walls with something in common. A member founds one with a name and a sentence; others put their walls in, and
//! wander from one to the next. The founder may change the sentence, take a wall out, and close it.
//!
//! There is no order in them but the alphabet, the day, and chance; nobody is counted, and nobody is asked to come in.

mod forms;
pub mod moving;
mod mutations;
mod page;
mod queries;

pub use forms::{change, close, come_in, found, leave, let_in, put_out};
pub use mutations::{come_in as put_in, found as make};
pub use page::{list, of, random, show};

/// Characters of a name and of the sentence.
pub const TITLE_MOST: usize = 40;
pub const ABOUT_MOST: usize = 200;
/// Neighbourhoods that one member may have founded, and live in.
pub const FOUNDED_MOST: usize = 5;
pub const LIVED_IN_MOST: usize = 12;

/// What a list of all neighbourhoods is made from.
pub const ALL: &str = "neighbourhoods";

/// What a neighbourhood's pages are made from.
pub fn topic(slug: &str) -> String {
    format!("neighbourhood:{slug}")
}

/// Whether this can stand in the address of one: 2 to 40 of `a-z`, `0-9` and `-`.
pub fn is_slug(text: &str) -> bool {
    (2..=TITLE_MOST).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What a name becomes in an address; nothing for one without Latin letters or digits.
pub fn slug(title: &str) -> Option<String> {
    let mut slug = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') && c != '\'' && c != '’' {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-').to_owned();
    is_slug(&slug).then_some(slug)
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_name_becomes_an_address() {
        for (title, expected) in [
            ("Ring of Small Lights", Some("ring-of-small-lights")),
            ("  Tide & Time!! ", Some("tide-time")),
            ("Bodo's hill", Some("bodos-hill")),
            ("Café 9", Some("caf-9")),
            ("蛾", None),
            ("x", None),
        ] {
            assert_eq!(slug(title).as_deref(), expected, "{title}");
        }
    }
}
