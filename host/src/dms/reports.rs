//! Reports: a recipient reveals one message to the operator, with the key that proves that its sender wrote it. Nothing
//! else of the conversation becomes readable, and nothing of it without the recipient.

use std::time::Instant;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use neospace_dm::message::{self, Header, MAX_BODY_BYTES};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Deserialize;
use serde_json::json;

use super::{queries, talk, view::Eyes};
use crate::{
    app::{App, now_ms},
    crypto::{Blob, Bytes},
    error::Error,
    http::{Object, Path, unstored},
    session::Member,
};

/// Characters of a reason.
const REASON_MOST: usize = 500;
/// Reports that one member may make in a minute.
const REPORTS_PER_MINUTE: u32 = 30;

/// What a recipient reveals.
#[derive(Deserialize)]
pub struct Revealed {
    /// The message's.
    id: i64,
    /// What was sealed, byte for byte.
    body: Blob,
    /// The franking key that was sealed with it.
    key: Bytes<32>,
    #[serde(default)]
    reason: String,
}

/// `POST /dm/{user}/report`: 201 where the proof holds; the same message again is fine.
///
/// # Errors
/// [`Error::NotFound`] for a message that the other didn't send; `not_proven`; [`Error::TooMany`].
pub async fn report(
    State(app): State<App>,
    member: Member,
    Path(with): Path<String>,
    Object(revealed): Object<Revealed>,
) -> Result<Response, Error> {
    let reason = revealed.reason.trim();
    if reason.chars().count() > REASON_MOST || reason.contains('\0') {
        return Err(Error::field(
            "reason",
            format!("Say why in at most {REASON_MOST} characters."),
        ));
    }
    app.buckets
        .take(
            Instant::now(),
            &[(("reports of a member", REPORTS_PER_MINUTE), &member.id.to_string())],
        )
        .map_err(|(retry_after, _)| Error::TooMany {
            retry_after,
            message: "Those were many reports.".into(),
        })?;
    let pair = talk::pair(&app, &member, &with)?;
    let conversation = pair.conversation()?.id;
    let found = app.db.read(|db| queries::message(db, conversation, revealed.id))?;
    if found.sender == Eyes::of(&member.name, &pair.peer.name).side() {
        return Err(Error::field("id", "That is your own message."));
    }
    let header = Header::decode(&found.header).map_err(|_| Error::internal("a header that was taken can't be read"))?;
    let body = String::from_utf8(revealed.body.0).ok().filter(|body| {
        body.len() <= MAX_BODY_BYTES && message::check_report(&header, body.as_bytes(), &revealed.key.0)
    });
    let Some(body) = body else {
        return Err(Error::coded(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_proven",
            "This doesn't prove that the message says so: body and key are not those that its sender committed to.",
        ));
    };
    let (counter, reason) = (header.counter as i64, reason.to_owned());
    app.db
        .write(move |tx| {
            tx.run(
                "insert into dm_reports (message_id, reporter, sender, counter, sent_at, header, body, franking_key, reason, at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                     on conflict (message_id, reporter) do nothing",
                params![
                    found.id,
                    member.name,
                    pair.peer.name,
                    counter,
                    found.at,
                    found.header,
                    body,
                    revealed.key.0,
                    reason,
                    now_ms()
                ],
            )
        })
        .await?;
    Ok(unstored(
        (StatusCode::CREATED, Json(json!({ "reported": found.id }))).into_response(),
    ))
}

/// A report, for the operator. Times are Unix milliseconds.
pub struct Report {
    pub id: i64,
    pub reporter: String,
    pub sender: String,
    /// The message's number in the sender's stream.
    pub counter: i64,
    pub sent_at: i64,
    pub header: Vec<u8>,
    /// What the message says: the JSON that was sealed.
    pub body: String,
    pub franking_key: [u8; 32],
    pub reason: String,
    pub at: i64,
    pub closed_at: Option<i64>,
    pub note: String,
}

const COLUMNS: &str = "id, reporter, sender, counter, sent_at, header, body, franking_key, reason, at, closed_at, note";

impl Report {
    fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            reporter: row.get(1)?,
            sender: row.get(2)?,
            counter: row.get(3)?,
            sent_at: row.get(4)?,
            header: row.get(5)?,
            body: row.get(6)?,
            franking_key: row.get(7)?,
            reason: row.get(8)?,
            at: row.get(9)?,
            closed_at: row.get(10)?,
            note: row.get(11)?,
        })
    }

    /// Whether the proof holds, looked at anew.
    pub fn is_proven(&self) -> bool {
        Header::decode(&self.header)
            .is_ok_and(|header| message::check_report(&header, self.body.as_bytes(), &self.franking_key))
    }
}

/// Reports, oldest first: those that are open, or all. For the operator's command line, which has a connection of its own.
///
/// # Errors
/// SQLite's.
pub fn list(db: &Connection, all: bool) -> rusqlite::Result<Vec<Report>> {
    let sql = format!("select {COLUMNS} from dm_reports where ?1 or closed_at is null order by id");
    db.prepare(&sql)?.query_map([all], Report::of)?.collect()
}

/// One report.
///
/// # Errors
/// SQLite's.
pub fn show(db: &Connection, id: i64) -> rusqlite::Result<Option<Report>> {
    let sql = format!("select {COLUMNS} from dm_reports where id = ?1");
    db.query_row(&sql, [id], Report::of).optional()
}

/// Closes a report, with a note; whether there is such a one.
///
/// # Errors
/// SQLite's.
pub fn close(db: &Connection, id: i64, note: &str) -> rusqlite::Result<bool> {
    let closed = db.execute(
        "update dm_reports set closed_at = ?2, note = ?3 where id = ?1",
        params![id, now_ms(), note],
    )?;
    Ok(closed > 0)
}
