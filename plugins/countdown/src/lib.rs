//! Countdown: days until something, torn off a calendar at the owner's midnight; on the last two, hours and minutes.

use neospace_plugin::{
    Context, Element, View, Widget,
    html::{a, div, p, small, span, strong, time},
    register,
    svg::{path, polygon, rect, svg, text},
    time::DateTime,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    event: String,
    /// `2026-11-21T18:00` by the owner's clock, or empty.
    date: String,
    after: String,
}

struct Countdown;

impl Widget for Countdown {
    type Settings = Settings;

    fn render(ctx: &Context<Settings>) -> View {
        let Some(date) = DateTime::parse(&ctx.settings.date) else {
            return empty(ctx);
        };
        let now = ctx.local_now();
        let event = match ctx.settings.event.trim() {
            "" => "the day",
            // The sentence has an "until" of its own.
            event => event.strip_prefix("until ").unwrap_or(event),
        };
        let days = date.days() - now.days();
        let minutes_left = (days * 86_400 + i64::from(date.second_of_day()) - i64::from(now.second_of_day()) + 59) / 60;
        if minutes_left > 48 * 60 {
            let wait = format!("{days} days until {event}");
            let leaf = leaf(days, "days", date).picture(&wait);
            let says = p().class("says").text("until ").child(strong().text(event));
            page(leaf, says, Some(when(date))).max_age_seconds(ctx.seconds_to_midnight())
        } else if minutes_left > 0 {
            let says = p().class("says").text("until ").child(strong().text(event));
            page(flaps(minutes_left), says, Some(when(date))).max_age_seconds(60 - u32::from(now.second))
        } else if days == 0 {
            let says = p()
                .class("says")
                .child(strong().text(event))
                .text(". ")
                .text(&ctx.settings.after);
            page(burst(), says, None).max_age_seconds(ctx.seconds_to_midnight())
        } else {
            let ago = -days;
            let unit = if ago == 1 { "day" } else { "days" };
            let leaf = leaf(ago, unit, date).picture(format!("{ago} {unit} since {event}"));
            let says = p().class("says").text("since ").child(strong().text(event));
            page(leaf, says, Some(when(date))).max_age_seconds(ctx.seconds_to_midnight())
        }
    }
}

fn page(picture: Element, says: Element, when: Option<Element>) -> View {
    let words = div().class("stack g-2").child(says).children(when);
    div().class("wait").child(picture).child(words).into()
}

fn when(date: DateTime) -> Element {
    let day = format!(
        "{} {} {} {}, {}",
        date.weekday_name(),
        date.day,
        date.month_name(),
        date.year,
        date.clock()
    );
    time(date.iso()).class("when").text(day)
}

/// A calendar's top leaf, the pile beneath it a plate out of register.
fn leaf(number: i64, unit: &str, date: DateTime) -> Element {
    let digits = number.to_string();
    let size = [72, 72, 66, 50, 40][digits.len().min(4)];
    svg("0 0 108 108")
        .class("leaf")
        .child(rect(12, 18, 92, 86).class("b"))
        .child(rect(4, 10, 92, 86).class("w ol"))
        .child(rect(4, 10, 92, 22).class("r ol"))
        .child(path("M24 2v16M76 2v16").class("ln").attr("stroke-width", 6))
        .child(text(50, 27, &date.month_name()[..3]).class("k").attr("font-size", 20))
        .child(text(50, 44 + size / 2, digits).class("k").attr("font-size", size))
        .child(text(50, 92, unit).class("k").attr("font-size", 20))
}

/// The last two days, on flaps like a station's board.
fn flaps(minutes: i64) -> Element {
    let flap = |number: i64, one: &str, many: &str| {
        span()
            .class("flap")
            .child(strong().text(number))
            .child(small().text(if number == 1 { one } else { many }))
    };
    let hours = (minutes >= 60).then(|| flap(minutes / 60, "hour", "hours"));
    div()
        .class("flaps")
        .children(hours)
        .child(flap(minutes % 60, "minute", "minutes"))
}

fn burst() -> Element {
    svg("0 0 96 96")
        .class("here")
        .child(polygon("51,5 59,16 71,10 73,23 87,22 83,35 96,41 87,51 96,61 83,67 87,80 73,79 71,92 59,86 51,97 43,86 31,92 29,79 15,80 19,67 6,61 15,51 6,41 19,35 15,22 29,23 31,10 43,16").class("r"))
        .child(polygon("48,2 56,13 68,7 70,20 84,19 80,32 93,38 84,48 93,58 80,64 84,77 70,76 68,89 56,83 48,94 40,83 28,89 26,76 12,77 16,64 3,58 12,48 3,38 16,32 12,19 26,20 28,7 40,13").class("g ol"))
        .child(path("M44 26h9v30h-9zM44 62h9v9h-9z").class("k"))
        .ornament()
}

fn empty(ctx: &Context<Settings>) -> View {
    let hourglass = svg("0 0 96 96")
        .child(path("M22 12h52v8c0 14-18 18-18 28s18 14 18 28v8H22v-8c0-14 18-18 18-28S22 34 22 20z").class("w ol"))
        .child(path("M30 80c2-10 12-10 18-18 6 8 16 8 18 18z").class("r"))
        .child(path("M18 10h60M18 86h60").class("ln").attr("stroke-width", 6))
        .ornament();
    let nothing = div().class("nothing").child(hourglass);
    if ctx.is_owner() {
        let set = a(format!("/wall/{}?edit=1", ctx.wall))
            .class("btn plate-blue")
            .text("Pick a day");
        nothing.child(p().text("Nothing to wait for, yet.")).child(set).into()
    } else {
        nothing
            .child(p().text(format!(
                "{} is not waiting for anything. It is a way to live.",
                ctx.wall
            )))
            .into()
    }
}

register!(widget Countdown);
