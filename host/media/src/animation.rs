//! Pictures that move. A GIF stays one: its frames are unpacked, their colour tables shuffled, and packed again. Moving
//! WebPs and PNGs become PNGs of what changes from frame to frame. `medium` and `small` are the first frame, at rest.

use std::{
    io::{Cursor, Write},
    num::NonZeroU64,
};

use image::{AnimationDecoder, DynamicImage, RgbaImage, codecs::png::PngDecoder, metadata::Orientation};

use crate::{
    ANIMATION_PIXELS_MOST, CANVAS_PIXELS_MOST, FRAMES_MOST, Refusal, Result,
    picture::{broken, check_size, is_opaque, premultiply, stills},
    protocol::{Facts, File, Format, Out, Variant},
};

/// The pixels that one frame of a GIF may have, a byte each.
const FRAME_BYTES_MOST: NonZeroU64 = NonZeroU64::new(crate::PIXELS_MOST).expect("there may be some");

/// Counts frames and their pixels, and says when it is enough.
#[derive(Default)]
struct Count {
    frames: usize,
    pixels: u64,
}

impl Count {
    fn add(&mut self, width: u32, height: u32) -> Result<()> {
        self.frames += 1;
        self.pixels += u64::from(width) * u64::from(height);
        if self.frames > FRAMES_MOST {
            return Err(too_many_frames());
        }
        if self.pixels > ANIMATION_PIXELS_MOST {
            return Err(Refusal(format!(
                "The frames of this animation have more than {} million pixels together, and that is the most: make it smaller or shorter.",
                ANIMATION_PIXELS_MOST / 1_000_000
            )));
        }
        Ok(())
    }
}

fn too_many_frames() -> Refusal {
    Refusal(format!(
        "An animation has at most {FRAMES_MOST} frames here, and this one has more: make it shorter."
    ))
}

fn check_canvas(width: u32, height: u32) -> Result<()> {
    if u64::from(width) * u64::from(height) > CANVAS_PIXELS_MOST {
        return Err(Refusal(format!(
            "This animation has {width} × {height} pixels. What moves may have {} million: make it smaller.",
            CANVAS_PIXELS_MOST / 1_000_000
        )));
    }
    Ok(())
}

pub fn gif(input: &[u8], out: &mut Out) -> Result<Facts> {
    let broken = |error: gif::DecodingError| broken("GIF", error);
    let failed = |error: gif::EncodingError| Refusal(format!("This GIF can't be kept: {error}."));
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::Indexed);
    options.set_memory_limit(gif::MemoryLimit::Bytes(FRAME_BYTES_MOST));
    options.check_frame_consistency(true);
    let mut decoder = options.read_info(input).map_err(broken)?;
    let (width, height) = (decoder.width(), decoder.height());
    check_size(width.into(), height.into())?;
    let file = File {
        variant: Variant::Full,
        format: Format::Gif,
        width: width.into(),
        height: height.into(),
    };
    let mut shuffle = Shuffle::new()?;
    let global = decoder.global_palette().map(|palette| shuffle.palette(palette, None));
    let parts = std::io::BufWriter::new(out.file(file)?);
    let table = global.as_ref().map_or(&[][..], |global| &global.colours);
    let mut encoder = gif::Encoder::new(parts, width, height, table).map_err(failed)?;
    let mut count = Count::default();
    let mut first = None;
    let mut pixels = Vec::new();
    while let Some(frame) = decoder.next_frame_info().map_err(broken)? {
        count.add(frame.width.into(), frame.height.into())?;
        let mut frame = frame.clone();
        pixels.resize(decoder.buffer_size(), 0);
        decoder.read_into_buffer(&mut pixels).map_err(broken)?;
        if count.frames == 1 {
            encoder.set_repeat(decoder.repeat()).map_err(failed)?;
            let palette = frame.palette.as_deref().or(decoder.global_palette()).unwrap_or(&[]);
            first = Some(shown(&frame, palette, &pixels, (width, height)));
        }
        let own = frame
            .palette
            .as_ref()
            .map(|palette| shuffle.palette(palette, frame.transparent));
        // A transparent colour beyond the common table needs a table of its own.
        let own = own.or_else(|| {
            let global = global.as_ref()?;
            let beyond = frame
                .transparent
                .is_some_and(|index| usize::from(index) >= global.colours.len() / 3);
            beyond.then(|| shuffle.palette(decoder.global_palette().unwrap_or(&[]), frame.transparent))
        });
        let Some(colours) = own.as_ref().or(global.as_ref()) else {
            return Err(crate::picture::broken("GIF", "a frame has no colours"));
        };
        pixels
            .iter_mut()
            .for_each(|pixel| *pixel = colours.place[usize::from(*pixel)]);
        frame.transparent = frame.transparent.map(|index| colours.place[usize::from(index)]);
        frame.palette = own.map(|own| own.colours);
        frame.interlaced = false;
        frame.needs_user_input = false;
        frame.buffer = std::mem::take(&mut pixels).into();
        encoder.write_frame(&frame).map_err(failed)?;
        pixels = frame.buffer.into_owned();
    }
    encoder.into_inner().map_err(failed)?.flush()?;
    let Some(first) = first else {
        return Err(crate::picture::broken("GIF", "there is no picture in it"));
    };
    let animated = count.frames > 1;
    at_rest(out, first, animated)?;
    Ok(Facts::Picture {
        width: width.into(),
        height: height.into(),
        animated,
    })
}

