//! The slow truth for tests: one pixel at a time, no tables, the operations in the order that the fast loops keep.

use super::sample::{Patch, Sample, finish};
use super::{Positions, positions::taps};

/// The bilinear mean around each position, row by row.
pub(super) fn bilinear<T: Sample>(patch: &Patch<'_, T>, positions: &Positions, nodata: T) -> Vec<u16> {
    let at = |index: usize| positions.at(index / positions.width(), index % positions.width());
    (0..positions.width() * positions.height()).map(|index| mean_2x2(patch, at(index), nodata)).collect()
}

fn mean_2x2<T: Sample>(patch: &Patch<'_, T>, (x, y): (f64, f64), nodata: T) -> u16 {
    if !(x.is_finite() && y.is_finite()) {
        return super::NODATA;
    }
    let ((col, fx), (row, fy)) = (taps(x), taps(y));
    let along_row = |row: i64| {
        let (mut sum, mut weights) = (0.0f32, 0.0f32);
        for (col, weight) in [(col, 1.0 - fx), (col.saturating_add(1), fx)] {
            if let Some(value) = patch.get(col, row).filter(|&value| value != nodata) {
                sum += weight * value.to_f32();
                weights += weight;
            }
        }
        (sum, weights)
    };
    let ((upper, upper_weight), (lower, lower_weight)) = (along_row(row), along_row(row.saturating_add(1)));
    finish((1.0 - fy) * upper + fy * lower, (1.0 - fy) * upper_weight + fy * lower_weight)
}
