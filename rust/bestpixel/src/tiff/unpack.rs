//! A row of samples of 1 to 16 bits goes in, most significant bit first, and whole numbers come out.
//!
//! Rows start at a byte. Source: TIFF 6.0, section 3 (`BitsPerSample`), and GDAL's NBITS files.

#![expect(clippy::inline_always, reason = "only what is inlined into a level's shell is compiled for that level")]

use super::samples::Source;
use crate::raster::{Kernel, VectorLevel};

/// Fills `row` with the wanted samples of a row of bytes.
pub(crate) fn unpack_row<T: Copy>(bytes: &[u8], source: &Source, row: &mut [T], convert: impl Fn(u16) -> T + Copy) {
    let bits = source.kind.bits();
    let done = if source.stride == 1 { unpack_groups(bytes, bits, row, convert) } else { 0 };
    for (i, to) in row.iter_mut().enumerate().skip(done) {
        *to = convert(sample(bytes, bits, i * source.stride + source.band));
    }
}

/// One sample; bits beyond the row are 0.
fn sample(bytes: &[u8], bits: usize, index: usize) -> u16 {
    let start = index * bits;
    let window = (0..3).fold(0u32, |acc, k| acc << 8 | u32::from(bytes.get(start / 8 + k).copied().unwrap_or(0)));
    (window >> (24 - start % 8 - bits) & ((1 << bits) - 1)) as u16
}

/// Unpacks groups of eight samples, which start at a byte; gives how many samples it has filled.
fn unpack_groups<T: Copy>(bytes: &[u8], bits: usize, row: &mut [T], convert: impl Fn(u16) -> T + Copy) -> usize {
    macro_rules! by_bits {
        ($($bits:literal)*) => {
            match bits {
                $($bits => VectorLevel::best().run(Groups::<T, _, $bits> { bytes, row, convert }),)*
                _ => 0,
            }
        };
    }
    by_bits!(1 2 3 4 5 6 7 9 10 11 12 13 14 15)
}

/// Groups of eight samples. With the width known when compiling, shifts are constants and the samples of a group do not
/// wait for each other.
struct Groups<'a, T, F, const BITS: usize> {
    bytes: &'a [u8],
    row: &'a mut [T],
    convert: F,
}

impl<T: Copy, F: Fn(u16) -> T, const BITS: usize> Kernel for Groups<'_, T, F, BITS> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let mask = (1u64 << BITS) - 1;
        // The second half of a group starts at byte `half`, `skip` bits into it: both halves fit into a word of 64 bits.
        let (half, skip) = (4 * BITS / 8, 4 * BITS % 8);
        let (blocks, _) = self.row.as_chunks_mut::<8>();
        for (i, block) in blocks.iter_mut().enumerate() {
            let start = i * BITS;
            let words = (word(self.bytes, start), word(self.bytes, start + half));
            let (Some(first), Some(second)) = words else { return i * 8 };
            for k in 0..4 {
                block[k] = (self.convert)((first >> (64 - BITS * (k + 1)) & mask) as u16);
                block[k + 4] = (self.convert)((second >> (64 - skip - BITS * (k + 1)) & mask) as u16);
            }
        }
        blocks.len() * 8
    }
}

/// Eight bytes as a number, highest first; None where there are fewer.
#[inline(always)]
fn word(bytes: &[u8], start: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(start..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::super::byte_order::ByteOrder;
    use super::super::samples::SampleType;
    use super::*;
    use proptest::prelude::*;

    /// Bit by bit.
    fn pack(samples: &[u16], bits: usize) -> Vec<u8> {
        let mut bytes = vec![0u8; (samples.len() * bits).div_ceil(8)];
        for (i, sample) in samples.iter().enumerate() {
            for k in 0..bits {
                let at = i * bits + k;
                bytes[at / 8] |= ((sample >> (bits - 1 - k) & 1) as u8) << (7 - at % 8);
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn unpacking_undoes_packing(
            samples in prop::collection::vec(any::<u16>(), 1..120), bits in 1usize..=16, stride in 1usize..4,
        ) {
            let mask = ((1u32 << bits) - 1) as u16;
            let samples: Vec<u16> = samples.iter().map(|v| v & mask).collect();
            let bytes = pack(&samples, bits);
            for band in 0..stride {
                let kind = SampleType::Unsigned(bits as u16);
                let source = Source { kind, order: ByteOrder::Little, stride, band, is_planes: false };
                let mut row = vec![0; samples.len() / stride];
                unpack_row(&bytes, &source, &mut row, |v| v);
                let expected: Vec<u16> = samples.chunks_exact(stride).map(|pixel| pixel[band]).collect();
                prop_assert_eq!(&row, &expected);
            }
        }
    }
}
