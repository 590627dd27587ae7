//! Showing scripts: a script's own page, its versions and what differs between them, its source, and the studio.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use minijinja::{Value, context, value::merge_maps};
use serde::Deserialize;
use serde_json::{Value as Data, json};

use super::{
    DESCRIPTION_MOST, GALLERY, LICENCES, NOTE_MOST, SOURCE_MOST, TITLE_MOST, Visibility, diff as differ, frame, is_id,
    queries::{self, Script},
    standalone as file, topic, tree,
    view::{self, Framed},
};
use crate::{
    app::App,
    cache::Rendered,
    db::Reader,
    error::Error,
    html,
    http::{Path, Query, Wants, frame_source, studio_policy, unstored},
    session::{Member, Viewer},
    words::lasted,
};

/// `GET /sandbox/{id}`.
///
/// # Errors
/// [`Error::NotFound`] for one that isn't there or isn't for this viewer.
pub async fn show(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let script = find(&app, &id, &viewer)?;
    if wants == Wants::Json {
        let data = app.db.read(|db| data_of(&app, db, &script, &viewer))?;
        return Ok(unstored(Json(data).into_response()));
    }
    let page: Arc<str> = format!("/sandbox/{id}").into();
    let audience = viewer.audience(Some(script.user_id));
    let rendered = app
        .cache
        .get_or_render(&page, audience, None, async || render(&app, &id, &viewer))
        .await?;
    Ok(rendered.respond(&headers))
}

/// A script that the viewer may see; what can't be an id isn't looked for.
fn find(app: &App, id: &str, viewer: &Viewer) -> Result<Script, Error> {
    if !is_id(id) {
        return Err(Error::NotFound);
    }
    app.db.read(|db| queries::seen(db, id, viewer.id()))
}

/// A script, its published source, its versions and the tree that it stands in, for programs.
fn data_of(app: &App, db: &Reader, script: &Script, viewer: &Viewer) -> Result<Data, Error> {
    let source = match script.published {
        Some(number) => Some(queries::version(db, script, number, viewer.id())?.1),
        None => None,
    };
    let versions = queries::versions(db, script, viewer.id())?;
    let tree = tree::nodes(&queries::tree(db, &script.id, viewer.id())?);
    let mut data = json!(view::script(script));
    data["source"] = json!(source);
    data["versions"] = versions
        .into_iter()
        .map(|version| json!(view::version(app, script, version, None)))
        .collect();
    data["tree"] = json!(tree);
    Ok(data)
}

fn render(app: &App, id: &str, viewer: &Viewer) -> Result<Rendered, Error> {
    let started = Instant::now();
    let stamp = app.topics.stamp([topic(id).as_str(), GALLERY]);
    let (script, source, versions, tree) = app.db.read(|db| {
        let script = queries::seen(db, id, viewer.id())?;
        let source = match script.published {
            Some(number) => queries::version(db, &script, number, viewer.id())?.1,
            None => String::new(),
        };
        let versions = queries::versions(db, &script, viewer.id())?;
        let tree = tree::nodes(&queries::tree(db, id, viewer.id())?);
        Ok((script, source, versions, tree))
    })?;
    let versions: Vec<_> = versions
        .into_iter()
        .map(|version| view::version(app, &script, version, None))
        .collect();
    let context = context! {
        script => Value::from_serialize(view::for_people(&script)),
        f => Value::from_serialize(view::framed(app, &script, "script".into())),
        source,
        versions => Value::from_serialize(versions),
        tree => Value::from_serialize(&tree),
        own => viewer.id() == Some(script.user_id),
        signed_in => viewer.member.is_some(),
        here => "sandbox",
        made => format!("four queries, {}", lasted(started)),
    };
    Ok(Rendered {
        html: app.html.render("scripts/script.html", context)?,
        stamp,
        max_age: None,
        personal: false,
    })
}

