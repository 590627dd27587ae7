//! What a page that somebody links to says of itself: its title, a sentence, a small picture. Fetched by the server, so that nobody
//! who reads a wall is seen by the sites that it links to; kept, so that those sites aren't asked again and again.

use std::{cell::RefCell, sync::Arc};

use axum::{extract::State, response::Response};
use encoding_rs::{Encoding, UTF_8};
use html5ever::{
    LocalName,
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind::{Rawtext, Rcdata, ScriptData},
    },
};
use http::{HeaderValue, header};
use rusqlite::{Row, params};
use url::Url;

use crate::{
    app::{App, now_ms},
    crypto,
    db::{Reader, Tx},
    error::Error,
    fetch::{self, Fetched, Refusal, Wanted},
    http::Path,
    media,
};

/// Characters of a title and of a description that are kept.
const TITLE_MOST: usize = 200;
const DESCRIPTION_MOST: usize = 300;
/// A preview is looked for again after so long, in milliseconds: a day, and ten minutes where there was none.
const FRESH_MS: i64 = 24 * 3_600_000;
const FRESH_WITHOUT_MS: i64 = 10 * 60_000;
/// What no post leads to any more is forgotten after so long: 30 days, some at a time.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;
const FORGOTTEN_AT_ONCE: i64 = 20;

/// A page's head lies at its beginning.
const PAGE: Wanted = Wanted {
    kinds: &["text/html", "application/xhtml+xml"],
    most: 512 * 1024,
    beginning: true,
};

/// What a page says that it looks like.
const PICTURE: Wanted = Wanted {
    kinds: &["image/jpeg", "image/png", "image/gif", "image/webp"],
    most: 4 << 20,
    beginning: false,
};
/// Bytes of a small picture that are kept.
const PICTURE_MOST: usize = 256 * 1024;

/// What is shown of a page. Without a title there is none, and `why` says why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// The host that answered.
    pub site: String,
    pub title: String,
    pub description: String,
    pub why: String,
    /// Stands in the address of its picture, if it has one.
    pub picture_id: Option<String>,
    /// Unix milliseconds.
    pub fetched_at: i64,
}

/// A small picture, made anew here.
struct Kept {
    id: String,
    small: media::Small,
}

impl Preview {
    /// The columns site, title, description, why, fetched_at, picture_id from `first` on; nothing where they are null.
    pub fn of(row: &Row, first: usize) -> rusqlite::Result<Option<Self>> {
        let Some(fetched_at) = row.get(first + 4)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            site: row.get(first)?,
            title: row.get(first + 1)?,
            description: row.get(first + 2)?,
            why: row.get(first + 3)?,
            fetched_at,
            picture_id: row.get(first + 5)?,
        }))
    }

    fn is_fresh(&self, now: i64) -> bool {
        let lasts = if self.title.is_empty() {
            FRESH_WITHOUT_MS
        } else {
            FRESH_MS
        };
        now < self.fetched_at + lasts
    }
}

/// What is known of a page.
///
/// # Errors
/// The database's.
fn known(db: &Reader, url: &str) -> Result<Option<Preview>, Error> {
    let found = db.maybe(
        "select site, title, description, why, fetched_at, picture_id from link_previews where url = ?1",
        [url],
        |row| Preview::of(row, 0),
    )?;
    Ok(found.flatten())
}

/// What a page says of itself: as it was kept, or as it says it now. Always answers; where there is nothing to show it says why.
///
/// # Errors
/// The database's.
pub async fn look(app: &App, url: &str) -> Result<Preview, Error> {
    let now = now_ms();
    let old = app.db.read(|db| known(db, url))?;
    if let Some(old) = &old
        && old.is_fresh(now)
    {
        return Ok(old.clone());
    }
    let (mut new, picture) = match fetched(app, url).await {
        Ok(found) => found,
        // What it said last is better than nothing.
        Err(_) if old.as_ref().is_some_and(|old| !old.title.is_empty()) => (old.unwrap_or_default(), None),
        Err(refusal) => {
            let why = refusal.to_string();
            let none = Preview {
                why,
                ..Preview::default()
            };
            (none, None)
        }
    };
    new.fetched_at = now;
    let (url, kept) = (Arc::<str>::from(url), new.clone());
    app.db.write(move |tx| keep(tx, &url, &kept, picture.as_ref())).await?;
    Ok(new)
}

