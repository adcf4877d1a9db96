//! A request and months go in, a composite for each month comes out, in their order.
//!
//! All months share one scout pass, one set of connections and one budget of requests and memory. Several are under way
//! at once, so that one decodes while another waits for bytes.

use super::access::Access;
use super::catalog::find_scenes;
use super::promise::Waiting;
use super::request::Checked;
use super::run::{Run, check_output, take_lap};
use super::scout::Failure;
use super::survey::Looked;
use super::{Catalog, Composite, Engine, Error, ErrorKind, Output, Plan, Request, Result, Stage, Timings, Written};
use crate::source::Scene;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Months under way at once: at least so many that one decodes while the other waits for bytes, at most so many that all
/// wait for different ones.
const AT_ONCE: RangeInclusive<usize> = 2..=8;

/// Bytes for each pixel with which a month is made in one block of rows, tiles of it fetched once.
const BYTES_PER_PIXEL: u64 = 32;

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// Such as 2024.
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
}

impl Month {
    /// All months of the given years, in order and each once.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Usage`] where there are none, or a number is no year or month.
    pub fn of(years: &[i16], months: &[i8]) -> Result<Vec<Self>> {
        if let Some(year) = years.iter().find(|year| !(1900..=2200).contains(*year)) {
            return Err(Error::usage("years", format!("years: {year} is not within 1900 to 2200")));
        }
        if let Some(month) = months.iter().find(|month| !(1..=12).contains(*month)) {
            return Err(Error::usage("months", format!("months: {month} is not within 1 to 12")));
        }
        let all = years.iter().flat_map(|&year| months.iter().map(move |&month| Self { year, month }));
        let mut all: Vec<Self> = all.collect();
        all.sort_unstable();
        all.dedup();
        let message = "years and months must name at least one month";
        if all.is_empty() { Err(Error::usage("years", message)) } else { Ok(all) }
    }

    /// As a datetime of a request: `2024-07`.
    pub fn datetime(&self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }
}

/// Makes a composite for each month; `request.datetime` is not looked at. A month without scenes gives a composite without
/// sources. Waits until all are there; must not be called from within the runtime.
///
/// # Errors
/// The first that stopped a month.
pub fn run_months(
    request: &Request,
    months: &[Month],
    catalog: &Catalog,
    engine: &Engine,
) -> Result<Vec<(Month, Composite)>> {
    each_month(request, months, catalog, engine, |run, looked, _| {
        let mut sink = run.memory_sink();
        let metadata = run.composite(looked, &mut sink)?;
        Ok(sink.finish(metadata))
    })
}

/// Makes a composite for each month in a folder of its own, such as `2024-07` inside `folder`: as [`run_months`], but
/// memory does not grow with the area.
///
/// # Errors
/// The first that stopped a month; months that were finished before stay.
pub fn run_months_to_folders(
    request: &Request,
    months: &[Month],
    catalog: &Catalog,
    engine: &Engine,
    folder: &Path,
    output: Output,
) -> Result<Vec<(Month, Written)>> {
    check_output(request)?;
    each_month(request, months, catalog, engine, |run, looked, month| {
        run.write(looked, &folder.join(month.datetime()), output)
    })
}

/// Makes the plan for each month: no reflectance pixel is read.
///
/// # Errors
/// The first that stopped a month.
pub fn plan_months(
    request: &Request,
    months: &[Month],
    catalog: &Catalog,
    engine: &Engine,
) -> Result<Vec<(Month, Plan)>> {
    each_month(request, months, catalog, engine, |run, looked, _| run.plan(looked))
}

