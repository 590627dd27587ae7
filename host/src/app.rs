//! What every handler may need: built once in `main`, cheap to clone, passed explicitly.

use std::{
    fs,
    io::{Read, Write},
    ops::Deref,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};

use crate::{
    cache::{PageCache, Topics},
    config::{Config, ConfigError, Overrides},
    crypto,
    db::{self, Db},
    fetch::Fetcher,
    fragments::Fragments,
    hasher::Hasher,
    html::Html,
    live::Hub,
    meter::Meter,
    plugins::Plugins,
    session::Sessions,
    stickers,
    throttle::{Buckets, Throttle},
    tokens::Tokens,
};

/// The application; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// How the program was started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file; it need not exist.
    pub config_file: PathBuf,
    pub flags: Overrides,
    /// For developers: templates from disk, plugins without pins.
    pub dev: bool,
}

/// What an [`App`] holds.
pub struct Inner {
    pub options: Options,
    /// The configuration in force: [`App::config`].
    config: RwLock<Arc<Config>>,
    /// Why the last reload was refused, if it was.
    pub reload_problem: Mutex<Option<ConfigError>>,
    pub db: Db,
    /// Versions of what pages are made from.
    pub topics: Topics,
    /// Finished pages.
    pub cache: PageCache,
    /// Rendered pieces of pages.
    pub fragments: Fragments,
    /// Who watches what.
    pub hub: Hub,
    pub plugins: Plugins,
    /// Templates and assets.
    pub html: Html,
    pub sessions: Sessions,
    pub tokens: Tokens,
    /// What looks at other sites.
    pub fetcher: Fetcher,
    /// argon2id, on threads of its own.
    pub hasher: Hasher,
    /// Who tries too often.
    pub throttle: Throttle,
    /// Who does often what may be done often.
    pub buckets: Buckets,
    /// 256 bits that are this instance's own, for message authentication codes.
    pub secret: [u8; 32],
    /// What the machine counts about itself.
    pub meter: Meter,
    pub started: Instant,
    /// Held as long as the program runs: one program a data folder.
    _lock: fs::File,
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// Opens the data folder and everything in it.
    ///
    /// # Errors
    /// A folder that another program uses or that can't be written; a database that can't be opened.
    pub async fn open(options: Options, config: Config) -> anyhow::Result<Self> {
        let lock = claim(&config.data)?;
        let secret = secret(&config.data.join("secret"))?;
        let topics = Topics::default();
        let sizes = db::Sizes {
            cache_kib: config.database.cache_kib,
            mmap_mib: config.database.mmap_mib,
            readers: config.database.readers,
        };
        let db = Db::open(&config.data.join("neospace.db"), sizes, topics.clone()).context("the database")?;
        let hub = Hub::new(db.read(stickers::quiet)?);
        let fragments = Fragments::new(options.dev);
        let globals = vec![
            ("node", config.name.as_str().into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("schema", db::schema_version().into()),
        ];
        let page_memory = u64::from(config.limits.page_cache_mib) << 20;
        let plugins = Plugins::start(&config, db.clone(), topics.clone(), secret, options.dev).await?;
        Ok(Self(Arc::new(Inner {
            html: Html::new(options.dev, globals),
            options,
            config: RwLock::new(Arc::new(config)),
            reload_problem: Mutex::default(),
            db,
            topics,
            cache: PageCache::new(page_memory),
            fragments,
            hub,
            plugins,
            sessions: Sessions::default(),
            tokens: Tokens::default(),
            fetcher: Fetcher::default(),
            hasher: Hasher::start()?,
            throttle: Throttle::default(),
            buckets: Buckets::default(),
            secret,
            meter: Meter::default(),
            started: Instant::now(),
            _lock: lock,
        })))
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Whether people reach this place over https.
    pub fn is_https(&self) -> bool {
        self.config().origin.starts_with("https://")
    }

    /// Reads the configuration again and takes it, whole or not at all.
    ///
    /// # Errors
    /// Everything that is wrong with it; the old one stays in force.
    pub async fn reload(&self) -> Result<(), ConfigError> {
        let taken = self.try_reload().await;
        *self.reload_problem.lock().unwrap_or_else(|e| e.into_inner()) = taken.as_ref().err().cloned();
        match &taken {
            Ok(()) => tracing::info!("configuration reloaded"),
            Err(error) => {
                tracing::error!(%error, "the new configuration is refused, and the old one stays in force");
            }
        }
        taken
    }

    async fn try_reload(&self) -> Result<(), ConfigError> {
        let new = Config::load(&self.options.config_file, &self.options.flags)?;
        let old = self.config();
        for (what, changed) in [
            ("listen", new.listen != old.listen),
            ("data", new.data != old.data),
            ("name", new.name != old.name),
            ("log", new.log != old.log),
            ("database", new.database != old.database),
            (
                "limits.page_cache_mib",
                new.limits.page_cache_mib != old.limits.page_cache_mib,
            ),
            (
                "limits.header_seconds",
                new.limits.header_seconds != old.limits.header_seconds,
            ),
            ("plugins.lanes", new.plugins.lanes != old.plugins.lanes),
        ] {
            if changed {
                tracing::warn!("{what} changed: that takes effect at the next start");
            }
        }
        let plugins = self.plugins.reload(&new).await;
        plugins.map_err(|error| ConfigError(error.detail().lines().map(str::to_owned).collect()))?;
        *self.config.write().unwrap_or_else(|e| e.into_inner()) = Arc::new(new);
        Ok(())
    }
}

/// The time, Unix milliseconds, UTC.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// The file in the data folder that holds the running program's process id, locked while it runs.
pub const LOCK_FILE: &str = "neospace.pid";

/// Makes the data folder if need be, for this user alone, and locks it.
fn claim(data: &Path) -> anyhow::Result<fs::File> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("the data folder {} can't be made", data.display()))?;
    let path = data.join(LOCK_FILE);
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("the data folder {} can't be written", data.display()))?;
    if file.try_lock().is_err() {
        let mut pid = String::new();
        let _ = file.read_to_string(&mut pid);
        bail!(
            "another neospace (process {}) uses the data folder {}",
            pid.trim(),
            data.display()
        );
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// The instance's secret: made at the first start, readable by this user alone.
fn secret(path: &Path) -> anyhow::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => bytes
            .try_into()
            .map_err(|_| anyhow::anyhow!("{} must have 32 bytes", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret: [u8; 32] = crypto::random();
            let mut file = fs::OpenOptions::new()
                .create_new(true)
                .write(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(&secret)?;
            file.sync_all()?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
    }
}
