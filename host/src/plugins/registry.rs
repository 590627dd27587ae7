//! Which plugins there are: loaded from the configuration, all or nothing, swapped in one step.
//!
//! Loading: read the file → its hash is the pinned one and not revoked → manifest → compile → roles from its exports,
//! capabilities from its imports against manifest and grants → one render with default settings. What fails at a reload
//! leaves everything as it was and says why; what fails at the start leaves that one plugin out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use hmac::{Hmac, KeyInit as _};
use neospace_runner::protocol::{Ask, CallLimits, Context, Export, Grants, Outcome, Params, RoomContext, ViewerClass};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, broadcast};

use super::calls::{ByLength, Made, Picture, Turn, ViewKey};
use super::compile::{self, CompileOptions, Component};
use super::grants::{self, Asked, Roles};
use super::lanes::{Fault, Finished, LaneOptions, LaneStatistics, Lanes, OwnedAnswer};
use super::limits::Limits;
use super::manifest::{self, Manifest};
use super::pace::{BREAKER_FAULTS, BREAKER_MS, Breakers, Bucket, Log, lock};
use super::rooms::Filter;
use super::tokens::{self, Signer};
use super::view::{self, Press};
use super::{Plugin, Standing, hex, settings, storage, store};
use crate::app::now_ms;
use crate::cache::Topics;
use crate::config::{self, Config, OnFailure};
use crate::db::Db;
use crate::error::Error;

/// Memory for views, in bytes.
const VIEWS_BYTES: u64 = 32 << 20;
/// Memory for the last views that worked, in bytes.
const LAST_GOOD_BYTES: u64 = 16 << 20;
/// Memory for stickers' pictures, in bytes.
const PICTURES_BYTES: u64 = 8 << 20;
/// Changes that a listener may lag behind.
const CHANGES: usize = 64;
/// How often expired values are swept away.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Plugins that are compiled at the same time.
const COMPILE_AT_ONCE: usize = 2;
/// The largest file that is read at all, in bytes: enough to say how much too large it is.
const FILE_MAX: u64 = 64 << 20;
/// How often a trial render that failed for the machine's sake is tried.
const TRIALS: usize = 5;

/// The plugins of this server; cheap to clone.
#[derive(Clone)]
pub struct Plugins {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub db: Db,
    pub topics: Topics,
    pub lanes: Lanes,
    pub signer: Signer,
    pub pseudonyms: Hmac<Sha256>,
    pub views: Cache<ViewKey, Arc<Made>, ByLength>,
    /// By installation and audience.
    pub last_good: Cache<(i64, tokens::Audience), Arc<Made>, ByLength>,
    /// By installation, generation and look.
    pub pictures: Cache<(i64, u64, u64), Arc<Picture>, ByLength>,
    /// Actions wait here for those before them.
    pub turns: Mutex<HashMap<Turn, Arc<tokio::sync::Mutex<()>>>>,
    /// Fuel by wall.
    pub walls: Mutex<HashMap<Arc<str>, Bucket>>,
    set: RwLock<Arc<Set>>,
    changes: broadcast::Sender<Arc<[Arc<str>]>>,
    generations: AtomicU64,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
    compile_turns: Semaphore,
    secret: [u8; 32],
    dev: bool,
}

/// By name, all that the configuration names and all that was ever loaded since the start.
type Set = BTreeMap<Arc<str>, Entry>;

#[derive(Clone)]
struct Entry {
    standing: Standing,
    held: Option<Held>,
    /// As it was when this was loaded; nothing once the configuration names it no more.
    stanza: Option<config::Plugin>,
    /// The place of its stanza among the others.
    place: usize,
    /// What people call it, if this server has ever had it.
    name: Option<Arc<str>>,
}

/// An upgrade that waits for the operator: it asks for more than was granted, and the version before stays in force.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Held {
    /// In hex.
    pub sha256: String,
    pub version: String,
    /// The capabilities that it needs and wasn't granted.
    pub asks: Vec<&'static str>,
}

/// What a reload changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub plugin: Arc<str>,
    /// A few words, such as "upgraded to 1.3.0".
    pub what: String,
}

/// What loading one stanza needs to know.
struct Wanted<'c> {
    name: &'c Arc<str>,
    stanza: &'c config::Plugin,
    config: &'c Config,
    /// What there was before.
    old: Option<&'c Entry>,
    /// Hashes that have been loaded before: they needn't prove themselves at the start.
    known: &'c BTreeSet<(String, [u8; 32])>,
    in_force: Option<&'c String>,
    at_start: bool,
}

/// A component that is compiled and understood.
struct Prepared {
    manifest: Manifest,
    component: Arc<Component>,
    size: usize,
    roles: Roles,
    asked: Asked,
}

