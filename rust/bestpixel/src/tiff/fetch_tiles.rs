//! Tile indices of a level go in, compressed tiles come out: neighbours share a read.

use super::limits::MAX_COMPRESSED_BYTES;
use super::{Cog, Error, Result};
use crate::fetch::coalesce;
use bytes::Bytes;
use futures_util::future::try_join_all;

/// A tile as it lies in the file.
#[derive(Debug, Clone)]
pub struct CompressedTile {
    /// Index in the file: row by row, band after band where each band has tiles of its own.
    pub index: usize,
    /// Its bytes; empty for a sparse tile, which is all nodata.
    pub bytes: Bytes,
}

/// Fetches tiles of one level, in the order of `indices`.
///
/// # Errors
/// [`Error::Fetch`] where bytes cannot be had, [`Error::Tile`] where the file ends inside a tile.
///
/// # Panics
/// If an index is not one of the level's tiles.
pub async fn fetch_tiles(cog: &Cog, level: usize, indices: &[usize]) -> Result<Vec<CompressedTile>> {
    let level = &cog.levels[level];
    let ranges: Vec<_> = indices.iter().map(|&index| level.tiles[index].clone()).collect();
    for (&index, range) in indices.iter().zip(&ranges) {
        let length = range.end - range.start;
        if length > MAX_COMPRESSED_BYTES {
            let reason = format!("it claims {length} bytes, at most {MAX_COMPRESSED_BYTES} are allowed");
            return Err(Error::Tile { index, offset: range.start, reason });
        }
    }
    let wanted: Vec<usize> = (0..ranges.len()).filter(|&i| !ranges[i].is_empty()).collect();
    let wanted_ranges: Vec<_> = wanted.iter().map(|&i| ranges[i].clone()).collect();
    let mut tiles: Vec<_> = indices.iter().map(|&index| CompressedTile { index, bytes: Bytes::new() }).collect();
    let reads = coalesce(&wanted_ranges).into_iter().map(async |(range, members)| {
        let bytes = cog.source.read(range.clone()).await?;
        Ok::<_, Error>((range.start, members, bytes))
    });
    for (start, members, bytes) in try_join_all(reads).await? {
        for member in members {
            let (slot, range) = (wanted[member], &wanted_ranges[member]);
            let (from, to) = ((range.start - start) as usize, (range.end - start) as usize);
            if to > bytes.len() {
                let reason = format!("the file ends before byte {}", range.end);
                return Err(Error::Tile { index: tiles[slot].index, offset: range.start, reason });
            }
            tiles[slot].bytes = bytes.slice(from..to);
        }
    }
    Ok(tiles)
}
