//! What is sent to a wall: its owner's changes, and what anybody presses in a module.
//!
//! Every address takes a plain form and answers with a redirect to the page; our script gets the fragment that changed,
//! a program gets JSON. Each goes prepare, commit, announce.

use std::time::{Duration, Instant};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use minijinja::{Value, context};
use neospace_runner::protocol::Grants;
use serde_json::json;

use super::{
    card::PLAIN,
    drawer::{self, Refused},
    live,
    mutations::{self, NewModule},
    page::{self, Asked, Word},
    queries,
};
use crate::{
    app::{App, now_ms},
    directory,
    error::Error,
    html,
    http::{Form, Path, Peer, Query, Wants, see_other},
    live::frame::PatchMode,
    looks,
    plugins::settings as schema,
    profiles::{self, Changes},
    session::{Member, Viewer},
    throttle::{self, Pace},
};

/// Cells that a module may take.
pub(super) const WIDTH_MOST: u8 = 4;
pub(super) const HEIGHT_MOST: u8 = 12;

/// `POST /wall/{user}/modules`: puts a plugin up. Fields: `plugin`; `chosen=1` with a `grant` for each capability that
/// the owner allows, else all are allowed.
///
/// # Errors
/// [`Error::Invalid`] for a plugin that isn't there; [`Error::Conflict`] when the wall is full.
pub async fn add(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let id = form.text("plugin");
    let standing = app.plugins.standing(id);
    let plugin = standing
        .ready()
        .filter(|plugin| plugin.roles.on_walls())
        .ok_or_else(|| {
            Error::field(
                "plugin",
                match standing.ready() {
                    Some(_) => "This plugin works in rooms; there is nothing of it to put on a wall.",
                    None => "There is no such plugin here. The gallery lists those that there are.",
                },
            )
        })?;
    let size = &plugin.manifest.size;
    let new = NewModule {
        plugin: plugin.manifest.id.as_str().into(),
        width: size.width,
        height: size.height,
        settings: "{}".into(),
        refused: if form.get("chosen").is_some() {
            drawer::refusals(plugin, &form)
        } else {
            Grants::default()
        },
    };
    let id = {
        let (wall, user) = (wall.clone(), member.id);
        app.db.write(move |tx| mutations::add(tx, user, &wall, &new)).await?
    };
    live::module_changed(&app, &wall, id, PatchMode::Append).await;
    match wants {
        Wants::Page => Ok(see_other(&format!("/wall/{wall}?edit=1&module={id}#module-{id}"))),
        Wants::Fragment => Ok(html::fragment(
            one(&app, &Viewer::of(member), &wall, id, None).await?,
            StatusCode::OK,
        )),
        Wants::Json => Ok((StatusCode::CREATED, Json(json!({ "id": id }))).into_response()),
    }
}

/// `POST …/modules/{id}/move`: fields `to` (`earlier` or `later`), or `before` (a module's id; empty: last).
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
    profiles::owns(&member, &wall)?;
    enum Where {
        Shift { earlier: bool },
        Before(Option<i64>),
    }
    let place = match (form.text("to"), form.get("before").map(str::trim)) {
        ("earlier", _) => Where::Shift { earlier: true },
        ("later", _) => Where::Shift { earlier: false },
        ("", Some("")) => Where::Before(None),
        ("", Some(before)) => Where::Before(Some(before.parse().map_err(|_| {
            Error::field(
                "before",
                "Name the module that should come after it by its number, or leave this empty.",
            )
        })?)),
        _ => {
            return Err(Error::field(
                "to",
                "Say earlier or later, or name the module that should come after it.",
            ));
        }
    };
    {
        let (wall, user) = (wall.clone(), member.id);
        app.db
            .write(move |tx| match place {
                Where::Shift { earlier } => mutations::shift(tx, user, &wall, id, earlier),
                Where::Before(before) => mutations::place(tx, user, &wall, id, before),
            })
            .await?;
    }
    live::grid_changed(&app, &wall).await;
    done(wants, &wall, id)
}

