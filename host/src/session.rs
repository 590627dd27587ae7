//! Who asks: the cookie, the session behind it, and the extractors that slices take.
//!
//! The cookie holds 256 random bits, the database their SHA-256. A session is kept in memory under the topic
//! `member:{id}`: a log-out, a revocation or a change of the member's name, colour or picture touches that topic, and the next
//! request looks again.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use neospace_runner::protocol::ViewerClass;
use quick_cache::sync::Cache;
use rusqlite::params;

use crate::{
    app::{App, now_ms},
    cache::{Audience, Stamp},
    crypto,
    db::Tx,
    error::Error,
    tokens::{self, Scope, Scopes},
};

/// A session ends after so long without a request, in milliseconds: 14 days.
pub const IDLE_MS: i64 = 14 * 24 * 3_600_000;
/// A session ends after so long whatever happens, in milliseconds: 90 days.
pub const ABSOLUTE_MS: i64 = 90 * 24 * 3_600_000;
/// How exact `last_seen_at` is, in milliseconds: it costs a write.
const SEEN_EVERY_MS: i64 = 10 * 60_000;
/// Sessions kept in memory.
const REMEMBERED: usize = 20_000;

/// Somebody with an account, logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: i64,
    pub name: Arc<str>,
    /// The name of their colour.
    pub colour: Arc<str>,
    /// The picture that stands for them, if there is one: its id.
    pub avatar: Option<Arc<str>>,
}

/// Whoever asks. As an extractor it never refuses.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    pub member: Option<Member>,
    /// The session's id.
    pub session: Option<i64>,
    /// What a program's token may; nothing for somebody with a browser, who may whatever the member may.
    pub scopes: Option<Scopes>,
    /// The member doesn't want others to see that they are here.
    pub hidden: bool,
    /// The member prefers every wall in the plain view. (A program sees what there is.)
    pub plain: bool,
}

/// What a request proves with who asks, as a hash.
#[derive(Clone, Copy)]
pub enum Credential {
    Cookie([u8; 32]),
    Token([u8; 32]),
}

/// A session, as kept in memory.
pub struct Session {
    pub id: i64,
    pub member: Member,
    /// The member doesn't want others to see that they are here.
    pub hidden: bool,
    /// The member prefers every wall in the plain view.
    pub plain: bool,
    /// When the account is deleted, if the member asked for that: until they take it back, the session opens nothing but the
    /// way out and back.
    pub leaving_at: Option<i64>,
    created_at: i64,
    last_seen_at: AtomicI64,
    stamp: Stamp,
}

/// Somebody who asked for their account to be deleted, logged in.
#[derive(Clone, Debug)]
pub struct Leaver {
    pub member: Member,
    /// When it is deleted, Unix milliseconds.
    pub leaving_at: i64,
}

/// The sessions in memory, by the hash of their token.
pub struct Sessions(Cache<[u8; 32], Arc<Session>>);

impl Default for Sessions {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Viewer {
    /// A member's view of things.
    pub fn of(member: Member) -> Self {
        Self {
            member: Some(member),
            ..Self::default()
        }
    }

    /// Whoever makes a request with these.
    ///
    /// # Errors
    /// The database's.
    pub fn asking(app: &App, headers: &HeaderMap, extensions: &Extensions) -> Result<Self, Error> {
        // A token was looked at before anything else.
        if let Some(viewer) = extensions.get::<Viewer>() {
            return Ok(viewer.clone());
        }
        let session = app.sessions.find(app, headers)?;
        let session = session.filter(|session| session.leaving_at.is_none());
        Ok(session.map_or_else(Viewer::default, |s| Viewer {
            member: Some(s.member.clone()),
            session: Some(s.id),
            scopes: None,
            hidden: s.hidden,
            plain: s.plain,
        }))
    }

    /// The member's id.
    pub fn id(&self) -> Option<i64> {
        self.member.as_ref().map(|member| member.id)
    }

