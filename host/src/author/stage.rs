//! A stage for one plugin: the server itself on a temporary folder, with one wall and one module, and calls whose every
//! question is written down. `run` makes one call on it; `dev` keeps it open.

use std::{collections::BTreeMap, fs, path::Path, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use neospace_runner::protocol::{Ask, Failure, Grants, Outcome, Scope, Submission, Usage, Verdict, View};
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempDir;

use super::build;
use crate::{
    app::{App, Options, now_ms},
    config::{Config, Overrides},
    plugins::{
        Installation, Plugin, Standing,
        calls::Kind,
        grants,
        imports::Questions,
        lanes::{Fault, OwnedAnswer},
        manifest, rooms, settings,
        tokens::{self, Actions, Signer},
        view::{self, Press, Returned},
    },
    session::{Member, Viewer},
};

/// The wall's owner, the one member who is always there.
const OWNER: &str = "ana";
const OWNER_ID: i64 = 1;
/// The one module.
pub const MODULE_ID: i64 = 1;
/// The room that commands are called in, unless another is named.
pub const ROOM: &str = "lobby";
/// Bytes of a value that a report shows of it; the rest is cut.
const SHOWN_BYTES: usize = 400;

/// Who looks or acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Without an account.
    Guest,
    /// Somebody else, by user name.
    Member(String),
    /// The wall's owner.
    Owner,
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "guest" => Ok(Self::Guest),
            None if text == "owner" => Ok(Self::Owner),
            Some(("member", name)) if is_user_name(name) => Ok(Self::Member(name.to_owned())),
            _ => Err("a viewer is `guest`, `owner` or `member:NAME`, such as member:bo".into()),
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Guest => f.write_str("guest"),
            Self::Owner => f.write_str("owner"),
            Self::Member(name) => write!(f, "member:{name}"),
        }
    }
}

fn is_user_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    (3..=24).contains(&name.len()) || name.len() == 2 && name.chars().all(fits)
}

/// Everything about a call that isn't the plugin.
#[derive(Clone, Debug)]
pub struct Scene {
    pub viewer: Who,
    /// Unix milliseconds.
    pub now: i64,
    pub seed: u64,
    pub locale: String,
    /// The owner's local time minus UTC.
    pub utc_offset_minutes: i16,
    /// In cells.
    pub width: u8,
    /// In cells.
    pub height: u8,
    /// As they are stored: what is absent has its default.
    pub settings: Value,
    /// What the owner refused.
    pub refused: Grants,
    /// The room's name, for calls from rooms.
    pub room: String,
}

impl Scene {
    /// A plugin as it comes: its own size, default settings, nothing refused, now.
    pub fn new(plugin: &Plugin, viewer: Who) -> Self {
        Self {
            viewer,
            now: now_ms(),
            seed: 1,
            locale: "en".into(),
            utc_offset_minutes: 0,
            width: plugin.manifest.size.width,
            height: plugin.manifest.size.height,
            settings: Value::Object(Default::default()),
            refused: Grants::default(),
            room: ROOM.to_owned(),
        }
    }
}

/// What to call.
#[derive(Clone, Debug)]
pub enum What {
    Render,
    Draw,
    Act {
        name: String,
        payload: String,
        fields: Vec<(String, String)>,
    },
    /// `name` without the slash.
    Command {
        name: String,
        arguments: String,
    },
    Filter {
        text: String,
    },
}

impl What {
    /// Whether it is called from a room.
    pub fn is_in_rooms(&self) -> bool {
        matches!(self, Self::Command { .. } | Self::Filter { .. })
    }

    /// `/roll 2d6` as the call of a command.
    pub fn command(text: &str) -> Self {
        let text = text.trim();
        let text = text.strip_prefix('/').unwrap_or(text);
        let (name, arguments) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        Self::Command {
            name: name.to_owned(),
            arguments: arguments.trim().to_owned(),
        }
    }
}

/// All that can be said about one call.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub plugin: String,
    pub version: String,
    pub export: &'static str,
    pub viewer: String,
    #[serde(flatten)]
    pub result: Outcomes,
    pub fuel: Of,
    /// By the host's clock, in microseconds.
    pub time_us: Of,
    pub memory_bytes: Of,
    pub host_calls: Of,
    /// Bytes of the keys, values and texts in them.
    pub host_call_bytes: Of,
    /// What the call asked, in order, and what it was told.
    pub asked: Vec<Asked>,
    /// What was written, and kept if the call succeeded.
    pub writes: Vec<Write>,
    pub log: Vec<Line>,
    /// Notes to the owner.
    pub notes: Vec<String>,
    /// `live.refresh` was called.
    pub refreshed: bool,
    /// The call asked who is looking, so that each viewer gets a view of their own.
    pub personal: bool,
}

