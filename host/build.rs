//! Names the assets that are built in by a hash, so that no start has to read all of them.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    io,
    path::Path,
};

fn main() -> io::Result<()> {
    for (name, folder) in [("UI_HASH", "../ui"), ("STATIC_HASH", "../static")] {
        println!("cargo::rerun-if-changed={folder}");
        let mut hasher = DefaultHasher::new();
        feed(Path::new(folder), &mut hasher)?;
        println!("cargo::rustc-env={name}={:016x}", hasher.finish());
    }
    Ok(())
}

fn feed(folder: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let mut paths: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            feed(&path, hasher)?;
        } else {
            path.hash(hasher);
            fs::read(&path)?.hash(hasher);
        }
    }
    Ok(())
}
