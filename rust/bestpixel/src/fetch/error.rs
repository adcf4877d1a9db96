//! What can go wrong between an href and its bytes.

use std::ops::Range;

/// The result of this folder's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Bytes that could not be had. Hrefs in messages have lost their query, where signatures stand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither a local path nor http(s).
    #[error("{href}: scheme {scheme:?} cannot be read, only local files, http and https")]
    Scheme {
        /// Where the bytes should have come from.
        href: String,
        /// What stands before the colon.
        scheme: String,
    },
    /// Not a valid URL.
    #[error("{href}: not a valid URL")]
    Url {
        /// As given.
        href: String,
        /// Why not.
        source: url::ParseError,
    },
    /// The file system refused.
    #[error("{href}")]
    Io {
        /// Which file.
        href: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server answered with a status that is not a success.
    #[error("{href}: HTTP status {status} for bytes {range:?}")]
    Status {
        /// Which resource.
        href: String,
        /// The status code.
        status: u16,
        /// What was asked for.
        range: Range<u64>,
        /// Seconds after which the server wants to be asked again.
        retry_after_s: Option<u64>,
    },
    /// The request failed before a whole answer had arrived.
    #[error("{href}: request for bytes {range:?} failed")]
    Transport {
        /// Which resource.
        href: String,
        /// What was asked for.
        range: Range<u64>,
        /// The HTTP client's reason, without its URL.
        source: reqwest::Error,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be set up")]
    Client {
        /// Why not.
        source: reqwest::Error,
    },
    /// The answer is for other bytes than those asked for.
    #[error("{href}: asked for bytes {range:?}, the answer is for {answer}")]
    WrongRange {
        /// Which resource.
        href: String,
        /// What was asked for.
        range: Range<u64>,
        /// What the answer says of itself.
        answer: String,
    },
    /// The signature that the resource needs cannot be had.
    #[error("{href}: no signature can be had: {reason}")]
    Signature {
        /// Which resource.
        href: String,
        /// Why not.
        reason: String,
    },
    /// Fewer bytes arrived than asked for.
    #[error("{href}: asked for bytes {range:?}, got {got}")]
    Short {
        /// Which resource.
        href: String,
        /// What was asked for.
        range: Range<u64>,
        /// How many came.
        got: u64,
    },
    /// The resource is another one than when it was first read.
    #[error("{href}: changed while it was being read")]
    Changed {
        /// Which resource.
        href: String,
    },
}

/// An href as it may appear in messages: without user, password, query and fragment, where secrets stand.
///
/// ```
/// use bestpixel::fetch::redact;
/// assert_eq!(redact("https://host/a.tif?sig=secret"), "https://host/a.tif");
/// ```
pub fn redact(href: &str) -> String {
    match url::Url::parse(href) {
        Ok(mut url) if url.has_host() => {
            url.set_query(None);
            url.set_fragment(None);
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.into()
        }
        _ => href.to_owned(),
    }
}
