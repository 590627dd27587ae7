//! The folder `<data>/plugins`: copies of the components, and `in-force.json`, which says what the server runs.
//!
//! An upgrade that waits for the operator leaves the version before it in force, also over a restart: this is where it
//! is found then.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// By plugin, the SHA-256 in hex of the version in force.
pub type InForce = BTreeMap<String, String>;

/// Where a component's copy lies; its content decides the name.
pub fn path(data: &Path, name: &str, sha256: &str) -> PathBuf {
    data.join("plugins").join(format!("{name}-{}.wasm", &sha256[..12]))
}

/// Keeps a copy of a component, if there is none.
pub fn keep(data: &Path, name: &str, sha256: &str, component: &[u8]) -> io::Result<()> {
    let path = path(data, name, sha256);
    if fs::metadata(&path).is_ok_and(|file| file.len() == component.len() as u64) {
        return Ok(());
    }
    replace(&path, component)
}

/// What was in force last; nothing when the list is damaged, which costs no more than an upgrade's wait.
pub fn in_force(data: &Path) -> InForce {
    let bytes = fs::read(data.join("plugins/in-force.json")).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Notes what is in force.
pub fn set_in_force(data: &Path, now: &InForce) -> io::Result<()> {
    if in_force(data) == *now {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(now).map_err(io::Error::other)?;
    replace(&data.join("plugins/in-force.json"), &text)
}

/// Replaces a file whole: whoever reads it sees the old or the new content, also after a crash.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(folder)?.sync_all()
}
