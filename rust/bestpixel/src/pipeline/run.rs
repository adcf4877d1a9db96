//! The order of the stages. The only file that knows all of them.

use super::access::Access;
use super::catalog::find_scenes;
use super::compose::Canvas;
use super::offset::settle_offsets;
use super::plan::FilePlan;
use super::promise::Waiting;
use super::quality::{Candidacy, Scored, pixels, start_scores};
use super::read::{Kept, Source, read_fresh};
use super::request::{Catalog, Checked};
use super::scout::{Candidate, Failure, open_files, quality_levels, scout, sort_by_preference};
use super::select::{Choice, Depth, Seen, select};
use super::sink::{MemorySink, Sink, Tally};
use super::stream::{Flow, Io};
use super::tiles::Warps;
use super::winners::{NOBODY, Winners};
use super::write::FolderSink;
use super::{
    CancelToken, ChunkPlan, Composite, Error, ErrorKind, GridInfo, Metadata, OnError, Output, Plan, Request, Result,
    ScenePlan, SourceInfo, Stage, Timings,
};
use crate::cache::Keep;
use crate::fetch::{Connections, redact};
use crate::raster::{CHUNK_SIZE, Window};
use crate::resample::Footprint;
use crate::source::{Scene, Unusable};
use crate::tiff::{self, Cog};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

/// Told of the run's progress: steps done, steps in all, the stage's name, bytes received so far.
pub type Progress = dyn Fn(usize, usize, &str, u64) + Send + Sync;

/// What a run works with. The library owns neither runtime nor pool: they are handed in.
#[derive(Clone)]
pub struct Engine {
    /// Where fetches are awaited; its runtime must have worker threads.
    pub io: Handle,
    /// Where tiles are decoded and resampled.
    pub pool: Arc<rayon::ThreadPool>,
    /// Shared with other runs, or of its own.
    pub connections: Connections,
    /// Stops the run.
    pub cancel: CancelToken,
    /// Told of progress, on the thread that runs.
    pub progress: Arc<Progress>,
}

/// Makes a composite in memory. Waits until it is there; must not be called from within the runtime.
///
/// # Errors
/// What stopped it. With [`OnError::Skip`] scenes that cannot be read are left out and named in the metadata.
pub fn run(request: Request, catalog: Catalog, engine: &Engine) -> Result<Composite> {
    renewing(request, engine, move |mut run| {
        let mut sink = run.memory_sink();
        let looked = run.look(catalog.clone())?;
        let metadata = run.composite(looked, &mut sink)?;
        Ok(sink.finish(metadata))
    })
}

/// What was made in a folder.
#[derive(Debug)]
pub struct Written {
    /// What is known about the composite.
    pub metadata: Metadata,
    /// The files, in the order of writing.
    pub paths: Vec<PathBuf>,
}

/// Makes a composite in a folder: rows are written as they are finished, memory does not grow with the area.
///
/// # Errors
/// What stopped it; then no file has its final name, unless giving the names itself failed.
pub fn run_to_folder(
    request: Request,
    catalog: Catalog,
    engine: &Engine,
    folder: &Path,
    output: Output,
) -> Result<Written> {
    renewing(request, engine, move |mut run| {
        let looked = run.look(catalog.clone())?;
        run.write(looked, folder, output)
    })
}

/// Makes the plan of a composite: no reflectance pixel is read, unless an item contradicts itself about the offset in it.
///
/// # Errors
/// What stopped it.
pub fn make_plan(request: Request, catalog: Catalog, engine: &Engine) -> Result<Plan> {
    renewing(request, engine, move |mut run| {
        let looked = run.look(catalog.clone())?;
        run.plan(looked)
    })
}

