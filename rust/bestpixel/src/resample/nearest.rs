//! The sample in which each position lies comes out (rule V2).

#![expect(clippy::inline_always, reason = "only what is inlined into a level's shell is compiled for that level")]

use super::whole::{floor, integer};
use super::{Patch, Positions};
use crate::raster::{Array, Kernel, VectorLevel, Window};

/// The place of positions outside the patch.
const OUTSIDE: usize = usize::MAX;

/// The sample in which each position lies, `missing` outside the patch. An edge belongs to the pixel right of or below
/// it.
pub fn nearest<T: Copy>(patch: &Patch<'_, T>, positions: &Positions, missing: T) -> Array<T> {
    match positions {
        Positions::Separable { cols, rows } => separable(patch, cols, rows, missing),
        Positions::General { width, cols, rows } => general(patch, *width, cols, rows, missing),
    }
}

/// The index of the sample at a position among `size` samples from `offset` on.
#[inline]
fn place(position: f64, offset: usize, size: usize) -> usize {
    // Cut as floor would: what lies left of the first sample, or is no number, is asked for before.
    let from_first = position - offset as f64;
    if from_first >= 0.0 && from_first < size as f64 { from_first as usize } else { OUTSIDE }
}

fn separable<T: Copy>(patch: &Patch<'_, T>, cols: &[f64], rows: &[f64], missing: T) -> Array<T> {
    let mut out = Array::filled(cols.len(), rows.len(), missing);
    let cols: Vec<usize> = cols.iter().map(|&x| place(x, patch.col_off, patch.array.width())).collect();
    // Where the output has the source's pixels, a row is copied as it is.
    let is_run = cols.windows(2).all(|pair| pair[0] != OUTSIDE && pair[1] == pair[0] + 1);
    let mut last = None;
    for (row, &y) in rows.iter().enumerate() {
        let source_row = place(y, patch.row_off, patch.array.height());
        if source_row == OUTSIDE {
            // The row above the next one is a missing one: not to be copied.
            last = None;
            continue;
        }
        if last == Some(source_row) {
            let above = (row - 1) * cols.len()..row * cols.len();
            out.values_mut().copy_within(above, row * cols.len());
            continue;
        }
        last = Some(source_row);
        let source = patch.array.row(source_row);
        let run = cols.first().filter(|_| is_run).and_then(|&first| source.get(first..)?.get(..cols.len()));
        if let Some(run) = run {
            out.row_mut(row).copy_from_slice(run);
        } else {
            for (value, &col) in out.row_mut(row).iter_mut().zip(&cols) {
                *value = source.get(col).copied().unwrap_or(missing);
            }
        }
    }
    out
}

fn general<T: Copy>(patch: &Patch<'_, T>, width: usize, cols: &[f64], rows: &[f64], missing: T) -> Array<T> {
    let source = patch.array.values();
    let mut values = Vec::with_capacity(cols.len());
    let mut places = [0; BLOCK];
    for (xs, ys) in cols.chunks(BLOCK).zip(rows.chunks(BLOCK)) {
        VectorLevel::best().run(Places { patch: &patch.window(), xs, ys, out: &mut places });
        values.extend(places[..xs.len()].iter().map(|&place| source.get(place).copied().unwrap_or(missing)));
    }
    Array::from_vec(width, values.len().checked_div(width).unwrap_or(0), values)
}

/// Positions that are looked up at a time.
const BLOCK: usize = 256;

/// The indices of samples among all of a patch.
struct Places<'a> {
    patch: &'a Window,
    xs: &'a [f64],
    ys: &'a [f64],
    out: &'a mut [usize; BLOCK],
}

impl Kernel for Places<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Window { col_off, row_off, width, height } = *self.patch;
        for ((to, &x), &y) in self.out.iter_mut().zip(self.xs).zip(self.ys) {
            // Comparisons are false for what is no number.
            let (col, row) = (x - col_off as f64, y - row_off as f64);
            let is_inside = (0.0..width as f64).contains(&col) && (0.0..height as f64).contains(&row);
            let [row, col] = [row, col].map(|position| integer(floor(position)) as usize);
            let place = row.wrapping_mul(width).wrapping_add(col);
            *to = if is_inside { place } else { OUTSIDE };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slow(patch: &Patch<'_, u8>, (x, y): (f64, f64)) -> u8 {
        let is_number = x.is_finite() && y.is_finite();
        is_number.then(|| patch.get(x.floor() as i64, y.floor() as i64)).flatten().unwrap_or(99)
    }

    fn axis() -> impl Strategy<Value = Vec<f64>> {
        let steps = (-3.0..12.0f64, prop_oneof![Just(1.0), Just(0.5), Just(2.0), -1.5..3.0f64], 0..9usize);
        let line = steps.prop_map(|(start, step, n)| (0..n).map(|i| start + step * i as f64).collect());
        let odd = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(1e300), Just(-1e300), -3.0..12.0f64];
        prop_oneof![line, prop::collection::vec(odd, 0..9)]
    }

    proptest! {
        #[test]
        fn each_position_gets_its_sample(cols in axis(), rows in axis(), off in 0..5usize) {
            let array = Array::from_vec(5, 4, (0..20).collect());
            let patch = Patch::new(array, off, 2);
            let positions = Positions::Separable { cols: cols.clone(), rows: rows.clone() };
            let out = nearest(&patch, &positions, 99);
            let all: Vec<(f64, f64)> = rows.iter().flat_map(|&y| cols.iter().map(move |&x| (x, y))).collect();
            let expected: Vec<u8> = all.iter().map(|&at| slow(&patch, at)).collect();
            prop_assert_eq!(out.values(), &expected[..]);
            let (xs, ys) = all.into_iter().unzip();
            let general = Positions::General { width: cols.len(), cols: xs, rows: ys };
            let out = nearest(&patch, &general, 99);
            prop_assert_eq!(out.values(), &expected[..]);
        }
    }
}
