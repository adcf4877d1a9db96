//! A request goes in, its composite, folder or plan comes out: what the stages of one run share, and their order.
//!
//! The order itself is in `survey.rs` (as far as the plan) and `blocks.rs` (from there on): with this file the only ones that
//! know all stages.

use super::access::Access;
use super::request::{Catalog, Checked};
use super::scout::Failure;
use super::sink::MemorySink;
use super::stream::{Held, Io};
use super::survey::Looked;
use super::tiles::Warps;
use super::write::FolderSink;
use super::{CancelToken, Composite, Error, Metadata, OnError, Output, Plan, Request, Result, Stage, Timings};
use crate::fetch::{Connections, redact};
use crate::raster::Window;
use crate::source::Unusable;
use crate::tiff;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

/// Under this name the log tells what was skipped, which the result tells too.
pub const SKIPPED: &str = "bestpixel::skipped";

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
    check_output(&request)?;
    renewing(request, engine, move |mut run| {
        let looked = run.look(catalog.clone())?;
        run.write(looked, folder, output)
    })
}

/// Checks that files can hold the output of a request, whatever its datetime.
///
/// # Errors
/// Of kind [`super::ErrorKind::Usage`]: what is wrong with the grid, a CRS that a GeoTIFF cannot hold among it.
pub fn check_output(request: &Request) -> Result<()> {
    let crs = request.grid()?.crs;
    let refused = |error: tiff::Error| {
        // It is no file that is unsupported.
        let why = if let tiff::Error::Unsupported { what } = error { what } else { error.to_string() };
        Error::usage("output_crs", format!("{:?}: {why}", request.output_crs))
    };
    tiff::check_crs(&crs).map_err(refused)
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
pub(super) fn take_lap(since: &mut Instant) -> f64 {
    let now = Instant::now();
    let lap = now.duration_since(*since).as_secs_f64();
    *since = now;
    lap
}

/// The state that the stages of one run share.
pub(super) struct Run<'a> {
    pub(super) checked: Checked,
    pub(super) engine: &'a Engine,
    pub(super) access: Arc<Access>,
    pub(super) warps: Warps,
    pub(super) windows: Vec<Window>,
    pub(super) skipped: Vec<Unusable>,
    pub(super) timings: Timings,
    pub(super) started: Instant,
    /// Bytes for buffers: a share of the limit where several runs are under way.
    pub(super) memory: u64,
    /// Whether it is an error that there is nothing to make the output of.
    pub(super) wants_scenes: bool,
    /// What was searched and found.
    pub(super) told: String,
    /// Stands before the stages in what is reported, where several runs are under way.
    pub(super) name: String,
}
impl<'a> Run<'a> {
    pub(super) fn new(checked: Checked, engine: &'a Engine, access: Arc<Access>) -> Self {
        Self {
            engine,
            access,
            warps: Warps::new(checked.grid.clone()),
            windows: checked.grid.chunks(),
            memory: checked.request.memory_limit(),
            wants_scenes: true,
            told: String::new(),
            checked,
            skipped: Vec::new(),
            timings: Timings::default(),
            started: Instant::now(),
            name: String::new(),
        }
    }

    /// From now on progress is reported with this name before the stage's.
    pub(super) fn name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// A sink that keeps this run's output in memory.
    pub(super) fn memory_sink(&self) -> MemorySink {
        MemorySink::new(&self.checked.grid, self.checked.bands.len())
    }

    pub(super) fn io(&self) -> Io<'a> {
        let Engine { io, pool, cancel, .. } = self.engine;
        // More of either makes nothing faster, at no round trip nor at 50 ms: only more memory is touched.
        let budget = Held { fetched: self.memory / 8, decoded: self.memory / 16 };
        Io { handle: io, cancel, pool, budget }
    }

    pub(super) fn report(&self, done: usize, total: usize, stage: &str) {
        let stage = format!("{} {stage}", self.name);
        let stage = stage.trim_start();
        (self.engine.progress)(done, total, stage, self.access.meter().totals().1);
    }

    /// Names a scene in `skipped`, or fails, as the user wishes.
    pub(super) fn skip(&mut self, stage: Stage, failure: Failure) -> Result<()> {
        let href = redact(&failure.href);
        let is_out_of_date = self.access.forget(&failure.scene, &failure.error);
        if is_out_of_date || self.checked.request.on_error == OnError::Raise {
            return Err(Error::tiff(stage, &format!("{}: {href}", failure.scene.id), failure.error));
        }
        let cause = failure.cause();
        let skipped = Unusable { item: failure.scene.id, href, cause };
        // The same tile may be missed by several stages and blocks.
        if !self.skipped.contains(&skipped) {
            log::warn!(target: SKIPPED, "skipped {} {}: {}", skipped.item, skipped.href, skipped.cause);
            self.skipped.push(skipped);
        }
        Ok(())
    }

    /// Names scenes in `skipped`, or fails with the first, as the user wishes.
    pub(super) fn skip_all(&mut self, stage: Stage, mut failures: Vec<Failure>) -> Result<()> {
        failures.sort_by_cached_key(|failure| (failure.scene.id.clone(), failure.href.clone(), failure.cause()));
        failures.into_iter().try_for_each(|failure| self.skip(stage, failure))
    }

    /// Makes the composite in a folder.
    pub(super) fn write(&mut self, looked: Looked, folder: &Path, output: Output) -> Result<Written> {
        let Checked { grid, bands, .. } = &self.checked;
        let mut sink = FolderSink::new(folder, grid, bands, output, self.engine.cancel.clone())?;
        let mut metadata = self.composite(looked, &mut sink)?;
        let mut lap = Instant::now();
        let finished = sink.finish()?;
        metadata.timings.write += take_lap(&mut lap);
        metadata.timings.total = self.started.elapsed().as_secs_f64();
        let paths = finished.publish(&metadata)?;
        Ok(Written { metadata, paths })
    }

    /// Selects scenes and tells what would be read of them.
    pub(super) fn plan(&mut self, looked: Looked) -> Result<Plan> {
        let (survey, ()) = self.select(looked, |_, _| ())?;
        Ok(self.plan_of(&survey))
    }
}
