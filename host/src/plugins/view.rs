//! From what a plugin sent (a flat arena of nodes, not to be trusted) to HTML or SVG, checked and written in one pass.
//!
//! Nothing of the plugin's text reaches the page but through [`escape`]; every tag and attribute name is written from the
//! host's own tables ([`super::vocabulary`]). What breaks a rule makes the whole view invalid: the error names the node
//! and the rule, for the author.

use std::fmt;

use neospace_runner::protocol::{Node, View};

use super::tokens::{Actions, Audience};
use super::vocabulary::{
    ATTRIBUTES, Element, INPUT_TYPES, Kind, Role, attribute_named, content, element_named, nature,
};

/// Nodes in one view.
pub const NODES_MAX: usize = 1_000;
/// Levels of one view.
pub const DEPTH_MAX: u8 = 32;
/// Bytes of text, attributes and actions in one view.
pub const TEXT_MAX: usize = 64 * 1024;
/// Bytes of an action's name.
pub const ACTION_NAME_MAX: usize = 64;
/// Bytes of an action's payload.
pub const ACTION_PAYLOAD_MAX: usize = 4_096;

/// What becomes of the actions in a view.
#[derive(Clone, Copy)]
pub enum Press<'a> {
    /// Forms that post signed tokens.
    Signed(Actions<'a>),
    /// Forms that do nothing, for a preview.
    Inert,
    /// The plugin exports no `actions`: an action in a view is a fault.
    None,
}

/// An action that was refused: the form it came from is written with what was typed, and says why.
#[derive(Clone, Copy)]
pub struct Returned<'a> {
    pub message: &'a str,
    /// The plugin's name of the field that the message is about.
    pub field: Option<&'a str>,
    /// Name and payload of the form's action (and of its button's, when that was pressed).
    pub actions: &'a [(String, String)],
    /// What was posted, with the names as they stand in the page (`f-…`).
    pub typed: &'a [(String, String)],
}

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

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(80)]
}

type Checked<T = ()> = Result<T, Box<ViewError>>;

/// Checks `view` and appends its HTML to `out`.
///
/// On an error `out` holds a part that must be thrown away.
pub fn write_html(view: &View<'_>, press: Press<'_>, returned: Option<Returned<'_>>, out: &mut String) -> Checked {
    let mut writer = Writer::new(view, press, returned, out)?;
    let start = writer.out.len();
    for &root in &view.roots {
        writer.node(root, "", content::FLOW, 0, 1)?;
    }
    if let Some(returned) = returned
        && !writer.said
    {
        // The form isn't there any more (or is only a button in another one): say it above everything.
        let rest = writer.out.split_off(start);
        writer.message(returned.message);
        writer.out.push_str(&rest);
    }
    writer.finish()
}

/// Checks a drawing and appends it to `out` as an SVG document of its own, with `css` (already rebuilt) in it.
pub fn write_svg(view: &View<'_>, css: Option<&str>, out: &mut String) -> Checked {
    let mut writer = Writer::new(view, Press::None, None, out)?;
    let wrong = |rule| {
        Err(Box::new(ViewError {
            node: view.roots.first().copied(),
            tag: "svg".into(),
            rule,
        }))
    };
    let &[root] = &view.roots[..] else {
        return wrong(Rule::Root);
    };
    let Some(Node::Element(element)) = view.nodes.get(root as usize) else {
        return wrong(Rule::Root);
    };
    if element.tag != "svg" {
        return wrong(Rule::Root);
    }
    if !element
        .attributes
        .iter()
        .any(|(name, value)| *name == "viewBox" && is_view_box(value))
    {
        return wrong(Rule::NoViewBox);
    }
    writer.document_css = Some(css.unwrap_or_default());
    writer.node(root, "", content::FLOW, 0, 1)?;
    writer.finish()
}

fn is_view_box(value: &str) -> bool {
    let mut numbers = value
        .split([' ', ','])
        .filter(|part| !part.is_empty())
        .map(str::parse::<f32>);
    let four = [numbers.next(), numbers.next(), numbers.next(), numbers.next()];
    numbers.next().is_none() && four.iter().all(|n| matches!(n, Some(Ok(n)) if n.is_finite()))
}

struct Writer<'v, 'o> {
    nodes: &'v [Node<'v>],
    out: &'o mut String,
    press: Press<'v>,
    returned: Option<Returned<'v>>,
    /// One bit a node: written already.
    seen: [u64; NODES_MAX.div_ceil(64)],
    written: usize,
    text_bytes: usize,
    /// Within a form.
    in_form: bool,
    /// Within the form that was refused.
    filling: bool,
    /// Within that form's `select` of this name.
    select: Option<&'v str>,
    /// The refusal's message stands in the page.
    said: bool,
    /// Of a drawing, until its root is written.
    document_css: Option<&'v str>,
    scratch: Vec<u8>,
}

impl<'v, 'o> Writer<'v, 'o> {
    fn new(view: &'v View<'v>, press: Press<'v>, returned: Option<Returned<'v>>, out: &'o mut String) -> Checked<Self> {
        if view.nodes.len() > NODES_MAX {
            let rule = Rule::TooManyNodes(view.nodes.len());
            return Err(Box::new(ViewError {
                node: None,
                tag: String::new(),
                rule,
            }));
        }
        out.reserve(view.nodes.len() * 32);
        Ok(Writer {
            nodes: &view.nodes,
            out,
            press,
            returned,
            seen: [0; NODES_MAX.div_ceil(64)],
            written: 0,
            text_bytes: 0,
            in_form: false,
            filling: false,
            select: None,
            said: false,
            document_css: None,
            scratch: Vec::new(),
        })
    }

    fn finish(self) -> Checked {
        if self.written == self.nodes.len() {
            return Ok(());
        }
        let orphan = (0..self.nodes.len()).find(|i| self.seen[i / 64] & (1 << (i % 64)) == 0);
        self.fail(orphan.map_or(0, |i| i as u32), Rule::NoParent)
    }

