//! The winners go in, the tiles in which they win a pixel are fetched, and their pixels come out.

use super::compose::Canvas;
use super::quality::pixels;
use super::scout::Failure;
use super::spill::Spill;
use super::stream::{Io, Job};
use super::tiles::{Decoded, Fetched, LevelRef, Spare};
use super::winners::{ChunkWinners, Winners};
use super::{Result, Stage};
use crate::raster::{Array, CHUNK_SIZE, Tiling, Transform, Window};
use crate::resample::{Footprint, Points, Wanted, bilinear};
use crate::source::{MISSING_DN, Scene};
use bytes::Bytes;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A scene whose reflectance may be read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) scene: Scene,
    /// Share of what it observes of the AOI, as the scout has seen it.
    pub(crate) clear_fraction: f64,
    /// The layers of quality.
    pub(crate) quality: Vec<LevelRef>,
    /// In the order of the requested bands.
    pub(crate) bands: Vec<LevelRef>,
}

/// What outlives a block of rows: tiles that the next block needs too, and the count of decoded pixels. Tiles are kept
/// decoded as far as memory admits, compressed in a file beyond it, and else read again.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    earlier: Earlier,
    bytes: u64,
    /// Bytes that decoded tiles may take.
    pub(crate) limit: u64,
    /// Where a file may lie.
    scratch: Option<PathBuf>,
    /// Pixels decoded so far.
    pub(crate) pixels: u64,
}

/// The file of compressed tiles may take so many times the memory that decoded ones may.
const SPILL: u64 = 16;

/// Tiles that an earlier block has needed.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    /// By scene and band.
    decoded: HashMap<(usize, usize), HashMap<usize, Array<u16>>>,
    compressed: Option<Arc<Spill>>,
}

impl Earlier {
    /// Whether a tile is there, decoded or not.
    fn is_decoded(&self, band: (usize, usize), tile: usize) -> bool {
        self.decoded.get(&band).is_some_and(|tiles| tiles.contains_key(&tile))
    }

    /// Whether a tile is there, as it was fetched.
    fn is_compressed(&self, (scene, band): (usize, usize), tile: usize) -> bool {
        self.compressed.as_ref().is_some_and(|spill| spill.has(&(scene, band, tile)))
    }
}

impl Kept {
    /// Nothing is kept yet; `scratch` is a folder for what memory has no room for.
    pub(crate) fn new(scratch: Option<&Path>) -> Self {
        Self { scratch: scratch.map(Path::to_owned), ..Self::default() }
    }

    /// Counts out tiles of an earlier block that no later one needs.
    fn release<'a>(&mut self, tiles: impl Iterator<Item = &'a Array<u16>>) {
        self.bytes -= tiles.map(bytes_of).sum::<u64>();
    }

    /// Keeps a tile of a band for the next block; gives its memory back where that has no room for it. One without its
    /// compressed bytes was kept by an earlier block, and has its room already.
    fn keep(
        &mut self,
        band: (usize, usize),
        index: usize,
        tile: Array<u16>,
        compressed: Option<&Bytes>,
    ) -> Option<Array<u16>> {
        if let Some(compressed) = compressed {
            if self.bytes + bytes_of(&tile) > self.limit {
                self.spill((band.0, band.1, index), compressed);
                return Some(tile);
            }
            self.bytes += bytes_of(&tile);
        }
        // A second round may bring a tile again.
        let same = self.earlier.decoded.entry(band).or_default().insert(index, tile);
        self.release(same.iter());
        None
    }

    /// Keeps a tile in the file.
    fn spill(&mut self, key: (usize, usize, usize), compressed: &Bytes) {
        let spill = &mut self.earlier.compressed;
        if spill.is_none() {
            let file = self.scratch.as_deref().and_then(|folder| Spill::new(folder, SPILL * self.limit));
            *spill = file.map(Arc::new);
        }
        // Nobody else has it before the next block begins.
        if let Some(spill) = spill.as_mut().and_then(Arc::get_mut) {
            spill.put(key, compressed);
        }
    }

    /// Keeps what this block has not needed, where it reaches below it.
    fn pass_on(&mut self, earlier: Earlier, below: impl Fn((usize, usize)) -> Vec<bool>) {
        if self.limit == 0 {
            return;
        }
        let mut marks = HashMap::new();
        let mut is_below = |band, tile: usize| marks.entry(band).or_insert_with(|| below(band))[tile];
        for (band, tiles) in earlier.decoded {
            for (index, tile) in tiles {
                if is_below(band, index) {
                    self.keep(band, index, tile, None);
                } else {
                    self.release(std::iter::once(&tile));
                }
            }
        }
        let Some(spill) = earlier.compressed else { return };
        for key @ &(scene, band, tile) in spill.keys() {
            let is_kept = self.earlier.is_decoded((scene, band), tile);
            if !is_kept
                && is_below((scene, band), tile)
                && let Ok(bytes) = spill.get(key)
            {
                self.spill(*key, &bytes);
            }
        }
    }

    /// Everything that was kept so far, which still counts; from now on the next block is kept for.
    pub(crate) fn take(&mut self) -> Earlier {
        std::mem::take(&mut self.earlier)
    }
}

