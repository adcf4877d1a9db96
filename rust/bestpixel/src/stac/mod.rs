//! The catalogue: JSON, files and APIs go in, items come out.

mod api;
mod client;
mod error;
mod files;
mod found;
mod interval;
mod item;
mod search;
#[cfg(test)]
mod tests;

pub use api::{Answer, ApiClient, Call};
pub use client::find_items;
pub use error::{Error, Result};
pub use files::{parse_items, read_items};
pub use found::Found;
pub use interval::Interval;
pub use item::{Asset, Item};
pub use search::Search;
