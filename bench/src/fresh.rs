//! `wall_fresh`: a wall built anew at every request, its frame and its modules' views at hand.

use std::{
    collections::HashMap,
    fs,
    path::Path as File,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Html,
    routing::get,
};
use minijinja::{Environment, Value, context};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{
    baseline::Baseline,
    client::Client,
    load::{self, Answer, Load, Traffic},
    machine::{self, On, Program},
    report::{Bar, Row, median},
    site::Site,
};

const CONNECTIONS: usize = 8;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

/// Beside what [`lay_out`] writes: walls have stickers and posts, too.
pub const FULL: &str = "full";

/// Measures the processor time of a page.
pub fn wall_fresh(site: &Site) -> Result<Vec<Row>> {
    let site = site.copy("page_cache_mib = 0")?;
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    let folder = tempfile::tempdir_in(crate::scratch()?)?;
    let sizes = lay_out(&site, &program, folder.path())?;
    let bare = Baseline::start(&["fresh".as_ref(), folder.path().as_os_str()])?;

    let mut ours = Side::new(&site, &program)?;
    let mut baseline = Side::new(&site, &bare)?;
    for _ in 0..ROUNDS {
        ours.round()?;
        baseline.round()?;
    }
    let note = format!(
        "{:.0} bytes a page, the baseline's {:.0}; {} modules a wall; no page cache, warm views, no compression",
        ours.mean_size(),
        baseline.mean_size(),
        sizes.modules
    );
    let (ours, baseline) = (median(ours.microseconds), median(baseline.microseconds));
    program.stop()?;
    Ok(vec![Row::new(
        "wall_fresh",
        ours,
        baseline,
        "µs CPU",
        Bar::RatioAtMost(1.3),
        note,
    )])
}

/// A server that is asked for walls.
struct Side<'a> {
    program: &'a Program,
    load: Load,
    walls: Walls,
    microseconds: Vec<f64>,
}

impl<'a> Side<'a> {
    fn new(site: &Site, program: &'a Program) -> Result<Self> {
        let walls = site.members.iter().map(|wall| format!("/wall/{}", wall.name));
        let requests = walls
            .map(|path| load::get(program.address, &path, None, "identity"))
            .collect();
        let mut side = Self {
            program,
            load: Load::connect(program.address, CONNECTIONS)?,
            walls: Walls {
                requests,
                next: 0,
                bytes: 0,
                answers: 0,
            },
            microseconds: Vec::new(),
        };
        // Each wall a few times, so that every view is there.
        side.load.run(ROUND / 2, &mut side.walls)?;
        Ok(side)
    }

    fn round(&mut self) -> Result<()> {
        let before = self.program.cpu();
        let rate = self.load.run(ROUND, &mut self.walls)?;
        let cpu = self.program.cpu() - before;
        self.microseconds.push(cpu.as_secs_f64() * 1e6 / rate.requests as f64);
        Ok(())
    }

    fn mean_size(&self) -> f64 {
        self.walls.bytes as f64 / self.walls.answers as f64
    }
}

/// Every wall in turn.
struct Walls {
    requests: Vec<Vec<u8>>,
    next: usize,
    bytes: usize,
    answers: usize,
}

impl Traffic for Walls {
    fn next(&mut self) -> (&[u8], u64) {
        self.next = (self.next + 1) % self.requests.len();
        (&self.requests[self.next], 0)
    }

    fn check(&mut self, _: u64, answer: &Answer) -> Result<()> {
        ensure!(answer.status == 200, "a wall was answered by {}", answer.status);
        ensure!(
            answer.body.ends_with(b"</html>\n") || answer.body.ends_with(b"</html>"),
            "a wall is not whole"
        );
        self.bytes += answer.body.len();
        self.answers += 1;
        Ok(())
    }
}

pub struct Sizes {
    modules: usize,
}