/// How much of what is allowed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Of {
    pub used: u64,
    pub limit: u64,
}

/// What came of a call.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcomes {
    /// Of `render`.
    View {
        html: String,
        nodes: Of,
        html_bytes: usize,
        max_age_seconds: Option<u32>,
    },
    /// Of `draw`.
    Drawing { svg: String, nodes: Of, svg_bytes: usize },
    /// Of `act`.
    Done { message: Option<String> },
    /// Of `act`, `on-command` and `filter-text`.
    Refused { message: String, field: Option<String> },
    /// Of `on-command`.
    Reply {
        say: Option<String>,
        whisper: Option<String>,
    },
    /// Of `filter-text`.
    Pass,
    /// Of `filter-text`.
    Rewrite { text: String },
    /// A trap, a limit, an invalid view.
    Failed { kind: String, detail: String },
}

impl Outcomes {
    /// Whether what the call wrote is kept.
    pub fn keeps(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Reply { .. })
    }
}

/// One question of the plugin.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    pub what: String,
    pub answer: String,
}

/// One staged write.
#[derive(Clone, Debug, Serialize)]
pub struct Write {
    /// `storage` or `shared-storage`.
    pub scope: &'static str,
    pub key: String,
    /// Nothing for a removal.
    pub value: Option<String>,
    /// Unix milliseconds.
    pub expires: Option<u64>,
}

/// A line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub level: &'static str,
    pub message: String,
}

/// What a plugin keeps, as a file: text where it is text, else base64.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stored {
    pub storage: BTreeMap<String, Kept>,
    #[serde(rename = "shared-storage")]
    pub shared_storage: BTreeMap<String, Kept>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Kept {
    Text(String),
    Full {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
        /// Unix milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<i64>,
    },
}

impl Kept {
    fn new(value: &[u8], expires: Option<i64>) -> Self {
        match (std::str::from_utf8(value), expires) {
            (Ok(text), None) => Self::Text(text.to_owned()),
            (Ok(text), _) => Self::Full {
                text: Some(text.to_owned()),
                base64: None,
                expires,
            },
            (Err(_), _) => Self::Full {
                text: None,
                base64: Some(BASE64.encode(value)),
                expires,
            },
        }
    }

    fn into_parts(self) -> Result<(Vec<u8>, Option<i64>)> {
        match self {
            Self::Text(text) => Ok((text.into_bytes(), None)),
            Self::Full {
                text: Some(text),
                base64: None,
                expires,
            } => Ok((text.into_bytes(), expires)),
            Self::Full {
                text: None,
                base64: Some(text),
                expires,
            } => Ok((BASE64.decode(text).context("base64")?, expires)),
            Self::Full { .. } => bail!("a value is a string, or has either `text` or `base64`"),
        }
    }

    /// As a person reads it.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) | Self::Full { text: Some(text), .. } => text.clone(),
            Self::Full { base64: Some(text), .. } => format!("base64 {text}"),
            Self::Full { .. } => String::new(),
        }
    }
}

/// The server on a temporary folder.
pub struct Stage {
    pub app: App,
    signer: Signer,
    /// Removed when the stage goes.
    folder: TempDir,
}

