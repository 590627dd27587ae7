//! A dozen members whose walls are worth looking at, for `--demo`: to try the place out, to show it, to test it.
//!
//! They register as anyone does, with keys derived from their passwords; their modules are put up as they are, and hold
//! what their plugins would have stored. Done once: whoever is there already is left alone.

mod found;
mod letters;
mod media;
mod posts;
mod sketches;
mod stickers;

use futures_util::future::try_join_all;
use neospace_dm::keys::Identity;
use rusqlite::params;
use serde_json::{Value, json};

use crate::{
    accounts,
    app::{App, now_ms},
    db::Tx,
    directory,
    error::Error,
    looks,
    plugins::settings as schema,
    profiles,
    rooms::{self, Post, Said, Speaker},
    session::{Member, Viewer},
    walls::{self, NewModule},
};

use letters::Rings;

/// Everyone's password in the demo.
pub const PASSWORD: &str = "wipe your feet";
/// Whom the first log-in is for.
pub const NAME: &str = "ana";

/// The ring that some of their walls are on.
const RING: &str = "Ring of Small Lights";
const HOUR_MS: i64 = 3_600_000;

/// What their walls wear: each of the themes to start from is somebody's.
const DRESSED: [(&str, &str); 12] = [
    ("ana", "porch-light"),
    ("bodo", "rope-and-pulley"),
    ("cyan", "ferry"),
    ("tidewatch", "low-water"),
    ("paperdog", "spoons"),
    ("fennel", "balcony"),
    ("wren", "on-air"),
    ("ohm", "blueprint"),
    ("gull", "harbour"),
    ("mothbox", "fanzine"),
    ("marrow", "kitchen"),
    ("latchkey", "starfield"),
];

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
    let came_in: Rings = try_join_all(missing.into_iter().map(|person| settle(app, person)))
        .await?
        .into_iter()
        .collect();
    if came {
        visit(app).await?;
        talk(app).await?;
        posts::write(app).await?;
        letters::write(app, &came_in).await?;
        sketches::make(app).await?;
        found::settle(app).await?;
        media::make(app).await?;
    }
    Ok(came)
}

/// A room: its name, what it is about, whose it is (the lobby is nobody's), and who said what, how many minutes ago.
type Talk = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, i64, &'static str)],
);

const TALKS: [Talk; 5] = [
    (
        "lobby",
        "",
        "",
        &[
            ("paperdog", 214, "what rhymes with *ladle*"),
            ("tidewatch", 213, "cradle. fable, if you are tired"),
            ("cyan", 197, "the ferry is cancelled again, so I live here now"),
            (
                "tidewatch",
                195,
                "told you. **low water at 05:12**, you can nearly walk it",
            ),
            ("bodo", 194, "please do not walk it"),
            ("cyan", 188, "/roll 2d6"),
            ("cyan", 187, "fine."),
            (
                "cyan",
                186,
                "can somebody look at this? it draws, but upside down: `translate(0, -height)`",
            ),
            (
                "ana",
                182,
                "positive height. the canvas hangs from the ceiling, like everything worth watching",
            ),
            (
                "paperdog",
                64,
                "new terrible poem in the usual place. it is about a *spoon*",
            ),
            (
                "bodo",
                57,
                "@ana your wall needs a guestbook. I came by to sign and there was nothing to sign, so I told the snail",
            ),
            ("cyan", 55, "the snail told me"),
            ("bodo", 51, "the snail is not cleared for that"),
        ],
    ),
    (
        "field-notes",
        "What you saw on the way. Weather counts.",
        "wren",
        &[
            (
                "wren",
                4_100,
                "Two swifts under the station roof. They scream like bicycle brakes.",
            ),
            (
                "fennel",
                2_760,
                "Mushrooms on the compost, five of them:\n\n- three brown\n- one browner\n- one that I would rather not describe",
            ),
            (
                "marrow",
                310,
                "> They scream like bicycle brakes.\n\nMine do too. I mean the brakes.",
            ),
        ],
    ),
    (
        "radio-repair",
        "Bring the thing, bring the noise it makes.",
        "ohm",
        &[
            ("ohm", 1_530, "The hum is gone. It was the neighbour."),
            ("mothbox", 1_490, "Did you solder the neighbour?"),
            (
                "ohm",
                1_480,
                "Only the ground wire:\n\n```\nC12  was 4.7 µF\nC12  is  10 µF\n```",
            ),
        ],
    ),
    (
        "late-shift",
        "For whoever is awake and shouldn't be.",
        "gull",
        &[
            ("gull", 540, "Bakery's on. The whole street smells of Tuesday."),
            ("latchkey", 525, "it is Saturday"),
            ("gull", 523, "Not to the bread."),
        ],
    ),
    (
        "terrible-poems",
        "Worst one is read aloud on Fridays.",
        "paperdog",
        &[
            ("paperdog", 63, "O spoon,\nthou moon\nof soup"),
            ("tidewatch", 60, "that is not terrible enough. work on the soup"),
        ],
    ),
];

