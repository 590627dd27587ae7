//! Webring: walls on a string, in a circle. What is shared is one key for each bead, `{ring}/{wall}`, so that two who
//! join at the same moment can't overwrite one another.

use neospace_plugin::{
    Actions, Context, Element, Outcome, Random, Refusal, Submission, View, Widget, hash,
    html::{a, button, details, div, p, small, span, strong, summary},
    register, shared_storage, storage,
    svg::{circle, svg},
};
use serde::Deserialize;

/// How long "any" leads to the same wall, in seconds: a view can't draw lots at every look.
const SAME_LOT_SECONDS: u32 = 300;

#[derive(Deserialize)]
struct Settings {
    ring: String,
}

struct Webring;

impl Widget for Webring {
    type Settings = Settings;

    fn render(ctx: &Context<Settings>) -> View {
        match beads(&ctx.settings.ring) {
            Ok(beads) => shown(ctx, &beads),
            Err(why) => p().class("faint").text(why.to_string()).into(),
        }
    }
}

impl Actions for Webring {
    fn act(ctx: &Context<Settings>, action: &Submission) -> Result<Outcome, Refusal> {
        if !ctx.is_owner() {
            return Err(format!("Only {} can string this wall on a ring or take it off.", ctx.wall).into());
        }
        let bead = bead(&ctx.settings.ring, &ctx.wall);
        match action.name.as_str() {
            "join" => {
                shared_storage::put_text(&bead, &ctx.now.to_string()).map_err(|why| match why {
                    storage::Error::Full => {
                        Refusal::new("No bead fits on any ring here any more. The operator can make room for more.")
                    }
                    why => why.into(),
                })?;
                Ok(Outcome::says(format!("Your wall is on the {}.", ctx.settings.ring)))
            }
            "leave" => {
                shared_storage::delete(&bead)?;
                Ok(Outcome::says("Your wall is off the ring. The others have closed up."))
            }
            _ => Err(action.unknown()),
        }
    }
}

fn shown(ctx: &Context<Settings>, beads: &[String]) -> View {
    let place = beads.binary_search(&ctx.wall);
    let on = place.is_ok();
    let others: Vec<&String> = beads.iter().filter(|wall| **wall != ctx.wall).collect();
    // Where this wall is, or would be: before it in the circle, after it, and anywhere.
    let place = place.unwrap_or_else(|place| place);
    let ways = others.len().checked_sub(1).map(|last| {
        let before = others[place.checked_sub(1).unwrap_or(last)];
        let after = others[if place > last { 0 } else { place }];
        let lot = Random::new(ctx.seed ^ (ctx.now / 1000 / u64::from(SAME_LOT_SECONDS))).bits();
        let any = others[(lot % others.len() as u64) as usize];
        div()
            .class("ways")
            .child(way(before, "◀", "The wall before"))
            .child(way(any, "Any", "Any wall of the ring"))
            .child(way(after, "▶", "The wall after"))
    });

    let (says, name) = match (on, ctx.is_owner()) {
        (true, _) => ("This wall is a bead on the", &ctx.settings.ring),
        (false, true) => ("Not strung yet: your wall could be a bead on the", &ctx.settings.ring),
        (false, false) => ("Some day a bead on the", &ctx.settings.ring),
    };
    let says = p().child(small().text(says)).text(" ").child(strong().text(name));
    let alone =
        (on && others.is_empty()).then(|| p().class("off").text("The only one so far. Tell somebody its name."));
    let string = match (ctx.is_owner(), on) {
        (true, false) => Some(button("String it on").class("plate-green").action("join", "")),
        (true, true) => {
            let off = button("Take it off the ring").class("small").action("leave", "");
            Some(details().child(summary().text("The scissors")).child(off))
        }
        _ => None,
    };
    let ring = div()
        .class("ring")
        .child(picture(ctx.seed, on))
        .child(says)
        .children(ways)
        .children(alone)
        .children(string);
    View::from(ring).max_age_seconds(SAME_LOT_SECONDS)
}

fn way(wall: &str, shown: &str, says: &str) -> Element {
    a(format!("/wall/{wall}"))
        .class("btn small")
        .aria_label(format!("{says}: {wall}"))
        .child(span().ornament().text(shown))
}

/// Always nine beads, for what a picture shows it also counts; this wall's is the red one at the top.
fn picture(seed: u64, on: bool) -> Element {
    let mut random = Random::new(seed ^ hash("beads"));
    let mut ring = svg("0 0 96 96").ornament().child(circle(48, 50, 36).class("string"));
    for i in 0..9 {
        let angle = f64::from(i) * 40.0_f64.to_radians();
        let (x, y) = (48.0 + 36.0 * angle.sin(), 50.0 - 36.0 * angle.cos());
        let bead = match (i, on) {
            (0, true) => circle(x, y, 12).class("r ol"),
            (0, false) => circle(x, y, 10).class("w ol").attr("stroke-dasharray", "5 4"),
            _ => circle(x, y, random.between(6, 9)).class(format!("{} ol", random.pick(&["g", "w", "b", "m", "g"]))),
        };
        ring = ring.child(bead);
    }
    ring
}

/// The walls on a ring, in the order of their names.
fn beads(ring: &str) -> Result<Vec<String>, storage::Error> {
    let prefix = bead(ring, "");
    let mut walls: Vec<String> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = shared_storage::scan(&prefix, after.as_deref(), 100)?;
        let is_last = page.len() < 100;
        walls.extend(page.iter().map(|entry| entry.key[prefix.len()..].to_string()));
        if is_last {
            return Ok(walls);
        }
        after = page.last().map(|entry| entry.key.clone());
    }
}

/// The key of a wall on a ring. Rings whose names differ in case or spaces alone are the same.
fn bead(ring: &str, wall: &str) -> String {
    let words: Vec<String> = ring.split_whitespace().map(str::to_lowercase).collect();
    // A hash keeps any name within a key's 256 bytes, and its slashes out of the way.
    format!("{:016x}/{wall}", hash(&words.join(" ")))
}

register!(interactive Webring);
