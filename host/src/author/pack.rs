//! `neospace plugin pack`: the one file to hand over, and the stanza that its operator writes into `neospace.toml`.

use anyhow::Result;
use neospace_runner::protocol::Grants;

use super::{Pack, build, project::Project};
use crate::plugins::{grants, manifest};

/// The command: builds, writes, prints the stanza.
pub fn main(options: &Pack) -> Result<()> {
    let project = Project::open(&options.dir)?;
    let folder = project.dir.clone();
    let built = match &options.wasm {
        Some(file) => build::pack_file(&project, file)?,
        None => build::build_one(project, build::Messages::Show)?,
    };
    let manifest = manifest::extract(&built.bytes)?;
    let asked =
        build::inspect(&built.bytes).and_then(|found| grants::asked(&found, &manifest).map_err(anyhow::Error::msg))?;
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| folder.join(format!("{}.wasm", built.id)));
    build::write_file(&out, &built.bytes)?;

    println!("{}\n", build::summary(&built.bytes, &out)?);
    for declared in manifest
        .capabilities
        .iter()
        .filter(|declared| asked.wanted.contains(declared.bit()))
    {
        let optional = if declared.optional { " (it works without)" } else { "" };
        println!("  {}{optional}: {}", declared.name, declared.reason);
    }
    let quoted: Vec<String> = grants::names(asked.wanted)
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    println!(
        "{}Hand over this file. Its operator installs it with `neospace plugin install FILE`, or copies it beside neospace.toml \
         and writes:\n\n[plugin.{}]\nsource = \"plugins/{}.wasm\"\nsha256 = \"{}\"\ngrants = [{}]",
        if asked.wanted == Grants::default() { "" } else { "\n" },
        built.id,
        built.id,
        build::hash(&built.bytes),
        quoted.join(", "),
    );
    Ok(())
}
