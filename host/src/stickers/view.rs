//! What is shown of stickers: the piece of the wall, its sheet of places, what programs get, the drawer's tab, drawn pictures.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header};
use minijinja::{Value, context};
use serde::Serialize;

use super::{
    Place, STICKERS_MOST, VISITORS_MOST,
    queries::{self, Picture, Sticker},
    topic,
};
use crate::{
    app::{App, now_ms},
    cache::{Audience, Rendered},
    error::{Error, Invalid},
    fragments::{Key, Piece, Sight},
    http::{Form, Path},
    media,
    plugins::settings::{FieldError, FormField, complete, form_model, form_model_typed},
    profiles::{self, Profile},
    session::Viewer,
};

/// Emoji that are at hand without looking for them.
const HANDFUL: [&str; 60] = [
    "⭐", "🌟", "✨", "💫", "🔥", "🌈", "🌙", "🌞", "⚡", "❄️", "🌊", "🌸", "🌻", "🌵", "🍄", "🍀", "🌿", "🪴", "🦋",
    "🐌", "🐝", "🐞", "🦉", "🐈", "🐕", "🦊", "🐸", "🐙", "🐢", "🦆", "🦔", "🐟", "🍓", "🍋", "🍉", "🥐", "🍰", "🍵",
    "☕", "🎈", "🎉", "🎸", "🎧", "📼", "📻", "📷", "🎨", "🧵", "🧶", "🔑", "🕯️", "💌", "👀", "👻", "🤖", "👽", "🚲",
    "🚀", "⛵", "🏡",
];

/// Emoji that one search shows.
const FOUND_MOST: usize = 96;

/// The groups that Unicode has, by their names in the address.
const GROUPS: [(&str, &str, emojis::Group); 9] = [
    ("smileys", "Smileys", emojis::Group::SmileysAndEmotion),
    ("people", "People", emojis::Group::PeopleAndBody),
    ("nature", "Nature", emojis::Group::AnimalsAndNature),
    ("food", "Food", emojis::Group::FoodAndDrink),
    ("places", "Places", emojis::Group::TravelAndPlaces),
    ("play", "Play", emojis::Group::Activities),
    ("things", "Things", emojis::Group::Objects),
    ("signs", "Signs", emojis::Group::Symbols),
    ("flags", "Flags", emojis::Group::Flags),
];

/// A sticker as programs get it.
#[derive(Serialize)]
pub struct Data<'a> {
    id: i64,
    /// Who put it there.
    user: &'a str,
    /// `emoji`, `image` or `drawn`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<serde_json::Value>,
    /// The address of its picture, at rest; emoji have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    /// Where it moves, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    moving: Option<String>,
    /// Percent of the wall's width.
    x: f64,
    y: i32,
    width: i32,
    rotation: i32,
    z: i64,
    alt: &'a str,
    rev: i64,
}

/// A sticker for programs.
pub fn data<'a>(app: &App, wall: &str, sticker: &'a Sticker) -> Data<'a> {
    let (kind, emoji, media, plugin, settings) = match &sticker.picture {
        Picture::Emoji(emoji) => ("emoji", Some(&**emoji), None, None, None),
        Picture::Image { media, .. } => ("image", None, Some(&**media), None, None),
        Picture::Drawn { plugin, settings, .. } => {
            let settings = serde_json::from_str(settings).unwrap_or_default();
            ("drawn", None, None, Some(&**plugin), Some(settings))
        }
    };
    Data {
        id: sticker.id,
        user: &sticker.author,
        kind,
        emoji,
        media,
        plugin,
        settings,
        picture: picture(app, wall, sticker),
        moving: moving(sticker),
        x: f64::from(sticker.place.x) / 100.0,
        y: sticker.place.y,
        width: sticker.place.width,
        rotation: sticker.place.rotation,
        z: sticker.z,
        alt: &sticker.alt,
        rev: sticker.rev,
    }
}

/// The address of a sticker's picture, at rest: another one whenever it looks different.
fn picture(app: &App, wall: &str, sticker: &Sticker) -> Option<String> {
    match &sticker.picture {
        Picture::Emoji(_) => None,
        Picture::Image { media, .. } => Some(media::url(
            media,
            if sticker.place.width > 320 { "medium" } else { "small" },
        )),
        Picture::Drawn { plugin, settings, .. } => {
            // The same after a restart, so that browsers keep what they have.
            let mut hasher = DefaultHasher::new();
            let standing = app.plugins.standing(plugin);
            (settings, standing.plugin().map(|plugin| plugin.sha256)).hash(&mut hasher);
            Some(format!(
                "/wall/{wall}/stickers/{}/drawing.svg?v={:x}",
                sticker.id,
                hasher.finish()
            ))
        }
    }
}

