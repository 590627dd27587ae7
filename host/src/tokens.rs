//! Personal access tokens: how programs come in, and what each may reach.
//!
//! A token is `ns_` and 256 random bits, sent as `Authorization: Bearer ns_…`; the database has its SHA-256. It is not
//! taken from an address or a cookie, and a request that has one has no session besides. It stands for its member
//! within its [`Scopes`]: [`REACH`] says which address asks for which scope, and what isn't in there no token opens, the
//! settings and accounts above all. Like sessions, tokens are kept in memory under the topic `member:{id}`.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use axum::extract::Request;
use http::{HeaderMap, Method, header};
use quick_cache::sync::Cache;
use rusqlite::{Row, params};

use crate::{
    app::{App, now_ms},
    cache::Stamp,
    crypto,
    db::{Reader, Tx},
    error::Error,
    session::{self, Member, Viewer},
};

/// What every token begins with, so that those who search for leaked ones find it.
pub const PREFIX: &str = "ns_";
/// Tokens that one member may have.
const TOKENS_MOST: i64 = 20;
/// How exact `last_used_at` is, in milliseconds: it costs a write.
const USED_EVERY_MS: i64 = 60_000;
/// Tokens kept in memory.
const REMEMBERED: usize = 10_000;
/// Where the `Authorization` header is somebody else's: the handler looks at it itself.
const METRICS: &str = "/metrics";

/// Something that a token may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    RoomsRead,
    RoomsWrite,
    WallsRead,
    WallsWrite,
    DmRead,
    DmWrite,
    LibraryRead,
    LibraryWrite,
    ScriptsRead,
    ScriptsWrite,
}

impl Scope {
    pub const ALL: [Scope; 10] = [
        Self::RoomsRead,
        Self::RoomsWrite,
        Self::WallsRead,
        Self::WallsWrite,
        Self::DmRead,
        Self::DmWrite,
        Self::LibraryRead,
        Self::LibraryWrite,
        Self::ScriptsRead,
        Self::ScriptsWrite,
    ];

    /// As members and programs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoomsRead => "rooms:read",
            Self::RoomsWrite => "rooms:write",
            Self::WallsRead => "walls:read",
            Self::WallsWrite => "walls:write",
            Self::DmRead => "dm:read",
            Self::DmWrite => "dm:write",
            Self::LibraryRead => "library:read",
            Self::LibraryWrite => "library:write",
            Self::ScriptsRead => "scripts:read",
            Self::ScriptsWrite => "scripts:write",
        }
    }

    /// What it is good for, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::RoomsRead => "read and search the rooms that you may read, and hear what is said in them",
            Self::RoomsWrite => {
                "talk in rooms as you: send, edit and delete, join and leave, and your tools as an owner"
            }
            Self::WallsRead => "look at walls and the directory as you",
            Self::WallsWrite => "change your wall, and press in modules as you",
            Self::DmRead => {
                "fetch your direct messages and hear them come, sealed as they are: only with your password can it open them"
            }
            Self::DmWrite => "send and delete direct messages as you, accept, decline, block and mute",
            Self::LibraryRead => "list your pictures and sounds and what uses them",
            Self::LibraryWrite => "upload pictures and sounds into your library, describe and delete them",
            Self::ScriptsRead => "read scripts that you may see, your drafts among them",
            Self::ScriptsWrite => "make, change, publish, fork and delete scripts as you",
        }
    }
}

/// What a token may, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scopes {
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    pub fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn names(self) -> Vec<&'static str> {
        let has = |scope: &Scope| self.has(*scope);
        Scope::ALL.into_iter().filter(has).map(Scope::name).collect()
    }
}