/// Lets them talk. What they said is moved into the past, where a page of talk is told by its hours.
async fn talk(app: &App) -> Result<(), Error> {
    for (room, topic, owner, lines) in TALKS {
        if !owner.is_empty() {
            let owner = member(app, owner)?;
            app.db
                .write(move |tx| rooms::make(tx, &owner, room, topic, true))
                .await?;
        }
        for &(name, minutes, text) in lines {
            let viewer = Viewer::of(member(app, name)?);
            rooms::come_in(app, &viewer, room).await?;
            let post = Post {
                room: room.into(),
                content: text.into(),
                nonce: None,
                reply_to: None,
                pictures: Vec::new(),
            };
            let speaker = Speaker {
                viewer: &viewer,
                network: "demo",
                origin: None,
            };
            // A command whose plugin the operator left out is passed by.
            let Ok(Said::Posted(said)) = rooms::say(app, speaker, post).await else {
                continue;
            };
            let at = now_ms() - minutes * 60_000;
            app.db
                .write(move |tx| {
                    tx.run(
                        "update messages set created_at = ?2 where id = ?1",
                        [said.message.id, at],
                    )
                })
                .await?;
        }
    }
    Ok(())
}

fn member(app: &App, name: &str) -> Result<Member, Error> {
    app.db.read(|db| Ok(profiles::find(db, name)?.member()))
}

/// Lets them press what only pressing can do: string their walls on the ring, vote, close a poll.
async fn visit(app: &App) -> Result<(), Error> {
    for wall in ["ana", "bodo", "cyan", "tidewatch", "paperdog", "ohm", "gull", "mothbox"] {
        press(app, wall, "webring", wall, ">String").await?;
    }
    for (wall, votes) in [
        (
            "gull",
            [
                ("ana", ">yours"),
                ("bodo", ">yours"),
                ("wren", ">it was always mine"),
                ("ohm", ">it was always mine"),
                ("cyan", ">mine"),
                ("fennel", ">it was always mine"),
            ],
        ),
        (
            "cyan",
            [
                ("bodo", ">please do not walk it"),
                ("ana", ">please do not walk it"),
                ("gull", ">yes, in boots"),
                ("tidewatch", ">yes, in boots"),
                ("marrow", ">please do not walk it"),
                ("paperdog", ">I am already out here"),
            ],
        ),
    ] {
        for (voter, answer) in votes {
            press(app, wall, "poll", voter, answer).await?;
        }
        press(app, wall, "poll", wall, ">Close").await?;
    }
    press(app, "ana", "poll", "cyan", ">the green one").await
}

