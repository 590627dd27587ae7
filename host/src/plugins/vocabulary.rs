//! What a view may be made of: the elements, where each may stand, and the attributes each takes.
//!
//! The rules about places follow what an HTML parser does to a misplaced tag (it closes paragraphs, drops options,
//! moves things out of tables): a tree that keeps them is parsed back into the very tree that the plugin sent, so that
//! what was checked is what the browser shows. There is no `id` (but on gradients, where it is rewritten), no `style`,
//! no event handler, no password or file field, and nothing that loads from elsewhere.

/// Where an element may stand and what it may hold; one bit each.
pub mod content {
    pub const TEXT: u32 = 1;
    pub const PHRASING: u32 = 1 << 1;
    pub const BLOCK: u32 = 1 << 2;
    pub const ITEM: u32 = 1 << 3;
    pub const TERM: u32 = 1 << 4;
    pub const TABLE_PART: u32 = 1 << 5;
    pub const ROW: u32 = 1 << 6;
    pub const CELL: u32 = 1 << 7;
    pub const OPTION: u32 = 1 << 8;
    pub const OPTION_GROUP: u32 = 1 << 9;
    pub const SUMMARY: u32 = 1 << 10;
    pub const LEGEND: u32 = 1 << 11;
    pub const FIGURE_CAPTION: u32 = 1 << 12;
    pub const RUBY_TEXT: u32 = 1 << 13;
    pub const SHAPE: u32 = 1 << 14;
    pub const SPAN_OF_SVG_TEXT: u32 = 1 << 15;
    pub const GRADIENT: u32 = 1 << 16;
    pub const STOP: u32 = 1 << 17;
    /// Text and anything that stands in a line.
    pub const LINE: u32 = TEXT | PHRASING;
    /// Text, lines and blocks.
    pub const FLOW: u32 = LINE | BLOCK;
}

/// What an element is to its ancestors, any of which may forbid it however deep it lies.
pub mod nature {
    /// Its tag would close an open `p`.
    pub const BLOCK: u16 = 1;
    /// Something to press or to fill in.
    pub const INTERACTIVE: u16 = 2;
    pub const FORM: u16 = 4;
    pub const HEADING: u16 = 8;
    pub const LABEL: u16 = 16;
}

/// One element of the vocabulary.
pub struct Element {
    pub name: &'static str,
    /// Of [`content`]: where it may stand.
    pub place: u32,
    /// Of [`content`]: what it may hold; 0 for a void element.
    pub accepts: u32,
    /// Of [`nature`]: what it is.
    pub nature: u16,
    /// Of [`nature`]: what may not lie in it at any depth.
    pub forbids: u16,
    /// The attributes it takes: bit `i` stands for `ATTRIBUTES[i]`.
    pub attributes: u128,
    /// Written without an end tag.
    pub void: bool,
    pub role: Role,
}

/// What the writer does beyond tag, attributes and children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Plain,
    Link,
    Image,
    Form,
    Button,
    Input,
    Textarea,
    Select,
    Option,
    /// A leading line feed is dropped by the parser, so that it's written twice.
    Pre,
    Svg,
}

/// One attribute name.
pub struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
}

/// What values an attribute takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// There or not; its value is not kept.
    Flag,
    /// `https://…` or a path of this server.
    Link,
    /// A path of this server.
    Image,
    /// Numbers, percentages, lists of them.
    Numbers,
    /// Path data.
    Path,
    /// `transform` functions.
    Transform,
    /// A colour, or `url(#name)` of a gradient in the same drawing.
    Paint,
    /// A name for a gradient, rewritten.
    GradientName,
    /// A field's name, prefixed with `f-`.
    FieldName,
    /// One of these.
    Choice(&'static [&'static str]),
}

use Kind::{Choice, FieldName, Flag, GradientName, Image, Link, Numbers, Paint, Path, Text, Transform};

/// The types of `input`. No `password` (nobody should type one into a plugin), no `file`, no `image`.
pub const INPUT_TYPES: &[&str] = &[
    "text",
    "search",
    "number",
    "range",
    "checkbox",
    "radio",
    "date",
    "time",
    "datetime-local",
    "month",
    "week",
    "color",
    "email",
    "url",
    "tel",
    "hidden",
];

