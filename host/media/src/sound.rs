//! Sounds: taken out of their container packet by packet, listened to, and put into a container of our own without a word
//! about who made them. What doesn't sound is left out.
//!
//! Opus and Vorbis become Ogg, whatever they came in; MP3 stays a row of frames, behind one that says how many there are;
//! FLAC stays FLAC; PCM becomes 16-bit WAV; AAC becomes a row of ADTS frames. So a recording of a browser (WebM or Ogg
//! with Opus, MP4 with AAC) is taken as it comes.

use std::io::{Cursor, Write};

use ogg::{PacketWriteEndInfo, PacketWriter};
use ropus::{Channels, DecodeMode};
use symphonia::{
    core::{
        codecs::{
            CodecParameters,
            audio::{
                AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
                well_known::{CODEC_ID_AAC, CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS},
            },
        },
        errors::Error,
        formats::{FormatOptions, FormatReader, TrackType},
        io::{MediaSourceStream, MediaSourceStreamOptions},
        packet::Packet,
    },
    default::{
        formats::{FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader, WavReader},
        get_codecs,
    },
};

use crate::{
    PEAKS, Refusal, Result, SOUND_MOST_MS,
    picture::broken,
    protocol::{Facts, File, Format, Out, Variant},
};

/// So many parts of a second have a loudness of their own while the length isn't known.
const PARTS_PER_SECOND: u64 = 100;
/// One in so many packets may be unreadable.
const BAD_ONE_IN: usize = 8;
/// Ogg packets on a page: with 20 ms each, a second.
const PACKETS_ON_A_PAGE: usize = 50;
/// The number of the one stream in an Ogg file; any does.
const SERIAL: u32 = 0x6e73_7063;
/// The identification header of Vorbis, in bytes; the setup header comes behind it.
const VORBIS_IDENTIFICATION: usize = 30;
/// Samples of one channel in the longest Opus packet.
const OPUS_FRAMES_MOST: usize = 5_760;

/// Makes a sound anew; `None` when this is none.
pub fn open(input: &'static [u8], out: &mut Out) -> Result<Option<Facts>> {
    let at = |offset: usize, magic: &[u8]| input.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let audio = behind_id3(input);
    let is_mp3 = matches!(audio, [0xff, second, ..] if second & 0xe6 == 0xe2);
    let options = FormatOptions::default();
    let (name, reader): (_, std::result::Result<Box<dyn FormatReader>, Error>) = match () {
        () if at(0, b"OggS") => ("Ogg", OggReader::try_new(source(input), options).map(boxed)),
        () if at(0, b"\x1a\x45\xdf\xa3") => ("WebM", MkvReader::try_new(source(input), options).map(boxed)),
        () if at(0, b"fLaC") => ("FLAC", FlacReader::try_new(source(input), options).map(boxed)),
        () if at(0, b"RIFF") && at(8, b"WAVE") => ("WAV", WavReader::try_new(source(input), options).map(boxed)),
        () if at(4, b"ftyp") => ("MP4", IsoMp4Reader::try_new(source(input), options).map(boxed)),
        () if is_mp3 => ("MP3", MpaReader::try_new(source(audio), options).map(boxed)),
        () if at(0, b"ID3") => return Err(broken("MP3", "there are tags and no sound")),
        () => return Ok(None),
    };
    let reader = reader.map_err(|error| broken(name, error))?;
    sound(name, reader, out).map(Some)
}

