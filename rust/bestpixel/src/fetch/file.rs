//! Byte ranges of a local file.

use super::{ByteSource, Error, Meter, Result};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A local file, opened anew for each range: there is no descriptor to run out of.
pub(crate) struct FileSource {
    path: PathBuf,
    name: String,
    meter: Arc<Meter>,
}

impl FileSource {
    pub(crate) fn new(path: PathBuf, meter: Arc<Meter>) -> Self {
        Self { name: path.display().to_string(), path, meter }
    }
}

impl ByteSource for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            self.meter.request();
            let path = self.path.clone();
            let read = tokio::task::spawn_blocking(move || read_range(&path, &range)).await;
            let bytes = read
                .unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
                .map_err(|source| Error::Io { href: self.name.clone(), source })?;
            self.meter.received(bytes.len());
            Ok(bytes)
        }
        .boxed()
    }
}

fn read_range(path: &Path, range: &Range<u64>) -> std::io::Result<Bytes> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let length = range.end.min(size).saturating_sub(range.start);
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}
