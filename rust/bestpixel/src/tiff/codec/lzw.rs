//! LZW (compression 5) through weezl: most significant bit first, and libtiff's old variant with the least first.

use super::{Outcome, short};
use std::cell::RefCell;
use weezl::decode::{Configuration, Decoder};
use weezl::{BitOrder, LzwStatus};

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Configuration::with_tiff_size_switch(BitOrder::Msb, 8).build());
}

/// Fills `output`; the reason where the stream does not.
pub(crate) fn decompress(input: &[u8], output: &mut [u8]) -> Outcome {
    if is_old_style(input) {
        return run(&mut Configuration::new(BitOrder::Lsb, 8).build(), input, output);
    }
    DECODER.with_borrow_mut(|decoder| {
        decoder.reset();
        run(decoder, input, output)
    })
}

/// A stream starts with the code 256 of nine bits. Before TIFF 6.0 some writers packed codes from the least bit on.
fn is_old_style(input: &[u8]) -> bool {
    matches!(input, [0, second, ..] if second & 1 == 1)
}

fn run(decoder: &mut Decoder, mut input: &[u8], output: &mut [u8]) -> Outcome {
    let mut filled = 0;
    while filled < output.len() {
        let step = decoder.decode_bytes(input, &mut output[filled..]);
        filled += step.consumed_out;
        input = input.get(step.consumed_in..).unwrap_or_default();
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(error) => return Err(format!("LZW: {error} after {filled} bytes")),
        }
    }
    if filled == output.len() { Ok(()) } else { Err(short("LZW", filled, output.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weezl::encode::Encoder;

    #[test]
    fn both_bit_orders_and_a_stream_cut_short() {
        let bytes: Vec<u8> = (0..20_000u32).map(|i| (i * i / 7 % 13) as u8).collect();
        let mut output = vec![0; bytes.len()];
        let stream = Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(&bytes).unwrap_or_default();
        assert_eq!(decompress(&stream, &mut output), Ok(()));
        assert_eq!(output, bytes);
        output.fill(0);
        let old = Encoder::new(BitOrder::Lsb, 8).encode(&bytes).unwrap_or_default();
        assert_eq!(decompress(&old, &mut output), Ok(()));
        assert_eq!(output, bytes);
        assert!(decompress(&stream[..100], &mut output).is_err());
        assert!(decompress(&[], &mut output).is_err());
        assert!(decompress(&[0xff; 50], &mut output).is_err());
    }
}
