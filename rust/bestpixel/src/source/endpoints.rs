//! A user's word goes in, its row of the table comes out: what each provider's collections hold and what their bytes mean.
//!
//! Sources: the providers' items, files and documentation; Element84/earth-search for the offset flag;
//! microsoft/planetary-computer-tasks for HLS and MODIS; stactools-packages/modis for the bands of MCD43A4.

use super::{DateRule, DuplicateRule, Error, OffsetRule, QualityKind, Result, Scale, TileRule};
use crate::stac::Item;

/// What a user chooses by name.
#[derive(Debug)]
pub struct Endpoint {
    /// The user's word for it.
    pub name: &'static str,
    /// The root of its STAC API.
    pub api: &'static str,
    /// Items that the API gives at once without trouble.
    pub page_size: usize,
    /// The grid that its composites have by default.
    pub native_grid: NativeGrid,
    /// Where its scenes come from; they form one pool.
    pub collections: &'static [Collection],
}

/// The CRS of composites where the user wants the native one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeGrid {
    /// The UTM zone of the AOI's centre.
    Utm,
    /// The sinusoidal grid of MODIS.
    ModisSinusoidal,
}

/// Whether hrefs must be signed before they can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// Anyone may read them.
    None,
    /// Tokens of the Planetary Computer, for hrefs that lie in Azure blob storage.
    PlanetaryComputer,
}

/// Where quality lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityAssets {
    /// One layer for all bands.
    Shared(&'static str),
    /// One layer for each band, by the band's name; the worst of the requested bands counts (rule W4).
    PerBand(&'static [(&'static str, &'static str)]),
}

/// When overviews of reflectance may be read (rules L1 and V3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overviews {
    /// Always.
    Trusted,
    /// Where the file names its fill value, so that its writer has kept fill out of the means.
    WhereFillIsNamed,
}

/// One collection of a provider.
#[derive(Debug)]
pub struct Collection {
    /// Its id in the catalogue.
    pub id: &'static str,
    /// What ids of its items begin with, for items that do not name a collection of the endpoint; empty where ids do not tell.
    pub id_prefix: &'static str,
    /// Band names and the assets that hold them, in the order in which `bands=None` gives them.
    pub bands: &'static [(&'static str, &'static str)],
    /// The assets that hold quality.
    pub quality_assets: QualityAssets,
    /// What their values mean.
    pub quality: QualityKind,
    /// Whether overviews of quality hold valid classes, so that they may be read (rule L2).
    pub has_quality_overviews: bool,
    /// When overviews of reflectance may be read.
    pub overviews: Overviews,
    /// What reflectance samples mean (rule V3).
    pub scale: Scale,
    /// When 1000 must be subtracted (rule I4).
    pub offset: OffsetRule,
    /// How an item tells its tile.
    pub tile: TileRule,
    /// How an item tells the time that decides its period (rule I3).
    pub date: DateRule,
    /// How two items tell that they are versions of one observation (rule I2).
    pub duplicates: DuplicateRule,
    /// Whether `eo:cloud_cover` of its items is a share of clouds.
    pub has_cloud_cover: bool,
    /// Whether hrefs must be signed.
    pub signing: Signing,
}

type Assets = &'static [(&'static str, &'static str)];

const PLANETARY_COMPUTER: &str = "https://planetarycomputer.microsoft.com/api/stac/v1";
const EARTH_SEARCH: &str = "https://earth-search.aws.element84.com/v1";

// The APIs admit more; beyond these pages grow too large for them (Element84/earth-search#60).
const PLANETARY_COMPUTER_PAGE: usize = 250;
const EARTH_SEARCH_PAGE: usize = 100;

const ELEMENT84_BANDS: Assets = &[
    ("coastal", "coastal"),
    ("blue", "blue"),
    ("green", "green"),
    ("red", "red"),
    ("rededge1", "rededge1"),
    ("rededge2", "rededge2"),
    ("rededge3", "rededge3"),
    ("nir", "nir"),
    ("nir08", "nir08"),
    ("nir09", "nir09"),
    ("swir16", "swir16"),
    ("swir22", "swir22"),
];

