//! How posts look: the partial that walls, pages and frames share, and the same as data.

use std::sync::Arc;

use minijinja::{Value, context};
use serde::Serialize;

use super::{
    KEPT_MOST, KEPT_MS, PAGE,
    compose::Kind,
    preview::Preview,
    queries::{self, Draft, Picture, Place, Post},
};
use crate::{
    app::{App, now_ms},
    cache::Audience,
    error::Error,
    fragments::{self, Key, Piece, Sight},
    http::Form,
    media,
    profiles::Profile,
    scripts::{self, Framed},
    session::Viewer,
    words,
};

/// Characters of a text that stand for all of it.
const EXCERPT: usize = 80;

/// What changes when anybody takes a picture out of their library, or describes it anew.
pub const MEDIA: &str = "media";

/// Whom a post is shown to, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scene {
    /// To its author, who gets tools.
    pub own: bool,
    /// Among the posts of others: it says whose it is.
    pub signed: bool,
    /// Without scripts.
    pub plain: bool,
    /// What its links say that lead on: see [`looks::carried`].
    pub carried: &'static str,
}

impl Scene {
    /// On its wall.
    pub fn on_wall(own: bool, plain: bool) -> Self {
        Self {
            own,
            signed: false,
            plain,
            carried: "",
        }
    }

    /// Among those of everybody.
    pub fn in_feed(plain: bool) -> Self {
        Self {
            own: false,
            signed: true,
            plain,
            carried: "",
        }
    }

    /// The same with links that say how pages are to be shown.
    pub fn carrying(self, carried: &'static str) -> Self {
        Self { carried, ..self }
    }
}

/// A post as `templates/posts/post.html` shows it, as it was rendered before if nothing of it has changed.
///
/// # Errors
/// The database's, the template's.
pub fn post(app: &App, post: &Post, scene: Scene) -> Result<Arc<str>, Error> {
    let key = Key {
        kind: match (scene.own, scene.signed, scene.plain, scene.carried.is_empty()) {
            (false, false, false, true) => "post",
            (false, false, true, true) => "plain post",
            (true, _, false, true) => "own post",
            (true, _, true, true) => "own plain post",
            (false, true, false, true) => "feed post",
            (false, true, true, true) => "plain feed post",
            (false, false, false, false) => "post, asked for",
            (false, false, true, false) => "plain post, asked for",
            (true, _, false, false) => "own post, asked for",
            (true, _, true, false) => "own plain post, asked for",
            (false, true, false, false) => "feed post, asked for",
            (false, true, true, false) => "plain feed post, asked for",
        },
        id: post.id,
        audience: Audience::Guests,
    };
    let frame = frame(app, post, scene)?;
    let looked_at = post.preview.as_ref().map(|preview| preview.fetched_at);
    let made_from = fragments::hash((
        post.version,
        looked_at,
        &post.pictures,
        &frame,
        &post.colour,
        &post.avatar,
    ));
    app.fragments.get_or_render(key, made_from, None, || {
        let f = frame.as_ref().map(Value::from_serialize);
        app.html
            .render("posts/post.html", context! { p => shown(post, scene), f })
    })
}

