//! The HTML of views, a function an element. What isn't here is [`element`]`("…")`.

use crate::{Element, IntoText, element};

macro_rules! elements {
    ($($name:ident)*) => {
        $(
            #[doc = concat!("`<", stringify!($name), ">`")]
            pub fn $name() -> Element {
                element(stringify!($name))
            }
        )*
    };
}

elements!(
    abbr b blockquote br code dd del details div dl dt em fieldset figcaption figure h3 h4 h5 hr i kbd legend li mark ol
    p pre q s section small span strong sub sup summary table tbody td tfoot th thead tr u ul
);

/// A link: `https:`, or a path on this server such as `/wall/ana`.
pub fn a(href: impl IntoText) -> Element {
    element("a").attr("href", href)
}

/// A picture of this server or over `https:`, and what it shows, in words.
pub fn img(src: impl IntoText, alt: impl IntoText) -> Element {
    element("img").attr("src", src).attr("alt", alt)
}

/// A moment: for machines as in [`DateTime::iso`](crate::time::DateTime::iso), for people as the text put into it.
pub fn time(datetime: impl IntoText) -> Element {
    element("time").attr("datetime", datetime)
}

/// A form whose sending is an action; its fields arrive in [`Submission`](crate::Submission).
pub fn form(action: &str) -> Element {
    element("form").action(action, "")
}

/// A button. In a form it sends it, unless it has an action of its own; elsewhere it needs one:
/// `button("Feed").action("feed", "")`.
pub fn button(label: impl IntoText) -> Element {
    element("button").text(label)
}

/// A line of text to fill in; for other kinds, [`kind`](Element::kind).
pub fn input(name: impl IntoText) -> Element {
    element("input").attr("name", name)
}

/// Several lines of text to fill in.
pub fn textarea(name: impl IntoText) -> Element {
    element("textarea").attr("name", name)
}

/// A choice among [`option`]s.
pub fn select(name: impl IntoText) -> Element {
    element("select").attr("name", name)
}

/// One of a [`select`]'s choices: what is sent, and what is shown.
pub fn option(value: impl IntoText, label: impl IntoText) -> Element {
    element("option").attr("value", value).text(label)
}

/// A labelled field: the label's text, then the control, inside one `label` element, so that they belong together
/// without ids. The house styles it.
pub fn field(label: impl IntoText, control: Element) -> Element {
    element("label").class("field").child(span().text(label)).child(control)
}

/// A scale from 0 to `max`, filled up to `value`.
pub fn meter(value: impl IntoText, max: impl IntoText) -> Element {
    element("meter").attr("min", 0).attr("max", max).attr("value", value)
}

/// How far something has come, from 0 to `max`.
pub fn progress(value: impl IntoText, max: impl IntoText) -> Element {
    element("progress").attr("max", max).attr("value", value)
}

impl Element {
    /// Of an input: `number`, `date`, `time`, `color`, `checkbox`, `radio`, `range`, `email`, `search`, `url`.
    pub fn kind(self, kind: &str) -> Self {
        self.attr("type", kind)
    }
}
