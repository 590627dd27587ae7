//! Pictures and sounds as they go along and come back, and what becomes of them when their owner goes. What comes back is made anew
//! by the worker like any upload: whatever an archive says of a file, nobody sees its bytes.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io,
    path::Path,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{
    ALT_MOST, FOLDER, NAME_MOST, TRANSCRIPT_MOST, UPLOADS, file_of,
    mutations::{self, New},
    queries, upload_of, wall,
    worker::{self, Made},
};
use crate::{
    app::{App, now_ms},
    archive::{self, Archive, Writer},
    crypto,
    db::{Db, Reader, Tx},
    error::Error,
    files,
    http::Form,
    session::Member,
};

/// Where they are in an archive.
pub const LIST: &str = "data/media.jsonl";
pub const SOUNDS: &str = "data/sounds.json";
/// Pictures and sounds of one archive.
const MEDIA_MOST: usize = 5_000;
/// What is waited before a picture or sound is tried again while the worker is busy.
const PATIENCE: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// What is made anew and in no row yet, by its id: bringing a library takes hours, if need be.
static MAKING: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Keeps the files of an id from being swept up; dropping it ends that.
struct Making(String);

impl Making {
    fn begin(id: &str) -> Self {
        let mut making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        making.insert(id.to_owned());
        Self(id.to_owned())
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let mut making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        making.remove(&self.0);
    }
}

/// The ids whose files are made just now, or wait for their rows: ask before you look for those, since one that is kept meanwhile is
/// in one of the two at least.
pub(super) fn in_the_making() -> HashSet<String> {
    MAKING.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A picture or a sound, as it stands in an archive.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Moved {
    /// What other things name it by.
    pub id: String,
    /// `image` or `audio`.
    pub kind: String,
    /// What its file was called.
    pub name: String,
    /// What a picture shows, what a sound says.
    pub alt: String,
    pub transcript: String,
    /// Where it lies in the archive, as it was kept.
    pub file: String,
    pub created_at: i64,
}

/// What is to be heard on a wall, as it stands in an archive: ids of `data/media.jsonl`.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct MovedSounds {
    pub anthem: Option<String>,
    pub anthem_title: String,
    pub voice: Option<String>,
}

/// Writes a member's pictures and sounds, in every size that is kept. Answers what they are, the oldest first, and where each
/// address that they have here lies in the archive.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(
    db: &Db,
    data: &Path,
    user_id: i64,
    out: &mut Writer,
) -> Result<(Vec<Moved>, HashMap<String, Option<String>>), Error> {
    let media = db.read(|db| {
        db.all(
            "select m.id, m.kind, m.name, m.alt, m.transcript, m.created_at, f.variant, f.mime
               from media m
               join media_files f on f.media_id = m.id
              where m.user_id = ?1
              order by m.created_at, m.id, f.variant",
            [user_id],
            |row| {
                let (id, variant, mime): (String, String, String) = (row.get(0)?, row.get(6)?, row.get(7)?);
                let file = format!("media/{id}-{variant}.{}", ending(&mime));
                let moved = Moved {
                    kind: row.get(1)?,
                    name: row.get(2)?,
                    alt: row.get(3)?,
                    transcript: row.get(4)?,
                    created_at: row.get(5)?,
                    id,
                    file,
                };
                Ok((moved, variant))
            },
        )
    })?;
    let sounds = db.read(|db| {
        db.maybe(
            "select anthem, anthem_title, voice from sounds where user_id = ?1",
            [user_id],
            |row| {
                Ok(MovedSounds {
                    anthem: row.get(0)?,
                    anthem_title: row.get(1)?,
                    voice: row.get(2)?,
                })
            },
        )
    })?;
    out.json(SOUNDS, &sounds.unwrap_or_default())?;
    out.lines(LIST, |lines| {
        let best = media
            .iter()
            .filter(|(_, variant)| matches!(&**variant, "full" | "sound"));
        best.map(|(moved, _)| moved).try_for_each(|moved| lines.push(moved))
    })?;
    let mut placed = HashMap::new();
    for (moved, variant) in &media {
        match File::open(data.join(FOLDER).join(format!("{}.{variant}", moved.id))) {
            // Deleted since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            file => {
                out.copy(&moved.file, file?)?;
                placed.insert(super::url(&moved.id, variant), Some(moved.file.clone()));
            }
        }
    }
    let is_best = |variant: &str| matches!(variant, "full" | "sound");
    let best = media.into_iter().filter(|(_, variant)| is_best(variant));
    let best: Vec<Moved> = best.map(|(moved, _)| moved).collect();
    // A picture that is small already has one file at all its addresses.
    for moved in best.iter().filter(|moved| moved.kind == "image") {
        for (variant, larger) in [("medium", "full"), ("small", "medium")] {
            if let Some(Some(file)) = placed.get(&super::url(&moved.id, larger)).cloned() {
                placed.entry(super::url(&moved.id, variant)).or_insert(Some(file));
            }
        }
    }
    Ok((best, placed))
}

