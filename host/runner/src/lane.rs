//! A lane: one process, one thread, one socket to the host, one call at a time.
//!
//! [`main`] confines the process, then answers frames until the host hangs up. [`run`] is the whole way of a call:
//! store, limits, instance, export, result, frame. Nothing of one call is left for the next: instance, memory and host
//! state go with the store. Whatever goes wrong with the socket ends the process: without a host a lane has no purpose.

use std::collections::HashMap;
use std::io::{IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;
use std::time::Instant;

use rustix::mm::{MapFlags, ProtFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde::Serialize;
use wasmtime::component::{ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Engine, ResourceLimiter, Store, Trap, bail};

use crate::confine::{Limits, confine};
use crate::contract::{
    Allowance, Context, OnTheHouse, Outcome as Acted, Params, Refusal, Reply, RoomContext, Submission, Verdict,
    interface,
};
use crate::frame::{self, HEADER};
use crate::imports::StorageError;
use crate::protocol::{
    self, Answer, Ask, Call, CallLimits, Done, Export, FRAME_TO_HOST_MAX, FRAME_TO_LANE_MAX, Failure, FailureKind,
    Grants, Outcome, ToHost, ToLane, Usage,
};
use crate::view::{DrawingFrame, TooLarge, ViewFrame};
use crate::{engine, imports, wasi};

/// What a lane may map as writable memory beyond what it has when it is confined, in bytes: the guest's memory at its
/// most, our buffers, and the allocator's slack.
const LANE_DATA_BYTES: u64 = engine::MEMORY_BYTES_MOST as u64 + 64 * 1024 * 1024;
/// The largest image of a memory's first contents, which the engine keeps in a file without a name, in bytes: data of a
/// component of 4 MiB, at least half of which is not zero.
const IMAGE_BYTES: u64 = 8 * 1024 * 1024;
/// Descriptors: the socket, and an image or two for each component that the host keeps loaded (at most 64). What all
/// images together could take is bounded by this.
const DESCRIPTORS: u64 = 160;
/// Resource handles a guest may hold (streams and the like; the contract itself has none).
const HANDLES: usize = 64;
/// Of a failure's message and backtrace, this much is sent, in bytes.
const DETAIL_BYTES: usize = 4 * 1024;

/// Runs a lane on the socket that is the process's standard input. Never returns.
pub fn main() -> ! {
    // The host's end of the socket pair comes as standard input: the one descriptor that needs no word about it.
    // SAFETY: descriptor 0 is open (the host made it so) and nobody else in this process uses it.
    let socket = Socket::new(unsafe { UnixStream::from_raw_fd(0) });
    match prepare(socket) {
        Ok((engine, linker, socket)) => serve(&engine, &linker, socket),
        Err(error) => {
            eprintln!("neospace lane: {error:#}");
            std::process::exit(1);
        }
    }
}

/// Builds the engine, which may look at the machine, and then shuts the door.
fn prepare(mut socket: Socket) -> wasmtime::Result<(Engine, Linker<State>, Socket)> {
    let engine = engine::runner()?;
    Engine::tls_eager_initialize();
    let mut linker = Linker::new(&engine);
    imports::link(&mut linker)?;
    let layers = confine(&Limits {
        data_bytes: LANE_DATA_BYTES,
        file_bytes: IMAGE_BYTES,
        descriptors: DESCRIPTORS,
        cpu_seconds: None,
        keep: &[0],
    })?;
    socket.send(&ToHost::Ready {
        layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
    });
    Ok((engine, linker, socket))
}

fn serve(engine: &Engine, linker: &Linker<State>, mut socket: Socket) -> ! {
    let mut loaded = HashMap::new();
    loop {
        let frame = socket.receive();
        match postcard::from_bytes(&frame) {
            Ok(ToLane::Load { component, code_bytes }) => {
                let descriptor = socket.descriptor.take();
                let result = load(engine, linker, descriptor, code_bytes);
                let error = result.map(|plugin| loaded.insert(component, plugin)).err();
                socket.send(&ToHost::Loaded {
                    component,
                    error: error.map(|error| cut(format!("{error:#}"))),
                });
            }
            Ok(ToLane::Unload { component }) => {
                loaded.remove(&component);
            }
            Ok(ToLane::Call(call)) => socket = run(engine, loaded.get(&call.component), &call, socket),
            // The host doesn't send these.
            Ok(ToLane::Answer(_)) | Err(_) => std::process::exit(2),
        }
        socket.give_back(frame);
    }
}

/// A component, linked, with the exports that it has.
struct Plugin {
    pre: InstancePre<State>,
    draw: Option<ComponentExportIndex>,
    render: Option<ComponentExportIndex>,
    act: Option<ComponentExportIndex>,
    command: Option<ComponentExportIndex>,
    filter: Option<ComponentExportIndex>,
}

fn load(
    engine: &Engine,
    linker: &Linker<State>,
    descriptor: Option<OwnedFd>,
    code_bytes: u64,
) -> wasmtime::Result<Plugin> {
    let Some(descriptor) = descriptor else {
        bail!("no file came with the component")
    };
    let artefact = map(&descriptor, usize::try_from(code_bytes)?)?;
    // SAFETY: the host checks that the artefact is what our own compiler wrote before it hands out the descriptor, and
    // the file is never written again.
    let component = unsafe { engine::load(engine, artefact)? };
    let mut linker = linker.clone();
    wasi::link(&mut linker, engine, &component)?;
    let export = |interface: &str, function: &str| {
        let (_, interface) = component.get_export(None, interface)?;
        Some(component.get_export(Some(&interface), function)?.1)
    };
    Ok(Plugin {
        draw: export(interface!("sticker"), "draw"),
        render: export(interface!("widget"), "render"),
        act: export(interface!("actions"), "act"),
        command: export(interface!("commands"), "on-command"),
        filter: export(interface!("filter"), "filter-text"),
        pre: linker.instantiate_pre(&component)?,
    })
}

/// Maps an artefact for the life of the process. A component that is unloaded leaves the mapping behind: address space,
/// which there is enough of, and pages that the kernel takes back when it needs them.
fn map(descriptor: &OwnedFd, length: usize) -> wasmtime::Result<NonNull<[u8]>> {
    if length == 0 {
        bail!("the artefact is empty");
    }
    // SAFETY: a new mapping, at an address of the kernel's choice, that nothing else refers to.
    let pointer = unsafe {
        rustix::mm::mmap(
            std::ptr::null_mut(),
            length,
            ProtFlags::READ,
            MapFlags::PRIVATE,
            descriptor.as_fd(),
            0,
        )?
    };
    let Some(pointer) = NonNull::new(pointer.cast::<u8>()) else {
        bail!("mapped at address 0")
    };
    Ok(NonNull::slice_from_raw_parts(pointer, length))
}

/// One call, from arguments to frame.
fn run(engine: &Engine, plugin: Option<&Plugin>, call: &Call<'_>, socket: Socket) -> Socket {
    let started = Instant::now();
    let mut store = Store::new(engine, State::new(socket, call));
    let result = limit(&mut store, &call.limits).and_then(|()| invoke(&mut store, plugin, &call.export));
    wasi::flush(&mut store);
    let usage = Usage {
        fuel: call.limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0)),
        memory_bytes: store.data().memory.most_bytes as u64,
        time_us: started.elapsed().as_micros() as u64,
    };
    match result {
        Ok(Returned::View(frame)) => store.data_mut().socket.send_body(frame.finish(&usage), &usage),
        Ok(Returned::Drawing(frame)) => store.data_mut().socket.send_body(frame.finish(&usage), &usage),
        Ok(Returned::Acted(Ok(Acted { message }))) => {
            let result = Outcome::Acted(Ok(message.as_deref()));
            store.data_mut().socket.send(&ToHost::Done(Done { result, usage }));
        }
        Ok(Returned::Acted(Err(Refusal { message, field }))) => {
            let result = Outcome::Acted(Err((&message, field.as_deref())));
            store.data_mut().socket.send(&ToHost::Done(Done { result, usage }));
        }
        Ok(Returned::Commanded(answer)) => {
            let result = Outcome::Commanded(match &answer {
                Ok(Reply::Say(text)) => Ok(protocol::Reply::Say(text)),
                Ok(Reply::Whisper(text)) => Ok(protocol::Reply::Whisper(text)),
                Ok(Reply::Nothing) => Ok(protocol::Reply::Nothing),
                Err(refusal) => Err(refusal),
            });
            store.data_mut().socket.send(&ToHost::Done(Done { result, usage }));
        }
        Ok(Returned::Filtered(verdict)) => {
            let result = Outcome::Filtered(match &verdict {
                Verdict::Pass => protocol::Verdict::Pass,
                Verdict::Rewrite(text) => protocol::Verdict::Rewrite(text),
                Verdict::Refuse(why) => protocol::Verdict::Refuse(why),
            });
            store.data_mut().socket.send(&ToHost::Done(Done { result, usage }));
        }
        Err(error) => {
            let result = Outcome::Failed(failure(&error, store.data()));
            store.data_mut().socket.send(&ToHost::Done(Done { result, usage }));
        }
    }
    store.into_data().socket
}

