//! A plugin's settings: the schema in its manifest, the JSON object that is stored and that the plugin gets, and the form
//! that the owner fills in.
//!
//! **Names in the form.** A field is `s-KEY`. Item `N` (from 0) of a list has `s-LIST-N-KEY`; keys hold no `-`, so that
//! names are unambiguous. An item with `s-LIST-N--remove` is dropped; one with `s-LIST-N--new` that was left as it came
//! (all fields blank or at their defaults) is dropped in silence: every list with room shows one such item at its end.
//! A toggle is a checkbox, `on` when set and absent when not.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Invalid;

/// Settings of one plugin, those in lists not counted.
pub const SETTINGS_MAX: usize = 32;
/// Fields of a list's items.
pub const LIST_FIELDS_MAX: usize = 8;
/// Items of a list that a manifest may allow.
pub const LIST_ITEMS_MAX: usize = 50;
/// Characters that a `text` may allow.
pub const TEXT_MAX: usize = 1_000;
/// Characters that a `long-text` may allow.
pub const LONG_TEXT_MAX: usize = 8_000;
/// Entries that `lines` may allow.
pub const LINES_MAX: usize = 2_000;
/// Bytes of all settings together, as JSON.
pub const JSON_MAX: usize = 64 * 1024;

/// One setting of the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// `^[a-z][a-z0-9_]{0,31}$`, the key in the JSON object.
    pub key: String,
    pub label: String,
    /// What is allowed or meant, a sentence or nothing.
    pub help: String,
    pub required: bool,
    pub kind: Kind,
    /// Fits `kind`.
    pub default: Value,
}

/// What a setting holds, and as what in JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// One line: a string of at most `max` characters.
    Text { max: usize },
    /// Several lines: a string of at most `max` characters, line ends as `\n`.
    LongText { max: usize },
    /// One short text a line: an array of at most `max_items` strings, none of them blank, of at most `max` characters.
    Lines { max_items: usize, max: usize },
    /// A number; an integer in JSON when it is whole.
    Number { min: f64, max: f64, step: Option<f64> },
    /// `true` or `false`.
    Toggle,
    /// One of the values.
    Choice { choices: Vec<(String, String)> },
    /// `#rrggbb`, in lower case.
    Colour,
    /// `2026-11-21T18:00`, the owner's local time, or `""`.
    Date,
    /// A user name, or `""`.
    Member,
    /// Records: an array of objects with these fields.
    List { max_items: usize, fields: Vec<Setting> },
}

impl Kind {
    /// As the manifest writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Text { .. } => "text",
            Kind::LongText { .. } => "long-text",
            Kind::Lines { .. } => "lines",
            Kind::Number { .. } => "number",
            Kind::Toggle => "toggle",
            Kind::Choice { .. } => "choice",
            Kind::Colour => "colour",
            Kind::Date => "date",
            Kind::Member => "member",
            Kind::List { .. } => "list",
        }
    }

    /// The value when the manifest names none.
    pub fn blank(&self) -> Value {
        match self {
            Kind::Text { .. } | Kind::LongText { .. } | Kind::Date | Kind::Member => Value::from(""),
            Kind::Number { min, max, .. } => number(0f64.clamp(*min, *max)),
            Kind::Toggle => Value::from(false),
            Kind::Choice { choices } => Value::from(choices.first().map_or("", |(value, _)| value)),
            Kind::Colour => Value::from("#000000"),
            Kind::List { .. } | Kind::Lines { .. } => Value::Array(Vec::new()),
        }
    }
}

/// A field of the form that isn't right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Its name in the form, such as `s-title` or `s-items-0-name`.
    pub name: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl From<Vec<FieldError>> for Invalid {
    fn from(errors: Vec<FieldError>) -> Self {
        let mut invalid = Self::default();
        for error in errors {
            invalid.add(error.name, error.message);
        }
        invalid
    }
}

