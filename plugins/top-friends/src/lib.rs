//! Top friends: up to eight doors next to the owner's.

use neospace_plugin::{
    Context, Element, View, Widget, hash,
    html::{a, div, li, p, small, span, strong, ul},
    register,
    svg::{path, rect, svg},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    friends: Vec<Friend>,
}

#[derive(Deserialize)]
struct Friend {
    /// A user name.
    who: String,
    note: String,
}

struct TopFriends;

impl Widget for TopFriends {
    type Settings = Settings;

    fn render(ctx: &Context<Settings>) -> View {
        let mut friends = ctx
            .settings
            .friends
            .iter()
            .filter(|friend| !friend.who.is_empty())
            .peekable();
        if friends.peek().is_none() {
            return empty(ctx);
        }
        ul().class("shelf").children(friends.map(tile)).into()
    }
}

fn tile(friend: &Friend) -> Element {
    const PLATES: [&str; 5] = ["red", "blue", "green", "ink", "mauve"];
    let plate = PLATES[(hash(&friend.who) % PLATES.len() as u64) as usize];
    let letters: String = friend.who.chars().take(2).collect();
    let note = (!friend.note.is_empty()).then(|| small().text(&friend.note));
    let door = a(format!("/wall/{}", friend.who))
        .child(span().class(format!("avatar plate-{plate}")).ornament().text(letters))
        .child(span().child(strong().text(&friend.who)).children(note));
    li().child(door)
}

fn empty(ctx: &Context<Settings>) -> View {
    let shelf = svg("0 0 128 72")
        .child(rect(20, 8, 26, 34).class("w ol").attr("stroke-dasharray", "5 5"))
        .child(rect(54, 8, 26, 34).class("w ol").attr("stroke-dasharray", "5 5"))
        .child(path("M92 42V26l10-16 10 16v16z").class("r ol"))
        .child(rect(6, 44, 116, 10).class("g ol"))
        .child(path("M22 54v14M106 54v14").class("ln").attr("stroke-width", 6))
        .ornament();
    let nothing = div().class("nothing").child(shelf);
    if ctx.is_owner() {
        let set = a(format!("/wall/{}?edit=1", ctx.wall))
            .class("btn plate-green")
            .text("Put somebody up");
        nothing
            .child(p().text("An empty shelf, eight places long."))
            .child(set)
            .into()
    } else {
        let stroll = a("/random").class("btn").text("Meet a stranger");
        nothing
            .child(p().text(format!("{} has just dusted the shelf.", ctx.wall)))
            .child(stroll)
            .into()
    }
}

register!(widget TopFriends);
