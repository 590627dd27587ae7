//! Brings the schema up to date: numbered files, each in a transaction, forward only.

use rusqlite::Connection;

use crate::error::Error;

/// The released migrations in order; the schema's version is how many have run. Never edit one that was released.
pub const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_the_platform_runs.sql"),
    include_str!("../../migrations/0002_rooms.sql"),
    include_str!("../../migrations/0003_search.sql"),
    include_str!("../../migrations/0004_tokens.sql"),
    include_str!("../../migrations/0005_dms.sql"),
    include_str!("../../migrations/0006_media.sql"),
    include_str!("../../migrations/0007_canvas.sql"),
    include_str!("../../migrations/0008_posts.sql"),
    include_str!("../../migrations/0009_looks.sql"),
    include_str!("../../migrations/0010_scripts.sql"),
    include_str!("../../migrations/0011_found.sql"),
    include_str!("../../migrations/0012_moving.sql"),
    include_str!("../../migrations/0013_here.sql"),
];

/// Runs what has not run yet.
///
/// # Errors
/// A database from a newer program, or a migration that fails: its transaction is rolled back.
pub fn run(conn: &mut Connection) -> Result<(), Error> {
    let version = conn.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))? as usize;
    if version > MIGRATIONS.len() {
        return Err(Error::internal(format!(
            "the database has schema {version}, and this neospace knows schemas up to {}: use a newer neospace",
            MIGRATIONS.len()
        )));
    }
    for (done, sql) in MIGRATIONS.iter().enumerate().skip(version) {
        let tx = conn.transaction()?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", (done + 1) as u32)?;
        tx.commit()?;
    }
    Ok(())
}
