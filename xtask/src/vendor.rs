//! Third-party browser code: the files its authors publish, and one list that says where each is from.
//!
//! The list is `list.toml` in the vendor folder, one `[[file]]` a file; its paths begin at the folder above (so that it
//! can also list what lies beside `vendor/`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// Takes `files` of an npm package into `to/PACKAGE-VERSION/`, with its licence, and lists them. Modules name each other by
/// relative paths, so the files keep their places among each other; the folder that they have in common is left out.
///
/// # Errors
/// A package, version or file that there isn't; a package that names no licence.
pub fn take(package: &str, version: &str, files: &[String], to: &Path) -> Result<()> {
    ensure!(
        version.starts_with(|first: char| first.is_ascii_digit()),
        "{version:?} is not an exact version such as 0.8.0"
    );
    let source = unpack(&format!("{package}@{version}"))?;
    let described = fs::read_to_string(source.join("package.json"))?;
    let value = |text: &str, key: &str| {
        let rest = text.split_once(&format!("\"{key}\""))?.1;
        rest.split('"').nth(1).map(str::to_owned)
    };
    let licence = value(&described, "license").with_context(|| format!("{package} names no licence"))?;
    let repository = || {
        let url = value(described.split_once("\"repository\"")?.1, "url")?;
        Some(url.trim_start_matches("git+").trim_end_matches(".git").to_owned())
    };
    let homepage = value(&described, "homepage")
        .or_else(repository)
        .with_context(|| format!("{package} names neither a home page nor a repository"))?;
    let text = fs::read_dir(&source)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let text = text
        .filter(|name| name.to_uppercase().starts_with("LICEN"))
        .min()
        .context("the package holds no licence text")?;

    let name = package.trim_start_matches('@').replace('/', "-");
    let folder = to.join(format!("{name}-{version}"));
    fs::create_dir_all(&folder)?;
    fs::copy(source.join(&text), folder.join(&text))?;
    let above = to.parent().context("the vendor folder lies in another")?;
    let listed = |path: &Path| path.strip_prefix(above).map(|path| path.display().to_string());

    let list = to.join("list.toml");
    let mut entries = fs::read_to_string(&list).unwrap_or_else(|_| HEAD.into());
    let shared = shared_folder(files);
    for file in files {
        let taken = folder.join(Path::new(file).strip_prefix(&shared)?);
        fs::create_dir_all(taken.parent().context("it lies in a folder")?)?;
        fs::copy(source.join(file), &taken).with_context(|| format!("{package} {version} holds no file {file:?}"))?;
        let entry = format!(
            "[[file]]\npath = {:?}\npackage = \"npm:{package}\"\nversion = {version:?}\nsource = {homepage:?}\npublished_as = {file:?}\n\
             licence = {licence:?}\nlicence_file = {:?}\nsha256 = {:?}\n",
            listed(&taken)?,
            listed(&folder.join(&text))?,
            sha256(&taken)?,
        );
        entries = with_entry(&entries, &listed(&taken)?, &entry);
    }
    fs::write(&list, entries)?;
    println!(
        "{package} {version} ({licence}) is in {}; {} lists it.",
        folder.display(),
        list.display()
    );
    Ok(())
}

/// The folder that all of these files lie in, at whatever depth.
fn shared_folder(files: &[String]) -> PathBuf {
    let mut folders = files.iter().filter_map(|file| Path::new(file).parent());
    let first = folders.next().unwrap_or(Path::new("")).to_owned();
    folders.fold(first, |shared, folder| {
        let both = shared.components().zip(folder.components());
        both.take_while(|(one, other)| one == other)
            .map(|(one, _)| one)
            .collect()
    })
}

/// Compares every listed file with the one that its authors publish now.
///
/// # Errors
/// A file that is missing or differs.
pub fn compare(folder: &Path) -> Result<()> {
    let list = fs::read_to_string(folder.join("list.toml"))?;
    let above = folder.parent().context("the vendor folder lies in another")?;
    for entry in list.split("[[file]]").skip(1) {
        let value = |key: &str| {
            let line = entry
                .lines()
                .find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
            line.map(|value| value.trim().trim_matches('"'))
                .with_context(|| format!("an entry has no {key}: {entry}"))
        };
        let (path, package, version) = (value("path")?, value("package")?, value("version")?);
        let package = package
            .strip_prefix("npm:")
            .with_context(|| format!("{package} is not of npm"))?;
        let published = unpack(&format!("{package}@{version}"))?.join(value("published_as")?);
        let (ours, theirs, listed) = (sha256(&above.join(path))?, sha256(&published)?, value("sha256")?);
        ensure!(ours == listed, "{path} differs from its checksum in the list");
        ensure!(ours == theirs, "{path} differs from what {package} {version} publishes");
        println!("{path}: as published");
    }
    Ok(())
}

/// Fetches an npm package, and says where its files are.
fn unpack(package: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir()
        .join(format!("neospace-vendor-{}", std::process::id()))
        .join(package.replace('/', "-"));
    if !folder.join("package").exists() {
        fs::create_dir_all(&folder)?;
        let archive = crate::read(
            Command::new("npm")
                .args(["pack", "--silent", package])
                .current_dir(&folder),
        )?;
        crate::call(Command::new("tar").args(["-xzf", archive.trim()]).current_dir(&folder))?;
    }
    Ok(folder.join("package"))
}

fn sha256(file: &Path) -> Result<String> {
    let line = crate::read(Command::new("sha256sum").arg(file))?;
    line.split_whitespace()
        .next()
        .map(str::to_owned)
        .context("sha256sum says nothing")
}

const HEAD: &str =
    "# Third-party browser code, as its authors publish it. `cargo xtask vendor` compares and adds to it.\n";

/// The list with an entry in the place of the one with the same path, or at the end.
fn with_entry(list: &str, path: &str, entry: &str) -> String {
    let mut parts = list.split("[[file]]");
    let mut kept = parts.next().unwrap_or_default().trim_end().to_owned() + "\n";
    for part in parts.filter(|part| !part.contains(&format!("path = {path:?}"))) {
        kept += &format!("\n[[file]]{}\n", part.trim_end());
    }
    format!("{kept}\n{entry}")
}
