//! What is sent about posts: plain forms, which lead back to a page; programs get JSON. Each goes prepare, commit, announce.

use std::time::Instant;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

use super::{
    compose::{self, Kind, New},
    live::{self, Told},
    mutations::{self, To, Wall},
    page, preview, queries, view,
};
use crate::{
    app::{App, now_ms},
    error::Error,
    html,
    http::{Form, Path, Wants, see_other},
    scripts,
    session::Member,
};

/// `POST /wall/{user}/posts`: fields `kind`, `title`, `body`, and what the kind asks for; `draft` names the draft that it was.
///
/// # Errors
/// [`Error::Invalid`] for a program; a person gets the form back as it was typed.
pub async fn publish(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    let draft = form.text("draft").parse().ok();
    let checked = async {
        let mut new = New::check(Kind::named(form.text("kind"))?, &form, &app.config().origin)?;
        pace(&app, &member, "posts on one's wall")?;
        prepare(&app, &member, &mut new).await?;
        Ok(new)
    };
    let new = match checked.await {
        Ok(new) => new,
        Err(error) => return refused(&app, &member, wants, None, &form, error),
    };
    let (teller, author) = (app.clone(), member.clone());
    let id = app
        .db
        .write(move |tx| {
            let id = mutations::publish(tx, of(&author), &new, draft, now_ms())?;
            tx.announce(move || live::tell(&teller, &author.name, author.id, Told::Published(id)));
            Ok(id)
        })
        .await?;
    match wants {
        Wants::Json => {
            let post = app.db.read(|db| queries::post(db, &wall, id))?;
            Ok((StatusCode::CREATED, Json(view::data(&post))).into_response())
        }
        _ => Ok(see_other(&format!("/wall/{wall}#post-{id}"))),
    }
}

/// `POST /wall/{user}/posts/{id}`: the same fields; what it said before stays in its history.
///
/// # Errors
/// As [`publish`]; [`Error::NotFound`].
pub async fn edit(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    let old = app.db.read(|db| queries::post(db, &wall, id))?;
    let checked = async {
        let mut new = New::check(old.kind, &form, &app.config().origin)?;
        pace(&app, &member, "posts on one's wall")?;
        prepare(&app, &member, &mut new).await?;
        Ok(new)
    };
    let new = match checked.await {
        Ok(new) => new,
        Err(error) => return refused(&app, &member, wants, Some(&old), &form, error),
    };
    let (teller, author) = (app.clone(), member.clone());
    app.db
        .write(move |tx| {
            if mutations::edit(tx, of(&author), id, &new)? {
                tx.announce(move || live::tell(&teller, &author.name, author.id, Told::Edited(id)));
            }
            Ok(())
        })
        .await?;
    match wants {
        Wants::Json => {
            let post = app.db.read(|db| queries::post(db, &wall, id))?;
            Ok(Json(view::data(&post)).into_response())
        }
        _ => Ok(see_other(&format!("/wall/{wall}/posts/{id}"))),
    }
}

/// What must be there before a post is: its pictures, what its link leads to. A site that doesn't answer is no reason not to post.
async fn prepare(app: &App, member: &Member, new: &mut New) -> Result<(), Error> {
    app.db.read(|db| new.find_pictures(db, member.id))?;
    if new.kind == Kind::Script {
        let found = app.db.read(|db| scripts::published(db, &new.script));
        found.map_err(|error| match error {
            Error::NotFound => Error::field("script", "There is no such script, or it isn't for others to see."),
            other => other,
        })?;
    }
    if new.kind == Kind::Link {
        preview::look(app, &new.url).await?;
    }
    Ok(())
}

/// A form that can't be accepted comes back as it was typed.
fn refused(
    app: &App,
    member: &Member,
    wants: Wants,
    post: Option<&queries::Post>,
    form: &Form,
    error: Error,
) -> Result<Response, Error> {
    match &error {
        Error::Invalid(_) | Error::TooMany { .. } | Error::Conflict(_) | Error::Unavailable(_)
            if wants == Wants::Page =>
        {
            page::composer(app, &member.name, post, form, Some(&error))
        }
        _ => Err(error),
    }
}

/// `POST /wall/{user}/posts/preview`: what a page says of itself, before one links to it. Field: `url`.
///
/// # Errors
/// [`Error::Invalid`] for what is no address.
pub async fn look(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    let url = preview::target(form.text("url")).map_err(|why| Error::field("url", why))?;
    pace(&app, &member, "previews of links")?;
    let found = preview::look(&app, &url).await?;
    let link = view::card(&url, Some(&found));
    match wants {
        Wants::Json => Ok(Json(json!({ "link": link, "why": found.why })).into_response()),
        _ => {
            let context = minijinja::context! { link, why => found.why };
            let html = app.html.render("posts/preview.html", context)?;
            Ok(html::fragment(html, StatusCode::OK))
        }
    }
}