/// One field as a template shows it.
#[derive(Clone, Debug, Serialize)]
pub struct FormField {
    /// Its name in the form.
    pub name: String,
    pub key: String,
    pub label: String,
    pub help: String,
    /// The manifest's kind: `text`, `long-text`, `number`, `toggle`, `choice`, `colour`, `date`, `member` or `list`.
    pub kind: &'static str,
    pub required: bool,
    /// What stands in the field; of a toggle, nothing.
    pub value: String,
    /// Of a toggle.
    pub checked: bool,
    /// Of a number.
    pub min: Option<f64>,
    /// Of a number.
    pub max: Option<f64>,
    /// Of a number: `any` when there is none.
    pub step: Option<String>,
    /// Of text: characters.
    pub max_length: Option<usize>,
    /// Of a choice.
    pub choices: Vec<FormChoice>,
    /// Of a list, with one new item at the end while there is room.
    pub items: Vec<FormItem>,
    /// Of a list.
    pub max_items: Option<usize>,
    pub error: Option<String>,
}

/// One answer of a choice.
#[derive(Clone, Debug, Serialize)]
pub struct FormChoice {
    pub value: String,
    pub label: String,
    pub selected: bool,
}

/// One item of a list.
#[derive(Clone, Debug, Serialize)]
pub struct FormItem {
    /// `s-items-0`: a checkbox `{name}--remove` drops the item; a hidden field `{name}--new` marks a new one.
    pub name: String,
    pub index: usize,
    pub new: bool,
    pub fields: Vec<FormField>,
}

/// The stored settings with a value for every setting of the schema: what is missing, or doesn't fit any more since the
/// plugin was upgraded, is the default; what the schema doesn't know is left out.
pub fn complete(schema: &[Setting], stored: &str) -> String {
    let stored: Map<String, Value> = serde_json::from_str(stored).unwrap_or_default();
    Value::Object(complete_object(schema, &stored)).to_string()
}

/// Of settings that come from elsewhere, those that the schema knows, as they fit it: what wasn't said isn't said here either.
pub fn fitting(schema: &[Setting], said: &str) -> String {
    let said: Map<String, Value> = serde_json::from_str(said).unwrap_or_default();
    let mut all = complete_object(schema, &said);
    all.retain(|key, _| said.contains_key(key));
    Value::Object(all).to_string()
}

fn complete_object(schema: &[Setting], stored: &Map<String, Value>) -> Map<String, Value> {
    let value = |setting: &Setting| stored.get(&setting.key).and_then(|value| fit(setting, value));
    schema
        .iter()
        .map(|setting| {
            (
                setting.key.clone(),
                value(setting).unwrap_or_else(|| setting.default.clone()),
            )
        })
        .collect()
}

