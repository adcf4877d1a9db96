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
mod ghost;
mod ifd;
mod image;
mod layout;
mod level;
mod limits;
mod metadata;
mod predictor;
mod prefix_sum;
mod pyramid;
mod sample;
mod samples;
mod tags;
mod temporary;
mod unpack;
mod write;
mod write_crs;
#[cfg(test)]
mod write_tests;

pub use cog::Cog;
pub use decode::{decode_bands, decode_tile, decode_tile_into};
pub use error::{Error, Result};
pub use fetch_tiles::{CompressedTile, FetchedTiles, fetch_tiles};
pub use image::{check_size, decode_image};
pub use level::Level;
pub use metadata::Scaling;
pub use sample::Sample;
pub use samples::Samples;
pub use temporary::{WholeFile, lock_folder, sweep, sync_folder};
pub use write::{BandInfo, Compression, GeoTiffWriter, ImageInfo};
pub use write_crs::check_crs;
