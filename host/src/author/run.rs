//! `neospace plugin run`: one call in a real lane, and a report against the limits.

use std::{fmt::Write as _, fs, process::ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};

use super::{
    Export, Run,
    build::{self, Messages},
    stage::{Of, Outcomes, Report, Scene, Stage, Stored, What, plugin_bytes},
};
use crate::plugins::{Plugin, grants, settings};

/// Characters of a bar.
const BAR: usize = 24;

/// The command: fails when the plugin does.
pub fn main(options: &Run) -> Result<ExitCode> {
    let bytes = plugin_bytes(
        &options.plugin,
        if options.json { Messages::Keep } else { Messages::Show },
    )?;
    let stored = options
        .storage
        .as_ref()
        .filter(|file| file.exists())
        .map(|file| -> Result<Stored> {
            let text = fs::read_to_string(file)?;
            Ok(serde_json::from_str(&text)?)
        });
    let file = options
        .storage
        .as_ref()
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    let stored = stored
        .transpose()
        .with_context(|| format!("{file}: it holds {{\"storage\": {{\"key\": \"value\"}}}}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        let stage = Stage::open().await?;
        let plugin = stage.install(&bytes).await?;
        let scene = scene(options, &plugin)?;
        let what = what(options, &plugin)?;
        if let Some(stored) = stored {
            stage.store(&plugin.manifest.id, stored).await?;
        }
        let report = stage.call(&plugin, &scene, &what, "/act", None).await?;
        if let Some(file) = options.storage.as_ref().filter(|_| report.result.keeps()) {
            let text = serde_json::to_string_pretty(&stage.stored(&plugin.manifest.id)?)?;
            build::write_file(file, (text + "\n").as_bytes())?;
        }
        stage.app.db.close().await;
        Ok::<_, anyhow::Error>(report)
    })?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", in_words(&report));
    }
    Ok(ExitCode::from(u8::from(matches!(
        report.result,
        Outcomes::Failed { .. }
    ))))
}

fn scene(options: &Run, plugin: &Plugin) -> Result<Scene> {
    let given: Map<String, Value> = match &options.settings {
        None => Map::new(),
        Some(text) => {
            serde_json::from_str(text).context("--settings is a JSON object, such as '{\"title\": \"Hello\"}'")?
        }
    };
    let schema = &plugin.manifest.settings;
    for (key, value) in &given {
        let Some(setting) = schema.iter().find(|setting| setting.key == *key) else {
            let keys: Vec<&str> = schema.iter().map(|setting| setting.key.as_str()).collect();
            bail!(
                "--settings: the manifest has no setting `{key}`; it has: {}",
                or_none(&keys)
            );
        };
        if settings::fit(setting, value).is_none() {
            bail!(
                "--settings: {value} doesn't fit `{key}`, which is of the kind {}",
                setting.kind.name()
            );
        }
    }
    let usual = Scene::new(plugin, options.viewer.clone());
    let (width, height) = options.size.unwrap_or((usual.width, usual.height));
    Ok(Scene {
        now: options.now.unwrap_or(usual.now),
        seed: options.seed,
        locale: options.locale.clone(),
        utc_offset_minutes: options.utc_offset,
        width,
        height,
        settings: Value::Object(given),
        refused: grants::parse(&options.refuse).map_err(|why| anyhow!("--refuse: {why}"))?,
        room: options.room.clone(),
        ..usual
    })
}