impl Plugins {
    /// Starts the lanes and loads what the configuration names. A plugin that can't be loaded is left out, and the log
    /// says why.
    ///
    /// # Errors
    /// Lanes that can't be confined although the configuration insists; the database's.
    pub async fn start(config: &Config, db: Db, topics: Topics, secret: [u8; 32], dev: bool) -> Result<Self, Error> {
        let options = LaneOptions {
            lanes: config.plugins.lanes as usize,
            require_confinement: config.plugins.require_confinement,
            ..LaneOptions::default()
        };
        let lanes = Lanes::start(options)?;
        let key = tokens::derive(&secret, "neospace pseudonyms 1");
        let inner = Arc::new(Inner {
            db,
            topics,
            lanes,
            signer: Signer::new(&secret),
            pseudonyms: Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"),
            views: Cache::with_weighter(4_096, VIEWS_BYTES, ByLength),
            last_good: Cache::with_weighter(2_048, LAST_GOOD_BYTES, ByLength),
            pictures: Cache::with_weighter(1_024, PICTURES_BYTES, ByLength),
            turns: Mutex::default(),
            walls: Mutex::default(),
            set: RwLock::default(),
            changes: broadcast::Sender::new(CHANGES),
            generations: AtomicU64::new(1),
            reloading: tokio::sync::Mutex::default(),
            compile_turns: Semaphore::new(COMPILE_AT_ONCE),
            secret,
            dev,
        });
        let plugins = Plugins { inner };
        let (set, problems) = plugins.load(config, &Set::new(), true).await?;
        for problem in problems {
            tracing::error!("{problem}");
        }
        *plugins.inner.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        plugins.note_versions(config, &plugins.set()).await?;
        tokio::spawn(sweep(Arc::downgrade(&plugins.inner)));
        Ok(plugins)
    }

    /// Whether a plugin can be used.
    pub fn standing(&self, id: &str) -> Standing {
        self.set()
            .get(id)
            .map_or(Standing::Missing(None), |entry| entry.standing.clone())
    }

    /// What people call a plugin that is or was here, whatever became of it.
    pub fn name_of(&self, id: &str) -> Option<Arc<str>> {
        self.set().get(id)?.name.clone()
    }

    /// The plugins in force, by name.
    pub fn list(&self) -> Vec<Arc<Plugin>> {
        self.set()
            .values()
            .filter_map(|entry| entry.standing.ready().cloned())
            .collect()
    }

    /// Every plugin that the configuration names or named since the start, and how it stands.
    pub fn standings(&self) -> Vec<(Arc<str>, Standing, Option<Held>)> {
        self.set()
            .iter()
            .map(|(name, entry)| (name.clone(), entry.standing.clone(), entry.held.clone()))
            .collect()
    }

    /// The upgrade of this plugin that waits for the operator.
    pub fn held(&self, id: &str) -> Option<Held> {
        self.set().get(id)?.held.clone()
    }

    /// Tells which plugins were installed, upgraded, revoked or switched, as soon as it holds.
    pub fn changes(&self) -> broadcast::Receiver<Arc<[Arc<str>]>> {
        self.inner.changes.subscribe()
    }

    /// What the lanes have done so far.
    pub fn lanes(&self) -> LaneStatistics {
        self.inner.lanes.statistics()
    }

    /// Takes another configuration's plugins, all or none; but what it revokes is gone in any case, and first.
    ///
    /// # Errors
    /// [`Error::Conflict`] with a line for each plugin that can't be loaded; what there was stays in force.
    pub async fn reload(&self, config: &Config) -> Result<Vec<Change>, Error> {
        let _one_at_a_time = self.inner.reloading.lock().await;
        let mut changes = self.revoke(config);
        let old = self.set();
        let (new, problems) = self.load(config, &old, false).await?;
        if !problems.is_empty() {
            return Err(Error::Conflict(problems.join("\n")));
        }
        changes.append(&mut self.swap(new));
        // Noted when it holds: what is noted and doesn't would be taken for the version before at the next start.
        if let Err(error) = self.note_versions(config, &self.set()).await {
            tracing::error!(%error, "which plugins are in force was not noted for the next start");
        }
        Ok(changes)
    }

    /// Takes revocations alone, at once: no other plugin's trouble, nor the time it takes to compile, holds them up.
    fn revoke(&self, config: &Config) -> Vec<Change> {
        let mut set = Set::clone(&self.set());
        for entry in set.values_mut() {
            let Some(plugin) = entry.standing.ready() else {
                continue;
            };
            if let Some(why) = revoked(config, &plugin.hash()) {
                let standing = revocation(why, Some(entry), Some(plugin));
                *entry = Entry {
                    standing,
                    held: None,
                    stanza: None,
                    place: entry.place,
                    name: entry.name.clone(),
                };
            }
        }
        self.swap(set)
    }

