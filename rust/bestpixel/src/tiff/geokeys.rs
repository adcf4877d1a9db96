//! GeoKeys go in, a CRS and a transform come out (rule G2: the file's own keys decide). `write_crs.rs` is the way back.
//!
//! Source: OGC 19-008r4, GeoTIFF 1.1.

use super::ifd::Ifd;
use super::tags::{geokey, tag};
use super::{Error, Result};
use crate::raster::{Crs, Transform};
use std::collections::BTreeMap;

/// One key's value.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Short(u16),
    Double(f64),
    Text,
}

/// The CRS of a directory, or None where it has no GeoKeys that we know how to read.
pub(crate) fn read_crs(ifd: &Ifd<'_>) -> Result<Option<Crs>> {
    let keys = read_keys(ifd)?;
    let short = |key| match keys.get(&key) {
        Some(Value::Short(value)) => Some(*value),
        _ => None,
    };
    Ok(match (short(geokey::PROJECTED_CRS), short(geokey::PROJECTION), short(geokey::PROJECTION_METHOD)) {
        (Some(code), _, _) if code != geokey::USER_DEFINED && code != 0 => Some(Crs::Epsg(u32::from(code))),
        // "UTM zone zzN/S" as a conversion: HLS files define their CRS so.
        (_, Some(code @ (16001..=16060 | 16101..=16160)), _) => {
            let base = (short(geokey::GEODETIC_CRS), short(geokey::GEODETIC_DATUM), short(geokey::ELLIPSOID));
            utm(u32::from(code), base).map(Crs::Epsg)
        }
        (_, _, Some(SINUSOIDAL)) => sinusoidal(&keys),
        (None, _, _) => short(geokey::GEODETIC_CRS)
            .filter(|&code| code != geokey::USER_DEFINED)
            .map(|code| Crs::Epsg(u32::from(code))),
        _ => None,
    })
}

/// The EPSG code of the conversion "UTM zone zzN/S" (160zz or 161zz) over a geodetic CRS, its datum and its ellipsoid:
/// WGS 84, also where a file says no more than the ellipsoid, and the registered ones of North America and Europe.
fn utm(conversion: u32, base: (Option<u16>, Option<u16>, Option<u16>)) -> Option<u32> {
    const USER_DEFINED: Option<u16> = Some(geokey::USER_DEFINED);
    let zone = conversion % 100;
    let is_north = conversion < 16100;
    // Datum 6326 and ellipsoid 7030 are those of WGS 84.
    let is_wgs84 = match base {
        (Some(4326), _, _) | (None | USER_DEFINED, Some(6326), _) => true,
        (None | USER_DEFINED, None | USER_DEFINED, ellipsoid) => matches!(ellipsoid, None | Some(7030) | USER_DEFINED),
        _ => false,
    };
    match base.0 {
        _ if is_wgs84 => Some(conversion + 16600),
        Some(4269) if is_north && zone <= 23 => Some(26900 + zone),
        Some(4267) if is_north && zone <= 22 => Some(26700 + zone),
        Some(4258) if is_north && (28..=38).contains(&zone) => Some(25800 + zone),
        _ => None,
    }
}

/// The projection method code of the sinusoidal projection.
const SINUSOIDAL: u16 = 24;

/// Metres, the linear unit's code.
const METRE: u16 = 9001;

fn sinusoidal(keys: &BTreeMap<u16, Value>) -> Option<Crs> {
    let double = |key, default| match keys.get(&key) {
        Some(Value::Double(value)) => Some(*value),
        None => Some(default),
        _ => None,
    };
    let a = double(geokey::SEMI_MAJOR_AXIS, f64::NAN)?;
    let b = double(geokey::SEMI_MINOR_AXIS, a)?;
    let lon_0 = double(geokey::CENTRE_LONGITUDE, 0.0)?;
    let (x_0, y_0) = (double(geokey::FALSE_EASTING, 0.0)?, double(geokey::FALSE_NORTHING, 0.0)?);
    let is_metric = !matches!(keys.get(&geokey::LINEAR_UNITS), Some(Value::Short(unit)) if *unit != METRE);
    (a.is_finite() && is_metric).then(|| {
        Crs::Definition(format!("+proj=sinu +lon_0={lon_0} +x_0={x_0} +y_0={y_0} +a={a} +b={b} +units=m +no_defs"))
    })
}

