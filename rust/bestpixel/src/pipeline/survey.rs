//! A request goes in, what is known before reflectance is read comes out: the first half of a run.

use super::catalog::{Sought, find_scenes};
use super::offset::settle_offsets;
use super::plan::FilePlan;
use super::promise::Waiting;
use super::quality::pixels;
use super::read::Source;
use super::request::Catalog;
use super::run::{Run, take_lap};
use super::scout::{Candidate, Failure, open_files, quality_levels, scout, sort_by_preference};
use super::select::{Choice, Depth, Seen, select};
use super::tiles::LevelRef;
use super::winners::NOBODY;
use super::{ChunkPlan, Error, ErrorKind, OnError, Plan, Request, Result, ScenePlan, Stage};
use crate::cache::Keep;
use crate::fetch::redact;
use crate::raster::Window;
use crate::resample::Footprint;
use crate::source::Scene;
use crate::tiff::{self, Cog};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// What the scout has seen so far.
pub(super) struct Looked {
    /// In the order of preference.
    pub(super) candidates: Vec<Candidate>,
    /// Scenes that have not been looked at.
    pub(super) waiting: Waiting,
}

/// What is known before reflectance is read.
pub(super) struct Survey {
    /// The selected scenes, in the order of preference.
    pub(super) sources: Vec<Source>,
    /// Per chunk; scenes are indices of `sources`.
    pub(super) choices: Vec<Choice>,
}

impl Run<'_> {
    /// The scenes of the catalogue, without those that cannot be used.
    fn find(&mut self, catalog: Catalog) -> Result<Vec<Scene>> {
        let mut lap = Instant::now();
        self.report(0, 1, "catalog");
        let found = find_scenes(&[&self.checked], catalog, &self.access, &self.io())?;
        self.timings.catalog = take_lap(&mut lap);
        found.into_iter().next().map_or(Ok(Vec::new()), |sought| self.admit(sought))
    }

    /// Takes what a catalogue has: the scenes, and the names of what cannot be used.
    pub(super) fn admit(&mut self, sought: Sought) -> Result<Vec<Scene>> {
        let Sought { scenes, unusable, told } = sought;
        if let Some(first) = unusable.first().filter(|_| self.checked.request.on_error == OnError::Raise) {
            let message = format!("{}: {} {}", first.item, first.cause, first.href);
            return Err(Error::new(Stage::Catalog, ErrorKind::Catalog, message));
        }
        log::info!("{} scenes fit, {} items cannot be used", scenes.len(), unusable.len());
        self.skipped.extend(unusable);
        self.told = told;
        Ok(scenes)
    }

    /// The catalogue has nothing, or nothing of use.
    pub(super) fn no_scenes(&self) -> Error {
        Error::new(Stage::Catalog, ErrorKind::NoScenes, format!("no scene for {}", self.told))
    }

    /// Nothing is selected: an error, or in a batch of months a warning.
    fn miss_scenes(&mut self, has_candidates: bool) -> Result<()> {
        if has_candidates {
            self.told.push_str("; none of them shows a pixel of the area");
        }
        let error = self.no_scenes();
        if self.wants_scenes {
            return Err(error);
        }
        log::warn!("{}: {error}; nodata everywhere", self.name);
        Ok(())
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
    pub(super) fn look(&mut self, catalog: Catalog) -> Result<Looked> {
        let scenes = self.find(catalog)?;
        if scenes.is_empty() {
            return Err(self.no_scenes());
        }
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
    /// `begin` starts what can be done with the selection meanwhile: of its survey everything is known but reflectance.
    pub(super) fn select<T>(&mut self, mut looked: Looked, begin: impl Fn(&Self, &Survey) -> T) -> Result<(Survey, T)> {
        let mut opened: HashMap<String, Vec<Arc<Cog>>> = HashMap::new();
        loop {
            let choices = self.choose(&mut looked)?;
            let candidates = &mut looked.candidates;
            let selected: BTreeSet<usize> = choices.iter().flat_map(|choice| choice.scenes.iter().copied()).collect();
            if selected.is_empty() {
                self.miss_scenes(!candidates.is_empty())?;
            }
            if selected.len() >= usize::from(NOBODY) {
                let message =
                    format!("{} scenes are selected, at most {} can be told apart", selected.len(), NOBODY - 1);
                return Err(Error::new(Stage::Plan, ErrorKind::Usage, message));
            }
            let mut survey = self.survey(candidates, &selected, choices)?;
            let begun = begin(self, &survey);
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
                let settled = selected.iter().map(|&index| candidates[index].scene.offset);
                for (source, offset) in survey.sources.iter_mut().zip(settled) {
                    source.scene.offset = offset;
                    source.bands = self.reflectance_levels(&source.scene, &opened)?;
                }
                return Ok((survey, begun));
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

    /// The selected scenes with the levels of their quality.
    fn survey(
        &mut self,
        candidates: &[Candidate],
        selected: &BTreeSet<usize>,
        mut choices: Vec<Choice>,
    ) -> Result<Survey> {
        let resolution = self.checked.grid.resolution;
        let source = |&index: &usize| {
            let candidate @ Candidate { scene, quality, .. } = &candidates[index];
            let levels = quality_levels(scene, quality, resolution, &mut self.warps);
            let quality = levels.map_err(|(_, error)| Error::tiff(Stage::Plan, &scene.id, error))?;
            let clear_fraction = candidate.clear_fraction();
            Ok(Source { scene: scene.clone(), clear_fraction, quality, bands: Vec::new() })
        };
        let sources = selected.iter().map(source).collect::<Result<_>>()?;
        // From here on scenes are counted among the selected ones.
        let places: HashMap<usize, usize> = selected.iter().enumerate().map(|(place, &index)| (index, place)).collect();
        for choice in &mut choices {
            choice.scenes.iter_mut().for_each(|scene| *scene = places[scene]);
        }
        Ok(Survey { sources, choices })
    }

    /// The levels of a scene's reflectance, of files that are open.
    fn reflectance_levels(&mut self, scene: &Scene, opened: &HashMap<String, Vec<Arc<Cog>>>) -> Result<Vec<LevelRef>> {
        let resolution = self.checked.grid.resolution;
        let level = |cog: &Arc<Cog>| {
            let is_trusted = scene.collection.trusts_overviews(cog.nodata);
            if is_trusted { self.warps.level(cog.clone(), resolution) } else { self.warps.full(cog.clone()) }
        };
        let levels = opened.get(&scene.id).into_iter().flatten().map(level).collect::<tiff::Result<_>>();
        levels.map_err(|error| Error::tiff(Stage::Plan, &scene.id, error))
    }

    /// The chunks in which a scene may win (rule S5).
    pub(super) fn eligible(&self, survey: &Survey, scene: usize) -> Vec<usize> {
        let windowed = self.checked.request.windowed_fetch;
        (0..self.windows.len()).filter(|&chunk| !windowed || survey.choices[chunk].scenes.contains(&scene)).collect()
    }

    pub(super) fn plan_of(&self, survey: &Survey) -> Plan {
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
            memory_bytes: self.memory,
            chunks: self.windows.iter().zip(&survey.choices).map(chunk_plan).collect(),
            scenes,
        }
    }
}
