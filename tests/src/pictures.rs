//! Pictures that tests upload, made here: plain ones, and the parts of which odd ones are put together.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

use crate::{Answer, Person};

/// Latitude and longitude in the EXIF of [`exif`], as they are written in it: nowhere else do these bytes stand.
pub const PLACE: [&[u8]; 2] = [b"\x00\x00\x8b\xa7\x00\x00\x03\xe9", b"\x00\x01\xd5\xdf\x00\x00\x03\xe9"];
/// A camera's name in the EXIF of [`exif`].
pub const CAMERA: &str = "Canary Optics 7731";

impl Person {
    /// Uploads a whole file, as a program does.
    pub fn upload(&self, name: &str, bytes: &[u8]) -> Answer {
        self.request("POST", &format!("/library?name={name}"))
            .header("accept", "application/json")
            .body("application/octet-stream", bytes)
            .send()
    }

    /// Uploads a whole file; answers its id in the library.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn uploaded(&self, name: &str, bytes: &[u8]) -> String {
        let kept = self.upload(name, bytes).expect(201).json();
        kept["id"].as_str().expect("it has an id").to_owned()
    }
}

/// A photograph: smooth, with a bright corner at the top left, so that one sees how it is turned.
pub fn photograph(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        if x < width / 3 && y < height / 3 {
            Rgb([250, 240, 30])
        } else {
            Rgb([(x * 200 / width) as u8, (y * 200 / height) as u8, 120])
        }
    })
}

/// A drawing with holes in it.
pub fn cutout(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let inside = (x / 8 + y / 8) % 2 == 0;
        if inside {
            Rgba([200, 30, 60, 255])
        } else {
            Rgba([0, 0, 0, 0])
        }
    })
}

/// A picture as a file.
pub fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).expect("it can be written");
    file.into_inner()
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(cutout(width, height), ImageFormat::Png)
}

pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encoded(photograph(width, height), ImageFormat::Jpeg)
}

pub fn webp(width: u32, height: u32) -> Vec<u8> {
    encoded(cutout(width, height), ImageFormat::WebP)
}

/// A GIF of so many frames, in each of which a bar stands further to the right.
pub fn gif(width: u16, height: u16, frames: u16) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = gif::Encoder::new(&mut file, width, height, &[250, 240, 30, 20, 20, 90]).expect("a GIF");
    encoder.set_repeat(gif::Repeat::Infinite).expect("it repeats");
    for nth in 0..frames {
        let bar = nth % width;
        let pixels: Vec<u8> = (0..height)
            .flat_map(|_| (0..width).map(|x| u8::from(x == bar)))
            .collect();
        let frame = gif::Frame {
            width,
            height,
            delay: 5,
            buffer: pixels.into(),
            ..gif::Frame::default()
        };
        encoder.write_frame(&frame).expect("a frame");
    }
    drop(encoder);
    file
}

/// An animated PNG.
pub fn moving_png(width: u32, height: u32, frames: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_animated(frames, 0).expect("it moves");
    encoder.set_frame_delay(1, 20).expect("a delay");
    let mut writer = encoder.write_header().expect("a header");
    for nth in 0..frames {
        let mut frame = cutout(width, height);
        frame.put_pixel(nth % width, nth / width % height, Rgba([1, 2, 3, 255]));
        writer.write_image_data(&frame).expect("a frame");
    }
    writer.finish().expect("an end");
    file
}

/// EXIF that says where a picture was taken, with what, and how it was held (1 to 8).
pub fn exif(orientation: u16) -> Vec<u8> {
    let mut tiff = b"MM\0\x2a\0\0\0\x08".to_vec();
    let entry = |tiff: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        tiff.extend(tag.to_be_bytes());
        tiff.extend(kind.to_be_bytes());
        tiff.extend(count.to_be_bytes());
        tiff.extend(value);
    };
    // The first directory, at 8: three entries; then the GPS one, at 50; then what they point to, at 104.
    tiff.extend(3u16.to_be_bytes());
    entry(&mut tiff, 0x010f, 2, CAMERA.len() as u32 + 1, 104u32.to_be_bytes());
    let [high, low] = orientation.to_be_bytes();
    entry(&mut tiff, 0x0112, 3, 1, [high, low, 0, 0]);
    entry(&mut tiff, 0x8825, 4, 1, 50u32.to_be_bytes());
    tiff.extend(0u32.to_be_bytes());
    assert_eq!(tiff.len(), 50);
    tiff.extend(4u16.to_be_bytes());
    entry(&mut tiff, 1, 2, 2, *b"N\0\0\0");
    entry(&mut tiff, 2, 5, 1, 124u32.to_be_bytes());
    entry(&mut tiff, 3, 2, 2, *b"E\0\0\0");
    entry(&mut tiff, 4, 5, 1, 132u32.to_be_bytes());
    tiff.extend(0u32.to_be_bytes());
    assert_eq!(tiff.len(), 104);
    tiff.extend(CAMERA.as_bytes());
    tiff.resize(124, 0);
    tiff.extend(PLACE[0]);
    tiff.extend(PLACE[1]);
    tiff
}

/// Puts a segment into a JPEG, right behind its beginning.
pub fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let mut file = jpeg[..2].to_vec();
    file.extend([0xff, marker]);
    file.extend((content.len() as u16 + 2).to_be_bytes());
    file.extend(content);
    file.extend(&jpeg[2..]);
    file
}

/// A JPEG as a telephone makes it: with EXIF.
pub fn telephone(width: u32, height: u32, orientation: u16) -> Vec<u8> {
    let exif = [b"Exif\0\0".to_vec(), exif(orientation)].concat();
    with_segment(&jpeg(width, height), 0xe1, &exif)
}

/// Puts a chunk into a PNG, before its pixels, or at its end.
pub fn with_chunk(png: &[u8], name: &[u8; 4], content: &[u8], before: &[u8; 4]) -> Vec<u8> {
    let at = memchr::memmem::find(png, before).expect("there is such a chunk") - 4;
    [&png[..at], &chunk(name, content), &png[at..]].concat()
}

/// A chunk of a PNG.
pub fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(name);
    crc.update(content);
    let mut chunk = (content.len() as u32).to_be_bytes().to_vec();
    chunk.extend(name);
    chunk.extend(content);
    chunk.extend(crc.sum().to_be_bytes());
    chunk
}

/// Puts a chunk at the end of a WebP, and says so in its header.
pub fn with_riff_chunk(webp: &[u8], name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut file = webp.to_vec();
    file.extend(name);
    file.extend((content.len() as u32).to_le_bytes());
    file.extend(content);
    if content.len() % 2 == 1 {
        file.push(0);
    }
    let length = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    file
}