/// Writes what the baseline needs into a folder: the database, the modules' views as the product writes them, and the
/// text that fills its template up to the size of the product's page.
pub fn lay_out(site: &Site, program: &Program, folder: &File) -> Result<Sizes> {
    fs::create_dir(folder.join("views"))?;
    let database = folder.join("neospace.db");
    let conn = Connection::open(site.folder().join("data/neospace.db"))?;
    conn.execute("vacuum into ?1", [database.to_str().context("a path in UTF-8")?])?;
    let mut client = Client::connect(program.address)?;
    let mut modules = 0;
    let mut filler = 0;
    for member in &site.members {
        let page = client.get(&format!("/wall/{}", member.name))?.expect(200)?.text();
        let mut rest = page.len();
        for piece in page.split("<neo-module ").skip(1) {
            let (_, id) = piece.split_once("id=\"module-").context("a module has an id")?;
            let (id, _) = id.split_once('"').context("an id ends")?;
            // A sticker is a picture of its own, and none of the page's text.
            let view = piece
                .split_once("<template shadowrootmode=\"open\"")
                .and_then(|(_, view)| view.split_once("</template>"));
            let view = view
                .and_then(|(view, _)| Some(view.split_once('>')?.1))
                .unwrap_or_default();
            fs::write(folder.join("views").join(id), view)?;
            rest -= view.len();
            modules += 1;
        }
        // What the baseline writes itself where there are any.
        rest -= written(&page, "<div class=\"stick\"", "</div>");
        rest -= written(&page, "<article class=\"post\"", "</article>");
        filler += rest;
    }
    let walls = site.members.len();
    fs::write(folder.join("frame"), (filler / walls).to_string())?;
    ensure!(modules > 0, "no wall has a module");
    Ok(Sizes {
        modules: modules / walls,
    })
}

/// The bytes of all elements that begin and end so.
fn written(page: &str, begin: &str, end: &str) -> usize {
    let pieces = page.split(begin).skip(1);
    pieces
        .filter_map(|piece| Some(begin.len() + piece.find(end)? + end.len()))
        .sum()
}

/// A profile, as the baseline's template shows it.
#[derive(serde::Serialize)]
struct Owner {
    id: i64,
    name: String,
    created_at: i64,
    bio: String,
    status: String,
    mood: String,
    colour: String,
    time_zone: String,
    locale: String,
}

/// A module, likewise.
#[derive(serde::Serialize)]
struct Module {
    id: i64,
    plugin: String,
    position: i64,
    width: i64,
    height: i64,
    settings: String,
    refused: i64,
    seed: i64,
    view: Value,
}

/// A sticker, likewise.
#[derive(serde::Serialize)]
struct Sticker {
    id: i64,
    user: String,
    emoji: Option<String>,
    media: Option<String>,
    x: i64,
    y: i64,
    width: i64,
    rotation: i64,
    z: i64,
    alt: String,
    rev: i64,
}

/// A post, likewise.
#[derive(serde::Serialize)]
struct Post {
    id: i64,
    kind: String,
    title: String,
    html: Value,
    url: String,
    created_at: i64,
    /// Address and what it shows.
    pictures: Vec<(String, String)>,
}

/// What stands on a wall.
struct Wall {
    owner: Owner,
    modules: Vec<Module>,
    stickers: Vec<Sticker>,
    posts: Vec<Post>,
}

struct Bare {
    full: bool,
    conn: Mutex<Connection>,
    views: HashMap<i64, Value>,
    templates: Environment<'static>,
}

