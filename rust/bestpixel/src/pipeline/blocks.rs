//! What is known before reflectance is read goes in, the output comes out, block by block of rows: the second half of a run.

use super::compose::Canvas;
use super::quality::{Candidacy, Scored, start_scores};
use super::read::{Kept, Source, read_fresh};
use super::run::{Run, take_lap};
use super::sink::{Rows, Sink, Tally};
use super::stream::Flow;
use super::survey::{Looked, Survey};
use super::winners::Winners;
use super::{GridInfo, Metadata, Result, SourceInfo, Stage, Timings};
use crate::raster::{CHUNK_SIZE, Window};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

/// Rows of the output that are made together.
struct Block {
    window: Window,
    /// The chunks in it, as indices of the grid's chunks.
    chunks: Vec<usize>,
}

impl Run<'_> {
    /// Makes the output, block by block, while the quality of the next block is already being fetched.
    pub(super) fn composite(&mut self, looked: Looked, sink: &mut (dyn Sink + Send)) -> Result<Metadata> {
        let mut lap = Instant::now();
        let scouted = self.timings.scout;
        // While reflectance is being opened the quality of the first block is already on its way.
        let (survey, (blocks, mut flow)) = self.select(looked, |run, survey| {
            let blocks = run.blocks(survey.sources.len(), sink.keeps_rows());
            let flow = blocks.first().map(|block| run.start_quality(survey, block));
            (blocks, flow)
        })?;
        self.timings.plan = take_lap(&mut lap) - (self.timings.scout - scouted);
        log::info!("{} scenes selected for {} chunks", survey.sources.len(), self.windows.len());
        let mut tally = Tally::new(survey.sources.len());
        let mut kept = Kept::new(sink.scratch());
        let datetimes: Vec<&str> = survey.sources.iter().map(|source| source.scene.datetime.as_str()).collect();
        with_writer(&self.engine.pool, sink, &datetimes, |writer| {
            for (index, block) in blocks.iter().enumerate() {
                let Some(current) = flow.take() else { break };
                lap = Instant::now();
                let mut winners = self.decide(&survey, block, current)?;
                flow = blocks.get(index + 1).map(|next| self.start_quality(&survey, next));
                self.timings.quality += take_lap(&mut lap);
                // After the last block nothing is needed any more.
                kept.limit = if flow.is_some() { self.memory / 4 } else { 0 };
                let mut canvas = self.engine.pool.install(|| Canvas::new(block.window, self.checked.bands.len()));
                self.fill(&survey, &mut winners, &mut canvas, &mut kept)?;
                self.timings.read += take_lap(&mut lap);
                let rows = self.engine.pool.install(|| canvas.finish(&winners));
                tally.add(&rows);
                let is_taken = writer.send(rows).is_ok();
                self.timings.write += take_lap(&mut lap);
                if !is_taken {
                    break;
                }
                self.report(index + 1, blocks.len(), "write");
            }
            lap = Instant::now();
            Ok(())
        })?;
        self.timings.write += take_lap(&mut lap);
        self.timings.read_megapixels = kept.pixels as f64 / 1e6;
        self.metadata(&survey, &tally)
    }

    /// Cuts the grid into blocks of whole rows of chunks, as many as fit into half of the memory limit. A sink that keeps
    /// what it is given takes the rows of a single block as they are: then they are output, and not counted.
    fn blocks(&self, scenes: usize, keeps_rows: bool) -> Vec<Block> {
        let grid = &self.checked.grid;
        let limit = self.memory / 2;
        // As decided: score, winner, count, whether it is fresh, and a score for each scene.
        let decided = 6 + scenes;
        // As handed on: reflectance, the layers, dates; of one block while the next one is being made.
        let handed_on = (2 * self.checked.bands.len() + 10) * if keeps_rows { 1 } else { 2 };
        let is_one = keeps_rows && (grid.width * grid.height * decided) as u64 <= limit;
        let row_of_chunks = (grid.width * CHUNK_SIZE * (decided + handed_on)) as u64;
        let rows = if is_one { grid.height } else { ((limit / row_of_chunks.max(1)) as usize).max(1) * CHUNK_SIZE };
        let block = |row_off: usize| {
            let window = Window::new(0, row_off, grid.width, rows.min(grid.height - row_off));
            let chunks = (0..self.windows.len()).filter(|&chunk| window.intersection(&self.windows[chunk]).is_some());
            Block { window, chunks: chunks.collect() }
        };
        (0..grid.height).step_by(rows).map(block).collect()
    }

    /// Starts reading the quality of the scenes that may win in a block.
    fn start_quality(&self, survey: &Survey, block: &Block) -> Flow<Scored> {
        let wanted = survey.sources.iter().enumerate().map(|(index, source)| {
            let eligible = self.eligible(survey, index);
            let chunks = (0..block.chunks.len()).filter(|&chunk| eligible.contains(&block.chunks[chunk]));
            Candidacy { index, scene: &source.scene, levels: &source.quality, chunks: chunks.collect() }
        });
        start_scores(wanted.collect(), &self.block_windows(block), &self.io())
    }

    fn block_windows(&self, block: &Block) -> Arc<[Window]> {
        block.chunks.iter().map(|&chunk| self.windows[chunk]).collect()
    }

    /// Makes scores of the quality that arrives and decides each pixel of a block.
    fn decide(&mut self, survey: &Survey, block: &Block, flow: Flow<Scored>) -> Result<Winners> {
        let windows = self.block_windows(block);
        let (total, mut done) = (survey.sources.len(), 0);
        let mut scores = vec![vec![None; windows.len()]; total];
        let mut failures = Vec::new();
        self.io().consume(flow, |(index, read, failed)| {
            scores[index] = read;
            failures.extend(failed);
            done += 1;
            self.report(done, total, "quality");
            Ok(())
        })?;
        self.skip_all(Stage::Quality, failures)?;
        Ok(self.engine.pool.install(|| Winners::decide(&windows, scores)))
    }

    /// Reads the winners' reflectance, until no pixel gives way any more.
    fn fill(&mut self, survey: &Survey, winners: &mut Winners, canvas: &mut Canvas, kept: &mut Kept) -> Result<()> {
        // What this block shares with the one before. A second round reads anew: it is rare and small.
        let mut earlier = kept.take();
        while winners.chunks.iter().any(|chunk| chunk.fresh.contains(&true)) {
            let progress = |done, total| self.report(done, total, "read");
            let earlier = std::mem::take(&mut earlier);
            let broken = read_fresh(&survey.sources, winners, canvas, &self.io(), earlier, kept, progress)?;
            self.skip_all(Stage::Read, broken.failures)?;
            self.engine.pool.install(|| give_way(winners, canvas, &broken.pixels));
        }
        Ok(())
    }

    fn metadata(&mut self, survey: &Survey, tally: &Tally) -> Result<Metadata> {
        (self.timings.requests, self.timings.bytes) = self.access.meter().totals();
        self.timings.total = self.started.elapsed().as_secs_f64();
        let Timings { total, requests, bytes, .. } = self.timings;
        log::info!("composite made in {total:.2} s of {requests} requests and {:.1} MB", bytes as f64 / 1e6);
        let source_info = |(Source { scene, clear_fraction, .. }, &pixels): (&Source, &u64)| SourceInfo {
            id: scene.id.clone(),
            datetime: scene.datetime.clone(),
            collection: scene.collection.id.to_owned(),
            tile: scene.tile.clone(),
            platform: scene.platform.clone(),
            offset_applied: scene.offset,
            clear_fraction: *clear_fraction,
            pixels,
        };
        let tiles: BTreeSet<&String> = survey.choices.iter().flat_map(|choice| &choice.tiles).collect();
        let collections: Vec<&str> = self.checked.endpoint.collections.iter().map(|row| row.id).collect();
        Ok(Metadata {
            request: self.checked.request.told(),
            band_names: self.checked.bands.clone(),
            source_ids: survey.sources.iter().map(|source| source.scene.id.clone()).collect(),
            grid: GridInfo::new(&self.checked.grid)?,
            endpoint: self.checked.endpoint.name.to_owned(),
            collection: collections.join(","),
            timings: self.timings,
            partition_tiles: tiles.into_iter().cloned().collect(),
            multi_tile_chunks: survey.choices.iter().filter(|choice| choice.tiles.len() > 1).count(),
            sources: survey.sources.iter().zip(&tally.won).map(source_info).collect(),
            skipped: self.skipped.clone(),
            clear_fraction: tally.shares().0,
            nodata_fraction: tally.shares().1,
        })
    }
}

/// Ends a round: pixels that stay empty in all bands (rule W3), and pixels of which a band could not be read, are decided
/// anew.
fn give_way(winners: &mut Winners, canvas: &mut Canvas, broken: &[Vec<usize>]) {
    let empty = canvas.empty(winners);
    winners.settle();
    for (chunk, (empty, broken)) in empty.iter().zip(broken).enumerate() {
        winners.give_way(chunk, empty);
        winners.give_way(chunk, broken);
    }
    canvas.erase_fresh(winners);
    winners.redecide();
}

/// Lets `work` hand rows to a sink that works beside it: while it puts a block the next one is being made, and no more than
/// that, since the writer takes no rows before it has put those that it has. A sink that fails takes no more.
fn with_writer(
    pool: &rayon::ThreadPool,
    sink: &mut (dyn Sink + Send),
    datetimes: &[&str],
    work: impl FnOnce(&SyncSender<Rows>) -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let (writer, blocks) = sync_channel(0);
        let put = move || blocks.iter().try_for_each(|rows| pool.install(|| sink.put(rows, datetimes)));
        let putting = scope.spawn(put);
        let made = work(&writer);
        drop(writer);
        let put = putting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // What the sink says is why the work ended, where both failed.
        put.and(made)
    })
}
