//! Archives from strangers. Everything is looked at before anything is read for what it says: names that slip out of the folder,
//! files that lie over one another, sizes and sums that don't fit, directories that say something else than the files do. What is
//! found wrong is said in a sentence that names it, and the archive is refused whole. Memory is bounded by the number of names.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::FileExt,
};

use flate2::bufread::DeflateDecoder;
use rawzip::{
    CompressionMethod, ErrorKind, FileReader, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder,
    ZipFileHeaderRecord,
};
use serde::de::DeserializeOwned;

use crate::{error::Error, http::shortened, words};

/// Files in one archive, folders among them.
const ENTRIES_MOST: u64 = 50_000;
/// Bytes of a path.
const PATH_MOST: usize = 200;
/// A file beyond this many bytes that shrank to less than a part of [`SHRINKS_MOST`] is made to explode. Lists aren't asked: they
/// have a limit of their own, and a plugin may keep a great deal of nothing.
const SHRINKS_FROM: u64 = 1 << 20;
const SHRINKS_MOST: u64 = 400;
/// Bytes of a line of a list, beyond which nothing of ours is.
const LINE_MOST: usize = 1 << 20;
/// Bytes of a file with one JSON value: it is held whole while it is read.
const JSON_MOST: u64 = 1 << 20;
/// Bytes of what a zip ends with.
const END_BYTES: usize = 22;
/// Bytes between two files where the first has its sums behind it: they take 12 to 24.
const DESCRIPTOR: [u64; 4] = [12, 16, 20, 24];
/// What the names of other archives end with. They are not looked into.
const NESTED: [&str; 8] = [".zip", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".tar"];

/// How large what is in an archive may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// All of it.
    pub total: u64,
    /// One file below `media/` or `data/dm/files/`.
    pub media: u64,
    /// One list, a `.jsonl`; those below `data/dm/` have no limit of their own.
    pub list: u64,
    /// Any other file.
    pub other: u64,
}

/// An archive in which everything is as it says.
pub struct Archive {
    zip: ZipArchive<FileReader>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    found: ZipArchiveEntryWayfinder,
    stored: bool,
    size: u64,
    crc32: u32,
    has_descriptor: bool,
    flags: u16,
    /// Where it begins in the file, its header included.
    offset: u64,
}

impl Archive {
    /// Opens an archive and looks through all of it.
    ///
    /// # Errors
    /// [`Error::Invalid`] about the field `archive`, with what is wrong; I/O.
    pub fn open(file: File, limits: Limits) -> Result<Self, Error> {
        let length = file.metadata()?.len();
        let bytes = file.try_clone()?;
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let zip = ZipArchive::from_file(file, &mut buffer).map_err(|error| said(error, "the archive"))?;
        if zip.end_offset() != length {
            return Err(refused("something stands behind the archive's end"));
        }
        if zip.comment().remaining() > 0 {
            return Err(refused("the archive has a comment, which no archive of ours has"));
        }
        // Without a comment the end is what the file ends with. Of a directory that is too large for it, it says so.
        let mut end = [0; END_BYTES];
        bytes.read_exact_at(&mut end, length.saturating_sub(END_BYTES as u64))?;
        let said = u32::from_le_bytes([end[12], end[13], end[14], end[15]]);
        if said != u32::MAX && zip.directory_offset() + u64::from(said) != zip.eocd_offset() {
            return Err(refused("its directory has another size than its end says"));
        }
        if zip.entries_hint() > ENTRIES_MOST {
            return Err(refused(format!(
                "it has {} files, and at most {ENTRIES_MOST} are looked at",
                zip.entries_hint()
            )));
        }
        let mut archive = Self {
            entries: directory(&zip, &mut buffer, limits)?,
            zip,
        };
        archive.check_places()?;
        for path in archive.entries.keys().cloned().collect::<Vec<_>>() {
            archive.check_file(&path, &mut buffer)?;
        }
        // A folder says nothing that the paths don't.
        archive.entries.retain(|path, _| !path.ends_with('/'));
        Ok(archive)
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// How many bytes a file has; nothing where there is none.
    pub fn size(&self, path: &str) -> Option<u64> {
        self.entries.get(path).map(|entry| entry.size)
    }

    /// A file to be read.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is none.
    pub fn file(&self, path: &str) -> Result<Box<dyn Read + '_>, Error> {
        let entry = self
            .entries
            .get(path)
            .ok_or_else(|| refused(format!("“{}” is missing", shown(path))))?;
        self.read(path, entry)
    }

