//! Where output pixels lie among the pixels of a source level, and which tiles they touch.

use crate::raster::{Tiling, Window};

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
pub(crate) fn snap(position: f64) -> f64 {
    let exact = (position * 2.0).round() / 2.0;
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
pub(crate) fn taps(position: f64) -> (i64, f32) {
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
                (first, if weight > 0.0 { first + 1 } else { first })
            }
        }
    }

    /// The smallest window of the raster that holds all samples of the wanted output pixels; None where they need none.
    pub fn window(self, positions: &Positions, wanted: &[bool], tiling: &Tiling) -> Option<Window> {
        let width = positions.width();
        let (mut cols, mut rows) = ((i64::MAX, i64::MIN), (i64::MAX, i64::MIN));
        let extend = |range: &mut (i64, i64), position: f64, size: usize| {
            let (first, last) = self.span(position);
            let (first, last) = (first.max(0), last.min(size as i64 - 1));
            if position.is_finite() && first <= last {
                *range = (range.0.min(first), range.1.max(last));
            }
        };
        for row in 0..positions.height() {
            for (col, _) in wanted[row * width..(row + 1) * width].iter().enumerate().filter(|(_, wanted)| **wanted) {
                let (x, y) = positions.at(row, col);
                extend(&mut cols, x, tiling.width);
                extend(&mut rows, y, tiling.height);
            }
        }
        let size = |(first, last): (i64, i64)| usize::try_from(last - first + 1).ok();
        (cols.0 <= cols.1 && rows.0 <= rows.1)
            .then(|| Some(Window::new(cols.0 as usize, rows.0 as usize, size(cols)?, size(rows)?)))
            .flatten()
    }

    /// Marks the tiles that the wanted output pixels touch. `wanted` has one entry per position, `marks` one per tile.
    pub fn mark_tiles(self, positions: &Positions, wanted: &[bool], tiling: &Tiling, marks: &mut [bool]) {
        let width = positions.width();
        // Tiles along one axis, clamped to the raster; empty where nothing lies inside.
        let along = |position: f64, size: usize, tile: usize| {
            let (first, last) = self.span(position);
            let (first, last) = (first.max(0), last.min(size as i64 - 1));
            if position.is_finite() && first <= last { first as usize / tile..last as usize / tile + 1 } else { 0..0 }
        };
        let cols = |position| along(position, tiling.width, tiling.tile_width);
        let rows = |position| along(position, tiling.height, tiling.tile_height);
        let mut mark = |rows: std::ops::Range<usize>, cols: &std::ops::Range<usize>| {
            for row in rows {
                for col in cols.clone() {
                    marks[row * tiling.across() + col] = true;
                }
            }
        };
        match positions {
            Positions::Separable { cols: xs, rows: ys } => {
                let xs: Vec<_> = xs.iter().map(|&x| cols(x)).collect();
                for (row, &y) in ys.iter().enumerate() {
                    let row_tiles = rows(y);
                    for (col_tiles, _) in xs.iter().zip(&wanted[row * width..]).filter(|(_, wanted)| **wanted) {
                        mark(row_tiles.clone(), col_tiles);
                    }
                }
            }
            Positions::General { cols: xs, rows: ys, .. } => {
                for ((&x, &y), _) in xs.iter().zip(ys).zip(wanted).filter(|(_, wanted)| **wanted) {
                    mark(rows(y), &cols(x));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILING: Tiling = Tiling { width: 100, height: 60, tile_width: 32, tile_height: 32 };

    fn tiles(footprint: Footprint, x: f64, y: f64) -> Vec<usize> {
        let positions = Positions::Separable { cols: vec![x], rows: vec![y] };
        let mut marks = vec![false; TILING.count()];
        footprint.mark_tiles(&positions, &[true], &TILING, &mut marks);
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
    fn nothing_outside_is_touched() {
        assert_eq!(tiles(Footprint::Bilinear, -0.6, 10.0), Vec::<usize>::new());
        assert_eq!(tiles(Footprint::Bilinear, -0.4, 10.0), vec![0]);
        assert_eq!(tiles(Footprint::Nearest, 100.0, 10.0), Vec::<usize>::new());
        assert_eq!(tiles(Footprint::Nearest, f64::NAN, 10.0), Vec::<usize>::new());
    }
}
