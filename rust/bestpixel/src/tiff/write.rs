//! Rows of a band go in, a tiled, compressed GeoTIFF with overviews comes out: a valid COG.

use super::error::{Error, Result};
use super::layout::Layout;
use super::pyramid::Pyramid;
use crate::raster::Grid;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What a band is.
#[derive(Debug, Clone)]
pub struct BandInfo {
    /// Name of the band, as GDAL shows it.
    pub description: String,
    /// The value of missing pixels.
    pub nodata: u16,
    /// Physical value of one unit, written as GDAL's scale; None for classes and counts.
    pub scale: Option<f64>,
    /// Whether overviews may average values (reflectance) or must pick one (classes, indices).
    pub is_continuous: bool,
}

/// How a file is written.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    /// DEFLATE level, 1 (fast) to 12 (small).
    pub deflate_level: u8,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { deflate_level: 6 }
    }
}

/// A COG under way. It needs memory for one row of tiles, whatever the size of the image. The file appears under its
/// name only when it is whole; one that is dropped unfinished leaves nothing.
pub struct GeoTiffWriter {
    path: PathBuf,
    band: BandInfo,
    grid: Grid,
    pyramid: Pyramid,
}

impl GeoTiffWriter {
    /// A writer of one band on a grid. Nothing is written yet.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the grid's CRS has no GeoKeys.
    pub fn new(path: &Path, band: BandInfo, grid: &Grid, options: WriteOptions) -> Result<Self> {
        super::geokeys::write_crs(&grid.crs)?;
        let pyramid = Pyramid::new(grid.width, grid.height, &band, options, folder_of(path));
        Ok(Self { path: path.to_owned(), band, grid: grid.clone(), pyramid })
    }

    /// Takes whole rows, in order from the top. Tiles are compressed on the rayon pool that the caller runs in.
    ///
    /// # Errors
    /// [`Error::Write`] where the file system refuses.
    ///
    /// # Panics
    /// If these are no whole rows, or more than are missing.
    pub fn push(&mut self, rows: &[u16]) -> Result<()> {
        let width = self.grid.width;
        assert!(
            rows.len().is_multiple_of(width) && rows.len() / width <= self.pyramid.missing_rows(),
            "whole rows of the grid"
        );
        self.pyramid.push(rows).map_err(|source| self.failed(source))
    }

    /// Puts the file together and gives it its name.
    ///
    /// # Errors
    /// [`Error::Write`] where the file system refuses.
    ///
    /// # Panics
    /// If rows are missing.
    pub fn finish(mut self) -> Result<()> {
        assert_eq!(self.pyramid.missing_rows(), 0, "all rows of the grid");
        let layout = Layout::plan(&self.band, &self.grid, self.pyramid.levels())?;
        let mut write = || -> std::io::Result<()> {
            let mut file = temporary_beside(&self.path)?;
            let mut out = BufWriter::with_capacity(1 << 20, file.as_file_mut());
            out.write_all(&layout.head())?;
            self.pyramid.copy_tiles(&mut out)?;
            out.flush()?;
            drop(out);
            file.persist(&self.path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.path.display().to_string(), source }
    }
}

/// Where a file lies.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file in the folder of `path`, to be renamed to it when it is whole. It gets the permissions that a file
/// made in the usual way would get.
pub(crate) fn temporary_beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".bestpixel-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder_of(path))
}
