//! Keys from passwords, and the few primitives around them.
//!
//! A password never reaches the server. The browser (`ui/js/accounts/derive.js`), or a program by [`derive`], turns it
//! into two keys: the *auth key*, which is sent and kept as argon2id, and the *wrap key*, which stays where it was made.
//! The derivation is described byte by byte in `docs/accounts-and-keys.md`; both sides are held to
//! `tests/vectors/derivation.json`.

use base64::Engine;
use base64::display::Base64Display as Display;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// PBKDF2 rounds of a new account, and the fewest that any side accepts (OWASP's figure for PBKDF2-HMAC-SHA-256, 2023).
pub const MIN_ROUNDS: u32 = 600_000;
/// The most rounds that any side accepts: some seconds on a slow telephone. A server that asks for more wants to hang it.
pub const MAX_ROUNDS: u32 = 5_000_000;
/// Length of an account's salt.
pub const SALT_BYTES: usize = 16;
/// Length of each derived key.
pub const KEY_BYTES: usize = 32;
/// The shortest password a new one may be, in characters (Unicode scalar values after NFKC).
pub const MIN_PASSWORD_CHARACTERS: usize = 10;
/// The longest password, in bytes of UTF-8 after NFKC.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// What an account's derivation is made with. Public: whoever asks for a name's parameters gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Random bytes chosen where the account was made; base64url without padding in JSON.
    pub salt: Salt,
    /// PBKDF2 rounds, [`MIN_ROUNDS`] to [`MAX_ROUNDS`].
    pub rounds: u32,
}

impl Parameters {
    /// Parameters for a new password: a fresh salt and today's rounds.
    pub fn fresh() -> Parameters {
        Parameters {
            salt: Bytes(random()),
            rounds: MIN_ROUNDS,
        }
    }
}

/// The two keys of one account.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Proves the password to the server.
    pub auth: AuthKey,
    /// Wraps the member's other keys (AES-256-GCM). Never sent.
    pub wrap: [u8; KEY_BYTES],
}

/// A key that proves a password, as it travels: 43 letters of base64url.
pub type AuthKey = Bytes<KEY_BYTES>;
/// An account's salt, as it travels: 22 letters of base64url.
pub type Salt = Bytes<SALT_BYTES>;

/// Exactly `N` bytes, written as base64url without padding, in one spelling only. Its `Debug` shows nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bytes<const N: usize>(pub [u8; N]);

impl<const N: usize> Bytes<N> {
    /// Reads the one spelling of `N` bytes; anything else, padding and stray bits included, is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Bytes(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }
}

impl<const N: usize> fmt::Display for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{N} bytes]")
    }
}

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Bytes::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format_args!("expected {N} bytes as base64url without padding")))
    }
}

/// Any number of bytes, written as base64url without padding, in one spelling only. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl Blob {
    /// Reads the one spelling of some bytes; anything else, padding and stray bits included, is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Blob(URL_SAFE_NO_PAD.decode(text).ok()?))
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Spelled(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("bytes as base64url without padding")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Blob, E> {
                Blob::parse(text).ok_or_else(|| E::custom("expected bytes as base64url without padding"))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Bytes on their way into JSON, spelled as [`Blob`] reads them.
#[derive(Clone, Copy)]
pub struct Spelled<'b>(pub &'b [u8]);

impl Serialize for Spelled<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Display::new(self.0, &URL_SAFE_NO_PAD))
    }
}

/// Why no key is derived. The sentence is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An empty password proves nothing.
    #[error("There is no password. Type one.")]
    Empty,
    /// Shorter than [`MIN_PASSWORD_CHARACTERS`].
    #[error("That is {0} characters: at least {MIN_PASSWORD_CHARACTERS}, please. A silly sentence is best.")]
    Short(usize),
    /// Longer than [`MAX_PASSWORD_BYTES`].
    #[error("That is {0} bytes: at most {MAX_PASSWORD_BYTES} fit.")]
    Long(usize),
    /// Rounds outside [`MIN_ROUNDS`]..=[`MAX_ROUNDS`].
    #[error("The server asks for {0} rounds; only {MIN_ROUNDS} to {MAX_ROUNDS} are safe.")]
    Rounds(u32),
}

/// The name as it is stored and bound into keys: `A-Z` become `a-z`, spaces at the ends go.
pub fn fold_name(name: &str) -> String {
    name.trim_matches(' ').to_ascii_lowercase()
}

/// The password as it is derived from: NFKC, so that one that is typed on another keyboard is the same.
fn normal(password: &str) -> String {
    icu_normalizer::ComposingNormalizerBorrowed::new_nfkc()
        .normalize(password)
        .into_owned()
}

/// Whether a new password may be used: [`MIN_PASSWORD_CHARACTERS`] to [`MAX_PASSWORD_BYTES`].
pub fn check_new_password(password: &str) -> Result<(), Refused> {
    let password = normal(password);
    match password.chars().count() {
        0 => Err(Refused::Empty),
        n if n < MIN_PASSWORD_CHARACTERS => Err(Refused::Short(n)),
        _ if password.len() > MAX_PASSWORD_BYTES => Err(Refused::Long(password.len())),
        _ => Ok(()),
    }
}

/// Both keys of the account `name`. Takes a tenth of a second or more: keep it off an async worker.
pub fn derive(name: &str, password: &str, parameters: &Parameters) -> Result<Keys, Refused> {
    let password = normal(password);
    if password.is_empty() {
        return Err(Refused::Empty);
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(Refused::Long(password.len()));
    }
    if !(MIN_ROUNDS..=MAX_ROUNDS).contains(&parameters.rounds) {
        return Err(Refused::Rounds(parameters.rounds));
    }
    let mut master = [0; KEY_BYTES];
    // Not the generic function: that would be compiled with this crate, which in development is not optimised.
    let rounds = pbkdf2::Params::new(parameters.rounds).expect("the limits above are within the crate's");
    let sha256 = pbkdf2::Algorithm::Pbkdf2Sha256;
    pbkdf2::pbkdf2_hmac_with_params(password.as_bytes(), &parameters.salt.0, sha256, rounds, &mut master);
    let split = Hkdf::<Sha256>::new(None, &master);
    let name = fold_name(name);
    let expand = |purpose: &str| {
        let mut key = [0; KEY_BYTES];
        // RFC 5869 allows up to 255 × 32 bytes.
        split
            .expand(format!("neospace/1 {purpose} {name}").as_bytes(), &mut key)
            .expect("32 bytes are in range");
        key
    };
    Ok(Keys {
        auth: Bytes(expand("auth")),
        wrap: expand("wrap"),
    })
}

/// The salt that is answered for a name nobody has: always the same, and like any other to whoever lacks the secret.
pub fn decoy_salt(secret: &[u8; 32], name: &str) -> Salt {
    let code = mac(secret, &[b"decoy salt", fold_name(name).as_bytes()]);
    let mut salt = [0; SALT_BYTES];
    salt.copy_from_slice(&code[..SALT_BYTES]);
    Bytes(salt)
}

/// HMAC-SHA-256 over `parts`, each preceded by its length, so that no two lists of parts are the same message.
pub fn mac(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Compares secrets in a time that depends on their lengths alone.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(a, b).into()
}

/// Bytes from the operating system's generator, which aborts the program rather than answer with fewer.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random generator");
    bytes
}
