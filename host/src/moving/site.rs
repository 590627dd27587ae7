//! The part of an archive that people look at: pages that open from the disk, without a server and without a line.
//!
//! Pages are made as they always are, by the same templates, and then taken off the net: what they show is put beside them (a sheet, a
//! font, a picture; each fetched once, from the program itself, as its member sees it), links lead to pages in the archive or back
//! to where they came from, and what needs a server does nothing. A page loads nothing else, and its own policy says so, too.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, VecDeque},
};

use axum::{Router, body::Body};
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
    /// Addresses here, and where what is there lies in the archive.
    places: RefCell<Places>,
    /// The pages that there are, for the menu: where they lie, and what they are called.
    menu: Vec<(&'static str, &'static str)>,
}

#[derive(Default)]
struct Places {
    /// `None`: there is nothing that could be put beside a page.
    known: HashMap<String, Option<String>>,
    /// What is yet to be written: where, and its bytes.
    waiting: VecDeque<(String, Vec<u8>)>,
    numbered: usize,
    pages: BTreeMap<String, String>,
}

impl<'a> Site<'a> {
    /// Begins the pages of a member's archive. `router` is the program's own. Runs on a thread that may wait.
    pub fn new(app: &'a App, member: &'a Member, router: Router, menu: Vec<(&'static str, &'static str)>) -> Self {
        Self {
            app,
            member,
            router,
            runtime: Handle::current(),
            places: RefCell::default(),
            menu,
        }
    }

    /// Says that a page here lies there in the archive, so that links lead to it.
    pub fn lies_at(&self, address: &str, path: &str) {
        let mut places = self.places.borrow_mut();
        places.pages.insert(address.to_owned(), path.to_owned());
    }

    /// Writes a page of a template of `moving/`, which reads `it`.
    ///
    /// # Errors
    /// The template's; of whoever takes the archive.
    pub fn page(&self, path: &str, template: &str, it: Value, out: &mut Writer) -> Result<(), Error> {
        let menu: Vec<_> = self
            .menu
            .iter()
            .map(|(at, name)| context! { at, name, here => *at == path })
            .collect();
        let shell = context! { menu, member => self.member.name, up => up(path) };
        let html = self.app.html.render(template, merge_maps([it, shell]))?;
        self.write(path, &html, out)
    }

    /// Writes a page as it is here at an address, seen by its member; nothing where it isn't.
    ///
    /// # Errors
    /// Of whoever takes the archive.
    pub fn copy(&self, path: &str, address: &str, out: &mut Writer) -> Result<bool, Error> {
        let Some((_, html)) = self.get(address) else {
            return Ok(false);
        };
        let html = String::from_utf8(html).map_err(Error::internal)?;
        self.write(path, &html, out)?;
        Ok(true)
    }

    fn write(&self, path: &str, html: &str, out: &mut Writer) -> Result<(), Error> {
        out.text(path, &self.taken_off(path, html)?)?;
        // Sheets name fonts, which are found while they are written.
        loop {
            let next = self.places.borrow_mut().waiting.pop_front();
            let Some((path, bytes)) = next else { return Ok(()) };
            out.copy(&path, &*bytes)?;
        }
    }

