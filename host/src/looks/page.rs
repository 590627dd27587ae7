//! What a wall wears as the page takes it: the stylesheet, its address, whom it was taken from; and the drawer's tab.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;

use minijinja::{Value, context};

use super::{
    custom::{self, Rebuilt},
    queries::{self, Look},
    starts::{self, STARTS},
    theme::{CURSORS, Choice, Exchanged, FONTS, INKS, PATTERNS, SCHEMES, SLIDERS, TEXTS, Theme},
};
use crate::{
    app::App,
    cache::{Audience, accepts_encoding, compress_zstd},
    db::Reader,
    error::{Error, Invalid},
    fragments::{self, Key, Piece, Sight},
    http::{Form, Path},
    media,
    profiles::{self, Profile},
};

/// Inks that the editor shows at once; the others are behind a lid.
const INKS_FIRST: usize = 7;
/// Walls in small on one page.
const SMALL_MOST: usize = 12;

/// What a wall wears, for its page.
#[derive(Clone, Debug, Hash, Serialize)]
pub struct Worn {
    /// The stylesheet's address.
    pub href: String,
    /// Whose wall it was taken from.
    pub remixed_from: Option<Arc<str>>,
    /// Whether others may take it.
    pub remixable: bool,
}

impl Worn {
    /// The link to the stylesheet, which the page's head holds and live changes exchange.
    pub fn link(&self) -> String {
        // A name and a hash: nothing to escape.
        format!("<link id=\"look\" rel=\"stylesheet\" href=\"{}\">", self.href)
    }
}

/// What somebody's wall wears.
///
/// # Errors
/// The database's.
pub fn wear(app: &App, db: &Reader, owner: &Profile) -> Result<Worn, Error> {
    let look = queries::of(db, owner)?;
    let css = written(app, db, owner, &look)?;
    Ok(Worn {
        href: address(&owner.name, &css),
        remixed_from: look.remixed_from.map(|(_, name)| name),
        remixable: look.remixable,
    })
}

/// What the look puts on a wall: the link to its stylesheet, and whom it was taken from. In the plain view without the
/// stylesheet.
///
/// # Errors
/// The database's.
pub fn on_wall(app: &App, owner: &Profile, sight: Sight) -> Result<Piece, Error> {
    let key = Key {
        kind: match (sight.edit, sight.plain) {
            (true, _) => "look, edited",
            (false, true) => "look, plain",
            (false, false) => "look, worn",
        },
        id: owner.user_id,
        audience: sight.audience(owner.user_id),
    };
    let stamp = app.topics.stamp([topic(&owner.name)]);
    app.fragments.piece(key, &stamp, || {
        let worn = app.db.read(|db| wear(app, db, owner))?;
        let mut head = match sight.plain {
            true => String::new(),
            false => worn.link(),
        };
        if sight.edit && sight.own {
            let _ = write!(
                head,
                "<link rel=\"stylesheet\" href=\"{}\"><script type=\"module\" src=\"{}\"></script>",
                starts_address(),
                app.html.asset("js/looks/ident.js"),
            );
        }
        let html = app.html.render(
            "looks/credit.html",
            context! { who => context! { name => &*owner.name }, look => &worn, own => sight.own, signed_in => sight.viewer.member.is_some() },
        )?;
        Ok(Piece {
            head: head.into(),
            html: html.into(),
        })
    })
}

/// What changes when somebody's look does.
pub fn topic(name: &str) -> String {
    format!("look:{name}")
}

/// The stylesheet of a look, written once. It begins with its own hash.
fn written(app: &App, db: &Reader, owner: &Profile, look: &Look) -> Result<Arc<str>, Error> {
    let key = Key {
        kind: "look",
        id: owner.user_id,
        audience: Audience::Guests,
    };
    let made_from = fragments::hash((&owner.name, &look.theme, &look.css));
    app.fragments
        .get_or_render(key, made_from, None, || Ok(write(db, owner, &look.theme, &look.css)))
}

/// The stylesheet of a theme and of its owner's CSS, beginning with its own hash.
pub fn write(db: &Reader, owner: &Profile, theme: &Theme, own: &str) -> String {
    let (shown, _) = theme.checked();
    let own = rebuilt(db, owner, own).css;
    let css = format!("{}@layer theme{{{}}}\n{own}", shown.faces(), shown.rule(".wall"));
    format!("/*{}*/{css}", super::hash(&css))
}