/// A stored value as this setting holds it, or nothing if it doesn't fit.
pub fn fit(setting: &Setting, value: &Value) -> Option<Value> {
    match &setting.kind {
        Kind::List { max_items, fields } => {
            let items = value.as_array()?.iter().take(*max_items);
            let items = items.map(|item| Some(Value::Object(complete_object(fields, item.as_object()?))));
            items.collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Kind::Lines { .. } => {
            let lines: Option<Vec<&str>> = value.as_array()?.iter().map(Value::as_str).collect();
            read(setting, &lines?.join("\n")).ok()
        }
        Kind::Toggle => value.as_bool().map(Value::from),
        Kind::Number { .. } => read(setting, &value.as_f64()?.to_string()).ok(),
        _ => {
            let read = read(setting, value.as_str()?).ok()?;
            // An empty text that the schema now requires is no reason to overwrite it.
            Some(read)
        }
    }
}

/// One field's text as the setting holds it, or what is wrong with it.
fn read(setting: &Setting, text: &str) -> Result<Value, String> {
    let label = &setting.label;
    let longer_than = |max: usize| text.chars().nth(max).is_some();
    match &setting.kind {
        Kind::Text { max } => {
            if longer_than(*max) {
                return Err(format!(
                    "{label} has {} characters; {max} are allowed.",
                    text.chars().count()
                ));
            }
            if text.chars().any(char::is_control) {
                return Err(format!("{label} is one line, without control characters."));
            }
            Ok(Value::from(text))
        }
        Kind::LongText { max } => {
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            if text.chars().nth(*max).is_some() {
                return Err(format!(
                    "{label} has {} characters; {max} are allowed.",
                    text.chars().count()
                ));
            }
            if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
                return Err(format!(
                    "{label} has control characters in it; text and line breaks are allowed."
                ));
            }
            Ok(Value::from(text))
        }
        Kind::Lines { max_items, max } => {
            let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            if lines.len() > *max_items {
                return Err(format!("{label} has {} lines; {max_items} are allowed.", lines.len()));
            }
            if let Some(line) = lines.iter().find(|line| line.chars().nth(*max).is_some()) {
                let start: String = line.chars().take(20).collect();
                return Err(format!(
                    "{label}: the line “{start}…” has {} characters; {max} are allowed.",
                    line.chars().count()
                ));
            }
            if let Some(line) = lines.iter().position(|line| line.chars().any(char::is_control)) {
                return Err(format!("{label}: line {} has control characters in it.", line + 1));
            }
            Ok(Value::from(lines))
        }
        Kind::Number { min, max, step } => {
            let range = format!("{label} is a number from {} to {}", plain(*min), plain(*max));
            let value = text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
            let Some(value) = value.filter(|value| (*min..=*max).contains(value)) else {
                return Err(format!("{range}."));
            };
            if let Some(step) = step {
                let steps = (value - min) / step;
                if (steps - steps.round()).abs() > 1e-6 {
                    return Err(format!("{range}, in steps of {}.", plain(*step)));
                }
            }
            Ok(number(value))
        }
        Kind::Toggle => Ok(Value::from(text == "on")),
        Kind::Choice { choices } => match choices.iter().find(|(value, _)| value == text) {
            Some((value, _)) => Ok(Value::from(value.as_str())),
            None => {
                let labels: Vec<_> = choices.iter().map(|(_, label)| label.as_str()).collect();
                Err(format!("{label} is one of: {}.", labels.join(", ")))
            }
        },
        Kind::Colour => {
            let digits = text.strip_prefix('#').unwrap_or_default();
            if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                Ok(Value::from(text.to_ascii_lowercase()))
            } else {
                Err(format!(
                    "{label} is a colour, written # and six digits, such as #00a86b."
                ))
            }
        }
        Kind::Date => {
            let text = text.trim();
            if text.is_empty() {
                return Ok(Value::from(""));
            }
            match text.parse::<jiff::civil::DateTime>() {
                Ok(date) if (0..=9_999).contains(&date.year()) => {
                    Ok(Value::from(date.strftime("%Y-%m-%dT%H:%M").to_string()))
                }
                _ => Err(format!("{label} is a date and a time, such as 2026-11-21T18:00.")),
            }
        }
        Kind::Member => {
            let name = text.trim().trim_start_matches('@').to_lowercase();
            let plain = name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
            if name.is_empty() || (plain && (3..=24).contains(&name.len())) {
                Ok(Value::from(name))
            } else {
                Err(format!("{label} is a user name: 3 to 24 letters, digits, _ or -."))
            }
        }
        Kind::List { .. } => Err(format!("{label} is a list.")),
    }
}

