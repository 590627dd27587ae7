//! `neospace plugin dev`: the server on a temporary folder with one plugin on one wall, or in one room, and a bench beside it. Saving a
//! file builds the plugin anew, installs it as an operator would, and the page changes by itself.
//!
//! The page is a plain one: its forms post, and it is drawn from the state here. With JavaScript it is morphed in place
//! whenever the state changes.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::Stream;
use http::{HeaderMap, StatusCode, header};
use minijinja::context;
use serde::Serialize;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{
    Dev,
    build::{self, Messages},
    project::Project,
    run,
    stage::{Line, MODULE_ID, Of, Outcomes, ROOM, Report, Scene, Stage, What, Who},
};
use crate::{
    app::now_ms,
    error::Error,
    http::Form,
    plugins::{Plugin, grants, rooms, settings, view::Returned},
    routes,
};

/// How often the project's files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A project with more files than this is watched no further: it has something in it that isn't a plugin's.
const WATCHED_FILES: usize = 5_000;
/// Lines of the log that are kept.
const LOG_LINES: usize = 200;
/// What was said in the room that is kept.
const ROOM_LINES: usize = 30;
/// What an answer to our own scripts is.
const FRAGMENT: &str = "text/vnd.neospace.fragment+html";
/// Where the view's forms post to.
const ACT: &str = "/dev/act";

/// The bench; shared by the handlers and the builder.
struct Bench {
    stage: Stage,
    options: Dev,
    state: Mutex<Table>,
    /// Counts the changes; whoever has the page open is told.
    changes: watch::Sender<u64>,
}

/// What lies on the bench.
struct Table {
    plugin: Option<Arc<Plugin>>,
    scene: Scene,
    /// Whether the time stands still at `scene.now`.
    fixed_time: bool,
    building: bool,
    /// Why what is in the files isn't what is on the wall.
    problem: Option<String>,
    /// How long the last build took, and when it was done.
    built: Option<(Duration, i64)>,
    /// The last act, command or text.
    act: Option<Report>,
    /// What was said in the room, and how often so far.
    room: Vec<Spoken>,
    spoken: u64,
    refusal: Option<Refusal>,
    /// What the module says above its view, and whether that is bad news; until something else is done.
    said: Option<(String, bool)>,
    log: Vec<Line>,
    /// The settings as they were typed, with what was wrong with them.
    typed: Option<(Vec<(String, String)>, Vec<settings::FieldError>)>,
    /// What was wrong with the switches.
    switch_problem: Option<String>,
}

/// What somebody typed in the room, and what came of it.
#[derive(Clone, Serialize)]
struct Spoken {
    who: String,
    typed: String,
    /// Whose words these are.
    by: String,
    /// What stands in the room, or what the one who typed is told.
    words: String,
    /// `said`, `whispered`, `refused` or `failed`.
    how: &'static str,
}

/// A refused action, as the view shows it once more.
struct Refusal {
    message: String,
    field: Option<String>,
    actions: Vec<(String, String)>,
    typed: Vec<(String, String)>,
}

type Shared = Arc<Bench>;

/// The command: serves until it is interrupted.
pub fn main(options: &Dev) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(serve(options.clone()))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(options: Dev) -> Result<()> {
    if !options.plugin.is_file() {
        // Said at once, rather than on a page nobody has opened yet.
        super::project::read(&options.plugin)?;
    }
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("can't listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stage = Stage::open().await?;
    let app = stage.app.clone();
    let bench = Arc::new(Bench {
        stage,
        options,
        state: Mutex::new(Table::new()),
        changes: watch::channel(0).0,
    });
    let router = Router::new()
        .route("/dev", get(page))
        .route("/dev/events", get(events))
        .route("/dev/style.css", get(style))
        .route("/dev/drawing.svg", get(drawing))
        .route(ACT, post(act))
        .route("/dev/say", post(say))
        .route("/dev/scene", post(scene))
        .route("/dev/settings", post(settle))
        .route("/dev/storage/clear", post(clear))
        .with_state(bench.clone())
        .merge(routes::router(app.clone()));
    tokio::spawn(crate::live::beat(app.clone()));
    let (stop, stopping) = watch::channel(false);
    let server = tokio::spawn(crate::http::serve(
        app.clone(),
        routes::site(router),
        listener,
        stopping,
    ));
    println!("The bench is at http://{address}/dev — save a file and it changes; Ctrl-C ends it.");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = watch_files(bench.clone()) => {}
    }
    stop.send_replace(true);
    // The event streams end when their sender does.
    bench.changes.send_replace(u64::MAX);
    app.hub.close();
    server.await?;
    app.db.close().await;
    Ok(())
}

