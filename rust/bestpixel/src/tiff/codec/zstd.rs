//! ZSTD (compression 50000) through the reference implementation.

use super::{Outcome, short};
use std::cell::RefCell;
use zstd::bulk::Decompressor;
use zstd::stream::raw::{Decoder, Operation};
use zstd::zstd_safe::DParameter;

/// A frame that wants a larger window than 2^25 bytes is refused: the window would be allocated.
const MAX_WINDOW_LOG: u32 = 25;

thread_local! {
    /// None where it could not be made, for want of memory.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

/// Fills `output`; the reason where the stream does not.
pub(crate) fn decompress(input: &[u8], output: &mut [u8]) -> Outcome {
    let whole = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        decompressor.as_mut().and_then(|decompressor| decompressor.decompress_to_buffer(input, output).ok())
    });
    match whole {
        Some(written) if written == output.len() => Ok(()),
        Some(written) => Err(short("ZSTD", written, output.len())),
        // Damaged, or longer than is wanted: a stream tells which.
        None => stream(input, output),
    }
}

fn stream(input: &[u8], output: &mut [u8]) -> Outcome {
    let failed = |error: std::io::Error| format!("ZSTD: {error}");
    let mut decoder = Decoder::new().map_err(failed)?;
    decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(failed)?;
    let (mut read, mut written) = (0, 0);
    while written < output.len() {
        let step = decoder.run_on_buffers(&input[read..], &mut output[written..]).map_err(failed)?;
        if step.bytes_read + step.bytes_written == 0 {
            return Err(short("ZSTD", written, output.len()));
        }
        read += step.bytes_read;
        written += step.bytes_written;
    }
    Ok(())
}

/// Compresses `input` at a level of 1..=22.
///
/// # Errors
/// Where there is no memory for it.
pub(crate) fn compress(input: &[u8], level: u8) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(input, i32::from(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_streams_longer_ones_and_damaged_ones() {
        let bytes: Vec<u8> = (0..50_000u32).map(|i| (i * i / 11 % 17) as u8).collect();
        let packed = zstd::bulk::compress(&bytes, 3).unwrap_or_default();
        for length in [50_000, 1234, 1] {
            let mut output = vec![0; length];
            assert_eq!(decompress(&packed, &mut output), Ok(()));
            assert_eq!(output, bytes[..length]);
        }
        let mut output = vec![0; 50_001];
        assert!(decompress(&packed, &mut output).is_err());
        assert!(decompress(&packed[..packed.len() / 2], &mut output[..50_000]).is_err());
        assert!(decompress(b"nothing", &mut output).is_err());
    }
}
