//! `PackBits` (compression 32773): runs of one byte and literal bytes, each behind a signed length.
//!
//! Source: TIFF 6.0, section 9.

use super::{Outcome, short};

/// Fills `output`; the reason where the stream does not.
pub(crate) fn decompress(mut input: &[u8], output: &mut [u8]) -> Outcome {
    let wanted = output.len();
    let mut filled = 0;
    while filled < wanted {
        let Some((&head, rest)) = input.split_first() else { return Err(short("PackBits", filled, wanted)) };
        input = rest;
        let free = &mut output[filled..];
        filled += match head as i8 {
            // -128 means nothing.
            -128 => 0,
            length @ 0.. => {
                let length = length as usize + 1;
                let Some((literal, rest)) = input.split_at_checked(length) else {
                    return Err(short("PackBits", filled + input.len(), wanted));
                };
                input = rest;
                let used = length.min(free.len());
                free[..used].copy_from_slice(&literal[..used]);
                used
            }
            length => {
                let Some((&value, rest)) = input.split_first() else { return Err(short("PackBits", filled, wanted)) };
                input = rest;
                let used = (1 + usize::from(length.unsigned_abs())).min(free.len());
                free[..used].fill(value);
                used
            }
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let packed = [0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7, 0xaa];
        let mut output = [0; 24];
        assert_eq!(decompress(&packed, &mut output), Ok(()));
        let mut expected = vec![0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22];
        expected.resize(24, 0xaa);
        assert_eq!(output, *expected);
        for length in 0..packed.len() {
            assert!(decompress(&packed[..length], &mut output).is_err());
        }
    }
}