const fn attribute(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, kind }
}

/// Every attribute there is; an element names those it takes.
pub static ATTRIBUTES: &[Attribute] = &{
    [
        attribute("class", Text),
        attribute("title", Text),
        attribute("lang", Text),
        attribute("dir", Choice(&["ltr", "rtl", "auto"])),
        attribute("hidden", Flag),
        attribute(
            "role",
            Choice(&[
                "img",
                "list",
                "listitem",
                "group",
                "status",
                "note",
                "figure",
                "presentation",
                "none",
                "timer",
                "table",
                "row",
                "cell",
                "columnheader",
                "rowheader",
                "radiogroup",
                "toolbar",
                "separator",
                "log",
                "marquee",
            ]),
        ),
        attribute("aria-label", Text),
        attribute("aria-description", Text),
        attribute("aria-hidden", Choice(&["true", "false"])),
        attribute("aria-live", Choice(&["off", "polite"])),
        attribute(
            "aria-current",
            Choice(&["true", "false", "page", "step", "location", "date", "time"]),
        ),
        attribute("aria-pressed", Choice(&["true", "false", "mixed"])),
        attribute("aria-roledescription", Text),
        attribute("href", Link),
        attribute("hreflang", Text),
        attribute("src", Image),
        attribute("alt", Text),
        attribute("width", Numbers),
        attribute("height", Numbers),
        attribute("datetime", Text),
        attribute("cite", Link),
        attribute("open", Flag),
        attribute("reversed", Flag),
        attribute("start", Numbers),
        attribute("value", Text),
        attribute("colspan", Numbers),
        attribute("rowspan", Numbers),
        attribute("scope", Choice(&["row", "col", "rowgroup", "colgroup"])),
        attribute("name", FieldName),
        attribute("type", Choice(INPUT_TYPES)),
        attribute("placeholder", Text),
        attribute("required", Flag),
        attribute("disabled", Flag),
        attribute("readonly", Flag),
        attribute("checked", Flag),
        attribute("selected", Flag),
        attribute("multiple", Flag),
        attribute("formnovalidate", Flag),
        attribute("min", Text),
        attribute("max", Text),
        attribute("step", Text),
        attribute("minlength", Numbers),
        attribute("maxlength", Numbers),
        attribute("pattern", Text),
        attribute("rows", Numbers),
        attribute("cols", Numbers),
        attribute("size", Numbers),
        attribute(
            "inputmode",
            Choice(&["none", "text", "tel", "url", "email", "numeric", "decimal", "search"]),
        ),
        attribute("label", Text),
        attribute("low", Numbers),
        attribute("high", Numbers),
        attribute("optimum", Numbers),
        attribute("id", GradientName),
        attribute("viewBox", Numbers),
        attribute("preserveAspectRatio", Text),
        attribute("x", Numbers),
        attribute("y", Numbers),
        attribute("x1", Numbers),
        attribute("y1", Numbers),
        attribute("x2", Numbers),
        attribute("y2", Numbers),
        attribute("dx", Numbers),
        attribute("dy", Numbers),
        attribute("cx", Numbers),
        attribute("cy", Numbers),
        attribute("fx", Numbers),
        attribute("fy", Numbers),
        attribute("r", Numbers),
        attribute("rx", Numbers),
        attribute("ry", Numbers),
        attribute("d", Path),
        attribute("points", Numbers),
        attribute("rotate", Numbers),
        attribute("textLength", Numbers),
        attribute("lengthAdjust", Choice(&["spacing", "spacingAndGlyphs"])),
        attribute("pathLength", Numbers),
        attribute("offset", Numbers),
        attribute("gradientUnits", Choice(&["userSpaceOnUse", "objectBoundingBox"])),
        attribute("gradientTransform", Transform),
        attribute("spreadMethod", Choice(&["pad", "reflect", "repeat"])),
        attribute("transform", Transform),
        attribute("fill", Paint),
        attribute("stroke", Paint),
        attribute("stop-color", Paint),
        attribute("stop-opacity", Numbers),
        attribute("fill-opacity", Numbers),
        attribute("fill-rule", Choice(&["nonzero", "evenodd"])),
        attribute("stroke-opacity", Numbers),
        attribute("stroke-width", Numbers),
        attribute("stroke-linecap", Choice(&["butt", "round", "square"])),
        attribute("stroke-linejoin", Choice(&["miter", "round", "bevel"])),
        attribute("stroke-miterlimit", Numbers),
        attribute("stroke-dasharray", Numbers),
        attribute("stroke-dashoffset", Numbers),
        attribute("opacity", Numbers),
        attribute("paint-order", Text),
        attribute("vector-effect", Choice(&["none", "non-scaling-stroke"])),
        attribute(
            "shape-rendering",
            Choice(&["auto", "crispEdges", "geometricPrecision", "optimizeSpeed"]),
        ),
        attribute("font-family", Text),
        attribute("font-size", Numbers),
        attribute(
            "font-weight",
            Choice(&[
                "normal", "bold", "100", "200", "300", "400", "500", "600", "700", "800", "900",
            ]),
        ),
        attribute("font-style", Choice(&["normal", "italic", "oblique"])),
        attribute("letter-spacing", Numbers),
        attribute("word-spacing", Numbers),
        attribute("text-anchor", Choice(&["start", "middle", "end"])),
        attribute(
            "dominant-baseline",
            Choice(&[
                "auto",
                "middle",
                "central",
                "hanging",
                "alphabetic",
                "mathematical",
                "text-top",
                "text-bottom",
            ]),
        ),
    ]
};

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// The bits of these attributes; a name that isn't in the list fails the build.
const fn these(names: &[&str]) -> u128 {
    let mut bits = 0;
    let mut n = 0;
    while n < names.len() {
        let mut i = 0;
        while !same(ATTRIBUTES[i].name.as_bytes(), names[n].as_bytes()) {
            i += 1;
        }
        bits |= 1 << i;
        n += 1;
    }
    bits
}