/// Which addresses tokens reach, and with which scope; `None`: with any. A part in braces is any one part of the
/// address. HEAD is as GET. What isn't here is refused: add an address only together with its scope.
const REACH: &[(&str, &str, Option<Scope>)] = &[
    ("GET", "/live", None),
    ("GET", "/me", None),
    ("GET", "/health", None),
    ("GET", "/system", None),
    ("GET", "/plugins", None),
    ("GET", "/plugins/{id}", None),
    ("GET", "/plugins/{id}/{file}", None),
    ("GET", "/rooms", Some(Scope::RoomsRead)),
    ("GET", "/rooms/search", Some(Scope::RoomsRead)),
    ("GET", "/rooms/{room}", Some(Scope::RoomsRead)),
    ("GET", "/rooms/{room}/log", Some(Scope::RoomsRead)),
    ("GET", "/rooms/{room}/people", Some(Scope::RoomsRead)),
    ("GET", "/rooms/{room}/messages/{id}", Some(Scope::RoomsRead)),
    ("POST", "/rooms", Some(Scope::RoomsWrite)),
    ("POST", "/rooms/{room}/{action}", Some(Scope::RoomsWrite)),
    ("POST", "/rooms/{room}/messages/{id}", Some(Scope::RoomsWrite)),
    ("POST", "/rooms/{room}/messages/{id}/delete", Some(Scope::RoomsWrite)),
    ("GET", "/directory", Some(Scope::WallsRead)),
    ("GET", "/random", Some(Scope::WallsRead)),
    ("GET", "/tags", Some(Scope::WallsRead)),
    ("GET", "/neighbourhoods", Some(Scope::WallsRead)),
    ("GET", "/neighbourhoods/{slug}", Some(Scope::WallsRead)),
    ("GET", "/neighbourhoods/{slug}/random", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/linked", Some(Scope::WallsRead)),
    ("POST", "/neighbourhoods", Some(Scope::WallsWrite)),
    ("POST", "/neighbourhoods/{slug}", Some(Scope::WallsWrite)),
    ("POST", "/neighbourhoods/{slug}/{action}", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/tags", Some(Scope::WallsWrite)),
    ("GET", "/wall/{user}", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/modules/{id}", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/modules/{id}/drawing.svg", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/stickers", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/stickers/{id}", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/stickers/{id}/drawing.svg", Some(Scope::WallsRead)),
    ("POST", "/wall/{user}/stickers", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/stickers/{id}", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/stickers/{id}/{action}", Some(Scope::WallsWrite)),
    ("GET", "/wall/{user}/sound", Some(Scope::WallsRead)),
    ("POST", "/wall/{user}/sound", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/profile", Some(Scope::WallsWrite)),
    ("GET", "/previews/{id}", Some(Scope::WallsRead)),
    ("GET", "/public-feed", Some(Scope::WallsRead)),
    ("GET", "/public-feed.atom", Some(Scope::WallsRead)),
    ("GET", "/public-feed.json", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/feed.atom", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/feed.json", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/posts", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/posts/{id}", Some(Scope::WallsRead)),
    ("GET", "/wall/{user}/posts/{id}/history", Some(Scope::WallsRead)),
    ("POST", "/wall/{user}/posts", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/posts/{id}", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/posts/{id}/{action}", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/posts/drafts/{id}/delete", Some(Scope::WallsWrite)),
    ("GET", "/wall/{user}/look/{file}", Some(Scope::WallsRead)),
    ("POST", "/wall/{user}/remix", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/look", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/look/{action}", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/modules", Some(Scope::WallsWrite)),
    ("POST", "/wall/{user}/modules/{id}/{action}", Some(Scope::WallsWrite)),
    ("GET", "/media/{id}/{variant}", None),
    ("GET", "/library", Some(Scope::LibraryRead)),
    ("POST", "/library", Some(Scope::LibraryWrite)),
    ("POST", "/library/uploads", Some(Scope::LibraryWrite)),
    ("GET", "/library/uploads/{id}", Some(Scope::LibraryWrite)),
    ("PATCH", "/library/uploads/{id}", Some(Scope::LibraryWrite)),
    ("DELETE", "/library/uploads/{id}", Some(Scope::LibraryWrite)),
    ("GET", "/library/{id}", Some(Scope::LibraryRead)),
    ("POST", "/library/{id}", Some(Scope::LibraryWrite)),
    ("POST", "/library/{id}/delete", Some(Scope::LibraryWrite)),
    ("POST", "/library/{id}/discard", Some(Scope::LibraryWrite)),
    ("GET", "/wall/{user}/scripts", Some(Scope::WallsRead)),
    ("POST", "/wall/{user}/scripts", Some(Scope::WallsWrite)),
    (
        "POST",
        "/wall/{user}/scripts/{script}/{action}",
        Some(Scope::WallsWrite),
    ),
    ("GET", "/sandbox", Some(Scope::ScriptsRead)),
    ("GET", "/sandbox/examples/{name}", Some(Scope::ScriptsRead)),
    ("GET", "/sandbox/examples/{name}/source.js", Some(Scope::ScriptsRead)),
    ("GET", "/sandbox/{id}", Some(Scope::ScriptsRead)),
    ("GET", "/sandbox/{id}/edit", Some(Scope::ScriptsRead)),
    ("GET", "/sandbox/{id}/draft", Some(Scope::ScriptsRead)),
    ("GET", "/sandbox/{id}/diff", Some(Scope::ScriptsRead)),
    ("GET", "/sandbox/{id}/versions", Some(Scope::ScriptsRead)),
    ("GET", "/sandbox/{id}/versions/{n}", Some(Scope::ScriptsRead)),
    ("GET", "/sandbox/{id}/versions/{n}/source.js", Some(Scope::ScriptsRead)),
    (
        "GET",
        "/sandbox/{id}/versions/{n}/script.html",
        Some(Scope::ScriptsRead),
    ),
    ("POST", "/sandbox", Some(Scope::ScriptsWrite)),
    ("POST", "/sandbox/{id}/{action}", Some(Scope::ScriptsWrite)),
    ("POST", "/sandbox/{id}/aside/{n}/delete", Some(Scope::ScriptsWrite)),
    ("GET", "/keys", None),
    ("GET", "/dm", Some(Scope::DmRead)),
    ("GET", "/dm/keys", Some(Scope::DmRead)),
    ("GET", "/dm/{user}", Some(Scope::DmRead)),
    ("GET", "/dm/{user}/messages", Some(Scope::DmRead)),
    ("GET", "/dm/{user}/files/{id}", Some(Scope::DmRead)),
    // What a program has seen belongs to its member's other devices too. New keys and recovery stay with people.
    ("PUT", "/dm/notebook", Some(Scope::DmRead)),
    ("POST", "/dm/{user}/messages", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/messages/delete", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/read", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/accept", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/decline", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/block", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/unblock", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/mute", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/unmute", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/files", Some(Scope::DmWrite)),
    ("POST", "/dm/{user}/report", Some(Scope::DmWrite)),
];

/// A token, as kept in memory.
struct Token {
    id: i64,
    member: Member,
    /// The member doesn't want others to see that they are here.
    hidden: bool,
    scopes: Scopes,
    expires_at: Option<i64>,
    last_used_at: AtomicI64,
    stamp: Stamp,
}

/// The tokens in memory, by their hash.
pub struct Tokens(Cache<[u8; 32], Arc<Token>>);

impl Default for Tokens {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

/// Lets a request with a token in, as its member and within its scopes: the [`Viewer`] that handlers extract. Answers
/// whether it had one; without, who asks is a matter of its cookie.
///
/// # Errors
/// [`Error::InvalidToken`] for one that opens nothing, [`Error::Forbidden`] for an address beyond its scopes; the database's.
pub fn admit(app: &App, request: &mut Request) -> Result<bool, Error> {
    let path = request.uri().path();
    if path == METRICS {
        return Ok(false);
    }
    let Some(hash) = presented(request.headers()) else {
        return Ok(false);
    };
    let viewer = find(app, &hash?)?.ok_or(Error::InvalidToken)?;
    let Some(needed) = needed(request.method(), path) else {
        return Err(Error::Forbidden(
            "No token reaches this address: it is for people who are logged in with a browser.".into(),
        ));
    };
    needed.map_or(Ok(()), |scope| viewer.check(scope))?;
    request.extensions_mut().insert(viewer);
    Ok(true)
}

/// The hash of the token that a request presents. Nothing for a request without one, [`Error::InvalidToken`] for what can't
/// be a token.
pub fn presented(headers: &HeaderMap) -> Option<Result<[u8; 32], Error>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = values.next()?.to_str().ok()?.split_once(' ')?;
    // Other schemes are between the browser and a proxy in front of us.
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let token = token.trim().strip_prefix(PREFIX).and_then(crypto::Bytes::<32>::parse);
    Some(match token.filter(|_| values.next().is_none()) {
        Some(token) => Ok(crypto::sha256(&token.0)),
        None => Err(Error::InvalidToken),
    })
}

/// Whom the token with this hash stands for, if it is alive.
///
/// # Errors
/// The database's.
pub fn find(app: &App, hash: &[u8; 32]) -> Result<Option<Viewer>, Error> {
    let kept = app.tokens.0.get(hash).filter(|token| token.stamp.is_current());
    let token = match kept {
        Some(token) => token,
        None => {
            app.tokens.0.remove(hash);
            let Some(token) = load(app, hash)? else {
                return Ok(None);
            };
            let token = Arc::new(token);
            app.tokens.0.insert(*hash, token.clone());
            token
        }
    };
    let now = now_ms();
    if token.expires_at.is_some_and(|at| at <= now) {
        return Ok(None);
    }
    note_use(app, &token, now);
    Ok(Some(Viewer {
        member: Some(token.member.clone()),
        session: None,
        scopes: Some(token.scopes),
        hidden: token.hidden,
        plain: false,
    }))
}

fn note_use(app: &App, token: &Token, now: i64) {
    let used = token.last_used_at.load(Relaxed);
    let is_first = || token.last_used_at.compare_exchange(used, now, Relaxed, Relaxed).is_ok();
    if now - used <= USED_EVERY_MS || !is_first() {
        return;
    }
    let (app, id) = (app.clone(), token.id);
    tokio::spawn(async move {
        let noted = app
            .db
            .write(move |tx| tx.run("update tokens set last_used_at = ?2 where id = ?1", params![id, now]));
        if let Err(error) = noted.await {
            tracing::warn!(%error, "a token's last use was not noted");
        }
    });
}

fn load(app: &App, hash: &[u8; 32]) -> Result<Option<Token>, Error> {
    let find = || {
        app.db.read(|db| {
            db.maybe(
                "select t.id, t.scopes, t.expires_at, t.last_used_at, u.id, u.name, p.colour, p.present = 0, p.avatar
                   from tokens t
                   join users u on u.id = t.user_id
                   join faces p on p.user_id = u.id
                  where t.token_hash = ?1",
                [hash],
                |row| {
                    Ok(Token {
                        id: row.get(0)?,
                        scopes: Scopes(row.get(1)?),
                        expires_at: row.get(2)?,
                        last_used_at: AtomicI64::new(row.get::<_, Option<i64>>(3)?.unwrap_or(0)),
                        member: Member {
                            id: row.get(4)?,
                            name: row.get(5)?,
                            colour: row.get(6)?,
                            avatar: row.get(8)?,
                        },
                        hidden: row.get(7)?,
                        stamp: Stamp::default(),
                    })
                },
            )
        })
    };
    // The topic is known only once the row is: read, take the stamp, and read again what may have changed in between.
    let Some(found) = find()? else { return Ok(None) };
    let stamp = app.topics.stamp([session::topic(found.member.id)]);
    Ok(find()?.map(|token| Token { stamp, ..token }))
}

/// Which scope an address needs: `Some(None)` any token's, `None` no token gets there.
fn needed(method: &Method, path: &str) -> Option<Option<Scope>> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let leads_to = |pattern: &str| {
        let mut parts = path.split('/');
        let fits = |part: &str| {
            let given = parts.next();
            given.is_some_and(|given| given == part || (part.starts_with('{') && !given.is_empty()))
        };
        pattern.split('/').all(fits) && parts.next().is_none()
    };
    let row = REACH
        .iter()
        .find(|(its_method, pattern, _)| *its_method == method && leads_to(pattern))?;
    Some(row.2)
}

/// A token, as its member sees it listed. Times are Unix milliseconds.
pub struct Listed {
    pub id: i64,
    pub name: String,
    pub scopes: Scopes,
    pub created_at: i64,
    pub last_used_at: Option<i64>,
    pub expires_at: Option<i64>,
}

impl Listed {
    fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            scopes: Scopes(row.get(2)?),
            created_at: row.get(3)?,
            last_used_at: row.get(4)?,
            expires_at: row.get(5)?,
        })
    }
}

/// A member's tokens, the newest first; those that have expired, too.
///
/// # Errors
/// The database's.
pub fn list(db: &Reader, user_id: i64) -> Result<Vec<Listed>, Error> {
    db.all(
        "select id, name, scopes, created_at, last_used_at, expires_at from tokens where user_id = ?1 order by id desc",
        [user_id],
        Listed::of,
    )
}

/// A token about to be made.
pub struct New {
    pub user_id: i64,
    pub name: String,
    pub scopes: Scopes,
    pub expires_at: Option<i64>,
}

/// Makes a token; answers its id and its text, which is nowhere else.
///
/// # Errors
/// [`Error::Invalid`] for one more than a member may have; the database's.
pub fn make(tx: &Tx, new: &New) -> Result<(i64, String), Error> {
    let count = "select count(*) from tokens where user_id = ?1";
    if tx.one(count, [new.user_id], |row| row.get::<_, i64>(0))? >= TOKENS_MOST {
        return Err(Error::field(
            "name",
            format!("You have {TOKENS_MOST} tokens, and that is the most. Revoke one that you don't use."),
        ));
    }
    let token: [u8; 32] = crypto::random();
    tx.run(
        "insert into tokens (token_hash, user_id, name, scopes, created_at, expires_at) values (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            crypto::sha256(&token),
            new.user_id,
            new.name,
            new.scopes.0,
            now_ms(),
            new.expires_at
        ],
    )?;
    Ok((tx.last_id(), format!("{PREFIX}{}", crypto::Bytes(token))))
}

/// Revokes one of a member's tokens: requests with it are refused from here on, and its sockets close within seconds.
///
/// # Errors
/// [`Error::NotFound`] for one that isn't there or isn't theirs; the database's.
pub fn revoke(tx: &Tx, user_id: i64, id: i64) -> Result<(), Error> {
    let revoked = tx.run("delete from tokens where id = ?1 and user_id = ?2", [id, user_id])?;
    tx.touch(session::topic(user_id));
    if revoked == 0 { Err(Error::NotFound) } else { Ok(()) }
}

/// Revokes all of a member's tokens.
///
/// # Errors
/// The database's.
pub fn revoke_all(tx: &Tx, user_id: i64) -> Result<(), Error> {
    tx.run("delete from tokens where user_id = ?1", [user_id])?;
    tx.touch(session::topic(user_id));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_its_scope_and_others_are_closed() {
        let needed = |method: &str, path: &str| needed(&method.parse().expect("a method"), path);
        assert_eq!(needed("GET", "/live"), Some(None));
        assert_eq!(needed("GET", "/rooms/lobby"), Some(Some(Scope::RoomsRead)));
        assert_eq!(needed("HEAD", "/rooms/lobby"), Some(Some(Scope::RoomsRead)));
        assert_eq!(needed("POST", "/rooms/lobby/messages"), Some(Some(Scope::RoomsWrite)));
        assert_eq!(needed("POST", "/wall/ana/modules/7/act"), Some(Some(Scope::WallsWrite)));
        for (method, path) in [
            ("GET", "/settings"),
            ("POST", "/settings/tokens"),
            ("POST", "/login"),
            ("GET", "/rooms/"),
            ("GET", "/rooms//"),
            ("GET", "/rooms/lobby/"),
            ("GET", "/rooms/lobby/messages/1/more"),
            ("DELETE", "/rooms/lobby"),
            ("GET", "/"),
            ("GET", ""),
            ("GET", "*"),
        ] {
            assert_eq!(needed(method, path), None, "{method} {path}");
        }
    }
}
