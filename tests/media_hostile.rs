//! Uploads that are wrong: bombs, polyglots, what is cut off, what lies about itself, what tells where somebody lives. Each is
//! refused with a sentence, or made harmless; the worker stays within its memory, and nothing of what must not come out does.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use flate2::{Compression, write::ZlibEncoder};
use image::ImageFormat;
use neospace_tests::{Person, Server, pictures, process::Process, sounds};
use serde_json::Value;

/// What must not come out, whatever went in: scripts, other formats, tags, places.
const NEVER: [&[u8]; 16] = [
    b"<script",
    b"<svg",
    b"<html",
    b"<?php",
    b"<!DOCTYPE",
    b"alert(",
    b"%PDF",
    b"PK\x03\x04",
    b"MZ\x90\0",
    b"\x7fELF",
    b"CANARY",
    b"exif:GPS",
    b"Exif\0\0",
    b"Canary Optics",
    pictures::PLACE[0],
    pictures::PLACE[1],
];
/// What pages, scripts and archives begin with, and are hidden behind pictures as.
const PAYLOADS: [(&str, &[u8]); 8] = [
    ("html", b"<!DOCTYPE html><html><script>alert('CANARY')</script></html>"),
    ("script", b"\n*/=alert('CANARY');//"),
    ("php", b"<?php system($_GET['CANARY']); ?>"),
    ("pdf", b"%PDF-1.7\n1 0 obj<</CANARY 1>>endobj\n%%EOF"),
    ("zip", b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0CANARY.jsp"),
    ("exe", b"MZ\x90\0\x03CANARY"),
    ("elf", b"\x7fELF\x02\x01\x01CANARY"),
    (
        "svg",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(`CANARY`)'/>",
    ),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Refused,
    /// Taken, and made anew without what was wrong.
    Harmless,
    /// Either, with all that holds for it.
    Either,
}
use Fate::{Either, Harmless, Refused};

#[derive(Default)]
struct Cases(Vec<(String, Vec<u8>, Fate)>);

impl Cases {
    fn add(&mut self, name: impl Into<String>, file: impl Into<Vec<u8>>, fate: Fate) {
        self.0.push((name.into(), file.into(), fate));
    }

    /// A file that ends too early, in several ways.
    fn cut(&mut self, what: &str, file: &[u8], fate: Fate) {
        for percent in [2, 25, 60, 90] {
            let cut = &file[..file.len() * percent / 100];
            self.add(format!("{what} cut off after {percent} %"), cut, fate);
        }
    }

    /// A file with something else behind it.
    fn followed(&mut self, what: &str, file: &[u8]) {
        for (name, payload) in PAYLOADS {
            self.add(
                format!("{what} with {name} behind it"),
                [file, payload].concat(),
                Harmless,
            );
        }
    }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).expect("it packs");
    packed.finish().expect("it packs")
}

/// A megabyte of zeros, so many times, packed.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..megabytes).for_each(|_| packed.write_all(&zeros).expect("it packs"));
    packed.finish().expect("it packs")
}

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

fn header(width: u32, height: u32, depth: u8, colour: u8, more: [u8; 3]) -> Vec<u8> {
    let mut header = width.to_be_bytes().to_vec();
    header.extend(height.to_be_bytes());
    header.extend([depth, colour]);
    header.extend(more);
    pictures::chunk(b"IHDR", &header)
}

/// A PNG of a header, chunks in between, packed pixels and an end.
fn png_of(header: Vec<u8>, between: &[Vec<u8>], packed: &[u8]) -> Vec<u8> {
    let pixels = pictures::chunk(b"IDAT", packed);
    [
        SIGNATURE,
        &header,
        &between.concat(),
        &pixels,
        &pictures::chunk(b"IEND", b""),
    ]
    .concat()
}

fn control(sequence: u32, width: u32, height: u32, x: u32) -> Vec<u8> {
    let mut control = Vec::new();
    for number in [sequence, width, height, x, 0] {
        control.extend(number.to_be_bytes());
    }
    control.extend([0, 1, 0, 20, 0, 0]);
    pictures::chunk(b"fcTL", &control)
}

