//! The manifest: what a plugin says about itself in `plugin.toml`, and how it travels inside the component.
//!
//! Beside the source it names its icon and style sheet as files; packed into the component's custom section
//! `neospace:manifest` it holds their text. Unknown keys are refused; every error names its line and what is allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use neospace_runner::protocol::Grants;
use serde::Deserialize;
use serde_json::Value;
use wasm_encoder::{ComponentSection as _, CustomSection};

use super::settings::{self, Kind, Setting};
use super::{css, grants, icon};

/// The custom section's name.
pub const SECTION: &str = "neospace:manifest";
/// Bytes of a packed manifest: text, icon and style sheet.
pub const MANIFEST_MAX: usize = 96 * 1024;
/// Characters of the description.
pub const DESCRIPTION_MAX: usize = 2_000;

/// A manifest that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// `^[a-z][a-z0-9-]{1,31}$`: in URLs, the configuration and storage.
    pub id: String,
    pub name: String,
    /// As in semantic versioning.
    pub version: String,
    /// One line.
    pub summary: String,
    pub description: String,
    pub authors: Vec<String>,
    pub license: String,
    pub source: Option<String>,
    pub language: Option<String>,
    /// Packed: the icon, rebuilt, as an SVG document. Unpacked: the file's name.
    pub icon: Option<String>,
    /// Packed: the style sheet, rebuilt. Unpacked: the file's name.
    pub css: Option<String>,
    pub size: Size,
    /// One of [`PLATES`].
    pub plate: Option<String>,
    pub capabilities: Vec<Declared>,
    /// What people can call in rooms.
    pub commands: Vec<CommandEntry>,
    pub settings: Vec<Setting>,
    /// The text that it was read from.
    pub text: String,
}

/// How large a module is on the wall, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Size {
    /// 1 to 4, when it is put on a wall.
    pub width: u8,
    /// 1 to 12, when it is put on a wall.
    pub height: u8,
    pub min_width: u8,
    pub min_height: u8,
}

impl Default for Size {
    fn default() -> Self {
        Size {
            width: 1,
            height: 2,
            min_width: 1,
            min_height: 1,
        }
    }
}

/// The colours that a module's title bar can have.
pub const PLATES: [&str; 4] = ["red", "green", "blue", "ink"];

/// A command that the plugin answers in rooms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandEntry {
    /// `^[a-z][a-z0-9-]{0,31}$`, without the slash.
    pub name: String,
    /// An example of a call, `/roll 2d6+1`: begins with a slash and the name.
    pub usage: String,
    /// One line: what it does.
    pub summary: String,
}

/// Commands of one plugin.
pub const COMMANDS_MAX: usize = 16;

/// A capability that the manifest asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    pub name: &'static str,
    /// Why, in plain words.
    pub reason: String,
    /// It works without.
    pub optional: bool,
}

impl Declared {
    /// Its bit in a set of grants.
    pub fn bit(&self) -> Grants {
        grants::named(self.name).map_or(Grants::default(), |capability| capability.bit)
    }
}

/// One thing that's wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// From 1; absent when there is no text to point at.
    pub line: Option<usize>,
    pub message: String,
}

/// Everything that's wrong with a manifest; as text, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestErrors(pub Vec<ManifestError>);

impl fmt::Display for ManifestErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            match error.line {
                Some(line) => write!(f, "plugin.toml line {line}: {}", error.message)?,
                None => f.write_str(&error.message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ManifestErrors {}

impl ManifestErrors {
    fn one(message: impl Into<String>) -> Self {
        ManifestErrors(vec![ManifestError {
            line: None,
            message: message.into(),
        }])
    }
}

/// The file as TOML has it, before its values are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: String,
    name: String,
    version: String,
    summary: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    authors: Vec<String>,
    license: String,
    source: Option<String>,
    language: Option<String>,
    icon: Option<String>,
    css: Option<String>,
    #[serde(default)]
    size: Size,
    plate: Option<String>,
    #[serde(default)]
    capabilities: BTreeMap<String, toml::Value>,
    #[serde(default)]
    commands: Vec<CommandEntry>,
    #[serde(default)]
    settings: Vec<RawSetting>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSetting {
    key: String,
    label: String,
    kind: String,
    #[serde(default)]
    help: String,
    #[serde(default)]
    required: bool,
    default: Option<toml::Value>,
    min: Option<f64>,
    max: Option<f64>,
    step: Option<f64>,
    choices: Option<Vec<RawChoice>>,
    max_items: Option<usize>,
    fields: Option<Vec<RawSetting>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChoice {
    value: String,
    label: String,
}

/// Where in the file something stands: keys and indexes.
type At<'a> = Vec<Step<'a>>;
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}
use Step::{Index, Key};

struct Problems<'a>(Vec<(At<'a>, String)>);

