//! Scripts on walls: at most three, in their owner's order, each with a seed and numbers of its own if they like.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use minijinja::{Value, context};
use serde_json::{Map, Value as Data, json};

use super::{
    PARAM_NAME_MOST, PARAMS_MOST, PINS_MOST,
    mutations::{self, pins_topic},
    numbers::{self, Number},
    queries::{self, Pin},
    view::{self, Framed},
};
use crate::{
    app::App,
    cache::Audience,
    db::Reader,
    error::{Error, Invalid},
    fragments::{Key, Piece, Sight},
    html,
    http::{Form, Path, Wants, see_other, unstored},
    live::{
        Frame,
        frame::{Dialect, Event, PatchMode},
    },
    profiles::{self, Profile},
    session::{Member, Viewer},
};

/// The scripts of a wall, as the page shows them; in plain view links to their pages, where they start when one asks.
///
/// # Errors
/// The database's.
pub fn on_wall(app: &App, owner: &Profile, sight: Sight) -> Result<Piece, Error> {
    let stamp = app.topics.stamp([pins_topic(&owner.name)]);
    let key = Key {
        kind: if sight.plain { "plain scripts" } else { "scripts" },
        id: owner.user_id,
        // The same for everybody.
        audience: Audience::Guests,
    };
    app.fragments.piece(key, &stamp, || {
        let pins = running(app, owner.user_id)?;
        let head = match pins.is_empty() || sight.plain {
            true => String::new(),
            false => format!(
                "<script type=\"module\" src=\"{}\"></script>\n",
                app.html.asset("js/frame/frame.js")
            ),
        };
        Ok(Piece {
            head: head.into(),
            html: render(app, &pins, sight.plain)?.into(),
        })
    })
}

fn running(app: &App, user_id: i64) -> Result<Vec<Pin>, Error> {
    let mut pins = app.db.read(|db| queries::pins(db, user_id))?;
    pins.retain(Pin::runs);
    Ok(pins)
}

/// The partial that page and patch share.
fn render(app: &App, pins: &[Pin], plain: bool) -> Result<String, Error> {
    let framed: Vec<_> = pins.iter().map(|pin| framed(app, pin)).collect();
    app.html.render(
        "scripts/pins.html",
        context! { frames => Value::from_serialize(framed), plain },
    )
}

fn framed(app: &App, pin: &Pin) -> Framed {
    Framed {
        seed: pin.seed,
        params: pin.params.clone(),
        ..view::framed(app, &pin.script, format!("pin-{}", pin.script.id))
    }
}

/// Shows a changed set of scripts to everyone who watches the wall.
fn tell(app: &App, wall: &str, user_id: i64) {
    let rendered = running(app, user_id).and_then(|pins| render(app, &pins, false));
    let html = match rendered {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, wall, "a change could not be shown live");
            return;
        }
    };
    let frame: Frame = Event::Patch {
        target: "scripts",
        mode: PatchMode::Morph,
        html: &html,
    }
    .frame();
    app.hub.publish(&format!("wall:{wall}"), |watcher| {
        (watcher.dialect == Dialect::Html).then(|| frame.clone())
    });
}

/// What the drawer's tab shows: what is pinned, and what else could be.
///
/// # Errors
/// The database's.
pub fn drawer(app: &App, _: &Viewer, owner: &Profile, _: &Form) -> Result<Value, Error> {
    panel(app, owner.user_id, None)
}

/// A form of the tab that was refused: it comes back as it was typed.
struct Refused<'a> {
    /// The script whose numbers it sets; empty where it puts one up.
    script: &'a str,
    form: &'a Form,
    /// Field → sentence.
    errors: Value,
}

