//! The one trait of this folder: ranges in, bytes out; and the counters that all sources share.

use super::Result;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file or resource that gives byte ranges. All that it gives belongs to one version of the resource.
pub trait ByteSource: Send + Sync {
    /// How messages name it: no query, no secret.
    fn name(&self) -> &str;

    /// The bytes of `range`, fewer only where the resource ends inside it. One call is one request, unless it has to be
    /// repeated. Dropping the future gives up the request.
    ///
    /// # Errors
    /// [`super::Error::Read`]; failures that may pass have been retried.
    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>>;
}

/// Counts what was asked for and what arrived.
#[derive(Debug, Default)]
pub struct Meter {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    /// Counts one request, retries included.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of a body.
    pub(crate) fn received(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Requests and bytes so far.
    pub fn totals(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}