impl Table {
    fn new() -> Self {
        Self {
            plugin: None,
            scene: Scene {
                viewer: Who::Guest,
                now: 0,
                seed: 1,
                locale: "en".into(),
                utc_offset_minutes: 60,
                width: 1,
                height: 2,
                settings: Value::Object(serde_json::Map::new()),
                refused: grants::parse::<&str>(&[]).unwrap_or_default(),
                room: ROOM.into(),
            },
            fixed_time: false,
            building: true,
            problem: None,
            built: None,
            act: None,
            room: Vec::new(),
            spoken: 0,
            refusal: None,
            said: None,
            log: Vec::new(),
            typed: None,
            switch_problem: None,
        }
    }

    /// The scene at this moment.
    fn scene(&self) -> Scene {
        let mut scene = self.scene.clone();
        if !self.fixed_time {
            scene.now = now_ms();
        }
        scene
    }

    fn note(&mut self, lines: &[Line]) {
        self.log.extend_from_slice(lines);
        let over = self.log.len().saturating_sub(LOG_LINES);
        self.log.drain(..over);
    }
}

impl Bench {
    fn table(&self) -> MutexGuard<'_, Table> {
        // What is on it is whole at every moment, even after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_act(&self, report: Report) {
        let mut table = self.table();
        table.note(&report.log);
        table.act = Some(report);
    }

    /// What the next page is to say, and the refusal that its form is to show once.
    fn leave(&self, refusal: Option<Refusal>, said: Option<(String, bool)>) {
        let mut table = self.table();
        (table.refusal, table.said) = (refusal, said);
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Builds and installs what is in the files now.
    async fn rebuild(self: &Arc<Self>) {
        self.table().building = true;
        self.changed();
        let started = Instant::now();
        let (path, wasm) = (self.options.plugin.clone(), self.options.wasm.clone());
        let built = tokio::task::spawn_blocking(move || plugin_file(&path, wasm.as_deref())).await;
        let installed = match built.map_err(anyhow::Error::from).flatten() {
            Ok(bytes) => self.stage.install(&bytes).await,
            Err(error) => Err(error),
        };
        let mut table = self.table();
        table.building = false;
        match installed {
            Ok(plugin) => {
                println!(
                    "{} {} is on the {}, after {:.1} s.",
                    plugin.manifest.id,
                    plugin.manifest.version,
                    if plugin.roles.on_walls() { "wall" } else { "bench" },
                    started.elapsed().as_secs_f32()
                );
                if table.plugin.is_none() {
                    (table.scene.width, table.scene.height) = (plugin.manifest.size.width, plugin.manifest.size.height);
                }
                table.plugin = Some(plugin);
                table.problem = None;
                table.built = Some((started.elapsed(), now_ms()));
                (table.typed, table.said) = (None, None);
            }
            Err(error) => {
                println!("{error:#}");
                table.problem = Some(format!("{error:#}"));
            }
        }
        drop(table);
        self.changed();
    }
}

fn plugin_file(path: &Path, wasm: Option<&Path>) -> Result<Vec<u8>> {
    if path.is_file() {
        return std::fs::read(path).with_context(|| path.display().to_string());
    }
    let project = Project::open(path)?;
    let built = match wasm {
        Some(file) => build::pack_file(&project, file)?,
        None => build::build_one(project, Messages::Keep)?,
    };
    Ok(built.bytes)
}

