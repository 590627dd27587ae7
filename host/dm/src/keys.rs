//! A member's keys: what is derived from a root and from a recovery code, what is signed, and what the server keeps
//! wrapped.

use std::fmt;

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use hpke::{Deserializable, Kem, Serializable};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Alarm, Bytes32, Name, b64,
    bytes::{Reader, put_name},
    log::Entry,
    message::Suite,
    random, sha256,
};

/// How many roots an account may have.
pub const MAX_GENERATIONS: usize = 16;

/// What all keys of one generation come from.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Root([u8; 32]);

impl Root {
    /// A new one.
    pub fn fresh() -> Root {
        Root(random())
    }

    /// Its bytes, for a device that keeps them where nobody else reads.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Root {
    fn from(bytes: [u8; 32]) -> Root {
        Root(bytes)
    }
}

/// The public keys of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Keys {
    /// X25519.
    #[serde(with = "b64")]
    pub identity: Bytes32,
    /// Ed25519.
    #[serde(with = "b64")]
    pub signing: Bytes32,
}

/// All keys of one generation.
pub struct Identity {
    /// Those that everybody may see.
    pub keys: Keys,
    /// Opens and authenticates messages (X25519).
    pub(crate) secret: <Suite as Kem>::PrivateKey,
    signing: SigningKey,
    /// Seals the notebook (AES-256-GCM).
    pub(crate) notebook: Zeroizing<[u8; 32]>,
    /// Marks what the member hides from themselves (HMAC-SHA-256).
    hiding: Zeroizing<[u8; 32]>,
}

impl Identity {
    /// The keys that `name` has from this root.
    pub fn derive(root: &Root, name: &Name) -> Identity {
        let split = Hkdf::<Sha256>::new(None, &root.0);
        let secret = <Suite as Kem>::PrivateKey::from_bytes(&*expand(&split, "dm identity", name))
            .expect("an X25519 key is any 32 bytes");
        let signing = SigningKey::from_bytes(&expand(&split, "dm signing", name));
        let keys = Keys {
            identity: Suite::sk_to_pk(&secret).to_bytes().into(),
            signing: signing.verifying_key().to_bytes(),
        };
        Identity {
            keys,
            secret,
            signing,
            notebook: expand(&split, "dm notebook", name),
            hiding: expand(&split, "dm hidden", name),
        }
    }

    /// This signing key's signature over the [`statement`] with which `keys` enter the key log: these keys themselves,
    /// or the generation after them.
    pub fn sign(&self, name: &Name, generation: u32, keys: &Keys) -> [u8; 64] {
        self.signing.sign(&statement(name, generation, keys)).to_bytes()
    }

    /// The tag by which this member hides a message, of which this is the hash, from themselves.
    pub fn hiding_tag(&self, message: &Bytes32) -> Bytes32 {
        self.hiding(message).finalize().into_bytes().into()
    }

    /// Whether a tag is this member's.
    pub fn hides(&self, message: &Bytes32, tag: &Bytes32) -> bool {
        self.hiding(message).verify_slice(tag).is_ok()
    }

    fn hiding(&self, message: &Bytes32) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&*self.hiding).expect("HMAC takes keys of any length");
        mac.chain_update(b"neospace/1 dm hidden\0").chain_update(message)
    }
}

fn expand(split: &Hkdf<Sha256>, purpose: &str, name: &Name) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    split
        .expand(format!("neospace/1 {purpose} {name}").as_bytes(), key.as_mut())
        .expect("HKDF gives up to 255 × 32 bytes");
    key
}

/// What a member's signing key signs.
pub fn statement(name: &Name, generation: u32, keys: &Keys) -> Vec<u8> {
    let mut statement = b"neospace/1 dm keys\0".to_vec();
    put_name(&mut statement, name);
    statement.extend(generation.to_be_bytes());
    statement.extend(keys.identity);
    statement.extend(keys.signing);
    statement
}

/// Whether the signature is one of these keys' over their own statement, and the identity key one that secrets can be
/// agreed on with: not all zeros, nor any other point of low order.
pub fn verify(name: &Name, generation: u32, keys: &Keys, signature: &[u8; 64]) -> bool {
    verify_by(&keys.signing, name, generation, keys, signature) && usable(&keys.identity)
}

