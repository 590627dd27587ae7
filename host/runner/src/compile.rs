//! The compiling process: a component's bytes in, machine code and an inspection out.
//!
//! Compilers are large and their input is foreign, so each compile has a process of its own, confined like a lane, that
//! the host kills when it takes too long.

use std::io::{Read, Write};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::confine::{Limits, confine};
use crate::engine;
use crate::protocol::Inspection;

/// What compiling may use of memory, in bytes.
const DATA_BYTES: u64 = 512 * 1024 * 1024;

/// How the answer begins.
pub const HEADER_BYTES: usize = 4;

/// Reads a component from standard input, compiles it and writes to standard output: the length of the inspection
/// (little-endian `u32`), the inspection (postcard, [`Compiled`]), the artefact. Never returns.
pub fn main() -> ! {
    let answer = match prepare() {
        Ok((engine, layers)) => compile(&engine, layers),
        Err(error) => Err(format!("the compiler can't start: {error:#}")),
    };
    let (head, artefact) = match answer {
        Ok((compiled, artefact)) => (Ok(compiled), artefact),
        Err(why) => (Err(why), vec![]),
    };
    let written = write(&head, &artefact);
    std::process::exit(i32::from(written.is_err()));
}

/// The head of the answer: what was compiled under which confinement, or why nothing was.
pub type Head = Result<Compiled, String>;

/// What the compiling process found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Compiled {
    /// What the component imports and exports.
    pub inspection: Inspection,
    /// The layers of confinement in force.
    pub layers: Vec<String>,
}

fn prepare() -> wasmtime::Result<(Engine, Vec<&'static str>)> {
    let engine = engine::compiler()?;
    let layers = confine(&Limits {
        data_bytes: DATA_BYTES,
        file_bytes: 0,
        descriptors: 16,
        cpu_seconds: None,
        keep: &[0, 1],
    })?;
    Ok((engine, layers))
}

fn compile(engine: &Engine, layers: Vec<&'static str>) -> Result<(Compiled, Vec<u8>), String> {
    let mut wasm = Vec::new();
    std::io::stdin()
        .read_to_end(&mut wasm)
        .map_err(|error| format!("the component can't be read: {error}"))?;
    if !wasm.starts_with(b"\0asm") {
        return Err("this is not WebAssembly: it does not begin with \\0asm".to_owned());
    }
    if wasm.get(4..8) == Some(&[1, 0, 0, 0]) {
        return Err(
            "this is a core WebAssembly module; a plugin is a component (`neospace plugin build` makes one)".to_owned(),
        );
    }
    let component = Component::from_binary(engine, &wasm).map_err(|error| format!("{error:#}"))?;
    let ty = component.component_type();
    let inspection = Inspection {
        imports: ty.imports(engine).map(|(name, _)| name.to_owned()).collect(),
        exports: ty.exports(engine).map(|(name, _)| name.to_owned()).collect(),
    };
    let artefact = component.serialize().map_err(|error| format!("{error:#}"))?;
    Ok((
        Compiled {
            inspection,
            layers: layers.into_iter().map(str::to_owned).collect(),
        },
        artefact,
    ))
}

fn write(head: &Head, artefact: &[u8]) -> std::io::Result<()> {
    let head = postcard::to_stdvec(head).map_err(std::io::Error::other)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&(head.len() as u32).to_le_bytes())?;
    out.write_all(&head)?;
    out.write_all(artefact)?;
    out.flush()
}
