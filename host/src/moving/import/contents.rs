//! What is in an archive: every slice reads its own part, and what of it would come is said in sentences.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io,
};

use serde::Deserialize;

use super::{Found, Part, file_of, most};
use crate::{
    app::{App, now_ms},
    archive::{self, Archive, FORMAT, Left, MANIFEST, VERSION},
    config::Limits,
    crypto, directory,
    error::Error,
    looks, media, posts, profiles, rooms, scripts,
    session::Member,
    stickers, walls,
};

/// Characters of what an archive says about where it was made.
const PLACE_MOST: usize = 200;
/// Sentences about what stays behind that are shown.
const LEFT_MOST: usize = 100;

/// The first file of an archive.
#[derive(Deserialize)]
struct Manifest {
    format: String,
    version: u32,
    id: String,
    member: String,
    made_at: i64,
    node: String,
    origin: String,
}

pub(super) fn open(app: &App, file: &str) -> Result<Archive, Error> {
    let opened = File::open(file_of(app, file)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::Conflict("The archive that you sent isn't here any more: send it again.".into())
        }
        _ => error.into(),
    })?;
    Archive::open(opened, limits_of(&app.config().limits))
}

fn limits_of(limits: &Limits) -> archive::Limits {
    archive::Limits {
        // What compresses well is still no more than that.
        total: most(limits) + (256 << 20),
        media: 128 << 20,
        list: 64 << 20,
        other: 32 << 20,
    }
}

/// Everything in an archive, read and checked.
pub(super) struct Everything {
    pub(super) found: Found,
    pub(super) media: Vec<media::moving::Moved>,
    pub(super) profile: Option<profiles::moving::Incoming>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) look: Option<looks::moving::Incoming>,
    pub(super) sounds: Option<media::moving::Sounds>,
    pub(super) canvas: stickers::moving::Canvasful,
    pub(super) modules: Vec<walls::moving::Incoming>,
    pub(super) posts: posts::moving::Written,
    pub(super) scripts: scripts::moving::Workshop,
    pub(super) rooms: Vec<rooms::moving::Elsewhere>,
}

