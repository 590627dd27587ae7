//! Posts as they go along and come back, with their history and their drafts; and what becomes of them when their author goes.
//! What comes back keeps its days, stands on the wall as it stood, and is no news in the feed of all.

use std::collections::{HashMap, HashSet};

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{
    ALT_MOST, BODY_MOST, DRAFTS_MOST, PICTURES_MOST, TITLE_MOST,
    compose::{self, Kind, New},
    mutations::{self, Wall},
    preview, queries, view,
};
use crate::{
    app::{App, now_ms},
    archive::{self, Archive, Left, Writer},
    db::{Db, Reader, Tx},
    error::Error,
    http::Form,
    media, scripts,
};

/// Where posts are in an archive, and drafts.
pub const POSTS: &str = "data/posts.jsonl";
pub const DRAFTS: &str = "data/post-drafts.jsonl";
/// Posts that are read at once.
const POSTS_AT_ONCE: i64 = 100;
/// Posts of one archive, and all that they and their history take, in bytes: they come in one transaction.
const POSTS_MOST: usize = 20_000;
const BYTES_MOST: usize = 32 << 20;
/// Bytes of a post, and of what it said before, besides what they say.
const ROW_BYTES: usize = 256;
/// Edits of one post, and of all posts of one archive.
const EDITS_MOST: usize = 500;
const ALL_EDITS_MOST: usize = 50_000;
/// Fields of a draft.
const FIELDS_MOST: usize = 64;
/// Links whose previews are fetched anew once they are here.
const PREVIEWS_MOST: usize = 100;

/// A post, as it stands in an archive; as they stand on the wall, the first at the top. Times are Unix milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Moved {
    /// Its number there.
    pub post: i64,
    /// `text`, `image`, `link` or `script`.
    pub kind: String,
    pub title: String,
    /// Markdown, as it was typed.
    pub body: String,
    pub url: String,
    /// Of an image, in order.
    #[serde(default)]
    pub pictures: Vec<MovedPicture>,
    /// Of a script: its id; it may be anybody's.
    #[serde(default)]
    pub script: Option<String>,
    pub created_at: i64,
    pub edited_at: Option<i64>,
    /// What it said before, the oldest first.
    pub before: Vec<Before>,
}

/// A picture of a post.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MovedPicture {
    /// Its id in `data/media.jsonl`; nothing for one that was taken out of the library.
    pub media: Option<String>,
    /// What it shows, in words.
    pub alt: String,
    /// In pixels.
    pub width: u32,
    pub height: u32,
}

/// What a post said before.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Before {
    pub title: String,
    pub body: String,
    pub url: String,
    /// What its pictures showed, in words.
    pub pictures: Vec<String>,
    /// When it was changed.
    pub until: i64,
}

/// A draft: the fields of a form, as they were typed.
#[derive(Debug, Deserialize, Serialize)]
pub struct MovedDraft {
    /// The post that it changes; else it is a new one.
    pub post: Option<i64>,
    pub fields: Vec<(String, String)>,
    pub updated_at: i64,
}

/// Writes a member's posts and drafts.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, user_id: i64, out: &mut Writer) -> Result<(), Error> {
    out.lines(POSTS, |lines| {
        each(db, user_id, |posts| posts.iter().try_for_each(|post| lines.push(post)))
    })?;
    let drafts = db.read(|db| {
        db.all(
            "select post_id, fields, updated_at from post_drafts where user_id = ?1 order by id",
            [user_id],
            |row| {
                let fields: String = row.get(1)?;
                Ok(MovedDraft {
                    post: row.get(0)?,
                    fields: serde_json::from_str(&fields).unwrap_or_default(),
                    updated_at: row.get(2)?,
                })
            },
        )
    })?;
    out.lines(DRAFTS, |lines| drafts.iter().try_for_each(|draft| lines.push(draft)))
}

/// A post that stands on a wall.
pub struct Standing {
    pub id: i64,
    pub position: i64,
    /// Whether it ever said something else.
    pub edited: bool,
}

