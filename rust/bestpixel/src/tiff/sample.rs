//! The types of samples that can be written, and what writing needs of them.

use super::tags::sample_format;

/// An integer that a file may hold.
pub trait Sample: Copy + PartialEq + Send + Sync + Into<i64> + std::fmt::Display + 'static {
    /// As STAC and numpy call it.
    const NAME: &'static str;
    /// Bits of one sample.
    const BITS: u16;
    /// Its sample format, a value of the TIFF tag.
    const FORMAT: u16;

    /// The mean of `count` samples, rounded half up. It fits, since each of them does.
    fn mean(sum: i64, count: i64) -> Self;

    /// Puts a row of samples into little-endian bytes: the first one, then the differences of neighbours (predictor 2).
    fn put_differences(row: &[Self], bytes: &mut [u8]);
}

macro_rules! sample {
    ($type:ty, $name:literal, $format:expr) => {
        impl Sample for $type {
            const NAME: &'static str = $name;
            const BITS: u16 = <$type>::BITS as u16;
            const FORMAT: u16 = $format;

            fn mean(sum: i64, count: i64) -> Self {
                (2 * sum + count).div_euclid(2 * count) as Self
            }

            fn put_differences(row: &[Self], bytes: &mut [u8]) {
                let (places, _) = bytes.as_chunks_mut::<{ size_of::<Self>() }>();
                if let (Some(place), Some(first)) = (places.first_mut(), row.first()) {
                    *place = first.to_le_bytes();
                }
                for (place, pair) in places.iter_mut().skip(1).zip(row.windows(2)) {
                    *place = pair[1].wrapping_sub(pair[0]).to_le_bytes();
                }
            }
        }
    };
}

sample!(u16, "uint16", sample_format::UNSIGNED);
sample!(i32, "int32", sample_format::SIGNED);
