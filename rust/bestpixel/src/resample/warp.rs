//! The output grid and a projection go in, a cheap way from output pixels to source coordinates comes out (rule G3).
//!
//! Exact PROJ costs half a microsecond a point. Instead nodes are projected and interpolated bilinearly, block by block:
//! a block starts with nodes at its corners, and their spacing is halved until the centres of all cells and of all their
//! edges are off by less than the tolerance. Of a smooth map the error of bilinear interpolation is largest at one of
//! these points. A block in which points have no image (horizon) or that does not become smooth (antimeridian) is
//! projected point by point. Along a row of a cell the interpolated map is a straight line: a pixel costs two
//! multiplications.
//!
//! ```text
//! whole grid affine (same CRS, UTM north and south of one zone)?    columns and rows apart, no nodes
//! else per block: nodes at 256, 128, ... 4 pixels -> interpolate    or exact
//! ```

#![expect(clippy::inline_always, reason = "only what is inlined into a level's shell is compiled for that level")]

use super::Positions;
use super::nodes::{Lattice, Line};
use super::positions::snap;
use crate::raster::{Grid, Kernel, Projection, Transform, VectorLevel};
use std::ops::Range;

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

    /// The first index whose column is not less than `col`.
    fn first_from(&self, col: f64) -> usize {
        let index = ((col - self.col_off as f64) / self.step as f64 - 0.5).ceil();
        (index.max(0.0) as usize).min(self.width)
    }
}

/// From pixels of the output grid to coordinates in a source CRS.
#[derive(Debug, Clone)]
pub struct Warp {
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// The map is affine, columns and rows apart: from grid pixels straight to source coordinates.
    Affine(Transform),
    /// Blocks of nodes.
    Nodes(Lattice),
}

impl Warp {
    /// A warp that is off by at most `tolerance` (in units of the source CRS). `projection` leads from the grid's CRS to
    /// the source's; None where they are the same. `margin` is how far points may lie beyond the grid, in pixels.
    pub fn new(grid: &Grid, projection: Option<&Projection>, tolerance: f64, margin: usize) -> Self {
        let transform = grid.transform();
        let way = match projection.filter(|projection| !projection.is_identity()) {
            None => Way::Affine(transform),
            Some(projection) => {
                let size = (grid.width + margin, grid.height + margin);
                let lattice = Lattice::new(&transform, size, projection, tolerance);
                lattice.affine(tolerance).map_or_else(|| Way::Nodes(lattice), Way::Affine)
            }
        };
        Self { way }
    }

    /// Where points of the output grid lie among the pixels of a source level.
    pub fn positions(&self, points: &Points, source: &Transform) -> Positions {
        match &self.way {
            Way::Affine(affine) if source.is_separable() => {
                let cols = (0..points.width).map(|i| snap(source.pixel(affine.world(points.col(i), 0.0).0, 0.0).0));
                let rows = (0..points.height).map(|i| snap(source.pixel(0.0, affine.world(0.0, points.row(i)).1).1));
                Positions::Separable { cols: cols.collect(), rows: rows.collect() }
            }
            _ => self.general(points, source),
        }
    }

    /// Positions one by one.
    fn general(&self, points: &Points, source: &Transform) -> Positions {
        let size = points.width * points.height;
        let (mut cols, mut rows) = (vec![0.0; size], vec![0.0; size]);
        let lines = cols.chunks_exact_mut(points.width.max(1)).zip(rows.chunks_exact_mut(points.width.max(1)));
        for (row, (xs, ys)) in lines.enumerate() {
            match &self.way {
                Way::Affine(affine) => {
                    let line =
                        Line { col: 0.0, start: affine.world(0.0, points.row(row)), step: (affine.0[0], affine.0[3]) };
                    interpolate(points, 0..points.width, &line, source, xs, ys);
                }
                Way::Nodes(lattice) => along_row(lattice, points, points.row(row), source, xs, ys),
            }
        }
        Positions::General { width: points.width, cols, rows }
    }

    /// The size in source units of an output pixel at a position of the output grid: the larger side.
    pub fn pixel_size_at(&self, col: f64, row: f64) -> f64 {
        let at = |col: f64, row: f64| match &self.way {
            Way::Affine(affine) => affine.world(col, row),
            Way::Nodes(lattice) => lattice.at(col, row),
        };
        let half = 0.5;
        let ((x0, y0), (x1, y1)) = (at(col - half, row), at(col + half, row));
        let ((x2, y2), (x3, y3)) = (at(col, row - half), at(col, row + half));
        (x1 - x0).hypot(y1 - y0).max((x3 - x2).hypot(y3 - y2))
    }
}

/// Positions of one row of points, segment by segment.
fn along_row(lattice: &Lattice, points: &Points, y: f64, source: &Transform, xs: &mut [f64], ys: &mut [f64]) {
    let mut first = 0;
    while first < points.width {
        let segment = lattice.segment(points.col(first), y);
        let here = first..points.first_from(segment.end).max(first + 1);
        first = here.end;
        let (xs, ys) = (&mut xs[here.clone()], &mut ys[here.clone()]);
        if let Some(line) = &segment.line {
            interpolate(points, here, line, source, xs, ys);
            continue;
        }
        for (i, (x, y_here)) in here.zip(xs.iter_mut().zip(ys.iter_mut())) {
            (*x, *y_here) = (points.col(i), y);
        }
        lattice.exact(xs, ys);
        for (x, y) in xs.iter_mut().zip(ys) {
            let (col, row) = source.pixel(*x, *y);
            (*x, *y) = (snap(col), snap(row));
        }
    }
}

/// Positions of some points on a straight line.
fn interpolate(points: &Points, here: Range<usize>, line: &Line, source: &Transform, xs: &mut [f64], ys: &mut [f64]) {
    let (x, y) = source.pixel(line.start.0, line.start.1);
    let (dx, dy) = source.pixel_vector(line.step.0, line.step.1);
    let offset = points.col(here.start) - line.col;
    let step = points.step as f64;
    let level = VectorLevel::best();
    level.run(Straight { start: x + offset * dx, step: step * dx, out: xs });
    level.run(Straight { start: y + offset * dy, step: step * dy, out: ys });
}

/// Evenly spaced positions.
struct Straight<'a> {
    start: f64,
    step: f64,
    out: &'a mut [f64],
}

impl Kernel for Straight<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (i, position) in self.out.iter_mut().enumerate() {
            *position = snap(self.start + i as u32 as f64 * self.step);
        }
    }
}

#[cfg(test)]
#[path = "warp_tests.rs"]
mod tests;
