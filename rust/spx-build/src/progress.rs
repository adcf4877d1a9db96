//! Steps of a run go in, bars or lines on stderr come out.

use crate::bytes::show_bytes;
use crate::message::say;
use bestpixel::pipeline::Progress;
use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Display {
    /// Bars on a terminal, else lines.
    Auto,
    Bars,
    Lines,
    None,
}

/// A line at most so often while a stage goes on.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// What the library tells its steps to.
pub(crate) fn progress(display: Display) -> Arc<Progress> {
    match display {
        Display::None => Arc::new(|_, _, _, _| {}),
        Display::Bars => bars(),
        Display::Auto if std::io::stderr().is_terminal() => bars(),
        Display::Auto | Display::Lines => lines(),
    }
}

/// A month's name, or nothing, and the stage.
fn split(stage: &str) -> (&str, &str) {
    stage.rsplit_once(' ').unwrap_or(("", stage))
}

/// One bar for each run under way; it is gone when the run is.
fn bars() -> Arc<Progress> {
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix:>16} [{bar:32}] {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let shown: Mutex<HashMap<String, ProgressBar>> = Mutex::default();
    Arc::new(move |done, total, stage, bytes| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (run, _) = split(stage);
        // The stages before the months part ways are no month's.
        if !run.is_empty()
            && let Some(common) = shown.remove("")
        {
            common.finish_and_clear();
        }
        let new = || ProgressBar::no_length().with_style(style.clone()).with_finish(ProgressFinish::AndClear);
        let bar = shown.entry(run.to_owned()).or_insert_with(|| all.add(new()));
        bar.set_prefix(stage.to_owned());
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        bar.set_message(show_bytes(bytes));
        if done >= total && split(stage).1 == "write" {
            bar.finish_and_clear();
        }
    })
}

/// A line when a stage begins, and every few seconds while it lasts.
fn lines() -> Arc<Progress> {
    let told: Mutex<HashMap<String, (String, Instant)>> = Mutex::default();
    Arc::new(move |done, total, stage, bytes| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        let run = split(stage).0.to_owned();
        let is_due = told.get(&run).is_none_or(|(last, when)| last != stage || when.elapsed() >= BETWEEN_LINES);
        if is_due {
            told.insert(run, (stage.to_owned(), Instant::now()));
            say(&format!("{stage}: {done}/{total}, {} read so far", show_bytes(bytes)));
        }
    })
}
