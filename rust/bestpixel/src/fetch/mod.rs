//! Bytes: an href goes in, byte ranges come out, from files and over HTTP.
//!
//! Nothing here knows what the bytes mean. Fetching awaits and never computes.

mod byte_source;
mod coalesce;
mod error;
mod fetcher;
mod file;
mod http;
mod retry;
mod sign;

pub use byte_source::{ByteSource, Meter};
pub use coalesce::coalesce;
pub use error::{Error, Result, redact};
pub use fetcher::{Fetcher, Options};
pub use sign::Signer;
