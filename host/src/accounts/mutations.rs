//! What members change about their accounts, sessions and notices.

use super::New;
use crate::app::now_ms;
use crate::crypto::{self, Parameters};
use crate::db::Tx;
use crate::dms;
use crate::error::Error;
use crate::profiles::is_name;
use crate::session;
use crate::tokens;
use rusqlite::params;

/// Sessions that one member may have; those seen longest ago end first.
const SESSIONS_MOST: i64 = 50;

/// Makes the account and its profile; answers the member's id.
pub fn create(tx: &Tx, new: &New) -> Result<i64, Error> {
    // Random, and small enough for every language that reads it.
    let shuffle = i64::from(u32::from_le_bytes(crypto::random()));
    let made = tx.run(
        "insert into users (name, auth_salt, auth_rounds, auth_hash, shuffle, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (name) do nothing",
        params![
            new.name,
            new.parameters.salt.0,
            new.parameters.rounds,
            new.auth_hash,
            shuffle,
            now_ms()
        ],
    )?;
    if made == 0 {
        let hint = free_name_like(tx, &new.name)?
            .map(|free| format!(" How about {free}?"))
            .unwrap_or_default();
        return Err(Error::field("name", format!("Somebody else has that name.{hint}")));
    }
    let id = tx.last_id();
    tx.run(
        "insert into profiles (user_id, colour) values (?1, ?2)",
        params![id, new.ink],
    )?;
    new.starter.put_up(tx, id, &new.name)?;
    tx.touch("people");
    Ok(id)
}

