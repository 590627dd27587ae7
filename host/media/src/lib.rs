//! What the media worker runs: one upload in, the same picture or sound out, made anew.
//!
//! The host starts this code in a child process of its own executable for each upload ([`main`]). It confines itself as
//! lanes do, reads the file that is its standard input, recognises it by its content, and writes to standard output what
//! may be kept: pictures decoded to pixels and encoded again, sounds taken packet by packet into a container of our own.
//! Whatever else was in the file stays behind: metadata, profiles, comments, what stood before and after it.
//!
//! It refuses, in sentences for people, what it does not know, what breaks off, and what is too large. What is too much
//! for its memory or its processor time kills it, which its parent knows to explain. Knows no database and no network.
#![cfg(target_os = "linux")]

mod animation;
mod input;
mod picture;
pub mod protocol;
mod sound;

use std::io;

use neospace_runner::confine::{Limits, confine};

use crate::protocol::{Answer, Facts, Out};

/// Memory that the worker may use beyond what it begins with, in bytes.
pub const DATA_BYTES: u64 = 128 * 1024 * 1024;
/// Processor time that one upload may take, in seconds.
pub const CPU_SECONDS: u64 = 5;
/// Pixels that a picture may have: 24 megapixels.
pub const PIXELS_MOST: u64 = 24_000_000;
/// Frames that an animation may have.
pub const FRAMES_MOST: usize = 1_000;
/// Pixels of an animation's canvas, where a frame must be put together from those before it.
pub const CANVAS_PIXELS_MOST: u64 = 4_000_000;
/// Pixels of all frames of an animation together; more would take longer than [`CPU_SECONDS`].
pub const ANIMATION_PIXELS_MOST: u64 = 200_000_000;
/// The longer side of `medium`, in pixels.
pub const MEDIUM: u32 = 1_280;
/// The longer side of `small`, in pixels.
pub const SMALL: u32 = 320;
/// How long a sound may be, in milliseconds: ten minutes.
pub const SOUND_MOST_MS: u64 = 600_000;
/// How many peaks a sound's waveform has.
pub const PEAKS: usize = 200;

/// Why an upload isn't taken: a sentence for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl Refusal {
    fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// What writing to the parent can end with: it takes nothing more, so nobody waits for an answer.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self(format!("The answer can't be written: {error}."))
    }
}

type Result<T> = std::result::Result<T, Refusal>;

/// Reads the upload from standard input, which must be a file, and writes to standard output what [`protocol`] says.
/// Never returns.
pub fn main() -> ! {
    std::process::exit(match run() {
        Ok(()) => 0,
        Err(_) => 1,
    })
}

fn run() -> io::Result<()> {
    let input = input::map()?;
    let layers = confine(&Limits {
        data_bytes: DATA_BYTES,
        file_bytes: 0,
        descriptors: 16,
        cpu_seconds: Some(CPU_SECONDS),
        keep: &[0, 1],
    })?;
    let mut out = Out::new();
    out.send(&Answer::Confined(layers.into_iter().map(str::to_owned).collect()))?;
    let answer = match open(input, &mut out) {
        Ok(facts) => Answer::Done(facts),
        Err(Refusal(sentence)) => Answer::Refused(sentence),
    };
    out.send(&answer)?;
    out.flush()
}

/// What a file is by its first bytes.
fn open(input: &'static [u8], out: &mut Out) -> Result<Facts> {
    let at = |offset: usize, magic: &[u8]| input.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let known = |name: &str, others: &str| {
        Err(Refusal(format!(
            "This is {name}. {others} PNG, JPEG, WebP and GIF pictures are taken, and MP3, Ogg, WebM, M4A, FLAC and WAV sounds."
        )))
    };
    match () {
        () if input.is_empty() => Err(Refusal::new(
            "This file is empty: there is nothing in it to see or to hear.",
        )),
        () if at(0, b"\x89PNG\r\n\x1a\n") => picture::png(input, out),
        () if at(0, b"\xff\xd8\xff") => picture::jpeg(input, out),
        () if at(0, b"GIF87a") || at(0, b"GIF89a") => animation::gif(input, out),
        () if at(0, b"RIFF") && at(8, b"WEBP") => picture::webp(input, out),
        () if at(4, b"ftypheic") || at(4, b"ftypheix") || at(4, b"ftypmif1") || at(4, b"ftyphevc") => {
            known("a HEIC picture", "Few browsers show those: save it as JPEG.")
        }
        () if at(4, b"ftypavif") || at(4, b"ftypavis") => known("an AVIF picture", "Save it as PNG, JPEG or WebP."),
        () if at(0, b"\0\0\0\x0cJXL ") || at(0, b"\xff\x0a") => {
            known("a JPEG XL picture", "Few browsers show those: save it as JPEG.")
        }
        () if at(0, b"II*\0") || at(0, b"MM\0*") => known("a TIFF or raw picture", "Save it as JPEG."),
        () if at(0, b"BM") => known("a BMP picture", "Save it as PNG."),
        () if at(0, b"8BPS") => known("a Photoshop document", "Save it as PNG or JPEG."),
        () if at(0, b"\0\0\x01\0") => known("an icon file", "Save it as PNG."),
        () if at(0, b"%PDF") => known("a PDF document", "Save the page that you mean as PNG."),
        () if at(0, b"PK\x03\x04") => known("a zip archive", "Unpack it, and send what is in it one by one."),
        () if is_markup(input) => known(
            "markup, SVG perhaps",
            "Markup can carry scripts, so none is taken: save it as PNG.",
        ),
        () => match sound::open(input, out)? {
            Some(facts) => Ok(facts),
            None => known(
                "no picture or sound that is known here",
                "Names don't count, only what is in a file.",
            ),
        },
    }
}

fn is_markup(input: &[u8]) -> bool {
    let text = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    text.trim_ascii_start().starts_with(b"<") || input.starts_with(b"\xff\xfe<\0") || input.starts_with(b"\xfe\xff\0<")
}
