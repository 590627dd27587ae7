//! The plugin platform: what operators install, members put on their walls and visitors use, and nobody has to trust.
//!
//! A view's way: [`Plugins::view`] (in `calls.rs`) finds it in memory, or renders it: [`lanes`] runs the plugin in a
//! confined process, [`imports`] answers what it asks, [`view`] checks what it sent and writes the HTML itself. An
//! action's way ends in one transaction with all that the plugin staged, or in nothing. `registry.rs` decides which
//! plugins there are. This module knows no slice, and no wasmtime.

pub(crate) mod calls;
pub mod compile;
pub mod css;
pub mod grants;
pub mod icon;
pub(crate) mod imports;
pub mod lanes;
pub mod limits;
pub mod manifest;
pub mod pace;
mod registry;
pub mod rooms;
pub mod settings;
mod storage;
mod store;
pub mod tokens;
pub mod view;
pub mod vocabulary;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use neospace_runner::protocol::Grants;

use compile::Component;
pub use grants::Roles;
pub use limits::Limits;
use manifest::Manifest;
use pace::{Breakers, Bucket, Log, Stats, Trouble};
pub use registry::{Change, Held, Plugins};

use crate::config::OnFailure;

/// A plugin that is loaded.
pub struct Plugin {
    pub id: Arc<str>,
    pub manifest: Manifest,
    /// Of the component's file.
    pub sha256: [u8; 32],
    /// Of the component's file, in bytes.
    pub size: usize,
    pub roles: Roles,
    /// What it asks for.
    pub asked: grants::Asked,
    /// What it gets of that, unless a member refuses.
    pub granted: Grants,
    pub limits: Limits,
    pub stats: Arc<Stats>,
    /// Its latest log lines.
    pub log: Arc<Mutex<Log>>,
    breakers: Arc<Breakers>,
    /// Fuel for all calls but filters.
    bucket: Mutex<Bucket>,
    /// Fuel for filters: no crowd elsewhere can take it from them.
    filter_bucket: Mutex<Bucket>,
    /// Of a plugin of rooms: the operator's settings, as a JSON object.
    room_settings: Arc<str>,
    /// Of a filter: what becomes of a message when it fails.
    pub on_failure: OnFailure,
    component: Arc<Component>,
    /// Tells apart what was made by one loaded plugin from what the next one makes.
    generation: u64,
    /// The address of its style sheet; empty without one.
    sheet: String,
}

impl Plugin {
    /// The address of its style sheet, which changes with its content; empty without one.
    pub fn sheet(&self) -> &str {
        &self.sheet
    }

    /// Its SHA-256 in hex.
    pub fn hash(&self) -> String {
        hex(&self.sha256)
    }

    /// Until when it rests everywhere after three faults, Unix milliseconds.
    pub fn rests_until(&self, now_ms: i64) -> Option<i64> {
        let Breakers {
            walls,
            commands,
            filter,
        } = &*self.breakers;
        let rests = [walls, commands, filter].map(|breaker| pace::lock(breaker).rests_until(now_ms, None));
        rests.into_iter().flatten().max()
    }

    /// The operator's settings of a plugin of rooms: a JSON object, complete.
    pub fn room_settings(&self) -> &Arc<str> {
        &self.room_settings
    }
}

/// A module on a wall, as far as plugins are concerned.
#[derive(Clone, Debug)]
pub struct Installation {
    pub id: i64,
    pub plugin: Arc<str>,
    /// The owner's name, which is the wall's.
    pub wall: Arc<str>,
    pub owner_id: i64,
    /// JSON as it is stored; what is missing is filled in from the schema.
    pub settings: Arc<str>,
    pub seed: u64,
    /// Cells, 1 to 4.
    pub width: u8,
    /// Cells, 1 to 12.
    pub height: u8,
    /// What the owner refuses.
    pub refused: Grants,
    /// The owner's local time minus UTC.
    pub utc_offset_minutes: i16,
    pub locale: Arc<str>,
}

/// In place of a module's id: the call comes from a room, and `wall` is the room's name.
const IN_ROOMS: i64 = 0;

impl Installation {
    /// What stands for an installation in a call from a room: the plugin works there once for the whole server.
    pub(crate) fn in_room(plugin: &Plugin, room: Arc<str>, seed: u64) -> Self {
        Installation {
            id: IN_ROOMS,
            plugin: plugin.id.clone(),
            wall: room,
            owner_id: 0,
            settings: plugin.room_settings.clone(),
            seed,
            width: 0,
            height: 0,
            refused: grants::OF_MODULES,
            utc_offset_minutes: 0,
            locale: "".into(),
        }
    }

