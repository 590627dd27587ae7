//! What members send about their scripts: forms, which lead back to a page, and programs and our own scripts, which get JSON.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use minijinja::context;
use serde_json::json;

use super::{
    DESCRIPTION_MOST, LICENCE, LICENCES, Mode, NOTE_MOST, SOURCE_MOST, TITLE_MOST, Visibility, examples,
    mutations::{self, Details, New, Save},
    page, queries, view,
};
use crate::{
    app::App,
    error::{Error, Invalid},
    http::{Form, Path, Wants, see_other, unstored},
    session::Member,
};

/// What a script is called that nobody has named.
const UNNAMED: &str = "untitled";
/// Characters of what a window calls itself.
const WINDOW_MOST: usize = 32;

/// `POST /sandbox`: fields `mode` or `example`, `title`, `licence`, `source`.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Conflict`] for too many.
pub async fn create(State(app): State<App>, member: Member, wants: Wants, form: Form) -> Result<Response, Error> {
    let new = checked_new(&form)?;
    let user = member.id;
    let id = app.db.write(move |tx| mutations::create(tx, user, &new)).await?;
    begun(&app, &member, wants, &id)
}

/// After a script was made: its author goes to the studio, a program gets it.
fn begun(app: &App, member: &Member, wants: Wants, id: &str) -> Result<Response, Error> {
    Ok(match wants {
        Wants::Json => unstored((StatusCode::CREATED, Json(page::own(app, member, id)?)).into_response()),
        _ => see_other(&format!("/sandbox/{id}/edit")),
    })
}

fn checked_new(form: &Form) -> Result<New, Error> {
    let mut wrong = Invalid::default();
    let example = match form.text("example") {
        "" => None,
        name => {
            let example = examples::named(name);
            if example.is_none() {
                wrong.add("example", "There is no such example. /sandbox/examples lists them.");
            }
            example
        }
    };
    let mode = example
        .map(|example| example.mode)
        .or_else(|| Mode::named(form.text("mode")));
    if mode.is_none() {
        wrong.add("mode", "Choose p5, three or canvas.");
    }
    let mode = mode.unwrap_or(Mode::Canvas);
    let title = match (form.text("title"), example) {
        ("", Some(example)) => example.title.to_owned(),
        ("", None) => UNNAMED.to_owned(),
        (title, _) => checked_title(title, &mut wrong),
    };
    let licence = match (form.text("licence"), example) {
        ("", Some(_)) => examples::PUBLIC_DOMAIN.to_owned(),
        ("", None) => LICENCE.to_owned(),
        (licence, _) => checked_licence(licence, &mut wrong),
    };
    let source = match (form.get("source"), example) {
        (Some(source), _) => checked_source(source, &mut wrong),
        (None, Some(example)) => example.source.to_owned(),
        (None, None) => mode.starter().to_owned(),
    };
    wrong.into_result()?;
    Ok(New {
        mode,
        title,
        licence,
        source,
    })
}

fn checked_title(title: &str, wrong: &mut Invalid) -> String {
    let length = title.chars().count();
    if length == 0 || length > TITLE_MOST || title.chars().any(char::is_control) {
        wrong.add(
            "title",
            format!("A title is one line of 1 to {TITLE_MOST} characters; this has {length}."),
        );
    }
    title.to_owned()
}

fn checked_licence(licence: &str, wrong: &mut Invalid) -> String {
    if !LICENCES.iter().any(|(id, _)| *id == licence) {
        let ids: Vec<_> = LICENCES.iter().map(|(id, _)| *id).collect();
        wrong.add("licence", format!("Choose one of {}.", ids.join(", ")));
    }
    licence.to_owned()
}

fn checked_source(source: &str, wrong: &mut Invalid) -> String {
    let source = source.replace("\r\n", "\n");
    if source.len() > SOURCE_MOST {
        wrong.add(
            "source",
            format!(
                "A script has at most {} KiB; this has {}.",
                SOURCE_MOST / 1024,
                source.len().div_ceil(1024)
            ),
        );
    }
    source
}