/// `POST …/modules/{id}/size`: fields `width` and `height`, in cells.
///
/// # Errors
/// [`Error::Invalid`], saying what fits; [`Error::NotFound`].
pub async fn size(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let (_, module) = app.db.read(|db| queries::module(db, &wall, id))?;
    let standing = app.plugins.standing(&module.plugin);
    let least = standing
        .plugin()
        .map_or((1, 1), |p| (p.manifest.size.min_width, p.manifest.size.min_height));
    let width = cells(&form, "width", least.0, WIDTH_MOST)?;
    let height = cells(&form, "height", least.1, HEIGHT_MOST)?;
    {
        let (wall, user) = (wall.clone(), member.id);
        app.db
            .write(move |tx| mutations::size(tx, user, &wall, id, width, height))
            .await?;
    }
    live::module_changed(&app, &wall, id, PatchMode::Morph).await;
    done(wants, &wall, id)
}

fn cells(form: &Form, field: &str, least: u8, most: u8) -> Result<u8, Error> {
    let cells: Option<u8> = form
        .text(field)
        .parse()
        .ok()
        .filter(|cells| (least..=most).contains(cells));
    cells.ok_or_else(|| Error::field(field, format!("The {field} of this module is {least} to {most} cells.")))
}

/// `POST …/modules/{id}/settings`: the plugin's fields, and a `grant` for each capability that the owner allows.
///
/// # Errors
/// [`Error::Invalid`] for a program; a person gets the form back as it was typed.
pub async fn settings(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let viewer = Viewer::of(member.clone());
    let (_, module) = app.db.read(|db| queries::module(db, &wall, id))?;
    let standing = app.plugins.standing(&module.plugin);
    let plugin = standing.ready().ok_or_else(not_running)?;
    let asked = Asked {
        module: Some(id),
        ..Asked::default()
    };
    let value = match schema::from_form(&plugin.manifest.settings, &form.0) {
        Ok(value) => value,
        Err(errors) if wants == Wants::Json => return Err(Error::Invalid(errors.into())),
        Err(errors) => {
            let refused = Refused::Settings {
                form: &form,
                errors: &errors,
            };
            return refuse(&app, &viewer, wants, &wall, &asked, refused).await;
        }
    };
    let refused = drawer::refusals(plugin, &form);
    {
        let (wall, user, settings) = (wall.clone(), member.id, value.to_string());
        let named = schema::members(&plugin.manifest.settings, &value);
        app.db
            .write(move |tx| {
                directory::note_links(tx, (user, &wall), mutations::MODULE, id, &named)?;
                mutations::settings(tx, user, &wall, id, &settings, refused)
            })
            .await?;
    }
    live::module_changed(&app, &wall, id, PatchMode::Morph).await;
    match wants {
        Wants::Fragment => {
            let mut html = one(&app, &viewer, &wall, id, None).await?;
            html.push_str(&drawer_fragment(&app, &viewer, &wall, &asked, None).await?);
            Ok(html::fragment(html, StatusCode::OK))
        }
        _ => done(wants, &wall, id),
    }
}

fn not_running() -> Error {
    Error::Conflict("This plugin is not running here just now, so it has no settings.".into())
}

/// `POST …/modules/{id}/preview`: what these settings would look like. Nothing is kept.
///
/// # Errors
/// [`Error::Invalid`] for settings that don't fit; [`Error::NotFound`].
pub async fn preview(
    State(app): State<App>,
    member: Member,
    Path((wall, id)): Path<(String, i64)>,
    form: Form,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let (owner, mut module) = app.db.read(|db| queries::module(db, &wall, id))?;
    let standing = app.plugins.standing(&module.plugin);
    let plugin = standing.ready().ok_or_else(not_running)?;
    let value =
        schema::from_form(&plugin.manifest.settings, &form.0).map_err(|errors| Error::Invalid(errors.into()))?;
    module.settings = value.to_string().into();
    module.refused = drawer::refusals(plugin, &form);
    let preview = drawer::preview(&app, &Viewer::of(member), &owner, &module, plugin).await;
    let it = context! { name => &plugin.manifest.name, ..Value::from_serialize(preview) };
    let html = app.html.render("walls/preview.html", context! { it })?;
    Ok(html::fragment(html, StatusCode::OK))
}

