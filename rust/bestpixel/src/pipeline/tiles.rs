//! One level of one file: which of its tiles are needed, the tiles as fetched, and the samples in them.

use super::stream::Held;
use crate::fetch::coalesce;
use crate::raster::{Array, Crs, Grid, Projection, Tiling, Window};
use crate::resample::{Patch, Warp};
use crate::source::{QualityKind, Scale};
use crate::tiff::{self, Cog, CompressedTile, Error, FetchedTiles, Level, Samples, decode_tile_into, fetch_tiles};
use bytes::Bytes;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A level of an open file and the way to it from the output grid.
#[derive(Debug, Clone)]
pub(crate) struct LevelRef {
    pub(crate) cog: Arc<Cog>,
    pub(crate) index: usize,
    pub(crate) warp: Arc<Warp>,
}

impl LevelRef {
    pub(crate) fn level(&self) -> &Level {
        &self.cog.levels[self.index]
    }

    pub(crate) fn tiling(&self) -> &Tiling {
        &self.level().tiling
    }

    /// Compressed bytes of some tiles.
    pub(crate) fn bytes(&self, tiles: &[usize]) -> u64 {
        tiles.iter().map(|&tile| self.level().tile_bytes(tile)).sum()
    }

    /// Bytes of memory that some tiles take, as they are fetched and decoded.
    pub(crate) fn held(&self, tiles: &[usize]) -> Held {
        Held { fetched: self.bytes(tiles), decoded: (tiles.len() * self.level().decoded_bytes()) as u64 }
    }

    /// Requests that it takes to fetch some tiles: neighbours come together.
    pub(crate) fn requests(&self, tiles: &[usize]) -> usize {
        let ranges: Vec<_> = tiles.iter().filter_map(|&tile| self.level().tile_range(tile)).collect();
        coalesce(&ranges).len()
    }

    /// Fetches some tiles.
    pub(crate) async fn fetch(self, tiles: Vec<usize>) -> Fetched {
        let FetchedTiles { tiles, failures } = fetch_tiles(&self.cog, self.index, &tiles).await;
        Fetched { level: self, tiles, failures }
    }
}

/// Tiles of one level, still compressed.
pub(crate) struct Fetched {
    pub(crate) level: LevelRef,
    tiles: Vec<CompressedTile>,
    failures: Vec<(Vec<usize>, Error)>,
}

impl Fetched {
    /// Adds tiles that have been kept as they were fetched, or why they cannot be had again.
    pub(crate) fn add(&mut self, tiles: impl IntoIterator<Item = (usize, std::io::Result<Bytes>)>) {
        for (index, bytes) in tiles {
            match bytes {
                Ok(bytes) => self.tiles.push(CompressedTile { index, bytes }),
                Err(error) => {
                    let offset = self.level.level().tile_range(index).map_or(0, |range| range.start);
                    let reason = format!("it was kept in a file that cannot be read: {error}");
                    self.failures.push((vec![index], Error::Tile { index, offset, reason }));
                }
            }
        }
    }

    /// The tiles for which `is_wanted`, as they are.
    pub(crate) fn compressed(&self, is_wanted: impl Fn(usize) -> bool) -> HashMap<usize, Bytes> {
        let tiles = self.tiles.iter().filter(|tile| is_wanted(tile.index));
        tiles.map(|tile| (tile.index, tile.bytes.clone())).collect()
    }

    /// Decodes all tiles on the pool that the caller runs in; `convert` gives the samples the wanted meaning. A sparse
    /// tile holds the value that the file names for missing pixels, else `fill`. Gives also what failed: a damaged tile
    /// takes no other with it.
    fn decode<T: Copy + Send>(
        self,
        fill: f64,
        spare: &Spare,
        convert: impl Fn(Samples) -> tiff::Result<Array<T>> + Sync,
    ) -> (Decoded<T>, Vec<Error>) {
        let (level, nodata) = (self.level.level(), self.level.cog.nodata.or(Some(fill)));
        let decode = |tile: &CompressedTile| {
            let mut samples = spare.take();
            let result = decode_tile_into(level, tile, nodata, &mut samples);
            (tile.index, result.and_then(|()| convert(samples)))
        };
        let results: Vec<_> = self.tiles.par_iter().map(decode).collect();
        let mut decoded = Decoded { tiling: level.tiling, tiles: HashMap::new(), broken: HashSet::new() };
        let mut errors = Vec::new();
        for (tiles, error) in self.failures {
            decoded.broken.extend(tiles);
            errors.push(error);
        }
        for (index, result) in results {
            match result {
                Ok(array) => drop(decoded.tiles.insert(index, array)),
                Err(error) => {
                    decoded.broken.insert(index);
                    errors.push(error);
                }
            }
        }
        (decoded, errors)
    }

