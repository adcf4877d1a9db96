//! What the user can have named wrongly; everything else that may happen to a cache is a miss.

/// The result of this folder's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A cache that cannot be had where the user wants it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder is not there and cannot be made.
    #[error("disk_cache {folder}: no such folder, and it cannot be made: {source}")]
    Folder {
        /// As given.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A variable of the environment has a value that is none.
    #[error("{variable}: {value:?} is no number of bytes")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
}
