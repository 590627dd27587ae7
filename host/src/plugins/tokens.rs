//! Action tokens: what a view's forms and buttons post back, signed so that nobody can make or change one.
//!
//! A token is base64url of `tag ‖ body`: 16 bytes of HMAC-SHA256 over the body, then the expiry (u32, minutes since
//! 1970), installation, audience, the action's name and its payload. All of it is readable; none of it can be altered.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use neospace_runner::protocol::ViewerClass;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How long an action in a page can be used, in minutes. Views are made anew after half of it, so that every page has at
/// least the other half before it.
pub const LIFETIME_MINUTES: u32 = 24 * 60;

const TAG_BYTES: usize = 16;

/// Whom a view was made for, and who may use the actions in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Everyone of a class saw the same view.
    Class(ViewerClass),
    /// One member saw a view of their own.
    Member(i64),
}

/// Signs and checks the tokens of this server.
#[derive(Clone)]
pub struct Signer {
    keyed: Hmac<Sha256>,
}

/// The actions of one view are signed with this.
#[derive(Clone, Copy)]
pub struct Actions<'a> {
    /// Where the forms post to.
    pub url: &'a str,
    pub signer: &'a Signer,
    pub installation: i64,
    pub audience: Audience,
    /// Minutes since 1970.
    pub expires: u32,
}

/// A token that was ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub name: String,
    pub payload: String,
}

/// Why a token is refused; as text, a sentence for the one who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    Forged,
    Expired,
    OtherInstallation,
    OtherViewer,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejected::Forged => "This button was not made by this server. Load the page again and use the one shown there.",
            Rejected::Expired => "This page has been open for more than a day. What you typed is still here: send it again.",
            Rejected::OtherInstallation => "This button belongs to another module. Load the page again.",
            Rejected::OtherViewer => {
                "This page was made for somebody else: you have logged in or out since. What you typed is still here: send it again."
            }
        })
    }
}

impl Signer {
    /// `secret` is the server's own; the key for tokens is derived from it.
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = derive(secret, "neospace action tokens 1");
        Signer {
            keyed: Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"),
        }
    }

    /// Appends the token of one action to `out`. `body` is scratch space.
    pub fn sign_into(&self, actions: &Actions<'_>, name: &str, payload: &str, body: &mut Vec<u8>, out: &mut String) {
        body.clear();
        body.extend_from_slice(&[0; TAG_BYTES]);
        body.extend_from_slice(&actions.expires.to_le_bytes());
        put_varint(body, actions.installation as u64);
        match actions.audience {
            Audience::Class(class) => body.push(class as u8),
            Audience::Member(id) => {
                body.push(3);
                put_varint(body, id as u64);
            }
        }
        put_varint(body, name.len() as u64);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(payload.as_bytes());
        let tag = self.tag(&body[TAG_BYTES..]);
        body[..TAG_BYTES].copy_from_slice(&tag);
        URL_SAFE_NO_PAD.encode_string(&*body, out);
    }

    /// Checks a token that came in for `installation` from a viewer of `class`, who is member `member`. One that is ours
    /// and can't be used says what it was for, so that what was typed finds its form again.
    pub fn check(
        &self,
        token: &str,
        installation: i64,
        class: ViewerClass,
        member: Option<i64>,
        now_ms: i64,
    ) -> Result<Action, (Rejected, Option<Action>)> {
        let forged = (Rejected::Forged, None);
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else {
            return Err(forged);
        };
        let Some((tag, body)) = bytes.split_first_chunk::<TAG_BYTES>() else {
            return Err(forged);
        };
        if !bool::from(self.tag(body).ct_eq(tag)) {
            return Err(forged);
        }
        // From here on the body is our own; what doesn't parse was signed by an older layout.
        let mut body = body;
        let parsed = (|| {
            let (expires, rest) = body.split_first_chunk::<4>()?;
            body = rest;
            let of = take_varint(&mut body)? as i64;
            let (&kind, rest) = body.split_first()?;
            body = rest;
            let for_this_viewer = match kind {
                3 => member == Some(take_varint(&mut body)? as i64),
                kind => kind == class as u8,
            };
            let name_bytes = usize::try_from(take_varint(&mut body)?).ok()?;
            let (name, payload) = body.split_at_checked(name_bytes)?;
            let action = Action {
                name: std::str::from_utf8(name).ok()?.to_owned(),
                payload: std::str::from_utf8(payload).ok()?.to_owned(),
            };
            Some((u32::from_le_bytes(*expires), of, for_this_viewer, action))
        })();
        let Some((expires, of, for_this_viewer, action)) = parsed else {
            return Err(forged);
        };
        if of != installation {
            Err((Rejected::OtherInstallation, Some(action)))
        } else if minutes(now_ms) >= expires {
            Err((Rejected::Expired, Some(action)))
        } else if !for_this_viewer {
            Err((Rejected::OtherViewer, Some(action)))
        } else {
            Ok(action)
        }
    }

    fn tag(&self, body: &[u8]) -> [u8; TAG_BYTES] {
        let mut mac = self.keyed.clone();
        mac.update(body);
        let full = mac.finalize().into_bytes();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&full[..TAG_BYTES]);
        tag
    }
}