    #[cold]
    fn fail<T>(&self, node: u32, rule: Rule) -> Checked<T> {
        let tag = match self.nodes.get(node as usize) {
            Some(Node::Element(element)) => clip(element.tag).to_owned(),
            _ => "text".to_owned(),
        };
        Err(Box::new(ViewError {
            node: Some(node),
            tag,
            rule,
        }))
    }

    #[inline]
    fn count(&mut self, node: u32, bytes: usize) -> Checked {
        self.text_bytes = self.text_bytes.saturating_add(bytes);
        if self.text_bytes > TEXT_MAX {
            self.fail(node, Rule::TooMuchText)
        } else {
            Ok(())
        }
    }

    /// Writes a node and what is in it, where `accepts` may stand and what is `forbidden` may not.
    fn node(&mut self, index: u32, parent: &'static str, accepts: u32, forbidden: u16, depth: u8) -> Checked {
        let Some(node) = self.nodes.get(index as usize) else {
            return Err(Box::new(ViewError {
                node: None,
                tag: parent.to_owned(),
                rule: Rule::NoSuchNode(index),
            }));
        };
        let (word, bit) = (index as usize / 64, 1 << (index % 64));
        if self.seen[word] & bit != 0 {
            return self.fail(index, Rule::TwoParents);
        }
        self.seen[word] |= bit;
        self.written += 1;
        if depth > DEPTH_MAX {
            return self.fail(index, Rule::TooDeep);
        }
        match node {
            Node::Text(text) => {
                self.count(index, text.len())?;
                if accepts & content::TEXT == 0 {
                    return self.fail(index, Rule::Misplaced { parent });
                }
                escape(self.out, text);
                Ok(())
            }
            Node::Element(element) => self.element(index, element, parent, accepts, forbidden, depth),
        }
    }

    fn element(
        &mut self,
        index: u32,
        node: &'v neospace_runner::protocol::Element<'v>,
        parent: &'static str,
        accepts: u32,
        forbidden: u16,
        depth: u8,
    ) -> Checked {
        let Some(element) = element_named(node.tag) else {
            return self.fail(index, Rule::UnknownElement);
        };
        if element.place & accepts == 0 {
            return self.fail(index, Rule::Misplaced { parent });
        }
        let mut kind = element.nature;
        let own_form = element.role == Role::Button && node.action.is_some() && !self.in_form;
        if own_form {
            kind |= nature::BLOCK | nature::FORM;
        }
        if kind & forbidden != 0 {
            return self.fail(index, Rule::Within(within(kind & forbidden)));
        }
        if !node.children.is_empty() && element.accepts == 0 {
            return self.fail(index, Rule::NoChildren);
        }
        if let Some((name, payload)) = node.action {
            if !matches!(element.role, Role::Form | Role::Button) {
                return self.fail(index, Rule::ActionHere);
            }
            if name.is_empty() || name.len() > ACTION_NAME_MAX || payload.len() > ACTION_PAYLOAD_MAX {
                return self.fail(index, Rule::ActionSize);
            }
            if matches!(self.press, Press::None) {
                return self.fail(index, Rule::NoActions);
            }
            self.count(index, name.len() + payload.len())?;
        }

        // The start tag.
        let mut end_of_own_form = false;
        let mut own_text: Option<&'v str> = None;
        match element.role {
            Role::Plain => {
                self.open(element.name);
                self.attributes(index, element, node.attributes.as_slice())?;
            }
            Role::Svg => {
                self.open("svg");
                if self.document_css.is_some() {
                    self.out.push_str(" xmlns=\"http://www.w3.org/2000/svg\"");
                }
                self.attributes(index, element, &node.attributes)?;
            }
            Role::Link => {
                self.open("a");
                self.attributes(index, element, &node.attributes)?;
                if node
                    .attributes
                    .iter()
                    .any(|(name, value)| *name == "href" && value.starts_with("https:"))
                {
                    self.out.push_str(" rel=\"nofollow noopener ugc\"");
                }
            }
            Role::Image => {
                self.open("img");
                self.attributes(index, element, &node.attributes)?;
                if !node.attributes.iter().any(|(name, _)| *name == "alt") {
                    self.out.push_str(" alt=\"\"");
                }
                self.out.push_str(" loading=\"lazy\"");
            }
            Role::Form => {
                let Some((name, payload)) = node.action else {
                    return self.fail(index, Rule::FormWithoutAction);
                };
                self.open_form();
                self.attributes(index, element, &node.attributes)?;
                self.in_form = true;
                self.filling = self
                    .returned
                    .is_some_and(|r| r.actions.iter().any(|a| a.0 == name && a.1 == payload));
                if let Press::Signed(_) = self.press {
                    self.out.push_str("><input type=\"hidden\" name=\"token\" value=\"");
                    self.token(name, payload);
                    self.out.push('"');
                }
            }
            Role::Button => {
                if own_form {
                    self.open_form();
                    self.out.push('>');
                    end_of_own_form = true;
                    if let Some(returned) = self.returned
                        && returned
                            .actions
                            .iter()
                            .any(|(name, payload)| Some((&**name, &**payload)) == node.action)
                    {
                        self.message(returned.message);
                    }
                }
                self.open("button");
                match node.action {
                    Some((name, payload)) => {
                        if let Press::Signed(_) = self.press {
                            self.out.push_str(" name=\"token\" value=\"");
                            self.token(name, payload);
                            self.out.push('"');
                        }
                    }
                    None if self.in_form => {}
                    None => return self.fail(index, Rule::ButtonWithoutAction),
                }
                self.attributes(index, element, &node.attributes)?;
            }
            Role::Input => {
                self.open("input");
                if self.filling {
                    self.filled_input(index, element, &node.attributes)?;
                } else {
                    self.attributes(index, element, &node.attributes)?;
                }
                self.out.push_str(" autocomplete=\"off\"");
            }
            Role::Textarea => {
                self.open("textarea");
                self.attributes(index, element, &node.attributes)?;
                self.out.push_str(" autocomplete=\"off\"");
                if self.filling {
                    let name = attribute(&node.attributes, "name").unwrap_or_default();
                    self.mark_if_wrong(name);
                    own_text = self.typed(name);
                }
                self.leading_line_feed(own_text, &node.children);
            }
            Role::Select => {
                self.open("select");
                self.attributes(index, element, &node.attributes)?;
                if self.filling {
                    let name = attribute(&node.attributes, "name").unwrap_or_default();
                    self.mark_if_wrong(name);
                    self.select = Some(name);
                }
            }
            Role::Option => {
                self.open("option");
                match self.select {
                    Some(select) => self.filled_option(index, element, select, node)?,
                    None => self.attributes(index, element, &node.attributes)?,
                }
            }
            Role::Pre => {
                self.open("pre");
                self.attributes(index, element, &node.attributes)?;
                self.leading_line_feed(None, &node.children);
            }
        }
        if !matches!(element.role, Role::Textarea | Role::Pre) {
            self.out.push('>');
        }

        // What is in it, and the end tag.
        if let Some(css) = self.document_css.take()
            && !css.is_empty()
        {
            self.out.push_str("<style>");
            escape(self.out, css);
            self.out.push_str("</style>");
        }
        if element.role == Role::Form
            && self.filling
            && let Some(returned) = self.returned
        {
            self.message(returned.message);
        }
        let forbidden = forbidden | element.forbids | if own_form { nature::FORM } else { 0 };
        let written_before = self.out.len();
        for &child in &node.children {
            self.node(child, element.name, element.accepts, forbidden, depth + 1)?;
        }
        if let Some(text) = own_text {
            // The plugin's own text was checked; what the visitor typed stands in its place.
            self.out.truncate(written_before);
            escape(self.out, text);
        }
        match element.role {
            Role::Form => (self.in_form, self.filling) = (false, false),
            Role::Select => self.select = None,
            _ => {}
        }
        if !element.void {
            self.out.push_str("</");
            self.out.push_str(element.name);
            self.out.push('>');
        }
        if end_of_own_form {
            self.out.push_str("</form>");
        }
        Ok(())
    }

