//! The answers that a visitor can get instead of what they asked for; becomes HTTP here and nowhere else.

use std::fmt;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

/// What went wrong, as far as the one who asked may know it.
#[derive(Debug)]
pub enum Error {
    /// 400: a request that makes no sense; the sentence says what is allowed.
    BadRequest(String),
    /// 401: log in first.
    Unauthorized,
    /// 401: a token that opens nothing.
    InvalidToken,
    /// 403: the sentence says why not.
    Forbidden(String),
    /// 404: not there, or not for this viewer.
    NotFound,
    /// 405: another method is allowed.
    MethodNotAllowed,
    /// 409: it has changed meanwhile; the sentence says what.
    Conflict(String),
    /// A refusal that programs must tell from others of its status: its code names it.
    Coded {
        status: StatusCode,
        code: &'static str,
        message: String,
    },
    /// 413: more than this many bytes.
    TooLarge { most: usize },
    /// 415: another content type is allowed.
    UnsupportedMediaType(&'static str),
    /// 422: fields that can't be accepted, each with what is allowed.
    Invalid(Invalid),
    /// 429: try again in so many seconds; the sentence says what was too often.
    TooMany { retry_after: u64, message: String },
    /// 503: not now; the sentence says why.
    Unavailable(String),
    /// 408: the request did not arrive in time.
    Timeout,
    /// 500: our fault; the detail goes to the log alone.
    Internal(anyhow::Error),
}

/// Fields that can't be accepted.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Invalid {
    pub errors: Vec<FieldError>,
}

/// One field and what is allowed in it.
#[derive(Debug, Clone, Serialize)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

impl Invalid {
    /// Adds a field and what is allowed in it.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.errors.push(FieldError {
            field: field.into(),
            message: message.into(),
        });
    }

    /// An error if any field was added.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn into_result(self) -> Result<(), Error> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self))
        }
    }

    /// What is said of a field, if anything is.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.errors
            .iter()
            .find(|e| e.field == field)
            .map(|e| e.message.as_str())
    }
}

impl Error {
    /// One field that can't be accepted.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut invalid = Invalid::default();
        invalid.add(field, message);
        Self::Invalid(invalid)
    }

    /// A refusal with a code of its own; the sentence says what is allowed.
    pub fn coded(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::Coded {
            status,
            code,
            message: message.into(),
        }
    }

    /// Our fault, with what the log should say.
    pub fn internal(detail: impl fmt::Display) -> Self {
        Self::Internal(anyhow::anyhow!("{detail}"))
    }

    /// The answer to an SQLite error: a full disk is said openly, the rest is our fault.
    pub fn from_sqlite(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Unavailable(
                "The server's disk is full, so nothing can be saved just now. What you typed is still here: try again later.".into(),
            ),
            Some(rusqlite::ErrorCode::DatabaseBusy) => Self::Unavailable(
                "That could not be saved just now. What you typed is still here: try again in a moment.".into(),
            ),
            _ => Self::internal(format!("SQLite: {error}")),
        }
    }

    /// Whether this is a violated constraint that SQLite names so, e.g. `users.name`.
    pub fn violates(&self, constraint: &str) -> bool {
        let Self::Internal(error) = self else { return false };
        matches!(
            error.downcast_ref::<rusqlite::Error>(),
            Some(rusqlite::Error::SqliteFailure(f, Some(message)))
                if f.code == rusqlite::ErrorCode::ConstraintViolation && message.contains(constraint)
        )
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Coded { status, .. } => *status,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One word for programs, over HTTP and on `/live`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized | Self::InvalidToken => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Coded { code, .. } => code,
            Self::TooLarge { .. } | Self::Invalid(_) | Self::BadRequest(_) => "invalid",
            Self::TooMany { .. } => "too_often",
            Self::Unavailable(_) | Self::Timeout => "unavailable",
            Self::MethodNotAllowed | Self::UnsupportedMediaType(_) => "bad_request",
            Self::Internal(_) => "internal",
        }
    }

    /// A few words, the same for every error of the kind.
    pub fn title(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "That request makes no sense here",
            Self::Unauthorized => "Log in first",
            Self::InvalidToken => "That token opens nothing",
            Self::Forbidden(_) => "Not allowed",
            Self::NotFound => "Nothing here",
            Self::MethodNotAllowed => "Not this way",
            Self::Conflict(_) => "Somebody was quicker",
            Self::Coded { status, .. } => match *status {
                StatusCode::CONFLICT => "Somebody was quicker",
                StatusCode::FORBIDDEN => "Not allowed",
                StatusCode::PAYLOAD_TOO_LARGE => "Too large",
                _ => "Please look at this again",
            },
            Self::TooLarge { .. } => "Too large",
            Self::UnsupportedMediaType(_) => "Not in this format",
            Self::Invalid(_) => "Please look at this again",
            Self::TooMany { .. } => "Too often",
            Self::Unavailable(_) => "Not just now",
            Self::Timeout => "Too slow",
            Self::Internal(_) => "That was our fault",
        }
    }

    /// A sentence for the one who asked: what was wrong and what is allowed.
    pub fn detail(&self) -> String {
        match self {
            Self::BadRequest(m) | Self::Forbidden(m) | Self::Conflict(m) | Self::Unavailable(m) => m.clone(),
            Self::Coded { message, .. } => message.clone(),
            Self::Unauthorized => "This is for members. Log in, and you come back to it.".into(),
            Self::InvalidToken => {
                "This token is not one of this place, or it has expired or was revoked. Members make new ones in their settings.".into()
            }
            Self::NotFound => "There is nothing at this address, or it isn't for you to see.".into(),
            Self::MethodNotAllowed => "This address is there, but it can't be used like that.".into(),
            Self::TooLarge { most } => format!("At most {} KiB are accepted here.", most / 1024),
            Self::UnsupportedMediaType(allowed) => format!("Only {allowed} is accepted here."),
            Self::Invalid(invalid) => invalid
                .errors
                .iter()
                .map(|e| e.message.as_str())
                .collect::<Vec<_>>()
                .join(" "),
            Self::TooMany { retry_after, message } => format!("{message} Try again in {retry_after} s."),
            Self::Timeout => "The request did not arrive in time. Try again.".into(),
            Self::Internal(_) => "Something broke here, and it is written in the log. Try again in a moment.".into(),
        }
    }

    /// What a template marks fields with: field → sentence. What isn't about a field stands under `form`.
    pub fn by_field(&self) -> minijinja::Value {
        match self {
            Self::Invalid(invalid) => invalid
                .errors
                .iter()
                .map(|error| (error.field.clone(), error.message.clone()))
                .collect(),
            other => minijinja::context! { form => other.detail() },
        }
    }
}