fn source(input: &'static [u8]) -> MediaSourceStream<'static> {
    MediaSourceStream::new(Box::new(Cursor::new(input)), MediaSourceStreamOptions::default())
}

fn boxed(reader: impl FormatReader + 'static) -> Box<dyn FormatReader> {
    Box::new(reader)
}

/// What comes after the tags in front.
fn behind_id3(mut input: &[u8]) -> &[u8] {
    while let [b'I', b'D', b'3', _, _, flags, a, b, c, d, rest @ ..] = input {
        let size = [a, b, c, d]
            .iter()
            .fold(0, |size, byte| size << 7 | usize::from(**byte & 0x7f));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        input = rest.get(size + footer..).unwrap_or(&[]);
    }
    input
}

fn sound(name: &'static str, mut reader: Box<dyn FormatReader>, out: &mut Out) -> Result<Facts> {
    let track = reader.default_track(TrackType::Audio);
    let track = track.ok_or_else(|| Refusal(format!("There is no sound in this {name} file.")))?;
    let id = track.id;
    let Some(CodecParameters::Audio(parameters)) = track.codec_params.clone() else {
        return Err(Refusal(format!(
            "The sound in this {name} file is of a kind that isn't known."
        )));
    };
    let ogg = name == "Ogg";
    let mut ear = Ear::new(name, &parameters)?;
    let mut all = Packets::default();
    let mut bad = 0;
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            // A recording that stopped in the middle of something: what is whole counts.
            Ok(None) | Err(Error::IoError(_)) => break,
            // A second song behind the first; one is enough.
            Err(Error::ResetRequired) => break,
            Err(error) => return Err(broken(name, error)),
        };
        if packet.track_id != id || packet.data.is_empty() {
            continue;
        }
        match ear.hear(&packet) {
            Ok(frames) => {
                all.end_trim = if ogg { packet.trim_end.get().min(frames) } else { 0 };
                all.frames += frames;
                all.each.push((packet.data, frames));
            }
            Err(why) => {
                bad += 1;
                if bad > 8 && bad * BAD_ONE_IN > all.each.len() {
                    return Err(broken(name, why));
                }
            }
        }
        if all.frames * 1_000 > SOUND_MOST_MS * u64::from(ear.rate) {
            return Err(Refusal(format!(
                "This sound is longer than {} minutes, and that is the most: make it shorter.",
                SOUND_MOST_MS / 60_000
            )));
        }
    }
    if all.frames == 0 || bad * BAD_ONE_IN > all.each.len().max(BAD_ONE_IN) {
        return Err(broken(name, "there is no sound in it"));
    }
    let duration_ms = write(out, &parameters, &ear, &all)?;
    Ok(Facts::Sound {
        duration_ms,
        peaks: ear.peaks(),
    })
}

/// What sounds.
#[derive(Default)]
struct Packets {
    /// Each with how many samples of one channel it becomes.
    each: Vec<(Box<[u8]>, u64)>,
    frames: u64,
    /// Of the last packet, what isn't meant to be heard.
    end_trim: u64,
}

/// Listens.
struct Ear {
    decoder: Decoder,
    codec: AudioCodecId,
    rate: u32,
    channels: usize,
    /// The loudest sample in each hundredth of a second.
    loudest: Vec<f32>,
    heard: u64,
    samples: Vec<f32>,
    /// What was heard, where it is kept as it is.
    pcm: Option<Vec<i16>>,
}

enum Decoder {
    Opus(Box<ropus::Decoder>, Vec<i16>),
    Other(Box<dyn AudioDecoder>),
}

impl Ear {
    fn new(name: &str, parameters: &AudioCodecParameters) -> Result<Self> {
        let unknown = |why: &dyn std::fmt::Display| {
            Refusal(format!(
                "The sound in this {name} file is of a kind that isn't taken ({why}). MP3, Opus, Vorbis, AAC (LC), FLAC and PCM are."
            ))
        };
        let channels = parameters.channels.as_ref().map(|channels| channels.count());
        if channels.is_some_and(|channels| channels > 2) {
            return Err(Refusal::new(
                "This sound has more than two channels. Save it in stereo.",
            ));
        }
        let (decoder, rate) = if parameters.codec == CODEC_ID_OPUS {
            let (channels, of) = match opus_head(parameters)?.channels {
                1 => (1, Channels::Mono),
                _ => (2, Channels::Stereo),
            };
            let decoder = ropus::Decoder::new(48_000, of).map_err(|error| unknown(&error))?;
            (
                Decoder::Opus(Box::new(decoder), vec![0; OPUS_FRAMES_MOST * channels]),
                48_000,
            )
        } else {
            let options = AudioDecoderOptions::default();
            let decoder = get_codecs().make_audio_decoder(parameters, &options);
            let decoder = decoder.map_err(|error| unknown(&error))?;
            (Decoder::Other(decoder), parameters.sample_rate.unwrap_or(0))
        };
        let is_packed = [
            CODEC_ID_OPUS,
            CODEC_ID_VORBIS,
            CODEC_ID_MP3,
            CODEC_ID_FLAC,
            CODEC_ID_AAC,
        ]
        .contains(&parameters.codec);
        Ok(Self {
            decoder,
            codec: parameters.codec,
            rate,
            channels: channels.unwrap_or(0),
            loudest: Vec::new(),
            heard: 0,
            samples: Vec::new(),
            pcm: (!is_packed).then(Vec::new),
        })
    }

