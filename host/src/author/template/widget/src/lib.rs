//! A fortune cookie: another sentence every day, the same for everyone who passes by.

use neospace_plugin::{
    Context, Element, Random, View, Widget,
    html::p,
    register,
    svg::{path, rect, svg},
};
use serde::Deserialize;

/// The owner's settings: a field for each `[[settings]]` in plugin.toml.
#[derive(Deserialize)]
struct Settings {
    fortunes: String,
}

struct Plugin;

impl Widget for Plugin {
    type Settings = Settings;

    fn render(ctx: &Context<Settings>) -> View {
        let fortunes: Vec<&str> = ctx.settings.fortunes.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if fortunes.is_empty() {
            return p().class("faint").text("An empty cookie. Its owner has written no fortune yet.").into();
        }
        let today = ctx.local_now();
        // The seed belongs to this module alone, so two cookies on two walls break differently.
        let mut random = Random::new(ctx.seed ^ today.days() as u64);
        View::new()
            .child(cookie(&mut random))
            .child(p().class("fortune").text(*random.pick(&fortunes)))
            .child(p().class("faint").text(format!("for {}", today.weekday_name())))
            .max_age_seconds(ctx.seconds_to_midnight())
    }
}

/// Two halves, a slip of paper between them, and crumbs where they fell today.
fn cookie(random: &mut Random) -> Element {
    let crumbs = (0..7).map(|_| rect(random.between(10, 82), random.between(66, 78), 4, 4).class("m"));
    svg("0 0 96 80")
        .picture("A broken fortune cookie")
        .child(path("M44 60C20 62 8 46 14 26c8 12 22 14 32 10z").class("r ol"))
        .child(path("M52 58c22 4 36-10 32-30-8 10-20 12-32 6z").class("r ol"))
        .child(path("M26 42l46-8 2 12-46 8z").class("w ol"))
        .children(crumbs)
}

register!(widget Plugin);
