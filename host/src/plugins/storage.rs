//! What plugins keep: rows of the database, and above them what one call has staged and not yet committed.
//!
//! Reads see the staged writes. Quotas are counted exactly, staged writes included, over what has not expired. Nothing
//! here writes but [`Staged::commit`], in the call's one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use neospace_runner::protocol::Refused;
use rusqlite::params;

use super::lanes::OwnedAnswer;
use crate::db::{Db, Reader, Tx};
use crate::error::Error;

/// Bytes of a key.
pub const KEY_MAX: usize = 256;
/// Bytes of a value.
pub const VALUE_MAX: usize = 64 * 1024;
/// Entries that one scan answers.
pub const SCAN_MAX: u32 = 100;
/// Bytes that one scan answers: what a host call may carry.
const SCAN_BYTES: usize = 192 * 1024;
/// Expired rows that one sweep removes.
const SWEEP_ROWS: i64 = 500;

/// Whose storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// One module's own.
    Installation(i64),
    /// All installations' of a plugin.
    Shared(Arc<str>),
}

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub keys: u32,
    /// Of keys and values together.
    pub bytes: u64,
}

/// One storage as one call sees it.
pub struct Overlay<'d> {
    db: &'d Db,
    owner: Owner,
    quota: Quota,
    /// Unix milliseconds; what has expired by then isn't there.
    now: i64,
    staged: Staged,
    /// Keys and bytes, staged writes included, once they were counted.
    used: Option<(u32, u64)>,
    /// When the first of the values that were read expires.
    pub expires: Option<i64>,
    /// Whether anything was asked of it.
    pub read: bool,
}

/// Writes that wait for the end of a call: value and expiry by key, nothing for a removal.
#[derive(Debug, Default)]
pub struct Staged(BTreeMap<String, Option<Value>>);

/// A value and when it expires.
type Value = (Vec<u8>, Option<i64>);
/// A key, its value and when it expires.
type Row = (String, Vec<u8>, Option<i64>);

impl<'d> Overlay<'d> {
    pub fn new(db: &'d Db, owner: Owner, quota: Quota, now: i64) -> Self {
        Overlay {
            db,
            owner,
            quota,
            now,
            staged: Staged::default(),
            used: None,
            expires: None,
            read: false,
        }
    }

    /// What is to be committed.
    pub fn into_staged(self) -> Staged {
        self.staged
    }

    fn find(&mut self, key: &str) -> Result<Option<Value>, Error> {
        self.read = true;
        if let Some(staged) = self.staged.0.get(key) {
            return Ok(staged.clone());
        }
        let found = self.db.read(|db| row(db, &self.owner, key, self.now))?;
        if let Some((_, Some(at))) = found {
            self.expires = Some(self.expires.map_or(at, |first| first.min(at)));
        }
        Ok(found)
    }

    /// The value under a key.
    pub fn get(&mut self, key: &str) -> Result<OwnedAnswer, Error> {
        if !key_is_fine(key) {
            return Ok(OwnedAnswer::Refused(Refused::BadKey));
        }
        Ok(OwnedAnswer::Value(self.find(key)?.map(|(value, _)| value)))
    }

    /// Sets a value, if the quota allows it.
    pub fn put(&mut self, key: &str, value: &[u8], expires: Option<u64>) -> Result<OwnedAnswer, Error> {
        if !key_is_fine(key) {
            return Ok(OwnedAnswer::Refused(Refused::BadKey));
        }
        if value.len() > VALUE_MAX {
            return Ok(OwnedAnswer::Refused(Refused::TooLarge));
        }
        let expires = expires.map(|at| i64::try_from(at).unwrap_or(i64::MAX));
        if expires.is_some_and(|at| at <= self.now) {
            return self.delete(key).map(|_| OwnedAnswer::Done);
        }
        let before = self.find(key)?;
        let (keys, bytes) = self.used()?;
        let freed = before.as_ref().map_or(0, |(old, _)| (key.len() + old.len()) as u64);
        let keys = keys + u32::from(before.is_none());
        // A purge may have emptied the table since it was counted.
        let after = bytes.saturating_sub(freed) + (key.len() + value.len()) as u64;
        // What fits no more because the operator lowered the limit may still shrink.
        let grows = before.is_none() || after > bytes;
        if grows && (keys > self.quota.keys || after > self.quota.bytes) {
            return Ok(OwnedAnswer::Refused(Refused::Full));
        }
        self.used = Some((keys, after));
        self.staged.0.insert(key.to_owned(), Some((value.to_vec(), expires)));
        Ok(OwnedAnswer::Done)
    }

