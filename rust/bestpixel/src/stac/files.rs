//! A file, a folder or a text goes in, items with resolved hrefs come out, and what is none by its name.

use super::{Error, Found, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The items of an Item, ItemCollection or NDJSON file, or of all such files (`.json`, `.geojson`, `.ndjson`) in a
/// folder and its subfolders. Hrefs are relative to the file. The same item found twice is given once.
///
/// # Errors
/// [`Error::Io`], [`Error::Json`], or [`Error::NotItems`] where a named file holds no items. In a folder, JSON files
/// that are no items are passed over, and files that are no JSON are among what is broken.
pub fn read_items(path: &Path) -> Result<Found> {
    let io = |source| Error::Io { path: path.display().to_string(), source };
    if !std::fs::metadata(path).map_err(io)?.is_dir() {
        return read_file(path);
    }
    let mut found = Found::default();
    for file in json_files(path)? {
        match read_file(&file) {
            Ok(more) => found.extend(more),
            Err(Error::NotItems { .. }) => {}
            Err(Error::Json { path, source }) => found.broken.push((path, source.to_string())),
            Err(error) => return Err(error),
        }
    }
    if found == Found::default() {
        return Err(Error::NotItems {
            path: path.display().to_string(),
            reason: "the folder holds no items".to_owned(),
        });
    }
    found.items.sort_by(|a, b| (&a.id, &a.collection).cmp(&(&b.id, &b.collection)));
    found.items.dedup();
    Ok(found)
}

/// The items of a JSON text: an Item, an ItemCollection, a list of items, or one item a line. Relative hrefs are joined
/// to `folder`. `name` stands for the text in messages.
///
/// # Errors
/// [`Error::Json`] and [`Error::NotItems`].
pub fn parse_items(text: &str, folder: &Path, name: &str) -> Result<Found> {
    let mut found = Found::default();
    for value in parse_values(text, &mut found).map_err(|source| Error::Json { path: name.to_owned(), source })? {
        let not_items = |reason| Error::NotItems { path: name.to_owned(), reason };
        add_features(value, &mut found).map_err(not_items)?;
    }
    for asset in found.assets_mut() {
        asset.href = resolve(&asset.href, folder);
    }
    Ok(found)
}

fn read_file(path: &Path) -> Result<Found> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io { path: name.clone(), source })?;
    parse_items(&text, path.parent().unwrap_or(Path::new("")), &name)
}

/// The JSON values of a text. Where every line begins an object of its own, a line that is no JSON is merely broken.
fn parse_values(text: &str, found: &mut Found) -> serde_json::Result<Vec<Value>> {
    let all: serde_json::Result<Vec<Value>> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let has_objects_by_line = lines().count() > 1 && lines().all(|(_, line)| line.starts_with('{'));
    if all.is_ok() || !has_objects_by_line {
        return all;
    }
    let mut values = Vec::new();
    for (number, line) in lines() {
        match serde_json::from_str(line) {
            Ok(value) => values.push(value),
            Err(error) => found.broken.push((format!("line {}", number + 1), error.to_string())),
        }
    }
    Ok(values)
}

/// Adds the features in a JSON value; the reason where it can hold none.
fn add_features(value: Value, found: &mut Found) -> std::result::Result<(), String> {
    match value {
        Value::Array(values) => {
            let holds_items = values.iter().any(is_geojson);
            values.into_iter().try_for_each(|value| {
                // Beside items, what is none is a broken item.
                if holds_items && !is_geojson(&value) {
                    found.add(value);
                    return Ok(());
                }
                add_features(value, found)
            })
        }
        Value::Object(mut object) => match object.get("type").and_then(Value::as_str) {
            Some("Feature") => {
                found.add(Value::Object(object));
                Ok(())
            }
            Some("FeatureCollection") => match object.remove("features") {
                Some(Value::Array(features)) => {
                    features.into_iter().for_each(|feature| found.add(feature));
                    Ok(())
                }
                _ => Err("the ItemCollection has no list of features".to_owned()),
            },
            other => Err(format!("expected a Feature or FeatureCollection, found type {other:?}")),
        },
        other => Err(format!("expected items, found {other}")),
    }
}

fn is_geojson(value: &Value) -> bool {
    matches!(value.get("type").and_then(Value::as_str), Some("Feature" | "FeatureCollection"))
}

/// An href as it can be opened: URLs and absolute paths stay, the rest is relative to the item's file.
fn resolve(href: &str, folder: &Path) -> String {
    if href.contains("://") || Path::new(href).is_absolute() {
        return href.to_owned();
    }
    folder.join(href.trim_start_matches("./")).display().to_string()
}

/// JSON files below a folder, sorted.
fn json_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let io = |source| Error::Io { path: folder.display().to_string(), source };
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            // A link could lead in a circle.
            let kind = entry.file_type().map_err(io)?;
            let path = entry.path();
            let is_json =
                path.extension().is_some_and(|ext| ["json", "geojson", "ndjson"].iter().any(|known| ext == *known));
            if kind.is_dir() {
                folders.push(path);
            } else if is_json {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
