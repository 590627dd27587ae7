//! The part of `/settings` about tokens: the list, making one, revoking one.

use super::queries;
use super::settings::{Asked, Clock, changed, page};
use crate::app::{App, now_ms};
use crate::error::{Error, Invalid};
use crate::html;
use crate::http::{Form, Path, Wants, unstored};
use crate::session::{Member, Viewer};
use crate::tokens::{self, Scope, Scopes};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use minijinja::{Value, context};
use serde_json::json;

/// Characters of a token's name.
const NAME_MOST: usize = 60;
/// How long a token may live, in days; 0 is until it is revoked. The first is chosen on a fresh form.
const PERIODS: [(i64, &str); 4] = [
    (90, "in 90 days"),
    (7, "in 7 days"),
    (365, "in a year"),
    (0, "never: only when I revoke it"),
];
const DAY_MS: i64 = 24 * 3_600_000;

/// What the part shows besides the list.
#[derive(Default)]
pub struct Shown {
    /// The text of a token just made.
    made: Option<String>,
    /// What was sent and not accepted.
    typed: Form,
    wrong: Invalid,
}

/// What `settings/tokens.html` reads.
pub fn part(app: &App, member: &Member, clock: &Clock, shown: Shown) -> Result<Value, Error> {
    let now = now_ms();
    let listed = app.db.read(|db| tokens::list(db, member.id))?;
    let show = |token: &tokens::Listed| {
        context! {
            id => token.id,
            name => token.name,
            scopes => token.scopes.names(),
            made => clock.moment(token.created_at),
            used => token.last_used_at.map(|at| clock.moment(at)),
            expired => token.expires_at.is_some_and(|at| at <= now),
            expires => match token.expires_at {
                Some(at) if at <= now => format!("ended on {}", clock.day(at)),
                Some(at) => format!("ends on {}", clock.day(at)),
                None => "ends when revoked".into(),
            },
        }
    };
    let about = |scope: Scope| context! { name => scope.name(), about => scope.about() };
    let typed_scopes: Vec<&str> = scope_fields(&shown.typed).collect();
    Ok(context! {
        tokens => listed.iter().map(show).collect::<Vec<_>>(),
        scopes => Scope::ALL.map(about),
        periods => PERIODS,
        fresh => shown.made,
        typed => context! {
            name => shown.typed.text("name"),
            scopes => typed_scopes,
            days => shown.typed.text("days").parse().unwrap_or(PERIODS[0].0),
        },
        errors => context! {
            name => shown.wrong.of("name"),
            scope => shown.wrong.of("scope"),
            days => shown.wrong.of("days"),
        },
    })
}

/// `POST /settings/tokens` with `name`, one `scope` for each that it gets, and `days` until it ends (0: never). The answer
/// shows the token, this once.
pub async fn make_token(
    State(app): State<App>,
    member: Member,
    viewer: Viewer,
    wants: Wants,
    form: Form,
) -> Result<Response, Error> {
    let made = match check(&form, member.id) {
        Ok(new) => app.db.write(move |tx| tokens::make(tx, &new)).await,
        Err(wrong) => Err(Error::Invalid(wrong)),
    };
    let (status, shown) = match made {
        Ok((id, token)) if wants == Wants::Json => {
            return Ok(unstored(
                (StatusCode::CREATED, Json(json!({ "id": id, "token": token }))).into_response(),
            ));
        }
        Ok((_, token)) => {
            let shown = Shown {
                made: Some(token),
                ..Shown::default()
            };
            (StatusCode::OK, shown)
        }
        Err(Error::Invalid(wrong)) if wants != Wants::Json => {
            let shown = Shown {
                typed: form,
                wrong,
                ..Shown::default()
            };
            (StatusCode::UNPROCESSABLE_ENTITY, shown)
        }
        Err(error) => return Err(error),
    };
    Ok(match wants {
        Wants::Fragment => html::fragment(fragment(&app, &member, shown)?, status),
        _ => html::page(page(&app, &member, &viewer, &Asked::default(), shown)?, status),
    })
}

/// `POST /settings/tokens/{id}/revoke`.
pub async fn revoke_token(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let member_id = member.id;
    app.db.write(move |tx| tokens::revoke(tx, member_id, id)).await?;
    changed(wants, "/settings#tokens", || fragment(&app, &member, Shown::default()))
}

fn fragment(app: &App, member: &Member, shown: Shown) -> Result<String, Error> {
    let owner = app.db.read(|db| queries::owner(db, member.id))?;
    let clock = Clock::of(&owner.time_zone);
    app.html
        .render("settings/tokens.html", part(app, member, &clock, shown)?)
}

fn scope_fields(form: &Form) -> impl Iterator<Item = &str> {
    let scopes = form.0.iter().filter(|(field, _)| field == "scope");
    scopes.map(|(_, value)| value.as_str())
}

fn check(form: &Form, user_id: i64) -> Result<tokens::New, Invalid> {
    let mut wrong = Invalid::default();
    let name = form.text("name").to_owned();
    if name.is_empty() || name.chars().count() > NAME_MOST || name.contains(char::is_control) {
        wrong.add(
            "name",
            format!("Say what the token is for, in 1 to {NAME_MOST} characters."),
        );
    }
    let mut scopes = Scopes::default();
    let mut unknown = false;
    for sent in scope_fields(form) {
        match Scope::ALL.into_iter().find(|scope| scope.name() == sent) {
            Some(scope) => scopes = scopes.with(scope),
            None => unknown = true,
        }
    }
    if scopes.is_empty() || unknown {
        let names = Scope::ALL.map(Scope::name).join(", ");
        wrong.add("scope", format!("Tick what it may, one at least: {names}."));
    }
    let days: Option<i64> = form.text("days").parse().ok();
    let days = days.filter(|days| PERIODS.iter().any(|(allowed, _)| allowed == days));
    if days.is_none() {
        let allowed = PERIODS.map(|(days, _)| days.to_string()).join(", ");
        wrong.add("days", format!("Pick one of {allowed} days; 0 is until it is revoked."));
    }
    let Some(days) = days else { return Err(wrong) };
    if wrong.errors.is_empty() {
        Ok(tokens::New {
            user_id,
            name,
            scopes,
            expires_at: (days > 0).then(|| now_ms() + days * DAY_MS),
        })
    } else {
        Err(wrong)
    }
}
