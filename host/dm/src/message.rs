//! One message: its header, what it says, and how both are sealed, once for each side.

use hmac::{Hmac, KeyInit, Mac};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    Alarm, Bytes32, Name, b64,
    bytes::{Reader, put_name},
    file::MAX_FILE_BYTES,
    keys::Identity,
    log::Head,
    random, sha256,
};

/// The one suite: RFC 9180 with DHKEM(X25519, HKDF-SHA-256), HKDF-SHA-256 and AES-256-GCM.
pub(crate) type Suite = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::AesGcm256;

/// Length of a header.
pub const HEADER_BYTES: usize = 235;
/// What a sealed copy has beside its plain text: the encapsulated key, and the tag.
pub const SEAL_BYTES: usize = 32 + 16;
/// The lengths that a plain text is padded to.
pub const CLASSES: [usize; 4] = [256, 1024, 4096, 16_384];
/// The longest body, in bytes of JSON: what is left of the largest class.
pub const MAX_BODY_BYTES: usize = CLASSES[3] - 4 - 32;
/// The longest text, in Unicode scalar values.
pub const MAX_TEXT_CHARACTERS: usize = 4000;
/// The most files of one message.
pub const MAX_FILES: usize = 8;
/// The most messages that one removal names.
pub const MAX_TARGETS: usize = 64;
/// The longest side of a picture, in pixels.
const MAX_PIXELS: u64 = 16_384;
/// How deep a body's JSON may nest.
const MAX_DEPTH: usize = 8;
/// The largest number in a body: what a browser counts to without a slip.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// What two members' messages belong to, whoever writes.
pub fn conversation_id(a: &Name, b: &Name) -> [u8; 16] {
    let (lower, higher) = if a <= b { (a, b) } else { (b, a) };
    let mut names = b"neospace/1 dm conversation\0".to_vec();
    put_name(&mut names, lower);
    put_name(&mut names, higher);
    *sha256(&[&names]).first_chunk().expect("16 are fewer than 32")
}

/// Which side of a conversation with `peer` `name` is: 0 the lower name, 1 the higher.
pub fn side(name: &Name, peer: &Name) -> u8 {
    u8::from(name > peer)
}

/// A place in a stream: a message's counter and hash; zeros where there is none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// From 1.
    pub counter: u64,
    /// [`hash`] of the message.
    #[serde(with = "b64")]
    pub hash: Bytes32,
}

/// What everybody sees of a message, and nobody can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`conversation_id`] of the two.
    pub conversation: [u8; 16],
    /// [`side`] of who sends.
    pub sender: u8,
    /// The place in the sender's stream, from 1.
    pub counter: u64,
    /// The hash of the message before it in the stream; zeros for the first.
    pub previous: Bytes32,
    /// The newest message of the other stream that the sender had.
    pub seen: Position,
    /// The key log as the sender knew it.
    pub log: Head,
    /// The key that both copies are authenticated by.
    pub sender_identity: Bytes32,
    /// The key that the recipient's copy is sealed to.
    pub recipient_identity: Bytes32,
    /// To the body, by the franking key inside.
    pub commitment: Bytes32,
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut header = vec![1, 1];
        header.extend(self.conversation);
        header.push(self.sender);
        header.extend(self.counter.to_be_bytes());
        header.extend(self.previous);
        header.extend(self.seen.counter.to_be_bytes());
        header.extend(self.seen.hash);
        header.extend(self.log.size.to_be_bytes());
        header.extend(self.log.hash);
        header.extend(self.sender_identity);
        header.extend(self.recipient_identity);
        header.extend(self.commitment);
        header
    }

    /// The header that these bytes are.
    ///
    /// # Errors
    /// [`Alarm::Version`] where version or suite is another; [`Alarm::Broken`] where it can't be one.
    pub fn decode(bytes: &[u8]) -> Result<Header, Alarm> {
        if !matches!(bytes, [1, 1, ..] | [] | [1]) {
            return Err(Alarm::Version);
        }
        let header = Header::read(bytes).ok_or(Alarm::Broken)?;
        let zeros = |hash: &Bytes32| *hash == Bytes32::default();
        let sound = header.sender <= 1
            && header.counter >= 1
            && (header.counter == 1) == zeros(&header.previous)
            && (header.seen.counter == 0) == zeros(&header.seen.hash)
            && (header.log.size == 0) == zeros(&header.log.hash);
        if sound { Ok(header) } else { Err(Alarm::Broken) }
    }

    fn read(bytes: &[u8]) -> Option<Header> {
        let mut reader = Reader(bytes);
        reader.take(2)?;
        let header = Header {
            conversation: reader.array()?,
            sender: reader.u8()?,
            counter: reader.u64()?,
            previous: reader.array()?,
            seen: Position {
                counter: reader.u64()?,
                hash: reader.array()?,
            },
            log: Head {
                size: reader.u64()?,
                hash: reader.array()?,
            },
            sender_identity: reader.array()?,
            recipient_identity: reader.array()?,
            commitment: reader.array()?,
        };
        reader.end().map(|()| header)
    }
}

