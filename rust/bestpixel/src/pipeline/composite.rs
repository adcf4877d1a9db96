//! The result of a run.

use super::Request;
use crate::raster::{Crs, Grid, proj4};
use crate::source::Unusable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Marks missing pixels in all output arrays.
pub const NODATA: u16 = u16::MAX;

/// A composite: arrays of `grid.height` rows of `grid.width` values, and what is known about them.
#[derive(Debug)]
pub struct Composite {
    /// Reflectance of each requested band: DN / 10000, [`NODATA`] where there is none.
    pub bands: Vec<Vec<u16>>,
    /// 0 clear, 1 marginal, 2 dark, [`NODATA`].
    pub quality: Vec<u16>,
    /// How many of the scenes that were read have a usable observation.
    pub observation_count: Vec<u16>,
    /// Index into `source_ids`, or [`NODATA`].
    pub selected_observation: Vec<u16>,
    /// Everything else.
    pub metadata: Metadata,
    /// The output grid.
    pub grid: Grid,
}

/// What is known about a composite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metadata {
    /// What was asked for, as the user has said it, but for what is secret in it.
    pub request: Request,
    /// The bands, in the requested order.
    pub band_names: Vec<String>,
    /// Ids of the scenes that were read, in the order of preference over the whole AOI.
    pub source_ids: Vec<String>,
    /// The output grid as users see it.
    pub grid: GridInfo,
    /// The endpoint's name.
    pub endpoint: String,
    /// Ids of its collections, with a comma between.
    pub collection: String,
    /// Seconds and counts.
    pub timings: Timings,
    /// The tiles that some chunk requires.
    pub partition_tiles: Vec<String>,
    /// How many chunks require more than one tile.
    pub multi_tile_chunks: usize,
    /// The scenes of `source_ids`.
    pub sources: Vec<SourceInfo>,
    /// What could not be read.
    pub skipped: Vec<Unusable>,
    /// Share of the pixels whose quality is 0.
    pub clear_fraction: f64,
    /// Share of the pixels that have nothing.
    pub nodata_fraction: f64,
}

/// A grid as users see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GridInfo {
    /// Left, bottom, right, top in units of the CRS.
    pub bounds: [f64; 4],
    /// EPSG code, 0 where the CRS has none.
    pub epsg: u32,
    /// PROJ string; of a CRS without an EPSG code it may not tell the datum.
    pub proj4: String,
    /// `EPSG:n`, or the CRS as it was asked for: what PROJ reads the CRS from.
    pub crs: String,
    /// From pixel to world, in rasterio's order.
    pub transform: [f64; 6],
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Side of a pixel in units of the CRS.
    pub resolution: f64,
}

/// A scene that was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceInfo {
    /// The item's id.
    pub id: String,
    /// When it was taken, RFC 3339.
    pub datetime: String,
    /// Its collection.
    pub collection: String,
    /// Its tile.
    pub tile: String,
    /// Its platform.
    pub platform: String,
    /// What was subtracted from its reflectance.
    pub offset_applied: u16,
    /// Clear cells of those that it observes in the AOI, as the scout has seen them.
    pub clear_fraction: f64,
    /// Pixels that it has won.
    pub pixels: u64,
}

/// Where the time went, in seconds, and what was read.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Reading the catalogue. Months of one batch read it together, and all of them tell how long that took.
    pub catalog: f64,
    /// Headers and coarse quality; of a batch as well.
    pub scout: f64,
    /// Selecting, and headers of reflectance.
    pub plan: f64,
    /// Quality of the selected scenes and winners.
    pub quality: f64,
    /// Reflectance of the winners.
    pub read: f64,
    /// Waiting for finished rows to be written, where they go to files: they are written beside what else is done.
    pub write: f64,
    /// All together.
    pub total: f64,
    /// Millions of reflectance pixels decoded.
    pub read_megapixels: f64,
    /// Requests for files, retries among them; searches and tokens are not counted. Months of one batch share them: these are the batch's until the month was done.
    pub requests: u64,
    /// Bytes received, of the batch as well.
    pub bytes: u64,
}

impl Metadata {
    /// What is kept beside the files: the request, the rest, and which version of us has made it.
    pub(crate) fn to_file(&self) -> Value {
        let mut composite = serde_json::to_value(self).unwrap_or_default();
        let request = composite.as_object_mut().and_then(|object| object.shift_remove("request"));
        let software = concat!("bestpixel ", env!("CARGO_PKG_VERSION"));
        json!({ "software": software, "request": request, "composite": composite })
    }
}

impl GridInfo {
    /// The grid as users see it.
    ///
    /// # Errors
    /// Where PROJ has no string for the CRS.
    pub fn new(grid: &Grid) -> crate::raster::Result<Self> {
        let definition = grid.crs.definition();
        Ok(Self {
            bounds: grid.bounds(),
            epsg: grid.crs.epsg(),
            proj4: if definition.starts_with("+proj=") { definition } else { proj4(&grid.crs)? },
            crs: grid.crs.definition(),
            transform: grid.transform().0,
            width: grid.width,
            height: grid.height,
            resolution: grid.resolution,
        })
    }

    /// The grid that is shown.
    pub fn grid(&self) -> Grid {
        Grid {
            crs: Crs::parse(&self.crs),
            left: self.transform[2],
            top: self.transform[5],
            resolution: self.resolution,
            width: self.width,
            height: self.height,
        }
    }
}