/// Bytes of memory that a decoded tile takes.
fn bytes_of(tile: &Array<u16>) -> u64 {
    size_of_val(tile.values()) as u64
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
    mut earlier: Earlier,
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
            let tiles = tiles.into_iter().filter(|&tile| !earlier.is_decoded((scene, band), tile));
            let (again, tiles): (Vec<usize>, Vec<usize>) =
                tiles.partition(|&tile| earlier.is_compressed((scene, band), tile));
            let below = if kept.limit > 0 { tiles_below(&level, canvas.window()) } else { Vec::new() };
            let (held, spill) =
                ([level.held(&tiles), level.held(&again)].into_iter().sum(), earlier.compressed.clone());
            let (scale, offset) = (sources[scene].scene.collection.scale, sources[scene].scene.offset);
            let spare = spare.clone();
            let work = move |mut fetched: Fetched| {
                let spilled = |tile: usize| Some((tile, spill.as_ref()?.get(&(scene, band, tile))));
                fetched.add(again.into_iter().filter_map(spilled));
                let later = fetched.compressed(|tile| below.get(tile).is_some_and(|&is_below| is_below));
                (scene, band, fetched.decode_reflectance(&scale, offset, &spare), below, later)
            };
            Job { held, fetch: level.fetch(tiles), work }
        })
        .collect();
    let (total, mut done) = (jobs.len(), 0);
    let mut broken = Broken { pixels: vec![Vec::new(); winners.chunks.len()], ..Broken::default() };
    io.stream(Stage::Read, jobs, |(scene, band, (mut decoded, errors), below, compressed)| {
        let source = &sources[scene];
        broken.failures.extend(Failure::of_file(&source.scene, &source.scene.band_hrefs[band], errors));
        kept.pixels += decoded.pixels();
        let own = earlier.decoded.remove(&(scene, band)).unwrap_or_default();
        let is_later = |index: usize| below.get(index).is_some_and(|&is_below| is_below);
        kept.release(own.iter().filter(|(index, _)| !is_later(**index)).map(|(_, tile)| tile));
        decoded.add(own);
        place((scene, band), source, &decoded, winners, &fresh, canvas);
        if !decoded.is_whole() {
            let pixels = broken_pixels(scene, &source.bands[band], &decoded, winners, &fresh);
            broken.pixels.iter_mut().zip(pixels).for_each(|(all, pixels)| all.extend(pixels));
        }
        spare.give(decoded.into_tiles().into_iter().filter_map(|(index, tile)| {
            if is_later(index) { kept.keep((scene, band), index, tile, compressed.get(&index)) } else { Some(tile) }
        }));
        done += 1;
        progress(done, total);
        Ok(())
    })?;
    kept.pass_on(earlier, |(scene, band)| tiles_below(&sources[scene].bands[band], canvas.window()));
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