    /// Removes a value.
    pub fn delete(&mut self, key: &str) -> Result<OwnedAnswer, Error> {
        if !key_is_fine(key) {
            return Ok(OwnedAnswer::Refused(Refused::BadKey));
        }
        let Some((old, _)) = self.find(key)? else {
            return Ok(OwnedAnswer::Existed(false));
        };
        let (keys, bytes) = self.used()?;
        self.used = Some((
            keys.saturating_sub(1),
            bytes.saturating_sub((key.len() + old.len()) as u64),
        ));
        self.staged.0.insert(key.to_owned(), None);
        Ok(OwnedAnswer::Existed(true))
    }

    /// Adds to a number; its expiry stays.
    pub fn add(&mut self, key: &str, delta: i64) -> Result<OwnedAnswer, Error> {
        if !key_is_fine(key) {
            return Ok(OwnedAnswer::Refused(Refused::BadKey));
        }
        let before = self.find(key)?;
        let number = match &before {
            None => Some(0),
            Some((value, _)) => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok()),
        };
        let Some(sum) = number.and_then(|number| number.checked_add(delta)) else {
            return Ok(OwnedAnswer::Refused(Refused::NotANumber));
        };
        let expires = before.and_then(|(_, expires)| expires).map(|at| at as u64);
        Ok(match self.put(key, sum.to_string().as_bytes(), expires)? {
            OwnedAnswer::Done => OwnedAnswer::Sum(sum),
            refused => refused,
        })
    }

    /// The entries after a key, in the order of their bytes: the database's and the staged ones, merged.
    pub fn scan(&mut self, prefix: &str, after: Option<&str>, limit: u32) -> Result<OwnedAnswer, Error> {
        if prefix.len() > KEY_MAX || after.is_some_and(|after| after.len() > KEY_MAX) {
            return Ok(OwnedAnswer::Refused(Refused::BadKey));
        }
        self.read = true;
        let limit = limit.min(SCAN_MAX) as usize;
        let beyond = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        let mut entries: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        // Each staged removal may take one row away, so that many more are asked for.
        let removed = self
            .staged
            .0
            .iter()
            .filter(|(key, value)| value.is_none() && beyond(key))
            .count();
        let rows = self
            .db
            .read(|db| page(db, &self.owner, prefix, after, (limit + removed) as i64, self.now))?;
        // Beyond the last row there may be more in the database: staged keys behind it wait for the next page.
        let complete = rows.len() < limit + removed;
        let last = rows.last().map(|row| row.0.clone());
        for (key, value, expires) in rows {
            if self.staged.0.contains_key(&key) {
                continue;
            }
            if let Some(at) = expires {
                self.expires = Some(self.expires.map_or(at, |first| first.min(at)));
            }
            entries.insert(key, value);
        }
        for (key, value) in &self.staged.0 {
            if let Some((value, _)) = value
                && beyond(key)
                && (complete || last.as_ref().is_none_or(|last| key <= last))
            {
                entries.insert(key.clone(), value.clone());
            }
        }
        let mut bytes = 0;
        let fits = |entry: &(String, Vec<u8>)| {
            bytes += entry.0.len() + entry.1.len() + 16;
            bytes <= SCAN_BYTES
        };
        Ok(OwnedAnswer::Entries(
            entries.into_iter().take(limit).take_while(fits).collect(),
        ))
    }

    fn used(&mut self) -> Result<(u32, u64), Error> {
        if let Some(used) = self.used {
            return Ok(used);
        }
        let used = self.db.read(|db| count(db, &self.owner, self.now))?;
        Ok(*self.used.insert(used))
    }
}

fn key_is_fine(key: &str) -> bool {
    (1..=KEY_MAX).contains(&key.len())
}

