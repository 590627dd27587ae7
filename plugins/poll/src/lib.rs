//! Poll: a question and up to eight answers. Every member has one vote and may move it; how it stands is shown to
//! nobody until the owner closes it, and then as lengths without figures.
//!
//! What is kept: `poll`, which poll it is and its answers; `tally:…`, the votes of an answer; `votes:…`, 64 drawers with
//! a line for each voter, so that thousands fit into a module's thousand keys; `closed`.

use neospace_plugin::{
    Actions, Context, Element, Outcome, Refusal, Submission, View, Widget, element, hash,
    html::{a, button, div, li, p, span, ul},
    live, register, storage,
    svg::{path, rect, svg},
    viewer,
};
use serde::{Deserialize, Serialize};

const DRAWERS: u64 = 64;

#[derive(Deserialize)]
struct Settings {
    question: String,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    answer: String,
}

/// The poll that the kept votes belong to.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    question: String,
    /// Ids of the answers that anybody has voted for.
    answers: Vec<String>,
    closed: bool,
}

struct Poll;

impl Widget for Poll {
    type Settings = Settings;

    fn render(ctx: &Context<Settings>) -> View {
        let answers = answers(&ctx.settings);
        if ctx.settings.question.trim().is_empty() || answers.len() < 2 {
            return empty(ctx);
        }
        match shown(ctx, &answers) {
            Ok(view) => view,
            Err(why) => p().class("faint").text(why.to_string()).into(),
        }
    }
}

impl Actions for Poll {
    fn act(ctx: &Context<Settings>, action: &Submission) -> Result<Outcome, Refusal> {
        match action.name.as_str() {
            "vote" => vote(ctx, action),
            "close" | "open" => {
                if !ctx.is_owner() {
                    return Err(format!("Only {} can close this poll or open it again.", ctx.wall).into());
                }
                let mut kept = kept(ctx)?;
                kept.closed = action.name == "close";
                storage::put_json("poll", &kept)?;
                live::refresh();
                Ok(Outcome::quiet())
            }
            _ => Err(action.unknown()),
        }
    }
}

fn vote(ctx: &Context<Settings>, action: &Submission) -> Result<Outcome, Refusal> {
    let Some(voter) = viewer::pseudonym() else {
        return Err("Log in to vote: one vote a member.".into());
    };
    let answers = answers(&ctx.settings);
    if !answers.iter().any(|(id, _)| *id == action.payload) {
        return Err("That answer is no longer there. Load the page again to see those that are.".into());
    }
    let mut kept = kept(ctx)?;
    if kept.closed {
        return Err("This poll is closed.".into());
    }
    let (drawer, voter) = drawer(&voter);
    let votes = storage::text(&drawer)?.unwrap_or_default();
    let before = find(&votes, &voter).map(String::from);
    if let Some(before) = &before {
        storage::add(&tally(before), -1)?;
    }
    let others = votes.lines().filter(|line| !line.starts_with(&voter));
    let mut lines: Vec<String> = others.map(String::from).collect();
    // Pressing one's own answer again takes the vote back.
    let taken_back = before.as_deref() == Some(&action.payload);
    if !taken_back {
        storage::add(&tally(&action.payload), 1)?;
        lines.push(format!("{voter} {}", action.payload));
        if !kept.answers.contains(&action.payload) {
            kept.answers.push(action.payload.clone());
        }
    }
    storage::put_text(&drawer, &lines.join("\n"))?;
    storage::put_json("poll", &kept)?;
    Ok(Outcome::says(if taken_back {
        "Your vote is yours again."
    } else {
        "Noted. You may move it while the poll is open."
    }))
}

/// The poll as it is kept; when the question is another, the old votes go first.
fn kept(ctx: &Context<Settings>) -> Result<Kept, storage::Error> {
    let question = id(&ctx.settings.question);
    let kept = storage::json::<Kept>("poll")?.unwrap_or_default();
    if kept.question == question {
        return Ok(kept);
    }
    for answer in &kept.answers {
        storage::delete(&tally(answer))?;
    }
    if !kept.question.is_empty() {
        for drawer in 0..DRAWERS {
            storage::delete(&format!("votes:{drawer}"))?;
        }
    }
    Ok(Kept {
        question,
        ..Kept::default()
    })
}

