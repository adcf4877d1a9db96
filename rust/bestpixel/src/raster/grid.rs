//! The output grid: a CRS, square pixels and a size, from a bounding box (rules G1 and G4).

use super::projection::{proj4, registered};
use super::{Crs, Error, Projection, Result, Transform, Window};
use serde::{Deserialize, Serialize};

/// Side of a chunk in output pixels: the unit of selecting and composing.
pub const CHUNK_SIZE: usize = 512;

/// No side of a grid may have more pixels.
const MAX_SIDE: usize = 200_000;

/// Points per degree on the edges of the bounding box, whose images bound the grid: between two of them a parallel's
/// arc deviates from its chord by less than a centimetre.
const EDGE_POINTS_PER_DEGREE: f64 = 128.0;

/// So many points at least for a small box.
const MIN_EDGE_POINTS: usize = 256;

/// Where one step between neighbouring edge points is so many times the edge's median step, the map is torn there.
const TEAR: f64 = 100.0;

/// West, south, east, north in degrees; west > east crosses the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BBox(pub [f64; 4]);

impl BBox {
    /// A checked bounding box.
    ///
    /// # Errors
    /// [`Error::BBox`] where a number is not finite or out of range, or the box has no area.
    pub fn new(bbox: [f64; 4]) -> Result<Self> {
        let [west, south, east, north] = bbox;
        let reason = if bbox.iter().any(|v| !v.is_finite()) {
            Some("west, south, east, north must be finite numbers")
        } else if !(-90.0..=90.0).contains(&south) || !(-90.0..=90.0).contains(&north) {
            Some("south and north must lie within -90..90 degrees")
        } else if !(-180.0..=180.0).contains(&west) || !(-180.0..=180.0).contains(&east) {
            Some("west and east must lie within -180..180 degrees")
        } else if south >= north {
            Some("south must be less than north")
        } else if west == east {
            Some("west and east must differ")
        } else {
            None
        };
        reason.map_or(Ok(Self(bbox)), |reason| Err(Error::BBox { bbox, reason }))
    }

    /// Width in degrees, also across the antimeridian.
    fn width(&self) -> f64 {
        let [west, _, east, _] = self.0;
        if west > east { east + 360.0 - west } else { east - west }
    }

    /// Longitude and latitude of the centre.
    pub fn centre(&self) -> (f64, f64) {
        let [west, south, _, north] = self.0;
        let lon = west + self.width() / 2.0;
        (if lon >= 180.0 { lon - 360.0 } else { lon }, f64::midpoint(south, north))
    }

    /// One box, or two where it crosses the antimeridian.
    pub fn split(&self) -> Vec<[f64; 4]> {
        let [west, south, east, north] = self.0;
        if west > east { vec![[west, south, 180.0, north], [-180.0, south, east, north]] } else { vec![self.0] }
    }

    /// Whether an item's box (4 or 6 numbers, itself possibly across the antimeridian) shares area or an edge. Numbers that
    /// are no box say nothing of where the item is not: then it may.
    pub fn intersects(&self, other: &[f64]) -> bool {
        let other = match *other {
            [w, s, e, n] | [w, s, _, e, n, _] => Self([w, s, e, n]),
            _ => return true,
        };
        let overlaps = |a: &[f64; 4], b: &[f64; 4]| a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3];
        self.split().iter().any(|a| other.split().iter().any(|b| overlaps(a, b)))
    }

    /// Longitudes and latitudes of points along the four edges (south, north, west, east), corners included. East of the
    /// antimeridian longitudes go on beyond 180.
    fn edges(&self) -> [Vec<(f64, f64)>; 4] {
        let [west, south, _, north] = self.0;
        let along = |length: f64, point: &dyn Fn(f64) -> (f64, f64)| {
            let count = ((length * EDGE_POINTS_PER_DEGREE) as usize).max(MIN_EDGE_POINTS);
            (0..=count).map(|i| point(i as f64 / count as f64)).collect()
        };
        let (width, height) = (self.width(), north - south);
        [
            along(width, &|t| (west + t * width, south)),
            along(width, &|t| (west + t * width, north)),
            along(height, &|t| (west, south + t * height)),
            along(height, &|t| (west + width, south + t * height)),
        ]
    }
}