impl Staged {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes it real, within the call's transaction; what has expired goes too.
    pub fn commit(self, tx: &Tx<'_>, owner: &Owner, now: i64) -> Result<(), Error> {
        for (key, value) in self.0 {
            match (owner, value) {
                (Owner::Installation(id), Some((value, expires))) => tx.run(
                    "insert into plugin_storage (module_id, key, value, expires_at) values (?1, ?2, ?3, ?4)
                     on conflict (module_id, key) do update set value = excluded.value, expires_at = excluded.expires_at",
                    params![id, key, value, expires],
                )?,
                (Owner::Installation(id), None) => {
                    tx.run("delete from plugin_storage where module_id = ?1 and key = ?2", params![id, key])?
                }
                (Owner::Shared(plugin), Some((value, expires))) => tx.run(
                    "insert into plugin_shared_storage (plugin, key, value, expires_at) values (?1, ?2, ?3, ?4)
                     on conflict (plugin, key) do update set value = excluded.value, expires_at = excluded.expires_at",
                    params![plugin, key, value, expires],
                )?,
                (Owner::Shared(plugin), None) => tx.run(
                    "delete from plugin_shared_storage where plugin = ?1 and key = ?2",
                    params![plugin, key],
                )?,
            };
        }
        match owner {
            Owner::Installation(id) => tx.run(
                "delete from plugin_storage where module_id = ?1 and expires_at <= ?2",
                params![id, now],
            )?,
            Owner::Shared(plugin) => tx.run(
                "delete from plugin_shared_storage where plugin = ?1 and expires_at <= ?2",
                params![plugin, now],
            )?,
        };
        Ok(())
    }
}

/// The value under one key.
fn row(db: &Reader<'_>, owner: &Owner, key: &str, now: i64) -> Result<Option<Value>, Error> {
    let value = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    match owner {
        Owner::Installation(id) => db.maybe(
            "select value, expires_at
               from plugin_storage
              where module_id = ?1 and key = ?2 and (expires_at is null or expires_at > ?3)",
            params![id, key, now],
            value,
        ),
        Owner::Shared(plugin) => db.maybe(
            "select value, expires_at
               from plugin_shared_storage
              where plugin = ?1 and key = ?2 and (expires_at is null or expires_at > ?3)",
            params![plugin, key, now],
            value,
        ),
    }
}

/// The first entries with a prefix, after a key.
fn page(
    db: &Reader<'_>,
    owner: &Owner,
    prefix: &str,
    after: Option<&str>,
    limit: i64,
    now: i64,
) -> Result<Vec<Row>, Error> {
    // From `prefix` itself, unless the page goes on behind a key; up to the first text that can't begin with it.
    let from = after.filter(|after| *after >= prefix);
    let (from, inclusive) = from.map_or((prefix, true), |after| (after, false));
    let before = successor(prefix);
    let entry = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    match owner {
        Owner::Installation(id) => db.all(
            "select key, value, expires_at
               from plugin_storage
              where module_id = ?1 and key >= ?2 and (?3 or key > ?2) and (?4 is null or key < ?4)
                and (expires_at is null or expires_at > ?5)
              order by key
              limit ?6",
            params![id, from, inclusive, before, now, limit],
            entry,
        ),
        Owner::Shared(plugin) => db.all(
            "select key, value, expires_at
               from plugin_shared_storage
              where plugin = ?1 and key >= ?2 and (?3 or key > ?2) and (?4 is null or key < ?4)
                and (expires_at is null or expires_at > ?5)
              order by key
              limit ?6",
            params![plugin, from, inclusive, before, now, limit],
            entry,
        ),
    }
}

/// The least text above all that begin with `prefix`; none if there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(last as u32 + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// Keys and bytes that an owner uses.
pub fn count(db: &Reader<'_>, owner: &Owner, now: i64) -> Result<(u32, u64), Error> {
    let used = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)? as u64));
    match owner {
        Owner::Installation(id) => db.one(
            "select count(*), coalesce(sum(octet_length(key) + octet_length(value)), 0)
               from plugin_storage
              where module_id = ?1 and (expires_at is null or expires_at > ?2)",
            params![id, now],
            used,
        ),
        Owner::Shared(plugin) => db.one(
            "select count(*), coalesce(sum(octet_length(key) + octet_length(value)), 0)
               from plugin_shared_storage
              where plugin = ?1 and (expires_at is null or expires_at > ?2)",
            params![plugin, now],
            used,
        ),
    }
}

