//! The engine's configuration: one for compiling and one for running, which must agree.

use std::hash::{Hash, Hasher};
use std::ptr::NonNull;
use std::sync::Arc;

use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::{
    Config, CustomCodeMemory, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails, WasmFeatures,
};

/// The guest's stack, in bytes. Ordinary code needs a few KiB; deep recursion must end long before ours does.
const WASM_STACK_BYTES: usize = 256 * 1024;
/// The most linear memory that one memory can grow to, whatever a call's limits say, in bytes.
pub(crate) const MEMORY_BYTES_MOST: usize = 256 * 1024 * 1024;
/// The most elements of one table, whatever a call's limits say.
pub(crate) const TABLE_ELEMENTS_MOST: usize = 100_000;
/// Of a memory, this much is wiped by hand and kept between calls rather than given back to the kernel, in bytes: a
/// guest whose stack and data fit in it costs no page fault.
const KEEP_MEMORY_BYTES: usize = 96 * 1024;
/// The same for a table, in bytes.
const KEEP_TABLE_BYTES: usize = 8 * 1024;
/// Core instances of one component: a plain one has 1 to 3, composed ones and interpreters some dozens.
const CORE_INSTANCES: u32 = 64;
/// Memories and tables of one component.
const MEMORIES: u32 = 8;
const TABLES: u32 = 16;
/// A memory's initial contents are kept as an image when they are dense, or at most this long, in bytes.
const SPARSE_IMAGE_BYTES: u64 = 1 << 20;

/// The engine of a lane: it runs what the other one compiled, and has no compiler.
pub(crate) fn runner() -> wasmtime::Result<Engine> {
    let mut config = common();
    config.enable_compiler(false);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config.with_custom_code_memory(Some(Arc::new(MappedCode {
        page_size: rustix::param::page_size(),
    })));
    Engine::new(&config)
}

/// The engine of the compiling process.
pub(crate) fn compiler() -> wasmtime::Result<Engine> {
    let mut config = common();
    config.cranelift_opt_level(OptLevel::Speed);
    Engine::new(&config)
}

/// What compiled code depends on besides the component: the engine's version and configuration. Code made under one
/// fingerprint is never loaded under another.
///
/// # Errors
/// When this processor is not one that the engine can compile for.
pub fn fingerprint() -> Result<u64, String> {
    let mut config = common();
    config.cranelift_opt_level(OptLevel::Speed);
    // The host asks for this, and an engine with these traps would install its signal handlers there.
    config.signals_based_traps(false);
    let engine = Engine::new(&config).map_err(|error| format!("{error:#}"))?;
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    Ok(hasher.finish())
}

/// What compiling and running must agree on.
fn common() -> Config {
    let mut config = Config::new();
    // Fuel is the only meter in the compiled code; the clock is the host's.
    config.consume_fuel(true);
    config.max_wasm_stack(WASM_STACK_BYTES);
    // One memory model, one thread, nothing that a plugin of today needs and an attacker could use.
    config.wasm_features(
        WasmFeatures::GC
            | WasmFeatures::GC_TYPES
            | WasmFeatures::FUNCTION_REFERENCES
            | WasmFeatures::EXCEPTIONS
            | WasmFeatures::THREADS
            | WasmFeatures::SHARED_EVERYTHING_THREADS
            | WasmFeatures::MEMORY64
            | WasmFeatures::STACK_SWITCHING
            | WasmFeatures::CM_ASYNC,
        false,
    );
    config.relaxed_simd_deterministic(true);
    // Backtraces name functions; files and lines would need the debug information of every plugin in every lane.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.generate_address_map(false);
    config.native_unwind_info(false);
    config.memory_guaranteed_dense_image_size(SPARSE_IMAGE_BYTES);
    config
}

/// Room for one call: a lane never runs two.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(1)
        .total_core_instances(CORE_INSTANCES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(MEMORIES)
        .max_memories_per_component(MEMORIES)
        .total_tables(TABLES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_memory_size(MEMORY_BYTES_MOST)
        .table_elements(TABLE_ELEMENTS_MOST)
        .linear_memory_keep_resident(KEEP_MEMORY_BYTES)
        .table_keep_resident(KEEP_TABLE_BYTES)
        .max_unused_warm_slots(1);
    pool
}

/// Makes code executable that the lane has mapped straight from the artefact's file: the pages are shared between all
/// lanes and belong to the page cache, so they are never writable.
struct MappedCode {
    /// Looked up before the process is confined: asking the system later would kill it.
    page_size: usize,
}

impl CustomCodeMemory for MappedCode {
    fn required_alignment(&self) -> usize {
        self.page_size
    }

    fn publish_executable(&self, pointer: *const u8, length: usize) -> wasmtime::Result<()> {
        // SAFETY: the range is the text section of a mapping that `lane` made and never unmaps.
        unsafe {
            mprotect(
                pointer.cast_mut().cast(),
                length,
                MprotectFlags::READ | MprotectFlags::EXEC,
            )?
        };
        Ok(())
    }

    fn unpublish_executable(&self, pointer: *const u8, length: usize) -> wasmtime::Result<()> {
        // SAFETY: as above.
        unsafe { mprotect(pointer.cast_mut().cast(), length, MprotectFlags::READ)? };
        Ok(())
    }
}

/// Loads an artefact from memory that stays as it is for the life of the process.
///
/// # Safety
/// The bytes must come from [`compiler`]'s engine of the same build, unaltered.
pub(crate) unsafe fn load(
    engine: &Engine,
    artefact: NonNull<[u8]>,
) -> wasmtime::Result<wasmtime::component::Component> {
    // SAFETY: passed on to the caller.
    unsafe { wasmtime::component::Component::deserialize_raw(engine, artefact) }
}

/// FNV-1a. The standard library's hasher may change between its releases, and this value is kept in file names.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
