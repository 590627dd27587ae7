//! Pictures that stand still: decoded to eight bits a channel in sRGB, turned upright, and encoded again in three sizes.

use std::io::{Cursor, Write};

use image::{
    DynamicImage, GenericImageView, ImageBuffer, Rgba, codecs::jpeg::JpegEncoder, imageops::FilterType,
    metadata::Orientation,
};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use crate::{
    MEDIUM, PIXELS_MOST, Refusal, Result, SMALL, animation,
    protocol::{Facts, File, Format, Out, Parts, Variant},
};

/// How well JPEGs are kept: at this quality a second encoding can't be told from the first by looking.
const QUALITY: u8 = 88;
/// What the strict reading of a JPEG says of bytes between headers.
const STRICT_ABOUT: &str = "Extra bytes between headers";
/// PNGs of more pixels are packed in haste, to stay within the time.
const PACKED_WELL_MOST: u64 = 4_000_000;

/// Says what is wrong with a file whose format is known.
pub fn broken(what: &str, why: impl std::fmt::Display) -> Refusal {
    // Decoders quote what they found; that much of it is enough.
    let why: String = why.to_string().chars().filter(|c| !c.is_control()).take(160).collect();
    Refusal(format!(
        "This {what} is damaged or breaks off, so nothing can be made of it ({}). Save it again and send that.",
        why.trim_end_matches('.')
    ))
}

/// Refuses what has no pixels, or too many.
pub fn check_size(width: u32, height: u32) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(Refusal::new("This picture has no pixels."));
    }
    if u64::from(width) * u64::from(height) > PIXELS_MOST {
        return Err(Refusal(format!(
            "This picture has {width} × {height} pixels. At most 24 megapixels are taken, 6000 × 4000 for example: make it smaller."
        )));
    }
    Ok(())
}

/// Refuses a JPEG that can't have the pixels it says: every 8 × 8 of them take a bit at the least. The decoder itself goes on behind an
/// end that comes too early, and fills what is missing with noise, a thousand times what was sent.
fn check_bytes(width: u32, height: u32, bytes: usize) -> Result<()> {
    let blocks = u64::from(width.div_ceil(8)) * u64::from(height.div_ceil(8));
    if blocks > bytes as u64 * 8 {
        return Err(broken("JPEG", "it ends too early for its size"));
    }
    Ok(())
}

pub fn jpeg(input: &[u8], out: &mut Out) -> Result<Facts> {
    let decoder = |strict: bool| {
        let options = DecoderOptions::default()
            .set_max_width(usize::from(u16::MAX))
            .set_max_height(usize::from(u16::MAX))
            .set_strict_mode(strict);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(input), options);
        decoder.decode_headers().map_err(|error| broken("JPEG", error))?;
        let colours = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => ColorSpace::Luma,
            _ => ColorSpace::RGB,
        };
        decoder.set_options(decoder.options().jpeg_set_out_colorspace(colours));
        Ok::<_, Refusal>((decoder, colours))
    };
    let decode = |strict: bool| {
        let (mut decoder, colours) = decoder(strict)?;
        let info = decoder.info().ok_or_else(|| broken("JPEG", "no header"))?;
        let (width, height) = (u32::from(info.width), u32::from(info.height));
        check_size(width, height)?;
        check_bytes(width, height, input.len())?;
        let size = decoder.output_buffer_size().ok_or_else(|| broken("JPEG", "no size"))?;
        let mut pixels = vec![0; size];
        decoder
            .decode_into(&mut pixels)
            .map_err(|error| broken("JPEG", error))?;
        let picture = raster(width, height, colours.num_components(), pixels)?;
        let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
        let orientation = orientation.unwrap_or(Orientation::NoTransforms);
        Ok::<_, Refusal>((picture, decoder.icc_profile(), orientation))
    };
    // A strict reading knows when a file breaks off. It also minds bytes between the headers, which some cameras leave.
    let (picture, profile, orientation) = decode(true).or_else(|refusal| match refusal.0.contains(STRICT_ABOUT) {
        true => decode(false),
        false => Err(refusal),
    })?;
    keep(out, in_srgb(picture, profile.as_deref()), orientation, true)
}

