//! Where `neospace dm` keeps what it must not forget: one folder for each account, for this user alone.

use std::{
    env, fs,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use neospace_dm::Name;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{
    Keep, Kept,
    wire::{Address, Cookies},
};

/// A session, as it is kept.
#[derive(Serialize, Deserialize)]
pub struct Session {
    pub server: Address,
    pub name: Name,
    pub cookies: Cookies,
}

/// An account's folder.
#[derive(Clone)]
pub struct Folder(PathBuf);

/// A folder that no other command uses meanwhile.
pub struct Locked<'f> {
    folder: &'f Folder,
    _lock: File,
}

/// Where all of them are: `$XDG_STATE_HOME/neospace/dm`, or `~/.local/state/neospace/dm`.
///
/// # Errors
/// A sentence, where there is no home.
pub fn home() -> Result<PathBuf, String> {
    let state = env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let state = state.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    let state = state.ok_or("There is no home folder to keep keys in: set HOME or XDG_STATE_HOME.")?;
    Ok(state.join("neospace/dm"))
}

/// The accounts that are logged in here, as `name@host`.
///
/// # Errors
/// A sentence.
pub fn accounts() -> Result<Vec<String>, String> {
    let home = home()?;
    let entries = match fs::read_dir(&home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}.", home.display())),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| home.join(name).join(SESSION).exists())
        .collect();
    names.sort();
    Ok(names)
}

const SESSION: &str = "session.json";
const DEVICE: &str = "device.json";
const LOCK: &str = "lock";

impl Folder {
    /// The folder of an account.
    ///
    /// # Errors
    /// A sentence, where there is no home.
    pub fn of(name: &Name, server: &Address) -> Result<Folder, String> {
        Ok(Folder(home()?.join(format!("{name}@{}", server.host()))))
    }

    /// The folder of the account that is meant: the one that is named, or the only one.
    ///
    /// # Errors
    /// A sentence that says which there are.
    pub fn find(account: Option<&str>) -> Result<Folder, String> {
        let accounts = accounts()?;
        let fits =
            |known: &&String| account.is_none_or(|wanted| **known == wanted || known.split('@').next() == Some(wanted));
        let found: Vec<&String> = accounts.iter().filter(fits).collect();
        match (&found[..], account) {
            ([one], _) => Ok(Folder(home()?.join(one))),
            ([], None) => Err("You are not logged in. Log in first: neospace dm log-in https://SERVER NAME".into()),
            ([], Some(wanted)) => Err(format!(
                "{wanted} is not logged in here. Logged in: {}.",
                list(&accounts)
            )),
            _ => Err(format!(
                "Say which account is meant with --account: {}.",
                list(&accounts)
            )),
        }
    }

    /// Makes it, for this user alone.
    ///
    /// # Errors
    /// A sentence.
    pub fn make(&self) -> Result<(), String> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        let closed = made.and_then(|()| fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700)));
        closed.map_err(|error| self.said(&self.0, &error))
    }

    /// Waits until no other command uses it.
    ///
    /// # Errors
    /// A sentence.
    pub fn lock(&self) -> Result<Locked<'_>, String> {
        let path = self.0.join(LOCK);
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        let lock = open.and_then(|file| file.lock().map(|()| file));
        Ok(Locked {
            folder: self,
            _lock: lock.map_err(|error| self.said(&path, &error))?,
        })
    }

    /// The session.
    ///
    /// # Errors
    /// A sentence.
    pub fn session(&self) -> Result<Session, String> {
        self.read(SESSION)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        let path = self.0.join(name);
        let text = fs::read(&path)
            .map(Zeroizing::new)
            .map_err(|error| self.said(&path, &error))?;
        serde_json::from_slice(&text).map_err(|_| format!("{} is damaged. Log out, and in again.", path.display()))
    }

    /// Writes a file whole or not at all, for this user alone.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), String> {
        let path = self.0.join(name);
        let new = self.0.join(format!("{name}.new"));
        let text = serde_json::to_vec(value)
            .map(Zeroizing::new)
            .map_err(|error| error.to_string())?;
        let write = || {
            let _ = fs::remove_file(&new);
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(|error| self.said(&path, &error))
    }

    fn said(&self, path: &Path, error: &io::Error) -> String {
        format!("{}: {error}.", path.display())
    }
}

impl Locked<'_> {
    /// What the device keeps.
    ///
    /// # Errors
    /// A sentence.
    pub fn kept(&self) -> Result<Kept, String> {
        self.folder.read(DEVICE)
    }

    /// Keeps what the device must not forget.
    ///
    /// # Errors
    /// A sentence.
    pub fn keep(&self, kept: &Kept) -> Result<(), String> {
        self.folder.write(DEVICE, kept)
    }

    /// Keeps it whenever it is called.
    pub fn keeper(&self) -> Keep {
        let folder = self.folder.clone();
        Box::new(move |kept| folder.write(DEVICE, kept))
    }

    /// Keeps the session.
    ///
    /// # Errors
    /// A sentence.
    pub fn keep_session(&self, session: &Session) -> Result<(), String> {
        self.folder.write(SESSION, session)
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// A sentence.
    pub fn forget(self) -> Result<(), String> {
        let path = &self.folder.0;
        fs::remove_dir_all(path).map_err(|error| self.folder.said(path, &error))
    }
}

fn list(accounts: &[String]) -> String {
    if accounts.is_empty() {
        "nobody".into()
    } else {
        accounts.join(", ")
    }
}
