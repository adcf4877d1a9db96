//! A part of a file goes in, a body comes out that is as fast, as complete and as well-behaved as it shall be.

use super::files::Part;
use super::server::State;
use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use std::io::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A body that may break.
pub(crate) type Body = UnsyncBoxBody<Bytes, Error>;

/// Bytes that are sent between two looks at the clock, where a line has its rate.
const PACED: usize = 16 * 1024;

/// Bytes that are sent together on a line without one.
const CHUNK: usize = 64 * 1024;

/// A stalled body ends at last, so that nothing waits for ever.
const STALL: Duration = Duration::from_secs(600);

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    /// The connection breaks after half of it.
    Cut,
    /// Silence after half of it.
    Stall,
}

/// A body of this part.
pub(crate) fn body(state: Arc<State>, mut part: Part, ending: Ending) -> Body {
    if ending != Ending::Complete {
        part.halve();
    }
    let chunks = unfold((state, part, ending), |(state, mut rest, ending)| async move {
        let most = if state.behaviour().bytes_per_s.is_some() { PACED } else { CHUNK };
        match rest.read(most) {
            Some(Ok(chunk)) => {
                state.pace(chunk.len()).await;
                state.stats().bytes += chunk.len() as u64;
                return Some((Ok(Frame::data(chunk)), (state, rest, ending)));
            }
            Some(Err(error)) => return Some((Err(error), (state, rest, Ending::Complete))),
            None => {}
        }
        match ending {
            Ending::Complete => return None,
            Ending::Cut => {
                // Else nothing of the half may have left before the connection breaks.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ending::Stall => tokio::time::sleep(STALL).await,
        }
        Some((Err(Error::other("broken on purpose")), (state, rest, Ending::Complete)))
    });
    StreamBody::new(chunks).boxed_unsync()
}

/// A line that all connections share.
#[derive(Debug, Default)]
pub(crate) struct Line(Mutex<Option<Instant>>);

impl Line {
    /// When these bytes will have passed.
    pub(crate) fn reserve(&self, bytes: usize, bytes_per_s: u64) -> Instant {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = free.unwrap_or_else(Instant::now).max(Instant::now());
        *free.insert(start + Duration::from_secs_f64(bytes as f64 / bytes_per_s.max(1) as f64))
    }
}
