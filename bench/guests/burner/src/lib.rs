//! The plugin that `hostile_p99` lets loose: stays just under the limit of every call, for ever, and lets nothing of it
//! be kept: its view holds for no time, and asks who looks, so that everyone gets one of their own.

use std::hint::black_box;

use neospace_plugin::{
    Actions, Context, NoSettings, Outcome, Refusal, Submission, View, Widget,
    html::{button, p},
    register, viewer,
};

/// Rounds of [`burn`] that a `render` (10 M fuel) and an `act` (25 M) survive.
const RENDER_ROUNDS: u32 = 390_000;
const ACT_ROUNDS: u32 = 975_000;

struct Burner;

impl Widget for Burner {
    type Settings = NoSettings;

    fn render(ctx: &Context<NoSettings>) -> View {
        let who = viewer::pseudonym().unwrap_or_default();
        View::new()
            .child(p().text(format!("{who} {}", burn(ctx.now, RENDER_ROUNDS))))
            .child(button("Burn").action("burn", ""))
            .max_age_seconds(0)
    }
}

impl Actions for Burner {
    fn act(ctx: &Context<NoSettings>, _: &Submission) -> Result<Outcome, Refusal> {
        burn(ctx.now, ACT_ROUNDS);
        Ok(Outcome::quiet())
    }
}

/// About 24 units of fuel a round.
fn burn(seed: u64, rounds: u32) -> u64 {
    let mut state = seed | 1;
    for _ in 0..rounds {
        state = black_box(state ^ state << 13);
        state ^= state >> 7;
    }
    state
}

register!(interactive Burner);
