//! Dates as people read them: the proleptic Gregorian calendar, without zones or leap seconds.

/// A date and time of day on somebody's wall. Compares in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime {
    /// The year, such as 2026.
    pub year: i32,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day of the month, 1 to 31.
    pub day: u8,
    /// The hour, 0 to 23.
    pub hour: u8,
    /// The minute, 0 to 59.
    pub minute: u8,
    /// The second, 0 to 59.
    pub second: u8,
}

const DAY_MS: i64 = 86_400_000;

impl DateTime {
    /// A moment, Unix milliseconds, by a clock that is `utc_offset_minutes` ahead of UTC.
    pub fn from_unix_ms(unix_ms: u64, utc_offset_minutes: i16) -> Self {
        let local = unix_ms.min(i64::MAX as u64 / 2) as i64 + i64::from(utc_offset_minutes) * 60_000;
        let (year, month, day) = civil_from_days(local.div_euclid(DAY_MS));
        let second = local.rem_euclid(DAY_MS) / 1000;
        Self {
            year,
            month,
            day,
            hour: (second / 3600) as u8,
            minute: (second / 60 % 60) as u8,
            second: (second % 60) as u8,
        }
    }

    /// The moment as Unix milliseconds, of a clock that is `utc_offset_minutes` ahead of UTC; 0 for what is before 1970.
    pub fn to_unix_ms(self, utc_offset_minutes: i16) -> u64 {
        let seconds = self.days() * 86_400 + i64::from(self.second_of_day()) - i64::from(utc_offset_minutes) * 60;
        (seconds * 1000).max(0) as u64
    }

    /// Reads `2026-11-21`, `2026-11-21T18:00` or `2026-11-21T18:00:30`, as settings of the kind `date` and date fields
    /// have it.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.trim().split_once('T').unwrap_or((text.trim(), "00:00"));
        let [year, month, day] = numbers(date, '-')?;
        let time = if time.matches(':').count() == 1 {
            &format!("{time}:00")
        } else {
            time
        };
        let [hour, minute, second] = numbers(time, ':')?;
        let valid = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year as i32, month as u8)).contains(&(day as u8))
            && hour < 24
            && minute < 60
            && second < 60;
        valid.then_some(Self {
            year: year as i32,
            month: month as u8,
            day: day as u8,
            hour: hour as u8,
            minute: minute as u8,
            second: second as u8,
        })
    }

    /// Whole days since 1 January 1970: for differences between dates.
    pub fn days(self) -> i64 {
        days_from_civil(self.year, self.month, self.day)
    }

    /// Seconds since midnight, 0 to 86,399.
    pub fn second_of_day(self) -> u32 {
        u32::from(self.hour) * 3600 + u32::from(self.minute) * 60 + u32::from(self.second)
    }

    /// The day of the week, 0 for Monday to 6 for Sunday.
    pub fn weekday(self) -> u8 {
        // 1 January 1970 was a Thursday.
        (self.days() + 3).rem_euclid(7) as u8
    }

    /// The day of the week in English, such as `Thursday`.
    pub fn weekday_name(self) -> &'static str {
        [
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
        ][usize::from(self.weekday())]
    }

    /// The month in English, such as `November`.
    pub fn month_name(self) -> &'static str {
        [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ][usize::from(self.month.clamp(1, 12)) - 1]
    }

    /// The time of day as `18:05`.
    pub fn clock(self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }

    /// As `2026-11-21T18:05`, for the `datetime` of a `time` element and the value of a date field.
    pub fn iso(self) -> String {
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}",
            self.year, self.month, self.day, self.hour, self.minute
        )
    }

    /// What a person would call it, seen from `now`: `18:05` today, `Thu 18:05` within the last week, `21 Nov` within
    /// the year, else `21 Nov 2026`.
    pub fn brief(self, now: Self) -> String {
        let days_ago = now.days() - self.days();
        let month = &self.month_name()[..3];
        match days_ago {
            0 => self.clock(),
            1..=6 => format!("{} {}", &self.weekday_name()[..3], self.clock()),
            _ if self.year == now.year => format!("{} {month}", self.day),
            _ => format!("{} {month} {}", self.day, self.year),
        }
    }
}

/// How many days a month has, 28 to 31.
pub fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn numbers(text: &str, separator: char) -> Option<[u32; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Both ways: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", whose years begin in March and whose eras
/// have 400 of them.
fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (
        (year_of_era + era * 400 + i64::from(month <= 2)) as i32,
        month as u8,
        day as u8,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        for days in (-800_000..800_000).step_by(37) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!((1..=days_in_month(year, month)).contains(&day));
        }
    }

    #[test]
    fn a_known_moment_has_its_known_date() {
        let date = DateTime::from_unix_ms(1_774_742_400_000, 60);
        assert_eq!(
            (date.iso().as_str(), date.weekday_name()),
            ("2026-03-29T01:00", "Sunday")
        );
        assert_eq!(date.to_unix_ms(60), 1_774_742_400_000);
        assert_eq!(DateTime::parse("2026-03-29T01:00"), Some(date));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2026",
            "2026-02-30",
            "2026-13-01",
            "2026-01-01T24:00",
            "2026-01-01T10",
            "a-b-c",
            "2026-1-1-1",
        ] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
    }
}
