//! `/settings`: a member's own page.

use super::door::{auth_key, chosen_parameters, device, go, leave, shell};
use super::{hash, keys, mutations, queries, tokens};
use crate::app::{App, now_ms};
use crate::error::{self, Error, Invalid};
use crate::html;
use crate::http::{Form, Path, Peer, Query, Wants, see_other, unstored};
use crate::session::{self, Member, Viewer};
use crate::throttle;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::merge_maps;
use minijinja::{Value, context};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

/// Notices on one page.
const NOTICES: usize = 20;

/// What `/settings` is asked with.
#[derive(Default, Deserialize)]
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
        if session::leaver(&app, &headers)?.is_some() {
            return Ok(see_other("/settings/leaving"));
        }
        return if error::wants_page(&headers) {
            Ok(see_other("/login?next=/settings"))
        } else {
            Err(Error::Unauthorized)
        };
    };
    let page = page(&app, member, &viewer, &asked, tokens::Shown::default())?;
    Ok(html::page(page, StatusCode::OK))
}

/// The whole page, with what was just done about tokens.
pub(super) fn page(
    app: &App,
    member: &Member,
    viewer: &Viewer,
    asked: &Asked,
    shown: tokens::Shown,
) -> Result<String, Error> {
    let owner = app.db.read(|db| queries::owner(db, member.id))?;
    let clock = Clock::of(&owner.time_zone);
    app.html.render(
        "settings/settings.html",
        context! {
            me => context! { name => member.name, ink => member.colour, avatar => member.avatar, since => clock.day(owner.created_at) },
            done => asked.done,
            present => !viewer.hidden,
            cursor => owner.cursor,
            plain_walls => viewer.plain,
            ..merge_maps([
                sessions(app, member, viewer, &clock)?,
                tokens::part(app, member, &clock, shown)?,
                notices_page(app, member, asked.before, &clock)?,
                shell(true),
            ])
        },
    )
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
    let plugins = app.plugins.list();
    let name = |id: &str| {
        plugins
            .iter()
            .find(|plugin| *plugin.manifest.id == *id)
            .map(|plugin| plugin.manifest.name.clone())
    };
    let show = |notice: &queries::Notice| {
        context! {
            id => notice.id,
            text => notice.text,
            plugin => notice.plugin,
            name => name(&notice.plugin).unwrap_or_else(|| notice.plugin.clone()),
            when => clock.moment(notice.created_at),
            unread => notice.read_at.is_none(),
        }
    };
    Ok(context! {
        notices => found.iter().map(show).collect::<Vec<_>>(),
        unread,
        older => found.last().filter(|_| more).map(|last| last.id),
        before,
    })
}

/// `POST /settings/password` with `current`, `auth`, `salt`, `rounds`; where the account has keys, `wrapped`.
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
    let (Some(current), Some(auth), Some(parameters)) = (current, auth, parameters) else {
        return Err(Error::Invalid(wrong));
    };

    let wrapped = keys::wrapped(&form)?;
    let proved = keys::prove(&app, &throttle::network(address), &member, &current).await?;
    let change = mutations::Change {
        user_id: member.id,
        proved: mutations::Proved::Password(proved),
        parameters,
        auth_hash: hash(&app, &auth).await?,
        wrapped,
        device: device(&headers),
    };
    let token = app.db.write(move |tx| mutations::change_password(tx, &change)).await?;

    let mut response = go(&headers, "/settings?done=password");
    response
        .headers_mut()
        .insert(header::SET_COOKIE, session::set_cookie(&app, &token));
    Ok(unstored(response))
}

/// `POST /settings/password/check` with `current`: whether that is the password, for pages that are about to use the keys that it opens.
/// Throttled like a log-in.
///
/// # Errors
/// [`Error::Invalid`] where it isn't.
pub async fn check_password(
    State(app): State<App>,
    Peer(address): Peer,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let mut wrong = Invalid::default();
    let current = auth_key(&form, "current", &mut wrong).ok_or(Error::Invalid(wrong))?;
    keys::prove(&app, &throttle::network(address), &member, &current).await?;
    Ok(unstored(StatusCode::NO_CONTENT.into_response()))
}

/// `POST /settings/plain`: field `plain` (`on`: every wall comes in the plain view; absent: as its owner made it).
pub async fn set_plain(State(app): State<App>, member: Member, wants: Wants, form: Form) -> Result<Response, Error> {
    let plain = matches!(form.text("plain"), "on" | "1" | "true" | "yes");
    let member_id = member.id;
    app.db
        .write(move |tx| mutations::set_plain(tx, member_id, plain))
        .await?;
    Ok(match wants {
        Wants::Json => Json(json!({ "plain": plain })).into_response(),
        Wants::Page | Wants::Fragment => see_other("/settings#plain"),
    })
}

