//! The order of the stages. The only file that knows all of them.

use super::catalog::find_scenes;
use super::compose::Canvas;
use super::plan::FilePlan;
use super::quality::{Wanted, pixels, read_scores};
use super::read::{ReadCounts, Source, read_fresh};
use super::request::{Catalog, Checked};
use super::scout::{Candidate, Failure, open_all, quality_level, scout};
use super::select::{Choice, Depth, select};
use super::stream::Io;
use super::tiles::Warps;
use super::winners::{NOBODY, Winners};
use super::{
    CancelToken, ChunkPlan, Composite, Error, ErrorKind, GridInfo, Metadata, NODATA, OnError, Plan, Request, Result,
    ScenePlan, SourceInfo, Stage, Timings,
};
use crate::fetch::{Fetcher, Options, redact};
use crate::raster::Window;
use crate::resample::Footprint;
use crate::source::{Scene, Unusable};
use crate::tiff::{self, Cog};
use std::collections::{BTreeSet, HashMap};
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
    /// Stops the run.
    pub cancel: CancelToken,
    /// Told of progress, on the thread that runs.
    pub progress: Arc<Progress>,
}

/// Makes a composite. Blocks; must not be called from within the runtime.
///
/// # Errors
/// What stopped it. With [`OnError::Skip`] scenes that cannot be read are left out and named in the metadata.
pub fn run(request: Request, catalog: Catalog, engine: &Engine) -> Result<Composite> {
    let checked = request.check()?;
    engine.pool.install(|| Run::new(&checked, engine)?.composite(catalog))
}

/// Makes the plan of a composite: no reflectance pixel is read.
///
/// # Errors
/// What stopped it.
pub fn make_plan(request: Request, catalog: Catalog, engine: &Engine) -> Result<Plan> {
    let checked = request.check()?;
    engine.pool.install(|| {
        let mut run = Run::new(&checked, engine)?;
        let survey = run.survey(catalog)?;
        Ok(run.plan(&survey))
    })
}

/// Seconds since the last lap.
fn take_lap(since: &mut Instant) -> f64 {
    let now = Instant::now();
    let lap = now.duration_since(*since).as_secs_f64();
    *since = now;
    lap
}

