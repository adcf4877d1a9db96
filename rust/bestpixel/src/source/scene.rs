//! An item and its row of the table go in, a scene comes out: what to read and what it means.

use super::Collection;
use crate::stac::Item;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One observation of one tile.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The item's id.
    pub id: String,
    /// The row of the table that it belongs to.
    pub collection: &'static Collection,
    /// Its tile: MGRS with two digits for the zone, h/v of MODIS, path and row of Landsat.
    pub tile: String,
    /// Platform, lower case.
    pub platform: String,
    /// Acquisition time, RFC 3339; of MODIS the nominal day.
    pub datetime: String,
    /// The same as an instant: two ways to write a time may not sort as texts do.
    pub time: Timestamp,
    /// Share of clouds in percent, as the item tells it.
    pub cloud_cover: Option<f64>,
    /// To be subtracted from reflectance.
    pub offset: u16,
    /// Where the item contradicts itself: the file whose pixels tell whether [`Scene::offset`] is still in them.
    pub witness_href: Option<String>,
    /// Where quality lies: one layer, or one for each requested band.
    pub quality_hrefs: Vec<String>,
    /// Where the requested bands lie, in their order.
    pub band_hrefs: Vec<String>,
    /// For duplicates.
    pub(crate) version: Version,
}

/// What distinguishes items of the same tile and platform.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) struct Version {
    pub(crate) baseline: f64,
    pub(crate) generation_time: String,
    pub(crate) sequence: f64,
    /// Equal in all versions of one observation of one tile.
    pub(crate) key: Option<String>,
}

/// Why an item cannot be used: nothing is dropped without a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    /// The item's id.
    pub item: String,
    /// The asset's href, empty where it has none.
    pub href: String,
    /// What is wrong.
    pub cause: String,
}

impl Scene {
    /// The scene of an item, with the requested bands.
    ///
    /// # Errors
    /// [`Unusable`] where a needed asset is missing or is no TIFF that can be read (rule I1), or the item does not say
    /// when and where it was taken.
    pub fn from_item(item: &Item, collection: &'static Collection, bands: &[String]) -> Result<Self, Unusable> {
        let unusable =
            |href: &str, cause: String| Unusable { item: item.id.clone(), href: crate::fetch::redact(href), cause };
        let href = |key: &str| {
            let asset = item.assets.get(key).ok_or_else(|| unusable("", format!("it has no asset {key:?}")))?;
            match unreadable(&asset.href, asset.media_type.as_deref()) {
                None => Ok(asset.href.clone()),
                Some(cause) => Err(unusable(&asset.href, format!("asset {key:?} {cause}"))),
            }
        };
        let band_href = |band: &String| {
            let asset =
                collection.asset(band).ok_or_else(|| unusable("", format!("{} has no band {band:?}", collection.id)));
            href(asset?)
        };
        let lacking = |cause: String| unusable("", cause);
        let datetime = collection.date.time(item).ok_or_else(|| lacking("it has no datetime".to_owned()))?;
        let no_time = |error| lacking(format!("its datetime {datetime:?} is no RFC 3339 time: {error}"));
        let time = datetime.parse().map_err(no_time)?;
        Ok(Self {
            id: item.id.clone(),
            collection,
            tile: collection.tile.tile(item).map_err(lacking)?,
            platform: item.text("platform").unwrap_or_default().to_lowercase(),
            datetime,
            time,
            cloud_cover: item.number("eo:cloud_cover").filter(|_| collection.has_cloud_cover),
            offset: collection.offset.offset(item),
            witness_href: collection.offset.witness(item).map(href).transpose()?,
            quality_hrefs: collection.quality_assets(bands).into_iter().map(href).collect::<Result<_, _>>()?,
            band_hrefs: bands.iter().map(band_href).collect::<Result<_, _>>()?,
            version: Version::of(item, collection),
        })
    }
}

impl Version {
    fn of(item: &Item, collection: &Collection) -> Self {
        let (key, generation_time) = collection.duplicates.key(item).unzip();
        Self {
            baseline: item.number("s2:processing_baseline").unwrap_or(0.0),
            generation_time: generation_time.unwrap_or_default(),
            sequence: item.number("s2:sequence").unwrap_or(0.0),
            key,
        }
    }
}

/// Why an asset is no TIFF over http(s) or file, or None where it is one.
fn unreadable(href: &str, media_type: Option<&str>) -> Option<String> {
    if let Some((scheme, _)) = href.split_once("://")
        && !["http", "https", "file"].contains(&scheme.to_ascii_lowercase().as_str())
    {
        return Some(format!("cannot be read over {scheme:?}"));
    }
    let path = href.split(['?', '#']).next().unwrap_or(href).to_ascii_lowercase();
    let is_tiff = match media_type {
        Some(media_type) => media_type.starts_with("image/tiff") || media_type.starts_with("image/vnd.stac.geotiff"),
        None => matches!(path.rsplit_once('.'), Some((_, "tif" | "tiff"))),
    };
    (!is_tiff).then(|| format!("is no TIFF ({})", media_type.unwrap_or("no media type")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tiffs_that_can_be_read() {
        assert_eq!(unreadable("https://host/a.tif", Some("image/tiff; application=geotiff")), None);
        assert_eq!(unreadable("/folder/a.tif", None), None);
        assert!(unreadable("s3://bucket/a.jp2", Some("image/jp2")).is_some());
        assert!(unreadable("https://host/a.jp2", Some("image/jp2")).is_some());
    }
}