    /// The JSON value in a file; nothing where there is no such file.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what isn't of this shape, and for more than 1 MiB.
    pub fn json<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        let Some(size) = self.size(path) else {
            return Ok(None);
        };
        if size > JSON_MOST {
            return Err(refused(format!(
                "“{path}” has {}, and such a file has at most {}",
                words::size(size),
                words::size(JSON_MOST)
            )));
        }
        let mut text = String::new();
        let mut file = self.file(path)?;
        file.read_to_string(&mut text)
            .map_err(|error| unreadable(path, &error))?;
        refuse_nul(path, 1, &text)?;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| refused(format!("“{path}” is not what it should be: {}", shortened(&error))))
    }

    /// The JSON values in a file, a line each, one after the other; none where there is no such file.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a line that isn't of this shape, and for more than `most`; what `take` says.
    pub fn lines<T: DeserializeOwned>(
        &self,
        path: &str,
        most: usize,
        mut take: impl FnMut(T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !self.entries.contains_key(path) {
            return Ok(());
        }
        let mut lines = BufReader::new(self.file(path)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = lines.by_ref().take(LINE_MOST as u64 + 1).read_until(b'\n', &mut line);
            if read.map_err(|error| unreadable(path, &error))? == 0 {
                return Ok(());
            }
            if number > most {
                return Err(refused(format!("“{path}” has more than {most} lines")));
            }
            if line.len() > LINE_MOST {
                return Err(refused(format!(
                    "line {number} of “{path}” is longer than {}",
                    words::size(LINE_MOST as u64)
                )));
            }
            let text =
                std::str::from_utf8(&line).map_err(|_| refused(format!("line {number} of “{path}” isn't UTF-8")))?;
            refuse_nul(path, number, text)?;
            let value = serde_json::from_str(text).map_err(|error| {
                refused(format!(
                    "line {number} of “{path}” is not what it should be: {}",
                    shortened(&error)
                ))
            })?;
            take(value)?;
        }
        Ok(())
    }

    /// No two files share a byte, and no byte is nobody's.
    fn check_places(&self) -> Result<(), Error> {
        let mut places: Vec<_> = self.entries.iter().collect();
        places.sort_unstable_by_key(|(_, entry)| entry.offset);
        let (mut end, mut before, mut slack) = (0, "", &[][..]);
        for (path, entry) in places {
            let gap = entry.offset.checked_sub(end).ok_or_else(|| {
                refused(format!(
                    "“{}” and “{}” lie over one another",
                    shown(before),
                    shown(path)
                ))
            })?;
            check_gap(gap, slack, path)?;
            let place = self.zip.get_entry(entry.found).map_err(|error| said(error, path))?;
            end = place.compressed_data_range().1;
            before = path;
            slack = if entry.has_descriptor { &DESCRIPTOR[..] } else { &[] };
        }
        let gap = self.zip.directory_offset().checked_sub(end).ok_or_else(|| {
            refused(format!(
                "“{}” and the archive's directory lie over one another",
                shown(before)
            ))
        })?;
        check_gap(gap, slack, "the archive's directory")
    }

    /// A file says of itself what the directory says of it, and is that long and has that sum.
    fn check_file(&self, path: &str, buffer: &mut [u8]) -> Result<(), Error> {
        let entry = &self.entries[path];
        let place = self.zip.get_entry(entry.found).map_err(|error| said(error, path))?;
        let local = place.local_header(buffer).map_err(|error| said(error, path))?;
        let differs = |what: &str| {
            refused(format!(
                "the directory says another {what} of “{}” than the file does",
                shown(path)
            ))
        };
        if local.file_path().as_bytes() != path.as_bytes() {
            return Err(differs("name"));
        }
        if (local.compression_method() == CompressionMethod::STORE) != entry.stored {
            return Err(differs("way of packing"));
        }
        if local.flags().bits() != entry.flags {
            return Err(differs("kind"));
        }
        let sums = (
            local.crc32(),
            local.compressed_size_hint(),
            local.uncompressed_size_hint(),
        );
        let right = (entry.crc32, entry.found.compressed_size_hint(), entry.size);
        if sums != right && !(entry.has_descriptor && sums == (0, 0, 0)) {
            return Err(differs("size or sum"));
        }
        if let Some(behind) = place.reader().data_descriptor().map_err(|error| said(error, path))? {
            let sums = (behind.crc32(), behind.compressed_size(), behind.uncompressed_size());
            if sums != right {
                return Err(differs("size or sum"));
            }
        }
        let read = io::copy(&mut self.read(path, entry)?, &mut io::sink()).map_err(|error| unreadable(path, &error))?;
        if read != entry.size {
            return Err(refused(format!(
                "“{}” has {read} bytes, and the directory says {}",
                shown(path),
                entry.size
            )));
        }
        Ok(())
    }

    fn read(&self, path: &str, entry: &Entry) -> Result<Box<dyn Read + '_>, Error> {
        let place = self.zip.get_entry(entry.found).map_err(|error| said(error, path))?;
        let packed = BufReader::new(place.reader());
        let wanted = entry.found.compressed_size_hint();
        Ok(match entry.stored {
            true => Box::new(place.verifying_reader(packed).take(entry.size + 1)),
            false => Box::new(
                place
                    .verifying_reader(Inflated(DeflateDecoder::new(packed), wanted))
                    .take(entry.size + 1),
            ),
        })
    }
}