/// The posts that stand on a member's wall, from its top.
///
/// # Errors
/// The database's.
pub fn standing(db: &Db, user_id: i64) -> Result<Vec<Standing>, Error> {
    db.read(|db| {
        db.all(
            "select id, position, edited_at is not null
               from posts
              where user_id = ?1 and removed_at is null
              order by position desc, id desc",
            [user_id],
            |row| {
                Ok(Standing {
                    id: row.get(0)?,
                    position: row.get(1)?,
                    edited: row.get(2)?,
                })
            },
        )
    })
}

/// Everything that a member posted, some at a time, from the top of the wall.
fn each(db: &Db, user_id: i64, mut take: impl FnMut(&[Moved]) -> Result<(), Error>) -> Result<(), Error> {
    let (mut position, mut id) = (i64::MAX, i64::MAX);
    loop {
        let posts = db.read(|db| {
            let mut posts = db.all(
                "select id, position, kind, title, body, script, url, created_at, edited_at
                   from posts
                  where user_id = ?1 and removed_at is null and (position, id) < (?2, ?3)
                  order by position desc, id desc
                  limit ?4",
                [user_id, position, id, POSTS_AT_ONCE],
                |row| {
                    Ok((
                        row.get::<_, i64>(1)?,
                        Moved {
                            post: row.get(0)?,
                            kind: row.get(2)?,
                            title: row.get(3)?,
                            body: row.get(4)?,
                            script: Some(row.get(5)?).filter(|script: &String| !script.is_empty()),
                            pictures: Vec::new(),
                            url: row.get(6)?,
                            created_at: row.get(7)?,
                            edited_at: row.get(8)?,
                            before: Vec::new(),
                        },
                    ))
                },
            )?;
            for (_, post) in posts.iter_mut().filter(|(_, post)| post.kind == "image") {
                let pictures = queries::pictures(db, post.post)?;
                let moved = pictures.into_iter().map(|picture| MovedPicture {
                    media: picture.media.map(|id| id.to_string()),
                    alt: picture.alt,
                    width: picture.width,
                    height: picture.height,
                });
                post.pictures = moved.collect();
            }
            for (_, post) in posts.iter_mut().filter(|(_, post)| post.edited_at.is_some()) {
                post.before = db.all(
                    "select title, body, url, pictures, until from post_edits where post_id = ?1 order by id",
                    [post.post],
                    |row| {
                        let pictures: String = row.get(3)?;
                        Ok(Before {
                            title: row.get(0)?,
                            body: row.get(1)?,
                            url: row.get(2)?,
                            pictures: serde_json::from_str(&pictures).unwrap_or_default(),
                            until: row.get(4)?,
                        })
                    },
                )?;
            }
            Ok(posts)
        })?;
        let Some((last, post)) = posts.last() else {
            return Ok(());
        };
        (position, id) = (*last, post.post);
        let posts: Vec<Moved> = posts.into_iter().map(|(_, post)| post).collect();
        take(&posts)?;
    }
}

/// A post about to come along; everything in it is checked.
pub struct Incoming {
    /// Its number there.
    post: i64,
    /// Its pictures and its script are named as in the archive.
    new: New,
    created_at: i64,
    edited_at: Option<i64>,
    before: Vec<Before>,
}

/// What an archive has of posts.
#[derive(Default)]
pub struct Written {
    /// As they stand on the wall, the first at the top.
    posts: Vec<Incoming>,
    drafts: Vec<MovedDraft>,
    pub left: Vec<Left>,
    /// The pictures that they need.
    pub media: HashSet<String>,
}

impl Written {
    /// What there is, in words; empty where there is nothing.
    pub fn says(&self) -> String {
        let of = |n: usize, one: &str, more: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {more}")),
        };
        let edits = self.posts.iter().map(|post| post.before.len()).sum();
        let posts = of(self.posts.len(), "post", "posts");
        let edits = of(edits, "earlier version", "earlier versions");
        let posts = posts.map(|posts| edits.map_or(posts.clone(), |edits| format!("{posts} with {edits}")));
        let drafts = of(self.drafts.len(), "draft", "drafts");
        posts.into_iter().chain(drafts).collect::<Vec<_>>().join(" and ")
    }

    /// The links of these posts, as far as their previews are fetched anew.
    pub fn links(&self) -> Vec<String> {
        let links = self.posts.iter().filter(|post| !post.new.url.is_empty());
        links.map(|post| post.new.url.clone()).take(PREVIEWS_MOST).collect()
    }
}

