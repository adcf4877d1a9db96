//! The one trait of this folder: ranges in, bytes out; and the counters that all sources share.

use super::{Result, Version, coalesce};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
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

    /// The bytes of many ranges; those that lie near one another come by one request.
    fn read_ranges<'a>(&'a self, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Vec<Part>> {
        let reads = coalesce(ranges).into_iter().map(async move |(read, members): (Range<u64>, Vec<usize>)| {
            let bytes = self.read(read.clone()).await;
            let cut = |bytes: Bytes| {
                let at = |position: u64| ((position - read.start) as usize).min(bytes.len());
                members.iter().map(|&i| bytes.slice(at(ranges[i].start)..at(ranges[i].end))).collect()
            };
            let bytes = bytes.map(cut);
            (members, bytes)
        });
        join_all(reads).boxed()
    }

    /// The version to which all bytes belong that it has given, where that is known for certain.
    fn version(&self) -> Option<Version> {
        None
    }

    /// Told of bytes that are said to be of a version, by somebody who has kept them. True where they may be used; then
    /// all bytes that it gives from now on are of the same version.
    fn vouch(&self, _version: &Version, _range: &Range<u64>, _bytes: &[u8]) -> bool {
        false
    }
}

/// What came of one request: the indices of the ranges in it, and the bytes of each, fewer only where the resource ends.
pub type Part = (Vec<usize>, Result<Vec<Bytes>>);

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
