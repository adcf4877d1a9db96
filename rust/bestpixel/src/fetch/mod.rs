//! Bytes: an href goes in, byte ranges come out, from files and over HTTP.
//!
//! Nothing here knows what the bytes mean. Fetching awaits and never computes.

mod body;
mod byte_source;
mod client;
mod coalesce;
#[cfg(test)]
mod conformance;
mod error;
mod fetcher;
mod file;
mod http;
#[cfg(test)]
mod http_tests;
mod limit;
mod memory;
mod retry;
mod sign;
mod version;

pub(crate) use client::build_client;

pub use byte_source::{ByteSource, Meter, Part};
pub use client::Connections;
pub use coalesce::coalesce;
pub use error::{Error, Fault, Result, redact};
pub use fetcher::{Fetcher, Options};
pub use memory::MemorySource;
pub use sign::Signer;
pub use version::Version;