/// `GET /sandbox/{id}/versions`.
///
/// # Errors
/// As [`show`].
pub async fn versions(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let script = find(&app, &id, &viewer)?;
    let versions = app.db.read(|db| queries::versions(db, &script, viewer.id()))?;
    let versions: Vec<_> = versions
        .into_iter()
        .map(|version| view::version(&app, &script, version, None))
        .collect();
    if wants == Wants::Json {
        return Ok(unstored(Json(json!({ "versions": versions })).into_response()));
    }
    let context = context! {
        script => Value::from_serialize(view::for_people(&script)),
        versions => Value::from_serialize(versions),
        own => viewer.id() == Some(script.user_id),
        signed_in => viewer.member.is_some(),
        here => "sandbox",
    };
    let html = app.html.render("scripts/versions.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

/// `GET /sandbox/{id}/versions/{n}`.
///
/// # Errors
/// As [`show`], and for a version that was never published, unless it is one's own.
pub async fn version(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path((id, number)): Path<(String, i64)>,
) -> Result<Response, Error> {
    let script = find(&app, &id, &viewer)?;
    let (version, source) = app.db.read(|db| queries::version(db, &script, number, viewer.id()))?;
    let made_with = version.library.clone();
    let shown = view::version(&app, &script, version, Some(source));
    if wants == Wants::Json {
        return Ok(unstored(Json(shown).into_response()));
    }
    let f = Framed {
        frame: shown.frame.clone(),
        source: format!("{}/source.js", shown.href),
        title: format!("{}, version {number}", script.title),
        ..view::framed(&app, &script, "script".into())
    };
    let context = context! {
        script => Value::from_serialize(view::for_people(&script)),
        f => Value::from_serialize(&f),
        version => Value::from_serialize(&shown),
        made_with,
        own => viewer.id() == Some(script.user_id),
        signed_in => viewer.member.is_some(),
        here => "sandbox",
    };
    let html = app.html.render("scripts/version.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

/// A text of a script: a version's, or the draft's for its author; and the library's version that goes with it.
fn text(app: &App, script: &Script, which: &str, viewer: &Viewer) -> Result<(String, String), Error> {
    app.db.read(|db| match which {
        "draft" if viewer.id() == Some(script.user_id) => {
            let draft = queries::draft(db, &script.id)?;
            Ok((draft.source, script.mode.newest().to_owned()))
        }
        number => {
            let number = number.parse().map_err(|_| Error::NotFound)?;
            let (version, source) = queries::version(db, script, number, viewer.id())?;
            Ok((source, version.library))
        }
    })
}

/// `GET /sandbox/{id}/versions/{n}/source.js`: text, which no browser runs from here.
///
/// # Errors
/// As [`version`].
pub async fn source(
    State(app): State<App>,
    viewer: Viewer,
    Path((id, which)): Path<(String, String)>,
) -> Result<Response, Error> {
    let script = find(&app, &id, &viewer)?;
    let (source, _) = text(&app, &script, &which, &viewer)?;
    Ok(bare(source))
}

/// A source as text.
pub fn bare(source: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    (headers, source).into_response()
}

/// `GET /sandbox/{id}/versions/{n}/script.html`: one file with everything in it, to keep.
///
/// # Errors
/// As [`version`].
pub async fn standalone(
    State(app): State<App>,
    viewer: Viewer,
    Path((id, which)): Path<(String, String)>,
) -> Result<Response, Error> {
    let script = find(&app, &id, &viewer)?;
    let (source, made_with) = text(&app, &script, &which, &viewer)?;
    let about = file::About {
        title: &script.title,
        author: &script.author,
        licence: &script.licence,
        mode: script.mode,
    };
    let page = file::page(&app, &about, &source, &made_with)?;
    let disposition = format!("attachment; filename=\"{}.html\"", file::name(&script.title));
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::CONTENT_DISPOSITION, disposition.as_str()),
        // It is kept, not shown: opened from here it could do nothing.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    Ok((headers, page).into_response())
}

/// Which texts are held beside one another.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

/// `GET /sandbox/{id}/diff?from=&to=`: each a version's number, or `draft`. Without them: the newest version and the one before it,
/// or the draft for its author.
///
/// # Errors
/// As [`version`].
pub async fn diff(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let script = find(&app, &id, &viewer)?;
    let own = viewer.id() == Some(script.user_id);
    let versions = app.db.read(|db| queries::versions(db, &script, viewer.id()))?;
    let names: Vec<String> = own
        .then(|| "draft".to_owned())
        .into_iter()
        .chain(versions.iter().map(|version| version.number.to_string()))
        .collect();
    let or = |asked: String, nth: usize| match asked.as_str() {
        "" => names.get(nth).or(names.last()).cloned().ok_or(Error::NotFound),
        _ => Ok(asked),
    };
    let (from, to) = (or(asked.from, 1)?, or(asked.to, 0)?);
    let (old, _) = text(&app, &script, &from, &viewer)?;
    let (new, _) = text(&app, &script, &to, &viewer)?;
    let hunks = differ::between(&old, &new);
    if wants == Wants::Json {
        let side = |name: &str| name.parse::<i64>().map_or_else(|_| json!(name), |number| json!(number));
        let data = json!({ "from": side(&from), "to": side(&to), "same": hunks.is_empty(), "hunks": hunks });
        return Ok(unstored(Json(data).into_response()));
    }
    let context = context! {
        script => Value::from_serialize(view::for_people(&script)),
        from, to, names,
        hunks => Value::from_serialize(&hunks),
        own,
        signed_in => viewer.member.is_some(),
        here => "sandbox",
    };
    let html = app.html.render("scripts/diff.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

/// `GET /sandbox/{id}/draft`, for its author.
///
/// # Errors
/// [`Error::NotFound`] for everyone else.
pub async fn draft(State(app): State<App>, member: Member, Path(id): Path<String>) -> Result<Response, Error> {
    let draft = app.db.read(|db| {
        let script = queries::own(db, &id, member.id)?;
        Ok(view::draft(
            script.mode,
            queries::draft(db, &id)?,
            queries::asides(db, &id)?,
        ))
    })?;
    Ok(unstored(Json(draft).into_response()))
}

/// `GET /sandbox/{id}/edit`: the studio.
///
/// # Errors
/// [`Error::NotFound`] for one that isn't one's own.
pub async fn edit(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if wants == Wants::Json {
        return Ok(unstored(Json(own(&app, &member, &id)?).into_response()));
    }
    studio(&app, &member, &id, &headers, context! {}, StatusCode::OK)
}

/// A script of one's own with its draft and versions, for programs.
pub fn own(app: &App, member: &Member, id: &str) -> Result<Data, Error> {
    let (script, draft, asides, versions) = read_own(app, member, id)?;
    let mut data = json!(view::script(&script));
    data["draft"] = json!(view::draft(script.mode, draft, asides));
    data["versions"] = versions
        .into_iter()
        .map(|version| json!(view::version(app, &script, version, None)))
        .collect();
    data["frame"] = json!(frame::address(app, id, "draft"));
    Ok(data)
}

type Own = (Script, queries::Draft, Vec<queries::Aside>, Vec<queries::Version>);

fn read_own(app: &App, member: &Member, id: &str) -> Result<Own, Error> {
    app.db.read(|db| {
        let script = queries::own(db, id, member.id)?;
        let draft = queries::draft(db, id)?;
        let asides = queries::asides(db, id)?;
        let versions = queries::versions(db, &script, Some(member.id))?;
        Ok((script, draft, asides, versions))
    })
}

/// The studio's page. `more` is what is different after a form that was refused: `typed` (the text to show in place of the draft),
/// `errors` by field, `clash` (a sentence), `form` (what was typed in the other fields).
pub fn studio(
    app: &App,
    member: &Member,
    id: &str,
    headers: &HeaderMap,
    more: Value,
    status: StatusCode,
) -> Result<Response, Error> {
    let started = Instant::now();
    let (script, draft, asides, versions) = read_own(app, member, id)?;
    let f = Framed {
        frame: frame::address(app, id, "draft"),
        source: String::new(),
        bare: true,
        ..view::framed(app, &script, "studio".into())
    };
    let versions: Vec<_> = versions
        .into_iter()
        .map(|version| view::version(app, &script, version, None))
        .collect();
    let base = context! {
        script => Value::from_serialize(view::for_people(&script)),
        draft => Value::from_serialize(view::draft(script.mode, draft, asides)),
        versions => Value::from_serialize(versions),
        f => Value::from_serialize(&f),
        licences => LICENCES,
        visibilities => Visibility::ALL.map(Visibility::name),
        bound => script.parent.is_some(),
        limits => context! { source => SOURCE_MOST, title => TITLE_MOST, description => DESCRIPTION_MOST, note => NOTE_MOST },
        errors => context! {},
        form => Value::from(()),
        typed => Value::from(()),
        clash => Value::from(()),
        signed_in => true,
        here => "sandbox",
        made => format!("four queries, {}", lasted(started)),
    };
    let page = app.html.render("scripts/studio.html", merge_maps([base, more]))?;
    let mut response = html::page(page, status);
    let policy = studio_policy(&app.html, &frame_source(app, headers));
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_str(&policy).map_err(Error::internal)?,
    );
    Ok(response)
}
