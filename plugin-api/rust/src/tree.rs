//! Elements, put together as they nest and laid flat for the host at the end.

use crate::bindings::widget::neospace::plugin::types;

/// An element of a view, with what is in it.
pub struct Element {
    head: types::Element,
    children: Vec<Child>,
}

/// What stands in an element: text or another element.
pub enum Child {
    /// Text, shown as it is: markup in it is text too.
    Text(String),
    /// An element.
    Element(Element),
}

/// An element of any name; [`html`](crate::html) and [`svg`](crate::svg) have a function for each.
#[inline(never)]
pub fn element(tag: &str) -> Element {
    let head = types::Element {
        tag: tag.into(),
        attributes: Vec::new(),
        children: Vec::new(),
        action: None,
    };
    Element {
        head,
        children: Vec::new(),
    }
}

impl Element {
    /// Puts an element or a text at the end of it.
    pub fn child(mut self, child: impl Into<Child>) -> Self {
        self.push_child(child.into());
        self
    }

    /// Puts several at the end of it. An `Option` counts as none or one: `.children(is_owner.then(|| button("Wipe")))`.
    pub fn children<C: Into<Child>>(mut self, children: impl IntoIterator<Item = C>) -> Self {
        self.children.extend(children.into_iter().map(Into::into));
        self
    }

    /// Puts text at the end of it: a string, a number or a character.
    pub fn text(self, text: impl IntoText) -> Self {
        self.child(Child::Text(text.into_text()))
    }

    /// Sets an attribute.
    pub fn attr(mut self, name: &str, value: impl IntoText) -> Self {
        self.push_attribute(name, value.into_text());
        self
    }

    /// Sets an attribute that is there or not, such as `required`.
    pub fn flag(self, name: &str, on: bool) -> Self {
        if on { self.attr(name, "") } else { self }
    }

    /// Sets the classes.
    pub fn class(self, class: impl IntoText) -> Self {
        self.attr("class", class)
    }

    /// On a form or button: what sending or pressing it hands to [`act`](crate::Actions::act).
    pub fn action(mut self, name: impl Into<String>, payload: impl IntoText) -> Self {
        self.head.action = Some(types::Action {
            name: name.into(),
            payload: payload.into_text(),
        });
        self
    }

    /// Makes it a picture with a name, for those who don't see it.
    pub fn picture(self, name: impl IntoText) -> Self {
        self.attr("role", "img").attr("aria-label", name)
    }

    /// Hides it from screen readers: it is an ornament, or said elsewhere.
    pub fn ornament(self) -> Self {
        self.attr("aria-hidden", "true")
    }

    /// What screen readers call it.
    pub fn aria_label(self, label: impl IntoText) -> Self {
        self.attr("aria-label", label)
    }

    // The two that views call a hundred times stay functions: inlined they are most of a component.
    #[inline(never)]
    fn push_attribute(&mut self, name: &str, value: String) {
        self.head.attributes.push(types::Attribute {
            name: name.into(),
            value,
        });
    }

    #[inline(never)]
    fn push_child(&mut self, child: Child) {
        self.children.push(child);
    }

    /// Moves the element into the arena, itself before what is in it, and answers its index.
    fn flatten(self, nodes: &mut Vec<types::Node>) -> u32 {
        let Self { mut head, children } = self;
        let index = nodes.len();
        // Keeps the place: the children come after it, and their indexes are only known then.
        nodes.push(types::Node::Text(String::new()));
        head.children.reserve_exact(children.len());
        for child in children {
            head.children.push(child.flatten(nodes));
        }
        nodes[index] = types::Node::Element(head);
        index as u32
    }
}

impl Child {
    fn flatten(self, nodes: &mut Vec<types::Node>) -> u32 {
        match self {
            Self::Element(element) => element.flatten(nodes),
            Self::Text(text) => {
                nodes.push(types::Node::Text(text));
                nodes.len() as u32 - 1
            }
        }
    }
}

impl From<Element> for Child {
    fn from(element: Element) -> Self {
        Self::Element(element)
    }
}

impl<T: IntoText> From<T> for Child {
    fn from(text: T) -> Self {
        Self::Text(text.into_text())
    }
}

/// What a widget shows.
#[derive(Default)]
pub struct View {
    roots: Vec<Child>,
    max_age_seconds: Option<u32>,
}

impl View {
    /// An empty view, to put children into. A single element is a view already: `p().text("Hello").into()`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an element or a text at the end of it.
    pub fn child(mut self, child: impl Into<Child>) -> Self {
        self.roots.push(child.into());
        self
    }

    /// Puts several at the end of it; an `Option` counts as none or one.
    pub fn children<C: Into<Child>>(mut self, children: impl IntoIterator<Item = C>) -> Self {
        self.roots.extend(children.into_iter().map(Into::into));
        self
    }

    /// For how many seconds the view may be shown without being made anew, even if nothing that it was made from
    /// changes. For views that tell the time.
    pub fn max_age_seconds(mut self, seconds: u32) -> Self {
        self.max_age_seconds = Some(seconds);
        self
    }

    pub(crate) fn flatten(self) -> types::View {
        let mut nodes = Vec::with_capacity(64);
        let roots = self.roots.into_iter().map(|root| root.flatten(&mut nodes)).collect();
        types::View {
            nodes,
            roots,
            max_age_seconds: self.max_age_seconds,
        }
    }

    pub(crate) fn flatten_drawing(self) -> types::Drawing {
        let types::View { nodes, roots, .. } = self.flatten();
        types::Drawing {
            nodes,
            root: roots.first().copied().unwrap_or_default(),
        }
    }
}

impl From<Element> for View {
    fn from(element: Element) -> Self {
        Self::new().child(element)
    }
}

/// What can be text or an attribute's value.
pub trait IntoText {
    /// The text.
    fn into_text(self) -> String;
}

impl IntoText for &str {
    fn into_text(self) -> String {
        self.into()
    }
}

impl IntoText for String {
    fn into_text(self) -> String {
        self
    }
}

impl IntoText for &String {
    fn into_text(self) -> String {
        self.clone()
    }
}

impl IntoText for char {
    fn into_text(self) -> String {
        self.into()
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {
        $(impl IntoText for $integer {
            fn into_text(self) -> String {
                self.to_string()
            }
        })*
    };
}

integers!(u8 i16 u16 i32 u32 i64 u64 usize);

/// Rounded to two decimals, as drawings need it: the machinery that writes floats exactly is larger than most plugins.
impl IntoText for f64 {
    fn into_text(self) -> String {
        let hundredths = (self * 100.0).round() as i64;
        let sign = if hundredths < 0 { "-" } else { "" };
        let (whole, rest) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
        match rest {
            0 => format!("{sign}{whole}"),
            _ if rest % 10 == 0 => format!("{sign}{whole}.{}", rest / 10),
            _ => format!("{sign}{whole}.{rest:02}"),
        }
    }
}