impl<'a> Problems<'a> {
    fn at(&mut self, at: At<'a>, message: impl Into<String>) {
        self.0.push((at, message.into()));
    }
}

impl Manifest {
    /// Reads and checks a manifest. `packed`: icon and style sheet stand in it as text, and are rebuilt.
    pub fn parse(text: &str, packed: bool) -> Result<Manifest, ManifestErrors> {
        if text.len() > MANIFEST_MAX {
            let most = MANIFEST_MAX / 1024;
            return Err(ManifestErrors::one(format!(
                "the manifest has {} bytes; {most} KiB are allowed",
                text.len()
            )));
        }
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            ManifestErrors(vec![ManifestError {
                line,
                message: error.message().replace('\n', " "),
            }])
        })?;
        let mut problems = Problems(Vec::new());
        check_words(&raw, &mut problems);
        check_size(&raw.size, &mut problems);
        let capabilities = read_capabilities(&raw.capabilities, &mut problems);
        check_commands(&raw.commands, &mut problems);
        let settings = read_settings(&raw.settings, &[Key("settings")], false, &mut problems);
        let (mut icon_text, mut css_text) = (raw.icon.clone(), raw.css.clone());
        if packed {
            icon_text = icon_text.and_then(|source| match icon::rebuild(&source) {
                Ok(svg) => Some(svg),
                Err(error) => {
                    problems.at(vec![Key("icon")], format!("the icon: {error}"));
                    None
                }
            });
            css_text = css_text.and_then(|source| match css::rebuild(&source) {
                Ok(css) => Some(css),
                Err(errors) => {
                    for error in errors {
                        problems.at(vec![Key("css")], format!("the style sheet, {error}"));
                    }
                    None
                }
            });
        } else {
            for (key, file) in [("icon", &raw.icon), ("css", &raw.css)] {
                if let Some(file) = file
                    && !is_file_name(file)
                {
                    problems.at(
                        vec![Key(key)],
                        format!("`{key}` is the name of a file beside plugin.toml"),
                    );
                }
            }
        }
        if !problems.0.is_empty() {
            return Err(with_lines(text, problems));
        }
        Ok(Manifest {
            id: raw.id,
            name: raw.name,
            version: raw.version,
            summary: raw.summary,
            description: raw.description,
            authors: raw.authors,
            license: raw.license,
            source: raw.source,
            language: raw.language,
            icon: icon_text,
            css: css_text,
            size: raw.size,
            plate: raw.plate,
            capabilities,
            commands: raw.commands,
            settings,
            text: text.to_owned(),
        })
    }

    /// The manifest as it is packed: the files it names, which lie in `folder`, taken in. Checked, comments kept.
    pub fn pack(text: &str, folder: &Path) -> Result<String, ManifestErrors> {
        let manifest = Manifest::parse(text, false)?;
        let mut document: toml_edit::DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| ManifestErrors::one(error.to_string()))?;
        for (key, file) in [("icon", &manifest.icon), ("css", &manifest.css)] {
            let Some(file) = file else { continue };
            let path = folder.join(file);
            let content = std::fs::read_to_string(&path)
                .map_err(|error| ManifestErrors::one(format!("`{key}`: {} can't be read: {error}", path.display())))?;
            document[key] = toml_edit::value(content);
        }
        let packed = document.to_string();
        Manifest::parse(&packed, true).map_err(|errors| {
            // Lines of the packed text would mislead; those within icon and sheet are in the messages.
            ManifestErrors(
                errors
                    .0
                    .into_iter()
                    .map(|error| ManifestError { line: None, ..error })
                    .collect(),
            )
        })?;
        Ok(packed)
    }

    /// The settings that a new module begins with, as JSON.
    pub fn default_settings(&self) -> String {
        settings::complete(&self.settings, "{}")
    }
}