    /// Puts another set in the place of the present one, and tells everyone whom it concerns.
    fn swap(&self, new: Set) -> Vec<Change> {
        let old = self.set();
        let changes = differences(&old, &new);
        let new = Arc::new(new);
        *self.inner.set.write().unwrap_or_else(PoisonError::into_inner) = new.clone();
        if changes.is_empty() {
            return changes;
        }
        for change in &changes {
            tracing::info!(plugin = &*change.plugin, "{}", change.what);
            // What was taken away stops in the middle of its calls; what was replaced may finish them.
            let before = old.get(&change.plugin).and_then(|entry| entry.standing.ready());
            let gone = new.get(&change.plugin).is_none_or(|entry| !entry.standing.is_ready());
            if let Some(before) = before.filter(|_| gone) {
                self.inner.lanes.cancel(&before.component);
                // Nor do its views wait in memory for its return: the operator may purge what they show.
                self.inner.last_good.clear();
            }
        }
        let names: Arc<[Arc<str>]> = changes.iter().map(|change| change.plugin.clone()).collect();
        let topics: Vec<String> = names.iter().map(|name| format!("plugin:{name}")).collect();
        self.inner.topics.bump(&topics);
        self.inner.topics.bump(&["plugins"]);
        // An error says that nobody listens, which is fine.
        let _unheard = self.inner.changes.send(names);
        changes
    }

