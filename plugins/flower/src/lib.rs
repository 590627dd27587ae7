//! Flower: grown from a seed. Every part is drawn three times, as the house prints: white paper, its colour a little out
//! of register, and the key line.

use neospace_plugin::{
    Element, IntoText, Params, Random, Sticker, hash, register,
    svg::{circle, g, ink, path, svg},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    ink: Petals,
    pot: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Petals {
    Seed,
    Red,
    Blue,
    Mauve,
    White,
}

/// A petal that points up from the origin, 30 long.
const PETALS: [&str; 6] = [
    "M0 0C-16-6-14-30 0-30S16-6 0 0z",
    "M0 0C-14-8-10-22 0-32 10-22 14-8 0 0z",
    "M0 0C-10-10-16-26-6-30L0-25 6-30C16-26 10-10 0 0z",
    "M0 0-9-10-9-24-3-30 3-30 9-24 9-10z",
    "M0 0C-6-10-7-24-3-31L3-31C7-24 6-10 0 0z",
    "M0 0C-18 0-20-18-10-26-6-30 6-30 10-26 20-18 18 0 0 0z",
];

struct Flower;

impl Sticker for Flower {
    type Settings = Settings;

    fn draw(params: &Params<Settings>) -> Result<Element, String> {
        let seed = params.seed;
        let mut random = Random::new(seed ^ hash("flower"));
        let colour = match params.settings.ink {
            Petals::Seed => *random.pick(&[ink::RED, ink::BLUE, ink::MAUVE, ink::RED, ink::WHITE]),
            Petals::Red => ink::RED,
            Petals::Blue => ink::BLUE,
            Petals::Mauve => ink::MAUVE,
            Petals::White => ink::WHITE,
        };
        // Where the stem begins, how far the head leans, how tall it is.
        let (foot, floor) = (60, if params.settings.pot { 128 } else { 158 });
        let lean = random.between(-16, 16);
        let head = (foot + lean, random.between(38, 50));
        let bend = foot - lean + random.between(-10, 10);
        let middle = (floor + head.1) / 2;
        let stem = format!("M{foot} {floor}Q{bend} {middle} {} {}", head.0, head.1);

        let drawing = svg("0 0 120 164")
            .picture("A flower")
            .child(
                path(&stem)
                    .fill("none")
                    .stroke(ink::BLACK, 9)
                    .attr("stroke-linecap", "round"),
            )
            .child(
                path(&stem)
                    .fill("none")
                    .stroke(ink::GREEN, 4)
                    .attr("stroke-linecap", "round"),
            )
            .children(leaves(seed, foot, bend, floor, head))
            .child(blossom(seed, colour).transform(format!("translate({} {}) rotate({})", head.0, head.1, lean)));
        Ok(if params.settings.pot {
            drawing.child(pot(seed))
        } else {
            drawing
        })
    }
}

/// Paper, colour and key line of one outline.
fn printed(d: &str, colour: &str) -> Element {
    g().child(path(d).fill(ink::WHITE))
        .child(path(d).fill(colour).transform("translate(2 2)"))
        .child(
            path(d)
                .fill("none")
                .stroke(ink::BLACK, 3)
                .attr("stroke-linejoin", "round"),
        )
}

fn leaves(seed: u64, foot: i32, bend: i32, floor: i32, head: (i32, i32)) -> Vec<Element> {
    const LEAVES: [&str; 3] = [
        "M0 0C6-14 22-18 34-10 28 4 12 8 0 0z",
        "M0 0C4-8 14-20 30-24 30-10 20 4 0 0z",
        "M0 0 10-10 20-8 24-16 38-8 26 0 22 8 10 4z",
    ];
    let mut random = Random::new(seed ^ hash("leaves"));
    let leaf = *random.pick(&LEAVES);
    let first_left = random.one_in(2);
    let count = random.between(1, 3);
    (0..count)
        .map(|i| {
            // Along the stem, a quadratic curve, from the ground up.
            let t = 0.18 + 0.2 * f64::from(i);
            let along = |from: i32, over: i32, to: i32| {
                let (from, over, to) = (f64::from(from), f64::from(over), f64::from(to));
                (1.0 - t) * (1.0 - t) * from + 2.0 * t * (1.0 - t) * over + t * t * to
            };
            let (x, y) = (along(foot, bend, head.0), along(floor, (floor + head.1) / 2, head.1));
            let turn = random.between(-24, 8);
            let side = if (i % 2 == 0) == first_left { "-1 1" } else { "1 1" };
            let size = random.between(70, 100);
            let place = format!(
                "translate({} {}) scale({side}) rotate({turn}) scale(.{size:02})",
                x.into_text(),
                y.into_text()
            );
            printed(leaf, ink::GREEN).transform(if size == 100 {
                place.replace("scale(.100)", "scale(1)")
            } else {
                place
            })
        })
        .collect()
}

fn blossom(seed: u64, colour: &str) -> Element {
    let mut random = Random::new(seed ^ hash("petals"));
    let petal = *random.pick(&PETALS);
    // Broad petals lie over one another: many of them are a whirl.
    let is_broad = petal == PETALS[0] || petal == PETALS[5];
    let count = random.between(5, if is_broad { 7 } else { 11 });
    let mut blossom = g();
    // A wreath behind the other, turned by half a petal, in the flower's second colour.
    let behind = random
        .one_in(2)
        .then(|| *random.pick(&[ink::GREEN, ink::WHITE, ink::RED]));
    for (colour, half, size) in [(behind, 1, "1.12"), (Some(colour), 0, "1")] {
        let Some(colour) = colour else { continue };
        for i in 0..count {
            let turn = (i * 720 + half * 360) / (count * 2);
            blossom = blossom.child(printed(petal, colour).transform(format!("rotate({turn}) scale({size})")));
        }
    }
    let eye = random.between(7, 11);
    let heart = *random.pick(if colour == ink::BLUE {
        &[ink::RED, ink::GREEN]
    } else {
        &[ink::BLUE, ink::GREEN]
    });
    let dots = random.between(3, 6);
    blossom
        .child(circle(0, 0, eye).fill(ink::WHITE))
        .child(circle(1.5, 1.5, eye - 1).fill(heart))
        .child(circle(0, 0, eye).fill("none").stroke(ink::BLACK, 3))
        .children((0..dots).map(|i| {
            let dot = circle(0, -eye / 2, 1.3).fill(ink::BLACK);
            dot.transform(format!("rotate({})", i * 360 / dots))
        }))
}

fn pot(seed: u64) -> Element {
    let mut random = Random::new(seed ^ hash("pot"));
    let colour = *random.pick(&[ink::RED, ink::BLUE, ink::WHITE, ink::MAUVE]);
    let pattern = match random.between(0, 2) {
        0 => path("M44 146h32").fill("none").stroke(ink::BLACK, 3),
        1 => path("M46 142h4v4h-4zM54 148h4v4h-4zM62 142h4v4h-4zM70 148h4v4h-4z").fill(ink::BLACK),
        _ => path("M43 150l5-6 5 6 5-6 5 6 5-6 5 6 4-5")
            .fill("none")
            .stroke(ink::BLACK, 3),
    };
    g().child(printed("M40 134h40l-5 26H45z", colour))
        .child(printed("M36 124h48v12H36z", colour))
        .child(pattern)
}

register!(sticker Flower);
