//! Kernels that take more than 2 x 2 samples: a method, samples and positions go in, output pixels come out.
//!
//! They are for resampling that is not on the hot path, so they are written plainly, pixel by pixel. Values are rounded
//! and clamped as by [`bilinear`].

use super::positions::taps;
use super::sample::{NODATA, Patch, Sample, finish};
use super::{Positions, Wanted, bilinear};

/// How reflectance is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The 2 x 2 samples around the position (rule V1).
    Bilinear,
    /// The 4 x 4 samples around it by cubic convolution; where one of them is missing, bilinear.
    ///
    /// # Source
    /// Keys, R. G. (1981), Cubic convolution interpolation for digital image processing, IEEE Transactions on Acoustics,
    /// Speech, and Signal Processing 29(6), 1153-1160; a = -1/2.
    Cubic,
    /// All samples that the output pixel covers, by the area that it covers of each; missing ones take no part. What it
    /// covers is the box whose corners are the images of its upper left and lower right corner.
    Average,
}

/// Resamples the wanted pixels by a method; arguments as of [`bilinear`].
pub fn resample<T: Sample>(
    method: Method,
    patch: &Patch<'_, T>,
    positions: &Positions,
    nodata: T,
    wanted: &Wanted,
    mut put: impl FnMut(usize, usize, &[u16]),
) {
    let pixel = match method {
        Method::Bilinear => return bilinear(patch, positions, nodata, wanted, put),
        Method::Cubic => |patch: &Patch<'_, T>, positions: &Positions, at: (usize, usize), nodata: T, bilinear: u16| {
            cubic(patch, positions.at(at.0, at.1), nodata).unwrap_or(bilinear)
        },
        Method::Average => |patch: &Patch<'_, T>, positions: &Positions, at: (usize, usize), nodata: T, _: u16| {
            average(patch, positions, at, nodata)
        },
    };
    let mut run = Vec::new();
    bilinear(patch, positions, nodata, wanted, |row, col, values| {
        run.clear();
        let pixels = values.iter().enumerate();
        run.extend(pixels.map(|(i, &value)| pixel(patch, positions, (row, col + i), nodata, value)));
        put(row, col, &run);
    });
}

/// Cubic convolution; None where a sample is missing.
fn cubic<T: Sample>(patch: &Patch<'_, T>, (x, y): (f64, f64), nodata: T) -> Option<u16> {
    if !(x.is_finite() && y.is_finite()) {
        return None;
    }
    let ((col, fx), (row, fy)) = (taps(x), taps(y));
    let (wx, wy) = (cubic_weights(fx), cubic_weights(fy));
    let mut sum = 0.0f32;
    for (r, wy) in (row.saturating_sub(1)..).zip(wy) {
        let mut along = 0.0f32;
        for (c, wx) in (col.saturating_sub(1)..).zip(wx) {
            along += wx * patch.get(c, r).filter(|&value| value != nodata)?.to_f32();
        }
        sum += wy * along;
    }
    Some(finish(sum, 1.0))
}

/// Weights of the four samples around a position that lies `t` behind the second of them.
fn cubic_weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t + t2 - 0.5 * t3, 1.0 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2.0 * t2 - 1.5 * t3, -0.5 * t2 + 0.5 * t3]
}

/// The mean over the box that an output pixel covers.
fn average<T: Sample>(patch: &Patch<'_, T>, positions: &Positions, at: (usize, usize), nodata: T) -> u16 {
    let (x, y) = positions.at(at.0, at.1);
    let (width, height) = extent(positions, at);
    if ![x, y, width, height].iter().all(|v| v.is_finite()) {
        return NODATA;
    }
    let cols = overlaps(x, width, patch.col_off, patch.array.width());
    let (mut sum, mut weights) = (0.0f64, 0.0f64);
    for (row, wy) in overlaps(y, height, patch.row_off, patch.array.height()) {
        let samples = patch.array.row(row);
        for (col, wx) in cols.clone().filter(|&(col, _)| samples[col] != nodata) {
            sum += wx * wy * f64::from(samples[col].to_f32());
            weights += wx * wy;
        }
    }
    if weights > 0.0 { finish((sum / weights) as f32, 1.0) } else { NODATA }
}