fn free_name_like(tx: &Tx, name: &str) -> Result<Option<String>, Error> {
    for n in 2..=9 {
        let other = format!("{name}-{n}");
        if is_name(&other)
            && tx
                .maybe("select 1 from users where name = ?1", [&other], |_| Ok(()))?
                .is_none()
        {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// Starts a session for who proved to have the password: unless it was changed meanwhile, which ended every session of
/// the old one. Nothing then.
pub fn log_in(
    tx: &Tx,
    user_id: i64,
    proved: &str,
    device: &str,
    replaced: Option<[u8; 32]>,
) -> Result<Option<[u8; 32]>, Error> {
    let find = "select 1 from users where id = ?1 and auth_hash = ?2";
    match tx.maybe(find, params![user_id, proved], |_| Ok(()))? {
        Some(()) => begin_session(tx, user_id, device, replaced).map(Some),
        None => Ok(None),
    }
}

/// Starts a session on a device. `replaced` is the token hash that the same browser came with: it ends, so that nobody
/// can plant a session in it. Answers the new token.
pub fn begin_session(tx: &Tx, user_id: i64, device: &str, replaced: Option<[u8; 32]>) -> Result<[u8; 32], Error> {
    if let Some(hash) = replaced {
        end_session_of_token(tx, hash)?;
    }
    let token = session::start(tx, user_id, device)?;
    tx.run(
        "delete from sessions
          where user_id = ?1
            and id not in (select id from sessions where user_id = ?1 order by last_seen_at desc, id desc limit ?2)",
        [user_id, SESSIONS_MOST],
    )?;
    tx.touch(session::topic(user_id));
    Ok(token)
}

/// Ends the session of a token, if there is one.
pub fn end_session_of_token(tx: &Tx, hash: [u8; 32]) -> Result<(), Error> {
    let find = "select user_id from sessions where token_hash = ?1";
    let Some(user_id) = tx.maybe(find, [hash], |row| row.get::<_, i64>(0))? else {
        return Ok(());
    };
    tx.run("delete from sessions where token_hash = ?1", [hash])?;
    tx.touch(session::topic(user_id));
    Ok(())
}

/// Whether a member prefers every wall in the plain view.
pub fn set_plain(tx: &Tx, user_id: i64, plain: bool) -> Result<(), Error> {
    tx.run(
        "update profiles set plain = ?2 where user_id = ?1",
        params![user_id, plain],
    )?;
    tx.touch(session::topic(user_id));
    Ok(())
}

/// Whether others may see that a member is here, and where on walls they point.
pub fn set_presence(tx: &Tx, user_id: i64, present: bool, cursor: bool) -> Result<(), Error> {
    tx.run(
        "update profiles set present = ?2, cursor = ?3 where user_id = ?1",
        params![user_id, present, cursor],
    )?;
    tx.touch(session::topic(user_id));
    Ok(())
}

/// Ends one session of a member.
pub fn end_session(tx: &Tx, user_id: i64, session_id: i64) -> Result<(), Error> {
    let ended = tx.run(
        "delete from sessions where id = ?1 and user_id = ?2",
        [session_id, user_id],
    )?;
    tx.touch(session::topic(user_id));
    if ended == 0 { Err(Error::NotFound) } else { Ok(()) }
}

/// Ends all sessions of a member but one.
pub fn end_other_sessions(tx: &Tx, user_id: i64, kept: i64) -> Result<(), Error> {
    tx.run("delete from sessions where user_id = ?1 and id <> ?2", [user_id, kept])?;
    tx.touch(session::topic(user_id));
    Ok(())
}

/// A changed password.
pub struct Change {
    pub user_id: i64,
    pub proved: Proved,
    pub parameters: Parameters,
    pub auth_hash: String,
    /// The roots of the account's keys under the new wrap key, where it has any.
    pub wrapped: Option<Vec<u8>>,
    pub device: String,
}

/// With what who changes a password proved who they are: the hash that it was held against.
pub enum Proved {
    Password(String),
    Code(String),
}

/// Changes the password, wraps the account's keys anew, ends every session and every token, and starts a new session;
/// answers its token.
pub fn change_password(tx: &Tx, change: &Change) -> Result<[u8; 32], Error> {
    let (sql, proved) = match &change.proved {
        Proved::Password(hash) => (
            "update users set auth_salt = ?3, auth_rounds = ?4, auth_hash = ?5 where id = ?1 and auth_hash = ?2",
            hash,
        ),
        Proved::Code(hash) => (
            "update users set auth_salt = ?3, auth_rounds = ?4, auth_hash = ?5
              where id = ?1 and id in (select user_id from dm_keys where recovery_hash = ?2)",
            hash,
        ),
    };
    let changed = tx.run(
        sql,
        params![
            change.user_id,
            proved,
            change.parameters.salt.0,
            change.parameters.rounds,
            change.auth_hash
        ],
    )?;
    if changed == 0 {
        return Err(Error::Conflict(
            "Your password or code was changed on another device meanwhile. Log in again.".into(),
        ));
    }
    dms::rewrap(tx, change.user_id, change.wrapped.as_deref())?;
    tx.run("delete from sessions where user_id = ?1", [change.user_id])?;
    tokens::revoke_all(tx, change.user_id)?;
    begin_session(tx, change.user_id, &change.device, None)
}

/// Marks one notice, or all of them, as read.
pub fn read_notices(tx: &Tx, user_id: i64, notice_id: Option<i64>) -> Result<(), Error> {
    tx.run(
        "update notices set read_at = ?3 where user_id = ?1 and (?2 is null or id = ?2) and read_at is null",
        params![user_id, notice_id, now_ms()],
    )?;
    Ok(())
}

/// Throws a notice away.
pub fn dismiss_notice(tx: &Tx, user_id: i64, notice_id: i64) -> Result<(), Error> {
    tx.run(
        "delete from notices where user_id = ?1 and id = ?2",
        [user_id, notice_id],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cache::Topics,
        db::{Db, Sizes},
    };

    #[tokio::test]
    async fn a_password_that_was_changed_while_it_was_looked_at_opens_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let sizes = Sizes {
            cache_kib: 1024,
            mmap_mib: 0,
            readers: 1,
        };
        let db = Db::open(&folder.path().join("a.db"), sizes, Topics::default()).expect("a database");
        db.write(|tx| {
            tx.run(
                "insert into users (id, name, auth_salt, auth_rounds, auth_hash, shuffle, created_at)
                 values (1, 'ana', x'00', 1, 'new', 0, 0)",
                [],
            )
        })
        .await
        .expect("a member");
        let sessions = |db: &Db| db.read(|db| db.one("select count(*) from sessions", [], |row| row.get::<_, i64>(0)));
        let token = db
            .write(|tx| log_in(tx, 1, "old", "curl", None))
            .await
            .expect("no fault");
        assert!(token.is_none());
        assert_eq!(sessions(&db).expect("a count"), 0);
        let token = db
            .write(|tx| log_in(tx, 1, "new", "curl", None))
            .await
            .expect("no fault");
        assert!(token.is_some());
        assert_eq!(sessions(&db).expect("a count"), 1);
    }
}
