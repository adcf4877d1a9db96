//! Any bytes as a compressed tile of a file whose directory is right.
#![no_main]

#[path = "../../rust/bestpixel/tests/read_all/mod.rs"]
mod read_all;

use arbitrary::Arbitrary;
use bestpixel_fuzz::{short, tiff};
use libfuzzer_sys::fuzz_target;

const COMPRESSIONS: [u16; 6] = [1, 5, 8, 32773, 32946, 50000];

#[derive(Arbitrary, Debug)]
struct Tile<'a> {
    compression: u8,
    /// Format and bits of a sample.
    kind: u8,
    predictor: u8,
    samples: u8,
    width: u8,
    height: u8,
    is_striped: bool,
    fill_order: bool,
    bytes: &'a [u8],
}

fuzz_target!(|tile: Tile| {
    let (format, bits) =
        [(1, 8), (1, 16), (1, 15), (1, 1), (1, 12), (1, 32), (2, 16), (2, 8), (2, 32), (3, 32), (3, 64)]
            [usize::from(tile.kind) % 11];
    let samples = 1 + u16::from(tile.samples) % 4;
    let (width, height) = (1 + u16::from(tile.width), 1 + u16::from(tile.height));
    let per_band = |value: u16| value.to_le_bytes().repeat(usize::from(samples));
    let mut entries = vec![
        short(256, width),
        short(257, height),
        (258, 3, per_band(bits)),
        short(259, COMPRESSIONS[usize::from(tile.compression) % COMPRESSIONS.len()]),
        short(266, 1 + u16::from(tile.fill_order)),
        short(277, samples),
        short(317, 1 + u16::from(tile.predictor) % 3),
        (339, 3, per_band(format)),
    ];
    if tile.is_striped {
        entries.push(short(278, height));
    } else {
        entries.extend([short(322, width), short(323, height)]);
    }
    let _ = read_all::read_all(&tiff(&entries, tile.bytes));
});