/// Where a sticker's picture moves, if it does.
fn moving(sticker: &Sticker) -> Option<String> {
    match &sticker.picture {
        Picture::Image { media, animated: true } => Some(media::url(media, "full")),
        _ => None,
    }
}

/// A sticker as `templates/stickers/sticker.html` and the drawer read it.
#[derive(Serialize)]
struct Shown<'a> {
    id: i64,
    by: &'a str,
    /// A visitor left it.
    left: bool,
    emoji: &'a str,
    picture: String,
    moving: Option<String>,
    #[serde(flatten)]
    place: Numbers,
    z: i64,
    rev: i64,
    alt: &'a str,
    /// What it is called where words are needed.
    name: String,
}

#[derive(Serialize)]
struct Numbers {
    x: i32,
    y: i32,
    w: i32,
    r: i32,
}

impl From<Place> for Numbers {
    fn from(place: Place) -> Self {
        Self {
            x: place.x,
            y: place.y,
            w: place.width,
            r: place.rotation,
        }
    }
}

fn shown<'a>(app: &App, wall: &str, sticker: &'a Sticker) -> Shown<'a> {
    let (emoji, otherwise) = match &sticker.picture {
        Picture::Emoji(emoji) => (&**emoji, emoji_name(emoji).to_owned()),
        Picture::Image { .. } => ("", "picture".to_owned()),
        Picture::Drawn { plugin, .. } => {
            let name = app.plugins.name_of(plugin);
            ("", name.as_deref().unwrap_or(plugin).to_owned())
        }
    };
    Shown {
        id: sticker.id,
        by: &sticker.author,
        left: *sticker.author != *wall,
        emoji,
        picture: picture(app, wall, sticker).unwrap_or_default(),
        moving: moving(sticker),
        place: sticker.place.into(),
        z: sticker.z,
        rev: sticker.rev,
        alt: &sticker.alt,
        name: if sticker.alt.is_empty() {
            otherwise
        } else {
            sticker.alt.clone()
        },
    }
}

/// What Unicode calls an emoji.
pub fn emoji_name(emoji: &str) -> &'static str {
    emojis::get(emoji).map_or("emoji", emojis::Emoji::name)
}

/// One sticker's markup, the same for everyone.
///
/// # Errors
/// The template's.
pub fn html(app: &App, wall: &str, sticker: &Sticker) -> Result<String, Error> {
    app.html
        .render("stickers/sticker.html", context! { s => shown(app, wall, sticker) })
}

/// The stickers of a wall; in plain view, a list of them.
///
/// # Errors
/// The database's.
pub fn on_wall(app: &App, owner: &Profile, sight: Sight) -> Result<Piece, Error> {
    let stamp = app.topics.stamp([&*topic(&owner.name), "media"]);
    let key = Key {
        kind: if sight.plain { "plain stickers" } else { "stickers" },
        id: owner.user_id,
        audience: sight.audience(owner.user_id),
    };
    app.fragments.piece(key, &stamp, || {
        let (stickers, canvas) = app.db.read(|db| {
            let stickers = queries::all(db, owner.user_id)?;
            Ok((stickers, queries::canvas(db, owner.user_id)?))
        })?;
        let member = sight.viewer.member.is_some();
        let html = app.html.render(
            "stickers/stickers.html",
            context! {
                wall => owner.name,
                stickers => stickers.iter().map(|sticker| shown(app, &owner.name, sticker)).collect::<Vec<_>>(),
                plain => sight.plain,
                leave => canvas.visitors && member && !sight.own,
                cursors => canvas.cursors,
            },
        )?;
        let head = app.html.render(
            "stickers/head.html",
            context! { wall => owner.name, plain => sight.plain, places => hash_of(&stickers) },
        )?;
        Ok(Piece {
            head: head.into(),
            html: html.into(),
        })
    })
}

