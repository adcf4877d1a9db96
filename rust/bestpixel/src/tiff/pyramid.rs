//! Rows of an image go in, from the top; its compressed tiles and those of its overviews come out, level by level.
//!
//! Each level keeps at most a row of tiles in memory. What is compressed is spooled, to disk where it grows, and put
//! together when all sizes are known.

use super::codec::deflate::deflate;
use super::layout::{LevelInfo, TILE_SIZE};
use super::predictor::differentiate;
use super::write::{BandInfo, WriteOptions};
use crate::raster::{Array, Window};
use rayon::prelude::*;
use std::io::{Seek, Write};
use std::path::Path;
use tempfile::SpooledTempFile;

/// Compressed tiles of a level stay in memory up to this size.
const SPOOL_BYTES: usize = 1 << 20;

/// One level and, inside it, the coarser ones.
pub(crate) struct Pyramid {
    width: usize,
    height: usize,
    nodata: u16,
    is_continuous: bool,
    options: WriteOptions,
    /// Rows that have arrived and are not yet compressed: fewer than a row of tiles.
    pending: Vec<u16>,
    rows_done: usize,
    tile_bytes: Vec<u64>,
    spool: SpooledTempFile,
    overview: Option<Box<Pyramid>>,
}

impl Pyramid {
    /// The level of `width` x `height` pixels and its overviews, each half the one before, until one fits into a tile.
    pub(crate) fn new(width: usize, height: usize, band: &BandInfo, options: WriteOptions, folder: &Path) -> Self {
        let has_overview = width.max(height) > TILE_SIZE;
        let overview = || Box::new(Self::new(width.div_ceil(2), height.div_ceil(2), band, options, folder));
        Self {
            width,
            height,
            nodata: band.nodata,
            is_continuous: band.is_continuous,
            options,
            pending: Vec::new(),
            rows_done: 0,
            tile_bytes: Vec::new(),
            spool: tempfile::spooled_tempfile_in(SPOOL_BYTES, folder),
            overview: has_overview.then(overview),
        }
    }

    /// Takes whole rows, in order from the top.
    pub(crate) fn push(&mut self, rows: &[u16]) -> std::io::Result<()> {
        let mut rows = rows;
        while !rows.is_empty() {
            let wanted = TILE_SIZE.min(self.height - self.rows_done) * self.width;
            let (taken, rest) = rows.split_at(rows.len().min(wanted - self.pending.len()));
            self.pending.extend_from_slice(taken);
            rows = rest;
            if self.pending.len() == wanted {
                self.compress()?;
            }
        }
        Ok(())
    }

    /// Compresses the pending row of tiles and hands its half on to the overview.
    fn compress(&mut self) -> std::io::Result<()> {
        let height = self.pending.len() / self.width;
        let strip = Array::from_vec(self.width, height, std::mem::take(&mut self.pending));
        let windows = Window::tiles(self.width, height, TILE_SIZE);
        let level = self.options.deflate_level;
        let tiles: Vec<Vec<u8>> = windows.par_iter().map(|window| encode(&strip, window, level)).collect();
        for tile in &tiles {
            self.spool.write_all(&(tile.len() as u32).to_le_bytes())?;
            self.spool.write_all(tile)?;
            self.spool.write_all(&tile[tile.len().saturating_sub(4)..])?;
            self.tile_bytes.push(tile.len() as u64);
        }
        self.rows_done += height;
        if let Some(overview) = &mut self.overview {
            let half = if self.is_continuous { average(&strip, self.nodata) } else { pick(&strip) };
            overview.push(half.values())?;
        }
        self.pending = strip.into_vec();
        self.pending.clear();
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

    /// Copies all tiles, those of the coarsest level first.
    pub(crate) fn copy_tiles(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        if let Some(overview) = &mut self.overview {
            overview.copy_tiles(out)?;
        }
        self.spool.rewind()?;
        std::io::copy(&mut self.spool, out)?;
        Ok(())
    }
}

/// Half the size, each pixel the mean of up to four valid ones, rounded half up.
fn average(image: &Array<u16>, nodata: u16) -> Array<u16> {
    let (width, height) = (image.width().div_ceil(2), image.height().div_ceil(2));
    let mean_row = |row: usize| {
        let (upper, lower) = (image.row(2 * row), image.row((2 * row + 1).min(image.height() - 1)));
        let has_lower = 2 * row + 1 < image.height();
        let mean = move |col: usize| {
            let cols = 2 * col..(2 * col + 2).min(upper.len());
            let below = if has_lower { &lower[cols.clone()] } else { &[] };
            let valid = upper[cols].iter().chain(below).filter(|&&value| value != nodata);
            let (sum, count) = valid.fold((0u32, 0u32), |(sum, count), &value| (sum + u32::from(value), count + 1));
            if count == 0 { nodata } else { ((2 * sum + count) / (2 * count)) as u16 }
        };
        (0..width).map(mean)
    };
    Array::from_vec(width, height, (0..height).into_par_iter().flat_map_iter(mean_row).collect())
}

/// Half the size, each pixel the upper left one of four.
fn pick(image: &Array<u16>) -> Array<u16> {
    let (width, height) = (image.width().div_ceil(2), image.height().div_ceil(2));
    let values = (0..height).flat_map(|row| image.row(2 * row).iter().step_by(2).copied()).collect();
    Array::from_vec(width, height, values)
}

/// A compressed tile. Beyond the image each row repeats its last pixel and the last row repeats, which compresses best.
fn encode(image: &Array<u16>, window: &Window, level: u8) -> Vec<u8> {
    let mut samples = Vec::with_capacity(TILE_SIZE * TILE_SIZE);
    for row in 0..TILE_SIZE {
        let pixels = &image.row(window.row_off + row.min(window.height - 1))[window.col_off..window.col_end()];
        samples.extend_from_slice(pixels);
        samples.resize(samples.len() + TILE_SIZE - pixels.len(), pixels[pixels.len() - 1]);
    }
    differentiate(&mut samples, TILE_SIZE);
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    deflate(&bytes, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_leave_out_what_is_missing() {
        let image = Array::from_vec(3, 3, vec![1, 2, 9, 4, 6, 9, 7, 9, 9]);
        assert_eq!(average(&image, 9).values(), [3, 9, 7, 9]);
        assert_eq!(pick(&image).values(), [1, 9, 7, 9]);
    }
}
