//! How the demo's members are found: the tags that they chose, and the neighbourhoods that their walls stand in.

use super::member;
use crate::{app::App, directory, error::Error, neighbourhoods};

const TAGS: [(&str, &[&str]); 12] = [
    ("ana", &["moths", "radio", "night"]),
    ("bodo", &["snails", "carrying", "hills"]),
    ("cyan", &["ferries", "sea", "sketches"]),
    ("tidewatch", &["tides", "sea", "mud"]),
    ("paperdog", &["spoons", "poems"]),
    ("fennel", &["balcony", "seeds", "mushrooms"]),
    ("wren", &["swifts", "sketches", "night"]),
    ("ohm", &["radio", "solder", "sketches"]),
    ("gull", &["bread", "sea"]),
    ("mothbox", &["moths", "zines", "solder"]),
    ("marrow", &["brakes", "kitchen", "bread"]),
    ("latchkey", &["seeds", "poems"]),
];

/// A neighbourhood's name, its sentence, and whose walls stand in it; the first founded it.
const PLACES: [(&str, &str, &[&str]); 3] = [
    (
        "Low Tide",
        "Walls within earshot of the water. Bring boots.",
        &["tidewatch", "cyan", "gull"],
    ),
    (
        "Night Shift",
        "For who is up when the moths are.",
        &["ana", "mothbox", "wren", "ohm"],
    ),
    (
        "Things That Grow",
        "Balconies, compost, mould, small animals.",
        &["fennel", "marrow", "bodo"],
    ),
];

/// Lets them choose their tags and move in together.
pub async fn settle(app: &App) -> Result<(), Error> {
    for (name, tags) in TAGS {
        let member = member(app, name)?;
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        app.db.write(move |tx| directory::set_tags(tx, &member, &tags)).await?;
    }
    for (title, about, neighbours) in PLACES {
        let slug = neighbourhoods::slug(title).ok_or(Error::NotFound)?;
        let neighbours: Vec<_> = neighbours
            .iter()
            .map(|name| member(app, name))
            .collect::<Result<_, Error>>()?;
        app.db
            .write(move |tx| {
                neighbourhoods::make(tx, &neighbours[0], &slug, title, about)?;
                neighbours
                    .iter()
                    .try_for_each(|neighbour| neighbourhoods::put_in(tx, neighbour, &slug))
            })
            .await?;
    }
    Ok(())
}