    /// Hears a packet; how many samples of one channel it became.
    fn hear(&mut self, packet: &Packet) -> std::result::Result<u64, String> {
        let (rate, channels) = match &mut self.decoder {
            Decoder::Opus(decoder, pcm) => {
                let frames = decoder
                    .decode(&packet.data, pcm, DecodeMode::Normal)
                    .map_err(|error| error.to_string())?;
                let channels = pcm.len() / OPUS_FRAMES_MOST;
                self.samples.clear();
                let heard = pcm[..frames * channels].iter();
                self.samples.extend(heard.map(|sample| f32::from(*sample) / 32_768.0));
                (48_000, channels)
            }
            Decoder::Other(decoder) => {
                let heard = decoder.decode(packet).map_err(|error| error.to_string())?;
                let (rate, channels) = (heard.spec().rate(), heard.spec().channels().count());
                heard.copy_to_vec_interleaved(&mut self.samples);
                (rate, channels)
            }
        };
        if self.heard == 0 {
            (self.rate, self.channels) = (rate, channels);
        }
        if channels == 0 || channels > 2 || !(4_000..=192_000).contains(&rate) {
            return Err(format!("{channels} channels at {rate} Hz"));
        }
        if (self.rate, self.channels) != (rate, channels) {
            return Err("it changes its rate".into());
        }
        let frames = self.samples.len() / channels;
        for (nth, frame) in self.samples.chunks_exact(channels).enumerate() {
            let part = ((self.heard + nth as u64) * PARTS_PER_SECOND / u64::from(rate)) as usize;
            if part >= self.loudest.len() {
                self.loudest.resize(part + 1, 0.0);
            }
            let loudest = &mut self.loudest[part];
            // What isn't a number is silent.
            *loudest = frame.iter().fold(*loudest, |most, sample| most.max(sample.abs()));
        }
        if let Some(pcm) = &mut self.pcm {
            pcm.extend(
                self.samples
                    .iter()
                    .map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16),
            );
        }
        self.heard += frames as u64;
        Ok(frames as u64)
    }

    /// The loudest of each of [`PEAKS`] equal parts, the loudest of all 255.
    fn peaks(&self) -> Vec<u8> {
        let loudest = self.loudest.iter().copied().fold(0.0, f32::max);
        let of = |nth: usize| {
            let from = nth * self.loudest.len() / PEAKS;
            let to = ((nth + 1) * self.loudest.len()).div_ceil(PEAKS).max(from + 1);
            let part = &self.loudest[from.min(self.loudest.len())..to.min(self.loudest.len())];
            part.iter().copied().fold(0.0, f32::max)
        };
        (0..PEAKS)
            .map(|nth| {
                if loudest > 0.0 {
                    (of(nth) / loudest * 255.0) as u8
                } else {
                    0
                }
            })
            .collect()
    }
}

/// Writes what sounds; how long it is, in milliseconds.
fn write(out: &mut Out, parameters: &AudioCodecParameters, ear: &Ear, all: &Packets) -> Result<u32> {
    let format = match ear.codec {
        CODEC_ID_OPUS => Format::OggOpus,
        CODEC_ID_VORBIS => Format::OggVorbis,
        CODEC_ID_MP3 => Format::Mp3,
        CODEC_ID_FLAC => Format::Flac,
        CODEC_ID_AAC => Format::Aac,
        _ => Format::Wav,
    };
    let file = File {
        variant: Variant::Sound,
        format,
        width: 0,
        height: 0,
    };
    let mut to = std::io::BufWriter::with_capacity(32 * 1024, out.file(file)?);
    let mut frames = all.frames;
    match format {
        Format::OggOpus => {
            let head = opus_head(parameters)?;
            let skip = u64::from(head.skip).min(all.frames);
            write_ogg(&mut to, &head.written(), &[&OPUS_TAGS[..]], all)?;
            frames = (all.frames - all.end_trim).saturating_sub(skip);
        }
        Format::OggVorbis => {
            let extra = parameters.extra_data.as_deref().unwrap_or(&[]);
            let (identification, setup) = extra
                .split_at_checked(VORBIS_IDENTIFICATION)
                .ok_or_else(|| broken("Vorbis", "it has no headers"))?;
            write_ogg(&mut to, identification, &[&VORBIS_TAGS[..], setup], all)?;
            frames = all.frames - all.end_trim;
        }
        Format::Mp3 => write_mp3(&mut to, all)?,
        Format::Flac => write_flac(&mut to, parameters, all)?,
        Format::Aac => write_adts(&mut to, parameters, all)?,
        _ => write_wav(&mut to, ear)?,
    }
    to.flush()?;
    Ok((frames * 1_000 / u64::from(ear.rate)).try_into().unwrap_or(u32::MAX))
}

