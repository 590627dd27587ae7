//! A module as the template shows it: what the plugin platform says of it, in words for people.

use std::sync::Arc;

use neospace_runner::protocol::ViewerClass;
use serde::Serialize;

use super::{queries::Module, time};
use crate::{
    app::App,
    error::Error,
    plugins::{Role, Shown, ShownState, Standing},
    profiles::Profile,
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
    view: &'a str,
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
    /// What the plugin shows; nothing on a page without plugins.
    pub shown: Option<&'a Shown>,
    /// A sentence for the one who acted, and whether it was refused.
    pub said: Option<(&'a str, bool)>,
}

/// A card's markup.
///
/// # Errors
/// The template's.
pub fn render(app: &App, parts: &Parts) -> Result<String, Error> {
    app.html.render("walls/module.html", minijinja::context! { m => card(app, parts) })
}

fn card<'a>(app: &App, parts: &Parts<'a>) -> Card<'a> {
    let Parts { owner, module, class, standing, shown, said } = *parts;
    let plugin = standing.plugin();
    let manifest = plugin.map(|plugin| &plugin.manifest);
    let sticker = plugin.is_some_and(|plugin| plugin.roles.sticker);
    let (state, stamp, note) = state(class, standing, shown);
    let shown_fresh = shown.filter(|_| matches!(state, "fresh" | "stale"));
    Card {
        id: module.id,
        wall: &owner.name,
        plugin: &module.plugin,
        name: manifest.map_or(&*module.plugin, |manifest| &manifest.name),
        version: manifest.map_or("", |manifest| &manifest.version),
        plate: manifest.and_then(|manifest| manifest.plate.as_deref()).unwrap_or(""),
        kind: if sticker { "sticker" } else { "widget" },
        width: module.width,
        height: module.height,
        limits: manifest.map_or_else(|| "1 1".into(), |m| format!("{} {}", m.size.min_width, m.size.min_height)),
        state,
        stamp,
        note,
        view: shown_fresh.map_or("", |shown| &shown.html),
        sheet: plugin.map_or("", |plugin| plugin.sheet()),
        drawing: if sticker { drawing_address(owner, module, plugin) } else { String::new() },
        until: shown_fresh.and_then(|shown| shown.expires).unwrap_or(0),
        own: class == ViewerClass::Owner,
        said: said.map_or("", |(text, _)| text),
        said_bad: said.is_some_and(|(_, bad)| bad),
        cost: shown.map(|shown| cost(&shown.cost)),
    }
}
