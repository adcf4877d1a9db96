//! The selection goes in, the plan comes out: which scenes, levels, windows and bytes a run reads.
//!
//! A plan is data: it is made before a reflectance pixel is read, prints itself as JSON, and holds nothing of this
//! process. Bytes are upper bounds: only tiles in which a scene wins a pixel are read.

use super::tiles::LevelRef;
use crate::fetch::redact;
use crate::raster::{Grid, Window};
use crate::resample::{Footprint, Points, Wanted};
use serde::Serialize;

/// What a run will read.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The output grid.
    pub grid: Grid,
    /// The requested bands, in their order.
    pub band_names: Vec<String>,
    /// The selected scenes, in the order of preference over the whole AOI.
    pub scenes: Vec<ScenePlan>,
    /// What each chunk of the grid requires.
    pub chunks: Vec<ChunkPlan>,
    /// Bytes of all quality tiles that will be read.
    pub quality_bytes: u64,
    /// Bytes of all reflectance tiles that may be read.
    pub reflectance_bytes: u64,
    /// Requests for these tiles, as many as there are where all of them are read.
    pub requests: usize,
    /// Bytes of the output arrays.
    pub output_bytes: u64,
    /// Bytes for buffers, at most; where the output stays in memory it comes on top.
    pub memory_bytes: u64,
}

/// One selected scene.
#[derive(Debug, Clone, Serialize)]
pub struct ScenePlan {
    /// The item's id.
    pub id: String,
    /// Its tile.
    pub tile: String,
    /// When it was taken.
    pub datetime: String,
    /// To be subtracted from its reflectance.
    pub offset: u16,
    /// Its quality files: one, or one for each requested band.
    pub quality: Vec<FilePlan>,
    /// Its reflectance files, in the order of the requested bands.
    pub bands: Vec<FilePlan>,
}

/// What is read of one file.
#[derive(Debug, Clone, Serialize)]
pub struct FilePlan {
    /// Where it lies, without a signature.
    pub href: String,
    /// 0 for the full image, n for the n-th overview.
    pub level: usize,
    /// Side of the level's pixel in units of the file's CRS.
    pub pixel_size: f64,
    /// The level's pixels that the AOI needs.
    pub window: Option<Window>,
    /// How many tiles that is.
    pub tiles: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many requests fetch them.
    pub requests: usize,
}

/// One chunk of the output grid.
#[derive(Debug, Clone, Serialize)]
pub struct ChunkPlan {
    /// Its pixels.
    pub window: Window,
    /// The tiles that it requires.
    pub tiles: Vec<String>,
    /// Ids of the scenes selected in it.
    pub scenes: Vec<String>,
}

impl FilePlan {
    /// What `footprint` reads of a level for all the given chunks.
    pub(crate) fn new(href: &str, level: &LevelRef, chunks: &[Points], footprint: Footprint) -> Self {
        let mut marks = vec![false; level.tiling().count()];
        let mut window: Option<Window> = None;
        for points in chunks {
            let positions = level.warp.positions(points, &level.level().transform);
            let wanted = Wanted::all(points.width, points.height);
            footprint.mark_tiles(&positions, &wanted, level.tiling(), &mut marks);
            if let Some(more) = footprint.window(&positions, &wanted, level.tiling()) {
                window = Some(window.map_or(more, |window| window.union(&more)));
            }
        }
        let tiles: Vec<usize> = (0..marks.len()).filter(|&tile| marks[tile]).collect();
        Self {
            href: redact(href),
            level: level.index,
            pixel_size: level.level().transform.pixel_size().0,
            window,
            tiles: tiles.len(),
            bytes: level.bytes(&tiles),
            requests: level.requests(&tiles),
        }
    }
}
