//! Where output pixels lie among the pixels of a source level, and which tiles they touch.

use super::Wanted;
use super::whole::round;
use crate::raster::{Tiling, Window};
use std::ops::Range;

/// Continuous source pixel positions of output pixels: (0.5, 0.5) is the centre of the first source pixel.
#[derive(Debug, Clone, PartialEq)]
pub enum Positions {
    /// Columns depend on the output column alone, rows on the output row alone.
    Separable {
        /// Source column of each output column.
        cols: Vec<f64>,
        /// Source row of each output row.
        rows: Vec<f64>,
    },
    /// Each output pixel has its own position; row by row.
    General {
        /// Output pixels in a row.
        width: usize,
        /// Source columns.
        cols: Vec<f64>,
        /// Source rows.
        rows: Vec<f64>,
    },
}

/// Positions this near to a pixel's edge or centre are meant to be there: what differs is rounding.
const SNAP: f64 = 1e-6;

/// Moves a position that is off an edge or centre by rounding alone onto it.
#[inline]
pub(super) fn snap(position: f64) -> f64 {
    let exact = round(position * 2.0) * 0.5;
    if (position - exact).abs() < SNAP { exact } else { position }
}

impl Positions {
    /// Output columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Separable { cols, .. } => cols.len(),
            Self::General { width, .. } => *width,
        }
    }

    /// Output rows.
    pub fn height(&self) -> usize {
        match self {
            Self::Separable { rows, .. } => rows.len(),
            Self::General { width, rows, .. } => rows.len().checked_div(*width).unwrap_or(0),
        }
    }

    /// Source column and row of one output pixel.
    #[inline]
    pub fn at(&self, row: usize, col: usize) -> (f64, f64) {
        match self {
            Self::Separable { cols, rows } => (cols[col], rows[row]),
            Self::General { width, cols, rows } => (cols[row * width + col], rows[row * width + col]),
        }
    }
}

/// The source pixels that one output pixel takes along one axis: the first, and the weight of the second.
#[inline]
pub(super) fn taps(position: f64) -> (i64, f32) {
    let from_centre = position - 0.5;
    let first = from_centre.floor();
    (first as i64, (from_centre - first) as f32)
}

/// How many source pixels an output pixel takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footprint {
    /// The one it lies in.
    Nearest,
    /// The 2 x 2 around it that have a weight.
    Bilinear,
}

impl Footprint {
    /// First and last source pixel along one axis.
    #[inline]
    fn span(self, position: f64) -> (i64, i64) {
        match self {
            Self::Nearest => (position.floor() as i64, position.floor() as i64),
            Self::Bilinear => {
                let (first, weight) = taps(position);
                (first, if weight > 0.0 { first.saturating_add(1) } else { first })
            }
        }
    }

    /// The source pixels of one output pixel along an axis that lie inside the raster; None where there are none.
    #[inline]
    fn inside(self, position: f64, size: usize) -> Option<(usize, usize)> {
        let (first, last) = self.span(position);
        let (first, last) = (first.max(0), last.min(size as i64 - 1));
        (position.is_finite() && first <= last).then_some((first as usize, last as usize))
    }

    /// The smallest window of the raster that holds all samples of the wanted output pixels; None where they need none.
    pub fn window(self, positions: &Positions, wanted: &Wanted, tiling: &Tiling) -> Option<Window> {
        let (cols, rows) = match positions {
            Positions::Separable { cols, rows } => {
                let any = wanted.any_in_column(0..rows.len());
                let cols = cols.iter().zip(any).filter(|(_, any)| *any).map(|(&x, _)| x);
                let rows = wanted.rows().map(|(row, _)| rows[row]);
                (self.range(cols, tiling.width)?, self.range(rows, tiling.height)?)
            }
            Positions::General { cols, rows, .. } => {
                let [cols, rows] = extent(cols, rows, wanted, tiling)?;
                (self.range(cols, tiling.width)?, self.range(rows, tiling.height)?)
            }
        };
        Some(Window::new(cols.0, rows.0, cols.1 - cols.0 + 1, rows.1 - rows.0 + 1))
    }