const GLOBAL: u128 = these(&[
    "class",
    "title",
    "lang",
    "dir",
    "hidden",
    "role",
    "aria-label",
    "aria-description",
    "aria-hidden",
    "aria-live",
    "aria-current",
    "aria-roledescription",
]);
const PRESENTATION: u128 = these(&[
    "class",
    "role",
    "aria-label",
    "aria-hidden",
    "transform",
    "fill",
    "stroke",
    "fill-opacity",
    "fill-rule",
    "stroke-opacity",
    "stroke-width",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-miterlimit",
    "stroke-dasharray",
    "stroke-dashoffset",
    "opacity",
    "paint-order",
    "vector-effect",
    "shape-rendering",
]);
const LETTERING: u128 = these(&[
    "font-family",
    "font-size",
    "font-weight",
    "font-style",
    "letter-spacing",
    "word-spacing",
    "text-anchor",
    "dominant-baseline",
]);
const TYPING: u128 = these(&[
    "name",
    "placeholder",
    "required",
    "disabled",
    "readonly",
    "minlength",
    "maxlength",
]);

const fn element(name: &'static str, place: u32, accepts: u32, attributes: u128) -> Element {
    let svg = place & (content::SHAPE | content::SPAN_OF_SVG_TEXT | content::GRADIENT | content::STOP) != 0;
    Element {
        name,
        place,
        accepts,
        nature: if place & content::BLOCK != 0 { nature::BLOCK } else { 0 },
        forbids: 0,
        attributes: if svg { attributes } else { attributes | GLOBAL },
        void: false,
        role: Role::Plain,
    }
}

impl Element {
    const fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }
    const fn is(mut self, nature: u16) -> Self {
        self.nature |= nature;
        self
    }
    const fn forbids(mut self, nature: u16) -> Self {
        self.forbids |= nature;
        self
    }
    const fn void(mut self) -> Self {
        self.void = true;
        self
    }
    /// The names of the attributes that it takes.
    pub fn attribute_names(&self) -> impl Iterator<Item = &'static str> {
        let bits = self.attributes;
        ATTRIBUTES
            .iter()
            .enumerate()
            .filter(move |(i, _)| bits & (1 << i) != 0)
            .map(|(_, attribute)| attribute.name)
    }
}