/// `POST /sandbox/{id}/draft`: fields `source`, `revision`, `window`; with a `title` what [`details`] takes, too: the studio is
/// one form where there is no JavaScript.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`]. A clash isn't lost: what was sent is kept beside the draft, and said.
pub async fn save(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Error> {
    match try_save(&app, &member, &id, &form).await {
        Ok(Save::Saved { revision, saved_at }) => {
            if let Err(error) = details_along(&app, &member, &id, &form).await {
                return refused(&app, &member, &id, wants, &headers, &form, Err(error));
            }
            Ok(match wants {
                Wants::Page => see_other(&format!("/sandbox/{id}/edit")),
                _ => unstored(Json(json!({ "revision": revision, "saved_at": saved_at })).into_response()),
            })
        }
        other => refused(&app, &member, &id, wants, &headers, &form, other.map(Some)),
    }
}

/// What a save that wasn't one answers, or any other form of the studio that was refused.
fn refused(
    app: &App,
    member: &Member,
    id: &str,
    wants: Wants,
    headers: &HeaderMap,
    form: &Form,
    outcome: Result<Option<Save>, Error>,
) -> Result<Response, Error> {
    let typed = form.get("source").map(|source| source.replace("\r\n", "\n"));
    let fields = context! {
        title => form.get("title"), description => form.get("description"), note => form.get("note"),
        licence => form.get("licence"), visibility => form.get("visibility"),
    };
    match outcome {
        Ok(Some(Save::Clash { draft, aside })) => {
            let said = "This script was saved in another window since you opened it here. Nothing is lost: your text is below and is \
                        kept beside the draft. Save again to put it in the draft's place.";
            if wants == Wants::Page {
                let more = context! { typed, clash => said, form => fields };
                return page::studio(app, member, id, headers, more, StatusCode::CONFLICT);
            }
            let body = json!({
                "type": "about:blank", "title": "Conflict", "status": 409, "code": "conflict", "detail": said,
                "revision": draft.revision, "source": draft.source, "saved_at": draft.saved_at, "aside": aside,
            });
            Ok(unstored((StatusCode::CONFLICT, Json(body)).into_response()))
        }
        Err(error @ (Error::Invalid(_) | Error::Conflict(_))) if wants == Wants::Page => {
            let more = context! { typed, errors => error.by_field(), form => fields };
            page::studio(app, member, id, headers, more, error.status())
        }
        Err(error) => Err(error),
        Ok(_) => Ok(see_other(&format!("/sandbox/{id}/edit"))),
    }
}

async fn try_save(app: &App, member: &Member, id: &str, form: &Form) -> Result<Save, Error> {
    let mut wrong = Invalid::default();
    let Some(source) = form.get("source") else {
        return Err(Error::field("source", "The text is missing."));
    };
    let source = checked_source(source, &mut wrong);
    let revision = form.text("revision").parse::<i64>();
    if revision.is_err() {
        wrong.add("revision", "The draft's revision on which this was typed: a number.");
    }
    let window = form.text("window").to_owned();
    if window.chars().count() > WINDOW_MOST {
        wrong.add("window", format!("At most {WINDOW_MOST} characters."));
    }
    wrong.into_result()?;
    let (user, id, revision) = (member.id, id.to_owned(), revision.unwrap_or_default());
    app.db
        .write(move |tx| mutations::save(tx, user, &id, &source, revision, &window))
        .await
}

/// `POST /sandbox/{id}/aside/{n}/delete`.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn drop_aside(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((id, number)): Path<(String, i64)>,
) -> Result<Response, Error> {
    let (user, script) = (member.id, id.clone());
    app.db
        .write(move |tx| mutations::drop_aside(tx, user, &script, number).map(drop))
        .await?;
    Ok(match wants {
        Wants::Page => see_other(&format!("/sandbox/{id}/edit")),
        _ => Json(json!({ "ok": true })).into_response(),
    })
}

