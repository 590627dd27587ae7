//! A star with a face: its ink and points are chosen, its lean and mood come from the seed.

use std::f64::consts::PI;

use neospace_plugin::{
    Element, IntoText, Params, Sticker, register,
    svg::{circle, g, ink, path, polygon, svg},
};
use serde::Deserialize;

/// The owner's settings: a field for each `[[settings]]` in plugin.toml.
#[derive(Deserialize)]
struct Settings {
    ink: String,
    points: u8,
}

struct Plugin;

impl Sticker for Plugin {
    type Settings = Settings;

    fn draw(params: &Params<Settings>) -> Result<Element, String> {
        let colour = match params.settings.ink.as_str() {
            "green" => ink::GREEN,
            "red" => ink::RED,
            "blue" => ink::BLUE,
            other => return Err(format!("There is no ink called {other}: green, red or blue.")),
        };
        let mut random = params.random();
        let lean = random.between(-20, 20);
        let depth = random.between(18, 24);
        let smile = *random.pick(&["M40 56q8 8 16 0", "M42 56h12", "M40 58q8-8 16 0", "M42 55q6 9 12 0z"]);
        // An image of its own, which the house's classes don't reach: colours are attributes.
        Ok(svg("0 0 96 96")
            .picture(format!("A {} star", params.settings.ink))
            .child(polygon(star(params.settings.points, depth)).fill(ink::BLACK).transform(format!("translate(3 3) rotate({lean} 48 48)")))
            .child(polygon(star(params.settings.points, depth)).fill(colour).stroke(ink::BLACK, 3).transform(format!("rotate({lean} 48 48)")))
            .child(g().fill(ink::BLACK).child(circle(42, 46, 3)).child(circle(54, 46, 3)))
            .child(path(smile).fill("none").stroke(ink::BLACK, 3)))
    }
}

/// The corners of a star around (48, 48): one outside, one inside, and so on.
fn star(points: u8, depth: i32) -> String {
    let corners = (0..u32::from(points) * 2).map(|corner| {
        let radius = if corner % 2 == 0 { 42.0 } else { f64::from(depth) };
        let angle = f64::from(corner) * PI / f64::from(points) - PI / 2.0;
        format!("{},{}", (48.0 + radius * angle.cos()).into_text(), (48.0 + radius * angle.sin()).into_text())
    });
    corners.collect::<Vec<_>>().join(" ")
}

register!(sticker Plugin);