fn keep(tx: &Tx, url: &str, preview: &Preview, picture: Option<&Kept>) -> Result<(), Error> {
    tx.run(
        "insert into link_previews (url, site, title, description, why, fetched_at) values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (url) do update
            set site = excluded.site, title = excluded.title, description = excluded.description, why = excluded.why,
                fetched_at = excluded.fetched_at",
        params![
            url,
            preview.site,
            preview.title,
            preview.description,
            preview.why,
            preview.fetched_at
        ],
    )?;
    // One that is known keeps its picture when there is no other.
    if let Some(picture) = picture {
        tx.run(
            "update link_previews
                set picture = ?2, picture_mime = ?3, picture_id = ?4, width = ?5, height = ?6
              where url = ?1",
            params![
                url,
                picture.small.bytes,
                picture.small.mime,
                picture.id,
                picture.small.width,
                picture.small.height
            ],
        )?;
    } else if preview.picture_id.is_none() {
        tx.run(
            "update link_previews set picture = null, picture_mime = '', picture_id = null where url = ?1",
            [url],
        )?;
    }
    tx.run(
        "delete from link_previews
          where url in (select url from link_previews where fetched_at < ?1 order by fetched_at limit ?2)
            and not exists (select 1 from posts p where p.url = link_previews.url)",
        [preview.fetched_at - KEPT_MS, FORGOTTEN_AT_ONCE],
    )?;
    // Everybody who links there shows it.
    let walls = tx.all(
        "select distinct u.name
           from posts p
           join users u on u.id = p.user_id
          where p.url = ?1 and p.url <> '' and p.removed_at is null",
        [url],
        |row| row.get::<_, String>(0),
    )?;
    for wall in &walls {
        super::mutations::touch(tx, wall);
    }
    Ok(())
}

async fn fetched(app: &App, url: &str) -> Result<(Preview, Option<Kept>), Refusal> {
    let page = fetch::get(app, &fetch::address(url)?, PAGE).await?;
    let says = read(&page);
    let site = page.url.host_str().unwrap_or_default();
    let title = match line(&says.title(), TITLE_MOST) {
        title if title.is_empty() => return Err(Refusal::Untitled(site.to_owned())),
        title => title,
    };
    let picture = match says.picture().and_then(|picture| page.url.join(&picture).ok()) {
        Some(at) => picture(app, &at).await,
        None => None,
    };
    let preview = Preview {
        site: site.strip_prefix("www.").unwrap_or(site).to_owned(),
        title,
        description: line(&says.description(), DESCRIPTION_MOST),
        picture_id: picture.as_ref().map(|picture| picture.id.clone()),
        ..Preview::default()
    };
    Ok((preview, picture))
}

/// The picture of a page, small and made anew; left out where anything is wrong with it.
async fn picture(app: &App, at: &Url) -> Option<Kept> {
    let found = fetch::get(app, &fetch::address(at.as_str()).ok()?, PICTURE)
        .await
        .ok()?;
    let small = media::small(app, &found.body).await.ok()?;
    (small.bytes.len() <= PICTURE_MOST).then(|| Kept {
        id: crypto::Bytes(crypto::random::<16>()).to_string(),
        small,
    })
}

/// `GET /previews/{id}`: the small picture of a page that somebody links to.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn picture_file(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    let (bytes, mime) = app.db.read(|db| {
        db.one(
            "select picture, picture_mime from link_previews where picture_id = ?1",
            [&id],
            |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?)),
        )
    })?;
    let mut response = Response::new(bytes.into());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(&mime).map_err(Error::internal)?,
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    Ok(response)
}

/// A text as one line, without what can't be seen, of so many characters at most.
fn line(text: &str, most: usize) -> String {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let text: String = text.chars().map(|c| if invisible(c) { ' ' } else { c }).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}

/// What the head of a page says.
#[derive(Debug, Default)]
struct Says {
    title: String,
    in_title: bool,
    /// `og:title` and the like, by name: the first of each.
    metas: Vec<(String, String)>,
    over: bool,
}

