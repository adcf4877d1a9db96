//! What can go wrong between an href and its bytes, and how an href may appear in messages.

use std::ops::Range;
use std::time::Duration;

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
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be set up")]
    Client {
        /// Why not.
        source: reqwest::Error,
    },
    /// The certificates that a variable of the environment names cannot be used.
    #[error("{variable}: no certificates can be read from {path}: {reason}")]
    CaBundle {
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: String,
        /// What is wrong there.
        reason: String,
    },
    /// A variable of the environment has a value that is none.
    #[error("{variable}: {value:?} is no positive number of seconds")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// The bytes of a range did not arrive, however often they were asked for.
    #[error("{href}: bytes {}-{} could not be read{}", range.start, range.end.saturating_sub(1), tried(*attempts))]
    Read {
        /// Which resource.
        href: String,
        /// What was asked for.
        range: Range<u64>,
        /// How often.
        attempts: u32,
        /// Why the last attempt failed.
        source: Fault,
    },
}

/// Why one attempt to read a range failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The server answered with a status that is not a success.
    #[error("HTTP status {status}{}", asks_for(*retry_after))]
    Status {
        /// The status code.
        status: u16,
        /// After how long the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// No connection, or one that broke.
    #[error("the request failed")]
    Transport(
        /// The HTTP client's reason, without its URL.
        #[source]
        reqwest::Error,
    ),
    /// The server kept the connection open and sent nothing, or next to nothing.
    #[error("no progress for {} s after {received} bytes", waited.as_secs_f64())]
    Stalled {
        /// For how long.
        waited: Duration,
        /// Bytes of the body before that.
        received: u64,
    },
    /// The body ended too early.
    #[error("the body ended after {got} of {expected} bytes")]
    Short {
        /// How many bytes came.
        got: u64,
        /// How many were announced.
        expected: u64,
    },
    /// The answer is for other bytes than those asked for.
    #[error("the answer is for other bytes: {answer}")]
    WrongRange {
        /// What the answer says of itself.
        answer: String,
    },
    /// The server sends the whole resource whatever range is asked for, and it is too large to be cut here.
    #[error("the server ignores ranges and sends the whole file{}", of_size(*size))]
    IgnoresRange {
        /// Its size, where the server says it.
        size: Option<u64>,
    },
    /// The resource is another one than when it was first read.
    #[error("the file changed since its first bytes were read")]
    Changed,
    /// The signature that the resource needs cannot be had.
    #[error("no signature can be had: {reason}")]
    Signature {
        /// Why not; nothing in it is secret.
        reason: String,
    },
}

fn tried(attempts: u32) -> String {
    if attempts > 1 { format!(" in {attempts} attempts") } else { String::new() }
}

fn asks_for(retry_after: Option<Duration>) -> String {
    retry_after.map_or(String::new(), |wait| format!(", to be asked again after {} s", wait.as_secs()))
}

fn of_size(size: Option<u64>) -> String {
    size.map_or(String::new(), |size| format!(" of {size} bytes"))
}

/// An href as it may appear in messages: without user, password, query and fragment, where secrets stand.
///
/// ```
/// use bestpixel::fetch::redact;
/// assert_eq!(redact("https://host/a.tif?sig=secret"), "https://host/a.tif");
/// ```
pub fn redact(href: &str) -> String {
    let Some((scheme, rest)) = href.split_once("://") else {
        return href.to_owned();
    };
    if let Ok(mut url) = url::Url::parse(href)
        && url.has_host()
    {
        url.set_query(None);
        url.set_fragment(None);
        // Schemes without users have nothing to take away.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        return url.into();
    }
    // What is no valid URL may hold a secret all the same.
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, tail) = path.split_at(path.find('/').unwrap_or(path.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_survive_in_any_href() {
        for (href, safe) in [
            ("https://user:pw@host/a.tif?sig=SECRET#x", "https://host/a.tif"),
            ("https://host:no/a.tif?sig=SECRET", "https://host:no/a.tif"),
            ("https://user:SECRET@ho st/a.tif?sig=SECRET", "https://ho st/a.tif"),
            ("file:///a.tif?sig=SECRET", "file:///a.tif"),
            ("s3://bucket/a.tif?sig=SECRET", "s3://bucket/a.tif"),
            ("https://host", "https://host/"),
            ("/folder/what?.tif", "/folder/what?.tif"),
        ] {
            assert_eq!(redact(href), safe);
        }
    }

    #[test]
    fn messages_say_what_where_and_how_often() {
        let source = Fault::Status { status: 503, retry_after: None };
        let error = Error::Read { href: "https://host/a.tif".to_owned(), range: 0..100, attempts: 5, source };
        assert_eq!(error.to_string(), "https://host/a.tif: bytes 0-99 could not be read in 5 attempts");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "HTTP status 503");
    }
}
