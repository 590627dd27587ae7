//! A message as one of the two is shown it: `M` in the protocol.

use serde::Serialize;

use super::queries::Message;
use crate::crypto::Spelled;

/// A message, as one of the two gets it.
#[derive(Serialize)]
pub struct Shown<'m> {
    id: i64,
    seq: i64,
    at: i64,
    from: &'m str,
    header: Spelled<'m>,
    /// What was sealed to who looks.
    copy: Option<Spelled<'m>>,
    /// SHA-256 of what was sealed to the other.
    other: Spelled<'m>,
    /// SHA-256 of one's own copy, where that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<Spelled<'m>>,
    /// Who looks deleted it for themselves: the tag by which their devices know.
    hidden: Option<Spelled<'m>>,
    /// The sender deleted it for both.
    removed: bool,
}

/// One who looks at messages, and the other one.
#[derive(Clone, Copy)]
pub struct Eyes<'n> {
    me: &'n str,
    peer: &'n str,
}

impl<'n> Eyes<'n> {
    pub fn of(me: &'n str, peer: &'n str) -> Self {
        Self { me, peer }
    }

    /// The bit in headers of messages that who looks sent.
    pub fn side(self) -> u8 {
        u8::from(self.me > self.peer)
    }

    pub fn show(self, message: &'n Message) -> Shown<'n> {
        let mine = message.sender == self.side();
        let (copy, own, other, tag) = match mine {
            true => (
                &message.to_sender,
                &message.sender_sha256,
                &message.recipient_sha256,
                &message.sender_tag,
            ),
            false => (
                &message.to_recipient,
                &message.recipient_sha256,
                &message.sender_sha256,
                &message.recipient_tag,
            ),
        };
        Shown {
            id: message.id,
            seq: message.seq,
            at: message.at,
            from: if mine { self.me } else { self.peer },
            header: Spelled(&message.header),
            copy: copy.as_deref().map(Spelled),
            other: Spelled(other),
            own: copy.is_none().then_some(Spelled(own)),
            hidden: tag.as_deref().map(Spelled),
            removed: message.removed,
        }
    }
}
