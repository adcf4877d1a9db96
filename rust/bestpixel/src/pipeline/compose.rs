//! The output under way: bands that are being filled, and which of their pixels stay empty.

use super::NODATA;
use super::winners::Winners;
use crate::raster::Grid;
use rayon::prelude::*;

/// The reflectance of the output.
pub(crate) struct Canvas {
    width: usize,
    bands: Vec<Vec<u16>>,
}

impl Canvas {
    /// All bands empty.
    pub(crate) fn new(grid: &Grid, bands: usize) -> Self {
        Self { width: grid.width, bands: vec![vec![NODATA; grid.width * grid.height]; bands] }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn band_mut(&mut self, band: usize) -> &mut [u16] {
        &mut self.bands[band]
    }

    pub(crate) fn into_bands(self) -> Vec<Vec<u16>> {
        self.bands
    }

    /// The fresh pixels of each chunk that are empty in all bands: their winners give way (rule W3).
    pub(crate) fn empty(&self, winners: &Winners) -> Vec<Vec<usize>> {
        let empty = winners.chunks.par_iter().map(|chunk| {
            let window = &chunk.window;
            let place = |i: usize| (window.row_off + i / window.width) * self.width + window.col_off + i % window.width;
            let is_empty = |i: &usize| self.bands.iter().all(|band| band[place(*i)] == NODATA);
            (0..window.len()).filter(|&i| chunk.fresh[i]).filter(is_empty).collect()
        });
        empty.collect()
    }

    /// Empties the pixels that are to be decided anew.
    pub(crate) fn erase_fresh(&mut self, winners: &Winners) {
        let width = self.width;
        for chunk in &winners.chunks {
            let window = &chunk.window;
            for i in (0..window.len()).filter(|&i| chunk.fresh[i]) {
                let place = (window.row_off + i / window.width) * width + window.col_off + i % window.width;
                self.bands.iter_mut().for_each(|band| band[place] = NODATA);
            }
        }
    }
}
