//! `/library`: what a member has uploaded, and what uses it.

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::{
    TRANSCRIPT_MOST, file_of, mutations,
    queries::{self, Item, Use, Wanted},
    take::check_alt,
    view,
};
use crate::{
    app::App,
    db::Tx,
    error::{self, Error},
    files, html,
    http::{FRAGMENT, Form, Path, Query, Wants, see_other, unstored},
    session::Member,
    words,
};

/// Pictures and sounds on one page.
const PAGE: usize = 48;

/// What `/library` is asked with.
#[derive(Default, Deserialize)]
pub struct Asked {
    /// `image`, `audio`; both when absent.
    #[serde(default)]
    kind: String,
    /// Older than this one: its time and id, with a dot between.
    #[serde(default)]
    before: String,
    /// What was just done.
    #[serde(default)]
    done: String,
}

/// `GET /library`: a page; the choices of a field for our script; JSON for programs.
///
/// # Errors
/// [`Error::Unauthorized`].
pub async fn show(
    State(app): State<App>,
    member: Option<Member>,
    wants: Wants,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let Some(member) = member else {
        return match error::wants_page(&headers) {
            true => Ok(see_other("/login?next=/library")),
            false => Err(Error::Unauthorized),
        };
    };
    let listed = list(&app, &member, &asked)?;
    Ok(unstored(match wants {
        Wants::Json => Json(json!({
            "media": listed.items,
            "next": listed.next,
            "bytes": listed.stored,
            "quota": quota(&app),
        }))
        .into_response(),
        Wants::Fragment => {
            let html = app
                .html
                .render("media/choices.html", context! { ..listed.context(&app, &asked) })?;
            ([(http::header::CONTENT_TYPE, FRAGMENT)], html).into_response()
        }
        Wants::Page => Html(page(&app, &listed, &asked, None)?).into_response(),
    }))
}

/// The page with an upload that was refused.
pub(super) fn refused(app: &App, member: &Member, error: &Error, alt: &str) -> Result<Response, Error> {
    let asked = Asked::default();
    let listed = list(app, member, &asked)?;
    let html = page(app, &listed, &asked, Some((error, alt)))?;
    Ok(html::page(html, error.status()))
}

struct Listed {
    items: Vec<view::Data>,
    /// Where the next page begins.
    next: Option<String>,
    stored: u64,
}

impl Listed {
    fn context(&self, app: &App, asked: &Asked) -> minijinja::Value {
        context! {
            items => self.items.iter().map(view::shown).collect::<Vec<_>>(),
            next => self.next,
            kind => asked.kind,
            stored => words::size(self.stored),
            quota => words::size(quota(app)),
            percent => (self.stored * 100).checked_div(quota(app)).unwrap_or(100).min(100),
            file_most => words::size(app.config().limits.media_file_bytes.into()),
        }
    }
}

fn quota(app: &App) -> u64 {
    u64::from(app.config().limits.media_mib) << 20
}

fn list(app: &App, member: &Member, asked: &Asked) -> Result<Listed, Error> {
    if !matches!(&*asked.kind, "" | "image" | "audio") {
        return Err(Error::BadRequest("kind is image or audio, or absent for both.".into()));
    }
    let before = match &*asked.before {
        "" => None,
        before => before
            .split_once('.')
            .and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())))
            .map_or_else(
                || Err(Error::BadRequest("before is what the last page called next.".into())),
                |b| Ok(Some(b)),
            )?,
    };
    let wanted = Wanted {
        owner: member.id,
        kind: &asked.kind,
        before,
        most: PAGE + 1,
    };
    app.db.read(|db| {
        let mut items = queries::items(db, &wanted)?;
        let more = items.len() > PAGE;
        items.truncate(PAGE);
        let next = items
            .last()
            .filter(|_| more)
            .map(|last: &Item| format!("{}.{}", last.created_at, last.id));
        Ok(Listed {
            items: items
                .into_iter()
                .map(|item| view::data(db, item))
                .collect::<Result<_, _>>()?,
            next,
            stored: queries::stored_by(db, member.id)?,
        })
    })
}

