//! The configuration: `neospace.toml`, overridden by `NEOSPACE_…` variables and by flags.
//!
//! Every key has a default but the plugins' own. An unknown key or a bad value is an error with file, line, what is
//! wrong and what is allowed; a configuration is taken whole or not at all.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

/// What the file is called beside the data.
pub const FILE: &str = "neospace.toml";

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The folder of the database, the plugins and the compiled code.
    pub data: PathBuf,
    /// The address that people type, e.g. `https://kiosk.example`; browsers' requests must come from it. Empty: whatever
    /// the request's `Host` says, which suits a machine without a name.
    pub origin: String,
    /// A second origin that leads to the same listener, e.g. `https://sandbox.kiosk.example`: members' scripts run there and
    /// nothing else is there. Empty: they run in frames of `origin`, which is as closed, but may share a process with the
    /// page around.
    pub sandbox_origin: String,
    /// What this place is called.
    pub name: String,
    /// Whether strangers may register.
    pub registration: Registration,
    /// With `registration = "invite"`: the codes that let one in.
    pub invite_codes: Vec<String>,
    /// Who owns the lobby, and so mutes, bans and removes there; empty: nobody.
    pub lobby_owner: String,
    /// Addresses of proxies in front whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// With which `Authorization: Bearer` others than the machine itself may read `/metrics`; empty: nobody.
    pub metrics_token: String,
    /// How the log is written.
    pub log: Log,
    pub database: Database,
    pub limits: Limits,
    pub fetch: Fetch,
    pub plugins: Plugins,
    /// One stanza a plugin.
    pub plugin: BTreeMap<String, Plugin>,
    /// The plugins' names as their stanzas follow one another in the file.
    #[serde(skip)]
    pub plugin_order: Vec<String>,
    /// The file's name and text, for [`Config::place`].
    #[serde(skip)]
    source: Option<Arc<(String, String)>>,
}

/// Whether strangers may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    #[default]
    Open,
    Invite,
    Closed,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// One line a record, for people.
    #[default]
    Text,
    /// One JSON object a record.
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// Page cache of each connection, in KiB.
    pub cache_kib: u32,
    /// Memory map of the file, in MiB. It takes addresses, not memory: what is read lies in the system's page cache either way.
    pub mmap_mib: u32,
    /// Read connections.
    pub readers: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections in all.
    pub connections: u32,
    /// Connections from one address (proxies that are trusted don't count).
    pub connections_per_address: u32,
    /// The largest body of a form, in KiB.
    pub body_kib: u32,
    /// What one visitor may press and send in one module without a wait; beyond it the waits grow.
    pub actions: u32,
    /// Frames that one `/live` connection may send in ten seconds.
    pub frames_per_window: u32,
    /// Messages that one member may send in a minute, on average; a third of it at once.
    pub posts_per_minute: u32,
    /// The same for everybody in one room together.
    pub room_posts_per_minute: u32,
    /// The same for everybody at one address together.
    pub address_posts_per_minute: u32,
    /// Direct messages that one member may send in a minute, on average; a third of it at once.
    pub dms_per_minute: u32,
    /// The same for both in one conversation together.
    pub dm_conversation_per_minute: u32,
    /// The largest file in a direct message, in bytes, before it is padded and sealed.
    pub dm_file_bytes: u32,
    /// What the files of one member may take altogether, in MiB.
    pub dm_files_mib: u32,
    /// The largest picture or sound that is taken, in bytes.
    pub media_file_bytes: u32,
    /// What the pictures and sounds of one member may take altogether, in MiB.
    pub media_mib: u32,
    /// Uploads that one member may begin in a minute, on average; a third of it at once.
    pub uploads_per_minute: u32,
    /// Seconds for a request's headers to arrive.
    pub header_seconds: u32,
    /// Seconds for a request's body to arrive.
    pub body_seconds: u32,
    /// Seconds for which a client may take nothing of what it is sent.
    pub answer_seconds: u32,
    /// Memory for finished pages, in MiB; 0: every page is made anew.
    pub page_cache_mib: u32,
}