/// No comments, by us. (RFC 7845, 5.2)
const OPUS_TAGS: [u8; 24] = *b"OpusTags\x08\0\0\0neospace\0\0\0\0";
/// The same for Vorbis, with its framing bit.
const VORBIS_TAGS: [u8; 24] = *b"\x03vorbis\x08\0\0\0neospace\0\0\0\0\x01";

/// What an Opus stream begins with. (RFC 7845, 5.1)
struct OpusHead {
    channels: u8,
    skip: u16,
    gain: i16,
}

impl OpusHead {
    fn written(&self) -> Vec<u8> {
        let mut head = b"OpusHead\x01".to_vec();
        head.push(self.channels);
        head.extend(self.skip.to_le_bytes());
        head.extend(48_000u32.to_le_bytes());
        head.extend(self.gain.to_le_bytes());
        head.push(0);
        head
    }
}

fn opus_head(parameters: &AudioCodecParameters) -> Result<OpusHead> {
    match parameters.extra_data.as_deref() {
        Some(
            [
                b'O',
                b'p',
                b'u',
                b's',
                b'H',
                b'e',
                b'a',
                b'd',
                _,
                channels @ 1..=2,
                a,
                b,
                _,
                _,
                _,
                _,
                c,
                d,
                _,
                ..,
            ],
        ) => {
            Ok(OpusHead {
                channels: *channels,
                skip: u16::from_le_bytes([*a, *b]),
                // Softer is fine; who wants to be louder than others, 128 dB say, is not.
                gain: i16::from_le_bytes([*c, *d]).clamp(-30 * 256, 6 * 256),
            })
        }
        Some(_) => Err(Refusal::new(
            "This sound has more than two channels. Save it in stereo.",
        )),
        None => Err(broken("Opus", "it has no header")),
    }
}

/// Writes an Ogg stream: its first header on a page of its own, the others, and the packets with the times at which they end.
fn write_ogg(to: &mut impl Write, first: &[u8], headers: &[&[u8]], all: &Packets) -> Result<()> {
    use PacketWriteEndInfo::{EndPage, EndStream, NormalPacket};
    let mut ogg = PacketWriter::new(to);
    ogg.write_packet(first, SERIAL, EndPage, 0)?;
    for (nth, header) in headers.iter().enumerate() {
        let end = if nth + 1 == headers.len() {
            EndPage
        } else {
            NormalPacket
        };
        ogg.write_packet(*header, SERIAL, end, 0)?;
    }
    let mut time = 0;
    for (nth, (packet, frames)) in all.each.iter().enumerate() {
        time += frames;
        let last = nth + 1 == all.each.len();
        let (end, time) = match last {
            true => (EndStream, time - all.end_trim),
            false if (nth + 1) % PACKETS_ON_A_PAGE == 0 => (EndPage, time),
            false => (NormalPacket, time),
        };
        ogg.write_packet(&packet[..], SERIAL, end, time)?;
    }
    Ok(())
}

/// Writes MP3 frames behind a silent one with what players want to know beforehand: how many frames and bytes there are, and how
/// far in each hundredth of the time begins ("Xing").
fn write_mp3(to: &mut impl Write, all: &Packets) -> Result<()> {
    let header = all
        .each
        .first()
        .and_then(|(frame, _)| frame.first_chunk::<4>().copied());
    let header = header.ok_or_else(|| broken("MP3", "there is no frame in it"))?;
    if let Some(mut information) = xing_frame(header) {
        let bytes: u64 =
            information.bytes.len() as u64 + all.each.iter().map(|(frame, _)| frame.len() as u64).sum::<u64>();
        let at = information.at;
        let mut put =
            |offset: usize, value: &[u8]| information.bytes[at + offset..][..value.len()].copy_from_slice(value);
        // Frames, bytes and the table are there.
        put(0, b"Xing\0\0\0\x07");
        put(8, &(all.each.len() as u32).to_be_bytes());
        put(12, &(bytes as u32).to_be_bytes());
        let mut before = 0;
        let mut hundredth = 0;
        for (nth, (frame, _)) in all.each.iter().enumerate() {
            while hundredth < 100 && hundredth * all.each.len() <= nth * 100 {
                put(16 + hundredth, &[(before * 256 / bytes.max(1)) as u8]);
                hundredth += 1;
            }
            before += frame.len() as u64;
        }
        to.write_all(&information.bytes)?;
    }
    for (frame, _) in &all.each {
        to.write_all(frame)?;
    }
    Ok(())
}

struct Xing {
    bytes: Vec<u8>,
    /// Where the tag begins.
    at: usize,
}

