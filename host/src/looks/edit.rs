//! What an owner sends about their wall's look. Each address takes a plain form and leads back to the drawer; our script gets
//! the tab and the link to the new stylesheet, a program JSON.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use minijinja::{Value, context};
use serde_json::json;

use super::{
    custom, live, mutations,
    page::{self, write},
    queries, starts,
    theme::Theme,
};
use crate::{
    app::App,
    db::Tx,
    error::{Error, Invalid},
    html,
    http::{Form, Path, Wants, see_other},
    profiles::{self, Profile},
    session::Member,
};

/// `POST /wall/{user}/look`: the theme's fields, as `GET /wall/{user}/look` says them. Those that are missing stay.
///
/// # Errors
/// [`Error::Invalid`] for a program; a person gets the form back as it was typed.
pub async fn keep(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let owner = own(&app, &member, &wall)?;
    let old = app.db.read(|db| queries::of(db, &owner))?;
    let theme = match Theme::read(&old.theme, |field| form.get(field)) {
        Ok(theme) => theme,
        Err(invalid) if wants != Wants::Json => {
            let tab = tab(&app, &owner, Some((&form, &invalid)))?;
            return refused(&app, &owner, wants, tab);
        }
        Err(invalid) => return Err(Error::Invalid(invalid)),
    };
    let source = old.remixed_from.map(|(id, _)| id);
    change(&app, wants, owner, move |tx, owner| {
        mutations::keep(tx, owner, &theme, &old.css, source)
    })
    .await
}

/// `POST /wall/{user}/look/preview`: what these fields (the theme's, or `css`) would look like: `{"sheet": css, "exchanged": […],
/// "left_out": […]}`. Nothing is kept.
///
/// # Errors
/// [`Error::Invalid`].
pub async fn preview(
    State(app): State<App>,
    member: Member,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let owner = own(&app, &member, &wall)?;
    let old = app.db.read(|db| queries::of(db, &owner))?;
    let theme = Theme::read(&old.theme, |field| form.get(field)).map_err(Error::Invalid)?;
    let css = form.get("css").unwrap_or(&old.css);
    let (sheet, left_out) = app
        .db
        .read(|db| Ok((write(db, &owner, &theme, css), page::left_out(db, &owner, css))))?;
    let exchanged = theme.checked().1;
    Ok(Json(json!({ "sheet": sheet, "exchanged": exchanged, "left_out": left_out })).into_response())
}

/// `POST /wall/{user}/look/css`: field `css`, the owner's own, kept as it was typed. What is not allowed is left out of what the
/// wall wears, and said.
///
/// # Errors
/// [`Error::Invalid`] when it is too long.
pub async fn keep_css(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let owner = own(&app, &member, &wall)?;
    let css = form.get("css").unwrap_or("").to_owned();
    if css.len() > custom::SOURCE_MOST {
        let why = format!(
            "At most {} bytes, please: these are {}.",
            custom::SOURCE_MOST,
            css.len()
        );
        return match wants {
            Wants::Json => Err(Error::field("css", why)),
            _ => refused(&app, &owner, wants, css_tab(&app, &owner, Some((&css, &why)))?),
        };
    }
    let old = app.db.read(|db| queries::of(db, &owner))?;
    let source = old.remixed_from.map(|(id, _)| id);
    let kept = css.clone();
    write_down(&app, &owner, move |tx, owner| {
        mutations::keep(tx, owner, &old.theme, &kept, source)
    })
    .await?;
    match wants {
        Wants::Json => {
            let left_out = app.db.read(|db| Ok(page::left_out(db, &owner, &css)))?;
            Ok(Json(json!({ "ok": true, "left_out": left_out })).into_response())
        }
        _ => css_changed(&app, wants, &owner),
    }
}

/// The tab with the owner's CSS as it is now, and what the wall wears.
fn css_changed(app: &App, wants: Wants, owner: &Profile) -> Result<Response, Error> {
    if wants == Wants::Page {
        return Ok(see_other(&format!("/wall/{}?edit=1&tab=css", owner.name)));
    }
    let mut html = app.db.read(|db| page::wear(app, db, owner))?.link();
    html.push_str(&css_tab(app, owner, None)?);
    Ok(html::fragment(html, StatusCode::OK))
}

/// A tab again, with what was typed: in the drawer, or on a page of its own for a browser without our script.
fn refused(app: &App, owner: &Profile, wants: Wants, tab: String) -> Result<Response, Error> {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    if wants == Wants::Fragment {
        return Ok(html::fragment(tab, status));
    }
    let html = app.html.render(
        "looks/refused.html",
        context! {
            tab => Value::from_safe_string(tab),
            who => context! { name => &*owner.name },
            sheet => page::starts_address(),
            signed_in => true,
            here => "me",
        },
    )?;
    Ok(html::page(html, status))
}

