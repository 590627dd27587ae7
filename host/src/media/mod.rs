//! Members' pictures and sounds: uploads, the library, what uses them, and what is to be heard on a wall.
//!
//! An upload is streamed to disk, recognised by its content and made anew by a confined process of its own
//! (`worker.rs`, crate `neospace-media`); what comes out is kept, and what was sent is not. Its files are on disk before
//! its rows are committed. Other slices keep a picture or a sound by its id, and say so ([`attach`], [`detach`]): it is seen by
//! its owner, and by whoever may see something that uses it. This slice refuses what isn't a picture or a sound, more than a
//! member may store, and to show what nobody uses.

mod library;
pub mod moving;
mod mutations;
mod queries;
mod serve;
mod take;
mod view;
mod wall;
mod worker;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use library::{change, delete, discard, item, show as library};
pub use mutations::{attach, detach};
pub use queries::Use;
pub use serve::serve;
pub use take::{append, begin, cancel, give, progress, sweep, take};
pub use wall::{MICROPHONE, drawer, keep as keep_sounds, on_wall, set_sound, show_sound};

use minijinja::context;

use crate::{
    app::App,
    crypto::{self, Bytes as Fixed},
    db::Reader,
    error::Error,
    files,
};

/// Where files that are kept are, in the data folder: `{id}.{variant}`.
const FOLDER: &str = "media";
/// Where what is being sent is.
const UPLOADS: &str = "uploads";
/// What a field without our script can be chosen from: the newest so many.
const CHOICES: i64 = 100;
/// Touched whenever something in anybody's library is deleted or described anew: pieces of pages that show some are made from it.
pub const TOPIC: &str = "media";
/// Characters of a picture's description.
pub const ALT_MOST: usize = 1_000;
/// Characters of what a sound says.
pub const TRANSCRIPT_MOST: usize = 20_000;
/// Characters of a file's name that are kept.
const NAME_MOST: usize = 120;

/// A member's picture, as other slices keep it: by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Picture {
    pub id: Arc<str>,
    /// In pixels, upright.
    pub width: u32,
    pub height: u32,
    /// What it shows, for who can't see it; may be empty.
    pub alt: String,
    /// Whether `full` moves; `medium` and `small` never do.
    pub animated: bool,
}

impl Picture {
    /// Where one of its sizes is: `full`, `medium` (at most 1,280 pixels) or `small` (at most 320).
    pub fn url(&self, variant: &str) -> String {
        url(&self.id, variant)
    }
}

/// A member's sound, as other slices keep it: by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Sound {
    pub id: Arc<str>,
    pub duration_ms: u32,
    /// How loud it is, in equal parts: 0 to 255.
    pub peaks: Arc<[u8]>,
    /// What it says, for who can't hear it; may be empty.
    pub transcript: String,
}

/// A member's own picture.
///
/// # Errors
/// [`Error::Invalid`] about the field `media` for what isn't in their library, or is a sound.
pub fn picture(db: &Reader, owner: i64, id: &str) -> Result<Picture, Error> {
    queries::picture(db, owner, id)?.ok_or_else(|| {
        Error::field(
            "media",
            "This picture is not in your library. Choose another, or upload it.",
        )
    })
}

/// A member's own sound.
///
/// # Errors
/// [`Error::Invalid`] about the field `media` for what isn't in their library, or is a picture.
pub fn sound(db: &Reader, owner: i64, id: &str) -> Result<Sound, Error> {
    queries::sound(db, owner, id)?.ok_or_else(|| {
        Error::field(
            "media",
            "This sound is not in your library. Choose another, or upload it.",
        )
    })
}

/// The pictures that a thing uses, in the order in which they were attached.
///
/// # Errors
/// The database's.
pub fn pictures_of(db: &Reader, what: &str, thing: i64) -> Result<Vec<Picture>, Error> {
    queries::pictures_of(db, what, thing)
}

/// What `templates/media/field.html` reads as `field`, for a form in which a member chooses one of their own: `kind` is
/// "image" or "audio", `chosen` an id or nothing. Add `help`, `none` (what it is called to have none), `error` and
/// `passing` as they are needed.
///
/// # Errors
/// The database's.
pub fn field(
    db: &Reader,
    owner: i64,
    (name, label): (&str, &str),
    kind: &str,
    chosen: Option<&str>,
) -> Result<minijinja::Value, Error> {
    let options = choices(db, owner, kind, chosen)?;
    Ok(context! { name, label, kind, chosen => chosen.unwrap_or(""), options })
}

/// A member's newest pictures or sounds, each with `id` and `words`, and the one that is chosen, however old it is.
///
/// # Errors
/// The database's.
pub fn choices(db: &Reader, owner: i64, kind: &str, chosen: Option<&str>) -> Result<Vec<minijinja::Value>, Error> {
    let mut options = queries::choices(db, owner, kind, CHOICES)?;
    if let Some(chosen) = chosen.filter(|chosen| options.iter().all(|(id, _)| id != chosen))
        && let Ok(item) = queries::item(db, owner, chosen)
    {
        options.push((item.id, item.name));
    }
    Ok(options.into_iter().map(|(id, words)| context! { id, words }).collect())
}

/// Where a file is served.
pub fn url(id: &str, variant: &str) -> String {
    format!("/media/{id}/{variant}")
}

/// Makes the folders, for this user alone.
///
/// # Errors
/// I/O.
pub fn prepare(data: &Path) -> io::Result<()> {
    files::prepare(&data.join(FOLDER))?;
    files::prepare(&data.join(UPLOADS))
}

/// A small picture that is nobody's, made anew, for a slice that keeps its bytes itself.
pub struct Small {
    pub mime: &'static str,
    pub bytes: Vec<u8>,
    /// In pixels.
    pub width: u32,
    pub height: u32,
}

/// Makes a small picture of bytes that came from elsewhere, as [`worker::make`] does of an upload. Nothing of it stays on disk.
///
/// # Errors
/// As [`worker::make`]; [`Error::NotFound`] for what is a sound.
pub async fn small(app: &App, bytes: &[u8]) -> Result<Small, Error> {
    let id = || Fixed(crypto::random::<16>()).to_string();
    let (upload, id) = (id(), id());
    let path = upload_of(app, &upload);
    files::create(&path).await?;
    let written = tokio::fs::write(&path, bytes).await;
    let made = match written {
        Ok(()) => worker::make(app, &upload, &id).await,
        Err(error) => Err(error.into()),
    };
    files::drop_file(&path).await;
    let made = made?.files;
    let smallest = made
        .iter()
        .map(|(file, _)| *file)
        .filter(|file| file.width > 0)
        .min_by_key(|file| file.width);
    let small = match smallest {
        None => Err(Error::NotFound),
        Some(file) => tokio::fs::read(file_of(app, &id, file.variant.name()))
            .await
            .map(|bytes| Small {
                mime: file.format.mime(),
                bytes,
                width: file.width,
                height: file.height,
            })
            .map_err(Error::from),
    };
    for (file, _) in &made {
        files::drop_file(&file_of(app, &id, file.variant.name())).await;
    }
    small
}

fn folder(app: &App) -> PathBuf {
    app.config().data.join(FOLDER)
}

fn file_of(app: &App, id: &str, variant: &str) -> PathBuf {
    folder(app).join(format!("{id}.{variant}"))
}

fn upload_of(app: &App, id: &str) -> PathBuf {
    app.config().data.join(UPLOADS).join(id)
}
