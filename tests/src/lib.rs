//! What the black-box tests stand on: the real program, people who use it, and a real browser.
//!
//! A [`Server`] is `neospace serve` on a temporary data directory; when it is dropped, it must have ended in order,
//! without a panic or an unexpected error in its log, and without leaving a process behind. A [`Person`] holds cookies
//! and speaks HTTP as a browser would; [`Live`] is their WebSocket. A [`Browser`] is Chromium, where each person has a
//! profile of their own. A [`Proxy`] is a malicious server: it rewrites what passes between clients and the real one.
//!
//! The cast: **ana** owns the wall that the test is about, **bob** visits, **cyd** has no business there, and **the
//! operator** has the configuration file.
//!
//! ```no_run
//! use neospace_tests::Server;
//! let server = Server::builder().plugin("guestbook").start();
//! let (ana, guest) = (server.person("ana"), server.guest());
//! assert_eq!(guest.get("/wall/ana").status, 200);
//! assert_eq!(ana.get("/settings").status, 200);
//! ```

pub mod axe;
pub mod browser;
pub mod canary;
pub mod dm;
pub mod faults;
pub mod forger;
pub mod forms;
pub mod live;
pub mod markup;
pub mod person;
pub mod pictures;
pub mod process;
pub mod proxy;
pub mod server;
pub mod site;
pub mod socket;
pub mod sounds;
pub mod talker;
pub mod zips;

pub use browser::{Browser, Page};
pub use dm::Dm;
pub use live::Live;
pub use person::{Answer, Person};
pub use proxy::Proxy;
pub use server::{Builder, Server};
pub use talker::Talker;

use std::{
    env,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, Instant},
};

/// How long anything that a test waits for may take, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The workspace's root folder, as Cargo says when it runs this: a build that clones share may have been made in another.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&here).parent();
        root.expect("tests/ lies in the workspace").to_owned()
    });
    &ROOT
}

/// The folder with the programs of this build: `target/debug`.
pub fn build_folder() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    let folder = test.parent().expect("a program lies in a folder");
    // Tests lie in `deps/` under it, or (documentation's examples) elsewhere.
    if folder.ends_with("deps") {
        folder.parent().expect("deps/ lies in a folder").to_owned()
    } else {
        folder.to_owned()
    }
}

/// A plugin that ships, as `cargo xtask plugins` built it.
///
/// # Panics
/// When it was not built.
pub fn plugin(name: &str) -> PathBuf {
    let path = build_folder()
        .parent()
        .expect("the build lies in the target directory")
        .join(format!("plugins/{name}.wasm"));
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask plugins` first",
        path.display()
    );
    path
}

/// Waits until `look` finds something, for at most [`PATIENCE`].
///
/// For states that announce themselves nowhere (a process that ends, a row that appears); where there is an event,
/// wait for that.
///
/// # Panics
/// When nothing was found in time; `what` says what was awaited.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(15));
    }
}
