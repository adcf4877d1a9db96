//! The output grid and a projection go in, blocks of projected nodes come out, as dense as each block needs.
//!
//! A lattice of spacing `h` is judged by the exact points halfway between its nodes, and these are then kept as nodes
//! too: what is used is twice as dense as what was found good enough, hence about four times better.

use crate::raster::{Array, Crs, Projection, Transform};
use std::collections::HashMap;

/// Side of a block in output pixels.
const BLOCK: usize = 256;

/// Spacing of the nodes that every block has.
const COARSE: usize = BLOCK / 2;

/// Nodes are not set closer than this: what is not smooth by then is projected point by point.
const FINEST: usize = 4;

/// Nodes over the output grid. Positions are in pixels of the grid.
#[derive(Debug, Clone)]
pub(super) struct Lattice {
    grid: Transform,
    /// The CRSs to project from and to.
    pair: (Crs, Crs),
    /// Blocks in a row, and rows of blocks.
    blocks: (usize, usize),
    coarse: Nodes,
    /// The blocks for which the coarse nodes do not do.
    finer: HashMap<(usize, usize), Finer>,
}

#[derive(Debug, Clone)]
enum Finer {
    Nodes(Nodes),
    Exact,
}

/// Projected points at a regular spacing.
#[derive(Debug, Clone)]
struct Nodes {
    spacing: usize,
    xs: Array<f64>,
    ys: Array<f64>,
}

/// How to get from positions in a row to source coordinates, up to (not including) the column `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) end: f64,
    /// None: point by point.
    pub(super) line: Option<Line>,
}

/// A straight line in source coordinates: `(x, y)` at the column `col`, and the step to the next column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) col: f64,
    pub(super) start: (f64, f64),
    pub(super) step: (f64, f64),
}

impl Nodes {
    /// `size` points from `origin` on.
    fn project(
        grid: &Transform,
        projection: &Projection,
        origin: (usize, usize),
        size: (usize, usize),
        spacing: usize,
    ) -> Self {
        let points = (0..size.1).flat_map(|row| {
            let y = (origin.1 + row * spacing) as f64;
            (0..size.0).map(move |col| grid.world((origin.0 + col * spacing) as f64, y))
        });
        let (mut xs, mut ys): (Vec<_>, Vec<_>) = points.unzip();
        projection.forward(&mut xs, &mut ys);
        Self { spacing, xs: Array::from_vec(size.0, size.1, xs), ys: Array::from_vec(size.0, size.1, ys) }
    }

    /// The nodes of one block of the coarse lattice.
    fn of_block(&self, (col, row): (usize, usize)) -> Self {
        let side = BLOCK / self.spacing;
        let window = crate::raster::Window::new(col * side, row * side, side + 1, side + 1);
        Self { spacing: self.spacing, xs: self.xs.crop(&window), ys: self.ys.crop(&window) }
    }

    fn is_finite(&self) -> bool {
        self.xs.values().iter().chain(self.ys.values()).all(|v| v.is_finite())
    }

    /// Whether each node with an odd index is where its even neighbours say, within `tolerance`.
    fn is_smooth(&self, tolerance: f64) -> bool {
        let between = |values: &Array<f64>, col: usize, row: usize| {
            let (left, right) = (col & !1, (col + 1) & !1);
            let (top, bottom) = (values.row(row & !1), values.row((row + 1) & !1));
            (top[left] + top[right] + bottom[left] + bottom[right]) / 4.0 - values.row(row)[col]
        };
        let points = (0..self.xs.height()).flat_map(|row| (0..self.xs.width()).map(move |col| (col, row)));
        let mut odd = points.filter(|(col, row)| col % 2 == 1 || row % 2 == 1);
        odd.all(|(col, row)| between(&self.xs, col, row).hypot(between(&self.ys, col, row)) <= tolerance)
    }

    /// The line through the cell that holds a position, which is counted from the first node; beyond the nodes the
    /// nearest cell is extended. Also the index of the cell's column.
    fn line(&self, col: f64, row: f64) -> (Line, usize) {
        let spacing = self.spacing as f64;
        let cell = |position: f64, nodes: usize| ((position / spacing).max(0.0) as usize).min(nodes - 2);
        let (c, r) = (cell(col, self.xs.width()), cell(row, self.xs.height()));
        let t = row / spacing - r as f64;
        let blend = |values: &Array<f64>| {
            let (upper, lower) = (&values.row(r)[c..c + 2], &values.row(r + 1)[c..c + 2]);
            let (left, right) = (upper[0] + t * (lower[0] - upper[0]), upper[1] + t * (lower[1] - upper[1]));
            (left, (right - left) / spacing)
        };
        let ((x, dx), (y, dy)) = (blend(&self.xs), blend(&self.ys));
        (Line { col: (c * self.spacing) as f64, start: (x, y), step: (dx, dy) }, c)
    }
}