fn pngs(cases: &mut Cases) {
    let png = pictures::png(64, 48);
    let plain = |depth, colour, more| header(16, 16, depth, colour, more);
    let pixels = zlib(&[0; 17 * 16]);
    for (width, height) in [
        (65_535, 65_535),
        (0, 16),
        (16, 0),
        (u32::MAX, u32::MAX),
        (1 << 31, 1),
        (24_001, 1_000),
        (1, 24_000_001),
        (20_000, 20_000),
    ] {
        let file = png_of(header(width, height, 8, 2, [0; 3]), &[], &pixels);
        cases.add(format!("PNG of {width} × {height}"), file, Refused);
    }
    // 24 million pixels of nothing in a few kilobytes: as large as is allowed, and packed like a bomb.
    let all = |bytes: usize| bomb(bytes.div_ceil(1 << 20));
    cases.add(
        "PNG bomb, 24 megapixels",
        png_of(header(6_000, 4_000, 8, 2, [0; 3]), &[], &all(72_010_000)),
        Either,
    );
    cases.add(
        "PNG bomb, 16 bits a channel",
        png_of(header(6_000, 4_000, 16, 6, [0; 3]), &[], &all(192_010_000)),
        Either,
    );
    cases.add(
        "PNG bomb, interlaced",
        png_of(header(5_000, 4_000, 8, 6, [0, 0, 1]), &[], &all(80_100_000)),
        Either,
    );
    cases.add(
        "PNG with more pixels than it has",
        png_of(plain(8, 0, [0; 3]), &[], &bomb(600)),
        Either,
    );
    cases.add(
        "PNG with fewer pixels than it has",
        png_of(header(999, 999, 8, 2, [0; 3]), &[], &pixels),
        Refused,
    );
    for (name, depth, colour, more) in [
        ("colours of kind 1", 8, 1, [0; 3]),
        ("colours of kind 5", 8, 5, [0; 3]),
        ("3 bits a channel", 3, 0, [0; 3]),
        ("2 bits of red", 2, 2, [0; 3]),
        ("a packing of its own", 8, 0, [7, 0, 0]),
        ("a filter of its own", 8, 0, [0, 9, 0]),
        ("an interlacing of its own", 8, 0, [0, 0, 5]),
        ("a table of colours that is missing", 8, 3, [0; 3]),
    ] {
        cases.add(
            format!("PNG with {name}"),
            png_of(plain(depth, colour, more), &[], &pixels),
            Refused,
        );
    }
    let palette = pictures::chunk(b"PLTE", &[1, 2, 3]);
    cases.add(
        "PNG with colours beyond its table",
        png_of(plain(8, 3, [0; 3]), &[palette], &zlib(&[9; 17 * 16])),
        Either,
    );
    cases.add(
        "PNG with rows filtered by nothing known",
        png_of(plain(8, 0, [0; 3]), &[], &zlib(&[7; 17 * 16])),
        Either,
    );
    cases.add(
        "PNG that isn't packed",
        png_of(plain(8, 0, [0; 3]), &[], &[0; 300]),
        Refused,
    );
    cases.add(
        "PNG without pixels",
        [SIGNATURE, &plain(8, 0, [0; 3]), &pictures::chunk(b"IEND", b"")].concat(),
        Refused,
    );
    cases.add("PNG that is nothing but its signature", SIGNATURE, Refused);
    cases.add(
        "PNG with two headers",
        png_of(plain(8, 0, [0; 3]), &[plain(8, 2, [0; 3])], &pixels),
        Either,
    );
    cases.add(
        "PNG with a broken header's checksum",
        [&png[..29], b"\0\0\0\0", &png[33..]].concat(),
        Refused,
    );
    let broken = memchr::memmem::find(&png, b"IDAT").expect("pixels") + 8;
    let mut file = png.clone();
    file[broken..broken + 8].fill(0xaa);
    cases.add("PNG with broken pixels", file, Refused);
    cases.cut("PNG", &png, Refused);
    cases.followed("PNG", &png);
    let before = |name: &[u8; 4], content: &[u8]| pictures::with_chunk(&png, name, content, b"IDAT");
    cases.add(
        "PNG with a script in a comment",
        before(b"tEXt", b"Comment\0<script>alert(1)</script>"),
        Harmless,
    );
    cases.add(
        "PNG with a bomb in a comment",
        before(b"zTXt", &[b"Comment\0\0".to_vec(), bomb(500)].concat()),
        Either,
    );
    cases.add(
        "PNG with a bomb in a long comment",
        before(b"iTXt", &[b"XML:com\0\x01\0\0\0".to_vec(), bomb(300)].concat()),
        Either,
    );
    cases.add(
        "PNG with a bomb as its profile",
        before(b"iCCP", &[b"icc\0\0".to_vec(), bomb(400)].concat()),
        Either,
    );
    cases.add(
        "PNG with nonsense as its profile",
        before(b"iCCP", &[b"icc\0\0".to_vec(), zlib(b"CANARY")].concat()),
        Harmless,
    );
    cases.add(
        "PNG with EXIF and a place",
        before(b"eXIf", &pictures::exif(6)),
        Harmless,
    );
    cases.add(
        "PNG with EXIF as a text",
        before(b"tEXt", &[b"Raw profile type exif\0", &pictures::exif(1)[..]].concat()),
        Harmless,
    );
    cases.add(
        "PNG with XMP and a place",
        before(
            b"iTXt",
            b"XML:com.adobe.xmp\0\0\0\0\0<x exif:GPSLatitude='54,21.1N'/>CANARY",
        ),
        Harmless,
    );
    cases.add(
        "PNG with a chunk of its own",
        before(b"caNy", b"CANARY <script>alert(1)</script>"),
        Harmless,
    );
    let mut many = png[..33].to_vec();
    (0..60_000).for_each(|_| many.extend(pictures::chunk(b"tEXt", b"a\0CANARY")));
    many.extend(&png[33..]);
    cases.add("PNG with 60,000 comments", many, Either);
    let mut endless = png.clone();
    endless[33..37].fill(0xff);
    cases.add("PNG with a chunk of four gigabytes", endless, Refused);
    let moving = pictures::moving_png(40, 30, 4);
    cases.cut("moving PNG", &moving, Either);
    let says = |frames: u32| {
        let at = memchr::memmem::find(&moving, b"acTL").expect("it moves");
        let says = pictures::chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat());
        [&moving[..at - 4], &says, &moving[at + 16..]].concat()
    };
    for frames in [0, 3, 5, 100_000, u32::MAX] {
        cases.add(format!("PNG of 4 frames that says {frames}"), says(frames), Either);
    }
    let acts = |frames: u32| pictures::chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat());
    let outside = [acts(2), control(0, 900, 900, 900)];
    cases.add(
        "PNG whose frame lies outside",
        png_of(plain(8, 0, [0; 3]), &outside, &pixels),
        Refused,
    );
    let canvas = [acts(2), control(0, 5_000, 4_000, 0)];
    cases.add(
        "moving PNG of 20 megapixels",
        png_of(header(5_000, 4_000, 8, 0, [0; 3]), &canvas, &bomb(20)),
        Refused,
    );
    let mut thousands = [SIGNATURE, &header(8, 8, 8, 0, [0; 3]), &acts(3_000)].concat();
    let frame = zlib(&[0; 9 * 8]);
    thousands.extend([control(0, 8, 8, 0), pictures::chunk(b"IDAT", &frame)].concat());
    for nth in 1..3_000u32 {
        thousands.extend(control(nth * 2 - 1, 8, 8, 0));
        thousands.extend(pictures::chunk(
            b"fdAT",
            &[&(nth * 2).to_be_bytes()[..], &frame].concat(),
        ));
    }
    thousands.extend(pictures::chunk(b"IEND", b""));
    cases.add("PNG of 3,000 frames", thousands, Refused);
}

