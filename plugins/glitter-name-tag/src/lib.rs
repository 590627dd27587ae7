//! Glitter name tag: a badge with the owner's name, in pixels of which some caught the light.

mod letters;

use letters::letter;
use neospace_plugin::{
    Element, Params, Random, Sticker, hash, register,
    svg::{g, ink, path, rect, svg, text},
};
use serde::Deserialize;

/// The badge: 120 by 76, with a margin of 6 for what sticks out.
const WIDTH: i32 = 120;
const HEIGHT: i32 = 76;

#[derive(Deserialize)]
struct Settings {
    name: String,
    greeting: String,
    ink: Ink,
    glitter: Glitter,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Ink {
    Red,
    Blue,
    Green,
    Mauve,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Glitter {
    None,
    Some,
    Much,
}

struct NameTag;

impl Sticker for NameTag {
    type Settings = Settings;

    fn draw(params: &Params<Settings>) -> Result<Element, String> {
        let settings = &params.settings;
        let name = match settings.name.trim() {
            "" => &params.wall,
            name => name,
        };
        let greeting = settings.greeting.trim();
        let (plate, on_plate, slip) = match settings.ink {
            Ink::Red => (ink::RED, ink::WHITE, ink::GREEN),
            Ink::Blue => (ink::BLUE, ink::WHITE, ink::RED),
            Ink::Green => (ink::GREEN, ink::BLACK, ink::BLUE),
            Ink::Mauve => (ink::MAUVE, ink::WHITE, ink::GREEN),
        };
        let (sparks, one_pixel_in) = match settings.glitter {
            Glitter::None => (0, None),
            Glitter::Some => (5, Some(4)),
            Glitter::Much => (14, Some(2)),
        };
        let mut random = Random::new(params.seed ^ hash("glitter"));
        let badge = svg(format!("-6 -6 {} {}", WIDTH + 12, HEIGHT + 12))
            .picture(format!("A name tag: {greeting} {name}"))
            .attr("shape-rendering", "crispEdges")
            .child(rect(4, 4, WIDTH, HEIGHT).fill(ink::BLACK))
            .child(rect(0, 0, WIDTH, HEIGHT).fill(plate).stroke(ink::BLACK, 4))
            .child(rect(6, 24, WIDTH - 12, HEIGHT - 34).fill(ink::WHITE))
            .child(written(
                greeting,
                (10, 5, WIDTH - 20, 15),
                on_plate,
                None,
                None,
                &mut random,
            ))
            .child(written(
                name,
                (11, 29, WIDTH - 22, HEIGHT - 44),
                ink::BLACK,
                Some(slip),
                one_pixel_in,
                &mut random,
            ));
        let badge = badge.children((0..sparks).map(|_| spark(&mut random)));
        Ok(badge)
    }
}

/// A line of writing, as large as fits into a box (left, top, width, height) and in its middle: in pixels where there is
/// a letter for every character, else in whatever face the viewer's machine has.
fn written(
    line: &str,
    (left, top, width, height): (i32, i32, i32, i32),
    key: &str,
    slip: Option<&str>,
    glitters: Option<u32>,
    random: &mut Random,
) -> Element {
    let Some(letters) = line.chars().map(letter).collect::<Option<Vec<_>>>() else {
        let count = line.chars().count().max(1) as i32;
        let size = (height * 9 / 10).min(width * 16 / 10 / count);
        return text(left + width / 2, top + (height + size * 7 / 10) / 2, line)
            .attr("font-family", "ui-monospace, monospace")
            .attr("font-weight", "bold")
            .attr("font-size", size)
            .attr("text-anchor", "middle")
            .fill(key);
    };
    let columns = letters.len() as i32 * 6 - 1;
    // Quarters of a unit, so that long names still fill the line.
    let quarters = (width * 4 / columns.max(1)).min(height * 4 / 7).clamp(1, 24);
    let pixel = f64::from(quarters) / 4.0;
    // A long name gets tall, narrow letters rather than tiny ones.
    let tall = (f64::from(height) / 7.0).min(pixel * 2.0);
    let x = f64::from(left) + (f64::from(width) - pixel * f64::from(columns)) / 2.0;
    let y = f64::from(top) + (f64::from(height) - tall * 7.0) / 2.0;

    const LIGHTS: [&str; 4] = [ink::RED, ink::GREEN, ink::BLUE, ink::MAUVE];
    let mut dark = String::new();
    let mut lit = [const { String::new() }; 4];
    for (i, rows) in letters.iter().enumerate() {
        for (row, bits) in rows.iter().enumerate() {
            for column in (0..5).filter(|column| bits & (0b10000 >> column) != 0) {
                let spot = format!("M{} {row}h1v1h-1z", i * 6 + column);
                match glitters {
                    Some(n) if random.one_in(n) => lit[random.between(0, 3) as usize] += &spot,
                    _ => dark += &spot,
                }
            }
        }
    }
    let whole = slip.map(|slip| {
        let all = format!("{dark}{}", lit.concat());
        path(all).fill(slip).transform("translate(.6 .6)")
    });
    let lights = lit
        .into_iter()
        .zip(LIGHTS)
        .filter(|(d, _)| !d.is_empty())
        .map(|(d, colour)| path(d).fill(colour));
    g().transform(format!(
        "translate({} {}) scale({} {})",
        hundredths(x),
        hundredths(y),
        hundredths(pixel),
        hundredths(tall)
    ))
    .children(whole)
    .children((!dark.is_empty()).then(|| path(dark).fill(key)))
    .children(lights)
}

/// A star of four points somewhere along the edges, where it hides no letter.
fn spark(random: &mut Random) -> Element {
    let (x, y) = if random.one_in(2) {
        (
            random.between(0, WIDTH),
            if random.one_in(2) {
                random.between(-2, 4)
            } else {
                random.between(HEIGHT - 6, HEIGHT + 2)
            },
        )
    } else {
        (
            if random.one_in(2) {
                random.between(-2, 5)
            } else {
                random.between(WIDTH - 5, WIDTH + 2)
            },
            random.between(0, HEIGHT),
        )
    };
    let colour = *random.pick(&[ink::WHITE, ink::WHITE, ink::GREEN, ink::RED]);
    let size = *random.pick(&["0.5", "0.7", "1"]);
    path("M0-8 2-2 8 0 2 2 0 8-2 2-8 0-2-2z")
        .fill(colour)
        .stroke(ink::BLACK, 2)
        .attr("stroke-linejoin", "round")
        .attr("shape-rendering", "geometricPrecision")
        .transform(format!("translate({x} {y}) scale({size})"))
}

/// As text with at most two decimals.
fn hundredths(number: f64) -> String {
    neospace_plugin::IntoText::into_text(number)
}

register!(sticker NameTag);