/// Where a script's page is; what the history of a script's post names.
const SANDBOX: &str = "/sandbox/";
/// What stands for a picture that was taken out of the library, while a form is checked: no id has such a shape.
const GONE: &str = "gone-";

/// The posts and drafts of an archive. `place` is where it was made, `media` are the ids of its pictures, `works` those of its scripts.
///
/// # Errors
/// [`Error::Invalid`] for what no post of ours is.
pub fn read(
    app: &App,
    archive: &Archive,
    place: &str,
    media: &HashSet<String>,
    works: &HashSet<String>,
) -> Result<Written, Error> {
    let (mut written, mut bytes, mut edits) = (Written::default(), 0, 0);
    let (origin, now) = (app.config().origin.clone(), now_ms());
    let (mut numbers, mut linked) = (HashSet::new(), 0);
    archive.lines(POSTS, POSTS_MOST, |post: Moved| {
        let wrong = |why: &str| archive::refused(format!("post {} {why}", post.post));
        let Some(mut kind) = Some(&*post.kind)
            .filter(|kind| !kind.is_empty())
            .and_then(|kind| Kind::named(kind).ok())
        else {
            return Err(wrong(&format!(
                "is of the kind “{}”, which isn't known here",
                archive::shown(&post.kind)
            )));
        };
        if !numbers.insert(post.post) {
            return Err(wrong("is in it twice"));
        }
        edits += post.before.len();
        if post.before.len() > EDITS_MOST || edits > ALL_EDITS_MOST {
            return Err(wrong(&format!(
                "was changed more often than can be: {EDITS_MOST} times, and {ALL_EDITS_MOST} for all posts together"
            )));
        }
        bytes += post.before.iter().map(bytes_of).sum::<usize>();
        for before in &post.before {
            check_before(before, kind).map_err(|why| wrong(&format!("once said what can't be posted: {why}")))?;
        }
        // Somebody else's sketch stays where it is, and the post leads there.
        let mut url = post.url.clone();
        let theirs = |id: &String| !works.contains(id) && app.db.read(|db| scripts::published(db, id)).is_err();
        if kind == Kind::Script
            && let Some(id) = post.script.as_ref().filter(|id| scripts::is_id(id) && theirs(id))
            && let Ok(there) = preview::target(&format!("{place}{SANDBOX}{id}"))
        {
            (kind, url) = (Kind::Link, there);
            linked += 1;
        }
        let mut fields = vec![
            ("title".to_owned(), post.title.clone()),
            ("body".to_owned(), post.body.clone()),
            ("url".to_owned(), url),
            ("script".to_owned(), post.script.clone().unwrap_or_default()),
        ];
        for (nth, picture) in post.pictures.iter().enumerate() {
            if picture.media.as_ref().is_some_and(|id| !media.contains(id)) {
                return Err(wrong("shows a picture that isn't in it"));
            }
            let id = picture.media.clone().unwrap_or_else(|| format!("{GONE}{nth}"));
            fields.push((format!("media-{nth}"), id));
            fields.push((format!("alt-{nth}"), picture.alt.clone()));
        }
        if kind != Kind::Image && !post.pictures.is_empty() || post.pictures.len() > PICTURES_MOST {
            return Err(wrong("has pictures that it can't have"));
        }
        let mut new = New::check(kind, &Form(fields), &origin)
            .map_err(|error| wrong(&format!("can't be posted: {}", error.detail().trim_end_matches('.'))))?;
        bytes += new.body.len() + new.html.len() + ROW_BYTES;
        if bytes > BYTES_MOST {
            return Err(wrong("is more than one archive of posts may say"));
        }
        for (picture, moved) in new.pictures.iter_mut().zip(&post.pictures) {
            picture.media = moved.media.as_deref().map(Into::into);
            (picture.width, picture.height) = (moved.width.min(SIDE_MOST), moved.height.min(SIDE_MOST));
            written.media.extend(moved.media.clone());
        }
        written.posts.push(Incoming {
            post: post.post,
            new,
            created_at: post.created_at.clamp(0, now),
            edited_at: post.edited_at.map(|at| at.clamp(0, now)),
            before: post.before,
        });
        Ok(())
    })?;
    if linked > 0 {
        written.left.push(Left {
            what: format!("Others' sketches in {linked} of your posts"),
            why: "They are theirs and not in the archive: the posts come as links to where they run.".into(),
        });
    }
    let (mut lost, mut changed) = (0, HashSet::new());
    archive.lines(DRAFTS, 20 * DRAFTS_MOST, |mut draft: MovedDraft| {
        if draft.post.is_some_and(|post| !numbers.contains(&post)) {
            lost += 1;
            return Ok(());
        }
        if draft.post.is_some_and(|post| !changed.insert(post)) {
            return Err(archive::refused("two drafts change the same post"));
        }
        draft.fields.retain(|(name, _)| compose::is_kept(name));
        if draft.fields.len() > FIELDS_MOST {
            return Err(archive::refused(format!("a draft has more than {FIELDS_MOST} fields")));
        }
        compose::typed(&Form(draft.fields.clone())).map_err(|_| archive::refused("a draft is longer than can be"))?;
        // What isn't in the archive can't be chosen here.
        draft
            .fields
            .retain(|(name, value)| !is_media(name) || media.contains(value));
        let ids = draft.fields.iter().filter(|(name, _)| is_media(name));
        written.media.extend(ids.map(|(_, id)| id.clone()));
        draft.updated_at = draft.updated_at.clamp(0, now);
        written.drafts.push(draft);
        Ok(())
    })?;
    if lost > 0 {
        written.left.push(Left {
            what: format!("{lost} drafts"),
            why: "They change posts that aren't in the archive.".into(),
        });
    }
    Ok(written)
}