/// Whether the signature over these keys' statement is that of `signing`: the generation before, for a successor.
/// Strictly: canonical encodings, no points of low order.
pub fn verify_by(signing: &Bytes32, name: &Name, generation: u32, keys: &Keys, signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(signing).is_ok_and(|signing| {
        let signature = Signature::from_bytes(signature);
        signing
            .verify_strict(&statement(name, generation, keys), &signature)
            .is_ok()
    })
}

/// Whether an X25519 public key gives a secret that isn't all zeros: clamped scalars send points of low order there.
pub fn usable(identity: &Bytes32) -> bool {
    x25519_dalek::x25519([1; 32], *identity) != [0; 32]
}

/// A member's keys of all generations, the oldest first. Never empty.
pub struct Keyring {
    /// Whose they are.
    pub name: Name,
    identities: Vec<Identity>,
}

impl Keyring {
    /// The keys of these roots, oldest first; nothing where there is no root, or too many.
    pub fn derive(name: &Name, roots: &[Root]) -> Option<Keyring> {
        (1..=MAX_GENERATIONS).contains(&roots.len()).then(|| Keyring {
            name: name.clone(),
            identities: roots.iter().map(|root| Identity::derive(root, name)).collect(),
        })
    }

    /// The keys that seal what is sent now.
    pub fn newest(&self) -> &Identity {
        self.identities.last().expect("a keyring has a key")
    }

    /// The generation of [`Keyring::newest`].
    pub fn generation(&self) -> u32 {
        u32::try_from(self.identities.len()).expect("there are at most 16")
    }

    /// The keys with this public identity key.
    pub fn find(&self, identity: &Bytes32) -> Option<&Identity> {
        self.identities.iter().find(|key| key.keys.identity == *identity)
    }

    /// Whether a tag by which a message is hidden was made with one of these keys.
    pub fn hides(&self, message: &Bytes32, tag: &Bytes32) -> bool {
        self.identities.iter().any(|identity| identity.hides(message, tag))
    }

    /// Holds what the key log has under this member's name against these keys.
    ///
    /// # Errors
    /// [`Alarm::OwnKey`] where an entry was not made with them; [`Alarm::LogFork`] where one is gone.
    pub fn check(&self, entries: &[Entry]) -> Result<(), Alarm> {
        let made = self
            .identities
            .iter()
            .zip(entries)
            .all(|(ours, entry)| ours.keys == entry.keys);
        if !made || entries.len() > self.identities.len() {
            return Err(Alarm::OwnKey);
        }
        if entries.len() < self.identities.len() {
            return Err(Alarm::LogFork);
        }
        Ok(())
    }
}

/// Whose key wraps roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The password's: the account's wrap key.
    Password = 1,
    /// The recovery code's.
    Recovery = 2,
}

/// Wraps roots, oldest first, for the server to keep; nothing where there is no root, or too many.
pub fn wrap(key: &[u8; 32], kind: Kind, name: &Name, roots: &[Root]) -> Option<Vec<u8>> {
    let newest = Keyring::derive(name, roots)?.newest().keys;
    let count = u8::try_from(roots.len()).ok()?;
    let plain = Zeroizing::new(roots.iter().flat_map(|root| root.0).collect::<Vec<_>>());
    let nonce: [u8; 12] = random();
    let sealed = Aes256Gcm::new(key.into())
        .encrypt(
            &nonce.into(),
            Payload {
                msg: &plain,
                aad: &wrapped_aad(kind, count, name, &newest),
            },
        )
        .ok()?;
    Some([&[1, kind as u8, count][..], &nonce, &sealed].concat())
}

/// Takes roots out of their wrapping. `newest` are the keys that the key log's newest entry has under this name.
///
/// # Errors
/// [`Alarm::Wrapped`]: another account's, another key's, altered, or not the roots of those keys.
pub fn unwrap(key: &[u8; 32], kind: Kind, name: &Name, newest: &Keys, wrapped: &[u8]) -> Result<Vec<Root>, Alarm> {
    open_wrapped(key, kind, name, newest, wrapped).ok_or(Alarm::Wrapped)
}

