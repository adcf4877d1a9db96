//! A pair of CRSs goes in, a transformer of points comes out: PROJ behind one small safe interface.
//!
//! Each [`Projection`] owns its PROJ context, so nothing is shared between threads. To a context the disk is empty: PROJ
//! looks there (`PROJ_DATA`, a user folder, the working directory) before it uses the database that is built into it, and
//! the one of another installation (conda, pyproj) would break every lookup. The crate `proj` cannot do this, hence the
//! own wrapper.

#![expect(unsafe_code, reason = "PROJ is a C library; every call into it is in this file")]

use super::no_files::NO_FILES;
use super::{Crs, Error, Result};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::rc::Rc;

/// No file can lie below a device.
const NOWHERE: &CStr = c"/dev/null/bestpixel";

/// A PROJ context that reads nothing but the built-in database and prints nothing.
struct Context(NonNull<proj_sys::PJ_CONTEXT>);

impl Context {
    fn new() -> Self {
        // SAFETY: takes no argument; null only when out of memory, which `expect` reports.
        let context = unsafe { proj_sys::proj_context_create() };
        #[expect(clippy::expect_used, reason = "PROJ returns null here only when memory is exhausted")]
        let context = NonNull::new(context).expect("PROJ made no context: out of memory");
        let paths = [NOWHERE.as_ptr()];
        // SAFETY: the context is live; `paths` holds one NUL-terminated string, which PROJ copies, as it does the table
        // of functions, none of which touches what it is given.
        unsafe {
            proj_sys::proj_context_set_fileapi(context.as_ptr(), &raw const NO_FILES, ptr::null_mut());
            proj_sys::proj_context_set_search_paths(context.as_ptr(), 1, paths.as_ptr());
            proj_sys::proj_log_level(context.as_ptr(), proj_sys::PJ_LOG_LEVEL_PJ_LOG_NONE);
        }
        Self(context)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: created by `proj_context_create`, destroyed once; objects made with it are fields declared before it
        // in their owners and so are dropped earlier.
        unsafe { proj_sys::proj_context_destroy(self.0.as_ptr()) };
    }
}

/// A PROJ object: a CRS or an operation.
struct Object(NonNull<proj_sys::PJ>);

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: a live object that this value alone owns.
        unsafe { proj_sys::proj_destroy(self.0.as_ptr()) };
    }
}

/// A transformer of points from one CRS to another, x before y (longitude before latitude) on both sides.
pub struct Projection {
    /// None where both CRSs are the same.
    operation: Option<(Object, Context)>,
    /// The CRSs that it leads from and to.
    pair: (Crs, Crs),
}

thread_local! {
    /// Operations that this thread has used: making one takes milliseconds, and none may move to another thread.
    static KEPT: RefCell<HashMap<(Crs, Crs), Rc<Projection>>> = RefCell::default();
}

/// A thread keeps so many operations, then it starts afresh.
const MAX_KEPT: usize = 32;

impl Projection {
    /// The best operation that PROJ knows between two CRSs.
    ///
    /// # Errors
    /// [`Error::Crs`] where PROJ does not understand one of them, [`Error::NoOperation`] where it knows no way.
    pub fn new(source: &Crs, target: &Crs) -> Result<Self> {
        let crss = (source.clone(), target.clone());
        if source == target {
            return Ok(Self { operation: None, pair: crss });
        }
        let context = Context::new();
        let (source_text, target_text) = (definition(source)?, definition(target)?);
        // SAFETY: the context is live, both strings are NUL-terminated, a null area means no area of interest.
        let pair = unsafe {
            proj_sys::proj_create_crs_to_crs(
                context.0.as_ptr(),
                source_text.as_ptr(),
                target_text.as_ptr(),
                ptr::null_mut(),
            )
        };
        let Some(pair) = NonNull::new(pair).map(Object) else {
            return Err(Self::explain(source, target));
        };
        // SAFETY: context and object are live; the result is a new object or null.
        let normal = unsafe { proj_sys::proj_normalize_for_visualization(context.0.as_ptr(), pair.0.as_ptr()) };
        let normal = NonNull::new(normal).map(Object).ok_or_else(|| Self::explain(source, target))?;
        Ok(Self { operation: Some((normal, context)), pair: crss })
    }

