//! Rendered pieces of pages, kept as long as what they were made from is the very same. A page built anew splices them.
//!
//! The largest page is a wall, which several slices put a [`Piece`] on; `walls/page.rs` says how.

use std::{
    hash::{BuildHasher, Hash},
    sync::{Arc, LazyLock},
};

use foldhash::fast::RandomState;
use quick_cache::{Weighter, sync::Cache};

use crate::{
    cache::{Audience, Stamp},
    error::Error,
    looks,
    session::Viewer,
};

/// Memory for fragments, in bytes: a wall's twenty modules come to about 40 KiB, a full wall's stickers and posts to twice that, and a
/// frame holds those once more.
const MEMORY: u64 = 32 << 20;
/// Fragments expected, to size the table.
const EXPECTED: usize = 8_192;

/// Which fragment, for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// What it is, such as `card`.
    pub kind: &'static str,
    pub id: i64,
    pub audience: Audience,
}

/// What a slice puts on somebody's wall. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Links and modules for the page's head.
    pub head: Arc<str>,
    /// What stands at the slice's place.
    pub html: Arc<str>,
}

/// How somebody sees a wall: everything that a piece may differ by.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    pub viewer: &'a Viewer,
    /// The wall is the viewer's.
    pub own: bool,
    /// In edit mode: such a page is kept nowhere.
    pub edit: bool,
    /// Without motion, sound, scripts and custom styles.
    pub plain: bool,
}

impl Sight<'_> {
    /// With whom the viewer shares a piece of a wall that belongs to `owner`.
    pub fn audience(&self, owner: i64) -> Audience {
        self.viewer.audience(Some(owner))
    }

    /// What links of a piece say that lead on: see [`looks::carried`]. Edit mode isn't anybody's preference.
    pub fn carried(&self) -> &'static str {
        match self.edit {
            true => "",
            false => looks::carried(self.viewer, self.plain),
        }
    }
}

/// The fragments in memory.
pub struct Fragments(Option<Cache<Key, Kept, ByWeight>>);

#[derive(Clone)]
struct Kept {
    /// A hash of the small things that it was made from.
    made_from: u64,
    /// The large one: the very same text, not an equal one.
    view: Option<Arc<str>>,
    piece: Piece,
}

#[derive(Clone)]
struct ByWeight;

/// A hash of the small things that a fragment is made from.
pub fn hash(made_from: impl Hash) -> u64 {
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    STATE.hash_one(made_from)
}

impl Weighter<Key, Kept> for ByWeight {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        (kept.piece.html.len() + kept.piece.head.len() + 160) as u64
    }
}

impl Fragments {
    /// With `dev`, nothing is kept: templates may change at any moment.
    pub fn new(dev: bool) -> Self {
        Self((!dev).then(|| Cache::with_weighter(EXPECTED, MEMORY, ByWeight)))
    }

    /// The fragment as it was rendered from the same things, or rendered now. `made_from` is a hash of what is small;
    /// `view` is what is large and shared.
    ///
    /// # Errors
    /// Whatever `render` answers; nothing is kept then.
    pub fn get_or_render(
        &self,
        key: Key,
        made_from: u64,
        view: Option<&Arc<str>>,
        render: impl FnOnce() -> Result<String, Error>,
    ) -> Result<Arc<str>, Error> {
        let make = || {
            Ok(Piece {
                head: Arc::default(),
                html: render()?.into(),
            })
        };
        Ok(self.get_or_make(key, made_from, view, make)?.html)
    }

    /// A slice's piece of a wall: as it was made while its topics stood as they do in `stamp`, or made now. Take the stamp
    /// before anything is read.
    ///
    /// # Errors
    /// Whatever `make` answers; nothing is kept then.
    pub fn piece(&self, key: Key, stamp: &Stamp, make: impl FnOnce() -> Result<Piece, Error>) -> Result<Piece, Error> {
        self.get_or_make(key, hash(stamp), None, make)
    }

    fn get_or_make(
        &self,
        key: Key,
        made_from: u64,
        view: Option<&Arc<str>>,
        make: impl FnOnce() -> Result<Piece, Error>,
    ) -> Result<Piece, Error> {
        let Some(cache) = &self.0 else {
            return make();
        };
        if let Some(kept) = cache.get(&key)
            && kept.made_from == made_from
            && match (&kept.view, view) {
                (Some(kept), Some(view)) => Arc::ptr_eq(kept, view),
                (None, None) => true,
                _ => false,
            }
        {
            return Ok(kept.piece);
        }
        let piece = make()?;
        let kept = Kept {
            made_from,
            view: view.cloned(),
            piece: piece.clone(),
        };
        cache.insert(key, kept);
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_rendered_again_when_anything_that_it_was_made_from_changes() {
        let fragments = Fragments::new(false);
        let key = Key {
            kind: "card",
            id: 1,
            audience: Audience::Guests,
        };
        let (view, equal): (Arc<str>, Arc<str>) = ("view".into(), "view".into());
        let get = |made_from, view| {
            let mut rendered = false;
            let html = fragments.get_or_render(key, made_from, Some(view), || {
                rendered = true;
                Ok("html".into())
            });
            assert_eq!(&*html.expect("it renders"), "html");
            rendered
        };
        assert!(get(1, &view));
        assert!(!get(1, &view));
        assert!(get(2, &view), "a small thing changed");
        assert!(get(2, &equal), "another view, though an equal one");
    }
}