/// Builds at first, and then whenever a file of the project has changed and nothing has for one look.
async fn watch_files(bench: Shared) {
    let paths: Vec<PathBuf> = [Some(&bench.options.plugin), bench.options.wasm.as_ref()]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let look = || paths.iter().map(|path| fingerprint(path)).collect::<Vec<_>>();
    let (mut built, mut last) = (Vec::new(), look());
    loop {
        if last != built {
            built.clone_from(&last);
            bench.rebuild().await;
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = look();
            let settled = now == last;
            last = now;
            if settled {
                break;
            }
        }
    }
}

/// A number that changes with the names, sizes and times of the files below a path; what tools put there is left out.
fn fingerprint(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut left = WATCHED_FILES;
    let mut paths = vec![path.to_owned()];
    while let Some(path) = paths.pop() {
        let Ok(data) = path.metadata() else { continue };
        if data.is_dir() {
            let entries = std::fs::read_dir(&path)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path());
            let ours = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                !name.starts_with('.')
                    && name != "target"
                    && !name.ends_with('~')
                    && name != "Cargo.lock"
                    && !name.ends_with(".wasm")
            };
            let mut entries: Vec<PathBuf> = entries.filter(ours).collect();
            entries.sort();
            paths.extend(entries);
        } else {
            (path, data.len(), data.modified().ok()).hash(&mut hasher);
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    hasher.finish()
}

// ---- the page ----

/// What the partial `walls/module.html` reads.
#[derive(Serialize)]
struct Card {
    id: i64,
    wall: &'static str,
    plugin: String,
    name: String,
    version: String,
    plate: String,
    kind: &'static str,
    width: u8,
    height: u8,
    state: &'static str,
    note: String,
    stamp: &'static str,
    view: String,
    sheet: String,
    drawing: String,
    said: Option<String>,
    said_bad: bool,
    own: bool,
    cost: Option<()>,
    until: Option<i64>,
}

#[derive(Serialize)]
struct Meter {
    name: &'static str,
    used: u64,
    limit: u64,
    words: String,
}