pub fn png(input: &'static [u8], out: &mut Out) -> Result<Facts> {
    let broken = |error: png::DecodingError| broken("PNG", error);
    let mut decoder = png::Decoder::new(Cursor::new(input));
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let (width, height) = {
        let header = decoder.read_header_info().map_err(broken)?;
        (header.width, header.height)
    };
    check_size(width, height)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    if reader
        .info()
        .animation_control()
        .is_some_and(|control| control.num_frames > 1)
    {
        drop(reader);
        return animation::png(input, out);
    }
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| crate::picture::broken("PNG", "no size"))?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels).map_err(broken)?;
    // Up to its end, so that one which breaks off is found out.
    reader.finish().map_err(broken)?;
    let picture = raster(width, height, info.color_type.samples(), pixels)?;
    let info = reader.info();
    let orientation = info.exif_metadata.as_deref().and_then(Orientation::from_exif_chunk);
    let picture = in_srgb(picture, info.icc_profile.as_deref());
    drop(reader);
    keep(out, picture, orientation.unwrap_or(Orientation::NoTransforms), false)
}

pub fn webp(input: &'static [u8], out: &mut Out) -> Result<Facts> {
    let broken = |error: image_webp::DecodingError| broken("WebP", error);
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(input)).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    if decoder.is_animated() {
        return animation::webp(decoder, out);
    }
    let lossy = decoder.is_lossy();
    let profile = decoder.icc_profile().ok().flatten();
    let exif = decoder.exif_metadata().ok().flatten();
    let orientation = exif.and_then(|exif| Orientation::from_exif_chunk(&exif));
    let size = decoder
        .output_buffer_size()
        .ok_or_else(|| crate::picture::broken("WebP", "no size"))?;
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(broken)?;
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    drop(decoder);
    let picture = in_srgb(raster(width, height, channels, pixels)?, profile.as_deref());
    keep(out, picture, orientation.unwrap_or(Orientation::NoTransforms), lossy)
}

/// A picture of rows of pixels of one to four bytes.
fn raster(width: u32, height: u32, channels: usize, pixels: Vec<u8>) -> Result<DynamicImage> {
    let picture = match channels {
        1 => ImageBuffer::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        2 => ImageBuffer::from_raw(width, height, pixels).map(DynamicImage::ImageLumaA8),
        3 => ImageBuffer::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        4 => ImageBuffer::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8),
        _ => None,
    };
    picture.ok_or_else(|| broken("picture", "its size and its pixels don't fit"))
}

/// Converts colours by the profile that came with them: it doesn't stay, and without it a photograph of a telephone
/// would look pale. A profile that can't be read or isn't one of colours is as none.
fn in_srgb(mut picture: DynamicImage, profile: Option<&[u8]>) -> DynamicImage {
    let (layout, channels) = match &picture {
        DynamicImage::ImageRgb8(_) => (Layout::Rgb, 3),
        DynamicImage::ImageRgba8(_) => (Layout::Rgba, 4),
        _ => return picture,
    };
    let profile = profile.and_then(|profile| ColorProfile::new_from_slice(profile).ok());
    let Some(profile) = profile.filter(|profile| profile.color_space == DataColorSpace::Rgb) else {
        return picture;
    };
    let options = TransformOptions::default();
    let Ok(transform) = profile.create_transform_8bit(layout, &ColorProfile::new_srgb(), layout, options) else {
        return picture;
    };
    let row_bytes = picture.width() as usize * channels;
    let mut before = vec![0; row_bytes];
    let pixels: &mut [u8] = match &mut picture {
        DynamicImage::ImageRgb8(pixels) => pixels,
        DynamicImage::ImageRgba8(pixels) => pixels,
        _ => return picture,
    };
    for row in pixels.chunks_exact_mut(row_bytes) {
        before.copy_from_slice(row);
        // The rows are of one length, so only what was checked already could fail.
        let _ = transform.transform(&before, row);
    }
    picture
}

