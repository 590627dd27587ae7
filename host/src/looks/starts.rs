//! Themes to start from: twelve that differ in everything, and the house's own, one an ink.

use std::sync::LazyLock;

use super::theme::{Theme, all_faces};

/// A theme to start from.
pub struct Start {
    /// As forms and stylesheets name it.
    pub name: &'static str,
    pub title: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// The ink that goes with it, for banner and mascot.
    pub colour: &'static str,
    /// What lies on a wall that begins from it.
    pub emoji: [&'static str; 4],
    pub theme: Theme,
}

/// The twelve, in the order in which they are shown.
pub static STARTS: [Start; 12] = [
    Start {
        name: "porch-light",
        title: "Porch light",
        about: "Mauve paper, green lamps, everything a little out of register.",
        colour: "mauve",
        emoji: ["🦋", "🌙", "🍵", "🏡"],
        theme: Theme::new(
            [
                0xdbd3ec, 0xc3b6df, 0xfaf8ef, 0x151525, 0x3a1fb8, 0x51ee8c, 0x492676, 0x151525, 0x4a4b5d, 0xe6dcf6,
                0xfefdfa, 0xb6a8cf,
            ],
            [
                0x180c2a, 0x2b1844, 0x24163f, 0xe7f1df, 0xc9b3ff, 0x4af682, 0x7444b4, 0xb99bea, 0xc0b6dc, 0x33205a,
                0x0f0720, 0x52407a,
            ],
            [3, 0, 8],
            ["pixel", "plain", "dots", "moth"],
        ),
    },
    Start {
        name: "rope-and-pulley",
        title: "Rope and pulley",
        about: "Brown paper, tied with string, addressed on a typewriter.",
        colour: "red",
        emoji: ["📦", "💌", "🧵", "🔑"],
        theme: Theme::new(
            [
                0xd8b98c, 0xcca978, 0xfbf1df, 0x2a1a10, 0x6e1f06, 0xe8762c, 0x5b3a1c, 0x2a1a10, 0x4d3626, 0xefdcba,
                0xfffaf0, 0xb4946a,
            ],
            [
                0x1d130b, 0x2e2013, 0x2b1d12, 0xf6e6cf, 0xffb27a, 0xe8762c, 0x8a5a2e, 0xd8a868, 0xcfb394, 0x38271a,
                0x150d07, 0x5c452f,
            ],
            [3, 0, 6],
            ["typewriter", "typewriter", "slant", "block"],
        ),
    },
    Start {
        name: "ferry",
        title: "Ferry timetable",
        about: "Enamel and sea air. Leaves on the hour, or not.",
        colour: "blue",
        emoji: ["⛵", "⚓", "🌊", "🌞"],
        theme: Theme::new(
            [
                0xd5e9f3, 0xb9d9ea, 0xffffff, 0x0a2340, 0x00479b, 0xffd23f, 0x0f4c81, 0x0a2340, 0x3b5573, 0xe6f2f8,
                0xffffff, 0x9dbcd0,
            ],
            [
                0x06182b, 0x0f3050, 0x0c2743, 0xeaf4fb, 0x8cc8ff, 0xffd23f, 0x1f6fb5, 0xffd23f, 0xa6c3d9, 0x12345a,
                0x04111f, 0x2f567c,
            ],
            [4, 4, 0],
            ["plain", "plain", "waves", "arrow"],
        ),
    },
    Start {
        name: "low-water",
        title: "Low water",
        about: "A terminal at the end of the pier.",
        colour: "green",
        emoji: ["🐚", "🦀", "🌊", "🐌"],
        theme: Theme::new(
            [
                0xdff0df, 0xc6e4c8, 0xf4fbf2, 0x06230f, 0x00563a, 0x7dd98f, 0x0b5a2b, 0x0b4a22, 0x2f5a3a, 0xd3ebd3,
                0xfbfffa, 0x93b99a,
            ],
            [
                0x020a05, 0x0a2412, 0x04140a, 0x9dffb4, 0xd2ff7a, 0x39e66b, 0x0d6b33, 0x2fae57, 0x6fd98c, 0x08230f,
                0x010603, 0x14502a,
            ],
            [2, 0, 0],
            ["mono", "mono", "lines", "cross"],
        ),
    },
    Start {
        name: "spoons",
        title: "The Daily Spoon",
        about: "Black and white and read all over.",
        colour: "ink",
        emoji: ["🥄", "📰", "☕", "🍳"],
        theme: Theme::new(
            [
                0xf2f0ea, 0xe2dfd6, 0xfffefb, 0x111111, 0x9c1c14, 0x111111, 0x9c1c14, 0x111111, 0x4a4a4a, 0xecebe4,
                0xffffff, 0xbdbab0,
            ],
            [
                0x0c0c0d, 0x1d1d1f, 0x161617, 0xf2f0ea, 0xff9d8f, 0xf2f0ea, 0xb3382e, 0xe0ddd4, 0xb5b2aa, 0x202022,
                0x050505, 0x4a4946,
            ],
            [2, 0, 0],
            ["serif", "plain", "none", "spoon"],
        ),
    },
    Start {
        name: "balcony",
        title: "Balcony",
        about: "Four pots, round corners, one argument with the pigeons.",
        colour: "mauve",
        emoji: ["🪴", "🌸", "🐈", "🌞"],
        theme: Theme::new(
            [
                0xf9d5e0, 0xf3bccd, 0xfff8f6, 0x3b1230, 0x8f0a52, 0xa4dd8a, 0xb02a6f, 0x7b1f52, 0x6e3358, 0xfde6ec,
                0xffffff, 0xdca7bd,
            ],
            [
                0x260b20, 0x3a1431, 0x371531, 0xffe9f2, 0xff9fd0, 0x8fd67a, 0xc23a83, 0xf08bbd, 0xe3aecb, 0x481d40,
                0x1a0616, 0x6d3560,
            ],
            [3, 20, 6],
            ["round", "comic", "crumbs", "snail"],
        ),
    },
    Start {
        name: "on-air",
        title: "On air",
        about: "Loud. Small hours, large letters.",
        colour: "red",
        emoji: ["📻", "🎧", "📼", "⚡"],
        theme: Theme::new(
            [
                0xff7d4f, 0xff9166, 0xfff3e6, 0x1a0503, 0x3d0752, 0xffd400, 0x1a0503, 0x1a0503, 0x40150c, 0xffe0c9,
                0xfffaf4, 0xe0a184,
            ],
            [
                0x160403, 0x2b0805, 0x240806, 0xffe8df, 0xffb38f, 0xff5a36, 0xb3200c, 0xff5a36, 0xf2b3a0, 0x350d09,
                0x0d0201, 0x6b2418,
            ],
            [6, 0, 12],
            ["sign", "plain", "rays", "block"],
        ),
    },
    Start {
        name: "blueprint",
        title: "Blueprint",
        about: "White lines on blue. Everything is to scale except the ideas.",
        colour: "blue",
        emoji: ["📐", "🔧", "🏡", "🌈"],
        theme: Theme::new(
            [
                0x1d4f9c, 0x2c5dab, 0x17427f, 0xf3f8ff, 0xffe28a, 0xf3f8ff, 0x0d2a57, 0xe8f1ff, 0xdbe8fc, 0x20559f,
                0x123668, 0x5d86c4,
            ],
            [
                0x0a1e3f, 0x14305f, 0x0d274f, 0xe6f0ff, 0xffe28a, 0xbfd6ff, 0x2b5fb0, 0x8fb4ee, 0xa9c3ea, 0x123163,
                0x071630, 0x2f4f86,
            ],
            [2, 0, 0],
            ["mono", "plain", "graph", "cross"],
        ),
    },
    Start {
        name: "harbour",
        title: "Harbour",
        about: "Hazard stripes. Mind the bollard.",
        colour: "ink",
        emoji: ["⚓", "🐟", "🚢", "🦆"],
        theme: Theme::new(
            [
                0xffcf1a, 0xf2bf00, 0xfffbe8, 0x141414, 0x1b3a8a, 0xff7a1a, 0x141414, 0x141414, 0x453c00, 0xfff0b0,
                0xffffff, 0xc9a61a,
            ],
            [
                0x141310, 0x2b281b, 0x1f1d17, 0xfff3c4, 0xffd95c, 0xffcf1a, 0x4a452f, 0xffcf1a, 0xd6c57e, 0x2a271d,
                0x0c0b09, 0x5a5230,
            ],
            [5, 0, 10],
            ["sign", "mono", "hazard", "block"],
        ),
    },
    Start {
        name: "fanzine",
        title: "Fanzine",
        about: "Two inks, one of them on purpose. Folded once.",
        colour: "blue",
        emoji: ["🎸", "⚡", "💌", "👀"],
        theme: Theme::new(
            [
                0xf6f1e4, 0xffd3ca, 0xfffdf6, 0x1c2a9c, 0xb01f36, 0xff7f6e, 0x1c2a9c, 0x1c2a9c, 0x3d48a8, 0xe8ecff,
                0xffffff, 0xa9b0e0,
            ],
            [
                0x0f1440, 0x1d2463, 0x171d57, 0xffe9e2, 0xffab9e, 0xff7f6e, 0x4a57e0, 0xff8f80, 0xc3c6f0, 0x202770,
                0x0a0e30, 0x434aa0,
            ],
            [3, 2, 16],
            ["hand", "plain", "dots", "star"],
        ),
    },
    Start {
        name: "kitchen",
        title: "Kitchen",
        about: "A tablecloth, and soup at six.",
        colour: "red",
        emoji: ["🍋", "🥐", "🍵", "🍓"],
        theme: Theme::new(
            [
                0xfdf3e1, 0xf4bfae, 0xfffaf0, 0x3a1710, 0x8f1f0e, 0x8fbf5a, 0xb33a22, 0xa3341f, 0x6b3829, 0xf3ead2,
                0xffffff, 0xdcb9a0,
            ],
            [
                0x1c120c, 0x4a1d14, 0x2a1b12, 0xfbe9d0, 0xffb08f, 0x9ccc66, 0xa83a24, 0xe0795c, 0xdfc0a4, 0x38251a,
                0x130b06, 0x664434,
            ],
            [3, 12, 4],
            ["comic", "comic", "gingham", "hand"],
        ),
    },
    Start {
        name: "starfield",
        title: "Under construction",
        about: "Night, whatever the clock says. Best viewed with eyes.",
        colour: "mauve",
        emoji: ["🚀", "🌙", "⭐", "👽"],
        theme: Theme::new(
            [
                0x2b1b66, 0x4d3a9c, 0x1d1148, 0xf4f0ff, 0x8ef2ff, 0xc8ff4d, 0xff4fb0, 0x7ef7ff, 0xcfc4f2, 0x2a1a63,
                0x140b36, 0x5a46a0,
            ],
            [
                0x05030f, 0x2f2670, 0x0d0826, 0xece8ff, 0x7fefff, 0xb8ff3c, 0xff3fa8, 0x41e6f2, 0xb6abdf, 0x150d38,
                0x000000, 0x33277a,
            ],
            [3, 6, 6],
            ["black", "comic", "stars", "star"],
        ),
    },
];

/// A theme to start from, by its name.
pub fn named(name: &str) -> Option<&'static Start> {
    STARTS.iter().find(|start| start.name == name)
}

