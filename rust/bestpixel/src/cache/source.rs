//! A byte source goes in, the same source comes out, which asks only for what is not kept.
//!
//! Bytes are kept under the version that the server named with them: a strong `ETag` and the size. The last version that
//! was heard of is believed for a day without asking. What is taken out of the cache pins the source to its version, as
//! bytes from the server would: so all that a source gives belongs to one version, and the first answer that names
//! another one is noticed.

use super::Cache;
use crate::fetch::{ByteSource, Part, Result, Version};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;

/// For so long a file is believed to be as it was last seen, where nothing else of it is asked for. HTTP's own heuristic
/// (RFC 9111, 4.2.2: a tenth of the file's age) would give weeks.
const TRUST: Duration = Duration::from_secs(24 * 3600);

/// What of a file is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// What is read piece by piece: its header.
    Header,
    /// Its tiles too.
    Everything,
}

/// A source in front of which a cache stands.
pub struct CachedSource {
    inner: Arc<dyn ByteSource>,
    cache: Arc<Cache>,
    /// What it is called in keys.
    identity: String,
    keep: Keep,
    /// What the cache believes to be the file's version; asked for once.
    believed: OnceCell<Option<Version>>,
    /// Whether the version that the server names has been kept in this run.
    is_confirmed: AtomicBool,
}

impl CachedSource {
    /// The source `inner`, known to the cache by its [`identity`](super::identity).
    pub fn new(inner: Arc<dyn ByteSource>, cache: Arc<Cache>, identity: String, keep: Keep) -> Self {
        Self { inner, cache, identity, keep, believed: OnceCell::new(), is_confirmed: AtomicBool::new(false) }
    }

    /// How the keys of a file begin: no identity holds a space.
    pub fn prefix(identity: &str) -> String {
        format!("{identity} ")
    }

    fn version_key(&self) -> String {
        format!("{}version", Self::prefix(&self.identity))
    }

    fn range_key(&self, version: &Version, range: &Range<u64>) -> String {
        format!("{}{version} {}-{}", Self::prefix(&self.identity), range.start, range.end)
    }

    /// The version that bytes from the cache must have: the one that bytes have been delivered of, else the believed one.
    async fn version(&self) -> Option<Version> {
        if let Some(version) = self.inner.version() {
            return Some(version);
        }
        let ask = async || {
            let entry = self.cache.get(vec![self.version_key()]).await.pop()??;
            entry.is_younger_than(TRUST).then(|| serde_json::from_slice(&entry.value).ok())?
        };
        self.believed.get_or_init(ask).await.clone()
    }

    /// What is kept of some ranges.
    async fn recall(&self, ranges: &[Range<u64>]) -> Vec<Option<Bytes>> {
        let Some(version) = self.version().await else { return vec![None; ranges.len()] };
        let keys = ranges.iter().map(|range| self.range_key(&version, range)).collect();
        let entries = self.cache.get(keys).await;
        let usable = |(entry, range): (Option<super::Entry>, &Range<u64>)| {
            let bytes = entry?.value;
            self.inner.vouch(&version, range, &bytes).then_some(bytes)
        };
        entries.into_iter().zip(ranges).map(usable).collect()
    }

    /// Keeps what the server has just given, under the version that it has named; and that version, once.
    async fn keep(&self, parts: impl Iterator<Item = (&Range<u64>, &Bytes)>) {
        let Some(version) = self.inner.version() else { return };
        for (range, bytes) in parts.filter(|(_, bytes)| !bytes.is_empty()) {
            self.cache.put(self.range_key(&version, range), bytes.clone()).await;
        }
        if !self.is_confirmed.swap(true, Ordering::Relaxed)
            && let Ok(text) = serde_json::to_vec(&version)
        {
            self.cache.put(self.version_key(), text.into()).await;
        }
    }

    async fn read_ranges_of(&self, ranges: &[Range<u64>]) -> Vec<Part> {
        if self.keep == Keep::Header {
            let parts = self.inner.read_ranges(ranges).await;
            if parts.iter().any(|(_, bytes)| bytes.is_ok()) {
                self.keep(std::iter::empty()).await;
            }
            return parts;
        }
        let (mut parts, mut missing) = (Vec::new(), Vec::new());
        for (index, bytes) in self.recall(ranges).await.into_iter().enumerate() {
            match bytes {
                Some(bytes) => parts.push((vec![index], Ok(vec![bytes]))),
                None => missing.push(index),
            }
        }
        let wanted: Vec<Range<u64>> = missing.iter().map(|&index| ranges[index].clone()).collect();
        for (members, bytes) in self.inner.read_ranges(&wanted).await {
            if let Ok(bytes) = &bytes {
                self.keep(members.iter().map(|&member| &wanted[member]).zip(bytes)).await;
            }
            parts.push((members.into_iter().map(|member| missing[member]).collect(), bytes));
        }
        parts
    }
}

impl ByteSource for CachedSource {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            if let [Some(bytes)] = &self.recall(std::slice::from_ref(&range)).await[..] {
                return Ok(bytes.clone());
            }
            let bytes = self.inner.read(range.clone()).await?;
            self.keep(std::iter::once((&range, &bytes))).await;
            Ok(bytes)
        }
        .boxed()
    }

    fn read_ranges<'a>(&'a self, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Vec<Part>> {
        self.read_ranges_of(ranges).boxed()
    }

    fn version(&self) -> Option<Version> {
        self.inner.version()
    }

    fn vouch(&self, version: &Version, range: &Range<u64>, bytes: &[u8]) -> bool {
        self.inner.vouch(version, range, bytes)
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
