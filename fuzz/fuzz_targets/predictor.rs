//! Rows of any bytes through predictors 1 and 2, unpacking and byte orders: equal to the plain loop.
#![no_main]

use arbitrary::Arbitrary;
use bestpixel::tiff::{Cog, CompressedTile, Samples, decode_bands};
use bestpixel_fuzz::{sample_of_bits, short, tiff};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Rows<'a> {
    bits: u8,
    is_differences: bool,
    samples: u8,
    width: u8,
    bytes: &'a [u8],
}

/// The samples of all bands, pixel by pixel.
fn expected(rows: &Rows, bits: usize, samples: usize, width: usize, height: usize) -> Vec<u64> {
    let row_bytes = (width * samples * bits).div_ceil(8);
    let mask = (1u64 << bits) - 1;
    let mut values = Vec::new();
    for row in rows.bytes.chunks_exact(row_bytes).take(height) {
        let mut before = vec![0u64; samples];
        for i in 0..width * samples {
            let mut value = match bits {
                8 | 16 | 32 => (0..bits / 8).rev().fold(0, |v, k| v << 8 | u64::from(row[i * bits / 8 + k])),
                _ => sample_of_bits(row, i * bits, bits),
            };
            if rows.is_differences && matches!(bits, 8 | 16 | 32) {
                value = (value + before[i % samples]) & mask;
                before[i % samples] = value;
            }
            values.push(value);
        }
    }
    values
}

fn values(samples: &Samples) -> Vec<u64> {
    match samples {
        Samples::U8(array) => array.values().iter().map(|&v| u64::from(v)).collect(),
        Samples::U16(array) => array.values().iter().map(|&v| u64::from(v)).collect(),
        Samples::U32(array) => array.values().iter().map(|&v| u64::from(v)).collect(),
        other => panic!("unsigned samples were written, {} were read", other.type_name()),
    }
}

fuzz_target!(|rows: Rows| {
    let bits = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 32][usize::from(rows.bits) % 17];
    let samples = 1 + usize::from(rows.samples) % 4;
    let width = 1 + usize::from(rows.width);
    let height = rows.bytes.len() / (width * samples * bits).div_ceil(8);
    if height == 0 || height > 4096 {
        return;
    }
    let is_predicted = rows.is_differences && matches!(bits, 8 | 16 | 32);
    let entries = vec![
        short(256, width as u16),
        short(257, height as u16),
        (258, 3, (bits as u16).to_le_bytes().repeat(samples)),
        // A predictor needs a compression: DEFLATE of stored blocks.
        short(259, if is_predicted { 8 } else { 1 }),
        short(277, samples as u16),
        short(317, if is_predicted { 2 } else { 1 }),
        short(322, width as u16),
        short(323, height as u16),
    ];
    let bytes = &rows.bytes[..height * (width * samples * bits).div_ceil(8)];
    let data = if is_predicted { stored(bytes) } else { bytes.to_vec() };
    let file = tiff(&entries, &data);
    let Ok(cog) = Cog::from_bytes(file) else { panic!("the file is right") };
    let tile = CompressedTile { index: 0, bytes: data.into() };
    let bands = decode_bands(&cog.levels[0], &tile, None);
    let wanted = expected(&rows, bits, samples, width, height);
    let Ok(bands) = bands else { panic!("the tile is right: {bands:?}") };
    for (band, decoded) in bands.iter().enumerate() {
        let wanted: Vec<u64> = wanted.iter().skip(band).step_by(samples).copied().collect();
        assert_eq!(values(decoded), wanted, "band {band}");
    }
});

/// A zlib stream of stored blocks.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = bytes.chunks(0xffff);
    let last = blocks.len() - 1;
    for (i, block) in blocks.enumerate() {
        let length = block.len() as u16;
        stream.push(u8::from(i == last));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}
