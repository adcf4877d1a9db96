//! Bytes in memory go in, a byte source comes out.

use crate::fetch::{ByteSource, Result};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use std::ops::Range;

/// A file that has been read already.
pub(crate) struct MemorySource(pub(crate) Bytes);

impl ByteSource for MemorySource {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.0.len());
        let (start, end) = (within(range.start), within(range.end));
        ready(Ok(self.0.slice(start..end.max(start)))).boxed()
    }
}
