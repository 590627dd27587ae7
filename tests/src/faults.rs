//! A disk and a clock that fail on command (`tests/faulty`, preloaded into the server), and chance that can be repeated.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

// As `tests/faulty` has them. They aren't taken from there, because whoever links it gets its disk and its clock.
const VARIABLE: &str = "FAULTY_FILE";
const BYTES: usize = 24;
const CLOCK_MS: u64 = 0;
const SYNCS_FAIL: u64 = 8;
const SYNCED: u64 = 16;

/// What can be done to a server that was started with [`crate::Builder::faulty`].
pub struct Faults(File);

impl Faults {
    /// Prepares the file through which the server's side gets its commands.
    pub(crate) fn prepare(file: &Path) -> [(String, String); 2] {
        fs::write(file, [0; BYTES]).expect("the folder can be written");
        let object = crate::build_folder().join("deps/libneospace_faulty.so");
        assert!(object.exists(), "{} is built with the tests", object.display());
        let text = |path: &Path| path.to_str().expect("ASCII").to_owned();
        [("LD_PRELOAD".into(), text(&object)), (VARIABLE.into(), text(file))]
    }

    pub(crate) fn of(file: &Path) -> Faults {
        let file = File::options().read(true).write(true).open(file);
        Faults(file.expect("the server was started with faults"))
    }

    /// From now on the disk confirms nothing, or does again.
    pub fn fail_syncs(&self, fail: bool) {
        self.set(SYNCS_FAIL, i64::from(fail));
    }

    /// From now on the server's wall clock is off by so many milliseconds.
    pub fn shift_clock(&self, ms: i64) {
        self.set(CLOCK_MS, ms);
    }

    /// Takes away what the disk did not confirm, as when the power fails: call it between the end of a server and its next start.
    pub fn lose_what_was_not_synced(&self, data: &Path) {
        let mut synced = [0; 8];
        self.0.read_exact_at(&mut synced, SYNCED).expect("it is that long");
        let log = File::options().write(true).open(data.join("neospace.db-wal"));
        let log = log.expect("a server that was killed leaves its write-ahead log");
        let (synced, length) = (u64::from_le_bytes(synced), log.metadata().expect("it is open").len());
        log.set_len(length.min(synced)).expect("it can be cut");
        fs::remove_file(data.join("neospace.db-shm")).expect("its index lay in memory");
    }

    fn set(&self, at: u64, value: i64) {
        self.0.write_all_at(&value.to_le_bytes(), at).expect("it is open");
    }
}

/// Chance that can be repeated: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone)]
pub struct Chance(u64);

impl Chance {
    /// The chance of this test run: by the variable `FAULT_SEED`, or another one each time. It is printed, so that a run that
    /// failed can be repeated.
    pub fn of_this_run() -> Chance {
        let seed = number("FAULT_SEED").unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(0, |now| now.as_nanos() as u64)
        });
        println!("FAULT_SEED={seed}");
        Chance(seed)
    }

    /// Another one, that this one decides.
    pub fn split(&mut self) -> Chance {
        Chance(self.next())
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A number from the environment.
///
/// # Panics
/// When the variable is set to something else.
pub fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not {value:?}")),
    )
}
