//! Rows of a band go in, from the top; its compressed tiles and those of its overviews come out, level by level.
//!
//! Each level keeps at most a row of tiles in memory. What is compressed is spooled, to disk where it grows, and put
//! together when all sizes are known.

use super::codec::compress;
use super::layout::{LevelInfo, TILE_SIZE};
use super::sample::Sample;
use super::write::{Compression, ImageInfo};
use crate::raster::{Array, Window};
use rayon::prelude::*;
use std::io::{Seek, Write};
use std::path::Path;
use tempfile::SpooledTempFile;

/// Compressed tiles of a level stay in memory up to this size.
const SPOOL_BYTES: usize = 1 << 20;

/// One level and, inside it, the coarser ones.
pub(crate) struct Pyramid<T> {
    width: usize,
    height: usize,
    nodata: T,
    is_continuous: bool,
    compression: Compression,
    /// Rows that have arrived and are not yet compressed: fewer than a row of tiles. Where whole rows of tiles arrive there
    /// are none.
    pending: Vec<T>,
    rows_done: usize,
    tile_bytes: Vec<u64>,
    spool: SpooledTempFile,
    overview: Option<Box<Pyramid<T>>>,
}

impl<T: Sample> Pyramid<T> {
    /// The level of `width` x `height` pixels and its overviews, each half the one before, until one fits into a tile.
    pub(crate) fn new(
        width: usize,
        height: usize,
        image: &ImageInfo<T>,
        compression: Compression,
        folder: &Path,
    ) -> Self {
        let has_overview = width.max(height) > TILE_SIZE;
        let overview = || Box::new(Self::new(width.div_ceil(2), height.div_ceil(2), image, compression, folder));
        Self {
            width,
            height,
            nodata: image.nodata,
            is_continuous: image.is_continuous,
            compression,
            pending: Vec::new(),
            rows_done: 0,
            tile_bytes: Vec::new(),
            spool: tempfile::spooled_tempfile_in(SPOOL_BYTES, folder),
            overview: has_overview.then(overview),
        }
    }

    /// Takes whole rows, in order from the top.
    pub(crate) fn push(&mut self, rows: &[T]) -> std::io::Result<()> {
        let mut rows = rows;
        while !rows.is_empty() {
            let wanted = TILE_SIZE.min(self.height - self.rows_done) * self.width;
            let (taken, rest) = rows.split_at(rows.len().min(wanted - self.pending.len()));
            rows = rest;
            if taken.len() == wanted {
                self.compress(taken)?;
                continue;
            }
            self.pending.extend_from_slice(taken);
            if self.pending.len() == wanted {
                let mut pending = std::mem::take(&mut self.pending);
                self.compress(&pending)?;
                pending.clear();
                self.pending = pending;
            }
        }
        Ok(())
    }

    /// Compresses a row of tiles and hands its half on to the overview.
    fn compress(&mut self, values: &[T]) -> std::io::Result<()> {
        let height = values.len() / self.width;
        let strip = Strip { width: self.width, height, values };
        let windows = Window::tiles(self.width, height, TILE_SIZE);
        let encode = |window| compress(self.compression, &differences(&strip, window));
        let tiles: Vec<std::io::Result<Vec<u8>>> = windows.par_iter().map(encode).collect();
        for tile in tiles {
            let tile = tile?;
            self.spool.write_all(&(tile.len() as u32).to_le_bytes())?;
            self.spool.write_all(&tile)?;
            self.spool.write_all(&tile[tile.len().saturating_sub(4)..])?;
            self.tile_bytes.push(tile.len() as u64);
        }
        self.rows_done += height;
        if let Some(overview) = &mut self.overview {
            let half = if self.is_continuous { average(&strip, self.nodata) } else { pick(&strip) };
            overview.push(half.values())?;
        }
        Ok(())
    }

    /// Rows that have not arrived.
    pub(crate) fn missing_rows(&self) -> usize {
        self.height - self.rows_done - self.pending.len() / self.width
    }

