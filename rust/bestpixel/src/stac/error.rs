//! What can be wrong with a catalogue.

/// The result of this folder's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A catalogue, or a datetime to search it by, that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The datetime is none of the forms that are understood.
    #[error("datetime {text:?}: {reason}")]
    Datetime {
        /// As given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system refused.
    #[error("catalog {path}")]
    Io {
        /// Which file or folder.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not JSON.
    #[error("catalog {path}: not valid JSON")]
    Json {
        /// Which file.
        path: String,
        /// Where and why not.
        source: serde_json::Error,
    },
    /// JSON, but no Item, ItemCollection or list of items.
    #[error("catalog {path}: {reason}")]
    NotItems {
        /// Which file.
        path: String,
        /// What was found instead.
        reason: String,
    },
}
