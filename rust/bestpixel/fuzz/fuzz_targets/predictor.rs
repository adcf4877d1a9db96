//! Any bytes as rows of differences: the decoder's sums equal those of a plain loop.
#![no_main]

use bestpixel::tiff::{Cog, Samples, decode_bands};
use bestpixel_fuzz::{OneTile, compressed};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&[head, width], rows)) = data.split_first_chunk::<2>() else { return };
    let samples = usize::from(head >> 1 & 3) + 1;
    let width = usize::from(width) + 1;
    let height = (rows.len() / (2 * width * samples)).min(64);
    if height == 0 {
        return;
    }
    let rows = &rows[..2 * width * samples * height];
    let stored = stored_deflate(rows);
    let file = OneTile {
        is_big_endian: head & 1 == 1,
        width: width as u16,
        height: height as u16,
        bits: 16,
        format: 1,
        samples: samples as u16,
        compression: 8,
        predictor: 2,
        fill_order: 1,
        tile: &stored,
        geo_keys: &[],
        geo_doubles: &[],
    };
    let bytes = file.file();
    let cog = Cog::from_bytes(bytes.clone()).expect("the file is right");
    let bands = decode_bands(&cog.levels[0], &compressed(&bytes, &cog.levels[0], 0), None).expect("so is its tile");
    for (band, decoded) in bands.iter().enumerate() {
        let Samples::U16(decoded) = decoded else { panic!("16 bits") };
        for row in 0..height {
            let mut sum = 0u16;
            for col in 0..width {
                let at = 2 * ((row * width + col) * samples + band);
                let pair = [rows[at], rows[at + 1]];
                let value = if head & 1 == 1 { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
                sum = sum.wrapping_add(value);
                assert_eq!(decoded.row(row)[col], sum);
            }
        }
    }
});

/// A zlib stream of stored blocks: what the fuzzer changes reaches the predictor as it is.
fn stored_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(65_535).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}