fn check_words<'a>(raw: &'a Raw, problems: &mut Problems<'a>) {
    let id_fine = (2..=32).contains(&raw.id.len())
        && raw.id.starts_with(|c: char| c.is_ascii_lowercase())
        && raw
            .id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !id_fine {
        problems.at(
            vec![Key("id")],
            "`id` has 2 to 32 of a-z, 0-9 and -, and begins with a letter",
        );
    }
    let numbers: Vec<_> = raw
        .version
        .split(['-', '+'])
        .next()
        .unwrap_or_default()
        .split('.')
        .collect();
    let plain = |part: &&str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
    let rest = raw
        .version
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b));
    if numbers.len() != 3 || !numbers.iter().all(plain) || !rest || raw.version.len() > 32 {
        problems.at(vec![Key("version")], "`version` is three numbers, such as 1.2.0");
    }
    if raw.plate.as_deref().is_some_and(|plate| !PLATES.contains(&plate)) {
        problems.at(vec![Key("plate")], format!("`plate` is one of {}", PLATES.join(", ")));
    }
    let mut line = |key: &'static str, value: &str, min: usize, max: usize| {
        let length = value.chars().count();
        if length < min || length > max || value.chars().any(char::is_control) {
            let least = if min > 0 { "1 to " } else { "at most " };
            problems.at(
                vec![Key(key)],
                format!("`{key}` is one line of {least}{max} characters"),
            );
        }
    };
    line("name", &raw.name, 1, 40);
    line("summary", &raw.summary, 1, 120);
    line("license", &raw.license, 1, 60);
    line("language", raw.language.as_deref().unwrap_or_default(), 0, 40);
    if raw.authors.len() > 10 {
        line("authors", "\u{0}", 1, 80);
    }
    for author in &raw.authors {
        line("authors", author, 1, 80);
    }
    if raw.description.chars().count() > DESCRIPTION_MAX
        || raw
            .description
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\r' && c != '\t')
    {
        problems.at(
            vec![Key("description")],
            format!("`description` is text of at most {DESCRIPTION_MAX} characters"),
        );
    }
    if let Some(source) = &raw.source
        && (!source.starts_with("https://")
            || source.len() > 200
            || source.bytes().any(|b| b <= b' ' || b"\"\\<>".contains(&b)))
    {
        problems.at(
            vec![Key("source")],
            "`source` is an https:// address of at most 200 bytes",
        );
    }
}

fn check_size(size: &Size, problems: &mut Problems<'_>) {
    let fits = |value: u8, min: u8, max: u8| (min..=max).contains(&value);
    if !fits(size.width, 1, 4) || !fits(size.height, 1, 12) {
        problems.at(vec![Key("size")], "`size` is 1 to 4 cells wide and 1 to 12 high");
    } else if !fits(size.min_width, 1, size.width) || !fits(size.min_height, 1, size.height) {
        problems.at(
            vec![Key("size")],
            "`min_width` and `min_height` are at least 1 and at most the size itself",
        );
    }
}

fn check_commands<'a>(commands: &'a [CommandEntry], problems: &mut Problems<'a>) {
    if commands.len() > COMMANDS_MAX {
        problems.at(
            vec![Key("commands")],
            format!("there are {} commands; {COMMANDS_MAX} are allowed", commands.len()),
        );
    }
    for (i, command) in commands.iter().enumerate() {
        let at = |key: &'static str| vec![Key("commands"), Index(i), Key(key)];
        let name = &command.name;
        let name_fine = (1..=32).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !name_fine {
            problems.at(
                at("name"),
                "`name` has 1 to 32 of a-z, 0-9 and -, and begins with a letter; the slash is not part of it",
            );
        } else if commands[..i].iter().any(|other| other.name == *name) {
            problems.at(at("name"), format!("the command `{name}` is there twice"));
        }
        let usage = command
            .usage
            .strip_prefix('/')
            .and_then(|usage| usage.strip_prefix(name.as_str()));
        if !usage.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            || command.usage.chars().count() > 80
            || command.usage.chars().any(char::is_control)
        {
            problems.at(
                at("usage"),
                format!("`usage` is an example of at most 80 characters that begins with /{name}"),
            );
        }
        if !(1..=120).contains(&command.summary.chars().count()) || command.summary.chars().any(char::is_control) {
            problems.at(at("summary"), "`summary` is one line of 1 to 120 characters");
        }
    }
}

