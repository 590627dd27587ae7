//! Times and amounts in words for people; the same on every page.

use std::time::{Duration, Instant};

use jiff::{Timestamp, tz::TimeZone};
use minijinja::{Value, context};

/// How long something took, for the status line: "0.42 ms".
pub fn lasted(since: Instant) -> String {
    duration(since.elapsed())
}

/// A short time: "0.42 ms", "12 ms".
pub fn duration(time: Duration) -> String {
    match time.as_secs_f64() * 1_000.0 {
        ms if ms < 1.0 => format!("{ms:.2} ms"),
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.0} ms"),
    }
}

/// How long a sound lasts: "3:07".
pub fn clock(ms: u64) -> String {
    let seconds = (ms + 500) / 1_000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// A day: "3 Nov 2026".
pub fn day(ms: i64) -> String {
    written(ms, "%-d %b %Y")
}

/// A moment: "3 Nov, 01:22 UTC".
pub fn time(ms: i64) -> String {
    written(ms, "%-d %b, %H:%M UTC")
}

/// A moment for machines (RFC 3339, to the millisecond) and for people: `iso` and `text`.
pub fn moment(ms: i64) -> Value {
    context! { iso => iso(ms), text => time(ms) }
}

/// RFC 3339, to the millisecond.
pub fn iso(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

/// Fuel, in millions: "0.21 M", "10 M".
pub fn fuel(units: u64) -> String {
    match units as f64 / 1e6 {
        m if m < 0.01 => "under 0.01 M".into(),
        m if m < 10.0 && m.fract() != 0.0 => format!("{m:.2} M"),
        m => format!("{m:.0} M"),
    }
}

/// A size: "512 KiB", "1.1 MiB".
pub fn size(bytes: u64) -> String {
    match bytes as f64 / 1024.0 {
        kib if kib < 1024.0 => format!("{kib:.0} KiB"),
        kib if (kib / 1024.0).fract() < 0.05 => format!("{:.0} MiB", kib / 1024.0),
        kib => format!("{:.1} MiB", kib / 1024.0),
    }
}

fn written(ms: i64, format: &str) -> String {
    let Ok(at) = Timestamp::from_millisecond(ms) else {
        return String::new();
    };
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_like_words() {
        assert_eq!(fuel(210_000), "0.21 M");
        assert_eq!(fuel(10_000_000), "10 M");
        assert_eq!(size(512 * 1024), "512 KiB");
        assert_eq!(size(1_153_434), "1.1 MiB");
        assert_eq!(time(0), "1 Jan, 00:00 UTC");
    }
}