    /// Decodes quality values into scores (rule W4).
    pub(crate) fn decode_quality(self, kind: QualityKind) -> (Decoded<u8>, Vec<Error>) {
        let scores: [u8; 256] = std::array::from_fn(|value| kind.score(value as u16));
        self.decode(f64::from(kind.missing()), &Spare::default(), |samples| match samples {
            Samples::U8(mut values) => {
                values.values_mut().iter_mut().for_each(|value| *value = scores[usize::from(*value)]);
                Ok(values)
            }
            Samples::U16(values) => Ok(values.map(|value| kind.score(value))),
            other => Err(unsupported(&format!("quality samples of type {}", other.type_name()))),
        })
    }

    /// Decodes reflectance into DN, [`crate::source::MISSING_DN`] where there is none, and takes out the offset
    /// (rules V3 and V4).
    pub(crate) fn decode_reflectance(self, scale: &Scale, offset: u16, spare: &Spare) -> (Decoded<u16>, Vec<Error>) {
        let dn = |sample: i32| scale.to_dn(sample, offset);
        self.decode(f64::from(scale.fill), spare, |samples| match samples {
            Samples::U16(mut values) => {
                scale.apply(values.values_mut(), offset);
                Ok(values)
            }
            Samples::U8(values) => Ok(values.map(|value| dn(i32::from(value)))),
            Samples::I16(values) => Ok(values.map(|value| dn(i32::from(value)))),
            other => Err(unsupported(&format!("reflectance samples of type {}", other.type_name()))),
        })
    }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported { what: what.to_owned() }
}

/// Memory of tiles that are done with: others are decoded into it. The system would have to clear fresh pages first, which
/// takes a tenth of the time that decoding takes.
#[derive(Default)]
pub(crate) struct Spare(Mutex<Vec<Array<u16>>>);

impl Spare {
    fn take(&self) -> Samples {
        let tile = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        tile.map_or_else(Samples::default, Samples::U16)
    }

    /// Takes tiles that nobody needs any more.
    pub(crate) fn give(&self, tiles: impl IntoIterator<Item = Array<u16>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(tiles);
    }
}

/// Decoded tiles of one level.
pub(crate) struct Decoded<T> {
    tiling: Tiling,
    tiles: HashMap<usize, Array<T>>,
    /// Tiles that could not be had.
    broken: HashSet<usize>,
}

impl<T: Copy> Decoded<T> {
    /// Whether all tiles could be had.
    pub(crate) fn is_whole(&self) -> bool {
        self.broken.is_empty()
    }