fn jpegs(cases: &mut Cases) {
    let jpeg = pictures::jpeg(240, 160);
    let size_at = memchr::memmem::find(&jpeg, b"\xff\xc0").expect("a frame") + 5;
    let sized = |width: u16, height: u16| {
        let mut file = jpeg.clone();
        file[size_at..size_at + 2].copy_from_slice(&height.to_be_bytes());
        file[size_at + 2..size_at + 4].copy_from_slice(&width.to_be_bytes());
        file
    };
    for (width, height, fate) in [
        (65_535, 65_535, Refused),
        (65_535, 400, Refused),
        (0, 100, Refused),
        (100, 0, Refused),
        (6_000, 4_000, Refused),
        (6_001, 4_000, Refused),
    ] {
        cases.add(format!("JPEG that says {width} × {height}"), sized(width, height), fate);
    }
    cases.cut("JPEG", &jpeg, Refused);
    cases.followed("JPEG", &jpeg);
    let kind = |kind: u8| {
        let mut file = jpeg.clone();
        file[size_at - 4] = kind;
        file
    };
    for (name, of) in [
        ("lossless", 0xc3),
        ("progressive", 0xc2),
        ("arithmetic", 0xc9),
        ("differential", 0xc5),
    ] {
        cases.add(format!("JPEG that says it is {name}"), kind(of), Either);
    }
    let mut deep = jpeg.clone();
    deep[size_at - 1] = 12;
    cases.add("JPEG of 12 bits a channel", deep, Refused);
    for (name, at, value) in [
        ("no channels", 4, 0),
        ("9 channels", 4, 9),
        ("a sampling of 0", 6, 0),
        ("a sampling of 15", 6, 0xff),
    ] {
        let mut file = jpeg.clone();
        file[size_at + at] = value;
        cases.add(format!("JPEG with {name}"), file, Either);
    }
    let without = |marker: u8| {
        let mut file = jpeg.clone();
        let marker = [0xff, marker];
        while let Some(at) = memchr::memmem::find(&file, &marker) {
            file[at + 1] = 0xec;
        }
        file
    };
    cases.add("JPEG without Huffman tables", without(0xc4), Either);
    cases.add("JPEG without quantization", without(0xdb), Refused);
    cases.add("JPEG without a scan", without(0xda), Either);
    cases.add("JPEG of a beginning and an end", b"\xff\xd8\xff\xd9".to_vec(), Refused);
    cases.add(
        "JPEG of noise",
        [b"\xff\xd8\xff\xe0".to_vec(), vec![0xa5; 4_000]].concat(),
        Refused,
    );
    for orientation in [0, 3, 6, 9, 65_535] {
        cases.add(
            format!("JPEG with a place, held {orientation}"),
            pictures::telephone(300, 200, orientation),
            Harmless,
        );
    }
    let exif = [b"Exif\0\0".to_vec(), pictures::exif(1)].concat();
    let twice = pictures::with_segment(&pictures::telephone(300, 200, 6), 0xe1, &exif);
    cases.add("JPEG with a place twice", twice, Harmless);
    // A small picture of its own with a place of its own: where other programs forget to look.
    let thumbnail = pictures::telephone(60, 40, 1);
    let nested = pictures::with_segment(&jpeg, 0xe1, &[&exif, &thumbnail[..]].concat());
    cases.add("JPEG with a place in its thumbnail", nested, Harmless);
    let mut endless = exif.clone();
    // The next directory after the first is the first.
    endless[6 + 46..6 + 50].copy_from_slice(&8u32.to_be_bytes());
    cases.add(
        "JPEG with EXIF that turns in circles",
        pictures::with_segment(&jpeg, 0xe1, &endless),
        Harmless,
    );
    let mut lost = exif.clone();
    lost[6 + 4..6 + 8].copy_from_slice(&u32::MAX.to_be_bytes());
    cases.add(
        "JPEG with EXIF that points nowhere",
        pictures::with_segment(&jpeg, 0xe1, &lost),
        Harmless,
    );
    let segments: [(&str, u8, &[u8]); 7] = [
        (
            "XMP and a place",
            0xe1,
            b"http://ns.adobe.com/xap/1.0/\0<x exif:GPSLatitude='54,21.1N'>CANARY</x>",
        ),
        ("IPTC", 0xed, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0eCANARY city"),
        ("a script as a comment", 0xfe, b"<script>alert('CANARY')</script>"),
        ("a page as a comment", 0xfe, b"<!DOCTYPE html><html>CANARY<!--"),
        ("nonsense as its profile", 0xe2, b"ICC_PROFILE\0\x01\x01CANARY"),
        ("the 3rd part of a profile of 2", 0xe2, b"ICC_PROFILE\0\x03\x02CANARY"),
        ("a segment of its own", 0xef, b"CANARY <?php evil(); ?>"),
    ];
    for (name, marker, content) in segments {
        cases.add(
            format!("JPEG with {name}"),
            pictures::with_segment(&jpeg, marker, content),
            Harmless,
        );
    }
    let scriptish = [
        b"\xff\xd8\xff\xe0\x2f\x2a".to_vec(),
        b"CANARY*/=alert(1)/*".repeat(600),
        jpeg[2..].to_vec(),
    ]
    .concat();
    cases.add("JPEG that is a script too", scriptish, Either);
    let mut many = jpeg[..2].to_vec();
    (0..60_000).for_each(|_| many.extend(b"\xff\xfe\0\x08CANARY"));
    many.extend(&jpeg[2..]);
    cases.add("JPEG with 60,000 comments", many, Either);
    cases.add(
        "two JPEGs, the second with a place",
        [&jpeg[..], &pictures::telephone(300, 200, 1)].concat(),
        Harmless,
    );
    let scan = memchr::memmem::find(&jpeg, b"\xff\xda").expect("a scan");
    let scans = [&jpeg[..], &jpeg[scan..jpeg.len() - 2].repeat(600), b"\xff\xd9"].concat();
    cases.add("JPEG of 600 scans", scans, Either);
    let mut noise = jpeg.clone();
    for (nth, byte) in noise[scan + 20..].iter_mut().enumerate() {
        *byte ^= (nth * 37 % 251) as u8;
    }
    cases.add("JPEG with noise for pixels", noise, Either);
}

fn gifs(cases: &mut Cases) {
    let gif = pictures::gif(60, 40, 3);
    let mut huge = gif.clone();
    huge[6..10].fill(0xff);
    cases.add("GIF of 65,535 × 65,535", huge, Refused);
    let mut empty = gif.clone();
    empty[6..10].fill(0);
    cases.add("GIF of 0 × 0", empty, Refused);
    cases.add("GIF of 100,000 frames", pictures::gif(1, 1, 1).frames(100_000), Refused);
    cases.add("GIF of 1,001 frames", pictures::gif(2, 2, 1_001), Refused);
    let large = pictures::gif(4_800, 4_800, 1).frames(30);
    cases.add("GIF of 700 million pixels in all", large, Refused);
    cases.cut("GIF", &gif, Either);
    cases.followed("GIF", &gif);
    let frame = memchr::memchr(b',', &gif[20..]).expect("a frame") + 20;
    let patched = |at: usize, with: &[u8]| {
        let mut file = gif.clone();
        file[at..at + with.len()].copy_from_slice(with);
        file
    };
    cases.add(
        "GIF whose frame lies outside",
        patched(frame + 1, &[0xff, 0x7f]),
        Refused,
    );
    cases.add(
        "GIF whose frame is too wide",
        patched(frame + 5, &[0xff, 0xff]),
        Refused,
    );
    cases.add("GIF whose frame has no pixels", patched(frame + 5, &[0, 0]), Either);
    for (size, fate) in [(0, Either), (12, Refused), (255, Refused)] {
        let file = patched(frame + 10, &[size]);
        cases.add(format!("GIF packed with codes of {size} bits"), file, fate);
    }
    let extension = |label: u8, content: &[u8]| {
        let mut block = vec![0x21, label];
        for part in content.chunks(255) {
            block.push(part.len() as u8);
            block.extend(part);
        }
        block.push(0);
        [&gif[..frame - 8], &block, &gif[frame - 8..]].concat()
    };
    cases.add(
        "GIF with a script as a comment",
        extension(0xfe, b"<script>alert('CANARY')</script>"),
        Harmless,
    );
    cases.add(
        "GIF with XMP and a place",
        extension(0xff, b"XMP DataXMP<x exif:GPSLatitude='54,21.1N'>CANARY</x>"),
        Either,
    );
    cases.add("GIF with text", extension(0x01, b"CANARYCANARY<html>"), Either);
    cases.add(
        "GIF with an extension of its own",
        extension(0x77, b"CANARY <?php evil(); ?>"),
        Either,
    );
    // Where 768 bytes of one's own stand in a row.
    let script = b"<script>alert('CANARY')</script><svg onload=alert(1)><?php CANARY ?>";
    let mut colours = script.to_vec();
    colours.resize(768, b' ');
    let mut coloured = Vec::new();
    let mut encoder = gif::Encoder::new(&mut coloured, 16, 16, &colours).expect("a GIF");
    let pixels: Vec<u8> = (0..=255).collect();
    for _ in 0..2 {
        let frame = gif::Frame {
            width: 16,
            height: 16,
            palette: Some(colours.clone()),
            buffer: (&pixels[..]).into(),
            ..gif::Frame::default()
        };
        encoder.write_frame(&frame).expect("a frame");
    }
    drop(encoder);
    cases.add("GIF with a script as its colours", coloured, Harmless);
    let scriptish = [b"GIF89a=1/*".to_vec(), vec![0; 40], b"*/;alert('CANARY')//".to_vec()].concat();
    cases.add("GIF that is a script", scriptish, Refused);
    cases.add(
        "GIF of a header",
        b"GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xff\xff\xff;".to_vec(),
        Refused,
    );
}

/// Repeats the one frame of a GIF.
trait Frames {
    fn frames(self, number: usize) -> Vec<u8>;
}

impl Frames for Vec<u8> {
    fn frames(self, number: usize) -> Vec<u8> {
        let from = memchr::memmem::find(&self, b"\x21\xf9").expect("a frame");
        let (head, frame) = (&self[..from], &self[from..self.len() - 1]);
        [head, &frame.repeat(number), b";"].concat()
    }
}

fn webps(cases: &mut Cases) {
    let webp = pictures::webp(64, 48);
    cases.cut("WebP", &webp, Refused);
    cases.followed("WebP", &webp);
    let extended = |flags: u8, width: u32, height: u32, more: &[u8]| {
        let mut file = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0".to_vec();
        file.extend([flags, 0, 0, 0]);
        file.extend(&(width - 1).to_le_bytes()[..3]);
        file.extend(&(height - 1).to_le_bytes()[..3]);
        file.extend(more);
        let length = file.len() as u32 - 8;
        file[4..8].copy_from_slice(&length.to_le_bytes());
        file
    };
    let still = &webp[12..];
    cases.add(
        "WebP that says 16,384 × 16,384",
        extended(0, 16_384, 16_384, still),
        Refused,
    );
    cases.add(
        "WebP that says 6,000 × 4,000",
        extended(0, 6_000, 4_000, still),
        Refused,
    );
    cases.add("WebP that lies about its size", extended(0, 65, 48, still), Refused);
    cases.add("WebP that moves without frames", extended(2, 64, 48, still), Refused);
    cases.add("WebP of a header", b"RIFF\x04\0\0\0WEBP".to_vec(), Refused);
    let with = |flags: u8, name: &[u8; 4], content: &[u8]| {
        pictures::with_riff_chunk(&extended(flags, 64, 48, still), name, content)
    };
    cases.add(
        "WebP with EXIF and a place",
        with(0x18, b"EXIF", &pictures::exif(6)),
        Harmless,
    );
    cases.add(
        "WebP with XMP and a place",
        with(0x14, b"XMP ", b"<x exif:GPSLatitude='54,21.1N'>CANARY</x>"),
        Harmless,
    );
    cases.add(
        "WebP with a chunk of its own",
        with(0x10, b"evil", b"CANARY <script>alert(1)</script>"),
        Harmless,
    );
    cases.add(
        "WebP with nonsense as its profile",
        with(0x30, b"ICCP", b"CANARY"),
        Harmless,
    );
    let mut frames = b"ANIM\x06\0\0\0\0\0\0\0\0\0".to_vec();
    let mut one = Vec::new();
    one.extend([0; 6]);
    one.extend(&63u32.to_le_bytes()[..3]);
    one.extend(&47u32.to_le_bytes()[..3]);
    one.extend([20, 0, 0, 0]);
    one.extend(still);
    let mut frame = b"ANMF".to_vec();
    frame.extend((one.len() as u32).to_le_bytes());
    frame.extend(&one);
    let moving = |number: usize| [&frames[..], &frame.repeat(number)].concat();
    cases.add(
        "moving WebP of 3 frames and a place",
        pictures::with_riff_chunk(&extended(0x1a, 64, 48, &moving(3)), b"EXIF", &pictures::exif(1)),
        Harmless,
    );
    cases.add("WebP of 2,000 frames", extended(0x12, 64, 48, &moving(2_000)), Refused);
    cases.add(
        "moving WebP of 25 megapixels",
        extended(0x12, 5_000, 5_000, &moving(2)),
        Refused,
    );
    frames.truncate(4);
    cases.add("moving WebP that breaks off", extended(0x12, 64, 48, &frames), Refused);
    let mut noise = webp.clone();
    noise[30..]
        .iter_mut()
        .enumerate()
        .for_each(|(nth, byte)| *byte ^= (nth * 91 % 253) as u8);
    cases.add("WebP with noise for pixels", noise, Either);
}

fn strangers(cases: &mut Cases) {
    let texts: [(&str, &[u8]); 24] = [
        ("nothing", b""),
        ("one byte", b"\xff"),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        (
            "SVG behind a declaration",
            b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'CANARY'>]><svg>&a;</svg>",
        ),
        ("SVG behind spaces", b" \n\t <svg><script>alert(1)</script></svg>"),
        ("SVG behind a mark", b"\xef\xbb\xbf<svg onload=alert(1)>"),
        ("SVG in UTF-16", b"\xff\xfe<\0s\0v\0g\0>\0"),
        ("SVG behind a comment", b"<!-- \x89PNG --><svg onload=alert(1)>"),
        ("HTML called PNG", b"<html><body onload=alert(1)>"),
        ("a script", b"alert(document.domain)"),
        ("a style sheet", b"@import url(https://evil.example/);"),
        ("PHP", b"<?php system('id');"),
        ("PDF", b"%PDF-1.4\n/JS (app.alert(1))"),
        ("a zip", b"PK\x03\x04\x14\0\0\0\x08\0"),
        ("a program for Windows", b"MZ\x90\0\x03\0\0\0"),
        ("a program for Linux", b"\x7fELF\x02\x01\x01\0"),
        ("a class of Java", b"\xca\xfe\xba\xbe\0\0\0\x34"),
        ("WebAssembly", b"\0asm\x01\0\0\0"),
        ("a database", b"SQLite format 3\0"),
        ("a key", b"-----BEGIN PRIVATE KEY-----\nCANARY"),
        ("Flash", b"CWS\x0aCANARY"),
        ("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run"),
        (
            "MVG",
            b"push graphic-context\nimage over 0,0 0,0 'https://evil.example/'",
        ),
        ("JSON", b"{\"__proto__\": 1}"),
    ];
    for (name, file) in texts {
        cases.add(name, file, Refused);
    }
    let pictures: [(&str, &[u8]); 14] = [
        ("BMP", b"BM\x36\0\0\0\0\0\0\0"),
        ("an icon", b"\0\0\x01\0\x01\0\x10\x10"),
        ("a cursor", b"\0\0\x02\0\x01\0"),
        ("TIFF", b"II*\0\x08\0\0\0"),
        ("TIFF the other way round", b"MM\0*\0\0\0\x08"),
        ("Photoshop", b"8BPS\0\x01\0\0"),
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("AVIF", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1"),
        ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n"),
        ("JPEG XL without a box", b"\xff\x0a\xfa\x7f"),
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("PNM", b"P6 65535 65535 255\n"),
        ("QOI", b"qoif\xff\xff\xff\xff\xff\xff\xff\xff\x04\0"),
        ("DDS", b"DDS |\0\0\0"),
    ];
    for (name, file) in pictures {
        cases.add(format!("{name}, a picture that isn't taken"), file, Refused);
    }
    cases.add("a packed bomb", zlib(&bomb(50)), Refused);
    cases.add(
        "a PNG behind HTML",
        [b"<html><!--".to_vec(), pictures::png(9, 9)].concat(),
        Refused,
    );
    cases.add(
        "a JPEG behind a zero",
        [vec![0], pictures::jpeg(9, 9)].concat(),
        Refused,
    );
    cases.add("zeros", vec![0; 100_000], Refused);
    let mut noise = vec![0; 100_000];
    getrandom::fill(&mut noise[1..]).expect("randomness");
    cases.add("noise", noise, Refused);
}

fn songs(cases: &mut Cases) {
    for (name, file, _) in sounds::ALL {
        cases.add(format!("{name} with tags"), file, Harmless);
        cases.cut(name, file, Either);
        for (with, payload) in [PAYLOADS[0], PAYLOADS[4]] {
            cases.add(
                format!("{name} with {with} behind it"),
                [file, payload].concat(),
                Either,
            );
        }
        let mut noise = file.to_vec();
        let from = file.len() / 3;
        noise[from..]
            .iter_mut()
            .enumerate()
            .for_each(|(nth, byte)| *byte ^= (nth * 71 % 249) as u8);
        cases.add(format!("{name} with noise in it"), noise, Either);
    }
    let silence = sounds::silent_mp3(40);
    let tagged = |name: &[u8; 4], content: &[u8]| [sounds::id3(name, content), silence.clone()].concat();
    cases.add(
        "MP3 with a page as its picture",
        tagged(b"APIC", b"\0text/html\0\x03CANARY\0<html><script>alert(1)"),
        Harmless,
    );
    cases.add("MP3 with a place", tagged(b"GEOB", &pictures::exif(1)), Harmless);
    let mut endless = silence.clone();
    endless.splice(..0, *b"ID3\x04\0\0\x7f\x7f\x7f\x7f");
    cases.add("MP3 with a tag of 256 megabytes", endless, Refused);
    cases.add("MP3 of a tag", sounds::id3(b"TIT2", b"\x03CANARY"), Refused);
    cases.add("MP3 of one frame", sounds::silent_mp3(1), Either);
    cases.add("MP3 of 11 minutes", sounds::silent_mp3(26_000), Refused);
    let ended = [&silence[..], b"TAG", &[b'C'; 60], b"CANARY<script>", &[0; 48]].concat();
    cases.add("MP3 with an old tag at its end", ended, Harmless);
    cases.add(
        "MP3 with a page between its frames",
        [&silence[..], b"<html><script>CANARY", &silence].concat(),
        Either,
    );
    cases.add("MP3 of beginnings of frames", b"\xff\xfb\x90\0".repeat(5_000), Either);
    let wav = |format, channels, rate, bits| sounds::wav_of(format, channels, rate, bits, &[0; 8_000], &[]);
    for (name, file) in [
        ("no channels", wav(1, 0, 44_100, 16)),
        ("64 channels", wav(1, 64, 44_100, 16)),
        ("no rate", wav(1, 1, 0, 16)),
        ("a rate of four gigahertz", wav(1, 1, u32::MAX, 16)),
        ("7 bits a sample", wav(1, 1, 44_100, 7)),
        ("no bits a sample", wav(1, 1, 44_100, 0)),
        ("packing of its own", wav(0x1234, 1, 44_100, 16)),
    ] {
        cases.add(format!("WAV with {name}"), file, Refused);
    }
    let more = [
        (b"LIST", b"INFOIART\x10\0\0\0CANARY<script>..".to_vec()),
        (b"bext", b"CANARY +54.35 +18.65".to_vec()),
    ];
    cases.add(
        "WAV with a name and a place",
        sounds::wav_of(1, 1, 8_000, 16, &[7; 16_000], &more),
        Harmless,
    );
    let not_numbers = f32::NAN.to_le_bytes().repeat(8_000);
    cases.add(
        "WAV of what isn't numbers",
        sounds::wav_of(3, 1, 8_000, 32, &not_numbers, &[]),
        Either,
    );
    let mut large = sounds::wav(8_000, 1, 500);
    large[40..44].fill(0xff);
    cases.add("WAV that says four gigabytes", large, Either);
    cases.add(
        "WAV of 11 minutes",
        sounds::wav_of(1, 1, 8_000, 8, &vec![128; 8_000 * 660], &[]),
        Refused,
    );
    cases.add("WAV of a header", b"RIFF\x04\0\0\0WAVE".to_vec(), Refused);
    let tags = b"OpusTags\x06\0\0\0CANARY\x01\0\0\0\x18\0\0\0TITLE=<script>CANARY</s>";
    cases.add(
        "Opus with a script as its title",
        sounds::opus(&sounds::opus_head(1, 312, 0), tags, 60),
        Harmless,
    );
    let loud = sounds::opus(&sounds::opus_head(1, 312, i16::MAX), tags, 60);
    cases.add("Opus that is 128 dB louder", loud, Harmless);
    cases.add(
        "Opus of 8 channels",
        sounds::opus(&sounds::opus_head(8, 312, 0), tags, 20),
        Refused,
    );
    cases.add(
        "Opus of no channels",
        sounds::opus(&sounds::opus_head(0, 312, 0), tags, 20),
        Refused,
    );
    cases.add(
        "Opus without sound",
        sounds::opus(&sounds::opus_head(1, 312, 0), tags, 0),
        Refused,
    );
    cases.add(
        "Opus of 11 minutes",
        sounds::opus(&sounds::opus_head(1, 312, 0), tags, 33_000),
        Refused,
    );
    cases.add("Ogg of a page", sounds::ogg_page(2, 0, 0, &[b"CANARY"]), Refused);
    cases.add(
        "Ogg with a film in it",
        sounds::ogg_page(2, 0, 0, &[b"\x80theora\x03\x02\x01"]),
        Refused,
    );
    let broken = sounds::patched(sounds::OPUS, b"OpusHead", b"OpusHat!");
    cases.add("Ogg whose checksums are wrong", broken, Refused);
    cases.add(
        "WebM of a header",
        b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm".to_vec(),
        Refused,
    );
    let nested = [
        b"\x1a\x45\xdf\xa3\x80".to_vec(),
        b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff".repeat(5_000),
    ]
    .concat();
    cases.add("WebM of 5,000 boxes in boxes", nested, Refused);
    let mut deep = Vec::new();
    for _ in 0..2_000 {
        deep = sounds::mp4_box(b"moov", &deep);
    }
    let brand = sounds::mp4_box(b"ftyp", b"M4A \0\0\0\0M4A mp42isom");
    cases.add("MP4 of 2,000 boxes in boxes", [brand.clone(), deep].concat(), Refused);
    cases.add("MP4 of a brand", brand.clone(), Refused);
    let endless = [
        brand.clone(),
        b"\0\0\0\x01moov\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
    ]
    .concat();
    cases.add("MP4 with a box without end", endless, Refused);
    let at = memchr::memmem::find(sounds::M4A, b"stsz").expect("sizes") + 12;
    let mut many = sounds::M4A.to_vec();
    many[at..at + 4].fill(0xff);
    cases.add("MP4 that says four billion samples", many, Refused);
    let channels = memchr::memmem::find(sounds::FLAC, b"fLaC").expect("it begins") + 8 + 12;
    let mut flac = sounds::FLAC.to_vec();
    flac[channels] |= 0x0e;
    cases.add("FLAC that says 8 channels", flac, Refused);
    cases.add("FLAC of a header", sounds::FLAC[..42].to_vec(), Refused);
    let picture = [
        b"\x06\0\0\x2a".to_vec(),
        b"\0\0\0\x03\0\0\0\x09text/htmlCANARY<script>alert(1)</scr>".to_vec(),
    ]
    .concat();
    let mut with = sounds::FLAC[..42].to_vec();
    with[4] &= 0x7f;
    with.extend(&picture[..4 + 0x2a.min(picture.len() - 4)]);
    with.extend(&sounds::FLAC[42..]);
    cases.add("FLAC with a page as its picture", with, Either);
}

/// Looks at every media worker as long as it lives: the most that one took, in KiB, and its limits.
struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeMap<u32, u64>>>,
    limits: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn begin(server: u32) -> Self {
        let (stop, seen, limits) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<Mutex<BTreeMap<_, _>>>::default(),
            Arc::<Mutex<String>>::default(),
        );
        let (stopped, saw, limited) = (stop.clone(), seen.clone(), limits.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for process in Process::descendants(server) {
                    let read = |what: &str| {
                        std::fs::read_to_string(format!("/proc/{}/{what}", process.pid)).unwrap_or_default()
                    };
                    if !read("cmdline").contains("\0media\0") {
                        continue;
                    }
                    let most: Option<u64> = read("status")
                        .lines()
                        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
                    if let Some(most) = most {
                        let mut saw = saw.lock().expect("nobody panics with it");
                        let kept: &mut u64 = saw.entry(process.pid).or_default();
                        *kept = (*kept).max(most);
                    }
                    let now = read("limits");
                    if now
                        .lines()
                        .any(|line| line.starts_with("Max cpu time") && !line.contains("unlimited"))
                    {
                        *limited.lock().expect("nobody panics with it") = now;
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self {
            stop,
            seen,
            limits,
            thread: Some(thread),
        }
    }

    fn end(mut self) -> (u64, String) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("it looked on");
        let seen = self.seen.lock().expect("it is over");
        let limits = self.limits.lock().expect("it is over").clone();
        (seen.values().copied().max().unwrap_or(0), limits)
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(bytes, what).is_some()
}

/// That what came of an upload is what it says, and nothing else.
fn check_harmless(name: &str, person: &Person, kept: &Value) {
    let variants: &[&str] = if kept["kind"] == "image" {
        &["full", "medium", "small"]
    } else {
        &["sound"]
    };
    for variant in variants {
        let url = format!("/media/{}/{variant}", kept["id"].as_str().expect("an id"));
        let file = person.get(&url).expect(200);
        assert_eq!(
            file.header("content-security-policy"),
            "sandbox; default-src 'none'",
            "{name}"
        );
        assert_eq!(file.header("x-content-type-options"), "nosniff", "{name}");
        let begins: &[u8] = match file.header("content-type") {
            "image/png" => b"\x89PNG\r\n\x1a\n",
            "image/jpeg" => b"\xff\xd8\xff\xe0",
            "image/gif" => b"GIF89a",
            "audio/ogg" => b"OggS",
            "audio/mpeg" | "audio/aac" => b"\xff",
            "audio/flac" => b"fLaC",
            "audio/wav" => b"RIFF",
            other => panic!("{name}: {variant} is {other}"),
        };
        assert!(file.body.starts_with(begins), "{name}: {variant}");
        for never in NEVER {
            assert!(
                !contains(&file.body, never),
                "{name}: {variant} still has {:?}",
                String::from_utf8_lossy(never)
            );
        }
        if *variant == "sound" {
            assert!(
                kept["sound"]["duration_ms"].as_u64().is_some_and(|ms| ms <= 600_000),
                "{name}"
            );
            assert_eq!(kept["sound"]["peaks"].as_array().map(Vec::len), Some(200), "{name}");
            continue;
        }
        let mut reader = image::ImageReader::new(Cursor::new(&file.body))
            .with_guessed_format()
            .expect("it reads");
        assert!(
            matches!(
                reader.format(),
                Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif)
            ),
            "{name}"
        );
        reader.no_limits();
        let (width, height) = reader
            .into_dimensions()
            .unwrap_or_else(|error| panic!("{name}: {variant}: {error}"));
        let most = match *variant {
            "small" => 320,
            "medium" => 1_280,
            _ => u32::MAX,
        };
        assert!(
            width.max(height) <= most && u64::from(width) * u64::from(height) <= 24_000_000,
            "{name}: {variant}"
        );
    }
}

/// Uploads them all, and looks at what becomes of each.
fn check(build: impl Fn(&mut Cases), least: usize) {
    let mut cases = Cases::default();
    build(&mut cases);
    assert!(cases.0.len() >= least, "there are {} of them", cases.0.len());
    let server = Server::builder()
        .config("[limits]\nuploads_per_minute = 60000\n")
        .start();
    let ana = server.person("ana");
    let watch = Watch::begin(server.pid());
    let mut wrong = Vec::new();
    for (nth, (name, file, fate)) in cases.0.iter().enumerate() {
        let mut answer = ana.upload("kitten.png", file);
        // On a machine that is busy with other tests.
        for _ in 0..5 {
            if answer.status != 503 {
                break;
            }
            answer = ana.upload("kitten.png", file);
        }
        match answer.status {
            422 => {
                let problem = answer.json();
                let detail = problem["detail"].as_str().unwrap_or("");
                assert_eq!(problem["errors"][0]["field"], "file", "{name}: {problem}");
                assert!(detail.len() > 20 && detail.ends_with('.'), "{name}: {detail:?}");
                if *fate == Harmless {
                    wrong.push(format!("{name} is refused: {detail}"));
                }
            }
            201 => {
                let kept = answer.json();
                check_harmless(name, &ana, &kept);
                if *fate == Refused {
                    wrong.push(format!("{name} is taken: {kept}"));
                }
                let id = kept["id"].as_str().expect("an id");
                ana.post(&format!("/library/{id}/delete"), &[]).see_other();
            }
            other => panic!("{nth}, {name}, is answered by {other}: {}", answer.text()),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.0.len(),
        wrong.join("\n")
    );
    let (most, limits) = watch.end();
    assert!(most > 1_000, "workers were seen at work");
    assert!(most < 200 * 1024, "a worker took {most} KiB");
    for limit in [
        "Max cpu time              5 ",
        "Max processes             0 ",
        "Max file size             0 ",
    ] {
        assert!(limits.contains(limit), "{limit:?} is not among\n{limits}");
    }
    // After all of that it still takes a kitten.
    ana.uploaded("kitten.jpg", &pictures::jpeg(64, 64));
    for folder in ["uploads", "media"] {
        let left = std::fs::read_dir(server.data().join(folder)).expect("a folder").count();
        assert_eq!(left, usize::from(folder == "media"), "{folder} is as empty as it was");
    }
}

#[test]
fn pngs_that_are_wrong_are_refused_or_made_harmless() {
    check(pngs, 50);
}

#[test]
fn jpegs_that_are_wrong_are_refused_or_made_harmless() {
    check(jpegs, 45);
}

#[test]
fn gifs_and_webps_that_are_wrong_are_refused_or_made_harmless() {
    check(
        |cases| {
            gifs(cases);
            webps(cases);
        },
        50,
    );
}

#[test]
fn what_is_no_picture_and_no_sound_is_refused_whatever_it_is_called() {
    check(
        |cases| {
            strangers(cases);
            // One that is taken, so that a worker is seen at all.
            cases.add("a picture called a song", pictures::jpeg(3_000, 2_000), Harmless);
        },
        40,
    );
}

#[test]
fn sounds_that_are_wrong_are_refused_or_made_harmless() {
    check(songs, 60);
}