impl Says {
    fn meta(&self, name: &str) -> Option<&str> {
        let found = self.metas.iter().find(|(its_name, _)| its_name == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    fn title(&self) -> String {
        let title = self.meta("og:title").or_else(|| self.meta("twitter:title"));
        title.unwrap_or(&self.title).to_owned()
    }

    fn picture(&self) -> Option<String> {
        let names = ["og:image", "og:image:url", "og:image:secure_url", "twitter:image"];
        names.into_iter().find_map(|name| self.meta(name)).map(str::to_owned)
    }

    fn description(&self) -> String {
        let names = ["og:description", "description", "twitter:description"];
        names
            .into_iter()
            .find_map(|name| self.meta(name))
            .unwrap_or_default()
            .to_owned()
    }
}

/// Reads tokens as a browser would, and notes what is of use.
#[derive(Default)]
struct Head(RefCell<Says>);

impl TokenSink for Head {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut says = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) if says.in_title && says.title.len() < 4 * TITLE_MOST => {
                says.title.push_str(&text);
            }
            Token::TagToken(tag) => return said(&mut says, &tag),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn said(says: &mut Says, tag: &Tag) -> TokenSinkResult<()> {
    let begins = tag.kind == TagKind::StartTag;
    match &*tag.name {
        "title" => {
            says.in_title = begins && says.title.is_empty() && !says.over;
            if begins {
                return TokenSinkResult::RawData(Rcdata);
            }
        }
        "meta" if begins && !says.over => {
            let attribute = |name: &str| {
                let name = LocalName::from(name);
                tag.attrs
                    .iter()
                    .find(|a| a.name.local == name)
                    .map(|a| a.value.to_string())
            };
            let name = attribute("property").or_else(|| attribute("name"));
            if let (Some(name), Some(content)) = (name, attribute("content"))
                && says.metas.len() < 100
            {
                says.metas.push((name.trim().to_ascii_lowercase(), content));
            }
        }
        // What follows is shown, and may be anybody's: a comment that quotes a tag, say.
        "body" if begins => says.over = true,
        "textarea" if begins => return TokenSinkResult::RawData(Rcdata),
        "script" if begins => return TokenSinkResult::RawData(ScriptData),
        "style" | "noscript" | "iframe" | "noembed" | "noframes" | "xmp" if begins => {
            return TokenSinkResult::RawData(Rawtext);
        }
        _ => {}
    }
    TokenSinkResult::Continue
}

fn read(page: &Fetched) -> Says {
    let (text, ..) = encoding(page).decode(&page.body);
    let tokenizer = Tokenizer::new(Head::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(&text));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

/// What the page says that it is written in: in its header, or at its beginning.
fn encoding(page: &Fetched) -> &'static Encoding {
    let after = |text: &str| -> Option<&'static Encoding> {
        let at = text.to_ascii_lowercase().find("charset=")?;
        let label = text[at + "charset=".len()..].trim_start_matches(['"', '\'', ' ']);
        let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)));
        Encoding::for_label(&label.as_bytes()[..end.unwrap_or(label.len())])
    };
    let beginning = String::from_utf8_lossy(&page.body[..page.body.len().min(1_024)]);
    after(&page.kind).or_else(|| after(&beginning)).unwrap_or(UTF_8)
}

/// An address that a link may lead to, as it is kept: https or http.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn target(text: &str) -> Result<String, &'static str> {
    const ALLOWED: &str = "Write a web address in full, like https://example.org/page.";
    if text.len() > 2_000 {
        return Err("That address is too long: 2,000 characters at most.");
    }
    let url = Url::parse(text.trim()).map_err(|_| ALLOWED)?;
    let plain = matches!(url.scheme(), "https" | "http") && url.has_host();
    if !plain {
        return Err(ALLOWED);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("That address has a name or a password in it, which everybody would see.");
    }
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(kind: &str, body: &[u8]) -> (String, String) {
        let says = read(&Fetched {
            url: Url::parse("https://example.org/").unwrap(),
            kind: kind.into(),
            body: body.into(),
        });
        (
            line(&says.title(), TITLE_MOST),
            line(&says.description(), DESCRIPTION_MOST),
        )
    }

    #[test]
    fn a_page_is_read_as_a_browser_reads_it() {
        for (body, title, description) in [
            (&b"<title>Tea &amp; <b>moths</b></title>"[..], "Tea & <b>moths</b>", ""),
            (b"<TITLE>\n one\n two </TITLE><title>three</title>", "one two", ""),
            (
                b"<meta property=og:title content='Open'><title>Plain</title><meta name=Description content=Say>",
                "Open",
                "Say",
            ),
            (
                b"<title>Here</title><script>'<meta property=\"og:title\" content=\"no\">'</script>",
                "Here",
                "",
            ),
            (b"<!-- <title>no</title> --><title>yes", "yes", ""),
            (b"<title>a\xe2\x80\xaeb\x00c</title>", "a b\u{fffd}c", ""),
            (b"<body><title>shown</title><meta property=og:title content=no>", "", ""),
            (b"", "", ""),
            (b"<<<>>><meta", "", ""),
        ] {
            let (got_title, got_description) = says("text/html", body);
            assert_eq!(got_title, title, "{:?}", String::from_utf8_lossy(body));
            assert_eq!(got_description, description);
        }
    }

    #[test]
    fn a_page_in_another_encoding_is_understood() {
        let koi8 = b"<title>\xd0\xd2\xc9\xd7\xc5\xd4</title>";
        assert_eq!(says("text/html; charset=koi8-r", koi8).0, "привет");
        let latin = b"<meta charset='iso-8859-1'><title>caf\xe9</title>";
        assert_eq!(says("text/html", latin).0, "café");
        assert_eq!(
            says("text/html; charset=nonsense", "<title>für</title>".as_bytes()).0,
            "für"
        );
    }

    #[test]
    fn long_texts_are_cut_and_addresses_are_kept_whole() {
        let long = format!("<title>{}</title>", "x".repeat(100_000));
        assert_eq!(says("text/html", long.as_bytes()).0.chars().count(), TITLE_MOST + 1);
        assert_eq!(target(" https://EXAMPLE.org ").unwrap(), "https://example.org/");
        assert_eq!(target("http://example.org/a b").unwrap(), "http://example.org/a%20b");
        for wrong in [
            "",
            "example.org",
            "javascript:alert(1)",
            "data:text/html,x",
            "//x",
            "https://",
            "ftp://x/",
            "https://a:b@x/",
        ] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
