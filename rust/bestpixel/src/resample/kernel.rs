//! The samples around each position go in, one value per output pixel comes out (rules V1 and V2).

use super::Positions;
use super::positions::taps;
use crate::raster::Array;

/// Decoded samples of a part of a level. What lies outside is treated as missing.
#[derive(Debug)]
pub struct Patch<T> {
    /// The samples.
    pub array: Array<T>,
    /// Column of the first sample in the level.
    pub col_off: usize,
    /// Row of the first sample in the level.
    pub row_off: usize,
}

impl<T: Copy> Patch<T> {
    /// A sample by its column and row in the level.
    #[inline]
    fn get(&self, col: i64, row: i64) -> Option<T> {
        let (col, row) = (col - self.col_off as i64, row - self.row_off as i64);
        let inside =
            col >= 0 && row >= 0 && (col as usize) < self.array.width() && (row as usize) < self.array.height();
        inside.then(|| self.array.row(row as usize)[col as usize])
    }
}

/// The sample in which each position lies, `missing` outside the patch. An edge belongs to the pixel right of or below
/// it.
pub fn nearest<T: Copy>(patch: &Patch<T>, positions: &Positions, missing: T) -> Array<T> {
    let (width, height) = (positions.width(), positions.height());
    let mut out = Array::filled(width, height, missing);
    for row in 0..height {
        for (col, value) in out.row_mut(row).iter_mut().enumerate() {
            let (x, y) = positions.at(row, col);
            if x.is_finite() && y.is_finite() {
                *value = patch.get(x.floor() as i64, y.floor() as i64).unwrap_or(missing);
            }
        }
    }
    out
}

/// The bilinear mean of the 2 x 2 samples around each wanted position, handed to `set` with the output row and column.
///
/// Samples equal to `nodata` and samples outside the patch take no part and the other weights are renormalised; `None`
/// where nothing is left. Sums are in float32, the result is rounded half up and clamped to 1..=65534 (rule V1).
pub fn bilinear(
    patch: &Patch<u16>,
    positions: &Positions,
    nodata: u16,
    wanted: &[bool],
    mut set: impl FnMut(usize, usize, Option<u16>),
) {
    let width = positions.width();
    for row in 0..positions.height() {
        for (col, _) in wanted[row * width..(row + 1) * width].iter().enumerate().filter(|(_, wanted)| **wanted) {
            let (x, y) = positions.at(row, col);
            set(row, col, mean_2x2(patch, x, y, nodata));
        }
    }
}

#[inline]
fn mean_2x2(patch: &Patch<u16>, x: f64, y: f64, nodata: u16) -> Option<u16> {
    if !(x.is_finite() && y.is_finite()) {
        return None;
    }
    let ((col, fx), (row, fy)) = (taps(x), taps(y));
    let (mut sum, mut weights) = (0.0f32, 0.0f32);
    for (r, wy) in [(row, 1.0 - fy), (row + 1, fy)] {
        for (c, wx) in [(col, 1.0 - fx), (col + 1, fx)] {
            let weight = wx * wy;
            if let Some(value) = patch.get(c, r).filter(|&value| value != nodata && weight > 0.0) {
                sum += weight * f32::from(value);
                weights += weight;
            }
        }
    }
    (weights > 0.0).then(|| (sum / weights + 0.5).floor().clamp(1.0, 65534.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 20
    /// 30  0
    fn patch() -> Patch<u16> {
        Patch { array: Array::from_vec(2, 2, vec![10, 20, 30, 0]), col_off: 4, row_off: 7 }
    }

    fn at(x: f64, y: f64) -> Option<u16> {
        let mut out = None;
        let positions = Positions::Separable { cols: vec![x], rows: vec![y] };
        bilinear(&patch(), &positions, 0, &[true], |_, _, value| out = value);
        out
    }

    #[test]
    fn a_centre_gives_its_own_sample() {
        assert_eq!(at(4.5, 7.5), Some(10));
        assert_eq!(at(5.5, 7.5), Some(20));
    }

    #[test]
    fn nodata_takes_no_part() {
        assert_eq!(at(5.0, 8.0), Some(20));
        assert_eq!(at(5.5, 8.5), None);
        assert_eq!(at(5.5, 8.4), Some(20));
    }

    #[test]
    fn halves_are_rounded_up() {
        assert_eq!(at(4.55, 7.5), Some(11));
    }

    #[test]
    fn outside_is_missing() {
        assert_eq!(at(4.0, 7.5), Some(10));
        assert_eq!(at(3.5, 7.5), None);
        assert_eq!(at(f64::NAN, 7.5), None);
        let positions = Positions::Separable { cols: vec![3.9, 4.0, 5.0, 6.0], rows: vec![7.0] };
        assert_eq!(nearest(&patch(), &positions, 99).values(), [99, 10, 20, 99]);
    }
}
