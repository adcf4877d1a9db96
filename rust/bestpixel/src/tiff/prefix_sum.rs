//! A row of little-endian numbers goes in, its wrapping prefix sums come out, in place.
//!
//! A plain loop waits for each sum before it starts the next. On `x86_64`, where every processor has SSE2, a block of 16
//! bytes is summed by shifting it over itself, and only the carry from block to block waits: no run-time choice,
//! the same numbers.

macro_rules! plain_sum {
    ($name:ident, $t:ty) => {
        /// The plain loop: what is left of a row after its whole blocks, and other processors.
        fn $name(row: &mut [u8], mut carry: $t) {
            let (values, _) = row.as_chunks_mut::<{ size_of::<$t>() }>();
            for value in values {
                carry = carry.wrapping_add(<$t>::from_le_bytes(*value));
                *value = carry.to_le_bytes();
            }
        }
    };
}
plain_sum!(plain_u8, u8);
plain_sum!(plain_u16, u16);
plain_sum!(plain_u32, u32);

#[cfg(not(target_arch = "x86_64"))]
mod blocks {
    pub(super) fn sum_u8(row: &mut [u8]) -> (&mut [u8], u8) {
        (row, 0)
    }
    pub(super) fn sum_u16(row: &mut [u8]) -> (&mut [u8], u16) {
        (row, 0)
    }
    pub(super) fn sum_u32(row: &mut [u8]) -> (&mut [u8], u32) {
        (row, 0)
    }
}

#[cfg(target_arch = "x86_64")]
mod blocks {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_add_epi16, _mm_add_epi32, _mm_cvtsi128_si32, _mm_cvtsi128_si64, _mm_set_epi64x,
        _mm_set1_epi8, _mm_setzero_si128, _mm_shuffle_epi32, _mm_shufflehi_epi16, _mm_slli_si128, _mm_srli_si128,
        _mm_unpackhi_epi64,
    };

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(bytes: [u8; 16]) -> __m128i {
        let value = u128::from_le_bytes(bytes);
        _mm_set_epi64x((value >> 64) as i64, value as i64)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn store(value: __m128i) -> [u8; 16] {
        let low = _mm_cvtsi128_si64(value) as u64;
        let high = _mm_cvtsi128_si64(_mm_unpackhi_epi64(value, value)) as u64;
        (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
    }

    macro_rules! block_sum {
        ($name:ident, $t:ty, $add:ident, [$($shift:literal),*], $sums:ident => $last:expr) => {
            /// Sums the whole blocks; gives the rest of the row and the sum before it.
            #[expect(unsafe_code, reason = "a function with a target feature is called from one without")]
            pub(super) fn $name(row: &mut [u8]) -> (&mut [u8], $t) {
                #[target_feature(enable = "sse2")]
                fn run(blocks: &mut [[u8; 16]]) -> $t {
                    let mut carry = _mm_setzero_si128();
                    for block in blocks {
                        let mut $sums = load(*block);
                        $($sums = $add($sums, _mm_slli_si128::<$shift>($sums));)*
                        *block = store($add($sums, carry));
                        carry = $add(carry, $last);
                    }
                    _mm_cvtsi128_si32(carry) as $t
                }
                let (blocks, rest) = row.as_chunks_mut::<16>();
                // SAFETY: `run` needs SSE2 and nothing else, and every x86_64 processor has it.
                let carry = unsafe { run(blocks) };
                (rest, carry)
            }
        };
    }
    block_sum!(sum_u8, u8, _mm_add_epi8, [1, 2, 4, 8], sums => {
        _mm_set1_epi8(_mm_cvtsi128_si32(_mm_srli_si128::<15>(sums)) as i8)
    });
    block_sum!(sum_u16, u16, _mm_add_epi16, [2, 4, 8], sums => {
        _mm_shuffle_epi32::<0xff>(_mm_shufflehi_epi16::<0xff>(sums))
    });
    block_sum!(sum_u32, u32, _mm_add_epi32, [4, 8], sums => _mm_shuffle_epi32::<0xff>(sums));
}

/// Sums bytes.
pub(crate) fn sum_u8(row: &mut [u8]) {
    let (rest, carry) = blocks::sum_u8(row);
    plain_u8(rest, carry);
}

/// Sums pairs of bytes.
pub(crate) fn sum_u16(row: &mut [u8]) {
    let (rest, carry) = blocks::sum_u16(row);
    plain_u16(rest, carry);
}

/// Sums groups of four bytes.
pub(crate) fn sum_u32(row: &mut [u8]) {
    let (rest, carry) = blocks::sum_u32(row);
    plain_u32(rest, carry);
}