/// Pixels of a picture's side, as far as somebody says so.
const SIDE_MOST: u32 = 65_535;

fn is_media(name: &str) -> bool {
    name == "media" || name.strip_prefix("media-").is_some_and(|nth| nth.parse::<u8>().is_ok())
}

/// What an edit takes.
fn bytes_of(before: &Before) -> usize {
    let pictures: usize = before.pictures.iter().map(String::len).sum();
    before.title.len() + before.body.len() + before.url.len() + pictures + ROW_BYTES
}

/// Whether a post could have said this once.
fn check_before(before: &Before, kind: Kind) -> Result<(), String> {
    if before.title.chars().count() > TITLE_MOST || before.title.chars().any(char::is_control) {
        return Err(format!("a title is one line of at most {TITLE_MOST} characters"));
    }
    if before.body.chars().count() > BODY_MOST {
        return Err(format!("a post has at most {BODY_MOST} characters"));
    }
    let fits = match kind {
        Kind::Link => preview::target(&before.url).is_ok(),
        Kind::Script => before.url.strip_prefix(SANDBOX).is_some_and(scripts::is_id),
        Kind::Text | Kind::Image => before.url.is_empty(),
    };
    if !fits {
        return Err("its address can't be one".into());
    }
    let long = |alt: &String| alt.chars().count() > ALT_MOST;
    match before.pictures.len() > PICTURES_MOST || before.pictures.iter().any(long) {
        true => Err(format!(
            "at most {PICTURES_MOST} pictures, each described in {ALT_MOST} characters"
        )),
        false => Ok(()),
    }
}

