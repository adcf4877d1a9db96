//! Scenes go in, candidates come out: for each chunk which coarse cells a scene observes and which are clear (rule S1).

use super::error::causes;
use super::mask::Mask;
use super::stream::{Io, Job};
use super::tiles::{Fetched, LevelRef, Warps};
use super::{Result, Stage};
use crate::fetch::Fetcher;
use crate::raster::{Grid, Window};
use crate::resample::{Footprint, Points, nearest};
use crate::source::{CLEAR, Scene};
use crate::tiff::{self, Cog};
use rayon::prelude::*;
use std::sync::Arc;

/// What the scout has seen of a scene in one chunk.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Cells inside the scene's raster.
    pub(crate) covered: Mask,
    /// Cells with data, cloudy ones among them.
    pub(crate) observed: Mask,
    /// Cells with the best score.
    pub(crate) clear: Mask,
}

/// A scene that can be read, and what the scout has seen of it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) scene: Scene,
    pub(crate) quality: Arc<Cog>,
    /// One per chunk; None where the scene's raster does not reach it.
    pub(crate) views: Vec<Option<View>>,
}

impl Candidate {
    /// Clear cells over the whole AOI.
    pub(crate) fn clear_cells(&self) -> usize {
        self.views.iter().flatten().map(|view| view.clear.count()).sum()
    }

    /// Observed cells over the whole AOI.
    pub(crate) fn observed_cells(&self) -> usize {
        self.views.iter().flatten().map(|view| view.observed.count()).sum()
    }
}

/// A scene of which something could not be read.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) scene: Scene,
    pub(crate) href: String,
    pub(crate) error: tiff::Error,
}

impl Failure {
    /// The failures of a scene's quality file.
    pub(crate) fn of_quality(scene: &Scene, errors: Vec<tiff::Error>) -> impl Iterator<Item = Self> {
        let failure = |error| Self { scene: scene.clone(), href: scene.quality_href.clone(), error };
        errors.into_iter().map(failure)
    }

    pub(crate) fn cause(&self) -> String {
        causes(&self.error)
    }
}

/// The coarse cells of a chunk, counted from its upper left corner; the last ones may reach beyond the grid.
pub(crate) fn cells(chunk: &Window, scout_factor: usize) -> Points {
    Points {
        col_off: chunk.col_off,
        row_off: chunk.row_off,
        width: chunk.width.div_ceil(scout_factor),
        height: chunk.height.div_ceil(scout_factor),
        step: scout_factor,
    }
}

/// Looks at all scenes. Candidates come in the AOI's order of preference (rule W1): larger clear area, newer, id.
pub(crate) fn scout(
    scenes: Vec<Scene>,
    grid: &Grid,
    scout_factor: usize,
    fetcher: &Fetcher,
    io: &Io<'_>,
    warps: &mut Warps,
) -> Result<(Vec<Candidate>, Vec<Failure>)> {
    let points: Vec<Points> = grid.chunks().iter().map(|chunk| cells(chunk, scout_factor)).collect();
    let mut failures = Vec::new();
    let hrefs: Vec<String> = scenes.iter().map(|scene| scene.quality_href.clone()).collect();
    let opened = open_all(&hrefs, fetcher, io, Stage::Scout)?;
    let mut jobs = Vec::new();
    for (scene, opened) in scenes.into_iter().zip(opened) {
        let pixel_size = grid.resolution * scout_factor as f64;
        let level = opened.and_then(|cog| quality_level(&scene, cog, pixel_size, grid.resolution, warps));
        match level {
            Ok(level) => {
                let tiles = tiles_at(&level, &points);
                let (bytes, fetch) = (level.bytes(&tiles), level.fetch(tiles));
                jobs.push(Job { bytes, fetch: async move { (scene, fetch.await) } });
            }
            Err(error) => failures.push(Failure { href: scene.quality_href.clone(), scene, error }),
        }
    }
    let mut candidates = Vec::with_capacity(jobs.len());
    io.stream(Stage::Scout, jobs, |(scene, fetched): (Scene, Fetched)| {
        let quality = fetched.level.cog.clone();
        let (views, errors) = look(&scene, fetched, &points);
        failures.extend(Failure::of_quality(&scene, errors));
        candidates.push(Candidate { scene, quality, views });
        Ok(())
    })?;
    candidates.sort_by(|a, b| {
        let key = |c: &Candidate| (std::cmp::Reverse(c.clear_cells()), std::cmp::Reverse(c.scene.datetime.clone()));
        key(a).cmp(&key(b)).then_with(|| a.scene.id.cmp(&b.scene.id))
    });
    failures.sort_by(|a, b| (&a.scene.id, &a.href).cmp(&(&b.scene.id, &b.href)));
    Ok((candidates, failures))
}