/// Does the work of a request by a run, and by another one where what the cache holds turns out to be out of date.
fn renewing<T>(request: Request, engine: &Engine, work: impl Fn(Run<'_>) -> Result<T>) -> Result<T> {
    let checked = request.check()?;
    let access = Access::new(&checked.request, &engine.connections)?;
    access.renewing(|| work(Run::new(checked.clone(), engine, access.clone())))
}

/// Seconds since the last lap.
fn take_lap(since: &mut Instant) -> f64 {
    let now = Instant::now();
    let lap = now.duration_since(*since).as_secs_f64();
    *since = now;
    lap
}

/// The state that the stages of one run share.
pub(super) struct Run<'a> {
    checked: Checked,
    engine: &'a Engine,
    access: Arc<Access>,
    warps: Warps,
    windows: Vec<Window>,
    skipped: Vec<Unusable>,
    timings: Timings,
    started: Instant,
    /// Stands before the stages in what is reported, where several runs are under way.
    name: String,
}

/// Rows of the output that are made together.
struct Block {
    window: Window,
    /// The chunks in it, as indices of the grid's chunks.
    chunks: Vec<usize>,
}

/// What the scout has seen so far.
pub(super) struct Looked {
    /// In the order of preference.
    pub(super) candidates: Vec<Candidate>,
    /// Scenes that have not been looked at.
    pub(super) waiting: Waiting,
}

/// What is known before reflectance is read.
struct Survey {
    /// The selected scenes, in the order of preference.
    sources: Vec<Source>,
    candidates: Vec<Candidate>,
    /// Per chunk; scenes are indices of `sources`.
    choices: Vec<Choice>,
}

impl<'a> Run<'a> {
    pub(super) fn new(checked: Checked, engine: &'a Engine, access: Arc<Access>) -> Self {
        Self {
            engine,
            access,
            warps: Warps::new(checked.grid.clone()),
            windows: checked.grid.chunks(),
            checked,
            skipped: Vec::new(),
            timings: Timings::default(),
            started: Instant::now(),
            name: String::new(),
        }
    }

    /// From now on progress is reported with this name before the stage's.
    pub(super) fn name(&mut self, name: &str) {
        self.name = format!("{name} ");
    }

    /// A sink that keeps this run's output in memory.
    pub(super) fn memory_sink(&self) -> MemorySink {
        MemorySink::new(&self.checked.grid, self.checked.bands.len())
    }

