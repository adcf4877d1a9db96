//! A request and months go in, a composite for each month comes out, in their order.
//!
//! All months share one scout pass, one set of connections and one budget of requests and memory. Several are under way
//! at once, so that one decodes while another waits for bytes.

use super::access::Access;
use super::run::Run;
use super::scout::{Candidate, Failure};
use super::{Catalog, Composite, Engine, Error, ErrorKind, Request, Result, Stage};
use crate::source::Scene;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Months under way at once: two wait for bytes while one decodes.
const AT_ONCE: usize = 4;

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
        let usage = |message: String| Error::new(Stage::Request, ErrorKind::Usage, message);
        if let Some(year) = years.iter().find(|year| !(1900..=2200).contains(*year)) {
            return Err(usage(format!("years: {year} is not within 1900 to 2200")));
        }
        if let Some(month) = months.iter().find(|month| !(1..=12).contains(*month)) {
            return Err(usage(format!("months: {month} is not within 1 to 12")));
        }
        let all = years.iter().flat_map(|&year| months.iter().map(move |&month| Self { year, month }));
        let mut all: Vec<Self> = all.collect();
        all.sort_unstable();
        all.dedup();
        if all.is_empty() { Err(usage("years and months must name at least one month".to_owned())) } else { Ok(all) }
    }

    /// As a datetime of a request: `2024-07`.
    pub fn datetime(&self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }
}

/// Makes a composite for each month; `request.datetime` is not looked at. `catalog` is asked for each month. A month
/// without scenes gives a composite without sources. Waits until all are there; must not be called from within the
/// runtime.
///
/// # Errors
/// The first that stopped a month.
pub fn run_months(
    request: &Request,
    months: &[Month],
    catalog: impl Fn() -> Catalog,
    engine: &Engine,
) -> Result<Vec<(Month, Composite)>> {
    let at_once = AT_ONCE.min(months.len()).max(1);
    let request = Request { memory_limit: Some(request.memory_limit() / at_once as u64), ..request.clone() };
    let access = Access::new(&request)?;
    access.renewing(|| {
        // Months stop one another, not what would be done anew.
        let engine = Engine { cancel: engine.cancel.child(), ..engine.clone() };
        make_months(&request, months, &catalog, &access, &engine, at_once)
    })
}

/// One pass over all months.
fn make_months(
    request: &Request,
    months: &[Month],
    catalog: &impl Fn() -> Catalog,
    access: &Arc<Access>,
    engine: &Engine,
    at_once: usize,
) -> Result<Vec<(Month, Composite)>> {
    let mut jobs = Vec::with_capacity(months.len());
    let mut scenes = Vec::new();
    for month in months {
        let checked = Request { datetime: month.datetime(), ..request.clone() }.check()?;
        let mut run = Run::new(checked, engine, access.clone());
        let found = match run.find(catalog()) {
            Err(error) if error.kind == ErrorKind::NoScenes => Vec::new(),
            found => found?,
        };
        let ids: HashSet<String> = found.iter().map(|scene| scene.id.clone()).collect();
        scenes.extend(found);
        jobs.push(Job { month: *month, run, ids, candidates: Vec::new(), failures: Vec::new() });
    }
    scout_all(&mut jobs, scenes)?;
    make_all(jobs, at_once, engine)
}

/// One month's run and what belongs to it.
struct Job<'a> {
    month: Month,
    run: Run<'a>,
    /// Ids of its scenes.
    ids: HashSet<String>,
    candidates: Vec<Candidate>,
    failures: Vec<Failure>,
}

/// One scout pass over the scenes of all months.
fn scout_all(jobs: &mut [Job<'_>], scenes: Vec<Scene>) -> Result<()> {
    let Some(first) = jobs.first_mut() else { return Ok(()) };
    let (candidates, failures) = first.run.scout(scenes)?;
    for candidate in candidates {
        if let Some(job) = jobs.iter_mut().find(|job| job.ids.contains(&candidate.scene.id)) {
            job.candidates.push(candidate);
        }
    }
    for failure in failures {
        if let Some(job) = jobs.iter_mut().find(|job| job.ids.contains(&failure.scene.id)) {
            job.failures.push(failure);
        }
    }
    Ok(())
}

/// Makes the composites, `at_once` at a time. The first error ends the others.
fn make_all(jobs: Vec<Job<'_>>, at_once: usize, engine: &Engine) -> Result<Vec<(Month, Composite)>> {
    let slots: Vec<_> = jobs.into_iter().map(|job| (Mutex::new(Some(job)), Mutex::new(None))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((job, result)) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
            let made = take(job).map(Job::make);
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
            Ok(composite) => made.push(composite),
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
    fn make(mut self) -> Result<(Month, Composite)> {
        self.run.skip_all(Stage::Scout, self.failures)?;
        let mut sink = self.run.memory_sink();
        let metadata = self.run.composite(self.candidates, &mut sink)?;
        Ok((self.month, sink.finish(metadata)))
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