/// What the server may look at elsewhere on the web: the pages that members link to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fetch {
    /// Whether it looks at any.
    pub enabled: bool,
    /// Addresses with ports that are gone to although they are not on the public internet, or not the usual port.
    pub allow: Vec<SocketAddr>,
    /// Names whose addresses are these, whatever the resolver says.
    pub resolve: BTreeMap<String, Vec<std::net::IpAddr>>,
    /// Certificates (PEM) of authorities that are believed besides the system's; relative to the folder of the configuration file.
    pub trust: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// SHA-256 hashes, in hex, that never load again, whatever their name.
    pub revoked: Vec<String>,
    /// Why a hash was revoked, for the tombstones: hash = "sentence".
    pub revoked_because: BTreeMap<String, String>,
    /// Refuse to start when the kernel lacks a layer of the lanes' confinement.
    pub require_confinement: bool,
    /// Lanes, one process each; 0: as many as there are cores.
    pub lanes: u32,
}

/// A plugin's stanza.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// The component's file; relative to the folder of the configuration file.
    pub source: PathBuf,
    /// Its SHA-256 in hex. Mandatory outside `--dev`.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The capabilities that it gets.
    #[serde(default)]
    pub grants: Vec<String>,
    #[serde(default)]
    pub limits: PluginLimits,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Of a plugin of rooms: the operator's settings, by the schema in its manifest.
    #[serde(default)]
    pub settings: toml::Table,
    /// Of a filter: what becomes of a message when it fails; absent is open.
    #[serde(default)]
    pub on_failure: Option<OnFailure>,
}

/// What becomes of a message when a filter of rooms fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It is posted, as if the filter were not there.
    #[default]
    Open,
    /// It is refused.
    Closed,
}

/// Limits of one plugin; what is absent has its default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginLimits {
    /// Fuel for one `render` or `draw`.
    pub render_fuel: Option<u64>,
    /// Fuel for one `act` or command.
    pub act_fuel: Option<u64>,
    /// Fuel for one text that is filtered.
    pub filter_fuel: Option<u64>,
    /// Milliseconds for one `render` or `draw`.
    pub render_ms: Option<u32>,
    /// Milliseconds for one `act` or command.
    pub act_ms: Option<u32>,
    /// Milliseconds for one text that is filtered.
    pub filter_ms: Option<u32>,
    /// Memory of one call, in KiB.
    pub memory_kib: Option<u32>,
    /// Storage of one installation, in KiB.
    pub storage_kib: Option<u32>,
    /// Keys of one installation.
    pub storage_keys: Option<u32>,
    /// Fuel that all calls of the plugin may burn in a second, on average.
    pub fuel_per_second: Option<u64>,
}

fn address<'de, D: serde::Deserializer<'de>>(value: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(value)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(
            "not an address; allowed is an IP address with a port, e.g. 127.0.0.1:5000 or [::1]:5000",
        )
    })
}

impl PluginLimits {
    /// Each limit's key, what the operator set, and the least and most that can be.
    pub fn ranges(&self) -> [(&'static str, Option<u64>, u64, u64); 10] {
        let small = |value: Option<u32>| value.map(u64::from);
        [
            ("render_fuel", self.render_fuel, 10_000, 10_000_000_000),
            ("act_fuel", self.act_fuel, 10_000, 10_000_000_000),
            ("filter_fuel", self.filter_fuel, 10_000, 1_000_000_000),
            ("render_ms", small(self.render_ms), 1, 60_000),
            ("act_ms", small(self.act_ms), 1, 60_000),
            // A message waits up to ten times as long where the machine is busy.
            ("filter_ms", small(self.filter_ms), 1, 5_000),
            // What a lane can give one call.
            ("memory_kib", small(self.memory_kib), 64, 256 << 10),
            ("storage_kib", small(self.storage_kib), 0, 1 << 20),
            ("storage_keys", small(self.storage_keys), 0, 1_000_000),
            ("fuel_per_second", self.fuel_per_second, 10_000, 1_000_000_000_000),
        ]
    }
}

fn yes() -> bool {
    true
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5000)),
            data: PathBuf::from("data"),
            origin: String::new(),
            sandbox_origin: String::new(),
            name: "NeoSpace".into(),
            registration: Registration::Open,
            invite_codes: Vec::new(),
            trusted_proxies: Vec::new(),
            metrics_token: String::new(),
            lobby_owner: String::new(),
            log: Log::Text,
            database: Database::default(),
            limits: Limits::default(),
            fetch: Fetch::default(),
            plugins: Plugins::default(),
            plugin: BTreeMap::new(),
            plugin_order: Vec::new(),
            source: None,
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            cache_kib: 8 * 1024,
            mmap_mib: 1024,
            readers: 4,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 256,
            body_kib: 256,
            actions: 40,
            frames_per_window: 400,
            posts_per_minute: 60,
            room_posts_per_minute: 1_200,
            address_posts_per_minute: 300,
            dms_per_minute: 120,
            dm_conversation_per_minute: 240,
            dm_file_bytes: 20 << 20,
            dm_files_mib: 1024,
            media_file_bytes: 20 << 20,
            media_mib: 512,
            uploads_per_minute: 90,
            header_seconds: 10,
            body_seconds: 30,
            answer_seconds: 30,
            page_cache_mib: 64,
        }
    }
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            enabled: true,
            allow: Vec::new(),
            resolve: BTreeMap::new(),
            trust: None,
        }
    }
}

