//! A plugin's folder: finding it, and reading its manifest with the files that it names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};

use crate::plugins::manifest::Manifest;

/// A folder with a `plugin.toml`.
pub struct Project {
    /// The folder, as an absolute path.
    pub dir: PathBuf,
    /// The plugin's id, from the manifest.
    pub id: String,
    /// The manifest as it is packed into the component: with the text of icon and style sheet in place of their names.
    pub manifest: String,
}

impl Project {
    /// Reads the project in `dir`.
    ///
    /// # Errors
    /// When there is none, or something is wrong with its manifest or a file that it names.
    pub fn open(dir: &Path) -> Result<Self> {
        let (dir, text) = read(dir)?;
        let manifest = Manifest::pack(&text, &dir).map_err(|errors| {
            anyhow!(
                "{}: the manifest needs mending\n  {}",
                dir.display(),
                errors.to_string().replace('\n', "\n  ")
            )
        })?;
        let id = Manifest::parse(&text, false)?.id;
        Ok(Self { dir, id, manifest })
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

/// The absolute path of a project's folder, and the text of its manifest.
pub fn read(dir: &Path) -> Result<(PathBuf, String)> {
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
    Ok((dir, text))
}
