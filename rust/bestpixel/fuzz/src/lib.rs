//! Bytes go in, whole TIFFs with these bytes in the wanted places come out: what the fuzz targets share.

use bestpixel::tiff::{Cog, CompressedTile, Level, Samples, decode_bands, decode_tile};
use bytes::Bytes;

/// Tiles decoded of one input, and the bytes of all of them: enough to reach the code, too few to be slow.
const MAX_TILES: usize = 64;
const MAX_BYTES: usize = 8 << 20;

/// Opens a file and decodes what it holds, within bounds. Nothing may panic.
pub fn read_all(bytes: &Bytes) {
    let Ok(cog) = Cog::from_bytes(bytes.clone()) else { return };
    let mut left = MAX_BYTES;
    for level in &cog.levels {
        for index in 0..level.tile_count().min(MAX_TILES) {
            if level.decoded_bytes() > left {
                break;
            }
            left -= level.decoded_bytes();
            let tile = compressed(bytes, level, index);
            if let Ok(bands) = decode_bands(level, &tile, cog.nodata) {
                let first = decode_tile(level, &tile, cog.nodata);
                assert!(first.is_ok_and(|first| same(&first, &bands[0])), "one band and all bands differ");
            }
        }
    }
}

/// Bit for bit: NaN is NaN.
fn same(a: &Samples, b: &Samples) -> bool {
    match (a, b) {
        (Samples::F32(a), Samples::F32(b)) => a.map(f32::to_bits) == b.map(f32::to_bits),
        (Samples::F64(a), Samples::F64(b)) => a.map(f64::to_bits) == b.map(f64::to_bits),
        _ => a == b,
    }
}

/// A tile of a file in memory; what lies beyond its end is not there.
pub fn compressed(bytes: &Bytes, level: &Level, index: usize) -> CompressedTile {
    let range = level.tile_range(index).unwrap_or_default();
    let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    let (start, end) = (within(range.start), within(range.end));
    CompressedTile { index, bytes: bytes.slice(start..end.max(start)) }
}

/// A classic TIFF of one tile.
pub struct OneTile<'a> {
    pub is_big_endian: bool,
    pub width: u16,
    pub height: u16,
    pub bits: u16,
    pub format: u16,
    pub samples: u16,
    pub compression: u16,
    pub predictor: u16,
    pub fill_order: u16,
    pub tile: &'a [u8],
    pub geo_keys: &'a [u16],
    pub geo_doubles: &'a [f64],
}

impl OneTile<'_> {
    /// The file: header, values, tile, directory.
    pub fn file(&self) -> Bytes {
        let short = |v: u16| if self.is_big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let long = |v: u32| if self.is_big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let double = |v: f64| if self.is_big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut file = if self.is_big_endian { b"MM\0\x2a".to_vec() } else { b"II\x2a\0".to_vec() };
        file.extend(long(0));
        let mut place = |bytes: &[u8]| {
            let start = file.len() as u32;
            file.extend(bytes);
            start
        };
        let repeat = |v: u16| -> Vec<u8> { (0..self.samples).flat_map(|_| short(v)).collect() };
        let bits_at = place(&repeat(self.bits));
        let formats_at = place(&repeat(self.format));
        let keys_at = place(&self.geo_keys.iter().flat_map(|&v| short(v)).collect::<Vec<_>>());
        let doubles_at = place(&self.geo_doubles.iter().flat_map(|&v| double(v)).collect::<Vec<_>>());
        let tile_at = place(self.tile);
        let ifd_at = file.len() as u32;
        let n = u32::from(self.samples);
        let mut entries: Vec<(u16, u16, u32, u32)> = vec![
            (256, 3, 1, self.width.into()),
            (257, 3, 1, self.height.into()),
            (258, 3, n, bits_at),
            (259, 3, 1, self.compression.into()),
            (266, 3, 1, self.fill_order.into()),
            (277, 3, 1, n),
            (317, 3, 1, self.predictor.into()),
            (322, 3, 1, self.width.into()),
            (323, 3, 1, self.height.into()),
            (324, 4, 1, tile_at),
            (325, 4, 1, self.tile.len() as u32),
            (339, 3, n, formats_at),
        ];
        if !self.geo_keys.is_empty() {
            entries.push((34735, 3, self.geo_keys.len() as u32, keys_at));
            entries.push((34736, 12, self.geo_doubles.len() as u32, doubles_at));
        }
        file.extend(short(entries.len() as u16));
        for (tag, kind, count, value) in entries {
            file.extend(short(tag));
            file.extend(short(kind));
            file.extend(long(count));
            match (tag, kind, count) {
                // Up to two numbers of 16 bits stand in the entry itself.
                (258, ..) if count <= 2 => (0..2).for_each(|_| file.extend(short(self.bits))),
                (339, ..) if count <= 2 => (0..2).for_each(|_| file.extend(short(self.format))),
                (_, 3, 1) => {
                    file.extend(short(value as u16));
                    file.extend([0, 0]);
                }
                _ => file.extend(long(value)),
            }
        }
        file.extend(long(0));
        file[4..8].copy_from_slice(&long(ifd_at));
        file.into()
    }
}