fn what(options: &Run, plugin: &Plugin) -> Result<What> {
    let roles = plugin.roles;
    let export = options.export.unwrap_or_else(|| match options {
        Run { action: Some(_), .. } => Export::Act,
        Run { command: Some(_), .. } => Export::OnCommand,
        Run { text: Some(_), .. } => Export::FilterText,
        _ if roles.sticker => Export::Draw,
        _ if roles.widget || !roles.in_rooms() => Export::Render,
        _ if roles.commands => Export::OnCommand,
        _ => Export::FilterText,
    });
    let there = match export {
        Export::Render => roles.widget,
        Export::Draw => roles.sticker,
        Export::Act => roles.actions,
        Export::OnCommand => roles.commands,
        Export::FilterText => roles.filter,
    };
    if !there {
        bail!(
            "{} ({}) has no `{}` to call",
            plugin.manifest.id,
            roles.kinds(),
            export.name()
        );
    }
    match export {
        Export::Render => Ok(What::Render),
        Export::Draw => Ok(What::Draw),
        Export::Act => {
            let Some(name) = options.action.clone() else {
                bail!(
                    "--export act needs the action's name: --action NAME, with --payload and --field as the view has them"
                )
            };
            Ok(What::Act {
                name,
                payload: options.payload.clone(),
                fields: options.field.clone(),
            })
        }
        Export::OnCommand => {
            let usages: Vec<&str> = plugin
                .manifest
                .commands
                .iter()
                .map(|command| command.usage.as_str())
                .collect();
            let Some(text) = &options.command else {
                bail!(
                    "it needs the command as it is typed in a room: --command {:?}",
                    usages.first().copied().unwrap_or("/name arguments")
                )
            };
            let what = What::command(text);
            let known = matches!(&what, What::Command { name, .. }
                if plugin.manifest.commands.iter().any(|command| command.name == *name));
            if !known {
                bail!(
                    "--command: the manifest has no command {text:?}; it has: {}",
                    or_none(&usages)
                );
            }
            Ok(what)
        }
        Export::FilterText => match &options.text {
            Some(text) => Ok(What::Filter { text: text.clone() }),
            None => bail!("it needs the text that somebody is about to post: --text \"Good evening\""),
        },
    }
}

fn or_none(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// The report for a person.
fn in_words(report: &Report) -> String {
    let mut out = String::new();
    put(&mut out, report).expect("a String takes every write");
    out
}

fn put(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "{} {} · {} · as {}\n",
        report.plugin, report.version, report.export, report.viewer
    )?;
    match &report.result {
        Outcomes::View { html, .. } => writeln!(out, "{html}\n")?,
        Outcomes::Drawing { svg, .. } => writeln!(out, "{svg}\n")?,
        Outcomes::Done { message } => writeln!(
            out,
            "done{}\n",
            message.as_ref().map_or(String::new(), |m| format!(": “{m}”"))
        )?,
        Outcomes::Refused { message, field } => {
            writeln!(
                out,
                "refused{}: “{message}”\n",
                field
                    .as_ref()
                    .map_or(String::new(), |f| format!(" because of the field {f}"))
            )?;
        }
        Outcomes::Reply { say, whisper } => {
            for (how, text) in [("says in the room", say), ("tells the caller alone", whisper)] {
                if let Some(text) = text {
                    writeln!(out, "{how}: “{text}”\n")?;
                }
            }
            if say.is_none() && whisper.is_none() {
                writeln!(out, "says nothing\n")?;
            }
        }
        Outcomes::Pass => writeln!(out, "lets it through as it is\n")?,
        Outcomes::Rewrite { text } => writeln!(out, "makes of it: “{text}”\n")?,
        Outcomes::Failed { kind, detail } => writeln!(out, "FAILED ({kind}): {detail}\n")?,
    }
    meter(out, "fuel", report.fuel, |fuel| format!("{:.2} M", fuel as f64 / 1e6))?;
    meter(out, "time", report.time_us, |us| format!("{:.1} ms", us as f64 / 1e3))?;
    meter(out, "memory", report.memory_bytes, |bytes| {
        format!("{} KiB", bytes / 1024)
    })?;
    meter(out, "host calls", report.host_calls, |calls| calls.to_string())?;
    meter(out, "their bytes", report.host_call_bytes, |bytes| {
        format!("{:.1} KiB", bytes as f64 / 1024.0)
    })?;
    match &report.result {
        Outcomes::View {
            nodes,
            html_bytes,
            max_age_seconds,
            ..
        } => {
            meter(out, "nodes", *nodes, |n| n.to_string())?;
            writeln!(out, "{:<12} {:.1} KiB", "HTML", *html_bytes as f64 / 1024.0)?;
            let kept = max_age_seconds.map_or("until what it was made from changes".to_owned(), |seconds| {
                format!("{seconds} s")
            });
            writeln!(
                out,
                "{:<12} {kept}, {}",
                "kept for",
                if report.personal {
                    "each viewer apart"
                } else {
                    "everyone of this class"
                }
            )?;
        }
        Outcomes::Drawing { nodes, svg_bytes, .. } => {
            meter(out, "nodes", *nodes, |n| n.to_string())?;
            writeln!(out, "{:<12} {:.1} KiB", "SVG", *svg_bytes as f64 / 1024.0)?;
        }
        _ => {}
    }
    if !report.asked.is_empty() {
        writeln!(out, "\nasked")?;
        for asked in &report.asked {
            writeln!(out, "  {} → {}", asked.what, asked.answer)?;
        }
    }
    if !report.writes.is_empty() {
        let kept = report.result.keeps();
        writeln!(
            out,
            "\n{}",
            if kept {
                "wrote"
            } else {
                "would have written, and nothing was kept"
            }
        )?;
        for write in &report.writes {
            let value = write
                .value
                .as_ref()
                .map_or("removed".to_owned(), |value| format!("= {value}"));
            let until = write.expires.map_or(String::new(), |at| format!(" (until {at})"));
            writeln!(out, "  {} {} {value}{until}", write.scope, write.key)?;
        }
    }
    for note in &report.notes {
        writeln!(out, "\nnote to the owner\n  {note}")?;
    }
    if report.refreshed {
        writeln!(out, "\neveryone who has the wall open sees the module anew")?;
    }
    if !report.log.is_empty() {
        writeln!(out, "\nlog")?;
        for line in &report.log {
            writeln!(out, "  {:<5} {}", line.level, line.message)?;
        }
    }
    Ok(())
}