/// An empty frame like one with this header; `None` for a kind of which no frame has the room.
fn xing_frame(header: [u8; 4]) -> Option<Xing> {
    let is_mpeg1 = header[1] & 0x18 == 0x18;
    let is_mono = header[3] & 0xc0 == 0xc0;
    let rate = match (header[1] & 0x18, header[2] & 0x0c) {
        (0x18, 0) => 44_100,
        (0x18, 4) => 48_000,
        (0x18, 8) => 32_000,
        (0x10, 0) => 22_050,
        (0x10, 4) => 24_000,
        (0x10, 8) => 16_000,
        (0, 0) => 11_025,
        (0, 4) => 12_000,
        (0, 8) => 8_000,
        _ => return None,
    };
    let side = match (is_mpeg1, is_mono) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    // 64 kbit/s: large enough for the table at any rate. Without a checksum.
    let (bitrate, coefficient) = if is_mpeg1 { (0x50, 144) } else { (0x80, 72) };
    let length = coefficient * 64_000 / rate;
    let mut bytes = vec![0; length];
    bytes[..4].copy_from_slice(&[0xff, header[1] | 1, bitrate | header[2] & 0x0c, header[3]]);
    let at = 4 + side;
    (length >= at + 116).then_some(Xing { bytes, at })
}

/// Writes FLAC frames behind the one block that is needed, without the checksum of a sound that may have lost a frame.
fn write_flac(to: &mut impl Write, parameters: &AudioCodecParameters, all: &Packets) -> Result<()> {
    let information = parameters
        .extra_data
        .as_deref()
        .and_then(|extra| extra.first_chunk::<34>());
    let mut information = *information.ok_or_else(|| broken("FLAC", "it has no header"))?;
    // 36 bits from the middle of the 14th byte: samples of one channel.
    information[13] = information[13] & 0xf0 | (all.frames >> 32) as u8 & 0x0f;
    information[14..18].copy_from_slice(&(all.frames as u32).to_be_bytes());
    information[18..].fill(0);
    to.write_all(b"fLaC\x80\0\0\x22")?;
    to.write_all(&information)?;
    for (frame, _) in &all.each {
        to.write_all(frame)?;
    }
    Ok(())
}

/// Writes AAC packets, each behind the seven bytes that make it a frame of a stream. (ISO/IEC 13818-7, 6.2)
fn write_adts(to: &mut impl Write, parameters: &AudioCodecParameters, all: &Packets) -> Result<()> {
    let Some([first, second, ..]) = parameters.extra_data.as_deref() else {
        return Err(broken("AAC", "it has no header"));
    };
    let (kind, rate, channels) = (first >> 3, (first & 7) << 1 | second >> 7, second >> 3 & 15);
    if kind != 2 || rate > 12 || !(1..=2).contains(&channels) {
        return Err(Refusal::new(
            "This sound is AAC of a rare kind. Save it as plain AAC (LC) in mono or stereo, or as MP3.",
        ));
    }
    for (packet, _) in &all.each {
        let length = u16::try_from(packet.len() + 7).ok().filter(|length| *length < 1 << 13);
        let length = length.ok_or_else(|| broken("AAC", "a packet is too long"))?;
        to.write_all(&[
            0xff,
            0xf1,
            (kind - 1) << 6 | rate << 2 | channels >> 2,
            (channels & 3) << 6 | (length >> 11) as u8,
            (length >> 3) as u8,
            (length << 5) as u8 | 0x1f,
            0xfc,
        ])?;
        to.write_all(packet)?;
    }
    Ok(())
}

/// Writes what was heard, 16 bits a sample.
fn write_wav(to: &mut impl Write, ear: &Ear) -> Result<()> {
    let pcm = ear.pcm.as_deref().unwrap_or(&[]);
    let (channels, bytes) = (ear.channels as u16, pcm.len() as u32 * 2);
    to.write_all(b"RIFF")?;
    to.write_all(&(36 + bytes).to_le_bytes())?;
    to.write_all(b"WAVEfmt \x10\0\0\0\x01\0")?;
    to.write_all(&channels.to_le_bytes())?;
    to.write_all(&ear.rate.to_le_bytes())?;
    to.write_all(&(ear.rate * u32::from(channels) * 2).to_le_bytes())?;
    to.write_all(&(channels * 2).to_le_bytes())?;
    to.write_all(b"\x10\0data")?;
    to.write_all(&bytes.to_le_bytes())?;
    for sample in pcm {
        to.write_all(&sample.to_le_bytes())?;
    }
    Ok(())
}
