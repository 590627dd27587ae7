//! What members change in neighbourhoods. Each is a closure's worth of SQL; what it changes is named as topics.

use rusqlite::params;

use super::{
    ALL, FOUNDED_MOST, LIVED_IN_MOST,
    queries::{self, Neighbourhood, Standing},
    topic,
};
use crate::{app::now_ms, db::Tx, error::Error, session::Member};

/// Founds one, with the founder's wall in it.
///
/// # Errors
/// [`Error::Conflict`] for a name that is taken, or one neighbourhood too many.
pub fn found(tx: &Tx, member: &Member, slug: &str, title: &str, about: &str) -> Result<(), Error> {
    let founded = tx.all(
        "select 1 from neighbourhoods where founder_id = ?1 limit ?2",
        [member.id, FOUNDED_MOST as i64],
        |_| Ok(()),
    )?;
    if founded.len() >= FOUNDED_MOST {
        return Err(Error::Conflict(format!(
            "You have founded {FOUNDED_MOST} neighbourhoods, which is as many as one may. Close one first."
        )));
    }
    let made = tx.run(
        "insert into neighbourhoods (slug, title, about, founder_id, created_at) values (?1, ?2, ?3, ?4, ?5)
         on conflict (slug) do nothing",
        params![slug, title, about, member.id, now_ms()],
    )?;
    if made == 0 {
        return Err(Error::Conflict(
            "There is a neighbourhood with an address like that already. Choose another name, or put your wall into that one.".into(),
        ));
    }
    tx.touch(ALL);
    come_in(tx, member, slug)
}

/// Puts one's wall in.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] for who was put out; [`Error::Conflict`] for one neighbourhood too many.
pub fn come_in(tx: &Tx, member: &Member, slug: &str) -> Result<(), Error> {
    let it = queries::one(tx, slug)?;
    match queries::standing(tx, it.id, member.id)? {
        Standing::In => return Ok(()),
        Standing::PutOut => {
            return Err(Error::Forbidden(format!(
                "{} took your wall out of this neighbourhood, and alone can let it in again.",
                it.founder.as_deref().unwrap_or("Its founder")
            )));
        }
        Standing::Out => {}
    }
    if queries::of(tx, member.id)?.len() >= LIVED_IN_MOST {
        return Err(Error::Conflict(format!(
            "Your wall stands in {LIVED_IN_MOST} neighbourhoods, which is as many as it may. Leave one first."
        )));
    }
    tx.run(
        "insert into neighbours (neighbourhood_id, name, user_id, shuffle, came_at)
         select ?1, name, id, shuffle, ?3 from users where id = ?2",
        [it.id, member.id, now_ms()],
    )?;
    touch(tx, slug, &member.name);
    Ok(())
}

/// Takes one's wall out.
///
/// # Errors
/// [`Error::NotFound`] when it isn't in it.
pub fn leave(tx: &Tx, member: &Member, slug: &str) -> Result<(), Error> {
    let it = queries::one(tx, slug)?;
    changed(tx.run(
        "delete from neighbours where neighbourhood_id = ?1 and name = ?2 and put_out = 0",
        params![it.id, &*member.name],
    )?)?;
    touch(tx, slug, &member.name);
    Ok(())
}

/// One's own neighbourhood.
fn own(tx: &Tx, member: &Member, slug: &str) -> Result<Neighbourhood, Error> {
    let it = queries::one(tx, slug)?;
    match &it.founder {
        Some(founder) if **founder == *member.name => Ok(it),
        Some(founder) => Err(Error::Forbidden(format!(
            "{founder} founded this: only {founder} can do that."
        ))),
        None => Err(Error::Forbidden(
            "Whoever founded this has left: nobody can do that any more.".into(),
        )),
    }
}

/// Gives one's neighbourhood another sentence.
///
/// # Errors
/// [`Error::Forbidden`] for everybody but the founder.
pub fn change(tx: &Tx, member: &Member, slug: &str, about: &str) -> Result<(), Error> {
    let it = own(tx, member, slug)?;
    tx.run(
        "update neighbourhoods set about = ?2 where id = ?1",
        params![it.id, about],
    )?;
    tx.touch(ALL);
    tx.touch(topic(slug));
    Ok(())
}

/// Takes somebody's wall out of one's neighbourhood, or lets it in again.
///
/// # Errors
/// [`Error::Forbidden`] for everybody but the founder; [`Error::NotFound`] for a wall that isn't in it.
pub fn put_out(tx: &Tx, member: &Member, slug: &str, name: &str, out: bool) -> Result<(), Error> {
    let it = own(tx, member, slug)?;
    if out && *name == *member.name {
        return Err(Error::field("name", "That is your own wall: leave instead."));
    }
    changed(if out {
        tx.run(
            "update neighbours set put_out = 1 where neighbourhood_id = ?1 and name = ?2 and put_out = 0",
            params![it.id, name],
        )?
    } else {
        // Not in it by that: whoever it is comes in again if they like.
        tx.run(
            "delete from neighbours where neighbourhood_id = ?1 and name = ?2 and put_out = 1",
            params![it.id, name],
        )?
    })?;
    touch(tx, slug, name);
    Ok(())
}

/// Closes one's neighbourhood for good.
///
/// # Errors
/// [`Error::Forbidden`] for everybody but the founder.
pub fn close(tx: &Tx, member: &Member, slug: &str) -> Result<(), Error> {
    let it = own(tx, member, slug)?;
    let walls = tx.all(
        "select name from neighbours where neighbourhood_id = ?1",
        [it.id],
        |row| row.get::<_, String>(0),
    )?;
    tx.run("delete from neighbourhoods where id = ?1", [it.id])?;
    for wall in &walls {
        touch(tx, slug, wall);
    }
    tx.touch(ALL);
    tx.touch(topic(slug));
    Ok(())
}

fn changed(rows: usize) -> Result<(), Error> {
    if rows == 0 { Err(Error::NotFound) } else { Ok(()) }
}

/// The neighbourhood's pages, and the wall that says where it stands.
fn touch(tx: &Tx, slug: &str, wall: &str) {
    tx.touch(topic(slug));
    tx.touch(format!("wall:{wall}"));
    tx.touch(format!("found:{wall}"));
}