    fn set(&self) -> Arc<Set> {
        self.inner.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads what `config` names; the set that it makes, and what is wrong. At a reload, a plugin that was broken before
    /// and is still, by the same stanza, is no news.
    async fn load(&self, config: &Config, old: &Set, at_start: bool) -> Result<(Set, Vec<String>), Error> {
        let known = self.known_versions()?;
        let in_force = store::in_force(&config.data);
        let names: Vec<Arc<str>> = config.plugin.keys().map(|name| Arc::from(name.as_str())).collect();
        let loads = names.iter().zip(config.plugin.values()).map(async |(name, stanza)| {
            let wanted = Wanted {
                name,
                stanza,
                config,
                old: old.get(name),
                known: &known,
                in_force: in_force.get(&**name),
                at_start,
            };
            self.load_one(&wanted).await
        });
        let loaded = join_all(loads).await;
        let mut set = Set::new();
        let mut problems = Vec::new();
        for ((name, stanza), loaded) in names.iter().zip(config.plugin.values()).zip(loaded) {
            let entry = loaded.unwrap_or_else(|why| {
                let before = old.get(name);
                let same = before.is_some_and(|entry| {
                    matches!(entry.standing, Standing::Broken { .. }) && entry.stanza.as_ref() == Some(stanza)
                });
                if !same {
                    problems.push(format!("plugin {name}: {why}"));
                }
                Entry {
                    standing: Standing::Broken { why },
                    held: None,
                    stanza: Some(stanza.clone()),
                    place: 0,
                    name: None,
                }
            });
            let named = config.plugin_order.iter().position(|named| **named == **name);
            let place = named.unwrap_or(config.plugin_order.len());
            let called = entry
                .standing
                .plugin()
                .map(|plugin| plugin.manifest.name.as_str().into());
            let before = || old.get(name).and_then(|before| before.name.clone());
            let kept = || kept_name(config, name, &known).filter(|_| at_start);
            let called = called.or_else(before).or_else(kept);
            let entry = Entry {
                place,
                name: called,
                ..entry
            };
            set.insert(name.clone(), entry);
        }
        for (name, entry) in old.iter().filter(|(name, _)| !config.plugin.contains_key(&***name)) {
            // Kept for its name, so that a tombstone can say what stood there.
            let plugin = entry.standing.plugin().cloned();
            set.insert(
                name.clone(),
                Entry {
                    standing: Standing::Missing(plugin),
                    held: None,
                    stanza: None,
                    place: 0,
                    name: entry.name.clone(),
                },
            );
        }
        // Those that were here before the start, for what is left of them on walls.
        for (name, _) in known.iter().filter(|_| at_start) {
            if !set.contains_key(name.as_str()) {
                let entry = Entry {
                    standing: Standing::Missing(None),
                    held: None,
                    stanza: None,
                    place: 0,
                    name: kept_name(config, name, &known),
                };
                set.insert(name.as_str().into(), entry);
            }
        }
        for (name, why) in doubled_commands(&set) {
            let before = old.get(&name).map(|entry| &entry.standing);
            if !matches!(before, Some(Standing::Broken { why: before }) if *before == why) {
                problems.push(format!("plugin {name}: {why}"));
            }
            if let Some(entry) = set.get_mut(&name) {
                entry.standing = Standing::Broken { why };
            }
        }
        Ok((set, problems))
    }

    /// The filters in the order of the configuration file: those that work, and those that can't be loaded although
    /// nothing may be said without them.
    pub(super) fn filters(&self) -> Vec<Filter> {
        let set = self.set();
        let mut filters: Vec<(usize, Filter)> = set
            .iter()
            .filter_map(|(name, entry)| {
                let filter = match &entry.standing {
                    Standing::Ready(plugin) if plugin.roles.filter => Filter {
                        plugin: Some(plugin.clone()),
                        name: plugin.manifest.name.clone(),
                        on_failure: plugin.on_failure,
                    },
                    Standing::Broken { .. } => Filter {
                        plugin: None,
                        name: name.to_string(),
                        on_failure: entry
                            .stanza
                            .as_ref()?
                            .on_failure
                            .filter(|on| *on == OnFailure::Closed)?,
                    },
                    _ => return None,
                };
                Some((entry.place, filter))
            })
            .collect();
        filters.sort_by_key(|(place, _)| *place);
        filters.into_iter().map(|(_, filter)| filter).collect()
    }

    async fn load_one(&self, wanted: &Wanted<'_>) -> Result<Entry, String> {
        let Wanted {
            name,
            stanza,
            config,
            old,
            ..
        } = *wanted;
        let before = old.and_then(|entry| entry.standing.plugin());
        let entry = |standing| Entry {
            standing,
            held: None,
            stanza: Some(stanza.clone()),
            place: 0,
            name: None,
        };
        let pin = stanza.sha256.as_ref().map(|pin| pin.to_lowercase());
        if let Some(pin) = &pin
            && let Some(why) = revoked(config, pin)
        {
            return Ok(entry(revocation(why, old, before)));
        }
        if !stanza.enabled {
            return Ok(entry(Standing::Disabled(before.cloned())));
        }
        if pin.is_some()
            && let Some(old) = old
            && old.stanza.as_ref() == Some(stanza)
            && let Some(running) = old.standing.ready()
            && revoked(config, &running.hash()).is_none()
        {
            return Ok(old.clone());
        }
        let Some(pin) = pin.or_else(|| self.inner.dev.then(String::new)) else {
            let hash = match read(&stanza.source) {
                Ok(bytes) => hex(&Sha256::digest(bytes)),
                Err(error) => return Err(error),
            };
            return Err(format!(
                "it has no `sha256`; outside --dev every plugin is pinned. The file's is sha256 = \"{hash}\", if you trust it"
            ));
        };
        let (source, expected) = (stanza.source.clone(), pin.clone());
        let (bytes, sha256) = blocking(move || {
            let bytes = read(&source)?;
            let sha256: [u8; 32] = Sha256::digest(&bytes).into();
            let hash = hex(&sha256);
            if !expected.is_empty() && hash != expected {
                let source = source.display();
                return Err(format!(
                    "{source} has the hash {hash}, but its stanza pins {expected}; it is not loaded"
                ));
            }
            Ok((bytes, sha256))
        })
        .await?;
        let hash = hex(&sha256);
        if let Some(why) = revoked(config, &hash) {
            return Ok(entry(revocation(why, old, before)));
        }
        let operator = grants::parse(&stanza.grants)?;
        // The same file with other grants or limits need not be compiled or tried again.
        let running = old
            .and_then(|entry| entry.standing.ready())
            .filter(|running| running.sha256 == sha256);
        let prepared = match running {
            Some(running) => Prepared::of(running),
            None => self.prepare(name, bytes, config, !pin.is_empty()).await?,
        };
        match grants::granted(prepared.asked, operator) {
            Ok(granted) => {
                let settings = room_settings(&prepared, name, stanza, config)?;
                // Other settings are another trial: they are all that a filter goes by.
                let same = running.map(|running| running.room_settings == settings);
                let plugin = self.assemble(name, prepared, granted, stanza, before, settings);
                let proven = wanted.at_start && wanted.known.contains(&(name.to_string(), sha256));
                if !same.unwrap_or(proven) {
                    self.try_out(&plugin).await?;
                }
                Ok(entry(Standing::Ready(Arc::new(plugin))))
            }
            Err(refusal) => {
                let asks = grants::names(prepared.asked.needed.without(operator));
                let held = Held {
                    sha256: hash,
                    version: prepared.manifest.version.clone(),
                    asks,
                };
                match self.version_before(wanted, sha256, operator).await {
                    Some(plugin) => {
                        tracing::warn!(
                            plugin = &**name,
                            version = held.version,
                            "an upgrade waits: {refusal}; version {} stays in force",
                            plugin.manifest.version
                        );
                        Ok(Entry {
                            held: Some(held),
                            ..entry(Standing::Ready(plugin))
                        })
                    }
                    None => Err(refusal),
                }
            }
        }
    }

    /// The version that stays in force while an upgrade waits: the one that runs, or ran before a restart.
    async fn version_before(&self, wanted: &Wanted<'_>, newer: [u8; 32], operator: Grants) -> Option<Arc<Plugin>> {
        let Wanted {
            name,
            stanza,
            config,
            old,
            ..
        } = *wanted;
        let running = old
            .and_then(|entry| entry.standing.ready())
            .filter(|running| running.sha256 != newer);
        let prepared = match running {
            Some(running) => Prepared::of(running),
            None => {
                let hash = wanted
                    .in_force
                    .filter(|hash| **hash != hex(&newer) && hash.len() == 64)?;
                let bytes = read(&store::path(&config.data, name, hash)).ok()?;
                if hex(&Sha256::digest(&bytes)) != **hash {
                    return None;
                }
                self.prepare(name, bytes, config, true).await.ok()?
            }
        };
        if revoked(config, &hex(&prepared.component.hash)).is_some() {
            return None;
        }
        let granted = grants::granted(prepared.asked, operator).ok()?;
        let settings = room_settings(&prepared, name, stanza, config).ok()?;
        Some(Arc::new(
            self.assemble(name, prepared, granted, stanza, running, settings),
        ))
    }

    /// Reads the manifest, compiles, and holds the two against each other.
    async fn prepare(&self, name: &Arc<str>, bytes: Vec<u8>, config: &Config, keep: bool) -> Result<Prepared, String> {
        let _turn = self
            .inner
            .compile_turns
            .acquire()
            .await
            .map_err(|_| "the server shuts down".to_owned())?;
        let (name, data, secret) = (name.clone(), config.data.clone(), self.inner.secret);
        let options = CompileOptions {
            require_confinement: config.plugins.require_confinement,
            ..CompileOptions::default()
        };
        blocking(move || {
            if bytes.len() > options.wasm_bytes {
                let most = options.wasm_bytes >> 20;
                return Err(format!("the file has {} bytes; {most} MiB are allowed", bytes.len()));
            }
            let manifest = manifest::extract(&bytes).map_err(|errors| errors.to_string())?;
            if manifest.id != *name {
                return Err(format!(
                    "the file is the plugin `{}`; its stanza must be [plugin.{}]",
                    manifest.id, manifest.id
                ));
            }
            let component = compile::component(&data.join("compiled"), &secret, &bytes, &options)
                .map_err(|fault| format!("it can't be compiled: {fault}"))?;
            let roles = grants::roles(&component.inspection)?;
            grants::fits(roles, &component.inspection, &manifest)?;
            let asked = grants::asked(&component.inspection, &manifest)?;
            if keep {
                store::keep(&data, &name, &hex(&component.hash), &bytes)
                    .map_err(|error| format!("no copy of it can be kept in {}: {error}", data.display()))?;
            }
            Ok(Prepared {
                manifest,
                component: Arc::new(component),
                size: bytes.len(),
                roles,
                asked,
            })
        })
        .await
    }

    fn assemble(
        &self,
        name: &Arc<str>,
        prepared: Prepared,
        granted: Grants,
        stanza: &config::Plugin,
        before: Option<&Arc<Plugin>>,
        room_settings: Arc<str>,
    ) -> Plugin {
        let Prepared {
            manifest,
            component,
            size,
            roles,
            asked,
        } = prepared;
        let sha256 = component.hash;
        let limits = Limits::with(&stanza.limits);
        // Figures and faults belong to the file, the log to the plugin.
        let same = before.filter(|before| before.sha256 == sha256);
        let sheet = manifest
            .css
            .as_ref()
            .filter(|css| !css.is_empty())
            .map_or_else(String::new, |css| {
                format!("/plugins/{name}/style.{}.css", &hex(&Sha256::digest(css))[..16])
            });
        Plugin {
            id: name.clone(),
            sheet,
            sha256,
            size,
            roles,
            asked,
            granted,
            limits,
            stats: same.map_or_else(Arc::default, |before| before.stats.clone()),
            log: before.map_or_else(|| Arc::new(Mutex::new(Log::default())), |before| before.log.clone()),
            breakers: same.map_or_else(|| Arc::new(self.breakers(&sha256)), |before| before.breakers.clone()),
            bucket: Mutex::new(Bucket::of_fuel(limits.fuel_per_second)),
            filter_bucket: Mutex::new(Bucket::of_fuel(limits.fuel_per_second)),
            room_settings,
            on_failure: stanza.on_failure.unwrap_or_default(),
            component,
            generation: self.inner.generations.fetch_add(1, Relaxed),
            manifest,
        }
    }

    /// The breakers of a file, with what it did by itself before a restart; what somebody's input did is forgiven.
    fn breakers(&self, sha256: &[u8; 32]) -> Breakers {
        let breakers = Breakers::default();
        let since = now_ms() - BREAKER_MS;
        let faults = self.inner.db.read(|db| {
            db.all(
                "select at from plugin_faults
                  where sha256 = ?1 and at > ?2 and export in ('render', 'draw') order by id desc limit ?3",
                rusqlite::params![sha256, since, BREAKER_FAULTS as i64],
                |row| row.get::<_, i64>(0),
            )
        });
        for at in faults.unwrap_or_default().into_iter().rev() {
            lock(&breakers.walls).note(at, None);
        }
        breakers
    }

    /// A call of each kind for nobody, of which nothing is kept: what fails here would fail everywhere.
    async fn try_out(&self, plugin: &Plugin) -> Result<(), String> {
        let defaults = plugin.manifest.default_settings();
        let room = RoomContext {
            now: now_ms().max(0) as u64,
            seed: 1,
            room: "nowhere",
            settings: &plugin.room_settings,
        };
        if plugin.roles.sticker {
            let params = Params {
                seed: 1,
                wall: "nobody",
                settings: &defaults,
            };
            let drawn = self
                .try_call(plugin, plugin.limits.render(), || Export::Draw(params.clone()))
                .await;
            self.check_view(plugin, drawn)?;
        } else if plugin.roles.widget {
            let context = Context {
                now: room.now,
                seed: 1,
                utc_offset_minutes: 0,
                locale: "en",
                wall: "nobody",
                viewer: ViewerClass::Guest,
                width: plugin.manifest.size.width,
                height: plugin.manifest.size.height,
                settings: &defaults,
            };
            let shown = self
                .try_call(plugin, plugin.limits.render(), || Export::Render(context.clone()))
                .await;
            self.check_view(plugin, shown)?;
        }
        if plugin.roles.filter {
            let export = || Export::Filter {
                context: room.clone(),
                text: "Good evening.",
            };
            self.try_call(plugin, plugin.limits.filter(), export)
                .await
                .map_err(|fault| format!("the first text that it was to filter, with these settings: {fault}"))?;
        }
        for command in plugin.manifest.commands.iter().filter(|_| plugin.roles.commands) {
            let export = || Export::Command {
                context: room.clone(),
                name: &command.name,
                arguments: "",
            };
            // It may well ask for arguments.
            self.try_call(plugin, plugin.limits.act(), export)
                .await
                .map_err(|fault| {
                    format!(
                        "its first call of /{}, without arguments, failed: {fault}",
                        command.name
                    )
                })?;
        }
        Ok(())
    }

    /// One call, and others while it fails for the machine's sake.
    async fn try_call<'e>(
        &self,
        plugin: &Plugin,
        (limits, deadline): (CallLimits, Duration),
        export: impl Fn() -> Export<'e>,
    ) -> Result<Finished, Fault> {
        let grants = match export() {
            Export::Command { .. } | Export::Filter { .. } => plugin.granted.without(grants::OF_MODULES),
            _ => plugin.granted,
        };
        let mut turn = 1;
        loop {
            let lanes = &self.inner.lanes;
            match lanes
                .call(&plugin.component, grants, limits, deadline, export(), &mut empty)
                .await
            {
                // The machine was busy, or slow: that says nothing about the plugin yet.
                Err(Fault::Busy | Fault::LaneDied | Fault::Stalled | Fault::Deadline) if turn < TRIALS => turn += 1,
                called => return called,
            }
        }
    }