/// Opens files, all at once; the results are in the order of the hrefs.
pub(crate) fn open_all(
    hrefs: &[String],
    fetcher: &Fetcher,
    io: &Io<'_>,
    stage: Stage,
) -> Result<Vec<tiff::Result<Arc<Cog>>>> {
    let job = |(index, href): (usize, &String)| {
        let source = fetcher.open(href);
        Job { bytes: 0, fetch: async move { (index, open(source).await) } }
    };
    let mut opened: Vec<Option<tiff::Result<Arc<Cog>>>> = hrefs.iter().map(|_| None).collect();
    io.stream(stage, hrefs.iter().enumerate().map(job).collect(), |(index, cog)| {
        opened[index] = Some(cog);
        Ok(())
    })?;
    Ok(opened.into_iter().flatten().collect())
}

async fn open(source: crate::fetch::Result<Arc<dyn crate::fetch::ByteSource>>) -> tiff::Result<Arc<Cog>> {
    Ok(Arc::new(Cog::open(source?).await?))
}

/// The level of a quality file: by rule L1 where its overviews hold classes, else the full image (rule L2).
pub(crate) fn quality_level(
    scene: &Scene,
    cog: Arc<Cog>,
    pixel_size: f64,
    resolution: f64,
    warps: &mut Warps,
) -> tiff::Result<LevelRef> {
    let wanted = if scene.collection.has_quality_overviews { pixel_size } else { resolution.min(pixel_size) };
    let mut level = warps.level(cog, wanted)?;
    if !scene.collection.has_quality_overviews {
        level.index = 0;
    }
    Ok(level)
}

/// The tiles of a level that hold the sample of any point.
pub(crate) fn tiles_at(level: &LevelRef, points: &[Points]) -> Vec<usize> {
    let mut marks = vec![false; level.tiling().count()];
    for points in points {
        let positions = level.warp.positions(points, &level.level().transform);
        let wanted = vec![true; points.width * points.height];
        Footprint::Nearest.mark_tiles(&positions, &wanted, level.tiling(), &mut marks);
    }
    (0..marks.len()).filter(|&tile| marks[tile]).collect()
}

/// What a scene shows in each chunk, and what of it could not be read: that counts as not observed.
fn look(scene: &Scene, fetched: Fetched, points: &[Points]) -> (Vec<Option<View>>, Vec<tiff::Error>) {
    let (level, missing) = (fetched.level.clone(), scene.collection.quality.missing());
    let (decoded, errors) = fetched.decode_quality();
    let view = |points: &Points| {
        let positions = level.warp.positions(points, &level.level().transform);
        let wanted = vec![true; points.width * points.height];
        let window = Footprint::Nearest.window(&positions, &wanted, level.tiling())?;
        let values = nearest(&decoded.patch(&window, missing), &positions, missing);
        let tiling = level.tiling();
        let is_inside =
            |(x, y): (f64, f64)| (0.0..tiling.width as f64).contains(&x) && (0.0..tiling.height as f64).contains(&y);
        let covered = (0..wanted.len()).map(|i| is_inside(positions.at(i / points.width, i % points.width)));
        Some(View {
            covered: Mask::collect(covered),
            observed: Mask::collect(values.values().iter().map(|&value| value != missing)),
            clear: Mask::collect(values.values().iter().map(|&value| scene.score(value) == CLEAR)),
        })
    };
    (points.par_iter().map(view).collect(), errors)
}