/// Everything that bounds a call inside the lane. (The clock is the host's.)
fn limit(store: &mut Store<State>, limits: &CallLimits) -> wasmtime::Result<()> {
    store.set_fuel(limits.fuel)?;
    store.limiter(|state| &mut state.memory);
    // What one host call may lift: wasmtime's own default is 128 MiB.
    store.set_hostcall_fuel(FRAME_TO_HOST_MAX);
    store.set_max_component_handles(HANDLES);
    Ok(())
}

enum Returned {
    View(ViewFrame),
    Drawing(DrawingFrame),
    Acted(Result<Acted, Refusal>),
    Commanded(Result<Reply, String>),
    Filtered(Verdict),
}

/// Makes an instance and calls the export.
fn invoke(store: &mut Store<State>, plugin: Option<&Plugin>, export: &Export<'_>) -> wasmtime::Result<Returned> {
    let Some(plugin) = plugin else {
        return Err(Unusable("the component is not loaded".to_owned()).into());
    };
    let index = match export {
        Export::Draw(_) => &plugin.draw,
        Export::Render(_) => &plugin.render,
        Export::Act(..) => &plugin.act,
        Export::Command { .. } => &plugin.command,
        Export::Filter { .. } => &plugin.filter,
    };
    let Some(index) = index else {
        return Err(Unusable("the component has no such export".to_owned()).into());
    };
    let instance = plugin.pre.instantiate(&mut *store)?;
    match export {
        Export::Draw(params) => {
            let allowance = Allowance::new(2, params.wall.len() + params.settings.len());
            let draw = instance
                .get_typed_func::<(OnTheHouse<'_, Params<'_>>,), (DrawingFrame,)>(&mut *store, index)
                .map_err(Unusable::shape)?;
            let params = allowance.pays(params.into());
            Ok(Returned::Drawing(draw.call(store, (params,))?.0))
        }
        Export::Render(context) => {
            let allowance = Allowance::new(3, context_bytes(context));
            let render = instance
                .get_typed_func::<(OnTheHouse<'_, Context<'_>>,), (ViewFrame,)>(&mut *store, index)
                .map_err(Unusable::shape)?;
            let context = allowance.pays(context.into());
            Ok(Returned::View(render.call(store, (context,))?.0))
        }
        Export::Act(context, submission) => {
            let fields = &submission.fields;
            let bytes = context_bytes(context)
                + submission.name.len()
                + submission.payload.len()
                + fields
                    .iter()
                    .map(|(name, value)| name.len() + value.len() + 16)
                    .sum::<usize>();
            let allowance = Allowance::new(6 + 2 * fields.len(), bytes);
            let act = instance
                .get_typed_func::<(OnTheHouse<'_, Context<'_>>, OnTheHouse<'_, Submission<'_>>), (Result<Acted, Refusal>,)>(
                    &mut *store,
                    index,
                )
                .map_err(Unusable::shape)?;
            let context = allowance.pays(context.into());
            let submission = allowance.pays(submission.into());
            Ok(Returned::Acted(act.call(store, (context, submission))?.0))
        }
        Export::Command {
            context,
            name,
            arguments,
        } => {
            let bytes = context.room.len() + context.settings.len() + name.len() + arguments.len();
            let allowance = Allowance::new(4, bytes);
            let command = instance
                .get_typed_func::<(
                    OnTheHouse<'_, RoomContext<'_>>,
                    OnTheHouse<'_, &str>,
                    OnTheHouse<'_, &str>,
                ), (Result<Reply, String>,)>(&mut *store, index)
                .map_err(Unusable::shape)?;
            let context = allowance.pays(context.into());
            let [name, arguments] = [*name, *arguments].map(|value| allowance.pays(value));
            Ok(Returned::Commanded(command.call(store, (context, name, arguments))?.0))
        }
        Export::Filter { context, text } => {
            let bytes = context.room.len() + context.settings.len() + text.len();
            let allowance = Allowance::new(3, bytes);
            let filter = instance
                .get_typed_func::<(OnTheHouse<'_, RoomContext<'_>>, OnTheHouse<'_, &str>), (Verdict,)>(
                    &mut *store,
                    index,
                )
                .map_err(Unusable::shape)?;
            let context = allowance.pays(context.into());
            let text = allowance.pays(*text);
            Ok(Returned::Filtered(filter.call(store, (context, text))?.0))
        }
    }
}