impl Stage {
    /// Opens the server, with nothing installed.
    pub async fn open() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("neospace-plugin-")
            .tempdir()
            .context("a temporary folder")?;
        let file = folder.path().join("neospace.toml");
        fs::write(&file, "name = \"a stage\"\n")?;
        let flags = Overrides {
            listen: None,
            data: Some(folder.path().join("data")),
        };
        let config = Config::load(&file, &flags)?;
        let app = App::open(
            Options {
                config_file: file,
                flags,
                dev: false,
            },
            config,
        )
        .await?;
        let signer = Signer::new(&app.secret);
        let stage = Self { app, signer, folder };
        stage.member(OWNER_ID, OWNER).await?;
        Ok(stage)
    }

    /// Installs a plugin, in place of what was there, as an operator who grants all it asks for. Answers its id.
    pub async fn install(&self, bytes: &[u8]) -> Result<Arc<Plugin>> {
        let manifest = manifest::extract(bytes)?;
        let asked =
            grants::asked(&build::inspect(bytes)?, &manifest).map_err(|why| anyhow!("{}: {why}", manifest.id))?;
        fs::write(self.folder.path().join("plugin.wasm"), bytes)?;
        let stanza = format!(
            "name = \"a stage\"\n[plugin.{}]\nsource = \"plugin.wasm\"\nsha256 = \"{}\"\ngrants = {:?}\n",
            manifest.id,
            build::hash(bytes),
            grants::names(asked.wanted),
        );
        fs::write(self.folder.path().join("neospace.toml"), stanza)?;
        self.app.reload().await?;
        let Standing::Ready(plugin) = self.app.plugins.standing(&manifest.id) else {
            bail!("{} did not load", manifest.id)
        };
        let (id, size, now) = (manifest.id, manifest.size, now_ms());
        self.app
            .db
            .write(move |tx| {
                tx.run(
                    "insert into modules (id, user_id, plugin, position, width, height, settings, seed, created_at)
                     values (?1, ?2, ?3, 0, ?4, ?5, '{}', 0, ?6) on conflict (id) do update set plugin = excluded.plugin",
                    params![MODULE_ID, OWNER_ID, id, size.width, size.height, now],
                )
            })
            .await?;
        Ok(plugin)
    }

    /// Makes a member, if there is none of this name.
    async fn member(&self, id: i64, name: &str) -> Result<()> {
        let (name, now) = (name.to_owned(), now_ms());
        self.app
            .db
            .write(move |tx| {
                tx.run(
                    "insert into users (id, name, auth_salt, auth_rounds, auth_hash, shuffle, created_at)
                     values (?1, ?2, zeroblob(16), 600000, 'nobody can log in', 0, ?3) on conflict do nothing",
                    params![id, name, now],
                )?;
                tx.run(
                    "insert into profiles (user_id) values (?1) on conflict do nothing",
                    [id],
                )
            })
            .await?;
        Ok(())
    }

    /// Somebody as the server sees them.
    pub fn viewer(&self, who: &Who) -> Viewer {
        let member = |id, name: &str| {
            Viewer::of(Member {
                id,
                name: name.into(),
                colour: "green".into(),
                avatar: None,
            })
        };
        match who {
            Who::Guest => Viewer::default(),
            Who::Owner => member(OWNER_ID, OWNER),
            // The same number for the same name, whoever came first, and never the owner's.
            Who::Member(name) => {
                let digest = name
                    .bytes()
                    .fold(7_i64, |sum, byte| (sum * 31 + i64::from(byte)) % 1_000_000_007);
                member(digest + OWNER_ID + 1, name)
            }
        }
    }

    /// The module of a scene.
    pub fn installation(&self, plugin: &Plugin, scene: &Scene) -> Installation {
        Installation {
            id: MODULE_ID,
            plugin: plugin.manifest.id.as_str().into(),
            wall: OWNER.into(),
            owner_id: OWNER_ID,
            settings: scene.settings.to_string().into(),
            seed: scene.seed,
            width: scene.width,
            height: scene.height,
            refused: scene.refused,
            utc_offset_minutes: scene.utc_offset_minutes,
            locale: scene.locale.as_str().into(),
        }
    }

    /// Makes one call and writes everything down. What `act` wrote is kept when it succeeded. `url` is where the view's
    /// forms post to; `returned` is the refusal that the view is to show.
    pub async fn call(
        &self,
        plugin: &Arc<Plugin>,
        scene: &Scene,
        what: &What,
        url: &str,
        returned: Option<Returned<'_>>,
    ) -> Result<Report> {
        let installation = match what.is_in_rooms() {
            false => self.installation(plugin, scene),
            true => Installation {
                settings: settings::complete(&plugin.manifest.settings, &scene.settings.to_string()).into(),
                refused: grants::OF_MODULES.or(scene.refused),
                ..Installation::in_room(plugin, scene.room.as_str().into(), scene.seed)
            },
        };
        let viewer = self.viewer(&scene.viewer);
        let kind = match what {
            What::Render => Kind::Render,
            What::Draw => Kind::Draw,
            What::Command { name, arguments } => Kind::Command { name, arguments },
            What::Filter { text } => Kind::Filter { text },
            What::Act { name, payload, fields } => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                Kind::Act(Submission { name, payload, fields })
            }
        };
        let name = kind.name();
        let (limits, deadline) = kind.limits(plugin);
        let mut notebook = Notebook::default();
        let mut answer = |ask: Ask<'_>, questions: &mut Questions<'_>| {
            let open = notebook.question(&ask);
            let answer = questions.answer(ask);
            notebook.answered(open, &answer);
            answer
        };
        let plugins = &self.app.plugins;
        let (mut questions, finished) = plugins
            .call(plugin, &installation, &viewer, scene.now, &kind, &mut answer)
            .await;
        let personal = questions.asked_who;
        if let Some(trouble) = questions.trouble.take() {
            return Err(anyhow!("the stage's own database: {trouble:?}"));
        }
        let (result, usage, wall) = match &finished {
            Ok(finished) => {
                let done = finished.done();
                let press = self.press(plugin, &viewer, personal, url);
                (
                    outcome(&done.result, plugin, press, returned),
                    done.usage,
                    finished.wall,
                )
            }
            Err(Fault::Failed(failure, usage)) => (failed(failure), *usage, Duration::from_micros(usage.time_us)),
            Err(Fault::Deadline) => {
                let detail = format!("it took longer than {} ms", deadline.as_millis());
                (
                    Outcomes::Failed {
                        kind: "time".into(),
                        detail,
                    },
                    Usage::default(),
                    deadline,
                )
            }
            Err(fault) => bail!("{fault}"),
        };
        if result.keeps() {
            questions
                .leavings()
                .commit(&self.app.db, &installation, scene.now)
                .await
                .map_err(|error| anyhow!("{error:?}"))?;
        }
        Ok(Report {
            plugin: plugin.manifest.id.clone(),
            version: plugin.manifest.version.clone(),
            export: name,
            viewer: scene.viewer.to_string(),
            result,
            fuel: Of {
                used: usage.fuel,
                limit: limits.fuel,
            },
            time_us: Of {
                used: wall.as_micros() as u64,
                limit: deadline.as_micros() as u64,
            },
            memory_bytes: Of {
                used: usage.memory_bytes,
                limit: limits.memory_bytes,
            },
            host_calls: Of {
                used: notebook.asked.len() as u64,
                limit: limits.host_calls.into(),
            },
            host_call_bytes: Of {
                used: notebook.bytes,
                limit: limits.host_call_bytes.into(),
            },
            asked: notebook.asked,
            writes: notebook.writes,
            log: notebook.log,
            notes: notebook.notes,
            refreshed: notebook.refreshed,
            personal,
        })
    }

    fn press<'a>(&'a self, plugin: &Plugin, viewer: &Viewer, personal: bool, url: &'a str) -> Press<'a> {
        if !plugin.roles.actions {
            return Press::None;
        }
        let audience = view::audience(viewer.class(OWNER_ID), personal, viewer.id());
        let expires = tokens::minutes(now_ms()) + tokens::LIFETIME_MINUTES;
        Press::Signed(Actions {
            url,
            signer: &self.signer,
            installation: MODULE_ID,
            audience,
            expires,
        })
    }

    /// The action of a token that a form posted.
    pub fn action(&self, token: &str, who: &Who) -> Result<tokens::Action, tokens::Rejected> {
        let viewer = self.viewer(who);
        let checked = self
            .signer
            .check(token, MODULE_ID, viewer.class(OWNER_ID), viewer.id(), now_ms());
        checked.map_err(|(rejected, _)| rejected)
    }

    /// What the plugin keeps.
    pub fn stored(&self, plugin: &str) -> Result<Stored> {
        let row = |row: &rusqlite::Row<'_>| {
            let value: Vec<u8> = row.get(1)?;
            Ok((row.get::<_, String>(0)?, Kept::new(&value, row.get(2)?)))
        };
        let (storage, shared) = self.app.db.read(|db| {
            let own = "select key, value, expires_at from plugin_storage where module_id = ?1 order by key";
            let shared = "select key, value, expires_at from plugin_shared_storage where plugin = ?1 order by key";
            Ok((db.all(own, [MODULE_ID], row)?, db.all(shared, [plugin], row)?))
        })?;
        Ok(Stored {
            storage: storage.into_iter().collect(),
            shared_storage: shared.into_iter().collect(),
        })
    }

    /// Puts this in place of all that the plugin keeps.
    pub async fn store(&self, plugin: &str, stored: Stored) -> Result<()> {
        let parts = |map: BTreeMap<String, Kept>| {
            map.into_iter()
                .map(|(key, kept)| {
                    kept.into_parts()
                        .map(|(value, expires)| (key.clone(), value, expires))
                        .with_context(|| format!("the key {key}"))
                })
                .collect::<Result<Vec<_>>>()
        };
        let (own, shared, plugin) = (parts(stored.storage)?, parts(stored.shared_storage)?, plugin.to_owned());
        self.app
            .db
            .write(move |tx| {
                tx.run("delete from plugin_storage where module_id = ?1", [MODULE_ID])?;
                tx.run("delete from plugin_shared_storage where plugin = ?1", [&plugin])?;
                for (key, value, expires) in own {
                    tx.run(
                        "insert into plugin_storage (module_id, key, value, expires_at) values (?1, ?2, ?3, ?4)",
                        params![MODULE_ID, key, value, expires],
                    )?;
                }
                for (key, value, expires) in shared {
                    tx.run(
                        "insert into plugin_shared_storage (plugin, key, value, expires_at) values (?1, ?2, ?3, ?4)",
                        params![plugin, key, value, expires],
                    )?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }
}

/// Checks and writes what came out of a call.
fn outcome(outcome: &Outcome<'_>, plugin: &Plugin, press: Press<'_>, returned: Option<Returned<'_>>) -> Outcomes {
    let nodes = |view: &View<'_>| Of {
        used: view.nodes.len() as u64,
        limit: view::NODES_MAX as u64,
    };
    let mut out = String::new();
    match outcome {
        Outcome::View(found) => match view::write_html(found, press, returned, &mut out) {
            Ok(()) => Outcomes::View {
                nodes: nodes(found),
                html_bytes: out.len(),
                html: out,
                max_age_seconds: found.max_age_seconds,
            },
            Err(error) => Outcomes::Failed {
                kind: "view".into(),
                detail: error.to_string(),
            },
        },
        Outcome::Drawing(Ok(found)) => match view::write_svg(found, plugin.manifest.css.as_deref(), &mut out) {
            Ok(()) => Outcomes::Drawing {
                nodes: nodes(found),
                svg_bytes: out.len(),
                svg: out,
            },
            Err(error) => Outcomes::Failed {
                kind: "view".into(),
                detail: error.to_string(),
            },
        },
        Outcome::Drawing(Err(message)) => Outcomes::Refused {
            message: (*message).to_owned(),
            field: None,
        },
        Outcome::Acted(Ok(message)) => Outcomes::Done {
            message: message.map(str::to_owned),
        },
        Outcome::Acted(Err((message, field))) => Outcomes::Refused {
            message: (*message).to_owned(),
            field: field.map(str::to_owned),
        },
        Outcome::Commanded(Ok(reply)) => match rooms::said(*reply) {
            Ok((say, whisper)) => Outcomes::Reply { say, whisper },
            Err(detail) => broken_rule(detail),
        },
        Outcome::Commanded(Err(message)) | Outcome::Filtered(Verdict::Refuse(message)) => Outcomes::Refused {
            message: rooms::tidy(message),
            field: None,
        },
        Outcome::Filtered(Verdict::Pass) => Outcomes::Pass,
        Outcome::Filtered(Verdict::Rewrite(text)) => match rooms::rewritten(text) {
            Ok(text) => Outcomes::Rewrite { text },
            Err(detail) => broken_rule(detail),
        },
        Outcome::Failed(failure) => failed(failure),
    }
}

fn broken_rule(detail: String) -> Outcomes {
    Outcomes::Failed {
        kind: "answer".into(),
        detail,
    }
}

fn failed(failure: &Failure) -> Outcomes {
    Outcomes::Failed {
        kind: format!("{:?}", failure.kind).to_lowercase(),
        detail: failure.detail.clone(),
    }
}

/// What a call asks, written down while it runs.
#[derive(Default)]
struct Notebook {
    asked: Vec<Asked>,
    bytes: u64,
    writes: Vec<Write>,
    log: Vec<Line>,
    notes: Vec<String>,
    refreshed: bool,
}

/// What becomes real if the question is answered well.
enum Open {
    Nothing,
    Write(Write),
    Note(String),
    Refresh,
}

impl Notebook {
    fn question(&mut self, ask: &Ask<'_>) -> Open {
        let scope = |scope: &Scope| match scope {
            Scope::Installation => "storage",
            Scope::Shared => "shared-storage",
        };
        let (what, bytes, open) = match ask {
            Ask::Pseudonym => ("viewer.pseudonym".to_owned(), 0, Open::Nothing),
            Ask::ViewerName => ("viewer-name.get".to_owned(), 0, Open::Nothing),
            Ask::Log { level, message } => {
                let level = ["debug", "info", "warn", "error"][usize::from(*level).min(3)];
                self.log.push(Line {
                    level,
                    message: (*message).to_owned(),
                });
                (format!("log.write {level}"), message.len(), Open::Nothing)
            }
            Ask::Get { scope: s, key } => (format!("{}.get {key}", scope(s)), key.len(), Open::Nothing),
            Ask::Put {
                scope: s,
                key,
                value,
                expires,
            } => {
                let write = Write {
                    scope: scope(s),
                    key: (*key).to_owned(),
                    value: Some(shown(value)),
                    expires: *expires,
                };
                (
                    format!("{}.put {key}", scope(s)),
                    key.len() + value.len(),
                    Open::Write(write),
                )
            }
            Ask::Delete { scope: s, key } => {
                let write = Write {
                    scope: scope(s),
                    key: (*key).to_owned(),
                    value: None,
                    expires: None,
                };
                (format!("{}.delete {key}", scope(s)), key.len(), Open::Write(write))
            }
            Ask::Add { scope: s, key, delta } => {
                let write = Write {
                    scope: scope(s),
                    key: (*key).to_owned(),
                    value: Some(format!("{delta:+}")),
                    expires: None,
                };
                (
                    format!("{}.add {key} {delta:+}", scope(s)),
                    key.len() + 8,
                    Open::Write(write),
                )
            }
            Ask::Scan {
                scope: s,
                prefix,
                after,
                limit,
            } => {
                let after = after.map_or(String::new(), |after| format!(" after {after}"));
                (
                    format!("{}.scan “{prefix}”{after}, {limit}", scope(s)),
                    prefix.len(),
                    Open::Nothing,
                )
            }
            Ask::Refresh => ("live.refresh".to_owned(), 0, Open::Refresh),
            Ask::Notify { text } => (
                "notify-owner.send".to_owned(),
                text.len(),
                Open::Note((*text).to_owned()),
            ),
        };
        self.bytes += bytes as u64;
        self.asked.push(Asked {
            what,
            answer: String::new(),
        });
        open
    }

    fn answered(&mut self, open: Open, answer: &OwnedAnswer) {
        let (words, bytes) = match answer {
            OwnedAnswer::Done => ("done".to_owned(), 0),
            OwnedAnswer::Name(name) => (
                name.clone().unwrap_or_else(|| "nobody".into()),
                name.as_ref().map_or(0, String::len),
            ),
            OwnedAnswer::Value(None) => ("nothing".to_owned(), 0),
            OwnedAnswer::Value(Some(value)) => (shown(value), value.len()),
            OwnedAnswer::Existed(existed) => (if *existed { "removed" } else { "there was none" }.to_owned(), 0),
            OwnedAnswer::Sum(sum) => (sum.to_string(), 8),
            OwnedAnswer::Entries(entries) => {
                let bytes = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
                (format!("{} entries", entries.len()), bytes)
            }
            OwnedAnswer::Refused(why) => (format!("refused: {why:?}"), 0),
        };
        self.bytes += bytes as u64;
        if let Some(asked) = self.asked.last_mut() {
            asked.answer = words;
        }
        if matches!(answer, OwnedAnswer::Refused(_)) {
            return;
        }
        match open {
            Open::Nothing => {}
            Open::Write(write) => self.writes.push(write),
            Open::Note(text) => self.notes.push(text),
            Open::Refresh => self.refreshed = true,
        }
    }
}

/// A value for people: its text, or its length.
fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if text.len() <= SHOWN_BYTES => text.to_owned(),
        Ok(text) => format!(
            "{}… ({} bytes)",
            &text[..text.floor_char_boundary(SHOWN_BYTES)],
            value.len()
        ),
        Err(_) => format!("{} bytes", value.len()),
    }
}

/// A plugin's file in a path, or what a project's build makes.
pub fn plugin_bytes(path: &Path, messages: build::Messages) -> Result<Vec<u8>> {
    if path.is_file() {
        return fs::read(path).map_err(|error| anyhow!("{}: {error}", path.display()));
    }
    Ok(build::build_one(super::project::Project::open(path)?, messages)?.bytes)
}
