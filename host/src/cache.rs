//! Topics, and finished pages made from them.
//!
//! Whatever is kept in memory remembers the versions of the topics that it was made from. A commit bumps the versions
//! of the topics it touched before it is acknowledged, so nothing that is served is older than the last commit, and
//! nothing else has to be told.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash, Hasher},
    io::Write,
    sync::{
        Arc, LazyLock, OnceLock, RwLock,
        atomic::{AtomicU64, Ordering::*},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use foldhash::fast::RandomState as QuickState;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use quick_cache::{Equivalent, Weighter, sync::Cache};

use crate::error::Error;

/// Pages expected, to size the table.
const PAGES_EXPECTED: usize = 4_096;
/// From so many topics on, those that nothing was made from any more are forgotten.
const TOPICS_BEFORE_SWEEP: usize = 100_000;
/// A page whose topics change faster than it renders is rendered this often, then served uncached.
const RENDERS_PER_REQUEST: usize = 3;
/// What tells two pages apart until the program ends: keyed, so that nobody can write two alike, and an order of
/// magnitude faster than a digest where the processor has no instructions for one.
static ETAGS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
/// Counts the topics that began, so that no version comes twice.
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// Counts the bumps of any topic: what was current at the last one is.
static BUMPS: AtomicU64 = AtomicU64::new(0);
/// Tells this start's versions from those of others.
static START: LazyLock<u32> = LazyLock::new(|| u32::from_le_bytes(crate::crypto::random()));
/// Bodies below this many bytes are not worth compressing.
const COMPRESS_FROM: usize = 512;

/// The version of each topic: `wall:ana`, `module:12`, `plugin:poll`, … Cheap to clone.
#[derive(Clone, Default)]
pub struct Topics(Arc<RwLock<HashMap<Arc<str>, Arc<AtomicU64>, QuickState>>>);

/// The versions of some topics at one moment. Take it *before* reading what the thing is made from.
#[derive(Clone, Default)]
pub struct Stamp(Vec<(Arc<AtomicU64>, u64)>);

impl Topics {
    /// The present versions of these topics.
    pub fn stamp<T: AsRef<str>>(&self, topics: impl IntoIterator<Item = T>) -> Stamp {
        let topics = topics.into_iter();
        let mut stamp = Stamp(Vec::with_capacity(topics.size_hint().0));
        let mut known = self.0.read().unwrap_or_else(|e| e.into_inner());
        for topic in topics {
            let topic = topic.as_ref();
            let counter = match known.get(topic) {
                Some(counter) => counter.clone(),
                None => {
                    drop(known);
                    let counter = self.begin(topic);
                    known = self.0.read().unwrap_or_else(|e| e.into_inner());
                    counter
                }
            };
            let version = counter.load(Acquire);
            stamp.0.push((counter, version));
        }
        stamp
    }

    /// Counts a topic from now on.
    fn begin(&self, topic: &str) -> Arc<AtomicU64> {
        let mut map = self.0.write().unwrap_or_else(|e| e.into_inner());
        if map.len() >= TOPICS_BEFORE_SWEEP {
            map.retain(|_, counter| Arc::strong_count(counter) > 1);
        }
        // A topic that was forgotten begins where it never was.
        let begin = || Arc::new(AtomicU64::new(GENERATION.fetch_add(1, Relaxed) << 32));
        map.entry(topic.into()).or_insert_with(begin).clone()
    }

    /// A topic's present version, for those who hold something that was made from it. Differs between starts.
    pub fn version_of(&self, topic: &str) -> String {
        self.stamp([topic]).version()
    }

    /// Makes everything stale that was made from these topics.
    pub fn bump<T: AsRef<str>>(&self, topics: &[T]) {
        if topics.is_empty() {
            return;
        }
        let map = self.0.read().unwrap_or_else(|e| e.into_inner());
        for topic in topics {
            if let Some(counter) = map.get(topic.as_ref()) {
                counter.fetch_add(1, AcqRel);
            }
        }
        BUMPS.fetch_add(1, AcqRel);
    }
}

impl Stamp {
    /// The version of the first of its topics, as [`Topics::version_of`] says it.
    pub fn version(&self) -> String {
        self.0
            .first()
            .map_or_else(String::new, |(_, version)| version_text(*version))
    }

    /// Whether none of the topics has changed since.
    pub fn is_current(&self) -> bool {
        self.0
            .iter()
            .all(|(counter, version)| counter.load(Acquire) == *version)
    }

    /// This stamp and another.
    pub fn and(mut self, other: &Stamp) -> Stamp {
        self.0.extend(other.0.iter().cloned());
        self
    }
}

impl Hash for Stamp {
    /// By the versions: no version comes twice, whatever the topic.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|(_, version)| version.hash(state));
    }
}

