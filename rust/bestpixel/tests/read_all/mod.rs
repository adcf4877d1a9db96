//! The bytes of a file go in; how many of its tiles can be decoded, or a typed error, comes out.

use bestpixel::tiff::{Cog, CompressedTile, Error, Level, Samples, decode_bands, decode_tile_into};
use bytes::Bytes;

/// Decoded bytes of one file: hostile ones claim any number of tiles, and the reader is asked for a few of them.
const MOST_DECODED: usize = 96 << 20;

/// A tile of a file in memory; what lies beyond its end is not there.
fn compressed(bytes: &Bytes, level: &Level, index: usize) -> CompressedTile {
    let range = level.tile_range(index).unwrap_or_default();
    let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    let (start, end) = (within(range.start), within(range.end));
    CompressedTile { index, bytes: bytes.slice(start..end.max(start)) }
}

/// All tiles of all levels within the bound; gives how many were decoded.
pub(crate) fn read_all(bytes: &Bytes) -> Result<usize, Error> {
    let cog = Cog::from_bytes(bytes.clone())?;
    let (mut left, mut decoded) = (MOST_DECODED, 0);
    let mut samples = Samples::default();
    for level in &cog.levels {
        for index in 0..level.tile_count() {
            let Some(rest) = left.checked_sub(level.decoded_bytes()) else { return Ok(decoded) };
            left = rest;
            let tile = compressed(bytes, level, index);
            match decode_bands(level, &tile, cog.nodata) {
                Ok(bands) => {
                    decode_tile_into(level, &tile, cog.nodata, &mut samples)?;
                    assert_eq!((samples.width(), samples.height()), (bands[0].width(), bands[0].height()));
                    decoded += 1;
                }
                Err(Error::Tile { index: named, .. }) => assert_eq!(named, index),
                Err(error) => panic!("a tile fails as a tile: {error}"),
            }
        }
    }
    Ok(decoded)
}
