//! Answers what a plugin asks for during a call, and keeps what the call is to write until its end.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use neospace_runner::protocol::{Ask, Refused, Scope};
use rusqlite::params;
use sha2::Sha256;

use super::lanes::OwnedAnswer;
use super::pace::{LOG_LINE_MAX, LogLine, lock};
use super::storage::{Overlay, Owner, Quota, Staged};
use super::{Installation, Plugin};
use crate::db::{Db, Tx};
use crate::error::Error;
use crate::session::Viewer;

/// Notices in one call.
const NOTICES_PER_CALL: usize = 1;
/// Unread notices of one module.
const NOTICES_UNREAD: i64 = 20;
/// Notices that one member keeps; older ones that were read go when a new one comes …
const NOTICES_KEPT: i64 = 200;
/// … and so do those that were read and are older than this, in milliseconds: 90 days.
const NOTICES_LONGEST_MS: i64 = 90 * 24 * 3_600_000;
/// Bytes of a notice.
const NOTICE_MAX: usize = 500;

/// One call, as far as its questions go.
pub struct Questions<'c> {
    db: &'c Db,
    plugin: &'c Plugin,
    installation: &'c Installation,
    viewer: &'c Viewer,
    pseudonyms: &'c Hmac<Sha256>,
    now: i64,
    /// Whether it may write.
    writes: bool,
    own: Overlay<'c>,
    shared: Overlay<'c>,
    /// The call asked who is looking.
    pub asked_who: bool,
    refresh: bool,
    notices: Vec<String>,
    /// The first error of ours.
    pub trouble: Option<Error>,
}

/// What a call leaves behind when it went well.
pub struct Leavings {
    own: Staged,
    shared: Staged,
    notices: Vec<String>,
    /// `live.refresh` was called.
    pub refresh: bool,
}

impl<'c> Questions<'c> {
    pub fn new(
        db: &'c Db,
        pseudonyms: &'c Hmac<Sha256>,
        plugin: &'c Plugin,
        installation: &'c Installation,
        viewer: &'c Viewer,
        now: i64,
        writes: bool,
    ) -> Self {
        let limits = &plugin.limits;
        let quota = Quota {
            keys: limits.storage_keys,
            bytes: u64::from(limits.storage_kib) * 1024,
        };
        Questions {
            db,
            plugin,
            installation,
            viewer,
            pseudonyms,
            now,
            writes,
            own: Overlay::new(db, Owner::Installation(installation.id), quota, now),
            shared: Overlay::new(db, Owner::Shared(installation.plugin.clone()), quota, now),
            asked_who: false,
            refresh: false,
            notices: Vec::new(),
            trouble: None,
        }
    }

    /// The shared storage was read.
    pub fn read_shared(&self) -> bool {
        self.shared.read
    }

    /// When the first of the values that were read expires, Unix milliseconds.
    pub fn expires(&self) -> Option<i64> {
        [self.own.expires, self.shared.expires].into_iter().flatten().min()
    }

    /// What is to be kept.
    pub fn leavings(self) -> Leavings {
        Leavings {
            own: self.own.into_staged(),
            shared: self.shared.into_staged(),
            notices: self.notices,
            refresh: self.refresh,
        }
    }

    /// Answers one question; what can't be read now is `unavailable`.
    pub fn answer(&mut self, ask: Ask<'_>) -> OwnedAnswer {
        self.try_answer(ask).unwrap_or_else(|error| {
            self.trouble.get_or_insert(error);
            OwnedAnswer::Refused(Refused::Unavailable)
        })
    }

    fn try_answer(&mut self, ask: Ask<'_>) -> Result<OwnedAnswer, Error> {
        let writes = matches!(
            ask,
            Ask::Put { .. } | Ask::Delete { .. } | Ask::Add { .. } | Ask::Refresh | Ask::Notify { .. }
        );
        if writes && !self.writes {
            return Ok(OwnedAnswer::Refused(Refused::ReadOnly));
        }
        match ask {
            Ask::Pseudonym => {
                self.asked_who = true;
                Ok(OwnedAnswer::Name(self.viewer.id().map(|id| self.pseudonym(id))))
            }
            Ask::ViewerName => {
                self.asked_who = true;
                Ok(OwnedAnswer::Name(
                    self.viewer.member.as_ref().map(|member| member.name.to_string()),
                ))
            }
            Ask::Log { level, message } => {
                self.log(level, message);
                Ok(OwnedAnswer::Done)
            }
            Ask::Get { scope, key } => self.storage(scope).get(key),
            Ask::Put {
                scope,
                key,
                value,
                expires,
            } => self.storage(scope).put(key, value, expires),
            Ask::Delete { scope, key } => self.storage(scope).delete(key),
            Ask::Add { scope, key, delta } => self.storage(scope).add(key, delta),
            Ask::Scan {
                scope,
                prefix,
                after,
                limit,
            } => self.storage(scope).scan(prefix, after, limit),
            Ask::Refresh => {
                self.refresh = true;
                Ok(OwnedAnswer::Done)
            }
            Ask::Notify { text } => self.notify(text),
        }
    }

