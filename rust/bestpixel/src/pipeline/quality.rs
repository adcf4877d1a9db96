//! The selected scenes go in, their scores on the output grid come out (rule V2: nearest, end to end).

use super::Stage;
use super::layers::{Layers, fetch_layers};
use super::scout::Failure;
use super::stream::{Flow, Io, Job};
use super::tiles::{Fetched, LevelRef};
use crate::raster::{Array, Window};
use crate::resample::Points;
use crate::source::{NODATA, Scene, UNUSABLE};
use rayon::prelude::*;
use std::sync::Arc;

/// The scores of one scene, chunk by chunk; None where it shows nothing usable.
pub(crate) type Scores = Vec<Option<Array<u8>>>;

/// The pixels of a chunk.
pub(crate) fn pixels(chunk: &Window) -> Points {
    Points { col_off: chunk.col_off, row_off: chunk.row_off, width: chunk.width, height: chunk.height, step: 1 }
}

/// A selected scene, its quality levels and the chunks that it may win in.
pub(crate) struct Candidacy<'a> {
    pub(crate) index: usize,
    pub(crate) scene: &'a Scene,
    pub(crate) levels: &'a [LevelRef],
    pub(crate) chunks: Vec<usize>,
}

/// A scene by its index, its scores, and what could not be read: that has no score.
pub(crate) type Scored = (usize, Scores, Vec<Failure>);

/// Starts reading the quality of scenes and making scores of it.
pub(crate) fn start_scores(wanted: Vec<Candidacy<'_>>, chunks: &Arc<[Window]>, io: &Io<'_>) -> Flow<Scored> {
    let jobs = wanted.into_iter().map(|wanted| {
        let points: Vec<Points> = wanted.chunks.iter().map(|&chunk| pixels(&chunks[chunk])).collect();
        let (held, fetch) = fetch_layers(wanted.levels, &points);
        let (index, scene, eligible, chunks) = (wanted.index, wanted.scene.clone(), wanted.chunks, chunks.clone());
        let work = move |fetched| {
            let (scores, failures) = score(&scene, fetched, &chunks, &eligible);
            (index, scores, failures)
        };
        Job { held, fetch, work }
    });
    io.start(Stage::Quality, jobs.collect())
}

fn score(scene: &Scene, fetched: Vec<Fetched>, chunks: &[Window], eligible: &[usize]) -> (Scores, Vec<Failure>) {
    let (layers, failures) = Layers::decode(scene, fetched);
    let score_chunk = |&chunk: &usize| {
        // Who decides winners does not care why a pixel cannot be used.
        let usable = |score: u8| if score == UNUSABLE { NODATA } else { score };
        let scores = layers.scores(&pixels(&chunks[chunk]))?.map(usable);
        scores.values().iter().any(|&score| score != NODATA).then_some((chunk, scores))
    };
    let mut scores: Scores = vec![None; chunks.len()];
    for (chunk, array) in eligible.par_iter().filter_map(score_chunk).collect::<Vec<_>>() {
        scores[chunk] = Some(array);
    }
    (scores, failures)
}
