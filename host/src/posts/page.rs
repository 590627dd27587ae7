//! Showing posts: a wall's, one by one on their pages, a post with its history, and the pages on which they are written.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use minijinja::{Value, context};
use serde::Deserialize;
use serde_json::json;

use super::{
    ALT_MOST, BODY_MOST, PICTURES_MOST, TITLE_MOST,
    compose::Kind,
    forms::owns,
    queries::{self, Place, Post},
    view::{self, Listed, Scene},
};
use crate::{
    app::App,
    cache::{Audience, Rendered},
    error::Error,
    fragments::Sight,
    html,
    http::{Form, Path, Query, Wants, unstored},
    looks, markdown, media,
    profiles::{self, Profile},
    scripts,
    session::{Member, Viewer},
    words,
};

/// Versions on one page of a history.
const EDITS: usize = 20;
/// Characters of what stands for a post where it is linked to.
const DESCRIPTION: usize = 200;

/// Where a list of posts begins.
#[derive(Debug, Default, Deserialize)]
pub struct From {
    /// What the page before said.
    #[serde(default)]
    pub before: String,
    /// `1`: without scripts and custom styles.
    #[serde(default)]
    pub plain: String,
}

/// Whose wall a page shows, as the templates read it.
fn who(owner: &Profile) -> Value {
    context! { name => owner.name, colour => owner.colour }
}

/// What a page with posts of a wall loads: what they need, and the wall's own look.
fn head(app: &App, viewer: &Viewer, owner: &Profile, posts: &[Post], plain: bool) -> Result<Value, Error> {
    let sight = Sight {
        viewer,
        own: viewer.id() == Some(owner.user_id),
        edit: false,
        plain,
    };
    let look = looks::on_wall(app, owner, sight)?;
    let posts = view::head(app, posts, Some(&owner.name), plain)?;
    Ok(Value::from_safe_string(format!("{posts}{}", look.head)))
}

/// The owner of a wall by a name that could be one.
pub(super) fn owner(app: &App, name: &str) -> Result<Profile, Error> {
    if !profiles::is_name(name) {
        return Err(Error::NotFound);
    }
    app.db.read(|db| profiles::find(db, name))
}

/// `GET /wall/{user}/posts`: a wall's posts, page by page.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn list(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(name): Path<String>,
    Query(from): Query<From>,
) -> Result<Response, Error> {
    let below = match from.before.as_str() {
        "" => Place::TOP,
        before => Place::parse(before)?,
    };
    let owner = owner(&app, &name)?;
    let Listed { posts, next } = view::listed(&app, owner.user_id, below)?;
    let plain = looks::is_plain(&viewer, &from.plain);
    let carried = match wants {
        Wants::Json => "",
        _ => looks::carried(&viewer, plain),
    };
    let next = next.map(|next| view::further(&format!("/wall/{name}/posts"), &next, carried));
    if wants == Wants::Json {
        let posts: Vec<_> = posts.iter().map(view::data).collect();
        return Ok(unstored(Json(json!({ "posts": posts, "next": next })).into_response()));
    }
    let own = viewer.id() == Some(owner.user_id);
    let scene = Scene::on_wall(own, plain).carrying(carried);
    let context = context! {
        who => who(&owner),
        head => head(&app, &viewer, &owner, &posts, plain)?,
        plain,
        also => view::also((below != Place::TOP).then_some(&from.before)),
        query => view::query(carried),
        posts => Value::from_safe_string(view::posts(&app, &posts, scene)?),
        next,
        first => below == Place::TOP,
        own,
        signed_in => viewer.member.is_some(),
        here => if own { "me" } else { "" },
    };
    Ok(html::page(app.html.render("posts/list.html", context)?, StatusCode::OK))
}