/// The members that settings name, each once: `value` is an object that was stored by this schema, or an older one.
pub fn members(schema: &[Setting], value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for setting in schema {
        let value = &value[&setting.key];
        let found = match &setting.kind {
            Kind::Member => value.as_str().map(|name| vec![name.to_owned()]).unwrap_or_default(),
            Kind::List { fields, .. } => {
                let items = value.as_array().into_iter().flatten();
                items.flat_map(|item| members(fields, item)).collect()
            }
            _ => Vec::new(),
        };
        for name in found {
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// Whole numbers as integers.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_991.0 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

fn plain(value: f64) -> String {
    number(value).to_string()
}

/// What stands in the configuration file, as the object to store; or everything that is wrong with it, each with the keys
/// that lead to it.
///
/// # Errors
/// Keys that the schema doesn't have, values that don't fit.
pub fn from_config(schema: &[Setting], table: &toml::Table) -> Result<Value, Vec<(Vec<String>, String)>> {
    let mut problems = Vec::new();
    let object = record_from_config(schema, table, &[], &mut problems);
    let value = Value::Object(object);
    if problems.is_empty() && value.to_string().len() > JSON_MAX {
        problems.push((
            Vec::new(),
            format!("all settings together may have {} KiB", JSON_MAX / 1024),
        ));
    }
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

fn record_from_config(
    schema: &[Setting],
    table: &toml::Table,
    at: &[String],
    problems: &mut Vec<(Vec<String>, String)>,
) -> Map<String, Value> {
    let path = |key: &str| at.iter().cloned().chain([key.to_owned()]).collect::<Vec<_>>();
    for key in table
        .keys()
        .filter(|key| schema.iter().all(|setting| setting.key != **key))
    {
        let keys: Vec<&str> = schema.iter().map(|setting| setting.key.as_str()).collect();
        let there = match keys.is_empty() {
            true => "this plugin has no settings".to_owned(),
            false => format!("there are: {}", keys.join(", ")),
        };
        problems.push((path(key), format!("there is no setting `{key}`; {there}")));
    }
    let mut object = Map::new();
    for setting in schema {
        let at = path(&setting.key);
        let value = match (table.get(&setting.key), &setting.kind) {
            (None, _) => setting.default.clone(),
            (Some(toml::Value::Array(items)), Kind::List { max_items, fields }) => {
                if items.len() > *max_items {
                    let message = format!("{} has {} items; {max_items} are allowed", setting.label, items.len());
                    problems.push((at.clone(), message));
                }
                let mut records = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let at: Vec<String> = at.iter().cloned().chain([index.to_string()]).collect();
                    match item.as_table() {
                        Some(item) => records.push(Value::Object(record_from_config(fields, item, &at, problems))),
                        None => problems.push((at, format!("{} is a list of tables", setting.label))),
                    }
                }
                Value::Array(records)
            }
            (Some(given), kind) => {
                let text = match (given, kind) {
                    (toml::Value::Array(lines), Kind::Lines { .. }) => {
                        let lines: Option<Vec<&str>> = lines.iter().map(toml::Value::as_str).collect();
                        lines
                            .filter(|lines| !lines.iter().any(|line| line.contains('\n')))
                            .map(|lines| lines.join("\n"))
                    }
                    (toml::Value::Boolean(on), Kind::Toggle) => Some(if *on { "on" } else { "" }.to_owned()),
                    (toml::Value::Integer(number), Kind::Number { .. }) => Some(number.to_string()),
                    (toml::Value::Float(number), Kind::Number { .. }) => Some(number.to_string()),
                    (toml::Value::Datetime(date), Kind::Date) => Some(date.to_string()),
                    (_, Kind::Lines { .. } | Kind::Toggle | Kind::Number { .. } | Kind::List { .. }) => None,
                    (toml::Value::String(text), _) => Some(text.clone()),
                    _ => None,
                };
                match text.as_deref().map(|text| read(setting, text)) {
                    Some(Ok(value)) if setting.required && value == setting.kind.blank() => {
                        problems.push((at, format!("{} can't be empty", setting.label)));
                        continue;
                    }
                    Some(Ok(value)) => value,
                    Some(Err(why)) => {
                        problems.push((at, why.trim_end_matches('.').to_owned()));
                        continue;
                    }
                    None => {
                        let wanted = match kind {
                            Kind::Lines { .. } => "a list of texts, such as [\"one\", \"another\"]",
                            Kind::Toggle => "true or false",
                            Kind::Number { .. } => "a number",
                            Kind::List { .. } => "a list of tables",
                            _ => "a text in quotation marks",
                        };
                        problems.push((at, format!("{} is {wanted}", setting.label)));
                        continue;
                    }
                }
            }
        };
        object.insert(setting.key.clone(), value);
    }
    object
}

/// What was posted, as the object to store; or everything that's wrong with it.
pub fn from_form(schema: &[Setting], form: &[(String, String)]) -> Result<Value, Vec<FieldError>> {
    let mut errors = Vec::new();
    let object = read_record(schema, form, "s-", &mut errors);
    let value = Value::Object(object);
    if errors.is_empty() && value.to_string().len() > JSON_MAX {
        let message = format!("All settings together may have {} KiB.", JSON_MAX / 1024);
        errors.push(FieldError {
            name: String::new(),
            message,
        });
    }
    if errors.is_empty() { Ok(value) } else { Err(errors) }
}

fn read_record(
    schema: &[Setting],
    form: &[(String, String)],
    prefix: &str,
    errors: &mut Vec<FieldError>,
) -> Map<String, Value> {
    let mut object = Map::new();
    for setting in schema {
        let name = format!("{prefix}{}", setting.key);
        let value = match &setting.kind {
            Kind::List { max_items, fields } => {
                let mut items = Vec::new();
                for (item, new) in list_items(form, &name) {
                    if posted(form, &format!("{item}--remove")).is_some() {
                        continue;
                    }
                    let mut item_errors = Vec::new();
                    let record = read_record(fields, form, &format!("{item}-"), &mut item_errors);
                    if new && untouched(fields, form, &format!("{item}-")) {
                        continue;
                    }
                    errors.append(&mut item_errors);
                    items.push(Value::Object(record));
                }
                if items.len() > *max_items {
                    let message = format!("{} has {} items; {max_items} are allowed.", setting.label, items.len());
                    errors.push(FieldError {
                        name: name.clone(),
                        message,
                    });
                }
                if setting.required && items.is_empty() {
                    errors.push(FieldError {
                        name,
                        message: format!("{} needs at least one item.", setting.label),
                    });
                }
                Value::Array(items)
            }
            _ => {
                let text = posted(form, &name);
                match read(setting, text.unwrap_or_default()) {
                    // A field that wasn't posted at all is as it was by default; an unset checkbox is `false`.
                    _ if text.is_none() && setting.kind != Kind::Toggle => {
                        if setting.required {
                            errors.push(FieldError {
                                name,
                                message: format!("{} is missing.", setting.label),
                            });
                        }
                        setting.default.clone()
                    }
                    Ok(value) if setting.required && (value == "" || value.as_array().is_some_and(Vec::is_empty)) => {
                        errors.push(FieldError {
                            name,
                            message: format!("{} can't be empty.", setting.label),
                        });
                        value
                    }
                    Ok(value) => value,
                    Err(message) => {
                        errors.push(FieldError { name, message });
                        Value::Null
                    }
                }
            }
        };
        object.insert(setting.key.clone(), value);
    }
    object
}

fn posted<'f>(form: &'f [(String, String)], name: &str) -> Option<&'f str> {
    form.iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// The items of a list in the order in which they were posted: `s-items-3`, and whether it is a new one.
fn list_items(form: &[(String, String)], list: &str) -> Vec<(String, bool)> {
    let mut items: Vec<(String, bool)> = Vec::new();
    for (name, _) in form {
        let Some(rest) = name.strip_prefix(list).and_then(|rest| rest.strip_prefix('-')) else {
            continue;
        };
        let Some((index, field)) = rest.split_once('-') else {
            continue;
        };
        if index.is_empty() || index.len() > 3 || !index.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let item = format!("{list}-{index}");
        let new = field == "-new";
        match items.iter().position(|(known, _)| *known == item) {
            Some(known) => items[known].1 |= new,
            // Room for those that are dropped again.
            None if items.len() < 2 * LIST_ITEMS_MAX => items.push((item, new)),
            None => {}
        }
    }
    items
}

fn untouched(fields: &[Setting], form: &[(String, String)], prefix: &str) -> bool {
    fields
        .iter()
        .all(|field| match posted(form, &format!("{prefix}{}", field.key)) {
            None => field.kind != Kind::Toggle || field.default == false,
            Some(text) => text.trim().is_empty() || read(field, text).is_ok_and(|value| value == field.default),
        })
}

/// The form for values as they are stored (and completed).
pub fn form_model(schema: &[Setting], values: &Value) -> Vec<FormField> {
    record_model(schema, values.as_object().unwrap_or(&Map::new()), "s-")
}

fn record_model(schema: &[Setting], values: &Map<String, Value>, prefix: &str) -> Vec<FormField> {
    let field = |setting: &Setting| {
        let name = format!("{prefix}{}", setting.key);
        let value = values.get(&setting.key).unwrap_or(&setting.default);
        let items = match &setting.kind {
            Kind::List { max_items, fields } => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let blank = Value::Object(Map::new());
                let shown = items.iter().map(|item| (item, false));
                let shown = shown.chain((items.len() < *max_items).then_some((&blank, true)));
                shown
                    .enumerate()
                    .map(|(index, (item, new))| {
                        let name = format!("{name}-{index}");
                        let values = item.as_object().cloned().unwrap_or_default();
                        let fields = record_model(fields, &values, &format!("{name}-"));
                        FormItem {
                            name,
                            index,
                            new,
                            fields,
                        }
                    })
                    .collect()
            }
            _ => Vec::new(),
        };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
            _ => String::new(),
        };
        empty_field(setting, name, text, value == &Value::from(true), items)
    };
    schema.iter().map(field).collect()
}

