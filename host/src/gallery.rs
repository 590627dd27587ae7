//! The gallery of plugins, and one plugin's page: what it does, what it may touch in plain words, its hash, source, fuel
//! and faults. Anyone may read all of it; a member can put the plugin on their wall from here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use minijinja::{Value, context};
use serde::Serialize;

use crate::{
    app::{App, now_ms},
    cache::{Audience, Page, Rendered},
    config::OnFailure,
    error::Error,
    http::Path,
    plugins::{Held, Plugin, pace::Figures},
    session::Viewer,
    walls, words,
};

/// A plugin in the list.
#[derive(Serialize)]
struct Row {
    id: Arc<str>,
    name: String,
    version: String,
    summary: String,
    /// "for every wall", "a sticker", "speaks in rooms: /roll".
    tag: String,
    off: bool,
}

/// `GET /plugins`.
///
/// # Errors
/// The template's.
pub async fn list(State(app): State<App>, viewer: Viewer, headers: HeaderMap) -> Result<Response, Error> {
    let signed_in = viewer.member.is_some();
    let audience = if signed_in { Audience::Members } else { Audience::Guests };
    let page = app
        .cache
        .get_or_render(&"/plugins".into(), audience, None, async || {
            let started = Instant::now();
            let stamp = app.topics.stamp(["plugins"]);
            let rows = rows(&app);
            let context = context! {
                made => format!("{} manifests read, {}", rows.len(), words::lasted(started)),
                rows => Value::from_serialize(&rows),
                here => "plugins",
                signed_in,
            };
            let html = app.html.render("gallery/list.html", context)?;
            Ok(Rendered {
                html,
                stamp,
                max_age: None,
                personal: false,
            })
        })
        .await?;
    Ok(page.respond(&headers))
}

fn rows(app: &App) -> Vec<Row> {
    let row = |plugin: Arc<Plugin>| Row {
        id: plugin.manifest.id.as_str().into(),
        name: plugin.manifest.name.clone(),
        version: plugin.manifest.version.clone(),
        summary: plugin.manifest.summary.clone(),
        tag: tag(&plugin),
        off: false,
    };
    app.plugins.list().into_iter().map(row).collect()
}

/// What it is, in a few words, for the list.
fn tag(plugin: &Plugin) -> String {
    let roles = plugin.roles;
    let walls = match (roles.sticker, roles.widget) {
        (true, _) => Some("a sticker".to_owned()),
        (_, true) => Some("for every wall".to_owned()),
        _ => None,
    };
    let rooms = [
        roles
            .commands
            .then(|| format!("speaks in rooms: {}", command_names(plugin))),
        roles.filter.then(|| "reads what is said in rooms".to_owned()),
    ];
    let all: Vec<String> = walls.into_iter().chain(rooms.into_iter().flatten()).collect();
    all.join("; ")
}

