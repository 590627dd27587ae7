//! What a member changes in their posts. Each is a closure's worth of SQL; what it changes is named as topics.

use rusqlite::params;

use super::{DRAFTS_MOST, KEPT_MOST, KEPT_MS, compose::New, queries, queries::Picture, view};
use crate::{
    app::now_ms,
    db::{Reader, Tx},
    directory,
    error::Error,
    media,
};

/// Between two posts' positions, so that one can be put between them without moving others.
const GAP: i64 = 1 << 32;

/// Whose posts are changed.
#[derive(Clone, Copy, Debug)]
pub struct Wall<'a> {
    pub user_id: i64,
    pub name: &'a str,
}

/// Puts a post up, first on the wall, and forgets the draft that it was; answers its id.
///
/// # Errors
/// The database's.
pub fn publish(tx: &Tx, wall: Wall, new: &New, draft: Option<i64>, now: i64) -> Result<i64, Error> {
    let first = ends(tx, wall.user_id)?.map_or(0, |(first, _)| first + GAP);
    tx.run(
        "insert into posts (user_id, kind, title, body, html, url, script, position, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            wall.user_id,
            new.kind.name(),
            new.title,
            new.body,
            new.html,
            new.url,
            new.script,
            first,
            now
        ],
    )?;
    let id = tx.last_id();
    hang(tx, wall, id, &new.pictures)?;
    directory::note_links(tx, (wall.user_id, wall.name), "post", id, &new.leads_to)?;
    if let Some(draft) = draft {
        tx.run(
            "delete from post_drafts where id = ?1 and user_id = ?2",
            [draft, wall.user_id],
        )?;
    }
    touch(tx, wall.name);
    Ok(id)
}

/// What media call what uses them here.
const POST: &str = "post";

/// Gives a post these pictures.
fn hang(tx: &Tx, wall: Wall, id: i64, pictures: &[Picture]) -> Result<(), Error> {
    tx.run("delete from post_pictures where post_id = ?1", [id])?;
    for (nth, picture) in pictures.iter().enumerate() {
        tx.run(
            "insert into post_pictures (post_id, nth, media_id, alt, width, height) values (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                id,
                nth as i64,
                picture.media,
                picture.alt,
                picture.width,
                picture.height
            ],
        )?;
    }
    show_pictures(tx, wall, id, pictures, true)
}

/// Lets everybody have the files of a post's pictures, or their owner alone, while it is deleted.
fn show_pictures(tx: &Tx, wall: Wall, id: i64, pictures: &[Picture], shown: bool) -> Result<(), Error> {
    let (topic, href) = match shown {
        true => (format!("wall:{}", wall.name), format!("/wall/{}/posts/{id}", wall.name)),
        false => (
            format!("kept:{}", wall.name),
            format!("/wall/{}?edit=1&tab=posts", wall.name),
        ),
    };
    for media in pictures.iter().filter_map(|picture| picture.media.as_ref()) {
        media::attach(tx, media, POST, id, &topic, &href)?;
    }
    Ok(())
}

/// The largest position on a wall and the smallest.
fn ends(tx: &Tx, user_id: i64) -> Result<Option<(i64, i64)>, Error> {
    let end = |order: &str| {
        tx.maybe(
            &format!(
                "select position from posts where user_id = ?1 and removed_at is null order by position {order} limit 1"
            ),
            [user_id],
            |row| row.get(0),
        )
    };
    Ok(end("desc")?.zip(end("asc")?))
}

/// Gives a post new words, and keeps the old ones in its history. Answers whether anything changed.
///
/// # Errors
/// [`Error::NotFound`].
pub fn edit(tx: &Tx, wall: Wall, id: i64, new: &New) -> Result<bool, Error> {
    let old = queries::post(tx, wall.name, id)?;
    tx.run(
        "delete from post_drafts where post_id = ?1 and user_id = ?2",
        [id, wall.user_id],
    )?;
    let same = (&old.title, &old.body, &old.url, &old.script) == (&new.title, &new.body, &new.url, &new.script);
    if same && old.pictures == new.pictures {
        return Ok(false);
    }
    let now = now_ms();
    let showed: serde_json::Value = old.pictures.iter().map(|picture| picture.alt.as_str()).collect();
    let led_to = match old.script.as_str() {
        "" => old.url,
        script => format!("/sandbox/{script}"),
    };
    if old.pictures != new.pictures {
        media::detach(tx, POST, id)?;
        hang(tx, wall, id, &new.pictures)?;
    }
    tx.run(
        "insert into post_edits (post_id, title, body, url, pictures, until) values (?1, ?2, ?3, ?4, ?5, ?6)",
        params![id, old.title, old.body, led_to, showed.to_string(), now],
    )?;
    tx.run(
        "update posts
            set title = ?2, body = ?3, html = ?4, url = ?5, script = ?6, edited_at = ?7, version = version + 1
          where id = ?1",
        params![id, new.title, new.body, new.html, new.url, new.script, now],
    )?;
    directory::note_links(tx, (wall.user_id, wall.name), "post", id, &new.leads_to)?;
    touch(tx, wall.name);
    Ok(true)
}

