//! What posts are read from: by wall in its owner's order, by wall and by everybody in the order of time. Keys page, offsets
//! don't.

use std::sync::Arc;

use rusqlite::{Row, params};
use serde::Serialize;

use super::{compose::Kind, preview::Preview};
use crate::{db::Reader, error::Error};

/// A picture of a post.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Picture {
    /// Nothing for one that was taken out of the library.
    pub media: Option<Arc<str>>,
    /// What it shows, in words.
    pub alt: String,
    /// In pixels.
    pub width: u32,
    pub height: u32,
    /// Whether its largest size moves; the others never do.
    pub animated: bool,
}

/// A post that stands on a wall.
#[derive(Clone, Debug)]
pub struct Post {
    pub id: i64,
    /// Whose wall it is on.
    pub author: Arc<str>,
    /// The author's colour.
    pub colour: Arc<str>,
    /// The picture that stands for the author: its id.
    pub avatar: Option<Arc<str>>,
    pub kind: Kind,
    pub title: String,
    /// Markdown, as it was typed.
    pub body: String,
    /// The same, rendered.
    pub html: String,
    /// Of a link: where it leads.
    pub url: String,
    /// Of a script: its id.
    pub script: String,
    /// What is known of what lies there.
    pub preview: Option<Preview>,
    pub pictures: Vec<Picture>,
    pub position: i64,
    /// Grows with each edit.
    pub version: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    pub edited_at: Option<i64>,
}

/// The columns of [`Post`].
const POST: &str =
    "select p.id, u.name, f.colour, p.kind, p.title, p.body, p.html, p.url, p.script, p.position, p.version,
        p.created_at, p.edited_at, v.site, v.title, v.description, v.why, v.fetched_at, v.picture_id, f.avatar
   from posts p
   join users u on u.id = p.user_id and u.leaving_at is null
   join faces f on f.user_id = p.user_id
   left join link_previews v on v.url = p.url";

impl Post {
    fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            author: row.get(1)?,
            colour: row.get(2)?,
            avatar: row.get(19)?,
            kind: Kind::stored(&row.get::<_, String>(3)?),
            title: row.get(4)?,
            body: row.get(5)?,
            html: row.get(6)?,
            url: row.get(7)?,
            script: row.get(8)?,
            position: row.get(9)?,
            version: row.get(10)?,
            created_at: row.get(11)?,
            edited_at: row.get(12)?,
            preview: Preview::of(row, 13)?,
            pictures: Vec::new(),
        })
    }

    /// Its permanent address.
    pub fn address(&self) -> String {
        format!("/wall/{}/posts/{}", self.author, self.id)
    }
}

/// Posts with their pictures.
fn with_pictures(db: &Reader, mut posts: Vec<Post>) -> Result<Vec<Post>, Error> {
    for post in posts.iter_mut().filter(|post| post.kind == Kind::Image) {
        post.pictures = pictures(db, post.id)?;
    }
    Ok(posts)
}

/// The pictures of a post, in order.
///
/// # Errors
/// The database's.
pub fn pictures(db: &Reader, post: i64) -> Result<Vec<Picture>, Error> {
    db.all(
        "select p.media_id, p.alt, p.width, p.height, coalesce(m.animated, 0)
           from post_pictures p
           left join media m on m.id = p.media_id
          where p.post_id = ?1
          order by p.nth",
        [post],
        |row| {
            Ok(Picture {
                media: row.get(0)?,
                alt: row.get(1)?,
                width: row.get(2)?,
                height: row.get(3)?,
                animated: row.get(4)?,
            })
        },
    )
}

/// Where a page of a wall begins: after the post with this position and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub position: i64,
    pub id: i64,
}

impl Place {
    /// Above every post.
    pub const TOP: Place = Place {
        position: i64::MAX,
        id: i64::MAX,
    };

    /// As an address names it: `position.id`.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what no page has said.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parsed = text
            .split_once('.')
            .and_then(|(position, id)| Some((position.parse().ok()?, id.parse().ok()?)));
        let (position, id) = parsed.ok_or(Error::NotFound)?;
        Ok(Self { position, id })
    }
}

/// The posts of a wall in its owner's order, below a place; one more than `many` says that there are further ones.
///
/// # Errors
/// The database's.
pub fn of_wall(db: &Reader, user_id: i64, below: Place, many: usize) -> Result<Vec<Post>, Error> {
    let posts = db.all(
        &format!(
            "{POST}
  where p.user_id = ?1 and p.removed_at is null and (p.position, p.id) < (?2, ?3)
  order by p.position desc, p.id desc
  limit ?4"
        ),
        params![user_id, below.position, below.id, many as i64 + 1],
        Post::of,
    )?;
    with_pictures(db, posts)
}