/// `GET /dev`: the bench.
async fn page(State(bench): State<Shared>) -> Result<Response, Error> {
    let (plugin, scene, refusal, said) = {
        let mut table = bench.table();
        (
            table.plugin.clone(),
            table.scene(),
            table.refusal.take(),
            table.said.clone(),
        )
    };
    let on_a_wall = plugin.as_ref().filter(|plugin| plugin.roles.on_walls());
    let shown = match on_a_wall {
        Some(plugin) => Some(show(&bench, plugin, &scene, refusal.as_ref(), said).await?),
        None => None,
    };
    let stored = plugin
        .as_ref()
        .map(|plugin| bench.stage.stored(&plugin.manifest.id))
        .transpose()
        .map_err(Error::Internal)?;
    let table = bench.table();
    let fields = plugin.as_ref().map(|plugin| match &table.typed {
        Some((form, errors)) => settings::form_model_typed(&plugin.manifest.settings, form, errors),
        None => {
            let text = settings::complete(&plugin.manifest.settings, &scene.settings.to_string());
            settings::form_model(
                &plugin.manifest.settings,
                &serde_json::from_str(&text).unwrap_or_default(),
            )
        }
    });
    let capabilities = plugin.as_ref().map(|plugin| {
        let asked = plugin
            .manifest
            .capabilities
            .iter()
            .filter(|declared| plugin.granted.contains(declared.bit()));
        asked
            .map(|declared| {
                context! {
                    name => declared.name,
                    reason => declared.reason,
                    refused => scene.refused.contains(declared.bit()),
                }
            })
            .collect::<Vec<_>>()
    });
    let kept = |map: &std::collections::BTreeMap<String, super::stage::Kept>| {
        map.iter()
            .map(|(key, kept)| context! { key, value => kept.shown() })
            .collect::<Vec<_>>()
    };
    let at = |ms: i64| {
        jiff::Timestamp::from_millisecond(ms)
            .map(|at| at.strftime("%H:%M:%S UTC").to_string())
            .unwrap_or_default()
    };
    let (card, report) = shown.unzip();
    let page = context! {
        here => "plugins",
        m => card,
        name => plugin.as_ref().map_or("A plugin".to_owned(), |plugin| plugin.manifest.name.clone()),
        version => plugin.as_ref().map(|plugin| plugin.manifest.version.clone()),
        kind => plugin.as_ref().map(|plugin| plugin.roles.kinds()),
        kib => plugin.as_ref().map(|plugin| build::kib(plugin.size)),
        building => table.building,
        problem => table.problem,
        built => table.built.map(|(took, when)| context! { took => format!("{:.1} s", took.as_secs_f32()), at => at(when) }),
        viewers => ["guest", "member:bo", "member:cy", "owner"],
        viewer => scene.viewer.to_string(),
        locale => scene.locale,
        offset => scene.utc_offset_minutes,
        width => scene.width,
        height => scene.height,
        seed => scene.seed,
        time => table.fixed_time.then(|| jiff::Timestamp::from_millisecond(scene.now).map(|now| now.to_string()).unwrap_or_default()),
        switch_problem => table.switch_problem,
        capabilities,
        fields,
        meters => report.as_ref().map(meters),
        report,
        act => table.act.as_ref(),
        act_meters => table.act.as_ref().map(meters),
        storage => stored.as_ref().map(|stored| kept(&stored.storage)),
        shared => stored.as_ref().map(|stored| kept(&stored.shared_storage)),
        log => table.log,
        ready => plugin.is_some(),
        on_walls => on_a_wall.is_some(),
        in_rooms => plugin.as_ref().is_some_and(|plugin| plugin.roles.in_rooms()),
        filters => plugin.as_ref().is_some_and(|plugin| plugin.roles.filter),
        commands => plugin.as_ref().map(|plugin| {
            let commands = plugin.manifest.commands.iter();
            commands.map(|command| context! { usage => command.usage, summary => command.summary }).collect::<Vec<_>>()
        }),
        spoken => table.room,
    };
    drop(table);
    let html = bench.stage.app.html.render("author/dev.html", page)?;
    Ok((
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        html,
    )
        .into_response())
}

/// Renders the module, and says what that cost.
async fn show(
    bench: &Bench,
    plugin: &Arc<Plugin>,
    scene: &Scene,
    refusal: Option<&Refusal>,
    said: Option<(String, bool)>,
) -> Result<(Card, Report), Error> {
    let returned = refusal.map(|refusal| Returned {
        message: &refusal.message,
        field: refusal.field.as_deref(),
        actions: &refusal.actions,
        typed: &refusal.typed,
    });
    let what = if plugin.roles.sticker { What::Draw } else { What::Render };
    let report = bench
        .stage
        .call(plugin, scene, &what, ACT, returned)
        .await
        .map_err(Error::Internal)?;
    bench.table().note(&report.log);
    let (state, stamp, note) = match &report.result {
        Outcomes::Failed { kind, detail } => ("failed", "It failed", format!("{kind}: {detail}")),
        Outcomes::Refused { message, .. } => ("failed", "It can't be drawn", message.clone()),
        _ => ("fresh", "", String::new()),
    };
    let view = match &report.result {
        Outcomes::View {
            html, max_age_seconds, ..
        } => {
            // A view that gets old by itself is asked for again when it has.
            if let Some(seconds) = max_age_seconds.filter(|_| !bench.table().fixed_time) {
                let changes = bench.changes.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(seconds.clamp(1, 86_400).into())).await;
                    changes.send_modify(|count| *count += 1);
                });
            }
            html.clone()
        }
        _ => String::new(),
    };
    let (count, styled) = (
        *bench.changes.borrow(),
        plugin.manifest.css.is_some() && !plugin.roles.sticker,
    );
    let card = Card {
        id: MODULE_ID,
        wall: "ana",
        plugin: plugin.manifest.id.clone(),
        name: plugin.manifest.name.clone(),
        version: plugin.manifest.version.clone(),
        plate: plugin.manifest.plate.clone().unwrap_or_default(),
        kind: if plugin.roles.sticker { "sticker" } else { "widget" },
        width: scene.width,
        height: scene.height,
        state,
        note,
        stamp,
        view,
        sheet: if styled {
            format!("/dev/style.css?{}", plugin.hash())
        } else {
            String::new()
        },
        drawing: format!("/dev/drawing.svg?{count}"),
        said_bad: said.as_ref().is_some_and(|(_, bad)| *bad),
        said: said.map(|(words, _)| words),
        own: false,
        cost: None,
        until: None,
    };
    Ok((card, report))
}

