//! Scenes go in, candidates come out: for each chunk which coarse cells a scene observes and which are clear (rule S1).

use super::access::Access;
use super::error::causes;
use super::layers::{FileResult, Layers, fetch_layers};
use super::mask::Mask;
use super::stream::{Held, Io, Job};
use super::tiles::{Fetched, LevelRef, Warps};
use super::{Result, Stage};
use crate::cache::Keep;
use crate::raster::{Grid, Window};
use crate::resample::Points;
use crate::source::{CLEAR, NODATA, Scene};
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
    /// The layers of quality.
    pub(crate) quality: Vec<Arc<Cog>>,
    /// One per chunk; None where the scene's raster does not reach it.
    pub(crate) views: Vec<Option<View>>,
}

impl Candidate {
    /// Clear cells over the whole AOI.
    pub(crate) fn clear_cells(&self) -> usize {
        self.views.iter().flatten().map(|view| view.clear.count()).sum()
    }

    /// Clear cells of the observed ones, over the whole AOI.
    pub(crate) fn clear_fraction(&self) -> f64 {
        let observed: usize = self.views.iter().flatten().map(|view| view.observed.count()).sum();
        self.clear_cells() as f64 / observed.max(1) as f64
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
    /// The failures of one of a scene's files.
    pub(crate) fn of_file(scene: &Scene, href: &str, errors: Vec<tiff::Error>) -> impl Iterator<Item = Self> {
        errors.into_iter().map(|error| Self { scene: scene.clone(), href: href.to_owned(), error })
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

/// Looks at scenes. Candidates come in the AOI's order of preference (rule W1): larger clear area, newer, id.
pub(crate) fn scout(
    scenes: Vec<Scene>,
    grid: &Grid,
    scout_factor: usize,
    access: &Access,
    io: &Io<'_>,
    warps: &mut Warps,
) -> Result<(Vec<Candidate>, Vec<Failure>)> {
    let points: Arc<[Points]> = grid.chunks().iter().map(|chunk| cells(chunk, scout_factor)).collect();
    let pixel_size = grid.resolution * scout_factor as f64;
    let mut failures = Vec::new();
    let hrefs: Vec<&[String]> = scenes.iter().map(|scene| scene.quality_hrefs.as_slice()).collect();
    let opened = open_files(&hrefs, Keep::Everything, access, io, Stage::Scout)?;
    let mut jobs = Vec::new();
    for (scene, opened) in scenes.into_iter().zip(opened) {
        let levels = opened.and_then(|cogs| Ok((quality_levels(&scene, &cogs, pixel_size, warps)?, cogs)));
        match levels {
            Ok((levels, cogs)) => {
                let (held, fetch) = fetch_layers(&levels, &points);
                let points = points.clone();
                jobs.push(Job { held, fetch, work: move |fetched| candidate(scene, cogs, fetched, &points) });
            }
            Err((href, error)) => failures.push(Failure { scene, href, error }),
        }
    }
    let mut candidates = Vec::with_capacity(jobs.len());
    io.stream(Stage::Scout, jobs, |(candidate, failed)| {
        failures.extend(failed);
        candidates.push(candidate);
        Ok(())
    })?;
    sort_by_preference(&mut candidates);
    failures.sort_by(|a, b| (&a.scene.id, &a.href).cmp(&(&b.scene.id, &b.href)));
    Ok((candidates, failures))
}

/// The AOI's order of preference.
pub(crate) fn sort_by_preference(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| {
        let key = |c: &Candidate| (c.clear_cells(), c.scene.time);
        key(b).cmp(&key(a)).then_with(|| a.scene.id.cmp(&b.scene.id))
    });
}

/// Opens groups of files, all at once, of which the cache is to `keep` something; gives of each group all files, or the first that cannot be opened.
pub(crate) fn open_files(
    groups: &[&[String]],
    keep: Keep,
    access: &Access,
    io: &Io<'_>,
    stage: Stage,
) -> Result<Vec<FileResult<Vec<Arc<Cog>>>>> {
    let hrefs: Vec<&String> = groups.iter().copied().flatten().collect();
    let job = |(index, href): (usize, &&String)| {
        let source = access.open(href, keep);
        Job { held: Held::default(), fetch: open(source), work: move |cog| (index, cog) }
    };
    let mut opened: Vec<Option<tiff::Result<Arc<Cog>>>> = hrefs.iter().map(|_| None).collect();
    io.stream(stage, hrefs.iter().enumerate().map(job).collect(), |(index, cog)| {
        opened[index] = Some(cog);
        Ok(())
    })?;
    let mut opened = hrefs.iter().zip(opened.into_iter().flatten());
    let all_of = |group: &&[String]| {
        // Each group takes its own files, also behind one that failed.
        let files: Vec<_> = opened.by_ref().take(group.len()).collect();
        files.into_iter().map(|(href, cog)| cog.map_err(|error| ((*href).clone(), error))).collect()
    };
    Ok(groups.iter().map(all_of).collect())
}

async fn open(source: crate::fetch::Result<Arc<dyn crate::fetch::ByteSource>>) -> tiff::Result<Arc<Cog>> {
    Ok(Arc::new(Cog::open(source?).await?))
}

/// The levels of quality files: by rule L1 where their overviews hold classes, else the full images (rule L2).
pub(crate) fn quality_levels(
    scene: &Scene,
    cogs: &[Arc<Cog>],
    pixel_size: f64,
    warps: &mut Warps,
) -> FileResult<Vec<LevelRef>> {
    let level = |cog: &Arc<Cog>| {
        let has_overviews = scene.collection.has_quality_overviews;
        let level = if has_overviews { warps.level(cog.clone(), pixel_size) } else { warps.full(cog.clone()) };
        level.map_err(|error| (cog.source.name().to_owned(), error))
    };
    cogs.iter().map(level).collect()
}

/// What a scene shows in each chunk, and what of it could not be read: that counts as not observed.
fn candidate(
    scene: Scene,
    quality: Vec<Arc<Cog>>,
    fetched: Vec<Fetched>,
    points: &[Points],
) -> (Candidate, Vec<Failure>) {
    let (layers, failures) = Layers::decode(&scene, fetched);
    let view = |points: &Points| {
        let scores = layers.scores(points)?;
        Some(View {
            covered: Mask::collect(layers.covered(points).into_iter()),
            observed: Mask::collect(scores.values().iter().map(|&score| score != NODATA)),
            clear: Mask::collect(scores.values().iter().map(|&score| score == CLEAR)),
        })
    };
    let views = points.par_iter().map(view).collect();
    (Candidate { scene, quality, views }, failures)
}