/// Presses the button whose markup holds `label`, in the first module of a plugin on a wall, as a member. A module or a
/// button that isn't there is passed by: the operator may have chosen other plugins.
async fn press(app: &App, wall: &str, plugin: &str, member: &str, label: &str) -> Result<(), Error> {
    let Some((installation, viewer)) = walls::as_seen(app, wall, plugin, member)? else {
        return Ok(());
    };
    let shown = app.plugins.view(&installation, &viewer, now_ms()).await;
    let Some(button) = shown.html.find(label) else {
        return Ok(());
    };
    let token = |html: &str| -> Option<String> {
        let from = html.rfind("name=\"token\" value=\"")? + "name=\"token\" value=\"".len();
        Some(html[from..].split('"').next()?.to_owned())
    };
    let Some(token) = token(&shown.html[..button]) else {
        return Ok(());
    };
    let acted = app
        .plugins
        .act(&installation, &viewer, &[("token".into(), token)])
        .await?;
    if let Some(refused) = acted.refused {
        tracing::debug!(wall, plugin, member, why = refused.message, "refused in the demo");
    }
    Ok(())
}

/// Registers somebody, makes their keys, and hangs up what is theirs in place of the starter wall.
async fn settle(app: &App, person: Person) -> Result<(&'static str, Identity), Error> {
    let ink = if person.colour == "mauve" {
        "blue"
    } else {
        person.colour
    };
    let (name, (id, wrap)) = (person.name, accounts::register(app, person.name, PASSWORD, ink).await?);
    let keys = letters::make_keys(app, id, name, &wrap).await?;
    let installed: Vec<String> = app
        .plugins
        .list()
        .iter()
        .map(|plugin| plugin.manifest.id.clone())
        .collect();
    let plugins = app.clone();
    app.db
        .write(move |tx| hang_up(&plugins, tx, id, &person, &installed))
        .await?;
    app.db
        .write(move |tx| {
            let (_, start) = DRESSED.iter().find(|(who, _)| *who == name).ok_or(Error::NotFound)?;
            looks::wear_start(tx, &profiles::find(tx, name)?, start)
        })
        .await?;
    Ok((name, keys))
}

fn hang_up(app: &App, tx: &Tx, id: i64, person: &Person, installed: &[String]) -> Result<(), Error> {
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
        if let Some(plugin) = app.plugins.standing(plugin).plugin() {
            let named = schema::members(&plugin.manifest.settings, settings);
            directory::note_links(tx, (id, person.name), walls::MODULE, module, &named)?;
        }
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
    stickers::put_up(tx, id, person.name, installed)?;
    tx.touch(format!("wall:{}", person.name));
    tx.touch(format!("member:{id}"));
    tx.touch("people");
    Ok(())
}

