//! Templates and assets: embedded in a release, read from disk in development.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use include_dir::{Dir, include_dir};
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, escape_formatter};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    cache::{accepts_encoding, compress_gzip, compress_zstd},
    error::Error,
    http::{FRAGMENT, unstored},
};

/// A page that is somebody's own, outside every cache.
pub fn page(html: String, status: StatusCode) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    unstored((status, kind, html).into_response())
}

/// Part of a page, for our script; outside every cache.
pub fn fragment(html: String, status: StatusCode) -> Response {
    let kind = [(header::CONTENT_TYPE, format!("{FRAGMENT}; charset=utf-8"))];
    unstored((status, kind, html).into_response())
}

static TEMPLATES: Dir = include_dir!("$CARGO_MANIFEST_DIR/../templates");
static UI: Dir = include_dir!("$CARGO_MANIFEST_DIR/../ui");
static STATIC: Dir = include_dir!("$CARGO_MANIFEST_DIR/../static");

/// The segments after `/ui/` and `/static/` in the addresses of assets, which change with what lies behind them (`build.rs`).
const UI_HASH: &str = env!("UI_HASH");
const STATIC_HASH: &str = env!("STATIC_HASH");
/// In place of a hash: what lies behind it has its version in its path.
const VERSIONED: &str = "v";

/// The templates' environment and the assets.
#[derive(Clone)]
pub struct Html(Arc<Inner>);

struct Inner {
    templates: Environment<'static>,
    /// In development: where the sources lie.
    sources: Option<PathBuf>,
    globals: Vec<(&'static str, minijinja::Value)>,
    assets: HashMap<String, Asset>,
    ui_hash: &'static str,
    import_maps: ImportMaps,
}

/// Where vendored modules find what they import by a bare name.
#[derive(Clone)]
struct ImportMaps {
    /// Pages on which members talk in private.
    private: ImportMap,
    /// The studio.
    studio: ImportMap,
}

/// An inline script, since browsers take import maps no other way, which the policy of the pages that have it names by its
/// hash.
#[derive(Clone)]
struct ImportMap {
    json: String,
    hash: String,
}

/// What the studio's editor is made of: bare names, and where they lie in `static/vendor/`.
const EDITOR: [(&str, &str); 17] = [
    ("@codemirror/autocomplete", "codemirror-autocomplete-6.20.4/index.js"),
    ("@codemirror/commands", "codemirror-commands-6.11.1/index.js"),
    (
        "@codemirror/lang-javascript",
        "codemirror-lang-javascript-6.2.5/index.js",
    ),
    ("@codemirror/language", "codemirror-language-6.13.1/index.js"),
    ("@codemirror/lint", "codemirror-lint-6.9.8/index.js"),
    ("@codemirror/search", "codemirror-search-6.7.2/index.js"),
    ("@codemirror/state", "codemirror-state-6.7.6/index.js"),
    ("@codemirror/streamparser", "codemirror-streamparser-6.0.0/index.js"),
    ("@codemirror/view", "codemirror-view-6.43.15/index.js"),
    ("@lezer/common", "lezer-common-1.5.5/index.js"),
    ("@lezer/highlight", "lezer-highlight-1.2.5/index.js"),
    ("@lezer/javascript", "lezer-javascript-1.5.6/index.js"),
    ("@lezer/lr", "lezer-lr-1.4.12/index.js"),
    ("@marijn/find-cluster-break", "marijn-find-cluster-break-1.0.4/index.js"),
    ("crelt", "crelt-1.0.7/index.js"),
    ("style-mod", "style-mod-4.1.4/style-mod.js"),
    ("w3c-keyname", "w3c-keyname-2.2.8/index.js"),
];

impl ImportMaps {
    fn new(ui_hash: &str) -> Self {
        let shim = format!("/ui/{ui_hash}/js/dm/hpke-common.js");
        let editor = EDITOR.map(|(name, file)| (name, format!("/static/{VERSIONED}/vendor/{file}")));
        Self {
            private: ImportMap::new(&[("@hpke/common", shim)]),
            studio: ImportMap::new(&editor),
        }
    }