fn meters(report: &Report) -> Vec<Meter> {
    let meter = |name, of: Of, words: String| Meter {
        name,
        used: of.used.min(of.limit),
        limit: of.limit,
        words,
    };
    let millions = |fuel: u64| format!("{:.2} M", fuel as f64 / 1e6);
    let (fuel, time, memory) = (report.fuel, report.time_us, report.memory_bytes);
    let mut meters = vec![
        meter(
            "fuel",
            fuel,
            format!("{} of {}", millions(fuel.used), millions(fuel.limit)),
        ),
        meter(
            "time",
            time,
            format!("{:.1} of {} ms", time.used as f64 / 1e3, time.limit / 1000),
        ),
        meter(
            "memory",
            memory,
            format!("{} of {} KiB", memory.used / 1024, memory.limit / 1024),
        ),
        meter(
            "host calls",
            report.host_calls,
            format!("{} of {}", report.host_calls.used, report.host_calls.limit),
        ),
    ];
    if let Outcomes::View { nodes, .. } | Outcomes::Drawing { nodes, .. } = &report.result {
        meters.push(meter("nodes", *nodes, format!("{} of {}", nodes.used, nodes.limit)));
    }
    meters
}

/// `GET /dev/events`: a word whenever something has changed.
async fn events(State(bench): State<Shared>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = futures_util::stream::unfold(bench.changes.subscribe(), async |mut changes| {
        changes.changed().await.ok()?;
        // The last of them: the server stops.
        let count = *changes.borrow_and_update();
        (count != u64::MAX).then(|| (Ok(Event::default().data(count.to_string())), changes))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// `GET /dev/style.css`: the plugin's sheet, as the host has written it anew.
async fn style(State(bench): State<Shared>) -> Response {
    let css = bench
        .table()
        .plugin
        .as_ref()
        .and_then(|plugin| plugin.manifest.css.clone())
        .unwrap_or_default();
    (
        [
            (header::CONTENT_TYPE, "text/css; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        css,
    )
        .into_response()
}

/// `GET /dev/drawing.svg`: the sticker.
async fn drawing(State(bench): State<Shared>) -> Result<Response, Error> {
    let (plugin, scene) = {
        let table = bench.table();
        (table.plugin.clone().ok_or(Error::NotFound)?, table.scene())
    };
    let report = bench
        .stage
        .call(&plugin, &scene, &What::Draw, ACT, None)
        .await
        .map_err(Error::Internal)?;
    let Outcomes::Drawing { svg, .. } = report.result else {
        return Err(Error::NotFound);
    };
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, svg).into_response())
}

// ---- what is pressed ----

/// Back to the bench; our own scripts hear of the change by themselves.
fn back(bench: &Bench, headers: &HeaderMap) -> Response {
    bench.changed();
    if is_script(headers) {
        return StatusCode::NO_CONTENT.into_response();
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, "/dev")]).into_response()
}

/// Whether one of our own scripts asks, which wants fragments rather than pages.
fn is_script(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept == FRAGMENT)
}

