//! Drawings, a function an element. In views the house's inks are classes: `k` black, `w` white, `r` red, `g` green,
//! `b` blue, `m` mauve; `ol` outlines a shape, `ln` is a line alone. Stickers are images of their own, where no style
//! sheet reaches: there, use [`fill`](Element::fill) and [`stroke`](Element::stroke) with the colours of [`ink`].

use crate::{Element, IntoText, element};

/// The house's inks as colours, for stickers.
pub mod ink {
    /// The key plate.
    pub const BLACK: &str = "#151525";
    /// Paper.
    pub const WHITE: &str = "#fbfaf6";
    /// Stamp red.
    pub const RED: &str = "#fb542e";
    /// Phosphor green.
    pub const GREEN: &str = "#51ee8c";
    /// Tube blue.
    pub const BLUE: &str = "#213cd8";
    /// What red over blue gives.
    pub const MAUVE: &str = "#492676";
}

/// A drawing and its coordinates: `svg("0 0 64 64")`. Give it a name with [`picture`](Element::picture), or hide it
/// with [`ornament`](Element::ornament).
pub fn svg(view_box: impl IntoText) -> Element {
    element("svg").attr("viewBox", view_box)
}

/// A group.
pub fn g() -> Element {
    element("g")
}

/// An outline in SVG's path language.
pub fn path(d: impl IntoText) -> Element {
    element("path").attr("d", d)
}

/// A circle around a point.
pub fn circle(cx: impl IntoText, cy: impl IntoText, r: impl IntoText) -> Element {
    element("circle").attr("cx", cx).attr("cy", cy).attr("r", r)
}

/// An ellipse around a point, with its two radii.
pub fn ellipse(cx: impl IntoText, cy: impl IntoText, rx: impl IntoText, ry: impl IntoText) -> Element {
    element("ellipse")
        .attr("cx", cx)
        .attr("cy", cy)
        .attr("rx", rx)
        .attr("ry", ry)
}

/// A rectangle: its corner at the top left, width and height.
pub fn rect(x: impl IntoText, y: impl IntoText, width: impl IntoText, height: impl IntoText) -> Element {
    element("rect")
        .attr("x", x)
        .attr("y", y)
        .attr("width", width)
        .attr("height", height)
}

/// A line between two points.
pub fn line(x1: impl IntoText, y1: impl IntoText, x2: impl IntoText, y2: impl IntoText) -> Element {
    element("line")
        .attr("x1", x1)
        .attr("y1", y1)
        .attr("x2", x2)
        .attr("y2", y2)
}

/// A closed shape through points: `"0,0 10,0 5,8"`.
pub fn polygon(points: impl IntoText) -> Element {
    element("polygon").attr("points", points)
}

/// An open line through points.
pub fn polyline(points: impl IntoText) -> Element {
    element("polyline").attr("points", points)
}

/// Text at a point.
pub fn text(x: impl IntoText, y: impl IntoText, text: impl IntoText) -> Element {
    element("text").attr("x", x).attr("y", y).text(text)
}

/// Pixel art: rows of characters, one a pixel of side 1, made into one path for each ink, in the order of `inks`.
/// Characters that are not among them stay clear. `inks` names a class for each: `[('#', "k"), ('o', "g")]`.
pub fn pixels(x: i32, y: i32, rows: &[&str], inks: &[(char, &str)]) -> Vec<Element> {
    let paths = inks.iter().map(|(ink, class)| (pixel_path(x, y, rows, *ink), class));
    paths
        .filter(|(d, _)| !d.is_empty())
        .map(|(d, class)| path(d).class(*class))
        .collect()
}

/// The outline of one ink of pixel art, for [`path`]: a bar for each run of pixels.
pub fn pixel_path(x: i32, y: i32, rows: &[&str], ink: char) -> String {
    let mut d = String::new();
    for (row, line) in rows.iter().enumerate() {
        let mut column = 0;
        let mut pixels = line.chars().peekable();
        while let Some(pixel) = pixels.next() {
            let mut length = 1;
            while pixels.next_if_eq(&pixel).is_some() {
                length += 1;
            }
            if pixel == ink {
                d += &format!("M{} {}h{length}v1h-{length}z", x + column, y + row as i32);
            }
            column += length;
        }
    }
    d
}

impl Element {
    /// The colour that fills it.
    pub fn fill(self, colour: &str) -> Self {
        self.attr("fill", colour)
    }

    /// The colour and width of its line; the area stays as it is.
    pub fn stroke(self, colour: &str, width: impl IntoText) -> Self {
        self.attr("stroke", colour).attr("stroke-width", width)
    }

    /// Moves, turns or scales it: `"translate(8 0) rotate(45)"`.
    pub fn transform(self, transform: impl IntoText) -> Self {
        self.attr("transform", transform)
    }
}
