//! The output grid and a projection go in, a cheap way from output pixels to source coordinates comes out (rule G3).
//!
//! Exact PROJ costs half a microsecond a point. Instead a grid of nodes is projected and interpolated bilinearly: the
//! spacing starts at 256 pixels and is halved until the centres of all cells and of all their edges are off by less than
//! the tolerance. The error of bilinear interpolation of a smooth map is largest near those points.

use super::Positions;
use super::positions::snap;
use crate::raster::{Array, Grid, Projection, Transform};

/// Nodes are this far apart at first, in output pixels.
const FIRST_SPACING: usize = 256;

/// Points of the output grid: `width` x `height` cells of `step` x `step` pixels from (`col_off`, `row_off`), each taken
/// at its centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Points {
    /// First column of the output grid.
    pub col_off: usize,
    /// First row of the output grid.
    pub row_off: usize,
    /// Cells in a row.
    pub width: usize,
    /// Rows of cells.
    pub height: usize,
    /// Output pixels to a cell's side.
    pub step: usize,
}

impl Points {
    fn col(&self, index: usize) -> f64 {
        self.col_off as f64 + (index as f64 + 0.5) * self.step as f64
    }

    fn row(&self, index: usize) -> f64 {
        self.row_off as f64 + (index as f64 + 0.5) * self.step as f64
    }
}

/// From pixels of the output grid to coordinates in a source CRS.
#[derive(Debug, Clone)]
pub struct Warp {
    grid: Transform,
    /// None where the source has the grid's CRS.
    nodes: Option<Nodes>,
}

#[derive(Debug, Clone)]
struct Nodes {
    spacing: usize,
    xs: Array<f64>,
    ys: Array<f64>,
}

impl Warp {
    /// A warp that is off by at most `tolerance` (in units of the source CRS) at the centres of cells and edges.
    /// `projection` leads from the grid's CRS to the source's. `margin` is how far points may lie beyond the grid, in
    /// pixels.
    pub fn new(grid: &Grid, projection: Option<&Projection>, tolerance: f64, margin: usize) -> Self {
        let nodes = projection.map(|projection| {
            let mut spacing = FIRST_SPACING;
            loop {
                let nodes = Nodes::project(grid, projection, spacing, margin);
                // At a spacing of one pixel the centres are what is asked for: nothing is left to interpolate.
                if spacing == 1 || nodes.is_within(tolerance, grid, projection) {
                    return nodes;
                }
                spacing /= 2;
            }
        });
        Self { grid: grid.transform(), nodes }
    }

    /// Where points of the output grid lie among the pixels of a source level.
    pub fn positions(&self, points: &Points, source: &Transform) -> Positions {
        match &self.nodes {
            None if source.is_separable() => {
                let cols = (0..points.width).map(|i| snap(source.pixel(self.grid.world(points.col(i), 0.0).0, 0.0).0));
                let rows = (0..points.height).map(|i| snap(source.pixel(0.0, self.grid.world(0.0, points.row(i)).1).1));
                Positions::Separable { cols: cols.collect(), rows: rows.collect() }
            }
            None => general(points, source, |col, row| self.grid.world(col, row)),
            Some(nodes) => general(points, source, |col, row| nodes.at(col, row)),
        }
    }

    /// The size in source units of an output pixel at a position of the output grid: the larger side.
    pub fn pixel_size_at(&self, col: f64, row: f64) -> f64 {
        let [a, ..] = self.grid.0;
        let Some(nodes) = &self.nodes else { return a };
        let half = 0.5;
        let ((x0, y0), (x1, y1)) = (nodes.at(col - half, row), nodes.at(col + half, row));
        let ((x2, y2), (x3, y3)) = (nodes.at(col, row - half), nodes.at(col, row + half));
        (x1 - x0).hypot(y1 - y0).max((x3 - x2).hypot(y3 - y2))
    }
}

/// Positions one by one, from a map of grid pixels to source coordinates.
fn general(points: &Points, source: &Transform, world: impl Fn(f64, f64) -> (f64, f64)) -> Positions {
    let (mut cols, mut rows) = (Vec::new(), Vec::new());
    for row in 0..points.height {
        for col in 0..points.width {
            let (x, y) = world(points.col(col), points.row(row));
            let (source_col, source_row) = source.pixel(x, y);
            cols.push(snap(source_col));
            rows.push(snap(source_row));
        }
    }
    Positions::General { width: points.width, cols, rows }
}

