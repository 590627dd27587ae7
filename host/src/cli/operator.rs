//! `neospace plugin …`, the operator's half: edits the configuration file for them, keeping its comments, and says what
//! changed. A running server takes the file by itself; nothing here talks to it.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::Place;
use crate::{
    app::{LOCK_FILE, now_ms},
    author,
    config::{self, Config, OnFailure},
    crypto,
    plugins::{
        compile::{self, CompileOptions},
        grants::{self, Asked},
        manifest::{self, Manifest},
    },
};

/// The largest file that is looked at, in bytes: the component's limit, and room to say that it is over it.
const FILE_MOST: u64 = 64 << 20;
/// The earlier versions of each plugin, beside their files.
const HISTORY_FILE: &str = "history.json";

/// What an operator does with plugins.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a plugin, copy it beside the data, and add its stanza with pin and grants
    Install {
        /// The plugin's `.wasm`
        file: PathBuf,
        /// A capability that it asks for and does not get; may be repeated
        #[arg(long, value_name = "CAPABILITY")]
        deny: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Replace a plugin by another version; one that asks for more than was granted waits until it is granted
    Upgrade {
        name: String,
        /// The new version's `.wasm`
        file: PathBuf,
        /// A capability that it gets in addition; may be repeated
        #[arg(long, value_name = "CAPABILITY")]
        grant: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Go back to the version before, with the grants that it had
    Rollback {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Never run this version again, whatever its name; open walls show a tombstone within a second
    Revoke {
        /// The plugin's name, for the version that is installed, or a SHA-256 hash
        name_or_hash: String,
        /// A sentence for the tombstones
        #[arg(long, value_name = "SENTENCE")]
        why: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Switch a plugin on
    Enable {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Switch a plugin off; what it stored is kept
    Disable {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// What there is, and how it stands
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Each effective grant and limit of a plugin, and where it comes from
    Explain {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Delete for good what a plugin stored; it must be off, revoked or gone
    Purge {
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Does what the operator said.
///
/// # Errors
/// A sentence that says what is wrong and what is allowed; nothing was changed then.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Install { file, deny, place } => install(&place, &file, &deny),
        Command::Upgrade {
            name,
            file,
            grant,
            place,
        } => upgrade(&place, &name, &file, &grant),
        Command::Rollback { name, place } => rollback(&place, &name),
        Command::Revoke {
            name_or_hash,
            why,
            place,
        } => revoke(&place, &name_or_hash, why.as_deref()),
        Command::Enable { name, place } => switch(&place, &name, true),
        Command::Disable { name, place } => switch(&place, &name, false),
        Command::List { place } => list(&place),
        Command::Explain { name, place } => explain(&place, &name),
        Command::Purge { name, place } => purge(&place, &name),
    }
}

/// A plugin's file, checked as far as it can be without running it.
struct Candidate {
    bytes: Vec<u8>,
    sha256: String,
    manifest: Manifest,
    asked: Asked,
}

impl Candidate {
    /// Reads, compiles and checks a file.
    fn read(file: &Path) -> Result<Self> {
        let bytes = read_file(file)?;
        let manifest = manifest::extract(&bytes).with_context(|| format!("{} is no plugin", file.display()))?;
        let scratch = tempfile::tempdir().context("no place for the trial compilation")?;
        let component = compile::component(scratch.path(), &crypto::random(), &bytes, &CompileOptions::default())
            .with_context(|| format!("{} does not compile", file.display()))?;
        let says = |sentence| anyhow::anyhow!("{}: {sentence}", file.display());
        let roles = grants::roles(&component.inspection).map_err(says)?;
        grants::fits(roles, &component.inspection, &manifest).map_err(says)?;
        let asked = grants::asked(&component.inspection, &manifest).map_err(says)?;
        Ok(Self {
            sha256: author::hash(&bytes),
            bytes,
            manifest,
            asked,
        })
    }

    /// Copies the file into the data folder under a name that its content decides.
    fn keep(&self, config: &Config) -> Result<PathBuf> {
        let folder = config.data.join("plugins");
        fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        belong_like(&fs::File::open(&folder)?, &config.data);
        let file = folder.join(format!("{}-{}.wasm", self.manifest.id, &self.sha256[..12]));
        write_whole(&file, &self.bytes)?;
        Ok(file)
    }
}

fn install(place: &Place, file: &Path, deny: &[String]) -> Result<()> {
    let config = place.load()?;
    let candidate = Candidate::read(file)?;
    let id = candidate.manifest.id.clone();
    if config.plugin.contains_key(&id) {
        bail!(
            "{id} is installed already; `neospace plugin upgrade {id} {}` replaces it",
            file.display()
        );
    }
    refuse_revoked(&config, &candidate.sha256)?;
    let denied = grants::parse(deny).map_err(anyhow::Error::msg)?;
    let wanted = candidate.asked.wanted.without(denied);
    grants::granted(candidate.asked, wanted).map_err(|sentence| anyhow::anyhow!("{id}: {sentence}"))?;
    let kept = candidate.keep(&config)?;
    let names = grants::names(wanted);
    edit(place, |document| {
        let stanza = stanza(document, &id)?;
        stanza["source"] = value(as_written(place, &kept));
        stanza["sha256"] = value(&candidate.sha256);
        stanza["grants"] = value(names.iter().copied().collect::<Array>());
        stanza["enabled"] = value(true);
        Ok(())
    })?;
    remember(&config, &id, &candidate, &kept, &names)?;
    println!(
        "Installed {} {} as {id}.",
        candidate.manifest.name, candidate.manifest.version
    );
    println!("  sha256  {}", candidate.sha256);
    print_grants(&candidate, &names);
    say_when(&config);
    Ok(())
}

fn upgrade(place: &Place, name: &str, file: &Path, grant: &[String]) -> Result<()> {
    let config = place.load()?;
    let installed = installed(&config, name)?;
    let candidate = Candidate::read(file)?;
    ensure!(
        candidate.manifest.id == name,
        "{} is the plugin {}, not {name}; only {name} can replace {name}",
        file.display(),
        candidate.manifest.id
    );
    refuse_revoked(&config, &candidate.sha256)?;
    let before = grants::parse(&installed.grants).map_err(anyhow::Error::msg)?;
    let now = before.or(grants::parse(grant).map_err(anyhow::Error::msg)?);
    let kept = candidate.keep(&config)?;
    let names = grants::names(now);
    edit(place, |document| {
        let stanza = stanza(document, name)?;
        stanza["source"] = value(as_written(place, &kept));
        stanza["sha256"] = value(&candidate.sha256);
        stanza["grants"] = value(names.iter().copied().collect::<Array>());
        Ok(())
    })?;
    // The version that was there may have come by hand: it must be possible to go back to it too.
    remember_installed(&config, name, installed)?;
    remember(&config, name, &candidate, &kept, &names)?;
    println!(
        "{name} is to become {} {}.",
        candidate.manifest.name, candidate.manifest.version
    );
    println!("  sha256  {}", candidate.sha256);
    print_grants(&candidate, &names);
    let missing = grants::names(candidate.asked.needed.without(now));
    if missing.is_empty() {
        say_when(&config);
    } else {
        let flags: Vec<String> = missing
            .iter()
            .map(|capability| format!("--grant {capability}"))
            .collect();
        println!(
            "It asks for more than was granted, so the version before stays in force until you say:\n  neospace plugin upgrade {name} {} {}",
            file.display(),
            flags.join(" ")
        );
    }
    Ok(())
}

fn rollback(place: &Place, name: &str) -> Result<()> {
    let config = place.load()?;
    let installed = installed(&config, name)?;
    let current = pin(installed)?;
    let history = History::read(&config)?;
    let entries = history.of(name);
    let at = entries
        .iter()
        .rposition(|entry| entry.sha256 == current)
        .unwrap_or(entries.len());
    let usable = |entry: &&Entry| {
        entry.sha256 != current && !is_revoked(&config, &entry.sha256) && entry.file(&config).is_file()
    };
    let Some(target) = entries[..at].iter().rev().find(usable) else {
        bail!("there is no earlier version of {name} that could run: none is kept, or all are revoked");
    };
    edit(place, |document| {
        let stanza = stanza(document, name)?;
        stanza["source"] = value(as_written(place, &target.file(&config)));
        stanza["sha256"] = value(&target.sha256);
        stanza["grants"] = value(target.grants.iter().collect::<Array>());
        Ok(())
    })?;
    println!(
        "{name} goes back to version {} (sha256 {}).",
        target.version, target.sha256
    );
    say_when(&config);
    Ok(())
}

fn revoke(place: &Place, name_or_hash: &str, why: Option<&str>) -> Result<()> {
    let config = place.load()?;
    let hash = match config.plugin.get(name_or_hash) {
        Some(plugin) => pin(plugin)?,
        None if name_or_hash.len() == 64 && name_or_hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name_or_hash.to_lowercase()
        }
        None => bail!("{name_or_hash} is neither an installed plugin nor a SHA-256 hash of 64 hexadecimal digits"),
    };
    if let Some(why) = why {
        ensure!(
            (1..=300).contains(&why.chars().count()),
            "--why takes a sentence of 1 to 300 characters"
        );
    }
    edit(place, |document| {
        let plugins = section(document, "plugins")?;
        let list = plugins.entry("revoked").or_insert_with(|| value(Array::new()));
        let list = list.as_array_mut().context("plugins.revoked is not a list")?;
        if !list
            .iter()
            .any(|entry| entry.as_str().is_some_and(|entry| entry.eq_ignore_ascii_case(&hash)))
        {
            list.push(hash.as_str());
        }
        if let Some(why) = why {
            let reasons = plugins
                .entry("revoked_because")
                .or_insert_with(|| Item::Table(Table::new()));
            let reasons = reasons
                .as_table_like_mut()
                .context("plugins.revoked_because is not a section")?;
            reasons.insert(&hash, value(why));
        }
        Ok(())
    })?;
    println!("Revoked {hash}: it never runs again. What it stored is kept until `neospace plugin purge`.");
    say_when(&config);
    Ok(())
}

fn switch(place: &Place, name: &str, on: bool) -> Result<()> {
    let config = place.load()?;
    let was = installed(&config, name)?.enabled;
    let word = if on { "on" } else { "off" };
    if was == on {
        println!("{name} is {word} already.");
        return Ok(());
    }
    edit(place, |document| {
        stanza(document, name)?["enabled"] = value(on);
        Ok(())
    })?;
    println!("{name} is {word} now.");
    say_when(&config);
    Ok(())
}

fn list(place: &Place) -> Result<()> {
    let config = place.load()?;
    if config.plugin.is_empty() {
        println!("No plugin is installed. `neospace plugin install FILE` does that.");
    }
    for (name, plugin) in &config.plugin {
        let (version, state) = match standing(&config, plugin) {
            Ok((manifest, state)) => (manifest.version, state),
            Err(error) => ("?".into(), format!("cannot run: {error:#}")),
        };
        println!("{name:<24} {version:<10} {state}");
        println!(
            "{:<24} grants: {}",
            "",
            if plugin.grants.is_empty() {
                "none".into()
            } else {
                plugin.grants.join(", ")
            }
        );
    }
    Ok(())
}

/// The manifest of an installed plugin and a few words about it.
fn standing(config: &Config, plugin: &config::Plugin) -> Result<(Manifest, String)> {
    let bytes = read_file(&plugin.source)?;
    let hash = author::hash(&bytes);
    let manifest = manifest::extract(&bytes)?;
    let asked = author::inspect(&bytes)
        .and_then(|inspection| grants::asked(&inspection, &manifest).map_err(anyhow::Error::msg))?;
    let given = grants::parse(&plugin.grants).map_err(anyhow::Error::msg)?;
    let missing = grants::names(asked.needed.without(given));
    let state = if is_revoked(config, &hash) {
        "revoked".to_owned()
    } else if plugin
        .sha256
        .as_ref()
        .is_some_and(|pin| !pin.eq_ignore_ascii_case(&hash))
    {
        format!("refused: its file has the hash {hash}, its stanza another")
    } else if !plugin.enabled {
        "off".to_owned()
    } else if !missing.is_empty() {
        format!("waits: it asks for {} and is not granted that", missing.join(", "))
    } else if plugin.sha256.is_none() {
        "on, without a pin: runs with --dev only".to_owned()
    } else {
        "on".to_owned()
    };
    Ok((manifest, state))
}

fn explain(place: &Place, name: &str) -> Result<()> {
    let config = place.load()?;
    let plugin = installed(&config, name)?;
    let (manifest, state) = standing(&config, plugin)?;
    let asked = grants::asked(&author::inspect(&read_file(&plugin.source)?)?, &manifest).map_err(anyhow::Error::msg)?;
    let given = grants::parse(&plugin.grants).map_err(anyhow::Error::msg)?;
    let file = place.config.display();
    println!("{} {} ({name}): {state}", manifest.name, manifest.version);
    println!("  source  {}", plugin.source.display());
    println!("  sha256  {}", plugin.sha256.as_deref().unwrap_or("not pinned"));
    println!("Grants");
    for capability in grants::CAPABILITIES {
        let wanted = asked.wanted.contains(capability.bit);
        let granted = given.contains(capability.bit);
        let declared = manifest.capabilities.iter().find(|d| d.bit() == capability.bit);
        let optional = declared.is_some_and(|d| d.optional);
        let verdict = match (wanted, granted) {
            (true, true) => format!("granted, by plugin.{name}.grants in {file}"),
            (true, false) if optional => {
                format!("not granted in {file}: it answers `denied`, which the plugin can do with")
            }
            (true, false) => format!("asked for and not granted in {file}: the plugin can't run"),
            (false, true) => format!("granted in {file}, but not asked for: without effect"),
            (false, false) => continue,
        };
        println!("  {:<16}{verdict}", capability.name);
        if let Some(declared) = declared {
            println!("  {:<16}“{}”, says plugin.toml", "", declared.reason);
        }
    }
    println!("Limits");
    for (key, set, _, _) in plugin.limits.ranges() {
        let usual = usual(key);
        match set {
            Some(set) => println!("  {key:<16}{set}, by plugin.{name}.limits in {file} (default {usual})"),
            None => println!("  {key:<16}{usual}, the default"),
        }
    }
    if let Some(on_failure) = plugin.on_failure {
        let words = match on_failure {
            OnFailure::Open => "what it can't read is posted as it was",
            OnFailure::Closed => "what it can't read is refused",
        };
        println!("On failure\n  {words}, by plugin.{name}.on_failure in {file}");
    }
    if !plugin.settings.is_empty() {
        println!("Settings, by plugin.{name}.settings in {file}");
        for (key, value) in &plugin.settings {
            println!("  {key:<16}{value}");
        }
    }
    Ok(())
}

/// The default of a limit.
fn usual(key: &str) -> u64 {
    let usual = crate::plugins::Limits::default();
    match key {
        "render_fuel" => usual.render_fuel,
        "act_fuel" => usual.act_fuel,
        "render_ms" => usual.render_ms.into(),
        "act_ms" => usual.act_ms.into(),
        "filter_fuel" => usual.filter_fuel,
        "filter_ms" => usual.filter_ms.into(),
        "memory_kib" => usual.memory_kib.into(),
        "storage_kib" => usual.storage_kib.into(),
        "storage_keys" => usual.storage_keys.into(),
        _ => usual.fuel_per_second,
    }
}

/// Deletes what a plugin stored. SQLite's locks make that right beside a running server, which shows nothing of a plugin
/// that is off.
fn purge(place: &Place, name: &str) -> Result<()> {
    let config = place.load()?;
    if let Some(plugin) = config.plugin.get(name)
        && plugin.enabled
        && !pin(plugin).is_ok_and(|hash| is_revoked(&config, &hash))
    {
        bail!("{name} is on; `neospace plugin disable {name}` or `revoke {name}` first");
    }
    let file = config.data.join("neospace.db");
    ensure!(file.is_file(), "there is no database at {}", file.display());
    let mut db = rusqlite::Connection::open(&file)?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    db.pragma_update(None, "synchronous", "full")?;
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let own = tx.execute(
        "delete from plugin_storage where module_id in (select id from modules where plugin = ?1)",
        [name],
    )?;
    let shared = tx.execute("delete from plugin_shared_storage where plugin = ?1", [name])?;
    let notices = tx.execute("delete from notices where plugin = ?1", [name])?;
    tx.commit()?;
    println!("Purged {name}: {own} stored values, {shared} shared ones, {notices} notices.");
    Ok(())
}

fn installed<'c>(config: &'c Config, name: &str) -> Result<&'c config::Plugin> {
    config.plugin.get(name).with_context(|| {
        let names: Vec<&str> = config.plugin.keys().map(String::as_str).collect();
        format!(
            "{name} is not installed; installed are: {}",
            if names.is_empty() {
                "none".into()
            } else {
                names.join(", ")
            }
        )
    })
}

/// The hash of the version that a stanza means: its pin, or else its file's.
fn pin(plugin: &config::Plugin) -> Result<String> {
    match &plugin.sha256 {
        Some(pin) => Ok(pin.to_lowercase()),
        None => Ok(author::hash(&read_file(&plugin.source)?)),
    }
}

fn is_revoked(config: &Config, hash: &str) -> bool {
    config
        .plugins
        .revoked
        .iter()
        .any(|revoked| revoked.eq_ignore_ascii_case(hash))
}

fn refuse_revoked(config: &Config, hash: &str) -> Result<()> {
    ensure!(
        !is_revoked(config, hash),
        "this very version is revoked (sha256 {hash}); only another one can be installed"
    );
    Ok(())
}

fn read_file(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|open| open.take(FILE_MOST + 1).read_to_end(&mut bytes))
        .with_context(|| format!("{} can't be read", file.display()))?;
    ensure!(
        bytes.len() as u64 <= FILE_MOST,
        "{} is far too large for a plugin",
        file.display()
    );
    Ok(bytes)
}

fn print_grants(candidate: &Candidate, names: &[&str]) {
    for declared in &candidate.manifest.capabilities {
        let mark = if names.contains(&declared.name) {
            "granted"
        } else {
            "not granted"
        };
        println!("  {mark:<12} {}: {}", declared.name, declared.reason);
    }
}

/// Says when the change takes effect.
fn say_when(config: &Config) {
    let runs = fs::File::open(config.data.join(LOCK_FILE)).is_ok_and(|lock| lock.try_lock_shared().is_err());
    println!(
        "{}",
        if runs {
            "The running server takes it within a second."
        } else {
            "It takes effect at the next start."
        }
    );
}

/// A path as it stands in the configuration: relative to the file's folder where it lies below it.
fn as_written(place: &Place, file: &Path) -> String {
    let folder = place.config.parent().unwrap_or(Path::new(""));
    file.strip_prefix(folder).unwrap_or(file).display().to_string()
}

/// Changes the configuration file: all or nothing, under a lock, comments kept, the result checked before it is written.
fn edit(place: &Place, change: impl FnOnce(&mut DocumentMut) -> Result<()>) -> Result<()> {
    let file = &place.config;
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let lock = fs::File::open(folder).with_context(|| format!("{} can't be opened", folder.display()))?;
    lock.lock()?;
    let before = read_text(file)?;
    let mut document: DocumentMut = before
        .parse()
        .with_context(|| format!("{} is no TOML as it stands", file.display()))?;
    change(&mut document)?;
    let after = document.to_string();
    Config::parse(&file.display().to_string(), &after, std::iter::empty())
        .context("the changed configuration would be refused, so nothing was changed")?;
    ensure!(
        read_text(file)? == before,
        "{} was changed by somebody else just now: run this again",
        file.display()
    );
    write_whole(file, after.as_bytes())
}

fn read_text(file: &Path) -> Result<String> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("{} can't be read", file.display())),
    }
}

