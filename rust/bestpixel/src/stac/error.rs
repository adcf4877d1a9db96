//! What can be wrong with a catalogue.

use crate::fetch;

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
    /// Not a URL.
    #[error("catalog {url}: not a valid URL")]
    Url {
        /// As given.
        url: String,
        /// Why not.
        source: url::ParseError,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be set up")]
    Client {
        /// Why not.
        source: fetch::Error,
    },
    /// The request failed before a whole answer had arrived.
    #[error("{url}: the request failed")]
    Transport {
        /// Where to.
        url: String,
        /// The HTTP client's reason, without its URL.
        source: reqwest::Error,
    },
    /// The server has refused.
    #[error("{url}: HTTP status {status}: {words}")]
    Refused {
        /// Where.
        url: String,
        /// The status code.
        status: u16,
        /// What the server says of it.
        words: String,
    },
    /// The pages of a search do not end.
    #[error("{url}: the link to the next page leads in a circle, after {pages} pages")]
    Loop {
        /// Where.
        url: String,
        /// Pages read.
        pages: usize,
    },
}
