//! Any bytes as a file: opened, and its tiles decoded.
#![no_main]

#[path = "../../rust/bestpixel/tests/read_all/mod.rs"]
mod read_all;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = read_all::read_all(&Bytes::copy_from_slice(data));
});