/// Names where everything lies; the same after a restart.
fn hash_of(stickers: &[Sticker]) -> String {
    let mut hasher = DefaultHasher::new();
    for sticker in stickers {
        (sticker.id, sticker.place, sticker.z).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// `GET /wall/{user}/stickers/{hash}.css`: where everything lies, for browsers before (or without) JavaScript.
pub async fn sheet(app: &App, wall: &str, hash: &str, headers: &HeaderMap) -> Result<Response, Error> {
    let render = || async {
        let stamp = app.topics.stamp([topic(wall)]);
        let stickers = app.db.read(|db| {
            let owner = profiles::find(db, wall)?;
            queries::all(db, owner.user_id)
        })?;
        let mut sheet = format!("/* {} */\n@layer theme {{\n", hash_of(&stickers));
        for Sticker { id, place, z, .. } in &stickers {
            let rem = |length: i32| f64::from(length) / 16.0;
            sheet.push_str(&format!(
                "[data-wall=\"{wall}\"] [data-sticker=\"{id}\"] {{ --x: {}%; --y: {}rem; --w: {}rem; --r: {}deg; --n: {z} }}\n",
                f64::from(place.x) / 100.0,
                rem(place.y),
                rem(place.width),
                place.rotation,
            ));
        }
        sheet.push_str("}\n");
        Ok(Rendered {
            html: sheet,
            stamp,
            max_age: None,
            personal: false,
        })
    };
    let page: Arc<str> = format!("/wall/{wall}/stickers.css").into();
    let page = app.cache.get_or_render(&page, Audience::Guests, None, render).await?;
    let is_current = page.begins_with(&format!("/* {hash} */"));
    let mut response = page.respond(headers);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // A page from before the last change asks for the places that it was made with: it gets those that there are.
    let lifetime = match is_current {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime));
    Ok(response)
}

/// `GET /wall/{user}/stickers/{id}/drawing.svg`: what a plugin draws, in a document that can do nothing.
///
/// # Errors
/// [`Error::NotFound`] for a sticker that no plugin draws; [`Error::Unavailable`] when it can't be drawn now.
pub async fn drawing(
    State(app): State<App>,
    Path((wall, id)): Path<(String, i64)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (owner, sticker) = app.db.read(|db| queries::one(db, &wall, id))?;
    let offset = owner.utc_offset_minutes(now_ms());
    let installation = sticker.installation(&owner, offset).ok_or(Error::NotFound)?;
    let drawn = app.plugins.draw(&installation).await?;
    let etag = format!("\"{}\"", drawn.etag);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let of_picture = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        ),
    ];
    let mut response = match known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag)) {
        true => (http::StatusCode::NOT_MODIFIED, of_picture).into_response(),
        false => (of_picture, drawn.svg).into_response(),
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

/// A form that was refused: it comes back as it was typed.
pub struct Refused<'a> {
    pub form: &'a Form,
    pub errors: &'a Invalid,
}

/// What `templates/stickers/drawer.html` reads as `panel`.
///
/// # Errors
/// The database's; [`Error::NotFound`] for a sticker that isn't there or isn't the viewer's.
pub fn drawer(app: &App, viewer: &Viewer, owner: &Profile, asked: &Form) -> Result<Value, Error> {
    panel(app, viewer, owner, asked, None)
}

/// The same with what was refused.
pub(super) fn panel(
    app: &App,
    viewer: &Viewer,
    owner: &Profile,
    asked: &Form,
    refused: Option<&Refused>,
) -> Result<Value, Error> {
    let me = viewer.id().ok_or(Error::Unauthorized)?;
    let own = me == owner.user_id;
    let (stickers, canvas) = app
        .db
        .read(|db| Ok((queries::all(db, owner.user_id)?, queries::canvas(db, owner.user_id)?)))?;
    let mine = |sticker: &&Sticker| own || sticker.user_id == me;
    let set = asked.text("sticker").parse().ok();
    let set = set.and_then(|id: i64| stickers.iter().filter(mine).find(|sticker| sticker.id == id));
    let visitors = stickers.iter().filter(|sticker| sticker.user_id != owner.user_id);
    let mut names: Vec<&str> = visitors.clone().map(|sticker| &*sticker.author).collect();
    names.sort_unstable();
    names.dedup();
    let field = app
        .db
        .read(|db| media::field(db, me, ("media", "A picture of your own"), "image", None))?;
    let group = asked.text("group");
    let find = asked.text("find");
    let error = |field: &str| {
        refused
            .and_then(|refused| refused.errors.of(field))
            .unwrap_or("")
            .to_owned()
    };
    Ok(context! {
        own,
        me => viewer.member.as_ref().map(|member| &*member.name),
        wall => owner.name,
        room => room_in_words(own, stickers.len() as i64, visitors.count() as i64),
        stickers => stickers.iter().filter(mine).rev().map(|sticker| shown(app, &owner.name, sticker)).collect::<Vec<_>>(),
        group,
        groups => GROUPS.iter().map(|(name, label, _)| (*name, *label)).collect::<Vec<_>>(),
        find,
        emoji => emoji(group, find),
        typed => refused.map(|refused| refused.form.text("emoji")).filter(|_| set.is_none()),
        emoji_error => error("emoji"),
        media => context! { error => refused.and_then(|refused| refused.errors.of("media")), none => "Nothing yet", ..field },
        general_error => error(""),
        plugins => sticker_plugins(app),
        set => match set {
            Some(sticker) => set_of(app, owner, sticker, refused),
            None => Value::from(()),
        },
        off => asked.text("off").split(',').filter_map(|id| id.parse::<i64>().ok()).collect::<Vec<_>>(),
        canvas => context! { visitors => canvas.visitors, cursors => canvas.cursors, presence => canvas.presence },
        names => if own { names } else { Vec::new() },
    })
}

