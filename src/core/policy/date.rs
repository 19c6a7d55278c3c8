//! Days, as policies write them.

use std::fmt;

use crate::core::decide::Timestamp;

/// A day of the Gregorian calendar, taken in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(jiff::civil::Date);

/// Seconds of a day.
const DAY: i64 = 86_400;

impl Date {
    /// The day, if there is one.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        jiff::civil::Date::new(year, month, day).ok().map(Self)
    }

    /// Parses `2026-11-28`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut digits = |count: usize| {
            let part = parts.next().filter(|part| part.len() == count)?;
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i16>().ok())?
        };
        let (year, month, day) = (digits(4)?, digits(2)?, digits(2)?);
        let rest = parts.next();
        rest.is_none().then(|| Self::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?))?
    }

    /// The day this many days later.
    pub fn later(self, days: i64) -> Option<Self> {
        self.0.checked_add(jiff::Span::new().try_days(days).ok()?).ok().map(Self)
    }

    /// Whether the day is over.
    pub fn is_past(self, now: Timestamp) -> bool {
        self.start().is_none_or(|start| now.0 >= start.saturating_add(DAY))
    }

    /// Whether the day is over in less than this many days, or already is.
    pub fn is_within(self, days: i64, now: Timestamp) -> bool {
        self.is_past(Timestamp(now.0.saturating_add(days.saturating_mul(DAY))))
    }

    /// The middle of the day.
    pub fn noon(self) -> Option<Timestamp> {
        self.start().map(|start| Timestamp(start.saturating_add(DAY / 2)))
    }

    fn start(self) -> Option<i64> {
        jiff::tz::TimeZone::UTC.to_timestamp(self.0.at(0, 0, 0, 0)).ok().map(jiff::Timestamp::as_second)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_past_when_it_is_over() {
        let date = Date::new(2026, 6, 30).unwrap();
        let midnight_after = 1_782_864_000;
        assert!(!date.is_past(Timestamp(midnight_after - 1)));
        assert!(date.is_past(Timestamp(midnight_after)));
        assert!(date.is_within(14, Timestamp(midnight_after - 14 * DAY)));
        assert!(!date.is_within(14, Timestamp(midnight_after - 14 * DAY - 1)));
        assert_eq!(Date::new(2026, 2, 30), None);
        assert_eq!(Date::parse("2026-06-30"), Some(date));
        for bad in ["", "2026-06", "2026-6-30", "2026-06-31", "2026-06-30-1", "2026-06-30 ", "+026-06-30", "2026-06-+1"]
        {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
        assert_eq!(date.to_string(), "2026-06-30");
    }
}
