//! The output under way: bands that are being filled, and which of their pixels stay empty.

use super::NODATA;
use super::winners::{ChunkWinners, Winners};
use crate::raster::Window;
use rayon::prelude::*;

/// The reflectance of some rows of the output.
pub(crate) struct Canvas {
    /// The rows, as a window over the whole width of the grid.
    window: Window,
    bands: Vec<Vec<u16>>,
}

impl Canvas {
    /// All bands empty.
    pub(crate) fn new(window: Window, bands: usize) -> Self {
        Self { window, bands: vec![vec![NODATA; window.len()]; bands] }
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    pub(crate) fn band_mut(&mut self, band: usize) -> &mut [u16] {
        &mut self.bands[band]
    }

    pub(crate) fn bands(&self) -> Vec<&[u16]> {
        self.bands.iter().map(Vec::as_slice).collect()
    }

    /// Where the `i`-th pixel of a chunk lies in a band.
    fn place(&self, chunk: &Window, i: usize) -> usize {
        (chunk.row_off - self.window.row_off + i / chunk.width) * self.window.width + chunk.col_off + i % chunk.width
    }

    /// The fresh pixels of each chunk that are empty in all bands: their winners give way (rule W3).
    pub(crate) fn empty(&self, winners: &Winners) -> Vec<Vec<usize>> {
        let empty = winners.chunks.par_iter().map(|chunk| {
            let is_empty = |i: &usize| self.bands.iter().all(|band| band[self.place(&chunk.window, *i)] == NODATA);
            (0..chunk.window.len()).filter(|&i| chunk.fresh[i]).filter(is_empty).collect()
        });
        empty.collect()
    }

    /// Empties the pixels that are to be decided anew.
    pub(crate) fn erase_fresh(&mut self, winners: &Winners) {
        for chunk in &winners.chunks {
            for i in (0..chunk.window.len()).filter(|&i| chunk.fresh[i]) {
                let place = self.place(&chunk.window, i);
                self.bands.iter_mut().for_each(|band| band[place] = NODATA);
            }
        }
    }

    /// An array beside the bands, from a value for each pixel of each chunk.
    pub(crate) fn layer(&self, winners: &Winners, value: impl Fn(&ChunkWinners, usize) -> u16) -> Vec<u16> {
        let mut layer = vec![NODATA; self.window.len()];
        for chunk in &winners.chunks {
            (0..chunk.window.len()).for_each(|i| layer[self.place(&chunk.window, i)] = value(chunk, i));
        }
        layer
    }
}