fn room_in_words(own: bool, all: i64, left: i64) -> &'static str {
    match own {
        _ if all >= STICKERS_MOST => "This wall is full: 100 stickers. One has to come off before another goes up.",
        false if left >= VISITORS_MOST => "Visitors have left 50 stickers here, and that is the most.",
        _ => "",
    }
}

/// What the picker shows: emoji and their names.
fn emoji(group: &str, find: &str) -> Vec<(&'static str, &'static str)> {
    let pair = |emoji: &'static emojis::Emoji| (emoji.as_str(), emoji.name());
    if !find.is_empty() {
        let words: Vec<String> = find.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let fits = |emoji: &&emojis::Emoji| {
            let name = emoji.name().to_lowercase();
            words.iter().all(|word| {
                name.contains(&**word)
                    || emoji.shortcodes().any(|code| code.contains(&**word))
                    || emoji.as_str() == word
            })
        };
        return emojis::iter().filter(fits).take(FOUND_MOST).map(pair).collect();
    }
    match GROUPS.iter().find(|(name, ..)| *name == group) {
        Some((_, _, group)) => group.emojis().map(pair).collect(),
        None => HANDFUL.iter().filter_map(|text| emojis::get(text)).map(pair).collect(),
    }
}

/// Plugins that draw stickers.
fn sticker_plugins(app: &App) -> Vec<Value> {
    let plugins = app.plugins.list().into_iter().filter(|plugin| plugin.roles.sticker);
    plugins
        .map(|plugin| {
            context! {
                id => plugin.manifest.id,
                name => plugin.manifest.name,
                summary => plugin.manifest.summary,
            }
        })
        .collect()
}

/// One sticker's settings, as `templates/stickers/inspector.html` reads them.
fn set_of(app: &App, owner: &Profile, sticker: &Sticker, refused: Option<&Refused>) -> Value {
    let typed = |field: &str, kept: String| {
        let typed = refused.and_then(|refused| refused.form.get(field));
        typed.map_or(kept, str::to_owned)
    };
    let percent = f64::from(sticker.place.x) / 100.0;
    let errors: Vec<(String, String)> = refused
        .map(|refused| &refused.errors.errors)
        .into_iter()
        .flatten()
        .map(|error| (error.field.clone(), error.message.clone()))
        .collect();
    let mut fields: Vec<FormField> = Vec::new();
    let mut inert = false;
    if let Picture::Drawn { plugin, settings, .. } = &sticker.picture {
        let standing = app.plugins.standing(plugin);
        inert = standing.ready().is_none();
        if let Some(plugin) = standing.ready() {
            let schema = &plugin.manifest.settings;
            let asked_for_settings =
                refused.filter(|refused| refused.form.0.iter().any(|(name, _)| name.starts_with("s-")));
            fields = match asked_for_settings {
                Some(refused) => {
                    let errors: Vec<FieldError> = errors
                        .iter()
                        .map(|(name, message)| FieldError {
                            name: name.clone(),
                            message: message.clone(),
                        })
                        .collect();
                    form_model_typed(schema, &refused.form.0, &errors)
                }
                None => {
                    let values = complete(schema, settings);
                    form_model(schema, &serde_json::from_str(&values).unwrap_or_default())
                }
            };
        }
    }
    context! {
        s => shown(app, &owner.name, sticker),
        x => typed("x", percent.to_string()),
        y => typed("y", sticker.place.y.to_string()),
        width => typed("width", sticker.place.width.to_string()),
        rotation => typed("rotation", sticker.place.rotation.to_string()),
        alt => typed("alt", sticker.alt.clone()),
        errors => errors.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        fields,
        inert,
        drawn => matches!(sticker.picture, Picture::Drawn { .. }),
    }
}

/// The inspector alone: what is open when one sticker is chosen.
///
/// # Errors
/// The template's.
pub fn inspector(app: &App, owner: &Profile, sticker: &Sticker) -> Result<String, Error> {
    let panel = context! { wall => owner.name, set => set_of(app, owner, sticker, None) };
    app.html.render("stickers/inspector.html", context! { panel })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_emoji_at_hand_is_one_that_unicode_lists() {
        for text in HANDFUL {
            assert!(emojis::get(text).is_some(), "{text}");
        }
    }
}