    #[inline]
    fn open(&mut self, name: &'static str) {
        self.out.push('<');
        self.out.push_str(name);
    }

    fn open_form(&mut self) {
        match self.press {
            Press::Signed(actions) => {
                self.out.push_str("<form method=\"post\" action=\"");
                escape(self.out, actions.url);
                self.out.push('"');
            }
            // `dialog` outside of one submits nowhere.
            Press::Inert | Press::None => self.out.push_str("<form method=\"dialog\""),
        }
    }

    fn token(&mut self, name: &str, payload: &str) {
        if let Press::Signed(actions) = self.press {
            actions
                .signer
                .sign_into(&actions, name, payload, &mut self.scratch, self.out);
        }
    }

    #[inline]
    fn attributes(&mut self, index: u32, element: &'static Element, attributes: &[(&'v str, &'v str)]) -> Checked {
        let mut seen = 0u128;
        for &(name, value) in attributes {
            self.attribute(index, element, name, value, &mut seen)?;
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        index: u32,
        element: &'static Element,
        name: &'v str,
        value: &'v str,
        seen: &mut u128,
    ) -> Checked {
        let Some(id) = attribute_named(name).filter(|id| element.attributes & (1 << id) != 0) else {
            return self.fail(
                index,
                Rule::UnknownAttribute {
                    name: clip(name).to_owned(),
                    element: element.name,
                },
            );
        };
        let attribute = &ATTRIBUTES[id];
        if *seen & (1 << id) != 0 {
            return self.fail(index, Rule::RepeatedAttribute(attribute.name));
        }
        *seen |= 1 << id;
        self.count(index, name.len() + value.len())?;
        if let Some(allowed) = refused_value(attribute.kind, value) {
            let (attribute, value) = (attribute.name, clip(value).to_owned());
            return match ATTRIBUTES[id].kind {
                Kind::Choice(allowed) => self.fail(
                    index,
                    Rule::Choice {
                        attribute,
                        value,
                        allowed,
                    },
                ),
                _ => self.fail(
                    index,
                    Rule::Value {
                        attribute,
                        value,
                        allowed,
                    },
                ),
            };
        }
        self.out.push(' ');
        self.out.push_str(attribute.name);
        match attribute.kind {
            Kind::Flag => return Ok(()),
            Kind::FieldName => {
                self.out.push_str("=\"f-");
                escape(self.out, value);
            }
            Kind::GradientName => {
                self.out.push_str("=\"p-");
                escape(self.out, value);
            }
            Kind::Paint if value.starts_with("url(#") => {
                self.out.push_str("=\"url(#p-");
                escape(self.out, &value["url(#".len()..]);
            }
            _ => {
                self.out.push_str("=\"");
                escape(self.out, value);
            }
        }
        self.out.push('"');
        Ok(())
    }

    /// Ends the start tag, and repeats a line feed at the start of the text, which the parser would drop.
    fn leading_line_feed(&mut self, own_text: Option<&str>, children: &[u32]) {
        self.out.push('>');
        let first = own_text.or_else(|| match self.nodes.get(*children.first()? as usize)? {
            Node::Text(text) => Some(text),
            Node::Element(_) => None,
        });
        if first.is_some_and(|text| text.starts_with(['\n', '\r'])) {
            self.out.push('\n');
        }
    }

    fn message(&mut self, message: &str) {
        self.said = true;
        self.out.push_str("<p class=\"refusal\" role=\"alert\">");
        escape(self.out, message);
        self.out.push_str("</p>");
    }

    /// What was typed into the field of this name.
    fn typed(&self, name: &str) -> Option<&'v str> {
        let fields = self.returned?.typed;
        fields
            .iter()
            .find(|(key, _)| key.strip_prefix("f-") == Some(name))
            .map(|(_, value)| value.as_str())
    }