    fn storage(&mut self, scope: Scope) -> &mut Overlay<'c> {
        match scope {
            Scope::Installation => &mut self.own,
            Scope::Shared => &mut self.shared,
        }
    }

    /// Stable for this member on this installation, and without a link to any other: 72 bits of a keyed hash.
    fn pseudonym(&self, member: i64) -> String {
        let mut mac = self.pseudonyms.clone();
        mac.update(&self.installation.id.to_le_bytes());
        if self.installation.is_in_rooms() {
            // As long as no number of a module is, and of this plugin alone.
            mac.update(&(self.plugin.id.len() as u64).to_le_bytes());
            mac.update(self.plugin.id.as_bytes());
        }
        mac.update(&member.to_le_bytes());
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..9])
    }

    fn log(&self, level: u8, message: &str) {
        let message = &message[..message.floor_char_boundary(LOG_LINE_MAX)];
        let level = ["debug", "info", "warn", "error"][usize::from(level.min(3))];
        let wall = match self.installation.is_in_rooms() {
            true => format!("#{}", self.installation.wall),
            false => self.installation.wall.to_string(),
        };
        let line = LogLine {
            at: self.now,
            level,
            wall: wall.clone(),
            message: message.to_owned(),
        };
        let Some(dropped) = lock(&self.plugin.log).push(line) else {
            return;
        };
        let (plugin, version) = (&*self.plugin.id, self.plugin.manifest.version.as_str());
        let message = message.escape_debug();
        if dropped > 0 {
            tracing::warn!(target: "plugin", plugin, version, dropped, "lines over the rate were dropped");
        }
        match level {
            "error" => tracing::error!(target: "plugin", plugin, version, wall, "{message}"),
            "warn" => tracing::warn!(target: "plugin", plugin, version, wall, "{message}"),
            "info" => tracing::info!(target: "plugin", plugin, version, wall, "{message}"),
            _ => tracing::debug!(target: "plugin", plugin, version, wall, "{message}"),
        }
    }

    fn notify(&mut self, text: &str) -> Result<OwnedAnswer, Error> {
        let text = text.trim();
        if text.is_empty() || text.len() > NOTICE_MAX {
            return Ok(OwnedAnswer::Refused(Refused::BadText));
        }
        let unread = self.db.read(|db| {
            db.one(
                "select count(*) from notices where user_id = ?1 and module_id = ?2 and read_at is null",
                params![self.installation.owner_id, self.installation.id],
                |row| row.get::<_, i64>(0),
            )
        })?;
        if self.notices.len() >= NOTICES_PER_CALL || unread >= NOTICES_UNREAD {
            return Ok(OwnedAnswer::Refused(Refused::TooMany));
        }
        self.notices.push(text.to_owned());
        Ok(OwnedAnswer::Done)
    }
}

impl Leavings {
    /// Whether there is anything to keep.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.shared.is_empty() && self.notices.is_empty()
    }

    /// Keeps all of it, in one transaction.
    pub async fn commit(self, db: &Db, installation: &Installation, now: i64) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let (id, owner, plugin, wall) = (
            installation.id,
            installation.owner_id,
            installation.plugin.clone(),
            installation.wall.clone(),
        );
        let in_rooms = installation.is_in_rooms();
        db.write(move |tx: &Tx<'_>| {
            if in_rooms {
                self.shared.commit(tx, &Owner::Shared(plugin.clone()), now)?;
                tx.touch(format!("shared:{plugin}"));
                return Ok(());
            }
            // Taken off the wall while the call ran: nothing of it is kept.
            let there = tx.maybe(
                "select 1 from modules where id = ?1 and removed_at is null",
                [id],
                |_| Ok(()),
            )?;
            if there.is_none() {
                return Err(Error::Conflict(
                    "This module has just been taken off the wall, so nothing was kept.".into(),
                ));
            }
            if !self.own.is_empty() {
                self.own.commit(tx, &Owner::Installation(id), now)?;
                tx.touch(format!("module:{id}"));
                tx.touch(format!("wall:{wall}"));
            }
            if !self.shared.is_empty() {
                self.shared.commit(tx, &Owner::Shared(plugin.clone()), now)?;
                tx.touch(format!("shared:{plugin}"));
            }
            for text in &self.notices {
                tx.run(
                    "insert into notices (user_id, module_id, plugin, text, created_at) values (?1, ?2, ?3, ?4, ?5)",
                    params![owner, id, Arc::clone(&plugin), text, now],
                )?;
            }
            if !self.notices.is_empty() {
                tx.run(
                    "delete from notices
                      where user_id = ?1 and read_at is not null
                        and (created_at < ?2
                             or id not in (select id from notices where user_id = ?1 order by id desc limit ?3))",
                    params![owner, now - NOTICES_LONGEST_MS, NOTICES_KEPT],
                )?;
            }
            Ok(())
        })
        .await
    }
}