fn context_bytes(context: &protocol::Context<'_>) -> usize {
    context.locale.len() + context.wall.len() + context.settings.len()
}

/// The component can't be called at all.
#[derive(Debug)]
struct Unusable(String);

impl Unusable {
    fn shape(error: wasmtime::Error) -> wasmtime::Error {
        Self(format!("the export has another type than the contract's: {error:#}")).into()
    }
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// More host calls, or bytes in them, than the call may have.
#[derive(Debug)]
struct TooManyHostCalls(&'static str);

impl std::fmt::Display for TooManyHostCalls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TooManyHostCalls {}

/// Says what went wrong, for the author.
fn failure(error: &wasmtime::Error, state: &State) -> Failure {
    let kind = if error.is::<TooLarge>() {
        FailureKind::Result
    } else if error.is::<TooManyHostCalls>() {
        FailureKind::HostCalls
    } else if error.is::<Unusable>() {
        FailureKind::Instantiate
    } else {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => FailureKind::Fuel,
            Some(Trap::StackOverflow) => FailureKind::Stack,
            // A guest that was refused memory mostly runs into `unreachable` next.
            _ if state.memory.refused => FailureKind::Memory,
            _ => FailureKind::Trap,
        }
    };
    let mut detail = String::new();
    if let Some(refusal) = state
        .memory
        .refused
        .then_some("the memory or table limit was reached\n")
    {
        detail.push_str(refusal);
    }
    if !state.output.last.is_empty() {
        detail.push_str(&String::from_utf8_lossy(&state.output.last));
        detail.push('\n');
    }
    detail.push_str(&format!("{error:?}"));
    Failure {
        kind,
        detail: cut(detail),
    }
}

fn cut(mut detail: String) -> String {
    detail.truncate(detail.floor_char_boundary(DETAIL_BYTES));
    detail
}

/// All that a guest may touch outside of its own memory, for one call.
pub(crate) struct State {
    socket: Socket,
    grants: Grants,
    /// Rendering, drawing and filtering: nothing may be written.
    pure: bool,
    host_calls_left: u32,
    host_call_bytes_left: u32,
    memory: Memory,
    /// What WASI's clocks show, in Unix milliseconds.
    pub(crate) now_ms: u64,
    /// What WASI's randomness continues from.
    pub(crate) random: u64,
    pub(crate) output: wasi::Output,
}

impl State {
    fn new(socket: Socket, call: &Call<'_>) -> Self {
        let (now_ms, seed) = match &call.export {
            Export::Draw(params) => (0, params.seed),
            Export::Render(context) | Export::Act(context, _) => (context.now, context.seed),
            Export::Command { context, .. } | Export::Filter { context, .. } => (context.now, context.seed),
        };
        Self {
            socket,
            grants: call.grants,
            pure: call.export.is_pure(),
            host_calls_left: call.limits.host_calls,
            host_call_bytes_left: call.limits.host_call_bytes,
            memory: Memory::new(&call.limits),
            now_ms,
            // A call at another time gets other numbers, the same call the same ones.
            random: seed ^ now_ms.rotate_left(32),
            output: wasi::Output::default(),
        }
    }

