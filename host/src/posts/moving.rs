//! What becomes of posts when their author goes.

use super::view;
use crate::{db::Tx, error::Error};

/// Has everything that shows a member's posts made anew: they are about to leave, are gone, or stay after all.
pub fn touch(tx: &Tx, name: &str) {
    tx.touch(view::topic(name));
    tx.touch(super::FEED);
}

/// How many posts go with a member's row.
///
/// # Errors
/// The database's.
pub fn count(tx: &Tx, user_id: i64) -> Result<i64, Error> {
    tx.one("select count(*) from posts where user_id = ?1", [user_id], |row| {
        row.get(0)
    })
}