/// What the file of a kind is called at its end.
fn ending(mime: &str) -> &'static str {
    match mime {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "audio/mpeg" => "mp3",
        "audio/ogg" => "ogg",
        "audio/flac" => "flac",
        "audio/wav" => "wav",
        "audio/aac" => "aac",
        _ => "bin",
    }
}

/// The pictures and sounds of an archive.
///
/// # Errors
/// [`Error::Invalid`] for what no list of ours says.
pub fn read(archive: &Archive) -> Result<Vec<Moved>, Error> {
    let mut media: Vec<Moved> = Vec::new();
    let (mut ids, mut files) = (HashSet::new(), HashSet::new());
    archive.lines(LIST, MEDIA_MOST, |moved: Moved| {
        let wrong = |why: &str| {
            Err(archive::refused(format!(
                "the picture or sound “{}” {why}",
                archive::shown(&moved.id)
            )))
        };
        if crypto::Bytes::<16>::parse(&moved.id).is_none() {
            return wrong("has an id that can't be one");
        }
        if !ids.insert(moved.id.clone()) {
            return wrong("is in it twice");
        }
        if !matches!(&*moved.kind, "image" | "audio") {
            return wrong("is neither");
        }
        if !moved.file.starts_with("media/") || archive.size(&moved.file).is_none() {
            return wrong("has a file that isn't in it");
        }
        // Each is made anew for itself: one file in many lines would become as many on disk.
        if !files.insert(moved.file.clone()) {
            return wrong("shares its file with another");
        }
        let long = [
            (&moved.name, NAME_MOST),
            (&moved.alt, ALT_MOST),
            (&moved.transcript, TRANSCRIPT_MOST),
        ];
        if long.iter().any(|(text, most)| text.chars().count() > *most) || moved.name.chars().any(char::is_control) {
            return wrong("has a name, a description or a transcript that is longer than can be");
        }
        media.push(moved);
        Ok(())
    })?;
    Ok(media)
}

/// Pictures and sounds that were made anew, on disk and in no row yet.
#[derive(Default)]
pub struct Arrived(Vec<(Moved, New, Made, Making)>);

