//! Finding what was said, over what the viewer may read, newest first.
//!
//! The index (`message_words`, FTS5) holds words that were folded and told apart here, each with the room in front of it:
//! `17xhello` is the word "hello" in room 17, `17yhel` a word there that begins with "hel". So a query is a few exact
//! terms, whatever somebody types, and looking in one room never reads what others hold.
//!
//! A message that is written, edited or removed is only noted in its own transaction. [`follow`] feeds the index in
//! batches, because FTS5 writes a segment at every savepoint, and joins the segments a few pages at a time, because nobody
//! should wait for it. What isn't in the index yet is looked through by [`find`] itself, so that a message is found as soon as it
//! is acknowledged. Every hit is compared with what the message says now.

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use icu_normalizer::DecomposingNormalizerBorrowed;
use minijinja::{Value, context};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{page, queries, talk};
use crate::{
    app::App,
    db::{Db, Reader, Tx},
    error::Error,
    html,
    http::{Query, Wants, unstored},
    markdown,
    session::Viewer,
};

/// Characters that one may look for.
const ASKED_MOST: usize = 200;
/// Words that one may look for at a time.
const WORDS_MOST: usize = 10;
/// Characters of a word that count.
const WORD_MOST: usize = 40;
/// How many characters of a word's beginning are indexed. One that is typed further is found by the longest of these, and
/// compared; a shorter one is looked for as it is.
const BEGINNINGS: [usize; 3] = [3, 5, 8];
/// Hits on a page.
const PAGE: u32 = 20;
/// How often the index is asked for more, when what it found says something else by now.
const ROUNDS: usize = 8;
/// Rooms that one question to the index asks for.
const ROOMS_AT_ONCE: usize = 50;
/// Messages that the index doesn't know yet and that a search looks through itself.
const WAITING_MOST: i64 = 500;
/// Messages that one write adds to the index: others wait for it.
const BATCH: i64 = 64;
/// Pages of the index that one write joins, of 4 KiB: one or two milliseconds.
const JOINED_AT_ONCE: i64 = 24;
/// How often a batch is followed by that: each page is joined again at every level.
const JOINS: usize = 8;
/// How long messages gather before they are added.
const GATHER: Duration = Duration::from_millis(300);
/// The part of the writer's time that the index may take while more waits: one part in so many.
const SHARE: u32 = 4;
/// Characters of an excerpt before its first match, and after it.
const BEFORE_MATCH: usize = 60;
const AFTER_MATCH: usize = 180;

/// How long to wait when the index can't be written.
const RETRY: Duration = Duration::from_secs(5);

/// Wakes [`follow`].
static NOTED: Notify = Notify::const_new();

/// Notes that a message is new, or says something else now. Belongs into the transaction that changes it.
///
/// # Errors
/// The database's.
pub fn note(tx: &Tx, message_id: i64) -> Result<(), Error> {
    tx.run(
        "insert into search_queue (message_id) values (?1) on conflict do nothing",
        [message_id],
    )?;
    // Before the commit: whoever wakes up waits for longer than that takes.
    NOTED.notify_one();
    Ok(())
}

