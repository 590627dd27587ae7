//! What the Markdown writer may put on a page, checked by a browser's parser (html5ever).

use scraper::{Html, Node};
use serde_json::Value;

/// Texts that have run scripts somewhere: `tests/vectors/xss.json`, a list of strings. What they would run is `alert(1)`.
///
/// # Panics
/// When the file isn't such a list.
pub fn vectors() -> Vec<String> {
    let list: Value = serde_json::from_str(include_str!("../vectors/xss.json")).expect("the vectors are JSON");
    let list = list.as_array().expect("the vectors are a list").iter();
    list.map(|text| text.as_str().expect("a vector is text").to_owned())
        .collect()
}

/// What in a text's HTML is not on the allow-list; nothing when all is well.
pub fn fault(html: &str) -> Option<String> {
    let page = Html::parse_fragment(html);
    for node in page.tree.nodes() {
        match node.value() {
            Node::Document | Node::Fragment | Node::Text(_) => {}
            Node::Element(element) => {
                let attributes: Vec<(&str, &str)> = element.attrs().collect();
                let is_within = |name: &str| {
                    node.ancestors()
                        .any(|up| up.value().as_element().is_some_and(|up| up.name() == name))
                };
                let allowed = match element.name() {
                    // What the parser puts around every fragment.
                    "html" | "body" => {
                        node.ancestors()
                            .all(|up| up.value().as_element().is_none_or(|up| up.name() == "html"))
                            && attributes.is_empty()
                    }
                    "p" | "br" | "strong" | "em" | "del" | "code" | "pre" | "blockquote" | "ul" | "li" => {
                        attributes.is_empty()
                    }
                    "ol" => attributes
                        .iter()
                        .all(|(name, value)| *name == "start" && value.parse::<u64>().is_ok()),
                    "a" => is_link(&attributes) && !is_within("a") && !(is_mention(&attributes) && is_within("code")),
                    _ => false,
                };
                if !allowed {
                    return Some(format!("<{} {attributes:?}>", element.name()));
                }
            }
            other => return Some(format!("{other:?}")),
        }
    }
    // What a browser makes of it is what was written: nothing was opened, closed or moved by the parser.
    let around = page
        .root_element()
        .child_elements()
        .next()
        .filter(|only| only.value().name() == "body");
    let reread = around.unwrap_or_else(|| page.root_element()).inner_html();
    let plain = |html: &str| {
        html.replace("&#39;", "'")
            .replace("&quot;", "\"")
            .replace("&nbsp;", "\u{a0}")
    };
    (plain(&reread) != plain(html)).then(|| format!("it reads {reread:?}"))
}

/// What on a whole page no member may put there: a script that isn't ours, a handler, a frame, a style, an address that runs or loads
/// something from elsewhere; nothing when all is well.
pub fn page_fault(html: &str) -> Option<String> {
    let page = Html::parse_document(html);
    for node in page.tree.nodes() {
        let Some(element) = node.value().as_element() else {
            continue;
        };
        let told = || {
            Some(format!(
                "<{} {:?}>",
                element.name(),
                element.attrs().collect::<Vec<_>>()
            ))
        };
        let loads = match element.name() {
            "script" if element.attr("type") == Some("importmap") => true,
            "img" if element.attr("src").is_none() => true,
            "script" | "img" | "audio" | "video" => element
                .attr("src")
                .is_some_and(|src| is_ours(src) || src.starts_with("data:image/svg+xml;base64,")),
            "source" => ["src", "srcset"]
                .iter()
                .filter_map(|name| element.attr(name))
                .all(|address| is_ours(address) && !address.contains([' ', ','])),
            "link" => element.attr("href").is_some_and(|href| {
                is_ours(href) || matches!(element.attr("rel"), Some("canonical" | "next" | "prev"))
            }),
            "iframe" => element.attr("src").is_some_and(is_ours),
            "style" | "object" | "embed" | "base" | "applet" => false,
            "meta" => element.attr("http-equiv").is_none(),
            _ => true,
        };
        if !loads {
            return told();
        }
        for (name, value) in element.attrs() {
            let value = value
                .trim_matches(|c: char| c.is_whitespace() || c.is_control())
                .to_ascii_lowercase();
            let runs = ["javascript:", "vbscript:", "data:text"]
                .iter()
                .any(|scheme| value.starts_with(scheme));
            let leads = ["href", "src", "action", "formaction", "xlink:href", "poster", "srcset"].contains(&name);
            if name.starts_with("on") || name == "style" || name == "srcdoc" || leads && runs {
                return told();
            }
        }
    }
    None
}

fn is_ours(address: &str) -> bool {
    address.starts_with('/') && !address.starts_with("//")
}

fn is_mention(attributes: &[(&str, &str)]) -> bool {
    attributes.contains(&("class", "mention"))
}

fn is_link(attributes: &[(&str, &str)]) -> bool {
    let get = |name: &str| {
        attributes
            .iter()
            .find(|(its_name, _)| *its_name == name)
            .map(|(_, value)| *value)
    };
    let Some(address) = get("href") else { return false };
    if is_mention(attributes) {
        let Some(name) = get("data-name") else { return false };
        let is_name = (3..=24).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
        return attributes.len() == 3 && is_name && address == format!("/wall/{name}");
    }
    let scheme = address.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    attributes.len() == 3
        && get("rel") == Some("nofollow noopener ugc")
        && get("target") == Some("_blank")
        && matches!(scheme.as_deref(), Some("http" | "https" | "mailto"))
        && !address.contains(|c: char| c.is_control() || c.is_whitespace())
}
