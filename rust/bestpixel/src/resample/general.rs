//! One position per output pixel and the samples around them go in, bilinear means come out (rule V1).
//!
//! Three passes over blocks that stay in the first cache: where the four samples lie and what they weigh, the samples
//! themselves (the one pass that a vector unit cannot help), and their mean.

#![expect(clippy::inline_always, reason = "only what is inlined into a level's shell is compiled for that level")]

use super::sample::{NODATA, Patch, Sample, finish};
use super::whole::{floor, integer};
use crate::raster::{Kernel, VectorLevel};

/// Pixels in a block.
const BLOCK: usize = 256;

/// The bilinear means at a run of positions.
pub(super) fn mean<T: Sample>(
    level: VectorLevel,
    patch: &Patch<'_, T>,
    xs: &[f64],
    ys: &[f64],
    nodata: T,
    out: &mut [u16],
) {
    if patch.array.window().is_empty() {
        out.fill(NODATA);
        return;
    }
    for ((out, xs), ys) in out.chunks_mut(BLOCK).zip(xs.chunks(BLOCK)).zip(ys.chunks(BLOCK)) {
        level.run(Block { patch, xs, ys, nodata, out });
    }
}

struct Block<'a, T: Copy> {
    patch: &'a Patch<'a, T>,
    xs: &'a [f64],
    ys: &'a [f64],
    nodata: T,
    out: &'a mut [u16],
}

/// The taps of a block along one axis.
struct Axis {
    places: [[u32; BLOCK]; 2],
    weights: [[f32; BLOCK]; 2],
}

impl Axis {
    /// Taps outside the patch keep a place inside it and get the weight 0; so do those of positions that are no number.
    #[inline(always)]
    fn new(positions: &[f64], offset: usize, size: usize) -> Self {
        let mut axis = Self { places: [[0; BLOCK]; 2], weights: [[0.0; BLOCK]; 2] };
        let (offset, size, last) = (offset as f64, size as f64, size as i32 - 1);
        let ([p0, p1], [w0, w1]) = (&mut axis.places, &mut axis.weights);
        let n = positions.len().min(BLOCK);
        for i in 0..n {
            // `max` turns what is no number into a place outside.
            let from_centre = (positions[i] - 0.5).max(offset - 2.0).min(offset + size + 1.0);
            // As an offset from the patch's first sample.
            let whole = floor(from_centre - offset);
            let weight = (from_centre - (whole + offset)) as f32;
            let first = integer(whole);
            w0[i] = if first >= 0 && first <= last { 1.0 - weight } else { 0.0 };
            w1[i] = if first >= -1 && first < last { weight } else { 0.0 };
            p0[i] = first.clamp(0, last) as u32;
            p1[i] = (first + 1).clamp(0, last) as u32;
        }
        axis
    }

    /// Whether both taps of each position lie inside the patch.
    #[inline(always)]
    fn is_inside(&self, n: usize) -> bool {
        let [first, second] = &self.places;
        let outside = first[..n].iter().zip(&second[..n]).filter(|(first, second)| **second != **first + 1);
        outside.count() == 0
    }
}

/// The samples of a block: upper left, upper right, lower left, lower right.
type Samples<T> = [[T; BLOCK]; 4];

/// Samples whose taps all lie inside the patch: each square is looked up once.
#[inline(always)]
fn squares<T: Sample>(values: &[T], width: usize, cols: &Axis, rows: &Axis, n: usize) -> Samples<T> {
    let mut places = [0; BLOCK];
    for (place, (row, col)) in places.iter_mut().zip(rows.places[0].iter().zip(&cols.places[0])) {
        *place = row.wrapping_mul(width as u32).wrapping_add(*col);
    }
    let mut samples = [[T::default(); BLOCK]; 4];
    for i in 0..n {
        let square = &values[places[i] as usize..][..width + 2];
        samples[0][i] = square[0];
        samples[1][i] = square[1];
        samples[2][i] = square[width];
        samples[3][i] = square[width + 1];
    }
    samples
}

/// Samples wherever their taps are.
#[inline(always)]
fn taps<T: Sample>(values: &[T], width: usize, cols: &Axis, rows: &Axis, n: usize) -> Samples<T> {
    let mut samples = [[T::default(); BLOCK]; 4];
    for i in 0..n {
        let (upper, lower) = (rows.places[0][i] as usize * width, rows.places[1][i] as usize * width);
        let (left, right) = (cols.places[0][i] as usize, cols.places[1][i] as usize);
        for (samples, at) in samples.iter_mut().zip([upper + left, upper + right, lower + left, lower + right]) {
            samples[i] = values[at];
        }
    }
    samples
}

impl<T: Sample> Kernel for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let array = &self.patch.array;
        let cols = Axis::new(self.xs, self.patch.col_off, array.width());
        let rows = Axis::new(self.ys, self.patch.row_off, array.height());
        let (values, width, n) = (array.values(), array.width(), self.out.len().min(BLOCK));
        // Places are counted in 32 bits.
        let is_small = u32::try_from(values.len()).is_ok();
        let samples = if is_small && cols.is_inside(n) && rows.is_inside(n) {
            squares(values, width, &cols, &rows, n)
        } else {
            taps(values, width, &cols, &rows, n)
        };
        let [upper_left, upper_right, lower_left, lower_right] = samples;
        let nodata = self.nodata.to_f32();
        for (i, out) in self.out.iter_mut().enumerate().take(n) {
            let along = |a: f32, b: f32| {
                let wa = if a == nodata { 0.0 } else { cols.weights[0][i] };
                let wb = if b == nodata { 0.0 } else { cols.weights[1][i] };
                (wa * a + wb * b, wa + wb)
            };
            let ((upper, upper_weight), (lower, lower_weight)) = (
                along(upper_left[i].to_f32(), upper_right[i].to_f32()),
                along(lower_left[i].to_f32(), lower_right[i].to_f32()),
            );
            let (u0, u1) = (rows.weights[0][i], rows.weights[1][i]);
            *out = finish(u0 * upper + u1 * lower, u0 * upper_weight + u1 * lower_weight);
        }
    }
}
