//! `/register`, `/login`, `/logout`: the way in and out.

use super::{COLOURS, New, allowed_inks, check_name, hash, is_ink, leaving, mutations, pace, queries};
use crate::app::App;
use crate::config::Registration;
use crate::crypto::{self, AuthKey, MAX_ROUNDS, MIN_ROUNDS, Parameters, Salt};
use crate::error::{self, Error, Invalid};
use crate::html;
use crate::http::{Form, Peer, Query, see_other, unstored};
use crate::profiles;
use crate::session::{self, Viewer};
use crate::throttle;
use crate::walls;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use minijinja::context;
use serde::Deserialize;
use serde_json::json;

/// The longest address that one is led back to after logging in, in bytes.
const NEXT_MOST: usize = 512;
/// Where a new member goes first.
const FIRST_PAGE: &str = "/welcome";
/// Where who asked for their account to be deleted is led.
const LEAVING: &str = "/settings/leaving";

/// Where one wanted to go before being asked to log in.
#[derive(Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

/// `GET /login`.
pub async fn log_in_page(
    state: State<App>,
    viewer: Viewer,
    headers: HeaderMap,
    query: Query<Next>,
) -> Result<Response, Error> {
    page(&state, &viewer, &headers, "login", &query.0.next)
}

/// `GET /register`.
pub async fn register_page(
    state: State<App>,
    viewer: Viewer,
    headers: HeaderMap,
    query: Query<Next>,
) -> Result<Response, Error> {
    page(&state, &viewer, &headers, "register", &query.0.next)
}

fn page(app: &App, viewer: &Viewer, headers: &HeaderMap, form: &str, next: &str) -> Result<Response, Error> {
    if let Some(member) = &viewer.member {
        return Ok(see_other(&way_on(next, &wall_of(&member.name))));
    }
    if session::leaver(app, headers)?.is_some() {
        return Ok(see_other(LEAVING));
    }
    let sent = Form(vec![("next".into(), next.into())]);
    Ok(html::page(render(app, form, &sent, None)?, StatusCode::OK))
}

/// The name whose parameters are asked for.
#[derive(Deserialize)]
pub struct Whose {
    name: String,
}

/// `GET /login/parameters?name=ana`: `{"salt": "…", "rounds": 600000}`, with which the browser derives its keys. A name
/// that nobody has gets a salt too, always the same.
pub async fn parameters(State(app): State<App>, Query(Whose { name }): Query<Whose>) -> Result<Response, Error> {
    let name = crypto::fold_name(&name);
    let decoy = Parameters {
        salt: crypto::decoy_salt(&app.secret, &name),
        rounds: MIN_ROUNDS,
    };
    let known = app.db.read(|db| queries::credentials(db, &name))?;
    Ok(unstored(
        Json(known.map_or(decoy, |known| known.parameters)).into_response(),
    ))
}

