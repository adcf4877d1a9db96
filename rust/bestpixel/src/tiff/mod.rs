//! The format: byte ranges go in, decoded tiles come out, and the other way round.
//!
//! Reader and writer share one table of tags. Parsing is synchronous over the bytes at hand and says which bytes it
//! misses; decoding never awaits. A file is never trusted: `limits.rs` bounds what it can make us allocate.

mod byte_order;
mod codec;
mod cog;
mod decode;
mod error;
mod fetch_tiles;
mod geokeys;
mod ifd;
mod limits;
mod predictor;
mod tags;
mod write;

pub use cog::{Cog, Level};
pub use decode::{Samples, decode_tile};
pub use error::{Error, Result};
pub use fetch_tiles::{CompressedTile, fetch_tiles};
pub(crate) use write::temporary_beside;
pub use write::{Band, WriteOptions, write_geotiff};