/// Has pictures and sounds of an archive made anew for a member.
///
/// # Errors
/// [`Error::Invalid`] for one that isn't what it says, naming it; `quota` as soon as they take too much; the worker's. Nothing is
/// left on disk then.
pub async fn make(
    app: &App,
    owner: i64,
    archive: &Arc<Archive>,
    wanted: Vec<Moved>,
    progress: impl Fn(usize),
) -> Result<Arrived, Error> {
    let quota = u64::from(app.config().limits.media_mib) << 20;
    let stored = app.db.read(|db| stored(db, owner))?;
    let (mut arrived, mut bytes) = (Arrived::default(), 0_u64);
    for moved in wanted {
        progress(arrived.0.len());
        let mut patience = PATIENCE.iter();
        let made = loop {
            let upload = crypto::Bytes(crypto::random::<16>()).to_string();
            let made = make_one(app, owner, archive, &moved, &upload).await;
            files::drop_file(&upload_of(app, &upload)).await;
            // Others' uploads go first: this one has time.
            match (made, patience.next()) {
                (Err(Error::Unavailable(_)), Some(wait)) => tokio::time::sleep(*wait).await,
                (made, _) => break made,
            }
        };
        match made {
            Ok((new, made, making)) => {
                bytes += made.files.iter().map(|(_, bytes)| bytes).sum::<u64>();
                arrived.0.push((moved, new, made, making));
                // What couldn't be kept in the end doesn't fill the disk before.
                if let Err(error) = mutations::check_quota(stored, bytes, quota) {
                    arrived.drop_files(app).await;
                    return Err(error);
                }
            }
            Err(error) => {
                arrived.drop_files(app).await;
                return Err(match error {
                    Error::Invalid(why) => archive::refused(format!(
                        "“{}”: {}",
                        archive::shown(&moved.name),
                        Error::Invalid(why).detail().trim_end_matches('.')
                    )),
                    error => error,
                });
            }
        }
    }
    Ok(arrived)
}

async fn make_one(
    app: &App,
    owner: i64,
    archive: &Arc<Archive>,
    moved: &Moved,
    upload: &str,
) -> Result<(New, Made, Making), Error> {
    let limits = app.config().limits.clone();
    let (archive, path, to) = (archive.clone(), moved.file.clone(), upload_of(app, upload));
    let unpack = move || {
        let mut to = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(to)
            .map_err(files::disk)?;
        io::copy(&mut archive.file(&path)?, &mut to).map_err(files::disk)?;
        Ok::<_, Error>(())
    };
    tokio::task::spawn_blocking(unpack).await.map_err(Error::internal)??;
    let new = New {
        id: crypto::Bytes(crypto::random::<16>()).to_string(),
        owner,
        name: moved.name.clone(),
        alt: moved.alt.clone(),
        passing: false,
        upload: None,
        quota: u64::from(limits.media_mib) << 20,
    };
    let making = Making::begin(&new.id);
    let made = worker::make(app, upload, &new.id).await?;
    let is_picture = matches!(made.facts, neospace_media::protocol::Facts::Picture { .. });
    if is_picture != (moved.kind == "image") {
        for (file, _) in &made.files {
            files::drop_file(&file_of(app, &new.id, file.variant.name())).await;
        }
        return Err(Error::field("file", "This isn't what the list says that it is."));
    }
    Ok((new, made, making))
}

impl Arrived {
    /// Drops the files again: nothing of it was kept.
    pub async fn drop_files(&self, app: &App) {
        for (_, new, made, _) in &self.0 {
            for (file, _) in &made.files {
                files::drop_file(&file_of(app, &new.id, file.variant.name())).await;
            }
        }
    }
}

/// Keeps what was made anew; answers the id here of each one there, of those that came before, too.
///
/// # Errors
/// `quota`; the database's.
pub fn import(tx: &Tx, user_id: i64, arrived: &Arrived) -> Result<HashMap<String, String>, Error> {
    let mut ids = known(tx, user_id)?;
    for (moved, new, made, _) in &arrived.0 {
        mutations::keep(tx, new, made)?;
        tx.run(
            "update media set transcript = ?3, created_at = ?4 where id = ?1 and user_id = ?2",
            params![new.id, user_id, moved.transcript, moved.created_at.clamp(0, now_ms())],
        )?;
        tx.run(
            "insert into brought_things (user_id, kind, there, here) values (?1, 'media', ?2, ?3)
             on conflict do update set here = excluded.here",
            params![user_id, moved.id, new.id],
        )?;
        ids.insert(moved.id.clone(), new.id.clone());
    }
    Ok(ids)
}