/// Every element there is.
pub static ELEMENTS: &[Element] = &{
    use content::*;
    use nature::{FORM, HEADING, INTERACTIVE, LABEL};
    [
        // Blocks.
        element("div", BLOCK, FLOW, 0),
        element("section", BLOCK, FLOW, 0),
        element("article", BLOCK, FLOW, 0),
        element("header", BLOCK, FLOW, 0),
        element("footer", BLOCK, FLOW, 0),
        element("aside", BLOCK, FLOW, 0),
        element("nav", BLOCK, FLOW, 0),
        element("address", BLOCK, FLOW, 0),
        element("h2", BLOCK, LINE, 0).is(HEADING).forbids(HEADING),
        element("h3", BLOCK, LINE, 0).is(HEADING).forbids(HEADING),
        element("h4", BLOCK, LINE, 0).is(HEADING).forbids(HEADING),
        element("h5", BLOCK, LINE, 0).is(HEADING).forbids(HEADING),
        element("h6", BLOCK, LINE, 0).is(HEADING).forbids(HEADING),
        element("p", BLOCK, LINE, 0).forbids(nature::BLOCK),
        element("hr", BLOCK, 0, 0).void(),
        element("pre", BLOCK, LINE, 0).role(Role::Pre),
        element("blockquote", BLOCK, FLOW, these(&["cite"])),
        element("ul", BLOCK, ITEM, 0),
        element("ol", BLOCK, ITEM, these(&["start", "reversed"])),
        element("li", ITEM, FLOW, these(&["value"])),
        element("dl", BLOCK, TERM, 0),
        element("dt", TERM, FLOW, 0),
        element("dd", TERM, FLOW, 0),
        element("figure", BLOCK, FLOW | FIGURE_CAPTION, 0),
        element("figcaption", FIGURE_CAPTION, FLOW, 0),
        element("details", BLOCK, FLOW | SUMMARY, these(&["open"])),
        element("summary", SUMMARY, FLOW, 0).forbids(INTERACTIVE),
        element("table", BLOCK, TABLE_PART | ROW, 0),
        element("caption", TABLE_PART, FLOW, 0),
        element("thead", TABLE_PART, ROW, 0),
        element("tbody", TABLE_PART, ROW, 0),
        element("tfoot", TABLE_PART, ROW, 0),
        element("tr", ROW, CELL, 0),
        element("th", CELL, FLOW, these(&["colspan", "rowspan", "scope"])),
        element("td", CELL, FLOW, these(&["colspan", "rowspan"])),
        // Within a line.
        element("span", PHRASING, LINE, 0),
        element("strong", PHRASING, LINE, 0),
        element("em", PHRASING, LINE, 0),
        element("b", PHRASING, LINE, 0),
        element("i", PHRASING, LINE, 0),
        element("u", PHRASING, LINE, 0),
        element("s", PHRASING, LINE, 0),
        element("small", PHRASING, LINE, 0),
        element("mark", PHRASING, LINE, 0),
        element("code", PHRASING, LINE, 0),
        element("kbd", PHRASING, LINE, 0),
        element("samp", PHRASING, LINE, 0),
        element("var", PHRASING, LINE, 0),
        element("sub", PHRASING, LINE, 0),
        element("sup", PHRASING, LINE, 0),
        element("q", PHRASING, LINE, these(&["cite"])),
        element("cite", PHRASING, LINE, 0),
        element("abbr", PHRASING, LINE, 0),
        element("dfn", PHRASING, LINE, 0),
        element("time", PHRASING, LINE, these(&["datetime"])),
        element("del", PHRASING, LINE, these(&["datetime"])),
        element("ins", PHRASING, LINE, these(&["datetime"])),
        element("bdi", PHRASING, LINE, 0),
        element("ruby", PHRASING, LINE | RUBY_TEXT, 0),
        element("rt", RUBY_TEXT, LINE, 0),
        element("rp", RUBY_TEXT, TEXT, 0),
        element("br", PHRASING, 0, 0).void(),
        element("wbr", PHRASING, 0, 0).void(),
        element("a", PHRASING, FLOW, these(&["href", "hreflang"]))
            .is(INTERACTIVE)
            .forbids(INTERACTIVE)
            .role(Role::Link),
        element("img", PHRASING, 0, these(&["src", "alt", "width", "height"]))
            .void()
            .role(Role::Image),
        element(
            "meter",
            PHRASING,
            LINE,
            these(&["value", "min", "max", "low", "high", "optimum"]),
        ),
        element("progress", PHRASING, LINE, these(&["value", "max"])),
        element("output", PHRASING, LINE, 0),
        // Forms.
        element("form", BLOCK, FLOW, 0).is(FORM).forbids(FORM).role(Role::Form),
        element("fieldset", BLOCK, FLOW | LEGEND, these(&["disabled"])),
        element("legend", LEGEND, LINE, 0),
        element("label", PHRASING, LINE, 0).is(LABEL).forbids(LABEL),
        element(
            "button",
            PHRASING,
            LINE,
            these(&["disabled", "formnovalidate", "aria-pressed"]),
        )
        .is(INTERACTIVE)
        .forbids(INTERACTIVE)
        .role(Role::Button),
        element(
            "input",
            PHRASING,
            0,
            TYPING
                | these(&[
                    "type",
                    "value",
                    "checked",
                    "min",
                    "max",
                    "step",
                    "pattern",
                    "size",
                    "inputmode",
                ]),
        )
        .void()
        .is(INTERACTIVE)
        .role(Role::Input),
        element("textarea", PHRASING, TEXT, TYPING | these(&["rows", "cols"]))
            .is(INTERACTIVE)
            .role(Role::Textarea),
        element(
            "select",
            PHRASING,
            OPTION | OPTION_GROUP,
            these(&["name", "required", "disabled", "multiple", "size"]),
        )
        .is(INTERACTIVE)
        .role(Role::Select),
        element("optgroup", OPTION_GROUP, OPTION, these(&["label", "disabled"])),
        element(
            "option",
            OPTION,
            TEXT,
            these(&["value", "selected", "disabled", "label"]),
        )
        .role(Role::Option),
        // Pictures.
        element(
            "svg",
            PHRASING,
            SHAPE | GRADIENT,
            these(&["viewBox", "preserveAspectRatio", "width", "height"]) | PRESENTATION | LETTERING,
        )
        .role(Role::Svg),
        element("g", SHAPE, SHAPE | GRADIENT, PRESENTATION | LETTERING),
        element("defs", GRADIENT, GRADIENT, 0),
        element("path", SHAPE, SHAPE_NAMES, these(&["d", "pathLength"]) | PRESENTATION),
        element(
            "rect",
            SHAPE,
            SHAPE_NAMES,
            these(&["x", "y", "width", "height", "rx", "ry"]) | PRESENTATION,
        ),
        element(
            "circle",
            SHAPE,
            SHAPE_NAMES,
            these(&["cx", "cy", "r", "pathLength"]) | PRESENTATION,
        ),
        element(
            "ellipse",
            SHAPE,
            SHAPE_NAMES,
            these(&["cx", "cy", "rx", "ry"]) | PRESENTATION,
        ),
        element(
            "line",
            SHAPE,
            SHAPE_NAMES,
            these(&["x1", "y1", "x2", "y2", "pathLength"]) | PRESENTATION,
        ),
        element(
            "polyline",
            SHAPE,
            SHAPE_NAMES,
            these(&["points", "pathLength"]) | PRESENTATION,
        ),
        element(
            "polygon",
            SHAPE,
            SHAPE_NAMES,
            these(&["points", "pathLength"]) | PRESENTATION,
        ),
        element(
            "text",
            SHAPE,
            TEXT | SPAN_OF_SVG_TEXT,
            these(&["x", "y", "dx", "dy", "rotate", "textLength", "lengthAdjust"]) | PRESENTATION | LETTERING,
        ),
        element(
            "tspan",
            SPAN_OF_SVG_TEXT,
            TEXT | SPAN_OF_SVG_TEXT,
            these(&["x", "y", "dx", "dy", "rotate", "textLength", "lengthAdjust"]) | PRESENTATION | LETTERING,
        ),
        element("title", SHAPE, TEXT, 0),
        element("desc", SHAPE, TEXT, 0),
        element(
            "linearGradient",
            GRADIENT,
            STOP,
            these(&[
                "id",
                "x1",
                "y1",
                "x2",
                "y2",
                "gradientUnits",
                "gradientTransform",
                "spreadMethod",
            ]),
        ),
        element(
            "radialGradient",
            GRADIENT,
            STOP,
            these(&[
                "id",
                "cx",
                "cy",
                "r",
                "fx",
                "fy",
                "gradientUnits",
                "gradientTransform",
                "spreadMethod",
            ]),
        ),
        element(
            "stop",
            STOP,
            0,
            these(&["class", "offset", "stop-color", "stop-opacity"]),
        ),
    ]
};

