//! Byte ranges of a local file.

use super::{ByteSource, Error, Fault, Meter, Result};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// What tells two versions of a file apart: its size and when it was written.
type Version = (u64, Option<SystemTime>);

/// A local file, opened anew for each range: there is no descriptor to run out of.
pub(crate) struct FileSource {
    path: PathBuf,
    name: String,
    meter: Arc<Meter>,
    /// As of the first read.
    version: OnceLock<Version>,
}

impl FileSource {
    pub(crate) fn new(path: PathBuf, meter: Arc<Meter>) -> Self {
        Self { name: path.display().to_string(), path, meter, version: OnceLock::new() }
    }

    async fn read_once(&self, range: &Range<u64>) -> std::result::Result<Bytes, Fault> {
        let (path, range) = (self.path.clone(), range.clone());
        let read = tokio::task::spawn_blocking(move || read_range(&path, &range)).await;
        let (version, bytes) = read.unwrap_or_else(|panic| Err(std::io::Error::other(panic)))?;
        if *self.version.get_or_init(|| version) != version {
            return Err(Fault::Changed);
        }
        Ok(bytes)
    }
}

impl ByteSource for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            self.meter.request();
            let refuse = |source| Error::Read { href: self.name.clone(), range: range.clone(), attempts: 1, source };
            let bytes = self.read_once(&range).await.map_err(refuse)?;
            self.meter.received(bytes.len());
            Ok(bytes)
        }
        .boxed()
    }
}

fn read_range(path: &Path, range: &Range<u64>) -> std::io::Result<(Version, Bytes)> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let version = (metadata.len(), metadata.modified().ok());
    let length = range.end.min(metadata.len()).saturating_sub(range.start);
    if length == 0 {
        // Seeking beyond 2^63 would be refused.
        return Ok((version, Bytes::new()));
    }
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes)?;
    Ok((version, bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    fn write(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[tokio::test]
    async fn conforms() {
        let content = conformance::content();
        let (_folder, path) = write(&content);
        let meter = Arc::new(Meter::default());
        let source = FileSource::new(path, meter.clone());
        conformance::check(&source, &content, || meter.totals().0).await;
    }

    #[tokio::test]
    async fn a_file_that_changes_is_noticed() {
        let (_folder, path) = write(b"0123456789");
        let source = FileSource::new(path.clone(), Arc::default());
        assert_eq!(source.read(0..4).await.unwrap(), "0123");
        std::fs::write(&path, b"another file").unwrap();
        let error = source.read(4..8).await.unwrap_err();
        assert!(matches!(error, Error::Read { source: Fault::Changed, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let source = FileSource::new("/nowhere/a.bin".into(), Arc::default());
        let error = source.read(0..4).await.unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/a.bin: bytes 0-3 could not be read");
    }
}