/// The house's wall in an ink and a pattern: what a wall looks like whose owner has chosen nothing.
pub fn house(colour: &str, pattern: &str) -> Theme {
    let (day, night) = match colour {
        "red" => ([0xf3d3c7, 0xf3b39f, 0xd02f14], [0x260906, 0x46130c, 0xbe260b]),
        "blue" => ([0xc6d9f2, 0xa4bfeb, 0x213cd8], [0x040e30, 0x0f2156, 0x3656ee]),
        "mauve" => ([0xdbd3ec, 0xc3b6df, 0x492676], [0x180c2a, 0x2b1844, 0x7444b4]),
        "ink" => ([0xdbd9d3, 0xbdbbb2, 0x2c2d38], [0x0d0e13, 0x20212b, 0x4a4b5d]),
        _ => ([0xc8ecd3, 0x98d9ae, 0x005e2f], [0x001a0f, 0x00301a, 0x006836]),
    };
    let ink = colour == "ink";
    let inks = |[paper, dot, second]: [u32; 3], [sheet, band]: [u32; 2], rest: [u32; 7]| {
        let [ink, ink_2, line, hair, link, accent, well] = rest;
        [
            paper, dot, sheet, ink, link, accent, second, line, ink_2, band, well, hair,
        ]
    };
    let day_sheets = if ink {
        [0xfbfaf7, 0xe0ded7]
    } else {
        [0xfaf8ef, 0xcdf1d8]
    };
    let night_sheets = if ink {
        [0x181922, 0x22232e]
    } else {
        [0x191b47, 0x1e275f]
    };
    Theme::new(
        inks(
            day,
            day_sheets,
            [0x151525, 0x474859, 0x151525, 0x98aa9b, 0x1c34c0, 0x51ee8c, 0xfefdfa],
        ),
        inks(
            night,
            night_sheets,
            [0xe7f1df, 0x9cbcb9, 0x97c7b1, 0x42508c, 0xa4bfff, 0x4af682, 0x090a22],
        ),
        [3, 0, 8],
        ["pixel", "plain", "dots", "arrow"],
    )
    .with_pattern(pattern)
}