    /// First and last source pixel of many positions.
    fn range(self, positions: impl IntoIterator<Item = f64>, size: usize) -> Option<(usize, usize)> {
        let inside = positions.into_iter().filter_map(|position| self.inside(position, size));
        inside.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// The tiles along one axis; empty where nothing lies inside.
    #[inline]
    fn tiles(self, position: f64, size: usize, tile: usize) -> Range<usize> {
        self.inside(position, size).map_or(0..0, |(first, last)| first / tile..last / tile + 1)
    }

    /// Marks the tiles that the wanted output pixels touch. `marks` has one entry per tile.
    pub fn mark_tiles(self, positions: &Positions, wanted: &Wanted, tiling: &Tiling, marks: &mut [bool]) {
        match positions {
            Positions::Separable { cols, rows } => self.mark_separable(cols, rows, wanted, tiling, marks),
            Positions::General { cols, rows, .. } => self.mark_general(cols, rows, wanted, tiling, marks),
        }
    }

    /// Output rows that touch the same tile rows are taken together: per row there is only the mask to be joined.
    fn mark_separable(self, xs: &[f64], ys: &[f64], wanted: &Wanted, tiling: &Tiling, marks: &mut [bool]) {
        let cols: Vec<_> = xs.iter().map(|&x| self.tiles(x, tiling.width, tiling.tile_width)).collect();
        let rows: Vec<_> = ys.iter().map(|&y| self.tiles(y, tiling.height, tiling.tile_height)).collect();
        let mut first = 0;
        for group in rows.chunk_by(PartialEq::eq) {
            let here = first..first + group.len();
            first = here.end;
            if group[0].is_empty() {
                continue;
            }
            for (cols, _) in cols.iter().zip(wanted.any_in_column(here)).filter(|(_, any)| *any) {
                mark(&group[0], cols, tiling, marks);
            }
        }
    }

    /// Neighbours mostly touch the same tile: as long as positions stay inside the last one, nothing is to be done.
    fn mark_general(self, xs: &[f64], ys: &[f64], wanted: &Wanted, tiling: &Tiling, marks: &mut [bool]) {
        // Positions whose samples all lie in one tile along an axis.
        let margin = if self == Self::Nearest { 0.0 } else { 0.5 };
        let within = |tiles: &Range<usize>, tile: usize| {
            let (start, end) = ((tiles.start * tile) as f64, ((tiles.start + 1) * tile) as f64);
            if tiles.len() == 1 { start + margin..end - margin } else { 0.0..0.0 }
        };
        let (mut known_x, mut known_y) = (0.0..0.0, 0.0..0.0);
        for (x, y) in wanted.indices().map(|i| (xs[i], ys[i])) {
            if known_x.contains(&x) && known_y.contains(&y) {
                continue;
            }
            let cols = self.tiles(x, tiling.width, tiling.tile_width);
            let rows = self.tiles(y, tiling.height, tiling.tile_height);
            mark(&rows, &cols, tiling, marks);
            (known_x, known_y) = (within(&cols, tiling.tile_width), within(&rows, tiling.tile_height));
        }
    }
}

fn mark(rows: &Range<usize>, cols: &Range<usize>, tiling: &Tiling, marks: &mut [bool]) {
    for row in rows.clone() {
        marks[row * tiling.across()..][cols.clone()].fill(true);
    }
}

/// The least and greatest source column and row among the wanted positions that can touch the raster.
fn extent(xs: &[f64], ys: &[f64], wanted: &Wanted, tiling: &Tiling) -> Option<[[f64; 2]; 2]> {
    let (mut cols, mut rows) = ([f64::INFINITY, f64::NEG_INFINITY], [f64::INFINITY, f64::NEG_INFINITY]);
    let (width, height) = (tiling.width as f64, tiling.height as f64);
    for (x, y) in wanted.indices().map(|i| (xs[i], ys[i])) {
        // What lies more than half a pixel outside has no sample.
        if (-0.5..=width + 0.5).contains(&x) && (-0.5..=height + 0.5).contains(&y) {
            cols = [cols[0].min(x), cols[1].max(x)];
            rows = [rows[0].min(y), rows[1].max(y)];
        }
    }
    // What touches the raster from outside takes its outermost samples: it counts as lying in them.
    let clamp = |[low, high]: [f64; 2], size: f64| [low.clamp(0.0, size - 0.25), high.clamp(0.0, size - 0.25)];
    (cols[0] <= cols[1] && rows[0] <= rows[1]).then(|| [clamp(cols, width), clamp(rows, height)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILING: Tiling = Tiling { width: 100, height: 60, tile_width: 32, tile_height: 32 };

    fn tiles(footprint: Footprint, x: f64, y: f64) -> Vec<usize> {
        let positions = Positions::Separable { cols: vec![x], rows: vec![y] };
        let mut marks = vec![false; TILING.count()];
        footprint.mark_tiles(&positions, &Wanted::all(1, 1), &TILING, &mut marks);
        (0..marks.len()).filter(|&i| marks[i]).collect()
    }

    #[test]
    fn only_pixels_with_a_weight_are_touched() {
        assert_eq!(tiles(Footprint::Bilinear, 31.5, 10.5), vec![0]);
        assert_eq!(tiles(Footprint::Bilinear, 31.6, 10.5), vec![0, 1]);
        assert_eq!(tiles(Footprint::Bilinear, 32.0, 32.0), vec![0, 1, 4, 5]);
        assert_eq!(tiles(Footprint::Nearest, 32.0, 31.9), vec![1]);
    }

    #[test]
    fn rounding_is_taken_back() {
        assert_eq!([0.5 + 1e-9, -3.0 - 1e-9, 10_979.5 + 1e-8].map(snap), [0.5, -3.0, 10_979.5]);
        assert_eq!([0.25, -1e300, 1e17].map(snap), [0.25, -1e300, 1e17]);
        assert!(snap(f64::NAN).is_nan() && snap(f64::INFINITY).is_infinite());
    }

    #[test]
    fn nothing_outside_is_touched() {
        assert_eq!(tiles(Footprint::Bilinear, -0.6, 10.0), Vec::<usize>::new());
        assert_eq!(tiles(Footprint::Bilinear, -0.4, 10.0), vec![0]);
        assert_eq!(tiles(Footprint::Nearest, 100.0, 10.0), Vec::<usize>::new());
        assert_eq!(tiles(Footprint::Nearest, f64::NAN, 10.0), Vec::<usize>::new());
    }
}