/// The state that the stages of one run share.
struct Run<'a> {
    checked: &'a Checked,
    engine: &'a Engine,
    fetcher: Fetcher,
    warps: Warps,
    windows: Vec<Window>,
    skipped: Vec<Unusable>,
    timings: Timings,
    started: Instant,
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
    fn new(checked: &'a Checked, engine: &'a Engine) -> Result<Self> {
        let options = Options { concurrency: checked.request.concurrency, ..Options::from_env()? };
        Ok(Self {
            checked,
            engine,
            fetcher: Fetcher::new(options),
            warps: Warps::new(checked.grid.clone()),
            windows: checked.grid.chunks(),
            skipped: Vec::new(),
            timings: Timings::default(),
            started: Instant::now(),
        })
    }

    fn io(&self) -> Io<'a> {
        let memory_limit = self.checked.request.memory_limit;
        Io { handle: &self.engine.io, cancel: &self.engine.cancel, memory_limit }
    }

    fn report(&self, done: usize, total: usize, stage: &str) {
        (self.engine.progress)(done, total, stage, self.fetcher.meter().totals().1);
    }

    /// Names a scene in `skipped`, or fails, as the user wishes.
    fn skip(&mut self, stage: Stage, failure: Failure) -> Result<()> {
        let href = redact(&failure.href);
        if self.checked.request.on_error == OnError::Raise {
            return Err(Error::tiff(stage, &format!("{}: {href}", failure.scene.id), failure.error));
        }
        let cause = failure.cause();
        self.skipped.push(Unusable { item: failure.scene.id, href, cause });
        Ok(())
    }

    /// Everything up to the plan: catalogue, scout, selection, headers of reflectance.
    fn survey(&mut self, catalog: Catalog) -> Result<Survey> {
        let mut lap = self.started;
        self.report(0, 1, "catalog");
        let (scenes, unusable) = find_scenes(self.checked, catalog)?;
        if let Some(first) = unusable.first().filter(|_| self.checked.request.on_error == OnError::Raise) {
            let message = format!("{}: {} {}", first.item, first.cause, first.href);
            return Err(Error::new(Stage::Catalog, ErrorKind::Catalog, message));
        }
        self.skipped.extend(unusable);
        self.timings.catalog = take_lap(&mut lap);
        self.report(0, scenes.len(), "scout");
        let (grid, factor) = (&self.checked.grid, self.checked.request.scout_factor);
        let io = self.io();
        let (candidates, failures) = scout(scenes, grid, factor, &self.fetcher, &io, &mut self.warps)?;
        failures.into_iter().try_for_each(|failure| self.skip(Stage::Scout, failure))?;
        self.timings.scout = take_lap(&mut lap);
        let survey = self.select(candidates)?;
        self.timings.plan = take_lap(&mut lap);
        Ok(survey)
    }

    /// Selects scenes and opens their reflectance; a scene that cannot be opened leaves and the selection is made anew.
    fn select(&mut self, mut candidates: Vec<Candidate>) -> Result<Survey> {
        let request = &self.checked.request;
        let depth = Depth {
            top_k: request.top_k,
            coverage_target: request.coverage_target,
            min_k: request.min_k,
            max_k: request.max_k,
        };
        let mut opened: HashMap<String, Vec<Arc<Cog>>> = HashMap::new();
        loop {
            let choices = select(&candidates, self.windows.len(), &depth);
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
            let failures = self.open_bands(&missing, &mut opened)?;
            if failures.is_empty() {
                return self.sources(&candidates, &selected, choices, &opened);
            }
            for failure in failures {
                candidates.retain(|candidate| candidate.scene.id != failure.scene.id);
                self.skip(Stage::Plan, failure)?;
            }
        }
    }

    /// Opens the reflectance of scenes; gives the first failure of each scene that cannot be opened.
    fn open_bands(&self, scenes: &[&Scene], opened: &mut HashMap<String, Vec<Arc<Cog>>>) -> Result<Vec<Failure>> {
        let hrefs: Vec<String> = scenes.iter().flat_map(|scene| scene.band_hrefs.clone()).collect();
        let mut cogs = open_all(&hrefs, &self.fetcher, &self.io(), Stage::Plan)?.into_iter();
        let mut failures = Vec::new();
        for scene in scenes {
            let bands: Vec<tiff::Result<Arc<Cog>>> = cogs.by_ref().take(scene.band_hrefs.len()).collect();
            let failed = bands.iter().position(tiff::Result::is_err);
            match bands.into_iter().collect::<tiff::Result<Vec<_>>>() {
                Ok(bands) => drop(opened.insert(scene.id.clone(), bands)),
                Err(error) => {
                    let href = scene.band_hrefs[failed.unwrap_or(0)].clone();
                    failures.push(Failure { scene: (*scene).clone(), href, error });
                }
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
            let quality = quality_level(&scene, candidate.quality.clone(), resolution, resolution, &mut self.warps);
            let bands = opened.get(&scene.id).into_iter().flatten();
            let bands = bands.map(|cog| self.warps.level(cog.clone(), resolution)).collect::<tiff::Result<Vec<_>>>();
            sources.push(Source { quality: quality.map_err(refuse)?, bands: bands.map_err(refuse)?, scene });
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

    fn plan(&self, survey: &Survey) -> Plan {
        let scene_plan = |(index, source): (usize, &Source)| {
            let chunks: Vec<_> =
                self.eligible(survey, index).into_iter().map(|chunk| pixels(&self.windows[chunk])).collect();
            let scene = &source.scene;
            let bands = scene.band_hrefs.iter().zip(&source.bands);
            ScenePlan {
                id: scene.id.clone(),
                tile: scene.tile.clone(),
                datetime: scene.datetime.clone(),
                offset: scene.offset,
                quality: FilePlan::new(&scene.quality_href, &source.quality, &chunks, Footprint::Nearest),
                bands: bands.map(|(href, level)| FilePlan::new(href, level, &chunks, Footprint::Bilinear)).collect(),
            }
        };
        let scenes: Vec<ScenePlan> = survey.sources.iter().enumerate().map(scene_plan).collect();
        let chunk_plan = |(window, choice): (&Window, &Choice)| ChunkPlan {
            window: *window,
            tiles: choice.tiles.clone(),
            scenes: choice.scenes.iter().map(|&scene| survey.sources[scene].scene.id.clone()).collect(),
        };
        Plan {
            grid: self.checked.grid.clone(),
            band_names: self.checked.bands.clone(),
            quality_bytes: scenes.iter().map(|scene| scene.quality.bytes).sum(),
            reflectance_bytes: scenes.iter().flat_map(|scene| &scene.bands).map(|band| band.bytes).sum(),
            chunks: self.windows.iter().zip(&survey.choices).map(chunk_plan).collect(),
            scenes,
        }
    }

    fn composite(&mut self, catalog: Catalog) -> Result<Composite> {
        let survey = self.survey(catalog)?;
        let mut lap = Instant::now();
        let mut winners = self.decide(&survey)?;
        self.timings.quality = take_lap(&mut lap);
        let mut canvas = Canvas::new(&self.checked.grid, self.checked.bands.len());
        self.fill(&survey, &mut winners, &mut canvas)?;
        self.timings.read += take_lap(&mut lap);
        self.finish(&survey, &winners, canvas)
    }

    /// Reads the quality of the selected scenes and decides each pixel.
    fn decide(&mut self, survey: &Survey) -> Result<Winners> {
        let wanted = survey.candidates.iter().zip(&survey.sources).enumerate().map(|(index, (candidate, source))| {
            Wanted { index, candidate, level: source.quality.clone(), chunks: self.eligible(survey, index) }
        });
        let (total, mut done) = (survey.sources.len(), 0);
        let mut scores = vec![vec![None; self.windows.len()]; total];
        let mut failures = Vec::new();
        read_scores(wanted.collect(), &self.windows, &self.io(), |index, read| {
            match read {
                Ok(read) => scores[index] = read,
                Err(failure) => failures.push((index, failure)),
            }
            done += 1;
            self.report(done, total, "quality");
            Ok(())
        })?;
        failures.sort_by_key(|(index, _)| *index);
        failures.into_iter().try_for_each(|(_, failure)| self.skip(Stage::Quality, failure))?;
        Ok(Winners::decide(&self.windows, scores))
    }

    /// Reads the winners' reflectance, until no pixel gives way any more.
    fn fill(&mut self, survey: &Survey, winners: &mut Winners, canvas: &mut Canvas) -> Result<()> {
        let mut counts = ReadCounts::default();
        while winners.chunks.iter().any(|chunk| chunk.fresh.contains(&true)) {
            let progress = |done, total| self.report(done, total, "read");
            let failures = read_fresh(&survey.sources, winners, canvas, &self.io(), &mut counts, progress)?;
            let failed: BTreeSet<usize> = failures.iter().map(|(scene, _)| *scene).collect();
            failures.into_iter().try_for_each(|(_, failure)| self.skip(Stage::Read, failure))?;
            let empty = canvas.empty(winners);
            winners.settle();
            empty.iter().enumerate().for_each(|(chunk, pixels)| winners.give_way(chunk, pixels));
            failed.iter().for_each(|&scene| winners.remove(scene));
            canvas.erase_fresh(winners);
            winners.redecide();
        }
        self.timings.read_megapixels = counts.pixels as f64 / 1e6;
        Ok(())
    }

    fn finish(&mut self, survey: &Survey, winners: &Winners, canvas: Canvas) -> Result<Composite> {
        let grid = &self.checked.grid;
        let flat = |value: &dyn Fn(&super::winners::ChunkWinners, usize) -> u16| {
            let mut out = vec![NODATA; grid.width * grid.height];
            for chunk in &winners.chunks {
                for row in 0..chunk.window.height {
                    let start = (chunk.window.row_off + row) * grid.width + chunk.window.col_off;
                    for (col, out) in out[start..start + chunk.window.width].iter_mut().enumerate() {
                        *out = value(chunk, row * chunk.window.width + col);
                    }
                }
            }
            out
        };
        let widen = |score: u8| if score == crate::source::NODATA { NODATA } else { u16::from(score) };
        let selected_observation = flat(&|chunk, i| chunk.winner[i]);
        (self.timings.requests, self.timings.bytes) = self.fetcher.meter().totals();
        self.timings.total = self.started.elapsed().as_secs_f64();
        Ok(Composite {
            quality: flat(&|chunk, i| widen(chunk.score[i])),
            observation_count: flat(&|chunk, i| chunk.count[i]),
            metadata: self.metadata(survey, &selected_observation)?,
            selected_observation,
            bands: canvas.into_bands(),
            grid: grid.clone(),
        })
    }

    fn metadata(&self, survey: &Survey, selected_observation: &[u16]) -> Result<Metadata> {
        let mut pixels = vec![0u64; survey.sources.len()];
        for &index in selected_observation {
            if let Some(count) = pixels.get_mut(usize::from(index)) {
                *count += 1;
            }
        }
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
            band_names: self.checked.bands.clone(),
            source_ids: survey.sources.iter().map(|source| source.scene.id.clone()).collect(),
            grid: GridInfo::new(&self.checked.grid)?,
            endpoint: self.checked.endpoint.name.to_owned(),
            collection: collections.join(","),
            timings: self.timings,
            partition_tiles: tiles.into_iter().cloned().collect(),
            multi_tile_chunks: survey.choices.iter().filter(|choice| choice.tiles.len() > 1).count(),
            sources: survey.candidates.iter().zip(&pixels).map(source_info).collect(),
            skipped: self.skipped.clone(),
        })
    }
}
