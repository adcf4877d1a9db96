//! A fault goes in, how long to wait before asking again comes out, or that asking again is of no use (pure).

use super::Fault;
use jiff::Timestamp;
use jiff::fmt::{rfc2822, strtime};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// A range is asked for at most this often.
pub(crate) const MAX_ATTEMPTS: u32 = 5;

/// A server that asks for a longer pause is not waited for.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// How patient a read is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The longest first pause; each further one may be twice as long.
    pub(crate) back_off: Duration,
    /// No attempt starts later than this after the first one.
    pub(crate) budget: Duration,
}

impl Patience {
    /// The pause after the failed attempt number `attempt` (from 1), `elapsed` after the first one began.
    /// Full jitter: any part of the doubling back-off, by `fraction` in 0..1, so that clients do not come back as one.
    pub(crate) fn wait_after(&self, fault: &Fault, attempt: u32, elapsed: Duration, fraction: f64) -> Option<Duration> {
        if attempt >= MAX_ATTEMPTS || !may_pass(fault) {
            return None;
        }
        let back_off = (self.back_off * (1 << attempt.saturating_sub(1).min(16))).min(MAX_WAIT).mul_f64(fraction);
        let wait = match fault {
            Fault::Status { retry_after: Some(asked), .. } => *asked + back_off,
            _ => back_off,
        };
        (wait <= MAX_WAIT + back_off && elapsed + wait <= self.budget).then_some(wait)
    }
}

/// Whether the same request may succeed later.
fn may_pass(fault: &Fault) -> bool {
    match fault {
        Fault::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599) && !matches!(status, 501 | 505),
        Fault::Transport(error) => !error.is_builder() && !error.is_redirect(),
        // A proxy may do these by turns, and servers behind one name may hold different versions for a while.
        Fault::Stalled { .. }
        | Fault::Short { .. }
        | Fault::WrongRange { .. }
        | Fault::IgnoresRange { .. }
        | Fault::Changed => true,
        // Who signs has been as patient as is of use.
        Fault::Io(_) | Fault::Signature { .. } => false,
    }
}

/// What a Retry-After header asks for: seconds, or the time until an HTTP-date, none if that has passed.
///
/// # Source
/// RFC 9110, sections 10.2.3 and 5.6.7 (three formats of dates).
pub(crate) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok().or_else(|| obsolete_date(text))?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// RFC 850 and asctime dates, which nobody should send any more and all must understand.
fn obsolete_date(text: &str) -> Option<Timestamp> {
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].iter().find_map(|format| {
        let civil = strtime::parse(format, text).ok()?.to_datetime().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

/// A fraction in 0..1 that differs between calls, tasks and processes; it need not be random in any stronger sense.
pub(crate) fn jitter() -> f64 {
    // Each RandomState has keys of its own.
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { back_off: Duration::from_millis(200), budget: Duration::from_secs(300) };

    fn status(status: u16, seconds: Option<u64>) -> Fault {
        Fault::Status { status, retry_after: seconds.map(Duration::from_secs) }
    }

    fn wait(fault: &Fault, attempt: u32) -> Option<Duration> {
        PATIENCE.wait_after(fault, attempt, Duration::ZERO, 0.999)
    }

    #[test]
    fn only_what_may_pass_is_retried_and_not_for_ever() {
        for code in [408, 425, 429, 500, 502, 503, 504] {
            assert!(wait(&status(code, None), 1).is_some(), "{code}");
        }
        for code in [400, 401, 403, 404, 409, 410, 412, 501] {
            assert!(wait(&status(code, None), 1).is_none(), "{code}");
        }
        assert!(wait(&Fault::Short { got: 1, expected: 2 }, MAX_ATTEMPTS - 1).is_some());
        assert!(wait(&Fault::Short { got: 1, expected: 2 }, MAX_ATTEMPTS).is_none());
        assert!(wait(&Fault::Io(std::io::ErrorKind::NotFound.into()), 1).is_none());
    }

    #[test]
    fn pauses_double_and_jitter_is_full() {
        let fault = status(503, None);
        let longest: Vec<u128> = (1..MAX_ATTEMPTS).map(|n| wait(&fault, n).unwrap().as_millis()).collect();
        assert_eq!(longest, [199, 399, 799, 1598]);
        assert_eq!(PATIENCE.wait_after(&fault, 3, Duration::ZERO, 0.0), Some(Duration::ZERO));
    }

    #[test]
    fn the_server_says_how_long_within_reason() {
        assert!(wait(&status(429, Some(7)), 1).unwrap() >= Duration::from_secs(7));
        assert!(wait(&status(429, Some(3600)), 1).is_none());
        assert!(wait(&status(429, Some(u64::MAX / 4)), 1).is_none());
    }

    #[test]
    fn the_budget_ends_it() {
        let late = PATIENCE.wait_after(&status(503, Some(10)), 1, Duration::from_secs(295), 0.5);
        assert_eq!(late, None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "1994-11-06T08:49:27Z".parse().unwrap();
        let ten = Some(Duration::from_secs(10));
        for text in [
            "10",
            " 10 ",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse_retry_after(text, now), ten, "{text}");
        }
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(parse_retry_after("soon", now), None);
        assert_eq!(parse_retry_after("-5", now), None);
    }

    #[test]
    fn jitter_differs_and_stays_a_fraction() {
        let draws: Vec<f64> = (0..100).map(|_| jitter()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!(draws.iter().any(|&draw| draw < 0.5) && draws.iter().any(|&draw| draw >= 0.5));
    }
}
