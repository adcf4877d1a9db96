//! A mask of wanted pixels goes in, the columns and runs that hold them come out.

use std::ops::Range;

/// The columns from the first to the last that holds a wanted pixel in any row; None where nothing is wanted.
pub(super) fn hull(wanted: &[bool], width: usize) -> Option<Range<usize>> {
    let any = any_in_column(wanted, width);
    let first = any.iter().position(|&wanted| wanted)?;
    let last = any.iter().rposition(|&wanted| wanted)?;
    Some(first..last + 1)
}

/// For each column whether any row wants it.
pub(super) fn any_in_column(wanted: &[bool], width: usize) -> Vec<bool> {
    let mut any = vec![false; width];
    for row in wanted.chunks_exact(width.max(1)) {
        for (any, &wanted) in any.iter_mut().zip(row) {
            *any |= wanted;
        }
    }
    any
}

/// The runs of wanted pixels in a row.
pub(super) fn spans(wanted: &[bool]) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = next + wanted[next..].iter().position(|&wanted| wanted)?;
        let end = wanted[start..].iter().position(|&wanted| !wanted).map_or(wanted.len(), |length| start + length);
        next = end;
        Some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_the_wanted_pixels() {
        let wanted = [false, true, true, false, true];
        assert_eq!(spans(&wanted).collect::<Vec<_>>(), vec![1..3, 4..5]);
        assert_eq!(spans(&[]).count() + spans(&[false]).count(), 0);
    }

    #[test]
    fn the_hull_spans_all_rows() {
        assert_eq!(hull(&[false, false, true, false, false, true, false, false], 4), Some(1..3));
        assert_eq!(hull(&[false; 8], 4), None);
        assert_eq!(hull(&[], 0), None);
    }
}
