//! Files for the fuzz targets, and the loops with which decoded samples are compared.

use bytes::Bytes;

/// A little-endian TIFF of one directory: entries are (tag, type, values as bytes), in any order; `data` is its only
/// tile, whose offset and byte count are added here.
pub fn tiff(entries: &[(u16, u16, Vec<u8>)], data: &[u8]) -> Bytes {
    const LONG: u16 = 4;
    let mut entries = entries.to_vec();
    let values: usize = entries.iter().map(|(_, _, bytes)| bytes.len().next_multiple_of(2)).sum();
    let values_start = 8 + 2 + (entries.len() + 2) * 12 + 4;
    entries.push((324, LONG, ((values_start + values) as u32).to_le_bytes().to_vec()));
    entries.push((325, LONG, (data.len() as u32).to_le_bytes().to_vec()));
    entries.sort();
    let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    let mut behind = Vec::new();
    for (tag, kind, bytes) in &entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(((bytes.len() / type_bytes(*kind)) as u32).to_le_bytes());
        let mut value = bytes.clone();
        value.resize(value.len().next_multiple_of(2).max(4), 0);
        if value.len() > 4 {
            file.extend(((values_start + behind.len()) as u32).to_le_bytes());
            behind.extend(value);
        } else {
            file.extend(value);
        }
    }
    file.extend([0; 4]);
    file.extend(behind);
    // Values of up to four bytes lie in their entries: the place that was kept for them stays empty.
    file.resize(values_start + values, 0);
    file.extend(data);
    file.into()
}

/// Bytes of a value of one of TIFF's types that are used here.
fn type_bytes(kind: u16) -> usize {
    match kind {
        3 => 2,
        4 => 4,
        12 => 8,
        _ => 1,
    }
}

/// An entry of one SHORT.
pub fn short(tag: u16, value: u16) -> (u16, u16, Vec<u8>) {
    (tag, 3, value.to_le_bytes().to_vec())
}

/// The unsigned sample of `bits` bits that starts at bit `start`, bit by bit.
pub fn sample_of_bits(bytes: &[u8], start: usize, bits: usize) -> u64 {
    (start..start + bits).fold(0, |value, at| value << 1 | u64::from(bytes[at / 8] >> (7 - at % 8) & 1))
}
