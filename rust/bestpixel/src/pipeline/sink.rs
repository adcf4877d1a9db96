//! Finished rows of the output go in, from the top; a sink keeps them in memory or writes them to disk.

use super::{Composite, Metadata, NODATA, Result};
use crate::raster::Grid;
use std::path::Path;

/// Finished rows of all arrays of a [`Composite`].
pub(crate) struct Rows {
    pub(crate) bands: Vec<Vec<u16>>,
    pub(crate) quality: Vec<u16>,
    pub(crate) observation_count: Vec<u16>,
    pub(crate) selected_observation: Vec<u16>,
}

/// Takes the output as it is finished.
pub(crate) trait Sink {
    /// Whether it keeps the rows as they are, instead of passing them on.
    fn keeps_rows(&self) -> bool {
        false
    }

    /// A folder on a disk where what does not fit into memory may lie meanwhile.
    fn scratch(&self) -> Option<&Path> {
        None
    }

    /// Takes the next rows of all arrays, in order from the top. `datetimes` are those of the scenes that
    /// `selected_observation` counts.
    ///
    /// # Errors
    /// Where they cannot be kept.
    fn put(&mut self, rows: Rows, datetimes: &[&str]) -> Result<()>;
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
        Self {
            grid: grid.clone(),
            bands: vec![Vec::new(); bands],
            quality: Vec::new(),
            observation_count: Vec::new(),
            selected_observation: Vec::new(),
        }
    }

    /// Adds rows to an array. Where they are all of it they become it: nothing is copied.
    fn append(all: &mut Vec<u16>, rows: Vec<u16>, size: usize) {
        if rows.len() == size {
            *all = rows;
        } else {
            all.reserve_exact(size - all.len());
            all.extend_from_slice(&rows);
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
    fn keeps_rows(&self) -> bool {
        true
    }

    fn put(&mut self, rows: Rows, _datetimes: &[&str]) -> Result<()> {
        let size = self.grid.width * self.grid.height;
        for (all, rows) in self.bands.iter_mut().zip(rows.bands) {
            Self::append(all, rows, size);
        }
        Self::append(&mut self.quality, rows.quality, size);
        Self::append(&mut self.observation_count, rows.observation_count, size);
        Self::append(&mut self.selected_observation, rows.selected_observation, size);
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

    pub(crate) fn add(&mut self, rows: &Rows) {
        self.pixels += rows.quality.len() as u64;
        self.clear += rows.quality.iter().filter(|&&quality| quality == 0).count() as u64;
        self.missing += rows.quality.iter().filter(|&&quality| quality == NODATA).count() as u64;
        for &scene in &rows.selected_observation {
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