/// `POST /dev/act`: a form or button of the view.
async fn act(State(bench): State<Shared>, headers: HeaderMap, Form(form): Form) -> Result<Response, Error> {
    let (plugin, scene) = {
        let table = bench.table();
        (table.plugin.clone().ok_or(Error::NotFound)?, table.scene())
    };
    // A button's own token comes after its form's, and wins.
    let tokens: Vec<&str> = form
        .iter()
        .filter(|(name, _)| name == "token")
        .map(|(_, token)| token.as_str())
        .collect();
    let mut actions = Vec::new();
    for token in &tokens {
        let action = bench
            .stage
            .action(token, &scene.viewer)
            .map_err(|why| Error::Forbidden(why.to_string()))?;
        actions.push((action.name, action.payload));
    }
    let Some((name, payload)) = actions.last().cloned() else {
        return Err(Error::BadRequest(
            "There is no token in this form: use the buttons of the module.".into(),
        ));
    };
    let fields: Vec<(String, String)> = form
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("f-")?.to_owned(), value.clone())))
        .collect();
    let report = bench
        .stage
        .call(&plugin, &scene, &What::Act { name, payload, fields }, ACT, None)
        .await
        .map_err(Error::Internal)?;
    let (refusal, said) = match &report.result {
        Outcomes::Refused { message, field } => (Some((message.clone(), field.clone())), None),
        Outcomes::Failed { kind, detail } => (
            Some((format!("It failed ({kind}), and nothing was kept: {detail}"), None)),
            None,
        ),
        Outcomes::Done { message } => (None, message.clone().map(|message| (message, false))),
        _ => (None, None),
    };
    let said = refusal.as_ref().map(|(message, _)| (message.clone(), true)).or(said);
    let refusal = refusal.map(|(message, field)| Refusal {
        message,
        field,
        actions,
        typed: form,
    });
    bench.note_act(report);
    if !is_script(&headers) {
        bench.leave(refusal, said);
        return Ok(back(&bench, &headers));
    }
    // What was typed is still in the page, which sends nothing twice.
    bench.leave(None, said.clone());
    let (card, _) = show(&bench, &plugin, &scene, refusal.as_ref(), said).await?;
    let html = bench
        .stage
        .app
        .html
        .render("walls/module.html", context! { m => card })?;
    bench.changed();
    let status = if refusal.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    Ok((status, [(header::CONTENT_TYPE, FRAGMENT)], html).into_response())
}

/// `POST /dev/say`: somebody types something in the room, a command or a text.
async fn say(State(bench): State<Shared>, headers: HeaderMap, form: Form) -> Result<Response, Error> {
    let (plugin, scene) = {
        let mut table = bench.table();
        let mut scene = table.scene();
        // A seed for every call, and the same ones whenever the bench is set up like this.
        scene.seed = scene.seed.wrapping_add(table.spoken);
        table.spoken += 1;
        (table.plugin.clone().ok_or(Error::NotFound)?, scene)
    };
    let typed: String = form.text("text").trim().chars().take(rooms::SAID_MAX).collect();
    if typed.is_empty() || !plugin.roles.in_rooms() {
        return Ok(back(&bench, &headers));
    }
    let call = async |what: What| {
        let report = bench
            .stage
            .call(&plugin, &scene, &what, ACT, None)
            .await
            .map_err(Error::Internal)?;
        bench.note_act(report.clone());
        Ok::<_, Error>(report.result)
    };
    let name = plugin.manifest.name.clone();
    let who = match &scene.viewer {
        Who::Owner => "ana".to_owned(),
        who => who.to_string().replace("member:", ""),
    };
    let is_command = typed.starts_with('/') && !typed.starts_with("//") && plugin.roles.commands;
    let known = |what: &What| {
        matches!(what, What::Command { name, .. }
        if plugin.manifest.commands.iter().any(|command| command.name == *name))
    };
    let (mut by, mut words, mut how) = (who.clone(), typed.clone(), "said");
    if is_command {
        let what = What::command(&typed);
        by.clone_from(&name);
        (words, how) = match known(&what) {
            false => ("The manifest names no such command.".to_owned(), "refused"),
            true => match call(what).await? {
                Outcomes::Reply { say: Some(words), .. } => (words, "said"),
                Outcomes::Reply { whisper, .. } => (whisper.unwrap_or_else(|| "Done.".to_owned()), "whispered"),
                Outcomes::Refused { message, .. } => (message, "refused"),
                Outcomes::Failed { kind, detail } => (format!("It failed ({kind}): {detail}"), "failed"),
                _ => (String::new(), "failed"),
            },
        };
    }
    if how == "said" && plugin.roles.filter {
        match call(What::Filter { text: words.clone() }).await? {
            Outcomes::Rewrite { text } => words = text,
            Outcomes::Refused { message, .. } => (by, words, how) = (name, message, "refused"),
            Outcomes::Failed { kind, detail } => {
                (by, words, how) = (name, format!("It failed ({kind}): {detail}"), "failed");
            }
            _ => {}
        }
    }
    let mut table = bench.table();
    if table.room.len() == ROOM_LINES {
        table.room.remove(0);
    }
    table.room.push(Spoken {
        who,
        typed,
        by,
        words,
        how,
    });
    drop(table);
    Ok(back(&bench, &headers))
}

