//! Whether a page costs the same among many as among few: a wall, the directory and the feed, with 10,000 members and a million posts
//! against a hundred members with as many posts each.

use std::time::Instant;

use anyhow::{Context, Result};
use rusqlite::{Connection, params};

use crate::{
    client::Client,
    machine::{self, On},
    pace::Times,
    report::{Bar, Row},
    site::Site,
};

const FEW: i64 = 100;
const LOTS: i64 = 10_000;
/// Posts on each wall.
const POSTS: i64 = 100;
/// The few and the many take turns, and start anew each time.
const ROUNDS: usize = 15;
/// Pages of each kind that are asked for in a round, after some that warm what is cold after a start: of each wall among the few one.
const ASKED: usize = 90;
const WARMING: usize = 10;
/// Every page is made anew: otherwise the few would all be in memory, and the many not.
const NO_PAGES: &str = "page_cache_mib = 0\n";

/// Measures them.
pub fn scale_growth() -> Result<Vec<Row>> {
    machine::pin(machine::cores().1)?;
    let sites = [populated(FEW)?, populated(LOTS)?];
    let (mut few, mut lots) = <([Times; 3], [Times; 3])>::default();
    for round in 0..ROUNDS {
        times(&sites[0], FEW, round, &mut few)?;
        times(&sites[1], LOTS, round, &mut lots)?;
    }
    let ms = |times: &Times, share| times.quantile(share).as_secs_f64() * 1e3;
    let metrics = ["scale_wall", "scale_directory", "scale_feed"];
    Ok(metrics
        .into_iter()
        .zip(lots.iter().zip(&few))
        .map(|(metric, (lots, few))| {
            let note = format!(
                "{LOTS} members with {} posts against {FEW} with {}, {} pages each, none asked for before; half within {:.2} and {:.2} ms",
                LOTS * POSTS,
                FEW * POSTS,
                lots.len(),
                ms(lots, 0.5),
                ms(few, 0.5),
            );
            Row::new(metric, ms(lots, 0.99), ms(few, 0.99), "ms p99", Bar::RatioAtMost(1.5), note)
        })
        .collect())
}

/// A place with so many members and their posts.
fn populated(members: i64) -> Result<Site> {
    let empty = Site::empty(&[])?;
    // Once, for the tables.
    empty.start(On::OneCore)?.stop().context("the empty server")?;
    let site = empty.copy(NO_PAGES)?;
    populate(&site, members)?;
    Ok(site)
}

/// How long a wall, a page of the directory and a page of the feed take among so many members.
fn times(site: &Site, members: i64, round: usize, times: &mut [Times; 3]) -> Result<()> {
    let program = site.start(On::OneCore)?;
    let mut client = Client::connect(program.address)?;
    for n in 0..ASKED + WARMING {
        // Anywhere among them, anywhere in the past; no wall twice.
        let nth = ((round * (ASKED + WARMING) + n) as i64 * 7_919) % members;
        let member = name(nth);
        // So far from the end that a whole page follows.
        let near = nth % (members / 2 - 1);
        let post = (nth * POSTS + n as i64).max(POSTS);
        let pages = [
            format!("/wall/{member}"),
            match n % 3 {
                0 => format!("/directory?after={}", name(near)),
                1 => format!("/directory?by=newest&after={}", members - near),
                _ => format!("/directory?tag=moths&after={}", name(near)),
            },
            format!("/public-feed?before={post}"),
        ];
        for (page, times) in pages.iter().zip(&mut *times) {
            let asked = Instant::now();
            client.get(page)?.expect(200)?;
            if n >= WARMING {
                times.push(asked.elapsed());
            }
        }
    }
    program.stop().context("the server")
}

fn name(n: i64) -> String {
    format!("member{n:05}")
}

/// Members with posts, all with the same tag, straight into the tables.
fn populate(site: &Site, members: i64) -> Result<()> {
    let conn = Connection::open(site.folder().join("data/neospace.db"))?;
    conn.pragma_update(None, "cache_size", -64 * 1024)?;
    conn.execute_batch("begin immediate")?;
    {
        let mut user = conn.prepare(
            "insert into users (id, name, auth_salt, auth_rounds, auth_hash, shuffle, created_at)
             values (?1, ?2, x'00', 600000, '', ?3, ?4)",
        )?;
        let mut profile =
            conn.prepare("insert into profiles (user_id, status) values (?1, 'Low water, high hopes.')")?;
        let mut tag = conn.prepare("insert into tags (tag, name, user_id, shuffle) values ('moths', ?1, ?2, ?3)")?;
        for n in 0..members {
            let shuffle = n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64);
            user.execute(params![n + 1, name(n), shuffle, n])?;
            profile.execute([n + 1])?;
            tag.execute(params![name(n), n + 1, shuffle])?;
        }
        let mut post = conn.prepare(
            "insert into posts (user_id, kind, title, body, html, position, created_at) values (?1, 'text', ?2, ?3, ?4, ?5, ?6)",
        )?;
        // As they come in life: everybody posts now and then, so that one's posts lie far apart.
        for n in 0..members * POSTS {
            let text = format!("Low water at **{n}**, bring boots.\n\n> so they say, and they were there");
            let html = format!(
                "<p>Low water at <strong>{n}</strong>, bring boots.</p><blockquote><p>so they say, and they were there</p></blockquote>"
            );
            let (author, at) = (n % members + 1, n / members * (1 << 32));
            post.execute(params![author, "What the tide did", text, html, at, n])?;
        }
    }
    conn.execute_batch("commit; pragma wal_checkpoint(truncate)")?;
    Ok(())
}