/// A line such as `fuel  ███░░░  1.20 M of 10.00 M`.
fn meter(out: &mut String, name: &str, of: Of, words: impl Fn(u64) -> String) -> std::fmt::Result {
    let share = of.used as f64 / of.limit.max(1) as f64;
    let filled = ((share * BAR as f64).ceil() as usize).min(BAR);
    writeln!(
        out,
        "{name:<12} {}{} {} of {} ({:.1} %)",
        "█".repeat(filled),
        "░".repeat(BAR - filled),
        words(of.used),
        words(of.limit),
        share * 100.0
    )
}

/// Reads a moment: Unix milliseconds, or a date and time such as `2026-11-21T18:00:00Z`.
pub fn moment(text: &str) -> Result<i64, String> {
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    let moment: Result<jiff::Timestamp, _> = text.parse();
    moment
        .map(|moment| moment.as_millisecond())
        .map_err(|_| "a moment is Unix milliseconds or like 2026-11-21T18:00:00Z".into())
}

/// Reads a seed: a number, or hexadecimal digits after `0x`.
pub fn seed(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed
        .map_err(|_| "A seed is a whole number from 0 to 2⁶⁴ − 1, in decimal, or as 0x and hexadecimal digits.".into())
}

/// Reads a size in cells, such as `2x4`.
pub fn size(text: &str) -> Result<(u8, u8), String> {
    let parsed = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    parsed
        .filter(|(width, height)| (1..=4).contains(width) && (1..=12).contains(height))
        .ok_or_else(|| "a size is WIDTHxHEIGHT in cells, 1 to 4 wide and 1 to 12 high, such as 2x4".into())
}

/// Reads a form's field, `name=value`.
pub fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a field is NAME=VALUE, such as words=Hello")?;
    Ok((name.to_owned(), value.to_owned()))
}