/// `POST /dev/scene`: the switches.
async fn scene(State(bench): State<Shared>, headers: HeaderMap, form: Form) -> Response {
    let mut table = bench.table();
    match switched(&table.scene, &form) {
        Ok((scene, fixed_time)) => {
            (table.scene, table.fixed_time) = (scene, fixed_time);
            table.said = None;
            table.switch_problem = None;
        }
        Err(problem) => table.switch_problem = Some(problem),
    }
    drop(table);
    back(&bench, &headers)
}

/// The scene as the switches say, and whether its time stands still.
fn switched(old: &Scene, form: &Form) -> Result<(Scene, bool), String> {
    let number = |name: &str, words: &str, least: i64, most: i64| {
        let value = form
            .text(name)
            .parse::<i64>()
            .ok()
            .filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| format!("{words} is a whole number from {least} to {most}."))
    };
    let size = |name: &str, words: &str, most: i64| number(name, words, 1, most).map(|cells| cells as u8);
    let refused: Vec<&str> = form
        .0
        .iter()
        .filter(|(name, _)| name == "refuse")
        .map(|(_, value)| value.as_str())
        .collect();
    let (time, locale) = (form.text("time"), form.text("locale"));
    if locale.is_empty() || locale.len() > 35 || !locale.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err("A language is a tag such as en, de-AT or zh-Hant.".into());
    }
    let scene = Scene {
        viewer: form.text("viewer").parse()?,
        now: if time.is_empty() { old.now } else { run::moment(time)? },
        seed: run::seed(form.text("seed"))?,
        locale: locale.to_owned(),
        utc_offset_minutes: number("offset", "The offset", -14 * 60, 14 * 60)? as i16,
        width: size("width", "The width", 4)?,
        height: size("height", "The height", 12)?,
        settings: old.settings.clone(),
        refused: grants::parse(&refused)?,
        room: old.room.clone(),
    };
    Ok((scene, !time.is_empty()))
}

/// `POST /dev/settings`: the form that the manifest describes.
async fn settle(State(bench): State<Shared>, headers: HeaderMap, Form(form): Form) -> Result<Response, Error> {
    let mut table = bench.table();
    let plugin = table.plugin.clone().ok_or(Error::NotFound)?;
    match settings::from_form(&plugin.manifest.settings, &form) {
        Ok(settings) => {
            table.scene.settings = settings;
            table.typed = None;
        }
        Err(errors) => table.typed = Some((form, errors)),
    }
    drop(table);
    Ok(back(&bench, &headers))
}

/// `POST /dev/storage/clear`: everything that the plugin keeps is thrown away.
async fn clear(State(bench): State<Shared>, headers: HeaderMap) -> Result<Response, Error> {
    let plugin = bench.table().plugin.clone().ok_or(Error::NotFound)?;
    bench
        .stage
        .store(&plugin.manifest.id, Default::default())
        .await
        .map_err(Error::Internal)?;
    bench.table().act = None;
    Ok(back(&bench, &headers))
}