fn panel(app: &App, user_id: i64, refused: Option<&Refused>) -> Result<Value, Error> {
    let (pins, mine) = app.db.read(|db| {
        let pins = queries::pins(db, user_id)?;
        let pins = pins.into_iter().map(|pin| Ok((numbers_of(db, &pin)?, pin)));
        Ok((
            pins.collect::<Result<Vec<_>, Error>>()?,
            queries::mine(db, user_id, false)?,
        ))
    })?;
    let rows: Vec<_> = pins
        .iter()
        .map(|(numbers, pin)| {
            row(
                pin,
                numbers,
                refused.filter(|refused| *refused.script == *pin.script.id),
            )
        })
        .collect();
    let errors = refused.filter(|refused| refused.script.is_empty());
    let is_pinned = |id: &str| pins.iter().any(|(_, pin)| *pin.script.id == *id);
    let others: Vec<_> = mine
        .iter()
        .filter(|script| script.is_seen_by(None) && !is_pinned(&script.id))
        .map(|script| context! { id => script.id, title => script.title, mode => script.mode.label() })
        .collect();
    Ok(context! {
        pins => rows, others, full => pins.len() as i64 >= PINS_MOST, most => PINS_MOST,
        errors => errors.map(|refused| &refused.errors),
        typed => errors.map(|refused| refused.form.text("script")),
    })
}

/// One of what is pinned, with its seed and its numbers as they stand in its form.
fn row(pin: &Pin, numbers: &[Number], refused: Option<&Refused>) -> Value {
    let kept = params_of(pin);
    let typed = |field: &str| refused.and_then(|refused| refused.form.get(field));
    let error = |field: &str| {
        let error = refused.and_then(|refused| refused.errors.get_item(&field.into()).ok());
        error.filter(|error| !error.is_undefined())
    };
    let numbers = numbers.iter().map(|number| {
        let field = field_of(number);
        let value = match (typed(&field), kept.get(&number.name)) {
            (Some(typed), _) => typed.to_owned(),
            (None, Some(kept)) => kept.to_string(),
            (None, None) => String::new(),
        };
        let text = |number: Option<f64>| number.map(|number| number.to_string());
        context! {
            name => number.name, value, error => error(&field), field,
            own => text(number.value), min => text(number.min), max => text(number.max), step => text(number.step),
        }
    });
    let seed = pin.seed.map_or_else(String::new, |seed| seed.to_string());
    context! {
        id => pin.script.id, title => pin.script.title, author => pin.script.author, runs => pin.runs(),
        mode => pin.script.mode.label(), href => format!("/sandbox/{}", pin.script.id),
        seed => typed("seed").map_or(seed, str::to_owned),
        seed_error => error("seed"),
        params_error => error("params"),
        numbers => numbers.collect::<Vec<_>>(),
        open => refused.is_some(),
    }
}

/// The form's field of a number.
fn field_of(number: &Number) -> String {
    format!("n-{}", number.name)
}

/// The numbers that a script on a wall can be given: those that its text names, and what it was given under other names.
fn numbers_of(db: &Reader, pin: &Pin) -> Result<Vec<Number>, Error> {
    // What its author withdrew isn't read by anybody else.
    let mut numbers = match pin.script.published.filter(|_| pin.runs()) {
        Some(version) => numbers::named(&queries::version(db, &pin.script, version, None)?.1),
        None => Vec::new(),
    };
    for (name, _) in params_of(pin) {
        if numbers.iter().all(|number| number.name != name) {
            numbers.push(Number {
                name,
                value: None,
                min: None,
                max: None,
                step: None,
            });
        }
    }
    Ok(numbers)
}

fn params_of(pin: &Pin) -> Map<String, Data> {
    serde_json::from_str(&pin.params).unwrap_or_default()
}

/// `GET /wall/{user}/scripts`.
///
/// # Errors
/// [`Error::NotFound`] for a name that nobody has.
pub async fn list(State(app): State<App>, Path(wall): Path<String>) -> Result<Response, Error> {
    if !profiles::is_name(&wall) {
        return Err(Error::NotFound);
    }
    let owner = app.db.read(|db| profiles::find(db, &wall))?;
    let pins: Vec<_> = running(&app, owner.user_id)?.iter().map(data).collect();
    Ok(unstored(Json(json!({ "pins": pins })).into_response()))
}

fn data(pin: &Pin) -> Data {
    json!({
        "script": view::script(&pin.script),
        "version": pin.script.published,
        "seed": pin.seed,
        "params": params_of(pin),
    })
}

