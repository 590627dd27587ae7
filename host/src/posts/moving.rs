//! Posts as they go along and come back, with their history and their drafts; and what becomes of them when their author goes.
//! What comes back keeps its days, stands on the wall as it stood, and is no news in the feed of all.

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{
    DRAFTS_MOST,
    compose::{self, Kind, New},
    mutations::{self, Wall},
    preview, queries, view,
};
use crate::{
    app::{App, now_ms},
    archive::{self, Archive, Left, Writer},
    db::{Db, Tx},
    error::Error,
    http::Form,
};

/// Where posts are in an archive, and drafts.
pub const POSTS: &str = "data/posts.jsonl";
pub const DRAFTS: &str = "data/post-drafts.jsonl";
/// Posts that are read at once.
const POSTS_AT_ONCE: i64 = 100;
/// Posts of one archive, and all that they and their history say, in bytes: they come in one transaction.
const POSTS_MOST: usize = 20_000;
const BYTES_MOST: usize = 64 << 20;
/// Edits of one post.
const EDITS_MOST: usize = 500;
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
    new: New,
    created_at: i64,
    edited_at: Option<i64>,
    before: Vec<Before>,
}

/// What an archive has of posts.
#[derive(Default)]
pub struct Written {
    /// As they stand on the wall, the first at the top.
    pub posts: Vec<Incoming>,
    /// Of new posts: what was typed, as JSON, and when.
    pub drafts: Vec<(String, i64)>,
    pub left: Vec<Left>,
}

impl Written {
    /// The links of these posts, as far as their previews are fetched anew.
    pub fn links(&self) -> Vec<String> {
        let links = self.posts.iter().filter(|post| !post.new.url.is_empty());
        links.map(|post| post.new.url.clone()).take(PREVIEWS_MOST).collect()
    }
}

/// The posts and drafts of an archive.
///
/// # Errors
/// [`Error::Invalid`] for what no post of ours is.
pub fn read(archive: &Archive) -> Result<Written, Error> {
    let (mut written, mut bytes) = (Written::default(), 0);
    archive.lines(POSTS, POSTS_MOST, |post: Moved| {
        let wrong = |why: &str| archive::refused(format!("post {} {why}", post.post));
        let Ok(kind) = Kind::named(&post.kind) else {
            written.left.push(Left {
                what: format!("Post {}", post.post),
                why: format!("Posts of the kind “{}” aren't known here.", archive::shown(&post.kind)),
            });
            return Ok(());
        };
        bytes += post.body.len() + post.before.iter().map(|before| before.body.len()).sum::<usize>();
        if bytes > BYTES_MOST {
            return Err(wrong("is more than one archive of posts may say"));
        }
        let checked = |title: &str, body: &str, url: &str| {
            let fields = [("title", title), ("body", body), ("url", url)];
            let form = Form(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
            New::check(kind, &form, "")
                .map_err(|error| wrong(&format!("can't be posted: {}", error.detail().trim_end_matches('.'))))
        };
        if post.before.len() > EDITS_MOST {
            return Err(wrong("was changed more often than can be"));
        }
        for before in &post.before {
            checked(&before.title, &before.body, &before.url)?;
        }
        let now = now_ms();
        written.posts.push(Incoming {
            new: checked(&post.title, &post.body, &post.url)?,
            created_at: post.created_at.clamp(0, now),
            edited_at: post.edited_at.map(|at| at.clamp(0, now)),
            before: post.before,
        });
        Ok(())
    })?;
    let mut of_posts = 0;
    archive.lines(DRAFTS, 10 * DRAFTS_MOST, |draft: MovedDraft| {
        if draft.post.is_some() {
            of_posts += 1;
            return Ok(());
        }
        if draft.fields.iter().any(|(_, value)| value.contains('\0')) {
            return Err(archive::refused("a draft holds a NUL, which no text may"));
        }
        let typed =
            compose::typed(&Form(draft.fields)).map_err(|_| archive::refused("a draft is longer than can be"))?;
        written.drafts.push((typed, draft.updated_at.clamp(0, now_ms())));
        Ok(())
    })?;
    if of_posts > 0 {
        written.left.push(Left {
            what: "Changes of posts that were begun and not kept".into(),
            why: "The posts come along as they stood.".into(),
        });
    }
    Ok(written)
}

/// Puts posts up above those that stand there, in their order and with their days, and keeps the drafts.
///
/// # Errors
/// [`Error::Conflict`] for more drafts than one may have.
pub fn import(tx: &Tx, wall: Wall, written: &Written) -> Result<(), Error> {
    // The lowest first, so that each comes to stand above the one before.
    for post in written.posts.iter().rev() {
        let id = mutations::publish(tx, wall, &post.new, None, post.created_at)?;
        tx.run(
            "update posts set brought = 1, edited_at = ?2, version = ?3 where id = ?1",
            params![id, post.edited_at, post.before.len() as i64 + 1],
        )?;
        for before in &post.before {
            let pictures = serde_json::to_string(&before.pictures).map_err(Error::internal)?;
            tx.run(
                "insert into post_edits (post_id, title, body, url, pictures, until) values (?1, ?2, ?3, ?4, ?5, ?6)",
                params![id, before.title, before.body, before.url, pictures, before.until],
            )?;
        }
    }
    let has = queries::drafts(tx, wall.user_id)?.len();
    if has + written.drafts.len() > DRAFTS_MOST {
        return Err(Error::Conflict(format!(
            "{} drafts come in, and you have {has}: {DRAFTS_MOST} is the most. Publish some or throw some away first.",
            written.drafts.len()
        )));
    }
    for (fields, at) in &written.drafts {
        tx.run(
            "insert into post_drafts (user_id, fields, updated_at) values (?1, ?2, ?3)",
            params![wall.user_id, fields, at],
        )?;
    }
    Ok(())
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
