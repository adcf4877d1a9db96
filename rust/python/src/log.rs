//! Log records of the core go in, `logging` of Python gets them, under `bestpixel`.
//!
//! No thread of ours ever attaches to Python to log, which is how such bridges deadlock: records wait in a bounded queue
//! until a thread that is in a call of ours hands them on.

use super::runtime::current;
use log::{LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What the core logs under; what its dependencies say is no business of a user.
const ROOT: &str = "bestpixel";

/// Lines that wait at most. Further ones are counted and lost.
const ROOM: usize = 10_000;

/// The Python side.
const MODULE: &str = "bestpixel._logs";

/// Lines that wait to be handed on.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Line>,
    lost: usize,
}

/// The level as Python counts, the logger's name, the text.
type Line = (u8, String, String);

struct Bridge;

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    fn log(&self, record: &Record<'_>) {
        let Some(state) = current().filter(|_| self.enabled(record.metadata())) else { return };
        let mut waiting = state.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() < ROOM {
            waiting.lines.push_back((level(record), name(record.target()), record.args().to_string()));
        } else {
            waiting.lost += 1;
        }
    }

    fn flush(&self) {}
}

/// Python's number of a level.
fn level(record: &Record<'_>) -> u8 {
    match record.level() {
        log::Level::Error => 40,
        log::Level::Warn => 30,
        log::Level::Info => 20,
        log::Level::Debug => 10,
        log::Level::Trace => 5,
    }
}

/// The logger of a Rust module: that of its room, as `bestpixel.fetch`.
fn name(target: &str) -> String {
    target.split("::").take(2).collect::<Vec<_>>().join(".")
}

/// Takes the level from Python, so that what nobody wants to read is not even written.
pub(crate) fn follow_python(py: Python<'_>) -> PyResult<()> {
    let wanted: u8 = py.import(MODULE)?.call_method0("level")?.extract()?;
    // It may be set already, by an earlier call or by the command line in this process.
    let _ = log::set_logger(&Bridge);
    log::set_max_level(match wanted {
        0..10 => LevelFilter::Trace,
        10..20 => LevelFilter::Debug,
        20..30 => LevelFilter::Info,
        30..40 => LevelFilter::Warn,
        40..50 => LevelFilter::Error,
        _ => LevelFilter::Off,
    });
    Ok(())
}

/// Hands waiting lines on.
pub(crate) fn hand_on(py: Python<'_>) -> PyResult<()> {
    let Some(state) = current() else { return Ok(()) };
    let Waiting { lines, lost } = std::mem::take(&mut *state.lines.0.lock().unwrap_or_else(PoisonError::into_inner));
    if lines.is_empty() {
        return Ok(());
    }
    py.import(MODULE)?.call_method1("emit", (Vec::from(lines), lost))?;
    Ok(())
}