    /// Hands `work` the operation between two CRSs that this thread keeps.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn with_kept<T>(source: &Crs, target: &Crs, work: impl FnOnce(&Self) -> T) -> Result<T> {
        let pair = (source.clone(), target.clone());
        let kept = KEPT.with_borrow(|kept| kept.get(&pair).cloned());
        let projection = if let Some(projection) = kept {
            projection
        } else {
            let made = Rc::new(Self::new(source, target)?);
            KEPT.with_borrow_mut(|kept| {
                if kept.len() >= MAX_KEPT {
                    kept.clear();
                }
                kept.insert(pair, made.clone());
            });
            made
        };
        Ok(work(&projection))
    }

    /// The CRSs that it leads from and to.
    pub fn pair(&self) -> &(Crs, Crs) {
        &self.pair
    }

    /// Whether both CRSs are the same.
    pub fn is_identity(&self) -> bool {
        self.operation.is_none()
    }

    /// Why there is no operation: an unknown CRS, or no way between known ones.
    fn explain(source: &Crs, target: &Crs) -> Error {
        for crs in [source, target] {
            if let Err(error) = create(crs) {
                return error;
            }
        }
        Error::NoOperation { source_crs: source.definition(), target_crs: target.definition() }
    }

    /// Transforms points in place; a point that has no image becomes infinite.
    ///
    /// # Panics
    /// If there are not as many ys as xs.
    pub fn forward(&self, xs: &mut [f64], ys: &mut [f64]) {
        assert_eq!(xs.len(), ys.len(), "each x needs its y");
        let Some((operation, _context)) = &self.operation else { return };
        let stride = size_of::<f64>();
        // SAFETY: both pointers are valid for their lengths at the given stride; null z and t with length 0 are
        // documented as absent; the object's context is alive beside it.
        unsafe {
            proj_sys::proj_trans_generic(
                operation.0.as_ptr(),
                proj_sys::PJ_DIRECTION_PJ_FWD,
                xs.as_mut_ptr(),
                stride,
                xs.len(),
                ys.as_mut_ptr(),
                stride,
                ys.len(),
                ptr::null_mut(),
                0,
                0,
                ptr::null_mut(),
                0,
                0,
            );
        }
    }
}

impl std::fmt::Debug for Projection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.operation.is_some() { "Projection" } else { "Projection(identity)" })
    }
}

/// The PROJ string of a CRS, such as `+proj=utm +zone=36 +datum=WGS84 +units=m +no_defs`.
///
/// # Errors
/// [`Error::Crs`] where PROJ does not understand the CRS or has no such string for it.
///
/// ```
/// use bestpixel::raster::{Crs, proj4};
/// assert_eq!(proj4(&Crs::Epsg(32636))?, "+proj=utm +zone=36 +datum=WGS84 +units=m +no_defs");
/// # Ok::<(), bestpixel::raster::Error>(())
/// ```
pub fn proj4(crs: &Crs) -> Result<String> {
    let definition = create(crs)?;
    // SAFETY: context and object are live; no options. The string belongs to the object and is copied before it goes.
    let proj4 = unsafe {
        copied(proj_sys::proj_as_proj_string(
            definition.context.0.as_ptr(),
            definition.object.0.as_ptr(),
            proj_sys::PJ_PROJ_STRING_TYPE_PJ_PROJ_4,
            ptr::null(),
        ))
    };
    Ok(proj4.ok_or_else(|| unknown(crs))?.replace(" +type=crs", ""))
}

/// The WKT (2019) of a CRS.
///
/// # Errors
/// [`Error::Crs`] where PROJ does not understand the CRS.
pub fn wkt2(crs: &Crs) -> Result<String> {
    let definition = create(crs)?;
    // SAFETY: context and object are live; no options. The string belongs to the object and is copied before it goes.
    let wkt = unsafe {
        copied(proj_sys::proj_as_wkt(
            definition.context.0.as_ptr(),
            definition.object.0.as_ptr(),
            proj_sys::PJ_WKT_TYPE_PJ_WKT2_2019,
            ptr::null(),
        ))
    };
    wkt.ok_or_else(|| unknown(crs))
}

/// The shape of the earth that a CRS stands on, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipsoid {
    /// Half the diameter at the equator.
    pub semi_major: f64,
    /// Half the distance of the poles.
    pub semi_minor: f64,
    /// 0 for a sphere.
    pub inverse_flattening: f64,
}