/// Which page, for whom. A page that is the same for all viewers of a class is kept once a class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageKey {
    /// Path and query, as far as they matter.
    pub page: Arc<str>,
    pub audience: Audience,
}

/// A [`PageKey`] that somebody else holds.
#[derive(Hash)]
struct BorrowedKey<'a> {
    page: &'a str,
    audience: Audience,
}

impl Equivalent<PageKey> for BorrowedKey<'_> {
    fn equivalent(&self, key: &PageKey) -> bool {
        self.audience == key.audience && *self.page == *key.page
    }
}

/// Who gets to see the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Everyone who isn't logged in.
    Guests,
    /// Every member but the owner of what the page shows.
    Members,
    /// This member alone.
    Member(i64),
}

/// What a render hands to the cache.
pub struct Rendered {
    pub html: String,
    /// Taken before anything was read.
    pub stamp: Stamp,
    /// How long it may be served without any topic changing.
    pub max_age: Option<Duration>,
    /// The page is this viewer's own: look for it, and keep it, under [`Audience::Member`].
    pub personal: bool,
}

/// A finished page, ready to send in each encoding. Each is compressed once, when it is first asked for.
pub struct Page {
    stamp: Stamp,
    /// How many bumps there had been when the stamp was last seen to be current.
    current_at: AtomicU64,
    expires: Option<Instant>,
    /// Says that the page differs between the viewers of its class; it has no body.
    personal: bool,
    identity: Bytes,
    gzip: OnceLock<(Bytes, HeaderValue)>,
    zstd: OnceLock<(Bytes, HeaderValue)>,
    etag: String,
    etag_value: HeaderValue,
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<PageKey, Arc<Page>> for ByWeight {
    fn weight(&self, key: &PageKey, page: &Arc<Page>) -> u64 {
        // The compressed copies, made later, come to about a third again.
        (key.page.len() + page.identity.len() * 4 / 3 + 256) as u64
    }
}

/// The finished pages.
pub struct PageCache {
    pages: Cache<PageKey, Arc<Page>, ByWeight>,
    hits: AtomicU64,
    renders: AtomicU64,
}

impl PageCache {
    /// A cache that takes so much memory, in bytes; with none it keeps nothing.
    pub fn new(memory: u64) -> Self {
        Self {
            pages: Cache::with_weighter(PAGES_EXPECTED, memory, ByWeight),
            hits: AtomicU64::new(0),
            renders: AtomicU64::new(0),
        }
    }

    /// The page if it is there and as fresh as the last commit. For a class whose viewers see different pages, looks
    /// for `member`'s own.
    pub fn get(&self, page: &str, audience: Audience, member: Option<i64>) -> Option<Arc<Page>> {
        let kept = |audience| self.pages.get(&BorrowedKey { page, audience });
        let found = kept(audience).filter(|p| p.is_current())?;
        let found = match member {
            Some(id) if found.personal => kept(Audience::Member(id))?,
            _ => found,
        };
        (found.is_current() && !found.personal).then(|| {
            self.hits.fetch_add(1, Relaxed);
            found
        })
    }

    /// The page, rendered if need be: once, however many ask for it at the same time.
    ///
    /// # Errors
    /// Whatever `render` answers; nothing is kept then.
    pub async fn get_or_render<F: Future<Output = Result<Rendered, Error>>>(
        &self,
        page: &Arc<str>,
        audience: Audience,
        member: Option<i64>,
        render: impl Fn() -> F,
    ) -> Result<Arc<Page>, Error> {
        if let Some(found) = self.get(page, audience, member) {
            return Ok(found);
        }
        let mut audience = audience;
        for _ in 0..RENDERS_PER_REQUEST {
            let key = PageKey {
                page: page.clone(),
                audience,
            };
            match self.pages.get_value_or_guard_async(&key).await {
                Ok(found) if found.is_current() && found.personal => {
                    audience = member.map_or(audience, Audience::Member);
                }
                Ok(found) if found.is_current() => {
                    self.hits.fetch_add(1, Relaxed);
                    return Ok(found);
                }
                Ok(stale) => {
                    self.pages.remove_if(&key, |kept| Arc::ptr_eq(kept, &stale));
                }
                Err(guard) => {
                    self.renders.fetch_add(1, Relaxed);
                    let rendered = render().await?;
                    let own = member
                        .map(Audience::Member)
                        .filter(|own| rendered.personal && *own != audience);
                    let marker = own.is_some().then(|| Arc::new(Page::marker(&rendered)));
                    let page_made = Arc::new(Page::new(rendered));
                    match (own, marker) {
                        (Some(own), Some(marker)) => {
                            let _ = guard.insert(marker);
                            self.pages.insert(
                                PageKey {
                                    page: page.clone(),
                                    audience: own,
                                },
                                page_made.clone(),
                            );
                        }
                        _ => {
                            let _ = guard.insert(page_made.clone());
                        }
                    }
                    return Ok(page_made);
                }
            }
        }
        Ok(Arc::new(Page::new(render().await?)))
    }