/// Writes a picture in its three sizes. `lossy`: it comes from a format that has given exactness up already.
fn keep(out: &mut Out, mut picture: DynamicImage, orientation: Orientation, lossy: bool) -> Result<Facts> {
    let opaque = is_opaque(&picture);
    let turned = Turned {
        picture: &picture,
        orientation,
    };
    let (width, height) = turned.dimensions();
    let format = if opaque && lossy { Format::Jpeg } else { Format::Png };
    write(out, Variant::Full, format, &turned, opaque)?;
    if width.max(height) > SMALL {
        if !opaque {
            premultiply(&mut picture);
        }
        stills(out, picture, orientation, opaque, false)?;
    }
    Ok(Facts::Picture {
        width,
        height,
        animated: false,
    })
}

/// Writes `medium` and `small` of a picture whose colours are multiplied by their opacity, where those are smaller than
/// `full`, or where `full` moves.
pub fn stills(
    out: &mut Out,
    mut picture: DynamicImage,
    mut orientation: Orientation,
    opaque: bool,
    moves: bool,
) -> Result<()> {
    for (variant, most) in [(Variant::Medium, MEDIUM), (Variant::Small, SMALL)] {
        let longer = picture.width().max(picture.height());
        if longer > most {
            picture = shrunk(picture, most);
            picture.apply_orientation(orientation);
            orientation = Orientation::NoTransforms;
        } else if !moves || variant == Variant::Small {
            continue;
        }
        let mut shown = picture.clone();
        if !opaque {
            unmultiply(&mut shown);
        }
        // What was scaled isn't exact any more, so a photograph may be one again.
        let format = if opaque && longer > most {
            Format::Jpeg
        } else {
            Format::Png
        };
        let turned = Turned {
            picture: &shown,
            orientation,
        };
        write(out, variant, format, &turned, opaque)?;
    }
    Ok(())
}

/// The picture with `most` pixels on its longer side. A large one is first averaged down to twice that, pixel by pixel, which takes
/// no memory, and let go of; then it is done finely.
fn shrunk(mut picture: DynamicImage, most: u32) -> DynamicImage {
    let (width, height) = (u64::from(picture.width()), u64::from(picture.height()));
    let to = |most: u64| {
        let longer = width.max(height);
        let scaled = |side: u64| ((side * most + longer / 2) / longer).max(1) as u32;
        (scaled(width), scaled(height))
    };
    if width.max(height) > 2 * u64::from(most) {
        let (w, h) = to(u64::from(most) * 2);
        picture = picture.thumbnail_exact(w, h);
    }
    let (w, h) = to(u64::from(most));
    picture.resize_exact(w, h, FilterType::CatmullRom)
}

pub fn is_opaque(picture: &DynamicImage) -> bool {
    match picture {
        DynamicImage::ImageLumaA8(pixels) => pixels.pixels().all(|pixel| pixel.0[1] == 255),
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().all(|pixel| pixel.0[3] == 255),
        _ => true,
    }
}

/// Multiplies colours by their opacity, so that what can't be seen doesn't shine through where pixels are averaged.
pub fn premultiply(picture: &mut DynamicImage) {
    change(picture, |colour, opacity| {
        ((u16::from(colour) * u16::from(opacity) + 127) / 255) as u8
    });
}

fn unmultiply(picture: &mut DynamicImage) {
    change(picture, |colour, opacity| match opacity {
        0 => 0,
        opacity => (u16::from(colour) * 255 / u16::from(opacity)).min(255) as u8,
    });
}