    /// Whether the capability may be used in this call. Counts as a host call either way.
    pub(crate) fn granted(&mut self, grant: Grants) -> wasmtime::Result<bool> {
        self.count_host_call()?;
        Ok(self.grants.contains(grant))
    }

    /// Whether a storage may be read in this call.
    pub(crate) fn may_read(&mut self, grant: Grants) -> wasmtime::Result<Option<StorageError>> {
        Ok(if self.granted(grant)? {
            None
        } else {
            Some(StorageError::Denied)
        })
    }

    /// Whether a storage may be written in this call.
    pub(crate) fn may_write(&mut self, grant: Grants) -> wasmtime::Result<Option<StorageError>> {
        let error = self.may_read(grant)?;
        Ok(if error.is_none() && self.pure {
            Some(StorageError::ReadOnly)
        } else {
            error
        })
    }

    /// Whether this call may not write.
    pub(crate) fn pure(&self) -> bool {
        self.pure
    }

    /// Each entry into the host costs time that no fuel measures, so they are counted.
    pub(crate) fn count_host_call(&mut self) -> wasmtime::Result<()> {
        match self.host_calls_left.checked_sub(1) {
            Some(left) => self.host_calls_left = left,
            None => return Err(TooManyHostCalls("more host calls than one call may make").into()),
        }
        Ok(())
    }

