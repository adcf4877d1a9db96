//! Byte ranges of a buffer: for tests.

use super::{ByteSource, Meter, Result};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::ops::Range;
use std::sync::Arc;

/// A file that lies in memory.
#[derive(Debug, Clone)]
pub struct MemorySource {
    name: String,
    bytes: Bytes,
    meter: Arc<Meter>,
}

impl MemorySource {
    /// A file of these bytes.
    pub fn new(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.into(), bytes: bytes.into(), meter: Arc::default() }
    }

    /// What has been asked for and given.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl ByteSource for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            self.meter.request();
            let size = self.bytes.len() as u64;
            let bytes = self.bytes.slice(range.start.min(size) as usize..range.end.min(size) as usize);
            self.meter.received(bytes.len());
            Ok(bytes)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[tokio::test]
    async fn conforms() {
        let content = conformance::content();
        let source = MemorySource::new("memory", content.clone());
        conformance::check(&source, &content, || source.meter().totals().0).await;
    }
}
