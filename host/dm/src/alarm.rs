//! What a client says when something is not as it must be.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something the server, or the other side, did that it must not. Computed here, never told by the server.
/// `Display` is a sentence for people, [`Alarm::code`] the word of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// A counter is skipped, the newest message lies behind what was seen, or a message names one that isn't there.
    Missing,
    /// A counter or message comes a second time.
    Repeated,
    /// Messages come in another order than they were sent in.
    Reordered,
    /// A copy doesn't open, or what it holds is malformed.
    Broken,
    /// The server has no copy, and its sender didn't remove it.
    Removed,
    /// An edit or removal that its sender didn't make, or may not make.
    Forged,
    /// Another version or suite than the one there is.
    Version,
    /// The other side has a key that this member hasn't accepted.
    KeyChanged,
    /// The key log has keys for this member that this member didn't make.
    OwnKey,
    /// The key log isn't the one that was known, or that the other side sees.
    LogFork,
    /// An entry of the key log is malformed.
    LogBroken,
    /// The wrapped keys aren't this account's.
    Wrapped,
    /// The notebook doesn't open, or is older than the one that was known.
    Notebook,
    /// Parameters for the password that are not safe.
    Kdf,
}

impl Alarm {
    /// The word for it in the protocol, the browser and the command line's exit messages.
    pub fn code(self) -> &'static str {
        match self {
            Alarm::Missing => "missing",
            Alarm::Repeated => "repeated",
            Alarm::Reordered => "reordered",
            Alarm::Broken => "broken",
            Alarm::Removed => "removed",
            Alarm::Forged => "forged",
            Alarm::Version => "version",
            Alarm::KeyChanged => "key_changed",
            Alarm::OwnKey => "own_key",
            Alarm::LogFork => "log_fork",
            Alarm::LogBroken => "log_broken",
            Alarm::Wrapped => "wrapped",
            Alarm::Notebook => "notebook",
            Alarm::Kdf => "kdf",
        }
    }

    /// Whether nothing may be sent any more while its cause is there. The others are said, and talk goes on.
    pub fn stops(self) -> bool {
        match self {
            Alarm::Missing
            | Alarm::Repeated
            | Alarm::Reordered
            | Alarm::Broken
            | Alarm::Removed
            | Alarm::Forged
            | Alarm::Version => false,
            Alarm::KeyChanged
            | Alarm::OwnKey
            | Alarm::LogFork
            | Alarm::LogBroken
            | Alarm::Wrapped
            | Alarm::Notebook
            | Alarm::Kdf => true,
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Alarm::Missing => "Messages are missing: the server does not show what was sent.",
            Alarm::Repeated => "The server shows a message a second time, or two in one place. The first one counts.",
            Alarm::Reordered => "The server shows messages in another order than they were sent in.",
            Alarm::Broken => "A message could not be opened: it was damaged or altered on its way.",
            Alarm::Removed => "The server dropped a message that its sender did not remove.",
            Alarm::Forged => "An edit or removal was not made by the message's sender. It was ignored.",
            Alarm::Version => "A message is of a kind that this version of NeoSpace does not know. Update, or be wary.",
            Alarm::KeyChanged => {
                "Their keys have changed. They may have made new ones, or somebody puts themselves between you. \
                 Compare the safety number with them before you accept the new keys."
            }
            Alarm::OwnKey => {
                "The key log has keys under your name that were not made with yours. If you made new keys on another \
                 device, log in again here. Else somebody pretends to be you."
            }
            Alarm::LogFork => {
                "The server shows a different key log than it showed before, or shows to others. \
                 Keys that it names now cannot be trusted."
            }
            Alarm::LogBroken => "The server's key log is malformed. Keys that it names cannot be trusted.",
            Alarm::Wrapped => "The keys that the server returned are not the ones that you stored there.",
            Alarm::Notebook => {
                "The server returned an old or altered notebook: which keys you trusted cannot be read from it."
            }
            Alarm::Kdf => "The server asks for unsafe parameters for your password. Nothing was sent.",
        })
    }
}

impl std::error::Error for Alarm {}