/// Why a configuration isn't taken: all that is wrong with it, each with its place.
#[derive(Debug, Clone)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// Flags of the command line, which win over everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub listen: Option<SocketAddr>,
    pub data: Option<PathBuf>,
}

impl Config {
    /// Reads the file (a missing one is an empty one), the `NEOSPACE_…` variables and the flags.
    ///
    /// # Errors
    /// Everything that is wrong, with file and line.
    pub fn load(file: &Path, flags: &Overrides) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(ConfigError(vec![format!(
                    "{}: cannot be read: {error}",
                    file.display()
                )]));
            }
        };
        let variables = std::env::vars().filter(|(name, _)| name.starts_with(PREFIX));
        let mut config = Self::parse(&file.display().to_string(), &text, variables)?;
        if let Some(listen) = flags.listen {
            config.listen = listen;
        }
        let folder = file.parent().unwrap_or(Path::new(""));
        config.data = flags.data.clone().unwrap_or_else(|| folder.join(&config.data));
        for plugin in config.plugin.values_mut() {
            plugin.source = folder.join(&plugin.source);
        }
        config.fetch.trust = config.fetch.trust.map(|file| folder.join(file));
        Ok(config)
    }

    /// Reads a configuration from text and variables.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        file: &str,
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let place = |span: Option<std::ops::Range<usize>>| match span {
            Some(span) => format!("{file}:{}", line_of(text, span.start)),
            None => file.to_owned(),
        };
        // Once from the text alone: its errors know their lines.
        let fault = |error: toml::de::Error| {
            let line = error
                .span()
                .and_then(|span| text.lines().nth(line_of(text, span.start) - 1));
            let line = line.map(|line| format!("{}: ", line.trim())).unwrap_or_default();
            ConfigError(vec![format!("{}: {line}{}", place(error.span()), error.message())])
        };
        let from_file: Config = toml::from_str(text).map_err(fault)?;
        let mut table: toml::Table = text.parse().map_err(fault)?;
        let mut overridden = false;
        for (name, value) in variables {
            set_variable(&mut table, &name, &value)?;
            toml::Value::Table(table.clone())
                .try_into::<Config>()
                .map_err(|e: toml::de::Error| ConfigError(vec![format!("{name}: {}", e.message())]))?;
            overridden = true;
        }
        let mut config: Self = match overridden {
            true => toml::Value::Table(table)
                .try_into()
                .map_err(|e: toml::de::Error| ConfigError(vec![e.message().to_owned()]))?,
            false => from_file,
        };
        let problems: Vec<String> = config
            .problems()
            .into_iter()
            .map(|(key, problem)| format!("{}: {}: {problem}", place(span_of(text, &key)), key.join(".")))
            .collect();
        if problems.is_empty() {
            config.plugin_order = plugin_order(text);
            config.source = Some(Arc::new((file.to_owned(), text.to_owned())));
            Ok(config)
        } else {
            Err(ConfigError(problems))
        }
    }

    /// Where a key stands, such as `neospace.toml:12`: itself, or the nearest section above it; a number is an index. Nothing
    /// for a configuration that came from no file.
    pub fn place(&self, key: &[&str]) -> String {
        let Some((file, text)) = self.source.as_deref() else {
            return String::new();
        };
        let key: Vec<String> = key.iter().map(|part| (*part).to_owned()).collect();
        match span_of(text, &key) {
            Some(span) => format!("{file}:{}", line_of(text, span.start)),
            None => file.clone(),
        }
    }

    /// Values that parse but can't be.
    fn problems(&self) -> Vec<(Vec<String>, String)> {
        let mut problems = Vec::new();
        let mut say = |key: &[&str], problem: String| {
            problems.push((key.iter().map(|k| (*k).to_owned()).collect(), problem));
        };
        if !self.origin.is_empty() && !is_origin(&self.origin) {
            say(
                &["origin"],
                format!(
                    "{:?} is not an origin; allowed is https://name or http://name[:port], without a path",
                    self.origin
                ),
            );
        }
        if let Some(problem) = self.sandbox_problem() {
            say(&["sandbox_origin"], problem);
        }
        if self.name.is_empty() || self.name.chars().count() > 60 {
            say(&["name"], "must have 1 to 60 characters".into());
        }
        if self.registration == Registration::Invite && self.invite_codes.is_empty() {
            say(
                &["registration"],
                "\"invite\" needs at least one code in invite_codes".into(),
            );
        }
        if let Some(code) = self.invite_codes.iter().find(|code| code.len() < 8) {
            say(
                &["invite_codes"],
                format!("{code:?} is too easy to guess; a code has at least 8 characters"),
            );
        }
        if !self.metrics_token.is_empty() && self.metrics_token.len() < 16 {
            say(
                &["metrics_token"],
                "too easy to guess; it has at least 16 characters, or none: then only the machine itself reads /metrics".into(),
            );
        }
        let between = [
            ("database", "cache_kib", self.database.cache_kib, 256, 4 << 20),
            ("database", "mmap_mib", self.database.mmap_mib, 0, 1 << 20),
            ("database", "readers", self.database.readers, 1, 64),
            ("limits", "connections", self.limits.connections, 16, 1 << 20),
            (
                "limits",
                "connections_per_address",
                self.limits.connections_per_address,
                1,
                1 << 20,
            ),
            ("limits", "body_kib", self.limits.body_kib, 16, 64 << 10),
            ("limits", "actions", self.limits.actions, 1, 1 << 30),
            (
                "limits",
                "frames_per_window",
                self.limits.frames_per_window,
                10,
                1 << 30,
            ),
            ("limits", "posts_per_minute", self.limits.posts_per_minute, 3, 1 << 30),
            (
                "limits",
                "room_posts_per_minute",
                self.limits.room_posts_per_minute,
                3,
                1 << 30,
            ),
            (
                "limits",
                "address_posts_per_minute",
                self.limits.address_posts_per_minute,
                3,
                1 << 30,
            ),
            ("limits", "dms_per_minute", self.limits.dms_per_minute, 3, 1 << 30),
            (
                "limits",
                "dm_conversation_per_minute",
                self.limits.dm_conversation_per_minute,
                3,
                1 << 30,
            ),
            ("limits", "dm_file_bytes", self.limits.dm_file_bytes, 0, 1 << 30),
            ("limits", "dm_files_mib", self.limits.dm_files_mib, 0, 1 << 20),
            ("limits", "media_file_bytes", self.limits.media_file_bytes, 0, 1 << 28),
            ("limits", "media_mib", self.limits.media_mib, 0, 1 << 20),
            (
                "limits",
                "uploads_per_minute",
                self.limits.uploads_per_minute,
                1,
                1_000_000,
            ),
            ("limits", "header_seconds", self.limits.header_seconds, 1, 300),
            ("limits", "body_seconds", self.limits.body_seconds, 1, 600),
            ("limits", "answer_seconds", self.limits.answer_seconds, 1, 600),
            ("limits", "page_cache_mib", self.limits.page_cache_mib, 0, 1 << 20),
            ("plugins", "lanes", self.plugins.lanes, 0, 64),
        ];
        for (section, key, value, least, most) in between {
            if value < least || value > most {
                say(
                    &[section, key],
                    format!("{value} is not allowed; allowed is {least} to {most}"),
                );
            }
        }
        for hash in self.plugins.revoked.iter().filter(|hash| !is_sha256(hash)) {
            say(
                &["plugins", "revoked"],
                format!("{hash:?} is not a SHA-256 hash; one has 64 hexadecimal digits"),
            );
        }
        for (name, plugin) in &self.plugin {
            if !is_plugin_name(name) {
                say(
                    &["plugin", name],
                    "a plugin's name has 2 to 32 of a-z, 0-9 and -, and begins with a letter".into(),
                );
            }
            if let Some(hash) = plugin.sha256.as_ref().filter(|hash| !is_sha256(hash)) {
                say(
                    &["plugin", name, "sha256"],
                    format!("{hash:?} is not a SHA-256 hash; one has 64 hexadecimal digits"),
                );
            }
            for (key, value, least, most) in plugin.limits.ranges() {
                if value.is_some_and(|value| value < least || value > most) {
                    let value = value.unwrap_or_default();
                    say(
                        &["plugin", name, "limits", key],
                        format!("{value} is not allowed; allowed is {least} to {most}"),
                    );
                }
            }
            for grant in plugin
                .grants
                .iter()
                .filter(|grant| !CAPABILITIES.contains(&grant.as_str()))
            {
                let allowed = CAPABILITIES.join(", ");
                say(
                    &["plugin", name, "grants"],
                    format!("{grant:?} is not a capability; there are {allowed}"),
                );
            }
        }
        problems
    }
}

