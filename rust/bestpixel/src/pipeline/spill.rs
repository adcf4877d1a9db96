//! Compressed tiles go into a file and come out of it again: for tiles that the next block of rows needs too, and for which
//! memory has no room.

use bytes::Bytes;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A tile by scene, band and index.
type Key = (usize, usize, usize);

/// A file without a name: it goes with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Spill {
    file: Mutex<File>,
    places: HashMap<Key, Range<u64>>,
    end: u64,
    limit: u64,
}

impl Spill {
    /// An empty file in a folder, for at most so many bytes; None where none can be made.
    pub(crate) fn new(folder: &Path, limit: u64) -> Option<Self> {
        let file = tempfile::tempfile_in(folder).ok()?;
        Some(Self { file: Mutex::new(file), places: HashMap::new(), end: 0, limit })
    }

    /// Adds a tile. Where it does not fit it is fetched again, as if there were no file.
    pub(crate) fn put(&mut self, key: Key, bytes: &Bytes) {
        let place = self.end..self.end + bytes.len() as u64;
        if place.end > self.limit || self.places.contains_key(&key) {
            return;
        }
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        if file.seek(SeekFrom::Start(place.start)).and_then(|_| file.write_all(bytes)).is_ok() {
            self.end = place.end;
            self.places.insert(key, place);
        } else {
            // The disk is full: the output needs what is left of it.
            self.limit = 0;
        }
    }

    /// Whether it holds a tile.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    /// The tiles that it holds.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.places.keys()
    }

    /// The bytes of a tile.
    ///
    /// # Errors
    /// Those of reading the file, and where it does not hold the tile.
    pub(crate) fn get(&self, key: &Key) -> std::io::Result<Bytes> {
        let place = self.places.get(key).ok_or(std::io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; (place.end - place.start) as usize];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(place.start))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_comes_out_as_it_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path(), 7).unwrap();
        for (key, bytes) in [((0, 0, 3), "abc"), ((1, 0, 3), "defg"), ((0, 1, 0), "too much"), ((0, 0, 3), "again")] {
            spill.put(key, &Bytes::from(bytes));
        }
        assert_eq!(spill.get(&(1, 0, 3)).unwrap(), "defg");
        assert_eq!(spill.get(&(0, 0, 3)).unwrap(), "abc");
        assert!(!spill.has(&(0, 1, 0)) && spill.get(&(0, 1, 0)).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Spill::new(&folder.path().join("nowhere"), 7).is_none());
    }
}
