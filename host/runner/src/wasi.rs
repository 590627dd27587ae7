//! The inert part of WASI p2: enough that plain builds of every language load, and nothing to be had from it.
//!
//! Standard output and error become lines of the log, clocks stand still at the call's time, randomness continues from
//! the module's seed, there are no arguments, variables, directories or terminals, and leaving ends the call. Everything
//! else answers with its own error where it has one, and traps where it has none. Networking (`wasi:sockets`,
//! `wasi:http`) is not linked at all: a component that imports it doesn't load.
//!
//! Each component brings its own version of these interfaces (0.2.0, 0.2.6, …), so they are linked as the component
//! spells them.

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, Linker, ResourceDynamic, ResourceType, Val};
use wasmtime::{Engine, Result, Store, StoreContextMut, bail};

use crate::imports::log_line;
use crate::lane::State;

/// The packages that are linked; of others nothing is.
const PACKAGES: [&str; 5] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
];
/// What a stream takes at once, and the longest line, in bytes.
const WRITE_BYTES: usize = 4 * 1024;
const LINE_BYTES: usize = 1024;
/// The most random bytes of one call.
const RANDOM_BYTES: u64 = 64 * 1024;
/// Streams, as their handles name them.
const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;
/// What waits for a stream.
const READY: u32 = 0;
/// What a function without a result answers; nobody looks at it.
const NOTHING: Val = Val::Bool(false);
/// Levels of the log.
const INFO: u8 = 1;
const ERROR: u8 = 3;

/// What the guest has written and not ended with a newline, and the last of its error output, for the report of a fault.
#[derive(Default)]
pub(crate) struct Output {
    out: Vec<u8>,
    error: Vec<u8>,
    pub(crate) last: Vec<u8>,
}

