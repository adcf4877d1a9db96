//! The output grid: a CRS, square pixels and a size, from a bounding box (rules G1 and G4).

use super::{Crs, Error, Projection, Result, Transform, Window};
use serde::{Deserialize, Serialize};

/// Side of a chunk in output pixels: the unit of selecting and composing.
pub const CHUNK_SIZE: usize = 512;

/// No side of a grid may have more pixels.
const MAX_SIDE: usize = 200_000;

/// Points on each edge of the bounding box whose images bound the grid. A parallel's arc over one degree deviates from
/// the chord between two such points by less than a centimetre.
const EDGE_POINTS: usize = 256;

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

    /// Whether an item's box (4 or 6 numbers, itself possibly across the antimeridian) shares area or an edge.
    pub fn intersects(&self, other: &[f64]) -> bool {
        let other = match *other {
            [w, s, e, n] | [w, s, _, e, n, _] => Self([w, s, e, n]),
            _ => return false,
        };
        let overlaps = |a: &[f64; 4], b: &[f64; 4]| a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3];
        self.split().iter().any(|a| other.split().iter().any(|b| overlaps(a, b)))
    }

    /// Longitudes and latitudes of points along the four edges, corners included.
    fn edge_points(&self) -> (Vec<f64>, Vec<f64>) {
        let [west, south, _, north] = self.0;
        let mut points = Vec::with_capacity(4 * (EDGE_POINTS + 1));
        for i in 0..=EDGE_POINTS {
            let t = i as f64 / EDGE_POINTS as f64;
            let (lon, lat) = (west + t * self.width(), south + t * (north - south));
            points.extend([(lon, south), (lon, north), (west, lat), (west + self.width(), lat)]);
        }
        points.into_iter().unzip()
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
        let [min_x, min_y, max_x, max_y] = projected_bounds(bbox, &crs)?;
        let snap = |v: f64, origin: f64, round: fn(f64) -> f64| round((v - origin) / resolution) * resolution + origin;
        let y0 = crs.lattice_y();
        let (left, right) = (snap(min_x, 0.0, f64::floor), snap(max_x, 0.0, f64::ceil));
        let (bottom, top) = (snap(min_y, y0, f64::floor), snap(max_y, y0, f64::ceil));
        let (width, height) = (((right - left) / resolution).round(), ((top - bottom) / resolution).round());
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

/// The extent in `crs` of a box's densified edges: min x, min y, max x, max y.
fn projected_bounds(bbox: &BBox, crs: &Crs) -> Result<[f64; 4]> {
    let (mut xs, mut ys) = bbox.edge_points();
    Projection::new(&Crs::LONLAT, crs)?.forward(&mut xs, &mut ys);
    if xs.iter().chain(&ys).any(|v| !v.is_finite()) {
        return Err(Error::NotProjectable { bbox: bbox.0, crs: crs.definition() });
    }
    let min = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok([min(&xs), min(&ys), max(&xs), max(&ys)])
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