/// The ellipsoid of a CRS.
///
/// # Errors
/// [`Error::Crs`] where PROJ does not understand the CRS.
pub fn ellipsoid(crs: &Crs) -> Result<Ellipsoid> {
    let definition = create(crs)?;
    let context = definition.context.0.as_ptr();
    let mut ellipsoid = Ellipsoid { semi_major: 0.0, semi_minor: 0.0, inverse_flattening: 0.0 };
    // SAFETY: context and object are live; the result is a new object or null.
    let object = unsafe { proj_sys::proj_get_ellipsoid(context, definition.object.0.as_ptr()) };
    let object = NonNull::new(object).map(Object).ok_or_else(|| unknown(crs))?;
    // SAFETY: context and object are live, the pointers lead to numbers of our own, null means that a value is not
    // wanted.
    let is_known = unsafe {
        proj_sys::proj_ellipsoid_get_parameters(
            context,
            object.0.as_ptr(),
            &raw mut ellipsoid.semi_major,
            &raw mut ellipsoid.semi_minor,
            ptr::null_mut(),
            &raw mut ellipsoid.inverse_flattening,
        )
    };
    if is_known == 0 { Err(unknown(crs)) } else { Ok(ellipsoid) }
}

/// Where on the earth the ellipsoid of a CRS lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// The CRS in degrees below it is of this code.
    GeodeticCrs(u32),
    /// That has none, but its datum is of this code.
    Datum(u32),
    /// EPSG has no code for it; this is its name.
    Named(String),
    /// There is no more to it than its ellipsoid.
    Ellipsoid,
}

/// A match is believed from this confidence in per cent on: PROJ's for the same definition under another name.
const CONFIDENT: i32 = 90;

/// WGS 84, NAD83 and NAD27: the codes of the datums, of which alone a PROJ string tells, and of the CRSs in degrees by which
/// everybody knows them.
const CRSS_OF_DATUMS: [(u32, u32); 3] = [(6326, 4326), (6269, 4269), (6267, 4267)];

/// The datum of a CRS.
///
/// # Errors
/// [`Error::Crs`] where PROJ does not understand the CRS.
pub fn datum(crs: &Crs) -> Result<Datum> {
    let definition = create(crs)?;
    let context = definition.context.0.as_ptr();
    // SAFETY: context and object are live; the result is a new object or null.
    let geodetic = unsafe { proj_sys::proj_crs_get_geodetic_crs(context, definition.object.0.as_ptr()) };
    let geodetic = NonNull::new(geodetic).map(Object).ok_or_else(|| unknown(crs))?;
    if let Some(code) = epsg_code(&geodetic).or_else(|| identified(&definition.context, &geodetic)) {
        return Ok(Datum::GeodeticCrs(code));
    }
    // SAFETY: context and object are live; the result is a new object or null.
    let datum = unsafe { proj_sys::proj_crs_get_datum_forced(context, geodetic.0.as_ptr()) };
    let Some(datum) = NonNull::new(datum).map(Object) else { return Ok(Datum::Ellipsoid) };
    if let Some(code) = epsg_code(&datum) {
        let crs = CRSS_OF_DATUMS.iter().find(|(datum, _)| *datum == code);
        return Ok(crs.map_or(Datum::Datum(code), |(_, crs)| Datum::GeodeticCrs(*crs)));
    }
    // SAFETY: the object is live; the string belongs to it and is copied before it goes.
    let name = unsafe { copied(proj_sys::proj_get_name(datum.0.as_ptr())) }.unwrap_or_default();
    let is_none = UNKNOWN_DATUMS.iter().any(|start| name.to_lowercase().replace('_', " ").starts_with(start));
    Ok(if is_none { Datum::Ellipsoid } else { Datum::Named(name) })
}

/// How the names begin that PROJ and GDAL give to a datum of which nothing is known but its ellipsoid.
const UNKNOWN_DATUMS: [&str; 4] = ["unknown", "d unknown", "not specified", "d not specified"];

