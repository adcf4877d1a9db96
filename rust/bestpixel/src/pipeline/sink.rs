//! Finished rows of the output go in, from the top; a sink keeps them in memory or writes them to disk.

use super::{Arrays, Composite, Metadata, NODATA, Result};
use crate::raster::Grid;

/// Takes the output as it is finished.
pub trait Sink {
    /// Takes the next rows of all arrays, in order from the top.
    ///
    /// # Errors
    /// Where they cannot be kept.
    fn put(&mut self, rows: &Arrays<'_>) -> Result<()>;
}

/// Keeps the output in memory: the only thing that grows with the area.
pub(crate) struct MemorySink {
    grid: Grid,
    bands: Vec<Vec<u16>>,
    quality: Vec<u16>,
    observation_count: Vec<u16>,
    selected_observation: Vec<u16>,
}

impl MemorySink {
    pub(crate) fn new(grid: &Grid, bands: usize) -> Self {
        let array = || Vec::with_capacity(grid.width * grid.height);
        Self {
            grid: grid.clone(),
            bands: (0..bands).map(|_| array()).collect(),
            quality: array(),
            observation_count: array(),
            selected_observation: array(),
        }
    }

    pub(crate) fn finish(self, metadata: Metadata) -> Composite {
        Composite {
            bands: self.bands,
            quality: self.quality,
            observation_count: self.observation_count,
            selected_observation: self.selected_observation,
            metadata,
            grid: self.grid,
        }
    }
}

impl Sink for MemorySink {
    fn put(&mut self, rows: &Arrays<'_>) -> Result<()> {
        for (all, rows) in self.bands.iter_mut().zip(rows.bands) {
            all.extend_from_slice(rows);
        }
        self.quality.extend_from_slice(rows.quality);
        self.observation_count.extend_from_slice(rows.observation_count);
        self.selected_observation.extend_from_slice(rows.selected_observation);
        Ok(())
    }
}

/// What a run counts of the rows that pass: they are gone when it ends.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) pixels: u64,
    pub(crate) clear: u64,
    pub(crate) missing: u64,
    /// Pixels won, by scene.
    pub(crate) won: Vec<u64>,
}

impl Tally {
    pub(crate) fn new(scenes: usize) -> Self {
        Self { won: vec![0; scenes], ..Self::default() }
    }

    pub(crate) fn add(&mut self, rows: &Arrays<'_>) {
        self.pixels += rows.quality.len() as u64;
        self.clear += rows.quality.iter().filter(|&&quality| quality == 0).count() as u64;
        self.missing += rows.quality.iter().filter(|&&quality| quality == NODATA).count() as u64;
        for &scene in rows.selected_observation {
            if let Some(won) = self.won.get_mut(usize::from(scene)) {
                *won += 1;
            }
        }
    }

    /// Share of clear and of missing pixels.
    pub(crate) fn shares(&self) -> (f64, f64) {
        let share = |count: u64| count as f64 / self.pixels.max(1) as f64;
        (share(self.clear), share(self.missing))
    }
}