/// Feeds the index as long as the program runs.
pub async fn follow(app: App) {
    loop {
        let started = Instant::now();
        match feed(&app.db).await {
            // Others want to write, too.
            Ok(BATCH) => tokio::time::sleep(started.elapsed() * (SHARE - 1)).await,
            Ok(_) => {
                NOTED.notified().await;
                tokio::time::sleep(GATHER).await;
            }
            // When there is no room, or the server stops. What waits is found all the same.
            Err(error) => {
                tracing::debug!(%error, "the index of messages was not written");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Adds a batch to the index, and joins what has become many; how many messages that were.
async fn feed(db: &Db) -> Result<i64, Error> {
    let added = db.write(add_some).await?;
    for _ in 0..JOINS {
        if added == 0 || !db.write(join_some).await? {
            break;
        }
    }
    Ok(added)
}

/// Joins some of the index's segments; whether there was anything to join.
fn join_some(tx: &Tx) -> Result<bool, Error> {
    let changes = |tx: &Tx| tx.one("select total_changes()", [], |row| row.get::<_, i64>(0));
    let before = changes(tx)?;
    tx.run(
        "insert into message_words (message_words, rank) values ('merge', ?1)",
        [JOINED_AT_ONCE],
    )?;
    // FTS5 says so: a difference of one is the command itself.
    Ok(changes(tx)? - before > 1)
}

/// Has the index forget in earnest what was removed: its words lie in their segments until those are joined. Waits until the index
/// knows of every removal, then joins all segments into one, a few pages at a time.
///
/// # Errors
/// The database's.
pub async fn forget_removed(app: &App) -> Result<(), Error> {
    let last: i64 = app
        .db
        .read(|db| db.one("select coalesce(max(id), 0) from messages", [], |row| row.get(0)))?;
    let waits = "select 1 from search_queue where message_id <= ?1 limit 1";
    while app.db.read(|db| db.maybe(waits, [last], |_| Ok(())))?.is_some() {
        NOTED.notify_one();
        tokio::time::sleep(GATHER).await;
    }
    let begin = |tx: &Tx| {
        tx.run(
            "insert into message_words (message_words, rank) values ('merge', ?1)",
            [-JOINED_AT_ONCE],
        )
    };
    app.db.write(begin).await?;
    loop {
        let started = Instant::now();
        if !app.db.write(join_some).await? {
            return Ok(());
        }
        // Others want to write, too.
        tokio::time::sleep(started.elapsed() * (SHARE - 1)).await;
    }
}

/// Adds what waits to the index, the oldest first; how many messages that were.
fn add_some(tx: &Tx) -> Result<i64, Error> {
    struct Waiting {
        id: i64,
        room_id: i64,
        content: String,
        is_known: bool,
    }
    let waiting = tx.all(
        "select q.message_id, coalesce(m.room_id, 0), coalesce(m.content, ''), m.id is null or m.change is not null
           from search_queue q
           left join messages m on m.id = q.message_id
          order by q.message_id
          limit ?1",
        [BATCH],
        |row| {
            Ok(Waiting {
                id: row.get(0)?,
                room_id: row.get(1)?,
                content: row.get(2)?,
                is_known: row.get(3)?,
            })
        },
    )?;
    for message in &waiting {
        if message.is_known {
            tx.run("delete from message_words where rowid = ?1", [message.id])?;
        }
        let terms = terms_of(message.room_id, &message.content);
        if !terms.is_empty() {
            tx.run(
                "insert into message_words (rowid, words) values (?1, ?2)",
                params![message.id, terms],
            )?;
        }
    }
    if let Some(last) = waiting.last() {
        tx.run("delete from search_queue where message_id <= ?1", [last.id])?;
    }
    Ok(waiting.len() as i64)
}

/// What stands in the index for a message, with spaces between.
fn terms_of(room_id: i64, content: &str) -> String {
    let found = words(content);
    let mut terms = BTreeSet::new();
    for word in &found {
        terms.insert(('x', word.folded.as_str()));
        terms.extend(
            BEGINNINGS
                .iter()
                .filter_map(|length| Some(('y', beginning(&word.folded, *length)?))),
        );
    }
    let mut text = String::with_capacity(content.len() * 4);
    for (kind, word) in terms {
        // Writing into memory cannot fail.
        let _ = write!(text, "{room_id}{kind}{word} ");
    }
    text
}

/// The first characters of a word that has so many.
fn beginning(word: &str, length: usize) -> Option<&str> {
    let (at, last) = word.char_indices().nth(length - 1)?;
    Some(&word[..at + last.len_utf8()])
}

/// A word in a text.
struct Word {
    /// Lower case, without diacritics, [`WORD_MOST`] characters at most.
    folded: String,
    /// Where it stands, in bytes.
    start: usize,
    end: usize,
}

/// The words of a text: letters and digits in a row. Scripts that put no spaces between words have a word a character.
fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let alone = stands_alone(c);
        if let Some(from) = start.filter(|_| alone || !is_part(c)) {
            found.extend(word(text, from, at));
            start = None;
        }
        if alone {
            found.extend(word(text, at, at + c.len_utf8()));
        } else if start.is_none() && c.is_alphanumeric() {
            start = Some(at);
        }
    }
    found
}

fn word(text: &str, start: usize, end: usize) -> Option<Word> {
    let written = &text[start..end];
    let folded = if written.is_ascii() {
        written[..written.len().min(WORD_MOST)].to_ascii_lowercase()
    } else {
        let lower = written.to_lowercase();
        let plain = DecomposingNormalizerBorrowed::new_nfkd().normalize(&lower).into_owned();
        plain.chars().filter(|c| c.is_alphanumeric()).take(WORD_MOST).collect()
    };
    (!folded.is_empty()).then_some(Word { folded, start, end })
}

/// Letters, digits, and the marks on them: accents, Hebrew and Arabic points, what joins Indic letters.
fn is_part(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c,
            '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}'
            | '\u{900}'..='\u{963}' | '\u{966}'..='\u{dff}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}')
}

/// Han, kana, Thai, Lao, Khmer, Burmese.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e80}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17d3}'
        | '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
        && c.is_alphanumeric()
}

