//! What is to be heard on somebody's wall: an anthem, and what they say of themselves. Nothing plays before it is pressed.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use minijinja::{Value, context};
use rusqlite::params;
use serde_json::json;

use super::{Sound, TRANSCRIPT_MOST, attach, detach, field, mutations, queries, sound, url, view};
use crate::{
    app::App,
    cache::Audience,
    db::{Reader, Tx},
    error::{Error, Invalid},
    fragments::{Key, Piece, Sight},
    html,
    http::{FRAGMENT, Form, Path, Wants, see_other, unstored},
    live::frame::{Dialect, Event, PatchMode},
    profiles::{self, Profile},
    session::{Member, Viewer},
};

/// Characters of what an anthem is called.
const TITLE_MOST: usize = 80;

/// What is to be heard on a wall.
#[derive(Default)]
struct Heard {
    anthem: Option<Sound>,
    title: String,
    voice: Option<Sound>,
}

fn heard(db: &Reader, owner: i64) -> Result<Heard, Error> {
    let row = db.maybe(
        "select anthem, anthem_title, voice from sounds where user_id = ?1",
        [owner],
        |row| {
            Ok((
                row.get::<_, Option<String>>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
            ))
        },
    )?;
    let Some((anthem, title, voice)) = row else {
        return Ok(Heard::default());
    };
    let of = |id: Option<String>| match id {
        Some(id) => queries::sound(db, owner, &id),
        None => Ok(None),
    };
    Ok(Heard {
        anthem: of(anthem)?,
        title,
        voice: of(voice)?,
    })
}

fn topic(name: &str) -> String {
    format!("sound:{name}")
}

/// What stands under somebody's name on their wall: players, and in plain view the way to the words.
///
/// # Errors
/// The database's, the template's.
pub fn on_wall(app: &App, owner: &Profile, sight: Sight) -> Result<Piece, Error> {
    let key = Key {
        kind: if sight.plain { "plain sound" } else { "sound" },
        id: owner.user_id,
        audience: Audience::Guests,
    };
    let stamp = app.topics.stamp([&*topic(&owner.name), super::TOPIC]);
    app.fragments.piece(key, &stamp, || {
        let heard = app.db.read(|db| heard(db, owner.user_id))?;
        // On silent walls too: a sound may come while somebody is there.
        let head = match sight.plain {
            true => String::new(),
            false => format!(
                "<script type=\"module\" src=\"{}\"></script>\n",
                app.html.asset("js/media/player.js")
            ),
        };
        Ok(Piece {
            head: head.into(),
            html: render(app, owner, &heard, sight.plain)?.into(),
        })
    })
}

fn render(app: &App, owner: &Profile, heard: &Heard, plain: bool) -> Result<String, Error> {
    let player = |what: &str, called: &str, sound: &Sound| {
        let player = view::player(
            &format!("{what}-{}", sound.id),
            &url(&sound.id, "sound"),
            called,
            sound.duration_ms,
            &sound.peaks,
        );
        context! { remember => format!("{what}:{}", owner.name), ..player }
    };
    let title = match &*heard.title {
        "" => format!("{}'s anthem", owner.name),
        title => title.to_owned(),
    };
    let says = format!("{} says hello", owner.name);
    let context = context! {
        name => owner.name,
        plain,
        anthem => heard.anthem.as_ref().map(|sound| player("anthem", &title, sound)),
        voice => heard.voice.as_ref().map(|sound| player("voice", &says, sound)),
        words => heard.anthem.iter().chain(&heard.voice).any(|sound| !sound.transcript.is_empty()),
    };
    app.html.render("media/wall.html", context)
}

/// The drawer's tab: what `templates/media/drawer.html` reads as `panel`.
///
/// # Errors
/// The database's.
pub fn drawer(app: &App, _: &Viewer, owner: &Profile, _: &Form) -> Result<Value, Error> {
    panel(app, owner, None, &Invalid::default())
}

