//! Which failures may pass, and how long to wait before asking again.

use super::Error;
use std::time::{Duration, SystemTime};

/// A request is made at most this often.
pub(crate) const MAX_ATTEMPTS: u32 = 5;

/// Waits never grow longer than this; a server that asks for more is not waited for.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// How long to wait before attempt `attempt + 1`, or None where asking again is of no use.
/// The wait doubles from half a second with full jitter; Retry-After is obeyed.
pub(crate) fn wait_after(error: &Error, attempt: u32) -> Option<Duration> {
    if attempt >= MAX_ATTEMPTS {
        return None;
    }
    let back_off = Duration::from_millis(500 << attempt.saturating_sub(1)).mul_f64(jitter());
    match error {
        Error::Status { status: 408 | 429 | 500..=599, retry_after_s, .. } => {
            let wait = Duration::from_secs(retry_after_s.unwrap_or(0)).max(back_off);
            (wait <= MAX_WAIT).then_some(wait)
        }
        Error::Transport { .. } | Error::Short { .. } | Error::WrongRange { .. } => Some(back_off),
        _ => None,
    }
}

/// A fraction in 0..1 that differs between calls; it need not be random in any stronger sense.
fn jitter() -> f64 {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.subsec_nanos());
    f64::from(nanos.wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after_s: Option<u64>) -> Error {
        Error::Status { href: String::new(), status, range: 0..1, retry_after_s }
    }

    #[test]
    fn only_what_may_pass_is_retried_and_not_for_ever() {
        assert!(wait_after(&status(503, None), 1).is_some());
        assert!(wait_after(&status(404, None), 1).is_none());
        assert!(wait_after(&status(503, None), MAX_ATTEMPTS).is_none());
    }

    #[test]
    fn the_server_says_how_long() {
        assert!(wait_after(&status(429, Some(7)), 1).unwrap() >= Duration::from_secs(7));
        assert!(wait_after(&status(429, Some(3600)), 1).is_none());
    }
}