/// `POST /settings/presence`: fields `present` (`on`: others see that one is here; absent: they don't) and `cursor` (where one
/// points, on walls whose owners like that). The first takes effect at once, in every window.
pub async fn set_presence(State(app): State<App>, member: Member, wants: Wants, form: Form) -> Result<Response, Error> {
    let is_on = |field| matches!(form.text(field), "on" | "1" | "true" | "yes");
    let (present, cursor) = (is_on("present"), is_on("cursor"));
    let (member_id, teller) = (member.id, app.clone());
    let (told, heard) = oneshot::channel();
    app.db
        .write(move |tx| {
            mutations::set_presence(tx, member_id, present, cursor)?;
            tx.announce(move || {
                teller.hub.set_hidden(member_id, !present);
                let _ = told.send(());
            });
            Ok(())
        })
        .await?;
    // Told after the commit, perhaps after its answer: who hides is hidden once they read that they are.
    let _ = heard.await;
    Ok(match wants {
        Wants::Json => Json(json!({ "present": present, "cursor": cursor })).into_response(),
        Wants::Page | Wants::Fragment => see_other("/settings#presence"),
    })
}

/// `POST /settings/sessions/{id}/revoke`. One's own is a log-out.
pub async fn revoke_session(
    State(app): State<App>,
    member: Member,
    viewer: Viewer,
    wants: Wants,
    headers: HeaderMap,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let member_id = member.id;
    app.db
        .write(move |tx| mutations::end_session(tx, member_id, id))
        .await?;
    match viewer.session == Some(id) {
        true => Ok(leave(&app, &headers)),
        false => sessions_changed(&app, &member, &viewer, wants),
    }
}

/// `POST /settings/sessions/revoke`: all but this one.
pub async fn revoke_other_sessions(
    State(app): State<App>,
    member: Member,
    viewer: Viewer,
    wants: Wants,
) -> Result<Response, Error> {
    let (member_id, kept) = (member.id, viewer.session.ok_or(Error::Unauthorized)?);
    app.db
        .write(move |tx| mutations::end_other_sessions(tx, member_id, kept))
        .await?;
    sessions_changed(&app, &member, &viewer, wants)
}

fn sessions_changed(app: &App, member: &Member, viewer: &Viewer, wants: Wants) -> Result<Response, Error> {
    let part = || {
        let owner = app.db.read(|db| queries::owner(db, member.id))?;
        let clock = Clock::of(&owner.time_zone);
        app.html
            .render("settings/sessions.html", sessions(app, member, viewer, &clock)?)
    };
    changed(wants, "/settings#sessions", part)
}

/// `POST /settings/notices/{id}` with `do`: `read` or `dismiss`, and `before`, the page that one is on. A notice that is
/// gone already is fine.
pub async fn notice(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response, Error> {
    let member_id = member.id;
    match form.text("do") {
        "read" => {
            app.db
                .write(move |tx| mutations::read_notices(tx, member_id, Some(id)))
                .await?
        }
        "dismiss" => {
            app.db
                .write(move |tx| mutations::dismiss_notice(tx, member_id, id))
                .await?
        }
        _ => {
            return Err(Error::field(
                "do",
                "A notice can be marked with “read” or thrown away with “dismiss”.",
            ));
        }
    }
    notices_changed(&app, &member, wants, &form)
}

/// `POST /settings/notices` with `do=read`: marks all of them.
pub async fn notices(State(app): State<App>, member: Member, wants: Wants, form: Form) -> Result<Response, Error> {
    if form.text("do") != "read" {
        return Err(Error::field(
            "do",
            "All notices together can only be marked with “read”.",
        ));
    }
    let member_id = member.id;
    app.db
        .write(move |tx| mutations::read_notices(tx, member_id, None))
        .await?;
    notices_changed(&app, &member, wants, &form)
}

fn notices_changed(app: &App, member: &Member, wants: Wants, form: &Form) -> Result<Response, Error> {
    let before: Option<i64> = form.text("before").parse().ok();
    let part = || {
        let owner = app.db.read(|db| queries::owner(db, member.id))?;
        let clock = Clock::of(&owner.time_zone);
        app.html
            .render("settings/notices.html", notices_page(app, member, before, &clock)?)
    };
    match before {
        Some(before) => changed(wants, &format!("/settings?before={before}#notices"), part),
        None => changed(wants, "/settings#notices", part),
    }
}

/// A part of the page has changed: the page for people, that part for our script, where to look for programs.
pub(super) fn changed(
    wants: Wants,
    page: &str,
    part: impl FnOnce() -> Result<String, Error>,
) -> Result<Response, Error> {
    Ok(match wants {
        Wants::Page => unstored(see_other(page)),
        Wants::Fragment => html::fragment(part()?, StatusCode::OK),
        Wants::Json => unstored(Json(json!({ "next": page })).into_response()),
    })
}

/// Says times as a member's clock shows them.
pub(super) struct Clock {
    zone: TimeZone,
    now: Timestamp,
}

impl Clock {
    pub(super) fn of(zone: &str) -> Clock {
        Clock {
            zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC),
            now: Timestamp::now(),
        }
    }

    /// "today 14:02", "yesterday 23:50", "3 Nov 09:15", "3 Nov 2025".
    pub(super) fn moment(&self, unix_ms: i64) -> String {
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
    pub(super) fn day(&self, unix_ms: i64) -> String {
        match Timestamp::from_millisecond(unix_ms) {
            Ok(then) => then.to_zoned(self.zone.clone()).strftime("%-d %B %Y").to_string(),
            Err(_) => "some day".into(),
        }
    }
}
