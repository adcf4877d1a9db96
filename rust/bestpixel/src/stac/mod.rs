//! The catalogue: JSON and files go in, items come out.

mod error;
mod files;
mod interval;
mod item;

pub use error::{Error, Result};
pub use files::{parse_items, read_items};
pub use interval::Interval;
pub use item::{Asset, Item};