    /// Whether the viewer's token, if that is how they come, has this scope.
    ///
    /// # Errors
    /// [`Error::Forbidden`], naming what is missing.
    pub fn check(&self, scope: Scope) -> Result<(), Error> {
        match self.scopes {
            Some(scopes) if !scopes.has(scope) => Err(Error::Forbidden(format!(
                "This token may not do that: it needs the scope {}, and has {}.",
                scope.name(),
                scopes.names().join(", ")
            ))),
            _ => Ok(()),
        }
    }

    /// How plugins see this viewer on a wall of `owner`.
    pub fn class(&self, owner: i64) -> ViewerClass {
        match self.id() {
            None => ViewerClass::Guest,
            Some(id) if id == owner => ViewerClass::Owner,
            Some(_) => ViewerClass::Member,
        }
    }

    /// With whom this viewer shares cached pages about something of `owner`'s.
    pub fn audience(&self, owner: Option<i64>) -> Audience {
        match self.id() {
            None => Audience::Guests,
            Some(id) if Some(id) == owner => Audience::Member(id),
            Some(_) => Audience::Members,
        }
    }
}

impl Credential {
    /// A request's: its token before its cookie.
    pub fn of(app: &App, headers: &HeaderMap) -> Option<Self> {
        match tokens::presented(headers) {
            Some(hash) => hash.ok().map(Self::Token),
            None => token_hash(app, headers).map(Self::Cookie),
        }
    }

    /// Whether it still opens anything.
    ///
    /// # Errors
    /// The database's.
    pub fn lives(&self, app: &App) -> Result<bool, Error> {
        match self {
            Self::Cookie(hash) => {
                let session = app.sessions.find_by_hash(app, hash)?;
                Ok(session.is_some_and(|session| session.leaving_at.is_none()))
            }
            Self::Token(hash) => Ok(tokens::find(app, hash)?.is_some()),
        }
    }
}

impl Sessions {
    /// The session of a request's cookie, if it is alive.
    ///
    /// # Errors
    /// The database's.
    pub fn find(&self, app: &App, headers: &HeaderMap) -> Result<Option<Arc<Session>>, Error> {
        let Some(hash) = token_hash(app, headers) else {
            return Ok(None);
        };
        self.find_by_hash(app, &hash)
    }

