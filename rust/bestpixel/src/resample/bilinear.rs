//! The 2 x 2 samples around each wanted position go in, their weighted mean comes out (rule V1).
//!
//! Samples equal to nodata and samples outside the patch take no part and the other weights are renormalised. Sums are in
//! float32: first along the two source rows, then between them. A tap outside the patch keeps an index inside it and
//! gets the weight 0, so that no loop asks where it is.
//!
//! ```text
//! along(row) = (w0 * v[c0] + w1 * v[c1],  w0 + w1)       where a missing sample's weight counts as 0
//! pixel      = (u0 * along(r0).0 + u1 * along(r1).0) / (u0 * along(r0).1 + u1 * along(r1).1)
//! ```

#![expect(clippy::inline_always, reason = "only what is inlined into a level's shell is compiled for that level")]

use super::positions::taps;
use super::sample::{NODATA, Patch, Sample, finish};
use super::{Positions, Wanted, general};
use crate::raster::{Kernel, VectorLevel};
use std::ops::Range;

/// The bilinear mean at each wanted position, handed to `put` in runs: output row, first column, values. [`NODATA`]
/// where no sample with data has a weight.
pub fn bilinear<T: Sample>(
    patch: &Patch<'_, T>,
    positions: &Positions,
    nodata: T,
    wanted: &Wanted,
    put: impl FnMut(usize, usize, &[u16]),
) {
    bilinear_at(VectorLevel::best(), patch, positions, nodata, wanted, put);
}

/// [`bilinear`] on a chosen level, for tests and measurements.
pub fn bilinear_at<T: Sample>(
    level: VectorLevel,
    patch: &Patch<'_, T>,
    positions: &Positions,
    nodata: T,
    wanted: &Wanted,
    mut put: impl FnMut(usize, usize, &[u16]),
) {
    let Some(cols) = wanted.cols() else { return };
    let mut values = vec![NODATA; cols.len()];
    let mut put_row = |row: usize, runs: &[Range<usize>], values: &[u16]| {
        for run in runs {
            put(row, run.start, &values[run.start - cols.start..run.end - cols.start]);
        }
    };
    match positions {
        Positions::Separable { cols: xs, rows: ys } => {
            let mut rows = Rows::new(level, patch, &xs[cols.clone()], nodata);
            for (row, runs) in wanted.rows() {
                rows.mean(ys[row], &mut values);
                put_row(row, runs, &values);
            }
        }
        Positions::General { width, cols: xs, rows: ys } => {
            for (row, runs) in wanted.rows() {
                let here = row * width + cols.start..row * width + cols.end;
                general::mean(level, patch, &xs[here.clone()], &ys[here], nodata, &mut values);
                put_row(row, runs, &values);
            }
        }
    }
}

/// The two samples that one output position takes along one axis: places inside the patch, and weights, 0 outside.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Taps {
    places: [u32; 2],
    weights: [f32; 2],
}

impl Taps {
    /// The taps of a position among `size` samples from `offset` on.
    fn new(position: f64, offset: usize, size: usize) -> Self {
        if !position.is_finite() {
            return Self::default();
        }
        let (first, weight) = taps(position);
        let place = |tap: i64, weight: f32| {
            let place = tap.saturating_sub(offset as i64);
            let inside = (0..size as i64).contains(&place);
            (if inside { place as u32 } else { 0 }, if inside { weight } else { 0.0 })
        };
        let ((first, w0), (second, w1)) = (place(first, 1.0 - weight), place(first.saturating_add(1), weight));
        Self { places: [first, second], weights: [w0, w1] }
    }
}

/// The taps of all output columns, axis by axis.
struct Columns {
    places: [Vec<u32>; 2],
    weights: [Vec<f32>; 2],
    /// Output columns whose taps are neighbours in the patch, column by column: they are read in place.
    run: Range<usize>,
    /// Whether no column takes its second tap: then a row of samples is a row of pixels.
    is_single: bool,
}

