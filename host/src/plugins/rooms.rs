//! Module logic: what plugins do in rooms. Commands, which people call by name, and filters, which read what is said
//! before it is posted. Such a plugin stands on no wall: it works in every room from the moment the operator installs
//! it, with the settings of the operator's configuration file.
//!
//! A command is an act: its writes are staged and kept in one transaction when it ends well. What it says in the room
//! passes the filters like everything else. A filter is pure, and talk doesn't depend on it: whatever goes wrong with
//! one, the message is posted as it was, unless the operator said `on_failure = "closed"`.

use std::sync::Arc;
use std::time::Duration;

use neospace_runner::protocol::{Grants, Outcome, Reply, Verdict};

use super::calls::{Ended, Failed, Kind, TURN_WAIT, TURN_WAITERS, clip};
use super::lanes::Fault;
use super::{Installation, Plugin, Plugins};
use crate::app::now_ms;
use crate::config::OnFailure;
use crate::crypto;
use crate::error::Error;
use crate::session::Viewer;

/// Characters that a plugin may say or whisper at once, and that a filter may make of a text.
pub const SAID_MAX: usize = 4_000;
/// Bytes of a sentence with which a command or a filter refuses.
const WHY_MAX: usize = 500;
/// Commands that are named to somebody who calls one that doesn't exist.
const COMMANDS_NAMED: usize = 20;
/// How many times the longest of the filters' deadlines a message is held up at most: 200 ms by default. Time that a
/// filter gets no processor for, or no lane, isn't held against the filter, but nor against whoever speaks.
const DEADLINES_HELD_UP: u32 = 10;

/// A room, as far as plugins are concerned.
#[derive(Clone, Debug)]
pub struct RoomFacts {
    pub id: i64,
    pub name: Arc<str>,
}

/// A command that people can call.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CommandInfo {
    /// The plugin's id.
    pub plugin: Arc<str>,
    /// Without the slash.
    pub name: String,
    /// An example, `/roll 2d6+1`.
    pub usage: String,
    /// One line.
    pub summary: String,
}

/// What came of a command that wasn't refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutcome {
    /// The plugin's id.
    pub plugin: Arc<str>,
    /// What it is called.
    pub plugin_name: String,
    /// Markdown, said in the room in the plugin's name: 1 to [`SAID_MAX`] characters, filtered already.
    pub say: Option<String>,
    /// In place of that, Markdown for the caller alone: 1 to [`SAID_MAX`] characters. Without either it has nothing to
    /// say.
    pub whisper: Option<String>,
}

/// What the filters made of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// It is posted as it is.
    Pass,
    /// This is posted in its place: not blank, at most [`SAID_MAX`] characters.
    Rewritten(String),
    /// It isn't posted.
    Refused {
        /// What the filter is called.
        by: String,
        /// A sentence for its author.
        why: String,
    },
}

/// A filter in its place in the order: one that works, or one that should and can't be loaded.
pub(super) struct Filter {
    pub plugin: Option<Arc<Plugin>>,
    pub name: String,
    pub on_failure: OnFailure,
}

impl Plugins {
    /// Every command that works now, by name.
    pub fn commands(&self) -> Vec<CommandInfo> {
        let mut commands: Vec<CommandInfo> = self
            .list()
            .iter()
            .filter(|plugin| plugin.roles.commands)
            .flat_map(|plugin| {
                plugin.manifest.commands.iter().map(|command| CommandInfo {
                    plugin: plugin.id.clone(),
                    name: command.name.clone(),
                    usage: command.usage.clone(),
                    summary: command.summary.clone(),
                })
            })
            .collect();
        commands.sort_by(|a, b| a.name.cmp(&b.name));
        commands
    }