fn shown(ctx: &Context<Settings>, answers: &[(String, &str)]) -> Result<View, storage::Error> {
    let kept = storage::json::<Kept>("poll")?.unwrap_or_default();
    let is_kept = kept.question == id(&ctx.settings.question);
    let closed = is_kept && kept.closed;
    let mine = match viewer_if_any(ctx) {
        Some(voter) if is_kept => {
            let (drawer, voter) = drawer(&voter);
            storage::text(&drawer)?
                .as_deref()
                .and_then(|votes| find(votes, &voter))
                .map(String::from)
        }
        _ => None,
    };
    let mut tallies = Vec::new();
    if closed {
        for (id, _) in answers {
            tallies.push(storage::number(&tally(id))?.max(0));
        }
    }
    let all: i64 = tallies.iter().sum();
    let most = tallies.iter().copied().max().unwrap_or_default();

    let rows = answers.iter().enumerate().map(|(i, (id, words))| {
        let mine = mine.as_deref() == Some(id);
        let words = span()
            .class("words")
            .text(*words)
            .children(mine.then(|| span().class("mark").text(" (yours)")));
        let class = if mine { "answer mine" } else { "answer" };
        li().child(if closed {
            let words = words.child(span().class("hidden-visually").text(length_in_words(tallies[i], most)));
            div().class(class).child(bar(tallies[i], all)).child(words)
        } else if ctx.is_guest() {
            div().class(class).child(words)
        } else {
            let pressed = if mine { "true" } else { "false" };
            element("button")
                .class(class)
                .attr("aria-pressed", pressed)
                .action("vote", id)
                .child(words)
        })
    });
    let list = ul()
        .class(if closed { "answers counted" } else { "answers" })
        .children(rows);

    let foot = match (closed, all) {
        (true, 0) => "Closed. Nobody pressed anything, and nobody is to blame.",
        (true, _) => "Closed. Lengths, no figures.",
        (false, _) => "Open. The bars show when it closes.",
    };
    let switch = match (ctx.is_owner(), closed) {
        (true, false) => Some(button("Close it and count").class("small").action("close", "")),
        (true, true) => Some(button("Open it again").class("small").action("open", "")),
        (false, false) if ctx.is_guest() => Some(a("/login").class("btn small plate-green").text("Log in to vote")),
        _ => None,
    };
    Ok(View::new()
        .child(p().class("question").text(&ctx.settings.question))
        .child(list)
        .child(p().class("foot").text(foot))
        .children(switch.map(|switch| div().class("row").child(switch))))
}

/// Asked only where it matters: a view that asks is made for each viewer apart.
fn viewer_if_any<S>(ctx: &Context<S>) -> Option<String> {
    if ctx.is_guest() { None } else { viewer::pseudonym() }
}

/// A plate as long as the answer's part of all votes, with a key line at its end.
fn bar(votes: i64, all: i64) -> Element {
    let length = if votes == 0 { 0 } else { (votes * 1000 / all).max(8) };
    let bar = svg("0 0 1000 10")
        .class("bar")
        .attr("preserveAspectRatio", "none")
        .ornament();
    bar.child(rect(0, 0, length, 10))
        .children((length > 0).then(|| rect(length - 8, 0, 8, 10).class("end")))
}

fn length_in_words(votes: i64, most: i64) -> &'static str {
    match votes * 100 / most.max(1) {
        0 if votes == 0 => ": no bar",
        100 => ": the longest bar",
        80.. => ": nearly as long as the longest",
        40.. => ": about half as long as the longest",
        _ => ": a short bar",
    }
}

/// The answers that say something, each once, with their ids.
fn answers(settings: &Settings) -> Vec<(String, &str)> {
    let mut answers: Vec<(String, &str)> = Vec::new();
    for words in settings
        .answers
        .iter()
        .map(|answer| answer.answer.trim())
        .filter(|words| !words.is_empty())
    {
        let id = id(words);
        if !answers.iter().any(|(other, _)| *other == id) {
            answers.push((id, words));
        }
    }
    answers
}

fn id(words: &str) -> String {
    format!("{:016x}", hash(words.trim()))
}

fn tally(answer: &str) -> String {
    format!("tally:{answer}")
}

/// The drawer that a voter's line lies in, and how the line begins.
fn drawer(pseudonym: &str) -> (String, String) {
    let voter = hash(pseudonym);
    (format!("votes:{}", voter % DRAWERS), format!("{voter:016x}"))
}

/// What a voter voted for.
fn find<'a>(votes: &'a str, voter: &str) -> Option<&'a str> {
    votes.lines().find_map(|line| line.strip_prefix(voter)).map(str::trim)
}

fn empty(ctx: &Context<Settings>) -> View {
    let box_and_slip = svg("0 0 96 96")
        .child(path("M34 8h30v36H34z").class("g ol").transform("rotate(8 48 26)"))
        .child(path("M40 20h16M42 28h10").class("ln").transform("rotate(8 48 26)"))
        .child(path("M8 40h80v48H8z").class("w ol"))
        .child(path("M28 50h40v6H28z").class("k"))
        .child(path("M8 74h80v14H8z").class("b ol"))
        .ornament();
    let nothing = div().class("nothing").child(box_and_slip);
    if ctx.is_owner() {
        let set = a(format!("/wall/{}?edit=1", ctx.wall))
            .class("btn plate-green")
            .text("Ask something");
        nothing
            .child(p().text("A question and two answers, and the box is open."))
            .child(set)
            .into()
    } else {
        nothing
            .child(p().text(format!("{} is still thinking of a question.", ctx.wall)))
            .into()
    }
}

register!(interactive Poll);
