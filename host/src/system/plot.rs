//! Small plots of the last minute, as SVG that the server writes.

use std::fmt::Write;

use minijinja::{Value, context};

use crate::{
    meter::{MINUTE, Sample},
    words,
};

/// The drawing's width and height, in its own units.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 120.0;
/// A gap in the samples of more than this many seconds is left open.
const GAP: f64 = 3.0;

/// How a series is drawn: a line, steps, or bars, each in an ink.
#[derive(Clone, Copy, PartialEq)]
enum Drawn {
    Line(&'static str),
    Steps(&'static str),
    Bars(&'static str),
}

/// Some figure over the last minute: pairs of seconds before now and the figure.
struct Series {
    name: &'static str,
    /// The legend's mark.
    mark: &'static str,
    drawn: Drawn,
    points: Vec<(f64, f64)>,
}

/// Every plot of the page, as `templates/system/figures.html` reads them.
pub fn all(minute: &[Sample]) -> Vec<Value> {
    let per_second = |count: fn(&Sample) -> u64| rates(minute, move |a, b| count(b).saturating_sub(count(a)) as f64);
    let gauge = |figure: fn(&Sample) -> f64| gauges(minute, figure);
    let times = |part: u64| {
        changes(minute, move |a, b, _| {
            let times = b.requests.since(&a.requests);
            (times.count() > 0).then(|| times.per_mille(part) as f64 / 1_000.0)
        })
    };
    let each_commit = |of: fn(&Sample) -> u64| {
        changes(minute, move |a, b, _| {
            let commits = b.commits.saturating_sub(a.commits);
            (commits > 0).then(|| of(b).saturating_sub(of(a)) as f64 / commits as f64)
        })
    };
    let mib = 1024.0 * 1024.0;
    vec![
        plot(
            ("requests", "Requests", "plate-blue", "answered a second"),
            count,
            vec![series(
                "answered",
                "c-blue",
                Drawn::Bars("a1"),
                per_second(|s| s.requests.count()),
            )],
        ),
        plot(
            ("times", "Where the time goes", "", "at the median"),
            ms,
            vec![
                series("p50", "c-blue-line", Drawn::Line("s1"), times(500)),
                series("p99", "c-red", Drawn::Line("s2"), times(990)),
            ],
        ),
        plot(
            ("fuel", "Plugin fuel", "plate-green", "a second"),
            |fuel| {
                if fuel < 1.0 {
                    "0".into()
                } else {
                    words::fuel(fuel as u64)
                }
            },
            vec![series(
                "burned",
                "c-green",
                Drawn::Bars("a3"),
                per_second(|s| s.plugin_fuel),
            )],
        ),
        plot(
            ("queue", "Write queue", "", "writes waiting"),
            count,
            vec![
                series("waiting", "c-ink", Drawn::Steps("s0"), gauge(|s| s.waiting as f64)),
                series(
                    "in one commit",
                    "c-blue-line",
                    Drawn::Line("s1"),
                    each_commit(|s| s.writes),
                ),
            ],
        )
        .scale(10.0, 10.0),
        plot(
            ("commits", "Commits", "", "to the disk and back"),
            ms,
            vec![series("one commit", "c-red", Drawn::Line("s2"), {
                let us = each_commit(|s| s.commit_us);
                us.into_iter().map(|(at, us)| (at, us / 1_000.0)).collect()
            })],
        ),
        plot(
            ("wal", "Write-ahead log", "", "not yet in the database file"),
            |bytes| words::size(bytes as u64),
            vec![series(
                "WAL",
                "c-ink",
                Drawn::Steps("s0"),
                gauge(|s| s.wal_bytes as f64),
            )],
        )
        .scale(mib, 2.0),
        plot(
            ("cache", "Pages", "plate-blue", "from memory, a second"),
            count,
            vec![
                series(
                    "from memory",
                    "c-blue-line",
                    Drawn::Line("s1"),
                    per_second(|s| s.page_hits),
                ),
                series("rendered", "c-red", Drawn::Line("s2"), per_second(|s| s.page_renders)),
            ],
        ),
        plot(
            ("memory", "Memory", "", "of the host"),
            |bytes| format!("{:.0} MiB", bytes / (1024.0 * 1024.0)),
            vec![
                series("host", "c-blue-line", Drawn::Line("s1"), gauge(|s| s.host_bytes as f64)),
                series(
                    "lanes",
                    "c-green-line",
                    Drawn::Steps("s3"),
                    gauge(|s| s.lanes_bytes as f64),
                ),
            ],
        )
        .scale(8.0 * mib, 2.0),
        plot(
            ("sockets", "Sockets", "plate-red", "open"),
            count,
            vec![series(
                "live pages",
                "c-red",
                Drawn::Steps("s2"),
                gauge(|s| s.sockets as f64),
            )],
        )
        .scale(10.0, 10.0),
    ]
    .into_iter()
    .map(Plot::finish)
    .collect()
}

fn series(name: &'static str, mark: &'static str, drawn: Drawn, points: Vec<(f64, f64)>) -> Series {
    Series {
        name,
        mark,
        drawn,
        points,
    }
}

/// Something of each sample but the first, from it and the one before, and the seconds between.
fn changes(minute: &[Sample], of: impl Fn(&Sample, &Sample, f64) -> Option<f64>) -> Vec<(f64, f64)> {
    let Some(now) = minute.last() else { return Vec::new() };
    let pairs = minute.windows(2);
    pairs
        .filter_map(|pair| {
            let seconds = (pair[1].at - pair[0].at).as_secs_f64().max(0.001);
            Some(((now.at - pair[1].at).as_secs_f64(), of(&pair[0], &pair[1], seconds)?))
        })
        .collect()
}

fn rates(minute: &[Sample], of: impl Fn(&Sample, &Sample) -> f64) -> Vec<(f64, f64)> {
    changes(minute, |a, b, seconds| Some(of(a, b) / seconds))
}

fn gauges(minute: &[Sample], of: impl Fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    let Some(now) = minute.last() else { return Vec::new() };
    minute
        .iter()
        .map(|sample| ((now.at - sample.at).as_secs_f64(), of(sample)))
        .collect()
}

fn count(figure: f64) -> String {
    match figure {
        f if f < 10.0 && f.fract() > 0.05 => format!("{f:.1}"),
        f => format!("{f:.0}"),
    }
}

fn ms(figure: f64) -> String {
    match figure {
        f if f < 1.0 => format!("{f:.2} ms"),
        f if f < 10.0 => format!("{f:.1} ms"),
        f => format!("{f:.0} ms"),
    }
}

struct Plot {
    id: &'static str,
    title: &'static str,
    plate: &'static str,
    unit: &'static str,
    words: fn(f64) -> String,
    series: Vec<Series>,
    /// The top of the scale is this at least …
    least: f64,
    /// … and a round figure in tens or in twos.
    base: f64,
}

fn plot(
    (id, title, plate, unit): (&'static str, &'static str, &'static str, &'static str),
    words: fn(f64) -> String,
    series: Vec<Series>,
) -> Plot {
    Plot {
        id,
        title,
        plate,
        unit,
        words,
        series,
        least: 0.1,
        base: 10.0,
    }
}

impl Plot {
    fn scale(mut self, least: f64, base: f64) -> Self {
        (self.least, self.base) = (least, base);
        self
    }

    fn finish(self) -> Value {
        let all = || {
            self.series
                .iter()
                .flat_map(|series| &series.points)
                .map(|point| point.1)
        };
        let (lowest, highest) = all().fold((f64::MAX, 0.0_f64), |(low, high), y| (low.min(y), high.max(y)));
        let top = round_up(highest.max(self.least), self.base);
        let mut paths = String::new();
        for series in &self.series {
            draw(&mut paths, series, top);
        }
        let now = self.series[0].points.last().map(|point| (self.words)(point.1));
        let said = match lowest <= highest {
            true => format!(
                "{} over the last minute: between {} and {}",
                self.title,
                (self.words)(lowest),
                (self.words)(highest)
            ),
            false => format!("{}: nothing yet", self.title),
        };
        let legend: Vec<Value> = self
            .series
            .iter()
            .map(|series| {
                let last = series.points.last().map(|point| (self.words)(point.1));
                context! { name => series.name, mark => series.mark, now => last }
            })
            .collect();
        context! {
            id => self.id,
            title => self.title,
            plate => self.plate,
            unit => self.unit,
            now => now.unwrap_or_else(|| "–".into()),
            label => said,
            top => (self.words)(top),
            paths => Value::from_safe_string(paths),
            legend,
        }
    }
}

/// The next of 1, 2, 5, 10, 20, 50, …, or of 1, 2, 4, 8, …, so that the scale doesn't move with every sample.
fn round_up(figure: f64, base: f64) -> f64 {
    if base == 2.0 {
        return figure.log2().ceil().exp2();
    }
    let power = 10_f64.powf(figure.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= figure).unwrap_or(steps[3])
}

/// A series as paths. Numbers and our own words: nothing in it needs escaping.
fn draw(out: &mut String, series: &Series, top: f64) {
    let seconds = MINUTE.as_secs_f64();
    let x = |ago: f64| WIDTH - ago / seconds * WIDTH;
    let y = |figure: f64| HEIGHT - figure / top * HEIGHT;
    let points = series.points.iter().filter(|point| point.0 <= seconds);
    let (Drawn::Line(ink) | Drawn::Steps(ink) | Drawn::Bars(ink)) = series.drawn;
    let mut path = String::new();
    let mut last: Option<(f64, f64)> = None;
    for (ago, figure) in points.copied() {
        // Writing into memory cannot fail.
        let _ = match series.drawn {
            Drawn::Bars(_) if figure > 0.0 => {
                write!(path, "M{:.1} {HEIGHT}V{:.1}h5.2V{HEIGHT}z", x(ago) - 6.0, y(figure))
            }
            Drawn::Bars(_) => Ok(()),
            _ if last.is_none_or(|(before, _)| before - ago > GAP) => {
                write!(path, "M{:.1} {:.1}", x(ago), y(figure))
            }
            Drawn::Line(_) => write!(path, "L{:.1} {:.1}", x(ago), y(figure)),
            Drawn::Steps(_) => write!(path, "H{:.1}V{:.1}", x(ago), y(figure)),
        };
        last = Some((ago, figure));
    }
    // Also an empty one, so that the next picture is this one with other numbers.
    let _ = write!(out, "<path class=\"{ink}\" d=\"{path}\"/>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_figure() {
        for (figure, top) in [
            (0.1, 0.1),
            (0.11, 0.2),
            (3.0, 5.0),
            (5.0, 5.0),
            (51.0, 100.0),
            (999.0, 1_000.0),
        ] {
            assert!(
                (round_up(figure, 10.0) - top).abs() < 1e-9,
                "{figure} → {}",
                round_up(figure, 10.0)
            );
        }
    }

    #[test]
    fn bytes_are_rounded_in_twos() {
        assert_eq!(
            [1.0, 3.0, 1_025.0].map(|figure| round_up(figure, 2.0)),
            [1.0, 4.0, 2_048.0]
        );
    }

    #[test]
    fn a_gap_stays_open() {
        let points = vec![(50.0, 1.0), (49.0, 2.0), (10.0, 1.0), (9.0, 1.0)];
        let mut out = String::new();
        draw(&mut out, &series("x", "c-ink", Drawn::Line("s0"), points), 2.0);
        assert_eq!(
            out,
            "<path class=\"s0\" d=\"M66.7 60.0L73.3 0.0M333.3 60.0L340.0 60.0\"/>"
        );
    }
}