    /// The session with this token hash, if it is alive.
    ///
    /// # Errors
    /// The database's.
    pub fn find_by_hash(&self, app: &App, hash: &[u8; 32]) -> Result<Option<Arc<Session>>, Error> {
        let now = now_ms();
        let kept = self.0.get(hash).filter(|session| session.stamp.is_current());
        let session = match kept {
            Some(session) => session,
            None => {
                self.0.remove(hash);
                let Some(session) = load(app, hash)? else {
                    return Ok(None);
                };
                let session = Arc::new(session);
                self.0.insert(*hash, session.clone());
                session
            }
        };
        let seen = session.last_seen_at.load(Relaxed);
        if now - seen > IDLE_MS || now - session.created_at > ABSOLUTE_MS {
            return Ok(None);
        }
        if now - seen > SEEN_EVERY_MS
            && session
                .last_seen_at
                .compare_exchange(seen, now, Relaxed, Relaxed)
                .is_ok()
        {
            let (app, id) = (app.clone(), session.id);
            tokio::spawn(async move {
                let seen = app
                    .db
                    .write(move |tx| tx.run("update sessions set last_seen_at = ?2 where id = ?1", params![id, now]));
                if let Err(error) = seen.await {
                    tracing::warn!(%error, "a session's last visit was not noted");
                }
            });
        }
        Ok(Some(session))
    }
}

fn load(app: &App, hash: &[u8; 32]) -> Result<Option<Session>, Error> {
    let find = || {
        app.db.read(|db| {
            db.maybe(
                "select s.id, s.created_at, s.last_seen_at, u.id, u.name, p.colour, p.avatar, p.present = 0, p.plain, u.leaving_at
                   from sessions s
                   join users u on u.id = s.user_id
                   join faces p on p.user_id = u.id
                  where s.token_hash = ?1",
                [hash],
                |row| {
                    Ok(Session {
                        id: row.get(0)?,
                        created_at: row.get(1)?,
                        last_seen_at: AtomicI64::new(row.get(2)?),
                        member: Member {
                            id: row.get(3)?,
                            name: row.get(4)?,
                            colour: row.get(5)?,
                            avatar: row.get(6)?,
                        },
                        hidden: row.get(7)?,
                        plain: row.get(8)?,
                        leaving_at: row.get(9)?,
                        stamp: Stamp::default(),
                    })
                },
            )
        })
    };
    // The topic is known only once the row is: read, take the stamp, and read again what may have changed in between.
    let Some(found) = find()? else { return Ok(None) };
    let stamp = app.topics.stamp([topic(found.member.id)]);
    Ok(find()?.map(|session| Session { stamp, ..session }))
}

/// What changes when a member's sessions, name, colour or picture do.
pub fn topic(member_id: i64) -> String {
    format!("member:{member_id}")
}

/// Starts a session; answers its token, for [`set_cookie`]. At most 100 characters of `device` are kept.
///
/// # Errors
/// The database's.
pub fn start(tx: &Tx, user_id: i64, device: &str) -> Result<[u8; 32], Error> {
    let token: [u8; 32] = crypto::random();
    let device: String = device.chars().take(100).collect();
    let now = now_ms();
    tx.run(
        "insert into sessions (token_hash, user_id, device, created_at, last_seen_at) values (?1, ?2, ?3, ?4, ?4)",
        params![crypto::sha256(&token), user_id, device, now],
    )?;
    tx.run(
        "delete from sessions where last_seen_at < ?1 or created_at < ?2",
        [now - IDLE_MS, now - ABSOLUTE_MS],
    )?;
    Ok(token)
}

/// The header that gives a browser its session.
pub fn set_cookie(app: &App, token: &[u8; 32]) -> HeaderValue {
    let token = crypto::Bytes(*token).to_string();
    cookie(app, &token, ABSOLUTE_MS / 1000)
}

/// The header that takes it away.
pub fn clear_cookie(app: &App) -> HeaderValue {
    cookie(app, "", 0)
}

fn cookie(app: &App, value: &str, seconds: i64) -> HeaderValue {
    let name = cookie_name(app);
    let secure = if app.is_https() { "; Secure" } else { "" };
    HeaderValue::from_str(&format!(
        "{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    ))
    .expect("base64url and digits are header text")
}

fn cookie_name(app: &App) -> &'static str {
    if app.is_https() { "__Host-neospace" } else { "neospace" }
}

/// The value of a request's cookie of this name.
pub fn cookie_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Who asks, if that is somebody who is leaving. A token is nobody's who is.
///
/// # Errors
/// The database's.
pub fn leaver(app: &App, headers: &HeaderMap) -> Result<Option<Leaver>, Error> {
    let session = app.sessions.find(app, headers)?;
    Ok(session.and_then(|session| {
        Some(Leaver {
            leaving_at: session.leaving_at?,
            member: session.member.clone(),
        })
    }))
}

/// The hash of the token in a request's cookie.
pub fn token_hash(app: &App, headers: &HeaderMap) -> Option<[u8; 32]> {
    cookie_of(headers, cookie_name(app))
        .and_then(crypto::Bytes::<32>::parse)
        .map(|token| crypto::sha256(&token.0))
}

impl<S> FromRequestParts<S> for Viewer
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Self::asking(&App::from_ref(state), &parts.headers, &parts.extensions)
    }
}

impl<S> FromRequestParts<S> for Member
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let viewer = <Viewer as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        match viewer.member {
            Some(member) => Ok(member),
            None => match leaver(&App::from_ref(state), &parts.headers)? {
                Some(_) => Err(Error::coded(
                    StatusCode::FORBIDDEN,
                    "leaving",
                    "Your account is about to be deleted. Keep it first: that is one button, at /settings/leaving.",
                )),
                None => Err(Error::Unauthorized),
            },
        }
    }
}

impl<S> OptionalFromRequestParts<S> for Member
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Error> {
        Ok(<Viewer as FromRequestParts<S>>::from_request_parts(parts, state)
            .await?
            .member)
    }
}
