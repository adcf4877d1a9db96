//! What a file may make the reader allocate: 256 MiB at most, however small it is and whatever it claims.
//!
//! A test binary of its own: allocations are counted for the whole process.
#![expect(clippy::expect_used, reason = "a test that cannot read its inputs is to fail")]

mod files;
mod read_all;

use bytes::Bytes;
use files::{corpus, files_below, hostile};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MOST: usize = 256 << 20;

#[test]
fn no_small_file_takes_much_memory() {
    let mut paths = files_below(&hostile());
    assert!(!paths.is_empty(), "there are no fixtures");
    paths.extend(files_below(&corpus()));
    let peaks = paths.iter().map(|path| {
        let bytes = Bytes::from(std::fs::read(path).expect("the file can be read"));
        ALLOCATED.reset_peak_usage();
        let before = ALLOCATED.current_usage();
        let _ = read_all::read_all(&bytes);
        (ALLOCATED.peak_usage() - before, path)
    });
    let (peak, path) = peaks.max().expect("there are files");
    assert!(peak <= MOST, "{} takes {peak} bytes", path.display());
    eprintln!("at most {} MiB: {}", peak >> 20, path.display());
}
