//! Patches and positions for the benchmarks of the resampler, and the loop that it is compared with.

use bestpixel::raster::{Array, Grid};
use bestpixel::resample::{Patch, Points, Positions};

/// Side of a chunk of output pixels.
pub const SIDE: usize = 512;

/// A patch of noise with clouds of nodata (0), about a tenth of it.
pub fn patch(width: usize, height: usize) -> Patch<'static, u16> {
    let mut state = 1u64;
    let values = (0..width * height).map(|i| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let is_gap = (i % width / 37 + i / width / 23).is_multiple_of(10);
        if is_gap { 0 } else { 1 + (state >> 48) as u16 % 10_000 }
    });
    Patch::new(Array::from_vec(width, height, values.collect()), 0, 0)
}

/// Positions of a chunk at `scale` source pixels to an output pixel, from `offset` on.
pub fn separable(scale: f64, offset: f64) -> Positions {
    let axis: Vec<f64> = (0..SIDE).map(|i| offset + (i as f64 + 0.5) * scale).collect();
    Positions::Separable { cols: axis.clone(), rows: axis }
}

/// All pixels of a grid.
pub fn points(grid: &Grid) -> Points {
    Points { col_off: 0, row_off: 0, width: grid.width, height: grid.height, step: 1 }
}

/// The scalar loop that the fast kernel replaced: each pixel asks for its four samples by itself.
pub fn scalar_bilinear(patch: &Patch<'_, u16>, positions: &Positions, nodata: u16, wanted: &[bool], out: &mut [u16]) {
    let width = positions.width();
    for row in 0..positions.height() {
        for (col, _) in wanted[row * width..(row + 1) * width].iter().enumerate().filter(|(_, wanted)| **wanted) {
            let (x, y) = positions.at(row, col);
            out[row * width + col] = mean_2x2(patch, x, y, nodata).unwrap_or(u16::MAX);
        }
    }
}

fn taps(position: f64) -> (i64, f32) {
    let from_centre = position - 0.5;
    let first = from_centre.floor();
    (first as i64, (from_centre - first) as f32)
}

fn sample(patch: &Patch<'_, u16>, col: i64, row: i64) -> Option<u16> {
    let (col, row) = (col - patch.col_off as i64, row - patch.row_off as i64);
    let inside = col >= 0 && row >= 0 && (col as usize) < patch.array.width() && (row as usize) < patch.array.height();
    inside.then(|| patch.array.row(row as usize)[col as usize])
}

fn mean_2x2(patch: &Patch<'_, u16>, x: f64, y: f64, nodata: u16) -> Option<u16> {
    if !(x.is_finite() && y.is_finite()) {
        return None;
    }
    let ((col, fx), (row, fy)) = (taps(x), taps(y));
    let (mut sum, mut weights) = (0.0f32, 0.0f32);
    for (r, wy) in [(row, 1.0 - fy), (row + 1, fy)] {
        for (c, wx) in [(col, 1.0 - fx), (col + 1, fx)] {
            let weight = wx * wy;
            if let Some(value) = sample(patch, c, r).filter(|&value| value != nodata && weight > 0.0) {
                sum += weight * f32::from(value);
                weights += weight;
            }
        }
    }
    (weights > 0.0).then(|| (sum / weights + 0.5).floor().clamp(1.0, 65534.0) as u16)
}
