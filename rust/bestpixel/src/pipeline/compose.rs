//! The output under way: bands that are being filled, and which of their pixels stay empty.

use super::NODATA;
use super::sink::Rows;
use super::winners::{ChunkWinners, Winners};
use crate::raster::{CHUNK_SIZE, Window};
use crate::source;
use rayon::prelude::*;
use std::ops::Range;

/// The reflectance of some rows of the output.
pub(crate) struct Canvas {
    /// The rows, as a window over the whole width of the grid.
    window: Window,
    bands: Vec<Vec<u16>>,
}

impl Canvas {
    /// All bands empty. The system clears their memory band by band, side by side on the pool that the caller runs in.
    pub(crate) fn new(window: Window, bands: usize) -> Self {
        Self { window, bands: (0..bands).into_par_iter().map(|_| vec![NODATA; window.len()]).collect() }
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    pub(crate) fn band_mut(&mut self, band: usize) -> &mut [u16] {
        &mut self.bands[band]
    }

    /// Where a row of a chunk lies in a band.
    fn place(&self, chunk: &Window, row: usize) -> Range<usize> {
        let first = (chunk.row_off - self.window.row_off + row) * self.window.width + chunk.col_off;
        first..first + chunk.width
    }

    /// The fresh pixels of each chunk that are empty in all bands: their winners give way (rule W3).
    pub(crate) fn empty(&self, winners: &Winners) -> Vec<Vec<usize>> {
        let empty = winners.chunks.par_iter().map(|chunk| {
            let mut empty = chunk.fresh.clone();
            for band in &self.bands {
                for (row, empty) in empty.chunks_exact_mut(chunk.window.width).enumerate() {
                    let values = &band[self.place(&chunk.window, row)];
                    empty.iter_mut().zip(values).for_each(|(empty, &value)| *empty &= value == NODATA);
                }
                // Mostly the first band has them all.
                if !empty.contains(&true) {
                    break;
                }
            }
            (0..empty.len()).filter(|&i| empty[i]).collect()
        });
        empty.collect()
    }

    /// Empties the pixels that are to be decided anew.
    pub(crate) fn erase_fresh(&mut self, winners: &Winners) {
        for chunk in &winners.chunks {
            for (row, fresh) in chunk.fresh.chunks_exact(chunk.window.width).enumerate() {
                if !fresh.contains(&true) {
                    continue;
                }
                let place = self.place(&chunk.window, row);
                for band in &mut self.bands {
                    let values = band[place.clone()].iter_mut().zip(fresh);
                    values.filter(|(_, fresh)| **fresh).for_each(|(value, _)| *value = NODATA);
                }
            }
        }
    }

    /// The finished rows, on the pool that the caller runs in.
    pub(crate) fn finish(self, winners: &Winners) -> Rows {
        let widen = |score: u8| if score == source::NODATA { NODATA } else { u16::from(score) };
        Rows {
            quality: self.layer(winners, |chunk| &chunk.score, widen),
            observation_count: self.layer(winners, |chunk| &chunk.count, |count| count),
            selected_observation: self.layer(winners, |chunk| &chunk.winner, |winner| winner),
            bands: self.bands,
        }
    }

    /// An array beside the bands, from what each chunk has of it.
    fn layer<T: Copy + Sync>(
        &self,
        winners: &Winners,
        part: impl Fn(&ChunkWinners) -> &[T] + Sync,
        value: impl Fn(T) -> u16 + Sync,
    ) -> Vec<u16> {
        let width = self.window.width;
        let mut layer = vec![NODATA; self.window.len()];
        layer.par_chunks_mut(CHUNK_SIZE * width).enumerate().for_each(|(row, strip)| {
            for (_, chunk) in winners.in_row(row) {
                let Window { col_off, width: chunk_width, .. } = chunk.window;
                for (to, from) in strip.chunks_exact_mut(width).zip(part(chunk).chunks_exact(chunk_width)) {
                    to[col_off..].iter_mut().zip(from).for_each(|(to, &from)| *to = value(from));
                }
            }
        });
        layer
    }
}