/// The key directory as a map; texts are not kept.
fn read_keys(ifd: &Ifd<'_>) -> Result<BTreeMap<u16, Value>> {
    let directory = ifd.unsigned_values(tag::GEO_KEY_DIRECTORY)?;
    let doubles = ifd.doubles(tag::GEO_DOUBLE_PARAMS)?;
    let mut keys = BTreeMap::new();
    for entry in directory.get(4..).unwrap_or_default().chunks_exact(4) {
        let (key, location, index) = (entry[0] as u16, entry[1], entry[3]);
        let value = match location {
            0 => Value::Short(index as u16),
            l if l == u64::from(tag::GEO_DOUBLE_PARAMS) => match doubles.get(index as usize) {
                Some(value) => Value::Double(*value),
                None => return Err(Error::format(ifd.offset, format!("GeoKey {key} points beyond the parameters"))),
            },
            _ => Value::Text,
        };
        keys.insert(key, value);
    }
    Ok(keys)
}

/// The transform of a directory's pixels, or None where it has none.
pub(crate) fn read_transform(ifd: &Ifd<'_>) -> Result<Option<Transform>> {
    let matrix = ifd.doubles(tag::MODEL_TRANSFORMATION)?;
    let scale = ifd.doubles(tag::MODEL_PIXEL_SCALE)?;
    let tie = ifd.doubles(tag::MODEL_TIEPOINT)?;
    let transform = match (&*matrix, &*scale, &*tie) {
        ([a, b, _, c, d, e, _, f, ..], _, _) => Transform([*a, *b, *c, *d, *e, *f]),
        (_, [sx, sy, ..], [i, j, _, x, y, ..]) => Transform([*sx, 0.0, x - i * sx, 0.0, -sy, y + j * sy]),
        _ => return Ok(None),
    };
    if transform.0.iter().any(|v| !v.is_finite()) || transform.pixel_size().0 == 0.0 || transform.pixel_size().1 == 0.0
    {
        return Err(Error::format(ifd.offset, format!("the transform {:?} cannot be inverted", transform.0)));
    }
    Ok(Some(if is_pixel_point(ifd)? { centred(&transform) } else { transform }))
}

/// PixelIsPoint: coordinates name the centre of the first pixel, not its corner.
fn is_pixel_point(ifd: &Ifd<'_>) -> Result<bool> {
    Ok(read_keys(ifd)?.get(&geokey::RASTER_TYPE) == Some(&Value::Short(2)))
}

fn centred(transform: &Transform) -> Transform {
    let (x, y) = transform.world(-0.5, -0.5);
    let [a, b, _, d, e, _] = transform.0;
    Transform([a, b, x, d, e, y])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utm_conversions_follow_their_datum() {
        let unknown = (Some(geokey::USER_DEFINED), Some(geokey::USER_DEFINED), Some(7030));
        assert_eq!(utm(16019, unknown), Some(32619));
        assert_eq!(utm(16119, (None, None, None)), Some(32719));
        assert_eq!(utm(16133, (Some(4326), None, None)), Some(32733));
        assert_eq!(utm(16012, (Some(4269), None, None)), Some(26912));
        assert_eq!(utm(16033, (Some(4258), None, None)), Some(25833));
        // The ellipsoid of Clarke, 1866: another datum by a hundred metres.
        assert_eq!(utm(16012, (Some(geokey::USER_DEFINED), Some(geokey::USER_DEFINED), Some(7008))), None);
        assert_eq!(utm(16112, (Some(4267), None, None)), None);
    }
}
