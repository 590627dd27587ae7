//! What the worker tells its parent: a row of messages, each one byte that says which, a little-endian `u32` length, and
//! that many bytes. First [`Answer::Confined`]; then for each file its [`Answer::File`] and its bytes in parts, and last
//! [`Answer::Done`] or [`Answer::Refused`], after which nothing counts.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// The longest message, in bytes.
pub const MESSAGE_MOST: usize = 64 * 1024;
const PART: u8 = b'b';
const MESSAGE: u8 = b'm';

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The layers of confinement in force.
    Confined(Vec<String>),
    /// Here begins a file.
    File(File),
    /// All is read, and all files are written.
    Done(Facts),
    /// Nothing becomes of it, and why: a sentence for people.
    Refused(String),
}

/// A file that may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub variant: Variant,
    pub format: Format,
    /// Of a picture, in pixels; 0 of a sound.
    pub width: u32,
    pub height: u32,
}

/// Which of the files of one upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Variant {
    /// A picture in its own size.
    Full,
    /// At most [`crate::MEDIUM`] pixels on its longer side, and never moving. Absent where `Full` is that already.
    Medium,
    /// At most [`crate::SMALL`] pixels, and never moving. Absent where a larger one is that already.
    Small,
    Sound,
}

impl Variant {
    /// As it stands in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Medium => "medium",
            Self::Small => "small",
            Self::Sound => "sound",
        }
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    Png,
    Jpeg,
    Gif,
    Mp3,
    OggOpus,
    OggVorbis,
    Flac,
    Wav,
    Aac,
}

impl Format {
    /// What it is served as.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Mp3 => "audio/mpeg",
            Self::OggOpus | Self::OggVorbis => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
            Self::Aac => "audio/aac",
        }
    }
}

/// What an upload is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Facts {
    Picture {
        /// In pixels, upright.
        width: u32,
        height: u32,
        animated: bool,
    },
    Sound {
        duration_ms: u32,
        /// [`crate::PEAKS`] loudest moments in order, 0 to 255, the loudest of all 255 unless there is silence.
        peaks: Vec<u8>,
    },
}

/// The worker's end.
pub struct Out(io::BufWriter<io::Stdout>);

impl Out {
    pub(crate) fn new() -> Self {
        Self(io::BufWriter::with_capacity(MESSAGE_MOST, io::stdout()))
    }

    pub(crate) fn send(&mut self, answer: &Answer) -> io::Result<()> {
        let message = postcard::to_stdvec(answer).map_err(io::Error::other)?;
        self.write_frame(MESSAGE, &message)
    }

    /// Begins a file: what is written to the answer is what it has.
    pub(crate) fn file(&mut self, file: File) -> io::Result<Parts<'_>> {
        self.send(&Answer::File(file))?;
        Ok(Parts(self))
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn write_frame(&mut self, what: u8, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(&[what])?;
        self.0.write_all(&(bytes.len() as u32).to_le_bytes())?;
        self.0.write_all(bytes)
    }
}

/// A file that is being written.
pub struct Parts<'o>(&'o mut Out);

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &bytes[..bytes.len().min(MESSAGE_MOST)];
        self.0.write_frame(PART, part)?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the parent gets.
#[derive(Debug)]
pub enum Got<'b> {
    Message(Answer),
    /// The next bytes of the file that was begun last.
    Part(&'b [u8]),
}

/// Reads what comes next; `None` at the end.
///
/// # Errors
/// What can't be read, or isn't by the protocol.
pub fn receive<'b>(from: &mut impl Read, buffer: &'b mut Vec<u8>) -> io::Result<Option<Got<'b>>> {
    let mut head = [0; 5];
    match from.read(&mut head[..1])? {
        0 => return Ok(None),
        _ => from.read_exact(&mut head[1..])?,
    }
    let [what, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    if length > MESSAGE_MOST {
        return Err(io::Error::other("the message is too long"));
    }
    buffer.resize(length, 0);
    from.read_exact(buffer)?;
    match what {
        PART => Ok(Some(Got::Part(buffer))),
        MESSAGE => postcard::from_bytes(buffer)
            .map(|message| Some(Got::Message(message)))
            .map_err(io::Error::other),
        _ => Err(io::Error::other("there is no such message")),
    }
}