    fn count_bytes(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let left = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| self.host_call_bytes_left.checked_sub(bytes));
        match left {
            Some(left) => self.host_call_bytes_left = left,
            None => return Err(TooManyHostCalls("more bytes in host calls than one call may pass").into()),
        }
        Ok(())
    }

    /// The buffer to write a question into; comes back with [`State::finish_ask`].
    pub(crate) fn begin_ask(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.socket.out)
    }

    /// Writes a question as a frame.
    pub(crate) fn write_ask(frame: &mut Vec<u8>, ask: &Ask<'_>) -> wasmtime::Result<()> {
        /// Serialises as `ToHost::Ask`, which wants to own its question.
        #[derive(Serialize)]
        enum AskFrame<'a> {
            #[allow(dead_code)]
            Ready,
            #[allow(dead_code)]
            Loaded,
            Ask(&'a Ask<'a>),
        }
        frame::encode(frame, &AskFrame::Ask(ask), FRAME_TO_HOST_MAX)
            .map_err(|_| TooManyHostCalls("a host call longer than 512 KiB").into())
    }

    /// Sends the question and waits for the answer.
    pub(crate) fn finish_ask(&mut self, frame: Vec<u8>) -> wasmtime::Result<Answer<'_>> {
        self.count_bytes(frame.len() - HEADER)?;
        self.socket.write(&frame);
        self.socket.out = frame;
        let length = self.socket.fill();
        self.count_bytes(length)?;
        match postcard::from_bytes(self.socket.body(length)) {
            Ok(ToLane::Answer(answer)) => Ok(answer),
            _ => std::process::exit(2),
        }
    }
}

/// Counts linear memory and table elements of all instances of a call together.
struct Memory {
    bytes: usize,
    most_bytes: usize,
    bytes_limit: usize,
    elements: usize,
    elements_limit: usize,
    /// Whether the guest was refused something.
    refused: bool,
}