fn open_wrapped(key: &[u8; 32], kind: Kind, name: &Name, newest: &Keys, wrapped: &[u8]) -> Option<Vec<Root>> {
    let mut reader = Reader(wrapped);
    let (version, its_kind, count) = (reader.u8()?, reader.u8()?, reader.u8()?);
    let fits = version == 1 && its_kind == kind as u8 && (1..=MAX_GENERATIONS).contains(&count.into());
    let nonce: [u8; 12] = reader.array()?;
    let sealed = reader.take(32 * usize::from(count) + 16).filter(|_| fits)?;
    reader.end()?;
    let plain = Aes256Gcm::new(key.into())
        .decrypt(
            &nonce.into(),
            Payload {
                msg: sealed,
                aad: &wrapped_aad(kind, count, name, newest),
            },
        )
        .ok()
        .map(Zeroizing::new)?;
    let roots: Vec<Root> = plain.as_chunks().0.iter().copied().map(Root).collect();
    (Keyring::derive(name, &roots)?.newest().keys == *newest).then_some(roots)
}

fn wrapped_aad(kind: Kind, count: u8, name: &Name, newest: &Keys) -> Vec<u8> {
    let mut aad = b"neospace/1 dm wrapped\0".to_vec();
    aad.extend([kind as u8, count]);
    put_name(&mut aad, name);
    aad.extend(newest.identity);
    aad.extend(newest.signing);
    aad
}

/// What a member writes down, and what brings the keys back when the password is lost.
/// `Display` writes it as it is shown: seven groups of four letters.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; 16]);

/// What comes from a recovery code.
pub struct RecoveryKeys {
    /// Wraps the roots. Never sent.
    pub wrap: Zeroizing<[u8; 32]>,
    /// Proves the code to the server.
    pub auth: Zeroizing<[u8; 32]>,
}

/// Why what was typed is no recovery code. The sentence is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// A character that no code has.
    #[error("A recovery code has no {0:?}: only digits and the letters A to Z without I, L, O and U.")]
    Letter(char),
    /// Too few or too many characters.
    #[error("That is {0} characters without hyphens; a recovery code has 28, in seven groups of four.")]
    Length(usize),
    /// The check at its end doesn't fit what is before it.
    #[error("That is not quite the recovery code: a letter is mistyped, or two have changed places.")]
    Check,
}

/// Crockford's base 32.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 bits and 12 to check them, five a letter.
const CODE_LETTERS: usize = 28;

impl RecoveryCode {
    /// A new one.
    pub fn fresh() -> RecoveryCode {
        RecoveryCode(random())
    }

    /// Reads what a person typed: case, spaces and hyphens don't matter, `O` is `0`, `I` and `L` are `1`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(typed: &str) -> Result<RecoveryCode, BadCode> {
        let mut bits = Zeroizing::new([0u8; CODE_LETTERS * 5 / 8 + 1]);
        let mut count = 0;
        for letter in typed.chars().filter(|c| *c != '-' && !c.is_ascii_whitespace()) {
            let plain = match letter.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let value = LETTERS.iter().position(|known| char::from(*known) == plain);
            let value = value.ok_or(BadCode::Letter(letter))?;
            if count < CODE_LETTERS {
                for bit in 0..5 {
                    let at = count * 5 + bit;
                    bits[at / 8] |= u8::from(value & (16 >> bit) != 0) << (7 - at % 8);
                }
            }
            count += 1;
        }
        if count != CODE_LETTERS {
            return Err(BadCode::Length(count));
        }
        let code = RecoveryCode(bits[..16].try_into().expect("it has 18 bytes"));
        if bits[16..] == code.check() {
            Ok(code)
        } else {
            Err(BadCode::Check)
        }
    }

    /// The keys that `name` has from it.
    pub fn keys(&self, name: &Name) -> RecoveryKeys {
        let split = Hkdf::<Sha256>::new(None, &self.0);
        RecoveryKeys {
            wrap: expand(&split, "dm recovery", name),
            auth: expand(&split, "recover", name),
        }
    }

    /// Twelve bits, and four zeros.
    fn check(&self) -> [u8; 2] {
        let hash = sha256(&[b"neospace/1 recovery check", &self.0]);
        [hash[0], hash[1] & 0xf0]
    }
}

impl From<[u8; 16]> for RecoveryCode {
    fn from(bytes: [u8; 16]) -> RecoveryCode {
        RecoveryCode(bytes)
    }
}

impl fmt::Display for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = Zeroizing::new([&self.0[..], &self.check()].concat());
        for letter in 0..CODE_LETTERS {
            if letter > 0 && letter % 4 == 0 {
                f.write_str("-")?;
            }
            let value =
                (letter * 5..letter * 5 + 5).fold(0, |value, at| value << 1 | (bits[at / 8] >> (7 - at % 8)) & 1);
            write!(f, "{}", char::from(LETTERS[usize::from(value)]))?;
        }
        Ok(())
    }
}