/// What the next message of the stream, and the other side's, name a message by. Takes SHA-256 of each copy.
pub fn hash(header: &[u8], recipient: &Bytes32, sender: &Bytes32) -> Bytes32 {
    sha256(&[b"neospace/1 dm message\0", header, recipient, sender])
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Body {
    /// Something said.
    Text {
        /// When, by the sender's clock: Unix time in milliseconds.
        at: u64,
        /// 1 to 4,000 characters, or none beside files. Never markup.
        text: String,
        /// What it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<Reply>,
        /// What comes with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileRef>,
    },
    /// The sender's message `target` says this instead.
    Edit {
        /// When, by the sender's clock.
        at: u64,
        /// A counter of the sender's own stream.
        target: u64,
        /// 1 to 4,000 characters.
        text: String,
    },
    /// The sender removes a message for both.
    Delete {
        /// When, by the sender's clock.
        at: u64,
        /// Counters of the sender's own stream: the message's, and those of all its edits.
        targets: Vec<u64>,
    },
    /// A kind that came after this program.
    #[serde(other)]
    Unknown,
}

/// Which message an answer is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whose, as the sender of the answer sees it.
    pub of: Whose,
    /// Its counter.
    pub counter: u64,
}

/// One of two streams, as somebody sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whose {
    /// One's own.
    Mine,
    /// The other's.
    Theirs,
}

/// A file that a message brings: where it is, and how it opens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// The server's word for it: 1 to 64 of letters, digits, `-` and `_`.
    pub id: String,
    /// Opens it: see [`crate::file`].
    #[serde(with = "b64")]
    pub key: [u8; 32],
    /// Its bytes without padding.
    pub size: u64,
    /// What its sender calls it, 1 to 200 characters. Not a path, and nothing may be overwritten by it.
    pub name: String,
    /// A media type, as its sender says: 1 to 100 printable characters of ASCII.
    #[serde(rename = "type")]
    pub media_type: String,
    /// A picture's, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u64>,
    /// A picture's, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
}

impl std::fmt::Debug for FileRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileRef({:?}, {:?}, {} bytes)", self.id, self.name, self.size)
    }
}