    fn was_sent(&self, name: &str, value: &str) -> bool {
        self.returned.is_some_and(|returned| {
            returned
                .typed
                .iter()
                .any(|(key, sent)| key.strip_prefix("f-") == Some(name) && sent == value)
        })
    }

    fn mark_if_wrong(&mut self, name: &str) {
        if self.returned.is_some_and(|returned| returned.field == Some(name)) {
            self.out.push_str(" aria-invalid=\"true\"");
        }
    }

    /// An `input` of the form that was refused.
    #[cold]
    fn filled_input(&mut self, index: u32, element: &'static Element, attributes: &[(&'v str, &'v str)]) -> Checked {
        let name = attribute(attributes, "name").unwrap_or_default();
        let kind = attribute(attributes, "type").unwrap_or("text");
        let replaced = match kind {
            "hidden" => "",
            "checkbox" | "radio" => "checked",
            _ => "value",
        };
        let mut seen = 0;
        for &(attribute, value) in attributes {
            if attribute != replaced {
                self.attribute(index, element, attribute, value, &mut seen)?;
            }
        }
        match replaced {
            "checked" if self.was_sent(name, attribute(attributes, "value").unwrap_or("on")) => {
                self.out.push_str(" checked");
            }
            "value" => {
                let value = self.typed(name).or_else(|| attribute(attributes, "value"));
                if let Some(value) = value {
                    self.out.push_str(" value=\"");
                    escape(self.out, value);
                    self.out.push('"');
                }
            }
            _ => {}
        }
        self.mark_if_wrong(name);
        Ok(())
    }

    /// An `option` of the form that was refused.
    #[cold]
    fn filled_option(
        &mut self,
        index: u32,
        element: &'static Element,
        select: &str,
        node: &'v neospace_runner::protocol::Element<'v>,
    ) -> Checked {
        let mut seen = 0;
        for &(attribute, value) in &node.attributes {
            if attribute != "selected" {
                self.attribute(index, element, attribute, value, &mut seen)?;
            }
        }
        let text = || match self.nodes.get(*node.children.first()? as usize)? {
            Node::Text(text) => Some(text.trim()),
            Node::Element(_) => None,
        };
        let value = attribute(&node.attributes, "value").or_else(text).unwrap_or_default();
        if self.was_sent(select, value) {
            self.out.push_str(" selected");
        }
        Ok(())
    }
}

fn within(natures: u16) -> &'static str {
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

fn attribute<'v>(attributes: &[(&'v str, &'v str)], name: &str) -> Option<&'v str> {
    attributes
        .iter()
        .find(|attribute| attribute.0 == name)
        .map(|attribute| attribute.1)
}

/// `None` when a value will do, else what is allowed.
fn refused_value(kind: Kind, value: &str) -> Option<&'static str> {
    let all = |allowed: fn(u8) -> bool| value.bytes().all(allowed);
    let fine = match kind {
        Kind::Text | Kind::Flag => true,
        Kind::Link => is_local_path(value) || is_https(value),
        Kind::Image => is_local_path(value),
        Kind::Numbers => all(|b| b.is_ascii_digit() || b" .,+-eE%\n".contains(&b)),
        Kind::Path => all(|b| b.is_ascii_digit() || b" .,+-eE\nMmLlHhVvCcSsQqTtAaZz".contains(&b)),
        Kind::Transform => all(|b| b.is_ascii_alphanumeric() || b" .,+-()\n".contains(&b)) && !value.contains("url"),
        Kind::Paint => is_paint(value),
        Kind::GradientName => is_gradient_name(value),
        Kind::FieldName => (1..=64).contains(&value.len()) && all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
        Kind::Choice(allowed) => allowed.contains(&value),
    };
    if fine {
        return None;
    }
    Some(match kind {
        Kind::Link => "https://… or a path of this server such as /wall/ana",
        Kind::Image => "a path of this server such as /static/star.png; pictures from elsewhere aren't shown",
        Kind::Numbers => "a number, a percentage or a list of them",
        Kind::Path => "path data",
        Kind::Transform => "a list of functions such as \"rotate(45) translate(3 4)\"",
        Kind::Paint => "a colour such as #c03, red or rgb(20 30 40), none, currentColor, or url(#name) of a gradient",
        Kind::GradientName => "1 to 32 letters, digits, - or _",
        Kind::FieldName => "1 to 64 letters, digits, -, _ or .",
        Kind::Text | Kind::Flag | Kind::Choice(_) => "one of those listed",
    })
}

/// `https://host…`, without anything that a browser would read otherwise than it looks.
fn is_https(value: &str) -> bool {
    let Some(rest) = value.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain_host = !host.is_empty() && !host.contains('@') && !host.starts_with([':', '.']);
    plain_host && has_no_tricks(value)
}

/// `/…` on this server: not `//host`, and no `\`, which browsers read as `/`.
fn is_local_path(value: &str) -> bool {
    value.starts_with('/') && !value.starts_with("//") && has_no_tricks(value)
}

fn has_no_tricks(value: &str) -> bool {
    !value.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'\\')
}

fn is_paint(value: &str) -> bool {
    if let Some(name) = value.strip_prefix("url(#") {
        return name.strip_suffix(')').is_some_and(is_gradient_name);
    }
    let safe = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b" .,#%()-/".contains(&b));
    if !safe || value.is_empty() || value.len() > 64 {
        return false;
    }
    match value.split_once('(') {
        None => !value.contains(')'),
        Some((function, rest)) => {
            let known = [
                "rgb", "rgba", "hsl", "hsla", "oklch", "oklab", "hwb", "lab", "lch", "var",
            ];
            known.contains(&function) && rest.ends_with(')') && rest.matches(['(', ')']).count() == 1
        }
    }
}

