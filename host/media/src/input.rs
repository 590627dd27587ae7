//! The upload, as bytes.

use std::{io, os::fd::AsFd};

use rustix::mm::{MapFlags, ProtFlags, mmap};

/// Maps the file that is standard input, read-only. Its pages are the system's, so they are not counted as this process's
/// own memory, and whatever size it has leaves the whole of [`crate::DATA_BYTES`] for what becomes of it.
pub fn map() -> io::Result<&'static [u8]> {
    let stdin = io::stdin();
    let file = stdin.as_fd();
    let length = usize::try_from(rustix::fs::fstat(file)?.st_size).map_err(io::Error::other)?;
    if length == 0 {
        return Ok(&[]);
    }
    // SAFETY: a new private mapping of the file's whole length, which is never unmapped. The host doesn't change or cut an
    // upload that it has handed over; if it did, this process would die by a signal, alone.
    unsafe {
        let start = mmap(
            std::ptr::null_mut(),
            length,
            ProtFlags::READ,
            MapFlags::PRIVATE,
            file,
            0,
        )?;
        Ok(std::slice::from_raw_parts(start.cast(), length))
    }
}