/// Why a body can't be sent, or isn't one. The sentence is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No text and no file.
    #[error("There is nothing to send: write something, or add a file.")]
    Empty,
    /// More than [`MAX_TEXT_CHARACTERS`].
    #[error("That is {0} characters: at most {MAX_TEXT_CHARACTERS} fit in one message.")]
    Long(usize),
    /// A control character.
    #[error("There is a control character ({0:?}) in it: only line breaks and tabs are allowed.")]
    Control(char),
    /// More than [`MAX_FILES`], or one that isn't well described.
    #[error(
        "A message carries at most {MAX_FILES} files of at most 20 MiB, each with a type, and a name of 1 to 200 \
         characters without / or \\."
    )]
    Files,
    /// Nothing to remove, or more than [`MAX_TARGETS`].
    #[error("One removal names 1 to {MAX_TARGETS} messages.")]
    Targets,
    /// More than [`MAX_BODY_BYTES`].
    #[error("Text and file names are too long together: at most {MAX_BODY_BYTES} bytes fit in one message.")]
    Large,
    /// A number that no message has.
    #[error("A message's number or time is out of range.")]
    Number,
    /// A kind that isn't known.
    #[error("This kind of message is not known.")]
    Unknown,
    /// A public key that no secret can be agreed on with.
    #[error("The recipient's key cannot be used.")]
    Key,
}

impl Body {
    /// Its JSON.
    ///
    /// # Errors
    /// Whatever a body may not be.
    pub fn encode(&self) -> Result<Vec<u8>, Refused> {
        self.check()?;
        let json = serde_json::to_vec(self).expect("texts and numbers are JSON");
        if json.len() > MAX_BODY_BYTES {
            return Err(Refused::Large);
        }
        Ok(json)
    }

    /// The body that this JSON is, if it is one. Of two fields with one name the last counts, as in browsers.
    pub fn decode(json: &[u8]) -> Option<Body> {
        let mut json: Value = serde_json::from_slice(json).ok()?;
        settle(&mut json, MAX_DEPTH)?;
        let body: Body = serde_json::from_value(json).ok()?;
        matches!(body.check(), Ok(()) | Err(Refused::Unknown)).then_some(body)
    }

    fn check(&self) -> Result<(), Refused> {
        let numbers = |numbers: &[u64], least| {
            let fit = numbers.iter().all(|number| (least..=MAX_NUMBER).contains(number));
            if fit { Ok(()) } else { Err(Refused::Number) }
        };
        match self {
            Body::Text { at, text, reply, files } => {
                numbers(&[*at], 0)?;
                numbers(reply.as_ref().map(|reply| reply.counter).as_slice(), 1)?;
                if files.len() > MAX_FILES || !files.iter().all(FileRef::is_sound) {
                    return Err(Refused::Files);
                }
                check_text(text, !files.is_empty())
            }
            Body::Edit { at, target, text } => {
                numbers(&[*at], 0)?;
                numbers(&[*target], 1)?;
                check_text(text, false)
            }
            Body::Delete { at, targets } => {
                numbers(&[*at], 0)?;
                if !(1..=MAX_TARGETS).contains(&targets.len()) {
                    return Err(Refused::Targets);
                }
                numbers(targets, 1)
            }
            Body::Unknown => Err(Refused::Unknown),
        }
    }
}

/// Refuses what nests too deep, and writes numbers that are whole, like 1.0 or 1e3, as such: to a browser they are.
fn settle(json: &mut Value, depth: usize) -> Option<()> {
    match json {
        Value::Array(list) => {
            let depth = depth.checked_sub(1)?;
            list.iter_mut().try_for_each(|json| settle(json, depth))
        }
        Value::Object(map) => {
            let depth = depth.checked_sub(1)?;
            map.values_mut().try_for_each(|json| settle(json, depth))
        }
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0)
                && (0.0..=MAX_NUMBER as f64).contains(&float)
            {
                *json = Value::from(float as u64);
            }
            Some(())
        }
        _ => Some(()),
    }
}

fn check_text(text: &str, may_be_empty: bool) -> Result<(), Refused> {
    let characters = text.chars().count();
    if characters == 0 && !may_be_empty {
        return Err(Refused::Empty);
    }
    if characters > MAX_TEXT_CHARACTERS {
        return Err(Refused::Long(characters));
    }
    match text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n')) {
        Some(control) => Err(Refused::Control(control)),
        None => Ok(()),
    }
}

