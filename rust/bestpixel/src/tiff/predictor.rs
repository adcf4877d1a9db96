//! Predictor 2: each row is stored as its first sample and the differences of neighbours.
//!
//! It runs over the whole encoded width of a tile, padding included. Source: TIFF 6.0, section 14.

/// Sums the differences of each row of `width` samples, in place.
pub(crate) fn integrate<T: Copy + WrappingAdd>(samples: &mut [T], width: usize) {
    for row in samples.chunks_exact_mut(width) {
        for i in 1..row.len() {
            row[i] = row[i].wrapping_add(row[i - 1]);
        }
    }
}

/// Takes the differences of each row of `width` samples, in place.
pub(crate) fn differentiate<T: Copy + WrappingAdd>(samples: &mut [T], width: usize) {
    for row in samples.chunks_exact_mut(width) {
        for i in (1..row.len()).rev() {
            row[i] = row[i].wrapping_sub(row[i - 1]);
        }
    }
}

/// Integers that wrap around.
pub(crate) trait WrappingAdd {
    fn wrapping_add(self, other: Self) -> Self;
    fn wrapping_sub(self, other: Self) -> Self;
}

macro_rules! wrapping {
    ($($t:ty),*) => {$(
        impl WrappingAdd for $t {
            fn wrapping_add(self, other: Self) -> Self { <$t>::wrapping_add(self, other) }
            fn wrapping_sub(self, other: Self) -> Self { <$t>::wrapping_sub(self, other) }
        }
    )*};
}
wrapping!(u8, u16);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integrating_undoes_differentiating(rows in prop::collection::vec(prop::array::uniform7(any::<u16>()), 1..5)) {
            let original: Vec<u16> = rows.concat();
            let mut samples = original.clone();
            differentiate(&mut samples, 7);
            integrate(&mut samples, 7);
            prop_assert_eq!(samples, original);
        }
    }
}