/// axum, rusqlite and minijinja: two queries, one template.
pub fn baseline(folder: &File) -> Result<Router> {
    let conn = Connection::open_with_flags(folder.join("neospace.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "cache_size", -8 * 1024)?;
    conn.pragma_update(None, "mmap_size", 256 << 20)?;
    // Found to be worth a third of the whole page, so the baseline has it too.
    conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let mut views = HashMap::new();
    for file in fs::read_dir(folder.join("views"))? {
        let path = file?.path();
        let id = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
            .context("a view is named by its module")?;
        views.insert(id, Value::from_safe_string(fs::read_to_string(path)?));
    }
    let mut templates = Environment::new();
    let page = include_str!("../templates/wall.html");
    let frame: usize = fs::read_to_string(folder.join("frame"))?.parse()?;
    // Where the product's page has more markup around its modules, this one has as many bytes of it, said once.
    let line = "<li><a class=\"key\" href=\"/directory\">Everybody who is here, from ana to zed</a></li>\n";
    let filler = line.repeat(frame.saturating_sub(page.len()).div_ceil(line.len()));
    templates.add_template_owned("wall.html", page.replace("<!-- filler -->", &filler))?;
    let bare = Arc::new(Bare {
        full: folder.join(FULL).exists(),
        conn: Mutex::new(conn),
        views,
        templates,
    });
    Ok(Router::new().route("/wall/{name}", get(wall)).with_state(bare))
}

async fn wall(State(bare): State<Arc<Bare>>, Path(name): Path<String>) -> Result<Html<String>, StatusCode> {
    let Wall {
        owner,
        modules,
        stickers,
        posts,
    } = read(&bare, &name)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
        .ok_or(StatusCode::NOT_FOUND)?;
    let page = bare
        .templates
        .get_template("wall.html")
        .and_then(|wall| wall.render(context! { owner, modules, stickers, posts }));
    page.map(Html).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// The product's queries.
fn read(bare: &Bare, name: &str) -> rusqlite::Result<Option<Wall>> {
    let conn = bare.conn.lock().unwrap_or_else(|error| error.into_inner());
    let mut find = conn.prepare_cached(
        "select u.id, u.name, u.created_at, p.bio, p.status, p.mood, p.colour, p.time_zone, p.locale
           from users u
           join profiles p on p.user_id = u.id
          where u.name = ?1",
    )?;
    let owner = find.query_row([name], |row| {
        Ok(Owner {
            id: row.get(0)?,
            name: row.get(1)?,
            created_at: row.get(2)?,
            bio: row.get(3)?,
            status: row.get(4)?,
            mood: row.get(5)?,
            colour: row.get(6)?,
            time_zone: row.get(7)?,
            locale: row.get(8)?,
        })
    });
    let Some(owner) = owner.optional()? else {
        return Ok(None);
    };
    let mut find = conn.prepare_cached(
        "select id, plugin, position, width, height, settings, refused, seed
           from modules
          where user_id = ?1 and removed_at is null
          order by position, id",
    )?;
    let modules = find.query_map([owner.id], |row| {
        let id = row.get(0)?;
        Ok(Module {
            id,
            plugin: row.get(1)?,
            position: row.get(2)?,
            width: row.get(3)?,
            height: row.get(4)?,
            settings: row.get(5)?,
            refused: row.get(6)?,
            seed: row.get(7)?,
            view: bare.views.get(&id).cloned().unwrap_or_default(),
        })
    })?;
    let mut wall = Wall {
        modules: modules.collect::<Result<_, _>>()?,
        owner,
        stickers: Vec::new(),
        posts: Vec::new(),
    };
    if bare.full {
        (wall.stickers, wall.posts) = (stickers(&conn, wall.owner.id)?, posts(&conn, wall.owner.id)?);
    }
    Ok(Some(wall))
}

fn stickers(conn: &Connection, owner: i64) -> rusqlite::Result<Vec<Sticker>> {
    let mut find = conn.prepare_cached(
        "select s.id, u.name, s.emoji, s.media_id, s.x, s.y, s.width, s.rotation, s.z, s.alt, s.rev
           from stickers s
           join users u on u.id = s.user_id
          where s.wall_id = ?1 and s.removed_at is null
          order by s.z",
    )?;
    let stickers = find.query_map([owner], |row| {
        Ok(Sticker {
            id: row.get(0)?,
            user: row.get(1)?,
            emoji: row.get(2)?,
            media: row.get(3)?,
            x: row.get(4)?,
            y: row.get(5)?,
            width: row.get(6)?,
            rotation: row.get(7)?,
            z: row.get(8)?,
            alt: row.get(9)?,
            rev: row.get(10)?,
        })
    })?;
    stickers.collect()
}

fn posts(conn: &Connection, owner: i64) -> rusqlite::Result<Vec<Post>> {
    let mut find = conn.prepare_cached(
        "select id, kind, title, html, url, created_at
           from posts
          where user_id = ?1 and removed_at is null
          order by position desc, id desc
          limit 51",
    )?;
    let mut pictures =
        conn.prepare_cached("select media_id, alt from post_pictures where post_id = ?1 order by nth")?;
    let posts = find.query_map([owner], |row| {
        Ok(Post {
            id: row.get(0)?,
            kind: row.get(1)?,
            title: row.get(2)?,
            html: Value::from_safe_string(row.get(3)?),
            url: row.get(4)?,
            created_at: row.get(5)?,
            pictures: Vec::new(),
        })
    })?;
    let mut posts: Vec<Post> = posts.collect::<Result<_, _>>()?;
    for post in posts.iter_mut().filter(|post| post.kind == "image") {
        let found = pictures.query_map([post.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        post.pictures = found.collect::<Result<_, _>>()?;
    }
    Ok(posts)
}