const ESA_BANDS: Assets = &[
    ("coastal", "B01"),
    ("blue", "B02"),
    ("green", "B03"),
    ("red", "B04"),
    ("rededge1", "B05"),
    ("rededge2", "B06"),
    ("rededge3", "B07"),
    ("nir", "B08"),
    ("nir08", "B8A"),
    ("nir09", "B09"),
    ("swir16", "B11"),
    ("swir22", "B12"),
];

// The narrow near infrared of both instruments goes by the name `nir`: B05 of Landsat, B8A of Sentinel-2.
const HLS_L30_BANDS: Assets = &[
    ("coastal", "B01"),
    ("blue", "B02"),
    ("green", "B03"),
    ("red", "B04"),
    ("nir", "B05"),
    ("swir16", "B06"),
    ("swir22", "B07"),
];

const HLS_S30_BANDS: Assets = &[
    ("coastal", "B01"),
    ("blue", "B02"),
    ("green", "B03"),
    ("red", "B04"),
    ("nir", "B8A"),
    ("swir16", "B11"),
    ("swir22", "B12"),
];

const MCD43A4_BANDS: Assets = &[
    ("blue", "Nadir_Reflectance_Band3"),
    ("green", "Nadir_Reflectance_Band4"),
    ("red", "Nadir_Reflectance_Band1"),
    ("nir", "Nadir_Reflectance_Band2"),
    ("swir16", "Nadir_Reflectance_Band6"),
    ("swir22", "Nadir_Reflectance_Band7"),
];

const MCD43A4_QUALITY: Assets = &[
    ("blue", "BRDF_Albedo_Band_Mandatory_Quality_Band3"),
    ("green", "BRDF_Albedo_Band_Mandatory_Quality_Band4"),
    ("red", "BRDF_Albedo_Band_Mandatory_Quality_Band1"),
    ("nir", "BRDF_Albedo_Band_Mandatory_Quality_Band2"),
    ("swir16", "BRDF_Albedo_Band_Mandatory_Quality_Band6"),
    ("swir22", "BRDF_Albedo_Band_Mandatory_Quality_Band7"),
];

const LANDSAT_BANDS: Assets = &[
    ("coastal", "coastal"),
    ("blue", "blue"),
    ("green", "green"),
    ("red", "red"),
    ("nir", "nir08"),
    ("swir16", "swir16"),
    ("swir22", "swir22"),
];

/// Sentinel-2 L2A as Element84 serves it; rows for others differ from it in what they name.
const SENTINEL_2: Collection = Collection {
    id: "sentinel-2-l2a",
    id_prefix: "",
    bands: ELEMENT84_BANDS,
    quality_assets: QualityAssets::Shared("scl"),
    quality: QualityKind::Scl,
    has_quality_overviews: true,
    overviews: Overviews::Trusted,
    scale: Scale::dn(0),
    offset: OffsetRule::AppliedFlag,
    tile: TileRule::Property("grid:code", "MGRS-"),
    date: DateRule::Item,
    duplicates: DuplicateRule::Datastrip,
    has_cloud_cover: true,
    signing: Signing::None,
};

/// HLS L30; S30 differs in its bands.
const HLS_L30: Collection = Collection {
    id: "hls2-l30",
    id_prefix: "HLS.L30.",
    bands: HLS_L30_BANDS,
    quality_assets: QualityAssets::Shared("Fmask"),
    quality: QualityKind::Fmask,
    // Taken pixel by pixel, never averaged: NASA-IMPACT/hls-hdf_to_cog.
    has_quality_overviews: true,
    overviews: Overviews::Trusted,
    scale: Scale::dn(-9999),
    offset: OffsetRule::None,
    tile: TileRule::IdPart { index: 2, prefix: "T" },
    date: DateRule::Item,
    duplicates: DuplicateRule::None,
    has_cloud_cover: true,
    signing: Signing::PlanetaryComputer,
};

