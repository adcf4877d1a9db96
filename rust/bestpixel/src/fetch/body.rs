//! A response goes in, its body comes out: no longer than announced, and not slower than bearable.

use super::{Fault, Meter};
use bytes::{Bytes, BytesMut};
use reqwest::Response;
use std::time::{Duration, Instant};

/// Less than this in a whole timeout is no progress: a body that drips would never time out.
const LEAST_PROGRESS: u64 = 1024;

/// Memory reserved before any byte has arrived is bounded: an announced length is only a claim. The largest read fits in
/// it, so that none is copied as it grows.
const FIRST_CAPACITY: u64 = 8 << 20;

/// Reads a body to its end.
///
/// # Errors
/// [`Fault::Stalled`], [`Fault::Transport`], and [`Fault::WrongRange`] where it is longer than `limit`.
pub(crate) async fn read_body(
    mut response: Response,
    limit: u64,
    timeout: Duration,
    meter: &Meter,
) -> Result<Bytes, Fault> {
    let announced = response.content_length().unwrap_or(0);
    let mut body = BytesMut::with_capacity(announced.min(limit).min(FIRST_CAPACITY) as usize);
    let mut pace = Pace::new(timeout, Instant::now());
    loop {
        let stalled = |body: &BytesMut| Fault::Stalled { waited: timeout, received: body.len() as u64 };
        let chunk = tokio::time::timeout(timeout, response.chunk()).await.map_err(|_| stalled(&body))?;
        let Some(chunk) = chunk.map_err(|error| Fault::Transport(error.without_url()))? else {
            return Ok(body.freeze());
        };
        meter.received(chunk.len());
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Fault::WrongRange { answer: format!("more than the {limit} bytes announced") });
        }
        body.extend_from_slice(&chunk);
        if !pace.keeps_up(chunk.len(), Instant::now()) {
            return Err(stalled(&body));
        }
    }
}

/// Whether enough arrives in each span of one timeout.
struct Pace {
    span: Duration,
    since: Instant,
    received: u64,
}

impl Pace {
    fn new(span: Duration, now: Instant) -> Self {
        Self { span, since: now, received: 0 }
    }

    fn keeps_up(&mut self, bytes: usize, now: Instant) -> bool {
        self.received += bytes as u64;
        if now.duration_since(self.since) < self.span {
            return true;
        }
        let is_enough = self.received >= LEAST_PROGRESS;
        (self.since, self.received) = (now, 0);
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dripping_body_does_not_keep_up() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(20), start);
        assert!((1..20).all(|second| pace.keeps_up(1, start + Duration::from_secs(second))));
        assert!(!pace.keeps_up(1, start + Duration::from_secs(20)));
    }

    #[test]
    fn a_slow_body_keeps_up() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(20), start);
        assert!((1..200).all(|second| pace.keeps_up(100, start + Duration::from_secs(second))));
    }
}
