//! Pictures and a tune for the demo's members, all of them made here: pixels that are typed out, scenes in three inks, notes in
//! numbers. They come into libraries as any upload does.

use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};

use super::member;
use crate::{
    app::{App, now_ms},
    error::Error,
    http::Form,
    media,
    posts::{self, New, Wall},
    profiles,
};

const HOUR_MS: i64 = 3_600_000;

/// Inks by their letters: paper, key, red, green, blue.
const INKS: [(u8, [u8; 3]); 5] = [
    (b'w', [250, 246, 236]),
    (b'k', [26, 20, 46]),
    (b'r', [224, 62, 48]),
    (b'g', [64, 200, 122]),
    (b'b', [50, 82, 196]),
];

/// The left halves of pictures of 16 × 16 pixels; the right ones are the same the other way round.
const MOTH: [&str; 16] = [
    "bbbbbbbb", "bbbbkbbb", "bbbbbkbb", "rrrbbbkk", "rrrrrbkk", "rwwrrrkk", "rwkrrrkk", "rwwrrrkk", "rrrrrrkk",
    "brrrrrkk", "bbrrrrkk", "bbrwrrkk", "bbrrrbkk", "bbrrbbbk", "bbbrbbbb", "bbbbbbbb",
];
const DOG: [&str; 16] = [
    "gggggggg", "gggggggg", "grrggwww", "grrrwwww", "grrrwwww", "grrrwwww", "grrrwkww", "ggrrwkww", "ggrrwwww",
    "gggrwwwk", "gggwwwkk", "gggwwwwk", "gggwwkkw", "ggggwwrr", "gggggwrr", "gggggggg",
];
const MOON: [&str; 16] = [
    "kkkkkkkk", "kwkkkkkk", "kkkkkwww", "kkkkwwww", "kkkwwwww", "kkkwwwww", "kwkwwwww", "kkkkwwww", "kkkkkwww",
    "kkkkkkkk", "bbbbbwww", "bbbbbbbb", "bbwwbbww", "bbbbbbbb", "wwbbbwwb", "bbbbbbbb",
];

/// Whose face it is, what it shows, and the drawing.
const FACES: [(&str, &str, &[&str; 16]); 3] = [
    ("ana", "A red moth on blue", &MOTH),
    ("paperdog", "A white dog with its tongue out", &DOG),
    ("tidewatch", "The moon over the sea", &MOON),
];

/// The notes of ana's anthem, in semitones above A3, an eighth each; 99 is a rest.
const TUNE: [i32; 32] = [
    3, 7, 10, 15, 10, 7, 3, 99, 5, 8, 12, 17, 12, 8, 5, 99, 3, 7, 10, 15, 19, 15, 10, 7, 2, 5, 10, 14, 15, 99, 3, 99,
];
const EIGHTH_MS: usize = 260;
const SAMPLES_PER_SECOND: usize = 22_050;

/// Gives them what they show and play. Who isn't there has nothing.
///
/// # Errors
/// The media worker's, the database's.
pub async fn make(app: &App) -> Result<(), Error> {
    for (name, alt, drawing) in FACES {
        let Ok(member) = member(app, name) else { continue };
        let drawn = png(320, 320, |x, y| pixel(drawing, x / 20, y / 20));
        let id = media::give(app, &member, "face.png", alt, &drawn?).await?;
        app.db
            .write(move |tx| profiles::wear_face(tx, member.id, &member.name, &id))
            .await?;
    }
    if let Ok(ana) = member(app, "ana") {
        let id = media::give(app, &ana, "porch.wav", "", &wav()).await?;
        app.db
            .write(move |tx| {
                let title = "Porch, after midnight".to_owned();
                let fields = vec![("anthem".to_owned(), id), ("anthem_title".to_owned(), title)];
                media::keep_sounds(tx, &ana, &Form(fields))
            })
            .await?;
    }
    let porch = png(640, 400, porch)?;
    let (low, high) = (
        png(640, 400, |x, y| sea(x, y, 250))?,
        png(640, 400, |x, y| sea(x, y, 150))?,
    );
    let tides = [
        (&low[..], "Mud to the horizon, and a red sun over a thin line of water"),
        (&high[..], "The same place full of water"),
    ];
    show(
        app,
        "tidewatch",
        4,
        "05:12 and 11:40",
        "Same stairs, same stairs.",
        &tides,
    )
    .await?;
    let lamp = [(&porch[..], "Moths around a green lamp at night")];
    show(
        app,
        "ana",
        3,
        "The porch, tonight",
        "The big one is the setaceous Hebrew character. She asked not to be named.",
        &lamp,
    )
    .await
}

/// Puts a post with pictures on somebody's wall.
async fn show(
    app: &App,
    name: &str,
    hours: i64,
    title: &str,
    body: &str,
    pictures: &[(&[u8], &str)],
) -> Result<(), Error> {
    let Ok(author) = member(app, name) else { return Ok(()) };
    let mut ids = Vec::new();
    for (picture, alt) in pictures {
        ids.push(media::give(app, &author, "scene.png", alt, picture).await?);
    }
    let mut new = New::images(title, body, &ids);
    app.db.read(|db| new.find_pictures(db, author.id))?;
    app.db
        .write(move |tx| {
            let wall = Wall {
                user_id: author.id,
                name: &author.name,
            };
            posts::put_up(tx, wall, &new, None, now_ms() - hours * HOUR_MS)
        })
        .await?;
    Ok(())
}