/// What an error response carries for [`finish`] to write in the form that the request asked for.
#[derive(Clone)]
struct Told {
    problem: Problem,
}

/// A problem document, RFC 9457.
#[derive(Clone, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: &'static str,
    pub status: u16,
    pub code: &'static str,
    pub detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl IntoResponse for Error {
    /// Status and headers now; the body is written by [`finish`], which knows what the request accepts.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        if let Self::TooMany { retry_after, .. } = self {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
        }
        if matches!(self, Self::InvalidToken) {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer error=\"invalid_token\""),
            );
        }
        if let Self::Internal(error) = &self {
            tracing::error!(error = %format!("{error:#}").escape_debug(), "a request failed");
        }
        let problem = Problem {
            kind: "about:blank",
            title: self.title(),
            status: self.status().as_u16(),
            code: self.code(),
            detail: self.detail(),
            errors: if let Self::Invalid(invalid) = self {
                invalid.errors
            } else {
                Vec::new()
            },
        };
        response.extensions_mut().insert(Told { problem });
        response
    }
}

/// Writes the body of an error response: a problem document for programs, a page for people.
pub fn finish(html: &crate::html::Html, for_people: bool, mut response: Response) -> Response {
    let Some(Told { problem }) = response.extensions_mut().remove::<Told>() else {
        return response;
    };
    let (body, kind) = if for_people {
        match html.render("error.html", minijinja::context! { problem => problem }) {
            Ok(page) => (page, "text/html; charset=utf-8"),
            Err(_) => (
                format!("{}\n{}\n", problem.title, problem.detail),
                "text/plain; charset=utf-8",
            ),
        }
    } else {
        (
            serde_json::to_string(&problem).unwrap_or_default(),
            "application/problem+json",
        )
    };
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // It was counted for the empty body.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body.into();
    response
}

/// Whether the request comes from somebody who looks at pages rather than from a program.
pub fn wants_page(request: &HeaderMap) -> bool {
    request
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Internal(error) => write!(f, "{error:#}"),
            _ => f.write_str(&self.detail()),
        }
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::from_sqlite(&error),
            _ => Self::Internal(anyhow::Error::new(error).context("SQLite")),
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<minijinja::Error> for Error {
    fn from(error: minijinja::Error) -> Self {
        Self::Internal(anyhow::Error::new(error).context("template"))
    }
}
