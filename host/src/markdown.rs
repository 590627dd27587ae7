//! The small Markdown of messages and posts, written as HTML from an allow-list.
//!
//! pulldown-cmark knows the grammar (CommonMark and `~~strikethrough~~`); what comes out is written here and nowhere
//! else: `p br strong em del code pre blockquote ul ol[start] li`, links to http, https and mailto, and mentions. There is
//! no raw HTML (it is shown as the text that it is), no picture (a link), no heading, no rule and no link reference: they stay
//! as they were typed. Line breaks are kept, bare addresses become links, `@name` becomes a link to a wall.
//!
//! Any text takes time and space in proportion to its length, and nests [`NESTING_MOST`] elements at most.

use std::{borrow::Cow, ops::Range};

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TextMergeWithOffset};

/// Bytes of Markdown that are parsed; a longer text is written as plain paragraphs.
const LONGEST: usize = 64 * 1024;
/// Elements that stand in one another. What is nested deeper is written without its own element: browsers give up
/// at some hundreds, and people long before.
const NESTING_MOST: usize = 16;
/// Names that one text can mention; further ones stay text.
const MENTIONS_MOST: usize = 50;
/// Quotes and lists that one line can begin; a text with more in a line is written as plain paragraphs, because the
/// parser's time grows with the square of them.
const MARKERS_MOST: usize = 100;
/// How often a text is looked at for what must not be read as Markdown, before it is written as plain paragraphs.
const PASSES: usize = 4;

/// A text as HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Safe to stand anywhere in a page's body.
    pub html: String,
    /// The names after an `@`, folded to lower case, each once, in order. They have a name's shape; nobody knows whether
    /// somebody has them.
    pub mentions: Vec<String>,
}

/// Writes a text as HTML. Nothing that was typed is dropped: what isn't allowed is shown as text.
pub fn render(text: &str) -> Rendered {
    let mut writer = Writer::default();
    if let Some(source) = guarded(text) {
        writer.document(&source);
    }
    if !writer.visible {
        // Nothing but marks, such as a lone ">", or too much: as it was typed.
        writer = Writer::default();
        writer.plain(text);
    }
    Rendered {
        html: writer.out,
        mentions: writer.mentions,
    }
}

/// The text with a backslash before what Markdown would swallow: definitions of link references, and marks within bare
/// addresses. Nothing for a text that should not be read as Markdown.
fn guarded(text: &str) -> Option<Cow<'_, str>> {
    if text.len() > LONGEST || text.lines().any(|line| markers(line) > MARKERS_MOST) {
        return None;
    }
    let mut source = Cow::Borrowed(text);
    for _ in 0..PASSES {
        let marked_address = source.contains("://") && source.contains(['*', '_', '~']);
        if !marked_address && !source.contains("]:") {
            return Some(source);
        }
        let mut places = swallowed(&source)?;
        if places.is_empty() {
            return Some(source);
        }
        places.sort_unstable();
        let mut escaped = String::with_capacity(source.len() + places.len());
        let mut from = 0;
        for place in places {
            escaped.push_str(&source[from..place]);
            escaped.push('\\');
            from = place;
        }
        escaped.push_str(&source[from..]);
        source = Cow::Owned(escaped);
    }
    None
}

/// At least as many as the quotes and list items that a line begins.
fn markers(line: &str) -> usize {
    let marks = line.bytes().take_while(|b| b" \t>-*+.)0123456789".contains(b));
    marks.filter(|b| b">-*+.)".contains(b)).count()
}

