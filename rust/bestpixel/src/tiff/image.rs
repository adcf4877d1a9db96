//! All tiles of a level go in, the whole image comes out, one array for each band: for small files and tests.

use super::limits::{self, check};
use super::{Cog, CompressedTile, Error, Result, Samples, decode_bands};

/// Decodes a level from all its tiles, in any order.
///
/// # Errors
/// [`Error::Limit`] for an image of more than 256 MiB, [`Error::Tile`] for the first tile that is damaged.
///
/// # Panics
/// If there is no such level.
pub fn decode_image(cog: &Cog, level: usize, tiles: &[CompressedTile]) -> Result<Vec<Samples>> {
    check_size(cog, level)?;
    let level = &cog.levels[level];
    let mut image = vec![Samples::default(); level.bands()];
    for samples in &mut image {
        samples.reshape(level.kind, level.tiling.width, level.tiling.height);
    }
    for tile in tiles {
        let place = level.window(tile.index);
        let first = if level.is_planar { tile.index / level.tiling.count() } else { 0 };
        let bands = decode_bands(level, tile, cog.nodata)?;
        for (samples, band) in bands.iter().zip(image.iter_mut().skip(first)) {
            samples.paste(band, place.col_off, place.row_off);
        }
    }
    Ok(image)
}

/// Refuses a level that is too large to be read as a whole; to be asked before its tiles are fetched.
///
/// # Errors
/// [`Error::Limit`].
///
/// # Panics
/// If there is no such level.
pub fn check_size(cog: &Cog, level: usize) -> Result<()> {
    let level = &cog.levels[level];
    let product = |factors: [usize; 3]| factors.iter().fold(1u64, |product, &f| product.saturating_mul(f as u64));
    let pixels = product([level.tiling.width, level.tiling.height, level.bands()]);
    check(0, "size of the image", pixels.saturating_mul(level.kind.bytes() as u64), limits::MAX_IMAGE_BYTES)?;
    let decoded = product([level.decoded_bytes(), level.tile_count(), 1]);
    check(0, "size of all decoded tiles", decoded, limits::MAX_IMAGE_BYTES)?;
    let compressed = (0..level.tile_count()).fold(0u64, |sum, i| sum.saturating_add(level.tile_bytes(i)));
    check(0, "size of all compressed tiles", compressed, limits::MAX_IMAGE_BYTES)?;
    Ok::<_, Error>(())
}