impl Lattice {
    /// Nodes over `size` pixels (columns, rows) of a grid.
    pub(super) fn new(grid: &Transform, size: (usize, usize), projection: &Projection, tolerance: f64) -> Self {
        let blocks = (size.0.div_ceil(BLOCK).max(1), size.1.div_ceil(BLOCK).max(1));
        let count = |blocks: usize| blocks * BLOCK / COARSE + 1;
        let coarse = Nodes::project(grid, projection, (0, 0), (count(blocks.0), count(blocks.1)), COARSE);
        let all = (0..blocks.1).flat_map(|row| (0..blocks.0).map(move |col| (col, row)));
        let finer = all.filter_map(|block| {
            let nodes = coarse.of_block(block);
            if nodes.is_finite() && nodes.is_smooth(tolerance) {
                return None;
            }
            Some((block, refine(nodes, block, grid, projection, tolerance)))
        });
        let finer = finer.collect();
        Self { grid: *grid, pair: projection.pair().clone(), blocks, coarse, finer }
    }

    /// The affine map with columns and rows apart that all nodes agree on, if there is one: from grid pixels to source
    /// coordinates.
    pub(super) fn affine(&self, tolerance: f64) -> Option<Transform> {
        let Nodes { xs, ys, .. } = &self.coarse;
        let (cols, rows) = (xs.width() - 1, xs.height() - 1);
        let (x0, y0) = (xs.row(0)[0], ys.row(0)[0]);
        let dx = (xs.row(0)[cols] - x0) / (cols * COARSE) as f64;
        let dy = (ys.row(rows)[0] - y0) / (rows * COARSE) as f64;
        let affine = Transform([dx, 0.0, x0, 0.0, dy, y0]);
        // A ten-thousandth of what is allowed: positions on pixel edges and centres are still seen to be there.
        let fits = (0..=rows).all(|row| {
            (0..=cols).all(|col| {
                let (x, y) = affine.world((col * COARSE) as f64, (row * COARSE) as f64);
                (x - xs.row(row)[col]).hypot(y - ys.row(row)[col]) <= tolerance * 1e-4
            })
        });
        (self.finer.is_empty() && fits && dx != 0.0 && dy != 0.0).then_some(affine)
    }

    /// How the points from a position on are mapped.
    pub(super) fn segment(&self, col: f64, row: f64) -> Segment {
        let block = |position: f64, blocks: usize| ((position / BLOCK as f64).max(0.0) as usize).min(blocks - 1);
        let (c, r) = (block(col, self.blocks.0), block(row, self.blocks.1));
        let left = (c * BLOCK) as f64;
        let block_end = if c + 1 == self.blocks.0 { f64::INFINITY } else { left + BLOCK as f64 };
        let (nodes, origin) = match self.finer.get(&(c, r)) {
            Some(Finer::Exact) => return Segment { end: block_end, line: None },
            Some(Finer::Nodes(nodes)) => (nodes, (left, (r * BLOCK) as f64)),
            None => (&self.coarse, (0.0, 0.0)),
        };
        let (line, cell) = nodes.line(col - origin.0, row - origin.1);
        let cell_end = origin.0 + ((cell + 1) * nodes.spacing) as f64;
        let end = if cell_end < block_end && cell + 2 < nodes.xs.width() { cell_end } else { block_end };
        Segment { end, line: Some(Line { col: line.col + origin.0, ..line }) }
    }

    /// Source coordinates of one position; not finite where it has none.
    pub(super) fn at(&self, col: f64, row: f64) -> (f64, f64) {
        let Some(line) = self.segment(col, row).line else {
            let (mut xs, mut ys) = ([col], [row]);
            self.exact(&mut xs, &mut ys);
            return (xs[0], ys[0]);
        };
        let t = col - line.col;
        (line.start.0 + t * line.step.0, line.start.1 + t * line.step.1)
    }

    /// Positions in the grid become source coordinates by PROJ itself.
    pub(super) fn exact(&self, cols: &mut [f64], rows: &mut [f64]) {
        for (x, y) in cols.iter_mut().zip(rows.iter_mut()) {
            (*x, *y) = self.grid.world(*x, *y);
        }
        let projected = Projection::with_kept(&self.pair.0, &self.pair.1, |projection| projection.forward(cols, rows));
        if projected.is_err() {
            cols.fill(f64::NAN);
        }
    }
}

/// Closer and closer nodes for one block, until they do.
fn refine(mut nodes: Nodes, block: (usize, usize), grid: &Transform, projection: &Projection, tolerance: f64) -> Finer {
    while nodes.is_finite() && nodes.spacing > FINEST {
        let (spacing, side) = (nodes.spacing / 2, 2 * BLOCK / nodes.spacing + 1);
        nodes = Nodes::project(grid, projection, (block.0 * BLOCK, block.1 * BLOCK), (side, side), spacing);
        if nodes.is_finite() && nodes.is_smooth(tolerance) {
            return Finer::Nodes(nodes);
        }
    }
    Finer::Exact
}