impl Config {
    /// What is wrong with the second origin, if anything is.
    fn sandbox_problem(&self) -> Option<String> {
        let (sandbox, origin) = (&self.sandbox_origin, &self.origin);
        if sandbox.is_empty() {
            return None;
        }
        if !is_origin(sandbox) {
            return Some(format!(
                "{sandbox:?} is not an origin; allowed is https://name or http://name[:port], without a path"
            ));
        }
        if origin.is_empty() {
            return Some("needs origin, too: without it nobody could tell the two apart".into());
        }
        let host = |origin: &str| {
            let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
            authority
                .parse::<http::uri::Authority>()
                .map_or_else(|_| String::new(), |a| a.host().to_lowercase())
        };
        if host(sandbox) == host(origin) {
            return Some("must have another host name than origin; another port alone would share its cookies".into());
        }
        let scheme = |origin: &str| origin.split_once("://").map(|(scheme, _)| scheme.to_owned());
        if scheme(sandbox) != scheme(origin) {
            return Some("must be http or https as origin is: browsers mix the two no more".into());
        }
        None
    }
}

/// The capabilities that can be granted.
pub const CAPABILITIES: [&str; 6] = [
    "log",
    "storage",
    "shared-storage",
    "viewer-name",
    "live",
    "notify-owner",
];

