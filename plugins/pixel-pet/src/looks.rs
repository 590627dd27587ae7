//! What pets look like: fourteen pixels wide at most, standing on the last row.
//!
//! `#` outline, `o` body, `l` its other colour, `w` white, `m` mouth, `E` and `e` the upper and the lower half of an eye.

/// A kind of pet.
pub struct Look {
    /// What it is called when it is described.
    pub kind: &'static str,
    pub rows: &'static [&'static str],
    /// Classes of body and other colour, one pair of which the seed picks.
    pub inks: &'static [(&'static str, &'static str)],
}

pub const LOOKS: [Look; 6] = [
    Look {
        kind: "blob",
        rows: &[
            "....####....",
            "..##oooo##..",
            ".#oooooooo#.",
            "#oooooooooo#",
            "#ooEooEoooo#",
            "#ooeooeoool#",
            "#ooooooooll#",
            "#oommmoooll#",
            "#oooooooool#",
            ".#oooooool#.",
            "..##o##o##..",
            "...##..##...",
        ],
        inks: &[("g", "w"), ("r", "w"), ("w", "g"), ("m", "g")],
    },
    Look {
        kind: "moth",
        rows: &[
            "...#......#...",
            "....#....#....",
            "##..######..##",
            "#o##oooooo##o#",
            "#oooooooooooo#",
            "#oooEooooEooo#",
            "#oloeooooeolo#",
            "#llooo##oooll#",
            ".#looommoool#.",
            "..##oooooo##..",
            ".#l#oooooo#l#.",
            ".#ll##oo##ll#.",
            "..##..##..##..",
        ],
        inks: &[("r", "w"), ("w", "r"), ("g", "m"), ("m", "r")],
    },
    Look {
        kind: "snail",
        rows: &[
            ".#..#.........",
            ".#..#..####...",
            ".#..#.#llll#..",
            "######l####l#.",
            "#oEEo#l#ll#l#.",
            "#oeeo#l#l##l#.",
            "#oooo#l#lll#..",
            "#mmoo##l####..",
            "#oooooo####oo#",
            ".#oooooooooo#.",
            "..##########..",
        ],
        inks: &[("g", "r"), ("w", "b"), ("g", "w"), ("w", "r")],
    },
    Look {
        kind: "ghost",
        rows: &[
            "....####....",
            "..##oooo##..",
            ".#oooooooo#.",
            ".#ooEooEoo#.",
            ".#ooeooeoo#.",
            "#oloommoolo#",
            "#oooooooooo#",
            "#oooooooooo#",
            "#oooooooooo#",
            "#oo#oooo#oo#",
            "#o#.#oo#.#o#",
            ".#...##...#.",
        ],
        inks: &[("w", "r"), ("w", "g"), ("g", "r")],
    },
    Look {
        kind: "small computer",
        rows: &[
            "...#....#...",
            "....#..#....",
            ".##########.",
            "#oooooooooo#",
            "#o########o#",
            "#o#lEllEl#o#",
            "#o#lellel#o#",
            "#o#llmmll#o#",
            "#o########o#",
            "#oooooooooo#",
            ".##########.",
            "..#oo##oo#..",
            "..####.###..",
        ],
        inks: &[("w", "g"), ("r", "g"), ("g", "w"), ("m", "g")],
    },
    Look {
        kind: "mushroom",
        rows: &[
            "....####....",
            "..##oooo##..",
            ".#olloooo##.",
            "#oolloollo#.",
            "#ooooooollo#",
            "#ollooooooo#",
            "############",
            "..#wwwwww#..",
            "..#wEwwEw#..",
            "..#wewwew#..",
            "..#wwmmww#..",
            "..#wwwwww#..",
            "...######...",
        ],
        inks: &[("r", "w"), ("g", "w"), ("b", "g"), ("m", "g")],
    },
];

/// Before it hatches.
pub const EGG: [&str; 11] = [
    "....####....",
    "...#wwww#...",
    "..#wwooww#..",
    ".#wwwoowww#.",
    ".#wwwwwwww#.",
    "#wwwwwwwlww#",
    "#woowwwllww#",
    "#woowwwwwww#",
    "#wwwwwoowww#",
    ".#wwwwooww#.",
    "..########..",
];

/// What an old one wears.
pub const HAT: [&str; 3] = ["..####..", "..#rr#..", "########"];

pub const BOWL: [&str; 3] = ["........", "#rrrrrr#", ".######."];
/// What lies in the bowl: none, little, much.
pub const MEAL: [&str; 3] = ["........", "...oo...", ".oooooo."];
