//! Views and drawings, written from the guest's memory straight into the frame that goes to the host.
//!
//! A view is some hundred small strings and lists. Lifting it into Rust values first would allocate for each of them, to
//! encode and free them at once; this walks the guest's memory by the canonical ABI instead and writes postcard as it
//! goes. It stops as soon as the frame or the number of nodes is over its limit, so that lists that overlap in memory or
//! lie about their length cost the limit and no more.
//!
//! Source: the component model's canonical ABI, "Loading" (`store`/`load` of records, variants, lists and strings).

use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift, WasmList, WasmStr};
use wasmtime::{Result, bail};

use crate::frame::HEADER;
use crate::protocol::{FRAME_TO_HOST_MAX, Usage};

/// The most nodes that are sent: four times what a view may have, so that the host can still say what is wrong.
pub(crate) const NODES_MOST: usize = 4_000;

/// The result is too large to be sent.
#[derive(Debug)]
pub(crate) struct TooLarge(&'static str);

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TooLarge {}

/// The frame of `ToHost::Done` with an `Outcome::View`, but for its length and its usage.
pub(crate) struct ViewFrame(Vec<u8>);
/// The frame of `ToHost::Done` with an `Outcome::Drawing`, but for its length and its usage.
pub(crate) struct DrawingFrame(Vec<u8>);

impl ViewFrame {
    pub(crate) fn finish(self, usage: &Usage) -> Vec<u8> {
        finish(self.0, usage)
    }
}

impl DrawingFrame {
    pub(crate) fn finish(self, usage: &Usage) -> Vec<u8> {
        finish(self.0, usage)
    }
}

fn finish(mut frame: Vec<u8>, usage: &Usage) -> Vec<u8> {
    varint(&mut frame, usage.fuel);
    varint(&mut frame, usage.memory_bytes);
    varint(&mut frame, usage.time_us);
    frame
}

// The shapes, for wasmtime to check the component's types against; their values are never made.

#[derive(ComponentType)]
#[component(record)]
#[allow(dead_code)]
pub(crate) struct ViewShape {
    nodes: WasmList<NodeShape>,
    roots: WasmList<u32>,
    #[component(name = "max-age-seconds")]
    max_age_seconds: Option<u32>,
}

#[derive(ComponentType)]
#[component(record)]
#[allow(dead_code)]
pub(crate) struct DrawingShape {
    nodes: WasmList<NodeShape>,
    root: u32,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
#[allow(dead_code)]
pub(crate) enum NodeShape {
    #[component(name = "text")]
    Text(WasmStr),
    #[component(name = "element")]
    Element(ElementShape),
}

#[derive(ComponentType, Lift)]
#[component(record)]
#[allow(dead_code)]
pub(crate) struct ElementShape {
    tag: WasmStr,
    attributes: WasmList<AttributeShape>,
    children: WasmList<u32>,
    action: Option<ActionShape>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
#[allow(dead_code)]
pub(crate) struct AttributeShape {
    name: WasmStr,
    value: WasmStr,
}

#[derive(ComponentType, Lift)]
#[component(record)]
#[allow(dead_code)]
pub(crate) struct ActionShape {
    name: WasmStr,
    payload: WasmStr,
}

// Where the canonical ABI puts what in memory, in bytes. The assertions hold these against wasmtime's own arithmetic.

mod at {
    /// `list` and `string`: where they begin, and how many elements or code units.
    pub const POINTER_PAIR: usize = 8;
    /// `view`
    pub const VIEW: usize = 24;
    pub const VIEW_ROOTS: usize = 8;
    pub const VIEW_MAX_AGE: usize = 16;
    /// `result<drawing, string>`
    pub const DRAWN: usize = 16;
    pub const DRAWN_PAYLOAD: usize = 4;
    pub const DRAWING_ROOT: usize = 8;
    /// `node`
    pub const NODE: usize = 48;
    pub const NODE_PAYLOAD: usize = 4;
    pub const ELEMENT_ATTRIBUTES: usize = 8;
    pub const ELEMENT_CHILDREN: usize = 16;
    pub const ELEMENT_ACTION: usize = 24;
    /// An option whose payload is aligned to 4.
    pub const OPTION_PAYLOAD: usize = 4;
    /// `attribute` and `action`: two strings.
    pub const TWO_STRINGS: usize = 16;
}

const _: () = assert!(<ViewShape as ComponentType>::SIZE32 == at::VIEW);
const _: () = assert!(<std::result::Result<DrawingShape, WasmStr> as ComponentType>::SIZE32 == at::DRAWN);
const _: () = assert!(<NodeShape as ComponentType>::SIZE32 == at::NODE);
const _: () = assert!(<AttributeShape as ComponentType>::SIZE32 == at::TWO_STRINGS);
const _: () = assert!(<ActionShape as ComponentType>::SIZE32 == at::TWO_STRINGS);

macro_rules! shaped_like {
    ($shape:ty, $frame:ident, $write:ident) => {
        // SAFETY: the shape's own (derived) implementation.
        unsafe impl ComponentType for $frame {
            type Lower = <$shape as ComponentType>::Lower;
            const ABI: CanonicalAbiInfo = <$shape as ComponentType>::ABI;

            fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
                <$shape as ComponentType>::typecheck(ty, types)
            }
        }

        // SAFETY: reads what the shape describes, every access checked against the memory's bounds.
        unsafe impl Lift for $frame {
            fn linear_lift_from_flat(_: &mut LiftContext<'_>, _: InterfaceType, _: &Self::Lower) -> Result<Self> {
                // Results of more than one core value are always passed in memory.
                bail!("a view that is not in memory")
            }

            fn linear_lift_from_memory(cx: &mut LiftContext<'_>, _: InterfaceType, bytes: &[u8]) -> Result<Self> {
                let mut writer = Writer::new(cx);
                writer.$write(bytes)?;
                Ok(Self(writer.out))
            }
        }
    };
}

shaped_like!(ViewShape, ViewFrame, view);
shaped_like!(std::result::Result<DrawingShape, WasmStr>, DrawingFrame, drawn);

/// Postcard's numbers of the variants that frames begin with; a test holds them against the real thing.
const TO_HOST_DONE: u8 = 3;
const OUTCOME_VIEW: u8 = 0;
const OUTCOME_DRAWING: u8 = 1;
const OK: u8 = 0;
const ERR: u8 = 1;
/// What a first guess at a frame's size costs nothing to be wrong about, in bytes.
const FRAME_GUESS: usize = 16 * 1024;

struct Writer<'a, 'b> {
    cx: &'a mut LiftContext<'b>,
    memory: &'b [u8],
    utf8: bool,
    out: Vec<u8>,
}

impl<'a, 'b> Writer<'a, 'b> {
    fn new(cx: &'a mut LiftContext<'b>) -> Self {
        let mut out = Vec::with_capacity(FRAME_GUESS);
        out.extend_from_slice(&[0; HEADER]);
        out.push(TO_HOST_DONE);
        Self {
            memory: cx.memory(),
            utf8: matches!(cx.options().string_encoding, StringEncoding::Utf8),
            cx,
            out,
        }
    }

    fn view(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.push(OUTCOME_VIEW);
        self.nodes(bytes)?;
        self.numbers(&bytes[at::VIEW_ROOTS..])?;
        let max_age = &bytes[at::VIEW_MAX_AGE..];
        if self.some(max_age)? {
            self.number(word(max_age, at::OPTION_PAYLOAD));
        }
        Ok(())
    }

    fn drawn(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.push(OUTCOME_DRAWING);
        let payload = &bytes[at::DRAWN_PAYLOAD..];
        match bytes[0] {
            0 => {
                self.out.push(OK);
                self.nodes(payload)?;
                self.out.push(1);
                self.number(word(payload, at::DRAWING_ROOT));
                self.out.push(0);
                Ok(())
            }
            1 => {
                self.out.push(ERR);
                self.string(payload)
            }
            _ => bail!("a result that is neither ok nor an error"),
        }
    }

    fn nodes(&mut self, bytes: &[u8]) -> Result<()> {
        let nodes = self.list(bytes, at::NODE, 4)?;
        let count = nodes.len() / at::NODE;
        if count > NODES_MOST {
            return Err(TooLarge("the view has more than 4,000 nodes").into());
        }
        self.number(count as u32);
        for node in nodes.chunks_exact(at::NODE) {
            let payload = &node[at::NODE_PAYLOAD..];
            self.out.push(node[0]);
            match node[0] {
                0 => self.string(payload)?,
                1 => self.element(payload)?,
                _ => bail!("a node that is neither text nor element"),
            }
            self.room()?;
        }
        Ok(())
    }

    fn element(&mut self, bytes: &[u8]) -> Result<()> {
        self.string(bytes)?;
        let attributes = self.list(&bytes[at::ELEMENT_ATTRIBUTES..], at::TWO_STRINGS, 4)?;
        self.number((attributes.len() / at::TWO_STRINGS) as u32);
        for attribute in attributes.chunks_exact(at::TWO_STRINGS) {
            self.two_strings(attribute)?;
            self.room()?;
        }
        self.numbers(&bytes[at::ELEMENT_CHILDREN..])?;
        let action = &bytes[at::ELEMENT_ACTION..];
        if self.some(action)? {
            self.two_strings(&action[at::OPTION_PAYLOAD..])?;
        }
        Ok(())
    }

    fn two_strings(&mut self, bytes: &[u8]) -> Result<()> {
        self.string(bytes)?;
        self.string(&bytes[at::POINTER_PAIR..])
    }

    /// Writes an option's tag; whether a value follows.
    fn some(&mut self, bytes: &[u8]) -> Result<bool> {
        if bytes[0] > 1 {
            bail!("an option that is neither some nor none");
        }
        self.out.push(bytes[0]);
        Ok(bytes[0] == 1)
    }

    fn numbers(&mut self, bytes: &[u8]) -> Result<()> {
        let numbers = self.list(bytes, 4, 4)?;
        // Each takes a byte at least.
        if numbers.len() / 4 > FRAME_TO_HOST_MAX {
            return Err(TOO_LONG.into());
        }
        self.number((numbers.len() / 4) as u32);
        for number in numbers.chunks_exact(4) {
            self.number(word(number, 0));
        }
        self.room()
    }

    fn number(&mut self, number: u32) {
        varint(&mut self.out, number.into());
    }

    fn string(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.utf8 {
            let text = String::linear_lift_from_memory(self.cx, InterfaceType::String, &bytes[..at::POINTER_PAIR])?;
            return self.text(text.as_bytes());
        }
        let text = self.list(bytes, 1, 1)?;
        if text.len() > FRAME_TO_HOST_MAX {
            return Err(TOO_LONG.into());
        }
        std::str::from_utf8(text)?;
        self.text(text)
    }

    fn text(&mut self, text: &[u8]) -> Result<()> {
        self.number(text.len() as u32);
        self.out.extend_from_slice(text);
        self.room()
    }

    /// The bytes of the list (or string) whose pointer and length these are.
    fn list(&self, bytes: &[u8], size: usize, align: usize) -> Result<&'b [u8]> {
        let pointer = word(bytes, 0) as usize;
        let count = word(bytes, 4) as usize;
        if !pointer.is_multiple_of(align) {
            bail!("a list that is not aligned");
        }
        let Some(list) = self
            .memory
            .get(pointer..)
            .and_then(|rest| rest.get(..count.checked_mul(size)?))
        else {
            bail!("a list that is outside of the memory");
        };
        Ok(list)
    }

    fn room(&self) -> Result<()> {
        if self.out.len() > FRAME_TO_HOST_MAX {
            return Err(TOO_LONG.into());
        }
        Ok(())
    }
}

const TOO_LONG: TooLarge = TooLarge("the result is longer than 512 KiB");

/// The little-endian number at `offset`; the callers' slices are as long as the shapes say.
fn word(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(word)
}

/// Postcard's variable-length integer: seven bits a byte, the lowest first.
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Done, Outcome, ToHost, View};

    #[test]
    fn hand_written_frames_are_what_postcard_writes() {
        let usage = Usage {
            fuel: 300,
            memory_bytes: 1 << 20,
            time_us: 7,
        };
        let empty = || View {
            nodes: vec![],
            roots: vec![],
            max_age_seconds: None,
        };
        for (head, result) in [
            (&[TO_HOST_DONE, OUTCOME_VIEW, 0, 0, 0][..], Outcome::View(empty())),
            (
                &[TO_HOST_DONE, OUTCOME_DRAWING, OK, 0, 0, 0],
                Outcome::Drawing(Ok(empty())),
            ),
            (
                &[TO_HOST_DONE, OUTCOME_DRAWING, ERR, 2, b'n', b'o'],
                Outcome::Drawing(Err("no")),
            ),
        ] {
            let written = finish(head.to_vec(), &usage);
            assert_eq!(
                written,
                postcard::to_stdvec(&ToHost::Done(Done { result, usage })).unwrap()
            );
        }
    }
}