/// `POST /wall/{user}/scripts`: fields `script` (an id or the address of its page), `seed`, `params`.
///
/// # Errors
/// [`Error::Forbidden`] on somebody else's wall; [`Error::NotFound`], [`Error::Conflict`], [`Error::Invalid`].
pub async fn add(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let made = async {
        let mut wrong = Invalid::default();
        let (seed, params) = (seed_of(&form, &mut wrong), params_in(&form, &mut wrong));
        wrong.into_result()?;
        let Some(id) = super::named(form.text("script")) else {
            return Err(Error::field("script", "The address of a script's page, or its id."));
        };
        let (id, owner) = (id.to_owned(), member.clone());
        let pinned = app
            .db
            .write(move |tx| mutations::pin(tx, &owner, &id, seed, &params).map(drop))
            .await;
        pinned.map_err(|error| match error {
            Error::NotFound => Error::field("script", "There is no such script, or it isn't for others to see."),
            other => other,
        })
    };
    match made.await {
        Ok(()) => done(&app, &member, wants),
        Err(error) => refused(&app, &member, wants, ("", &form), error),
    }
}

/// The seed that a script starts with, as a form says it, or none.
fn seed_of(form: &Form, wrong: &mut Invalid) -> Option<i64> {
    match form.text("seed") {
        "" => None,
        text => text.parse::<u32>().map(i64::from).map_or_else(
            |_| {
                wrong.add(
                    "seed",
                    "A whole number from 0 to 4294967295, or nothing for another one at every start.",
                );
                None
            },
            Some,
        ),
    }
}

/// The numbers that a script starts with, as a program says them: JSON.
fn params_in(form: &Form, wrong: &mut Invalid) -> String {
    match form.text("params") {
        "" => "{}".to_owned(),
        text => checked_params(text).unwrap_or_else(|| {
            wrong.add(
                "params",
                format!("A JSON object of at most {PARAMS_MOST} numbers by name, such as {{\"speed\": 3}}."),
            );
            String::new()
        }),
    }
}

/// The numbers that a script starts with, as the form of the drawer says them, a field for each; what has no field stays.
fn params_by_field(form: &Form, pin: &Pin, numbers: &[Number], wrong: &mut Invalid) -> String {
    let mut params = params_of(pin);
    for number in numbers {
        let field = field_of(number);
        let Some(typed) = form.get(&field).map(str::trim) else {
            continue;
        };
        let kept = params.remove(&number.name);
        if typed.is_empty() {
            continue;
        }
        // What was there may stay, wherever the script's bounds are by now.
        let value = typed.parse::<f64>().ok();
        if let Some(kept) = kept.filter(|kept| kept.as_f64() == value) {
            params.insert(number.name.clone(), kept);
            continue;
        }
        match number.fault(value) {
            Some(fault) => wrong.add(&field, fault),
            None => {
                let whole = typed.parse::<i64>().map(Data::from);
                params.insert(number.name.clone(), whole.unwrap_or_else(|_| json!(value)));
            }
        }
    }
    let text = Data::Object(params).to_string();
    checked_params(&text).unwrap_or_else(|| {
        wrong.add("params", format!("A script has at most {PARAMS_MOST} numbers."));
        text
    })
}

/// What a script starts with, as it is kept: a JSON object of numbers; nothing for what can't be that.
pub(super) fn checked_params(text: &str) -> Option<String> {
    let params: Map<String, Data> = serde_json::from_str(text).ok()?;
    let fits = |(name, value): (&String, &Data)| {
        let letters = name.chars().count();
        (1..=PARAM_NAME_MOST).contains(&letters) && value.as_f64().is_some_and(f64::is_finite)
    };
    (params.len() <= PARAMS_MOST && params.iter().all(fits)).then(|| Data::Object(params.clone()).to_string())
}

