//! A file, a folder or a text goes in, items with resolved hrefs come out.

use super::{Error, Item, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The items of an Item, ItemCollection or NDJSON file, or of all such files (`.json`, `.geojson`, `.ndjson`) in a
/// folder and its subfolders. Hrefs are relative to the file. The same item found twice is given once.
///
/// # Errors
/// [`Error::Io`], [`Error::Json`], or [`Error::NotItems`] where a named file holds no items. In a folder, JSON files
/// that are no items are passed over.
pub fn read_items(path: &Path) -> Result<Vec<Item>> {
    let io = |source| Error::Io { path: path.display().to_string(), source };
    if !std::fs::metadata(path).map_err(io)?.is_dir() {
        return read_file(path);
    }
    let mut items: Vec<Item> = Vec::new();
    for file in json_files(path)? {
        match read_file(&file) {
            Ok(found) => items.extend(found),
            Err(Error::NotItems { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if items.is_empty() {
        return Err(Error::NotItems {
            path: path.display().to_string(),
            reason: "the folder holds no items".to_owned(),
        });
    }
    items.sort_by(|a, b| (&a.id, &a.collection).cmp(&(&b.id, &b.collection)));
    items.dedup();
    Ok(items)
}

/// The items of a JSON text: an Item, an ItemCollection, a list of items, or one item a line. Relative hrefs are joined
/// to `folder`. `name` stands for the text in messages.
///
/// # Errors
/// [`Error::Json`] and [`Error::NotItems`].
pub fn parse_items(text: &str, folder: &Path, name: &str) -> Result<Vec<Item>> {
    let json = |source| Error::Json { path: name.to_owned(), source };
    let values: Vec<Value> =
        serde_json::Deserializer::from_str(text).into_iter().collect::<std::result::Result<_, _>>().map_err(json)?;
    let mut features = Vec::new();
    for value in values {
        collect_features(value, &mut features).map_err(|reason| Error::NotItems { path: name.to_owned(), reason })?;
    }
    let mut items = Vec::with_capacity(features.len());
    for feature in features {
        let mut item: Item = serde_json::from_value(feature).map_err(json)?;
        for asset in item.assets.values_mut() {
            asset.href = resolve(&asset.href, folder);
        }
        items.push(item);
    }
    Ok(items)
}

fn read_file(path: &Path) -> Result<Vec<Item>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io { path: name.clone(), source })?;
    parse_items(&text, path.parent().unwrap_or(Path::new("")), &name)
}

/// The features in a JSON value; the reason where it holds none.
fn collect_features(value: Value, features: &mut Vec<Value>) -> std::result::Result<(), String> {
    match value {
        Value::Array(values) => values.into_iter().try_for_each(|value| collect_features(value, features)),
        Value::Object(mut object) => match object.get("type").and_then(Value::as_str) {
            Some("Feature") => {
                features.push(Value::Object(object));
                Ok(())
            }
            Some("FeatureCollection") => match object.remove("features") {
                Some(Value::Array(values)) => {
                    values.into_iter().try_for_each(|value| collect_features(value, features))
                }
                _ => Err("the ItemCollection has no list of features".to_owned()),
            },
            other => Err(format!("expected a Feature or FeatureCollection, found type {other:?}")),
        },
        other => Err(format!("expected items, found {other}")),
    }
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
