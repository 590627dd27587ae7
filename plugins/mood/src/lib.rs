//! Mood: a sky, one line under it, and since when. The owner changes it on the wall itself.

use neospace_plugin::{
    Actions, Context, Element, NoSettings, Outcome, Refusal, Submission, View, Widget,
    html::{button, details, div, field, form, input, option, p, select, summary},
    live, register, storage,
    svg::{circle, path, polygon, rect, svg},
};
use serde::{Deserialize, Serialize};

const LINE_MAX: usize = 80;
const KEY: &str = "mood";

#[derive(Serialize, Deserialize)]
struct Now {
    line: String,
    sky: Sky,
    /// Unix milliseconds.
    since: u64,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sky {
    Sun,
    Cloud,
    Rain,
    Storm,
    Fog,
    Snow,
    Night,
}

const SKIES: [Sky; 7] = [
    Sky::Sun,
    Sky::Cloud,
    Sky::Rain,
    Sky::Storm,
    Sky::Fog,
    Sky::Snow,
    Sky::Night,
];

struct Mood;

impl Widget for Mood {
    type Settings = NoSettings;

    fn render(ctx: &Context<NoSettings>) -> View {
        let now = match storage::json::<Now>(KEY) {
            Ok(now) => now,
            Err(why) => return p().class("faint").text(why.to_string()).into(),
        };
        match now {
            Some(now) => shown(ctx, &now),
            None => empty(ctx),
        }
    }
}

impl Actions for Mood {
    fn act(ctx: &Context<NoSettings>, action: &Submission) -> Result<Outcome, Refusal> {
        if action.name != "set" {
            return Err(action.unknown());
        }
        if !ctx.is_owner() {
            return Err(format!("Only {} knows the weather in there.", ctx.wall).into());
        }
        let line = action.line("line", LINE_MAX)?;
        let sky = SKIES.into_iter().find(|sky| sky.value() == action.field("sky"));
        let sky = sky.ok_or_else(|| Refusal::of_field("sky", "Pick one of the skies in the list."))?;
        storage::put_json(
            KEY,
            &Now {
                line,
                sky,
                since: ctx.now,
            },
        )?;
        live::refresh();
        Ok(Outcome::quiet())
    }
}

fn shown(ctx: &Context<NoSettings>, now: &Now) -> View {
    let change = ctx.is_owner().then(|| {
        let form = the_form("Change it", Some(now));
        details().child(summary().text("The wind has turned")).child(form)
    });
    View::new()
        .child(
            div()
                .class("sky")
                .child(now.sky.picture())
                .child(p().class("line").text(&now.line)),
        )
        .child(p().class("since").text(since(ctx, now.since)))
        .children(change)
        .max_age_seconds(ctx.seconds_to_midnight())
}

fn empty(ctx: &Context<NoSettings>) -> View {
    let vane = svg("0 0 96 96")
        .child(path("M46 34h5v50h-5z").class("k"))
        .child(path("M30 84h37v6H30z").class("k"))
        .child(path("M8 30h56V20l24 17-24 17V44H8l8-7z").class("r ol"))
        .child(circle(48.5, 37, 6).class("w ol"))
        .ornament();
    let nothing = div().class("nothing").child(vane);
    if ctx.is_owner() {
        nothing
            .child(p().text("No weather yet. What is it like in there?"))
            .child(the_form("Hang it out", None))
            .into()
    } else {
        nothing
            .child(p().text(format!("{} has not looked out of the inner window yet.", ctx.wall)))
            .into()
    }
}

fn the_form(verb: &str, now: Option<&Now>) -> Element {
    let line = input("line")
        .attr("maxlength", LINE_MAX)
        .attr("placeholder", "luminous, slightly singed")
        .attr("value", now.map_or("", |now| &now.line))
        .flag("required", true);
    let chosen = now.map_or(Sky::Sun, |now| now.sky);
    let skies = SKIES.map(|sky| option(sky.value(), sky.name()).flag("selected", sky == chosen));
    form("set")
        .child(field("One line", line))
        .child(field("The sky", select("sky").children(skies)))
        .child(button(verb).class("plate-red"))
}

/// "since Sunday, at dusk": the words lose precision as the mood ages.
fn since(ctx: &Context<NoSettings>, since: u64) -> String {
    let (then, now) = (ctx.local(since), ctx.local_now());
    match now.days() - then.days() {
        0 => format!("since {}", today_since(then.hour)),
        1 => format!("since yesterday, {}", part_of_day(then.hour)),
        2..=6 => format!("since {}, {}", then.weekday_name(), part_of_day(then.hour)),
        _ if then.year == now.year => format!("since {} {}", then.day, then.month_name()),
        _ => format!("since {} {}", then.month_name(), then.year),
    }
}

fn today_since(hour: u8) -> &'static str {
    match hour {
        0..=4 => "the small hours",
        5..=6 => "dawn",
        7..=11 => "this morning",
        12 => "noon",
        13..=17 => "this afternoon",
        18..=20 => "dusk",
        _ => "nightfall",
    }
}

