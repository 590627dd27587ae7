//! Calls that came to nothing, in words: for visitors, for the owner, for the author and the operator.

use neospace_runner::protocol::FailureKind;

use super::super::{Plugin, lanes::Fault, view};

/// Why a call came to nothing.
#[derive(Debug)]
pub enum Failed {
    Lane(Fault),
    /// What it sent breaks a rule.
    View(view::ViewError),
    /// What it answered in a room breaks this rule.
    Answer(String),
    /// Three faults within an hour.
    Resting {
        until: i64,
    },
    /// Its own bucket, or the wall's, is empty.
    Spent {
        seconds: u64,
        wall: bool,
    },
    /// A fault of the host.
    Ours(String),
}

impl Failed {
    /// Whether it is the plugin's fault and counts towards its rest.
    pub fn counts(&self) -> bool {
        matches!(
            self,
            Failed::View(_)
                | Failed::Answer(_)
                | Failed::Lane(Fault::Failed(..) | Fault::Deadline | Fault::Protocol(_))
        )
    }

    /// What happened, as anyone may read it.
    pub fn in_few_words(&self) -> &'static str {
        match self {
            Failed::Lane(Fault::Failed(failure, _)) => match failure.kind {
                FailureKind::Trap => "it crashed",
                FailureKind::Fuel => "it ran out of fuel",
                FailureKind::Memory => "it ran out of memory",
                FailureKind::Stack => "its stack overflowed",
                FailureKind::HostCalls => "it asked for too much",
                FailureKind::Result => "its answer was too large",
                FailureKind::Instantiate => "it could not be started",
            },
            Failed::Lane(Fault::Deadline) => "it took too long",
            Failed::Lane(Fault::Stalled) => "the server was too busy",
            Failed::Lane(Fault::Protocol(_)) => "its process broke the protocol",
            Failed::Lane(Fault::LaneDied) => "its process ended",
            Failed::Lane(Fault::Busy) => "too much was going on",
            Failed::Lane(Fault::Cancelled) => "it was stopped",
            Failed::Lane(Fault::Load(_)) => "it could not be loaded",
            Failed::View(_) | Failed::Answer(_) => "what it sent breaks a rule",
            Failed::Resting { .. } => "it rests",
            Failed::Spent { .. } => "its fuel is spent",
            Failed::Ours(_) => "the server failed",
        }
    }

    /// Kind, detail and fuel, for the author and the operator.
    pub(super) fn for_author(&self) -> (&'static str, String, u64) {
        match self {
            Failed::Lane(Fault::Failed(failure, usage)) => {
                let kind = match failure.kind {
                    FailureKind::Trap => "trap",
                    FailureKind::Fuel => "fuel",
                    FailureKind::Memory => "memory",
                    FailureKind::Stack => "stack",
                    FailureKind::HostCalls => "host-calls",
                    FailureKind::Result => "result",
                    FailureKind::Instantiate => "instantiate",
                };
                (
                    kind,
                    failure.detail[..failure.detail.floor_char_boundary(4_096)].to_owned(),
                    usage.fuel,
                )
            }
            Failed::Lane(fault @ (Fault::Deadline | Fault::Stalled)) => ("deadline", fault.to_string(), 0),
            Failed::Lane(fault) => ("lane", fault.to_string(), 0),
            Failed::View(error) => ("view", error.to_string(), 0),
            Failed::Answer(rule) => ("answer", rule.clone(), 0),
            Failed::Resting { .. } | Failed::Spent { .. } => ("rest", self.in_few_words().to_owned(), 0),
            Failed::Ours(detail) => ("host", detail.clone(), 0),
        }
    }

    /// For the owner who tries out settings.
    pub(super) fn for_owner(&self) -> String {
        match self {
            Failed::View(error) => format!("The plugin sent a view that can't be shown: {error}"),
            failed => format!("The plugin failed: {}.", failed.in_few_words()),
        }
    }

    /// For whoever looks at the page.
    pub fn why(&self, plugin: &Plugin, now: i64) -> Why {
        let name = &plugin.manifest.name;
        match self {
            Failed::Lane(Fault::Cancelled) => Why {
                gone: true,
                ..Why::of(format!("{name} was stopped."))
            },
            Failed::Lane(Fault::Busy | Fault::LaneDied | Fault::Stalled) => {
                Why::of(format!("{name} could not answer just now. Try again in a moment."))
            }
            Failed::Resting { until } => {
                let minutes = ((until - now) / 60_000).max(0) + 1;
                let unit = if minutes == 1 { "minute" } else { "minutes" };
                Why::of(format!(
                    "{name} failed three times within an hour and rests for {minutes} more {unit}."
                ))
            }
            Failed::Spent { seconds, wall } => {
                let whose = if *wall {
                    "The modules of this wall have"
                } else {
                    "It has"
                };
                Why::of(format!(
                    "{name} rests: {whose} used up the fuel for now. Try again in {seconds} s."
                ))
            }
            failed => Why::of(format!("{name} failed: {}.", failed.in_few_words())),
        }
    }
}

/// Why a call came to nothing.
#[derive(Clone, Debug)]
pub struct Why {
    /// For visitors.
    pub words: String,
    /// For the owner: the plugin's own words.
    pub(super) owner: Option<String>,
    /// The plugin was taken away under the call.
    pub gone: bool,
}

impl Why {
    pub(super) fn of(words: impl Into<String>) -> Self {
        Why {
            words: words.into(),
            owner: None,
            gone: false,
        }
    }
}