fn change(picture: &mut DynamicImage, to: impl Fn(u8, u8) -> u8) {
    match picture {
        DynamicImage::ImageLumaA8(pixels) => pixels
            .pixels_mut()
            .for_each(|pixel| pixel.0[0] = to(pixel.0[0], pixel.0[1])),
        DynamicImage::ImageRgba8(pixels) => pixels.pixels_mut().for_each(|pixel| {
            let opacity = pixel.0[3];
            pixel.0[..3]
                .iter_mut()
                .for_each(|colour| *colour = to(*colour, opacity));
        }),
        _ => {}
    }
}

/// A picture as it is looked at. Turning it in memory would take as much again.
struct Turned<'p> {
    picture: &'p DynamicImage,
    orientation: Orientation,
}

impl GenericImageView for Turned<'_> {
    type Pixel = Rgba<u8>;

    fn dimensions(&self) -> (u32, u32) {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        let (width, height) = self.picture.dimensions();
        match self.orientation {
            Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => (height, width),
            _ => (width, height),
        }
    }

    fn get_pixel(&self, x: u32, y: u32) -> Rgba<u8> {
        let (right, bottom) = (self.picture.width() - 1, self.picture.height() - 1);
        let (x, y) = match self.orientation {
            Orientation::NoTransforms => (x, y),
            Orientation::FlipHorizontal => (right - x, y),
            Orientation::Rotate180 => (right - x, bottom - y),
            Orientation::FlipVertical => (x, bottom - y),
            Orientation::Rotate90 => (y, bottom - x),
            Orientation::Rotate270 => (right - y, x),
            Orientation::Rotate90FlipH => (y, x),
            Orientation::Rotate270FlipH => (right - y, bottom - x),
        };
        self.picture.get_pixel(x, y)
    }
}

fn write(out: &mut Out, variant: Variant, format: Format, picture: &Turned, opaque: bool) -> Result<()> {
    let (width, height) = picture.dimensions();
    let parts = out.file(File {
        variant,
        format,
        width,
        height,
    })?;
    match format {
        Format::Jpeg => write_jpeg(parts, picture),
        _ => write_png(parts, picture, opaque),
    }
}

fn write_jpeg(parts: Parts, picture: &Turned) -> Result<()> {
    let mut parts = std::io::BufWriter::new(parts);
    JpegEncoder::new_with_quality(&mut parts, QUALITY)
        .encode_image(picture)
        .map_err(|error| Refusal(format!("This picture can't be kept as JPEG: {error}.")))?;
    Ok(parts.flush()?)
}

fn write_png(parts: Parts, picture: &Turned, opaque: bool) -> Result<()> {
    let failed = |error: png::EncodingError| Refusal(format!("This picture can't be kept as PNG: {error}."));
    let (width, height) = picture.dimensions();
    let mut encoder = png::Encoder::new(parts, width, height);
    let grey = !picture.picture.color().has_color();
    let (colours, shown): (_, &[usize]) = match (grey, opaque) {
        (true, true) => (png::ColorType::Grayscale, &[0]),
        (true, false) => (png::ColorType::GrayscaleAlpha, &[0, 3]),
        (false, true) => (png::ColorType::Rgb, &[0, 1, 2]),
        (false, false) => (png::ColorType::Rgba, &[0, 1, 2, 3]),
    };
    encoder.set_color(colours);
    encoder.set_depth(png::BitDepth::Eight);
    let well = u64::from(width) * u64::from(height) <= PACKED_WELL_MOST;
    encoder.set_compression(if well {
        png::Compression::Balanced
    } else {
        png::Compression::Fast
    });
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut writer = writer.stream_writer_with_size(32 * 1024).map_err(failed)?;
    let mut row = Vec::with_capacity(width as usize * shown.len());
    for y in 0..height {
        row.clear();
        for x in 0..width {
            let pixel = picture.get_pixel(x, y).0;
            row.extend(shown.iter().map(|channel| pixel[*channel]));
        }
        writer.write_all(&row)?;
    }
    writer.finish().map_err(failed)
}