fn css_tab(app: &App, owner: &Profile, typed: Option<(&str, &str)>) -> Result<String, Error> {
    let panel = page::css_tab(app, owner, typed)?;
    app.html.render(
        "looks/css.html",
        context! { panel, who => context! { name => &*owner.name } },
    )
}

/// `POST /wall/{user}/look/start`: field `start`, the name of one of the twelve.
///
/// # Errors
/// [`Error::Invalid`] for a name that there isn't.
pub async fn choose(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let owner = own(&app, &member, &wall)?;
    let start = starts::named(form.text("start")).ok_or_else(|| {
        let names: Vec<_> = starts::STARTS.iter().map(|start| start.name).collect();
        Error::field("start", format!("There are these: {}.", names.join(", ")))
    })?;
    let old = app.db.read(|db| queries::of(db, &owner))?;
    change(&app, wants, owner, move |tx, owner| {
        mutations::keep(tx, owner, &start.theme, &old.css, None)
    })
    .await
}

/// `POST /wall/{user}/look/undo`: the look before this one.
///
/// # Errors
/// [`Error::Conflict`] when there is none.
pub async fn undo(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let owner = own(&app, &member, &wall)?;
    step(&app, wants, owner, &form, mutations::undo).await
}

/// `POST /wall/{user}/look/redo`: the look that was undone last.
///
/// # Errors
/// [`Error::Conflict`] when there is none.
pub async fn redo(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let owner = own(&app, &member, &wall)?;
    step(&app, wants, owner, &form, mutations::redo).await
}

/// `POST /wall/{user}/look/remixing`: field `allowed` (`on`: others may take this look; absent: they may not).
///
/// # Errors
/// The database's.
pub async fn allow(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let owner = own(&app, &member, &wall)?;
    let allowed = matches!(form.text("allowed"), "on" | "1" | "true" | "yes");
    change(&app, wants, owner, move |tx, owner| {
        mutations::allow(tx, owner, allowed)
    })
    .await
}

/// Undoes or does again, and answers with the tab that the button stands in.
async fn step(
    app: &App,
    wants: Wants,
    owner: Profile,
    form: &Form,
    write: impl FnOnce(&Tx, &Profile) -> Result<(), Error> + Send + 'static,
) -> Result<Response, Error> {
    if form.text("tab") != "css" || wants == Wants::Json {
        return change(app, wants, owner, write).await;
    }
    write_down(app, &owner, write).await?;
    css_changed(app, wants, &owner)
}

/// Whose wall it is, when it is the member's own.
fn own(app: &App, member: &Member, wall: &str) -> Result<Profile, Error> {
    profiles::owns(member, wall)?;
    app.db.read(|db| profiles::find(db, wall))
}

/// Writes a change, tells everyone who watches, and answers with what it has become.
async fn change(
    app: &App,
    wants: Wants,
    owner: Profile,
    write: impl FnOnce(&Tx, &Profile) -> Result<(), Error> + Send + 'static,
) -> Result<Response, Error> {
    write_down(app, &owner, write).await?;
    let worn = app.db.read(|db| page::wear(app, db, &owner))?;
    Ok(match wants {
        Wants::Page => see_other(&format!("/wall/{}?edit=1&tab=look", owner.name)),
        Wants::Fragment => {
            let mut html = worn.link();
            html.push_str(&tab(app, &owner, None)?);
            html::fragment(html, StatusCode::OK)
        }
        Wants::Json => {
            let look = app.db.read(|db| queries::of(db, &owner))?;
            let (_, exchanged) = look.theme.checked();
            Json(json!({ "ok": true, "sheet": worn.href, "exchanged": exchanged })).into_response()
        }
    })
}

async fn write_down(
    app: &App,
    owner: &Profile,
    write: impl FnOnce(&Tx, &Profile) -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let (teller, owner) = (app.clone(), owner.clone());
    app.db
        .write(move |tx| {
            write(tx, &owner)?;
            tx.announce(move || live::changed(&teller, &owner.name));
            Ok(())
        })
        .await
}

fn tab(app: &App, owner: &Profile, typed: Option<(&Form, &Invalid)>) -> Result<String, Error> {
    let panel = page::tab(app, owner, typed)?;
    app.html.render(
        "looks/drawer.html",
        context! { panel, who => context! { name => &*owner.name } },
    )
}