fn part_of_day(hour: u8) -> &'static str {
    match hour {
        5..=6 => "at dawn",
        7..=11 => "in the morning",
        12 => "at noon",
        13..=17 => "in the afternoon",
        18..=20 => "at dusk",
        _ => "at night",
    }
}

impl Sky {
    fn value(self) -> &'static str {
        match self {
            Self::Sun => "sun",
            Self::Cloud => "cloud",
            Self::Rain => "rain",
            Self::Storm => "storm",
            Self::Fog => "fog",
            Self::Snow => "snow",
            Self::Night => "night",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sun => "Sun, no wind",
            Self::Cloud => "One large cloud",
            Self::Rain => "Steady rain",
            Self::Storm => "Thunder nearby",
            Self::Fog => "Fog, horns",
            Self::Snow => "Snow, muffled",
            Self::Night => "Clear night",
        }
    }

    fn picture(self) -> Element {
        const CLOUD: &str = "M22 58c-12 0-14-18-1-19 0-17 24-20 28-6 14-5 24 5 18 13 9 1 8 12 0 12z";
        let sky = svg("0 0 96 96").picture(self.name());
        let ground = |class: &str| rect(0, 0, 96, 96).attr("class", class);
        match self {
            Self::Sun => sky
                .child(path("M48 6v12M48 78v12M6 48h12M78 48h12M18 18l9 9M69 69l9 9M18 78l9-9M69 27l9-9").class("ln"))
                .child(circle(48, 48, 22).class("r ol")),
            Self::Cloud => sky
                .child(circle(66, 30, 16).class("r ol"))
                .child(path(CLOUD).class("w ol").transform("translate(-2 10) scale(1.1)")),
            Self::Rain => sky
                .child(ground("b"))
                .child(path(CLOUD).class("w ol").transform("translate(4 -6) scale(1.05)"))
                .child(path("M28 64l-6 20M44 64l-6 20M60 64l-6 20M76 64l-6 20").class("lw")),
            Self::Storm => sky
                .child(ground("m"))
                .child(path(CLOUD).class("w ol").transform("translate(4 -6) scale(1.05)"))
                .child(polygon("50,50 34,72 46,72 40,92 64,64 51,64 60,50").class("r ol")),
            Self::Fog => sky
                .child(circle(48, 34, 18).class("g ol"))
                .child(path("M8 50h60M22 62h66M6 74h54M26 86h58").class("ln"))
                .child(path("M12 56h40M44 68h36").class("ln").attr("opacity", 0.5)),
            Self::Snow => sky
                .child(ground("b"))
                .child(
                    path("M14 14h8v8h-8zM44 8h8v8h-8zM74 20h8v8h-8zM28 36h8v8h-8zM60 42h8v8h-8zM10 56h8v8h-8z")
                        .class("w"),
                )
                .child(path("M0 74c16-10 30-8 46-2s34 4 50-6v30H0z").class("w ol")),
            Self::Night => sky
                .child(ground("k"))
                .child(path("M58 14a32 32 0 1 0 22 52A28 28 0 1 1 58 14z").class("g"))
                .child(path("M74 14l3 8 8 3-8 3-3 8-3-8-8-3 8-3z").class("w"))
                .child(path("M18 18h5v5h-5zM70 50h4v4h-4z").class("w")),
        }
    }
}

register!(interactive Mood);
