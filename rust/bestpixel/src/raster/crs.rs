//! A coordinate reference system: an EPSG code, or a definition that PROJ understands.

use serde::{Deserialize, Serialize};

/// The sphere of the MODIS sinusoidal grid, as MODIS files define it.
pub(crate) const MODIS_SINUSOIDAL: &str =
    "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +a=6371007.181 +b=6371007.181 +units=m +no_defs";

/// A coordinate reference system. Two values are the same CRS only where they are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crs {
    /// A code of the EPSG registry.
    Epsg(u32),
    /// Anything else that PROJ understands: a PROJ string, WKT, another authority's code.
    Definition(String),
}

impl Crs {
    /// WGS 84 longitude and latitude, in this order.
    pub const LONLAT: Self = Self::Epsg(4326);

    /// The CRS that `text` names: `EPSG:n` in any case, else a definition.
    ///
    /// ```
    /// use bestpixel::raster::Crs;
    /// assert_eq!(Crs::parse(" epsg:3035 "), Crs::Epsg(3035));
    /// ```
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let code = text.get(..5).filter(|head| head.eq_ignore_ascii_case("EPSG:")).and_then(|_| text[5..].parse().ok());
        code.map_or_else(|| Self::Definition(text.to_owned()), Self::Epsg)
    }

    /// The WGS 84 UTM CRS of a longitude and latitude in degrees: standard six-degree zones, southern below the equator.
    ///
    /// ```
    /// use bestpixel::raster::Crs;
    /// assert_eq!(Crs::utm(31.0, 31.0), Crs::Epsg(32636));
    /// assert_eq!(Crs::utm(-180.0, -17.0), Crs::Epsg(32701));
    /// ```
    pub fn utm(lon: f64, lat: f64) -> Self {
        let zone = ((lon + 180.0).rem_euclid(360.0) / 6.0).floor() as u32 + 1;
        Self::Epsg(if lat < 0.0 { 32700 } else { 32600 } + zone)
    }

    /// The MODIS sinusoidal CRS.
    pub fn modis_sinusoidal() -> Self {
        Self::Definition(MODIS_SINUSOIDAL.to_owned())
    }

    /// The EPSG code, or 0 where the CRS has none.
    pub fn epsg(&self) -> u32 {
        match self {
            Self::Epsg(code) => *code,
            Self::Definition(_) => 0,
        }
    }

    /// What to hand to PROJ.
    pub fn definition(&self) -> String {
        match self {
            Self::Epsg(code) => format!("EPSG:{code}"),
            Self::Definition(text) => text.clone(),
        }
    }

    /// Zone and hemisphere where this is a WGS 84 UTM CRS: `(zone, is_south)`.
    pub fn utm_zone(&self) -> Option<(u32, bool)> {
        match self {
            Self::Epsg(code @ 32601..=32660) => Some((code - 32600, false)),
            Self::Epsg(code @ 32701..=32760) => Some((code - 32700, true)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Crs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.definition())
    }
}
