//! How much a file may make us read, allocate or follow.

use super::{Error, Result};

/// Directories in the chain and below it: images, overviews and masks.
pub(crate) const MAX_IFDS: u64 = 64;
/// Entries of one directory.
pub(crate) const MAX_ENTRIES: u64 = 4096;
/// Bytes of one entry's values: the offsets of four million tiles.
pub(crate) const MAX_VALUE_BYTES: u64 = 16 << 20;
/// Bytes read in all to parse one file's directories.
pub(crate) const MAX_HEADER_BYTES: u64 = 64 << 20;
/// Reads made to parse one file's directories: each one parses anew.
pub(crate) const MAX_HEADER_READS: u64 = 256;
/// Tiles of all levels together: a range of 16 bytes is kept for each.
pub(crate) const MAX_TILES: u64 = 4 << 20;
/// Columns or rows of an image.
pub(crate) const MAX_SIDE: u64 = 1 << 30;
/// Bytes of one decoded tile or strip, all its samples together, as it lies in the file and as it is handed out.
pub(crate) const MAX_TILE_BYTES: u64 = 64 << 20;
/// Bytes of one compressed tile or strip.
pub(crate) const MAX_COMPRESSED_BYTES: u64 = 64 << 20;
/// Bytes of a whole image that is read at once, and of all its tiles.
pub(crate) const MAX_IMAGE_BYTES: u64 = 256 << 20;

/// Refuses a value above its limit.
pub(crate) fn check(offset: u64, what: &'static str, value: u64, limit: u64) -> Result<u64> {
    if value > limit { Err(Error::Limit { offset, what, value, limit }) } else { Ok(value) }
}
