//! The last step: what was chosen comes along, all of it in one transaction, or nothing.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use rusqlite::params;
use tokio::sync::Semaphore;

use super::{
    AT_ONCE, Arrival, Bringing, Brought, Part, Report, Turn, arrival, brought,
    contents::{Everything, open},
    file_of, refused, state,
};
use crate::{
    app::{App, now_ms},
    db::Tx,
    directory,
    error::Error,
    files,
    http::{Form, Wants, see_other, unstored},
    looks, media, posts, profiles, rooms, scripts,
    session::Member,
    stickers, walls, words,
};

/// Bringings of one member that are remembered.
const BROUGHT_MOST: i64 = 20;

static COMING: Semaphore = Semaphore::const_new(AT_ONCE);

/// `POST /settings/import/bring`: fields `how` (`add` or `replace`) and `part` (as often as there are parts to come; none: all). It
/// goes on by itself: `GET /settings/import` says how far it is. 202.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::NotFound`] where nothing waits; [`Error::Conflict`] for what is under way or was brought already;
/// [`Error::TooMany`].
pub async fn bring(State(app): State<App>, member: Member, wants: Wants, form: Form) -> Result<Response, Error> {
    match begin(&app, &member, &form) {
        Ok(()) => Ok(match wants {
            Wants::Json => unstored((StatusCode::ACCEPTED, Json(state(&app, &member)?)).into_response()),
            _ => see_other("/settings/import#waits"),
        }),
        Err(error) => refused(&app, &member, wants, error),
    }
}

/// What a member said about an archive.
struct Wish {
    /// In place of what is there, or beside it.
    instead: bool,
    parts: Vec<Part>,
}