fn panel(app: &App, owner: &Profile, typed: Option<&Form>, errors: &Invalid) -> Result<Value, Error> {
    app.db.read(|db| {
        let heard = heard(db, owner.user_id)?;
        let chosen = |field: &str, sound: &Option<Sound>| match typed.and_then(|form| form.get(field)) {
            Some(id) => id.to_owned(),
            None => sound.as_ref().map_or_else(String::new, |sound| sound.id.to_string()),
        };
        let (anthem, voice) = (chosen("anthem", &heard.anthem), chosen("voice", &heard.voice));
        let of = |name: &str, label: &str, id: &str| {
            let chosen = Some(id).filter(|id| !id.is_empty());
            let field = field(db, owner.user_id, (name, label), "audio", chosen)?;
            Ok::<_, Error>(context! { error => errors.of(name), ..field })
        };
        let text = |name: &str, kept: &str| typed.and_then(|form| form.get(name)).unwrap_or(kept).to_owned();
        let said = heard.voice.as_ref().map_or("", |voice| &voice.transcript);
        Ok(context! {
            anthem => context! { none => "No anthem", ..of("anthem", "Your anthem", &anthem)? },
            title => text("anthem_title", &heard.title),
            title_error => errors.of("anthem_title"),
            voice => context! { none => "No voice", record => true, ..of("voice", "Your voice", &voice)? },
            transcript => text("transcript", said),
            transcript_error => errors.of("transcript"),
        })
    })
}

/// What is to be heard from now on; what is absent in the form stays.
struct Changes {
    anthem: Option<Option<String>>,
    title: Option<String>,
    voice: Option<Option<String>>,
    transcript: Option<String>,
}

impl Changes {
    fn check(db: &Reader, owner: i64, form: &Form) -> Result<Self, Error> {
        let mut invalid = Invalid::default();
        let mut chosen = |name: &str| {
            let id = form.get(name)?.trim();
            if id.is_empty() {
                return Some(None);
            }
            if let Err(error) = sound(db, owner, id) {
                invalid.add(name, error.detail());
            }
            Some(Some(id.to_owned()))
        };
        let (anthem, voice) = (chosen("anthem"), chosen("voice"));
        let mut text = |name: &str, what: &str, most: usize| {
            let text = form.get(name)?.trim();
            let length = text.chars().count();
            if length > most {
                invalid.add(name, format!("That is {length} characters. {what} has at most {most}."));
            }
            Some(text.to_owned())
        };
        let title = text("anthem_title", "What an anthem is called", TITLE_MOST);
        let transcript = text("transcript", "A transcript", TRANSCRIPT_MOST);
        if title.as_ref().is_some_and(|title| title.chars().any(char::is_control)) {
            invalid.add("anthem_title", "One line, without control characters.");
        }
        invalid.into_result()?;
        Ok(Self {
            anthem,
            title,
            voice,
            transcript,
        })
    }

    fn save(self, tx: &Tx, owner: &Member) -> Result<(), Error> {
        let (wall, href) = (format!("wall:{}", owner.name), format!("/wall/{}#sound", owner.name));
        tx.run(
            "insert into sounds (user_id) values (?1) on conflict do nothing",
            [owner.id],
        )?;
        for (what, chosen) in [("anthem", &self.anthem), ("voice", &self.voice)] {
            let Some(chosen) = chosen else { continue };
            let column = match what {
                "anthem" => "update sounds set anthem = ?2 where user_id = ?1",
                _ => "update sounds set voice = ?2 where user_id = ?1",
            };
            if let Some(id) = chosen {
                sound(tx, owner.id, id)?;
            }
            tx.run(column, params![owner.id, chosen])?;
            detach(tx, what, owner.id)?;
            if let Some(id) = chosen {
                attach(tx, id, what, owner.id, &wall, &href)?;
            }
        }
        if let Some(title) = &self.title {
            tx.run(
                "update sounds set anthem_title = ?2 where user_id = ?1",
                params![owner.id, title],
            )?;
        }
        if let Some(transcript) = &self.transcript
            && let Some(voice) = heard(tx, owner.id)?.voice
        {
            mutations::transcribe(tx, owner.id, &voice.id, transcript)?;
        }
        tx.touch(wall);
        tx.touch(topic(&owner.name));
        Ok(())
    }
}

/// Keeps what is to be heard, as the form does.
///
/// # Errors
/// [`Error::Invalid`]; the database's.
pub fn keep(tx: &Tx, owner: &Member, form: &Form) -> Result<(), Error> {
    Changes::check(tx, owner.id, form)?.save(tx, owner)
}

/// Whether an anthem can be called so.
pub fn is_title(title: &str) -> bool {
    title.chars().count() <= TITLE_MOST && !title.chars().any(char::is_control)
}

