//! Leaving for good: asking for it with the password, two weeks in which one can stay after all, and the receipt. What is deleted
//! then, and how, is in `deletion.rs`.
//!
//! From the asking on others don't find the member, every session and token is over, and a new session opens nothing but the
//! way back and the way out.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use minijinja::{Value, context};
use rusqlite::params;
use serde_json::json;

use super::{
    deletion::{self, SHOWN_MS, STAYS},
    door::{auth_key, go, shell},
    keys, queries,
    settings::Clock,
};
use crate::{
    app::{App, now_ms},
    crypto::{self, Bytes},
    db::{Reader, Tx},
    error::{Error, Invalid},
    html,
    http::{Form, Path, Peer, Wants, see_other, unstored},
    looks, neighbourhoods, posts, scripts,
    session::{self, Member},
    stickers, throttle, tokens, walls,
};

/// From asking to deletion, in milliseconds: 14 days.
const GRACE_MS: i64 = 14 * 24 * 3_600_000;

/// `GET /settings/delete`: what goes and what stays, and the form that asks for the password.
///
/// # Errors
/// [`Error::Unauthorized`].
pub async fn delete_page(State(app): State<App>, member: Member) -> Result<Response, Error> {
    let owner = app.db.read(|db| queries::owner(db, member.id))?;
    let context = context! {
        name => member.name,
        day => Clock::of(&owner.time_zone).day(now_ms() + GRACE_MS),
        stays => STAYS,
        ..shell(true)
    };
    let html = app.html.render("accounts/delete.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

/// `POST /settings/delete` with `current`: from now on the account is about to go. The answer leads to where its receipt will be.
///
/// # Errors
/// The log-in's for `current`.
pub async fn delete(
    State(app): State<App>,
    Peer(address): Peer,
    member: Member,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Error> {
    let mut wrong = Invalid::default();
    let current = auth_key(&form, "current", &mut wrong).ok_or(Error::Invalid(wrong))?;
    let proved = keys::prove(&app, &throttle::network(address), &member, &current).await?;
    let ticket = crypto::random::<16>();
    let teller = app.clone();
    app.db
        .write(move |tx| ask(tx, &teller, &member, &proved, crypto::sha256(&ticket)))
        .await?;
    let mut response = go(&headers, &format!("/receipt/{}", Bytes(ticket)));
    response
        .headers_mut()
        .insert(header::SET_COOKIE, session::clear_cookie(&app));
    Ok(unstored(response))
}

fn ask(tx: &Tx, app: &App, member: &Member, proved: &str, ticket_hash: [u8; 32]) -> Result<(), Error> {
    let now = now_ms();
    let asked = tx.run(
        "update users set leaving_at = ?3 where id = ?1 and auth_hash = ?2 and leaving_at is null",
        params![member.id, proved, now + GRACE_MS],
    )?;
    if asked == 0 {
        return Err(Error::Conflict(
            "Your password was changed on another device meanwhile, or you asked for this there. Log in again.".into(),
        ));
    }
    tx.run(
        "insert into departures (user_id, ticket_hash, asked_at) values (?1, ?2, ?3)",
        params![member.id, ticket_hash, now],
    )?;
    tx.run("delete from sessions where user_id = ?1", [member.id])?;
    tokens::revoke_all(tx, member.id)?;
    touch(tx, app, member)
}

/// Whatever shows somebody, or doesn't any more; whoever has their wall open learns of it.
fn touch(tx: &Tx, app: &App, member: &Member) -> Result<(), Error> {
    let (teller, wall) = (app.clone(), member.name.clone());
    tx.announce(move || walls::everything_changed(&teller, &wall));
    tx.touch(session::topic(member.id));
    tx.touch(format!("wall:{}", member.name));
    tx.touch("people");
    posts::moving::touch(tx, &member.name);
    scripts::moving::touch(tx, member.id, &member.name)?;
    looks::moving::touch(tx, member.id)?;
    stickers::moving::touch(tx, app, member.id)?;
    neighbourhoods::moving::touch(tx, member.id)
}

/// `GET /settings/leaving`: for who is leaving and logged in once more.
///
/// # Errors
/// The database's.
pub async fn leaving_page(State(app): State<App>, headers: HeaderMap) -> Result<Response, Error> {
    let Some(leaver) = session::leaver(&app, &headers)? else {
        return Ok(see_other("/settings"));
    };
    let owner = app.db.read(|db| queries::owner(db, leaver.member.id))?;
    let context = context! {
        name => leaver.member.name,
        day => Clock::of(&owner.time_zone).day(leaver.leaving_at),
        due => leaver.leaving_at <= now_ms(),
        ..shell(false)
    };
    let html = app.html.render("accounts/leaving.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

/// `POST /settings/leaving/keep`: everything is as it was.
///
/// # Errors
/// [`Error::Unauthorized`]; [`Error::Conflict`] once the deletion has begun.
pub async fn keep(State(app): State<App>, wants: Wants, headers: HeaderMap) -> Result<Response, Error> {
    let leaver = session::leaver(&app, &headers)?.ok_or(Error::Unauthorized)?;
    let teller = app.clone();
    app.db
        .write(move |tx| {
            let kept = tx.run(
                "update users set leaving_at = null where id = ?1 and leaving_at > ?2",
                [leaver.member.id, now_ms()],
            )?;
            if kept == 0 {
                return Err(Error::Conflict(
                    "The day has come, and the deletion has begun: it can't be stopped any more.".into(),
                ));
            }
            tx.run("delete from departures where user_id = ?1", [leaver.member.id])?;
            touch(tx, &teller, &leaver.member)
        })
        .await?;
    Ok(match wants {
        Wants::Json => Json(json!({ "kept": true })).into_response(),
        Wants::Page | Wants::Fragment => see_other("/settings?done=kept"),
    })
}

/// Whether the member with this name is about to leave.
pub(super) fn is_leaving(db: &Reader, name: &str) -> Result<bool, Error> {
    let found = db.maybe(
        "select 1 from users where name = ?1 and leaving_at is not null",
        [name],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// A deletion, as who has its code may see it. Times are Unix milliseconds.
struct Departure {
    id: i64,
    /// `None`: it has begun.
    leaving_at: Option<i64>,
    receipt: Option<String>,
    shown_at: Option<i64>,
}

fn find(app: &App, code: &str) -> Result<Departure, Error> {
    let code = Bytes::<16>::parse(code).ok_or(Error::NotFound)?;
    let found = app.db.read(|db| {
        db.one(
            "select d.id, u.leaving_at, d.receipt, d.shown_at
               from departures d
               join users u on u.id = d.user_id
              where d.ticket_hash = ?1",
            [crypto::sha256(&code.0)],
            |row| {
                Ok(Departure {
                    id: row.get(0)?,
                    leaving_at: row.get(1)?,
                    receipt: row.get(2)?,
                    shown_at: row.get(3)?,
                })
            },
        )
    })?;
    match found.shown_at {
        Some(at) if at < now_ms() - SHOWN_MS => Err(Error::NotFound),
        _ => Ok(found),
    }
}

/// `GET /receipt/{code}`: how far a deletion is. The receipt itself is had by a POST: nothing that looks ahead uses it up.
///
/// # Errors
/// [`Error::NotFound`] for a code that isn't one's, or whose receipt was had.
pub async fn receipt_page(State(app): State<App>, wants: Wants, Path(code): Path<String>) -> Result<Response, Error> {
    let departure = find(&app, &code)?;
    let state = state(&departure);
    if wants == Wants::Json {
        let at = departure.leaving_at;
        return Ok(unstored(Json(json!({ "state": state, "due": at })).into_response()));
    }
    receipt_html(&app, &code, &departure, state, None)
}

fn state(departure: &Departure) -> &'static str {
    match (&departure.receipt, departure.leaving_at) {
        (Some(_), _) => "done",
        (None, Some(at)) if at > now_ms() => "waiting",
        (None, _) => "going",
    }
}

/// `POST /receipt/{code}`: shows the receipt; with `as=file` as a file. From the first time on it can be had for an hour.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] before the deletion is done.
pub async fn receipt(
    State(app): State<App>,
    wants: Wants,
    Path(code): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let departure = find(&app, &code)?;
    let Some(text) = &departure.receipt else {
        return Err(Error::Conflict(
            "Nothing is deleted yet, so there is no receipt.".into(),
        ));
    };
    let (id, now) = (departure.id, now_ms());
    app.db
        .write(move |tx| {
            tx.run(
                "update departures set shown_at = ?2 where id = ?1 and shown_at is null",
                [id, now],
            )
        })
        .await?;
    if form.text("as") == "file" || wants == Wants::Json {
        let mut response = unstored(text.clone().into_response());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"neospace-receipt.json\""),
        );
        return Ok(response);
    }
    receipt_html(&app, &code, &departure, "shown", Some(text))
}

fn receipt_html(
    app: &App,
    code: &str,
    departure: &Departure,
    state: &str,
    text: Option<&str>,
) -> Result<Response, Error> {
    let context = context! {
        code,
        state,
        day => departure.leaving_at.map(|at| Clock::of("UTC").day(at)),
        receipt => text,
        sha256 => text.map_or_else(|| Value::from(()), |text| deletion::hash(text).into()),
        stays => STAYS,
        ..shell(false)
    };
    let html = app.html.render("accounts/receipt.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}
