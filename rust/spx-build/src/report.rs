//! What the user is told when the work is done: words on stderr, the summary as one line of JSON.

use crate::args::{Args, flag_of};
use crate::bytes::show_bytes;
use crate::message::say;
use bestpixel::pipeline::{Error, Metadata, Month, Written};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// An error in one line; a wrong value comes with its flag.
pub(crate) fn error(error: &Error) -> String {
    match error.argument.and_then(flag_of) {
        Some(flag) => format!("error: invalid value for '{flag}': {}", error.full_message()),
        None => format!("error: {}", error.full_message()),
    }
}

/// What a signal has left.
pub(crate) fn stopped(args: &Args) -> String {
    if args.period().is_some() && !args.dry_run {
        format!("stopped: of the months in {} those with a composite.json are complete", args.out_dir().display())
    } else {
        "stopped: nothing has been written".to_owned()
    }
}

/// One line of JSON.
pub(crate) fn json(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string(value).unwrap_or_default())
}

/// One line of JSON with a value for each month.
pub(crate) fn months_json(months: &[(Month, impl Serialize)]) -> String {
    let with_month = |(month, value): &(Month, _)| {
        let mut object = json!({ "year": month.year, "month": month.month });
        if let (Some(object), Ok(Value::Object(value))) = (object.as_object_mut(), serde_json::to_value(value)) {
            object.extend(value);
        }
        object
    };
    json(&json!({ "months": months.iter().map(with_month).collect::<Vec<_>>() }))
}

/// What was made, for stdout.
pub(crate) fn written(args: &Args, out_dir: &Path, written: &Written) -> String {
    json(&value(args, out_dir, written))
}

/// What was made of each month, for stdout; the words are said.
pub(crate) fn months_written(args: &Args, out_dir: &Path, made: &[(Month, Written)]) -> String {
    let of_month = |(month, written): &(Month, Written)| {
        let (name, folder) = (month.datetime(), out_dir.join(month.datetime()));
        tell(args, &format!("{name}: "), &folder, written);
        (*month, value(args, &folder, written))
    };
    months_json(&made.iter().map(of_month).collect::<Vec<_>>())
}

fn value(args: &Args, out_dir: &Path, written: &Written) -> Value {
    let metadata = &written.metadata;
    if args.json {
        return serde_json::to_value(metadata).unwrap_or_default();
    }
    let names = written.paths.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
    json!({
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
}

/// Says what was left out and what was made.
pub(crate) fn tell(args: &Args, name: &str, out_dir: &Path, written: &Written) {
    if args.quiet {
        return;
    }
    let metadata = &written.metadata;
    for skipped in &metadata.skipped {
        let place = if skipped.href.is_empty() { String::new() } else { format!(" {}", skipped.href) };
        say(&format!("warning: {name}skipped {}{place}: {}", skipped.item, skipped.cause));
    }
    if args.verbose > 0 {
        details(name, metadata);
    }
    say(&format!(
        "{name}{}: {} files, {} x {} pixels, {:.1} % clear, {:.1} % nodata, {} scenes, {} in {} requests, {:.1} s",
        out_dir.display(),
        written.paths.len(),
        metadata.grid.width,
        metadata.grid.height,
        100.0 * metadata.clear_fraction,
        100.0 * metadata.nodata_fraction,
        metadata.source_ids.len(),
        show_bytes(metadata.timings.bytes),
        metadata.timings.requests,
        metadata.timings.total,
    ));
}

/// The scenes and the stages.
fn details(name: &str, metadata: &Metadata) {
    let pixels = (metadata.grid.width * metadata.grid.height).max(1) as f64;
    for source in &metadata.sources {
        let share = 100.0 * source.pixels as f64 / pixels;
        say(&format!("{name}{share:5.1} % of the pixels from {} ({}, {})", source.id, source.tile, source.datetime));
    }
    let timings = &metadata.timings;
    let stages = [
        ("catalog", timings.catalog),
        ("scout", timings.scout),
        ("plan", timings.plan),
        ("quality", timings.quality),
        ("read", timings.read),
        ("write", timings.write),
    ];
    let stages: Vec<String> = stages.iter().map(|(stage, seconds)| format!("{stage} {seconds:.2} s")).collect();
    say(&format!("{name}{}", stages.join(", ")));
}
