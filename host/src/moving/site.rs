//! The part of an archive that people look at: pages that open from the disk, without a server and without a line.
//!
//! Pages are made as they always are, by the same templates, and then taken off the net: what they show is put beside them (a sheet, a
//! font, a picture; each fetched once, from the program itself, as its member sees it), links lead to pages in the archive or back
//! to where they came from, and what needs a server does nothing. A page loads nothing else, and its own policy says so, too.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use axum::{Router, body::Body};
use cssparser::{ParseError, Parser, Token, serialize_string};
use http::{Request, header};
use http_body_util::{BodyExt, Limited};
use lol_html::{
    RewriteStrSettings, element,
    html_content::{ContentType, Element},
    rewrite_str,
};
use minijinja::{Value, context, value::merge_maps};
use tokio::runtime::Handle;
use tower::ServiceExt;

use crate::{
    app::App,
    archive::Writer,
    error::Error,
    http::Peer,
    session::{Member, Viewer},
};

/// Bytes of one page, sheet, font or picture.
const PIECE_MOST: usize = 32 << 20;
/// Blocks within blocks of a sheet.
const NESTING_MOST: u8 = 32;
/// What a page from the disk may load: what lies beside it.
const POLICY: &str = "default-src 'none'; style-src 'self' file:; font-src 'self' file:; img-src 'self' file: data:; \
     media-src 'self' file:; frame-src 'none'; form-action 'none'; base-uri 'none'";
/// Attributes that lead somewhere by being there.
const LOADING: [&str; 6] = ["src", "srcset", "poster", "data", "background", "xlink:href"];
/// Attributes that send something when they are pressed.
const SENDING: [&str; 6] = ["action", "method", "formaction", "ping", "target", "download"];

/// The pages of one archive.
pub struct Site<'a> {
    app: &'a App,
    member: &'a Member,
    router: Router,
    runtime: Handle,
    out: RefCell<&'a mut Writer>,
    /// What went wrong with the archive while a page was taken off the net.
    fault: RefCell<Option<Error>>,
    /// Addresses here of what is shown, and where it lies in the archive; nothing for what there isn't.
    known: RefCell<HashMap<String, Option<String>>>,
    /// Addresses here of pages, and where they lie.
    pages: RefCell<HashMap<String, String>>,
    /// Scripts by id, and the file that runs each.
    scripts: RefCell<HashMap<String, String>>,
    numbered: Cell<usize>,
    /// The pages that there are, for the menu: where they lie, and what they are called.
    menu: Vec<(&'static str, &'static str)>,
}

impl<'a> Site<'a> {
    /// Begins the pages of a member's archive. `router` is the program's own; `known` are addresses of what lies in the archive
    /// already. Runs on a thread that may wait.
    pub fn new(
        app: &'a App,
        member: &'a Member,
        router: Router,
        out: &'a mut Writer,
        known: HashMap<String, Option<String>>,
        menu: Vec<(&'static str, &'static str)>,
    ) -> Self {
        Self {
            app,
            member,
            router,
            runtime: Handle::current(),
            out: RefCell::new(out),
            fault: RefCell::default(),
            known: RefCell::new(known),
            pages: RefCell::default(),
            scripts: RefCell::default(),
            numbered: Cell::default(),
            menu,
        }
    }

    /// Says that a page here lies there in the archive, so that links lead to it.
    pub fn lies_at(&self, address: impl Into<String>, path: impl Into<String>) {
        self.pages.borrow_mut().insert(address.into(), path.into());
    }

    /// Says which file runs a script.
    pub fn runs_at(&self, script: impl Into<String>, path: impl Into<String>) {
        self.scripts.borrow_mut().insert(script.into(), path.into());
    }

    /// Writes a page of a template of `moving/`, which reads `it`.
    ///
    /// # Errors
    /// The template's; of whoever takes the archive.
    pub fn page(&self, path: &str, template: &str, it: Value) -> Result<(), Error> {
        let menu: Vec<_> = self
            .menu
            .iter()
            .map(|(at, name)| context! { at, name, here => *at == path })
            .collect();
        let shell = context! { menu, member => self.member.name, up => up(path) };
        let html = self.app.html.render(template, merge_maps([it, shell]))?;
        self.write(path, &html)
    }