impl FileRef {
    fn is_sound(&self) -> bool {
        let id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=64).contains(&self.id.len())
            && self.id.bytes().all(id)
            && (1..=200).contains(&self.name.chars().count())
            && !self.name.chars().any(is_treacherous)
            && (1..=100).contains(&self.media_type.len())
            && self.media_type.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && self.size <= MAX_FILE_BYTES
            && [self.width, self.height]
                .iter()
                .flatten()
                .all(|pixels| *pixels <= MAX_PIXELS)
    }
}

/// Whether a character has no place in a file's name: control and bidirectional formatting characters, which make it
/// read as another, and what separates folders.
fn is_treacherous(c: char) -> bool {
    let bidirectional =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || bidirectional || matches!(c, '/' | '\\')
}

/// What binds a sender to a body that nobody else can read.
pub fn commitment(key: &[u8; 32], body: &[u8]) -> Bytes32 {
    franking(key, body).finalize().into_bytes().into()
}

fn franking(key: &[u8; 32], body: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(b"neospace/1 dm frank\0").chain_update(body)
}

/// Whether a revealed body and franking key are what a header committed to: the proof in a report.
pub fn check_report(header: &Header, body: &[u8], key: &[u8; 32]) -> bool {
    franking(key, body).verify_slice(&header.commitment).is_ok()
}

/// Length, franking key, body, and zeros up to a size class; nothing where the body is too long for the largest.
pub fn pad(key: &[u8; 32], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let needed = 4 + key.len() + body.len();
    let class = *CLASSES.iter().find(|class| **class >= needed)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(class));
    plain.extend(u32::try_from(body.len()).ok()?.to_be_bytes());
    plain.extend(key);
    plain.extend(body);
    plain.resize(class, 0);
    Some(plain)
}

/// Franking key and body of a plain text, if it is padded rightly: in a size class, with nothing but zeros behind.
pub fn unpad(plain: &[u8]) -> Option<([u8; 32], &[u8])> {
    let mut reader = Reader(plain);
    let length = usize::try_from(reader.u32()?).ok()?;
    let (key, body) = (reader.array()?, reader.take(length)?);
    let smallest = CLASSES.iter().find(|class| **class >= 4 + 32 + length)?;
    (*smallest == plain.len() && reader.0.iter().all(|byte| *byte == 0)).then_some((key, body))
}

/// Which of the two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Copy {
    /// The recipient's.
    Recipient = 1,
    /// The sender's own.
    Sender = 2,
}

fn info(copy: Copy, sender: &Name, recipient: &Name) -> Vec<u8> {
    let mut info = b"neospace/1 dm\0".to_vec();
    info.push(copy as u8);
    put_name(&mut info, sender);
    put_name(&mut info, recipient);
    info
}

/// What a new message is made of, beside what it says.
pub struct Envelope<'a> {
    /// Who sends.
    pub from: &'a Name,
    /// To whom.
    pub to: &'a Name,
    /// The sender's newest keys.
    pub keys: &'a Identity,
    /// The recipient's newest accepted key.
    pub recipient: Bytes32,
    /// The newest message of the sender's stream.
    pub previous: Position,
    /// The newest message of the recipient's stream that the sender has.
    pub seen: Position,
    /// The key log as the sender knows it.
    pub log: Head,
}

/// A message as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// [`Header::encode`].
    pub header: Vec<u8>,
    /// The recipient's copy.
    pub recipient: Vec<u8>,
    /// The sender's own.
    pub sender: Vec<u8>,
}

impl Sealed {
    /// Its place in the sender's stream.
    pub fn position(&self) -> Position {
        let copies = [&self.recipient, &self.sender].map(|copy| sha256(&[copy]));
        Position {
            counter: Header::decode(&self.header).map_or(0, |header| header.counter),
            hash: hash(&self.header, &copies[0], &copies[1]),
        }
    }
}