impl Everything {
    pub(super) fn read(app: &App, member: &Member, archive: &Archive) -> Result<Self, Error> {
        let manifest = manifest(archive)?;
        let (owner, known) = app
            .db
            .read(|db| Ok((profiles::find(db, &member.name)?, media::moving::known(db, member.id)?)))?;
        let mut media = media::moving::read(archive)?;
        let ids: HashSet<String> = media.iter().map(|it| it.id.clone()).collect();
        let profile = profiles::moving::read(archive, &owner, &ids)?;
        let tags = directory::moving::read(archive)?;
        let look = looks::moving::read(archive, &owner, &ids)?;
        let sounds = media::moving::read_sounds(archive, &media)?;
        let canvas = stickers::moving::read(app, archive, &ids)?;
        let (seen, modules) = walls::moving::read(app, archive)?;
        let scripts = scripts::moving::read(app, archive)?;
        let posts = posts::moving::read(app, archive, &manifest.origin, &ids, &scripts.ids())?;
        let rooms = rooms::moving::read(archive, &manifest.node)?;

        let mut parts = BTreeMap::new();
        let mut say = |part, sentence: String| {
            if !sentence.is_empty() {
                parts.insert(part, sentence);
            }
        };
        say(
            Part::Profile,
            match (&profile, &tags) {
                (None, None) => String::new(),
                (profile, tags) => {
                    let mut has: Vec<String> = profile.as_ref().map(|it| it.says()).unwrap_or_default();
                    has.extend(
                        tags.iter()
                            .filter(|tags| !tags.is_empty())
                            .map(|tags| many(tags.len(), "tag", "tags")),
                    );
                    listed(has)
                }
            },
        );
        say(
            Part::Look,
            look.as_ref().map_or_else(String::new, |it| it.says().into()),
        );
        say(
            Part::Sounds,
            sounds.as_ref().map_or_else(String::new, |it| it.says().into()),
        );
        say(Part::Stickers, some(canvas.stickers.len(), "sticker", "stickers"));
        say(Part::Modules, {
            let names: Vec<_> = seen
                .iter()
                .filter(|it| it.why.is_none())
                .map(|it| it.name.clone())
                .collect();
            match names.len() {
                0 => String::new(),
                n => format!(
                    "{}: {}",
                    many(
                        n,
                        "module with what its plugin keeps",
                        "modules with what their plugins keep"
                    ),
                    listed(names)
                ),
            }
        });
        say(Part::Posts, posts.says());
        say(Part::Scripts, scripts.says());
        say(
            Part::Rooms,
            some(rooms.len(), "message of yours in rooms", "messages of yours in rooms"),
        );
        media.retain(|it| !known.contains_key(&it.id));
        say(Part::Library, {
            let sounds = media.iter().filter(|it| it.kind == "audio").count();
            let pictures = media.len() - sounds;
            let mut has = Vec::new();
            has.extend((pictures > 0).then(|| many(pictures, "picture", "pictures")));
            has.extend((sounds > 0).then(|| many(sounds, "sound", "sounds")));
            listed(has)
        });

        let mut left: Vec<Left> = seen
            .iter()
            .filter_map(|it| {
                Some(Left {
                    what: format!("The module {}", archive::shown(&it.name)),
                    why: it.why.clone()?,
                })
            })
            .collect();
        left.extend(canvas.left.iter().cloned());
        left.extend(posts.left.iter().cloned());
        left.extend(scripts.left.iter().cloned());
        left.extend(look.iter().flat_map(|it| it.left()));
        if archive.size("data/dm/messages.jsonl").is_some_and(|bytes| bytes > 0) {
            left.push(Left {
                what: "Direct messages".into(),
                why: "They are sealed for the names and the key log of where they were written, and open there alone. The archive keeps them.".into(),
            });
        }
        if left.len() > LEFT_MOST {
            let more = left.len() - LEFT_MOST;
            left.truncate(LEFT_MOST);
            left.push(Left {
                what: format!("{more} more"),
                why: "For reasons like these.".into(),
            });
        }
        let found = Found {
            archive: manifest.id,
            member: manifest.member,
            node: manifest.node,
            origin: manifest.origin,
            made_at: manifest.made_at,
            parts,
            media: media.len(),
            media_bytes: media.iter().filter_map(|it| archive.size(&it.file)).sum(),
            left,
        };
        Ok(Self {
            found,
            media,
            profile,
            tags,
            look,
            sounds,
            canvas,
            modules,
            posts,
            scripts,
            rooms,
        })
    }
}

fn manifest(archive: &Archive) -> Result<Manifest, Error> {
    let mut manifest: Manifest = archive
        .json(MANIFEST)?
        .ok_or_else(|| archive::refused(format!("it has no {MANIFEST}, so it is no archive of a NeoSpace")))?;
    if manifest.format != FORMAT {
        return Err(archive::refused(format!(
            "its {MANIFEST} says that it is “{}”, and “{FORMAT}” is taken",
            archive::shown(&manifest.format)
        )));
    }
    if manifest.version != VERSION {
        return Err(archive::refused(format!(
            "its format is version {}, and version {VERSION} is read here",
            manifest.version
        )));
    }
    let line = |text: &str| text.chars().count() <= PLACE_MOST && !text.chars().any(char::is_control);
    if crypto::Bytes::<16>::parse(&manifest.id).is_none()
        || !profiles::is_name(&manifest.member)
        || !line(&manifest.node)
        || !line(&manifest.origin)
    {
        return Err(archive::refused(format!(
            "its {MANIFEST} doesn't say whose it is and where it was made"
        )));
    }
    let linked = manifest.origin.starts_with("https://") || manifest.origin.starts_with("http://");
    if !linked {
        manifest.origin.clear();
    }
    manifest.made_at = manifest.made_at.clamp(0, now_ms());
    Ok(manifest)
}

fn many(n: usize, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

fn some(n: usize, one: &str, more: &str) -> String {
    if n == 0 { String::new() } else { many(n, one, more) }
}

/// Words as people list them.
fn listed(words: Vec<String>) -> String {
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