/// `POST /login` with `name` and `auth`, and `next` if one is to be led back.
pub async fn log_in(
    State(app): State<App>,
    Peer(address): Peer,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Error> {
    match try_log_in(&app, &throttle::network(address), &headers, &form).await {
        Ok((name, token)) => come_in(&app, &headers, &form, &name, &wall_of(&name), &token),
        Err(refusal) => refuse(&app, &headers, "login", &form, refusal),
    }
}

async fn try_log_in(app: &App, network: &str, headers: &HeaderMap, form: &Form) -> Result<(String, [u8; 32]), Error> {
    let name = crypto::fold_name(form.text("name"));
    let mut wrong = Invalid::default();
    if name.is_empty() {
        wrong.add("name", "Type the name on your wall.");
    }
    let auth = auth_key(form, "auth", &mut wrong);
    let (Some(auth), true) = (auth, wrong.errors.is_empty()) else {
        return Err(Error::Invalid(wrong));
    };

    let dont_go_together = || Error::field("auth", "Name and password don't go together. Look at both again.");
    // What can't be a name is nobody's, and nothing of any length is remembered.
    if !profiles::is_name(&name) {
        return Err(dont_go_together());
    }
    pace::try_log_in(app, network, &name)?;
    let known = app.db.read(|db| queries::credentials(db, &name))?;
    // The same work whether there is such a member or not.
    let right = app
        .hasher
        .verify(&auth, known.as_ref().map(|known| known.auth_hash.as_str()))
        .await;
    let right = right.map_err(|wait| pace::not_answered(app, network, &name, wait))?;
    let Some(known) = known.filter(|_| right) else {
        return Err(dont_go_together());
    };
    let (device, replaced) = (device(headers), session::token_hash(app, headers));
    let token = app
        .db
        .write(move |tx| mutations::log_in(tx, known.id, &known.auth_hash, &device, replaced))
        .await?
        .ok_or_else(dont_go_together)?;
    pace::came_in(app, network, &name);
    Ok((name, token))
}

/// `POST /register` with `name`, `auth`, `salt`, `rounds`, `ink`, where the node asks for one `invite`, and `next`.
pub async fn register_member(
    State(app): State<App>,
    Peer(address): Peer,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Error> {
    match try_register(&app, &throttle::network(address), &headers, &form).await {
        Ok((name, token)) => come_in(&app, &headers, &form, &name, FIRST_PAGE, &token),
        Err(refusal) => refuse(&app, &headers, "register", &form, refusal),
    }
}

async fn try_register(app: &App, network: &str, headers: &HeaderMap, form: &Form) -> Result<(String, [u8; 32]), Error> {
    let config = app.config();
    if config.registration == Registration::Closed {
        return Err(Error::Forbidden("This node takes nobody new just now.".into()));
    }
    let mut wrong = Invalid::default();
    let name = check_name(form.text("name"))
        .map_err(|why| wrong.add("name", why))
        .unwrap_or_default();
    let ink = Some(form.text("ink")).filter(|ink| !ink.is_empty()).unwrap_or("green");
    if !is_ink(ink) {
        wrong.add("ink", allowed_inks());
    }
    let auth = auth_key(form, "auth", &mut wrong);
    let parameters = chosen_parameters(form, &mut wrong);
    if config.registration == Registration::Invite {
        check_invite(app, network, form.text("invite"), &config.invite_codes, &mut wrong)?;
    }
    let (Some(auth), Some(parameters), true) = (auth, parameters, wrong.errors.is_empty()) else {
        return Err(Error::Invalid(wrong));
    };

    pace::try_register(app, network)?;
    let new = New {
        name: name.clone(),
        parameters,
        auth_hash: hash(app, &auth).await?,
        ink: ink.to_owned(),
        starter: walls::starter(app),
    };
    let (device, replaced) = (device(headers), session::token_hash(app, headers));
    let token = app
        .db
        .write(move |tx| {
            let id = mutations::create(tx, &new)?;
            mutations::begin_session(tx, id, &device, replaced)
        })
        .await?;
    Ok((name, token))
}

fn check_invite(app: &App, network: &str, code: &str, codes: &[String], wrong: &mut Invalid) -> Result<(), Error> {
    if code.is_empty() {
        wrong.add("invite", "This node asks for an invite code. Who invited you has it.");
        return Ok(());
    }
    pace::try_invite(app, network)?;
    // Every code is compared, so that the time says nothing about the right ones.
    let known = codes.iter().fold(false, |known, right| {
        crypto::same(code.as_bytes(), right.as_bytes()) | known
    });
    match known {
        true => pace::invited(app, network),
        false => wrong.add(
            "invite",
            "That code opens nothing here. Look at it again, or ask who gave it to you.",
        ),
    }
    Ok(())
}

/// `GET /logout`: asks first.
pub async fn log_out_page(State(app): State<App>, viewer: Viewer, headers: HeaderMap) -> Result<Response, Error> {
    let member = match viewer.member {
        Some(member) => member,
        None => match session::leaver(&app, &headers)? {
            Some(leaver) => leaver.member,
            None => return Ok(see_other("/")),
        },
    };
    let page = app
        .html
        .render("accounts/logout.html", context! { name => member.name, ..shell(true) })?;
    Ok(html::page(page, StatusCode::OK))
}

/// `POST /logout`. Answers the same to those who are not logged in.
pub async fn log_out(State(app): State<App>, headers: HeaderMap) -> Result<Response, Error> {
    if let Some(hash) = session::token_hash(&app, &headers) {
        app.db
            .write(move |tx| mutations::end_session_of_token(tx, hash))
            .await?;
    }
    Ok(leave(&app, &headers))
}

/// Sends the browser away without its cookie.
pub fn leave(app: &App, headers: &HeaderMap) -> Response {
    let mut response = go(headers, "/");
    response
        .headers_mut()
        .insert(header::SET_COOKIE, session::clear_cookie(app));
    unstored(response)
}

/// Lets somebody in, and sends them where they wanted to go, or else to `home`; who is leaving, to where they can stay.
pub(super) fn come_in(
    app: &App,
    headers: &HeaderMap,
    form: &Form,
    name: &str,
    home: &str,
    token: &[u8; 32],
) -> Result<Response, Error> {
    let next = match app.db.read(|db| leaving::is_leaving(db, name))? {
        true => LEAVING.to_owned(),
        false => way_on(form.text("next"), home),
    };
    let mut response = go(headers, &next);
    response
        .headers_mut()
        .insert(header::SET_COOKIE, session::set_cookie(app, token));
    Ok(unstored(response))
}

/// Where to go now: a redirection for forms, `{"next": "/…"}` for scripts and programs.
pub fn go(headers: &HeaderMap, next: &str) -> Response {
    match error::wants_page(headers) {
        true => see_other(next),
        false => Json(json!({ "next": next })).into_response(),
    }
}

/// Where a member goes who didn't say.
pub(super) fn wall_of(name: &str) -> String {
    format!("/wall/{name}")
}

/// The address `next` when it is a page of ours, else `home`. Never leads to another site, nor round in circles.
fn way_on(next: &str, home: &str) -> String {
    let ours = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= NEXT_MOST
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && !["/login", "/register", "/logout"]
            .iter()
            .any(|door| next.starts_with(door));
    if ours { next.to_owned() } else { home.to_owned() }
}

/// The page again, with the fields marked, for people; a problem document for scripts and programs.
fn refuse(app: &App, headers: &HeaderMap, which: &str, form: &Form, refusal: Error) -> Result<Response, Error> {
    let is_about_the_form = matches!(refusal, Error::Invalid(_) | Error::TooMany { .. } | Error::Forbidden(_));
    if !error::wants_page(headers) || !is_about_the_form {
        return Err(refusal);
    }
    let mut response = html::page(render(app, which, form, Some(&refusal))?, refusal.status());
    if let Error::TooMany { retry_after, .. } = refusal {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
    }
    Ok(response)
}

fn render(app: &App, which: &str, sent: &Form, refusal: Option<&Error>) -> Result<String, Error> {
    let half = |form: &str| {
        let mine = form == which;
        let typed = |field: &str| {
            if mine {
                sent.text(field).to_owned()
            } else {
                String::new()
            }
        };
        let said = |field: &str| match refusal.filter(|_| mine) {
            Some(Error::Invalid(invalid)) => invalid.of(field).unwrap_or("").to_owned(),
            Some(other) if field == "form" => other.detail(),
            _ => String::new(),
        };
        let ink = Some(typed("ink"))
            .filter(|ink| is_ink(ink))
            .unwrap_or_else(|| "green".into());
        context! {
            values => context! { name => typed("name"), invite => typed("invite"), ink },
            errors => context! {
                name => said("name"), auth => said("auth"), invite => said("invite"), ink => said("ink"), form => said("form"),
            },
        }
    };
    app.html.render(
        "accounts/door.html",
        context! {
            form => which,
            inks => COLOURS,
            login => half("login"),
            register => half("register"),
            registration => match app.config().registration {
                Registration::Open => "open",
                Registration::Invite => "invite",
                Registration::Closed => "closed",
            },
            next => sent.text("next"),
            ..shell(false)
        },
    )
}

/// What the layout reads.
pub fn shell(signed_in: bool) -> minijinja::Value {
    context! { signed_in, here => "settings", made => "for you alone, kept nowhere" }
}

/// A key field of a form; when it isn't exactly one key, `wrong` says so.
pub fn auth_key(form: &Form, field: &str, wrong: &mut Invalid) -> Option<AuthKey> {
    let key = AuthKey::parse(form.get(field).unwrap_or(""));
    if key.is_none() {
        wrong.add(
            field,
            "No key arrived: the page turns the password into one with JavaScript. Programs send 32 bytes as base64url without padding.",
        );
    }
    key
}

/// The salt and rounds that a new password's keys were made with.
pub fn chosen_parameters(form: &Form, wrong: &mut Invalid) -> Option<Parameters> {
    let salt = Salt::parse(form.get("salt").unwrap_or(""));
    if salt.is_none() {
        wrong.add("salt", "The salt must be 16 random bytes as base64url without padding.");
    }
    let rounds = form
        .text("rounds")
        .parse()
        .ok()
        .filter(|rounds| (MIN_ROUNDS..=MAX_ROUNDS).contains(rounds));
    if rounds.is_none() {
        wrong.add(
            "rounds",
            format!("The rounds must be a whole number from {MIN_ROUNDS} to {MAX_ROUNDS}."),
        );
    }
    Some(Parameters {
        salt: salt?,
        rounds: rounds?,
    })
}

/// What a browser calls itself, in two words: "Firefox on Linux".
pub fn device(headers: &HeaderMap) -> String {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let first = |table: &[(&str, &'static str)]| {
        table
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    // In this order, because browsers name those whom they descend from.
    let browser = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Vivaldi", "Vivaldi"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("BSD", "BSD"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.into(),
        (None, Some(system)) => format!("A program on {system}"),
        (None, None) => "A program".into(),
    }
}