/// The form as it was posted, with its errors: nothing that was typed is lost.
pub fn form_model_typed(schema: &[Setting], form: &[(String, String)], errors: &[FieldError]) -> Vec<FormField> {
    typed_model(schema, form, errors, "s-")
}

fn typed_model(schema: &[Setting], form: &[(String, String)], errors: &[FieldError], prefix: &str) -> Vec<FormField> {
    let field = |setting: &Setting| {
        let name = format!("{prefix}{}", setting.key);
        let text = posted(form, &name);
        let items = match &setting.kind {
            Kind::List { max_items, fields } => {
                let mut items: Vec<FormItem> = list_items(form, &name)
                    .into_iter()
                    .filter(|(item, _)| posted(form, &format!("{item}--remove")).is_none())
                    .map(|(item, new)| {
                        let index = item[name.len() + 1..].parse().unwrap_or(0);
                        let fields = typed_model(fields, form, errors, &format!("{item}-"));
                        FormItem {
                            name: item,
                            index,
                            new,
                            fields,
                        }
                    })
                    .collect();
                if items.len() < *max_items && !items.iter().any(|item| item.new) {
                    let index = items.iter().map(|item| item.index + 1).max().unwrap_or(0);
                    let name = format!("{name}-{index}");
                    let fields = record_model(fields, &Map::new(), &format!("{name}-"));
                    items.push(FormItem {
                        name,
                        index,
                        new: true,
                        fields,
                    });
                }
                items
            }
            _ => Vec::new(),
        };
        let mut field = empty_field(
            setting,
            name,
            text.unwrap_or_default().to_owned(),
            text == Some("on"),
            items,
        );
        field.error = errors
            .iter()
            .find(|error| error.name == field.name)
            .map(|error| error.message.clone());
        field
    };
    schema.iter().map(field).collect()
}