/// Puts posts up above those that stand there, or `instead` of them: those are deleted then, and can be put back for a while. They come in
/// their order and with their days, and drafts with them. `media` and `works` have the ids here of pictures and scripts there.
///
/// # Errors
/// [`Error::Conflict`] for more drafts than one may have.
pub fn import(
    tx: &Tx,
    wall: Wall,
    written: &Written,
    media: &HashMap<String, String>,
    works: &HashMap<String, String>,
    instead: bool,
) -> Result<Vec<Left>, Error> {
    if instead {
        mutations::remove_all(tx, wall)?;
    }
    let (mut left, mut numbers) = (Vec::new(), HashMap::new());
    // The lowest first, so that each comes to stand above the one before.
    for post in written.posts.iter().rev() {
        let mut new = post.new.clone();
        if !new.script.is_empty() {
            match works.get(&new.script) {
                Some(id) => new.script = id.clone(),
                None if scripts::published(tx, &new.script).is_ok() => {}
                None => {
                    left.push(Left {
                        what: format!("Post {}", post.post),
                        why: "It shows a sketch that isn't here.".into(),
                    });
                    continue;
                }
            }
        }
        for picture in &mut new.pictures {
            let Some(old) = picture.media.take() else { continue };
            let here = media
                .get(&*old)
                .ok_or_else(|| Error::internal("a post's picture didn't come along"))?;
            let found = media::picture(tx, wall.user_id, here)?;
            (picture.width, picture.height) = (found.width, found.height);
            picture.media = Some(found.id);
        }
        let id = mutations::publish(tx, wall, &new, None, post.created_at)?;
        numbers.insert(post.post, id);
        tx.run(
            "update posts set brought = 1, edited_at = ?2, version = ?3 where id = ?1",
            params![id, post.edited_at, post.before.len() as i64 + 1],
        )?;
        for before in &post.before {
            let led_to = before
                .url
                .strip_prefix(SANDBOX)
                .and_then(|id| works.get(id))
                .map_or_else(|| before.url.clone(), |id| format!("{SANDBOX}{id}"));
            let pictures = serde_json::to_string(&before.pictures).map_err(Error::internal)?;
            tx.run(
                "insert into post_edits (post_id, title, body, url, pictures, until) values (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    id,
                    before.title,
                    before.body,
                    led_to,
                    pictures,
                    before.until.clamp(0, now_ms())
                ],
            )?;
        }
    }
    let has = queries::drafts(tx, wall.user_id)?;
    let mut more = has.len();
    for draft in &written.drafts {
        let post = match draft.post {
            Some(post) => match numbers.get(&post) {
                Some(id) => Some(*id),
                None => continue,
            },
            None => None,
        };
        let here = |(name, value): &(String, String)| {
            let id = match name.as_str() {
                "script" => works.get(value),
                name if is_media(name) => media.get(value),
                _ => None,
            };
            (name.clone(), id.unwrap_or(value).clone())
        };
        let fields = Form(draft.fields.iter().map(here).collect());
        // The same draft isn't brought twice.
        if post.is_none() && has.iter().any(|own| own.post.is_none() && own.fields == fields.0) {
            continue;
        }
        more += 1;
        tx.run(
            "insert into post_drafts (user_id, post_id, fields, updated_at) values (?1, ?2, ?3, ?4)",
            params![wall.user_id, post, compose::typed(&fields)?, draft.updated_at],
        )?;
    }
    if more > has.len() && more > DRAFTS_MOST {
        return Err(Error::Conflict(format!(
            "{} drafts come in, and you have {}: {DRAFTS_MOST} is the most. Publish some or throw some away first.",
            more - has.len(),
            has.len()
        )));
    }
    Ok(left)
}

/// How many posts stand on a wall.
///
/// # Errors
/// The database's.
pub fn many_standing(db: &Reader, user_id: i64) -> Result<i64, Error> {
    db.one(
        "select count(*) from posts where user_id = ?1 and removed_at is null",
        [user_id],
        |row| row.get(0),
    )
}

/// Fetches the previews of links that came along, one after the other. One that can't be had says so where it is shown.
pub async fn fetch_previews(app: App, links: Vec<String>) {
    for link in links {
        if let Err(error) = preview::look(&app, &link).await {
            tracing::debug!(%error, "a preview of a link that came along was not kept");
        }
    }
}

/// Has everything that shows a member's posts made anew: they are about to leave, are gone, or stay after all.
pub fn touch(tx: &Tx, name: &str) {
    tx.touch(view::topic(name));
    tx.touch(super::FEED);
}

/// Takes at most `most` posts away of a member who leaves for good, with what they said before; answers how many there were. Others
/// found none of them any more.
///
/// # Errors
/// The database's.
pub fn forget(tx: &Tx, user_id: i64, most: i64) -> Result<i64, Error> {
    let gone = tx.run(
        "delete from posts where id in (select id from posts where user_id = ?1 limit ?2)",
        [user_id, most],
    )?;
    Ok(gone as i64)
}