fn read_capabilities<'a>(raw: &'a BTreeMap<String, toml::Value>, problems: &mut Problems<'a>) -> Vec<Declared> {
    let mut declared = Vec::new();
    for (name, value) in raw {
        let at = || vec![Key("capabilities"), Key(name.as_str())];
        let Some(capability) = grants::named(name) else {
            let all = grants::all_names();
            problems.at(at(), format!("there is no capability `{name}`; there are: {all}"));
            continue;
        };
        let (reason, optional) = match value {
            toml::Value::String(reason) => (Some(reason.as_str()), Some(false)),
            toml::Value::Table(table) if table.keys().all(|key| matches!(key.as_str(), "reason" | "optional")) => {
                let optional = table.get("optional").map_or(Some(false), toml::Value::as_bool);
                (table.get("reason").and_then(toml::Value::as_str), optional)
            }
            _ => (None, None),
        };
        let (Some(reason), Some(optional)) = (reason, optional) else {
            problems.at(
                at(),
                format!("write {name} = \"the reason\" or {name} = {{ reason = \"…\", optional = true }}"),
            );
            continue;
        };
        let length = reason.chars().count();
        if !(1..=200).contains(&length) || reason.chars().any(char::is_control) {
            problems.at(at(), "the reason is one line of 1 to 200 characters, in plain words");
        }
        declared.push(Declared {
            name: capability.name,
            reason: reason.to_owned(),
            optional,
        });
    }
    // In the order of the list, not of the alphabet.
    declared.sort_by_key(|declared| {
        grants::CAPABILITIES
            .iter()
            .position(|known| known.name == declared.name)
    });
    declared
}

const KINDS: &str = "text, long-text, lines, number, toggle, choice, colour, date, member, list";

fn read_settings<'a>(
    raw: &'a [RawSetting],
    path: &[Step<'a>],
    in_list: bool,
    problems: &mut Problems<'a>,
) -> Vec<Setting> {
    let most = if in_list {
        settings::LIST_FIELDS_MAX
    } else {
        settings::SETTINGS_MAX
    };
    if raw.len() > most {
        problems.at(
            path.to_vec(),
            format!("there are {} entries; {most} are allowed here", raw.len()),
        );
    }
    let mut read = Vec::new();
    for (i, one) in raw.iter().enumerate() {
        let mut at = path.to_vec();
        at.push(Index(i));
        let key_fine = (1..=32).contains(&one.key.len())
            && one.key.starts_with(|c: char| c.is_ascii_lowercase())
            && one
                .key
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !key_fine {
            problems.at(
                step(&at, "key"),
                "`key` has 1 to 32 of a-z, 0-9 and _, and begins with a letter",
            );
        } else if raw[..i].iter().any(|other| other.key == one.key) {
            problems.at(step(&at, "key"), format!("the key `{}` is there twice", one.key));
        }
        if !(1..=60).contains(&one.label.chars().count()) || one.label.chars().any(char::is_control) {
            problems.at(step(&at, "label"), "`label` is one line of 1 to 60 characters");
        }
        if one.help.chars().count() > 200 || one.help.chars().any(char::is_control) {
            problems.at(step(&at, "help"), "`help` is one line of at most 200 characters");
        }
        let Some(kind) = read_kind(one, &at, in_list, problems) else {
            continue;
        };
        let mut setting = Setting {
            key: one.key.clone(),
            label: one.label.clone(),
            help: one.help.clone(),
            required: one.required,
            default: kind.blank(),
            kind,
        };
        if let Some(default) = &one.default {
            match as_json(default).and_then(|value| settings::fit(&setting, &value)) {
                Some(value) => setting.default = value,
                None => {
                    let kind = setting.kind.name();
                    problems.at(
                        step(&at, "default"),
                        format!("this default doesn't fit a {kind} within its limits"),
                    );
                }
            }
        }
        read.push(setting);
    }
    read
}

