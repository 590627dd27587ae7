//! `neospace plugin check`: everything that an installation would complain about, and some things that it wouldn't, all at
//! once, with file and line where there is one.

use std::{fmt, fs, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use neospace_runner::protocol::Grants;
use serde::Serialize;

use super::{
    Check, build, project,
    stage::{Outcomes, Scene, Stage, What, Who},
};
use crate::plugins::{
    compile::{self, CompileOptions},
    css, grants, icon,
    manifest::{self, Manifest, ManifestErrors},
};

/// A component over this is worth a word, in bytes: the plugins that ship are a tenth of it.
const LARGE_BYTES: usize = 1024 * 1024;

/// What is linked of WASI: it loads, and there is nothing to be had from it.
const INERT: [&str; 5] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
];

/// One thing to say about a plugin.
#[derive(Debug, Serialize)]
struct Finding {
    /// Whether it keeps the plugin from being installed.
    level: Level,
    /// The file that it is about, as it lies in the project.
    file: Option<String>,
    /// From 1.
    line: Option<usize>,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Hint,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.level == Level::Error {
            "error: "
        } else {
            "hint: "
        })?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            _ => {}
        }
        f.write_str(&self.message)
    }
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, file: Option<&str>, line: Option<usize>, message: impl Into<String>) {
        self.0.push(Finding {
            level: Level::Error,
            file: file.map(Into::into),
            line,
            message: message.into(),
        });
    }

    fn hint(&mut self, file: Option<&str>, line: Option<usize>, message: impl Into<String>) {
        self.0.push(Finding {
            level: Level::Hint,
            file: file.map(Into::into),
            line,
            message: message.into(),
        });
    }

    fn manifest(&mut self, errors: ManifestErrors) {
        for error in errors.0 {
            self.error(Some("plugin.toml"), error.line, error.message);
        }
    }
}

/// The command: prints the findings; fails when one of them is an error.
pub fn main(options: &Check) -> Result<ExitCode> {
    let mut findings = Findings::default();
    let name = if options.plugin.is_file() {
        file(&options.plugin, &mut findings)?
    } else {
        folder(options, &mut findings)?
    };
    let errors = findings
        .0
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .count();
    if options.json {
        println!("{}", serde_json::to_string(&findings.0)?);
    } else {
        for finding in &findings.0 {
            println!("{finding}");
        }
        match (errors, findings.0.len() - errors) {
            (0, 0) => println!("{name} is fine: an operator can install it."),
            (0, hints) => println!("{name} can be installed; {hints} {}.", plural(hints, "hint")),
            (errors, 0) => println!("{name} can't be installed: {errors} {}.", plural(errors, "error")),
            (errors, hints) => {
                println!(
                    "{name} can't be installed: {errors} {}, {hints} {}.",
                    plural(errors, "error"),
                    plural(hints, "hint")
                );
            }
        }
    }
    Ok(ExitCode::from(u8::from(errors > 0)))
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

/// Checks a project; answers what to call it.
fn folder(options: &Check, findings: &mut Findings) -> Result<String> {
    let (dir, text) = project::read(&options.plugin)?;
    let manifest = Manifest::parse(&text, false)
        .map_err(|errors| findings.manifest(errors))
        .ok();
    // Icon and sheet are looked at even when something else is wrong with the manifest.
    let document = text.parse::<toml_edit::DocumentMut>().ok();
    let named = |key: &str| Some(document.as_ref()?.get(key)?.as_str()?.to_owned());
    for (key, look) in [
        ("icon", look_at_icon as fn(&str, &str, &mut Findings)),
        ("css", look_at_css),
    ] {
        let Some(name) = named(key) else { continue };
        match fs::read_to_string(dir.join(&name)) {
            Ok(source) => look(&name, &source, findings),
            Err(error) => findings.error(
                Some("plugin.toml"),
                None,
                format!("`{key}`: {name} can't be read: {error}"),
            ),
        }
    }
    let component = match &options.wasm {
        Some(file) => build::read_component(file),
        None => build::components(&[&dir], build::Messages::Keep)
            .and_then(|mut built| built.pop().context("nothing was built"))
            .map(|built| built.bytes),
    };
    let component = component
        .map_err(|error| findings.error(None, None, format!("{error:#}")))
        .ok();
    if let Some(manifest) = &manifest {
        hints(manifest, &text, findings);
    }
    if let Some(component) = &component {
        look_at_component(component, manifest.as_ref(), Some(&text), findings);
        let packed = Manifest::pack(&text, &dir).and_then(|text| manifest::embed(component, &text));
        try_out(packed, findings)?;
    }
    Ok(manifest.map_or_else(
        || dir.display().to_string(),
        |manifest| format!("{} {}", manifest.name, manifest.version),
    ))
}

/// Checks a plugin's file; answers what to call it.
fn file(path: &Path, findings: &mut Findings) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let manifest = manifest::extract(&bytes)
        .map_err(|errors| findings.manifest(errors))
        .ok();
    if wasmparser::Parser::is_component(&bytes) {
        look_at_component(&bytes, manifest.as_ref(), None, findings);
        try_out(Ok(bytes), findings)?;
    }
    Ok(manifest.map_or_else(
        || path.display().to_string(),
        |manifest| format!("{} {}", manifest.name, manifest.version),
    ))
}