/// An owner's CSS, with pictures of their own library.
pub fn rebuilt(db: &Reader, owner: &Profile, css: &str) -> Rebuilt {
    custom::rebuild(css, &|id| media::picture(db, owner.user_id, id).is_ok())
}

fn address(name: &str, css: &str) -> String {
    let hash = css[2..].split('*').next().unwrap_or_default();
    format!("/wall/{name}/look/{hash}.css")
}

/// `GET /wall/{user}/look/{hash}.css`: what the wall wears. Under its present hash it never changes; an older page gets
/// the present one too, and asks again.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn sheet(
    State(app): State<App>,
    Path((name, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if !profiles::is_name(&name) || !file.ends_with(".css") {
        return Err(Error::NotFound);
    }
    let css = app.db.read(|db| {
        let owner = profiles::find(db, &name)?;
        let look = queries::of(db, &owner)?;
        written(&app, db, &owner, &look)
    })?;
    Ok(stylesheet(
        &css,
        address(&name, &css).ends_with(&format!("/{file}")),
        &headers,
    ))
}

/// `GET /looks/{hash}.css`: the twelve, for walls in small.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn all_starts(Path(file): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let (css, hash) = starts::sheet();
    let named = file.strip_suffix(".css").ok_or(Error::NotFound)?;
    Ok(stylesheet(css, named == hash, &headers))
}

/// Where the stylesheet is that dresses these members' walls in small.
pub fn address_of(names: &[String]) -> String {
    let names: Vec<_> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    format!("/looks/of/{}.css", names.join(","))
}

/// `GET /looks/of/{names}.css`: what these walls wear, for walls in small: `[data-small="ana"]`. Their owners' CSS stays at
/// home.
///
/// # Errors
/// [`Error::NotFound`] for more names than a page shows.
pub async fn sheet_of(
    State(app): State<App>,
    Path(names): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let names = names.strip_suffix(".css").ok_or(Error::NotFound)?;
    let names: Vec<_> = names.split(',').filter(|name| profiles::is_name(name)).collect();
    if names.len() > SMALL_MOST {
        return Err(Error::NotFound);
    }
    let mut css = String::new();
    app.db.read(|db| {
        for name in names {
            // Somebody may have gone since.
            let Ok(owner) = profiles::find(db, name) else { continue };
            let (shown, _) = queries::of(db, &owner)?.theme.checked();
            let rule = shown.rule(&format!("[data-small=\"{name}\"]"));
            let _ = writeln!(css, "{}@layer theme{{{rule}}}", shown.faces());
        }
        Ok(())
    })?;
    Ok(stylesheet(&css, false, &headers))
}

fn stylesheet(css: &str, is_current: bool, request: &HeaderMap) -> Response {
    let accepts = request
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let packed = accepts_encoding(accepts, "zstd");
    let mut response = match packed {
        true => Response::new(compress_zstd(css.as_bytes()).into()),
        false => Response::new(css.to_owned().into()),
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(match is_current {
            true => "public, max-age=31536000, immutable",
            false => "no-cache",
        }),
    );
    response
}

/// What `templates/looks/drawer.html` reads as `panel`.
#[derive(Serialize)]
pub struct Tab {
    schemes: Vec<Scheme>,
    sliders: Vec<Slider>,
    choices: Vec<Select>,
    starts: Vec<Card>,
    starts_sheet: String,
    exchanged: Vec<Exchanged>,
    errors: BTreeMap<String, String>,
    remixed_from: Option<Arc<str>>,
    remixable: bool,
    undo: bool,
    redo: bool,
}

#[derive(Serialize)]
struct Scheme {
    label: &'static str,
    first: Vec<Ink>,
    finer: Vec<Ink>,
}