const PREFIX: &str = "NEOSPACE_";

/// `NEOSPACE_LIMITS__BODY_KIB=512` sets `limits.body_kib`; the value is TOML, or else text.
fn set_variable(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let path: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let Some((last, sections)) = path.split_last() else {
        return Ok(());
    };
    let mut table = table;
    for section in sections {
        let entry = table
            .entry(section.clone())
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        table = entry
            .as_table_mut()
            .ok_or_else(|| ConfigError(vec![format!("{name}: {section} is not a section")]))?;
    }
    table.insert(last.clone(), value);
    Ok(())
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// Where a key stands in the text: itself, or the nearest section above it.
fn span_of(text: &str, key: &[String]) -> Option<std::ops::Range<usize>> {
    let document = toml_edit::Document::parse(text).ok()?;
    let mut item = document.as_item();
    let mut span = None;
    for part in key {
        if let Some(array) = item.as_array() {
            let entry = part.parse().ok().and_then(|index: usize| array.get(index));
            return entry.and_then(toml_edit::Value::span).or(span);
        }
        let Some((name, next)) = item.as_table_like().and_then(|table| table.get_key_value(part)) else {
            break;
        };
        span = name.span().or(next.span()).or(span);
        item = next;
    }
    span
}

/// The names of the stanzas, as they follow one another.
fn plugin_order(text: &str) -> Vec<String> {
    let Ok(document) = toml_edit::Document::parse(text) else {
        return Vec::new();
    };
    let plugins = document.get("plugin").and_then(toml_edit::Item::as_table_like);
    let mut stanzas: Vec<_> = plugins
        .map(|plugins| {
            plugins
                .iter()
                .map(|(name, stanza)| (stanza.span().map_or(0, |span| span.start), name))
                .collect()
        })
        .unwrap_or_default();
    stanzas.sort();
    stanzas.into_iter().map(|(_, name)| name.to_owned()).collect()
}

fn is_origin(origin: &str) -> bool {
    let Some(authority) = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
    else {
        return false;
    };
    !authority.is_empty()
        && authority
            .parse::<http::uri::Authority>()
            .is_ok_and(|a| !a.as_str().contains('@'))
}

fn is_sha256(hash: &str) -> bool {
    hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())
}

/// 2 to 32 of `a-z`, `0-9` and `-`, beginning with a letter.
pub fn is_plugin_name(name: &str) -> bool {
    (2..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
