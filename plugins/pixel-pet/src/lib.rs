//! Pixel pet: an egg that hatches into one of six kinds, gets hungry and sleepy by the clock, and remembers who was kind.
//! Nothing happens to it between visits but time: how it is follows from what is kept and from `ctx.now`.

mod looks;

use looks::{BOWL, EGG, HAT, LOOKS, Look, MEAL};
use neospace_plugin::{
    Actions, Context, Element, Outcome, Random, Refusal, Submission, View, Widget, hash,
    html::{button, div, p, strong},
    live, register, storage,
    svg::{circle, g, path, pixels, rect, svg},
    viewer,
};
use serde::{Deserialize, Serialize};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A full belly, in meals.
const BELLY: u64 = 6;
/// How long a meal lasts.
const MEAL_LASTS: u64 = 6 * HOUR;
/// How many of the kind it remembers.
const REMEMBERED: usize = 3;

#[derive(Deserialize)]
struct Settings {
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Pet {
    /// When it hatched, and the moments below, in Unix milliseconds.
    born: u64,
    /// When its belly will be empty.
    fed_until: u64,
    patted: u64,
    /// What it ate last.
    ate: String,
    /// Who fed it, the last first.
    kind: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Asleep,
    Starving,
    Hungry,
    Lonely,
    Happy,
    Content,
}

struct PixelPet;

impl Widget for PixelPet {
    type Settings = Settings;