/// Where those are.
fn swallowed(source: &str) -> Option<Vec<usize>> {
    let parser = parser(source);
    let mut places: Vec<usize> = Vec::new();
    for (_, definition) in parser.reference_definitions().iter() {
        let start = definition.span.start;
        if !source[start..].starts_with('[') {
            return None;
        }
        places.push(start);
    }
    // What has marks of its own, or none at all.
    let mut others: Vec<Range<usize>> = Vec::new();
    for (event, range) in parser.into_offset_iter() {
        match event {
            Event::Code(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::Start(Tag::CodeBlock(_) | Tag::Link { .. } | Tag::Image { .. }) => others.push(range),
            _ => {}
        }
    }
    let mut others = others.into_iter().peekable();
    let mut from = 0;
    while let Some(at) = source[from..].find("://").map(|at| from + at) {
        from = at + 3;
        let scheme = source.as_bytes()[..at].iter().rev().take(6);
        let scheme = scheme.take_while(|b| b.is_ascii_alphanumeric()).count();
        let Some(length) = address_length(&source[at - scheme..]) else {
            continue;
        };
        let address = at - scheme..at - scheme + length;
        while others.next_if(|other| other.end <= address.start).is_some() {}
        if others.peek().is_some_and(|other| other.contains(&address.start)) {
            continue;
        }
        from = address.end;
        let bytes = source.as_bytes();
        places.extend(address.filter(|i| matches!(bytes[*i], b'*' | b'_' | b'~') && bytes[i - 1] != b'\\'));
    }
    Some(places)
}

fn parser(source: &str) -> Parser<'_> {
    Parser::new_ext(source, Options::ENABLE_STRIKETHROUGH)
}

/// Writes events as HTML.
#[derive(Default)]
struct Writer {
    out: String,
    mentions: Vec<String>,
    /// What is open, the innermost last.
    open: Vec<Open>,
    /// Whether an `<a>` is open: nothing in it becomes another one.
    in_link: bool,
    in_code: bool,
    /// A line break that is written once something follows.
    pending_break: bool,
    /// Whether anything was written that can be seen.
    visible: bool,
}

/// What the end of an element writes.
struct Open {
    close: Cow<'static, str>,
    /// Where its content begins.
    from: usize,
    /// For a link: what to show if it has no text.
    address: Option<String>,
}

impl Writer {
    fn document(&mut self, source: &str) {
        for (event, range) in TextMergeWithOffset::new(parser(source).into_offset_iter()) {
            match event {
                Event::Start(tag) => self.start(tag, &source[range]),
                Event::End(_) => self.end(),
                Event::Text(text) if self.in_code => self.escape(&text),
                Event::Text(text) => self.text(&text),
                Event::Code(text) => {
                    self.out.push_str("<code>");
                    self.escape(&text);
                    self.out.push_str("</code>");
                }
                Event::Html(text) | Event::InlineHtml(text) => self.lines(&text),
                Event::SoftBreak | Event::HardBreak => self.out.push_str("<br>"),
                Event::Rule => {
                    self.out.push_str("<p>");
                    self.escape(source[range].trim());
                    self.out.push_str("</p>");
                }
                // Of extensions that are off.
                Event::InlineMath(_)
                | Event::DisplayMath(_)
                | Event::FootnoteReference(_)
                | Event::TaskListMarker(_) => {}
            }
        }
    }

