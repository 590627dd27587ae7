//! What host and lane say to each other over their socket pair.
//!
//! A frame is a little-endian `u32` length, then that many bytes of [postcard](https://docs.rs/postcard). The host sends
//! [`ToLane`]; the lane answers each [`ToLane::Load`] with one [`ToHost::Loaded`], and each [`ToLane::Call`] with any
//! number of [`ToHost::Ask`] (each answered by one [`ToLane::Answer`]) and then one [`ToHost::Done`]. The host believes
//! nothing of it: it bounds each frame's length and the number of asks, and checks what a view contains.

use serde::{Deserialize, Serialize};

/// The largest frame the lane may send, in bytes: a view (64 KiB of text, 1,000 nodes), with room for its structure.
pub const FRAME_TO_HOST_MAX: usize = 512 * 1024;
/// The largest frame the host sends, in bytes: a call's context and settings, or a scan of 100 values within the
/// 256 KiB that one host call may carry. (Compiled code travels as a file descriptor, not in a frame.)
pub const FRAME_TO_LANE_MAX: usize = 512 * 1024;

/// From host to lane.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToLane<'a> {
    /// Takes a component into slot `component`. Its compiled code is a file descriptor that rides on this frame
    /// (`SCM_RIGHTS`), read-only; the first `code_bytes` of it are the artefact.
    Load {
        /// The slot.
        component: u32,
        /// The artefact's length.
        code_bytes: u64,
    },
    /// Forgets a component.
    Unload { component: u32 },
    /// Runs one export in a fresh instance.
    #[serde(borrow)]
    Call(Call<'a>),
    /// Answers the one open [`Ask`].
    #[serde(borrow)]
    Answer(Answer<'a>),
}

/// From lane to host.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToHost<'a> {
    /// The lane is confined and waits; `layers` are the confinements in force, for the log.
    Ready { layers: Vec<String> },
    /// The end of a [`ToLane::Load`]: nothing, or why not.
    Loaded { component: u32, error: Option<String> },
    /// What the guest asks for; the lane waits for the answer.
    #[serde(borrow)]
    Ask(Ask<'a>),
    /// The end of a [`ToLane::Call`].
    #[serde(borrow)]
    Done(Done<'a>),
}

/// Which capability interfaces are linked to the host, bit by bit. What a component imports and is not linked to the
/// host answers `denied` in the lane, without a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grants(pub u8);

impl Grants {
    /// `log`
    pub const LOG: Self = Self(1);
    /// `storage`
    pub const STORAGE: Self = Self(2);
    /// `shared-storage`
    pub const SHARED_STORAGE: Self = Self(4);
    /// `viewer-name`
    pub const VIEWER_NAME: Self = Self(8);
    /// `live`
    pub const LIVE: Self = Self(16);
    /// `notify-owner`
    pub const NOTIFY_OWNER: Self = Self(32);

    /// Whether every capability of `other` is in this set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// The capabilities in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// The capabilities in either.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// The capabilities of this set that are not in `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// One call of one export.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call<'a> {
    /// The slot of [`ToLane::Load`].
    pub component: u32,
    /// The capabilities that hold for this call: granted by the operator and not refused by the member.
    pub grants: Grants,
    pub limits: CallLimits,
    #[serde(borrow)]
    pub export: Export<'a>,
}

/// What one call may use up in the lane. The deadline is the host's to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLimits {
    /// Fuel, in wasmtime's units (about one per instruction).
    pub fuel: u64,
    /// Linear memory of all instances together, in bytes.
    pub memory_bytes: u64,
    /// Table elements.
    pub table_elements: u32,
    /// Bytes that may cross the border in host calls, both ways together.
    pub host_call_bytes: u32,
    /// Host calls.
    pub host_calls: u32,
}

/// Which export, with its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub enum Export<'a> {
    /// `sticker.draw`
    #[serde(borrow)]
    Draw(Params<'a>),
    /// `widget.render`
    #[serde(borrow)]
    Render(Context<'a>),
    /// `actions.act`
    Act(#[serde(borrow)] Context<'a>, #[serde(borrow)] Submission<'a>),
    /// `commands.on-command`
    Command {
        #[serde(borrow)]
        context: RoomContext<'a>,
        name: &'a str,
        arguments: &'a str,
    },
    /// `filter.filter-text`
    Filter {
        #[serde(borrow)]
        context: RoomContext<'a>,
        text: &'a str,
    },
}

impl Export<'_> {
    /// Whether nothing may be written in this call. Such a call can be made twice.
    pub fn is_pure(&self) -> bool {
        !matches!(self, Self::Act(..) | Self::Command { .. })
    }
}

/// The WIT's `room-context`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoomContext<'a> {
    pub now: u64,
    pub seed: u64,
    pub room: &'a str,
    pub settings: &'a str,
}

/// The WIT's `sticker.params`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Params<'a> {
    pub seed: u64,
    pub wall: &'a str,
    pub settings: &'a str,
}

/// The WIT's `viewer-class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ViewerClass {
    Guest,
    Member,
    Owner,
}

/// The WIT's `context`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Context<'a> {
    pub now: u64,
    pub seed: u64,
    pub utc_offset_minutes: i16,
    pub locale: &'a str,
    pub wall: &'a str,
    pub viewer: ViewerClass,
    pub width: u8,
    pub height: u8,
    pub settings: &'a str,
}