impl Memory {
    fn new(limits: &CallLimits) -> Self {
        Self {
            bytes: 0,
            most_bytes: 0,
            bytes_limit: usize::try_from(limits.memory_bytes)
                .unwrap_or(usize::MAX)
                .min(engine::MEMORY_BYTES_MOST),
            elements: 0,
            elements_limit: (limits.table_elements as usize).min(engine::TABLE_ELEMENTS_MOST),
            refused: false,
        }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > self.bytes_limit {
            self.refused = true;
            return Ok(false);
        }
        self.bytes = bytes;
        self.most_bytes = self.most_bytes.max(bytes);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.elements.saturating_add(desired.saturating_sub(current));
        if elements > self.elements_limit {
            self.refused = true;
            return Ok(false);
        }
        self.elements = elements;
        Ok(true)
    }
}

/// The lane's end of the socket pair.
struct Socket {
    stream: UnixStream,
    /// What has been read: `start..end` is not used up yet.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The buffer for what is sent.
    out: Vec<u8>,
    /// A spare one for the frame of a call.
    spare: Vec<u8>,
    /// A descriptor that rode on the last frame.
    descriptor: Option<OwnedFd>,
}

impl Socket {
    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            buffer: vec![0; 64 * 1024],
            start: 0,
            end: 0,
            out: Vec::new(),
            spare: Vec::new(),
            descriptor: None,
        }
    }

    /// The next frame's body, in a buffer of its own, which [`Socket::give_back`] takes again.
    fn receive(&mut self) -> Vec<u8> {
        let length = self.fill();
        let mut frame = std::mem::take(&mut self.spare);
        frame.clear();
        frame.extend_from_slice(self.body(length));
        frame
    }

    fn give_back(&mut self, frame: Vec<u8>) {
        self.spare = frame;
    }

    /// Reads until a whole frame is there; its body's length.
    fn fill(&mut self) -> usize {
        self.fill_to(HEADER);
        let mut header = [0; HEADER];
        header.copy_from_slice(&self.buffer[self.start..self.start + HEADER]);
        let Some(length) = frame::length(header, FRAME_TO_LANE_MAX) else {
            std::process::exit(2)
        };
        self.fill_to(HEADER + length);
        length
    }

    /// The body that [`Socket::fill`] has read; it counts as used up.
    fn body(&mut self, length: usize) -> &[u8] {
        let body = self.start + HEADER;
        self.start = body + length;
        &self.buffer[body..body + length]
    }

    fn fill_to(&mut self, length: usize) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.start + length > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if length > self.buffer.len() {
                self.buffer.resize(length, 0);
            }
        }
        while self.end - self.start < length {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut self.buffer[self.end..])];
            let received = rustix::net::recvmsg(&self.stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC);
            match received {
                Ok(message) if message.bytes > 0 => self.end += message.bytes,
                Err(rustix::io::Errno::INTR) => {}
                // The host is gone.
                Ok(_) | Err(_) => std::process::exit(0),
            }
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.descriptor = descriptors.last();
                }
            }
        }
    }

    fn send(&mut self, message: &ToHost<'_>) {
        let mut frame = std::mem::take(&mut self.out);
        // Everything but a view is bounded to a few KiB where it is made; what `act`, commands and filters say is not.
        if frame::encode(&mut frame, message, FRAME_TO_HOST_MAX).is_err() {
            let usage = if let ToHost::Done(done) = message {
                done.usage
            } else {
                Usage::default()
            };
            Self::too_large(&mut frame, usage);
        }
        self.write(&frame);
        self.out = frame;
    }

    /// Sends a frame whose body is made already.
    fn send_body(&mut self, mut frame: Vec<u8>, usage: &Usage) {
        if frame::seal(&mut frame, FRAME_TO_HOST_MAX).is_err() {
            Self::too_large(&mut frame, *usage);
        }
        self.write(&frame);
    }

    fn too_large(frame: &mut Vec<u8>, usage: Usage) {
        let detail = "the result is longer than 512 KiB".to_owned();
        let result = Outcome::Failed(Failure {
            kind: FailureKind::Result,
            detail,
        });
        // A short message always fits.
        let _ = frame::encode(frame, &ToHost::Done(Done { result, usage }), FRAME_TO_HOST_MAX);
    }

    fn write(&mut self, frame: &[u8]) {
        if self.stream.write_all(frame).is_err() {
            std::process::exit(0);
        }
    }
}
