//! What is sent about neighbourhoods: plain forms, which lead back to a page; programs get JSON.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{ABOUT_MOST, TITLE_MOST, mutations, page, queries, slug};
use crate::{
    app::App,
    crypto,
    error::{Error, Invalid},
    http::{Form, Path, Wants, see_other},
    session::{Member, Viewer},
};

/// `POST /neighbourhoods`: fields `title` and `about`.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Conflict`]; a person gets the form back as it was typed.
pub async fn found(State(app): State<App>, member: Member, wants: Wants, form: Form) -> Result<Response, Error> {
    let viewer = Viewer::of(member.clone());
    let made = async {
        let title = form.text("title").split_whitespace().collect::<Vec<_>>().join(" ");
        let mut invalid = Invalid::default();
        let length = title.chars().count();
        if !(2..=TITLE_MOST).contains(&length) || title.chars().any(char::is_control) {
            invalid.add("title", format!("A name has 2 to {TITLE_MOST} characters."));
        }
        let about = about(&form, &mut invalid);
        invalid.into_result()?;
        let slug = slug(&title).unwrap_or_else(|| {
            let random: [u8; 4] = crypto::random();
            format!("n-{:08x}", u32::from_le_bytes(random))
        });
        let made = slug.clone();
        app.db
            .write(move |tx| mutations::found(tx, &member, &slug, &title, &about))
            .await?;
        Ok(made)
    };
    match (made.await, wants) {
        (Ok(slug), Wants::Json) => {
            let it = app.db.read(|db| queries::one(db, &slug))?;
            Ok((http::StatusCode::CREATED, Json(it)).into_response())
        }
        (Ok(slug), _) => Ok(see_other(&format!("/neighbourhoods/{slug}"))),
        (Err(error @ (Error::Invalid(_) | Error::Conflict(_))), Wants::Page) => {
            page::list_page(&app, &viewer, "", Some((&form, &error)))
        }
        (Err(error), _) => Err(error),
    }
}

fn about(form: &Form, invalid: &mut Invalid) -> String {
    let about = form.text("about").split_whitespace().collect::<Vec<_>>().join(" ");
    let length = about.chars().count();
    if length == 0 || length > ABOUT_MOST || about.chars().any(char::is_control) {
        invalid.add(
            "about",
            format!("One sentence that says what these walls have in common: up to {ABOUT_MOST} characters."),
        );
    }
    about
}

/// `POST /neighbourhoods/{slug}`: field `about`, by the founder.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Forbidden`].
pub async fn change(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(slug): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let mut invalid = Invalid::default();
    let about = about(&form, &mut invalid);
    let viewer = Viewer::of(member.clone());
    if let Err(error) = invalid.into_result() {
        return match wants {
            Wants::Page => page::refused(&app, &viewer, &slug, form.text("about"), &error),
            _ => Err(error),
        };
    }
    let changed = slug.clone();
    app.db
        .write(move |tx| mutations::change(tx, &member, &changed, &about))
        .await?;
    Ok(done(wants, &slug))
}

/// `POST /neighbourhoods/{slug}/come-in`: puts one's own wall in.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Conflict`].
pub async fn come_in(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(slug): Path<String>,
) -> Result<Response, Error> {
    let it = slug.clone();
    app.db.write(move |tx| mutations::come_in(tx, &member, &it)).await?;
    Ok(done(wants, &slug))
}

/// `POST /neighbourhoods/{slug}/leave`: takes one's own wall out.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn leave(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(slug): Path<String>,
) -> Result<Response, Error> {
    let it = slug.clone();
    app.db.write(move |tx| mutations::leave(tx, &member, &it)).await?;
    Ok(done(wants, &slug))
}

/// `POST /neighbourhoods/{slug}/put-out`: field `name`, by the founder.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`].
pub async fn put_out(
    app: State<App>,
    member: Member,
    wants: Wants,
    slug: Path<String>,
    form: Form,
) -> Result<Response, Error> {
    moved(app, member, wants, slug, form, true).await
}

/// `POST /neighbourhoods/{slug}/let-in`: field `name`, by the founder: whoever was put out may come in again.
///
/// # Errors
/// As [`put_out`].
pub async fn let_in(
    app: State<App>,
    member: Member,
    wants: Wants,
    slug: Path<String>,
    form: Form,
) -> Result<Response, Error> {
    moved(app, member, wants, slug, form, false).await
}

async fn moved(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(slug): Path<String>,
    form: Form,
    out: bool,
) -> Result<Response, Error> {
    let (it, name) = (slug.clone(), form.text("name").trim_start_matches('@').to_lowercase());
    app.db
        .write(move |tx| mutations::put_out(tx, &member, &it, &name, out))
        .await?;
    Ok(done(wants, &slug))
}

/// `POST /neighbourhoods/{slug}/close`: for good, by the founder.
///
/// # Errors
/// [`Error::Forbidden`].
pub async fn close(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(slug): Path<String>,
) -> Result<Response, Error> {
    app.db.write(move |tx| mutations::close(tx, &member, &slug)).await?;
    Ok(match wants {
        Wants::Json => Json(json!({ "ok": true })).into_response(),
        _ => see_other("/neighbourhoods"),
    })
}

fn done(wants: Wants, slug: &str) -> Response {
    match wants {
        Wants::Json => Json(json!({ "ok": true })).into_response(),
        _ => see_other(&format!("/neighbourhoods/{slug}")),
    }
}