fn is_gradient_name(value: &str) -> bool {
    (1..=32).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// 1 where a byte isn't written as it is.
static SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 0x20 {
        table[i] = !matches!(i as u8, b'\t' | b'\n' | b'\r');
        i += 1;
    }
    table[b'&' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'"' as usize] = true;
    table[0x7f] = true;
    table[0xef] = true;
    table
};

/// Appends text so that it is text, between tags and in double quotes, in HTML and in XML. Control characters, which XML
/// cannot hold, become U+FFFD.
pub fn escape(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if !SPECIAL[byte as usize] {
            continue;
        }
        let (replacement, width) = match byte {
            b'&' => ("&amp;", 1),
            b'<' => ("&lt;", 1),
            b'>' => ("&gt;", 1),
            b'"' => ("&quot;", 1),
            // U+FFFE and U+FFFF are three bytes each.
            0xef if matches!(bytes[i + 1..], [0xbf, 0xbe | 0xbf, ..]) => ("\u{fffd}", 3),
            0xef => continue,
            _ => ("\u{fffd}", 1),
        };
        out.push_str(&text[from..i]);
        out.push_str(replacement);
        from = i + width;
    }
    out.push_str(&text[from..]);
}

/// The list of input types, for the guide.
pub fn input_types() -> &'static [&'static str] {
    INPUT_TYPES
}

/// The audience of a view: those of a class, or one member when the plugin asked who looks.
pub fn audience(class: neospace_runner::protocol::ViewerClass, personal: bool, member: Option<i64>) -> Audience {
    match member {
        Some(id) if personal => Audience::Member(id),
        _ => Audience::Class(class),
    }
}

#[cfg(test)]
mod tests {
    use neospace_runner::protocol::{Element as Sent, ViewerClass};

    use super::super::tokens::{Signer, minutes};
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    /// A little language for trees: text, or a tag with attributes, children and perhaps an action.
    enum T {
        Text(String),
        Tag(
            &'static str,
            Vec<(&'static str, String)>,
            Vec<T>,
            Option<(&'static str, &'static str)>,
        ),
    }

