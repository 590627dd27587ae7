//! A plugin's icon: SVG text, read with a real XML parser and rebuilt from the same vocabulary as a drawing.

use neospace_runner::protocol::{Element, Node, View};

use super::view;

/// Bytes of an icon's source.
pub const ICON_MAX: usize = 16 * 1024;

/// The icon as a document of its own, or what is wrong with it, with its line.
pub fn rebuild(source: &str) -> Result<String, String> {
    if source.len() > ICON_MAX {
        return Err(format!(
            "the icon has {} bytes; {} KiB are allowed",
            source.len(),
            ICON_MAX / 1024
        ));
    }
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: 4 * view::NODES_MAX as u32,
        ..Default::default()
    };
    let document = roxmltree::Document::parse_with_options(source, options).map_err(|e| format!("not an SVG: {e}"))?;
    let mut view = View {
        nodes: Vec::new(),
        roots: Vec::new(),
        max_age_seconds: None,
    };
    let mut origins = Vec::new();
    let root = add(&document.root_element(), &mut view, &mut origins, 1)?;
    view.roots.push(root);
    let mut out = String::with_capacity(source.len());
    view::write_svg(&view, None, &mut out).map_err(|error| {
        let line = error
            .node
            .and_then(|node| origins.get(node as usize))
            .map(|at| document.text_pos_at(*at).row);
        line.map_or_else(|| error.to_string(), |line| format!("line {line}: {error}"))
    })?;
    Ok(out)
}

/// Adds a node and what is in it to the arena; its index. `origins` are the places in the source, node by node.
fn add<'d>(
    node: &roxmltree::Node<'d, 'd>,
    view: &mut View<'d>,
    origins: &mut Vec<usize>,
    depth: u8,
) -> Result<u32, String> {
    if depth > view::DEPTH_MAX {
        return Err(format!("the icon is deeper than {} levels", view::DEPTH_MAX));
    }
    let index = view.nodes.len();
    view.nodes.push(Node::Text(""));
    origins.push(node.range().start);
    let keeps_space = matches!(node.tag_name().name(), "text" | "tspan" | "title" | "desc");
    let mut children = Vec::new();
    for child in node.children() {
        if child.is_element() {
            children.push(add(&child, view, origins, depth + 1)?);
        } else if let Some(text) = child.text().filter(|_| child.is_text())
            && (keeps_space || !text.trim().is_empty())
        {
            children.push(view.nodes.len() as u32);
            view.nodes.push(Node::Text(text));
            origins.push(child.range().start);
        }
    }
    let attributes = node
        .attributes()
        .filter(|a| !(a.namespace().is_none() && matches!(a.name(), "version")));
    // An attribute of another namespace (`xlink:href`) is in no list, whatever its prefix.
    let attributes = attributes
        .map(|a| {
            (
                if a.namespace().is_none() {
                    a.name()
                } else {
                    "xlink:href"
                },
                a.value(),
            )
        })
        .collect();
    let foreign = node
        .tag_name()
        .namespace()
        .is_some_and(|name| name != "http://www.w3.org/2000/svg");
    let tag = if foreign { "foreign" } else { node.tag_name().name() };
    view.nodes[index] = Node::Element(Element {
        tag,
        attributes,
        children,
        action: None,
    });
    Ok(index as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_icon_is_rebuilt() {
        let source = "<?xml version=\"1.0\"?><!-- by ana --><svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\">\n  <title>A &amp; B</title>\n  \
                      <defs><linearGradient id=\"g\"><stop offset=\"0\" stop-color=\"red\"/></linearGradient></defs>\n  <path d='M0 0h8v8z' fill='url(#g)'/>\n</svg>\n";
        assert_eq!(
            rebuild(source).as_deref(),
            Ok(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"><title>A &amp; B</title><defs><linearGradient id=\"p-g\">\
                <stop offset=\"0\" stop-color=\"red\"></stop></linearGradient></defs><path d=\"M0 0h8v8z\" fill=\"url(#p-g)\"></path></svg>"
            )
        );
    }

    #[test]
    fn hostile_icons_are_refused() {
        let within = |inner: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"0 0 8 8\">{inner}</svg>"
            )
        };
        for source in [
            within("<script>alert(1)</script>"),
            within("<foreignObject><b xmlns=\"http://www.w3.org/1999/xhtml\">x</b></foreignObject>"),
            within("<circle onclick=\"alert(1)\" r=\"1\"/>"),
            within("<circle style=\"fill:url(//evil.example)\" r=\"1\"/>"),
            within("<circle fill=\"url(https://evil.example)\" r=\"1\"/>"),
            within("<a href=\"javascript:alert(1)\"><circle r=\"1\"/></a>"),
            within("<use xlink:href=\"#a\"/>"),
            within("<image href=\"https://evil.example/a.png\" width=\"1\" height=\"1\"/>"),
            within("<style>@import 'x'</style>"),
            within("<animate attributeName=\"href\" values=\"javascript:alert(1)\"/>"),
            within("<h:script xmlns:h=\"http://www.w3.org/1999/xhtml\">alert(1)</h:script>"),
            within("<g>").replace("</svg>", ""),
            within(&"<g>".repeat(40)),
            within(&format!("{}{}", "<g>".repeat(40), "</g>".repeat(40))),
            within(&"<g/>".repeat(1_001)),
            "<!DOCTYPE svg [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"><text>&b;</text></svg>".to_owned(),
            "<svg xmlns=\"http://www.w3.org/2000/svg\"><g/></svg>".to_owned(),
            "<html><body/></html>".to_owned(),
            "GIF89a".to_owned(),
            String::new(),
        ] {
            assert!(rebuild(&source).is_err(), "{source}");
        }
        assert!(rebuild(&within("\n<script/>")).unwrap_err().starts_with("line 2"));
    }
}