/// A north-up raster of square pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// The CRS of its coordinates.
    pub crs: Crs,
    /// World x of the left edge.
    pub left: f64,
    /// World y of the upper edge.
    pub top: f64,
    /// Side of a pixel in units of the CRS (metres in projected CRSs).
    pub resolution: f64,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Grid {
    /// The grid over a bounding box: the box's densified edges are projected, and their extent is snapped outward to
    /// multiples of the resolution (in southern UTM counted from the false northing, rule G1).
    ///
    /// # Errors
    /// Where the resolution is not positive, the CRS is not understood, the box cannot be projected, or the grid would
    /// be too large.
    ///
    /// ```
    /// use bestpixel::raster::{BBox, Crs, Grid};
    /// let grid = Grid::from_bbox(&BBox::new([30.5, 30.5, 31.6, 31.5])?, Crs::Epsg(32636), 60.0)?;
    /// assert_eq!((grid.left % 60.0, grid.top % 60.0), (0.0, 0.0));
    /// # Ok::<(), bestpixel::raster::Error>(())
    /// ```
    pub fn from_bbox(bbox: &BBox, crs: Crs, resolution: f64) -> Result<Self> {
        if !(resolution.is_finite() && resolution > 0.0) {
            return Err(Error::Resolution { resolution });
        }
        let crs = registered(crs)?;
        let [min_x, min_y, max_x, max_y] = projected_bounds(bbox, &crs)?;
        let snap = |v: f64, origin: f64, round: fn(f64) -> f64| {
            // An edge that is off a lattice line by rounding alone lies on it.
            let (lines, near) = ((v - origin) / resolution, ((v - origin) / resolution).round());
            (if (lines - near).abs() < ON_LATTICE { near } else { round(lines) }) * resolution + origin
        };
        let y0 = lattice_y(&crs)?;
        let (left, right) = (snap(min_x, 0.0, f64::floor), snap(max_x, 0.0, f64::ceil));
        let (bottom, top) = (snap(min_y, y0, f64::floor), snap(max_y, y0, f64::ceil));
        // A box within rounding of a lattice line has no width: it gets the pixel beside it.
        let lines = |from: f64, to: f64| ((to - from) / resolution).round().max(1.0);
        let (width, height) = (lines(left, right), lines(bottom, top));
        if width > MAX_SIDE as f64 || height > MAX_SIDE as f64 {
            return Err(Error::TooLarge { width, height, limit: MAX_SIDE });
        }
        Ok(Self { crs, left, top, resolution, width: width as usize, height: height as usize })
    }

    /// From pixel to world coordinates.
    pub fn transform(&self) -> Transform {
        Transform::north_up(self.left, self.top, self.resolution, self.resolution)
    }

    /// Left, bottom, right, top.
    pub fn bounds(&self) -> [f64; 4] {
        let (right, bottom) = self.transform().world(self.width as f64, self.height as f64);
        [self.left, bottom, right, self.top]
    }

    /// The chunks of the grid, row by row.
    pub fn chunks(&self) -> Vec<Window> {
        Window::tiles(self.width, self.height, CHUNK_SIZE)
    }
}

/// In pixels: an edge this near to a lattice line is meant to be on it. PROJ's answers scatter by nanometres.
const ON_LATTICE: f64 = 1e-7;

/// The y to which pixel edges are aligned: the false northing in southern UTM, so that native Sentinel-2 pixels stay on
/// their lattice (rule G1), else 0.
fn lattice_y(crs: &Crs) -> Result<f64> {
    let is_south = match crs {
        Crs::Epsg(_) => crs.utm_zone().is_some_and(|(_, is_south)| is_south),
        Crs::Definition(_) => {
            let proj4 = proj4(crs)?;
            proj4.contains("+proj=utm ") && proj4.contains("+south")
        }
    };
    Ok(if is_south { 10_000_000.0 } else { 0.0 })
}

/// The extent in `crs` of a box's densified edges: min x, min y, max x, max y.
fn projected_bounds(bbox: &BBox, crs: &Crs) -> Result<[f64; 4]> {
    let refuse = |reason| Error::NotProjectable { bbox: bbox.0, crs: crs.definition(), reason };
    let projection = Projection::new(&Crs::LONLAT, crs)?;
    let shift = beyond_antimeridian(bbox, &projection).ok_or_else(|| refuse("the CRS is torn at the antimeridian"))?;
    let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for edge in bbox.edges() {
        let is_beyond: Vec<bool> = edge.iter().map(|(lon, _)| *lon > 180.0).collect();
        let (mut xs, mut ys): (Vec<f64>, Vec<f64>) =
            edge.into_iter().map(|(lon, lat)| (if lon > 180.0 { lon - 360.0 } else { lon }, lat)).unzip();
        projection.forward(&mut xs, &mut ys);
        for ((x, y), _) in xs.iter_mut().zip(&mut ys).zip(is_beyond).filter(|(_, is_beyond)| *is_beyond) {
            (*x, *y) = (*x + shift.0, *y + shift.1);
        }
        if xs.iter().chain(&ys).any(|v| !v.is_finite()) {
            return Err(refuse("some of its points have no image there"));
        }
        if is_torn(&xs, &ys) {
            return Err(refuse("it crosses a line at which that CRS is torn"));
        }
        for (&x, &y) in xs.iter().zip(&ys) {
            bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
        }
    }
    Ok(bounds)
}

/// By how much the images of points east of the antimeridian are to be moved so that they join those west of it (rule
/// G4): nothing in most CRSs, the world's width in longitudes and latitudes or Mercator. None where it is not the same
/// everywhere along the box.
fn beyond_antimeridian(bbox: &BBox, projection: &Projection) -> Option<(f64, f64)> {
    let [west, south, east, north] = bbox.0;
    if west < east {
        return Some((0.0, 0.0));
    }
    let middle = f64::midpoint(south, north);
    let (mut xs, mut ys) =
        ([180.0, -180.0, 180.0, -180.0, 180.0, -180.0], [south, south, middle, middle, north, north]);
    projection.forward(&mut xs, &mut ys);
    let gap = |i: usize| (xs[i] - xs[i + 1], ys[i] - ys[i + 1]);
    let (x, y) = gap(0);
    // Gaps are 0 or the width of a world: a millionth of that is the same.
    let allowed = 1e-6 * (1.0 + x.hypot(y));
    let is_same = |other: (f64, f64)| (other.0 - x).hypot(other.1 - y) <= allowed;
    (is_same(gap(2)) && is_same(gap(4))).then_some((x, y))
}

