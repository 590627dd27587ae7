//! A module as the template shows it: what the plugin platform says of it, in words for people.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use neospace_runner::protocol::ViewerClass;
use serde::Serialize;

use super::queries::Module;
use crate::{
    app::App,
    cache::Audience,
    error::Error,
    fragments::{self, Key},
    plugins::{
        self, Plugin, Shown, ShownState, Standing,
        pace::{Figures, Trouble},
    },
    profiles::Profile,
    session::Viewer,
    words,
};

/// What `templates/walls/module.html` reads as `m`.
#[derive(Serialize)]
pub struct Card<'a> {
    id: i64,
    wall: &'a str,
    plugin: &'a str,
    name: &'a str,
    version: &'a str,
    plate: &'a str,
    kind: &'static str,
    width: u8,
    height: u8,
    /// Least width and height.
    limits: String,
    state: &'static str,
    stamp: &'static str,
    note: String,
    view: Cow<'a, str>,
    sheet: &'a str,
    drawing: String,
    /// Unix milliseconds from which on the view should be asked for again; 0: never.
    until: i64,
    own: bool,
    said: &'a str,
    said_bad: bool,
    cost: Option<Cost>,
}

/// What a call cost, in words.
#[derive(Clone, Serialize)]
pub struct Cost {
    pub fuel: String,
    pub fuel_limit: String,
    /// Of the meter, in percent.
    pub width: f64,
    /// The most that was ever burnt, in percent.
    pub peak: Option<f64>,
    pub time: String,
    pub fault: String,
}

/// What a card is made of.
pub struct Parts<'a> {
    pub owner: &'a Profile,
    pub module: &'a Module,
    pub class: ViewerClass,
    pub standing: &'a Standing,
    /// What people call the plugin, if this server has ever had it.
    pub name: Option<&'a str>,
    /// What the plugin shows; nothing on a page without plugins.
    pub shown: Option<&'a Shown>,
    /// A sentence for the one who acted, and whether it was refused.
    pub said: Option<(&'a str, bool)>,
    /// In the plain view: without the plugin's own CSS.
    pub plain: bool,
}

/// A card's markup, as it was rendered before if nothing of it has changed.
///
/// # Errors
/// The template's.
pub fn render(app: &App, parts: &Parts, viewer: &Viewer) -> Result<Arc<str>, Error> {
    let fresh = || {
        app.html
            .render("walls/module.html", minijinja::context! { m => card(parts) })
    };
    let (Some(shown), Standing::Ready(plugin), None) = (parts.shown, parts.standing, parts.said) else {
        return Ok(fresh()?.into());
    };
    if shown.state != ShownState::Fresh {
        return Ok(fresh()?.into());
    }
    let audience = match viewer.id() {
        Some(id) if shown.personal => Audience::Member(id),
        _ => viewer.audience(Some(parts.owner.user_id)),
    };
    let made_from = fragments::hash((
        parts.module,
        &parts.owner.name,
        plugin.sha256,
        Arc::as_ptr(plugin) as usize,
    ));
    let key = Key {
        kind: if parts.plain { "plain card" } else { "card" },
        id: parts.module.id,
        audience,
    };
    app.fragments.get_or_render(key, made_from, Some(&shown.html), fresh)
}

fn card<'a>(parts: &Parts<'a>) -> Card<'a> {
    let Parts {
        owner,
        module,
        class,
        standing,
        name,
        shown,
        said,
        plain,
    } = *parts;
    let plugin = standing.plugin();
    let manifest = plugin.map(|plugin| &plugin.manifest);
    let sticker = plugin.is_some_and(|plugin| plugin.roles.sticker);
    let (state, stamp, note) = state(class, standing, shown);
    let shown_fresh = shown.filter(|_| matches!(state, "fresh" | "stale"));
    let view = shown_fresh.map_or(Cow::Borrowed(""), |shown| match plain {
        true => Cow::Owned(back_to_plain(&shown.html, &owner.name, module.id)),
        false => Cow::Borrowed(&*shown.html),
    });
    Card {
        id: module.id,
        wall: &owner.name,
        plugin: &module.plugin,
        name: name.unwrap_or(&module.plugin),
        version: manifest.map_or("", |manifest| &manifest.version),
        plate: manifest.and_then(|manifest| manifest.plate.as_deref()).unwrap_or(""),
        kind: if sticker { "sticker" } else { "widget" },
        width: module.width,
        height: module.height,
        limits: manifest.map_or_else(
            || "1 1".into(),
            |m| format!("{} {}", m.size.min_width, m.size.min_height),
        ),
        state,
        stamp,
        note,
        view,
        sheet: plugin.filter(|_| !plain).map_or("", |plugin| plugin.sheet()),
        drawing: plugin
            .filter(|_| sticker)
            .map(|plugin| drawing_address(owner, module, plugin))
            .unwrap_or_default(),
        until: shown_fresh.and_then(|shown| shown.expires).unwrap_or(0),
        own: class == ViewerClass::Owner,
        said: said.map_or("", |(text, _)| text),
        said_bad: said.is_some_and(|(_, bad)| bad),
        cost: shown.map(|shown| cost(&shown.cost)),
    }
}

