//! The plugin that `plugin_render` measures: reads 4 KB of settings and makes a view of 200 nodes.

use neospace_plugin::{
    Context, View, Widget,
    html::{h3, hr, li, ol, p, section, strong},
    register,
};

#[derive(serde::Deserialize)]
struct Settings {
    lines: Vec<Line>,
}

#[derive(serde::Deserialize)]
struct Line {
    name: String,
    text: String,
}

struct Tree;

impl Widget for Tree {
    type Settings = Settings;

    fn render(ctx: &Context<Settings>) -> View {
        // Six nodes a line: with 32 lines 192, and eight around them.
        let lines = ctx.settings.lines.iter().map(|line| {
            li().class("line")
                .child(strong().text(&line.name))
                .child(p().text(&line.text))
                .text(line.text.len())
        });
        section()
            .child(h3().text(format!("Lines on the wall of {}", ctx.wall)))
            .child(ol().class("lines").children(lines))
            .child(hr())
            .child(p().class("faint").text("Read from the settings."))
            .text(".")
            .into()
    }
}

register!(widget Tree);
