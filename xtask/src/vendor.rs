//! Third-party browser code: the files its authors publish, and one list that says where each is from.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

/// Takes `files` of an npm package (`name@version`) into `to`, and writes its stanza into `to/vendor.toml`.
pub fn take(package: &str, files: &[String], to: &Path) -> Result<()> {
    let (name, version) = package
        .rsplit_once('@')
        .filter(|(name, _)| !name.is_empty())
        .context("name the package with its exact version: idiomorph@0.7.4")?;
    ensure!(
        version.starts_with(|first: char| first.is_ascii_digit()),
        "{version:?} is not an exact version such as 0.7.4"
    );
    let folder = name.trim_start_matches('@').replace('/', "-");

    let unpacked = std::env::temp_dir().join(format!("neospace-vendor-{}", std::process::id()));
    fs::create_dir_all(&unpacked)?;
    let archive = crate::read(
        Command::new("npm")
            .args(["pack", "--silent", package])
            .current_dir(&unpacked),
    )?;
    crate::call(
        Command::new("tar")
            .args(["-xzf", archive.trim()])
            .current_dir(&unpacked),
    )?;
    let source = unpacked.join("package");

    let description = fs::read_to_string(source.join("package.json"))?;
    let license = description
        .split_once("\"license\"")
        .and_then(|(_, rest)| rest.split('"').nth(1))
        .context("the package's package.json names no licence")?
        .to_owned();
    fs::create_dir_all(to.join(&folder))?;
    let texts = fs::read_dir(&source)?
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok());
    let texts =
        texts.filter(|name| name.to_uppercase().starts_with("LICEN") || name.to_uppercase().starts_with("NOTICE"));

    let mut stanza = format!(
        "[{folder:?}]\npackage = {name:?}\nversion = {version:?}\nlicense = {license:?}\n[{folder:?}.sha256]\n"
    );
    for file in files.iter().cloned().chain(texts) {
        let taken = Path::new(&file)
            .file_name()
            .and_then(|name| name.to_str())
            .context("a file has a name")?
            .to_owned();
        let path = to.join(&folder).join(&taken);
        fs::copy(source.join(&file), &path).with_context(|| format!("{package} has no file {file:?}"))?;
        let sum = crate::read(Command::new("sha256sum").arg(&path))?;
        stanza += &format!("{taken:?} = {:?}\n", sum.split_whitespace().next().unwrap_or_default());
    }
    fs::remove_dir_all(&unpacked)?;

    let list = to.join("vendor.toml");
    let before = fs::read_to_string(&list).unwrap_or_else(|_| HEAD.into());
    fs::write(&list, with_stanza(&before, &folder, &stanza))?;
    println!("{package} ({license}) is in {}", to.join(&folder).display());
    Ok(())
}

const HEAD: &str = "# Third-party browser code, as its authors publish it. Written by `cargo xtask vendor`; a test compares the sums.\n";

/// The list with a package's stanza put in the place of its old one, or at the end.
fn with_stanza(list: &str, folder: &str, stanza: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in list.lines() {
        if line.starts_with('[') {
            inside = line.starts_with(&format!("[{folder:?}"));
        }
        if !inside {
            kept += line;
            kept.push('\n');
        }
    }
    format!("{}\n\n{stanza}", kept.trim_end())
}
