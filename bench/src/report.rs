//! What comes out: one row a metric.

use serde::Serialize;

/// What must hold.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// Ours by the baseline's, at least.
    RatioAtLeast(f64),
    /// Ours by the baseline's, at most.
    RatioAtMost(f64),
    /// Ours, at most.
    AtMost(f64),
    /// Ours, at least.
    AtLeast(f64),
    /// Ours beyond the baseline, at most.
    MoreAtMost(f64),
}

/// One metric.
#[derive(Debug, Serialize)]
pub struct Row {
    pub metric: &'static str,
    pub ours: f64,
    pub baseline: f64,
    pub ratio: f64,
    pub unit: &'static str,
    #[serde(serialize_with = "number")]
    pub bar: Bar,
    pub pass: bool,
    /// What the figures are, for people.
    #[serde(skip)]
    pub note: String,
}

impl Row {
    pub fn new(metric: &'static str, ours: f64, baseline: f64, unit: &'static str, bar: Bar, note: String) -> Self {
        let ratio = ours / baseline;
        let pass = match bar {
            Bar::RatioAtLeast(bar) => ratio >= bar,
            Bar::RatioAtMost(bar) => ratio <= bar,
            Bar::AtMost(bar) => ours <= bar,
            Bar::AtLeast(bar) => ours >= bar,
            Bar::MoreAtMost(bar) => ours - baseline <= bar,
        };
        Self {
            metric,
            ours: rounded(ours),
            baseline: rounded(baseline),
            ratio: rounded(ratio),
            unit,
            bar,
            pass,
            note,
        }
    }
}

fn number<S: serde::Serializer>(bar: &Bar, serializer: S) -> Result<S::Ok, S::Error> {
    let (Bar::RatioAtLeast(bar) | Bar::RatioAtMost(bar) | Bar::AtMost(bar) | Bar::AtLeast(bar) | Bar::MoreAtMost(bar)) =
        bar;
    serializer.serialize_f64(*bar)
}

/// Four significant digits.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let unit = 10f64.powf(value.abs().log10().floor() - 3.0);
    // By division where the unit is a fraction, so that 0.85 does not become 0.8500000000000001.
    if unit < 1.0 {
        (value / unit).round() / (1.0 / unit).round()
    } else {
        (value / unit).round() * unit
    }
}

/// The head of the table.
pub fn head() -> String {
    format!(
        "{:<18} {:>10} {:>10}  {:<7} {:>7}  {:<10} verdict",
        "metric", "ours", "baseline", "unit", "ratio", "bar"
    )
}

/// A row of the table.
pub fn line(row: &Row) -> String {
    let bar = match row.bar {
        Bar::RatioAtLeast(bar) => format!("≥ {bar} ×"),
        Bar::RatioAtMost(bar) => format!("≤ {bar} ×"),
        Bar::AtMost(bar) => format!("≤ {bar} {}", row.unit),
        Bar::AtLeast(bar) => format!("≥ {bar} {}", row.unit),
        Bar::MoreAtMost(bar) => format!("≤ +{bar} {}", row.unit),
    };
    format!(
        "{:<18} {:>10} {:>10}  {:<7} {:>7}  {bar:<10} {}",
        row.metric,
        short(row.ours),
        short(row.baseline),
        row.unit,
        short(row.ratio),
        if row.pass { "pass" } else { "MISSED" }
    )
}

fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        some if some >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}