    fn named(&self, name: &str) -> Option<&ImportMap> {
        match name {
            "private" => Some(&self.private),
            "studio" => Some(&self.studio),
            _ => None,
        }
    }
}

impl ImportMap {
    fn new(modules: &[(&str, String)]) -> Self {
        let entries: Vec<_> = modules.iter().map(|(name, at)| format!(r#""{name}":"{at}""#)).collect();
        let json = format!(r#"{{"imports":{{{}}}}}"#, entries.join(","));
        let hash = format!("sha256-{}", STANDARD.encode(Sha256::digest(&json)));
        Self { json, hash }
    }
}

struct Asset {
    kind: HeaderValue,
    identity: Bytes,
    gzip: OnceLock<Bytes>,
    zstd: OnceLock<Bytes>,
}

impl Html {
    /// Loads templates and assets. With `dev`, the templates and `ui/` are read from the source tree at every request,
    /// where there is one.
    pub fn new(dev: bool, globals: Vec<(&'static str, minijinja::Value)>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let sources = (dev && root.join("templates").is_dir()).then_some(root);
        let mut assets = HashMap::new();
        collect_assets("ui", &UI, &mut assets);
        collect_assets("static", &STATIC, &mut assets);
        let read = |sheet: &str| Some(UI.get_file(format!("css/{sheet}"))?.contents_utf8()?.to_owned());
        for name in JOINED {
            assets.extend(joined(name, read).map(|sheet| (name.to_owned(), Asset::new(name, sheet.into()))));
        }
        let ui_hash = if sources.is_some() { "dev" } else { UI_HASH };
        let import_maps = ImportMaps::new(ui_hash);
        let templates = environment(sources.as_deref(), &globals, ui_hash, &import_maps);
        Self(Arc::new(Inner {
            templates,
            sources,
            globals,
            assets,
            ui_hash,
            import_maps,
        }))
    }

    /// Renders a template.
    ///
    /// # Errors
    /// A missing or faulty template.
    pub fn render(&self, template: &str, context: impl Serialize) -> Result<String, Error> {
        match &self.0.sources {
            Some(sources) => {
                let inner = &self.0;
                let fresh = environment(Some(sources), &inner.globals, inner.ui_hash, &inner.import_maps);
                Ok(fresh.get_template(template)?.render(context)?)
            }
            None => Ok(self.0.templates.get_template(template)?.render(context)?),
        }
    }

    /// The hash, as policies name it, of the script that `import_map("private")` writes in templates.
    pub fn private_import_map_hash(&self) -> &str {
        &self.0.import_maps.private.hash
    }

    /// The hash, as policies name it, of the script that `import_map("studio")` writes in templates.
    pub fn studio_import_map_hash(&self) -> &str {
        &self.0.import_maps.studio.hash
    }

    /// The segment after `/ui/` in the addresses of authored assets.
    pub fn ui_hash(&self) -> &str {
        self.0.ui_hash
    }

    /// Where an authored asset is served, e.g. `css/app.css`.
    pub fn asset(&self, path: &str) -> String {
        format!("/ui/{}/{path}", self.0.ui_hash)
    }

    /// An asset's text, e.g. of `ui` and `js/pane.js`; nothing where there is none.
    pub fn text(&self, folder: &str, path: &str) -> Option<String> {
        let name = format!("{folder}/{path}");
        match &self.0.sources {
            Some(sources) if folder == "ui" => std::fs::read_to_string(sources.join(name)).ok(),
            _ => String::from_utf8(self.0.assets.get(&name)?.identity.to_vec()).ok(),
        }
    }

    /// Answers `/ui/{hash}/…` and `/static/{hash}/…`. An asset under its present hash never changes.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn serve(&self, folder: &str, hash: &str, path: &str, request: &HeaderMap) -> Result<Response, Error> {
        let inner = &self.0;
        let name = format!("{folder}/{path}");
        let current = if folder == "ui" { inner.ui_hash } else { STATIC_HASH };
        if let (Some(sources), "ui") = (&inner.sources, folder) {
            return serve_from_disk(sources, &name);
        }
        let asset = inner.assets.get(&name).ok_or(Error::NotFound)?;
        let mut response = asset.respond(request);
        // An address from before an upgrade gets today's file, but must ask again. Sheets and modules, which are served as
        // they are, name fonts and vendored code by `/static/v/…`: those carry their version in their path.
        let lifetime = if hash == current || (folder == "static" && hash == VERSIONED) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime));
        Ok(response)
    }
}

fn environment(
    sources: Option<&Path>,
    globals: &[(&'static str, minijinja::Value)],
    ui_hash: &str,
    import_maps: &ImportMaps,
) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env.set_formatter(write_value);
    for (name, value) in globals {
        env.add_global(*name, value.clone());
    }
    let (ui, fixed) = (format!("/ui/{ui_hash}/"), format!("/static/{STATIC_HASH}/"));
    let safe = minijinja::Value::from_safe_string;
    env.add_function("asset", move |path: &str| safe(format!("{ui}{path}")));
    env.add_function("static", move |path: &str| safe(format!("{fixed}{path}")));
    let import_maps = import_maps.clone();
    env.add_function("import_map", move |name: &str| match import_maps.named(name) {
        Some(map) => Ok(safe(format!(r#"<script type="importmap">{}</script>"#, map.json))),
        None => Err(minijinja::Error::new(
            minijinja::ErrorKind::InvalidOperation,
            format!("there is no import map {name:?}"),
        )),
    });
    // The editor's modules import each other four deep: named in the page, they come in one go.
    let editor =
        EDITOR.map(|(_, file)| format!(r#"<link rel="modulepreload" href="/static/{VERSIONED}/vendor/{file}">"#));
    env.add_function("editor_preloads", move || safe(editor.concat()));
    match sources {
        Some(sources) => env.set_loader(minijinja::path_loader(sources.join("templates"))),
        // Compiled when it is first asked for: most are not, on most days.
        None => env.set_loader(|name| {
            let file = TEMPLATES.get_file(name);
            Ok(file.and_then(|file| file.contents_utf8()).map(str::to_owned))
        }),
    }
    env
}

/// Writes a value as text or in an attribute. minijinja's own way turns each slash into six characters.
fn write_value(out: &mut Output, state: &State, value: &minijinja::Value) -> Result<(), minijinja::Error> {
    let Some(text) = value
        .as_str()
        .filter(|_| !value.is_safe() && matches!(state.auto_escape(), AutoEscape::Html))
    else {
        return escape_formatter(out, state, value);
    };
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let escaped = match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        };
        out.write_str(&rest[..at])?;
        out.write_str(escaped)?;
        rest = &rest[at + 1..];
    }
    Ok(out.write_str(rest)?)
}

fn collect_assets(folder: &str, dir: &'static Dir, into: &mut HashMap<String, Asset>) {
    for file in dir.files() {
        let name = format!("{folder}/{}", file.path().display());
        let asset = Asset::new(&name, Bytes::from_static(file.contents()));
        into.insert(name, asset);
    }
    dir.dirs().for_each(|dir| collect_assets(folder, dir, into));
}

/// The sheets that import others: of every page, and of walls.
const JOINED: [&str; 2] = ["ui/css/shell.css", "ui/css/walls.css"];

/// A sheet with those that it imports in their places: a browser that finds a line for each asks for each. `read` has each by its name
/// in `ui/css/`.
fn joined(sheet: &str, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let sheet = read(sheet.strip_prefix("ui/css/")?)?;
    let lines = sheet.lines().map(|line| {
        let imported = line
            .strip_prefix("@import \"")
            .and_then(|rest| rest.strip_suffix("\";"));
        imported.map_or_else(|| Some(line.to_owned()), &read)
    });
    Some(lines.collect::<Option<Vec<_>>>()?.join("\n"))
}

fn serve_from_disk(sources: &Path, name: &str) -> Result<Response, Error> {
    if name.split('/').any(|part| part == ".." || part.is_empty()) {
        return Err(Error::NotFound);
    }
    let read = |sheet: &str| std::fs::read_to_string(sources.join("ui/css").join(sheet)).ok();
    let body = match JOINED.contains(&name) {
        true => joined(name, read).map(String::into_bytes),
        false => std::fs::read(sources.join(name)).ok(),
    };
    let body = body.ok_or(Error::NotFound)?;
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type(name));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Asset {
    fn new(name: &str, identity: Bytes) -> Self {
        Self {
            kind: content_type(name),
            identity,
            gzip: OnceLock::new(),
            zstd: OnceLock::new(),
        }
    }

    fn respond(&self, request: &HeaderMap) -> Response {
        let accepts = request
            .get(header::ACCEPT_ENCODING)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        // Fonts and bitmaps are compressed already.
        let text = self
            .kind
            .to_str()
            .is_ok_and(|kind| kind.contains("charset") || kind.contains("svg"));
        let (body, encoding) = if text && accepts_encoding(accepts, "zstd") {
            (self.zstd.get_or_init(|| compress_zstd(&self.identity)), Some("zstd"))
        } else if text && accepts_encoding(accepts, "gzip") {
            (self.gzip.get_or_init(|| compress_gzip(&self.identity)), Some("gzip"))
        } else {
            (&self.identity, None)
        };
        let mut response = Response::new(body.clone().into());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.kind.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "webmanifest" => "application/json; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "html" => "text/html; charset=utf-8",
        "txt" | "md" | "toml" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_that_is_made_of_others_asks_for_none() {
        let html = Html::new(false, Vec::new());
        for (name, from, until) in [
            ("shell", "@layer reset, tokens", ".over-print"),
            ("walls", ".banner", ".finder"),
        ] {
            let sheet = html.text("ui", &format!("css/{name}.css")).expect("it is there");
            assert!(!sheet.contains("@import"));
            assert!(sheet.contains(from) && sheet.contains(until));
        }
    }

    #[test]
    fn every_template_compiles() {
        fn all(dir: &'static Dir, html: &Html) -> usize {
            for file in dir.files() {
                let name = file.path().to_str().expect("names are UTF-8");
                if let Err(fault) = html.0.templates.get_template(name) {
                    panic!("{name}: {fault:#}");
                }
            }
            dir.files().count() + dir.dirs().map(|dir| all(dir, html)).sum::<usize>()
        }
        assert!(all(&TEMPLATES, &Html::new(false, Vec::new())) > 100);
    }
}