/// What somebody looks for: every word of it, the last one also by how it begins.
struct Wanted(Vec<String>);

impl Wanted {
    /// # Errors
    /// [`Error::Invalid`] on `q` for nothing, or too much.
    fn parse(asked: &str) -> Result<Self, Error> {
        if asked.chars().count() > ASKED_MOST {
            return Err(Error::field(
                "q",
                format!("That is long: {ASKED_MOST} characters can be looked for at a time."),
            ));
        }
        let mut wanted: Vec<String> = Vec::new();
        for word in words(asked) {
            // The last one is where it was typed last.
            wanted.retain(|other| *other != word.folded);
            wanted.push(word.folded);
        }
        match wanted.len() {
            0 => Err(Error::field(
                "q",
                "Type a word to look for: letters or digits. The last one may be only its beginning.",
            )),
            n if n > WORDS_MOST => Err(Error::field(
                "q",
                format!("Those are {n} words: {WORDS_MOST} can be looked for at a time."),
            )),
            _ => Ok(Self(wanted)),
        }
    }

    /// The query for some rooms, in FTS5's language. Each term is in quotes, and of letters and digits.
    fn query(&self, rooms: &[i64]) -> String {
        let of_room = |room: &i64| {
            let term = |(n, word): (usize, &String)| {
                let is_last = n + 1 == self.0.len();
                let begins = BEGINNINGS.iter().rev().find_map(|length| beginning(word, *length));
                match begins.filter(|_| is_last) {
                    Some(begins) => format!("\"{room}y{begins}\""),
                    None => format!("\"{room}x{word}\""),
                }
            };
            let terms: Vec<String> = self.0.iter().enumerate().map(term).collect();
            format!("({})", terms.join(" AND "))
        };
        rooms.iter().map(of_room).collect::<Vec<_>>().join(" OR ")
    }

    /// Where the words stand in a text; nothing when one of them doesn't.
    fn places(&self, text: &str) -> Option<Vec<(usize, usize)>> {
        let mut found = vec![false; self.0.len()];
        let mut places = Vec::new();
        for word in words(text) {
            let fits = |n: usize| {
                let wanted = &self.0[n];
                let may_begin = n + 1 == self.0.len() && beginning(wanted, BEGINNINGS[0]).is_some();
                word.folded == *wanted || (may_begin && word.folded.starts_with(wanted.as_str()))
            };
            let fitting: Vec<usize> = (0..self.0.len()).filter(|n| fits(*n)).collect();
            if !fitting.is_empty() {
                places.push((word.start, word.end));
            }
            fitting.into_iter().for_each(|n| found[n] = true);
        }
        found.iter().all(|found| *found).then_some(places)
    }
}

/// A message that was found.
#[derive(Debug, Serialize)]
pub struct Hit {
    pub message_id: i64,
    pub seq: i64,
    pub room: String,
    pub author: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// What it says around the first match, matches in `<mark>`.
    pub html: String,
}

/// What was found, the newest first.
#[derive(Debug, Serialize)]
pub struct Found {
    pub hits: Vec<Hit>,
    /// Where to go on: what is older than the message with this id.
    pub older: Option<i64>,
}

struct Candidate {
    id: i64,
    seq: i64,
    room_id: i64,
    room: String,
    author: String,
    created_at: i64,
    content: String,
}

impl Candidate {
    fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            seq: row.get(1)?,
            room_id: row.get(2)?,
            room: row.get(3)?,
            author: row.get(4)?,
            created_at: row.get(5)?,
            content: row.get(6)?,
        })
    }
}

