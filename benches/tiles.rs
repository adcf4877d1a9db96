//! Tiles and files for the benchmarks of the reader.

use bytes::Bytes;

/// A square tile of reflectance: fields and slopes of several sizes under the sensor's noise, 0..=10000.
pub fn texture(side: usize) -> Vec<u16> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    let value = |row: usize, col: usize, noise: f64| {
        let (x, y) = (col as f64, row as f64);
        let field = f64::from(((row / 37) * 7 + (col / 53) * 13) as u32 % 11) * 120.0;
        let slope = 400.0 * (x / 190.0).sin() * (y / 230.0).cos() + 90.0 * (x / 17.0 + y / 23.0).sin();
        (1500.0 + field + slope + 60.0 * noise).clamp(0.0, 10_000.0) as u16
    };
    (0..side * side).map(|i| value(i / side, i % side, noise())).collect()
}

/// Rows of samples as predictor 2 stores them, little-endian.
pub fn differences(samples: &[u16], width: usize) -> Vec<u8> {
    let rows = samples.chunks_exact(width);
    rows.flat_map(|row| (0..width).map(|i| row[i].wrapping_sub(if i == 0 { 0 } else { row[i - 1] })))
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// Samples of 15 bits, most significant bit first.
pub fn packed_15_bits(samples: &[u16]) -> Vec<u8> {
    let (groups, _) = samples.as_chunks::<8>();
    let pack = |group: &[u16; 8]| group.iter().fold(0u128, |acc, &v| acc << 15 | u128::from(v & 0x7fff)) << 8;
    groups.iter().flat_map(|group| pack(group).to_be_bytes().into_iter().take(15).collect::<Vec<_>>()).collect()
}

/// A TIFF of one DEFLATE tile.
pub fn one_tile(side: usize, bits: u16, predictor: u16, compressed: &[u8]) -> Bytes {
    let entries: [(u16, u16, u32); 9] = [
        (256, 4, side as u32),
        (257, 4, side as u32),
        (258, 3, u32::from(bits)),
        (259, 3, 8),
        (317, 3, u32::from(predictor)),
        (322, 4, side as u32),
        (323, 4, side as u32),
        (324, 4, 8 + 2 + 9 * 12 + 4),
        (325, 4, compressed.len() as u32),
    ];
    let mut file = b"II\x2a\0\x08\0\0\0\x09\0".to_vec();
    for (tag, kind, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file.extend(compressed);
    file.into()
}
