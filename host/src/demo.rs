//! A dozen members whose walls are worth looking at, for `--demo`: to try the place out, to show it, to test it.
//!
//! They register as anyone does, with keys derived from their passwords; their modules are put up as they are, and hold
//! what their plugins would have stored. Done once: whoever is there already is left alone.

use futures_util::future::try_join_all;
use rusqlite::params;
use serde_json::{Value, json};

use crate::{
    accounts,
    app::{App, now_ms},
    db::Tx,
    error::Error,
    walls::{self, NewModule},
};

/// Everyone's password in the demo.
pub const PASSWORD: &str = "wipe your feet";
/// Whom the first log-in is for.
pub const NAME: &str = "ana";

/// Somebody, and what is on their wall.
struct Person {
    name: &'static str,
    colour: &'static str,
    zone: &'static str,
    status: &'static str,
    bio: &'static str,
    mood: &'static str,
    modules: Vec<Put>,
}

/// A module on a wall: plugin, cells, settings, and what it has stored.
struct Put(&'static str, u8, u8, Value, Vec<(String, Value)>);

/// Fills the server with the demo's members, if they aren't there. Answers whether anybody came.
///
/// # Errors
/// The database's, and registration's.
pub async fn fill(app: &App) -> Result<bool, Error> {
    let known = app
        .db
        .read(|db| db.all("select name from users", [], |row| row.get::<_, String>(0)))?;
    let missing: Vec<Person> = people(now_ms())
        .into_iter()
        .filter(|p| !known.iter().any(|name| name == p.name))
        .collect();
    let came = !missing.is_empty();
    try_join_all(missing.into_iter().map(|person| settle(app, person))).await?;
    Ok(came)
}

/// Registers somebody and hangs up what is theirs in place of the starter wall.
async fn settle(app: &App, person: Person) -> Result<(), Error> {
    let ink = if person.colour == "mauve" {
        "blue"
    } else {
        person.colour
    };
    let id = accounts::register(app, person.name, PASSWORD, ink).await?;
    let installed: Vec<String> = app
        .plugins
        .list()
        .iter()
        .map(|plugin| plugin.manifest.id.clone())
        .collect();
    app.db.write(move |tx| hang_up(tx, id, &person, &installed)).await
}

fn hang_up(tx: &Tx, id: i64, person: &Person, installed: &[String]) -> Result<(), Error> {
    tx.run(
        "update profiles set bio = ?2, status = ?3, mood = ?4, colour = ?5, time_zone = ?6 where user_id = ?1",
        params![id, person.bio, person.status, person.mood, person.colour, person.zone],
    )?;
    tx.run("delete from modules where user_id = ?1", [id])?;
    for Put(plugin, width, height, settings, storage) in &person.modules {
        if !installed.iter().any(|there| there == plugin) {
            continue;
        }
        let new = NewModule {
            plugin: (*plugin).into(),
            width: *width,
            height: *height,
            settings: settings.to_string().into(),
            refused: Default::default(),
        };
        let module = walls::put_up(tx, id, person.name, &new)?;
        for (key, value) in storage {
            // Plugins store JSON, and counters as plain text.
            let bytes = match value {
                Value::Number(number) => number.to_string().into_bytes(),
                value => value.to_string().into_bytes(),
            };
            tx.run(
                "insert into plugin_storage (module_id, key, value) values (?1, ?2, ?3)",
                params![module, key, bytes],
            )?;
        }
    }
    tx.touch(format!("wall:{}", person.name));
    tx.touch(format!("member:{id}"));
    tx.touch("people");
    Ok(())
}

/// Who they are. Times are told from `now`, Unix milliseconds.
fn people(now: i64) -> Vec<Person> {
    let _ = now;
    let person = |name, colour, zone, status, bio, mood, modules| Person {
        name,
        colour,
        zone,
        status,
        bio,
        mood,
        modules,
    };
    vec![
        person(
            "ana",
            "mauve",
            "Europe/Lisbon",
            "Keeper of moths, mender of radios.",
            "Wall open all night; wipe your feet.",
            "luminous, slightly singed",
            vec![
                Put("guestbook", 2, 4, json!({}), vec![]),
                Put("mood", 1, 2, json!({}), vec![]),
                Put("clock", 1, 3, json!({ "place": "the shed" }), vec![]),
                Put("flower", 1, 3, json!({}), vec![]),
            ],
        ),
        person(
            "bodo",
            "red",
            "Europe/Berlin",
            "Carries things up the hill.",
            "The snail is not cleared for that.",
            "",
            vec![],
        ),
    ]
}
