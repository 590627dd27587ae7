//! The tables of `docs/plugins/reference.md`, written from the host's own, so that the guide can't say anything else.
//!
//! A table stands between `<!-- table: NAME -->` and `<!-- end -->`; `neospace plugin reference FILE` writes them anew.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::plugins::{
    css, grants,
    vocabulary::{self, Kind, content, nature},
};

const BEGIN: &str = "<!-- table: ";
const END: &str = "<!-- end -->";
/// Why writing into a text can't fail.
const NEVER: &str = "a String takes every write";

/// The command: writes the tables of a file anew.
pub fn main(file: &Path) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    super::build::write_file(file, fill(&text)?.as_bytes())
}

/// The text with every table written anew.
///
/// # Errors
/// When a table has no end, or a name that isn't known.
pub fn fill(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->").context("a table's mark is cut off")?;
        let (_, after) = after
            .split_once(END)
            .with_context(|| format!("the table “{name}” has no end"))?;
        let table = match name {
            "elements" => elements(),
            "attributes" => attributes(),
            "capabilities" => capabilities(),
            "properties" => css::properties()
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(" · "),
            _ => bail!("there is no table “{name}”: elements, attributes, capabilities, properties"),
        };
        write!(out, "{before}{BEGIN}{name} -->\n\n{}\n\n{END}", table.trim_end())?;
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// What an element may hold, or where it may stand, in words.
const PLACES: [(u32, &str); 16] = [
    (content::TEXT, "text"),
    (content::PHRASING, "inline"),
    (content::BLOCK, "blocks"),
    (content::ITEM, "`li`"),
    (content::TERM, "`dt` `dd`"),
    (content::TABLE_PART, "`caption` `thead` `tbody` `tfoot`"),
    (content::ROW, "`tr`"),
    (content::CELL, "`th` `td`"),
    (content::OPTION, "`option`"),
    (content::OPTION_GROUP, "`optgroup`"),
    (content::SUMMARY, "`summary`"),
    (content::LEGEND, "`legend`"),
    (content::FIGURE_CAPTION, "`figcaption`"),
    (content::RUBY_TEXT, "`rt` `rp`"),
    (content::SHAPE, "shapes"),
    (content::SPAN_OF_SVG_TEXT, "`tspan`"),
];
const MORE_PLACES: [(u32, &str); 2] = [(content::GRADIENT, "gradients"), (content::STOP, "`stop`")];

fn elements() -> String {
    let of = |name: &str| vocabulary::element_named(name).map_or(0, |element| element.attributes);
    // What every element of HTML takes, what every shape takes, and what groups and letters take besides.
    let (html, shape) = (of("div"), of("rect") & of("circle"));
    let lettering = of("g") & !shape;
    let names = |bits: u128| {
        let all = vocabulary::ATTRIBUTES.iter().enumerate();
        all.filter(|(i, _)| bits & (1 << i) != 0)
            .map(|(_, a)| format!("`{}`", a.name))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut out =
        String::from("| element | stands among | holds | attributes of its own |\n| --- | --- | --- | --- |\n");
    for element in vocabulary::ELEMENTS {
        let mut holds = places(element.accepts).join(", ");
        if holds.is_empty() {
            holds.push_str("nothing");
        }
        let kinds = [
            (nature::BLOCK, "block"),
            (nature::INTERACTIVE, "control or link"),
            (nature::FORM, "form"),
            (nature::HEADING, "heading"),
            (nature::LABEL, "label"),
        ];
        for (_, kind) in kinds.iter().filter(|(bit, _)| element.forbids & bit != 0) {
            write!(holds, "; no {kind}, however deep").expect(NEVER);
        }
        let common = if element.place & (content::GRADIENT | content::STOP) != 0 {
            0
        } else {
            html | shape | lettering
        };
        let (name, place, own) = (
            element.name,
            places(element.place).join(", "),
            names(element.attributes & !common),
        );
        writeln!(out, "| `{name}` | {place} | {holds} | {own} |").expect(NEVER);
    }
    let (html, shape, lettering) = (names(html), names(shape), names(lettering));
    writeln!(
        out,
        "\nEvery element of HTML, and `svg`, also takes {html}. Every shape, and `svg`, also takes {shape} (but `title` and \
         `desc` take none). `svg`, `g`, `text` and `tspan` also take {lettering}.",
    )
    .expect(NEVER);
    out
}

fn places(bits: u32) -> Vec<&'static str> {
    PLACES
        .iter()
        .chain(&MORE_PLACES)
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, words)| *words)
        .collect()
}

fn attributes() -> String {
    let mut out = String::from("| attribute | value |\n| --- | --- |\n");
    for attribute in vocabulary::ATTRIBUTES {
        let value = match attribute.kind {
            Kind::Text => "any text".to_owned(),
            Kind::Flag => "there or not".to_owned(),
            Kind::Link => "`https://…`, or a path of this server".to_owned(),
            Kind::Image => "a path of this server".to_owned(),
            Kind::Numbers => "numbers and percentages".to_owned(),
            Kind::Path => "path data".to_owned(),
            Kind::Transform => "`translate` `rotate` `scale` `skewX` `skewY` `matrix`".to_owned(),
            Kind::Paint => "a colour, or `url(#name)` of a gradient in the same drawing".to_owned(),
            Kind::GradientName => "a gradient's name".to_owned(),
            Kind::FieldName => "the field's name, as `act` gets it".to_owned(),
            Kind::Choice(choices) => choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" "),
        };
        writeln!(out, "| `{}` | {value} |", attribute.name).expect(NEVER);
    }
    out
}

fn capabilities() -> String {
    let mut out = String::from("| capability | what the wall's owner reads |\n| --- | --- |\n");
    for capability in grants::CAPABILITIES {
        writeln!(out, "| `{}` | It may {}. |", capability.name, capability.words).expect(NEVER);
    }
    out
}
