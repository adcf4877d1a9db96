//! Any bytes as a file: all its levels and tiles.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bestpixel_fuzz::read_all(&bytes::Bytes::copy_from_slice(data)));
