//! Rows of bands go in, a tiled, compressed GeoTIFF with overviews comes out: a valid COG.
//!
//! Bands of one file lie side by side, tile by tile (planar configuration 2): whoever reads one band fetches that band.

use super::error::{Error, Result};
use super::layout::{Layout, LevelInfo};
use super::metadata::Scaling;
use super::pyramid::Pyramid;
use super::sample::Sample;
use super::tags::compression;
use super::temporary::{WholeFile, folder_of};
use crate::raster::Grid;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What an image is.
#[derive(Debug, Clone)]
pub struct ImageInfo<T> {
    /// Its bands.
    pub bands: Vec<BandInfo>,
    /// The value of missing pixels.
    pub nodata: T,
    /// Whether overviews may average values (reflectance) or must pick one (classes, indices, dates).
    pub is_continuous: bool,
}

/// What a band is.
#[derive(Debug, Clone)]
pub struct BandInfo {
    /// Name of the band, as GDAL shows it.
    pub description: String,
    /// How samples become physical values; None for classes and counts.
    pub scaling: Option<Scaling>,
}

/// How tiles are compressed. Both have a predictor of horizontal differences before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Understood by everybody. 1 (fast) to 12 (small).
    Deflate {
        /// As libdeflate counts.
        level: u8,
    },
    /// Faster to read; GDAL needs to have been built with it. 1 (fast) to 22 (small).
    Zstd {
        /// As the reference implementation counts.
        level: u8,
    },
}

impl Default for Compression {
    /// DEFLATE of the lowest level: of predicted reflectance level 6 makes 2 per cent less (33.9 MB instead of 34.6, real
    /// bands of Sentinel-2) and takes up to twice as long.
    fn default() -> Self {
        Self::Deflate { level: 1 }
    }
}

impl Compression {
    /// The value of the compression tag.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Deflate { .. } => compression::DEFLATE,
            Self::Zstd { .. } => compression::ZSTD,
        }
    }
}

/// A COG under way. It needs memory for one row of tiles of each band, whatever the size of the image. The file appears
/// under its name only when it is whole; one that is dropped unfinished leaves nothing.
pub struct GeoTiffWriter<T> {
    path: PathBuf,
    image: ImageInfo<T>,
    grid: Grid,
    compression: Compression,
    /// One for each band.
    pyramids: Vec<Pyramid<T>>,
}

impl<T: Sample> GeoTiffWriter<T> {
    /// A writer of an image on a grid. Nothing is written yet.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the grid's CRS has no GeoKeys, or there are no or too many bands.
    pub fn new(path: &Path, image: ImageInfo<T>, grid: &Grid, compression: Compression) -> Result<Self> {
        super::write_crs::write_crs(&grid.crs)?;
        if !(1..=usize::from(u16::MAX)).contains(&image.bands.len()) {
            return Err(Error::unsupported(format!("{} bands in a file", image.bands.len())));
        }
        let pyramid = |_| Pyramid::new(grid.width, grid.height, &image, compression, folder_of(path));
        let pyramids = (0..image.bands.len()).map(pyramid).collect();
        Ok(Self { path: path.to_owned(), image, grid: grid.clone(), compression, pyramids })
    }

    /// Where the file will lie.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it writes.
    pub fn image(&self) -> &ImageInfo<T> {
        &self.image
    }

    /// Takes whole rows of a band, in order from the top. Tiles are compressed on the rayon pool that the caller runs in.
    ///
    /// # Errors
    /// [`Error::Write`] where the file system refuses.
    ///
    /// # Panics
    /// If there is no such band, these are no whole rows, or more than are missing.
    pub fn push(&mut self, band: usize, rows: &[T]) -> Result<()> {
        let (width, pyramid) = (self.grid.width, &mut self.pyramids[band]);
        assert!(
            rows.len().is_multiple_of(width) && rows.len() / width <= pyramid.missing_rows(),
            "whole rows of the grid"
        );
        pyramid.push(rows).map_err(|source| Error::Write { path: self.path.display().to_string(), source })
    }

    /// Puts the file together; it still lacks its name.
    ///
    /// # Errors
    /// [`Error::Write`] where the file system refuses.
    ///
    /// # Panics
    /// If rows are missing.
    pub fn finish(mut self) -> Result<WholeFile> {
        assert!(self.pyramids.iter().all(|pyramid| pyramid.missing_rows() == 0), "all rows of the grid");
        let layout = Layout::plan(&self.image, &self.grid, self.compression, self.levels())?;
        let path = std::mem::take(&mut self.path);
        WholeFile::write(&path, |file| {
            let mut out = BufWriter::with_capacity(1 << 20, file);
            out.write_all(&layout.head())?;
            // The coarsest level comes first in the file.
            for level in (0..layout.levels()).rev() {
                for pyramid in &mut self.pyramids {
                    pyramid.copy_tiles(level, &mut out)?;
                }
            }
            out.flush()
        })
    }

    /// The levels, from the full image to the coarsest, with the tiles of all bands.
    fn levels(&self) -> Vec<LevelInfo> {
        let mut bands = self.pyramids.iter().map(Pyramid::levels);
        let mut levels = bands.next().unwrap_or_default();
        for band in bands {
            for (level, more) in levels.iter_mut().zip(band) {
                level.tile_bytes.extend(more.tile_bytes);
            }
        }
        levels
    }
}
