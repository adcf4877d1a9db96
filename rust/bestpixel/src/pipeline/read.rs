//! The winners go in, the tiles in which they win a pixel are fetched, and their pixels come out.

use super::compose::Canvas;
use super::quality::pixels;
use super::scout::Failure;
use super::stream::{Io, Job};
use super::tiles::{Decoded, Fetched, LevelRef};
use super::winners::{ChunkWinners, Winners};
use super::{Result, Stage};
use crate::raster::{Array, CHUNK_SIZE, Tiling, Transform, Window};
use crate::resample::{Footprint, Points, bilinear};
use crate::source::{MISSING_DN, Scene};
use rayon::prelude::*;
use std::collections::HashMap;

/// A scene whose reflectance may be read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) scene: Scene,
    /// The layers of quality.
    pub(crate) quality: Vec<LevelRef>,
    /// In the order of the requested bands.
    pub(crate) bands: Vec<LevelRef>,
}

/// What outlives a block of rows: decoded tiles that the next block needs too, so that no tile is decoded twice, and
/// the count of decoded pixels.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// By scene and band.
    tiles: HashMap<(usize, usize), HashMap<usize, Array<u16>>>,
    bytes: u64,
    /// Tiles beyond this are dropped, and read again where they are needed.
    pub(crate) limit: u64,
    /// Pixels decoded so far.
    pub(crate) pixels: u64,
}

impl Kept {
    /// Keeps tiles of a band for the next block, as long as there is room.
    fn keep(&mut self, key: (usize, usize), tiles: HashMap<usize, Array<u16>>) {
        let bytes: u64 = tiles.values().map(|tile| 2 * tile.values().len() as u64).sum();
        if self.bytes + bytes <= self.limit {
            self.bytes += bytes;
            self.tiles.entry(key).or_default().extend(tiles);
        }
    }

    /// Everything that was kept so far; from now on the next block is kept for.
    pub(crate) fn take(&mut self) -> HashMap<(usize, usize), HashMap<usize, Array<u16>>> {
        self.bytes = 0;
        std::mem::take(&mut self.tiles)
    }
}

/// What could not be read, and the fresh pixels of each chunk that needed it.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    pub(crate) failures: Vec<Failure>,
    pub(crate) pixels: Vec<Vec<usize>>,
}

/// Reads the reflectance of all fresh pixels into the canvas.
pub(crate) fn read_fresh(
    sources: &[Source],
    winners: &Winners,
    canvas: &mut Canvas,
    io: &Io<'_>,
    mut earlier: HashMap<(usize, usize), HashMap<usize, Array<u16>>>,
    kept: &mut Kept,
    mut progress: impl FnMut(usize, usize) + Send,
) -> Result<Broken> {
    let needs: Vec<_> = io.pool.install(|| {
        let sources = sources.par_iter().enumerate();
        sources.flat_map_iter(|(scene, source)| scene_jobs(scene, source, winners)).collect()
    });
    let jobs: Vec<_> = needs
        .into_iter()
        .map(|(scene, band, tiles)| {
            let level = sources[scene].bands[band].clone();
            let have = earlier.get(&(scene, band));
            let tiles: Vec<usize> =
                tiles.into_iter().filter(|tile| have.is_none_or(|have| !have.contains_key(tile))).collect();
            let (bytes, fetch) = (level.bytes(&tiles), level.fetch(tiles));
            Job { bytes, fetch: async move { (scene, band, fetch.await) } }
        })
        .collect();
    let (total, mut done) = (jobs.len(), 0);
    let mut broken = Broken { pixels: vec![Vec::new(); winners.chunks.len()], ..Broken::default() };
    io.stream(Stage::Read, jobs, |(scene, band, fetched): (usize, usize, Fetched)| {
        let source = &sources[scene];
        let (mut decoded, errors) = fetched.decode_reflectance(&source.scene.collection.scale, source.scene.offset);
        broken.failures.extend(Failure::of_file(&source.scene, &source.scene.band_hrefs[band], errors));
        kept.pixels += decoded.pixels();
        decoded.add(earlier.remove(&(scene, band)).unwrap_or_default());
        place((scene, band), source, &decoded, winners, canvas);
        if !decoded.is_whole() {
            let pixels = broken_pixels(scene, &source.bands[band], &decoded, winners);
            broken.pixels.iter_mut().zip(pixels).for_each(|(all, pixels)| all.extend(pixels));
        }
        let below = tiles_below(&source.bands[band], canvas.window());
        kept.keep((scene, band), decoded.into_tiles(|tile| below[tile]));
        done += 1;
        progress(done, total);
        Ok(())
    })?;
    Ok(broken)
}

/// The fresh pixels of a scene that need a tile which could not be had, chunk by chunk.
fn broken_pixels(scene: usize, level: &LevelRef, decoded: &Decoded<u16>, winners: &Winners) -> Vec<Vec<usize>> {
    let in_chunk = |chunk: &ChunkWinners| -> Option<Vec<usize>> {
        let wanted = wanted_of(scene, chunk)?;
        let positions = level.warp.positions(&pixels(&chunk.window), &level.level().transform);
        let window = Footprint::Bilinear.window(&positions, &wanted, level.tiling())?;
        let mut broken = Vec::new();
        // Broken pixels are 1 and all others nodata: a value means that a broken one has a weight.
        bilinear(&decoded.broken_patch(&window)?, &positions, 0, &wanted, |row, col, values| {
            let first = row * chunk.window.width + col;
            broken.extend((0..values.len()).filter(|&i| values[i] != super::NODATA).map(|i| first + i));
        });
        Some(broken)
    };
    winners.chunks.iter().map(|chunk| in_chunk(chunk).unwrap_or_default()).collect()
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

/// Which tiles the row below some rows of the output touches: the next block will need some of them.
fn tiles_below(level: &LevelRef, rows: &Window) -> Vec<bool> {
    let mut marks = vec![false; level.tiling().count()];
    let points = Points { col_off: 0, row_off: rows.row_end(), width: rows.width, height: 1, step: 1 };
    let positions = level.warp.positions(&points, &level.level().transform);
    Footprint::Bilinear.mark_tiles(&positions, &vec![true; rows.width], level.tiling(), &mut marks);
    marks
}

/// Puts the scene's fresh pixels of one band onto the canvas.
fn place(
    (scene, band): (usize, usize),
    source: &Source,
    decoded: &Decoded<u16>,
    winners: &Winners,
    canvas: &mut Canvas,
) {
    let level = &source.bands[band];
    let rows = *canvas.window();
    let width = rows.width;
    // A row of chunks is a contiguous part of the band: rows are filled side by side.
    canvas.band_mut(band).par_chunks_mut(CHUNK_SIZE * width).enumerate().for_each(|(row, strip)| {
        for chunk in winners.chunks.iter().filter(|chunk| chunk.window.row_off - rows.row_off == row * CHUNK_SIZE) {
            let Some(wanted) = wanted_of(scene, chunk) else { continue };
            let positions = level.warp.positions(&pixels(&chunk.window), &level.level().transform);
            let Some(window) = Footprint::Bilinear.window(&positions, &wanted, level.tiling()) else { continue };
            let patch = decoded.patch(&window, MISSING_DN);
            bilinear(&patch, &positions, MISSING_DN, &wanted, |row, col, values| {
                let first = row * width + chunk.window.col_off + col;
                strip[first..first + values.len()].copy_from_slice(values);
            });
        }
    });
}
