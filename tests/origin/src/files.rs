//! A folder, a path and a Range header go in, the bytes to send come out.

use bytes::Bytes;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A file below the folder.
pub(crate) struct Found {
    path: PathBuf,
    pub(crate) size: u64,
    pub(crate) etag: String,
}

impl Found {
    /// The file of a URL's path.
    pub(crate) fn look_up(folder: &Path, url_path: &str) -> Result<Self> {
        let relative = Path::new(url_path.trim_start_matches('/'));
        if relative.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(ErrorKind::NotFound.into());
        }
        let path = folder.join(relative);
        let metadata = std::fs::metadata(&path)?;
        if !metadata.is_file() {
            return Err(ErrorKind::NotFound.into());
        }
        let written = metadata.modified()?.duration_since(UNIX_EPOCH).map_err(Error::other)?;
        let etag = format!("\"{:x}-{:x}\"", metadata.len(), written.as_nanos());
        Ok(Self { path, size: metadata.len(), etag })
    }

    /// A range that lies inside, to be read piece by piece.
    pub(crate) fn part(&self, range: Range<u64>) -> Result<Part> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(range.start))?;
        Ok(Part { file, left: range.end - range.start })
    }
}

/// What is still to be sent of a file.
pub(crate) struct Part {
    file: File,
    left: u64,
}

impl Part {
    /// Forgets the second half.
    pub(crate) fn halve(&mut self) {
        self.left /= 2;
    }

    /// The next bytes, as many as `most`; None at the end. Pieces are small so that their memory stays in the caches: what
    /// the server takes of the processor is not the client's.
    pub(crate) fn read(&mut self, most: usize) -> Option<Result<Bytes>> {
        let count = self.left.min(most as u64);
        self.left -= count;
        let mut bytes = Vec::with_capacity(count as usize);
        let read = (&mut self.file).take(count).read_to_end(&mut bytes);
        let check =
            |read: usize| if read as u64 == count { Ok(bytes.into()) } else { Err(ErrorKind::UnexpectedEof.into()) };
        (count > 0).then(|| read.and_then(check))
    }
}

/// What a Range header asks for of a file of this size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// No range, or one that is not understood and hence ignored.
    Whole,
    /// This part, which is not empty.
    Part(Range<u64>),
    /// Nothing that is there.
    Beyond,
}

/// Understands one range of bytes.
pub(crate) fn asked(header: Option<&str>, size: u64) -> Asked {
    let Some((first, last)) = header.and_then(|text| text.strip_prefix("bytes=")).and_then(|text| text.split_once('-'))
    else {
        return Asked::Whole;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => return Asked::Whole,
        (Ok(first), Ok(last)) => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Asked::Whole,
    };
    if range.is_empty() { Asked::Beyond } else { Asked::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_understood() {
        assert_eq!(asked(None, 10), Asked::Whole);
        assert_eq!(asked(Some("bytes=0-3"), 10), Asked::Part(0..4));
        assert_eq!(asked(Some("bytes=8-30"), 10), Asked::Part(8..10));
        assert_eq!(asked(Some("bytes=8-"), 10), Asked::Part(8..10));
        assert_eq!(asked(Some("bytes=-3"), 10), Asked::Part(7..10));
        assert_eq!(asked(Some("bytes=0-18446744073709551615"), 10), Asked::Part(0..10));
        assert_eq!(asked(Some("bytes=10-20"), 10), Asked::Beyond);
        assert_eq!(asked(Some("bytes=5-3"), 10), Asked::Whole);
        assert_eq!(asked(Some("bytes=0-1,3-4"), 10), Asked::Whole);
    }

    #[test]
    fn nothing_outside_the_folder() {
        // Tests run in their package's folder; where they were compiled may be another clone.
        let folder = Path::new(".");
        assert!(Found::look_up(folder, "/Cargo.toml").is_ok());
        for path in ["/../origin.py", "/src/../../origin.py", "//etc/passwd", "/src", "/", "/nothing"] {
            assert!(Found::look_up(folder, path).is_err(), "{path}");
        }
    }
}
