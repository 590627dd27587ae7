//! The rules that a view keeps, and what is said of one that is broken.

use std::fmt;

use super::super::vocabulary::{Element, element_named, nature};
use super::{ACTION_NAME_MAX, ACTION_PAYLOAD_MAX, DEPTH_MAX, NODES_MAX, TEXT_MAX};

/// Why a view is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewError {
    /// Index of the node in the arena, when one is to blame.
    pub node: Option<u32>,
    /// Its tag, or `text`.
    pub tag: String,
    pub rule: Rule,
}

/// The rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    TooManyNodes(usize),
    TooDeep,
    TooMuchText,
    NoSuchNode(u32),
    TwoParents,
    NoParent,
    UnknownElement,
    /// Not in this parent.
    Misplaced {
        parent: &'static str,
    },
    /// Not anywhere within some ancestor.
    Within(&'static str),
    NoChildren,
    UnknownAttribute {
        name: String,
        element: &'static str,
    },
    RepeatedAttribute(&'static str),
    Value {
        attribute: &'static str,
        value: String,
        allowed: &'static str,
    },
    Choice {
        attribute: &'static str,
        value: String,
        allowed: &'static [&'static str],
    },
    ActionHere,
    ActionSize,
    NoActions,
    FormWithoutAction,
    ButtonWithoutAction,
    Root,
    NoViewBox,
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            Some(node) if self.tag == "text" => write!(f, "node {node} (text): ")?,
            Some(node) => write!(f, "node {node} (<{}>): ", self.tag)?,
            None => {}
        }
        match &self.rule {
            Rule::TooManyNodes(n) => write!(f, "the view has {n} nodes; {NODES_MAX} are allowed"),
            Rule::TooDeep => write!(f, "the tree is deeper than {DEPTH_MAX} levels"),
            Rule::TooMuchText => write!(
                f,
                "the view has more than {} KiB of text and attributes",
                TEXT_MAX / 1024
            ),
            Rule::NoSuchNode(index) => write!(f, "its child {index} is not in `nodes`"),
            Rule::TwoParents => f.write_str("it is a child twice, or of itself; each node has exactly one parent"),
            Rule::NoParent => f.write_str("it is nobody's child; each node is in `roots` or has a parent"),
            Rule::UnknownElement => {
                f.write_str("no such element; the guide's table \"Elements\" lists those there are")
            }
            Rule::Misplaced { parent: "" } => f.write_str("it cannot stand at the top of a view"),
            Rule::Misplaced { parent } => write!(f, "it cannot stand in <{parent}>"),
            Rule::Within(what) => f.write_str(what),
            Rule::NoChildren => f.write_str("it takes no children"),
            Rule::UnknownAttribute { name, element } => {
                write!(f, "it takes no attribute `{}`; it takes ", clip(name))?;
                let names = element_named(element).into_iter().flat_map(Element::attribute_names);
                for (i, name) in names.enumerate() {
                    write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Rule::RepeatedAttribute(name) => write!(f, "it has the attribute `{name}` twice"),
            Rule::Value {
                attribute,
                value,
                allowed,
            } => {
                write!(f, "`{attribute}` is \"{}\", but must be {allowed}", clip(value))
            }
            Rule::Choice {
                attribute,
                value,
                allowed,
            } => {
                write!(
                    f,
                    "`{attribute}` is \"{}\", but must be one of {}",
                    clip(value),
                    allowed.join(", ")
                )
            }
            Rule::ActionHere => f.write_str("only <form> and <button> take an action"),
            Rule::ActionSize => write!(
                f,
                "an action's name has 1 to {ACTION_NAME_MAX} bytes, its payload at most {ACTION_PAYLOAD_MAX}"
            ),
            Rule::NoActions => f.write_str("it has an action, but the plugin exports no `actions` to carry it out"),
            Rule::FormWithoutAction => f.write_str("a form needs an action"),
            Rule::ButtonWithoutAction => f.write_str("a button needs an action, or a form around it"),
            Rule::Root => f.write_str("a drawing's root is an <svg>"),
            Rule::NoViewBox => f.write_str("a drawing needs a `viewBox`: four numbers, such as \"0 0 100 100\""),
        }
    }
}

impl std::error::Error for ViewError {}

pub(super) fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(80)]
}

pub(super) type Checked<T = ()> = Result<T, Box<ViewError>>;

pub(super) fn within(natures: u16) -> &'static str {
    if natures & nature::FORM != 0 {
        "a form cannot lie in another form"
    } else if natures & nature::INTERACTIVE != 0 {
        "a link, a button, a label's summary and a field cannot lie in one another"
    } else if natures & nature::HEADING != 0 {
        "a heading cannot lie in another heading"
    } else if natures & nature::LABEL != 0 {
        "a label cannot lie in another label"
    } else {
        "a block cannot lie in a <p> (and a button with an action outside a form is a block: put it in a <div> or a <form>)"
    }
}