/// Deletes a post. It is kept for a while, and can be put back.
///
/// # Errors
/// [`Error::NotFound`].
pub fn remove(tx: &Tx, wall: Wall, id: i64) -> Result<(), Error> {
    let now = now_ms();
    changed(tx.run(
        "update posts set removed_at = ?3 where id = ?1 and user_id = ?2 and removed_at is null",
        params![id, wall.user_id, now],
    )?)?;
    directory::hide_links(tx, "post", id, true)?;
    show_pictures(tx, wall, id, &queries::pictures(tx, id)?, false)?;
    forget(tx, wall, now)?;
    touch(tx, wall.name);
    Ok(())
}

/// Deletes every post of a wall. The last of them are kept for a while, and can be put back.
///
/// # Errors
/// The database's.
pub fn remove_all(tx: &Tx, wall: Wall) -> Result<(), Error> {
    let now = now_ms();
    let removed = tx.all(
        "update posts set removed_at = ?2 where user_id = ?1 and removed_at is null returning id",
        [wall.user_id, now],
        |row| row.get::<_, i64>(0),
    )?;
    for id in removed {
        directory::hide_links(tx, "post", id, true)?;
        show_pictures(tx, wall, id, &queries::pictures(tx, id)?, false)?;
    }
    forget(tx, wall, now)?;
    touch(tx, wall.name);
    Ok(())
}

/// Lets go of what was deleted long ago, and of more of a wall's than is kept.
fn forget(tx: &Tx, wall: Wall, now: i64) -> Result<(), Error> {
    let old = tx.all("select id from posts where removed_at < ?1", [now - KEPT_MS], |row| {
        row.get(0)
    })?;
    let many = tx.all(
        "select id from posts
          where user_id = ?1
            and removed_at is not null
            and id not in (
              select id from posts where user_id = ?1 and removed_at is not null order by removed_at desc, position desc limit ?2
            )",
        [wall.user_id, KEPT_MOST],
        |row| row.get::<_, i64>(0),
    )?;
    for gone in old.into_iter().chain(many) {
        media::detach(tx, POST, gone)?;
        tx.run("delete from posts where id = ?1", [gone])?;
    }
    Ok(())
}

/// Puts a deleted post back where it was.
///
/// # Errors
/// [`Error::NotFound`] when it isn't kept any more.
pub fn restore(tx: &Tx, wall: Wall, id: i64) -> Result<(), Error> {
    changed(tx.run(
        "update posts set removed_at = null where id = ?1 and user_id = ?2 and removed_at >= ?3",
        [id, wall.user_id, now_ms() - KEPT_MS],
    )?)?;
    show_pictures(tx, wall, id, &queries::pictures(tx, id)?, true)?;
    directory::hide_links(tx, "post", id, false)?;
    // Its place may have been given away meanwhile: then it comes to stand above whoever has it.
    let at = position(tx, wall, id)?;
    let taken = tx.maybe(
        "select 1 from posts where user_id = ?1 and removed_at is null and position = ?2 and id <> ?3",
        [wall.user_id, at, id],
        |_| Ok(()),
    )?;
    if taken.is_some() {
        let free = between(tx, wall, Some(at), neighbour(tx, wall, at, true)?)?;
        tx.run("update posts set position = ?2 where id = ?1", [id, free])?;
    }
    touch(tx, wall.name);
    Ok(())
}

/// Where a post is moved to.
#[derive(Clone, Copy, Debug)]
pub enum To {
    /// One place up or down.
    Up,
    Down,
    /// Above all others, or below.
    Top,
    Bottom,
    /// Above this post, or below it.
    Above(i64),
    Below(i64),
}