/// Links what the component imports of WASI.
pub(crate) fn link(linker: &mut Linker<State>, engine: &Engine, component: &Component) -> Result<()> {
    let component_type = component.component_type();
    for (name, import) in component_type.imports(engine) {
        let ComponentItem::ComponentInstance(imported) = import.ty else {
            continue;
        };
        if !PACKAGES.iter().any(|package| name.starts_with(package)) {
            continue;
        }
        let interface = name.split_once('@').map_or(name, |(interface, _)| interface).to_owned();
        let mut instance = linker.instance(name)?;
        for (item, export) in imported.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => {
                    instance.resource(item, ResourceType::host_dynamic(resource(item)), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let (interface, function) = (interface.clone(), item.to_owned());
                    instance.func_new(item, move |mut store, ty, arguments, results| {
                        store.data_mut().count_host_call()?;
                        let stream = give_back(&mut store, arguments)?;
                        let answer = call(&mut store, &interface, &function, &ty, stream, arguments)?;
                        if let Some(result) = results.first_mut() {
                            *result = answer;
                        }
                        Ok(())
                    })?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// One call of one function.
fn call(
    store: &mut StoreContextMut<'_, State>,
    interface: &str,
    function: &str,
    ty: &ComponentFunc,
    stream: u32,
    arguments: &[Val],
) -> Result<Val> {
    Ok(match (interface, function) {
        ("wasi:cli/environment", "get-environment" | "get-arguments")
        | ("wasi:filesystem/preopens", "get-directories") => Val::List(vec![]),
        ("wasi:cli/environment", "initial-cwd")
        | ("wasi:cli/terminal-stdin", _)
        | ("wasi:cli/terminal-stdout", _)
        | ("wasi:cli/terminal-stderr", _)
        | ("wasi:filesystem/types", "filesystem-error-code") => Val::Option(None),
        ("wasi:cli/exit", _) => bail!("the plugin ended itself (exit)"),
        ("wasi:cli/stdin", "get-stdin") => handle(store, "input-stream", STDIN)?,
        ("wasi:cli/stdout", "get-stdout") => handle(store, "output-stream", STDOUT)?,
        ("wasi:cli/stderr", "get-stderr") => handle(store, "output-stream", STDERR)?,
        ("wasi:clocks/wall-clock", "now") => datetime(store.data().now_ms),
        ("wasi:clocks/wall-clock", "resolution") => datetime(1),
        ("wasi:clocks/monotonic-clock", "now") => Val::U64(store.data().now_ms.saturating_mul(1_000_000)),
        ("wasi:clocks/monotonic-clock", "resolution") => Val::U64(1_000_000),
        ("wasi:random/random", "get-random-u64") | ("wasi:random/insecure", "get-insecure-random-u64") => {
            Val::U64(random(store))
        }
        ("wasi:random/random", "get-random-bytes") | ("wasi:random/insecure", "get-insecure-random-bytes") => {
            random_bytes(store, arguments)?
        }
        ("wasi:random/insecure-seed", _) => Val::Tuple(vec![Val::U64(random(store)), Val::U64(random(store))]),
        ("wasi:io/streams", "[method]output-stream.check-write") => {
            Val::Result(Ok(Some(Box::new(Val::U64(WRITE_BYTES as u64)))))
        }
        ("wasi:io/streams", "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush") => {
            write(store, stream, arguments)?;
            Val::Result(Ok(None))
        }
        ("wasi:io/streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            Val::Result(Ok(None))
        }
        // A stream never makes anyone wait. (Clocks have nothing to wait for: they stand still, so sleeping traps.)
        ("wasi:io/streams", "[method]output-stream.subscribe" | "[method]input-stream.subscribe") => {
            handle(store, "pollable", READY)?
        }
        ("wasi:io/poll", "[method]pollable.ready") => Val::Bool(true),
        ("wasi:io/poll", "[method]pollable.block") => NOTHING,
        ("wasi:io/poll", "poll") => all_ready(arguments)?,
        ("wasi:io/streams", name) if name.starts_with("[method]input-stream.") => closed(interface, function, ty)?,
        _ => unsupported(interface, function, ty)?,
    })
}

/// Takes the handles out of the arguments: those that are lent must be back when the call ends. Answers what the first
/// one stands for, which is the stream that a method is about.
fn give_back(store: &mut StoreContextMut<'_, State>, arguments: &[Val]) -> Result<u32> {
    let mut first = None;
    for argument in arguments {
        match argument {
            Val::Resource(handle) => {
                let handle = ResourceDynamic::try_from_resource_any(*handle, &mut *store)?;
                first.get_or_insert(handle.rep());
            }
            Val::List(handles) if matches!(handles.first(), Some(Val::Resource(_))) => {
                give_back(store, handles)?;
            }
            _ => {}
        }
    }
    Ok(first.unwrap_or_default())
}

fn handle(store: &mut StoreContextMut<'_, State>, name: &str, stream: u32) -> Result<Val> {
    let handle = ResourceDynamic::new_own(stream, resource(name));
    Ok(Val::Resource(handle.try_into_resource_any(store)?))
}

/// Every interface that uses a resource names it the same, so its name is its type.
fn resource(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The indexes of everything that is asked about.
fn all_ready(arguments: &[Val]) -> Result<Val> {
    match arguments {
        [Val::List(asked)] if !asked.is_empty() => Ok(Val::List((0..asked.len() as u32).map(Val::U32).collect())),
        _ => bail!("nothing to wait for"),
    }
}

fn datetime(ms: u64) -> Val {
    Val::Record(vec![
        ("seconds".to_owned(), Val::U64(ms / 1000)),
        ("nanoseconds".to_owned(), Val::U32((ms % 1000) as u32 * 1_000_000)),
    ])
}

/// splitmix64: any 64 bits are a good seed. (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.)
fn random(store: &mut StoreContextMut<'_, State>) -> u64 {
    let state = &mut store.data_mut().random;
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn random_bytes(store: &mut StoreContextMut<'_, State>, arguments: &[Val]) -> Result<Val> {
    let Some(&Val::U64(length)) = arguments.first() else {
        bail!("no length")
    };
    if length > RANDOM_BYTES {
        bail!("{length} random bytes at once; {RANDOM_BYTES} are allowed");
    }
    let mut bytes = Vec::with_capacity(length as usize + 7);
    while bytes.len() < length as usize {
        bytes.extend(random(store).to_le_bytes().map(Val::U8));
    }
    bytes.truncate(length as usize);
    Ok(Val::List(bytes))
}

fn write(store: &mut StoreContextMut<'_, State>, stream: u32, arguments: &[Val]) -> Result<()> {
    let [_, Val::List(bytes)] = arguments else {
        bail!("nothing to write")
    };
    for byte in bytes {
        let Val::U8(byte) = byte else { bail!("not a byte") };
        let output = &mut store.data_mut().output;
        let line = if stream == STDOUT {
            &mut output.out
        } else {
            &mut output.error
        };
        if *byte != b'\n' {
            line.push(*byte);
        }
        if *byte == b'\n' || line.len() >= LINE_BYTES {
            write_line(store, stream)?;
        }
    }
    Ok(())
}

fn write_line(store: &mut StoreContextMut<'_, State>, stream: u32) -> Result<()> {
    let output = &mut store.data_mut().output;
    let line = std::mem::take(if stream == STDOUT {
        &mut output.out
    } else {
        &mut output.error
    });
    if stream != STDOUT {
        output.last.extend_from_slice(&line);
        output.last.push(b'\n');
        let over = output.last.len().saturating_sub(LINE_BYTES);
        output.last.drain(..over);
    }
    log_line(store, if stream == STDOUT { INFO } else { ERROR }, &line)
}

/// Logs what is left of unfinished lines, at the end of a call.
pub(crate) fn flush(store: &mut Store<State>) {
    use wasmtime::AsContextMut;
    for stream in [STDOUT, STDERR] {
        let output = &store.data().output;
        if !if stream == STDOUT { &output.out } else { &output.error }.is_empty() {
            // The call is over: when it may not log any more, the line is lost.
            let _ = write_line(&mut store.as_context_mut(), stream);
        }
    }
}

/// The end of a stream.
fn closed(interface: &str, function: &str, ty: &ComponentFunc) -> Result<Val> {
    match ty.results().next() {
        Some(Type::Result(_)) => Ok(Val::Result(Err(Some(Box::new(Val::Variant(
            "closed".to_owned(),
            None,
        )))))),
        _ => unsupported(interface, function, ty),
    }
}

/// The function's own error, where it has one that says no; else the end of the call.
fn unsupported(interface: &str, function: &str, ty: &ComponentFunc) -> Result<Val> {
    if let Some(Type::Result(result)) = ty.results().next()
        && let Some(Type::Enum(errors)) = result.err()
        && let Some(error) = errors
            .names()
            .find(|name| matches!(*name, "unsupported" | "not-permitted" | "access"))
    {
        return Ok(Val::Result(Err(Some(Box::new(Val::Enum(error.to_owned()))))));
    }
    bail!("{interface} {function} is not there for plugins")
}
