//! What can be wrong with a TIFF: its format, our abilities, our limits, or the way to its bytes.

use std::ops::Range;

/// The result of this folder's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A TIFF, or a part of one, that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file breaks the specification.
    #[error("not a valid TIFF at byte {offset}: {reason}")]
    Format {
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The file is right, we cannot read it.
    #[error("unsupported TIFF: {what}")]
    Unsupported {
        /// The feature, by its name.
        what: String,
    },
    /// The file asks for more than we allow.
    #[error("TIFF exceeds a limit at byte {offset}: {what} is {value}, at most {limit} is allowed")]
    Limit {
        /// Where in the file.
        offset: u64,
        /// What is too large.
        what: &'static str,
        /// How large it is.
        value: u64,
        /// How large it may be.
        limit: u64,
    },
    /// One tile cannot be decoded; the others may be fine.
    #[error("tile {index} at byte {offset}: {reason}")]
    Tile {
        /// Index in the level's row-major order.
        index: usize,
        /// Where its bytes start.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The bytes could not be had.
    #[error(transparent)]
    Fetch(#[from] crate::fetch::Error),
    /// The file could not be written.
    #[error("{path} cannot be written")]
    Write {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bytes that parsing needs and that have not been read yet; [`super::Cog::open`] reads them and parses again.
    #[error("bytes {0:?} of the header have not been read")]
    NeedBytes(Range<u64>),
}

impl Error {
    pub(crate) fn format(offset: u64, reason: impl Into<String>) -> Self {
        Self::Format { offset, reason: reason.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

/// Faults of a part that a file can do without.
pub(crate) trait Tolerate<T> {
    /// None where the part is at fault; errors of the way to its bytes stay errors.
    fn tolerate(self) -> Result<Option<T>>;
}

impl<T> Tolerate<T> for Result<T> {
    fn tolerate(self) -> Result<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(Error::Format { .. } | Error::Unsupported { .. } | Error::Limit { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
