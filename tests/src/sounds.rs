//! Sounds that tests upload: a tone in every container, and parts of which odd ones are put together.

/// A tone of one second, with tags; see `tests/sounds/README.md`.
pub const MP3: &[u8] = include_bytes!("../sounds/tone.mp3");
pub const M4A: &[u8] = include_bytes!("../sounds/tone.m4a");
pub const FLAC: &[u8] = include_bytes!("../sounds/tone.flac");
/// As Chromium records it.
pub const WEBM: &[u8] = include_bytes!("../sounds/tone.webm");
/// As Firefox records it.
pub const OPUS: &[u8] = include_bytes!("../sounds/tone-opus.ogg");
pub const VORBIS: &[u8] = include_bytes!("../sounds/tone-vorbis.ogg");

/// What stands in the tags of those.
pub const TAGS: [&str; 4] = [
    "CANARY-TITLE",
    "CANARY-ARTIST",
    "<script>alert(1)</script>",
    "+35.7511+120.2831",
];

/// All of them, with what each becomes.
pub const ALL: [(&str, &[u8], &str); 6] = [
    ("tone.mp3", MP3, "audio/mpeg"),
    ("tone.m4a", M4A, "audio/aac"),
    ("tone.flac", FLAC, "audio/flac"),
    ("tone.webm", WEBM, "audio/ogg"),
    ("tone.ogg", OPUS, "audio/ogg"),
    ("tune.ogg", VORBIS, "audio/ogg"),
];

/// A WAV of 16 bits a sample that swells and fades.
pub fn wav(rate: u32, channels: u16, ms: u32) -> Vec<u8> {
    let frames = u64::from(rate) * u64::from(ms) / 1_000;
    let samples = (0..frames).flat_map(|frame| {
        let along = frame as f64 / frames as f64;
        let tone = (frame as f64 / f64::from(rate) * 440.0 * std::f64::consts::TAU).sin();
        let sample = (20_000.0 * (along * std::f64::consts::PI).sin() * tone) as i16;
        std::iter::repeat_n(sample, channels.into()).flat_map(i16::to_le_bytes)
    });
    wav_of(1, channels, rate, 16, &samples.collect::<Vec<u8>>(), &[])
}

/// A WAV with this format, these samples, and further chunks.
pub fn wav_of(
    format: u16,
    channels: u16,
    rate: u32,
    bits: u16,
    samples: &[u8],
    more: &[(&[u8; 4], Vec<u8>)],
) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    let mut put = |name: &[u8; 4], content: &[u8]| {
        body.extend(name);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend(content);
        if content.len() % 2 == 1 {
            body.push(0);
        }
    };
    let block = channels.wrapping_mul(bits / 8);
    let mut head = Vec::new();
    head.extend(format.to_le_bytes());
    head.extend(channels.to_le_bytes());
    head.extend(rate.to_le_bytes());
    head.extend(rate.wrapping_mul(block.into()).to_le_bytes());
    head.extend(block.to_le_bytes());
    head.extend(bits.to_le_bytes());
    put(b"fmt ", &head);
    more.iter().for_each(|(name, content)| put(name, content));
    put(b"data", samples);
    [b"RIFF".to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body].concat()
}

/// MP3 frames of silence: 128 kbit/s, 44.1 kHz, stereo, 26 ms each.
pub fn silent_mp3(frames: usize) -> Vec<u8> {
    let mut frame = vec![0; 417];
    frame[..4].copy_from_slice(b"\xff\xfb\x90\x00");
    frame.repeat(frames)
}

/// An ID3v2 tag with one frame.
pub fn id3(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let syncsafe = |size: usize| [size >> 21, size >> 14, size >> 7, size].map(|part| (part & 0x7f) as u8);
    let mut tag = b"ID3\x04\0\0".to_vec();
    tag.extend(syncsafe(content.len() + 10));
    tag.extend(name);
    tag.extend(syncsafe(content.len()));
    tag.extend([0, 0]);
    tag.extend(content);
    tag
}

/// A page of an Ogg stream with packets of less than 255 bytes each.
pub fn ogg_page(flags: u8, granule: u64, number: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(granule.to_le_bytes());
    page.extend(7u32.to_le_bytes());
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.push(packets.len() as u8);
    page.extend(packets.iter().map(|packet| packet.len() as u8));
    packets.iter().for_each(|packet| page.extend(*packet));
    let crc = page.iter().fold(0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x04c1_1db7
            }
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

/// An Ogg stream of silent Opus packets of 20 ms behind these headers.
pub fn opus(head: &[u8], tags: &[u8], packets: usize) -> Vec<u8> {
    let mut file = ogg_page(2, 0, 0, &[head]);
    file.extend(ogg_page(0, 0, 1, &[tags]));
    for nth in 0..packets {
        let flags = if nth + 1 == packets { 4 } else { 0 };
        // A silent frame of CELT.
        file.extend(ogg_page(
            flags,
            (nth as u64 + 1) * 960,
            nth as u32 + 2,
            &[b"\xf8\xff\xfe"],
        ));
    }
    file
}

/// What an Opus stream begins with.
pub fn opus_head(channels: u8, skip: u16, gain: i16) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend(skip.to_le_bytes());
    head.extend(48_000u32.to_le_bytes());
    head.extend(gain.to_le_bytes());
    head.push(0);
    head
}

/// A box of an MP4.
pub fn mp4_box(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes(), &name[..], content].concat()
}

/// Puts something in the place of bytes that occur in a file, of the same length.
pub fn patched(file: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let at = memchr::memmem::find(file, old).expect("it occurs");
    [&file[..at], new, &file[at + old.len()..]].concat()
}
