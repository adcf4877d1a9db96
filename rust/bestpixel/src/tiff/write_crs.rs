//! A CRS goes in, the GeoKeys that define it come out: its code where it has one, else its method and parameters.
//!
//! Source: OGC 19-008r4, GeoTIFF 1.1, and the projection methods of its annex; names of parameters as in PROJ.

use super::tags::{geokey as key, tag};
use super::{Error, Result};
use crate::raster::{Crs, Datum, Ellipsoid, Surface, datum, ellipsoid, is_in_degrees, proj4, surface};
use std::collections::BTreeMap;

/// The three tags that define a CRS.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct GeoKeyTags {
    pub(crate) directory: Vec<u16>,
    pub(crate) doubles: Vec<f64>,
    pub(crate) ascii: String,
}

/// A key's value.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Short(u16),
    Double(f64),
    Text(String),
}

/// Keys in ascending order, as the directory wants them.
type Keys = BTreeMap<u16, Value>;

/// One of PROJ's projections, and its method and parameters in GeoTIFF.
struct Method {
    proj: &'static str,
    code: u16,
    /// Key, PROJ's names (the first that is there counts) and the value where none is.
    parameters: &'static [(u16, &'static [&'static str], f64)],
}

const EASTING: (u16, &[&str], f64) = (key::FALSE_EASTING, &["x_0"], 0.0);
const NORTHING: (u16, &[&str], f64) = (key::FALSE_NORTHING, &["y_0"], 0.0);
const ORIGIN_LON: (u16, &[&str], f64) = (key::NATURAL_ORIGIN_LONGITUDE, &["lon_0"], 0.0);
const ORIGIN_LAT: (u16, &[&str], f64) = (key::NATURAL_ORIGIN_LATITUDE, &["lat_0"], 0.0);
const CENTRE_LON: (u16, &[&str], f64) = (key::CENTRE_LONGITUDE, &["lon_0"], 0.0);
const CENTRE_LAT: (u16, &[&str], f64) = (key::CENTRE_LATITUDE, &["lat_0"], 0.0);
const SCALE: (u16, &[&str], f64) = (key::NATURAL_ORIGIN_SCALE, &["k_0", "k"], 1.0);
const PARALLEL_1: (u16, &[&str], f64) = (key::STANDARD_PARALLEL_1, &["lat_1"], 0.0);
const PARALLEL_2: (u16, &[&str], f64) = (key::STANDARD_PARALLEL_2, &["lat_2"], 0.0);
const TRUE_SCALE: (u16, &[&str], f64) = (key::STANDARD_PARALLEL_1, &["lat_ts"], 0.0);

/// Where a projection is there twice, the first row that has all parameters of the definition is taken.
const METHODS: [Method; 14] = [
    Method { proj: "tmerc", code: 1, parameters: &[ORIGIN_LON, ORIGIN_LAT, SCALE, EASTING, NORTHING] },
    Method { proj: "merc", code: 7, parameters: &[ORIGIN_LON, ORIGIN_LAT, SCALE, EASTING, NORTHING] },
    Method { proj: "merc", code: 7, parameters: &[ORIGIN_LON, TRUE_SCALE, EASTING, NORTHING] },
    Method {
        proj: "lcc",
        code: 8,
        parameters: &[
            (key::FALSE_ORIGIN_LONGITUDE, &["lon_0"], 0.0),
            (key::FALSE_ORIGIN_LATITUDE, &["lat_0"], 0.0),
            PARALLEL_1,
            (key::STANDARD_PARALLEL_2, &["lat_2", "lat_1"], 0.0),
            (key::FALSE_ORIGIN_EASTING, &["x_0"], 0.0),
            (key::FALSE_ORIGIN_NORTHING, &["y_0"], 0.0),
        ],
    },
    // With one parallel, which is the latitude of the origin, and a scale.
    Method {
        proj: "lcc",
        code: 9,
        parameters: &[ORIGIN_LON, (key::NATURAL_ORIGIN_LATITUDE, &["lat_1", "lat_0"], 0.0), SCALE, EASTING, NORTHING],
    },
    Method { proj: "laea", code: 10, parameters: &[CENTRE_LON, CENTRE_LAT, EASTING, NORTHING] },
    Method { proj: "aea", code: 11, parameters: &[ORIGIN_LON, ORIGIN_LAT, PARALLEL_1, PARALLEL_2, EASTING, NORTHING] },
    Method { proj: "aeqd", code: 12, parameters: &[CENTRE_LON, CENTRE_LAT, EASTING, NORTHING] },
    Method {
        proj: "stere",
        code: 15,
        parameters: &[
            (key::POLE_LONGITUDE, &["lon_0"], 0.0),
            (key::NATURAL_ORIGIN_LATITUDE, &["lat_ts", "lat_0"], 0.0),
            SCALE,
            EASTING,
            NORTHING,
        ],
    },
    Method { proj: "sterea", code: 16, parameters: &[ORIGIN_LON, ORIGIN_LAT, SCALE, EASTING, NORTHING] },
    Method { proj: "eqc", code: 17, parameters: &[CENTRE_LON, CENTRE_LAT, TRUE_SCALE, EASTING, NORTHING] },
    Method { proj: "robin", code: 23, parameters: &[CENTRE_LON, EASTING, NORTHING] },
    Method { proj: "sinu", code: 24, parameters: &[CENTRE_LON, EASTING, NORTHING] },
    Method { proj: "cea", code: 28, parameters: &[ORIGIN_LON, TRUE_SCALE, EASTING, NORTHING] },
];

/// Lengths, which PROJ has in metres and GeoTIFF in the CRS's units.
const LENGTHS: [u16; 4] =
    [key::FALSE_EASTING, key::FALSE_NORTHING, key::FALSE_ORIGIN_EASTING, key::FALSE_ORIGIN_NORTHING];

/// Units of length: PROJ's name, the code, metres.
const UNITS: [(&str, u16, f64); 3] = [("m", 9001, 1.0), ("ft", 9002, 0.3048), ("us-ft", 9003, 1200.0 / 3937.0)];

/// What a definition has besides the parameters of its method.
const GENERAL: [&str; 13] =
    ["proj", "datum", "ellps", "a", "b", "R", "rf", "f", "units", "no_defs", "wktext", "type", "over"];

/// What a projection stands on.
#[derive(Debug, Clone)]
struct Earth {
    datum: Datum,
    ellipsoid: Ellipsoid,
}

/// Degrees.
const DEGREE: u16 = 9102;

/// Checks that a GeoTIFF can hold a CRS.
///
/// # Errors
/// [`Error::Unsupported`] where it has no words for it.
pub fn check_crs(crs: &Crs) -> Result<()> {
    write_crs(crs).map(drop)
}

/// The keys that define `crs`.
///
/// # Errors
/// [`Error::Unsupported`] where GeoTIFF has no words for it.
pub(crate) fn write_crs(crs: &Crs) -> Result<GeoKeyTags> {
    let unknown = |error: crate::raster::Error| Error::unsupported(error.to_string());
    let surface = surface(crs).map_err(unknown)?;
    let keys = match (crs, surface) {
        (Crs::Epsg(code @ 1024..=32766), Surface::Geographic) => registered(2, key::GEODETIC_CRS, *code as u16),
        (Crs::Epsg(code @ (1024..=32766 | 32768..=65535)), Surface::Projected) => {
            registered(1, key::PROJECTED_CRS, *code as u16)
        }
        _ => {
            let definition = proj4(crs).map_err(unknown)?;
            let parameters = parse(&definition);
            let earth = Earth { datum: datum(crs).map_err(unknown)?, ellipsoid: ellipsoid(crs).map_err(unknown)? };
            let refused = |why: String| Error::unsupported(format!("GeoTIFF keys for the CRS {definition:?}: {why}"));
            if surface == Surface::Geographic && !is_in_degrees(crs).map_err(unknown)? {
                return Err(refused("its unit is not the degree".to_owned()));
            }
            defined(&parameters, &earth).map_err(refused)?
        }
    };
    Ok(tags(&keys))
}

fn registered(model: u16, crs: u16, code: u16) -> Keys {
    Keys::from([(key::MODEL_TYPE, Value::Short(model)), (key::RASTER_TYPE, Value::Short(1)), (crs, Value::Short(code))])
}

/// A PROJ string as names and values; marks have no value.
fn parse(definition: &str) -> BTreeMap<&str, &str> {
    let words = definition.split_whitespace().map(|word| word.trim_start_matches('+'));
    words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect()
}

/// A CRS by its method and parameters; the reason where it cannot be said.
fn defined(parameters: &BTreeMap<&str, &str>, earth: &Earth) -> std::result::Result<Keys, String> {
    let projection = parameters.get("proj").copied().unwrap_or_default();
    let zone = parameters.get("zone").and_then(|zone| zone.parse::<u16>().ok());
    if let (Some(zone), "utm") = (zone, projection) {
        return utm(zone, parameters, earth);
    }
    let mut keys = base(earth)?;
    if matches!(projection, "longlat" | "latlong") {
        no_more(parameters, &[])?;
        keys.insert(key::MODEL_TYPE, Value::Short(2));
        return Ok(keys);
    }
    if projection == "stere" && parameters.get("lat_0").is_none_or(|lat| !lat.trim_start_matches('-').starts_with("90"))
    {
        return Err("+proj=stere is known at the poles only".to_owned());
    }
    if projection == "lcc" && parameters.contains_key("k_0") && parameters.get("lat_0") != parameters.get("lat_1") {
        return Err("+proj=lcc with a scale is known with its origin on the parallel only".to_owned());
    }
    let unit = parameters.get("units").copied().unwrap_or("m");
    let (_, unit_code, metres) =
        UNITS.iter().find(|(name, ..)| *name == unit).ok_or_else(|| format!("+units={unit} is not known"))?;
    let mut refused = format!("+proj={projection} is not known");
    for method in METHODS.iter().filter(|method| method.proj == projection) {
        match values(method, parameters, *metres) {
            Err(reason) => refused = reason,
            Ok(values) => {
                keys.extend(values);
                keys.insert(key::MODEL_TYPE, Value::Short(1));
                keys.insert(key::CITATION, Value::Text(format!("user-defined {projection}")));
                keys.insert(key::PROJECTED_CRS, Value::Short(key::USER_DEFINED));
                keys.insert(key::PROJECTION, Value::Short(key::USER_DEFINED));
                keys.insert(key::PROJECTION_METHOD, Value::Short(method.code));
                keys.insert(key::LINEAR_UNITS, Value::Short(*unit_code));
                return Ok(keys);
            }
        }
    }
    Err(refused)
}

/// A zone of UTM: by its code on WGS 84, else as the transverse Mercator projection that it is.
fn utm(zone: u16, parameters: &BTreeMap<&str, &str>, earth: &Earth) -> std::result::Result<Keys, String> {
    no_more(parameters, &["zone", "south"])?;
    let is_south = parameters.contains_key("south");
    if parameters.get("datum") == Some(&"WGS84") && parameters.get("units").is_none_or(|unit| *unit == "m") {
        return Ok(registered(1, key::PROJECTED_CRS, if is_south { 32700 } else { 32600 } + zone));
    }
    let lon_0 = (i32::from(zone) * 6 - 183).to_string();
    let y_0 = if is_south { "10000000" } else { "0" };
    let general = parameters.iter().filter(|(name, _)| !["zone", "south"].contains(name)).map(|(k, v)| (*k, *v));
    let own = [("proj", "tmerc"), ("lon_0", &*lon_0), ("k", "0.9996"), ("x_0", "500000"), ("y_0", y_0)];
    defined(&general.chain(own).collect(), earth)
}

/// The parameters of a method; the reason where the definition has others.
fn values(
    method: &Method,
    parameters: &BTreeMap<&str, &str>,
    metres: f64,
) -> std::result::Result<Vec<(u16, Value)>, String> {
    let names: Vec<&str> = method.parameters.iter().flat_map(|(_, names, _)| names.iter().copied()).collect();
    no_more(parameters, &names)?;
    let value = |(key, names, default): &(u16, &[&str], f64)| {
        let text = names.iter().find_map(|name| parameters.get(name));
        let number =
            text.map_or(Ok(*default), |text| text.parse::<f64>().map_err(|_| format!("{text} is no number")))?;
        Ok((*key, Value::Double(if LENGTHS.contains(key) { number / metres } else { number })))
    };
    method.parameters.iter().map(value).collect()
}

/// That a definition has nothing but the general parameters and some others: what is left out would move pixels.
fn no_more(parameters: &BTreeMap<&str, &str>, names: &[&str]) -> std::result::Result<(), String> {
    let is_known = |name: &&&str| GENERAL.contains(*name) || names.contains(*name);
    let stranger = parameters.keys().find(|name| !is_known(name));
    stranger.map_or(Ok(()), |name| Err(format!("+{name} has no key")))
}

/// The CRS in degrees below a projection: by its code, or by its datum's, or by its ellipsoid where it is no more than that.
fn base(earth: &Earth) -> std::result::Result<Keys, String> {
    let mut keys = Keys::from([(key::RASTER_TYPE, Value::Short(1)), (key::ANGULAR_UNITS, Value::Short(DEGREE))]);
    let short = |code: u32| match u16::try_from(code) {
        Ok(code @ 1024..=32766) => Ok(Value::Short(code)),
        _ => Err(format!("the datum's EPSG code {code} has no key")),
    };
    let user_defined = Value::Short(key::USER_DEFINED);
    let datum = match &earth.datum {
        Datum::GeodeticCrs(code) => {
            keys.insert(key::GEODETIC_CRS, short(*code)?);
            return Ok(keys);
        }
        Datum::Datum(code) => short(*code)?,
        Datum::Named(name) => return Err(format!("its datum {name:?} has no EPSG code")),
        Datum::Ellipsoid => user_defined.clone(),
    };
    let Ellipsoid { semi_major, semi_minor, inverse_flattening } = earth.ellipsoid;
    keys.insert(key::GEODETIC_CRS, user_defined.clone());
    keys.insert(key::GEODETIC_DATUM, datum);
    keys.insert(key::ELLIPSOID, user_defined);
    keys.insert(key::GEODETIC_CITATION, Value::Text(format!("user-defined, semi-major axis {semi_major}")));
    keys.insert(key::SEMI_MAJOR_AXIS, Value::Double(semi_major));
    if inverse_flattening == 0.0 {
        keys.insert(key::SEMI_MINOR_AXIS, Value::Double(semi_minor));
    } else {
        keys.insert(key::INVERSE_FLATTENING, Value::Double(inverse_flattening));
    }
    Ok(keys)
}

/// Keys as the tags hold them.
fn tags(keys: &Keys) -> GeoKeyTags {
    let mut tags = GeoKeyTags { directory: vec![1, 1, 0, keys.len() as u16], ..GeoKeyTags::default() };
    for (&key, value) in keys {
        let entry = match value {
            Value::Short(value) => [key, 0, 1, *value],
            Value::Double(value) => {
                tags.doubles.push(*value);
                [key, tag::GEO_DOUBLE_PARAMS, 1, tags.doubles.len() as u16 - 1]
            }
            Value::Text(text) => {
                let start = tags.ascii.len() as u16;
                tags.ascii.push_str(text);
                tags.ascii.push('|');
                [key, tag::GEO_ASCII_PARAMS, text.len() as u16 + 1, start]
            }
        };
        tags.directory.extend(entry);
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(crs: &str) -> Result<GeoKeyTags> {
        write_crs(&Crs::parse(crs))
    }

    #[test]
    fn codes_are_written_as_codes() {
        for (crs, key, code) in [
            ("EPSG:32633", key::PROJECTED_CRS, 32633),
            ("EPSG:4326", key::GEODETIC_CRS, 4326),
            ("EPSG:4087", key::PROJECTED_CRS, 4087),
            ("EPSG:7844", key::GEODETIC_CRS, 7844),
            ("+proj=utm +zone=33 +south +datum=WGS84 +units=m +no_defs", key::PROJECTED_CRS, 32733),
        ] {
            assert_eq!(keys(crs).unwrap().directory[12..], [key, 0, 1, code], "{crs}");
        }
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        for (crs, why) in [
            ("+proj=tmerc +lon_0=9 +ellps=bessel +towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7", "towgs84"),
            ("+proj=moll +lon_0=0 +datum=WGS84", "moll"),
            ("+proj=stere +lat_0=46 +lon_0=25 +datum=WGS84", "poles"),
            ("+proj=laea +lat_0=52 +lon_0=10 +datum=WGS84 +units=km", "units"),
            ("+proj=tmerc +lon_0=9 +ellps=bessel +pm=paris", "pm"),
            ("ESRI:102060", "D48"),
            ("ESRI:37225", "degree"),
        ] {
            let error = keys(crs).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
