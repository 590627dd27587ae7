//! What becomes of pictures and sounds when their owner goes.

use super::{FOLDER, UPLOADS, mutations};
use crate::{db::Tx, error::Error};

/// Has everything made anew that shows a member's pictures or plays their sounds: their rows go with the member's. Answers how
/// many they are, and the files that are nobody's then, in the data folder.
///
/// # Errors
/// The database's.
pub fn leave(tx: &Tx, user_id: i64) -> Result<(i64, Vec<String>), Error> {
    let media = tx.all("select id from media where user_id = ?1", [user_id], |row| {
        row.get::<_, String>(0)
    })?;
    for id in &media {
        mutations::touch_uses(tx, id)?;
    }
    let mut files = tx.all(
        "select f.media_id, f.variant from media_files f join media m on m.id = f.media_id where m.user_id = ?1",
        [user_id],
        |row| {
            Ok(format!(
                "{FOLDER}/{}.{}",
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?
            ))
        },
    )?;
    files.extend(tx.all("select id from uploads where user_id = ?1", [user_id], |row| {
        Ok(format!("{UPLOADS}/{}", row.get::<_, String>(0)?))
    })?);
    Ok((media.len() as i64, files))
}