/// With an upload that was refused, and how it was described.
fn page(app: &App, listed: &Listed, asked: &Asked, refused: Option<(&Error, &str)>) -> Result<String, Error> {
    let context = context! {
        refused => refused.map(|(error, _)| error.detail()),
        typed => refused.map_or("", |(_, alt)| alt),
        done => asked.done,
        signed_in => true,
        here => "library",
        ..listed.context(app, asked)
    };
    app.html.render("media/library.html", context)
}

/// `GET /library/{id}`: one piece.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn item(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    app.db.read(|db| queries::item(db, member.id, &id))?;
    match wants {
        Wants::Page => Ok(see_other(&format!("/library#media-{id}"))),
        wants => answer(&app, &member, wants, &id),
    }
}

/// What a slice does, in the same write, when something that it shows is deleted or described anew: whoever looks at it is to see it.
pub type ShowAnew = fn(&App, &Tx, &Use) -> Result<(), Error>;

/// `POST /library/{id}`: fields `alt`, `transcript`; those that are absent stay.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`].
pub async fn change(
    app: App,
    member: Member,
    wants: Wants,
    id: String,
    form: Form,
    show_anew: ShowAnew,
) -> Result<Response, Error> {
    let item = app.db.read(|db| queries::item(db, member.id, &id))?;
    let alt = form.get("alt").map_or(item.alt, |alt| alt.trim().to_owned());
    let transcript = form
        .get("transcript")
        .map_or(item.transcript, |said| said.trim().to_owned());
    check_alt(&alt)?;
    let length = transcript.chars().count();
    if length > TRANSCRIPT_MOST {
        return Err(Error::field(
            "transcript",
            format!("That is {length} characters. A transcript has at most {TRANSCRIPT_MOST}."),
        ));
    }
    let (row, owner) = (id.clone(), member.id);
    let teller = app.clone();
    app.db
        .write(move |tx| {
            mutations::describe(tx, owner, &row, &alt, &transcript)?;
            tell(tx, &teller, &row, show_anew)
        })
        .await?;
    answer(&app, &member, wants, &id)
}

fn answer(app: &App, member: &Member, wants: Wants, id: &str) -> Result<Response, Error> {
    let item = app.db.read(|db| view::data_of(db, member.id, id))?;
    Ok(match wants {
        Wants::Page => see_other(&format!("/library?done=kept#media-{id}")),
        Wants::Fragment => {
            let html = app
                .html
                .render("media/item.html", context! { item => view::shown(&item) })?;
            unstored(([(http::header::CONTENT_TYPE, FRAGMENT)], html).into_response())
        }
        Wants::Json => unstored(Json(item).into_response()),
    })
}

/// `POST /library/{id}/delete`: it goes, and whatever used it is without it.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn delete(
    app: App,
    member: Member,
    wants: Wants,
    id: String,
    show_anew: ShowAnew,
) -> Result<Response, Error> {
    let (row, owner, teller) = (id.clone(), member.id, app.clone());
    app.db
        .write(move |tx| {
            tell(tx, &teller, &row, show_anew)?;
            mutations::delete(tx, owner, &row)
        })
        .await?;
    drop_files(&app, &id).await;
    Ok(match wants {
        Wants::Page => see_other("/library?done=deleted"),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Lets everyone who looks at something that shows it see how that is now.
fn tell(tx: &Tx, app: &App, id: &str, show_anew: ShowAnew) -> Result<(), Error> {
    queries::uses(tx, id)?
        .iter()
        .try_for_each(|used| show_anew(app, tx, used))
}

/// `POST /library/{id}/discard`: it goes, if it was sent for one thing and nothing uses it.
///
/// # Errors
/// The database's.
pub async fn discard(State(app): State<App>, member: Member, Path(id): Path<String>) -> Result<Response, Error> {
    let row = id.clone();
    if app.db.write(move |tx| mutations::discard(tx, member.id, &row)).await? {
        drop_files(&app, &id).await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn drop_files(app: &App, id: &str) {
    for variant in ["full", "medium", "small", "sound"] {
        files::drop_file(&file_of(app, id, variant)).await;
    }
}
