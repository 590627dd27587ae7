//! `neospace reports …`: direct messages that their recipients showed to the operator. It reads the database itself, whether
//! the server runs or not, and checks each proof anew before it shows anything.

use std::{fmt::Write, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use neospace_dm::message::Body;
use rusqlite::{Connection, OpenFlags};

use super::Place;
use crate::{
    dms::{self, Report},
    words,
};

/// Characters of a note.
const NOTE_MOST: usize = 500;
/// Characters of a message in the list.
const EXCERPT: usize = 60;

/// What an operator does with reports.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What waits to be looked at, oldest first
    List {
        /// Those that are closed too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        place: Place,
    },
    /// One report: the message, who sent it, who showed it, and whether the proof holds
    Show {
        id: i64,
        #[command(flatten)]
        place: Place,
    },
    /// Note that a report was dealt with; it is kept
    Close {
        id: i64,
        /// What was done, in a sentence
        #[arg(long, value_name = "SENTENCE", default_value = "")]
        note: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Does what the operator said.
///
/// # Errors
/// A sentence that says what is wrong and what is allowed.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::List { all, place } => list(&place, all),
        Command::Show { id, place } => show(&place, id),
        Command::Close { id, note, place } => close(&place, id, &note),
    }
}

fn open(place: &Place, flags: OpenFlags) -> Result<Connection> {
    let file = place.load()?.data.join("neospace.db");
    ensure!(file.is_file(), "there is no database at {}", file.display());
    let db = Connection::open_with_flags(&file, flags)?;
    db.busy_timeout(Duration::from_secs(10))?;
    let schema: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    ensure!(
        schema == crate::db::schema_version() as i64,
        "the database has schema {schema}, and this neospace works with schema {}: start the server once with this neospace, or use its own",
        crate::db::schema_version()
    );
    Ok(db)
}

fn list(place: &Place, all: bool) -> Result<()> {
    let reports = dms::list_reports(&open(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?, all)?;
    if reports.is_empty() {
        println!(
            "{}",
            if all {
                "There are no reports."
            } else {
                "No report waits."
            }
        );
    }
    for report in reports {
        let said = said(&report);
        let mut excerpt: String = said
            .chars()
            .take(EXCERPT)
            .map(|c| if c == '\n' { ' ' } else { c })
            .collect();
        if said.chars().count() > EXCERPT {
            excerpt.push('…');
        }
        let state = if report.closed_at.is_some() { "  closed" } else { "" };
        println!(
            "{:>4}  {}  {} about {}: {excerpt}{state}",
            report.id,
            words::time(report.at),
            report.reporter,
            report.sender
        );
    }
    Ok(())
}

fn show(place: &Place, id: i64) -> Result<()> {
    let db = open(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let Some(report) = dms::show_report(&db, id)? else {
        bail!("there is no report {id}; `neospace reports list --all` shows those that there are");
    };
    println!("Report {id}, made {} by {}", words::time(report.at), report.reporter);
    println!(
        "Message {} of {} to {}, which the server took {}",
        report.counter,
        report.sender,
        report.reporter,
        words::time(report.sent_at)
    );
    if report.is_proven() {
        println!("The proof holds: {} committed to these very words.", report.sender);
    } else {
        println!(
            "THE PROOF DOES NOT HOLD: somebody changed this report in the database. Nobody is shown to have said this."
        );
    }
    if !report.reason.is_empty() {
        println!("Why: {}", visible(&report.reason));
    }
    println!("\n{}\n", indented(&said(&report)));
    println!("As it was sealed: {}", visible(&report.body));
    if let Some(at) = report.closed_at {
        println!("Closed {}. {}", words::time(at), visible(&report.note));
    }
    Ok(())
}

fn close(place: &Place, id: i64, note: &str) -> Result<()> {
    ensure!(
        note.chars().count() <= NOTE_MOST,
        "--note takes at most {NOTE_MOST} characters"
    );
    let db = open(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update(None, "synchronous", "full")?;
    ensure!(
        dms::close_report(&db, id, note).context("the report could not be closed")?,
        "there is no report {id}; `neospace reports list --all` shows those that there are"
    );
    println!("Report {id} is closed.");
    Ok(())
}

/// What a message says, for a terminal.
fn said(report: &Report) -> String {
    match Body::decode(report.body.as_bytes()) {
        Some(Body::Text { text, files, .. }) => {
            let mut said = visible(&text);
            for file in files {
                // Writing into memory cannot fail.
                let _ = write!(said, "\n[file {}, {}]", visible(&file.name), words::size(file.size));
            }
            said
        }
        Some(Body::Edit { target, text, .. }) => format!("[instead of message {target}]\n{}", visible(&text)),
        Some(Body::Delete { .. }) => "[removed messages]".into(),
        Some(Body::Unknown) | None => "[a kind of message that this neospace doesn't know]".into(),
    }
}

/// A member's text with nothing in it that a terminal obeys, or that turns the direction of what follows.
fn visible(text: &str) -> String {
    let is_formatting =
        |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}');
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match c {
            '\n' => shown.push(c),
            c if c.is_control() || is_formatting(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
        shown
    })
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
