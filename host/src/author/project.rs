//! A plugin's folder: finding it, and reading its manifest with the files that it names.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};

/// A folder with a `plugin.toml`.
pub struct Project {
    /// The folder, as an absolute path.
    pub dir: PathBuf,
    /// The plugin's id, from the manifest.
    pub id: String,
    /// The manifest with the text of icon and CSS in place of their file names: what is packed into the component.
    pub manifest: String,
}

impl Project {
    /// Reads the project in `dir`. Fails when there is none, or its manifest or one of the files it names can't be read.
    pub fn open(dir: &Path) -> Result<Self> {
        let dir = dir
            .canonicalize()
            .map_err(|error| anyhow!("{}: {error}", dir.display()))?;
        let path = dir.join("plugin.toml");
        if !path.is_file() {
            bail!(
                "there is no plugin.toml in {}: name the folder of a plugin, or make one with `neospace plugin new NAME`",
                dir.display()
            );
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut manifest: toml_edit::DocumentMut =
            text.parse().map_err(|error| anyhow!("{}: {error}", path.display()))?;
        let id = manifest
            .get("id")
            .and_then(toml_edit::Item::as_str)
            .ok_or_else(|| {
                anyhow!(
                    "{}: `id` is missing: the plugin's name in small letters",
                    path.display()
                )
            })?
            .to_owned();
        for key in ["icon", "css"] {
            let Some(item) = manifest.get_mut(key) else { continue };
            let Some(name) = item.as_str() else {
                bail!("{}: `{key}` is the name of a file", path.display())
            };
            let text = read_beside(&dir, name).with_context(|| format!("{}: `{key}`", path.display()))?;
            *item = toml_edit::value(text);
        }
        Ok(Self {
            dir,
            id,
            manifest: manifest.to_string(),
        })
    }

    /// The projects directly inside `dir`, by folder name.
    pub fn all(dir: &Path) -> Result<Vec<Self>> {
        let entries = fs::read_dir(dir).map_err(|error| anyhow!("{}: {error}", dir.display()))?;
        let mut dirs: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join("plugin.toml").is_file())
            .collect();
        dirs.sort();
        if dirs.is_empty() {
            bail!("no folder in {} has a plugin.toml", dir.display());
        }
        dirs.iter().map(|dir| Self::open(dir)).collect()
    }
}

/// The text of a file that a manifest names: inside the project's folder, UTF-8.
fn read_beside(dir: &Path, name: &str) -> Result<String> {
    let inside = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || name.is_empty() {
        bail!("“{name}” is not a file inside the plugin's folder");
    }
    fs::read_to_string(dir.join(name)).map_err(|error| anyhow!("{name}: {error}"))
}
