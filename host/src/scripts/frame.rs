//! The frame that a script runs in: an empty document that holds what keeps the script in, and its library. What runs is handed
//! to it by the page around, so nothing of anybody's is in it, and it may be served from an origin that knows nobody.
//!
//! It refuses, by its headers, everything but drawing: an origin (and so cookies, storage and everybody else's frames), every
//! connection, every other frame, workers, forms, windows, downloads. The attributes of the `<iframe>` say some of it again, and
//! the policy of the page around some more; `tests/frame_hostile.rs` tries all roads out.

use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, header};
use minijinja::context;

use super::{Mode, examples, is_id, library, queries};
use crate::{
    app::App,
    error::Error,
    http::{OwnHeaders, Path, host, is_sandbox},
};

/// The frame's own half of the protocol.
const BOOT: &str = "boot.js";
/// What a frame may not use, whatever it is granted elsewhere. Features that browsers don't know are ignored by them.
const PERMISSIONS: &str = "accelerometer=(), ambient-light-sensor=(), attribution-reporting=(), autoplay=(), \
    bluetooth=(), browsing-topics=(), camera=(), captured-surface-control=(), clipboard-read=(), clipboard-write=(), \
    compute-pressure=(), cross-origin-isolated=(), deferred-fetch=(), deferred-fetch-minimal=(), display-capture=(), \
    encrypted-media=(), focus-without-user-activation=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), \
    identity-credentials-get=(), idle-detection=(), join-ad-interest-group=(), keyboard-map=(), language-detector=(), \
    language-model=(), local-fonts=(), local-network-access=(), magnetometer=(), microphone=(), midi=(), \
    otp-credentials=(), payment=(), picture-in-picture=(), private-aggregation=(), private-state-token-issuance=(), \
    private-state-token-redemption=(), publickey-credentials-create=(), publickey-credentials-get=(), run-ad-auction=(), \
    screen-wake-lock=(), serial=(), shared-storage=(), shared-storage-select-url=(), speaker-selection=(), \
    storage-access=(), summarizer=(), sync-xhr=(), translator=(), unload=(), usb=(), vertical-scroll=(), web-share=(), \
    window-management=(), writer=(), xr-spatial-tracking=()";

/// Where the frame of a version (a number, or `draft`) is: a path, or an address on the origin that the operator keeps for them.
pub fn address(app: &App, id: &str, version: impl std::fmt::Display) -> String {
    format!("{}/frame/{id}/{version}", app.config().sandbox_origin)
}

/// `GET /frame/{script}/{version}`; `draft` for the newest library. It says of a script what it is written for, and no more.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(
    State(app): State<App>,
    Path((id, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if !is_id(&id) {
        return Err(Error::NotFound);
    }
    let (mode, made_with) = match version.as_str() {
        "draft" => {
            let script = app.db.read(|db| queries::any(db, &id))?;
            (script.mode, script.mode.newest().to_owned())
        }
        number => {
            let number = number.parse().map_err(|_| Error::NotFound)?;
            app.db.read(|db| queries::library(db, &id, number))?
        }
    };
    document(&app, mode, &made_with, &headers)
}

/// `GET /frame/example/{name}`.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn of_example(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let mode = examples::mode_of(&name).ok_or(Error::NotFound)?;
    document(&app, mode, mode.newest(), &headers)
}

fn document(app: &App, mode: Mode, made_with: &str, headers: &HeaderMap) -> Result<Response, Error> {
    let host = host(headers).ok_or(Error::NotFound)?;
    let config = app.config();
    // The address that this document has, by which its policy names what it loads.
    let here = match (is_sandbox(app, headers), &config.origin) {
        (true, _) => config.sandbox_origin.clone(),
        (false, origin) if !origin.is_empty() => origin.clone(),
        _ => format!("http://{host}"),
    };
    let around = match config.origin.as_str() {
        "" => here.clone(),
        origin => origin.to_owned(),
    };
    let boot = format!("/frame/lib/{}/{BOOT}", app.html.ui_hash());
    let library = mode.library(made_with);
    let file = |file: &str| library.map(|library| format!("/frame/lib/{}/{file}", library.folder));
    let main = library.and_then(|library| file(library.file));
    let parts = library.map_or(&[][..], |library| library.parts);
    let sources: Vec<String> = [Some(boot.clone()), main.clone()]
        .into_iter()
        .chain(parts.iter().map(|part| file(part)))
        .flatten()
        .map(|path| format!("{here}{path}"))
        .collect();
    let policy = format!(
        "sandbox allow-scripts; default-src 'none'; script-src {} 'unsafe-inline'; style-src 'unsafe-inline'; \
         img-src data: blob:; connect-src 'none'; font-src 'none'; media-src 'none'; object-src 'none'; frame-src 'none'; \
         worker-src 'none'; manifest-src 'none'; form-action 'none'; base-uri 'none'; webrtc 'block'; \
         frame-ancestors {around}",
        sources.join(" ")
    );
    let context = context! { boot, library => main, mode => mode.name() };
    let html = app.html.render("scripts/document.html", context)?;
    let mut response = Response::new(html.into());
    response.extensions_mut().insert(OwnHeaders);
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_DNS_PREFETCH_CONTROL, "off"),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("permissions-policy", HeaderValue::from_static(PERMISSIONS));
    // Whatever a policy on content doesn't reach: lookups of names, hints, connections between browsers. Only to where the
    // document came from.
    headers.insert("connection-allowlist", HeaderValue::from_static("(response-origin)"));
    headers.insert("origin-agent-cluster", HeaderValue::from_static("?1"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_str(&policy).map_err(Error::internal)?,
    );
    Ok(response)
}

/// `GET /frame/lib/{folder}/{file}`: a library, or the frame's own script. The frame has no origin, so these are for everyone to load.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn lib(
    State(app): State<App>,
    Path((folder, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let mut response = if file == BOOT {
        app.html.serve("ui", &folder, "js/frame/boot.js", &headers)?
    } else if library::has_file(&folder, &file) {
        app.html
            .serve("static", "v", &format!("vendor/{folder}/{file}"), &headers)?
    } else {
        return Err(Error::NotFound);
    };
    response.extensions_mut().insert(OwnHeaders);
    let fixed = [
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("timing-allow-origin", "*"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
