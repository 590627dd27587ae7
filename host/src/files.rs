//! Files beside the database: streamed to disk, and from there. A file's bytes and its name are synced before the row
//! that speaks of it is committed, so what a row speaks of is there.

use std::{
    io::{self, SeekFrom},
    ops::Range,
    os::unix::fs::DirBuilderExt,
    path::Path,
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use crate::error::Error;

/// Bytes that are read from disk in one go.
const CHUNK: usize = 64 * 1024;
/// So many times the patience for one part may a whole body take.
const PATIENCE: u32 = 20;

/// Makes a folder, for this user alone.
///
/// # Errors
/// I/O.
pub fn prepare(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes a file that isn't there yet, for this user alone.
///
/// # Errors
/// [`Error::Unavailable`] when the disk is full.
pub async fn create(path: &Path) -> Result<fs::File, Error> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).await.map_err(disk)
}

/// Appends what comes of a body (or of one field of a form) to a file, and answers how many bytes that were. Each part of it may take `patience`, and the whole
/// twenty times that. What came before it broke off is in the file.
///
/// # Errors
/// What `too_large` says for more than `most` bytes; [`Error::Timeout`]; [`Error::BadRequest`] for a body that breaks off;
/// [`Error::Unavailable`] when the disk is full.
pub async fn receive<S, E>(
    mut parts: S,
    file: &mut fs::File,
    most: u64,
    patience: Duration,
    too_large: impl FnOnce() -> Error,
) -> Result<u64, Error>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let (mut length, end) = (0, Instant::now() + patience * PATIENCE);
    loop {
        let part = timeout(patience, timeout_at(end, parts.next())).await;
        let Ok(Ok(part)) = part else {
            return Err(Error::Timeout);
        };
        let Some(part) = part else { break };
        let data = part.map_err(|_| Error::BadRequest("The file broke off before its end.".into()))?;
        length += data.len() as u64;
        if length > most {
            return Err(too_large());
        }
        file.write_all(&data).await.map_err(disk)?;
    }
    // What was handed over last may have failed since: syncing wouldn't say so.
    file.flush().await.map_err(disk)?;
    Ok(length)
}

/// Waits until a file and its name are on disk.
///
/// # Errors
/// [`Error::Unavailable`] when the disk is full.
pub async fn sync(file: &fs::File, path: &Path) -> Result<(), Error> {
    file.sync_all().await.map_err(disk)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)
            .await
            .map_err(disk)?
            .sync_all()
            .await
            .map_err(disk)?;
    }
    Ok(())
}

/// A full disk is said openly, the rest is our fault.
pub fn disk(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::Unavailable("The server's disk is full, so no file can be taken just now. Try again later.".into())
        }
        _ => error.into(),
    }
}

/// Opens a file to be sent. `None` where it isn't, which a row says it is.
///
/// # Errors
/// I/O.
pub async fn open(path: &Path) -> Result<Option<fs::File>, Error> {
    match fs::File::open(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::warn!(
                file = %path.display(),
                "the bytes of a file are gone: was the database restored without its folders?"
            );
            Ok(None)
        }
        file => Ok(Some(file?)),
    }
}

/// A part of a file, as a body.
///
/// # Errors
/// I/O.
pub async fn stream(mut file: fs::File, part: Range<u64>) -> Result<Body, Error> {
    if part.start > 0 {
        file.seek(SeekFrom::Start(part.start)).await?;
    }
    let file = file.take(part.end - part.start);
    Ok(Body::from_stream(stream::try_unfold(file, |mut file| async move {
        let mut chunk = Vec::with_capacity(CHUNK);
        file.read_buf(&mut chunk).await?;
        Ok::<_, io::Error>((!chunk.is_empty()).then(|| (Bytes::from(chunk), file)))
    })))
}

/// Drops a file that nobody can ask for any more. One that can't be dropped is found by who sweeps.
pub async fn drop_file(path: &Path) {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "a file that nobody can ask for any more could not be dropped");
        }
        _ => {}
    }
}