impl Columns {
    fn new(positions: &[f64], offset: usize, size: usize) -> Self {
        let taps: Vec<Taps> = positions.iter().map(|&position| Taps::new(position, offset, size)).collect();
        let axis = |i: usize| (taps.iter().map(|t| t.places[i]).collect(), taps.iter().map(|t| t.weights[i]).collect());
        let ((p0, w0), (p1, w1)) = (axis(0), axis(1));
        let is_single = taps.iter().all(|t| t.weights[1] == 0.0 && matches!(t.weights[0], 0.0 | 1.0));
        Self { run: longest_run(&taps, is_single), places: [p0, p1], weights: [w0, w1], is_single }
    }

    /// The samples of one tap for the output columns outside the run; those of the run are left as they are.
    fn gather<T: Copy>(&self, tap: usize, row: &[T], out: &mut [T]) {
        let places = &self.places[tap];
        for part in [0..self.run.start, self.run.end..out.len()] {
            for (value, &place) in out[part.clone()].iter_mut().zip(&places[part]) {
                *value = row[place as usize];
            }
        }
    }
}

/// The longest stretch of columns in which each tap lies one sample further than in the column before.
fn longest_run(taps: &[Taps], is_single: bool) -> Range<usize> {
    let joins = |a: &Taps, b: &Taps| {
        b.places[0] == a.places[0] + 1 && (is_single || b.places[1] == b.places[0] + 1) && b.weights[0] > 0.0
    };
    let starts = |t: &Taps| t.weights[0] > 0.0 && (is_single || t.places[1] == t.places[0] + 1);
    let (mut best, mut start) = (0..0, 0);
    for (i, tap) in taps.iter().enumerate() {
        if i == 0 || !joins(&taps[i - 1], tap) || !starts(&taps[i - 1]) {
            start = i;
        }
        if starts(tap) && i + 1 - start > best.len() {
            best = start..i + 1;
        }
    }
    best
}

/// Output rows one after the other. What has been summed along the last two source rows is kept: the next output row
/// often needs it again.
struct Rows<'a, T: Copy> {
    level: VectorLevel,
    patch: &'a Patch<'a, T>,
    nodata: T,
    columns: Columns,
    scratch: [Vec<T>; 2],
    lines: [Line; 2],
}

/// Sums along one source row, for all output columns.
struct Line {
    row: Option<u32>,
    sums: Vec<f32>,
    weights: Vec<f32>,
}

impl<'a, T: Sample> Rows<'a, T> {
    fn new(level: VectorLevel, patch: &'a Patch<'a, T>, xs: &[f64], nodata: T) -> Self {
        let line = || Line { row: None, sums: vec![0.0; xs.len()], weights: vec![0.0; xs.len()] };
        let columns = Columns::new(xs, patch.col_off, patch.array.width());
        let scratch = [vec![T::default(); xs.len()], vec![T::default(); xs.len()]];
        Self { level, patch, nodata, columns, scratch, lines: [line(), line()] }
    }

    /// The means at one source row position.
    fn mean(&mut self, y: f64, out: &mut [u16]) {
        let Taps { places, weights } = Taps::new(y, self.patch.row_off, self.patch.array.height());
        match (weights[0] > 0.0, weights[1] > 0.0) {
            (false, false) => out.fill(NODATA),
            (true, false) => self.mean_of_one(places[0], weights[0], out),
            (false, true) => self.mean_of_one(places[1], weights[1], out),
            (true, true) => {
                // The lower row is summed first if it takes the place of the upper row's predecessor.
                let upper = self.line(places[0], places[1]);
                let lower = self.line(places[1], places[0]);
                let lines = [&self.lines[upper], &self.lines[lower]];
                self.level.run(Between { lines, weights, out });
            }
        }
    }

    /// The means where only one source row has a weight.
    fn mean_of_one(&mut self, place: u32, weight: f32, out: &mut [u16]) {
        if self.columns.is_single {
            self.copy(place, out);
        } else {
            let line = self.line(place, place);
            self.level.run(Alone { line: &self.lines[line], weight, out });
        }
    }

    /// Each output pixel is one sample.
    fn copy(&mut self, place: u32, out: &mut [u16]) {
        let row = self.patch.array.row(place as usize);
        let Columns { run, places, weights, .. } = &self.columns;
        let [samples, _] = &mut self.scratch;
        self.columns.gather(0, row, samples);
        for part in [0..run.start, run.end..out.len()] {
            let (samples, weights) = (&samples[part.clone()], &weights[0][part.clone()]);
            self.level.run(Direct { samples, weights: Some(weights), nodata: self.nodata, out: &mut out[part] });
        }
        if !run.is_empty() {
            let samples = &row[places[0][run.start] as usize..][..run.len()];
            self.level.run(Direct { samples, weights: None, nodata: self.nodata, out: &mut out[run.clone()] });
        }
    }

