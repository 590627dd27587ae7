//! Clock: the owner's time, on paper by day and on blue after dark.

use neospace_plugin::{
    Context, Element, View, Widget,
    html::{div, p, strong, time},
    register,
    svg::{circle, g, line, path, svg},
    time::DateTime,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    place: String,
    face: Face,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Face {
    Hands,
    Figures,
    Both,
}

struct Clock;

impl Widget for Clock {
    type Settings = Settings;

    fn render(ctx: &Context<Settings>) -> View {
        let now = ctx.local_now();
        let settings = &ctx.settings;
        let place = match settings.place.trim() {
            "" => format!("where {} is", ctx.wall),
            place => place.into(),
        };
        let says = p()
            .class("says")
            .text(format!("It is {} ", hour_in_words(now.hour)))
            .child(strong().text(place));
        let figures = || time(now.clock()).class("figures").text(now.clock());
        let clock = div().class("clock");
        let clock = match settings.face {
            Face::Hands => clock.child(face(now)).child(says),
            Face::Figures => clock.child(figures()).child(says),
            Face::Both => clock
                .child(face(now))
                .child(div().class("both stack g-2").child(figures()).child(says)),
        };
        View::from(clock).max_age_seconds(60 - u32::from(now.second))
    }
}

fn hour_in_words(hour: u8) -> &'static str {
    match hour {
        0..=3 => "deep in the night",
        4..=5 => "before dawn",
        6..=8 => "early",
        9..=11 => "morning",
        12 => "noon",
        13..=16 => "afternoon",
        17..=20 => "evening",
        21..=22 => "late",
        _ => "very late",
    }
}

fn face(now: DateTime) -> Element {
    let minutes = f64::from(now.hour) * 60.0 + f64::from(now.minute);
    let (minute_hand, hour_hand) = (f64::from(now.minute) * 6.0, minutes * 0.5);
    let (sky, dark) = match now.hour {
        8..=17 => ("w", false),
        6..=7 | 18..=19 => ("m", true),
        _ => ("b", true),
    };
    let ticks = (0..12).map(|hour| {
        let length = if hour % 3 == 0 { 9 } else { 5 };
        line(50, 9, 50, 9 + length)
            .class("tick")
            .transform(format!("rotate({} 50 50)", hour * 30))
    });
    let hand = |degrees: f64, length: i32, class: &str| {
        let hand = line(50, 50, 50, 50 - length).class(format!("hand {class}"));
        g().transform(format!("rotate({} 50 50)", degrees.round() as i32))
            .child(hand)
    };
    svg("0 0 100 100")
        .class(if dark { "after-dark" } else { "" })
        .picture(format!("A clock that shows {}", now.clock()))
        .child(circle(50, 50, 46).class(format!("{sky} ol rim")))
        .children(sun_or_moon(minutes))
        .children(ticks)
        .child(hand(hour_hand, 20, "hour"))
        .child(hand(minute_hand, 33, "minute"))
        .child(circle(50, 50, 5).class("r ol").attr("stroke-width", 2))
}

/// On its way from the left to the right edge of the dial: the sun from 6 to 20, the moon and three stars from then on.
fn sun_or_moon(minutes: f64) -> Vec<Element> {
    let by_day = (360.0..1200.0).contains(&minutes);
    let way = if by_day {
        (minutes - 360.0) / 840.0
    } else {
        ((minutes + 240.0) % 1440.0) / 600.0
    };
    // A low arc: half a turn of a circle around the middle, from due west to due east.
    let angle = std::f64::consts::PI * way;
    let (x, y) = (50.0 - 30.0 * angle.cos(), 50.0 - 28.0 * angle.sin());
    if by_day {
        return vec![circle(x, y, 7.0).class("r")];
    }
    let moon = path("M3 -8a8 8 0 1 0 5 11A7 7 0 0 1 3 -8z").class("g");
    vec![
        moon.transform(format!("translate({} {})", x.round() as i32, y.round() as i32)),
        path("M28 66h3v3h-3zM70 70h3v3h-3zM50 78h3v3h-3z").class("w"),
    ]
}

register!(widget Clock);