/// `GET /wall/{user}/posts/{id}`: one post, for as long as it stands.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn permalink(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path((name, id)): Path<(String, i64)>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let owner = owner(&app, &name)?;
    if wants == Wants::Json {
        let post = app.db.read(|db| queries::post(db, &name, id))?;
        return Ok(unstored(Json(view::data(&post)).into_response()));
    }
    let audience = viewer.audience(Some(owner.user_id));
    let base = base(&app, &headers);
    let plain = looks::is_plain(&viewer, &from.plain);
    let carried = looks::carried(&viewer, plain);
    let page = format!("/wall/{name}/posts/{id} {plain} {carried} {base}").into();
    let render = async || {
        let stamp = app.topics.stamp([format!("wall:{name}")]);
        let post = app.db.read(|db| queries::post(db, &name, id))?;
        let own = matches!(audience, Audience::Member(_));
        let scene = Scene::on_wall(own, plain).carrying(carried);
        let context = context! {
            who => who(&owner),
            head => head(&app, &viewer, &owner, std::slice::from_ref(&post), plain)?,
            plain,
            query => view::query(carried),
            p => view::shown(&post, scene),
            post => Value::from_safe_string(view::post(&app, &post, scene)?.to_string()),
            description => view::excerpt(&post.body, DESCRIPTION),
            image => post.pictures.iter().find_map(|picture| picture.media.as_deref()).map(|id| media::url(id, "medium")),
            base => &base,
            topic_version => stamp.version(),
            own,
            signed_in => audience != Audience::Guests,
            here => if own { "me" } else { "" },
        };
        Ok(Rendered {
            html: app.html.render("posts/permalink.html", context)?,
            stamp,
            max_age: None,
            personal: false,
        })
    };
    let page = app.cache.get_or_render(&page, audience, viewer.id(), render).await?;
    Ok(page.respond(&headers))
}