/// `POST /wall/{user}/sound`: fields `anthem` and `voice` (ids in the library, or empty for none), `anthem_title`, `transcript` (of the
/// voice); those that are absent stay.
///
/// # Errors
/// [`Error::Forbidden`] for everyone but the owner; [`Error::Invalid`].
pub async fn set_sound(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let owner = app.db.read(|db| profiles::find(db, &wall))?;
    let changes = match app.db.read(|db| Changes::check(db, member.id, &form)) {
        Ok(changes) => changes,
        Err(Error::Invalid(errors)) if wants != Wants::Json => {
            let context = context! {
                panel => panel(&app, &owner, Some(&form), &errors)?,
                who => context! { name => owner.name },
            };
            let (partial, kind) = match wants {
                Wants::Fragment => ("media/drawer.html", FRAGMENT),
                _ => ("media/sound-form.html", "text/html; charset=utf-8"),
            };
            let html = app
                .html
                .render(partial, context! { signed_in => true, here => "me", ..context })?;
            let kind = [(header::CONTENT_TYPE, kind)];
            return Ok(unstored((StatusCode::UNPROCESSABLE_ENTITY, kind, html).into_response()));
        }
        Err(error) => return Err(error),
    };
    let (teller, told) = (app.clone(), owner.clone());
    app.db
        .write(move |tx| {
            changes.save(tx, &member)?;
            tx.announce(move || tell(&teller, &told));
            Ok(())
        })
        .await?;
    Ok(match wants {
        Wants::Page => see_other(&format!("/wall/{wall}?edit=1&tab=sound")),
        Wants::Fragment => {
            let drawer = context! { panel => panel(&app, &owner, None, &Invalid::default())?, who => context! { name => owner.name } };
            let heard = app.db.read(|db| heard(db, owner.user_id))?;
            let html = app.html.render("media/drawer.html", drawer)? + &render(&app, &owner, &heard, false)?;
            unstored(([(header::CONTENT_TYPE, FRAGMENT)], html).into_response())
        }
        Wants::Json => unstored(Json(data(&app, &owner)?).into_response()),
    })
}

/// Shows it to everyone who watches.
fn tell(app: &App, owner: &Profile) {
    let shown = app
        .db
        .read(|db| heard(db, owner.user_id))
        .and_then(|heard| render(app, owner, &heard, false));
    match shown {
        Ok(html) => {
            let patch = Event::Patch {
                target: "sound",
                mode: PatchMode::Morph,
                html: &html,
            };
            let frame = patch.frame();
            app.hub.publish(&format!("wall:{}", owner.name), |watcher| {
                (watcher.dialect == Dialect::Html).then(|| frame.clone())
            });
        }
        Err(error) => tracing::error!(%error, wall = &*owner.name, "a sound could not be shown live"),
    }
}

/// `GET /wall/{user}/sound`: what is to be heard there, in words.
///
/// # Errors
/// [`Error::NotFound`] for a name that nobody has.
pub async fn show_sound(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Path(wall): Path<String>,
) -> Result<Response, Error> {
    if !profiles::is_name(&wall) {
        return Err(Error::NotFound);
    }
    let owner = app.db.read(|db| profiles::find(db, &wall))?;
    if wants == Wants::Json {
        return Ok(unstored(Json(data(&app, &owner)?).into_response()));
    }
    let heard = app.db.read(|db| heard(db, owner.user_id))?;
    let words = |sound: &Sound| context! { text => sound.transcript, url => url(&sound.id, "sound") };
    let context = context! {
        name => owner.name,
        title => heard.title,
        anthem => heard.anthem.as_ref().map(words),
        voice => heard.voice.as_ref().map(words),
        signed_in => viewer.member.is_some(),
    };
    let html = app.html.render("media/words.html", context)?;
    Ok(html::page(html, StatusCode::OK))
}

fn data(app: &App, owner: &Profile) -> Result<serde_json::Value, Error> {
    let heard = app.db.read(|db| heard(db, owner.user_id))?;
    let data = |sound: &Sound| {
        json!({
            "id": sound.id,
            "url": url(&sound.id, "sound"),
            "duration_ms": sound.duration_ms,
            "peaks": &sound.peaks[..],
            "transcript": sound.transcript,
        })
    };
    Ok(json!({
        "anthem": heard.anthem.as_ref().map(data),
        "anthem_title": heard.title,
        "voice": heard.voice.as_ref().map(data),
    }))
}

/// What the page with the recorder may use, beside what all pages may: its own microphone.
pub const MICROPHONE: HeaderValue =
    HeaderValue::from_static("camera=(), geolocation=(), microphone=(self), payment=(), usb=(), browsing-topics=()");
