//! Direct messages as they go along: sealed as they are, with the keys that open them wrapped as they are, so that an archive says
//! nothing more than the server could. They come back nowhere: they are sealed to this place's names and key log. And what goes
//! with an account: one's own copies, keys and notebook. What was sealed to others is theirs, and stays with them, from
//! somebody who takes no messages any more.

use std::{collections::HashMap, fs::File, io, path::Path, sync::Arc};

use rusqlite::params;
use serde::Serialize;
use serde_json::json;

use super::{files::FOLDER, queries, view::Eyes};
use crate::{
    archive::Writer,
    crypto::Blob,
    db::{Db, Reader, Tx},
    error::Error,
};

/// Messages that are read at once: each has up to 33 KiB.
const MESSAGES_AT_ONCE: usize = 100;

/// An entry of the public key log.
#[derive(Serialize)]
struct MovedKeys {
    index: i64,
    generation: i64,
    at: i64,
    entry: Blob,
    hash: Blob,
}

/// A conversation, as its member stands to it.
#[derive(Serialize)]
struct MovedConversation {
    with: Arc<str>,
    last_seq: i64,
    read_seq: i64,
    at: i64,
    muted: bool,
    blocked: bool,
    #[serde(skip)]
    id: i64,
}

/// Writes a member's part of the key log, their wrapped keys, and their copies of messages and files, sealed. `data` is the data
/// folder.
///
/// # Errors
/// The database's; of whoever takes the archive.
pub fn export(db: &Db, data: &Path, user_id: i64, name: &str, out: &mut Writer) -> Result<(), Error> {
    let log = db.read(|db| {
        db.all(
            "select id, generation, at, entry, hash from key_log where user_id = ?1 order by id",
            [user_id],
            |row| {
                Ok(MovedKeys {
                    index: row.get(0)?,
                    generation: row.get(1)?,
                    at: row.get(2)?,
                    entry: Blob(row.get(3)?),
                    hash: Blob(row.get(4)?),
                })
            },
        )
    })?;
    out.lines("data/key-log.jsonl", |lines| {
        log.iter().try_for_each(|entry| lines.push(entry))
    })?;
    if let Some(keys) = db.read(|db| wrapped(db, user_id))? {
        out.json("data/dm/keys.json", &keys)?;
    }
    let conversations = db.read(|db| all_conversations(db, user_id))?;
    out.lines("data/dm/conversations.jsonl", |lines| {
        conversations
            .iter()
            .try_for_each(|conversation| lines.push(conversation))
    })?;
    out.lines("data/dm/messages.jsonl", |lines| {
        for conversation in &conversations {
            let (mut after, eyes) = (0, Eyes::of(name, &conversation.with));
            loop {
                let messages = db.read(|db| queries::after(db, conversation.id, after, MESSAGES_AT_ONCE))?;
                let Some(last) = messages.last() else { break };
                after = last.seq;
                for message in &messages {
                    lines.push(&Message {
                        with: &conversation.with,
                        message: eyes.show(message),
                    })?;
                }
            }
        }
        Ok(())
    })?;
    let files = db.read(|db| own_files(db, user_id))?;
    let with: HashMap<i64, &Arc<str>> = conversations.iter().map(|it| (it.id, &it.with)).collect();
    out.lines("data/dm/files.jsonl", |lines| {
        files.iter().try_for_each(|(id, conversation, seq, size)| {
            lines.push(&json!({ "id": id, "with": with.get(conversation), "seq": seq, "size": size }))
        })
    })?;
    for (id, ..) in &files {
        match File::open(data.join(FOLDER).join(id)) {
            // Deleted since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            file => out.copy(&format!("data/dm/files/{id}"), file?)?,
        }
    }
    Ok(())
}

/// A message, as its member's devices get it.
#[derive(Serialize)]
struct Message<'m, M: Serialize> {
    with: &'m str,
    #[serde(flatten)]
    message: M,
}

/// What opens a member's messages, for who has their password or their recovery code.
fn wrapped(db: &Reader, user_id: i64) -> Result<Option<serde_json::Value>, Error> {
    db.maybe(
        "select k.generation, k.wrapped, k.recovery_wrapped, u.auth_salt, u.auth_rounds, n.version, n.notebook
           from dm_keys k
           join users u on u.id = k.user_id
           left join dm_notebooks n on n.user_id = k.user_id
          where k.user_id = ?1",
        [user_id],
        |row| {
            let blob = |bytes: Option<Vec<u8>>| bytes.map(Blob);
            Ok(json!({
                "generation": row.get::<_, i64>(0)?,
                "wrapped": blob(row.get(1)?),
                "recovery_wrapped": blob(row.get(2)?),
                "salt": blob(row.get(3)?),
                "rounds": row.get::<_, i64>(4)?,
                "notebook_version": row.get::<_, Option<i64>>(5)?,
                "notebook": blob(row.get(6)?),
            }))
        },
    )
}

fn all_conversations(db: &Reader, user_id: i64) -> Result<Vec<MovedConversation>, Error> {
    db.all(
        "select u.name, c.last_seq, m.read_seq, c.at, m.muted_at is not null, m.blocked_at is not null, c.id
           from dm_sides m
           join dm_conversations c on c.id = m.conversation_id
           join users u on u.id = m.peer_id
          where m.user_id = ?1
          order by u.name",
        [user_id],
        |row| {
            Ok(MovedConversation {
                with: row.get(0)?,
                last_seq: row.get(1)?,
                read_seq: row.get(2)?,
                at: row.get(3)?,
                muted: row.get(4)?,
                blocked: row.get(5)?,
                id: row.get(6)?,
            })
        },
    )
}

