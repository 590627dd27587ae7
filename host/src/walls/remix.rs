//! Remixing: one's own wall takes another one's look, and the modules, emoji and drawn stickers that are on it, where they are. What anybody wrote,
//! stored or left there stays where it is, and the wall says whose it was.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use minijinja::context;
use rusqlite::params;
use serde_json::json;

use super::{
    MODULES_MOST, live,
    mutations::{self, NewModule},
    queries::{self, Module, Wall},
};
use crate::{
    app::App,
    db::Tx,
    error::{self, Error},
    html,
    http::{Form, Path, Wants, see_other},
    looks,
    profiles::{self, Profile},
    session::{Member, Viewer},
    stickers,
};

/// What is taken from a wall besides its look.
#[derive(Clone, Copy, Debug)]
pub struct Take {
    /// Its modules, without what they hold.
    pub modules: bool,
    /// Its emoji and drawn stickers.
    pub stickers: bool,
    /// One's own modules that were never touched make way: for a wall that is new.
    pub make_way: bool,
}

/// `GET /wall/{user}/remix`: says what would be taken, and asks.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] where the owner doesn't want it.
pub async fn ask(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Some(member) = &viewer.member else {
        return match error::wants_page(&headers) {
            true => Ok(see_other(&format!("/login?next=/wall/{name}/remix"))),
            false => Err(Error::Unauthorized),
        };
    };
    let (wall, look) = source(&app, member, &name)?;
    let modules: Vec<_> = wall
        .modules
        .iter()
        .map(|module| {
            app.plugins
                .name_of(&module.plugin)
                .unwrap_or_else(|| module.plugin.clone())
        })
        .collect();
    let html = app.html.render(
        "looks/remix.html",
        context! {
            who => context! { name => &*wall.owner.name },
            me => &*member.name,
            modules,
            css => !look.css.is_empty(),
            signed_in => true,
            made => "for you alone, kept nowhere",
        },
    )?;
    Ok(html::page(html, StatusCode::OK))
}

/// `POST /wall/{user}/remix`: fields `modules` and `stickers` (`on`: those too).
///
/// # Errors
/// As [`ask`].
pub async fn take(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let is_on = |field| matches!(form.text(field), "on" | "1" | "true" | "yes");
    let taken = Take {
        modules: is_on("modules"),
        stickers: is_on("stickers"),
        make_way: false,
    };
    remix(&app, &member, &name, taken).await?;
    Ok(match wants {
        Wants::Json => Json(json!({ "ok": true, "remixed_from": name })).into_response(),
        _ => see_other(&format!("/wall/{}?edit=1&tab=look", member.name)),
    })
}

/// Has a member's wall take the look of another one.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] where its owner doesn't want that; the database's.
pub async fn remix(app: &App, member: &Member, name: &str, take: Take) -> Result<(), Error> {
    source(app, member, name)?;
    let (source, own) = (name.to_owned(), member.name.clone());
    app.db
        .write(move |tx| {
            // Read again where nothing can change any more.
            let source = queries::wall(tx, &source)?;
            let own = profiles::find(tx, &own)?;
            let look = looks::of(tx, &source.owner)?;
            if !look.remixable {
                return Err(forbidden(&source.owner));
            }
            looks::wear_that_of(tx, &own, &source.owner, &look)?;
            if take.modules {
                take_modules(tx, &own, &source.modules, take.make_way)?;
            }
            if take.stickers {
                stickers::copy(tx, &source.owner, &own)?;
            }
            Ok(())
        })
        .await?;
    live::everything_changed(app, &member.name);
    Ok(())
}

fn source(app: &App, member: &Member, name: &str) -> Result<(Wall, looks::Look), Error> {
    if *member.name == *name {
        return Err(Error::Conflict("This wall is yours already.".into()));
    }
    let (wall, look) = app.db.read(|db| {
        let wall = queries::wall(db, name)?;
        let look = looks::of(db, &wall.owner)?;
        Ok((wall, look))
    })?;
    match look.remixable {
        true => Ok((wall, look)),
        false => Err(forbidden(&wall.owner)),
    }
}

fn forbidden(owner: &Profile) -> Error {
    Error::Forbidden(format!("{} would rather keep this look for one wall.", owner.name))
}

/// Puts the other wall's modules up in their order and sizes, before those that one has besides. A module that one has
/// already is that one, with all that it holds.
fn take_modules(tx: &Tx, own: &Profile, theirs: &[Module], make_way: bool) -> Result<(), Error> {
    let mut mine = queries::wall(tx, &own.name)?.modules;
    let mut order = Vec::with_capacity(theirs.len() + mine.len());
    for module in theirs {
        match mine.iter().position(|one| one.plugin == module.plugin) {
            Some(at) => {
                let one = mine.remove(at);
                mutations::size(tx, own.user_id, &own.name, one.id, module.width, module.height)?;
                order.push(one.id);
            }
            None => {
                if make_way {
                    step_aside(tx, own, &mut mine)?;
                }
                let new = NewModule {
                    plugin: module.plugin.clone(),
                    width: module.width,
                    height: module.height,
                    settings: "{}".into(),
                    refused: Default::default(),
                };
                if (order.len() + mine.len()) as i64 >= MODULES_MOST {
                    continue;
                }
                order.push(mutations::add(tx, own.user_id, &own.name, &new)?);
            }
        }
    }
    if make_way {
        step_aside(tx, own, &mut mine)?;
    }
    order.extend(mine.iter().map(|module| module.id));
    for (nth, id) in order.iter().enumerate() {
        tx.run(
            "update modules set position = ?2 where id = ?1",
            params![id, (nth as i64) << 20],
        )?;
    }
    tx.touch(format!("wall:{}", own.name));
    Ok(())
}

/// Takes those of one's modules off in which nobody has set or stored anything.
fn step_aside(tx: &Tx, own: &Profile, mine: &mut Vec<Module>) -> Result<(), Error> {
    let mut kept = Vec::with_capacity(mine.len());
    for module in mine.drain(..) {
        let stored = tx.one(
            "select exists (select 1 from plugin_storage where module_id = ?1)",
            [module.id],
            |row| row.get::<_, bool>(0),
        )?;
        match stored || &*module.settings != "{}" {
            true => kept.push(module),
            false => mutations::remove(tx, own.user_id, &own.name, module.id)?,
        }
    }
    *mine = kept;
    Ok(())
}