/// Whether the coordinates of a geographic CRS are degrees.
///
/// # Errors
/// [`Error::Crs`] where PROJ does not understand the CRS.
pub fn is_in_degrees(crs: &Crs) -> Result<bool> {
    let definition = create(crs)?;
    let context = definition.context.0.as_ptr();
    // SAFETY: context and object are live; the result is a new object or null.
    let system = unsafe { proj_sys::proj_crs_get_coordinate_system(context, definition.object.0.as_ptr()) };
    let system = NonNull::new(system).map(Object).ok_or_else(|| unknown(crs))?;
    let mut radians = 0.0;
    // SAFETY: context and object are live, there is a first axis, the pointer leads to a number of our own, and null means
    // that a value is not wanted.
    let is_known = unsafe {
        proj_sys::proj_cs_get_axis_info(
            context,
            system.0.as_ptr(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut radians,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    Ok(is_known != 0 && (radians - 1f64.to_radians()).abs() < 1e-12)
}

/// The code under which EPSG has the same CRS as `object`.
fn identified(context: &Context, object: &Object) -> Option<u32> {
    let mut confidence: *mut i32 = ptr::null_mut();
    // SAFETY: context and object are live, the authority is NUL-terminated, null means no options; the list and the
    // numbers beside it are new or null, and are given back below.
    let list = unsafe {
        proj_sys::proj_identify(
            context.0.as_ptr(),
            object.0.as_ptr(),
            c"EPSG".as_ptr(),
            ptr::null(),
            &raw mut confidence,
        )
    };
    // SAFETY: where there is a list with something in it there are as many numbers, the surest first.
    let code = unsafe {
        let is_sure = !list.is_null()
            && proj_sys::proj_list_get_count(list) > 0
            && !confidence.is_null()
            && *confidence >= CONFIDENT;
        let best = if is_sure { proj_sys::proj_list_get(context.0.as_ptr(), list, 0) } else { ptr::null_mut() };
        NonNull::new(best).map(Object).as_ref().and_then(epsg_code)
    };
    // SAFETY: both were made above and are not used again; null is admitted.
    unsafe {
        proj_sys::proj_int_list_destroy(confidence);
        proj_sys::proj_list_destroy(list);
    }
    code
}

/// The EPSG code that an object says it has.
fn epsg_code(object: &Object) -> Option<u32> {
    let object = object.0.as_ptr();
    // SAFETY: the object is live; the strings belong to it and are copied before it goes.
    let (authority, code) =
        unsafe { (copied(proj_sys::proj_get_id_auth_name(object, 0)), copied(proj_sys::proj_get_id_code(object, 0))) };
    code.filter(|_| authority.as_deref() == Some("EPSG"))?.parse().ok()
}

/// What the coordinates of a CRS are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Longitudes and latitudes.
    Geographic,
    /// Lengths on a map.
    Projected,
    /// Something around these: heights besides, or a shift to another datum.
    Other,
}

/// What the coordinates of a CRS are.
///
/// # Errors
/// [`Error::Crs`] where PROJ does not understand the CRS.
pub fn surface(crs: &Crs) -> Result<Surface> {
    let definition = create(crs)?;
    // SAFETY: the object is live.
    Ok(match unsafe { proj_sys::proj_get_type(definition.object.0.as_ptr()) } {
        proj_sys::PJ_TYPE_PJ_TYPE_GEOGRAPHIC_2D_CRS => Surface::Geographic,
        proj_sys::PJ_TYPE_PJ_TYPE_PROJECTED_CRS => Surface::Projected,
        _ => Surface::Other,
    })
}

/// The same CRS by its EPSG code where it is defined otherwise and says which code it has, truthfully; also the check
/// that it is a CRS of the earth's surface.
///
/// # Errors
/// [`Error::Crs`] where PROJ does not understand the CRS, or its coordinates are not on the earth's surface.
pub(super) fn registered(crs: Crs) -> Result<Crs> {
    let own = create(&crs)?;
    let object = own.object.0.as_ptr();
    // SAFETY: the object is live.
    let kind = unsafe { proj_sys::proj_get_type(object) };
    if !SURFACE_KINDS.contains(&kind) {
        return Err(unknown(&crs));
    }
    let Some(named) = epsg_code(&own.object).map(Crs::Epsg).filter(|named| *named != crs) else { return Ok(crs) };
    let Ok(other) = create(&named) else { return Ok(crs) };
    let criterion = proj_sys::PJ_COMPARISON_CRITERION_PJ_COMP_EQUIVALENT_EXCEPT_AXIS_ORDER_GEOGCRS;
    // SAFETY: both objects are live.
    let is_same = unsafe { proj_sys::proj_is_equivalent_to(object, other.object.0.as_ptr(), criterion) };
    Ok(if is_same == 0 { crs } else { named })
}

/// Kinds of CRS with coordinates on the earth's surface.
const SURFACE_KINDS: [proj_sys::PJ_TYPE; 6] = [
    proj_sys::PJ_TYPE_PJ_TYPE_GEOGRAPHIC_2D_CRS,
    proj_sys::PJ_TYPE_PJ_TYPE_GEOGRAPHIC_3D_CRS,
    proj_sys::PJ_TYPE_PJ_TYPE_PROJECTED_CRS,
    proj_sys::PJ_TYPE_PJ_TYPE_DERIVED_PROJECTED_CRS,
    proj_sys::PJ_TYPE_PJ_TYPE_COMPOUND_CRS,
    proj_sys::PJ_TYPE_PJ_TYPE_BOUND_CRS,
];

fn unknown(crs: &Crs) -> Error {
    Error::Crs { crs: crs.definition() }
}

/// A CRS as PROJ holds it. Fields are dropped in this order: the object before the context that it was made with.
struct Definition {
    object: Object,
    context: Context,
}

/// A CRS as PROJ holds it.
fn create(crs: &Crs) -> Result<Definition> {
    let context = Context::new();
    // A bare PROJ string is an operation; as a CRS it needs the mark.
    let text = match crs.definition() {
        text if text.contains("proj=") && !text.contains("type=crs") && !text.contains('[') && !text.contains('{') => {
            format!("{text} +type=crs")
        }
        text => text,
    };
    // Marked as a CRS, a pipeline would be taken for its last step.
    if text.contains("proj=pipeline") {
        return Err(unknown(crs));
    }
    let text = CString::new(text).map_err(|_| unknown(crs))?;
    // SAFETY: the context is live and the string NUL-terminated.
    let object = unsafe { proj_sys::proj_create(context.0.as_ptr(), text.as_ptr()) };
    Ok(Definition { object: NonNull::new(object).map(Object).ok_or_else(|| unknown(crs))?, context })
}

/// A copy of a string of PROJ's; None for null.
///
/// # Safety
/// The pointer is null or leads to a NUL-terminated string that lives as long as the call.
unsafe fn copied(text: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// A CRS's definition as a C string.
fn definition(crs: &Crs) -> Result<CString> {
    CString::new(crs.definition()).map_err(|_| Error::Crs { crs: crs.definition() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_point() {
        // pyproj 3.7.2: EPSG:4326 -> EPSG:32633 of (15 E, 45 N) is (500000.0, 4982950.400).
        let (mut xs, mut ys) = (vec![15.0], vec![45.0]);
        Projection::new(&Crs::LONLAT, &Crs::Epsg(32633)).unwrap().forward(&mut xs, &mut ys);
        assert!((xs[0] - 500_000.0).abs() < 1e-6 && (ys[0] - 4_982_950.400).abs() < 1e-3, "{xs:?} {ys:?}");
    }

    #[test]
    fn unknown_crss_are_named() {
        let error = Projection::new(&Crs::LONLAT, &Crs::Epsg(999_999)).unwrap_err();
        assert_eq!(error.to_string(), "PROJ does not understand the CRS \"EPSG:999999\"");
        assert!(proj4(&Crs::Definition("no\0where".into())).is_err());
    }

    #[test]
    fn a_code_is_believed_where_it_is_true() {
        let wkt = |zone: i32, code: i32| {
            format!(
                r#"PROJCS["x",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],
                PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],
                PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",{}],PARAMETER["scale_factor",0.9996],
                PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1],
                AUTHORITY["EPSG","{code}"]]"#,
                6 * zone - 183
            )
        };
        assert_eq!(registered(Crs::Definition(wkt(33, 32633))).unwrap(), Crs::Epsg(32633));
        assert_eq!(registered(Crs::Definition(wkt(34, 32633))).unwrap(), Crs::Definition(wkt(34, 32633)));
    }

    #[test]
    fn a_thread_keeps_its_operations() {
        for zone in (32601..32660).chain([32601]) {
            let easting = Projection::with_kept(&Crs::LONLAT, &Crs::Epsg(zone), |projection| {
                let (mut xs, mut ys) = ([f64::from(zone - 32600) * 6.0 - 183.0], [0.0]);
                projection.forward(&mut xs, &mut ys);
                xs[0]
            });
            assert!((easting.unwrap() - 500_000.0).abs() < 1e-6);
        }
        assert!(Projection::with_kept(&Crs::LONLAT, &Crs::Epsg(999_999), |_| ()).is_err());
    }

    #[test]
    fn points_without_an_image_are_not_finite() {
        let (mut xs, mut ys) = (vec![15.0, 0.0], vec![100.0, 0.0]);
        Projection::new(&Crs::LONLAT, &Crs::modis_sinusoidal()).unwrap().forward(&mut xs, &mut ys);
        assert!(!xs[0].is_finite() && xs[1] == 0.0, "{xs:?}");
    }
}