/// What is made of a month's scenes.
trait Make<T>: Fn(&mut Run<'_>, Looked, Month) -> Result<T> + Sync {}

impl<T, F: Fn(&mut Run<'_>, Looked, Month) -> Result<T> + Sync> Make<T> for F {}

/// Finds the scenes of each month, looks at all of them together, and makes something of each month.
fn each_month<T: Send>(
    request: &Request,
    months: &[Month],
    catalog: &Catalog,
    engine: &Engine,
    make: impl Make<T>,
) -> Result<Vec<(Month, T)>> {
    let of_month = |month: &Month| Request { datetime: month.datetime(), ..request.clone() }.check();
    let checked: Vec<Checked> = months.iter().map(of_month).collect::<Result<_>>()?;
    let access = Access::new(request, &engine.connections)?;
    access.renewing(|| {
        // Months stop one another, not what would be done anew.
        let engine = Engine { cancel: engine.cancel.child(), ..engine.clone() };
        make_months(months, &checked, catalog, &access, &engine, &make)
    })
}

/// How many months are made at once: as many as their share of the memory lets be made in one block each.
fn at_once(checked: &[Checked]) -> usize {
    let Some(Checked { grid, request, .. }) = checked.first() else { return 1 };
    let each = (grid.width * grid.height) as u64 * BYTES_PER_PIXEL;
    let fitting = (request.memory_limit() / each.max(1)) as usize;
    fitting.clamp(*AT_ONCE.start(), *AT_ONCE.end()).min(checked.len())
}

/// One pass over all months: their scenes are found together, looked at together, and made something of side by side.
fn make_months<T: Send>(
    months: &[Month],
    checked: &[Checked],
    catalog: &Catalog,
    access: &Arc<Access>,
    engine: &Engine,
    make: &impl Make<T>,
) -> Result<Vec<(Month, T)>> {
    let at_once = at_once(checked);
    let mut lap = Instant::now();
    let new_run = |checked: &Checked| Run::new(checked.clone(), engine, access.clone());
    let mut runs: Vec<Run<'_>> = checked.iter().map(new_run).collect();
    let Some(first) = runs.first_mut() else { return Ok(Vec::new()) };
    first.report(0, 1, "catalog");
    let found = find_scenes(&checked.iter().collect::<Vec<_>>(), catalog.clone(), access, &first.io())?;
    let catalog_s = take_lap(&mut lap);
    let (mut jobs, mut scenes) = (Vec::with_capacity(months.len()), Vec::new());
    for ((month, mut run), sought) in months.iter().zip(runs).zip(found) {
        run.memory /= at_once as u64;
        run.wants_scenes = false;
        let mut waiting = Waiting::new(run.admit(sought)?, &run.depth());
        let first = waiting.take(|_| true);
        scenes.extend(first);
        let looked = Looked { candidates: Vec::new(), waiting };
        jobs.push(Job { month: *month, run, looked, failures: Vec::new() });
    }
    lap = Instant::now();
    scout_all(&mut jobs, scenes)?;
    let scout_s = take_lap(&mut lap);
    for job in &mut jobs {
        // Each has waited for all of it.
        job.run.timings = Timings { catalog: catalog_s, scout: scout_s, ..job.run.timings };
    }
    make_all(jobs, at_once, engine, make)
}

/// One month's run and what belongs to it.
struct Job<'a> {
    month: Month,
    run: Run<'a>,
    looked: Looked,
    failures: Vec<Failure>,
}

/// One scout pass over the most promising scenes of all months.
fn scout_all(jobs: &mut [Job<'_>], scenes: Vec<Scene>) -> Result<()> {
    let Some(first) = jobs.first_mut() else { return Ok(()) };
    let (candidates, failures) = first.run.scout(scenes)?;
    for candidate in candidates {
        if let Some(job) = jobs.iter_mut().find(|job| job.has(&candidate.scene)) {
            job.looked.candidates.push(candidate);
        }
    }
    for failure in failures {
        if let Some(job) = jobs.iter_mut().find(|job| job.has(&failure.scene)) {
            job.failures.push(failure);
        }
    }
    Ok(())
}

/// Makes something of each month, `at_once` at a time. The first error ends the others.
fn make_all<T: Send>(
    jobs: Vec<Job<'_>>,
    at_once: usize,
    engine: &Engine,
    make: &impl Make<T>,
) -> Result<Vec<(Month, T)>> {
    let slots: Vec<_> = jobs.into_iter().map(|job| (Mutex::new(Some(job)), Mutex::new(None))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((job, result)) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
            let made = take(job).map(|job| job.make(make));
            if matches!(made, Some(Err(_))) {
                engine.cancel.cancel();
            }
            *result.lock().unwrap_or_else(PoisonError::into_inner) = made;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    let (mut made, mut failed): (Vec<_>, Option<Error>) = (Vec::new(), None);
    for result in slots.iter().filter_map(|(_, result)| take(result)) {
        match result {
            Ok(month) => made.push(month),
            // What was merely cancelled by another's error does not tell why.
            Err(error) if failed.as_ref().is_none_or(|other| other.kind == ErrorKind::Cancelled) => {
                failed = Some(error);
            }
            Err(_) => {}
        }
    }
    failed.map_or(Ok(made), Err)
}

impl Job<'_> {
    /// Whether a scene is one of this month's. No two months share an instant.
    fn has(&self, scene: &Scene) -> bool {
        self.run.checked.interval.holds(scene.time)
    }

    fn make<T>(mut self, make: &impl Make<T>) -> Result<(Month, T)> {
        self.run.name(&self.month.datetime());
        self.run.skip_all(Stage::Scout, self.failures)?;
        Ok((self.month, make(&mut self.run, self.looked, self.month)?))
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
