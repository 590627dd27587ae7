//! What a plugin may import: the capabilities, answered by the host over the socket, or `denied` here.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, WasmList, WasmStr};

use crate::contract::interface;
use crate::lane::State;
use crate::protocol::{Answer, Ask, Bytes, Grants, Refused, Scope};

/// A line of the log, in bytes; what is over is cut off.
const LOG_LINE_BYTES: usize = 1024;

/// Links every capability interface of the contract. Whether a call may use one is looked up in its grants, before
/// anything goes to the host.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    viewer(linker)?;
    log(linker)?;
    storage(linker, interface!("storage"), Grants::STORAGE, Scope::Installation)?;
    storage(
        linker,
        interface!("shared-storage"),
        Grants::SHARED_STORAGE,
        Scope::Shared,
    )?;
    announcements(linker)?;
    // Interfaces of types only: they need a definition, and have nothing in it.
    linker.instance(interface!("types"))?;
    linker.instance(interface!("storage-types"))?;
    Ok(())
}

fn viewer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker
        .instance(interface!("viewer"))?
        .func_wrap("pseudonym", |mut store: Store<'_>, (): ()| {
            store.data_mut().count_host_call()?;
            ask(&mut store, |_, send| send(&Ask::Pseudonym), name)?
                .map(|name| (name,))
                .map_err(misplaced)
        })?;
    linker
        .instance(interface!("viewer-name"))?
        .func_wrap("get", |mut store: Store<'_>, (): ()| {
            if !store.data_mut().granted(Grants::VIEWER_NAME)? {
                return Ok((Err(NameError::Denied),));
            }
            match ask(&mut store, |_, send| send(&Ask::ViewerName), name)? {
                Ok(name) => Ok((Ok(name),)),
                Err(Refused::Denied) => Ok((Err(NameError::Denied),)),
                Err(refused) => Err(misplaced(refused)),
            }
        })
}

fn log(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(interface!("log"))?.func_wrap(
        "write",
        |mut store: Store<'_>, (level, message): (LogLevel, WasmStr)| {
            if !store.data_mut().granted(Grants::LOG)? {
                return Ok(());
            }
            ask(
                &mut store,
                |store, send| {
                    let message = message.to_str(store)?;
                    let message = &message[..message.floor_char_boundary(LOG_LINE_BYTES)];
                    send(&Ask::Log {
                        level: level as u8,
                        message,
                    })
                },
                done,
            )?
            .map_err(misplaced)
        },
    )
}

/// One line of the log that the lane writes for the guest (its standard output and error).
pub(crate) fn log_line(store: &mut StoreContextMut<'_, State>, level: u8, line: &[u8]) -> wasmtime::Result<()> {
    if !store.data_mut().granted(Grants::LOG)? {
        return Ok(());
    }
    let line = String::from_utf8_lossy(line);
    let message = &line[..line.floor_char_boundary(LOG_LINE_BYTES)];
    ask(store, |_, send| send(&Ask::Log { level, message }), done)?.map_err(misplaced)
}

fn storage(linker: &mut Linker<State>, interface: &str, grant: Grants, scope: Scope) -> wasmtime::Result<()> {
    let mut storage = linker.instance(interface)?;
    storage.func_wrap("get", move |mut store: Store<'_>, (key,): (WasmStr,)| {
        if let Some(error) = store.data_mut().may_read(grant)? {
            return Ok((Err(error),));
        }
        let answer = ask(
            &mut store,
            |store, send| {
                send(&Ask::Get {
                    scope,
                    key: &key.to_str(store)?,
                })
            },
            |answer| match answer {
                Answer::Value(value) => Some(value.map(|Bytes(bytes)| bytes.to_vec())),
                _ => None,
            },
        )?;
        stored(answer)
    })?;
    storage.func_wrap(
        "put",
        move |mut store: Store<'_>, (key, value, expires): (WasmStr, WasmList<u8>, Option<u64>)| {
            if let Some(error) = store.data_mut().may_write(grant)? {
                return Ok((Err(error),));
            }
            let answer = ask(
                &mut store,
                |store, send| {
                    send(&Ask::Put {
                        scope,
                        key: &key.to_str(store)?,
                        value: value.as_le_slice(store),
                        expires,
                    })
                },
                done,
            )?;
            stored(answer)
        },
    )?;
    storage.func_wrap("delete", move |mut store: Store<'_>, (key,): (WasmStr,)| {
        if let Some(error) = store.data_mut().may_write(grant)? {
            return Ok((Err(error),));
        }
        let answer = ask(
            &mut store,
            |store, send| {
                send(&Ask::Delete {
                    scope,
                    key: &key.to_str(store)?,
                })
            },
            |answer| {
                if let Answer::Existed(existed) = answer {
                    Some(existed)
                } else {
                    None
                }
            },
        )?;
        stored(answer)
    })?;
    storage.func_wrap("add", move |mut store: Store<'_>, (key, delta): (WasmStr, i64)| {
        if let Some(error) = store.data_mut().may_write(grant)? {
            return Ok((Err(error),));
        }
        let answer = ask(
            &mut store,
            |store, send| {
                send(&Ask::Add {
                    scope,
                    key: &key.to_str(store)?,
                    delta,
                })
            },
            |answer| if let Answer::Sum(sum) = answer { Some(sum) } else { None },
        )?;
        stored(answer)
    })?;
    storage.func_wrap(
        "scan",
        move |mut store: Store<'_>, (prefix, after, limit): (WasmStr, Option<WasmStr>, u32)| {
            if let Some(error) = store.data_mut().may_read(grant)? {
                return Ok((Err(error),));
            }
            let answer = ask(
                &mut store,
                |store, send| {
                    let after = after.as_ref().map(|after| after.to_str(store)).transpose()?;
                    send(&Ask::Scan {
                        scope,
                        prefix: &prefix.to_str(store)?,
                        after: after.as_deref(),
                        limit,
                    })
                },
                |answer| match answer {
                    Answer::Entries(entries) => Some(
                        entries
                            .into_iter()
                            .map(|(key, Bytes(value))| Entry {
                                key: key.to_owned(),
                                value: value.to_vec(),
                            })
                            .collect::<Vec<_>>(),
                    ),
                    _ => None,
                },
            )?;
            stored(answer)
        },
    )
}

