//! Serving the files of pictures and sounds.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{file_of, queries};
use crate::{app::App, crypto::Bytes as Fixed, error::Error, files, session::Viewer, tokens::Scope};

/// `GET /media/{id}/{variant}`: one file, or a part of it. `may_see` says who may see what stands on a topic.
///
/// # Errors
/// [`Error::NotFound`] for what isn't there, and for what nothing uses that this viewer may see, unless it is theirs; 416 for a
/// part beyond the end.
pub async fn serve(
    app: &App,
    viewer: &Viewer,
    (id, variant): (&str, &str),
    headers: &HeaderMap,
    may_see: impl Fn(&Viewer, &str) -> bool,
) -> Result<Response, Error> {
    // What isn't the spelling of 128 bits is no picture's name.
    let id = Fixed::<16>::parse(id).ok_or(Error::NotFound)?.to_string();
    let (owner, uses, kept) = app.db.read(|db| {
        let owner = queries::owner(db, &id)?.ok_or(Error::NotFound)?;
        Ok((owner, queries::uses(db, &id)?, queries::kept(db, &id, variant)?))
    })?;
    let guest = Viewer::default();
    let public = uses.iter().any(|used| may_see(&guest, &used.topic));
    let own = || viewer.id() == Some(owner) && viewer.check(Scope::LibraryRead).is_ok();
    if !public && !own() && !uses.iter().any(|used| may_see(viewer, &used.topic)) {
        return Err(Error::NotFound);
    }
    let file = files::open(&file_of(app, &id, &kept.variant))
        .await?
        .ok_or(Error::NotFound)?;
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    // A part is asked for by who has the rest: what it is never changes.
    let (status, part) = match range.and_then(|range| part_of(range, kept.bytes)) {
        None => (StatusCode::OK, 0..kept.bytes),
        Some(Some(part)) => (StatusCode::PARTIAL_CONTENT, part),
        Some(None) => {
            let all = format!("bytes */{}", kept.bytes);
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, all)]).into_response());
        }
    };
    let lifetime = match public {
        true => "public, max-age=31536000, immutable",
        false => "private, max-age=31536000, immutable",
    };
    let mut response = files::stream(file, part.clone()).await?.into_response();
    *response.status_mut() = status;
    let all = response.headers_mut();
    let kind = HeaderValue::from_str(&kept.mime).map_err(Error::internal)?;
    all.insert(header::CONTENT_TYPE, kind);
    all.insert(header::CONTENT_LENGTH, (part.end - part.start).into());
    all.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    all.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime));
    all.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", part.start, part.end - 1, kept.bytes);
        all.insert(
            header::CONTENT_RANGE,
            HeaderValue::from_str(&range).map_err(Error::internal)?,
        );
    }
    Ok(response)
}

/// The one part that is asked for: `None` where it isn't one part in bytes, so that the whole is sent; `Some(None)` where it
/// lies beyond the end.
fn part_of(range: &str, bytes: u64) -> Option<Option<std::ops::Range<u64>>> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = (from.trim(), to.trim());
    let number = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())?
    };
    let (start, end) = match (from, to) {
        ("", "") => return None,
        ("", last) => (bytes.saturating_sub(number(last)?), bytes),
        (first, "") => (number(first)?, bytes),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(bytes)),
    };
    if start >= bytes {
        return Some(None);
    }
    (start < end).then_some(Some(start..end))
}

#[cfg(test)]
mod tests {
    use super::part_of;

    #[test]
    fn one_part_is_understood_and_the_rest_is_the_whole() {
        assert_eq!(part_of("bytes=0-", 10), Some(Some(0..10)));
        assert_eq!(part_of("bytes=2-4", 10), Some(Some(2..5)));
        assert_eq!(part_of("bytes=2-400", 10), Some(Some(2..10)));
        assert_eq!(part_of("bytes=-3", 10), Some(Some(7..10)));
        assert_eq!(part_of("bytes=-30", 10), Some(Some(0..10)));
        assert_eq!(part_of("bytes=10-", 10), Some(None));
        assert_eq!(part_of("bytes=-0", 10), Some(None));
        for whole in [
            "bytes=4-2",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "lines=1-2",
            "bytes=-",
            "bytes=+1-2",
        ] {
            assert_eq!(part_of(whole, 10), None, "{whole}");
        }
    }
}
