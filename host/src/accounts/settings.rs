//! `/settings`: a member's own page.

use super::door::{auth_key, chosen_parameters, device, go, leave, shell, unstored};
use super::{busy, hash, mutations, pace, queries};
use crate::app::{App, now_ms};
use crate::error::{self, Error, Invalid};
use crate::http::{Form, Path, Peer, Query, see_other};
use crate::session::{self, Member, Viewer};
use crate::throttle;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::merge_maps;
use minijinja::{Value, context};
use serde::Deserialize;

/// Notices on one page.
const NOTICES: usize = 20;

/// What `/settings` is asked with.
#[derive(Deserialize)]
pub struct Asked {
    /// Notices older than this one.
    before: Option<i64>,
    /// What was just done.
    #[serde(default)]
    done: String,
}

/// `GET /settings`.
pub async fn settings_page(
    State(app): State<App>,
    viewer: Viewer,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let Some(member) = &viewer.member else {
        return if error::wants_page(&headers) {
            Ok(see_other("/login?next=/settings"))
        } else {
            Err(Error::Unauthorized)
        };
    };
    let owner = app.db.read(|db| queries::owner(db, member.id))?;
    let clock = Clock::of(&owner.time_zone);
    let page = app.html.render(
        "settings/settings.html",
        context! {
            me => context! { name => member.name, ink => member.colour, since => clock.day(owner.created_at) },
            done => asked.done,
            ..merge_maps([
                sessions(&app, member, &viewer, &clock)?,
                notices_page(&app, member, asked.before, &clock)?,
                shell(true),
            ])
        },
    )?;
    Ok(unstored(Html(page).into_response()))
}

fn sessions(app: &App, member: &Member, viewer: &Viewer, clock: &Clock) -> Result<Value, Error> {
    let now = now_ms();
    let (idle, begun) = (now - session::IDLE_MS, now - session::ABSOLUTE_MS);
    let devices = app.db.read(|db| queries::devices(db, member.id, idle, begun))?;
    let show = |device: &queries::Device| {
        let here = viewer.session == Some(device.id);
        context! {
            id => device.id,
            device => device.device,
            here,
            seen => if here { "just now".to_owned() } else { clock.moment(device.last_seen_at) },
            began => clock.moment(device.created_at),
        }
    };
    Ok(context! { sessions => devices.iter().map(show).collect::<Vec<_>>() })
}

fn notices_page(app: &App, member: &Member, before: Option<i64>, clock: &Clock) -> Result<Value, Error> {
    let (mut found, unread) = app.db.read(|db| {
        let found = queries::notices(db, member.id, before.unwrap_or(i64::MAX), NOTICES + 1)?;
        Ok((found, queries::has_unread(db, member.id)?))
    })?;
    let more = found.len() > NOTICES;
    found.truncate(NOTICES);
    let show = |notice: &queries::Notice| {
        context! {
            id => notice.id,
            text => notice.text,
            plugin => notice.plugin,
            when => clock.moment(notice.created_at),
            unread => notice.read_at.is_none(),
        }
    };
    Ok(context! {
        notices => found.iter().map(show).collect::<Vec<_>>(),
        unread,
        older => found.last().filter(|_| more).map(|last| last.id),
        newest => before.is_none(),
    })
}

