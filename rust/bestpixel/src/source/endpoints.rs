//! The table of endpoints: what each provider's collections hold and what their bytes mean.
//!
//! Sources: the providers' items and files; Element84/earth-search for the offset flag.

use super::{Error, OffsetRule, QualityKind, Result};

/// What a user chooses by name.
#[derive(Debug)]
pub struct Endpoint {
    /// The user's word for it.
    pub name: &'static str,
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
}

/// One collection of a provider.
#[derive(Debug)]
pub struct Collection {
    /// Its id in the catalogue.
    pub id: &'static str,
    /// Band names and the assets that hold them, in the order in which `bands=None` gives them.
    pub bands: &'static [(&'static str, &'static str)],
    /// The asset that holds quality.
    pub quality_asset: &'static str,
    /// What its values mean.
    pub quality: QualityKind,
    /// Whether overviews of quality hold valid classes, so that they may be read (rule L2).
    pub has_quality_overviews: bool,
    /// The value of missing reflectance pixels (rule V3).
    pub nodata: u16,
    /// When 1000 must be subtracted (rule I4).
    pub offset: OffsetRule,
    /// The property that names the tile, and what stands before the tile in it.
    pub tile: (&'static str, &'static str),
}

/// All endpoints.
pub const ENDPOINTS: &[Endpoint] = &[Endpoint {
    name: "earth-search",
    native_grid: NativeGrid::Utm,
    collections: &[Collection {
        id: "sentinel-2-l2a",
        bands: &[
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
        ],
        quality_asset: "scl",
        quality: QualityKind::Scl,
        has_quality_overviews: true,
        nodata: 0,
        offset: OffsetRule::AppliedFlag,
        tile: ("grid:code", "MGRS-"),
    }],
}];

/// The endpoint of a name.
///
/// # Errors
/// [`Error::Endpoint`] where there is none.
///
/// ```
/// assert_eq!(bestpixel::source::endpoint("earth-search")?.band_names().len(), 12);
/// # Ok::<(), bestpixel::source::Error>(())
/// ```
pub fn endpoint(name: &str) -> Result<&'static Endpoint> {
    ENDPOINTS.iter().find(|row| row.name == name).ok_or_else(|| Error::Endpoint {
        name: name.to_owned(),
        known: ENDPOINTS.iter().map(|row| row.name).collect::<Vec<_>>().join(", "),
    })
}

impl Endpoint {
    /// The bands that all its collections have.
    pub fn band_names(&self) -> Vec<&'static str> {
        self.collections.first().map_or_else(Vec::new, |row| row.bands.iter().map(|(name, _)| *name).collect())
    }

    /// The row of a collection.
    pub fn collection(&self, id: &str) -> Option<&'static Collection> {
        self.collections.iter().find(|row| row.id == id)
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
        self.bands.iter().find(|(name, _)| *name == band).map(|(_, asset)| *asset)
    }
}