    /// Whether a trial's view can be shown.
    fn check_view(&self, plugin: &Plugin, called: Result<Finished, Fault>) -> Result<(), String> {
        let finished = called.map_err(|fault| format!("its first render with default settings failed: {fault}"))?;
        let mut out = String::new();
        let written = match &finished.done().result {
            Outcome::View(view) => {
                let press = if plugin.roles.actions {
                    Press::Inert
                } else {
                    Press::None
                };
                view::write_html(view, press, None, &mut out)
            }
            Outcome::Drawing(Ok(drawing)) => view::write_svg(drawing, plugin.manifest.css.as_deref(), &mut out),
            // A sticker may ask for settings first.
            _ => Ok(()),
        };
        written.map_err(|error| format!("its first view with default settings breaks a rule: {error}"))
    }

    /// Each plugin and hash that was ever in force here.
    fn known_versions(&self) -> Result<BTreeSet<(String, [u8; 32])>, Error> {
        self.inner.db.read(|db| {
            let rows = db.all("select plugin, sha256 from plugin_versions", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            Ok(rows.into_iter().collect())
        })
    }

    /// Remembers which versions have been loaded, and which are in force now.
    async fn note_versions(&self, config: &Config, set: &Set) -> Result<(), Error> {
        let ready: Vec<Arc<Plugin>> = set
            .values()
            .filter_map(|entry| entry.standing.ready().cloned())
            .collect();
        let in_force = ready
            .iter()
            .map(|plugin| (plugin.id.to_string(), plugin.hash()))
            .collect();
        store::set_in_force(&config.data, &in_force)?;
        let known = self.known_versions()?;
        let new: Vec<Arc<Plugin>> = ready
            .into_iter()
            .filter(|plugin| !known.contains(&(plugin.id.to_string(), plugin.sha256)))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let now = now_ms();
        self.inner
            .db
            .write(move |tx| {
                for plugin in &new {
                    tx.run(
                        "insert into plugin_versions (plugin, sha256, version, first_loaded_at) values (?1, ?2, ?3, ?4)
                         on conflict (plugin, sha256) do nothing",
                        rusqlite::params![plugin.id, plugin.sha256, plugin.manifest.version, now],
                    )?;
                }
                Ok(())
            })
            .await
    }
}

impl Prepared {
    fn of(plugin: &Plugin) -> Self {
        Prepared {
            manifest: plugin.manifest.clone(),
            component: plugin.component.clone(),
            size: plugin.size,
            roles: plugin.roles,
            asked: plugin.asked,
        }
    }
}

/// The operator's settings for a plugin of rooms, complete; or what is wrong with them and where it stands.
fn room_settings(
    prepared: &Prepared,
    name: &str,
    stanza: &config::Plugin,
    config: &Config,
) -> Result<Arc<str>, String> {
    let place = |key: &[&str]| {
        let at: Vec<&str> = ["plugin", name].into_iter().chain(key.iter().copied()).collect();
        match config.place(&at) {
            place if place.is_empty() => key.join("."),
            place => format!("{place}: {}", key.join(".")),
        }
    };
    let roles = prepared.roles;
    if stanza.on_failure.is_some() && !roles.filter {
        let place = place(&["on_failure"]);
        return Err(format!(
            "{place}: it filters nothing, so that there is nothing to decide"
        ));
    }
    if !roles.in_rooms() {
        if stanza.settings.is_empty() {
            return Ok("{}".into());
        }
        let place = place(&["settings"]);
        return Err(format!(
            "{place}: its settings are those of each wall; members set them there"
        ));
    }
    settings::from_config(&prepared.manifest.settings, &stanza.settings)
        .map(|settings| settings.to_string().into())
        .map_err(|problems| {
            let line = |(key, problem): (Vec<String>, String)| {
                let key: Vec<&str> = ["settings"].into_iter().chain(key.iter().map(String::as_str)).collect();
                format!("{}: {problem}", place(&key))
            };
            problems.into_iter().map(line).collect::<Vec<_>>().join("; ")
        })
}

/// The plugins that answer a command which one before them answers already, and what is to be said of it.
fn doubled_commands(set: &Set) -> Vec<(Arc<str>, String)> {
    let mut ready: Vec<(usize, &Arc<Plugin>)> = set
        .values()
        .filter_map(|entry| Some((entry.place, entry.standing.ready()?)))
        .collect();
    ready.sort_by_key(|(place, _)| *place);
    let mut owners: HashMap<&str, &Arc<str>> = HashMap::new();
    let mut doubled = Vec::new();
    for (_, plugin) in ready {
        let taken = plugin.manifest.commands.iter().find_map(|command| {
            let owner = owners.get(command.name.as_str())?;
            Some((&command.name, *owner))
        });
        match taken {
            Some((command, owner)) => doubled.push((
                plugin.id.clone(),
                format!("the command /{command} is {owner}'s already; one of the two has to go, or `enabled = false`"),
            )),
            None => owners.extend(
                plugin
                    .manifest
                    .commands
                    .iter()
                    .map(|command| (command.name.as_str(), &plugin.id)),
            ),
        }
    }
    doubled
}

/// What a plugin finds on its trial: nothing is kept, nobody looks.
fn empty(ask: Ask<'_>) -> OwnedAnswer {
    match ask {
        Ask::Pseudonym | Ask::ViewerName => OwnedAnswer::Name(None),
        Ask::Log { .. } | Ask::Put { .. } | Ask::Refresh | Ask::Notify { .. } => OwnedAnswer::Done,
        Ask::Get { .. } => OwnedAnswer::Value(None),
        Ask::Delete { .. } => OwnedAnswer::Existed(false),
        Ask::Add { delta, .. } => OwnedAnswer::Sum(delta),
        Ask::Scan { .. } => OwnedAnswer::Entries(Vec::new()),
    }
}

/// The name in the copy that was kept of a plugin when it was loaded, if there is one.
fn kept_name(config: &Config, name: &str, known: &BTreeSet<(String, [u8; 32])>) -> Option<Arc<str>> {
    let versions = known.iter().filter(|(plugin, _)| plugin == name);
    versions
        .filter_map(|(_, hash)| {
            let bytes = read(&store::path(&config.data, name, &hex(hash))).ok()?;
            let manifest = manifest::extract(&bytes).ok()?;
            Some(manifest.name.as_str().into())
        })
        .next()
}

/// The operator's words, if this hash is revoked.
fn revoked(config: &Config, hash: &str) -> Option<String> {
    let plugins = &config.plugins;
    plugins
        .revoked
        .iter()
        .find(|revoked| revoked.eq_ignore_ascii_case(hash))?;
    let why = plugins
        .revoked_because
        .iter()
        .find(|(revoked, _)| revoked.eq_ignore_ascii_case(hash));
    Some(why.map(|(_, why)| why.clone()).unwrap_or_default())
}

fn revocation(why: String, old: Option<&Entry>, before: Option<&Arc<Plugin>>) -> Standing {
    let when = match old.map(|entry| &entry.standing) {
        Some(Standing::Revoked { when, .. }) => *when,
        _ => now_ms(),
    };
    Standing::Revoked {
        why,
        when,
        plugin: before.cloned(),
    }
}

fn read(source: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    fs::File::open(source)
        .and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes))
        .map_err(|error| format!("{} can't be read: {error}", source.display()))?;
    Ok(bytes)
}