/// `GET /wall/{user}/posts/{id}/history`: what a post said before. Anyone may read it.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn history(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path((name, id)): Path<(String, i64)>,
    Query(from): Query<From>,
) -> Result<Response, Error> {
    let owner = owner(&app, &name)?;
    let before = match from.before.as_str() {
        "" => i64::MAX,
        before => before.parse().map_err(|_| Error::NotFound)?,
    };
    let (post, mut edits) = app.db.read(|db| {
        let post = queries::post(db, &name, id)?;
        Ok((post, queries::edits(db, id, before, EDITS)?))
    })?;
    let more = edits.len() > EDITS;
    edits.truncate(EDITS);
    let plain = looks::is_plain(&viewer, &from.plain);
    let carried = match wants {
        Wants::Json => "",
        _ => looks::carried(&viewer, plain),
    };
    let next = edits.last().filter(|_| more).map(|last| {
        let at = format!("/wall/{name}/posts/{id}/history");
        view::further(&at, &last.id.to_string(), carried)
    });
    if wants == Wants::Json {
        let body = json!({ "post": view::data(&post), "edits": edits, "next": next });
        return Ok(unstored(Json(body).into_response()));
    }
    let edits: Vec<_> = edits
        .iter()
        .map(|edit| {
            context! {
                title => edit.title,
                html => Value::from_safe_string(markdown::render(&edit.body).html),
                url => edit.url,
                pictures => edit.pictures,
                until => words::moment(edit.until),
            }
        })
        .collect();
    let own = viewer.id() == Some(owner.user_id);
    let context = context! {
        who => who(&owner),
        head => head(&app, &viewer, &owner, &[], plain)?,
        plain,
        also => view::also((before != i64::MAX).then_some(&before.to_string())),
        query => view::query(carried),
        p => view::shown(&post, Scene::on_wall(false, plain)),
        edits,
        next,
        signed_in => viewer.member.is_some(),
        here => if own { "me" } else { "" },
    };
    let html = app.html.render("posts/history.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

/// What the page for a new post may be asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    kind: String,
    /// A draft to go on with.
    draft: Option<i64>,
}

/// `GET /wall/{user}/posts/new`.
///
/// # Errors
/// [`Error::Forbidden`] on somebody else's wall; [`Error::NotFound`] for a draft that isn't there.
pub async fn new_page(
    State(app): State<App>,
    member: Member,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    owns(&member, &name)?;
    let form = match asked.draft {
        Some(id) => {
            let draft = app.db.read(|db| queries::draft(db, member.id, id))?;
            let mut form = Form(draft.fields);
            form.0.push(("draft".into(), id.to_string()));
            form
        }
        None => Form(vec![("kind".into(), Kind::named(&asked.kind)?.name().into())]),
    };
    composer(&app, &name, None, &form, None)
}

/// `GET /wall/{user}/posts/{id}/edit`: with what was typed and not kept yet, if there is such.
///
/// # Errors
/// As [`new_page`].
pub async fn edit_page(
    State(app): State<App>,
    member: Member,
    Path((name, id)): Path<(String, i64)>,
) -> Result<Response, Error> {
    owns(&member, &name)?;
    let (post, draft) = app.db.read(|db| {
        let post = queries::post(db, &name, id)?;
        Ok((post, queries::draft_of(db, member.id, id)?))
    })?;
    let mut form = match draft {
        Some(draft) => {
            let mut form = Form(draft.fields);
            form.0.push(("draft".into(), draft.id.to_string()));
            form
        }
        None => Form(vec![
            ("title".into(), post.title.clone()),
            ("body".into(), post.body.clone()),
            ("url".into(), post.url.clone()),
            ("script".into(), post.script.clone()),
        ]),
    };
    if form.0.iter().all(|(name, _)| !name.starts_with("media")) {
        for (nth, picture) in post.pictures.iter().enumerate() {
            let id = picture.media.as_deref().unwrap_or_default();
            form.0.push((format!("media-{}", nth + 1), id.to_owned()));
            form.0.push((format!("alt-{}", nth + 1), picture.alt.clone()));
        }
    }
    composer(&app, &name, Some(&post), &form, None)
}

/// The page on which a post is written: a new one, or one that stands; after a refusal with what is wrong.
///
/// # Errors
/// The template's.
pub fn composer(
    app: &App,
    name: &str,
    post: Option<&Post>,
    form: &Form,
    error: Option<&Error>,
) -> Result<Response, Error> {
    let kind = match post {
        Some(post) => post.kind,
        None => Kind::named(form.text("kind")).unwrap_or(Kind::Text),
    };
    let errors = match error {
        Some(Error::Invalid(invalid)) => invalid
            .errors
            .iter()
            .map(|e| (e.field.clone(), e.message.clone()))
            .collect(),
        Some(other) => context! { form => other.detail() },
        None => context! {},
    };
    let mut slots = Vec::new();
    if kind == Kind::Image {
        let owner = app.db.read(|db| profiles::find(db, name))?.user_id;
        for nth in 1..=PICTURES_MOST {
            let (name, label) = (format!("media-{nth}"), format!("Picture {nth}"));
            let (id, alt) = (form.text(&name), form.get(&format!("alt-{nth}")).unwrap_or(""));
            let chosen = Some(id).filter(|id| !id.is_empty());
            let field = app
                .db
                .read(|db| media::field(db, owner, (&name, &label), "image", chosen))?;
            slots.push(context! { field, alt, nth, empty => id.is_empty() && alt.is_empty() });
        }
    }
    let mut suggested = Vec::new();
    if kind == Kind::Script {
        let mine = app
            .db
            .read(|db| scripts::suggested(db, profiles::find(db, name)?.user_id))?;
        suggested.extend(mine.into_iter().map(|(id, title)| context! { id, title }));
    }
    let context = context! {
        wall => name,
        slots,
        alt_most => ALT_MOST,
        kind,
        kinds => Kind::ALL,
        post => post.map(|post| post.id),
        draft => form.text("draft"),
        f => context! {
            title => form.get("title").unwrap_or(""),
            body => form.get("body").unwrap_or(""),
            url => form.get("url").unwrap_or(""),
            script => form.get("script").unwrap_or(""),
        },
        suggested,
        errors,
        title_most => TITLE_MOST,
        body_most => BODY_MOST,
        signed_in => true,
        here => "me",
    };
    let status = error.map_or(StatusCode::OK, Error::status);
    Ok(html::page(app.html.render("posts/compose.html", context)?, status))
}

/// Where this place is, as pages outside of it must name it: the configured origin, or what the browser calls it.
pub(super) fn base(app: &App, headers: &HeaderMap) -> String {
    let config = app.config();
    if !config.origin.is_empty() {
        return config.origin.clone();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("");
    let could_be = host.len() <= 255
        && host
            .parse::<http::uri::Authority>()
            .is_ok_and(|a| !a.as_str().contains('@'));
    if could_be {
        format!("http://{host}")
    } else {
        String::new()
    }
}