/// The pictures and sounds that a member has here, by the ids that they have in archives: those that were brought, and their own.
///
/// # Errors
/// The database's.
pub fn known(db: &Reader, user_id: i64) -> Result<HashMap<String, String>, Error> {
    let known = db.all(
        "select id, id from media where user_id = ?1
          union all
         select b.there, b.here
           from brought_things b
           join media m on m.id = b.here and m.user_id = b.user_id
          where b.user_id = ?1 and b.kind = 'media'",
        [user_id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(known.into_iter().collect())
}

/// Bytes that a member stores here.
///
/// # Errors
/// The database's.
pub fn stored(db: &Reader, user_id: i64) -> Result<u64, Error> {
    queries::stored_by(db, user_id)
}

/// What is to be heard on a wall, about to come along.
pub struct Sounds(MovedSounds);

impl Sounds {
    /// What it is, in words.
    pub fn says(&self) -> &'static str {
        match (&self.0.anthem, &self.0.voice) {
            (Some(_), Some(_)) => "an anthem and your voice",
            (Some(_), None) => "an anthem",
            _ => "your voice",
        }
    }

    /// The sounds that it needs.
    pub fn media(&self) -> impl Iterator<Item = String> {
        self.0.anthem.iter().chain(&self.0.voice).cloned()
    }
}

/// What is to be heard on the wall of an archive, if anything is. `media` is its list.
///
/// # Errors
/// [`Error::Invalid`] for a sound that isn't in it, and a title that no form takes.
pub fn read_sounds(archive: &Archive, media: &[Moved]) -> Result<Option<Sounds>, Error> {
    let Some(moved) = archive.json::<MovedSounds>(SOUNDS)? else {
        return Ok(None);
    };
    let is_sound = |id: &String| media.iter().any(|it| it.id == *id && it.kind == "audio");
    if !moved.anthem.iter().chain(&moved.voice).all(is_sound) {
        return Err(archive::refused("its wall plays a sound that isn't in it"));
    }
    if !wall::is_title(&moved.anthem_title) {
        return Err(archive::refused("its anthem has a title that can't be one"));
    }
    Ok(Some(Sounds(moved)).filter(|it| it.0.anthem.is_some() || it.0.voice.is_some()))
}

/// Has a wall play the sounds, `instead` of its own or where it has none; whether any came. `media` has the new id of each.
///
/// # Errors
/// The database's.
pub fn import_sounds(
    tx: &Tx,
    member: &Member,
    sounds: &Sounds,
    media: &HashMap<String, String>,
    instead: bool,
) -> Result<bool, Error> {
    let own = tx.maybe(
        "select anthem is not null, voice is not null from sounds where user_id = ?1",
        [member.id],
        |row| Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?)),
    )?;
    let (has_anthem, has_voice) = own.unwrap_or_default();
    let Sounds(moved) = sounds;
    let here = |id: &Option<String>| id.as_ref().and_then(|id| media.get(id)).cloned();
    let mut fields = Vec::new();
    if instead || !has_anthem {
        fields.push(("anthem".to_owned(), here(&moved.anthem).unwrap_or_default()));
        fields.push(("anthem_title".to_owned(), moved.anthem_title.clone()));
    }
    if instead || !has_voice {
        fields.push(("voice".to_owned(), here(&moved.voice).unwrap_or_default()));
    }
    let came = !fields.is_empty();
    wall::keep(tx, member, &Form(fields))?;
    Ok(came)
}

/// Has everything made anew that shows a member's pictures or plays their sounds: their rows go with the member's. Answers how
/// many they are, and the files that are nobody's then, in the data folder.
///
/// # Errors
/// The database's.
pub fn leave(tx: &Tx, user_id: i64) -> Result<(i64, Vec<String>), Error> {
    let media = tx.all("select id from media where user_id = ?1", [user_id], |row| {
        row.get::<_, String>(0)
    })?;
    for id in &media {
        mutations::touch_uses(tx, user_id, id)?;
    }
    let mut files = tx.all(
        "select f.media_id, f.variant from media_files f join media m on m.id = f.media_id where m.user_id = ?1",
        [user_id],
        |row| {
            Ok(format!(
                "{FOLDER}/{}.{}",
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?
            ))
        },
    )?;
    files.extend(tx.all("select id from uploads where user_id = ?1", [user_id], |row| {
        Ok(format!("{UPLOADS}/{}", row.get::<_, String>(0)?))
    })?);
    Ok((media.len() as i64, files))
}
