//! What lies on the demo's walls: on the banners, and beside the names, where it covers no text.

use serde_json::json;

use crate::{
    db::Tx,
    error::Error,
    stickers::{self, New, Place, What},
};

/// Whose wall, what (an emoji, or a plugin), percent from the left, pixels from the top, width, degrees, in words; and a plugin's
/// ink and what else it takes: the pot of a flower, the name on a tag.
type Lies = (
    &'static str,
    &'static str,
    i32,
    i32,
    i32,
    i32,
    &'static str,
    &'static str,
    &'static str,
);

const ALL: [Lies; 38] = [
    ("ana", "🦋", 46, 24, 104, -12, "a butterfly", "", ""),
    (
        "ana",
        "flower",
        59,
        76,
        120,
        6,
        "a flower that grew by itself",
        "red",
        "pot",
    ),
    (
        "ana",
        "glitter-name-tag",
        70,
        14,
        136,
        -7,
        "a name tag: hello, I am tired",
        "blue",
        "tired",
    ),
    ("ana", "flower", 88, 84, 104, 12, "a blue flower", "blue", ""),
    (
        "bodo",
        "glitter-name-tag",
        48,
        30,
        144,
        7,
        "a name tag: hello, I am uphill",
        "green",
        "uphill",
    ),
    ("bodo", "🐌", 66, 100, 88, 4, "the snail", "", ""),
    (
        "bodo",
        "flower",
        82,
        70,
        112,
        -8,
        "a flower, somewhat bent",
        "mauve",
        "",
    ),
    ("cyan", "🌊", 47, 100, 104, -4, "a wave", "", ""),
    (
        "cyan",
        "glitter-name-tag",
        62,
        26,
        144,
        -9,
        "a name tag: hello, I am here now",
        "mauve",
        "here now",
    ),
    ("cyan", "flower", 84, 60, 120, 5, "a white flower", "white", "pot"),
    ("tidewatch", "🐙", 46, 44, 112, 10, "an octopus", "", ""),
    ("tidewatch", "flower", 62, 84, 112, -6, "a sea flower", "blue", ""),
    (
        "tidewatch",
        "glitter-name-tag",
        78,
        22,
        136,
        8,
        "a name tag: hello, I am low water",
        "blue",
        "low water",
    ),
    ("paperdog", "🐕", 48, 50, 112, -5, "a dog", "", ""),
    (
        "paperdog",
        "glitter-name-tag",
        64,
        30,
        152,
        9,
        "a name tag: hello, I am a dog",
        "red",
        "a dog",
    ),
    ("paperdog", "flower", 86, 90, 96, -14, "a chewed flower", "red", ""),
    ("fennel", "flower", 44, 70, 128, -7, "a mauve flower", "mauve", "pot"),
    ("fennel", "flower", 56, 88, 112, 4, "a white flower", "white", ""),
    ("fennel", "flower", 67, 60, 136, 9, "a red flower", "red", "pot"),
    ("fennel", "🍄", 82, 96, 88, -9, "a mushroom", "", ""),
    ("wren", "🦉", 48, 40, 112, 6, "an owl", "", ""),
    (
        "wren",
        "flower",
        66,
        80,
        112,
        -11,
        "whatever the swifts brought",
        "seed",
        "",
    ),
    (
        "wren",
        "glitter-name-tag",
        80,
        24,
        136,
        6,
        "a name tag: hello, I am listening",
        "green",
        "listening",
    ),
    ("ohm", "⚡", 48, 34, 104, -10, "lightning", "", ""),
    (
        "ohm",
        "glitter-name-tag",
        62,
        40,
        152,
        5,
        "a name tag: hello, I am the hum",
        "mauve",
        "the hum",
    ),
    ("ohm", "flower", 86, 70, 104, 10, "a flower in the solder", "white", ""),
    ("gull", "🐟", 48, 50, 96, -16, "lunch", "", ""),
    (
        "gull",
        "glitter-name-tag",
        64,
        26,
        144,
        -6,
        "a name tag: hello, I am mine",
        "red",
        "mine",
    ),
    ("gull", "flower", 84, 80, 104, 7, "a flower, stolen", "blue", ""),
    ("mothbox", "🦋", 44, 36, 88, -18, "a moth, nearly", "", ""),
    (
        "mothbox",
        "flower",
        57,
        66,
        128,
        5,
        "a flower that smells at night",
        "white",
        "",
    ),
    (
        "mothbox",
        "glitter-name-tag",
        74,
        20,
        144,
        8,
        "a name tag: hello, I am a lamp",
        "blue",
        "a lamp",
    ),
    (
        "marrow",
        "flower",
        46,
        60,
        128,
        -4,
        "a flower of the soup",
        "red",
        "pot",
    ),
    ("marrow", "🍋", 62, 100, 88, -7, "a lemon", "", ""),
    (
        "marrow",
        "glitter-name-tag",
        76,
        26,
        144,
        6,
        "a name tag: hello, I am soup",
        "green",
        "soup",
    ),
    ("latchkey", "🔑", 48, 50, 104, 22, "a key", "", ""),
    (
        "latchkey",
        "glitter-name-tag",
        64,
        34,
        144,
        -8,
        "a name tag: hello, I am home",
        "mauve",
        "home",
    ),
    (
        "latchkey",
        "flower",
        85,
        76,
        112,
        5,
        "a flower under the mat",
        "seed",
        "",
    ),
];

/// Who lets visitors leave some.
const OPEN: [&str; 4] = ["ana", "bodo", "fennel", "mothbox"];

/// Puts up what lies on somebody's wall, as far as its plugins are installed.
///
/// # Errors
/// The database's.
pub fn put_up(tx: &Tx, id: i64, name: &str, installed: &[String]) -> Result<(), Error> {
    for (_, what, x, y, width, rotation, alt, ink, more) in ALL.iter().filter(|(owner, ..)| *owner == name) {
        let what = match what.is_ascii() {
            true if !installed.iter().any(|there| there == what) => continue,
            true => What::Drawn {
                plugin: (*what).into(),
                settings: match *what {
                    "glitter-name-tag" => json!({ "name": more, "ink": ink, "glitter": "much" }),
                    _ => json!({ "ink": ink, "pot": !more.is_empty() }),
                }
                .to_string()
                .into(),
            },
            false => What::Emoji((*what).into()),
        };
        let place = Place {
            x: x * 100,
            y: *y,
            width: *width,
            rotation: *rotation,
        };
        let new = New {
            what,
            place,
            alt: (*alt).into(),
        };
        stickers::put_up(tx, id, name, id, &new)?;
    }
    tx.run(
        "insert into canvases (user_id, visitors, cursors) values (?1, ?2, ?2)",
        rusqlite::params![id, OPEN.contains(&name)],
    )?;
    Ok(())
}