/// The frame that a script post runs in, unless its scene is plain; nothing where the script isn't to be seen any more.
fn frame(app: &App, post: &Post, scene: Scene) -> Result<Option<Framed>, Error> {
    if post.kind != Kind::Script || scene.plain {
        return Ok(None);
    }
    match scripts::in_frame(app, &post.script, format!("post-{}-script", post.id)) {
        Ok(framed) => Ok(Some(framed)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a page with these posts loads: of a wall, if `of` says whose.
///
/// # Errors
/// The template's.
pub fn head(app: &App, posts: &[Post], of: Option<&str>, plain: bool) -> Result<String, Error> {
    let runs = !plain && posts.iter().any(|post| post.kind == Kind::Script);
    app.html.render("posts/head.html", context! { feed => of, runs, plain })
}

/// Some posts, one after the other.
///
/// # Errors
/// The template's.
pub fn posts(app: &App, posts: &[Post], scene: Scene) -> Result<String, Error> {
    let mut html = String::with_capacity(posts.len() * 1_200);
    for one in posts {
        html.push_str(&post(app, one, scene)?);
    }
    Ok(html)
}

/// What the templates read as `p`.
pub fn shown(post: &Post, scene: Scene) -> Value {
    context! {
        id => post.id,
        wall => post.author,
        colour => post.colour,
        avatar => post.avatar,
        kind => post.kind,
        title => post.title,
        html => Value::from_safe_string(post.html.clone()),
        link => link(post),
        pictures => post.pictures.iter().map(figure).collect::<Vec<_>>(),
        at => words::moment(post.created_at),
        edited => post.edited_at.map(words::moment),
        own => scene.own,
        signed => scene.signed,
        plain => scene.plain,
        query => query(scene.carried),
        script => (post.kind == Kind::Script).then(|| format!("/sandbox/{}", post.script)),
        name => name(post),
    }
}

/// What a link says that leads on, behind an address without a query: `?plain=1`, or nothing.
pub fn query(carried: &str) -> String {
    match carried {
        "" => String::new(),
        carried => format!("?{carried}"),
    }
}

/// Where the page is that goes on below `before`.
pub fn further(at: &str, before: &str, carried: &str) -> String {
    match carried {
        "" => format!("{at}?before={before}"),
        carried => format!("{at}?before={before}&{carried}"),
    }
}

/// What else than how it is to be shown an address asked for, as the link to the other view keeps it.
pub fn also(before: Option<&str>) -> String {
    before.map_or_else(String::new, |before| format!("before={before}&"))
}

/// The longer side of a picture's middle size, in pixels.
const MEDIUM: u32 = 1_280;

/// A picture as the templates read it, and programs: where its files are, nothing for one that is gone, how large the middle
/// one is, and whether the full one moves.
#[derive(Serialize)]
pub struct Figure<'a> {
    id: Option<&'a str>,
    pub src: Option<String>,
    full: Option<String>,
    pub alt: &'a str,
    pub width: u32,
    pub height: u32,
    animated: bool,
}

/// A post's picture.
pub fn figure(picture: &Picture) -> Figure<'_> {
    let longer = picture.width.max(picture.height).max(1);
    let scaled = |side: u32| (u64::from(side) * u64::from(longer.min(MEDIUM)) / u64::from(longer)).max(1) as u32;
    let id = picture.media.as_deref();
    Figure {
        id,
        src: id.map(|id| media::url(id, "medium")),
        full: id.map(|id| media::url(id, "full")),
        alt: &picture.alt,
        width: scaled(picture.width),
        height: scaled(picture.height),
        animated: picture.animated,
    }
}

/// Of a link: where it leads, and what is known of what lies there.
#[derive(Serialize)]
pub struct Link<'a> {
    pub url: &'a str,
    pub site: &'a str,
    /// Empty where nothing is known.
    pub title: &'a str,
    pub description: &'a str,
    /// Where its small picture is.
    picture: Option<String>,
}

/// What a link post shows of its link.
pub fn link(post: &Post) -> Option<Link<'_>> {
    (post.kind == Kind::Link).then(|| card(&post.url, post.preview.as_ref()))
}

/// A link with what is known of what lies there.
pub fn card<'a>(url: &'a str, preview: Option<&'a Preview>) -> Link<'a> {
    let host = url
        .split("//")
        .nth(1)
        .and_then(|rest| rest.split(['/', '?', '#']).next());
    let host = host.unwrap_or_default();
    Link {
        url,
        site: preview
            .map(|preview| &*preview.site)
            .filter(|site| !site.is_empty())
            .unwrap_or(host.strip_prefix("www.").unwrap_or(host)),
        title: preview.map_or("", |preview| &preview.title),
        description: preview.map_or("", |preview| &preview.description),
        picture: preview
            .and_then(|preview| preview.picture_id.as_deref())
            .map(|id| format!("/previews/{id}")),
    }
}

/// What a post is called where it has no title: the beginning of what it says.
pub fn name(post: &Post) -> String {
    if !post.title.is_empty() {
        return post.title.clone();
    }
    match excerpt(&post.body, EXCERPT) {
        excerpt if excerpt.is_empty() && link(post).is_some_and(|link| !link.title.is_empty()) => {
            link(post).map_or_else(String::new, |link| link.title.to_owned())
        }
        excerpt if excerpt.is_empty() && post.pictures.iter().any(|picture| !picture.alt.is_empty()) => {
            let said = post.pictures.iter().find(|picture| !picture.alt.is_empty());
            said.map_or_else(String::new, |picture| self::excerpt(&picture.alt, EXCERPT))
        }
        excerpt if excerpt.is_empty() => format!("{}: a post of {}", post.author, words::day(post.created_at)),
        excerpt => excerpt,
    }
}

/// The beginning of a Markdown text, in one line and without its marks, of so many characters at most.
pub fn excerpt(body: &str, most: usize) -> String {
    let plain: String = body
        .lines()
        .map(|line| line.trim().trim_start_matches(['#', '>', '-', '*', ' ']))
        .filter(|line| !line.is_empty() && !line.starts_with("```"))
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '*' | '`' | '~'))
        .collect();
    let plain = plain.trim();
    if plain.chars().count() <= most {
        return plain.to_owned();
    }
    let cut: String = plain.chars().take(most).collect();
    // Whole words, unless there is but one.
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole);
    format!("{}…", whole.trim_end_matches([',', ';', ':', '.']))
}

