//! `neospace plugin new`: a project that builds with no other source. The contract, the SDK and the guide are copied
//! into it, and its `Cargo.lock` names the very crates that this program was built with.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, anyhow, bail};
use include_dir::{Dir, include_dir};

use super::{New, PluginRole};

static CONTRACT: Dir = include_dir!("$CARGO_MANIFEST_DIR/../plugin-api");
static GUIDE: Dir = include_dir!("$CARGO_MANIFEST_DIR/../docs/plugins");
static TEMPLATES: Dir = include_dir!("$CARGO_MANIFEST_DIR/src/author/template");
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The SDK's crate.
const SDK: &str = "neospace-plugin";
/// What the templates depend on, in the order of the alphabet.
const DEPENDENCIES: [&str; 2] = [SDK, "serde"];
/// Rust's keywords, none of which can name a crate.
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final \
    fn for gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super trait \
    true try type typeof unsafe unsized use virtual where while yield";

/// The command: makes the folder, prints what to do next.
pub fn main(options: &New) -> Result<()> {
    let id = &options.name;
    check_name(id)?;
    let dir = options.dir.clone().unwrap_or_else(|| PathBuf::from(id));
    match fs::read_dir(&dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            bail!(
                "{} is there already and not empty: give another name, or another place with --dir",
                dir.display()
            )
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => bail!("{}: {error}", dir.display()),
        _ => {}
    }

    let author = toml_edit::Value::from(author()).to_string();
    let fill = |text: &str| {
        text.replace("%id%", id)
            .replace("%name%", &title(id))
            .replace("%author%", author.trim())
    };
    let role = match options.role {
        PluginRole::Widget => "widget",
        PluginRole::Interactive => "interactive",
        PluginRole::Sticker => "sticker",
        PluginRole::Commands => "commands",
        PluginRole::Filter => "filter",
    };
    let mut files = BTreeMap::new();
    for part in ["any", role] {
        let template = TEMPLATES
            .get_dir(part)
            .ok_or_else(|| anyhow!("this program has no template {part}"))?;
        for (path, contents) in files_of(template) {
            let text = std::str::from_utf8(contents).with_context(|| format!("the template {}", path.display()))?;
            files.insert(path, fill(text).into_bytes());
        }
    }
    files.insert("Cargo.lock".into(), lock(id)?.into_bytes());
    files.extend(files_of(&CONTRACT).map(|(path, contents)| (Path::new("plugin-api").join(path), contents.to_vec())));
    files.extend(files_of(&GUIDE).map(|(path, contents)| (Path::new("plugin-api/docs").join(path), contents.to_vec())));
    for (path, contents) in files {
        let path = dir.join(path);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(&dir))?;
            fs::write(&path, contents)
        };
        write().map_err(|error| anyhow!("can't write {}: {error}", path.display()))?;
    }
    println!(
        "{} is a plugin now. Next:\n\n    cd {}\n    neospace plugin dev\n\nThe guide is in plugin-api/docs/first-module.md.",
        title(id),
        dir.display(),
    );
    Ok(())
}

/// The files of a folder inside this program, at any depth, with their paths from it.
fn files_of(dir: &'static Dir<'static>) -> impl Iterator<Item = (PathBuf, &'static [u8])> {
    let mut found = Vec::new();
    let mut dirs = vec![dir];
    while let Some(inner) = dirs.pop() {
        dirs.extend(inner.dirs());
        found.extend(inner.files());
    }
    let root = dir.path();
    found.into_iter().map(move |file| {
        (
            file.path().strip_prefix(root).unwrap_or(file.path()).to_owned(),
            file.contents(),
        )
    })
}

fn check_name(id: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(2..=32).contains(&id.len()) || !id.starts_with(|c: char| c.is_ascii_lowercase()) || !id.chars().all(fits) {
        bail!(
            "“{id}” can't be a plugin's name: 2 to 32 characters of a–z, 0–9 and “-”, the first of them a letter, such as \
             “door-bell”"
        );
    }
    if KEYWORDS.split_whitespace().any(|keyword| keyword == id) {
        bail!("“{id}” is a word of the Rust language, so no crate can have it for a name: try “my-{id}”");
    }
    if needed_crates()?.contains(id) || ["alloc", "core", "proc-macro", "std", "test"].contains(&id) {
        bail!("“{id}” is the name of a crate that plugins are built from: try “my-{id}”");
    }
    Ok(())
}

/// “door-bell” → “Door bell”.
fn title(id: &str) -> String {
    let mut words = id.replace('-', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// Who the author is, as git knows them, or the machine.
fn author() -> String {
    let git = Command::new("git").args(["config", "user.name"]).output().ok();
    let name = git
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .filter(|name| !name.is_empty());
    name.or_else(|| env::var("USER").ok())
        .unwrap_or_else(|| "an unknown hand".into())
}

/// The crates that a new project is built from, with itself left out.
fn needed_crates() -> Result<BTreeSet<String>> {
    Ok(needed_packages()?
        .iter()
        .filter_map(|package| Some(package.get("name")?.as_str()?.to_owned()))
        .collect())
}

/// The entries of our own `Cargo.lock` that [`DEPENDENCIES`] reach.
fn needed_packages() -> Result<Vec<toml_edit::Table>> {
    let lock: toml_edit::DocumentMut = LOCK.parse().context("the Cargo.lock inside this program")?;
    let packages = lock
        .get("package")
        .and_then(|item| item.as_array_of_tables())
        .context("Cargo.lock has packages")?;
    let text = |package: &toml_edit::Table, key: &str| {
        package
            .get(key)
            .and_then(|item| item.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let mut needed: BTreeSet<usize> = BTreeSet::new();
    let mut queue: Vec<String> = DEPENDENCIES.map(String::from).to_vec();
    while let Some(wanted) = queue.pop() {
        // "name", or "name version" where there are several.
        let mut words = wanted.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        for (index, package) in packages.iter().enumerate() {
            if text(package, "name") == name
                && version.is_none_or(|version| text(package, "version") == version)
                && needed.insert(index)
            {
                let dependencies = package.get("dependencies").and_then(|item| item.as_array());
                queue.extend(
                    dependencies
                        .into_iter()
                        .flatten()
                        .filter_map(|item| Some(item.as_str()?.to_owned())),
                );
            }
        }
    }
    Ok(packages
        .iter()
        .enumerate()
        .filter(|(index, _)| needed.contains(index))
        .map(|(_, package)| package.clone())
        .collect())
}

/// The `Cargo.lock` of a new project.
fn lock(id: &str) -> Result<String> {
    let mut own = toml_edit::Table::new();
    own.insert("name", toml_edit::value(id));
    own.insert("version", toml_edit::value("0.1.0"));
    own.insert(
        "dependencies",
        toml_edit::value(toml_edit::Array::from_iter(DEPENDENCIES)),
    );
    let mut packages = needed_packages()?;
    packages.push(own);
    packages.sort_by_key(|package| {
        package
            .get("name")
            .and_then(|name| name.as_str())
            .unwrap_or_default()
            .to_owned()
    });
    let mut lock = toml_edit::DocumentMut::new();
    lock.insert("version", toml_edit::value(4));
    let mut entries = toml_edit::ArrayOfTables::new();
    for mut package in packages {
        package.set_position(None);
        entries.push(package);
    }
    lock.insert("package", toml_edit::Item::ArrayOfTables(entries));
    Ok(format!(
        "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\n{lock}"
    ))
}
