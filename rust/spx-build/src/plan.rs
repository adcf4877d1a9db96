//! A plan goes in, a table for people comes out.

use crate::bytes::show_bytes;
use bestpixel::pipeline::{FilePlan, Month, Plan, ScenePlan};
use std::fmt::Write;

/// The plans of several months, one below another.
pub(crate) fn tables(plans: &[(Month, Plan)]) -> String {
    plans.iter().map(|(month, plan)| format!("{}\n{}", month.datetime(), table(plan))).collect::<Vec<_>>().join("\n")
}

/// What a run would read.
pub(crate) fn table(plan: &Plan) -> String {
    let grid = &plan.grid;
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{label:<9} {value}");
    };
    line("grid", format!("{} x {} pixels of {} in {}", grid.width, grid.height, grid.resolution, grid.crs));
    line("bands", plan.band_names.join(", "));
    line("chunks", plan.chunks.len().to_string());
    line("scenes", plan.scenes.len().to_string());
    for scene in &plan.scenes {
        line("", format!("{} ({}, {})", scene.id, scene.tile, scene.datetime));
        line("", format!("  quality {}, reflectance {}", files(&scene.quality), files(&scene.bands)));
    }
    let sum = |of: fn(&ScenePlan) -> &[FilePlan]| files_sum(plan.scenes.iter().flat_map(of));
    line("quality", sum(|scene| &scene.quality));
    line("read", format!("at most {}", sum(|scene| &scene.bands)));
    line("requests", format!("about {}, headers not counted", plan.requests));
    line("output", show_bytes(plan.output_bytes));
    line("memory", format!("at most {} for buffers", show_bytes(plan.memory_bytes)));
    text
}

/// Levels and sums of a scene's files.
fn files(files: &[FilePlan]) -> String {
    let mut levels: Vec<String> =
        files.iter().map(|file| format!("level {} ({:.0} m)", file.level, file.pixel_size)).collect();
    levels.dedup();
    format!("{}: {}", levels.join(" and "), files_sum(files.iter()))
}

fn files_sum<'a>(files: impl Iterator<Item = &'a FilePlan>) -> String {
    let (mut count, mut tiles, mut bytes) = (0, 0, 0);
    for file in files {
        (count, tiles, bytes) = (count + 1, tiles + file.tiles, bytes + file.bytes);
    }
    format!("{} in {tiles} tiles of {count} files", show_bytes(bytes))
}