impl Wish {
    fn check(form: &Form) -> Result<Self, Error> {
        let instead = match form.text("how") {
            "add" => false,
            "replace" => true,
            _ => {
                return Err(Error::field(
                    "how",
                    "Say whether it comes beside what is on your wall (“add”) or in its place (“replace”).",
                ));
            }
        };
        let named: Vec<&str> = form
            .0
            .iter()
            .filter(|(name, _)| name == "part")
            .map(|(_, part)| part.trim())
            .collect();
        // A page's form says that it has such fields: none of them ticked is none, and a program that names none wants all.
        if named.is_empty() && form.get("parts").is_none() {
            return Ok(Self {
                instead,
                parts: Part::ALL.into(),
            });
        }
        let mut parts = Vec::new();
        for name in named {
            let part = Part::ALL.into_iter().find(|part| part.name() == name);
            let part = part.ok_or_else(|| {
                let names: Vec<_> = Part::ALL.into_iter().map(Part::name).collect();
                Error::field("part", format!("The parts of an archive are {}.", names.join(", ")))
            })?;
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        if parts.is_empty() {
            return Err(Error::field("part", "Choose at least one part that comes along."));
        }
        Ok(Self { instead, parts })
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

fn begin(app: &App, member: &Member, form: &Form) -> Result<(), Error> {
    let mut wish = Wish::check(form)?;
    let (arrival, before) = app
        .db
        .read(|db| Ok((arrival(db, member.id)?, brought(db, member.id)?)))?;
    let arrival = arrival.ok_or(Error::NotFound)?;
    wish.parts.retain(|part| arrival.found.parts.contains_key(part));
    if !wish.instead {
        forget_known(&mut wish, &arrival.found.archive, &before)?;
    }
    let turn = Turn::take(member.id)?;
    // All pictures are made anew each time, and nothing of it stays when it is refused in the end.
    let of = [(
        (
            "bringings of a member",
            app.config().limits.uploads_per_minute.div_ceil(9),
        ),
        &*member.id.to_string(),
    )];
    app.buckets
        .take(Instant::now(), &of)
        .map_err(|(retry_after, _)| Error::TooMany {
            retry_after,
            message: "You tried that several times just now.".into(),
        })?;
    let (app, member) = (app.clone(), member.clone());
    tokio::spawn(async move {
        let brought = bring_along(&app, &member, &arrival, wish, &turn.bringing).await;
        let user_id = member.id;
        let noted = match brought {
            Ok(links) => {
                files::drop_file(&file_of(&app, &arrival.file)).await;
                drop(turn);
                posts::moving::fetch_previews(app, links).await;
                return;
            }
            Err(error) => {
                if let Error::Internal(error) = &error {
                    tracing::error!(error = %format!("{error:#}").escape_debug(), "an archive could not be brought");
                }
                let (why, file) = (error.detail(), arrival.file);
                app.db
                    .write(move |tx| {
                        tx.run(
                            "update arrivals set refused = ?3 where user_id = ?1 and file = ?2",
                            params![user_id, file, why],
                        )
                    })
                    .await
            }
        };
        if let Err(error) = noted {
            tracing::error!(%error, "why an archive could not be brought was not noted");
        }
    });
    Ok(())
}

/// What this archive brought before doesn't come a second time beside itself.
fn forget_known(wish: &mut Wish, archive: &str, before: &[Brought]) -> Result<(), Error> {
    let of_it: Vec<&Brought> = before.iter().filter(|it| it.archive == archive).collect();
    wish.parts
        .retain(|part| !of_it.iter().any(|it| it.report.parts.contains(part)));
    match (wish.parts.is_empty(), of_it.first()) {
        (true, Some(last)) => Err(Error::Conflict(format!(
            "You brought this on {} already, and it doesn't come twice. Choose “in place of what is there” to have everything as it was in the archive.",
            words::day(last.at)
        ))),
        _ => Ok(()),
    }
}

/// Makes the pictures and sounds anew and keeps everything, or nothing. Answers links whose previews are to be fetched.
async fn bring_along(
    app: &App,
    member: &Member,
    arrival: &Arrival,
    wish: Wish,
    bringing: &Arc<Bringing>,
) -> Result<Vec<String>, Error> {
    let _place = COMING.acquire().await.map_err(Error::internal)?;
    let (reader, who, file) = (app.clone(), member.clone(), arrival.file.clone());
    let look = move || {
        let archive = open(&reader, &file)?;
        let all = Everything::read(&reader, &who, &archive)?;
        Ok::<_, Error>((Arc::new(archive), all))
    };
    let (archive, mut all) = tokio::task::spawn_blocking(look).await.map_err(Error::internal)??;
    let needed = needed(&all, &wish);
    let wanted: Vec<_> = std::mem::take(&mut all.media)
        .into_iter()
        .filter(|it| wish.has(Part::Library) || needed.contains(&it.id))
        .collect();
    bringing.many.store(wanted.len(), Relaxed);
    let made = |nth| bringing.made.store(nth, Relaxed);
    let arrived = Arc::new(media::moving::make(app, member.id, &archive, wanted, made).await?);
    drop(archive);
    let links = if wish.has(Part::Posts) {
        all.posts.links()
    } else {
        Vec::new()
    };
    let (teller, who, media, file) = (app.clone(), member.clone(), arrived.clone(), arrival.file.clone());
    let kept = app
        .db
        .write(move |tx| keep(tx, &teller, &who, &all, &wish, &media, &file))
        .await;
    match kept {
        Ok(()) => Ok(links),
        Err(error) => {
            arrived.drop_files(app).await;
            Err(error)
        }
    }
}

/// The pictures and sounds without which the chosen parts can't be.
fn needed(all: &Everything, wish: &Wish) -> HashSet<String> {
    let mut needed = HashSet::new();
    if wish.has(Part::Profile) {
        needed.extend(all.profile.iter().flat_map(|it| it.media()));
    }
    if wish.has(Part::Look) {
        needed.extend(all.look.iter().flat_map(|it| it.media()));
    }
    if wish.has(Part::Sounds) {
        needed.extend(all.sounds.iter().flat_map(|it| it.media()));
    }
    if wish.has(Part::Stickers) {
        needed.extend(all.canvas.media.iter().cloned());
    }
    if wish.has(Part::Posts) {
        needed.extend(all.posts.media.iter().cloned());
    }
    if wish.has(Part::Rooms) {
        needed.extend(all.rooms.iter().flat_map(|it| it.said.pictures.iter().cloned()));
    }
    needed
}

/// Everything, in one transaction.
fn keep(
    tx: &Tx,
    app: &App,
    member: &Member,
    all: &Everything,
    wish: &Wish,
    arrived: &media::moving::Arrived,
    file: &str,
) -> Result<(), Error> {
    let (user_id, name, instead) = (member.id, &*member.name, wish.instead);
    // It may have been thrown away meanwhile.
    let waits = tx.maybe(
        "select 1 from arrivals where user_id = ?1 and file = ?2",
        params![user_id, file],
        |_| Ok(()),
    )?;
    waits.ok_or_else(|| Error::Conflict("The archive was thrown away meanwhile.".into()))?;
    let owner = profiles::find(tx, name)?;
    let media = media::moving::import(tx, user_id, arrived)?;
    let works = match wish.has(Part::Scripts) {
        true => scripts::moving::import(tx, user_id, &all.scripts)?,
        false => scripts::moving::known(tx, user_id)?,
    };
    let (mut came, mut left) = (Vec::new(), all.found.left.clone());
    for part in &wish.parts {
        let comes = match part {
            Part::Profile => {
                let mut comes = false;
                if let Some(profile) = &all.profile {
                    comes |= profiles::moving::import(tx, &owner, profile, &media, instead)?;
                    let bio = profiles::find(tx, name)?.bio;
                    let leads_to = directory::leads_to(&bio, &app.config().origin);
                    directory::note_links(tx, (user_id, name), "bio", user_id, &leads_to)?;
                    if instead {
                        let (teller, hidden) = (app.clone(), !profile.is_present());
                        tx.announce(move || teller.hub.set_hidden(user_id, hidden));
                    }
                }
                if let Some(tags) = &all.tags {
                    comes |= directory::moving::import(tx, member, tags, instead)?;
                }
                comes
            }
            Part::Look => match &all.look {
                Some(look) if instead || !looks::moving::is_dressed(tx, user_id)? => {
                    looks::moving::import(tx, &owner, look, &media)?;
                    true
                }
                _ => false,
            },
            Part::Sounds => match &all.sounds {
                Some(sounds) => media::moving::import_sounds(tx, member, sounds, &media, instead)?,
                None => false,
            },
            Part::Stickers => {
                stickers::moving::import(tx, app, member, &all.canvas, instead, &media)?;
                true
            }
            Part::Modules => {
                walls::moving::import(tx, user_id, name, &all.modules, instead)?;
                true
            }
            Part::Posts => {
                let wall = posts::Wall { user_id, name };
                left.extend(posts::moving::import(tx, wall, &all.posts, &media, &works, instead)?);
                true
            }
            Part::Scripts => {
                left.extend(scripts::moving::import_pins(tx, member, &all.scripts, &works, instead)?);
                true
            }
            Part::Rooms => {
                rooms::moving::import(tx, user_id, &all.rooms, &media)?;
                true
            }
            Part::Library => true,
        };
        if comes && let Some(sentence) = all.found.parts.get(part) {
            came.push(sentence.clone());
        }
    }
    let report = Report {
        from: all.found.node.clone(),
        member: all.found.member.clone(),
        how: if instead { "replace" } else { "add" }.into(),
        parts: wish.parts.clone(),
        came,
        left,
    };
    tx.run(
        "insert into brought (user_id, archive, report, at) values (?1, ?2, ?3, ?4)",
        params![
            user_id,
            all.found.archive,
            serde_json::to_string(&report).map_err(Error::internal)?,
            now_ms()
        ],
    )?;
    tx.run(
        "delete from brought
          where user_id = ?1 and id not in (select id from brought where user_id = ?1 order by id desc limit ?2)",
        [user_id, BROUGHT_MOST],
    )?;
    tx.run("delete from arrivals where user_id = ?1", [user_id])?;
    tx.touch(format!("wall:{name}"));
    let (teller, wall) = (app.clone(), name.to_owned());
    tx.announce(move || walls::everything_changed(&teller, &wall));
    Ok(())
}
