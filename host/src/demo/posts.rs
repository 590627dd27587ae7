//! What the demo's members have put on their walls.

use super::member;
use crate::{
    app::{App, now_ms},
    error::Error,
    posts,
};

const HOUR_MS: i64 = 3_600_000;

/// Who, how many hours ago, under which title, and what; the oldest first, as they came.
const POSTS: [(&str, i64, &str, &str); 22] = [
    (
        "mothbox",
        700,
        "Issue eight, corrections",
        "Page three was upside down. So was page four. Read together they were right, and we are told that this was **the better issue**.",
    ),
    (
        "tidewatch",
        610,
        "How to read the table",
        "- the first number is when\n- the second is how low\n- the gull is not a unit\n\nWhat the table does not know: wind. *Look up before you look down.*",
    ),
    (
        "ohm",
        560,
        "",
        "Somebody left a radio on my step with a note: `hums in B flat, should hum in A`. Correct on both counts. It hums in A now.",
    ),
    (
        "marrow",
        505,
        "Soup, the rules",
        "1. Soup is at six.\n2. Everyone is at seven.\n3. The lid stays **on**, bodo.\n\nA true story pays for seconds.",
    ),
    (
        "ana",
        420,
        "A short list of lamps",
        "- the green one: they come, they stay, they talk\n- paraffin: they come, and regret it\n- the one in the fridge: one came. It knows who it is.",
    ),
    (
        "paperdog",
        398,
        "Spoon, a fragment",
        "> O spoon, you are a bowl with a road to it,\n> and I have been on that road,\n> and it was short.",
    ),
    (
        "bodo",
        377,
        "The time with the piano, part one",
        "People ask. It was a *quiet* piano, and the hill was not. @ohm held the front, which is the end that sings.\n\nPart two when my wrist is better.",
    ),
    (
        "gull",
        350,
        "Harbour wall, east end",
        "Wind: present. Sandwiches: present. Attention paid to sandwiches: **none**. Two stars, both eaten.",
    ),
    (
        "fennel",
        322,
        "",
        "Pot three has something in it that I did not plant. We have agreed not to ask each other questions.",
    ),
    (
        "wren",
        300,
        "04:30, what was on",
        "- a kettle, live\n- eleven minutes of rain that @cyan sent from the pier\n- the caller who only breathes. We love him. He knows all the words.",
    ),
    (
        "latchkey",
        281,
        "Dogs met this week",
        "1. **Button**, suspicious, then not\n2. a very long one, asleep, no name given\n3. *Professor*. Did not shake hands. I respect that",
    ),
    (
        "cyan",
        255,
        "Things said by the ferry company",
        "> Soon.\n\n> There is a boat. It is a different boat.\n\n> Have you considered the other side?",
    ),
    (
        "ana",
        230,
        "For whoever borrows the ladder",
        "It folds *towards* you. I am telling you this as a friend, and as somebody with a bandage.",
    ),
    (
        "ohm",
        201,
        "Fault finding, in order",
        "```\n1. is it plugged in\n2. is it plugged in, really\n3. smell it\n4. ask it when it last felt well\n5. replace the capacitor\n```",
    ),
    (
        "tidewatch",
        170,
        "Spring tide on Thursday",
        "Low water at **05:12**, lower than it has been since the wreck showed. If you walk out: boots, a watch, and somebody on the stairs who can count. I will be on the stairs.",
    ),
    (
        "paperdog",
        140,
        "",
        "I have found a rhyme for *ladle*. I am not going to use it. I just wanted you all to feel that it exists.",
    ),
    (
        "marrow",
        120,
        "Yesterday's true story",
        "A woman came in who had taught half the village to swim, in a field, with chairs. It worked. Then the rain came and they found out why.",
    ),
    (
        "bodo",
        96,
        "The time with the piano, part two",
        "We got as far as the bend. The bend did not know about us.\n\nIt is **211 steps** from there, if anybody asks, and @ana did ask.",
    ),
    (
        "mothbox",
        70,
        "Issue nine is late",
        "Because it is about dusk, and every evening we think: nearly.",
    ),
    (
        "cyan",
        41,
        "",
        "Low water. I could *see* the other side's bus stop. There was somebody waiting at it. We waved.",
    ),
    (
        "ana",
        26,
        "How to hold a moth",
        "You don't. You hold *still*, near a light you would not miss, and let it decide that you are furniture.\n\n> “Furniture is the highest rank a person can reach in the eyes of a moth.”\n\nTonight's visitors: one garden carpet, one **setaceous Hebrew character** (look it up, it wears its own alphabet), and something small that left before we were introduced.",
    ),
    (
        "wren",
        5,
        "Tomorrow",
        "A special: one hour of everybody's clocks. Bring yours to the cupboard, or ring and hold the line up to it.",
    ),
];

/// Puts it all up, in the past.
///
/// # Errors
/// The database's.
pub async fn write(app: &App) -> Result<(), Error> {
    for (name, hours, title, body) in POSTS {
        let author = member(app, name)?;
        let (new, at) = (posts::New::text(title, body), now_ms() - hours * HOUR_MS);
        app.db
            .write(move |tx| {
                let wall = posts::Wall {
                    user_id: author.id,
                    name: &author.name,
                };
                posts::put_up(tx, wall, &new, None, at)
            })
            .await?;
    }
    Ok(())
}
