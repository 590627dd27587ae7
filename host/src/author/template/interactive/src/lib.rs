//! A doorbell: whoever passes may ring it and say a word through the door.

use neospace_plugin::{
    Actions, Context, Element, Outcome, Refusal, Submission, View, Widget,
    html::{button, field, form, input, p},
    live, register, storage,
    svg::{circle, g, path, rect, svg},
    viewer,
};
use serde::{Deserialize, Serialize};

/// Characters that fit through the door.
const WORDS_MAX: usize = 60;
/// For how long the bell swings, in milliseconds.
const SWING_MS: u64 = 60_000;

/// The owner's settings: a field for each `[[settings]]` in plugin.toml.
#[derive(Deserialize)]
struct Settings {
    plate: String,
}

/// The last ring, as storage keeps it. Nothing else survives a call.
#[derive(Serialize, Deserialize)]
struct Ring {
    who: String,
    words: String,
    at: u64,
}

struct Plugin;

impl Widget for Plugin {
    type Settings = Settings;

    /// Makes what is shown. It may read storage, and can't write it.
    fn render(ctx: &Context<Settings>) -> View {
        let last: Option<Ring> = storage::json("last").unwrap_or_default();
        let swings_for = last.as_ref().map_or(0, |ring| (ring.at + SWING_MS).saturating_sub(ctx.now));
        let said = match &last {
            None => p().class("faint").text("Nobody has rung yet."),
            Some(ring) => {
                let when = ctx.local(ring.at).brief(ctx.local_now());
                p().class("said").text(format!("“{}” — {}, {when}", ring.words, ring.who))
            }
        };
        let words = input("words").attr("maxlength", WORDS_MAX).attr("placeholder", "Anybody home?").flag("required", true);
        View::new()
            .child(bell(swings_for > 0))
            .child(p().class("plate").text(&ctx.settings.plate))
            .child(said)
            .child(form("ring").child(field("Say a word", words)).child(button("Ring").class("plate-red")))
            // The bell comes to rest by itself, and at midnight "today" is another day.
            .max_age_seconds(if swings_for > 0 { swings_for.div_ceil(1000) as u32 } else { ctx.seconds_to_midnight() })
    }
}

impl Actions for Plugin {
    /// Answers a press. What it writes becomes real when it returns `Ok`, all at once, and not at all otherwise.
    fn act(ctx: &Context<Settings>, action: &Submission) -> Result<Outcome, Refusal> {
        if action.name != "ring" {
            return Err(action.unknown());
        }
        let words = action.line("words", WORDS_MAX)?;
        let who = viewer::name().unwrap_or_else(|| "somebody".into());
        storage::put_json("last", &Ring { who, words, at: ctx.now })?;
        live::refresh();
        Ok(Outcome::says("Ding, dong."))
    }
}

fn bell(swings: bool) -> Element {
    let dome = g()
        .child(path("M48 22c-14 0-22 10-22 26v16l-6 8h56l-6-8V48c0-16-8-26-22-26z").class(if swings { "r ol" } else { "g ol" }))
        .child(circle(48, 80, 6).class("k"));
    let waves = swings.then(|| path("M14 24c-5 7-7 14-7 22M24 14l-4 3M82 24c5 7 7 14 7 22M72 14l4 3").class("ln"));
    svg("0 0 96 96")
        .picture(if swings { "A bell, ringing" } else { "A bell at rest" })
        .child(rect(43, 8, 10, 16).class("k"))
        .child(if swings { dome.transform("rotate(14 48 14)") } else { dome })
        .children(waves)
}

register!(interactive Plugin);