    /// Writes a page as a guest sees it here at an address; nothing where there is none.
    ///
    /// # Errors
    /// Of whoever takes the archive.
    pub fn copy(&self, path: &str, address: &str) -> Result<bool, Error> {
        let Some((_, html)) = self.get(address, Viewer::default()) else {
            return Ok(false);
        };
        let html = String::from_utf8(html).map_err(Error::internal)?;
        self.write(path, &html)?;
        Ok(true)
    }

    /// Writes a file with this text as it is.
    ///
    /// # Errors
    /// Of whoever takes the archive.
    pub fn file(&self, path: &str, text: &str) -> Result<(), Error> {
        self.out.borrow_mut().text(path, text)
    }

    fn write(&self, path: &str, html: &str) -> Result<(), Error> {
        let page = self.taken_off(path, html)?;
        if let Some(fault) = self.fault.borrow_mut().take() {
            return Err(fault);
        }
        self.file(path, &page)
    }

    /// A page that shows what lies beside it and asks nobody for anything. What it shows is written down meanwhile.
    fn taken_off(&self, path: &str, html: &str) -> Result<String, Error> {
        let up = up(path);
        // Players that browsers without scripts get are for all: here nobody's scripts run. Only our templates say so, for no text of a
        // member holds an element.
        let html = html
            .replace("<noscript><audio", "<audio")
            .replace("</audio></noscript>", "</audio>");
        let script = RefCell::new(String::new());
        let settings = RewriteStrSettings::new()
            .append_element_content_handler(element!("*", |element| {
                self.take_off(element, path, &up, &script);
                Ok(())
            }))
            .append_element_content_handler(element!("head", |head| {
                let policy = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">");
                head.prepend(&policy, ContentType::Html);
                let sheet = self.beside(&self.app.html.asset("css/moving.css"), &up);
                if let Some(sheet) = sheet {
                    head.append(
                        &format!("<link rel=\"stylesheet\" href=\"{sheet}\">"),
                        ContentType::Html,
                    );
                }
                Ok(())
            }));
        rewrite_str(&html, settings).map_err(Error::internal)
    }

    /// `script`: the one in whose window we are, by its address.
    fn take_off(&self, element: &mut Element, path: &str, up: &str, script: &RefCell<String>) {
        let tag = element.tag_name();
        let rel = element.get_attribute("rel").unwrap_or_default();
        match &*tag {
            "script" | "base" | "noscript" | "iframe" | "object" | "embed" => return element.remove(),
            "meta" if element.has_attribute("http-equiv") => return element.remove(),
            "link" if rel != "stylesheet" && rel != "icon" => return element.remove(),
            // Nobody answers it. What it shows stays.
            "form" => set(element, "inert", ""),
            // What only a server reads, marks of its own among it.
            "input" if element.get_attribute("type").is_some_and(|kind| kind == "hidden") => return element.remove(),
            "neo-frame" => *script.borrow_mut() = element.get_attribute("data-source").unwrap_or_default(),
            "button" if element.has_attribute("data-run") => {
                let run = self.run(&script.borrow(), up);
                return match run {
                    Some(link) => element.replace(&link, ContentType::Html),
                    None => element.remove(),
                };
            }
            _ => {}
        }
        let class = element.get_attribute("class").unwrap_or_default();
        if class == "bar" && tag == "header" {
            return element.replace(&self.bar(path, up), ContentType::Html);
        }
        if element.get_attribute("id").is_some_and(|id| id == "edge") {
            return element.remove();
        }
        let named: Vec<String> = element
            .attributes()
            .iter()
            .map(lol_html::html_content::Attribute::name)
            .collect();
        for name in named {
            let value = || element.get_attribute(&name).unwrap_or_default().replace("&amp;", "&");
            let is_link = name == "href" && matches!(&*tag, "a" | "area");
            if is_link {
                match self.link(&value(), up) {
                    Some(to) => set(element, "href", &to),
                    None => element.remove_attribute("href"),
                }
            } else if name == "href" || LOADING.contains(&&*name) {
                let beside = match &*name {
                    // One address, as our templates write it: the picture at rest, for who prefers less motion.
                    "srcset" if tag != "source" || value().contains([' ', ',']) => None,
                    _ => self.beside(&value(), up),
                };
                match beside {
                    Some(to) => set(element, &name, &to),
                    None => element.remove_attribute(&name),
                }
            } else if SENDING.contains(&&*name) || name.starts_with("on") || name == "autofocus" {
                element.remove_attribute(&name);
            }
        }
    }

    /// The bar of every page: what else is in the archive.
    fn bar(&self, path: &str, up: &str) -> String {
        let entries = self.menu.iter().map(|(at, name)| {
            let here = if *at == path { " aria-current=\"page\"" } else { "" };
            format!("<li><a href=\"{up}{at}\"{here}>{name}</a></li>")
        });
        format!(
            "<header class=\"bar\"><a class=\"brand\" href=\"{up}index.html\">NeoSpace</a><nav aria-label=\"Main\"><ul class=\"menu\">{}</ul></nav></header>",
            entries.collect::<String>()
        )
    }

    /// What stands where one would press to run a script here: the way to the file that runs it, or to where it is on the net.
    fn run(&self, source: &str, up: &str) -> Option<String> {
        let id = source.strip_prefix("/sandbox/")?.split('/').next()?;
        let scripts = self.scripts.borrow();
        let origin = &self.app.config().origin;
        let (to, words) = match scripts.get(id) {
            Some(path) => (format!("{up}{path}"), "Run"),
            None if !origin.is_empty() => (format!("{origin}/sandbox/{id}"), "Run it where it is"),
            None => return None,
        };
        let to = to.replace('&', "&amp;").replace('"', "&quot;");
        Some(format!("<a class=\"btn plate-green\" href=\"{to}\">{words}</a>"))
    }

    /// Where a link leads from a page that is `up` from the top: in the archive, or to where that is on the net.
    fn link(&self, to: &str, up: &str) -> Option<String> {
        let is_of = |scheme: &&str| to.starts_with(*scheme);
        if to.starts_with('#') || ["https://", "http://", "mailto:"].iter().any(is_of) {
            return Some(to.to_owned());
        }
        if !to.starts_with('/') {
            // Our own templates' are relative already, and plain names.
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/#".contains(&byte);
            return to.bytes().all(fine).then(|| to.to_owned());
        }
        let pages = self.pages.borrow();
        let (address, hash) = to.split_once('#').map_or((to, ""), |(to, hash)| (to, hash));
        if let Some(path) = pages.get(to).or_else(|| pages.get(address)) {
            return Some(match hash.is_empty() || path.contains('#') {
                true => format!("{up}{path}"),
                false => format!("{up}{path}#{hash}"),
            });
        }
        if let Some(Some(path)) = self.known.borrow().get(address) {
            return Some(format!("{up}{path}"));
        }
        let origin = &self.app.config().origin;
        (!origin.is_empty()).then(|| format!("{origin}{to}"))
    }

    /// Where something that is shown lies, which is put there if it isn't yet.
    fn beside(&self, address: &str, up: &str) -> Option<String> {
        if address.starts_with("data:image/") || address.starts_with('#') {
            return Some(address.to_owned());
        }
        let (address, hash) = address
            .split_once('#')
            .map_or((address, String::new()), |(at, hash)| (at, format!("#{hash}")));
        let path = self.placed(address)?;
        Some(format!("{up}{path}{hash}"))
    }

    fn placed(&self, address: &str) -> Option<String> {
        if !address.starts_with('/') || address.starts_with("//") {
            return None;
        }
        if let Some(known) = self.known.borrow().get(address) {
            return known.clone();
        }
        let found = self.get(address, Viewer::of(self.member.clone()));
        let path = found.as_ref().and_then(|(kind, _)| self.place(address, kind));
        self.known.borrow_mut().insert(address.to_owned(), path.clone());
        let (path, (kind, bytes)) = (path?, found?);
        // A sheet names fonts and pictures, which come first.
        let bytes = match kind.starts_with("text/css") {
            true => self.sheet(&String::from_utf8_lossy(&bytes), &up(&path)).into_bytes(),
            false => bytes,
        };
        if let Err(fault) = self.out.borrow_mut().copy(&path, &*bytes) {
            self.fault.borrow_mut().get_or_insert(fault);
        }
        Some(path)
    }

    /// A place for something new: our own assets keep their names, all else is numbered.
    fn place(&self, address: &str, kind: &str) -> Option<String> {
        let fine = |path: &str| {
            path.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
                && !path.contains("..")
        };
        for folder in ["ui", "static"] {
            let rest = address
                .strip_prefix(&format!("/{folder}/"))
                .and_then(|rest| rest.split_once('/'));
            if let Some((_, path)) = rest.filter(|(_, path)| fine(path)) {
                return Some(format!("site/{folder}/{path}"));
            }
        }
        let ending = match kind.split(';').next().unwrap_or("").trim() {
            "text/css" => "css",
            "image/svg+xml" => "svg",
            "image/png" => "png",
            "image/jpeg" => "jpg",
            "image/webp" => "webp",
            "image/gif" => "gif",
            "image/avif" => "avif",
            "font/woff2" => "woff2",
            "audio/ogg" => "ogg",
            "audio/mpeg" => "mp3",
            "audio/mp4" => "m4a",
            "audio/aac" => "aac",
            "audio/flac" => "flac",
            "audio/wav" | "audio/x-wav" => "wav",
            _ => return None,
        };
        self.numbered.set(self.numbered.get() + 1);
        Some(format!("site/shown/{}.{ending}", self.numbered.get()))
    }

    /// A sheet whose fonts and pictures lie beside it.
    fn sheet(&self, css: &str, up: &str) -> String {
        let mut urls = Vec::new();
        let mut parser = Parser::new(css);
        parser.set_nested_block_limit(NESTING_MOST);
        find_urls(&mut parser, &mut urls);
        let (mut out, mut end) = (String::with_capacity(css.len()), 0);
        for url in urls {
            let to = self.beside(url.address.trim(), up).unwrap_or_else(|| "data:,".into());
            out.push_str(&css[end..url.from]);
            out.push_str("url(");
            // Writing into a text can't fail.
            let _ = serialize_string(&to, &mut out);
            out.push(')');
            end = url.to;
        }
        out.push_str(&css[end..]);
        out
    }

    /// What this program answers somebody at an address: the kind, and the bytes.
    fn get(&self, address: &str, viewer: Viewer) -> Option<(String, Vec<u8>)> {
        let mut request = Request::get(address)
            .header(header::ACCEPT, "text/html, */*")
            .body(Body::empty())
            .ok()?;
        let extensions = request.extensions_mut();
        extensions.insert(viewer);
        extensions.insert(Peer([127, 0, 0, 1].into()));
        let router = self.router.clone();
        self.runtime.block_on(async {
            let Ok(response) = router.oneshot(request).await;
            if !response.status().is_success() {
                return None;
            }
            let kind = response.headers().get(header::CONTENT_TYPE)?.to_str().ok()?.to_owned();
            let body = Limited::new(response.into_body(), PIECE_MOST).collect().await.ok()?;
            Some((kind, body.to_bytes().into()))
        })
    }
}