/// The WIT's `submission`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Submission<'a> {
    pub name: &'a str,
    pub payload: &'a str,
    #[serde(borrow)]
    pub fields: Vec<(&'a str, &'a str)>,
}

/// Which of the two storages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    Installation,
    Shared,
}

/// What a guest asks the host for.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask<'a> {
    Pseudonym,
    ViewerName,
    /// Level 0 debug … 3 error. Answered by [`Answer::Done`].
    Log {
        level: u8,
        message: &'a str,
    },
    Get {
        scope: Scope,
        key: &'a str,
    },
    Put {
        scope: Scope,
        key: &'a str,
        #[serde(serialize_with = "bytes")]
        value: &'a [u8],
        expires: Option<u64>,
    },
    Delete {
        scope: Scope,
        key: &'a str,
    },
    Add {
        scope: Scope,
        key: &'a str,
        delta: i64,
    },
    Scan {
        scope: Scope,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: u32,
    },
    Refresh,
    Notify {
        text: &'a str,
    },
}

/// The host's answer to an [`Ask`]; one of another shape than the question's is a host error and traps the guest.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To `Log`, `Put`, `Refresh`, `Notify`.
    Done,
    /// To `Pseudonym`, `ViewerName`.
    Name(Option<&'a str>),
    /// To `Get`.
    Value(#[serde(borrow)] Option<Bytes<'a>>),
    /// To `Delete`.
    Existed(bool),
    /// To `Add`.
    Sum(i64),
    /// To `Scan`.
    Entries(#[serde(borrow)] Vec<(&'a str, Bytes<'a>)>),
    /// To anything: the error of the WIT that it maps to.
    Refused(Refused),
}

/// Bytes borrowed from the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes<'a>(#[serde(serialize_with = "bytes")] pub &'a [u8]);

/// postcard writes bytes and a sequence of `u8` alike; this writes them in one go.
fn bytes<S: serde::Serializer>(value: &&[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_bytes(value)
}

/// The errors of the WIT's capabilities in one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    Denied,
    ReadOnly,
    BadKey,
    TooLarge,
    Full,
    NotANumber,
    Unavailable,
    TooMany,
    BadText,
}

/// The end of a call.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done<'a> {
    #[serde(borrow)]
    pub result: Outcome<'a>,
    pub usage: Usage,
}

/// What a call used. A lane could lie: these are for show and for buckets, and the host's clock stands beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Fuel charged to the author: what lifting the host's own arguments cost is taken off.
    pub fuel: u64,
    /// The largest size of linear memory, in bytes.
    pub memory_bytes: u64,
    /// Time in the lane, in microseconds.
    pub time_us: u64,
}

/// What came out.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome<'a> {
    /// Of `render`.
    #[serde(borrow)]
    View(View<'a>),
    /// Of `draw`: `Ok` is a view with one root.
    #[serde(borrow)]
    Drawing(Result<View<'a>, &'a str>),
    /// Of `act`: the message, or the refusal's message and field.
    #[serde(borrow)]
    Acted(Result<Option<&'a str>, (&'a str, Option<&'a str>)>),
    /// Of `on-command`: the reply, or the refusal's sentence.
    #[serde(borrow)]
    Commanded(Result<Reply<'a>, &'a str>),
    /// Of `filter-text`.
    #[serde(borrow)]
    Filtered(Verdict<'a>),
    /// It failed.
    Failed(Failure),
}

/// The WIT's `commands.reply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    Say(&'a str),
    Whisper(&'a str),
    Nothing,
}

/// The WIT's `filter.verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict<'a> {
    Pass,
    Rewrite(&'a str),
    Refuse(&'a str),
}

/// Why a call failed in the lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    /// For the author: the message and the guest's backtrace. At most 4 KiB.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// The guest trapped (unreachable, out of bounds, a panic, …).
    Trap,
    /// Fuel ran out.
    Fuel,
    /// It wanted more memory or table elements than it may have, and gave up.
    Memory,
    /// Its stack overflowed.
    Stack,
    /// More host calls, or bytes in them, than allowed.
    HostCalls,
    /// The result is too large to send.
    Result,
    /// The component could not be instantiated or lacks the export.
    Instantiate,
}

/// The WIT's `view`, borrowed from the frame.
#[derive(Debug, Serialize, Deserialize)]
pub struct View<'a> {
    #[serde(borrow)]
    pub nodes: Vec<Node<'a>>,
    pub roots: Vec<u32>,
    pub max_age_seconds: Option<u32>,
}

/// The WIT's `node`.
#[derive(Debug, Serialize, Deserialize)]
pub enum Node<'a> {
    Text(&'a str),
    #[serde(borrow)]
    Element(Element<'a>),
}

/// The WIT's `element`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Element<'a> {
    pub tag: &'a str,
    #[serde(borrow)]
    pub attributes: Vec<(&'a str, &'a str)>,
    pub children: Vec<u32>,
    #[serde(borrow)]
    pub action: Option<(&'a str, &'a str)>,
}

/// What the compiling process found in a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Names of imported instances, e.g. `neospace:plugin/storage@0.1.0`.
    pub imports: Vec<String>,
    /// Names of exported instances, e.g. `neospace:plugin/widget@0.1.0`.
    pub exports: Vec<String>,
}