    fn io(&self) -> Io<'a> {
        // A quarter for what has been fetched; rows under way get a half, kept tiles the rest.
        let Engine { io, pool, cancel, .. } = self.engine;
        Io { handle: io, cancel, pool, budget: self.checked.request.memory_limit() / 4 }
    }

    fn report(&self, done: usize, total: usize, stage: &str) {
        let stage = format!("{}{stage}", self.name);
        (self.engine.progress)(done, total, &stage, self.access.meter().totals().1);
    }

    /// Names a scene in `skipped`, or fails, as the user wishes.
    fn skip(&mut self, stage: Stage, failure: Failure) -> Result<()> {
        let href = redact(&failure.href);
        let is_out_of_date = self.access.forget(&failure.scene, &failure.error);
        if is_out_of_date || self.checked.request.on_error == OnError::Raise {
            return Err(Error::tiff(stage, &format!("{}: {href}", failure.scene.id), failure.error));
        }
        let cause = failure.cause();
        let skipped = Unusable { item: failure.scene.id, href, cause };
        // The same tile may be missed by several stages and blocks.
        if !self.skipped.contains(&skipped) {
            log::warn!("skipped {} {}: {}", skipped.item, skipped.href, skipped.cause);
            self.skipped.push(skipped);
        }
        Ok(())
    }

    /// Names scenes in `skipped`, or fails with the first, as the user wishes.
    pub(super) fn skip_all(&mut self, stage: Stage, mut failures: Vec<Failure>) -> Result<()> {
        failures.sort_by_cached_key(|failure| (failure.scene.id.clone(), failure.href.clone(), failure.cause()));
        failures.into_iter().try_for_each(|failure| self.skip(stage, failure))
    }

    /// The scenes of the catalogue, without those that cannot be used.
    pub(super) fn find(&mut self, catalog: Catalog) -> Result<Vec<Scene>> {
        let mut lap = Instant::now();
        self.report(0, 1, "catalog");
        let (scenes, unusable) = find_scenes(&self.checked, catalog, &self.access, &self.io())?;
        if let Some(first) = unusable.first().filter(|_| self.checked.request.on_error == OnError::Raise) {
            let message = format!("{}: {} {}", first.item, first.cause, first.href);
            return Err(Error::new(Stage::Catalog, ErrorKind::Catalog, message));
        }
        log::info!("{} scenes fit, {} items cannot be used", scenes.len(), unusable.len());
        self.skipped.extend(unusable);
        self.timings.catalog = take_lap(&mut lap);
        Ok(scenes)
    }

    /// Looks at scenes from afar; gives those that can be read, in the order of preference, and the others.
    pub(super) fn scout(&mut self, scenes: Vec<Scene>) -> Result<(Vec<Candidate>, Vec<Failure>)> {
        let mut lap = Instant::now();
        self.report(0, scenes.len(), "scout");
        let factor = self.checked.request.scout_factor;
        let seen = scout(scenes, &self.checked.grid, factor, &self.access, &self.io(), &mut self.warps)?;
        self.timings.scout += take_lap(&mut lap);
        log::info!("scouted: {} scenes can be read, {} failures", seen.0.len(), seen.1.len());
        Ok(seen)
    }

    /// How many scenes are read.
    pub(super) fn depth(&self) -> Depth {
        let Request { top_k, coverage_target, min_k, max_k, .. } = self.checked.request;
        Depth { top_k, coverage_target, min_k, max_k }
    }

    /// Finds scenes and looks at the most promising ones.
    fn look(&mut self, catalog: Catalog) -> Result<Looked> {
        let scenes = self.find(catalog)?;
        let total = scenes.len();
        let mut waiting = Waiting::new(scenes, &self.depth());
        let (mut candidates, mut failures) = (Vec::new(), Vec::new());
        while candidates.is_empty() && !waiting.tiles().is_empty() {
            let (seen, failed) = self.scout(waiting.take(|_| true))?;
            candidates = seen;
            failures.extend(failed);
        }
        if candidates.is_empty() {
            for failure in &failures {
                self.access.forget(&failure.scene, &failure.error);
            }
            let what = format!("none of the {total} scenes that fit can be read");
            let first = failures
                .drain(..)
                .next()
                .map(|first| Error::tiff(Stage::Scout, &format!("{what}: {}", redact(&first.href)), first.error));
            return Err(first.unwrap_or_else(|| Error::new(Stage::Scout, ErrorKind::Read, what)));
        }
        self.skip_all(Stage::Scout, failures)?;
        Ok(Looked { candidates, waiting })
    }

    /// Looks at more scenes of some tiles.
    fn look_on(&mut self, looked: &mut Looked, tiles: &BTreeSet<String>) -> Result<()> {
        let (more, failures) = self.scout(looked.waiting.take(|tile| tiles.contains(tile)))?;
        self.skip_all(Stage::Scout, failures)?;
        looked.candidates.extend(more);
        sort_by_preference(&mut looked.candidates);
        Ok(())
    }

    /// Selects scenes and opens their reflectance; a scene that cannot be opened leaves and the selection is made anew.
    fn select(&mut self, mut looked: Looked) -> Result<Survey> {
        let mut opened: HashMap<String, Vec<Arc<Cog>>> = HashMap::new();
        loop {
            let choices = self.choose(&mut looked)?;
            let candidates = &mut looked.candidates;
            let selected: BTreeSet<usize> = choices.iter().flat_map(|choice| choice.scenes.iter().copied()).collect();
            if selected.len() >= usize::from(NOBODY) {
                let message =
                    format!("{} scenes are selected, at most {} can be told apart", selected.len(), NOBODY - 1);
                return Err(Error::new(Stage::Plan, ErrorKind::Usage, message));
            }
            let missing: Vec<&Scene> = selected
                .iter()
                .map(|&i| &candidates[i].scene)
                .filter(|scene| !opened.contains_key(&scene.id))
                .collect();
            let mut failures = self.open_bands(&missing, &mut opened)?;
            let scenes = candidates.iter_mut().enumerate().filter(|(index, _)| selected.contains(index));
            let scenes = scenes.map(|(_, candidate)| &mut candidate.scene).collect();
            failures.extend(settle_offsets(scenes, &self.access, &self.io(), &mut self.warps)?);
            if failures.is_empty() {
                return self.sources(candidates, &selected, choices, &opened);
            }
            for failure in failures {
                candidates.retain(|candidate| candidate.scene.id != failure.scene.id);
                self.skip(Stage::Plan, failure)?;
            }
        }
    }

    /// Selects scenes; looks at more of them as long as these may help.
    fn choose(&mut self, looked: &mut Looked) -> Result<Vec<Choice>> {
        loop {
            let Looked { candidates, waiting } = &*looked;
            let seen = candidates.iter().map(|c| Seen { tile: &c.scene.tile, views: &c.views });
            let unseen = waiting.tiles();
            let choices = select(&seen.collect::<Vec<_>>(), self.windows.len(), &self.depth(), &unseen);
            // Of a tile without candidates it is not known where it is required.
            let is_unknown = |tile: &&String| !candidates.iter().any(|candidate| candidate.scene.tile == **tile);
            let unknown = unseen.iter().filter(is_unknown);
            let lacking: BTreeSet<String> =
                choices.iter().flat_map(|choice| &choice.lacking).chain(unknown).cloned().collect();
            if lacking.is_empty() {
                return Ok(choices);
            }
            self.look_on(looked, &lacking)?;
        }
    }

    /// Opens the reflectance of scenes; gives the first failure of each scene that cannot be opened.
    fn open_bands(&self, scenes: &[&Scene], opened: &mut HashMap<String, Vec<Arc<Cog>>>) -> Result<Vec<Failure>> {
        let hrefs: Vec<&[String]> = scenes.iter().map(|scene| scene.band_hrefs.as_slice()).collect();
        let mut failures = Vec::new();
        let files = open_files(&hrefs, Keep::Header, &self.access, &self.io(), Stage::Plan)?;
        for (scene, files) in scenes.iter().zip(files) {
            match files {
                Ok(bands) => drop(opened.insert(scene.id.clone(), bands)),
                Err((href, error)) => failures.push(Failure { scene: (*scene).clone(), href, error }),
            }
        }
        Ok(failures)
    }

    /// The selected scenes with the levels that will be read.
    fn sources(
        &mut self,
        candidates: &[Candidate],
        selected: &BTreeSet<usize>,
        mut choices: Vec<Choice>,
        opened: &HashMap<String, Vec<Arc<Cog>>>,
    ) -> Result<Survey> {
        let resolution = self.checked.grid.resolution;
        let mut sources = Vec::with_capacity(selected.len());
        let mut kept = Vec::with_capacity(selected.len());
        for &index in selected {
            let candidate = &candidates[index];
            let scene = candidate.scene.clone();
            let refuse = |error| Error::tiff(Stage::Plan, &scene.id, error);
            let quality = quality_levels(&scene, &candidate.quality, resolution, &mut self.warps);
            let quality = quality.map_err(|(_, error)| refuse(error))?;
            let level = |cog: &Arc<Cog>| {
                let is_trusted = scene.collection.trusts_overviews(cog.nodata);
                if is_trusted { self.warps.level(cog.clone(), resolution) } else { self.warps.full(cog.clone()) }
            };
            let bands = opened.get(&scene.id).into_iter().flatten().map(level).collect::<tiff::Result<Vec<_>>>();
            sources.push(Source { quality, bands: bands.map_err(refuse)?, scene });
            kept.push(candidate.clone());
        }
        // From here on scenes are counted among the selected ones.
        let places: HashMap<usize, usize> = selected.iter().enumerate().map(|(place, &index)| (index, place)).collect();
        for choice in &mut choices {
            choice.scenes.iter_mut().for_each(|scene| *scene = places[scene]);
        }
        Ok(Survey { sources, candidates: kept, choices })
    }

    /// The chunks in which a scene may win (rule S5).
    fn eligible(&self, survey: &Survey, scene: usize) -> Vec<usize> {
        let windowed = self.checked.request.windowed_fetch;
        (0..self.windows.len()).filter(|&chunk| !windowed || survey.choices[chunk].scenes.contains(&scene)).collect()
    }

    /// Makes the composite in a folder.
    pub(super) fn write(&mut self, looked: Looked, folder: &Path, output: Output) -> Result<Written> {
        let Checked { grid, bands, .. } = &self.checked;
        let mut sink = FolderSink::new(folder, grid, bands, output, self.engine.cancel.clone())?;
        let metadata = self.composite(looked, &mut sink)?;
        let paths = sink.finish(&metadata)?;
        Ok(Written { metadata, paths })
    }

    /// Selects scenes and tells what would be read of them.
    pub(super) fn plan(&mut self, looked: Looked) -> Result<Plan> {
        let survey = self.select(looked)?;
        Ok(self.plan_of(&survey))
    }

    fn plan_of(&self, survey: &Survey) -> Plan {
        let scene_plan = |(index, source): (usize, &Source)| {
            let chunks: Vec<_> =
                self.eligible(survey, index).into_iter().map(|chunk| pixels(&self.windows[chunk])).collect();
            let scene = &source.scene;
            let (quality, bands) =
                (scene.quality_hrefs.iter().zip(&source.quality), scene.band_hrefs.iter().zip(&source.bands));
            ScenePlan {
                id: scene.id.clone(),
                tile: scene.tile.clone(),
                datetime: scene.datetime.clone(),
                offset: scene.offset,
                quality: quality.map(|(href, level)| FilePlan::new(href, level, &chunks, Footprint::Nearest)).collect(),
                bands: bands.map(|(href, level)| FilePlan::new(href, level, &chunks, Footprint::Bilinear)).collect(),
            }
        };
        let scenes: Vec<ScenePlan> = survey.sources.iter().enumerate().map(scene_plan).collect();
        let chunk_plan = |(window, choice): (&Window, &Choice)| ChunkPlan {
            window: *window,
            tiles: choice.tiles.clone(),
            scenes: choice.scenes.iter().map(|&scene| survey.sources[scene].scene.id.clone()).collect(),
        };
        let pixels = (self.checked.grid.width * self.checked.grid.height) as u64;
        Plan {
            grid: self.checked.grid.clone(),
            band_names: self.checked.bands.clone(),
            quality_bytes: scenes.iter().flat_map(|scene| &scene.quality).map(|file| file.bytes).sum(),
            reflectance_bytes: scenes.iter().flat_map(|scene| &scene.bands).map(|band| band.bytes).sum(),
            requests: scenes
                .iter()
                .flat_map(|scene| scene.quality.iter().chain(&scene.bands))
                .map(|f| f.requests)
                .sum(),
            output_bytes: pixels * (2 * self.checked.bands.len() as u64 + 10),
            memory_bytes: self.checked.request.memory_limit(),
            chunks: self.windows.iter().zip(&survey.choices).map(chunk_plan).collect(),
            scenes,
        }
    }

    /// Makes the output, block by block, while the quality of the next block is already being fetched.
    pub(super) fn composite(&mut self, looked: Looked, sink: &mut (dyn Sink + Send)) -> Result<Metadata> {
        let mut lap = Instant::now();
        let scouted = self.timings.scout;
        let survey = self.select(looked)?;
        self.timings.plan = take_lap(&mut lap) - (self.timings.scout - scouted);
        log::info!("{} scenes selected for {} chunks", survey.sources.len(), self.windows.len());
        let blocks = self.blocks(survey.sources.len(), sink.keeps_rows());
        let mut tally = Tally::new(survey.sources.len());
        let mut kept = Kept::default();
        let mut flow = blocks.first().map(|block| self.start_quality(&survey, block));
        for (index, block) in blocks.iter().enumerate() {
            let Some(current) = flow.take() else { break };
            lap = Instant::now();
            let mut winners = self.decide(&survey, block, current)?;
            flow = blocks.get(index + 1).map(|next| self.start_quality(&survey, next));
            self.timings.quality += take_lap(&mut lap);
            // After the last block nothing is needed any more.
            kept.limit = if flow.is_some() { self.checked.request.memory_limit() / 4 } else { 0 };
            let mut canvas = self.engine.pool.install(|| Canvas::new(block.window, self.checked.bands.len()));
            self.fill(&survey, &mut winners, &mut canvas, &mut kept)?;
            self.timings.read += take_lap(&mut lap);
            let sources = &survey.sources;
            self.engine.pool.install(|| finish_block(sources, &winners, canvas, sink, &mut tally))?;
            self.timings.write += take_lap(&mut lap);
            self.report(index + 1, blocks.len(), "write");
        }
        self.timings.read_megapixels = kept.pixels as f64 / 1e6;
        self.metadata(&survey, &tally)
    }

    /// Cuts the grid into blocks of whole rows of chunks, as many as fit into half of the memory limit. A sink that keeps
    /// what it is given takes the rows of a single block as they are: then they are output, and not counted.
    fn blocks(&self, scenes: usize, keeps_rows: bool) -> Vec<Block> {
        let grid = &self.checked.grid;
        let limit = self.checked.request.memory_limit() / 2;
        // As decided: score, winner, count, whether it is fresh, and a score for each scene.
        let decided = 6 + scenes;
        // As handed on: reflectance, the layers, dates.
        let handed_on = 2 * self.checked.bands.len() + 10;
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
        let source_info = |(candidate, &pixels): (&Candidate, &u64)| SourceInfo {
            id: candidate.scene.id.clone(),
            datetime: candidate.scene.datetime.clone(),
            collection: candidate.scene.collection.id.to_owned(),
            tile: candidate.scene.tile.clone(),
            platform: candidate.scene.platform.clone(),
            offset_applied: candidate.scene.offset,
            clear_fraction: candidate.clear_cells() as f64 / candidate.observed_cells().max(1) as f64,
            pixels,
        };
        let tiles: BTreeSet<&String> = survey.choices.iter().flat_map(|choice| &choice.tiles).collect();
        let collections: Vec<&str> = self.checked.endpoint.collections.iter().map(|row| row.id).collect();
        Ok(Metadata {
            request: self.checked.request.clone(),
            band_names: self.checked.bands.clone(),
            source_ids: survey.sources.iter().map(|source| source.scene.id.clone()).collect(),
            grid: GridInfo::new(&self.checked.grid)?,
            endpoint: self.checked.endpoint.name.to_owned(),
            collection: collections.join(","),
            timings: self.timings,
            partition_tiles: tiles.into_iter().cloned().collect(),
            multi_tile_chunks: survey.choices.iter().filter(|choice| choice.tiles.len() > 1).count(),
            sources: survey.candidates.iter().zip(&tally.won).map(source_info).collect(),
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

/// Hands the rows of a block on.
fn finish_block(
    sources: &[Source],
    winners: &Winners,
    canvas: Canvas,
    sink: &mut (dyn Sink + Send),
    tally: &mut Tally,
) -> Result<()> {
    let rows = canvas.finish(winners);
    tally.add(&rows);
    let datetimes: Vec<&str> = sources.iter().map(|source| source.scene.datetime.as_str()).collect();
    sink.put(rows, &datetimes)
}
