//! DEFLATE in a zlib wrapper (compression 8 and 32946) through libdeflate.

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use std::cell::RefCell;

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

/// Inflates `input` so that it fills `output`; the reason where it does not.
pub(crate) fn inflate(input: &[u8], output: &mut [u8]) -> Result<(), String> {
    let written = DECOMPRESSOR
        .with_borrow_mut(|decompressor| decompressor.zlib_decompress(input, output))
        .map_err(|error| format!("DEFLATE: {error}"))?;
    if written == output.len() {
        Ok(())
    } else {
        Err(format!("DEFLATE: {written} bytes where {} are needed", output.len()))
    }
}

/// Deflates `input` at a level of 1..=12.
pub(crate) fn deflate(input: &[u8], level: u8) -> Vec<u8> {
    let level = CompressionLvl::new(i32::from(level)).unwrap_or_default();
    let mut compressor = Compressor::new(level);
    let mut output = vec![0; compressor.zlib_compress_bound(input.len())];
    // The buffer has the bound's size, so that there is always space.
    let written = compressor.zlib_compress(input, &mut output).unwrap_or(0);
    output.truncate(written);
    output
}