/// At most `limit` messages of these rooms with all of these words, older than the one with the id `before`.
///
/// # Errors
/// [`Error::Invalid`] on `q` for nothing or too much to look for; the database's.
pub fn find(db: &Reader, rooms: &[i64], asked: &str, before: Option<i64>, limit: u32) -> Result<Found, Error> {
    let wanted = Wanted::parse(asked)?;
    let readable: HashSet<i64> = rooms.iter().copied().collect();
    let limit = limit as usize;
    let mut hits: Vec<Hit> = Vec::new();
    let mut older = None;
    if readable.is_empty() {
        return Ok(Found { hits, older });
    }
    for some in rooms.chunks(ROOMS_AT_ONCE) {
        let (more, rest) = indexed(db, &wanted.query(some), before, limit, |found| {
            hit(found, &wanted, &readable)
        })?;
        hits.extend(more);
        older = older.max(rest);
    }
    // What is older than where one part stopped comes on a later page, from all of them.
    hits.retain(|hit| older.is_none_or(|older| hit.message_id >= older));
    for waiting in waiting(db, before.unwrap_or(i64::MAX), older)? {
        if hits.iter().all(|hit| hit.message_id != waiting.id) {
            hits.extend(hit(&waiting, &wanted, &readable));
        }
    }
    hits.sort_unstable_by_key(|hit| -hit.message_id);
    if hits.len() > limit {
        hits.truncate(limit);
        older = hits.last().map(|last| last.message_id);
    }
    Ok(Found { hits, older })
}

/// What the index knows of, and where to go on: it stops at `limit` hits, or when too much of what it found says something else
/// by now.
fn indexed(
    db: &Reader,
    query: &str,
    before: Option<i64>,
    limit: usize,
    hit: impl Fn(&Candidate) -> Option<Hit>,
) -> Result<(Vec<Hit>, Option<i64>), Error> {
    let mut hits = Vec::new();
    let mut from = before.unwrap_or(i64::MAX);
    for _ in 0..ROUNDS {
        let candidates = db.all(
            "select m.id, m.seq, m.room_id, r.name, m.author, m.created_at, m.content
               from message_words w
               join messages m on m.id = w.rowid
               join rooms r on r.id = m.room_id
              where w.message_words match ?1 and w.rowid < ?2
              order by w.rowid desc
              limit ?3",
            params![query, from, limit as i64],
            Candidate::of,
        )?;
        hits.extend(candidates.iter().filter_map(&hit));
        let Some(last) = candidates.last().filter(|_| candidates.len() == limit) else {
            return Ok((hits, None));
        };
        from = last.id;
        if hits.len() >= limit {
            break;
        }
    }
    Ok((hits, Some(from)))
}

/// The newest of what the index doesn't know yet, or knows as it was, between two messages.
fn waiting(db: &Reader, before: i64, after: Option<i64>) -> Result<Vec<Candidate>, Error> {
    db.all(
        "select m.id, m.seq, m.room_id, r.name, m.author, m.created_at, m.content
           from search_queue q
           join messages m on m.id = q.message_id
           join rooms r on r.id = m.room_id
          where q.message_id < ?1 and q.message_id >= ?2
          order by q.message_id desc
          limit ?3",
        params![before, after.unwrap_or(0), WAITING_MOST],
        Candidate::of,
    )
}

fn hit(found: &Candidate, wanted: &Wanted, readable: &HashSet<i64>) -> Option<Hit> {
    if !readable.contains(&found.room_id) {
        return None;
    }
    let places = wanted.places(&found.content)?;
    Some(Hit {
        message_id: found.id,
        seq: found.seq,
        room: found.room.clone(),
        author: found.author.clone(),
        created_at: found.created_at,
        html: excerpt(&found.content, &places),
    })
}

/// What stands around the first match, as HTML on one line.
fn excerpt(text: &str, places: &[(usize, usize)]) -> String {
    let first = places.first().map_or(0, |place| place.0);
    let back = text[..first].char_indices().rev().nth(BEFORE_MATCH);
    let mut start = back.map_or(0, |(at, _)| at);
    // From the beginning of a word, if there is one.
    if start > 0 {
        start = text[start..first]
            .find(char::is_whitespace)
            .map_or(start, |at| start + at + 1);
    }
    let end = text[first..]
        .char_indices()
        .nth(AFTER_MATCH)
        .map_or(text.len(), |(at, _)| first + at);
    let mut html = String::from(if start > 0 { "… " } else { "" });
    let mut at = start;
    let put = |text: &str, html: &mut String| {
        html.push_str(&markdown::escaped(&text.replace(['\n', '\t'], " ")));
    };
    for (from, to) in places.iter().filter(|place| place.1 <= end) {
        put(&text[at..*from], &mut html);
        html.push_str("<mark>");
        put(&text[*from..*to], &mut html);
        html.push_str("</mark>");
        at = *to;
    }
    put(&text[at..end.max(at)], &mut html);
    if end < text.len() {
        html.push_str(" …");
    }
    html
}

