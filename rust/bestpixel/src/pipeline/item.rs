//! A finished composite goes in, a STAC Item that describes its files comes out.
//!
//! Source: STAC 1.1.0, and its extensions projection 2.0.0, raster 2.0.0 and electro-optical 2.0.0.

use super::footprint::{bounding_box, footprint};
use super::{Metadata, Result};
use crate::raster::{Grid, proj4, wkt2};
use crate::stac::Interval;
use crate::tiff::{BandInfo, ImageInfo, Sample};
use serde_json::{Map, Value, json};

/// What the ids of our items begin with.
pub(crate) const ID_PREFIX: &str = "bestpixel-";

const EXTENSIONS: [&str; 3] = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
];

/// Common names of the electro-optical extension, where they differ from ours.
const COMMON_NAMES: [(&str, &str); 3] =
    [("rededge1", "rededge071"), ("rededge2", "rededge075"), ("rededge3", "rededge078")];

/// What the layers beside the bands are.
const TITLES: [(&str, &str); 4] = [
    ("quality", "Quality: 0 clear, 1 marginal, 2 dark"),
    ("observation_count", "Scenes with a usable observation"),
    ("selected_observation", "Index of the scene that has the pixel, among source_ids of composite.json"),
    ("date", "Date of observation: days since 1970-01-01"),
];

/// One of the images.
pub(crate) struct Asset {
    file: String,
    data_type: &'static str,
    nodata: i64,
    bands: Vec<BandInfo>,
}

impl Asset {
    pub(crate) fn new<T: Sample>(file: String, image: &ImageInfo<T>) -> Self {
        Self { file, data_type: T::NAME, nodata: image.nodata.into(), bands: image.bands.clone() }
    }

    /// Its key in the item.
    fn key(&self) -> &str {
        self.file.trim_end_matches(".tif")
    }

    fn to_json(&self) -> Value {
        let title = TITLES.iter().find(|(name, _)| *name == self.key()).map(|(_, title)| *title);
        json!({
            "href": format!("./{}", self.file),
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "title": title.map_or_else(|| format!("Reflectance: {}", self.names()), str::to_owned),
            "roles": if title.is_some() { ["metadata"] } else { ["data"] },
            "data_type": self.data_type,
            "nodata": self.nodata,
            "bands": self.bands.iter().map(band).collect::<Vec<_>>(),
        })
    }

    fn names(&self) -> String {
        self.bands.iter().map(|band| band.description.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn band(band: &BandInfo) -> Value {
    let name = band.description.as_str();
    let mut object = json!({ "name": name });
    if let Some(scaling) = band.scaling {
        let common = COMMON_NAMES.iter().find(|(ours, _)| *ours == name).map_or(name, |(_, theirs)| theirs);
        object["eo:common_name"] = common.into();
        object["raster:scale"] = scaling.scale.into();
        object["raster:offset"] = scaling.offset.into();
    }
    object
}

/// The item of a composite. Hrefs are relative to it.
///
/// # Errors
/// Where the grid's CRS cannot be told.
pub(crate) fn stac_item(metadata: &Metadata, grid: &Grid, images: &[Asset]) -> Result<Value> {
    let mut assets: Map<String, Value> = images.iter().map(|asset| (asset.key().to_owned(), asset.to_json())).collect();
    let small = [
        ("thumbnail", "./preview.png", "image/png", "thumbnail"),
        ("metadata", "./composite.json", "application/json", "metadata"),
    ];
    for (key, href, media_type, role) in small {
        assets.insert(key.to_owned(), json!({ "href": href, "type": media_type, "roles": [role] }));
    }
    let rings = footprint(grid)?;
    let polygons: Vec<Value> = rings.iter().map(|ring| json!([ring])).collect();
    let geometry = match &*polygons {
        [polygon] => json!({ "type": "Polygon", "coordinates": polygon }),
        _ => json!({ "type": "MultiPolygon", "coordinates": polygons }),
    };
    let (start, end) = period(metadata);
    Ok(json!({
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": format!("{ID_PREFIX}{}-{}-{}", metadata.endpoint, compact(&start), compact(&end)),
        "geometry": geometry,
        "bbox": bounding_box(&rings),
        "properties": properties(metadata, grid, &start, &end)?,
        "links": [],
        "assets": assets,
    }))
}

fn properties(metadata: &Metadata, grid: &Grid, start: &str, end: &str) -> Result<Value> {
    let info = &metadata.grid;
    let mut properties = json!({
        "datetime": null,
        "start_datetime": start,
        "end_datetime": end,
        "created": jiff::Timestamp::now().to_string(),
        "description": format!("Cloud-free composite of {} scenes of {}", metadata.source_ids.len(), metadata.collection),
        "proj:code": if info.epsg == 0 { Value::Null } else { format!("EPSG:{}", info.epsg).into() },
        "proj:bbox": info.bounds,
        "proj:transform": info.transform,
        "proj:shape": [info.height, info.width],
        "bestpixel:clear_fraction": metadata.clear_fraction,
        "bestpixel:nodata_fraction": metadata.nodata_fraction,
        "bestpixel:sources": metadata.source_ids,
    });
    if info.epsg == 0 {
        properties["proj:wkt2"] = wkt2(&grid.crs)?.into();
    }
    if proj4(&grid.crs).is_ok_and(|definition| definition.contains("+units=m ")) {
        properties["gsd"] = info.resolution.into();
    }
    Ok(properties)
}

/// First and last instant: as they were asked for, at an open end those of the scenes.
fn period(metadata: &Metadata) -> (String, String) {
    let asked = Interval::parse(&metadata.request.datetime).map(|interval| interval.to_rfc3339()).unwrap_or_default();
    let (start, end) = asked.split_once('/').unwrap_or(("..", ".."));
    let times = || metadata.sources.iter().map(|source| source.datetime.as_str());
    let or = |asked: &str, of_scenes: Option<&str>| match (asked, of_scenes) {
        ("..", None) => jiff::Timestamp::now().to_string(),
        ("..", Some(time)) | (time, _) => time.to_owned(),
    };
    (or(start, times().min()), or(end, times().max()))
}

/// The day of a time, without signs between.
fn compact(time: &str) -> String {
    time.chars().take_while(|&c| c != 'T').filter(char::is_ascii_digit).collect()
}