/// `POST /wall/{user}/posts/{id}/move`: fields `to` (`up`, `down`, `top` or `bottom`), or `above` (a post's id; empty: last) or `below`.
///
/// # Errors
/// [`Error::Invalid`], [`Error::NotFound`].
pub async fn place(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    let other = |text: &str| {
        text.parse()
            .map_err(|_| Error::field("above", "Name the other post by its number, or leave this empty."))
    };
    let to = match (form.text("to"), form.get("above").map(str::trim)) {
        ("up", _) => To::Up,
        ("down", _) => To::Down,
        ("top", _) => To::Top,
        ("bottom", _) | ("", Some("")) => To::Bottom,
        ("", Some(above)) => To::Above(other(above)?),
        ("", None) if !form.text("below").is_empty() => To::Below(other(form.text("below"))?),
        _ => {
            return Err(Error::field(
                "to",
                "Say up, down, top or bottom, or name the post that it should come above or below.",
            ));
        }
    };
    let (teller, author) = (app.clone(), member);
    app.db
        .write(move |tx| {
            mutations::place(tx, of(&author), id, to)?;
            tx.announce(move || live::tell(&teller, &author.name, author.id, Told::Ordered));
            Ok(())
        })
        .await?;
    Ok(match wants {
        Wants::Page => see_other(&format!("/wall/{wall}?edit=1&tab=posts#post-{id}")),
        Wants::Fragment => html::fragment(String::new(), StatusCode::OK),
        Wants::Json => Json(json!({ "ok": true })).into_response(),
    })
}

/// `POST /wall/{user}/posts/{id}/delete`: it can be put back for thirty days.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn remove(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    let (teller, author) = (app.clone(), member);
    app.db
        .write(move |tx| {
            mutations::remove(tx, of(&author), id)?;
            tx.announce(move || live::tell(&teller, &author.name, author.id, Told::Removed(id)));
            Ok(())
        })
        .await?;
    match wants {
        Wants::Page => Ok(see_other(&format!("/wall/{wall}?edit=1&tab=posts#removed-{id}"))),
        Wants::Fragment => {
            let html = app.html.render("posts/undo.html", minijinja::context! { wall, id })?;
            Ok(html::fragment(html, StatusCode::OK))
        }
        Wants::Json => Ok(Json(json!({ "id": id, "removed": true })).into_response()),
    }
}

/// `POST /wall/{user}/posts/{id}/restore`: puts a deleted post back.
///
/// # Errors
/// [`Error::NotFound`] when it isn't kept any more.
pub async fn restore(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    let (teller, author) = (app.clone(), member);
    app.db
        .write(move |tx| {
            mutations::restore(tx, of(&author), id)?;
            tx.announce(move || live::tell(&teller, &author.name, author.id, Told::Ordered));
            Ok(())
        })
        .await?;
    match wants {
        Wants::Page => Ok(see_other(&format!("/wall/{wall}#post-{id}"))),
        Wants::Fragment => Ok(html::fragment(String::new(), StatusCode::OK)),
        Wants::Json => {
            let post = app.db.read(|db| queries::post(db, &wall, id))?;
            Ok(Json(view::data(&post)).into_response())
        }
    }
}

/// `POST /wall/{user}/posts/drafts`: keeps a form of [`publish`] or [`edit`] as it was typed. `draft` names the draft that it
/// replaces, `post` the post that is edited.
///
/// # Errors
/// [`Error::Conflict`] for one draft too many.
pub async fn save_draft(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    let number = |name| form.text(name).parse::<i64>().ok();
    let (draft, post) = (number("draft"), number("post"));
    let id = if draft.is_none() && post.is_none() && compose::is_blank(&form) {
        None
    } else {
        pace(&app, &member, "drafts of posts")?;
        let fields = compose::typed(&form)?;
        let saved = app
            .db
            .write(move |tx| mutations::save_draft(tx, of(&member), draft, post, &fields));
        Some(saved.await?)
    };
    Ok(match (wants, post, id) {
        (Wants::Page, Some(post), _) => see_other(&format!("/wall/{wall}/posts/{post}/edit")),
        (Wants::Page, None, Some(id)) => see_other(&format!("/wall/{wall}/posts/new?draft={id}")),
        (Wants::Page, None, None) => see_other(&format!("/wall/{wall}/posts/new")),
        _ => Json(json!({ "draft": id, "saved_at": now_ms() })).into_response(),
    })
}

/// `POST /wall/{user}/posts/drafts/{id}/delete`: throws a draft away.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn delete_draft(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
) -> Result<Response, Error> {
    owns(&member, &wall)?;
    let post = app.db.read(|db| queries::draft(db, member.id, id))?.post;
    app.db
        .write(move |tx| mutations::delete_draft(tx, member.id, id))
        .await?;
    Ok(match (wants, post) {
        (Wants::Json, _) => Json(json!({ "ok": true })).into_response(),
        (_, Some(post)) => see_other(&format!("/wall/{wall}/posts/{post}")),
        (_, None) => see_other(&format!("/wall/{wall}?edit=1&tab=posts")),
    })
}

/// Only the owner posts on a wall.
pub(super) fn owns(member: &Member, wall: &str) -> Result<(), Error> {
    if *member.name == *wall {
        return Ok(());
    }
    Err(Error::Forbidden(format!(
        "This is {wall}'s wall: only {wall} can post on it."
    )))
}

fn of(member: &Member) -> Wall<'_> {
    Wall {
        user_id: member.id,
        name: &member.name,
    }
}

/// Counts something that a member does, or says how long to wait.
fn pace(app: &App, member: &Member, what: &'static str) -> Result<(), Error> {
    let per_minute = app.config().limits.posts_per_minute;
    app.buckets
        .take(Instant::now(), &[((what, per_minute), &member.id.to_string())])
        .map_err(|(retry_after, _)| Error::TooMany {
            retry_after,
            message: "That was a lot at once. What you typed is still here.".into(),
        })
}