/// Writes the first frame as what is shown at rest.
fn at_rest(out: &mut Out, first: RgbaImage, animated: bool) -> Result<()> {
    let mut first = DynamicImage::ImageRgba8(first);
    let opaque = is_opaque(&first);
    premultiply(&mut first);
    stills(out, first, Orientation::NoTransforms, opaque, animated)
}

/// A frame on an empty canvas.
fn shown(frame: &gif::Frame, palette: &[u8], pixels: &[u8], (width, height): (u16, u16)) -> RgbaImage {
    let mut canvas = RgbaImage::new(width.into(), height.into());
    for (row, line) in pixels.chunks_exact(usize::from(frame.width).max(1)).enumerate() {
        for (column, index) in line.iter().enumerate() {
            let at = usize::from(*index) * 3;
            let (x, y) = (u32::from(frame.left) + column as u32, u32::from(frame.top) + row as u32);
            if Some(*index) != frame.transparent
                && let Some([red, green, blue]) = palette.get(at..at + 3)
                && let Some(pixel) = canvas.get_pixel_mut_checked(x, y)
            {
                pixel.0 = [*red, *green, *blue, 255];
            }
        }
    }
    canvas
}

/// Puts the colours of a table in an order that nobody foresees: a table is the one place in a GIF where bytes would come
/// out as they went in, in a row, 768 at a time.
struct Shuffle(u64);

struct Palette {
    /// Red, green, blue; as many as a power of two.
    colours: Vec<u8>,
    /// Where each colour went.
    place: [u8; 256],
}

impl Shuffle {
    fn new() -> Result<Self> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| Refusal(format!("There is no randomness: {error}.")))?;
        Ok(Self(u64::from_le_bytes(seed)))
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn palette(&mut self, palette: &[u8], transparent: Option<u8>) -> Palette {
        let most = transparent.map_or(0, |index| usize::from(index) + 1);
        let size = (palette.len() / 3).max(most).next_power_of_two().clamp(2, 256);
        let mut order: Vec<u8> = (0..size).map(|index| index as u8).collect();
        for last in (1..size).rev() {
            order.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
        // An index beyond the table is no colour; it is drawn as the first.
        let mut place = [order[0]; 256];
        let mut colours = vec![0; size * 3];
        for (index, to) in order.iter().enumerate() {
            place[index] = *to;
            if let Some(colour) = palette.get(index * 3..index * 3 + 3) {
                colours[usize::from(*to) * 3..][..3].copy_from_slice(colour);
            }
        }
        Palette { colours, place }
    }
}

pub fn png(input: &'static [u8], out: &mut Out) -> Result<Facts> {
    let broken = |error: image::ImageError| broken("moving PNG", error);
    let mut header = png::Decoder::new(Cursor::new(input));
    let size = header.read_header_info().map(|info| (info.width, info.height));
    let size = size.map_err(|error| crate::picture::broken("PNG", error))?;
    check_canvas(size.0, size.1)?;
    let info = header
        .read_info()
        .map_err(|error| crate::picture::broken("PNG", error))?;
    let control = info.info().animation_control().copied();
    let control = control.ok_or_else(|| crate::picture::broken("PNG", "it doesn't move"))?;
    drop(info);
    let decoder = PngDecoder::new(Cursor::new(input))
        .and_then(PngDecoder::apng)
        .map_err(broken)?;
    let frames = decoder.into_frames().map(|frame| {
        let frame = frame.map_err(broken)?;
        let (ms, of) = frame.delay().numer_denom_ms();
        Ok((frame.into_buffer(), ms / of.max(1)))
    });
    moving(out, size, control.num_frames, control.num_plays, frames)
}

