//! A member's first minute: they choose one of twelve walls to begin from, drag a sticker onto their own (in edit mode, where the
//! address says `first=1`), change a number in a sketch, and see their wall. Each step can be left out, works as a plain form as
//! far as it makes sense, and asks for nothing about anybody.
//!
//! The twelve are walls of members who let them be remixed, drawn from the hat; where there aren't as many, the house's themes
//! fill up. A wall in small is made of its theme, its banner and the names of its modules: nothing of it runs.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use minijinja::context;
use serde::Serialize;
use serde_json::json;

use crate::{
    app::App,
    crypto,
    db::{Reader, Tx},
    error::{self, Error},
    html,
    http::{Form, Wants, see_other},
    looks::{self, STARTS},
    profiles::{self, Profile, pictures},
    scripts::{self, Visibility},
    session::{Member, Viewer},
    stickers::{self, New, Place, What},
    walls::{self, Take},
};

/// The sketch of the third step, and the number that is changed in it: its name, from, to, step, and what it is at first.
const SKETCH: &str = "stars";
const NUMBER: (&str, u32, u32, u32, u32) = ("stars", 50, 1200, 50, 400);
/// Walls to choose from.
const SHOWN: usize = 12;
/// Where the emoji of a theme lie on a wall that begins from it: over the banner, beside the name.
const LIE: [Place; 4] = [
    place(5_400, 32, 112, -12),
    place(6_900, 136, 72, 9),
    place(8_000, 48, 128, 6),
    place(9_200, 168, 80, -7),
];
/// Modules that a wall in small names.
const NAMED: i64 = 4;

const fn place(x: i32, y: i32, width: i32, rotation: i32) -> Place {
    Place { x, y, width, rotation }
}

/// A wall in small, to begin from.
#[derive(Serialize)]
struct Card {
    /// The member whose wall it is; empty for a theme of the house.
    wall: String,
    /// The theme of the house; empty for a member's wall.
    start: &'static str,
    title: String,
    about: String,
    picture: String,
    /// What lies on one of the house's.
    emoji: &'static [&'static str],
    modules: Vec<String>,
}

/// `GET /welcome`.
///
/// # Errors
/// The database's.
pub async fn show(State(app): State<App>, viewer: Viewer, headers: HeaderMap) -> Result<Response, Error> {
    let Some(member) = &viewer.member else {
        return match error::wants_page(&headers) {
            true => Ok(see_other("/login?next=/welcome")),
            false => Err(Error::Unauthorized),
        };
    };
    let html = page(&app, member)?;
    Ok(html::page(html, StatusCode::OK))
}

fn page(app: &App, member: &Member) -> Result<String, Error> {
    let mut cards = app.db.read(|db| drawn(app, db, member))?;
    let names: Vec<String> = cards.iter().map(|card| card.wall.clone()).collect();
    let house = STARTS.iter().map(|start| Card {
        wall: String::new(),
        start: start.name,
        title: start.title.into(),
        about: start.about.into(),
        picture: pictures::thumbnail(start.name, start.colour),
        emoji: &start.emoji,
        modules: Vec::new(),
    });
    cards.extend(house.take(SHOWN - cards.len()));
    app.html.render(
        "looks/welcome.html",
        context! {
            me => &*member.name,
            cards,
            sheets => [looks::starts_address(), looks::address_of(&names)],
            signed_in => true,
            here => "me",
            made => "for you alone, kept nowhere",
        },
    )
}

/// Walls that may be remixed and wear something, from a random place of the shuffled order on, round the corner.
fn drawn(app: &App, db: &Reader, member: &Member) -> Result<Vec<Card>, Error> {
    let from = i64::from_le_bytes(crypto::random());
    let card = |row: &rusqlite::Row| {
        let (id, wall, colour): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let card = Card {
            picture: pictures::thumbnail(&wall, &colour),
            title: wall.clone(),
            wall,
            start: "",
            about: row.get(3)?,
            emoji: &[],
            modules: Vec::new(),
        };
        Ok((id, card))
    };
    let mut found = Vec::new();
    for (least, below) in [(from, i64::MAX), (i64::MIN, from)] {
        found.extend(db.all(
            "select u.id, u.name, p.colour, p.status
               from users u
               join profiles p on p.user_id = u.id
              where u.shuffle >= ?1 and u.shuffle < ?2
                and u.leaving_at is null and p.look is not null and p.remixable = 1 and u.id <> ?3
              order by u.shuffle
              limit ?4",
            rusqlite::params![least, below, member.id, (SHOWN - found.len()) as i64],
            card,
        )?);
    }
    let mut cards = Vec::with_capacity(SHOWN);
    for (id, mut card) in found {
        let plugins = db.all(
            "select plugin from modules where user_id = ?1 and removed_at is null order by position, id limit ?2",
            [id, NAMED],
            |row| row.get::<_, String>(0),
        )?;
        let named = plugins.into_iter().filter_map(|plugin| app.plugins.name_of(&plugin));
        card.modules = named.map(|name| name.to_string()).collect();
        cards.push(card);
    }
    Ok(cards)
}