/// One post of a wall.
///
/// # Errors
/// [`Error::NotFound`], also for one of another wall, and for one that was deleted.
pub fn post(db: &Reader, wall: &str, id: i64) -> Result<Post, Error> {
    let post = db.one(
        &format!("{POST} where p.id = ?1 and u.name = ?2 and p.removed_at is null"),
        params![id, wall],
        Post::of,
    )?;
    with_pictures(db, vec![post])?.pop().ok_or(Error::NotFound)
}

/// The newest posts before one of them: of everybody, or of one member; one more than `many` says that there are further ones.
///
/// # Errors
/// The database's.
pub fn newest(db: &Reader, of: Option<i64>, before: i64, many: usize) -> Result<Vec<Post>, Error> {
    let many = many as i64 + 1;
    let posts = match of {
        None => db.all(
            &format!("{POST} where p.removed_at is null and p.brought = 0 and p.id < ?1 order by p.id desc limit ?2"),
            [before, many],
            Post::of,
        ),
        Some(user_id) => db.all(
            &format!("{POST} where p.user_id = ?1 and p.removed_at is null and p.id < ?2 order by p.id desc limit ?3"),
            [user_id, before, many],
            Post::of,
        ),
    }?;
    with_pictures(db, posts)
}

/// What a post said before, and until when.
#[derive(Debug, Serialize)]
pub struct Edit {
    pub id: i64,
    pub title: String,
    pub body: String,
    pub url: String,
    /// What its pictures showed, in words.
    pub pictures: Vec<String>,
    pub until: i64,
}

/// Earlier versions of a post, the latest first, before one of them; one more than `many` says that there are further ones.
///
/// # Errors
/// The database's.
pub fn edits(db: &Reader, post: i64, before: i64, many: usize) -> Result<Vec<Edit>, Error> {
    db.all(
        "select id, title, body, url, pictures, until
           from post_edits
          where post_id = ?1 and id < ?2
          order by id desc
          limit ?3",
        params![post, before, many as i64 + 1],
        |row| {
            Ok(Edit {
                id: row.get(0)?,
                title: row.get(1)?,
                body: row.get(2)?,
                url: row.get(3)?,
                pictures: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
                until: row.get(5)?,
            })
        },
    )
}

/// What somebody is writing.
#[derive(Debug)]
pub struct Draft {
    pub id: i64,
    /// The post that is being edited.
    pub post: Option<i64>,
    /// A form's fields, in order.
    pub fields: Vec<(String, String)>,
    pub updated_at: i64,
}

impl Draft {
    fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            post: row.get(1)?,
            fields: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
            updated_at: row.get(3)?,
        })
    }
}

/// One's drafts of new posts, the latest first.
///
/// # Errors
/// The database's.
pub fn drafts(db: &Reader, user_id: i64) -> Result<Vec<Draft>, Error> {
    db.all(
        "select id, post_id, fields, updated_at
           from post_drafts
          where user_id = ?1 and post_id is null
          order by updated_at desc, id desc",
        [user_id],
        Draft::of,
    )
}

/// One of one's drafts.
///
/// # Errors
/// [`Error::NotFound`].
pub fn draft(db: &Reader, user_id: i64, id: i64) -> Result<Draft, Error> {
    db.one(
        "select id, post_id, fields, updated_at from post_drafts where id = ?1 and user_id = ?2",
        [id, user_id],
        Draft::of,
    )
}

/// What one has changed in a post and not kept yet.
///
/// # Errors
/// The database's.
pub fn draft_of(db: &Reader, user_id: i64, post: i64) -> Result<Option<Draft>, Error> {
    db.maybe(
        "select id, post_id, fields, updated_at from post_drafts where post_id = ?1 and user_id = ?2",
        [post, user_id],
        Draft::of,
    )
}

/// A deleted post that can be put back.
#[derive(Debug, Serialize)]
pub struct Removed {
    pub id: i64,
    pub title: String,
    pub body: String,
    pub kind: Kind,
    pub removed_at: i64,
}

/// One's deleted posts, the latest first, that went after a time in Unix milliseconds.
///
/// # Errors
/// The database's.
pub fn removed(db: &Reader, user_id: i64, since: i64, many: usize) -> Result<Vec<Removed>, Error> {
    db.all(
        "select id, title, body, kind, removed_at
           from posts
          where user_id = ?1 and removed_at >= ?2
          order by removed_at desc
          limit ?3",
        params![user_id, since, many as i64],
        |row| {
            Ok(Removed {
                id: row.get(0)?,
                title: row.get(1)?,
                body: row.get(2)?,
                kind: Kind::stored(&row.get::<_, String>(3)?),
                removed_at: row.get(4)?,
            })
        },
    )
}