impl Nodes {
    /// Projects nodes that span the grid and its margin.
    fn project(grid: &Grid, projection: &Projection, spacing: usize, margin: usize) -> Self {
        let count = |pixels: usize| (pixels + margin).div_ceil(spacing) + 1;
        let (width, height) = (count(grid.width), count(grid.height));
        let points = (0..height).flat_map(|row| {
            (0..width).map(move |col| grid.transform().world((col * spacing) as f64, (row * spacing) as f64))
        });
        let (mut xs, mut ys): (Vec<_>, Vec<_>) = points.unzip();
        projection.forward(&mut xs, &mut ys);
        Self { spacing, xs: Array::from_vec(width, height, xs), ys: Array::from_vec(width, height, ys) }
    }

    /// Whether the interpolated centres of all cells and edges are within `tolerance` of PROJ's. Points that have no
    /// image are not judged.
    fn is_within(&self, tolerance: f64, grid: &Grid, projection: &Projection) -> bool {
        let half = self.spacing as f64 / 2.0;
        let (rows, cols) = (2 * self.xs.height() - 1, 2 * self.xs.width() - 1);
        let between = (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col)));
        let between: Vec<_> = between.filter(|(row, col)| row % 2 == 1 || col % 2 == 1).collect();
        let position = |&(row, col): &(usize, usize)| (col as f64 * half, row as f64 * half);
        let (mut xs, mut ys): (Vec<_>, Vec<_>) =
            between.iter().map(position).map(|(col, row)| grid.transform().world(col, row)).unzip();
        projection.forward(&mut xs, &mut ys);
        between.iter().zip(xs.iter().zip(&ys)).all(|(point, (x, y))| {
            let (col, row) = position(point);
            let (near_x, near_y) = self.at(col, row);
            let error = (near_x - x).hypot(near_y - y);
            !error.is_finite() || error <= tolerance
        })
    }

    /// Source coordinates of a position in the output grid, in its pixels. Outside the nodes the nearest cell is extended.
    #[inline]
    fn at(&self, col: f64, row: f64) -> (f64, f64) {
        let spacing = self.spacing as f64;
        let cell = |position: f64, nodes: usize| {
            let first = (position / spacing).floor().clamp(0.0, nodes as f64 - 2.0);
            (first as usize, position / spacing - first)
        };
        let ((c, fx), (r, fy)) = (cell(col, self.xs.width()), cell(row, self.xs.height()));
        let blend = |values: &Array<f64>| {
            let (upper, lower) = (&values.row(r)[c..c + 2], &values.row(r + 1)[c..c + 2]);
            let (top, bottom) = (upper[0] + fx * (upper[1] - upper[0]), lower[0] + fx * (lower[1] - lower[0]));
            top + fy * (bottom - top)
        };
        (blend(&self.xs), blend(&self.ys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Crs;

    #[test]
    fn a_neighbour_zone_is_within_a_hundredth_of_a_pixel() {
        let grid = Grid {
            crs: Crs::Epsg(32633),
            left: 699_960.0,
            top: 5_000_040.0,
            resolution: 10.0,
            width: 1830,
            height: 900,
        };
        let projection = Projection::new(&grid.crs, &Crs::Epsg(32634)).unwrap();
        let warp = Warp::new(&grid, Some(&projection), 0.1, 0);
        let source = Transform::north_up(199_980.0, 5_000_040.0, 10.0, 10.0);
        let points = Points { col_off: 3, row_off: 5, width: 23, height: 11, step: 79 };
        let positions = warp.positions(&points, &source);
        for row in 0..points.height {
            for col in 0..points.width {
                let (x, y) = grid.transform().world(points.col(col), points.row(row));
                let (mut xs, mut ys) = ([x], [y]);
                projection.forward(&mut xs, &mut ys);
                let exact = source.pixel(xs[0], ys[0]);
                let near = positions.at(row, col);
                assert!((near.0 - exact.0).hypot(near.1 - exact.1) < 0.01, "{near:?} {exact:?}");
            }
        }
    }

    #[test]
    fn the_same_crs_stays_separable() {
        let grid = Grid { crs: Crs::Epsg(32633), left: 0.0, top: 1000.0, resolution: 60.0, width: 4, height: 3 };
        let points = Points { col_off: 1, row_off: 0, width: 2, height: 1, step: 1 };
        let positions =
            Warp::new(&grid, None, 0.1, 0).positions(&points, &Transform::north_up(0.0, 1000.0, 20.0, 20.0));
        assert_eq!(positions, Positions::Separable { cols: vec![4.5, 7.5], rows: vec![1.5] });
    }
}