/// `POST …/modules/{id}/remove`: takes a module off. It is kept for a while, with what it stored.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn remove(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let (_, module) = app.db.read(|db| queries::module(db, &wall, id))?;
    {
        let (wall, user) = (wall.clone(), member.id);
        app.db.write(move |tx| mutations::remove(tx, user, &wall, id)).await?;
    }
    live::module_removed(&app, &wall, id);
    match wants {
        Wants::Page => Ok(see_other(&format!("/wall/{wall}?edit=1&removed={id}"))),
        Wants::Fragment => {
            let name = app.plugins.name_of(&module.plugin);
            let name = name.as_deref().unwrap_or(&module.plugin);
            let html = app.html.render("walls/undo.html", context! { wall, id, name })?;
            Ok(html::fragment(html, StatusCode::OK))
        }
        Wants::Json => Ok(Json(json!({ "id": id, "removed": true })).into_response()),
    }
}

/// `POST …/modules/{id}/restore`: puts a module back that was taken off.
///
/// # Errors
/// [`Error::NotFound`] when it isn't kept any more; [`Error::Conflict`] when the wall is full.
pub async fn restore(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    {
        let (wall, user) = (wall.clone(), member.id);
        app.db.write(move |tx| mutations::restore(tx, user, &wall, id)).await?;
    }
    live::grid_changed(&app, &wall).await;
    match wants {
        Wants::Fragment => {
            let wall = app.db.read(|db| queries::wall(db, &wall))?;
            Ok(html::fragment(
                page::grid(&app, &Viewer::of(member), &wall).await?.0,
                StatusCode::OK,
            ))
        }
        _ => done(wants, &wall, id),
    }
}

/// `POST /wall/{user}/profile`: bio, status, mood, colour and time zone.
///
/// # Errors
/// [`Error::Invalid`] for a program; a person gets the form back as it was typed.
pub async fn profile(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let viewer = Viewer::of(member);
    let old = app.db.read(|db| profiles::find(db, &wall))?;
    let asked = Asked {
        tab: "you".into(),
        ..Asked::default()
    };
    let saved = async {
        let changes = Changes::check(&form, &old)?;
        let leads_to = directory::leads_to(changes.bio(), &app.config().origin);
        app.db
            .write(move |tx| {
                profiles::save(tx, &old, &changes)?;
                directory::note_links(tx, (old.user_id, &old.name), "bio", old.user_id, &leads_to)
            })
            .await
    };
    match saved.await {
        Err(Error::Invalid(errors)) if wants != Wants::Json => {
            let refused = Refused::Profile {
                form: &form,
                errors: &errors,
            };
            return refuse(&app, &viewer, wants, &wall, &asked, refused).await;
        }
        saved => saved?,
    }
    live::everything_changed(&app, &wall);
    match wants {
        Wants::Page => Ok(see_other(&format!("/wall/{wall}?edit=1&tab=you"))),
        Wants::Fragment => Ok(html::fragment(page::ident(&app, &wall)?, StatusCode::OK)),
        Wants::Json => Ok(Json(json!({ "ok": true })).into_response()),
    }
}