    /// The levels, from the full image to the coarsest.
    pub(crate) fn levels(&self) -> Vec<LevelInfo> {
        let mut levels =
            vec![LevelInfo { width: self.width, height: self.height, tile_bytes: self.tile_bytes.clone() }];
        levels.extend(self.overview.iter().flat_map(|overview| overview.levels()));
        levels
    }

    /// Copies the tiles of a level: 0 for this one, n for the n-th overview.
    pub(crate) fn copy_tiles(&mut self, level: usize, out: &mut impl Write) -> std::io::Result<()> {
        if let Some(overview) = self.overview.as_mut().filter(|_| level > 0) {
            return overview.copy_tiles(level - 1, out);
        }
        self.spool.rewind()?;
        std::io::copy(&mut self.spool, out)?;
        Ok(())
    }
}

/// Whole rows, wherever they lie.
#[derive(Clone, Copy)]
struct Strip<'a, T> {
    width: usize,
    height: usize,
    values: &'a [T],
}

impl<'a, T> Strip<'a, T> {
    fn row(&self, row: usize) -> &'a [T] {
        &self.values[row * self.width..(row + 1) * self.width]
    }
}

/// Half the size, each pixel the mean of up to four valid ones, rounded half up.
fn average<T: Sample>(image: &Strip<'_, T>, nodata: T) -> Array<T> {
    let (width, height) = (image.width.div_ceil(2), image.height.div_ceil(2));
    let mut half = Array::filled(width, height, nodata);
    half.values_mut().par_chunks_mut(width).enumerate().for_each(|(row, means)| {
        let (upper, lower) = (image.row(2 * row), image.row((2 * row + 1).min(image.height - 1)));
        let lower = if 2 * row + 1 < image.height { lower } else { &[] };
        // The last column of an odd width has no right neighbour, the last row of an odd height nothing below.
        for (col, mean) in means.iter_mut().enumerate() {
            let cols = |row: &'_ [T]| 2 * col.min(row.len())..(2 * col + 2).min(row.len());
            let below = lower.get(cols(lower)).unwrap_or_default();
            let valid = upper[cols(upper)].iter().chain(below).filter(|&&value| value != nodata);
            let (sum, count) = valid.fold((0, 0), |(sum, count), &value| (sum + value.into(), count + 1));
            if count > 0 {
                *mean = T::mean(sum, count);
            }
        }
    });
    half
}

/// Half the size, each pixel the upper left one of four.
fn pick<T: Sample>(image: &Strip<'_, T>) -> Array<T> {
    let (width, height) = (image.width.div_ceil(2), image.height.div_ceil(2));
    let values = (0..height).flat_map(|row| image.row(2 * row).iter().step_by(2).copied()).collect();
    Array::from_vec(width, height, values)
}

/// The bytes of a tile, each row as differences. Beyond the image each row repeats its last pixel and the last row
/// repeats, which compresses best.
fn differences<T: Sample>(image: &Strip<'_, T>, window: &Window) -> Vec<u8> {
    let row_bytes = TILE_SIZE * size_of::<T>();
    let mut bytes = vec![0; TILE_SIZE * row_bytes];
    for (row, place) in bytes.chunks_exact_mut(row_bytes).enumerate() {
        // What lies beyond the pixels is 0: no difference.
        let row = image.row(window.row_off + row.min(window.height - 1));
        T::put_differences(&row[window.col_off..window.col_end()], place);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_leave_out_what_is_missing() {
        let image = Strip { width: 3, height: 3, values: &[1u16, 2, 9, 4, 6, 9, 7, 9, 9] };
        assert_eq!(average(&image, 9).values(), [3, 9, 7, 9]);
        assert_eq!(pick(&image).values(), [1, 9, 7, 9]);
    }

    #[test]
    fn means_are_rounded_half_up() {
        let image = Strip { width: 2, height: 1, values: &[-2, -1] };
        assert_eq!(average(&image, i32::MIN).values(), [-1]);
        let image = Strip { width: 2, height: 2, values: &[65534u16, 65533, 65534, 65533] };
        assert_eq!(average(&image, 65535).values(), [65534]);
    }
}
