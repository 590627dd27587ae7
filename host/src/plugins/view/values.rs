//! Which values attributes take.

use super::super::vocabulary::Kind;

pub(super) fn is_view_box(value: &str) -> bool {
    let mut numbers = value
        .split([' ', ','])
        .filter(|part| !part.is_empty())
        .map(str::parse::<f32>);
    let four = [numbers.next(), numbers.next(), numbers.next(), numbers.next()];
    numbers.next().is_none() && four.iter().all(|n| matches!(n, Some(Ok(n)) if n.is_finite()))
}

/// `None` when a value will do, else what is allowed.
pub(super) fn refused_value(kind: Kind, value: &str) -> Option<&'static str> {
    let all = |allowed: fn(u8) -> bool| value.bytes().all(allowed);
    let fine = match kind {
        Kind::Text | Kind::Flag => true,
        Kind::Link => is_local_path(value) || is_https(value),
        Kind::Image => is_local_path(value),
        Kind::Numbers => all(|b| b.is_ascii_digit() || b" .,+-eE%\n".contains(&b)),
        Kind::Path => all(|b| b.is_ascii_digit() || b" .,+-eE\nMmLlHhVvCcSsQqTtAaZz".contains(&b)),
        Kind::Transform => all(|b| b.is_ascii_alphanumeric() || b" .,+-()\n".contains(&b)) && !value.contains("url"),
        Kind::Paint => is_paint(value),
        Kind::GradientName => is_gradient_name(value),
        Kind::FieldName => (1..=64).contains(&value.len()) && all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
        Kind::Choice(allowed) => allowed.contains(&value),
    };
    if fine {
        return None;
    }
    Some(match kind {
        Kind::Link => "https://… or a path of this server such as /wall/ana",
        Kind::Image => "a path of this server such as /static/star.png; pictures from elsewhere aren't shown",
        Kind::Numbers => "a number, a percentage or a list of them",
        Kind::Path => "path data",
        Kind::Transform => "a list of functions such as \"rotate(45) translate(3 4)\"",
        Kind::Paint => "a colour such as #c03, red or rgb(20 30 40), none, currentColor, or url(#name) of a gradient",
        Kind::GradientName => "1 to 32 letters, digits, - or _",
        Kind::FieldName => "1 to 64 letters, digits, -, _ or .",
        Kind::Text | Kind::Flag | Kind::Choice(_) => "one of those listed",
    })
}

/// `https://host…`, without anything that a browser would read otherwise than it looks.
fn is_https(value: &str) -> bool {
    let Some(rest) = value.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain_host = !host.is_empty() && !host.contains('@') && !host.starts_with([':', '.']);
    plain_host && has_no_tricks(value)
}

/// `/…` on this server: not `//host`, and no `\`, which browsers read as `/`.
fn is_local_path(value: &str) -> bool {
    value.starts_with('/') && !value.starts_with("//") && has_no_tricks(value)
}

fn has_no_tricks(value: &str) -> bool {
    !value.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'\\')
}

fn is_paint(value: &str) -> bool {
    if let Some(name) = value.strip_prefix("url(#") {
        return name.strip_suffix(')').is_some_and(is_gradient_name);
    }
    let safe = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b" .,#%()-/".contains(&b));
    if !safe || value.is_empty() || value.len() > 64 {
        return false;
    }
    match value.split_once('(') {
        None => !value.contains(')'),
        Some((function, rest)) => {
            let known = [
                "rgb", "rgba", "hsl", "hsla", "oklch", "oklab", "hwb", "lab", "lch", "var",
            ];
            known.contains(&function) && rest.ends_with(')') && rest.matches(['(', ')']).count() == 1
        }
    }
}

fn is_gradient_name(value: &str) -> bool {
    (1..=32).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