    /// A page that shows what lies beside it and asks nobody for anything.
    fn taken_off(&self, path: &str, html: &str) -> Result<String, Error> {
        let up = up(path);
        let settings = RewriteStrSettings::new()
            .append_element_content_handler(element!("*", |element| {
                self.take_off(element, &up);
                Ok(())
            }))
            .append_element_content_handler(element!("head", |head| {
                let policy = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">");
                head.prepend(&policy, ContentType::Html);
                Ok(())
            }));
        rewrite_str(html, settings).map_err(Error::internal)
    }

    fn take_off(&self, element: &mut Element, up: &str) {
        let tag = element.tag_name();
        let rel = element.get_attribute("rel").unwrap_or_default();
        match &*tag {
            "script" | "base" | "noscript" | "iframe" | "object" | "embed" => return element.remove(),
            "meta" if element.has_attribute("http-equiv") => return element.remove(),
            "link" if rel != "stylesheet" && rel != "icon" => return element.remove(),
            "form" => set(element, "inert", ""),
            _ => {}
        }
        if element.get_attribute("class").is_some_and(|class| class == "bar") && tag == "header" {
            return element.replace(&self.bar(up), ContentType::Html);
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
                    "srcset" => None,
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
    fn bar(&self, up: &str) -> String {
        let entries = self
            .menu
            .iter()
            .map(|(at, name)| format!("<li><a href=\"{up}{at}\">{name}</a></li>"));
        format!(
            "<header class=\"bar\"><a class=\"brand\" href=\"{up}index.html\">NeoSpace</a><nav aria-label=\"Main\"><ul class=\"menu\">{}</ul></nav></header>",
            entries.collect::<String>()
        )
    }

    /// Where a link leads from a page that is `up` from the top: in the archive, or to where that is on the net.
    fn link(&self, to: &str, up: &str) -> Option<String> {
        if to.starts_with('#') || to.starts_with("https://") || to.starts_with("http://") || to.starts_with("mailto:") {
            return Some(to.to_owned());
        }
        // Links of our own templates are relative already.
        if !to.starts_with('/') {
            return (!to.contains(':')).then(|| to.to_owned());
        }
        let (address, hash) = to
            .split_once('#')
            .map_or((to, String::new()), |(to, hash)| (to, format!("#{hash}")));
        let places = self.places.borrow();
        if let Some(path) = places.pages.get(address) {
            return Some(format!("{up}{path}{hash}"));
        }
        if let Some(Some(path)) = places.known.get(address) {
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
        if let Some(known) = self.places.borrow().known.get(address) {
            return known.clone();
        }
        let found = self.get(address);
        let path = found.as_ref().and_then(|(kind, _)| self.place(address, kind));
        self.places.borrow_mut().known.insert(address.to_owned(), path.clone());
        let (path, (kind, bytes)) = (path?, found?);
        let bytes = match kind.starts_with("text/css") {
            true => self.sheet(&String::from_utf8_lossy(&bytes), &up(&path)).into_bytes(),
            false => bytes,
        };
        self.places.borrow_mut().waiting.push_back((path.clone(), bytes));
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
            "audio/flac" => "flac",
            "audio/wav" | "audio/x-wav" => "wav",
            _ => return None,
        };
        let mut places = self.places.borrow_mut();
        places.numbered += 1;
        Some(format!("site/shown/{}.{ending}", places.numbered))
    }

    /// A sheet whose fonts and pictures lie beside it.
    fn sheet(&self, css: &str, up: &str) -> String {
        let mut out = String::with_capacity(css.len());
        let mut rest = css;
        while let Some(at) = rest.find("url(") {
            let (before, after) = rest.split_at(at + 4);
            out.push_str(before);
            let quote = after.chars().next().filter(|c| *c == '"' || *c == '\'');
            let (start, end) = match quote {
                Some(quote) => (1, after[1..].find(quote).map(|end| end + 1)),
                None => (0, after.find(')')),
            };
            let Some(end) = end else {
                out.push_str("\"data:,\"");
                rest = "";
                break;
            };
            let to = self
                .beside(after[start..end].trim(), up)
                .unwrap_or_else(|| "data:,".into());
            out.push_str(&format!("\"{to}\""));
            rest = &after[end + usize::from(quote.is_some())..];
        }
        out.push_str(rest);
        out
    }

    /// What this program answers its member at an address: the kind, and the bytes.
    fn get(&self, address: &str) -> Option<(String, Vec<u8>)> {
        let mut request = Request::get(address)
            .header(header::ACCEPT, "text/html, */*")
            .body(Body::empty())
            .ok()?;
        let extensions = request.extensions_mut();
        extensions.insert(Viewer::of(self.member.clone()));
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

/// From a page to the top of the archive.
fn up(path: &str) -> String {
    "../".repeat(path.matches('/').count())
}

fn set(element: &mut Element, name: &str, value: &str) {
    // Names come from the parser or stand above: they can be set.
    let _ = element.set_attribute(name, value);
}
