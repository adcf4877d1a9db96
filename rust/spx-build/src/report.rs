//! What the user is told: progress and skipped scenes on stderr, the summary as one line of JSON.

use bestpixel::pipeline::{Metadata, Plan, Progress};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A line for each stage that begins.
pub(crate) fn progress(quiet: bool) -> Arc<Progress> {
    let stage_shown = Mutex::new(String::new());
    Arc::new(move |_done, total, stage, bytes| {
        let mut shown = stage_shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !quiet && *shown != stage {
            stage.clone_into(&mut shown);
            eprintln!("{stage}: {total} to do, {:.1} MB read so far", bytes as f64 / 1e6);
        }
    })
}

/// Names what could not be read.
pub(crate) fn skipped(metadata: &Metadata) {
    for skipped in &metadata.skipped {
        eprintln!("skipped {} {}: {}", skipped.item, skipped.href, skipped.cause);
    }
}

/// The plan as one line of JSON.
pub(crate) fn plan(plan: &Plan) -> String {
    serde_json::to_string(plan).unwrap_or_default()
}

/// What was made, as one line of JSON.
pub(crate) fn summary(metadata: &Metadata, out_dir: &Path, paths: &[PathBuf]) -> String {
    let names = paths.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
    serde_json::json!({
        "out_dir": out_dir,
        "files": names.collect::<Vec<_>>(),
        "width": metadata.grid.width,
        "height": metadata.grid.height,
        "epsg": metadata.grid.epsg,
        "clear_fraction": metadata.clear_fraction,
        "nodata_fraction": metadata.nodata_fraction,
        "sources": metadata.source_ids.len(),
        "skipped": metadata.skipped.len(),
        "seconds": metadata.timings.total,
        "requests": metadata.timings.requests,
        "bytes": metadata.timings.bytes,
    })
    .to_string()
}