    /// Paragraphs and line breaks alone.
    fn plain(&mut self, text: &str) {
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            self.out.push_str("<p>");
            self.lines(paragraph.trim_matches('\n'));
            self.pending_break = false;
            self.out.push_str("</p>");
        }
    }

    fn start(&mut self, tag: Tag, source: &str) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.element("<p>", "</p>"),
            Tag::Heading { .. } => {
                self.out.push_str("<p>");
                let source = source.trim();
                let marks = source.bytes().take_while(|b| *b == b'#').count();
                if marks > 0 {
                    self.escape(&source[..marks]);
                    self.out.push(' ');
                    self.opened("</p>".into());
                } else {
                    let underline = source.rsplit('\n').next().unwrap_or_default();
                    let underline = underline.trim_matches(|c| c != '=' && c != '-');
                    self.opened(format!("<br>{underline}</p>").into());
                }
            }
            Tag::BlockQuote(_) => self.nest(0, "<blockquote>", "</blockquote>"),
            Tag::CodeBlock(_) => {
                self.in_code = true;
                self.element("<pre><code>", "</code></pre>");
            }
            // Room for its items, so that none stands outside of a list.
            Tag::List(None) => self.nest(1, "<ul>", "</ul>"),
            Tag::List(Some(1)) => self.nest(1, "<ol>", "</ol>"),
            Tag::List(Some(first)) => self.nest(1, &format!("<ol start=\"{first}\">"), "</ol>"),
            Tag::Item => {
                if self.open.len() >= NESTING_MOST && !self.out.ends_with('>') {
                    self.out.push_str("<br>");
                }
                self.nest(0, "<li>", "</li>");
            }
            Tag::Emphasis => self.nest(0, "<em>", "</em>"),
            Tag::Strong => self.nest(0, "<strong>", "</strong>"),
            Tag::Strikethrough => self.nest(0, "<del>", "</del>"),
            Tag::Link {
                link_type, dest_url, ..
            }
            | Tag::Image {
                link_type, dest_url, ..
            } => self.link(link_type, &dest_url),
            // Of extensions that are off.
            _ => self.opened("".into()),
        }
    }

    fn end(&mut self) {
        // Events are balanced, so there is one.
        let Some(open) = self.open.pop() else { return };
        self.pending_break = false;
        if let Some(address) = open.address {
            if self.out[open.from..].trim().is_empty() {
                self.escape(&address);
            }
            self.in_link = false;
        }
        if open.close == "</code></pre>" {
            self.in_code = false;
        }
        self.out.push_str(&open.close);
    }

    fn opened(&mut self, close: Cow<'static, str>) {
        self.open.push(Open {
            close,
            from: self.out.len(),
            address: None,
        });
    }

    fn element(&mut self, tag: &str, close: &'static str) {
        self.out.push_str(tag);
        self.opened(close.into());
    }

    /// Opens an element unless it and `inside` more would stand too deep.
    fn nest(&mut self, inside: usize, tag: &str, close: &'static str) {
        if self.open.len() + inside < NESTING_MOST {
            self.element(tag, close);
        } else {
            self.opened("".into());
        }
    }

    fn link(&mut self, kind: LinkType, target: &str) {
        let address = match kind {
            LinkType::Email => format!("mailto:{target}"),
            _ => target.to_owned(),
        };
        if self.in_link {
            self.opened("".into());
        } else if is_allowed(&address) {
            self.open_link(&address);
            self.opened("</a>".into());
            self.in_link = true;
            if let Some(open) = self.open.last_mut() {
                open.address = Some(address);
            }
        } else if kind == LinkType::Autolink {
            self.escape("<");
            self.opened("&gt;".into());
        } else {
            let shown = escaped(&address);
            self.opened(format!(" ({shown})").into());
        }
    }

    fn open_link(&mut self, address: &str) {
        let address = escaped(address);
        self.out.push_str("<a href=\"");
        self.out.push_str(&address);
        self.out.push_str("\" rel=\"nofollow noopener ugc\" target=\"_blank\">");
    }

    /// Text with line breaks of its own.
    fn lines(&mut self, text: &str) {
        for (n, line) in text.split('\n').enumerate() {
            self.pending_break |= n > 0;
            if !line.is_empty() {
                if std::mem::take(&mut self.pending_break) {
                    self.out.push_str("<br>");
                }
                self.text(line);
            }
        }
    }

    /// Text in which bare addresses and mentions become links.
    fn text(&mut self, text: &str) {
        if self.in_link {
            return self.escape(text);
        }
        let (mut written, mut at) = (0, 0);
        while at < text.len() {
            let byte = text.as_bytes()[at];
            let rest = &text[at..];
            // The last byte of a character that isn't ASCII is no boundary, nor is it looked at below.
            let after_word = || text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
            let length = match byte {
                b'h' | b'H' if !after_word() => address_length(rest).inspect(|length| {
                    self.escape(&text[written..at]);
                    let address = &rest[..*length];
                    self.open_link(address);
                    self.escape(address);
                    self.out.push_str("</a>");
                }),
                b'@' if !after_word() && !text[..at].ends_with(['_', '-', '/', '@']) => mention_length(rest)
                    .filter(|length| self.may_mention(&rest[1..*length]))
                    .inspect(|length| {
                        self.escape(&text[written..at]);
                        self.mention(&rest[1..*length]);
                    }),
                _ => None,
            };
            if let Some(length) = length {
                at += length;
                written = at;
            } else {
                at += 1;
                while !text.is_char_boundary(at) {
                    at += 1;
                }
            }
        }
        self.escape(&text[written..]);
    }

    fn may_mention(&mut self, name: &str) -> bool {
        let folded = name.to_ascii_lowercase();
        if self.mentions.contains(&folded) {
            return true;
        }
        let fits = self.mentions.len() < MENTIONS_MOST;
        if fits {
            self.mentions.push(folded);
        }
        fits
    }

    fn mention(&mut self, name: &str) {
        let folded = name.to_ascii_lowercase();
        self.visible = true;
        self.out.push_str(&format!(
            "<a class=\"mention\" href=\"/wall/{folded}\" data-name=\"{folded}\">@{name}</a>"
        ));
    }

    fn escape(&mut self, text: &str) {
        self.visible = self.visible || text.contains(|c: char| !c.is_whitespace() && !c.is_control());
        escape_into(&mut self.out, text);
    }
}

