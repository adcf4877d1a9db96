//! Where the files are that tests read. Tests run in the folder of their package.

use std::path::{Path, PathBuf};

/// All files below a folder; none where there is no folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("the folder can be listed").path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The corpus of TIFFs beside the clone; need not be there.
pub(crate) fn corpus() -> PathBuf {
    PathBuf::from("../../../shared/data/tiff-corpus")
}

/// Files that once broke the reader, or were made to.
pub(crate) fn hostile() -> PathBuf {
    PathBuf::from("tests/hostile")
}
