//! The WIT's types as the engine passes them: what goes in borrows from the host's frame, what comes out is small.
//! (Views, which are not small, are read by [`crate::view`].)

use std::cell::Cell;
use std::mem::MaybeUninit;

use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext};
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::protocol;

/// The WIT's package and version.
macro_rules! interface {
    ($name:literal) => {
        concat!("neospace:plugin/", $name, "@0.1.0")
    };
}
pub(crate) use interface;

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Params<'a> {
    seed: u64,
    wall: &'a str,
    settings: &'a str,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Context<'a> {
    now: u64,
    seed: u64,
    #[component(name = "utc-offset-minutes")]
    utc_offset_minutes: i16,
    locale: &'a str,
    wall: &'a str,
    viewer: ViewerClass,
    width: u8,
    height: u8,
    settings: &'a str,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code)]
pub(crate) enum ViewerClass {
    #[component(name = "guest")]
    Guest,
    #[component(name = "member")]
    Member,
    #[component(name = "owner")]
    Owner,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Submission<'a> {
    name: &'a str,
    payload: &'a str,
    fields: &'a [(&'a str, &'a str)],
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Outcome {
    pub message: Option<String>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Refusal {
    pub message: String,
    pub field: Option<String>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct RoomContext<'a> {
    now: u64,
    seed: u64,
    room: &'a str,
    settings: &'a str,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Reply {
    #[component(name = "say")]
    Say(String),
    #[component(name = "whisper")]
    Whisper(String),
    #[component(name = "nothing")]
    Nothing,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Verdict {
    #[component(name = "pass")]
    Pass,
    #[component(name = "rewrite")]
    Rewrite(String),
    #[component(name = "refuse")]
    Refuse(String),
}

impl<'a> From<&protocol::RoomContext<'a>> for RoomContext<'a> {
    fn from(context: &protocol::RoomContext<'a>) -> Self {
        Self {
            now: context.now,
            seed: context.seed,
            room: context.room,
            settings: context.settings,
        }
    }
}

impl<'a> From<&protocol::Params<'a>> for Params<'a> {
    fn from(params: &protocol::Params<'a>) -> Self {
        Self {
            seed: params.seed,
            wall: params.wall,
            settings: params.settings,
        }
    }
}

impl<'a> From<&protocol::Context<'a>> for Context<'a> {
    fn from(context: &protocol::Context<'a>) -> Self {
        Self {
            now: context.now,
            seed: context.seed,
            utc_offset_minutes: context.utc_offset_minutes,
            locale: context.locale,
            wall: context.wall,
            viewer: match context.viewer {
                protocol::ViewerClass::Guest => ViewerClass::Guest,
                protocol::ViewerClass::Member => ViewerClass::Member,
                protocol::ViewerClass::Owner => ViewerClass::Owner,
            },
            width: context.width,
            height: context.height,
            settings: context.settings,
        }
    }
}

impl<'a> From<&'a protocol::Submission<'a>> for Submission<'a> {
    fn from(submission: &'a protocol::Submission<'a>) -> Self {
        Self {
            name: submission.name,
            payload: submission.payload,
            fields: &submission.fields,
        }
    }
}

/// An argument whose way into the guest is on the house.
///
/// Passing a string makes the guest allocate, which burns its fuel. That is our text and not the author's doing, so the
/// fuel is given back, up to `allowance`: an allocator that does more work than copying needs pays for it itself.
pub(crate) struct OnTheHouse<'a, T> {
    value: T,
    /// Fuel that may still be given back in this call.
    allowance: &'a Allowance,
}

/// How much fuel may be given back for passing arguments: for each byte and for each allocation.
///
/// `dlmalloc`, Rust's allocator for WebAssembly, takes 100 to 400 instructions for a small block.
pub(crate) struct Allowance(Cell<u64>);

// SAFETY: lanes have one thread; the trait bounds of wasmtime ask for `Sync` without sharing anything.
unsafe impl Sync for Allowance {}

impl Allowance {
    const FUEL_PER_ALLOCATION: u64 = 1_000;
    const FUEL_PER_BYTE: u64 = 4;

    /// For `allocations` blocks that hold `bytes` bytes together.
    pub(crate) fn new(allocations: usize, bytes: usize) -> Self {
        Self(Cell::new(
            allocations as u64 * Self::FUEL_PER_ALLOCATION + bytes as u64 * Self::FUEL_PER_BYTE,
        ))
    }

    /// An argument whose way in this pays for.
    pub(crate) fn pays<T>(&self, value: T) -> OnTheHouse<'_, T> {
        OnTheHouse { value, allowance: self }
    }

    fn give_back<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        lower: impl FnOnce(&mut LowerContext<'_, T>) -> wasmtime::Result<()>,
    ) -> wasmtime::Result<()> {
        let before = cx.store.get_fuel()?;
        lower(cx)?;
        let left = cx.store.get_fuel()?;
        let back = (before - left).min(self.0.get());
        self.0.set(self.0.get() - back);
        cx.store.set_fuel(left + back)
    }
}

// SAFETY: everything but the fuel is `T`'s own implementation.
unsafe impl<T: ComponentType> ComponentType for OnTheHouse<'_, T> {
    type Lower = T::Lower;
    const ABI: CanonicalAbiInfo = T::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        T::typecheck(ty, types)
    }
}

// SAFETY: as above.
unsafe impl<T: Lower> Lower for OnTheHouse<'_, T> {
    fn linear_lower_to_flat<U>(
        &self,
        cx: &mut LowerContext<'_, U>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        self.allowance
            .give_back(cx, |cx| self.value.linear_lower_to_flat(cx, ty, dst))
    }

    fn linear_lower_to_memory<U>(
        &self,
        cx: &mut LowerContext<'_, U>,
        ty: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        self.allowance
            .give_back(cx, |cx| self.value.linear_lower_to_memory(cx, ty, offset))
    }
}