/// Minutes since 1970 of a time in milliseconds.
pub fn minutes(ms: i64) -> u32 {
    u32::try_from(ms / 60_000).unwrap_or(0)
}

/// A key of its own for one purpose.
pub fn derive(secret: &[u8; 32], purpose: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    fn token(signer: &Signer, audience: Audience, name: &str, payload: &str) -> String {
        let mut out = String::new();
        let actions = Actions {
            url: "",
            signer,
            installation: 12,
            audience,
            expires: minutes(NOW) + LIFETIME_MINUTES,
        };
        signer.sign_into(&actions, name, payload, &mut Vec::new(), &mut out);
        out
    }

    #[test]
    fn an_action_comes_back_as_it_went_out() {
        let signer = Signer::new(&[7; 32]);
        let token = token(&signer, Audience::Class(ViewerClass::Guest), "sign", "page=3&ü");
        let action = signer
            .check(&token, 12, ViewerClass::Guest, None, NOW)
            .expect("it is ours");
        assert_eq!(
            action,
            Action {
                name: "sign".into(),
                payload: "page=3&ü".into()
            }
        );
        assert!(token.len() < 60, "{token}");
    }

    #[test]
    fn a_token_serves_neither_another_day_nor_another_module_nor_another_viewer() {
        let signer = Signer::new(&[7; 32]);
        let guests = token(&signer, Audience::Class(ViewerClass::Guest), "sign", "");
        let check = |token: &str, id, class, member, now| signer.check(token, id, class, member, now).unwrap_err().0;
        assert_eq!(
            check(&guests, 12, ViewerClass::Guest, None, NOW + 24 * 3_600_000),
            Rejected::Expired
        );
        assert_eq!(
            check(&guests, 13, ViewerClass::Guest, None, NOW),
            Rejected::OtherInstallation
        );
        assert_eq!(
            check(&guests, 12, ViewerClass::Owner, Some(1), NOW),
            Rejected::OtherViewer
        );
        let bos = token(&signer, Audience::Member(2), "sign", "");
        assert!(signer.check(&bos, 12, ViewerClass::Member, Some(2), NOW).is_ok());
        assert_eq!(
            check(&bos, 12, ViewerClass::Member, Some(3), NOW),
            Rejected::OtherViewer
        );
        assert_eq!(check(&bos, 12, ViewerClass::Guest, None, NOW), Rejected::OtherViewer);
    }

    #[test]
    fn a_token_with_any_bit_changed_is_forged() {
        let signer = Signer::new(&[7; 32]);
        let token = token(&signer, Audience::Member(2), "erase", "17");
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(
                signer.check(&changed, 12, ViewerClass::Member, Some(2), NOW),
                Err((Rejected::Forged, None))
            );
        }
        for junk in ["", "AAAA", "not base64 !", &token[..token.len() - 4]] {
            assert_eq!(
                signer.check(junk, 12, ViewerClass::Member, Some(2), NOW),
                Err((Rejected::Forged, None))
            );
        }
        let other = Signer::new(&[8; 32]);
        assert_eq!(
            other.check(&token, 12, ViewerClass::Member, Some(2), NOW),
            Err((Rejected::Forged, None))
        );
    }
}