/// Moves a post within the order of its wall.
///
/// # Errors
/// [`Error::NotFound`] when it, or what it should stand above, isn't on this wall.
pub fn place(tx: &Tx, wall: Wall, id: i64, to: To) -> Result<(), Error> {
    let at = position(tx, wall, id)?;
    // Each is put between two: the lower one's position, and the upper one's, if there are such.
    let (below, above) = match to {
        To::Top => {
            let (first, _) = ends(tx, wall.user_id)?.ok_or(Error::NotFound)?;
            (Some(first), None)
        }
        To::Bottom => {
            let (_, last) = ends(tx, wall.user_id)?.ok_or(Error::NotFound)?;
            (None, Some(last))
        }
        To::Up => match neighbour(tx, wall, at, true)? {
            None => return Ok(()),
            Some(upper) => (Some(upper), neighbour(tx, wall, upper, true)?),
        },
        To::Down => match neighbour(tx, wall, at, false)? {
            None => return Ok(()),
            Some(lower) => (neighbour(tx, wall, lower, false)?, Some(lower)),
        },
        To::Above(other) | To::Below(other) if other == id => return Ok(()),
        To::Below(other) => {
            let upper = position(tx, wall, other)?;
            let lower = neighbour(tx, wall, upper, false)?;
            if lower == Some(at) {
                return Ok(());
            }
            (lower, Some(upper))
        }
        To::Above(other) => {
            let lower = position(tx, wall, other)?;
            let upper = neighbour(tx, wall, lower, true)?;
            if upper == Some(at) {
                return Ok(());
            }
            (Some(lower), upper)
        }
    };
    if matches!(to, To::Top) && below == Some(at) || matches!(to, To::Bottom) && above == Some(at) {
        return Ok(());
    }
    let position = between(tx, wall, below, above)?;
    tx.run("update posts set position = ?2 where id = ?1", [id, position])?;
    touch(tx, wall.name);
    Ok(())
}

/// A position that nobody has, between two neighbours'.
fn between(tx: &Tx, wall: Wall, below: Option<i64>, above: Option<i64>) -> Result<i64, Error> {
    Ok(match (below, above) {
        (None, None) => 0,
        (Some(below), None) => below + GAP,
        (None, Some(above)) => above - GAP,
        (Some(below), Some(above)) if above - below > 1 => below + (above - below) / 2,
        // No room between the two: all above move up.
        (Some(below), Some(above)) => {
            tx.run(
                "update posts set position = position + ?3 where user_id = ?1 and position >= ?2",
                [wall.user_id, above, GAP],
            )?;
            below + GAP / 2
        }
    })
}

fn position(db: &Reader, wall: Wall, id: i64) -> Result<i64, Error> {
    db.one(
        "select position from posts where id = ?1 and user_id = ?2 and removed_at is null",
        [id, wall.user_id],
        |row| row.get(0),
    )
}

/// The position of the next post above a position, or below it.
fn neighbour(db: &Reader, wall: Wall, of: i64, above: bool) -> Result<Option<i64>, Error> {
    db.maybe(
        if above {
            "select position from posts
              where user_id = ?1 and removed_at is null and position > ?2
              order by position
              limit 1"
        } else {
            "select position from posts
              where user_id = ?1 and removed_at is null and position < ?2
              order by position desc
              limit 1"
        },
        [wall.user_id, of],
        |row| row.get(0),
    )
}

/// Keeps what somebody is writing; answers the draft's id.
///
/// # Errors
/// [`Error::Conflict`] for one draft too many; [`Error::NotFound`] for a post that isn't theirs.
pub fn save_draft(tx: &Tx, wall: Wall, draft: Option<i64>, post: Option<i64>, fields: &str) -> Result<i64, Error> {
    let now = now_ms();
    if let Some(post) = post {
        position(tx, wall, post)?;
        return tx.one(
            "insert into post_drafts (user_id, post_id, fields, updated_at) values (?1, ?2, ?3, ?4)
             on conflict (user_id, post_id) do update set fields = excluded.fields, updated_at = excluded.updated_at
             returning id",
            params![wall.user_id, post, fields, now],
            |row| row.get(0),
        );
    }
    // One that was published or thrown away meanwhile, in another window perhaps, begins anew: nothing typed is lost.
    if let Some(draft) = draft
        && tx.run(
            "update post_drafts set fields = ?3, updated_at = ?4 where id = ?1 and user_id = ?2 and post_id is null",
            params![draft, wall.user_id, fields, now],
        )? > 0
    {
        return Ok(draft);
    }
    if queries::drafts(tx, wall.user_id)?.len() >= DRAFTS_MOST {
        return Err(Error::Conflict(format!(
            "You have {DRAFTS_MOST} drafts already. Publish one or throw one away first."
        )));
    }
    tx.run(
        "insert into post_drafts (user_id, fields, updated_at) values (?1, ?2, ?3)",
        params![wall.user_id, fields, now],
    )?;
    Ok(tx.last_id())
}

/// Throws a draft away.
///
/// # Errors
/// [`Error::NotFound`].
pub fn delete_draft(tx: &Tx, user_id: i64, id: i64) -> Result<(), Error> {
    changed(tx.run("delete from post_drafts where id = ?1 and user_id = ?2", [id, user_id])?)
}

fn changed(rows: usize) -> Result<(), Error> {
    if rows == 0 { Err(Error::NotFound) } else { Ok(()) }
}

/// Everything that shows a wall's posts: the wall and its pages, and the feed of all.
pub fn touch(tx: &Tx, wall: &str) {
    tx.touch(format!("wall:{wall}"));
    tx.touch(view::topic(wall));
    tx.touch(super::FEED);
}