/// `POST /sandbox/{id}/versions`: fields `note`, `revision`, `publish` (`on`), `visibility`; with `source` the draft is saved first,
/// and with a `title` what [`details`] takes.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`].
pub async fn make_version(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Error> {
    let mut revision = form.text("revision").parse().ok();
    if form.get("source").is_some() {
        match try_save(&app, &member, &id, &form).await {
            Ok(Save::Saved { revision: saved, .. }) => revision = Some(saved),
            other => return refused(&app, &member, &id, wants, &headers, &form, other.map(Some)),
        }
        if let Err(error) = details_along(&app, &member, &id, &form).await {
            return refused(&app, &member, &id, wants, &headers, &form, Err(error));
        }
    }
    match try_version(&app, &member, &id, revision, &form).await {
        Ok(number) => {
            let (shown, _) = shown_version(&app, &member, &id, number)?;
            Ok(match wants {
                Wants::Page => see_other(&format!("/sandbox/{id}/edit")),
                _ => unstored(Json(shown).into_response()),
            })
        }
        Err(error) => refused(&app, &member, &id, wants, &headers, &form, Err(error)),
    }
}

fn shown_version(app: &App, member: &Member, id: &str, number: i64) -> Result<(view::ShownVersion, i64), Error> {
    app.db.read(|db| {
        let script = queries::own(db, id, member.id)?;
        let (version, _) = queries::version(db, &script, number, Some(member.id))?;
        Ok((view::version(app, &script, version, None), number))
    })
}

async fn try_version(app: &App, member: &Member, id: &str, revision: Option<i64>, form: &Form) -> Result<i64, Error> {
    let mut wrong = Invalid::default();
    let note = form.text("note").to_owned();
    let length = note.chars().count();
    if length > NOTE_MOST || note.chars().any(char::is_control) {
        wrong.add(
            "note",
            format!("A note is one line of at most {NOTE_MOST} characters; this has {length}."),
        );
    }
    let visibility = checked_visibility(form, &mut wrong);
    wrong.into_result()?;
    let (user, id, publish) = (member.id, id.to_owned(), is_on(form.text("publish")));
    app.db
        .write(move |tx| {
            let number = mutations::make_version(tx, user, &id, &note, revision)?;
            if publish {
                let script = queries::own(tx, &id, user)?;
                mutations::publish(
                    tx,
                    user,
                    &id,
                    number,
                    open(visibility, script.visibility, script.published),
                )?;
            }
            Ok(number)
        })
        .await
}

fn is_on(text: &str) -> bool {
    matches!(text, "on" | "1" | "true" | "yes")
}

/// Who sees it from now on: whom the form names; else as it was, but a script that is published for the first time is for everybody.
fn open(asked: Option<Visibility>, present: Visibility, published: Option<i64>) -> Visibility {
    match (asked, present, published) {
        (Some(asked), ..) => asked,
        (None, Visibility::Private, None) => Visibility::Public,
        (None, present, _) => present,
    }
}

fn checked_visibility(form: &Form, wrong: &mut Invalid) -> Option<Visibility> {
    match form.text("visibility") {
        "" => None,
        name => {
            let visibility = Visibility::named(name);
            if visibility.is_none() {
                wrong.add("visibility", "Choose private, unlisted or public.");
            }
            visibility
        }
    }
}

/// `POST /sandbox/{id}/publish`: fields `version`, `visibility`.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`].
pub async fn publish(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let mut wrong = Invalid::default();
    let number = form.text("version").parse::<i64>();
    if number.is_err() {
        wrong.add("version", "Which version: its number.");
    }
    let visibility = checked_visibility(&form, &mut wrong);
    wrong.into_result()?;
    let (user, script, number) = (member.id, id.clone(), number.unwrap_or_default());
    app.db
        .write(move |tx| {
            let present = queries::own(tx, &script, user)?;
            let visibility = open(visibility, present.visibility, present.published);
            mutations::publish(tx, user, &script, number, visibility)
        })
        .await?;
    after(&app, &member, wants, &id)
}

/// After a change: its author goes to the script's page, a program gets the script.
fn after(app: &App, member: &Member, wants: Wants, id: &str) -> Result<Response, Error> {
    Ok(match wants {
        Wants::Page => see_other(&format!("/sandbox/{id}")),
        _ => {
            let script = app.db.read(|db| queries::own(db, id, member.id))?;
            unstored(Json(view::script(&script)).into_response())
        }
    })
}

/// `POST /sandbox/{id}/details`: fields `title`, `description`, `licence`, `visibility`; what is absent stays.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`].
pub async fn details(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Error> {
    match try_details(&app, &member, &id, &form).await {
        Ok(()) => after(&app, &member, wants, &id),
        Err(error) => refused(&app, &member, &id, wants, &headers, &form, Err(error)),
    }
}

/// The details, where a form that is about something else brings them along.
async fn details_along(app: &App, member: &Member, id: &str, form: &Form) -> Result<(), Error> {
    match form.get("title") {
        Some(_) => try_details(app, member, id, form).await,
        None => Ok(()),
    }
}

async fn try_details(app: &App, member: &Member, id: &str, form: &Form) -> Result<(), Error> {
    let old = app.db.read(|db| queries::own(db, id, member.id))?;
    let mut wrong = Invalid::default();
    let description = match form.get("description") {
        Some(text) => text.replace("\r\n", "\n").trim().to_owned(),
        None => old.description,
    };
    let length = description.chars().count();
    if length > DESCRIPTION_MOST {
        wrong.add(
            "description",
            format!("At most {DESCRIPTION_MOST} characters, please: these are {length}."),
        );
    }
    let new = Details {
        title: match form.get("title") {
            Some(title) => checked_title(title.trim(), &mut wrong),
            None => old.title,
        },
        description,
        licence: match form.get("licence") {
            Some(licence) => checked_licence(licence, &mut wrong),
            None => old.licence,
        },
        visibility: checked_visibility(form, &mut wrong).unwrap_or(old.visibility),
    };
    wrong.into_result()?;
    let (user, id) = (member.id, id.to_owned());
    app.db.write(move |tx| mutations::details(tx, user, &id, &new)).await
}

/// `POST /sandbox/{id}/fork`: field `version`; without it, the published one.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] where all rights are reserved; [`Error::Conflict`] for too many.
pub async fn fork(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let number = match form.text("version") {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| Error::field("version", "Which version: its number."))?,
        ),
    };
    let forker = member.clone();
    let fork = app
        .db
        .write(move |tx| mutations::fork(tx, &forker, &id, number))
        .await?;
    begun(&app, &member, wants, &fork)
}

/// `POST /sandbox/{id}/delete`.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn delete(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let user = member.id;
    app.db.write(move |tx| mutations::delete(tx, user, &id)).await?;
    Ok(match wants {
        Wants::Page => see_other("/sandbox/mine"),
        _ => Json(json!({ "ok": true })).into_response(),
    })
}

/// `POST /sandbox/{id}/restore`.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn restore(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let (user, script) = (member.id, id.clone());
    app.db.write(move |tx| mutations::restore(tx, user, &script)).await?;
    Ok(match wants {
        Wants::Page => see_other(&format!("/sandbox/{id}/edit")),
        _ => after(&app, &member, wants, &id)?,
    })
}