/// A `url()` of a sheet: where it stands, and what it says.
struct Url {
    from: usize,
    to: usize,
    address: String,
}

/// Every address that a sheet loads from, in order.
fn find_urls(parser: &mut Parser, urls: &mut Vec<Url>) {
    loop {
        let from = parser.position().byte_index();
        let is_url = match parser.next_including_whitespace_and_comments() {
            Err(_) => return,
            Ok(Token::UnquotedUrl(address)) => {
                let address = address.to_string();
                urls.push(Url {
                    from,
                    to: parser.position().byte_index(),
                    address,
                });
                continue;
            }
            Ok(Token::Function(name)) => name.eq_ignore_ascii_case("url"),
            Ok(Token::CurlyBracketBlock | Token::SquareBracketBlock | Token::ParenthesisBlock) => false,
            Ok(_) => continue,
        };
        let mut address = None;
        let inside = parser.parse_nested_block(|block| {
            match is_url {
                true => address = block.expect_string().ok().map(|text| text.to_string()),
                false => find_urls(block, urls),
            }
            while block.next_including_whitespace_and_comments().is_ok() {}
            Ok::<_, ParseError<()>>(())
        });
        if inside.is_ok() && is_url {
            urls.push(Url {
                from,
                to: parser.position().byte_index(),
                address: address.unwrap_or_default(),
            });
        }
    }
}

/// From a page to the top of the archive.
fn up(path: &str) -> String {
    "../".repeat(path.matches('/').count())
}

fn set(element: &mut Element, name: &str, value: &str) {
    // Names come from the parser or stand above: they can be set. Quotes are spelled out where it is written.
    let _ = element.set_attribute(name, &value.replace('&', "&amp;"));
}
