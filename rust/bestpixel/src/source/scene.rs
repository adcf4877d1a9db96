//! An item and its row of the table go in, a scene comes out: what to read and what it means.

use super::{Collection, NODATA};
use crate::stac::Item;
use serde::{Deserialize, Serialize};

/// One observation of one tile.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The item's id.
    pub id: String,
    /// The row of the table that it belongs to.
    pub collection: &'static Collection,
    /// MGRS tile, zone with two digits.
    pub tile: String,
    /// Platform, lower case.
    pub platform: String,
    /// Acquisition time, RFC 3339.
    pub datetime: String,
    /// To be subtracted from reflectance.
    pub offset: u16,
    /// Where quality lies.
    pub quality_href: String,
    /// Where the requested bands lie, in their order.
    pub band_hrefs: Vec<String>,
    /// Sensing start of the datastrip, baseline, generation time and sequence, for duplicates.
    pub(crate) version: Version,
}

/// What distinguishes items of the same tile and platform.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) struct Version {
    pub(crate) baseline: f64,
    pub(crate) generation_time: String,
    pub(crate) sequence: f64,
    pub(crate) sensing_start: Option<String>,
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
        let datetime = item.datetime().ok_or_else(|| unusable("", "it has no datetime".to_owned()))?;
        let (tile_property, prefix) = collection.tile;
        let tile = item.text(tile_property).ok_or_else(|| unusable("", format!("it has no {tile_property}")))?;
        Ok(Self {
            id: item.id.clone(),
            collection,
            tile: pad_zone(tile.strip_prefix(prefix).unwrap_or(tile)),
            platform: item.text("platform").unwrap_or_default().to_lowercase(),
            datetime: datetime.to_owned(),
            offset: collection.offset.offset(item),
            quality_href: href(collection.quality_asset)?,
            band_hrefs: bands.iter().map(band_href).collect::<Result<_, _>>()?,
            version: Version::of(item),
        })
    }

    /// The score of a quality value.
    #[inline]
    pub fn score(&self, value: u8) -> u8 {
        if value == self.collection.quality.missing() { NODATA } else { self.collection.quality.score(value) }
    }
}

impl Version {
    fn of(item: &Item) -> Self {
        Self {
            baseline: item.number("s2:processing_baseline").unwrap_or(0.0),
            generation_time: item.text("s2:generation_time").unwrap_or_default().to_owned(),
            sequence: item.number("s2:sequence").unwrap_or(0.0),
            sensing_start: item.text("s2:datastrip_id").and_then(sensing_start),
        }
    }
}

/// `..._S20230815T095630_N05.09` -> `20230815T095630`.
fn sensing_start(datastrip: &str) -> Option<String> {
    let is_start = |part: &&str| part.len() == 16 && part.starts_with('S') && part.as_bytes()[9] == b'T';
    datastrip.split('_').find(is_start).map(|part| part[1..].to_owned())
}

/// MGRS tiles of zones 1 to 9 come with and without the leading zero.
fn pad_zone(tile: &str) -> String {
    if tile.bytes().take_while(u8::is_ascii_digit).count() == 1 { format!("0{tile}") } else { tile.to_owned() }
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
    fn zones_have_two_digits() {
        assert_eq!((pad_zone("1WCQ"), pad_zone("33TWL")), ("01WCQ".to_owned(), "33TWL".to_owned()));
    }

    #[test]
    fn sensing_starts_survive_reprocessing() {
        let start = |text| sensing_start(text).unwrap();
        assert_eq!(start("S2A_OPER_MSI_L2A_DS_2APS_20230815T155057_S20230815T095630_N05.09"), "20230815T095630");
        assert_eq!(start("S2B_OPER_MSI_L2A_DS_S2RP_20230624T053545_S20200401T175716_N05.00"), "20200401T175716");
        assert_eq!(sensing_start("something else"), None);
    }

    #[test]
    fn only_tiffs_that_can_be_read() {
        assert_eq!(unreadable("https://host/a.tif", Some("image/tiff; application=geotiff")), None);
        assert_eq!(unreadable("/folder/a.tif", None), None);
        assert!(unreadable("s3://bucket/a.jp2", Some("image/jp2")).is_some());
        assert!(unreadable("https://host/a.jp2", Some("image/jp2")).is_some());
    }
}