fn look_at_icon(name: &str, source: &str, findings: &mut Findings) {
    let Err(message) = icon::rebuild(source) else { return };
    // "line 3: …", where the icon's reader knows it.
    let at = message
        .strip_prefix("line ")
        .and_then(|rest| rest.split_once(": "))
        .and_then(|(line, rest)| Some((line.parse().ok()?, rest)));
    match at {
        Some((line, rest)) => findings.error(Some(name), Some(line), rest),
        None => findings.error(Some(name), None, &*message),
    }
}

fn look_at_css(name: &str, source: &str, findings: &mut Findings) {
    match css::rebuild(source) {
        Err(errors) => {
            for error in errors {
                findings.error(Some(name), Some(error.line as usize), error.message);
            }
        }
        Ok(_) => {
            let fixed = |line: &str| {
                let value = line.split_once(':').map_or("", |(_, value)| value);
                let hex = value
                    .split('#')
                    .skip(1)
                    .any(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
                hex || value.contains("rgb(") || value.contains("hsl(")
            };
            if let Some(line) = source.lines().position(fixed) {
                let words = "a fixed colour stays the same by night and on a member's theme; the house's tokens follow, such as \
                             var(--ink) on var(--sheet) (guide: reference, “Style sheet”)";
                findings.hint(Some(name), Some(line + 1), words);
            }
        }
    }
}

/// What is allowed, and could be better.
fn hints(manifest: &Manifest, text: &str, findings: &mut Findings) {
    let about = Some("plugin.toml");
    if manifest.icon.is_none() {
        findings.hint(
            about,
            None,
            "there is no `icon`: in the gallery it will have a plain tile",
        );
    }
    if manifest.description.trim().is_empty() {
        findings.hint(
            about,
            None,
            "there is no `description`: it is what people read before they add the module",
        );
    }
    if manifest.authors.is_empty() {
        findings.hint(about, None, "there are no `authors`: people like to know whose it is");
    }
    for setting in manifest
        .settings
        .iter()
        .filter(|setting| setting.label.trim() == setting.key)
    {
        let line = line_of(text, &format!("\"{}\"", setting.key));
        findings.hint(
            about,
            line,
            format!(
                "the setting `{}` is called by its key: give it a `label` for people",
                setting.key
            ),
        );
    }
}

/// The first line that contains some words, from 1.
fn line_of(text: &str, words: &str) -> Option<usize> {
    text.lines().position(|line| line.contains(words)).map(|line| line + 1)
}

fn look_at_component(bytes: &[u8], manifest: Option<&Manifest>, text: Option<&str>, findings: &mut Findings) {
    let inspection = match build::inspect(bytes) {
        Ok(inspection) => inspection,
        Err(error) => return findings.error(None, None, format!("{error:#}")),
    };
    let roles = grants::roles(&inspection);
    for problem in [roles.as_ref().err(), grants::imported(&inspection).as_ref().err()]
        .into_iter()
        .flatten()
    {
        findings.error(None, None, problem);
    }
    if let (Ok(roles), Some(manifest)) = (roles, manifest)
        && grants::imported(&inspection).is_ok()
        && let Err(problem) = grants::fits(roles, &inspection, manifest)
    {
        findings.error(None, None, problem);
    }
    if let (Some(manifest), Ok(imported)) = (manifest, grants::imported(&inspection)) {
        if let Err(problem) = grants::asked(&inspection, manifest) {
            let line = text.and_then(|text| line_of(text, "[capabilities]"));
            findings.error(Some("plugin.toml"), line, problem);
        }
        for declared in manifest
            .capabilities
            .iter()
            .filter(|declared| declared.bit().without(imported) != Grants::default())
        {
            let line = text.and_then(|text| {
                text.lines()
                    .position(|line| line.trim_start().starts_with(declared.name))
            });
            let words = format!(
                "`{}` is declared, but nothing in the code calls it: leave it out, nobody will be asked for it",
                declared.name
            );
            findings.hint(Some("plugin.toml"), line.map(|line| line + 1), words);
        }
    }
    let foreign = |import: &&String| {
        !import.starts_with("neospace:plugin/") && !INERT.iter().any(|inert| import.starts_with(inert))
    };
    for import in inspection.imports.iter().filter(foreign) {
        let words = format!(
            "it imports {import}, which there isn't: beside neospace:plugin/… only an inert WASI is linked ({})",
            INERT.join(", ")
        );
        findings.error(None, None, words);
    }
    if bytes.len() > LARGE_BYTES {
        findings.hint(
            None,
            None,
            format!(
                "the component has {}: it is sent nowhere, but compiled at every upgrade",
                build::kib(bytes.len())
            ),
        );
    }
    // The real compiler, and the real server, have the last word.
    let compiled =
        tempfile::tempdir().map(|cache| compile::component(cache.path(), &[0; 32], bytes, &CompileOptions::default()));
    match compiled {
        Ok(Ok(_)) => {}
        Ok(Err(fault)) => findings.error(None, None, fault.to_string()),
        Err(error) => findings.error(None, None, format!("there is no room for temporary files: {error}")),
    }
}

/// Installs a plugin as an operator would, shows it to everyone once, and calls what it has for rooms, unless it is known to be wrong already.
fn try_out(packed: Result<Vec<u8>, ManifestErrors>, findings: &mut Findings) -> Result<()> {
    let Ok(bytes) = packed else { return Ok(()) };
    if findings.0.iter().any(|finding| finding.level == Level::Error) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stage = Stage::open().await?;
        let plugin = match stage.install(&bytes).await {
            Ok(plugin) => plugin,
            Err(error) => {
                findings.error(None, None, format!("{error:#}"));
                return Ok(());
            }
        };
        let mut calls = Vec::new();
        if plugin.roles.on_walls() {
            let what = if plugin.roles.sticker { What::Draw } else { What::Render };
            calls.extend([Who::Guest, Who::Member("bob".into()), Who::Owner].map(|who| (who, what.clone())));
        }
        if plugin.roles.commands {
            let examples = plugin.manifest.commands.iter();
            calls.extend(examples.map(|command| (Who::Member("bob".into()), What::command(&command.usage))));
        }
        if plugin.roles.filter {
            let texts = ["Good evening.", &"word ".repeat(799), &"ẞ".repeat(4_000)];
            calls.extend(texts.map(|text| (Who::Member("bob".into()), What::Filter { text: text.to_owned() })));
        }
        for (who, what) in calls {
            let scene = Scene::new(&plugin, who);
            let report = stage.call(&plugin, &scene, &what, "/act", None).await?;
            match report.result {
                Outcomes::Failed { kind, detail } => {
                    let words = format!("{} for {} failed ({kind}): {detail}", report.export, scene.viewer);
                    findings.error(None, None, words);
                }
                Outcomes::Refused { message, .. } if matches!(what, What::Command { .. }) => {
                    let words = format!("a command's own `usage` is refused: {message}");
                    findings.hint(Some("plugin.toml"), None, words);
                }
                _ => {}
            }
        }
        stage.app.db.close().await;
        Ok(())
    })
}