/// `POST /settings/password` with `current`, `auth`, `salt`, `rounds`.
pub async fn change_password(
    State(app): State<App>,
    Peer(address): Peer,
    member: Member,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Error> {
    let mut wrong = Invalid::default();
    let current = auth_key(&form, "current", &mut wrong);
    let auth = auth_key(&form, "auth", &mut wrong);
    let parameters = chosen_parameters(&form, &mut wrong);
    wrong.into_result()?;
    let (Some(current), Some(auth), Some(parameters)) = (current, auth, parameters) else {
        return Err(Error::internal("a key that is neither right nor wrong"));
    };

    let network = throttle::network(address);
    pace::try_log_in(&app, &network, &member.name)?;
    let known = app
        .db
        .read(|db| queries::credentials(db, &member.name))?
        .ok_or(Error::Unauthorized)?;
    if !app
        .hasher
        .verify(&current, Some(&known.auth_hash))
        .await
        .map_err(busy)?
    {
        return Err(Error::field("current", "That is not your password now."));
    }
    pace::came_in(&app, &network, &member.name);
    let change = mutations::Change {
        user_id: member.id,
        proved: known.auth_hash,
        parameters,
        auth_hash: hash(&app, &auth).await?,
        device: device(&headers),
    };
    let token = app.db.write(move |tx| mutations::change_password(tx, &change)).await?;

    let mut response = go(&headers, "/settings?done=password");
    response
        .headers_mut()
        .insert(header::SET_COOKIE, session::set_cookie(&app, &token));
    Ok(unstored(response))
}

/// `POST /settings/sessions/{id}/revoke`. One's own is a log-out.
pub async fn revoke_session(
    State(app): State<App>,
    member: Member,
    viewer: Viewer,
    headers: HeaderMap,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    app.db
        .write(move |tx| mutations::end_session(tx, member.id, id))
        .await?;
    match viewer.session == Some(id) {
        true => Ok(leave(&app, &headers)),
        false => Ok(unstored(go(&headers, "/settings#sessions"))),
    }
}

/// `POST /settings/sessions/revoke`: all but this one.
pub async fn revoke_other_sessions(
    State(app): State<App>,
    member: Member,
    viewer: Viewer,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let kept = viewer.session.ok_or(Error::Unauthorized)?;
    app.db
        .write(move |tx| mutations::end_other_sessions(tx, member.id, kept))
        .await?;
    Ok(unstored(go(&headers, "/settings#sessions")))
}

/// `POST /settings/notices/{id}` with `do`: `read` or `dismiss`. A notice that is gone already is fine.
pub async fn notice(
    State(app): State<App>,
    member: Member,
    headers: HeaderMap,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response, Error> {
    match form.text("do") {
        "read" => {
            app.db
                .write(move |tx| mutations::read_notices(tx, member.id, Some(id)))
                .await?
        }
        "dismiss" => {
            app.db
                .write(move |tx| mutations::dismiss_notice(tx, member.id, id))
                .await?
        }
        _ => {
            return Err(Error::field(
                "do",
                "A notice can be marked with “read” or thrown away with “dismiss”.",
            ));
        }
    }
    Ok(unstored(go(&headers, "/settings#notices")))
}

/// `POST /settings/notices` with `do=read`: marks all of them.
pub async fn notices(
    State(app): State<App>,
    member: Member,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Error> {
    if form.text("do") != "read" {
        return Err(Error::field(
            "do",
            "All notices together can only be marked with “read”.",
        ));
    }
    app.db
        .write(move |tx| mutations::read_notices(tx, member.id, None))
        .await?;
    Ok(unstored(go(&headers, "/settings#notices")))
}

/// Says times as a member's clock shows them.
struct Clock {
    zone: TimeZone,
    now: Timestamp,
}

impl Clock {
    fn of(zone: &str) -> Clock {
        Clock {
            zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC),
            now: Timestamp::now(),
        }
    }

    /// "today 14:02", "yesterday 23:50", "3 Nov 09:15", "3 Nov 2025".
    fn moment(&self, unix_ms: i64) -> String {
        let Ok(then) = Timestamp::from_millisecond(unix_ms) else {
            return "some day".into();
        };
        let (then, now) = (then.to_zoned(self.zone.clone()), self.now.to_zoned(self.zone.clone()));
        if then.date() == now.date() {
            return then.strftime("today %H:%M").to_string();
        }
        if now.date().yesterday().is_ok_and(|yesterday| yesterday == then.date()) {
            return then.strftime("yesterday %H:%M").to_string();
        }
        let pattern = if then.year() == now.year() {
            "%-d %b %H:%M"
        } else {
            "%-d %b %Y"
        };
        then.strftime(pattern).to_string()
    }

    /// "3 November 2026".
    fn day(&self, unix_ms: i64) -> String {
        match Timestamp::from_millisecond(unix_ms) {
            Ok(then) => then.to_zoned(self.zone.clone()).strftime("%-d %B %Y").to_string(),
            Err(_) => "some day".into(),
        }
    }
}