/// Gives what root has made to the owner of `model`: the server, which runs as somebody else, must be able to read it.
/// Others than root can't give anything away, and need not.
fn belong_like(made: &fs::File, model: &Path) {
    if let Ok(model) = fs::metadata(model) {
        let _ = std::os::unix::fs::fchown(made, Some(model.uid()), Some(model.gid()));
    }
}

/// Writes a file whole or not at all, on disk before it has its name. One that is there keeps its permissions and its
/// owner; a new one belongs to its folder's.
fn write_whole(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(bytes)?;
        belong_like(new.as_file(), if file.exists() { file } else { folder });
        if let Ok(old) = fs::metadata(file) {
            new.as_file().set_permissions(old.permissions())?;
        }
        new.as_file().sync_all()?;
        new.persist(file)?;
        fs::File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("{} can't be written", file.display()))
}

fn section<'d>(document: &'d mut DocumentMut, name: &str) -> Result<&'d mut Table> {
    let item = document.entry(name).or_insert_with(|| Item::Table(Table::new()));
    item.as_table_mut()
        .with_context(|| format!("[{name}] is written in a way that can't be edited; make it a section"))
}

/// A plugin's stanza, `[plugin.NAME]`.
fn stanza<'d>(document: &'d mut DocumentMut, name: &str) -> Result<&'d mut Table> {
    let plugins = document.entry("plugin").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let plugins = plugins
        .as_table_mut()
        .context("[plugin] is written in a way that can't be edited; use [plugin.NAME]")?;
    let item = plugins.entry(name).or_insert_with(|| Item::Table(Table::new()));
    item.as_table_mut()
        .with_context(|| format!("plugin.{name} is written in a way that can't be edited; use [plugin.{name}]"))
}