/// The ink of a drawing at a place of its 16 × 16.
fn pixel(drawing: &[&str; 16], x: usize, y: usize) -> u8 {
    drawing[y].as_bytes()[if x < 8 { x } else { 15 - x }]
}

/// Whether a dot of a halftone is printed here, where so much (0 to 1) of the paper is to be covered.
fn dot(x: usize, y: usize, much: f32) -> bool {
    let from_middle = |at: usize| (at % 8) as f32 - 3.5;
    let radius = 5.2 * much.clamp(0.0, 1.0).sqrt();
    from_middle(x).hypot(from_middle(y)) < radius
}

/// Moths around a lamp.
fn porch(x: usize, y: usize) -> u8 {
    const MOTHS: [(usize, usize, usize); 6] = [
        (70, 60, 5),
        (470, 40, 4),
        (400, 230, 7),
        (150, 250, 4),
        (250, 20, 3),
        (540, 200, 3),
    ];
    for (left, top, size) in MOTHS {
        let inside = |at: usize, from: usize| (from..from + 16 * size).contains(&at);
        if inside(x, left) && inside(y, top) {
            let ink = pixel(&MOTH, (x - left) / size, (y - top) / size);
            if ink != b'b' {
                return ink;
            }
        }
    }
    let away = (x as f32 - 320.0).hypot(y as f32 - 170.0);
    match (x, y) {
        _ if away < 34.0 => b'w',
        _ if away < 42.0 => b'k',
        (312..328, 0..130) => b'k',
        _ if dot(x, y, 1.1 - away / 260.0) => b'g',
        (_, 350..) => b'k',
        _ => b'b',
    }
}

/// Water from `shore` on, under a sun.
fn sea(x: usize, y: usize, shore: usize) -> u8 {
    let away = (x as f32 - 430.0).hypot(y as f32 - 140.0);
    let wave = (x as f32 / 23.0 + (y / 12) as f32 * 1.7).sin() > 0.55 && y % 12 < 4;
    match y {
        _ if y < 150 && away < 60.0 => b'r',
        0..150 if dot(x, y, y as f32 / 260.0) => b'r',
        0..150 => b'w',
        150..170 if wave => b'w',
        150..170 => b'b',
        _ if y < shore && dot(x + y / 8 * 4, y, 0.35 + (y - 150) as f32 / 400.0) => b'k',
        _ if y < shore => b'w',
        _ if wave => b'w',
        _ if shore > 200 && dot(x, y, 0.5) => b'k',
        _ if shore > 200 => b'g',
        _ => b'b',
    }
}

/// A PNG with a palette, drawn pixel by pixel.
fn png(width: usize, height: usize, ink: impl Fn(usize, usize) -> u8) -> Result<Vec<u8>, Error> {
    let mut rows = Vec::with_capacity((width + 1) * height);
    for y in 0..height {
        rows.push(0);
        rows.extend((0..width).map(|x| {
            let ink = ink(x, y);
            INKS.iter().position(|(letter, _)| *letter == ink).unwrap_or(0) as u8
        }));
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&rows)?;
    let mut header = [(width as u32).to_be_bytes(), (height as u32).to_be_bytes()].concat();
    header.extend([8, 3, 0, 0, 0]);
    let palette: Vec<u8> = INKS.iter().flat_map(|(_, colour)| *colour).collect();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", header),
        (b"PLTE", palette),
        (b"IDAT", packed.finish()?),
        (b"IEND", Vec::new()),
    ] {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(&data);
        out.extend((data.len() as u32).to_be_bytes());
        out.extend(kind);
        out.extend(data);
        out.extend(crc.sum().to_be_bytes());
    }
    Ok(out)
}

/// The tune as a WAV: plucked notes, each with its octave softly below.
fn wav() -> Vec<u8> {
    let each = SAMPLES_PER_SECOND * EIGHTH_MS / 1_000;
    let mut samples = vec![0.0f32; each * (TUNE.len() + 4)];
    for (nth, note) in TUNE.iter().enumerate().filter(|(_, note)| **note != 99) {
        let pitch = 220.0 * 2f32.powf(*note as f32 / 12.0);
        // A note rings on under the next ones.
        for (at, sample) in samples[nth * each..].iter_mut().enumerate().take(each * 4) {
            let seconds = at as f32 / SAMPLES_PER_SECOND as f32;
            let turn = std::f32::consts::TAU * pitch * seconds;
            let loud = (seconds * 60.0).min(1.0) * (-4.5 * seconds).exp();
            *sample += loud * (0.2 * turn.sin() + 0.07 * (2.0 * turn).sin() + 0.1 * (turn / 2.0).sin());
        }
    }
    let data: Vec<u8> = samples
        .iter()
        .flat_map(|sample| ((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)) as i16).to_le_bytes())
        .collect();
    let rate = SAMPLES_PER_SECOND as u32;
    let mut out = Vec::with_capacity(44 + data.len());
    out.extend(b"RIFF");
    out.extend((36 + data.len() as u32).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend(rate.to_le_bytes());
    out.extend((rate * 2).to_le_bytes());
    out.extend(b"\x02\0\x10\0data");
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out
}
