//! The hook by which URLs get their signatures just before they are asked for.

use super::Fault;
use futures_util::future::BoxFuture;
use url::Url;

/// Knows which URLs need a signature and how to get one. A signed URL lives as long as one request: it is never kept,
/// written or named in a message.
pub trait Signer: std::fmt::Debug + Send + Sync {
    /// The URL to ask for: the same one, or with a signature.
    ///
    /// # Errors
    /// [`Fault::Signature`] where one is needed and cannot be had.
    fn sign<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Url, Fault>>;

    /// Told that a server has answered 403 to a URL that [`Signer::sign`] gave. True where asking again with a new
    /// signature may help.
    fn refused<'a>(&'a self, signed: &'a Url) -> BoxFuture<'a, bool>;
}