/// Removes some of what has expired; how many rows.
pub fn sweep(tx: &Tx<'_>, now: i64) -> Result<usize, Error> {
    let own = tx.run(
        "delete from plugin_storage
          where (module_id, key) in (
            select module_id, key from plugin_storage where expires_at <= ?1 order by expires_at limit ?2)",
        params![now, SWEEP_ROWS],
    )?;
    let shared = tx.run(
        "delete from plugin_shared_storage
          where (plugin, key) in (
            select plugin, key from plugin_shared_storage where expires_at <= ?1 order by expires_at limit ?2)",
        params![now, SWEEP_ROWS],
    )?;
    Ok(own + shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Topics;
    use crate::db::Sizes;

    const NOW: i64 = 1_000_000;

    struct House {
        db: Db,
        _folder: tempfile::TempDir,
    }

    async fn house() -> House {
        let folder = tempfile::tempdir().unwrap();
        let sizes = Sizes {
            cache_kib: 1024,
            mmap_mib: 0,
            readers: 2,
        };
        let db = Db::open(&folder.path().join("a.db"), sizes, Topics::default()).unwrap();
        db.write(|tx| {
            tx.run(
                "insert into users (id, name, auth_salt, auth_rounds, auth_hash, shuffle, created_at)
                 values (1, 'ana', x'00', 1, '', 0, 0)",
                [],
            )?;
            tx.run(
                "insert into modules (id, user_id, plugin, position, width, height, settings, seed, created_at)
                 values (12, 1, 'poll', 0, 1, 1, '{}', 0, 0)",
                [],
            )
        })
        .await
        .unwrap();
        House { db, _folder: folder }
    }

    impl House {
        fn overlay(&self, keys: u32, bytes: u64, now: i64) -> Overlay<'_> {
            Overlay::new(&self.db, Owner::Installation(12), Quota { keys, bytes }, now)
        }
        async fn commit(&self, staged: Staged) {
            self.db
                .write(|tx| staged.commit(tx, &Owner::Installation(12), NOW))
                .await
                .unwrap();
        }
        async fn keep(&self, entries: &[(&str, &str)]) {
            let mut overlay = self.overlay(1_000, 1 << 20, NOW);
            for (key, value) in entries {
                assert_eq!(overlay.put(key, value.as_bytes(), None).unwrap(), OwnedAnswer::Done);
            }
            let staged = overlay.into_staged();
            self.commit(staged).await;
        }
    }

    fn keys(answer: OwnedAnswer) -> Vec<String> {
        match answer {
            OwnedAnswer::Entries(entries) => entries.into_iter().map(|entry| entry.0).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_call_sees_what_it_wrote_and_nobody_else_does_before_it_is_kept() {
        let house = house().await;
        let mut overlay = house.overlay(10, 1_000, NOW);
        assert_eq!(overlay.put("a", b"1", None).unwrap(), OwnedAnswer::Done);
        assert_eq!(overlay.get("a").unwrap(), OwnedAnswer::Value(Some(b"1".to_vec())));
        assert_eq!(
            house.overlay(10, 1_000, NOW).get("a").unwrap(),
            OwnedAnswer::Value(None)
        );
        let staged = overlay.into_staged();
        house.commit(staged).await;
        assert_eq!(
            house.overlay(10, 1_000, NOW).get("a").unwrap(),
            OwnedAnswer::Value(Some(b"1".to_vec()))
        );
    }

    #[tokio::test]
    async fn the_quota_is_exact() {
        let house = house().await;
        house.keep(&[("a", "12345"), ("b", "12345")]).await; // 12 bytes
        let mut overlay = house.overlay(3, 20, NOW);
        assert_eq!(
            overlay.put("c", b"12345678", None).unwrap(),
            OwnedAnswer::Refused(Refused::Full)
        );
        assert_eq!(overlay.put("c", b"1234567", None).unwrap(), OwnedAnswer::Done); // 20 bytes
        assert_eq!(
            overlay.put("d", b"", None).unwrap(),
            OwnedAnswer::Refused(Refused::Full)
        );
        assert_eq!(overlay.delete("a").unwrap(), OwnedAnswer::Existed(true));
        assert_eq!(overlay.delete("a").unwrap(), OwnedAnswer::Existed(false));
        assert_eq!(overlay.put("d", b"12345", None).unwrap(), OwnedAnswer::Done); // 20 bytes, 3 keys
        assert_eq!(
            overlay.put("c", b"12345678", None).unwrap(),
            OwnedAnswer::Refused(Refused::Full)
        );
        assert_eq!(overlay.put("c", b"1", None).unwrap(), OwnedAnswer::Done);
        // A limit that was lowered later: what is there may shrink, not grow.
        let mut overlay = house.overlay(1, 3, NOW);
        assert_eq!(overlay.put("a", b"1234", None).unwrap(), OwnedAnswer::Done);
        assert_eq!(
            overlay.put("a", b"12345", None).unwrap(),
            OwnedAnswer::Refused(Refused::Full)
        );
        let value = vec![0; VALUE_MAX + 1];
        assert_eq!(
            overlay.put("a", &value, None).unwrap(),
            OwnedAnswer::Refused(Refused::TooLarge)
        );
        let long = "k".repeat(KEY_MAX + 1);
        for key in ["", &long] {
            assert_eq!(
                overlay.put(key, b"", None).unwrap(),
                OwnedAnswer::Refused(Refused::BadKey)
            );
            assert_eq!(overlay.get(key).unwrap(), OwnedAnswer::Refused(Refused::BadKey));
        }
    }

    #[tokio::test]
    async fn what_has_expired_is_gone_and_counts_for_nothing() {
        let house = house().await;
        let mut overlay = house.overlay(2, 100, NOW);
        overlay.put("a", b"1", Some(NOW as u64 + 10)).unwrap();
        overlay.put("b", b"2", None).unwrap();
        assert_eq!(overlay.put("b", b"2", Some(NOW as u64)).unwrap(), OwnedAnswer::Done);
        assert_eq!(
            overlay.get("b").unwrap(),
            OwnedAnswer::Value(None),
            "it had expired when it was put"
        );
        overlay.put("b", b"2", None).unwrap();
        let staged = overlay.into_staged();
        house.commit(staged).await;
        let mut before = house.overlay(2, 100, NOW + 9);
        assert_eq!(keys(before.scan("", None, 100).unwrap()), ["a", "b"]);
        assert_eq!(before.expires, Some(NOW + 10), "a view made from it lasts as long");
        let mut after = house.overlay(2, 100, NOW + 10);
        assert_eq!(after.get("a").unwrap(), OwnedAnswer::Value(None));
        assert_eq!(keys(after.scan("", None, 100).unwrap()), ["b"]);
        assert_eq!(after.put("c", b"3", None).unwrap(), OwnedAnswer::Done);
        assert_eq!(house.db.write(|tx| sweep(tx, NOW + 10)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn numbers_add_up() {
        let house = house().await;
        house.keep(&[("text", "x"), ("max", &i64::MAX.to_string())]).await;
        let mut overlay = house.overlay(10, 1_000, NOW);
        assert_eq!(overlay.add("n", 5).unwrap(), OwnedAnswer::Sum(5));
        assert_eq!(overlay.add("n", -7).unwrap(), OwnedAnswer::Sum(-2));
        assert_eq!(
            overlay.add("text", 1).unwrap(),
            OwnedAnswer::Refused(Refused::NotANumber)
        );
        assert_eq!(
            overlay.add("max", 1).unwrap(),
            OwnedAnswer::Refused(Refused::NotANumber)
        );
    }

    #[tokio::test]
    async fn a_scan_merges_what_is_kept_and_what_is_staged() {
        let house = house().await;
        house
            .keep(&[("a", ""), ("p:1", ""), ("p:3", ""), ("p:5", ""), ("p:7", ""), ("q", "")])
            .await;
        let mut overlay = house.overlay(100, 10_000, NOW);
        overlay.put("p:2", b"", None).unwrap();
        overlay.put("p:9", b"", None).unwrap();
        overlay.put("p:3", b"new", None).unwrap();
        overlay.delete("p:5").unwrap();
        assert_eq!(
            keys(overlay.scan("p:", None, 100).unwrap()),
            ["p:1", "p:2", "p:3", "p:7", "p:9"]
        );
        // Page by page the same, at every width.
        for limit in 1..6 {
            let mut all = Vec::new();
            while let page = keys(overlay.scan("p:", all.last().map(String::as_str), limit).unwrap())
                && !page.is_empty()
            {
                assert!(page.len() <= limit as usize);
                all.extend(page);
            }
            assert_eq!(all, ["p:1", "p:2", "p:3", "p:7", "p:9"], "{limit} at a time");
        }
        assert_eq!(keys(overlay.scan("p:", Some("z"), 100).unwrap()), [""; 0]);
        assert_eq!(keys(overlay.scan("p:", Some("a"), 2).unwrap()), ["p:1", "p:2"]);
        assert_eq!(keys(overlay.scan("", None, 0).unwrap()), [""; 0]);
    }

    #[test]
    fn the_text_behind_all_that_begin_so() {
        assert_eq!(successor("ab").as_deref(), Some("ac"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor(""), None);
    }
}