/// What `/rooms/search` is asked with.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// The words.
    #[serde(default)]
    q: String,
    /// In this room alone.
    #[serde(default)]
    room: String,
    /// Older than this message.
    before: Option<i64>,
}

/// `GET /rooms/search?q=&room=&before=`.
///
/// # Errors
/// [`Error::NotFound`] for a room that the viewer may not know of; [`Error::Forbidden`] for one that they are banned from.
pub async fn search(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    if viewer.member.is_none() {
        return page::door(wants, "/rooms/search");
    }
    let member = talk::member(&viewer)?;
    let found = app.db.read(|db| {
        let rooms = match asked.room.as_str() {
            "" => queries::readable_rooms(db, member.id)?,
            room => vec![queries::room(db, member.id, room)?.readable()?.id],
        };
        Ok(find(db, &rooms, &asked.q, asked.before, PAGE))
    })?;
    // Who comes without a question gets the empty form, and nobody is told off.
    let is_fresh = asked.q.is_empty();
    let (found, refused) = match found {
        Ok(found) => (Some(found), None),
        Err(Error::Invalid(invalid)) if wants != Wants::Json => (None, invalid.of("q").map(str::to_owned)),
        Err(error) => return Err(error),
    };
    if wants == Wants::Json {
        return Ok(unstored(Json(found).into_response()));
    }
    let status = match refused {
        Some(_) if !is_fresh => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    let html = app.html.render(
        "rooms/search.html",
        context! {
            q => asked.q,
            room => asked.room,
            before => asked.before,
            refused => refused.filter(|_| !is_fresh),
            asked => found.is_some(),
            hits => found.iter().flat_map(|found| &found.hits).map(shown).collect::<Vec<_>>(),
            older => found.as_ref().and_then(|found| found.older),
            rooms => page::sidebar(&app, &viewer, &asked.room)?,
            signed_in => true,
            here => "rooms",
        },
    )?;
    Ok(html::page(html, status))
}

fn shown(hit: &Hit) -> Value {
    context! {
        id => hit.message_id,
        room => hit.room,
        user => hit.author,
        at => crate::words::moment(hit.created_at),
        html => Value::from_safe_string(hit.html.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.folded).collect()
    }

    #[test]
    fn words_are_told_apart_and_folded() {
        assert_eq!(folded("Crème brûlée, GROẞE  x2!"), ["creme", "brulee", "große", "x2"]);
        assert_eq!(
            folded("don't \"AND\" NEAR(a,b) col:umn -not"),
            ["don", "t", "and", "near", "a", "b", "col", "umn", "not"]
        );
        assert_eq!(folded("日本へ go"), ["日", "本", "へ", "go"]);
        assert_eq!(folded("e\u{301}te\u{301} हिन्दी"), ["ete", "हिनदी"]);
        assert_eq!(folded(&"ab".repeat(100))[0].len(), WORD_MOST);
        assert!(folded("… —\u{301}!").is_empty());
        for text in ["", "é", "日", "a\u{301}", "\u{301}a", "ab\u{301}日c"] {
            for word in words(text) {
                assert!(
                    text.is_char_boundary(word.start) && text.is_char_boundary(word.end),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn an_excerpt_stands_around_the_first_match() {
        let wanted = Wanted::parse("tea pot").expect("two words");
        let text = format!(
            "{} the Tea <b>\nis in the potter's {}",
            "before ".repeat(30),
            "after ".repeat(100)
        );
        let html = excerpt(&text, &wanted.places(&text).expect("both are in it"));
        assert!(html.starts_with("… before") && html.ends_with(" …"), "{html}");
        assert!(
            html.contains("the <mark>Tea</mark> &lt;b&gt; is in the <mark>potter</mark>&#39;s"),
            "{html}"
        );
        assert!(html.len() < 600);
        assert!(wanted.places("tea alone").is_none());
        assert!(
            wanted.places("teapot pots").is_none(),
            "only the last one may be a beginning"
        );
    }
}
