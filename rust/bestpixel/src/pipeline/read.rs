//! The winners go in, the tiles in which they win a pixel are fetched, and their pixels come out.

use super::compose::Canvas;
use super::quality::pixels;
use super::scout::Failure;
use super::stream::{Io, Job};
use super::tiles::{Fetched, LevelRef};
use super::winners::{ChunkWinners, Winners};
use super::{Result, Stage};
use crate::raster::{CHUNK_SIZE, Tiling, Transform};
use crate::resample::{Footprint, bilinear};
use crate::source::Scene;
use crate::tiff;
use rayon::prelude::*;
use std::collections::HashMap;

/// A scene whose reflectance may be read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) scene: Scene,
    pub(crate) quality: LevelRef,
    /// In the order of the requested bands.
    pub(crate) bands: Vec<LevelRef>,
}

/// Counts of what was read.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct ReadCounts {
    pub(crate) pixels: u64,
}

/// Reads the reflectance of all fresh pixels into the canvas. Gives the scenes of which something could not be read.
pub(crate) fn read_fresh(
    sources: &[Source],
    winners: &Winners,
    canvas: &mut Canvas,
    io: &Io<'_>,
    counts: &mut ReadCounts,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<(usize, Failure)>> {
    let jobs: Vec<_> = sources
        .par_iter()
        .enumerate()
        .flat_map_iter(|(scene, source)| scene_jobs(scene, source, winners))
        .map(|(scene, band, tiles)| {
            let level = sources[scene].bands[band].clone();
            let (bytes, fetch) = (level.bytes(&tiles), level.fetch(tiles));
            Job { bytes, fetch: async move { (scene, band, fetch.await) } }
        })
        .collect();
    let (total, mut done) = (jobs.len(), 0);
    let mut failures = Vec::new();
    io.stream(Stage::Read, jobs, |(scene, band, fetched): (usize, usize, tiff::Result<Fetched>)| {
        let source = &sources[scene];
        match fetched.and_then(|fetched| place(scene, source, band, &fetched, winners, canvas)) {
            Ok(pixels) => counts.pixels += pixels,
            Err(error) => {
                let href = source.bands[band].cog.source.name().to_owned();
                failures.push((scene, Failure { scene: source.scene.clone(), href, error }));
            }
        }
        done += 1;
        progress(done, total);
        Ok(())
    })?;
    failures.sort_by(|a, b| (a.0, &a.1.href).cmp(&(b.0, &b.1.href)));
    Ok(failures)
}

/// Whether each pixel of a chunk is to be read from a scene; None where none is.
fn wanted_of(scene: usize, chunk: &ChunkWinners) -> Option<Vec<bool>> {
    let wanted: Vec<bool> =
        chunk.winner.iter().zip(&chunk.fresh).map(|(&winner, &fresh)| fresh && usize::from(winner) == scene).collect();
    wanted.contains(&true).then_some(wanted)
}

/// For each band of a scene the tiles that hold its fresh pixels. Bands cut alike share the answer.
fn scene_jobs(scene: usize, source: &Source, winners: &Winners) -> Vec<(usize, usize, Vec<usize>)> {
    let mut by_shape: HashMap<(Tiling, [u64; 6]), Vec<usize>> = HashMap::new();
    let chunks: Vec<_> = winners.chunks.iter().filter_map(|chunk| Some((chunk, wanted_of(scene, chunk)?))).collect();
    let tiles_of = |level: &LevelRef| {
        let mut marks = vec![false; level.tiling().count()];
        for (chunk, wanted) in &chunks {
            let positions = level.warp.positions(&pixels(&chunk.window), &level.level().transform);
            Footprint::Bilinear.mark_tiles(&positions, wanted, level.tiling(), &mut marks);
        }
        (0..marks.len()).filter(|&tile| marks[tile]).collect()
    };
    let shape = |transform: &Transform| transform.0.map(f64::to_bits);
    let jobs = source.bands.iter().enumerate().map(|(band, level)| {
        let key = (*level.tiling(), shape(&level.level().transform));
        (scene, band, by_shape.entry(key).or_insert_with(|| tiles_of(level)).clone())
    });
    jobs.filter(|(_, _, tiles)| !tiles.is_empty()).collect()
}

/// Decodes the tiles of one band and puts the scene's fresh pixels onto the canvas; gives the number of decoded pixels.
fn place(
    scene: usize,
    source: &Source,
    band: usize,
    fetched: &Fetched,
    winners: &Winners,
    canvas: &mut Canvas,
) -> tiff::Result<u64> {
    let nodata = source.scene.collection.nodata;
    let decoded = fetched.decode_reflectance(nodata, source.scene.offset)?;
    let level = &fetched.level;
    let width = canvas.width();
    // A row of chunks is a contiguous part of the band: rows are filled side by side.
    canvas.band_mut(band).par_chunks_mut(CHUNK_SIZE * width).enumerate().for_each(|(row, strip)| {
        for chunk in winners.chunks.iter().filter(|chunk| chunk.window.row_off == row * CHUNK_SIZE) {
            let Some(wanted) = wanted_of(scene, chunk) else { continue };
            let positions = level.warp.positions(&pixels(&chunk.window), &level.level().transform);
            let Some(window) = Footprint::Bilinear.window(&positions, &wanted, level.tiling()) else { continue };
            let patch = decoded.patch(&window, nodata);
            bilinear(&patch, &positions, nodata, &wanted, |row, col, values| {
                let first = row * width + chunk.window.col_off + col;
                strip[first..first + values.len()].copy_from_slice(values);
            });
        }
    });
    Ok(decoded.pixels())
}
