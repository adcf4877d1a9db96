//! Files that appear whole or not at all: written under a temporary name, then renamed.
//!
//! A process that is killed leaves its temporary files. Each is locked by its writer as long as it lives, so that the next
//! run into the folder can tell the dead from the living.

use super::error::{Error, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

const PREFIX: &str = ".bestpixel-";
const SUFFIX: &str = ".tmp";

/// Between making a file and locking it there are microseconds; so young a file is left alone.
const TOO_YOUNG: Duration = Duration::from_secs(5);

/// A file that is whole and lacks its name.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl WholeFile {
    /// Writes a file that will have a name. Its bytes are on the disk then: after a loss of power a name must not stand for
    /// half a file.
    ///
    /// # Errors
    /// [`Error::Write`] where the file system refuses.
    pub fn write(path: &Path, write: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>) -> Result<Self> {
        let make = || {
            let mut file = temporary_beside(path)?;
            write(file.as_file_mut())?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        Ok(Self { file: make().map_err(|source| failed(path, source))?, path: path.to_owned() })
    }

    /// Writes bytes that will have a name.
    ///
    /// # Errors
    /// [`Error::Write`] where the file system refuses.
    pub fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        Self::write(path, |file| file.write_all(bytes))
    }

    /// The name that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name; what had it before is replaced.
    ///
    /// # Errors
    /// [`Error::Write`] where the file system refuses.
    pub fn publish(self) -> Result<PathBuf> {
        self.file.persist(&self.path).map_err(|error| failed(&self.path, error.error))?;
        Ok(self.path)
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::Write { path: path.display().to_string(), source }
}

/// Where a file lies.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file in the folder of `path`. It gets the permissions that a file made in the usual way would get.
fn temporary_beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder_of(path))?;
    // A file system that knows no locks has no sweeping either.
    let _ = flock(file.as_file(), FlockOperation::NonBlockingLockExclusive);
    Ok(file)
}

/// Giving names takes milliseconds. Whoever holds a folder for longer has been stopped in the middle of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until nobody else holds the folder, and holds it as long as the answer lives. A file system that knows no such
/// locks has no order either: then the answer is None.
///
/// # Errors
/// [`Error::Write`] where another process does not let go of it.
pub fn lock_folder(path: &Path) -> Result<Option<std::fs::File>> {
    let Ok(folder) = std::fs::File::open(path) else { return Ok(None) };
    let started = Instant::now();
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(folder)),
            Err(Errno::WOULDBLOCK) if started.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 1000),
            Err(Errno::WOULDBLOCK) => {
                let why = format!("another process has been giving names there for {PATIENCE:?}");
                return Err(failed(path, std::io::Error::new(std::io::ErrorKind::WouldBlock, why)));
            }
            Err(_no_locks) => return Ok(None),
        }
    }
}

/// Has the names in a folder on the disk, as far as the file system knows how.
pub fn sync_folder(folder: &Path) {
    let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
}

/// Removes what killed processes have left in a folder. Whatever stands in the way: such files harm nobody.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if is_ours && is_abandoned(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether nobody holds the file any more.
fn is_abandoned(path: &Path) -> bool {
    // Some network file systems lock only what is open for writing.
    let Ok(file) = std::fs::File::options().write(true).open(path) else { return false };
    let age = file.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age > TOO_YOUNG) && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        entries.collect()
    }

    fn age(path: &Path) {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn the_dead_are_told_from_the_living() {
        let folder = tempfile::tempdir().unwrap();
        let living = WholeFile::of_bytes(&folder.path().join("a.tif"), b"a").unwrap();
        age(living.file.path());
        let dead = folder.path().join(".bestpixel-dead.tmp");
        std::fs::write(&dead, b"half").unwrap();
        sweep(folder.path());
        assert!(dead.exists(), "it may have been made this moment");
        age(&dead);
        let other = folder.path().join(".other.tmp");
        std::fs::write(&other, b"whose?").unwrap();
        age(&other);
        sweep(folder.path());
        assert!(!dead.exists() && other.exists());
        living.publish().unwrap();
        let mut names = names(folder.path());
        names.sort();
        assert_eq!(names, [".other.tmp", "a.tif"]);
    }

    #[test]
    fn a_folder_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock_folder(folder.path()).unwrap();
        assert!(held.is_some());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| lock_folder(folder.path()).unwrap().is_some());
            std::thread::sleep(Duration::from_millis(50));
            assert!(!waiting.is_finished());
            drop(held);
            assert!(waiting.join().unwrap());
        });
        assert!(lock_folder(&folder.path().join("nowhere")).unwrap().is_none());
    }

    #[test]
    fn what_is_not_published_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        drop(WholeFile::of_bytes(&folder.path().join("a.tif"), b"a").unwrap());
        assert!(names(folder.path()).is_empty());
        assert!(WholeFile::of_bytes(&folder.path().join("no/where"), b"a").is_err());
    }
}
