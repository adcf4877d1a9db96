//! Which pixels of some output rows are asked for: a mask goes in, runs of columns come out.

use std::ops::Range;

/// The wanted pixels of a window of the output, as runs of columns, row by row. What is made once is used for all bands.
///
/// ```
/// use bestpixel::resample::Wanted;
/// let wanted = Wanted::of_mask(3, &[false, true, true, false, false, false, true, false, true]);
/// assert_eq!(wanted.rows().collect::<Vec<_>>(), [(0, &[1..3][..]), (2, &[0..1, 2..3][..])]);
/// assert_eq!(wanted.cols(), Some(0..3));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Columns of the window.
    width: usize,
    runs: Vec<Range<usize>>,
    /// Where the runs of each row end.
    ends: Vec<usize>,
}

impl Wanted {
    /// Nothing of a window so wide.
    pub fn none(width: usize) -> Self {
        Self { width, runs: Vec::new(), ends: Vec::new() }
    }

    /// Every pixel of a window.
    pub fn all(width: usize, height: usize) -> Self {
        let mut wanted = Self::none(width);
        (0..height).for_each(|row| wanted.add(row, 0..width));
        wanted
    }

    /// What a mask of as many rows as there are wants.
    pub fn of_mask(width: usize, mask: &[bool]) -> Self {
        let mut wanted = Self::none(width);
        for (row, mask) in mask.chunks_exact(width.max(1)).enumerate() {
            let mut col = 0;
            for run in mask.chunk_by(PartialEq::eq) {
                if run[0] {
                    wanted.add(row, col..col + run.len());
                }
                col += run.len();
            }
        }
        wanted
    }

    /// Wants some columns of a row: the last one that has been added to, right of what it has, or one below.
    pub fn add(&mut self, row: usize, cols: Range<usize>) {
        if !cols.is_empty() {
            self.ends.resize(row + 1, self.runs.len());
            self.runs.push(cols);
            self.ends[row] += 1;
        }
    }

    /// Whether no pixel is wanted.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The columns from the first to the last that holds a wanted pixel in any row; None where nothing is wanted.
    pub fn cols(&self) -> Option<Range<usize>> {
        let start = self.runs.iter().map(|run| run.start).min()?;
        let end = self.runs.iter().map(|run| run.end).max()?;
        Some(start..end)
    }

    /// The rows that hold a wanted pixel, with their runs.
    pub fn rows(&self) -> impl Iterator<Item = (usize, &[Range<usize>])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let rows = starts.zip(&self.ends).enumerate().map(|(row, (start, &end))| (row, &self.runs[start..end]));
        rows.filter(|(_, runs)| !runs.is_empty())
    }

    /// For each column whether any of some rows wants it.
    pub(super) fn any_in_column(&self, rows: Range<usize>) -> Vec<bool> {
        let mut any = vec![false; self.width];
        let end = |row: usize| if row == 0 { 0 } else { self.ends[(row - 1).min(self.ends.len() - 1)] };
        if !self.is_empty() {
            self.runs[end(rows.start)..end(rows.end)].iter().for_each(|run| any[run.clone()].fill(true));
        }
        any
    }

    /// The indices of all wanted pixels, counted row by row.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> {
        let width = self.width;
        let of_run = move |row: usize, run: &Range<usize>| row * width + run.start..row * width + run.end;
        self.rows().flat_map(move |(row, runs)| runs.iter().flat_map(move |run| of_run(row, run)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_are_the_mask(width in 1..9usize, mask in prop::collection::vec(any::<bool>(), 0..60)) {
            let mask = &mask[..mask.len() / width * width];
            let wanted = Wanted::of_mask(width, mask);
            let expected: Vec<usize> = (0..mask.len()).filter(|&i| mask[i]).collect();
            prop_assert_eq!(wanted.indices().collect::<Vec<_>>(), expected.clone());
            let cols = expected.iter().map(|i| i % width).min().zip(expected.iter().map(|i| i % width + 1).max());
            prop_assert_eq!(wanted.cols(), cols.map(|(start, end)| start..end));
            let height = mask.len() / width;
            for (start, end) in (0..=height).flat_map(|start| (start..=height).map(move |end| (start, end))) {
                let any = |col: usize| (start..end).any(|row| mask[row * width + col]);
                prop_assert_eq!(wanted.any_in_column(start..end), (0..width).map(any).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn all_is_a_full_mask() {
        assert_eq!(Wanted::all(3, 2), Wanted::of_mask(3, &[true; 6]));
        assert!(Wanted::all(0, 2).is_empty() && Wanted::all(2, 0).is_empty());
    }
}