    fn render(ctx: &Context<Settings>) -> View {
        match storage::json::<Pet>("pet") {
            Ok(Some(pet)) => shown(ctx, &pet),
            Ok(None) => egg(ctx),
            Err(why) => p().class("faint").text(why.to_string()).into(),
        }
    }
}

impl Actions for PixelPet {
    fn act(ctx: &Context<Settings>, action: &Submission) -> Result<Outcome, Refusal> {
        let name = name(ctx);
        let Some(mut pet) = storage::json::<Pet>("pet")? else {
            if action.name != "warm" {
                return Err("It is an egg yet. Warm it.".into());
            }
            let fed_until = ctx.now + 3 * MEAL_LASTS;
            let pet = Pet {
                born: ctx.now,
                fed_until,
                patted: ctx.now,
                ate: "its shell".into(),
                kind: Vec::new(),
            };
            storage::put_json("pet", &pet)?;
            live::refresh();
            return Ok(Outcome::says(format!(
                "It hatched! It is a {}, and it answers to {name}.",
                look(ctx).kind
            )));
        };
        let said = match action.name.as_str() {
            "feed" => {
                let belly = pet.fed_until.saturating_sub(ctx.now) / MEAL_LASTS;
                if belly + 1 >= BELLY {
                    return Err(format!("{name} keeps its mouth shut: it is full. Come back in some hours.").into());
                }
                pet.fed_until = pet.fed_until.max(ctx.now) + 2 * MEAL_LASTS;
                pet.ate = Random::new(ctx.seed ^ ctx.now).pick(&FOODS).to_string();
                let feeder = viewer::name().unwrap_or_else(|| "somebody".into());
                pet.kind.retain(|name| *name != feeder);
                pet.kind.insert(0, feeder);
                pet.kind.truncate(REMEMBERED);
                format!("You found {} in your pocket. {name} ate it.", pet.ate)
            }
            "pat" => {
                if ctx.now.saturating_sub(pet.patted) < 10 * MINUTE {
                    return Ok(Outcome::says(format!("{name} is still humming from the last time.")));
                }
                pet.patted = ctx.now;
                format!("{name} hums.")
            }
            "warm" => return Err(format!("It has hatched: meet {name}.").into()),
            _ => return Err(action.unknown()),
        };
        storage::put_json("pet", &pet)?;
        live::refresh();
        Ok(Outcome::says(said))
    }
}

const FOODS: [&str; 16] = [
    "a sock",
    "half a moth",
    "a stale cookie",
    "a semicolon",
    "two crumbs of a floppy disk",
    "a bus ticket",
    "some static",
    "the letter q",
    "a coat button",
    "a paper clip",
    "a very small battery",
    "a jar of fog",
    "a boiled sweet",
    "a loose wire",
    "yesterday’s weather",
    "a peppercorn",
];

/// How it is now. It sleeps from ten to seven by the owner's clock, unless it is too hungry to.
fn state(ctx: &Context<Settings>, pet: &Pet) -> State {
    let belly = pet.fed_until.saturating_sub(ctx.now);
    let hour = ctx.local_now().hour;
    if belly == 0 {
        State::Starving
    } else if !(7..22).contains(&hour) {
        State::Asleep
    } else if belly < 2 * MEAL_LASTS {
        State::Hungry
    } else if ctx.now.saturating_sub(pet.patted) > 2 * DAY {
        State::Lonely
    } else if ctx.now.saturating_sub(pet.patted) < 3 * HOUR {
        State::Happy
    } else {
        State::Content
    }
}

fn shown(ctx: &Context<Settings>, pet: &Pet) -> View {
    let name = name(ctx);
    let state = state(ctx, pet);
    let does = match state {
        State::Asleep => "is asleep and dreams of corners.".into(),
        State::Starving => "sulks. It has eaten nothing for too long.".into(),
        State::Hungry => format!("is hungry. Of {} nothing is left.", pet.ate),
        State::Lonely => "sits there and would like a hand on its head.".into(),
        State::Happy => "hums to itself.".into(),
        State::Content => format!("is awake and has eaten {}.", pet.ate),
    };
    let kind = match pet.kind.as_slice() {
        [] => None,
        [one] => Some(format!("It remembers {one}.")),
        [most @ .., last] => Some(format!("It remembers {} and {last}.", most.join(", "))),
    };
    let days = ctx.now.saturating_sub(pet.born) / DAY;
    let age = match days {
        0 => "hatched today".into(),
        1 => "one day old".into(),
        2..=59 => format!("{days} days old"),
        60..=729 => format!("{} months old", days / 30),
        _ => format!("{} years old", days / 365),
    };
    let row = div()
        .class("row")
        .child(button("Feed").class("small").action("feed", ""))
        .child(button("Pat").class("small").action("pat", ""));
    let words = div()
        .child(p().class("says").child(strong().text(&name)).text(format!(" {does}")))
        .child(row)
        .child(
            p().class("kind")
                .text(format!("A {}, {age}. {}", look(ctx).kind, kind.unwrap_or_default())),
        );
    let scene = scene(ctx, pet, state, days).picture(format!("{name}, a {}, {does}", look(ctx).kind));
    // It looks and feels different by the hour at most.
    View::from(div().class("beside").child(scene).child(words))
        .max_age_seconds(3600 - ctx.local_now().second_of_day() % 3600)
}

fn egg(ctx: &Context<Settings>) -> View {
    let egg = pixels(14, 6, &EGG, &[('#', "k"), ('w', "w"), ('o', "r"), ('l', "g")]);
    let scene = backdrop(ctx, "scene")
        .child(g().class("pet").children(egg))
        .picture("An egg in the grass");
    let words = div()
        .child(p().class("says").text("An egg. It is not sure about this yet."))
        .child(
            div()
                .class("row")
                .child(button("Warm it").class("plate-green").action("warm", "")),
        );
    View::from(div().class("beside").child(scene).child(words))
        .max_age_seconds(3600 - ctx.local_now().second_of_day() % 3600)
}

/// Sky, sun or moon, grass: forty pixels by twenty, the ground from 16 on.
fn backdrop(ctx: &Context<Settings>, class: &str) -> Element {
    let (sky, light) = match ctx.local_now().hour {
        8..=17 => ("w", circle(33, 5, 3).class("r")),
        6..=7 | 18..=19 => ("m", circle(33, 15, 5).class("r")),
        _ => ("b", circle(33, 5, 2.5).class("w")),
    };
    let blades: String = (0..13)
        .map(|i| format!("M{} 16h.75v1.5h-.75z", f64::from(i) * 3.25 + 1.0))
        .collect();
    let stars = (sky == "b")
        .then(|| path("M4 4h.5v.5h-.5zM10 9h.5v.5h-.5zM17 3h.5v.5h-.5zM25 7h.5v.5h-.5zM37 11h.5v.5h-.5z").class("w"));
    svg("0 0 40 20")
        .class(class)
        .attr("shape-rendering", "crispEdges")
        .child(rect(0, 0, 40, 20).class(sky))
        .children(stars)
        .child(light)
        .child(rect(0, 16, 40, 4).class("g"))
        .child(path(blades).class("k"))
}

fn scene(ctx: &Context<Settings>, pet: &Pet, state: State, days: u64) -> Element {
    let look = look(ctx);
    let (body, other) = *Random::new(ctx.seed ^ hash("inks")).pick(look.inks);
    // Around the eyes is the body, or the face where it has one of its own.
    let skin = match look.kind {
        "mushroom" => "w",
        "small computer" => other,
        _ => body,
    };
    // Open eyes have two pixels, shut ones the lower, laughing ones the upper.
    let (upper, lower) = match state {
        State::Asleep => (skin, "k"),
        State::Happy => ("k", skin),
        _ => ("k", "k"),
    };
    let mouth = if matches!(state, State::Asleep | State::Lonely) {
        "k"
    } else {
        "r"
    };
    let inks = [
        ('#', "k"),
        ('o', body),
        ('l', other),
        ('w', "w"),
        ('m', mouth),
        ('E', upper),
        ('e', lower),
    ];
    let (wide, high) = (look.rows[0].len() as i32, look.rows.len() as i32);
    let (x, y) = ((34 - wide) / 2, 17 - high);
    let mut creature = g().class("pet").children(pixels(x, y, look.rows, &inks));
    if days >= 30 {
        creature = creature.children(pixels(x + wide / 2 - 4, y - 2, &HAT, &[('#', "k"), ('r', "r")]));
    }
    // The young are smaller: scaled about the middle of the ground they stand on.
    if days < 3 {
        creature = g()
            .transform("translate(17 17) scale(.7) translate(-17 -17)")
            .child(creature);
    }
    let belly = pet.fed_until.saturating_sub(ctx.now) / MEAL_LASTS;
    let meal = match belly {
        0 => MEAL[0],
        1 | 2 => MEAL[1],
        _ => MEAL[2],
    };
    let bowl = pixels(29, 15, &BOWL, &[('#', "k"), ('r', "r")]);
    let z = |x, y| pixels(x, y, &["zzzz", "..z.", ".z..", "zzzz"], &[('z', "w")]);
    let sleeping = (state == State::Asleep).then(|| g().class("zz").children(z(23, 5)).children(z(28, 1)));
    backdrop(ctx, if state == State::Happy { "scene hops" } else { "scene" })
        .children(bowl)
        .children(pixels(29, 15, &[meal], &[('o', "w")]))
        .child(creature)
        .children(sleeping)
}

fn look(ctx: &Context<Settings>) -> &'static Look {
    ctx.random().pick(&LOOKS)
}

fn name(ctx: &Context<Settings>) -> String {
    const NAMES: [&str; 16] = [
        "Lint", "Crumb", "Pip", "Modem", "Gus", "Nib", "Ohm", "Bracket", "Soot", "Tofu", "Dot", "Baud", "Moss", "Fig",
        "Relay", "Umbra",
    ];
    match ctx.settings.name.trim() {
        "" => Random::new(ctx.seed ^ hash("name")).pick(&NAMES).to_string(),
        name => name.into(),
    }
}

register!(interactive PixelPet);
