//! From what a plugin sent (a flat arena of nodes, not to be trusted) to HTML or SVG, checked and written in one pass.
//!
//! Nothing of the plugin's text reaches the page but through [`escape`]; every tag and attribute name is written from the
//! host's own tables ([`super::vocabulary`]). What breaks a rule makes the whole view invalid: the error names the node
//! and the rule, for the author.

mod rules;
mod values;

use neospace_runner::protocol::{Node, View};

use super::tokens::{Actions, Audience};
use super::vocabulary::{
    ATTRIBUTES, Element, INPUT_TYPES, Kind, Role, attribute_named, content, element_named, nature,
};
use rules::{Checked, clip, within};
pub use rules::{Rule, ViewError};
use values::{is_view_box, refused_value};

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

fn attribute<'v>(attributes: &[(&'v str, &'v str)], name: &str) -> Option<&'v str> {
    attributes
        .iter()
        .find(|attribute| attribute.0 == name)
        .map(|attribute| attribute.1)
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
mod tests;