    /// Marks the pixels of broken tiles in a window by 1, all others by 0; None where no tile is broken.
    pub(crate) fn broken_patch(&self, window: &Window) -> Option<Patch<'_, u16>> {
        if self.is_whole() {
            return None;
        }
        let mut array = Array::filled(window.width, window.height, 0);
        for place in self.broken.iter().map(|&index| self.tiling.window(index)) {
            let Some(shared) = place.intersection(window) else { continue };
            for row in shared.row_off..shared.row_end() {
                let from = shared.col_off - window.col_off;
                array.row_mut(row - window.row_off)[from..from + shared.width].fill(1);
            }
        }
        Some(Patch::new(array, window.col_off, window.row_off))
    }

    /// Adds tiles that have been decoded before.
    pub(crate) fn add(&mut self, tiles: HashMap<usize, Array<T>>) {
        self.tiles.extend(tiles);
    }

    /// The tiles.
    pub(crate) fn into_tiles(self) -> HashMap<usize, Array<T>> {
        self.tiles
    }

    /// How many pixels have been decoded, padding included.
    pub(crate) fn pixels(&self) -> u64 {
        self.tiles.values().map(|tile| tile.values().len() as u64).sum()
    }

    /// The samples of a window, which must lie inside the level; `missing` where a tile is not there.
    pub(crate) fn patch(&self, window: &Window, missing: T) -> Patch<'_, T> {
        if let Some(patch) = self.whole_tile(window) {
            return patch;
        }
        let mut array = Array::filled(window.width, window.height, missing);
        for index in self.tiling.tiles_in(window) {
            let Some(tile) = self.tiles.get(&index) else { continue };
            let place = self.tiling.window(index);
            let Some(shared) = place.intersection(window) else { continue };
            let (from, to) = (shared.col_off - place.col_off, shared.col_off - window.col_off);
            for row in shared.row_off..shared.row_end() {
                let source = &tile.row(row - place.row_off)[from..from + shared.width];
                array.row_mut(row - window.row_off)[to..to + shared.width].copy_from_slice(source);
            }
        }
        Patch::new(array, window.col_off, window.row_off)
    }

    /// The tile that holds all of a window, as it is; None where there are several, or its padding would pass for samples.
    fn whole_tile(&self, window: &Window) -> Option<Patch<'_, T>> {
        let [index] = self.tiling.tiles_in(window)[..] else { return None };
        let (tile, place) = (self.tiles.get(&index)?, self.tiling.window(index));
        let is_without_padding = (tile.width(), tile.height()) == (place.width, place.height);
        is_without_padding.then_some(Patch {
            array: Cow::Borrowed(tile),
            col_off: place.col_off,
            row_off: place.row_off,
        })
    }
}

/// The warps from one output grid to all CRSs that its sources have.
pub(crate) struct Warps {
    grid: Grid,
    /// By CRS and the power of two below the source's pixel size.
    warps: HashMap<(Crs, i32), Arc<Warp>>,
}

/// Points of the scout's last cells lie beyond the grid, by less than a chunk.
const MARGIN: usize = crate::raster::CHUNK_SIZE;

impl Warps {
    pub(crate) fn new(grid: Grid) -> Self {
        Self { grid, warps: HashMap::new() }
    }

    /// The warp to a CRS, off by at most 0.01 of a pixel of the given size (rule G3).
    fn get(&mut self, crs: &Crs, pixel_size: f64) -> tiff::Result<Arc<Warp>> {
        let power = pixel_size.log2().floor() as i32;
        let key = (crs.clone(), power);
        if let Some(warp) = self.warps.get(&key) {
            return Ok(warp.clone());
        }
        let projection = if *crs == self.grid.crs {
            None
        } else {
            let found = Projection::new(&self.grid.crs, crs);
            Some(found.map_err(|error| Error::Unsupported { what: error.to_string() })?)
        };
        let warp = Arc::new(Warp::new(&self.grid, projection.as_ref(), 0.01 * 2f64.powi(power), MARGIN));
        self.warps.insert(key, warp.clone());
        Ok(warp)
    }

    /// The full image of a file.
    ///
    /// # Errors
    /// As [`Warps::level`].
    pub(crate) fn full(&mut self, cog: Arc<Cog>) -> tiff::Result<LevelRef> {
        // No level is fine enough: the full image it is.
        self.level(cog, 0.0)
    }

    /// The level of a file that serves output pixels of `pixel_size` (in units of the grid), by rule L1.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the file has no CRS, or one that PROJ cannot reach.
    pub(crate) fn level(&mut self, cog: Arc<Cog>, pixel_size: f64) -> tiff::Result<LevelRef> {
        let missing = || Error::Unsupported { what: "a file without a CRS".to_owned() };
        let crs = cog.crs.clone().ok_or_else(missing)?;
        let (col, row) = (self.grid.width as f64 / 2.0, self.grid.height as f64 / 2.0);
        let scale = self.get(&crs, self.grid.resolution)?.pixel_size_at(col, row) / self.grid.resolution;
        let index = cog.level_for(pixel_size * scale);
        let (width, height) = cog.levels[index].transform.pixel_size();
        let warp = self.get(&crs, width.min(height))?;
        Ok(LevelRef { cog, index, warp })
    }
}