#[derive(Serialize)]
struct Ink {
    field: String,
    label: &'static str,
    about: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Slider {
    field: &'static str,
    label: &'static str,
    least: u8,
    most: u8,
    value: String,
}

#[derive(Serialize)]
struct Select {
    field: &'static str,
    label: &'static str,
    options: Vec<(&'static str, &'static str, bool)>,
}

#[derive(Serialize)]
struct Card {
    name: &'static str,
    title: &'static str,
    about: &'static str,
}

/// The drawer's tab for the look.
///
/// # Errors
/// The database's.
pub fn drawer(app: &App, owner: &Profile, _: &Form) -> Result<Value, Error> {
    Ok(Value::from_serialize(tab(app, owner, None)?))
}

/// The same; with a form that was refused, as it was typed.
///
/// # Errors
/// The database's.
pub fn tab(app: &App, owner: &Profile, typed: Option<(&Form, &Invalid)>) -> Result<Tab, Error> {
    let (look, (undo, redo)) = app.db.read(|db| {
        let look = queries::of(db, owner)?;
        let ways = queries::ways(db, owner.user_id, look.id)?;
        Ok((look, ways))
    })?;
    let mut values: BTreeMap<String, String> = look.theme.fields().into_iter().collect();
    for (field, value) in typed.iter().flat_map(|(form, _)| &form.0) {
        if let Some(kept) = values.get_mut(field) {
            kept.clone_from(value);
        }
    }
    let value = |field: &str| values.get(field).cloned().unwrap_or_default();
    let inks = |scheme: &str, range: std::ops::Range<usize>| {
        let inks = INKS[range].iter();
        inks.map(|(ink, label, about)| {
            let field = format!("{scheme}-{ink}");
            Ink {
                value: value(&field),
                field,
                label,
                about,
            }
        })
        .collect()
    };
    let select = |field: &'static str, label, choices: &'static [Choice]| Select {
        field,
        label,
        options: choices
            .iter()
            .map(|choice| (choice.value, choice.label, choice.value == value(field)))
            .collect(),
    };
    let errors = typed.iter().flat_map(|(_, invalid)| &invalid.errors);
    Ok(Tab {
        schemes: SCHEMES
            .iter()
            .map(|(scheme, label)| Scheme {
                label,
                first: inks(scheme, 0..INKS_FIRST),
                finer: inks(scheme, INKS_FIRST..INKS.len()),
            })
            .collect(),
        sliders: SLIDERS
            .iter()
            .map(|&(field, label, least, most)| Slider {
                field,
                label,
                least,
                most,
                value: value(field),
            })
            .collect(),
        choices: vec![
            select("font", "Letters of titles", &FONTS),
            select("text", "Letters of text", &TEXTS),
            select("pattern", "Pattern", &PATTERNS),
            select("cursor", "Mouse", &CURSORS),
        ],
        starts: STARTS
            .iter()
            .map(|start| Card {
                name: start.name,
                title: start.title,
                about: start.about,
            })
            .collect(),
        starts_sheet: starts_address(),
        exchanged: look.theme.checked().1,
        errors: errors
            .map(|error| (error.field.clone(), error.message.clone()))
            .collect(),
        remixed_from: look.remixed_from.map(|(_, name)| name),
        remixable: look.remixable,
        undo,
        redo,
    })
}

/// What `templates/looks/css.html` reads as `panel`.
#[derive(Serialize)]
struct Raw {
    css: String,
    most: usize,
    left_out: Vec<LeftOut>,
    error: String,
    undo: bool,
    redo: bool,
}

/// Something of an owner's CSS that is not worn.
#[derive(Serialize)]
pub struct LeftOut {
    pub line: u32,
    pub column: u32,
    pub why: String,
}

/// What of an owner's CSS would be left out, by line.
pub fn left_out(db: &Reader, owner: &Profile, css: &str) -> Vec<LeftOut> {
    let left_out = rebuilt(db, owner, css).left_out.into_iter();
    left_out
        .map(|one| LeftOut {
            line: one.line,
            column: one.column,
            why: one.message,
        })
        .collect()
}

/// The drawer's tab for the owner's CSS.
///
/// # Errors
/// The database's.
pub fn css_drawer(app: &App, owner: &Profile, _: &Form) -> Result<Value, Error> {
    css_tab(app, owner, None)
}

/// The same; with what was typed and refused, and why.
///
/// # Errors
/// The database's.
pub fn css_tab(app: &App, owner: &Profile, typed: Option<(&str, &str)>) -> Result<Value, Error> {
    let (css, left_out, (undo, redo)) = app.db.read(|db| {
        let look = queries::of(db, owner)?;
        let ways = queries::ways(db, owner.user_id, look.id)?;
        let css = typed.map_or(look.css, |(typed, _)| typed.to_owned());
        let left_out = left_out(db, owner, &css);
        Ok((css, left_out, ways))
    })?;
    Ok(Value::from_serialize(Raw {
        left_out,
        css,
        most: custom::SOURCE_MOST,
        error: typed.map_or("", |(_, why)| why).to_owned(),
        undo,
        redo,
    }))
}

/// Where the stylesheet of the twelve is.
pub fn starts_address() -> String {
    format!("/looks/{}.css", starts::sheet().1)
}