/// Who they are. Times are told from `now`, Unix milliseconds.
fn people(now: i64) -> Vec<Person> {
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
                guestbook(
                    2,
                    4,
                    now,
                    &[
                        ("cyan", 4, "came in from the rain, borrowed your lamp, put it back"),
                        ("", 19, "I don't have an account. I have a moth now."),
                        ("tidewatch", 33, "low water at 05:12, bring boots"),
                        ("bodo", 52, "your wall needs a snail. I am not saying which one."),
                    ],
                ),
                sky(1, 2, now, 40, "luminous, slightly singed", "night"),
                Put(
                    "clock",
                    1,
                    3,
                    json!({ "place": "in the shed", "face": "hands" }),
                    vec![],
                ),
                Put(
                    "poll",
                    1,
                    5,
                    json!({
                        "question": "Which lamp for the porch?",
                        "answers": answers(&["the green one", "paraffin", "no lamp, let them rest"]),
                    }),
                    vec![],
                ),
                pet(1, now, "Lint", 19, "a sock", &["bodo", "cyan"]),
                Put("glitter-name-tag", 2, 2, json!({}), vec![]),
                friends(
                    2,
                    3,
                    &[
                        ("bodo", "carries"),
                        ("cyan", "waits"),
                        ("tidewatch", "warns"),
                        ("paperdog", "rhymes"),
                    ],
                ),
                ring(2, 2),
                Put("flower", 1, 3, json!({}), vec![]),
            ],
        ),
        person(
            "bodo",
            "red",
            "Europe/Berlin",
            "Carries things up the hill.",
            "Ask me about rope, pulleys, and the time with the piano.\nThe snail is not cleared for any of this.",
            "uphill",
            vec![
                Put(
                    "countdown",
                    1,
                    4,
                    json!({ "event": "the fair opens", "date": local(now, 23), "after": "It is open. Bring a hat." }),
                    vec![],
                ),
                guestbook(
                    2,
                    4,
                    now,
                    &[
                        ("ana", 7, "thank you for the radio. both halves."),
                        ("marrow", 30, "soup is at six, the door is the heavy one, you know it"),
                    ],
                ),
                sky(1, 2, now, 9, "steady, with gravel", "cloud"),
                Put("flower", 1, 3, json!({}), vec![]),
                ring(2, 2),
            ],
        ),
        person(
            "cyan",
            "blue",
            "America/Halifax",
            "Waiting for the ferry.",
            "It is cancelled again, so I live here now. If you see a blue thermos, that is mine, and I would like it back before winter.",
            "moored",
            vec![
                Put(
                    "countdown",
                    2,
                    3,
                    json!({ "event": "the ferry, perhaps", "date": local(now, 6), "after": "Cancelled." }),
                    vec![],
                ),
                Put("clock", 1, 4, json!({ "place": "on the pier", "face": "both" }), vec![]),
                Put("flower", 1, 3, json!({}), vec![]),
                Put(
                    "poll",
                    2,
                    4,
                    json!({
                        "question": "Would you walk it at low water?",
                        "answers": answers(&["yes, in boots", "please do not walk it", "I am already out here"]),
                    }),
                    vec![],
                ),
                guestbook(
                    2,
                    4,
                    now,
                    &[
                        ("bodo", 2, "please do not walk it"),
                        ("gull", 15, "I saw your sandwich."),
                        ("tidewatch", 16, "you can nearly walk it"),
                    ],
                ),
                ring(2, 2),
            ],
        ),
        person(
            "tidewatch",
            "green",
            "Europe/London",
            "Low water, high hopes.",
            "LOW    05:12\nHIGH   11:31\nGULLS  YES\nChecked against the actual sea, twice a day, in the weather.",
            "ebbing",
            vec![
                Put(
                    "clock",
                    1,
                    3,
                    json!({ "place": "at the gauge", "face": "figures" }),
                    vec![],
                ),
                sky(1, 2, now, 3, "fog, and a bell in it", "fog"),
                Put(
                    "countdown",
                    2,
                    3,
                    json!({ "event": "the spring tide", "date": local(now, 11), "after": "Move your car." }),
                    vec![],
                ),
                guestbook(
                    2,
                    4,
                    now,
                    &[
                        ("cyan", 1, "is 'nearly' a unit"),
                        ("ana", 20, "the moths went inland on Tuesday, an hour before your siren"),
                        ("", 41, "boots brought. thank you."),
                    ],
                ),
                pet(1, now, "Winkle", 61, "a chip", &["gull"]),
                Put("flower", 1, 3, json!({}), vec![]),
                ring(2, 2),
            ],
        ),
        person(
            "paperdog",
            "ink",
            "America/New_York",
            "Terrible poems about spoons.",
            "What rhymes with ladle\nis nobody's business.\nAnd yet the drawer is open.\nAnd yet.",
            "between rhymes",
            vec![
                guestbook(
                    2,
                    4,
                    now,
                    &[
                        ("tidewatch", 5, "cradle. fable, if you are tired"),
                        ("fennel", 22, "the one about the teaspoon made my aunt sit down"),
                        ("ana", 47, "third stanza has a moth in it. I felt seen."),
                    ],
                ),
                Put(
                    "poll",
                    2,
                    4,
                    json!({
                        "question": "A spork is",
                        "answers": answers(&["a compromise", "a betrayal", "a spoon with opinions"]),
                    }),
                    vec![],
                ),
                Put("glitter-name-tag", 2, 2, json!({}), vec![]),
                sky(1, 2, now, 70, "polished, a little bent", "rain"),
                friends(2, 2, &[("ana", "reads them"), ("fennel", "reads them aloud")]),
                ring(2, 2),
            ],
        ),
        person(
            "fennel",
            "mauve",
            "Europe/Rome",
            "Grows anyway.",
            "A balcony, four pots, one argument with the pigeons. The flowers below are from the same packet.",
            "leggy",
            vec![
                Put("flower", 1, 3, json!({}), vec![]),
                Put("flower", 1, 3, json!({}), vec![]),
                Put("flower", 1, 3, json!({}), vec![]),
                sky(1, 2, now, 5, "watered", "sun"),
                guestbook(2, 4, now, &[("wren", 11, "the third one is leaning towards me")]),
                Put(
                    "clock",
                    1,
                    3,
                    json!({ "place": "on the balcony", "face": "hands" }),
                    vec![],
                ),
            ],
        ),
        person(
            "wren",
            "red",
            "Asia/Tokyo",
            "Small, loud, before dawn.",
            "I run the radio show nobody asked for. 04:30, every day, from a cupboard.",
            "ON AIR",
            vec![
                Put(
                    "clock",
                    2,
                    4,
                    json!({ "place": "in the cupboard", "face": "both" }),
                    vec![],
                ),
                sky(1, 2, now, 2, "on air", "storm"),
                Put("glitter-name-tag", 2, 2, json!({}), vec![]),
                Put(
                    "countdown",
                    1,
                    4,
                    json!({ "event": "the next show", "date": local(now, 1), "after": "Too late, or too early." }),
                    vec![],
                ),
                guestbook(
                    2,
                    4,
                    now,
                    &[("ohm", 8, "your carrier drifts by 40 Hz when you laugh. keep laughing.")],
                ),
            ],
        ),
        person(
            "ohm",
            "green",
            "Europe/Warsaw",
            "Resists.",
            "Valves, mostly. Will repair anything that hums in tune. Will argue with anything that doesn't.",
            "warming up",
            vec![
                friends(2, 2, &[("wren", "hums"), ("ana", "solders")]),
                sky(1, 2, now, 26, "warming up", "cloud"),
                pet(1, now, "Fuse", 4, "a crumb of solder", &["wren", "ana"]),
                guestbook(2, 4, now, &[("wren", 3, "THE HUM IS THE SHOW")]),
                ring(2, 2),
            ],
        ),
        person(
            "gull",
            "ink",
            "Atlantic/Reykjavik",
            "I saw your sandwich.",
            "Reviews of harbours, lunches, hats. Two stars at most.",
            "circling",
            vec![
                Put(
                    "poll",
                    2,
                    4,
                    json!({
                        "question": "Whose sandwich?",
                        "answers": answers(&["yours", "mine", "it was always mine"]),
                    }),
                    vec![],
                ),
                sky(1, 2, now, 1, "above it all", "sun"),
                Put(
                    "clock",
                    1,
                    3,
                    json!({ "place": "over the harbour", "face": "figures" }),
                    vec![],
                ),
                guestbook(2, 4, now, &[("cyan", 14, "give it back")]),
                ring(2, 2),
            ],
        ),
        person(
            "mothbox",
            "blue",
            "Australia/Hobart",
            "Copied twice on the library's machine.",
            "A fanzine about light, folded once. Issue nine is late because issue nine is about dusk.",
            "second generation",
            vec![
                guestbook(
                    2,
                    4,
                    now,
                    &[
                        ("ana", 28, "page four is upside down on purpose, yes?"),
                        ("", 44, "found this in a phone box"),
                    ],
                ),
                Put("glitter-name-tag", 2, 2, json!({}), vec![]),
                Put(
                    "countdown",
                    1,
                    4,
                    json!({ "event": "issue nine", "date": local(now, 40), "after": "Folded. Come and get it." }),
                    vec![],
                ),
                Put("flower", 1, 3, json!({}), vec![]),
                ring(2, 2),
            ],
        ),
        person(
            "marrow",
            "green",
            "Africa/Nairobi",
            "Soup at six.",
            "Everyone at seven. Bring a bowl and one true story.",
            "simmering",
            vec![
                Put(
                    "clock",
                    1,
                    3,
                    json!({ "place": "in the kitchen", "face": "hands" }),
                    vec![],
                ),
                guestbook(2, 4, now, &[("bodo", 29, "the heavy door thanks you")]),
                sky(1, 2, now, 4, "simmering", "sun"),
                Put(
                    "poll",
                    2,
                    4,
                    json!({ "question": "Tonight", "answers": answers(&["lentil", "the red one", "ask the pot"]) }),
                    vec![],
                ),
            ],
        ),
        person(
            "latchkey",
            "red",
            "America/Mexico_City",
            "Home when the street lights are.",
            "Keeps a list of every dog met, by temperament. You may ask about yours.",
            "on the kerb",
            vec![
                pet(2, now, "Sergeant", 130, "half a biscuit", &["paperdog", "marrow"]),
                sky(1, 2, now, 6, "grass stains", "snow"),
                friends(2, 2, &[("paperdog", "good dog"), ("marrow", "soup")]),
                Put("flower", 1, 3, json!({}), vec![]),
            ],
        ),
    ]
}