    fn is_in_rooms(&self) -> bool {
        self.id == IN_ROOMS
    }
}

/// What stands in a module.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Ready to be put into the module's shadow root.
    pub html: Arc<str>,
    pub state: ShownState,
    /// It is this viewer's own: don't show it to others of their class.
    pub personal: bool,
    /// When it should be asked for again, Unix milliseconds; nothing when a topic will tell.
    pub expires: Option<i64>,
    /// What it was made from.
    pub topics: Arc<[Arc<str>]>,
    pub cost: Cost,
}

/// How what stands there came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownState {
    /// As the plugin would show it now.
    Fresh,
    /// The last view that worked, from `since_ms` on.
    Stale { since_ms: i64, why: String },
    /// A sentence in its place.
    Failed { why: String },
    /// The plugin isn't in force: see [`Plugins::standing`].
    Tombstone,
}

/// What the call cost that made a view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub fuel: u64,
    pub fuel_limit: u64,
    /// By the host's clock.
    pub time_us: u64,
    /// The plugin's, not only this module's.
    pub last_fault: Option<Trouble>,
}

/// A sticker's picture.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// An SVG document. Serve it with `Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; sandbox`.
    pub svg: Bytes,
    /// Without quotes.
    pub etag: String,
}

/// What came of an action.
#[derive(Clone, Debug)]
pub struct Acted {
    /// A sentence for the one who acted.
    pub message: Option<String>,
    /// The plugin asks that everyone on the wall sees the change.
    pub refresh: bool,
    /// It was refused: nothing was kept.
    pub refused: Option<Refused>,
}

/// An action that came to nothing.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What was wrong and what is allowed. It stands in `shown` too.
    pub message: String,
    /// The plugin's name of the field it is about; in the page that is `f-NAME`.
    pub field: Option<String>,
    /// The module with everything that was typed still in its form, for this viewer alone.
    pub shown: Shown,
}

/// Whether a plugin can be used.
#[derive(Clone)]
pub enum Standing {
    Ready(Arc<Plugin>),
    /// The operator has switched it off.
    Disabled(Option<Arc<Plugin>>),
    /// The operator has revoked this very file.
    Revoked {
        /// The operator's words, or none.
        why: String,
        /// When this server learnt of it, Unix milliseconds.
        when: i64,
        plugin: Option<Arc<Plugin>>,
    },
    /// It isn't in the configuration (any more).
    Missing(Option<Arc<Plugin>>),
    /// It is in the configuration and can't be loaded; `why` is for the operator.
    Broken {
        why: String,
    },
}

impl Standing {
    /// The plugin, if it can be used.
    pub fn ready(&self) -> Option<&Arc<Plugin>> {
        match self {
            Standing::Ready(plugin) => Some(plugin),
            _ => None,
        }
    }

    pub fn is_ready(&self) -> bool {
        self.ready().is_some()
    }

    /// The plugin as it is or was, if this server has ever loaded it.
    pub fn plugin(&self) -> Option<&Arc<Plugin>> {
        match self {
            Standing::Ready(plugin) => Some(plugin),
            Standing::Disabled(plugin) | Standing::Missing(plugin) | Standing::Revoked { plugin, .. } => {
                plugin.as_ref()
            }
            Standing::Broken { .. } => None,
        }
    }

    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Standing::Ready(_) => "ready",
            Standing::Disabled(_) => "disabled",
            Standing::Revoked { .. } => "revoked",
            Standing::Missing(_) => "missing",
            Standing::Broken { .. } => "broken",
        }
    }

    /// A sentence for visitors, why there is nothing to use; what is kept stays.
    pub fn words(&self) -> String {
        match self {
            Standing::Ready(_) => String::new(),
            Standing::Disabled(_) => "The operator has switched this plugin off. What it keeps is still there.".into(),
            Standing::Revoked { why, .. } if why.is_empty() => {
                "The operator has revoked this plugin. What it keeps is still there.".into()
            }
            Standing::Revoked { why, .. } => {
                format!(
                    "The operator has revoked this plugin: {why}. What it keeps is still there.",
                    why = why.trim_end_matches('.')
                )
            }
            Standing::Missing(_) => "This plugin is not installed here any more. What it keeps is still there.".into(),
            Standing::Broken { .. } => "This plugin can't be loaded just now; the operator's log says why.".into(),
        }
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