/// Indices in the patch of the samples that an interval covers, and the length it covers of each.
fn overlaps(centre: f64, length: f64, offset: usize, size: usize) -> impl Iterator<Item = (usize, f64)> + Clone {
    let start = (centre - length / 2.0 - offset as f64).clamp(0.0, size as f64);
    let end = (centre + length / 2.0 - offset as f64).clamp(0.0, size as f64);
    (start.floor() as usize..end.ceil() as usize).map(move |i| (i, end.min(i as f64 + 1.0) - start.max(i as f64)))
}

/// Width and height in source pixels of the box that an output pixel covers, from the positions beside it.
fn extent(positions: &Positions, (row, col): (usize, usize)) -> (f64, f64) {
    let (x, y) = positions.at(row, col);
    // Of the two neighbours on an axis the nearer one counts: the other may lie beyond an edge of the CRS.
    let nearer = |neighbours: [Option<(f64, f64)>; 2]| {
        let [before, after] = neighbours;
        let differences = [before.map(|(bx, by)| (x - bx, y - by)), after.map(|(ax, ay)| (ax - x, ay - y))];
        let near = differences.into_iter().flatten().filter(|(dx, dy)| dx.is_finite() && dy.is_finite());
        near.min_by(|a, b| a.0.hypot(a.1).total_cmp(&b.0.hypot(b.1))).unwrap_or((0.0, 0.0))
    };
    let beside = |step: usize| (col + step).checked_sub(1).filter(|&c| c < positions.width());
    let above = |step: usize| (row + step).checked_sub(1).filter(|&r| r < positions.height());
    let along_row = nearer([0, 2].map(|step| beside(step).map(|col| positions.at(row, col))));
    let down = nearer([0, 2].map(|step| above(step).map(|row| positions.at(row, col))));
    // A grid of a single row or column has no neighbours: it takes the sample that it lies in.
    ((along_row.0 + down.0).abs().max(1e-6), (along_row.1 + down.1).abs().max(1e-6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Array;

    /// Values that rise by 10 to the right and by 100 downwards, from 1000 on.
    fn ramp() -> Patch<'static, u16> {
        let values = (0..64).map(|i| 1000 + i % 8 * 10 + i / 8 * 100).collect();
        Patch::new(Array::from_vec(8, 8, values), 0, 0)
    }

    fn at(method: Method, patch: &Patch<'_, u16>, cols: &[f64], rows: &[f64]) -> Vec<u16> {
        let positions = Positions::Separable { cols: cols.to_vec(), rows: rows.to_vec() };
        let mut out = Vec::new();
        let wanted = Wanted::all(cols.len(), rows.len());
        resample(method, patch, &positions, 0, &wanted, |_, _, values| out.extend_from_slice(values));
        out
    }

    #[test]
    fn a_plane_stays_a_plane() {
        assert_eq!(at(Method::Cubic, &ramp(), &[2.9, 4.5], &[3.3, 4.0]), [1304, 1320, 1374, 1390]);
        assert_eq!(at(Method::Average, &ramp(), &[2.0, 5.0], &[2.0, 5.0]), [1165, 1195, 1465, 1495]);
    }

    #[test]
    fn missing_samples_take_no_part() {
        let mut patch = ramp();
        patch.array.to_mut().row_mut(3)[3] = 0;
        let bilinear = at(Method::Bilinear, &patch, &[4.0], &[4.25]);
        assert_eq!(at(Method::Cubic, &patch, &[4.0], &[4.25]), bilinear);
        assert_eq!(at(Method::Average, &patch, &[4.0, 6.0], &[4.0, 6.0])[..2], [1403, 1405]);
    }

    #[test]
    fn one_pixel_and_none() {
        assert_eq!(at(Method::Average, &ramp(), &[2.5], &[1.5]), [1120]);
        assert_eq!(at(Method::Average, &ramp(), &[-9.0, f64::NAN], &[1.5]), [NODATA, NODATA]);
    }
}