    /// Runs a command for somebody who called it in a room: `name` without its slash, `arguments` as they were typed
    /// behind it. What it writes is kept when this answers `Ok`; what it says is the caller's to post.
    ///
    /// # Errors
    /// [`Error::Invalid`] of the field `content`, with a sentence, for a command that doesn't exist or refuses;
    /// [`Error::TooMany`] and [`Error::Unavailable`] with a sentence when it can't run now.
    pub async fn command(
        &self,
        room: &RoomFacts,
        viewer: &Viewer,
        name: &str,
        arguments: &str,
        now_ms: i64,
    ) -> Result<CommandOutcome, Error> {
        let answers = |plugin: &Arc<Plugin>| {
            plugin.roles.commands && plugin.manifest.commands.iter().any(|command| command.name == name)
        };
        let Some(plugin) = self.list().into_iter().find(answers) else {
            return Err(Error::field("content", self.no_such_command(name)));
        };
        let arguments = arguments.trim();
        if arguments.chars().nth(SAID_MAX).is_some() {
            return Err(Error::field(
                "content",
                format!("A command may have {SAID_MAX} characters."),
            ));
        }
        // Where nothing can be written, nobody has to wait for anybody.
        let seed = u64::from_le_bytes(crypto::random());
        let installation = Installation::in_room(&plugin, room.name.clone(), seed);
        let turn = plugin
            .granted
            .contains(Grants::SHARED_STORAGE)
            .then(|| self.turn(&plugin, &installation));
        let crowd = || {
            let name = &plugin.manifest.name;
            Error::Unavailable(format!("Too many people call {name} at this moment. Try again."))
        };
        let _turn = match &turn {
            // Each who waits holds one, as the map does.
            Some(turn) if Arc::strong_count(turn) > TURN_WAITERS + 1 => return Err(crowd()),
            Some(turn) => Some(
                tokio::time::timeout(TURN_WAIT, turn.lock())
                    .await
                    .map_err(|_| crowd())?,
            ),
            None => None,
        };
        let kind = Kind::Command { name, arguments };
        let Ended {
            finished,
            mut questions,
        } = match self.run(&plugin, &installation, viewer, now_ms, &kind).await {
            Ok(ended) => ended,
            Err(failed) => return Err(self.command_failed(&plugin, &installation, viewer, &kind, &failed, now_ms)),
        };
        let Outcome::Commanded(answer) = &finished.done().result else {
            return Err(Error::internal("a lane answered a command with something else"));
        };
        let reply = match answer {
            Ok(reply) => *reply,
            Err(refusal) => {
                let otherwise = "The command was refused, and did not say why.";
                return Err(Error::field("content", clip(&tidy(refusal), WHY_MAX, otherwise)));
            }
        };
        let (mut say, whisper) = match said(reply) {
            Ok(said) => said,
            Err(rule) => {
                let failed = Failed::Answer(rule);
                return Err(self.command_failed(&plugin, &installation, viewer, &kind, &failed, now_ms));
            }
        };
        if let Some(error) = questions.trouble.take() {
            // What it says and writes was decided on reads that failed.
            return Err(error);
        }
        if let Some(text) = &say {
            match self.filter(room, viewer, text).await {
                Filtered::Pass => {}
                Filtered::Rewritten(text) => say = Some(text),
                Filtered::Refused { why, .. } => return Err(Error::field("content", why)),
            }
        }
        let standing = self.standing(&plugin.id);
        if !standing.is_ready() {
            return Err(Error::Unavailable(standing.words()));
        }
        let leavings = questions.leavings();
        leavings.commit(&self.inner.db, &installation, now_ms).await?;
        Ok(CommandOutcome {
            plugin: plugin.id.clone(),
            plugin_name: plugin.manifest.name.clone(),
            say,
            whisper,
        })
    }

    /// Lets every filter read a text before it is posted, in the order of the configuration file, each what the one
    /// before let through. Never fails, and takes 200 ms at most unless the operator gave a filter more than its 20.
    pub async fn filter(&self, room: &RoomFacts, viewer: &Viewer, text: &str) -> Filtered {
        let filters = self.filters();
        let deadlines = filters
            .iter()
            .flat_map(|filter| &filter.plugin)
            .map(|plugin| plugin.limits.filter_ms);
        let Some(patience) = deadlines.max().or((!filters.is_empty()).then_some(0)) else {
            return Filtered::Pass;
        };
        let patience = Duration::from_millis(patience.into()) * DEADLINES_HELD_UP;
        let until = tokio::time::Instant::now() + patience;
        let mut rewritten: Option<String> = None;
        for filter in &filters {
            let text = rewritten.as_deref().unwrap_or(text);
            let asked = match &filter.plugin {
                Some(plugin) => match tokio::time::timeout_at(until, self.ask(plugin, room, viewer, text)).await {
                    Ok(asked) => asked,
                    Err(_) => {
                        tracing::warn!(plugin = &*plugin.id, "a filter had no turn, the server is too busy");
                        Err(Unfiltered)
                    }
                },
                None => Err(Unfiltered),
            };
            match asked {
                Ok(Filtered::Pass) => {}
                Ok(Filtered::Rewritten(text)) => rewritten = Some(text),
                Ok(refused) => return refused,
                Err(Unfiltered) if filter.on_failure == OnFailure::Open => {}
                Err(Unfiltered) => {
                    let by = filter.name.clone();
                    let why = format!(
                        "Nothing is posted here before {by} has read it, and it can't just now. What you wrote is still \
                         in the box: try again in a moment."
                    );
                    return Filtered::Refused { by, why };
                }
            }
        }
        rewritten.map_or(Filtered::Pass, Filtered::Rewritten)
    }