/// Whether neighbouring points are much further apart at one place than along the rest of the edge.
fn is_torn(xs: &[f64], ys: &[f64]) -> bool {
    let steps = xs.windows(2).zip(ys.windows(2)).map(|(x, y)| (x[1] - x[0]).hypot(y[1] - y[0]));
    let mut steps: Vec<f64> = steps.collect();
    steps.sort_unstable_by(f64::total_cmp);
    let (median, longest) = (steps[steps.len() / 2], steps[steps.len() - 1]);
    median > 0.0 && longest > TEAR * median
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(bbox: [f64; 4], resolution: f64) -> Grid {
        let bbox = BBox::new(bbox).unwrap();
        let (lon, lat) = bbox.centre();
        Grid::from_bbox(&bbox, Crs::utm(lon, lat), resolution).unwrap()
    }

    #[test]
    fn southern_grids_keep_the_sentinel_2_lattice() {
        let grid = grid([15.0, -33.5, 15.5, -33.0], 60.0);
        assert_eq!(grid.crs, Crs::Epsg(32733));
        assert_eq!(grid.top.rem_euclid(60.0), 40.0);
        assert_eq!(grid.left.rem_euclid(60.0), 0.0);
    }

    #[test]
    fn a_box_across_the_antimeridian_makes_one_grid() {
        let grid = grid([179.5, -17.0, -179.5, -16.5], 100.0);
        assert_eq!(grid.crs, Crs::Epsg(32701));
        assert!((1060..1080).contains(&grid.width), "{}", grid.width);
    }

    fn over(bbox: [f64; 4], crs: &str, resolution: f64) -> Result<Grid> {
        Grid::from_bbox(&BBox::new(bbox).unwrap(), Crs::parse(crs), resolution)
    }

    #[test]
    fn a_world_with_an_edge_goes_on_beyond_it() {
        let grid = over([179.5, -17.0, -179.5, -16.5], "EPSG:4326", 0.001).unwrap();
        assert_eq!((grid.width, grid.height), (1000, 500));
        let grid = over([179.5, -17.0, -179.5, -16.5], "EPSG:3857", 100.0).unwrap();
        assert!((1112..1116).contains(&grid.width), "{}", grid.width);
        let error = over([179.5, -17.0, -179.5, -16.5], &Crs::modis_sinusoidal().definition(), 500.0).unwrap_err();
        assert!(error.to_string().contains("torn at the antimeridian"), "{error}");
    }

    #[test]
    fn what_has_no_image_is_refused() {
        let error = over([0.0, 80.0, 1.0, 90.0], "EPSG:3857", 100.0).unwrap_err();
        assert!(matches!(error, Error::NotProjectable { .. } | Error::TooLarge { .. }), "{error}");
        // Pacific Disaster Center Mercator is cut at 30 degrees west.
        let error = over([-31.0, 0.0, -29.0, 1.0], "EPSG:3832", 100.0).unwrap_err();
        assert!(error.to_string().contains("torn"), "{error}");
        for crs in ["EPSG:4978", "EPSG:5703", "+proj=pipeline +step +proj=utm +zone=3", "nonsense"] {
            assert!(matches!(over([0.0, 0.0, 1.0, 1.0], crs, 100.0), Err(Error::Crs { .. })), "{crs}");
        }
    }

    #[test]
    fn another_word_for_a_zone_is_that_zone() {
        let bbox = [15.0, -33.5, 15.5, -33.0];
        let code = over(bbox, "EPSG:32733", 60.0).unwrap();
        let text = over(bbox, "+proj=utm +zone=33 +south +datum=WGS84", 60.0).unwrap();
        assert_eq!((code.left, code.top, code.width, code.height), (text.left, text.top, text.width, text.height));
        assert_eq!(over(bbox, "urn:ogc:def:crs:EPSG::32733", 60.0).unwrap(), code);
    }

    #[test]
    fn wrong_boxes_are_refused() {
        for bbox in [[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0], [0.0, -91.0, 1.0, 1.0], [0.0, f64::NAN, 1.0, 1.0]] {
            assert!(BBox::new(bbox).is_err(), "{bbox:?}");
        }
    }

    #[test]
    fn boxes_meet_across_the_antimeridian() {
        let bbox = BBox::new([179.0, 0.0, -179.0, 1.0]).unwrap();
        assert!(bbox.intersects(&[-180.0, 0.5, -179.5, 2.0]));
        assert!(bbox.intersects(&[178.0, 0.5, 0.0, -179.9, 2.0, 10.0]));
        assert!(!bbox.intersects(&[0.0, 0.0, 1.0, 1.0]));
    }
}