/// The stylesheet of all twelve, for walls in small: `[data-start="ferry"]`. And its hash.
pub fn sheet() -> &'static (String, String) {
    static SHEET: LazyLock<(String, String)> = LazyLock::new(|| {
        let mut css = all_faces();
        css.push_str("@layer theme{");
        for start in &STARTS {
            css.push_str(
                &start
                    .theme
                    .checked()
                    .0
                    .rule(&format!("[data-start=\"{}\"]", start.name)),
            );
        }
        css.push('}');
        let hash = super::hash(&css);
        (css, hash)
    });
    &SHEET
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_starts_from_can_be_read_as_it_is() {
        for start in &STARTS {
            let (shown, exchanged) = start.theme.checked();
            assert!(exchanged.is_empty(), "{}: {exchanged:#?}", start.name);
            assert_eq!(shown, start.theme);
        }
        for colour in crate::profiles::pictures::COLOURS {
            let (_, exchanged) = house(colour.0, "dots").checked();
            assert!(exchanged.is_empty(), "{}: {exchanged:#?}", colour.0);
        }
    }

    #[test]
    fn all_that_they_name_is_there() {
        for start in &STARTS {
            let fields = start.theme.fields();
            let read = Theme::read(&house("green", "none"), |name| {
                let field = fields.iter().find(|(field, _)| field == name)?;
                Some(field.1.as_str())
            });
            assert_eq!(read.as_ref().ok(), Some(&start.theme), "{}", start.name);
        }
    }
}