    /// One filter's verdict.
    async fn ask(
        &self,
        plugin: &Arc<Plugin>,
        room: &RoomFacts,
        viewer: &Viewer,
        text: &str,
    ) -> Result<Filtered, Unfiltered> {
        let now = now_ms();
        let seed = u64::from_le_bytes(crypto::random());
        let installation = Installation::in_room(plugin, room.name.clone(), seed);
        let kind = Kind::Filter { text };
        let judged = self
            .run(plugin, &installation, viewer, now, &kind)
            .await
            .and_then(|ended| {
                if let Some(error) = &ended.questions.trouble {
                    return Err(Failed::Ours(error.to_string()));
                }
                let Outcome::Filtered(verdict) = &ended.finished.done().result else {
                    return Err(Failed::Ours("a lane answered a filter with something else".into()));
                };
                judged(plugin, *verdict, text)
            });
        judged.or_else(|failed| {
            // Revoked or switched off under the call: it isn't asked any more, whatever it was to do on a failure.
            if matches!(failed, Failed::Lane(Fault::Cancelled)) && !self.standing(&plugin.id).is_ready() {
                return Ok(Filtered::Pass);
            }
            if failed.counts() {
                self.note_fault(plugin, &kind, kind.source(&installation, viewer), &failed, now);
            } else {
                let why = failed.in_few_words();
                tracing::warn!(plugin = &*plugin.id, why, "a filter could not be asked");
            }
            Err(Unfiltered)
        })
    }

    fn no_such_command(&self, name: &str) -> String {
        let commands = self.commands();
        let mut names: Vec<String> = commands
            .iter()
            .take(COMMANDS_NAMED)
            .map(|command| format!("/{}", command.name))
            .collect();
        if commands.len() > COMMANDS_NAMED {
            names.push("…".to_owned());
        }
        let there = match names.is_empty() {
            true => "there are none here".to_owned(),
            false => format!("there are: {}", names.join(", ")),
        };
        let name = name[..name.floor_char_boundary(32)].escape_debug();
        format!("There is no command /{name}; {there}. To say something that begins with a slash, begin with two.")
    }

    /// A failed call, counted if it is the plugin's doing, as the one who called it may read of it.
    fn command_failed(
        &self,
        plugin: &Arc<Plugin>,
        installation: &Installation,
        viewer: &Viewer,
        kind: &Kind<'_>,
        failed: &Failed,
        now: i64,
    ) -> Error {
        if failed.counts() {
            self.note_fault(plugin, kind, kind.source(installation, viewer), failed, now);
        }
        let why = failed.why(plugin, now);
        if why.gone {
            return Error::Unavailable(self.standing(&plugin.id).words());
        }
        match failed {
            Failed::Spent { seconds, .. } => Error::TooMany {
                retry_after: *seconds,
                message: why.words,
            },
            _ => Error::Unavailable(format!("{} Nothing was said.", why.words)),
        }
    }
}

/// There is no verdict: what becomes of the message is the operator's to say.
struct Unfiltered;

/// What a verdict means, if it keeps the rules.
fn judged(plugin: &Plugin, verdict: Verdict<'_>, text: &str) -> Result<Filtered, Failed> {
    match verdict {
        Verdict::Pass => Ok(Filtered::Pass),
        Verdict::Rewrite(new) if new == text => Ok(Filtered::Pass),
        Verdict::Rewrite(new) => rewritten(new).map(Filtered::Rewritten).map_err(Failed::Answer),
        Verdict::Refuse(why) => {
            let by = plugin.manifest.name.clone();
            let why = clip(&tidy(why), WHY_MAX, &format!("{by} does not let this through."));
            Ok(Filtered::Refused { by, why })
        }
    }
}

/// What a command says and whispers; or the rule that it breaks.
pub(crate) fn said(reply: Reply<'_>) -> Result<(Option<String>, Option<String>), String> {
    Ok(match reply {
        Reply::Say(text) => (Some(bounded("what it says", tidy(text))?), None),
        Reply::Whisper(text) => (None, Some(bounded("what it whispers", tidy(text))?)),
        Reply::Nothing => (None, None),
    })
}

/// What a filter made of a text, as it is posted; or the rule that it breaks.
pub(crate) fn rewritten(text: &str) -> Result<String, String> {
    bounded("the rewritten text", tidy(text))
}

/// A text that is neither blank nor too long; or the rule that it breaks.
fn bounded(what: &str, text: String) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!("{what} is blank"));
    }
    if text.chars().nth(SAID_MAX).is_some() {
        let characters = text.chars().count();
        return Err(format!("{what} has {characters} characters; {SAID_MAX} are allowed"));
    }
    Ok(text)
}

/// A plugin's text as it may be shown: one kind of line end, no control characters, nothing blank around it.
pub(crate) fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let shown: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    shown.trim().to_owned()
}