/// A shape holds nothing; its name goes into a `title` beside it, in a `g`.
const SHAPE_NAMES: u32 = 0;

/// Slots of the look-up tables; a power of two well above the number of names.
const SLOTS: usize = 512;
const EMPTY: u8 = u8::MAX;

/// Length, first, middle and last byte tell nearly all names apart.
const fn slot(name: &[u8]) -> usize {
    let n = name.len();
    (n * 37 + name[0] as usize * 151 + name[n / 2] as usize * 59 + name[n - 1] as usize * 23) % SLOTS
}

const fn enter(mut table: [u8; SLOTS], name: &[u8], index: usize) -> [u8; SLOTS] {
    let mut at = slot(name);
    while table[at] != EMPTY {
        at = (at + 1) % SLOTS;
    }
    table[at] = index as u8;
    table
}

static ELEMENT_SLOTS: [u8; SLOTS] = {
    let mut table = [EMPTY; SLOTS];
    let mut i = 0;
    while i < ELEMENTS.len() {
        table = enter(table, ELEMENTS[i].name.as_bytes(), i);
        i += 1;
    }
    table
};

static ATTRIBUTE_SLOTS: [u8; SLOTS] = {
    let mut table = [EMPTY; SLOTS];
    let mut i = 0;
    while i < ATTRIBUTES.len() {
        table = enter(table, ATTRIBUTES[i].name.as_bytes(), i);
        i += 1;
    }
    table
};

