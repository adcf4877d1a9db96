//! Bytes kept: what has been fetched goes in under a key, and comes out again in later runs.
//!
//! A cache is a folder with one database in it, which many processes may use at once. Whatever is wrong with that file,
//! damaged, foreign, locked, on a disk that is full, is a miss: never an error, and never a wrong answer. Keys and values
//! hold no secret: see [`identity`].

mod database;
mod error;
mod key;
mod source;
mod store;

pub use error::{Error, Result};
pub use key::{identity, is_bare};
pub use source::{CachedSource, Keep};
pub use store::{Cache, Entry};