/// `POST /wall/{user}/scripts/{script}/{what}`: `move`, with `before` (a pin's id, or nothing for the end) or `step` (`earlier`,
/// `later`).
///
/// # Errors
/// As [`add`].
pub async fn step(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let (step, before) = (form.text("step").to_owned(), form.text("before").to_owned());
    if !matches!(step.as_str(), "" | "earlier" | "later") {
        return Err(Error::field("step", "earlier or later"));
    }
    let owner = member.clone();
    app.db
        .write(move |tx| {
            mutations::place(tx, &owner, &id, |from, pins| match (step.as_str(), before.as_str()) {
                ("earlier", _) => Some(from.saturating_sub(1)),
                ("later", _) => Some(from + 1),
                (_, "") => Some(pins.len()),
                (_, before) => {
                    let to = pins.iter().position(|pin| pin == before)?;
                    Some(if to > from { to - 1 } else { to })
                }
            })
        })
        .await?;
    done(&app, &member, wants)
}

/// `POST /wall/{user}/scripts/{script}/params`: fields `seed`, and `params` or for each number `n-` and its name.
///
/// # Errors
/// As [`add`].
pub async fn set(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let mut wrong = Invalid::default();
    let seed = seed_of(&form, &mut wrong);
    let params = if form.get("params").is_some() {
        params_in(&form, &mut wrong)
    } else {
        let (numbers, pin) = app.db.read(|db| {
            let pins = queries::pins(db, member.id)?;
            let pin = pins
                .into_iter()
                .find(|pin| *pin.script.id == *id)
                .ok_or(Error::NotFound)?;
            Ok((numbers_of(db, &pin)?, pin))
        })?;
        params_by_field(&form, &pin, &numbers, &mut wrong)
    };
    if let Err(error) = wrong.into_result() {
        return refused(&app, &member, wants, (&id, &form), error);
    }
    let owner = member.clone();
    app.db
        .write(move |tx| mutations::set(tx, &owner, &id, seed, &params))
        .await?;
    done(&app, &member, wants)
}

/// `POST /wall/{user}/scripts/{script}/remove`.
///
/// # Errors
/// As [`add`].
pub async fn remove(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path((wall, id)): Path<(String, String)>,
) -> Result<Response, Error> {
    profiles::owns(&member, &wall)?;
    let owner = member.clone();
    app.db.write(move |tx| mutations::unpin(tx, &owner, &id)).await?;
    done(&app, &member, wants)
}

/// After a change: everyone who watches the wall sees it; who made it gets the drawer's tab, the page or the list.
fn done(app: &App, member: &Member, wants: Wants) -> Result<Response, Error> {
    tell(app, &member.name, member.id);
    Ok(match wants {
        Wants::Page => see_other(&format!("/wall/{}?edit=1&tab=scripts", member.name)),
        Wants::Fragment => fragment(app, member, None, StatusCode::OK)?,
        Wants::Json => {
            let pins: Vec<_> = running(app, member.id)?.iter().map(data).collect();
            unstored(Json(json!({ "pins": pins })).into_response())
        }
    })
}

/// `of`: the script whose numbers the form sets, or nothing, and the form.
fn refused(app: &App, member: &Member, wants: Wants, of: (&str, &Form), error: Error) -> Result<Response, Error> {
    let (Error::Invalid(_) | Error::Conflict(_)) = &error else {
        return Err(error);
    };
    let refused = Refused {
        script: of.0,
        form: of.1,
        errors: error.by_field(),
    };
    match wants {
        Wants::Json => Err(error),
        Wants::Fragment => fragment(app, member, Some(&refused), error.status()),
        Wants::Page => {
            let context = context! {
                panel => panel(app, member.id, Some(&refused))?,
                who => context! { name => &*member.name },
                signed_in => true,
                here => "me",
            };
            let html = app.html.render("scripts/refused.html", context)?;
            Ok(html::page(html, error.status()))
        }
    }
}

fn fragment(app: &App, member: &Member, refused: Option<&Refused>, status: StatusCode) -> Result<Response, Error> {
    let context = context! { panel => panel(app, member.id, refused)?, who => context! { name => &*member.name } };
    Ok(html::fragment(app.html.render("scripts/drawer.html", context)?, status))
}