fn empty_field(setting: &Setting, name: String, text: String, checked: bool, items: Vec<FormItem>) -> FormField {
    let (mut min, mut max, mut step, mut max_length, mut max_items) = (None, None, None, None, None);
    let mut choices = Vec::new();
    match &setting.kind {
        Kind::Text { max } | Kind::LongText { max } => max_length = Some(*max),
        Kind::Number {
            min: least,
            max: most,
            step: by,
        } => {
            (min, max) = (Some(*least), Some(*most));
            step = Some(by.map_or("any".to_owned(), plain));
        }
        Kind::Choice { choices: all } => {
            let choice = |(value, label): &(String, String)| FormChoice {
                value: value.clone(),
                label: label.clone(),
                selected: *value == text,
            };
            choices = all.iter().map(choice).collect();
        }
        Kind::Lines { max_items, max } => max_length = Some(max_items * (max + 1)),
        Kind::List { max_items: most, .. } => max_items = Some(*most),
        Kind::Toggle | Kind::Colour | Kind::Date | Kind::Member => {}
    }
    FormField {
        name,
        key: setting.key.clone(),
        label: setting.label.clone(),
        help: setting.help.clone(),
        // Lines are typed as one text.
        kind: match &setting.kind {
            Kind::Lines { .. } => "long-text",
            kind => kind.name(),
        },
        required: setting.required,
        value: if setting.kind == Kind::Toggle {
            String::new()
        } else {
            text
        },
        checked: checked && setting.kind == Kind::Toggle,
        min,
        max,
        step,
        max_length,
        choices,
        items,
        max_items,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn setting(key: &str, kind: Kind) -> Setting {
        let default = kind.blank();
        Setting {
            key: key.into(),
            label: key.to_uppercase(),
            help: String::new(),
            required: false,
            kind,
            default,
        }
    }

    fn schema() -> Vec<Setting> {
        let choices = vec![
            ("red".to_owned(), "stamp red".to_owned()),
            ("blue".to_owned(), "ink blue".to_owned()),
        ];
        let mut shown = setting("shown", Kind::Toggle);
        shown.default = json!(true);
        vec![
            setting("title", Kind::Text { max: 5 }),
            setting(
                "count",
                Kind::Number {
                    min: 1.0,
                    max: 9.0,
                    step: Some(2.0),
                },
            ),
            shown,
            setting("ink", Kind::Choice { choices }),
            setting("fill", Kind::Colour),
            setting("at", Kind::Date),
            setting("who", Kind::Member),
            setting(
                "items",
                Kind::List {
                    max_items: 2,
                    fields: vec![setting("name", Kind::Text { max: 9 }), setting("on", Kind::Toggle)],
                },
            ),
        ]
    }

    fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn stored_settings_that_no_longer_fit_fall_back_one_by_one() {
        let stored = r##"{"title":"too long","count":4,"shown":"yes","ink":"blue","fill":"#ABCDEF","gone":1,"items":[{"name":"a"},{"name":7},{"name":"c"}]}"##;
        let whole: Value = serde_json::from_str(&complete(&schema(), stored)).unwrap();
        assert_eq!(
            whole,
            json!({"title":"","count":1,"shown":true,"ink":"blue","fill":"#abcdef","at":"","who":"",
                   "items":[{"name":"a","on":false},{"name":"","on":false}]})
        );
        for broken in ["", "null", "[]", "{", "{\"title\":{}}"] {
            let whole: Value = serde_json::from_str(&complete(&schema(), broken)).unwrap();
            assert_eq!(whole["shown"], json!(true), "{broken}");
        }
    }

    #[test]
    fn a_form_is_read_whole() {
        let posted = form(&[
            ("s-title", "hello"),
            ("s-count", "3"),
            ("s-ink", "blue"),
            ("s-fill", "#00A86B"),
            ("s-at", "2026-11-21T18:00"),
            ("s-who", "@Ana"),
            ("s-items-4-name", "x"),
            ("s-items-4-on", "on"),
            ("s-items-0-name", "gone"),
            ("s-items-0--remove", "on"),
            ("s-items-5--new", "1"),
            ("s-items-5-name", ""),
        ]);
        let value = from_form(&schema(), &posted).unwrap();
        assert_eq!(
            value,
            json!({"title":"hello","count":3,"shown":false,"ink":"blue","fill":"#00a86b","at":"2026-11-21T18:00",
                   "who":"ana","items":[{"name":"x","on":true}]})
        );
    }

    #[test]
    fn every_wrong_field_is_named_and_what_was_typed_is_kept() {
        let posted = form(&[
            ("s-title", "hello!"),
            ("s-count", "4"),
            ("s-ink", "green"),
            ("s-fill", "red"),
            ("s-at", "tomorrow"),
            ("s-who", "a b"),
            ("s-items-0-name", "much too long"),
        ]);
        let errors = from_form(&schema(), &posted).unwrap_err();
        let names: Vec<_> = errors.iter().map(|error| error.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "s-title",
                "s-count",
                "s-ink",
                "s-fill",
                "s-at",
                "s-who",
                "s-items-0-name"
            ]
        );
        let model = form_model_typed(&schema(), &posted, &errors);
        assert_eq!(model[0].value, "hello!");
        assert!(model[0].error.as_deref().unwrap().contains("5 are allowed"));
        assert_eq!(model[7].items[0].fields[0].value, "much too long");
        assert!(model[7].items[0].fields[0].error.is_some());
        assert!(model[7].items[1].new);
    }

    #[test]
    fn a_list_offers_one_new_item_while_there_is_room() {
        let model = form_model(&schema(), &json!({"items":[{"name":"a"}]}));
        assert_eq!(
            model[7].items.iter().map(|item| item.new).collect::<Vec<_>>(),
            [false, true]
        );
        assert_eq!(model[7].items[1].fields[0].name, "s-items-1-name");
        let model = form_model(&schema(), &json!({"items":[{"name":"a"},{"name":"b"}]}));
        assert_eq!(model[7].items.len(), 2);
    }

    #[test]
    fn more_items_than_allowed_are_refused() {
        let posted = form(&[
            ("s-items-0-name", "a"),
            ("s-items-1-name", "b"),
            ("s-items-2-name", "c"),
        ]);
        let errors = from_form(&schema(), &posted).unwrap_err();
        assert!(errors[0].message.contains("2 are allowed"), "{errors:?}");
    }
}