    /// Pages served from memory, and pages rendered, since the start.
    pub fn stats(&self) -> (u64, u64) {
        (self.hits.load(Relaxed), self.renders.load(Relaxed))
    }
}

impl Page {
    /// A page of its own, outside the cache.
    pub fn new(rendered: Rendered) -> Self {
        let etag = format!("{:016x}", ETAGS.hash_one(&rendered.html));
        Self {
            stamp: rendered.stamp,
            current_at: AtomicU64::new(u64::MAX),
            expires: rendered.max_age.map(|age| Instant::now() + age),
            personal: false,
            identity: rendered.html.into(),
            gzip: OnceLock::new(),
            zstd: OnceLock::new(),
            etag_value: quoted(&etag, ""),
            etag,
        }
    }

    fn marker(rendered: &Rendered) -> Self {
        Self {
            stamp: rendered.stamp.clone(),
            current_at: AtomicU64::new(u64::MAX),
            expires: rendered.max_age.map(|age| Instant::now() + age),
            personal: true,
            identity: Bytes::new(),
            gzip: OnceLock::new(),
            zstd: OnceLock::new(),
            etag: String::new(),
            etag_value: HeaderValue::from_static(""),
        }
    }

    /// Whether its text begins so.
    pub fn begins_with(&self, text: &str) -> bool {
        self.identity.starts_with(text.as_bytes())
    }

    fn is_current(&self) -> bool {
        self.expires.is_none_or(|at| Instant::now() < at) && self.stamp_is_current()
    }

    /// Looks at the topics, of which there may be dozens, only when one has changed anywhere since it last did.
    fn stamp_is_current(&self) -> bool {
        // Before the topics: a bump that these miss comes after it.
        let bumps = BUMPS.load(Acquire);
        if self.current_at.load(Relaxed) == bumps {
            return true;
        }
        let current = self.stamp.is_current();
        if current {
            self.current_at.store(bumps, Relaxed);
        }
        current
    }

    /// The answer to a request with these headers: the best encoding that it accepts, or 304.
    pub fn respond(&self, request: &HeaderMap) -> Response<axum::body::Body> {
        let accepts = request
            .get(header::ACCEPT_ENCODING)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        let (body, etag, encoding) = if self.identity.len() < COMPRESS_FROM {
            (&self.identity, &self.etag_value, None)
        } else if accepts_encoding(accepts, "zstd") {
            let (body, etag) = self
                .zstd
                .get_or_init(|| (compress_zstd(&self.identity), quoted(&self.etag, "-z")));
            (body, etag, Some(HeaderValue::from_static("zstd")))
        } else if accepts_encoding(accepts, "gzip") {
            let (body, etag) = self
                .gzip
                .get_or_init(|| (compress_gzip(&self.identity), quoted(&self.etag, "-g")));
            (body, etag, Some(HeaderValue::from_static("gzip")))
        } else {
            (&self.identity, &self.etag_value, None)
        };
        let unchanged = request.get(header::IF_NONE_MATCH).is_some_and(|tags| {
            tags.as_bytes() == etag.as_bytes()
                || tags
                    .to_str()
                    .is_ok_and(|tags| tags.split(',').any(|tag| tag.trim().as_bytes() == etag.as_bytes()))
        });
        let mut response = Response::new(if unchanged { Bytes::new() } else { body.clone() }.into());
        let headers = response.headers_mut();
        headers.reserve(5);
        headers.insert(header::ETAG, etag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding, cookie"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, encoding);
        }
        response
    }
}

/// Whether an `Accept-Encoding` names this encoding, and not with `q=0`.
pub fn accepts_encoding(accepts: &str, encoding: &str) -> bool {
    accepts.split(',').any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding))
            && !parts.any(|p| matches!(p, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// gzip at level 6.
pub fn compress_gzip(body: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 3), flate2::Compression::new(6));
    // Writing into memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// zstd at level 9; falls back to nothing only if memory runs out.
pub fn compress_zstd(body: &[u8]) -> Bytes {
    zstd::bulk::compress(body, 9).unwrap_or_default().into()
}

fn version_text(version: u64) -> String {
    format!("{:x}-{version:x}", *START)
}

fn quoted(etag: &str, suffix: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{etag}{suffix}\"")).unwrap_or(HeaderValue::from_static(""))
}