/// What was packed, of which nothing is left over.
struct Inflated<R>(DeflateDecoder<R>, u64);

impl<R: BufRead> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        if read == 0 && !buffer.is_empty() && self.0.total_in() != self.1 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it ends before its packed bytes do",
            ));
        }
        Ok(read)
    }
}

fn check_gap(gap: u64, slack: &[u64], before: &str) -> Result<(), Error> {
    if gap == 0 && slack.is_empty() || slack.contains(&gap) {
        return Ok(());
    }
    Err(refused(format!(
        "before “{}” there are bytes that belong to no file",
        shown(before)
    )))
}

/// The archive's directory, as far as it can be believed without looking at the files.
fn directory(
    zip: &ZipArchive<FileReader>,
    buffer: &mut [u8],
    limits: Limits,
) -> Result<BTreeMap<String, Entry>, Error> {
    let (mut entries, mut folded, mut total) = (BTreeMap::new(), HashMap::new(), 0_u64);
    let mut found = zip.entries(buffer);
    let mut many = 0;
    while let Some(record) = found
        .next_entry()
        .map_err(|error| said(error, "the archive's directory"))?
    {
        many += 1;
        if many > ENTRIES_MOST {
            return Err(refused(format!("it has more than {ENTRIES_MOST} files")));
        }
        let path = checked_path(record.file_path().as_bytes())?;
        let entry = checked(&record, &path, limits)?;
        total = total.saturating_add(entry.size);
        if total > limits.total {
            return Err(refused(format!(
                "what is in it takes more than {}, and that is the most",
                words::size(limits.total)
            )));
        }
        if let Some(other) = folded.insert(path.to_ascii_lowercase(), path.clone()) {
            return Err(refused(match other == path {
                true => format!("“{}” is in it twice", shown(&path)),
                false => format!(
                    "“{}” and “{}” differ in small and capital letters alone",
                    shown(&other),
                    shown(&path)
                ),
            }));
        }
        entries.insert(path, entry);
    }
    if many != zip.entries_hint() {
        return Err(refused(format!(
            "its directory lists {many} files and says that it lists {}",
            zip.entries_hint()
        )));
    }
    // A file can't be a folder, too.
    for path in folded.keys() {
        let folders = path.trim_end_matches('/').match_indices('/').map(|(at, _)| &path[..at]);
        for folder in folders {
            if let Some(file) = folded.get(folder) {
                return Err(refused(format!("“{}” is a file and a folder at once", shown(file))));
            }
        }
    }
    Ok(entries)
}

