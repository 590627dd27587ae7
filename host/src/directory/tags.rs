//! Tags: words that members choose for themselves, by which others find them. A tag is lower case; it has no page but the list of
//! those who chose it.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use minijinja::{Value, context};
use rusqlite::params;
use serde::Deserialize;
use serde_json::json;

use crate::{
    app::App,
    cache::{Audience, Rendered},
    db::{Reader, Tx},
    error::Error,
    fragments::{Key, Piece, Sight},
    html,
    http::{Form, Path, Query, Wants, see_other},
    profiles::Profile,
    session::{Member, Viewer},
};

/// Tags of one member, and characters of one.
pub const TAGS_MOST: usize = 8;
pub const TAG_MOST: usize = 24;
/// Tags on one page of the list of all.
const PAGE: usize = 200;

/// The tags in what somebody typed: words between commas, spaces or line ends, with or without a `#`, each once.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn typed(text: &str) -> Result<Vec<String>, String> {
    let mut tags: Vec<String> = Vec::new();
    for word in text.split(|c: char| c == ',' || c.is_whitespace()) {
        let word = word.trim_start_matches('#');
        if word.is_empty() {
            continue;
        }
        let tag = word.to_lowercase();
        let length = tag.chars().count();
        let fits = tag.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
        if !fits || !(1..=TAG_MOST).contains(&length) || !tag.contains(char::is_alphanumeric) {
            let shown: String = word.chars().take(TAG_MOST).collect();
            return Err(format!(
                "“{shown}” can't be a tag: a tag is one word of 1 to {TAG_MOST} letters and digits, with - and _ between them."
            ));
        }
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > TAGS_MOST {
        return Err(format!("At most {TAGS_MOST} tags, please."));
    }
    tags.sort_unstable();
    Ok(tags)
}

/// Whether somebody could have this tag.
pub fn is_tag(text: &str) -> bool {
    typed(text).is_ok_and(|tags| tags == [text])
}

/// The tags of a member, in order.
///
/// # Errors
/// The database's.
pub fn of(db: &Reader, user_id: i64) -> Result<Vec<String>, Error> {
    db.all(
        "select tag from tags where user_id = ?1 order by tag",
        [user_id],
        |row| row.get(0),
    )
}

/// Gives a member these tags, and no others.
///
/// # Errors
/// The database's.
pub fn set(tx: &Tx, member: &Member, tags: &[String]) -> Result<(), Error> {
    tx.run("delete from tags where user_id = ?1", [member.id])?;
    let shuffle: i64 = tx.one("select shuffle from users where id = ?1", [member.id], |row| row.get(0))?;
    for tag in tags {
        tx.run(
            "insert into tags (tag, name, user_id, shuffle) values (?1, ?2, ?3, ?4)",
            params![tag, &*member.name, member.id, shuffle],
        )?;
    }
    tx.touch("people");
    tx.touch(format!("wall:{}", member.name));
    tx.touch(format!("found:{}", member.name));
    Ok(())
}