/// What asks for the plain view.
pub const PLAIN: &str = "?plain=1";

/// A view whose forms lead back to the plain view. The markup is our own writer's, so an address stands in it in one way only.
fn back_to_plain(view: &str, wall: &str, id: i64) -> String {
    let action = |query: &str| format!("action=\"/wall/{wall}/modules/{id}/act{query}\"");
    view.replace(&action(""), &action(PLAIN))
}

/// The address of a sticker's picture: another one when the settings or the plugin change.
fn drawing_address(owner: &Profile, module: &Module, plugin: &Plugin) -> String {
    // The same after a restart, so that browsers keep what they have.
    let mut hasher = DefaultHasher::new();
    (&module.settings, &plugin.sha256).hash(&mut hasher);
    format!(
        "/wall/{}/modules/{}/drawing.svg?v={:x}",
        owner.name,
        module.id,
        hasher.finish()
    )
}

/// How a module stands: the template's word for it, a stamp, a sentence.
fn state(class: ViewerClass, standing: &Standing, shown: Option<&Shown>) -> (&'static str, &'static str, String) {
    let own = class == ViewerClass::Owner;
    let kept = if own { " What it stored here is kept." } else { "" };
    match standing {
        Standing::Ready(_) => match shown.map(|shown| &shown.state) {
            None => (
                "safe",
                "Plugins are off",
                "On this page no plugin is asked for anything.".into(),
            ),
            Some(ShownState::Fresh) => ("fresh", "", String::new()),
            Some(ShownState::Stale { since_ms, why }) => (
                "stale",
                "",
                format!("{why} This is the view from {}.", words::time(*since_ms)),
            ),
            Some(ShownState::Failed { why }) => ("failed", "It could not draw itself", why.clone()),
            // Between the two looks it was switched off: the next patch says how it stands.
            Some(ShownState::Tombstone) => ("tomb", "resting", "This plugin is not running just now.".into()),
        },
        Standing::Revoked { why, when, .. } => {
            let because = if why.is_empty() {
                ".".into()
            } else {
                format!(": “{}”.", why.trim_end_matches('.'))
            };
            (
                "tomb",
                "revoked",
                format!(
                    "The operator withdrew this plugin on {}{because}{kept}",
                    words::time(*when)
                ),
            )
        }
        Standing::Disabled(_) => (
            "tomb",
            "resting",
            format!("The operator has switched this plugin off for now.{kept} It comes back as it was."),
        ),
        Standing::Missing(_) => (
            "tomb",
            "gone",
            format!("This plugin is not installed here any more.{kept}"),
        ),
        Standing::Broken { .. } => (
            "tomb",
            "broken",
            format!("This plugin can't be loaded just now; the operator's log says why.{kept}"),
        ),
    }
}

/// A cost in words.
pub fn cost(cost: &plugins::Cost) -> Cost {
    let percent = |fuel: u64| (fuel as f64 * 100.0 / cost.fuel_limit.max(1) as f64).min(100.0);
    Cost {
        fuel: words::fuel(cost.fuel),
        fuel_limit: words::fuel(cost.fuel_limit),
        width: percent(cost.fuel),
        peak: None,
        time: words::duration(Duration::from_micros(cost.time_us)),
        fault: fault(cost.last_fault.as_ref()),
    }
}

/// The latest fault in words: "3 Nov, 01:22 UTC, ran out of fuel".
pub fn fault(trouble: Option<&Trouble>) -> String {
    trouble.map_or_else(
        || "never".into(),
        |trouble| format!("{}, {}", words::time(trouble.at), trouble.what),
    )
}

/// The fuel meter of a plugin's own page: its usual view, and the most that a call ever took.
pub fn meter(plugin: &Plugin, figures: &Figures) -> Cost {
    let limit = plugin.limits.render_fuel.max(1);
    let percent = |fuel: u64| (fuel as f64 * 100.0 / limit as f64).min(100.0);
    Cost {
        fuel: words::fuel(figures.fuel_usual),
        fuel_limit: words::fuel(limit),
        width: percent(figures.fuel_usual),
        peak: Some(percent(figures.fuel_max).min(98.8)),
        time: words::duration(Duration::from_micros(figures.time_us_usual)),
        fault: fault(figures.last_fault.as_ref()),
    }
}

/// Why a plugin can't be put up: a stamp and a sentence, or nothing for one that runs.
pub fn standing_in_words(standing: &Standing) -> (&'static str, String) {
    match standing {
        Standing::Ready(_) => ("", String::new()),
        other => {
            let (_, stamp, sentence) = state(ViewerClass::Guest, other, None);
            (stamp, sentence)
        }
    }
}
