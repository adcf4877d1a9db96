//! A number goes in, the whole number at or below it comes out, by operations that every vector unit has.
//!
//! A cast from a float to an integer saturates in Rust, which vector units cannot do: it is carried out number by number.
//! Adding so large a number that no place is left for fractions rounds to the nearest whole number on any machine; the
//! whole number then stands in the lowest bits of the sum.

#![expect(clippy::inline_always, reason = "only what is inlined into a level's shell is compiled for that level")]

/// 1.5 x 2^52.
const LARGE: f64 = 6_755_399_441_055_744.0;

/// 2^23.
const LARGE_32: f32 = 8_388_608.0;

/// The nearest whole number, for magnitudes below 2^51.
#[inline(always)]
pub(super) fn round(value: f64) -> f64 {
    (value + LARGE) - LARGE
}

/// The largest whole number that is not above `value`, for magnitudes below 2^51.
#[inline(always)]
pub(super) fn floor(value: f64) -> f64 {
    let nearest = round(value);
    nearest - if nearest > value { 1.0 } else { 0.0 }
}

/// A whole number as an integer, where it is one of 32 bits; any integer for others.
#[inline(always)]
pub(super) fn integer(whole: f64) -> i32 {
    (whole + LARGE).to_bits() as i32
}

/// The whole number at or below a value in 0..65536.
#[inline(always)]
pub(super) fn floor_u16(value: f32) -> u16 {
    let nearest = (value + LARGE_32) - LARGE_32;
    let whole = nearest - if nearest > value { 1.0 } else { 0.0 };
    (whole + LARGE_32).to_bits() as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn casts_give_the_same(value in -2_147_483_000.0..2_147_483_000.0f64, small in 0.0..65_535.9f32) {
            for value in [value, value.round(), value.round() + 0.5] {
                prop_assert_eq!(floor(value), value.floor());
                prop_assert_eq!(integer(value.floor()), value.floor() as i32);
            }
            for value in [small, small.round(), small.floor() + 0.5] {
                prop_assert_eq!(floor_u16(value), value.floor() as u16);
            }
        }
    }
}