/// `POST …/modules/{id}/act`: somebody pressed something in a module. Fields: `token`, and the plugin's own as `f-…`.
///
/// # Errors
/// What the plugin platform says of the token; a refusal comes back in the form that it is about.
pub async fn act(
    State(app): State<App>,
    viewer: Viewer,
    peer: Peer,
    wants: Wants,
    Path((wall, id)): Path<(String, i64)>,
    Query(asked): Query<Asked>,
    form: Form,
) -> Result<Response, Error> {
    let (owner, module) = app.db.read(|db| queries::module(db, &wall, id))?;
    slow_down(&app, &viewer, peer, id)?;
    let acted = app
        .plugins
        .act(
            &module.installation(&owner, owner.utc_offset_minutes(now_ms())),
            &viewer,
            &form.0,
        )
        .await?;
    if let Some(refused) = &acted.refused {
        let word = Word {
            module: id,
            text: &refused.message,
            refused: true,
            shown: Some(&refused.shown),
        };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return match wants {
            Wants::Fragment => Ok(html::fragment(
                page::one(&app, &viewer, &owner, &module, Some(word)).await?.0,
                status,
            )),
            Wants::Page => {
                let scene = page::Scene {
                    word: Some(word),
                    plain: looks::is_plain(&viewer, &asked.plain),
                    ..page::Scene::default()
                };
                let signed_in = viewer.member.is_some();
                Ok(html::page(
                    page::render(&app, &viewer, &wall, &scene, signed_in).await?.html,
                    status,
                ))
            }
            Wants::Json => Err(Error::field(
                refused.field.clone().unwrap_or_default(),
                refused.message.clone(),
            )),
        };
    }
    if acted.refresh {
        live::module_changed(&app, &wall, id, PatchMode::Morph).await;
    }
    let message = acted.message.as_deref().unwrap_or("");
    match wants {
        Wants::Page => {
            // Who came from the plain view goes back to it.
            let query = if asked.plain == "1" { PLAIN } else { "" };
            let mut response = see_other(&format!("/wall/{wall}{query}#module-{id}"));
            if !message.is_empty() {
                page::say_once(response.headers_mut(), &wall, id, message);
            }
            Ok(response)
        }
        Wants::Fragment => {
            let word = Word {
                module: id,
                text: message,
                refused: false,
                shown: None,
            };
            Ok(html::fragment(
                page::one(&app, &viewer, &owner, &module, Some(word)).await?.0,
                StatusCode::OK,
            ))
        }
        Wants::Json => Ok(Json(json!({ "ok": true, "message": acted.message })).into_response()),
    }
}

/// Holds up one who presses in a module without pause, so that nobody fills a guestbook on their own.
fn slow_down(app: &App, viewer: &Viewer, peer: Peer, module: i64) -> Result<(), Error> {
    let pace = Pace {
        name: "act",
        free: app.config().limits.actions,
        first: Duration::from_secs(1),
        longest: Duration::from_secs(60),
        fade: Duration::from_secs(10),
    };
    let who = match viewer.id() {
        Some(id) => format!("{module} {id}"),
        None => format!("{module} {}", throttle::network(peer.0)),
    };
    app.throttle
        .attempt(Instant::now(), &[(&pace, &who)])
        .map_err(|retry_after| Error::TooMany {
            retry_after,
            message: "That was a lot at once for one module.".into(),
        })
}

async fn one(app: &App, viewer: &Viewer, wall: &str, id: i64, word: Option<Word<'_>>) -> Result<String, Error> {
    let (owner, module) = app.db.read(|db| queries::module(db, wall, id))?;
    Ok(page::one(app, viewer, &owner, &module, word).await?.0)
}

async fn drawer_fragment(
    app: &App,
    viewer: &Viewer,
    wall: &str,
    asked: &Asked,
    refused: Option<Refused<'_>>,
) -> Result<String, Error> {
    let wall = app.db.read(|db| queries::wall(db, wall))?;
    let drawer = drawer::context(app, viewer, &wall, asked, refused.as_ref()).await?;
    app.html.render(
        "walls/drawer.html",
        context! { drawer, who => context! { name => &*wall.owner.name } },
    )
}

/// A refused form comes back as it was typed: in the drawer, which a browser without our script gets with the whole page.
async fn refuse(
    app: &App,
    viewer: &Viewer,
    wants: Wants,
    wall: &str,
    asked: &Asked,
    refused: Refused<'_>,
) -> Result<Response, Error> {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(match wants {
        Wants::Fragment => html::fragment(drawer_fragment(app, viewer, wall, asked, Some(refused)).await?, status),
        _ => html::page(
            page::edit_page(app, viewer, wall, asked, Some(refused), None).await?,
            status,
        ),
    })
}

/// After a change that our script has made on the page already, or that the page shows by itself.
fn done(wants: Wants, wall: &str, id: i64) -> Result<Response, Error> {
    Ok(match wants {
        Wants::Page => see_other(&format!("/wall/{wall}?edit=1&module={id}#module-{id}")),
        Wants::Fragment => html::fragment(String::new(), StatusCode::OK),
        Wants::Json => Json(json!({ "ok": true })).into_response(),
    })
}
