//! Guestbook: visitors sign, the owner keeps the eraser. A line is an entry of its own, under a key that sorts the
//! newest first, so that one look at storage finds the whole book.

use neospace_plugin::{
    Actions, Context, Element, Outcome, Refusal, Submission, View, Widget, hash,
    html::{a, button, details, div, field, form, input, li, ol, p, strong, summary, time},
    live, notify_owner, register, storage,
    svg::{path, svg},
    time::DateTime,
    viewer,
};
use serde::{Deserialize, Serialize};

/// Lines in a book: with all of them open, on the owner's screen, the view stays within its thousand nodes.
const BOOK: usize = 96;
/// Lines on each page but the first.
const PAGE: usize = 12;
/// Characters in a line.
const LINE_MAX: usize = 280;
/// Bytes of lines in one view, of the 64 KiB that a view may have; what is older stays in the book unseen.
const VIEW_BYTES: usize = 44 * 1024;

#[derive(Deserialize)]
struct Settings {
    prompt: String,
    who: Who,
    full: Full,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Who {
    Everyone,
    Members,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Full {
    Stop,
    Oldest,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// The user name of who signed; nothing for a passer-by.
    by: Option<String>,
    text: String,
    /// Unix milliseconds.
    at: u64,
}

struct Guestbook;

impl Widget for Guestbook {
    type Settings = Settings;

    fn render(ctx: &Context<Settings>) -> View {
        match lines() {
            Ok(lines) => book(ctx, &lines),
            Err(why) => p().class("faint").text(why.to_string()).into(),
        }
    }
}

impl Actions for Guestbook {
    fn act(ctx: &Context<Settings>, action: &Submission) -> Result<Outcome, Refusal> {
        match action.name.as_str() {
            "sign" => sign(ctx, action),
            "wipe" | "wipe-all" if !ctx.is_owner() => Err(format!("Only {} has the eraser.", ctx.wall).into()),
            "wipe" => {
                storage::delete(&action.payload)?;
                live::refresh();
                Ok(Outcome::quiet())
            }
            "wipe-all" => {
                for (key, _) in lines()? {
                    storage::delete(&key)?;
                }
                live::refresh();
                Ok(Outcome::says("The book is empty. It smells of rubber."))
            }
            _ => Err(action.unknown()),
        }
    }
}

fn sign(ctx: &Context<Settings>, action: &Submission) -> Result<Outcome, Refusal> {
    if ctx.settings.who == Who::Members && ctx.is_guest() {
        return Err("Members sign here. Log in, or wave.".into());
    }
    let text = action.line("text", LINE_MAX)?;
    let by = viewer::name();
    let lines = lines()?;
    if lines
        .first()
        .is_some_and(|(_, newest)| newest.text == text && newest.by == by)
    {
        return Err(Refusal::of_field("text", "That line is in the book already."));
    }
    if lines.len() >= BOOK {
        if ctx.settings.full == Full::Stop {
            return Err(format!(
                "The book is full. When {} wipes a line, there is room for yours.",
                ctx.wall
            )
            .into());
        }
        for (key, _) in &lines[BOOK - 1..] {
            storage::delete(key)?;
        }
    }
    let line = Line { by, text, at: ctx.now };
    // Counted down, so that the newest sorts first; two of the same millisecond differ by what they say.
    let key = format!("line:{:016x}{:016x}", u64::MAX - line.at, hash(&line.text));
    storage::put_json(&key, &line)?;
    if !ctx.is_owner() {
        let name = line.by.as_deref().unwrap_or("A passer-by");
        let start: String = line.text.chars().take(80).collect();
        // Refused or full, the note is not worth a visitor's line.
        let _ = notify_owner::send(&format!("{name} signed your guestbook: {start}"));
    }
    live::refresh();
    Ok(Outcome::says("Signed. Mind the step."))
}

/// The lines with their keys, newest first.
fn lines() -> Result<Vec<(String, Line)>, storage::Error> {
    let entries = storage::scan("line:", None, 100)?;
    entries
        .into_iter()
        .map(|entry| Ok((entry.key.clone(), entry.json()?)))
        .collect()
}

fn book(ctx: &Context<Settings>, lines: &[(String, Line)]) -> View {
    if lines.is_empty() {
        return div().class("book").child(nothing(ctx)).child(sign_here(ctx)).into();
    }
    let mut bytes = 0;
    let fit = lines.iter().take(BOOK).take_while(|(_, line)| {
        bytes += line.text.len() + 200;
        bytes <= VIEW_BYTES
    });
    let lines = &lines[..fit.count()];
    let (first, older) = lines.split_at(lines.len().min(first_page(ctx)));
    let pages = older.chunks(PAGE).map(|lines| {
        let newest = ctx.local(lines[0].1.at);
        let from = format!("Older, from {} {} {}", newest.day, newest.month_name(), newest.year);
        details()
            .class("page")
            .child(summary().text(from))
            .child(page(ctx, lines))
    });
    let eraser = ctx.is_owner().then(|| {
        let wipe = form("wipe-all").child(button("Wipe every line").class("small plate-red"));
        details()
            .class("eraser")
            .child(summary().text("The large eraser"))
            .child(wipe)
    });
    let book = div()
        .class("book")
        .child(page(ctx, first))
        .child(sign_here(ctx))
        .children(pages)
        .children(eraser);
    View::from(book).max_age_seconds(ctx.seconds_to_midnight())
}

/// How many lines fit above the line to sign on, so that nobody has to scroll for it: a cell is 88 pixels with its gap,
/// title bar and form take about 230, a line of writing about 52 where it is wide and 76 where it is narrow.
fn first_page(ctx: &Context<Settings>) -> usize {
    let room = (i32::from(ctx.height) * 88 - 24 - 230).max(0);
    (room / if ctx.width > 1 { 52 } else { 76 }).clamp(2, PAGE as i32) as usize
}

fn page(ctx: &Context<Settings>, lines: &[(String, Line)]) -> Element {
    let now = ctx.local_now();
    ol().class("lines")
        .children(lines.iter().map(|(key, line)| signed(ctx, key, line, now)))
}

fn signed(ctx: &Context<Settings>, key: &str, line: &Line, now: DateTime) -> Element {
    let at = ctx.local(line.at);
    let by = match &line.by {
        Some(name) => strong().child(a(format!("/wall/{name}")).text(name)),
        None => strong().text("a passer-by"),
    };
    let wipe = ctx.is_owner().then(|| {
        let whose = line.by.as_deref().unwrap_or("a passer-by");
        button("×")
            .class("wipe")
            .aria_label(format!("Wipe the line of {whose}"))
            .action("wipe", key)
    });
    // Few nodes, for there may be 96 of these: what was written is the text between name and time.
    li().attr("dir", "auto")
        .child(by)
        .text(format!(" {} ", line.text))
        .child(time(at.iso()).text(at.brief(now)))
        .children(wipe)
}

fn sign_here(ctx: &Context<Settings>) -> Element {
    if ctx.settings.who == Who::Members && ctx.is_guest() {
        let login = a("/login").class("btn small plate-green").text("Log in to sign");
        return div().class("sign").child(p().text("Members sign here.")).child(login);
    }
    let line = input("text")
        .attr("maxlength", LINE_MAX)
        .attr("placeholder", &ctx.settings.prompt)
        .flag("required", true);
    form("sign")
        .class("sign")
        .child(field("Sign here", line))
        .child(button("Sign").class("plate-green"))
}

fn nothing(ctx: &Context<Settings>) -> Element {
    let book = svg("0 0 96 96")
        .child(path("M6 20c16-6 32-4 42 5 10-9 26-11 42-5v60c-16-6-32-4-42 5-10-9-26-11-42-5z").class("w ol"))
        .child(path("M48 25v60").class("ln"))
        .child(path("M56 62 82 26l9 7-26 36-12 5z").class("r ol"))
        .ornament();
    let says = if ctx.is_owner() {
        "Nobody has signed yet. You could begin, to show how it is done.".into()
    } else {
        format!("The first line in {}’s book is still free.", ctx.wall)
    };
    div().class("nothing").child(book).child(p().text(says))
}

register!(interactive Guestbook);