/// `POST /welcome`: field `wall`, a member's whose wall is remixed, or `start`, one of the house's themes.
///
/// # Errors
/// [`Error::Invalid`] for what there isn't; those of remixing.
pub async fn choose(State(app): State<App>, member: Member, wants: Wants, form: Form) -> Result<Response, Error> {
    match (form.text("wall"), form.text("start")) {
        ("", start) => {
            let (name, start) = (member.name.clone(), start.to_owned());
            let kept = app.db.write(move |tx| {
                let own = profiles::find(tx, &name)?;
                looks::wear_start(tx, &own, &start)?;
                decorate(tx, &own, &start)
            });
            kept.await.map_err(|error| match error {
                Error::NotFound => Error::field("start", "Choose one of the walls, or leave this out."),
                other => other,
            })?;
            walls::everything_changed(&app, &member.name);
        }
        (wall, _) => {
            let take = Take {
                modules: true,
                stickers: true,
                make_way: true,
            };
            walls::remix(&app, &member, wall, take).await?;
        }
    }
    Ok(go(wants, &sticker_step(&member)))
}

/// Lays a theme's emoji on a wall where nothing lies yet.
fn decorate(tx: &Tx, own: &Profile, start: &str) -> Result<(), Error> {
    let bare = tx.one(
        "select not exists (select 1 from stickers where wall_id = ?1 and removed_at is null)",
        [own.user_id],
        |row| row.get::<_, bool>(0),
    )?;
    let emoji = STARTS.iter().find(|one| one.name == start).map(|one| one.emoji);
    for (emoji, place) in emoji.into_iter().flatten().zip(LIE).filter(|_| bare) {
        let new = New {
            what: What::Emoji(emoji.into()),
            place,
            alt: String::new(),
        };
        stickers::put_up(tx, own.user_id, &own.name, own.user_id, &new)?;
    }
    Ok(())
}

/// The second step: one's own wall in edit mode, with the stickers beside it.
fn sticker_step(member: &Member) -> String {
    format!("/wall/{}?edit=1&tab=stickers&first=1", member.name)
}

fn go(wants: Wants, next: &str) -> Response {
    match wants {
        Wants::Json => Json(json!({ "ok": true, "next": next })).into_response(),
        _ => see_other(next),
    }
}

/// `GET /welcome/number`: the third step, a sketch in which one changes a number.
///
/// # Errors
/// The template's.
pub async fn number_page(State(app): State<App>, viewer: Viewer, headers: HeaderMap) -> Result<Response, Error> {
    let Some(member) = &viewer.member else {
        return match error::wants_page(&headers) {
            true => Ok(see_other("/login?next=/welcome/number")),
            false => Err(Error::Unauthorized),
        };
    };
    number_html(&app, member, "", "").map(|html| html::page(html, StatusCode::OK))
}

fn number_html(app: &App, member: &Member, typed: &str, refused: &str) -> Result<String, Error> {
    let f =
        scripts::framed_example(app, SKETCH, "first-sketch").ok_or_else(|| Error::internal("the sketch is gone"))?;
    app.html.render(
        "looks/number.html",
        context! {
            me => &*member.name,
            f,
            name => NUMBER.0,
            least => NUMBER.1,
            most => NUMBER.2,
            step => NUMBER.3,
            value => if typed.is_empty() { NUMBER.4.to_string() } else { typed.to_owned() },
            refused,
            signed_in => true,
            here => "me",
            made => "for you alone, kept nowhere",
        },
    )
}

/// `POST /welcome/number`: field `number`. Puts the sketch on one's wall, with that.
///
/// # Errors
/// [`Error::Invalid`] for a program; a person gets the form back as it was typed. [`Error::Conflict`] when there is no room.
pub async fn number(State(app): State<App>, member: Member, wants: Wants, form: Form) -> Result<Response, Error> {
    let (name, least, most, ..) = NUMBER;
    let typed = form.text("number");
    let Some(number) = typed
        .parse::<u32>()
        .ok()
        .filter(|number| (least..=most).contains(number))
    else {
        let why = format!("A whole number from {least} to {most}, please.");
        return match wants {
            Wants::Json => Err(Error::field("number", why)),
            _ => number_html(&app, &member, typed, &why).map(|html| html::page(html, StatusCode::UNPROCESSABLE_ENTITY)),
        };
    };
    let new = scripts::from_example(SKETCH, "My first sky").ok_or_else(|| Error::internal("the sketch is gone"))?;
    let wall = format!("/wall/{}", member.name);
    app.db
        .write(move |tx| {
            let id = scripts::begin(tx, member.id, &new)?;
            let version = scripts::keep_version(tx, member.id, &id, "", None)?;
            scripts::make_public(tx, member.id, &id, version, Visibility::Unlisted)?;
            scripts::pin_up(tx, &member, &id, None, &json!({ name: number }).to_string())?;
            Ok(())
        })
        .await?;
    Ok(go(wants, &wall))
}