/// `POST /wall/{user}/tags`: field `tags`, words between commas or spaces; empty: none.
///
/// # Errors
/// [`Error::Invalid`], saying what can be a tag.
pub async fn choose(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(wall): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    if *member.name != *wall {
        return Err(Error::Forbidden(format!("Only {wall} chooses {wall}'s tags.")));
    }
    let tags = match typed(&every(&form, "tags")) {
        Ok(tags) => tags,
        Err(why) if wants == Wants::Json => return Err(Error::field("tags", why)),
        Err(why) => {
            let context = context! {
                who => context! { name => wall },
                panel => panel(&app, &member, &every(&form, "tags"), &why)?,
                signed_in => true,
                here => "me",
            };
            let html = app.html.render("directory/choose.html", context)?;
            return Ok(html::page(html, http::StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    let told = json!({ "tags": tags });
    app.db.write(move |tx| set(tx, &member, &tags)).await?;
    Ok(match wants {
        Wants::Json => Json(told).into_response(),
        _ => see_other(&format!("/wall/{wall}?edit=1&tab=found")),
    })
}

/// All values of a field: a program may send a list.
fn every(form: &Form, name: &str) -> String {
    let values: Vec<_> = form
        .0
        .iter()
        .filter(|(field, _)| field == name)
        .map(|(_, value)| value.as_str())
        .collect();
    values.join(" ")
}

/// What the drawer shows in edit mode, which `templates/directory/drawer.html` reads as `panel`: one's tags, one's neighbourhoods, and
/// the way to who links here.
///
/// # Errors
/// The database's.
pub fn drawer(app: &App, viewer: &Viewer, _: &Profile, _: &Form) -> Result<Value, Error> {
    let member = viewer.member.as_ref().ok_or(Error::Unauthorized)?;
    let tags = app.db.read(|db| of(db, member.id))?;
    panel(app, member, &tags.join(", "), "")
}

/// By what one finds a wall, as it stands on it.
///
/// # Errors
/// The database's, the template's.
pub fn on_wall(app: &App, owner: &Profile, _: Sight) -> Result<Piece, Error> {
    let stamp = app.topics.stamp([format!("found:{}", owner.name)]);
    let key = Key {
        kind: "found",
        id: owner.user_id,
        audience: Audience::Guests,
    };
    app.fragments.piece(key, &stamp, || {
        let tags = app.db.read(|db| of(db, owner.user_id))?;
        let lives_in = crate::neighbourhoods::of(app, owner.user_id)?;
        Ok(Piece {
            head: "".into(),
            html: app
                .html
                .render("directory/wall.html", context! { tags, lives_in, wall => &*owner.name })?
                .into(),
        })
    })
}

fn panel(app: &App, member: &Member, tags: &str, error: &str) -> Result<Value, Error> {
    let lives_in = crate::neighbourhoods::of(app, member.id)?;
    Ok(context! { tags, error, most => TAGS_MOST, lives_in })
}

/// Where the list of tags goes on.
#[derive(Debug, Default, Deserialize)]
pub struct From {
    #[serde(default)]
    after: String,
}

/// `GET /tags`: every tag that somebody has, in order.
///
/// # Errors
/// The database's.
pub async fn all(
    State(app): State<App>,
    viewer: Viewer,
    wants: Wants,
    Query(from): Query<From>,
    headers: http::HeaderMap,
) -> Result<Response, Error> {
    let after: String = from.after.chars().take(TAG_MOST).collect();
    let page = || {
        let mut tags = app.db.read(|db| list(db, &after))?;
        let next = (tags.len() > PAGE).then(|| tags[PAGE - 1].clone());
        tags.truncate(PAGE);
        Ok::<_, Error>((tags, next))
    };
    if wants == Wants::Json {
        let (tags, next) = page()?;
        return Ok(crate::http::unstored(
            Json(json!({ "tags": tags, "next": next })).into_response(),
        ));
    }
    let audience = if viewer.member.is_some() {
        Audience::Members
    } else {
        Audience::Guests
    };
    let key = format!("/tags?{after:?}").into();
    let render = async || {
        let stamp = app.topics.stamp(["people"]);
        let (tags, next) = page()?;
        let context = context! { tags, next, after, signed_in => audience == Audience::Members, here => "people" };
        Ok(Rendered {
            html: app.html.render("directory/tags.html", context)?,
            stamp,
            max_age: None,
            personal: false,
        })
    };
    Ok(app
        .cache
        .get_or_render(&key, audience, None, render)
        .await?
        .respond(&headers))
}

/// From one tag to the next, however many members have each.
fn list(db: &Reader, after: &str) -> Result<Vec<String>, Error> {
    db.all(
        "with recursive found (tag) as (
            select min(tag) from tags where tag > ?1
            union all
            select (select min(t.tag) from tags t where t.tag > found.tag) from found where found.tag is not null
         )
         select tag from found where tag is not null limit ?2",
        params![after, PAGE as i64 + 1],
        |row| row.get(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_tags_each_once_and_in_order() {
        for (text, tags) in [
            ("", &[][..]),
            ("moths", &["moths"]),
            ("#Moths, radios  MOTHS\nlow-tide", &["low-tide", "moths", "radios"]),
            ("Näherei, 蛾蛾", &["näherei", "蛾蛾"]),
            (", ,#", &[]),
        ] {
            assert_eq!(typed(text).unwrap(), tags, "{text}");
        }
        for wrong in [
            "-",
            "<b>",
            "a.b",
            "--",
            "xxxxxxxxxxxxxxxxxxxxxxxxx",
            "aa bb cc dd ee ff gg hh ii",
        ] {
            assert!(typed(wrong).is_err(), "{wrong}");
        }
        assert!(is_tag("moths") && !is_tag("Moths") && !is_tag("#moths") && !is_tag("a b") && !is_tag(""));
    }
}