/// All endpoints.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        name: "pc",
        api: PLANETARY_COMPUTER,
        page_size: PLANETARY_COMPUTER_PAGE,
        native_grid: NativeGrid::Utm,
        collections: &[Collection {
            bands: ESA_BANDS,
            quality_assets: QualityAssets::Shared("SCL"),
            // Made from JPEG2000 wavelets or by cubic means: classes that do not exist (domain facts, a.2).
            has_quality_overviews: false,
            offset: OffsetRule::Baseline,
            tile: TileRule::Property("s2:mgrs_tile", ""),
            signing: Signing::PlanetaryComputer,
            ..SENTINEL_2
        }],
    },
    Endpoint {
        name: "earth-search",
        api: EARTH_SEARCH,
        page_size: EARTH_SEARCH_PAGE,
        native_grid: NativeGrid::Utm,
        collections: &[SENTINEL_2],
    },
    Endpoint {
        name: "earth-search-c1",
        api: EARTH_SEARCH,
        page_size: EARTH_SEARCH_PAGE,
        native_grid: NativeGrid::Utm,
        // The offset is still in: Element84/earth-search#41. How its overviews of SCL are made is not documented.
        collections: &[Collection {
            id: "sentinel-2-c1-l2a",
            has_quality_overviews: false,
            offset: OffsetRule::Baseline,
            ..SENTINEL_2
        }],
    },
    Endpoint {
        name: "hls",
        api: PLANETARY_COMPUTER,
        page_size: PLANETARY_COMPUTER_PAGE,
        native_grid: NativeGrid::Utm,
        collections: &[HLS_L30, Collection { id: "hls2-s30", id_prefix: "HLS.S30.", bands: HLS_S30_BANDS, ..HLS_L30 }],
    },
    Endpoint {
        name: "mcd43a4",
        api: PLANETARY_COMPUTER,
        page_size: PLANETARY_COMPUTER_PAGE,
        native_grid: NativeGrid::ModisSinusoidal,
        collections: &[Collection {
            id: "modis-43A4-061",
            id_prefix: "MCD43A4.",
            bands: MCD43A4_BANDS,
            quality_assets: QualityAssets::PerBand(MCD43A4_QUALITY),
            quality: QualityKind::Mcd43Qa,
            // Cubic means of classes: up to half of the values do not exist (domain facts, a.6).
            has_quality_overviews: false,
            overviews: Overviews::WhereFillIsNamed,
            scale: Scale::dn(32767),
            offset: OffsetRule::None,
            tile: TileRule::IdPart { index: 2, prefix: "" },
            date: DateRule::NominalDay,
            duplicates: DuplicateRule::ModisId,
            // Live items have none, older ones count pixels that were not produced.
            has_cloud_cover: false,
            signing: Signing::PlanetaryComputer,
        }],
    },
    Endpoint {
        name: "landsat",
        api: PLANETARY_COMPUTER,
        page_size: PLANETARY_COMPUTER_PAGE,
        native_grid: NativeGrid::Utm,
        collections: &[Collection {
            id: "landsat-c2-l2",
            id_prefix: "",
            bands: LANDSAT_BANDS,
            quality_assets: QualityAssets::Shared("qa_pixel"),
            quality: QualityKind::LandsatQa,
            has_quality_overviews: false,
            overviews: Overviews::Trusted,
            // reflectance = 2.75e-5 * sample - 0.2, in units of 1e-4.
            scale: Scale { fill: 0, factor: 0.275, addend: -2000.0 },
            offset: OffsetRule::None,
            tile: TileRule::Wrs,
            date: DateRule::Item,
            duplicates: DuplicateRule::None,
            has_cloud_cover: true,
            signing: Signing::PlanetaryComputer,
        }],
    },
];

/// The endpoint of a name; `auto` is chosen by the AWS region in which this machine says to be.
///
/// # Errors
/// [`Error::Endpoint`] where there is none.
///
/// ```
/// assert_eq!(bestpixel::source::endpoint("earth-search")?.band_names().len(), 12);
/// # Ok::<(), bestpixel::source::Error>(())
/// ```
pub fn endpoint(name: &str) -> Result<&'static Endpoint> {
    let region = std::env::var("AWS_REGION").unwrap_or_default();
    let name = if name == "auto" { nearest(&region) } else { name };
    ENDPOINTS.iter().find(|row| row.name == name).ok_or_else(|| Error::Endpoint {
        name: name.to_owned(),
        known: ["auto"].into_iter().chain(ENDPOINTS.iter().map(|row| row.name)).collect::<Vec<_>>().join(", "),
    })
}