pub fn webp(mut decoder: image_webp::WebPDecoder<Cursor<&'static [u8]>>, out: &mut Out) -> Result<Facts> {
    let size = decoder.dimensions();
    check_canvas(size.0, size.1)?;
    let plays = match decoder.loop_count() {
        image_webp::LoopCount::Forever => 0,
        image_webp::LoopCount::Times(times) => times.get().into(),
    };
    let number = decoder.num_frames();
    let transparent = decoder.has_alpha();
    let _ = decoder.set_background_color([0; 4]);
    let mut left = number;
    let frames = std::iter::from_fn(|| {
        left = left.checked_sub(1)?;
        let mut pixels = vec![0; decoder.output_buffer_size()?];
        Some(match decoder.read_frame(&mut pixels) {
            Err(error) => Err(broken("moving WebP", error)),
            Ok(ms) => picture(size, transparent, pixels).map(|picture| (picture, ms)),
        })
    });
    moving(out, size, number, plays, frames)
}

fn picture((width, height): (u32, u32), transparent: bool, pixels: Vec<u8>) -> Result<RgbaImage> {
    let picture = if transparent {
        RgbaImage::from_raw(width, height, pixels)
    } else {
        image::RgbImage::from_raw(width, height, pixels).map(|picture| DynamicImage::ImageRgb8(picture).into_rgba8())
    };
    picture.ok_or_else(|| broken("moving WebP", "its size and its pixels don't fit"))
}

/// Writes whole frames, each with its milliseconds, as a PNG that has of each what is new in it.
fn moving(
    out: &mut Out,
    (width, height): (u32, u32),
    number: u32,
    plays: u32,
    frames: impl Iterator<Item = Result<(RgbaImage, u32)>>,
) -> Result<Facts> {
    if number as usize > FRAMES_MOST {
        return Err(too_many_frames());
    }
    let failed = |error: png::EncodingError| Refusal(format!("This animation can't be kept: {error}."));
    let file = File {
        variant: Variant::Full,
        format: Format::Png,
        width,
        height,
    };
    let mut encoder = png::Encoder::new(std::io::BufWriter::new(out.file(file)?), width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_animated(number, plays).map_err(failed)?;
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut count = Count::default();
    let (mut first, mut before) = (None, None::<RgbaImage>);
    for frame in frames {
        let (frame, ms) = frame?;
        count.add(width, height)?;
        let (x, y, w, h) = before
            .as_ref()
            .map_or((0, 0, width, height), |before| changed(before, &frame));
        writer
            .set_frame_delay(ms.min(u16::MAX.into()) as u16, 1_000)
            .map_err(failed)?;
        writer.reset_frame_position().map_err(failed)?;
        writer.set_frame_dimension(w, h).map_err(failed)?;
        writer.set_frame_position(x, y).map_err(failed)?;
        writer.set_blend_op(png::BlendOp::Source).map_err(failed)?;
        let row = width as usize * 4;
        let part: Vec<u8> = frame
            .chunks_exact(row)
            .skip(y as usize)
            .take(h as usize)
            .flat_map(|line| &line[x as usize * 4..][..w as usize * 4])
            .copied()
            .collect();
        writer.write_image_data(&part).map_err(failed)?;
        if first.is_none() {
            first = Some(frame.clone());
        }
        before = Some(frame);
    }
    writer
        .finish()
        .map_err(|_| broken("animation", "it has fewer frames than it says"))?;
    drop(before);
    let first = first.ok_or_else(|| broken("animation", "there is no picture in it"))?;
    let animated = count.frames > 1;
    at_rest(out, first, animated)?;
    Ok(Facts::Picture {
        width,
        height,
        animated,
    })
}

/// The smallest rectangle with all that is different: left, top, width, height. One pixel where nothing is.
fn changed(before: &RgbaImage, after: &RgbaImage) -> (u32, u32, u32, u32) {
    let row = before.width() as usize * 4;
    let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
    for (y, (old, new)) in before.chunks_exact(row).zip(after.chunks_exact(row)).enumerate() {
        if old == new {
            continue;
        }
        (top, bottom) = (top.min(y), y);
        let differs = |x: &usize| old[x * 4..x * 4 + 4] != new[x * 4..x * 4 + 4];
        let columns = row / 4;
        left = (0..columns).find(differs).map_or(left, |x| left.min(x));
        right = (0..columns).rfind(differs).map_or(right, |x| right.max(x));
    }
    match top {
        usize::MAX => (0, 0, 1, 1),
        _ => (
            left as u32,
            top as u32,
            (right - left + 1) as u32,
            (bottom - top + 1) as u32,
        ),
    }
}