/// Seals a message for both sides, each with an ephemeral key of its own.
///
/// # Errors
/// Whatever the body may not be; [`Refused::Key`] where the recipient's key is of no use.
pub fn seal(envelope: &Envelope<'_>, body: &Body) -> Result<Sealed, Refused> {
    let body = body.encode()?;
    let franking: Zeroizing<[u8; 32]> = Zeroizing::new(random());
    let header = Header {
        conversation: conversation_id(envelope.from, envelope.to),
        sender: side(envelope.from, envelope.to),
        counter: envelope.previous.counter.checked_add(1).ok_or(Refused::Number)?,
        previous: envelope.previous.hash,
        seen: envelope.seen,
        log: envelope.log,
        sender_identity: envelope.keys.keys.identity,
        recipient_identity: envelope.recipient,
        commitment: commitment(&franking, &body),
    };
    let header = header.encode();
    let plain = pad(&franking, &body).ok_or(Refused::Large)?;
    let copy = |copy, to: &Bytes32| {
        let info = info(copy, envelope.from, envelope.to);
        seal_copy(envelope.keys, to, &info, &header, &plain).ok_or(Refused::Key)
    };
    Ok(Sealed {
        recipient: copy(Copy::Recipient, &envelope.recipient)?,
        sender: copy(Copy::Sender, &envelope.keys.keys.identity)?,
        header,
    })
}

fn seal_copy(keys: &Identity, to: &Bytes32, info: &[u8], header: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let to = <Suite as Kem>::PublicKey::from_bytes(to).ok()?;
    let public = <Suite as Kem>::PublicKey::from_bytes(&keys.keys.identity).ok()?;
    let by = (keys.secret.clone(), public);
    // Refuses a shared secret of zeros (RFC 9180, 7.1.4).
    let (enc, sealed) =
        hpke::single_shot_seal::<Aead, Kdf, Suite>(&OpModeS::Auth(by), &to, info, plain, header).ok()?;
    Some([&enc.to_bytes()[..], &sealed].concat())
}

/// A message that was opened: what it says, and the proof that its sender said it.
#[derive(Clone)]
pub struct Opened {
    /// What it says.
    pub body: Body,
    /// The body's bytes, as they were committed to.
    pub json: Vec<u8>,
    /// Reveals to the operator, in a report, that the sender committed to these bytes.
    pub franking: [u8; 32],
}

/// Opens a copy with the recipient's keys, or, for the sender's own copy, the sender's. That header, names and keys are
/// those of the conversation is for [`crate::thread`] to check; that they are those that were sealed is checked here.
///
/// # Errors
/// [`Alarm::Broken`].
pub fn open(
    header: &[u8],
    copy: Copy,
    (sender, recipient): (&Name, &Name),
    keys: &Identity,
    sealed: &[u8],
) -> Result<Opened, Alarm> {
    let decoded = Header::decode(header)?;
    let open = || {
        if !is_copy(sealed) {
            return None;
        }
        let (enc, sealed) = sealed.split_at_checked(32)?;
        let enc = <Suite as Kem>::EncappedKey::from_bytes(enc).ok()?;
        let by = <Suite as Kem>::PublicKey::from_bytes(&decoded.sender_identity).ok()?;
        let info = info(copy, sender, recipient);
        let plain =
            hpke::single_shot_open::<Aead, Kdf, Suite>(&OpModeR::Auth(by), &keys.secret, &enc, &info, sealed, header);
        let plain = Zeroizing::new(plain.ok()?);
        let (franking, json) = unpad(&plain)?;
        let opened = Opened {
            body: Body::decode(json)?,
            json: json.to_vec(),
            franking,
        };
        check_report(&decoded, json, &franking).then_some(opened)
    };
    open().ok_or(Alarm::Broken)
}

/// Whether a sealed copy has the length of one.
pub fn is_copy(sealed: &[u8]) -> bool {
    CLASSES.iter().any(|class| class + SEAL_BYTES == sealed.len())
}