/// Whether a link may lead there: http, https and mailto, written in full.
fn is_allowed(address: &str) -> bool {
    if address.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return false;
    }
    match address.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto") => rest.contains('@'),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            rest.strip_prefix("//").is_some_and(begins_with_host)
        }
        _ => false,
    }
}

fn begins_with_host(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '[')
}

/// How many bytes at the beginning of a text are an http or https address. Punctuation at its end isn't part of it, nor a
/// bracket that it didn't open.
fn address_length(text: &str) -> Option<usize> {
    let is_prefix = |prefix: &&str| {
        let begin = text.as_bytes().get(..prefix.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let prefix = ["http://", "https://"].into_iter().find(is_prefix)?;
    if !begins_with_host(&text[prefix.len()..]) {
        return None;
    }
    let ends = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '`');
    let mut address = &text[..text.find(ends).unwrap_or(text.len())];
    let surplus = |open: char, close: char| {
        let count = |wanted: char| address.chars().filter(|c| *c == wanted).count();
        count(close).saturating_sub(count(open))
    };
    let (mut round, mut square) = (surplus('(', ')'), surplus('[', ']'));
    while let Some(last) = address.chars().next_back() {
        match last {
            ')' if round > 0 => round -= 1,
            ']' if square > 0 => square -= 1,
            '?' | '!' | '.' | ',' | ':' | ';' | '*' | '_' | '~' | '\'' | '\\' => {}
            _ => break,
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    Some(address.len())
}

/// How many bytes at the beginning of a text are `@` and a name's shape: 3 to 24 of `a-z0-9_-`, in either case.
fn mention_length(text: &str) -> Option<usize> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let length = text.as_bytes()[1..].iter().take(25).take_while(|b| is_part(b)).count();
    let goes_on = |c: char| c.is_alphanumeric() || c == '@';
    ((3..=24).contains(&length) && !text[1 + length..].starts_with(goes_on)).then_some(1 + length)
}

/// Text, safe to stand in a page and in an attribute in double quotes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(&mut out, text);
    out
}

/// For text and for attributes in double quotes.
fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn html(text: &str) -> String {
        render(text).html
    }

    #[test]
    fn the_small_markdown_becomes_html() {
        for (text, expected) in [
            ("hello", "<p>hello</p>"),
            ("one\ntwo", "<p>one<br>two</p>"),
            ("one\n\ntwo", "<p>one</p><p>two</p>"),
            (
                "**bold** *it* ~~gone~~ `a < b`",
                "<p><strong>bold</strong> <em>it</em> <del>gone</del> <code>a &lt; b</code></p>",
            ),
            ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
            ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
            ("7. a", "<ol start=\"7\"><li>a</li></ol>"),
            ("> so they say", "<blockquote><p>so they say</p></blockquote>"),
            (
                "```rust\nlet a = 1 < 2;\n@ana\n```",
                "<pre><code>let a = 1 &lt; 2;\n@ana\n</code></pre>",
            ),
        ] {
            assert_eq!(html(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_allowed_stays_as_it_was_typed() {
        for (text, expected) in [
            (
                "<b>hi</b> @ana",
                "<p>&lt;b&gt;hi&lt;/b&gt; <a class=\"mention\" href=\"/wall/ana\" data-name=\"ana\">@ana</a></p>",
            ),
            ("<div>\n**x**\n</div>", "<p>&lt;div&gt;<br>**x**<br>&lt;/div&gt;</p>"),
            ("# big", "<p># big</p>"),
            ("big\n===", "<p>big<br>===</p>"),
            ("---", "<p>---</p>"),
            (">", "<p>&gt;</p>"),
            ("```\n```", "<p>```<br>```</p>"),
            ("[x](javascript:alert(1))", "<p>x (javascript:alert(1))</p>"),
            ("[x](/wall/ana)", "<p>x (/wall/ana)</p>"),
            ("<javascript:alert(1)>", "<p>&lt;javascript:alert(1)&gt;</p>"),
            ("[note]: http", "<p>[note]: http</p>"),
            ("[a]: b\n\n[a]: c\n\nso [a]", "<p>[a]: b</p><p>[a]: c</p><p>so [a]</p>"),
            ("<!-- not gone -->", "<p>&lt;!-- not gone --&gt;</p>"),
            ("&lt;script&gt;", "<p>&lt;script&gt;</p>"),
        ] {
            assert_eq!(html(text), expected, "{text:?}");
        }
    }

    #[test]
    fn addresses_become_links_without_what_follows_them() {
        let link = |address: &str, text: &str| {
            format!("<a href=\"{address}\" rel=\"nofollow noopener ugc\" target=\"_blank\">{text}</a>")
        };
        let bare = |address: &str| link(address, address);
        let example = "https://example.org/a_(b)";
        for (text, expected) in [
            (format!("see {example}."), format!("<p>see {}.</p>", bare(example))),
            (format!("({example})"), format!("<p>({})</p>", bare(example))),
            (
                format!("**{example}**"),
                format!("<p><strong>{}</strong></p>", bare(example)),
            ),
            (
                "https://a.example/__init__.py?x=*y*&z".into(),
                format!("<p>{}</p>", bare("https://a.example/__init__.py?x=*y*&amp;z")),
            ),
            (
                "`https://a.example/_x_`".into(),
                "<p><code>https://a.example/_x_</code></p>".into(),
            ),
            (
                "[here](https://a.example/_x_)".into(),
                format!("<p>{}</p>", link("https://a.example/_x_", "here")),
            ),
            (
                "[](https://a.example)".into(),
                format!("<p>{}</p>", bare("https://a.example")),
            ),
            (
                "![cat](https://a.example/c.png)".into(),
                format!("<p>{}</p>", link("https://a.example/c.png", "cat")),
            ),
            (
                "[![a](https://i.example)](https://o.example)".into(),
                format!("<p>{}</p>", link("https://o.example", "a")),
            ),
            (
                "<ana@example.org>".into(),
                format!("<p>{}</p>", link("mailto:ana@example.org", "ana@example.org")),
            ),
            (
                "xhttp://a.example http://".into(),
                "<p>xhttp://a.example http://</p>".into(),
            ),
            (
                "https://a.example/\"><script>".into(),
                format!("<p>{}&quot;&gt;&lt;script&gt;</p>", bare("https://a.example/")),
            ),
        ] {
            assert_eq!(html(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn people_are_mentioned_outside_of_code_and_links() {
        let names = |text: &str| render(text).mentions;
        assert_eq!(
            names("hi @ana, @Bob-2 and @ana again (@cyd_)"),
            ["ana", "bob-2", "cyd_"]
        );
        for text in [
            "`@ana`",
            "```\n@ana\n```",
            "[@ana](https://a.example)",
            "ana@bobs.example",
            "@an",
            "@a-name-of-more-than-24-letters",
            "@ana@example.org",
            "https://a.example/@ana",
        ] {
            assert!(names(text).is_empty(), "{text:?}: {:?}", names(text));
        }
        let crowd: String = (100..200).map(|n| format!("@member{n} ")).collect();
        assert_eq!(names(&crowd).len(), MENTIONS_MOST);
    }

    /// Texts made to be slow, or to grow.
    fn hard(length: usize) -> Vec<String> {
        let mut texts: Vec<String> = [
            "> ",
            "- ",
            "1. ",
            "* ",
            "*",
            "**",
            "_a",
            "*a_ ",
            "[",
            "![",
            "]",
            "[a](",
            "<",
            "</",
            "<!--",
            "`",
            "`a``",
            "~~",
            "~a~ ",
            "&",
            "&amp;",
            "\\",
            "@ana ",
            "http://a ",
            "http://a)",
            "http://[",
            "<http://a>",
            "[a](http://a)",
            "[a]: b\n\n",
            "[a]: b\n",
            "a\n",
            "\n",
            "- a\n",
            "> a\n\n",
            "```\n",
            "    a\n",
            "\t",
            "<b>",
            "<?",
            "<![CDATA[",
            "a**b",
            "**a*b",
            "\"",
            "\u{0}",
            "[a][a] ",
            "http://a_b ",
            "*http://a*",
            "#",
            "# a\n",
            "=\n",
            "a\n=\n",
        ]
        .iter()
        .map(|part| part.repeat(length / part.len() + 1))
        .collect();
        let half = length / 2;
        texts.push(format!("{}{}", "- ".repeat(half / 2), "\n".repeat(half)));
        texts.push(format!("{}{}", "> ".repeat(half / 2), "a\n".repeat(half / 2)));
        texts.push(format!(
            "[a]: http://a.example/{}\n\n{}",
            "x".repeat(half),
            "[a] ".repeat(half / 4)
        ));
        texts.push(format!("{}a{}", "*".repeat(half), "*".repeat(half)));
        texts.push(format!("{}a{}", "[".repeat(half), "](http://a)".repeat(half / 11)));
        texts.push(
            (0..half)
                .map(|n| format!("{}- a\n", " ".repeat(n * 2 % 200)))
                .take_while({
                    let mut all = 0;
                    move |line| {
                        all += line.len();
                        all < length
                    }
                })
                .collect(),
        );
        texts
    }

    #[test]
    fn no_text_grows_or_nests_without_bound() {
        for text in hard(4_000) {
            let html = html(&text);
            assert!(html.len() <= 40 * text.len(), "{} bytes of {:.20}", html.len(), text);
            let (mut depth, mut deepest) = (0_i32, 0);
            for tag in html.split('<').skip(1).filter(|tag| !tag.starts_with("br>")) {
                depth += if tag.starts_with('/') { -1 } else { 1 };
                deepest = deepest.max(depth);
            }
            assert_eq!(depth, 0, "{text:.20}");
            // A paragraph or code within the deepest, and a link in it.
            assert!(deepest as usize <= NESTING_MOST + 3, "{deepest} of {text:.20}");
        }
    }

    /// The processor's time that this thread has had: others may have it in between, as much as they like.
    fn spent() -> Duration {
        let of_thread = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says it");
        let nanoseconds = of_thread.split(' ').next().and_then(|first| first.parse().ok());
        Duration::from_nanos(nanoseconds.expect("it begins with a number"))
    }

    #[test]
    fn the_time_grows_with_the_length_alone() {
        for (short, long) in hard(4_000).iter().zip(hard(64_000)) {
            let time = |text: &str| {
                let times = (0..3).map(|_| {
                    let started = spent();
                    std::hint::black_box(render(text));
                    spent() - started
                });
                times.min().unwrap_or_default()
            };
            let (short_time, long_time) = (time(short), time(&long[..LONGEST.min(long.len())]));
            // 16 times the length; a square would be 256 times. Below a few milliseconds only noise is measured.
            assert!(
                long_time < 64 * short_time || long_time.as_millis() < 40,
                "{short_time:?} → {long_time:?}: {short:.20}"
            );
        }
    }
}