/// The files of messages that a member has a copy of: id, conversation, the message's `seq`, bytes.
fn own_files(db: &Reader, user_id: i64) -> Result<Vec<(String, i64, i64, i64)>, Error> {
    db.all(
        "select f.id, f.conversation_id, m.seq, f.size
           from dm_conversations c
           join dm_files f on f.conversation_id = c.id
           join dm_messages m on m.id = f.message_id
          where (c.lower_id = ?1 or c.higher_id = ?1)
            and case when m.sender = (c.lower_id <> ?1) then m.to_sender else m.to_recipient end is not null
          order by f.conversation_id, m.seq, f.id",
        [user_id],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )
}

/// A conversation, as its member's copies are dropped.
#[derive(Clone, Copy, Debug)]
pub struct Dropping {
    conversation: i64,
    /// 0: the member's name is the lower one; 1: the higher.
    side: u8,
    /// How far it has come.
    seq: i64,
}

/// The conversations of a member who leaves for good, from their beginning.
///
/// # Errors
/// The database's.
pub fn conversations(db: &Reader, user_id: i64) -> Result<Vec<Dropping>, Error> {
    db.all(
        "select id, lower_id <> ?1 from dm_conversations where lower_id = ?1 or higher_id = ?1",
        [user_id],
        |row| {
            Ok(Dropping {
                conversation: row.get(0)?,
                side: row.get(1)?,
                seq: 0,
            })
        },
    )
}

/// Drops the member's copies of at most `most` messages more. Answers where to go on (nothing at the end), how many copies were
/// dropped, and the files that are nobody's now, in the data folder.
///
/// # Errors
/// The database's.
pub fn forget(tx: &Tx, dropping: Dropping, most: i64) -> Result<(Option<Dropping>, i64, Vec<String>), Error> {
    let Dropping {
        conversation,
        side,
        seq,
    } = dropping;
    let last: Option<i64> = tx.one(
        "select max(seq) from (select seq from dm_messages where conversation_id = ?1 and seq > ?2 order by seq limit ?3)",
        [conversation, seq, most],
        |row| row.get(0),
    )?;
    let Some(last) = last else {
        return Ok((None, 0, Vec::new()));
    };
    let own = tx.run(
        "update dm_messages set to_sender = null
          where conversation_id = ?1 and seq > ?2 and seq <= ?3 and sender = ?4 and to_sender is not null",
        params![conversation, seq, last, side],
    )?;
    let others = tx.run(
        "update dm_messages set to_recipient = null
          where conversation_id = ?1 and seq > ?2 and seq <= ?3 and sender <> ?4 and to_recipient is not null",
        params![conversation, seq, last, side],
    )?;
    let files = tx.all(
        "delete from dm_files
          where message_id in (select id from dm_messages
                                where conversation_id = ?1 and seq > ?2 and seq <= ?3
                                  and to_recipient is null and to_sender is null)
          returning id",
        [conversation, seq, last],
        path,
    )?;
    Ok((Some(Dropping { seq: last, ..dropping }), (own + others) as i64, files))
}

/// Gives what others still have copies of to `remains`, the name that is left of the member; everything else of theirs goes with
/// their row. Answers the files that are nobody's then.
///
/// # Errors
/// The database's.
pub fn hand_over(tx: &Tx, user_id: i64, remains: i64) -> Result<Vec<String>, Error> {
    let kept = tx.all(
        "select c.id
           from dm_conversations c
          where (c.lower_id = ?1 or c.higher_id = ?1)
            and exists (select 1 from dm_messages m
                         where m.conversation_id = c.id and (m.to_recipient is not null or m.to_sender is not null))",
        [user_id],
        |row| row.get::<_, i64>(0),
    )?;
    for id in kept {
        let here = [id, user_id, remains];
        tx.run(
            "update dm_conversations set lower_id = ?3 where id = ?1 and lower_id = ?2",
            here,
        )?;
        tx.run(
            "update dm_conversations set higher_id = ?3 where id = ?1 and higher_id = ?2",
            here,
        )?;
        // The stream's position stays: the other's devices check what they have against it.
        tx.run(
            "update dm_sides set user_id = ?3, read_seq = 0, declined_at = null, blocked_at = null, muted_at = null
              where conversation_id = ?1 and user_id = ?2",
            here,
        )?;
        tx.run(
            "update dm_sides set peer_id = ?3 where conversation_id = ?1 and peer_id = ?2",
            here,
        )?;
        tx.run(
            "update dm_files set user_id = ?3 where conversation_id = ?1 and user_id = ?2 and message_id is not null",
            here,
        )?;
    }
    tx.all(
        "select f.id
           from dm_files f
           join dm_conversations c on c.id = f.conversation_id
          where f.user_id = ?1 or c.lower_id = ?1 or c.higher_id = ?1",
        [user_id],
        path,
    )
}

fn path(row: &rusqlite::Row) -> rusqlite::Result<String> {
    Ok(format!("{FOLDER}/{}", row.get::<_, String>(0)?))
}