/// A path that is a name in a folder and nothing else.
fn checked_path(path: &[u8]) -> Result<String, Error> {
    let wrong = |why: &str| refused(format!("the name “{}” {why}", shown(&String::from_utf8_lossy(path))));
    if path.is_empty() {
        return Err(refused("a file in it has no name"));
    }
    if path.len() > PATH_MOST {
        return Err(wrong(&format!("has more than {PATH_MOST} bytes")));
    }
    let text = std::str::from_utf8(path).map_err(|_| wrong("isn't UTF-8"))?;
    if text.contains('\0') {
        return Err(wrong("holds a NUL"));
    }
    if text.contains('\\') {
        return Err(wrong("holds a backslash, which is a folder to some"));
    }
    if text.starts_with('/') {
        return Err(wrong("begins at the root of the disk"));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(wrong("leads out of its folder"));
    }
    if text.contains(':') {
        return Err(wrong("holds a colon, which names a drive or a stream to some"));
    }
    if text
        .trim_end_matches('/')
        .split('/')
        .any(|part| part.is_empty() || part == "." || part.ends_with('.'))
        || text == "/"
    {
        return Err(wrong("has a part that isn't a name"));
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
    {
        return Err(wrong("holds characters that no name in an archive of ours has"));
    }
    Ok(text.to_owned())
}

fn checked(record: &ZipFileHeaderRecord, path: &str, limits: Limits) -> Result<Entry, Error> {
    let shown = shown(path);
    let flags = record.flags();
    if flags.is_encrypted() || flags.has_strong_encryption() || flags.is_masked() {
        return Err(refused(format!("“{shown}” is encrypted")));
    }
    let mode = record.mode();
    if mode.is_symlink() {
        return Err(refused(format!("“{shown}” is a link to somewhere else")));
    }
    let (kind, is_folder) = (mode.value() & 0o170_000, path.ends_with('/'));
    let fits = if is_folder { [0, 0o040_000] } else { [0, 0o100_000] };
    if !fits.contains(&kind) {
        return Err(refused(format!("“{shown}” is neither a file nor a folder")));
    }
    let method = record.compression_method();
    if method != CompressionMethod::STORE && method != CompressionMethod::DEFLATE {
        return Err(refused(format!(
            "“{shown}” is packed in a way that isn't read here: {method}"
        )));
    }
    let (size, packed) = (record.uncompressed_size_hint(), record.compressed_size_hint());
    if is_folder && size > 0 {
        return Err(refused(format!("the folder “{shown}” has bytes of its own")));
    }
    if NESTED.iter().any(|end| path.to_ascii_lowercase().ends_with(end)) {
        return Err(refused(format!("“{shown}” is an archive in the archive")));
    }
    let is_list = path.ends_with(".jsonl");
    let most = match path {
        _ if path.starts_with("media/") || path.starts_with("data/dm/files/") => limits.media,
        // Nobody reads them here, but every byte is looked at.
        _ if is_list && path.starts_with("data/dm/") => limits.total,
        _ if is_list => limits.list,
        _ => limits.other,
    };
    if size > most {
        return Err(refused(format!(
            "“{shown}” has {}, and such a file has at most {}",
            words::size(size),
            words::size(most)
        )));
    }
    if size > SHRINKS_FROM && !is_list && size / packed.max(1) > SHRINKS_MOST {
        return Err(refused(format!(
            "“{shown}” is made to explode: {} from {}",
            words::size(size),
            words::size(packed)
        )));
    }
    Ok(Entry {
        found: record.wayfinder(),
        stored: method == CompressionMethod::STORE,
        size,
        crc32: record.crc32(),
        has_descriptor: flags.has_data_descriptor(),
        flags: flags.bits(),
        offset: record.local_header_offset(),
    })
}

fn refuse_nul(path: &str, line: usize, text: &str) -> Result<(), Error> {
    if text.contains('\0') || says_nul(text.as_bytes()) {
        return Err(refused(format!(
            "line {line} of “{path}” holds a NUL, which no text may"
        )));
    }
    Ok(())
}

/// Whether some JSON spells a NUL: `\u0000`, and not `\\u0000`, which is a backslash and five letters.
fn says_nul(json: &[u8]) -> bool {
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &json[at..]) {
        at += found;
        if json[at..].starts_with(b"\\u0000") {
            return true;
        }
        at = (at + 2).min(json.len());
    }
    false
}

/// What is wrong with an archive, as a sentence.
pub fn refused(why: impl Into<String>) -> Error {
    Error::field("archive", format!("This archive is not taken: {}.", why.into()))
}

/// A name as it may stand in a sentence.
pub fn shown(path: &str) -> String {
    let mut shown: String = path
        .chars()
        .take(80)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if shown.len() < path.len() {
        shown.push('…');
    }
    shown
}

fn unreadable(path: &str, error: &io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rawzip::Error>());
    let why = match inner.map(rawzip::Error::kind) {
        Some(ErrorKind::InvalidChecksum { .. }) => "its sum isn't the one that the directory says".to_owned(),
        Some(ErrorKind::InvalidSize { .. }) => "it isn't as long as the directory says".to_owned(),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "it breaks off".to_owned(),
        _ => match error.to_string() {
            why if why.len() < 80 => why,
            _ => "its bytes are broken".to_owned(),
        },
    };
    refused(format!("“{}” can't be read: {why}", shown(path)))
}

fn said(error: rawzip::Error, what: &str) -> Error {
    let shown = shown(what);
    match error.into_kind() {
        ErrorKind::IO(error) if error.kind() != io::ErrorKind::UnexpectedEof => error.into(),
        ErrorKind::MissingEndOfCentralDirectory => refused("it is no zip file, or its end is missing"),
        ErrorKind::IO(_) | ErrorKind::Eof => refused(format!("“{shown}” breaks off")),
        ErrorKind::InvalidSignature { .. } => refused(format!("“{shown}” isn't where it is said to be")),
        ErrorKind::BufferTooSmall { .. } => refused(format!("the header of “{shown}” is larger than any of ours")),
        kind => refused(format!("“{shown}” is broken: {kind}")),
    }
}