fn step<'a>(at: &[Step<'a>], key: &'a str) -> At<'a> {
    let mut at = at.to_vec();
    at.push(Key(key));
    at
}

fn read_kind<'a>(raw: &'a RawSetting, at: &[Step<'a>], in_list: bool, problems: &mut Problems<'a>) -> Option<Kind> {
    // Keys that belong to other kinds are refused, so that a slip isn't passed over.
    let given = [
        ("min", raw.min.is_some()),
        ("max", raw.max.is_some()),
        ("step", raw.step.is_some()),
        ("choices", raw.choices.is_some()),
        ("max_items", raw.max_items.is_some()),
        ("fields", raw.fields.is_some()),
    ];
    let mut only = |allowed: &[&str]| {
        for (key, _) in given.iter().filter(|(key, given)| *given && !allowed.contains(key)) {
            problems.at(step(at, key), format!("a setting of kind {} has no `{key}`", raw.kind));
        }
    };
    let whole = |value: Option<f64>, default: usize, most: usize| match value {
        None => Some(default),
        Some(value) if value.fract() == 0.0 && (1.0..=most as f64).contains(&value) => Some(value as usize),
        Some(_) => None,
    };
    match raw.kind.as_str() {
        kind @ ("text" | "long-text") => {
            only(&["max"]);
            let (default, most) = if kind == "text" {
                (200, settings::TEXT_MAX)
            } else {
                (2_000, settings::LONG_TEXT_MAX)
            };
            match whole(raw.max, default, most) {
                Some(max) if kind == "text" => Some(Kind::Text { max }),
                Some(max) => Some(Kind::LongText { max }),
                None => {
                    problems.at(step(at, "max"), format!("`max` of a {kind} is 1 to {most} characters"));
                    None
                }
            }
        }
        "lines" => {
            only(&["max", "max_items"]);
            let most = settings::TEXT_MAX;
            let Some(max) = whole(raw.max, 100, most) else {
                problems.at(
                    step(at, "max"),
                    format!("`max` of lines is 1 to {most} characters each"),
                );
                return None;
            };
            let max_items = raw.max_items.unwrap_or(100);
            if !(1..=settings::LINES_MAX).contains(&max_items) {
                let most = settings::LINES_MAX;
                problems.at(step(at, "max_items"), format!("`max_items` of lines is 1 to {most}"));
                return None;
            }
            Some(Kind::Lines { max_items, max })
        }
        "number" => {
            only(&["min", "max", "step"]);
            let (min, max) = (raw.min.unwrap_or(-1e9), raw.max.unwrap_or(1e9));
            if !(min.is_finite() && max.is_finite() && min <= max && min.abs() <= 1e15 && max.abs() <= 1e15) {
                problems.at(at.to_vec(), "`min` is at most `max`, and both lie within ±10¹⁵");
                return None;
            }
            if raw.step.is_some_and(|step| !step.is_finite() || step <= 0.0) {
                problems.at(step(at, "step"), "`step` is a number above 0");
                return None;
            }
            Some(Kind::Number {
                min,
                max,
                step: raw.step,
            })
        }
        "choice" => {
            only(&["choices"]);
            let choices = raw.choices.as_deref().unwrap_or_default();
            let line = |text: &str, most: usize| {
                (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
            };
            let distinct = choices
                .iter()
                .enumerate()
                .all(|(i, c)| choices[..i].iter().all(|d| d.value != c.value));
            if !(1..=50).contains(&choices.len())
                || !distinct
                || !choices
                    .iter()
                    .all(|choice| line(&choice.value, 60) && line(&choice.label, 60))
            {
                problems.at(
                    at.to_vec(),
                    "a choice has `choices = [{ value = \"…\", label = \"…\" }, …]`: 1 to 50, each value once, 1 to 60 characters each",
                );
                return None;
            }
            Some(Kind::Choice {
                choices: choices.iter().map(|c| (c.value.clone(), c.label.clone())).collect(),
            })
        }
        "toggle" | "colour" | "date" | "member" => {
            only(&[]);
            Some(match raw.kind.as_str() {
                "toggle" => Kind::Toggle,
                "colour" => Kind::Colour,
                "date" => Kind::Date,
                _ => Kind::Member,
            })
        }
        "list" if !in_list => {
            only(&["max_items", "fields"]);
            let max_items = raw.max_items.unwrap_or(10);
            if !(1..=settings::LIST_ITEMS_MAX).contains(&max_items) {
                let most = settings::LIST_ITEMS_MAX;
                problems.at(step(at, "max_items"), format!("`max_items` is 1 to {most}"));
                return None;
            }
            let fields = raw.fields.as_deref().unwrap_or_default();
            if fields.is_empty() {
                problems.at(at.to_vec(), "a list needs `fields`: the settings of each item");
                return None;
            }
            Some(Kind::List {
                max_items,
                fields: read_settings(fields, &step(at, "fields"), true, problems),
            })
        }
        "list" => {
            problems.at(step(at, "kind"), "a list can't hold lists");
            None
        }
        kind @ ("image" | "room") => {
            problems.at(
                step(at, "kind"),
                format!("this server has no {kind}s yet; kinds are: {KINDS}"),
            );
            None
        }
        other => {
            problems.at(
                step(at, "kind"),
                format!("there is no kind `{other}`; kinds are: {KINDS}"),
            );
            None
        }
    }
}

/// A default as JSON: dates of TOML's own become text.
fn as_json(value: &toml::Value) -> Option<Value> {
    match value {
        toml::Value::Datetime(date) => Some(Value::from(date.to_string())),
        other => serde_json::to_value(other).ok(),
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']) && name.len() <= 100
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
}

/// Looks up the lines; only done when there is something to complain about.
fn with_lines(text: &str, problems: Problems<'_>) -> ManifestErrors {
    let document = toml_edit::Document::parse(text).ok();
    let line = |at: &[Step<'_>]| {
        let mut span = None;
        let mut item = document.as_ref()?.as_item();
        for step in at {
            let next = match step {
                Key(key) => item.get(key),
                Index(index) => item.get(index),
            };
            let Some(next) = next else { break };
            item = next;
            span = item.span().or(span);
        }
        span.map(|span| line_of(text, span.start))
    };
    let error = |(at, message): (At<'_>, String)| ManifestError {
        line: line(&at),
        message,
    };
    ManifestErrors(problems.0.into_iter().map(error).collect())
}

/// Magic, version and layer of a component; a core module differs in the last four bytes.
const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
const CORE_MODULE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];

/// A section: its id, where the whole of it lies, and where its content.
type Section = (u8, Range<usize>, Range<usize>);

/// The top-level sections of a component.
fn sections(component: &[u8]) -> Result<Vec<Section>, ManifestErrors> {
    let bad = |message: &str| Err(ManifestErrors::one(message));
    if component.starts_with(&CORE_MODULE) {
        return bad("this is a core WebAssembly module, not a component; build it with `neospace plugin build`");
    }
    if !component.starts_with(&COMPONENT) {
        return bad("this is not a WebAssembly component");
    }
    let base = COMPONENT.len();
    let mut reader = wasmparser::BinaryReader::new(&component[base..], 0);
    let mut sections = Vec::new();
    while !reader.eof() {
        let start = base + reader.current_position();
        let section = (|| {
            let id = reader.read_u8()?;
            let size = reader.read_var_u32()? as usize;
            let content = base + reader.current_position();
            reader.read_bytes(size)?;
            Ok::<_, wasmparser::BinaryReaderError>((id, content..content + size))
        })();
        let Ok((id, content)) = section else {
            return bad("this component is cut off or damaged");
        };
        sections.push((id, start..content.end, content));
    }
    Ok(sections)
}

/// If this is a custom section of ours, its data.
fn manifest_data(component: &[u8], id: u8, content: &Range<usize>) -> Option<Range<usize>> {
    if id != 0 {
        return None;
    }
    let mut reader = wasmparser::BinaryReader::new(&component[content.clone()], 0);
    let name = reader.read_string().ok()?;
    (name == SECTION).then(|| content.start + reader.current_position()..content.end)
}

/// The component with `text` (packed) as its one manifest.
pub fn embed(component: &[u8], text: &str) -> Result<Vec<u8>, ManifestErrors> {
    Manifest::parse(text, true)?;
    let mut out = Vec::with_capacity(component.len() + text.len() + 64);
    out.extend_from_slice(&COMPONENT);
    for (id, whole, content) in sections(component)? {
        if manifest_data(component, id, &content).is_none() {
            out.extend_from_slice(&component[whole]);
        }
    }
    CustomSection {
        name: SECTION.into(),
        data: text.as_bytes().into(),
    }
    .append_to_component(&mut out);
    Ok(out)
}

/// The manifest in a component.
pub fn extract(component: &[u8]) -> Result<Manifest, ManifestErrors> {
    let sections = sections(component)?;
    let mut found = sections
        .iter()
        .filter_map(|(id, _, content)| manifest_data(component, *id, content));
    let Some(data) = found.next() else {
        return Err(ManifestErrors::one(format!(
            "this component has no manifest (custom section `{SECTION}`); pack it with `neospace plugin pack`"
        )));
    };
    if found.next().is_some() {
        return Err(ManifestErrors::one("this component has two manifests; one is allowed"));
    }
    let text = std::str::from_utf8(&component[data]).map_err(|_| ManifestErrors::one("the manifest is not UTF-8"))?;
    Manifest::parse(text, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "id = \"guestbook\"\nname = \"Guestbook\"\nversion = \"1.2.0\"\nsummary = \"Sign here.\"\nlicense = \"MIT\"\n";

    fn errors(rest: &str) -> String {
        match Manifest::parse(&format!("{HEAD}{rest}"), true) {
            Ok(_) => panic!("accepted: {rest}"),
            Err(errors) => errors.to_string(),
        }
    }

    #[test]
    fn a_whole_manifest_is_read() {
        let text = format!(
            "{HEAD}plate = \"green\"\nicon = '''<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"/>'''\ncss = \".a {{ color: red }}\"\n\
             size = {{ width = 2, height = 4, min_height = 2 }}\n[capabilities]\nviewer-name = {{ reason = \"Names.\", optional = true }}\nstorage = \"Lines.\"\n\
             [[settings]]\nkey = \"title\"\nlabel = \"Title\"\nkind = \"text\"\nmax = 60\ndefault = \"Guestbook\"\n\
             [[settings]]\nkey = \"ends\"\nlabel = \"Ends\"\nkind = \"date\"\ndefault = \"2026-11-21T18:00\"\n\
             [[settings]]\nkey = \"ink\"\nlabel = \"Ink\"\nkind = \"choice\"\nchoices = [{{ value = \"red\", label = \"stamp red\" }}]\n\
             [[settings]]\nkey = \"links\"\nlabel = \"Links\"\nkind = \"list\"\nmax_items = 3\nfields = [{{ key = \"url\", label = \"Address\", kind = \"text\" }}]\n\
             default = [{{ url = \"https://a.example\" }}]\n"
        );
        let manifest = Manifest::parse(&text, true).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(manifest.plate, Some("green".to_owned()));
        assert_eq!(
            (manifest.size.width, manifest.size.height, manifest.size.min_height),
            (2, 4, 2)
        );
        assert_eq!(manifest.css.as_deref(), Some(".a{color:red}\n"));
        let names: Vec<_> = manifest.capabilities.iter().map(|c| (c.name, c.optional)).collect();
        assert_eq!(names, [("storage", false), ("viewer-name", true)]);
        assert_eq!(
            manifest.default_settings(),
            r#"{"ends":"2026-11-21T18:00","ink":"red","links":[{"url":"https://a.example"}],"title":"Guestbook"}"#
        );
    }

    #[test]
    fn errors_name_line_and_what_is_allowed() {
        let error = errors(
            "[[settings]]\nkey = \"a\"\nlabel = \"A\"\nkind = \"text\"\n\n[[settings]]\nkey = \"pic\"\nlabel = \"Picture\"\nkind = \"image\"\n",
        );
        assert!(error.contains("line 14") && error.contains("long-text"), "{error}");
        let error = errors("[capabilities]\nfilesystem = \"Everything.\"\n");
        assert!(error.contains("line 7") && error.contains("shared-storage"), "{error}");
        let error = errors("colour = \"red\"\n");
        assert!(error.contains("line 6") && error.contains("colour"), "{error}");
        let error = errors("css = \"\"\"\n.a { color: red }\n.b { position: fixed }\n\"\"\"\n");
        assert!(error.contains("line 2") && error.contains("sticky"), "{error}");
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for rest in [
            "size = { width = 5, height = 1 }\n",
            "size = { width = 1, height = 13 }\n",
            "size = { width = 1, height = 1, min_width = 2 }\n",
            "size = { breadth = 1 }\n",
            "plate = \"gold\"\n",
            "source = \"http://plain.example\"\n",
            "source = \"javascript:alert(1)\"\n",
            "language = \"a\\nb\"\n",
            "icon = \"icon.svg\"\n",
            "[capabilities]\nstorage = true\n",
            "[capabilities]\nstorage = { optional = true }\n",
            "[capabilities]\nstorage = { reason = \"x\", extra = 1 }\n",
            "[capabilities]\nstorage = \"\"\n",
            "[[settings]]\nkey = \"A\"\nlabel = \"x\"\nkind = \"text\"\n",
            "[[settings]]\nkey = \"a-b\"\nlabel = \"x\"\nkind = \"text\"\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"text\"\n[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"text\"\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"text\"\nmax = 100000\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"text\"\nstep = 2\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"text\"\nmax = 2\ndefault = \"abc\"\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"number\"\nmin = 3\nmax = 2\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"number\"\nmin = nan\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"number\"\nstep = 0\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"choice\"\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"choice\"\nchoices = [{ value = \"a\", label = \"\" }]\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"list\"\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"list\"\nfields = [{ key = \"b\", label = \"b\", kind = \"list\", fields = [] }]\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"password\"\n",
            "[[settings]]\nkey = \"a\"\nlabel = \"x\"\nkind = \"toggle\"\ndefault = \"yes\"\n",
            "[[settings]]\nkey = \"a\"\nkind = \"toggle\"\n",
            "nonsense\n",
        ] {
            assert!(errors(rest).len() > 20, "{rest}");
        }
        for id in ["", "a", "Guestbook", "1abc", "a_b", "../x", &"a".repeat(33)] {
            let text = HEAD.replace("guestbook", id);
            assert!(Manifest::parse(&text, true).is_err(), "{id}");
        }
        for version in ["1", "1.2", "1.2.x", "1.2.3 ", "a.b.c", "1.2.3/4"] {
            let text = HEAD.replace("1.2.0", version);
            assert!(Manifest::parse(&text, true).is_err(), "{version}");
        }
        assert!(Manifest::parse(&" ".repeat(MANIFEST_MAX + 1), true).is_err());
    }

    #[test]
    fn a_manifest_travels_in_the_component() {
        let component = embed(&COMPONENT, HEAD).unwrap();
        assert_eq!(extract(&component).unwrap().id, "guestbook");
        let newer = HEAD.replace("1.2.0", "1.3.0");
        let again = embed(&component, &newer).unwrap();
        assert_eq!(again.len(), component.len(), "the old one is gone");
        assert_eq!(extract(&again).unwrap().version, "1.3.0");
        wasmparser::Validator::new()
            .validate_all(&again)
            .expect("it is still a component");
    }

    #[test]
    fn what_is_no_component_is_refused() {
        let message = |bytes: &[u8]| extract(bytes).unwrap_err().to_string();
        assert!(message(&CORE_MODULE).contains("core WebAssembly module"));
        assert!(message(b"").contains("not a WebAssembly component"));
        assert!(message(b"\x7fELF....").contains("not a WebAssembly component"));
        assert!(message(&COMPONENT).contains("no manifest"));
        let component = embed(&COMPONENT, HEAD).unwrap();
        for cut in 9..component.len() {
            assert!(extract(&component[..cut]).is_err(), "cut at {cut}");
        }
        let mut twice = component.clone();
        twice.extend_from_slice(&component[8..]);
        assert!(message(&twice).contains("two manifests"));
    }
}
