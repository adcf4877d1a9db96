//! A datetime as users write it goes in, a half-open interval of time comes out.

use super::{Error, Result};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// From `start` to before `end`; an open end is unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Interval {
    /// `A/B`, or a single A; each a year, a month, a day or an RFC 3339 time, or `..` for an open end. The last day, month
    /// or year is included to its end.
    ///
    /// # Errors
    /// [`Error::Datetime`] for anything else, and where the end is before the start.
    ///
    /// ```
    /// use bestpixel::stac::Interval;
    /// let july = Interval::parse("2024-07-01/2024-07-31")?;
    /// assert!(july.contains("2024-07-31T23:59:59.999Z"));
    /// assert!(!july.contains("2024-08-01T00:00:00Z"));
    /// assert_eq!(july, Interval::parse("2024-07")?);
    /// # Ok::<(), bestpixel::stac::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let error = |reason: &str| Error::Datetime { text: text.to_owned(), reason: reason.to_owned() };
        let (first, last) = text.split_once('/').unwrap_or((text, text));
        let span = |part: &str| {
            parse_span(part.trim()).ok_or_else(|| {
                error("a year, a month (2024-07), a day (2024-07-01), an RFC 3339 time, or two of them with a slash between")
            })
        };
        let open = |part: &str| matches!(part.trim(), ".." | "");
        let start = if open(first) { None } else { Some(span(first)?.0) };
        let end = if open(last) { None } else { Some(span(last)?.1) };
        match (start, end) {
            (None, None) => Err(error("at least one end must be given")),
            (Some(start), Some(end)) if start >= end => Err(error("the end is before the start")),
            _ => Ok(Self { start, end }),
        }
    }

    /// Whether an RFC 3339 time lies inside; false for a text that is none.
    pub fn contains(&self, time: &str) -> bool {
        time.parse().is_ok_and(|time| self.holds(time))
    }

    /// Whether an instant lies inside.
    pub fn holds(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time < end)
    }

    /// As STAC APIs take it: both ends inclusive and in full. A bare date would lose its last day at the Planetary
    /// Computer and is refused by Element84.
    pub fn to_rfc3339(&self) -> String {
        let last = |end: Timestamp| {
            let last = end.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(end);
            // Milliseconds are what every server reads; the end of a day is a whole second less one nanosecond.
            if end.subsec_nanosecond() == 0 { format!("{last:.3}") } else { last.to_string() }
        };
        let open = || "..".to_owned();
        let start = self.start.map_or_else(open, |start| start.to_string());
        format!("{start}/{}", self.end.map_or_else(open, last))
    }
}

/// First instant, and the first instant after.
fn parse_span(text: &str) -> Option<(Timestamp, Timestamp)> {
    let midnight = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let (first, next) = match text.len() {
        4 => {
            let year = text.parse::<i16>().ok()?;
            (Date::new(year, 1, 1).ok()?, Date::new(year + 1, 1, 1).ok()?)
        }
        7 => {
            let first: Date = format!("{text}-01").parse().ok()?;
            (first, first.last_of_month().tomorrow().ok()?)
        }
        10 => {
            let day: Date = text.parse().ok()?;
            (day, day.tomorrow().ok()?)
        }
        _ => {
            let time: Timestamp = text.parse().ok()?;
            return Some((time, time.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?));
        }
    };
    Some((midnight(first)?, midnight(next)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_a_user_writes() {
        let inside = |text, time| Interval::parse(text).unwrap().contains(time);
        assert!(inside("2024", "2024-12-31T23:59:59Z") && !inside("2024", "2025-01-01T00:00:00Z"));
        assert!(inside("2024-02", "2024-02-29T12:00:00Z") && !inside("2024-02", "2024-03-01T00:00:00Z"));
        assert!(inside("2024-07-01", "2024-07-01T10:00:00Z") && !inside("2024-07-01", "2024-07-02T00:00:00Z"));
        assert!(inside("2024-07-01/..", "2031-01-01T00:00:00Z") && !inside("2024-07-01/..", "2024-06-30T00:00:00Z"));
        assert!(inside("2024-06/2024-07", "2024-07-31T10:00:00Z"));
        assert!(inside("2024-07-01T10:00:00Z/2024-07-01T12:00:00+01:00", "2024-07-01T11:00:00Z"));
    }

    #[test]
    fn servers_get_whole_days_and_exact_times() {
        let sent = |text| Interval::parse(text).unwrap().to_rfc3339();
        assert_eq!(sent("2024-02"), "2024-02-01T00:00:00Z/2024-02-29T23:59:59.999Z");
        assert_eq!(sent("2024-07-01/.."), "2024-07-01T00:00:00Z/..");
        assert_eq!(sent("../2024"), "../2024-12-31T23:59:59.999Z");
        assert_eq!(sent("2024-07-01T10:00:00.5Z"), "2024-07-01T10:00:00.5Z/2024-07-01T10:00:00.5Z");
        assert_eq!(sent("2024-07-01T10:00:00+02:00/2024-07-01T12:00:00Z"), "2024-07-01T08:00:00Z/2024-07-01T12:00:00Z");
    }

    #[test]
    fn anything_else_is_named() {
        for text in ["", "../..", "yesterday", "2024-13", "2024-07-31/2024-07-01", "2024-02-30"] {
            let error = Interval::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