/// Element84's bucket lies in us-west-2, the Planetary Computer's in Europe.
fn nearest(aws_region: &str) -> &'static str {
    if aws_region.starts_with("us-") { "earth-search" } else { "pc" }
}

impl Endpoint {
    /// The bands that all its collections have.
    pub fn band_names(&self) -> Vec<&'static str> {
        self.collections.first().map_or_else(Vec::new, |row| row.bands.iter().map(|(name, _)| *name).collect())
    }

    /// The row of an item: by its collection, else by what its id begins with; an item that tells neither is taken for
    /// one of the first collection. None for an item of another collection.
    pub fn collection_of(&self, item: &Item) -> Option<&'static Collection> {
        let by_name = |id: &str| self.collections.iter().find(|row| row.id == id);
        let mut prefixed = self.collections.iter().filter(|row| !row.id_prefix.is_empty());
        item.collection
            .as_deref()
            .and_then(by_name)
            .or_else(|| prefixed.find(|row| item.id.starts_with(row.id_prefix)))
            .or_else(|| self.collections.first().filter(|_| item.collection.is_none()))
    }

    /// Whether any of its hrefs must be signed.
    pub fn signing(&self) -> Signing {
        let signed = self.collections.iter().map(|row| row.signing).find(|&signing| signing != Signing::None);
        signed.unwrap_or(Signing::None)
    }

    /// Checks requested bands; all that there are where none are requested.
    ///
    /// # Errors
    /// [`Error::Band`] and [`Error::BandTwice`].
    pub fn check_bands(&self, requested: Option<&[String]>) -> Result<Vec<String>> {
        let known = self.band_names();
        let Some(requested) = requested else { return Ok(known.into_iter().map(str::to_owned).collect()) };
        for (i, band) in requested.iter().enumerate() {
            if !known.contains(&band.as_str()) {
                return Err(Error::Band { band: band.clone(), endpoint: self.name, known: known.join(", ") });
            }
            if requested[..i].contains(band) {
                return Err(Error::BandTwice { band: band.clone() });
            }
        }
        Ok(requested.to_vec())
    }
}

impl Collection {
    /// The asset that holds a band.
    pub fn asset(&self, band: &str) -> Option<&'static str> {
        find(self.bands, band)
    }

    /// The assets that hold the quality of some bands, each once.
    pub fn quality_assets(&self, bands: &[String]) -> Vec<&'static str> {
        match self.quality_assets {
            QualityAssets::Shared(asset) => vec![asset],
            QualityAssets::PerBand(assets) => bands.iter().filter_map(|band| find(assets, band)).collect(),
        }
    }

    /// Whether overviews of a reflectance file may be read, by the fill value that it names.
    pub fn trusts_overviews(&self, named_fill: Option<f64>) -> bool {
        self.overviews == Overviews::Trusted || named_fill == Some(f64::from(self.scale.fill))
    }
}

fn find(assets: Assets, band: &str) -> Option<&'static str> {
    assets.iter().find(|(name, _)| *name == band).map(|(_, asset)| *asset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_where_the_machine_is() {
        assert_eq!((nearest("us-west-2"), nearest("eu-central-1"), nearest("")), ("earth-search", "pc", "pc"));
    }

    #[test]
    fn every_row_is_whole() {
        const NAMES: &str = "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir16 swir22";
        for endpoint in ENDPOINTS {
            let names = endpoint.band_names();
            let mut order = NAMES.split(' ');
            assert!(names.iter().all(|name| order.any(|known| known == *name)), "{}: {names:?}", endpoint.name);
            for row in endpoint.collections {
                let bands: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
                assert!(bands.iter().all(|band| row.asset(band).is_some()), "{}", row.id);
                let layers = row.quality_assets(&bands).len();
                let expected = if matches!(row.quality_assets, QualityAssets::Shared(_)) { 1 } else { bands.len() };
                assert_eq!(layers, expected, "{}", row.id);
            }
        }
    }
}
