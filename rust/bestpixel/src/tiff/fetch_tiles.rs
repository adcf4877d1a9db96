//! Tile indices of a level go in, compressed tiles come out: neighbours share a read.

use super::limits::MAX_COMPRESSED_BYTES;
use super::{Cog, Error};
use bytes::Bytes;

/// A tile as it lies in the file.
#[derive(Debug, Clone)]
pub struct CompressedTile {
    /// Index in the file: row by row, band after band where each band has tiles of its own.
    pub index: usize,
    /// Its bytes; empty for a sparse tile, which is all nodata.
    pub bytes: Bytes,
}

/// What came of some tiles: a read that fails takes with it the tiles inside it and no others.
#[derive(Debug, Default)]
pub struct FetchedTiles {
    /// The tiles that arrived, in ascending order of their indices.
    pub tiles: Vec<CompressedTile>,
    /// What failed, each with the indices of its tiles.
    pub failures: Vec<(Vec<usize>, Error)>,
}

/// Fetches tiles of one level. Sparse tiles take no read.
///
/// # Panics
/// If an index is not one of the level's tiles.
pub async fn fetch_tiles(cog: &Cog, level: usize, indices: &[usize]) -> FetchedTiles {
    let level = &cog.levels[level];
    let (sparse, wanted): (Vec<usize>, Vec<usize>) = indices.iter().partition(|&&index| level.tiles[index].is_empty());
    let length = |index: usize| level.tiles[index].end - level.tiles[index].start;
    let (wanted, oversize): (Vec<usize>, Vec<usize>) =
        wanted.into_iter().partition(|&index| length(index) <= MAX_COMPRESSED_BYTES);
    let ranges: Vec<_> = wanted.iter().map(|&index| level.tiles[index].clone()).collect();
    let mut fetched = FetchedTiles::default();
    fetched.tiles.extend(sparse.into_iter().map(|index| CompressedTile { index, bytes: Bytes::new() }));
    for index in oversize {
        let reason = format!("it claims {} bytes, at most {MAX_COMPRESSED_BYTES} are allowed", length(index));
        fetched.failures.push((vec![index], Error::Tile { index, offset: level.tiles[index].start, reason }));
    }
    for (members, parts) in cog.source.read_ranges(&ranges).await {
        let parts = match parts {
            Ok(parts) => parts,
            Err(error) => {
                let tiles = members.iter().map(|&member| wanted[member]).collect();
                fetched.failures.push((tiles, error.into()));
                continue;
            }
        };
        for (member, bytes) in members.into_iter().zip(parts) {
            let (index, range) = (wanted[member], &ranges[member]);
            if (bytes.len() as u64) < range.end - range.start {
                let reason = format!("the file ends before byte {}", range.end);
                fetched.failures.push((vec![index], Error::Tile { index, offset: range.start, reason }));
            } else {
                fetched.tiles.push(CompressedTile { index, bytes });
            }
        }
    }
    fetched.tiles.sort_by_key(|tile| tile.index);
    fetched
}