/// Runs what blocks on a thread for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(format!("loading it failed: {error}")),
    }
}

fn differences(old: &Set, new: &Set) -> Vec<Change> {
    let what = |before: Option<&Entry>, after: &Entry| {
        let words = match (before.map(|entry| &entry.standing), &after.standing) {
            (Some(Standing::Ready(before)), Standing::Ready(after)) if before.sha256 != after.sha256 => {
                format!(
                    "{} {} replaces {}",
                    after.id, after.manifest.version, before.manifest.version
                )
            }
            (Some(Standing::Ready(before)), Standing::Ready(after)) if before.generation != after.generation => {
                "grants or limits changed".to_owned()
            }
            (_, Standing::Ready(after)) if !matches!(before, Some(entry) if entry.standing.is_ready()) => {
                format!("{} {} is in force", after.id, after.manifest.version)
            }
            (Some(Standing::Revoked { why: before, .. }), Standing::Revoked { why: after, .. }) if before == after => {
                return None;
            }
            (Some(before), after) if before.name() == after.name() && !matches!(after, Standing::Revoked { .. }) => {
                if before.is_ready() {
                    String::new()
                } else {
                    return None;
                }
            }
            (None, Standing::Missing(_)) => return None,
            (_, after) => format!("it is {}", after.name()),
        };
        let held = match (&before.and_then(|entry| entry.held.clone()), &after.held) {
            (before, Some(held)) if before.as_ref() != Some(held) => {
                format!("version {} waits: it asks for {}", held.version, held.asks.join(", "))
            }
            (Some(_), None) if words.is_empty() => "the upgrade that waited is gone".to_owned(),
            _ => String::new(),
        };
        let all = [words, held]
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        (!all.is_empty()).then_some(all)
    };
    new.iter()
        .filter_map(|(name, after)| {
            Some(Change {
                plugin: name.clone(),
                what: what(old.get(name), after)?,
            })
        })
        .collect()
}

/// Sweeps expired values away as long as there are plugins.
async fn sweep(inner: Weak<Inner>) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let now = now_ms();
        let due = inner.db.read(|db| {
            let own = db.maybe(
                "select 1 from plugin_storage where expires_at <= ?1 limit 1",
                [now],
                |_| Ok(()),
            )?;
            let shared = db.maybe(
                "select 1 from plugin_shared_storage where expires_at <= ?1 limit 1",
                [now],
                |_| Ok(()),
            )?;
            Ok(own.is_some() || shared.is_some())
        });
        if let Ok(true) = due
            && let Err(error) = inner.db.write(move |tx| storage::sweep(tx, now)).await
        {
            tracing::warn!(%error, "expired values were not swept away");
        }
    }
}