/// The versions that were installed, oldest first.
#[derive(Default, Serialize, Deserialize)]
struct History(std::collections::BTreeMap<String, Vec<Entry>>);

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    sha256: String,
    version: String,
    /// The file's name in the data folder's `plugins/`, or a path for one that came by hand.
    file: PathBuf,
    grants: Vec<String>,
    /// Unix milliseconds.
    installed_at: i64,
}

impl Entry {
    fn file(&self, config: &Config) -> PathBuf {
        config.data.join("plugins").join(&self.file)
    }
}

impl History {
    fn read(config: &Config) -> Result<Self> {
        let file = config.data.join("plugins").join(HISTORY_FILE);
        match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("{} can't be read", file.display())),
        }
    }

    fn of(&self, name: &str) -> &[Entry] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Puts a version at the end of its plugin's list.
    fn add(config: &Config, name: &str, entry: Entry) -> Result<()> {
        let mut history = Self::read(config)?;
        let entries = history.0.entry(name.to_owned()).or_default();
        entries.retain(|old| old.sha256 != entry.sha256);
        entries.push(entry);
        write_whole(
            &config.data.join("plugins").join(HISTORY_FILE),
            &serde_json::to_vec_pretty(&history)?,
        )
    }
}

fn remember(config: &Config, name: &str, candidate: &Candidate, kept: &Path, grants: &[&str]) -> Result<()> {
    let entry = Entry {
        sha256: candidate.sha256.clone(),
        version: candidate.manifest.version.clone(),
        file: kept.file_name().map(PathBuf::from).unwrap_or_default(),
        grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
        installed_at: now_ms(),
    };
    History::add(config, name, entry)
}

/// Remembers the installed version, unless it is known or its file is gone.
fn remember_installed(config: &Config, name: &str, plugin: &config::Plugin) -> Result<()> {
    let Ok(bytes) = read_file(&plugin.source) else {
        return Ok(());
    };
    let sha256 = author::hash(&bytes);
    let Ok(manifest) = manifest::extract(&bytes) else {
        return Ok(());
    };
    if History::read(config)?
        .of(name)
        .iter()
        .any(|entry| entry.sha256 == sha256)
    {
        return Ok(());
    }
    let file = fs::canonicalize(&plugin.source)?;
    let entry = Entry {
        sha256,
        version: manifest.version,
        file,
        grants: plugin.grants.clone(),
        installed_at: now_ms(),
    };
    History::add(config, name, entry)
}