fn announcements(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker
        .instance(interface!("live"))?
        .func_wrap("refresh", |mut store: Store<'_>, (): ()| {
            if !store.data_mut().granted(Grants::LIVE)? {
                return Ok((Err(LiveError::Denied),));
            }
            if store.data().pure() {
                return Ok((Err(LiveError::ReadOnly),));
            }
            match ask(&mut store, |_, send| send(&Ask::Refresh), done)? {
                Ok(()) => Ok((Ok(()),)),
                Err(Refused::Denied) => Ok((Err(LiveError::Denied),)),
                Err(Refused::ReadOnly) => Ok((Err(LiveError::ReadOnly),)),
                Err(refused) => Err(misplaced(refused)),
            }
        })?;
    linker
        .instance(interface!("notify-owner"))?
        .func_wrap("send", |mut store: Store<'_>, (text,): (WasmStr,)| {
            if !store.data_mut().granted(Grants::NOTIFY_OWNER)? {
                return Ok((Err(NotifyError::Denied),));
            }
            if store.data().pure() {
                return Ok((Err(NotifyError::ReadOnly),));
            }
            match ask(
                &mut store,
                |store, send| {
                    send(&Ask::Notify {
                        text: &text.to_str(store)?,
                    })
                },
                done,
            )? {
                Ok(()) => Ok((Ok(()),)),
                Err(Refused::Denied) => Ok((Err(NotifyError::Denied),)),
                Err(Refused::ReadOnly) => Ok((Err(NotifyError::ReadOnly),)),
                Err(Refused::TooMany) => Ok((Err(NotifyError::TooMany),)),
                Err(Refused::BadText) => Ok((Err(NotifyError::BadText),)),
                Err(refused) => Err(misplaced(refused)),
            }
        })
}

type Store<'a> = StoreContextMut<'a, State>;

/// Asks the host one thing and takes what is wanted from its answer.
///
/// `question` reads the guest's memory and sends; `take` answers `None` when the answer is of another shape than the
/// question's, which is the host's mistake and ends the call.
fn ask<R>(
    store: &mut Store<'_>,
    question: impl FnOnce(&Store<'_>, &mut dyn FnMut(&Ask<'_>) -> wasmtime::Result<()>) -> wasmtime::Result<()>,
    take: impl FnOnce(Answer<'_>) -> Option<R>,
) -> wasmtime::Result<Result<R, Refused>> {
    let mut frame = store.data_mut().begin_ask();
    question(store, &mut |ask| State::write_ask(&mut frame, ask))?;
    match store.data_mut().finish_ask(frame)? {
        Answer::Refused(refused) => Ok(Err(refused)),
        answer => match take(answer) {
            Some(taken) => Ok(Ok(taken)),
            None => wasmtime::bail!("the host's answer does not fit the question"),
        },
    }
}

fn name(answer: Answer<'_>) -> Option<Option<String>> {
    if let Answer::Name(name) = answer {
        Some(name.map(str::to_owned))
    } else {
        None
    }
}

fn done(answer: Answer<'_>) -> Option<()> {
    matches!(answer, Answer::Done).then_some(())
}

/// The storage's errors; one that storage doesn't have is the host's mistake.
fn stored<R>(answer: Result<R, Refused>) -> wasmtime::Result<(Result<R, StorageError>,)> {
    Ok((match answer {
        Ok(value) => Ok(value),
        Err(Refused::Denied) => Err(StorageError::Denied),
        Err(Refused::ReadOnly) => Err(StorageError::ReadOnly),
        Err(Refused::BadKey) => Err(StorageError::BadKey),
        Err(Refused::TooLarge) => Err(StorageError::TooLarge),
        Err(Refused::Full) => Err(StorageError::Full),
        Err(Refused::NotANumber) => Err(StorageError::NotANumber),
        Err(Refused::Unavailable) => Err(StorageError::Unavailable),
        Err(refused @ (Refused::TooMany | Refused::BadText)) => return Err(misplaced(refused)),
    },))
}

fn misplaced(refused: Refused) -> wasmtime::Error {
    wasmtime::format_err!("the host refused with {refused:?}, which this function can't say")
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(variant)]
pub(crate) enum StorageError {
    #[component(name = "denied")]
    Denied,
    #[component(name = "read-only")]
    ReadOnly,
    #[component(name = "bad-key")]
    BadKey,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "full")]
    Full,
    #[component(name = "not-a-number")]
    NotANumber,
    #[component(name = "unavailable")]
    Unavailable,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Entry {
    key: String,
    value: Vec<u8>,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code)]
enum LogLevel {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
enum NameError {
    #[component(name = "denied")]
    Denied,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
enum LiveError {
    #[component(name = "denied")]
    Denied,
    #[component(name = "read-only")]
    ReadOnly,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
enum NotifyError {
    #[component(name = "denied")]
    Denied,
    #[component(name = "read-only")]
    ReadOnly,
    #[component(name = "too-many")]
    TooMany,
    #[component(name = "bad-text")]
    BadText,
}
