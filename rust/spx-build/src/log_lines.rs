//! Records of the library's log go in, lines on stderr come out.

use crate::message::say;
use bestpixel::pipeline::SKIPPED;
use log::{LevelFilter, Log, Metadata, Record};

struct Lines;

impl Log for Lines {
    /// What the library's dependencies say is no business of a user, and what was skipped is told when the work is done.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().split("::").next() == Some("bestpixel") && metadata.target() != SKIPPED
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = match record.level() {
                log::Level::Warn => "warning".to_owned(),
                other => other.as_str().to_lowercase(),
            };
            say(&format!("{level}: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

/// From now on the log is shown up to a level.
pub(crate) fn follow(level: LevelFilter) {
    // A process that runs the command twice has its logger already.
    let _ = log::set_logger(&Lines);
    log::set_max_level(level);
}