/// The element of this name, in the case that HTML and SVG write it.
pub fn element_named(name: &str) -> Option<&'static Element> {
    if name.is_empty() {
        return None;
    }
    let mut at = slot(name.as_bytes());
    while ELEMENT_SLOTS[at] != EMPTY {
        let element = &ELEMENTS[ELEMENT_SLOTS[at] as usize];
        if element.name == name {
            return Some(element);
        }
        at = (at + 1) % SLOTS;
    }
    None
}

/// The attribute of this name, as its index in [`ATTRIBUTES`].
pub fn attribute_named(name: &str) -> Option<usize> {
    if name.is_empty() {
        return None;
    }
    let mut at = slot(name.as_bytes());
    while ATTRIBUTE_SLOTS[at] != EMPTY {
        let index = ATTRIBUTE_SLOTS[at] as usize;
        if ATTRIBUTES[index].name == name {
            return Some(index);
        }
        at = (at + 1) % SLOTS;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_nothing_else() {
        assert!(
            ATTRIBUTES.len() < 128,
            "the attributes of an element are bits of a u128"
        );
        for element in ELEMENTS {
            assert_eq!(element_named(element.name).map(|e| e.name), Some(element.name));
        }
        for (i, attribute) in ATTRIBUTES.iter().enumerate() {
            assert_eq!(attribute_named(attribute.name), Some(i));
        }
        for name in [
            "",
            "script",
            "style",
            "iframe",
            "template",
            "slot",
            "DIV",
            "object",
            "h1",
            "use",
            "foreignObject",
        ] {
            assert!(element_named(name).is_none(), "{name}");
        }
        for name in [
            "",
            "style",
            "onclick",
            "srcdoc",
            "slot",
            "part",
            "is",
            "xlink:href",
            "action",
            "formaction",
            "target",
        ] {
            assert!(attribute_named(name).is_none(), "{name}");
        }
    }
}
