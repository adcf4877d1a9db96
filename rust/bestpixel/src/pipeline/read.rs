//! The winners go in, the tiles in which they win a pixel are fetched, and their pixels come out.

use super::compose::Canvas;
use super::quality::pixels;
use super::scout::Failure;
use super::stream::{Io, Job};
use super::tiles::{Decoded, Fetched, LevelRef, Spare};
use super::winners::{ChunkWinners, Winners};
use super::{Result, Stage};
use crate::raster::{Array, CHUNK_SIZE, Tiling, Transform, Window};
use crate::resample::{Footprint, Points, Wanted, bilinear};
use crate::source::{MISSING_DN, Scene};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

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
    /// Keeps a tile of a band for the next block; gives it back where there is no room.
    fn keep(&mut self, band: (usize, usize), index: usize, tile: Array<u16>) -> Option<Array<u16>> {
        let bytes = 2 * tile.values().len() as u64;
        if self.bytes + bytes > self.limit {
            return Some(tile);
        }
        self.bytes += bytes;
        self.tiles.entry(band).or_default().insert(index, tile);
        None
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

/// The fresh pixels by chunk and scene: found once, used for all bands.
type Fresh = Vec<Vec<Wanted>>;

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
    let (fresh, needs) = io.pool.install(|| {
        let fresh: Fresh = winners.chunks.par_iter().map(|chunk| chunk.fresh_of(sources.len())).collect();
        let sources = sources.par_iter().enumerate();
        let needs: Vec<_> =
            sources.flat_map_iter(|(scene, source)| scene_jobs(scene, source, winners, &fresh)).collect();
        (fresh, needs)
    });
    let spare = Arc::new(Spare::default());
    let jobs: Vec<_> = needs
        .into_iter()
        .map(|(scene, band, tiles)| {
            let level = sources[scene].bands[band].clone();
            let have = earlier.get(&(scene, band));
            let tiles: Vec<usize> =
                tiles.into_iter().filter(|tile| have.is_none_or(|have| !have.contains_key(tile))).collect();
            let (scale, offset) = (sources[scene].scene.collection.scale, sources[scene].scene.offset);
            let spare = spare.clone();
            let work = move |fetched: Fetched| (scene, band, fetched.decode_reflectance(&scale, offset, &spare));
            Job { bytes: level.decoded_bytes(&tiles), fetch: level.fetch(tiles), work }
        })
        .collect();
    let (total, mut done) = (jobs.len(), 0);
    let mut broken = Broken { pixels: vec![Vec::new(); winners.chunks.len()], ..Broken::default() };
    io.stream(Stage::Read, jobs, |(scene, band, (mut decoded, errors))| {
        let source = &sources[scene];
        broken.failures.extend(Failure::of_file(&source.scene, &source.scene.band_hrefs[band], errors));
        kept.pixels += decoded.pixels();
        decoded.add(earlier.remove(&(scene, band)).unwrap_or_default());
        place((scene, band), source, &decoded, winners, &fresh, canvas);
        if !decoded.is_whole() {
            let pixels = broken_pixels(scene, &source.bands[band], &decoded, winners, &fresh);
            broken.pixels.iter_mut().zip(pixels).for_each(|(all, pixels)| all.extend(pixels));
        }
        let below = tiles_below(&source.bands[band], canvas.window());
        spare.give(
            decoded.into_tiles().into_iter().filter_map(|(index, tile)| {
                if below[index] { kept.keep((scene, band), index, tile) } else { Some(tile) }
            }),
        );
        done += 1;
        progress(done, total);
        Ok(())
    })?;
    Ok(broken)
}

/// The fresh pixels of a scene that need a tile which could not be had, chunk by chunk.
fn broken_pixels(
    scene: usize,
    level: &LevelRef,
    decoded: &Decoded<u16>,
    winners: &Winners,
    fresh: &Fresh,
) -> Vec<Vec<usize>> {
    let in_chunk = |(chunk, fresh): (&ChunkWinners, &Vec<Wanted>)| -> Option<Vec<usize>> {
        let wanted = &fresh[scene];
        let positions = level.warp.positions(&pixels(&chunk.window), &level.level().transform);
        let window = Footprint::Bilinear.window(&positions, wanted, level.tiling())?;
        let mut broken = Vec::new();
        // Broken pixels are 1 and all others nodata: a value means that a broken one has a weight.
        bilinear(&decoded.broken_patch(&window)?, &positions, 0, wanted, |row, col, values| {
            let first = row * chunk.window.width + col;
            broken.extend((0..values.len()).filter(|&i| values[i] != super::NODATA).map(|i| first + i));
        });
        Some(broken)
    };
    winners.chunks.iter().zip(fresh).map(|chunk| in_chunk(chunk).unwrap_or_default()).collect()
}

/// For each band of a scene the tiles that hold its fresh pixels. Bands cut alike share the answer.
fn scene_jobs(scene: usize, source: &Source, winners: &Winners, fresh: &Fresh) -> Vec<(usize, usize, Vec<usize>)> {
    let mut by_shape: HashMap<(Tiling, [u64; 6]), Vec<usize>> = HashMap::new();
    let chunks = winners.chunks.iter().zip(fresh).map(|(chunk, fresh)| (chunk, &fresh[scene]));
    let chunks: Vec<_> = chunks.filter(|(_, wanted)| !wanted.is_empty()).collect();
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
    Footprint::Bilinear.mark_tiles(&positions, &Wanted::all(rows.width, 1), level.tiling(), &mut marks);
    marks
}

/// Puts the scene's fresh pixels of one band onto the canvas.
fn place(
    (scene, band): (usize, usize),
    source: &Source,
    decoded: &Decoded<u16>,
    winners: &Winners,
    fresh: &Fresh,
    canvas: &mut Canvas,
) {
    let level = &source.bands[band];
    let rows = *canvas.window();
    let width = rows.width;
    // A row of chunks is a contiguous part of the band: rows are filled side by side.
    canvas.band_mut(band).par_chunks_mut(CHUNK_SIZE * width).enumerate().for_each(|(row, strip)| {
        for (index, chunk) in winners.in_row(row) {
            let wanted = &fresh[index][scene];
            if wanted.is_empty() {
                continue;
            }
            let positions = level.warp.positions(&pixels(&chunk.window), &level.level().transform);
            let Some(window) = Footprint::Bilinear.window(&positions, wanted, level.tiling()) else { continue };
            let patch = decoded.patch(&window, MISSING_DN);
            bilinear(&patch, &positions, MISSING_DN, wanted, |row, col, values| {
                let first = row * width + chunk.window.col_off + col;
                strip[first..first + values.len()].copy_from_slice(values);
            });
        }
    });
}
