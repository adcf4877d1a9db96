//! What can be wrong with a choice of endpoint and bands.

/// The result of this folder's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// An endpoint or band that does not exist.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such row in the table.
    #[error("endpoint {name:?} is not known; there are: {known}")]
    Endpoint {
        /// As given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The endpoint has no such band.
    #[error("bands: {band:?} is not in endpoint {endpoint:?}; it has: {known}")]
    Band {
        /// As given.
        band: String,
        /// Where it was looked for.
        endpoint: &'static str,
        /// The bands that exist.
        known: String,
    },
    /// The same band is asked for twice.
    #[error("bands: {band:?} is asked for twice")]
    BandTwice {
        /// As given.
        band: String,
    },
}