/// A post as data, for programs. Times are Unix milliseconds.
#[derive(Serialize)]
pub struct Data<'a> {
    id: i64,
    wall: &'a str,
    kind: Kind,
    title: &'a str,
    body: &'a str,
    html: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<Link<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    script: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pictures: Vec<Figure<'a>>,
    created_at: i64,
    edited_at: Option<i64>,
    href: String,
}

pub fn data(post: &Post) -> Data<'_> {
    Data {
        id: post.id,
        wall: &post.author,
        kind: post.kind,
        title: &post.title,
        body: &post.body,
        html: &post.html,
        link: link(post),
        script: &post.script,
        pictures: post.pictures.iter().map(figure).collect(),
        created_at: post.created_at,
        edited_at: post.edited_at,
        href: post.address(),
    }
}

/// A page of a wall's posts.
pub struct Listed {
    pub posts: Vec<Post>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// The posts of a wall below a place.
///
/// # Errors
/// The database's.
pub fn listed(app: &App, user_id: i64, below: Place) -> Result<Listed, Error> {
    let mut posts = app.db.read(|db| queries::of_wall(db, user_id, below, PAGE))?;
    let more = posts.len() > PAGE;
    posts.truncate(PAGE);
    let next = posts
        .last()
        .filter(|_| more)
        .map(|last| format!("{}.{}", last.position, last.id));
    Ok(Listed { posts, next })
}

/// A wall's first posts, as they stand on it.
///
/// # Errors
/// The database's, the template's.
pub fn on_wall(app: &App, owner: &Profile, sight: Sight) -> Result<Piece, Error> {
    let stamp = app.topics.stamp([&*topic(&owner.name), MEDIA]);
    let key = Key {
        kind: match (sight.plain, sight.carried().is_empty()) {
            (false, true) => "posts",
            (true, true) => "plain posts",
            (false, false) => "posts, asked for",
            (true, false) => "plain posts, asked for",
        },
        id: owner.user_id,
        audience: if sight.own {
            Audience::Member(owner.user_id)
        } else {
            Audience::Guests
        },
    };
    app.fragments.piece(key, &stamp, || {
        let Listed { posts, next } = listed(app, owner.user_id, Place::TOP)?;
        let scene = Scene::on_wall(sight.own, sight.plain).carrying(sight.carried());
        let html = self::posts(app, &posts, scene)?;
        let next = next.map(|next| further(&format!("/wall/{}/posts", owner.name), &next, sight.carried()));
        let context = context! { wall => &*owner.name, posts => Value::from_safe_string(html), next, own => sight.own };
        Ok(Piece {
            head: head(app, &posts, Some(&owner.name), sight.plain)?.into(),
            html: app.html.render("posts/wall.html", context)?.into(),
        })
    })
}

/// What the drawer shows in edit mode, which `templates/posts/drawer.html` reads as `panel`: what one is writing, and what one has
/// deleted.
///
/// # Errors
/// The database's.
pub fn drawer(app: &App, _: &Viewer, owner: &Profile, _: &Form) -> Result<Value, Error> {
    let (drafts, removed) = app.db.read(|db| {
        Ok((
            queries::drafts(db, owner.user_id)?,
            queries::removed(db, owner.user_id, now_ms() - KEPT_MS, KEPT_MOST as usize)?,
        ))
    })?;
    let drafts: Vec<_> = drafts.iter().map(draft).collect();
    let removed: Vec<_> = removed
        .iter()
        .map(|post| {
            let says = match post.title.as_str() {
                "" => excerpt(&post.body, EXCERPT),
                title => title.to_owned(),
            };
            context! { id => post.id, kind => post.kind, says, at => words::moment(post.removed_at) }
        })
        .collect();
    Ok(context! { drafts, removed })
}

/// A draft in a list.
fn draft(draft: &Draft) -> Value {
    let field = |name: &str| {
        let found = draft.fields.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.trim())
    };
    let says = [field("title"), field("body"), field("url")]
        .into_iter()
        .find(|text| !text.is_empty())
        .map_or_else(String::new, |text| excerpt(text, EXCERPT));
    context! { id => draft.id, kind => field("kind"), says, at => words::moment(draft.updated_at) }
}

/// What changes when a wall's posts do.
pub fn topic(wall: &str) -> String {
    format!("posts:{wall}")
}