/// `/roll, /flip`.
fn command_names(plugin: &Plugin) -> String {
    let commands = plugin.manifest.commands.iter();
    commands
        .map(|command| format!("/{}", command.name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A command on a plugin's page.
#[derive(Serialize)]
struct Command {
    usage: String,
    summary: String,
}

/// What a plugin does in rooms, as its page says it.
#[derive(Serialize)]
struct InRooms {
    commands: Vec<Command>,
    filter: bool,
    /// What becomes of a message when the filter fails: a sentence.
    on_failure: &'static str,
}

/// What `templates/gallery/plugin.html` reads.
#[derive(Serialize)]
struct Label<'a> {
    id: &'a str,
    name: &'a str,
    version: &'a str,
    summary: &'a str,
    about: &'a str,
    authors: String,
    license: &'a str,
    source: &'a str,
    language: &'a str,
    size: String,
    roles: String,
    on_walls: bool,
    rooms: Option<InRooms>,
    hash: [String; 2],
    stamp: &'static str,
    standing: String,
    grants: Vec<walls::Grant>,
    burns: Vec<(&'static str, String)>,
}

/// `GET /plugins/{id}`. Its figures move with every call, so it is made anew at every visit.
///
/// # Errors
/// [`Error::NotFound`] for a plugin that never was here.
pub async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let started = Instant::now();
    let standing = app.plugins.standing(&id);
    let Some(plugin) = standing.plugin() else {
        // It was here before the server was started: its name is all that is known of it.
        let name = app.plugins.name_of(&id).ok_or(Error::NotFound)?;
        let (stamp, sentence) = walls::standing_in_words(&standing);
        let context = context! { name => &*name, stamp, standing => sentence, here => "plugins", signed_in => viewer.member.is_some() };
        return Ok(Page::new(Rendered {
            html: app.html.render("gallery/gone.html", context)?,
            stamp: Default::default(),
            max_age: None,
            personal: true,
        })
        .respond(&headers));
    };
    let manifest = &plugin.manifest;
    let figures = plugin.stats.figures();
    let (stamp, sentence) = walls::standing_in_words(&standing);
    let label = Label {
        id: &manifest.id,
        name: &manifest.name,
        version: &manifest.version,
        summary: &manifest.summary,
        about: &manifest.description,
        authors: manifest.authors.join(", "),
        license: &manifest.license,
        source: manifest.source.as_deref().unwrap_or(""),
        language: manifest.language.as_deref().unwrap_or(""),
        size: words::size(plugin.size as u64),
        roles: roles_in_words(plugin),
        on_walls: plugin.roles.on_walls(),
        rooms: plugin.roles.in_rooms().then(|| in_rooms(plugin)),
        hash: halves(&plugin.sha256),
        stamp,
        standing: sentence,
        grants: walls::grants(plugin, Default::default()),
        burns: burns(plugin, &figures, app.plugins.held(&id)),
    };
    let meter = walls::meter(plugin, &figures);
    let me = viewer
        .member
        .as_ref()
        .map(|member| member.name.to_string())
        .unwrap_or_default();
    let context = context! {
        plugin => Value::from_serialize(&label),
        m => context! { cost => Value::from_serialize(&meter) },
        me,
        signed_in => viewer.member.is_some(),
        here => "plugins",
        made => format!("one label read, {}", words::lasted(started)),
    };
    let html = app.html.render("gallery/plugin.html", context)?;
    Ok(Page::new(Rendered {
        html,
        stamp: Default::default(),
        max_age: None,
        personal: true,
    })
    .respond(&headers))
}

fn roles_in_words(plugin: &Plugin) -> String {
    let roles = plugin.roles;
    let walls = match (roles.sticker, roles.widget, roles.actions) {
        (true, _, _) => Some("sticker (draws a picture)"),
        (_, true, true) => Some("widget (draws, and answers clicks)"),
        (_, true, false) => Some("widget (draws)"),
        _ => None,
    };
    let rooms = [
        roles.commands.then_some("commands (speaks in rooms)"),
        roles.filter.then_some("filter (reads what is said in rooms)"),
    ];
    let all: Vec<&str> = walls.into_iter().chain(rooms.into_iter().flatten()).collect();
    all.join("; ")
}

fn in_rooms(plugin: &Plugin) -> InRooms {
    let commands = plugin.manifest.commands.iter().filter(|_| plugin.roles.commands);
    InRooms {
        commands: commands
            .map(|command| Command {
                usage: command.usage.clone(),
                summary: command.summary.clone(),
            })
            .collect(),
        filter: plugin.roles.filter,
        on_failure: match plugin.on_failure {
            OnFailure::Open => "When it fails, messages are posted as if it were not there.",
            OnFailure::Closed => "When it fails, nothing is posted until it works again: the operator wants it so.",
        },
    }
}

/// `GET /plugins/{id}/{file}`: the icon, the style sheet, the manifest as it was packed. All were rebuilt when the plugin
/// was loaded, and are served so that they can do nothing.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn file(State(app): State<App>, Path((id, file)): Path<(String, String)>) -> Result<Response, Error> {
    let standing = app.plugins.standing(&id);
    let plugin = standing.plugin().ok_or(Error::NotFound)?;
    let manifest = &plugin.manifest;
    let (kind, lifetime, body) = match file.as_str() {
        "icon.svg" => (
            "image/svg+xml",
            "public, max-age=300",
            manifest.icon.as_deref().unwrap_or(NO_ICON),
        ),
        "manifest.toml" => ("text/plain; charset=utf-8", "no-cache", manifest.text.as_str()),
        _ if plugin.sheet().ends_with(&format!("/{file}")) => {
            let sheet = manifest.css.as_deref().ok_or(Error::NotFound)?;
            ("text/css; charset=utf-8", "public, max-age=31536000, immutable", sheet)
        }
        _ => return Err(Error::NotFound),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, lifetime),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
    ];
    Ok((headers, body.to_owned()).into_response())
}

/// For a plugin that has drawn itself none.
const NO_ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><path fill="#161427" d="M14 14h68v68H14z"/><path fill="#50f08c" d="M26 26h20v20H26zm24 24h20v20H50z"/></svg>"##;

/// A hash in two lines of four groups.
fn halves(hash: &[u8; 32]) -> [String; 2] {
    let half = |bytes: &[u8]| {
        let groups = bytes
            .chunks(4)
            .map(|group| group.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        groups.collect::<Vec<_>>().join(" ")
    };
    [half(&hash[..16]), half(&hash[16..])]
}

/// What it burns, in words.
fn burns(plugin: &Plugin, figures: &Figures, held: Option<Held>) -> Vec<(&'static str, String)> {
    let limits = &plugin.limits;
    let mut burns = vec![
        (
            "the red line",
            format!("the most it ever took, {}", words::fuel(figures.fuel_max)),
        ),
        ("a usual call", {
            let time = words::duration(Duration::from_micros(figures.time_us_usual));
            format!(
                "{} of {} fuel · {time}",
                words::fuel(figures.fuel_usual),
                words::fuel(match (plugin.roles.on_walls(), plugin.roles.commands) {
                    (true, _) => limits.render_fuel,
                    (false, true) => limits.act_fuel,
                    (false, false) => limits.filter_fuel,
                })
            )
        }),
    ];
    if plugin.roles.actions {
        burns.push(("an answer", format!("may take {} fuel", words::fuel(limits.act_fuel))));
    }
    burns.push((
        "memory",
        format!(
            "{} of {}",
            words::size(figures.memory_max),
            words::size(u64::from(limits.memory_kib) * 1024)
        ),
    ));
    burns.push(("last fault", walls::fault(figures.last_fault.as_ref())));
    if let Some(until) = plugin.rests_until(now_ms()) {
        let minutes = (until - now_ms()) / 60_000 + 1;
        burns.push(("it rests", format!("after three faults, for {minutes} more min")));
    }
    if let Some(Held { version, asks, .. }) = held {
        let asks = asks.join(" and ");
        burns.push((
            "an upgrade waits",
            format!("{version} asks for {asks}: the operator has to grant that"),
        ));
    }
    burns
}
