//! Rows as they were compressed go in, rows of samples come out; the other way round is `sample.rs`.
//!
//! Predictor 2 stores the first sample of each band and the differences of neighbours; predictor 3 stores the bytes of
//! floating-point samples plane by plane, highest first, and the differences of these bytes. Both run over the whole
//! encoded width of a tile, padding included. Sources: TIFF 6.0, section 14; TIFF Technical Note 3.

use super::byte_order::ByteOrder;
use super::prefix_sum::{sum_u8, sum_u16, sum_u32};

/// Undoes predictor 2 in a row of samples of `size` bytes (1, 2, 4 or 8), `stride` samples to a pixel.
pub(crate) fn undo_horizontal(row: &mut [u8], size: usize, stride: usize, order: ByteOrder) {
    match (size, stride, order) {
        (1, 1, _) => sum_u8(row),
        (2, 1, ByteOrder::Little) => sum_u16(row),
        (4, 1, ByteOrder::Little) => sum_u32(row),
        _ => undo_any(row, size, stride, order),
    }
}

/// The plain loop, for samples side by side and big-endian files.
fn undo_any(row: &mut [u8], size: usize, stride: usize, order: ByteOrder) {
    let step = size * stride;
    let mut start = step;
    while start + size <= row.len() {
        let before = order.unsigned(&row[start - step..start - step + size]);
        let sum = before.wrapping_add(order.unsigned(&row[start..start + size]));
        order.put_unsigned(sum, &mut row[start..start + size]);
        start += size;
    }
}

/// Undoes the differences of predictor 3 in a row; its bytes stay plane by plane.
pub(crate) fn undo_byte_differences(row: &mut [u8], stride: usize) {
    undo_horizontal(row, 1, stride, ByteOrder::Little);
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integrating_undoes_differentiating(original in prop::collection::vec(any::<u16>(), 0..100)) {
            let mut bytes = vec![0; original.len() * 2];
            u16::put_differences(&original, &mut bytes);
            undo_horizontal(&mut bytes, 2, 1, ByteOrder::Little);
            let expected: Vec<u8> = original.iter().flat_map(|v| v.to_le_bytes()).collect();
            prop_assert_eq!(bytes, expected);
        }

        #[test]
        fn fast_rows_equal_the_plain_loop(row in prop::collection::vec(any::<u8>(), 0..300), log in 0usize..4) {
            let size = 1 << log;
            let (mut fast, mut plain) = (row.clone(), row);
            undo_horizontal(&mut fast, size, 1, ByteOrder::Little);
            undo_any(&mut plain, size, 1, ByteOrder::Little);
            prop_assert_eq!(fast, plain);
        }

        #[test]
        fn bands_side_by_side_are_summed_apart(row in prop::collection::vec(any::<[u16; 3]>(), 1..40)) {
            let mut bytes: Vec<u8> = row.iter().flatten().flat_map(|v| v.to_be_bytes()).collect();
            undo_horizontal(&mut bytes, 2, 3, ByteOrder::Big);
            for band in 0..3 {
                let mut sum = 0u16;
                for (i, pixel) in row.iter().enumerate() {
                    sum = sum.wrapping_add(pixel[band]);
                    let at = (i * 3 + band) * 2;
                    prop_assert_eq!(u16::from_be_bytes([bytes[at], bytes[at + 1]]), sum);
                }
            }
        }
    }
}
