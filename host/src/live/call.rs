//! An event on its way to the slice that handles it.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Number;
use tokio::sync::MutexGuard;

use super::{
    frame::{Event, Frame, Reference},
    hub::Line,
};
use crate::{app::App, error::Error, http::shortened, session::Viewer, tokens::Scope};

/// What a socket may do, slice by slice: `routes.rs` knows them.
#[derive(Clone, Copy)]
pub struct Table {
    /// Whether a viewer may watch a topic.
    pub authorise: fn(&App, &Viewer, &str) -> Result<(), Error>,
    /// What handles an event; else a sentence about those that there are.
    pub handle: fn(Call) -> Result<Handling, String>,
}

/// An event that is being handled.
pub type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An event that came.
pub struct Call {
    pub app: App,
    pub caller: Caller,
    pub event: String,
    /// The whole frame.
    pub(super) text: Bytes,
}

/// Who sent an event, and how to answer it.
#[derive(Clone)]
pub struct Caller {
    pub line: Arc<Line>,
    pub reference: Option<Number>,
}

impl Call {
    /// Reads the frame and lets a handler have it; a program's token must have this scope. Whatever is refused is answered with an
    /// `error` that names the frame.
    pub fn run<T, F>(self, scope: Scope, handler: impl FnOnce(App, Caller, T) -> F + Send + 'static) -> Handling
    where
        T: DeserializeOwned + Send + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let Self {
            app,
            caller,
            event,
            text,
        } = self;
        Box::pin(async move {
            let input = match serde_json::from_slice(&text) {
                Ok(input) => input,
                Err(error) => {
                    return caller.refuse("bad_event", &not_understood(&event, &error), None);
                }
            };
            drop(text);
            let handled = match caller.viewer().check(scope) {
                Ok(()) => handler(app, caller.clone(), input).await,
                Err(error) => Err(error),
            };
            if let Err(error) = handled {
                let (code, message, retry_after_ms) = code_of(&error);
                caller.refuse(code, &message, retry_after_ms);
            }
        })
    }
}

impl Caller {
    pub fn viewer(&self) -> &Viewer {
        &self.line.viewer
    }

    /// Answers with an event.
    pub fn answer(&self, event: &impl Serialize) {
        self.line.push(self.reply(&Frame::of(event)));
    }

    /// A frame with this caller's `ref`.
    pub fn reply(&self, frame: &Frame) -> Frame {
        let reference = self.reference.as_ref();
        match reference {
            Some(_) => frame.with(&Reference { reference }),
            None => frame.clone(),
        }
    }

    /// Waits until the caller's earlier events have queued their writes. To be held until one's own is queued.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.line.turn.lock().await
    }

    /// Waits until the caller has been sent what else it asked for that takes memory. To be held while one's own is.
    pub async fn alone(&self) -> MutexGuard<'_, ()> {
        self.line.alone.lock().await
    }

    fn refuse(&self, code: &str, message: &str, retry_after_ms: Option<u64>) {
        self.answer(&Event::Error {
            code,
            message,
            retry_after_ms,
        });
    }
}

/// What is wrong with a frame.
pub(super) fn not_understood(event: &str, error: &serde_json::Error) -> String {
    format!("This {event} can't be understood: {}.", shortened(error))
}

/// How an error is called on `/live`, what it says, and when to try again. Our own faults go to the log.
pub(super) fn code_of(error: &Error) -> (&'static str, String, Option<u64>) {
    if let Error::Internal(error) = error {
        tracing::error!(error = %format!("{error:#}").escape_debug(), "an event failed");
    }
    let retry_after_ms = match error {
        Error::TooMany { retry_after, .. } => Some(retry_after * 1_000),
        _ => None,
    };
    (error.code(), error.detail(), retry_after_ms)
}