/// A guestbook with lines in it: who ("" for a guest), how many hours ago, and what they wrote.
fn guestbook(width: u8, height: u8, now: i64, lines: &[(&str, i64, &str)]) -> Put {
    let line = |(nth, (by, hours, text)): (usize, &(&str, i64, &str))| {
        let at = (now - hours * HOUR_MS - 7 * 60_000 * (nth as i64 + 1)) as u64;
        let by = (!by.is_empty()).then_some(*by);
        // The plugin's own key: the newest sort first.
        (
            format!("line:{:016x}{nth:016x}", u64::MAX - at),
            json!({ "by": by, "text": text, "at": at }),
        )
    };
    Put(
        "guestbook",
        width,
        height,
        json!({}),
        lines.iter().enumerate().map(line).collect(),
    )
}

/// A pet that hatched so many days ago, and who fed it.
fn pet(width: u8, now: i64, name: &str, days: i64, ate: &str, kind: &[&str]) -> Put {
    let pet = json!({
        "born": now - days * 24 * HOUR_MS,
        "fed_until": now + 17 * HOUR_MS,
        "patted": now - 2 * HOUR_MS,
        "ate": ate,
        "kind": kind,
    });
    Put(
        "pixel-pet",
        width,
        4,
        json!({ "name": name }),
        vec![("pet".into(), pet)],
    )
}

/// A mood that has held for so many hours.
fn sky(width: u8, height: u8, now: i64, hours: i64, line: &str, sky: &str) -> Put {
    let mood = json!({ "line": line, "sky": sky, "since": now - hours * HOUR_MS });
    Put("mood", width, height, json!({}), vec![("mood".into(), mood)])
}

/// A shelf of friends, each with a word beneath.
fn friends(width: u8, height: u8, friends: &[(&str, &str)]) -> Put {
    let friends: Vec<Value> = friends
        .iter()
        .map(|(who, note)| json!({ "who": who, "note": note }))
        .collect();
    Put("top-friends", width, height, json!({ "friends": friends }), vec![])
}

fn ring(width: u8, height: u8) -> Put {
    Put("webring", width, height, json!({ "ring": RING }), vec![])
}

fn answers(answers: &[&str]) -> Vec<Value> {
    answers.iter().map(|answer| json!({ "answer": answer })).collect()
}

/// A date so many days from now, as settings hold it: `2026-11-21T18:00`.
fn local(now: i64, days: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(now + days * 24 * HOUR_MS).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::UTC)
        .strftime("%Y-%m-%dT18:00")
        .to_string()
}