    /// The kept sums of a source row, made if need be in place of another row than `keep`.
    fn line(&mut self, row: u32, keep: u32) -> usize {
        if let Some(index) = self.lines.iter().position(|line| line.row == Some(row)) {
            return index;
        }
        let index = usize::from(self.lines[0].row == Some(keep));
        let samples = self.patch.array.row(row as usize);
        let (columns, line) = (&self.columns, &mut self.lines[index]);
        let run = &columns.run;
        let [first, second] = &mut self.scratch;
        columns.gather(0, samples, first);
        columns.gather(1, samples, second);
        let mut sum = |part: Range<usize>, first: &[T], second: &[T]| {
            self.level.run(Along {
                samples: [first, second],
                weights: [&columns.weights[0][part.clone()], &columns.weights[1][part.clone()]],
                nodata: self.nodata.to_f32(),
                sums: &mut line.sums[part.clone()],
                sum_weights: &mut line.weights[part],
            });
        };
        for part in [0..run.start, run.end..first.len()] {
            sum(part.clone(), &first[part.clone()], &second[part]);
        }
        if !run.is_empty() {
            let here = &samples[columns.places[0][run.start] as usize..];
            // Without a second tap there need not be a sample behind the last one.
            let second = if columns.is_single { here } else { &here[1..] };
            sum(run.clone(), &here[..run.len()], &second[..run.len()]);
        }
        line.row = Some(row);
        index
    }
}

/// Sums along one source row.
struct Along<'a, T> {
    samples: [&'a [T]; 2],
    weights: [&'a [f32]; 2],
    nodata: f32,
    sums: &'a mut [f32],
    sum_weights: &'a mut [f32],
}

impl<T: Sample> Kernel for Along<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let n = self.sums.len();
        let (v0, v1) = (&self.samples[0][..n], &self.samples[1][..n]);
        let (w0, w1) = (&self.weights[0][..n], &self.weights[1][..n]);
        let sum_weights = &mut self.sum_weights[..n];
        for i in 0..n {
            let (a, b) = (v0[i].to_f32(), v1[i].to_f32());
            let wa = if a == self.nodata { 0.0 } else { w0[i] };
            let wb = if b == self.nodata { 0.0 } else { w1[i] };
            self.sums[i] = wa * a + wb * b;
            sum_weights[i] = wa + wb;
        }
    }
}

/// Pixels between two source rows.
struct Between<'a> {
    lines: [&'a Line; 2],
    weights: [f32; 2],
    out: &'a mut [u16],
}

impl Kernel for Between<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let ([a, b], n) = (self.weights, self.out.len());
        let (s0, s1) = (&self.lines[0].sums[..n], &self.lines[1].sums[..n]);
        let (w0, w1) = (&self.lines[0].weights[..n], &self.lines[1].weights[..n]);
        for i in 0..n {
            self.out[i] = finish(a * s0[i] + b * s1[i], a * w0[i] + b * w1[i]);
        }
    }
}

/// Pixels on one source row.
struct Alone<'a> {
    line: &'a Line,
    weight: f32,
    out: &'a mut [u16],
}

impl Kernel for Alone<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let n = self.out.len();
        let (sums, weights) = (&self.line.sums[..n], &self.line.weights[..n]);
        for i in 0..n {
            self.out[i] = finish(self.weight * sums[i], self.weight * weights[i]);
        }
    }
}

/// Pixels that are samples; without weights all of them count.
struct Direct<'a, T> {
    samples: &'a [T],
    weights: Option<&'a [f32]>,
    nodata: T,
    out: &'a mut [u16],
}

impl<T: Sample> Kernel for Direct<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (out, &sample) in self.out.iter_mut().zip(self.samples) {
            let value = sample.to_value();
            *out = if sample == self.nodata { NODATA } else { value };
        }
        if let Some(weights) = self.weights {
            for (out, &weight) in self.out.iter_mut().zip(weights) {
                *out = if weight > 0.0 { *out } else { NODATA };
            }
        }
    }
}
