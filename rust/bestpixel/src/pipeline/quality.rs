//! The selected scenes go in, their scores on the output grid come out (rule V2: nearest, end to end).

use super::scout::{Candidate, Failure, tiles_at};
use super::stream::{Flow, Io, Job};
use super::tiles::{Fetched, LevelRef};
use super::{Result, Stage};
use crate::raster::{Array, Window};
use crate::resample::{Footprint, Points, nearest};
use crate::source::{NODATA, Scene};
use crate::tiff;
use rayon::prelude::*;

/// The scores of one scene, chunk by chunk; None where it shows nothing usable.
pub(crate) type Scores = Vec<Option<Array<u8>>>;

/// The pixels of a chunk.
pub(crate) fn pixels(chunk: &Window) -> Points {
    Points { col_off: chunk.col_off, row_off: chunk.row_off, width: chunk.width, height: chunk.height, step: 1 }
}

/// A selected scene, its quality level and the chunks that it may win in.
pub(crate) struct Wanted<'a> {
    pub(crate) index: usize,
    pub(crate) candidate: &'a Candidate,
    pub(crate) level: LevelRef,
    pub(crate) chunks: Vec<usize>,
}

/// What arrives of one scene: its index, itself, the chunks that it may win in, its tiles.
pub(crate) type Arrived = (usize, Scene, Vec<usize>, Fetched);

/// Starts reading the quality of scenes.
pub(crate) fn start_scores(wanted: Vec<Wanted<'_>>, chunks: &[Window], io: &Io<'_>) -> Flow<Arrived> {
    let jobs = wanted.into_iter().map(|wanted| {
        let points: Vec<Points> = wanted.chunks.iter().map(|&chunk| pixels(&chunks[chunk])).collect();
        let tiles = tiles_at(&wanted.level, &points);
        let (bytes, fetch) = (wanted.level.bytes(&tiles), wanted.level.fetch(tiles));
        let (index, scene, eligible) = (wanted.index, wanted.candidate.scene.clone(), wanted.chunks);
        Job { bytes, fetch: async move { (index, scene, eligible, fetch.await) } }
    });
    io.start(Stage::Quality, jobs.collect())
}

/// Makes scores of what arrives; each is handed to `keep` with the scene's index, and with what could not be read: that
/// has no score.
pub(crate) fn read_scores(
    flow: Flow<Arrived>,
    chunks: &[Window],
    io: &Io<'_>,
    mut keep: impl FnMut(usize, Scores, Vec<Failure>) + Send,
) -> Result<()> {
    io.consume(flow, |(index, scene, eligible, fetched)| {
        let (scores, errors) = score(&scene, fetched, chunks, &eligible);
        keep(index, scores, Failure::of_quality(&scene, errors).collect());
        Ok(())
    })
}

fn score(scene: &Scene, fetched: Fetched, chunks: &[Window], eligible: &[usize]) -> (Scores, Vec<tiff::Error>) {
    let (level, missing) = (fetched.level.clone(), scene.collection.quality.missing());
    let (decoded, errors) = fetched.decode_quality();
    let score_chunk = |&chunk: &usize| {
        let points = pixels(&chunks[chunk]);
        let positions = level.warp.positions(&points, &level.level().transform);
        let wanted = vec![true; points.width * points.height];
        let window = Footprint::Nearest.window(&positions, &wanted, level.tiling())?;
        let scores = nearest(&decoded.patch(&window, missing), &positions, missing).map(|value| scene.score(value));
        scores.values().iter().any(|&score| score != NODATA).then_some((chunk, scores))
    };
    let mut scores: Scores = vec![None; chunks.len()];
    for (chunk, array) in eligible.par_iter().filter_map(score_chunk).collect::<Vec<_>>() {
        scores[chunk] = Some(array);
    }
    (scores, errors)
}