    fn text(text: &str) -> T {
        T::Text(text.to_owned())
    }
    fn tag(name: &'static str, attributes: &[(&'static str, &str)], children: Vec<T>) -> T {
        T::Tag(
            name,
            attributes
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            children,
            None,
        )
    }
    fn with(action: (&'static str, &'static str), tree: T) -> T {
        match tree {
            T::Tag(name, attributes, children, _) => T::Tag(name, attributes, children, Some(action)),
            T::Text(_) => unreachable!("only elements take actions"),
        }
    }

    fn lay<'t>(tree: &'t T, nodes: &mut Vec<Node<'t>>) -> u32 {
        let index = nodes.len();
        nodes.push(Node::Text(""));
        nodes[index] = match tree {
            T::Text(text) => Node::Text(text),
            T::Tag(tag, attributes, children, action) => Node::Element(Sent {
                tag,
                attributes: attributes.iter().map(|(name, value)| (*name, value.as_str())).collect(),
                children: children.iter().map(|child| lay(child, nodes)).collect(),
                action: *action,
            }),
        };
        index as u32
    }

    fn view(trees: &[T]) -> View<'_> {
        let mut nodes = Vec::new();
        let roots = trees.iter().map(|tree| lay(tree, &mut nodes)).collect();
        View {
            nodes,
            roots,
            max_age_seconds: None,
        }
    }

    fn html_of(view: &View<'_>) -> Result<String, ViewError> {
        let mut out = String::new();
        write_html(view, Press::Inert, None, &mut out)
            .map(|()| out)
            .map_err(|error| *error)
    }
    fn html(trees: &[T]) -> Result<String, ViewError> {
        html_of(&view(trees))
    }
    fn rule(tree: T) -> Rule {
        match html(&[tree]) {
            Ok(html) => panic!("accepted: {html}"),
            Err(error) => {
                assert!(error.to_string().len() > 20, "{error}");
                error.rule
            }
        }
    }

    #[test]
    fn a_tree_becomes_html_and_text_stays_text() {
        let tree = tag(
            "div",
            &[("class", "a\" onload=\"x"), ("title", "<b>&")],
            vec![
                text("1 < 2 & \"3\" </template><script>alert(1)</script>\u{0}\u{ffff}é"),
                tag("br", &[], vec![]),
                tag("a", &[("href", "https://a.example/?q=1&r=2")], vec![text("there")]),
                tag("a", &[("href", "/wall/ana")], vec![text("here")]),
                tag("img", &[("src", "/static/a.png")], vec![]),
                tag(
                    "details",
                    &[("open", "no")],
                    vec![tag("summary", &[], vec![text("more")])],
                ),
            ],
        );
        assert_eq!(
            html(&[tree]).unwrap(),
            "<div class=\"a&quot; onload=&quot;x\" title=\"&lt;b&gt;&amp;\">1 &lt; 2 &amp; &quot;3&quot; \
             &lt;/template&gt;&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}\u{fffd}é<br>\
             <a href=\"https://a.example/?q=1&amp;r=2\" rel=\"nofollow noopener ugc\">there</a><a href=\"/wall/ana\">here</a>\
             <img src=\"/static/a.png\" alt=\"\" loading=\"lazy\"><details open><summary>more</summary></details></div>"
        );
    }

    #[test]
    fn what_is_not_in_the_vocabulary_is_refused() {
        for name in [
            "script",
            "style",
            "iframe",
            "object",
            "template",
            "slot",
            "link",
            "meta",
            "base",
            "DIV",
            "x-y",
            "h1",
            "video",
            "",
            "div onload=x",
            "svg:script",
            "math",
            "foreignObject",
        ] {
            assert_eq!(rule(tag(name, &[], vec![])), Rule::UnknownElement, "{name}");
        }
        for name in [
            "id",
            "style",
            "onclick",
            "onerror",
            "slot",
            "part",
            "is",
            "tabindex",
            "autofocus",
            "action",
            "formaction",
            "srcset",
            "target",
            "download",
            "ping",
            "contenteditable",
            "popover",
            "data-x",
            "xmlns",
            "aria-owns",
            "",
            "class x",
            "CLASS",
            "href",
        ] {
            assert!(
                matches!(rule(tag("div", &[(name, "1")], vec![])), Rule::UnknownAttribute { .. }),
                "{name}"
            );
        }
        assert_eq!(
            rule(tag("p", &[("class", "a"), ("class", "b")], vec![])),
            Rule::RepeatedAttribute("class")
        );
    }

    #[test]
    fn addresses_lead_where_they_seem_to() {
        for address in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            " javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "http://a.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "",
            "https:evil.example",
            "https:/\\evil.example",
            "https://",
            "https://user@evil.example",
            "https://a.example\\@evil.example",
            "mailto:ana@example.org",
            "ftp://x",
            "blob:https://x",
            "foo",
            "../x",
            "#x",
            "?x",
            "https://a b",
            "HTTPS://a.example",
            "/a\u{7f}",
        ] {
            let refused = rule(tag("a", &[("href", address)], vec![]));
            assert!(matches!(refused, Rule::Value { attribute: "href", .. }), "{address:?}");
        }
        for source in [
            "https://a.example/a.png",
            "//a/b",
            "data:image/png;base64,AA",
            "a.png",
            "/a\\b",
        ] {
            let refused = rule(tag("img", &[("src", source)], vec![]));
            assert!(matches!(refused, Rule::Value { attribute: "src", .. }), "{source:?}");
        }
        for address in [
            "https://a.example",
            "https://a.example:8443/x?y#z",
            "https://xn--bcher-kva.example/",
            "/",
            "/wall/bo?x=1#y",
        ] {
            html(&[tag("a", &[("href", address)], vec![])]).unwrap_or_else(|error| panic!("{address}: {error}"));
        }
    }

    #[test]
    fn every_node_has_one_parent_and_none_is_its_own_ancestor() {
        let element = |children: &[u32]| {
            Node::Element(Sent {
                tag: "div",
                attributes: vec![],
                children: children.to_vec(),
                action: None,
            })
        };
        let bad = |nodes: Vec<Node<'static>>, roots: &[u32]| {
            html_of(&View {
                nodes,
                roots: roots.to_vec(),
                max_age_seconds: None,
            })
            .unwrap_err()
            .rule
        };
        assert_eq!(bad(vec![element(&[0])], &[0]), Rule::TwoParents);
        assert_eq!(bad(vec![element(&[1]), element(&[0])], &[0]), Rule::TwoParents);
        assert_eq!(bad(vec![element(&[1, 1]), element(&[])], &[0]), Rule::TwoParents);
        assert_eq!(
            bad(vec![element(&[2]), element(&[2]), element(&[])], &[0, 1]),
            Rule::TwoParents
        );
        assert_eq!(bad(vec![element(&[])], &[0, 0]), Rule::TwoParents);
        assert_eq!(
            bad(vec![element(&[]), element(&[2]), element(&[1])], &[0]),
            Rule::NoParent
        );
        assert_eq!(bad(vec![element(&[])], &[]), Rule::NoParent);
        assert_eq!(bad(vec![element(&[7])], &[0]), Rule::NoSuchNode(7));
        assert_eq!(bad(vec![element(&[])], &[u32::MAX]), Rule::NoSuchNode(u32::MAX));
        assert_eq!(
            html_of(&View {
                nodes: vec![],
                roots: vec![],
                max_age_seconds: None
            }),
            Ok(String::new())
        );
    }

    #[test]
    fn a_view_has_bounds() {
        let nodes = |n: usize| View {
            nodes: (0..n).map(|_| Node::Text("")).collect(),
            roots: (0..n as u32).collect(),
            max_age_seconds: None,
        };
        assert!(html_of(&nodes(NODES_MAX)).is_ok());
        assert_eq!(
            html_of(&nodes(NODES_MAX + 1)).unwrap_err().rule,
            Rule::TooManyNodes(NODES_MAX + 1)
        );
        let deep = |n: usize| (1..n).fold(tag("div", &[], vec![]), |inner, _| tag("div", &[], vec![inner]));
        assert!(html(&[deep(32)]).is_ok());
        assert_eq!(rule(deep(33)), Rule::TooDeep);
        assert!(html(&[text(&"x".repeat(TEXT_MAX))]).is_ok());
        assert_eq!(rule(text(&"x".repeat(TEXT_MAX + 1))), Rule::TooMuchText);
        assert_eq!(
            rule(tag("p", &[("title", &"x".repeat(TEXT_MAX))], vec![])),
            Rule::TooMuchText
        );
        let long = "x".repeat(ACTION_PAYLOAD_MAX + 1);
        let long: &'static str = long.leak();
        assert_eq!(rule(with(("a", long), tag("button", &[], vec![]))), Rule::ActionSize);
        assert_eq!(rule(with(("", ""), tag("button", &[], vec![]))), Rule::ActionSize);
    }

    #[test]
    fn what_a_parser_would_move_elsewhere_is_refused() {
        let p = |inner: T| tag("p", &[], vec![inner]);
        for tree in [
            p(tag("div", &[], vec![])),
            p(tag("span", &[], vec![tag("ul", &[], vec![])])),
            p(tag("a", &[], vec![tag("div", &[], vec![])])),
            p(with(("go", ""), tag("button", &[], vec![]))),
            tag("h2", &[], vec![tag("h3", &[], vec![])]),
            tag("div", &[], vec![tag("li", &[], vec![])]),
            tag("ul", &[], vec![text("x")]),
            tag("ul", &[], vec![tag("div", &[], vec![])]),
            tag("table", &[], vec![text("x")]),
            tag("table", &[], vec![tag("div", &[], vec![])]),
            tag("table", &[], vec![tag("td", &[], vec![])]),
            tag("tr", &[], vec![]),
            tag("option", &[], vec![]),
            tag("select", &[], vec![tag("div", &[], vec![])]),
            tag("select", &[], vec![text("x")]),
            tag("option", &[], vec![tag("b", &[], vec![])]),
            tag("textarea", &[], vec![tag("b", &[], vec![])]),
            tag("a", &[], vec![tag("a", &[], vec![])]),
            tag("a", &[], vec![tag("span", &[], vec![tag("a", &[], vec![])])]),
            with(
                ("go", ""),
                tag("button", &[], vec![with(("go", ""), tag("button", &[], vec![]))]),
            ),
            with(("go", ""), tag("button", &[], vec![tag("input", &[], vec![])])),
            tag("label", &[], vec![tag("label", &[], vec![])]),
            tag("br", &[], vec![text("x")]),
            tag("img", &[], vec![text("x")]),
            tag("summary", &[], vec![]),
            tag("path", &[], vec![]),
            tag("svg", &[], vec![tag("div", &[], vec![])]),
            tag("svg", &[], vec![text("x")]),
            tag("svg", &[], vec![tag("title", &[], vec![tag("b", &[], vec![])])]),
            tag("svg", &[], vec![tag("svg", &[], vec![])]),
            tag("title", &[], vec![text("x")]),
        ] {
            let refused = rule(tree);
            assert!(
                matches!(refused, Rule::Misplaced { .. } | Rule::Within(_) | Rule::NoChildren),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn forms_need_actions_and_actions_need_forms() {
        assert_eq!(rule(tag("form", &[], vec![])), Rule::FormWithoutAction);
        assert_eq!(rule(tag("button", &[], vec![])), Rule::ButtonWithoutAction);
        assert_eq!(rule(with(("go", ""), tag("div", &[], vec![]))), Rule::ActionHere);
        let form = |inner: T| with(("go", ""), tag("form", &[], vec![inner]));
        assert!(matches!(
            rule(form(tag("div", &[], vec![form(text(""))]))),
            Rule::Within(_)
        ));
        for kind in ["password", "file", "image", "submit", "button", "reset", "TEXT", ""] {
            assert!(
                matches!(rule(form(tag("input", &[("type", kind)], vec![]))), Rule::Choice { .. }),
                "{kind}"
            );
        }
        for name in ["", "a b", "a\"b", "ä", &"x".repeat(65)] {
            assert!(
                matches!(rule(form(tag("input", &[("name", name)], vec![]))), Rule::Value { .. }),
                "{name}"
            );
        }
        let mut out = String::new();
        let tree = [form(text("x"))];
        let error = write_html(&view(&tree), Press::None, None, &mut out).unwrap_err();
        assert_eq!(error.rule, Rule::NoActions);
    }

    fn signed<'a>(signer: &'a Signer, url: &'a str) -> Press<'a> {
        let audience = Audience::Class(ViewerClass::Guest);
        Press::Signed(Actions {
            url,
            signer,
            installation: 12,
            audience,
            expires: minutes(NOW) + 60,
        })
    }

    /// The tokens in a page, in order.
    fn tokens(html: &str) -> Vec<&str> {
        html.split("name=\"token\" value=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect()
    }

    #[test]
    fn forms_post_signed_tokens() {
        let signer = Signer::new(&[7; 32]);
        let trees = [
            with(
                ("sign", "p"),
                tag(
                    "form",
                    &[("class", "sign")],
                    vec![
                        tag("input", &[("name", "line"), ("type", "text"), ("value", "x")], vec![]),
                        tag("button", &[], vec![text("Sign")]),
                        with(
                            ("clear", ""),
                            tag("button", &[("formnovalidate", "")], vec![text("Clear")]),
                        ),
                    ],
                ),
            ),
            with(("feed", "1"), tag("button", &[("class", "f")], vec![text("Feed")])),
        ];
        let mut out = String::new();
        write_html(
            &view(&trees),
            signed(&signer, "/wall/ana/modules/12/act"),
            None,
            &mut out,
        )
        .unwrap();
        let found = tokens(&out);
        let actions: Vec<_> = found
            .iter()
            .map(|token| {
                signer
                    .check(token, 12, ViewerClass::Guest, None, NOW)
                    .map(|action| (action.name, action.payload))
            })
            .collect();
        let expected = [("sign", "p"), ("clear", ""), ("feed", "1")];
        assert_eq!(
            actions,
            expected.map(|(name, payload)| Ok((name.to_owned(), payload.to_owned())))
        );
        let blank = found.iter().fold(out.clone(), |html, token| html.replace(token, "T"));
        assert_eq!(
            blank,
            "<form method=\"post\" action=\"/wall/ana/modules/12/act\" class=\"sign\"><input type=\"hidden\" name=\"token\" value=\"T\">\
             <input name=\"f-line\" type=\"text\" value=\"x\" autocomplete=\"off\"><button>Sign</button>\
             <button name=\"token\" value=\"T\" formnovalidate>Clear</button></form>\
             <form method=\"post\" action=\"/wall/ana/modules/12/act\"><button name=\"token\" value=\"T\" class=\"f\">Feed</button></form>"
        );
    }

    #[test]
    fn a_refused_form_keeps_what_was_typed_and_says_why() {
        let option = |value: &str| tag("option", &[("value", value)], vec![text(value)]);
        let fields = || {
            vec![
                tag("input", &[("name", "line"), ("value", "old")], vec![]),
                tag(
                    "input",
                    &[("name", "yes"), ("type", "checkbox"), ("checked", "")],
                    vec![],
                ),
                tag(
                    "input",
                    &[("name", "ink"), ("type", "radio"), ("value", "red"), ("checked", "")],
                    vec![],
                ),
                tag(
                    "input",
                    &[("name", "ink"), ("type", "radio"), ("value", "blue")],
                    vec![],
                ),
                tag("input", &[("name", "step"), ("type", "hidden"), ("value", "2")], vec![]),
                tag("textarea", &[("name", "more")], vec![text("before")]),
                tag(
                    "select",
                    &[("name", "day")],
                    vec![option("mon"), option("tue"), tag("option", &[], vec![text("wed")])],
                ),
                tag("button", &[], vec![text("Send")]),
            ]
        };
        let trees = [
            with(("send", "a"), tag("form", &[], fields())),
            with(
                ("send", "b"),
                tag(
                    "form",
                    &[],
                    vec![tag("input", &[("name", "line"), ("value", "other")], vec![])],
                ),
            ),
        ];
        let typed: Vec<(String, String)> = [
            ("token", "x"),
            ("f-line", "<mine>"),
            ("f-ink", "blue"),
            ("f-step", "9"),
            ("f-more", "\nafter"),
            ("f-day", "wed"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let actions = [("send".to_owned(), "a".to_owned())];
        let returned = Returned {
            message: "Too <long>.",
            field: Some("line"),
            actions: &actions,
            typed: &typed,
        };
        let mut out = String::new();
        write_html(&view(&trees), Press::Inert, Some(returned), &mut out).unwrap();
        assert_eq!(
            out,
            "<form method=\"dialog\"><p class=\"refusal\" role=\"alert\">Too &lt;long&gt;.</p>\
             <input name=\"f-line\" value=\"&lt;mine&gt;\" aria-invalid=\"true\" autocomplete=\"off\">\
             <input name=\"f-yes\" type=\"checkbox\" autocomplete=\"off\">\
             <input name=\"f-ink\" type=\"radio\" value=\"red\" autocomplete=\"off\">\
             <input name=\"f-ink\" type=\"radio\" value=\"blue\" checked autocomplete=\"off\">\
             <input name=\"f-step\" type=\"hidden\" value=\"2\" autocomplete=\"off\">\
             <textarea name=\"f-more\" autocomplete=\"off\">\n\nafter</textarea>\
             <select name=\"f-day\"><option value=\"mon\">mon</option><option value=\"tue\">tue</option><option selected>wed</option></select>\
             <button>Send</button></form>\
             <form method=\"dialog\"><input name=\"f-line\" value=\"other\" autocomplete=\"off\"></form>"
        );
        // A form that isn't shown any more: the message stands above everything.
        let gone = Returned {
            actions: &[],
            ..returned
        };
        let mut out = String::new();
        write_html(&view(&[text("closed")]), Press::Inert, Some(gone), &mut out).unwrap();
        assert_eq!(out, "<p class=\"refusal\" role=\"alert\">Too &lt;long&gt;.</p>closed");
    }

    #[test]
    fn a_line_feed_at_the_start_is_kept() {
        let trees = [
            tag("pre", &[], vec![text("\n  x")]),
            tag("textarea", &[], vec![text("\ny")]),
            tag("pre", &[], vec![text("z")]),
        ];
        assert_eq!(
            html(&trees).unwrap(),
            "<pre>\n\n  x</pre><textarea autocomplete=\"off\">\n\ny</textarea><pre>z</pre>"
        );
    }

    #[test]
    fn a_drawing_is_a_document_of_its_own() {
        let svg = |attributes: &[(&'static str, &str)], children: Vec<T>| tag("svg", attributes, children);
        let draw = |tree: T, css: Option<&str>| {
            let mut out = String::new();
            let trees = [tree];
            write_svg(&view(&trees), css, &mut out)
                .map(|()| out)
                .map_err(|error| error.rule)
        };
        let circle = tag("circle", &[("r", "1"), ("fill", "url(#g)"), ("class", "c")], vec![]);
        assert_eq!(
            draw(
                svg(&[("viewBox", "0 0 10 10")], vec![circle]),
                Some(".c{fill:red}.a>.b{fill:blue}")
            )
            .unwrap(),
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 10 10\"><style>.c{fill:red}.a&gt;.b{fill:blue}</style>\
             <circle r=\"1\" fill=\"url(#p-g)\" class=\"c\"></circle></svg>"
        );
        assert_eq!(draw(svg(&[], vec![]), None), Err(Rule::NoViewBox));
        for bad in ["", "0 0 10", "0 0 10 10 10", "0 0 ten 10", "0 0 NaN 10", "0 0 inf 1"] {
            assert_eq!(
                draw(svg(&[("viewBox", bad)], vec![]), None),
                Err(Rule::NoViewBox),
                "{bad}"
            );
        }
        assert_eq!(draw(tag("div", &[], vec![]), None), Err(Rule::Root));
        for fill in [
            "url(https://evil.example/x)",
            "url(#a b)",
            "url(#)",
            "url(//x)",
            "expression(1)",
            "red;",
            "image(x)",
            "rgb(url(#x))",
            "",
        ] {
            let refused = draw(svg(&[("viewBox", "0 0 1 1"), ("fill", fill)], vec![]), None);
            assert!(matches!(refused, Err(Rule::Value { attribute: "fill", .. })), "{fill}");
        }
        for fill in [
            "red",
            "#c03",
            "rgb(20 30 40 / 50%)",
            "hsl(120, 50%, 50%)",
            "oklch(0.7 0.1 200)",
            "none",
            "currentColor",
        ] {
            draw(svg(&[("viewBox", "0 0 1 1"), ("fill", fill)], vec![]), None)
                .unwrap_or_else(|rule| panic!("{fill}: {rule:?}"));
        }
    }

    #[test]
    fn an_error_names_the_node_and_the_rule() {
        let error = html(&[tag(
            "div",
            &[],
            vec![text("a"), tag("a", &[("href", "javascript:x")], vec![])],
        )])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "node 2 (<a>): `href` is \"javascript:x\", but must be https://… or a path of this server such as /wall/ana"
        );
    }
}
