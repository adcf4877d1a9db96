//! Wanted ranges go in, fewer and longer reads come out (pure).

use std::ops::Range;

/// Two ranges with at most this between them are read as one: the gap costs less than a round trip.
const MAX_GAP: u64 = 32 * 1024;

/// A read grows no longer than this, so that a failed one is cheap to repeat and reads overlap.
const MAX_READ: u64 = 8 * 1024 * 1024;

/// Groups `ranges` into reads: each is the range to ask for and the indices of the ranges inside it.
/// A range longer than the largest read is a read of its own.
pub fn coalesce(ranges: &[Range<u64>]) -> Vec<(Range<u64>, Vec<usize>)> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_by_key(|&i| (ranges[i].start, ranges[i].end));
    let mut reads: Vec<(Range<u64>, Vec<usize>)> = Vec::new();
    for index in order {
        let range = &ranges[index];
        match reads.last_mut() {
            Some((read, members)) if joins(read, range) => {
                read.end = read.end.max(range.end);
                members.push(index);
            }
            _ => reads.push((range.clone(), vec![index])),
        }
    }
    reads
}

/// Whether `range`, which starts no earlier than `read`, is near enough and leaves the read short enough.
fn joins(read: &Range<u64>, range: &Range<u64>) -> bool {
    let near = range.start <= read.end.saturating_add(MAX_GAP);
    near && (range.end <= read.end || range.end - read.start <= MAX_READ)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_join_and_strangers_do_not() {
        let reads = coalesce(&[100..200, 0..50, 10_000_000..10_000_100, 200..300]);
        assert_eq!(reads, vec![(0..300, vec![1, 0, 3]), (10_000_000..10_000_100, vec![2])]);
    }

    proptest! {
        #[test]
        fn each_range_lies_in_exactly_one_read(starts in prop::collection::vec((0u64..50_000_000, 1u64..2_000_000), 0..60)) {
            let ranges: Vec<_> = starts.iter().map(|&(start, len)| start..start + len).collect();
            let reads = coalesce(&ranges);
            let mut seen = vec![0; ranges.len()];
            for (read, members) in &reads {
                prop_assert!(read.end - read.start <= MAX_READ || members.len() == 1);
                for &i in members {
                    prop_assert!(read.start <= ranges[i].start && ranges[i].end <= read.end);
                    seen[i] += 1;
                }
            }
            prop_assert!(seen.iter().all(|&n| n == 1));
        }
    }
}
