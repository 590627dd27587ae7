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
