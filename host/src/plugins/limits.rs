//! What a plugin may use, with the operator's changes.

use std::time::Duration;

use neospace_runner::protocol::CallLimits;

use crate::config::PluginLimits;

/// Limits of one plugin. The defaults are the plugin document's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fuel for one `render` or `draw`.
    pub render_fuel: u64,
    /// Fuel for one `act` or `on-command`.
    pub act_fuel: u64,
    /// Fuel for one `filter-text`.
    pub filter_fuel: u64,
    /// Milliseconds by the host's clock for one `render` or `draw`.
    pub render_ms: u32,
    /// Milliseconds by the host's clock for one `act` or `on-command`.
    pub act_ms: u32,
    /// Milliseconds by the host's clock for one `filter-text`.
    pub filter_ms: u32,
    /// Memory of one call, in KiB.
    pub memory_kib: u32,
    /// Storage of one installation, and of all installations together in the shared storage, in KiB.
    pub storage_kib: u32,
    /// Keys, likewise.
    pub storage_keys: u32,
    /// Fuel that all calls of the plugin may burn in a second, on average: a plugin that stays just under every limit of
    /// a call still can't own a core. About a quarter of one on the reference machine.
    pub fuel_per_second: u64,
}

/// Elements of all tables of one call.
pub const TABLE_ELEMENTS: u32 = 10_000;
/// Bytes that may cross the border in the host calls of one call.
pub const HOST_CALL_BYTES: u32 = 256 * 1024;
/// Host calls of one call.
pub const HOST_CALLS: u32 = 1_000;
/// The largest value that can be stored, in bytes.
pub const VALUE_BYTES: usize = 64 * 1024;
/// Fuel that all modules of one wall may burn in a second, on average.
pub const WALL_FUEL_PER_SECOND: u64 = 200_000_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            render_fuel: 10_000_000,
            act_fuel: 25_000_000,
            filter_fuel: 5_000_000,
            render_ms: 50,
            act_ms: 250,
            filter_ms: 20,
            memory_kib: 16 * 1024,
            storage_kib: 1024,
            storage_keys: 1_000,
            fuel_per_second: 200_000_000,
        }
    }
}

impl Limits {
    /// The defaults with what the operator set.
    pub fn with(set: &PluginLimits) -> Self {
        let usual = Self::default();
        Self {
            render_fuel: set.render_fuel.unwrap_or(usual.render_fuel),
            act_fuel: set.act_fuel.unwrap_or(usual.act_fuel),
            render_ms: set.render_ms.unwrap_or(usual.render_ms),
            act_ms: set.act_ms.unwrap_or(usual.act_ms),
            filter_fuel: set.filter_fuel.unwrap_or(usual.filter_fuel),
            filter_ms: set.filter_ms.unwrap_or(usual.filter_ms),
            memory_kib: set.memory_kib.unwrap_or(usual.memory_kib),
            storage_kib: set.storage_kib.unwrap_or(usual.storage_kib),
            storage_keys: set.storage_keys.unwrap_or(usual.storage_keys),
            fuel_per_second: set.fuel_per_second.unwrap_or(usual.fuel_per_second),
        }
    }

    /// What one `render` or `draw` may use in its lane, and for how long.
    pub fn render(&self) -> (CallLimits, Duration) {
        (
            self.call(self.render_fuel),
            Duration::from_millis(self.render_ms.into()),
        )
    }

    /// What one `filter-text` may use in its lane, and for how long.
    pub fn filter(&self) -> (CallLimits, Duration) {
        (
            self.call(self.filter_fuel),
            Duration::from_millis(self.filter_ms.into()),
        )
    }

    /// What one `act` or `on-command` may use in its lane, and for how long.
    pub fn act(&self) -> (CallLimits, Duration) {
        (self.call(self.act_fuel), Duration::from_millis(self.act_ms.into()))
    }

    fn call(&self, fuel: u64) -> CallLimits {
        CallLimits {
            fuel,
            memory_bytes: u64::from(self.memory_kib) * 1024,
            table_elements: TABLE_ELEMENTS,
            host_call_bytes: HOST_CALL_BYTES,
            host_calls: HOST_CALLS,
        }
    }
}
